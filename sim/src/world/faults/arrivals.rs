//! Nodes that join while the town lives: by an invite, by one that somebody else redeemed, too, and by one that was
//! withdrawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::enrol::{self, Invite};

use crate::dice::Dice;
use crate::plan::MINUTE;
use crate::world::ledger::{Claim, Said};
use crate::world::node::Clock;
use crate::world::roster::{Link, LinkKind, Spec};
use crate::world::{BEGIN, Event, Node, World};

/// Most nodes that join in one run.
const MOST: usize = 6;

impl World {
    /// An office or a center invites a vehicle like one of those that there are; the file is used once, or twice.
    pub(in crate::world) fn invite(&mut self, number: usize, twice: bool, dice: &mut Dice) -> bool {
        let joined = self.nodes.len().saturating_sub(self.options.nodes);
        let Some(spec) = self.newcomer(number, dice).filter(|_| joined < MOST) else { return false };
        let (authority, local) = (self.founded.authority.clone(), self.clock(number));
        let mut rng = dice.clone().into_rng();
        let Some(replica) = self.nodes.get_mut(number).and_then(|node| node.replica.as_mut()) else { return false };
        let Ok(invite) = enrol::invite_at(replica, &authority, &spec.place(), local, &mut rng) else { return false };
        self.wake(number, 5);
        let invite = Arc::new(invite);
        let first = self.join(&invite, spec.clone(), dice, 2);
        if first && twice {
            let own = invite.chain.last().map(|own| own.id);
            if self.join(&invite, spec, dice, 3)
                && let (Some(own), Some(node)) = (own, self.nodes.last_mut())
            {
                node.pending.push(Claim::Said(Said::Redeemed(own)));
            }
        }
        first
    }

    /// What a newcomer is to be: like a vehicle of the town, with a region that its host can invite for.
    fn newcomer(&self, number: usize, dice: &mut Dice) -> Option<Spec> {
        let host = self.nodes.get(number).filter(|node| node.is_up() && node.removed.is_none())?;
        let reads = |region: &String| host.spec.role == NodeRole::Center || host.spec.regions.contains(region);
        let alike =
            self.roster.specs.iter().filter(|spec| {
                spec.role == NodeRole::Patrol && !spec.regions.is_empty() && spec.regions.iter().all(reads)
            });
        let alike: Vec<&Spec> = alike.collect();
        let mut spec = (*dice.one_of(&alike)?).clone();
        spec.name = format!("newcomer-{:04x}", dice.below(1 << 16));
        Some(spec)
    }

    /// The town opens a second center, which edits the same tables as the first.
    pub(in crate::world) fn second_center(&mut self, number: usize, dice: &mut Dice) {
        let host = self.nodes.get(number).filter(|node| node.is_up() && node.removed.is_none());
        let Some(host) = host.filter(|node| node.spec.role == NodeRole::Center) else { return };
        let spec = Spec { name: format!("{}-second", host.spec.name), ..host.spec.clone() };
        let (authority, local) = (self.founded.authority.clone(), self.clock(number));
        let mut rng = dice.clone().into_rng();
        let Some(replica) = self.nodes.get_mut(number).and_then(|node| node.replica.as_mut()) else { return };
        let Ok(invite) = enrol::invite_at(replica, &authority, &spec.place(), local, &mut rng) else { return };
        self.wake(number, 5);
        self.join(&Arc::new(invite), spec, dice, 2);
    }

    /// Somebody redeems an invite; their node starts so many minutes later.
    fn join(&mut self, invite: &Arc<Invite>, spec: Spec, dice: &mut Dice, minutes: u64) -> bool {
        let Ok(joined) = enrol::redeem(invite, &mut Dice::new(dice.serial()).into_rng()) else { return false };
        let number = self.nodes.len();
        let mut node = Node::new(spec, joined, Arc::clone(invite));
        node.clock = Clock { offset: i64::from(dice.below(60_000)), drift: 0, since: BEGIN };
        self.nodes.push(node);
        self.link(number);
        self.at(self.now + minutes * MINUTE, Event::Boot(number));
        true
    }

    /// A newcomer is reached as a vehicle is: by radio, and now and then by the center. A center is reached as the first is.
    fn link(&mut self, number: usize) {
        let Some(own) = self.nodes.get(number).map(|node| node.spec.clone()) else { return };
        for (other, spec) in self.roster.specs.iter().enumerate() {
            let shares = own.regions.iter().any(|code| spec.regions.contains(code) || spec.carries.contains(code));
            let kind = match spec.role {
                NodeRole::Center | NodeRole::Village if own.role == NodeRole::Center => LinkKind::Wire,
                NodeRole::Center => LinkKind::Mobile,
                NodeRole::Patrol | NodeRole::Carrier if own.role == NodeRole::Center => LinkKind::Mobile,
                NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier if shares => LinkKind::Radio,
                NodeRole::Village | NodeRole::Patrol | NodeRole::Carrier => continue,
            };
            self.roster.links.push(Link { ends: (other, number), kind });
        }
    }

    /// Whoever kept the invite of a node that was removed joins with it again.
    pub(in crate::world) fn rejoin(&mut self, dice: &mut Dice) -> bool {
        let removed = self.nodes.iter().filter(|node| node.removed.is_some() && node.clone_of.is_none());
        let known: Vec<(Arc<Invite>, Spec)> =
            removed.map(|node| (Arc::clone(&node.invite), node.spec.clone())).collect();
        let Some((invite, mut spec)) = dice.one_of(&known).cloned() else { return false };
        spec.name.push_str("-again");
        if self.nodes.len() > self.options.nodes + MOST || !self.join(&invite, spec, dice, 1) {
            return false;
        }
        if let Some(node) = self.nodes.last_mut() {
            // It never belonged to the town.
            node.removed = Some(BTreeMap::new());
        }
        true
    }
}
