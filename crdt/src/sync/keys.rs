//! Key runs: consecutive rows of one key shelf with the seal of its author.
//!
//! # Format
//!
//! After the code of the message: `namespace, author, epoch, index of the first row, rows of 32 bytes each in one byte
//! string, [destroyed...], certificate id, signature`. There is at least one row, and all lie in one block; of a row whose
//! number, counted from the first as 0, is among the ascending `destroyed` the hash is sent. The signature is that of
//! [`crate::shelf`] over the shelf up to the last of them.

use minicbor::{Decoder, Encoder};

use super::message::{MessageError, Written};
use crate::id::{CertificateId, NamespaceId, NodeId};
use crate::seal::{self, ShelfId, WRAPPED_LEN};
use crate::shelf::{self, MAX_ROWS, Row, Shelf, ShelfSeal};

/// Parts of the message with its code.
pub(super) const PARTS: u64 = 9;

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
    /// The wrapped keys, or what is left of them.
    pub keys: Vec<Row>,
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
        let rows: Vec<u8> = self
            .keys
            .iter()
            .flat_map(|row| match row {
                Row::Key(bytes) | Row::Destroyed(bytes) => *bytes,
            })
            .collect();
        let destroyed: Vec<u32> = (0..)
            .zip(&self.keys)
            .filter(|(_, row)| matches!(row, Row::Destroyed(_)))
            .map(|(number, _)| number)
            .collect();
        e.bytes(&rows)?.array(destroyed.len() as u64)?;
        for number in destroyed {
            e.u32(number)?;
        }
        e.bytes(&self.seal.certificate.0)?.bytes(&self.seal.signature)?.ok()
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
        let mut keys: Vec<Row> = keys.iter().map(|wrapped| Row::Key(*wrapped)).collect();
        let mut next = 0;
        for _ in 0..MessageError::bounded(d.array()?, count, "destroyed keys")? {
            let number = d.u32()? as usize;
            let row = keys.get_mut(number).filter(|_| number >= next);
            let row =
                row.ok_or(MessageError::Malformed("a destroyed key that is not among the rows, or not in order"))?;
            if let Row::Key(hash) = *row {
                *row = Row::Destroyed(hash);
            }
            next = number + 1;
        }
        let seal =
            ShelfSeal { certificate: CertificateId(MessageError::fixed(d)?), signature: MessageError::fixed(d)? };
        Ok(Self { namespace, author, epoch, start, keys, seal })
    }
}
