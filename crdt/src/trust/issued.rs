//! The certificates that others stand on, as people look after them: which invites are open, what an authority signed, and
//! who would fall with a certificate.

use std::collections::BTreeSet;
use std::fmt;

use super::Trust;
use crate::certificate::{Certificate, CertificateKind};
use crate::clock::Millis;
use crate::id::{CertificateId, NodeId};

/// What became of an invite, in the order in which people look after them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum InviteState {
    /// Nobody that is known here redeemed it.
    Open,
    /// Several nodes redeemed it: its file was copied.
    RedeemedTwice,
    /// One node did.
    Redeemed,
    /// It has passed its date and nobody redeemed it.
    Expired,
    /// It was revoked, or the authority that it stands on.
    Withdrawn,
}

impl InviteState {
    /// The state's name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::RedeemedTwice => "redeemed_twice",
            Self::Redeemed => "redeemed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Who has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameHolder {
    /// An enrolled node.
    Node(NodeId),
    /// An invite that nobody redeemed yet.
    Invite(CertificateId),
}

impl fmt::Display for NameHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {}", node.short()),
            Self::Invite(invite) => write!(f, "open invite {}", invite.short()),
        }
    }
}

impl Trust {
    /// Every certificate of a kind, revoked ones too.
    pub fn certificates(&self, kind: CertificateKind) -> impl Iterator<Item = (CertificateId, &Certificate)> {
        let all = self.certificates.iter().filter(move |(_, certificate)| certificate.kind == kind);
        all.map(|(id, certificate)| (*id, certificate))
    }

    /// What became of an invite, as far as it is known here.
    pub fn invite_state(&self, id: &CertificateId, invite: &Certificate, now: Millis) -> InviteState {
        let nodes: BTreeSet<NodeId> = self.redeemed_by(id).map(|(node, _)| node).collect();
        match nodes.len() {
            _ if self.is_revoked(id) => InviteState::Withdrawn,
            0 if invite.not_after < now => InviteState::Expired,
            0 => InviteState::Open,
            1 => InviteState::Redeemed,
            _ => InviteState::RedeemedTwice,
        }
    }

    /// Who has a name: nodes are removed by it, so that it must say whom. Names of removed nodes and withdrawn invites are
    /// free again.
    pub fn name_holder(&self, name: &str, now: Millis) -> Option<NameHolder> {
        let node = self.nodes().find(|(.., own)| own.name == name).map(|(node, ..)| NameHolder::Node(node));
        node.or_else(|| {
            let mut invites = self.certificates(CertificateKind::Invite).filter(|(_, invite)| invite.name == name);
            let open = invites.find(|(id, invite)| self.invite_state(id, invite, now) == InviteState::Open);
            open.map(|(id, _)| NameHolder::Invite(id))
        })
    }

    /// Nodes that are enrolled and would not be any more if this certificate were revoked.
    pub fn nodes_on(&self, certificate: &CertificateId) -> BTreeSet<NodeId> {
        let stands = |id: &CertificateId| self.standing(id).any(|id| id == *certificate);
        let all = self.nodes.iter().filter(|(_, ids)| {
            let mut counting = ids.iter().filter(|id| !self.is_revoked(id)).peekable();
            counting.peek().is_some() && counting.all(stands)
        });
        all.map(|(node, _)| *node).collect()
    }

    /// The withdrawn invite that keeps a node with this certificate out, for the refusal to say so.
    pub fn withdrawn_invite_of(&self, certificate: &CertificateId) -> Option<&Certificate> {
        let mut standing = self.standing(certificate).filter(|id| self.revocations.contains_key(id));
        let revoked = standing.find_map(|id| self.certificates.get(&id))?;
        Some(revoked).filter(|revoked| revoked.kind == CertificateKind::Invite)
    }
}
