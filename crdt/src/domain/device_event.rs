//! Device events: what a device said, once.
//!
//! The event id follows from what the device itself sent, so the same frame received twice, or by two nodes, is one
//! event; see [`EventKey`]. Events travel and are stored in batches; see [`super::device_batch`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::date::Day;
use super::input::{self, InputError};
use super::key;
use super::position::Position;

/// Longest device code, in bytes of UTF-8.
pub const MAX_DEVICE_BYTES: usize = 96;
/// Longest kind, in bytes of UTF-8.
pub const MAX_KIND_BYTES: usize = 32;
/// Longest text value, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 200;

/// One thing that one device said. Ordered by time, then kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceEvent {
    /// When, by the device where it has a clock, in milliseconds since 1970.
    pub time_ms: i64,
    /// What was measured or happened, such as `pm10`; see [`KINDS`].
    pub kind: String,
    /// What tells it from the device's other events of this kind.
    #[serde(default)]
    pub key: EventKey,
    /// What it amounts to.
    #[serde(default)]
    pub value: EventValue,
    /// Whether it calls for somebody.
    #[serde(default)]
    pub alarm: bool,
    /// Code of the device, as [`super::device::device_code`] writes it.
    pub device: String,
}

/// What tells an event from the same device's other events of the same kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventKey {
    /// Its time, which the device itself stated.
    #[default]
    Time,
    /// A number that the device itself gave; for devices without a clock. Where the device's own count starts anew
    /// (after power-up, or at 65535), the adapter puts a count of the starts above it, or new events would be taken
    /// for old ones.
    Sequence(u64),
}

/// What an event amounts to.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EventValue {
    /// It happened; that is all.
    #[default]
    Empty,
    /// A number.
    Number(Decimal),
    /// A word: a state, a plate, what a door knows a person by.
    Text(String),
    /// A place.
    Position(Position),
}

/// A decimal number as the device sent it: `mantissa` / 10^`scale`, so that 23.5 stays 23.5. In JSON a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal {
    mantissa: i64,
    scale: u8,
}

/// A text that is no decimal number of up to 18 digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{text}” is no decimal number of up to 18 digits, {} of them after the point", Decimal::MAX_SCALE)]
pub struct DecimalError {
    text: String,
}

/// Id of an event; in text 32 hexadecimal digits.
///
/// The first 16 bytes of BLAKE3 in key derivation mode, with the context `townmesh device event id v1`, over: the
/// normalised device code and the kind, each with its length in bytes before it (8 bytes, little-endian); a byte that is
/// 0 for [`EventKey::Time`] and 1 for [`EventKey::Sequence`]; the time or sequence number (8 bytes, little-endian).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

/// The kind of event by which gates and doors tell who passed: its value is a plate, or what the door knows a person by. Where
/// somebody was is theirs to know: lists show it masked.
pub const PASSAGE: &str = "passage";

/// Kinds of events with a name for people: key, Chinese, English, unit. Other kinds are shown by their key.
pub const KINDS: [(&str, &str, &str, &str); 16] = [
    ("heartbeat", "心跳", "heartbeat", ""),
    ("position", "位置", "position", ""),
    ("smoke", "烟雾报警", "smoke alarm", ""),
    ("gas", "燃气泄漏", "gas leak", "%LEL"),
    ("water_depth", "积水深度", "water depth", "cm"),
    ("pm10", "PM10", "PM10", "µg/m³"),
    ("pm2_5", "PM2.5", "PM2.5", "µg/m³"),
    ("noise", "噪声", "noise", "dB"),
    ("temperature", "温度", "temperature", "°C"),
    ("humidity", "湿度", "humidity", "%"),
    ("power", "功率", "power", "W"),
    ("leakage", "剩余电流", "residual current", "mA"),
    ("over_temperature", "过温", "over temperature", "°C"),
    ("door", "开关门", "door", ""),
    (PASSAGE, "通行", "passage", ""),
    ("sos", "紧急求助", "call for help", ""),
];

