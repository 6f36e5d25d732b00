//! How far a log counts: what cuts leave of it, and what authorities ratified of it (DESIGN 12.2, 12.4).
//!
//! A cut and a ratification both name a place: a seq and the entry there. What they say holds for the chain that ends in
//! that entry, and for no other branch of a forked log.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::{Place, Trust};
use crate::entry::LogId;
use crate::id::{CertificateId, EntryId, NodeId};

impl Trust {
    /// Seq up to which entries of a log under a certificate count. `covers` says up to where the log as it is held here
    /// is the one that a place names; so the answer is the same wherever the same is held.
    ///
    /// # Errors
    /// Those of `covers`.
    pub fn counts_until<E>(
        &self,
        certificate: &CertificateId,
        log: &LogId,
        covers: impl Fn(u64, &EntryId) -> Result<u64, E>,
    ) -> Result<u64, E> {
        // Concurrent removals all stand: an entry must be within a cut of each, of its certificate and of those that
        // this stands on, or be ratified.
        let revocations = self.standing(certificate).filter_map(|id| self.revocations.get(&id)).flatten();
        let mut until = u64::MAX;
        for cuts in revocations {
            let mut within = 0;
            for cut in cuts.iter().filter(|cut| cut.log == *log) {
                within = covers(cut.seq, &cut.head)?.max(within);
            }
            until = until.min(within);
        }
        if until < u64::MAX {
            for (seq, head) in self.ratified(log) {
                until = covers(seq, &head)?.max(until);
            }
        }
        Ok(until)
    }

    /// The places of a log that authorities ratified who were not removed since, the first first: one that goes farther
    /// precedes one that does not, and of two that go equally far the one with the lesser head precedes the other. Where
    /// two name different branches, the first one stands.
    pub(crate) fn ratified(&self, log: &LogId) -> impl Iterator<Item = Place> {
        let all = self.ratifications.get(log).into_iter().flatten();
        let by_standing = all.filter(|(_, _, issuer)| issuer.is_none_or(|issuer| !self.is_revoked(&issuer)));
        by_standing.map(|(Reverse(seq), head, _)| (*seq, *head))
    }

    /// Logs of which an authority ratified something that is one of these certificates or stands on one.
    pub(crate) fn ratified_by(&self, issuers: &BTreeSet<CertificateId>) -> BTreeSet<LogId> {
        let by_them = |issuer: &Option<CertificateId>| {
            issuer.is_some_and(|issuer| self.standing(&issuer).any(|id| issuers.contains(&id)))
        };
        let logs = self.ratifications.iter().filter(|(_, places)| places.iter().any(|(.., issuer)| by_them(issuer)));
        logs.map(|(log, _)| *log).collect()
    }

    /// Logs of which something was ratified since this was last asked.
    pub(crate) fn take_ratified(&mut self) -> BTreeSet<LogId> {
        std::mem::take(&mut self.newly_ratified)
    }

    /// The places of a log after one seq and up to another that a cut or a ratification names.
    pub(crate) fn marks(&self, log: &LogId, after: u64, until: u64) -> impl Iterator<Item = &Place> {
        let all = self.marks.get(log).into_iter().flatten();
        all.filter(move |(seq, _)| after < *seq && *seq <= until)
    }

    /// The nodes with this id or name, removed or not.
    pub(crate) fn authors_called(&self, name: &str) -> Vec<NodeId> {
        let is_called = |node: &NodeId| {
            node.to_string() == name || self.certificates_of(node).any(|certificate| certificate.name == name)
        };
        self.nodes.keys().filter(|node| is_called(node)).copied().collect()
    }

    /// Every certificate of a node by its id, revoked ones too.
    pub(crate) fn certificate_ids_of(&self, node: &NodeId) -> impl Iterator<Item = &CertificateId> {
        self.nodes.get(node).into_iter().flatten()
    }
}
