//! What is watched while the town lives, because it would not show in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use townmesh_crdt::certificate::Access;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::{Header, LogId};
use townmesh_crdt::id::{KeyId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::seal::FamilySecret;

use super::ledger::{Removal, Said, Stated};
use super::{BEGIN, World};
use crate::dice::Dice;
use crate::plan::MINUTE;

/// How far ahead of a node's own clock its entries may be dated, because of what it heard from others: DESIGN section 8.
const AHEAD: Millis = 5 * MINUTE;
/// Logs of which one node is asked each minute who holds them.
const RECEIPTS_ASKED: usize = 8;

impl World {
    /// Looks at an entry that was just acknowledged: its log, its time, its key.
    pub(super) fn watch_record(&mut self, number: usize, header: &Header, namespace: &Namespace) {
        let now = BEGIN + self.now;
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.note_clock(now);
        let latest = node.latest;
        if header.time.millis() > latest + AHEAD {
            let ahead = (header.time.millis() - latest) / 1000;
            let what = format!("{} dates an entry {ahead} s ahead of its own clock", self.name(number));
            return self.violate("nobody's clock is dragged ahead", what);
        }
        let Some(node) = self.nodes.get(number).filter(|node| node.removed.is_none()) else { return };
        if self.ledger.forks.contains_key(&header.log) && node.has_proof(&header.log) {
            let what = format!("{} records in a log of which it knows that it forked", self.name(number));
            return self.violate("nobody goes on in a forked log", what);
        }
        if self.ledger.removals.is_empty() {
            return;
        }
        let key = (namespace.family(), header.key);
        let heights = node.heights();
        let (mut removals, mut leak) = (std::mem::take(&mut self.ledger.removals), None);
        for removal in removals.iter_mut().filter(|removal| removal.is_known(&heights, &self.ledger.forks)) {
            if removal.keys.contains(&key) || self.has_key(removal.node, &key) {
                leak = Some(removal.clone());
            }
            removal.used.insert(key.clone());
        }
        self.ledger.removals = removals;
        if let Some(removal) = leak {
            let what = format!(
                "{} knows that {} was removed and writes in {namespace} under a key that it {}",
                self.name(number),
                removal.node.short(),
                if removal.keys.contains(&key) { "had" } else { "has come to" },
            );
            self.violate("a removed node has no key of what is new", what);
        }
    }

    /// A node that has something staged tells nobody of it.
    pub(super) fn watch_unsaved(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let peer = node.peers.keys().next().copied();
        let Some(replica) = node.replica.as_mut().filter(|replica| replica.has_staged()) else { return };
        let told = peer.is_some_and(|peer| replica.poll_transmit(peer).is_ok_and(|message| message.is_some()));
        if told {
            let what = format!("{} speaks before what it says is saved", self.name(number));
            self.violate("nobody is told of what is not durable", what);
        }
    }

    /// After a commit everything that was staged is durable.
    pub(super) fn watch_saved(&mut self, number: usize) {
        let Some(node) = self.nodes.get(number) else { return };
        let unsynced = node.disk.unsynced();
        let is_staged = node.replica.as_ref().is_some_and(Replica::has_staged);
        if !node.pending.is_empty() && (unsynced > 0 || is_staged) {
            let what = format!("{} acknowledges with {unsynced} writes not synced", self.name(number));
            self.violate("what is acknowledged is durable", what);
        }
    }

    /// A statement is durable.
    pub(super) fn said(&mut self, number: usize, said: Said) {
        let places = self.own_auth(number);
        if let Said::Ratified { node, kept } = &said {
            self.counts_again(*node, kept);
        }
        self.ledger.stated.push(Stated { said, places, excused: false });
    }

    /// How far a node's own logs of `auth` go.
    fn own_auth(&self, number: usize) -> BTreeMap<LogId, u64> {
        let Some(node) = self.nodes.get(number) else { return BTreeMap::new() };
        let (own, auth) = (node.id(), Namespace::auth().id(&node.town));
        node.heights().into_iter().filter(|(log, _)| log.author == own && log.namespace == auth).collect()
    }

    /// An authority lets more of a removed node's work count.
    fn counts_again(&mut self, id: NodeId, kept: &BTreeMap<LogId, u64>) {
        for node in self.nodes.iter_mut().filter(|node| node.id() == id) {
            let Some(counts) = &mut node.removed else { continue };
            for (log, height) in kept {
                let known = counts.entry(*log).or_default();
                *known = (*height).max(*known);
            }
        }
    }

    /// The removal of a node is durable at a center.
    pub(super) fn note_removal(&mut self, center: usize, node: NodeId, keys: BTreeSet<(String, KeyId)>) {
        let news = self.own_auth(center);
        self.ledger.removals.push(Removal { node, news, keys, used: BTreeSet::new(), is_lost: false });
    }

    /// The keys that a node has or had when it last ran, with those of its clones and of whoever used its invite.
    pub(super) fn keys_with(&self, id: NodeId) -> BTreeSet<(String, KeyId)> {
        self.secrets_with(id).map(|(family, secret)| (family.clone(), secret.key_id(&family))).collect()
    }

    /// Whether one key is among them. It is asked for each record once somebody was removed, so only keys of that family
    /// are derived.
    fn has_key(&self, id: NodeId, (family, key): &(String, KeyId)) -> bool {
        self.secrets_with(id).any(|(known, secret)| known == *family && secret.key_id(family) == *key)
    }

    fn secrets_with(&self, id: NodeId) -> impl Iterator<Item = (String, FamilySecret)> {
        let invite = self.nodes.iter().find(|node| node.id() == id).map(|node| &node.invite);
        let holds = move |node: &&super::Node| invite.is_some_and(|invite| Arc::ptr_eq(invite, &node.invite));
        self.nodes.iter().filter(holds).flat_map(super::Node::known_secrets)
    }

    /// In the end nobody who was removed has come to a key under which somebody wrote who knew of it.
    pub(super) fn look_for_leaks(&mut self) {
        let leak = self.ledger.removals.iter().filter(|removal| !removal.is_lost).find_map(|removal| {
            let leaked = self.keys_with(removal.node).intersection(&removal.used).next().cloned()?;
            Some(format!("{} was removed and has come to the newer key of {}", removal.node.short(), leaked.0))
        });
        if let Some(what) = leak {
            self.violate("a removed node has no key of what is new", what);
        }
    }

    /// Asks one node who holds some of its entries, and looks whether they do. What a node claimed in this opening of its
    /// store holds for as long as that; what it claimed in an earlier one holds unless its disk was lost since.
    pub(super) fn watch_receipts(&mut self) {
        let mut dice = Dice::of(self.options.seed, "receipts", self.now);
        let asked = dice.below(self.nodes.len() as u32) as usize;
        let auth = Namespace::auth().id(&self.founded.authority.town);
        let Some(node) = self.nodes.get_mut(asked).filter(|node| node.removed.is_none()) else { return };
        let own = node.id();
        let Some(replica) = node.replica.as_mut() else { return };
        let epochs: BTreeMap<NodeId, u64> =
            replica.beacons().into_iter().map(|beacon| (beacon.node, beacon.epoch)).collect();
        let logs: Vec<(LogId, u64)> =
            replica.logs().filter(|state| state.height > 0).map(|state| (state.log, state.height)).collect();
        let mut claims: Vec<(NodeId, LogId, u64)> = Vec::new();
        for _ in 0..RECEIPTS_ASKED.min(logs.len()) {
            let Some((log, height)) = dice.one_of(&logs).copied() else { continue };
            let is_odd = self.ledger.forks.contains_key(&log) || self.ledger.flooders.contains(&log.author);
            if is_odd || self.ledger.removals.iter().any(|removal| removal.node == log.author) {
                continue;
            }
            let seq = if dice.chance(50) { height } else { 1 + dice.long(height) };
            claims.extend(replica.receipts(&log, seq).into_iter().map(|node| (node, log, seq)));
        }
        for (holder, log, seq) in claims.into_iter().filter(|(holder, log, _)| *holder != own && log.author != *holder)
        {
            let mut holders = self.with_id(holder);
            let (Some(number), None) = (holders.next(), holders.next()) else { continue };
            drop(holders);
            let Some(node) = self.nodes.get(number).filter(|node| node.removed.is_none() && node.is_up()) else {
                continue;
            };
            let is_withdrawn = node.lost_at.is_some() && epochs.get(&holder) != Some(&node.epoch);
            self.stats.claims_checked += 1;
            let held = node.replica.as_ref().map_or(0, |replica| height(replica, &log));
            if held < seq && !is_withdrawn {
                let space = if log.namespace == auth { "auth" } else { "a namespace" };
                let what = format!(
                    "{} says that {} holds entry {seq} of a log in {space}; it holds {held}",
                    self.name(asked),
                    self.name(number)
                );
                return self.violate("delivered is never said too early", what);
            }
        }
    }
}

impl World {
    /// Asks one node up to when it is complete, and looks whether everything is there that others had acknowledged by then.
    pub(super) fn watch_completeness(&mut self) {
        let mut dice = Dice::of(self.options.seed, "completeness", self.now);
        let asked = dice.below(self.nodes.len() as u32) as usize;
        let local = self.clock(asked);
        let Some(node) = self.nodes.get_mut(asked).filter(|node| node.removed.is_none()) else { return };
        let Some(replica) = node.replica.as_mut() else { return };
        let held = replica.namespaces().into_iter();
        let held: Vec<Namespace> =
            held.filter(|(_, _, access, _)| *access == Access::Hold).map(|(_, namespace, ..)| namespace).collect();
        let Some(namespace) = dice.one_of(&held).cloned() else { return };
        let said = replica.completeness(std::slice::from_ref(&namespace), local);
        let heights: BTreeMap<LogId, u64> = replica.logs().map(|state| (state.log, state.height)).collect();
        for one in said {
            let Some(author) = self.keeps_time(one.node) else { continue };
            self.stats.claims_checked += 1;
            let is_claimed = |ack: &&super::ledger::Ack| {
                let clock = self.nodes.get(author).map(|node| &node.clock);
                let shown = clock.map_or(Millis::MAX, |clock| clock.at(BEGIN + ack.at));
                one.until.is_some_and(|until| shown < until)
            };
            let of_author =
                self.ledger.acks.iter().filter(|ack| ack.log.author == one.node && ack.namespace == namespace);
            let known = of_author.filter(|ack| ack.excused.is_none() && !self.ledger.forks.contains_key(&ack.log));
            let lacking = known.filter(is_claimed).find(|ack| heights.get(&ack.log).is_none_or(|held| *held < ack.seq));
            if let Some(ack) = lacking {
                let (name, of) = (self.name(asked), self.name(author));
                let what = format!(
                    "{name} says it is complete in {namespace} up to {:?} of {of}; it lacks entry {} of {}",
                    one.until, ack.seq, ack.at
                );
                return self.violate("complete is never said too early", what);
            }
        }
    }

    /// The number of a node whose clock was never set and whose disk never lost anything: of others, what they recorded
    /// by some time cannot be told from what they say they hold.
    fn keeps_time(&self, id: NodeId) -> Option<usize> {
        let mut numbers = self.with_id(id);
        let (Some(number), None) = (numbers.next(), numbers.next()) else { return None };
        drop(numbers);
        let node = self.nodes.get(number)?;
        let is_sound = node.removed.is_none() && node.lost_at.is_none() && node.clock.since <= BEGIN;
        is_sound.then_some(number)
    }
}

/// Up to where a replica holds a log.
fn height(replica: &Replica, log: &LogId) -> u64 {
    replica.logs().find(|state| state.log == *log).map_or(0, |state| state.height)
}
