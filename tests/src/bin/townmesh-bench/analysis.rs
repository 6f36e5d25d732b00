//! Decision support of a center: over a year of device events, over a year of cases, over its households.

use std::time::Instant;

use townmesh_crdt::command::read::{
    DeviceDayRecord, FieldsRecord, HazardRecord, HouseholdRecord, PersonalState, Reading, ResidentRecord,
};
use townmesh_crdt::domain::date::{Day, UTC_OFFSET_MINUTES};
use townmesh_crdt::domain::device::{Device, DeviceKind};
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{Hazard, HazardState};
use townmesh_crdt::domain::household::{Household, Resident, ResidentKind};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::tables::Tables;
use townmesh_crdt::id::{DocumentId, ResidentId};
use townmesh_crdt::policy::DocumentKind;
use townmesh_node::views::{
    CauseGrouping, HazardGrouping, HazardStatisticsFilter, HotSpotFilter, OffenderKind, OffendersFilter,
    PopulationFilter, ProposalsFilter, Reader, RecurrenceFilter, SpotSource, TrendFilter, TrendGrouping, TrendStep,
};

use crate::lists::{BEGIN, DAY, villages, wide};
use crate::report::{Goal, Report};
use crate::year::Feed;

const DAYS: u64 = 365;
/// Cameras, gates, chargers, monitors, detectors, vehicles and handheld terminals of the model town.
const DEVICES: u64 = 2_000;
const HOUSEHOLDS: u64 = 100_000;

/// Where something of a number stands: spread over 10 by 10 kilometres.
fn place(number: u64) -> Option<Position> {
    let spread = |factor: u64| (number.wrapping_mul(factor) % 10_007) as i32;
    Position::from_e7(397_000_000 + spread(7_919) * 90, 1_163_000_000 + spread(6_101) * 117)
}

/// Fills the views with a year of so many device events; how many there are then.
pub(crate) fn fill_events(feed: &mut Feed<'_>, events: usize, report: &mut Report) -> anyhow::Result<usize> {
    eprintln!("{events} device events: preparing");
    let (began, regions) = (Instant::now(), villages()?);
    for number in 0..DEVICES {
        feed.register(&regions, number, DocumentKind::Device, device(number))?;
    }
    let a_day = (events as u64 / (DAYS * DEVICES)).max(1);
    for day in 0..DAYS {
        for number in 0..DEVICES {
            feed.register(&regions, number, DocumentKind::DeviceDay, device_day(number, day, a_day))?;
        }
    }
    feed.write()?;
    let events = (a_day * DAYS * DEVICES) as usize;
    let rate = events as f64 / began.elapsed().as_secs_f64();
    report.add("analysis", events, "device events taken into the views", rate, "/s", Goal::None, None);
    Ok(events)
}

/// What is asked of device events; the views hold them.
pub(crate) fn measure_events(reader: &Reader, events: usize, report: &mut Report) -> anyhow::Result<()> {
    let month = |of, days: u64| HotSpotFilter {
        from_ms: BEGIN.cast_signed(),
        until_ms: (BEGIN + days * DAY).cast_signed(),
        of,
        ..HotSpotFilter::default()
    };
    for (what, filter) in [
        ("hot spots: alarms of a year", month(Some(SpotSource::Alarms), DAYS)),
        ("hot spots: every event of a month", month(Some(SpotSource::Events), 30)),
        ("hot spots: every event of a year", month(Some(SpotSource::Events), DAYS)),
    ] {
        let took = timed(|| Ok(reader.hot_spots(&filter)?.rows.len()))?;
        report.add("analysis", events, what, took, "s", Goal::AtMost(5.0), None);
    }
    Ok(())
}

/// What cases of a year are asked for; the views hold them.
pub(crate) fn measure_cases(reader: &Reader, cases: usize, report: &mut Report) -> anyhow::Result<()> {
    let (from_ms, tables) = (BEGIN.cast_signed(), Tables::default());
    for (days, period) in [(30, "a month"), (DAYS, "a year")] {
        let until_ms = (BEGIN + days * DAY).cast_signed();
        let spots = HotSpotFilter { from_ms, until_ms, ..HotSpotFilter::default() };
        let by = Some(CauseGrouping::Category);
        let back = RecurrenceFilter { from_ms, until_ms, days: 90, by, ..RecurrenceFilter::default() };
        let proposed = ProposalsFilter { from_ms, until_ms, days: 90, ..ProposalsFilter::default() };
        let (now_ms, step) = (until_ms, TrendStep::Day);
        let trend = TrendFilter {
            from_ms,
            until_ms,
            now_ms,
            region: None,
            category: None,
            source: None,
            by: TrendGrouping::Category,
            step,
            limit: None,
        };
        for (what, took) in [
            ("hot spots", timed(|| Ok(reader.hot_spots(&spots)?.rows.len()))?),
            ("recurrence", timed(|| Ok(reader.recurrence(&back, &tables)?.rows.len()))?),
            ("proposals", timed(|| Ok(reader.proposals(&proposed, &tables)?.rows.len()))?),
            ("trend by day", timed(|| Ok(reader.trend(&trend)?.rows.len()))?),
        ] {
            report.add("analysis", cases, &format!("{what} of {period}"), took, "s", Goal::AtMost(5.0), None);
        }
    }
    Ok(())
}

/// Fills the views with households of three people each, and a hazard in every second one.
pub(crate) fn fill_people(feed: &mut Feed<'_>) -> anyhow::Result<()> {
    eprintln!("{HOUSEHOLDS} households: preparing");
    let regions = villages()?;
    for number in 0..HOUSEHOLDS {
        let region = regions.get(number as usize % regions.len()).copied();
        feed.register(&regions, number, DocumentKind::Household, household(number, region))?;
        if number.is_multiple_of(2) {
            feed.register(&regions, number, DocumentKind::Hazard, hazard(number))?;
        }
    }
    feed.write()
}

