//! A town at rest: whether everybody has everything, the last records of the year, and whether all were told.

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::certificate::Access;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::{NamespaceId, NodeId};
use townmesh_crdt::namespace::Namespace;

use super::World;
use crate::dice::Dice;
use crate::plan::{DAY, Work};

/// From the last days of November into the new year.
const TO_NEW_YEAR: Millis = 40 * DAY;

impl World {
    /// All clocks go on into the new year, right or wrong as they were, and everybody records something.
    pub(super) fn begin_new_year(&mut self) {
        let members: Vec<usize> = (0..self.nodes.len()).filter(|number| self.is_member(*number)).collect();
        for number in &members {
            if let Some(node) = self.nodes.get_mut(*number) {
                node.clock.jump(TO_NEW_YEAR.cast_signed());
                node.note_clock(super::BEGIN + self.now);
            }
        }
        let last_work = [Work::Household, Work::Edit, Work::Inspect, Work::Report, Work::Photo];
        for number in members {
            // A disk that is busy, a process that starts: people wait for it.
            for (turn, work) in (0..).zip(last_work) {
                let dice = Dice::of(self.options.seed, "new year", (number as u64) << 8 | turn);
                self.work(number, work, dice);
            }
        }
    }

    /// Whether everybody knows of everybody else that nothing waits for them, and all have the same beacons.
    pub(super) fn is_all_told(&mut self) -> bool {
        let mut newest: BTreeMap<NodeId, u64> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.removed.is_none()) {
            let beacons = node.replica.iter().flat_map(|replica| replica.beacons());
            for beacon in beacons.filter(|beacon| !self.ledger.removals.iter().any(|gone| gone.node == beacon.node)) {
                let known = newest.entry(beacon.node).or_insert(beacon.counter);
                if *known != beacon.counter {
                    return false;
                }
            }
        }
        self.untold().is_none()
    }

    /// Who does not know of whom that they hold everything.
    pub(super) fn untold(&mut self) -> Option<String> {
        let cloned: BTreeSet<NodeId> =
            self.nodes.iter().filter(|node| node.clone_of.is_some()).map(super::Node::id).collect();
        let members: BTreeMap<NodeId, String> = self
            .nodes
            .iter()
            .filter(|node| node.removed.is_none() && !cloned.contains(&node.id()))
            .map(|node| (node.id(), node.spec.name.clone()))
            .collect();
        // How much of a flooder's logs anybody took differs, and no beacon can tell.
        if !self.ledger.flooders.is_empty() || !self.ledger.forks.is_empty() {
            return None;
        }
        for node in self.nodes.iter_mut().filter(|node| members.contains_key(&node.identity.node())) {
            let waiting = node.replica.as_mut().map(|replica| replica.waiting()).unwrap_or_default();
            let late = waiting.into_iter().find(|one| one.entries > 0 && members.contains_key(&one.node));
            if let Some(late) = late {
                let name = members.get(&late.node).map_or("", String::as_str);
                return Some(format!("{} believes that {} entries wait for {name}", node.spec.name, late.entries));
            }
        }
        None
    }

    /// Whether every member holds everything of what it may hold: equal heights and heads of logs.
    pub(super) fn has_converged(&mut self) -> bool {
        let mut greatest: BTreeMap<LogId, u64> = BTreeMap::new();
        let members: Vec<usize> = (0..self.nodes.len()).filter(|number| self.is_member(*number)).collect();
        for number in &members {
            let Some(node) = self.nodes.get(*number) else { continue };
            let Some(replica) = node.replica.as_ref() else { return false };
            if replica.has_staged() || replica.unfolded() > 0 {
                return false;
            }
            for (log, height) in node.heights() {
                let known = greatest.entry(log).or_default();
                *known = height.max(*known);
            }
        }
        members.iter().all(|number| self.lag(*number, &greatest) == 0) && self.is_said_alike(&members)
    }

    /// Whether all say the same of each namespace that they hold or carry, and hold the same cards.
    fn is_said_alike(&mut self, members: &[usize]) -> bool {
        let mut said: BTreeMap<NamespaceId, [u8; 16]> = BTreeMap::new();
        for number in members {
            let Some(node) = self.nodes.get_mut(*number) else { continue };
            let Some(replica) = node.replica.as_mut() else { return false };
            for (id, name) in &self.names {
                if node.spec.access(name).is_some() {
                    let digest = replica.digest(*id);
                    if *said.entry(*id).or_insert(digest) != digest {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// How many entries a node lacks of what it may hold.
    fn lag(&self, number: usize, greatest: &BTreeMap<LogId, u64>) -> u64 {
        let Some(node) = self.nodes.get(number) else { return 0 };
        let held = node.heights();
        let concerns = |log: &LogId| {
            let namespace = self.names.get(&log.namespace);
            let access: Option<Access> = namespace.and_then(|namespace| node.spec.access(namespace));
            access.is_some()
                && !self.ledger.forks.contains_key(log)
                && !self.is_of_removed(log)
                && !self.is_flooded(log)
        };
        let lacking = greatest.iter().filter(|(log, _)| concerns(log));
        lacking.map(|(log, height)| height.saturating_sub(held.get(log).copied().unwrap_or(0))).sum()
    }

    fn is_of_removed(&self, log: &LogId) -> bool {
        self.nodes.iter().any(|node| node.removed.is_some() && node.id() == log.author)
    }

    /// Whether a log is one of `auth` whose author fills it: nodes stop taking it at different places.
    pub(super) fn is_flooded(&self, log: &LogId) -> bool {
        let auth = Namespace::auth().id(&self.founded.authority.town);
        log.namespace == auth && self.ledger.flooders.contains(&log.author)
    }
}
