//! Delivery: what other nodes said they hold, by their beacons (DESIGN section 6).

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::certificate::Access;
use crate::change::{Item, record_id};
use crate::clock::Millis;
use crate::entry::LogId;
use crate::id::{DocumentId, NamespaceId, NodeId, RecordId};
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
    /// Whether it said that it holds everything that is held here of the document.
    pub delivered: bool,
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
    pub fn delivery(&mut self, namespace: &Namespace, document: DocumentId) -> Result<Vec<Delivery>, StoreError> {
        self.delivery_where(namespace, document, |_| true)
    }

    /// How far one record of a document has travelled. Empty if it is not here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delivery_of_record(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        record: RecordId,
    ) -> Result<Vec<Delivery>, StoreError> {
        self.delivery_where(namespace, document, |item| match item {
            Item::Record { bytes, .. } => record_id(bytes) == record,
            Item::Change { .. } | Item::Epoch { .. } | Item::Seen { .. } => false,
        })
    }

    fn delivery_where(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        is_meant: impl Fn(&Item) -> bool,
    ) -> Result<Vec<Delivery>, StoreError> {
        let Some(number) = self.numbers.get(&self.namespace_id(namespace)).copied() else { return Ok(vec![]) };
        let mut places: BTreeMap<u32, u64> = BTreeMap::new();
        for item in self.all_items(number, document)?.into_iter().filter(|item| is_meant(&item.item)) {
            let last = places.entry(item.key.log).or_default();
            *last = item.key.seq.max(*last);
        }
        let logs = self.logs.values().filter_map(|(log, state)| Some((state.log, *places.get(log)?)));
        let places: Vec<(LogId, u64)> = logs.collect();
        if places.is_empty() {
            return Ok(vec![]);
        }
        Ok(self
            .delivery_by(namespace, |replica, node| places.iter().all(|(log, seq)| replica.is_with(node, log, *seq))))
    }

    /// Each other node that is to have what lies in a namespace, and whether it has what is asked for.
    pub(super) fn delivery_by(
        &mut self,
        namespace: &Namespace,
        mut has: impl FnMut(&mut Self, &NodeId) -> bool,
    ) -> Vec<Delivery> {
        let heard = self.heard();
        let others = self.trust.nodes().filter(|(node, ..)| *node != self.node());
        let concerned = others.filter_map(|(node, _, own)| Some((node, policy::access(own, namespace)?)));
        let concerned: Vec<(NodeId, Access)> = concerned.collect();
        let delivery = |(node, access): (NodeId, Access)| {
            let delivered = has(self, &node);
            Delivery { node, access, delivered, heard: heard.get(&node).copied() }
        };
        concerned.into_iter().map(delivery).collect()
    }

    /// Whether a node has an entry. What it wrote itself it holds, whatever its last beacon says.
    pub(super) fn is_with(&mut self, node: &NodeId, log: &LogId, seq: u64) -> bool {
        log.author == *node || self.claimed(node, log) >= seq
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
    pub fn waiting(&mut self) -> Vec<Waiting> {
        let heard = self.heard();
        let logs: Vec<(LogId, u64)> =
            self.logs.values().map(|(_, state)| (state.log, self.effective(state).0)).collect();
        let others = self.trust.nodes().filter(|(node, ..)| *node != self.node());
        let others: Vec<(NodeId, BTreeSet<NamespaceId>)> =
            others.map(|(node, _, own)| (node, self.trust.interest(own).into_keys().collect())).collect();
        let waiting = |(node, interest): (NodeId, BTreeSet<NamespaceId>)| {
            let concerned = logs.iter().filter(|(log, _)| log.author != node && interest.contains(&log.namespace));
            let entries = concerned.map(|(log, height)| height.saturating_sub(self.claimed(&node, log))).sum();
            Waiting { node, entries, heard: heard.get(&node).copied() }
        };
        others.into_iter().map(waiting).collect()
    }

    fn heard(&self) -> BTreeMap<NodeId, Millis> {
        self.beacons().into_iter().map(|beacon| (beacon.node, beacon.at)).collect()
    }
}
