//! Devices and their events.

use super::*;
use crate::command::Outcome;
use crate::command::device;
use crate::command::entity::Writing;
use crate::domain::device::{Device, DeviceKind, Protocol, device_code};
use crate::domain::device_event::{DeviceEvent, EventKey, EventValue};

pub(super) fn event(minute: i64, alarm: bool) -> DeviceEvent {
    DeviceEvent {
        time_ms: NOW as i64 + minute * 60_000,
        kind: "water_depth".into(),
        key: EventKey::Time,
        value: EventValue::Number(minute.into()),
        alarm,
        device: "sl651:0012345678".into(),
    }
}

fn record(replica: &mut Replica, events: Vec<DeviceEvent>) -> Outcome<device::EventsRecorded> {
    let outcome = device::record_events(replica, langfa(), events, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

fn count(readings: &BTreeMap<DocumentId, Reading>) -> usize {
    let days = readings.values().filter_map(|reading| match reading {
        Reading::DeviceDay(day) => Some(day.events.len()),
        Reading::Household(_)
        | Reading::Inspections(_)
        | Reading::Hazard(_)
        | Reading::Case(_)
        | Reading::Device(_)
        | Reading::Region(_)
        | Reading::Grid(_)
        | Reading::Member(_)
        | Reading::Team(_)
        | Reading::Table(_)
        | Reading::LifeCycle(_)
        | Reading::Book(_)
        | Reading::Track(_)
        | Reading::Dwelling(_)
        | Reading::DoorTags(_)
        | Reading::Move(_)
        | Reading::SamePerson(_)
        | Reading::Nothing => None,
    });
    days.sum()
}

#[test]
fn a_repeated_frame_gives_no_second_event_here_or_elsewhere() {
    let mut town = Town::new(40);
    let events: Vec<DeviceEvent> = (0..300).map(|minute| event(minute, false)).collect();
    let first = record(&mut town.one, events.clone());
    assert_eq!((first.key(), first.value().stored.len(), first.value().repeated), ("created", 300, 0));
    let again = device::record_events(&mut town.one, langfa(), events[..20].to_vec(), NOW).unwrap();
    assert_eq!((again.key(), again.value().repeated), ("unchanged", 20));
    assert!(!town.one.has_staged());
    let mut late = events[..3].to_vec();
    late.push(event(1_000, false));
    late.push(event(1_000, false));
    let some = record(&mut town.one, late.clone());
    assert_eq!((some.value().stored.len(), some.value().repeated), (1, 4));
    // The other office hears the same frames over another radio.
    record(&mut town.two, late);
    town.meet();
    assert_eq!(count(&town.readings()), 301);
}

#[test]
fn events_are_kept_by_local_day_and_alarms_go_first() {
    let mut town = Town::new(41);
    let outcome = record(&mut town.one, vec![event(0, false), event(1, true), event(24 * 60, false)]);
    assert_eq!(outcome.value().documents.len(), 2);
    let lanes: std::collections::BTreeSet<_> =
        town.one.logs().filter(|state| state.height > 0).map(|state| state.log.lane as u8).collect();
    assert!(lanes.contains(&0) && lanes.contains(&3), "{lanes:?}");
    assert_eq!(count(&readings(&mut town.one)), 3);
}

#[test]
fn a_device_is_one_document_and_registering_it_again_adds_what_is_new() {
    let mut town = Town::new(42);
    let code = device_code(Protocol::Sl651, "0012345678");
    let found =
        Device { code: Some(code), region: Some(langfa()), kind: Some(DeviceKind::Waterlogging), ..Device::default() };
    let first = device::register(&mut town.one, &found, Writing::Known, NOW).unwrap();
    assert_eq!(
        (first.key(), device::register(&mut town.one, &found, Writing::Known, NOW).unwrap().key()),
        ("created", "unchanged")
    );
    let named = Device { name: Some("桥下".into()), ..found.clone() };
    assert_eq!(device::register(&mut town.one, &named, Writing::Whole, NOW).unwrap().key(), "changed");
    assert_eq!(device::register(&mut town.one, &found, Writing::Known, NOW).unwrap().key(), "unchanged");
    let namespace = device::namespace_of(&town.one, langfa()).unwrap();
    let read = device::read(&mut town.one, &namespace, *first.value()).unwrap().unwrap();
    assert_eq!(read.record, named);
    let nowhere = device::register(&mut town.one, &Device { region: None, ..found }, Writing::Known, NOW);
    assert_eq!(nowhere.unwrap_err().code(), "missing_key");
}

#[test]
fn a_batch_that_cannot_be_read_is_counted_and_skipped() {
    let mut town = Town::new(43);
    let document = record(&mut town.one, vec![event(0, false)]).into_value().documents[0];
    let namespace = Namespace::events(LANGFA, "2025-11");
    town.one
        .put(
            &namespace,
            crate::policy::DocumentKind::DeviceDay,
            document,
            vec![1, 2],
            crate::entry::Lane::Telemetry,
            NOW,
        )
        .unwrap();
    let day = device::read_day(&mut town.one, &namespace, document).unwrap().unwrap();
    assert_eq!((day.events.len(), day.unreadable), (1, 1));
}
