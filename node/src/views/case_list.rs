//! Lists of cases: what they are filtered and sorted by, and how a page of half a million cases is found at once.
//!
//! A page is read along the index of its sort until it is full, which is soon where every hundredth case or more is one
//! that is asked for. Where a filter leaves few cases, these are looked up by it and sorted: how many it leaves is counted
//! first, and no further than to [`FEW`]. SQLite, which knows nothing of how often a word stands in a column, would
//! sort every case of the town for a page of 50. Cases of a time that are sorted by anything else are sorted in an
//! index that holds, beside the time, all that lists are sorted by: half a million of them without a look at one case. Only what the
//! page shows is then read.
//!
//! Cases that lack what they are sorted by come last, in either order. A page begins after a key and a row, so that it goes on
//! where it was while cases come and go: one that changes its key meanwhile may be seen twice or not, any other once.

use rusqlite::Row;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};
use townmesh_crdt::domain::case::{CaseState, Lamp, Severity, Source};
use townmesh_crdt::domain::columns::List;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::region::{RegionCode, RegionLevel};
use townmesh_crdt::domain::tables::{DeskRow, Tables};
use townmesh_crdt::policy::DocumentKind;

use super::analysis::words;
use super::case_waits::CaseWait;
use super::cases::{CASE, CASES, CaseRow, case_row};
use super::query::{BoundingBox, Listed, Page, Query, SearchText, read_cursor, write_cursor};
use super::reader::{QueryError, Reader};

/// So many cases are looked up one by one and sorted in less than 50 ms.
const FEW: u32 = 5_000;
/// So many of a time are sorted at once in less than 50 ms. Of more than that every third or so of all cases is one, and a page
/// is soon full along the index of the sort, which holds the time, too.
const MANY: u32 = 100_000;

words! {
    /// What a list of cases is sorted by.
    pub enum CaseSort {
        /// When it was reported.
        Reported = "reported": "上报时间", "when reported";
        /// When its limit is reached.
        Due = "due": "办理时限", "when due";
        /// When it was filed.
        Filed = "filed": "立案时间", "when filed";
        /// When it was closed.
        Closed = "closed": "结案时间", "when closed";
        /// How grave it is.
        Severity = "severity": "严重程度", "severity";
    }
}

words! {
    /// Which end of a list comes first.
    pub enum SortOrder {
        /// The least or earliest first.
        Ascending = "asc": "升序", "ascending";
        /// The greatest or latest first.
        Descending = "desc": "降序", "descending";
    }
}

/// Which cases, and in which order.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// In this state.
    pub state: Option<CaseState>,
    /// Only those in which somebody still has something to do, or only the others.
    pub open: Option<bool>,
    /// Of this category, as filed, else as the reporter suggests.
    pub category: Option<String>,
    /// From this source.
    pub source: Option<Source>,
    /// Filed with this severity.
    pub severity: Option<Severity>,
    /// Reported by this member or device.
    pub reporter: Option<String>,
    /// With an order to this member, or something that this member did.
    pub person: Option<String>,
    /// With an order to this team.
    pub team: Option<String>,
    /// Open ones that lie on this desk.
    pub desk: Option<DeskCases>,
    /// In which this waits for somebody.
    pub waits: Option<CaseWait>,
    /// With a supervision that waits for its reply.
    pub supervised: bool,
    /// With this lamp, of those whose clock runs.
    pub lamp: Option<Lamp>,
    /// At which moment lamps are looked at, in milliseconds since 1970.
    pub now_ms: i64,
    /// Reported from here on, in milliseconds since 1970.
    pub from_ms: Option<i64>,
    /// Reported before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
    /// With this text in place, description or a note of the timeline.
    pub text: Option<String>,
    /// Sorted by this; by when they were reported where nothing is said.
    pub sort: Option<CaseSort>,
    /// In this order; that of the sort where nothing is said: what is due first, else the latest or gravest first.
    pub order: Option<SortOrder>,
}

