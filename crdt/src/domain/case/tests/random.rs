//! Random histories.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::Index;

use super::town::*;
use crate::domain::case::{
    Action, Case, CaseEvent, Effect, FoldInput, LifeCycle, LimitClock, MAX_EVENTS, Means, Order, OrderRef, Outcome,
    ReopenCause, Report, Satisfaction, Severity, Source, Step, TimelineEntry, TransitionTable, UnknownAction,
    VoidReason, fold,
};
use crate::domain::role::Role;
use crate::id::{DocumentId, NodeId, RecordId};

fn any_order() -> impl Strategy<Value = OrderRef> {
    (any_id(), 0..3_u8).prop_map(|(event, index)| OrderRef { event, index })
}

/// Few, so that references often hit.
fn any_id() -> impl Strategy<Value = RecordId> {
    (0..32_u64).prop_map(id)
}

fn any_text() -> impl Strategy<Value = String> {
    ".{0,10}"
}

fn any_report() -> impl Strategy<Value = Action> {
    (
        any::<u16>(),
        proptest::option::of("[a-z]{1,5}"),
        proptest::option::of(proptest::collection::vec(any::<u8>(), 0..9)),
    )
        .prop_map(|(source, category, sealed)| {
            Action::Report(Box::new(Report {
                source: Source::from_code(source),
                category: category.clone(),
                place: "村口".into(),
                position: crate::domain::position::Position::from_e7(397_354_000, 1_163_310_000),
                description: "垃圾".into(),
                region: "110115005220".parse().ok(),
                device: category,
                reporter: sealed.map(Into::into),
                photos: vec![[5; 32].into()],
                found_ms: None,
            }))
        })
}

pub(super) fn any_action() -> impl Strategy<Value = Action> {
    let intake = prop_oneof![
        any_report(),
        Just(report()),
        Just(Action::Accept),
        any_text().prop_map(|reason| Action::Refuse { reason }),
        Just(Action::Merge { into: DocumentId([9; 16]) }),
        any_text().prop_map(|question| Action::AskCheck { question }),
        (any_id(), any::<bool>()).prop_map(|(question, found)| Action::AnswerCheck {
            question,
            found,
            answer: reason()
        }),
        Just(Action::HandleOnSpot { result: reason(), photos: vec![] }),
        (any_id(), any::<bool>()).prop_map(|(claim, valid)| Action::Audit { claim, valid }),
    ];
    let desk = prop_oneof![
        (1..9999_u32, 0..4_u16).prop_map(|(minutes, code)| Action::File {
            category: "rubble".into(),
            severity: Severity::from_code(code),
            minutes,
            clock: LimitClock::from_code(code),
        }),
        proptest::collection::vec("[a-c]", 1..3).prop_map(|names| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            dispatch(&names)
        }),
        any_id().prop_map(|request| Action::Approve { request }),
        any_id().prop_map(|request| Action::Decline { request, reason: reason() }),
        Just(Action::Resume),
        Just(Action::Close),
        any::<bool>().prop_map(|solved| Action::Callback { satisfaction: Satisfaction::Mostly, solved }),
        Just(Action::Reopen { cause: ReopenCause::Unsolved }),
        (any_text(), proptest::option::of(any::<u64>()))
            .prop_map(|(demand, due_ms)| Action::Supervise { demand, due_ms }),
        any_id().prop_map(|supervision| Action::Reply { supervision, answer: reason() }),
        (any_id(), any_id(), any_order())
            .prop_map(|(one, other, order)| Action::Settle { between: [one, other], call_off: vec![order] }),
        any_id().prop_map(|one| Action::Settle { between: [one; 2], call_off: vec![] }),
    ];
    let field = prop_oneof![
        Just(whistle(&["d"])),
        any_order().prop_map(|order| Action::Acknowledge { order }),
        any_order().prop_map(|order| Action::ReportIn { order }),
        any_order().prop_map(done),
        any_order().prop_map(|order| Action::RequestReturn { order, reason: reason() }),
        (1..999_u32).prop_map(|minutes| Action::RequestExtension { minutes, reason: reason() }),
        Just(Action::RequestSuspension { reason: reason() }),
        Just(Action::RequestVoid { reason: reason() }),
        "[a-c]".prop_map(|team| lead(&team)),
        any::<bool>().prop_map(verify),
        any_text().prop_map(|text| Action::Comment { text }),
        (any_order(), 0..6_u16, 0..20_000_u64, any::<bool>()).prop_map(|(order, code, minutes, read_back)| {
            let at_ms = MONDAY_8 + minutes * MINUTE;
            convey(order, Means::from_code(code), at_ms, read_back.then(reason))
        }),
        (any_order(), "[a-c]").prop_map(|(order, person)| Action::Assign { order, person }),
        (33..u16::MAX).prop_map(|code| Action::Unknown(UnknownAction { code, body: vec![0xa0] })),
    ];
    prop_oneof![intake, desk, field]
}

