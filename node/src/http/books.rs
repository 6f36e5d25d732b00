//! The town's books: entries listed, shown, recorded, imported, exported.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as JsonValue};
use townmesh_crdt::command::CommandError;
use townmesh_crdt::command::book::{self, EntryInput};
use townmesh_crdt::command::town::Imported;
use townmesh_crdt::domain::books::BookKind;
use townmesh_crdt::domain::columns::Column;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::value::{Fields, Value};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bounds::{Named, Params, Payload};
use super::columns::{
    self, RowsImported, ShownColumn, each_row, fields_of, file_format, input_schema, read_file, record_file,
    shown_column, wrong_rows,
};
use super::error::ApiError;
use super::households::{Rows, bounding_box};
use super::openapi::problems::{Missing, Noted, Refused, Sought, Written};
use super::problems::{self, Figures};
use super::reveal::{Asker, Asking, Reason, Shown};
use crate::ledger::TableFile;
use crate::message::Message;
use crate::reveals::RevealKind;
use crate::views::{BookDuplicates, BookFilter, BookRow, Listed, Page};

/// Most entries of one file that is exported.
const MAX_EXPORTED: u32 = 200_000;

/// A book of the town.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownBook {
    book: BookKind,
    chinese: &'static str,
    columns: Vec<ShownColumn>,
    /// Entries that are not taken out.
    count: u64,
    english: &'static str,
    /// Whether an entry may name a person, who is masked unless revealed.
    names_person: bool,
    /// Whether its entries lie in the registry of a region.
    of_region: bool,
}

fn shown_book(book: BookKind, count: u64) -> ShownBook {
    ShownBook {
        book,
        chinese: book.chinese(),
        columns: book.all_columns().iter().map(shown_column).collect(),
        count,
        english: book.english(),
        names_person: book.names_person(),
        of_region: book.is_of_region(),
    }
}

#[utoipa::path(
    get,
    path = "/v1/books",
    operation_id = "listBooks",
    tag = "books",
    summary = "台账种类 / the town's books",
    responses(
        (status = 200, description = "结果 / what was asked for", body = Rows<ShownBook>)
    )
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Response, ApiError> {
    let counted = |reader: &crate::views::Reader| {
        let count = |book: &BookKind| Ok(shown_book(*book, reader.book_count(*book)?));
        BookKind::ALL.iter().map(count).collect::<Result<Vec<_>, _>>()
    };
    let rows = api.readers().query(counted).await?;
    Ok(Json(Rows { rows }).into_response())
}

/// Of which region.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AlikeQuery {
    region: Option<RegionCode>,
}

#[utoipa::path(
    get,
    path = "/v1/books/{book}/duplicates",
    operation_id = "listBookDuplicates",
    tag = "books",
    summary = "疑似重复的台账记录 / entries that seem to be one, also across villages",
    params(("book" = BookKind, Path, description = "台账 / which book"), AlikeQuery),
    responses(
        (status = 200, description = "结果 / what was asked for", body = BookDuplicates),
        Sought
    )
)]
pub(super) async fn duplicates(
    State(api): State<Api>,
    Named(book): Named<BookKind>,
    Params(query): Params<AlikeQuery>,
) -> Result<Response, ApiError> {
    known(book)?;
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.book_duplicates(book, query.region)).await?;
    Ok(Json(found).into_response())
}

/// Which entries, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct BookQuery {
    region: Option<RegionCode>,
    /// With this text in one of its columns or in the name of the person.
    text: Option<String>,
    /// `column=value`, several apart by `;`.
    filter: Option<String>,
    from_ms: Option<i64>,
    until_ms: Option<i64>,
    bbox: Option<String>,
    /// Whether to show entries that were taken out, too.
    retired: bool,
    /// Only those with values that somebody has to settle.
    conflicts: bool,
    /// `json`, `csv` or `xlsx`.
    #[param(pattern = "^(json|csv|xlsx)$")]
    format: Option<String>,
    limit: Option<u32>,
    after: Option<String>,
    reveal: Option<String>,
}

/// A book that this version has; others are read, not entered.
fn known(book: BookKind) -> Result<(), ApiError> {
    if BookKind::ALL.contains(&book) {
        return Ok(());
    }
    Err(ApiError::not_found("没有这本台账", "there is no such book"))
}

