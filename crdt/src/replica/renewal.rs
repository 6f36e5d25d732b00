//! What follows from new statements for what is open already: sessions, the own certificate, documents that were shown.

use std::collections::{BTreeMap, BTreeSet};

use super::{Output, Replica};
use crate::entry::Entry;
use crate::id::{DocumentId, NodeId};
use crate::namespace::Namespace;
use crate::store::{LogState, StoreError};

impl Replica {
    /// Statements changed: whatever was decided by them is decided again.
    pub(super) fn trust_changed(&mut self) {
        // Whose rows count and whose quota holds depends on certificates, and so do digests.
        self.digests.clear();
        self.keyring.grants.renew();
        self.unfold();
        self.emit(Output::TrustChanged);
        self.adopt_certificate();
        self.heed_revocations();
        self.heed_erasures();
        self.renew_interests();
    }

    /// Every entry of `auth` in the store.
    pub(super) fn auth_entries(&self) -> Result<Vec<Entry>, StoreError> {
        let auth = self.namespace_id(&Namespace::auth());
        let logs: Vec<(u32, LogState)> = self.logs_of(auth).map(|(_, known)| *known).collect();
        let mut entries = Vec::new();
        for (number, state) in logs {
            self.store.entries(number, 1, |entry| {
                if entry.header.seq <= state.height {
                    entries.push(entry);
                }
                std::ops::ControlFlow::Continue(())
            })?;
        }
        Ok(entries)
    }

    /// Tries statements again that had found no room to wait, and periods of unknown authors and families: more is known
    /// by now.
    pub(super) fn heed_left_out(&mut self) -> Result<(), StoreError> {
        let known = (self.recorded_statements.len(), self.trust.namespaces().len());
        self.left_out = false;
        let entries = self.auth_entries()?;
        self.trust_entries(&entries);
        if known != (self.recorded_statements.len(), self.trust.namespaces().len()) {
            self.trust_changed();
        }
        Ok(())
    }

    /// Takes over a newer certificate for the own key; from now on entries name it and peers are shown it.
    pub(super) fn adopt_certificate(&mut self) {
        let Some((id, certificate)) = self.trust.current(&self.identity.node()) else { return };
        let exchange = x25519_dalek::PublicKey::from(&self.identity.exchange);
        // Grants for another exchange key could not be opened: such a certificate needs a new identity file.
        if id == self.identity.certificate || certificate.exchange != *exchange.as_bytes() {
            return;
        }
        let Some(chain) = self.trust.chain(&id) else { return };
        self.own = certificate.clone();
        self.identity.certificate = id;
        self.chain = chain;
    }

    /// What a removed node wrote was shown as if it counted, and what is ratified was not: those documents are fed to the
    /// views again, in the same commit that keeps the statement.
    fn heed_revocations(&mut self) {
        let revoked = self.trust.take_revoked();
        let mut ratified = self.trust.take_ratified();
        ratified.extend(self.trust.ratified_by(&revoked));
        if revoked.is_empty() && ratified.is_empty() {
            return;
        }
        self.cache.clear();
        // Shelves of removed authors count in another way.
        self.digests.clear();
        let authors: BTreeSet<NodeId> = self.trust.standing_on(&revoked);
        let logs = self.logs.iter().filter(|(log, _)| authors.contains(&log.author) || ratified.contains(log));
        let numbers: BTreeSet<u32> = logs.map(|(_, (number, _))| *number).collect();
        self.refeed_logs(&numbers);
        ratified.into_iter().for_each(|log| self.judge_fork(log));
    }

    /// Feeds every document that these logs have a part in to the views again, with the next commit.
    pub(super) fn refeed_logs(&mut self, numbers: &BTreeSet<u32>) {
        // A store that cannot be read is found by the commit that follows.
        let mut touched: BTreeMap<(u32, DocumentId), u8> = self.store.documents_of_logs(numbers).unwrap_or_default();
        let unwritten = self.derived.items.values().flatten().filter(|item| numbers.contains(&item.key.log));
        let unwritten = unwritten.filter_map(|item| Some(((item.key.namespace, item.key.document), item.item.kind()?)));
        touched.extend(unwritten);
        touched.into_iter().for_each(|((number, document), kind)| self.feed_document(number, document, kind));
        self.derived.at_once = true;
        self.derived.weight += 1;
    }

    /// Certificates or namespaces changed: what peers may have is decided again.
    fn renew_interests(&mut self) {
        let auth = self.namespace_id(&Namespace::auth());
        let peers: Vec<NodeId> = self.sessions.keys().copied().collect();
        for peer in peers {
            if self.sessions.get(&peer).is_none_or(|session| session.certificate.is_none()) {
                continue;
            }
            // A peer whose certificate was renewed goes on with the new one.
            let Some((certificate, _)) = self.trust.current(&peer) else {
                self.emit(Output::Close { peer, reason: "its certificate was revoked".to_owned() });
                self.close_session(&peer);
                continue;
            };
            let interest = self.interest(&peer).iter().copied().chain([auth]).collect();
            if let Some(session) = self.sessions.get_mut(&peer) {
                session.certificate = Some(certificate);
                session.narrow(&interest);
                // Sent after the entries of `auth` that the peer needs to understand them.
                session.digests_due = true;
                session.idle = false;
                let noted = session.noted_digests(&interest);
                self.compare_digests(peer, &noted);
            }
        }
    }
}
