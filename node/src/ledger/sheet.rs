//! Writes workbooks: every text is written as text, so no cell is ever run as a formula.

use std::io::{self, Write};

use rust_xlsxwriter::{Format, Workbook, Worksheet};

use super::workbook_error;

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

/// A sheet with a header row that stays in view.
pub(super) struct Sheet {
    sheet: Worksheet,
    text: Format,
    next_row: u32,
}

impl Sheet {
    pub(super) fn new(name: &str, header: &[impl AsRef<str>]) -> io::Result<Self> {
        let mut sheet = Worksheet::new();
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
        Ok(Self { sheet, text, next_row: 1 })
    }

    /// Adds a row; more than a sheet can hold (1,048,576) is an error.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = SheetCell>) -> io::Result<()> {
        for (column, cell) in (0_u16..).zip(cells) {
            match cell {
                SheetCell::Text(text) => self
                    .sheet
                    .write_string_with_format(self.next_row, column, text, &self.text)
                    .map_err(workbook_error)?,
                SheetCell::Number(number) => {
                    self.sheet.write_number(self.next_row, column, number).map_err(workbook_error)?
                }
                SheetCell::Blank => continue,
            };
        }
        self.next_row += 1;
        Ok(())
    }
}

/// Writes a workbook of these sheets.
pub(super) fn write_workbook(sheets: impl IntoIterator<Item = Sheet>, output: &mut impl Write) -> io::Result<()> {
    let mut workbook = Workbook::new();
    for sheet in sheets {
        workbook.push_worksheet(sheet.sheet);
    }
    output.write_all(&workbook.save_to_buffer().map_err(workbook_error)?)
}
