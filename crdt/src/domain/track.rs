//! Tracks: where a unit was, point by point.
//!
//! # Encoding
//!
//! Numbers are LEB128, a *step* is the zigzag LEB128 of the difference from the number before it, from 0 for the first:
//!
//! 1. version, one byte: 1
//! 2. number of points n, 1 to [`MAX_POINTS`], their times ascending, each once
//! 3. times in seconds since 1970: n steps
//! 4. latitudes in units of 1e-5 degrees (1.1 metres, less than a receiver errs): n steps
//! 5. longitudes the same
//!
//! A point every ten seconds costs about four bytes so. There is one encoding of each track; the decoder refuses any other.
//!
//! # Sealing
//!
//! Whereabouts are for the centers and the unit itself, whoever else carries them ([`SealedTrack`]).

use super::date::{Day, UTC_OFFSET_MINUTES};
use super::position::Position;
use super::varint;
use crate::id::NodeId;

/// A track as it is recorded; see the module.
pub use super::confidential::Confidential as SealedTrack;

/// Most points of one record.
pub const MAX_POINTS: usize = 2_048;
const VERSION: u8 = 1;
/// Units of a position (1e-7 degrees) in one of a track.
const UNIT: i32 = 100;
const SECOND_MS: i64 = 1_000;

/// Where a unit was at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct TrackPoint {
    /// When, in seconds since 1970.
    pub time_s: i64,
    latitude: i32,
    longitude: i32,
}

/// Bytes that are no track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a track is damaged, or of a newer version")]
pub struct TrackError;

impl TrackPoint {
    /// A place at a moment, in milliseconds since 1970, each as exact as a track tells it.
    pub fn new(time_ms: i64, position: Position) -> Self {
        let (latitude, longitude) = position.e7();
        let round = |e7: i32| (e7 + e7.signum() * (UNIT / 2)) / UNIT;
        Self { time_s: time_ms.div_euclid(SECOND_MS), latitude: round(latitude), longitude: round(longitude) }
    }

    /// Where.
    pub fn position(self) -> Option<Position> {
        Position::from_e7(self.latitude.checked_mul(UNIT)?, self.longitude.checked_mul(UNIT)?)
    }

    /// When, in milliseconds since 1970.
    pub fn time_ms(self) -> i64 {
        self.time_s.saturating_mul(SECOND_MS)
    }

    /// The town's day.
    pub fn day(self) -> Day {
        Day::of_time(self.time_ms(), UTC_OFFSET_MINUTES)
    }
}

/// Points in order, one at each moment: of two at one moment the first counts.
pub fn merge(mut points: Vec<TrackPoint>) -> Vec<TrackPoint> {
    points.sort_unstable();
    points.dedup_by_key(|point| point.time_s);
    points
}

/// Points as bytes; they must be merged.
pub fn encode(points: &[TrackPoint]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + points.len() * 5);
    bytes.push(VERSION);
    varint::write(&mut bytes, points.len() as u64);
    let columns: [fn(&TrackPoint) -> i64; 3] =
        [|point| point.time_s, |point| point.latitude.into(), |point| point.longitude.into()];
    for column in columns {
        varint::write_steps(&mut bytes, points.iter().map(column));
    }
    bytes
}

/// The points of bytes that [`encode`] made, at most `most`.
///
/// # Errors
/// [`TrackError`].
pub fn decode(bytes: &[u8], most: usize) -> Result<Vec<TrackPoint>, TrackError> {
    read(bytes, most).ok_or(TrackError)
}

fn read(bytes: &[u8], most: usize) -> Option<Vec<TrackPoint>> {
    let (version, mut rest) = bytes.split_first()?;
    let count = usize::try_from(varint::read(&mut rest)?).ok()?;
    // Each point takes three bytes at least.
    if *version != VERSION || count == 0 || count > most || count > rest.len() / 3 {
        return None;
    }
    let mut column = || varint::read_steps(&mut rest, count);
    let (times, latitudes, longitudes) = (column()?, column()?, column()?);
    let point = |((time_s, latitude), longitude): ((i64, i64), i64)| {
        let point = TrackPoint { time_s, latitude: latitude.try_into().ok()?, longitude: longitude.try_into().ok()? };
        // A place that is none on Earth is a broken receiver's, and was never recorded.
        point.position().map(|_| point)
    };
    let points: Vec<TrackPoint> = times.into_iter().zip(latitudes).zip(longitudes).map(point).collect::<Option<_>>()?;
    let is_ascending = points.windows(2).all(|pair| matches!(pair, [one, next] if one.time_s < next.time_s));
    // A number may be written longer than it is.
    (rest.is_empty() && is_ascending && encode(&points) == bytes).then_some(points)
}

