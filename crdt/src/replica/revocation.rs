//! Removing a node: what of its work still counts, and what views have to show anew.

use super::Replica;
use crate::bounds;
use crate::certificate::{Claim, Cut, Statement};
use crate::clock::Millis;
use crate::enrol::Authority;
use crate::id::NodeId;
use crate::replica::RecordError;

/// Why a node was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No certificate of this node counts.
    #[error("no node {0} is enrolled here: check its id, or synchronise with the center")]
    NotEnrolled(String),
    /// A node that removed itself could not tell anybody.
    #[error("this node does not remove itself: do it on another node")]
    Itself,
    /// The statement would not fit into an entry.
    #[error(
        "the node wrote {logs} logs, more than the {limit} whose ends a revocation can name: remove it without keeping what it wrote"
    )]
    TooManyLogs {
        /// How many it wrote.
        logs: usize,
        /// How many can be named.
        limit: usize,
    },
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Cuts that fit into a record beside the rest of a statement: log, seq and head take less than 128 bytes.
const MAX_CUTS: usize = bounds::MAX_RECORD / 128;

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Which node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// How many of its logs keep what is held of them here.
    pub kept_logs: usize,
}

impl Replica {
    /// The enrolled node with this id or, where no other node has the same, this name.
    pub fn node_called(&self, name: &str) -> Option<NodeId> {
        let mut named = self.trust.nodes().filter(|(node, _, own)| own.name == name || node.to_string() == name);
        let found = named.next()?.0;
        named.next().is_none().then_some(found)
    }

    /// Stages the removal of a node by an authority: wherever the news arrives, the node is refused. What it wrote and is
    /// held here goes on counting if `keep`; all else it wrote or writes has no effect (DESIGN 12.4).
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn revoke(
        &mut self,
        authority: &Authority,
        node: NodeId,
        keep: bool,
        now: Millis,
    ) -> Result<Revoked, RevokeError> {
        if node == self.node() {
            return Err(RevokeError::Itself);
        }
        let (_, own) = self.trust.current(&node).ok_or_else(|| RevokeError::NotEnrolled(node.short()))?;
        let name = own.name.clone();
        let theirs = self.logs.values().map(|(_, state)| state).filter(|state| keep && state.log.author == node);
        let cuts: Vec<Cut> = theirs
            .map(|state| {
                let (seq, head) = self.effective(state);
                Cut { log: state.log, seq, head }
            })
            .filter(|cut| cut.seq > 0)
            .collect();
        if cuts.len() > MAX_CUTS {
            return Err(RevokeError::TooManyLogs { logs: cuts.len(), limit: MAX_CUTS });
        }
        let kept_logs = cuts.len();
        let mut statements = Vec::new();
        // A node that was enrolled twice has two certificates; each is removed.
        for certificate in self.trust.unrevoked_of(&node) {
            let claim = Claim::Revocation { certificate, cuts: cuts.clone() };
            let nonce = self.rng.next_u64().to_be_bytes();
            let issuer = Some(authority.statement.id);
            statements.push(Statement::sign(&authority.town, claim, issuer, nonce, &authority.signing));
        }
        // The authority may be new here.
        statements.insert(0, authority.statement.clone());
        statements.retain(|statement| !self.recorded_statements.contains(&statement.id));
        self.record_statements(statements, now)?;
        Ok(Revoked { node, name, kept_logs })
    }
}
