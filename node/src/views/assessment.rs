//! Assessment (考核): what became of the cases of a period, by region, team, category or person, and the cases behind
//! each figure.
//!
//! Each figure is one condition on a case ([`Figure`]): cases are counted and listed by the same words of SQL, so a figure
//! always has the cases behind it that it says. A case belongs to the period in which it was filed, a report
//! to the one in which it was made. Rates as in `DOMAIN.md`: due are the cases whose handling ended and those past their
//! deadline whose handling did not; in time is a closed case whose handling ended before its deadline. A deadline has passed
//! where the data of the case's region is complete beyond it: what a village did that is cut off is not known here yet, and
//! nobody is blamed for an outage.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize, Serializer};
use townmesh_crdt::domain::region::RegionCode;

use super::cases::{CASE, CASES, CaseRow, case_row};
use super::query::{Listed, Order, Page, Query};
use super::reader::{QueryError, Reader};

/// Most groups of an answer.
const MAX_GROUPS: usize = 5_000;

macro_rules! figures {
    ($($(#[$doc:meta])* $name:ident = $field:ident: $zh:literal, $en:literal, $weight:literal, $condition:literal;)*) => {
        /// One figure of an assessment.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Figure { $($(#[$doc])* $name,)* }

        impl Figure {
            /// Every figure.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As JSON and queries name it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)* }
            }

            /// In Chinese and in English.
            pub fn words(self) -> [&'static str; 2] {
                match self { $(Self::$name => [$zh, $en],)* }
            }

            /// Which cases count: `?1` and `?2` are the period, `?3` is now, all in milliseconds since 1970; `?4` are
            /// [`Moments`] in JSON.
            pub(super) fn condition(self) -> &'static str {
                match self { $(Self::$name => $condition,)* }
            }
        }

        /// The figures.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
        pub struct Counts { $($(#[$doc])* pub $field: u64,)* }

        impl Counts {
            fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
                Ok(Self { $($field: row.get::<_, i64>(stringify!($field))?.cast_unsigned(),)* })
            }

            fn columns() -> String {
                let columns = [$(
                    format!("COALESCE(SUM({}) FILTER (WHERE {}), 0) AS {}", $weight, $condition, stringify!($field)),
                )*];
                columns.join(", ")
            }
        }
    };
}

figures! {
    /// Reported in the period, by whomever, and looked at by intake.
    Reports = reports: "上报", "reports", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.state <> 'reported'";
    /// Reports that became cases and were not declared void.
    ValidReports = valid_reports: "有效上报", "valid reports", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND \
        c.state NOT IN ('reported', 'refused', 'linked', 'invalid', 'void')";
    /// Filed (立案) in the period.
    Filed = filed: "立案", "filed", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2";
    /// Filed, and declared void since.
    Void = void: "作废", "void", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.state = 'void'";
    /// Filed, and reported by the public: what no patrol found first.
    Missed = missed: "公众上报（漏报）", "reported by the public", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.source = 'public'";
    /// Due (应结): the handling ended, or the deadline passed without.
    Due = due: "应结", "due", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.state <> 'void' AND \
        (COALESCE(c.handled_ms, c.closed_ms) IS NOT NULL OR c.due_ms <= COALESCE(?4 ->> c.region, ?3))";
    /// Past the deadline, and the handling did not end.
    Overdue = overdue: "超期未处理", "past the deadline, not handled", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.state <> 'void' AND \
        COALESCE(c.handled_ms, c.closed_ms) IS NULL AND c.due_ms <= COALESCE(?4 ->> c.region, ?3)";
    /// Closed (已结).
    Closed = closed: "已结", "closed", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.state = 'closed'";
    /// Closed, and the handling ended within the limit (按期结案).
    ClosedInTime = closed_in_time: "按期结案", "closed in time", "1", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.state = 'closed' AND \
        COALESCE(c.handled_ms, c.closed_ms) <= c.due_ms";
    /// Orders of dispatchers; the cases behind it are those that were dispatched.
    Dispatched = dispatched: "已派遣", "dispatched", "c.orders", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.orders > 0";
    /// Orders given back with approval; the cases behind it are those with one.
    Returned = returned: "退回", "given back", "c.returned", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.returned > 0";
    /// Verifications; the cases behind it are those that were verified.
    Verified = verified: "已核查", "verified", "c.verifications", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.verifications > 0";
    /// Failed verifications (返工); the cases behind it are those with one.
    Reworked = reworked: "返工", "failed verification", "c.rework", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.rework > 0";
}

/// Hundredths of a percent, rounded half up; JSON shows percent with two decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = f64)]
pub struct Percent(u64);

impl Percent {
    /// 0 to 10,000 of what is no more than the whole.
    pub fn hundredths(self) -> u64 {
        self.0
    }

    /// `None` of nothing.
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        let doubled = part.saturating_mul(20_000).checked_div(whole)?;
        Some(Self(doubled.div_ceil(2)))
    }
}

impl std::fmt::Display for Percent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

/// Shares in percent; `None` where there is nothing to take a share of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Rates {
    /// 结案率: closed of due.
    pub closing: Option<Percent>,
    /// 按期结案率: closed in time of due.
    pub on_time_closing: Option<Percent>,
    /// 立案准确率: filed and not void, of filed.
    pub correct_filing: Option<Percent>,
    /// 派遣准确率: orders of dispatchers that were not given back, of all; not of a team, which dispatches nobody.
    pub correct_dispatch: Option<Percent>,
    /// 有效上报率: valid reports of reports.
    pub valid_reports: Option<Percent>,
    /// 漏报率: reported by the public, of filed.
    pub missed_finding: Option<Percent>,
    /// 返工率: failed verifications of all.
    pub rework: Option<Percent>,
}

