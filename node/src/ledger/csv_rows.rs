//! CSV: rows of fields separated by comma, tab or semicolon.

use std::io::{self, Read, Seek};

use encoding_rs::Encoding;

use super::error::LedgerError;
use super::formula;
use super::limits::Limits;
use super::source::{RawRow, RowSink};
use super::text::{Utf8Reader, encoding_of};

const SAMPLE: u64 = 8 * 1024;

/// Hands the rows of the file to `sink`; returns its encoding.
pub(super) fn each_row(
    file: &mut (impl Read + Seek),
    limits: &Limits,
    sink: &mut RowSink<'_>,
) -> Result<&'static Encoding, LedgerError> {
    let encoding = encoding_of(file)?;
    let delimiter = delimiter(file, encoding)?;
    file.rewind()?;
    let (reader, budget) = Utf8Reader::new(file, encoding);
    let mut parser =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(reader);
    let mut record = csv::StringRecord::new();
    loop {
        let next = parser.position().line();
        budget.renew();
        if !parser.read_record(&mut record).map_err(|error| read_error(error, next))? {
            return Ok(encoding);
        }
        let line = record.position().map_or(next, csv::Position::line);
        let cells = record.iter().take(limits.columns).map(|cell| formula::unescape(cell).to_owned()).collect();
        sink(RawRow { cells, ..RawRow::at(line) })?;
    }
}

fn read_error(error: csv::Error, row: u64) -> LedgerError {
    let too_long = matches!(error.kind(), csv::ErrorKind::Io(source) if source.kind() == io::ErrorKind::FileTooLarge);
    if too_long { LedgerError::RowTooLong { row } } else { LedgerError::Io(error.into()) }
}

/// Whichever separator the first lines have most of.
fn delimiter(file: &mut (impl Read + Seek), encoding: &'static Encoding) -> Result<u8, LedgerError> {
    file.rewind()?;
    let mut sample = Vec::new();
    Utf8Reader::new(file.take(SAMPLE), encoding).0.read_to_end(&mut sample)?;
    let count = |delimiter: u8| sample.iter().filter(|byte| **byte == delimiter).count();
    Ok([b',', b'\t', b';'].into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b','))
}
