//! Lists of households and hazards, and one household with everything known about it.

use rusqlite::Row;
use serde::Serialize;
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{DoorMark, HazardState};
use townmesh_crdt::domain::hazard_deed::HazardDeed;
use townmesh_crdt::domain::household::{Relation, ResidentKind};
use townmesh_crdt::domain::moves::Stay;
use townmesh_crdt::domain::person::{PersonalData, mask_numbers};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::policy::DocumentKind;

use super::query::{BoundingBox, Listed, Order, Page, Query, json, position, word};
use super::reader::{QueryError, Reader};

/// Which households.
#[derive(Debug, Clone, Default)]
pub struct HouseholdFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Of this use.
    pub usage: Option<DwellingUse>,
    /// With this mark on the door.
    pub mark: Option<DoorMark>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
    /// With this text in the address or the name of the head or of somebody who lives there.
    pub text: Option<String>,
    /// With values that somebody has to settle.
    pub conflicts: bool,
}

/// A household in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HouseholdRow {
    /// Its document.
    pub document: String,
    /// Its namespace.
    pub namespace: String,
    /// Village or community.
    pub region: String,
    /// Door number.
    pub address: String,
    /// Which household behind that door.
    pub number: u16,
    /// What the rooms are used for.
    #[serde(rename = "use")]
    pub usage: Option<DwellingUse>,
    /// Rooms.
    pub rooms: Option<u16>,
    /// Floor area in square decimetres.
    pub area_dm2: Option<u32>,
    /// How many tenants the rooms may hold.
    pub tenant_limit: Option<u16>,
    /// Where the door is.
    pub position: Option<Position>,
    /// Remarks.
    pub note: Option<String>,
    /// Head of the household, masked unless revealed.
    pub head: PersonalData,
    /// `open`, or why the head cannot be shown: `key_missing`, `erased`, `unreadable`.
    pub head_state: String,
    /// How many live here: everybody without a last day.
    pub residents: u32,
    /// The mark on the door, from its hazards.
    pub mark: DoorMark,
    /// How many values somebody has to settle.
    pub conflicts: u32,
    /// Line of the feed that last named it: the greatest changed last on this node.
    pub changed: i64,
}

/// Somebody who lives or lived in a household.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct ResidentRow {
    /// Their id.
    pub resident: String,
    /// Who it is, masked unless revealed.
    #[serde(flatten)]
    pub personal: PersonalData,
    /// On what ground they live here.
    pub kind: Option<ResidentKind>,
    /// What they are to the head.
    pub relation: Option<Relation>,
    /// First day.
    pub moved_in: Option<Day>,
    /// Last day.
    pub moved_out: Option<Day>,
    /// `open`, or why they cannot be shown: `key_missing`, `erased`, `unreadable`.
    pub state: String,
    /// Who is shown for them in another household, as a center answered: they are not counted here.
    pub alias_of: Option<String>,
    /// The move by which they came from another village.
    pub came_by: Option<String>,
    /// Where they lived before they came by it, the stay that ends last.
    #[schema(value_type = Vec<Stay>)]
    pub stays: serde_json::Value,
}

/// An inspection in a list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct InspectionRow {
    /// The record.
    pub record: String,
    /// The document of what was inspected.
    pub household: String,
    /// Who inspected.
    pub inspector: String,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// Number of the checklist.
    pub checklist: u16,
    /// Answers by item code.
    #[schema(value_type = std::collections::BTreeMap<u16, townmesh_crdt::domain::inspection::Answer>)]
    pub answers: serde_json::Value,
    /// On how many items a hazard was found.
    pub hazards: u32,
    /// Photos, by the hashes that they are found by.
    #[schema(value_type = Vec<townmesh_crdt::domain::inspection::PhotoHash>)]
    pub photos: serde_json::Value,
    /// Where the inspector stood.
    pub position: Option<Position>,
    /// Remarks.
    pub note: Option<String>,
    /// Without effect: its author's certificate had been revoked.
    pub void: bool,
}

/// A hazard in a list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct HazardRow {
    /// Its document.
    pub document: String,
    /// Village or community.
    pub region: String,
    /// The document of what was inspected.
    pub household: Option<String>,
    /// What that is: `household`, `dwelling`, `enterprise` or `grid`; null where it is not known here.
    pub subject: Option<String>,
    /// Its address, or its name where it has none.
    pub address: Option<String>,
    /// Number of the checklist.
    pub checklist: Option<u16>,
    /// Item of the checklist.
    pub item: Option<u16>,
    /// How often it was found anew.
    pub occurrence: u16,
    /// How serious it is.
    pub grade: Option<Grade>,
    /// Where it stands.
    pub state: Option<HazardState>,
    /// The case that was made of it.
    pub case: Option<String>,
    /// Who found it.
    pub found_by: Option<String>,
    /// When it was found, in milliseconds since 1970.
    pub found_ms: Option<i64>,
    /// By when it is to be put right, in milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// Who took it up or put it right.
    pub rectified_by: Option<String>,
    /// Who rechecked it.
    pub rechecked_by: Option<String>,
    /// When its state last changed, in milliseconds since 1970.
    pub changed_ms: Option<i64>,
    /// Where it is: at its door; on a grid, where the inspector stood.
    pub position: Option<Position>,
    /// Remarks.
    pub note: Option<String>,
    /// What people did about it, in order: who, in which role, when, with which photos.
    #[schema(value_type = Vec<HazardDeed>)]
    pub steps: serde_json::Value,
}

