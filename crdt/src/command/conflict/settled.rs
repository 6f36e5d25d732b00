//! What was settled, by whom, and taking it back.

use std::collections::BTreeMap;

use serde::Serialize;

use super::super::case::Actor;
use super::super::read::{CaseRecord, Reading, Settlement};
use super::super::{CommandError, Outcome, duplicates};
use super::settle::Of;
use super::settle_case;
use super::{Side, cases, editions, id, id_of_field, id_of_residents, moves, side, sides};
use crate::clock::Millis;
use crate::document::Settled;
use crate::domain::case::ConflictKind;
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
        return of_case(record);
    }
    if let Reading::Move(record) = reading {
        return moves::settled(record);
    }
    if let Reading::LifeCycle(record) = reading {
        return editions::settled(record);
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

/// What was settled of a case by events that say so, and by doing once more what had had no effect.
fn of_case(record: &CaseRecord) -> Vec<Done> {
    let (document, case) = (record.id, &record.case);
    let settlements = case.settlements.iter().flat_map(|settled| {
        let [one, other] = settled.between;
        let seen = (one == other).then(|| (None, cases::id_of_event(document, one), vec![one]));
        let kinds = settled.kinds.iter();
        let conflicts =
            kinds.map(|kind| (Some(*kind), cases::id_of(document, *kind, settled.between), vec![one, other]));
        let about: Vec<_> = seen.into_iter().chain(conflicts).collect();
        about.into_iter().map(|about| done(record, about, settled.event, settled.taken_back_by.is_none()))
    });
    let settles = |event: &RecordId| case.settlements.iter().any(|settled| settled.event == *event);
    let restated = case.acknowledged.iter().filter(|(_, by)| !settles(by));
    let restated = restated
        .map(|(void, by)| (None, cases::id_of_event(document, *void), vec![*void], *by))
        .map(|(kind, id, sides, by)| Done { undoable: false, ..done(record, (kind, id, sides), by, true) });
    let mut all: Vec<Done> = settlements.chain(restated).collect();
    all.sort_by_key(|done| std::cmp::Reverse(done.at()));
    all.truncate(MAX_TOLD);
    all
}

/// What one event settled: of which kind the conflict is, its id, and which events stood against each other.
fn done(
    record: &CaseRecord,
    (kind, conflict, events): (Option<ConflictKind>, ConflictId, Vec<RecordId>),
    by: RecordId,
    stands: bool,
) -> Done {
    let (document, case) = (record.id, &record.case);
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
        sides: (1..).zip(events).map(|(number, event)| cases::side(case, number, event)).collect(),
        stands,
        undoable: stands,
    }
}

/// The event by which a settlement of a case was made, where it can be taken back.
fn settling_event(record: &CaseRecord, done: &Done) -> Option<RecordId> {
    let event = done.choice.event?;
    record.case.settlements.iter().any(|settled| settled.event == event).then_some(event)
}

impl Done {
    /// When it was settled, in milliseconds since 1970.
    pub fn at(&self) -> Millis {
        self.choice.said.first().map_or(0, |said| said.at_ms)
    }
}

/// Takes a settlement back: what had stood stands again, and is to be settled again where it was in conflict. Of a case that
/// is an event like the settlement, by whoever may settle: orders that were called off are as far as they were.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::ConflictChanged`] where something was written after it or it was taken back
/// before, [`CommandError::UndoLoses`] where more was recorded with it, [`CommandError::ActorMissing`] of a case,
/// [`CommandError::NotUndoable`] for what was done once more and for rules that were published,
/// [`CommandError::CaseRefused`], [`CommandError::Record`].
pub fn undo(
    replica: &mut Replica,
    (namespace, kind, document): (&Namespace, DocumentKind, DocumentId),
    settlement: ConflictId,
    actor: Option<&Actor>,
    now: Millis,
) -> Result<Outcome<ConflictId>, CommandError> {
    let of = Of { namespace, kind, document };
    let reading = of.read(replica)?;
    let not_found = CommandError::NotFound { thing: "settlement in", chinese: "裁定", document };
    let done = settled(&reading).into_iter().find(|done| done.id == settlement).ok_or(not_found)?;
    if let Reading::Move(record) = &reading {
        let between = moves::between(record, done.conflict).ok_or(CommandError::ConflictChanged)?;
        let recorded = super::super::moves::settle(replica, document, between, None, now)?;
        return Ok(Outcome::Changed(done.conflict, recorded));
    }
    if let Reading::Case(record) = &reading {
        let event = settling_event(record, &done).ok_or(CommandError::NotUndoable)?;
        if !done.stands {
            return Err(CommandError::ConflictChanged);
        }
        let recorded = settle_case::take_back(replica, &of, event, actor, now)?;
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
