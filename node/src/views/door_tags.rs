//! Door tags: lists of them, one with its dwelling, and the doors of a region.

use rusqlite::Row;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use townmesh_crdt::domain::door_tag::{DoorToken, TagName, TagRetirement};
use townmesh_crdt::domain::hazard::DoorMark;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;

use super::query::{Listed, Order, Page, Query, position, word};
use super::reader::{QueryError, Reader};

/// Most doors of a region that are looked through at once.
pub const MAX_DOORS: usize = 10_000;

/// Whether a tag counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TagState {
    /// 在用: it hangs on a door.
    Standing,
    /// 停用: it was retired.
    Retired,
}

/// Which tags.
#[derive(Debug, Clone, Default)]
pub struct DoorTagFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Of this dwelling, or of the one that this household lives in.
    pub dwelling: Option<DocumentId>,
    /// In this state.
    pub state: Option<TagState>,
}

/// A tag in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DoorTagRow {
    /// Its id.
    pub tag: String,
    /// What people call it by.
    pub code: String,
    /// What its QR code holds.
    pub token: String,
    /// The document with the tags of its dwelling.
    pub document: String,
    /// Its namespace.
    pub namespace: String,
    /// Village or community.
    pub region: String,
    /// The dwelling's document.
    pub dwelling: String,
    /// Door number, where the dwelling is known here.
    pub address: Option<String>,
    /// Which of the dwelling's doors, from 1, the main one.
    pub entrance: u16,
    /// Whether it counts.
    pub state: TagState,
    /// When it was issued, in milliseconds since 1970.
    pub issued_ms: i64,
    /// The node that issued it.
    pub issuer: String,
    /// When it was retired, in milliseconds since 1970.
    pub retired_ms: Option<i64>,
    /// Why it was retired.
    pub retired_why: Option<TagRetirement>,
    /// The tag that hangs in its place.
    pub replaced_by: Option<String>,
    /// Where the door is: the dwelling's position, else that of its first household with one.
    pub position: Option<Position>,
}

/// A household behind a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HouseholdBehind {
    /// Its document.
    pub document: String,
    /// Which one behind the door.
    pub number: u16,
}

/// A tag with its dwelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorTagDetail {
    /// The tag.
    pub tag: DoorTagRow,
    /// The households behind the door.
    pub households: Vec<HouseholdBehind>,
    /// The mark that follows from the hazards of the dwelling and its households, as far as they are here.
    pub mark: DoorMark,
    /// Name of the region, where the table of regions has it.
    pub region_name: Option<String>,
}

impl DoorTagRow {
    /// What the tag's code holds, read back.
    pub fn known_token(&self) -> Option<DoorToken> {
        self.token.parse().ok()
    }
}

/// The place of a door: in one row of the households, or of the dwelling.
const TAG: &str = "t.*, d.document AS document, n.name AS namespace, w.address AS address, \
    coalesce(w.latitude, p.latitude) AS latitude, \
    CASE WHEN w.latitude IS NULL THEN p.longitude ELSE w.longitude END AS longitude";
const TAGS: &str = "door_tag t JOIN document d ON d.row = t.row JOIN namespace n ON n.number = d.namespace \
    LEFT JOIN document wd ON wd.document = t.dwelling LEFT JOIN dwelling w ON w.row = wd.row \
    LEFT JOIN household p ON p.row = (SELECT h.row FROM household h WHERE h.region = w.region AND h.door = w.door \
    AND h.latitude IS NOT NULL ORDER BY h.number, h.row LIMIT 1)";
/// The dwelling in which the household with this document is.
const OF_HOUSEHOLD: &str = "t.dwelling = ? OR t.dwelling IN (SELECT od.document FROM document hd \
    JOIN household h ON h.row = hd.row JOIN dwelling o ON o.region = h.region AND o.door = h.door \
    JOIN document od ON od.row = o.row WHERE hd.document = ?)";

