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
                node.clock.jump(super::BEGIN + self.now, TO_NEW_YEAR.cast_signed());
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

    /// Why not everybody knows of everybody else that nothing waits for them and has the same beacons, if so.
    pub(super) fn untold(&mut self) -> Option<String> {
        let mut newest: BTreeMap<NodeId, (u64, &str)> = BTreeMap::new();
        for node in self.nodes.iter().filter(|node| node.removed.is_none()) {
            let beacons = node.replica.iter().flat_map(|replica| replica.beacons());
            for beacon in beacons.filter(|beacon| !self.ledger.removals.iter().any(|gone| gone.node == beacon.node)) {
                let (counter, holder) = *newest.entry(beacon.node).or_insert((beacon.counter, &node.spec.name));
                if counter != beacon.counter {
                    let (author, name) = (beacon.node.short(), &node.spec.name);
                    let other = beacon.counter;
                    return Some(format!("{name} has beacon {other} of {author}, {holder} has {counter}"));
                }
            }
        }
        self.expecting()
    }

    /// Who does not know of whom that they hold everything.
    fn expecting(&mut self) -> Option<String> {
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

    /// Why not every member holds everything of what it may hold, if so: equal heights and heads of logs.
    pub(super) fn unlike(&mut self) -> Option<String> {
        let mut greatest: BTreeMap<LogId, u64> = BTreeMap::new();
        let members: Vec<usize> = (0..self.nodes.len()).filter(|number| self.is_member(*number)).collect();
        for number in &members {
            let Some(node) = self.nodes.get(*number) else { continue };
            let name = &node.spec.name;
            let Some(replica) = node.replica.as_ref() else { return Some(format!("{name} is down")) };
            if replica.has_staged() || replica.unfolded() > 0 {
                return Some(format!("{name} has {} entries unopened or something unsaved", replica.unfolded()));
            }
            for (log, height) in node.heights() {
                let known = greatest.entry(log).or_default();
                *known = height.max(*known);
            }
        }
        let lag = members.iter().find_map(|number| self.lag(*number, &greatest));
        lag.or_else(|| self.said_unlike(&members))
    }

    /// Of which namespace not all say the same who hold or carry it.
    fn said_unlike(&mut self, members: &[usize]) -> Option<String> {
        let mut said: BTreeMap<NamespaceId, [u8; 16]> = BTreeMap::new();
        for number in members {
            let Some(node) = self.nodes.get_mut(*number) else { continue };
            let Some(replica) = node.replica.as_mut() else { return Some(format!("{} is down", node.spec.name)) };
            for (id, name) in &self.names {
                if node.spec.access(name).is_some() {
                    let digest = replica.digest(*id);
                    if *said.entry(*id).or_insert(digest) != digest {
                        return Some(format!("{} says of {name} something else than others", node.spec.name));
                    }
                }
            }
        }
        None
    }

    /// What a node lacks of what it may hold: of the first such log.
    fn lag(&self, number: usize, greatest: &BTreeMap<LogId, u64>) -> Option<String> {
        let node = self.nodes.get(number)?;
        let held = node.heights();
        let concerns = |log: &LogId| {
            let namespace = self.names.get(&log.namespace);
            let access: Option<Access> = namespace.and_then(|namespace| node.spec.access(namespace));
            access.is_some()
                && !self.ledger.forks.contains_key(log)
                && !self.is_of_removed(log)
                && !self.is_flooded(log)
        };
        let holds = |log: &LogId| held.get(log).copied().unwrap_or(0);
        let (log, height) = greatest.iter().find(|(log, height)| concerns(log) && holds(log) < **height)?;
        let author = self.with_id(log.author).next().map_or_else(|| "somebody".to_owned(), |author| self.name(author));
        let space = self.names.get(&log.namespace).map(Namespace::to_string).unwrap_or_default();
        Some(format!("{} holds {} of {height} entries of {author} in {space}", node.spec.name, holds(log)))
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
