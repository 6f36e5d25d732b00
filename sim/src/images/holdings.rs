//! What a store holds, read through its public face and followed from the first entry on: chains, bodies, documents,
//! keys and chunks are compared with each other here, not by the code that made them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use townmesh_crdt::change::{self, Item};
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::document::Actor;
use townmesh_crdt::entry::{self, Entry, LogId};
use townmesh_crdt::id::{EntryId, NamespaceId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::seal::{FamilySecret, PersonKeyPlace};
use townmesh_crdt::shelf::{Row, Shelf};
use townmesh_crdt::store::{LogState, Store, StoreError, StoredItem, WantedChunk};

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holdings {
    /// The entries of each log, in order.
    pub(crate) logs: BTreeMap<LogId, Vec<EntryId>>,
    /// Hash of everything, derived rows included.
    pub(crate) digest: [u8; 32],
    /// Whose store it is, once it is anybody's.
    pub(crate) is_owned: bool,
    /// Entries that could be in the documents and are not.
    pub(crate) unfolded: u64,
    /// What does not fit together.
    pub(crate) broken: Vec<String>,
}

impl Holdings {
    /// What an empty disk holds, and a store in which nothing was ever written.
    pub(crate) fn of_nothing() -> Self {
        let digest = blake3::Hasher::new().finalize().into();
        Self { logs: BTreeMap::new(), digest, is_owned: false, unfolded: 0, broken: vec![] }
    }

    /// The id of an entry.
    pub(crate) fn entry(&self, log: &LogId, seq: u64) -> Option<EntryId> {
        self.logs.get(log)?.get(usize::try_from(seq.checked_sub(1)?).ok()?).copied()
    }
}

/// Rows of documents: how many, and a sum that does not depend on their order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Rows {
    count: u64,
    sum: u128,
}

impl Rows {
    fn add(&mut self, row: u128) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(row);
    }

    fn join(&mut self, other: Self) {
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// The hash of one row, with the log's id in place of its local number.
fn row(entry: &Entry, index: u16, document: [u8; 16], actor: Actor, item: &Item) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.header.log.to_bytes());
    hasher.update(&entry.header.seq.to_be_bytes());
    hasher.update(&index.to_be_bytes());
    hasher.update(&document);
    hasher.update(&entry.header.time.0.to_be_bytes());
    hasher.update(&actor.0);
    hasher.update(&item.to_bytes());
    short(&hasher)
}

fn short(hasher: &blake3::Hasher) -> u128 {
    let mut bytes = [0; 16];
    hasher.finalize_xof().fill(&mut bytes);
    u128::from_be_bytes(bytes)
}

/// Reads stores of one node, and remembers what it found right of entries that stand in many of them.
#[derive(Debug)]
pub(crate) struct Inspector {
    names: BTreeMap<NamespaceId, Namespace>,
    secrets: BTreeMap<String, FamilySecret>,
    codec: BodyCodec,
    /// By hash of the stored entry: what it must have put into documents.
    known: BTreeMap<[u8; 32], Option<Rows>>,
}

/// One reading.
struct Reading<'a> {
    store: &'a Store,
    hasher: blake3::Hasher,
    broken: Vec<String>,
    expected: Rows,
    found: Rows,
    /// Headers of entries by local number of the log and seq.
    entries: BTreeMap<(u32, u64), Entry>,
}

impl Inspector {
    /// An inspector who knows these namespaces, and the secrets that the node was given.
    ///
    /// # Errors
    /// If compression cannot be prepared.
    pub(crate) fn new(
        names: BTreeMap<NamespaceId, Namespace>,
        secrets: &[(String, FamilySecret)],
    ) -> std::io::Result<Self> {
        let secrets = secrets.iter().cloned().collect();
        Ok(Self { names, secrets, codec: BodyCodec::new()?, known: BTreeMap::new() })
    }