/// Which inspections.
#[derive(Debug, Clone, Default)]
pub struct InspectionFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Of this household, dwelling, enterprise or grid.
    pub subject: Option<DocumentId>,
    /// From here on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

/// Which hazards.
#[derive(Debug, Clone, Default)]
pub struct HazardFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// In this state.
    pub state: Option<HazardState>,
    /// Of this grade.
    pub grade: Option<Grade>,
    /// Of which this case was made.
    pub case: Option<DocumentId>,
    /// Past their date at this moment, in milliseconds since 1970, and nobody said that they are done.
    pub overdue_ms: Option<i64>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
}

/// A household with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct HouseholdDetail {
    /// The household.
    #[serde(flatten)]
    pub household: HouseholdRow,
    /// Who lives or lived there.
    pub people: Vec<ResidentRow>,
    /// Its latest inspections, the newest first; at most [`MAX_INSPECTIONS`].
    pub inspections: Vec<InspectionRow>,
    /// Its hazards, the newest first.
    pub hazards: Vec<HazardRow>,
}

/// Most inspections shown with a household.
pub const MAX_INSPECTIONS: usize = 100;

const HOUSEHOLD: &str = "d.document, n.name AS namespace, h.*";
const HOUSEHOLDS: &str = "household h JOIN document d ON d.row = h.row JOIN namespace n ON n.number = d.namespace";
const HAZARD: &str = "d.document, z.*";
const HAZARDS: &str = "hazard z JOIN document d ON d.row = z.row";

impl Reader {
    /// Households by region and address.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn households(
        &self,
        filter: &HouseholdFilter,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<HouseholdRow>, QueryError> {
        let mut query = Query::default();
        query.region("h.region", filter.region);
        query.equals("h.usage", filter.usage);
        query.equals("h.mark", filter.mark);
        query.within("h.row", DocumentKind::Household, filter.bounds);
        query.text(
            "h.row",
            "h.address LIKE ? ESCAPE '\\' OR h.head_name LIKE ? ESCAPE '\\' OR EXISTS \
             (SELECT 1 FROM resident r WHERE r.row = h.row AND r.mistake = 0 AND r.name LIKE ? ESCAPE '\\')",
            filter.text.as_deref(),
        );
        if filter.conflicts {
            query.and("h.conflicts > ?", [0]);
        }
        let order = Order { columns: &["h.region", "h.address", "h.row"], descending: false };
        query.list(&self.connection, (HOUSEHOLD, HOUSEHOLDS), &order, page, |row| household_row(row, reveal))
    }

