//! The contact-graph model: when records would be where if every contact carried everything at once.
//!
//! It knows nothing of replicas, rates or latencies: earliest arrival over contacts, minute by minute. That is cheap
//! enough to try hundreds of changes of routes; the best ones are then simulated.

use std::collections::BTreeSet;

use townmesh_crdt::certificate::NodeRole;

use super::contacts::Contact;
use crate::dice::Dice;
use crate::plan::{MINUTE, Plan, What, Work};
use crate::world::roster::{Roster, shares_region};

/// A record that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Birth {
    /// In minutes after dawn.
    pub(crate) at: u32,
    /// Its region; nothing for what the whole town reads.
    region: Option<String>,
}

/// Records of each node, in order of time.
pub(crate) type Births = Vec<Vec<Birth>>;

/// Ages in minutes for each node and sample: of what the centers lack of it, and of what it lacks.
pub(crate) type Ages = Vec<Vec<(u32, u32)>>;

/// The records that a plan will make.
pub(crate) fn births(plan: &Plan, roster: &Roster) -> Births {
    let mut births: Births = vec![vec![]; roster.specs.len()];
    for step in &plan.steps {
        let (What::Work(work), Some(spec)) = (&step.what, roster.specs.get(step.node)) else { continue };
        if *work == Work::Position || spec.role == NodeRole::Carrier {
            continue;
        }
        // A center draws the region with the first throw of the step.
        let drawn = || {
            let all = roster.regions.len() as u32;
            roster.regions.get(Dice::new(step.dice).below(all) as usize)
        };
        let region = if *work == Work::Member { None } else { spec.regions.first().or_else(drawn).cloned() };
        if let Some(births) = births.get_mut(step.node) {
            births.push(Birth { at: (step.at / MINUTE) as u32, region });
        }
    }
    births
}

/// What everybody knows: for each node, how many of each node's records.
struct Knowledge<'a> {
    roster: &'a Roster,
    births: &'a Births,
    known: Vec<Vec<u32>>,
    /// Whether a node takes the records of another in at all.
    takes: Vec<Vec<bool>>,
}

/// Plays the contacts through, and says how old what is missing is at each sample.
pub(crate) fn ages(roster: &Roster, contacts: &[Contact], births: &Births, samples: &[u32]) -> Ages {
    let nodes = roster.specs.len();
    let mut knowledge = Knowledge::of(roster, births);
    let mut ages: Ages = vec![Vec::with_capacity(samples.len()); nodes];
    let (mut begun, mut next_sample) = (0, 0);
    let mut active: Vec<Contact> = Vec::new();
    let last = samples.last().copied().unwrap_or(0);
    for minute in 0..=last {
        let mut dirty: BTreeSet<usize> = (0..nodes).filter(|node| knowledge.record(*node, minute)).collect();
        active.retain(|contact| contact.until > minute);
        while let Some(contact) = contacts.get(begun).filter(|contact| contact.from <= minute) {
            active.push(*contact);
            dirty.extend([contact.link.ends.0, contact.link.ends.1]);
            begun += 1;
        }
        knowledge.spread(&active, dirty);
        if samples.get(next_sample) == Some(&minute) {
            for (node, row) in ages.iter_mut().enumerate() {
                row.push(knowledge.age(node, minute));
            }
            next_sample += 1;
        }
    }
    ages
}

impl<'a> Knowledge<'a> {
    fn of(roster: &'a Roster, births: &'a Births) -> Self {
        let specs = &roster.specs;
        let is_center = |node: usize| specs.get(node).is_some_and(|spec| spec.role == NodeRole::Center);
        let takes = |node: usize, source: usize| match (specs.get(node), specs.get(source)) {
            (Some(one), Some(other)) => is_center(node) || is_center(source) || shares_region(one, other),
            _ => false,
        };
        let row = |node: usize| (0..specs.len()).map(|source| takes(node, source)).collect();
        let takes = (0..specs.len()).map(row).collect();
        Self { roster, births, known: vec![vec![0; specs.len()]; specs.len()], takes }
    }

    /// A node knows its own records until this minute. True if there are new ones.
    fn record(&mut self, node: usize, minute: u32) -> bool {
        let made = self.births.get(node).map_or(0, |births| births.partition_point(|birth| birth.at <= minute)) as u32;
        let Some(own) = self.known.get_mut(node).and_then(|row| row.get_mut(node)) else { return false };
        let is_new = *own < made;
        *own = made;
        is_new
    }

    /// Whoever knows more tells, until nobody learns anything.
    fn spread(&mut self, active: &[Contact], mut dirty: BTreeSet<usize>) {
        while !dirty.is_empty() {
            let mut changed = BTreeSet::new();
            for contact in active {
                let (one, other) = contact.link.ends;
                if dirty.contains(&one) && self.tell(one, other) {
                    changed.insert(other);
                }
                if (dirty.contains(&other) || changed.contains(&other)) && self.tell(other, one) {
                    changed.insert(one);
                }
            }
            dirty = changed;
        }
    }

    fn tell(&mut self, from: usize, to: usize) -> bool {
        let Ok([from, to_row]) = self.known.get_disjoint_mut([from, to]) else { return false };
        let takes = self.takes.get(to).map(Vec::as_slice).unwrap_or_default();
        let mut learnt = false;
        for ((theirs, own), takes) in from.iter().zip(to_row).zip(takes) {
            if *takes && theirs > own {
                *own = *theirs;
                learnt = true;
            }
        }
        learnt
    }

    fn knows(&self, node: usize, source: usize) -> u32 {
        self.known.get(node).and_then(|row| row.get(source)).copied().unwrap_or(0)
    }

    fn age(&self, node: usize, minute: u32) -> (u32, u32) {
        let specs = &self.roster.specs;
        let unknown = |source: usize, known: u32| {
            let births = self.births.get(source).map(Vec::as_slice).unwrap_or_default();
            births.iter().skip(known as usize).take_while(|birth| birth.at <= minute)
        };
        let centers = specs.iter().enumerate().filter(|(_, spec)| spec.role == NodeRole::Center);
        let at_center = centers.map(|(center, _)| self.knows(center, node)).max().unwrap_or(0);
        let to_center = unknown(node, at_center).next().map_or(0, |birth| minute - birth.at);
        let Some(spec) = specs.get(node) else { return (to_center, 0) };
        let concerns = |birth: &&Birth| birth.region.as_ref().is_none_or(|region| spec.regions.contains(region));
        let others = (0..specs.len()).filter(|source| *source != node);
        let oldest = others.filter_map(|source| unknown(source, self.knows(node, source)).find(concerns));
        (to_center, oldest.map(|birth| minute - birth.at).max().unwrap_or(0))
    }
}
