//! Lists of orders, and one case with its timeline; lists of cases stand in [`super::case_list`].

use rusqlite::Row;
use serde::Serialize;
use townmesh_crdt::domain::case::{CaseState, Conveyed, Lamp, Means, OrderKind, OrderStatus, Severity, Source, Step};
use townmesh_crdt::domain::number::SpokenNumber;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::id::DocumentId;

use super::case_waits::CaseWait;
use super::query::{Listed, Order, Page, Query, json, position, word};
use super::reader::{QueryError, Reader};

/// Which orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// To this team.
    pub team: Option<String>,
    /// In one of these statuses; in any, where none is named.
    pub status: Vec<OrderStatus>,
    /// In this region or within it.
    pub region: Option<RegionCode>,
}

/// A case in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CaseRow {
    /// Its document.
    pub document: String,
    /// What people call it by.
    pub number: String,
    /// Its namespace.
    pub namespace: String,
    /// Village or community.
    pub region: String,
    /// Where it stands; `None` before a report has effect.
    pub state: Option<CaseState>,
    /// Where it comes from.
    pub source: Option<Source>,
    /// Category as filed, else as the reporter suggests.
    pub category: Option<String>,
    /// Severity as filed.
    pub severity: Option<Severity>,
    /// The place in words.
    pub place: Option<String>,
    /// What is wrong.
    pub description: Option<String>,
    /// The place on the map.
    pub position: Option<Position>,
    /// Who reported.
    pub reported_by: Option<String>,
    /// When the finder saw it, in milliseconds since 1970, where they say so.
    pub found_ms: Option<i64>,
    /// When, in milliseconds since 1970.
    pub reported_ms: i64,
    /// When it was filed.
    pub filed_ms: Option<i64>,
    /// How urgent it is, or was when its clock stopped: at the end of the handling, or when it was declared void; `None` before it is filed, and while the clock stands still.
    pub lamp: Option<Lamp>,
    /// When its limit is reached; `None` before it is filed, and while the clock stands still.
    pub due_ms: Option<i64>,
    /// When the last handling ended.
    pub handled_ms: Option<i64>,
    /// When it was closed.
    pub closed_ms: Option<i64>,
    /// Whether a supervision waits for its reply.
    pub supervised: bool,
    /// By when, in milliseconds since 1970; the first where several wait, and `None` where no time was set.
    pub reply_due_ms: Option<i64>,
    /// What waits in it for somebody to decide or to answer.
    pub waits: Vec<CaseWait>,
    /// How often verification failed.
    pub rework: u32,
    /// Conflicts that nobody has settled.
    pub conflicts: u32,
}

/// One event of a case.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CaseEventRow {
    /// The record.
    pub event: String,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// Who.
    pub by: String,
    /// In which role.
    pub role: Option<Role>,
    /// Which step.
    pub step: Option<Step>,
    /// Whether it had effect.
    #[schema(value_type = townmesh_crdt::domain::case::Effect)]
    pub effect: serde_json::Value,
    /// The state after it.
    pub state: Option<CaseState>,
    /// Words beside it.
    pub note: Option<String>,
    /// What was done.
    #[schema(value_type = townmesh_crdt::domain::case::Action)]
    pub action: serde_json::Value,
    /// The number of the edition of the life cycle by which it was judged; 0 is that of the program.
    pub edition: u32,
}

/// An order to a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct OrderRow {
    /// The case's document.
    pub case: String,
    /// The dispatching or whistling event.
    pub event: String,
    /// Its place in that event's list, from 0.
    pub index: u8,
    /// What people call it by.
    pub number: String,
    /// The team.
    pub team: String,
    /// What it shall do.
    pub task: String,
    /// Dispatch or whistle.
    pub kind: Option<OrderKind>,
    /// Whether the team leads.
    pub lead: bool,
    /// How far it is.
    pub status: Option<OrderStatus>,
    /// When it was written, in milliseconds since 1970.
    pub sent_ms: i64,
    /// Who sent it.
    pub sent_by: Option<String>,
    /// When somebody of the team first answered to it, as *seen*: acknowledged it, named a person, came, did it or wanted it away.
    pub seen_ms: Option<i64>,
    /// Who of the team does it, once somebody is named: a member's code.
    pub person: Option<String>,
    /// By which means it was handed on last, by voice or on paper.
    pub conveyed_by: Option<Means>,
    /// When that was, in milliseconds since 1970.
    pub conveyed_ms: Option<i64>,
    /// Each time that it was handed on so.
    pub conveyed: Vec<Conveyed>,
    /// What was done, once it is.
    pub result: Option<String>,
    /// Who did it.
    pub done_by: Option<String>,
    /// When, in milliseconds since 1970.
    pub done_ms: Option<i64>,
}

