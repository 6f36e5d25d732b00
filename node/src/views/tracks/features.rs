//! Tracks as features of the map. Whoever shows one notes why before.

use rusqlite::Row;
use townmesh_crdt::domain::track;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::policy::DocumentKind;

use super::{MOST_POINTS, TrackRow, line, track_row};
use crate::moment::Moment;
use crate::views::features::{Feature, FeatureFilter, Geometry, Properties};
use crate::views::query::{Listed, Order, Page, Query};
use crate::views::reader::{QueryError, Reader};

/// Most tracks of a page.
pub const MAX_TRACKS: u32 = 50;
/// Tracks of a page where the caller names no number.
pub const DEFAULT_TRACKS: u32 = 10;
/// Most points of a page that holds more than one track: some ten megabytes of GeoJSON.
const MOST_POINTS_OF_PAGE: u64 = 200_000;

const FROM: &str = "track t JOIN document d ON d.row = t.row";

impl Reader {
    /// A page of tracks: those whose line meets the box and whose time meets the interval.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn track_features(&self, filter: &FeatureFilter, page: &Page) -> Result<Listed<Feature>, QueryError> {
        self.tracks_of_page(filter, page, MOST_POINTS_OF_PAGE)
    }

    /// A page that ends before the track with which it would have more points than this.
    pub(in crate::views) fn tracks_of_page(
        &self,
        filter: &FeatureFilter,
        page: &Page,
        most: u64,
    ) -> Result<Listed<Feature>, QueryError> {
        let mut query = Query::default();
        query.region("t.region", filter.region);
        query.between("t.until_ms", filter.from_ms, None);
        query.between("t.from_ms", None, filter.until_ms);
        query.within("t.row", DocumentKind::Track, filter.bounds);
        let limit = page.limit.unwrap_or(DEFAULT_TRACKS).clamp(1, MAX_TRACKS);
        let order = Order { columns: &["t.row"], descending: false };
        let after = page.after.as_deref();
        let mut listed = self.at_once(|| {
            let count = |row: &Row<'_>| row.get::<_, i64>("count").map(i64::cast_unsigned);
            let counts = query.clone().list_some(&self.connection, ("t.count", FROM), &order, (limit, after), count)?;
            let mut points = 0_u64;
            let fit = counts.rows.iter().take_while(|count| {
                points = points.saturating_add(**count);
                points <= most
            });
            let fit = u32::try_from(fit.count()).unwrap_or(limit).max(1);
            query.list_some(&self.connection, ("d.document, t.*", FROM), &order, (fit, after), feature)
        })?;
        if let Some(bounds) = filter.bounds {
            // The index knows only the box around a track. A page may get shorter by that, and never ends too early.
            listed.rows.retain(|feature| feature.geometry.as_ref().is_some_and(|geometry| geometry.meets(bounds)));
        }
        Ok(listed)
    }

    /// One track; `None` if there is no such track here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn track_feature(&self, document: DocumentId) -> Result<Option<Feature>, QueryError> {
        let mut query = Query::default();
        query.equals("d.document", Some(document));
        let found = query.all(&self.connection, &format!("d.document, t.* FROM {FROM}"), "LIMIT 1", feature)?;
        Ok(found.into_iter().next())
    }
}

fn feature(row: &Row<'_>) -> rusqlite::Result<Feature> {
    let points = track::decode(&row.get::<_, Vec<u8>>("points")?, MOST_POINTS).unwrap_or_default();
    let TrackRow { document, node, region, day, from_ms, until_ms, count, metres } = track_row(row)?;
    let (places, beside) = line(&points);
    // A line has two places at least.
    let geometry = match places.as_slice() {
        [] => None,
        [only] => Some(Geometry::Point(*only)),
        [_, _, ..] => Some(Geometry::LineString(places)),
    };
    let (from, until) = (Moment(from_ms), Moment(until_ms));
    let properties = Properties::Track { node, region, day, from, until, count, metres, beside };
    Ok(Feature { id: document, geometry, properties })
}
