//! Decision support by figures that can be counted by hand.

mod drill_down;
mod intervals;
mod offenders;
mod people;
mod proposals;
mod recurrence;
mod spots;
mod statistics;
mod trend;

use townmesh_crdt::command::read::{HazardRecord, Reading};
use townmesh_crdt::domain::case::Source;
use townmesh_crdt::domain::hazard::{Hazard, HazardState};
use townmesh_crdt::domain::position::Position;

use super::assessment::{Life, NORTH, SOUTH};
use super::{Scene, household, id};

pub(super) const HOUR: i64 = 60;
pub(super) const DAY: i64 = 24 * HOUR;
pub(super) const DAY_MS: i64 = 86_400_000;
/// Longer than anything here lasts, in milliseconds.
pub(super) const LONG: i64 = 10_000 * DAY_MS;

/// A case that was filed, reported so many minutes after 1970 began, which in the town was a Thursday at eight.
fn case(number: u32, minute: i64) -> Life {
    Life::filed(number, NORTH, Source::Patrol).at("", None).later(minute)
}

/// The same, handled and closed within minutes, so that the next one there has come back.
fn done(number: u32, minute: i64) -> Life {
    let filed = Life::filed(number, NORTH, Source::Patrol).at("", None);
    filed.dispatched("a").handled(5).verified(6, true).closed(7).later(minute)
}

/// A place so many metres north of one in Huangcun.
fn north_by(metres: f64) -> Option<Position> {
    Position::from_degrees(39.7354 + metres / 111_320.0, 116.3310)
}

/// A hazard found in a household on an item of the first checklist, so many minutes after 1970 began.
fn found(household: u32, item: u16, minute: i64) -> Hazard {
    Hazard {
        household: Some(id(household)),
        checklist: Some(1),
        item: Some(item),
        state: Some(HazardState::Open),
        found_at: Some(minute * 60_000),
        ..Hazard::default()
    }
}

fn reading(number: u32, record: Hazard) -> Reading {
    Reading::Hazard(HazardRecord { id: id(number), record, steps: vec![], conflicts: vec![], settled: vec![] })
}
