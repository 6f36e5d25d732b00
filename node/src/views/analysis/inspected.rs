//! What was inspected, and whom it belongs to, as analyses name it: people are told apart by what is recorded of them and
//! shown masked.

use rusqlite::Row;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::person::{mask_name, mask_phone};

use super::super::query::Query;
use super::super::reader::{QueryError, Reader};

/// What can be inspected and is one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InspectedKind {
    Household,
    Dwelling,
    Enterprise,
}

/// A household, dwelling or enterprise.
#[derive(Debug, Clone)]
pub(super) struct Inspected {
    pub(super) kind: InspectedKind,
    pub(super) document: String,
    /// Its address, or what it is called.
    pub(super) name: String,
    /// By what its owner is told from others; never shown.
    pub(super) owner: Option<String>,
    /// As the owner is shown.
    pub(super) masked: Option<String>,
}

impl InspectedKind {
    fn of(kind: &str) -> Option<Self> {
        match kind {
            "household" => Some(Self::Household),
            "dwelling" => Some(Self::Dwelling),
            "enterprise" => Some(Self::Enterprise),
            _ => None,
        }
    }

    /// Its name, the owner's name, number and phone, and whether that is the owner: the head of a household may be a tenant.
    fn select(self) -> &'static str {
        match self {
            Self::Household => {
                "d.document, t.address AS name, t.head_name AS owner_name, t.head_id_number AS owner_number, \
                 t.head_phone AS owner_phone, t.head_is_owner AS is_owner FROM household t JOIN document d ON d.row = t.row"
            }
            Self::Dwelling => {
                "d.document, t.address AS name, t.owner_name, t.owner_id_number AS owner_number, t.owner_phone, \
                 1 AS is_owner FROM dwelling t JOIN document d ON d.row = t.row"
            }
            Self::Enterprise => {
                "d.document, t.name, t.person_name AS owner_name, t.person_id_number AS owner_number, \
                 t.person_phone AS owner_phone, 1 AS is_owner FROM book_entry t JOIN document d ON d.row = t.row"
            }
        }
    }
}

impl Reader {
    /// What the document in a row is, where it can be inspected.
    pub(super) fn inspected(&self, row: Option<i64>) -> Result<Option<Inspected>, QueryError> {
        let Some(row) = row else { return Ok(None) };
        let mut query = Query::default();
        query.and("row = ?", [row]);
        let kinds = query.all(&self.connection, "kind FROM document", "", |row| row.get::<_, String>(0))?;
        let Some(kind) = kinds.first().and_then(|kind| InspectedKind::of(kind)) else { return Ok(None) };
        let mut query = Query::default();
        query.and("t.row = ?", [row]);
        let found = query.all(&self.connection, kind.select(), "", |row| inspected(row, kind))?;
        Ok(found.into_iter().next())
    }
}

fn inspected(row: &Row<'_>, kind: InspectedKind) -> rusqlite::Result<Inspected> {
    let text = |column: &str| row.get::<_, Option<String>>(column);
    let (name, number, phone) = (text("owner_name")?, text("owner_number")?, text("owner_phone")?);
    let name = name.filter(|name| !name.is_empty());
    // Many people share a name: without a number or phone nobody is told from others by it.
    let owner = number
        .map(|number| key::normalise(&number))
        .or_else(|| Some(key::normalise(name.as_deref()?) + "\n" + &key::normalise(phone.as_deref()?)));
    let owner = owner.filter(|_| row.get("is_owner").unwrap_or(false));
    let masked = owner.as_ref().map(|_| {
        let shown = [name.as_deref().map(mask_name), phone.as_deref().map(mask_phone)];
        shown.into_iter().flatten().collect::<Vec<_>>().join(" ")
    });

    Ok(Inspected { kind, document: row.get("document")?, name: row.get("name")?, owner, masked })
}
