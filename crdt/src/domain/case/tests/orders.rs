//! Orders that are told on by voice, and those that go to a named person.

use super::town::*;
use crate::clock::MAX_AHEAD;
use crate::domain::case::{Action, Case, CaseState, Effect, Means, OrderStatus, Reason, Step, TransitionTable, Who};
use crate::domain::role::Role;
use CaseState::{Closed, Handling, ToVerify};

/// When the first event after the dispatch is written.
const NEXT: u64 = MONDAY_8 + 5 * MINUTE;

fn persons(case: &Case) -> Vec<Option<&str>> {
    case.orders.iter().map(|order| order.person.as_ref().map(|named| named.person.as_str())).collect()
}

#[test]
fn what_was_said_stands_beside_the_order_and_is_no_acknowledgement() {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 1);
    town.add("call", "dispatch", Role::Dispatcher, convey(order, Means::Phone, MONDAY_8, None));
    town.add("radio", "call", Role::LaneChief, convey(order, Means::Radio, NEXT, Some("收到，三号院".into())));
    let case = town.fold();
    assert_eq!((case.state, case.orders[1].status), (Some(Handling), OrderStatus::Sent));
    assert!(case.orders[0].conveyed.is_empty(), "it belongs to one order");
    let told: Vec<_> = case.orders[1].conveyed.iter().map(|told| (told.event, told.conveying.means)).collect();
    assert_eq!(told, [(town.id("call"), Means::Phone), (town.id("radio"), Means::Radio)]);
    assert_eq!(case.orders[1].conveyed[1].conveying.words.as_deref(), Some("收到，三号院"));
    assert_eq!(case.orders[1].conveyed[1].by, "lane_chief");
}

#[test]
fn those_who_hand_orders_on_may_note_it_down_and_nobody_else() {
    let may = [Role::Dispatcher, Role::DutyHead, Role::LaneChief, Role::BackOffice, Role::Commander];
    for role in Role::ALL {
        let mut town = Town::until(Handling);
        let order = town.order("dispatch", 0);
        town.add("call", "dispatch", *role, convey(order, Means::InPerson, MONDAY_8, None));
        let case = town.fold();
        let refused = (!may.contains(role)).then_some(Reason::WrongRole);
        assert_eq!(town.reason(&case, "call"), refused, "{role}");
        assert_eq!(case.orders[0].conveyed.len(), usize::from(refused.is_none()));
    }
}

#[test]
fn what_was_said_may_be_noted_down_late_but_not_before_it_was_said() {
    // The call may be written down when the work is long done.
    let mut town = Town::until(Closed);
    let order = town.order("dispatch", 0);
    town.add("late", "close", Role::DutyHead, convey(order, Means::Print, MONDAY_8, None));
    assert_eq!(town.fold().orders[0].conveyed.len(), 1);
    for (at, refused) in
        [(NEXT + MAX_AHEAD, None), (NEXT + MAX_AHEAD + 1, Some(Reason::InFuture)), (u64::MAX, Some(Reason::InFuture))]
    {
        let mut town = Town::until(Handling);
        let order = town.order("dispatch", 0);
        town.add("call", "dispatch", Role::Commander, convey(order, Means::Phone, at, None));
        let case = town.fold();
        assert_eq!(town.reason(&case, "call"), refused, "{at}");
    }
    let mut town = Town::until(Handling);
    let unknown = crate::domain::case::OrderRef { index: 9, ..town.order("dispatch", 0) };
    town.add("call", "dispatch", Role::Commander, convey(unknown, Means::Phone, MONDAY_8, None));
    assert_eq!(town.reason(&town.fold(), "call"), Some(Reason::NoSuchReference));
}

