//! Rows as they stand in a file, whatever its format.

use super::error::LedgerError;
use super::problem::Problem;

/// One row of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RawRow {
    /// Line or row number, from 1.
    pub(super) number: u64,
    /// The cells, in the order of the header.
    pub(super) cells: Vec<String>,
    /// What was found wrong while the row was taken apart.
    pub(super) problems: Vec<Problem>,
    /// Names of fields that mean nothing to a ledger (JSON lines).
    pub(super) unknown: Vec<String>,
    /// The line itself, where cells cannot give it back (JSON lines).
    pub(super) original: Option<String>,
}

impl RawRow {
    pub(super) fn at(number: u64) -> Self {
        Self { number, ..Self::default() }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.problems.is_empty() && self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// Takes rows one by one; an error stops the reading.
pub(super) type RowSink<'a> = dyn FnMut(RawRow) -> Result<(), LedgerError> + 'a;
