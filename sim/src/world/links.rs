//! Links: who can reach whom at the moment, dialling, and connections that end.

use std::collections::BTreeSet;

use townmesh_crdt::clock::Millis;
use townmesh_crdt::replica::HandleError;

use super::net::{Conn, ConnId, GIVE_UP};
use super::roster::{Link, LinkKind};
use super::{Event, World};
use crate::dice::Dice;
use crate::plan::{DEPLOYMENT, MINUTE};

/// How long a copy of a node may keep the others from a peer.
const TURN: Millis = 7 * MINUTE;

impl World {
    /// Once a minute: connections are dialled where a link is there, dropped where it is not, and beacons fall due.
    pub(super) fn round(&mut self) {
        // Nobody dials the same node twice at once.
        let mut dialled = BTreeSet::new();
        for link in self.roster.links.clone() {
            let by = self.connection(link.ends).and_then(|id| self.conns.get(&id)).map(|conn| conn.kind);
            match (self.is_there(link), by) {
                (true, None) if self.is_its_turn(link.ends) && dialled.insert(link.ends) => {
                    self.dial(link.ends, link.kind)
                }
                (false, Some(kind)) if kind == link.kind => self.sever(link.ends),
                // A better link takes the place of a worse one.
                (true, Some(kind)) if kind > link.kind => self.sever(link.ends),
                (true | false, Some(_)) | (true | false, None) => {}
            }
        }
        for number in 0..self.nodes.len() {
            let due = self.nodes.get(number).and_then(|node| node.replica.as_ref());
            if due.is_some_and(|replica| self.clock(number) >= replica.poll_timeout()) {
                self.wake(number, 1);
            }
        }
        self.watch_receipts();
        self.watch_completeness();
        self.at(self.now + MINUTE, Event::Round);
    }

    /// Copies of one node have one id, and whoever is connected to one of them hangs up on the others: of those that
    /// compete for a peer each has its turn, so that none is kept out for ever.
    fn is_its_turn(&self, ends: (usize, usize)) -> bool {
        let waits = |node: usize, peer: usize| {
            let Some(id) = self.nodes.get(node).map(super::Node::id) else { return true };
            let copies: Vec<usize> = self.with_id(id).filter(|copy| self.has_link(*copy, peer)).collect();
            let is_taken = copies.iter().any(|copy| *copy != node && self.connection((*copy, peer)).is_some());
            let turn = (self.now / TURN) as usize % copies.len().max(1);
            is_taken && copies.get(turn) != Some(&node)
        };
        !waits(ends.0, ends.1) && !waits(ends.1, ends.0)
    }

    fn has_link(&self, one: usize, other: usize) -> bool {
        let joins = |link: &Link| link.ends == (one, other) || link.ends == (other, one);
        self.roster.links.iter().any(joins) && self.nodes.get(one).is_some_and(super::Node::is_up)
    }

    /// Whether a link is there now.
    fn is_there(&self, link: Link) -> bool {
        let (one, other) = link.ends;
        let up = |number: usize| self.nodes.get(number).is_some_and(super::Node::is_up);
        if !up(one) || !up(other) || self.is_parted(one, other) {
            return false;
        }
        let timetable = self.roster.timetable.as_ref();
        let is_timed = timetable.map(|timetable| timetable.is_there(link, self.now));
        match link.kind {
            LinkKind::Wire => self.calm || is_timed.unwrap_or(true),
            // On the first day and in the end every vehicle stands in the yard.
            LinkKind::Mobile => {
                self.calm || self.now < DEPLOYMENT || is_timed.unwrap_or_else(|| self.is_mobile_up(one, other))
            }
            LinkKind::Radio => match (self.nodes.get(one), self.nodes.get(other)) {
                (Some(one), Some(other)) => !self.calm && one.spec.reaches(&other.spec, self.now, self.roster.radius()),
                _ => false,
            },
        }
    }

    /// The mobile line of a vehicle is up for 15 minutes, some hours.
    fn is_mobile_up(&self, one: usize, other: usize) -> bool {
        let hour = self.now / (60 * MINUTE);
        let purpose = (one as u64) << 48 | (other as u64) << 32 | hour;
        let mut dice = Dice::of(self.options.seed, "mobile", purpose);
        let start = MINUTE * Millis::from(dice.below(45));
        dice.chance(20) && (start..start + 15 * MINUTE).contains(&(self.now % (60 * MINUTE)))
    }

