//! Small histories in every order of delivery.

use super::town::*;
use crate::domain::case::{Action, Case, CaseState, FoldInput};
use crate::domain::role::Role;
use crate::id::RecordId;

/// Every order of the items: the first one put into each place of every order of the rest.
fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else { return vec![vec![]] };
    let insert = |order: Vec<T>| {
        (0..=order.len()).map(move |place| {
            let mut order = order.clone();
            order.insert(place, first.clone());
            order
        })
    };
    permutations(rest).into_iter().flat_map(insert).collect()
}

/// Delivers the events after `common` in every order, folding after each, and wants one result in the end, and one
/// result for each set on the way.
pub(super) fn check(town: &Town, common: &Town) -> Case {
    let late: Vec<(RecordId, FoldInput)> = town
        .events
        .iter()
        .filter(|(id, _)| !common.events.contains_key(id))
        .map(|(id, input)| (*id, input.clone()))
        .collect();
    let expected = town.fold();
    let mut by_set: std::collections::BTreeMap<Vec<RecordId>, Case> = Default::default();
    for order in permutations(&late) {
        let mut replica = common.clone();
        for (id, input) in order {
            replica.events.insert(id, input);
            let set = replica.events.keys().copied().collect();
            let case = replica.fold();
            assert_eq!(
                case.timeline.len() + case.waiting.len(),
                replica.events.len(),
                "every event is placed or waits"
            );
            assert_eq!(by_set.entry(set).or_insert_with(|| case.clone()), &case);
        }
        assert_eq!(replica.fold(), expected);
    }
    expected
}

#[test]
fn verification_close_and_rework_in_every_order() {
    let common = Town::until(CaseState::ToVerify);
    let mut town = common.clone();
    town.add_by("pass", "lead", Role::Inspector, "verifier", verify(true));
    town.add("close", "pass", Role::DutyHead, Action::Close);
    town.add_by("fail", "lead", Role::Inspector, "other", verify(false));
    town.add("dispatch2", "fail", Role::Dispatcher, dispatch(&["patrol"]));
    town.add("settle", "close fail", Role::Commander, Action::Comment { text: reason() });
    assert_eq!(check(&town, &common).state, Some(CaseState::Handling));
}

#[test]
fn dispatches_work_and_void_in_every_order() {
    let common = Town::until(CaseState::Filed);
    let mut town = common.clone();
    town.add("north", "file", Role::Dispatcher, dispatch(&["patrol"]));
    town.add("south", "file", Role::Dispatcher, dispatch(&["fire"]));
    town.add("ask", "file", Role::Dispatcher, Action::RequestVoid { reason: reason() });
    let (request, order) = (town.id("ask"), town.order("south", 0));
    town.add("void", "ask", Role::DutyHead, Action::Approve { request });
    town.add("done", "south", Role::Handler, done(order));
    let case = check(&town, &common);
    assert_eq!(case.state, Some(CaseState::Handling));
    assert_eq!(case.orders.len(), 2);
}

#[test]
fn two_sides_file_and_dispatch_in_every_order() {
    let common = Town::until(CaseState::Reported);
    let mut town = common.clone();
    for side in ["north", "south"] {
        let name = |step: &str| format!("{side}-{step}");
        town.add(&name("accept"), "report", Role::IntakeClerk, Action::Accept);
        town.add(&name("file"), &name("accept"), Role::DutyHead, file());
        town.add(&name("dispatch"), &name("file"), Role::Dispatcher, dispatch(&[side]));
    }
    let case = check(&town, &common);
    assert_eq!(case.state, Some(CaseState::Handling));
    assert_eq!(case.conflicts.len(), 1, "only the dispatch is duplicate: {:?}", town.conflicts(&case));
}
