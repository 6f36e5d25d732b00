//! Recording devices and what they say.

use std::collections::BTreeSet;

use serde::Serialize;

use super::entity::{self, Writing};
use super::read::{DeviceDayRecord, FieldsRecord};
use super::{CommandError, Outcome, UTC_OFFSET_MINUTES};
use crate::clock::Millis;
use crate::domain::date::Day;
use crate::domain::device::Device;
use crate::domain::device_batch::{EventBatch, MAX_EVENTS};
use crate::domain::device_event::{DeviceEvent, EventId, merge};
use crate::domain::key;
use crate::domain::region::RegionCode;
use crate::entry::Lane;
use crate::id::DocumentId;
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{RecordError, Recorded, Replica};
use crate::store::StoreError;

/// What became of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EventsRecorded {
    /// Events that were new.
    pub stored: Vec<DeviceEvent>,
    /// Events that were known: repeated frames.
    pub repeated: usize,
    /// The documents of device and day that grew.
    pub documents: Vec<DocumentId>,
}

/// The namespace that holds the devices of a region. It is the first month of the region's events, not the current
/// one: a device is one document, however long it stays.
///
/// # Errors
/// [`RecordError::UnknownNamespace`].
pub fn namespace_of(replica: &Replica, region: RegionCode) -> Result<Namespace, RecordError> {
    // The month plays no part in looking up a family.
    let any = Namespace::events(&region.to_string(), "");
    let family = replica.trust().family(&any).ok_or(RecordError::UnknownNamespace(any))?;
    Ok(family.founding.clone())
}

/// Registers a device, or writes what differs from what is recorded.
///
/// # Errors
/// [`CommandError::MissingKey`], [`CommandError::Record`].
pub fn register(
    replica: &mut Replica,
    device: &Device,
    writing: Writing,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    let region = device.region.ok_or(CommandError::MissingKey {
        thing: "device",
        what: "the region",
        chinese: "缺少所在村居",
    })?;
    let namespace = namespace_of(replica, region)?;
    entity::record(replica, &namespace, device, writing, Lane::Work, now)
}

/// Reads a device; `None` if there is none.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<FieldsRecord<Device>>, StoreError> {
    entity::read(replica, namespace, document)
}

/// Records what devices of a region said, packed by device and day. Events that are stored already are skipped, so a
/// repeated frame gives no second event. Alarms go before everything else, the rest travels as telemetry.
///
/// # Errors
/// [`CommandError::Input`] or [`CommandError::Batch`] if an event is wrong, nothing is staged then;
/// [`CommandError::Record`].
pub fn record_events(
    replica: &mut Replica,
    region: RegionCode,
    events: Vec<DeviceEvent>,
    now: Millis,
) -> Result<Outcome<EventsRecorded>, CommandError> {
    for (place, event) in events.iter().enumerate() {
        event.check().map_err(|error| error.within(&format!("events[{place}]")))?;
    }
    let given = events.len();
    let mut result = EventsRecorded::default();
    let (mut last, mut is_new) = (None, true);
    for ((device, day), batches) in EventBatch::pack(events, UTC_OFFSET_MINUTES)? {
        let namespace = replica.period(&month_of(region, day), now)?;
        let document = replica.document_id(&namespace, DocumentKind::DeviceDay, &day_key(&device, day))?;
        let known = stored(replica, &namespace, document)?;
        is_new &= known.events.is_empty();
        let known: BTreeSet<EventId> = known.events.iter().map(DeviceEvent::id).collect();
        let events = batches.into_iter().flat_map(EventBatch::into_events);
        let fresh: Vec<DeviceEvent> = events.filter(|event| !known.contains(&event.id())).collect();
        if fresh.is_empty() {
            continue;
        }
        last = put(replica, &namespace, document, &fresh, now)?.or(last);
        result.documents.push(document);
        result.stored.extend(fresh);
    }
    result.repeated = given - result.stored.len();
    Ok(match last {
        None => Outcome::Unchanged(result),
        Some(recorded) if is_new => Outcome::Created(result, recorded),
        Some(recorded) => Outcome::Changed(result, recorded),
    })
}

/// Stages events of one device and day.
fn put(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    events: &[DeviceEvent],
    now: Millis,
) -> Result<Option<Recorded>, CommandError> {
    let (alarms, others): (Vec<_>, Vec<_>) = events.iter().cloned().partition(|event| event.alarm);
    let mut last = None;
    for (lane, events) in [(Lane::Urgent, alarms), (Lane::Telemetry, others)] {
        for some in events.chunks(MAX_EVENTS) {
            let bytes = EventBatch::new(some.iter().cloned())?.encode();
            last = Some(replica.put(namespace, DocumentKind::DeviceDay, document, bytes, lane, now)?);
        }
    }
    Ok(last)
}

/// Reads what a device said on a day; `None` if it said nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read_day(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<DeviceDayRecord>, StoreError> {
    let Stored { events, unreadable } = stored(replica, namespace, document)?;
    let Some(first) = events.first() else { return Ok(None) };
    Ok(Some(DeviceDayRecord {
        id: document,
        device: first.device.clone(),
        day: first.day(UTC_OFFSET_MINUTES),
        events,
        unreadable,
    }))
}

/// The events of a document.
struct Stored {
    events: Vec<DeviceEvent>,
    unreadable: u32,
}

fn stored(replica: &Replica, namespace: &Namespace, document: DocumentId) -> Result<Stored, StoreError> {
    let (mut events, mut unreadable) = (Vec::new(), 0);
    for record in replica.records(replica.namespace_id(namespace), document)? {
        match EventBatch::decode(&record.bytes) {
            Ok(_) if record.void => {}
            Ok(batch) => events.extend(batch.into_events()),
            Err(_) => unreadable += 1,
        }
    }
    Ok(Stored { events: merge(events), unreadable })
}

fn month_of(region: RegionCode, day: Day) -> Namespace {
    let (year, month, _) = day.calendar();
    Namespace::events(&region.to_string(), &format!("{year:04}-{month:02}"))
}

fn day_key(device: &str, day: Day) -> Vec<u8> {
    key::natural_key(&[device, &day.to_string()])
}
