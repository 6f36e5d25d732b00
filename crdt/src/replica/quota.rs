//! How much a node may write in `auth`, which everybody keeps (DESIGN 12.13).
//!
//! Centers keep the authorities' statements there and write freely. Everybody else has two bounds:
//!
//! - One log counts up to the last entry within [`bounds::AUTH_LOG_QUOTA`]; what follows has no effect, is in no frontier
//!   and is passed on to nobody. An entry costs 190 bytes and its body, so this follows from the log alone: all nodes,
//!   carriers too, cut it at one place, whatever runs it came in.
//! - An author whose logs together reached [`bounds::AUTH_AUTHOR_QUOTA`] is not believed to be honest: nothing more of it
//!   is taken in `auth`, and digests say only that it is so, since nodes may have stopped at different logs.

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
#[derive(Debug, Clone, Default)]
pub(super) struct LogCost {
    /// Bytes of the log up to each of its entries within the quota.
    sums: Vec<u64>,
    /// The first entry beyond the quota, and the one before it.
    cut: Option<(u64, EntryId)>,
}

impl LogCost {
    #[cfg(test)]
    pub(super) fn of(bytes: u64) -> Self {
        Self { sums: vec![bytes], cut: None }
    }

    /// What lies beyond the cut costs nothing: how much of it a node holds depends on the runs it came in, and whether
    /// an author floods must not.
    fn add(&mut self, entry: &Entry) {
        let bytes = self.bytes().saturating_add(HEADER_LEN as u64 + u64::from(entry.header.body_len));
        match self.cut {
            Some(_) => {}
            None if bytes > bounds::AUTH_LOG_QUOTA => self.cut = Some((entry.header.seq, entry.header.backlink)),
            None => self.sums.push(bytes),
        }
    }

    fn bytes(&self) -> u64 {
        self.sums.last().copied().unwrap_or(0)
    }

    /// Bytes of the entries before a seq.
    fn bytes_before(&self, seq: u64) -> u64 {
        let entries = usize::try_from(seq.saturating_sub(1)).unwrap_or(usize::MAX).min(self.sums.len());
        entries.checked_sub(1).and_then(|last| self.sums.get(last)).copied().unwrap_or(0)
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
        let mut cost = self.auth_costs.get(log).cloned().unwrap_or_default();
        new.for_each(|entry| cost.add(entry));
        cost.cut.filter(|_| !self.writes_freely(&log.author)).map_or(u64::MAX, |(seq, _)| seq)
    }

    /// Whether a node may write in `auth` without a bound. Once a center, always a center: it must not depend on what
    /// else has arrived.
    pub(super) fn writes_freely(&self, author: &NodeId) -> bool {
        self.trust.certificates_of(author).any(|certificate| certificate.role == NodeRole::Center)
    }

    /// What follows a fork costs nothing either: those who knew of the fork before it came do not hold it.
    fn author_cost(&self, author: &NodeId) -> u64 {
        let namespace = self.namespace_id(&Namespace::auth());
        let first = LogId { namespace, author: *author, epoch: 0, lane: crate::entry::Lane::Urgent };
        let logs = self.auth_costs.range(first..).take_while(|(log, _)| log.author == *author);
        let end = |log: &LogId| self.forks.get(log).map_or(u64::MAX, |fork| fork.end().0);
        logs.map(|(log, cost)| cost.bytes_before(end(log))).sum()
    }

    /// Whether an author wrote so much in `auth` that nothing more is taken of it.
    pub(super) fn is_flooding(&self, log: &LogId) -> bool {
        self.auth_costs.contains_key(log) && self.floods(&log.author)
    }

    pub(super) fn floods(&self, author: &NodeId) -> bool {
        self.author_cost(author) >= bounds::AUTH_AUTHOR_QUOTA && !self.writes_freely(author)
    }

    /// Refuses to record in `auth` what others would not take.
    pub(super) fn check_quota(&self, log: &LogId) -> Result<(), RecordError> {
        let own = self.auth_costs.get(log).map_or(0, LogCost::bytes);
        let within = own.saturating_add(RESERVE) <= bounds::AUTH_LOG_QUOTA
            && self.author_cost(&log.author).saturating_add(RESERVE) <= bounds::AUTH_AUTHOR_QUOTA;
        if within || self.own.role == NodeRole::Center { Ok(()) } else { Err(RecordError::Quota) }
    }
}
