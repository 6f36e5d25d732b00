//! Books (台账): what the town keeps lists of beside households, cases and devices.
//!
//! Each entry of a book is a document of its own, found by its key columns: two offices that enter the same enterprise find
//! one document, and what they say differently of it is a conflict like any other. An entry that is retired stays, so that
//! what names it is still read. Books of a region lie in its registry and are read where that is; the others are known to
//! the whole town. The one person whom an entry may name beside staff (who answers for an enterprise, who owns a vehicle)
//! is sealed as everybody's data are.
//!
//! Unlike the rows of a table, entries rule nothing: every office that may write in their namespace records them.
//!
//! Reading order: [`BookKind`], then `registry`, `duty`, `campaigns`, `command` (the books).

mod campaigns;
mod command;
mod duty;
mod registry;
#[cfg(test)]
mod tests;

pub use campaigns::{Campaign, CampaignTier, Finding, Must, Problem, ProblemState};
pub use command::{CommandLevel, Message, Response};
pub use duty::{Consequence, ConsequenceKind, Shift};
pub use registry::{
    Enterprise, EnterpriseKind, Vehicle, VehicleKind, canonical_plate, is_credit_code, is_plate, plates_in,
};

use super::codes::coded;
use super::columns::{self, Column, Need, Row, Time};
use super::date::{Day, UTC_OFFSET_MINUTES};
use super::input::{Fault, Holder, InputError};
use super::key;
use super::position::Position;
use super::record::Scalar;
use super::region::RegionCode;
use crate::policy::DocumentKind;
use crate::value::{FieldId, Fields, Value};

/// The number that holds the sealed person of an entry, in every book that has one.
pub const PERSON_FIELD: FieldId = 150;

/// How the person of an entry stands in files and in JSON; none of these fields is ever written in clear.
pub const PERSON_COLUMNS: [Column; 3] = [
    Column::of::<String>(151, "person_name", "联系人姓名", "person's name", Need::Optional),
    Column::of::<String>(152, "person_id_number", "联系人证件号", "person's identity number", Need::Optional),
    Column::of::<String>(153, "person_phone", "联系人电话", "person's phone", Need::Optional),
];

coded! {
    /// A book of the town.
    pub enum BookKind: "book" {
        /// Enterprises, shops, schools, malls: whoever is visited and is no household.
        Enterprise = 1, "enterprise", "企业单位", "enterprises";
        /// Vehicles that belong to a door.
        Vehicle = 2, "vehicle", "车辆", "vehicles";
        /// Who is on duty when, and when they came.
        Shift = 3, "shift", "班次考勤", "shifts";
        /// What followed from a rating.
        Consequence = 4, "consequence", "奖惩记录", "consequences of ratings";
        /// Campaigns.
        Campaign = 5, "campaign", "专项行动", "campaigns";
        /// What campaigns found, and what must follow.
        Finding = 6, "finding", "行动发现", "findings of campaigns";
        /// Common problems: many cases with one cause.
        Problem = 7, "problem", "共性问题", "common problems";
        /// Response plans that were opened.
        Response = 8, "response", "应急响应", "responses";
        /// Command messages, with their acknowledgement.
        Message = 9, "message", "指令", "command messages";
    }
}

/// What is particular to each book.
struct Definition {
    columns: &'static [Column],
    check: fn(&Fields) -> Result<(), InputError>,
    kind: DocumentKind,
    /// Whose region it lies in, where it lies in a registry.
    region: Option<FieldId>,
    /// Whom it may name, sealed.
    person: Option<Holder>,
    /// From when to when an entry is about.
    span: Option<(FieldId, FieldId)>,
    position: Option<FieldId>,
    /// What names another entry or a member.
    refers: Option<FieldId>,
}

impl Definition {
    const fn of<R: Row>(kind: DocumentKind) -> Self {
        let check = |fields: &Fields| R::of_fields(fields).check();
        Self { columns: R::COLUMNS, check, kind, region: None, person: None, span: None, position: None, refers: None }
    }
}

impl BookKind {
    fn definition(self) -> Option<Definition> {
        Some(match self {
            Self::Enterprise => Definition {
                region: Some(Enterprise::REGION),
                person: Some(Holder::Owner),
                position: Some(Enterprise::POSITION),
                ..Definition::of::<Enterprise>(DocumentKind::Enterprise)
            },
            Self::Vehicle => Definition {
                region: Some(Vehicle::REGION),
                person: Some(Holder::Owner),
                ..Definition::of::<Vehicle>(DocumentKind::Vehicle)
            },
            Self::Shift => Definition {
                span: Some((Shift::START, Shift::END)),
                refers: Some(Shift::MEMBER),
                ..Definition::of::<Shift>(DocumentKind::Shift)
            },
            Self::Consequence => Definition {
                span: Some((Consequence::FROM, Consequence::TO)),
                refers: Some(Consequence::SUBJECT),
                ..Definition::of::<Consequence>(DocumentKind::Consequence)
            },
            Self::Campaign => Definition {
                span: Some((Campaign::FROM, Campaign::TO)),
                ..Definition::of::<Campaign>(DocumentKind::Campaign)
            },
            Self::Finding => Definition {
                region: Some(Finding::REGION),
                span: Some((Finding::FOUND, Finding::DONE)),
                refers: Some(Finding::CAMPAIGN),
                ..Definition::of::<Finding>(DocumentKind::Finding)
            },
            Self::Problem => Definition {
                span: Some((Problem::SINCE, Problem::CLOSED)),
                ..Definition::of::<Problem>(DocumentKind::Problem)
            },
            Self::Response => Definition {
                span: Some((Response::OPENED, Response::CLOSED)),
                ..Definition::of::<Response>(DocumentKind::Response)
            },
            Self::Message => Definition {
                span: Some((Message::SENT, Message::ACKNOWLEDGED)),
                refers: Some(Message::RESPONSE),
                ..Definition::of::<Message>(DocumentKind::Message)
            },
            Self::Unknown(_) => return None,
        })
    }

