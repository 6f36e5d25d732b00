//! Reading documents, and keeping the recently touched ones in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};
use std::sync::Arc;

use super::Replica;
use crate::bounds;
use crate::change::{AssertionId, Change, Item, RecordKey, record_id};
use crate::clock::HybridTime;
use crate::document::{Applied, AuthoredChange, Content, Document};
use crate::domain::tables::Tables;
use crate::entry::{Header, LogId};
use crate::id::{CertificateId, DocumentId, NamespaceId, NodeId, RecordId};
use crate::store::{FeedItem, StoreError, StoredItem};
use crate::value::Fields;

/// Documents looked up in one go when everything is fed again.
const REFEED_AT_ONCE: usize = 4096;

/// Seqs up to which entries of a log under a certificate count.
type Counted = BTreeMap<(CertificateId, LogId), u64>;

/// Documents in memory, the least recently used dropped first.
#[derive(Debug, Default)]
pub(super) struct DocumentCache {
    documents: BTreeMap<(u32, DocumentId), (u64, Document)>,
    by_use: BTreeMap<u64, (u32, DocumentId)>,
    clock: u64,
    /// The town's tables, until one of them changes.
    tables: Option<Arc<Tables>>,
}

impl DocumentCache {
    fn touch(&mut self, namespace: u32, document: DocumentId) -> Option<&mut Document> {
        let (used, cached) = self.documents.get_mut(&(namespace, document))?;
        self.by_use.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.by_use.insert(self.clock, (namespace, document));
        Some(cached)
    }

    fn insert(&mut self, namespace: u32, id: DocumentId, document: Document) {
        self.clock += 1;
        self.by_use.insert(self.clock, (namespace, id));
        if let Some((used, _)) = self.documents.insert((namespace, id), (self.clock, document)) {
            self.by_use.remove(&used);
        }
        while self.documents.len() > bounds::MAX_CACHED_DOCUMENTS
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.documents.remove(&oldest);
        }
    }

    /// Adds a change to a document if it is in memory.
    pub(super) fn apply(&mut self, namespace: u32, document: DocumentId, change: AuthoredChange) -> Option<Applied> {
        self.documents.get_mut(&(namespace, document)).map(|(_, cached)| cached.apply(change))
    }

    pub(super) fn let_tables_go(&mut self) {
        self.tables = None;
    }

    pub(super) fn clear(&mut self) {
        self.let_tables_go();
        self.documents.clear();
        self.by_use.clear();
    }
}

/// An immutable record of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRecord {
    /// Hash of its bytes.
    pub id: RecordId,
    /// The record.
    pub bytes: Vec<u8>,
    /// When, by its author's clock.
    pub time: HybridTime,
    /// The node that signed it.
    pub author: NodeId,
    /// By which right; `None`: the entry is still being written, by this node.
    pub certificate: Option<CertificateId>,
    /// Its certificate was revoked before: no effect.
    pub void: bool,
}

impl Replica {
    /// The change that makes these edits to the document as this node knows it.
    pub(super) fn compose(
        &mut self,
        namespace: u32,
        document: DocumentId,
        edits: BTreeMap<RecordKey, Fields>,
    ) -> Result<Change, StoreError> {
        if let Some(cached) = self.cache.touch(namespace, document) {
            return Ok(cached.change(edits));
        }
        let changes = self.changes(namespace, document)?;
        if changes.is_empty() {
            // Nothing to supersede: imports need not build a document for each household.
            return Ok(Document::default().change(edits));
        }
        let loaded = Document::from_changes(changes);
        let change = loaded.change(edits);
        self.cache.insert(namespace, document, loaded);
        Ok(change)
    }

    pub(super) fn all_items(&self, namespace: u32, document: DocumentId) -> Result<Vec<StoredItem>, StoreError> {
        let mut items = self.store.items(namespace, document)?;
        items.extend(self.derived.items.get(&(namespace, document)).into_iter().flatten().cloned());
        Ok(items)
    }

    fn changes(&self, namespace: u32, document: DocumentId) -> Result<Vec<AuthoredChange>, StoreError> {
        let items = self.all_items(namespace, document)?.into_iter();
        Ok(items.filter_map(authored).map(|(_, change)| change).collect())
    }

