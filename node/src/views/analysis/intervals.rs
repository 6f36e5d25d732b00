//! How long things take: from the finding to the report, from the report until a named person has it, and from there until
//! somebody is on the scene; and which teams are there within the limit of the town's table.
//!
//! An order is timed by its own events: when it was sent, acknowledged, given to a named person, and reported in on. Whoever reports
//! it done without having reported in was there by then, at the latest. A team has to be there in time by its kind ([`Tables`],
//! limits of arrival): an order on which nobody came counts as late once its limit has passed, as far as the data of the case's
//! region is complete; one that was taken back before that does not count.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;

use super::super::assessment::{Moments, Percent};
use super::super::cases::{CASE, CASES, CaseRow, case_row};
use super::super::query::{Listed, Order, Page, Query};
use super::super::reader::{QueryError, Reader};
use super::words;

words! {
    /// By what times are put together.
    pub enum IntervalGrouping {
        /// The team of the order.
        Team = "team": "队伍", "team";
        /// Village or community.
        Region = "region": "村居", "region";
        /// Category of the case.
        Category = "category": "类别", "category";
        /// The named person who has the order; of findings, whoever reported.
        Person = "person": "人员", "person";
    }
}

/// Of when and where.
#[derive(Debug, Clone)]
pub struct IntervalFilter {
    /// Orders and reports from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Orders and reports before, in milliseconds since 1970.
    pub until_ms: i64,
    /// Limits of arrival until then have passed, in milliseconds since 1970.
    pub now_ms: i64,
    /// Of these regions, limits until then.
    pub known: Moments,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// By what.
    pub by: IntervalGrouping,
}

/// Times of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Spread {
    /// How many there are.
    pub count: u64,
    /// The one in the middle, in seconds.
    pub median_s: Option<i64>,
    /// Nine of ten are no longer, in seconds.
    pub p90_s: Option<i64>,
}

/// Times of a team, region, category or person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct IntervalGroup {
    /// Of which; empty where there is none.
    pub group: String,
    /// Orders of the period.
    pub orders: u64,
    /// From when the finder saw it to the report, of the cases reported in the period that say it.
    pub found_to_report: Spread,
    /// From the report of the case to the order.
    pub report_to_order: Spread,
    /// From the report of the case until the order was given to a named person.
    pub report_to_person: Spread,
    /// From the order until the team acknowledged it.
    pub order_to_acknowledged: Spread,
    /// From when a named person had it until somebody reported in on the scene.
    pub person_to_scene: Spread,
    /// From the order until somebody reported in on the scene.
    pub order_to_scene: Spread,
    /// Orders to teams that have a limit of arrival, on which somebody came, or whose limit has passed.
    pub to_arrive: u64,
    /// Of these, on how many somebody was there within the limit.
    pub arrived_in_time: u64,
    /// The share, in percent with two digits.
    pub arrived_in_time_percent: Option<Percent>,
}

/// The kinds of times of an order, in the order of [`IntervalGroup`].
const KINDS: usize = 6;

#[derive(Default)]
struct Times {
    orders: u64,
    spans: [Vec<i64>; KINDS],
    to_arrive: u64,
    arrived_in_time: u64,
}

/// One order, and when what became of it; times in milliseconds since 1970.
struct Taken {
    group: String,
    reported: i64,
    sent: i64,
    acknowledged: Option<i64>,
    assigned: Option<i64>,
    on_scene: Option<i64>,
    arrival: Arrival,
}

/// Whether somebody was there within the limit of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// The team has no limit, or it has not passed yet, or the order was taken back.
    NotJudged,
    InTime,
    Late,
}

