//! Where a vehicle is when: drives along straight lines at its speed, and stays.

use super::{Place, Route, Site, Stop, Town, Vehicle};

/// A stay: from, until (minutes after midnight), where.
pub(crate) type Stay = (u32, u32, Place);

/// A drive as it goes on from stop to stop.
pub(crate) struct Drive<'a> {
    town: &'a Town,
    vehicle: &'a Vehicle,
    at: u32,
    here: Place,
    stays: Vec<Stay>,
}

impl Vehicle {
    /// Begins a drive at the depot.
    pub(crate) fn drive<'a>(&'a self, route: &Route, town: &'a Town) -> Drive<'a> {
        Drive { town, vehicle: self, at: route.depart, here: place_of(town, self.depot), stays: vec![] }
    }

    /// Whether it carries what a site records.
    pub(crate) fn serves(&self, site: &Site) -> bool {
        site.region.as_ref().is_none_or(|code| self.region.as_ref() == Some(code) || self.carries.contains(code))
    }

    /// Its stays in one day, from midnight to midnight; `None` if its drives overlap or a time cannot be kept.
    pub(crate) fn stays(&self, town: &Town) -> Option<Vec<Stay>> {
        let depot = place_of(town, self.depot);
        let (mut stays, mut since) = (Vec::new(), 0);
        for route in &self.routes {
            if route.depart < since {
                return None;
            }
            stays.push((since, route.depart, depot));
            let mut drive = self.drive(route, town);
            for stop in &route.stops {
                if stop.arrive.is_some_and(|at| at < drive.earliest(*stop)) {
                    return None;
                }
                drive.stop_at(*stop);
            }
            since = drive.back();
            stays.extend(drive.stays);
        }
        stays.push((since, super::MINUTES_A_DAY, depot));
        (since <= super::MINUTES_A_DAY).then_some(stays)
    }

    /// Metres that it drives in a day.
    pub fn metres_a_day(&self, town: &Town) -> i64 {
        let depot = place_of(town, self.depot);
        let length = |route: &Route| {
            let places = route.stops.iter().map(|stop| place_of(town, stop.site)).chain([depot]);
            places.fold((0, depot), |(sum, here), there| (sum + distance(here, there), there)).0
        };
        self.routes.iter().map(length).sum()
    }
}

impl Drive<'_> {
    /// When it is at the next stop if it does not wait.
    pub(crate) fn earliest(&self, stop: Stop) -> u32 {
        self.at.saturating_add(self.minutes_to(place_of(self.town, stop.site)))
    }

    /// Drives to a stop and stays there.
    pub(crate) fn stop_at(&mut self, stop: Stop) {
        let there = place_of(self.town, stop.site);
        let from = self.earliest(stop).max(stop.arrive.unwrap_or(0));
        let until = from.saturating_add(stop.dwell);
        self.stays.push((from, until, there));
        (self.at, self.here) = (until, there);
    }

    /// When it is back at the depot.
    pub(crate) fn back(&self) -> u32 {
        self.at.saturating_add(self.minutes_to(place_of(self.town, self.vehicle.depot)))
    }

    /// Full minutes of the drive, at least one unless it is there.
    fn minutes_to(&self, there: Place) -> u32 {
        let metres = u64::try_from(distance(self.here, there)).unwrap_or(0);
        u32::try_from(metres.div_ceil(u64::from(self.vehicle.speed.max(1)))).unwrap_or(u32::MAX)
    }
}

pub(crate) fn place_of(town: &Town, site: usize) -> Place {
    town.sites.get(site).map_or((0, 0), |site| site.place)
}

/// Metres as the crow flies.
pub(crate) fn distance(one: Place, other: Place) -> i64 {
    let (x, y) = (one.0 - other.0, one.1 - other.1);
    (x * x + y * y).isqrt()
}
