//! Features: what of the town lies on the map, in collections as maps and GIS programs read them.
//!
//! A feature tells nothing about residents: a dwelling shows its door and its mark, not who or how many live behind it, and
//! numbers that look like a person's are masked where somebody wrote them into a place. It does tell which member
//! answers for a grid, and where units are. Where they were is told for a stated reason only
//! ([`Reader::track_features`]).

mod layers;

use serde::Serialize;
use townmesh_crdt::domain::case::{CaseState, Severity, Source};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::device::{DeviceKind, Protocol};
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{DoorMark, HazardState};
use townmesh_crdt::domain::polygon::{Polygon, line_meets};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::{RegionCode, RegionKind};
use townmesh_crdt::domain::town::GridKind;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::policy::DocumentKind;

use super::query::{BoundingBox, Listed, Order, Page, Query};
use super::reader::{QueryError, Reader};
use super::tracks::CoordinateProperties;
use crate::moment::Moment;
use layers::Layer;

/// Most features of a page: what one tile of the map shows.
pub const MAX_FEATURES: u32 = 1_000;
/// Features of a page where the caller names no number.
pub const DEFAULT_FEATURES: u32 = 100;
/// A box that holds more than this is not looked up place by place: all there are of the kind, or of the period or region
/// that is asked for, are compared with it until the page is full, which is soon.
const CROWDED: i64 = 50_000;
/// Begins a cursor within the second layer of a collection; no other one holds this character.
const BESIDE: &str = "~";

/// Things of one kind on the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// 区划: towns, villages and communities, as points.
    Regions,
    /// 网格, as areas.
    Grids,
    /// 房屋, with the mark on their door.
    Dwellings,
    /// 隐患, where what they are in is.
    Hazards,
    /// 案件.
    Cases,
    /// 设备.
    Devices,
}

/// Which features.
#[derive(Debug, Clone, Default)]
pub struct FeatureFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// In this part of the map.
    pub bounds: Option<BoundingBox>,
    /// Found or reported from then on, in milliseconds since 1970. What has no time always is.
    pub from_ms: Option<i64>,
    /// Found or reported before, in milliseconds since 1970.
    pub until_ms: Option<i64>,
}

/// One thing on the map, as GeoJSON (RFC 7946).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type")]
pub struct Feature {
    /// Its document.
    pub id: String,
    /// Where it is; `None` where nobody recorded that.
    pub geometry: Option<Geometry>,
    /// What is known of it.
    pub properties: Properties,
}

/// A place as GeoJSON: longitude before latitude, in degrees (WGS 84).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", content = "coordinates")]
pub enum Geometry {
    /// A point.
    Point([f64; 2]),
    /// A line.
    LineString(Vec<[f64; 2]>),
    /// An area: its outline against the clock, the first corner again at the end.
    Polygon([Vec<[f64; 2]>; 1]),
}

/// What is known of a feature. Times are those of RFC 3339.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Properties {
    /// Of [`Collection::Regions`].
    Region {
        /// Its code.
        code: Option<String>,
        /// Its name.
        name: Option<String>,
        /// What it is.
        kind: Option<RegionKind>,
        /// Code of the region that it belongs to.
        parent: Option<String>,
    },
    /// Of [`Collection::Grids`].
    Grid {
        /// Code within the region.
        code: Option<String>,
        /// Its name.
        name: Option<String>,
        /// Village or community.
        region: Option<String>,
        /// What kind of ground it is.
        kind: Option<GridKind>,
        /// Code of the member who answers for it.
        responsible: Option<String>,
        /// How many inspectors patrol it, or did.
        inspectors: usize,
        /// Since when nobody patrols it.
        retired: Option<Day>,
    },
    /// Of [`Collection::Dwellings`].
    Dwelling {
        /// Village or community.
        region: String,
        /// Its address.
        address: String,
        /// What it is used for.
        #[serde(rename = "use")]
        usage: Option<DwellingUse>,
        /// Rooms.
        rooms: Option<u32>,
        /// Most tenants that are allowed.
        tenant_limit: Option<u32>,
        /// The mark on the door.
        mark: Option<DoorMark>,
    },
    /// Of [`Collection::Hazards`].
    Hazard {
        /// Village or community.
        region: String,
        /// Document of what was inspected.
        household: Option<String>,
        /// Its address, where that has reached this node.
        address: Option<String>,
        /// Number of the checklist.
        checklist: Option<u32>,
        /// Number of its item.
        item: Option<u32>,
        /// How bad it is.
        grade: Option<Grade>,
        /// What became of it.
        state: Option<HazardState>,
        /// Document of the case that was made of it.
        case: Option<String>,
        /// When it was found.
        found: Option<Moment>,
        /// Until when it is to be rectified.
        due: Option<Moment>,
    },
    /// Of [`Collection::Cases`].
    Case {
        /// The number that people say.
        number: String,
        /// Village or community.
        region: String,
        /// How far it is.
        state: Option<CaseState>,
        /// Who brought it.
        source: Option<Source>,
        /// Key of its category.
        category: Option<String>,
        /// How bad it is.
        severity: Option<Severity>,
        /// Where it is, in words.
        place: Option<String>,
        /// When it was reported.
        reported: Moment,
        /// Its deadline.
        due: Option<Moment>,
        /// When it was closed.
        closed: Option<Moment>,
    },
    /// Of [`Collection::Devices`].
    Device {
        /// Its code.
        code: String,
        /// What people call it.
        name: Option<String>,
        /// What it is.
        kind: Option<DeviceKind>,
        /// How it speaks.
        protocol: Option<Protocol>,
        /// Village or community.
        region: String,
        /// Where it is, in words.
        place: Option<String>,
        /// Code of the team that looks after it.
        owner: Option<String>,
        /// Taken down.
        retired: bool,
    },
    /// Of a unit, by its last position.
    Unit {
        /// Name of its node.
        name: String,
        /// When it was there, by its clock.
        at: Moment,
    },
    /// Of a unit on a day, by its track.
    Track {
        /// The unit.
        node: String,
        /// The region whose events it was recorded with.
        region: String,
        /// The town's day.
        day: String,
        /// First point.
        from: Moment,
        /// Last point.
        until: Moment,
        /// Points.
        count: u64,
        /// How far it went, in metres; what lies in gaps of more than ten minutes is not counted.
        metres: u64,
        /// What belongs to each place of its line.
        #[serde(rename = "coordinateProperties")]
        beside: CoordinateProperties,
    },
}

