//! Proposals for campaigns (专项行动建议): squares of the map in which one problem gathers, with how it should be handled.
//!
//! As `DOMAIN.md` has it: one department alone for common problems, two or more jointly for regional and recurring ones,
//! comprehensive enforcement for the stubborn ones. What that means in numbers is a judgement; the constants below say which, and why.

use std::collections::BTreeMap;

use serde::Serialize;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::{Tables, Threshold};
use townmesh_crdt::policy::DocumentKind;

use super::super::cases::CaseRow;
use super::super::query::Query;
use super::super::reader::{QueryError, Reader};
use super::hours::DAY_MS;
use super::places::{Occurrence, PlacesFilter, Series, Subject};
use super::recurrence::{RecurringCase, runs, words_of};
use super::square::Square;
use super::{Span, cut, rows, words};

/// Most cases that are named with a proposal, the latest ones.
const MAX_NAMED: usize = 20;

words! {
    /// How a problem should be handled.
    pub enum HandlingForm {
        /// By the department whose matter it is.
        Alone = "alone": "单独处置", "one department alone";
        /// By two or more.
        Joint = "joint": "联合处置", "two or more jointly";
        /// By all that enforce.
        Comprehensive = "comprehensive": "综合执法", "comprehensive enforcement";
    }
}

/// Where proposals are looked for.
#[derive(Debug, Clone, Default)]
pub struct ProposalsFilter {
    /// From here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only cases of this category, and no hazards.
    pub category: Option<String>,
    /// Within so many days something counts as come back.
    pub days: u32,
    /// How many are told.
    pub limit: Option<u32>,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Proposal {
    /// Where.
    pub square: Square,
    /// Its middle.
    pub centre: Option<Position>,
    /// The village or community in which most of it lies.
    pub region: String,
    /// What is wrong.
    pub subject: Subject,
    /// In Chinese and English, where the town's tables have it.
    pub words: Option<[String; 2]>,
    /// How often it happened.
    pub count: u64,
    /// At how many places.
    pub places: u64,
    /// At how many of them it came back within the days.
    pub recurring: u64,
    /// How often it happened at the one where it came back most.
    pub most: u64,
    /// Households in the square: the worklist of the campaign.
    pub households: u64,
    /// How it should be handled.
    pub form: HandlingForm,
    /// Why, in Chinese and English.
    pub reason: [String; 2],
    /// The latest cases and hazards behind it.
    pub cases: Vec<RecurringCase>,
}

/// Proposals for campaigns.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Proposals {
    /// What happened most often first.
    pub rows: Vec<Proposal>,
    /// There are more than are told.
    pub truncated: bool,
    /// Cases and hazards of the period that have no place on the map.
    pub unplaced: u64,
}

/// How one case should be handled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SuggestedForm {
    /// The form.
    pub form: HandlingForm,
    /// Why, in Chinese and English.
    pub reason: [String; 2],
    /// How often the same happened about there in the days before, this case among them.
    pub count: u64,
}

/// What gathers in one square.
#[derive(Debug, Default)]
struct Gathering {
    regions: BTreeMap<String, u64>,
    count: u64,
    places: u64,
    recurring: u64,
    most: u64,
    occurrences: Vec<Occurrence>,
}

impl Gathering {
    fn add(&mut self, series: &Series, days: u32) {
        let count = series.occurrences.len() as u64;
        let most = runs(series, days).map(|run| run.occurrences.len() as u64).max().unwrap_or(0);
        *self.regions.entry(series.region.clone()).or_default() += count;
        self.count += count;
        self.places += 1;
        self.recurring += u64::from(most > 1);
        self.most = self.most.max(most);
        self.occurrences.extend(&series.occurrences);
    }

    fn form(&self, days: u32, tables: &Tables) -> (HandlingForm, [String; 2]) {
        let Self { places, recurring, most, .. } = self;
        if *most >= u64::from(tables.threshold(Threshold::StubbornTimes)) {
            let zh = format!("同一处反复发生 {most} 次，每次距上次不超过 {days} 天");
            let en = format!("{most} times at one place, each within {days} days of the one before");
            return (HandlingForm::Comprehensive, [zh, en]);
        }
        if *recurring > 0 {
            let zh = format!("{recurring} 处在 {days} 天内再次发生");
            return (HandlingForm::Joint, [zh, format!("came back within {days} days at {recurring} places")]);
        }
        if *places >= u64::from(tables.threshold(Threshold::RegionalPlaces)) {
            return (HandlingForm::Joint, [format!("分布于 {places} 处"), format!("at {places} places of one square")]);
        }
        (HandlingForm::Alone, ["未见重复发生".to_owned(), "nothing came back".to_owned()])
    }
}

