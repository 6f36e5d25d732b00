//! Checks again everything that the store holds: nothing is believed because it was believed when it arrived.
//!
//! For every log: each entry follows the one before it by seq and hash, its body has the hash and length that its header
//! names, its signatures hold and one ends the log, its author's certificate stands and allows to write there. Where
//! this node holds the key: the body opens, unpacks, and every item of it that has effect stands in the documents. Then
//! every document is read. A [`Verification`] works in steps, so that a running node goes on recording meanwhile.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use serde::{Deserialize, Serialize};
use townmesh_crdt::change::{self, Item};
use townmesh_crdt::codec::BodyCodec;
use townmesh_crdt::command::read;
use townmesh_crdt::entry::{self, Entry};
use townmesh_crdt::id::{DocumentId, EntryId, KeyId, NamespaceId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::{self, Form};
use townmesh_crdt::replica::Replica;
use townmesh_crdt::seal::NamespaceKeys;
use townmesh_crdt::store::{FeedItem, LogState, StoreError};

use crate::message::{Explain, Message};

/// Entries checked in one step: about 10 ms.
const STEP_ENTRIES: usize = 200;
/// Documents read in one step.
const STEP_DOCUMENTS: usize = 100;
/// Problems that are listed; beyond it they are counted.
const LISTED: usize = 100;

/// What was checked and what was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Logs checked.
    pub logs: u64,
    /// Entries checked.
    pub entries: u64,
    /// Entries there are.
    pub entries_total: u64,
    /// Signatures checked.
    pub signatures: u64,
    /// Bodies opened and unpacked.
    pub bodies: u64,
    /// Items found again in the documents.
    pub items: u64,
    /// Documents read.
    pub documents: u64,
    /// How many problems there are.
    pub problem_count: u64,
    /// The first hundred of them.
    pub problems: Vec<Problem>,
}

/// Something in the store that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Name of the namespace, or its id where it has none here.
    pub namespace: String,
    /// Author, lane and epoch of the log; the document's id where a document is meant.
    pub place: String,
    /// Seq of the entry; 0 where the log or document as a whole is meant.
    pub seq: u64,
    /// What is wrong.
    pub problem: String,
}

/// Why checking stopped.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Compression could not be prepared.
    #[error("compression could not be prepared: {0}")]
    Codec(#[from] std::io::Error),
}

impl Explain for VerifyError {
    fn explain(&self) -> Message {
        match self {
            Self::Store(error) => error.explain(),
            Self::Codec(_) => Message::new("out_of_memory", "无法准备解压，内存可能不足", self.to_string()),
        }
    }
}

/// Where a log's checking stands.
#[derive(Debug)]
struct Place {
    number: u32,
    state: LogState,
    next: u64,
    head: EntryId,
    signed: bool,
}

/// A check of a whole store, in steps.
#[derive(Debug)]
pub struct Verification {
    report: Report,
    codec: BodyCodec,
    logs: Vec<(u32, LogState)>,
    current: Option<Place>,
    keys: BTreeMap<(NamespaceId, KeyId), NamespaceKeys>,
    namespaces: Vec<(NamespaceId, Namespace)>,
    numbers: BTreeMap<NamespaceId, u32>,
    after: Option<DocumentId>,
}

impl Verification {
    /// Prepares to check what the replica holds now; what comes later is not looked at.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn new(replica: &Replica) -> Result<Self, VerifyError> {
        let mut logs = replica.store().logs()?;
        let entries_total = logs.iter().map(|(_, state)| state.height).sum();
        logs.retain(|(_, state)| state.height > 0);
        let readable = replica.namespaces().into_iter().filter(|(_, _, _, readable)| *readable);
        let namespaces: Vec<_> = readable.map(|(id, namespace, _, _)| (id, namespace)).collect();
        let mut keys = BTreeMap::new();
        for (family, secret) in replica.secrets() {
            for (id, namespace) in namespaces.iter().filter(|(_, namespace)| namespace.family() == family) {
                keys.insert((*id, secret.key_id(&family)), secret.namespace_keys(namespace));
            }
        }
        let report = Report { entries_total, ..Report::default() };
        let numbers = replica.store().namespaces()?.into_iter().collect();
        Ok(Self { report, codec: BodyCodec::new()?, logs, current: None, keys, namespaces, numbers, after: None })
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Checks some more; false when everything was checked.
    ///
    /// # Errors
    /// [`VerifyError`] if the store fails; problems in it are in the report.
    pub fn step(&mut self, replica: &mut Replica) -> Result<bool, VerifyError> {
        if self.current.is_none() {
            self.current = self.logs.pop().map(|(number, state)| {
                self.report.logs += 1;
                Place { number, state, next: 1, head: state.log.origin(), signed: true }
            });
        }
        match self.current.take() {
            Some(place) => self.step_log(replica, place)?,
            None => return self.step_documents(replica),
        }
        Ok(true)
    }