    /// One household with its residents, inspections and hazards; `None` where it is not known here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn household(&self, document: DocumentId, reveal: bool) -> Result<Option<HouseholdDetail>, QueryError> {
        self.at_once(|| {
            let mut query = Query::default();
            query.equals("d.document", Some(document));
            let select = format!("{HOUSEHOLD} FROM {HOUSEHOLDS}");
            let found = query.all(&self.connection, &select, "", |row| household_row(row, reveal))?;
            let Some(household) = found.into_iter().next() else { return Ok(None) };
            let people = self.residents(document, reveal)?;
            let inspections = self.inspections(document)?;
            let hazards = self.hazards_at(document)?;
            Ok(Some(HouseholdDetail { household, people, inspections, hazards }))
        })
    }

    /// Who lives or lived in a household, without those recorded by mistake.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn residents(&self, household: DocumentId, reveal: bool) -> Result<Vec<ResidentRow>, QueryError> {
        let mut query = Query::default();
        query.equals("d.document", Some(household));
        query.and("r.mistake = ?", [0]);
        let select = "r.* FROM document d JOIN resident r ON r.row = d.row";
        query.all(&self.connection, select, "ORDER BY r.moved_out IS NOT NULL, r.resident", |row| {
            Ok(ResidentRow {
                resident: row.get("resident")?,
                personal: shown(personal(row, "name", "id_number", "phone")?, reveal),
                kind: word(row, "kind")?,
                relation: word(row, "relation")?,
                moved_in: word(row, "moved_in")?,
                moved_out: word(row, "moved_out")?,
                state: row.get("state")?,
                alias_of: row.get("alias_of")?,
                came_by: row.get("came_by")?,
                stays: json(row, "stays")?,
            })
        })
    }

    /// The latest inspections of a household, the newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn inspections(&self, household: DocumentId) -> Result<Vec<InspectionRow>, QueryError> {
        let mut query = Query::default();
        query.equals("household", Some(household));
        let last = format!("ORDER BY time_ms DESC, record LIMIT {MAX_INSPECTIONS}");
        query.all(&self.connection, "* FROM inspection", &last, inspection_row)
    }

    /// The hazards of a household or of whatever else was inspected, the newest first.
    pub(super) fn hazards_at(&self, subject: DocumentId) -> Result<Vec<HazardRow>, QueryError> {
        let mut query = Query::default();
        query.equals("z.household", Some(subject));
        let select = format!("{HAZARD} FROM {HAZARDS}");
        query.all(&self.connection, &select, "ORDER BY z.found_ms DESC, z.row", hazard_row)
    }

    /// The hazards that a case is about, the newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hazards_of_case(&self, case: DocumentId) -> Result<Vec<HazardRow>, QueryError> {
        let mut query = Query::default();
        query.equals("z.case_document", Some(case));
        let select = format!("{HAZARD} FROM {HAZARDS}");
        query.all(&self.connection, &select, "ORDER BY z.found_ms DESC, z.row", hazard_row)
    }

    /// Inspections, the newest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn inspections_in(&self, filter: &InspectionFilter, page: &Page) -> Result<Listed<InspectionRow>, QueryError> {
        let mut query = Query::default();
        query.region("d.region", filter.region);
        query.equals("i.household", filter.subject);
        query.between("i.time_ms", filter.from_ms, filter.until_ms);
        let order = Order { columns: &["i.time_ms", "i.row", "i.record"], descending: true };
        let from = "inspection i JOIN document d ON d.row = i.row";
        query.list(&self.connection, ("i.*", from), &order, page, inspection_row)
    }

    /// Hazards, the latest change first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hazards(&self, filter: &HazardFilter, page: &Page) -> Result<Listed<HazardRow>, QueryError> {
        let mut query = Query::default();
        query.region("z.region", filter.region);
        query.equals("z.state", filter.state);
        query.equals("z.grade", filter.grade);
        query.equals("z.case_document", filter.case);
        if let Some(now) = filter.overdue_ms {
            query.and("z.due_ms < ? AND z.state IN ('open', 'rectifying')", [now]);
        }
        query.within("z.row", DocumentKind::Hazard, filter.bounds);
        let order = Order { columns: &["z.changed_ms", "z.row"], descending: true };
        query.list(&self.connection, (HAZARD, HAZARDS), &order, page, hazard_row)
    }
}

fn household_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<HouseholdRow> {
    Ok(HouseholdRow {
        document: row.get("document")?,
        namespace: row.get("namespace")?,
        region: row.get("region")?,
        address: row.get("address")?,
        number: row.get("number")?,
        usage: word(row, "usage")?,
        rooms: row.get("rooms")?,
        area_dm2: row.get("area_dm2")?,
        tenant_limit: row.get("tenant_limit")?,
        position: position(row)?,
        note: row.get::<_, Option<String>>("note")?.map(|note| if reveal { note } else { mask_numbers(&note) }),
        head: shown(personal(row, "head_name", "head_id_number", "head_phone")?, reveal),
        head_state: row.get("head_state")?,
        residents: row.get("residents")?,
        mark: word(row, "mark")?.unwrap_or(DoorMark::Green),
        conflicts: row.get("conflicts")?,
        changed: row.get("changed")?,
    })
}

fn inspection_row(row: &Row<'_>) -> rusqlite::Result<InspectionRow> {
    Ok(InspectionRow {
        record: row.get("record")?,
        household: row.get("household")?,
        inspector: row.get("inspector")?,
        time_ms: row.get("time_ms")?,
        checklist: row.get("checklist")?,
        answers: json(row, "answers")?,
        hazards: row.get("hazards")?,
        photos: json(row, "photos")?,
        position: position(row)?,
        note: row.get("note")?,
        void: row.get("void")?,
    })
}

fn hazard_row(row: &Row<'_>) -> rusqlite::Result<HazardRow> {
    Ok(HazardRow {
        document: row.get("document")?,
        region: row.get("region")?,
        household: row.get("household")?,
        subject: row.get("subject")?,
        address: row.get("address")?,
        checklist: row.get("checklist")?,
        item: row.get("item")?,
        occurrence: row.get("occurrence")?,
        grade: word(row, "grade")?,
        state: word(row, "state")?,
        case: row.get("case_document")?,
        found_by: row.get("found_by")?,
        found_ms: row.get("found_ms")?,
        due_ms: row.get("due_ms")?,
        rectified_by: row.get("rectified_by")?,
        rechecked_by: row.get("rechecked_by")?,
        changed_ms: row.get("changed_ms")?,
        position: position(row)?,
        note: row.get("note")?,
        steps: json(row, "steps")?,
    })
}

pub(super) fn personal(row: &Row<'_>, name: &str, id_number: &str, phone: &str) -> rusqlite::Result<PersonalData> {
    let name: Option<String> = row.get(name)?;
    Ok(PersonalData { name: name.unwrap_or_default(), id_number: row.get(id_number)?, phone: row.get(phone)? })
}

/// Personal data as it is handed out.
pub(super) fn shown(personal: PersonalData, reveal: bool) -> PersonalData {
    if reveal { personal } else { personal.masked() }
}
