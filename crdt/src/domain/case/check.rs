//! Guards and references: what must hold beside state and role.

use super::action::{Action, OrderRef};
use super::fold::milliseconds;
use super::history::Placed;
use super::judge::{Judge, Refusal};
use super::state::{Check, Order, OrderStatus, Request, RequestStatus, Supervision};
use super::step::{ConflictKind, Reason};
use super::table::{Guard, Rule};
use crate::clock::MAX_AHEAD;
use crate::domain::key;
use crate::id::RecordId;

/// Most orders of one case.
const MAX_ORDERS: usize = 1024;

/// The event that answers, and whether it says the same.
type Answer = (RecordId, bool);

impl Judge<'_> {
    /// Whether everything that the event refers to stands, and every guard of its rule holds.
    pub(super) fn check(&self, place: usize, placed: &Placed<'_>, rule: &Rule) -> Result<(), Refusal> {
        for guard in &rule.guards {
            self.check_guard(*guard, place, placed)?;
        }
        self.check_references(place, &placed.input.event.action)
    }

    fn check_guard(&self, guard: Guard, place: usize, placed: &Placed<'_>) -> Result<(), Reason> {
        let event = &placed.input.event;
        let (holds, otherwise) = match guard {
            Guard::NotFinder => (!self.found(&event.by), Reason::Finder),
            Guard::OnlyFinder => (self.found(&event.by), Reason::NotFinder),
            Guard::NotHandler => (!self.handles(&event.by), Reason::Handler),
            Guard::NotRequester => (!self.is_requester(&event.action, &event.by), Reason::OwnRequest),
            Guard::LeadTeam => (self.leads(&event.action), Reason::NotLead),
            Guard::OrdersDone => (self.orders_done(place), Reason::OrdersOpen),
            Guard::Replied => (self.all_replied(place), Reason::DemandOpen),
            Guard::Unknown(_) => (false, Reason::UnknownGuard),
        };
        if holds { Ok(()) } else { Err(otherwise) }
    }

    /// Whether somebody found the problem. Two nodes that do not know of each other may write one code in two ways.
    fn found(&self, by: &str) -> bool {
        self.case.finders.iter().any(|finder| key::is_same(finder, by))
    }

    /// Whether somebody handled the case, or is who an order went to that was not returned: others may write down what they did.
    fn handles(&self, by: &str) -> bool {
        let gone = |order: &&Order| matches!(order.status, OrderStatus::Returned | OrderStatus::CalledOff);
        let mut named = self.case.orders.iter().filter(|order| !gone(order)).filter_map(|order| order.person.as_ref());
        self.case.handlers.iter().any(|handler| key::is_same(handler, by))
            || named.any(|named| key::is_same(&named.person, by))
    }

    fn is_requester(&self, action: &Action, by: &str) -> bool {
        let (Action::Approve { request } | Action::Decline { request, .. }) = action else { return false };
        self.request(*request).is_some_and(|request| key::is_same(&request.by, by))
    }

    /// Whether the team named leads; when every leading order was returned or called off, any team that has done its
    /// order may.
    fn leads(&self, action: &Action) -> bool {
        let Action::LeadClose { team, .. } = action else { return true };
        let gone = |order: &&Order| matches!(order.status, OrderStatus::Returned | OrderStatus::CalledOff);
        let mut leading = self.case.orders.iter().filter(|order| order.lead && !gone(order)).peekable();
        if leading.peek().is_some() {
            return leading.any(|order| order.team == *team);
        }
        self.case.orders.iter().any(|order| order.team == *team && order.status == OrderStatus::Done)
    }

    /// Orders that the author did not know of do not count: they are shown as a conflict instead.
    fn orders_done(&self, place: usize) -> bool {
        let mut known = self.case.orders.iter().filter(|order| self.history.knew_of(place, order.id.event));
        let finished = known.clone().all(|order| !order.status.is_open());
        finished && known.any(|order| order.status == OrderStatus::Done)
    }

    fn all_replied(&self, place: usize) -> bool {
        let waiting = self.case.supervisions.iter().filter(|demand| demand.reply.is_none());
        !waiting.into_iter().any(|demand| self.history.knew_of(place, demand.event))
    }

    fn check_references(&self, place: usize, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::Dispatch { orders, .. } | Action::Whistle { called: orders, .. } => {
                let room = self.case.orders.len() + orders.len() <= MAX_ORDERS;
                room.then_some(()).ok_or(Reason::TooManyOrders.into())
            }
            Action::Acknowledge { order } => self.check_order(place, *order, |order| order.status == OrderStatus::Sent),
            Action::ReportIn { order } | Action::OrderDone { order, .. } => {
                let unknown = |order: &Order| !self.history.knew_of(place, order.changed_by);
                let ended_unknown = |order: &Order| order.status != OrderStatus::Done && unknown(order);
                self.check_order(place, *order, |order| order.status.is_open() || ended_unknown(order))
            }
            Action::Convey { order, conveying } => self.check_conveying(place, *order, conveying.at_ms),
            Action::Assign { order, person } => self.check_person(place, *order, person),
            // Of an order that somebody did meanwhile whoever decides is told; those who go on from the return are not left behind.
            Action::RequestReturn { order, .. } => self.check_order(place, *order, |order| {
                order.status.is_open() || !self.history.knew_of(place, order.changed_by)
            }),
            Action::Approve { request } => self.check_request(place, *request, true),
            Action::Decline { request, .. } => self.check_request(place, *request, false),
            Action::AnswerCheck { question, found, .. } => {
                let check = self.case.checks.iter().find(|check| check.event == *question);
                let answer = |check: &Check| check.answer.as_ref().map(|answer| (answer.0, answer.1 == *found));
                self.check_unanswered(place, *question, check.map(answer))
            }
            Action::Reply { supervision, answer } => {
                let demand = self.case.supervisions.iter().find(|one| one.event == *supervision);
                let reply = |one: &Supervision| one.reply.as_ref().map(|reply| (reply.0, reply.1 == *answer));
                self.check_unanswered(place, *supervision, demand.map(reply))
            }
            Action::Audit { claim, .. } => {
                let claimed = self.case.on_spot.iter().any(|one| one.event == *claim);
                self.check_unanswered(place, *claim, claimed.then_some(None))
            }
            Action::Settle { between, call_off } => {
                let known = between.iter().all(|event| self.history.knew_of(place, *event));
                if !known {
                    return Err(Reason::NoSuchConflict.into());
                }
                let settled = self.case.may_settle(*between, call_off);
                settled.map_err(|(reason, because_of)| Refusal { because_of, ..reason.into() })
            }
            Action::Report(_)
            | Action::AskCheck { .. }
            | Action::Accept
            | Action::Refuse { .. }
            | Action::Merge { .. }
            | Action::File { .. }
            | Action::RequestExtension { .. }
            | Action::RequestSuspension { .. }
            | Action::RequestVoid { .. }
            | Action::Resume
            | Action::LeadClose { .. }
            | Action::Verify { .. }
            | Action::Close
            | Action::Callback { .. }
            | Action::Reopen { .. }
            | Action::HandleOnSpot { .. }
            | Action::Supervise { .. }
            | Action::Comment { .. }
            | Action::Unknown(_) => Ok(()),
        }
    }

    /// What was said of an order is a fact, however far the order is; but nobody can have said it after it was noted down,
    /// give or take what honest clocks differ.
    fn check_conveying(&self, place: usize, order: OrderRef, at: u64) -> Result<(), Refusal> {
        self.check_order(place, order, |_| true)?;
        let noted = self.history.placed.get(place).map_or(0, |placed| milliseconds(placed.input.time));
        if at <= noted.saturating_add(MAX_AHEAD) { Ok(()) } else { Err(Reason::InFuture.into()) }
    }

    /// The order is open, as far as the author knew, and the person did not find the problem.
    fn check_person(&self, place: usize, order: OrderRef, person: &str) -> Result<(), Refusal> {
        let unknown = |order: &Order| !self.history.knew_of(place, order.changed_by);
        self.check_order(place, order, |order| order.status.is_open() || unknown(order))?;
        if self.found(person) { Err(Reason::Finder.into()) } else { Ok(()) }
    }

    /// The author knew the order, and it is in a fit state.
    fn check_order(&self, place: usize, id: OrderRef, fit: impl Fn(&Order) -> bool) -> Result<(), Refusal> {
        let order = self.case.orders.iter().find(|order| order.id == id);
        let known = order.filter(|_| self.history.knew_of(place, id.event)).ok_or(Reason::NoSuchReference)?;
        if fit(known) {
            return Ok(());
        }
        Err(Refusal { because_of: Some(known.changed_by), ..Reason::OrderClosed.into() })
    }

    /// The author knew the request, and nobody has decided on it. The order that it wants to return is still open.
    fn check_request(&self, place: usize, id: RecordId, approve: bool) -> Result<(), Refusal> {
        let request = self.request(id).filter(|_| self.history.knew_of(place, id)).ok_or(Reason::NoSuchReference)?;
        if let Some(decided_by) = request.decided_by {
            let contrary = (request.status == RequestStatus::Approved) != approve;
            let unknown = !self.history.knew_of(place, decided_by);
            // Of two who decide the same apart nobody has to be asked or told.
            let reason = if unknown && !contrary { Reason::DecidedAlready } else { Reason::RequestDecided };
            return Err(Refusal {
                reason,
                because_of: Some(decided_by),
                conflict: (contrary && unknown).then_some(ConflictKind::ContraryDecision),
            });
        }
        let order = request.order.filter(|_| approve);
        let closed =
            order.and_then(|id| self.case.orders.iter().find(|order| order.id == id && !order.status.is_open()));
        let Some(order) = closed else { return Ok(()) };
        let unknown = !self.history.knew_of(place, order.changed_by);
        Err(Refusal {
            reason: Reason::OrderClosed,
            because_of: Some(order.changed_by),
            conflict: unknown.then_some(ConflictKind::DecidedApart),
        })
    }

    /// The author knew what is answered (`found`), and it has no answer (`Some(None)`); else the answer stands, and whether it
    /// says the same.
    fn check_unanswered(&self, place: usize, event: RecordId, found: Option<Option<Answer>>) -> Result<(), Refusal> {
        let answer = found.filter(|_| self.history.knew_of(place, event)).ok_or(Reason::NoSuchReference)?;
        let Some((answer, is_same)) = answer else { return Ok(()) };
        let refusal = Refusal { because_of: Some(answer), ..Reason::DecidedAlready.into() };
        if is_same || self.history.knew_of(place, answer) {
            return Err(refusal);
        }
        Err(Refusal { reason: Reason::Overtaken, conflict: Some(ConflictKind::DecidedApart), ..refusal })
    }

    fn request(&self, event: RecordId) -> Option<&Request> {
        self.case.requests.iter().find(|request| request.event == event)
    }
}