impl Reader {
    /// Tags by region and dwelling.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn door_tags(&self, filter: &DoorTagFilter, page: &Page) -> Result<Listed<DoorTagRow>, QueryError> {
        let mut query = Query::default();
        query.region("t.region", filter.region);
        if let Some(dwelling) = filter.dwelling {
            query.and(OF_HOUSEHOLD, [dwelling.to_string(), dwelling.to_string()]);
        }
        if let Some(state) = filter.state {
            query.and("t.retired = ?", [i64::from(state == TagState::Retired)]);
        }
        let order = Order { columns: &["t.region", "t.dwelling", "t.tag"], descending: false };
        query.list(&self.connection, (TAG, TAGS), &order, page, tag_row)
    }

    /// The tags that somebody names so: several only where they share a number.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn door_tags_named(&self, name: TagName) -> Result<Vec<DoorTagRow>, QueryError> {
        let mut query = Query::default();
        match name {
            TagName::Token(token) => query.equals("t.tag", Some(token.tag())),
            TagName::Id(id) => query.equals("t.tag", Some(id)),
            TagName::Code(code) => query.equals("t.code", Some(code)),
        }
        query.all(&self.connection, &format!("{TAG} FROM {TAGS}"), "ORDER BY t.tag LIMIT 100", tag_row)
    }

    /// A tag with what is known here of its dwelling.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn door_tag(&self, tag: DoorTagRow) -> Result<DoorTagDetail, QueryError> {
        self.at_once(|| {
            let mut query = Query::default();
            query.equals("wd.document", Some(&tag.dwelling));
            let select = "hd.document AS document, h.number AS number, h.mark AS mark, h.row AS row \
                 FROM document wd JOIN dwelling w ON w.row = wd.row \
                 JOIN household h ON h.region = w.region AND h.door = w.door JOIN document hd ON hd.row = h.row";
            let behind = query.all(&self.connection, select, "ORDER BY h.number, h.row", |row| {
                let household = HouseholdBehind { document: row.get("document")?, number: row.get("number")? };
                Ok((household, word::<DoorMark>(row, "mark")?))
            })?;
            let mut query = Query::default();
            query.equals("wd.document", Some(&tag.dwelling));
            let select = "w.mark AS mark FROM document wd JOIN dwelling w ON w.row = wd.row";
            let own = query.all(&self.connection, select, "", |row| word::<DoorMark>(row, "mark"))?;
            let marks = behind.iter().map(|(_, mark)| *mark).chain(own).flatten();
            let mark = marks.max().unwrap_or(DoorMark::Green);
            let region = tag.region.parse().ok();
            let region_name = region.map(|region| self.region_name(region)).transpose()?.flatten();
            let households = behind.into_iter().map(|(household, _)| household).collect();
            Ok(DoorTagDetail { tag, households, mark, region_name })
        })
    }

    /// The name of a region, where the table of regions has it.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn region_name(&self, region: RegionCode) -> Result<Option<String>, QueryError> {
        let mut query = Query::default();
        query.equals("code", Some(region));
        let named = query.all(&self.connection, "name FROM region", "LIMIT 1", |row| row.get(0))?;
        Ok(named.into_iter().next().flatten())
    }

    /// What names each door of a region: a household behind it, or the dwelling. At most one more than [`MAX_DOORS`].
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn doors(&self, region: RegionCode) -> Result<Vec<(Namespace, DocumentId)>, QueryError> {
        let mut doors = Vec::new();
        for table in ["household", "dwelling"] {
            let mut query = Query::default();
            query.region("w.region", Some(region));
            query.and::<Value>("w.address <> ''", []);
            let select = format!(
                "n.name AS namespace, min(d.document) AS document FROM {table} w JOIN document d ON d.row = w.row \
                 JOIN namespace n ON n.number = d.namespace"
            );
            let last = format!("GROUP BY w.region, w.door ORDER BY w.region, w.door LIMIT {}", MAX_DOORS + 1);
            doors.extend(query.all(&self.connection, &select, &last, |row| {
                let (namespace, document): (String, String) = (row.get("namespace")?, row.get("document")?);
                Ok(namespace.parse().ok().zip(document.parse().ok()))
            })?);
        }
        Ok(doors.into_iter().flatten().collect())
    }
}

fn tag_row(row: &Row<'_>) -> rusqlite::Result<DoorTagRow> {
    let is_retired: bool = row.get("retired")?;
    Ok(DoorTagRow {
        tag: row.get("tag")?,
        code: row.get("code")?,
        token: row.get("token")?,
        document: row.get("document")?,
        namespace: row.get("namespace")?,
        region: row.get("region")?,
        dwelling: row.get("dwelling")?,
        address: row.get("address")?,
        entrance: row.get("entrance")?,
        state: if is_retired { TagState::Retired } else { TagState::Standing },
        issued_ms: row.get("issued_ms")?,
        issuer: row.get("issuer")?,
        retired_ms: row.get("retired_ms")?,
        retired_why: word(row, "retired_why")?,
        replaced_by: row.get("replaced_by")?,
        position: position(row)?,
    })
}
