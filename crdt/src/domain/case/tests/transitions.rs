//! Every row of the default table.

use super::town::*;
use crate::domain::case::{
    Action, CaseState, Effect, OrderStatus, Reason, ReopenCause, RequestKind, Satisfaction, Step, TransitionTable,
    VoidReason, Who,
};
use crate::domain::role::Role;
use CaseState::{
    Accepted, Closed, Filed, Handling, Joint, Linked, Refused, Reported, Suspended, ToClose, ToVerify, Void,
};

fn after(from: CaseState, role: Role, action: Action) -> Option<CaseState> {
    let mut town = Town::until(from);
    town.add("last", Town::last(from), role, action);
    let case = town.fold();
    town.applied(&case, "last").then_some(case.state).flatten()
}

/// From a state, a request by the first role and its approval by the second.
fn after_request(from: CaseState, asks: Role, request: Action, approves: Role) -> Option<CaseState> {
    let mut town = Town::until(from);
    town.add("request", Town::last(from), asks, request);
    assert_eq!(town.fold().state, Some(from), "a request leaves the state alone");
    assert_eq!(town.fold().pending_requests().count(), 1);
    let request = town.id("request");
    town.add("approve", "request", approves, Action::Approve { request });
    let case = town.fold();
    town.applied(&case, "approve").then_some(case.state).flatten()
}

#[test]
fn each_step_leads_where_the_table_says() {
    let merge = Action::Merge { into: crate::id::DocumentId([9; 16]) };
    let table = [
        (Reported, Role::IntakeClerk, Action::Accept, Accepted),
        (Reported, Role::IntakeClerk, Action::Refuse { reason: reason() }, Refused),
        (Reported, Role::IntakeClerk, merge, Linked),
        (Accepted, Role::DutyHead, file(), Filed),
        (Filed, Role::Dispatcher, dispatch(&["patrol"]), Handling),
        (Handling, Role::Handler, whistle(&["power"]), Joint),
        (ToVerify, Role::Inspector, verify(true), ToClose),
        (ToVerify, Role::Inspector, verify(false), Filed),
        (ToClose, Role::DutyHead, Action::Close, Closed),
        (Closed, Role::IntakeClerk, Action::Callback { satisfaction: Satisfaction::Satisfied, solved: true }, Closed),
        (Closed, Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence }, Filed),
        (Handling, Role::Commander, Action::Supervise { demand: reason(), due_ms: None }, Handling),
        (Closed, Role::Leader, Action::Comment { text: reason() }, Closed),
    ];
    for (from, role, action, to) in table {
        assert_eq!(after(from, role, action.clone()), Some(to), "{from}: {action:?}");
    }
}

#[test]
fn a_request_and_its_approval_lead_where_the_table_says() {
    let suspension = || Action::RequestSuspension { reason: reason() };
    let void = || Action::RequestVoid { reason: reason() };
    let extension = Action::RequestExtension { minutes: 60, reason: reason() };
    assert_eq!(after_request(Handling, Role::Handler, suspension(), Role::Dispatcher), Some(Suspended));
    assert_eq!(after_request(Handling, Role::Handler, extension, Role::Dispatcher), Some(Handling));
    assert_eq!(after_request(Handling, Role::Handler, void(), Role::DutyHead), Some(Void));
    assert_eq!(after_request(Filed, Role::Dispatcher, void(), Role::DutyHead), Some(Void));
    assert_eq!(after_request(Handling, Role::Handler, suspension(), Role::DutyHead), None, "the wrong role");
    assert_eq!(after_request(Filed, Role::DutyHead, void(), Role::DutyHead), None, "one's own request");
}

