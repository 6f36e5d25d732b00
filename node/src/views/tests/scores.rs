//! Scores of the cases that went through their life by hand.

use townmesh_crdt::command::read::{FieldsRecord, Reading};
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole, Tables};
use townmesh_crdt::domain::town::{Member, Team};

use super::super::{Moments, Page, Score, ScoreFilter, ShareSide};
use super::assessment::{Life, MINUTE, NORTH, SOUTH, scene};
use super::{Scene, id};

fn filter(role: ScoreRole) -> ScoreFilter {
    let (until_ms, now_ms) = (10_000 * MINUTE, 5_000 * MINUTE);
    ScoreFilter { role, by_person: false, from_ms: 0, until_ms, now_ms, known: Moments::default(), region: None }
}

fn scored(scene: &Scene, filter: &ScoreFilter) -> Vec<Score> {
    scene.reader().scores(filter, &Tables::default()).unwrap().rows
}

/// Subject, score, grade and rank.
fn shown(scores: &[Score]) -> Vec<(&str, String, &str, Option<u32>)> {
    let score = |score: &Score| score.score.map_or_else(|| "none".to_owned(), |score| score.to_string());
    scores.iter().map(|one| (one.subject.as_str(), score(one), one.grade.as_deref().unwrap_or("-"), one.rank)).collect()
}

fn part(score: &Score, part: ScorePart) -> (u64, u64) {
    score.parts.iter().find(|one| one.part == part).map(|one| (one.got, one.of)).unwrap()
}

#[test]
fn teams_and_handlers_are_scored_by_what_they_closed_and_had_to_do_again() {
    let mut scene = scene();
    let team = Team { code: Some("a".into()), name: Some("甲队".into()), ..Team::default() };
    scene.feed([Reading::Team(FieldsRecord { id: id(900), record: team, conflicts: vec![], settled: vec![] })]);
    let teams = scored(&scene, &filter(ScoreRole::Handler));
    assert_eq!(shown(&teams), [("a", "85.00".into(), "B", Some(1)), ("b", "10.00".into(), "E", Some(2))]);
    assert_eq!(teams[0].name.as_deref(), Some("甲队"));
    let [volume, closing, in_time, passed] =
        [ScorePart::Volume, ScorePart::Closing, ScorePart::OnTimeClosing, ScorePart::NoRework]
            .map(|one| part(&teams[0], one));
    assert_eq!([volume, closing, in_time, passed], [(2, 2), (2, 2), (1, 2), (2, 2)]);
    let people = scored(&scene, &ScoreFilter { by_person: true, ..filter(ScoreRole::Handler) });
    assert_eq!(shown(&people), [("handler", "60.00".into(), "C", Some(1))]);
}

#[test]
fn a_team_whose_village_is_cut_off_has_not_missed_what_is_not_known_yet() {
    let scene = scene();
    let known = Moments([(SOUTH.to_owned(), 30 * MINUTE)].into());
    let teams = scored(&scene, &ScoreFilter { known, ..filter(ScoreRole::Handler) });
    let team = teams.iter().find(|one| one.subject == "b").unwrap();
    assert_eq!(part(team, ScorePart::Closing), (0, 1), "the one that it handled");
    let teams = scored(&scene, &filter(ScoreRole::Handler));
    let team = teams.iter().find(|one| one.subject == "b").unwrap();
    assert_eq!(part(team, ScorePart::Closing), (0, 2));
}

#[test]
fn dispatchers_and_duty_heads_are_scored_by_their_own_orders_and_filings() {
    let scene = scene();
    let dispatchers = scored(&scene, &filter(ScoreRole::Dispatcher));
    let expected = [
        ("dispatcher-video", "93.33".into(), "A", Some(1)),
        ("dispatcher-patrol", "86.67".into(), "B", Some(2)),
        ("dispatcher-public", "86.67".into(), "B", Some(2)),
    ];
    assert_eq!(shown(&dispatchers), expected);
    assert_eq!(part(&dispatchers[1], ScorePart::CorrectDispatch), (2, 3), "an order was given back");
    let heads = scored(&scene, &filter(ScoreRole::DutyHead));
    let expected = [
        ("duty_head-public", "100.00".into(), "A", Some(1)),
        ("duty_head-video", "65.00".into(), "C", Some(2)),
        ("duty_head-patrol", "55.00".into(), "D", Some(3)),
    ];
    assert_eq!(shown(&heads), expected);
    let patrol =
        [ScorePart::OnTimeFiling, ScorePart::CorrectFiling, ScorePart::OnTimeClosing].map(|one| part(&heads[2], one));
    assert_eq!(patrol, [(4, 4), (3, 4), (0, 3)]);
}