/// The cases of one desk: those that it takes, and no desk before it.
#[derive(Debug, Clone)]
pub struct DeskCases {
    own: DeskRow,
    before: Vec<DeskRow>,
}

impl DeskCases {
    /// Those of the desk with this code; `None` where the town has no such desk.
    pub fn of(tables: &Tables, code: &str) -> Option<Self> {
        let mut before = tables.desks();
        let is_meant = |desk: &DeskRow| desk.code.as_deref().is_some_and(|own| key::is_same(own, code));
        let place = before.iter().position(is_meant)?;
        let own = before.drain(place..).next()?;
        Some(Self { own, before })
    }

    fn within(&self, query: &mut Query) {
        takes(query, "", &self.own);
        self.before.iter().for_each(|desk| takes(query, "NOT ", desk));
    }
}

/// The condition that a desk takes a case, as [`DeskRow::takes`] has it; a word that is not there is none of those named.
fn takes(query: &mut Query, negation: &str, desk: &DeskRow) {
    let named = |column: &str, words: Vec<String>| {
        let places = vec!["?"; words.len()].join(", ");
        (!words.is_empty()).then(|| (format!("COALESCE({column}, '') IN ({places})"), words))
    };
    let sources = desk.sources.iter().flat_map(|List(all)| all).map(ToString::to_string).collect();
    let severities = desk.severities.iter().flat_map(|List(all)| all).map(ToString::to_string).collect();
    let parts = [named("c.source", sources), named("c.severity", severities)];
    let (conditions, words): (Vec<String>, Vec<Vec<String>>) = parts.into_iter().flatten().unzip();
    let all = if conditions.is_empty() { "1".to_owned() } else { conditions.join(" AND ") };
    query.and(&format!("{negation}({all})"), words.concat());
}

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Sorting(CaseSort, SortOrder);

/// Where a page begins: after this row, which has this key or none.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct CaseCursor(Sorting, Option<i64>, i64);

/// A stretch of a sorted list.
#[derive(Debug, Clone, Copy)]
enum Stretch {
    /// Those with this key, after this row.
    Level(i64, i64),
    /// Those beyond this key, or all that have one.
    Beyond(Option<i64>),
    /// Those without a key, after this row.
    Without(Option<i64>),
}

impl CaseSort {
    fn column(self) -> &'static str {
        match self {
            Self::Reported => "c.reported_ms",
            Self::Due => "c.due_ms",
            Self::Filed => "c.filed_ms",
            Self::Closed => "c.closed_ms",
            Self::Severity => "c.gravity",
        }
    }

    /// The index along which cases are read; that of open ones is twenty times smaller.
    fn index(self, open: bool) -> &'static str {
        match (self, open) {
            (Self::Reported, false) => "case_file_reported",
            (Self::Reported, true) => "case_file_open_reported",
            (Self::Due, false) => "case_file_due",
            (Self::Due, true) => "case_file_open_due",
            (Self::Filed, false) => "case_file_filed",
            (Self::Filed, true) => "case_file_open_filed",
            (Self::Closed, false) => "case_file_closed",
            (Self::Closed, true) => "case_file_open_closed",
            (Self::Severity, false) => "case_file_gravity",
            (Self::Severity, true) => "case_file_open_gravity",
        }
    }

    fn usual_order(self) -> SortOrder {
        match self {
            Self::Due => SortOrder::Ascending,
            Self::Reported | Self::Filed | Self::Closed | Self::Severity => SortOrder::Descending,
        }
    }
}

impl Sorting {
    fn name(self) -> String {
        format!("{} {}", self.0.name(), self.1.name())
    }
}

impl CaseCursor {
    /// The cursor of a page of a list that is sorted so.
    fn read(cursor: &str, sorting: Sorting) -> Result<Self, QueryError> {
        let cursor: Self = read_cursor(cursor)?;
        if cursor.0 == sorting {
            return Ok(cursor);
        }
        Err(QueryError::CursorOfSort { given: cursor.0.name(), asked: sorting.name() })
    }

