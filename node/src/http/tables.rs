//! The town's tables: listed, shown, recorded, imported, exported.

use std::io::Cursor;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value as JsonValue, json};
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::tables::{EffectiveRow, TableKind, Tables};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::value::Fields;

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::columns::{self, column_json, fields_of, file_format, wrong_rows};
use super::error::ApiError;
use crate::ledger::{LedgerError, TableFile, read_table};

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
    let Some(format) = file_format(query.format.as_deref())? else {
        let mut shown = table_json(kind, &tables);
        shown["rows"] = json!(rows);
        return Ok(Json(shown).into_response());
    };
    let name = kind.to_string();
    columns::file((&name, kind.chinese()), kind.columns(), rows.iter().map(|row| &row.fields), format)
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
        match fields_of(kind.columns(), row) {
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

/// Takes a file of rows: all of them or none.
pub(super) async fn import(
    State(api): State<Api>,
    Named(kind): Named<TableKind>,
    body: Bytes,
) -> Result<Response, ApiError> {
    known(kind)?;
    let place = api.bounds().heavy()?;
    let read = tokio::task::spawn_blocking(move || read_table(kind.columns(), Cursor::new(body))).await;
    drop(place);
    let TableFile { rows, wrong, ignored } = read.map_err(|_| ApiError::from(LedgerError::Stopped))??;
    if !wrong.is_empty() {
        return Err(wrong_rows(kind.columns(), &wrong));
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
            Err(wrong_rows(kind.columns(), &numbered.collect::<Vec<_>>()))
        }
    }
}
