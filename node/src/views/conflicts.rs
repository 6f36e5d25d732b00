//! The conflict inbox: what two sides recorded or decided without knowing of each other, for a person to settle.

use rusqlite::Row;
use serde::Serialize;
use serde_json::Value;
use townmesh_crdt::domain::person::{mask_id_number, mask_name, mask_phone};
use townmesh_crdt::domain::region::RegionCode;

use super::query::{Listed, Order, Page, Query, json};
use super::reader::{QueryError, Reader};

/// One thing to settle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConflictRow {
    /// The document.
    pub document: String,
    /// What the document is: `household`, `case`, ...
    pub kind: String,
    /// Village or community.
    pub region: String,
    /// The household's address or the case's place, for people.
    pub place: Option<String>,
    /// The resident, where it is about one.
    pub resident: Option<String>,
    /// The field, the kind of conflict of a case, or `duplicate` for residents who look like one person.
    pub subject: String,
    /// The subject in Chinese.
    pub chinese: String,
    /// The subject in English.
    pub english: String,
    /// The values: for a field [`ConflictValue`](townmesh_crdt::command::read::ConflictValue)s, personal ones masked
    /// unless revealed; for a case the two events; for duplicates the residents' ids.
    pub options: Value,
}

impl Reader {
    /// What is to be settled in a region and within it, by document.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn conflicts(
        &self,
        region: Option<RegionCode>,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<ConflictRow>, QueryError> {
        let mut query = Query::default();
        query.region("x.region", region);
        let order = Order { columns: &["x.row", "x.place"], descending: false };
        let columns = "d.document, d.kind, coalesce(h.address, c.place) AS words, x.region, x.resident, x.subject, \
                       x.chinese, x.english, x.personal, x.options";
        let from = "conflict x JOIN document d ON d.row = x.row LEFT JOIN household h ON h.row = x.row \
                    LEFT JOIN case_file c ON c.row = x.row";
        query.list(&self.connection, (columns, from), &order, page, |row| conflict_row(row, reveal))
    }
}

fn conflict_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<ConflictRow> {
    let mut options = json(row, "options")?;
    if row.get("personal")? && !reveal {
        mask(&mut options);
    }
    Ok(ConflictRow {
        document: row.get("document")?,
        kind: row.get("kind")?,
        region: row.get("region")?,
        place: row.get("words")?,
        resident: row.get("resident")?,
        subject: row.get("subject")?,
        chinese: row.get("chinese")?,
        english: row.get("english")?,
        options,
    })
}

/// Masks every text of some JSON; numbers (times) stay.
fn mask(value: &mut Value) {
    match value {
        Value::String(text) => *text = masked(text),
        Value::Array(values) => values.iter_mut().for_each(mask),
        Value::Object(fields) => fields.values_mut().for_each(mask),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Masks a text as what it looks like: an identity number, a phone, else a name.
fn masked(text: &str) -> String {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    match digits {
        15.. => mask_id_number(text),
        7.. => mask_phone(text),
        _ => mask_name(text),
    }
}