    pub(super) fn is_parted(&self, one: usize, other: usize) -> bool {
        let parts = self.partitions.iter().filter(|(until, _)| *until > self.now);
        parts.into_iter().any(|(_, part)| part.contains(&one) != part.contains(&other))
    }

    /// The connection between two nodes that at least one of them believes in.
    pub(super) fn connection(&self, ends: (usize, usize)) -> Option<ConnId> {
        let believes = |number: usize, peer: usize| {
            let id = self.nodes.get(peer)?.id();
            let conn = *self.nodes.get(number)?.peers.get(&id)?;
            self.conns.get(&conn).is_some_and(|conn| conn.other(number) == peer).then_some(conn)
        };
        believes(ends.0, ends.1).or_else(|| believes(ends.1, ends.0))
    }

    /// Two nodes connect. A node that is connected to the other already takes the new connection in place of the old.
    pub(super) fn dial(&mut self, ends: (usize, usize), kind: LinkKind) {
        let up = |number: usize| self.nodes.get(number).is_some_and(super::Node::is_up);
        if !up(ends.0) || !up(ends.1) {
            return;
        }
        let id = self.next_conn;
        self.next_conn += 1;
        let mut conn = Conn::new(self.options.seed, [ends.0, ends.1], kind, self.now);
        conn.ways[0].cut = self.is_mute(ends.0);
        conn.ways[1].cut = self.is_mute(ends.1);
        conn.rate = self.roster.rate(kind);
        let latency = conn.latency();
        // Nothing overtakes the opening.
        conn.ways[0].not_before(self.now + latency);
        self.conns.insert(id, conn);
        self.stats.sessions += 1;
        self.at(self.now, Event::Opened { conn: id, side: 0 });
        self.at(self.now + latency, Event::Opened { conn: id, side: 1 });
        if self.is_mute(ends.0) || self.is_mute(ends.1) {
            self.give_up(id);
        }
    }

    fn is_mute(&self, number: usize) -> bool {
        self.nodes.get(number).is_some_and(|node| node.mute_until > self.now)
    }

    /// Both ends notice after a while that nothing comes any more.
    pub(super) fn give_up(&mut self, conn: ConnId) {
        let later = self.conns.get_mut(&conn).map_or(0, Conn::latency);
        self.at(self.now + GIVE_UP, Event::Closed { conn, side: 0 });
        self.at(self.now + GIVE_UP + later * 10, Event::Closed { conn, side: 1 });
    }

    /// The link between two nodes breaks: what is under way is lost, and each end notices in its own time.
    pub(super) fn sever(&mut self, ends: (usize, usize)) {
        let Some(id) = self.connection(ends) else { return };
        self.break_conn(id);
    }

    pub(super) fn break_conn(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.ways.iter_mut().for_each(|way| way.cut = true);
        let (first, second) = (conn.latency() * 20, conn.latency() * 50);
        self.at(self.now + first, Event::Closed { conn: id, side: 0 });
        self.at(self.now + second, Event::Closed { conn: id, side: 1 });
    }

    /// An end has the connection: a session begins, in place of one with the same peer.
    pub(super) fn opened(&mut self, id: ConnId, side: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (number, peer) = (conn.ends[side], conn.ends[1 - side]);
        let Some(peer_id) = self.nodes.get(peer).map(super::Node::id) else { return };
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(replica) = node.replica.as_mut() else { return };
        match replica.open_session(peer_id) {
            Ok(()) => {
                conn.open[side] = true;
                let replaced = node.peers.insert(peer_id, id).filter(|old| *old != id);
                self.trace.event(self.now, "open", (number as u64, peer as u64), &id.to_be_bytes());
                if let Some(old) = replaced
                    && let Some(side) = self.conns.get(&old).map(|conn| conn.side(number))
                {
                    self.closed(old, side);
                }
                self.wake(number, 1);
            }
            Err(error) => self.violate("a session opens", format!("at {}: {error}", self.name(number))),
        }
    }

