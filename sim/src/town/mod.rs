//! Town files: a town as its people draw it, with nodes, lines, mobile coverage and the routes of vehicles.
//!
//! [`Town::parse`] reads the TOML of a file and checks everything at once, so that what it returns can be simulated.
//! Times of day are minutes after midnight, positions metres on the town's own map, rates bytes in a second.

mod error;
mod example;
mod file;
mod outage;
pub(crate) mod roster;
mod route;
#[cfg(test)]
mod tests;

pub use error::{OutageError, TownError, Wrong};
pub use example::{SMALL, model};
pub use outage::{Outage, Target};

use crate::plan::DAY;

/// Minutes in a day.
pub const MINUTES_A_DAY: u32 = (DAY / crate::plan::MINUTE) as u32;

/// A place on the map: metres east and north of its corner.
pub type Place = (i64, i64);

/// A stretch of a day, in minutes after midnight: from, until.
pub type Window = (u32, u32);

/// A town that can be simulated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Town {
    /// Its name.
    pub name: String,
    /// How far radio reaches, in metres.
    pub radius_m: u32,
    /// Whether vehicles exchange records when they meet each other.
    pub vehicles_meet: bool,
    /// Bytes in a second of lines, radio and mobile links.
    pub rates: Rates,
    /// Codes and names of its regions.
    pub regions: Vec<(String, String)>,
    /// Centers and village offices.
    pub sites: Vec<Site>,
    /// Vehicles.
    pub vehicles: Vec<Vehicle>,
}

/// Bytes in a second of each kind of link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// Of a line.
    pub wire: u32,
    /// Of radio.
    pub radio: u32,
    /// Of a mobile link.
    pub mobile: u32,
}

/// A center or a village office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// The code of its region; nothing for a center.
    pub region: Option<String>,
    /// Where it stands.
    pub place: Place,
    /// The sites at the other end of its lines.
    pub wires: Vec<usize>,
    /// When it has mobile coverage, and so reaches the first center.
    pub mobile: Vec<Window>,
}

/// A vehicle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vehicle {
    /// Its name.
    pub name: String,
    /// The code of the region that its crew works for; nothing for one that only carries.
    pub region: Option<String>,
    /// Codes of the regions that it carries for.
    pub carries: Vec<String>,
    /// The site where it stands when it is not on the road.
    pub depot: usize,
    /// Metres in a minute.
    pub speed: u32,
    /// When it has mobile coverage, and so reaches the first center.
    pub mobile: Vec<Window>,
    /// Its drives in a day, in order of time; each ends at the depot.
    pub routes: Vec<Route>,
}

/// One drive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// When it leaves the depot, in minutes after midnight.
    pub depart: u32,
    /// Where it stops.
    pub stops: Vec<Stop>,
}

/// One stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// At which site.
    pub site: usize,
    /// For how many minutes.
    pub dwell: u32,
    /// Not before this minute of the day.
    pub arrive: Option<u32>,
}

impl Town {
    /// Whether a site is a center.
    pub fn is_center(&self, site: usize) -> bool {
        self.sites.get(site).is_some_and(|site| site.region.is_none())
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.sites.len() + self.vehicles.len()
    }

    /// Names of the nodes: sites first, then vehicles.
    pub fn names(&self) -> Vec<String> {
        let vehicles = self.vehicles.iter().map(|vehicle| vehicle.name.clone());
        self.sites.iter().map(|site| site.name.clone()).chain(vehicles).collect()
    }
}

/// A time of day as people write it.
pub(crate) fn clock_text(minute: u32) -> String {
    format!("{:02}:{:02}", minute / 60 % 24, minute % 60)
}

/// Reads `HH:MM`, up to 24:00.
fn read_clock(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    let at = hours * 60 + minutes;
    (minutes < 60 && at <= MINUTES_A_DAY).then_some(at)
}

/// Reads `HH:MM-HH:MM`.
fn read_window(text: &str) -> Option<Window> {
    let (from, until) = text.split_once('-')?;
    Some((read_clock(from)?, read_clock(until)?))
}
