//! How complete what is held here is: up to when everything is here that other nodes held ("complete to 14:20 except
//! vehicle-7").
//!
//! A node's beacon says what it held at a time by its clock. Once all that is held here too, nothing is missing of what
//! the node had until then. What it recorded since, or took in from others, may be; so may what it recorded after its
//! clock was put back, which bears an earlier time, and what its disk lost while only a carrier held it. A connection
//! moves no time forward: that its two ends hold the same is known from the last messages, and nobody notices at once that
//! it broke.

use std::collections::BTreeMap;

use super::Replica;
use crate::card::{self, Beacon, MAX_HEADS};
use crate::certificate::Access;
use crate::clock::Millis;
use crate::id::{NamespaceId, NodeId};
use crate::namespace::Namespace;
use crate::policy;

/// Up to when everything is here that one node held of some namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completeness {
    /// Which node: one that writes in them.
    pub node: NodeId,
    /// By the node's clock, and not later than now, in milliseconds since 1970; `None` if that is not known of any time.
    pub until: Option<Millis>,
    /// It is connected, and by the last messages it holds the same.
    pub connected: bool,
}

impl Replica {
    /// How complete these namespaces are here, by each other node that writes in one of them: up to when all of them are.
    pub fn completeness(&mut self, namespaces: &[Namespace], now: Millis) -> Vec<Completeness> {
        let all = self.completeness_of_each(&[namespaces], now);
        all.into_iter().flatten().collect()
    }

    /// The same of several groups of namespaces, each by itself, at the cost of little more than one.
    pub fn completeness_of_each(&mut self, groups: &[&[Namespace]], now: Millis) -> Vec<Vec<Completeness>> {
        let heard = self.heard_in_full();
        let others: Vec<NodeId> =
            self.trust.nodes().map(|(node, ..)| node).filter(|node| *node != self.node()).collect();
        others.iter().for_each(|node| self.note_equal(node));
        groups.iter().map(|namespaces| self.completeness_among(namespaces, &heard, now)).collect()
    }

    fn completeness_among(
        &self,
        namespaces: &[Namespace],
        heard: &BTreeMap<NodeId, Millis>,
        now: Millis,
    ) -> Vec<Completeness> {
        let named: Vec<(&Namespace, NamespaceId)> =
            namespaces.iter().map(|namespace| (namespace, self.namespace_id(namespace))).collect();
        let others = self.trust.nodes().filter(|(node, ..)| *node != self.node());
        let judged = others.filter_map(|(node, _, own)| {
            let claims = self.claims.get(&node);
            let of_one = |id: &NamespaceId| {
                let noted = claims.and_then(|claims| claims.complete.get(id).copied());
                let empty = claims.filter(|claims| claims.holds_nothing_of(id)).map(|claims| claims.said_at);
                noted.max(empty).max(heard.get(&node).copied())
            };
            let written = named.iter().filter(|(namespace, _)| policy::access(own, namespace) == Some(Access::Hold));
            // The least of them, and no time if one has none.
            let until = written.map(|(_, id)| of_one(id)).min()?.map(|at| at.min(now));
            let connected = self.sessions.get(&node).is_some_and(|session| session.progress.equal);
            Some(Completeness { node, until, connected })
        });
        judged.collect()
    }

    /// When each node said what it held of which everything is here.
    fn heard_in_full(&self) -> BTreeMap<NodeId, Millis> {
        let held: BTreeMap<[u8; 8], u64> =
            self.logs.values().map(|(_, state)| (card::short_log(&state.log), self.effective(state).0)).collect();
        let newest = self.beacons().into_iter().filter(|beacon| covers(&held, beacon));
        newest.map(|beacon| (beacon.node, beacon.at)).collect()
    }

    /// Notes of which namespaces a node's last beacon named the digest that is the own one now.
    pub(super) fn note_equal(&mut self, node: &NodeId) {
        let Some((at, spaces)) = self.claims.get(node).map(|claims| (claims.said_at, claims.said.clone())) else {
            return;
        };
        for (space, digest) in spaces {
            let Some(namespace) = self.namespace_named(space) else { continue };
            if card::short_digest(&self.digest(namespace)) == digest
                && let Some(claims) = self.claims.get_mut(node)
            {
                claims.complete.insert(namespace, at);
            }
        }
    }
}

/// Whether everything that a node said it holds is held here. Only a beacon that names all of its logs can tell.
fn covers(held: &BTreeMap<[u8; 8], u64>, beacon: &Beacon) -> bool {
    let is_here = |(log, seq): &([u8; 8], u64)| held.get(log).is_some_and(|height| height >= seq);
    beacon.heads.len() < MAX_HEADS && beacon.heads.iter().all(is_here)
}

/// Up to when what nodes held of each namespace was held here, too.
pub(super) type CompleteTo = BTreeMap<NamespaceId, Millis>;
