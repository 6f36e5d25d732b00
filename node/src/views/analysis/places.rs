//! What was reported or found at which place, in the order of time: what recurrence and campaigns are made of.
//!
//! Two cases of one category are at the same place if they were made of hazards in one household, dwelling or enterprise; else if they lie within
//! [`SAME_PLACE_METRES`] of the first one there; else, where neither has a place on the map, if one village calls the place by
//! the same words. Cases of two ways of being placed are not taken for one place. Measuring from the first one, not from
//! the nearest, keeps a street full of cases from becoming one place. A hazard is at the same place if the same item was
//! found there.

use std::collections::{BTreeMap, HashMap};

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::key;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::super::query::{Query, position};
use super::super::reader::{QueryError, Reader};
use super::square::metres_between;
use super::{PROBLEM, Span, has_case, words};

/// As near as this, in metres, is the same place: what a phone's receiver and a finger on the map are sure of.
pub(super) const SAME_PLACE_METRES: f64 = 50.0;
/// Sides of the boxes in which the places near another are looked for, in units of 1e-7 degrees: 50 metres of latitude, and
/// of longitude up to 60 degrees north.
const NEAR: [i32; 2] = [4_500, 9_000];

words! {
    /// By what two cases are at the same place.
    pub enum PlaceKind {
        /// In one household, dwelling or enterprise.
        Inspected = "inspected": "同一受检对象", "same household, dwelling or enterprise";
        /// Near each other on the map.
        Position = "position": "位置相近", "near each other";
        /// In words of the same village.
        Words = "words": "地点文字相同", "same words";
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A case of this category.
    Category(String),
    /// A hazard.
    Hazard {
        /// Number of the checklist.
        checklist: u16,
        /// Item of the checklist.
        item: u16,
    },
}

/// One report, reopening or hazard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Occurrence {
    pub(super) time_ms: i64,
    /// Its place in the order of time and documents, which is the same on every node.
    pub(super) order: usize,
    /// Of the case or hazard.
    pub(super) row: i64,
    /// A case that was taken up again because it had come back.
    pub(super) reopened: bool,
    /// When it was done with, in milliseconds since 1970; `None` while it is not.
    ended_ms: Option<i64>,
    /// When the case was done with before it was taken up again.
    ended_before_ms: Option<i64>,
    subject: usize,
    region: usize,
    /// The household, dwelling or enterprise, by its document.
    subject_row: Option<i64>,
    position: Option<Position>,
    words: Option<usize>,
}

/// A place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Place {
    /// A household, dwelling or enterprise.
    Inspected(i64),
    /// By the occurrence that was the first there.
    Near(usize),
    Words(usize, usize),
}

impl Place {
    pub(super) fn kind(self) -> PlaceKind {
        match self {
            Self::Inspected(_) => PlaceKind::Inspected,
            Self::Near(_) => PlaceKind::Position,
            Self::Words(..) => PlaceKind::Words,
        }
    }

    /// The row of what was inspected there.
    pub(super) fn inspected(self) -> Option<i64> {
        match self {
            Self::Inspected(row) => Some(row),
            Self::Near(_) | Self::Words(..) => None,
        }
    }
}

/// What happened at one place, in the order of time.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) subject: Subject,
    pub(super) region: String,
    pub(super) place: Place,
    /// Where that is.
    pub(super) position: Option<Position>,
    pub(super) occurrences: Vec<Occurrence>,
}

/// Texts, each once.
#[derive(Debug)]
struct Texts<T> {
    numbers: HashMap<T, usize>,
}