impl BookQuery {
    fn filter(&self, book: BookKind) -> Result<BookFilter, ApiError> {
        Ok(BookFilter {
            book,
            region: self.region,
            text: self.text.clone(),
            from_ms: self.from_ms,
            until_ms: self.until_ms,
            bounds: bounding_box(self.bbox.as_deref())?,
            says: says(book, self.filter.as_deref().unwrap_or_default())?,
            code: None,
            refers: None,
            retired: self.retired,
            conflicts: self.conflicts,
        })
    }
}

/// What `column=value` asks for, as the views hold it.
fn says(book: BookKind, text: &str) -> Result<Vec<(&'static str, String)>, ApiError> {
    let mut says = vec![];
    for part in text.split(';').filter(|part| !part.trim().is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| {
            let zh = "filter 须为 列=值，多项以 ; 分隔";
            ApiError::bad_request(Message::new("filter", zh, "filter must be column=value, several apart by ;"))
        })?;
        let is_named = |column: &&Column| [column.name, column.chinese].contains(&name.trim());
        let column = book.columns().iter().find(is_named).ok_or_else(|| {
            let known = book.columns().iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
            let zh = format!("filter 中没有这一列，现有：{known}");
            ApiError::bad_request(Message::new("filter", zh, format!("filter: no such column; write one of: {known}")))
        })?;
        let value = column.parse(value).map_err(|error| ApiError::from(CommandError::Input(error)))?;
        let text = match value {
            Some(Value::Bool(truth)) => u8::from(truth).to_string(),
            Some(value) => column.show(&value).map(|[text, ..]| text).unwrap_or_default(),
            None => continue,
        };
        says.push((column.name, text));
    }
    Ok(says)
}

#[utoipa::path(
    get,
    path = "/v1/books/{book}",
    operation_id = "listEntries",
    tag = "books",
    summary = "台账记录 / the entries of a book",
    params(("book" = BookKind, Path, description = "台账 / the book"), BookQuery, Asking),
    responses(
        (status = 200, description = "JSON, CSV, XLSX", content((Listed<BookRow> = "application/json"), (String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"))),
        Sought,
        Refused,
        Noted
    )
)]
pub(super) async fn entries(
    State(api): State<Api>,
    asker: Asker,
    Named(book): Named<BookKind>,
    Params(query): Params<BookQuery>,
) -> Result<Response, ApiError> {
    known(book)?;
    let (filter, format) = (query.filter(book)?, file_format(query.format.as_deref())?);
    let asks_plate = filter.says.iter().any(|(column, _)| *column == "plate");
    let reason = match asks_plate {
        true => Some(Reason::required(query.reveal, "按车牌查找须说明理由", "to look for a plate, say why")?),
        false => Reason::of(query.reveal)?,
    };
    let reveal = reason.is_some();
    api.views_follow().await;
    let Some(format) = format else {
        let page = Page { limit: query.limit, after: query.after };
        let listed = api.readers().query(move |reader| reader.book(&filter, &page, reveal)).await?;
        note(&api, asker, reason, RevealKind::List, &listed.rows).await?;
        return Ok(Json(listed).into_response());
    };
    let place = api.bounds().heavy()?;
    let rows = api.readers().query(move |reader| reader.book_entries(&filter, MAX_EXPORTED + 1, reveal)).await?;
    if rows.len() > MAX_EXPORTED as usize {
        let zh = format!("超过 {MAX_EXPORTED} 条，无法一次导出");
        let message =
            Message::new("too_many", zh, format!("more than {MAX_EXPORTED} entries are too many for one file"));
        return Err(ApiError::bad_request(message.remedy("按区域或时间分次导出", "export by region or by time")));
    }
    if let Some(reason) = reason {
        api.note_reveal(asker, reason, Shown::many(RevealKind::Export, Some(rows.len() as u64))).await?;
    }
    let all = book.all_columns();
    let fields: Vec<Fields> = rows.iter().map(|row| row.fields(&all)).collect();
    drop(place);
    columns::file((&book.to_string(), book.chinese()), &all, fields.iter(), format)
}

async fn note(
    api: &Api,
    asker: Asker,
    reason: Option<Reason>,
    kind: RevealKind,
    rows: &[BookRow],
) -> Result<(), ApiError> {
    let Some(reason) = reason else { return Ok(()) };
    let documents = rows.iter().map(|row| row.document.clone()).collect();
    api.note_reveal(asker, reason, Shown::documents(kind, documents)).await
}

/// How one entry is shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EntryQuery {
    reveal: Option<String>,
}

