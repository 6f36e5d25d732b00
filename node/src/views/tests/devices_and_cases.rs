use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::command::read::{CaseRecord, DeviceDayRecord, FieldsRecord, Reading};
use townmesh_crdt::domain::case::{
    Action, Assignment, CaseEvent, CaseState, FoldInput, LifeCycle, Report, Source, fold,
};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device::{Device, DeviceKind};
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::town::{Member, Team};
use townmesh_crdt::id::{NodeId, RecordId};

use super::super::{
    AlarmFilter, CaseFilter, ConflictFilter, DeviceEventFilter, DeviceFilter, Listed, OrderFilter, Page,
};
use super::{Scene, VILLAGE, id};

const DAY_MS: i64 = 86_400_000;

fn event(time_ms: i64, kind: &str, value: EventValue) -> DeviceEvent {
    let alarm = kind == "smoke";
    DeviceEvent { time_ms, kind: kind.into(), key: EventKey::Time, value, alarm, device: "mqtt:d1".into() }
}

fn day(number: u32, day: i32, events: Vec<DeviceEvent>) -> Reading {
    let device = "mqtt:d1".to_owned();
    Reading::DeviceDay(DeviceDayRecord { id: id(number), device, day: Day(day), events, unreadable: 0 })
}

/// The n-th minute of the n-th day, local time.
fn at(day: i64, minute: i64) -> i64 {
    day * DAY_MS - 8 * 3_600_000 + minute * 60_000
}

#[test]
fn device_events_come_by_time_over_days_and_pages() {
    let mut scene = Scene::new();
    let measured = |day| (0..4).map(|n| event(at(day, n), "pm10", EventValue::Number(n.into()))).collect();
    scene.feed([day(1, 10, measured(10)), day(2, 11, measured(11)), day(3, 12, measured(12))]);
    let reader = scene.reader();
    let filter = DeviceEventFilter {
        device: "MQTT:D1 ".into(),
        from_ms: Some(at(10, 2)),
        until_ms: Some(at(12, 1)),
        kind: None,
    };
    let mut times = Vec::new();
    let mut page = Page { limit: Some(3), after: None };
    loop {
        let Listed { rows, next } = reader.device_events(&filter, &page).unwrap();
        times.extend(rows.iter().map(|row| row.time_ms));
        page.after = next;
        if page.after.is_none() {
            break;
        }
    }
    assert_eq!(times, [at(12, 0), at(11, 3), at(11, 2), at(11, 1), at(11, 0), at(10, 3), at(10, 2)]);
}

#[test]
fn a_growing_day_keeps_each_event_once_and_drops_what_lost_its_effect() {
    let mut scene = Scene::new();
    let first = event(at(10, 1), "pm10", EventValue::Number("23.5".parse().unwrap()));
    let smoke = event(at(10, 2), "smoke", EventValue::Text("on".into()));
    scene.feed([day(1, 10, vec![first.clone()]), day(1, 10, vec![first.clone(), smoke.clone()])]);
    let everything = DeviceEventFilter { device: "mqtt:d1".into(), ..DeviceEventFilter::default() };
    let events = |scene: &Scene| scene.reader().device_events(&everything, &Page::default()).unwrap().rows;
    let kinds = |scene: &Scene| events(scene).into_iter().map(|row| row.kind).collect::<Vec<_>>();
    assert_eq!(kinds(&scene), ["smoke", "pm10"]);
    assert_eq!((events(&scene)[0].value.clone(), events(&scene)[1].value.clone()), ("on".into(), 23.5.into()));
    assert_eq!(events(&scene)[0].event, smoke.id().to_string());
    assert_eq!(scene.reader().alarms(&AlarmFilter::default(), &Page::default()).unwrap().rows.len(), 1);
    scene.feed([day(1, 10, vec![first])]);
    assert_eq!(kinds(&scene), ["pm10"]);
    assert!(scene.reader().alarms(&AlarmFilter::default(), &Page::default()).unwrap().rows.is_empty());
}

#[test]
fn devices_say_when_they_were_last_heard() {
    let mut scene = Scene::new();
    let record = Device { code: Some("mqtt:d1".into()), kind: Some(DeviceKind::Smoke), ..Device::default() };
    scene.feed([
        Reading::Device(FieldsRecord { id: id(9), record, conflicts: Vec::new(), settled: Vec::new() }),
        day(1, 10, vec![event(at(10, 1), "smoke", EventValue::Empty)]),
        day(2, 9, vec![event(at(9, 5), "smoke", EventValue::Empty)]),
    ]);
    let filter = DeviceFilter { kind: Some(DeviceKind::Smoke), region: VILLAGE.parse().ok(), bounds: None };
    let listed = scene.reader().devices(&filter, &Page::default()).unwrap();
    assert_eq!(listed.rows[0].last_heard_ms, Some(at(10, 1)));
}

fn case_event(number: u8, seen: &[u8], role: Role, action: Action, note: Option<&str>) -> (RecordId, FoldInput) {
    let seen: BTreeSet<RecordId> = seen.iter().map(|number| RecordId([*number; 16])).collect();
    let event = CaseEvent {
        case: id(50),
        by: format!("x{number}"),
        role,
        seen,
        note: note.map(str::to_owned),
        action,
        rules: None,
        restates: None,
    };
    let input = FoldInput { event, time: u64::from(number) << 16, author: NodeId([1; 32]), void: None };
    (RecordId([number; 16]), input)
}

fn report() -> Action {
    Action::Report(Box::new(Report {
        source: Source::Patrol,
        category: Some("rubbish".into()),
        place: "幸福路东口".into(),
        position: None,
        description: "暴露垃圾一堆".into(),
        region: VILLAGE.parse().ok(),
        device: None,
        reporter: None,
        photos: Vec::new(),
        found_ms: None,
    }))
}

