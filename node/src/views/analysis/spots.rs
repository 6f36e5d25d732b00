//! Hot spots (热点): in which squares of the map, and in which hours of the week, cases, hazards and alarms gather.
//!
//! What gathers is measured by weight: a case, a hazard, an hour in which a device alarmed with one kind of alarm. A detector
//! that repeats its alarm every second weighs as much as one that says it once, else one broken device would be the hottest
//! spot of the town. Device events that are no alarms (who passes a gate and when) are asked for by name, and each weighs one.
//! A device's events lie where the device stands; by whole hours, which are those that begin in the period.

use std::collections::HashMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::device::DeviceKind;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;

use super::super::cases::{CASE, CaseRow, case_row};
use super::super::query::{Listed, Order, Page, Query, position, word};
use super::super::reader::{QueryError, Reader};
use super::hours::HOUR_MS;
use super::square::Square;
use super::{HourOfWeek, HoursOfWeek, PROBLEM, Span, begin_of_day, cut, has_case, rows, words};

/// Most squares that are told apart, far more than a town has; what lies in others counts as without a place.
const MAX_SQUARES: usize = 100_000;
/// Hours of the week that are named with each square.
const PEAKS: usize = 3;

words! {
    /// What gathers.
    pub enum SpotSource {
        /// Cases, by when they were reported.
        Cases = "cases": "案卷", "cases";
        /// Hazards, by when they were found.
        Hazards = "hazards": "隐患", "hazards";
        /// Alarms of devices.
        Alarms = "alarms": "设备报警", "alarms of devices";
        /// Everything that devices said, alarms too.
        Events = "events": "设备事件", "events of devices";
    }
}

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct HotSpotFilter {
    /// From here on, in milliseconds since 1970.
    pub from_ms: i64,
    /// Before, in milliseconds since 1970.
    pub until_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only of this source; cases, hazards and alarms where none is named. A category stands for cases, a kind of device
    /// for alarms.
    pub of: Option<SpotSource>,
    /// Only cases of this category.
    pub category: Option<String>,
    /// Only cases that came from this source: the hours of the hotline, of cameras.
    pub source: Option<Source>,
    /// Only devices of this kind.
    pub device_kind: Option<DeviceKind>,
    /// Only in this square.
    pub square: Option<Square>,
    /// How many squares are told.
    pub limit: Option<u32>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SpotCounts {
    /// By what squares are ranked.
    pub weight: u64,
    /// Cases.
    pub cases: u64,
    /// Hazards.
    pub hazards: u64,
    /// Alarms.
    pub alarms: u64,
    /// Events of devices, where they are asked for.
    pub events: u64,
}

/// An hour of the week in which much gathers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Peak {
    /// 1 is Monday.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// How much.
    pub weight: u64,
}

/// A square in which much gathers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HotSpot {
    /// Which; its corner of least latitude and longitude names it.
    pub square: Square,
    /// Its middle.
    pub centre: Option<Position>,
    /// How much.
    #[serde(flatten)]
    pub counts: SpotCounts,
    /// The hours of the week with most.
    pub peaks: Vec<Peak>,
}

/// Where and when things gather.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct HotSpots {
    /// The hottest squares first.
    pub rows: Vec<HotSpot>,
    /// There are more than are told.
    pub truncated: bool,
    /// In all squares.
    pub total: SpotCounts,
    /// Weight by hour of the week in all squares: 168 of them, from Monday midnight on.
    pub hours: Vec<u64>,
    /// What has no place on the map, or in too many of them; not in the total.
    pub unplaced: SpotCounts,
}

impl SpotCounts {
    fn add(&mut self, source: SpotSource, count: u64, weight: u64) {
        self.weight += weight;
        match source {
            SpotSource::Cases => self.cases += count,
            SpotSource::Hazards => self.hazards += count,
            SpotSource::Alarms => self.alarms += count,
            SpotSource::Events => self.events += count,
        }
    }
}

/// The squares under count.
#[derive(Debug, Default)]
struct Ground {
    only: Option<Square>,
    places: HashMap<Square, usize>,
    cells: Vec<Cell>,
    unplaced: SpotCounts,
}

