//! Hours and days of the town.

use townmesh_crdt::command::UTC_OFFSET_MINUTES;
use townmesh_crdt::domain::date::Day;

use super::super::query::Query;

pub(in crate::views) const HOUR_MS: i64 = 3_600_000;
pub(in crate::views) const DAY_MS: i64 = 24 * HOUR_MS;
/// In the last day of the year 9999: later ones do not sort as texts, and no event is of one.
const LAST_MS: i64 = 253_402_200_000_000;
const OFFSET_MS: i64 = UTC_OFFSET_MINUTES as i64 * 60_000;

/// An hour of the week of the town: 0 is Monday from midnight to one, 167 the last of Sunday.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::views) struct HourOfWeek(u8);

impl HourOfWeek {
    /// How many there are.
    pub(in crate::views) const COUNT: usize = 168;

    pub(in crate::views) fn of(time_ms: i64) -> Self {
        // 1970-01-01 was a Thursday.
        let hours = time_ms.saturating_add(OFFSET_MS).div_euclid(HOUR_MS).saturating_add(3 * 24);
        Self(hours.rem_euclid(Self::COUNT as i64) as u8)
    }

    pub(in crate::views) fn at(index: usize) -> Self {
        Self((index % Self::COUNT) as u8)
    }

    pub(in crate::views) fn index(self) -> usize {
        self.0.into()
    }

    /// 1 is Monday.
    pub(in crate::views) fn weekday(self) -> u8 {
        self.0 / 24 + 1
    }

    /// 0 to 23.
    pub(in crate::views) fn hour(self) -> usize {
        (self.0 % 24).into()
    }
}

/// Some hours of the week: of one weekday, one hour of the day, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HoursOfWeek {
    /// 1 is Monday.
    pub weekday: Option<u8>,
    /// 0 to 23.
    pub hour: Option<u8>,
}

impl HoursOfWeek {
    /// The condition that a time in milliseconds since 1970, none of them earlier, lies in them.
    pub(super) fn within(self, query: &mut Query, column: &str) {
        // As `HourOfWeek` counts them.
        let hours = format!("(({column} + {OFFSET_MS}) / {HOUR_MS} + 72)");
        if let Some(weekday) = self.weekday {
            query.and(&format!("{hours} / 24 % 7 + 1 = ?"), [i64::from(weekday)]);
        }
        if let Some(hour) = self.hour {
            query.and(&format!("{hours} % 24 = ?"), [i64::from(hour)]);
        }
    }
}

/// The first moment of a day of the town, in milliseconds since 1970.
pub(in crate::views) fn begin_of_day(day: Day) -> i64 {
    day.start_ms(UTC_OFFSET_MINUTES)
}

pub(in crate::views) fn day_of(time_ms: i64) -> Day {
    Day::of_time(time_ms, UTC_OFFSET_MINUTES)
}

/// From a moment on and before another, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::views) struct Span {
    pub(in crate::views) from_ms: i64,
    pub(in crate::views) until_ms: i64,
}

impl Span {
    pub(in crate::views) fn holds(self, time_ms: i64) -> bool {
        (self.from_ms..self.until_ms).contains(&time_ms)
    }

    /// The first day and the last, as texts that stand in the order of time.
    pub(in crate::views) fn days(self) -> [String; 2] {
        [self.from_ms, self.until_ms.saturating_sub(1)].map(|time| day_of(time.min(LAST_MS)).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_of_the_week_are_those_of_the_town() {
        // 2026-11-02 is a Monday; the town is eight hours ahead.
        let monday = begin_of_day("2026-11-02".parse().unwrap());
        let of = |time| (HourOfWeek::of(time).weekday(), HourOfWeek::of(time).hour());
        assert_eq!([of(monday - 1), of(monday), of(monday + 25 * HOUR_MS)], [(7, 23), (1, 0), (2, 1)]);
        assert_eq!(HourOfWeek::of(monday).index(), 0);
        for time in [i64::MIN, -1, i64::MAX] {
            assert!(HourOfWeek::of(time).index() < HourOfWeek::COUNT);
        }
    }
}
