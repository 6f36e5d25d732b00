//! Machines and disks: kills, power cuts, failing and rotting disks, backups, restores, clones.

use townmesh_crdt::clock::Millis;

use crate::dice::Dice;
use crate::disk::{Cut, DiskFault, Image};
use crate::plan::{Fault, HOUR, MINUTE, Step, What};
use crate::world::node::{Damage, PendingCut};
use crate::world::{BEGIN, Event, World};

impl World {
    pub(in crate::world) fn kill(&mut self, number: usize, minutes: u32) -> bool {
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

    pub(in crate::world) fn cut_power(
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

    pub(in crate::world) fn break_disk(&mut self, number: usize, fault: DiskFault, minutes: u32) -> bool {
        let Some(node) = self.nodes.get_mut(number).filter(|node| node.disk_fault.is_none()) else { return false };
        node.disk_fault = Some(fault);
        node.disk.set_fault(Some(fault));
        self.at(self.now + Millis::from(minutes) * MINUTE, Event::DiskHealed(number));
        true
    }

    pub(in crate::world) fn heal_disk(&mut self, number: usize) {
        let Some(node) = self.nodes.get_mut(number) else { return };
        node.disk_fault = None;
        node.disk.set_fault(None);
    }

    /// The machine is switched off and its disk changes.
    pub(in crate::world) fn switch_off(&mut self, number: usize, minutes: Millis) -> bool {
        if !self.is_up(number) || self.nodes.get(number).is_some_and(|node| node.disk_fault.is_some()) {
            return false;
        }
        self.disconnect(number);
        let now = BEGIN + self.now;
        if let Some(node) = self.nodes.get_mut(number) {
            node.stop_process(now);
        }
        self.at(self.now + minutes * MINUTE, Event::Boot(number));
        true
    }

    pub(in crate::world) fn rot(&mut self, number: usize, bits: u32, dice: &mut Dice) -> bool {
        if !self.switch_off(number, 2) {
            return false;
        }
        let Some(node) = self.nodes.get_mut(number) else { return false };
        let mut image = node.disk.current();
        (0..bits).for_each(|_| _ = image.rot(dice));
        node.put_disk(image);
        node.damage = Damage::Rotten;
        true
    }

    pub(in crate::world) fn vanish(&mut self, number: usize) -> bool {
        if !self.switch_off(number, 2) {
            return false;
        }
        self.replace_disk(number, Image::default(), "vanishes");
        if let Some(node) = self.nodes.get_mut(number) {
            node.damage = Damage::Vanished;
        }
        true
    }

    pub(in crate::world) fn back_up(&mut self, number: usize) -> bool {
        // A backup is taken of a node that is stopped.
        if !self.switch_off(number, 1) {
            return false;
        }
        let Some(node) = self.nodes.get_mut(number) else { return false };
        node.backup = Some(node.disk.current());
        true
    }

    /// A backup is put back; where there is none yet, one is taken now, and put back after some hours of work.
    pub(in crate::world) fn restore(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(image) = self.nodes.get(number).and_then(|node| node.backup.clone()) else {
            return self.back_up(number) && self.later(number, Fault::Restore, dice);
        };
        if !self.switch_off(number, 3) {
            return false;
        }
        self.replace_disk(number, image, "is replaced by its backup");
        true
    }

    /// The same node meets a fault again, in one to five hours.
    pub(in crate::world) fn later(&mut self, node: usize, fault: Fault, dice: &mut Dice) -> bool {
        let at = self.now + HOUR + dice.long(4 * HOUR);
        let number = self.steps.len();
        self.steps.push(Step { at, node, what: What::Fault(fault), dice: dice.serial() });
        self.at(at, Event::Step(number));
        true
    }

    /// A second machine runs on a copy of the disk, with the same keys.
    pub(in crate::world) fn clone_node(&mut self, number: usize, dice: &mut Dice) -> bool {
        let Some(node) = self.nodes.get(number).filter(|node| node.removed.is_none() && node.clone_of.is_none()) else {
            return false;
        };
        let Some(image) = node.backup.clone() else {
            return self.back_up(number) && self.later(number, Fault::Clone, dice);
        };
        let copy = node.twin(number, image, self.now);
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
}
