//! Conflicts of cases.

use super::super::cases::{actor, rubbish};
use super::*;
use crate::command::case::{self, CaseRef};
use crate::domain::case::{Action, Assignment, LimitClock, OrderStatus, Severity};
use crate::domain::role::Role;

fn act(replica: &mut Replica, case: &CaseRef, role: Role, action: Action) -> crate::id::RecordId {
    let acted = case::act(replica, case, &actor(role, "pqy-1"), action, NOW).unwrap();
    replica.commit(NOW).unwrap();
    acted.into_value().event
}

fn dispatch(team: &str) -> Action {
    Action::Dispatch { orders: vec![Assignment { team: team.into(), task: "清理".into() }], lead: 0 }
}

/// A case that both offices dispatched.
fn dispatched_twice(town: &mut Town) -> (CaseRef, At) {
    let new = rubbish(None);
    let case = case::report(&mut town.one, &actor(Role::Inspector, "xcy-1"), new, NOW).unwrap().into_value();
    act(&mut town.one, &case, Role::IntakeClerk, Action::Accept);
    let category = "exposed_rubbish".to_owned();
    let file = Action::File { category, severity: Severity::General, minutes: 480, clock: LimitClock::Working };
    act(&mut town.one, &case, Role::DutyHead, file);
    town.meet_all();
    act(&mut town.one, &case, Role::Dispatcher, dispatch("north"));
    act(&mut town.two, &case, Role::Dispatcher, dispatch("south"));
    town.meet_all();
    let at = (case.namespace.clone(), DocumentKind::Case, case.document);
    (case, at)
}

fn dispatcher() -> Option<Actor> {
    Some(actor(Role::Dispatcher, "pqy-9"))
}

fn open_teams(replica: &mut Replica, case: &CaseRef) -> Vec<String> {
    let found = case::read(replica, &case.namespace, case.document).unwrap().unwrap().case;
    found.orders.iter().filter(|order| order.status == OrderStatus::Sent).map(|order| order.team.clone()).collect()
}

#[test]
fn a_duplicate_dispatch_is_settled_by_keeping_one_and_that_is_taken_back_by_an_event() {
    let mut town = Town::new(70);
    let (case, at) = dispatched_twice(&mut town);
    let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict") };
    assert_eq!(
        (conflict.subject.as_str(), conflict.sides[0].said[0].by.as_deref()),
        ("duplicate_dispatch", Some("pqy-1"))
    );
    for (actor, code) in [
        (None, "actor_missing"),
        (Some(actor(Role::Handler, "csd-1")), "wrong_role"),
        (Some(actor(Role::Leader, "ld-1")), "role_not_held"),
    ] {
        let refused = try_settle(&mut town.one, &at, &asked(conflict, actor), &Choice::Keep(1));
        assert_eq!(refused.unwrap_err().code(), code);
    }
    let north = conflict.sides.iter().find(|side| side.orders[0].team == "north").unwrap();
    let south = conflict.sides.iter().find(|side| side.orders[0].team == "south").unwrap();
    let stranger = crate::domain::case::OrderRef { index: 7, ..north.orders[0].order };
    let refused = try_settle(&mut town.one, &at, &asked(conflict, dispatcher()), &Choice::Settle(vec![stranger]));
    assert_eq!(refused.unwrap_err().code(), "no_such_order");
    let done =
        try_settle(&mut town.one, &at, &asked(conflict, dispatcher()), &Choice::Keep(north.side)).unwrap().unwrap();
    town.meet_all();
    assert_eq!((town.inboxes(&at).len(), open_teams(&mut town.two, &case)), (0, vec!["north".to_owned()]));
    assert_eq!(south.orders.len(), 1);
    let told = settled(&mut town.two, &at);
    assert_eq!((told.len(), told[0].id, told[0].undoable), (1, done.id, true));
    for (actor, code) in [
        (None, "actor_missing"),
        (Some(actor(Role::Handler, "csd-1")), "wrong_role"),
        (Some(actor(Role::Leader, "ld-1")), "role_not_held"),
    ] {
        let refused = undo_as(&mut town.two, &at, done.id, actor.as_ref());
        assert_eq!(refused.unwrap_err().code(), code);
    }
    assert_eq!(undo(&mut town.two, &at, ConflictId([9; 16])).unwrap_err().code(), "not_found");
    let other = actor(Role::DutyHead, "zbz-9");
    assert_eq!(undo_as(&mut town.two, &at, done.id, Some(&other)).unwrap(), conflict.id);
    town.meet_all();
    let [again] = &town.inboxes(&at)[..] else { panic!("open again") };
    assert_eq!(again.id, conflict.id);
    assert_ne!(again.revision, conflict.revision, "an order has changed since");
    assert_eq!(open_teams(&mut town.center, &case).len(), 2);
    let told = settled(&mut town.center, &at);
    assert_eq!((told.len(), told[0].id, told[0].stands, told[0].undoable), (1, done.id, false, false));
    let twice = undo_as(&mut town.one, &at, done.id, Some(&other));
    assert_eq!(twice.unwrap_err().code(), "conflict_changed", "no second time");
    try_settle(&mut town.one, &at, &asked(again, dispatcher()), &Choice::Settle(vec![])).unwrap().unwrap();
    town.meet_all();
    assert_eq!((town.inboxes(&at).len(), settled(&mut town.two, &at).len()), (0, 2));
}

