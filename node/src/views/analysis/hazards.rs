//! Statistics of hazards (隐患统计): how many were found in a period, what became of them, how long that took, and how many
//! households were inspected at all.
//!
//! A hazard belongs to the period in which it was found. It counts as rectified once somebody said so, as rechecked once somebody
//! else passed it, which is when it is closed. Days are those from the finding to that recheck. Overdue is what is past its
//! date and of which nobody said that it is done, up to the moment to which the data of its region is complete. The period is one round of inspections.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::checklist::Checklist;
use townmesh_crdt::domain::hazard::HazardState;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;

use super::super::assessment::{Moments, Percent};
use super::super::query::{Query, word};
use super::super::reader::{QueryError, Reader};
use super::hours::DAY_MS;
use super::places::Subject;
use super::recurrence::{code_of, words_of};
use super::{cut, words};

/// Most groups of an answer.
const MAX_GROUPS: usize = 5_000;

words! {
    /// By what hazards are grouped.
    pub enum HazardGrouping {
        /// Village or community.
        Region = "region": "村居", "village or community";
        /// Item of the checklist.
        Item = "item": "检查项", "item of the checklist";
        /// What it is about: fire, electricity, rental …
        Kind = "kind": "种类", "kind";
        /// How serious it is.
        Grade = "grade": "等级", "grade";
        /// Use of the dwelling.
        Use = "use": "居住类型", "use of the dwelling";
    }
}

words! {
    /// What a hazard is about.
    pub enum HazardKind {
        /// 消防.
        Fire = "fire": "消防", "fire";
        /// 用电.
        Electricity = "electricity": "用电", "electricity";
        /// 燃气.
        Gas = "gas": "燃气", "gas";
        /// 出租.
        Rental = "rental": "出租", "rental";
        /// 环境.
        Environment = "environment": "环境", "environment";
        /// 违建.
        Building = "building": "违建", "illegal building";
        /// Any other, and every item of a town's own lists.
        Other = "other": "其他", "other";
    }
}

impl HazardKind {
    /// By the items of the checklists that the program ships, whose numbers are never given to another question.
    fn of(checklist: Option<u16>, item: Option<u16>) -> Self {
        match (checklist, item) {
            (Some(Checklist::HOUSEHOLD), Some(1..=3 | 9..=11)) => Self::Fire,
            (Some(Checklist::HOUSEHOLD), Some(4 | 6 | 7)) => Self::Electricity,
            (Some(Checklist::HOUSEHOLD), Some(5)) => Self::Gas,
            (Some(Checklist::HOUSEHOLD), Some(8 | 12)) => Self::Rental,
            (Some(Checklist::VILLAGE), Some(5 | 6)) => Self::Fire,
            (Some(Checklist::VILLAGE), Some(1..=3)) | (Some(Checklist::OUTSIDE), Some(1 | 2 | 4)) => Self::Environment,
            (Some(Checklist::VILLAGE), Some(4)) | (Some(Checklist::OUTSIDE), Some(3)) => Self::Building,
            _ => Self::Other,
        }
    }
}

/// Which hazards.
#[derive(Debug, Clone, Default)]
pub struct HazardStatisticsFilter {
    /// Found from here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Found before, in milliseconds since 1970.
    pub until_ms: i64,
    /// Dates until then have passed, in milliseconds since 1970.
    pub now_ms: i64,
    /// Of these regions, dates until then.
    pub known: Moments,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Groups, too, by this.
    pub by: Option<HazardGrouping>,
}

/// How many hazards there are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HazardCounts {
    /// Found in the period.
    pub found: u64,
    /// Somebody said that it is done.
    pub rectified: u64,
    /// Somebody else passed it.
    pub rechecked: u64,
    /// Not done yet: open or being rectified.
    pub open: u64,
    /// Of these, past their date.
    pub overdue: u64,
    /// By state.
    pub states: BTreeMap<String, u64>,
    /// By grade.
    pub grades: BTreeMap<String, u64>,
    /// Days from the finding to the recheck that passed: the median, in hundredths of a day rounded down.
    pub median_days: Option<Hundredths>,
    /// The mean of them.
    pub mean_days: Option<Hundredths>,
}

/// A number with two decimals, without the last digits of a machine's arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(value_type = f64)]
pub struct Hundredths(pub u64);

impl Serialize for Hundredths {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / 100.0)
    }
}

