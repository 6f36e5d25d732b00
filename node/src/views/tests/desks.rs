//! What each desk was asked to do, and did in time; and what callers said. The limits are those that the program ships: half an
//! hour for intake, filing and dispatch, one working hour for a check, four for a verification.

use townmesh_crdt::domain::case::{Action, Assignment, LimitClock, Satisfaction, Severity, Source};
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole, Tables};

use super::super::{AssessmentFilter, Counts, Moments, ScoreFilter};
use super::Scene;
use super::assessment::{Life, MINUTE, NORTH, PERIOD, SOUTH};

/// A question of intake in the first minute.
fn asked(number: u32) -> Life {
    Life::new(number, NORTH, Source::Patrol).step(1, Role::IntakeClerk, Action::AskCheck { question: "属实？".into() })
}

fn answered(number: u32, minute: i64) -> Life {
    let life = asked(number);
    let answer = Action::AnswerCheck { question: life.last(), found: true, answer: "属实".into() };
    life.step(minute, Role::Inspector, answer)
}

/// A report of the public that was closed in time, and calls to whoever made it.
fn called(number: u32, calls: &[(Satisfaction, bool)]) -> Life {
    let closed = Life::filed(number, NORTH, Source::Public).dispatched("a").handled(5).verified(6, true).closed(7);
    let call = |life: Life, (satisfaction, solved): &(Satisfaction, bool)| {
        life.step(8, Role::IntakeClerk, Action::Callback { satisfaction: *satisfaction, solved: *solved })
    };
    calls.iter().fold(closed, call)
}

/// Each desk a minute too late.
fn slow(number: u32) -> Life {
    let (minutes, clock) = (60, LimitClock::Emergency);
    let file = Action::File { category: "rubbish".into(), severity: Severity::General, minutes, clock };
    let orders = vec![Assignment { team: "a".into(), task: "清运".into() }];
    Life::new(number, NORTH, Source::Public)
        .step(31, Role::IntakeClerk, Action::Accept)
        .step(62, Role::DutyHead, file)
        .step(93, Role::Dispatcher, Action::Dispatch { orders, lead: 0 })
}

pub(super) fn desks() -> Scene {
    use Satisfaction::{Dissatisfied, Mostly, Satisfied, Unreachable};
    let mut scene = Scene::new();
    scene.feed([
        // The last minute of the working hour, the one after it, and never.
        answered(10, 61).reading(),
        answered(11, 62).reading(),
        asked(12).reading(),
        slow(13).reading(),
        // Nobody answers.
        Life::new(14, NORTH, Source::Public).reading(),
        called(15, &[(Unreachable, false)]).reading(),
        called(16, &[(Satisfied, true), (Dissatisfied, false), (Unreachable, true)]).reading(),
        called(17, &[(Mostly, true)]).reading(),
        called(18, &[(Satisfied, false)]).reading(),
        // Accepted, and never filed; handled, and never verified.
        Life::new(19, SOUTH, Source::Patrol).step(0, Role::IntakeClerk, Action::Accept).reading(),
        Life::filed(20, SOUTH, Source::Patrol).dispatched("b").handled(5).reading(),
    ]);
    scene
}

fn counts(filter: &AssessmentFilter) -> Counts {
    desks().reader().assessment(filter, None).unwrap().total.counts
}

#[test]
fn what_nobody_did_within_its_limit_counts_as_asked() {
    let total = desks().reader().assessment(&PERIOD, None).unwrap().total;
    let pairs = |counts: &Counts| {
        [
            (counts.filed_in_time, counts.to_file),
            (counts.dispatched_in_time, counts.to_dispatch),
            (counts.verified_in_time, counts.to_verify),
            (counts.checked_in_time, counts.to_check),
            (counts.responded_in_time, counts.to_respond),
        ]
    };
    assert_eq!(pairs(&total.counts), [(5, 7), (5, 6), (4, 5), (1, 3), (4, 6)]);
    let rates = serde_json::to_value(&total.rates).unwrap();
    let shown = ["on_time_filing", "on_time_dispatch", "on_time_verification", "on_time_check", "response"];
    assert_eq!(shown.map(|rate| rates[rate].as_f64().unwrap()), [71.43, 83.33, 80.0, 33.33, 66.67]);
    // What is not known yet of a village that is cut off is not late.
    let known = Moments([(NORTH.to_owned(), 10 * MINUTE), (SOUTH.to_owned(), 10 * MINUTE)].into());
    let early = counts(&AssessmentFilter { known, ..PERIOD });
    assert_eq!(pairs(&early), [(5, 6), (5, 6), (4, 4), (1, 2), (4, 5)]);
}

#[test]
fn callers_count_by_what_they_said_when_they_were_reached_last() {
    let total = desks().reader().assessment(&PERIOD, None).unwrap().total;
    let Counts { called_back, solved, satisfied, .. } = total.counts;
    assert_eq!((called_back, solved, satisfied), (3, 1, 2));
    let rates = [total.rates.solution, total.rates.satisfaction];
    assert_eq!(rates.map(|rate| rate.unwrap().to_string()), ["33.33", "66.67"]);
}

#[test]
fn scores_share_out_what_the_assessment_counts() {
    let scene = desks();
    let all = |role, wanted: ScorePart| {
        let filter = ScoreFilter {
            role,
            by_person: false,
            from_ms: PERIOD.from_ms,
            until_ms: PERIOD.until_ms,
            now_ms: PERIOD.now_ms,
            known: Moments::default(),
            region: None,
        };
        let scored = scene.reader().scores(&filter, &Tables::default()).unwrap().rows;
        let parts = scored.iter().flat_map(|score| &score.parts).filter(|part| part.part == wanted);
        parts.fold((0, 0), |(got, of), part| (got + part.got, of + part.of))
    };
    // All but what nobody did: that is nobody's.
    assert_eq!(all(ScoreRole::DutyHead, ScorePart::OnTimeFiling), (5, 6));
    assert_eq!(all(ScoreRole::Dispatcher, ScorePart::OnTimeDispatch), (5, 6));
    assert_eq!(all(ScoreRole::Inspector, ScorePart::OnTimeVerification), (4, 4));
    assert_eq!(all(ScoreRole::Inspector, ScorePart::OnTimeCheck), (1, 2));
}
