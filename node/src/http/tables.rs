//! The town's tables: listed, shown, recorded, imported, exported.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as JsonValue, json};
use townmesh_crdt::command::table;
use townmesh_crdt::command::town::Imported;
use townmesh_crdt::domain::tables::{EffectiveRow, TableKind, Tables};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::value::Fields;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::columns::{
    self, RowsImported, ShownColumn, each_row, fields_of, file_format, input_schema, read_file, record_file,
    shown_column, wrong_rows,
};
use super::error::ApiError;
use super::households::Rows;
use super::openapi::problems::{Missing, Sought, Written};
use crate::ledger::TableFile;

/// A table of the town.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownTable {
    chinese: &'static str,
    columns: Vec<ShownColumn>,
    /// Rows that are not taken out.
    count: usize,
    /// Its rows count once they are published as the next edition of the life cycle.
    draft: bool,
    english: &'static str,
    /// Rows that somebody recorded.
    recorded: usize,
    /// Its rows; only of one table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = row_schema)]
    rows: Option<Vec<EffectiveRow>>,
    table: TableKind,
}

/// Rows by the names of the table's columns, as far as they say something; `recorded_ms` is null of a shipped row.
fn row_schema() -> ArrayBuilder {
    let cell = [Type::String, Type::Integer, Type::Boolean];
    let cell = ObjectBuilder::new().schema_type(SchemaType::from_iter(cell));
    let recorded = ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::Integer, Type::Null]));
    let row = ObjectBuilder::new().property("recorded_ms", recorded).required("recorded_ms");
    ArrayBuilder::new().items(row.additional_properties(Some(cell)))
}

fn shown_table(kind: TableKind, tables: &Tables) -> ShownTable {
    let rows = tables.rows(kind);
    ShownTable {
        chinese: kind.chinese(),
        columns: kind.columns().iter().map(shown_column).collect(),
        count: rows.iter().filter(|row| !row.is_retired()).count(),
        draft: kind.is_draft(),
        english: kind.english(),
        recorded: rows.iter().filter(|row| row.recorded.is_some()).count(),
        rows: None,
        table: kind,
    }
}

#[utoipa::path(
    get,
    path = "/v1/tables",
    operation_id = "listTables",
    tag = "tables",
    summary = "码表列表 / the town's tables",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<ShownTable>)
    )
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Response, ApiError> {
    let tables = api.engine().read(table::tables).await??;
    let rows = TableKind::ALL.iter().map(|kind| shown_table(*kind, &tables)).collect();
    Ok(Json(Rows { rows }).into_response())
}

/// How a table is to be shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TableQuery {
    /// `json`, `csv` or `xlsx`.
    #[param(pattern = "^(json|csv|xlsx)$")]
    format: Option<String>,
    /// Whether to show rows that were taken out, too.
    retired: bool,
}

#[utoipa::path(
    get,
    path = "/v1/tables/{table}",
    operation_id = "showTable",
    tag = "tables",
    summary = "码表内容 / the rows of a table",
    params(("table" = TableKind, Path, description = "码表 / the table"), TableQuery),
    responses(
        (status = 200, description = "JSON, CSV, XLSX", content((ShownTable = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        Sought
    )
)]
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
        let shown = ShownTable { rows: Some(rows), ..shown_table(kind, &tables) };
        return Ok(Json(json!(shown)).into_response());
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
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RowsInput {
    #[schema(schema_with = input_schema)]
    rows: Vec<Map<String, JsonValue>>,
}

#[utoipa::path(
    post,
    path = "/v1/tables/{table}",
    operation_id = "recordRows",
    tag = "tables",
    summary = "更改码表 / record rows of a table",
    params(("table" = TableKind, Path, description = "码表 / the table")),
    request_body = RowsInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = Imported),
        Written,
        Missing
    )
)]
pub(super) async fn record(
    State(api): State<Api>,
    Named(kind): Named<TableKind>,
    Payload(input): Payload<RowsInput>,
) -> Result<Response, ApiError> {
    known(kind)?;
    let right = each_row(&input.rows, |row| fields_of(kind.columns(), row))?;
    let job = move |replica: &mut Replica, now| table::record(replica, kind, &right, now);
    Ok(Json(api.engine().record(job).await?).into_response())
}

/// Takes a file of rows: all of them or none.
#[utoipa::path(
    post,
    path = "/v1/tables/{table}/import",
    operation_id = "importRows",
    tag = "tables",
    summary = "导入码表 / rows from a file, all of them or none",
    params(("table" = TableKind, Path, description = "码表 / the table")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "CSV, XLSX"),
    responses(
        (status = 200, description = "结果 / what was asked for", body = RowsImported),
        Written,
        Missing
    )
)]
pub(super) async fn import(
    State(api): State<Api>,
    Named(kind): Named<TableKind>,
    body: Bytes,
) -> Result<Response, ApiError> {
    known(kind)?;
    let TableFile { rows, wrong, ignored } = read_file(&api, kind.columns(), body).await?;
    if !wrong.is_empty() {
        return Err(wrong_rows(kind.columns(), &wrong));
    }
    let (numbers, rows): (Vec<u64>, Vec<Fields>) = rows.into_iter().unzip();
    let job = move |replica: &mut Replica, now| table::record(replica, kind, &rows, now);
    record_file(&api, kind.columns(), (&numbers, ignored), job).await
}
