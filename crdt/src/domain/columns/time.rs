//! Cells of times, places and longer texts.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Cell;
use super::cell::same;
use crate::domain::date::{Day, UTC_OFFSET_MINUTES};
use crate::domain::input::{self, Fault};
use crate::domain::position::Position;
use crate::domain::record::Scalar;
use crate::value::Value;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const SECOND_MS: i64 = 1_000;

/// A time: milliseconds since 1970, in JSON as a number; in files the town's time, `2026-10-01 08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub i64);

impl Time {
    /// The town's day that holds it.
    pub fn day(self) -> Day {
        Day::of_time(self.0, UTC_OFFSET_MINUTES)
    }

    /// Day, hour and minute of the town's clock; seconds and thousandths where it has some, so that nothing is lost in a file.
    pub(crate) fn local(self) -> String {
        let local = self.0.saturating_add(i64::from(UTC_OFFSET_MINUTES) * MINUTE_MS);
        let (minutes, rest) = (local.rem_euclid(DAY_MS) / MINUTE_MS, local.rem_euclid(MINUTE_MS));
        let clock = format!("{} {:02}:{:02}", self.day(), minutes / 60, minutes % 60);
        match (rest / SECOND_MS, rest % SECOND_MS) {
            (0, 0) => clock,
            (seconds, 0) => format!("{clock}:{seconds:02}"),
            (seconds, thousandths) => format!("{clock}:{seconds:02}.{thousandths:03}"),
        }
    }

    fn of_local(text: &str) -> Option<Self> {
        let (text, thousandths) = match text.split_once('.').filter(|_| text.contains([':', '：'])) {
            Some((text, digits)) if digits.len() == 3 => (text, digits.parse::<u16>().ok()?.into()),
            Some(_) => return None,
            None => (text, 0),
        };
        let (day, clock) = text.split_once([' ', 'T'])?;
        let day: Day = day.parse().ok()?;
        let mut parts = clock.trim().splitn(3, [':', '：']);
        let mut part = |limit: i64| {
            let digits = parts.next()?;
            let is_number = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            let number: i64 = digits.parse().ok().filter(|_| is_number)?;
            (number < limit).then_some(number)
        };
        let (hour, minute) = (part(24)?, part(60)?);
        let second = match clock.matches([':', '：']).count() {
            1 => 0,
            2 => part(60)?,
            _ => return None,
        };
        let minutes = hour * 60 + minute - i64::from(UTC_OFFSET_MINUTES);
        Some(Self(i64::from(day.0) * DAY_MS + minutes * MINUTE_MS + second * SECOND_MS + thousandths))
    }
}

crate::openapi::described!(Time => crate::openapi::forms::milliseconds());

impl Scalar for Time {
    fn to_value(&self) -> Value {
        Value::Int(self.0)
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_int().map(Self)
    }
}

impl Cell for Time {
    const NUMBER: bool = true;

    fn parse(text: &str) -> Result<Self, Fault> {
        let form = Fault::Form {
            chinese: "时间，如 2026-10-01 08:30，或 1970 年以来的毫秒数",
            english: "a time such as 2026-10-01 08:30, or milliseconds since 1970",
        };
        let number = text.parse().ok().map(Self);
        let time = number.or_else(|| Self::of_local(text)).ok_or(form)?;
        if (0..=input::LAST_MS).contains(&time.0) { Ok(time) } else { Err(Fault::Time) }
    }
    fn words(&self) -> [String; 3] {
        [self.0.to_string(), self.local(), self.local()]
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer).map(Self)
    }
}

impl Cell for Position {
    fn parse(text: &str) -> Result<Self, Fault> {
        let form = Fault::Form {
            chinese: "纬度,经度（度），如 39.7354,116.3310",
            english: "latitude,longitude in degrees, such as 39.7354,116.3310",
        };
        text.parse().map_err(|_| form)
    }
    fn words(&self) -> [String; 3] {
        same(self.to_string())
    }
}

/// A text that may have lines: remarks, what was ordered, what caused something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lines(pub String);

crate::openapi::described!(Lines => crate::openapi::forms::text("", "文字，可有多行 / a text that may have lines"));

impl Scalar for Lines {
    fn to_value(&self) -> Value {
        Value::Text(self.0.clone())
    }
    fn from_value(value: &Value) -> Option<Self> {
        value.as_text().map(|text| Self(text.to_owned()))
    }
}

impl Cell for Lines {
    const LINES: bool = true;

    fn parse(text: &str) -> Result<Self, Fault> {
        Ok(Self(text.to_owned()))
    }
    fn words(&self) -> [String; 3] {
        same(self.0.clone())
    }
}