#[test]
fn inspectors_are_scored_by_what_they_reported_and_verified_and_by_what_their_village_missed() {
    let mut scene = scene();
    let member = Member {
        code: Some("inspector-patrol".into()),
        region: NORTH.parse().ok(),
        roles: [Role::Inspector].into(),
        ..Member::default()
    };
    let idle = Member { code: Some("idle".into()), ..member.clone() };
    let left = Member { code: Some("inspector-video".into()), retired: Some(true), ..member.clone() };
    let members = [(901, member), (902, idle), (903, left)];
    scene.feed(members.map(|(number, record)| {
        Reading::Member(FieldsRecord { id: id(number), record, conflicts: vec![], settled: vec![] })
    }));
    let inspectors = scored(&scene, &filter(ScoreRole::Inspector));
    let patrol = inspectors.iter().find(|one| one.subject == "inspector-patrol").unwrap();
    let parts = [ScorePart::ValidReports, ScorePart::NotMissed, ScorePart::OnTimeCheck, ScorePart::OnTimeVerification];
    assert_eq!(parts.map(|one| part(patrol, one)), [(3, 5), (1, 2), (0, 0), (1, 1)]);
    let left = inspectors.iter().find(|one| one.subject == "inspector-video").unwrap();
    assert_eq!(part(left, ScorePart::NotMissed), (0, 0), "what a village misses is not of one who left");
    // Nobody asked for a check: the other parts count for more.
    assert_eq!((patrol.score.unwrap().to_string(), patrol.grade.as_deref()), ("67.50".into(), Some("C")));
    let subjects: Vec<&str> = inspectors.iter().map(|one| one.subject.as_str()).collect();
    assert_eq!(
        subjects,
        ["inspector-public", "inspector-video", "inspector-patrol"],
        "whoever did nothing is not ranked"
    );
}

#[test]
fn a_period_or_region_in_which_nothing_was_done_scores_nobody() {
    let scene = scene();
    for role in ScoreRole::ALL {
        let later = ScoreFilter { from_ms: 9_000 * MINUTE, ..filter(*role) };
        assert_eq!(scored(&scene, &later), [], "{role}");
        let elsewhere = ScoreFilter { region: "110115005222".parse().ok(), ..filter(*role) };
        assert_eq!(scored(&scene, &elsewhere), [], "{role}");
    }
}

#[test]
fn the_cases_behind_a_share_are_as_many_as_it_says() {
    let mut scene = scene();
    let member = Member {
        code: Some("inspector-patrol".into()),
        region: NORTH.parse().ok(),
        roles: [Role::Inspector].into(),
        ..Member::default()
    };
    let record = FieldsRecord { id: id(901), record: member, conflicts: vec![], settled: vec![] };
    scene.feed([Reading::Member(record)]);
    let reader = scene.reader();
    let mut looked_at = 0;
    for (role, by_person) in ScoreRole::ALL.iter().flat_map(|role| [(*role, false), (*role, true)]) {
        let filter = ScoreFilter { by_person, ..filter(role) };
        for score in scored(&scene, &filter) {
            for part in &score.parts {
                for (side, says) in [(ShareSide::Got, part.got), (ShareSide::Of, part.of)] {
                    let asked = (score.subject.as_str(), part.part, side);
                    let behind = reader.score_cases(&filter, asked, &Page::default()).unwrap().rows.len() as u64;
                    // One case may have several orders, dispatches or verifications.
                    let is_sum = !matches!(
                        part.part,
                        ScorePart::Closing | ScorePart::OnTimeClosing | ScorePart::ValidReports | ScorePart::NotMissed
                    );
                    let is_most = part.part == ScorePart::Volume && side == ShareSide::Of;
                    let fits = says == behind || is_sum && says > behind && behind > 0 || is_most;
                    assert!(fits, "{role} {} {:?} {side:?}: {says}, {behind} cases", score.subject, part.part);
                    looked_at += behind;
                }
            }
        }
    }
    assert!(looked_at > 50, "{looked_at}");
}

#[test]
fn a_score_stands_beside_that_of_the_period_before_with_the_places_that_were_won() {
    let mut scene = Scene::new();
    let life = |number: u32, team: &str, minute: i64| {
        Life::filed(number, NORTH, Source::Patrol).dispatched(team).later(minute)
    };
    let day = 1_440;
    scene.feed([
        // On the first day one team closes what it was given, the other does not.
        life(1, "a", 0).handled(10).verified(11, true).closed(12).reading(),
        life(2, "b", 0).reading(),
        // On the second day it is the other way round, and a third has its first order.
        life(3, "a", day).reading(),
        Life::filed(4, NORTH, Source::Patrol)
            .dispatched("b")
            .handled(10)
            .verified(11, true)
            .closed(12)
            .later(day)
            .reading(),
        Life::filed(5, NORTH, Source::Patrol)
            .dispatched("c")
            .handled(10)
            .verified(11, true)
            .closed(12)
            .later(day)
            .reading(),
    ]);
    let of_day = ScoreFilter {
        from_ms: day * MINUTE,
        until_ms: 2 * day * MINUTE,
        now_ms: 10 * day * MINUTE,
        ..filter(ScoreRole::Handler)
    };
    let scores = scene.reader().scores_beside_the_one_before(&of_day, &Tables::default()).unwrap().rows;
    let shown: Vec<_> = scores
        .iter()
        .map(|one| (one.subject.as_str(), one.rank, one.before.as_ref().map(|before| (before.rank, before.change))))
        .collect();
    assert_eq!(
        shown,
        [("b", Some(1), Some((Some(2), Some(1)))), ("c", Some(1), None), ("a", Some(3), Some((Some(1), Some(-2))))]
    );
    assert!(scored(&scene, &of_day).iter().all(|one| one.before.is_none()), "nobody asked");
}
