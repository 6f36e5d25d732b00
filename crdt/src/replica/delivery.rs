//! Delivery: what other nodes said they hold, by their newest beacons (DESIGN section 6).

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::card::{self, MAX_HEADS};
use crate::certificate::Access;
use crate::clock::Millis;
use crate::entry::LogId;
use crate::id::{DocumentId, NodeId};
use crate::namespace::Namespace;
use crate::policy;
use crate::store::StoreError;

/// Whether a document has reached a node that is to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The node.
    pub node: NodeId,
    /// Whether it reads the document or only carries it.
    pub access: Access,
    /// Whether it said that it holds everything that is held here of the document. `None`: it holds more logs than a
    /// beacon names, so it may or may not.
    pub delivered: Option<bool>,
    /// When it last said what it holds, by its clock; `None` if it was never heard of.
    pub heard: Option<Millis>,
}

/// What waits for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The node.
    pub node: NodeId,
    /// Entries held here, of what it holds or carries, that it did not say it has.
    pub entries: u64,
    /// When it last said what it holds, by its clock; `None` if it was never heard of.
    pub heard: Option<Millis>,
}

impl Replica {
    /// How far a document has travelled: each other node that is to have it. Empty if it is not here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delivery(&self, namespace: &Namespace, document: DocumentId) -> Result<Vec<Delivery>, StoreError> {
        let Some(number) = self.numbers.get(&self.namespace_id(namespace)).copied() else { return Ok(vec![]) };
        let mut places: BTreeMap<u32, u64> = BTreeMap::new();
        for item in self.all_items(number, document)? {
            let last = places.entry(item.key.log).or_default();
            *last = item.key.seq.max(*last);
        }
        let logs = self.logs.values().filter_map(|(log, state)| Some((state.log, *places.get(log)?)));
        let places: Vec<(LogId, u64)> = logs.collect();
        if places.is_empty() {
            return Ok(vec![]);
        }
        let heard = self.heard();
        let others = self.trust.nodes().filter(|(node, ..)| *node != self.node());
        let concerned = others.filter_map(|(node, _, own)| Some((node, policy::access(own, namespace)?)));
        let deliveries = concerned.map(|(node, access)| {
            // What a node wrote itself it holds, whatever its last beacon says.
            let foreign = places.iter().filter(|(log, _)| log.author != node);
            let held = foreign.map(|(log, seq)| self.has_confirmed(&node, log, *seq));
            // One entry that is not there outweighs one that may not be.
            let delivered = held.min_by_key(|held| match held {
                Some(false) => 0,
                None => 1,
                Some(true) => 2,
            });
            Delivery { node, access, delivered: delivered.unwrap_or(Some(true)), heard: heard.get(&node).copied() }
        });
        Ok(deliveries.collect())
    }

    /// Whether anything of a document is here, in the clear.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn holds_document(&self, namespace: &Namespace, document: DocumentId) -> Result<bool, StoreError> {
        match self.numbers.get(&self.namespace_id(namespace)) {
            Some(number) => Ok(!self.all_items(*number, document)?.is_empty()),
            None => Ok(false),
        }
    }

    /// What waits for each other node, as far as is known here.
    pub fn waiting(&self) -> Vec<Waiting> {
        let heard = self.heard();
        let others = self.trust.nodes().filter(|(node, ..)| *node != self.node());
        let waiting = others.map(|(node, _, certificate)| {
            let interest: BTreeSet<_> = self.trust.interest(certificate).into_keys().collect();
            let logs = self.logs.values().map(|(_, state)| state);
            let logs = logs.filter(|state| state.log.author != node && interest.contains(&state.log.namespace));
            let entries = logs.map(|state| self.unconfirmed(&node, &state.log, state.height)).sum();
            Waiting { node, entries, heard: heard.get(&node).copied() }
        });
        waiting.collect()
    }

    /// Entries of a log that a node did not say it holds; none where its beacon had no room for the log.
    fn unconfirmed(&self, node: &NodeId, log: &LogId, height: u64) -> u64 {
        let Some(heads) = self.receipts.get(node) else { return height };
        match heads.get(&card::short_log(log)) {
            Some(held) => height.saturating_sub(*held),
            None if heads.len() >= MAX_HEADS => 0,
            None => height,
        }
    }

    fn has_confirmed(&self, node: &NodeId, log: &LogId, seq: u64) -> Option<bool> {
        let Some(heads) = self.receipts.get(node) else { return Some(false) };
        match heads.get(&card::short_log(log)) {
            Some(held) => Some(*held >= seq),
            None if heads.len() >= MAX_HEADS => None,
            None => Some(false),
        }
    }

    fn heard(&self) -> BTreeMap<NodeId, Millis> {
        self.beacons().into_iter().map(|beacon| (beacon.node, beacon.at)).collect()
    }
}