#[test]
fn two_that_settle_a_dispatch_apart_differently_see_what_had_no_effect_until_somebody_has_seen_it() {
    for (seed, theirs, left) in [(71, "north", 0), (72, "south", 1)] {
        let mut town = Town::new(seed);
        let (case, at) = dispatched_twice(&mut town);
        let [conflict] = &town.inboxes(&at)[..] else { panic!("one conflict") };
        let keep =
            |team: &str| Choice::Keep(conflict.sides.iter().find(|side| side.orders[0].team == team).unwrap().side);
        try_settle(&mut town.one, &at, &asked(conflict, dispatcher()), &keep("north")).unwrap();
        // By somebody else, or it would be the same event.
        let other = Some(actor(Role::DutyHead, "zbz-9"));
        try_settle(&mut town.two, &at, &asked(conflict, other), &keep(theirs)).unwrap();
        town.meet_all();
        assert_eq!(open_teams(&mut town.center, &case).len(), 1, "one stands, never none");
        let open = town.inboxes(&at);
        assert_eq!(open.len(), left, "{open:?}");
        let Some(void) = open.first() else { continue };
        assert_eq!((void.subject.as_str(), void.sides[0].value.as_str()), ("without_effect", "settle"));
        try_settle(&mut town.two, &at, &asked(void, dispatcher()), &Choice::Acknowledge).unwrap();
        town.meet_all();
        assert_eq!(town.inboxes(&at), []);
        assert_eq!(settled(&mut town.one, &at).len(), 2);
    }
}

