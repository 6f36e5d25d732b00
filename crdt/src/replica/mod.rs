//! The replica: one node's data and what it does with it.
//!
//! A replica performs no IO but that of its store, has no thread and reads no clock. A driver feeds it and
//! empties it:
//!
//! ```text
//! replica.handle(input, now)?;            // or record(..), edit(..): stages
//! replica.commit(now)?;                   // one durable transaction; acknowledge what was staged only after it
//! while let Some(message) = replica.poll_transmit(peer)? { .. }   // pulled, while the peer's queue has room
//! while let Some(output) = replica.poll_output() { .. }
//! while replica.fold(now)? { replica.commit(now)?; }              // opens foreign entries, bit by bit
//! ```
//!
//! After an error from [`Replica::commit`] the replica refuses to record: reading goes on, and the driver opens the
//! store again.

mod blobs;
mod branches;
mod cards;
mod commit;
mod completeness;
mod delivery;
mod documents;
mod door_tags;
mod erasure;
mod evidence;
mod exchange;
mod fold;
mod frontier;
mod ingest;
mod keyring;
mod output;
mod passed_over;
mod people;
mod private;
mod quota;
mod ratification;
mod receipts;
mod record;
mod relaying;
mod removals;
mod renewal;
mod requests;
mod restating;
#[cfg(test)]
mod review_tests;
mod revocation;
mod rotation;
mod sending;
mod shelves;
#[cfg(test)]
mod sync_tests;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_core::CryptoRng;

pub use blobs::{Blob, Manifest, NewBlob, Preview};
pub use branches::ItemsOfEntry;
pub use completeness::Completeness;
pub use delivery::{Delivery, Waiting};
pub use documents::StoredRecord;
pub use erasure::{EraseError, Erased};
pub use evidence::Found;
pub use exchange::HandleError;
pub use ingest::{IngestError, Ingested};
pub use output::Output;
pub use people::PersonalError;
pub use private::NoCenter;
pub use ratification::{Ratified, RatifyError, Work};
pub use record::{RecordError, Recorded};
pub use removals::Removal;
pub use requests::{Carried, Request};
pub use revocation::{Fallen, RevokeError, Revoked, Withdrawal, Withdrawn};

use crate::bounds;
use crate::certificate::{Access, Certificate, Statement, StatementError};
use crate::change::Item;
use crate::clock::{HybridClock, HybridTime, Millis};
use crate::codec::BodyCodec;
use crate::enrol::Identity;
use crate::entry::{Lane, LogId};
use crate::id::{CertificateId, DocumentId, NamespaceId, NodeId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{self, DocumentKind};
use crate::seal::{FamilySecret, PersonKeyPlace, ShelfId};
use crate::shelf::{Row, Shelf};
use crate::store::{Batch, CardKey, Derived, LogState, Store, StoreError};
use crate::sync::message::Digest;
use crate::sync::{Progress, Session};
use crate::trust::Trust;
use documents::DocumentCache;
use keyring::Keyring;

/// Why a replica does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's own certificate is not right.
    #[error("this node's certificate is not valid: {0}")]
    Certificate(#[from] StatementError),
    /// The store belongs to another node or town.
    #[error("the store belongs to another node ({found}): each node needs its own data directory")]
    OtherNode {
        /// Whose it is.
        found: String,
    },
    /// The identity says that a store existed, but it is empty.
    #[error(
        "the store is missing or empty although this node has recorded before: restore it, or run `townmesh run --accept-empty-store` to fetch everything back from peers; what only this node held is lost"
    )]
    Vanished,
    /// zstd could not start.
    #[error("compression could not be prepared: {0}")]
    Codec(#[from] std::io::Error),
    /// Recording the own certificate failed.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Local entries that are still being filled; signed when the batch is committed.
#[derive(Debug)]
struct OpenEntry {
    items: Vec<Item>,
    documents: BTreeSet<DocumentId>,
    weight: usize,
    time: HybridTime,
}

/// One node's data. See the module.
pub struct Replica {
    store: Store,
    identity: Identity,
    own: Certificate,
    chain: Vec<Vec<u8>>,
    trust: Trust,
    /// Trusted statements that stand in `auth` as it is held here.
    recorded_statements: BTreeSet<CertificateId>,
    /// In whose name fields are written.
    writes_for: Option<String>,
    /// A statement of `auth` found no room to wait for its issuer, or a period waits for its author or family.
    left_out: bool,
    /// [`Trust::growth`] when such were last tried again.
    tried_at: usize,
    keyring: Keyring,
    codec: BodyCodec,
    clock: HybridClock,
    rng: Box<dyn CryptoRng + Send>,
    epoch: u64,
    numbers: BTreeMap<NamespaceId, u32>,
    logs: BTreeMap<LogId, (u32, LogState)>,
    /// Number of the next new log: never one that is in the store, where it names the log's entries.
    next_log: u32,
    shelves: BTreeMap<NamespaceId, BTreeMap<ShelfId, Shelf>>,
    cards: BTreeMap<CardKey, (u64, Vec<u8>)>,
    late_cards: cards::LateCards,
    forks: BTreeMap<LogId, branches::Fork>,
    /// Logs of which a ratified branch may be there by now.
    branched: BTreeSet<LogId>,
    claims: BTreeMap<NodeId, receipts::Claims>,
    digests: BTreeMap<NamespaceId, Digest>,
    seen_auth: BTreeMap<LogId, Digest>,
    batch: Batch,
    open_entries: BTreeMap<LogId, OpenEntry>,
    derived: Derived,
    /// Logs that grew since the last commit.
    growing: BTreeSet<LogId>,
    staged_keys: BTreeMap<(u32, PersonKeyPlace), Row>,
    unfolded: BTreeSet<LogId>,
    /// Places that an older version passed over: number of the log, seq.
    recalled: BTreeSet<(u32, u64)>,
    wanted: wanted::Wanted,
    feed_end: u64,
    /// `feed_end` as the store has it.
    stored_feed_end: u64,
    /// `feed_end` as a power cut would leave it.
    durable_feed_end: u64,
    /// Weight of derived rows in the store that a power cut would take.
    rows_at_risk: usize,
    cache: DocumentCache,
    sessions: BTreeMap<NodeId, Session>,
    interests: BTreeMap<NodeId, exchange::Interest>,
    outputs: VecDeque<Output>,
    auth_costs: BTreeMap<LogId, quota::LogCost>,
    restating: restating::Restating,
    spoken: receipts::Spoken,
    beacon_interval: Millis,
    /// When each log last grew, in steps of `growth`.
    grown: BTreeMap<LogId, u64>,
    growth: u64,
    /// Other openings of this node whose beacons were heard.
    heeded: BTreeSet<u64>,
    /// `growth` at the last beacon.
    beacon_growth: u64,
    /// Which namespace the next beacon goes on with.
    beacon_turn: usize,
    failed: bool,
    /// New bulk is refused, see [`Self::spare_disk`].
    spares_disk: bool,
}

impl std::fmt::Debug for Replica {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replica({}, {} logs)", self.identity.node().short(), self.logs.len())
    }
}