#[test]
fn a_returned_order_sends_the_case_back_to_the_dispatcher() {
    for joint in [false, true] {
        let mut town = Town::until(Handling);
        if joint {
            town.add("whistle", "dispatch", Role::Handler, whistle(&["power"]));
        }
        let before = if joint { "whistle" } else { "dispatch" };
        let order = town.order("dispatch", 1);
        town.add("ask", before, Role::Handler, Action::RequestReturn { order, reason: reason() });
        let request = town.id("ask");
        town.add("yes", "ask", Role::Dispatcher, Action::Approve { request });
        let case = town.fold();
        assert_eq!(case.state, Some(Filed));
        assert_eq!(case.orders[1].status, OrderStatus::Returned);
        assert!(case.orders[0].status.is_open());
        assert_eq!(case.requests[0].kind, RequestKind::Return);
    }
}

#[test]
fn a_declined_request_changes_nothing_and_is_decided() {
    let mut town = Town::until(Handling);
    town.add("ask", "dispatch", Role::Handler, Action::RequestVoid { reason: reason() });
    let request = town.id("ask");
    town.add("wrong", "ask", Role::Dispatcher, Action::Decline { request, reason: reason() });
    town.add("no", "wrong", Role::DutyHead, Action::Decline { request, reason: reason() });
    town.add("yes", "no", Role::DutyHead, Action::Approve { request });
    let case = town.fold();
    assert_eq!(case.state, Some(Handling));
    assert_eq!(town.reason(&case, "wrong"), Some(Reason::WrongRole));
    assert_eq!(town.reason(&case, "yes"), Some(Reason::RequestDecided));
    assert!(case.pending_requests().next().is_none() && case.conflicts.is_empty());
}

#[test]
fn a_suspended_case_goes_back_to_where_it_was() {
    let mut town = Town::until(Handling);
    town.add("ask", "dispatch", Role::Handler, Action::RequestSuspension { reason: reason() });
    let request = town.id("ask");
    town.add("yes", "ask", Role::Dispatcher, Action::Approve { request });
    town.add("resume", "yes", Role::Dispatcher, Action::Resume);
    assert_eq!(town.fold().state, Some(Handling));
}

#[test]
fn orders_go_from_sent_to_done_and_the_lead_closes_when_all_are() {
    let mut town = Town::until(Handling);
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("read", "dispatch", Role::BackOffice, Action::Acknowledge { order: first });
    assert_eq!(town.fold().orders[0].status, OrderStatus::Acknowledged);
    town.add("there", "read", Role::Handler, Action::ReportIn { order: first });
    assert_eq!(town.fold().orders[0].status, OrderStatus::ReportedIn);
    town.add("done0", "there", Role::Handler, done(first));
    town.add("early", "done0", Role::Handler, lead("patrol"));
    town.add("again", "early", Role::Handler, done(first));
    town.add("done1", "again", Role::Handler, done(second));
    town.add("other", "done1", Role::Handler, lead("fire"));
    town.add("lead", "other", Role::Handler, lead("patrol"));
    let case = town.fold();
    assert_eq!(town.reason(&case, "early"), Some(Reason::OrdersOpen));
    assert_eq!(town.reason(&case, "again"), Some(Reason::OrderClosed));
    assert_eq!(town.reason(&case, "other"), Some(Reason::NotLead));
    assert_eq!(case.state, Some(ToVerify));
}

#[test]
fn a_joint_case_waits_for_the_whistled_units() {
    let mut town = Town::until(Handling);
    let (first, second) = (town.order("dispatch", 0), town.order("dispatch", 1));
    town.add("whistle", "dispatch", Role::Handler, whistle(&["power", "water"]));
    town.add("more", "whistle", Role::Commander, whistle(&["gas"]));
    town.add("done0", "more", Role::Handler, done(first));
    town.add("done1", "done0", Role::Handler, done(second));
    town.add("early", "done1", Role::Handler, lead("patrol"));
    let whistled = [town.order("whistle", 0), town.order("whistle", 1), town.order("more", 0)];
    let mut seen = "early".to_owned();
    for (place, order) in whistled.into_iter().enumerate() {
        let name = format!("whistled{place}");
        town.add(&name, &seen, Role::Liaison, done(order));
        seen = name;
    }
    town.add("lead", &seen, Role::Handler, lead("patrol"));
    let case = town.fold();
    assert_eq!(town.reason(&case, "early"), Some(Reason::OrdersOpen));
    assert_eq!(case.state, Some(ToVerify));
}

