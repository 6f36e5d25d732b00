//! What a case is after the fold.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::action::{Action, BlobHash, Conveying, LimitClock, OrderRef, Report, Satisfaction, Severity};
use super::event::MAX_SEEN;
use super::settlement::{Conflict, Settlement};
use super::step::{Reason, Step, VoidReason};
use crate::clock::{HybridTime, Millis};
use crate::domain::codes::coded;
use crate::domain::role::Role;
use crate::id::{DocumentId, NodeId, RecordId};

coded! {
    /// Where a case stands.
    pub enum CaseState: "state of a case" {
        /// Reported, not yet looked at by intake.
        Reported = 1, "reported", "待受理", "reported";
        /// Accepted, not yet filed.
        Accepted = 2, "accepted", "待立案", "accepted";
        /// Filed, waiting for teams.
        Filed = 3, "filed", "待派遣", "filed";
        /// A team works on it.
        Handling = 4, "handling", "处理中", "handling";
        /// Several units work on it.
        Joint = 5, "joint", "联合处理", "joint handling";
        /// The clock is stopped.
        Suspended = 6, "suspended", "挂账", "suspended";
        /// Work is finished, waiting for an inspector.
        ToVerify = 7, "to_verify", "待核查", "to verify";
        /// Verified, waiting for the duty head.
        ToClose = 8, "to_close", "待结案", "to close";
        /// Closed.
        Closed = 9, "closed", "已结案", "closed";
        /// Declared not to exist.
        Void = 10, "void", "已作废", "void";
        /// Not accepted.
        Refused = 11, "refused", "不予受理", "refused";
        /// A duplicate of another case.
        Linked = 12, "linked", "已并案", "linked";
        /// Handled on the spot, but the audit did not agree.
        Invalid = 13, "invalid", "无效案卷", "invalid";
    }
}

coded! {
    /// How far one order is.
    pub enum OrderStatus: "status of an order" {
        /// Written; whether it was delivered is known from receipts.
        Sent = 1, "sent", "已派出", "sent";
        /// The team has read it.
        Acknowledged = 2, "acknowledged", "已签收", "acknowledged";
        /// The team is there.
        ReportedIn = 3, "reported_in", "已报到", "reported in";
        /// Done.
        Done = 4, "done", "已完成", "done";
        /// Given back.
        Returned = 5, "returned", "已退回", "returned";
        /// No longer wanted.
        CalledOff = 6, "called_off", "已撤销", "called off";
    }
}

coded! {
    /// How an order came to be.
    pub enum OrderKind: "kind of order" {
        /// By the dispatcher.
        Dispatch = 1, "dispatch", "派遣", "dispatch";
        /// By another unit's whistle.
        Whistle = 2, "whistle", "吹哨", "whistle";
    }
}

coded! {
    /// What is asked for.
    pub enum RequestKind: "kind of request" {
        /// To give an order back.
        Return = 1, "return", "退回", "return";
        /// More time.
        Extension = 2, "extension", "延期", "extension";
        /// To stop the clock.
        Suspension = 3, "suspension", "挂账", "suspension";
        /// To declare the case not to exist.
        Void = 4, "void", "作废", "void";
    }
}

coded! {
    /// What became of a request.
    pub enum RequestStatus: "status of a request" {
        /// Not decided.
        Pending = 1, "pending", "待审批", "pending";
        /// Approved.
        Approved = 2, "approved", "已同意", "approved";
        /// Declined.
        Declined = 3, "declined", "不同意", "declined";
    }
}

/// The first report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseReported))]
pub struct Reported {
    /// The event.
    pub event: RecordId,
    /// Who reported.
    pub by: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// What.
    pub report: Report,
}

/// Category, severity and limit as filed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseFiling))]
pub struct Filing {
    /// The event.
    pub event: RecordId,
    /// Category code.
    pub category: String,
    /// Severity.
    pub severity: Severity,
}

/// Who does a team's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Named {
    /// The event.
    pub event: RecordId,
    /// Who named them.
    pub by: String,
    /// The person: a member's code.
    pub person: String,
}

/// An order that was handed on by voice or on paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Conveyed {
    /// The event.
    pub event: RecordId,
    /// Who noted it down.
    pub by: String,
    /// How, by whom, to whom, when.
    #[serde(flatten)]
    pub conveying: Conveying,
}

/// One team's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseOrder))]
pub struct Order {
    /// Its name.
    pub id: OrderRef,
    /// The team.
    pub team: String,
    /// What it shall do.
    pub task: String,
    /// Dispatch or whistle.
    pub kind: OrderKind,
    /// Whether the team leads.
    pub lead: bool,
    /// How far it is.
    pub status: OrderStatus,
    /// The event that gave it this status.
    pub changed_by: RecordId,
    /// When it was written, in milliseconds since 1970.
    pub sent_at: u64,
    /// Who of the team does it, once somebody is named: the latest one.
    pub person: Option<Named>,
    /// Where it was handed on by voice or on paper, in the order of the fold.
    pub conveyed: Vec<Conveyed>,
    /// What was done, once it is.
    pub result: Option<String>,
    /// Photos of the result.
    pub photos: Vec<BlobHash>,
}

