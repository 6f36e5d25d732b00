//! Repeat offenders (屡犯): in whose dwelling or enterprise, or by which vehicle, something is found again and again, whatever it is
//! and wherever.
//!
//! What is counted is what recurrence counts: reports, reopenings and findings, of which none came while the same one before
//! was not done with. A vehicle is known by the plates that cases name in their words, whether it is registered or not. Owners
//! are told apart by what is recorded of them and shown masked.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use townmesh_crdt::domain::books::plates_in;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;

use super::super::query::Query;
use super::super::reader::{QueryError, Reader};
use super::inspected::{Inspected, InspectedKind};
use super::places::{Occurrence, Place, PlacesFilter, Series, Subject, without_doubles};
use super::recurrence::{code_of, words_of};
use super::{RecurringCase, Span, cut, rows, words};

/// Most occurrences that are named with an offender, the latest ones.
const MAX_NAMED: usize = 50;

words! {
    /// Who offends.
    pub enum OffenderKind {
        /// Owner of dwellings, or who answers for an enterprise.
        Owner = "owner": "房主或负责人", "owner";
        /// Dwelling or household.
        Dwelling = "dwelling": "房屋", "dwelling";
        /// Enterprise.
        Enterprise = "enterprise": "企业单位", "enterprise";
        /// Vehicle that cases name.
        Vehicle = "vehicle": "车辆", "vehicle";
    }
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct OffendersFilter {
    /// Who.
    pub kind: OffenderKind,
    /// From here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only cases of this category, and no hazards.
    pub category: Option<String>,
    /// At least so often.
    pub least: u32,
    /// How many offenders are told.
    pub limit: Option<u32>,
}

/// What somebody does again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Offence {
    /// Code of the category, or `checklist.item` of a hazard.
    pub code: String,
    /// In Chinese and English, where the town's tables have it.
    pub words: Option<[String; 2]>,
    /// How often.
    pub count: u64,
}

/// A repeat offender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Offender {
    /// The document of the dwelling or enterprise, or the plate; `None` of owners.
    pub key: Option<String>,
    /// Address, name of the enterprise, plate, or the owner's name and phone, masked.
    pub name: String,
    /// Villages and communities in which it happened.
    pub regions: Vec<String>,
    /// How often it happened.
    pub count: u64,
    /// How often of these a closed case was taken up again.
    pub reopened: u64,
    /// What, the most frequent first.
    pub offences: Vec<Offence>,
    /// At how many places, of which those that are only near each other count once for each kind of offence.
    pub places: u64,
    /// The first time, in milliseconds since 1970.
    pub first_ms: i64,
    /// The last time.
    pub last_ms: i64,
    /// The times, the last ones where there are many.
    pub cases: Vec<RecurringCase>,
}

/// Who offends again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Offenders {
    /// Whoever does so most often first.
    pub rows: Vec<Offender>,
    /// There are more than are told.
    pub truncated: bool,
    /// How many there are.
    pub offenders: u64,
    /// Cases and hazards of the period that name nobody of this kind.
    pub unknown: u64,
}

/// What is gathered of one offender.
#[derive(Debug, Default)]
struct Gathered {
    key: Option<String>,
    name: String,
    /// The occurrence that named them so.
    named: Option<usize>,
    regions: BTreeSet<String>,
    offences: BTreeMap<Subject, u64>,
    places: BTreeSet<Place>,
    occurrences: Vec<Occurrence>,
}

