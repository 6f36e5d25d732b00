//! Reading the store.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, ControlFlow};

use redb::{ReadableDatabase, ReadableTable, TableError};

use super::batch::{document_prefix, person_key};
use super::{CardKey, ItemKey, LogState, Store, StoreError, tables};
use crate::change::Item;
use crate::clock::HybridTime;
use crate::document::Actor;
use crate::entry::{Entry, Reader};
use crate::id::DocumentId;
use crate::seal::PersonKeyPlace;
use crate::shelf::Row;

/// An item of a document, with what its entry says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Where it lies.
    pub key: ItemKey,
    /// When, by its author's clock.
    pub time: HybridTime,
    /// The actor of its entry for this document.
    pub actor: Actor,
    /// What it says.
    pub item: Item,
}

impl StoredItem {
    pub(super) fn value_bytes(&self) -> Vec<u8> {
        [&self.time.0.to_be_bytes()[..], &self.actor.0, &self.item.to_bytes()].concat()
    }

    fn read(key: &[u8; 34], value: &[u8]) -> Option<Self> {
        let mut reader = Reader(value);
        let (time, actor) = (HybridTime(u64::from_be_bytes(reader.take()?)), Actor(reader.take()?));
        Some(Self { key: ItemKey::from_bytes(key)?, time, actor, item: Item::from_bytes(reader.0).ok()?? })
    }
}

/// One line of the feed: a document that changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedItem {
    /// Place in the feed.
    pub number: u64,
    /// Local number of the namespace.
    pub namespace: u32,
    /// Which document.
    pub document: DocumentId,
    /// Code of its kind.
    pub kind: u8,
}

/// A blob's chunk that is wanted and not held yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WantedChunk {
    /// Local number of the namespace.
    pub namespace: u32,
    /// Hash of the sealed chunk.
    pub hash: [u8; 32],
    /// It is that of a preview, so it is asked for first.
    pub is_preview: bool,
}

/// The row of a preview's chunk that is wanted; that of any other is empty. No sealed chunk is that short.
pub(crate) const WANTED_PREVIEW: [u8; 1] = [1];

