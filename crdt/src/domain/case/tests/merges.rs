//! What two sides of a town decide without knowing of each other.

use super::town::*;
use crate::domain::case::{
    Action, CaseState, ConflictKind, Effect, OrderStatus, Reason, ReopenCause, RequestStatus, Severity, VoidReason,
};
use crate::domain::role::Role;
use CaseState::{Accepted, Closed, Filed, Handling, ToClose, ToVerify, Void};

fn conflict(kind: ConflictKind, stands: &str, other: &str) -> (ConflictKind, String, String) {
    (kind, stands.into(), other.into())
}

#[test]
fn a_failed_verification_beats_a_concurrent_close() {
    let mut town = Town::until(ToVerify);
    town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true));
    town.add("close", "pass", Role::DutyHead, Action::Close);
    town.add_by("fail", "lead", Role::Inspector, "other verifier", verify(false));
    let case = town.fold();
    assert_eq!((case.state, case.rework), (Some(Filed), 1));
    assert_eq!(town.reason(&case, "close"), Some(Reason::Beaten));
    assert_eq!(
        town.conflicts(&case),
        [
            conflict(ConflictKind::ContraryVerification, "fail", "pass"),
            conflict(ConflictKind::VerificationBeatsClose, "fail", "close"),
        ]
    );
}

#[test]
fn a_failed_verification_beats_a_close_even_after_the_work_was_done_again() {
    let mut town = Town::until(ToVerify);
    town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true));
    town.add("close", "pass", Role::DutyHead, Action::Close);
    town.add_by("fail", "lead", Role::Inspector, "other verifier", verify(false));
    town.add("dispatch2", "fail", Role::Dispatcher, dispatch(&["patrol"]));
    let order = town.order("dispatch2", 0);
    town.add("done2", "dispatch2", Role::Handler, done(order));
    town.add("lead2", "done2", Role::Handler, lead("patrol"));
    town.add_by("pass2", "lead2", Role::Inspector, "verifier", verify(true));
    let case = town.fold();
    assert_eq!(case.state, Some(ToClose), "the old close must not close the new work");
    assert_eq!(town.reason(&case, "close"), Some(Reason::Beaten));
}

#[test]
fn a_verification_that_knew_of_the_close_does_not_beat_it() {
    let mut town = Town::until(Closed);
    town.add_by("fail", "close", Role::Inspector, "other verifier", verify(false));
    let case = town.fold();
    assert_eq!(case.state, Some(Closed));
    assert_eq!(town.reason(&case, "fail"), Some(Reason::WrongState));
    assert!(case.conflicts.is_empty());
}

#[test]
fn a_void_verification_beats_nothing() {
    let mut town = Town::until(Closed);
    town.add_by("fail", "lead", Role::Inspector, "other verifier", verify(false));
    town.void("fail", VoidReason::RoleNotHeld);
    let case = town.fold();
    assert_eq!(case.state, Some(Closed));
    assert!(case.conflicts.is_empty());
}

#[test]
fn two_concurrent_dispatches_both_stand_and_are_marked() {
    let mut town = Town::until(Filed);
    town.add("north", "file", Role::Dispatcher, dispatch(&["patrol"]));
    town.add("south", "file", Role::Dispatcher, dispatch(&["fire", "power"]));
    let case = town.fold();
    assert_eq!(case.state, Some(Handling));
    assert_eq!(case.orders.len(), 3);
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::DuplicateDispatch, "north", "south")]);
    assert!(case.conflicts[0].both_stand);
    assert_eq!(town.effect(&case, "south"), Effect::AppliedLate);
}

#[test]
fn the_dispatcher_settles_a_duplicate_dispatch_by_calling_one_off() {
    let mut town = Town::until(Filed);
    town.add("north", "file", Role::Dispatcher, dispatch(&["patrol"]));
    town.add("south", "file", Role::Dispatcher, dispatch(&["fire"]));
    let (between, call_off) = ([town.id("south"), town.id("north")], vec![town.order("south", 0)]);
    town.add("blind", "north", Role::Dispatcher, Action::Settle { between, call_off: call_off.clone() });
    town.add("settle", "north south", Role::Dispatcher, Action::Settle { between, call_off });
    let case = town.fold();
    assert_eq!(town.reason(&case, "blind"), Some(Reason::NoSuchConflict), "who has not seen both cannot settle");
    assert!(case.open_conflicts().next().is_none());
    assert_eq!(case.conflicts[0].settled_by, Some(town.id("settle")));
    let status = |name| case.orders.iter().find(|order| order.id == town.order(name, 0)).map(|order| order.status);
    assert_eq!((status("north"), status("south")), (Some(OrderStatus::Sent), Some(OrderStatus::CalledOff)));
}

