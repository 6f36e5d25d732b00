//! Places on the map.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::record::Scalar;
use crate::value::Value;

/// Units of a coordinate in one degree.
const PER_DEGREE: f64 = 1e7;

/// Latitude and longitude in WGS-84, in units of 1e-7 degrees (about a centimetre). One value, so that two people who
/// correct a position at the same time never end up with the latitude of one and the longitude of the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
#[serde(try_from = "Degrees", into = "Degrees")]
pub struct Position {
    #[n(0)]
    latitude: i32,
    #[n(1)]
    longitude: i32,
}

/// A pair of numbers that is no place on Earth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text} is no position; write latitude,longitude in degrees (WGS-84), such as 39.7354,116.3310")]
pub struct PositionError {
    text: String,
}

/// The form in JSON: degrees.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Degrees {
    lat: f64,
    lon: f64,
}

impl Position {
    /// A position from units of 1e-7 degrees; `None` beyond 90 degrees of latitude or 180 of longitude.
    pub fn from_e7(latitude: i32, longitude: i32) -> Option<Self> {
        let on_earth = latitude.unsigned_abs() <= 900_000_000 && longitude.unsigned_abs() <= 1_800_000_000;
        on_earth.then_some(Self { latitude, longitude })
    }

    /// A position from degrees, rounded to 1e-7; `None` when they are no place on Earth.
    pub fn from_degrees(latitude: f64, longitude: f64) -> Option<Self> {
        let on_earth = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
        // The casts are exact: both fit into 31 bits after the check, which also refuses NaN.
        on_earth.then(|| Self {
            latitude: (latitude * PER_DEGREE).round() as i32,
            longitude: (longitude * PER_DEGREE).round() as i32,
        })
    }

    /// Latitude and longitude in units of 1e-7 degrees.
    pub fn e7(self) -> (i32, i32) {
        (self.latitude, self.longitude)
    }

    /// Latitude in degrees.
    pub fn latitude(self) -> f64 {
        f64::from(self.latitude) / PER_DEGREE
    }

    /// Longitude in degrees.
    pub fn longitude(self) -> f64 {
        f64::from(self.longitude) / PER_DEGREE
    }

    /// Metres to another position as the crow flies, on a sphere of 6,371,009 m (haversine).
    pub fn metres_to(self, other: Self) -> f64 {
        const RADIUS: f64 = 6_371_009.0;
        let half = |from: f64, to: f64| ((to - from).to_radians() / 2.0).sin().powi(2);
        let (north, south) = (self.latitude().to_radians().cos(), other.latitude().to_radians().cos());
        let part = half(self.latitude(), other.latitude()) + north * south * half(self.longitude(), other.longitude());
        2.0 * RADIUS * part.sqrt().min(1.0).asin()
    }

    /// Eight bytes: latitude, then longitude, big-endian.
    pub fn to_bytes(self) -> [u8; 8] {
        ((u64::from(self.latitude.cast_unsigned()) << 32) | u64::from(self.longitude.cast_unsigned())).to_be_bytes()
    }

    /// The position of [`Self::to_bytes`]; `None` when the bytes are no place on Earth.
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        let both = u64::from_be_bytes(bytes);
        Self::from_e7(((both >> 32) as u32).cast_signed(), (both as u32).cast_signed())
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.7},{:.7}", self.latitude(), self.longitude())
    }
}

impl FromStr for Position {
    type Err = PositionError;

    /// Reads `latitude,longitude` in degrees; the comma may be full-width.
    fn from_str(text: &str) -> Result<Self, PositionError> {
        let read = || {
            let (latitude, longitude) = text.split_once([',', '，'])?;
            Self::from_degrees(latitude.trim().parse().ok()?, longitude.trim().parse().ok()?)
        };
        read().ok_or_else(|| PositionError { text: text.chars().take(40).collect() })
    }
}

impl TryFrom<Degrees> for Position {
    type Error = PositionError;
    fn try_from(degrees: Degrees) -> Result<Self, PositionError> {
        Self::from_degrees(degrees.lat, degrees.lon)
            .ok_or_else(|| PositionError { text: format!("{},{}", degrees.lat, degrees.lon) })
    }
}

impl From<Position> for Degrees {
    fn from(position: Position) -> Self {
        Self { lat: position.latitude(), lon: position.longitude() }
    }
}

crate::openapi::described!(Position => crate::openapi::forms::position());

impl Scalar for Position {
    fn to_value(&self) -> Value {
        Value::Bytes(self.to_bytes().to_vec())
    }
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_bytes(value.as_bytes()?.try_into().ok()?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_position() -> impl Strategy<Value = Position> {
        (-900_000_000..=900_000_000, -1_800_000_000..=1_800_000_000)
            .prop_filter_map("on Earth", |(latitude, longitude)| Position::from_e7(latitude, longitude))
    }

    #[test]
    fn metres_are_those_of_the_sphere() {
        let at = |latitude, longitude| Position::from_degrees(latitude, longitude).unwrap();
        let near = |metres: f64, expected: f64| assert!((metres - expected).abs() < expected * 1e-3, "{metres}");
        near(at(39.0, 116.0).metres_to(at(40.0, 116.0)), 111_195.0);
        near(at(60.0, 116.0).metres_to(at(60.0, 117.0)), 55_597.0);
        near(at(0.0, 179.9).metres_to(at(0.0, -179.9)), 22_239.0);
        near(at(90.0, 0.0).metres_to(at(-90.0, 0.0)), 20_015_115.0);
        assert_eq!(at(39.0, 116.0).metres_to(at(39.0, 116.0)), 0.0);
    }

    proptest! {
        #[test]
        fn every_form_round_trips(position in any_position()) {
            prop_assert_eq!(Position::from_bytes(position.to_bytes()), Some(position));
            prop_assert_eq!(position.to_string().parse(), Ok(position));
            let json = serde_json::to_string(&position).unwrap();
            prop_assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
        }
    }

    #[test]
    fn what_is_no_place_on_earth_is_refused() {
        for text in ["", "39.7", "91,116", "39,181", "NaN,116", "39,inf", "39;116"] {
            assert!(text.parse::<Position>().is_err(), "{text} must be refused");
        }
        assert_eq!("39.7354，116.331".parse(), Ok(Position::from_e7(397_354_000, 1_163_310_000).unwrap()));
        assert_eq!(Position::from_bytes([0x7F; 8]), None);
    }
}
