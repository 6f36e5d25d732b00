//! Trend (趋势): cases by day, week or month and category or source, alarms by device; and which numbers stand out.
//!
//! A number is compared with those of the periods before it: a day with the same weekdays of the eight weeks before, a week or
//! month with the twelve before. It stands out when it is more than [`STANDS_OUT`] deviations from their median, a deviation
//! being 1.4826 times the median absolute deviation (which of a normal distribution is the standard one), but no
//! less than the square root of the median and one: small numbers of rare things jump about by themselves, and three weeks
//! without a case do not make the first one an alarm. Medians, unlike means, forget a single flood. Periods before the town's first case
//! say nothing and are not compared with, nor are periods judged that are not over yet, or that have too few before them.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::Value;
use serde::Serialize;
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::region::RegionCode;

use super::super::cases::{CASE, CASES, CaseRow, case_row};
use super::super::query::{Listed, Order, Page, Query};
use super::super::reader::{QueryError, Reader};
use super::hours::day_of;
use super::{PROBLEM, Span, begin_of_day, cut, rows, words};

/// Deviations from the median beyond which a number stands out; 3.5 is the usual one for medians (Iglewicz and Hoaglin).
const STANDS_OUT: f64 = 3.5;
/// Of a normal distribution the standard deviation is so many median absolute ones.
const NORMAL: f64 = 1.4826;
/// How many periods must be known before one is judged.
const FEWEST: usize = 6;
/// Most periods of an answer.
pub(crate) const MAX_PERIODS: usize = 400;

words! {
    /// How long a period is.
    pub enum TrendStep {
        /// A day.
        Day = "day": "日", "day";
        /// A week, from Monday on.
        Week = "week": "周", "week";
        /// A month of the calendar.
        Month = "month": "月", "month";
    }
}

words! {
    /// What is counted, by what.
    pub enum TrendGrouping {
        /// Cases by category.
        Category = "category": "类别", "cases by category";
        /// Cases by source: the hotline and walk-ins, cameras, patrols and so on.
        Source = "source": "来源", "cases by source";
        /// Alarms by device: the hours in which it alarmed, each kind of alarm by itself.
        Device = "device": "设备报警", "alarms by device";
    }
}

impl TrendStep {
    /// The first day of the period that holds a day.
    fn begin(self, day: Day) -> Day {
        match self {
            Self::Day => day,
            // 1970-01-01 was a Thursday.
            Self::Week => Day(day.0.saturating_sub((i64::from(day.0) + 3).rem_euclid(7) as i32)),
            Self::Month => {
                let (year, month, _) = day.calendar();
                Day::from_calendar(year, month, 1).unwrap_or(day)
            }
        }
    }

    /// The first day of the period so many after the one that begins on `day`.
    fn after(self, day: Day, periods: i32) -> Day {
        match self {
            Self::Day => Day(day.0.saturating_add(periods)),
            Self::Week => Day(day.0.saturating_add(periods.saturating_mul(7))),
            Self::Month => {
                let (year, month, _) = day.calendar();
                let months = year * 12 + (month as i32 - 1) + periods;
                Day::from_calendar(months.div_euclid(12), months.rem_euclid(12) as u32 + 1, 1).unwrap_or(day)
            }
        }
    }

    /// How many periods back the ones lie that a period is compared with.
    fn compared(self) -> impl Iterator<Item = usize> {
        let (times, apart) = match self {
            Self::Day => (8, 7),
            Self::Week | Self::Month => (12, 1),
        };
        (1..=times).map(move |time| time * apart)
    }

    /// How many periods before the first one are needed to judge it.
    fn lookback(self) -> i32 {
        self.compared().max().unwrap_or(0) as i32
    }

    /// How many periods there are from one moment to another; both in milliseconds since 1970.
    pub fn periods(self, from_ms: i64, until_ms: i64) -> i64 {
        let (first, last) = (self.begin(day_of(from_ms)), self.begin(day_of(until_ms.saturating_sub(1))));
        let days = i64::from(last.0) - i64::from(first.0);
        let between = match self {
            Self::Day => days,
            Self::Week => days.div_euclid(7),
            Self::Month => {
                let months = |day: Day| {
                    let (year, month, _) = day.calendar();
                    i64::from(year) * 12 + i64::from(month)
                };
                months(last) - months(first)
            }
        };
        between + 1
    }
}

