//! Settling a conflict: the change or event that the chosen action stands for.

use std::collections::BTreeMap;

use super::super::book;
use super::super::case::{Actor, CaseRef};
use super::super::household::{self, Edit};
use super::super::read::{self, At, Reading};
use super::super::{CommandError, Outcome, duplicates, dwelling, life_cycle, moves, people, table};
use super::settle_case::{self, Choosing};
use super::{Done, OpenConflict, Place, Side, open, settled};
use crate::change::AssertionId;
use crate::clock::Millis;
use crate::document::Content;
use crate::domain::books::BookKind;
use crate::domain::case::OrderRef;
use crate::domain::dwelling::Dwelling;
use crate::domain::household::{Household, Resident};
use crate::domain::person::PersonalData;
use crate::domain::same_person::{Answer, Two};
use crate::entry::Lane;
use crate::id::{ConflictId, DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{Recorded, Replica};
use crate::store::StoreError;
use crate::value::{Fields, Value};

/// What somebody chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The side with this number, from 1; of two dispatches it calls off the open orders of the other.
    Keep(usize),
    /// Another value for a field of a household or of its owner.
    Household(Box<Edit<Household>>),
    /// Another value for a field of a resident.
    Resident(Box<Edit<Resident>>),
    /// Another value for a cell; [`Value::Null`] for none.
    Cell(Value),
    /// The residents are one person, shown as the side with this number.
    Merge(usize),
    /// They are two people.
    Distinct,
    /// It stays as it stands, but for these orders, which are called off.
    Settle(Vec<OrderRef>),
    /// It was seen that the event has no effect, and is left so.
    Acknowledge,
    /// What had no effect is done once more, in the name of whoever settles.
    Restate,
    /// A case that was closed unaware of something is taken up again.
    Reopen,
}

/// Which conflict, as whoever settles it saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Its id.
    pub id: ConflictId,
    /// Its revision.
    pub revision: String,
    /// Who settles; required for cases, where the role decides.
    pub actor: Option<Actor>,
}

/// What became of a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The settlement; `None` where the document tells of too many others.
    pub done: Option<Done>,
    /// Other conflicts that are gone with it: what is known of a person is sealed in one piece.
    pub also: Vec<ConflictId>,
}

/// Where a document lies, and what it is.
pub(super) struct Of<'a> {
    pub(super) namespace: &'a Namespace,
    pub(super) kind: DocumentKind,
    pub(super) document: DocumentId,
}

impl Of<'_> {
    /// The document, where it is a case.
    pub(super) fn case(&self) -> CaseRef {
        CaseRef { namespace: self.namespace.clone(), document: self.document }
    }

    pub(super) fn read(&self, replica: &mut Replica) -> Result<Reading, StoreError> {
        read::of_kind(replica, self.namespace, self.kind, self.document).map_err(|error| match error {
            read::ReadError::Store(error) => error,
            read::ReadError::UnknownNamespace(number) => StoreError::Damaged(format!("no namespace {number}")),
        })
    }
}

/// Settles a conflict, and tells what was recorded. One that is not open any more, or not what was seen, is left alone.
///
/// # Errors
/// [`CommandError::ConflictSettled`], [`CommandError::ConflictChanged`], [`CommandError::NotOffered`],
/// [`CommandError::NoSuchSide`], and those of the command that the choice stands for.
pub fn settle(
    replica: &mut Replica,
    (namespace, kind, document): (&Namespace, DocumentKind, DocumentId),
    asked: &Asked,
    choice: &Choice,
    now: Millis,
) -> Result<Outcome<Answered>, CommandError> {
    let of = Of { namespace, kind, document };
    let before = open(&of.read(replica)?);
    let conflict = before.iter().find(|one| one.id == asked.id).ok_or(CommandError::ConflictSettled)?;
    if conflict.revision != asked.revision {
        return Err(CommandError::ConflictChanged);
    }
    let recorded = carry_out(replica, &of, conflict, asked.actor.as_ref(), choice, now)?;
    let reading = of.read(replica)?;
    let done = settled(&reading).into_iter().find(|done| done.conflict == asked.id && done.stands);
    let after = open(&reading);
    let is_gone = |id: &ConflictId| *id != asked.id && after.iter().all(|one| one.id != *id);
    let answered = Answered { done, also: before.iter().map(|one| one.id).filter(is_gone).collect() };
    Ok(match recorded {
        Some(recorded) => Outcome::Changed(answered, recorded),
        None => Outcome::Unchanged(answered),
    })
}

