//! An empty ledger to fill in.

use std::io::{self, Write};

use super::Format;
use super::column::Column;
use super::export::BOM;
use super::sheet::{Sheet, SheetCell, write_workbook};

/// Name of the sheet that explains the columns.
pub(super) const EXPLANATIONS: &str = "说明";

/// Writes a template: CSV with the headers and a row of explanations that begins with `#` and is skipped when read;
/// XLSX with the headers and a second sheet of explanations; JSON lines with nothing but one line of empty fields.
///
/// # Errors
/// When the output fails.
pub fn write_template(format: Format, output: &mut impl Write) -> io::Result<()> {
    match format {
        Format::Csv => {
            output.write_all(BOM.as_bytes())?;
            let mut writer = csv::Writer::from_writer(output);
            writer.write_record(Column::written().map(Column::header))?;
            let mark = |(place, column): (usize, Column)| {
                format!("{}{}", if place == 0 { "# " } else { "" }, column.explained())
            };
            writer.write_record(Column::written().enumerate().map(mark))?;
            writer.flush()
        }
        Format::Xlsx => {
            let header: Vec<_> = Column::written().map(Column::header).collect();
            let ledger = Sheet::new("住户台账", &header)?;
            let mut explained = Sheet::new(EXPLANATIONS, &["列 / column", "字段 / field", "说明 / what to fill in"])?;
            for column in Column::written() {
                explained.row(
                    [column.header(), column.field(), column.explained()].map(|text| SheetCell::Text(text.to_owned())),
                )?;
            }
            write_workbook([ledger, explained], output)
        }
        Format::JsonLines => {
            let fields = Column::written().map(|column| (column.field().to_owned(), serde_json::Value::from("")));
            writeln!(output, "{}", serde_json::Value::Object(fields.collect()))
        }
    }
}