impl<T> Default for Texts<T> {
    fn default() -> Self {
        Self { numbers: HashMap::new() }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Texts<T> {
    fn number(&mut self, text: T) -> usize {
        let next = self.numbers.len();
        *self.numbers.entry(text).or_insert(next)
    }

    fn list(self) -> Vec<T> {
        let mut all: Vec<(T, usize)> = self.numbers.into_iter().collect();
        all.sort_unstable_by_key(|(_, number)| *number);
        all.into_iter().map(|(text, _)| text).collect()
    }
}

/// What is looked at.
#[derive(Debug, Clone)]
pub(super) struct PlacesFilter<'a> {
    pub(super) span: Span,
    pub(super) region: Option<RegionCode>,
    /// Only cases of this category, and no hazards.
    pub(super) category: Option<&'a str>,
    /// What was reported while the one before was not done with, too.
    pub(super) doubles: bool,
}

#[derive(Debug, Default)]
struct Occurrences {
    all: Vec<Occurrence>,
    subjects: Texts<Subject>,
    regions: Texts<String>,
    words: Texts<String>,
}

/// Cases that somebody took in under a category.
const TAKEN_IN: &str = "(c.filed_ms IS NOT NULL OR c.state = 'closed') AND c.category IS NOT NULL";
/// What the hazard is in that a case was made of. A grid is no one place.
const OF_CASE: &str = "case_file c JOIN document d ON d.row = c.row LEFT JOIN hazard z ON z.row = \
    (SELECT one.row FROM hazard one WHERE one.case_document = d.document ORDER BY one.household, one.found_ms LIMIT 1) \
    LEFT JOIN document s ON s.document = z.household AND s.kind IN ('household', 'dwelling', 'enterprise')";
const CASE_COLUMNS: &str = "c.row, c.category, c.region, c.place, s.row AS subject_row, \
    COALESCE(c.latitude, z.latitude) AS latitude, COALESCE(c.longitude, z.longitude) AS longitude, \
    COALESCE(c.handled_ms, c.closed_ms, CASE WHEN c.state = 'closed' THEN c.reported_ms END) AS ended_ms";

impl Reader {
    /// What happened where in a period, and how much of it at no known place. By subject, region and place.
    pub(super) fn series(&self, filter: &PlacesFilter<'_>) -> Result<(Vec<Series>, u64), QueryError> {
        let mut found = Occurrences::default();
        let Span { from_ms, until_ms } = filter.span;
        let cases = |time: &str| {
            let mut query = Query::default();
            query.between(time, Some(from_ms), Some(until_ms));
            query.region("c.region", filter.region);
            query.equals("c.category", filter.category);
            query.and::<Value>(PROBLEM, []);
            // What nobody took in may be the double of another; what has no category is like nothing.
            query.and::<Value>(TAKEN_IN, []);
            query
        };
        let select = format!("{CASE_COLUMNS}, c.reported_ms AS time_ms, 0 AS reopened FROM {OF_CASE}");
        let last = "ORDER BY c.reported_ms, d.document";
        cases("c.reported_ms").all(&self.connection, &select, last, |row| found.case(row))?;
        let select = format!(
            "{CASE_COLUMNS}, e.time_ms, 1 AS reopened, (SELECT max(x.time_ms) FROM case_event x WHERE x.row = e.row \
             AND x.place < e.place AND x.step = 'close' AND x.effect IN ('\"applied\"', '\"applied_late\"')) AS ended_before_ms \
             FROM case_event e JOIN {}",
            OF_CASE.replacen("JOIN document", "ON c.row = e.row JOIN document", 1)
        );
        let mut reopened = cases("e.time_ms");
        // A literal, so that SQLite sees that the index of reopenings covers it.
        reopened.and::<Value>("e.step = 'reopen' AND e.effect IN ('\"applied\"', '\"applied_late\"')", []);
        // Where a callback found it unsolved it never went away.
        reopened.and::<Value>("json_extract(e.action, '$.reopen.cause') = 'recurrence'", []);
        let last = "ORDER BY e.time_ms, d.document, e.place";
        reopened.all(&self.connection, &select, last, |row| found.case(row))?;
        if filter.category.is_none() {
            let mut query = Query::default();
            query.between("z.found_ms", Some(from_ms), Some(until_ms));
            query.region("z.region", filter.region);
            // Counted as a case above, where somebody took that in.
            query.and::<Value>(&format!("NOT {}", has_case(TAKEN_IN)), []);
            let select = "z.row, z.checklist, z.item, z.region, z.found_ms AS time_ms, s.row AS subject_row, z.latitude, \
                 z.longitude, CASE WHEN z.state = 'closed' THEN z.changed_ms END AS ended_ms FROM hazard z JOIN document zd ON zd.row = z.row \
                 LEFT JOIN document s ON s.document = z.household AND s.kind IN ('household', 'dwelling', 'enterprise')";
            query.all(&self.connection, select, "ORDER BY z.found_ms, zd.document", |row| found.hazard(row))?;
        }
        Ok(found.by_place(filter.doubles))
    }
}

impl Occurrences {
    fn case(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let subject = Subject::Category(row.get("category")?);
        let words: Option<String> = row.get("place")?;
        let words = words.map(|words| key::normalise(&words)).filter(|words| !words.is_empty());
        self.take(row, subject, words, row.get("reopened")?)
    }