/// The hazards of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HazardGroup {
    /// Code of the region, `checklist.item`, or the word; `None` where it is not known.
    pub group: Option<String>,
    /// In Chinese, where the town's tables have it.
    pub name: Option<String>,
    /// The figures.
    #[serde(flatten)]
    pub counts: HazardCounts,
    /// Households there; of regions and in total only.
    pub households: Option<u64>,
    /// Households of which an inspection is recorded in the period.
    pub inspected: Option<u64>,
    /// Their share.
    pub inspected_share: Option<Percent>,
}

/// Statistics of hazards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HazardStatistics {
    /// Of all.
    pub total: HazardGroup,
    /// By group, where that is asked for, in the order of their names.
    pub groups: Vec<HazardGroup>,
    /// There are more groups than are told.
    pub truncated: bool,
    /// By region, dates until when are told to have passed: its data is complete so far. Now, where a region is not named.
    pub judged_to: Moments,
}

/// One hazard as it is counted.
struct Found {
    group: Option<String>,
    subject: Option<Subject>,
    state: Option<HazardState>,
    grade: Option<String>,
    overdue: bool,
    closed_after_ms: Option<i64>,
}

/// A group under count.
#[derive(Default)]
struct Tally {
    counts: HazardCounts,
    name: Option<String>,
    closed_after_ms: Vec<i64>,
}

impl Tally {
    fn add(&mut self, found: &Found) {
        let counts = &mut self.counts;
        counts.found += 1;
        let done = matches!(found.state, Some(HazardState::Recheck | HazardState::Closed));
        counts.rectified += u64::from(done);
        counts.rechecked += u64::from(found.state == Some(HazardState::Closed));
        counts.open += u64::from(!done);
        counts.overdue += u64::from(!done && found.overdue);
        let state = found.state.map_or_else(String::new, |state| state.to_string());
        *counts.states.entry(state).or_default() += 1;
        *counts.grades.entry(found.grade.clone().unwrap_or_default()).or_default() += 1;
        self.closed_after_ms.extend(found.closed_after_ms);
    }

    fn told(mut self, group: Option<String>) -> HazardGroup {
        self.closed_after_ms.sort_unstable();
        let all = &self.closed_after_ms;
        let days = |ms: i128| u64::try_from(ms.max(0) * 100 / i128::from(DAY_MS)).ok().map(Hundredths);
        let sum: i128 = all.iter().map(|ms| i128::from(*ms)).sum();
        self.counts.mean_days = sum.checked_div(all.len() as i128).and_then(days);
        self.counts.median_days = median(all).and_then(days);
        HazardGroup { group, name: self.name, counts: self.counts, ..HazardGroup::default() }
    }
}

/// The middle one of sorted numbers, or the mean of the two in the middle.
fn median(sorted: &[i64]) -> Option<i128> {
    let (lower, upper) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some((i128::from(*lower) + i128::from(*upper)) / 2)
}

