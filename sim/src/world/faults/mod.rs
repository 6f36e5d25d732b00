//! What goes wrong: each fault of a plan, done to the town.

mod arrivals;
mod hostile;
mod machine;
mod network;
mod newer;
mod trust;

use super::ledger::{Ack, Claim};
use super::net::ConnId;
use super::node::Node;
use super::work::Task;
use super::{BEGIN, World};
use crate::dice::Dice;
use crate::plan::{Fault, MINUTE};
use townmesh_crdt::clock::Millis;

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
            Fault::Restore => self.restore(number, &mut dice),
            Fault::Clone => self.clone_node(number, &mut dice),
            Fault::Equivocate => self.equivocate(number, &mut dice),
            Fault::Deaf { minutes } => self.deafen(number, minutes),
            Fault::Revoke => self.steal(number, &mut dice),
            Fault::MutualRemoval => self.remove_each_other(),
            Fault::Jump { by } => self.with_clock(number, |node, now| node.clock.jump(now, by)),
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
            Fault::Join { twice } => self.invite(number, twice, &mut dice),
            Fault::Rejoin => self.rejoin(&mut dice),
            Fault::Erase => self.erase(dice),
            Fault::Ratify => self.ratify(),
            Fault::Newer { what } => self.newer(number, what, &mut dice),
            Fault::Flood => self.flood(number, &mut dice),
            Fault::AtOnce => self.edit_at_once(number, &mut dice),
            Fault::EraseInBook => self.erase_in_book(&mut dice),
            Fault::Overreach { what } => self.overreach(number, what, &mut dice),
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

    fn with_clock(&mut self, number: usize, change: impl FnOnce(&mut Node, Millis)) -> bool {
        let now = BEGIN + self.now;
        let Some(node) = self.nodes.get_mut(number) else { return false };
        node.note_clock(now);
        change(node, now);
        node.note_clock(now);
        true
    }

    fn future_event(&mut self, number: usize, mut dice: Dice) -> bool {
        let (now, seed) = (self.clock(number), self.options.seed);
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let Some(code) = node.spec.regions.first().cloned() else { return false };
        let (Some(replica), Ok(region)) = (node.replica.as_mut(), code.parse()) else { return false };
        let ahead = (1 + dice.long(10 * 365)) as i64 * 86_400_000;
        let mut task =
            Task { replica, dice, now, region, canary: Self::canary(seed, &code), by: "device".into(), events: 12 };
        if let Ok(Some((recorded, namespace, content))) = task.device(ahead) {
            let (log, seq) = (recorded.log, recorded.seq);
            let ack = Ack { node: number, at: 0, namespace, log, seq, entry: None, content, excused: None };
            node.pending.push(Claim::Record(ack));
        }
        self.wake(number, 5);
        true
    }

    /// Two offices of one region, whose clocks show the same, edit one household in the same millisecond.
    fn edit_at_once(&mut self, number: usize, dice: &mut Dice) -> bool {
        let regions = self.nodes.get(number).map(|node| node.spec.regions.clone()).unwrap_or_default();
        let other = self.nodes.iter().position(|node| {
            let is_alike = node.spec.regions == regions && !regions.is_empty();
            is_alike
                && node.is_up()
                && node.removed.is_none()
                && self.nodes.get(number).is_some_and(|own| own.id() != node.id())
        });
        let (Some(other), true) = (other, self.is_up(number)) else { return false };
        let now = BEGIN + self.now;
        // Later than anything that either of them has seen.
        let latest = |number: usize| self.nodes.get(number).map_or(0, |node| node.latest.max(node.clock.at(now)));
        let shown = latest(number).max(latest(other)) + 6 * MINUTE;
        let choice = dice.serial();
        let mut done = 0;
        for place in [number, other] {
            self.with_clock(place, |node, now| node.clock.set(now, shown));
            done += usize::from(self.edit_some(place, choice, dice));
        }
        done == 2
    }

    /// Edits the household that a choice falls on, if this node knows of it.
    fn edit_some(&mut self, number: usize, choice: u64, dice: &mut Dice) -> bool {
        let local = self.clock(number);
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let Some(code) = node.spec.regions.first().cloned() else { return false };
        let (Some(replica), Ok(region)) = (node.replica.as_mut(), code.parse()) else { return false };
        let mut task =
            Task { replica, dice: Dice::new(choice), now: local, region, canary: code, by: "clerk".into(), events: 12 };
        let Ok(Some((recorded, namespace, content))) = task.edit_rooms(1 + dice.below(9) as u16) else { return false };
        let (log, seq) = (recorded.log, recorded.seq);
        let ack = Ack { node: number, at: 0, namespace, log, seq, entry: None, content, excused: None };
        node.pending.push(Claim::Record(ack));
        self.wake(number, 5);
        true
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
