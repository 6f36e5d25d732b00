//! Cases with their timeline and orders.

use std::collections::BTreeMap;

use townmesh_crdt::command::read::CaseRecord;
use townmesh_crdt::domain::case::{
    Action, CallbackNote, Case, CaseState, Effect, Order, OrderKind, OrderRef, OrderStatus, Satisfaction, Step,
    TimelineEntry, milliseconds,
};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{Stage, StageSpan};
use townmesh_crdt::id::RecordId;

use super::{Batch, Slot, coordinates, json, key};
use crate::views::CaseWait;

const CASE: &str = "INSERT OR REPLACE INTO case_file (row, number, region, state, source, category, severity, place, \
    description, latitude, longitude, reported_by, reported_ms, filed_ms, yellow_ms, due_ms, handled_ms, closed_ms, supervised, \
    orders, returned, verifications, rework, conflicts, open, gravity, found_ms, reply_due_ms, waits) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const FIGURES: &str = "UPDATE case_file SET intake_ended = ?, intake_in_time = ?, filing_ended = ?, filing_in_time = ?, \
    dispatch_ended = ?, dispatch_in_time = ?, verification_ended = ?, verification_in_time = ?, check_ended = ?, \
    check_in_time = ?, check_open = ?, awaits = ?, awaits_due_ms = ?, satisfaction = ?, solved = ? WHERE row = ?";
const DETAIL: &str = "INSERT OR REPLACE INTO case_detail (row, folded) VALUES (?, ?)";
const STAGE: &str = "INSERT INTO case_stage (row, place, stage, person, started_ms, ended_ms, due_ms) \
    VALUES (?, ?, ?, ?, ?, ?, ?)";
const EVENT: &str = "INSERT INTO case_event (row, place, event, time_ms, person, role, step, effect, state, note, \
    action, edition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const ORDER: &str = "INSERT INTO dispatch_order (row, place, event, team, task, kind, lead, status, sent_ms, result, \
    number, sent_by, done_by, done_ms, part, person, conveyed, acknowledged_ms, assigned_ms, on_scene_ms, seen_ms) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