impl Reader {
    /// Statistics of the hazards found in a period.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hazard_statistics(
        &self,
        filter: &HazardStatisticsFilter,
        tables: &Tables,
    ) -> Result<HazardStatistics, QueryError> {
        self.at_once(|| {
            let mut total = Tally::default();
            let mut groups: BTreeMap<Option<String>, Tally> = BTreeMap::new();
            let by = filter.by;
            self.found_hazards(filter, |found| {
                total.add(&found);
                if by.is_some() {
                    let group = groups.entry(found.group.clone()).or_default();
                    if group.counts.found == 0 {
                        group.name = name_of(by, &found, tables);
                    }
                    group.add(&found);
                }
            })?;
            let inspected = self.inspected_households(filter)?;
            let mut all = total.told(None);
            all.inspected_of(inspected.values().copied());
            let known = groups.keys().flatten().cloned();
            let regions: BTreeSet<String> = match by {
                Some(HazardGrouping::Region) => known.chain(inspected.keys().cloned()).collect(),
                _ => BTreeSet::new(),
            };
            // Where nothing was found it is still told how many were looked at.
            for region in regions {
                groups.entry(Some(region)).or_default();
            }
            let mut told: Vec<HazardGroup> = groups.into_iter().map(|(group, tally)| tally.told(group)).collect();
            if by == Some(HazardGrouping::Region) {
                let names: BTreeMap<_, _> = self.regions()?.into_iter().map(|one| (one.code, one.name)).collect();
                for group in &mut told {
                    group.name = names.get(&group.group).cloned().flatten();
                    let of_region = group.group.as_ref().and_then(|region| inspected.get(region));
                    group.inspected_of(of_region.copied().into_iter());
                }
            }
            let truncated = cut(&mut told, MAX_GROUPS);
            Ok(HazardStatistics { total: all, groups: told, truncated, judged_to: filter.known.clone() })
        })
    }

    fn found_hazards(&self, filter: &HazardStatisticsFilter, mut take: impl FnMut(Found)) -> Result<(), QueryError> {
        let mut query = Query::default();
        query.between("z.found_ms", Some(filter.from_ms), Some(filter.until_ms));
        query.region("z.region", filter.region);
        let select = "z.region, z.checklist, z.item, z.grade, z.state, z.found_ms, z.due_ms, z.changed_ms, h.usage \
             FROM hazard z LEFT JOIN document d ON d.document = z.household LEFT JOIN household h ON h.row = d.row";
        query.all(&self.connection, select, "", |row| {
            take(found(row, filter)?);
            Ok(())
        })?;
        Ok(())
    }

    /// By village: how many households there are, and of how many an inspection in the period is recorded.
    fn inspected_households(
        &self,
        filter: &HazardStatisticsFilter,
    ) -> Result<BTreeMap<String, (u64, u64)>, QueryError> {
        let mut query = Query::default();
        // First, so that the numbered places are its own.
        query.and::<Value>("?1 IS NOT NULL AND ?2 IS NOT NULL", [filter.from_ms.into(), filter.until_ms.into()]);
        query.region("h.region", filter.region);
        let select = "h.region, count(*), count(*) FILTER (WHERE EXISTS (SELECT 1 FROM inspection i \
             WHERE i.household = d.document AND i.time_ms >= ?1 AND i.time_ms < ?2 AND i.void = 0)) \
             FROM household h JOIN document d ON d.row = h.row";
        let number = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let read = |row: &Row<'_>| Ok((row.get(0)?, (number(row, 1)?, number(row, 2)?)));
        Ok(query.all(&self.connection, select, "GROUP BY h.region", read)?.into_iter().collect())
    }
}

impl HazardGroup {
    fn inspected_of(&mut self, regions: impl Iterator<Item = (u64, u64)>) {
        let (all, inspected) = regions.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        (self.households, self.inspected) = (Some(all), Some(inspected));
        self.inspected_share = Percent::of(inspected, all);
    }
}

fn found(row: &Row<'_>, filter: &HazardStatisticsFilter) -> rusqlite::Result<Found> {
    let (checklist, item): (Option<u16>, Option<u16>) = (row.get("checklist")?, row.get("item")?);
    let subject = checklist.zip(item).map(|(checklist, item)| Subject::Hazard { checklist, item });
    let state: Option<HazardState> = word(row, "state")?;
    let grade: Option<String> = row.get("grade")?;
    let (found_ms, changed_ms): (i64, Option<i64>) = (row.get("found_ms")?, row.get("changed_ms")?);
    let (due_ms, region): (Option<i64>, String) = (row.get("due_ms")?, row.get("region")?);
    let judged_ms = filter.known.of(&region, filter.now_ms);
    let group = match filter.by {
        Some(HazardGrouping::Region) => Some(region),
        Some(HazardGrouping::Item) => subject.as_ref().map(code_of),
        Some(HazardGrouping::Kind) => Some(HazardKind::of(checklist, item).name().to_owned()),
        Some(HazardGrouping::Grade) => grade.clone(),
        Some(HazardGrouping::Use) => row.get("usage")?,
        None => None,
    };
    let closed = changed_ms.filter(|_| state == Some(HazardState::Closed));
    Ok(Found {
        group,
        subject,
        state,
        grade,
        overdue: due_ms.is_some_and(|due| due <= judged_ms),
        // Clocks may disagree: what was closed before it was found took no time.
        closed_after_ms: closed.map(|closed| closed.saturating_sub(found_ms).max(0)),
    })
}

/// What a group is called.
fn name_of(by: Option<HazardGrouping>, found: &Found, tables: &Tables) -> Option<String> {
    match by {
        Some(HazardGrouping::Item) => words_of(found.subject.as_ref()?, tables).map(|[chinese, _]| chinese),
        Some(HazardGrouping::Kind) => {
            let kind = HazardKind::ALL.iter().find(|kind| Some(kind.name()) == found.group.as_deref())?;
            Some(kind.words()[0].to_owned())
        }
        Some(HazardGrouping::Region | HazardGrouping::Grade | HazardGrouping::Use) | None => None,
    }
}
