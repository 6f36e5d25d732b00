//! The contact-graph model: when records would be where if every contact carried everything at once.
//!
//! It knows nothing of replicas, rates or latencies: earliest arrival over contacts, minute by minute. That is cheap
//! enough to try hundreds of changes of routes; the best ones are then simulated.

use std::collections::BTreeSet;

use townmesh_crdt::certificate::NodeRole;

use super::contacts::Contact;
use crate::plan::MINUTE;
use crate::world::meter::Watched;
use crate::world::roster::{Roster, shares_region};

/// A record that is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Birth {
    /// In minutes after dawn.
    pub(crate) at: u32,
    /// Its region; nothing for what the whole town reads.
    region: Option<String>,
}

/// Records of each node, in order of time: first those of regions for each node, then those of the whole town for each.
pub(crate) type Births = Vec<Vec<Birth>>;

/// Ages in minutes for each node and sample: of what the centers lack of it, and of what it lacks.
pub(crate) type Ages = Vec<Vec<(u32, u32)>>;

/// The records of a day that was simulated: only those that were acknowledged count, and changes of routes make hardly
/// any difference to what people record.
pub(crate) fn births(watched: &Watched, nodes: usize) -> Births {
    let mut births: Births = vec![vec![]; 2 * nodes];
    for record in &watched.records {
        let region = Some(record.region.clone()).filter(|region| !region.is_empty());
        let channel = if region.is_some() { record.node } else { nodes + record.node };
        if let Some(births) = births.get_mut(channel) {
            births.push(Birth { at: (record.at / MINUTE) as u32, region });
        }
    }
    births.iter_mut().for_each(|births| births.sort_by_key(|birth| birth.at));
    births
}

/// What everybody knows: for each node, how many records of each channel of [`Births`].
struct Knowledge<'a> {
    roster: &'a Roster,
    births: &'a Births,
    known: Vec<Vec<u32>>,
    /// Which records of a channel a node takes in: all ([`u32::MAX`]) or none (0), so that telling needs no branch.
    takes: Vec<Vec<u32>>,
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
        let reads_town = |node: usize| specs.get(node).is_some_and(|spec| spec.role != NodeRole::Carrier);
        let row = |node: usize| {
            let regional = (0..specs.len()).map(|source| takes(node, source));
            let takes = regional.chain(specs.iter().map(|_| reads_town(node)));
            takes.map(|takes| if takes { u32::MAX } else { 0 }).collect()
        };
        let takes = (0..specs.len()).map(row).collect();
        Self { roster, births, known: vec![vec![0; 2 * specs.len()]; specs.len()], takes }
    }

    /// A node knows its own records until this minute. True if there are new ones.
    fn record(&mut self, node: usize, minute: u32) -> bool {
        let mut is_new = false;
        for channel in [node, self.roster.specs.len() + node] {
            let births = self.births.get(channel).map(Vec::as_slice).unwrap_or_default();
            let made = births.partition_point(|birth| birth.at <= minute) as u32;
            let Some(own) = self.known.get_mut(node).and_then(|row| row.get_mut(channel)) else { continue };
            is_new |= *own < made;
            *own = made;
        }
        is_new
    }

    /// Whoever knows more tells, until nobody learns anything.
    fn spread(&mut self, active: &[Contact], dirty: BTreeSet<usize>) {
        let mut dirty: Vec<bool> = (0..self.known.len()).map(|node| dirty.contains(&node)).collect();
        let is = |nodes: &[bool], node: usize| nodes.get(node) == Some(&true);
        while dirty.contains(&true) {
            let mut changed = vec![false; dirty.len()];
            for contact in active {
                let (one, other) = contact.link.ends;
                for (from, to) in [(one, other), (other, one)] {
                    if (is(&dirty, from) || is(&changed, from)) && self.tell(from, to) {
                        changed.get_mut(to).into_iter().for_each(|node| *node = true);
                    }
                }
            }
            dirty = changed;
        }
    }

    fn tell(&mut self, from: usize, to: usize) -> bool {
        let Ok([from, to_row]) = self.known.get_disjoint_mut([from, to]) else { return false };
        let takes = self.takes.get(to).map(Vec::as_slice).unwrap_or_default();
        let mut learnt = 0;
        for ((theirs, own), takes) in from.iter().zip(to_row).zip(takes) {
            let known = (*own).max(theirs & takes);
            learnt |= known ^ *own;
            *own = known;
        }
        learnt != 0
    }

    fn knows(&self, node: usize, channel: usize) -> u32 {
        self.known.get(node).and_then(|row| row.get(channel)).copied().unwrap_or(0)
    }

    fn age(&self, node: usize, minute: u32) -> (u32, u32) {
        let specs = &self.roster.specs;
        let unknown = |source: usize, known: u32| {
            let births = self.births.get(source).map(Vec::as_slice).unwrap_or_default();
            births.iter().skip(known as usize).take_while(|birth| birth.at <= minute)
        };
        let nodes = specs.len();
        let centers = || specs.iter().enumerate().filter(|(_, spec)| spec.role == NodeRole::Center);
        let oldest = [node, nodes + node].into_iter().filter_map(|channel| {
            let at_center = centers().map(|(center, _)| self.knows(center, channel)).max().unwrap_or(0);
            unknown(channel, at_center).next()
        });
        let to_center = oldest.map(|birth| minute - birth.at).max().unwrap_or(0);
        let Some(spec) = specs.get(node) else { return (to_center, 0) };
        let concerns = |birth: &&Birth| birth.region.as_ref().is_none_or(|region| spec.regions.contains(region));
        let others = (0..2 * nodes).filter(|channel| *channel % nodes != node);
        let oldest = others.filter_map(|channel| unknown(channel, self.knows(node, channel)).find(concerns));
        (to_center, oldest.map(|birth| minute - birth.at).max().unwrap_or(0))
    }
}
