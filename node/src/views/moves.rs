//! Lists of people who move between villages, and of those who are recorded in several.

use rusqlite::Row;
use serde::Serialize;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::household::{Relation, ResidentKind};
use townmesh_crdt::domain::moves::{MoveState, MoveStepKey, Stay};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::same_person::Answer;
use townmesh_crdt::id::{DocumentId, NodeId, RecordId, ResidentId};

use super::households::{personal, shown};
use super::query::{Listed, Order, Page, Query, json, word};
use super::reader::{QueryError, Reader};

/// Which moves.
#[derive(Debug, Clone, Default)]
pub struct MoveFilter {
    /// From this region or one within it.
    pub from: Option<RegionCode>,
    /// To this region or one within it.
    pub to: Option<RegionCode>,
    /// In this state.
    pub state: Option<MoveState>,
    /// By which this resident left or came.
    pub resident: Option<ResidentId>,
}

/// A move in a list.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct MoveRow {
    /// Its document.
    pub document: String,
    /// The village that is left.
    pub from: String,
    /// The village that they go to.
    pub to: String,
    /// The household that they leave.
    pub household: String,
    /// Their id there.
    pub resident: String,
    /// Their last day there.
    pub day: Option<Day>,
    /// Where it stands.
    pub state: Option<MoveState>,
    /// Why it was refused.
    pub reason: Option<String>,
    /// The household that took them in.
    pub arrival_household: Option<String>,
    /// Their id there.
    pub arrival_resident: Option<String>,
    /// Who it is, masked unless revealed.
    pub person: PersonalData,
    /// `open`, or why they cannot be shown: `sealed` (for others), `key_missing`, `erased`, `unreadable`.
    pub person_state: String,
    /// On what ground they lived there.
    pub kind: Option<ResidentKind>,
    /// What they were to the head of the household.
    pub relation: Option<Relation>,
    /// Where they lived, the stay that ends last.
    #[schema(value_type = Vec<Stay>)]
    pub stays: serde_json::Value,
    /// When they were first handed over, in milliseconds since 1970.
    pub given_ms: i64,
    /// When something was last done about it, in milliseconds since 1970.
    pub changed_ms: i64,
    /// How much a center has to settle.
    pub conflicts: u32,
    /// What was done, in order.
    #[schema(value_type = Vec<MoveStepRow>)]
    pub events: serde_json::Value,
}

/// Something that was done about a move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MoveStepRow {
    /// Its record.
    pub event: RecordId,
    /// What was done.
    pub step: MoveStepKey,
    /// By whom.
    pub by: String,
    /// On which node.
    pub node: NodeId,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// `applied`, or why it has no effect.
    pub effect: &'static str,
}

/// Two residents of two households who are, or look like, one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SamePersonRow {
    /// The document of the answer; null where nobody answered.
    pub document: Option<String>,
    /// What stands: the first is the one with the smaller id. Null where nobody answered, or answers contradict each other.
    #[schema(value_type = Option<String>)]
    pub answer: Option<Answer>,
    /// Whether answers contradict each other: both stand until a center settles that.
    pub contested: bool,
    /// By what they were found: `id_number`, or `name_and_phone`; null of those that were answered.
    pub ground: Option<String>,
    /// One.
    pub first: PersonSide,
    /// The other.
    pub second: PersonSide,
}

/// One of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PersonSide {
    /// Their id.
    pub resident: String,
    /// Their household.
    pub household: Option<String>,
    /// Its village.
    pub region: Option<String>,
    /// Its address, where its registry is here.
    pub address: Option<String>,
    /// Who it is, masked unless revealed; empty where its registry is not here.
    pub person: PersonalData,
    /// First day there.
    pub moved_in: Option<Day>,
    /// Last day there.
    pub moved_out: Option<Day>,
}

const MOVE: &str = "d.document, m.*";
const MOVES: &str = "move m JOIN document d ON d.row = m.row";