#[test]
fn an_event_without_effect_is_shown_with_the_reason_until_somebody_has_seen_it() {
    let mut town = Town::new(73);
    let (case, at) = dispatched_twice(&mut town);
    let seen = case::read(&mut town.two, &case.namespace, case.document).unwrap().unwrap().case.heads;
    // What an altered program would write: a role that no village acts in.
    let event = crate::domain::case::CaseEvent {
        case: case.document,
        by: "zhz-1".into(),
        role: Role::Commander,
        seen,
        note: None,
        action: Action::Supervise { demand: "快".into(), due_ms: None },
        rules: None,
        restates: None,
    };
    town.two.put(&at.0, at.1, at.2, event.to_bytes().unwrap(), Lane::Urgent, NOW).unwrap();
    town.meet_all();
    let open = town.inboxes(&at);
    let void = open.iter().find(|one| one.subject == "without_effect").unwrap();
    assert_eq!((open.len(), void.chinese.as_str()), (2, "操作未生效：作者无权以此角色操作"));
    assert_eq!(void.sides[0].said[0].node, Some(town.two.node()));
    for choice in [Choice::Settle(vec![]), Choice::Keep(1)] {
        let refused = try_settle(&mut town.one, &at, &asked(void, dispatcher()), &choice);
        assert_eq!(refused.unwrap_err().code(), "not_offered");
    }
    try_settle(&mut town.one, &at, &asked(void, dispatcher()), &Choice::Acknowledge).unwrap().unwrap();
    let other = Some(actor(Role::DutyHead, "zbz-9"));
    try_settle(&mut town.two, &at, &asked(void, other), &Choice::Acknowledge).unwrap();
    town.meet_all();
    let timeline = case::read(&mut town.one, &case.namespace, case.document).unwrap().unwrap().case.timeline;
    let seen = timeline.iter().filter(|entry| matches!(entry.action, Action::Settle { .. }));
    assert_eq!(seen.filter(|entry| entry.effect.is_effective()).count(), 1, "the first of the two stands");
    let left = town.inboxes(&at);
    assert_eq!(left.iter().map(|one| one.subject.as_str()).collect::<Vec<_>>(), ["duplicate_dispatch"]);
}

/// What a terminal that was removed meanwhile did is shown with its case and the reason, and done once more by another.
#[test]
fn what_a_removed_node_did_is_stated_again_by_one_who_may() {
    let mut town = Town::new(79);
    let new = rubbish(None);
    let case = case::report(&mut town.one, &actor(Role::Inspector, "xcy-1"), new, NOW).unwrap().into_value();
    let at = (case.namespace.clone(), DocumentKind::Case, case.document);
    town.meet_all();
    let (authority, stolen) = (town.founded.authority.clone(), town.two.node());
    town.center.revoke(&authority, stolen, true, NOW).unwrap();
    town.center.commit(NOW).unwrap();
    act(&mut town.two, &case, Role::IntakeClerk, Action::Refuse { reason: "不属实".into() });
    meet(&mut town.one, &mut town.two);
    meet(&mut town.center, &mut town.one);
    meet(&mut town.center, &mut town.one);
    let open = inbox(&mut town.center, &at);
    assert_eq!(inbox(&mut town.one, &at), open);
    let [void] = &open[..] else { panic!("one to look at: {open:?}") };
    assert_eq!(
        (void.chinese.as_str(), void.sides[0].chinese.as_str()),
        ("操作未生效：作者证书已吊销", "不予受理：不属实")
    );
    assert_eq!(void.sides[0].said[0].node, Some(stolen));
    let offers = |one: &OpenConflict| one.offers.iter().map(|offer| offer.action).collect::<Vec<_>>();
    assert_eq!(offers(void), [ActionKey::Acknowledge, ActionKey::Restate]);
    let clerk = || Some(actor(Role::IntakeClerk, "sly-9"));
    let refused = try_settle(&mut town.center, &at, &asked(void, dispatcher()), &Choice::Restate);
    assert_eq!(refused.unwrap_err().code(), "wrong_role");
    let done = try_settle(&mut town.center, &at, &asked(void, clerk()), &Choice::Restate).unwrap().unwrap();
    assert_eq!((done.choice.said[0].by.as_deref(), done.undoable), (Some("sly-9"), false));
    assert_eq!(undo_as(&mut town.center, &at, done.id, clerk().as_ref()).unwrap_err().code(), "not_undoable");
    meet(&mut town.center, &mut town.one);
    assert_eq!((inbox(&mut town.center, &at), inbox(&mut town.one, &at)), (vec![], vec![]));
    let found = case::read(&mut town.one, &case.namespace, case.document).unwrap().unwrap().case;
    assert_eq!(found.state, Some(crate::domain::case::CaseState::Refused));
}

