//! Working time: which minutes of which days count.

use std::collections::BTreeMap;

const MINUTE: u64 = 60_000;
const DAY: u64 = 24 * 60 * MINUTE;
const MINUTES_PER_DAY: u16 = 24 * 60;
/// Most shifts of a day.
const MAX_SHIFTS: usize = 8;
/// Most changes of the working hours.
const MAX_ERAS: usize = 256;
/// Most exceptions of a calendar: more than two hundred years of holidays.
const MAX_EXCEPTIONS: usize = 8_192;
/// How far ahead a deadline is looked for.
const HORIZON: u64 = 50 * 366 * DAY;
/// Latest time that the calendar knows (the year 9999, about); later ones count as this.
const END_OF_TIME: u64 = 8_000 * 366 * DAY;

/// Working hours within a day, in minutes since midnight of the town's civil time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkingHours {
    /// First minute that counts.
    pub from: u16,
    /// First minute that no longer counts; at most 1440.
    pub until: u16,
}

/// Working hours and weekdays from a day on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Era {
    from: u32,
    shifts: Vec<WorkingHours>,
    /// Bit 0 is Monday.
    weekdays: u8,
}

/// The town's working days and hours, compiled from its tables
/// ([`Tables::calendar`](crate::domain::tables::Tables::calendar)).
///
/// Days are days since 1970-01-01 in the town's civil time, which is UTC plus an offset. Times are
/// milliseconds since 1970 in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    utc_offset_minutes: i16,
    /// In order; the first from day 0.
    eras: Vec<Era>,
    /// Holidays (false) and days worked in their stead (true).
    exceptions: BTreeMap<u32, bool>,
    /// Days that are not as their weekday says, in order, with how many working days they have added (or taken) so far.
    shifted: Vec<(u32, i64)>,
}

/// Why something is no calendar.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalendarError {
    /// Working hours overlap, run backwards or past midnight.
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
}

impl Default for Calendar {
    /// 08-12 and 14-18 from Monday to Friday, at UTC+8, without holidays.
    fn default() -> Self {
        let shifts =
            vec![WorkingHours { from: 8 * 60, until: 12 * 60 }, WorkingHours { from: 14 * 60, until: 18 * 60 }];
        Self {
            utc_offset_minutes: 8 * 60,
            eras: vec![Era { from: 0, shifts, weekdays: 0b001_1111 }],
            exceptions: BTreeMap::new(),
            shifted: vec![],
        }
    }
}

