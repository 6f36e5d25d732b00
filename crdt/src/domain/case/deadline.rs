//! Deadlines: how much of its limit a case has used.

use serde::Serialize;

use super::action::LimitClock;
use super::calendar::Calendar;
use super::state::{Case, CaseClock};
use crate::domain::codes::coded;

const MINUTE: u64 = 60_000;

coded! {
    /// How urgent a case is (灯).
    pub enum Lamp: "lamp" {
        /// Under 80 % of the limit.
        Green = 1, "green", "绿灯", "green";
        /// From 80 to 100 %.
        Yellow = 2, "yellow", "黄灯", "yellow";
        /// Over the limit.
        Red = 3, "red", "红灯", "red";
    }
}

/// A case's deadline at some moment. It runs from the filing event, never from when a node heard of it; suspensions
/// stop the clock, extensions add to the limit. All in milliseconds, of the limit's own kind of hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Deadline {
    /// Limit and extensions.
    pub limit: u64,
    /// Used up until now, or until the case was handled or closed.
    pub used: u64,
    /// The moment at which the limit is reached, since 1970; `None` while the clock stands still before it, or when
    /// the calendar has no such moment.
    pub due: Option<u64>,
    /// Green, yellow or red.
    pub lamp: Lamp,
}

/// A stretch of time during which the clock stood still.
#[derive(Clone, Copy)]
struct Stretch {
    from: u64,
    until: u64,
}

impl Case {
    /// The deadline at `now` (milliseconds since 1970); `None` before filing, or when a newer version filed with a
    /// kind of hours that this one does not know. The clock stops with the handling; a failed verification makes it
    /// run on as if it never had.
    pub fn deadline(&self, calendar: &Calendar, now: u64) -> Option<Deadline> {
        self.clock.as_ref().and_then(|clock| clock.deadline(calendar, now))
    }
}

impl CaseClock {
    /// The moment from which the lamp is yellow, in milliseconds since 1970; `None` where [`Deadline::due`] is.
    pub fn yellow_from(&self, calendar: &Calendar) -> Option<u64> {
        let limit = (u64::from(self.minutes) + u64::from(self.extension_minutes)).saturating_mul(MINUTE);
        // The first moment at which used / limit is not under 80 %.
        let green = limit / 5 * 4 + (limit % 5 * 4).div_ceil(5);
        self.due(&Hours::of(self.clock, calendar)?, green, &self.stretches())
    }

    /// See [`Case::deadline`].
    pub fn deadline(&self, calendar: &Calendar, now: u64) -> Option<Deadline> {
        let hours = Hours::of(self.clock, calendar)?;
        let stop = self.handled.or(self.closed).unwrap_or(now);
        let limit = (u64::from(self.minutes) + u64::from(self.extension_minutes)).saturating_mul(MINUTE);
        let pauses = self.stretches();
        let paused: u64 =
            pauses.iter().map(|pause| hours.between(pause.from.max(self.started), pause.until.min(stop))).sum();
        let used = hours.between(self.started, stop).saturating_sub(paused);
        let due = self.due(&hours, limit, &pauses);
        Some(Deadline { limit, used, due, lamp: lamp(used, limit) })
    }

    fn due(&self, hours: &Hours<'_>, limit: u64, pauses: &[Stretch]) -> Option<u64> {
        let (mut amount, mut due) = (limit, hours.advance(self.started, limit)?);
        for pause in pauses.iter().filter(|pause| pause.until > self.started) {
            if pause.from >= due {
                break;
            }
            if pause.until == u64::MAX {
                return None;
            }
            amount = amount.saturating_add(hours.between(pause.from.max(self.started), pause.until));
            due = hours.advance(self.started, amount)?;
        }
        Some(due)
    }

    /// Pauses in order, none touching another. Clocks of different nodes may disagree: a pause that ends before it
    /// begins is none.
    fn stretches(&self) -> Vec<Stretch> {
        let stretch = |from, until: Option<u64>| Stretch { from, until: until.unwrap_or(u64::MAX) };
        let mut all: Vec<Stretch> = self.pauses.iter().map(|pause| stretch(pause.from, pause.until)).collect();
        all.retain(|pause| pause.from < pause.until);
        all.sort_unstable_by_key(|pause| (pause.from, pause.until));
        let mut joined: Vec<Stretch> = Vec::with_capacity(all.len());
        for pause in all {
            match joined.last_mut().filter(|last| pause.from <= last.until) {
                Some(last) => last.until = last.until.max(pause.until),
                None => joined.push(pause),
            }
        }
        joined
    }
}

/// The hours that count.
enum Hours<'a> {
    All,
    Working(&'a Calendar),
}

impl<'a> Hours<'a> {
    fn of(clock: LimitClock, calendar: &'a Calendar) -> Option<Self> {
        match clock {
            LimitClock::Emergency => Some(Self::All),
            LimitClock::Working => Some(Self::Working(calendar)),
            LimitClock::Unknown(_) => None,
        }
    }

    fn between(&self, from: u64, until: u64) -> u64 {
        match self {
            Self::All => until.saturating_sub(from),
            Self::Working(calendar) => calendar.working_between(from, until),
        }
    }

    fn advance(&self, from: u64, amount: u64) -> Option<u64> {
        match self {
            Self::All => from.checked_add(amount),
            Self::Working(calendar) => calendar.advance(from, amount),
        }
    }
}

fn lamp(used: u64, limit: u64) -> Lamp {
    // In whole numbers, so that every node shows the same: used / limit < 80 %.
    if u128::from(used) * 100 < u128::from(limit) * 80 {
        Lamp::Green
    } else if used <= limit {
        Lamp::Yellow
    } else {
        Lamp::Red
    }
}
