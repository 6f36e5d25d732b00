//! Recurrence (重复发生): what came back at the same place within so many days, and what these have in common.
//!
//! A group is a run of reports, reopenings and findings at one place ([`super::places`]) of which each follows the one before it
//! within the days that are asked for. Owners are told apart by what is recorded of them and shown masked.

use std::collections::BTreeMap;

use serde::Serialize;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;

use super::super::query::{Listed, Page, Query, read_cursor, write_cursor};
use super::super::reader::{QueryError, Reader};
use super::hours::DAY_MS;
use super::inspected::{Inspected, InspectedKind};
use super::places::{Occurrence, PlaceKind, PlacesFilter, Series, Subject};
use super::{Span, cut, rows, words};

/// Most occurrences that are named with a group, the latest ones.
const MAX_NAMED: usize = 50;
/// Most dwellings that are named with a cause.
const MAX_DWELLINGS: usize = 20;

words! {
    /// By what groups are put together.
    pub enum CauseGrouping {
        /// Category or item of a checklist.
        Category = "category": "类别", "category";
        /// Dwelling in which it comes back (屡犯房屋).
        Dwelling = "dwelling": "房屋", "dwelling";
        /// Owner of the dwellings, or who answers for the enterprise.
        Owner = "owner": "房主或负责人", "owner";
        /// Enterprise in which it comes back.
        Enterprise = "enterprise": "企业单位", "enterprise";
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct RecurrenceFilter {
    /// From here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only cases of this category, and no hazards.
    pub category: Option<String>,
    /// Within so many days it counts as come back.
    pub days: u32,
    /// Causes, too, by this.
    pub by: Option<CauseGrouping>,
    /// How many groups are told, and how many causes.
    pub limit: Option<u32>,
}

/// One time that it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RecurringCase {
    /// The case or hazard.
    pub document: String,
    /// What people call the case by.
    pub number: Option<String>,
    /// When, in milliseconds since 1970.
    pub time_ms: i64,
    /// The case was taken up again.
    pub reopened: bool,
}

/// What came back at one place.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct RecurrenceGroup {
    /// By what its cases are asked for.
    pub first: String,
    /// What is wrong.
    pub subject: Subject,
    /// In Chinese and English, where the town's tables have it.
    pub words: Option<[String; 2]>,
    /// Village or community.
    pub region: String,
    /// By what it is one place.
    pub by: PlaceKind,
    /// The document of the household, dwelling or enterprise.
    pub inspected: Option<String>,
    /// The place in words.
    pub place: Option<String>,
    /// The place on the map.
    pub position: Option<Position>,
    /// How often it happened.
    pub count: u64,
    /// How often of these a closed case was taken up again.
    pub reopened: u64,
    /// The first time, in milliseconds since 1970.
    pub first_ms: i64,
    /// The last time.
    pub last_ms: i64,
    /// Whole days between one time and the next; the last ones, one less than there are `cases`.
    pub intervals_days: Vec<i64>,
    /// The times, the last ones where there are many.
    pub cases: Vec<RecurringCase>,
}

/// What several groups have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Cause {
    /// Code of the category, `checklist.item` of a hazard, or the document of the dwelling or enterprise; `None` of owners, and
    /// of what is in none that is known.
    pub key: Option<String>,
    /// Its name, address, or the owner's name and phone, masked; `None` where it is not known.
    pub name: Option<String>,
    /// Groups.
    pub groups: u64,
    /// How often it happened in them.
    pub count: u64,
    /// How often of these a closed case was taken up again.
    pub reopened: u64,
    /// In how many known dwellings.
    pub dwellings: u64,
    /// Their documents, the first ones where there are many.
    pub households: Vec<String>,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Recurrence {
    /// What happened most often first.
    pub rows: Vec<RecurrenceGroup>,
    /// There are more groups than are told.
    pub truncated: bool,
    /// How many groups there are.
    pub groups: u64,
    /// How often it happened in all of them.
    pub count: u64,
    /// What the groups have in common, where that is asked for; what happened most often first.
    pub causes: Vec<Cause>,
    /// There are more causes than are told.
    pub causes_truncated: bool,
    /// Cases and hazards of the period of which no place is known.
    pub unplaced: u64,
}

/// A part of a series in which each follows within the days.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) series: &'a Series,
    pub(super) occurrences: &'a [Occurrence],
}

/// The parts of a series of which each occurrence follows the one before within so many days.
pub(super) fn runs(series: &Series, days: u32) -> impl Iterator<Item = Run<'_>> {
    let most = i64::from(days) * DAY_MS;
    let follows = move |one: &Occurrence, next: &Occurrence| next.time_ms.saturating_sub(one.time_ms) <= most;
    series.occurrences.chunk_by(follows).map(move |occurrences| Run { series, occurrences })
}