impl Collection {
    /// Every collection.
    pub const ALL: [Self; 6] = [Self::Regions, Self::Grids, Self::Dwellings, Self::Hazards, Self::Cases, Self::Devices];

    /// Name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regions => "regions",
            Self::Grids => "grids",
            Self::Dwellings => "dwellings",
            Self::Hazards => "hazards",
            Self::Cases => "cases",
            Self::Devices => "devices",
        }
    }

    /// Title for people, in Chinese and English.
    pub fn title(self) -> (&'static str, &'static str) {
        match self {
            Self::Regions => ("区划", "regions"),
            Self::Grids => ("网格", "grids"),
            Self::Dwellings => ("房屋", "dwellings"),
            Self::Hazards => ("隐患", "hazards"),
            Self::Cases => ("案件", "cases"),
            Self::Devices => ("设备", "devices"),
        }
    }

    /// Whether its features have a time that [`FeatureFilter::from_ms`] looks at.
    pub fn is_timed(self) -> bool {
        self.layer().time.is_some()
    }

    /// Where the rest of its features stand, where they are of two kinds.
    fn beside(self) -> Option<Layer> {
        (self == Self::Dwellings).then_some(layers::DWELLINGS_ALONE)
    }

    fn layer(self) -> Layer {
        match self {
            Self::Regions => layers::REGIONS,
            Self::Grids => layers::GRIDS,
            Self::Dwellings => layers::DWELLINGS,
            Self::Hazards => layers::HAZARDS,
            Self::Cases => layers::CASES,
            Self::Devices => layers::DEVICES,
        }
    }
}

impl Reader {
    /// A page of a collection in no particular order: [`DEFAULT_FEATURES`] where no number is given, never more than
    /// [`MAX_FEATURES`].
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn features(
        &self,
        collection: Collection,
        filter: &FeatureFilter,
        page: &Page,
    ) -> Result<Listed<Feature>, QueryError> {
        self.features_by(collection, filter, page, CROWDED)
    }

    /// A page; a box that holds more than `crowded` is filled by walking through the table.
    pub(super) fn features_by(
        &self,
        collection: Collection,
        filter: &FeatureFilter,
        page: &Page,
        crowded: i64,
    ) -> Result<Listed<Feature>, QueryError> {
        let limit = page.limit.unwrap_or(DEFAULT_FEATURES).clamp(1, MAX_FEATURES);
        let after = page.after.as_deref();
        let Some(beside) = collection.beside() else {
            return self.layer_features(&collection.layer(), filter, (limit, after), crowded);
        };
        let of_beside = |limit: u32, after: Option<&str>| -> Result<Listed<Feature>, QueryError> {
            let listed = self.layer_features(&beside, filter, (limit, after), crowded)?;
            Ok(Listed { next: listed.next.map(|next| format!("{BESIDE}{next}")), ..listed })
        };
        if let Some(after) = after.and_then(|after| after.strip_prefix(BESIDE)) {
            return of_beside(limit, Some(after).filter(|after| !after.is_empty()));
        }
        let mut listed = self.layer_features(&collection.layer(), filter, (limit, after), crowded)?;
        if listed.next.is_some() {
            return Ok(listed);
        }
        let left = limit.saturating_sub(u32::try_from(listed.rows.len()).unwrap_or(limit));
        // With a full page nothing is read of the rest, not even whether there is any.
        listed.next = Some(BESIDE.to_owned());
        if left > 0 {
            let rest = of_beside(left, None)?;
            listed.rows.extend(rest.rows);
            listed.next = rest.next;
        }
        Ok(listed)
    }

