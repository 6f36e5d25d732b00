//! Recording: local changes and records become signed entries.

use std::collections::{BTreeMap, BTreeSet};

use super::{OpenEntry, Replica};
use crate::bounds;
use crate::certificate::StatementError;
use crate::change::{self, Change, Item, RecordKey};
use crate::clock::{HybridTime, Millis};
use crate::document::{Actor, AuthoredChange};
use crate::entry::{self, Entry, Header, Lane, LogId};
use crate::id::{DocumentId, KeyId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{self, Denied, DocumentKind, Form};
use crate::seal::SealError;
use crate::store::{FeedItem, ItemKey, StoreError, StoredItem};
use crate::trust::next_period;
use crate::value::{Fields, Value, WRITTEN_BY};

/// Longest account of whoever writes fields, in bytes.
const MAX_ACCOUNT: usize = 96;

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// This node may not.
    #[error("this node may not record that: {0}")]
    Denied(#[from] Denied),
    /// The namespace's key has not arrived.
    #[error("this node does not hold the key of {0} yet: connect it to a node that does, or ask for a new invite")]
    NoKey(Namespace),
    /// The namespace does not exist here.
    #[error("{0} is not known here: connect this node to the center once, or check the region code")]
    UnknownNamespace(Namespace),
    /// One record larger than an entry.
    #[error("the record is too large: {size} bytes, at most {limit} are allowed")]
    TooLarge {
        /// How large.
        size: usize,
        /// How large it may be.
        limit: usize,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealing failed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A statement was not signed by who may state it.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// This node wrote as much in `auth` as others take of it.
    #[error("this node wrote its share of certificates and periods: connect it to the center, and record this there")]
    Quota,
    /// The positions of as many units are held as there is room for.
    #[error(
        "this node holds the positions of as many units as it has room for: remove nodes that are no longer in use"
    )]
    NoRoom,
    /// Little room is left on the disk.
    #[error(
        "the disk is almost full: imports and photos wait until there is room again, everything else is recorded; free some disk space"
    )]
    DiskLow,
    /// An earlier write failed.
    #[error("an earlier write failed, so nothing more is recorded: check the disk and restart this node")]
    ReadOnly,
}

/// Where a record will stand once the batch is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The document it belongs to.
    pub document: DocumentId,
    /// Its log.
    pub log: LogId,
    /// Its entry's place there.
    pub seq: u64,
    /// Its time.
    pub time: HybridTime,
}

impl Replica {
    /// In whose name fields are written from now on: the account stands beside them, for whoever has to settle what several
    /// wrote. Records name who made them themselves.
    pub fn write_for(&mut self, account: Option<String>) {
        let is_account = |account: &String| !account.trim().is_empty() && account.len() <= MAX_ACCOUNT;
        self.writes_for = account.filter(is_account);
    }

    /// The id of the document with this natural key.
    ///
    /// # Errors
    /// [`RecordError::UnknownNamespace`], [`RecordError::NoKey`], [`RecordError::Denied`] where the key will never come.
    pub fn document_id(
        &mut self,
        namespace: &Namespace,
        kind: DocumentKind,
        natural_key: &[u8],
    ) -> Result<DocumentId, RecordError> {
        let family = self.trust.family(namespace).ok_or_else(|| RecordError::UnknownNamespace(namespace.clone()))?;
        let founding = family.key;
        let Some(keys) = self.keyring.keys(namespace, founding) else {
            // Whoever may not write there waits in vain for its key.
            policy::may_write(&self.own, namespace)?;
            return Err(RecordError::NoKey(namespace.clone()));
        };
        Ok(keys.document_id(kind as u8, natural_key))
    }

    /// Stages an edit: fields of one or more records of a document. Durable and to be acknowledged after the next
    /// commit.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is staged then.
    pub fn edit(
        &mut self,
        namespace: &Namespace,
        kind: DocumentKind,
        document: DocumentId,
        edits: BTreeMap<RecordKey, Fields>,
        lane: Lane,
        now: Millis,
    ) -> Result<Recorded, RecordError> {
        let log = self.own_log(namespace, kind, Form::Fields, lane)?;
        let change = self.composed(log, document, edits)?;
        self.stage_change(log, kind, document, change, now)
    }

