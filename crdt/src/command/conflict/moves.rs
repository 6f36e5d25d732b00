//! Conflicts of moves: two hand-overs, or two answers to one, given apart from each other.

use super::super::moves::MoveRecord;
use super::{Done, InboxKind, OpenConflict, Place, Side, Speaker, actions, id, revision};
use crate::clock::HybridTime;
use crate::domain::moves::{MoveConflict, MoveEntry};
use crate::domain::role::Role;
use crate::id::{ConflictId, RecordId};

/// What a center has to settle.
pub(super) fn open(record: &MoveRecord) -> Vec<OpenConflict> {
    let open = record.moved.conflicts.iter().filter(|conflict| conflict.settled.is_none());
    open.map(|conflict| of(record, conflict)).collect()
}

fn of(record: &MoveRecord, conflict: &MoveConflict) -> OpenConflict {
    let MoveConflict { kind, between, .. } = *conflict;
    OpenConflict {
        id: id_of(record, between),
        // Settlements that contradict each other leave it open, and are part of what was seen.
        revision: revision(record.moved.heads.iter().map(|event| event.0.to_vec())),
        kind: InboxKind::Move(kind),
        resident: Some(record.moved.resident),
        subject: kind.to_string(),
        chinese: kind.chinese().to_owned(),
        english: kind.english().to_owned(),
        personal: false,
        sides: (1..).zip(between).map(|(number, event)| side(record, number, event)).collect(),
        offers: actions::of_centers(),
        place: Place::Move(between),
    }
}

fn id_of(record: &MoveRecord, between: [RecordId; 2]) -> ConflictId {
    let [one, other] = between;
    id(record.id, &[b"move", &one.min(other).0, &one.max(other).0])
}

fn side(record: &MoveRecord, number: usize, event: RecordId) -> Side {
    let words = |entry: &MoveEntry| {
        let told = told(record, event);
        [entry.step.to_string(), format!("{}{told}", entry.step.chinese()), format!("{}{told}", entry.step.english())]
    };
    let entry = record.moved.entry(event);
    let [value, chinese, english] = entry.map(words).unwrap_or_default();
    let role = Some(Role::VillageClerk);
    let said = entry.map(|entry| Speaker {
        node: Some(entry.author),
        by: Some(entry.by.clone()),
        role,
        at_ms: HybridTime(entry.time).millis(),
    });
    let accepted = record.moved.accepted.iter().find(|accepted| accepted.event == event);
    Side {
        side: number,
        value,
        chinese,
        english,
        said: said.into_iter().collect(),
        resident: accepted.map(|accepted| accepted.resident),
        event: Some(event),
        stands: accepted.is_none_or(|accepted| accepted.stands),
        orders: vec![],
    }
}

/// To which village, or into which household, as words follow what was done.
fn told(record: &MoveRecord, event: RecordId) -> String {
    let given = record.moved.gives.iter().find(|given| given.event == event).map(|given| given.to.to_string());
    let accepted = record.moved.accepted.iter().find(|accepted| accepted.event == event);
    let place = given.or_else(|| accepted.map(|accepted| accepted.household.to_string()));
    place.map(|place| format!(" ({place})")).unwrap_or_default()
}

/// What was settled, the latest first.
pub(super) fn settled(record: &MoveRecord) -> Vec<Done> {
    let settled = record.moved.conflicts.iter().filter_map(|conflict| {
        let (stands, by) = conflict.settled?;
        let conflict_id = id_of(record, conflict.between);
        let sides = (1..).zip(conflict.between).map(|(number, event)| side(record, number, event)).collect();
        let settling = side(record, 0, by);
        let choice = Side { said: settling.said, ..side(record, 0, stands) };
        Some(Done {
            id: id(record.id, &[b"settled", &conflict_id.0, &by.0]),
            conflict: conflict_id,
            resident: Some(record.moved.resident),
            subject: conflict.kind.to_string(),
            chinese: conflict.kind.chinese().to_owned(),
            english: conflict.kind.english().to_owned(),
            personal: false,
            choice,
            sides,
            stands: true,
            undoable: true,
        })
    });
    let mut all: Vec<Done> = settled.collect();
    all.sort_by_key(|done| std::cmp::Reverse(done.at()));
    all
}

/// The two events that a conflict is about.
pub(super) fn between(record: &MoveRecord, conflict: ConflictId) -> Option<[RecordId; 2]> {
    record.moved.conflicts.iter().map(|known| known.between).find(|between| id_of(record, *between) == conflict)
}