/// Which cases.
#[derive(Debug, Clone)]
pub struct TrendFilter {
    /// From the period on that holds this moment, in milliseconds since 1970.
    pub from_ms: i64,
    /// To the period that holds the moment before this one.
    pub until_ms: i64,
    /// Periods that end after it are not over, in milliseconds since 1970.
    pub now_ms: i64,
    /// In this region or within it.
    pub region: Option<RegionCode>,
    /// Only of this category; an empty text is that of cases without one.
    pub category: Option<String>,
    /// Only from this source: the hotline and walk-ins, cameras, and so on.
    pub source: Option<Source>,
    /// What is counted, by what; a category and a source are of cases.
    pub by: TrendGrouping,
    /// How long a period is.
    pub step: TrendStep,
    /// How many series are told.
    pub limit: Option<u32>,
}

/// The cases or alarms of one period.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TrendPoint {
    /// Its first day.
    pub begin: Day,
    /// How many there are.
    pub count: u64,
    /// Whether it is over.
    pub complete: bool,
    /// The median of the periods that it is compared with; `None` where it is not judged.
    pub median: Option<f64>,
    /// How many deviations it is above or below.
    pub deviations: Option<f64>,
    /// It stands out.
    pub anomaly: bool,
}

/// The cases of one category or source, or the alarms of one device.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct TrendSeries {
    /// Which: code of the category, source or device; `None` of all, and `""` of cases without one.
    pub group: Option<String>,
    /// How many there are in all periods.
    pub count: u64,
    /// Period by period.
    pub points: Vec<TrendPoint>,
}

/// Cases by period and category or source, or alarms by period and device.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Trend {
    /// Of all.
    pub total: TrendSeries,
    /// By group, the most frequent first.
    pub rows: Vec<TrendSeries>,
    /// There are more than are told.
    pub truncated: bool,
}

/// How many there are of each group, by the first day of the period.
type Counted = BTreeMap<String, BTreeMap<Day, u64>>;

