//! What was removed from the town, and who has heard of it: a removal is a decision of which one wants to know that.

use std::collections::BTreeMap;

use super::{Delivery, Replica};
use crate::certificate::{CertificateKind, Claim, Statement};
use crate::clock::Millis;
use crate::entry::LogId;
use crate::id::{CertificateId, NodeId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::store::StoreError;

/// A node, an invite or an authority that counts no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The certificate that was revoked.
    pub certificate: CertificateId,
    /// Whose it was.
    pub kind: CertificateKind,
    /// Its name.
    pub name: String,
    /// The node on which that was recorded first.
    pub by: NodeId,
    /// When, by that node's clock, in milliseconds since 1970.
    pub at: Millis,
    /// Where it stands: whoever has one of these entries has heard of it.
    places: Vec<(LogId, u64)>,
}

impl Replica {
    /// Every removal that is known here, the latest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn removals(&mut self) -> Result<Vec<Removal>, StoreError> {
        let mut removals: BTreeMap<CertificateId, Removal> = BTreeMap::new();
        for entry in self.auth_entries()? {
            let header = &entry.header;
            let (place, at) = ((header.log, header.seq), header.time.millis());
            let statements = self.auth_records(&entry, DocumentKind::Statement);
            for certificate in self.revoked_in(&statements) {
                let Some(own) = self.trust.certificate(&certificate) else { continue };
                let (kind, name) = (own.kind, own.name.clone());
                let first = Removal { certificate, kind, name, by: header.log.author, at, places: vec![] };
                let known = removals.entry(certificate).or_insert_with(|| first.clone());
                known.places.push(place);
                if (at, first.by) < (known.at, known.by) {
                    (known.at, known.by) = (at, first.by);
                }
            }
        }
        let mut removals: Vec<Removal> = removals.into_values().collect();
        removals.sort_by_key(|removal| (std::cmp::Reverse(removal.at), removal.certificate));
        Ok(removals)
    }

    /// Which other nodes have heard of a removal. Those that were removed themselves are not among them.
    pub fn heard_of(&mut self, removal: &Removal) -> Vec<Delivery> {
        self.delivery_by(&Namespace::auth(), |replica, node| {
            removal.places.iter().any(|(log, seq)| replica.is_with(node, log, *seq))
        })
    }

    /// What statements with effect revoke.
    fn revoked_in(&self, statements: &[Vec<u8>]) -> Vec<CertificateId> {
        let stated = statements.iter().filter_map(|bytes| Statement::from_bytes(bytes, self.trust.town()).ok());
        let counted = stated.filter(|statement| self.recorded_statements.contains(&statement.id));
        let revoked = counted.filter_map(|statement| match statement.claim {
            Claim::Revocation { certificate, .. } => Some(certificate),
            Claim::Certificate(_) | Claim::Family { .. } | Claim::Ratification { .. } | Claim::Erasure(_) => None,
        });
        revoked.filter(|certificate| self.trust.is_revoked(certificate)).collect()
    }
}
