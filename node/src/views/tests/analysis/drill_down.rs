//! The cases behind an answer are as many as it says.

use townmesh_crdt::domain::case::Source;

use super::super::super::{HotSpotFilter, HoursOfWeek, Page, SpotSource, TrendFilter, TrendGrouping, TrendStep};
use super::*;

/// Cases of two squares, two categories and two sources over some days; one without a place.
fn town() -> Scene {
    let mut scene = Scene::new();
    let at = |number: u32, minute: i64, metres: f64| case(number, minute).at("", north_by(metres));
    let public = Life::filed(5, NORTH, Source::Public).at("", north_by(1_000.0)).later(3 * DAY);
    scene.feed([
        at(1, 0, 0.0).reading(),
        at(2, DAY, 0.0).called("order").reading(),
        at(3, DAY + HOUR, 0.0).reading(),
        at(4, 7 * DAY, 1_000.0).reading(),
        public.reading(),
        case(6, 2 * DAY).reading(),
    ]);
    scene
}

#[test]
fn behind_a_square_and_its_hours() {
    let scene = town();
    let reader = scene.reader();
    let of = Some(SpotSource::Cases);
    let filter = HotSpotFilter { from_ms: 0, until_ms: LONG, of, ..HotSpotFilter::default() };
    let spots = reader.hot_spots(&filter).unwrap();
    let behind = |filter: &HotSpotFilter, hours| {
        reader.hot_spot_cases(filter, hours, LONG, &Page::default()).unwrap().rows.len() as u64
    };
    assert_eq!(spots.rows.iter().map(|spot| spot.counts.cases).collect::<Vec<_>>(), [3, 2]);
    for spot in &spots.rows {
        let there = HotSpotFilter { square: Some(spot.square), ..filter.clone() };
        assert_eq!(behind(&there, HoursOfWeek::default()), spot.counts.cases);
        for peak in &spot.peaks {
            let hours = HoursOfWeek { weekday: Some(peak.weekday), hour: Some(peak.hour) };
            assert_eq!(behind(&there, hours), peak.weight, "{peak:?}");
        }
    }
    // Thursday at eight, twice, and Friday at eight; the one without a place stands nowhere.
    let eight = HoursOfWeek { weekday: None, hour: Some(8) };
    assert_eq!(behind(&filter, HoursOfWeek { weekday: Some(4), ..eight }), 2);
    assert_eq!((behind(&filter, eight), behind(&filter, HoursOfWeek::default())), (4, 5));
    let order = HotSpotFilter { category: Some("order".into()), ..filter };
    assert_eq!(behind(&order, eight), 1);
}

#[test]
fn behind_a_point_of_a_trend() {
    let scene = town();
    let reader = scene.reader();
    let all = TrendFilter {
        from_ms: 0,
        until_ms: 8 * DAY_MS,
        now_ms: LONG,
        region: None,
        category: None,
        source: None,
        by: TrendGrouping::Category,
        step: TrendStep::Day,
        limit: None,
    };
    let public = TrendFilter { source: Some(Source::Public), ..all.clone() };
    let weeks = TrendFilter { step: TrendStep::Week, ..all.clone() };
    for (filter, count) in [(all, 6), (public, 1), (weeks, 6)] {
        let trend = reader.trend(&filter).unwrap();
        assert_eq!(trend.total.count, count, "{filter:?}");
        for series in trend.rows.iter().chain([&trend.total]) {
            let own = TrendFilter { category: series.group.clone(), ..filter.clone() };
            for point in &series.points {
                let behind = reader.trend_cases(&own, point.begin, &Page::default()).unwrap();
                assert_eq!(behind.rows.len() as u64, point.count, "{filter:?} {:?} {point:?}", series.group);
            }
        }
    }
}
