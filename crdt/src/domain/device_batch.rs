//! Batches: up to 256 events of one device in few bytes.
//!
//! One column after the other, since neighbours in a column resemble each other. Numbers are LEB128; a *step* is the
//! zigzag LEB128 of the difference (modulo 2^64) from the number before it in its column, from 0 for the first:
//!
//! 1. version, one byte: 1
//! 2. device code: length, UTF-8
//! 3. number of events n, 1 to 256, in ascending order ([`DeviceEvent`]'s `Ord`), each event id once
//! 4. kinds: their number, then each as length and UTF-8, ascending, each used
//! 5. unit of the times: 1000 when all are whole seconds, else 1
//! 6. times in that unit: n steps
//! 7. index of the kind: n numbers; left out when there is one kind
//! 8. bit set of ⌈n/8⌉ bytes, lowest bit first: which events have [`EventKey::Sequence`]; then a step for each of these
//! 9. bit set: which are alarms
//! 10. form of the value: n bytes: 0 empty, 1 text, 2 position, 3 + scale for a number
//! 11. values, in the order of events: text as length and UTF-8; position as steps of latitude and longitude (1e-7
//!     degrees); number as step of the mantissa from the last number of the same kind and scale
//!
//! There is one encoding of each set of events; the decoder refuses any other.

use std::collections::{BTreeMap, BTreeSet};

use super::date::Day;
use super::device_event::{
    Decimal, DeviceEvent, EventKey, EventValue, MAX_DEVICE_BYTES, MAX_KIND_BYTES, MAX_TEXT_BYTES, merge,
};
use super::key;
use super::position::Position;
use super::varint;

/// Most events of a batch.
pub const MAX_EVENTS: usize = 256;
/// Most bytes of an encoded batch.
pub const MAX_BATCH_BYTES: usize = 128 * 1024;

const VERSION: u8 = 1;
const EMPTY: u8 = 0;
const TEXT: u8 = 1;
const POSITION: u8 = 2;
const NUMBER: u8 = 3;

/// Up to [`MAX_EVENTS`] events of one device, each once, in order; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventBatch {
    events: Vec<DeviceEvent>,
}