#[test]
fn a_case_finished_by_one_side_stays_finished_though_the_other_dispatched() {
    let mut town = Town::until(Closed);
    town.add("south", "file", Role::Dispatcher, dispatch(&["water"]));
    let case = town.fold();
    assert_eq!(case.state, Some(Closed));
    assert_eq!(case.open_orders().count(), 1);
    let kinds: Vec<ConflictKind> = case.open_conflicts().map(|conflict| conflict.kind).collect();
    assert_eq!(kinds, [ConflictKind::DuplicateDispatch, ConflictKind::OrderAfterFinish]);
}

fn with_void(town: &mut Town, seen: &str) {
    town.add("ask-void", seen, Role::Dispatcher, Action::RequestVoid { reason: reason() });
    let request = town.id("ask-void");
    town.add("void", "ask-void", Role::DutyHead, Action::Approve { request });
}

#[test]
fn a_void_never_hides_work_already_done() {
    let mut town = Town::until(Handling);
    with_void(&mut town, "dispatch");
    assert_eq!(town.fold().state, Some(Void));
    let order = town.order("dispatch", 0);
    town.add("there", "dispatch", Role::Handler, Action::ReportIn { order });
    let case = town.fold();
    assert_eq!(case.state, Some(Handling));
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::VoidOverWork, "there", "void")]);
    assert_eq!(case.orders[0].status, OrderStatus::ReportedIn);
    assert_eq!(case.requests[0].status, RequestStatus::Pending, "the duty head may decide again, knowing of the work");
    let request = town.id("ask-void");
    town.add("void-again", "void there", Role::DutyHead, Action::Approve { request });
    assert_eq!(town.fold().state, Some(Void));
}

#[test]
fn a_void_over_a_dispatch_calls_it_off_and_says_so() {
    let mut town = Town::until(Filed);
    with_void(&mut town, "file");
    town.add("dispatch", "file", Role::Dispatcher, dispatch(&["patrol"]));
    let case = town.fold();
    assert_eq!(case.state, Some(Void));
    assert_eq!(case.orders[0].status, OrderStatus::CalledOff);
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::VoidOverDispatch, "dispatch", "void")]);
}

#[test]
fn contrary_decisions_on_one_request_keep_the_case_and_are_shown() {
    let mut town = Town::until(Handling);
    with_void(&mut town, "dispatch");
    let request = town.id("ask-void");
    town.add_by("no", "ask-void", Role::DutyHead, "night duty head", Action::Decline { request, reason: reason() });
    let case = town.fold();
    assert_eq!(case.state, Some(Handling));
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::ContraryDecision, "no", "void")]);
}

#[test]
fn contrary_intake_keeps_the_case() {
    let mut town = Town::until(CaseState::Reported);
    town.add("refuse", "report", Role::IntakeClerk, Action::Refuse { reason: reason() });
    town.add("accept", "report", Role::IntakeClerk, Action::Accept);
    let case = town.fold();
    assert_eq!(case.state, Some(Accepted));
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::ContraryIntake, "accept", "refuse")]);
}

#[test]
fn the_same_decision_twice_is_no_conflict_and_both_sides_can_go_on() {
    let mut town = Town::until(Accepted);
    town.add("north", "accept", Role::DutyHead, file());
    town.add("south", "accept", Role::DutyHead, file());
    town.add("go", "south", Role::Dispatcher, dispatch(&["patrol"]));
    let case = town.fold();
    assert_eq!(town.reason(&case, "south"), Some(Reason::DecidedAlready));
    assert_eq!(case.state, Some(Handling));
    assert!(case.conflicts.is_empty());
}

#[test]
fn two_filings_with_other_facts_are_a_conflict() {
    let mut town = Town::until(Accepted);
    town.add("north", "accept", Role::DutyHead, file());
    let mut other = file();
    if let Action::File { severity, .. } = &mut other {
        *severity = Severity::Urgent;
    }
    town.add("south", "accept", Role::DutyHead, other);
    let case = town.fold();
    assert_eq!(case.filing.as_ref().map(|filing| filing.severity), Some(Severity::General), "the earlier stands");
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::DuplicateFiling, "north", "south")]);
}

