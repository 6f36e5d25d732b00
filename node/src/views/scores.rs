//! Scores (评分): how well each team or person did in a period, by the town's weights.
//!
//! A score is the weighted mean of shares, each `part / whole`, by the weights of the table of scores. A part of which there
//! is nothing to take a share of (nobody asked this inspector anything) is left out, and the other weights count for more.
//! Volume is own work, in the period in which it was done, of that of whoever did most. Every other share belongs to the period to
//! which its figure of the assessment belongs ([`Figure`](super::Figure)) and counts by the same words. Checks and verifications
//! count for whoever answered them: what nobody did yet is nobody's, since intake asks no one in particular. Weights and
//! grades are those of now, also for periods that are over.

mod measures;

use std::collections::BTreeMap;

use rusqlite::Row;
use serde::Serialize;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{ScorePart, ScoreRole, Tables};

use self::measures::Measure;
use super::assessment::{Moments, Percent};
use super::query::Query;
use super::reader::{QueryError, Reader};

pub use self::measures::ShareSide;

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
    /// The same in the period before, where that is asked for and they were scored in it.
    pub before: Option<ScoreBefore>,
}

/// How well a team or person did in the period before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ScoreBefore {
    /// 0 to 100; `None` where no part had a share.
    pub score: Option<Percent>,
    /// The letter of the town's table.
    pub grade: Option<String>,
    /// Place by score.
    pub rank: Option<u32>,
    /// By how many places they have risen since; below 0 where they have fallen.
    pub change: Option<i32>,
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

impl Reader {
    /// Scores of a period, the best first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn scores(&self, filter: &ScoreFilter, tables: &Tables) -> Result<Scores, QueryError> {
        let weights = tables.score(filter.role);
        self.at_once(|| {
            let mut shares = Shares::new();
            for measure in Measure::of_role(filter.role, filter.by_person) {
                let measured = self.measured(filter, &measure)?;
                if measure.part == ScorePart::NotMissed {
                    self.missed(&measured, &mut shares)?;
                    continue;
                }
                for (subject, share) in measured {
                    shares.entry(subject).or_default().insert(measure.part, share);
                }
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

    /// The same beside the period before, of the same length.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn scores_beside_the_one_before(&self, filter: &ScoreFilter, tables: &Tables) -> Result<Scores, QueryError> {
        let length = filter.until_ms.saturating_sub(filter.from_ms);
        let (from_ms, until_ms) = (filter.from_ms.saturating_sub(length), filter.from_ms);
        let mut now = self.scores(filter, tables)?;
        let earlier = self.scores(&ScoreFilter { from_ms, until_ms, ..filter.clone() }, tables)?;
        let before: BTreeMap<&str, &Score> = earlier.rows.iter().map(|score| (score.subject.as_str(), score)).collect();
        for score in &mut now.rows {
            score.before = before.get(score.subject.as_str()).map(|before| score.since(before));
        }
        Ok(now)
    }

    /// What the public found first in the village where an inspector works, of those who did anything themselves.
    fn missed(&self, villages: &BTreeMap<String, Share>, shares: &mut Shares) -> Result<(), QueryError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>("code")?, row.get::<_, Option<String>>("region")?));
        let inspectors = "code, region FROM member WHERE retired = 0 AND EXISTS \
             (SELECT 1 FROM json_each(roles) WHERE value = 'inspector')";
        for (code, region) in Query::default().all(&self.connection, inspectors, "", read)? {
            let village = region.and_then(|region| villages.get(&region));
            if let (Some(village), Some(own)) = (village, shares.get_mut(&code)) {
                own.insert(ScorePart::NotMissed, *village);
            }
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

impl Score {
    fn since(&self, before: &Self) -> ScoreBefore {
        let change = places_risen(before.rank, self.rank);
        ScoreBefore { score: before.score, grade: before.grade.clone(), rank: before.rank, change }
    }
}

/// By how many places somebody has risen, where both places are known.
pub(super) fn places_risen(before: Option<u32>, now: Option<u32>) -> Option<i32> {
    let place = |rank: Option<u32>| rank.and_then(|rank| i32::try_from(rank).ok());
    place(before).zip(place(now)).map(|(before, now)| before - now)
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
    Score { name: names.get(&subject).cloned(), subject, parts, score, grade, rank: None, before: None }
}

fn rank(scores: &mut [Score]) {
    scores.sort_by(|one, other| other.score.cmp(&one.score).then_with(|| one.subject.cmp(&other.subject)));
    let all: Vec<Option<Percent>> = scores.iter().map(|score| score.score).collect();
    for score in scores.iter_mut().filter(|score| score.score.is_some()) {
        let better = all.iter().take_while(|known| **known > score.score).count();
        score.rank = u32::try_from(better + 1).ok();
    }
}