fn carry_out(
    replica: &mut Replica,
    of: &Of<'_>,
    conflict: &OpenConflict,
    actor: Option<&Actor>,
    choice: &Choice,
    now: Millis,
) -> Result<Option<Recorded>, CommandError> {
    let side = |number: usize| conflict.side(number);
    let is_household = of.kind == DocumentKind::Household;
    match (&conflict.place, choice) {
        (Place::Field { at, said }, Choice::Keep(number)) => {
            let side = side(*number)?;
            if conflict.personal {
                return keep_personal(replica, of, conflict, side, now);
            }
            keep(replica, of, at, said.get(number.saturating_sub(1)).copied(), now).map(Some)
        }
        (Place::Field { at, .. }, Choice::Cell(value)) if of.kind == DocumentKind::Table => {
            cell(replica, of, at, value.clone(), now).map(Some)
        }
        (Place::Field { .. }, Choice::Household(edit)) if is_household && conflict.resident.is_none() => {
            let outcome = household::edit_household(replica, of.namespace, of.document, edit, now)?;
            Ok(outcome.recorded().copied())
        }
        (Place::Field { .. }, Choice::Resident(edit)) if is_household => {
            let resident = conflict.resident.ok_or(CommandError::NotOffered)?;
            let outcome = household::edit_resident(replica, of.namespace, of.document, resident, edit, now)?;
            Ok(outcome.recorded().copied())
        }
        (Place::Residents(both), Choice::Merge(number)) => {
            let kept = side(*number)?.resident.ok_or(CommandError::NoSuchSide { side: *number, sides: 2 })?;
            answer(replica, of, *both, |two| two.keeping(kept), now).map(Some)
        }
        (Place::Residents(both), Choice::Distinct) => {
            answer(replica, of, *both, |_| Some(Answer::Distinct), now).map(Some)
        }
        (Place::Events(events), _) => {
            let choosing = Choosing { conflict, actor, choice };
            settle_case::settle(replica, of, *events, &choosing, now).map(Some)
        }
        (Place::Editions(editions), Choice::Keep(number)) => {
            let kept = editions.get(side(*number)?.side.saturating_sub(1)).copied();
            let actor = actor.ok_or(CommandError::ActorMissing)?;
            life_cycle::keep(replica, kept.ok_or(CommandError::ConflictChanged)?, actor, now).map(Some)
        }
        (Place::Move(between), Choice::Keep(number)) => {
            let stands = side(*number)?.event;
            moves::settle(replica, of.document, *between, stands, now).map(Some)
        }
        (Place::Field { .. } | Place::Residents(_) | Place::Editions(_) | Place::Move(_), _) => {
            Err(CommandError::NotOffered)
        }
    }
}

/// Writes once more, over all of them, what one side said.
fn keep(
    replica: &mut Replica,
    of: &Of<'_>,
    at: &At,
    said: Option<AssertionId>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let content = replica.content(replica.namespace_id(of.namespace), of.document)?;
    let value = said_value(&content, at, said).ok_or(CommandError::ConflictChanged)?;
    if of.kind == DocumentKind::Table {
        drop(content);
        return cell(replica, of, at, value, now);
    }
    let fields = Fields::from([(at.field, value)]);
    if of.kind == DocumentKind::Household && !at.record.is_empty() {
        household::check_stay(&content.fields(&at.record), &fields)?;
    }
    if let (Some(kind), Some(value)) = (BookKind::of_document(of.kind), fields.get(&at.field)) {
        book::check_with(kind, &content, at.field, value)?;
    }
    drop(content);
    let edits = BTreeMap::from([(at.record.clone(), fields)]);
    Ok(replica.edit(of.namespace, of.kind, of.document, edits, Lane::Work, now)?)
}

fn said_value(content: &Content, at: &At, said: Option<AssertionId>) -> Option<Value> {
    let register = content.records.get(&at.record)?.get(&at.field)?;
    let by = |one: &crate::document::Candidate| Some(content.origin(&at.record, at.field, one.assertion).0) == said;
    register.values.iter().find(|one| by(one)).map(|one| one.value.clone())
}

/// Keeps a part of what is known of somebody; what else is in conflict about them is settled as it is shown, since it is
/// sealed in one piece.
fn keep_personal(
    replica: &mut Replica,
    of: &Of<'_>,
    conflict: &OpenConflict,
    side: &Side,
    now: Millis,
) -> Result<Option<Recorded>, CommandError> {
    let mut personal = PersonalData::default();
    match conflict.subject.as_str() {
        // An empty name clears nothing.
        "name" if side.value.is_empty() => return Err(CommandError::NotOffered),
        "name" => personal.name.clone_from(&side.value),
        "id_number" => personal.id_number = Some(side.value.clone()),
        _ => personal.phone = Some(side.value.clone()),
    }
    if let Some(kind) = BookKind::of_document(of.kind) {
        return book::keep_person(replica, of.namespace, (kind, of.document), &personal, now);
    }
    if of.kind == DocumentKind::Dwelling {
        let edit = Edit { set: Dwelling { owner: Some(personal), ..Dwelling::default() }, ..Edit::default() };
        return Ok(dwelling::edit(replica, of.namespace, of.document, &edit, now)?.recorded().copied());
    }
    Ok(match conflict.resident {
        Some(resident) => {
            let set = Resident { personal: Some(personal), ..Resident::default() };
            let edit = Edit { set, ..Edit::default() };
            household::edit_resident(replica, of.namespace, of.document, resident, &edit, now)?.recorded().copied()
        }
        None => {
            let edit = Edit { set: Household { owner: Some(personal), ..Household::default() }, ..Edit::default() };
            household::edit_household(replica, of.namespace, of.document, &edit, now)?.recorded().copied()
        }
    })
}

fn cell(replica: &mut Replica, of: &Of<'_>, at: &At, value: Value, now: Millis) -> Result<Recorded, CommandError> {
    let Reading::Table(record) = of.read(replica)? else { return Err(CommandError::ConflictSettled) };
    table::settle(replica, of.document, record.kind, at, value, now)
}

fn answer(
    replica: &mut Replica,
    of: &Of<'_>,
    [first, second]: [ResidentId; 2],
    of_two: impl Fn(Two) -> Option<Answer>,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let two = Two::of(first, second).ok_or(CommandError::NotOffered)?;
    let answer = of_two(two).ok_or(CommandError::NotOffered)?;
    let place = people::Place::new(replica, of.namespace, of.document);
    duplicates::answer(replica, place, two, answer, now)
}