    /// What lies after it; all of the list where there is none.
    fn stretches(cursor: Option<Self>) -> Vec<Stretch> {
        match cursor {
            None => vec![Stretch::Beyond(None), Stretch::Without(None)],
            Some(Self(_, Some(key), row)) => {
                vec![Stretch::Level(key, row), Stretch::Beyond(Some(key)), Stretch::Without(None)]
            }
            Some(Self(_, None, row)) => vec![Stretch::Without(Some(row))],
        }
    }
}

impl Stretch {
    /// Adds its condition; what the rows of it are ordered by.
    fn within(self, query: &mut Query, Sorting(sort, order): Sorting) -> String {
        let column = sort.column();
        let (beyond, direction) = match order {
            SortOrder::Ascending => (">", "ASC"),
            SortOrder::Descending => ("<", "DESC"),
        };
        match self {
            Self::Level(key, row) => query.and(&format!("{column} = ? AND c.row {beyond} ?"), [key, row]),
            Self::Beyond(Some(key)) => query.and(&format!("{column} {beyond} ?"), [key]),
            Self::Beyond(None) => query.and::<Value>(&format!("{column} IS NOT NULL"), []),
            Self::Without(Some(row)) => query.and(&format!("{column} IS NULL AND c.row {beyond} ?"), [row]),
            Self::Without(None) => query.and::<Value>(&format!("{column} IS NULL"), []),
        }
        match self {
            Self::Level(..) | Self::Without(_) => format!("ORDER BY c.row {direction}"),
            Self::Beyond(_) => format!("ORDER BY {column} {direction}, c.row {direction}"),
        }
    }
}

/// How the cases of a list are come by.
pub(super) enum Way {
    /// Along the index of the sort, until the page is full.
    Along,
    /// All of a time, sorted within one index.
    InTurn,
    /// These few rows of an index, sorted.
    Few(&'static str, Query),
}

impl CaseFilter {
    fn sorting(&self) -> Sorting {
        let sort = self.sort.unwrap_or(CaseSort::Reported);
        Sorting(sort, self.order.unwrap_or_else(|| sort.usual_order()))
    }

    /// Whether it leaves none but open cases: a clock runs only with those, and only those lie on a desk.
    fn is_of_open(&self) -> bool {
        self.open == Some(true)
            || self.desk.is_some()
            || self.state.is_some_and(CaseState::is_open)
            || self.lamp.is_some()
    }

    /// All conditions.
    fn query(&self) -> Query {
        let mut query = Query::default();
        // Literals, so that SQLite sees that the index of open cases holds them all.
        if self.is_of_open() {
            query.and::<Value>("c.open = 1", []);
        }
        if self.open == Some(false) {
            query.and::<Value>("c.open = 0", []);
        }
        query.region("c.region", self.region);
        query.equals("c.state", self.state);
        query.equals("c.category", self.category.as_deref());
        query.equals("c.source", self.source);
        query.equal_number("c.gravity", self.severity.map(|severity| i64::from(severity.code())));
        query.equals("c.reported_by", self.reporter.as_deref());
        if let Some(team) = &self.team {
            query.and("EXISTS (SELECT 1 FROM dispatch_order o WHERE o.row = c.row AND +o.team = ?)", [team.clone()]);
        }
        if let Some(person) = &self.person {
            query.and(
                "EXISTS (SELECT 1 FROM dispatch_order o WHERE o.row = c.row AND +o.person = ?) \
                 OR EXISTS (SELECT 1 FROM case_event e WHERE e.row = c.row AND +e.person = ?)",
                [person.clone(), person.clone()],
            );
        }
        if let Some(desk) = &self.desk {
            desk.within(&mut query);
        }
        if let Some(wait) = self.waits {
            query.and::<Value>("c.waits IS NOT NULL", []);
            query.and("instr(c.waits, ?) > 0", [format!(",{},", wait.name())]);
        }
        if self.supervised {
            query.and::<Value>("c.supervised = 1", []);
        }
        if let Some(lamp) = self.lamp {
            query.lamp(lamp, self.now_ms);
        }
        query.between("c.reported_ms", self.from_ms, self.until_ms);
        if let Some(bounds) = self.bounds {
            query.beside("c", bounds);
        }
        if let Some(text) = self.text.as_deref().and_then(SearchText::of) {
            query.like(
                "c.place LIKE ? ESCAPE '\\' OR c.description LIKE ? ESCAPE '\\' OR EXISTS \
                 (SELECT 1 FROM case_event e WHERE e.row = c.row AND e.note LIKE ? ESCAPE '\\')",
                &text,
            );
        }
        query
    }

