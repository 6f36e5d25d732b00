//! Key shelves: persons' wrapped keys, vouched for by the node that minted them.
//!
//! The keys that an author mints in one namespace during one opening of its store lie on one *shelf*, one after
//! another, wrapped (32 bytes each, see [`crate::seal`]). Everybody who passes them on, carriers too, checks that they
//! are the author's: otherwise one wrong row would block a person's data for ever.
//!
//! # Format 1
//!
//! Integers are big-endian. The chain of a shelf runs over its rows:
//!
//! - `chain(0)` = BLAKE3, derive-key context `townmesh 2026-11 key shelf chain`, over `namespace (16) ‖ author (32) ‖
//!   epoch (8)`;
//! - `chain(n + 1)` = BLAKE3(`chain(n) ‖ BLAKE3(row n)`). Of a row only the hash goes in, so that a destroyed row can be
//!   replaced by its hash without breaking the chain.
//!
//! A *seal* of the first `count` rows is Ed25519 by the author over `"townmesh/shelf/1" ‖ namespace (16) ‖ author (32) ‖
//! epoch (8) ‖ certificate id (32) ‖ count (4) ‖ chain(count) (32)`. Rows lie in blocks of [`BLOCK`]; each full block
//! has a seal at its end, made when its last key was minted. Of the last, unfinished block the newest seal is kept; the
//! author makes it when it sends the block, so that an edit costs no signature.

use ed25519_dalek::{Signer, SigningKey};

use crate::entry::{Reader, SIGNATURE_LEN};
use crate::id::{CertificateId, NamespaceId, NodeId};
use crate::seal::{self, ShelfId, WRAPPED_LEN};
use crate::signature;

/// Rows of one block: most keys that travel under one signature.
pub const BLOCK: u32 = 1024;
/// Most rows of one shelf: far more than a town has residents.
pub const MAX_ROWS: u32 = 1 << 24;

const CHAIN_CONTEXT: &str = "townmesh 2026-11 key shelf chain";
const SIGNATURE_CONTEXT: &[u8] = b"townmesh/shelf/1";
const SHELF_LEN: usize = 32 + 8 + 4 + 32;
const SIGNED_LEN: usize = SIGNATURE_CONTEXT.len() + 16 + 32 + 8 + 32 + 4 + 32;

/// A row of a shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Row {
    /// A wrapped key.
    Key([u8; WRAPPED_LEN]),
    /// The hash that is left of a destroyed one.
    Destroyed([u8; 32]),
}

impl Row {
    /// BLAKE3 of the wrapped key.
    pub fn hash(&self) -> [u8; 32] {
        match self {
            Self::Key(wrapped) => blake3::hash(wrapped).into(),
            Self::Destroyed(hash) => *hash,
        }
    }

    /// What is left of the row.
    #[must_use]
    pub fn destroyed(&self) -> Self {
        Self::Destroyed(self.hash())
    }
}

/// How far a shelf is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shelf {
    /// Who minted its keys.
    pub author: NodeId,
    /// During which opening of the author's store.
    pub epoch: u64,
    /// How many rows are held, without gaps from the first.
    pub count: u32,
    /// The chain over them.
    pub chain: [u8; 32],
}

/// The author's word for the rows of a shelf up to some count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShelfSeal {
    /// By which right.
    pub certificate: CertificateId,
    /// See the module.
    pub signature: [u8; SIGNATURE_LEN],
}

