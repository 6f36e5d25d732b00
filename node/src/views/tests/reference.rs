//! The reference figures of the domain, from cases that went through their life: 911 of 972 due are closed, 737 of them in time.

use townmesh_crdt::domain::case::Source;

use super::super::{AssessmentFilter, Figure, GroupBy, Page};
use super::Scene;
use super::assessment::{Life, NORTH, PERIOD, SOUTH};

/// The limit of every case is its 61st minute.
const IN_TIME: i64 = 61;
const TOO_LATE: i64 = 62;

fn closed(number: u32, handled: i64) -> Life {
    let (region, team) = if number.is_multiple_of(2) { (NORTH, "a") } else { (SOUTH, "b") };
    Life::filed(number, region, Source::Patrol).dispatched(team).handled(handled).verified(70, true).closed(71)
}

#[test]
fn of_972_due_93_72_percent_are_closed_and_75_82_in_time() {
    let mut scene = Scene::new();
    let in_time = (1..=737).map(|number| closed(number, IN_TIME));
    let late = (738..=911).map(|number| closed(number, TOO_LATE));
    // Handled and waiting for their verification, and past their deadline and not handled: all are due.
    let waiting = (912..=940).map(|number| Life::filed(number, SOUTH, Source::Patrol).dispatched("b").handled(9));
    let overdue = (941..=972).map(|number| Life::filed(number, NORTH, Source::Public).dispatched("a"));
    // Filed too late to be due.
    let young = (973..=1_000).map(|number| Life::filed(number, NORTH, Source::Patrol).later(4_990));
    scene.feed(in_time.chain(late).chain(waiting).chain(overdue).chain(young).map(Life::reading));
    let reader = scene.reader();
    let total = reader.assessment(&PERIOD, None).unwrap().total;
    let counts = &total.counts;
    assert_eq!((counts.filed, counts.due, counts.closed, counts.closed_in_time), (1_000, 972, 911, 737));
    let rates = [total.rates.closing, total.rates.on_time_closing].map(|rate| rate.unwrap().to_string());
    assert_eq!(rates, ["93.72", "75.82"]);
    let groups = reader.assessment(&PERIOD, Some(GroupBy::Region)).unwrap().groups;
    let sum = |of: fn(&super::super::Counts) -> u64| groups.iter().map(|group| of(&group.counts)).sum::<u64>();
    assert_eq!((sum(|counts| counts.due), sum(|counts| counts.closed)), (972, 911), "regions share them out");
    for (figure, expected) in
        [(Figure::Due, 972), (Figure::Closed, 911), (Figure::ClosedInTime, 737), (Figure::Overdue, 32)]
    {
        let (mut page, mut behind) = (Page { limit: Some(500), after: None }, 0);
        loop {
            let listed = reader.assessed_cases(&PERIOD, figure, &page).unwrap();
            behind += listed.rows.len();
            let Some(next) = listed.next else { break };
            page.after = Some(next);
        }
        assert_eq!(behind, expected, "{figure:?}");
    }
    let nothing = AssessmentFilter { region: "110115005222".parse().ok(), ..PERIOD };
    assert_eq!(reader.assessment(&nothing, None).unwrap().total.rates.closing, None);
}