    /// The cases that are come by in a way: what stands after `FROM`, and the conditions.
    fn path(&self, way: Way) -> (String, Query) {
        let mut query = self.query();
        let index = match way {
            Way::Along => format!("INDEXED BY {}", self.sorting().0.index(self.is_of_open())),
            Way::InTurn => "INDEXED BY case_file_in_turn".to_owned(),
            Way::Few(select, few) => {
                query.found_by("c.row", select, few);
                "NOT INDEXED".to_owned()
            }
        };
        (format!("case_file c {index}"), query)
    }

    /// The way that serves where no filter leaves few cases.
    pub(super) fn usual_way(&self) -> Way {
        let is_of_time = self.from_ms.is_some() || self.until_ms.is_some();
        if is_of_time && self.sorting().0 != CaseSort::Reported { Way::InTurn } else { Way::Along }
    }

    /// By what it may leave few cases: rows of an index.
    pub(super) fn narrowed(&self) -> Vec<(&'static str, Query)> {
        let mut all = Vec::new();
        let mut by = |select, fill: &dyn Fn(&mut Query)| {
            let mut query = Query::default();
            fill(&mut query);
            all.push((select, query));
        };
        let mut equal = |column: &'static str, select, word: Option<String>| {
            if word.is_some() {
                by(select, &|query| query.equals(column, word.as_deref()));
            }
        };
        equal("category", "row FROM case_file INDEXED BY case_file_category", self.category.clone());
        equal("source", "row FROM case_file INDEXED BY case_file_source", self.source.map(|word| word.to_string()));
        equal("state", "row FROM case_file INDEXED BY case_file_state", self.state.map(|word| word.to_string()));
        equal("reported_by", "row FROM case_file INDEXED BY case_file_reporter", self.reporter.clone());
        equal("team", "row FROM dispatch_order", self.team.clone());
        if let Some(severity) = self.severity {
            by("row FROM case_file INDEXED BY case_file_gravity", &|query| {
                query.equal_number("gravity", Some(i64::from(severity.code())));
            });
        }
        if self.region.is_some_and(|region| region.level() == RegionLevel::Village) {
            by("row FROM case_file INDEXED BY case_file_region", &|query| {
                query.region("region", self.region);
                query.equals("category", self.category.as_deref());
                query.equals("state", self.state);
                query.equals("source", self.source);
                query.equal_number("gravity", self.severity.map(|severity| i64::from(severity.code())));
            });
        }
        if let Some(person) = &self.person {
            let theirs =
                "row FROM (SELECT row, person FROM dispatch_order UNION ALL SELECT row, person FROM case_event)";
            by(theirs, &|query| query.equals("person", Some(person)));
        }
        if let Some(wait) = self.waits {
            by("row FROM case_file INDEXED BY case_file_waits", &|query| {
                query.and::<Value>("waits IS NOT NULL", []);
                query.and("instr(waits, ?) > 0", [format!(",{},", wait.name())]);
            });
        }
        if self.supervised {
            by("row FROM case_file INDEXED BY case_file_supervised", &|query| query.and::<Value>("supervised = 1", []));
        }
        if let Some(bounds) = self.bounds {
            let (meets, values) = bounds.meets(DocumentKind::Case);
            by("row FROM position", &|query| query.and(&meets, values));
        }
        if let Some(trigrams) = self.text.as_deref().and_then(SearchText::of).and_then(|text| text.trigrams()) {
            by("rowid FROM search", &|query| query.and("search MATCH ?", [trigrams.clone()]));
        }
        all
    }
}

