use townmesh_crdt::command::read::DeviceDayRecord;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};

use super::super::super::{Trend, TrendFilter, TrendGrouping, TrendSeries, TrendStep};
use super::*;

/// Of cases that were reported from Thursday, 1970-01-01 on.
fn filter(step: TrendStep, from_day: i64, until_day: i64) -> TrendFilter {
    // The town's days begin eight hours before those of the clock.
    let at = |day: i64| day * DAY_MS - 8 * 3_600_000;
    TrendFilter {
        from_ms: at(from_day),
        until_ms: at(until_day),
        now_ms: LONG,
        region: None,
        category: None,
        source: None,
        by: TrendGrouping::Category,
        step,
        limit: None,
    }
}

fn trend(scene: &Scene, filter: &TrendFilter) -> Trend {
    scene.reader().trend(filter).unwrap()
}

fn counts(series: &TrendSeries) -> Vec<u64> {
    series.points.iter().map(|point| point.count).collect()
}

/// So many cases on the days given, each at noon.
fn scene(days: impl IntoIterator<Item = (i64, u32)>) -> Scene {
    let mut scene = Scene::new();
    let mut number = 0;
    for (day, cases) in days {
        scene.feed((0..cases).map(|_| {
            number += 1;
            case(number, day * DAY + 4 * HOUR).reading()
        }));
    }
    scene
}

#[test]
fn cases_are_counted_by_day_week_and_month() {
    let mut scene = scene([(0, 2), (1, 1), (4, 3), (31, 1)]);
    // The last minute of a day in the town, and the first of the next; of another category.
    scene.feed([16 * HOUR - 1, 16 * HOUR].map(|minute| case(80 + minute as u32 % 2, minute).called("order").reading()));
    let days = trend(&scene, &filter(TrendStep::Day, 0, 5));
    assert_eq!(counts(&days.total), [3, 2, 0, 0, 3]);
    let named: Vec<_> = days.rows.iter().map(|one| (one.group.as_deref().unwrap(), counts(one))).collect();
    assert_eq!(named, [("rubbish", vec![2, 1, 0, 0, 3]), ("order", vec![1, 1, 0, 0, 0])]);
    // From Monday, 29 December on; the 5th of January is the next one.
    let weeks = trend(&scene, &filter(TrendStep::Week, 0, 5));
    assert_eq!(counts(&weeks.total), [5, 3]);
    assert_eq!(weeks.total.points[0].begin.to_string(), "1969-12-29");
    let months = trend(&scene, &filter(TrendStep::Month, 0, 32));
    assert_eq!(
        (counts(&months.total), months.total.points[1].begin.to_string()),
        (vec![8, 1], "1970-02-01".to_owned())
    );
    let one = TrendFilter { category: Some("order".into()), ..filter(TrendStep::Day, 0, 5) };
    assert_eq!(counts(&trend(&scene, &one).total), [1, 1, 0, 0, 0]);
    let first = TrendFilter { limit: Some(1), ..filter(TrendStep::Day, 0, 5) };
    assert_eq!((trend(&scene, &first).rows.len(), trend(&scene, &first).truncated), (1, true));
    let elsewhere = TrendFilter { region: SOUTH.parse().ok(), ..filter(TrendStep::Day, 0, 5) };
    assert_eq!(counts(&trend(&scene, &elsewhere).total), [0; 5]);
}

#[test]
fn a_number_that_stands_out_from_the_same_weekdays_is_marked() {
    // Four on each Thursday, none on other days, and eleven or twelve on the ninth Thursday.
    let thursdays = |last: u32| scene((0..8).map(|week| (week * 7, 4)).chain([(56, last)]));
    let ninth = |last| trend(&thursdays(last), &filter(TrendStep::Day, 56, 57)).total.points.remove(0);
    // The scale is the root of four.
    let calm = ninth(11);
    assert_eq!((calm.median, calm.deviations, calm.anomaly), (Some(4.0), Some(3.5), false));
    let flood = ninth(12);
    assert_eq!((flood.median, flood.deviations, flood.anomaly), (Some(4.0), Some(4.0), true));
    let day_after = trend(&thursdays(12), &filter(TrendStep::Day, 57, 58)).total.points.remove(0);
    assert_eq!((day_after.median, day_after.anomaly), (Some(0.0), false), "Fridays are compared with Fridays");
}

