//! How far a campaign is: whom it has still to visit, what it found and what became of that, and whether its problem comes
//! back less than before.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::books::{BookKind, Campaign, Finding};
use townmesh_crdt::domain::columns::List;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::domain::town::Grid;
use townmesh_crdt::policy::DocumentKind;

use super::super::analysis::{DAY_MS, begin_of_day, cut};
use super::super::assessment::Percent;
use super::super::books::BookFilter;
use super::super::query::{BoundingBox, Query, position};
use super::super::reader::{QueryError, Reader};

/// Places of a worklist that are told at once.
const MOST: usize = 500;

/// Which part of a worklist.
#[derive(Debug, Clone, Copy, Default)]
pub struct WorklistFilter {
    /// Only those that were, or were not visited yet.
    pub visited: Option<bool>,
}

/// A household or enterprise that a campaign goes to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct WorkPlace {
    /// Its document.
    pub document: String,
    /// `household` or `enterprise`.
    pub kind: &'static str,
    /// Village or community.
    pub region: String,
    /// Door number, or what the enterprise is called.
    pub name: String,
    /// Which household behind that door.
    pub number: Option<u16>,
    /// Where it is.
    pub position: Option<Position>,
    /// When it was inspected last within the campaign, in milliseconds since 1970.
    pub visited_ms: Option<i64>,
}

impl WorkPlace {
    /// What was not visited first, then by place.
    fn order(&self) -> (bool, &str, &str, Option<u16>, &str) {
        (self.visited_ms.is_some(), &self.region, &self.name, self.number, &self.document)
    }
}

/// How many findings ended in one "must", and of how many that was done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct MustCount {
    /// Which.
    pub must: String,
    /// In Chinese and English.
    pub words: [String; 2],
    /// Findings.
    pub found: u64,
    /// Done, with evidence.
    pub done: u64,
    /// Not done, and past their day.
    pub overdue: u64,
}

/// Cases of a category in periods of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Comparison {
    /// Days that each period has.
    pub days: i64,
    /// Reported before the campaign.
    pub before: u64,
    /// Reported during the campaign.
    pub during: u64,
    /// Reported after it; `None` while that time is not over.
    pub after: Option<u64>,
}

/// How far a campaign is.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct CampaignProgress {
    /// The campaign as the book has it.
    pub campaign: Campaign,
    /// Whether its period is over.
    pub is_over: bool,
    /// Households and enterprises that it goes to.
    pub places: u64,
    /// Of them, those that were inspected in its period, by its checklist where it names one.
    pub visited: u64,
    /// Of the places visited, in percent with two digits; `None` of none.
    pub visited_percent: Option<Percent>,
    /// Hazards that were found there in its period.
    pub hazards: u64,
    /// Of them, those that are closed.
    pub hazards_closed: u64,
    /// What it found, by what must follow.
    pub findings: Vec<MustCount>,
    /// Cases of its category; `None` where it names none.
    pub cases: Option<Comparison>,
    /// Places, those not visited first.
    pub worklist: Vec<WorkPlace>,
    /// There are more than are told.
    pub truncated: bool,
    /// Nobody drew the grid that it is about, or several villages have one of this code: then it goes nowhere.
    pub grid_unclear: bool,
}

/// A campaign with what follows from it for every query.
struct Scope<'a> {
    campaign: &'a Campaign,
    from_ms: i64,
    until_ms: i64,
    ground: Ground,
}

/// Where it goes.
enum Ground {
    /// Everywhere in its region.
    Region,
    /// On the ground of its grid.
    Grid(Polygon),
    /// Nowhere: of a grid that nobody drew, or of which there are several, nothing can be said.
    Unknown,
}

