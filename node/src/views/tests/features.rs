//! Features of the map: where they are, what is told of them, and which of them a box holds.

use proptest::prelude::*;
use serde_json::{Value, json};
use townmesh_crdt::command::read::FieldsRecord;
use townmesh_crdt::domain::device::Device;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::domain::town::Grid;
use townmesh_crdt::policy::DocumentKind;

use super::*;
use crate::views::query::BoundingBox;
use crate::views::{Collection, Feature, FeatureFilter};

fn at(latitude: f64, longitude: f64) -> Position {
    Position::from_degrees(latitude, longitude).unwrap()
}

fn fields<T>(number: u32, record: T) -> FieldsRecord<T> {
    FieldsRecord { id: id(number), record, conflicts: Vec::new(), settled: Vec::new() }
}

fn device(number: u32, position: Option<Position>) -> Reading {
    let device = Device { code: Some(format!("d{number}")), position, ..Device::default() };
    Reading::Device(fields(number, device))
}

/// Every feature, page by page.
fn features(scene: &Scene, collection: Collection, filter: &FeatureFilter, limit: u32) -> Vec<Feature> {
    let (reader, mut page, mut all) = (scene.reader(), Page { limit: Some(limit), after: None }, Vec::new());
    loop {
        let listed = reader.features(collection, filter, &page).unwrap();
        assert!(listed.rows.len() <= limit as usize);
        all.extend(listed.rows);
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return all,
        }
    }
}

fn as_json(feature: &Feature) -> Value {
    serde_json::to_value(feature).unwrap()
}

#[test]
fn an_area_is_a_closed_ring_against_the_clock_whichever_way_it_was_drawn() {
    let mut scene = Scene::new();
    let corners = [at(39.0, 116.0), at(39.0, 116.2), at(39.1, 116.2), at(39.1, 116.0)];
    let backwards: Vec<Position> = corners.iter().rev().copied().collect();
    let grid =
        |corners: &[Position]| Grid { polygon: Some(Polygon::new(corners.to_vec()).unwrap()), ..Grid::default() };
    scene.feed([Reading::Grid(fields(1, grid(&corners))), Reading::Grid(fields(2, grid(&backwards)))]);
    for feature in features(&scene, Collection::Grids, &FeatureFilter::default(), 10) {
        let geometry = as_json(&feature)["geometry"].clone();
        let ring: Vec<(f64, f64)> = serde_json::from_value(geometry["coordinates"][0].clone()).unwrap();
        assert_eq!((ring.len(), ring[0]), (5, ring[4]), "{geometry}");
        let twice: f64 = ring.windows(2).map(|edge| edge[0].0 * edge[1].1 - edge[1].0 * edge[0].1).sum();
        assert!(twice > 0.0, "{geometry}");
    }
    // A box within an area meets it, though it holds none of its corners.
    let bounds = Some(BoundingBox { southwest: at(39.04, 116.1), northeast: at(39.05, 116.11) });
    assert_eq!(features(&scene, Collection::Grids, &FeatureFilter { bounds, ..FeatureFilter::default() }, 10).len(), 2);
}

#[test]
fn an_area_is_not_met_by_a_box_in_its_notch() {
    let mut scene = Scene::new();
    let corners = [(0.0, 0.0), (0.0, 3.0), (1.0, 3.0), (1.0, 1.0), (3.0, 1.0), (3.0, 0.0)];
    let corners = corners.map(|(latitude, longitude)| at(latitude, longitude)).to_vec();
    scene.feed([Reading::Grid(fields(1, Grid { polygon: Polygon::new(corners).ok(), ..Grid::default() }))]);
    let met = |south, west, north, east| {
        let bounds = Some(BoundingBox { southwest: at(south, west), northeast: at(north, east) });
        features(&scene, Collection::Grids, &FeatureFilter { bounds, ..FeatureFilter::default() }, 10).len() == 1
    };
    assert!(!met(1.5, 1.5, 2.5, 2.5), "in the notch");
    assert!(
        met(1.5, 0.5, 2.5, 2.5) && met(0.5, -9.0, 0.6, 9.0) && met(0.2, 0.2, 0.3, 0.3) && met(-9.0, -9.0, 9.0, 9.0)
    );
    assert!(!met(5.0, -170.0, 6.0, 170.0) && met(-1.0, 2.0, 1.0, -179.0), "across the 180th meridian");
}

#[test]
fn a_number_of_a_person_in_a_place_is_masked() {
    let mut scene = Scene::new();
    let device = Device { code: Some("d1".into()), place: Some("王家 13812345678".into()), ..Device::default() };
    scene.feed([Reading::Device(fields(1, device))]);
    let shown = as_json(&features(&scene, Collection::Devices, &FeatureFilter::default(), 10)[0]);
    assert_eq!(shown["properties"]["place"], "王家 ***");
}

#[test]
fn a_door_shows_its_mark_and_nobody_behind_it() {
    let mut scene = Scene::new();
    scene.feed([
        Reading::Household(household(1, "幸福路1号", &["王小明"])),
        hazard(2, 1, Grade::Severe, HazardState::Open),
    ]);
    let doors = features(&scene, Collection::Dwellings, &FeatureFilter::default(), 10);
    let door = as_json(&doors[0]);
    assert_eq!(door["type"], "Feature");
    assert_eq!(door["geometry"], json!({ "type": "Point", "coordinates": [116.3, 39.8001] }));
    let shown = json!({ "region": VILLAGE, "address": "幸福路1号", "use": "rental", "rooms": 8,
                        "tenant_limit": null, "mark": "red" });
    assert_eq!(door["properties"], shown);
    assert!(!door.to_string().contains("王"), "{door}");
}

