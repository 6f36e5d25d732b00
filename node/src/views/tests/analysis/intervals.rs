//! How long things take, by orders that were timed by hand.

use townmesh_crdt::command::read::FieldsRecord;
use townmesh_crdt::domain::case::{Action, OrderRef, Source};
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::domain::town::{Team, TeamKind};

use super::super::super::{IntervalFilter, IntervalGroup, IntervalGrouping, Moments, Page, Spread};
use super::super::assessment::MINUTE;
use super::*;

/// What a team does with its order, and in which minute.
type Answer = (i64, fn(OrderRef) -> Action);

/// An order to a team in the second minute after the report, and what the team does then.
fn ordered(number: u32, team: &str, answers: &[Answer]) -> Life {
    let life = Life::filed(number, NORTH, Source::Patrol).dispatched(team);
    let order = OrderRef { event: life.last(), index: 0 };
    answers.iter().fold(life, |life, (minute, action)| life.step(*minute, Role::Handler, action(order)))
}

fn acknowledged(order: OrderRef) -> Action {
    Action::Acknowledge { order }
}

fn assigned(order: OrderRef) -> Action {
    Action::Assign { order, person: "xf-1".into() }
}

fn there(order: OrderRef) -> Action {
    Action::ReportIn { order }
}

fn done(order: OrderRef) -> Action {
    Action::OrderDone { order, result: "已清运".into(), photos: vec![] }
}

fn asks_to_return(order: OrderRef) -> Action {
    Action::RequestReturn { order, reason: "不属本队".into() }
}

fn town() -> Scene {
    let mut scene = Scene::new();
    let team = Team { code: Some("fire".into()), kind: Some(TeamKind::MicroFireStation), ..Team::default() };
    let record = FieldsRecord { id: id(900), record: team, conflicts: vec![], settled: vec![] };
    let returned = ordered(4, "fire", &[(3, asks_to_return)]);
    let request = returned.last();
    scene.feed([
        Reading::Team(record),
        // There in the last moment of its three minutes; seen six minutes before the report.
        ordered(1, "fire", &[(3, acknowledged), (4, assigned), (5, there)]).later(10).found(4).reading(),
        // A minute too late, and never.
        ordered(2, "fire", &[(6, there)]).later(10).reading(),
        ordered(3, "fire", &[]).later(10).reading(),
        // Taken back; and done before anybody reported in.
        returned.step(4, Role::Dispatcher, Action::Approve { request }).later(10).reading(),
        ordered(5, "fire", &[(4, done)]).later(10).reading(),
        // A team of no kind has no limit.
        ordered(6, "other", &[(90, there)]).later(10).reading(),
    ]);
    scene
}

fn filter(by: IntervalGrouping) -> IntervalFilter {
    let known = Moments::default();
    IntervalFilter { from_ms: 0, until_ms: LONG, now_ms: LONG, known, region: None, by }
}

fn group(scene: &Scene, filter: &IntervalFilter, name: &str) -> IntervalGroup {
    let groups = scene.reader().intervals(filter, &Tables::default()).unwrap();
    groups.into_iter().find(|group| group.group == name).unwrap()
}

fn spread(count: u64, median_s: i64, p90_s: i64) -> Spread {
    Spread { count, median_s: Some(median_s), p90_s: Some(p90_s) }
}

#[test]
fn each_time_is_that_between_its_two_moments() {
    let scene = town();
    let fire = group(&scene, &filter(IntervalGrouping::Team), "fire");
    assert_eq!(fire.orders, 5);
    assert_eq!(fire.found_to_report, spread(1, 360, 360));
    assert_eq!(fire.report_to_order, spread(5, 120, 120));
    assert_eq!(fire.report_to_person, spread(1, 240, 240));
    assert_eq!(fire.order_to_acknowledged, spread(1, 60, 60));
    assert_eq!(fire.person_to_scene, spread(1, 60, 60));
    assert_eq!(fire.order_to_scene, spread(2, 180, 240));
    let person = group(&scene, &filter(IntervalGrouping::Person), "xf-1");
    assert_eq!((person.orders, person.report_to_person), (1, spread(1, 240, 240)));
    let finder = group(&scene, &filter(IntervalGrouping::Person), "inspector-patrol");
    assert_eq!((finder.orders, finder.found_to_report), (0, spread(1, 360, 360)));
}

#[test]
fn whoever_never_came_was_not_there_in_time() {
    let scene = town();
    let judged = |filter: &IntervalFilter, team| {
        let group = group(&scene, filter, team);
        (group.arrived_in_time, group.to_arrive, group.arrived_in_time_percent.map(|percent| percent.to_string()))
    };
    let by_team = filter(IntervalGrouping::Team);
    assert_eq!(judged(&by_team, "fire"), (2, 4, Some("50.00".into())));
    assert_eq!(judged(&by_team, "other"), (0, 0, None));
    // The order went out in the twelfth minute; what happened after the fourteenth is not known yet.
    let known = |minutes: i64| Moments([(NORTH.to_owned(), minutes * MINUTE)].into());
    assert_eq!(judged(&IntervalFilter { known: known(14), ..by_team.clone() }, "fire"), (2, 3, Some("66.67".into())));
    assert_eq!(judged(&IntervalFilter { known: known(15), ..by_team }, "fire"), (2, 4, Some("50.00".into())));
}

#[test]
fn the_cases_behind_a_group_are_those_of_its_orders() {
    let scene = town();
    let reader = scene.reader();
    let behind = |by, group, late| {
        let listed = reader.interval_cases(&filter(by), &Tables::default(), (group, late), &Page::default()).unwrap();
        let mut found: Vec<u32> =
            (1..=6).filter(|number| listed.rows.iter().any(|row| row.document == id(*number).to_string())).collect();
        found.sort_unstable();
        found
    };
    assert_eq!(behind(IntervalGrouping::Team, "fire", false), [1, 2, 3, 4, 5]);
    assert_eq!(behind(IntervalGrouping::Team, "fire", true), [2, 3]);
    assert_eq!(behind(IntervalGrouping::Person, "xf-1", false), [1]);
    assert_eq!(behind(IntervalGrouping::Region, NORTH, true), [2, 3]);
}