/// One request and its decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseRequest))]
pub struct Request {
    /// The event.
    pub event: RecordId,
    /// What is asked for.
    pub kind: RequestKind,
    /// Who asks.
    pub by: String,
    /// Why.
    pub reason: String,
    /// The order, where it is to be returned.
    pub order: Option<OrderRef>,
    /// How many more minutes, where time is asked for; else 0.
    pub minutes: u32,
    /// What became of it.
    pub status: RequestStatus,
    /// The event that decided.
    pub decided_by: Option<RecordId>,
}

/// Intake's question to an inspector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseCheck))]
pub struct Check {
    /// The asking event.
    pub event: RecordId,
    /// The question.
    pub question: String,
    /// The answering event, whether the problem was found, and the words.
    pub answer: Option<(RecordId, bool, String)>,
}

/// The finder's claim to have dealt with the problem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseOnSpot))]
pub struct OnSpot {
    /// The event.
    pub event: RecordId,
    /// What was done.
    pub result: String,
    /// Photos.
    pub photos: Vec<BlobHash>,
}

/// A demand of the commander (督办).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseSupervision))]
pub struct Supervision {
    /// The event.
    pub event: RecordId,
    /// Who demands it.
    pub by: String,
    /// What is demanded.
    pub demand: String,
    /// By when an answer is wanted, in milliseconds since 1970.
    pub due_ms: Option<u64>,
    /// The replying event and its words.
    pub reply: Option<(RecordId, String)>,
}

/// What the caller said (回访).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseCallback))]
pub struct CallbackNote {
    /// The event.
    pub event: RecordId,
    /// How satisfied.
    pub satisfaction: Satisfaction,
    /// Whether the problem is solved.
    pub solved: bool,
}

/// A time in which the limit's clock stood still, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CasePause))]
pub struct Pause {
    /// From here.
    pub from: u64,
    /// To here; `None` while it still stands.
    pub until: Option<u64>,
}

/// What the deadline is computed from; all times in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CaseClock {
    /// When the case was filed.
    pub started: u64,
    /// The limit in minutes.
    pub minutes: u32,
    /// Which hours count.
    pub clock: LimitClock,
    /// Minutes granted on top.
    pub extension_minutes: u32,
    /// Suspensions, and the time between closing and reopening.
    pub pauses: Vec<Pause>,
    /// When the last handling ended; `None` while it goes on, also after a failed verification.
    pub handled: Option<u64>,
    /// When the case was closed; `None` while it is open.
    pub closed: Option<u64>,
}

/// What an event did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseEffect))]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It has effect.
    Applied,
    /// It has effect, though the case had been moved on by somebody who did not know of it; the state stays.
    AppliedLate,
    /// Its author could not write it.
    Void(VoidReason),
    /// It was allowed, but changed nothing.
    None {
        /// Why.
        reason: Reason,
        /// The event that is to blame, where there is one.
        because_of: Option<RecordId>,
    },
}

impl Effect {
    /// Whether the event changed anything.
    pub const fn is_effective(self) -> bool {
        match self {
            Self::Applied | Self::AppliedLate => true,
            Self::Void(_) | Self::None { .. } => false,
        }
    }
}

/// One event as people see it, in the order of the fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseTimelineEntry))]
pub struct TimelineEntry {
    /// The event.
    pub event: RecordId,
    /// The node that signed.
    pub author: NodeId,
    /// Hybrid time.
    pub time: u64,
    /// The person or device.
    pub by: String,
    /// In which role.
    pub role: Role,
    /// Which step; `None` for the decision on a request that is missing.
    pub step: Option<Step>,
    /// What was done.
    pub action: Action,
    /// Words beside it.
    pub note: Option<String>,
    /// Whether it had effect.
    pub effect: Effect,
    /// The state after it; `None` before the first report.
    pub state: Option<CaseState>,
    /// The number of the edition of the life cycle by which it was judged; 0 is that of the program.
    pub edition: u32,
}

/// An event that cannot be placed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = CaseWaiting))]
pub struct Waiting {
    /// The event.
    pub event: RecordId,
    /// What its author had seen and this replica lacks; empty when it waits for an event that itself waits.
    pub missing: Vec<RecordId>,
    /// The edition of the rules that it names, where this replica lacks that.
    pub rules: Option<RecordId>,
}

