//! Rows that come in and go out by their columns, of tables and of books.

use std::io::Cursor;

use axum::Json;
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value as JsonValue};
use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::town::Imported;
use townmesh_crdt::domain::columns::{Column, Need};
use townmesh_crdt::domain::input::{Fault, InputError};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::value::{Fields, Value};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};

use super::Api;
use super::error::ApiError;
use crate::ledger::{Format, LedgerError, TableFile, read_table, write_table};
use crate::message::Message;

/// Wrong rows that a message names.
const NAMED: usize = 20;

/// A column of a table.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownColumn {
    chinese: &'static str,
    english: &'static str,
    name: &'static str,
    /// `key`, `required` or `optional`.
    need: &'static str,
}

/// A column as the API tells it.
pub(super) fn shown_column(column: &Column) -> ShownColumn {
    let need = match column.need {
        Need::Key => "key",
        Need::Required => "required",
        Need::Optional => "optional",
    };
    ShownColumn { chinese: column.chinese, english: column.english, name: column.name, need }
}

/// A row of JSON, `{column: value}`, as its fields; `null` clears a column.
///
/// # Errors
/// The first column that is wrong.
pub(super) fn fields_of(columns: &[Column], row: &Map<String, JsonValue>) -> Result<Fields, InputError> {
    let mut fields = Fields::new();
    for (name, value) in row {
        let is_named = |column: &&Column| [column.name, column.chinese].contains(&name.as_str());
        let Some(column) = columns.iter().find(is_named) else {
            let known = columns.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
            return Err(InputError::new(name.chars().take(40).collect::<String>(), Fault::Column { known }));
        };
        let text = match value {
            JsonValue::Null => None,
            JsonValue::String(text) => Some(text.clone()),
            JsonValue::Bool(_) | JsonValue::Number(_) => Some(value.to_string()),
            JsonValue::Array(_) | JsonValue::Object(_) => {
                let form = Fault::Form {
                    chinese: "文字、数字、true 或 false",
                    english: "a text, a number, true or false",
                };
                return Err(InputError::new(column.name, form));
            }
        };
        let value = text.map_or(Ok(None), |text| column.parse(&text))?;
        if fields.insert(column.number, value.unwrap_or(Value::Null)).is_some() {
            return Err(InputError::new(column.name, Fault::Twice));
        }
    }
    Ok(fields)
}

/// As what a list of rows is wanted: `None` for JSON.
///
/// # Errors
/// Of a format that there is none of.
pub(super) fn file_format(format: Option<&str>) -> Result<Option<Format>, ApiError> {
    match format {
        None | Some("json") => Ok(None),
        Some("csv") => Ok(Some(Format::Csv)),
        Some("xlsx") => Ok(Some(Format::Xlsx)),
        Some(_) => {
            let message = Message::new("format", "格式须为 json、csv 或 xlsx", "the format must be json, csv or xlsx");
            Err(ApiError::bad_request(message))
        }
    }
}

/// Rows as a file to be saved.
///
/// # Errors
/// When it cannot be written.
pub(super) fn file<'r>(
    (name, title): (&str, &str),
    columns: &[Column],
    rows: impl Iterator<Item = &'r Fields>,
    format: Format,
) -> Result<Response, ApiError> {
    let (media, extension) = match format {
        Format::Xlsx => ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        Format::Csv | Format::JsonLines => ("text/csv; charset=utf-8", "csv"),
    };
    let mut bytes = Vec::new();
    write_table(title, columns, rows, format, &mut bytes)?;
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response())
}

