use townmesh_crdt::command::read::{InspectionRecord, InspectionsRecord};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::inspection::{Answer, Inspection};
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::{NodeId, RecordId};

use std::collections::BTreeMap;

use super::super::super::{HazardGrouping, HazardStatistics, HazardStatisticsFilter, Hundredths, Moments};
use super::*;

const ALL: HazardStatisticsFilter = HazardStatisticsFilter {
    from_ms: 0,
    until_ms: LONG,
    now_ms: 20 * DAY_MS,
    known: Moments(BTreeMap::new()),
    region: None,
    by: None,
};

/// Hazards of every state in two households; a third household is inspected, and a fourth by mistake.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let done = |number, item, state, days: i64| {
        let hazard = found(20, item, 0);
        reading(number, Hazard { state: Some(state), changed_at: Some(days * DAY_MS), ..hazard })
    };
    let due = |number, item, days: i64| {
        let hazard = found(21, item, DAY);
        reading(number, Hazard { due: Some(days * DAY_MS), grade: Some(Grade::Severe), ..hazard })
    };
    let visit = |number: u8, household, time_ms, void| InspectionRecord {
        id: RecordId([number; 16]),
        author: NodeId([1; 32]),
        void,
        inspection: Inspection {
            household: id(household),
            by: "x01".into(),
            time_ms,
            checklist: 1,
            answers: [(4, Answer::Ok)].into(),
            note: None,
            photos: Vec::new(),
            position: None,
        },
    };
    let inspections =
        vec![visit(1, 20, 0, false), visit(2, 20, DAY_MS, false), visit(3, 22, DAY_MS, false), visit(4, 23, 0, true)];
    scene.feed((20..24).map(|number| Reading::Household(household(number, &format!("{number}号"), &[]))));
    scene.feed([
        Reading::Inspections(InspectionsRecord { id: id(60), inspections, unreadable: 0 }),
        done(30, 4, HazardState::Closed, 2),
        done(31, 6, HazardState::Closed, 3),
        done(32, 10, HazardState::Closed, 10),
        done(33, 11, HazardState::Closed, 4),
        done(34, 12, HazardState::Recheck, 5),
        done(35, 5, HazardState::Rectifying, 6),
        due(36, 1, 19),
        due(37, 2, 20),
    ]);
    scene
}

fn statistics(scene: &Scene, filter: &HazardStatisticsFilter) -> HazardStatistics {
    scene.reader().hazard_statistics(filter, &Tables::default()).unwrap()
}

#[test]
fn hazards_are_counted_by_what_became_of_them() {
    let scene = scene();
    let all = statistics(&scene, &ALL).total;
    let counts = &all.counts;
    assert_eq!(
        [counts.found, counts.rectified, counts.rechecked, counts.open, counts.overdue],
        [8, 5, 4, 3, 2],
        "37 is due this very moment"
    );
    // 2, 3, 4 and 10 days.
    assert_eq!((counts.median_days, counts.mean_days), (Some(Hundredths(350)), Some(Hundredths(475))));
    assert_eq!(counts.states["closed"], 4);
    assert_eq!(counts.grades["severe"], 2);
    assert_eq!((all.households, all.inspected), (Some(4), Some(2)));
    assert_eq!(all.inspected_share.unwrap().to_string(), "50.00");
    let later = HazardStatisticsFilter { from_ms: DAY_MS, ..ALL };
    let later = statistics(&scene, &later).total;
    assert_eq!((later.counts.found, later.inspected, later.counts.median_days), (2, Some(2), None));
    let early = HazardStatisticsFilter { until_ms: DAY_MS, ..ALL };
    let early = statistics(&scene, &early).total;
    assert_eq!((early.counts.found, early.inspected), (6, Some(1)));
    let elsewhere = HazardStatisticsFilter { region: SOUTH.parse().ok(), ..ALL };
    let elsewhere = statistics(&scene, &elsewhere).total;
    assert_eq!((elsewhere.counts.found, elsewhere.households, elsewhere.inspected_share), (0, Some(0), None));
}

#[test]
fn groups_add_up_to_all() {
    let scene = scene();
    let by = |by| {
        let told = statistics(&scene, &HazardStatisticsFilter { by: Some(by), ..ALL });
        assert_eq!(told.groups.iter().map(|one| one.counts.found).sum::<u64>(), 8, "{by:?}");
        told.groups.into_iter().map(|one| (one.group.unwrap_or_default(), one.counts.found)).collect::<Vec<_>>()
    };
    let groups =
        |known: &[(&str, u64)]| known.iter().map(|(name, found)| ((*name).to_owned(), *found)).collect::<Vec<_>>();
    assert_eq!(by(HazardGrouping::Region), groups(&[(NORTH, 8)]));
    assert_eq!(by(HazardGrouping::Kind), groups(&[("electricity", 2), ("fire", 4), ("gas", 1), ("rental", 1)]));
    assert_eq!(by(HazardGrouping::Grade), groups(&[("", 6), ("severe", 2)]));
    assert_eq!(by(HazardGrouping::Use), groups(&[("rental", 8)]));
    assert_eq!(by(HazardGrouping::Item).len(), 8);
    let named = statistics(&scene, &HazardStatisticsFilter { by: Some(HazardGrouping::Item), ..ALL }).groups;
    assert_eq!((named[0].group.as_deref(), named[0].name.as_deref()), (Some("1.1"), Some("彩钢板（泡沫夹芯）隔断")));
}

#[test]
fn a_village_without_hazards_says_how_much_of_it_was_inspected() {
    let mut scene = scene();
    let mut quiet = household(70, "70号", &[]);
    quiet.region = SOUTH.parse().ok();
    scene.feed([Reading::Household(quiet)]);
    let told = statistics(&scene, &HazardStatisticsFilter { by: Some(HazardGrouping::Region), ..ALL });
    let shown: Vec<_> = told
        .groups
        .iter()
        .map(|one| (one.group.as_deref().unwrap(), one.counts.found, one.households, one.inspected))
        .collect();
    assert_eq!(shown, [(NORTH, 8, Some(4), Some(2)), (SOUTH, 0, Some(1), Some(0))]);
    assert_eq!((told.total.households, told.total.inspected), (Some(5), Some(2)));
}

#[test]
fn a_hazard_is_overdue_only_as_far_as_its_village_is_known() {
    let scene = scene();
    let overdue = |region: &str, days: i64| {
        let known = Moments([(region.to_owned(), days * DAY_MS)].into());
        statistics(&scene, &HazardStatisticsFilter { known, ..ALL }).total.counts.overdue
    };
    assert_eq!([18, 19, 20].map(|days| overdue(NORTH, days)), [0, 1, 2]);
    assert_eq!(overdue(SOUTH, 0), 2, "what is not known of others says nothing of this one");
}