impl Batch<'_> {
    pub(super) fn case(&mut self, slot: Slot<'_>, record: &CaseRecord) -> rusqlite::Result<()> {
        let case = &record.case;
        let report = case.reported.as_ref().map(|reported| &reported.report);
        let position = report.and_then(|report| report.position);
        let (latitude, longitude) = coordinates(position);
        let region = key(report.and_then(|report| report.region)).unwrap_or_else(|| slot.region.to_owned());
        let filing = case.filing.as_ref();
        let category = filing.map(|filing| filing.category.as_str()).or(report.and_then(|one| one.category.as_deref()));
        let open_conflicts = case.open_conflicts().count() as i64;
        let time = |time: Option<u64>| time.map(u64::cast_signed);
        self.run(
            CASE,
            &[
                &slot.row,
                &SpokenNumber::of_case(record.id).to_string(),
                &region,
                &key(case.state),
                &key(report.map(|report| report.source)),
                &category,
                &key(filing.map(|filing| filing.severity)),
                &report.map(|report| &report.place),
                &report.map(|report| &report.description),
                &latitude,
                &longitude,
                &case.reported.as_ref().map(|reported| &reported.by),
                &first_time(case),
                &time(case.clock.as_ref().map(|clock| clock.started)),
                &time(case.clock.as_ref().and_then(|clock| clock.yellow_from(self.tables.calendar()))),
                &time(self.due(case)),
                &time(case.clock.as_ref().and_then(|clock| clock.handled)),
                &time(case.clock.as_ref().and_then(|clock| clock.closed)),
                &case.is_supervised(),
                &dispatched(case, |_| true),
                &dispatched(case, |order| order.status == OrderStatus::Returned),
                &verifications(case),
                &case.rework,
                &open_conflicts,
                &case.state.is_some_and(CaseState::is_open),
                &filing.map(|filing| filing.severity.code()),
                &time(report.and_then(|report| report.found_ms)),
                // Of a foreign event it may be any number.
                &case.reply_due().and_then(|due| i64::try_from(due).ok()),
                &CaseWait::column(&CaseWait::of(case)),
            ],
        )?;
        self.run(DETAIL, &[&slot.row, &detail(case)?])?;
        self.timeline(slot, case)?;
        self.orders(slot, case)?;
        let spans = self.tables.stages(case);
        self.stages(slot, &spans)?;
        self.figures(slot, case, &spans)?;
        self.position(slot, position.as_slice())?;
        let notes = case.timeline.iter().filter_map(|entry| entry.note.as_deref());
        let told = report.into_iter().flat_map(|report| [report.place.as_str(), report.description.as_str()]);
        self.words(slot, told.chain(category).chain(notes))
    }

    fn timeline(&self, slot: Slot<'_>, case: &Case) -> rusqlite::Result<()> {
        self.clear(slot, "case_event")?;
        for (place, entry) in (0_i64..).zip(&case.timeline) {
            self.run(
                EVENT,
                &[
                    &slot.row,
                    &place,
                    &entry.event.to_string(),
                    &milliseconds(entry.time).cast_signed(),
                    &entry.by,
                    &entry.role.to_string(),
                    &key(entry.step),
                    &json(&entry.effect)?,
                    &key(entry.state),
                    &entry.note,
                    &json(&entry.action)?,
                    &entry.edition,
                ],
            )?;
        }
        Ok(())
    }

    fn orders(&self, slot: Slot<'_>, case: &Case) -> rusqlite::Result<()> {
        self.clear(slot, "dispatch_order")?;
        let answers = answers(case);
        for (place, order) in (0_i64..).zip(&case.orders) {
            let Answers { acknowledged, assigned, on_scene, seen } =
                answers.get(&order.id).copied().unwrap_or_default();
            let done = entry(case, order.changed_by).filter(|_| order.status == OrderStatus::Done);
            self.run(
                ORDER,
                &[
                    &slot.row,
                    &place,
                    &order.id.event.to_string(),
                    &order.team,
                    &order.task,
                    &order.kind.to_string(),
                    &order.lead,
                    &order.status.to_string(),
                    &order.sent_at.cast_signed(),
                    &order.result,
                    &SpokenNumber::of_order(order.id).to_string(),
                    &entry(case, order.id.event).map(|sent| &sent.by),
                    &done.map(|done| &done.by),
                    &done.map(|done| milliseconds(done.time).cast_signed()),
                    &order.id.index,
                    &order.person.as_ref().map(|named| &named.person),
                    &json(&order.conveyed)?,
                    &acknowledged,
                    &assigned,
                    &on_scene,
                    &seen,
                ],
            )?;
        }
        Ok(())
    }

    fn stages(&self, slot: Slot<'_>, spans: &[StageSpan]) -> rusqlite::Result<()> {
        self.clear(slot, "case_stage")?;
        for (place, span) in (0_i64..).zip(spans) {
            let time = |time: Option<u64>| time.map(u64::cast_signed);
            let (started, ended, due) = (span.started.cast_signed(), time(span.ended), time(span.due));
            self.run(STAGE, &[&slot.row, &place, &span.stage.to_string(), &span.by, &started, &ended, &due])?;
        }
        Ok(())
    }

    /// What the figures of an assessment count beside what lists show.
    fn figures(&self, slot: Slot<'_>, case: &Case, spans: &[StageSpan]) -> rusqlite::Result<()> {
        let [
            [intake, prompt_intake],
            [filing, prompt_filing],
            [dispatch, prompt_dispatch],
            [verify, prompt_verify],
            [check, prompt_check],
        ] = [Stage::Intake, Stage::Filing, Stage::Dispatch, Stage::Verification, Stage::Check]
            .map(|stage| ended(stage, spans));
        let open_checks = spans.iter().filter(|span| span.stage == Stage::Check && span.ended.is_none()).count() as i64;
        let awaited = spans.iter().find(|span| span.ended.is_none() && span.stage != Stage::Check);
        let said = reached(case);
        self.run(
            FIGURES,
            &[
                &intake,
                &prompt_intake,
                &filing,
                &prompt_filing,
                &dispatch,
                &prompt_dispatch,
                &verify,
                &prompt_verify,
                &check,
                &prompt_check,
                &open_checks,
                &key(awaited.map(|span| span.stage)),
                &awaited.and_then(|span| span.due).map(u64::cast_signed),
                &key(said.map(|call| call.satisfaction)),
                &said.map(|call| call.solved),
                &slot.row,
            ],
        )
    }

    /// The moment at which the limit is reached, in milliseconds since 1970: it does not depend on when it is asked for.
    fn due(&self, case: &Case) -> Option<u64> {
        case.deadline(self.tables.calendar(), 0).and_then(|deadline| deadline.due)
    }
}