/// How far a unit went, in metres: what lies between points more than ten minutes apart is not known, and not counted.
pub fn metres(points: &[TrackPoint]) -> f64 {
    const GAP_S: i64 = 600;
    let steps = points.windows(2).filter_map(|pair| match pair {
        [one, next] if next.time_s.saturating_sub(one.time_s) <= GAP_S => {
            Some(one.position()?.metres_to(next.position()?))
        }
        _ => None,
    });
    steps.sum()
}

/// What the document of a unit's day is found by.
pub fn natural_key(node: NodeId, day: Day) -> Vec<u8> {
    super::key::natural_key(&[&node.to_string(), &day.to_string()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::position::tests::any_position;
    use proptest::prelude::*;

    fn any_points() -> impl Strategy<Value = Vec<TrackPoint>> {
        let point = (0_i64..4_000_000_000_000, any_position()).prop_map(|(time, at)| TrackPoint::new(time, at));
        proptest::collection::vec(point, 1..40).prop_map(merge)
    }

    proptest! {
        #[test]
        fn round_trips(points in any_points()) {
            let bytes = encode(&points);
            prop_assert_eq!(decode(&bytes, MAX_POINTS), Ok(points.clone()));
            prop_assert_eq!(decode(&bytes, points.len() - 1), Err(TrackError));
            for point in points {
                prop_assert!(point.position().is_some());
            }
        }

        #[test]
        fn any_bytes_are_a_track_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(points) = decode(&bytes, MAX_POINTS) {
                prop_assert_eq!(encode(&points), bytes.clone());
            }
            if let Ok(sealed) = SealedTrack::from_bytes(&bytes) {
                prop_assert_eq!(SealedTrack::from_bytes(&sealed.to_bytes()), Ok(sealed));
            }
        }

        /// One form for each track, or what two units made of the same points would be two records.
        #[test]
        fn a_longer_form_of_a_number_is_refused(points in any_points()) {
            let bytes = encode(&points);
            let longer = bytes.iter().rposition(|byte| byte & 0x80 == 0).map(|last| {
                [&bytes[..last], &[bytes[last] | 0x80, 0], &bytes[last + 1..]].concat()
            });
            prop_assert_eq!(decode(&longer.unwrap(), MAX_POINTS), Err(TrackError));
        }

        #[test]
        fn merging_knows_no_order(points in any_points(), more in any_points()) {
            let one = merge([points.clone(), more.clone()].concat());
            prop_assert_eq!(&one, &merge([more, points, one.clone()].concat()));
        }
    }

    fn drive(seconds: impl IntoIterator<Item = i64>) -> Vec<TrackPoint> {
        // 36 km/h to the north: 10 metres a second.
        let at = |second: i64| Position::from_degrees(39.7 + second as f64 * 10.0 / 111_320.0, 116.3).unwrap();
        seconds.into_iter().map(|second| TrackPoint::new(1_763_900_000_000 + second * 1_000, at(second))).collect()
    }

    #[test]
    fn a_shift_of_points_every_ten_seconds_is_small_and_measured() {
        let points = drive((0..2_880).map(|step| step * 10));
        let bytes = encode(&points);
        assert!(bytes.len() < points.len() * 5, "{} bytes for {} points", bytes.len(), points.len());
        let metres = metres(&points);
        assert!((metres - 287_900.0).abs() < 1_500.0, "{metres}");
    }

    #[test]
    fn what_lies_in_a_gap_is_not_counted() {
        assert!(metres(&drive([0, 10, 1_000, 1_010])) < 250.0);
        assert_eq!(metres(&drive([0])), 0.0);
    }
}