/// A case with everything known about it.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CaseDetail {
    /// The case.
    #[serde(flatten)]
    pub case: CaseRow,
    /// Its orders.
    pub orders: Vec<OrderRow>,
    /// Its events, in the order of the fold.
    pub timeline: Vec<CaseEventRow>,
    /// The rest of the fold: [`Case`](townmesh_crdt::domain::case::Case) in JSON.
    #[schema(value_type = townmesh_crdt::domain::case::Case)]
    pub folded: serde_json::Value,
}

pub(super) const CASE: &str = "d.document, n.name AS namespace, c.*";
pub(super) const CASES: &str =
    "case_file c JOIN document d ON d.row = c.row JOIN namespace n ON n.number = d.namespace";
const ORDERS: &str = "dispatch_order o JOIN document d ON d.row = o.row";

impl Reader {
    /// How many cases of these categories were reported in a region from one time on and before another, in milliseconds
    /// since 1970.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn count_cases(
        &self,
        region: RegionCode,
        categories: &[String],
        from_ms: i64,
        until_ms: i64,
    ) -> Result<u64, QueryError> {
        let mut query = Query::default();
        query.region("region", Some(region));
        query.one_of("category", categories.to_vec());
        query.between("reported_ms", Some(from_ms), Some(until_ms));
        let counts = query.all(&self.connection, "count(*) FROM case_file", "", |row| row.get::<_, i64>(0))?;
        Ok(counts.into_iter().next().unwrap_or_default().cast_unsigned())
    }

    /// One case with its orders and timeline; `None` where it is not known here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn case(&self, document: DocumentId, now_ms: i64) -> Result<Option<CaseDetail>, QueryError> {
        let of_case = || {
            let mut query = Query::default();
            query.equals("d.document", Some(document));
            query
        };
        self.at_once(|| {
            let read = |row: &Row<'_>| Ok((case_row(row, now_ms)?, json(row, "folded")?));
            let select = format!("{CASE}, f.folded FROM {CASES} JOIN case_detail f ON f.row = c.row");
            let found = of_case().all(&self.connection, &select, "", read)?;
            let Some((case, folded)) = found.into_iter().next() else { return Ok(None) };
            let select = format!("d.document, o.* FROM {ORDERS}");
            let orders = of_case().all(&self.connection, &select, "ORDER BY o.place", order_row)?;
            let select = "e.* FROM case_event e JOIN document d ON d.row = e.row";
            let timeline = of_case().all(&self.connection, select, "ORDER BY e.place", event_row)?;
            Ok(Some(CaseDetail { case, orders, timeline, folded }))
        })
    }

    /// The cases that are called by a number: more than one by a chance of one in many thousands.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn cases_numbered(&self, number: SpokenNumber) -> Result<Vec<DocumentId>, QueryError> {
        let mut query = Query::default();
        query.equals("c.number", Some(number));
        let select = "d.document FROM case_file c JOIN document d ON d.row = c.row";
        let found = query.all(&self.connection, select, "ORDER BY c.row", |row| row.get::<_, String>("document"))?;
        Ok(found.iter().filter_map(|document| document.parse().ok()).collect())
    }

    /// The orders that are called by a number: more than one by a chance of one in many thousands.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn orders_numbered(&self, number: SpokenNumber) -> Result<Vec<OrderRow>, QueryError> {
        let mut query = Query::default();
        query.equals("o.number", Some(number));
        query.all(&self.connection, &format!("d.document, o.* FROM {ORDERS}"), "ORDER BY o.row, o.place", order_row)
    }

    /// Orders, the latest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn orders(&self, filter: &OrderFilter, page: &Page) -> Result<Listed<OrderRow>, QueryError> {
        let mut query = Query::default();
        query.equals("o.team", filter.team.as_deref());
        if !filter.status.is_empty() {
            query.one_of("o.status", filter.status.iter().map(ToString::to_string).collect());
        }
        query.region("(SELECT c.region FROM case_file c WHERE c.row = o.row)", filter.region);
        let order = Order { columns: &["o.sent_ms", "o.row", "o.place"], descending: true };
        query.list(&self.connection, ("d.document, o.*", ORDERS), &order, page, order_row)
    }
}

