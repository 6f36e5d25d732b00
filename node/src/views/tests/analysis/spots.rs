use rusqlite::Connection;
use townmesh_crdt::command::read::{DeviceDayRecord, FieldsRecord, Reading};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device::{Device, DeviceKind};
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::namespace::Namespace;

use super::super::super::{HotSpotFilter, HotSpots, Peak, SpotCounts, SpotSource, Square};
use super::super::VILLAGE;
use super::*;

const ALL: HotSpotFilter = HotSpotFilter {
    from_ms: 0,
    until_ms: LONG,
    region: None,
    of: None,
    category: None,
    source: None,
    device_kind: None,
    square: None,
    limit: None,
};

fn device(number: u32, code: &str, kind: DeviceKind, position: Option<Position>) -> Reading {
    let record = Device { code: Some(code.into()), kind: Some(kind), position, ..Device::default() };
    Reading::Device(FieldsRecord { id: id(number), record, conflicts: Vec::new(), settled: Vec::new() })
}

/// An event so many minutes after midnight in the town, on a day.
fn event(device: &str, kind: &str, day: i64, minute: i64) -> DeviceEvent {
    let time_ms = (day * DAY + minute - 8 * HOUR) * 60_000;
    let (kind, device, alarm) = (kind.to_owned(), device.to_owned(), kind == "smoke");
    DeviceEvent { time_ms, kind, key: EventKey::Time, value: EventValue::Empty, alarm, device }
}

fn day(number: u32, device: &str, day: i32, events: Vec<DeviceEvent>) -> Reading {
    let device = device.to_owned();
    Reading::DeviceDay(DeviceDayRecord { id: id(number), device, day: Day(day), events, unreadable: 0 })
}

/// Two cases and a hazard's case in one square, one far away, one nowhere; a detector in the first, another that nobody recorded.
fn scene() -> Scene {
    let mut scene = Scene::new();
    let mut house = household(20, "1号", &[]);
    house.household.position = north_by(20.0);
    let smoke = |minute| event("d1", "smoke", 3, minute);
    scene.feed([
        case(1, 0).at("a", north_by(0.0)).reading(),
        case(2, 7 * DAY).at("b", north_by(10.0)).called("order").reading(),
        case(3, 5 * HOUR).at("c", north_by(2_000.0)).reading(),
        case(4, 0).at("d", None).reading(),
        // Of a hazard in the household: that is where it is.
        case(5, 0).at("e", None).reading(),
        Life::new(6, NORTH, Source::Patrol).at("f", north_by(0.0)).reading(),
        Reading::Household(house),
        reading(30, Hazard { case: Some(id(5)), ..found(20, 4, HOUR) }),
        device(40, "D1", DeviceKind::Smoke, north_by(5.0)),
        device(41, "d2", DeviceKind::Gas, north_by(2_000.0)),
        // A Sunday: three times in one hour, once in another.
        day(50, "d1", 3, [61, 62, 63, 125].map(smoke).into_iter().chain([event("d1", "pm10", 3, 61)]).collect()),
        day(51, "d2", 4, vec![event("d2", "smoke", 4, 1_439)]),
        day(52, "d9", 3, vec![event("d9", "smoke", 3, 0), event("d9", "smoke", 3, 1)]),
    ]);
    scene
}

fn spots(scene: &Scene, filter: &HotSpotFilter) -> HotSpots {
    scene.reader().hot_spots(filter).unwrap()
}

fn weights(spots: &HotSpots) -> Vec<u64> {
    spots.rows.iter().map(|row| row.counts.weight).collect()
}

fn hour(weekday: usize, hour: usize) -> usize {
    (weekday - 1) * 24 + hour
}

#[test]
fn what_gathers_is_counted_by_square_and_hour_of_the_week() {
    let scene = scene();
    let found = spots(&scene, &ALL);
    let counts = |weight, cases, hazards, alarms| SpotCounts { weight, cases, hazards, alarms, events: 0 };
    assert_eq!(found.rows.len(), 2);
    // 1, 2, 5, which is the hazard, and 6; two hours with alarms.
    assert_eq!(found.rows[0].counts, counts(6, 4, 0, 4));
    assert_eq!(found.rows[1].counts, counts(2, 1, 0, 1));
    assert_eq!(found.total, counts(8, 5, 0, 5));
    assert_eq!(found.unplaced, counts(2, 1, 0, 2), "case 4, an hour of an unknown device");
    assert_eq!(Some(found.rows[0].square), north_by(0.0).map(Square::of));
    let peak = |weekday, hour, weight| Peak { weekday, hour, weight };
    assert_eq!(found.rows[0].peaks, [peak(4, 8, 4), peak(7, 1, 1), peak(7, 2, 1)]);
    let at = |weekday, of_day| found.hours[hour(weekday, of_day)];
    assert_eq!([at(4, 8), at(4, 9), at(4, 13), at(7, 1), at(7, 2), at(1, 23)], [4, 0, 1, 1, 1, 1]);
    assert_eq!((found.hours.len(), found.hours.iter().sum::<u64>()), (168, 8));
}

