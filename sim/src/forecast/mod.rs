//! What an outage does to a town, and which change of a route helps most.
//!
//! Production replicas live through a day of a town file ([`crate::town`]). Definitions, all in the report, too:
//!
//! * *Staleness of a village toward the center*, at a moment: the age of the oldest record that was acknowledged at the
//!   village and that no center holds yet; 0 if there is none.
//! * *Staleness toward the village*: the age of the oldest record acknowledged elsewhere that the village may read and
//!   does not hold yet; 0 if there is none.
//! * *Time to the center*, of a record: from its acknowledgement until the first center held it. *Time to all*: until
//!   every node that may read it held it. Looked at once a minute.
//!
//! Changes of routes are ranked by a contact-graph model ([`model`]), and the best are simulated with the same work.

mod changes;
mod charts;
mod contacts;
mod csv;
mod html;
mod map;
mod model;
mod report;
#[cfg(test)]
mod tests;

use townmesh_crdt::clock::Millis;

pub use changes::Change;
use contacts::Contact;
pub use report::{
    Arrival, ConfirmedChange, ContactRow, LinkRow, Report, SCHEMA_VERSION, Staleness, VehicleRow, VillageRow,
};

use crate::plan::{DAY, DEPLOYMENT, HOUR, MINUTE, Options as PlanOptions, Plan, work_of};
use crate::town::{Outage, Town};
use crate::world::meter::Watched;
use crate::world::roster::Roster;
use crate::world::{World, WorldError};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// Hours that are simulated, from 06:30 on.
    pub hours: u32,
    /// Work in percent of the model town's.
    pub load: u32,
    /// Minutes between two samples of staleness.
    pub sample_min: u32,
    /// What is cut off.
    pub outages: Vec<Outage>,
    /// On which day, from 0.
    pub outage_day: u32,
    /// How many of the best changes are simulated; 0 to try none.
    pub confirm: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, hours: 24, load: 100, sample_min: 5, outages: vec![], outage_day: 0, confirm: 3 }
    }
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum ForecastError {
    /// A vehicle cannot keep its times; a town from [`Town::parse`] always can.
    #[error("a vehicle cannot keep the times of its routes")]
    Times,
    /// An outage that lies before or after the hours that are simulated.
    #[error(
        "the outage {outage} on day {day} lies outside of what is simulated: {hours} hours from 06:30 of the first day"
    )]
    Outside {
        /// As it was given.
        outage: String,
        /// On which day, from 1 on.
        day: u32,
        /// How many hours are simulated.
        hours: u32,
    },
    /// The simulation.
    #[error(transparent)]
    World(#[from] WorldError),
}

/// What came out, with all that the files are made of.
#[derive(Debug)]
pub struct Forecast {
    /// The summary.
    pub report: Report,
    town: Town,
    watched: Watched,
    /// The outages: from and until, in minutes after dawn.
    cuts: Vec<(i64, i64)>,
}

/// Something that people may watch while it takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The town as it is, is simulated.
    Baseline,
    /// This many changes are tried on the model.
    Model(usize),
    /// Change number so of so many is simulated.
    Change(usize, usize),
}

/// Simulates a town under outages, ranks changes of its routes and simulates the best.
///
/// # Errors
/// [`ForecastError`]
pub fn forecast(town: &Town, options: &Options, mut at: impl FnMut(Stage)) -> Result<Forecast, ForecastError> {
    let cuts = cuts(town, options)?;
    let inquiry = Inquiry { town, options, plan: plan(town, options) };
    at(Stage::Baseline);
    let roster = inquiry.roster(town)?;
    let contacts = contacts::contacts(&roster, inquiry.minutes());
    let watched = World::watch(&inquiry.plan, inquiry.roster(town)?, u64::from(options.sample_min))?;
    let births = model::births(&watched, town.nodes());
    let predicted = Staleness::of_model(town, &model::ages(&roster, &contacts, &births, &inquiry.samples()));
    let simulated = Staleness::of_run(town, &watched.ages);
    let mut report = report::report(&inquiry, &watched, &contacts, (simulated, predicted));
    if options.confirm > 0 {
        let order = report.worst_first();
        let candidates = changes::all(town, &order);
        at(Stage::Model(candidates.len()));
        report.changes_tried = candidates.len();
        let ranked = inquiry.rank(&candidates, &contacts, &births);
        report.changes_that_help =
            ranked.iter().filter(|(_, staleness)| staleness.mean_min < predicted.mean_min).count();
        let best = inquiry.best(&ranked, predicted);
        for (number, (change, modelled)) in best.iter().enumerate() {
            at(Stage::Change(number + 1, best.len()));
            let confirmed = inquiry.confirm(*change, *modelled, (simulated, predicted))?;
            report.changes.extend(confirmed.map(|(change, violations)| {
                report.violations.extend(violations);
                change
            }));
        }
        report.changes.sort_by(|one, other| one.simulated.mean_min.total_cmp(&other.simulated.mean_min));
    }
    Ok(Forecast { report, town: town.clone(), watched, cuts })
}

