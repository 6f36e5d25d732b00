//! How long things take: from a report until a person has the order, and from there until somebody is on the scene.

use std::collections::BTreeMap;

use serde::Serialize;
use townmesh_crdt::domain::case::Action;
use townmesh_crdt::domain::region::RegionCode;

use super::super::assessment::Percent;
use super::super::query::Query;
use super::super::reader::{QueryError, Reader};
use super::hours::DAY_MS;
use super::words;

const MINUTE_MS: i64 = 60_000;
/// Within so long of the order a micro fire engine is there: the rule of three minutes.
const THREE_MINUTES: i64 = 3 * MINUTE_MS;

words! {
    /// By what times are put together.
    pub enum IntervalGrouping {
        /// The team of the order.
        Team = "team": "队伍", "team";
        /// Village or community.
        Region = "region": "村居", "region";
        /// Category of the case.
        Category = "category": "类别", "category";
    }
}

/// Of when and where.
#[derive(Debug, Clone, Copy)]
pub struct IntervalFilter {
    /// Orders from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Orders before, in milliseconds since 1970.
    pub until_ms: i64,
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

/// Times of a team, region or category.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct IntervalGroup {
    /// Of which.
    pub group: String,
    /// Orders of the period.
    pub orders: u64,
    /// From the report of the case to the order.
    pub report_to_order: Spread,
    /// From the order until the team acknowledged it.
    pub order_to_person: Spread,
    /// From the acknowledgement until somebody reported in on the scene.
    pub person_to_scene: Spread,
    /// From the order until somebody was on the scene.
    pub order_to_scene: Spread,
    /// Of these, how many were there within three minutes, in percent with two digits.
    pub within_3_minutes_percent: Option<Percent>,
}

#[derive(Default)]
struct Times {
    orders: u64,
    spans: [Vec<i64>; 4],
}

/// One order, and when what became of it.
struct Taken {
    group: String,
    reported: i64,
    sent: i64,
    acknowledged: Option<i64>,
    on_scene: Option<i64>,
}

/// Names an order: the event that sent it, and its place there.
type OrderKey = (String, u8);

impl Reader {
    /// How long orders take, the group with most orders first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn intervals(&self, filter: &IntervalFilter) -> Result<Vec<IntervalGroup>, QueryError> {
        self.at_once(|| {
            let mut groups: BTreeMap<String, Times> = BTreeMap::new();
            for order in self.taken(filter)? {
                groups.entry(order.group.clone()).or_default().add(&order);
            }
            let mut all: Vec<IntervalGroup> = groups.into_iter().map(|(group, times)| times.told(group)).collect();
            all.sort_by(|one, other| other.orders.cmp(&one.orders).then(one.group.cmp(&other.group)));
            Ok(all)
        })
    }

    fn taken(&self, filter: &IntervalFilter) -> Result<Vec<Taken>, QueryError> {
        let answers = self.answers(filter)?;
        let mut query = Query::default();
        query.region("c.region", filter.region);
        query.between("o.sent_ms", Some(filter.from_ms), Some(filter.until_ms));
        let group = match filter.by {
            IntervalGrouping::Team => "o.team",
            IntervalGrouping::Region => "c.region",
            IntervalGrouping::Category => "coalesce(c.category, '')",
        };
        let select = format!(
            "{group}, c.reported_ms, o.sent_ms, o.event, o.part FROM dispatch_order o JOIN case_file c ON c.row = o.row"
        );
        query.all(&self.connection, &select, "", |row| {
            let order: OrderKey = (row.get(3)?, row.get(4)?);
            let [acknowledged, on_scene] = answers.get(&order).copied().unwrap_or_default();
            Ok(Taken { group: row.get(0)?, reported: row.get(1)?, sent: row.get(2)?, acknowledged, on_scene })
        })
    }

    /// When each order was acknowledged first, and reported in on first.
    fn answers(&self, filter: &IntervalFilter) -> Result<BTreeMap<OrderKey, [Option<i64>; 2]>, QueryError> {
        let mut query = Query::default();
        query.region("c.region", filter.region);
        // An answer never lies before its order but by a clock that is wrong.
        query.between("e.time_ms", Some(filter.from_ms.saturating_sub(DAY_MS)), None);
        query.one_of("e.step", vec!["acknowledge".to_owned(), "report_in".to_owned()]);
        query.one_of("e.effect", vec!["\"applied\"".to_owned(), "\"applied_late\"".to_owned()]);
        let select = "e.time_ms, e.action FROM case_event e JOIN case_file c ON c.row = e.row";
        let events =
            query.all(&self.connection, select, "", |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
        let mut answers: BTreeMap<OrderKey, [Option<i64>; 2]> = BTreeMap::new();
        for (time, action) in events {
            let (order, which) = match serde_json::from_str::<Action>(&action) {
                Ok(Action::Acknowledge { order }) => (order, 0),
                Ok(Action::ReportIn { order }) => (order, 1),
                Ok(_) | Err(_) => continue,
            };
            let known = answers.entry((order.event.to_string(), order.index)).or_default();
            if let Some(first) = known.get_mut(which) {
                *first = Some(first.map_or(time, |first| first.min(time)));
            }
        }
        Ok(answers)
    }
}

impl Times {
    fn add(&mut self, order: &Taken) {
        self.orders += 1;
        // A clock that went back makes no time that is less than none.
        let between = |from: Option<i64>, until: Option<i64>| Some(until?.saturating_sub(from?).max(0));
        let (reported, sent) = (Some(order.reported), Some(order.sent));
        let person = order.acknowledged.or(order.on_scene);
        let spans = [
            between(reported, sent),
            between(sent, person),
            between(person, order.on_scene),
            between(sent, order.on_scene),
        ];
        for (all, span) in self.spans.iter_mut().zip(spans) {
            all.extend(span);
        }
    }

    fn told(self, group: String) -> IntervalGroup {
        let Self { orders, spans } = self;
        let soon = spans[3].iter().filter(|span| **span <= THREE_MINUTES).count() as u64;
        let there = spans[3].len() as u64;
        let [report_to_order, order_to_person, person_to_scene, order_to_scene] = spans.map(Spread::of);
        IntervalGroup {
            group,
            orders,
            report_to_order,
            order_to_person,
            person_to_scene,
            order_to_scene,
            within_3_minutes_percent: Percent::of(soon, there),
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
