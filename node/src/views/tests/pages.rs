//! Pages of every list, put together, are the list: though rows share what the list is ordered by, or lack it.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Serialize;
use townmesh_crdt::command::book::BookEntry;
use townmesh_crdt::command::read::{CaseRecord, DeviceDayRecord, FieldsRecord, InspectionRecord, InspectionsRecord};
use townmesh_crdt::command::track::TrackRecord;
use townmesh_crdt::domain::books::BookKind;
use townmesh_crdt::domain::case::{
    Action, Assignment, CaseEvent, FoldInput, LifeCycle, LimitClock, Report, Severity, Source, fold,
};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device::Device;
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::inspection::Inspection;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::town::{Member, Team};
use townmesh_crdt::domain::track::TrackPoint;
use townmesh_crdt::id::{NodeId, RecordId};
use townmesh_crdt::value::Value;

use super::super::{
    AlarmFilter, BookFilter, CaseFilter, Collection, ConflictFilter, DeviceEventFilter, DeviceFilter, FeatureFilter,
    HazardFilter, InspectionFilter, Listed, OrderFilter, QueryError, TrackFilter,
};
use super::*;

/// What rows are ordered by: few values, so that many share one.
const WORDS: [&str; 3] = ["甲", "乙", "\"长\\"];

/// A word of the list; the last of them longer than a cursor holds.
fn word(sort: usize) -> String {
    WORDS.get(sort).map_or_else(|| "长".repeat(200), |word| (*word).to_owned())
}

fn fields<T>(number: u32, record: T) -> FieldsRecord<T> {
    FieldsRecord { id: id(number), record, conflicts: Vec::new(), settled: Vec::new() }
}

/// A case with two orders of the same moment, and two dispatches apart, which is a conflict.
fn case(number: u32, minute: u64) -> Reading {
    let report = Report {
        source: Source::Patrol,
        category: Some("rubbish".into()),
        place: "东口".into(),
        position: None,
        description: "垃圾".into(),
        region: VILLAGE.parse().ok(),
        device: None,
        reporter: None,
        photos: Vec::new(),
        found_ms: None,
    };
    let assignment = |team: &str| Assignment { team: team.into(), task: "清运".into() };
    let dispatch = || Action::Dispatch { orders: vec![assignment("A"), assignment("B")], lead: 0 };
    let filed = Action::File {
        category: "rubbish".into(),
        severity: Severity::General,
        minutes: 480,
        clock: LimitClock::Working,
    };
    let steps = [
        (1_u8, 0_u8, Role::Inspector, Action::Report(Box::new(report))),
        (2, 1, Role::IntakeClerk, Action::Accept),
        (3, 2, Role::DutyHead, filed),
        (4, 3, Role::Dispatcher, dispatch()),
        (5, 3, Role::Dispatcher, dispatch()),
    ];
    let events: BTreeMap<RecordId, FoldInput> = steps
        .into_iter()
        .map(|(step, seen, role, action)| {
            let seen = (seen > 0).then_some(RecordId([seen; 16])).into_iter().collect();
            let event = CaseEvent {
                case: id(number),
                by: "x".into(),
                role,
                seen,
                note: None,
                action,
                rules: None,
                restates: None,
            };
            let time = (minute * 60_000) << 16;
            (RecordId([step; 16]), FoldInput { event, time, author: NodeId([1; 32]), void: None })
        })
        .collect();
    Reading::Case(CaseRecord {
        id: id(number),
        case: fold(&events, &LifeCycle::default()),
        unreadable: 0,
        steps: vec![],
    })
}

/// The same events of one device, as another village may have them.
fn device_day(number: u32, count: usize) -> Reading {
    let event = |minute: i64| DeviceEvent {
        time_ms: 10 * 86_400_000 + minute * 60_000,
        kind: "smoke".into(),
        key: EventKey::Time,
        value: EventValue::Empty,
        alarm: true,
        device: "d1".into(),
    };
    let events = (0..=count as i64).map(event).collect();
    Reading::DeviceDay(DeviceDayRecord { id: id(number), device: "d1".into(), day: Day(10), events, unreadable: 0 })
}

fn inspections(number: u32, count: usize) -> Reading {
    let inspection = |place: u8| InspectionRecord {
        id: RecordId([place; 16]),
        author: NodeId([1; 32]),
        void: false,
        inspection: Inspection {
            household: id(1),
            by: "x".into(),
            time_ms: 5,
            checklist: 1,
            answers: BTreeMap::new(),
            note: None,
            photos: vec![],
            position: None,
        },
    };
    let inspections = (0..=count as u8).map(inspection).collect();
    Reading::Inspections(InspectionsRecord { id: id(number), inspections, unreadable: 0 })
}

pub(super) fn enterprise(number: u32, name: &str) -> Reading {
    let text = |text: &str| Value::Text(text.into());
    let entry = BookEntry {
        id: id(number),
        book: BookKind::Enterprise,
        // Its name.
        fields: [(2, text(name))].into(),
        person: None,
        person_state: PersonalState::Open,
        conflicts: vec![],
        settled: vec![],
    };
    Reading::Book(entry)
}

