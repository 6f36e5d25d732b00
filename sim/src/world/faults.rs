//! What goes wrong: each fault of a plan, done to the town.

use townmesh_crdt::certificate::{Claim as Stated, NodeRole, Statement};
use townmesh_crdt::clock::{HybridTime, Millis};
use townmesh_crdt::enrol;
use townmesh_crdt::entry::{self, Entry, Header, Lane, LogId};
use townmesh_crdt::id::{CertificateId, KeyId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::sync::{Message, Run};

use super::ledger::{Ack, Claim};
use super::net::ConnId;
use super::node::{Damage, Node, PendingCut};
use super::work::Task;
use super::{BEGIN, Event, World};
use crate::dice::Dice;
use crate::disk::{Cut, Disk, DiskFault, Image};
use crate::plan::{Fault, Forgery, MINUTE};

impl World {
    /// A fault takes place, or finds nothing to act upon.
    pub(super) fn fault(&mut self, number: usize, fault: Fault, mut dice: Dice) {
        let words = format!("{fault:?} at {}", self.name(number));
        let took_place = match fault {
            Fault::Kill { minutes } => self.kill(number, minutes),
            Fault::PowerCut { cut, operations, minutes, again } => {
                self.cut_power(number, (cut, operations), minutes, again)
            }
            Fault::Disk { fault, minutes } => self.break_disk(number, fault, minutes),
            Fault::Rot { bits } => self.rot(number, bits, &mut dice),
            Fault::Vanish => self.vanish(number),
            Fault::Backup => self.back_up(number),
            Fault::Restore => self.restore(number),
            Fault::Clone => self.clone_node(number),
            Fault::Equivocate => self.equivocate(number, &mut dice),
            Fault::Deaf { minutes } => self.deafen(number, minutes),
            Fault::Revoke => self.steal(number, &mut dice),
            Fault::MutualRemoval => self.remove_each_other(),
            Fault::Jump { by } => self.with_clock(number, |node, _| node.clock.jump(by)),
            Fault::Drift { ppm } => self.with_clock(number, |node, now| {
                let shown = node.clock.at(now);
                node.clock.set(now, shown);
                node.clock.drift = ppm;
            }),
            Fault::RtcReset => self.with_clock(number, |node, now| node.clock.set(now, 0)),
            Fault::FutureEvent => self.future_event(number, dice),
            Fault::Partition { nodes, minutes } => self.part(nodes, minutes),
            Fault::OneWay { minutes } => self.mute(number, minutes),
            Fault::Roam => self.roam(number),
            Fault::Twice => self.connect_twice(number, &mut dice),
            Fault::Replay => self.replay(number, &mut dice),
            Fault::Tamper => self.tamper(number, &mut dice),
            Fault::Forge { kind } => self.forge(number, kind, &mut dice),
        };
        if took_place {
            self.trace.tell(self.now, || words);
        } else {
            self.stats.idle_faults += 1;
        }
    }

    fn is_up(&self, number: usize) -> bool {
        self.nodes.get(number).is_some_and(Node::is_up)
    }

    fn kill(&mut self, number: usize, minutes: u32) -> bool {
        if !self.is_up(number) {
            return false;
        }
        self.disconnect(number);
        if let Some(node) = self.nodes.get_mut(number) {
            node.drop_process();
        }
        self.at(self.now + Millis::from(minutes) * MINUTE + 1_000, Event::Boot(number));
        true
    }

    fn cut_power(
        &mut self,
        number: usize,
        (cut, operations): (Cut, u64),
        minutes: u32,
        again: Vec<(u64, Cut)>,
    ) -> bool {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.is_up() && node.cut.is_none()) else {
            return false;
        };
        node.cut = Some(PendingCut { cut, minutes });
        node.again = again;
        node.disk.light_fuse(operations);
        if operations == 0 {
            self.power_goes(number);
        }
        true
    }

    fn break_disk(&mut self, number: usize, fault: DiskFault, minutes: u32) -> bool {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.disk_fault.is_none()) else { return false };
        node.disk_fault = Some(fault);
        node.disk.set_fault(Some(fault));
        self.at(self.now + Millis::from(minutes) * MINUTE, Event::DiskHealed(number));
        true
    }

    pub(super) fn heal_disk(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.disk_fault = None;
        node.disk.set_fault(None);
    }

    /// The machine is switched off and its disk changes.
    fn switch_off(&mut self, number: usize, minutes: Millis) -> bool {
        if !self.is_up(number) || self.nodes.get(number).is_some_and(|node| node.disk_fault.is_some()) {
            return false;
        }
        self.disconnect(number);
        if let Some(node) = self.nodes.get_mut(number) {
            node.stop_process();
        }
        self.at(self.now + minutes * MINUTE, Event::Boot(number));
        true
    }

    fn rot(&mut self, number: usize, bits: u32, dice: &mut Dice) -> bool {
        if !self.switch_off(number, 2) {
            return false;
        }
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let mut image = node.disk.current();
        (0..bits).for_each(|_| _ = image.rot(dice));
        node.disk.replace(image);
        node.damage = Damage::Rotten;
        true
    }

    fn vanish(&mut self, number: usize) -> bool {
        if !self.switch_off(number, 2) {
            return false;
        }
        self.replace_disk(number, Image::default(), "vanishes");
        if let Some(node) = self.nodes.get_mut(number) {
            node.damage = Damage::Vanished;
        }
        true
    }

    fn back_up(&mut self, number: usize) -> bool {
        // A backup is taken of a node that is stopped.
        if !self.switch_off(number, 1) {
            return false;
        }
        let Some(node) = self.nodes.get_mut(number) else { return false };
        node.backup = Some(node.disk.current());
        true
    }

    fn restore(&mut self, number: usize) -> bool {
        let Some(image) = self.nodes.get(number).and_then(|node| node.backup.clone()) else { return false };
        if !self.switch_off(number, 3) {
            return false;
        }
        self.replace_disk(number, image, "is replaced by its backup");
        true
    }

    /// A second machine runs on a copy of the disk, with the same keys.
    fn clone_node(&mut self, number: usize) -> bool {
        let Some(node) = self.nodes.get(number).filter(|node| node.removed.is_none() && node.clone_of.is_none()) else {
            return false;
        };
        let Some(image) = node.backup.clone() else { return false };
        let mut spec = node.spec.clone();
        spec.name.push_str("-clone");
        let copy = Node {
            spec,
            identity: node.identity.clone(),
            chain: node.chain.clone(),
            town: node.town,
            secrets: node.secrets.clone(),
            disk: Disk::of(image),
            mount: None,
            replica: None,
            clock: node.clock,
            openings: 0,
            work_at: None,
            busy_until: 0,
            write_at: None,
            peers: Default::default(),
            pending: vec![],
            cut: None,
            again: vec![],
            damage: Damage::None,
            disk_fault: None,
            deaf_until: 0,
            mute_until: 0,
            backup: None,
            lost_at: Some(self.now),
            removed: None,
            clone_of: Some(number),
            expect_data: true,
        };
        let twin = self.nodes.len();
        self.nodes.push(copy);
        // It is reached where the first is reached; who dials one of them hangs up on the other.
        let links = self.roster.links.clone();
        for mut link in links.into_iter().filter(|link| link.ends.0 == number || link.ends.1 == number) {
            let other = if link.ends.0 == number { link.ends.1 } else { link.ends.0 };
            link.ends = (other, twin);
            self.roster.links.push(link);
        }
        self.at(self.now + MINUTE, Event::Boot(twin));
        true
    }

    fn deafen(&mut self, number: usize, minutes: u32) -> bool {
        let until = self.now + Millis::from(minutes) * MINUTE;
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.is_up()) else { return false };
        node.deaf_until = until;
        self.at(until, Event::Hears(number));
        true
    }

    fn with_clock(&mut self, number: usize, change: impl FnOnce(&mut Node, Millis)) -> bool {
        let now = BEGIN + self.now;
        self.nodes.get_mut(number).map(|node| change(node, now)).is_some()
    }

    fn future_event(&mut self, number: usize, mut dice: Dice) -> bool {
        let (now, seed) = (self.clock(number), self.options.seed);
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let Some(code) = node.spec.regions.first().cloned() else { return false };
        let (Some(replica), Ok(region)) = (node.replica.as_mut(), code.parse()) else { return false };
        let ahead = (1 + dice.long(10 * 365)) as i64 * 86_400_000;
        let mut task = Task { replica, dice, now, region, canary: Self::canary(seed, &code), by: "device".into() };
        if let Ok(Some((recorded, namespace, content))) = task.device(ahead) {
            let (log, seq) = (recorded.log, recorded.seq);
            let ack = Ack { node: number, at: 0, namespace, log, seq, entry: None, content, excused: None };
            node.pending.push(Claim::Record(ack));
        }
        self.wake(number, 5);
        true
    }

    fn part(&mut self, part: Vec<usize>, minutes: u32) -> bool {
        let until = self.now + Millis::from(minutes) * MINUTE;
        self.partitions.push((until, part.into_iter().collect()));
        let severed: Vec<ConnId> = self
            .conns
            .iter()
            .filter(|(_, conn)| self.is_parted(conn.ends[0], conn.ends[1]))
            .map(|(id, _)| *id)
            .collect();
        severed.into_iter().for_each(|id| self.break_conn(id));
        true
    }

    fn mute(&mut self, number: usize, minutes: u32) -> bool {
        let until = self.now + Millis::from(minutes) * MINUTE;
        let Some(node) = self.nodes.get_mut(number) else { return false };
        node.mute_until = until;
        for id in self.conns_of(number) {
            if let Some(conn) = self.conns.get_mut(&id) {
                let side = conn.side(number);
                conn.ways[side].cut = true;
            }
            self.give_up(id);
        }
        true
    }

    fn conns_of(&self, number: usize) -> Vec<ConnId> {
        self.nodes.get(number).map(|node| node.peers.values().copied().collect()).unwrap_or_default()
    }

    fn some_conn(&self, number: usize, dice: &mut Dice) -> Option<ConnId> {
        let ids = self.conns_of(number);
        dice.one_of(&ids).copied().filter(|id| self.conns.get(id).is_some_and(|conn| conn.open == [true, true]))
    }

    fn roam(&mut self, number: usize) -> bool {
        let ids = self.conns_of(number);
        ids.iter().for_each(|id| self.break_conn(*id));
        !ids.is_empty()
    }

    fn connect_twice(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some(conn) = self.conns.get(&id) else { return false };
        let ([one, other], kind) = (conn.ends, conn.kind);
        self.dial(if dice.chance(50) { (one, other) } else { (other, one) }, kind);
        true
    }

    /// The last message that a node received arrives once more.
    fn replay(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        let side = conn.side(number);
        let bytes = conn.last[side].clone();
        if bytes.is_empty() {
            return false;
        }
        conn.tampered = true;
        self.at(self.now, Event::Deliver { conn: id, side, bytes });
        true
    }

    fn tamper(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        conn.alter_next = Some((conn.side(number), dice.serial()));
        true
    }

    /// A run of one entry arrives at a node as if a peer had sent it.
    fn inject(&mut self, conn: ConnId, side: usize, entry: Entry) -> bool {
        let Some(run) = Run::new(vec![entry]) else { return false };
        if let Some(conn) = self.conns.get_mut(&conn) {
            conn.tampered = true;
        }
        let bytes = Message::Run(run).to_bytes();
        self.at(self.now, Event::Deliver { conn, side, bytes });
        true
    }

    /// The node's key signs a second history of a log: one peer gets another last entry than everybody else.
    fn equivocate(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(node) = self.nodes.get(number).filter(|node| node.removed.is_none()) else { return false };
        let Some(replica) = node.replica.as_ref().filter(|replica| !replica.has_staged()) else { return false };
        let own = node.id();
        let auth = Namespace::auth().id(&node.town);
        let logs: Vec<(LogId, u64)> = replica
            .logs()
            .filter(|state| state.log.author == own && state.height > 1 && state.log.namespace != auth)
            .map(|state| (state.log, state.height))
            .collect();
        let Some((log, height)) = dice.one_of(&logs).copied() else { return false };
        let seq = 2 + dice.long(height - 1);
        let mut found = None;
        let read = replica.entries(&log, seq, |entry| {
            found = Some(entry);
            std::ops::ControlFlow::Break(())
        });
        let (Ok(()), Some(mut entry)) = (read, found) else { return false };
        entry.header.time = HybridTime(entry.header.time.0 + 1);
        entry.signature = Some(entry::sign(&entry.header, &node.identity.signing));
        let peers: Vec<ConnId> = self.conns_of(number);
        let concerned = peers.into_iter().filter(|id| {
            let Some(conn) = self.conns.get(id) else { return false };
            let peer = self.nodes.get(conn.other(number));
            let access = self.names.get(&log.namespace).and_then(|namespace| peer?.spec.access(namespace));
            access.is_some() && conn.open == [true, true]
        });
        let concerned: Vec<ConnId> = concerned.collect();
        let Some(id) = dice.one_of(&concerned).copied() else { return false };
        let Some(side) = self.conns.get(&id).map(|conn| 1 - conn.side(number)) else { return false };
        let known = self.ledger.forks.entry(log).or_insert(seq);
        *known = seq.min(*known);
        let from = *known;
        for ack in self.ledger.acks.iter_mut().filter(|ack| ack.log == log && ack.seq >= from) {
            ack.excused = Some("its author wrote two histories");
        }
        self.inject(id, side, entry)
    }

    /// Entries that nobody may take: the session that brings them may end, and nothing else may happen.
    fn forge(&mut self, number: usize, kind: Forgery, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some((victim, side)) = self.conns.get(&id).map(|conn| (conn.other(number), 1 - conn.side(number))) else {
            return false;
        };
        let (Some(node), Some(at_victim)) = (self.nodes.get(number), self.nodes.get(victim)) else { return false };
        let foreign = self.roster.regions.iter().find(|code| {
            let namespace = Namespace::registry(code);
            at_victim.spec.access(&namespace).is_some() && !node.spec.regions.contains(code)
        });
        let Some(region) = foreign.filter(|_| node.spec.role != NodeRole::Center) else { return false };
        let mut rng = dice.clone().into_rng();
        let stranger = enrol::found(&[], "2026", "2026-11", BEGIN, &mut rng).root;
        let own = node.identity.signing.clone();
        let (author, signing, certificate) = match kind {
            Forgery::Scope => (node.id(), own, node.identity.certificate),
            Forgery::Stranger => (NodeId(stranger.verifying_key().to_bytes()), stranger, CertificateId([7; 32])),
            Forgery::Name => (at_victim.id(), own, at_victim.identity.certificate),
        };
        let namespace = Namespace::registry(region).id(&node.town);
        let log = LogId { namespace, author, epoch: dice.serial(), lane: Lane::Work };
        let body = dice.serial().to_be_bytes().repeat(6);
        let header = Header {
            log,
            seq: 1,
            backlink: log.origin(),
            time: HybridTime::at(BEGIN + self.now),
            certificate,
            key: KeyId([1; 16]),
            body_len: body.len() as u32,
            body_hash: blake3::hash(&body).into(),
        };
        let signature = Some(entry::sign(&header, &signing));
        self.ledger.forged.insert(log);
        self.inject(id, side, Entry { header, signature, body })
    }

    /// A node is stolen: a center removes it, and it records on with its clock put back a day.
    fn steal(&mut self, number: usize, dice: &mut Dice) -> bool {
        let center = 0;
        let is_center = self.nodes.get(number).is_none_or(|node| node.spec.role == NodeRole::Center);
        if is_center || !self.is_member(number) || !self.is_up(center) {
            return false;
        }
        let authority = self.founded.authority.clone();
        let local = self.clock(center);
        let Some(stolen) = self.nodes.get(number).map(Node::id) else { return false };
        let Some(node) = self.nodes.get_mut(center) else { return false };
        let Some(replica) = node.replica.as_mut() else { return false };
        let kept = replica.logs().filter(|state| state.log.author == stolen && state.height > 0);
        let kept = kept.map(|state| (state.log, state.height)).collect();
        if let Err(error) = replica.revoke(&authority, stolen, true, local) {
            self.trace.tell(self.now, || format!("the removal is refused: {error}"));
            return false;
        }
        node.pending.push(Claim::Removal { node: number, kept });
        self.wake(center, 5);
        let back = -(1 + dice.long(3 * 86_400_000) as i64);
        self.with_clock(number, |node, _| node.clock.jump(back))
    }

    /// Two authorities remove each other: one is heard of at the center first, the other at a village.
    fn remove_each_other(&mut self) -> bool {
        let office = self.nodes.iter().position(|node| node.spec.role == NodeRole::Village && node.removed.is_none());
        let ([one, other], Some(office)) = (self.spares.as_slice(), office) else { return false };
        let removal = |by: &enrol::Authority, of: &enrol::Authority| {
            let claim = Stated::Revocation { certificate: of.statement.id, cuts: vec![] };
            Statement::sign(&by.town, claim, Some(by.statement.id), [3; 8], &by.signing)
        };
        let both = [(0, removal(one, other), other.statement.id), (office, removal(other, one), one.statement.id)];
        let mut done = 0;
        for (number, statement, removed) in both {
            let local = self.clock(number);
            let Some(node) = self.nodes.get_mut(number) else { continue };
            if let Some(replica) = node.replica.as_mut()
                && replica.record_statements(vec![statement], local).is_ok()
            {
                node.pending.push(Claim::AuthorityRemoved(removed));
                done += 1;
                self.wake(number, 5);
            }
        }
        done > 0
    }

    /// The faults stop: everybody starts, every disk is sound, every link is there. Wrong clocks stay wrong.
    pub(super) fn become_calm(&mut self) {
        self.calm = true;
        self.partitions.clear();
        for number in 0..self.nodes.len() {
            self.heal_disk(number);
            if let Some(node) = self.nodes.get_mut(number) {
                node.again.clear();
                node.deaf_until = 0;
                node.mute_until = 0;
                if node.cut.take().is_some() {
                    node.disk.snuff_fuse();
                }
            }
            self.read_unread(number);
            self.boot(number);
            self.wake(number, 1);
        }
        let muted: Vec<ConnId> = self.conns.keys().copied().collect();
        muted.into_iter().for_each(|id| self.break_conn(id));
    }
}