impl Counts {
    /// The rates of these figures.
    pub fn rates(&self) -> Rates {
        Rates {
            closing: Percent::of(self.closed, self.due),
            on_time_closing: Percent::of(self.closed_in_time, self.due),
            correct_filing: Percent::of(self.filed.saturating_sub(self.void), self.filed),
            correct_dispatch: Percent::of(self.dispatched.saturating_sub(self.returned), self.dispatched),
            valid_reports: Percent::of(self.valid_reports, self.reports),
            missed_finding: Percent::of(self.missed, self.filed),
            rework: Percent::of(self.reworked, self.verified),
        }
    }
}

macro_rules! groupings {
    ($($(#[$doc:meta])* $name:ident = $key:ident: $zh:literal, $en:literal, $column:literal;)*) => {
        /// By what cases are grouped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum GroupBy { $($(#[$doc])* $name,)* }

        impl GroupBy {
            /// Every grouping.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As JSON and queries name it.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($key),)* }
            }

            /// In Chinese and in English.
            pub fn words(self) -> [&'static str; 2] {
                match self { $(Self::$name => [$zh, $en],)* }
            }

            fn column(self) -> &'static str {
                match self { $(Self::$name => $column,)* }
            }
        }
    };
}

groupings! {
    /// Village or community.
    Region = region: "村居", "village or community", "c.region";
    /// Team with an order that stands; a case of several teams counts for each.
    Team = team: "队伍", "team", "o.team";
    /// Category as filed.
    Category = category: "类别", "category", "c.category";
    /// Where they come from.
    Source = source: "来源", "source", "c.source";
    /// Who reported them.
    Reporter = reporter: "上报人", "who reported", "c.reported_by";
}

/// One row for each case and team whose order stands.
const CASES_OF_TEAMS: &str = "case_file c JOIN dispatch_order o ON o.row = c.row AND o.place = \
    (SELECT MIN(p.place) FROM dispatch_order p WHERE p.row = c.row AND p.team = o.team \
     AND p.status NOT IN ('returned', 'called_off'))";

/// Up to when the data of each region is complete, by its code, in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Moments(pub BTreeMap<String, i64>);

impl Moments {
    /// Until when deadlines of a region have passed: now, where nothing else is known of it.
    pub fn of(&self, region: &str, now_ms: i64) -> i64 {
        self.0.get(region).copied().unwrap_or(now_ms)
    }

    pub(super) fn json(&self) -> Value {
        Value::from(serde_json::json!(self.0).to_string())
    }
}

/// Which cases are assessed.
#[derive(Debug, Clone, Default)]
pub struct AssessmentFilter {
    /// From here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// Deadlines until then have passed, in milliseconds since 1970.
    pub now_ms: i64,
    /// Of these regions, deadlines until then.
    pub known: Moments,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only of this group; an empty text is that of cases without one.
    pub group: Option<(GroupBy, String)>,
}

/// The figures of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct GroupAssessment {
    /// Code of the region, team, category or person; `None` for cases without one.
    pub group: Option<String>,
    /// Place by on-time closing, then closing, then how much was due; groups alike share one. `None` where nothing was due.
    pub rank: Option<u32>,
    /// The figures.
    #[serde(flatten)]
    pub counts: Counts,
    /// Shares.
    pub rates: Rates,
}

