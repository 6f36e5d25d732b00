//! Tracks: recorded by the unit itself, read by the centers and by it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{CommandError, Outcome};
use crate::clock::Millis;
use crate::domain::columns::Time;
use crate::domain::date::Day;
use crate::domain::input::{self, Fault, InputError};
use crate::domain::position::Position;
use crate::domain::region::RegionCode;
use crate::domain::track::{self, MAX_POINTS, SealedTrack, TrackPoint};
use crate::entry::Lane;
use crate::id::{DocumentId, NodeId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{Recorded, Replica};
use crate::store::StoreError;

/// A point as a receiver gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fix {
    /// When.
    pub time: Time,
    /// Where.
    pub position: Position,
}

/// What became of points.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TrackRecorded {
    /// Points that were new.
    pub stored: usize,
    /// Points of moments that were known.
    pub repeated: usize,
    /// The documents of this unit and day that grew.
    pub documents: Vec<DocumentId>,
}

/// Where a unit was on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrackRecord {
    /// The document.
    pub id: DocumentId,
    /// The unit.
    pub node: NodeId,
    /// The town's day.
    pub day: Day,
    /// Where it was, in order, one point at each moment.
    pub points: Vec<TrackPoint>,
    /// Records that this node cannot open, or that are none.
    pub unreadable: u32,
}

/// Records where this unit was, in the events of a region, sealed to the centers. Points of moments that are recorded
/// already are skipped.
///
/// # Errors
/// [`CommandError::Input`], [`CommandError::NoCenter`]; nothing is staged then. [`CommandError::Record`].
pub fn record(
    replica: &mut Replica,
    region: RegionCode,
    fixes: &[Fix],
    now: Millis,
) -> Result<Outcome<TrackRecorded>, CommandError> {
    if fixes.is_empty() || fixes.len() > MAX_POINTS {
        let range = 1..=MAX_POINTS as u64;
        return Err(InputError::new("points", Fault::Number { got: fixes.len() as u64, range }).into());
    }
    for (place, fix) in fixes.iter().enumerate() {
        input::time(&format!("points[{place}].time_ms"), fix.time.0)?;
    }
    // Before a month is opened for it.
    replica.knows_center()?;
    let mut days: BTreeMap<Day, Vec<TrackPoint>> = BTreeMap::new();
    for point in track::merge(fixes.iter().map(|fix| TrackPoint::new(fix.time.0, fix.position)).collect()) {
        days.entry(point.day()).or_default().push(point);
    }
    let mut result = TrackRecorded { repeated: fixes.len(), ..TrackRecorded::default() };
    let (mut last, mut is_new) = (None, true);
    for (day, points) in days {
        let (year, month, _) = day.calendar();
        let wanted = Namespace::events(&region.to_string(), &format!("{year:04}-{month:02}"));
        let namespace = replica.period(&wanted, now)?;
        let key = track::natural_key(replica.node(), day);
        let document = replica.document_id(&namespace, DocumentKind::Track, &key)?;
        let known = read(replica, &namespace, document)?;
        is_new &= known.is_none();
        let known: BTreeSet<i64> = known.into_iter().flat_map(|track| track.points).map(|point| point.time_s).collect();
        let fresh: Vec<TrackPoint> = points.into_iter().filter(|point| !known.contains(&point.time_s)).collect();
        if fresh.is_empty() {
            continue;
        }
        last = Some(put(replica, &namespace, document, &fresh, now)?);
        result.stored += fresh.len();
        result.documents.push(document);
    }
    result.repeated -= result.stored;
    Ok(match last {
        None => Outcome::Unchanged(result),
        Some(recorded) if is_new => Outcome::Created(result, recorded),
        Some(recorded) => Outcome::Changed(result, recorded),
    })
}

fn put(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    points: &[TrackPoint],
    now: Millis,
) -> Result<Recorded, CommandError> {
    let sealed = replica.seal_for_centers(document, &track::encode(points))?;
    Ok(replica.put(namespace, DocumentKind::Track, document, sealed.to_bytes(), Lane::Telemetry, now)?)
}

/// Reads where a unit was on a day; `None` where this node can open nothing of it. Only what the unit itself signed
/// counts, and only under the id of its own day.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<TrackRecord>, StoreError> {
    let mut found: Option<TrackRecord> = None;
    let (mut points, mut unreadable) = (vec![], 0);
    for record in replica.records(replica.namespace_id(namespace), document)? {
        let opened = SealedTrack::from_bytes(&record.bytes).ok();
        let opened = opened.and_then(|sealed| replica.open_confidential(document, &sealed));
        let Some(part) = opened.and_then(|plain| track::decode(&plain, MAX_POINTS).ok()) else {
            unreadable += 1;
            continue;
        };
        let Some(day) = part.first().map(|point| point.day()) else { continue };
        let own = replica.document_id(namespace, DocumentKind::Track, &track::natural_key(record.author, day));
        let is_of_day = part.iter().all(|point| point.day() == day);
        if own.ok() != Some(document) || !is_of_day {
            unreadable += 1;
            continue;
        }
        if record.void {
            continue;
        }
        let node = record.author;
        found.get_or_insert(TrackRecord { id: document, node, day, points: vec![], unreadable: 0 });
        points.extend(part);
    }
    Ok(found.map(|track| TrackRecord { points: track::merge(points), unreadable, ..track }))
}
