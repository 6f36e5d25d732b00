//! The summary of a forecast, as `report.json` has it. Lengths of time are minutes.

use std::collections::BTreeMap;

use serde::Serialize;
use townmesh_crdt::clock::Millis;

use super::changes::Change;
use super::contacts::Contact;
use super::{Inquiry, model};
use crate::plan::MINUTE;
use crate::town::Town;
use crate::world::meter::{Age, Watched};
use crate::world::roster::LinkKind;

/// Version of `report.json`: raised whenever a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// What came of a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// The town's name.
    pub town: String,
    /// The seed.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Hours that were simulated.
    pub hours: u32,
    /// Work in percent of the model town's.
    pub load_percent: u32,
    /// Minutes between two samples.
    pub sample_min: u32,
    /// What was cut off.
    pub outages: Vec<String>,
    /// Staleness over all villages, simulated.
    pub staleness: Staleness,
    /// The same as the model has it.
    pub staleness_modelled: Staleness,
    /// Each village.
    pub villages: Vec<VillageRow>,
    /// From acknowledgement to the center.
    pub to_center: Arrival,
    /// From acknowledgement to all who may read it.
    pub to_all: Arrival,
    /// Bytes on each link that carried any.
    pub links: Vec<LinkRow>,
    /// Each vehicle.
    pub vehicles: Vec<VehicleRow>,
    /// Every contact by radio or mobile link.
    #[serde(skip)]
    pub contacts: Vec<ContactRow>,
    /// Changes that the model tried.
    pub changes_tried: usize,
    /// Changes that help, as the model has it.
    pub changes_that_help: usize,
    /// The best changes, simulated; the best first.
    pub changes: Vec<ConfirmedChange>,
    /// Defects of the product that the run met; empty unless something is wrong with townmesh itself.
    pub violations: Vec<String>,
}

/// Staleness over all villages and both directions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Staleness {
    /// Mean over villages, samples and directions.
    pub mean_min: f64,
    /// The worst of any village at any sample.
    pub worst_min: f64,
}

/// One village.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VillageRow {
    /// Its name.
    pub name: String,
    /// The code of its region.
    pub region: String,
    /// Worst staleness toward the center.
    pub worst_to_center_min: f64,
    /// Mean staleness toward the center.
    pub mean_to_center_min: f64,
    /// Worst staleness toward the village.
    pub worst_to_village_min: f64,
    /// Mean staleness toward the village.
    pub mean_to_village_min: f64,
    #[serde(skip)]
    pub(crate) site: usize,
}

/// How long records were on their way.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Arrival {
    /// Records that arrived.
    pub arrived: usize,
    /// Records that had not arrived at the end.
    pub not_arrived: usize,
    /// Half of those that arrived took no longer.
    pub median_min: f64,
    /// 95 % took no longer.
    pub p95_min: f64,
    /// The longest.
    pub longest_min: f64,
    /// Records by how long they took: upper bound in minutes (exclusive), count.
    pub histogram: Vec<(u32, usize)>,
}

/// Bytes on one link; those of deployment not counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LinkRow {
    /// One end.
    pub from: String,
    /// The other.
    pub to: String,
    /// `wire`, `radio` or `mobile`.
    pub kind: &'static str,
    /// Bytes from the one to the other.
    pub bytes_forth: u64,
    /// Bytes the other way.
    pub bytes_back: u64,
}

/// One vehicle.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VehicleRow {
    /// Its name.
    pub name: String,
    /// Metres that it drives in a day.
    pub metres_a_day: i64,
    /// Contacts by radio that it had with sites on its way, without those of the depot at night.
    pub contacts: usize,
    /// Bytes that it took in by radio.
    pub radio_in: u64,
    /// Bytes that it handed over by radio.
    pub radio_out: u64,
    /// Bytes on its mobile link, both ways.
    pub mobile: u64,
}

/// One contact.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ContactRow {
    /// One end.
    pub from: String,
    /// The other.
    pub to: String,
    /// `wire`, `radio` or `mobile`.
    pub kind: &'static str,
    /// Minutes after 06:00 of the first day.
    pub begins_min: u32,
    /// The first minute in which it is over.
    pub ends_min: u32,
    /// Bytes both ways.
    pub bytes: u64,
}

