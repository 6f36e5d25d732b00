//! Key runs: consecutive rows of one key shelf with the seal of its author.
//!
//! # Format
//!
//! After the code of the message: `namespace, author, epoch, index of the first row, rows of 32 bytes each in one byte
//! string, certificate id, signature`. There is at least one row, and all lie in one block; the signature is that of
//! [`crate::shelf`] over the shelf up to the last of them.

use minicbor::{Decoder, Encoder};

use super::message::{MessageError, Written};
use crate::id::{CertificateId, NamespaceId, NodeId};
use crate::seal::{self, ShelfId, WRAPPED_LEN};
use crate::shelf::{self, MAX_ROWS, Shelf, ShelfSeal};

/// Parts of the message with its code.
pub(super) const PARTS: u64 = 8;

/// Consecutive rows of a key shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRun {
    /// Which namespace.
    pub namespace: NamespaceId,
    /// Who minted the keys.
    pub author: NodeId,
    /// During which opening of the author's store.
    pub epoch: u64,
    /// Index of the first.
    pub start: u32,
    /// The wrapped keys.
    pub keys: Vec<[u8; WRAPPED_LEN]>,
    /// The author's word for the shelf up to the last of them.
    pub seal: ShelfSeal,
}

impl KeyRun {
    /// Which shelf.
    pub fn shelf(&self) -> ShelfId {
        seal::shelf_id(self.namespace, &self.author.0, self.epoch)
    }

    /// The shelf without rows.
    pub fn empty_shelf(&self) -> Shelf {
        Shelf::empty(self.namespace, self.author, self.epoch)
    }

    /// Number of rows on the shelf with these.
    pub fn end(&self) -> u32 {
        self.start.saturating_add(u32::try_from(self.keys.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        e.bytes(&self.namespace.0)?.bytes(&self.author.0)?.u64(self.epoch)?.u32(self.start)?;
        e.bytes(self.keys.as_flattened())?.bytes(&self.seal.certificate.0)?.bytes(&self.seal.signature)?.ok()
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        let (namespace, author) = (NamespaceId(MessageError::fixed(d)?), NodeId(MessageError::fixed(d)?));
        let (epoch, start) = (d.u64()?, d.u32()?);
        let (keys, rest) = d.bytes()?.as_chunks::<WRAPPED_LEN>();
        if !rest.is_empty() {
            return Err(MessageError::Malformed("a person key is cut off"));
        }
        let count = MessageError::bounded(Some(keys.len() as u64), shelf::BLOCK as usize, "person keys")?;
        if count == 0 || start >= MAX_ROWS || start + count as u32 > shelf::block_end(start) {
            return Err(MessageError::Malformed("person keys that are not of one block"));
        }
        let keys = keys.to_vec();
        let seal =
            ShelfSeal { certificate: CertificateId(MessageError::fixed(d)?), signature: MessageError::fixed(d)? };
        Ok(Self { namespace, author, epoch, start, keys, seal })
    }
}
