//! Watching a town from outside: bytes on each link, and when records came to be where.

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::certificate::{Access, NodeRole};
use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::LogId;

use super::roster::{LinkKind, Roster};
use super::{World, WorldError};
use crate::plan::{DEPLOYMENT, HOUR, MINUTE, Plan};

/// Ends in order of their numbers, and kind.
pub(crate) type Way = ((usize, usize), LinkKind);

/// Counts bytes.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// For each link and minute: bytes from the first end to the second, and back.
    pub(crate) moved: BTreeMap<Way, BTreeMap<Millis, [u64; 2]>>,
}

impl Meter {
    /// A message arrived.
    pub(crate) fn moved(&mut self, (from, to): (usize, usize), kind: LinkKind, now: Millis, bytes: usize) {
        let minutes = self.moved.entry(((from.min(to), from.max(to)), kind)).or_default();
        minutes.entry(now / MINUTE).or_default()[usize::from(from > to)] += bytes as u64;
    }
}

/// What became of one acknowledged record. Times are milliseconds after the beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Followed {
    /// The node that recorded it.
    pub(crate) node: usize,
    /// The code of its region; empty for what the whole town reads.
    pub(crate) region: String,
    /// When it was acknowledged.
    pub(crate) at: Millis,
    /// When a center had it.
    pub(crate) at_center: Option<Millis>,
    /// When everybody who may read it had it.
    pub(crate) everywhere: Option<Millis>,
    /// Its log and place there.
    place: (LogId, u64),
    /// Who may read it and lacks it.
    missing: Vec<usize>,
}

/// Age of what is missing at one moment, in milliseconds: to the center, and to the node.
pub(crate) type Age = (Millis, Millis);

/// What was seen of a town.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// Every record.
    pub(crate) records: Vec<Followed>,
    /// Moments of the samples.
    pub(crate) moments: Vec<Millis>,
    /// For each node, its ages at these moments.
    pub(crate) ages: Vec<Vec<Age>>,
    /// Bytes on links.
    pub(crate) meter: Meter,
    /// What went wrong: a defect of the product.
    pub(crate) violations: Vec<String>,
}

impl World {
    /// Lives through a plan in a town, and looks at it every minute; samples every `every` minutes.
    pub(crate) fn watch(plan: &Plan, roster: Roster, every: u64) -> Result<Watched, WorldError> {
        let mut world = Self::found_in(plan, roster, false)?;
        let nodes = world.nodes.len();
        let mut watched = Watched { ages: vec![vec![]; nodes], ..Watched::default() };
        // What deployment moves is no traffic of the day.
        world.run_until(DEPLOYMENT - 1);
        world.meter = Some(Meter::default());
        let minutes = DEPLOYMENT / MINUTE + u64::from(plan.options.hours) * HOUR / MINUTE;
        for minute in DEPLOYMENT / MINUTE..=minutes {
            // Half a minute after links were looked at.
            world.run_until(minute * MINUTE + MINUTE / 2);
            world.follow(&mut watched);
            if minute.is_multiple_of(every.max(1)) {
                world.sample(&mut watched);
            }
        }
        watched.meter = world.meter.take().unwrap_or_default();
        watched.violations =
            world.violations.iter().map(|violation| format!("{}: {}", violation.rule, violation.what)).collect();
        Ok(watched)
    }

    /// Takes new records in, and looks who has got which.
    fn follow(&self, watched: &mut Watched) {
        for ack in self.ledger.acks.iter().skip(watched.records.len()) {
            let holds = |number: &usize| {
                self.nodes.get(*number).and_then(|node| node.spec.access(&ack.namespace)) == Some(Access::Hold)
            };
            watched.records.push(Followed {
                node: ack.node,
                region: ack.namespace.region.clone(),
                at: ack.at,
                at_center: None,
                everywhere: None,
                place: (ack.log, ack.seq),
                missing: (0..self.nodes.len()).filter(holds).collect(),
            });
        }
        let open = |record: &&mut Followed| record.everywhere.is_none();
        let wanted: BTreeSet<usize> =
            watched.records.iter().flat_map(|record| record.missing.iter().copied()).collect();
        let heights: BTreeMap<usize, BTreeMap<LogId, u64>> =
            wanted.into_iter().filter_map(|number| Some((number, self.nodes.get(number)?.heights()))).collect();
        for record in watched.records.iter_mut().filter(open) {
            let (log, seq) = record.place;
            let has = |number: &usize| {
                heights.get(number).and_then(|heights| heights.get(&log)).is_some_and(|height| *height >= seq)
            };
            let got = record.missing.iter().any(|number| has(number) && self.is_center(*number));
            if got && record.at_center.is_none() {
                record.at_center = Some(self.now);
            }
            record.missing.retain(|number| !has(number));
            if record.missing.is_empty() {
                record.everywhere = Some(self.now);
            }
        }
    }

    fn is_center(&self, number: usize) -> bool {
        self.nodes.get(number).is_some_and(|node| node.spec.role == NodeRole::Center)
    }

    fn sample(&self, watched: &mut Watched) {
        let moment = self.now / MINUTE * MINUTE;
        watched.moments.push(moment);
        let mut ages: Vec<Age> = vec![(0, 0); self.nodes.len()];
        for record in watched.records.iter().filter(|record| record.everywhere.is_none()) {
            let age = moment.saturating_sub(record.at);
            if record.at_center.is_none()
                && let Some((to_center, _)) = ages.get_mut(record.node)
            {
                *to_center = age.max(*to_center);
            }
            for number in &record.missing {
                if let Some((_, to_node)) = ages.get_mut(*number) {
                    *to_node = age.max(*to_node);
                }
            }
        }
        for (row, age) in watched.ages.iter_mut().zip(ages) {
            row.push(age);
        }
    }
}
