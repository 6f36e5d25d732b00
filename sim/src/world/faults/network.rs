//! Links and messages: partitions, peers that do not read, connections that break or come twice, replays, alterations.

use townmesh_crdt::clock::Millis;

use crate::dice::Dice;
use crate::plan::MINUTE;
use crate::world::net::ConnId;
use crate::world::{Event, World};

impl World {
    pub(in crate::world) fn deafen(&mut self, number: usize, minutes: u32) -> bool {
        let until = self.now + Millis::from(minutes) * MINUTE;
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.is_up()) else { return false };
        node.deaf_until = until;
        self.at(until, Event::Hears(number));
        true
    }

    pub(in crate::world) fn part(&mut self, part: Vec<usize>, minutes: u32) -> bool {
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

    pub(in crate::world) fn mute(&mut self, number: usize, minutes: u32) -> bool {
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

    pub(in crate::world) fn conns_of(&self, number: usize) -> Vec<ConnId> {
        self.nodes.get(number).map(|node| node.peers.values().copied().collect()).unwrap_or_default()
    }

    pub(in crate::world) fn some_conn(&self, number: usize, dice: &mut Dice) -> Option<ConnId> {
        let ids = self.conns_of(number);
        dice.one_of(&ids).copied().filter(|id| self.conns.get(id).is_some_and(|conn| conn.open == [true, true]))
    }

    pub(in crate::world) fn roam(&mut self, number: usize) -> bool {
        let ids = self.conns_of(number);
        ids.iter().for_each(|id| self.break_conn(*id));
        !ids.is_empty()
    }

    pub(in crate::world) fn connect_twice(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some(conn) = self.conns.get(&id) else { return false };
        let ([one, other], kind) = (conn.ends, conn.kind);
        self.dial(if dice.chance(50) { (one, other) } else { (other, one) }, kind);
        true
    }

    /// The last message that a node received arrives once more.
    pub(in crate::world) fn replay(&mut self, number: usize, dice: &mut Dice) -> bool {
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

    pub(in crate::world) fn tamper(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(id) = self.some_conn(number, dice) else { return false };
        let Some(conn) = self.conns.get_mut(&id) else { return false };
        conn.alter_next = Some((conn.side(number), dice.serial()));
        true
    }
}