/// Both sides, with the registers of each.
const SIDES: &str = "a.resident AS a_resident, da.document AS a_household, ha.region AS a_region, ha.address AS a_address, \
    a.name AS a_name, a.id_number AS a_id_number, a.phone AS a_phone, a.moved_in AS a_moved_in, a.moved_out AS a_moved_out, \
    b.resident AS b_resident, db.document AS b_household, hb.region AS b_region, hb.address AS b_address, b.name AS b_name, \
    b.id_number AS b_id_number, b.phone AS b_phone, b.moved_in AS b_moved_in, b.moved_out AS b_moved_out";
/// People who are recognised by the same in two households.
const ALIKE: &str = "resident a JOIN resident b ON b.resident > a.resident AND b.row <> a.row AND (b.id_number = a.id_number OR \
    (b.phone = a.phone AND b.name = a.name AND (a.id_number IS NULL OR b.id_number IS NULL))) \
    JOIN household ha ON ha.row = a.row JOIN document da ON da.row = a.row \
    JOIN household hb ON hb.row = b.row JOIN document db ON db.row = b.row";
/// What was answered, with whom that is about where they are here.
const ANSWERED: &str = "same_person s JOIN document d ON d.row = s.row \
    LEFT JOIN document da ON da.document = s.first_household LEFT JOIN resident a ON a.row = da.row AND a.resident = s.first \
    LEFT JOIN household ha ON ha.row = da.row \
    LEFT JOIN document db ON db.document = s.second_household LEFT JOIN resident b ON b.row = db.row AND b.resident = s.second \
    LEFT JOIN household hb ON hb.row = db.row";

impl Reader {
    /// Moves, the latest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn moves(&self, filter: &MoveFilter, page: &Page, reveal: bool) -> Result<Listed<MoveRow>, QueryError> {
        let mut query = Query::default();
        query.region("m.from_region", filter.from);
        query.region("m.to_region", filter.to);
        query.equals("m.state", filter.state);
        if let Some(resident) = filter.resident {
            let of = "m.row IN (SELECT p.row FROM move_person p WHERE p.resident = ?)";
            query.and(of, [resident.to_string()]);
        }
        let order = Order { columns: &["m.changed_ms", "m.row"], descending: true };
        query.list(&self.connection, (MOVE, MOVES), &order, page, |row| move_row(row, reveal))
    }

    /// One move; `None` where it is not known here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn one_move(&self, document: DocumentId, reveal: bool) -> Result<Option<MoveRow>, QueryError> {
        let mut query = Query::default();
        query.equals("d.document", Some(document));
        let select = format!("{MOVE} FROM {MOVES}");
        Ok(query.all(&self.connection, &select, "", |row| move_row(row, reveal))?.into_iter().next())
    }

    /// People who look like one person recorded in two households, and of whom nobody has answered: by identity number, or by
    /// name and phone where one of the two has no number. Who moved from the one to the other is not among them.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn people_alike(
        &self,
        region: Option<RegionCode>,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<SamePersonRow>, QueryError> {
        let mut query = Query::default();
        query.and("a.mistake = ? AND b.mistake = a.mistake", [0]);
        either_region(&mut query, ("ha.region", "hb.region"), region);
        query.and(
            "NOT EXISTS (SELECT 1 FROM same_person s WHERE s.first = a.resident AND s.second = b.resident \
             AND (s.answer IS NOT NULL OR s.contested <> ?))",
            [0],
        );
        query.and(
            "NOT EXISTS (SELECT 1 FROM move_person p JOIN move_person q ON q.row = p.row AND q.resident = b.resident \
             WHERE p.resident = a.resident AND p.row > ?)",
            [0],
        );
        let columns = format!(
            "NULL AS document, NULL AS answer, 0 AS contested, \
             CASE WHEN a.id_number = b.id_number THEN 'id_number' ELSE 'name_and_phone' END AS ground, {SIDES}"
        );
        let order = Order { columns: &["a.resident", "b.resident", "a.row", "b.row"], descending: false };
        query.list(&self.connection, (&columns, ALIKE), &order, page, |row| same_row(row, reveal))
    }

    /// Who was answered about, and what.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn people_answered(
        &self,
        region: Option<RegionCode>,
        page: &Page,
        reveal: bool,
    ) -> Result<Listed<SamePersonRow>, QueryError> {
        let mut query = Query::default();
        query.and("(s.answer IS NOT NULL OR s.contested <> ?)", [0]);
        either_region(&mut query, ("s.first_region", "s.second_region"), region);
        let columns = "d.document, s.answer, s.contested, NULL AS ground, s.first AS a_resident, s.first_household AS a_household, \
             s.first_region AS a_region, ha.address AS a_address, a.name AS a_name, a.id_number AS a_id_number, \
             a.phone AS a_phone, a.moved_in AS a_moved_in, a.moved_out AS a_moved_out, s.second AS b_resident, \
             s.second_household AS b_household, s.second_region AS b_region, hb.address AS b_address, b.name AS b_name, \
             b.id_number AS b_id_number, b.phone AS b_phone, b.moved_in AS b_moved_in, b.moved_out AS b_moved_out";
        let order = Order { columns: &["s.row"], descending: false };
        query.list(&self.connection, (columns, ANSWERED), &order, page, |row| same_row(row, reveal))
    }
}

