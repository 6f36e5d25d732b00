//! Batches: what one commit makes durable.

use std::collections::BTreeMap;

use super::{FeedItem, Store, StoreError, StoredItem, tables};
use crate::entry::{LOG_ID_LEN, LogId, Reader};
use crate::id::{DocumentId, EntryId, NamespaceId};
use crate::seal::PersonKeyPlace;
use crate::shelf::Row;

/// Bytes of derived rows that may wait: a fraction of a second to make again after a crash.
pub(crate) const WRITE_BEHIND: usize = 256 * 1024;

/// What is held of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// Which log.
    pub log: LogId,
    /// Seq of the last entry held; entries are held without gaps from 1.
    pub height: u64,
    /// Id of that entry; for height 0 the log's origin.
    pub head: EntryId,
    /// Sum of the stored bytes of all entries.
    pub bytes: u64,
    /// Seq up to which the documents hold what the entries say.
    pub folded: u64,
    /// First seq at which two entries are known to exist; 0: none.
    pub forked_at: u64,
}

impl LogState {
    /// Nothing held yet.
    pub fn empty(log: LogId) -> Self {
        Self { log, height: 0, head: log.origin(), bytes: 0, folded: 0, forked_at: 0 }
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        let numbers = [self.height, self.bytes, self.folded, self.forked_at].map(u64::to_be_bytes);
        [&self.log.to_bytes()[..], &self.head.0, numbers.as_flattened()].concat()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let log = LogId::from_bytes(&reader.take::<LOG_ID_LEN>()?)?;
        let head = EntryId(reader.take()?);
        let mut number = || reader.take().map(u64::from_be_bytes);
        Some(Self { log, head, height: number()?, bytes: number()?, folded: number()?, forked_at: number()? })
    }
}

/// Where an item lies: which document, and which place in which log says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// Local number of the namespace.
    pub namespace: u32,
    /// The document.
    pub document: DocumentId,
    /// Local number of the log.
    pub log: u32,
    /// Seq of the entry.
    pub seq: u64,
    /// Index of the item in the entry's body.
    pub index: u16,
}

impl ItemKey {
    pub(super) fn to_bytes(self) -> [u8; 34] {
        let mut bytes = [0; 34];
        bytes[..20].copy_from_slice(&document_prefix(self.namespace, self.document));
        bytes[20..24].copy_from_slice(&self.log.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.seq.to_be_bytes());
        bytes[32..].copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    pub(super) fn from_bytes(bytes: &[u8; 34]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(Self {
            namespace: u32::from_be_bytes(reader.take()?),
            document: DocumentId(reader.take()?),
            log: u32::from_be_bytes(reader.take()?),
            seq: u64::from_be_bytes(reader.take()?),
            index: u16::from_be_bytes(reader.take()?),
        })
    }
}

pub(super) fn document_prefix(namespace: u32, document: DocumentId) -> [u8; 20] {
    let mut prefix = [0; 20];
    prefix[..4].copy_from_slice(&namespace.to_be_bytes());
    prefix[4..].copy_from_slice(&document.0);
    prefix
}

pub(super) fn person_key(namespace: u32, place: PersonKeyPlace) -> [u8; 16] {
    let mut key = [0; 16];
    key[..4].copy_from_slice(&namespace.to_be_bytes());
    key[4..12].copy_from_slice(&place.shelf);
    key[12..].copy_from_slice(&place.index.to_be_bytes());
    key
}

/// Names a card: its kind and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CardKey {
    /// Code of the kind of card.
    pub kind: u8,
    /// Whose: a node id, a hash.
    pub key: [u8; 32],
}

impl CardKey {
    pub(super) fn to_bytes(self) -> [u8; 33] {
        let mut bytes = [self.kind; 33];
        bytes[1..].copy_from_slice(&self.key);
        bytes
    }
}

/// The truth of a commit: writes that become durable together or not at all, before anybody is told.
#[derive(Debug, Default)]
pub struct Batch {
    pub(crate) meta: Vec<(&'static str, Vec<u8>)>,
    pub(crate) namespaces: Vec<(NamespaceId, u32)>,
    /// Logs that are new: their entries would be nobody's without the number.
    pub(crate) new_logs: Vec<(u32, LogId)>,
    pub(crate) entries: Vec<(u32, u64, Vec<u8>)>,
    pub(crate) branches: super::branches::BranchWrites,
    pub(crate) person_keys: Vec<(u32, PersonKeyPlace, Row)>,
    pub(crate) shelves: super::shelves::ShelfWrites,
    /// `None`: dropped.
    pub(crate) cards: BTreeMap<CardKey, Option<(u64, Vec<u8>)>>,
    /// By local number of the namespace and hash; wanted: empty, or [`WANTED_PREVIEW`](super::WANTED_PREVIEW).
    pub(crate) chunks: BTreeMap<(u32, [u8; 32]), Vec<u8>>,
    pub(crate) requests: super::requests::RequestWrites,
    pub(crate) weight: usize,
}

/// What follows from entries: items of documents, feed lines, states of logs. It is written behind, many commits at
/// a time, since a restart makes what is missing again from the entries: an edit then costs one row of one table.
#[derive(Debug, Default)]
pub struct Derived {
    pub(crate) logs: BTreeMap<u32, LogState>,
    /// By namespace number and document, so that they are written in the order of their keys.
    pub(crate) items: BTreeMap<(u32, DocumentId), Vec<StoredItem>>,
    /// By log number and seq: entries to be looked at again by a newer version, or not any more.
    pub(crate) passed_over: BTreeMap<(u32, u64), bool>,
    /// In the order of their numbers.
    pub(crate) feed: Vec<FeedItem>,
    /// Documents of these logs from these seqs on are to be forgotten (a fork was proven there).
    pub(crate) forget: Vec<(u32, u64)>,
    /// Feed numbers below this are no longer needed.
    pub(crate) trim_feed: Option<u64>,
    /// Folding again would not make all of it.
    pub(crate) at_once: bool,
    pub(crate) weight: usize,
}

impl Derived {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.weight == 0
    }