    fn hazard(&mut self, row: &Row<'_>) -> rusqlite::Result<()> {
        let (checklist, item): (Option<u16>, Option<u16>) = (row.get("checklist")?, row.get("item")?);
        let Some((checklist, item)) = checklist.zip(item) else { return Ok(()) };
        self.take(row, Subject::Hazard { checklist, item }, None, false)
    }

    fn take(&mut self, row: &Row<'_>, subject: Subject, words: Option<String>, reopened: bool) -> rusqlite::Result<()> {
        self.all.push(Occurrence {
            time_ms: row.get("time_ms")?,
            order: 0,
            row: row.get("row")?,
            reopened,
            ended_ms: row.get("ended_ms")?,
            ended_before_ms: if reopened { row.get("ended_before_ms")? } else { None },
            subject: self.subjects.number(subject),
            region: self.regions.number(row.get("region")?),
            subject_row: row.get("subject_row")?,
            position: position(row)?,
            words: words.map(|words| self.words.number(words)),
        });
        Ok(())
    }

    fn by_place(mut self, doubles: bool) -> (Vec<Series>, u64) {
        // Stable: what is of one moment stays in the order of the documents.
        self.all.sort_by_key(|one| one.time_ms);
        (0..).zip(&mut self.all).for_each(|(order, one)| one.order = order);
        self.end_lives();
        let mut anchors = Anchors::default();
        let mut series: BTreeMap<(usize, Place), Vec<Occurrence>> = BTreeMap::new();
        let mut unplaced = 0;
        for one in &self.all {
            match anchors.place(one) {
                Some(place) => series.entry((one.subject, place)).or_default().push(*one),
                None => unplaced += 1,
            }
        }
        let (subjects, regions) = (self.subjects.list(), self.regions.list());
        let told = series.into_iter().filter_map(|((subject, place), occurrences)| {
            let first = *occurrences.first()?;
            Some(Series {
                subject: subjects.get(subject)?.clone(),
                region: regions.get(first.region)?.clone(),
                place,
                position: first.position,
                occurrences: if doubles { occurrences } else { without_doubles(occurrences) },
            })
        });
        (told.collect(), unplaced)
    }
}

impl Occurrences {
    /// A case that was taken up again was done with in between.
    fn end_lives(&mut self) {
        let mut last: HashMap<i64, usize> = HashMap::new();
        for place in 0..self.all.len() {
            let Some(one) = self.all.get(place).copied() else { continue };
            let before = last.insert(one.row, place).filter(|_| one.reopened);
            if let Some(before) = before.and_then(|before| self.all.get_mut(before)) {
                before.ended_ms = one.ended_before_ms.or(before.ended_ms);
            }
        }
    }
}

/// What was reported while the one before was not done with is the same once more, and has not come back.
pub(super) fn without_doubles(mut all: Vec<Occurrence>) -> Vec<Occurrence> {
    let mut until_ms = i64::MIN;
    all.retain(|one| {
        let is_new = one.reopened || one.time_ms >= until_ms;
        until_ms = until_ms.max(one.ended_ms.unwrap_or(i64::MAX));
        is_new
    });
    all
}

/// The first occurrences at places on the map, by subject and box.
#[derive(Debug, Default)]
struct Anchors {
    boxes: HashMap<(usize, i32, i32), Vec<(usize, Position)>>,
}

impl Anchors {
    fn place(&mut self, one: &Occurrence) -> Option<Place> {
        if let Some(inspected) = one.subject_row {
            return Some(Place::Inspected(inspected));
        }
        let Some(position) = one.position else { return Some(Place::Words(one.region, one.words?)) };
        let (latitude, longitude) = position.e7();
        let at = (latitude.div_euclid(NEAR[0]), longitude.div_euclid(NEAR[1]));
        let boxes = (-1..=1).flat_map(|up| (-1..=1).map(move |right| (one.subject, at.0 + up, at.1 + right)));
        let near = boxes.filter_map(|key| self.boxes.get(&key)).flatten();
        let far = near.map(|(anchor, place)| (metres_between(position, *place), *anchor));
        let nearest = far
            .filter(|(metres, _)| *metres <= SAME_PLACE_METRES)
            .min_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let anchor = match nearest {
            Some((_, anchor)) => anchor,
            None => {
                self.boxes.entry((one.subject, at.0, at.1)).or_default().push((one.order, position));
                one.order
            }
        };
        Some(Place::Near(anchor))
    }
}