pub(super) fn case_row(row: &Row<'_>, now_ms: i64) -> rusqlite::Result<CaseRow> {
    Ok(CaseRow {
        document: row.get("document")?,
        number: row.get("number")?,
        namespace: row.get("namespace")?,
        region: row.get("region")?,
        state: word(row, "state")?,
        source: word(row, "source")?,
        category: row.get("category")?,
        severity: word(row, "severity")?,
        place: row.get("place")?,
        description: row.get("description")?,
        position: position(row)?,
        reported_by: row.get("reported_by")?,
        found_ms: row.get("found_ms")?,
        reported_ms: row.get("reported_ms")?,
        filed_ms: row.get("filed_ms")?,
        lamp: lamp(row, now_ms)?,
        due_ms: row.get("due_ms")?,
        handled_ms: row.get("handled_ms")?,
        closed_ms: row.get("closed_ms")?,
        supervised: row.get("supervised")?,
        reply_due_ms: row.get("reply_due_ms")?,
        waits: CaseWait::read(row.get::<_, Option<String>>("waits")?.as_deref()),
        rework: row.get("rework")?,
        conflicts: row.get("conflicts")?,
    })
}

/// What the lamp is at the moment at which the clock stopped, or now.
fn lamp(row: &Row<'_>, now_ms: i64) -> rusqlite::Result<Option<Lamp>> {
    let (yellow, due): (Option<i64>, Option<i64>) = (row.get("yellow_ms")?, row.get("due_ms")?);
    let stopped: Option<i64> = row.get::<_, Option<i64>>("handled_ms")?.or(row.get("closed_ms")?);
    let at = stopped.unwrap_or(now_ms);
    Ok(yellow.zip(due).map(|(yellow, due)| match at {
        _ if at > due => Lamp::Red,
        _ if at >= yellow => Lamp::Yellow,
        _ => Lamp::Green,
    }))
}

fn order_row(row: &Row<'_>) -> rusqlite::Result<OrderRow> {
    let conveyed: Vec<Conveyed> = serde_json::from_value(json(row, "conveyed")?).unwrap_or_default();
    let last = conveyed.iter().map(|told| &told.conveying).max_by_key(|told| told.at_ms);
    Ok(OrderRow {
        case: row.get("document")?,
        event: row.get("event")?,
        index: row.get("part")?,
        number: row.get("number")?,
        team: row.get("team")?,
        task: row.get("task")?,
        kind: word(row, "kind")?,
        lead: row.get("lead")?,
        status: word(row, "status")?,
        sent_ms: row.get("sent_ms")?,
        sent_by: row.get("sent_by")?,
        seen_ms: row.get("seen_ms")?,
        person: row.get("person")?,
        conveyed_by: last.map(|told| told.means),
        conveyed_ms: last.map(|told| told.at_ms.cast_signed()),
        conveyed,
        result: row.get("result")?,
        done_by: row.get("done_by")?,
        done_ms: row.get("done_ms")?,
    })
}

fn event_row(row: &Row<'_>) -> rusqlite::Result<CaseEventRow> {
    Ok(CaseEventRow {
        event: row.get("event")?,
        time_ms: row.get("time_ms")?,
        by: row.get("person")?,
        role: word(row, "role")?,
        step: word(row, "step")?,
        effect: json(row, "effect")?,
        state: word(row, "state")?,
        note: row.get("note")?,
        action: json(row, "action")?,
        edition: row.get("edition")?,
    })
}