    /// Everything that a store holds.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn read(&mut self, store: &Store) -> Result<Holdings, StoreError> {
        let mut reading = Reading {
            store,
            hasher: blake3::Hasher::new(),
            broken: vec![],
            expected: Rows::default(),
            found: Rows::default(),
            entries: BTreeMap::new(),
        };
        let owner = store.meta("node")?;
        reading.hasher.update(owner.as_deref().unwrap_or_default());
        let (mut logs, mut unfolded) = (BTreeMap::new(), 0);
        for (number, state) in store.logs()? {
            let name = self.names.get(&state.log.namespace);
            let is_foldable =
                name.is_some_and(|name| name.kind != NamespaceKind::Auth && self.secrets.contains_key(&name.family()));
            if is_foldable {
                unfolded += state.height.saturating_sub(state.folded);
            }
            logs.insert(state.log, self.read_log(&mut reading, number, &state, is_foldable)?);
        }
        let namespaces = store.namespaces()?;
        let unique: BTreeSet<u32> = namespaces.iter().map(|(_, number)| *number).collect();
        if unique.len() != namespaces.len() {
            reading.broken.push("two namespaces have one number".to_owned());
        }
        for (id, number) in namespaces {
            reading.hasher.update(&id.0);
            reading.hasher.update(&number.to_be_bytes());
            // What stands in `auth` is read from the entries.
            let is_auth = self.names.get(&id).is_some_and(|name| name.kind == NamespaceKind::Auth);
            reading.read_documents(number, !is_auth)?;
            reading.read_shelves(id, number)?;
            reading.read_chunks(number)?;
        }
        if reading.expected != reading.found {
            let (expected, found) = (reading.expected.count, reading.found.count);
            let what = format!("documents hold {found} rows that are not the {expected} that the entries make");
            reading.broken.push(what);
        }
        reading.read_rest()?;
        let digest = reading.hasher.finalize().into();
        Ok(Holdings { logs, digest, is_owned: owner.is_some(), unfolded, broken: reading.broken })
    }

    /// Follows a log from its first entry, and opens what the node can read.
    fn read_log(
        &mut self,
        reading: &mut Reading<'_>,
        number: u32,
        state: &LogState,
        is_foldable: bool,
    ) -> Result<Vec<EntryId>, StoreError> {
        reading.hasher.update(&number.to_be_bytes());
        reading.hasher.update(&state.log.to_bytes());
        reading.hasher.update(&state.folded.to_be_bytes());
        let (mut ids, mut entries, mut bytes) = (Vec::new(), Vec::new(), 0);
        reading.store.entries(number, 1, |entry| {
            entries.push(entry);
            ControlFlow::Continue(())
        })?;
        let author = state.log.author.short();
        for entry in &entries {
            let before = ids.last().copied().unwrap_or_else(|| state.log.origin());
            let header = &entry.header;
            if header.log != state.log || header.seq != ids.len() as u64 + 1 || header.backlink != before {
                let what = format!("entry {} of a log of {author} does not follow {}", header.seq, ids.len());
                reading.broken.push(what);
            }
            let stored = entry.to_bytes();
            bytes += stored.len() as u64;
            let hash: [u8; 32] = blake3::hash(&stored).into();
            reading.hasher.update(&hash);
            let rows = match self.known.get(&hash) {
                Some(rows) => *rows,
                None => match self.rows(entry, is_foldable) {
                    Ok(rows) => *self.known.entry(hash).or_insert(rows),
                    Err(what) => {
                        reading.broken.push(format!("entry {} of a log of {author} {what}", header.seq));
                        None
                    }
                },
            };
            if header.seq <= state.folded {
                reading.expected.join(rows.unwrap_or_default());
            }
            ids.push(entry.id());
        }
        if entries.last().is_some_and(|last| last.signature.is_none()) {
            reading.broken.push(format!("the last entry of a log of {author} is not signed"));
        }
        let head = ids.last().copied().unwrap_or_else(|| state.log.origin());
        if (state.height, state.head, state.bytes) != (ids.len() as u64, head, bytes) || state.folded > state.height {
            reading.broken.push(format!("the state of a log of {author} is not that of its {} entries", ids.len()));
        }
        reading.entries.extend(entries.into_iter().map(|entry| ((number, entry.header.seq), entry)));
        Ok(ids)
    }

    /// What an entry puts into documents; `Err` for one that is not its author's or cannot be opened.
    fn rows(&mut self, entry: &Entry, is_foldable: bool) -> Result<Option<Rows>, &'static str> {
        let header = &entry.header;
        entry.check_body().map_err(|_| "has another body")?;
        if entry.signature.is_some_and(|signature| entry::verify(header, &signature).is_err()) {
            return Err("is not its author's");
        }
        let Some(name) = self.names.get(&header.log.namespace).filter(|_| is_foldable) else { return Ok(None) };
        let secret = self.secrets.get(&name.family()).ok_or("is in a family without a key")?;
        let keys = secret.namespace_keys(name);
        let plain = keys.open_body(&entry.body, &header.to_bytes()).map_err(|_| "cannot be opened")?;
        let plain = self.codec.decompress(&plain).map_err(|_| "cannot be decompressed")?;
        let mut rows = Rows::default();
        for (index, item) in change::decode_items(&plain).map_err(|_| "cannot be decoded")? {
            if let Item::Change { document, .. } | Item::Record { document, .. } = &item {
                rows.add(row(entry, index, document.0, Actor::derive(header.backlink, *document), &item));
            }
        }
        Ok(Some(rows))
    }
}

