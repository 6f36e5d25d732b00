use townmesh_crdt::domain::tables::Tables;

use super::super::super::{Offender, OffenderKind, Offenders, OffendersFilter};
use super::super::pages::enterprise;
use super::recurrence::owned;
use super::*;

fn filter(kind: OffenderKind) -> OffendersFilter {
    OffendersFilter { kind, from_ms: 0, until_ms: LONG, region: None, category: None, least: 2, limit: None }
}

fn offenders(scene: &Scene, filter: &OffendersFilter) -> Offenders {
    scene.reader().offenders(filter, &Tables::default()).unwrap()
}

/// Who, how often, at how many places.
fn shown(offender: &Offender) -> (&str, u64, u64) {
    (&offender.name, offender.count, offender.places)
}

#[test]
fn an_owner_offends_in_every_dwelling_and_with_everything_that_is_found() {
    let scene = owned();
    let found = offenders(&scene, &filter(OffenderKind::Owner));
    // The first owns two dwellings; in the dwelling of the other two kinds of hazards were found.
    assert_eq!(
        found.rows.iter().map(shown).collect::<Vec<_>>(),
        [("王* 138****5678", 4, 2), ("王* 139****5678", 3, 1)]
    );
    assert_eq!((found.offenders, found.truncated, found.unknown), (2, false, 1), "a hazard is in nobody's dwelling");
    let offences: Vec<_> = found.rows[1].offences.iter().map(|one| (one.code.as_str(), one.count)).collect();
    assert_eq!(offences, [("1.10", 2), ("1.11", 1)]);
    assert_eq!((found.rows[1].key.as_deref(), found.rows[1].cases.len()), (None, 3));
    let told = serde_json::to_string(&found).unwrap();
    assert!(!told.contains("小明") && !told.contains("13812345678"), "{told}");
    let thrice = OffendersFilter { least: 4, ..filter(OffenderKind::Owner) };
    assert_eq!(offenders(&scene, &thrice).rows.len(), 1);
    let rubbish = OffendersFilter { category: Some("rubbish".into()), ..filter(OffenderKind::Owner) };
    assert_eq!(offenders(&scene, &rubbish).rows.iter().map(shown).collect::<Vec<_>>(), [("王* 138****5678", 2, 1)]);
    let first = OffendersFilter { limit: Some(1), ..filter(OffenderKind::Dwelling) };
    let found = offenders(&scene, &first);
    assert_eq!(found.rows.iter().map(shown).collect::<Vec<_>>(), [("22号", 3, 1)]);
    assert_eq!((found.rows[0].key.clone(), found.truncated, found.offenders), (Some(id(22).to_string()), true, 3));
}

#[test]
fn hazards_of_an_enterprise_are_its_own() {
    let mut scene = owned();
    scene.feed([
        enterprise(50, "幸福超市"),
        reading(51, Hazard { state: Some(HazardState::Closed), changed_at: Some(60_000), ..found(50, 4, 0) }),
        reading(52, Hazard { state: Some(HazardState::Open), ..found(50, 5, DAY) }),
    ]);
    let found = offenders(&scene, &filter(OffenderKind::Enterprise));
    assert_eq!(found.rows.iter().map(shown).collect::<Vec<_>>(), [("幸福超市", 2, 1)]);
    assert_eq!(found.rows[0].regions, [NORTH]);
}

#[test]
fn a_vehicle_offends_wherever_a_case_names_its_plate() {
    let mut scene = Scene::new();
    scene.feed([
        done(1, 0).at("村口，京A·12345 乱停", north_by(0.0)).reading(),
        done(2, DAY).at("京a12345遗撒", north_by(900.0)).called("rubble").reading(),
        done(3, 2 * DAY).at("京AD12345、冀B6789挂", None).reading(),
        done(4, 3 * DAY).at("村尾", None).reading(),
    ]);
    let found = offenders(&scene, &filter(OffenderKind::Vehicle));
    assert_eq!(found.rows.iter().map(shown).collect::<Vec<_>>(), [("京A12345", 2, 2)]);
    assert_eq!((found.rows[0].key.as_deref(), found.unknown), (Some("京A12345"), 1));
    let once = OffendersFilter { least: 1, ..filter(OffenderKind::Vehicle) };
    let names: Vec<String> = offenders(&scene, &once).rows.into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["京A12345", "京AD12345", "冀B6789挂"]);
}

#[test]
fn two_vehicles_at_one_place_are_two_offenders_whichever_case_is_open() {
    let mut scene = Scene::new();
    scene.feed([
        case(1, 0).at("京A12345", north_by(0.0)).reading(),
        case(2, DAY).at("京B67890", north_by(0.0)).reading(),
        case(3, 2 * DAY).at("京A12345", north_by(0.0)).reading(),
    ]);
    let once = OffendersFilter { least: 1, ..filter(OffenderKind::Vehicle) };
    let found = offenders(&scene, &once);
    let counts: Vec<_> = found.rows.iter().map(|one| (one.name.as_str(), one.count)).collect();
    assert_eq!(counts, [("京B67890", 1), ("京A12345", 1)], "the third is the first once more, which is open still");
}
