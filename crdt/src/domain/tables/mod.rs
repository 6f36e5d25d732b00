//! Tables (码表): what differs from town to town, as rows that a town edits, imports and exports.
//!
//! Each table is one document of the namespace `town`, each row one record of it under the hash of its key columns: two
//! people who edit different rows both do, and two values for one cell are a conflict like any other. A town starts with
//! the rows that the program ships ([`TableKind::defaults`]); a recorded row stands before a shipped one of the same key, and a row
//! that is marked retired takes it out. Where a town is founded the shipped rows are recorded, so that a newer program with
//! other defaults changes nothing there.
//!
//! The life cycle of cases is two tables, too, whose rows are a draft ([`TableKind::is_draft`]): what a cut-off village does by
//! the old rules must stand, so cases go by [editions](crate::domain::case::LifeCycle) that are published as a whole.
//!
//! Reading order: [`crate::domain::columns`] (what a table consists of), `deadlines`, `checklists`, `assessment`, `ground`, `hazards`,
//! `organisation`, `transitions` (the tables), [`Tables`] (all of them as they stand, compiled for use).

mod assessment;
mod checklists;
mod deadlines;
mod desks;
mod effective;
mod ground;
mod hazards;
mod organisation;
mod stages;
#[cfg(test)]
mod tests;
mod thresholds;
mod transitions;

pub use assessment::{GradeRow, ScorePart, ScoreRole, ScoreRow};
pub use checklists::{ChecklistItemRow, ChecklistRow};
pub use deadlines::{
    CalendarDayRow, CategoryRow, DeadlineUnit, LimitRow, Span, Stage, StageLimitRow, Weekday, WorkingHoursRow,
};
pub use desks::DeskRow;
pub use effective::{EffectiveRow, RecordedRow, Tables};
pub use ground::{GridResponsibilityRow, GridRuleRow, LaneRow, ResponsibilityRow, Responsible, ResponsibleLevel};
pub use hazards::HazardLimitRow;
pub use organisation::{
    ArrivalRow, CampaignItemRow, CampaignTemplate, DeviceRuleRow, EscalationRow, PlanStepRow, PostRow,
};
pub use stages::StageSpan;
pub use thresholds::{Threshold, ThresholdRow};
pub use transitions::{MeetingRow, TransitionRow};

use super::codes::coded;
use super::columns::{self, Column, Row};
use super::input::{Fault, InputError};
use super::key;
use crate::change::RecordKey;
use crate::value::Fields;

/// Most rows of one table, retired ones included.
pub const MAX_ROWS: usize = 8_192;

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
        /// Posts.
        Post = 14, "post", "岗位", "posts";
        /// What campaigns visit, check and demand.
        CampaignItem = 15, "campaign_item", "行动模板", "items of campaigns";
        /// Steps of response plans.
        PlanStep = 16, "plan_step", "预案步骤", "steps of response plans";
        /// Who is told how late a case is.
        Escalation = 17, "escalation", "升级提醒", "escalation";
        /// Which events of devices open a case.
        DeviceRule = 18, "device_rule", "设备规则", "rules of devices";
        /// How soon teams are there.
        Arrival = 19, "arrival", "到场时限", "limits of arrival";
        /// How soon hazards are put right.
        HazardLimit = 20, "hazard_limit", "整改时限", "limits of hazards";
        /// The desks of the command center.
        Desk = 21, "desk", "指挥中心席位", "desks";
        /// Who owns which cases in which grid.
        GridResponsibility = 22, "grid_responsibility", "网格责任清单", "responsibilities in grids";
        /// Who answers for streets and lanes.
        Lane = 23, "lane", "街巷长名录", "lane chiefs";
        /// From where on analyses call something what they call it.
        Threshold = 24, "threshold", "分析阈值", "thresholds of analyses";
    }
}

/// The row of a table.
pub trait TableRow: Row {
    /// Which table.
    const TABLE: TableKind;
}

/// Defines the row of a table; see [`crate::domain::columns`].
macro_rules! row {
    ( $(#[$doc:meta])* pub struct $row:ident of $table:ident { $($body:tt)* } ) => {
        $crate::domain::columns::row! { $(#[$doc])* pub struct $row { $($body)* } }

        impl $crate::domain::tables::TableRow for $row {
            const TABLE: $crate::domain::tables::TableKind = $crate::domain::tables::TableKind::$table;
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
            Self::Post => Definition::of::<PostRow>(),
            Self::CampaignItem => Definition::of::<CampaignItemRow>(),
            Self::PlanStep => Definition::of::<PlanStepRow>(),
            Self::Escalation => Definition::of::<EscalationRow>(),
            Self::DeviceRule => Definition::of::<DeviceRuleRow>(),
            Self::Arrival => Definition::of::<ArrivalRow>(),
            Self::HazardLimit => Definition::of::<HazardLimitRow>(),
            Self::Desk => Definition::of::<DeskRow>(),
            Self::GridResponsibility => Definition::of::<GridResponsibilityRow>(),
            Self::Lane => Definition::of::<LaneRow>(),
            Self::Threshold => Definition::of::<ThresholdRow>(),
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

    /// Whether its rows count only once they are published.
    pub fn is_draft(self) -> bool {
        matches!(self, Self::Transition | Self::Meeting)
    }

    /// The natural key of its document.
    pub fn natural_key(self) -> Vec<u8> {
        key::natural_key(&[&self.to_string()])
    }

    /// Under which key a row stands in its document: 16 bytes of a hash over its key columns; `None` while one of them
    /// is not known.
    pub fn row_key(self, row: &Fields) -> Option<RecordKey> {
        let parts = columns::key_parts(self.columns(), row)?;
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
            return Err(InputError::new("table", Fault::Word { known: columns::listed(Self::ALL) }));
        };
        columns::check(definition.columns, row)?;
        if columns::is_retired(row) { Ok(()) } else { (definition.check)(row) }
    }

    /// The words for people of a row's key: `暴露垃圾` would be a guess, `exposed_rubbish 一般` is what stands there.
    pub fn title(self, row: &Fields) -> [String; 3] {
        columns::title(self.columns(), row)
    }
}
