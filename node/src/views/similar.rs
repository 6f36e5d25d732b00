//! Suspected duplicates (疑似重复案卷): reports of what may be one problem, for intake to look at before it accepts.
//!
//! Nobody but a person decides that two are one. A report is shown beside another of the same village or community within
//! a week where they are at one place (within [`NEAR_M`], or by the same words) and nothing tells them apart: their category,
//! if both have one, is the same, or they are described alike; beside another of the same device; and wherever they are,
//! where they are described in nearly the same words. Alike is by pairs of neighbouring characters (Dice, "Measures of the
//! amount of ecologic association between species", 1945), which needs no dictionary.

use std::collections::BTreeSet;

use serde::Serialize;
use townmesh_crdt::domain::case::CaseState;
use townmesh_crdt::domain::key::normalise;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::cases::{CASE, CASES, CaseRow, case_row};
use super::query::Query;
use super::reader::{QueryError, Reader};

/// Two places that are no farther apart may be one.
const NEAR_M: f64 = 100.0;
/// Reports that lie farther apart in time are no duplicates: what came back is told by recurrence.
const WITHIN_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Described alike, and in nearly the same words: so many percent of the pairs of characters are shared.
const ALIKE: usize = 50;
const THE_SAME: usize = 80;
/// Reports that are compared with one, the nearest in time.
const COMPARED: u32 = 2_000;
/// Most hints to one report.
const MOST_HINTS: usize = 10;
/// Reading the device that reported a case means reading past all of its history: it is asked for where one is compared.
const DEVICE: &str =
    "(SELECT json_extract(f.folded, '$.reported.report.device') FROM case_detail f WHERE f.row = c.row) AS device";
const NO_DEVICE: &str = "NULL AS device";
/// Reports that wait for intake and are looked at for one list, the oldest first.
const MOST_WAITING: u32 = 500;

/// A report as far as it is compared.
#[derive(Debug, Clone, Default)]
pub struct Likeness {
    /// Village or community.
    pub region: Option<RegionCode>,
    /// When, in milliseconds since 1970.
    pub reported_ms: i64,
    /// Category, if one is suggested.
    pub category: Option<String>,
    /// The place in words.
    pub place: String,
    /// The place on the map.
    pub position: Option<Position>,
    /// What is wrong.
    pub description: String,
    /// The device that reported.
    pub device: Option<String>,
    /// The report itself, which is no duplicate of itself.
    pub document: Option<String>,
}

/// Why two look like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alike {
    /// Within a hundred metres.
    Near,
    /// The same place in words.
    Place,
    /// The same category.
    Category,
    /// Described alike.
    Words,
    /// The same device.
    Device,
}

/// A case that may be the same problem.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SimilarCase {
    /// The case.
    #[serde(flatten)]
    pub case: CaseRow,
    /// In what they are alike.
    pub alike: Vec<Alike>,
    /// How far apart they are, in metres, where both are on the map.
    pub metres: Option<u64>,
}

/// A report that waits for intake, with what it may be a duplicate of.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SuspectedDuplicate {
    /// The report.
    #[serde(flatten)]
    pub case: CaseRow,
    /// Others, the most alike first.
    pub similar: Vec<SimilarCase>,
}

