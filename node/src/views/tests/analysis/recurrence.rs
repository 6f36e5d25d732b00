use townmesh_crdt::domain::case::{Action, ReopenCause};
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::Tables;

use super::super::super::{CauseGrouping, Page, PlaceKind, Recurrence, RecurrenceFilter, RecurrenceGroup, Subject};
use super::*;

const WITHIN_90: RecurrenceFilter =
    RecurrenceFilter { from_ms: 0, until_ms: LONG, region: None, category: None, days: 90, by: None, limit: None };

fn recurring(scene: &Scene, filter: &RecurrenceFilter) -> Recurrence {
    scene.reader().recurrence(filter, &Tables::default()).unwrap()
}

/// How often, with whole days between.
fn shown(group: &RecurrenceGroup) -> (u64, &[i64]) {
    (group.count, &group.intervals_days)
}

fn groups(readings: impl IntoIterator<Item = Reading>) -> Vec<RecurrenceGroup> {
    let mut scene = Scene::new();
    scene.feed(readings);
    recurring(&scene, &WITHIN_90).rows
}

#[test]
fn cases_near_each_other_within_the_days_are_a_group() {
    let found = groups([
        done(1, 0).at("甲", north_by(0.0)).reading(),
        done(2, 10 * DAY).at("乙", north_by(40.0)).reading(),
        // Near the second, not the first: another place.
        done(3, 11 * DAY).at("丙", north_by(80.0)).reading(),
        done(4, 12 * DAY).at("丁", north_by(0.0)).called("order").reading(),
        // Ninety days after the second, to the minute.
        done(5, 100 * DAY).at("戊", north_by(0.0)).reading(),
        // A minute more than ninety days after that.
        done(6, 190 * DAY + 1).at("己", north_by(0.0)).reading(),
    ]);
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), [(3, [10, 90].as_slice())]);
    let group = &found[0];
    let documents: Vec<&str> = group.cases.iter().map(|case| case.document.as_str()).collect();
    assert_eq!(documents, [1, 2, 5].map(|number| id(number).to_string()));
    assert!(group.cases.iter().all(|case| case.number.is_some()));
    assert_eq!((group.by, group.position, group.reopened), (PlaceKind::Position, north_by(0.0), 0));
    assert_eq!((group.first_ms, group.last_ms), (0, 100 * DAY_MS));
    assert_eq!((group.subject.clone(), group.region.as_str()), (Subject::Category("rubbish".into()), NORTH));
}

#[test]
fn without_a_position_the_words_of_one_village_decide() {
    let elsewhere = Life::filed(3, SOUTH, Source::Patrol).at("村口", None);
    let found = groups([
        done(1, 0).at("村口", None).reading(),
        done(2, DAY).at(" 村 口", None).reading(),
        elsewhere.later(DAY).reading(),
        done(4, 2 * DAY).at("村口", north_by(0.0)).reading(),
        done(5, 3 * DAY).at("村尾", None).reading(),
        done(6, 3 * DAY).at("", None).reading(),
        done(7, 4 * DAY).at("", None).reading(),
    ]);
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), [(2, [1].as_slice())]);
    assert_eq!((found[0].by, found[0].place.as_deref()), (PlaceKind::Words, Some(" 村 口")), "as it was last called");
}

/// A case that was closed and taken up again a day after it was reported.
fn reopened(number: u32) -> Life {
    let closed = case(number, 0).dispatched("a").handled(5).verified(6, true).closed(7);
    closed.step(DAY, Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence })
}

#[test]
fn a_case_that_was_taken_up_again_has_come_back() {
    let mut scene = Scene::new();
    scene.feed([
        reopened(1).at("村口", None).reading(),
        case(2, 0).at("村尾", None).reading(),
        Life::new(3, NORTH, Source::Patrol).at("村尾", None).reading(),
    ]);
    let found = recurring(&scene, &WITHIN_90);
    assert_eq!(found.rows.iter().map(shown).collect::<Vec<_>>(), [(2, [1].as_slice())], "3 is not filed");
    assert_eq!((found.rows[0].reopened, found.groups, found.count), (1, 1, 2));
    assert_eq!(found.rows[0].cases.iter().map(|case| case.reopened).collect::<Vec<_>>(), [false, true]);
    // Of a later period only the reopening is known, which is no group.
    let later = RecurrenceFilter { from_ms: 60_000, ..WITHIN_90 };
    assert_eq!(recurring(&scene, &later).groups, 0);
}

