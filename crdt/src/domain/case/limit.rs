//! Limits: how long a case of a category and severity may take.

use serde::Serialize;

use super::action::LimitClock;

/// Minutes of one working day (8 working hours).
pub const MINUTES_PER_WORKING_DAY: u32 = 8 * 60;
/// Longest limit and longest extension: 1,000 working days, or 333 days of emergency hours.
pub const MAX_LIMIT_MINUTES: u32 = 1_000 * MINUTES_PER_WORKING_DAY;

/// A time to handle a case in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limit {
    /// Minutes of the clock.
    pub minutes: u32,
    /// Which hours count.
    pub clock: LimitClock,
}

impl Limit {
    /// A limit in working days.
    pub const fn working_days(days: u32) -> Self {
        Self { minutes: days.saturating_mul(MINUTES_PER_WORKING_DAY), clock: LimitClock::Working }
    }

    /// A limit in working hours.
    pub const fn working_hours(hours: u32) -> Self {
        Self { minutes: hours.saturating_mul(60), clock: LimitClock::Working }
    }

    /// A limit in hours that run day and night.
    pub const fn emergency_hours(hours: u32) -> Self {
        Self { minutes: hours.saturating_mul(60), clock: LimitClock::Emergency }
    }
}