impl Reader {
    /// Where campaigns are called for.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn proposals(&self, filter: &ProposalsFilter, tables: &Tables) -> Result<Proposals, QueryError> {
        self.at_once(|| {
            let places = PlacesFilter {
                span: Span { from_ms: filter.from_ms, until_ms: filter.until_ms },
                region: filter.region,
                category: filter.category.as_deref(),
                doubles: false,
            };
            let (series, mut unplaced) = self.series(&places)?;
            let mut gathered: BTreeMap<(Square, &Subject), Gathering> = BTreeMap::new();
            for one in &series {
                match one.position {
                    Some(position) => {
                        gathered.entry((Square::of(position), &one.subject)).or_default().add(one, filter.days);
                    }
                    None => unplaced += one.occurrences.len() as u64,
                }
            }
            let least = u64::from(tables.threshold(Threshold::CampaignLeast));
            let mut all: Vec<_> = gathered.into_iter().filter(|(_, found)| found.count >= least).collect();
            // Stable: of those alike the order of squares and subjects stands.
            all.sort_by_key(|(_, found)| std::cmp::Reverse((found.count, found.recurring)));
            let truncated = cut(&mut all, rows(filter.limit));
            let told = all
                .into_iter()
                .map(|((square, subject), found)| self.proposal((square, subject), found, filter, tables));
            Ok(Proposals { rows: told.collect::<Result<_, _>>()?, truncated, unplaced })
        })
    }

    /// How a case should be handled, by what happened about its place in the days before and since: in its square, or at its
    /// place alone where it is not on the map. `None` where it has no category or place that is known.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn suggested_form(
        &self,
        case: &CaseRow,
        now_ms: i64,
        tables: &Tables,
    ) -> Result<Option<SuggestedForm>, QueryError> {
        let Some(category) = case.category.as_deref() else { return Ok(None) };
        let before = case.reported_ms.saturating_sub(i64::from(tables.threshold(Threshold::LookedBackDays)) * DAY_MS);
        let places = PlacesFilter {
            span: Span { from_ms: before, until_ms: now_ms.max(case.reported_ms).saturating_add(1) },
            region: case.region.parse().ok(),
            category: Some(category),
            doubles: false,
        };
        self.at_once(|| {
            let mut query = Query::default();
            query.equals("document", Some(&case.document));
            let row = query.all(&self.connection, "row FROM document", "LIMIT 1", |row| row.get::<_, i64>(0))?;
            let (series, _) = self.series(&places)?;
            let is_own = |one: &&Series| one.occurrences.iter().any(|occurrence| Some(&occurrence.row) == row.first());
            let Some(own) = series.iter().find(is_own) else { return Ok(None) };
            let square = own.position.map(Square::of);
            let about = series.iter().filter(|one| {
                let is_near = square.is_some() && one.position.map(Square::of) == square;
                std::ptr::eq(*one, own) || (is_near && one.subject == own.subject)
            });
            let mut found = Gathering::default();
            let days = tables.threshold(Threshold::RecurringDays);
            about.for_each(|one| found.add(one, days));
            let (form, reason) = found.form(days, tables);
            Ok(Some(SuggestedForm { form, reason, count: found.count }))
        })
    }

    fn proposal(
        &self,
        (square, subject): (Square, &Subject),
        mut found: Gathering,
        filter: &ProposalsFilter,
        tables: &Tables,
    ) -> Result<Proposal, QueryError> {
        let (form, reason) = found.form(filter.days, tables);
        found.occurrences.sort_unstable_by_key(|one| std::cmp::Reverse(one.order));
        let named = found.occurrences.iter().take(MAX_NAMED);
        // Of regions alike the first by its code.
        let region = found.regions.iter().max_by(|one, other| one.1.cmp(other.1).then(other.0.cmp(one.0)));
        Ok(Proposal {
            square,
            centre: square.centre(),
            region: region.map(|(code, _)| code.clone()).unwrap_or_default(),
            subject: subject.clone(),
            words: words_of(subject, tables),
            count: found.count,
            places: found.places,
            recurring: found.recurring,
            most: found.most,
            households: self.households_in(square, filter.region)?,
            form,
            reason,
            cases: named.map(|one| self.recurring_case(one)).collect::<Result<_, _>>()?,
        })
    }

    fn households_in(&self, square: Square, region: Option<RegionCode>) -> Result<u64, QueryError> {
        let Some(bounds) = square.bounds() else { return Ok(0) };
        let mut query = Query::default();
        query.region("h.region", region);
        query.within("h.row", DocumentKind::Household, Some(bounds));
        let found = query.all(&self.connection, "count(*) FROM household h", "", |row| row.get::<_, i64>(0))?;
        Ok(found.first().copied().unwrap_or(0).cast_unsigned())
    }
}