impl Reader {
    /// What comes back at the same place.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn recurrence(&self, filter: &RecurrenceFilter, tables: &Tables) -> Result<Recurrence, QueryError> {
        self.at_once(|| {
            let (series, unplaced) = self.series(&filter.places())?;
            let runs = series.iter().flat_map(|series| runs(series, filter.days));
            let mut found = Vec::new();
            for run in runs.filter(|run| run.occurrences.len() > 1) {
                let first = run.occurrences.first().map_or(0, |one| one.row);
                found.push((self.document_of(first)?, run));
            }
            found.sort_by(|(one_document, one), (other_document, other)| {
                let last = |run: &Run<'_>| run.occurrences.last().map(|one| one.time_ms);
                let merit = |run: &Run<'_>| (run.occurrences.len(), last(run));
                merit(other).cmp(&merit(one)).then_with(|| one_document.cmp(other_document))
            });
            let limit = rows(filter.limit);
            let mut causes = match filter.by {
                Some(by) => self.causes(by, found.iter().map(|(_, run)| run), tables)?,
                None => Vec::new(),
            };
            let causes_truncated = cut(&mut causes, limit);
            let groups = found.len() as u64;
            let count = found.iter().map(|(_, run)| run.occurrences.len() as u64).sum();
            let truncated = cut(&mut found, limit);
            let rows = found.iter().map(|(_, run)| self.group(run, tables)).collect::<Result<_, _>>()?;
            Ok(Recurrence { rows, truncated, groups, count, causes, causes_truncated, unplaced })
        })
    }

    /// Tells a group from others: the document and the time with which it begins, of which a case that was taken up again has more.
    fn key_of(&self, run: &Run<'_>) -> Result<String, QueryError> {
        let Some(first) = run.occurrences.first() else { return Ok(String::new()) };
        Ok(format!("{}@{}", self.document_of(first.row)?, first.time_ms))
    }

    /// Every time of the group with this key ([`RecurrenceGroup::first`]), in the order of time.
    ///
    /// # Errors
    /// [`QueryError`]; [`QueryError::Cursor`] where the page before is not of this list.
    pub fn recurring_cases(
        &self,
        filter: &RecurrenceFilter,
        first: &str,
        page: &Page,
    ) -> Result<Listed<RecurringCase>, QueryError> {
        self.at_once(|| {
            let after: Option<(i64, String)> = page.after.as_deref().map(read_cursor).transpose()?;
            let (series, _) = self.series(&filter.places())?;
            let runs = series.iter().flat_map(|series| runs(series, filter.days));
            let mut all = Vec::new();
            for run in runs.filter(|run| run.occurrences.len() > 1) {
                if self.key_of(&run)? == first {
                    all = run.occurrences.to_vec();
                    break;
                }
            }
            let cases = all.iter().map(|one| self.recurring_case(one)).collect::<Result<Vec<_>, _>>()?;
            let is_next = |case: &RecurringCase| after.as_ref().is_none_or(|after| case.place() > *after);
            let mut rows: Vec<RecurringCase> = cases.into_iter().filter(is_next).collect();
            let has_more = cut(&mut rows, page.limit() as usize);
            let next = rows.last().filter(|_| has_more).map(|case| write_cursor(&case.place()));
            Ok(Listed { rows, next })
        })
    }

    fn group(&self, run: &Run<'_>, tables: &Tables) -> Result<RecurrenceGroup, QueryError> {
        let Run { series, occurrences } = run;
        let inspected = self.inspected(series.place.inspected())?;
        let named = &occurrences[occurrences.len().saturating_sub(MAX_NAMED)..];
        let cases = named.iter().map(|one| self.recurring_case(one)).collect::<Result<Vec<_>, _>>()?;
        let interval = |pair: &[Occurrence]| match pair {
            [one, next] => (next.time_ms - one.time_ms) / DAY_MS,
            _ => 0,
        };
        let place = match &inspected {
            Some(inspected) => Some(inspected.name.clone()),
            None => self.words_of(occurrences.last().map_or(0, |one| one.row))?,
        };
        Ok(RecurrenceGroup {
            first: self.key_of(run)?,
            words: words_of(&series.subject, tables),
            subject: series.subject.clone(),
            region: series.region.clone(),
            by: series.place.kind(),
            inspected: inspected.map(|inspected| inspected.document),
            place,
            position: series.position,
            count: occurrences.len() as u64,
            reopened: reopened(occurrences),
            first_ms: occurrences.first().map_or(0, |one| one.time_ms),
            last_ms: occurrences.last().map_or(0, |one| one.time_ms),
            intervals_days: named.windows(2).map(interval).collect(),
            cases,
        })
    }

    pub(super) fn recurring_case(&self, one: &Occurrence) -> Result<RecurringCase, QueryError> {
        let mut query = Query::default();
        query.and("d.row = ?", [one.row]);
        let select = "d.document, c.number FROM document d LEFT JOIN case_file c ON c.row = d.row";
        let found = query.all(&self.connection, select, "", |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (document, number) = found.into_iter().next().unwrap_or_default();
        Ok(RecurringCase { document, number, time_ms: one.time_ms, reopened: one.reopened })
    }

    fn document_of(&self, row: i64) -> Result<String, QueryError> {
        let mut query = Query::default();
        query.and("row = ?", [row]);
        let found = query.all(&self.connection, "document FROM document", "", |row| row.get(0))?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// The place of a case in words.
    fn words_of(&self, case: i64) -> Result<Option<String>, QueryError> {
        let mut query = Query::default();
        query.and("row = ?", [case]);
        let found = query.all(&self.connection, "place FROM case_file", "", |row| row.get(0))?;
        Ok(found.into_iter().next().flatten())
    }

    fn causes<'a>(
        &self,
        by: CauseGrouping,
        runs: impl Iterator<Item = &'a Run<'a>>,
        tables: &Tables,
    ) -> Result<Vec<Cause>, QueryError> {
        let mut causes: BTreeMap<Option<String>, (Cause, BTreeMap<String, ()>)> = BTreeMap::new();
        for run in runs {
            let inspected = self.inspected(run.series.place.inspected())?;
            let is_enterprise = |one: &&Inspected| one.kind == InspectedKind::Enterprise;
            let enterprise = inspected.as_ref().filter(is_enterprise);
            let dwelling = inspected.as_ref().filter(|one| !is_enterprise(one));
            let (apart, key, name) = match by {
                CauseGrouping::Category => {
                    let code = code_of(&run.series.subject);
                    let name = words_of(&run.series.subject, tables).map(|[chinese, _]| chinese);
                    (Some(code.clone()), Some(code), name)
                }
                CauseGrouping::Dwelling => {
                    let document = dwelling.map(|one| one.document.clone());
                    (document.clone(), document, dwelling.map(|one| one.name.clone()))
                }
                CauseGrouping::Owner => {
                    let owner = inspected.as_ref().and_then(|one| one.owner.clone());
                    (owner, None, inspected.as_ref().and_then(|one| one.masked.clone()))
                }
                CauseGrouping::Enterprise => {
                    let document = enterprise.map(|one| one.document.clone());
                    (document.clone(), document, enterprise.map(|one| one.name.clone()))
                }
            };
            let (cause, dwellings) = causes.entry(apart).or_insert_with(|| (Cause::of(key, name), BTreeMap::new()));
            cause.groups += 1;
            cause.count += run.occurrences.len() as u64;
            cause.reopened += reopened(run.occurrences);
            dwellings.extend(dwelling.map(|one| (one.document.clone(), ())));
        }
        let mut told: Vec<Cause> = causes.into_values().map(|(cause, dwellings)| cause.within(dwellings)).collect();
        // Stable: of those alike the order of their keys stands.
        told.sort_by_key(|cause| std::cmp::Reverse((cause.count, cause.groups)));
        Ok(told)
    }
}

