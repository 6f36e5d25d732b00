//! Calendar days.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::record::Scalar;
use crate::value::Value;

/// Minutes that local time is east of UTC: China has one time zone. Decides which day, month and year a time is in.
pub const UTC_OFFSET_MINUTES: i32 = 8 * 60;

/// A day of the proleptic Gregorian calendar: days since 1970-01-01. In JSON and text `2024-03-05`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Day(#[n(0)] pub i32);

/// A text that is no day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("“{text}” is no day; write year-month-day, such as 2024-03-05")]
pub struct DayError {
    text: String,
}

impl Day {
    /// The day of a year (1 to 9999), month and day of the month; `None` when the calendar has no such day.
    pub fn from_calendar(year: i32, month: u32, day: u32) -> Option<Self> {
        if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day)
        {
            return None;
        }
        // Years that begin in March put the leap day last; 400 years have 146097 days.
        let shifted = i64::from(year) - i64::from(month <= 2);
        let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
        let month_from_march = i64::from((month + 9) % 12);
        let day_of_year = (153 * month_from_march + 2) / 5 + i64::from(day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        i32::try_from(era * 146_097 + day_of_era - 719_468).ok().map(Self)
    }

    /// Year, month (1 to 12) and day of the month.
    pub fn calendar(self) -> (i32, u32, u32) {
        let days = i64::from(self.0) + 719_468;
        let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        // Every i32 number of days lies within ±6 million years.
        (year as i32, month as u32, day as u32)
    }

    /// The day that holds a time in milliseconds since 1970, in the time zone `offset_minutes` east of UTC.
    pub fn of_time(time_ms: i64, offset_minutes: i32) -> Self {
        let local = time_ms.saturating_add(i64::from(offset_minutes) * 60_000);
        let days = local.div_euclid(86_400_000);
        Self(days.clamp(i32::MIN.into(), i32::MAX.into()) as i32)
    }

    /// Its first moment in milliseconds since 1970, in the time zone `offset_minutes` east of UTC.
    pub fn start_ms(self, offset_minutes: i32) -> i64 {
        i64::from(self.0) * 86_400_000 - i64::from(offset_minutes) * 60_000
    }
}

fn days_in_month(year: i32, month: u32) -> u32 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.calendar();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl FromStr for Day {
    type Err = DayError;

    /// Reads `2024-03-05`, `2024/3/5`, `2024.3.5`, `2024年3月5日` and `20240305`.
    fn from_str(text: &str) -> Result<Self, DayError> {
        let read = || {
            let trimmed = text.trim().trim_end_matches('日');
            let parts: Vec<&str> = match trimmed.split_at_checked(8) {
                Some((compact, "")) if compact.bytes().all(|byte| byte.is_ascii_digit()) => {
                    vec![compact.get(..4)?, compact.get(4..6)?, compact.get(6..)?]
                }
                _ => trimmed.splitn(4, ['-', '/', '.', '年', '月']).collect(),
            };
            let [year, month, day] = parts.as_slice() else { return None };
            if ![*year, *month, *day].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit())) {
                return None;
            }
            Self::from_calendar(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)
        };
        read().ok_or_else(|| DayError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

crate::openapi::described!(Day => crate::openapi::forms::day());

impl Scalar for Day {
    fn to_value(&self) -> Value {
        Value::Int(self.0.into())
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_int()?.try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_calendar_round_trips(days in -719_162..2_932_896) {
            let (year, month, day) = Day(days).calendar();
            prop_assert_eq!(Day::from_calendar(year, month, day), Some(Day(days)));
            prop_assert_eq!(Day(days).to_string().parse(), Ok(Day(days)));
        }

        #[test]
        fn no_number_of_days_and_no_text_panics(days in any::<i32>(), time in any::<i64>(), text in "[0-9年月日/. -]{0,12}") {
            let _ = (Day(days).to_string(), Day::of_time(time, 480), text.parse::<Day>());
        }
    }

    #[test]
    fn known_days() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("2000/2/29", 11_016),
            ("2024年3月5日", 19_787),
            ("19491231", -7_306),
            ("1969.12.31", -1),
        ] {
            assert_eq!(text.parse(), Ok(Day(days)), "{text}");
        }
        for wrong in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-01",
            "2024-1",
            "2024-1-1-1",
            "+2024-1-1",
            "0000-01-01",
            "明天",
        ] {
            assert!(wrong.parse::<Day>().is_err(), "{wrong} must be refused");
        }
        assert_eq!(Day::of_time(-1, 0), Day(-1));
        assert_eq!(Day::of_time(16 * 3_600_000, 480), Day(1), "16:00 UTC is midnight in Beijing");
    }
}
