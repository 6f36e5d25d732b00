//! A node's turn, as the engine of the binary takes it: commit, acknowledge, heed outputs, send, fold. And its starts.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::ManuallyDrop;

use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::{KeyId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::{OpenError, Output};

use super::ledger::{Ack, Claim, OF_A_REMOVED_NODE};
use super::net::ConnId;
use super::node::{Damage, Unopened};
use super::{BEGIN, Event, World};
use crate::dice::Dice;
use crate::disk::{Cut, Image};
use crate::plan::MINUTE;

/// Messages sent to one peer in one turn, as the binary does it.
const MESSAGES_A_TURN: usize = 32;
/// Milliseconds after which what follows from entries is written when there is nothing else to do. The binary does it after
/// 5; longer leaves more to be made again after a crash, and lets a simulated disk rest.
const WRITE_BEHIND: Millis = 5_000;
/// What a commit takes on the disk of a cheap machine: what arrives meanwhile waits for the next one.
const COMMIT: Millis = 15;
/// After a failed write the store is opened again so often; the binary does it every 5 seconds.
const REOPEN_EVERY: Millis = 30_000;
/// One claim of equality in so many is compared with what both sides hold: each comparison reads all logs.
const CLAIMS_CHECKED: u64 = 10;

impl World {
    /// Gives a node a turn within so many milliseconds.
    pub(super) fn wake(&mut self, number: usize, within: Millis) {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.is_up()) else { return };
        let at = (self.now + within).max(node.busy_until);
        if node.work_at.is_none_or(|known| known > at) {
            node.work_at = Some(at);
            self.at(at, Event::Turn(number));
        }
    }

    pub(super) fn turn(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        // An earlier turn has done it.
        if node.work_at != Some(self.now) || !node.is_up() {
            return;
        }
        node.work_at = None;
        self.watch_unsaved(number);
        if !self.commit(number) {
            return;
        }
        self.heed_outputs(number);
        let more = self.transmit(number);
        self.heed_outputs(number);
        let local = self.clock(number);
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(replica) = node.replica.as_mut() else { return };
        match replica.fold(local) {
            Ok(unfinished) => {
                let staged = replica.has_staged();
                let due = replica.poll_timeout().saturating_sub(local);
                let unwritten = replica.has_unwritten();
                if more || unfinished || staged {
                    self.wake(number, 3);
                } else if unwritten {
                    let at = *node.write_at.get_or_insert(self.now + WRITE_BEHIND);
                    self.wake(number, at.saturating_sub(self.now));
                }
                // What is due later, or has nothing to do, the round wakes for.
                if (1..MINUTE).contains(&due) {
                    self.wake(number, due);
                }
            }
            Err(error) => {
                let error = error.to_string();
                self.read_failed(number, &error);
            }
        }
    }

    /// Makes what is staged durable and acknowledges it. False if the node is down after it.
    pub(super) fn commit(&mut self, number: usize) -> bool {
        let local = self.clock(number);
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        let has_staged = replica.has_staged();
        let writes = has_staged || node.write_at.is_some_and(|at| at <= self.now) || local >= replica.poll_timeout();
        let committed = if writes { replica.commit(local) } else { Ok(()) };
        if writes {
            self.stats.commits += 1;
            node.busy_until = self.now + COMMIT;
        }
        if !replica.has_unwritten() {
            node.write_at = None;
        }
        if node.disk.is_off() {
            self.power_goes(number);
            return false;
        }
        match committed {
            Ok(()) => {
                self.watch_saved(number);
                self.acknowledge(number);
                true
            }
            Err(error) => {
                let expected = node.disk_fault.is_some();
                node.pending.clear();
                if expected {
                    self.trace.tell(self.now, || format!("a write fails at node {number}: {error}"));
                    self.disconnect(number);
                    if let Some(node) = self.nodes.get_mut(number) {
                        node.drop_process();
                    }
                    self.at(self.now + REOPEN_EVERY, Event::Boot(number));
                } else {
                    self.violate("a sound disk takes every write", format!("at {}: {error}", self.name(number)));
                }
                false
            }
        }
    }

    fn acknowledge(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        if node.pending.is_empty() {
            return;
        }
        let removed = node.removed.is_some();
        for claim in std::mem::take(&mut node.pending) {
            match claim {
                Claim::Record(ack) => self.promise(number, ack, removed),
                Claim::Stroke(stroked) => {
                    let acks = self.stroked(number, &stroked);
                    acks.into_iter().for_each(|ack| self.promise(number, ack, removed));
                }
                Claim::Track(ack, mut track) => {
                    track.ack = self.ledger.acks.len();
                    self.promise(number, ack, removed);
                    self.ledger.rows.tracks.push(track);
                }
                Claim::Removal { node, kept, keys } => self.removed(number, node, kept, keys),
                Claim::Said(said) => self.said(number, said),
            }
        }
    }

    /// A record is durable, and whoever made it is told so.
    fn promise(&mut self, number: usize, mut ack: Ack, removed: bool) {
        let Some(node) = self.nodes.get(number) else { return };
        let header = node.header(&ack.log, ack.seq);
        ack.entry = header.map(|header| header.id());
        ack.at = self.now;
        self.stats.acknowledged += 1;
        self.trace.event(self.now, "ack", (number as u64, ack.seq), &ack.log.to_bytes());
        match header {
            Some(header) => self.watch_record(number, &header, &ack.namespace),
            None => {
                let what = format!("{} cannot show entry {} that it has just saved", self.name(number), ack.seq);
                self.violate("what is acknowledged is there", what);
            }
        }
        // Nobody is promised what a removed node records.
        if removed {
            ack.excused = Some(OF_A_REMOVED_NODE[1]);
        }
        self.ledger.acks.push(ack);
    }

    /// The removal of a node is durable at the center.
    fn removed(&mut self, center: usize, removed: usize, kept: BTreeMap<LogId, u64>, keys: BTreeSet<(String, KeyId)>) {
        let name = self.name(removed);
        self.trace.tell(self.now, || format!("{name} is removed; {} of its logs are kept", kept.len()));
        let Some(id) = self.nodes.get(removed).map(super::Node::id) else { return };
        for ack in self.ledger.acks.iter_mut().filter(|ack| ack.log.author == id) {
            if kept.get(&ack.log).is_none_or(|height| *height < ack.seq) {
                ack.excused = Some(OF_A_REMOVED_NODE[0]);
            }
        }
        self.ledger.cut_off(id, &kept);
        self.note_removal(center, id, keys);
        let twins: Vec<usize> = self.with_id(id).collect();
        for twin in twins {
            if let Some(node) = self.nodes.get_mut(twin) {
                node.removed = Some(kept.clone());
            }
        }
    }

    pub(super) fn heed_outputs(&mut self, number: usize) {
        loop {
            let output = self.nodes.get_mut(number).and_then(|node| node.replica.as_mut()?.poll_output());
            match output {
                None => return,
                Some(Output::Close { peer, reason }) => {
                    self.trace.tell(self.now, || format!("node {number} closes a session: {reason}"));
                    self.drop_peer(number, peer);
                }
                Some(Output::Equal { peer }) => self.claim_equal(number, peer),
                Some(Output::TrustChanged) => self.recheck_admission(number),
                Some(Output::Forked { log, seq }) => {
                    if self.ledger.forks.get(&log).is_none_or(|known| *known > seq) {
                        let what =
                            format!("{} believes that {} forked at {seq}", self.name(number), log.author.short());
                        return self.violate("only who forked is said to have forked", what);
                    }
                }
                Some(Output::BadGrant { granter }) => {
                    let what = format!("{} cannot open what {} handed it", self.name(number), granter.short());
                    return self.violate("keys that members hand out can be opened", what);
                }
                Some(Output::LeakyKey { family }) => {
                    let what = format!("{} has no room for a new key of {family}", self.name(number));
                    return self.violate("a key that a removed node may have is not used", what);
                }
                Some(Output::SetAside { log, seq, .. }) => {
                    let author = log.author.short();
                    self.trace.tell(self.now, || format!("node {number} sets aside what {author} wrote from {seq} on"));
                }
                Some(Output::Unreadable { log, seq, reason }) => {
                    self.trace.tell(self.now, || format!("node {number} cannot read entry {seq}: {reason}"));
                    let known = self.ledger.forks.contains_key(&log) || self.ledger.rows.overreaching.contains(&log);
                    let rotten = self.nodes.get(number).is_some_and(|node| node.lost_at.is_some());
                    if !known && !rotten {
                        let what = format!("{} keeps entry {seq} without effect: {reason}", self.name(number));
                        return self.violate("members write what members can read", what);
                    }
                }
            }
        }
    }

    /// Peers that no longer belong to the town are let go.
    fn recheck_admission(&mut self, number: usize) {
        let Some(node) = self.nodes.get(number) else { return };
        let Some(replica) = node.replica.as_ref() else { return };
        let gone: Vec<NodeId> =
            node.peers.keys().copied().filter(|peer| replica.trust().current(peer).is_none()).collect();
        gone.into_iter().for_each(|peer| self.drop_peer(number, peer));
    }

    fn drop_peer(&mut self, number: usize, peer: NodeId) {
        let Some(id) = self.nodes.get(number).and_then(|node| node.peers.get(&peer)).copied() else { return };
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.ways.iter_mut().for_each(|way| way.cut = true);
            let side = conn.side(number);
            self.closed(id, side);
        }
    }

    /// A node claims that it and a peer hold the same. Whatever it holds now of what both may hold, the peer holds.
    fn claim_equal(&mut self, number: usize, peer: NodeId) {
        self.equal_claims += 1;
        if !self.equal_claims.is_multiple_of(CLAIMS_CHECKED) {
            return;
        }
        let Some(node) = self.nodes.get(number) else { return };
        let Some(conn) = node.peers.get(&peer).and_then(|id| self.conns.get(id)) else { return };
        let (other, since) = (conn.other(number), conn.opened_at);
        let Some(peer) = self.nodes.get(other) else { return };
        let lost = |node: &super::Node| node.lost_at.is_some_and(|at| at >= since);
        if conn.tampered || !peer.is_up() || lost(peer) || lost(node) || peer.cut.is_some() {
            return;
        }
        self.stats.claims_checked += 1;
        let theirs = peer.heights();
        let behind = node.heights().into_iter().find(|(log, height)| {
            let known = |namespace: &Namespace| peer.spec.access(namespace).and(node.spec.access(namespace)).is_some();
            self.names.get(&log.namespace).is_some_and(known)
                && !self.ledger.forks.contains_key(log)
                && !self.is_flooded(log)
                && theirs.get(log).copied().unwrap_or(0) < *height
        });
        if let Some((log, height)) = behind {
            let held = theirs.get(&log).copied().unwrap_or(0);
            let space = self.names.get(&log.namespace).map(Namespace::to_string).unwrap_or_default();
            let what = format!(
                "{} takes {} for equal, which holds {held} of its {height} entries of a log in {space}",
                self.name(number),
                self.name(other)
            );
            self.violate("equal is never said too early", what);
        }
    }

    /// Sends what peers have room for; true if there is more.
    fn transmit(&mut self, number: usize) -> bool {
        let peers: Vec<(NodeId, ConnId)> = match self.nodes.get(number) {
            Some(node) => node.peers.iter().map(|(peer, conn)| (*peer, *conn)).collect(),
            None => return false,
        };
        let mut more = false;
        for (peer, id) in peers {
            let mut sent = 0;
            while let Some(conn) = self.conns.get_mut(&id) {
                let side = conn.side(number);
                if !conn.open[side] || !conn.ways[side].has_room() {
                    break;
                }
                let Some(replica) = self.nodes.get_mut(number).and_then(|node| node.replica.as_mut()) else {
                    return false;
                };
                match replica.poll_transmit(peer) {
                    Ok(Some(mut bytes)) => {
                        sent += 1;
                        if let Some(at) = conn.send(side, self.now, &mut bytes) {
                            self.at(at, Event::Deliver { conn: id, side: 1 - side, bytes });
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let error = error.to_string();
                        self.read_failed(number, &error);
                        return false;
                    }
                }
                if sent == MESSAGES_A_TURN {
                    more = true;
                    break;
                }
            }
        }
        more
    }

    fn read_failed(&mut self, number: usize, error: &str) {
        let what = format!("at {}: {error}", self.name(number));
        self.violate("a sound disk is read", what);
    }

    /// All connections of a node end; its peers notice in their own time.
    pub(super) fn disconnect(&mut self, number: usize) {
        let ids: Vec<ConnId> =
            self.conns.iter().filter(|(_, conn)| conn.ends.contains(&number)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            let side = conn.side(number);
            conn.ways.iter_mut().for_each(|way| way.cut = true);
            conn.open[side] = false;
            let later = conn.latency() * 40;
            self.at(self.now + later, Event::Closed { conn: id, side: 1 - side });
        }
    }

    /// A lit fuse has burnt down: the machine is off.
    pub(super) fn power_goes(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        let (cut, minutes) = node.cut.take().map_or((Cut::Drop, 1), |cut| (cut.cut, cut.minutes));
        let mut dice = Dice::of(self.options.seed, "cut", (number as u64) << 40 | self.now);
        node.drop_process();
        node.disk.cut_power(cut, &mut dice);
        node.disk_fault = None;
        self.stats.power_cuts += 1;
        let name = self.name(number);
        self.trace.tell(self.now, || format!("the power of {name} goes ({cut:?})"));
        self.disconnect(number);
        self.at(self.now + Millis::from(minutes) * MINUTE + 1_000, Event::Boot(number));
    }

    /// A node starts.
    pub(super) fn boot(&mut self, number: usize) {
        let (seed, beacon) = (self.options.seed, self.options.beacon_s * 1000);
        let now = BEGIN + self.now;
        let Some(node) = self.nodes.get_mut(number) else { return };
        if node.is_up() {
            return;
        }
        let (vanished, expected) = (node.damage == Damage::Vanished, node.expect_data);
        let next_cut = node.again.pop();
        if let Some((operations, cut)) = next_cut {
            node.cut = Some(super::node::PendingCut { cut, minutes: 1 });
            node.disk.light_fuse(operations);
        }
        self.stats.openings += 1;
        match node.open(seed, number, beacon, now) {
            Ok(()) if node.disk.is_off() => self.power_goes(number),
            Ok(()) if vanished && expected => {
                let what = format!("{} starts as if it were new", self.name(number));
                self.violate("a store that vanished is missed", what);
            }
            Ok(()) => {
                if next_cut.is_some() {
                    node.disk.snuff_fuse();
                    node.cut = None;
                }
                node.take_secrets();
                self.trace.event(self.now, "boot", (number as u64, 0), &[]);
                self.wake(number, 1);
            }
            Err(Unopened::Off) => self.power_goes(number),
            Err(error) => self.unopened(number, error),
        }
    }

    /// A store did not open: right where the disk was damaged or is failing, wrong everywhere else.
    fn unopened(&mut self, number: usize, error: Unopened) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        match (error, node.damage) {
            (Unopened::Damaged, _) => {
                node.damage = Damage::None;
                node.expect_data = false;
                self.stats.replaced_disks += 1;
                self.replace_disk(number, Image::default(), "is damaged and replaced by an empty one");
                self.at(self.now + 1_000, Event::Boot(number));
            }
            // What the binary asks for: somebody says that the store may be empty.
            (Unopened::Store(OpenError::Vanished), Damage::Vanished) => {
                node.damage = Damage::None;
                node.expect_data = false;
                self.at(self.now + MINUTE, Event::Boot(number));
            }
            (Unopened::Store(_) | Unopened::Panic(_), _) if node.disk_fault.is_some() => {
                self.at(self.now + REOPEN_EVERY, Event::Boot(number));
            }
            (error, _) => {
                let error = match error {
                    Unopened::Store(error) => error.to_string(),
                    Unopened::Panic(words) => format!("it panicked: {words}"),
                    Unopened::Off | Unopened::Damaged => "it is off".to_owned(),
                };
                let what = format!("at {}: {error}", self.name(number));
                self.violate("a store opens after every fault", what);
            }
        }
    }

    /// Another disk takes the place of a node's, which is down. What only the old one held is gone.
    pub(super) fn replace_disk(&mut self, number: usize, image: Image, why: &str) {
        let name = self.name(number);
        let held = self.held_on(number);
        let mut elsewhere = heights_on(&image).unwrap_or_default();
        // Nobody gets anything from a node that was removed.
        for other in (0..self.nodes.len()).filter(|other| *other != number && self.is_member(*other)) {
            let Some(node) = self.nodes.get(other) else { continue };
            let heights = match &node.replica {
                Some(replica) if !replica.has_staged() => node.heights(),
                // It is down or in the middle of a commit: what its disk shows.
                _ => heights_on(&node.disk.current()).unwrap_or_default(),
            };
            for (log, height) in heights {
                let known = elsewhere.entry(log).or_default();
                *known = height.max(*known);
            }
        }
        let lost = self.ledger.lose(&held, &elsewhere);
        if let Some(node) = self.nodes.get_mut(number) {
            node.put_disk(image);
            node.lost_at = Some(self.now);
        }
        self.trace.tell(self.now, || format!("the disk of {name} {why}; {lost} records were nowhere else"));
    }

    /// What the disk of a node that is down holds: everything that was acknowledged on it, and all that its store shows.
    fn held_on(&self, number: usize) -> BTreeMap<LogId, u64> {
        let Some(node) = self.nodes.get(number) else { return BTreeMap::new() };
        let mut heights = heights_on(&node.disk.current()).unwrap_or_else(|| {
            // Rotten: it may have held anything that this node may hold.
            let may_hold = |log: &LogId| {
                let namespace = self.names.get(&log.namespace);
                namespace.is_none_or(|namespace| node.spec.access(namespace).is_some())
            };
            self.ledger.logs().into_iter().filter(may_hold).map(|log| (log, u64::MAX)).collect()
        });
        for ack in self.ledger.acks.iter().filter(|ack| ack.node == number) {
            let known = heights.entry(ack.log).or_default();
            *known = ack.seq.max(*known);
        }
        heights
    }
}

/// How far the logs go that a disk holds; nothing where they cannot be read.
pub(super) fn heights_on(image: &Image) -> Option<BTreeMap<LogId, u64>> {
    if image.is_empty() {
        return Some(BTreeMap::new());
    }
    let copy = crate::disk::Disk::of(image.clone());
    let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let store = townmesh_crdt::store::Store::open_backend(copy.mount())?;
        // Only read, never closed: on rotten pages the database panics when it closes, and once more while it unwinds,
        // which nothing catches. The little memory of a disk that is replaced is given up for that.
        ManuallyDrop::new(store).logs()
    }));
    let logs = opened.ok()?.ok()?;
    Some(logs.into_iter().map(|(_, state)| (state.log, state.height)).collect())
}
