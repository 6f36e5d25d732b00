//! Ingesting: foreign entries are verified and staged. Local and foreign entries meet in the same logs.

use std::collections::BTreeSet;

use super::Replica;
use crate::bounds;
use crate::certificate::{Access, Statement};
use crate::change::{self, Item};
use crate::entry::{Entry, EntryError, Header, Lane, LogId};
use crate::fork::{Branch, ForkProof};
use crate::id::{CertificateId, KeyId, NodeId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy::{self, Denied, DocumentKind};
use crate::store::{LogState, StoreError};
use crate::sync::{Run, RunEntry};
use crate::trust::Added;

/// What ingesting a run did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ingested {
    /// This many entries are new.
    New(u64),
    /// This many are new, of a branch of a forked log that is not the one held; see [`Replica::set_aside`].
    Branch(u64),
    /// All were known.
    Known,
    /// Entries before these are missing; the log is held up to here.
    Gap {
        /// Seq of the last entry held.
        height: u64,
    },
    /// The run does not continue what is held: the log is needed from its beginning to see where it forks.
    Diverged,
    /// The author wrote more in `auth` than it may; see the module `quota`. Nothing was staged.
    OverQuota,
    /// Bulk that this node would only carry, while little room is left on its disk. Nothing was staged.
    NoRoom,
    /// A run of `auth` whose certificate stands in another log that is still on its way: to be sent again after it.
    Early,
}

