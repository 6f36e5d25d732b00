//! JSON lines: one object a line, its keys the field names or headers of a ledger.

use std::io::{self, BufRead, BufReader, Read, Seek};

use encoding_rs::Encoding;
use serde_json::Value;

use super::column::{Column, Layout, Mapping};
use super::error::LedgerError;
use super::problem::{Problem, ProblemKind, excerpt};
use super::source::{RawRow, RowSink};
use super::text::{Utf8Reader, encoding_of};

/// Hands the lines of the file to `sink` as rows in the layout of [`Layout::of_fields`]; returns its encoding.
pub(super) fn each_row(
    file: &mut (impl Read + Seek),
    mapping: &Mapping,
    sink: &mut RowSink<'_>,
) -> Result<&'static Encoding, LedgerError> {
    let encoding = encoding_of(file)?;
    file.rewind()?;
    let (reader, budget) = Utf8Reader::new(file, encoding);
    let mut lines = BufReader::new(reader);
    let layout = Layout::of_fields();
    for number in 1.. {
        let mut line = String::new();
        budget.renew();
        let length = lines.read_line(&mut line).map_err(|error| {
            let too_long = error.kind() == io::ErrorKind::FileTooLarge;
            if too_long { LedgerError::RowTooLong { row: number } } else { LedgerError::Io(error) }
        })?;
        if length == 0 {
            break;
        }
        if !line.trim().is_empty() {
            sink(row(number, line.trim(), &layout, mapping))?;
        }
    }
    Ok(encoding)
}

fn row(number: u64, line: &str, layout: &Layout, mapping: &Mapping) -> RawRow {
    let cells = vec![String::new(); layout.header.len()];
    let mut row = RawRow { cells, original: Some(line.to_owned()), ..RawRow::at(number) };
    let object = match serde_json::from_str::<Value>(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => {
            row.problems.push(Problem::new("", ProblemKind::Json("not an object".into())));
            return row;
        }
        Err(error) => {
            row.problems.push(Problem::new("", ProblemKind::Json(excerpt(&error.to_string()))));
            return row;
        }
    };
    let mut is_known = false;
    for (key, value) in object {
        let Some(place) = layout.place_of_key(&key, mapping) else {
            row.unknown.push(key);
            continue;
        };
        is_known = true;
        match (scalar(value), row.cells.get_mut(place)) {
            (Some(text), Some(cell)) => *cell = text,
            _ => row.problems.push(Problem::new(&key, ProblemKind::JsonValue)),
        }
    }
    if !is_known {
        row.problems.push(Problem::new("", ProblemKind::NothingKnown));
    }
    row.unknown.retain(|key| Column::known(key) != Some(Column::Reasons));
    row
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text),
        Value::Array(_) | Value::Object(_) => None,
    }
}