/// A case, folded from its events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Case {
    /// Where it stands; `None` before a report has effect.
    pub state: Option<CaseState>,
    /// The first report.
    pub reported: Option<Reported>,
    /// Reports of the same problem by others who did not know of the first.
    pub further_reports: Vec<RecordId>,
    /// Who found the problem.
    pub finders: BTreeSet<String>,
    /// Who worked on it.
    pub handlers: BTreeSet<String>,
    /// Category and severity.
    pub filing: Option<Filing>,
    /// The case that this one is a duplicate of.
    pub linked_to: Option<DocumentId>,
    /// Orders, in the order of the fold.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub orders: Vec<Order>,
    /// Requests, decided or not.
    pub requests: Vec<Request>,
    /// Intake's questions.
    pub checks: Vec<Check>,
    /// Claims to have dealt with it on the spot.
    pub on_spot: Vec<OnSpot>,
    /// Supervisions, an overlay that leaves the state alone.
    pub supervisions: Vec<Supervision>,
    /// Callbacks.
    pub callbacks: Vec<CallbackNote>,
    /// How often verification failed.
    pub rework: u32,
    /// How often it was reopened.
    pub reopened: u32,
    /// What the deadline is computed from; `None` before filing.
    pub clock: Option<CaseClock>,
    /// What people decided without knowing of each other.
    pub conflicts: Vec<Conflict>,
    /// Events without effect of which somebody said that they have seen it, or whose action somebody who had seen it took
    /// once more with effect; with the event that did.
    pub acknowledged: BTreeMap<RecordId, RecordId>,
    /// What was settled, in the order of the fold, that which was taken back too.
    pub settlements: Vec<Settlement>,
    /// Every placed event.
    #[cfg_attr(feature = "openapi", schema(required = false))]
    pub timeline: Vec<TimelineEntry>,
    /// Events that wait for others.
    pub waiting: Vec<Waiting>,
    /// Events beyond [`MAX_EVENTS`](super::MAX_EVENTS), which the fold does not look at.
    pub beyond_bound: Vec<RecordId>,
    /// The newest placed events: what the author of the next event names as seen. At most [`MAX_SEEN`].
    pub heads: BTreeSet<RecordId>,
}

impl CaseState {
    /// Whether somebody still has something to do.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Reported
            | Self::Accepted
            | Self::Filed
            | Self::Handling
            | Self::Joint
            | Self::Suspended
            | Self::ToVerify
            | Self::ToClose => true,
            Self::Closed | Self::Void | Self::Refused | Self::Linked | Self::Invalid | Self::Unknown(_) => false,
        }
    }
}

impl OrderStatus {
    /// Whether the team still has something to do.
    pub const fn is_open(self) -> bool {
        match self {
            Self::Sent | Self::Acknowledged | Self::ReportedIn => true,
            Self::Done | Self::Returned | Self::CalledOff | Self::Unknown(_) => false,
        }
    }
}

impl Case {
    /// Since when nobody has anything to do any more, in milliseconds since 1970; `None` while somebody has.
    pub fn over_since(&self) -> Option<Millis> {
        let is_over = |state: Option<CaseState>| state.is_some_and(|state| !state.is_open());
        if !is_over(self.state) {
            return None;
        }
        let over = self.timeline.iter().rev().take_while(|entry| is_over(entry.state));
        over.last().map(|entry| HybridTime(entry.time).millis())
    }

    /// Requests that wait for a decision.
    pub fn pending_requests(&self) -> impl Iterator<Item = &Request> {
        let open = self.state.is_some_and(CaseState::is_open);
        self.requests.iter().filter(move |request| open && request.status == RequestStatus::Pending)
    }

    /// Whether a supervision waits for its reply.
    pub fn is_supervised(&self) -> bool {
        self.supervisions.iter().any(|supervision| supervision.reply.is_none())
    }

    /// By when the first reply to a supervision is wanted, in milliseconds since 1970.
    pub fn reply_due(&self) -> Option<u64> {
        let waiting = self.supervisions.iter().filter(|supervision| supervision.reply.is_none());
        waiting.filter_map(|supervision| supervision.due_ms).min()
    }

    /// Orders that somebody still has to do.
    pub fn open_orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().filter(|order| order.status.is_open())
    }
}

/// The newest of the placed events, given in the order of the fold with what each names as seen. Of more than
/// [`MAX_SEEN`] the last are taken; the rest get under a later event.
pub(super) fn heads<'a>(placed: impl Iterator<Item = (RecordId, &'a BTreeSet<RecordId>)>) -> BTreeSet<RecordId> {
    let mut newest: BTreeMap<RecordId, usize> = BTreeMap::new();
    for (place, (event, seen)) in placed.enumerate() {
        newest.insert(event, place);
        for known in seen {
            newest.remove(known);
        }
    }
    let mut by_place: Vec<(usize, RecordId)> = newest.into_iter().map(|(event, place)| (place, event)).collect();
    by_place.sort_unstable();
    by_place.into_iter().rev().take(MAX_SEEN).map(|(_, event)| event).collect()
}
