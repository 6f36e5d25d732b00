//! Ratifying what a removed node wrote before anybody had seen it, and the branch of a forked log that is held here.

use super::Replica;
use super::revocation::ids;
use crate::certificate::Claim;
use crate::clock::Millis;
use crate::enrol::Authority;
use crate::entry::LogId;
use crate::id::NodeId;
use crate::replica::RecordError;
use crate::store::{LogState, StoreError};
use crate::trust::Place;

/// Why nothing was ratified.
#[derive(Debug, thiserror::Error)]
pub enum RatifyError {
    /// No certificate of this node is known, removed ones included.
    #[error("no node {0} was ever enrolled here: check its id, or synchronise with the center")]
    Unknown(String),
    /// Several nodes have this name.
    #[error("several nodes are or were called {name}; use one of these ids: {}", ids(nodes))]
    Ambiguous {
        /// Which name.
        name: String,
        /// Whose it is.
        nodes: Vec<NodeId>,
    },
    /// The authority was removed: what it ratifies has no effect.
    #[error("this authority was removed: use the key of another one")]
    AuthorityRemoved,
    /// Nothing that is held waits for it.
    #[error(
        "nothing of {0} that is held here waits for ratification: it counts already, or another branch was ratified; ratify on the node that holds what is missing"
    )]
    Nothing(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What is to be ratified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Every log of a node.
    Of(NodeId),
    /// One log.
    In(LogId),
}

/// What was ratified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratified {
    /// Whose.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// How many of its logs count as far as they are held here.
    pub logs: usize,
}

impl Replica {
    /// The node with this id or name, removed or not.
    ///
    /// # Errors
    /// [`RatifyError::Unknown`], [`RatifyError::Ambiguous`].
    pub fn author_called(&self, name: &str) -> Result<NodeId, RatifyError> {
        let nodes = self.trust.authors_called(name);
        match nodes.as_slice() {
            [] => Err(RatifyError::Unknown(name.to_owned())),
            [node] => Ok(*node),
            _ => Err(RatifyError::Ambiguous { name: name.to_owned(), nodes }),
        }
    }

    /// Stages the ratification of what is held here and does not count: logs of a removed node past their cuts, and of
    /// forked logs the branch that is held. Wherever the news arrives it counts, and of a forked log the other branches
    /// are set aside (DESIGN 12.4). What is held nowhere but elsewhere is to be ratified there.
    ///
    /// # Errors
    /// [`RatifyError`].
    pub fn ratify(&mut self, authority: &Authority, work: Work, now: Millis) -> Result<Ratified, RatifyError> {
        let node = match work {
            Work::Of(node) => node,
            Work::In(log) => log.author,
        };
        let named = self.trust.certificates_of(&node).last();
        let name = named.map(|own| own.name.clone()).ok_or_else(|| RatifyError::Unknown(node.short()))?;
        if self.trust.is_revoked(&authority.statement.id) {
            return Err(RatifyError::AuthorityRemoved);
        }
        let is_meant = |log: &LogId| match work {
            Work::Of(node) => log.author == node,
            Work::In(only) => *log == only,
        };
        let states: Vec<LogState> =
            self.logs.iter().filter(|(log, _)| is_meant(log)).map(|(_, (_, state))| *state).collect();
        // The authority may be new here.
        let mut statements = vec![authority.statement.clone()];
        for state in states {
            if let Some((seq, head)) = self.unratified(&state)? {
                statements.push(self.state(authority, Claim::Ratification { log: state.log, seq, head }));
            }
        }
        let logs = statements.len() - 1;
        if logs == 0 {
            return Err(RatifyError::Nothing(name));
        }
        statements.retain(|statement| !self.recorded_statements.contains(&statement.id));
        self.record_statements(statements, now)?;
        Ok(Ratified { node, name, logs })
    }

    /// Where a log ends here, if not all of it counts and its ratification would have effect.
    fn unratified(&self, state: &LogState) -> Result<Option<Place>, StoreError> {
        let log = &state.log;
        let quota = self.quota_cut(log).filter(|(seq, _)| *seq <= state.height);
        let (seq, head) = quota.map_or((state.height, state.head), |(seq, before)| (seq.saturating_sub(1), before));
        let mut counts = self.forks.get(log).map_or(u64::MAX, |fork| fork.end().0.saturating_sub(1));
        for certificate in self.trust.certificate_ids_of(&log.author) {
            let until = self.trust.counts_until(certificate, log, |seq, head| self.covers(log, seq, head))?;
            counts = counts.min(until);
        }
        let precedes = self
            .trust
            .ratified(log)
            .next()
            .is_none_or(|(farthest, first)| farthest < seq || (farthest == seq && head < first));
        Ok((counts < seq && precedes).then_some((seq, head)))
    }
}
