//! The conflict inbox: what people have to settle, in the words of the domain, with the actions that settle it.
//!
//! A conflict is never stored: it is derived from what a document says, so that every node shows the same ones. Its *id* is
//! derived from the document and what the conflict is about (a field of a record, two residents, two events of a case), so
//! it stays while others join in; its *revision* says exactly what stood against each other, and is another one as soon as
//! that changes. Whoever settles names both, and is refused if the conflict is not what they saw.
//!
//! Settling is an ordinary change or event: it travels and is shown like any other, and two that settle apart from each
//! other differently are in conflict again, under the same id. What was settled is read from the document's history.

mod actions;
mod cases;
mod editions;
mod moves;
mod settle;
mod settle_case;
mod settled;

pub use actions::{ActionKey, Need, Offer};
pub use settle::{Answered, Asked, Choice, settle};
pub use settled::{Done, settled, undo};

use serde::Serialize;

use super::CommandError;
use super::read::{At, Conflict, ConflictValue, Duplicate, HouseholdRecord, Reading, Said, TableConflict, TableRecord};
use crate::change::AssertionId;
use crate::clock::Millis;
use crate::domain::case::{ConflictKind, OrderRef};
use crate::domain::moves::MoveConflictKind;
use crate::domain::role::Role;
use crate::id::{ConflictId, DocumentId, NodeId, RecordId, ResidentId};

/// What sort of conflict it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboxKind {
    /// A field with several concurrent values.
    Field,
    /// A cell of a table with several.
    TableCell,
    /// Residents who look like one person.
    DuplicateResident,
    /// What two sides decided about a case.
    Case(ConflictKind),
    /// An event of a case that changed nothing.
    WithoutEffect,
    /// Rules of cases that were published without knowing of each other.
    Editions,
    /// What was done about somebody who moves.
    Move(MoveConflictKind),
}

impl InboxKind {
    const DUPLICATE_DISPATCH: Self = Self::Case(ConflictKind::DuplicateDispatch);

    /// The key as in JSON.
    pub fn key(self) -> String {
        match self {
            Self::Field => "field".into(),
            Self::TableCell => "table_cell".into(),
            Self::DuplicateResident => "duplicate_resident".into(),
            Self::Case(kind) => kind.to_string(),
            Self::WithoutEffect => "without_effect".into(),
            Self::Editions => "editions".into(),
            Self::Move(kind) => kind.to_string(),
        }
    }
}

/// Something to settle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenConflict {
    /// The same on every node, and while others join in.
    pub id: ConflictId,
    /// Another one whenever the sides are not what they were.
    pub revision: String,
    /// What sort it is.
    pub kind: InboxKind,
    /// The resident, where it is about one.
    pub resident: Option<ResidentId>,
    /// The field as in JSON, `duplicate`, or the key of a case's conflict.
    pub subject: String,
    /// The subject in Chinese.
    pub chinese: String,
    /// The subject in English.
    pub english: String,
    /// Whether what the sides say is personal data.
    pub personal: bool,
    /// What stands against each other.
    pub sides: Vec<Side>,
    /// What may be done about it.
    pub offers: Vec<Offer>,
    place: Place,
}

impl OpenConflict {
    /// The side with a number.
    fn side(&self, number: usize) -> Result<&Side, CommandError> {
        let found = self.sides.iter().find(|side| side.side == number);
        found.ok_or(CommandError::NoSuchSide { side: number, sides: self.sides.len() })
    }
}

/// Where in its document it is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// With the statement of each side.
    Field {
        at: At,
        said: Vec<AssertionId>,
    },
    Residents([ResidentId; 2]),
    Events([RecordId; 2]),
    /// The editions published apart, in the order of the sides: publishing once more settles it.
    Editions(Vec<RecordId>),
    /// Two events of a move.
    Move([RecordId; 2]),
}