/// Why a run was refused. Nothing of it was staged.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Malformed, or the signature does not match.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The author's certificate is not among those the sender presented.
    #[error("author {author} is not enrolled: its certificate {certificate} did not come with its entries")]
    Unenrolled {
        /// Who.
        author: String,
        /// Which certificate the entry names.
        certificate: String,
    },
    /// The author may not write there.
    #[error("author {author} may not write there: {reason}")]
    Denied {
        /// Who.
        author: String,
        /// Why.
        reason: Denied,
    },
    /// This node neither holds nor carries the namespace.
    #[error("namespace {0} does not concern this node")]
    NotWanted(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Replica {
    /// Whether entries of a log are not taken because they would only be carried, can wait, and little room is left.
    pub(super) fn leaves_to_others(&self, log: &LogId) -> bool {
        let waits = self.spares_disk && matches!(log.lane, Lane::Bulk | Lane::Telemetry);
        let access = |namespace| policy::access(&self.own, namespace);
        waits && self.trust.namespaces().get(&log.namespace).and_then(access) == Some(Access::Carry)
    }

    /// Verifies a run and stages what is new of it.
    ///
    /// # Errors
    /// [`IngestError`]; nothing is staged then.
    pub fn ingest(&mut self, run: Run) -> Result<Ingested, IngestError> {
        let Some(first) = run.first().copied() else { return Ok(Ingested::Known) };
        let log = first.log;
        let namespace = self.trust.namespaces().get(&log.namespace).cloned();
        let namespace = namespace.filter(|namespace| policy::access(&self.own, namespace).is_some());
        let namespace = namespace.ok_or_else(|| IngestError::NotWanted(log.namespace.short()))?;
        if log.author == self.identity.node() && log.epoch == self.epoch {
            return Ok(Ingested::Known);
        }
        if self.leaves_to_others(&log) {
            return Ok(Ingested::NoRoom);
        }
        if let Some(taken) = self.take_branch(&namespace, &run)? {
            return Ok(taken);
        }
        let state = self.logs.get(&log).map_or_else(|| LogState::empty(log), |(_, state)| *state);
        let last = run.entries().last().map_or(0, |(_, entry)| entry.header.seq);
        let is_ended =
            namespace.kind == NamespaceKind::Auth && (self.quota_cut(&log).is_some() || self.floods(&log.author));
        if first.seq > state.height + 1 {
            // What is missing of a log that is taken no further would be refused, too, as often as it is asked for.
            return Ok(if is_ended { Ingested::OverQuota } else { Ingested::Gap { height: state.height } });
        }
        let continues = match run.entries().iter().find(|(_, entry)| entry.header.seq == state.height) {
            Some((id, _)) => *id == state.head,
            None if first.seq == state.height + 1 => first.backlink == state.head,
            // Wholly below what is held.
            None if self.find_fork(&run, &state)? => false,
            None => return Ok(Ingested::Known),
        };
        if !continues {
            run.verify()?;
            self.find_fork(&run, &state)?;
            // The fork that was found just now may be one past which something is ratified.
            return Ok(self.take_branch(&namespace, &run)?.unwrap_or(Ingested::Diverged));
        }
        if last <= state.height || self.forks.get(&log).is_some_and(|fork| fork.ends_before(state.height + 1)) {
            return Ok(Ingested::Known);
        }
        if is_ended {
            return Ok(Ingested::OverQuota);
        }
        run.verify()?;
        if namespace.kind != NamespaceKind::Auth {
            if !self.run_stands(&run) {
                return Ok(Ingested::Early);
            }
            self.check_authors(&namespace, &run)?;
            return Ok(Ingested::New(self.append(&namespace, state, run.into_entries())));
        }
        if !self.take_statements(&namespace, &run, &state)? {
            return Ok(Ingested::Early);
        }
        Ok(Ingested::New(self.append(&namespace, state, run.into_entries())))
    }

    /// Heeds what a run of `auth` states past what is held of its log. False if it is not to be kept: a certificate that
    /// it names is still to come.
    fn take_statements(&mut self, namespace: &Namespace, run: &Run, held: &LogState) -> Result<bool, IngestError> {
        let new = || run.entries().iter().map(|(_, entry)| entry).filter(|entry| entry.header.seq > held.height);
        let until = self.quota_until(&held.log, new());
        let new = new().filter(|entry| entry.header.seq < until);
        if self.run_stands(run) {
            self.check_authors(namespace, run)?;
            self.trust_statements(new);
            return Ok(true);
        }
        // A new node's first entry brings the certificate that it names, so its statements are heeded first. They are
        // forgotten again if the run is not kept: what is not recorded must have no effect.
        let before = self.trust.clone();
        let brought = self.trust_statements(new);
        let checked = if self.run_stands(run) { self.check_authors(namespace, run).map(|()| true) } else { Ok(false) };
        if !matches!(checked, Ok(true)) {
            self.trust = before;
            self.interests.clear();
            brought.iter().for_each(|id| _ = self.recorded_statements.remove(id));
        }
        checked
    }

    /// Whether the certificates that a run names stand in `auth` as it is held here, or in the run itself. One that is
    /// only known from a peer's greeting is not enough: this node could not show it to whom it passes the run on.
    pub(super) fn run_stands(&self, run: &Run) -> bool {
        let named: BTreeSet<CertificateId> = run.entries().iter().map(|(_, entry)| entry.header.certificate).collect();
        named.iter().all(|id| self.stands_in_auth(id))
    }

    /// Whether a certificate and those that it stands on are held in `auth`, so that they can be shown.
    pub(super) fn stands_in_auth(&self, id: &CertificateId) -> bool {
        let mut standing = self.trust.standing(id);
        standing.all(|id| self.recorded_statements.contains(&id) && self.trust.certificate(&id).is_some())
    }

    /// Every entry's certificate must be known, be the author's, and allow to write there.
    pub(super) fn check_authors(&self, namespace: &Namespace, run: &Run) -> Result<(), IngestError> {
        let mut checked: Option<CertificateId> = None;
        for (_, entry) in run.entries() {
            let header = &entry.header;
            let sealed = header.key != KeyId([0; 16]);
            if sealed == (namespace.kind == NamespaceKind::Auth) {
                return Err(IngestError::Entry(EntryError::Malformed("sealing")));
            }
            if checked == Some(header.certificate) {
                continue;
            }
            let certificate =
                self.trust.certificate(&header.certificate).filter(|certificate| certificate.key == header.log.author);
            let certificate = certificate.ok_or_else(|| IngestError::Unenrolled {
                author: header.log.author.short(),
                certificate: header.certificate.short(),
            })?;
            let author = || format!("{} ({})", certificate.name, header.log.author.short());
            policy::may_write(certificate, namespace)
                .map_err(|reason| IngestError::Denied { author: author(), reason })?;
            checked = Some(header.certificate);
        }
        Ok(())
    }

    fn append(&mut self, namespace: &Namespace, mut state: LogState, entries: Vec<RunEntry>) -> u64 {
        let number = self.log(state.log).0;
        self.number(state.log.namespace);
        let held = state.height;
        if let Some(fork) = self.forks.get(&state.log) {
            state.forked_at = fork.seq();
        }
        if namespace.kind == NamespaceKind::Auth {
            let new = entries.iter().map(|(_, entry)| entry).filter(|entry| entry.header.seq > held);
            new.clone().for_each(|entry| self.charge(entry));
            if self.floods(&state.log.author) {
                self.heed_end();
            }
            let until = self.quota_cut(&state.log).map_or(u64::MAX, |(seq, _)| seq);
            self.trust_periods(new.filter(|entry| entry.header.seq < until));
        }
        for (id, entry) in entries.into_iter().filter(|(_, entry)| entry.header.seq > held) {
            let bytes = entry.to_bytes();
            state.height = entry.header.seq;
            state.head = id;
            state.bytes += bytes.len() as u64;
            self.batch.weight += bytes.len();
            // What is read again after a crash stays little, also where nothing is folded.
            self.derived.weight += bytes.len() / 8;
            self.batch.entries.push((number, state.height, bytes));
        }
        if namespace.kind == NamespaceKind::Auth {
            state.folded = state.height;
            self.update_log(number, state);
            self.trust_changed();
        } else {
            self.unfolded.insert(state.log);
            self.update_log(number, state);
        }
        self.heed_growth(state.log, held);
        state.height - held
    }

    /// Takes over what stored `auth` entries state, once they are charged, in whatever order they come: what stands
    /// beyond its author's quota has no more effect than when it came.
    pub(super) fn trust_entries(&mut self, entries: &[Entry]) {
        let within_any = |replica: &Self, entry: &Entry| replica.is_within_any_quota(&entry.header);
        let (within, beyond): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(|entry| within_any(self, entry));
        self.trust_statements(within.into_iter());
        // Who may write without a bound is known only now.
        let within = |replica: &Self, entry: &Entry| {
            replica.quota_cut(&entry.header.log).is_none_or(|(seq, _)| entry.header.seq < seq)
        };
        let beyond: Vec<&Entry> = beyond.into_iter().filter(|entry| within(self, entry)).collect();
        self.trust_statements(beyond.into_iter());
        let within: Vec<&Entry> = entries.iter().filter(|entry| within(self, entry)).collect();
        self.trust_periods(within.into_iter());
    }

    /// Statements vouch for themselves, whoever brings them. Those that are new in `auth`.
    pub(super) fn trust_statements<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) -> Vec<CertificateId> {
        let mut brought = Vec::new();
        let mut statements: Vec<(NodeId, Statement)> = Vec::new();
        for entry in entries {
            let records = self.auth_records(entry, DocumentKind::Statement);
            let read = records.iter().filter_map(|bytes| Statement::from_bytes(bytes, self.trust.town()).ok());
            statements.extend(read.map(|statement| (entry.header.log.author, statement)));
        }
        // Issuers first: the room for statements that wait for theirs is bounded.
        while !statements.is_empty() {
            let known = |(_, statement): &(NodeId, Statement)| {
                statement.issuer.is_none_or(|issuer| self.trust.certificate(&issuer).is_some())
            };
            let (mut ready, waiting): (Vec<_>, Vec<_>) = statements.into_iter().partition(known);
            statements = waiting;
            if ready.is_empty() {
                ready = std::mem::take(&mut statements);
            }
            for (author, statement) in ready {
                let id = statement.id;
                // A forged statement has no effect, nor has one too many; the entry that brought it stays in its log.
                let added = self.trust.add_from(author, statement);
                self.left_out |= added == Ok(Added::NoRoom);
                let trusted = matches!(added, Ok(Added::New | Added::Known)).then_some(id);
                let recorded = trusted.into_iter().chain(self.trust.take_released());
                brought.extend(recorded.filter(|id| self.recorded_statements.insert(*id)));
            }
        }
        brought
    }

    fn trust_periods<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        for entry in entries {
            for name in self.auth_records(entry, DocumentKind::Period) {
                let namespace = std::str::from_utf8(&name).ok().and_then(|name| name.parse::<Namespace>().ok());
                namespace.into_iter().for_each(|namespace| self.believe_period(entry.header.certificate, namespace));
            }
        }
    }

    /// A period is believed to whoever may write there. Its author's certificate may have come with a peer's greeting,
    /// which is not stored: after a restart the period waits until the certificate comes again.
    fn believe_period(&mut self, author: CertificateId, namespace: Namespace) {
        match self.trust.certificate(&author) {
            Some(author) if policy::may_write(author, &namespace).is_err() => {}
            Some(_) => self.left_out |= !self.trust.open_period(namespace),
            None => self.left_out = true,
        }
    }

    /// The records of a kind in an `auth` entry.
    pub(super) fn auth_records(&mut self, entry: &Entry, wanted: DocumentKind) -> Vec<Vec<u8>> {
        let Ok(plain) = self.codec.decompress(&entry.body) else { return vec![] };
        let items = change::decode_items(&plain).unwrap_or_default();
        let records = items.into_iter().filter_map(|(_, item)| match item {
            Item::Record { kind, bytes, .. } if kind == wanted as u8 => Some(bytes),
            Item::Record { .. } | Item::Change { .. } | Item::Epoch { .. } | Item::Seen { .. } => None,
        });
        records.collect()
    }

    /// Compares a run with what is held; where they differ, that is a fork, proven by both signatures.
    fn find_fork(&mut self, run: &Run, state: &LogState) -> Result<bool, StoreError> {
        let Some((number, _)) = self.logs.get(&state.log).copied() else { return Ok(false) };
        for (at, (id, entry)) in run.entries().iter().enumerate() {
            let seq = entry.header.seq;
            let Some(held) = self.store.entry(number, seq)? else { break };
            if held.id() == *id {
                continue;
            }
            if held.header.backlink != entry.header.backlink {
                // They parted before this run.
                return Ok(true);
            }
            let theirs = branch(run.entries()[at..].iter().map(|(_, entry)| entry.clone()));
            let mut ours = Vec::new();
            self.store.entries(number, seq, |entry| {
                let signed = entry.signature.is_some();
                ours.push(entry);
                if signed || ours.len() >= bounds::RUN_ENTRIES {
                    std::ops::ControlFlow::Break(())
                } else {
                    std::ops::ControlFlow::Continue(())
                }
            })?;
            if let (Some(theirs), Some(ours)) = (theirs, branch(ours.into_iter()))
                && let Ok(proof) = ForkProof::new([theirs, ours])
                && let Some((key, version)) = proof.card_key()
            {
                self.add_card(key, version, proof.to_bytes());
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// The node's name in its certificate, for messages.
    pub fn name_of(&self, node: &NodeId) -> String {
        self.trust.current(node).map_or_else(|| node.short(), |(_, certificate)| certificate.name.clone())
    }
}

/// Headers up to the first signature.
fn branch(entries: impl Iterator<Item = Entry>) -> Option<Branch> {
    let mut headers: Vec<Header> = Vec::new();
    for entry in entries {
        headers.push(entry.header);
        if let Some(signature) = entry.signature {
            return Some(Branch { headers, signature });
        }
    }
    None
}
