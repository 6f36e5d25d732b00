//! Limits: how long a case of a category and severity may take.

use std::collections::BTreeMap;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use super::action::{LimitClock, Severity};
use super::event::MAX_NAME;
use super::versioned;

/// Minutes of one working day (8 working hours).
pub const MINUTES_PER_WORKING_DAY: u32 = 8 * 60;
/// Longest limit and longest extension: 1,000 working days, or 333 days of emergency hours.
pub const MAX_LIMIT_MINUTES: u32 = 1_000 * MINUTES_PER_WORKING_DAY;
/// Most rows of a table.
const MAX_LIMITS: usize = 4096;
/// Most bytes of an encoded table.
const MAX_TABLE_BYTES: usize = 1024 * 1024;

/// A time to handle a case in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct Limit {
    /// Minutes of the clock.
    #[n(0)]
    pub minutes: u32,
    /// Which hours count.
    #[n(1)]
    pub clock: LimitClock,
}

/// One row of a table, as it is imported.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(map)]
pub struct LimitRow {
    /// Category code.
    #[n(0)]
    pub category: String,
    /// Severity.
    #[n(1)]
    pub severity: Severity,
    /// The limit.
    #[n(2)]
    pub limit: Limit,
}

/// The limits of a town by category and severity, a replicated table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitTable {
    limits: BTreeMap<(String, Severity), Limit>,
}

/// Why rows are no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitTableError {
    /// A category without a code, or with an overlong one.
    #[error("row {0} of the limit table has a category code of 0 or more than {MAX_NAME} bytes; correct it")]
    Category(usize),
    /// A limit of nothing, or too long.
    #[error("row {row} of the limit table has a limit of {minutes} minutes; write 1 to {MAX_LIMIT_MINUTES}")]
    Minutes {
        /// Which row, from 1.
        row: usize,
        /// What it says.
        minutes: u32,
    },
    /// Two rows for one category and severity.
    #[error("row {row} of the limit table repeats category {category} with severity {severity}; keep one")]
    Twice {
        /// Which row, from 1.
        row: usize,
        /// Its category.
        category: String,
        /// Its severity.
        severity: Severity,
    },
    /// More rows or bytes than the bound.
    #[error("the limit table has {got} {what}, more than {most}; remove some")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        got: usize,
        /// The bound.
        most: usize,
    },
    /// Not the CBOR form of a table.
    #[error("these bytes are no limit table: {0}; import it again")]
    Malformed(String),
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

impl LimitTable {
    /// A table of these rows.
    pub fn new(rows: impl IntoIterator<Item = LimitRow>) -> Result<Self, LimitTableError> {
        let mut limits = BTreeMap::new();
        for (row, LimitRow { category, severity, limit }) in (1..).zip(rows) {
            within("rows", row, MAX_LIMITS)?;
            if category.is_empty() || category.len() > MAX_NAME {
                return Err(LimitTableError::Category(row));
            }
            if !(1..=MAX_LIMIT_MINUTES).contains(&limit.minutes) {
                return Err(LimitTableError::Minutes { row, minutes: limit.minutes });
            }
            if limits.insert((category.clone(), severity), limit).is_some() {
                return Err(LimitTableError::Twice { row, category, severity });
            }
        }
        Ok(Self { limits })
    }

    /// The limit of a category and severity; that of general severity where the table does not tell them apart.
    pub fn limit(&self, category: &str, severity: Severity) -> Option<Limit> {
        let exact = self.limits.get(&(category.to_owned(), severity));
        exact.or_else(|| self.limits.get(&(category.to_owned(), Severity::General))).copied()
    }

    /// The rows, by category and severity.
    pub fn rows(&self) -> impl Iterator<Item = LimitRow> {
        let row = |((category, severity), limit): (&(String, Severity), &Limit)| LimitRow {
            category: category.clone(),
            severity: *severity,
            limit: *limit,
        };
        self.limits.iter().map(row)
    }

    /// The bytes that are replicated.
    pub fn to_bytes(&self) -> Result<Vec<u8>, LimitTableError> {
        versioned::encode(&self.rows().collect::<Vec<_>>()).map_err(LimitTableError::Malformed)
    }

    /// The table of [`Self::to_bytes`]; at most 1 MiB.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LimitTableError> {
        within("bytes", bytes.len(), MAX_TABLE_BYTES)?;
        let rows: Vec<LimitRow> = versioned::decode(bytes).map_err(LimitTableError::Malformed)?;
        Self::new(rows)
    }
}

impl Default for LimitTable {
    /// Samples; a town imports its own.
    fn default() -> Self {
        let samples = [
            ("illegal_building", Limit::working_days(15)), // 私搭乱建
            ("exposed_rubbish", Limit::working_days(1)),   // 暴露垃圾
            ("rubble", Limit::working_days(4)),            // 积存渣土
            ("dirty_road", Limit::working_hours(5)),       // 道路不洁
        ];
        let row = |(category, limit): (&str, Limit)| ((category.to_owned(), Severity::General), limit);
        Self { limits: samples.into_iter().map(row).collect() }
    }
}

fn within(what: &'static str, got: usize, most: usize) -> Result<(), LimitTableError> {
    if got <= most { Ok(()) } else { Err(LimitTableError::TooMany { what, got, most }) }
}