/// Where at least one of the two lives in a region.
fn either_region(query: &mut Query, (one, other): (&str, &str), region: Option<RegionCode>) {
    if let Some(region) = region {
        let within = format!("{region}%");
        query.and(&format!("({one} LIKE ? OR {other} LIKE ?)"), [within.clone(), within]);
    }
}

fn move_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<MoveRow> {
    Ok(MoveRow {
        document: row.get("document")?,
        from: row.get("from_region")?,
        to: row.get("to_region")?,
        household: row.get("household")?,
        resident: row.get("resident")?,
        day: word(row, "day")?,
        state: word(row, "state")?,
        reason: row.get("reason")?,
        arrival_household: row.get("arrival_household")?,
        arrival_resident: row.get("arrival_resident")?,
        person: shown(personal(row, "name", "id_number", "phone")?, reveal),
        person_state: row.get("told")?,
        kind: word(row, "kind")?,
        relation: word(row, "relation")?,
        stays: json(row, "stays")?,
        given_ms: row.get("given_ms")?,
        changed_ms: row.get("changed_ms")?,
        conflicts: row.get("conflicts")?,
        events: json(row, "events")?,
    })
}

fn same_row(row: &Row<'_>, reveal: bool) -> rusqlite::Result<SamePersonRow> {
    let side = |[resident, household, region, address, name, id_number, phone, moved_in, moved_out]: [&str; 9]| {
        Ok::<_, rusqlite::Error>(PersonSide {
            resident: row.get(resident)?,
            household: row.get(household)?,
            region: row.get(region)?,
            address: row.get(address)?,
            person: shown(personal(row, name, id_number, phone)?, reveal),
            moved_in: word(row, moved_in)?,
            moved_out: word(row, moved_out)?,
        })
    };
    Ok(SamePersonRow {
        document: row.get("document")?,
        answer: word(row, "answer")?,
        contested: row.get("contested")?,
        ground: row.get("ground")?,
        first: side([
            "a_resident",
            "a_household",
            "a_region",
            "a_address",
            "a_name",
            "a_id_number",
            "a_phone",
            "a_moved_in",
            "a_moved_out",
        ])?,
        second: side([
            "b_resident",
            "b_household",
            "b_region",
            "b_address",
            "b_name",
            "b_id_number",
            "b_phone",
            "b_moved_in",
            "b_moved_out",
        ])?,
    })
}
