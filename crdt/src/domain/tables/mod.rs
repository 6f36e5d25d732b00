//! Tables (码表): what differs from town to town, as rows that a town edits, imports and exports.
//!
//! Each table is one document of the namespace `town`, each row one record of it under the hash of its key columns: two
//! people who edit different rows both do, and two values for one cell are a conflict like any other. A town starts with
//! the rows that the program ships ([`TableKind::defaults`]); a recorded row stands before a shipped one of the same key, and a row
//! that is marked retired takes it out. Where a town is founded the shipped rows are recorded, so that a newer program with
//! other defaults changes nothing there.
//!
//! The life cycle of cases is a table, too, and shown and exported as one; but a town cannot change it yet
//! ([`TableKind::is_fixed`]): what a cut-off village does by the old rules must stand on every node.
//!
//! Reading order: [`Column`] and [`Row`] (what a table consists of), `deadlines`, `checklists`, `assessment`, `ground`,
//! `transitions` (the tables), [`Tables`] (all of them as they stand, compiled for use).

mod assessment;
mod cell;
mod checklists;
mod deadlines;
mod effective;
mod ground;
mod stages;
#[cfg(test)]
mod tests;
mod transitions;

pub use assessment::{GradeRow, ScorePart, ScoreRole, ScoreRow};
pub use cell::{Cell, List, Word};
pub use checklists::{ChecklistItemRow, ChecklistRow};
pub use deadlines::{
    CalendarDayRow, CategoryRow, DeadlineUnit, LimitRow, Span, Stage, StageLimitRow, Weekday, WorkingHoursRow,
};
pub use effective::{EffectiveRow, RecordedRow, Tables};
pub use ground::{GridRuleRow, ResponsibilityRow, ResponsibleLevel};
pub use stages::StageSpan;
pub use transitions::{MeetingRow, TransitionRow};

use super::codes::coded;
use super::input::{self, Fault, InputError};
use super::key;
use crate::change::RecordKey;
use crate::value::{FieldId, Fields, Value};

/// Most rows of one table, retired ones included.
pub const MAX_ROWS: usize = 8_192;

/// The field that takes a row out.
const RETIRED: Column = Column::of::<bool>(RETIRED_FIELD, "retired", "停用", "retired", Need::Optional);
/// Its number, in every table.
pub const RETIRED_FIELD: FieldId = 200;

coded! {
    /// A table of the town.
    pub enum TableKind: "table" {
        /// Categories of cases.
        Category = 1, "category", "案件类别", "categories of cases";
        /// How long a case may take, by category and severity.
        Limit = 2, "limit", "处置时限", "limits of cases";
        /// How long each desk may take.
        StageLimit = 3, "stage_limit", "环节时限", "limits of stages";
        /// Which hours of which weekdays are worked.
        WorkingHours = 4, "working_hours", "工作时间", "working hours";
        /// Holidays, and days worked in their stead.
        CalendarDay = 5, "calendar_day", "节假日与调休", "holidays and days worked instead";
        /// What a score is made of.
        Score = 6, "score", "评分权重", "weights of scores";
        /// From which score on a grade is given.
        Grade = 7, "grade", "评分等级", "grades";
        /// Checklists.
        Checklist = 8, "checklist", "检查表", "checklists";
        /// Their questions.
        ChecklistItem = 9, "checklist_item", "检查项", "items of checklists";
        /// How much ground one inspector has.
        GridRule = 10, "grid_rule", "网格划分标准", "rule of grids";
        /// Who owns which cases where.
        Responsibility = 11, "responsibility", "责任清单", "responsibilities";
        /// Who may do what when to a case.
        Transition = 12, "transition", "办理流程", "transitions of cases";
        /// What happens when two steps were taken apart.
        Meeting = 13, "meeting", "并发规则", "steps taken apart";
    }
}

/// Whether a row must say something in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It is part of what the row is found by.
    Key,
    /// Yes.
    Required,
    /// No.
    Optional,
}

/// One column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The field that holds it.
    pub number: FieldId,
    /// As JSON names it.
    pub name: &'static str,
    /// Its header in Chinese.
    pub chinese: &'static str,
    /// Its header in English.
    pub english: &'static str,
    /// Whether a row must have it.
    pub need: Need,
    parse: fn(&str) -> Result<Value, Fault>,
    show: fn(&Value) -> Option<[String; 3]>,
}