#[test]
fn an_order_goes_to_a_named_person_and_the_latest_one_stands() {
    let mut town = Town::until(Handling);
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("one", "dispatch", Role::BackOffice, assign(first, "P17"));
    town.add("other", "one", Role::Handler, assign(first, "P18"));
    town.add("read", "other", Role::Handler, Action::Acknowledge { order: second });
    assert_eq!(persons(&town.fold()), [Some("P18"), None]);
    town.add("done", "read", Role::Handler, done(first));
    town.add("after", "done", Role::BackOffice, assign(first, "P19"));
    let case = town.fold();
    assert_eq!(town.reason(&case, "after"), Some(Reason::OrderClosed), "the order is done");
    assert_eq!(persons(&case), [Some("P18"), None]);
    assert_eq!(case.state, Some(Handling));
}

#[test]
fn two_who_name_somebody_apart_agree_in_the_end() {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 0);
    town.add_at("east", "dispatch", Role::BackOffice, "east", NEXT + MINUTE, assign(order, "P1"));
    town.add_at("west", "dispatch", Role::BackOffice, "west", NEXT, assign(order, "P2"));
    let case = town.fold();
    assert_eq!(persons(&case)[0], Some("P1"), "the later of the two");
    assert!(case.conflicts.is_empty());
    // Who named somebody without knowing that the order was done has done no harm.
    town.add_at("done", "dispatch", Role::Handler, "handler", NEXT, done(order));
    assert!(town.applied(&town.fold(), "east"));
}

#[test]
fn whoever_found_the_problem_is_not_named_to_deal_with_it() {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 0);
    town.add("finder", "dispatch", Role::BackOffice, assign(order, "inspector"));
    town.add("clerk", "finder", Role::Dispatcher, assign(order, "P1"));
    let case = town.fold();
    assert_eq!(town.reason(&case, "finder"), Some(Reason::Finder));
    assert_eq!(town.reason(&case, "clerk"), Some(Reason::WrongRole));
    let mut town = Town::until(ToVerify);
    let order = town.order("dispatch", 0);
    town.add("late", "lead", Role::BackOffice, assign(order, "P1"));
    assert_eq!(town.reason(&town.fold(), "late"), Some(Reason::WrongState));
}

#[test]
fn both_steps_stand_in_the_default_table() {
    let table = TransitionTable::default();
    let rules = [Step::Convey, Step::Assign].map(|step| table.rule(step).cloned().unwrap());
    assert!(rules[0].allows(Some(Closed)) && !rules[0].allows(None));
    assert!(!rules[1].allows(Some(Closed)) && rules[1].allows(Some(Handling)));
    assert!(rules.iter().all(|rule| rule.who != Who::Anyone && rule.guards.is_empty()));
    assert_eq!(("convey".parse(), "落实到人".parse()), (Ok(Step::Convey), Ok(Step::Assign)));
    let effect = Effect::None { reason: Reason::InFuture, because_of: None };
    assert!(!effect.is_effective());
}

#[test]
fn what_was_read_back_is_told_only_where_something_was() {
    let order = Town::until(Handling).order("dispatch", 0);
    let good = convey(order, Means::Phone, MONDAY_8, Some("收到".into()));
    assert!(good.check_input().is_ok());
    let Action::Convey { conveying, .. } = good else { panic!("no conveying") };
    let wrong = [
        crate::domain::case::Conveying { read_back: false, ..conveying.clone() },
        crate::domain::case::Conveying { speaker: " ".into(), ..conveying.clone() },
        crate::domain::case::Conveying { to: "甲\n乙".into(), ..conveying.clone() },
        crate::domain::case::Conveying { at_ms: u64::MAX, ..conveying.clone() },
        crate::domain::case::Conveying { means: Means::Unknown(9), ..conveying },
    ];
    for (conveying, field) in wrong.into_iter().zip(["words", "speaker", "to", "at_ms", "means"]) {
        let error = Action::Convey { order, conveying }.check_input().unwrap_err();
        assert_eq!(error.field, format!("conveying.{field}"));
    }
    assert_eq!(assign(order, "").check_input().unwrap_err().field, "person");
}
