//! Settling, taking that back, and doing once more what had no effect.

use super::interleavings::check;
use super::town::*;
use crate::domain::case::{Action, Case, CaseState, ConflictKind, Effect, OrderStatus, Reason, VoidReason};
use crate::domain::role::Role;

/// A case that north and south dispatched apart from each other.
fn dispatched_twice() -> Town {
    let mut town = Town::until(CaseState::Filed);
    town.add("north", "file", Role::Dispatcher, dispatch(&["patrol"]));
    town.add("south", "file", Role::Dispatcher, dispatch(&["fire"]));
    town
}

/// Calls off what south sent.
fn settle(town: &mut Town, name: &str, seen: &str, role: Role) {
    let (between, call_off) = ([town.id("north"), town.id("south")], vec![town.order("south", 0)]);
    town.add(name, seen, role, Action::Settle { between, call_off });
}

fn take_back(town: &mut Town, name: &str, settlement: &str, seen: &str) {
    let between = [town.id(settlement); 2];
    town.add(name, seen, Role::DutyHead, Action::Settle { between, call_off: vec![] });
}

fn status(town: &Town, case: &Case, dispatch: &str) -> OrderStatus {
    case.orders.iter().find(|order| order.id == town.order(dispatch, 0)).unwrap().status
}

fn duplicate() -> Vec<(ConflictKind, String, String)> {
    vec![(ConflictKind::DuplicateDispatch, "north".into(), "south".into())]
}

#[test]
fn what_was_taken_back_is_open_again_and_its_orders_are_as_far_as_they_were() {
    let mut town = dispatched_twice();
    let order = town.order("south", 0);
    town.add("read", "south", Role::Handler, Action::Acknowledge { order });
    settle(&mut town, "settle", "north read", Role::Dispatcher);
    assert_eq!(status(&town, &town.fold(), "south"), OrderStatus::CalledOff);
    take_back(&mut town, "back", "settle", "settle");
    let case = town.fold();
    assert_eq!(town.conflicts(&case), duplicate());
    assert_eq!(status(&town, &case, "south"), OrderStatus::Acknowledged, "as far as it was, not as it was sent");
    assert_eq!(case.settlements[0].taken_back_by, Some(town.id("back")));
    assert_eq!(case.without_effect().count(), 0);
    settle(&mut town, "again", "back", Role::DutyHead);
    let case = town.fold();
    assert_eq!((town.conflicts(&case).len(), case.settlements.len()), (0, 2), "it can be settled once more");
    take_back(&mut town, "twice", "settle", "again");
    assert_eq!(town.reason(&town.fold(), "twice"), Some(Reason::DecidedAlready), "it was taken back before");
    take_back(&mut town, "of-back", "back", "again");
    assert_eq!(town.reason(&town.fold(), "of-back"), Some(Reason::NoSuchConflict), "whoever would settles once more");
}

#[test]
fn work_of_an_order_that_was_called_off_stays_done_when_that_is_taken_back() {
    let mut town = dispatched_twice();
    settle(&mut town, "settle", "north south", Role::Dispatcher);
    let order = town.order("south", 0);
    town.add("done", "south", Role::Handler, done(order));
    take_back(&mut town, "back", "settle", "settle");
    let common = dispatched_twice();
    let case = check(&town, &common);
    assert_eq!(status(&town, &case, "south"), OrderStatus::Done);
    assert_eq!(town.conflicts(&case), duplicate());
}

#[test]
fn nobody_is_sent_to_a_void_case_by_taking_a_settlement_back() {
    let mut town = dispatched_twice();
    settle(&mut town, "settle", "north south", Role::Dispatcher);
    town.add("ask", "settle", Role::Dispatcher, Action::RequestVoid { reason: reason() });
    let request = town.id("ask");
    town.add("void", "ask", Role::DutyHead, Action::Approve { request });
    take_back(&mut town, "back", "settle", "void");
    let case = town.fold();
    assert_eq!(case.state, Some(CaseState::Void));
    assert_eq!((case.open_orders().count(), town.conflicts(&case)), (0, duplicate()));
}

