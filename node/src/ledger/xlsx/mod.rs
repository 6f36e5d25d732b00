//! Workbooks: rows of one sheet, and which others have any.

mod guard;
mod inflate;

use std::io::{Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{Cell, DataRef, Reader as _, Xlsx, XlsxError};

use self::guard::GuardError;
use super::error::LedgerError;
use super::limits::Limits;
use super::problem::excerpt;
use super::source::{RawRow, RowSink};
use super::template::EXPLANATIONS;

/// Sheets that are looked at where none is named.
const MAX_SHEETS: usize = 100;
/// Sheets that a message names.
const NAMED: usize = 20;

/// Which sheet of a workbook was read.
#[derive(Debug, Default)]
pub(super) struct Sheets {
    /// Its name; `None` where all are empty.
    pub(super) read: Option<String>,
    /// Names of the others with rows.
    pub(super) left_out: Vec<String>,
}

/// Hands the rows of a sheet to `sink`: the one that is `wanted`, or the first that is not empty.
pub(super) fn each_row(
    mut file: impl Read + Seek,
    wanted: Option<&str>,
    limits: &Limits,
    sink: &mut RowSink<'_>,
) -> Result<Sheets, LedgerError> {
    guard::check(&mut file, limits.unpacked_bytes).map_err(|error| match error {
        GuardError::NotAWorkbook => LedgerError::DamagedWorkbook { reason: error.to_string() },
        GuardError::Encrypted => LedgerError::OldOrEncryptedWorkbook,
        GuardError::TooLarge(limit) => LedgerError::UnpacksTooLarge { limit },
        GuardError::Absurd(_) => LedgerError::DamagedWorkbook { reason: error.to_string() },
        GuardError::Io(source) => LedgerError::Io(source),
    })?;
    let mut workbook = contained(|| Xlsx::new(file))?;
    let names = workbook.sheet_names();
    if let Some(wanted) = wanted.filter(|wanted| !names.iter().any(|name| name == wanted)) {
        let known: Vec<_> = names.iter().take(NAMED).map(|name| excerpt(name)).collect();
        return Err(LedgerError::SheetUnknown { name: excerpt(wanted), known: known.join("、") });
    }
    let mut sheets = Sheets::default();
    let is_wanted = |name: &str| wanted.is_some_and(|wanted| wanted == name);
    let names = names.into_iter().enumerate().filter(|(place, name)| *place < MAX_SHEETS || is_wanted(name));
    for (_, name) in names {
        if (wanted.is_some() && !is_wanted(&name)) || sheets.read.is_some() {
            // Nobody misses what the template says of its columns.
            if name != EXPLANATIONS && has_rows(&mut workbook, &name, limits) {
                sheets.left_out.push(name);
            }
        } else if sheet_rows(&mut workbook, &name, limits, sink)? {
            sheets.read = Some(name);
        }
    }
    Ok(sheets)
}

/// Whether a sheet that is not read has any row with content. One that cannot be read has none that would be missed.
fn has_rows<F: Read + Seek>(workbook: &mut Xlsx<F>, sheet: &str, limits: &Limits) -> bool {
    let mut first = |_| Err(LedgerError::Stopped);
    matches!(sheet_rows(workbook, sheet, limits, &mut first), Err(LedgerError::Stopped))
}

/// Runs the library. It indexes into tables that the file itself supplies, so a crafted file may make it panic; that
/// must cost this import and not the node.
fn contained<T>(action: impl FnOnce() -> Result<T, XlsxError>) -> Result<T, LedgerError> {
    let outcome = catch_unwind(AssertUnwindSafe(action));
    let result =
        outcome.map_err(|_| LedgerError::DamagedWorkbook { reason: "its tables contradict each other".into() })?;
    result.map_err(|error| LedgerError::DamagedWorkbook { reason: error.to_string() })
}

/// True when the sheet had any row with content.
fn sheet_rows<F: Read + Seek>(
    workbook: &mut Xlsx<F>,
    sheet: &str,
    limits: &Limits,
    sink: &mut RowSink<'_>,
) -> Result<bool, LedgerError> {
    // A chart or macro sheet has no cells: not an error, only not the ledger.
    let mut cells = match contained(|| workbook.worksheet_cells_reader(sheet)) {
        Ok(cells) => cells,
        Err(LedgerError::DamagedWorkbook { .. }) => return Ok(false),
        Err(other) => return Err(other),
    };
    let mut any = false;
    let mut row = RawRow::default();
    while let Some(cell) = contained(|| cells.next_cell())? {
        let (line, column) = (u64::from(cell.get_position().0) + 1, cell.get_position().1 as usize);
        let Some(text) = cell_text(&cell).filter(|_| column < limits.columns) else { continue };
        any = true;
        if line != row.number {
            let done = std::mem::replace(&mut row, RawRow::at(line));
            if done.number > 0 {
                sink(done)?;
            }
        }
        if row.cells.len() <= column {
            row.cells.resize(column + 1, String::new());
        }
        if let Some(place) = row.cells.get_mut(column) {
            *place = text;
        }
    }
    if row.number > 0 {
        sink(row)?;
    }
    Ok(any)
}

/// A cell as a person sees it; `None` where nothing is to be seen.
fn cell_text(cell: &Cell<DataRef<'_>>) -> Option<String> {
    let text = match cell.get_value() {
        DataRef::Empty => return None,
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::Bool(truth) => if *truth { "是" } else { "否" }.to_owned(),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            match (hour, minute, second) {
                (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}"),
                _ => format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"),
            }
        }
        DataRef::DateTimeIso(text) => text.replace('T', " "),
        DataRef::DurationIso(text) => text.clone(),
        DataRef::Error(error) => error.to_string(),
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Whole numbers without a decimal point, as long as a spreadsheet holds them exactly (15 digits). Beyond that the
/// scientific form, which the check of ID numbers recognises as one whose end was lost.
fn number_text(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        format!("{number:.0}")
    } else if number.abs() >= 1e15 {
        format!("{number:.5E}").replace('E', "E+")
    } else {
        format!("{number}")
    }
}
