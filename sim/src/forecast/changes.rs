//! Changes of routes: all that are worth a look, and what a town becomes by one.

use serde::Serialize;

use crate::town::{Route, Stop, Town};

/// Most changes that the model tries in a town with few vehicles; in one with many each takes longer.
const MOST: usize = 600;
/// And in a town with very many.
const LEAST: usize = 60;
/// Villages that are worst off, for which further stops are tried.
const VILLAGES: usize = 8;
/// Minutes by which departures are shifted.
const SHIFTS: [i64; 6] = [-120, -60, -30, 30, 60, 120];

/// One change of one route. Vehicles and routes count from 0, places in a route too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Change {
    /// A further stop.
    Insert {
        /// Which vehicle.
        vehicle: usize,
        /// Which of its routes.
        route: usize,
        /// Before which of its stops.
        place: usize,
        /// At which site.
        site: usize,
    },
    /// Two stops that follow each other change places.
    Swap {
        /// Which vehicle.
        vehicle: usize,
        /// Which of its routes.
        route: usize,
        /// The first of the two.
        place: usize,
    },
    /// It departs earlier or later.
    Shift {
        /// Which vehicle.
        vehicle: usize,
        /// Which of its routes.
        route: usize,
        /// By how many minutes.
        minutes: i64,
    },
}

impl Change {
    /// Which vehicle.
    pub fn vehicle(&self) -> usize {
        match self {
            Self::Insert { vehicle, .. } | Self::Swap { vehicle, .. } | Self::Shift { vehicle, .. } => *vehicle,
        }
    }

    /// The town after it; nothing if some time could not be kept then.
    pub(crate) fn apply(&self, town: &Town) -> Option<Town> {
        let mut changed = town.clone();
        let vehicle = changed.vehicles.get_mut(self.vehicle())?;
        match *self {
            Self::Insert { route, place, site, .. } => {
                let route = vehicle.routes.get_mut(route)?;
                let dwell = route.stops.iter().map(|stop| stop.dwell).min().unwrap_or(10);
                (place <= route.stops.len()).then(|| route.stops.insert(place, Stop { site, dwell, arrive: None }))?;
            }
            Self::Swap { route, place, .. } => {
                let stops = &mut vehicle.routes.get_mut(route)?.stops;
                (place + 1 < stops.len()).then(|| stops.swap(place, place + 1))?;
            }
            Self::Shift { route, minutes, .. } => {
                let route = vehicle.routes.get_mut(route)?;
                route.depart = moved(route.depart, minutes)?;
                for arrive in route.stops.iter_mut().filter_map(|stop| stop.arrive.as_mut()) {
                    *arrive = moved(*arrive, minutes)?;
                }
            }
        }
        changed.vehicles.get(self.vehicle())?.stays(&changed)?;
        Some(changed)
    }

    /// What it is, in Chinese and English.
    pub fn words(&self, town: &Town) -> (String, String) {
        let name = |site: usize| town.sites.get(site).map_or("", |site| site.name.as_str());
        let (vehicle, stop) = match town.vehicles.get(self.vehicle()) {
            Some(vehicle) => (vehicle, |vehicle: &crate::town::Vehicle, route: usize, place: usize| {
                vehicle.routes.get(route).and_then(|route: &Route| route.stops.get(place)).copied()
            }),
            None => return Default::default(),
        };
        let depart = |route: usize| vehicle.routes.get(route).map_or(0, |route| route.depart);
        let at = |route: usize, place: usize| stop(vehicle, route, place).map_or("", |stop| name(stop.site));
        let who = &vehicle.name;
        match *self {
            Self::Insert { route, place, site, .. } => {
                let (site, time) = (name(site), crate::town::clock_text(depart(route)));
                match at(route, place) {
                    "" => (
                        format!("{who} 的 {time} 班次最后加停 {site}"),
                        format!("{who}, drive of {time}: a last stop at {site}"),
                    ),
                    next => (
                        format!("{who} 的 {time} 班次在 {next} 之前加停 {site}"),
                        format!("{who}, drive of {time}: a stop at {site} before {next}"),
                    ),
                }
            }
            Self::Swap { route, place, .. } => {
                let (one, other, time) =
                    (at(route, place), at(route, place + 1), crate::town::clock_text(depart(route)));
                (
                    format!("{who} 的 {time} 班次先到 {other} 再到 {one}"),
                    format!("{who}, drive of {time}: {other} first, then {one}"),
                )
            }
            Self::Shift { route, minutes, .. } => {
                let from = crate::town::clock_text(depart(route));
                let to = crate::town::clock_text(moved(depart(route), minutes).unwrap_or(0));
                (format!("{who} 的 {from} 班次改为 {to} 出发"), format!("{who}: the drive of {from} departs at {to}"))
            }
        }
    }
}

fn moved(minute: u32, by: i64) -> Option<u32> {
    u32::try_from(i64::from(minute) + by).ok().filter(|minute| *minute < crate::town::MINUTES_A_DAY)
}

/// Changes worth a look. `worst` are the sites in order of need; the vehicles that could help them come first.
pub(crate) fn all(town: &Town, worst: &[usize]) -> Vec<Change> {
    let mut changes = Vec::new();
    for site in worst.iter().take(VILLAGES) {
        for (vehicle, row) in town.vehicles.iter().enumerate() {
            if !town.sites.get(*site).is_some_and(|site| row.serves(site)) {
                continue;
            }
            for (number, route) in row.routes.iter().enumerate() {
                changes.extend((0..=route.stops.len()).filter_map(|place| {
                    let beside = [place.checked_sub(1), Some(place)].into_iter().flatten();
                    let already = beside.filter_map(|place| route.stops.get(place)).any(|stop| stop.site == *site);
                    (!already).then_some(Change::Insert { vehicle, route: number, place, site: *site })
                }));
            }
        }
    }
    // The shortest detours first: there may be more than can be tried.
    changes.sort_by_cached_key(|change| {
        change.apply(town).map_or(i64::MAX, |after| detour(town, &after, change.vehicle()))
    });
    let most = (MOST * 20 / (town.vehicles.len() + 20)).max(LEAST);
    changes.truncate(most / 2);
    for (vehicle, row) in town.vehicles.iter().enumerate() {
        for (route, drive) in row.routes.iter().enumerate() {
            changes.extend((1..drive.stops.len()).map(|place| Change::Swap { vehicle, route, place: place - 1 }));
            changes.extend(SHIFTS.map(|minutes| Change::Shift { vehicle, route, minutes }));
        }
    }
    changes.truncate(most);
    changes
}

/// Further metres that a vehicle drives in a day.
pub(crate) fn detour(before: &Town, after: &Town, vehicle: usize) -> i64 {
    let metres = |town: &Town| town.vehicles.get(vehicle).map_or(0, |row| row.metres_a_day(town));
    metres(after) - metres(before)
}