#[test]
fn two_that_take_one_settlement_back_apart_have_done_so_once() {
    let common = dispatched_twice();
    let mut town = common.clone();
    settle(&mut town, "settle", "north south", Role::Dispatcher);
    take_back(&mut town, "one", "settle", "settle");
    take_back(&mut town, "other", "settle", "settle");
    let case = check(&town, &common);
    assert_eq!(town.conflicts(&case), duplicate());
    assert_eq!((town.applied(&case, "one"), town.reason(&case, "other")), (true, Some(Reason::DecidedAlready)));
    assert_eq!(case.without_effect().count(), 0, "nobody has to be told");
}

#[test]
fn settlements_and_taking_back_apart_come_to_one_case_in_every_order() {
    let common = dispatched_twice();
    let mut town = common.clone();
    settle(&mut town, "one", "north south", Role::Dispatcher);
    settle(&mut town, "other", "north south", Role::Commander);
    take_back(&mut town, "back", "one", "one");
    settle(&mut town, "again", "back other", Role::DutyHead);
    let case = check(&town, &common);
    // "one" is the earlier: "other" had nothing left to settle, and said the same.
    assert_eq!(town.reason(&case, "other"), Some(Reason::NoSuchConflict));
    assert_eq!(case.conflicts[0].settled_by, Some(town.id("again")));
    assert_eq!((case.without_effect().count(), status(&town, &case, "south")), (0, OrderStatus::CalledOff));
}

#[test]
fn what_a_removed_author_did_is_done_once_more_by_one_who_had_seen_it() {
    let mut town = Town::until(CaseState::Filed);
    town.add_by("stolen", "file", Role::Dispatcher, "stolen terminal", dispatch(&["patrol"]));
    town.void("stolen", VoidReason::Revoked);
    let blind = {
        let mut town = town.clone();
        town.add("blind", "file", Role::Dispatcher, dispatch(&["patrol"]));
        town.fold()
    };
    assert_eq!(blind.without_effect().count(), 1, "whoever had not heard of it did not mean it");
    town.add("other", "stolen", Role::Commander, supervise());
    assert_eq!(town.fold().without_effect().count(), 1);
    // The same by chance is not meant for it.
    let by_chance = {
        let mut town = town.clone();
        town.add("again", "stolen", Role::Dispatcher, dispatch(&["patrol"]));
        town.fold()
    };
    assert_eq!(by_chance.without_effect().count(), 1);
    town.add("again", "stolen", Role::Dispatcher, dispatch(&["patrol"]));
    let (again, stolen) = (town.id("again"), town.id("stolen"));
    town.events.get_mut(&again).unwrap().event.restates = Some(stolen);
    let case = check(&town, &Town::until(CaseState::Filed));
    assert_eq!(town.effect(&case, "stolen"), Effect::Void(VoidReason::Revoked));
    assert_eq!((case.without_effect().count(), case.orders.len()), (0, 1));
    assert_eq!(case.acknowledged[&town.id("stolen")], town.id("again"));
}

#[test]
fn an_event_that_was_seen_to_have_no_effect_is_shown_again_when_that_is_taken_back() {
    let mut town = Town::until(CaseState::Filed);
    town.add("void", "file", Role::Commander, supervise());
    town.void("void", VoidReason::RoleNotHeld);
    let between = [town.id("void"); 2];
    town.add("seen", "void", Role::Commander, Action::Settle { between, call_off: vec![] });
    assert_eq!(town.fold().without_effect().count(), 0);
    take_back(&mut town, "back", "seen", "seen");
    let case = town.fold();
    assert_eq!(case.without_effect().map(|entry| entry.event).collect::<Vec<_>>(), [town.id("void")]);
}