/// One side of a conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConflictSide))]
pub struct Side {
    /// Its number, from 1: by it people choose.
    pub side: usize,
    /// As in JSON; for an event its step.
    pub value: String,
    /// In Chinese.
    pub chinese: String,
    /// In English.
    pub english: String,
    /// Who says so.
    pub said: Vec<Speaker>,
    /// The resident, of residents who look like one person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident: Option<ResidentId>,
    /// The event, of a case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<RecordId>,
    /// Whether it has effect meanwhile.
    pub stands: bool,
    /// Orders that the event sent and that are still open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<SentOrder>,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConflictSpeaker))]
pub struct Speaker {
    /// The node that signed it.
    pub node: Option<NodeId>,
    /// The person or device, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// In which role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// When, in milliseconds since 1970.
    pub at_ms: Millis,
}

/// An order that a settlement may call off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SentOrder {
    /// Its name.
    pub order: OrderRef,
    /// The team.
    pub team: String,
}

/// Everything that people have to settle in a document.
pub fn open(reading: &Reading) -> Vec<OpenConflict> {
    let fields = |document: DocumentId, conflicts: &[Conflict]| -> Vec<OpenConflict> {
        conflicts.iter().map(|conflict| of_field(document, conflict, actions::of_field())).collect()
    };
    match reading {
        Reading::Household(record) => {
            let conflicts = record.conflicts.iter();
            let mut open: Vec<OpenConflict> =
                conflicts.map(|conflict| of_field(record.id, conflict, actions::of_household_field())).collect();
            open.extend(record.duplicates.iter().map(|duplicate| of_residents(record, duplicate)));
            open
        }
        Reading::Dwelling(record) => fields(record.id, &record.conflicts),
        Reading::Hazard(record) => fields(record.id, &record.conflicts),
        Reading::Device(record) => fields(record.id, &record.conflicts),
        Reading::Region(record) => fields(record.id, &record.conflicts),
        Reading::Grid(record) => fields(record.id, &record.conflicts),
        Reading::Member(record) => fields(record.id, &record.conflicts),
        Reading::Team(record) => fields(record.id, &record.conflicts),
        Reading::Table(record) => record.conflicts.iter().map(|conflict| of_cell(record, conflict)).collect(),
        Reading::Book(entry) => fields(entry.id, &entry.conflicts),
        Reading::Case(record) => cases::open(record),
        Reading::Move(record) => moves::open(record),
        Reading::SamePerson(record) => {
            let conflicts = record.conflicts.iter();
            conflicts.map(|conflict| of_field(record.id, conflict, actions::of_centers())).collect()
        }
        Reading::LifeCycle(record) if record.newest.len() > 1 => vec![editions::of(record)],
        Reading::LifeCycle(_)
        | Reading::DoorTags(_)
        | Reading::Inspections(_)
        | Reading::DeviceDay(_)
        | Reading::Track(_)
        | Reading::Nothing => vec![],
    }
}

fn of_field(document: DocumentId, conflict: &Conflict, offers: Vec<Offer>) -> OpenConflict {
    OpenConflict {
        id: id_of_field(document, &conflict.at, conflict.field),
        revision: revision(conflict.values.iter().flat_map(|value| &value.said).map(|said| said.assertion.to_vec())),
        kind: InboxKind::Field,
        resident: conflict.record,
        subject: conflict.field.to_owned(),
        chinese: conflict.chinese.to_owned(),
        english: conflict.english.to_owned(),
        personal: conflict.personal,
        sides: sides(&conflict.values),
        offers,
        place: field_place(&conflict.at, &conflict.values),
    }
}

fn field_place(at: &At, values: &[ConflictValue]) -> Place {
    let said = values.iter().map(|value| value.said.first().map(|said| said.assertion).unwrap_or_default());
    Place::Field { at: at.clone(), said: said.collect() }
}

fn of_cell(record: &TableRecord, conflict: &TableConflict) -> OpenConflict {
    OpenConflict {
        id: id_of_field(record.id, &conflict.at, conflict.column),
        revision: revision(conflict.values.iter().flat_map(|value| &value.said).map(|said| said.assertion.to_vec())),
        kind: InboxKind::TableCell,
        resident: None,
        subject: conflict.column.to_owned(),
        chinese: conflict.chinese.clone(),
        english: conflict.english.clone(),
        personal: false,
        sides: sides(&conflict.values),
        offers: actions::of_cell(),
        place: field_place(&conflict.at, &conflict.values),
    }
}

