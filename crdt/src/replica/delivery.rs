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
use crate::store::{StoreError, StoredItem};

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
        let Some(number) = self.numbers.get(&self.namespace_id(namespace)).copied() else { return Ok(vec![]) };
        let places = last_places(&self.all_items(number, document)?);
        Ok(self.delivered_to(namespace, &places))
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
        let mut found = self.delivery_of_records(namespace, document, &BTreeSet::from([record]))?;
        Ok(found.remove(&record).unwrap_or_default())
    }

    /// How far each of these records of a document has travelled; nothing of those that are not here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn delivery_of_records(
        &mut self,
        namespace: &Namespace,
        document: DocumentId,
        records: &BTreeSet<RecordId>,
    ) -> Result<BTreeMap<RecordId, Vec<Delivery>>, StoreError> {
        let Some(number) = self.numbers.get(&self.namespace_id(namespace)).copied() else { return Ok(BTreeMap::new()) };
        let mut copies: BTreeMap<RecordId, Vec<StoredItem>> = BTreeMap::new();
        for item in self.all_items(number, document)? {
            if let Item::Record { bytes, .. } = &item.item {
                let id = record_id(bytes);
                if records.contains(&id) {
                    copies.entry(id).or_default().push(item);
                }
            }
        }
        let travelled = copies.into_iter().map(|(id, copies)| (id, last_places(&copies)));
        Ok(travelled.map(|(id, places)| (id, self.delivered_to(namespace, &places))).collect())
    }

    /// Which nodes that are to have a namespace have everything up to these places of logs, by their local numbers.
    fn delivered_to(&mut self, namespace: &Namespace, places: &BTreeMap<u32, u64>) -> Vec<Delivery> {
        let logs = self.logs.values().filter_map(|(log, state)| Some((state.log, *places.get(log)?)));
        let places: Vec<(LogId, u64)> = logs.collect();
        if places.is_empty() {
            return vec![];
        }
        self.delivery_by(namespace, |replica, node| places.iter().all(|(log, seq)| replica.is_with(node, log, *seq)))
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

/// The last place of items in each log.
fn last_places(items: &[StoredItem]) -> BTreeMap<u32, u64> {
    let mut places: BTreeMap<u32, u64> = BTreeMap::new();
    for item in items {
        let last = places.entry(item.key.log).or_default();
        *last = item.key.seq.max(*last);
    }
    places
}