impl DeviceEvent {
    /// Its id: the same for every copy of one frame, on whichever node it arrived.
    pub fn id(&self) -> EventId {
        let (tag, number) = match self.key {
            EventKey::Time => (0_u8, self.time_ms.cast_unsigned()),
            EventKey::Sequence(number) => (1, number),
        };
        let mut hasher = blake3::Hasher::new_derive_key("townmesh device event id v1");
        for text in [key::normalise(&self.device), self.kind.clone()] {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.update(&[tag]);
        hasher.update(&number.to_le_bytes());
        let mut id = [0; 16];
        hasher.finalize_xof().fill(&mut id);
        EventId(id)
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::line("device", &self.device)?;
        input::line("kind", &self.kind)?;
        input::time("time_ms", self.time_ms)?;
        match &self.value {
            EventValue::Text(text) => input::lines("value.text", text),
            EventValue::Empty | EventValue::Number(_) | EventValue::Position(_) => Ok(()),
        }
    }

    /// The day whose document it belongs to, in the time zone `offset_minutes` east of UTC.
    pub fn day(&self, offset_minutes: i32) -> Day {
        Day::of_time(self.time_ms, offset_minutes)
    }
}

/// Every event once, in order. Of two that share an id but differ, the lesser stays, on every node alike.
pub fn merge(events: impl IntoIterator<Item = DeviceEvent>) -> Vec<DeviceEvent> {
    let mut once: BTreeMap<EventId, DeviceEvent> = BTreeMap::new();
    for event in events {
        let id = event.id();
        if once.get(&id).is_none_or(|known| event < *known) {
            once.insert(id, event);
        }
    }
    let mut events: Vec<DeviceEvent> = once.into_values().collect();
    events.sort_unstable();
    events
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::id::hex(&self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

impl Serialize for EventId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Decimal {
    /// Most digits after the point.
    pub const MAX_SCALE: u8 = 9;

    /// `mantissa` / 10^`scale`; `None` when the scale exceeds [`Self::MAX_SCALE`].
    pub fn new(mantissa: i64, scale: u8) -> Option<Self> {
        (scale <= Self::MAX_SCALE).then_some(Self { mantissa, scale })
    }

    /// All digits as a whole number.
    pub fn mantissa(self) -> i64 {
        self.mantissa
    }

    /// How many of the digits stand after the point.
    pub fn scale(self) -> u8 {
        self.scale
    }

    /// The nearest floating-point number, for thresholds and charts.
    pub fn to_f64(self) -> f64 {
        self.mantissa as f64 / 10_f64.powi(self.scale.into())
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        Self { mantissa: number, scale: 0 }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(self.scale.into());
        let (sign, size) = (if self.mantissa < 0 { "-" } else { "" }, self.mantissa.unsigned_abs());
        match usize::from(self.scale) {
            0 => write!(f, "{sign}{size}"),
            width => write!(f, "{sign}{}.{:0width$}", size / unit, size % unit),
        }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let read = || {
            let (whole, part) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
            let digits = whole.strip_prefix('-').unwrap_or(whole);
            if digits.is_empty() || !digits.bytes().chain(part.bytes()).all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            Self::new(format!("{whole}{part}").parse().ok()?, part.len().try_into().ok()?)
        };
        read().ok_or_else(|| DecimalError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for Decimal {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

crate::openapi::described!(Decimal => crate::openapi::forms::text(
    r"^-?[0-9]{1,19}(\.[0-9]{0,9})?$",
    "十进制数 / decimal number as the device sent it; its digits together fit into 63 bits"
));

impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::position::tests::any_position;
    use proptest::prelude::*;

    pub(crate) fn any_decimal() -> impl Strategy<Value = Decimal> {
        (any::<i64>(), 0..=Decimal::MAX_SCALE)
            .prop_filter_map("scale", |(mantissa, scale)| Decimal::new(mantissa, scale))
    }

    /// Events of one device; few times and kinds, so that ids meet.
    pub(crate) fn any_event() -> impl Strategy<Value = DeviceEvent> {
        let time =
            prop_oneof![0..5_i64, any::<i64>(), (0..1_440_i64).prop_map(|minute| 1_760_000_000_000 + minute * 60_000)];
        let key = prop_oneof![
            Just(EventKey::Time),
            (0..5_u64).prop_map(EventKey::Sequence),
            any::<u64>().prop_map(EventKey::Sequence)
        ];
        let value = prop_oneof![
            Just(EventValue::Empty),
            any_decimal().prop_map(EventValue::Number),
            ".{0,10}".prop_map(EventValue::Text),
            any_position().prop_map(EventValue::Position),
        ];
        (time, "[a-c]", key, value, any::<bool>()).prop_map(|(time_ms, kind, key, value, alarm)| DeviceEvent {
            device: "mqtt:d1".into(),
            time_ms,
            kind,
            key,
            value,
            alarm,
        })
    }

    fn reading() -> DeviceEvent {
        DeviceEvent {
            device: "hj212:mn1".into(),
            time_ms: 1_000,
            kind: "pm10".into(),
            key: EventKey::Time,
            value: EventValue::Number("23.5".parse().unwrap()),
            alarm: false,
        }
    }

    #[test]
    fn a_repeated_frame_gives_no_second_event() {
        let other_spelling = DeviceEvent { device: "HJ212:MN1 ".into(), ..reading() };
        assert_eq!(merge([reading(), reading()]), [reading()]);
        assert_eq!(other_spelling.id(), reading().id());
        let numbered = DeviceEvent { key: EventKey::Sequence(7), ..reading() };
        let again_later = DeviceEvent { time_ms: 2_000, ..numbered.clone() };
        assert_eq!(merge([again_later, numbered.clone()]), [numbered]);
    }

    #[test]
    fn other_events_have_other_ids() {
        let events = [
            reading(),
            DeviceEvent { time_ms: 1_001, ..reading() },
            DeviceEvent { kind: "pm2_5".into(), ..reading() },
            DeviceEvent { device: "hj212:mn2".into(), ..reading() },
            DeviceEvent { key: EventKey::Sequence(1_000), ..reading() },
        ];
        assert_eq!(merge(events.clone()).len(), events.len());
    }

    #[test]
    fn ids_stay_what_they_are() {
        // Cases are named after events: an id that changed with a release would open them twice.
        assert_eq!(reading().id().to_string(), "ce11ab435170aeeebf947a43fe09917e");
    }

    proptest! {
        #[test]
        fn merging_depends_on_no_order(mut events in proptest::collection::vec(any_event(), 0..30)) {
            let once = merge(events.clone());
            events.reverse();
            prop_assert_eq!(merge(events.iter().cloned().chain(once.clone())), once);
        }

        #[test]
        fn decimals_round_trip(decimal in any_decimal()) {
            prop_assert_eq!(decimal.to_string().parse(), Ok(decimal));
        }

        #[test]
        fn events_round_trip_through_json(event in any_event()) {
            prop_assert_eq!(serde_json::from_str::<DeviceEvent>(&serde_json::to_string(&event).unwrap()).unwrap(), event);
        }
    }

    #[test]
    fn what_is_no_decimal_is_refused() {
        for wrong in ["", ".", ".5", "-", "1e3", "0.1234567891", "99999999999999999999", "１", "--1", "1-"] {
            assert!(wrong.parse::<Decimal>().is_err(), "{wrong} must be refused");
        }
        assert_eq!("-0.05".parse(), Ok(Decimal::new(-5, 2).unwrap()));
        assert_eq!(Decimal::new(-5, 2).unwrap().to_string(), "-0.05");
    }
}