#[test]
fn what_was_never_away_has_not_come_back() {
    let at = |life: Life| life.at("村口", None).reading();
    let thrice = [at(case(1, 0)), at(done(2, DAY)), at(done(3, 2 * DAY))];
    assert!(groups(thrice).is_empty(), "the first one is open still: the others are the same");
    assert!(groups([at(done(1, 0)), at(case(2, 3))]).is_empty(), "reported before the first was done with");
    assert!(groups([at(done(1, 0)), at(case(2, 3)), at(case(3, DAY))]).is_empty(), "the double is open still");
    let found = groups([at(done(1, 0)), at(done(2, 3)), at(case(3, DAY))]);
    assert_eq!(found.iter().map(shown).collect::<Vec<_>>(), [(2, [1].as_slice())], "the double is no time of its own");
    let unsolved = case(1, 0).dispatched("a").handled(5).verified(6, true).closed(7);
    let unsolved = unsolved.step(DAY, Role::DutyHead, Action::Reopen { cause: ReopenCause::Unsolved });
    assert!(groups([at(unsolved)]).is_empty(), "the callback found it unsolved");
}

#[test]
fn what_was_turned_down_did_not_happen() {
    let refused = Life::new(2, NORTH, Source::Patrol).at("村口", None);
    let refused = refused.step(1, Role::IntakeClerk, Action::Refuse { reason: "不属实".into() });
    let void = case(3, DAY).at("村口", None);
    let ask = Action::RequestVoid { reason: "重复".into() };
    let void = void.step(DAY + 2, Role::Dispatcher, ask);
    let request = void.last();
    let void = void.step(DAY + 3, Role::DutyHead, Action::Approve { request });
    assert!(groups([case(1, 0).at("村口", None).reading(), refused.reading(), void.reading()]).is_empty());
}

/// Two households of one owner, one of another of the same name; a case and hazards that come back in each.
pub(super) fn owned() -> Scene {
    // Rectified and rechecked within a minute.
    let rechecked = |household: u32, item: u16, minute: i64| Hazard {
        state: Some(HazardState::Closed),
        changed_at: Some((minute + 1) * 60_000),
        ..found(household, item, minute)
    };
    let mut scene = Scene::new();
    let house = |number: u32, phone: &str| {
        let mut house = household(number, &format!("{number}号"), &["王小明"]);
        if let Some(personal) = &mut house.residents[0].resident.personal {
            (personal.id_number, personal.phone) = (None, Some(phone.into()));
        }
        house.household.owner = house.residents[0].resident.personal.clone();
        Reading::Household(house)
    };
    let of_case = |number, case, household, minute| {
        reading(number, Hazard { case: Some(id(case)), ..rechecked(household, 4, minute) })
    };
    scene.feed([
        house(20, "13812345678"),
        house(21, "13812345678"),
        house(22, "13912345678"),
        done(1, 0).at("甲", north_by(0.0)).reading(),
        done(2, DAY).at("乙", north_by(900.0)).reading(),
        of_case(30, 1, 20, 0),
        of_case(31, 2, 20, DAY),
        reading(32, rechecked(21, 10, 0)),
        reading(33, rechecked(21, 10, 2 * DAY)),
        reading(34, rechecked(22, 10, 0)),
        reading(35, rechecked(22, 10, 3 * DAY)),
        // Another item, and nobody's household.
        reading(36, rechecked(22, 11, 0)),
        reading(37, rechecked(99, 11, 0)),
    ]);
    scene
}

#[test]
fn cases_and_hazards_of_one_household_are_put_together() {
    let scene = owned();
    let found = recurring(&scene, &WITHIN_90);
    let hazard = |item| Subject::Hazard { checklist: 1, item };
    let of = |number: u32| Some(id(number).to_string());
    let mut shown: Vec<_> =
        found.rows.iter().map(|row| (row.inspected.clone(), row.subject.clone(), row.count)).collect();
    shown.sort();
    let rubbish = Subject::Category("rubbish".into());
    let mut expected = vec![(of(20), rubbish, 2), (of(21), hazard(10), 2), (of(22), hazard(10), 2)];
    expected.sort();
    assert_eq!(shown, expected);
    assert_eq!(found.rows[0].intervals_days, [3], "what came back last stands first");
    assert_eq!(found.rows[0].words.as_ref().unwrap()[1], "no extinguisher");
    assert!(
        found.rows.iter().all(|row| row.by == PlaceKind::Inspected && row.place.as_deref().unwrap().ends_with('号'))
    );
    assert_eq!((found.groups, found.count, found.unplaced), (3, 6, 1), "a hazard that is a case counts once");
    let rubbish = RecurrenceFilter { category: Some("rubbish".into()), ..WITHIN_90 };
    assert_eq!(recurring(&scene, &rubbish).groups, 1, "a category is of cases");
}