impl IntervalGrouping {
    fn of_orders(self) -> &'static str {
        match self {
            Self::Team => "o.team",
            Self::Region => "c.region",
            Self::Category => "COALESCE(c.category, '')",
            Self::Person => "COALESCE(o.person, '')",
        }
    }

    /// Of cases with their orders, one row each for a case and a group.
    fn of_findings(self) -> &'static str {
        match self {
            Self::Team => "o.team",
            Self::Region => "c.region",
            Self::Category => "COALESCE(c.category, '')",
            Self::Person => "COALESCE(c.reported_by, '')",
        }
    }
}

impl IntervalFilter {
    /// The orders of the period, each with the minutes in which its team has to be there.
    fn orders(&self, tables: &Tables) -> Query {
        let minutes: BTreeMap<String, u32> =
            tables.arrival_minutes().map(|(kind, minutes)| (kind.to_string(), minutes)).collect();
        let mut query = Query::default();
        // First, so that the numbered places are its own.
        let own: [Value; 3] = [self.now_ms.into(), self.known.json(), serde_json::json!(minutes).to_string().into()];
        query.and("?1 IS NOT NULL AND ?2 IS NOT NULL AND ?3 IS NOT NULL", own);
        query.between("o.sent_ms", Some(self.from_ms), Some(self.until_ms));
        query.region("c.region", self.region);
        query
    }
}

/// When somebody was there.
const ARRIVED_MS: &str = "MIN(COALESCE(o.on_scene_ms, o.done_ms), COALESCE(o.done_ms, o.on_scene_ms))";
/// When somebody has to be there. `?3` are minutes by kind of team in JSON, as [`IntervalFilter::orders`] gives them.
const ARRIVE_BY_MS: &str = "o.sent_ms + 60000 * (?3 ->> (SELECT t.kind FROM team t WHERE t.code = o.team \
    ORDER BY t.retired, t.row LIMIT 1))";
const ORDERS: &str = "dispatch_order o JOIN case_file c ON c.row = o.row";

/// Whether nobody was there in time; `?1` is now, `?2` are [`Moments`] in JSON.
fn late() -> String {
    format!(
        "COALESCE({ARRIVED_MS} > {ARRIVE_BY_MS}, {ARRIVE_BY_MS} <= COALESCE(?2 ->> c.region, ?1) \
         AND o.status NOT IN ('returned', 'called_off'), 0)"
    )
}