    /// Stages several values of one field beside each other, each of them on top of what is known: what two sides said is
    /// open again, as if each had said it now without knowing of the other.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is staged then.
    pub fn edit_apart(
        &mut self,
        namespace: &Namespace,
        kind: DocumentKind,
        document: DocumentId,
        edits: Vec<BTreeMap<RecordKey, Fields>>,
        lane: Lane,
        now: Millis,
    ) -> Result<Option<Recorded>, RecordError> {
        let log = self.own_log(namespace, kind, Form::Fields, lane)?;
        // All before the first is staged, so that none replaces another.
        let changes: Result<Vec<Change>, RecordError> =
            edits.into_iter().map(|edits| self.composed(log, document, edits)).collect();
        let mut recorded = None;
        for change in changes? {
            recorded = Some(self.stage_change(log, kind, document, change, now)?);
        }
        Ok(recorded)
    }

    /// The change that makes these edits, within every bound.
    fn composed(
        &mut self,
        log: LogId,
        document: DocumentId,
        mut edits: BTreeMap<RecordKey, Fields>,
    ) -> Result<Change, RecordError> {
        let number = self.number(log.namespace);
        if let Some(account) = &self.writes_for {
            let written = edits.values_mut().filter(|fields| !fields.is_empty() && fields.len() < bounds::MAX_FIELDS);
            written.for_each(|fields| _ = fields.insert(WRITTEN_BY, Value::Text(account.clone())));
        }
        if edits.len() > bounds::MAX_ASSERTIONS {
            return Err(RecordError::TooLarge { size: edits.len(), limit: bounds::MAX_ASSERTIONS });
        }
        let change = self.compose(number, document, edits)?;
        let weights: Vec<usize> = change.assertions.iter().map(|assertion| assertion.value_bytes().len()).collect();
        if let Some(size) = weights.iter().max().copied().filter(|size| *size > bounds::MAX_ASSERTION / 2) {
            return Err(RecordError::TooLarge { size, limit: bounds::MAX_ASSERTION / 2 });
        }
        // However badly it compresses, it must fit into a body.
        let size = weights.iter().sum();
        if size > bounds::MAX_CHANGE {
            return Err(RecordError::TooLarge { size, limit: bounds::MAX_CHANGE });
        }
        Ok(change)
    }

    fn stage_change(
        &mut self,
        log: LogId,
        kind: DocumentKind,
        document: DocumentId,
        change: Change,
        now: Millis,
    ) -> Result<Recorded, RecordError> {
        let number = self.number(log.namespace);
        let item = Item::Change { kind: kind as u8, document, change: change.clone() };
        let (recorded, actor) = self.stage(log, kind, document, item, now)?;
        self.cache.apply(number, document, AuthoredChange { actor, time: recorded.time, change });
        Ok(recorded)
    }

    /// Stages an immutable record of a document.
    ///
    /// # Errors
    /// [`RecordError`]; nothing is staged then.
    pub fn put(
        &mut self,
        namespace: &Namespace,
        kind: DocumentKind,
        document: DocumentId,
        bytes: Vec<u8>,
        lane: Lane,
        now: Millis,
    ) -> Result<Recorded, RecordError> {
        if bytes.len() > bounds::MAX_RECORD {
            return Err(RecordError::TooLarge { size: bytes.len(), limit: bounds::MAX_RECORD });
        }
        let log = self.own_log(namespace, kind, Form::Records, lane)?;
        let (recorded, _) = self.stage(log, kind, document, Item::Record { kind: kind as u8, document, bytes }, now)?;
        Ok(recorded)
    }