    /// A page of one layer.
    fn layer_features(
        &self,
        layer: &Layer,
        filter: &FeatureFilter,
        (limit, after): (u32, Option<&str>),
        crowded: i64,
    ) -> Result<Listed<Feature>, QueryError> {
        let mut query = Query::default();
        query.region(layer.region, filter.region);
        if let Some(time) = layer.time {
            query.between_or_unknown(time, filter.from_ms, filter.until_ms);
        }
        if let Some(bounds) = filter.bounds {
            if layer.kind != DocumentKind::Grid && self.hold_more(layer.kind, bounds, crowded)? {
                query.beside(layer.placed, bounds);
            } else {
                query.within(&format!("{}.row", layer.placed), layer.kind, Some(bounds));
            }
        }
        let order = Order { columns: layer.order, descending: false };
        let select = (layer.columns, layer.from);
        let mut listed = query.list_some(&self.connection, select, &order, (limit, after), |row| layer.feature(row))?;
        if let Some(bounds) = filter.bounds {
            // The index knows only the box around an area. A page may get shorter by that, and never ends too early.
            listed.rows.retain(|feature| feature.geometry.as_ref().is_some_and(|geometry| geometry.meets(bounds)));
        }
        Ok(listed)
    }

    /// One feature; `None` where the collection has none of this id.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn feature(&self, collection: Collection, id: DocumentId) -> Result<Option<Feature>, QueryError> {
        for layer in [Some(collection.layer()), collection.beside()].into_iter().flatten() {
            let mut query = Query::default();
            query.equals("d.document", Some(id));
            let select = format!("{} FROM {}", layer.columns, layer.from);
            let found = query.all(&self.connection, &select, "LIMIT 1", |row| layer.feature(row))?;
            if let Some(found) = found.into_iter().next() {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

impl Reader {
    /// Whether a box holds more places of a kind than this.
    fn hold_more(&self, kind: DocumentKind, bounds: BoundingBox, many: i64) -> Result<bool, QueryError> {
        let (places, values) = bounds.places(kind);
        let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {places} LIMIT {})", many + 1);
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement.query_row(values, |row| row.get::<_, i64>(0))? > many)
    }
}

impl Geometry {
    /// A point.
    pub fn of_point(position: Position) -> Self {
        Self::Point(coordinates(position))
    }

    fn of_outline(polygon: &Polygon) -> Self {
        Self::Polygon([ring(polygon)])
    }
}

/// An outline against the clock, the first corner again at the end.
pub(super) fn ring(polygon: &Polygon) -> Vec<[f64; 2]> {
    let mut ring: Vec<[f64; 2]> = polygon.corners().iter().copied().map(coordinates).collect();
    if twice_the_area(polygon) < 0 {
        ring.reverse();
    }
    ring.extend(ring.first().copied());
    ring
}

impl Geometry {
    /// Whether some of it lies in a box.
    pub(super) fn meets(&self, bounds: BoundingBox) -> bool {
        let place = |[longitude, latitude]: &[f64; 2]| Position::from_degrees(*latitude, *longitude);
        match self {
            Self::Point(point) => place(point).is_some_and(|point| bounds.contains(point)),
            Self::LineString(line) => {
                let places = || line.iter().filter_map(place);
                bounds.parts().iter().any(|(low, high)| line_meets(places(), *low, *high))
            }
            Self::Polygon([ring]) => {
                let corners = ring.iter().skip(1).filter_map(place).collect();
                let polygon = Polygon::new(corners).ok();
                polygon.is_some_and(|polygon| bounds.parts().iter().any(|(low, high)| polygon.meets(*low, *high)))
            }
        }
    }
}

fn coordinates(position: Position) -> [f64; 2] {
    [position.longitude(), position.latitude()]
}

/// Positive where the corners run against the clock; in units of 1e-7 degrees, squared.
fn twice_the_area(polygon: &Polygon) -> i128 {
    let corners = polygon.corners();
    let edges = corners.iter().zip(corners.iter().cycle().skip(1));
    let wide = |position: &Position| {
        let (latitude, longitude) = position.e7();
        (i128::from(longitude), i128::from(latitude))
    };
    edges.map(|(from, to)| (wide(from), wide(to))).map(|((x1, y1), (x2, y2))| x1 * y2 - x2 * y1).sum()
}
