//! Which tables a town can work by.

use crate::domain::case::{
    CaseState, ConflictKind, Guard, Late, Meeting, Outcome, Promise, Rule, Step, Target, TransitionTable, Unsound, Who,
};

/// The shipped table with one rule changed, or taken out.
pub(super) fn changed(step: Step, with: impl Fn(Rule) -> Option<Rule>) -> TransitionTable {
    let shipped = TransitionTable::default();
    let rules = shipped.rules().cloned().filter_map(|rule| if rule.step == step { with(rule) } else { Some(rule) });
    TransitionTable::new(rules.collect(), shipped.meetings().to_vec()).unwrap()
}

fn without_guard(step: Step, guard: Guard) -> TransitionTable {
    changed(step, |mut rule| {
        rule.guards.retain(|one| *one != guard);
        Some(rule)
    })
}

#[test]
fn the_shipped_table_is_sound_and_keeps_every_promise() {
    let shipped = TransitionTable::default();
    assert_eq!(shipped.unsound([]), []);
    assert_eq!(shipped.broken_promises(), []);
}

#[test]
fn a_state_that_only_earlier_rules_lead_to_must_not_become_a_dead_end() {
    let shipped = TransitionTable::default();
    let gone = [Step::RequestSuspension, Step::ApproveSuspension, Step::Resume];
    let rules = shipped.rules().filter(|rule| !gone.contains(&rule.step)).cloned().collect();
    let table = TransitionTable::new(rules, shipped.meetings().to_vec()).unwrap();
    assert_eq!(table.unsound([]), [], "a town that never suspended anything may do without");
    assert_eq!(table.unsound([&shipped]), [Unsound::DeadEnd(CaseState::Suspended)]);
}

#[test]
fn steps_that_go_before_each_other_are_named_and_so_is_what_nobody_can_settle() {
    let shipped = TransitionTable::default();
    let opposite = Meeting {
        first: Step::ApproveVoid,
        second: Step::OrderDone,
        outcome: Outcome::Beats,
        conflict: ConflictKind::VoidOverWork,
    };
    let meetings = shipped.meetings().iter().cloned().chain([opposite.clone()]).collect();
    let table = TransitionTable::new(shipped.rules().cloned().collect(), meetings).unwrap();
    let unsound = table.unsound([]);
    assert_eq!(
        unsound,
        [
            Unsound::BeatEachOther(Step::ApproveVoid, Step::OrderDone),
            Unsound::BeatEachOther(Step::OrderDone, Step::ApproveVoid),
        ]
    );
    let instead = shipped.meetings().iter().filter(|met| met.first != Step::OrderDone).cloned().chain([opposite]);
    let table = TransitionTable::new(shipped.rules().cloned().collect(), instead.collect()).unwrap();
    assert_eq!((table.unsound([]), table.broken_promises()), (vec![], vec![Promise::WorkNotVoided]));
    assert_eq!(changed(Step::Settle, |_| None).unsound([]), [Unsound::NoSettling]);
    assert_eq!(changed(Step::Reply, |_| None).unsound([]), [Unsound::Undecided(Step::Supervise)]);
}

#[test]
fn what_a_town_could_not_work_by_is_named() {
    let nobody = |step| changed(step, |rule| Some(Rule { who: Who::Roles(vec![]), ..rule }));
    let from_nowhere = changed(Step::Accept, |rule| Some(Rule { from: vec![], ..rule }));
    let back = changed(Step::Resume, |rule| Some(Rule { from: vec![CaseState::Suspended, CaseState::Filed], ..rule }));
    let unknown = changed(Step::File, |rule| Some(Rule { to: Target::To(CaseState::from_code(999)), ..rule }));
    let without = |step| changed(step, |_| None);
    for (table, expected) in [
        (without(Step::Report), vec![Unsound::NoReport]),
        (nobody(Step::Close), vec![Unsound::Nobody(Step::Close)]),
        (from_nowhere, vec![Unsound::NoStates(Step::Accept)]),
        (back, vec![Unsound::BackFrom(Step::Resume)]),
        (without(Step::Resume), vec![Unsound::DeadEnd(CaseState::Suspended)]),
        (without(Step::ApproveExtension), vec![]),
    ] {
        assert_eq!(
            table.unsound([]).into_iter().filter(|one| *one != Unsound::NeverClosed).collect::<Vec<_>>(),
            expected
        );
    }
    assert!(unknown.unsound([]).contains(&Unsound::Unknown(Step::File)));
    let undecided = changed(Step::ApproveVoid, |_| None);
    assert_eq!(undecided.unsound([]), [], "it can still be declined");
    let rules = undecided.rules().filter(|rule| rule.step != Step::DeclineVoid).cloned().collect();
    let undecided = TransitionTable::new(rules, undecided.meetings().to_vec()).unwrap();
    assert_eq!(undecided.unsound([]), [Unsound::Undecided(Step::RequestVoid)]);
    for unsound in without(Step::Report).unsound([]).into_iter().chain(unknown.unsound([])) {
        assert!(unsound.words().iter().all(|words| !words.is_empty()));
    }
}

/// What was handled on the spot and found valid is closed without the way through the desks: what came into that way would be
/// stuck all the same.
#[test]
fn a_table_by_which_no_case_is_ever_closed_is_named() {
    let unsound = changed(Step::VerifyPass, |_| None).unsound([]);
    let stuck = |state: &CaseState| unsound.contains(&Unsound::DeadEnd(*state));
    assert!([CaseState::Accepted, CaseState::Filed, CaseState::Handling, CaseState::ToVerify].iter().all(stuck));
    assert!(!stuck(&CaseState::Reported) && !unsound.contains(&Unsound::NeverClosed));
    let shipped = TransitionTable::default();
    let gone = [Step::Close, Step::AuditValid, Step::AuditInvalid, Step::HandleOnSpot];
    let rules = shipped.rules().filter(|rule| !gone.contains(&rule.step)).cloned().collect();
    let table = TransitionTable::new(rules, shipped.meetings().to_vec()).unwrap();
    assert!(table.unsound([]).contains(&Unsound::NeverClosed));
}

#[test]
fn promises_that_a_table_does_not_keep_are_named() {
    let late = changed(Step::OrderDone, |rule| Some(Rule { late: Late::Yields, ..rule }));
    let shipped = TransitionTable::default();
    let unmet = |first: Step, second: Step| {
        let meetings = shipped.meetings().iter().filter(|met| (met.first, met.second) != (first, second)).cloned();
        TransitionTable::new(shipped.rules().cloned().collect(), meetings.collect()).unwrap()
    };
    for (table, promise) in [
        (without_guard(Step::OrderDone, Guard::NotFinder), Promise::FinderHandlesNot),
        (without_guard(Step::VerifyPass, Guard::NotHandler), Promise::HandlerVerifiesNot),
        (without_guard(Step::ApproveReturn, Guard::NotRequester), Promise::OthersDecide),
        (without_guard(Step::AuditValid, Guard::NotFinder), Promise::OthersAudit),
        (late, Promise::LateWorkCounts),
        (unmet(Step::VerifyFail, Step::Close), Promise::FailureStands),
        (unmet(Step::OrderDone, Step::ApproveVoid), Promise::WorkNotVoided),
        (unmet(Step::Dispatch, Step::Dispatch), Promise::BothDispatched),
    ] {
        assert_eq!(table.broken_promises(), [promise]);
    }
    assert_eq!(changed(Step::OrderDone, |_| None).broken_promises(), [], "a step that nobody takes breaks none");
}