/// Why events cannot go into batches, or bytes are no batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// No events, too many, or several devices.
    #[error("a batch holds 1 to {MAX_EVENTS} events of one device; here are {events} of {devices}")]
    Contents {
        /// Events found.
        events: usize,
        /// Devices found.
        devices: usize,
    },
    /// A text exceeds its limit.
    #[error("the {part} of a device event has {bytes} bytes, {limit} are allowed; shorten it in the device mapping")]
    TooLong {
        /// Which one.
        part: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// Written by a newer version.
    #[error("an event batch of version {0}; this program reads version {VERSION}: update townmesh")]
    Version(u8),
    /// Not what the encoder writes.
    #[error("an event batch is damaged: its {0} is not as this version writes it")]
    Malformed(&'static str),
}

impl EventBatch {
    /// The batch of these events. The device's code is normalised; repeated events are dropped.
    pub fn new(events: impl IntoIterator<Item = DeviceEvent>) -> Result<Self, BatchError> {
        let events =
            merge(events.into_iter().map(|event| DeviceEvent { device: key::normalise(&event.device), ..event }));
        let devices = events.iter().map(|event| &event.device).collect::<BTreeSet<_>>().len();
        if devices != 1 || events.len() > MAX_EVENTS {
            return Err(BatchError::Contents { events: events.len(), devices });
        }
        for event in &events {
            check_length("device code", &event.device, MAX_DEVICE_BYTES)?;
            check_length("kind", &event.kind, MAX_KIND_BYTES)?;
            if let EventValue::Text(text) = &event.value {
                check_length("text", text, MAX_TEXT_BYTES)?;
            }
        }
        Ok(Self { events })
    }

    /// Batches for any events, by device and day (in the time zone `offset_minutes` east of UTC).
    pub fn pack(
        events: impl IntoIterator<Item = DeviceEvent>,
        offset_minutes: i32,
    ) -> Result<BTreeMap<(String, Day), Vec<Self>>, BatchError> {
        let mut days: BTreeMap<(String, Day), Vec<DeviceEvent>> = BTreeMap::new();
        for event in events {
            days.entry((key::normalise(&event.device), event.day(offset_minutes))).or_default().push(event);
        }
        let chunked = |(day, events)| {
            let batches =
                merge(events).chunks(MAX_EVENTS).map(|some| Self::new(some.to_vec())).collect::<Result<_, _>>()?;
            Ok((day, batches))
        };
        days.into_iter().map(chunked).collect()
    }

    /// The events in order.
    pub fn events(&self) -> &[DeviceEvent] {
        &self.events
    }

    /// The events, given away.
    pub fn into_events(self) -> Vec<DeviceEvent> {
        self.events
    }

    /// Code of the device.
    pub fn device(&self) -> &str {
        self.events.first().map_or("", |event| &event.device)
    }

    /// Its bytes; see the module.
    pub fn encode(&self) -> Vec<u8> {
        let events = &self.events;
        let kinds: Vec<&str> =
            events.iter().map(|event| event.kind.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
        let mut bytes = Vec::with_capacity(64 + events.len() * 8);
        bytes.push(VERSION);
        varint::write_bytes(&mut bytes, self.device().as_bytes());
        varint::write(&mut bytes, events.len() as u64);
        varint::write(&mut bytes, kinds.len() as u64);
        kinds.iter().for_each(|kind| varint::write_bytes(&mut bytes, kind.as_bytes()));
        write_times(&mut bytes, events);
        if kinds.len() > 1 {
            for event in events {
                let index = kinds.partition_point(|kind| *kind < event.kind.as_str());
                varint::write(&mut bytes, index as u64);
            }
        }
        write_keys(&mut bytes, events);
        write_bits(&mut bytes, events.iter().map(|event| event.alarm));
        bytes.extend(events.iter().map(|event| value_form(&event.value)));
        let mut before = Before::default();
        events.iter().for_each(|event| before.write(&mut bytes, event));
        bytes
    }

    /// The batch of these bytes; exactly what [`Self::encode`] writes and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, BatchError> {
        if bytes.len() > MAX_BATCH_BYTES {
            return Err(BatchError::Malformed("length"));
        }
        let (version, mut rest) = bytes.split_first().ok_or(BatchError::Malformed("version"))?;
        if *version != VERSION {
            return Err(BatchError::Version(*version));
        }
        let batch = Self { events: read_events(&mut rest)? };
        // One encoding for one set of events: copies of a batch are recognised by their bytes.
        let canonical = rest.is_empty() && Self::new(batch.events.iter().cloned()).as_ref() == Ok(&batch);
        if canonical && batch.encode() == bytes { Ok(batch) } else { Err(BatchError::Malformed("order or spelling")) }
    }
}

fn check_length(part: &'static str, text: &str, limit: usize) -> Result<(), BatchError> {
    let bytes = text.len();
    if bytes <= limit { Ok(()) } else { Err(BatchError::TooLong { part, bytes, limit }) }
}

fn write_times(bytes: &mut Vec<u8>, events: &[DeviceEvent]) {
    let unit: i64 = if events.iter().all(|event| event.time_ms % 1_000 == 0) { 1_000 } else { 1 };
    varint::write(bytes, unit.cast_unsigned());
    varint::write_steps(bytes, events.iter().map(|event| event.time_ms / unit));
}

fn write_keys(bytes: &mut Vec<u8>, events: &[DeviceEvent]) {
    let sequence = |event: &DeviceEvent| match event.key {
        EventKey::Time => None,
        EventKey::Sequence(number) => Some(number.cast_signed()),
    };
    write_bits(bytes, events.iter().map(|event| sequence(event).is_some()));
    varint::write_steps(bytes, events.iter().filter_map(sequence));
}

fn write_bits(bytes: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let bits: Vec<bool> = bits.collect();
    bytes.extend(bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))));
}

fn value_form(value: &EventValue) -> u8 {
    match value {
        EventValue::Empty => EMPTY,
        EventValue::Text(_) => TEXT,
        EventValue::Position(_) => POSITION,
        EventValue::Number(number) => NUMBER + number.scale(),
    }
}

/// The values that steps start from.
#[derive(Default)]
struct Before {
    position: (i64, i64),
    mantissas: BTreeMap<(String, u8), i64>,
}

impl Before {
    fn mantissa(&mut self, kind: &str, scale: u8) -> &mut i64 {
        self.mantissas.entry((kind.to_owned(), scale)).or_default()
    }