/// From when until when each outage lasts, in minutes after dawn.
fn cuts(town: &Town, options: &Options) -> Result<Vec<(i64, i64)>, ForecastError> {
    let midnight = i64::from(options.outage_day * crate::town::MINUTES_A_DAY) - i64::from(crate::town::roster::DAWN);
    let begin = (DEPLOYMENT / MINUTE) as i64;
    let simulated = begin..begin + i64::from(options.hours) * 60;
    let cut = |outage: &Outage| {
        let (from, until) = (midnight + i64::from(outage.window.0), midnight + i64::from(outage.window.1));
        if from < simulated.end && until > simulated.start {
            return Ok((from, until));
        }
        let (outage, day) = (outage.text(town), options.outage_day + 1);
        Err(ForecastError::Outside { outage, day, hours: options.hours })
    };
    options.outages.iter().map(cut).collect()
}

/// One question about one town.
struct Inquiry<'a> {
    town: &'a Town,
    options: &'a Options,
    plan: Plan,
}

fn plan(town: &Town, options: &Options) -> Plan {
    let nodes = town.nodes();
    let PlanOptions { beacon_s, events, .. } = PlanOptions::default();
    let options = PlanOptions {
        seed: options.seed,
        nodes,
        hours: options.hours,
        load: options.load,
        faults: 0,
        beacon_s,
        bound_min: 0,
        events,
    };
    let mut steps = Vec::new();
    for node in 0..nodes {
        work_of(&options, node, node >= town.sites.len(), Millis::from(options.hours) * HOUR, &mut steps);
    }
    steps.sort_by_key(|step| (step.at, step.node, step.dice));
    Plan { options, steps }
}

impl Inquiry<'_> {
    fn minutes(&self) -> u32 {
        (DEPLOYMENT / MINUTE) as u32 + self.options.hours * 60 + 1
    }

    fn samples(&self) -> Vec<u32> {
        let every = self.options.sample_min.max(1);
        ((DEPLOYMENT / MINUTE) as u32..self.minutes()).filter(|minute| minute.is_multiple_of(every)).collect()
    }

    fn roster(&self, town: &Town) -> Result<Roster, ForecastError> {
        let days = u32::try_from((u64::from(self.minutes()) * MINUTE).div_ceil(DAY)).unwrap_or(1);
        let roster = town.roster(&self.options.outages, self.options.outage_day, days);
        roster.ok_or(ForecastError::Times)
    }

    /// Changes with what the model says of them, the best first.
    fn rank(&self, candidates: &[Change], before: &[Contact], births: &model::Births) -> Vec<(Change, Staleness)> {
        let mut ranked: Vec<(Change, Staleness)> = Vec::new();
        let samples = self.samples();
        for change in candidates {
            let Some(town) = change.apply(self.town) else { continue };
            let Ok(roster) = self.roster(&town) else { continue };
            let vehicle = town.sites.len() + change.vehicle();
            let contacts = contacts::changed(before, &roster, self.minutes(), vehicle);
            let ages = model::ages(&roster, &contacts, births, &samples);
            ranked.push((*change, Staleness::of_model(&town, &ages)));
        }
        // The sort is stable: among equals the earlier candidate stays first.
        ranked.sort_by(|(_, one), (_, other)| one.mean_min.total_cmp(&other.mean_min));
        ranked
    }

    /// The best that help, at most one of each kind for each vehicle: the same idea twice tells nothing.
    fn best(&self, ranked: &[(Change, Staleness)], before: Staleness) -> Vec<(Change, Staleness)> {
        let mut best: Vec<(Change, Staleness)> = Vec::new();
        for (change, staleness) in ranked.iter().filter(|(_, staleness)| staleness.mean_min < before.mean_min) {
            let alike = |(known, _): &(Change, Staleness)| {
                known.vehicle() == change.vehicle() && std::mem::discriminant(known) == std::mem::discriminant(change)
            };
            if best.len() < self.options.confirm && !best.iter().any(alike) {
                best.push((*change, *staleness));
            }
        }
        best
    }

    fn confirm(
        &self,
        change: Change,
        modelled: Staleness,
        (simulated_before, modelled_before): (Staleness, Staleness),
    ) -> Result<Option<(ConfirmedChange, Vec<String>)>, ForecastError> {
        let Some(town) = change.apply(self.town) else { return Ok(None) };
        let watched = World::watch(&self.plan, self.roster(&town)?, u64::from(self.options.sample_min))?;
        let (words_zh, words_en) = change.words(self.town);
        let confirmed = ConfirmedChange {
            change,
            words_zh,
            words_en,
            detour_m: changes::detour(self.town, &town, change.vehicle()),
            simulated_before,
            simulated: Staleness::of_run(&town, &watched.ages),
            modelled_before,
            modelled,
        };
        Ok(Some((confirmed, watched.violations)))
    }
}
