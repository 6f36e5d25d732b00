//! Moments as other programs write them (RFC 3339); within this one they are milliseconds since 1970.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::date::Day;

/// A moment in milliseconds since 1970, shown as `2026-11-27T07:30:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub i64);

/// The years that RFC 3339 can write, 0000 to 9999: a time beyond them comes from a broken clock, and the end of the
/// calendar says as much.
const FIRST: i64 = -62_167_219_200_000;
const LAST: i64 = 253_402_200_000_000;

/// A text that is no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no moment such as 2026-11-27T15:30:00+08:00")]
pub struct MomentError;

impl FromStr for Moment {
    type Err = MomentError;

    /// Reads a date, `T`, a time of day and an offset from UTC. Digits beyond milliseconds count for nothing.
    fn from_str(text: &str) -> Result<Self, MomentError> {
        // The library also takes forms that RFC 3339 does not have.
        let moment = has_form(text).then(|| text.parse::<Timestamp>().ok()).flatten().ok_or(MomentError)?;
        Ok(Self(moment.as_millisecond()))
    }
}

/// `date-time` of RFC 3339, 5.6, where `0` stands for a digit.
fn has_form(text: &str) -> bool {
    let is_like = |text: &str, form: &str| {
        let fits = |(one, wanted): (u8, u8)| {
            if wanted == b'0' { one.is_ascii_digit() } else { one.eq_ignore_ascii_case(&wanted) }
        };
        text.len() == form.len() && text.bytes().zip(form.bytes()).all(fits)
    };
    let Some((time, rest)) = text.split_at_checked(19) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let has_fraction_digits =
        !text.contains(".Z") && !text.contains(".z") && !text.contains(".+") && !text.contains(".-");
    let is_offset = ["Z", "+00:00", "-00:00"].iter().any(|form| is_like(rest, form));
    text.len() <= 64 && is_like(time, "0000-00-00T00:00:00") && is_offset && has_fraction_digits
}

impl Display for Moment {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let moment = Timestamp::from_millisecond(self.0.clamp(FIRST, LAST)).unwrap_or_default();
        write!(f, "{moment:.3}")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Milliseconds since 1970 as people of the town read them, to the minute.
pub(crate) fn in_town(millis: i64) -> String {
    let local = millis.saturating_add(i64::from(UTC_OFFSET_MINUTES) * 60_000);
    let minutes = local.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{} {:02}:{:02}", Day::of_time(millis, UTC_OFFSET_MINUTES), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn moments_are_read_and_shown_as_rfc_3339_has_them() {
        let read = |text: &str| text.parse::<Moment>();
        assert_eq!(read("1970-01-01T00:00:00Z"), Ok(Moment(0)));
        assert_eq!(
            read("2026-11-27T15:30:00+08:00").map(|moment| moment.to_string()).as_deref(),
            Ok("2026-11-27T07:30:00.000Z")
        );
        assert_eq!(read("2026-11-27t07:30:00.1239z"), Ok(Moment(1_795_764_600_123)));
        for wrong in [
            "",
            "2026-11-27",
            "2026-11-27T07:30:00",
            "07:30",
            "2026-02-30T00:00:00Z",
            "2026-11-27T07:30:00Z[UTC]",
            "20261127T073000Z",
            "2026-11-27T07Z",
            "2026-11-27T07:30Z",
            "2026-11-27T07:30:00.Z",
            "2026-11-27T07:30:00+08",
            "2026-11-27 07:30:00Z",
            "now",
        ] {
            assert_eq!(read(wrong), Err(MomentError), "{wrong:?}");
        }
        assert!(Moment(i64::MAX).to_string().starts_with("9999-12-"));
        assert_eq!(Moment(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(millis in -62_000_000_000_000_i64..253_000_000_000_000) {
            prop_assert_eq!(Moment(millis).to_string().parse(), Ok(Moment(millis)));
        }

        #[test]
        fn any_text_is_a_moment_or_refused(text in "\\PC{0,80}") {
            let _ = text.parse::<Moment>();
        }
    }
}