impl Reader {
    /// How far a campaign is; `None` if there is none of this code.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn campaign(
        &self,
        code: &str,
        filter: WorklistFilter,
        now_ms: i64,
        tables: &Tables,
    ) -> Result<Option<CampaignProgress>, QueryError> {
        self.at_once(|| {
            let Some(campaign) = self.by_code::<Campaign>(BookKind::Campaign, code)? else { return Ok(None) };
            let (Some(from), Some(to)) = (campaign.from, campaign.to) else { return Ok(None) };
            let (from_ms, until_ms) = (begin_of_day(from), begin_of_day(to).saturating_add(DAY_MS));
            let ground = self.ground_of(&campaign)?;
            let scope = Scope { campaign: &campaign, from_ms, until_ms, ground };
            let mut places = self.households_of(&scope)?;
            places.extend(self.enterprises_of(&scope)?);
            let visited = places.iter().filter(|place| place.visited_ms.is_some()).count() as u64;
            let [hazards, hazards_closed] = self.hazards_of(&scope, &places)?;
            let (findings, cases) = (self.findings_of(&scope, now_ms)?, self.cases_of(&scope, now_ms, tables)?);
            let count = places.len() as u64;
            places.retain(|place| filter.visited.is_none_or(|visited| visited == place.visited_ms.is_some()));
            places.sort_by(|one, other| one.order().cmp(&other.order()));
            let truncated = cut(&mut places, MOST);
            Ok(Some(CampaignProgress {
                is_over: until_ms <= now_ms,
                places: count,
                visited,
                visited_percent: Percent::of(visited, count),
                grid_unclear: matches!(scope.ground, Ground::Unknown),
                hazards,
                hazards_closed,
                findings,
                cases,
                worklist: places,
                truncated,
                campaign,
            }))
        })
    }

    /// The outline of the grid that a campaign is about.
    fn ground_of(&self, campaign: &Campaign) -> Result<Ground, QueryError> {
        let Some(grid) = &campaign.grid else { return Ok(Ground::Region) };
        let mut query = Query::default();
        query.equals("code", Some(grid));
        query.region("region", campaign.region);
        let details = query.all(&self.connection, "detail FROM grid", "LIMIT 2", |row| row.get::<_, String>(0))?;
        // Two villages may call a grid the same: then nobody knows which is meant.
        let [detail] = &details[..] else { return Ok(Ground::Unknown) };
        let grid = serde_json::from_str::<Grid>(detail).ok();
        Ok(grid.and_then(|grid| grid.polygon).map_or(Ground::Unknown, Ground::Grid))
    }

    fn households_of(&self, scope: &Scope<'_>) -> Result<Vec<WorkPlace>, QueryError> {
        let campaign = scope.campaign;
        // One that names only kinds of enterprise goes to no household.
        if campaign.uses.is_none() && campaign.enterprises.is_some() {
            return Ok(vec![]);
        }
        let mut query = Query::default();
        query.region("h.region", campaign.region);
        if let Some(List(uses)) = &campaign.uses {
            query.one_of("h.usage", uses.iter().map(ToString::to_string).collect());
        }
        query.within("h.row", DocumentKind::Household, scope.bounds());
        let select = format!(
            "d.document, h.region, h.address AS name, h.number, h.latitude, h.longitude, {} AS visited_ms \
             FROM household h JOIN document d ON d.row = h.row",
            scope.visited()
        );
        self.places_of(scope, query, &select, "household")
    }

    fn enterprises_of(&self, scope: &Scope<'_>) -> Result<Vec<WorkPlace>, QueryError> {
        let Some(List(kinds)) = &scope.campaign.enterprises else { return Ok(vec![]) };
        let mut query = Query::default();
        query.equals("b.book", Some(BookKind::Enterprise));
        query.and::<Value>("b.retired = 0", []);
        query.region("b.region", scope.campaign.region);
        query.one_of("json_extract(b.detail, '$.kind')", kinds.iter().map(ToString::to_string).collect());
        query.within("b.row", DocumentKind::Enterprise, scope.bounds());
        let select = format!(
            "d.document, b.region, json_extract(b.detail, '$.name') AS name, NULL AS number, b.latitude, b.longitude, \
             {} AS visited_ms FROM book_entry b JOIN document d ON d.row = b.row",
            scope.visited()
        );
        self.places_of(scope, query, &select, "enterprise")
    }

    fn places_of(
        &self,
        scope: &Scope<'_>,
        query: Query,
        select: &str,
        kind: &'static str,
    ) -> Result<Vec<WorkPlace>, QueryError> {
        let places = query.all(&self.connection, select, "", |row| {
            Ok(WorkPlace {
                document: row.get("document")?,
                kind,
                region: row.get::<_, Option<String>>("region")?.unwrap_or_default(),
                name: row.get::<_, Option<String>>("name")?.unwrap_or_default(),
                number: row.get("number")?,
                position: position(row)?,
                visited_ms: row.get("visited_ms")?,
            })
        })?;
        let is_there = |place: &WorkPlace| match &scope.ground {
            Ground::Region => true,
            Ground::Unknown => false,
            Ground::Grid(ground) => place.position.is_some_and(|at| ground.contains(at)),
        };
        Ok(places.into_iter().filter(is_there).collect())
    }

    /// Hazards found at these places in the period, and those of them that are closed.
    fn hazards_of(&self, scope: &Scope<'_>, places: &[WorkPlace]) -> Result<[u64; 2], QueryError> {
        let mut query = Query::default();
        query.region("region", scope.campaign.region);
        query.between("found_ms", Some(scope.from_ms), Some(scope.until_ms));
        let rows = query.all(&self.connection, "household, state FROM hazard", "", |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?))
        })?;
        let known: std::collections::BTreeSet<&str> = places.iter().map(|place| place.document.as_str()).collect();
        let there = rows.iter().filter(|(household, _)| household.as_deref().is_some_and(|at| known.contains(at)));
        let closed = there.clone().filter(|(_, state)| state == "closed").count() as u64;
        Ok([there.count() as u64, closed])
    }

    fn findings_of(&self, scope: &Scope<'_>, now_ms: i64) -> Result<Vec<MustCount>, QueryError> {
        let code = scope.campaign.code.clone().unwrap_or_default();
        let filter = BookFilter { refers: Some(code), ..BookFilter::of(BookKind::Finding) };
        let mut counts: BTreeMap<String, MustCount> = BTreeMap::new();
        for finding in self.typed::<Finding>(&filter)? {
            let Some(must) = finding.must else { continue };
            let count = counts.entry(must.to_string()).or_default();
            count.must = must.to_string();
            count.words = [must.chinese().to_owned(), must.english().to_owned()];
            count.found += 1;
            count.done += u64::from(finding.done.is_some());
            let is_late = finding.due.is_some_and(|due| begin_of_day(due).saturating_add(DAY_MS) <= now_ms);
            count.overdue += u64::from(finding.done.is_none() && is_late);
        }
        Ok(counts.into_values().collect())
    }

    fn cases_of(&self, scope: &Scope<'_>, now_ms: i64, tables: &Tables) -> Result<Option<Comparison>, QueryError> {
        let (Some(category), Some(region)) = (&scope.campaign.category, scope.campaign.region) else { return Ok(None) };
        let categories = tables.within(category);
        let length = scope.until_ms - scope.from_ms;
        let count = |from| self.count_cases(region, &categories, from, from + length);
        let is_known = scope.until_ms + length <= now_ms;
        Ok(Some(Comparison {
            days: length / DAY_MS,
            before: count(scope.from_ms - length)?,
            during: count(scope.from_ms)?,
            after: is_known.then(|| count(scope.until_ms)).transpose()?,
        }))
    }
}

impl Scope<'_> {
    /// When the document `d` was inspected last in the period.
    fn visited(&self) -> String {
        let checklist =
            self.campaign.checklist.map_or_else(String::new, |number| format!(" AND i.checklist = {number}"));
        format!(
            "(SELECT max(i.time_ms) FROM inspection i WHERE i.household = d.document AND i.void = 0 \
             AND i.time_ms >= {} AND i.time_ms < {}{checklist})",
            self.from_ms, self.until_ms
        )
    }

    /// The box around the grid.
    fn bounds(&self) -> Option<BoundingBox> {
        let Ground::Grid(ground) = &self.ground else { return None };
        BoundingBox::around(ground.corners())
    }
}
