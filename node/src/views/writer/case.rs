//! Cases with their timeline and orders.

use townmesh_crdt::command::read::CaseRecord;
use townmesh_crdt::domain::case::{Case, Effect, Order, OrderKind, OrderStatus, Step, TimelineEntry, milliseconds};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::id::RecordId;

use super::{Batch, Slot, coordinates, json, key};

const CASE: &str = "INSERT OR REPLACE INTO case_file (row, number, region, state, source, category, severity, place, \
    description, latitude, longitude, reported_by, reported_ms, filed_ms, yellow_ms, due_ms, handled_ms, closed_ms, supervised, \
    orders, returned, verifications, rework, conflicts, detail) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const STAGE: &str = "INSERT INTO case_stage (row, place, stage, person, started_ms, ended_ms, due_ms) \
    VALUES (?, ?, ?, ?, ?, ?, ?)";
const EVENT: &str = "INSERT INTO case_event (row, place, event, time_ms, person, role, step, effect, state, note, \
    action, edition) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const ORDER: &str = "INSERT INTO dispatch_order (row, place, event, team, task, kind, lead, status, sent_ms, result, \
    number, sent_by, done_by, done_ms, part, person, conveyed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

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
                &detail(case)?,
            ],
        )?;
        self.timeline(slot, case)?;
        self.orders(slot, case)?;
        self.stages(slot, case)?;
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
        for (place, order) in (0_i64..).zip(&case.orders) {
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
                ],
            )?;
        }
        Ok(())
    }

    fn stages(&self, slot: Slot<'_>, case: &Case) -> rusqlite::Result<()> {
        self.clear(slot, "case_stage")?;
        for (place, span) in (0_i64..).zip(self.tables.stages(case)) {
            let time = |time: Option<u64>| time.map(u64::cast_signed);
            let (started, ended, due) = (span.started.cast_signed(), time(span.ended), time(span.due));
            self.run(STAGE, &[&slot.row, &place, &span.stage.to_string(), &span.by, &started, &ended, &due])?;
        }
        Ok(())
    }

    /// The moment at which the limit is reached, in milliseconds since 1970: it does not depend on when it is asked for.
    fn due(&self, case: &Case) -> Option<u64> {
        case.deadline(self.tables.calendar(), 0).and_then(|deadline| deadline.due)
    }
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