/// The figures of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Assessment {
    /// Of all cases.
    pub total: GroupAssessment,
    /// By group, where one is asked for; in the order of their codes.
    pub groups: Vec<GroupAssessment>,
    /// There are more groups than are told; none has a rank then.
    pub truncated: bool,
}

impl AssessmentFilter {
    fn query(&self) -> Query {
        let mut query = Query::default();
        // First, so that the numbered places are its own.
        let filed = "c.filed_ms >= ?1 AND c.filed_ms < ?2";
        let reported = "c.reported_ms >= ?1 AND c.reported_ms < ?2";
        query.and(
            &format!("(({filed}) OR ({reported})) AND ?3 IS NOT NULL AND ?4 IS NOT NULL"),
            [self.from_ms.into(), self.until_ms.into(), self.now_ms.into(), self.known.json()],
        );
        query.region("c.region", self.region);
        match &self.group {
            Some((GroupBy::Team, team)) => query.and(
                "EXISTS (SELECT 1 FROM dispatch_order o WHERE o.row = c.row AND o.team = ? \
                 AND o.status NOT IN ('returned', 'called_off'))",
                [team.clone()],
            ),
            // Cases without one.
            Some((by, group)) if group.is_empty() => {
                query.and(&format!("{} IS NULL", by.column()), std::iter::empty::<Value>());
            }
            Some((by, group)) => query.equals(by.column(), Some(group)),
            None => {}
        }
        query
    }
}

impl Reader {
    /// The figures of a period, in total and by group.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn assessment(&self, filter: &AssessmentFilter, by: Option<GroupBy>) -> Result<Assessment, QueryError> {
        let columns = Counts::columns();
        self.at_once(|| {
            let select = format!("NULL AS grouped, {columns} FROM case_file c");
            let total = filter.query().all(&self.connection, &select, "", group_row)?.into_iter().next();
            let mut groups = by.map_or(Ok(vec![]), |by| self.assessed_groups(filter, by, &columns))?;
            let truncated = groups.len() > MAX_GROUPS;
            groups.truncate(MAX_GROUPS);
            if !truncated {
                rank(&mut groups);
            }
            let nothing =
                || GroupAssessment { group: None, rank: None, counts: Counts::default(), rates: Rates::default() };
            Ok(Assessment { total: total.unwrap_or_else(nothing), groups, truncated })
        })
    }

    /// At most one group more than are told.
    fn assessed_groups(
        &self,
        filter: &AssessmentFilter,
        by: GroupBy,
        columns: &str,
    ) -> Result<Vec<GroupAssessment>, QueryError> {
        let mut query = filter.query();
        let cases = if by == GroupBy::Team { CASES_OF_TEAMS } else { "case_file c" };
        if let (GroupBy::Team, Some((GroupBy::Team, team))) = (by, &filter.group) {
            query.equals("o.team", Some(team));
        }
        let select = format!("{} AS grouped, {columns} FROM {cases}", by.column());
        let after = format!("GROUP BY grouped ORDER BY grouped LIMIT {}", MAX_GROUPS + 1);
        let mut groups = query.all(&self.connection, &select, &after, group_row)?;
        if by == GroupBy::Team {
            groups.iter_mut().for_each(|group| group.rates.correct_dispatch = None);
        }
        Ok(groups)
    }

    /// The cases behind one figure, the latest report first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn assessed_cases(
        &self,
        filter: &AssessmentFilter,
        figure: Figure,
        page: &Page,
    ) -> Result<Listed<CaseRow>, QueryError> {
        let mut query = filter.query();
        query.and(figure.condition(), std::iter::empty::<Value>());
        let order = Order { columns: &["c.reported_ms", "c.row"], descending: true };
        query.list(&self.connection, (CASE, CASES), &order, page, |row| case_row(row, filter.now_ms))
    }
}

fn group_row(row: &Row<'_>) -> rusqlite::Result<GroupAssessment> {
    let counts = Counts::read(row)?;
    let rates = counts.rates();
    Ok(GroupAssessment { group: row.get("grouped")?, rank: None, counts, rates })
}

fn rank(groups: &mut [GroupAssessment]) {
    let merit = |group: &GroupAssessment| (group.rates.on_time_closing, group.rates.closing, group.counts.due);
    let mut merits: Vec<_> = groups.iter().filter(|group| group.counts.due > 0).map(merit).collect();
    merits.sort_unstable_by(|one, other| other.cmp(one));
    for group in groups.iter_mut().filter(|group| group.counts.due > 0) {
        let better = merits.iter().take_while(|known| **known > merit(group)).count();
        group.rank = u32::try_from(better + 1).ok();
    }
}