/// What is asked of people and hazards; the views hold them.
pub(crate) fn measure_people(reader: &Reader, report: &mut Report) -> anyhow::Result<()> {
    let (from_ms, until_ms) = (BEGIN.cast_signed(), (BEGIN + DAYS * DAY).cast_signed());
    let population = PopulationFilter { from_ms, until_ms, ..PopulationFilter::default() };
    let by = Some(HazardGrouping::Region);
    let hazards =
        HazardStatisticsFilter { from_ms, until_ms, now_ms: until_ms, by, ..HazardStatisticsFilter::default() };
    let households = HOUSEHOLDS as usize;
    let took = timed(|| Ok(reader.population(&population)?.regions.len()))?;
    report.add("analysis", households, "population", took, "s", Goal::AtMost(5.0), None);
    let took = timed(|| Ok(reader.hazard_statistics(&hazards, &Tables::default())?.groups.len()))?;
    report.add("analysis", households, "statistics of hazards", took, "s", Goal::AtMost(5.0), None);
    for kind in OffenderKind::ALL {
        let filter =
            OffendersFilter { kind: *kind, from_ms, until_ms, region: None, category: None, least: 1, limit: None };
        let took = timed(|| Ok(1 + reader.offenders(&filter, &Tables::default())?.rows.len()))?;
        let what = format!("repeat offenders of a year: {}", kind.name());
        report.add("analysis", households, &what, took, "s", Goal::AtMost(5.0), None);
    }
    Ok(())
}

/// The most seconds of three times; there must be an answer.
fn timed(mut ask: impl FnMut() -> anyhow::Result<usize>) -> anyhow::Result<f64> {
    let mut worst: f64 = 0.0;
    for _ in 0..3 {
        let began = Instant::now();
        let answers = ask()?;
        worst = worst.max(began.elapsed().as_secs_f64());
        anyhow::ensure!(answers > 0, "there is no answer");
    }
    Ok(worst)
}

fn device(number: u64) -> (DocumentId, Reading) {
    let kind = DeviceKind::ALL.get(number as usize % DeviceKind::ALL.len()).copied();
    let record = Device { code: Some(format!("mqtt:d{number}")), kind, position: place(number), ..Device::default() };
    let id = DocumentId(wide(number, 200));
    (id, Reading::Device(FieldsRecord { id, record, conflicts: Vec::new(), settled: Vec::new() }))
}

/// The events of one device and day, of three kinds, every five hundredth an alarm.
fn device_day(number: u64, day: u64, events: u64) -> (DocumentId, Reading) {
    let device = format!("mqtt:d{number}");
    let event = |at: u64| {
        let alarm = (number + day * 31 + at * 7).is_multiple_of(500);
        let kind = if alarm { "smoke" } else { ["pm10", "noise", "passage"][(number % 3) as usize] };
        let time_ms = (BEGIN + day * DAY + at * DAY / events).cast_signed();
        let value = EventValue::Number(((number + at) as i64).into());
        DeviceEvent { time_ms, kind: kind.into(), key: EventKey::Time, value, alarm, device: device.clone() }
    };
    let events = (0..events).map(event).collect();
    let id = DocumentId(wide(day * DEVICES + number, 201));
    let day = Day::of_time((BEGIN + day * DAY).cast_signed(), UTC_OFFSET_MINUTES);
    (id, Reading::DeviceDay(DeviceDayRecord { id, device, day, events, unreadable: 0 }))
}

fn household(number: u64, region: Option<RegionCode>) -> (DocumentId, Reading) {
    let id = DocumentId(wide(number, 202));
    let usage = [DwellingUse::SelfOccupied, DwellingUse::Rental, DwellingUse::Rental][(number % 3) as usize];
    let household = Household {
        region,
        address: Some(format!("{number}号")),
        usage: Some(usage),
        tenant_limit: Some(2),
        position: place(number),
        ..Household::default()
    };
    let resident = |place: u8| {
        let personal = PersonalData {
            name: "某某".into(),
            id_number: Some("410100198808080049".into()),
            phone: Some("13812345678".into()),
        };
        let resident = Resident {
            kind: Some(ResidentKind::Migrant),
            moved_in: Some(Day(20_000 + (number % 700) as i32)),
            personal: Some(personal),
            ..Resident::default()
        };
        let id = ResidentId([place; 8]);
        ResidentRecord { id, resident, state: PersonalState::Open, alias_of: None, came_by: None, stays: vec![] }
    };
    let residents = (0..3).map(resident).collect();
    let owner_state = PersonalState::Open;
    let (duplicates, conflicts) = (Vec::new(), Vec::new());
    (
        id,
        Reading::Household(HouseholdRecord {
            id,
            region,
            household,
            owner_state,
            residents,
            duplicates,
            conflicts,
            settled: Vec::new(),
        }),
    )
}

fn hazard(number: u64) -> (DocumentId, Reading) {
    let id = DocumentId(wide(number, 203));
    let found = (BEGIN + number * DAYS * DAY / HOUSEHOLDS).cast_signed();
    let record = Hazard {
        household: Some(DocumentId(wide(number, 202))),
        checklist: Some(1),
        item: Some((number % 12) as u16 + 1),
        state: Some(if number.is_multiple_of(3) { HazardState::Open } else { HazardState::Closed }),
        found_at: Some(found),
        changed_at: Some(found + (number % 9 * DAY).cast_signed()),
        due: Some(found + DAY.cast_signed()),
        ..Hazard::default()
    };
    (id, Reading::Hazard(HazardRecord { id, record, steps: vec![], conflicts: vec![], settled: vec![] }))
}
