//! Rows on the command line: `column=value`, and files of them.

use std::path::Path;

use serde_json::{Map, Value, json};
use townmesh_crdt::domain::columns::Column;

use crate::ledger::Format;
use crate::message::Message;

/// `column=value`, for clap.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (column, value) = text.split_once('=').ok_or("请写成 列=值 / write column=value")?;
    Ok((column.trim().to_owned(), value.trim().to_owned()))
}

/// A row as the API takes it, with more columns; `column=` clears.
pub(super) fn input(cells: Vec<(String, String)>, more: Option<(&str, Value)>) -> Value {
    let cell = |(column, value): (String, String)| (column, if value.is_empty() { Value::Null } else { value.into() });
    let more = more.map(|(column, value)| (column.to_owned(), value));
    let row: Map<String, Value> = cells.into_iter().map(cell).chain(more).collect();
    json!({ "rows": [row] })
}

/// The format that a file's name asks for.
pub(super) fn format_of(file: &Path) -> Result<&'static str, Message> {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match Format::of_name(name) {
        Some(Format::Csv) => Ok("csv"),
        Some(Format::Xlsx) => Ok("xlsx"),
        Some(Format::JsonLines) | None => {
            Err(Message::new("format", "文件名须以 .csv 或 .xlsx 结尾", "the file's name must end in .csv or .xlsx"))
        }
    }
}

/// Rows of a list with their columns as people read them: words in Chinese, times by the town's clock.
pub(super) fn readable(columns: &[Column], mut listed: Value) -> Value {
    let rows = listed.get_mut("rows").and_then(Value::as_array_mut);
    rows.into_iter().flatten().for_each(|row| make_readable(columns, row));
    listed
}

/// One row the same.
pub(super) fn make_readable(columns: &[Column], row: &mut Value) {
    for column in columns {
        let Some(value) = row.get_mut(column.name) else { continue };
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let words = column.parse(&text).ok().flatten().and_then(|known| column.show(&known));
        if let Some([_, chinese, _]) = words {
            *value = chinese.into();
        }
    }
}

/// Titles of columns for a table.
pub(super) fn titles(columns: &[Column]) -> Vec<(String, String)> {
    columns.iter().map(|column| (format!("/{}", column.name), format!("{} {}", column.chinese, column.name))).collect()
}