#[derive(Debug)]
struct Cell {
    square: Square,
    counts: SpotCounts,
    hours: [u64; HourOfWeek::COUNT],
}

/// Where something is counted.
#[derive(Debug, Clone, Copy)]
enum Place {
    In(usize),
    Nowhere,
    /// In a square that is not asked for.
    Elsewhere,
}

impl Ground {
    fn place(&mut self, position: Option<Position>) -> Place {
        let Some(square) = position.map(Square::of) else {
            return if self.only.is_none() { Place::Nowhere } else { Place::Elsewhere };
        };
        if self.only.is_some_and(|only| only != square) {
            return Place::Elsewhere;
        }
        if let Some(place) = self.places.get(&square) {
            return Place::In(*place);
        }
        if self.cells.len() == MAX_SQUARES {
            return Place::Nowhere;
        }
        self.places.insert(square, self.cells.len());
        self.cells.push(Cell { square, counts: SpotCounts::default(), hours: [0; HourOfWeek::COUNT] });
        Place::In(self.cells.len() - 1)
    }

    fn add(&mut self, place: Place, source: SpotSource, hour: HourOfWeek, count: u64, weight: u64) {
        match place {
            Place::In(place) => {
                let Some(cell) = self.cells.get_mut(place) else { return };
                cell.counts.add(source, count, weight);
                cell.hours[hour.index()] += weight;
            }
            Place::Nowhere => self.unplaced.add(source, count, weight),
            Place::Elsewhere => {}
        }
    }

    fn told(self, limit: usize) -> HotSpots {
        let mut cells: Vec<Cell> = self.cells.into_iter().filter(|cell| cell.counts.weight > 0).collect();
        cells.sort_unstable_by(|one, other| {
            other.counts.weight.cmp(&one.counts.weight).then_with(|| one.square.cmp(&other.square))
        });
        let (mut total, mut hours) = (SpotCounts::default(), vec![0; HourOfWeek::COUNT]);
        for cell in &cells {
            let SpotCounts { weight, cases, hazards, alarms, events } = cell.counts;
            total.weight += weight;
            total.cases += cases;
            total.hazards += hazards;
            total.alarms += alarms;
            total.events += events;
            hours.iter_mut().zip(cell.hours).for_each(|(sum, hour)| *sum += hour);
        }
        let truncated = cut(&mut cells, limit);
        HotSpots { rows: cells.iter().map(spot).collect(), truncated, total, hours, unplaced: self.unplaced }
    }
}

fn spot(cell: &Cell) -> HotSpot {
    let mut hours: Vec<(usize, u64)> =
        cell.hours.iter().copied().enumerate().filter(|(_, weight)| *weight > 0).collect();
    // Stable: of hours alike the first of the week stands first.
    hours.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    let peak = |&(index, weight): &(usize, u64)| {
        let hour = HourOfWeek::at(index);
        Peak { weekday: hour.weekday(), hour: hour.hour() as u8, weight }
    };
    let peaks = hours.iter().take(PEAKS).map(peak).collect();
    HotSpot { square: cell.square, centre: cell.square.centre(), counts: cell.counts, peaks }
}

/// A case's place: its own, else that of the household whose hazard it was made of.
pub(super) const PLACED_CASES: &str = "case_file c JOIN document d ON d.row = c.row LEFT JOIN household h ON c.latitude IS NULL \
    AND h.row = (SELECT hd.row FROM hazard z JOIN document hd ON hd.document = z.household \
    WHERE z.case_document = d.document ORDER BY z.household LIMIT 1)";

impl HotSpotFilter {
    fn span(&self) -> Span {
        Span { from_ms: self.from_ms, until_ms: self.until_ms }
    }

    /// The cases that count.
    fn cases(&self) -> Query {
        let mut query = Query::default();
        query.between("c.reported_ms", Some(self.from_ms), Some(self.until_ms));
        query.region("c.region", self.region);
        query.equals("c.category", self.category.as_deref());
        query.equals("c.source", self.source);
        query.and::<Value>(PROBLEM, []);
        query
    }

