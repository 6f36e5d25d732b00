//! Taking back a certificate that others stand on: an invite, or a stolen authority's.
//!
//! Whatever stands on a revoked certificate is revoked, so nodes that it enrolled fall with it, unless another certificate
//! of theirs stands on something else. Nobody should be surprised by that: it is refused until it is asked for.

use std::collections::BTreeSet;
use std::fmt;

use ed25519_dalek::SigningKey;

use super::{Replica, RevokeError};
use crate::certificate::{Certificate, CertificateKind, Claim, Cut, Statement};
use crate::clock::Millis;
use crate::enrol::{Authority, VALIDITY};
use crate::id::{CertificateId, NodeId};

/// Fewest digits of an id that name a certificate.
const PREFIX: usize = 4;

/// How a certificate is taken back.
#[derive(Debug, Clone, Copy)]
pub struct Withdrawal {
    /// Also if nodes fall with it.
    pub with_nodes: bool,
    /// What is held here of these nodes' work goes on counting.
    pub keep: bool,
}

/// A node that falls with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fallen {
    /// Which node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Fallen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.node.short())
    }
}

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawn {
    /// Which certificate.
    pub certificate: CertificateId,
    /// Its name.
    pub name: String,
    /// The nodes that fell with it.
    pub nodes: Vec<Fallen>,
    /// How many logs keep what is held of them here.
    pub kept_logs: usize,
}

impl Replica {
    /// The certificate of a kind whose id begins so or whose name this is. Of those with one name the one that was not
    /// taken back yet.
    ///
    /// # Errors
    /// [`RevokeError::UnknownCertificate`], [`RevokeError::AmbiguousCertificate`], [`RevokeError::RevokedBefore`].
    pub fn certificate_called(&self, kind: CertificateKind, name: &str) -> Result<CertificateId, RevokeError> {
        let is_prefix = |id: &CertificateId| name.len() >= PREFIX && id.to_string().starts_with(name);
        let called = self.trust.certificates(kind).filter(|(id, own)| own.name == name || is_prefix(id));
        let (revoked, ids): (Vec<_>, Vec<_>) = called.map(|(id, _)| id).partition(|id| self.trust.is_revoked(id));
        let name = name.to_owned();
        match ids.as_slice() {
            [] if revoked.is_empty() => Err(RevokeError::UnknownCertificate { kind, name }),
            [] => Err(RevokeError::RevokedBefore { kind, name }),
            [id] => Ok(*id),
            _ => Err(RevokeError::AmbiguousCertificate { kind, name, ids }),
        }
    }

    /// Stages the withdrawal of an invite by an authority: nobody who heard of it lets in who redeems it, and what is
    /// written from now on is sealed under keys that its file does not hold. Nodes that redeemed it are removed.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn withdraw_invite(
        &mut self,
        authority: &Authority,
        invite: CertificateId,
        how: Withdrawal,
        now: Millis,
    ) -> Result<Withdrawn, RevokeError> {
        let (withdrawn, claim) = self.withdrawal(CertificateKind::Invite, invite, how)?;
        // The authority may be new here.
        let statements = vec![authority.statement.clone(), self.state(authority, claim)];
        self.record_removal(statements, now)?;
        Ok(withdrawn)
    }

    /// Stages the revocation of an authority by the town's root key. Invites that it signed are withdrawn, nodes that it
    /// enrolled are removed.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub fn revoke_authority(
        &mut self,
        root: &SigningKey,
        authority: CertificateId,
        how: Withdrawal,
        now: Millis,
    ) -> Result<Withdrawn, RevokeError> {
        let (withdrawn, claim) = self.withdrawal(CertificateKind::Authority, authority, how)?;
        let nonce = self.rng.next_u64().to_be_bytes();
        let statement = Statement::sign(self.trust.town(), claim, None, nonce, root);
        self.record_removal(vec![statement], now)?;
        Ok(withdrawn)
    }

    /// Stages new certificates, by this authority, for the nodes that would fall with a certificate, so that it can be taken
    /// back without them. Those who hear of theirs go on under it; nobody has to join again.
    ///
    /// # Errors
    /// [`RevokeError::UnfitAuthority`] if it is the same authority, or was revoked; [`RevokeError::Record`].
    pub fn certify_anew(
        &mut self,
        authority: &Authority,
        certificate: CertificateId,
        now: Millis,
    ) -> Result<Vec<Fallen>, RevokeError> {
        let by = authority.statement.id;
        if by == certificate || self.trust.is_revoked(&by) {
            let name = authority.statement.claim.certificate().map(|own| own.name.clone()).unwrap_or_default();
            return Err(RevokeError::UnfitAuthority { name });
        }
        // The authority may be new here.
        let (mut statements, mut certified) = (vec![authority.statement.clone()], vec![]);
        for node in self.trust.nodes_on(&certificate) {
            let Some((_, current)) = self.trust.current(&node) else { continue };
            // A node goes by the one of its certificates that lasts longest.
            let not_after = current.not_after.saturating_add(1).max(now.saturating_add(VALIDITY));
            let renewed = Certificate { not_before: now, not_after, ..current.clone() };
            certified.push(Fallen { node, name: renewed.name.clone() });
            statements.push(self.state(authority, Claim::Certificate(renewed)));
        }
        self.record_missing(statements, now)?;
        Ok(certified)
    }

    /// What would be taken back, and the claim that does it.
    fn withdrawal(
        &self,
        kind: CertificateKind,
        certificate: CertificateId,
        how: Withdrawal,
    ) -> Result<(Withdrawn, Claim), RevokeError> {
        let own = self.trust.certificate(&certificate).filter(|own| own.kind == kind);
        let own = own.ok_or_else(|| RevokeError::UnknownCertificate { kind, name: certificate.short() })?;
        let name = own.name.clone();
        if self.trust.is_revoked(&certificate) {
            return Err(RevokeError::RevokedBefore { kind, name });
        }
        let falling = self.trust.nodes_on(&certificate);
        if falling.contains(&self.node()) {
            return Err(RevokeError::StandsOnIt { kind, name });
        }
        let nodes: Vec<Fallen> = falling.iter().map(|node| Fallen { node: *node, name: self.name_of(node) }).collect();
        if !nodes.is_empty() && !how.with_nodes {
            return Err(RevokeError::NodesFall { kind, name, nodes });
        }
        // Also of those who stay because they were certified anew, and of those who were removed before: what they wrote
        // under this certificate is cut, too.
        let standing = self.trust.standing_on(&BTreeSet::from([certificate]));
        let kept = standing.iter().filter(|node| how.keep || !falling.contains(node));
        let cuts: Vec<Cut> = kept.flat_map(|node| self.ends_of(node)).collect();
        let kept_logs = cuts.len();
        Ok((Withdrawn { certificate, name, nodes, kept_logs }, Claim::Revocation { certificate, cuts }))
    }
}
