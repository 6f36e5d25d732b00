//! Assessment (考核): what became of the cases of a period, by region, team, category or person, and the cases behind
//! each figure.
//!
//! Each figure is one condition on a case ([`Figure`]): cases are counted and listed by the same words of SQL, so a figure
//! always has the cases behind it that it says. A case belongs to the period in which it was filed, a report
//! to the one in which it was made. Rates as in `DOMAIN.md`: due are the cases whose handling ended and those past their
//! deadline whose handling did not; in time is a closed case whose handling ended before its deadline. What a desk was asked to do
//! counts by the case: intake, checks and filing with the report, dispatch and verification with the filing; what is
//! not done yet counts as soon as its limit has passed. Callers are counted by what they said when they were reached last. A deadline has passed
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
use super::scores::places_risen;

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
    /// To be filed (应立案): filings and other answers to an acceptance, and those whose limit passed without; the cases behind it are those with one.
    ToFile = to_file: "应立案", "to be filed", "c.filing_ended + IIF(c.awaits = 'filing' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3), 1, 0)", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND \
        (c.filing_ended > 0 OR c.awaits = 'filing' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3))";
    /// Filed or answered otherwise within the limit of the desk.
    FiledInTime = filed_in_time: "按时立案", "filed in time", "c.filing_in_time", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.filing_in_time > 0";
    /// To be dispatched (应派遣): dispatches, the repeated ones too, and those whose limit passed without.
    ToDispatch = to_dispatch: "应派遣", "to be dispatched", "c.dispatch_ended + IIF(c.awaits = 'dispatch' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3), 1, 0)", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND \
        (c.dispatch_ended > 0 OR c.awaits = 'dispatch' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3))";
    /// Dispatched within the limit of the desk.
    DispatchedInTime = dispatched_in_time: "按时派遣", "dispatched in time", "c.dispatch_in_time", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.dispatch_in_time > 0";
    /// To be verified (应核查): verifications, and those whose limit passed without.
    ToVerify = to_verify: "应核查", "to be verified", "c.verification_ended + IIF(c.awaits = 'verification' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3), 1, 0)", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND \
        (c.verification_ended > 0 OR c.awaits = 'verification' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3))";
    /// Verified within the limit.
    VerifiedInTime = verified_in_time: "按时核查", "verified in time", "c.verification_in_time", "c.filed_ms >= ?1 AND c.filed_ms < ?2 AND c.verification_in_time > 0";
    /// Checks to be answered (应核实): those that were, and those whose limit passed without.
    ToCheck = to_check: "应核实", "checks to be answered", "c.check_ended + IIF(c.check_open = 0, 0, \
        (SELECT count(*) FROM case_stage s WHERE s.row = c.row AND s.stage = 'check' AND s.ended_ms IS NULL \
        AND s.due_ms <= COALESCE(?4 ->> c.region, ?3)))", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND (c.check_ended > 0 OR \
        c.check_open > 0 AND EXISTS (SELECT 1 FROM case_stage s WHERE s.row = c.row AND s.stage = 'check' AND s.ended_ms IS NULL AND s.due_ms <= COALESCE(?4 ->> c.region, ?3)))";
    /// Checks answered within their limit.
    CheckedInTime = checked_in_time: "按时核实", "checks answered in time", "c.check_in_time", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.check_in_time > 0";
    /// Reports of the public that were to be answered (应响应): intake did, or the limit passed without.
    ToRespond = to_respond: "应响应诉求", "public reports to be answered", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.source = 'public' AND \
        (c.intake_ended > 0 OR c.awaits = 'intake' AND c.awaits_due_ms <= COALESCE(?4 ->> c.region, ?3))";
    /// Reports of the public that intake accepted, refused or merged within its limit.
    RespondedInTime = responded_in_time: "按时响应", "public reports answered in time", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.source = 'public' AND c.intake_in_time > 0";
    /// Reports of the public whose caller was reached when called back (回访).
    CalledBack = called_back: "已回访", "called back and reached", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.source = 'public' AND c.satisfaction IS NOT NULL";
    /// Of these, said to be solved when they were reached last.
    Solved = solved: "已解决", "said to be solved", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.source = 'public' AND c.solved = 1";
    /// Of these, satisfied or mostly satisfied when they were reached last.
    Satisfied = satisfied: "满意（含基本满意）", "satisfied or mostly so", "1", "c.reported_ms >= ?1 AND c.reported_ms < ?2 AND c.source = 'public' AND \
        c.satisfaction IN ('satisfied', 'mostly_satisfied')";
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
    /// 按时立案率: filed in time, of what was to be filed; like the next three not of a team, whose work it is not.
    pub on_time_filing: Option<Percent>,
    /// 按时派遣率: dispatched in time, of what was to be dispatched.
    pub on_time_dispatch: Option<Percent>,
    /// 按时核查率: verified in time, of what was to be verified.
    pub on_time_verification: Option<Percent>,
    /// 按时核实率: checks answered in time, of those asked.
    pub on_time_check: Option<Percent>,
    /// 响应率: reports of the public answered in time, of those to be answered; not of a team either.
    pub response: Option<Percent>,
    /// 解决率: said to be solved, of the callers who were reached.
    pub solution: Option<Percent>,
    /// 满意率: satisfied or mostly so, of the callers who were reached.
    pub satisfaction: Option<Percent>,
}

