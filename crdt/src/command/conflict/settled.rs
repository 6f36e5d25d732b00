//! What was settled, by whom, and taking it back.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::read::{Reading, Settlement};
use super::super::{CommandError, Outcome, duplicates};
use super::settle::Of;
use super::{Side, cases, id, id_of_field, id_of_residents, moves, side, sides};
use crate::clock::Millis;
use crate::document::Settled;
use crate::domain::case::{Case, ConflictKind};
use crate::domain::same_person::Two;
use crate::entry::Lane;
use crate::id::{ConflictId, DocumentId, RecordId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;
use crate::value::{Fields, Value};

/// Most settlements of a document that are told of.
const MAX_TOLD: usize = 32;

/// A conflict that somebody settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ConflictSettlement))]
pub struct Done {
    /// Names this settlement.
    pub id: ConflictId,
    /// The conflict that it settled.
    pub conflict: ConflictId,
    /// The resident, where it was about one.
    pub resident: Option<ResidentId>,
    /// The field as in JSON, `duplicate`, or the key of a case's conflict.
    pub subject: String,
    /// The subject in Chinese.
    pub chinese: String,
    /// The subject in English.
    pub english: String,
    /// Whether what was said is personal data.
    pub personal: bool,
    /// What was chosen, by whom and when.
    pub choice: Side,
    /// What had stood against each other.
    pub sides: Vec<Side>,
    /// Whether it still stands.
    pub stands: bool,
    /// Whether it may be undone.
    pub undoable: bool,
}

/// What was settled in a document, the latest first.
pub fn settled(reading: &Reading) -> Vec<Done> {
    if let Reading::Case(record) = reading {
        return of_case(record.id, &record.case);
    }
    if let Reading::Move(record) = reading {
        return moves::settled(record);
    }
    let Some((document, settlements)) = settlements(reading) else { return vec![] };
    settlements.iter().map(|one| of_field(document, one)).collect()
}

/// The settlements of a document whose fields are settled by ordinary edits.
fn settlements(reading: &Reading) -> Option<(DocumentId, &[Settlement])> {
    Some(match reading {
        Reading::Household(record) => (record.id, &record.settled),
        Reading::Dwelling(record) => (record.id, &record.settled),
        Reading::Hazard(record) => (record.id, &record.settled),
        Reading::Device(record) => (record.id, &record.settled),
        Reading::Region(record) => (record.id, &record.settled),
        Reading::Grid(record) => (record.id, &record.settled),
        Reading::Member(record) => (record.id, &record.settled),
        Reading::Team(record) => (record.id, &record.settled),
        Reading::Table(record) => (record.id, &record.settled),
        Reading::Book(entry) => (entry.id, &entry.settled),
        Reading::SamePerson(record) => (record.id, &record.settled),
        Reading::Move(_)
        | Reading::Case(_)
        | Reading::LifeCycle(_)
        | Reading::DoorTags(_)
        | Reading::Inspections(_)
        | Reading::DeviceDay(_)
        | Reading::Track(_)
        | Reading::Nothing => return None,
    })
}

fn of_field(document: DocumentId, settled: &Settlement) -> Done {
    let conflict = match Two::of_key(&settled.at.record) {
        Some(two) if settled.field == "duplicate" => id_of_residents(document, two.ids()),
        Some(_) | None => id_of_field(document, &settled.at, settled.field),
    };
    let choice = &settled.choice;
    let by = choice.said.first().map(|said| said.assertion).unwrap_or_default();
    let words = [choice.value.clone(), choice.chinese.clone(), choice.english.clone()];
    Done {
        id: id(document, &[b"settled", &conflict.0, &by]),
        conflict,
        resident: settled.record,
        subject: settled.field.to_owned(),
        chinese: settled.chinese.clone(),
        english: settled.english.clone(),
        personal: settled.personal,
        choice: side(0, words, &choice.said),
        sides: sides(&settled.sides),
        stands: settled.stands,
        undoable: settled.stands && settled.alone,
    }
}

fn of_case(document: DocumentId, case: &Case) -> Vec<Done> {
    let conflicts = case.conflicts.iter().filter_map(|conflict| {
        let conflict_id = cases::id_of(document, conflict);
        let sides = [conflict.stands, conflict.other];
        Some(done(document, case, conflict_id, Some(conflict.kind), &sides, conflict.settled_by?))
    });
    let seen = case.acknowledged.iter().map(|(event, by)| {
        done(document, case, cases::id_of_event(document, *event), None, std::slice::from_ref(event), *by)
    });
    let mut all: Vec<Done> = conflicts.chain(seen).collect();
    all.sort_by_key(|done| std::cmp::Reverse(done.at()));
    all.truncate(MAX_TOLD);
    all
}

fn done(
    document: DocumentId,
    case: &Case,
    conflict: ConflictId,
    kind: Option<ConflictKind>,
    events: &[RecordId],
    by: RecordId,
) -> Done {
    let without_effect = ("without_effect".to_owned(), "操作未生效", "without effect");
    let (subject, chinese, english) =
        kind.map_or(without_effect, |kind| (kind.to_string(), kind.chinese(), kind.english()));
    Done {
        id: id(document, &[b"settled", &conflict.0, &by.0]),
        conflict,
        resident: None,
        subject,
        chinese: chinese.to_owned(),
        english: english.to_owned(),
        personal: false,
        choice: cases::side(case, 0, by),
        sides: (1..).zip(events).map(|(number, event)| cases::side(case, number, *event)).collect(),
        stands: true,
        undoable: false,
    }
}

impl Done {
    /// When it was settled, in milliseconds since 1970.
    pub fn at(&self) -> Millis {
        self.choice.said.first().map_or(0, |said| said.at_ms)
    }
}

/// Takes a settlement back: what had stood stands again, and is to be settled again where it was in conflict.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::ConflictChanged`] where something was written after it,
/// [`CommandError::UndoLoses`] where more was recorded with it, [`CommandError::NotUndoable`] for a case,
/// [`CommandError::Record`].
pub fn undo(
    replica: &mut Replica,
    (namespace, kind, document): (&Namespace, DocumentKind, DocumentId),
    settlement: ConflictId,
    now: Millis,
) -> Result<Outcome<ConflictId>, CommandError> {
    let reading = Of { namespace, kind, document }.read(replica)?;
    let not_found = CommandError::NotFound { thing: "settlement in", chinese: "裁定", document };
    let done = settled(&reading).into_iter().find(|done| done.id == settlement).ok_or(not_found)?;
    if let Reading::Move(record) = &reading {
        let between = moves::between(record, done.conflict).ok_or(CommandError::ConflictChanged)?;
        let recorded = super::super::moves::settle(replica, document, between, None, now)?;
        return Ok(Outcome::Changed(done.conflict, recorded));
    }
    let made = settlements(&reading).map(|(_, settlements)| settlements).unwrap_or_default();
    let made = made.iter().find(|one| of_field(document, one).id == settlement);
    let Some(made) = made else { return Err(CommandError::NotUndoable) };
    if !made.stands {
        return Err(CommandError::ConflictChanged);
    }
    if !made.alone {
        return Err(CommandError::UndoLoses);
    }
    let content = replica.content(replica.namespace_id(namespace), document)?;
    let is_it = |one: &Settled| {
        let says = made.choice.said.iter().any(|said| said.assertion == one.choice.assertion);
        one.record == made.at.record && one.field == made.at.field && says
    };
    let found = content.settled(duplicates::is_answer).into_iter().find(is_it).ok_or(CommandError::ConflictChanged)?;
    drop(content);
    let edit = |value| BTreeMap::from([(found.record.clone(), Fields::from([(found.field, value)]))]);
    let edits = standing_before(&found).into_iter().map(edit).collect();
    let recorded = replica.edit_apart(namespace, kind, document, edits, Lane::Work, now)?;
    Ok(recorded.map_or(Outcome::Unchanged(done.conflict), |recorded| Outcome::Changed(done.conflict, recorded)))
}

/// Every value that stood before a settlement, the one that was shown last, so that it is shown again.
fn standing_before(settled: &Settled) -> Vec<Value> {
    let mut values: Vec<Value> = Vec::new();
    for side in settled.sides.iter().rev() {
        if !values.contains(&side.value) {
            values.push(side.value.clone());
        }
    }
    if values.is_empty() { vec![Value::Null] } else { values }
}
