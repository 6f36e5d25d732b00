//! Lists of the entries of books.

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use serde_json::{Map, Value as JsonValue};
use townmesh_crdt::domain::books::BookKind;
use townmesh_crdt::domain::columns::Column;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::person::{PersonalData, mask_numbers};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::value::Fields;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::query::{BoundingBox, Listed, Order, Page, Query};
use super::reader::{QueryError, Reader};

const ENTRY: &str = "d.document, b.*";
const FROM: &str = "book_entry b JOIN document d ON d.row = b.row";

/// Which entries of a book.
#[derive(Debug, Clone)]
pub struct BookFilter {
    /// Of which book.
    pub book: BookKind,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// With this text in one of its columns or in the name of the person.
    pub text: Option<String>,
    /// About this time or later, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// About times before this one.
    pub until_ms: Option<i64>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
    /// Which say this in a column, as JSON does.
    pub says: Vec<(&'static str, String)>,
    /// With this code, in any spelling.
    pub code: Option<String>,
    /// Which name this entry or member, in any spelling.
    pub refers: Option<String>,
    /// Those that were taken out, too.
    pub retired: bool,
    /// With values that somebody has to settle.
    pub conflicts: bool,
}

impl BookFilter {
    /// Every entry that stands.
    pub fn of(book: BookKind) -> Self {
        Self {
            book,
            region: None,
            text: None,
            from_ms: None,
            until_ms: None,
            bounds: None,
            says: vec![],
            code: None,
            refers: None,
            retired: false,
            conflicts: false,
        }
    }
}

/// An entry in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BookRow {
    /// Its document.
    pub document: String,
    /// What it says, by column; the person whom it names masked unless revealed.
    #[serde(flatten)]
    pub columns: Map<String, JsonValue>,
    /// `open`, or why the person cannot be shown: `key_missing`, `erased`, `unreadable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person_state: Option<String>,
    /// How many values somebody has to settle.
    pub conflicts: u32,
}

impl utoipa::PartialSchema for BookRow {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let cell = SchemaType::from_iter([Type::String, Type::Integer, Type::Boolean]);
        let count = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let state = text().enum_values(Some(["open", "key_missing", "erased", "unreadable"]));
        let state =
            state.description(Some("Whether the person can be shown, or why not; only in books that name one."));
        let row = ObjectBuilder::new()
            .property("document", text().description(Some("Its document.")))
            .required("document")
            .property("conflicts", count.description(Some("How many values somebody has to settle.")))
            .required("conflicts")
            .property("person_state", state)
            .additional_properties(Some(ObjectBuilder::new().schema_type(cell)));
        let words =
            "What it says, by the names of the book's columns; the person whom it names is masked unless revealed.";
        row.description(Some(words)).into()
    }
}

impl utoipa::ToSchema for BookRow {}

impl BookRow {
    /// What it says, as fields; a cell that this version cannot read is left out.
    pub fn fields(&self, columns: &[Column]) -> Fields {
        let cell = |column: &Column| {
            let value = self.columns.get(column.name)?;
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some((column.number, column.parse(&text).ok()??))
        };
        columns.iter().filter_map(cell).collect()
    }
}

impl Reader {
    /// Entries of a book by what they are found by.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn book(&self, filter: &BookFilter, page: &Page, reveal: bool) -> Result<Listed<BookRow>, QueryError> {
        let order = Order { columns: &["b.name", "b.row"], descending: false };
        let read = |row: &Row<'_>| entry(row, filter.book, reveal);
        book_query(filter, reveal).list(&self.connection, (ENTRY, FROM), &order, page, read)
    }

    /// Goes through every entry of a book, by what they are found by.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(super) fn each_entry(&self, filter: &BookFilter, mut take: impl FnMut(BookRow)) -> Result<(), QueryError> {
        let select = format!("{ENTRY} FROM {FROM}");
        let taken = |row: &Row<'_>| entry(row, filter.book, true).map(&mut take);
        book_query(filter, true).all(&self.connection, &select, "ORDER BY b.name, b.row", taken).map(drop)
    }

    /// Every entry of a book, at most so many.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn book_entries(&self, filter: &BookFilter, most: u32, reveal: bool) -> Result<Vec<BookRow>, QueryError> {
        let select = format!("{ENTRY} FROM {FROM}");
        let after = format!("ORDER BY b.name, b.row LIMIT {most}");
        book_query(filter, reveal).all(&self.connection, &select, &after, |row| entry(row, filter.book, reveal))
    }

    /// How many entries of a book there are.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn book_count(&self, book: BookKind) -> Result<u64, QueryError> {
        let counted = "SELECT count(*) FROM book_entry WHERE book = ? AND retired = 0";
        let mut statement = self.connection.prepare_cached(counted)?;
        let count: i64 = statement.query_row([book.to_string()], |row| row.get(0))?;
        Ok(count.cast_unsigned())
    }

    /// One entry; `None` if there is none.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn book_entry(
        &self,
        book: BookKind,
        document: DocumentId,
        reveal: bool,
    ) -> Result<Option<BookRow>, QueryError> {
        let filter = BookFilter { retired: true, ..BookFilter::of(book) };
        let mut query = book_query(&filter, reveal);
        query.and("d.document = ?", [document.to_string()]);
        let select = format!("{ENTRY} FROM {FROM}");
        let rows = query.all(&self.connection, &select, "", |row| entry(row, book, reveal))?;
        Ok(rows.into_iter().next())
    }
}

