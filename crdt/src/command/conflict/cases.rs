//! Conflicts of cases: what two sides decided without knowing of each other, and what had no effect.

use super::super::read::CaseRecord;
use super::{InboxKind, OpenConflict, Place, SentOrder, Side, Speaker, actions, id, revision};
use crate::domain::case::{Action, Case, Conflict, ConflictKind, Effect, TimelineEntry, milliseconds};
use crate::id::{ConflictId, DocumentId, RecordId};

/// Most conflicts of a case that people are shown; the others come up as these are settled.
const MAX_SHOWN: usize = 128;

pub(super) fn open(record: &CaseRecord) -> Vec<OpenConflict> {
    let conflicts = record.case.open_conflicts().map(|conflict| of_conflict(record, conflict));
    let void = record.case.without_effect().map(|entry| of_void_event(record, entry));
    conflicts.chain(void).take(MAX_SHOWN).collect()
}

/// Two events are one conflict whichever of them stands.
pub(super) fn id_of(document: DocumentId, kind: ConflictKind, [one, other]: [RecordId; 2]) -> ConflictId {
    id(document, &[b"events", kind.to_string().as_bytes(), &one.min(other).0, &one.max(other).0])
}

pub(super) fn id_of_event(document: DocumentId, event: RecordId) -> ConflictId {
    id(document, &[b"event", &event.0])
}

fn of_conflict(record: &CaseRecord, conflict: &Conflict) -> OpenConflict {
    let (document, case) = (record.id, &record.case);
    let events = [conflict.stands, conflict.other];
    let side = |number: usize, event, stands| Side { stands, ..side(case, number, event) };
    let sides = vec![side(1, conflict.stands, true), side(2, conflict.other, conflict.both_stand)];
    let orders = case.orders.iter().filter(|order| events.contains(&order.id.event));
    // An order that moved on meanwhile makes it another conflict for whoever would call it off.
    let moved = orders.map(|order| order.changed_by.0.to_vec());
    OpenConflict {
        id: id_of(document, conflict.kind, events),
        revision: revision(events.iter().map(|event| event.0.to_vec()).chain(moved)),
        kind: InboxKind::Case(conflict.kind),
        resident: None,
        subject: conflict.kind.to_string(),
        chinese: conflict.kind.chinese().to_owned(),
        english: conflict.kind.english().to_owned(),
        personal: false,
        sides,
        offers: actions::of_case(conflict.kind, &record.steps),
        place: Place::Events(events),
    }
}

fn of_void_event(record: &CaseRecord, entry: &TimelineEntry) -> OpenConflict {
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
        offers: actions::of_void_event(entry, &record.steps),
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
    let detail = detail(&entry.action).filter(|detail| !detail.is_empty()).or_else(|| entry.note.clone());
    let [in_chinese, in_english] = told(&entry.action).unwrap_or_default();
    let in_full = |step: &str, told: &str, [colon, comma]: [&str; 2]| {
        let parts = [Some(told), detail.as_deref()].into_iter().flatten().filter(|part| !part.is_empty());
        let words = parts.collect::<Vec<_>>().join(comma);
        if words.is_empty() { step.to_owned() } else { format!("{step}{colon}{words}") }
    };
    [key, in_full(chinese, in_chinese, ["：", "，"]), in_full(english, in_english, [": ", ", "])]
}

fn detail(action: &Action) -> Option<String> {
    if let Action::Dispatch { orders, .. } | Action::Whistle { called: orders, .. } = action {
        return Some(orders.iter().map(|order| order.team.as_str()).collect::<Vec<_>>().join(", "));
    }
    if let Action::File { category, severity, .. } = action {
        return Some(format!("{category}, {}", severity.chinese()));
    }
    if let Action::Report(report) = action {
        return Some(report.description.clone());
    }
    if let Action::Refuse { reason: text }
    | Action::RequestReturn { reason: text, .. }
    | Action::RequestExtension { reason: text, .. }
    | Action::RequestSuspension { reason: text }
    | Action::RequestVoid { reason: text }
    | Action::Decline { reason: text, .. }
    | Action::AnswerCheck { answer: text, .. }
    | Action::HandleOnSpot { result: text, .. }
    | Action::OrderDone { result: text, .. }
    | Action::Supervise { demand: text, .. }
    | Action::Reply { answer: text, .. }
    | Action::Verify { finding: text, .. }
    | Action::LeadClose { team: text, .. } = action
    {
        return Some(text.clone());
    }
    None
}

/// What a callback or a look at the place says, and why a case is taken up again, in Chinese and English.
fn told(action: &Action) -> Option<[&'static str; 2]> {
    if let Action::Callback { solved, .. } = action {
        return Some(if *solved { ["已解决", "solved"] } else { ["未解决", "unsolved"] });
    }
    if let Action::AnswerCheck { found, .. } = action {
        return Some(if *found { ["属实", "it is there"] } else { ["未发现问题", "nothing is there"] });
    }
    if let Action::Reopen { cause } = action {
        return Some([cause.chinese(), cause.english()]);
    }
    None
}