    /// The namespace for records of a period, opened if it is the one after the newest.
    ///
    /// # Errors
    /// [`RecordError`] if it cannot be opened.
    pub fn period(&mut self, wanted: &Namespace, now: Millis) -> Result<Namespace, RecordError> {
        let (opened, next) = match self.trust.period(wanted) {
            Ok(open) => (open, None),
            Err(next) => (next.clone(), Some(next)),
        };
        // Nobody else may know of what this node knows from its invite alone.
        let unrecorded: Vec<Namespace> = self.trust.only_told(&opened).into_iter().chain(next).collect();
        if unrecorded.is_empty() {
            return Ok(opened);
        }
        policy::may_write(&self.own, &opened)?;
        for period in unrecorded {
            debug_assert!(next_period(&period).is_some(), "only namespaces with periods have a next one");
            let name = period.to_string().into_bytes();
            let document = DocumentId(change::record_id(&name).0);
            self.put(&Namespace::auth(), DocumentKind::Period, document, name, Lane::Urgent, now)?;
            self.trust.open_period(period);
        }
        self.trust_changed();
        Ok(opened)
    }

    /// Whether this node may record such a document there, and can: for those who record several and want none of them
    /// where one would be refused.
    ///
    /// # Errors
    /// [`RecordError`] as recording it would give.
    pub fn may_record(&self, namespace: &Namespace, kind: DocumentKind, lane: Lane) -> Result<(), RecordError> {
        self.own_log(namespace, kind, kind.form(), lane).map(drop)
    }

    fn own_log(&self, namespace: &Namespace, kind: DocumentKind, form: Form, lane: Lane) -> Result<LogId, RecordError> {
        if self.failed {
            return Err(RecordError::ReadOnly);
        }
        if lane == Lane::Bulk && self.spares_disk {
            return Err(RecordError::DiskLow);
        }
        policy::may_apply(&self.own, namespace, kind as u8, form)?;
        let id = self.namespace_id(namespace);
        if !self.trust.namespaces().contains_key(&id) {
            return Err(RecordError::UnknownNamespace(namespace.clone()));
        }
        // Whoever holds the founding key can always seal: an entry that cannot be finished would fail the batch.
        let family = self.trust.family(namespace).map(|family| family.key);
        let holds = |key| self.keyring.holds_key(&namespace.family(), key);
        if namespace.kind != NamespaceKind::Auth && !family.is_some_and(holds) {
            return Err(RecordError::NoKey(namespace.clone()));
        }
        let log = LogId { namespace: id, author: self.identity.node(), epoch: self.epoch, lane };
        if namespace.kind == NamespaceKind::Auth {
            self.check_quota(&log)?;
        }
        Ok(log)
    }

    /// Puts an item into the entry that is being filled.
    fn stage(
        &mut self,
        log: LogId,
        kind: DocumentKind,
        document: DocumentId,
        item: Item,
        now: Millis,
    ) -> Result<(Recorded, Actor), RecordError> {
        let weight = item.weight();
        let full = self.open_entries.get(&log).is_some_and(|open| {
            // One entry makes at most one change to a document: its actor is derived from both.
            open.documents.contains(&document)
                || open.weight + weight > bounds::BULK_BODY
                || open.items.len() + 3 > bounds::MAX_ITEMS
        });
        if full {
            self.finish_entry(log)?;
        }
        let (log_number, state) = self.log(log);
        let namespace = self.number(log.namespace);
        if !self.open_entries.contains_key(&log) {
            let opening = self.opening_items(log, &state);
            let time = self.clock.tick(now);
            self.open_entries.insert(log, OpenEntry { items: opening, documents: BTreeSet::new(), weight: 0, time });
        }
        let seq = state.height + 1;
        let actor = Actor::derive(state.head, document);
        let Some(open) = self.open_entries.get_mut(&log) else { return Err(RecordError::ReadOnly) };
        let key = ItemKey { namespace, document, log: log_number, seq, index: open.items.len() as u16 };
        let time = open.time;
        open.documents.insert(document);
        open.weight += weight;
        open.items.push(item.clone());
        self.keep_item(StoredItem { key, time, actor, item }, kind as u8);
        Ok((Recorded { document, log, seq, time }, actor))
    }

