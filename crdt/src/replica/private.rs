//! Records that few can read, whoever holds the namespace that they lie in: the centers, their author, and whom else it
//! names.

use std::collections::BTreeMap;

use super::Replica;
use crate::certificate::{Certificate, NodeRole};
use crate::domain::confidential::{Confidential, MAX_RECIPIENTS};
use crate::id::DocumentId;
use crate::seal;

/// Length of the key of one record.
const KEY_LEN: usize = 32;

/// Why something cannot be sealed to the centers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this node knows of no center that could read it: let it meet one first")]
pub struct NoCenter;

impl Replica {
    /// Whether there is a center that something could be sealed for.
    ///
    /// # Errors
    /// [`NoCenter`].
    pub fn knows_center(&self) -> Result<(), NoCenter> {
        let is_known = self.trust.nodes().any(|(.., own)| own.role == NodeRole::Center);
        if is_known { Ok(()) } else { Err(NoCenter) }
    }

    /// Seals something for the centers of the town, those that are known now, and for this node.
    ///
    /// # Errors
    /// [`NoCenter`].
    pub fn seal_for_centers(&mut self, document: DocumentId, plain: &[u8]) -> Result<Confidential, NoCenter> {
        self.knows_center()?;
        self.seal_for(document, plain, |_| false)
    }

    /// Seals something for the centers and the other readers of the town that are known now, and for this node. Where they are
    /// more than one record can name, the centers come first: they can hand it on.
    ///
    /// # Errors
    /// [`NoCenter`] where it cannot be sealed to anybody.
    pub fn seal_for(
        &mut self,
        document: DocumentId,
        plain: &[u8],
        is_reader: impl Fn(&Certificate) -> bool,
    ) -> Result<Confidential, NoCenter> {
        let mut key = [0; KEY_LEN];
        self.rng.fill_bytes(&mut key);
        let is_center = |own: &Certificate| own.role == NodeRole::Center;
        let centers = self.trust.nodes().filter(|(.., own)| is_center(own));
        let others = self.trust.nodes().filter(|(.., own)| !is_center(own) && is_reader(own));
        let mut recipients: BTreeMap<[u8; 32], Vec<u8>> =
            centers.chain(others).take(MAX_RECIPIENTS - 1).map(|(.., own)| (own.exchange, key.to_vec())).collect();
        recipients.insert(self.own.exchange, key.to_vec());
        let (ephemeral, shares) = seal::seal_to_each(&recipients, &mut *self.rng);
        let sealed = seal::seal_once(&key, plain, &document.0).map_err(|_| NoCenter)?;
        Ok(Confidential { ephemeral, shares: shares.into_iter().collect(), sealed })
    }

    /// Opens what was sealed for few; `None` where this node is none of those it was sealed for, or it was altered.
    pub fn open_confidential(&self, document: DocumentId, sealed: &Confidential) -> Option<Vec<u8>> {
        let (_, share) = sealed.shares.iter().find(|(recipient, _)| *recipient == self.own.exchange)?;
        let key = seal::open_own(&self.identity.exchange, &sealed.ephemeral, share).ok()?;
        let key: [u8; KEY_LEN] = key.try_into().ok()?;
        seal::open_once(&key, &sealed.sealed, &document.0).ok()
    }
}