    /// What a document says; empty if it does not exist. To be let go before the document is edited, or it is copied.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn content(&mut self, namespace: NamespaceId, id: DocumentId) -> Result<Arc<Content>, StoreError> {
        let Some(number) = self.numbers.get(&namespace).copied() else { return Ok(Arc::default()) };
        if let Some(cached) = self.cache.touch(number, id).filter(|_| !self.trust.has_revocations()) {
            // A refused change would have been refused when it was loaded, too: nothing is readable then.
            return Ok(cached.settle().map(|()| Arc::clone(cached.content())).unwrap_or_default());
        }
        let items = self.all_items(number, id)?;
        let mut void: Vec<AssertionId> = Vec::new();
        let mut counted = Counted::new();
        let mut changes = Vec::new();
        for (item, change) in items.into_iter().filter_map(authored) {
            if self.is_void(&item, &mut counted)? {
                void.push(change.actor.assertion_id());
            }
            changes.push(change);
        }
        match changes.as_slice() {
            [] => return Ok(Arc::default()),
            [only] if only.change.deps.is_empty() && void.is_empty() => {
                return Ok(Arc::new(Content::of_first_change(only)));
            }
            _ => {}
        }
        let mut document = Document::from_changes(changes);
        if self.trust.has_revocations() {
            return Ok(document.hydrate(&|id| void.contains(&id)).map(Arc::new).unwrap_or_default());
        }
        // Kept: what has a history is read again, by the views for each of its edits.
        let content = document.settle().map(|()| Arc::clone(document.content())).unwrap_or_default();
        self.cache.insert(number, id, document);
        Ok(content)
    }

    /// The codes of the kinds as which a document was written; of a sound one there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn kinds(&self, namespace: NamespaceId, document: DocumentId) -> Result<BTreeSet<u8>, StoreError> {
        let Some(number) = self.numbers.get(&namespace) else { return Ok(BTreeSet::new()) };
        Ok(self.all_items(*number, document)?.iter().filter_map(|item| item.item.kind()).collect())
    }

    /// Who made these assertions of a document, as far as they are known.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn authors_of(
        &self,
        namespace: NamespaceId,
        document: DocumentId,
        assertions: &BTreeSet<AssertionId>,
    ) -> Result<BTreeMap<AssertionId, NodeId>, StoreError> {
        let mut authors = BTreeMap::new();
        let Some(number) = self.numbers.get(&namespace).copied().filter(|_| !assertions.is_empty()) else {
            return Ok(authors);
        };
        for item in self.all_items(number, document)? {
            let id = item.actor.assertion_id();
            if assertions.contains(&id)
                && let Some(log) = self.log_numbered(item.key.log)
            {
                authors.insert(id, log.author);
            }
        }
        Ok(authors)
    }

    /// The town's tables, where they were read since one of them changed last.
    pub(crate) fn kept_tables(&self) -> Option<Arc<Tables>> {
        self.cache.tables.clone()
    }

    /// Keeps the town's tables until one of them changes.
    pub(crate) fn keep_tables(&mut self, tables: Arc<Tables>) {
        self.cache.tables = Some(tables);
    }

    /// The immutable records of a document, in order of time and id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn records(&self, namespace: NamespaceId, document: DocumentId) -> Result<Vec<StoredRecord>, StoreError> {
        self.records_by(namespace, document, |_| true)
    }

    /// [`Self::records`], where of the same record in two logs (carried over, recorded again) one that has effect is shown
    /// before one that has none: whoever may not write a record must not spoil it by copying it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn records_by(
        &self,
        namespace: NamespaceId,
        document: DocumentId,
        has_effect: impl Fn(&StoredRecord) -> bool,
    ) -> Result<Vec<StoredRecord>, StoreError> {
        let mut records = self.copies(namespace, document)?;
        // The earliest one that counts stands.
        records.sort_by_cached_key(|record| {
            (record.id, record.void || !has_effect(record), record.void, record.time, record.author)
        });
        records.dedup_by_key(|record| record.id);
        records.sort_by_key(|record| (record.time, record.id));
        Ok(records)
    }

    fn copies(&self, namespace: NamespaceId, document: DocumentId) -> Result<Vec<StoredRecord>, StoreError> {
        let Some(number) = self.numbers.get(&namespace).copied() else { return Ok(vec![]) };
        let mut records: Vec<StoredRecord> = Vec::new();
        let mut counted = Counted::new();
        let mut authors: BTreeMap<u32, (LogId, Option<CertificateId>)> = BTreeMap::new();
        for item in self.all_items(number, document)? {
            let (time, key) = (item.time, item.key);
            if let Item::Record { bytes, .. } = item.item {
                let (log, only) = match authors.get(&key.log) {
                    Some(known) => *known,
                    None => {
                        let Some(log) = self.log_numbered(key.log) else { continue };
                        *authors.entry(key.log).or_insert((log, self.trust.only_certificate(&log.author)))
                    }
                };
                let certificate = match only {
                    Some(only) => Some(only),
                    None => self.store.entry(key.log, key.seq)?.map(|entry| entry.header.certificate),
                };
                let void = match certificate.filter(|_| self.trust.has_revocations()) {
                    Some(certificate) => key.seq > self.counts_until(&certificate, &log, &mut counted)?,
                    None => false,
                };
                let author = log.author;
                records.push(StoredRecord { id: record_id(&bytes), bytes, time, author, certificate, void });
            }
        }
        Ok(records)
    }

    pub(super) fn log_numbered(&self, number: u32) -> Option<LogId> {
        self.logs.values().find(|(known, _)| *known == number).map(|(_, state)| state.log)
    }

    fn is_void(&self, item: &StoredItem, counted: &mut Counted) -> Result<bool, StoreError> {
        if !self.trust.has_revocations() {
            return Ok(false);
        }
        let Some(entry) = self.store.entry(item.key.log, item.key.seq)? else { return Ok(false) };
        let Header { certificate, log, seq, .. } = entry.header;
        Ok(seq > self.counts_until(&certificate, &log, counted)?)
    }

    /// Seq up to which entries of a log under a certificate count, looked up once for all that one read asks.
    fn counts_until(&self, certificate: &CertificateId, log: &LogId, counted: &mut Counted) -> Result<u64, StoreError> {
        if let Some(known) = counted.get(&(*certificate, *log)) {
            return Ok(*known);
        }
        let until = self.trust.counts_until(certificate, log, |seq, head| self.covers(log, seq, head))?;
        counted.insert((*certificate, *log), until);
        Ok(until)
    }

    /// Documents that changed, from a feed number on, as far as the feed is stored: lines that are still to be written
    /// get other numbers if a crash comes first, so no view may have seen them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn feed(&self, from: u64, limit: usize) -> Result<Vec<FeedItem>, StoreError> {
        self.store.feed(from, limit)
    }

    /// The number after the feed's last line.
    pub fn feed_end(&self) -> u64 {
        self.feed_end
    }

    /// The number after the last line that [`Self::feed`] gives.
    pub fn stored_feed_end(&self) -> u64 {
        self.stored_feed_end
    }

    /// The number after the last line that a power cut leaves: the lines from here on come again under other numbers, so
    /// nobody may note down that they have them.
    pub fn durable_feed_end(&self) -> u64 {
        self.durable_feed_end
    }

    /// The namespace with a local number.
    pub fn namespace_numbered(&self, number: u32) -> Option<NamespaceId> {
        self.numbers.iter().find(|(_, known)| **known == number).map(|(id, _)| *id)
    }

    /// The local number of a namespace, by which the feed names it.
    pub fn namespace_number(&self, namespace: &NamespaceId) -> Option<u32> {
        self.numbers.get(namespace).copied()
    }

    /// Documents of a namespace with the code of their kind, after one: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn documents(
        &self,
        namespace: NamespaceId,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(DocumentId, u8)>, StoreError> {
        let Some(number) = self.numbers.get(&namespace) else { return Ok(vec![]) };
        let mut documents: BTreeMap<DocumentId, u8> =
            self.store.documents(*number, after, limit)?.into_iter().collect();
        let first =
            after.map_or(Bound::Included((*number, DocumentId([0; 16]))), |after| Bound::Excluded((*number, after)));
        let unwritten = self.derived.items.range((first, Bound::Included((*number, DocumentId([0xff; 16])))));
        let kind = |items: &[StoredItem]| items.iter().find_map(|item| item.item.kind());
        // What a fork made void leaves nothing to list.
        let unwritten = unwritten.filter_map(|((_, document), items)| Some((*document, kind(items)?)));
        documents.extend(unwritten.take(limit));
        Ok(documents.into_iter().take(limit).collect())
    }

    /// Tells this store from any other that the node had or will have: views that were made from another one are not
    /// of this one, whatever line of the feed they have come to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn store_id(&self) -> Result<u64, StoreError> {
        let named = self.store.meta("store")?.and_then(|bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)));
        named.ok_or_else(|| StoreError::Damaged("it has no id".into()))
    }

    /// Gives a new store its id, with the next commit.
    pub(super) fn name_store(&mut self) -> Result<(), StoreError> {
        if self.store.meta("store")?.is_none() {
            let id = self.rng.next_u64();
            self.batch.meta.push(("store", id.to_be_bytes().to_vec()));
            self.batch.weight += 1;
        }
        Ok(())
    }

    /// Feeds every readable document again, for views that were lost.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refeed(&mut self) -> Result<(), StoreError> {
        let numbers: Vec<u32> = self.numbers.values().copied().collect();
        for number in numbers {
            let mut after = None;
            loop {
                let documents = self.store.documents(number, after, REFEED_AT_ONCE)?;
                let Some((last, _)) = documents.last() else { break };
                after = Some(*last);
                documents.into_iter().for_each(|(document, kind)| self.feed_document(number, document, kind));
            }
        }
        Ok(())
    }

    /// Every view has the feed up to here: forget it with the next commit.
    pub fn trim_feed(&mut self, below: u64) {
        // The last line stays, so that numbers go on where they were after the store is opened again.
        self.derived.trim_feed = Some(below.min(self.durable_feed_end.saturating_sub(1)));
        self.derived.weight += 1;
    }

    /// Shows the stored entries of a log in order.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entries(
        &self,
        log: &crate::entry::LogId,
        from: u64,
        visit: impl FnMut(crate::entry::Entry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        match self.logs.get(log) {
            Some((number, _)) => self.store.entries(*number, from, visit),
            None => Ok(()),
        }
    }
}

fn authored(item: StoredItem) -> Option<(StoredItem, AuthoredChange)> {
    let Item::Change { change, .. } = &item.item else { return None };
    let change = AuthoredChange { actor: item.actor, time: item.time, change: change.clone() };
    Some((item, change))
}