fn case(events: &BTreeMap<RecordId, FoldInput>) -> Reading {
    let case = fold(events, &LifeCycle::default());
    Reading::Case(CaseRecord { id: id(50), case, unreadable: 0, steps: vec![] })
}

#[test]
fn cases_are_listed_by_state_and_found_by_their_words() {
    let mut scene = Scene::new();
    let mut events: BTreeMap<RecordId, FoldInput> = [case_event(1, &[], Role::Inspector, report(), None)].into();
    scene.feed([case(&events)]);
    let list = |scene: &Scene, filter: &CaseFilter| scene.reader().cases(filter, &Page::default()).unwrap().rows;
    let in_state = |state| CaseFilter { state: Some(state), ..CaseFilter::default() };
    assert_eq!(list(&scene, &in_state(CaseState::Reported)).len(), 1);
    events.extend([case_event(2, &[1], Role::IntakeClerk, Action::Accept, Some("已电话核实"))]);
    scene.feed([case(&events)]);
    assert!(list(&scene, &in_state(CaseState::Reported)).is_empty());
    assert_eq!(list(&scene, &in_state(CaseState::Accepted)).len(), 1);
    for (text, found) in [("露垃圾", 1), ("垃圾", 1), ("电话核实", 1), ("东口", 1), ("建筑垃圾", 0)] {
        let filter = CaseFilter { text: Some(text.into()), ..CaseFilter::default() };
        assert_eq!(list(&scene, &filter).len(), found, "searching {text}");
    }
    assert_eq!(list(&scene, &CaseFilter { open: Some(true), ..CaseFilter::default() }).len(), 1);
    assert!(list(&scene, &CaseFilter { open: Some(false), ..CaseFilter::default() }).is_empty());
    let detail = scene.reader().case(id(50), 0).unwrap().unwrap();
    assert_eq!(
        detail.timeline.iter().map(|one| one.state).collect::<Vec<_>>(),
        [Some(CaseState::Reported), Some(CaseState::Accepted)]
    );
    assert!(detail.folded.get("timeline").is_none() && detail.folded["finders"][0] == "x1");
}

#[test]
fn two_dispatches_apart_stand_in_the_inbox_and_with_their_teams() {
    let mut scene = Scene::new();
    let dispatch = |team: &str| Action::Dispatch {
        orders: vec![Assignment { team: team.into(), task: "清运".into() }],
        lead: 0,
    };
    let filed = Action::File {
        category: "rubbish".into(),
        severity: townmesh_crdt::domain::case::Severity::General,
        minutes: 480,
        clock: townmesh_crdt::domain::case::LimitClock::Working,
    };
    let events = [
        case_event(1, &[], Role::Inspector, report(), None),
        case_event(2, &[1], Role::IntakeClerk, Action::Accept, None),
        case_event(3, &[2], Role::DutyHead, filed, None),
        case_event(4, &[3], Role::Dispatcher, dispatch("A"), None),
        case_event(5, &[3], Role::Dispatcher, dispatch("B"), None),
    ];
    scene.feed([case(&events.into())]);
    let in_village = ConflictFilter { region: VILLAGE.parse().ok(), ..ConflictFilter::default() };
    let inbox = scene.reader().conflicts(&in_village, &Page::default(), false).unwrap().rows;
    assert_eq!(inbox.len(), 1);
    assert_eq!((inbox[0].chinese.as_str(), inbox[0].place.as_deref()), ("重复派遣", Some("幸福路东口")));
    let orders = scene
        .reader()
        .orders(&OrderFilter { team: Some("B".into()), status: vec![], region: None }, &Page::default())
        .unwrap()
        .rows;
    assert_eq!((orders.len(), orders[0].case.clone()), (1, id(50).to_string()));
    let of_team = CaseFilter { team: Some("A".into()), ..CaseFilter::default() };
    assert_eq!(scene.reader().cases(&of_team, &Page::default()).unwrap().rows.len(), 1);
}

#[test]
fn the_town_s_people_and_places_are_listed() {
    let mut scene = Scene::new();
    let region = Region { code: VILLAGE.parse().ok(), name: Some("狼垡一村村委会".into()), ..Region::default() };
    let team = Team { code: Some("t1".into()), name: Some("巡防队".into()), ..Team::default() };
    let member = |code: &str, team: &str| Member {
        code: Some(code.into()),
        team: Some(team.into()),
        roles: [Role::Inspector].into(),
        ..Member::default()
    };
    scene.feed([
        Reading::Region(FieldsRecord { id: id(1), record: region, conflicts: Vec::new(), settled: Vec::new() }),
        Reading::Team(FieldsRecord { id: id(2), record: team, conflicts: Vec::new(), settled: Vec::new() }),
        Reading::Member(FieldsRecord {
            id: id(3),
            record: member("m1", "t1"),
            conflicts: Vec::new(),
            settled: Vec::new(),
        }),
        Reading::Member(FieldsRecord {
            id: id(4),
            record: member("m2", "t2"),
            conflicts: Vec::new(),
            settled: Vec::new(),
        }),
    ]);
    let reader = scene.reader();
    assert_eq!(reader.regions().unwrap()[0].parent.as_deref(), Some("110115005"));
    assert_eq!(reader.teams(&Page::default()).unwrap().rows[0].name.as_deref(), Some("巡防队"));
    let members = reader.members(Some("t1"), &Page::default()).unwrap().rows;
    assert_eq!((members.len(), members[0].roles[0].as_str()), (1, Some("inspector")));
}