/// Which rows of a file are wrong, and that nothing of it was recorded.
pub(super) fn wrong_rows(columns: &[Column], wrong: &[(u64, InputError)]) -> ApiError {
    let title = |error: &InputError| -> &'static str {
        let column = columns.iter().find(|column| column.name == error.field);
        column.map_or("整行", |column| column.chinese)
    };
    let chinese = wrong.iter().take(NAMED).map(|(row, error)| {
        let told = error.chinese();
        let what = told.split_once('：').map_or(told.as_str(), |(_, what)| what);
        format!("第 {row} 行“{}”：{what}", title(error))
    });
    let english = wrong.iter().take(NAMED).map(|(row, error)| format!("row {row}, {error}"));
    let rows: std::collections::BTreeSet<u64> = wrong.iter().map(|(row, _)| *row).collect();
    let zh = format!("没有导入，{} 行有误：{}", rows.len(), chinese.collect::<Vec<_>>().join("；"));
    let en = format!("nothing was imported, {} rows are wrong: {}", rows.len(), english.collect::<Vec<_>>().join("; "));
    let message = Message::new("rows", zh, en).remedy("改正后重新导入", "correct them, then import again");
    ApiError { status: StatusCode::UNPROCESSABLE_ENTITY, message }
}

/// Rows of JSON as they are described: `{column: value}` each.
pub(super) fn input_schema() -> ArrayBuilder {
    let cell = [Type::String, Type::Number, Type::Boolean, Type::Null];
    let cell = ObjectBuilder::new().schema_type(SchemaType::from_iter(cell));
    ArrayBuilder::new().items(ObjectBuilder::new().additional_properties(Some(cell)))
}

/// What every row of JSON comes to.
///
/// # Errors
/// [`CommandError::Rows`]: all that are wrong, by their place.
pub(super) fn each_row<T>(
    rows: &[Map<String, JsonValue>],
    make: impl Fn(&Map<String, JsonValue>) -> Result<T, InputError>,
) -> Result<Vec<T>, CommandError> {
    let (mut right, mut wrong) = (vec![], vec![]);
    for (place, row) in rows.iter().enumerate() {
        match make(row) {
            Ok(made) => right.push(made),
            Err(error) => wrong.push((place, error)),
        }
    }
    if wrong.is_empty() { Ok(right) } else { Err(CommandError::Rows(wrong)) }
}

/// Reads a file of rows beside the requests.
///
/// # Errors
/// When it cannot be read, or others are being read.
pub(super) async fn read_file(
    api: &Api,
    columns: impl AsRef<[Column]> + Send + 'static,
    body: Bytes,
) -> Result<TableFile, ApiError> {
    let _place = api.bounds().heavy()?;
    let read = tokio::task::spawn_blocking(move || read_table(columns.as_ref(), Cursor::new(body))).await;
    Ok(read.map_err(|_| ApiError::from(LedgerError::Stopped))??)
}

/// Records the rows of a file, all of them or none; `numbers` are their rows in it, `ignored` its unknown headers.
///
/// # Errors
/// The wrong rows by their numbers, or why nothing could be recorded.
pub(super) async fn record_file(
    api: &Api,
    columns: &[Column],
    (numbers, ignored): (&[u64], Vec<String>),
    record: impl FnOnce(&mut Replica, u64) -> Result<Imported, CommandError> + Send + 'static,
) -> Result<Response, ApiError> {
    let job = move |replica: &mut Replica, now| match record(replica, now) {
        // Not an error of the engine: it is told with the rows of the file.
        Err(CommandError::Rows(wrong)) => Ok(Err(wrong)),
        other => other.map(Ok),
    };
    match api.engine().decide(job).await? {
        Ok(Imported { created, changed, unchanged }) => {
            Ok(Json(RowsImported { changed, created, ignored_columns: ignored, unchanged }).into_response())
        }
        Err(wrong) => {
            let numbered = wrong.into_iter().map(|(place, error)| (numbers.get(place).copied().unwrap_or(0), error));
            Err(wrong_rows(columns, &numbered.collect::<Vec<_>>()))
        }
    }
}

/// What a file of rows came to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RowsImported {
    changed: u64,
    created: u64,
    /// Headers that were not understood.
    ignored_columns: Vec<String>,
    unchanged: u64,
}
