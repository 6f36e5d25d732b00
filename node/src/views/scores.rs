//! Scores (评分): how well each team or person did in a period, by the town's weights.
//!
//! A score is the weighted mean of shares, each `part / whole`, by the weights of the table of scores. A part of which there
//! is nothing to take a share of (nobody asked this inspector anything) is left out, and the other weights count for more.
//! Volume is own work of that of whoever did most. Work belongs to the period in which it was done; reports to that in
//! which they were made; closing rates to that in which the case was filed, as in the assessment. Checks and verifications
//! count for whoever answered them: what nobody did yet is nobody's, since intake asks no one in particular. Weights and
//! grades are those of now, also for periods that are over.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole, Tables};

use super::assessment::{Figure, Moments, Percent};
use super::query::Query;
use super::reader::{QueryError, Reader};

/// Most teams or people that are told.
const MAX_SUBJECTS: usize = 5_000;

/// Whose work of which period is scored.
#[derive(Debug, Clone)]
pub struct ScoreFilter {
    /// Which work.
    pub role: ScoreRole,
    /// Handling by person instead of by team.
    pub by_person: bool,
    /// From here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// Deadlines until then have passed, in milliseconds since 1970.
    pub now_ms: i64,
    /// Of these regions, deadlines until then.
    pub known: Moments,
    /// Only cases in this region or within it.
    pub region: Option<RegionCode>,
}

/// One part of a score.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PartScore {
    /// Which.
    pub part: ScorePart,
    /// Its weight in percent.
    pub weight: u16,
    /// What counts.
    pub got: u64,
    /// Of how much.
    pub of: u64,
    /// The share; `None` where there is nothing to take one of.
    pub share: Option<Percent>,
}

/// How well a team or person did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Score {
    /// Code of the team or person.
    pub subject: String,
    /// Their name, where it is known here.
    pub name: Option<String>,
    /// The parts, by the town's table.
    pub parts: Vec<PartScore>,
    /// 0 to 100; `None` where no part has a share.
    pub score: Option<Percent>,
    /// The letter of the town's table.
    pub grade: Option<String>,
    /// Place by score; those alike share one.
    pub rank: Option<u32>,
}

/// Scores of a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Scores {
    /// The best first.
    pub rows: Vec<Score>,
    /// There are more than are told.
    pub truncated: bool,
}

/// What counts of how much.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    got: u64,
    of: u64,
}

type Shares = BTreeMap<String, BTreeMap<ScorePart, Share>>;

/// Pairs of a part with the columns that hold it: what counts, of how much.
type Columns<'a> = &'a [(ScorePart, &'a str, &'a str)];