    /// Its columns, in the order of files; none of a book that this version does not know.
    pub fn columns(self) -> &'static [Column] {
        self.definition().map_or(&[], |definition| definition.columns)
    }

    /// Its columns with those of the person whom an entry may name.
    pub fn all_columns(self) -> Vec<Column> {
        let person = PERSON_COLUMNS.iter().filter(|_| self.names_person());
        self.columns().iter().chain(person).copied().collect()
    }

    /// The column with this field.
    pub fn column(self, number: FieldId) -> Option<&'static Column> {
        self.columns().iter().find(|column| column.number == number)
    }

    /// What its entries are as documents; `None` of a book that this version does not know.
    pub fn document_kind(self) -> Option<DocumentKind> {
        self.definition().map(|definition| definition.kind)
    }

    /// The book whose entries are documents of this kind.
    pub fn of_document(kind: DocumentKind) -> Option<Self> {
        Self::ALL.iter().copied().find(|book| book.document_kind() == Some(kind))
    }

    /// Whether its entries lie in the registry of a region.
    pub fn is_of_region(self) -> bool {
        self.definition().is_some_and(|definition| definition.region.is_some())
    }

    /// The region whose registry an entry belongs to, or that it names.
    pub fn region(self, entry: &Fields) -> Option<RegionCode> {
        let named = || self.columns().iter().find(|column| column.name == "region").map(|column| column.number);
        let number = self.definition()?.region.or_else(named)?;
        RegionCode::from_value(entry.get(&number)?)
    }

    /// Who an entry may name beside staff.
    pub(crate) fn person(self) -> Option<Holder> {
        self.definition()?.person
    }

    /// Whether an entry may name a person, sealed.
    pub fn names_person(self) -> bool {
        self.person().is_some()
    }

    /// From when to when an entry is about, in milliseconds since 1970: days from their start to their end.
    pub fn span(self, entry: &Fields) -> (Option<i64>, Option<i64>) {
        let Some((from, to)) = self.definition().and_then(|definition| definition.span) else { return (None, None) };
        let time = |number: FieldId, is_end: bool| {
            let value = entry.get(&number)?;
            // A day is shown as one, a time as a number.
            if self.column(number)?.number_in_json {
                return Time::from_value(value).map(|time| time.0);
            }
            let day = Day::from_value(value)?;
            Some(Day(day.0.saturating_add(i32::from(is_end))).start_ms(UTC_OFFSET_MINUTES))
        };
        (time(from, false), time(to, true))
    }

    /// Where an entry is.
    pub fn position(self, entry: &Fields) -> Option<Position> {
        Position::from_value(entry.get(&self.definition()?.position?)?)
    }

    /// Its code, where entries have one, in its one spelling.
    pub fn entry_code(self, entry: &Fields) -> Option<String> {
        let column = self.columns().iter().find(|column| column.name == "code")?;
        Some(key::normalise(&String::from_value(entry.get(&column.number)?)?))
    }

    /// What it names another entry or a member by, in its one spelling.
    pub fn refers(self, entry: &Fields) -> Option<String> {
        Some(key::normalise(&String::from_value(entry.get(&self.definition()?.refers?)?)?))
    }

    /// Brings what an entry is found by into its one spelling, where the key alone does not.
    pub fn canonise(self, entry: &mut Fields) {
        if let Some(Value::Text(plate)) = entry.get_mut(&Vehicle::PLATE).filter(|_| self == Self::Vehicle) {
            *plate = canonical_plate(plate);
        }
    }

    /// The key of an entry's document; `None` while a part of it is not known.
    pub fn natural_key(self, entry: &Fields) -> Option<Vec<u8>> {
        let parts = columns::key_parts(self.columns(), entry)?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        Some(key::natural_key(&parts))
    }

    /// Checks an entry that somebody made, all of it.
    ///
    /// # Errors
    /// The first column that is wrong.
    pub fn check(self, entry: &Fields) -> Result<(), InputError> {
        let Some(definition) = self.definition() else {
            return Err(InputError::new("book", Fault::Word { known: columns::listed(Self::ALL) }));
        };
        columns::check(definition.columns, entry)?;
        if columns::is_retired(entry) { Ok(()) } else { (definition.check)(entry) }
    }

    /// What an entry is found by, as in JSON, in Chinese and in English.
    pub fn title(self, entry: &Fields) -> [String; 3] {
        columns::title(self.columns(), entry)
    }
}

/// That something ends no earlier than it begins.
fn in_order<T: PartialOrd + Copy>(field: &'static str, from: Option<T>, to: Option<T>) -> Result<(), InputError> {
    match (from, to) {
        (Some(from), Some(to)) if to < from => Err(InputError::new(field, Fault::TimeOrder)),
        (Some(_) | None, Some(_) | None) => Ok(()),
    }
}
