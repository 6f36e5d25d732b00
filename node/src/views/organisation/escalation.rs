//! Escalation (升级提醒): which open cases are so late that somebody higher up has to be told.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::case::{Calendar, CaseState, LimitClock, Severity};
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{EscalationRow, Tables};

use super::super::analysis::cut;
use super::super::cases::{CASE, CASES, CaseRow, case_row};
use super::super::query::{Query, word};
use super::super::reader::{QueryError, Reader};

const MINUTE_MS: u64 = 60_000;
/// At so many percent of its limit the lamp of a case turns yellow; the views know when that is.
const YELLOW: u16 = 80;
/// Most cases of an answer.
const MOST: usize = 500;

/// Which cases.
#[derive(Debug, Clone, Copy)]
pub struct EscalationFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only what this role is told.
    pub role: Option<Role>,
    /// The moment that is looked at, in milliseconds since 1970.
    pub now_ms: i64,
}

/// A case, and who is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Escalated {
    /// The case.
    #[serde(flatten)]
    pub case: CaseRow,
    /// How much of its limit is used up, in percent of its own kind of hours.
    pub used_percent: u64,
    /// The highest step that it has reached, in percent.
    pub percent: u16,
    /// Who is told at that step.
    pub role: Role,
    /// Of which team.
    pub team: Option<String>,
}

/// A step of the ladder of one severity.
struct Step {
    percent: u16,
    role: Role,
    team: Option<String>,
}

/// The limit of a case.
struct Limit {
    clock: Option<LimitClock>,
    minutes: u64,
}

impl Reader {
    /// Open cases that have reached a step of the table of escalation, each at its highest step, the latest first; and
    /// whether there are more than are told.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn escalated(&self, filter: &EscalationFilter, tables: &Tables) -> Result<(Vec<Escalated>, bool), QueryError> {
        let ladders = ladders(tables);
        let Some(first) = ladders.values().flatten().map(|step| step.percent).min() else { return Ok((vec![], false)) };
        let mut query = Query::default();
        query.region("c.region", filter.region);
        let open = CaseState::ALL.iter().filter(|state| state.is_open()).map(ToString::to_string);
        query.one_of("c.state", open.collect());
        query.and::<Value>("c.handled_ms IS NULL AND c.closed_ms IS NULL AND c.due_ms IS NOT NULL", []);
        if first >= YELLOW {
            query.and("c.yellow_ms <= ?", [filter.now_ms]);
        }
        let select = format!(
            "{CASE}, json_extract(f.folded, '$.clock.clock') AS limit_clock, \
             coalesce(json_extract(f.folded, '$.clock.minutes'), 0) + coalesce(json_extract(f.folded, '$.clock.extension_minutes'), 0) \
             AS limit_minutes FROM {CASES} JOIN case_detail f ON f.row = c.row"
        );
        let rows = query.all(&self.connection, &select, "", |row| {
            let limit = Limit {
                clock: word(row, "limit_clock")?,
                minutes: row.get::<_, i64>("limit_minutes")?.cast_unsigned(),
            };
            Ok((case_row(row, filter.now_ms)?, limit))
        })?;
        let told = rows.into_iter().filter_map(|(case, limit)| {
            let used_percent = limit.used_percent(tables.calendar(), &case, filter.now_ms)?;
            let step = highest(&ladders, case.severity?, used_percent)?;
            let is_asked = filter.role.is_none_or(|role| role == step.role);
            is_asked.then(|| Escalated {
                case,
                used_percent,
                percent: step.percent,
                role: step.role,
                team: step.team.clone(),
            })
        });
        let mut told: Vec<Escalated> = told.collect();
        told.sort_by(|one, other| {
            other.used_percent.cmp(&one.used_percent).then(one.case.document.cmp(&other.case.document))
        });
        let truncated = cut(&mut told, MOST);
        Ok((told, truncated))
    }
}

/// The steps of each severity, the lowest first.
fn ladders(tables: &Tables) -> BTreeMap<Severity, Vec<Step>> {
    let mut ladders: BTreeMap<Severity, Vec<Step>> = BTreeMap::new();
    for row in tables.typed::<EscalationRow>() {
        if let (Some(severity), Some(percent), Some(role)) = (row.severity, row.percent, row.role) {
            ladders.entry(severity).or_default().push(Step { percent, role, team: row.team });
        }
    }
    ladders.values_mut().for_each(|steps| steps.sort_by_key(|step| step.percent));
    ladders
}

fn highest(ladders: &BTreeMap<Severity, Vec<Step>>, severity: Severity, used: u64) -> Option<&Step> {
    ladders.get(&severity)?.iter().rev().find(|step| u64::from(step.percent) <= used)
}

impl Limit {
    /// How much of it is used up: what lies between now and the deadline is left of it, what lies behind the deadline is
    /// over it. Pauses are in the deadline already.
    fn used_percent(&self, calendar: &Calendar, case: &CaseRow, now_ms: i64) -> Option<u64> {
        let (due, now) = (case.due_ms?.max(0).cast_unsigned(), now_ms.max(0).cast_unsigned());
        let between = |from: u64, until: u64| match self.clock {
            Some(LimitClock::Working) => calendar.working_between(from, until),
            Some(LimitClock::Emergency | LimitClock::Unknown(_)) | None => until.saturating_sub(from),
        };
        let limit = self.minutes.checked_mul(MINUTE_MS).filter(|limit| *limit > 0)?;
        let used =
            if now <= due { limit.saturating_sub(between(now, due)) } else { limit.saturating_add(between(due, now)) };
        Some(used.saturating_mul(100) / limit)
    }
}