impl Reader {
    /// Cases or alarms by period and group, with what stands out.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn trend(&self, filter: &TrendFilter) -> Result<Trend, QueryError> {
        let step = filter.step;
        let first = step.begin(day_of(filter.from_ms));
        let last = step.begin(day_of(filter.until_ms.saturating_sub(1)));
        let earliest = step.after(first, -step.lookback());
        // At the ends of the calendar nothing comes after a day.
        let next = |day: &Day| Some(step.after(*day, 1)).filter(|next| next > day);
        let periods: Vec<Day> = std::iter::successors(Some(earliest), next)
            .take_while(|day| *day <= last)
            .take(MAX_PERIODS + step.lookback() as usize)
            .collect();
        let end = step.after(last, 1);
        self.at_once(|| {
            let (first, counts) = match filter.by {
                TrendGrouping::Category => self.cases_by_day(filter, "COALESCE(c.category, '')", (earliest, end))?,
                TrendGrouping::Source => self.cases_by_day(filter, "COALESCE(c.source, '')", (earliest, end))?,
                TrendGrouping::Device => self.alarms_by_day(filter, (earliest, end))?,
            };
            let known_from = first.unwrap_or(end);
            let mut all: BTreeMap<Day, u64> = BTreeMap::new();
            for (day, count) in counts.values().flatten() {
                *all.entry(*day).or_default() += count;
            }
            let series = |group, counts: &BTreeMap<Day, u64>| {
                let points = points(filter, &periods, known_from, counts);
                TrendSeries { group, count: points.iter().map(|point| point.count).sum(), points }
            };
            let mut told: Vec<TrendSeries> =
                counts.into_iter().map(|(group, counts)| series(Some(group), &counts)).collect();
            // Stable: of those alike the order of their codes stands.
            told.sort_by_key(|series| std::cmp::Reverse(series.count));
            let truncated = cut(&mut told, rows(filter.limit));
            Ok(Trend { total: series(None, &all), rows: told, truncated })
        })
    }

    /// The cases of the period that begins on a day, or holds it; the latest report first.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn trend_cases(&self, filter: &TrendFilter, day: Day, page: &Page) -> Result<Listed<CaseRow>, QueryError> {
        let begin = filter.step.begin(day);
        let mut query = filter.query();
        let end = begin_of_day(filter.step.after(begin, 1));
        query.between("c.reported_ms", Some(begin_of_day(begin)), Some(end));
        let order = Order { columns: &["c.reported_ms", "c.row"], descending: true };
        query.list(&self.connection, (CASE, CASES), &order, page, |row| case_row(row, filter.now_ms))
    }

    /// On which day the first case was reported that is known of the filter; and cases by group and period.
    fn cases_by_day(
        &self,
        filter: &TrendFilter,
        group: &str,
        (earliest, end): (Day, Day),
    ) -> Result<(Option<Day>, Counted), QueryError> {
        let mut query = filter.query();
        query.and("c.reported_ms > ?", [0]);
        let select = "c.reported_ms FROM case_file c";
        let first = query.all(&self.connection, select, "ORDER BY c.reported_ms LIMIT 1", |row| row.get(0))?;
        let mut query = filter.query();
        query.between("c.reported_ms", Some(begin_of_day(earliest)), Some(begin_of_day(end)));
        // Whole days of the town; every time of a case is after 1970.
        let select =
            format!("{group}, (c.reported_ms - {}) / 86400000 AS day, count(*) FROM case_file c", begin_of_day(Day(0)));
        let mut counts = Counted::new();
        query.all(&self.connection, &select, "GROUP BY 1, 2", |row| {
            let (group, day, count): (String, i32, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            *counts.entry(group).or_default().entry(filter.step.begin(Day(day))).or_default() += count.cast_unsigned();
            Ok(())
        })?;
        Ok((first.first().copied().map(day_of), counts))
    }

    /// The first day of which anything is known of a device; and hours with alarms by device and period.
    fn alarms_by_day(
        &self,
        filter: &TrendFilter,
        (earliest, end): (Day, Day),
    ) -> Result<(Option<Day>, Counted), QueryError> {
        let mut query = Query::default();
        query.region("y.region", filter.region);
        let read = |row: &Row<'_>| row.get::<_, Option<String>>(0);
        let first = query.clone().all(&self.connection, "MIN(y.day) FROM device_day y", "", read)?;
        let span = Span { from_ms: begin_of_day(earliest), until_ms: begin_of_day(end) };
        query.and("y.day >= ? AND y.day <= ?", span.days());
        // A literal, so that SQLite sees that the index of alarms covers it.
        query.and::<Value>("e.alarm = 1", []);
        let hours: Vec<String> = (0..24).map(|hour| format!("(e.h{hour} > 0)")).collect();
        let select = format!(
            "y.device, y.day, SUM({}) FROM device_hour e CROSS JOIN device_day y ON y.row = e.row",
            hours.join(" + ")
        );
        let mut counts = Counted::new();
        query.all(&self.connection, &select, "GROUP BY 1, 2", |row| {
            let (device, day, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if let Ok(day) = day.parse() {
                *counts.entry(device).or_default().entry(filter.step.begin(day)).or_default() += count.cast_unsigned();
            }
            Ok(())
        })?;
        Ok((first.into_iter().flatten().next().and_then(|day| day.parse().ok()), counts))
    }
}

impl TrendFilter {
    fn query(&self) -> Query {
        let mut query = Query::default();
        query.region("c.region", self.region);
        query.equals("COALESCE(c.category, '')", self.category.as_deref());
        query.equals("c.source", self.source);
        query.and::<Value>(PROBLEM, []);
        query
    }
}

/// The periods that are asked for; `periods` holds those before them that they are compared with, too.
fn points(filter: &TrendFilter, periods: &[Day], known_from: Day, counts: &BTreeMap<Day, u64>) -> Vec<TrendPoint> {
    let step = filter.step;
    let count = |day: &Day| counts.get(day).copied().unwrap_or(0);
    let point = |(at, begin): (usize, &Day)| {
        let complete = begin_of_day(step.after(*begin, 1)) <= filter.now_ms;
        let before = step.compared().filter_map(|back| periods.get(at.checked_sub(back)?));
        let before: Vec<u64> = before.filter(|day| **day >= known_from).map(count).collect();
        let judged = (complete && before.len() >= FEWEST).then(|| judge(count(begin), before));
        TrendPoint {
            begin: *begin,
            count: count(begin),
            complete,
            median: judged.map(|(median, _)| median),
            deviations: judged.map(|(_, deviations)| deviations),
            anomaly: judged.is_some_and(|(_, deviations)| deviations.abs() > STANDS_OUT),
        }
    };
    periods.iter().enumerate().skip(step.lookback() as usize).map(point).collect()
}

/// The median of some numbers, and how many deviations another is from it, to hundredths.
fn judge(count: u64, before: Vec<u64>) -> (f64, f64) {
    let middle = median(before.iter().map(|one| *one as f64).collect());
    let deviation = median(before.iter().map(|one| (*one as f64 - middle).abs()).collect());
    let scale = (deviation * NORMAL).max(middle.sqrt()).max(1.0);
    (middle, ((count as f64 - middle) / scale * 100.0).round() / 100.0)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let at = |place: usize| numbers.get(place).copied().unwrap_or(0.0);
    f64::midpoint(at(numbers.len().saturating_sub(1) / 2), at(numbers.len() / 2))
}