fn of_residents(record: &HouseholdRecord, duplicate: &Duplicate) -> OpenConflict {
    let [first, second] = duplicate.residents;
    let named = |id: ResidentId| {
        let resident = record.residents.iter().find(|one| one.id == id);
        let name = resident.and_then(|one| one.resident.personal.as_ref()).map(|person| person.name.clone());
        name.unwrap_or_default()
    };
    let mut sides: Vec<Side> = (1..)
        .zip(duplicate.residents.iter().zip(&duplicate.recorded))
        .map(|(number, (id, said))| Side {
            resident: Some(*id),
            ..side(number, [named(*id), named(*id), named(*id)], said)
        })
        .collect();
    sides.extend((3..).zip(&duplicate.answers).map(|(number, answer)| Side {
        stands: false,
        ..side(number, [answer.value.clone(), answer.chinese.clone(), answer.english.clone()], &answer.said)
    }));
    let said = duplicate.recorded.iter().flatten().chain(duplicate.answers.iter().flat_map(|answer| &answer.said));
    OpenConflict {
        id: id_of_residents(record.id, duplicate.residents),
        revision: revision(said.map(|said| said.assertion.to_vec())),
        kind: InboxKind::DuplicateResident,
        resident: Some(first),
        subject: "duplicate".into(),
        chinese: "疑似同一人".into(),
        english: "same person?".into(),
        personal: true,
        sides,
        offers: actions::of_residents(),
        place: Place::Residents([first, second]),
    }
}

/// One number may hold several parts (of what is sealed), and one name stand for several numbers (each role).
fn id_of_field(document: DocumentId, at: &At, name: &str) -> ConflictId {
    id(document, &[b"field", &at.record, &[at.field], name.as_bytes()])
}

fn id_of_residents(document: DocumentId, [first, second]: [ResidentId; 2]) -> ConflictId {
    id(document, &[b"residents", &first.0, &second.0])
}

fn sides(values: &[ConflictValue]) -> Vec<Side> {
    let words = |value: &ConflictValue| [value.value.clone(), value.chinese.clone(), value.english.clone()];
    let sides = (1..).zip(values).map(|(number, value)| Side {
        // The one that is shown meanwhile.
        stands: number == 1,
        ..side(number, words(value), &value.said)
    });
    sides.collect()
}

fn side(number: usize, [value, chinese, english]: [String; 3], said: &[Said]) -> Side {
    let speaker = |said: &Said| Speaker { node: said.node, by: said.by.clone(), role: None, at_ms: said.at };
    let said = said.iter().map(speaker).collect();
    Side { side: number, value, chinese, english, said, resident: None, event: None, stands: true, orders: vec![] }
}

/// BLAKE3 (derive-key context `townmesh 2026-11 conflict`) over the document and each part with its length.
fn id(document: DocumentId, parts: &[&[u8]]) -> ConflictId {
    let mut id = [0; ConflictId::LEN];
    digest("townmesh 2026-11 conflict", &document.0, parts).finalize_xof().fill(&mut id);
    ConflictId(id)
}

/// Says what stood against each other, by which statements: eight digits. Never by the values: what is personal could be
/// guessed from them.
fn revision(said: impl Iterator<Item = Vec<u8>>) -> String {
    let said: std::collections::BTreeSet<Vec<u8>> = said.collect();
    let parts: Vec<&[u8]> = said.iter().map(Vec::as_slice).collect();
    let mut short = [0; 4];
    digest("townmesh 2026-11 conflict revision", &[], &parts).finalize_xof().fill(&mut short);
    crate::id::hex(&short)
}

fn digest(context: &str, first: &[u8], parts: &[&[u8]]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    hasher.update(first);
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher
}