#[test]
fn the_finder_may_deal_with_a_problem_on_the_spot_but_not_audit_it() {
    for (valid, state) in [(true, Closed), (false, CaseState::Invalid)] {
        let mut town = Town::until(Reported);
        let claim = Action::HandleOnSpot { result: "已清理".into(), photos: vec![] };
        town.add_by("stranger", "report", Role::Inspector, "stranger", claim.clone());
        town.add("claim", "stranger", Role::Inspector, claim);
        let claim = town.id("claim");
        town.add_by("own", "claim", Role::IntakeClerk, "inspector", Action::Audit { claim, valid });
        town.add("audit", "own", Role::IntakeClerk, Action::Audit { claim, valid });
        let case = town.fold();
        assert_eq!(town.reason(&case, "stranger"), Some(Reason::NotFinder));
        assert_eq!(town.reason(&case, "own"), Some(Reason::Finder));
        assert_eq!(case.state, Some(state));
    }
}

#[test]
fn the_finder_does_not_handle_and_a_handler_does_not_verify() {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 0);
    town.add_by("finder", "dispatch", Role::Handler, "inspector", Action::ReportIn { order });
    let case = town.fold();
    assert_eq!(town.reason(&case, "finder"), Some(Reason::Finder));
    let mut town = Town::until(ToVerify);
    town.add_by("handler", "lead", Role::Inspector, "handler", verify(true));
    let case = town.fold();
    assert_eq!(town.reason(&case, "handler"), Some(Reason::Handler));
    assert_eq!(case.state, Some(ToVerify));
}

/// Two nodes that do not know of each other may write the code of one person in two ways.
#[test]
fn nobody_gets_past_a_rule_by_writing_their_code_otherwise() {
    let mut town = Town::until(Handling);
    let order = town.order("dispatch", 0);
    town.add_by("finder", "dispatch", Role::Handler, "ＩＮＳＰＥＣＴＯＲ", Action::ReportIn { order });
    town.add("named", "finder", Role::BackOffice, Action::Assign { order, person: "Inspector".into() });
    let case = town.fold();
    assert_eq!(town.reason(&case, "finder"), Some(Reason::Finder));
    assert_eq!(town.reason(&case, "named"), Some(Reason::Finder));
    let mut town = Town::until(ToVerify);
    town.add_by("handler", "lead", Role::Inspector, "HANDLER", verify(true));
    assert_eq!(town.reason(&town.fold(), "handler"), Some(Reason::Handler));
    let mut town = Town::until(Reported);
    let claim = Action::HandleOnSpot { result: "已清理".into(), photos: vec![] };
    town.add_by("claim", "report", Role::Inspector, "INSPECTOR", claim);
    let claim = town.id("claim");
    town.add_by("own", "claim", Role::IntakeClerk, "inspector ", Action::Audit { claim, valid: true });
    let case = town.fold();
    assert_eq!((town.reason(&case, "claim"), town.reason(&case, "own")), (None, Some(Reason::Finder)));
}

#[test]
fn checks_and_supervisions_are_answered_once() {
    let mut town = Town::until(Reported);
    town.add("ask", "report", Role::IntakeClerk, Action::AskCheck { question: reason() });
    let (question, supervision) = (town.id("ask"), |town: &Town| town.id("demand"));
    let answer = |found| Action::AnswerCheck { question, found, answer: reason() };
    town.add("answer", "ask", Role::Inspector, answer(true));
    town.add("again", "answer", Role::Inspector, answer(false));
    town.add("demand", "again", Role::Commander, Action::Supervise { demand: reason(), due_ms: None });
    assert!(town.fold().is_supervised());
    let supervision = supervision(&town);
    town.add("reply", "demand", Role::DutyHead, Action::Reply { supervision, answer: reason() });
    let case = town.fold();
    assert!(!case.is_supervised() && case.state == Some(Reported));
    assert_eq!(case.checks[0].answer.as_ref().map(|answer| answer.1), Some(true));
    assert_eq!(town.reason(&case, "again"), Some(Reason::DecidedAlready));
}

