//! Household ledgers: the files in which villages keep who lives where, in and out.
//!
//! [`Reading`] takes CSV (UTF-8, GB18030), XLSX and JSON lines with one row per resident, checks every row, puts the
//! rows of a household together and hands back the rows that are wrong with reasons. [`write_rejects`] writes those as
//! the same kind of file, [`write_template`] an empty ledger, [`write_households`] households as CSV, XLSX or GeoJSON.
//! Nothing here knows of documents, entries or the store.

mod asked_lists;
mod column;
mod csv_rows;
mod error;
mod export;
mod formula;
mod hotline;
mod household_rows;
mod jsonl;
mod limits;
mod list_columns;
mod lists;
mod problem;
mod read;
mod regions;
mod rejects;
mod row;
mod sheet;
mod source;
mod table;
mod template;
mod text;
mod xlsx;

use std::io::{self, Read, Seek};

use serde::Serialize;
use townmesh_crdt::domain::household::{Household, Resident};

pub use self::asked_lists::AskedList;
pub use self::column::{Column, Mapping, MappingError};
pub use self::error::LedgerError;
pub use self::export::{ExportError, ExportFormat, ExportedHousehold, write_households};
pub use self::hotline::{HotlineCall, HotlineList, HotlineNames, read_hotline};
pub use self::limits::Limits;
pub use self::lists::{ListEnd, ListFormat, ListKind, ListShape, ListWriter};
pub use self::problem::{Problem, ProblemKind};
pub use self::read::{Reading, Visitor};
pub use self::regions::RegionTable;
pub use self::rejects::write_rejects;
pub use self::table::{MAX_TABLE_FILE, TableFile, read_table, write_table};
pub use self::template::write_template;

/// The formats in which ledgers are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Comma-, tab- or semicolon-separated text.
    #[default]
    Csv,
    /// Office Open XML workbook.
    Xlsx,
    /// One JSON object a line.
    JsonLines,
}

impl Format {
    /// The format that a file's name suggests.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "csv" | "tsv" | "txt" => Some(Self::Csv),
            "xlsx" | "xlsm" => Some(Self::Xlsx),
            "jsonl" | "ndjson" | "json" => Some(Self::JsonLines),
            _ => None,
        }
    }

    /// The format of a file's content; leaves the file at its beginning.
    ///
    /// # Errors
    /// When it is an old or encrypted workbook, or cannot be read.
    fn of_content(file: &mut (impl Read + Seek)) -> Result<Self, LedgerError> {
        let mut start = Vec::new();
        file.by_ref().take(1024).read_to_end(&mut start)?;
        file.rewind()?;
        let text = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start).trim_ascii_start();
        match start.get(..4) {
            Some(b"PK\x03\x04") => Ok(Self::Xlsx),
            Some(b"\xD0\xCF\x11\xE0") => Err(LedgerError::OldOrEncryptedWorkbook),
            _ if text.first() == Some(&b'{') => Ok(Self::JsonLines),
            _ => Ok(Self::Csv),
        }
    }
}

/// A household as rows of a ledger say it is. Without resident ids: those are given when it is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerHousehold {
    /// The household; region and address are known.
    pub household: Household,
    /// Its residents in the order of the rows.
    pub residents: Vec<Resident>,
    /// Its first row in the file.
    pub first_row: u64,
    /// Its rows as they stand in the file.
    pub rows: Vec<RejectedRow>,
    /// A household with this natural key was handed over before: this adds to it.
    pub continues: bool,
}

/// A row as it stands in the file, with what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RejectedRow {
    /// Line or row number, from 1.
    pub row: u64,
    /// Its cells.
    #[serde(skip)]
    pub cells: Vec<String>,
    /// The line itself (JSON lines only).
    #[serde(skip)]
    pub original: Option<String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

/// What a ledger came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Summary {
    /// Its format.
    pub format: Format,
    /// The encoding of its text, such as `UTF-8` or `gb18030`; `None` for workbooks.
    pub encoding: Option<String>,
    /// The sheet that was read; `None` for text.
    pub sheet: Option<String>,
    /// Other sheets of the workbook that hold rows; they were not read.
    pub sheets_left_out: Vec<String>,
    /// Its headers; empty for JSON lines.
    pub header: Vec<String>,
    /// Headers that were not understood.
    pub ignored_columns: Vec<String>,
    /// Rows with content, the header apart.
    pub rows: u64,
    /// Households.
    pub households: u64,
    /// Residents in them.
    pub residents: u64,
    /// Rows that are wrong.
    pub rejected: u64,
}

/// A whole ledger in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    /// The households, each once.
    pub households: Vec<LedgerHousehold>,
    /// The rows that are wrong.
    pub rejected: Vec<RejectedRow>,
    /// What it came to.
    pub summary: Summary,
}

/// A workbook that could not be written.
fn workbook_error(error: rust_xlsxwriter::XlsxError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
pub(crate) mod tests;