/// A change of a route that was simulated.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConfirmedChange {
    /// What.
    pub change: Change,
    /// In Chinese.
    pub words_zh: String,
    /// In English.
    pub words_en: String,
    /// Further metres that the vehicle drives in a day.
    pub detour_m: i64,
    /// Simulated, without it.
    pub simulated_before: Staleness,
    /// Simulated, with it.
    pub simulated: Staleness,
    /// By the model, without it.
    pub modelled_before: Staleness,
    /// By the model, with it.
    pub modelled: Staleness,
}

impl Staleness {
    fn of(ages: impl Iterator<Item = (f64, f64)>) -> Self {
        let (mut sum, mut count, mut worst) = (0.0, 0.0, 0.0_f64);
        for (to_center, to_village) in ages {
            sum += to_center + to_village;
            count += 2.0;
            worst = worst.max(to_center).max(to_village);
        }
        Self { mean_min: if count > 0.0 { sum / count } else { 0.0 }, worst_min: worst }
    }

    pub(crate) fn of_run(town: &Town, ages: &[Vec<Age>]) -> Self {
        let villages = ages.iter().take(town.sites.len()).enumerate().filter(|(site, _)| !town.is_center(*site));
        Self::of(villages.flat_map(|(_, row)| row).map(|(one, other)| (minutes(*one), minutes(*other))))
    }

    pub(crate) fn of_model(town: &Town, ages: &model::Ages) -> Self {
        let villages = ages.iter().take(town.sites.len()).enumerate().filter(|(site, _)| !town.is_center(*site));
        Self::of(villages.flat_map(|(_, row)| row).map(|(one, other)| (f64::from(*one), f64::from(*other))))
    }
}

/// Minutes to two decimals.
pub(crate) fn minutes(millis: Millis) -> f64 {
    (millis as f64 / MINUTE as f64 * 100.0).round() / 100.0
}

pub(crate) fn kind_word(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Wire => "wire",
        LinkKind::Radio => "radio",
        LinkKind::Mobile => "mobile",
    }
}

impl Report {
    /// Numbers of the villages' sites, the worst off first.
    pub(crate) fn worst_first(&self) -> Vec<usize> {
        let mut rows: Vec<&VillageRow> = self.villages.iter().collect();
        let need = |row: &VillageRow| row.mean_to_center_min + row.mean_to_village_min;
        rows.sort_by(|one, other| need(other).total_cmp(&need(one)));
        rows.into_iter().map(|row| row.site).collect()
    }
}

pub(super) fn report(
    inquiry: &Inquiry<'_>,
    watched: &Watched,
    contacts: &[Contact],
    (staleness, staleness_modelled): (Staleness, Staleness),
) -> Report {
    let (town, options) = (inquiry.town, inquiry.options);
    let contacts = contact_rows(town, watched, contacts);
    let day = match options.outage_day {
        0 => String::new(),
        day => format!(" (第 {0} 天 / day {0})", day + 1),
    };
    Report {
        schema_version: SCHEMA_VERSION,
        town: town.name.clone(),
        seed: options.seed,
        nodes: town.nodes(),
        hours: options.hours,
        load_percent: options.load,
        sample_min: options.sample_min,
        outages: options.outages.iter().map(|outage| format!("{}{day}", outage.text(town))).collect(),
        staleness,
        staleness_modelled,
        villages: villages(town, watched),
        to_center: arrival(watched, |record| record.at_center),
        to_all: arrival(watched, |record| record.everywhere),
        links: links(town, watched),
        vehicles: vehicles(town, watched, &contacts),
        contacts,
        changes_tried: 0,
        changes_that_help: 0,
        changes: vec![],
        violations: watched.violations.clone(),
    }
}

fn villages(town: &Town, watched: &Watched) -> Vec<VillageRow> {
    let rows = town.sites.iter().enumerate().zip(&watched.ages).filter_map(|((site, row), ages)| {
        let worst = |pick: fn(&Age) -> Millis| minutes(ages.iter().map(pick).max().unwrap_or(0));
        let mean = |pick: fn(&Age) -> Millis| {
            minutes(ages.iter().map(pick).sum::<Millis>() / u64::try_from(ages.len().max(1)).unwrap_or(1))
        };
        Some(VillageRow {
            name: row.name.clone(),
            region: row.region.clone()?,
            worst_to_center_min: worst(|age| age.0),
            mean_to_center_min: mean(|age| age.0),
            worst_to_village_min: worst(|age| age.1),
            mean_to_village_min: mean(|age| age.1),
            site,
        })
    });
    rows.collect()
}

