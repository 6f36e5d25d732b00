//! Working time: which minutes of which days count.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::versioned;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const MINUTES_PER_DAY: u16 = 24 * 60;
/// Most shifts of a day.
const MAX_SHIFTS: usize = 8;
/// Most exceptions of a calendar: more than ten years of holidays.
const MAX_EXCEPTIONS: usize = 4096;
/// Most bytes of an encoded calendar.
const MAX_CALENDAR_BYTES: usize = 64 * 1024;
/// How far ahead a deadline is looked for.
const HORIZON: u64 = 50 * 366 * DAY;
/// Latest time that the calendar knows (the year 9999, about); later ones count as this.
const END_OF_TIME: u64 = 8_000 * 366 * DAY;

/// Working hours within a day, in minutes since midnight of the town's civil time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(array)]
pub struct WorkingHours {
    /// First minute that counts.
    #[n(0)]
    pub from: u16,
    /// First minute that no longer counts; at most 1440.
    #[n(1)]
    pub until: u16,
}

/// The town's working days and hours, a replicated table.
///
/// Days are days since 1970-01-01 in the town's civil time, which is UTC plus an offset. Times are
/// milliseconds since 1970 in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Calendar {
    #[n(0)]
    utc_offset_minutes: i16,
    #[n(1)]
    shifts: Vec<WorkingHours>,
    /// Bit 0 is Monday.
    #[n(2)]
    weekdays: u8,
    /// Holidays (false) and days worked in their stead (true).
    #[n(3)]
    exceptions: BTreeMap<u32, bool>,
}

/// Why something is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// WorkingHourss overlap, run backwards or past midnight.
    #[error("working hours must follow each other within 0..1440 minutes; correct shift {0}")]
    Shifts(usize),
    /// An offset of more than a day.
    #[error("the civil time cannot be {0} minutes from UTC; write minutes east of it, such as 480")]
    Offset(i16),
    /// More than the bound.
    #[error("the calendar has {got} {what}, more than {most}; remove some")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The bound.
        most: usize,
    },
    /// Not the CBOR form of a calendar.
    #[error("these bytes are no calendar: {0}; import it again")]
    Malformed(String),
}

impl Default for Calendar {
    /// 08-12 and 14-18 from Monday to Friday, at UTC+8, without holidays.
    fn default() -> Self {
        Self {
            utc_offset_minutes: 8 * 60,
            shifts: vec![WorkingHours { from: 8 * 60, until: 12 * 60 }, WorkingHours { from: 14 * 60, until: 18 * 60 }],
            weekdays: 0b001_1111,
            exceptions: BTreeMap::new(),
        }
    }
}

impl Calendar {
    /// A calendar. `weekdays` has a bit for each working day, bit 0 for Monday.
    pub fn new(utc_offset_minutes: i16, shifts: Vec<WorkingHours>, weekdays: u8) -> Result<Self, CalendarError> {
        let calendar = Self { utc_offset_minutes, shifts, weekdays, exceptions: BTreeMap::new() };
        calendar.check().map(|()| calendar)
    }

    /// The same calendar with these days worked (true) or not (false) whatever their weekday.
    pub fn with_exceptions(mut self, days: impl IntoIterator<Item = (u32, bool)>) -> Result<Self, CalendarError> {
        self.exceptions.extend(days);
        self.check().map(|()| self)
    }

    /// The bytes that are replicated.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CalendarError> {
        versioned::encode(self).map_err(CalendarError::Malformed)
    }

    /// The calendar of [`Self::to_bytes`]; at most 64 KiB.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CalendarError> {
        within("bytes", bytes.len(), MAX_CALENDAR_BYTES)?;
        let calendar: Self = versioned::decode(bytes).map_err(CalendarError::Malformed)?;
        calendar.check().map(|()| calendar)
    }

    fn check(&self) -> Result<(), CalendarError> {
        within("shifts", self.shifts.len(), MAX_SHIFTS)?;
        within("exceptions", self.exceptions.len(), MAX_EXCEPTIONS)?;
        if self.utc_offset_minutes.unsigned_abs() > MINUTES_PER_DAY {
            return Err(CalendarError::Offset(self.utc_offset_minutes));
        }
        let mut free_from = 0;
        for (place, shift) in self.shifts.iter().enumerate() {
            if shift.from < free_from || shift.until <= shift.from || shift.until > MINUTES_PER_DAY {
                return Err(CalendarError::Shifts(place + 1));
            }
            free_from = shift.until;
        }
        Ok(())
    }

    /// Whether a day is worked.
    pub fn is_working_day(&self, day: u32) -> bool {
        self.exceptions.get(&day).copied().unwrap_or_else(|| self.is_working_weekday(u64::from(day)))
    }

    /// Working milliseconds from `from` to `until`; 0 when they stand the other way round.
    pub fn working_between(&self, from: u64, until: u64) -> u64 {
        self.worked_until(until).saturating_sub(self.worked_until(from))
    }

    /// The first moment at which `amount` working milliseconds have passed since `from`; `from` itself for 0. `None`
    /// when the calendar has no such moment within fifty years.
    pub fn advance(&self, from: u64, amount: u64) -> Option<u64> {
        let latest = from.checked_add(HORIZON)?;
        if self.working_between(from, latest) < amount {
            return None;
        }
        let (mut early, mut late) = (from, latest);
        while early < late {
            let middle = early + (late - early) / 2;
            if self.working_between(from, middle) < amount {
                early = middle + 1;
            } else {
                late = middle;
            }
        }
        Some(late)
    }

    /// Working milliseconds since the beginning of civil 1970-01-01.
    fn worked_until(&self, time: u64) -> u64 {
        let offset = i64::from(self.utc_offset_minutes) * MINUTE.cast_signed();
        let civil = time.min(END_OF_TIME).saturating_add_signed(offset);
        let (day, within_day) = (civil / DAY, civil % DAY);
        let today = u32::try_from(day).is_ok_and(|day| self.is_working_day(day));
        let worked_today = if today { self.worked_within_day(within_day) } else { 0 };
        self.working_days_before(day) * self.worked_within_day(DAY) + worked_today
    }

    fn worked_within_day(&self, within_day: u64) -> u64 {
        let worked = |shift: &WorkingHours| {
            let (from, until) = (u64::from(shift.from) * MINUTE, u64::from(shift.until) * MINUTE);
            within_day.clamp(from, until.max(from)) - from
        };
        self.shifts.iter().map(worked).sum()
    }

    fn working_days_before(&self, day: u64) -> u64 {
        let full_weeks = day / 7 * u64::from((self.weekdays & 0b111_1111).count_ones());
        let rest = (day - day % 7..day).filter(|day| self.is_working_weekday(*day)).count() as u64;
        let end = u32::try_from(day).unwrap_or(u32::MAX);
        let exceptions = self.exceptions.range(..end);
        exceptions.fold(full_weeks + rest, |days, (day, worked)| {
            match (self.is_working_weekday(u64::from(*day)), worked) {
                (false, true) => days + 1,
                (true, false) => days.saturating_sub(1),
                (true, true) | (false, false) => days,
            }
        })
    }

    fn is_working_weekday(&self, day: u64) -> bool {
        // 1970-01-01 was a Thursday.
        self.weekdays >> ((day + 3) % 7) & 1 == 1
    }
}

fn within(what: &'static str, got: usize, most: usize) -> Result<(), CalendarError> {
    if got <= most { Ok(()) } else { Err(CalendarError::TooMany { what, got, most }) }
}