impl Shelf {
    /// A shelf without rows.
    pub fn empty(namespace: NamespaceId, author: NodeId, epoch: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CHAIN_CONTEXT);
        hasher.update(&namespace.0);
        hasher.update(&author.0);
        hasher.update(&epoch.to_be_bytes());
        Self { author, epoch, count: 0, chain: hasher.finalize().into() }
    }

    /// Its id in a namespace.
    pub fn id(&self, namespace: NamespaceId) -> ShelfId {
        seal::shelf_id(namespace, &self.author.0, self.epoch)
    }

    /// Adds a row; false, and nothing added, if the shelf is full.
    pub fn push(&mut self, row: &Row) -> bool {
        if self.count >= MAX_ROWS {
            return false;
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.chain);
        hasher.update(&row.hash());
        self.chain = hasher.finalize().into();
        self.count += 1;
        true
    }

    /// Signs the rows so far; `key` is the author's.
    pub fn sign(&self, namespace: NamespaceId, certificate: CertificateId, key: &SigningKey) -> ShelfSeal {
        let signature = key.sign(&self.signed_bytes(namespace, certificate)).to_bytes();
        ShelfSeal { certificate, signature }
    }

    /// Whether the author signed exactly these rows. Whether the certificate is the author's is for the caller.
    pub fn is_sealed_by(&self, namespace: NamespaceId, seal: &ShelfSeal) -> bool {
        let signed = self.signed_bytes(namespace, seal.certificate);
        signature::verify(&self.author.0, &signed, &seal.signature).is_ok()
    }

    fn signed_bytes(&self, namespace: NamespaceId, certificate: CertificateId) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIGNED_LEN);
        bytes.extend_from_slice(SIGNATURE_CONTEXT);
        bytes.extend_from_slice(&namespace.0);
        bytes.extend_from_slice(&self.author.0);
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&certificate.0);
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.chain);
        bytes
    }

    /// The stored form: author (32) ‖ epoch (8) ‖ count (4) ‖ chain (32).
    pub(crate) fn to_bytes(self) -> [u8; SHELF_LEN] {
        let mut bytes = [0; SHELF_LEN];
        bytes[..32].copy_from_slice(&self.author.0);
        bytes[32..40].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[40..44].copy_from_slice(&self.count.to_be_bytes());
        bytes[44..].copy_from_slice(&self.chain);
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(Self {
            author: NodeId(reader.take()?),
            epoch: u64::from_be_bytes(reader.take()?),
            count: u32::from_be_bytes(reader.take()?),
            chain: reader.take()?,
        })
    }
}

/// The count at which the block ends that the row after `start` rows lies in.
pub fn block_end(start: u32) -> u32 {
    (start / BLOCK).saturating_add(1).saturating_mul(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seal_is_for_one_author_namespace_epoch_and_these_rows() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let (namespace, certificate) = (NamespaceId([2; 16]), CertificateId([3; 32]));
        let author = NodeId(key.verifying_key().to_bytes());
        let mut shelf = Shelf::empty(namespace, author, 7);
        assert!(shelf.push(&Row::Key([4; WRAPPED_LEN])) && shelf.push(&Row::Key([5; WRAPPED_LEN])));
        let seal = shelf.sign(namespace, certificate, &key);
        assert!(shelf.is_sealed_by(namespace, &seal));
        assert_eq!(Shelf::from_bytes(&shelf.to_bytes()), Some(shelf));

        let mut half_destroyed = Shelf::empty(namespace, author, 7);
        assert!(half_destroyed.push(&Row::Key([4; WRAPPED_LEN]).destroyed()));
        assert!(half_destroyed.push(&Row::Key([5; WRAPPED_LEN])));
        assert!(half_destroyed.is_sealed_by(namespace, &seal), "the hash stands for the row");

        assert!(!shelf.is_sealed_by(NamespaceId([9; 16]), &seal));
        assert!(!shelf.is_sealed_by(namespace, &ShelfSeal { certificate: CertificateId([9; 32]), ..seal }));
        let mut other = Shelf::empty(namespace, author, 7);
        assert!(other.push(&Row::Key([5; WRAPPED_LEN])) && other.push(&Row::Key([4; WRAPPED_LEN])));
        let wrong = [
            other,
            Shelf { epoch: 8, ..shelf },
            Shelf { count: 3, ..shelf },
            Shelf { author: NodeId([6; 32]), ..shelf },
        ];
        for wrong in wrong {
            assert!(!wrong.is_sealed_by(namespace, &seal), "{wrong:?}");
        }
    }

    #[test]
    fn rows_of_one_block_end_together() {
        assert_eq!([0, 1, BLOCK - 1, BLOCK].map(block_end), [BLOCK, BLOCK, BLOCK, 2 * BLOCK]);
        assert!(block_end(u32::MAX) >= u32::MAX - BLOCK);
    }
}