/// How a replica is opened.
pub struct Opening {
    /// Where the data lies.
    pub store: Store,
    /// The node's keys.
    pub identity: Identity,
    /// The town's root public key.
    pub town: [u8; 32],
    /// The node's certificate with those it stands on, the authority's first.
    pub chain: Vec<Statement>,
    /// The source of randomness; a simulator passes its own.
    pub rng: Box<dyn CryptoRng + Send>,
    /// The node has recorded before, so an empty store means that it was lost.
    pub expect_data: bool,
    /// Least time between two beacons; a minute in a town.
    pub beacon_interval: Millis,
}

impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening({:?})", self.identity)
    }
}

impl Replica {
    /// Opens a node's data. Starts a new epoch: nothing it signs can collide with what an older copy of the store
    /// signed.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(opening: Opening, now: Millis) -> Result<Self, OpenError> {
        let Opening { store, identity, town, chain, mut rng, expect_data, beacon_interval } = opening;
        check_owner(&store, identity.node(), expect_data)?;
        let mut trust = Trust::new(town);
        for statement in &chain {
            trust.add(statement.clone())?;
        }
        let own = trust.certificate(&identity.certificate).cloned();
        let own = own
            .filter(|own| own.key == identity.node())
            .ok_or(StatementError::NotAllowed("the chain does not reach this node's key"))?;
        let epoch = rng.next_u64();
        let feed_end = store.feed_end()?;
        let mut replica = Self {
            codec: BodyCodec::new()?,
            clock: HybridClock::default(),
            numbers: store.namespaces()?.into_iter().collect(),
            logs: store.logs()?.into_iter().map(|(number, state)| (state.log, (number, state))).collect(),
            next_log: 0,
            keyring: Keyring::default(),
            recorded_statements: BTreeSet::new(),
            writes_for: None,
            left_out: false,
            tried_at: 0,
            shelves: BTreeMap::new(),
            cards: BTreeMap::new(),
            late_cards: cards::LateCards::default(),
            forks: BTreeMap::new(),
            branched: BTreeSet::new(),
            claims: BTreeMap::new(),
            digests: BTreeMap::new(),
            seen_auth: BTreeMap::new(),
            batch: Batch::default(),
            open_entries: BTreeMap::new(),
            derived: Derived::default(),
            growing: BTreeSet::new(),
            staged_keys: BTreeMap::new(),
            unfolded: BTreeSet::new(),
            recalled: BTreeSet::new(),
            wanted: wanted::Wanted::default(),
            cache: DocumentCache::default(),
            sessions: BTreeMap::new(),
            interests: BTreeMap::new(),
            outputs: VecDeque::new(),
            auth_costs: BTreeMap::new(),
            restating: restating::Restating::default(),
            spoken: receipts::Spoken::since(now),
            beacon_interval,
            grown: BTreeMap::new(),
            growth: 0,
            heeded: BTreeSet::new(),
            beacon_growth: 0,
            beacon_turn: 0,
            failed: false,
            spares_disk: false,
            chain: chain.iter().map(Statement::to_bytes).collect(),
            store,
            identity,
            own,
            trust,
            rng,
            epoch,
            feed_end,
            stored_feed_end: feed_end,
            durable_feed_end: feed_end,
            rows_at_risk: 0,
        };
        replica.load()?;
        replica.fold_own(now)?;
        replica.introduce(chain, now)?;
        Ok(replica)
    }

    /// Reads what is kept in memory: certificates, cards, shelves, and which logs still have to be folded.
    fn load(&mut self) -> Result<(), OpenError> {
        self.load_cards()?;
        self.heed_introduction()?;
        self.next_log = self.logs.values().map(|(number, _)| number + 1).max().unwrap_or(0);
        let entries = self.auth_entries()?;
        self.fold_auth(&entries);
        entries.iter().for_each(|entry| self.charge(entry));
        self.trust_entries(&entries);
        self.heed_end();
        let aside = self.auth_set_aside()?;
        self.trust_statements(aside.iter());
        self.adopt_certificate();
        // Heeded when they came.
        self.trust.take_revoked();
        self.trust.take_ratified();
        self.judge_forks();
        for (namespace, number) in &self.numbers {
            self.shelves.insert(*namespace, self.store.shelves(*number)?.into_iter().collect());
        }
        self.recall_wanted()?;
        self.unfold();
        self.recall_passed_over()?;
        self.recall_beacon()?;
        // A crash may have come between the news of an erasure and the erasure.
        self.heed_erasures();
        Ok(())
    }

    /// Makes sure that the own certificate is in `auth`, where everybody who gets this node's entries finds it.
    fn introduce(&mut self, chain: Vec<Statement>, now: Millis) -> Result<(), OpenError> {
        let node = self.identity.node();
        self.batch.meta.push(("node", node.as_bytes().to_vec()));
        self.batch.weight += 1;
        self.name_store()?;
        self.record_missing(chain, now)?;
        self.commit(now)?;
        Ok(())
    }

    /// Records statements that the root or an authority signed, so that they reach everybody.
    ///
    /// # Errors
    /// [`RecordError`]; none of them has effect then.
    pub fn record_statements(&mut self, statements: Vec<Statement>, now: Millis) -> Result<(), RecordError> {
        // What is not right must not reach the log, and what does not reach it must not be believed: a removal that
        // only this node knew of would be forgotten at its next start.
        let mut trust = self.trust.clone();
        for statement in &statements {
            trust.add(statement.clone())?;
        }
        for statement in &statements {
            let bytes = statement.to_bytes();
            let document = DocumentId(crate::change::record_id(&bytes).0);
            self.put(&Namespace::auth(), DocumentKind::Statement, document, bytes, Lane::Urgent, now)?;
        }
        self.trust = trust;
        self.recorded_statements.extend(statements.iter().map(|statement| statement.id));
        self.trust_changed();
        Ok(())
    }

    /// The next thing for the driver to do. Handling, committing and folding can add to what this returns.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn emit(&mut self, output: Output) {
        if self.outputs.len() < bounds::MAX_OUTPUTS {
            self.outputs.push_back(output);
        }
    }

    /// Whether new bulk is refused because little room is left on the disk (DESIGN section 10): imports and photos are
    /// not recorded, and bulk and telemetry that this node would only carry are left to others until a later session.
    /// People's work, and what this node is to hold, is taken as long as there is room.
    pub fn spare_disk(&mut self, spare: bool) {
        self.spares_disk = spare;
    }

    /// Whether new bulk is refused, see [`Self::spare_disk`].
    pub fn spares_disk(&self) -> bool {
        self.spares_disk
    }

    // What others may ask.

    /// The node's id.
    pub fn node(&self) -> NodeId {
        self.identity.node()
    }

    /// The node's certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.own
    }

    /// Certificates and namespaces.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The store, for reading.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The family secrets this node holds, for inviting others.
    pub fn secrets(&self) -> Vec<(String, FamilySecret)> {
        self.keyring.secrets()
    }

    /// Whether an earlier write failed, so that nothing more is recorded.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// How far the session with a peer has come.
    pub fn progress(&self, peer: &NodeId) -> Option<Progress> {
        self.sessions.get(peer).map(|session| session.progress)
    }

    /// Connected peers.
    pub fn peers(&self) -> impl Iterator<Item = (&NodeId, &Session)> {
        self.sessions.iter()
    }

    /// Logs with what is held of them.
    pub fn logs(&self) -> impl Iterator<Item = &LogState> {
        self.logs.values().map(|(_, state)| state)
    }

    /// Entries that are held but not yet in the documents, of namespaces that this node can read: also those whose key is
    /// still on its way, and those behind a damaged one.
    pub fn unfolded(&self) -> u64 {
        let auth = self.namespace_id(&Namespace::auth());
        let logs = self.logs.values().filter(|(_, state)| state.log.namespace != auth);
        let behind = logs.map(|known| (known, self.effective(&known.1).0.saturating_sub(known.1.folded)));
        let behind = behind.filter(|((number, state), left)| *left > 0 && self.is_to_be_read(*number, state));
        behind.map(|(_, left)| left).sum::<u64>() + self.recalled.len() as u64
    }

    /// The namespaces of which something is held that documents do not show yet and that this node can read.
    pub fn unfolded_namespaces(&self) -> BTreeSet<NamespaceId> {
        let auth = self.namespace_id(&Namespace::auth());
        let logs = self.logs.values().filter(|(_, state)| state.log.namespace != auth);
        let behind = logs.filter(|(_, state)| state.folded < self.effective(state).0);
        let behind = behind.filter(|(number, state)| self.is_to_be_read(*number, state));
        behind.map(|(_, state)| state.log.namespace).collect()
    }

    /// The namespaces that exist and concern this node, with its access and whether it holds the key.
    pub fn namespaces(&self) -> Vec<(NamespaceId, Namespace, Access, bool)> {
        let known = self.trust.namespaces().iter();
        let known =
            known.filter_map(|(id, namespace)| Some((*id, namespace.clone(), policy::access(&self.own, namespace)?)));
        known.map(|(id, namespace, access)| (id, namespace, access, self.can_read(&id))).collect()
    }

    /// The id of a namespace in this town.
    pub fn namespace_id(&self, namespace: &Namespace) -> NamespaceId {
        namespace.id(self.trust.town())
    }

    fn can_read(&self, id: &NamespaceId) -> bool {
        let namespace = self.trust.namespaces().get(id);
        namespace.is_some_and(|namespace| namespace.kind == NamespaceKind::Auth || self.keyring.holds(namespace))
    }

    fn logs_of(&self, namespace: NamespaceId) -> impl Iterator<Item = (&LogId, &(u32, LogState))> {
        let first = LogId { namespace, author: NodeId([0; 32]), epoch: 0, lane: Lane::Urgent };
        self.logs.range(first..).take_while(move |(log, _)| log.namespace == namespace)
    }

    fn number(&mut self, namespace: NamespaceId) -> u32 {
        if let Some(number) = self.numbers.get(&namespace) {
            return *number;
        }
        let number = self.numbers.values().max().map_or(0, |last| last + 1);
        self.numbers.insert(namespace, number);
        self.batch.namespaces.push((namespace, number));
        self.batch.weight += 24;
        number
    }

    /// The local number and state of a log, made if it is new.
    fn log(&mut self, log: LogId) -> (u32, LogState) {
        if let Some(known) = self.logs.get(&log) {
            return *known;
        }
        let known = (self.next_log, LogState::empty(log));
        self.next_log += 1;
        self.batch.new_logs.push((known.0, log));
        self.batch.weight += 128;
        self.logs.insert(log, known);
        known
    }

    fn update_log(&mut self, number: u32, state: LogState) {
        self.growth += 1;
        self.grown.insert(state.log, self.growth);
        self.digests.remove(&state.log.namespace);
        self.growing.insert(state.log);
        self.keep_state(number, state);
    }

    fn keep_state(&mut self, number: u32, state: LogState) {
        self.logs.insert(state.log, (number, state));
        self.derived.logs.insert(number, state);
        self.derived.weight += 16;
    }
}

/// The store must be this node's, and there if it was.
fn check_owner(store: &Store, node: NodeId, expect_data: bool) -> Result<(), OpenError> {
    match store.meta("node")? {
        Some(found) if found != node.as_bytes() => {
            let found = NodeId::from_slice(&found).map_or_else(|| "unknown".to_owned(), |found| found.short());
            return Err(OpenError::OtherNode { found });
        }
        None if expect_data => return Err(OpenError::Vanished),
        Some(_) | None => {}
    }
    Ok(())
}
