//! Conflicts of cases: what two sides decided without knowing of each other, and what had no effect.

use super::super::read::CaseRecord;
use super::{InboxKind, Need, OpenConflict, Place, SentOrder, Side, Speaker, actions, id, revision};
use crate::domain::case::{Action, Case, Conflict, Effect, TimelineEntry, milliseconds};
use crate::id::{ConflictId, DocumentId, RecordId};

/// Most conflicts of a case that people are shown; the others come up as these are settled.
const MAX_SHOWN: usize = 128;

pub(super) fn open(record: &CaseRecord) -> Vec<OpenConflict> {
    let settling = actions::settling(&record.steps);
    let conflicts = record.case.open_conflicts().map(|conflict| of_conflict(record, conflict, &settling));
    let void = record.case.without_effect().map(|entry| of_void_event(record, entry, &settling));
    conflicts.chain(void).take(MAX_SHOWN).collect()
}

/// Two events are one conflict whichever of them stands.
pub(super) fn id_of(document: DocumentId, conflict: &Conflict) -> ConflictId {
    let (one, other) = (conflict.stands.min(conflict.other), conflict.stands.max(conflict.other));
    id(document, &[b"events", conflict.kind.to_string().as_bytes(), &one.0, &other.0])
}

pub(super) fn id_of_event(document: DocumentId, event: RecordId) -> ConflictId {
    id(document, &[b"event", &event.0])
}

fn of_conflict(record: &CaseRecord, conflict: &Conflict, settling: &Need) -> OpenConflict {
    let (document, case) = (record.id, &record.case);
    let events = [conflict.stands, conflict.other];
    let side = |number: usize, event, stands| Side { stands, ..side(case, number, event) };
    let sides = vec![side(1, conflict.stands, true), side(2, conflict.other, conflict.both_stand)];
    let orders = case.orders.iter().filter(|order| events.contains(&order.id.event));
    // An order that moved on meanwhile makes it another conflict for whoever would call it off.
    let moved = orders.map(|order| order.changed_by.0.to_vec());
    OpenConflict {
        id: id_of(document, conflict),
        revision: revision(events.iter().map(|event| event.0.to_vec()).chain(moved)),
        kind: InboxKind::Case(conflict.kind),
        resident: None,
        subject: conflict.kind.to_string(),
        chinese: conflict.kind.chinese().to_owned(),
        english: conflict.kind.english().to_owned(),
        personal: false,
        sides,
        offers: actions::of_case(conflict.kind, settling),
        place: Place::Events(events),
    }
}

fn of_void_event(record: &CaseRecord, entry: &TimelineEntry, settling: &Need) -> OpenConflict {
    let (document, case) = (record.id, &record.case);
    let (chinese, english) = why(entry.effect);
    let because_of = match entry.effect {
        Effect::None { because_of, .. } => because_of,
        Effect::Void(_) | Effect::Applied | Effect::AppliedLate => None,
    };
    let mut sides = vec![Side { stands: false, ..side(case, 1, entry.event) }];
    sides.extend(because_of.map(|event| side(case, 2, event)));
    OpenConflict {
        id: id_of_event(document, entry.event),
        revision: revision([entry.event.0.to_vec(), english.as_bytes().to_vec()].into_iter()),
        kind: InboxKind::WithoutEffect,
        resident: None,
        subject: "without_effect".into(),
        chinese: format!("操作未生效：{chinese}"),
        english: format!("without effect: {english}"),
        personal: false,
        sides,
        offers: actions::of_void_event(settling),
        place: Place::Events([entry.event, entry.event]),
    }
}

fn why(effect: Effect) -> (&'static str, &'static str) {
    match effect {
        Effect::Void(reason) => (reason.chinese(), reason.english()),
        Effect::None { reason, .. } => (reason.chinese(), reason.english()),
        Effect::Applied | Effect::AppliedLate => ("", ""),
    }
}

/// An event in words.
pub(super) fn side(case: &Case, number: usize, event: RecordId) -> Side {
    let entry = case.timeline.iter().find(|entry| entry.event == event);
    let [value, chinese, english] = entry.map(words).unwrap_or_default();
    let said = entry.map(|entry| Speaker {
        node: Some(entry.author),
        by: Some(entry.by.clone()),
        role: Some(entry.role),
        at_ms: milliseconds(entry.time),
    });
    let sent = case.open_orders().filter(|order| order.id.event == event);
    let orders = sent.map(|order| SentOrder { order: order.id, team: order.team.clone() }).collect();
    Side {
        side: number,
        value,
        chinese,
        english,
        said: said.into_iter().collect(),
        resident: None,
        event: Some(event),
        stands: true,
        orders,
    }
}

/// What somebody did, with what tells it from what another did in the same step.
fn words(entry: &TimelineEntry) -> [String; 3] {
    let (key, chinese, english) = match entry.step {
        Some(step) => (step.to_string(), step.chinese(), step.english()),
        None => (String::new(), "审批", "decision"),
    };
    let detail = detail(&entry.action).or_else(|| entry.note.clone()).unwrap_or_default();
    if detail.is_empty() {
        return [key, chinese.to_owned(), english.to_owned()];
    }
    [key, format!("{chinese}：{detail}"), format!("{english}: {detail}")]
}

fn detail(action: &Action) -> Option<String> {
    if let Action::Dispatch { orders, .. } | Action::Whistle { called: orders, .. } = action {
        return Some(orders.iter().map(|order| order.team.as_str()).collect::<Vec<_>>().join(", "));
    }
    if let Action::File { category, severity, .. } = action {
        return Some(format!("{category}, {}", severity.chinese()));
    }
    if let Action::Refuse { reason: text }
    | Action::Decline { reason: text, .. }
    | Action::Verify { finding: text, .. }
    | Action::LeadClose { team: text, .. } = action
    {
        return Some(text.clone());
    }
    None
}