#[test]
fn causes_are_told_by_category_dwelling_and_owner_and_nobody_is_named() {
    let scene = owned();
    let causes = |by| {
        let found = recurring(&scene, &RecurrenceFilter { by: Some(by), ..WITHIN_90 });
        assert!(!found.causes_truncated);
        let told = serde_json::to_string(&found).unwrap();
        assert!(!told.contains("小明") && !told.contains("13812345678"), "{told}");
        let cause = |one: super::super::super::Cause| (one.key, one.name, one.groups, one.count, one.dwellings);
        found.causes.into_iter().map(cause).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        causes(CauseGrouping::Category),
        [(text("1.10"), text("未配备灭火器"), 2, 4, 2), (text("rubbish"), None, 1, 2, 1),]
    );
    assert_eq!(causes(CauseGrouping::Dwelling)[0], (Some(id(20).to_string()), text("20号"), 1, 2, 1));
    assert_eq!(
        causes(CauseGrouping::Owner),
        [(None, text("王* 138****5678"), 2, 4, 2), (None, text("王* 139****5678"), 1, 2, 1)]
    );
}

#[test]
fn a_tenant_is_no_owner() {
    let mut scene = Scene::new();
    let rented = |number: u32| Reading::Household(household(number, &format!("{number}号"), &["王小明"]));
    let of_case = |number, case| reading(number, Hazard { case: Some(id(case)), ..found(20, 4, 0) });
    scene.feed([rented(20), done(1, 0).reading(), done(2, DAY).reading(), of_case(30, 1), of_case(31, 2)]);
    let found = recurring(&scene, &RecurrenceFilter { by: Some(CauseGrouping::Owner), ..WITHIN_90 });
    assert_eq!(found.causes.iter().map(|cause| (cause.name.clone(), cause.count)).collect::<Vec<_>>(), [(None, 2)]);
}

#[test]
fn what_is_more_than_the_limit_is_said() {
    let scene = owned();
    let filter = RecurrenceFilter { by: Some(CauseGrouping::Category), limit: Some(2), ..WITHIN_90 };
    let found = recurring(&scene, &filter);
    assert_eq!((found.rows.len(), found.truncated, found.causes.len(), found.causes_truncated), (2, true, 2, false));
    assert_eq!((found.groups, found.count), (3, 6));
}

#[test]
fn every_time_of_a_group_is_listed_page_by_page() {
    let mut scene = Scene::new();
    scene.feed((0..5).map(|number| done(number + 1, i64::from(number) * DAY).at("村口", None).reading()));
    scene.feed([done(8, 0).at("村尾", None).reading(), done(9, DAY).at("村尾", None).reading()]);
    let first = recurring(&scene, &WITHIN_90).rows[0].first.clone();
    let (mut page, mut seen) = (Page { limit: Some(2), after: None }, Vec::new());
    loop {
        let listed = scene.reader().recurring_cases(&WITHIN_90, &first, &page).unwrap();
        seen.extend(listed.rows.into_iter().map(|case| case.document));
        let Some(next) = listed.next else { break };
        page.after = Some(next);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5].map(|number| id(number).to_string()));
    assert_eq!(
        scene.reader().recurring_cases(&WITHIN_90, "other", &Page::default()).unwrap().rows,
        [],
        "not the first"
    );
    let wrong = Page { limit: None, after: Some("x".into()) };
    assert!(scene.reader().recurring_cases(&WITHIN_90, &first, &wrong).is_err());
}

#[test]
fn a_case_that_begins_two_groups_is_listed_with_each() {
    let mut scene = Scene::new();
    let again = |life: Life, minute: i64| {
        let life = life.step(minute, Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence });
        life.dispatched("a").handled(minute + 5).verified(minute + 6, true).closed(minute + 7)
    };
    let first = again(again(done(1, 0), 30 * DAY), 200 * DAY).at("村口", None);
    scene.feed([first.reading(), done(2, 230 * DAY).at("村口", None).reading()]);
    let found = recurring(&scene, &WITHIN_90);
    assert_eq!(found.rows.iter().map(shown).collect::<Vec<_>>(), [(2, [30].as_slice()), (2, [30].as_slice())]);
    let mut times: Vec<Vec<i64>> = Vec::new();
    for row in &found.rows {
        let listed = scene.reader().recurring_cases(&WITHIN_90, &row.first, &Page::default()).unwrap();
        times.push(listed.rows.iter().map(|case| case.time_ms / DAY_MS).collect());
    }
    assert_eq!(times, [[200, 230], [0, 30]]);
}

#[test]
fn what_happened_between_two_lives_of_a_case_has_come_back() {
    let mut scene = Scene::new();
    let life = done(1, 0).step(60 * DAY, Role::DutyHead, Action::Reopen { cause: ReopenCause::Recurrence });
    scene.feed([life.at("村口", None).reading(), done(2, 30 * DAY).at("村口", None).reading()]);
    let found = recurring(&scene, &WITHIN_90);
    assert_eq!(found.rows.iter().map(shown).collect::<Vec<_>>(), [(3, [30, 30].as_slice())]);
}