impl Reading<'_> {
    /// The rows of a namespace's documents. `counts`: entries must have made them.
    fn read_documents(&mut self, namespace: u32, counts: bool) -> Result<(), StoreError> {
        for (document, kind) in self.store.documents(namespace, None, usize::MAX)? {
            self.hasher.update(&document.0);
            self.hasher.update(&[kind]);
            for stored in self.store.items(namespace, document)? {
                let StoredItem { key, time, actor, item } = stored;
                let entry = self.entries.get(&(key.log, key.seq));
                let Some(entry) = entry.filter(|entry| entry.header.time == time) else {
                    self.broken.push(format!("entry {} of log {} left a row and is not there", key.seq, key.log));
                    continue;
                };
                let row = row(entry, key.index, document.0, actor, &item);
                self.hasher.update(&row.to_be_bytes());
                if counts {
                    self.found.add(row);
                }
            }
        }
        Ok(())
    }

    /// The keys of persons, and the chains over them.
    fn read_shelves(&mut self, id: NamespaceId, namespace: u32) -> Result<(), StoreError> {
        for (shelf, held) in self.store.shelves(namespace)? {
            let rows = self.store.person_keys(namespace, PersonKeyPlace { shelf, index: 0 }, u32::MAX)?;
            let mut chain = Shelf::empty(id, held.author, held.epoch);
            for row in &rows {
                chain.push(row);
                let (code, bytes): (u8, &[u8]) = match row {
                    Row::Key(wrapped) => (0, wrapped),
                    Row::Destroyed(hash) => (1, hash),
                };
                self.hasher.update(&[code]);
                self.hasher.update(bytes);
            }
            if chain != held || shelf != held.id(id) {
                let (rows, count) = (rows.len(), held.count);
                self.broken.push(format!("a shelf holds {rows} rows that are not the {count} that its chain tells of"));
            }
            self.hasher.update(&shelf);
            self.hasher.update(&held.chain);
            let seal = self.store.shelf_seal(namespace, shelf, held.count.saturating_sub(1))?;
            if let Some((count, seal)) = seal {
                self.hasher.update(&count.to_be_bytes());
                self.hasher.update(&seal.signature);
            }
        }
        Ok(())
    }

    /// Chunks of blobs.
    fn read_chunks(&mut self, namespace: u32) -> Result<(), StoreError> {
        for hash in self.store.held_chunks(namespace, None, usize::MAX)? {
            let bytes = self.store.chunk(namespace, &hash)?.unwrap_or_default();
            if blake3::hash(&bytes).as_bytes() != &hash {
                self.broken.push("a chunk is not what it is called".to_owned());
            }
            self.hasher.update(&hash);
        }
        Ok(())
    }

    /// Feed, cards, wanted chunks.
    fn read_rest(&mut self) -> Result<(), StoreError> {
        let feed = self.store.feed(0, usize::MAX)?;
        if feed.windows(2).any(|pair| matches!(pair, [one, two] if one.number + 1 != two.number)) {
            self.broken.push("lines of the feed are missing".to_owned());
        }
        for line in feed {
            self.hasher.update(&line.number.to_be_bytes());
            self.hasher.update(&line.document.0);
        }
        for (key, version, bytes) in self.store.cards()? {
            self.hasher.update(&[key.kind]);
            self.hasher.update(&key.key);
            self.hasher.update(&version.to_be_bytes());
            self.hasher.update(blake3::hash(&bytes).as_bytes());
        }
        for WantedChunk { namespace, hash, .. } in self.store.wanted_chunks()? {
            self.hasher.update(&namespace.to_be_bytes());
            self.hasher.update(&hash);
        }
        Ok(())
    }
}