impl Rates {
    /// Without those of the desks: a team dispatches nobody.
    fn of_team(self) -> Self {
        Self {
            correct_dispatch: None,
            on_time_filing: None,
            on_time_dispatch: None,
            on_time_verification: None,
            on_time_check: None,
            response: None,
            ..self
        }
    }
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
            on_time_filing: Percent::of(self.filed_in_time, self.to_file),
            on_time_dispatch: Percent::of(self.dispatched_in_time, self.to_dispatch),
            on_time_verification: Percent::of(self.verified_in_time, self.to_verify),
            on_time_check: Percent::of(self.checked_in_time, self.to_check),
            response: Percent::of(self.responded_in_time, self.to_respond),
            solution: Percent::of(self.solved, self.called_back),
            satisfaction: Percent::of(self.satisfied, self.called_back),
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
    /// Who did an order that stands; a case that several worked on counts for each.
    Handler = handler: "处置人", "who handled", "o.done_by";
}

/// One row for each case and person who did an order that stands.
const CASES_OF_HANDLERS: &str = "case_file c JOIN dispatch_order o ON o.row = c.row AND o.place = \
    (SELECT MIN(p.place) FROM dispatch_order p WHERE p.row = c.row AND p.done_by = o.done_by \
     AND p.status NOT IN ('returned', 'called_off'))";
/// One row for each case and team whose order stands.
const CASES_OF_TEAMS: &str = "case_file c JOIN dispatch_order o ON o.row = c.row AND o.place = \
    (SELECT MIN(p.place) FROM dispatch_order p WHERE p.row = c.row AND p.team = o.team \
     AND p.status NOT IN ('returned', 'called_off'))";

impl GroupBy {
    /// Whether cases belong to a group by their orders, so that one may belong to several.
    fn is_of_orders(self) -> bool {
        matches!(self, Self::Team | Self::Handler)
    }
}

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
    /// The period before, where that is asked for.
    pub before: Option<Before>,
}

/// What a group was in the period before, of the same length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Before {
    /// Its place; `None` where nothing was due.
    pub rank: Option<u32>,
    /// How many places it went up since, or down where less than 0; `None` where it had or has none.
    pub change: Option<i32>,
    /// Its shares.
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
            Some((by @ (GroupBy::Team | GroupBy::Handler), group)) => query.and(
                &format!(
                    "EXISTS (SELECT 1 FROM dispatch_order o WHERE o.row = c.row AND {} = ? \
                     AND o.status NOT IN ('returned', 'called_off'))",
                    by.column()
                ),
                [group.clone()],
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
            let nothing = || GroupAssessment {
                group: None,
                rank: None,
                counts: Counts::default(),
                rates: Rates::default(),
                before: None,
            };
            Ok(Assessment { total: total.unwrap_or_else(nothing), groups, truncated })
        })
    }

    /// The same beside what it was in the period before, of the same length.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn assessment_beside_the_one_before(
        &self,
        filter: &AssessmentFilter,
        by: Option<GroupBy>,
    ) -> Result<Assessment, QueryError> {
        let length = filter.until_ms.saturating_sub(filter.from_ms);
        let earlier = AssessmentFilter {
            from_ms: filter.from_ms.saturating_sub(length),
            until_ms: filter.from_ms,
            ..filter.clone()
        };
        let (mut now, earlier) = (self.assessment(filter, by)?, self.assessment(&earlier, by)?);
        now.total.before = Some(now.total.since(&earlier.total));
        let before: BTreeMap<_, _> = earlier.groups.iter().map(|group| (&group.group, group)).collect();
        for group in &mut now.groups {
            group.before = before.get(&group.group).map(|before| group.since(before));
        }
        Ok(now)
    }

    /// At most one group more than are told.
    fn assessed_groups(
        &self,
        filter: &AssessmentFilter,
        by: GroupBy,
        columns: &str,
    ) -> Result<Vec<GroupAssessment>, QueryError> {
        let mut query = filter.query();
        let cases = match by {
            GroupBy::Team => CASES_OF_TEAMS,
            GroupBy::Handler => CASES_OF_HANDLERS,
            GroupBy::Region | GroupBy::Category | GroupBy::Source | GroupBy::Reporter => "case_file c",
        };
        if by.is_of_orders()
            && let Some((of, group)) = &filter.group
            && *of == by
        {
            query.equals(by.column(), Some(group));
        }
        let select = format!("{} AS grouped, {columns} FROM {cases}", by.column());
        let after = format!("GROUP BY grouped ORDER BY grouped LIMIT {}", MAX_GROUPS + 1);
        let mut groups = query.all(&self.connection, &select, &after, group_row)?;
        if by.is_of_orders() {
            groups.iter_mut().for_each(|group| group.rates = std::mem::take(&mut group.rates).of_team());
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

impl GroupAssessment {
    fn since(&self, before: &Self) -> Before {
        let change = places_risen(before.rank, self.rank);
        Before { rank: before.rank, change, rates: before.rates.clone() }
    }
}

fn group_row(row: &Row<'_>) -> rusqlite::Result<GroupAssessment> {
    let counts = Counts::read(row)?;
    let rates = counts.rates();
    Ok(GroupAssessment { group: row.get("grouped")?, rank: None, counts, rates, before: None })
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