    /// Whether it is to be written with the next commit: it grew, or must not wait.
    pub(crate) fn is_due(&self) -> bool {
        self.weight >= WRITE_BEHIND || self.at_once || !self.forget.is_empty()
    }
}

/// When a commit survives a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it returns.
    AtOnce,
    /// When the next one does that is durable at once. It is read as any other until then.
    WithTheNext,
}

impl Batch {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.weight == 0
    }

    /// Bytes waiting, roughly.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

impl Store {
    /// Writes a batch, together with what was derived from it and earlier ones if given.
    ///
    /// # Errors
    /// [`StoreError`]; nothing of either is in the store then.
    pub fn commit(&self, batch: &Batch, derived: Option<&Derived>, durability: Durability) -> Result<(), StoreError> {
        let mut transaction = self.database.begin_write()?;
        // Quick repair implies two-phase commit: no torn or reordered write can leave an older root valid. It costs a third of
        // a small commit. Without it the database walks all pages after a crash, and where one of them is damaged it can panic
        // while it unwinds from a panic: the process would end without a word of what is wrong.
        transaction.set_quick_repair(durability == Durability::AtOnce);
        if durability == Durability::WithTheNext {
            transaction.set_durability(redb::Durability::None)?;
        }
        write_truth(&transaction, batch)?;
        if let Some(derived) = derived {
            write_derived(&transaction, derived)?;
        }
        transaction.commit()?;
        Ok(())
    }
}

fn write_truth(transaction: &redb::WriteTransaction, batch: &Batch) -> Result<(), StoreError> {
    if !batch.meta.is_empty() {
        let mut table = transaction.open_table(tables::META)?;
        for (name, value) in &batch.meta {
            table.insert(*name, value.as_slice())?;
        }
    }
    if !batch.namespaces.is_empty() {
        let mut table = transaction.open_table(tables::NAMESPACES)?;
        for (id, number) in &batch.namespaces {
            table.insert(&id.0, number)?;
        }
    }
    if !batch.new_logs.is_empty() {
        let mut table = transaction.open_table(tables::LOGS)?;
        for (number, log) in &batch.new_logs {
            table.insert(number, LogState::empty(*log).to_bytes().as_slice())?;
        }
    }
    if !batch.entries.is_empty() {
        let mut table = transaction.open_table(tables::ENTRIES)?;
        for (log, seq, bytes) in &batch.entries {
            table.insert((*log, *seq), bytes.as_slice())?;
        }
    }
    super::branches::write(transaction, &batch.branches)?;
    if !batch.person_keys.is_empty() {
        let mut table = transaction.open_table(tables::PERSON_KEYS)?;
        let mut destroyed = transaction.open_table(tables::DESTROYED_KEYS)?;
        for (namespace, place, row) in &batch.person_keys {
            let key = person_key(*namespace, *place);
            match row {
                Row::Key(wrapped) => table.insert(&key, wrapped)?,
                Row::Destroyed(hash) => {
                    table.remove(&key)?;
                    destroyed.insert(&key, hash)?
                }
            };
        }
    }
    super::shelves::write(transaction, &batch.shelves)?;
    super::requests::write(transaction, &batch.requests)?;
    if !batch.cards.is_empty() {
        let mut table = transaction.open_table(tables::CARDS)?;
        for (key, card) in &batch.cards {
            match card {
                Some((version, bytes)) => {
                    table.insert(&key.to_bytes(), [&version.to_be_bytes()[..], bytes].concat().as_slice())?
                }
                None => table.remove(&key.to_bytes())?,
            };
        }
    }
    if !batch.chunks.is_empty() {
        let mut table = transaction.open_table(tables::CHUNKS)?;
        for ((namespace, hash), bytes) in &batch.chunks {
            table.insert(&super::read::chunk_key(*namespace, hash), bytes.as_slice())?;
        }
    }
    Ok(())
}

fn write_derived(transaction: &redb::WriteTransaction, derived: &Derived) -> Result<(), StoreError> {
    if !derived.logs.is_empty() {
        let mut table = transaction.open_table(tables::LOGS)?;
        for (number, state) in &derived.logs {
            table.insert(number, state.to_bytes().as_slice())?;
        }
    }
    if !derived.items.is_empty() || !derived.forget.is_empty() {
        let mut table = transaction.open_table(tables::ITEMS)?;
        for (log, from) in &derived.forget {
            table.retain(|key, _| ItemKey::from_bytes(key).is_none_or(|key| key.log != *log || key.seq < *from))?;
        }
        // In key order, neighbours share their page: several times faster than random order.
        for item in derived.items.values().flatten() {
            table.insert(&item.key.to_bytes(), item.value_bytes().as_slice())?;
        }
    }
    if !derived.passed_over.is_empty() {
        let mut table = transaction.open_table(tables::PASSED_OVER)?;
        for (place, is_noted) in &derived.passed_over {
            if *is_noted {
                table.insert(place, ())?
            } else {
                table.remove(place)?
            };
        }
    }
    if !derived.feed.is_empty() || derived.trim_feed.is_some() {
        let mut table = transaction.open_table(tables::FEED)?;
        for item in &derived.feed {
            let row = [document_prefix(item.namespace, item.document).as_slice(), &[item.kind]].concat();
            table.insert(item.number, row.as_slice())?;
        }
        if let Some(below) = derived.trim_feed {
            table.retain_in(..below, |_, _| false)?;
        }
    }
    Ok(())
}