/// Upper bounds of the bars, in minutes.
const BOUNDS: [u32; 10] = [1, 5, 15, 30, 60, 120, 240, 480, 1_440, u32::MAX];

fn arrival(watched: &Watched, when: fn(&crate::world::meter::Followed) -> Option<Millis>) -> Arrival {
    let mut took: Vec<Millis> =
        watched.records.iter().filter_map(|record| Some(when(record)?.saturating_sub(record.at))).collect();
    took.sort_unstable();
    let part = |percent: usize| {
        let last = (took.len() * percent).div_ceil(100).saturating_sub(1);
        minutes(took.get(last).copied().unwrap_or(0))
    };
    let mut histogram: Vec<(u32, usize)> = BOUNDS.iter().map(|bound| (*bound, 0)).collect();
    for millis in &took {
        let bar = histogram.iter_mut().find(|(bound, _)| *millis < u64::from(*bound) * MINUTE);
        if let Some((_, count)) = bar {
            *count += 1;
        }
    }
    Arrival {
        arrived: took.len(),
        not_arrived: watched.records.len() - took.len(),
        median_min: part(50),
        p95_min: part(95),
        longest_min: part(100),
        histogram,
    }
}

fn links(town: &Town, watched: &Watched) -> Vec<LinkRow> {
    let names = town.names();
    let name = |number: usize| names.get(number).cloned().unwrap_or_default();
    let mut rows: Vec<LinkRow> = Vec::new();
    for ((ends, kind), minutes) in &watched.meter.moved {
        let [bytes_forth, bytes_back] = sum(minutes.values());
        let (from, to, kind) = (name(ends.0), name(ends.1), kind_word(*kind));
        rows.push(LinkRow { from, to, kind, bytes_forth, bytes_back });
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes_forth + row.bytes_back));
    rows
}

fn sum<'a>(minutes: impl Iterator<Item = &'a [u64; 2]>) -> [u64; 2] {
    minutes.fold([0, 0], |[forth, back], [more, less]| [forth + more, back + less])
}

fn contact_rows(town: &Town, watched: &Watched, contacts: &[Contact]) -> Vec<ContactRow> {
    let names = town.names();
    let name = |number: usize| names.get(number).cloned().unwrap_or_default();
    // What arrives after a contact still belongs to it: until the next one begins.
    let mut next: BTreeMap<crate::world::meter::Way, u32> = BTreeMap::new();
    let mut rows: Vec<ContactRow> = Vec::with_capacity(contacts.len());
    for contact in contacts.iter().rev() {
        let way = (contact.link.ends, contact.link.kind);
        let end = next.insert(way, contact.from).unwrap_or(u32::MAX);
        let minutes = watched.meter.moved.get(&way).into_iter().flatten();
        let during = minutes.filter(|(minute, _)| (u64::from(contact.from)..u64::from(end)).contains(*minute));
        let [forth, back] = sum(during.map(|(_, bytes)| bytes));
        rows.push(ContactRow {
            from: name(way.0.0),
            to: name(way.0.1),
            kind: kind_word(way.1),
            begins_min: contact.from,
            ends_min: contact.until,
            bytes: forth + back,
        });
    }
    rows.reverse();
    rows
}

fn vehicles(town: &Town, watched: &Watched, contacts: &[ContactRow]) -> Vec<VehicleRow> {
    let sites = town.sites.len();
    let rows = town.vehicles.iter().enumerate().map(|(number, vehicle)| {
        let node = sites + number;
        let (mut radio_in, mut radio_out, mut mobile) = (0, 0, 0);
        for ((ends, kind), minutes) in
            watched.meter.moved.iter().filter(|((ends, _), _)| ends.0 == node || ends.1 == node)
        {
            let [forth, back] = sum(minutes.values());
            let (inward, outward) = if ends.1 == node { (forth, back) } else { (back, forth) };
            match kind {
                LinkKind::Radio => (radio_in, radio_out) = (radio_in + inward, radio_out + outward),
                LinkKind::Mobile | LinkKind::Wire => mobile += inward + outward,
            }
        }
        let depot = town.sites.get(vehicle.depot).map_or("", |site| site.name.as_str());
        let is_met = |row: &&ContactRow| row.kind == "radio" && row.to == vehicle.name && row.from != depot;
        VehicleRow {
            name: vehicle.name.clone(),
            metres_a_day: vehicle.metres_a_day(town),
            contacts: contacts.iter().filter(is_met).count(),
            radio_in,
            radio_out,
            mobile,
        }
    });
    rows.collect()
}