#[test]
fn what_is_too_young_or_not_over_is_not_judged() {
    let scene = scene((0..12).map(|week| (week * 7, 4)).chain([(84, 40)]));
    let weeks = trend(&scene, &filter(TrendStep::Week, 0, 90)).total.points;
    let judged: Vec<bool> = weeks.iter().map(|point| point.median.is_some()).collect();
    // The first case came in the middle of the first week, which is compared with nothing.
    assert_eq!(judged, [[false; 7].as_slice(), &[true; 7]].concat());
    assert!(weeks[12].anomaly && !weeks[11].anomaly);
    let today = TrendFilter { now_ms: 85 * DAY_MS, ..filter(TrendStep::Week, 0, 90) };
    let last = trend(&scene, &today).total.points.remove(12);
    assert_eq!((last.count, last.complete, last.median, last.anomaly), (40, false, None, false));
    let scatter = self::scene(
        [2, 9, 4, 7, 3, 8, 5, 6].into_iter().zip((0..).map(|week| week * 7)).map(|(count, day)| (day, count)),
    );
    let ninth = trend(&scatter, &filter(TrendStep::Day, 56, 57)).total.points.remove(0);
    // The median of 2 to 9 is 5.5, their deviations from it have the median 2, and 2 times 1.4826 is more than the root of 5.5.
    assert_eq!((ninth.median, ninth.deviations), (Some(5.5), Some(-1.85)));
}

/// A device's day with alarms at these minutes of it.
fn alarms(number: u32, device: &str, day: i64, minutes: &[i64]) -> Reading {
    let event = |minute: &i64| DeviceEvent {
        time_ms: day * DAY_MS - 8 * 3_600_000 + minute * 60_000,
        kind: "smoke".into(),
        key: EventKey::Time,
        value: EventValue::Empty,
        alarm: true,
        device: device.into(),
    };
    let events = minutes.iter().map(event).collect();
    let record = DeviceDayRecord { id: id(number), device: device.into(), day: Day(day as i32), events, unreadable: 0 };
    Reading::DeviceDay(record)
}

#[test]
fn the_alarms_of_each_device_are_judged_by_its_own_days() {
    let mut scene = Scene::new();
    // Once a Thursday for eight weeks; on the ninth in six hours, in one of them twice.
    let weeks = (0..8).map(|week| alarms(week, "mqtt:smoke-1", i64::from(week) * 7, &[10]));
    let ninth = alarms(8, "mqtt:smoke-1", 56, &[10, 20, 70, 130, 190, 250, 310]);
    scene.feed(weeks.chain([ninth, alarms(9, "mqtt:smoke-2", 56, &[0])]));
    let by_device = TrendFilter { by: TrendGrouping::Device, ..filter(TrendStep::Day, 56, 57) };
    let trend = trend(&scene, &by_device);
    let told: Vec<_> = trend.rows.iter().map(|one| (one.group.as_deref().unwrap(), counts(one))).collect();
    assert_eq!(told, [("mqtt:smoke-1", vec![6]), ("mqtt:smoke-2", vec![1])]);
    let judged: Vec<_> = trend.rows.iter().map(|one| (one.points[0].median, one.points[0].anomaly)).collect();
    assert_eq!(judged, [(Some(1.0), true), (Some(0.0), false)]);
    assert_eq!(counts(&trend.total), [7]);
}

#[test]
fn cases_are_counted_by_where_they_come_from() {
    let mut scene = scene([(0, 2)]);
    scene.feed([Life::filed(70, NORTH, Source::Video).at("", None).reading()]);
    let by_source = TrendFilter { by: TrendGrouping::Source, ..filter(TrendStep::Day, 0, 1) };
    let told: Vec<_> = trend(&scene, &by_source).rows.into_iter().map(|one| (one.group.unwrap(), one.count)).collect();
    assert_eq!(told, [("patrol".to_owned(), 2), ("video".to_owned(), 1)]);
    let video = TrendFilter { source: Some(Source::Video), ..by_source };
    assert_eq!(counts(&trend(&scene, &video).total), [1]);
}