fn track(number: u32, count: usize) -> Reading {
    let point = |second: i64| TrackPoint::new(second * 1_000, Position::from_degrees(39.7, 116.3).unwrap());
    let points = (0..=count as i64).map(point).collect();
    let record = TrackRecord { id: id(number), node: NodeId([1; 32]), day: Day(10), points, unreadable: 0 };
    Reading::Track(record)
}

/// A document of every list, for one sort value each.
fn readings(sorts: &[usize]) -> Vec<Reading> {
    let documents = (0_u32..).zip(sorts).flat_map(|(number, sort)| {
        let at = |list: u32| list * 1_000 + number;
        let changed_at = [None, Some(5), Some(6), Some(7)].get(*sort).copied().flatten();
        let found = Hazard { state: Some(HazardState::Open), changed_at, ..Hazard::default() };
        let code = Some(word(*sort));
        [
            case(at(1), *sort as u64),
            Reading::Hazard(HazardRecord {
                id: id(at(2)),
                record: found,
                steps: vec![],
                conflicts: vec![],
                settled: vec![],
            }),
            inspections(at(3), *sort),
            Reading::Device(fields(at(4), Device { code: code.clone(), ..Device::default() })),
            device_day(at(5), *sort),
            Reading::Member(fields(at(6), Member { code: code.clone(), ..Member::default() })),
            Reading::Team(fields(at(7), Team { code, ..Team::default() })),
            Reading::Household(household(at(8), &word(*sort), &["王五"])),
            enterprise(at(9), &word(*sort)),
            track(at(10), *sort),
        ]
    });
    documents.collect()
}

/// Holds the pages of a list against the whole of it, which has so many rows.
fn check<T: Serialize>(list: &str, count: usize, ask: impl Fn(&Page) -> Result<Listed<T>, QueryError>) {
    let shown = |rows: Vec<T>| rows.iter().map(|row| serde_json::to_string(row).unwrap()).collect::<Vec<_>>();
    let whole = ask(&Page { limit: Some(500), after: None }).unwrap();
    assert!(whole.next.is_none() && whole.rows.len() == count, "{list}: {} rows, not {count}", whole.rows.len());
    let whole = shown(whole.rows);
    for limit in 1..=3 {
        let (mut page, mut rows) = (Page { limit: Some(limit), after: None }, Vec::new());
        loop {
            let listed = ask(&page).unwrap_or_else(|error| panic!("{list} by {limit}: {error}"));
            assert!(listed.rows.len() <= limit as usize && rows.len() <= count, "{list} by {limit} repeats rows");
            rows.extend(shown(listed.rows));
            match listed.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        assert_eq!(rows, whole, "{list} by {limit}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn no_row_is_lost_or_repeated_where_rows_share_what_they_are_ordered_by(
        sorts in proptest::collection::vec(0_usize..4, 1..7),
    ) {
        let mut scene = Scene::new();
        scene.feed(readings(&sorts));
        let (reader, count) = (scene.reader(), sorts.len());
        let parts: usize = sorts.iter().map(|sort| sort + 1).sum();
        check("cases", count, |page| reader.cases(&CaseFilter::default(), page));
        check("orders", 4 * count, |page| reader.orders(&OrderFilter::default(), page));
        check("conflicts", count, |page| reader.conflicts(&ConflictFilter::default(), page, true));
        check("hazards", count, |page| reader.hazards(&HazardFilter::default(), page));
        check("inspections", parts, |page| reader.inspections_in(&InspectionFilter::default(), page));
        check("devices", count, |page| reader.devices(&DeviceFilter::default(), page));
        let of_device = DeviceEventFilter { device: "d1".into(), ..DeviceEventFilter::default() };
        check("events", parts, |page| reader.device_events(&of_device, page));
        check("alarms", parts, |page| reader.alarms(&AlarmFilter::default(), page));
        check("members", count, |page| reader.members(None, page));
        check("teams", count, |page| reader.teams(page));
        check("households", count, |page| reader.households(&HouseholdFilter::default(), page, true));
        check("enterprises", count, |page| reader.book(&BookFilter::of(BookKind::Enterprise), page, true));
        check("tracks", count, |page| reader.tracks(&TrackFilter::default(), page));
        let everywhere = FeatureFilter::default();
        for collection in [Collection::Dwellings, Collection::Hazards, Collection::Cases, Collection::Devices] {
            check(collection.name(), count, |page| reader.features(collection, &everywhere, page));
        }
        // Pages of tracks end where their points would be too many, and one that alone has too many is a page.
        for most in [1, 5, 100] {
            check("features of tracks", count, |page| match page.limit {
                Some(500) => reader.tracks_of_page(&everywhere, page, u64::MAX),
                Some(_) | None => reader.tracks_of_page(&everywhere, page, most),
            });
        }
    }
}
