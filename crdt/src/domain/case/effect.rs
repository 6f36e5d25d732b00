//! What an action changes, once it is found to have effect.

use super::action::{Action, Assignment, BlobHash, Conveying, LimitClock, OrderRef, Report, Severity};
use super::fold::milliseconds;
use super::history::Placed;
use super::state::{
    CallbackNote, Case, CaseClock, CaseState, Check, Conveyed, Filing, Named, OnSpot, Order, OrderKind, OrderStatus,
    Pause, Reported, Request, RequestKind, RequestStatus, Supervision,
};
use crate::id::RecordId;

impl Case {
    /// Writes what the action says into the case; the state moves in [`Self::enter`].
    pub(super) fn apply(&mut self, placed: &Placed<'_>) {
        let (event, at, by) = (placed.id, milliseconds(placed.input.time), &placed.input.event.by);
        match &placed.input.event.action {
            Action::Report(report) => self.take_in(event, at, by, report),
            Action::AskCheck { question } => {
                self.checks.push(Check { event, question: question.clone(), answer: None });
            }
            Action::AnswerCheck { question, found, answer } => {
                if let Some(check) = self.checks.iter_mut().find(|check| check.event == *question) {
                    check.answer = Some((event, *found, answer.clone()));
                }
            }
            Action::Merge { into } => self.linked_to = Some(*into),
            Action::File { category, severity, minutes, clock } => {
                self.file(event, at, category, *severity, *minutes, *clock);
            }
            Action::Dispatch { orders, lead } => self.send(event, at, orders, OrderKind::Dispatch, Some(*lead)),
            Action::Whistle { called, .. } => self.send(event, at, called, OrderKind::Whistle, None),
            Action::Acknowledge { order } => self.change_order(*order, OrderStatus::Acknowledged, event),
            Action::ReportIn { order } => {
                self.handlers.insert(by.clone());
                self.change_order(*order, OrderStatus::ReportedIn, event);
            }
            Action::OrderDone { order, result, photos } => {
                self.handlers.insert(by.clone());
                self.finish_order(*order, event, result, photos);
            }
            Action::LeadClose { .. } => {
                self.handlers.insert(by.clone());
            }
            Action::RequestReturn { order, reason } => {
                self.ask(event, by, RequestKind::Return, reason, Some(*order), 0);
            }
            Action::RequestExtension { minutes, reason } => {
                self.ask(event, by, RequestKind::Extension, reason, None, *minutes);
            }
            Action::RequestSuspension { reason } => self.ask(event, by, RequestKind::Suspension, reason, None, 0),
            Action::RequestVoid { reason } => self.ask(event, by, RequestKind::Void, reason, None, 0),
            Action::Approve { request } => self.decide(*request, event, RequestStatus::Approved),
            Action::Decline { request, .. } => self.decide(*request, event, RequestStatus::Declined),
            Action::Verify { passed, .. } => self.rework += u32::from(!passed),
            Action::Callback { satisfaction, solved } => {
                self.callbacks.push(CallbackNote { event, satisfaction: *satisfaction, solved: *solved });
            }
            Action::Reopen { .. } => self.reopened += 1,
            Action::HandleOnSpot { result, photos } => {
                self.on_spot.push(OnSpot { event, result: result.clone(), photos: photos.clone() });
            }
            Action::Supervise { demand, due_ms } => {
                let (by, demand) = (by.clone(), demand.clone());
                self.supervisions.push(Supervision { event, by, demand, due_ms: *due_ms, reply: None });
            }
            Action::Reply { supervision, answer } => {
                if let Some(demand) = self.supervisions.iter_mut().find(|demand| demand.event == *supervision) {
                    demand.reply = Some((event, answer.clone()));
                }
            }
            Action::Settle { between, call_off } => self.settle(event, *between, call_off),
            Action::Convey { order, conveying } => self.convey(*order, event, by, conveying),
            Action::Assign { order, person } => self.assign(*order, event, by, person),
            Action::Accept
            | Action::Refuse { .. }
            | Action::Resume
            | Action::Close
            | Action::Audit { .. }
            | Action::Comment { .. }
            | Action::Unknown(_) => {}
        }
    }

