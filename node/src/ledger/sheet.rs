//! Writes workbooks: every text is written as text, so no cell is ever run as a formula.

use std::io::{self, Write};

use rust_xlsxwriter::{Format, Workbook, Worksheet};

use super::{formula, workbook_error};

/// One cell to be written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SheetCell {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// Nothing.
    Blank,
}

impl From<Option<String>> for SheetCell {
    fn from(text: Option<String>) -> Self {
        text.filter(|text| !text.is_empty()).map_or(Self::Blank, Self::Text)
    }
}

impl SheetCell {
    /// The cell as it stands in a CSV file.
    pub(super) fn to_csv(&self) -> String {
        match self {
            Self::Text(text) => formula::escape(text).into_owned(),
            Self::Number(number) => number.to_string(),
            Self::Blank => String::new(),
        }
    }
}

/// Rows that fit below the header of a sheet.
pub(super) const MOST_SHEET_ROWS: u32 = 1_048_575;

/// A sheet with a header row that stays in view.
pub(super) struct Sheet {
    sheet: Worksheet,
    text: Format,
    next_row: u32,
}

impl Sheet {
    pub(super) fn new(name: &str, header: &[impl AsRef<str>]) -> io::Result<Self> {
        let mut sheet = Worksheet::new();
        let text = begin(&mut sheet, name, header)?;
        Ok(Self { sheet, text, next_row: 1 })
    }

    /// Adds a row; more than a sheet can hold ([`MOST_SHEET_ROWS`]) is an error.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = SheetCell>) -> io::Result<()> {
        write_row(&mut self.sheet, self.next_row, cells, &self.text)?;
        self.next_row += 1;
        Ok(())
    }
}

/// Names a sheet and writes its header row; the format of its texts.
pub(super) fn begin(sheet: &mut Worksheet, name: &str, header: &[impl AsRef<str>]) -> io::Result<Format> {
    sheet.set_name(name).map_err(workbook_error)?;
    // Without the text format a spreadsheet turns a number that is typed in later into a rounded one.
    let text = Format::new().set_num_format("@");
    let bold = Format::new().set_bold().set_num_format("@");
    for (column, title) in (0_u16..).zip(header) {
        let width = title.as_ref().chars().count().clamp(6, 30) as f64 * 2.0;
        sheet.set_column_width(column, width).map_err(workbook_error)?;
        sheet.set_column_format(column, &text).map_err(workbook_error)?;
        sheet.write_string_with_format(0, column, title.as_ref(), &bold).map_err(workbook_error)?;
    }
    sheet.set_freeze_panes(1, 0).map_err(workbook_error)?;
    Ok(text)
}

/// Writes a row of a sheet that was begun.
pub(super) fn write_row(
    sheet: &mut Worksheet,
    row: u32,
    cells: impl IntoIterator<Item = SheetCell>,
    text: &Format,
) -> io::Result<()> {
    for (column, cell) in (0_u16..).zip(cells) {
        match cell {
            SheetCell::Text(cell) => {
                sheet.write_string_with_format(row, column, cut(cell), text).map_err(workbook_error)?
            }
            SheetCell::Number(number) => sheet.write_number(row, column, number).map_err(workbook_error)?,
            SheetCell::Blank => continue,
        };
    }
    Ok(())
}

/// Most UTF-16 units of a cell.
const MOST_CELL_UNITS: usize = 32_767;

/// A text as a cell holds it: what is cut ends with a sign of it.
fn cut(text: String) -> String {
    if text.encode_utf16().count() <= MOST_CELL_UNITS {
        return text;
    }
    let mut left = MOST_CELL_UNITS - 1;
    let fits = |character: &char| {
        let units = character.len_utf16();
        let fits = units <= left;
        left = left.saturating_sub(units);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// Writes a workbook of these sheets.
pub(super) fn write_workbook(sheets: impl IntoIterator<Item = Sheet>, output: &mut impl Write) -> io::Result<()> {
    let mut workbook = Workbook::new();
    for sheet in sheets {
        workbook.push_worksheet(sheet.sheet);
    }
    output.write_all(&workbook.save_to_buffer().map_err(workbook_error)?)
}