fn is_wanted(row: &[u8]) -> bool {
    row.is_empty() || row == WANTED_PREVIEW
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

pub(super) fn chunk_key(namespace: u32, hash: &[u8; 32]) -> [u8; 36] {
    let mut key = [0; 36];
    key[..4].copy_from_slice(&namespace.to_be_bytes());
    key[4..].copy_from_slice(hash);
    key
}

impl Store {
    /// Every log held. States are written behind their entries: what was appended since is added here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn logs(&self) -> Result<Vec<(u32, LogState)>, StoreError> {
        let transaction = self.database.begin_read()?;
        let (table, entries) = (transaction.open_table(tables::LOGS)?, transaction.open_table(tables::ENTRIES)?);
        let mut logs = Vec::new();
        for row in table.iter()? {
            let (number, state) = row?;
            let number = number.value();
            let mut state = LogState::from_bytes(state.value()).ok_or_else(|| damaged("a log's state is malformed"))?;
            for row in entries.range((number, state.height.saturating_add(1))..=(number, u64::MAX))? {
                let (key, bytes) = row?;
                // One that is damaged is passed over, and found by a check: a store must open all the same.
                if let Ok(entry) = Entry::from_bytes(bytes.value()) {
                    state.height = key.value().1;
                    state.head = entry.header.id();
                }
                state.bytes += bytes.value().len() as u64;
            }
            logs.push((number, state));
        }
        Ok(logs)
    }

    /// One entry.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is there but malformed.
    pub fn entry(&self, log: u32, seq: u64) -> Result<Option<Entry>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::ENTRIES)?;
        let found = table.get((log, seq))?;
        found.map(|bytes| Entry::from_bytes(bytes.value()).map_err(|_| damaged("an entry is malformed"))).transpose()
    }

    /// Shows a log's entries from a seq on, in order, until `visit` breaks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn entries(
        &self,
        log: u32,
        from: u64,
        mut visit: impl FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let table = self.database.begin_read()?.open_table(tables::ENTRIES)?;
        for row in table.range((log, from)..=(log, u64::MAX))? {
            let (_, bytes) = row?;
            let entry = Entry::from_bytes(bytes.value()).map_err(|_| damaged("an entry is malformed"))?;
            if visit(entry).is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Entries that could not be understood whole, by log number and seq.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn passed_over(&self) -> Result<BTreeSet<(u32, u64)>, StoreError> {
        match self.database.begin_read()?.open_table(tables::PASSED_OVER) {
            Ok(table) => Ok(table.iter()?.map(|row| row.map(|(place, _)| place.value())).collect::<Result<_, _>>()?),
            // Made by a version that did not note them.
            Err(TableError::TableDoesNotExist(_)) => Ok(BTreeSet::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// All items of a document.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn items(&self, namespace: u32, document: DocumentId) -> Result<Vec<StoredItem>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::ITEMS)?;
        let prefix = document_prefix(namespace, document);
        let (mut first, mut last) = ([0; 34], [0xff; 34]);
        first[..20].copy_from_slice(&prefix);
        last[..20].copy_from_slice(&prefix);
        let mut items = Vec::new();
        for row in table.range::<&[u8; 34]>(&first..=&last)? {
            let (key, value) = row?;
            items.push(StoredItem::read(key.value(), value.value()).ok_or_else(|| damaged("an item is malformed"))?);
        }
        Ok(items)
    }

    /// Items that a log gave to documents, from a seq on, with the kind of each. Scans all items: for forks only.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn documents_of_log(&self, log: u32, from: u64) -> Result<Vec<(ItemKey, u8)>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::ITEMS)?;
        let mut found = Vec::new();
        for row in table.iter()? {
            let (key, value) = row?;
            if ItemKey::from_bytes(key.value()).is_some_and(|key| key.log == log && key.seq >= from) {
                let item =
                    StoredItem::read(key.value(), value.value()).ok_or_else(|| damaged("an item is malformed"))?;
                if let Item::Change { kind, .. } | Item::Record { kind, .. } = item.item {
                    found.push((item.key, kind));
                }
            }
        }
        Ok(found)
    }

    /// Documents that any of these logs gave items to, with the code of their kind. Scans all items: for removals only.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn documents_of_logs(&self, logs: &BTreeSet<u32>) -> Result<BTreeMap<(u32, DocumentId), u8>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::ITEMS)?;
        let mut found = BTreeMap::new();
        for row in table.iter()? {
            let (key, value) = row?;
            let Some(place) = ItemKey::from_bytes(key.value()).filter(|place| logs.contains(&place.log)) else {
                continue;
            };
            let item = StoredItem::read(key.value(), value.value()).ok_or_else(|| damaged("an item is malformed"))?;
            found.extend(item.item.kind().map(|kind| ((place.namespace, place.document), kind)));
        }
        Ok(found)
    }

    /// Documents of a namespace after one, with the code of their kind: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn documents(
        &self,
        namespace: u32,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<Vec<(DocumentId, u8)>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::ITEMS)?;
        let (mut first, mut last) = ([0; 34], [0xff; 34]);
        last[..4].copy_from_slice(&namespace.to_be_bytes());
        first[..4].copy_from_slice(&namespace.to_be_bytes());
        if let Some(after) = after {
            first = [0xff; 34];
            first[..20].copy_from_slice(&document_prefix(namespace, after));
        }
        let mut documents: Vec<(DocumentId, u8)> = Vec::new();
        for row in table.range::<&[u8; 34]>(&first..=&last)? {
            let (key, value) = row?;
            let item = StoredItem::read(key.value(), value.value()).ok_or_else(|| damaged("an item is malformed"))?;
            let kind = match item.item {
                Item::Change { kind, .. } | Item::Record { kind, .. } => kind,
                Item::Epoch { .. } | Item::Seen { .. } => continue,
            };
            if documents.last().is_none_or(|(last, _)| *last != item.key.document) {
                if documents.len() == limit {
                    break;
                }
                documents.push((item.key.document, kind));
            }
        }
        Ok(documents)
    }

    /// Feed lines from a number on: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn feed(&self, from: u64, limit: usize) -> Result<Vec<FeedItem>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::FEED)?;
        let mut feed = Vec::new();
        for row in table.range(from..)?.take(limit) {
            let (number, value) = row?;
            let mut reader = Reader(value.value());
            let item = (|| {
                let namespace = u32::from_be_bytes(reader.take()?);
                let (document, [kind]) = (DocumentId(reader.take()?), reader.take()?);
                Some(FeedItem { number: number.value(), namespace, document, kind })
            })();
            feed.push(item.ok_or_else(|| damaged("a feed line is malformed"))?);
        }
        Ok(feed)
    }

    /// The number after the feed's last line.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn feed_end(&self) -> Result<u64, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::FEED)?;
        Ok(table.last()?.map_or(0, |(number, _)| number.value() + 1))
    }

    /// A person's wrapped key, or what is left of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn person_key(&self, namespace: u32, place: PersonKeyPlace) -> Result<Option<Row>, StoreError> {
        let (read, key) = (self.database.begin_read()?, person_key(namespace, place));
        if let Some(wrapped) = read.open_table(tables::PERSON_KEYS)?.get(&key)? {
            return Ok(Some(Row::Key(*wrapped.value())));
        }
        let hash = read.open_table(tables::DESTROYED_KEYS)?.get(&key)?.map(|hash| *hash.value());
        Ok(hash.map(Row::Destroyed))
    }

    /// So many rows of a shelf from an index on; fewer if some are not held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn person_keys(&self, namespace: u32, from: PersonKeyPlace, count: u32) -> Result<Vec<Row>, StoreError> {
        let read = self.database.begin_read()?;
        let end = PersonKeyPlace { index: from.index.saturating_add(count), ..from };
        let (first, last) = (person_key(namespace, from), person_key(namespace, end));
        let mut rows: BTreeMap<[u8; 16], Row> = BTreeMap::new();
        for row in read.open_table(tables::PERSON_KEYS)?.range::<&[u8; 16]>(&first..&last)? {
            let (key, wrapped) = row?;
            rows.insert(*key.value(), Row::Key(*wrapped.value()));
        }
        for row in read.open_table(tables::DESTROYED_KEYS)?.range::<&[u8; 16]>(&first..&last)? {
            let (key, hash) = row?;
            rows.insert(*key.value(), Row::Destroyed(*hash.value()));
        }
        Ok(rows.into_values().collect())
    }

    /// Every card: key, version, bytes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn cards(&self) -> Result<Vec<(CardKey, u64, Vec<u8>)>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::CARDS)?;
        let mut cards = Vec::new();
        for row in table.iter()? {
            let (key, value) = row?;
            let (kind, key) = key.value().split_first_chunk::<1>().ok_or_else(|| damaged("a card is malformed"))?;
            let (version, bytes) = value.value().split_first_chunk().ok_or_else(|| damaged("a card is malformed"))?;
            let key = key.try_into().map_err(|_| damaged("a card is malformed"))?;
            cards.push((CardKey { kind: kind[0], key }, u64::from_be_bytes(*version), bytes.to_vec()));
        }
        Ok(cards)
    }

    /// A sealed blob chunk; `Some(empty)` where it is only wanted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn chunk(&self, namespace: u32, hash: &[u8; 32]) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::CHUNKS)?;
        let row = table.get(&chunk_key(namespace, hash))?;
        Ok(row.map(|bytes| if is_wanted(bytes.value()) { vec![] } else { bytes.value().to_vec() }))
    }

    /// Hashes of chunks held in a namespace, in order, those after `after`: at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn held_chunks(
        &self,
        namespace: u32,
        after: Option<[u8; 32]>,
        limit: usize,
    ) -> Result<Vec<[u8; 32]>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::CHUNKS)?;
        let (first, last) = (chunk_key(namespace, &after.unwrap_or_default()), chunk_key(namespace, &[0xff; 32]));
        let first = if after.is_some() { Bound::Excluded(&first) } else { Bound::Included(&first) };
        let mut held = Vec::new();
        for row in table.range::<&[u8; 36]>((first, Bound::Included(&last)))? {
            let (key, bytes) = row?;
            if held.len() == limit {
                break;
            }
            if let Some((_, hash)) = key.value().split_last_chunk::<32>().filter(|_| !is_wanted(bytes.value())) {
                held.push(*hash);
            }
        }
        Ok(held)
    }

    /// Chunks that are wanted and not held yet, and whether each is a preview's.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wanted_chunks(&self) -> Result<Vec<WantedChunk>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::CHUNKS)?;
        let mut wanted = Vec::new();
        for row in table.iter()? {
            let (key, bytes) = row?;
            let is_preview = !bytes.value().is_empty();
            if is_wanted(bytes.value()) {
                let mut reader = Reader(key.value());
                let place = (|| Some((u32::from_be_bytes(reader.take()?), reader.take()?)))();
                let chunk = place.map(|(namespace, hash)| WantedChunk { namespace, hash, is_preview });
                wanted.push(chunk.ok_or_else(|| damaged("a chunk's key is malformed"))?);
            }
        }
        Ok(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Batch, Durability};
    use redb::backends::InMemoryBackend;

    #[test]
    fn what_is_wanted_of_a_preview_is_told_from_what_is_held() {
        let store = Store::open_backend(InMemoryBackend::new()).unwrap();
        let rows = [([1; 32], vec![]), ([2; 32], WANTED_PREVIEW.to_vec()), ([3; 32], vec![7; 50])];
        let chunks = rows.map(|(hash, row)| ((4, hash), row)).into();
        store.commit(&Batch { chunks, ..Batch::default() }, None, Durability::AtOnce).unwrap();
        let wanted = [([1; 32], false), ([2; 32], true)].map(|(hash, is_preview)| WantedChunk {
            namespace: 4,
            hash,
            is_preview,
        });
        assert_eq!(store.wanted_chunks().unwrap(), wanted);
        assert_eq!(store.held_chunks(4, None, 9).unwrap(), [[3; 32]]);
        assert_eq!(store.chunk(4, &[2; 32]).unwrap(), Some(vec![]));
        assert_eq!(store.chunk(4, &[3; 32]).unwrap(), Some(vec![7; 50]));
    }
}