#[test]
fn a_step_upon_a_losing_one_says_so_without_a_conflict_of_its_own() {
    let mut town = Town::until(Closed);
    town.add("reopen", "close", Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence });
    town.add_by("fail", "lead", Role::Inspector, "other verifier", verify(false));
    let case = town.fold();
    assert_eq!(case.state, Some(Filed));
    assert_eq!(
        town.effect(&case, "reopen"),
        Effect::None { reason: Reason::RestsOn, because_of: Some(town.id("close")) }
    );
    assert_eq!(case.conflicts.len(), 2);
}

#[test]
fn two_reports_of_one_problem_are_one_case() {
    let mut town = Town::default();
    town.add_by("north", "", Role::Inspector, "north", report());
    town.add_by("south", "", Role::Inspector, "south", report());
    let case = town.fold();
    assert_eq!(case.state, Some(CaseState::Reported));
    assert_eq!(case.reported.as_ref().map(|reported| reported.by.as_str()), Some("north"));
    assert_eq!(case.further_reports, [town.id("south")]);
    assert_eq!(case.finders.len(), 2);
}

#[test]
fn a_suspension_and_the_end_of_work_meet() {
    let mut town = Town::until(Handling);
    town.add("ask", "dispatch", Role::Handler, Action::RequestSuspension { reason: reason() });
    let request = town.id("ask");
    town.add("suspend", "ask", Role::Dispatcher, Action::Approve { request });
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("done0", "dispatch", Role::Handler, done(first));
    town.add("done1", "done0", Role::Handler, done(second));
    town.add("lead", "done1", Role::Handler, lead("patrol"));
    let case = town.fold();
    assert!(case.orders.iter().all(|order| order.status == OrderStatus::Done), "work is never lost");
    assert_eq!(case.state, Some(CaseState::Suspended));
    assert_eq!(town.conflicts(&case), [conflict(ConflictKind::DecidedApart, "suspend", "lead")]);
}

/// The south had closed, too, and reopened: its failed verification stands behind both closes in the order.
#[test]
fn a_failed_verification_beats_a_close_that_stands_before_it_in_the_order() {
    let mut town = Town::until(ToClose);
    town.add("north", "pass", Role::DutyHead, Action::Close);
    town.add("south", "pass", Role::DutyHead, Action::Close);
    town.add("reopen", "south", Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence });
    town.add("dispatch2", "reopen", Role::Dispatcher, dispatch(&["patrol"]));
    let order = town.order("dispatch2", 0);
    town.add("done2", "dispatch2", Role::Handler, done(order));
    town.add("lead2", "done2", Role::Handler, lead("patrol"));
    assert_eq!(town.reason(&town.fold(), "south"), Some(Reason::DecidedAlready));
    town.add_by("fail", "lead2", Role::Inspector, "verifier", verify(false));
    let case = town.fold();
    assert_eq!(town.effect(&case, "north"), Effect::None { reason: Reason::Beaten, because_of: Some(town.id("fail")) });
    assert_eq!(town.effect(&case, "south"), Effect::Applied);
    assert_eq!((case.state, case.reopened), (Some(Filed), 1));
}

/// The south had seen a void of its own, beaten by a report from the place: its work stands behind both voids.
#[test]
fn work_beats_a_void_that_stands_before_it_in_the_order() {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 0);
    town.add("ask1", "dispatch", Role::Dispatcher, Action::RequestVoid { reason: reason() });
    town.add("ask2", "dispatch", Role::Dispatcher, Action::RequestVoid { reason: reason() });
    town.add("there", "dispatch", Role::Handler, Action::ReportIn { order });
    let (first, second) = (town.id("ask1"), town.id("ask2"));
    town.add("north", "ask1 there", Role::DutyHead, Action::Approve { request: first });
    town.add("south", "ask2", Role::DutyHead, Action::Approve { request: second });
    assert_eq!(town.fold().state, Some(Void), "the north voids, knowing that somebody is there");
    town.add("done", "there south", Role::Handler, done(order));
    let case = town.fold();
    assert_eq!((case.state, case.orders[0].status), (Some(Handling), OrderStatus::Done));
    assert_eq!(
        town.conflicts(&case),
        [conflict(ConflictKind::VoidOverWork, "done", "north"), conflict(ConflictKind::VoidOverWork, "there", "south"),]
    );
}
