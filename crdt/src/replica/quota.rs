//! How much a node may write in `auth`, which everybody keeps (DESIGN 12.13).
//!
//! Centers keep the authorities' statements there and write freely. Everybody else is bounded:
//!
//! - One log counts up to the last entry within [`bounds::AUTH_LOG_QUOTA`]; what follows has no effect, is in no frontier
//!   and is passed on to nobody. An entry costs 190 bytes and its body, so this follows from the log alone: all nodes,
//!   carriers too, cut it at one place, whatever runs it came in.
//! - A forked log counts in full against its author, whatever is held of it.
//! - An author whose logs together reached [`bounds::AUTH_AUTHOR_QUOTA`] is not believed to be honest: nothing more of it
//!   is taken in `auth`, and digests say only that it is so, since nodes may have stopped at different logs.

use std::collections::BTreeSet;

use super::Replica;
use crate::bounds;
use crate::certificate::NodeRole;
use crate::entry::{Entry, HEADER_LEN, Header, LogId};
use crate::id::{EntryId, NodeId};
use crate::namespace::Namespace;
use crate::replica::RecordError;

/// Room that a node leaves for what is being filled when it records: the largest entry.
const RESERVE: u64 = (bounds::BULK_BODY + bounds::MAX_RECORD + HEADER_LEN) as u64;

/// What a log of `auth` costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LogCost {
    bytes: u64,
    /// The first entry beyond the quota, and the one before it.
    cut: Option<(u64, EntryId)>,
}

impl LogCost {
    #[cfg(test)]
    pub(super) fn of(bytes: u64) -> Self {
        Self { bytes, cut: None }
    }

    /// What lies beyond the cut costs nothing: how much of it a node holds depends on the runs it came in, and whether
    /// an author floods must not.
    fn add(&mut self, entry: &Entry) {
        let bytes = self.bytes.saturating_add(HEADER_LEN as u64 + u64::from(entry.header.body_len));
        match self.cut {
            Some(_) => {}
            None if bytes > bounds::AUTH_LOG_QUOTA => self.cut = Some((entry.header.seq, entry.header.backlink)),
            None => self.bytes = bytes,
        }
    }
}

impl Replica {
    /// An entry of `auth` follows those that are held.
    pub(super) fn charge(&mut self, entry: &Entry) {
        self.auth_costs.entry(entry.header.log).or_default().add(entry);
    }

    /// Where a log of `auth` is cut; `None` while it is within its quota.
    pub(super) fn quota_cut(&self, log: &LogId) -> Option<(u64, EntryId)> {
        self.auth_costs.get(log)?.cut.filter(|_| !self.writes_freely(&log.author))
    }

    /// Whether an entry of `auth` is within the quota of a log, also if its author may write without a bound.
    pub(super) fn is_within_any_quota(&self, header: &Header) -> bool {
        let cut = self.auth_costs.get(&header.log).and_then(|cost| cost.cut);
        cut.is_none_or(|(seq, _)| header.seq < seq)
    }

    /// Which of the entries that follow what is held of a log are within its quota: those below this seq.
    pub(super) fn quota_until<'a>(&self, log: &LogId, new: impl Iterator<Item = &'a Entry>) -> u64 {
        let mut cost = self.auth_costs.get(log).copied().unwrap_or_default();
        new.for_each(|entry| cost.add(entry));
        cost.cut.filter(|_| !self.writes_freely(&log.author)).map_or(u64::MAX, |(seq, _)| seq)
    }

    /// Whether a node may write in `auth` without a bound. Once a center, always a center: it must not depend on what
    /// else has arrived.
    pub(super) fn writes_freely(&self, author: &NodeId) -> bool {
        self.trust.certificates_of(author).any(|certificate| certificate.role == NodeRole::Center)
    }

    /// A forked log costs as much as a log can, however much of it is held: that follows from the proof alone, so nodes that
    /// heard of the fork before they got the log judge its author like those that had it.
    fn author_cost(&self, author: &NodeId) -> u64 {
        let namespace = self.namespace_id(&Namespace::auth());
        let first = LogId { namespace, author: *author, epoch: 0, lane: crate::entry::Lane::Urgent };
        let is_theirs = |log: &LogId| (log.namespace, log.author) == (namespace, *author);
        let forked = self.forks.range(first..).take_while(|(log, _)| is_theirs(log)).count() as u64;
        let whole = self.auth_costs.range(first..).take_while(|(log, _)| is_theirs(log));
        let whole = whole.filter(|(log, _)| !self.forks.contains_key(log));
        whole.map(|(_, cost)| cost.bytes).sum::<u64>() + forked * bounds::AUTH_LOG_QUOTA
    }

    /// Whether an author wrote so much in `auth` that nothing more is taken of it.
    pub(super) fn is_flooding(&self, log: &LogId) -> bool {
        self.auth_costs.contains_key(log) && self.floods(&log.author)
    }

    /// Of an author without a known certificate it cannot be told: it may be a center.
    pub(super) fn floods(&self, author: &NodeId) -> bool {
        let is_known = self.trust.certificates_of(author).next().is_some();
        is_known && self.author_cost(author) >= bounds::AUTH_AUTHOR_QUOTA && !self.writes_freely(author)
    }

    /// Authors that flood `auth` by what is known of their forks; of some of them no log may be held.
    pub(super) fn flooding_forkers(&self) -> BTreeSet<NodeId> {
        let auth = self.namespace_id(&Namespace::auth());
        let authors: BTreeSet<NodeId> =
            self.forks.keys().filter(|log| log.namespace == auth).map(|log| log.author).collect();
        authors.into_iter().filter(|author| self.floods(author)).collect()
    }

    /// Whether this node used so little of its room in `auth` that it can write there for others, too.
    pub(super) fn has_room_to_spare(&self) -> bool {
        let own =
            self.auth_costs.iter().filter(|(log, _)| log.author == self.identity.node() && log.epoch == self.epoch);
        let own = own.map(|(_, cost)| cost.bytes).max().unwrap_or(0);
        let author = self.author_cost(&self.identity.node());
        let is_little = own <= bounds::AUTH_LOG_QUOTA / 4 && author <= bounds::AUTH_AUTHOR_QUOTA / 4;
        is_little || self.own.role == NodeRole::Center
    }

    /// Refuses to record in `auth` what others would not take.
    pub(super) fn check_quota(&self, log: &LogId) -> Result<(), RecordError> {
        let own = self.auth_costs.get(log).map_or(0, |cost| cost.bytes);
        let within = own.saturating_add(RESERVE) <= bounds::AUTH_LOG_QUOTA
            && self.author_cost(&log.author).saturating_add(RESERVE) <= bounds::AUTH_AUTHOR_QUOTA;
        if within || self.own.role == NodeRole::Center { Ok(()) } else { Err(RecordError::Quota) }
    }
}