impl Calendar {
    /// A calendar. `weekdays` has a bit for each working day, bit 0 for Monday.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn new(utc_offset_minutes: i16, shifts: Vec<WorkingHours>, weekdays: u8) -> Result<Self, CalendarError> {
        if utc_offset_minutes.unsigned_abs() > MINUTES_PER_DAY {
            return Err(CalendarError::Offset(utc_offset_minutes));
        }
        Self { utc_offset_minutes, ..Self::default() }.with_era(0, shifts, weekdays)
    }

    /// The same calendar with other hours and weekdays from a day on, until that of another such change.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn with_era(mut self, from: u32, shifts: Vec<WorkingHours>, weekdays: u8) -> Result<Self, CalendarError> {
        within("shifts", shifts.len(), MAX_SHIFTS)?;
        within("changes of working hours", self.eras.len(), MAX_ERAS)?;
        let mut free_from = 0;
        for (place, shift) in (1..).zip(&shifts) {
            if shift.from < free_from || shift.until <= shift.from || shift.until > MINUTES_PER_DAY {
                return Err(CalendarError::Shifts(place));
            }
            free_from = shift.until;
        }
        self.eras.retain(|era| era.from != from);
        self.eras.push(Era { from, shifts, weekdays });
        self.eras.sort_unstable_by_key(|era| era.from);
        self.count_shifted();
        Ok(self)
    }

    /// The same calendar with these days worked (true) or not (false) whatever their weekday.
    ///
    /// # Errors
    /// [`CalendarError`].
    pub fn with_exceptions(mut self, days: impl IntoIterator<Item = (u32, bool)>) -> Result<Self, CalendarError> {
        self.exceptions.extend(days);
        within("exceptions", self.exceptions.len(), MAX_EXCEPTIONS)?;
        self.count_shifted();
        Ok(self)
    }

    /// Whether a day is worked.
    pub fn is_working_day(&self, day: u32) -> bool {
        self.exceptions.get(&day).copied().unwrap_or_else(|| self.era_of(day).is_some_and(|era| era.works_on(day)))
    }

    /// Working milliseconds from `from` to `until`; 0 when they stand the other way round.
    pub fn working_between(&self, from: u64, until: u64) -> u64 {
        self.worked_until(until).saturating_sub(self.worked_until(from))
    }

    /// The first moment at which `amount` working milliseconds have passed since `from`; `from` itself for 0. `None`
    /// when the calendar has no such moment within fifty years.
    pub fn advance(&self, from: u64, amount: u64) -> Option<u64> {
        let latest = from.checked_add(HORIZON)?;
        let target = self.worked_until(from).checked_add(amount)?;
        if self.worked_until(latest) < target {
            return None;
        }
        let (mut early, mut late) = (from, latest);
        while early < late {
            let middle = early + (late - early) / 2;
            if self.worked_until(middle) < target {
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
        let (today, within_day) = ((civil / DAY) as u32, civil % DAY);
        let mut worked = 0;
        for (place, era) in self.eras.iter().enumerate().filter(|(_, era)| era.from <= today) {
            let next = self.eras.get(place + 1).map_or(u32::MAX, |next| next.from);
            worked += self.working_days(era, next.min(today)) * era.worked_within_day(DAY);
            if today < next && self.is_working_day(today) {
                worked += era.worked_within_day(within_day);
            }
        }
        worked
    }

    /// Working days from the beginning of an era to before `until`, which lies within it.
    fn working_days(&self, era: &Era, until: u32) -> u64 {
        let by_weekday = era.working_weekdays_before(until) - era.working_weekdays_before(era.from);
        by_weekday.saturating_add_signed(self.shifted_before(until) - self.shifted_before(era.from))
    }

    /// By how many working days the exceptions before a day differ from what their weekdays say.
    fn shifted_before(&self, day: u32) -> i64 {
        let end = self.shifted.partition_point(|(shifted, _)| *shifted < day);
        end.checked_sub(1).and_then(|last| self.shifted.get(last)).map_or(0, |(_, days)| *days)
    }

    fn count_shifted(&mut self) {
        let mut days = 0;
        let mut shifted = vec![];
        for (day, worked) in &self.exceptions {
            let usual = self.era_of(*day).is_some_and(|era| era.works_on(*day));
            days += i64::from(*worked) - i64::from(usual);
            shifted.push((*day, days));
        }
        self.shifted = shifted;
    }

    fn era_of(&self, day: u32) -> Option<&Era> {
        self.eras.iter().rfind(|era| era.from <= day)
    }
}

impl Era {
    fn works_on(&self, day: u32) -> bool {
        // 1970-01-01 was a Thursday.
        self.weekdays >> ((u64::from(day) + 3) % 7) & 1 == 1
    }

    fn worked_within_day(&self, within_day: u64) -> u64 {
        let worked = |shift: &WorkingHours| {
            let (from, until) = (u64::from(shift.from) * MINUTE, u64::from(shift.until) * MINUTE);
            within_day.clamp(from, until.max(from)) - from
        };
        self.shifts.iter().map(worked).sum()
    }

    /// Days before `day`, from day 0 on, that its weekdays say are worked.
    fn working_weekdays_before(&self, day: u32) -> u64 {
        let full_weeks = u64::from(day / 7) * u64::from((self.weekdays & 0b111_1111).count_ones());
        full_weeks + (day - day % 7..day).filter(|day| self.works_on(*day)).count() as u64
    }
}

fn within(what: &'static str, got: usize, most: usize) -> Result<(), CalendarError> {
    if got <= most { Ok(()) } else { Err(CalendarError::TooMany { what, got, most }) }
}