    fn write(&mut self, bytes: &mut Vec<u8>, event: &DeviceEvent) {
        match &event.value {
            EventValue::Empty => {}
            EventValue::Text(text) => varint::write_bytes(bytes, text.as_bytes()),
            EventValue::Position(position) => {
                let (latitude, longitude) = position.e7();
                varint::write_step(bytes, self.position.0, latitude.into());
                varint::write_step(bytes, self.position.1, longitude.into());
                self.position = (latitude.into(), longitude.into());
            }
            EventValue::Number(number) => {
                let before = self.mantissa(&event.kind, number.scale());
                varint::write_step(bytes, *before, number.mantissa());
                *before = number.mantissa();
            }
        }
    }

    fn read(&mut self, rest: &mut &[u8], kind: &str, form: u8) -> Option<EventValue> {
        match form {
            EMPTY => Some(EventValue::Empty),
            TEXT => varint::read_text(rest, MAX_TEXT_BYTES).map(EventValue::Text),
            POSITION => {
                let latitude = varint::read_step(rest, self.position.0)?;
                let longitude = varint::read_step(rest, self.position.1)?;
                self.position = (latitude, longitude);
                let position = Position::from_e7(latitude.try_into().ok()?, longitude.try_into().ok()?)?;
                Some(EventValue::Position(position))
            }
            NUMBER.. => {
                let before = self.mantissa(kind, form - NUMBER);
                *before = varint::read_step(rest, *before)?;
                Decimal::new(*before, form - NUMBER).map(EventValue::Number)
            }
        }
    }
}

fn read_events(rest: &mut &[u8]) -> Result<Vec<DeviceEvent>, BatchError> {
    use BatchError::Malformed;
    let device = varint::read_text(rest, MAX_DEVICE_BYTES).ok_or(Malformed("device code"))?;
    let count = read_count(rest).ok_or(Malformed("number of events"))?;
    let kinds = read_kinds(rest).ok_or(Malformed("kinds"))?;
    let times = read_times(rest, count).ok_or(Malformed("times"))?;
    let kind_of = read_kind_indices(rest, count, &kinds).ok_or(Malformed("kind of an event"))?;
    let keys = read_keys(rest, count).ok_or(Malformed("sequence numbers"))?;
    let alarms = read_bits(rest, count).ok_or(Malformed("alarms"))?;
    let (forms, values) = rest.split_at_checked(count).ok_or(Malformed("values"))?;
    *rest = values;
    let mut before = Before::default();
    let mut events = Vec::with_capacity(count);
    for ((((time_ms, kind), key), alarm), form) in times.into_iter().zip(kind_of).zip(keys).zip(alarms).zip(forms) {
        let value = before.read(rest, kind, *form).ok_or(Malformed("values"))?;
        events.push(DeviceEvent { device: device.clone(), time_ms, kind: kind.to_owned(), key, value, alarm });
    }
    Ok(events)
}

fn read_count(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(varint::read(rest)?).ok().filter(|count| (1..=MAX_EVENTS).contains(count))
}

fn read_kinds(rest: &mut &[u8]) -> Option<Vec<String>> {
    (0..read_count(rest)?).map(|_| varint::read_text(rest, MAX_KIND_BYTES)).collect()
}

fn read_times(rest: &mut &[u8], count: usize) -> Option<Vec<i64>> {
    let unit = i64::try_from(varint::read(rest)?).ok().filter(|unit| [1, 1_000].contains(unit))?;
    varint::read_steps(rest, count)?.into_iter().map(|time| time.checked_mul(unit)).collect()
}

fn read_kind_indices<'a>(rest: &mut &[u8], count: usize, kinds: &'a [String]) -> Option<Vec<&'a str>> {
    let mut kind = || {
        let index = if kinds.len() > 1 { usize::try_from(varint::read(rest)?).ok()? } else { 0 };
        kinds.get(index).map(String::as_str)
    };
    (0..count).map(|_| kind()).collect()
}

fn read_keys(rest: &mut &[u8], count: usize) -> Option<Vec<EventKey>> {
    let numbered = read_bits(rest, count)?;
    let numbers = varint::read_steps(rest, numbered.iter().filter(|bit| **bit).count())?;
    let mut numbers = numbers.into_iter().map(|number| EventKey::Sequence(number.cast_unsigned()));
    numbered.into_iter().map(|bit| if bit { numbers.next() } else { Some(EventKey::Time) }).collect()
}

