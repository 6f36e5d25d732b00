//! Sessions on this node: what each message does. The rules are in [`crate::sync`].

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{IngestError, Ingested, Output, Replica};
use crate::bounds;
use crate::card::CardError;
use crate::certificate::{Claim, Statement};
use crate::clock::Millis;
use crate::entry::LogId;
use crate::id::{CertificateId, NamespaceId, NodeId};
use crate::namespace::{Namespace, NamespaceKind};
use crate::policy;
use crate::store::StoreError;
use crate::sync::message::{Digest, digest_of};
use crate::sync::session::{Space, priority};
use crate::sync::{Message, MessageError, Run, Session};

/// Most nodes that are let in by greeting with the certificate of one invite, which is meant for one.
const MAX_REDEMPTIONS: usize = 16;

/// Why a peer's message was refused. The driver closes the connection; nothing of the message has effect.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// Malformed.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// Entries that may not be accepted.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// A card that does not hold what it says.
    #[error(transparent)]
    Card(#[from] CardError),
    /// The peer is not enrolled here, or was removed.
    #[error("peer {0} is not enrolled in this town, or was removed: it needs an invite")]
    Unenrolled(String),
    /// Something else came before the hello.
    #[error("peer {0} did not say hello first")]
    NoHello(String),
    /// Too many sessions.
    #[error("this node already has {limit} sessions", limit = bounds::MAX_SESSIONS)]
    TooManySessions,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What both this node and a peer may hold or carry.
#[derive(Debug)]
pub(super) struct Interest {
    /// Of which namespaces ([`crate::trust::Trust::spaces`]) and certificates, the own one first, it was made.
    of: (u64, CertificateId, CertificateId),
    shared: Arc<[NamespaceId]>,
}

impl Replica {
    /// A connection to a peer came up, and with it a session.
    ///
    /// # Errors
    /// [`HandleError::TooManySessions`].
    pub fn open_session(&mut self, peer: NodeId) -> Result<(), HandleError> {
        if self.sessions.len() >= bounds::MAX_SESSIONS && !self.sessions.contains_key(&peer) {
            return Err(HandleError::TooManySessions);
        }
        let mut session = Session::new();
        let auth = self.namespace_id(&Namespace::auth());
        session.say(Message::Hello {
            town: *self.trust.town(),
            chain: self.chain.clone(),
            auth: self.digest(auth),
            shared: self.shared_digest(&peer),
            cards: self.cards_digest(),
        });
        self.sessions.insert(peer, session);
        Ok(())
    }

    /// The connection is gone.
    pub fn close_session(&mut self, peer: &NodeId) {
        self.interests.remove(peer);
        if let Some(session) = self.sessions.remove(peer) {
            self.forget_offered(session.carrying);
        }
    }

    /// A message of a peer arrived. What it brings is staged: durable after the next commit.
    ///
    /// # Errors
    /// [`HandleError`]: the driver closes the connection.
    pub fn receive(&mut self, peer: NodeId, bytes: &[u8], now: Millis) -> Result<(), HandleError> {
        self.check_writable()?;
        let Some(message) = Message::from_bytes(bytes)? else { return Ok(()) };
        // A session that was just closed on our side.
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        session.idle = false;
        match (session.certificate.is_some(), message) {
            (true, Message::Hello { .. }) => Err(HandleError::Message(MessageError::Malformed("a second hello"))),
            (false, Message::Hello { town, chain, auth, shared, cards }) => {
                self.greet(peer, town, &chain, (auth, shared, cards))
            }
            (false, _) => Err(HandleError::NoHello(peer.short())),
            (true, message) => self.receive_after_hello(peer, message, bytes.len(), now),
        }?;
        match self.sessions.get(&peer) {
            Some(session) if session.overflowed => {
                Err(HandleError::Message(MessageError::Malformed("it asks more than it reads")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn receive_after_hello(
        &mut self,
        peer: NodeId,
        message: Message,
        size: usize,
        now: Millis,
    ) -> Result<(), HandleError> {
        match message {
            Message::Hello { .. } => {}
            Message::Digests(digests) => self.compare_digests(peer, &digests),
            Message::Frontier(page) => self.take_frontier(peer, &page),
            Message::BucketDigests { namespace, digests } => self.take_bucket_digests(peer, namespace, &digests),
            Message::Run(run) => self.take_run(peer, run, size, now)?,
            Message::PersonKeys(run) => self.take_key_run(peer, &run, size)?,
            Message::CardList(theirs) => {
                let (wanted, lacking) = self.compare_cards(&theirs, now);
                if let Some(session) = self.sessions.get_mut(&peer) {
                    if !wanted.is_empty() {
                        session.say(Message::CardRequest(wanted));
                    }
                    session.cards_behind.extend(lacking);
                }
            }
            Message::Card { key, version, bytes } => self.take_card(peer, (key, version), bytes, now)?,
            Message::CardRequest(keys) => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    keys.iter().for_each(|key| session.ways.lead_here(&NodeId(key.key)));
                    session.cards_behind.extend(keys.into_iter().filter(|key| self.cards.contains_key(key)));
                }
            }
            Message::Totals { entries, bytes } => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.progress.entries_expected = entries;
                    session.progress.bytes_expected = bytes;
                }
            }
            Message::Summary { shared, auth } => self.take_summary(peer, shared, auth),
            Message::ChunkRequest { namespace, hashes } => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.chunks_wanted.extend(hashes.into_iter().map(|hash| (namespace, hash)));
                    session.chunks_wanted.truncate(bounds::MAX_BLOB_CHUNKS);
                }
            }
            Message::Chunk { namespace, bytes } => self.ingest_chunk(peer, namespace, bytes)?,
            Message::ChunkOffer { namespace, hashes } => self.take_offer(peer, namespace, &hashes)?,
            Message::ChunkLack { namespace, hashes } => self.lacks_chunks(peer, namespace, &hashes),
            Message::News(news) => self.take_news(peer, news, now),
            Message::Elsewhere { author } => self.take_elsewhere(peer, author),
            Message::LogRequest { log, from } => {
                if self.logs.contains_key(&log)
                    && let Some(session) = self.sessions.get_mut(&peer)
                    && let Some(space) = session.spaces.get_mut(&log.namespace).filter(|space| space.known)
                {
                    space.cursors.insert(log, from.saturating_sub(1));
                    session.ways.lead_here(&log.author);
                    let kind = self.trust.namespaces().get(&log.namespace).map(|namespace| namespace.kind);
                    kind.map(|kind| session.behind.insert((priority(log.lane, kind), log)));
                }
            }
        }
        Ok(())
    }

    /// The peer said who it is and what it holds.
    fn greet(
        &mut self,
        peer: NodeId,
        town: [u8; 32],
        chain: &[Vec<u8>],
        (auth, shared, cards): (Digest, Digest, Digest),
    ) -> Result<(), HandleError> {
        let unenrolled = || HandleError::Unenrolled(peer.short());
        if town != *self.trust.town() {
            return Err(unenrolled());
        }
        let mut is_new = false;
        for bytes in chain {
            let statement = Statement::from_bytes(bytes, self.trust.town()).map_err(|_| unenrolled())?;
            // Whatever else is stated belongs into `auth`, where everybody learns of it.
            if !matches!(statement.claim, Claim::Certificate(_)) {
                return Err(unenrolled());
            }
            // A stranger's statements must not fill the room of those that wait for their issuer.
            if statement.issuer.is_some_and(|issuer| self.trust.certificate(&issuer).is_none()) {
                return Err(unenrolled());
            }
            // What a greeting tells stays in memory alone: with one invite not any number of keys gets in there.
            let is_known = self.trust.certificate(&statement.id).is_some();
            if !is_known && statement.issuer.is_some_and(|issuer| self.trust.redemptions_of(&issuer) >= MAX_REDEMPTIONS)
            {
                return Err(unenrolled());
            }
            is_new |= self.trust.add(statement).map_err(|_| unenrolled())?;
        }
        let (certificate, _) = self.trust.current(&peer).ok_or_else(unenrolled)?;
        if is_new {
            self.trust_changed();
        }
        let own_auth = self.namespace_id(&Namespace::auth());
        let (auth_equal, cards_equal) = (auth == self.digest(own_auth), cards == self.cards_digest());
        let shared_equal = shared == self.shared_digest(&peer);
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        session.certificate = Some(certificate);
        session.spaces.insert(own_auth, Space::default());
        session.cards_due = !cards_equal;
        if auth_equal {
            self.assume_equal(peer, own_auth);
        } else {
            self.send_frontier(peer, own_auth);
        }
        match (auth_equal, shared_equal) {
            (true, true) => {
                self.send_card_list(peer);
                self.interest(&peer).iter().for_each(|namespace| self.assume_equal(peer, *namespace));
                self.mark_equal(peer);
                self.grant_missing(peer);
            }
            (true, false) => self.send_digests(peer),
            // Interests depend on `auth`, so that comes first.
            (false, _) => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.digests_due = true;
                }
            }
        }
        Ok(())
    }

    /// Namespaces, without `auth`, that both this node and a peer may hold or carry.
    pub(super) fn interest(&mut self, peer: &NodeId) -> Arc<[NamespaceId]> {
        let Some((theirs, _)) = self.trust.current(peer) else { return Arc::default() };
        let of = (self.trust.spaces(), self.identity.certificate, theirs);
        if let Some(known) = self.interests.get(peer).filter(|known| known.of == of) {
            return known.shared.clone();
        }
        let shared: Arc<[NamespaceId]> = self.shared_with(peer).into();
        if self.sessions.contains_key(peer) {
            self.interests.insert(*peer, Interest { of, shared: shared.clone() });
        }
        shared
    }

    fn shared_with(&self, peer: &NodeId) -> Vec<NamespaceId> {
        let Some((_, certificate)) = self.trust.current(peer) else { return vec![] };
        let concerns = |certificate, namespace| policy::access(certificate, namespace).is_some();
        let shared = self.trust.namespaces().iter().filter(|(_, namespace)| {
            namespace.kind != NamespaceKind::Auth && concerns(&self.own, namespace) && concerns(certificate, namespace)
        });
        shared.map(|(id, _)| *id).collect()
    }

    pub(super) fn shared_digest(&mut self, peer: &NodeId) -> Digest {
        let mut hasher = blake3::Hasher::new();
        for namespace in &*self.interest(peer) {
            hasher.update(&namespace.0);
            hasher.update(&self.digest(*namespace));
        }
        digest_of(&hasher)
    }

    /// Says how what both may hold looks here; what was said before is left out.
    pub(super) fn send_digests(&mut self, peer: NodeId) {
        self.send_card_list(peer);
        let namespaces = self.interest(&peer);
        let digests: Vec<(NamespaceId, Digest)> =
            namespaces.iter().map(|namespace| (*namespace, self.digest(*namespace))).collect();
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.digests_due = false;
            let unsaid: Vec<_> =
                digests.into_iter().filter(|(namespace, _)| session.digests_sent.insert(*namespace)).collect();
            for some in unsaid.chunks(bounds::MAX_NAMESPACES) {
                session.say(Message::Digests(some.to_vec()));
            }
        }
    }

    /// Cards are compared once the certificates of those who signed them have been sent.
    fn send_card_list(&mut self, peer: NodeId) {
        let due = self.sessions.get_mut(&peer).is_some_and(|session| std::mem::take(&mut session.cards_due));
        if !due {
            return;
        }
        let list = self.cards_that_count().map(|(key, (version, _))| (*key, *version)).collect();
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.say(Message::CardList(list));
        }
    }

    pub(super) fn compare_digests(&mut self, peer: NodeId, theirs: &[(NamespaceId, Digest)]) {
        let shared: BTreeSet<NamespaceId> = self.interest(&peer).iter().copied().collect();
        for (namespace, digest) in theirs {
            if !shared.contains(namespace) {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.note_digest(*namespace, *digest);
                }
                continue;
            }
            if self.digest(*namespace) == *digest {
                if self
                    .sessions
                    .get(&peer)
                    .is_some_and(|session| session.spaces.get(namespace).is_none_or(|space| !space.known))
                {
                    self.assume_equal(peer, *namespace);
                }
            } else {
                self.send_frontier(peer, *namespace);
            }
        }
        // A peer that took us for equal waits for our digests no longer; one that learned of namespaces only now does.
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.digests_due = true;
        }
    }

    /// Says how much is about to be sent.
    pub(super) fn announce_totals(&mut self, peer: NodeId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let (mut entries, mut bytes) = (session.progress.entries_sent, session.progress.bytes_sent);
        for (_, log) in &session.behind {
            let sent =
                session.spaces.get(&log.namespace).and_then(|space| space.cursors.get(log)).copied().unwrap_or(0);
            if let Some((_, state)) = self.logs.get(log) {
                let left = state.height.saturating_sub(sent);
                entries += left;
                bytes += state.bytes.saturating_mul(left).checked_div(state.height).unwrap_or(0);
            }
        }
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.say(Message::Totals { entries, bytes });
        }
    }

    fn take_run(&mut self, peer: NodeId, run: Run, size: usize, now: Millis) -> Result<(), HandleError> {
        let Some(last) = run.entries().last().map(|(_, entry)| entry.header) else { return Ok(()) };
        let stated = self.recorded_statements.len();
        let ingested = self.ingest(run)?;
        if last.log.namespace == self.namespace_id(&Namespace::auth()) {
            self.clock.observe(last.time, now);
        }
        let heights = |log: &LogId| self.logs.get(log).map_or(0, |(_, state)| state.height);
        if self.recorded_statements.len() > stated {
            // A certificate that others waited for may have come, whoever sent them.
            for session in self.sessions.values_mut() {
                for log in session.take_early() {
                    session.say(Message::LogRequest { log, from: heights(&log).saturating_add(1) });
                }
            }
        }
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        session.progress.bytes_received += size as u64;
        match ingested {
            Ingested::New(count) | Ingested::Branch(count) => {
                session.progress.entries_received += count;
                session.peer_has(&last.log, last.seq);
            }
            Ingested::Known => {
                session.peer_has(&last.log, last.seq);
                self.heard_again(peer, last.log.author);
            }
            Ingested::OverQuota | Ingested::NoRoom => session.peer_has(&last.log, last.seq),
            Ingested::Early => session.note_early(last.log),
            Ingested::Gap { .. } if session.is_early(&last.log) => {}
            // Runs of another branch that were under way when it was asked for from where the two part: asking for what
            // follows would take that back.
            Ingested::Gap { .. } if session.diverged.contains(&last.log) => {}
            Ingested::Gap { height } => {
                session.say(Message::LogRequest { log: last.log, from: height.saturating_add(1) })
            }
            Ingested::Diverged => self.ask_for_branch(peer, last.log),
        }
        Ok(())
    }

    /// A peer holds another branch of a log: asks for it, once, to find the fork or to get the branch that is ratified.
    pub(super) fn ask_for_branch(&mut self, peer: NodeId, log: LogId) {
        let fork = self.forks.get(&log);
        let from = fork.map_or(Some(1), |fork| fork.is_behind().then_some(fork.seq()));
        if let Some(from) = from
            && let Some(session) = self.sessions.get_mut(&peer)
            && session.diverged.insert(log)
        {
            session.say(Message::LogRequest { log, from });
        }
    }

    fn take_summary(&mut self, peer: NodeId, shared: Digest, auth: Digest) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.peer_summary = Some((shared, auth));
            if !session.summary_sent {
                // It did not take our hello for equal, so it waits for ours.
                session.last_summary = None;
            }
        }
        self.check_equal(peer);
        // Only now: what others gave it came with the cards before.
        if self.sessions.get(&peer).is_some_and(|session| session.progress.equal) {
            self.grant_missing(peer);
        }
    }

    /// Compares the peer's last summary with what is held now.
    pub(super) fn check_equal(&mut self, peer: NodeId) {
        let auth = self.namespace_id(&Namespace::auth());
        let ours = (self.shared_digest(&peer), self.digest(auth));
        if self.sessions.get(&peer).is_some_and(|session| session.peer_summary == Some(ours)) {
            self.mark_equal(peer);
        } else if let Some(session) = self.sessions.get_mut(&peer) {
            session.progress.equal = false;
        }
    }

    fn mark_equal(&mut self, peer: NodeId) {
        if let Some(session) = self.sessions.get_mut(&peer)
            && !session.progress.equal
        {
            session.progress.equal = true;
            self.emit(Output::Equal { peer });
        }
    }
}