    /// An end learns that the connection is gone.
    pub(super) fn closed(&mut self, id: ConnId, side: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let (number, peer) = (conn.ends[side], conn.ends[1 - side]);
        conn.open[side] = false;
        conn.ways[1 - side].unread.clear();
        // The other end hears of it, sooner or later.
        if conn.open[1 - side] {
            conn.ways.iter_mut().for_each(|way| way.cut = true);
        }
        let other_is_open = conn.open[1 - side];
        let peer_id = self.nodes.get(peer).map(super::Node::id);
        if let (Some(peer_id), Some(node)) = (peer_id, self.nodes.get_mut(number))
            && node.peers.get(&peer_id) == Some(&id)
        {
            node.peers.remove(&peer_id);
            if let Some(replica) = node.replica.as_mut() {
                replica.close_session(&peer_id);
            }
            self.trace.event(self.now, "close", (number as u64, peer as u64), &id.to_be_bytes());
        }
        if other_is_open {
            self.at(self.now + GIVE_UP / 2, Event::Closed { conn: id, side: 1 - side });
        } else {
            self.conns.remove(&id);
        }
    }

    /// A message arrives at an end; it waits there until the node reads it.
    pub(super) fn arrive(&mut self, id: ConnId, side: usize, bytes: Vec<u8>) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if !conn.open[side] {
            return;
        }
        let number = conn.ends[side];
        conn.ways[1 - side].unread.push_back(bytes);
        if self.nodes.get(number).is_some_and(|node| node.deaf_until <= self.now) {
            self.read_one(id, side);
        }
    }

    /// A node that was deaf reads what has piled up.
    pub(super) fn read_unread(&mut self, number: usize) {
        let ids: Vec<ConnId> =
            self.nodes.get(number).map(|node| node.peers.values().copied().collect()).unwrap_or_default();
        for id in ids {
            let Some(side) = self.conns.get(&id).map(|conn| conn.side(number)) else { continue };
            while self.conns.get(&id).is_some_and(|conn| !conn.ways[1 - side].unread.is_empty()) {
                self.read_one(id, side);
            }
        }
    }

    /// A node takes one message in.
    fn read_one(&mut self, id: ConnId, side: usize) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let Some(bytes) = conn.ways[1 - side].unread.pop_front() else { return };
        conn.ways[1 - side].read(bytes.len());
        let (number, peer, tampered) = (conn.ends[side], conn.ends[1 - side], conn.tampered);
        if let Some(meter) = &mut self.meter {
            meter.moved((peer, number), conn.kind, self.now, bytes.len());
        }
        conn.last[side].clone_from(&bytes);
        let Some(peer_id) = self.nodes.get(peer).map(super::Node::id) else { return };
        let local = self.clock(number);
        let Some(node) = self.nodes.get_mut(number) else { return };
        // A message of a connection that another one has replaced.
        if node.peers.get(&peer_id) != Some(&id) {
            return;
        }
        let Some(replica) = node.replica.as_mut() else { return };
        self.trace.event(self.now, "message", (number as u64, peer as u64), &bytes);
        self.stats.messages += 1;
        self.stats.bytes += bytes.len() as u64;
        self.stats.largest = self.stats.largest.max(bytes.len());
        let received = replica.receive(peer_id, &bytes, local);
        // At once: what is said of a peer is said of this moment.
        self.heed_outputs(number);
        self.wake(number, 4);
        // There is room again.
        self.wake(peer, 1);
        if let Err(error) = received {
            self.refused(id, side, tampered, &error);
        }
    }

    /// A peer's message was refused, so the connection ends. Honest members never refuse each other's messages.
    fn refused(&mut self, id: ConnId, side: usize, tampered: bool, error: &HandleError) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (number, peer) = (conn.ends[side], conn.ends[1 - side]);
        let words = format!("{} refuses a message of {}: {error}", self.name(number), self.name(peer));
        let is_store = matches!(error, HandleError::Store(_));
        let is_odd = |number: usize| !self.is_member(number);
        if tampered {
            self.stats.forgeries_refused += 1;
        } else if is_store
            && !self.nodes.get(number).is_some_and(|node| node.disk_fault.is_some() || node.disk.is_off())
        {
            return self.violate("a sound disk is read", words);
        } else if !is_store && !is_odd(number) && !is_odd(peer) {
            return self.violate("members take each other's messages", words);
        }
        self.trace.tell(self.now, || words);
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.ways.iter_mut().for_each(|way| way.cut = true);
        }
        self.closed(id, side);
    }
}