impl Column {
    /// A column of this type.
    pub(super) const fn of<T: Cell>(
        number: FieldId,
        name: &'static str,
        chinese: &'static str,
        english: &'static str,
        need: Need,
    ) -> Self {
        Self { number, name, chinese, english, need, parse: parse::<T>, show: show::<T> }
    }

    /// The value that a cell of a file says; `None` of a blank one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(&self, cell: &str) -> Result<Option<Value>, InputError> {
        if key::normalise(cell).is_empty() {
            return Ok(None);
        }
        (self.parse)(cell.trim()).map(Some).map_err(|fault| InputError::new(self.name, fault))
    }

    /// The value as in JSON, in Chinese and in English; `None` of one that this column cannot hold.
    pub fn show(&self, value: &Value) -> Option<[String; 3]> {
        (self.show)(value)
    }
}

fn parse<T: Cell>(cell: &str) -> Result<Value, Fault> {
    T::parse(cell).map(|known| known.to_value())
}

fn show<T: Cell>(value: &Value) -> Option<[String; 3]> {
    T::from_value(value).map(|known| known.words())
}

/// One row of a table, as its fields.
pub trait Row: Sized {
    /// Which table.
    const TABLE: TableKind;
    /// Its columns, in the order of files; the last one takes the row out.
    const COLUMNS: &'static [Column];

    /// From its fields; what cannot be read is not known.
    fn of_fields(fields: &Fields) -> Self;

    /// Its fields.
    fn to_fields(&self) -> Fields;

    /// Checks what somebody entered; that every column says what it must was checked before.
    ///
    /// # Errors
    /// The first field that is wrong.
    fn check(&self) -> Result<(), InputError>;
}