/// Brings a case to its closing; the other office, cut off since the dispatch, has it supervised.
fn closed_unaware(town: &mut Town) -> (CaseRef, At) {
    let new = rubbish(None);
    let case = case::report(&mut town.one, &actor(Role::Inspector, "xcy-1"), new, NOW).unwrap().into_value();
    act(&mut town.one, &case, Role::IntakeClerk, Action::Accept);
    let category = "exposed_rubbish".to_owned();
    let file = Action::File { category, severity: Severity::General, minutes: 480, clock: LimitClock::Working };
    act(&mut town.one, &case, Role::DutyHead, file);
    let sent = act(&mut town.one, &case, Role::Dispatcher, dispatch("north"));
    town.meet_all();
    let order = crate::domain::case::OrderRef { event: sent, index: 0 };
    act(&mut town.two, &case, Role::Handler, Action::RequestVoid { reason: "重复".into() });
    act(&mut town.one, &case, Role::Handler, Action::OrderDone { order, result: "已清理".into(), photos: vec![] });
    act(&mut town.one, &case, Role::Handler, Action::LeadClose { team: "north".into(), summary: String::new() });
    let pass = Action::Verify { passed: true, finding: "干净".into(), photos: vec![] };
    case::act(&mut town.one, &case, &actor(Role::Inspector, "hcy-1"), pass, NOW).unwrap();
    act(&mut town.one, &case, Role::DutyHead, Action::Close);
    town.meet_all();
    let at = (case.namespace.clone(), DocumentKind::Case, case.document);
    (case, at)
}

#[test]
fn a_decision_that_was_taken_unaware_holds_or_the_case_is_taken_up_again() {
    for (seed, reopens) in [(80, false), (81, true)] {
        let mut town = Town::new(seed);
        let (case, at) = closed_unaware(&mut town);
        let open = town.inboxes(&at);
        let [unaware] = &open[..] else { panic!("one to look at: {open:?}") };
        assert_eq!((unaware.kind.key().as_str(), unaware.chinese.as_str()), ("decided_unaware", "作决定时不知此情况"));
        let said = |side: &crate::command::conflict::Side| (side.chinese.clone(), side.said[0].node, side.stands);
        assert_eq!(said(&unaware.sides[0]), ("核查通过：干净".into(), Some(town.one.node()), true));
        assert_eq!(said(&unaware.sides[1]), ("申请作废：重复".into(), Some(town.two.node()), true));
        let keys: Vec<ActionKey> = unaware.offers.iter().map(|offer| offer.action).collect();
        assert_eq!(keys, [ActionKey::Settle, ActionKey::Reopen]);
        let head = Some(actor(Role::DutyHead, "zbz-9"));
        let choice = if reopens { Choice::Reopen } else { Choice::Settle(vec![]) };
        if reopens {
            let before = readings(&mut town.two);
            let refused = try_settle(&mut town.two, &at, &asked(unaware, dispatcher()), &choice);
            assert_eq!(refused.unwrap_err().code(), "wrong_role");
            assert_eq!(readings(&mut town.two), before, "nothing is half done");
        }
        let done = try_settle(&mut town.two, &at, &asked(unaware, head.clone()), &choice).unwrap().unwrap();
        town.meet_all();
        assert_eq!(town.inboxes(&at), []);
        let state = |replica: &mut Replica| {
            case::read(replica, &case.namespace, case.document).unwrap().unwrap().case.state.unwrap()
        };
        let expected =
            if reopens { crate::domain::case::CaseState::Filed } else { crate::domain::case::CaseState::Closed };
        assert_eq!(state(&mut town.center), expected);
        undo_as(&mut town.one, &at, done.id, head.as_ref()).unwrap();
        town.meet_all();
        assert_eq!((town.inboxes(&at).len(), state(&mut town.two)), (1, expected), "what was done stays");
    }
}