    fn counts(&self, source: SpotSource) -> bool {
        let of_cases = self.category.is_some() || self.source.is_some();
        let narrowed = of_cases || self.device_kind.is_some();
        match (self.of, source) {
            (Some(of), _) => of == source,
            (None, SpotSource::Cases) => !narrowed || of_cases,
            (None, SpotSource::Alarms) => !narrowed || self.device_kind.is_some(),
            (None, SpotSource::Hazards) => !narrowed,
            (None, SpotSource::Events) => false,
        }
    }
}

impl Reader {
    /// Where and when things gather in a period.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hot_spots(&self, filter: &HotSpotFilter) -> Result<HotSpots, QueryError> {
        let mut ground = Ground { only: filter.square, ..Ground::default() };
        self.at_once(|| {
            if filter.counts(SpotSource::Cases) {
                self.spots_of_cases(filter, &mut ground)?;
            }
            if filter.counts(SpotSource::Hazards) {
                self.spots_of_hazards(filter, &mut ground)?;
            }
            for source in [SpotSource::Alarms, SpotSource::Events] {
                if filter.counts(source) {
                    self.spots_of_devices(filter, source, &mut ground)?;
                }
            }
            Ok(ground.told(rows(filter.limit)))
        })
    }

    /// The cases that are counted in the square of the filter (all that have a place where it names none), the latest report first;
    /// only those of some hours of the week, where these are named.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn hot_spot_cases(
        &self,
        filter: &HotSpotFilter,
        hours: HoursOfWeek,
        now_ms: i64,
        page: &Page,
    ) -> Result<Listed<CaseRow>, QueryError> {
        let mut query = filter.cases();
        let (latitude, longitude) = ("COALESCE(c.latitude, h.latitude)", "COALESCE(c.longitude, h.longitude)");
        match filter.square.and_then(Square::bounds) {
            Some(bounds) => {
                let ((south, west), (north, east)) = (bounds.southwest.e7(), bounds.northeast.e7());
                query.and(&format!("{latitude} BETWEEN ? AND ?"), [south, north]);
                query.and(&format!("{longitude} BETWEEN ? AND ?"), [west, east]);
            }
            None => query.and::<Value>(&format!("{latitude} IS NOT NULL"), []),
        }
        hours.within(&mut query, "c.reported_ms");
        let from = format!("{PLACED_CASES} JOIN namespace n ON n.number = d.namespace");
        let order = Order { columns: &["c.reported_ms", "c.row"], descending: true };
        query.list(&self.connection, (CASE, &from), &order, page, |row| case_row(row, now_ms))
    }

    fn spots_of_cases(&self, filter: &HotSpotFilter, ground: &mut Ground) -> Result<(), QueryError> {
        let select = format!(
            "c.reported_ms AS time_ms, COALESCE(c.latitude, h.latitude) AS latitude, \
             COALESCE(c.longitude, h.longitude) AS longitude FROM {PLACED_CASES}"
        );
        self.spots_in_time(filter.cases(), &select, SpotSource::Cases, ground)
    }

    fn spots_of_hazards(&self, filter: &HotSpotFilter, ground: &mut Ground) -> Result<(), QueryError> {
        let mut query = Query::default();
        query.between("z.found_ms", Some(filter.from_ms), Some(filter.until_ms));
        query.region("z.region", filter.region);
        if filter.counts(SpotSource::Cases) {
            // It is counted as the case.
            query.and::<Value>(&format!("NOT {}", has_case("1")), []);
        }
        let select = "z.found_ms AS time_ms, z.latitude, z.longitude FROM hazard z";
        self.spots_in_time(query, select, SpotSource::Hazards, ground)
    }

    fn spots_in_time(
        &self,
        query: Query,
        select: &str,
        source: SpotSource,
        ground: &mut Ground,
    ) -> Result<(), QueryError> {
        query.all(&self.connection, select, "", |row| {
            let place = ground.place(position(row)?);
            ground.add(place, source, HourOfWeek::of(row.get("time_ms")?), 1, 1);
            Ok(())
        })?;
        Ok(())
    }

    /// Days of devices, each with its 24 hours.
    fn spots_of_devices(
        &self,
        filter: &HotSpotFilter,
        source: SpotSource,
        ground: &mut Ground,
    ) -> Result<(), QueryError> {
        let places = self.places_of_devices(filter, ground)?;
        // A device that nobody recorded stands nowhere, and is of no kind.
        let unknown = filter.device_kind.is_none().then(|| ground.place(None));
        let mut query = Query::default();
        query.region("y.region", filter.region);
        let [first, last] = filter.span().days();
        query.and("y.day >= ? AND y.day <= ?", [first, last]);
        let columns: Vec<String> = (0..24).map(|hour| format!("e.h{hour}")).collect();
        let from = match source {
            // A literal, so that SQLite sees that the index of alarms covers it.
            SpotSource::Alarms => {
                query.and::<Value>("e.alarm = 1", []);
                "device_hour e CROSS JOIN device_day y ON y.row = e.row"
            }
            // By row, not by the index of devices: the hours lie in that order, and so do the days.
            SpotSource::Cases | SpotSource::Hazards | SpotSource::Events => {
                "device_day y NOT INDEXED CROSS JOIN device_hour e ON e.row = y.row"
            }
        };
        let select = format!("y.device, y.day, {} FROM {from}", columns.join(", "));
        let mut days = Days { span: filter.span(), text: String::new(), midnight: None };
        query.all(&self.connection, &select, "", |row| {
            let device = row.get_ref(0)?.as_str()?;
            let Some(place) = places.get(device).copied().or(unknown) else { return Ok(()) };
            days.add(ground, place, source, row)
        })?;
        Ok(())
    }

    /// Where each device stands, by its code; only those of the kind that is asked for.
    fn places_of_devices(
        &self,
        filter: &HotSpotFilter,
        ground: &mut Ground,
    ) -> Result<HashMap<String, Place>, QueryError> {
        let read = |row: &Row<'_>| Ok((row.get::<_, String>("code")?, word(row, "kind")?, position(row)?));
        let select = "v.code, v.kind, v.latitude, v.longitude FROM device v JOIN document d ON d.row = v.row";
        // Of two documents about one device that which stands comes last.
        let last = "ORDER BY v.retired DESC, d.document";
        let devices: Vec<(String, Option<DeviceKind>, _)> =
            Query::default().all(&self.connection, select, last, read)?;
        let mut places = HashMap::new();
        for (code, kind, position) in devices {
            let is_meant = filter.device_kind.is_none() || kind == filter.device_kind;
            let place = if is_meant { ground.place(position) } else { Place::Elsewhere };
            places.insert(townmesh_crdt::domain::key::normalise(&code), place);
        }
        Ok(places)
    }
}

/// The days that are read, each of which many devices have one after the other.
struct Days {
    span: Span,
    text: String,
    midnight: Option<i64>,
}

impl Days {
    /// The first moment of a day; `None` where the text is no day.
    fn midnight(&mut self, text: &str) -> Option<i64> {
        if self.text != text {
            text.clone_into(&mut self.text);
            self.midnight = text.parse().ok().map(begin_of_day);
        }
        self.midnight
    }

    /// Counts one kind of events of a device's day by its hours, of those that begin in the period.
    fn add(&mut self, ground: &mut Ground, place: Place, source: SpotSource, row: &Row<'_>) -> rusqlite::Result<()> {
        let Some(midnight) = self.midnight(row.get_ref(1)?.as_str()?) else { return Ok(()) };
        let first = HourOfWeek::of(midnight).index();
        for hour in 0..24 {
            let count = row.get_ref(hour + 2)?.as_i64()?.cast_unsigned();
            if count > 0 && self.span.holds(midnight.saturating_add(hour as i64 * HOUR_MS)) {
                let weight = if source == SpotSource::Alarms { 1 } else { count };
                ground.add(place, source, HourOfWeek::at(first + hour), count, weight);
            }
        }
        Ok(())
    }
}