impl Reader {
    /// Who offends at least so often within the period.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn offenders(&self, filter: &OffendersFilter, tables: &Tables) -> Result<Offenders, QueryError> {
        self.at_once(|| {
            let (gathered, unknown) = self.gathered(filter)?;
            let least = u64::from(filter.least.max(1));
            let mut found: Vec<(String, Gathered)> =
                gathered.into_iter().filter(|(_, one)| one.occurrences.len() as u64 >= least).collect();
            found.sort_by(|(one_key, one), (other_key, other)| {
                let last = |one: &Gathered| one.occurrences.iter().map(|at| at.time_ms).max();
                let merit = |one: &Gathered| (one.occurrences.len(), last(one));
                merit(other).cmp(&merit(one)).then_with(|| one_key.cmp(other_key))
            });
            let offenders = found.len() as u64;
            let truncated = cut(&mut found, rows(filter.limit));
            let rows = found.into_iter().map(|(_, one)| self.offender(one, tables)).collect::<Result<_, _>>()?;
            Ok(Offenders { rows, truncated, offenders, unknown })
        })
    }

    /// What happened, by offender; and how much of it by nobody who is known.
    fn gathered(&self, filter: &OffendersFilter) -> Result<(BTreeMap<String, Gathered>, u64), QueryError> {
        let span = Span { from_ms: filter.from_ms, until_ms: filter.until_ms };
        // Two cars at one place are two offenders, whichever was reported while the other's case was open.
        let doubles = filter.kind == OffenderKind::Vehicle;
        let places = PlacesFilter { span, region: filter.region, category: filter.category.as_deref(), doubles };
        let (all, unplaced) = self.series(&places)?;
        let mut gathered: BTreeMap<String, Gathered> = BTreeMap::new();
        // What is at no place is in no dwelling; plates are looked for in the words of what has a place, in words or on the map.
        let mut unknown = unplaced;
        for series in &all {
            let (named, nobody) = self.offenders_of(series, filter.kind)?;
            unknown += nobody;
            for (apart, (key, name, occurrences)) in named {
                let one = gathered.entry(apart).or_insert_with(|| Gathered { key, ..Gathered::default() });
                one.places.insert(series.place);
                one.regions.insert(series.region.clone());
                *one.offences.entry(series.subject.clone()).or_default() += occurrences.len() as u64;
                // What they were called last, which is the same on every node.
                let last = occurrences.last().map(|occurrence| occurrence.order);
                if one.named.is_none() || last > one.named {
                    (one.name, one.named) = (name, last);
                }
                one.occurrences.extend(occurrences);
            }
        }
        Ok((gathered, unknown))
    }

    /// Who offended in a series, each with their occurrences; and of how many nobody is known.
    fn offenders_of(&self, series: &Series, kind: OffenderKind) -> Result<(BTreeMap<String, Named>, u64), QueryError> {
        let mut named: BTreeMap<String, Named> = BTreeMap::new();
        if kind != OffenderKind::Vehicle {
            let offender = self.inspected(series.place.inspected())?.and_then(|one| offender_of(kind, &one));
            let Some((apart, key, name)) = offender else { return Ok((named, series.occurrences.len() as u64)) };
            named.insert(apart, (key, name, series.occurrences.clone()));
            return Ok((named, 0));
        }
        let mut nobody = 0;
        for occurrence in &series.occurrences {
            let plates = self.vehicles(occurrence.row)?;
            nobody += u64::from(plates.is_empty());
            for plate in plates {
                let one = named.entry(plate.clone()).or_insert_with(|| (Some(plate.clone()), plate, Vec::new()));
                one.2.push(*occurrence);
            }
        }
        named.values_mut().for_each(|one| one.2 = without_doubles(std::mem::take(&mut one.2)));
        Ok((named, nobody))
    }

    /// The plates that a case names in its words.
    fn vehicles(&self, row: i64) -> Result<Vec<String>, QueryError> {
        let mut query = Query::default();
        query.and("row = ?", [row]);
        let select = "COALESCE(place, '') || char(10) || COALESCE(description, '') FROM case_file";
        let texts = query.all(&self.connection, select, "", |row| row.get::<_, String>(0))?;
        Ok(texts.iter().flat_map(|text| plates_in(text)).collect())
    }

    fn offender(&self, mut one: Gathered, tables: &Tables) -> Result<Offender, QueryError> {
        one.occurrences.sort_by_key(|occurrence| occurrence.order);
        let all = &one.occurrences;
        let named = &all[all.len().saturating_sub(MAX_NAMED)..];
        let mut offences: Vec<Offence> = one
            .offences
            .iter()
            .map(|(subject, count)| Offence { code: code_of(subject), words: words_of(subject, tables), count: *count })
            .collect();
        // Stable: of those alike the order of their codes stands.
        offences.sort_by_key(|offence| std::cmp::Reverse(offence.count));
        Ok(Offender {
            key: one.key,
            name: one.name,
            regions: one.regions.into_iter().collect(),
            count: all.len() as u64,
            reopened: all.iter().filter(|occurrence| occurrence.reopened).count() as u64,
            offences,
            places: one.places.len() as u64,
            first_ms: all.first().map_or(0, |occurrence| occurrence.time_ms),
            last_ms: all.last().map_or(0, |occurrence| occurrence.time_ms),
            cases: named.iter().map(|occurrence| self.recurring_case(occurrence)).collect::<Result<_, _>>()?,
        })
    }
}

/// The key that is shown of an offender, the name, and what they did in a series.
type Named = (Option<String>, String, Vec<Occurrence>);

/// By what the offender of what was inspected is told from others, the key that is shown, and the name.
fn offender_of(kind: OffenderKind, inspected: &Inspected) -> Option<(String, Option<String>, String)> {
    let document = || (inspected.document.clone(), Some(inspected.document.clone()), inspected.name.clone());
    match (kind, inspected.kind) {
        (OffenderKind::Owner, _) => Some((inspected.owner.clone()?, None, inspected.masked.clone()?)),
        (OffenderKind::Dwelling, InspectedKind::Household | InspectedKind::Dwelling) => Some(document()),
        (OffenderKind::Enterprise, InspectedKind::Enterprise) => Some(document()),
        (OffenderKind::Dwelling, InspectedKind::Enterprise)
        | (OffenderKind::Enterprise, InspectedKind::Household | InspectedKind::Dwelling)
        | (OffenderKind::Vehicle, _) => None,
    }
}