/// When an order was acknowledged, given to a named person, and reported in on for the first time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
struct Answers {
    acknowledged: Option<i64>,
    assigned: Option<i64>,
    on_scene: Option<i64>,
    /// When somebody of the team first did anything about it: a center's back office may name a person while the team is cut off.
    seen: Option<i64>,
}

/// What became of each order of a case.
fn answers(case: &Case) -> BTreeMap<OrderRef, Answers> {
    let mut answers: BTreeMap<OrderRef, Answers> = BTreeMap::new();
    for entry in case.timeline.iter().filter(|entry| entry.effect.is_effective()) {
        let mut of = |order: OrderRef, which: fn(&mut Answers) -> &mut Option<i64>| {
            let time = milliseconds(entry.time).cast_signed();
            let first = which(answers.entry(order).or_default());
            *first = Some(first.map_or(time, |first| first.min(time)));
        };
        let is_of_team = matches!(entry.role, Role::Handler | Role::Liaison);
        if let Action::Acknowledge { order } = entry.action {
            of(order, |answers| &mut answers.acknowledged);
        } else if let Action::Assign { order, .. } = entry.action {
            of(order, |answers| &mut answers.assigned);
        } else if let Action::ReportIn { order } = entry.action {
            of(order, |answers| &mut answers.on_scene);
        }
        if let Some(order) = answered(&entry.action).filter(|_| is_of_team) {
            of(order, |answers| &mut answers.seen);
        }
    }
    answers
}

/// The order that whoever acts has before them.
fn answered(action: &Action) -> Option<OrderRef> {
    if let Action::Acknowledge { order }
    | Action::ReportIn { order }
    | Action::Assign { order, .. }
    | Action::OrderDone { order, .. }
    | Action::RequestReturn { order, .. } = action
    {
        Some(*order)
    } else {
        None
    }
}

/// How often a desk did what it had to do with a case, and how often in time.
fn ended(stage: Stage, spans: &[StageSpan]) -> [i64; 2] {
    let of_stage = || spans.iter().filter(|span| span.stage == stage);
    let ended = of_stage().filter(|span| span.ended.is_some()).count();
    [ended as i64, of_stage().filter(|span| is_in_time(span)).count() as i64]
}

/// Whether it was done by its limit; anything done is where the town sets none.
fn is_in_time(span: &StageSpan) -> bool {
    span.ended.is_some_and(|ended| span.due.is_none_or(|due| ended <= due))
}

/// What the caller said when somebody reached them last.
fn reached(case: &Case) -> Option<&CallbackNote> {
    case.callbacks.iter().rev().find(|call| call.satisfaction != Satisfaction::Unreachable)
}

/// The event of this id as people see it.
fn entry(case: &Case, event: RecordId) -> Option<&TimelineEntry> {
    case.timeline.iter().find(|entry| entry.event == event)
}

/// Orders of the dispatcher; those of whistles are not theirs.
fn dispatched(case: &Case, is_meant: impl Fn(&Order) -> bool) -> i64 {
    case.orders.iter().filter(|order| order.kind == OrderKind::Dispatch && is_meant(order)).count() as i64
}

/// How often an inspector verified, with effect.
fn verifications(case: &Case) -> i64 {
    let has_effect = |effect: Effect| matches!(effect, Effect::Applied | Effect::AppliedLate);
    let is_verified = |step: Option<Step>| matches!(step, Some(Step::VerifyPass | Step::VerifyFail));
    case.timeline.iter().filter(|entry| is_verified(entry.step) && has_effect(entry.effect)).count() as i64
}

/// When the case began: its report, or its first event while none has effect.
fn first_time(case: &Case) -> i64 {
    let reported = case.reported.as_ref().map(|reported| reported.at);
    let first = || case.timeline.first().map(|entry| milliseconds(entry.time));
    reported.or_else(first).unwrap_or(0).cast_signed()
}

/// The folded case without its timeline and orders, which have rows of their own.
fn detail(case: &Case) -> rusqlite::Result<String> {
    let mut folded =
        serde_json::to_value(case).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    if let Some(fields) = folded.as_object_mut() {
        fields.remove("timeline");
        fields.remove("orders");
    }
    json(&folded)
}
