//! Rows of tables and entries of books as files: in and out.
//!
//! The header names columns in Chinese, in English or as JSON does, in any order. A column that the file does not have
//! leaves what stands; a blank cell clears. Words may be written in either language or by their key.

use std::io::{Read, Seek, Write};

use townmesh_crdt::domain::columns::{Column, Need};
use townmesh_crdt::domain::input::InputError;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::value::{Fields, Value};

use super::error::LedgerError;
use super::export::{BOM, ExportError};
use super::limits::Limits;
use super::sheet::{Sheet, SheetCell, write_workbook};
use super::source::RawRow;
use super::{Format, csv_rows, formula, xlsx};

/// Largest file of a table in bytes.
pub const MAX_TABLE_FILE: u64 = 8 << 20;
/// Most rows of one, the header among them.
const MAX_TABLE_ROWS: u64 = 20_000;

/// A file as rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableFile {
    /// Each row that is right, with its line or row number in the file, from 1.
    pub rows: Vec<(u64, Fields)>,
    /// Cells that are wrong.
    pub wrong: Vec<(u64, InputError)>,
    /// Headers that were not understood.
    pub ignored: Vec<String>,
}

/// Reads a file (CSV in UTF-8 or GB18030, XLSX) as rows with these columns.
///
/// # Errors
/// When the file as a whole cannot be read.
pub fn read_table(columns: &[Column], file: impl Read + Seek) -> Result<TableFile, LedgerError> {
    let mut reading = Rows { columns, header: None, read: TableFile::default() };
    each_row(file, MAX_TABLE_ROWS, |row| {
        if row.number > MAX_TABLE_ROWS {
            return Err(LedgerError::TooManyRows { limit: MAX_TABLE_ROWS });
        }
        reading.row(row)
    })?;
    if reading.header.is_none() { Err(LedgerError::Empty) } else { Ok(reading.read) }
}

/// Hands over the rows of a small file (CSV in UTF-8 or GB18030, XLSX), its header among them.
pub(super) fn each_row(
    mut file: impl Read + Seek,
    rows: u64,
    mut sink: impl FnMut(RawRow) -> Result<(), LedgerError>,
) -> Result<(), LedgerError> {
    let limits = Limits { file_bytes: MAX_TABLE_FILE, unpacked_bytes: 64 << 20, rows, ..Limits::default() };
    let bytes = file.seek(std::io::SeekFrom::End(0))?;
    file.rewind()?;
    if bytes == 0 {
        return Err(LedgerError::Empty);
    }
    if bytes > limits.file_bytes {
        return Err(LedgerError::FileTooLarge { bytes, limit: limits.file_bytes });
    }
    match Format::of_content(&mut file)? {
        Format::Xlsx => _ = xlsx::each_row(file, None, &limits, &mut sink)?,
        Format::Csv | Format::JsonLines => _ = csv_rows::each_row(&mut file, &limits, &mut sink)?,
    }
    Ok(())
}

struct Rows<'a> {
    columns: &'a [Column],
    /// What each column of the file holds.
    header: Option<Vec<Option<&'a Column>>>,
    read: TableFile,
}

impl<'a> Rows<'a> {
    fn row(&mut self, row: RawRow) -> Result<(), LedgerError> {
        if row.is_blank() {
            return Ok(());
        }
        let Some(header) = &self.header else {
            self.header = Some(self.header_of(&row.cells)?);
            return Ok(());
        };
        let mut fields = Fields::new();
        for (place, column) in header.iter().enumerate() {
            let Some(column) = column else { continue };
            let cell = row.cells.get(place).map_or("", String::as_str);
            match column.parse(cell) {
                Ok(value) => _ = fields.insert(column.number, value.unwrap_or(Value::Null)),
                Err(error) => self.read.wrong.push((row.number, error)),
            }
        }
        self.read.rows.push((row.number, fields));
        Ok(())
    }

    fn header_of(&mut self, cells: &[String]) -> Result<Vec<Option<&'a Column>>, LedgerError> {
        let columns = self.columns;
        let mut header: Vec<Option<&'a Column>> = vec![];
        for cell in cells {
            let name = normalise(cell);
            let is_named = |column: &&Column| {
                [column.name, column.chinese, column.english].iter().any(|known| normalise(known) == name)
            };
            let found = columns.iter().find(is_named);
            let twice = found.is_some_and(|column| header.iter().flatten().any(|one| one.number == column.number));
            if twice {
                let first = found.map(|column| column.chinese.to_owned()).unwrap_or_default();
                return Err(LedgerError::DuplicateColumn { first, second: super::problem::excerpt(cell) });
            }
            if found.is_none() && !name.is_empty() {
                self.read.ignored.push(super::problem::excerpt(cell));
            }
            header.push(found);
        }
        let is_missing = |column: &&Column| {
            column.need == Need::Key && !header.iter().flatten().any(|one| one.number == column.number)
        };
        let missing: Vec<String> =
            columns.iter().filter(is_missing).map(|column| format!("{}({})", column.chinese, column.name)).collect();
        if missing.is_empty() {
            return Ok(header);
        }
        let found =
            cells.iter().filter(|text| !text.trim().is_empty()).take(30).map(|text| super::problem::excerpt(text));
        let found = found.collect::<Vec<_>>().join("、");
        Err(LedgerError::MissingColumns { missing: missing.join("、"), found })
    }
}

/// Writes rows under a title with Chinese headers and words, so that [`read_table`] gives them back.
///
/// # Errors
/// When the output fails.
pub fn write_table<'r>(
    title: &str,
    columns: &[Column],
    rows: impl Iterator<Item = &'r Fields>,
    format: Format,
    output: &mut impl Write,
) -> Result<(), ExportError> {
    let header: Vec<&str> = columns.iter().map(|column| column.chinese).collect();
    let cells = rows.map(|row| columns.iter().map(|column| cell(row, column)).collect::<Vec<_>>());
    if format == Format::Xlsx {
        let mut sheet = Sheet::new(title, &header)?;
        for row in cells {
            sheet.row(row.into_iter().map(|text| SheetCell::from(Some(text))))?;
        }
        return Ok(write_workbook([sheet], output)?);
    }
    output.write_all(BOM.as_bytes())?;
    let mut writer = csv::Writer::from_writer(output);
    writer.write_record(&header).map_err(std::io::Error::from)?;
    for row in cells {
        writer.write_record(row.iter().map(|text| formula::escape(text).into_owned())).map_err(std::io::Error::from)?;
    }
    Ok(writer.flush()?)
}

fn cell(row: &Fields, column: &Column) -> String {
    let words = row.get(&column.number).and_then(|value| column.show(value));
    words.map_or_else(String::new, |[_, chinese, _]| chinese)
}
