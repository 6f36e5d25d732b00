//! The conflict inbox: what two sides recorded or decided without knowing of each other, for a person to settle.

use rusqlite::Row;
use serde::Serialize;
use serde_json::Value;
use townmesh_crdt::domain::person::{mask_id_number, mask_name, mask_numbers, mask_phone};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{ConflictId, DocumentId, ResidentId};
use townmesh_crdt::policy::DocumentKind;

use super::query::{Listed, Order, Page, Query, json, word};
use super::reader::{QueryError, Reader};

/// Which conflicts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConflictFilter {
    /// In this region and within it.
    pub region: Option<RegionCode>,
    /// Of this kind: `field`, `table_cell`, `duplicate_resident`, `without_effect`, or the kind of a case's conflict.
    pub kind: Option<String>,
    /// In this document.
    pub document: Option<DocumentId>,
}

/// One thing to settle.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ConflictRow {
    /// Its id, the same on every node and while others join in.
    pub id: String,
    /// What stood against each other: to be named when settling.
    pub revision: String,
    /// What sort of conflict.
    pub kind: String,
    /// The document.
    pub document: String,
    /// What the document is: `household`, `case`, ...
    pub document_kind: String,
    /// Village or community.
    pub region: String,
    /// The household's address or the case's place, for people.
    pub place: Option<String>,
    /// The case's spoken number.
    pub number: Option<String>,
    /// The resident, where it is about one.
    pub resident: Option<String>,
    /// The field, the kind of conflict of a case, or `duplicate` for residents who look like one person.
    pub subject: String,
    /// The subject in Chinese.
    pub chinese: String,
    /// The subject in English.
    pub english: String,
    /// What each [`Side`](townmesh_crdt::command::conflict::Side) says, personal data masked unless revealed.
    #[schema(value_type = Vec<townmesh_crdt::command::conflict::Side>)]
    pub sides: Value,
    /// What may be done ([`Offer`](townmesh_crdt::command::conflict::Offer)).
    #[schema(value_type = Vec<townmesh_crdt::command::conflict::Offer>)]
    pub actions: Value,
}

/// A conflict that was settled.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SettledRow {
    /// The document.
    pub document: String,
    /// What the document is.
    pub document_kind: String,
    /// Village or community.
    pub region: String,
    /// The household's address or the case's place, for people.
    pub place: Option<String>,
    /// The case's spoken number.
    pub number: Option<String>,
    /// When it was settled, in milliseconds since 1970.
    pub settled_ms: i64,
    /// The [`Done`](townmesh_crdt::command::conflict::Done), personal data masked unless revealed.
    #[serde(flatten)]
    #[schema(value_type = townmesh_crdt::command::conflict::Done)]
    pub settled: Value,
}

/// Where a conflict, or a settlement of one, is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictPlace {
    /// The document.
    pub document: DocumentId,
    /// Its kind.
    pub kind: DocumentKind,
    /// Where it lies.
    pub namespace: String,
    /// The resident, where it is about one.
    pub resident: Option<ResidentId>,
    /// The field; empty for a settlement.
    pub subject: String,
    /// Whether it is about personal data.
    pub personal: bool,
}

/// Fields in which people write what they like.
const FREE_TEXT: [&str; 4] = ["note", "address", "place", "description"];
/// What is selected beside the rows of a conflict or settlement, by which documents are named.
const DOCUMENT: &str =
    "d.document, d.kind AS document_kind, coalesce(h.address, w.address, c.place) AS words, c.number";
const WITH_DOCUMENT: &str = "x JOIN document d ON d.row = x.row LEFT JOIN household h ON h.row = x.row \
                             LEFT JOIN dwelling w ON w.row = x.row \
                             LEFT JOIN case_file c ON c.row = x.row";

impl Reader {
    /// What is to be settled, by document.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn conflicts(
        &self,
        filter: &ConflictFilter,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<ConflictRow>, QueryError> {
        let mut query = Query::default();
        query.region("x.region", filter.region);
        query.equals("x.kind", filter.kind.as_ref());
        query.equals("d.document", filter.document);
        let order = Order { columns: &["x.row", "x.place"], descending: false };
        let (columns, from) = (format!("{DOCUMENT}, x.*"), format!("conflict {WITH_DOCUMENT}"));
        query.list(&self.connection, (&columns, &from), &order, page, |row| conflict_row(row, reveal))
    }