    fn step_log(&mut self, replica: &Replica, mut place: Place) -> Result<(), VerifyError> {
        let until = place.state.height.min(place.next.saturating_add(STEP_ENTRIES as u64 - 1));
        let mut entries = Vec::new();
        let read = replica.store().entries(place.number, place.next, |entry| {
            let last = entry.header.seq >= until;
            if entry.header.seq <= until {
                entries.push(entry);
            }
            if last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        for entry in entries {
            self.check_entry(replica, &mut place, &entry)?;
        }
        // What follows a missing or undecodable entry hangs on it, so the log is left there.
        let broken = match read {
            Ok(()) => (place.next <= until).then(|| "entries are missing".to_owned()),
            Err(StoreError::Damaged(what)) => Some(what),
            Err(error) => return Err(error.into()),
        };
        if let Some(what) = broken {
            self.problem(replica, &place, place.next, &what);
            return Ok(());
        }
        if place.next <= place.state.height {
            self.current = Some(place);
            return Ok(());
        }
        if place.head != place.state.head {
            self.problem(replica, &place, 0, "the log does not end with the entry that it is said to end with");
        }
        if !place.signed {
            self.problem(replica, &place, place.state.height, "the last entry is not signed");
        }
        Ok(())
    }

    fn check_entry(&mut self, replica: &Replica, place: &mut Place, entry: &Entry) -> Result<(), VerifyError> {
        let header = &entry.header;
        self.report.entries += 1;
        let seq = place.next;
        let mut wrong = Vec::new();
        if header.seq != seq || header.log != place.state.log {
            wrong.push("it stands in another place than its header says".to_owned());
        }
        if header.backlink != place.head {
            wrong.push("it does not follow the entry before it".to_owned());
        }
        if let Err(error) = entry.check_body() {
            wrong.push(error.to_string());
        }
        place.signed = entry.signature.is_some();
        if let Some(signature) = &entry.signature {
            self.report.signatures += 1;
            wrong.extend(entry::verify(header, signature).err().map(|error| error.to_string()));
        }
        place.head = entry.id();
        place.next += 1;
        match self.check_author(replica, entry) {
            Ok(Some(namespace)) => match self.open(&namespace, entry) {
                Ok(Some(items)) => wrong.extend(self.check_items(replica, place, entry, &namespace, items)?),
                Ok(None) => {}
                Err(reason) => wrong.push(reason),
            },
            Ok(None) => {}
            Err(reason) => wrong.push(reason),
        }
        wrong.iter().for_each(|what| self.problem(replica, place, seq, what));
        Ok(())
    }

    /// The namespace, where the author may write there.
    fn check_author(&self, replica: &Replica, entry: &Entry) -> Result<Option<Namespace>, String> {
        let header = &entry.header;
        let certificate =
            replica.trust().certificate(&header.certificate).ok_or("its author's certificate is not held")?;
        if certificate.key != header.log.author {
            return Err("its certificate belongs to somebody else".to_owned());
        }
        let namespace =
            replica.trust().namespaces().get(&header.log.namespace).ok_or("its namespace does not exist")?;
        policy::may_write(certificate, namespace).map_err(|denied| denied.to_string())?;
        Ok(Some(namespace.clone()))
    }

    /// The items of an entry; `None` where this node only carries it.
    fn open(&mut self, namespace: &Namespace, entry: &Entry) -> Result<Option<Vec<(u16, Item)>>, String> {
        let header = &entry.header;
        let plain = if namespace.kind == NamespaceKind::Auth {
            entry.body.clone()
        } else {
            let Some(keys) = self.keys.get(&(header.log.namespace, header.key)) else { return Ok(None) };
            keys.open_body(&entry.body, &header.to_bytes()).map_err(|error| error.to_string())?
        };
        let plain = self.codec.decompress(&plain).map_err(|error| error.to_string())?;
        let items = change::decode_items(&plain).map_err(|error| error.to_string())?;
        self.report.bodies += 1;
        Ok(Some(items))
    }

    /// Every item that has effect must stand in the documents.
    fn check_items(
        &mut self,
        replica: &Replica,
        place: &Place,
        entry: &Entry,
        namespace: &Namespace,
        items: Vec<(u16, Item)>,
    ) -> Result<Vec<String>, StoreError> {
        let header = &entry.header;
        let folded =
            header.seq <= place.state.folded && (place.state.forked_at == 0 || header.seq < place.state.forked_at);
        let number = self.numbers.get(&header.log.namespace).copied();
        let (true, Some(number), Some(certificate)) =
            (folded, number, replica.trust().certificate(&header.certificate))
        else {
            return Ok(vec![]);
        };
        // Certificates and periods of others have effect without standing in a document.
        if namespace.kind == NamespaceKind::Auth {
            return Ok(vec![]);
        }
        let mut wrong = Vec::new();
        for (index, item) in items {
            let (kind, document, form) = match &item {
                Item::Change { kind, document, .. } => (*kind, *document, Form::Fields),
                Item::Record { kind, document, .. } => (*kind, *document, Form::Records),
                Item::Epoch { .. } | Item::Seen { .. } => continue,
            };
            if policy::may_apply(certificate, namespace, kind, form).is_err() {
                continue;
            }
            let stored = replica.store().items(number, document)?;
            let same = |stored: &&townmesh_crdt::store::StoredItem| {
                (stored.key.log, stored.key.seq, stored.key.index) == (place.number, header.seq, index)
            };
            match stored.iter().find(same) {
                Some(stored) if stored.item == item => self.report.items += 1,
                Some(_) => wrong.push(format!("document {document} holds something else than the entry says")),
                None => wrong.push(format!("document {document} lacks what the entry says")),
            }
        }
        Ok(wrong)
    }

    fn step_documents(&mut self, replica: &mut Replica) -> Result<bool, VerifyError> {
        let Some((id, namespace)) = self.namespaces.last().cloned() else { return Ok(false) };
        let number = self.numbers.get(&id).copied();
        let documents = replica.documents(id, self.after, STEP_DOCUMENTS)?;
        let (Some(number), Some((last, _))) = (number, documents.last().copied()) else {
            self.namespaces.pop();
            self.after = None;
            return Ok(true);
        };
        for (document, kind) in documents {
            self.report.documents += 1;
            if let Err(error) = read::document(replica, &FeedItem { number: 0, namespace: number, document, kind }) {
                self.list(Problem {
                    namespace: namespace.to_string(),
                    place: document.to_string(),
                    seq: 0,
                    problem: error.to_string(),
                });
            }
        }
        self.after = Some(last);
        Ok(true)
    }

    fn problem(&mut self, replica: &Replica, place: &Place, seq: u64, what: &str) {
        let log = place.state.log;
        let namespace = replica.trust().namespaces().get(&log.namespace);
        let namespace = namespace.map_or_else(|| log.namespace.to_string(), ToString::to_string);
        let place =
            format!("{} ({}) {} {:016x}", replica.name_of(&log.author), log.author.short(), log.lane.name(), log.epoch);
        self.list(Problem { namespace, place, seq, problem: what.to_owned() });
    }

    fn list(&mut self, problem: Problem) {
        self.report.problem_count += 1;
        if self.report.problems.len() < LISTED {
            self.report.problems.push(problem);
        }
    }
}