/// The role that the default table wants, mostly.
pub(super) fn fit_role(action: &Action, choice: usize) -> Role {
    let events = Events::new();
    let approver = match action {
        Action::Approve { .. } | Action::Decline { .. } => Some([Role::Dispatcher, Role::DutyHead][choice % 2]),
        _other => None,
    };
    let table = TransitionTable::default();
    let rule = Step::of(action, &events).and_then(|step| table.rule(step));
    let fit = |role: &&Role| rule.is_none_or(|rule| rule.who.includes(**role));
    let fitting: Vec<Role> = Role::ALL.iter().filter(fit).copied().collect();
    approver.or_else(|| fitting.get(choice % fitting.len().max(1)).copied()).unwrap_or(Role::Inspector)
}

/// What a history is made of: an action, up to three earlier events seen, who, when, and whether it is void.
type Written = (Action, Vec<Index>, usize, u8, u64, bool);

fn any_written() -> impl Strategy<Value = Written> {
    let seen = proptest::collection::vec(any::<Index>(), 1..3);
    (any_action(), seen, any::<usize>(), 0..5_u8, 0..50_u64, proptest::bool::weighted(0.05))
}

/// Starts with the usual way of a case as far as `start`, so that random steps meet a live case.
fn history(written: Vec<Written>, start: u64) -> Events {
    let mut events = Events::new();
    let usual = [
        (Role::Inspector, report()),
        (Role::IntakeClerk, Action::Accept),
        (Role::DutyHead, file()),
        (Role::Dispatcher, dispatch(&["a", "b"])),
        (Role::Handler, done(OrderRef { event: id(3), index: 0 })),
        (Role::Handler, done(OrderRef { event: id(3), index: 1 })),
        (Role::Handler, lead("a")),
        (Role::Inspector, verify(true)),
        (Role::DutyHead, Action::Close),
    ];
    let event = |role, by: String, seen, action| CaseEvent {
        case: CASE,
        by,
        role,
        seen,
        note: None,
        action,
        rules: None,
        restates: None,
    };
    let input =
        |event, time, void| FoldInput { event, time: hybrid(MONDAY_8 + time * MINUTE), author: NodeId([1; 32]), void };
    for (number, (role, action)) in (0..).zip(usual).take(start as usize) {
        let seen: BTreeSet<RecordId> = (number > 0).then(|| id(number - 1)).into_iter().collect();
        events.insert(id(number), input(event(role, format!("person {number}"), seen, action), number, None));
    }
    for (number, (action, seen, choice, person, time, void)) in (start..).zip(written) {
        let seen = seen.iter().filter(|_| number > 0).map(|index| id(index.index(number as usize) as u64)).collect();
        let role = fit_role(&action, choice);
        let void = void.then_some(VoidReason::Revoked);
        events.insert(id(number), input(event(role, format!("person {person}"), seen, action), time, void));
    }
    events
}

/// A side that was cut off after the dispatch and voided the case, whatever the others did.
fn void_after_dispatch(events: &mut Events) {
    let (ask, approve) = (id(100), id(101));
    let steps = [
        (ask, id(3), Role::Dispatcher, Action::RequestVoid { reason: reason() }),
        (approve, ask, Role::DutyHead, Action::Approve { request: ask }),
    ];
    for (id, seen, role, action) in steps {
        let event = CaseEvent {
            case: CASE,
            by: role.to_string(),
            role,
            seen: [seen].into(),
            note: None,
            action,
            rules: None,
            restates: None,
        };
        events.insert(id, FoldInput { event, time: hybrid(MONDAY_8), author: NodeId([4; 32]), void: None });
    }
}

/// Pairs of events with effect of which the table lets one beat the other.
fn beats(case: &Case, effective: &BTreeSet<RecordId>) -> Vec<(RecordId, RecordId)> {
    let table = TransitionTable::default();
    let of = |step: Step| {
        let of_step = move |entry: &&TimelineEntry| entry.step == Some(step) && effective.contains(&entry.event);
        case.timeline.iter().filter(of_step).map(|entry| entry.event)
    };
    let beating = table.meetings().iter().filter(|meeting| meeting.outcome == Outcome::Beats);
    beating
        .flat_map(|meeting| of(meeting.first).flat_map(move |one| of(meeting.second).map(move |two| (one, two))))
        .collect()
}

