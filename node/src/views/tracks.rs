//! Where units were: lists, the points of one, and how much of each grid was patrolled.

mod features;

use std::collections::{BTreeSet, HashMap};

use rusqlite::{OptionalExtension as _, Row};
use serde::Serialize;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::polygon::Polygon;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::town::Grid;
use townmesh_crdt::domain::track::{self, TrackPoint};
use townmesh_crdt::id::DocumentId;

pub use features::{DEFAULT_TRACKS, MAX_TRACKS};

use super::assessment::Percent;
use super::query::{Listed, Order, Page, Query};
use super::reader::{QueryError, Reader};
use crate::moment::Moment;

/// Points of a day, one every second.
const MOST_POINTS: usize = 100_000;
/// Height of a cell in units of 1e-7 degrees: 50 metres. Who passes through one has seen it.
const CELL: i32 = 4_500;
/// Most cells of a grid that are told apart: 2,500 hectares.
const MOST_CELLS: usize = 10_000;
/// Most cells times corners of a grid.
const MOST_STEPS: usize = 2_000_000;
/// Between two points that are no further apart in time a unit went straight, in seconds.
const STRAIGHT_S: i64 = 60;
/// Nor further than this, in steps of half a cell: two kilometres.
const MOST_STEPS_BETWEEN: i64 = 80;

/// Which tracks.
#[derive(Debug, Clone, Default)]
pub struct TrackFilter {
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Of this unit.
    pub node: Option<String>,
    /// From this day on.
    pub from: Option<Day>,
    /// Up to this day.
    pub to: Option<Day>,
}

/// A unit on a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct TrackRow {
    /// The document.
    pub document: String,
    /// The unit.
    pub node: String,
    /// The region whose events it was recorded with.
    pub region: String,
    /// The town's day.
    pub day: String,
    /// First point, in milliseconds since 1970.
    pub from_ms: i64,
    /// Last point, in milliseconds since 1970.
    pub until_ms: i64,
    /// Points.
    pub count: u64,
    /// How far it went, in metres; what lies in gaps of more than ten minutes is not counted.
    pub metres: u64,
}

/// What belongs to each place of a line, in the same order, as GPS tools read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct CoordinateProperties {
    /// When the unit was there.
    pub times: Vec<String>,
}

/// A track as it is drawn: its places, longitude before latitude, and what belongs to each.
pub fn line(points: &[TrackPoint]) -> (Vec<[f64; 2]>, CoordinateProperties) {
    let placed = points.iter().filter_map(|point| Some((point.position()?, Moment(point.time_ms()).to_string())));
    let (places, times) = placed.map(|(at, time)| ([at.longitude(), at.latitude()], time)).unzip();
    (places, CoordinateProperties { times })
}

/// Of when and where.
#[derive(Debug, Clone, Copy)]
pub struct CoverageFilter {
    /// The town's day.
    pub day: Day,
    /// Grids in this region or within it.
    pub region: Option<RegionCode>,
}

/// How much of a grid was patrolled on a day.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct GridCoverage {
    /// Village or community.
    pub region: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: Option<String>,
    /// Cells of 50 by 50 metres.
    pub cells: u64,
    /// Of them, those that somebody was in.
    pub visited: u64,
    /// The same in percent with two digits; `None` of a grid that nobody drew.
    pub percent: Option<Percent>,
    /// Units that were in it.
    pub units: u64,
    /// First time that somebody was in it, in milliseconds since 1970.
    pub first_ms: Option<i64>,
    /// Last time.
    pub last_ms: Option<i64>,
    /// It is too large to be told apart in cells.
    pub too_large: bool,
}

/// How much of each grid was patrolled.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Coverage {
    /// The town's day.
    pub day: String,
    /// Grids by region and code.
    pub grids: Vec<GridCoverage>,
    /// Units of which something is known on that day: recorded with the events of the region, or in one of the grids.
    pub units: u64,
    /// Kilometres that those went that are recorded with the events of the region, with two digits.
    pub kilometres: f64,
}

/// Unit, region, metres and points of a day.
type DayOfUnit = (String, Option<RegionCode>, i64, Vec<u8>);

/// A cell of the map.
type Cell = (i32, i32);

/// A grid's cells, and what was seen of them.
struct Ground {
    coverage: GridCoverage,
    cells: BTreeSet<Cell>,
    width: i32,
    visited: BTreeSet<Cell>,
    units: BTreeSet<String>,
}