#[test]
fn only_what_is_asked_for_counts() {
    let scene = scene();
    let with = |filter: HotSpotFilter| weights(&spots(&scene, &filter));
    assert_eq!(with(HotSpotFilter { of: Some(SpotSource::Cases), ..ALL }), [4, 1]);
    assert_eq!(with(HotSpotFilter { of: Some(SpotSource::Hazards), ..ALL }), [1]);
    assert_eq!(with(HotSpotFilter { of: Some(SpotSource::Alarms), ..ALL }), [2, 1]);
    // What is no alarm weighs by itself.
    assert_eq!(with(HotSpotFilter { of: Some(SpotSource::Events), ..ALL }), [5, 1]);
    assert_eq!(with(HotSpotFilter { category: Some("order".into()), ..ALL }), [1]);
    assert_eq!(with(HotSpotFilter { source: Some(Source::Patrol), ..ALL }), [4, 1], "of cases alone");
    assert!(with(HotSpotFilter { source: Some(Source::Video), ..ALL }).is_empty());
    assert_eq!(with(HotSpotFilter { device_kind: Some(DeviceKind::Gas), ..ALL }), [1]);
    let gas = HotSpotFilter { device_kind: Some(DeviceKind::Gas), ..ALL };
    assert_eq!(spots(&scene, &gas).unplaced, SpotCounts::default(), "of no kind that is known");
    assert!(with(HotSpotFilter { region: SOUTH.parse().ok(), ..ALL }).is_empty());
    assert_eq!(with(HotSpotFilter { square: north_by(2_000.0).map(Square::of), ..ALL }), [2]);
    let first = spots(&scene, &HotSpotFilter { limit: Some(1), ..ALL });
    assert_eq!((weights(&first), first.truncated, first.total.weight), (vec![6], true, 8));
    assert!(!spots(&scene, &HotSpotFilter { limit: Some(2), ..ALL }).truncated);
}

#[test]
fn a_period_has_its_first_moment_and_not_its_last() {
    let scene = scene();
    let minutes = |from: i64, until: i64, of| {
        let filter = HotSpotFilter { from_ms: from * 60_000, until_ms: until * 60_000, of: Some(of), ..ALL };
        spots(&scene, &filter).total
    };
    let cases = |from, until| minutes(from, until, SpotSource::Cases).cases;
    assert_eq!([cases(0, 1), cases(1, 5 * HOUR), cases(1, 5 * HOUR + 1), cases(7 * DAY, LONG)], [3, 0, 1, 1]);
    // Alarms by whole hours: those of the Sunday from one on, and from two on.
    let one = 3 * DAY + HOUR - 8 * HOUR;
    let alarms = |from, until| minutes(from, until, SpotSource::Alarms).alarms;
    assert_eq!([alarms(one, one + HOUR), alarms(one + 1, one + 2 * HOUR), alarms(one, one + 2 * DAY)], [3, 1, 5]);
}

/// A day's document, kind of event, whether it is an alarm, hour of the day, how many.
type HourRow = (i64, String, bool, i64, i64);

/// Hours as they are kept, and as the events have them.
fn kept_and_counted(scene: &Scene) -> [Vec<HourRow>; 2] {
    let connection = Connection::open(scene.path()).unwrap();
    let hours: Vec<String> = (0..24)
        .map(|hour| {
            format!("SELECT row, kind, alarm, {hour} AS hour, h{hour} AS count FROM device_hour WHERE h{hour} > 0")
        })
        .collect();
    let counted =
        "SELECT row, kind, alarm, (time_ms / 3600000 + 8) % 24 AS hour, count(*) FROM device_event GROUP BY 1, 2, 3, 4";
    [hours.join(" UNION ALL "), counted.to_owned()].map(|sql| {
        let mut statement = connection.prepare(&format!("{sql} ORDER BY 1, 2, 3, 4")).unwrap();
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        statement.query_map([], read).unwrap().map(Result::unwrap).collect()
    })
}

#[test]
fn hours_follow_a_day_that_grows_loses_events_and_goes() {
    let mut scene = scene();
    let smoke = |minute| event("d1", "smoke", 3, minute);
    let check = |scene: &Scene, rows: usize| {
        let [kept, counted] = kept_and_counted(scene);
        assert_eq!((kept.len(), &kept), (rows, &counted));
    };
    check(&scene, 5);
    scene.feed([day(50, "d1", 3, [61, 62, 63, 125, 500].map(smoke).into())]);
    check(&scene, 5);
    scene.feed([day(50, "d1", 3, vec![smoke(62)])]);
    check(&scene, 3);
    scene.feed([day(50, "d1", 3, [event("d1", "pm10", 3, 62)].into())]);
    check(&scene, 3);
    assert_eq!(spots(&scene, &HotSpotFilter { of: Some(SpotSource::Alarms), ..ALL }).total.alarms, 1);
    let mut gone = scene.line(Reading::Nothing);
    gone.0.document = id(50);
    scene.views.apply(&[gone], 99).unwrap();
    check(&scene, 2);
    scene.views.forget(&Namespace::registry(VILLAGE)).unwrap();
    check(&scene, 0);
}
