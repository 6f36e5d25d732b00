//! Decisions that were taken before something arrived that bears on them.

use super::interleavings::check;
use super::town::*;
use crate::domain::case::{
    Action, CaseState, ConflictKind, Edition, EditionInput, LifeCycle, Meeting, OrderStatus, Outcome, ReopenCause,
    Satisfaction, Step, TransitionTable, fold,
};
use crate::domain::role::Role;
use crate::id::{NodeId, RecordId};
use CaseState::{Accepted, Closed, Filed, Handling, Linked, Refused, Reported};

type Found = Vec<(ConflictKind, String, String)>;

/// `decision` was taken without hearing of `fact`.
fn unaware(decision: &str, fact: &str) -> Found {
    vec![(ConflictKind::DecidedUnaware, decision.into(), fact.into())]
}

fn answer(town: &Town, found: bool) -> Action {
    Action::AnswerCheck { question: town.id("ask"), found, answer: "看过".into() }
}

/// A case about which intake asked for a look at the place.
fn asked() -> Town {
    let mut town = Town::until(Reported);
    town.add("ask", "report", Role::IntakeClerk, Action::AskCheck { question: "在吗".into() });
    town
}

#[test]
fn what_was_found_at_the_place_bears_on_a_contrary_intake_alone() {
    let refuse = || Action::Refuse { reason: reason() };
    for (found, decision, state, expected) in [
        (true, refuse(), Refused, unaware("decide", "answer")),
        (false, refuse(), Refused, vec![]),
        (true, Action::Accept, Accepted, vec![]),
        (false, Action::Accept, Accepted, unaware("decide", "answer")),
    ] {
        let mut town = asked();
        town.add("answer", "ask", Role::Inspector, answer(&town, found));
        town.add("decide", "ask", Role::IntakeClerk, decision);
        let case = check(&town, &asked());
        assert_eq!((case.state, town.conflicts(&case)), (Some(state), expected), "found {found}");
        assert!(town.applied(&case, "answer") && town.applied(&case, "decide"), "both stand");
    }
}

#[test]
fn a_decision_that_knew_of_it_is_none_to_look_at() {
    let mut town = asked();
    town.add("answer", "ask", Role::Inspector, answer(&town, true));
    town.add("refuse", "answer", Role::IntakeClerk, Action::Refuse { reason: reason() });
    assert_eq!(town.conflicts(&town.fold()), []);
}

#[test]
fn what_was_handled_on_the_spot_or_reported_again_bears_on_how_intake_decided() {
    let into = crate::id::DocumentId([9; 16]);
    for (decision, state) in
        [(Action::Accept, Accepted), (Action::Refuse { reason: reason() }, Refused), (Action::Merge { into }, Linked)]
    {
        let mut town = Town::until(Reported);
        let on_spot = Action::HandleOnSpot { result: "已清理".into(), photos: vec![] };
        town.add("spot", "report", Role::Inspector, on_spot);
        town.add("decide", "report", Role::IntakeClerk, decision);
        let case = check(&town, &Town::until(Reported));
        assert_eq!((case.state, town.conflicts(&case)), (Some(state), unaware("decide", "spot")));
    }
    let mut town = Town::until(Reported);
    town.add("refuse", "report", Role::IntakeClerk, Action::Refuse { reason: reason() });
    town.add_by("second", "", Role::Inspector, "another", report());
    assert_eq!(town.conflicts(&check(&town, &Town::until(Reported))), unaware("refuse", "second"));
}

/// The second team, cut off, did what others thought was returned; a third one was sent for it, and all was verified and closed.
#[test]
fn a_case_is_verified_and_closed_before_the_evidence_of_a_returned_order_arrives() {
    let mut town = Town::until(Handling);
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("ask", "dispatch", Role::Handler, Action::RequestReturn { order: second, reason: reason() });
    town.add("return", "ask", Role::Dispatcher, Action::Approve { request: town.id("ask") });
    town.add("dispatch2", "return", Role::Dispatcher, dispatch(&["water"]));
    let third = town.order("dispatch2", 0);
    town.add("done0", "dispatch2", Role::Handler, done(first));
    town.add("done2", "done0", Role::Handler, done(third));
    town.add("lead", "done2", Role::Handler, lead("patrol"));
    let common = town.clone();
    town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true));
    town.add("close", "pass", Role::DutyHead, Action::Close);
    assert_eq!(town.conflicts(&town.fold()), []);
    // Whether the team had heard that it was to be sent back or not.
    for seen in ["dispatch", "ask"] {
        let mut town = town.clone();
        town.add("late", seen, Role::Handler, done(second));
        let case = check(&town, &common);
        assert_eq!(case.state, Some(Closed), "{seen}");
        let statuses: Vec<OrderStatus> = case.orders.iter().map(|order| order.status).collect();
        assert_eq!(statuses, [OrderStatus::Done; 3], "no work is lost, of the team that was sent instead neither");
        let returned = (ConflictKind::DecidedApart, "late".to_owned(), "return".to_owned());
        assert_eq!(town.conflicts(&case), [vec![returned], unaware("pass", "late")].concat(), "{seen}");
    }
}

