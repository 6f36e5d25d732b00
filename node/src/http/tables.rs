//! The town's tables: listed, shown, recorded, imported, exported.

use std::io::Cursor;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value as JsonValue, json};
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::input::{Fault, InputError};
use townmesh_crdt::domain::tables::{Column, EffectiveRow, Need, TableKind, Tables};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::value::{Fields, Value};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::error::ApiError;
use crate::ledger::{Format, LedgerError, TableFile, read_table, write_table};
use crate::message::Message;

/// Wrong rows that a message names.
const NAMED: usize = 20;

fn column_json(column: &Column) -> JsonValue {
    let need = match column.need {
        Need::Key => "key",
        Need::Required => "required",
        Need::Optional => "optional",
    };
    json!({ "name": column.name, "chinese": column.chinese, "english": column.english, "need": need })
}

fn table_json(kind: TableKind, tables: &Tables) -> JsonValue {
    let rows = tables.rows(kind);
    let recorded = rows.iter().filter(|row| row.recorded.is_some()).count();
    json!({
        "table": kind, "chinese": kind.chinese(), "english": kind.english(), "fixed": kind.is_fixed(),
        "count": rows.iter().filter(|row| !row.is_retired()).count(), "recorded": recorded,
        "columns": kind.columns().iter().map(column_json).collect::<Vec<_>>(),
    })
}

pub(super) async fn list(State(api): State<Api>) -> Result<Response, ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let rows: Vec<JsonValue> = TableKind::ALL.iter().map(|kind| table_json(*kind, &tables)).collect();
    Ok(Json(json!({ "rows": rows })).into_response())
}

/// How a table is to be shown.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TableQuery {
    /// `json`, `csv` or `xlsx`.
    format: Option<String>,
    /// Whether to show rows that were taken out, too.
    retired: bool,
}

pub(super) async fn show(
    State(api): State<Api>,
    Named(kind): Named<TableKind>,
    Params(query): Params<TableQuery>,
) -> Result<Response, ApiError> {
    known(kind)?;
    let tables = api.engine().read(table::tables).await??;
    let mut rows: Vec<EffectiveRow> = tables.rows(kind).to_vec();
    rows.retain(|row| query.retired || !row.is_retired());
    let (format, media, extension) = match query.format.as_deref() {
        None | Some("json") => {
            let mut shown = table_json(kind, &tables);
            shown["rows"] = json!(rows);
            return Ok(Json(shown).into_response());
        }
        Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "csv"),
        Some("xlsx") => (Format::Xlsx, "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        Some(_) => {
            let message = Message::new("format", "格式须为 json、csv 或 xlsx", "the format must be json, csv or xlsx");
            return Err(ApiError::bad_request(message));
        }
    };
    let mut bytes = Vec::new();
    write_table(kind, &rows, format, &mut bytes)?;
    let disposition = format!("attachment; filename=\"{kind}.{extension}\"");
    Ok(([(header::CONTENT_TYPE, media.to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes).into_response())
}

/// A table that this version has; others are read, not entered.
fn known(kind: TableKind) -> Result<(), ApiError> {
    if TableKind::ALL.contains(&kind) {
        return Ok(());
    }
    Err(ApiError::not_found("没有这个码表", "there is no such table"))
}

/// Rows to be recorded: `{column: value}` each. A column that is not given stays, `null` clears it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsInput {
    rows: Vec<Map<String, JsonValue>>,
}

pub(super) async fn record(
    State(api): State<Api>,
    Named(kind): Named<TableKind>,
    Payload(input): Payload<RowsInput>,
) -> Result<Response, ApiError> {
    known(kind)?;
    let (mut right, mut wrong) = (vec![], vec![]);
    for (place, row) in input.rows.iter().enumerate() {
        match fields_of(kind, row) {
            Ok(row) => right.push(row),
            Err(error) => wrong.push((place, error)),
        }
    }
    if !wrong.is_empty() {
        return Err(CommandError::Rows(wrong).into());
    }
    let job = move |replica: &mut Replica, now| table::record(replica, kind, &right, now);
    Ok(Json(api.engine().record(job).await?).into_response())
}

fn fields_of(kind: TableKind, row: &Map<String, JsonValue>) -> Result<Fields, InputError> {
    let mut fields = Fields::new();
    for (name, value) in row {
        let is_named = |column: &&Column| [column.name, column.chinese].contains(&name.as_str());
        let Some(column) = kind.columns().iter().find(is_named) else {
            let known = kind.columns().iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
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

/// Takes a file of rows: all of them or none.
pub(super) async fn import(
    State(api): State<Api>,
    Named(kind): Named<TableKind>,
    body: Bytes,
) -> Result<Response, ApiError> {
    known(kind)?;
    let place = api.bounds().heavy()?;
    let read = tokio::task::spawn_blocking(move || read_table(kind, Cursor::new(body))).await;
    drop(place);
    let TableFile { rows, wrong, ignored } = read.map_err(|_| ApiError::from(LedgerError::Stopped))??;
    if !wrong.is_empty() {
        return Err(wrong_rows(kind, &wrong));
    }
    let (numbers, rows): (Vec<u64>, Vec<Fields>) = rows.into_iter().unzip();
    let job = move |replica: &mut Replica, now| match table::record(replica, kind, &rows, now) {
        // Not an error of the engine: it is told with the rows of the file.
        Err(CommandError::Rows(wrong)) => Ok(Err(wrong)),
        other => other.map(Ok),
    };
    match api.engine().record(job).await? {
        Ok(imported) => {
            let mut answer = json!(imported);
            answer["ignored_columns"] = json!(ignored);
            Ok(Json(answer).into_response())
        }
        Err(wrong) => {
            let numbered = wrong.into_iter().map(|(place, error)| (numbers.get(place).copied().unwrap_or(0), error));
            Err(wrong_rows(kind, &numbered.collect::<Vec<_>>()))
        }
    }
}

/// Which rows of a file are wrong, and that nothing of it was recorded.
fn wrong_rows(kind: TableKind, wrong: &[(u64, InputError)]) -> ApiError {
    let title = |error: &InputError| -> &'static str {
        let column = kind.columns().iter().find(|column| column.name == error.field);
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
