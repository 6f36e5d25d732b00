//! Records that the centers and their author alone can read, whoever holds the namespace that they lie in.

use std::collections::BTreeMap;

use super::Replica;
use crate::certificate::NodeRole;
use crate::domain::track::{MAX_RECIPIENTS, SealedTrack};
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
    pub fn seal_for_centers(&mut self, document: DocumentId, plain: &[u8]) -> Result<SealedTrack, NoCenter> {
        let mut key = [0; KEY_LEN];
        self.rng.fill_bytes(&mut key);
        let centers = self.trust.nodes().filter(|(.., own)| own.role == NodeRole::Center);
        let mut recipients: BTreeMap<[u8; 32], Vec<u8>> =
            centers.take(MAX_RECIPIENTS - 1).map(|(.., own)| (own.exchange, key.to_vec())).collect();
        if recipients.is_empty() {
            return Err(NoCenter);
        }
        recipients.insert(self.own.exchange, key.to_vec());
        let (ephemeral, shares) = seal::seal_to_each(&recipients, &mut *self.rng);
        let sealed = seal::seal_once(&key, plain, &document.0).map_err(|_| NoCenter)?;
        Ok(SealedTrack { ephemeral, shares: shares.into_iter().collect(), sealed })
    }

    /// Opens what was sealed for the centers; `None` where this node is none of those it was sealed for, or it was altered.
    pub fn open_for_centers(&self, document: DocumentId, sealed: &SealedTrack) -> Option<Vec<u8>> {
        let (_, share) = sealed.shares.iter().find(|(recipient, _)| *recipient == self.own.exchange)?;
        let key = seal::open_own(&self.identity.exchange, &sealed.ephemeral, share).ok()?;
        let key: [u8; KEY_LEN] = key.try_into().ok()?;
        seal::open_once(&key, &sealed.sealed, &document.0).ok()
    }
}