impl Reader {
    /// Tracks, the latest day first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn tracks(&self, filter: &TrackFilter, page: &Page) -> Result<Listed<TrackRow>, QueryError> {
        let mut query = Query::default();
        query.region("t.region", filter.region);
        query.equals("t.node", filter.node.as_ref());
        if let Some(from) = filter.from {
            query.and("t.day >= ?", [from.to_string()]);
        }
        if let Some(to) = filter.to {
            query.and("t.day <= ?", [to.to_string()]);
        }
        let order = Order { columns: &["t.day", "t.node", "t.row"], descending: true };
        query.list(
            &self.connection,
            ("d.document, t.*", "track t JOIN document d ON d.row = t.row"),
            &order,
            page,
            track_row,
        )
    }

    /// A unit on a day with its points; `None` if there is no such track here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn track(&self, document: DocumentId) -> Result<Option<(TrackRow, Vec<TrackPoint>)>, QueryError> {
        let sql = "SELECT d.document, t.* FROM track t JOIN document d ON d.row = t.row WHERE d.document = ?";
        let mut statement = self.connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| Ok((track_row(row)?, row.get::<_, Vec<u8>>("points")?));
        let found = statement.query_row([document.to_string()], read).optional()?;
        Ok(found.map(|(row, points)| (row, track::decode(&points, MOST_POINTS).unwrap_or_default())))
    }

    /// How far a unit went from one moment to another, in metres, by what is kept of its track; `None` where fewer than two points
    /// of that time can be read here.
    ///
    /// # Errors
    /// [`QueryError`].
    pub(super) fn metres_between(&self, node: &str, from_ms: i64, until_ms: i64) -> Result<Option<u64>, QueryError> {
        let mut query = Query::default();
        query.equals("node", Some(node));
        query.and("until_ms >= ? AND from_ms <= ?", [from_ms, until_ms]);
        let tracks =
            query.all(&self.connection, "points FROM track", "ORDER BY day", |row| row.get::<_, Vec<u8>>(0))?;
        let points = tracks.iter().flat_map(|points| track::decode(points, MOST_POINTS).unwrap_or_default());
        let within = points.filter(|point| (from_ms..=until_ms).contains(&point.time_ms()));
        let points = track::merge(within.collect());
        Ok((points.len() > 1).then(|| track::metres(&points).round() as u64))
    }

    /// How much of each grid was patrolled on a day.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn coverage(&self, filter: &CoverageFilter) -> Result<Coverage, QueryError> {
        self.at_once(|| {
            let mut grounds = self.grounds(filter.region, filter.day)?;
            let mut of_cell: HashMap<(i32, Cell), Vec<usize>> = HashMap::new();
            for (place, ground) in grounds.iter().enumerate() {
                for cell in &ground.cells {
                    of_cell.entry((ground.width, *cell)).or_default().push(place);
                }
            }
            let widths: BTreeSet<i32> = grounds.iter().map(|ground| ground.width).collect();
            let (mut units, mut metres) = (BTreeSet::new(), 0);
            for (node, region, went, points) in self.tracks_of(filter.day)? {
                if filter.region.is_none_or(|wanted| region.is_some_and(|region| region.is_within(wanted))) {
                    metres += went;
                    units.insert(node.clone());
                }
                for point in straightened(&track::decode(&points, MOST_POINTS).unwrap_or_default()) {
                    let Some(at) = point.position() else { continue };
                    for width in &widths {
                        let cell = cell(at, *width);
                        for place in of_cell.get(&(*width, cell)).into_iter().flatten() {
                            if let Some(ground) = grounds.get_mut(*place) {
                                ground.see(cell, &node, point.time_ms());
                            }
                        }
                    }
                }
            }
            units.extend(grounds.iter().flat_map(|ground| ground.units.iter().cloned()));
            Ok(Coverage {
                day: filter.day.to_string(),
                grids: grounds.into_iter().map(Ground::told).collect(),
                units: units.len() as u64,
                kilometres: (metres as f64 / 10.0).round() / 100.0,
            })
        })
    }

    fn tracks_of(&self, day: Day) -> Result<Vec<DayOfUnit>, QueryError> {
        let mut query = Query::default();
        query.equals("day", Some(day));
        query.all(&self.connection, "node, region, metres, points FROM track", "", |row| {
            Ok((row.get(0)?, row.get::<_, String>(1)?.parse().ok(), row.get(2)?, row.get(3)?))
        })
    }

    /// The grids that were patrolled on a day.
    fn grounds(&self, region: Option<RegionCode>, day: Day) -> Result<Vec<Ground>, QueryError> {
        Ok(self.grids(region, Some(day))?.into_iter().map(|(region, grid)| Ground::of(region, grid)).collect())
    }
}

fn track_row(row: &Row<'_>) -> rusqlite::Result<TrackRow> {
    Ok(TrackRow {
        document: row.get("document")?,
        node: row.get("node")?,
        region: row.get("region")?,
        day: row.get("day")?,
        from_ms: row.get("from_ms")?,
        until_ms: row.get("until_ms")?,
        count: row.get::<_, i64>("count")?.cast_unsigned(),
        metres: row.get::<_, i64>("metres")?.cast_unsigned(),
    })
}

