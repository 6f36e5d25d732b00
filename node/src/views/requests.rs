//! What the public reported by itself, as the public may see it; and in which villages a place lies.

use rusqlite::Row;
use rusqlite::types::Value;
use townmesh_crdt::domain::case::CaseState;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;

use super::query::{Query, position, word};
use super::reader::{QueryError, Reader};

/// Which reports of the public.
#[derive(Debug, Clone, Default)]
pub struct RequestFilter {
    /// Of these cases; of all where none is named.
    pub documents: Vec<DocumentId>,
    /// Of these categories; of all where none is named.
    pub categories: Vec<String>,
    /// Only those in which somebody still has something to do, or only the others.
    pub open: Option<bool>,
    /// Reported from here on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Reported before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// In this region or within it.
    pub region: Option<RegionCode>,
}

/// A report of the public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The case's document.
    pub document: String,
    /// The number that people say.
    pub number: String,
    /// Village or community.
    pub region: String,
    /// How far it is.
    pub state: Option<CaseState>,
    /// Key of its category.
    pub category: Option<String>,
    /// Where, in words.
    pub place: Option<String>,
    /// What is wrong.
    pub description: Option<String>,
    /// Where on the map.
    pub position: Option<Position>,
    /// The team that leads.
    pub team: Option<String>,
    /// When it was reported, in milliseconds since 1970.
    pub reported_ms: i64,
    /// When something last happened.
    pub updated_ms: i64,
    /// Its deadline.
    pub due_ms: Option<i64>,
}

const REQUEST: &str = "d.document, c.number, c.region, c.state, c.category, c.place, c.description, c.latitude, c.longitude, \
    c.reported_ms, c.due_ms, \
    coalesce((SELECT max(e.time_ms) FROM case_event e WHERE e.row = c.row), c.reported_ms) AS updated_ms, \
    (SELECT o.team FROM dispatch_order o WHERE o.row = c.row AND o.lead = 1 ORDER BY o.place DESC LIMIT 1) AS team \
    FROM case_file c JOIN document d ON d.row = c.row";

impl Reader {
    /// Reports of the public, the latest first: `limit` of them after the first `skipped`.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn requests(&self, filter: &RequestFilter, limit: u32, skipped: u32) -> Result<Vec<RequestRow>, QueryError> {
        let mut query = Query::default();
        // A literal, so that SQLite sees that the index of them covers it. What came by the hotline is nobody else's.
        query.and::<Value>("c.reported_by = 'georeport'", []);
        if !filter.documents.is_empty() {
            query.one_of("d.document", filter.documents.iter().map(ToString::to_string).collect());
        }
        if !filter.categories.is_empty() {
            query.one_of("c.category", filter.categories.clone());
        }
        if let Some(open) = filter.open {
            let states = CaseState::ALL.iter().filter(|state| state.is_open() == open).map(ToString::to_string);
            query.one_of("c.state", states.collect());
        }
        query.between("c.reported_ms", filter.from_ms, filter.until_ms);
        query.region("c.region", filter.region);
        let after = format!("ORDER BY c.reported_ms DESC, c.row DESC LIMIT {limit} OFFSET {skipped}");
        query.all(&self.connection, REQUEST, &after, request_row)
    }

    /// The villages and communities in whose grids a place lies on a day, each once.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn regions_at(&self, place: Position, day: Day) -> Result<Vec<RegionCode>, QueryError> {
        let grids = self.grids_at(place, day)?.into_iter();
        let mut regions: Vec<RegionCode> = grids.filter_map(|grid| grid.region).collect();
        regions.sort();
        regions.dedup();
        Ok(regions)
    }
}

fn request_row(row: &Row<'_>) -> rusqlite::Result<RequestRow> {
    Ok(RequestRow {
        document: row.get("document")?,
        number: row.get("number")?,
        region: row.get("region")?,
        state: word(row, "state")?,
        category: row.get("category")?,
        place: row.get("place")?,
        description: row.get("description")?,
        position: position(row)?,
        team: row.get("team")?,
        reported_ms: row.get("reported_ms")?,
        updated_ms: row.get("updated_ms")?,
        due_ms: row.get("due_ms")?,
    })
}
