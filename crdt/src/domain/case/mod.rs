//! Cases (案卷): immutable signed events and the deterministic fold that makes a case of them.
//!
//! A case has no stored state. Everybody who acts on it adds a [`CaseEvent`] that names the newest events its author had
//! seen; [`fold`](fn@fold) turns the set of events into a [`Case`]. The fold is a pure function of the set and the town's
//! [`TransitionTable`]s: the order in which events arrived does not matter, so two halves of a town that were cut off
//! from each other show the same case as soon as they hold the same events.
//!
//! Reading order: [`action`](Action) (what people do), [`event`](CaseEvent) (who does it, having seen what),
//! [`step`](Step) and [`state`](CaseState) (the words), [`table`](TransitionTable) (who may do what when, as data),
//! [`edition`](LifeCycle) (how a town changes that without taking effect away from what was done), `soundness` (which tables a
//! town can work by), `history` (the order of events), `judge` (whether an event has
//! effect), `unaware` (which decisions were taken before something arrived), `check` (guards and references), `effect` (what an action changes),
//! `settlement` (what people have to settle, and how they did), and beside it the deadline:
//! [`Calendar`], [`Limit`], [`Deadline`]. The tables are rows that a town may change: [`tables`](crate::domain::tables).
//!
//! # Wire format
//!
//! An event takes at most [`MAX_EVENT_BYTES`]: the version byte 1 and one CBOR item, a map {0: case document id, 1: member, 2: role code,
//! 3: array of record ids, 4: note (optional), 5: action, 6: id of the edition of the rules (optional)}. An action is an array [code, map of its fields]; codes and
//! field numbers stand beside [`Action`]. A reader keeps an action whose code it does not know as it is and gives it
//! no effect. The id of an event is the [`RecordId`](crate::id::RecordId) of its bytes as received.

mod action;
mod bytes;
mod calendar;
mod check;
mod deadline;
mod default_table;
mod edition;
mod effect;
mod event;
mod fold;
mod history;
mod input;
mod judge;
mod limit;
mod settlement;
mod soundness;
mod state;
mod step;
mod table;
#[cfg(test)]
mod tests;
mod unaware;
mod versioned;

pub use action::{
    Action, Assignment, BlobHash, Conveying, LimitClock, Means, OrderRef, ReopenCause, Report, Satisfaction, Severity,
    Source, UnknownAction,
};
pub use calendar::{Calendar, CalendarError, WorkingHours};
pub use deadline::{Deadline, Lamp};
pub use edition::{Edition, EditionError, EditionInput, LifeCycle, MAX_BEFORE, MAX_EDITION_BYTES, Published};
pub use event::{
    CaseEvent, EventError, MAX_EVENT_BYTES, MAX_NAME, MAX_PHOTOS, MAX_SEALED, MAX_SEEN, MAX_TEAMS, MAX_TEXT,
};
pub use fold::{FoldInput, MAX_EVENTS, fold, milliseconds};
pub use limit::{Limit, MAX_LIMIT_MINUTES, MINUTES_PER_WORKING_DAY};
pub use settlement::{CalledOff, Conflict, Settlement};
pub use soundness::{Promise, Unsound};
pub use state::{
    CallbackNote, Case, CaseClock, CaseState, Check, Conveyed, Effect, Filing, Named, OnSpot, Order, OrderKind,
    OrderStatus, Pause, Reported, Request, RequestKind, RequestStatus, Supervision, TimelineEntry, Waiting,
};
pub use step::{ConflictKind, Reason, Step, VoidReason};
pub use table::{Guard, Late, Meeting, OpenStep, Outcome, Rule, TableError, Target, TransitionTable, Who};