impl Reader {
    /// How long orders take, the group with most orders first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn intervals(&self, filter: &IntervalFilter, tables: &Tables) -> Result<Vec<IntervalGroup>, QueryError> {
        self.at_once(|| {
            let mut groups: BTreeMap<String, Times> = BTreeMap::new();
            for order in self.taken(filter, tables)? {
                groups.entry(order.group.clone()).or_default().add(&order);
            }
            for (group, found, reported) in self.found(filter)? {
                groups.entry(group).or_default().spans[0].extend(between(Some(found), Some(reported)));
            }
            let mut all: Vec<IntervalGroup> = groups.into_iter().map(|(group, times)| times.told(group)).collect();
            all.sort_by(|one, other| other.orders.cmp(&one.orders).then(one.group.cmp(&other.group)));
            Ok(all)
        })
    }

    /// The cases of a group's orders, the latest report first; only those with an order on which nobody came in time, where that
    /// is asked for.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn interval_cases(
        &self,
        filter: &IntervalFilter,
        tables: &Tables,
        (group, late_only): (&str, bool),
        page: &Page,
    ) -> Result<Listed<CaseRow>, QueryError> {
        let mut orders = filter.orders(tables);
        orders.equals(filter.by.of_orders(), Some(group));
        if late_only {
            orders.and::<Value>(&late(), []);
        }
        let mut query = Query::default();
        query.found_by("c.row", &format!("o.row FROM {ORDERS}"), orders);
        let order = Order { columns: &["c.reported_ms", "c.row"], descending: true };
        query.list(&self.connection, (CASE, CASES), &order, page, |row| case_row(row, filter.now_ms))
    }

    fn taken(&self, filter: &IntervalFilter, tables: &Tables) -> Result<Vec<Taken>, QueryError> {
        let select = format!(
            "{group} AS grouped, c.reported_ms, o.sent_ms, o.acknowledged_ms, o.assigned_ms, o.on_scene_ms, \
             {late} AS late, {ARRIVED_MS} <= {ARRIVE_BY_MS} AS in_time FROM {ORDERS}",
            group = filter.by.of_orders(),
            late = late(),
        );
        filter.orders(tables).all(&self.connection, &select, "", |row| {
            let arrival = match (row.get("late")?, row.get::<_, Option<bool>>("in_time")?) {
                (true, _) => Arrival::Late,
                (false, Some(true)) => Arrival::InTime,
                (false, Some(false) | None) => Arrival::NotJudged,
            };
            Ok(Taken {
                group: row.get("grouped")?,
                reported: row.get("reported_ms")?,
                sent: row.get("sent_ms")?,
                acknowledged: row.get("acknowledged_ms")?,
                assigned: row.get("assigned_ms")?,
                on_scene: row.get("on_scene_ms")?,
                arrival,
            })
        })
    }

    /// When each case was found and reported, by group: one of two teams counts for both.
    fn found(&self, filter: &IntervalFilter) -> Result<Vec<(String, i64, i64)>, QueryError> {
        let mut query = Query::default();
        query.between("c.reported_ms", Some(filter.from_ms), Some(filter.until_ms));
        query.region("c.region", filter.region);
        query.and::<Value>("c.found_ms IS NOT NULL", []);
        let cases = match filter.by {
            IntervalGrouping::Team => "case_file c JOIN dispatch_order o ON o.row = c.row",
            IntervalGrouping::Region | IntervalGrouping::Category | IntervalGrouping::Person => "case_file c",
        };
        let group = filter.by.of_findings();
        let select = format!("DISTINCT {group}, c.row, c.found_ms, c.reported_ms FROM {cases}");
        query.all(&self.connection, &select, "", |row: &Row<'_>| Ok((row.get(0)?, row.get(2)?, row.get(3)?)))
    }
}

/// A clock that went back makes no time that is less than none.
fn between(from: Option<i64>, until: Option<i64>) -> Option<i64> {
    Some(until?.saturating_sub(from?).max(0))
}

impl Times {
    fn add(&mut self, order: &Taken) {
        self.orders += 1;
        let (reported, sent) = (Some(order.reported), Some(order.sent));
        let spans = [
            None,
            between(reported, sent),
            between(reported, order.assigned),
            between(sent, order.acknowledged),
            between(order.assigned, order.on_scene),
            between(sent, order.on_scene),
        ];
        for (all, span) in self.spans.iter_mut().zip(spans) {
            all.extend(span);
        }
        self.to_arrive += u64::from(order.arrival != Arrival::NotJudged);
        self.arrived_in_time += u64::from(order.arrival == Arrival::InTime);
    }

    fn told(self, group: String) -> IntervalGroup {
        let Self { orders, spans, to_arrive, arrived_in_time } = self;
        let [
            found_to_report,
            report_to_order,
            report_to_person,
            order_to_acknowledged,
            person_to_scene,
            order_to_scene,
        ] = spans.map(Spread::of);
        IntervalGroup {
            group,
            orders,
            found_to_report,
            report_to_order,
            report_to_person,
            order_to_acknowledged,
            person_to_scene,
            order_to_scene,
            to_arrive,
            arrived_in_time,
            arrived_in_time_percent: Percent::of(arrived_in_time, to_arrive),
        }
    }
}

impl Spread {
    /// Of milliseconds.
    fn of(mut spans: Vec<i64>) -> Self {
        spans.sort_unstable();
        // The nearest rank: the least that so many are no longer than.
        let rank = |percent: usize| {
            spans.get((spans.len() * percent).div_ceil(100).saturating_sub(1)).map(|span| span / 1_000)
        };
        Self { count: spans.len() as u64, median_s: rank(50), p90_s: rank(90) }
    }
}