/// Both were dispatched apart; the order that the other side did not know of is to be returned.
#[test]
fn a_return_that_a_verification_had_not_heard_of_is_shown_beside_it() {
    let mut town = Town::until(CaseState::ToVerify);
    let common = town.clone();
    town.add("south", "file", Role::Dispatcher, dispatch(&["water"]));
    let order = town.order("south", 0);
    town.add("ask", "south", Role::Handler, Action::RequestReturn { order, reason: reason() });
    town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true));
    let case = check(&town, &common);
    let found = town.conflicts(&case);
    assert!(found.contains(&(ConflictKind::DecidedUnaware, "pass".into(), "ask".into())), "{found:?}");
}

#[test]
fn a_team_at_the_place_bears_on_the_return_of_its_own_order_alone() {
    for (arrived, expected) in [(0, unaware("approve", "there")), (1, vec![])] {
        let mut town = Town::until(Handling);
        let (order, other) = (town.order("dispatch", 0), town.order("dispatch", arrived));
        town.add("ask", "dispatch", Role::Handler, Action::RequestReturn { order, reason: reason() });
        town.add("approve", "ask", Role::Dispatcher, Action::Approve { request: town.id("ask") });
        town.add("there", "dispatch", Role::Handler, Action::ReportIn { order: other });
        let case = check(&town, &Town::until(Handling));
        assert_eq!((case.state, town.conflicts(&case)), (Some(Filed), expected));
    }
}

#[test]
fn a_supervision_and_a_void_request_bear_on_a_closing() {
    let mut town = Town::until(Closed);
    town.add("supervise", "pass", Role::Commander, supervise());
    town.add("ask", "dispatch", Role::Dispatcher, Action::RequestVoid { reason: reason() });
    let case = town.fold();
    let mut found = town.conflicts(&case);
    found.sort();
    let mut expected = [unaware("close", "supervise"), unaware("pass", "ask")].concat();
    expected.sort();
    assert_eq!((case.state, found), (Some(Closed), expected));
}

#[test]
fn a_callback_that_says_solved_bears_on_a_reopening_for_being_unsolved_and_on_a_contrary_callback() {
    let called = |solved| Action::Callback { satisfaction: Satisfaction::Satisfied, solved };
    for (solved, cause, expected) in [
        (true, ReopenCause::Unsolved, unaware("reopen", "call")),
        (false, ReopenCause::Unsolved, vec![]),
        (true, ReopenCause::Recurrence, vec![]),
    ] {
        let mut town = Town::until(Closed);
        town.add("call", "close", Role::IntakeClerk, called(solved));
        town.add("reopen", "close", Role::DutyHead, Action::Reopen { cause });
        let case = check(&town, &Town::until(Closed));
        assert_eq!((case.state, town.conflicts(&case)), (Some(Filed), expected));
    }
    for (other, expected) in
        [(false, vec![(ConflictKind::ContraryCallback, "two".into(), "one".into())]), (true, vec![])]
    {
        let mut town = Town::until(Closed);
        town.add("one", "close", Role::IntakeClerk, called(true));
        town.add("two", "close", Role::IntakeClerk, called(other));
        let case = check(&town, &Town::until(Closed));
        assert_eq!((case.callbacks.len(), town.conflicts(&case)), (2, expected));
    }
}

#[test]
fn a_row_of_the_towns_table_goes_before_the_list() {
    let row = |outcome| Meeting {
        first: Step::Supervise,
        second: Step::Close,
        outcome,
        conflict: ConflictKind::DecidedApart,
    };
    for (outcome, expected) in [
        (Outcome::Named, vec![]),
        (Outcome::Unheard, vec![(ConflictKind::DecidedApart, "close".to_owned(), "supervise".to_owned())]),
    ] {
        let shipped = TransitionTable::default();
        let meetings = shipped.meetings().iter().cloned().chain([row(outcome)]).collect();
        let table = TransitionTable::new(shipped.rules().cloned().collect(), meetings).unwrap();
        let edition = Edition { before: [].into(), by: "zhz-1".into(), why: "x".into(), table };
        let (bytes, author) = (edition.to_bytes().unwrap(), NodeId([1; 32]));
        let published = EditionInput { edition, bytes, time: 0, author, void: false };
        let rules = RecordId([1; 16]);
        let life_cycle = LifeCycle::new([(rules, published)].into());
        let mut town = Town::until(Closed);
        town.add("supervise", "pass", Role::Commander, supervise());
        for input in town.events.values_mut() {
            input.event.rules = Some(rules);
        }
        assert_eq!(town.conflicts(&fold(&town.events, &life_cycle)), expected, "{outcome}");
    }
}
