//! Removing a node: what of its work still counts, and what views have to show anew.

mod withdrawal;

use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::bounds;
use crate::certificate::{CertificateKind, Claim, Cut, Statement};
use crate::clock::Millis;
use crate::enrol::Authority;
use crate::id::{CertificateId, NodeId};
use crate::replica::RecordError;
pub use withdrawal::{Fallen, Withdrawal, Withdrawn};

/// Why a node was not removed, or a certificate that nodes stand on.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// No certificate of this node counts.
    #[error("no node {0} is enrolled here: check its id, or synchronise with the center")]
    NotEnrolled(String),
    /// Several nodes have this name.
    #[error("several nodes are called {name}; use one of these ids: {}", ids(nodes))]
    Ambiguous {
        /// Which name.
        name: String,
        /// Whose it is.
        nodes: Vec<NodeId>,
    },
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
    /// No certificate of this kind has this id or name.
    #[error("no {kind} {name} is known here: list them, or synchronise with the center first")]
    UnknownCertificate {
        /// An invite or an authority.
        kind: CertificateKind,
        /// What it was called.
        name: String,
    },
    /// Several certificates have this name, or ids that begin so.
    #[error("several certificates of the kind {kind} are called {name}; use one of these ids: {}", certificates(ids))]
    AmbiguousCertificate {
        /// Invites or authorities.
        kind: CertificateKind,
        /// What they were called.
        name: String,
        /// Which ones.
        ids: Vec<CertificateId>,
    },
    /// It was taken back before.
    #[error("the {kind} {name} was revoked before: there is nothing to do")]
    RevokedBefore {
        /// An invite or an authority.
        kind: CertificateKind,
        /// What it was called.
        name: String,
    },
    /// Nodes stand on it, and it was not said that they may fall.
    #[error("{} nodes are enrolled by the {kind} {name} and would be removed with it: {}", nodes.len(), fallen(nodes))]
    NodesFall {
        /// An invite or an authority.
        kind: CertificateKind,
        /// Its name.
        name: String,
        /// Which nodes.
        nodes: Vec<Fallen>,
    },
    /// This authority cannot take the nodes of another one over.
    #[error("authority {name} cannot certify these nodes anew: they stand on it already, or it was revoked")]
    UnfitAuthority {
        /// Its name.
        name: String,
    },
    /// This node itself stands on it, so that it could not tell anybody.
    #[error(
        "this node itself was enrolled by the {kind} {name} and would be removed with it: do it on a node that was not"
    )]
    StandsOnIt {
        /// An invite or an authority.
        kind: CertificateKind,
        /// Its name.
        name: String,
    },
    /// It could not be recorded.
    #[error(transparent)]
    Record(#[from] RecordError),
}

pub(super) fn ids(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join(", ")
}

fn certificates(ids: &[CertificateId]) -> String {
    ids.iter().map(CertificateId::to_string).collect::<Vec<_>>().join(", ")
}

fn fallen(nodes: &[Fallen]) -> String {
    nodes.iter().map(Fallen::to_string).collect::<Vec<_>>().join(", ")
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
    /// The enrolled node with this id or, if there is none and no two nodes have the same, this name. A name may look like
    /// another node's id, so ids come first.
    ///
    /// # Errors
    /// [`RevokeError::NotEnrolled`], [`RevokeError::Ambiguous`].
    pub fn node_called(&self, name: &str) -> Result<NodeId, RevokeError> {
        if let Some((node, ..)) = self.trust.nodes().find(|(node, ..)| node.to_string() == name) {
            return Ok(node);
        }
        let nodes: Vec<NodeId> =
            self.trust.nodes().filter(|(_, _, own)| own.name == name).map(|(node, ..)| node).collect();
        match nodes.as_slice() {
            [] => Err(RevokeError::NotEnrolled(name.to_owned())),
            [node] => Ok(*node),
            _ => Err(RevokeError::Ambiguous { name: name.to_owned(), nodes }),
        }
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
        let cuts = if keep { self.ends_of(&node) } else { vec![] };
        let kept_logs = cuts.len();
        // The authority may be new here.
        let mut statements = vec![authority.statement.clone()];
        let mut invites = BTreeSet::new();
        // A node that was enrolled twice has two certificates; each is removed.
        for certificate in self.trust.unrevoked_of(&node) {
            invites.extend(self.trust.invite_of(&certificate));
            let cuts = cuts.clone();
            statements.push(self.state(authority, Claim::Revocation { certificate, cuts }));
        }
        for invite in invites {
            self.withdraw(authority, invite, node, &cuts, &mut statements);
        }
        self.record_removal(statements, now)?;
        Ok(Revoked { node, name, kept_logs })
    }

    /// Records statements among which are revocations.
    fn record_removal(&mut self, statements: Vec<Statement>, now: Millis) -> Result<(), RevokeError> {
        let too_many = statements.iter().find_map(|statement| {
            let Claim::Revocation { cuts, .. } = &statement.claim else { return None };
            Some(cuts.len()).filter(|logs| *logs > MAX_CUTS)
        });
        if let Some(logs) = too_many {
            return Err(RevokeError::TooManyLogs { logs, limit: MAX_CUTS });
        }
        self.record_missing(statements, now)?;
        // In the same commit as the news, so that those who hear it need not mint keys themselves.
        self.rotate();
        Ok(())
    }

    /// Records those of the statements that `auth` does not hold yet, see [`Self::record_statements`].
    pub(crate) fn record_missing(&mut self, mut statements: Vec<Statement>, now: Millis) -> Result<(), RecordError> {
        statements.retain(|statement| !self.recorded_statements.contains(&statement.id));
        if statements.is_empty() { Ok(()) } else { self.record_statements(statements, now) }
    }

    /// Withdraws the invite that a removed node joined with: whoever kept its file could join with it again. Others
    /// that joined with the same one are certified by the authority itself, and what is held of them goes on counting.
    fn withdraw(
        &mut self,
        authority: &Authority,
        invite: CertificateId,
        removed: NodeId,
        cuts: &[Cut],
        statements: &mut Vec<Statement>,
    ) {
        let mut cuts = cuts.to_vec();
        let others: BTreeMap<NodeId, CertificateId> =
            self.trust.redeemed_by(&invite).filter(|(node, _)| *node != removed).collect();
        for (other, certificate) in others {
            cuts.extend(self.ends_of(&other));
            let counts = self.trust.current(&other).is_some_and(|(current, _)| current == certificate);
            if let Some(certified) = self.trust.certificate(&certificate).filter(|_| counts).cloned() {
                statements.push(self.state(authority, Claim::Certificate(certified)));
            }
        }
        statements.push(self.state(authority, Claim::Revocation { certificate: invite, cuts }));
    }

    /// Where each log of a node ends as it is held here.
    fn ends_of(&self, node: &NodeId) -> Vec<Cut> {
        let theirs = self.logs.values().map(|(_, state)| state).filter(|state| state.log.author == *node);
        let ends = theirs.map(|state| {
            let (seq, head) = self.effective(state);
            Cut { log: state.log, seq, head }
        });
        ends.filter(|cut| cut.seq > 0).collect()
    }

    pub(super) fn state(&mut self, authority: &Authority, claim: Claim) -> Statement {
        let nonce = self.rng.next_u64().to_be_bytes();
        Statement::sign(&authority.town, claim, Some(authority.statement.id), nonce, &authority.signing)
    }
}