    /// Moves the case and its clock to another state.
    pub(super) fn enter(&mut self, to: CaseState, event: RecordId, at: u64) {
        let was_open = self.state.is_none_or(CaseState::is_open);
        let was_suspended = self.state == Some(CaseState::Suspended);
        self.state = Some(to);
        if to == CaseState::Void {
            for order in self.orders.iter_mut().filter(|order| order.status.is_open()) {
                order.status = OrderStatus::CalledOff;
                order.changed_by = event;
            }
        }
        let Some(clock) = &mut self.clock else { return };
        if was_suspended {
            clock.pauses.iter_mut().filter(|pause| pause.until.is_none()).for_each(|pause| pause.until = Some(at));
        }
        if let (false, Some(closed)) = (was_open, clock.closed.take_if(|_| to.is_open())) {
            clock.pauses.push(Pause { from: closed, until: Some(at) });
        }
        match to {
            CaseState::Suspended => clock.pauses.push(Pause { from: at, until: None }),
            CaseState::ToVerify => clock.handled = Some(at),
            CaseState::Filed | CaseState::Handling | CaseState::Joint => clock.handled = None,
            CaseState::Closed | CaseState::Void | CaseState::Refused | CaseState::Linked | CaseState::Invalid => {
                clock.closed = Some(at);
            }
            CaseState::Reported | CaseState::Accepted | CaseState::ToClose | CaseState::Unknown(_) => {}
        }
    }

    fn take_in(&mut self, event: RecordId, at: u64, by: &str, report: &Report) {
        self.finders.insert(by.to_owned());
        match self.reported {
            None => self.reported = Some(Reported { event, by: by.to_owned(), at, report: report.clone() }),
            Some(_) => self.further_reports.push(event),
        }
    }

    fn file(&mut self, event: RecordId, at: u64, category: &str, severity: Severity, minutes: u32, clock: LimitClock) {
        self.filing = Some(Filing { event, category: category.to_owned(), severity });
        self.clock = Some(CaseClock {
            started: at,
            minutes,
            clock,
            extension_minutes: 0,
            pauses: Vec::new(),
            handled: None,
            closed: None,
        });
    }

    fn send(&mut self, event: RecordId, at: u64, orders: &[Assignment], kind: OrderKind, lead: Option<u8>) {
        let sent = (0..=u8::MAX).zip(orders).map(|(index, order)| Order {
            id: OrderRef { event, index },
            team: order.team.clone(),
            task: order.task.clone(),
            kind,
            lead: lead == Some(index),
            status: OrderStatus::Sent,
            changed_by: event,
            sent_at: at,
            person: None,
            conveyed: Vec::new(),
            result: None,
            photos: Vec::new(),
        });
        self.orders.extend(sent);
    }

    pub(super) fn change_order(&mut self, id: OrderRef, status: OrderStatus, changed_by: RecordId) {
        if let Some(order) = self.orders.iter_mut().find(|order| order.id == id) {
            order.status = status;
            order.changed_by = changed_by;
        }
    }

    fn convey(&mut self, id: OrderRef, event: RecordId, by: &str, conveying: &Conveying) {
        if let Some(order) = self.orders.iter_mut().find(|order| order.id == id) {
            order.conveyed.push(Conveyed { event, by: by.to_owned(), conveying: conveying.clone() });
        }
    }

    fn assign(&mut self, id: OrderRef, event: RecordId, by: &str, person: &str) {
        if let Some(order) = self.orders.iter_mut().find(|order| order.id == id) {
            order.person = Some(Named { event, by: by.to_owned(), person: person.to_owned() });
        }
    }

    fn finish_order(&mut self, id: OrderRef, event: RecordId, result: &str, photos: &[BlobHash]) {
        self.change_order(id, OrderStatus::Done, event);
        if let Some(order) = self.orders.iter_mut().find(|order| order.id == id) {
            order.result = Some(result.to_owned());
            order.photos = photos.to_vec();
        }
    }

    fn ask(
        &mut self,
        event: RecordId,
        by: &str,
        kind: RequestKind,
        reason: &str,
        order: Option<OrderRef>,
        minutes: u32,
    ) {
        self.requests.push(Request {
            event,
            kind,
            by: by.to_owned(),
            reason: reason.to_owned(),
            order,
            minutes,
            status: RequestStatus::Pending,
            decided_by: None,
        });
    }

    fn decide(&mut self, id: RecordId, event: RecordId, status: RequestStatus) {
        let Some(request) = self.requests.iter_mut().find(|request| request.event == id) else { return };
        request.status = status;
        request.decided_by = Some(event);
        if status != RequestStatus::Approved {
            return;
        }
        let (order, minutes) = (request.order, request.minutes);
        if let Some(order) = order {
            self.change_order(order, OrderStatus::Returned, event);
        }
        if let Some(clock) = &mut self.clock {
            clock.extension_minutes = clock.extension_minutes.saturating_add(minutes);
        }
    }
}