#[utoipa::path(
    get,
    path = "/v1/books/{book}/{id}",
    operation_id = "showEntry",
    tag = "books",
    summary = "一条台账记录 / one entry of a book",
    params(
        ("book" = BookKind, Path, description = "台账 / the book"),
        ("id" = DocumentId, Path, description = "记录 / the entry"),
        EntryQuery,
        Asking
    ),
    responses(
        (status = 200, description = "结果 / what was asked for", body = BookRow),
        Sought,
        Noted
    )
)]
pub(super) async fn show(
    State(api): State<Api>,
    asker: Asker,
    Named((book, id)): Named<(BookKind, DocumentId)>,
    Params(query): Params<EntryQuery>,
) -> Result<Response, ApiError> {
    known(book)?;
    let reason = Reason::of(query.reveal)?;
    let reveal = reason.is_some();
    api.views_follow().await;
    let found = api.readers().query(move |reader| reader.book_entry(book, id, reveal)).await?;
    let row = found.ok_or_else(|| ApiError::not_found("没有这条记录", "there is no such entry"))?;
    note(&api, asker, reason, RevealKind::Entry, std::slice::from_ref(&row)).await?;
    Ok(Json(row).into_response())
}

/// Entries to be recorded: `{column: value}` each. A column that is not given stays, `null` clears it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EntriesInput {
    #[schema(schema_with = input_schema)]
    rows: Vec<Map<String, JsonValue>>,
}

#[utoipa::path(
    post,
    path = "/v1/books/{book}",
    operation_id = "recordEntries",
    tag = "books",
    summary = "登记台账 / record entries of a book",
    params(("book" = BookKind, Path, description = "台账 / the book")),
    request_body = EntriesInput,
    responses(
        (status = 200, description = "结果 / what was asked for", body = Imported),
        Written,
        Missing
    )
)]
pub(super) async fn record(
    State(api): State<Api>,
    Named(book): Named<BookKind>,
    Payload(input): Payload<EntriesInput>,
) -> Result<Response, ApiError> {
    known(book)?;
    let columns = book.all_columns();
    let entry = |row: &_| fields_of(&columns, row).and_then(|fields| EntryInput::of_columns(book, fields));
    let right = each_row(&input.rows, entry)?;
    let figures = problems::figures(&api, book, &right).await?;
    let job = move |replica: &mut Replica, now| write(replica, book, right, &figures, now);
    Ok(Json(api.engine().record(job).await?).into_response())
}

fn write(
    replica: &mut Replica,
    book: BookKind,
    mut entries: Vec<EntryInput>,
    figures: &Figures,
    now: u64,
) -> Result<Imported, CommandError> {
    problems::fill(&mut entries, figures);
    book::record(replica, book, &entries, now)
}

/// Takes a file of entries: all of them or none.
#[utoipa::path(
    post,
    path = "/v1/books/{book}/import",
    operation_id = "importEntries",
    tag = "books",
    summary = "导入台账 / entries from a file, all of them or none",
    params(("book" = BookKind, Path, description = "台账 / the book")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "CSV, XLSX"),
    responses(
        (status = 200, description = "结果 / what was asked for", body = RowsImported),
        Written,
        Missing
    )
)]
pub(super) async fn import(
    State(api): State<Api>,
    Named(book): Named<BookKind>,
    body: Bytes,
) -> Result<Response, ApiError> {
    known(book)?;
    let columns = book.all_columns();
    let TableFile { rows, mut wrong, ignored } = read_file(&api, columns.clone(), body).await?;
    let (mut numbers, mut right) = (vec![], vec![]);
    for (number, fields) in rows {
        match EntryInput::of_columns(book, given(fields)) {
            Ok(entry) => {
                numbers.push(number);
                right.push(entry);
            }
            Err(error) => wrong.push((number, error)),
        }
    }
    if !wrong.is_empty() {
        return Err(wrong_rows(&columns, &wrong));
    }
    let figures = problems::figures(&api, book, &right).await?;
    let job = move |replica: &mut Replica, now| write(replica, book, right, &figures, now);
    record_file(&api, &columns, (&numbers, ignored), job).await
}

/// A blank cell of a person says nothing: a list without numbers must not take away those that are known. That of
/// another column clears it, as in tables.
fn given(mut fields: Fields) -> Fields {
    use townmesh_crdt::domain::books::PERSON_COLUMNS;
    for column in PERSON_COLUMNS {
        if fields.get(&column.number) == Some(&Value::Null) {
            fields.remove(&column.number);
        }
    }
    fields
}