impl Reader {
    /// Scores of a period, the best first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn scores(&self, filter: &ScoreFilter, tables: &Tables) -> Result<Scores, QueryError> {
        let weights = tables.score(filter.role);
        self.at_once(|| {
            let mut shares = Shares::new();
            match filter.role {
                ScoreRole::Handler => self.handling(filter, &mut shares)?,
                ScoreRole::Inspector => self.inspecting(filter, &mut shares)?,
                ScoreRole::Dispatcher => self.dispatching(filter, &mut shares)?,
                ScoreRole::DutyHead => self.duty(filter, &mut shares)?,
                ScoreRole::Unknown(_) => {}
            }
            volume(&mut shares);
            let names = self.names_of(filter)?;
            let scored = shares.into_iter().map(|(subject, parts)| score(subject, &names, &parts, &weights, tables));
            let mut rows: Vec<Score> = scored.collect();
            rank(&mut rows);
            let truncated = rows.len() > MAX_SUBJECTS;
            rows.truncate(MAX_SUBJECTS);
            Ok(Scores { rows, truncated })
        })
    }

    /// Orders by the team that has them, or by who did them.
    fn handling(&self, filter: &ScoreFilter, shares: &mut Shares) -> Result<(), QueryError> {
        let subject = if filter.by_person { "o.done_by" } else { "o.team" };
        let done = format!(
            "{subject} AS subject, count(*) AS volume, 0 AS none FROM dispatch_order o JOIN case_file c ON c.row = o.row"
        );
        let mut query = filter.period("o.done_ms");
        query.and("o.status = 'done'", std::iter::empty::<Value>());
        self.collect(query, &done, &[(ScorePart::Volume, "volume", "none")], shares)?;
        let (due, closed, in_time) = (Figure::Due, Figure::Closed, Figure::ClosedInTime);
        let columns = format!(
            "{subject} AS subject, {due} AS due, {closed} AS closed, {in_time} AS in_time, \
             COALESCE(SUM(c.verifications), 0) AS verified, COALESCE(SUM(c.verifications - c.rework), 0) AS passed \
             FROM case_file c JOIN dispatch_order o ON o.row = c.row AND o.place = (SELECT MIN(p.place) FROM dispatch_order p \
             WHERE p.row = c.row AND {other} = {subject} AND p.status NOT IN ('returned', 'called_off'))",
            other = subject.replace("o.", "p."),
            due = counted(due),
            closed = counted(closed),
            in_time = counted(in_time),
        );
        let parts: Columns<'_> = &[
            (ScorePart::Closing, "closed", "due"),
            (ScorePart::OnTimeClosing, "in_time", "due"),
            (ScorePart::NoRework, "passed", "verified"),
        ];
        self.collect(filter.filed(), &columns, parts, shares)
    }

    /// Reports, checks and verifications by the inspector.
    fn inspecting(&self, filter: &ScoreFilter, shares: &mut Shares) -> Result<(), QueryError> {
        let reports = "c.reported_by AS subject, count(*) FILTER (WHERE c.state <> 'reported') AS reports, \
             count(*) FILTER (WHERE c.state NOT IN ('reported', 'refused', 'linked', 'invalid', 'void')) AS valid \
             FROM case_file c";
        let mut query = filter.period("c.reported_ms");
        query.and("c.source = 'patrol'", std::iter::empty::<Value>());
        self.collect(query, reports, &[(ScorePart::ValidReports, "valid", "reports")], shares)?;
        self.stages(filter, "check", ScorePart::OnTimeCheck, shares)?;
        self.stages(filter, "verification", ScorePart::OnTimeVerification, shares)?;
        self.missed(filter, shares)
    }

    /// What the public found first in the village where an inspector works, of those who did anything themselves.
    fn missed(&self, filter: &ScoreFilter, shares: &mut Shares) -> Result<(), QueryError> {
        let mut villages = Shares::new();
        let select = "c.region AS subject, count(*) AS filed, count(*) FILTER (WHERE c.source <> 'public') AS found \
             FROM case_file c";
        self.collect(filter.filed(), select, &[(ScorePart::NotMissed, "found", "filed")], &mut villages)?;
        let read = |row: &Row<'_>| Ok((row.get::<_, String>("code")?, row.get::<_, Option<String>>("region")?));
        let inspectors = "code, region FROM member WHERE retired = 0 AND EXISTS \
             (SELECT 1 FROM json_each(roles) WHERE value = 'inspector')";
        for (code, region) in Query::default().all(&self.connection, inspectors, "", read)? {
            let village = region.and_then(|region| villages.get(&region));
            if let (Some(village), Some(own)) = (village, shares.get_mut(&code)) {
                own.extend(village);
            }
        }
        Ok(())
    }

    /// Dispatches and their orders by the dispatcher.
    fn dispatching(&self, filter: &ScoreFilter, shares: &mut Shares) -> Result<(), QueryError> {
        self.stages(filter, "dispatch", ScorePart::OnTimeDispatch, shares)?;
        let orders = "o.sent_by AS subject, count(*) AS orders, 0 AS none, \
             count(*) FILTER (WHERE o.status <> 'returned') AS kept \
             FROM dispatch_order o JOIN case_file c ON c.row = o.row";
        let mut query = filter.period("o.sent_ms");
        query.and("o.kind = 'dispatch'", std::iter::empty::<Value>());
        let parts: Columns<'_> =
            &[(ScorePart::Volume, "orders", "none"), (ScorePart::CorrectDispatch, "kept", "orders")];
        self.collect(query, orders, parts, shares)
    }

    /// Filings by the duty head, and what became of the cases.
    fn duty(&self, filter: &ScoreFilter, shares: &mut Shares) -> Result<(), QueryError> {
        self.stages(filter, "filing", ScorePart::OnTimeFiling, shares)?;
        let filed = format!(
            "s.person AS subject, count(*) AS filed, count(*) FILTER (WHERE c.state <> 'void') AS correct, \
             {due} AS due, {in_time} AS in_time FROM case_file c JOIN case_stage s ON s.row = c.row AND s.stage = 'filing' \
             AND s.ended_ms = c.filed_ms",
            due = counted(Figure::Due),
            in_time = counted(Figure::ClosedInTime),
        );
        let parts: Columns<'_> =
            &[(ScorePart::CorrectFiling, "correct", "filed"), (ScorePart::OnTimeClosing, "in_time", "due")];
        self.collect(filter.filed(), &filed, parts, shares)
    }

    /// One kind of stage by who ended it: how many in time.
    fn stages(
        &self,
        filter: &ScoreFilter,
        stage: &str,
        part: ScorePart,
        shares: &mut Shares,
    ) -> Result<(), QueryError> {
        let select = "s.person AS subject, count(*) AS ended, \
             count(*) FILTER (WHERE s.due_ms IS NULL OR s.ended_ms <= s.due_ms) AS in_time \
             FROM case_stage s JOIN case_file c ON c.row = s.row";
        let mut query = filter.period("s.ended_ms");
        query.equals("s.stage", Some(stage));
        self.collect(query, select, &[(part, "in_time", "ended")], shares)
    }

    fn collect(&self, query: Query, select: &str, columns: Columns<'_>, shares: &mut Shares) -> Result<(), QueryError> {
        let read = |row: &Row<'_>| {
            let number = |name: &str| row.get::<_, i64>(name).map(i64::cast_unsigned);
            let subject: Option<String> = row.get("subject")?;
            let parts = columns.iter().map(|(part, got, of)| Ok((*part, Share { got: number(got)?, of: number(of)? })));
            Ok((subject, parts.collect::<rusqlite::Result<Vec<_>>>()?))
        };
        for (subject, parts) in query.all(&self.connection, select, "GROUP BY subject ORDER BY subject", read)? {
            let Some(subject) = subject.filter(|subject| !subject.is_empty()) else { continue };
            shares.entry(subject).or_default().extend(parts);
        }
        Ok(())
    }

    fn names_of(&self, filter: &ScoreFilter) -> Result<BTreeMap<String, String>, QueryError> {
        let is_team = filter.role == ScoreRole::Handler && !filter.by_person;
        let from = if is_team { "team" } else { "member" };
        let select = format!("code, name FROM {from}");
        let read = |row: &Row<'_>| Ok((row.get("code")?, row.get::<_, Option<String>>("name")?));
        let named: Vec<(String, Option<String>)> = Query::default().all(&self.connection, &select, "", read)?;
        Ok(named.into_iter().filter_map(|(code, name)| Some((code, name?))).collect())
    }
}