fn concurrent(events: &Events, one: RecordId, other: RecordId) -> bool {
    let knew = |later: RecordId, earlier: RecordId| {
        let (mut past, mut open) = (BTreeSet::new(), vec![later]);
        while let Some(event) = open.pop() {
            if past.insert(event) {
                open.extend(events.get(&event).into_iter().flat_map(|input| &input.event.seen));
            }
        }
        past.contains(&earlier)
    };
    !knew(one, other) && !knew(other, one)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_fold_does_not_depend_on_delivery_and_keeps_its_promises(
        written in proptest::collection::vec(any_written(), 0..24),
        start in 0..10_u64,
        missing in proptest::option::weighted(0.2, 0..32_u64),
        voided in any::<bool>(),
    ) {
        let mut events = history(written, start);
        if voided {
            void_after_dispatch(&mut events);
        }
        missing.map(|number| events.remove(&id(number)));
        let rules = LifeCycle::default();
        let case = fold(&events, &rules);
        prop_assert_eq!(case.timeline.len() + case.waiting.len(), events.len());
        let mut backwards = Events::new();
        for (id, input) in events.iter().rev() {
            backwards.insert(*id, input.clone());
            let _ = fold(&backwards, &rules);
        }
        prop_assert_eq!(&fold(&backwards, &rules), &case);
        for (place, entry) in case.timeline.iter().enumerate() {
            let later: BTreeSet<RecordId> = case.timeline[place..].iter().map(|entry| entry.event).collect();
            prop_assert!(events[&entry.event].event.seen.is_disjoint(&later), "nothing goes before what it had seen");
        }
        let effective: BTreeSet<RecordId> = case
            .timeline
            .iter()
            .filter(|entry| matches!(entry.effect, Effect::Applied | Effect::AppliedLate))
            .map(|entry| entry.event)
            .collect();
        for (winner, loser) in beats(&case, &effective) {
            prop_assert!(!concurrent(&events, winner, loser), "{winner} beats {loser}, yet both have effect");
        }
        for settled in &case.settlements {
            let by = settled.taken_back_by.is_none().then_some(settled.event);
            let about = case.conflicts.iter().filter(|conflict| conflict.is_between(settled.between));
            let settles = about.filter(|conflict| conflict.settled_by == Some(settled.event)).count();
            prop_assert_eq!(settles, if by.is_some() { settled.kinds.len() } else { 0 }, "taken back is open again");
        }
        let worked = |order: &Order| effective.contains(&order.id.event);
        prop_assert!(case.orders.iter().all(worked), "only dispatches with effect make orders");
        serde_json::to_string(&case).unwrap();
    }

    #[test]
    fn events_in_a_circle_or_with_any_references_wait_or_fold(
        seen in proptest::collection::vec(proptest::collection::vec(0..12_u64, 0..4), 1..12),
        actions in proptest::collection::vec(any_action(), 12),
        times in proptest::collection::vec(any::<u64>(), 12),
    ) {
        let mut events = Events::new();
        for (number, ((seen, action), time)) in (0..).zip(seen.into_iter().zip(actions).zip(times)) {
            let role = fit_role(&action, 0);
            let seen = seen.into_iter().map(id).collect();
            let event = CaseEvent { case: CASE, by: "somebody".into(), role, seen, note: None, action, rules: None , restates: None};
            events.insert(id(number), FoldInput { event, time, author: NodeId([2; 32]), void: None });
        }
        let case = fold(&events, &LifeCycle::default());
        prop_assert_eq!(case.timeline.len() + case.waiting.len(), events.len());
        let _ = case.deadline(&crate::domain::case::Calendar::default(), u64::MAX);
    }
}

/// A hostile member writes as many events as it can; the fold stays bounded and says what it left out.
#[test]
fn a_flooded_case_is_folded_up_to_its_bound() {
    let mut town = Town::until(crate::domain::case::CaseState::Handling);
    let (mut seen, order) = (town.id("dispatch"), town.order("dispatch", 0));
    for number in 0..MAX_EVENTS as u64 {
        let action = match number % 4 {
            0 => dispatch(&["a", "b"]),
            1 => Action::RequestVoid { reason: reason() },
            2 => Action::Approve { request: seen },
            _ => done(order),
        };
        let role = [Role::Dispatcher, Role::DutyHead, Role::DutyHead, Role::Handler][number as usize % 4];
        let chained = number % 3 != 0;
        let event = CaseEvent {
            case: CASE,
            by: format!("person {}", number % 5),
            role,
            seen: [if chained { seen } else { town.id("file") }].into(),
            note: None,
            action,
            rules: None,
            restates: None,
        };
        seen = id(number + 1);
        let input = FoldInput { event, time: hybrid(MONDAY_8 + number), author: NodeId([3; 32]), void: None };
        town.events.insert(seen, input);
    }
    let case = town.fold();
    assert_eq!(case.timeline.len(), MAX_EVENTS);
    assert_eq!(case.beyond_bound.len(), 4);
}
