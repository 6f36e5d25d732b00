//! Lists of dwellings, and one with the households behind its door.

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::DoorMark;
use townmesh_crdt::domain::person::{PersonalData, mask_numbers};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::policy::DocumentKind;

use super::door_tags::HouseholdBehind;
use super::households::{HazardRow, InspectionRow, personal, shown};
use super::query::{BoundingBox, Listed, Order, Page, Query, position, word};
use super::reader::{QueryError, Reader};

/// Which dwellings.
#[derive(Debug, Clone, Default)]
pub struct DwellingFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Said to lie in the grid with this code.
    pub grid: Option<String>,
    /// Of this use.
    pub usage: Option<DwellingUse>,
    /// With this mark on the door.
    pub mark: Option<DoorMark>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
    /// With this text in the address, the remarks or the name of the owner.
    pub text: Option<String>,
    /// With values that somebody has to settle.
    pub conflicts: bool,
    /// Those that are gone, too.
    pub gone: bool,
}

/// A dwelling in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DwellingRow {
    /// Its document.
    pub document: String,
    /// Its namespace.
    pub namespace: String,
    /// Village or community.
    pub region: String,
    /// Door number.
    pub address: String,
    /// What most of it is used for.
    #[serde(rename = "use")]
    pub usage: Option<DwellingUse>,
    /// Rooms.
    pub rooms: Option<u16>,
    /// Storeys above ground.
    pub storeys: Option<u8>,
    /// Floor area in square decimetres.
    pub area_dm2: Option<u32>,
    /// Year in which it was built.
    pub built: Option<u16>,
    /// Code of the grid that it lies in.
    pub grid: Option<String>,
    /// Where the door is.
    pub position: Option<Position>,
    /// Remarks; numbers that look like a person's are masked unless revealed.
    pub note: Option<String>,
    /// Since when it is gone.
    pub gone: Option<Day>,
    /// Whom it belongs to, masked unless revealed.
    pub owner: PersonalData,
    /// `open`, or why the owner cannot be shown: `key_missing`, `erased`, `unreadable`.
    pub owner_state: String,
    /// How many households are behind the door.
    pub households: u32,
    /// The mark on the door, from the hazards of the dwelling and of its households.
    pub mark: DoorMark,
    /// How many values somebody has to settle.
    pub conflicts: u32,
    /// Line of the feed that last named it: the greatest changed last on this node.
    pub changed: i64,
}

/// A dwelling with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct DwellingDetail {
    /// The dwelling.
    #[serde(flatten)]
    pub dwelling: DwellingRow,
    /// The households behind the door.
    pub behind: Vec<HouseholdBehind>,
    /// Its own latest inspections, the newest first; those of its households stand with them.
    pub inspections: Vec<InspectionRow>,
    /// Its own hazards, the newest first.
    pub hazards: Vec<HazardRow>,
}

const BEHIND: &str = "FROM household h WHERE h.region = w.region AND h.door = w.door";
const DWELLINGS: &str = "dwelling w JOIN document d ON d.row = w.row JOIN namespace n ON n.number = d.namespace";

/// The worst mark of a dwelling and the households behind its door.
fn mark() -> String {
    let is = |mark: &str| format!("w.mark = '{mark}' OR EXISTS (SELECT 1 {BEHIND} AND h.mark = '{mark}')");
    format!("CASE WHEN {} THEN 'red' WHEN {} THEN 'yellow' ELSE 'green' END", is("red"), is("yellow"))
}

fn columns() -> String {
    format!("d.document, n.name AS namespace, w.*, {} AS door_mark, (SELECT count(*) {BEHIND}) AS households", mark())
}

impl Reader {
    /// Dwellings by region and address.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn dwellings(
        &self,
        filter: &DwellingFilter,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<DwellingRow>, QueryError> {
        let mut query = Query::default();
        query.region("w.region", filter.region);
        query.equals("w.grid", filter.grid.as_ref());
        query.equals("w.usage", filter.usage);
        query.equals(&mark(), filter.mark);
        query.within("w.row", DocumentKind::Dwelling, filter.bounds);
        // Whoever is shown remarks masked must not find out the rest of them by asking.
        let known = "w.address LIKE ? ESCAPE '\\' OR w.owner_name LIKE ? ESCAPE '\\'";
        let all = format!("{known} OR w.note LIKE ? ESCAPE '\\'");
        query.text("w.row", if reveal { &all } else { known }, filter.text.as_deref());
        if filter.conflicts {
            query.and("w.conflicts > ?", [0]);
        }
        if !filter.gone {
            query.and::<Value>("w.gone IS NULL", []);
        }
        let order = Order { columns: &["w.region", "w.address", "w.row"], descending: false };
        query.list(&self.connection, (&columns(), DWELLINGS), &order, page, |row| dwelling_row(row, reveal))
    }

    /// One dwelling with its households, inspections and hazards; `None` where it is not known here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn dwelling(&self, document: DocumentId, reveal: bool) -> Result<Option<DwellingDetail>, QueryError> {
        self.at_once(|| {
            let mut query = Query::default();
            query.equals("d.document", Some(document));
            let select = format!("{} FROM {DWELLINGS}", columns());
            let found = query.all(&self.connection, &select, "", |row| dwelling_row(row, reveal))?;
            let Some(dwelling) = found.into_iter().next() else { return Ok(None) };
            let mut query = Query::default();
            query.equals("d.document", Some(document));
            let select = "hd.document AS document, h.number AS number FROM document d JOIN dwelling w ON w.row = d.row \
                          JOIN household h ON h.region = w.region AND h.door = w.door JOIN document hd ON hd.row = h.row";
            let behind = query.all(&self.connection, select, "ORDER BY h.number, h.row", |row| {
                Ok(HouseholdBehind { document: row.get("document")?, number: row.get("number")? })
            })?;
            let (inspections, hazards) = (self.inspections(document)?, self.hazards_at(document)?);
            Ok(Some(DwellingDetail { dwelling, behind, inspections, hazards }))
        })
    }
}

fn dwelling_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<DwellingRow> {
    Ok(DwellingRow {
        document: row.get("document")?,
        namespace: row.get("namespace")?,
        region: row.get("region")?,
        address: row.get("address")?,
        usage: word(row, "usage")?,
        rooms: row.get("rooms")?,
        storeys: row.get("storeys")?,
        area_dm2: row.get("area_dm2")?,
        built: row.get("built")?,
        grid: row.get("grid")?,
        position: position(row)?,
        note: row.get::<_, Option<String>>("note")?.map(|note| if reveal { note } else { mask_numbers(&note) }),
        gone: word(row, "gone")?,
        owner: shown(personal(row, "owner_name", "owner_id_number", "owner_phone")?, reveal),
        owner_state: row.get("owner_state")?,
        households: row.get("households")?,
        mark: word(row, "door_mark")?.unwrap_or(DoorMark::Green),
        conflicts: row.get("conflicts")?,
        changed: row.get("changed")?,
    })
}