/// Defines the row of a table: a record whose columns have names in Chinese and English. Each row says how it is checked
/// in an inherent function `check_values`.
macro_rules! row {
    (
        $(#[$doc:meta])*
        pub struct $row:ident of $table:ident {
            key { $( $(#[$key_doc:meta])* $key_number:literal $KEY:ident $key:ident : $key_type:ty = $key_zh:literal, $key_en:literal; )+ }
            required { $( $(#[$req_doc:meta])* $req_number:literal $REQ:ident $req:ident : $req_type:ty = $req_zh:literal, $req_en:literal; )* }
            optional { $( $(#[$opt_doc:meta])* $opt_number:literal $OPT:ident $opt:ident : $opt_type:ty = $opt_zh:literal, $opt_en:literal; )* }
        }
    ) => {
        $crate::domain::record::record! {
            $(#[$doc])*
            pub struct $row {
                $( $(#[$key_doc])* $key_number $KEY $key: Option<$key_type>, )+
                $( $(#[$req_doc])* $req_number $REQ $req: Option<$req_type>, )*
                $( $(#[$opt_doc])* $opt_number $OPT $opt: Option<$opt_type>, )*
                /// Taken out of the table.
                200 RETIRED retired: Option<bool>,
            }
        }

        impl $crate::domain::tables::Row for $row {
            const TABLE: $crate::domain::tables::TableKind = $crate::domain::tables::TableKind::$table;
            const COLUMNS: &'static [$crate::domain::tables::Column] = &[
                $( $crate::domain::tables::Column::of::<$key_type>(
                    $key_number, stringify!($key), $key_zh, $key_en, $crate::domain::tables::Need::Key), )+
                $( $crate::domain::tables::Column::of::<$req_type>(
                    $req_number, stringify!($req), $req_zh, $req_en, $crate::domain::tables::Need::Required), )*
                $( $crate::domain::tables::Column::of::<$opt_type>(
                    $opt_number, stringify!($opt), $opt_zh, $opt_en, $crate::domain::tables::Need::Optional), )*
                $crate::domain::tables::RETIRED,
            ];

            fn of_fields(fields: &$crate::value::Fields) -> Self {
                Self::read(fields)
            }
            fn to_fields(&self) -> $crate::value::Fields {
                self.fields()
            }
            fn check(&self) -> Result<(), $crate::domain::input::InputError> {
                self.check_values()
            }
        }
    };
}
use row;

/// What is particular to each table, by kind.
struct Definition {
    columns: &'static [Column],
    check: fn(&Fields) -> Result<(), InputError>,
    defaults: fn() -> Vec<Fields>,
}

impl Definition {
    const fn of<R: Row + Shipped>() -> Self {
        Self {
            columns: R::COLUMNS,
            check: |fields| R::of_fields(fields).check(),
            defaults: || R::shipped().iter().map(R::to_fields).collect(),
        }
    }
}

/// Rows that the program ships.
trait Shipped: Sized {
    fn shipped() -> Vec<Self>;
}

impl TableKind {
    fn definition(self) -> Option<Definition> {
        Some(match self {
            Self::Category => Definition::of::<CategoryRow>(),
            Self::Limit => Definition::of::<LimitRow>(),
            Self::StageLimit => Definition::of::<StageLimitRow>(),
            Self::WorkingHours => Definition::of::<WorkingHoursRow>(),
            Self::CalendarDay => Definition::of::<CalendarDayRow>(),
            Self::Score => Definition::of::<ScoreRow>(),
            Self::Grade => Definition::of::<GradeRow>(),
            Self::Checklist => Definition::of::<ChecklistRow>(),
            Self::ChecklistItem => Definition::of::<ChecklistItemRow>(),
            Self::GridRule => Definition::of::<GridRuleRow>(),
            Self::Responsibility => Definition::of::<ResponsibilityRow>(),
            Self::Transition => Definition::of::<TransitionRow>(),
            Self::Meeting => Definition::of::<MeetingRow>(),
            Self::Unknown(_) => return None,
        })
    }

    /// Its columns, in the order of files; none of a table that this version does not know.
    pub fn columns(self) -> &'static [Column] {
        self.definition().map_or(&[], |definition| definition.columns)
    }

    /// The rows that a town starts with.
    pub fn defaults(self) -> Vec<Fields> {
        self.definition().map_or_else(Vec::new, |definition| (definition.defaults)())
    }

    /// Whether it stays as it is shipped.
    pub fn is_fixed(self) -> bool {
        matches!(self, Self::Transition | Self::Meeting)
    }

    /// The natural key of its document.
    pub fn natural_key(self) -> Vec<u8> {
        key::natural_key(&[&self.to_string()])
    }

    /// Under which key a row stands in its document: 16 bytes of a hash over its key columns; `None` while one of them
    /// is not known.
    pub fn row_key(self, row: &Fields) -> Option<RecordKey> {
        let parts: Option<Vec<String>> = self
            .columns()
            .iter()
            .filter(|column| column.need == Need::Key)
            .map(|column| {
                let [text, ..] = column.show(row.get(&column.number)?)?;
                (!key::normalise(&text).is_empty()).then_some(text)
            })
            .collect();
        let parts = parts?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let hash = blake3::derive_key("townmesh 2026-11 row of a table", &key::natural_key(&parts));
        hash.get(..16).map(<[u8]>::to_vec)
    }

    /// Checks a row that somebody entered, all of it.
    ///
    /// # Errors
    /// The first column that is wrong.
    pub fn check(self, row: &Fields) -> Result<(), InputError> {
        let Some(definition) = self.definition() else {
            return Err(InputError::new("table", Fault::Word { known: listed(Self::ALL) }));
        };
        for column in definition.columns {
            match row.get(&column.number) {
                None if column.need == Need::Optional => {}
                // A row that is taken out need only be named.
                None if column.need == Need::Required && row.get(&RETIRED_FIELD) == Some(&Value::Bool(true)) => {}
                None => return Err(InputError::new(column.name, Fault::Blank)),
                Some(Value::Text(text)) => input::line(column.name, text)?,
                Some(Value::Null | Value::Bool(_) | Value::Int(_) | Value::Bytes(_)) => {}
            }
        }
        if row.get(&RETIRED_FIELD) == Some(&Value::Bool(true)) {
            return Ok(());
        }
        (definition.check)(row)
    }

    /// The words for people of a row's key: `暴露垃圾` would be a guess, `exposed_rubbish 一般` is what stands there.
    pub fn title(self, row: &Fields) -> [String; 3] {
        let keys = self.columns().iter().filter(|column| column.need == Need::Key);
        let words: Vec<[String; 3]> = keys.filter_map(|column| column.show(row.get(&column.number)?)).collect();
        [0, 1, 2].map(|language: usize| {
            let one = words.iter().filter_map(|words| words.get(language).map(String::as_str));
            one.collect::<Vec<_>>().join(" ")
        })
    }
}

/// The keys of coded words, for messages.
fn listed<T: std::fmt::Display>(words: &[T]) -> String {
    words.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
}