impl Reader {
    /// Cases that may be the same problem as a report, the most alike first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn similar_cases(&self, report: &Likeness, now_ms: i64) -> Result<Vec<SimilarCase>, QueryError> {
        let Some(region) = report.region else { return Ok(vec![]) };
        let mut query = Query::default();
        query.equals("c.region", Some(region));
        let (from, until) =
            (report.reported_ms.saturating_sub(WITHIN_MS), report.reported_ms.saturating_add(WITHIN_MS));
        query.between("c.reported_ms", Some(from), Some(until));
        // What was found to be nothing, or part of another one, is no longer a case of its own.
        let states = CaseState::ALL.iter().filter(|state| state.is_open() || **state == CaseState::Closed);
        query.one_of("c.state", states.map(ToString::to_string).collect());
        let device = if report.device.is_some() { DEVICE } else { NO_DEVICE };
        let order = format!("ORDER BY abs(c.reported_ms - {}), c.row LIMIT {COMPARED}", report.reported_ms);
        let known = self.with_device(query, device, &order, now_ms)?;
        let mut similar: Vec<SimilarCase> = known
            .into_iter()
            .filter(|(case, _)| report.document.as_ref() != Some(&case.document))
            .filter_map(|(case, device)| report.compare(case, device.as_deref()))
            .collect();
        similar.sort_by_key(|one| (std::cmp::Reverse(one.alike.len()), one.metres.unwrap_or(u64::MAX)));
        similar.truncate(MOST_HINTS);
        Ok(similar)
    }

    /// What a case is compared by; `None` where it is not known here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn likeness(&self, document: &str) -> Result<Option<Likeness>, QueryError> {
        let mut query = Query::default();
        query.equals("d.document", Some(document));
        let found = self.with_device(query, DEVICE, "", 0)?;
        Ok(found.into_iter().next().map(|(case, device)| Likeness::of(&case, device)))
    }

    fn with_device(
        &self,
        query: Query,
        device: &str,
        order: &str,
        now_ms: i64,
    ) -> Result<Vec<(CaseRow, Option<String>)>, QueryError> {
        let select = format!("{CASE}, {device} FROM {CASES}");
        query.all(&self.connection, &select, order, |row| Ok((case_row(row, now_ms)?, row.get("device")?)))
    }

    /// Reports that wait for intake and look like others, the oldest first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn suspected_duplicates(
        &self,
        region: Option<RegionCode>,
        now_ms: i64,
    ) -> Result<Vec<SuspectedDuplicate>, QueryError> {
        self.at_once(|| {
            let mut query = Query::default();
            query.equals("c.state", Some(CaseState::Reported));
            query.region("c.region", region);
            let order = format!("ORDER BY c.reported_ms, c.row LIMIT {MOST_WAITING}");
            let mut suspected = vec![];
            for (case, device) in self.with_device(query, DEVICE, &order, now_ms)? {
                let similar = self.similar_cases(&Likeness::of(&case, device), now_ms)?;
                if !similar.is_empty() {
                    suspected.push(SuspectedDuplicate { case, similar });
                }
            }
            Ok(suspected)
        })
    }
}

impl Likeness {
    fn of(case: &CaseRow, device: Option<String>) -> Self {
        Self {
            region: case.region.parse().ok(),
            reported_ms: case.reported_ms,
            category: case.category.clone(),
            place: case.place.clone().unwrap_or_default(),
            position: case.position,
            description: case.description.clone().unwrap_or_default(),
            device,
            document: Some(case.document.clone()),
        }
    }

    /// The other case, if nothing tells the two apart.
    fn compare(&self, case: CaseRow, device: Option<&str>) -> Option<SimilarCase> {
        let metres = self.position.zip(case.position).map(|(one, other)| one.metres_to(other));
        let is_near = metres.is_some_and(|metres| metres <= NEAR_M);
        let place = normalise(&self.place);
        let is_placed = !place.is_empty() && case.place.as_deref().map(normalise).as_deref() == Some(place.as_str());
        let has_category = self.category.is_some() && case.category == self.category;
        let shared = shared_percent(&self.description, case.description.as_deref().unwrap_or_default());
        let is_device = self.device.is_some() && self.device.as_deref() == device;
        let is_unclear = self.category.is_none() || case.category.is_none();
        let is_there = is_near || is_placed;
        if !(is_there && (has_category || is_unclear || shared >= ALIKE) || is_device || shared >= THE_SAME) {
            return None;
        }
        let reasons = [
            (is_near, Alike::Near),
            (is_placed, Alike::Place),
            (has_category, Alike::Category),
            (shared >= ALIKE, Alike::Words),
            (is_device, Alike::Device),
        ];
        let alike = reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect();
        Some(SimilarCase { case, alike, metres: metres.map(|metres| metres.round() as u64) })
    }
}

/// How many percent of the pairs of characters two texts share; 0 of a text without any.
fn shared_percent(one: &str, other: &str) -> usize {
    let (one, other) = (pairs(one), pairs(other));
    let shared = one.intersection(&other).count();
    (200 * shared).checked_div(one.len() + other.len()).unwrap_or(0)
}

fn pairs(text: &str) -> BTreeSet<(char, char)> {
    let characters: Vec<char> = normalise(text).chars().collect();
    characters.iter().zip(characters.iter().skip(1)).map(|(one, next)| (*one, *next)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_alike_by_the_pairs_that_they_share() {
        assert_eq!(shared_percent("门口堆垃圾", "门口堆垃圾"), 100);
        // 4 pairs each, 门口 and 口堆 in both: 2 * 2 of 8.
        assert_eq!(shared_percent("门口堆垃圾", "门口堆木料"), 50);
        assert_eq!(shared_percent("ＡＢ门口", "ab 门口"), 100, "however it is written");
        assert_eq!((shared_percent("", ""), shared_percent("圾", "圾")), (0, 0));
    }
}