#[test]
fn a_hazard_is_where_its_household_is_and_has_a_time() {
    let mut scene = Scene::new();
    scene.feed([
        Reading::Household(household(1, "幸福路1号", &[])),
        hazard(2, 1, Grade::General, HazardState::Open),
        hazard(3, 99, Grade::General, HazardState::Open),
    ]);
    let all = features(&scene, Collection::Hazards, &FeatureFilter::default(), 10);
    let placed = |feature: &Feature| as_json(feature)["geometry"]["coordinates"].clone();
    assert_eq!(all.iter().map(placed).collect::<Vec<_>>(), [json!([116.3, 39.8001]), Value::Null]);
    assert_eq!(as_json(&all[0])["properties"]["found"], "1970-01-01T00:00:01.000Z");
    let bounds = Some(BoundingBox { southwest: at(39.8, 116.2), northeast: at(39.9, 116.4) });
    let within = features(&scene, Collection::Hazards, &FeatureFilter { bounds, ..FeatureFilter::default() }, 10);
    assert_eq!(within, all[..1]);
    let count = |from_ms, until_ms| {
        features(&scene, Collection::Hazards, &FeatureFilter { from_ms, until_ms, ..FeatureFilter::default() }, 10)
            .len()
    };
    assert_eq!((count(Some(1_000), None), count(Some(1_001), None)), (2, 0));
    assert_eq!((count(None, Some(1_000)), count(None, Some(1_001))), (0, 2));
}

#[test]
fn what_has_no_time_is_there_at_any_time_and_what_is_gone_is_not() {
    let mut scene = Scene::new();
    let region = Region { code: VILLAGE.parse().ok(), position: Some(at(39.8, 116.3)), ..Region::default() };
    scene.feed([Reading::Region(fields(1, region)), device(2, Some(at(39.8, 116.3)))]);
    let late = FeatureFilter { from_ms: Some(i64::MAX), ..FeatureFilter::default() };
    assert_eq!(features(&scene, Collection::Devices, &late, 10).len(), 1);
    assert_eq!(features(&scene, Collection::Regions, &late, 10).len(), 1);
    let one = |number| scene.reader().feature(Collection::Devices, id(number)).unwrap();
    assert_eq!(one(2).map(|feature| feature.id), Some(id(2).to_string()));
    assert_eq!(one(1), None, "a region is no device");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_box_holds_what_lies_in_it_however_it_is_looked_for(
        places in proptest::collection::vec(proptest::option::weighted(0.9, (-9..=9_i32, -18..=18_i32)), 1..60),
        (south, north) in (-9..=9_i32, 0..=6_i32),
        (west, east) in (-18..=18_i32, -18..=18_i32),
        limit in 1..20_u32,
    ) {
        let tens = |(latitude, longitude): (i32, i32)| at(f64::from(latitude) * 10.0, f64::from(longitude) * 10.0);
        let mut scene = Scene::new();
        // Households in the same places must not be taken for devices.
        scene.feed((100..110).map(|number| Reading::Household(household(number, "1号", &[]))));
        scene.feed((1..).zip(&places).map(|(number, place)| device(number, place.map(tens))));
        let bounds = BoundingBox { southwest: tens((south, west)), northeast: tens(((south + north).min(9), east)) };
        let inside = |place: &Option<(i32, i32)>| place.is_some_and(|(latitude, longitude)| {
            let is_between = if west <= east {
                (west..=east).contains(&longitude)
            } else {
                longitude >= west || longitude <= east
            };
            (south..=(south + north).min(9)).contains(&latitude) && is_between
        });
        let wanted: Vec<String> =
            (1..).zip(&places).filter(|(_, place)| inside(place)).map(|(number, _)| id(number).to_string()).collect();
        let filter = FeatureFilter { bounds: Some(bounds), ..FeatureFilter::default() };
        let found: Vec<String> =
            features(&scene, Collection::Devices, &filter, limit).into_iter().map(|feature| feature.id).collect();
        prop_assert_eq!(&found, &wanted);
        for collection in Collection::ALL {
            prop_assert!(scene.reader().features_by(collection, &filter, &Page::default(), -1).is_ok());
        }
        // As in a crowd, where the table is walked through.
        let reader = scene.reader();
        let walked = reader.features_by(Collection::Devices, &filter, &Page { limit: Some(100), after: None }, -1).unwrap();
        prop_assert_eq!(walked.rows.into_iter().map(|feature| feature.id).collect::<Vec<_>>(), wanted);
    }
}

#[test]
fn kinds_stand_apart_in_the_index_by_more_than_a_town() {
    let axis = crate::views::query::kind_axis;
    let ((first, end), (next, _)) = (axis(DocumentKind::Region), axis(DocumentKind::Grid));
    assert!(end > first && next > end + 5_000_000, "a degree is 10,000,000 units");
    let greatest = DocumentKind::ALL.iter().map(|kind| *kind as u8).max().unwrap();
    assert!(greatest < 127, "it would not fit");
}