/// How many cases a figure counts.
fn counted(figure: Figure) -> String {
    format!("count(*) FILTER (WHERE {})", figure.condition())
}

impl ScoreFilter {
    /// What happened in the period; `?1` to `?4` are as in a [`Figure`].
    fn period(&self, time: &str) -> Query {
        let mut query = Query::default();
        query.and(
            &format!("({time} >= ?1 AND {time} < ?2) AND ?3 IS NOT NULL AND ?4 IS NOT NULL"),
            [self.from_ms.into(), self.until_ms.into(), self.now_ms.into(), self.known.json()],
        );
        query.region("c.region", self.region);
        query
    }

    fn filed(&self) -> Query {
        self.period("c.filed_ms")
    }
}

/// Volume is of whoever did most.
fn volume(shares: &mut Shares) {
    let own = |parts: &BTreeMap<ScorePart, Share>| parts.get(&ScorePart::Volume).map_or(0, |share| share.got);
    let most = shares.values().map(own).max().unwrap_or(0);
    for parts in shares.values_mut() {
        parts.entry(ScorePart::Volume).or_default().of = most;
    }
}

fn score(
    subject: String,
    names: &BTreeMap<String, String>,
    shares: &BTreeMap<ScorePart, Share>,
    weights: &[(ScorePart, u16)],
    tables: &Tables,
) -> Score {
    let part = |(part, weight): &(ScorePart, u16)| {
        let Share { got, of } = shares.get(part).copied().unwrap_or_default();
        PartScore { part: *part, weight: *weight, got, of, share: Percent::of(got, of) }
    };
    let parts: Vec<PartScore> = weights.iter().map(part).collect();
    // In whole numbers, so that every node shows the same.
    let known = parts.iter().filter(|part| part.of > 0);
    let weight: u64 = known.clone().map(|part| u64::from(part.weight)).sum();
    let sum: u128 =
        known.map(|part| u128::from(part.weight) * u128::from(part.got) * 1_000_000 / u128::from(part.of)).sum();
    let score = u64::try_from(sum).ok().and_then(|sum| Percent::of(sum, weight.saturating_mul(1_000_000)));
    let grade = score.and_then(|score| tables.grade(score.hundredths()));
    Score { name: names.get(&subject).cloned(), subject, parts, score, grade, rank: None }
}

fn rank(scores: &mut [Score]) {
    scores.sort_by(|one, other| other.score.cmp(&one.score).then_with(|| one.subject.cmp(&other.subject)));
    let all: Vec<Option<Percent>> = scores.iter().map(|score| score.score).collect();
    for score in scores.iter_mut().filter(|score| score.score.is_some()) {
        let better = all.iter().take_while(|known| **known > score.score).count();
        score.rank = u32::try_from(better + 1).ok();
    }
}