    /// One conflict; `None` where it is not open here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn conflict(&self, id: ConflictId, reveal: bool) -> Result<Option<ConflictRow>, QueryError> {
        let mut query = Query::default();
        query.equals("x.id", Some(id));
        let select = format!("{DOCUMENT}, x.* FROM conflict {WITH_DOCUMENT}");
        Ok(query.all(&self.connection, &select, "LIMIT 1", |row| conflict_row(row, reveal))?.into_iter().next())
    }

    /// What was settled, the latest first; of each document the last few.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn settled(
        &self,
        filter: &ConflictFilter,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<SettledRow>, QueryError> {
        let mut query = Query::default();
        query.region("x.region", filter.region);
        query.equals("d.document", filter.document);
        let order = Order { columns: &["x.settled_ms", "x.row", "x.place"], descending: true };
        let (columns, from) = (format!("{DOCUMENT}, x.*"), format!("settlement {WITH_DOCUMENT}"));
        query.list(&self.connection, (&columns, &from), &order, page, |row| settled_row(row, reveal))
    }

    /// Where an open conflict is found.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn conflict_place(&self, id: ConflictId) -> Result<Option<ConflictPlace>, QueryError> {
        self.place("conflict", "id", id, "x.resident, x.subject")
    }

    /// Where a settlement is found.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn settlement_place(&self, id: ConflictId) -> Result<Option<ConflictPlace>, QueryError> {
        self.place("settlement", "id", id, "NULL AS resident, '' AS subject")
    }

    /// Whether a conflict was settled.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn is_settled(&self, conflict: ConflictId) -> Result<bool, QueryError> {
        Ok(self.place("settlement", "conflict", conflict, "NULL AS resident, '' AS subject")?.is_some())
    }

    fn place(
        &self,
        table: &'static str,
        column: &'static str,
        id: ConflictId,
        about: &'static str,
    ) -> Result<Option<ConflictPlace>, QueryError> {
        let mut query = Query::default();
        query.equals(&format!("x.{column}"), Some(id));
        let select = format!(
            "d.document, d.kind, n.name, x.personal, {about} FROM {table} x JOIN document d ON d.row = x.row \
             JOIN namespace n ON n.number = d.namespace"
        );
        Ok(query.all(&self.connection, &select, "LIMIT 1", place_row)?.into_iter().flatten().next())
    }
}

fn place_row(row: &Row<'_>) -> rusqlite::Result<Option<ConflictPlace>> {
    let kind: String = row.get("kind")?;
    let kind = DocumentKind::ALL.iter().copied().find(|known| known.name() == kind);
    let (Some(kind), Some(document)) = (kind, word(row, "document")?) else { return Ok(None) };
    Ok(Some(ConflictPlace {
        document,
        kind,
        namespace: row.get("name")?,
        resident: word(row, "resident")?,
        subject: row.get("subject")?,
        personal: row.get("personal")?,
    }))
}

fn conflict_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<ConflictRow> {
    let mut sides = json(row, "sides")?;
    let (kind, subject): (String, String) = (row.get("kind")?, row.get("subject")?);
    if row.get("personal")? && !reveal {
        mask_sides(&mut sides);
    } else if !reveal && is_free_text(&kind, &subject) {
        sides.as_array_mut().into_iter().flatten().for_each(mask_text);
    }
    Ok(ConflictRow {
        id: row.get("id")?,
        revision: row.get("revision")?,
        kind,
        document: row.get("document")?,
        document_kind: row.get("document_kind")?,
        region: row.get("region")?,
        place: place(row, reveal)?,
        number: row.get("number")?,
        resident: row.get("resident")?,
        subject,
        chinese: row.get("chinese")?,
        english: row.get("english")?,
        sides,
        actions: json(row, "offers")?,
    })
}

fn settled_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<SettledRow> {
    let mut settled = json(row, "detail")?;
    if row.get("personal")? && !reveal {
        mask_sides(&mut settled["sides"]);
        mask_side(&mut settled["choice"]);
    } else if !reveal && is_free_text(text(&settled, "kind"), text(&settled, "subject")) {
        settled["sides"].as_array_mut().into_iter().flatten().for_each(mask_text);
        mask_text(&mut settled["choice"]);
    }
    Ok(SettledRow {
        document: row.get("document")?,
        document_kind: row.get("document_kind")?,
        region: row.get("region")?,
        place: place(row, reveal)?,
        number: row.get("number")?,
        settled_ms: row.get("settled_ms")?,
        settled,
    })
}

/// Where it is, in words; a number typed among them is nobody's business.
fn place(row: &Row<'_>, reveal: bool) -> rusqlite::Result<Option<String>> {
    let words: Option<String> = row.get("words")?;
    Ok(words.map(|words| if reveal { words } else { mask_numbers(&words) }))
}

/// Whether what the sides say is words that people chose, in which they may have written numbers of others.
fn is_free_text(kind: &str, subject: &str) -> bool {
    match kind {
        "field" => FREE_TEXT.contains(&subject),
        "table_cell" | "editions" => false,
        _ => true,
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn mask_text(side: &mut Value) {
    for words in ["value", "chinese", "english"] {
        if let Some(Value::String(text)) = side.get_mut(words) {
            *text = mask_numbers(text);
        }
    }
}

/// Masks what sides say. Of residents who look alike the residents are personal, what was answered about them is not.
fn mask_sides(sides: &mut Value) {
    let Some(sides) = sides.as_array_mut() else { return };
    let of_residents = sides.iter().any(|side| side.get("resident").is_some());
    sides.iter_mut().filter(|side| !of_residents || side.get("resident").is_some()).for_each(mask_side);
}

fn mask_side(side: &mut Value) {
    for words in ["value", "chinese", "english"] {
        if let Some(Value::String(text)) = side.get_mut(words) {
            *text = masked(text);
        }
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