fn book_query(filter: &BookFilter, reveal: bool) -> Query {
    let mut query = Query::default();
    query.equals("b.book", Some(filter.book));
    query.region("b.region", filter.region);
    if !filter.retired {
        query.and::<Value>("b.retired = 0", []);
    }
    if filter.conflicts {
        query.and::<Value>("b.conflicts > 0", []);
    }
    // What has no end yet goes on.
    query.between_or_unknown("b.until_ms", filter.from_ms, None);
    query.between_or_unknown("b.from_ms", None, filter.until_ms);
    if let Some(kind) = filter.book.document_kind() {
        query.within("b.row", kind, filter.bounds);
    }
    for (column, value) in &filter.says {
        let path = format!("$.{column}");
        query.and("CAST(json_extract(b.detail, ?) AS TEXT) = ?", [path, value.clone()]);
    }
    query.equals("b.code", filter.code.as_deref().map(key::normalise));
    query.equals("b.refers", filter.refers.as_deref().map(key::normalise));
    // Whoever is shown a plate masked must not find out the rest of it by asking.
    let occurs = "json_remove(b.detail, '$.plate') LIKE ? ESCAPE '\\' OR b.person_name LIKE ? ESCAPE '\\'";
    let occurs = if reveal { "b.detail LIKE ? ESCAPE '\\' OR b.person_name LIKE ? ESCAPE '\\'" } else { occurs };
    query.text("b.row", occurs, filter.text.as_deref());
    query
}

fn entry(row: &Row<'_>, book: BookKind, reveal: bool) -> rusqlite::Result<BookRow> {
    let detail: String = row.get("detail")?;
    let mut columns: Map<String, JsonValue> = serde_json::from_str(&detail).unwrap_or_default();
    if !reveal {
        mask(book, &mut columns);
    }
    let person = PersonalData {
        name: row.get::<_, Option<String>>("person_name")?.unwrap_or_default(),
        id_number: row.get("person_id_number")?,
        phone: row.get("person_phone")?,
    };
    let person = if reveal { person } else { person.masked() };
    let parts =
        [("person_name", Some(person.name)), ("person_id_number", person.id_number), ("person_phone", person.phone)];
    for (column, part) in parts {
        if let Some(part) = part.filter(|part| !part.is_empty()) {
            columns.insert(column.to_owned(), part.into());
        }
    }
    let person_state: String = row.get("person_state")?;
    Ok(BookRow {
        document: row.get("document")?,
        columns,
        person_state: book.names_person().then_some(person_state),
        conflicts: row.get("conflicts")?,
    })
}

/// Hides the plate of a vehicle, and numbers that look like a person's where somebody wrote them into a text.
fn mask(book: BookKind, columns: &mut Map<String, JsonValue>) {
    for column in book.columns().iter().filter(|column| column.has_lines()) {
        if let Some(JsonValue::String(text)) = columns.get_mut(column.name) {
            *text = mask_numbers(text);
        }
    }
    let Some(JsonValue::String(plate)) = columns.get_mut("plate").filter(|_| book == BookKind::Vehicle) else { return };
    *plate = masked_plate(plate);
}

/// `京A****5`: the first two characters and the last; of what is shorter than a plate, a name or a card, the first alone.
pub(crate) fn masked_plate(plate: &str) -> String {
    let all: Vec<char> = plate.chars().collect();
    let last = all.len().saturating_sub(1);
    let is_plate = all.len() > 5;
    let shown = |(place, one): (usize, &char)| {
        let is_shown = place == 0 || (is_plate && (place == 1 || place == last));
        if is_shown { *one } else { '*' }
    };
    all.iter().enumerate().map(shown).collect()
}