    /// Stages an item for the documents table and the feed.
    pub(super) fn keep_item(&mut self, stored: StoredItem, kind: u8) {
        let ItemKey { namespace, document, .. } = stored.key;
        self.derived.weight += stored.item.weight() + 64;
        self.derived.items.entry((namespace, document)).or_default().push(stored);
        self.feed_document(namespace, document, kind);
    }

    /// Stages a line of the feed.
    pub(super) fn feed_document(&mut self, namespace: u32, document: DocumentId, kind: u8) {
        if DocumentKind::from_code(kind).is_some_and(DocumentKind::rules_town) {
            self.cache.let_tables_go();
        }
        self.derived.feed.push(FeedItem { number: self.feed_end, namespace, document, kind });
        self.derived.weight += 32;
        self.feed_end += 1;
    }

    /// What the first entry of a log says before anything else, and what changed in `auth` since its last one.
    fn opening_items(&mut self, log: LogId, state: &crate::store::LogState) -> Vec<Item> {
        let mut items = Vec::new();
        if state.height == 0 {
            let mine = self.logs_of(log.namespace).map(|(_, (_, known))| known);
            let before =
                mine.filter(|known| known.log.author == log.author && known.log.lane == log.lane && known.height > 0);
            // Numbers are given in order of first use, so the greatest is the latest epoch.
            if let Some(known) = before.max_by_key(|known| self.logs.get(&known.log).map(|(number, _)| *number)) {
                items.push(Item::Epoch { epoch: known.log.epoch, seq: known.height, head: known.head });
            }
        }
        let auth = self.digest(self.namespace_id(&Namespace::auth()));
        if log.namespace != self.namespace_id(&Namespace::auth()) && self.seen_auth.insert(log, auth) != Some(auth) {
            items.push(Item::Seen { auth });
        }
        items
    }

    pub(super) fn finish_open_entries(&mut self) -> Result<(), RecordError> {
        let logs: Vec<LogId> = self.open_entries.keys().copied().collect();
        logs.into_iter().try_for_each(|log| self.finish_entry(log))
    }

    /// Encodes, compresses, seals, signs and stages the entry that was being filled.
    fn finish_entry(&mut self, log: LogId) -> Result<(), RecordError> {
        let Some(open) = self.open_entries.remove(&log) else { return Ok(()) };
        let (number, mut state) = self.log(log);
        let plain = self.codec.compress(&change::encode_items(&open.items));
        let mut header = Header {
            log,
            seq: state.height + 1,
            backlink: state.head,
            time: open.time,
            certificate: self.identity.certificate,
            key: KeyId([0; 16]),
            body_len: 0,
            body_hash: [0; 32],
        };
        let body = match self.trust.namespaces().get(&log.namespace) {
            Some(namespace) if namespace.kind != NamespaceKind::Auth => {
                let namespace = namespace.clone();
                header.key = self.writing_key(&namespace).ok_or_else(|| RecordError::NoKey(namespace.clone()))?;
                let keys =
                    self.keyring.keys(&namespace, header.key).ok_or_else(|| RecordError::NoKey(namespace.clone()))?;
                keys.seal_body(&plain, &header.to_bytes(), &mut *self.rng)?
            }
            Some(_) | None => plain,
        };
        header.body_len = body.len() as u32;
        header.body_hash = blake3::hash(&body).into();
        let signature = Some(entry::sign(&header, &self.identity.signing));
        let entry = Entry { header, signature, body };
        if header.key == KeyId([0; 16]) {
            self.charge(&entry);
        }
        let bytes = entry.to_bytes();
        state.height = header.seq;
        state.head = header.id();
        state.bytes += bytes.len() as u64;
        state.folded = state.height;
        self.batch.weight += bytes.len();
        self.batch.entries.push((number, header.seq, bytes));
        self.update_log(number, state);
        Ok(())
    }
}

const _: () =
    assert!(bounds::BULK_BODY + bounds::MAX_CHANGE + 16 * 1024 < bounds::MAX_BODY, "an entry always fits a body");
const _: () = assert!(bounds::BULK_BODY + bounds::MAX_RECORD < bounds::MAX_BODY, "an entry always fits a body");