/// Points with those between them that a unit must have passed, half a cell apart: at 36 km/h every second cell lies
/// between two points ten seconds apart.
fn straightened(points: &[TrackPoint]) -> Vec<TrackPoint> {
    let mut all = Vec::with_capacity(points.len() * 2);
    for (place, point) in points.iter().enumerate() {
        if let Some((before, (from, to))) = place
            .checked_sub(1)
            .and_then(|place| points.get(place))
            .and_then(|before| Some((before, (before.position()?.e7(), point.position()?.e7()))))
        {
            let (up, right) = (i64::from(to.0) - i64::from(from.0), i64::from(to.1) - i64::from(from.1));
            let steps = up.abs().max(right.abs()) / i64::from(CELL / 2);
            if point.time_s.saturating_sub(before.time_s) <= STRAIGHT_S && steps <= MOST_STEPS_BETWEEN {
                let between = (1..=steps).filter_map(|step| {
                    let along =
                        |start: i32, whole: i64| i32::try_from(i64::from(start) + whole * step / (steps + 1)).ok();
                    let at = Position::from_e7(along(from.0, up)?, along(from.1, right)?)?;
                    Some(TrackPoint::new(before.time_ms(), at))
                });
                all.extend(between);
            }
        }
        all.push(*point);
    }
    all
}

/// The cell of a place, cells being so wide.
fn cell(at: Position, width: i32) -> Cell {
    let (latitude, longitude) = at.e7();
    (latitude.div_euclid(CELL), longitude.div_euclid(width))
}

/// The width of cells that are as wide as high at a latitude, the same for all grids of one degree.
fn width(at: Position) -> i32 {
    let middle = (at.latitude().floor() + 0.5).to_radians().cos().max(0.01);
    (f64::from(CELL) / middle / 100.0).round() as i32 * 100
}

impl Ground {
    fn of(region: String, grid: Grid) -> Self {
        let first = grid.polygon.as_ref().and_then(|outline| outline.corners().first().copied());
        let width = first.map_or(CELL, width);
        let cells = grid.polygon.as_ref().map(|outline| cells_of(outline, width));
        let too_large = matches!(cells, Some(None));
        let coverage = GridCoverage {
            region,
            code: grid.code.unwrap_or_default(),
            name: grid.name,
            cells: 0,
            visited: 0,
            percent: None,
            units: 0,
            first_ms: None,
            last_ms: None,
            too_large,
        };
        let cells = cells.flatten().unwrap_or_default();
        Self { coverage, cells, width, visited: BTreeSet::new(), units: BTreeSet::new() }
    }

    fn see(&mut self, cell: Cell, node: &str, time_ms: i64) {
        self.visited.insert(cell);
        if !self.units.contains(node) {
            self.units.insert(node.to_owned());
        }
        let GridCoverage { first_ms, last_ms, .. } = &mut self.coverage;
        *first_ms = Some(first_ms.map_or(time_ms, |first| first.min(time_ms)));
        *last_ms = Some(last_ms.map_or(time_ms, |last| last.max(time_ms)));
    }

    fn told(self) -> GridCoverage {
        let (cells, visited) = (self.cells.len() as u64, self.visited.len() as u64);
        GridCoverage {
            cells,
            visited,
            percent: Percent::of(visited, cells),
            units: self.units.len() as u64,
            ..self.coverage
        }
    }
}

/// The cells whose middle lies on a ground, and that of its first corner where it is smaller than any; `None` where there
/// are too many.
fn cells_of(outline: &Polygon, width: i32) -> Option<BTreeSet<Cell>> {
    let corners: Vec<Cell> = outline.corners().iter().map(|corner| cell(*corner, width)).collect();
    let range = |of: fn(&Cell) -> i32| {
        let numbers = corners.iter().map(of);
        Some((numbers.clone().min()?, numbers.max()?))
    };
    let ((south, north), (west, east)) = (range(|cell| cell.0)?, range(|cell| cell.1)?);
    let count = (i64::from(north) - i64::from(south) + 1) * (i64::from(east) - i64::from(west) + 1);
    if count > MOST_CELLS as i64 || count.saturating_mul(corners.len() as i64) > MOST_STEPS as i64 {
        return None;
    }
    let middle = |(y, x): Cell| Position::from_e7(y * CELL + CELL / 2, x * width + width / 2);
    let all = (south..=north).flat_map(|y| (west..=east).map(move |x| (y, x)));
    let mut cells: BTreeSet<Cell> =
        all.filter(|cell| middle(*cell).is_some_and(|middle| outline.contains(middle))).collect();
    if cells.is_empty() {
        cells.extend(corners.first());
    }
    Some(cells)
}