impl Query {
    /// Cases with this lamp at this moment, of those whose clock runs.
    fn lamp(&mut self, lamp: Lamp, now_ms: i64) {
        self.and::<Value>("COALESCE(c.handled_ms, c.closed_ms) IS NULL", []);
        match lamp {
            Lamp::Green => self.and("c.yellow_ms > ?", [now_ms]),
            Lamp::Yellow => self.and("c.yellow_ms <= ? AND c.due_ms >= ?", [now_ms, now_ms]),
            Lamp::Red => self.and("c.due_ms < ?", [now_ms]),
            Lamp::Unknown(_) => self.and::<Value>("0", []),
        }
    }
}

impl Reader {
    /// A page of cases, sorted as the filter says.
    ///
    /// # Errors
    /// [`QueryError`]; [`QueryError::CursorOfSort`] where the page before was sorted otherwise.
    pub fn cases(&self, filter: &CaseFilter, page: &Page) -> Result<Listed<CaseRow>, QueryError> {
        self.at_once(|| self.cases_by(filter, page, self.way(filter)?))
    }

    /// By that which leaves the fewest cases, where these are few.
    fn way(&self, filter: &CaseFilter) -> Result<Way, QueryError> {
        let mut usual = filter.usual_way();
        if matches!(usual, Way::InTurn) {
            let mut time = Query::default();
            time.between("reported_ms", filter.from_ms, filter.until_ms);
            let of_time = "row FROM case_file INDEXED BY case_file_reported";
            if time.count(&self.connection, of_time, MANY + 1)? > MANY {
                usual = Way::Along;
            }
        }
        let mut fewest = (FEW + 1, usual);
        for (select, query) in filter.narrowed() {
            let count = query.clone().count(&self.connection, select, FEW + 1)?;
            if count < fewest.0 {
                fewest = (count, Way::Few(select, query));
            }
        }
        Ok(fewest.1)
    }

    /// A page, found in this way.
    pub(super) fn cases_by(&self, filter: &CaseFilter, page: &Page, way: Way) -> Result<Listed<CaseRow>, QueryError> {
        let sorting = filter.sorting();
        let cursor = page.after.as_deref().map(|after| CaseCursor::read(after, sorting)).transpose()?;
        let limit = page.limit() as usize;
        let (from, query) = filter.path(way);
        let select = format!("{} AS key, c.row AS place FROM {from}", sorting.0.column());
        let mut found: Vec<CaseCursor> = Vec::new();
        for stretch in CaseCursor::stretches(cursor) {
            // One more than are told says whether there are more.
            let wanted = (limit + 1).saturating_sub(found.len());
            if wanted > 0 {
                let mut query = query.clone();
                let order = stretch.within(&mut query, sorting);
                let read = |row: &Row<'_>| Ok(CaseCursor(sorting, row.get("key")?, row.get("place")?));
                found.extend(query.all(&self.connection, &select, &format!("{order} LIMIT {wanted}"), read)?);
            }
        }
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| has_more).map(write_cursor);
        Ok(Listed { rows: self.shown_cases(&found, filter.now_ms)?, next })
    }

    /// What is shown of these cases.
    fn shown_cases(&self, found: &[CaseCursor], now_ms: i64) -> Result<Vec<CaseRow>, QueryError> {
        let mut one = self.connection.prepare_cached(&format!("SELECT {CASE} FROM {CASES} WHERE c.row = ?"))?;
        let rows = found.iter().map(|CaseCursor(_, _, row)| one.query_row([row], |row| case_row(row, now_ms)));
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