impl RecurrenceFilter {
    fn places(&self) -> PlacesFilter<'_> {
        let span = Span { from_ms: self.from_ms, until_ms: self.until_ms };
        PlacesFilter { span, region: self.region, category: self.category.as_deref(), doubles: false }
    }
}

impl RecurringCase {
    /// Where it stands in the order of time; a case that was taken up again has more than one.
    fn place(&self) -> (i64, String) {
        (self.time_ms, self.document.clone())
    }
}

impl Cause {
    fn of(key: Option<String>, name: Option<String>) -> Self {
        Self { key, name, groups: 0, count: 0, reopened: 0, dwellings: 0, households: Vec::new() }
    }

    fn within(self, dwellings: BTreeMap<String, ()>) -> Self {
        let count = dwellings.len() as u64;
        Self { dwellings: count, households: dwellings.into_keys().take(MAX_DWELLINGS).collect(), ..self }
    }
}

fn reopened(occurrences: &[Occurrence]) -> u64 {
    occurrences.iter().filter(|one| one.reopened).count() as u64
}

/// The code of what is wrong.
pub(super) fn code_of(subject: &Subject) -> String {
    match subject {
        Subject::Category(category) => category.clone(),
        Subject::Hazard { checklist, item } => format!("{checklist}.{item}"),
    }
}

/// What is wrong by the town's tables.
pub(super) fn words_of(subject: &Subject, tables: &Tables) -> Option<[String; 2]> {
    match subject {
        Subject::Category(code) => {
            let row = tables.category(code)?;
            let chinese = row.chinese.clone()?;
            let english = row.english.clone().unwrap_or_else(|| chinese.clone());
            Some([chinese, english])
        }
        Subject::Hazard { checklist, item } => {
            let checklist = tables.checklists().iter().find(|one| one.id == *checklist)?;
            let item = checklist.item(*item)?;
            Some([item.chinese.clone(), item.english.clone()])
        }
    }
}