#[test]
fn failed_verification_and_reopening_are_counted() {
    let mut town = Town::until(ToVerify);
    town.add_by("fail", "lead", Role::Inspector, "verifier", verify(false));
    assert_eq!((town.fold().state, town.fold().rework), (Some(Filed), 1));
    let mut town = Town::until(Closed);
    town.add("reopen", "close", Role::IntakeClerk, Action::Reopen { cause: ReopenCause::Unsolved });
    assert_eq!((town.fold().state, town.fold().reopened), (Some(Filed), 1));
}

#[test]
fn what_is_not_in_the_table_has_no_effect_in_any_state_or_role() {
    let table = TransitionTable::default();
    let states = [Reported, Accepted, Filed, Handling, ToVerify, ToClose, Closed];
    let moving = [
        (Step::Accept, Action::Accept),
        (Step::File, file()),
        (Step::Dispatch, dispatch(&["a"])),
        (Step::Whistle, whistle(&["a"])),
        (Step::VerifyPass, verify(true)),
        (Step::VerifyFail, verify(false)),
        (Step::Close, Action::Close),
        (Step::Reopen, Action::Reopen { cause: ReopenCause::Unsolved }),
        (Step::Refuse, Action::Refuse { reason: reason() }),
        (Step::Report, report()),
        (Step::Resume, Action::Resume),
    ];
    for state in states {
        for (step, action) in &moving {
            for role in Role::ALL {
                let rule = table.rule(*step).unwrap();
                let allowed = rule.allows(Some(state)) && rule.who.includes(*role);
                let moved = after(state, *role, action.clone());
                assert_eq!(moved.is_some(), allowed, "{step} by {role} from {state} gave {moved:?}");
            }
        }
    }
}

#[test]
fn the_default_table_covers_every_step_and_survives_its_codec() {
    let table = TransitionTable::default();
    for step in Step::ALL {
        let rule = table.rule(*step).unwrap_or_else(|| panic!("no rule for {step}"));
        assert!(rule.who != Who::Roles(vec![]), "nobody may {step}");
    }
    let twice: Vec<_> = table.rules().take(1).chain(table.rules().take(1)).cloned().collect();
    assert!(TransitionTable::new(twice, vec![]).is_err());
}

#[test]
fn a_void_event_stays_visible_says_why_and_supports_nothing() {
    let mut town = Town::until(Filed);
    town.void("file", VoidReason::Revoked);
    town.add("dispatch", "file", Role::Dispatcher, dispatch(&["patrol"]));
    let case = town.fold();
    assert_eq!(town.effect(&case, "file"), Effect::Void(VoidReason::Revoked));
    assert_eq!(
        town.effect(&case, "dispatch"),
        Effect::None { reason: Reason::RestsOn, because_of: Some(town.id("file")) }
    );
    assert_eq!((case.state, case.orders.len()), (Some(Accepted), 0));
    town.add("again", "dispatch", Role::DutyHead, file());
    town.add("dispatch-again", "again", Role::Dispatcher, dispatch(&["patrol"]));
    assert_eq!(town.fold().state, Some(Handling));
}

#[test]
fn events_without_their_past_wait() {
    let mut town = Town::until(ToVerify);
    let missing = town.id("file");
    let input = town.events.remove(&missing).unwrap();
    let case = town.fold();
    assert_eq!(case.state, Some(Accepted));
    assert_eq!(case.waiting.len(), 4);
    let direct = case.waiting.iter().find(|waiting| waiting.event == town.id("dispatch")).unwrap();
    assert_eq!(direct.missing, [missing]);
    assert_eq!(case.heads, [town.id("accept")].into());
    town.events.insert(missing, input);
    assert_eq!((town.fold().state, town.fold().waiting.len()), (Some(ToVerify), 0));
}