fn read_bits(rest: &mut &[u8], count: usize) -> Option<Vec<bool>> {
    let (set, after) = rest.split_at_checked(count.div_ceil(8))?;
    *rest = after;
    Some(set.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).take(count).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::device_event::tests::any_event;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn sensor(minute: i64, key: EventKey) -> DeviceEvent {
        let wobble = (minute * 7_919) % 40;
        DeviceEvent {
            device: "hj212:010000a8900016f000169dc0".into(),
            time_ms: 1_760_000_000_000 + minute * 60_000,
            kind: if minute % 2 == 0 { "pm10".into() } else { "pm2_5".into() },
            key,
            value: EventValue::Number(Decimal::new(350 + wobble, 1).unwrap()),
            alarm: minute % 50 == 0,
        }
    }

    proptest! {
        #[test]
        fn round_trips(events in vec(any_event(), 1..60)) {
            let batch = EventBatch::new(events).unwrap();
            prop_assert_eq!(EventBatch::decode(&batch.encode()), Ok(batch));
        }

        #[test]
        fn damaged_bytes_are_refused_or_another_true_batch(events in vec(any_event(), 1..8), at: prop::sample::Index, byte: u8) {
            let mut bytes = EventBatch::new(events).unwrap().encode();
            *at.get_mut(&mut bytes) = byte;
            if let Ok(batch) = EventBatch::decode(&bytes) {
                prop_assert_eq!(batch.encode(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(tail in vec(any::<u8>(), 0..80)) {
            let _ = EventBatch::decode(&[vec![VERSION, 1, b'd', 2, 1, 1, b'k'], tail].concat());
        }

        #[test]
        fn cut_off_bytes_are_refused(events in vec(any_event(), 1..8), cut: prop::sample::Index) {
            let bytes = EventBatch::new(events).unwrap().encode();
            prop_assert!(EventBatch::decode(&bytes[..cut.index(bytes.len())]).is_err());
        }

        #[test]
        fn packing_keeps_every_event_once_in_its_own_day(events in vec(any_event(), 0..600)) {
            let packed = EventBatch::pack(events.iter().cloned(), 480).unwrap();
            for ((_, day), batches) in &packed {
                prop_assert!(batches.iter().flat_map(EventBatch::events).all(|event| event.day(480) == *day));
            }
            // Copies that differ in their day go to several documents; whoever reads those merges again.
            let back = merge(packed.into_values().flatten().flat_map(EventBatch::into_events));
            prop_assert_eq!(back, merge(events));
        }
    }

    #[test]
    fn a_sensor_event_costs_a_few_bytes() {
        let timed = EventBatch::new((0..256).map(|minute| sensor(minute, EventKey::Time))).unwrap().encode().len();
        let numbered = |minute: i64| sensor(minute, EventKey::Sequence(minute.unsigned_abs() + 60_000));
        let numbered = EventBatch::new((0..256).map(numbered)).unwrap().encode().len();
        assert!(timed <= 5 * 256 && numbered <= 6 * 256, "{timed} and {numbered} bytes for 256 events");
    }

    #[test]
    fn the_fullest_batch_is_within_its_bounds() {
        let full = (0..256).map(|place| DeviceEvent {
            device: "d".repeat(MAX_DEVICE_BYTES),
            time_ms: if place % 2 == 0 { i64::MIN + place } else { i64::MAX - place },
            kind: format!("{place:032}"),
            key: EventKey::Sequence(if place % 2 == 0 { 0 } else { u64::MAX / 2 }),
            value: EventValue::Text("x".repeat(MAX_TEXT_BYTES)),
            alarm: true,
        });
        let bytes = EventBatch::new(full).unwrap().encode();
        assert!(bytes.len() <= MAX_BATCH_BYTES, "{}", bytes.len());
        assert!(EventBatch::decode(&bytes).is_ok());
    }

    #[test]
    fn what_does_not_belong_into_a_batch_is_refused_by_name() {
        let two = [sensor(0, EventKey::Time), DeviceEvent { device: "mqtt:x".into(), ..sensor(0, EventKey::Time) }];
        assert_eq!(EventBatch::new(two), Err(BatchError::Contents { events: 2, devices: 2 }));
        assert_eq!(EventBatch::new([]), Err(BatchError::Contents { events: 0, devices: 0 }));
        assert!(EventBatch::new((0..257).map(|minute| sensor(minute, EventKey::Time))).is_err());
        let long = DeviceEvent { kind: "k".repeat(33), ..sensor(0, EventKey::Time) };
        assert_eq!(EventBatch::new([long]), Err(BatchError::TooLong { part: "kind", bytes: 33, limit: 32 }));
        assert_eq!(EventBatch::decode(&[9]), Err(BatchError::Version(9)));
        assert_eq!(EventBatch::decode(&vec![1; MAX_BATCH_BYTES + 1]), Err(BatchError::Malformed("length")));
    }
}
