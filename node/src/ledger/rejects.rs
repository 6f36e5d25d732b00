//! Gives rows that are wrong back as the same kind of file, with the reasons: correct it, and read it again.

use std::io::{self, Write};

use serde_json::{Map, Value};

use super::column::Column;
use super::export::BOM;
use super::formula;
use super::sheet::{Sheet, SheetCell, write_workbook};
use super::{Format, RejectedRow};

/// Writes the rows with one more column 退回原因; text in UTF-8, whatever the encoding it came in. `header` is that of
/// the [`Summary`](super::Summary).
///
/// # Errors
/// When the output fails.
pub fn write_rejects(
    format: Format,
    header: &[String],
    rows: &[RejectedRow],
    output: &mut impl Write,
) -> io::Result<()> {
    match format {
        Format::JsonLines => write_lines(rows, output),
        Format::Csv => {
            output.write_all(BOM.as_bytes())?;
            let mut writer = csv::Writer::from_writer(output);
            for row in table(header, rows) {
                writer.write_record(row.iter().map(|cell| formula::escape(cell).into_owned()))?;
            }
            writer.flush()
        }
        Format::Xlsx => {
            let mut rows = table(header, rows).into_iter();
            let mut sheet = Sheet::new("退回", &rows.next().unwrap_or_default())?;
            for row in rows {
                // What a cell can hold; the reading allows less, but not for columns it ignores.
                let cells = row.into_iter().map(|cell| Some(cell.chars().take(32_767).collect::<String>()));
                sheet.row(cells.map(SheetCell::from))?;
            }
            write_workbook([sheet], output)
        }
    }
}

/// Header and rows of equal width. A file that was returned before has a column of reasons: the new ones replace it.
fn table(header: &[String], rows: &[RejectedRow]) -> Vec<Vec<String>> {
    let width = rows.iter().map(|row| row.cells.len()).chain([header.len()]).max().unwrap_or_default();
    let old_reasons = header.iter().position(|title| Column::known(title) == Some(Column::Reasons));
    let line = |cells: &[String], last: String| {
        let mut cells = cells.to_vec();
        cells.resize(width, String::new());
        if let Some(place) = old_reasons {
            cells.remove(place);
        }
        cells.push(last);
        cells
    };
    let title = line(header, Column::Reasons.header().to_owned());
    std::iter::once(title).chain(rows.iter().map(|row| line(&row.cells, reasons(row)))).collect()
}

fn reasons(row: &RejectedRow) -> String {
    let all: Vec<_> = row.problems.iter().map(super::Problem::describe).collect();
    format!("第{}行 / row {}：{}", row.row, row.row, all.join("；"))
}

fn write_lines(rows: &[RejectedRow], output: &mut impl Write) -> io::Result<()> {
    for row in rows {
        let line = row.original.as_deref().unwrap_or_default();
        let mut object = match serde_json::from_str(line) {
            Ok(Value::Object(object)) => object,
            _ => Map::from_iter([("line".to_owned(), Value::from(line))]),
        };
        object.insert(Column::Reasons.field().to_owned(), serde_json::to_value(&row.problems)?);
        serde_json::to_writer(&mut *output, &object)?;
        writeln!(output)?;
    }
    Ok(())
}
