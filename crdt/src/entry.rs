//! Entries: the signed units of a log.
//!
//! # Format 1
//!
//! A *log* is one author's entries in one namespace, lane and epoch. Its id is 57 bytes:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 16 | namespace |
//! | 16 | 32 | author: Ed25519 public key |
//! | 48 | 8 | epoch: random per opening of the store |
//! | 56 | 1 | lane |
//!
//! A *header* is exactly 190 bytes, integers big-endian:
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 1 | format: 1 |
//! | 1 | 57 | log id |
//! | 58 | 8 | seq: 1 for the first entry |
//! | 66 | 32 | backlink: entry id of seq - 1; for seq 1 BLAKE3(log id) |
//! | 98 | 8 | hybrid time |
//! | 106 | 32 | certificate id of the author |
//! | 138 | 16 | key id of the namespace key; zeros: the body is not sealed (only in `auth`) |
//! | 154 | 4 | body length |
//! | 158 | 32 | BLAKE3 of the body |
//!
//! Entry id = BLAKE3(header). Signature = Ed25519 over `"townmesh/entry/1" ‖ header`. The fixed layout has one
//! encoding for each header, so what is hashed is what was received. A run of entries needs only the signature
//! at its end: each backlink vouches for the entry before it.

use ed25519_dalek::{Signer, SigningKey};

use crate::bounds;
use crate::clock::HybridTime;
use crate::id::{CertificateId, EntryId, KeyId, NamespaceId, NodeId};
use crate::signature;

/// Length of an encoded [`LogId`].
pub const LOG_ID_LEN: usize = 57;
/// Length of an encoded [`Header`].
pub const HEADER_LEN: usize = 190;
/// Length of the part of the header that a sealed body is bound to: all but the body's length and hash.
pub const HEADER_BOUND_LEN: usize = 154;
/// Length of an Ed25519 signature.
pub const SIGNATURE_LEN: usize = 64;

const FORMAT: u8 = 1;
const SIGNATURE_CONTEXT: &[u8] = b"townmesh/entry/1";

/// How urgent an entry is; in the clear, so that a carrier can order what it cannot read (DESIGN 12.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Command messages, open cases, alarms, everything in `auth`.
    Urgent = 0,
    /// What people record.
    Work = 1,
    /// Imports.
    Bulk = 2,
    /// Packed device events and positions.
    Telemetry = 3,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 4] = [Self::Urgent, Self::Work, Self::Bulk, Self::Telemetry];

    /// The lane with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The lane's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Work => "work",
            Self::Bulk => "bulk",
            Self::Telemetry => "telemetry",
        }
    }
}

/// One author's entries in one namespace, lane and epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// Where.
    pub namespace: NamespaceId,
    /// By whom.
    pub author: NodeId,
    /// During which opening of the author's store.
    pub epoch: u64,
    /// How urgent.
    pub lane: Lane,
}

impl LogId {
    /// The 57 bytes of the module's first table.
    pub fn to_bytes(self) -> [u8; LOG_ID_LEN] {
        let mut bytes = [0; LOG_ID_LEN];
        bytes[..16].copy_from_slice(&self.namespace.0);
        bytes[16..48].copy_from_slice(&self.author.0);
        bytes[48..56].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[56] = self.lane as u8;
        bytes
    }

    /// Reads 57 bytes; `None` for an unknown lane.
    pub fn from_bytes(bytes: &[u8; LOG_ID_LEN]) -> Option<Self> {
        let mut reader = Reader(bytes);
        Some(Self {
            namespace: NamespaceId(reader.take()?),
            author: NodeId(reader.take()?),
            epoch: u64::from_be_bytes(reader.take()?),
            lane: Lane::from_code(u8::from_be_bytes(reader.take()?))?,
        })
    }

    /// The backlink of the first entry.
    pub fn origin(self) -> EntryId {
        EntryId(blake3::hash(&self.to_bytes()).into())
    }
}

/// Everything about an entry but its body and signature. See the module for the layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The log it belongs to.
    pub log: LogId,
    /// Its place there, from 1.
    pub seq: u64,
    /// The entry before it.
    pub backlink: EntryId,
    /// When, by the author's hybrid clock.
    pub time: HybridTime,
    /// By which right.
    pub certificate: CertificateId,
    /// Sealed with which key; zeros for a body in the clear.
    pub key: KeyId,
    /// Length of the body in bytes.
    pub body_len: u32,
    /// BLAKE3 of the body.
    pub body_hash: [u8; 32],
}

/// Why bytes are not an acceptable entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The header has another length, an unknown lane, seq 0 or another format.
    #[error("entry header is malformed ({0}); the sender may run a newer version: upgrade this node")]
    Malformed(&'static str),
    /// The body is larger than [`bounds::MAX_BODY`].
    #[error("entry body of {0} bytes exceeds the limit of {limit} bytes", limit = bounds::MAX_BODY)]
    Oversized(usize),
    /// The body is not the one that the header names.
    #[error("entry body does not match the hash in its header: it was damaged or altered on the way")]
    WrongBody,
    /// The signature is not the author's.
    #[error("signature of author {0} does not match: the entry was forged or damaged")]
    WrongSignature(NodeId),
}

impl Header {
    /// The 190 bytes of the module's second table.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0] = FORMAT;
        bytes[1..58].copy_from_slice(&self.log.to_bytes());
        bytes[58..66].copy_from_slice(&self.seq.to_be_bytes());
        bytes[66..98].copy_from_slice(&self.backlink.0);
        bytes[98..106].copy_from_slice(&self.time.0.to_be_bytes());
        bytes[106..138].copy_from_slice(&self.certificate.0);
        bytes[138..154].copy_from_slice(&self.key.0);
        bytes[154..158].copy_from_slice(&self.body_len.to_be_bytes());
        bytes[158..190].copy_from_slice(&self.body_hash);
        bytes
    }

    /// Reads 190 bytes.
    ///
    /// # Errors
    /// [`EntryError::Malformed`] and [`EntryError::Oversized`].
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self, EntryError> {
        let mut reader = Reader(bytes);
        let format = reader.take::<1>().ok_or(EntryError::Malformed("length"))?;
        if format != [FORMAT] {
            return Err(EntryError::Malformed("format"));
        }
        let header = Self::read(&mut reader).ok_or(EntryError::Malformed("lane"))?;
        if header.seq == 0 {
            return Err(EntryError::Malformed("seq"));
        }
        match usize::try_from(header.body_len) {
            Ok(length) if length <= bounds::MAX_BODY => Ok(header),
            _ => Err(EntryError::Oversized(header.body_len as usize)),
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            log: LogId::from_bytes(&reader.take()?)?,
            seq: u64::from_be_bytes(reader.take()?),
            backlink: EntryId(reader.take()?),
            time: HybridTime(u64::from_be_bytes(reader.take()?)),
            certificate: CertificateId(reader.take()?),
            key: KeyId(reader.take()?),
            body_len: u32::from_be_bytes(reader.take()?),
            body_hash: reader.take()?,
        })
    }

    /// The entry id.
    pub fn id(&self) -> EntryId {
        EntryId(blake3::hash(&self.to_bytes()).into())
    }
}

/// A header with its body and, where it was kept, its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The header.
    pub header: Header,
    /// Ed25519 signature; inside a run that was received from a peer it may be absent.
    pub signature: Option<[u8; SIGNATURE_LEN]>,
    /// The body as stored and sent, sealed unless the key id is zeros.
    pub body: Vec<u8>,
}

impl Entry {
    /// The entry id.
    pub fn id(&self) -> EntryId {
        self.header.id()
    }

    /// Whether it has its author's signature, and that is right.
    pub fn is_signed_by_author(&self) -> bool {
        self.signature.is_some_and(|signature| verify(&self.header, &signature).is_ok())
    }

    /// Compares the body with its length and hash in the header.
    ///
    /// # Errors
    /// [`EntryError::WrongBody`].
    pub fn check_body(&self) -> Result<(), EntryError> {
        let whole = self.body.len() == self.header.body_len as usize;
        if whole && blake3::hash(&self.body).as_bytes() == &self.header.body_hash {
            Ok(())
        } else {
            Err(EntryError::WrongBody)
        }
    }

    /// The stored form: header, one byte 0 or 1, the signature where that byte is 1, body.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_LEN + 1 + SIGNATURE_LEN + self.body.len());
        bytes.extend_from_slice(&self.header.to_bytes());
        match &self.signature {
            Some(signature) => {
                bytes.push(1);
                bytes.extend_from_slice(signature);
            }
            None => bytes.push(0),
        }
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// Reads the stored form. The body is not compared with its hash.
    ///
    /// # Errors
    /// [`EntryError::Malformed`], [`EntryError::Oversized`], and [`EntryError::WrongBody`] for another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EntryError> {
        let mut reader = Reader(bytes);
        let header = Header::from_bytes(&reader.take().ok_or(EntryError::Malformed("length"))?)?;
        let signature = match reader.take::<1>() {
            Some([0]) => None,
            Some([1]) => Some(reader.take().ok_or(EntryError::Malformed("signature"))?),
            Some(_) | None => return Err(EntryError::Malformed("signature")),
        };
        let body = reader.0;
        if body.len() != header.body_len as usize {
            return Err(EntryError::WrongBody);
        }
        Ok(Self { header, signature, body: body.to_vec() })
    }
}

/// Signs a header.
pub fn sign(header: &Header, key: &SigningKey) -> [u8; SIGNATURE_LEN] {
    key.sign(&signed_bytes(header)).to_bytes()
}

/// Checks a header's signature strictly (RFC 8032, with small-order keys refused).
///
/// # Errors
/// [`EntryError::WrongSignature`].
pub fn verify(header: &Header, signature: &[u8; SIGNATURE_LEN]) -> Result<(), EntryError> {
    signature::verify(&header.log.author.0, &signed_bytes(header), signature)
        .map_err(|_| EntryError::WrongSignature(header.log.author))
}

fn signed_bytes(header: &Header) -> [u8; SIGNATURE_CONTEXT.len() + HEADER_LEN] {
    let mut bytes = [0; SIGNATURE_CONTEXT.len() + HEADER_LEN];
    bytes[..SIGNATURE_CONTEXT.len()].copy_from_slice(SIGNATURE_CONTEXT);
    bytes[SIGNATURE_CONTEXT.len()..].copy_from_slice(&header.to_bytes());
    bytes
}

/// Takes fixed-size pieces off the front of a slice.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (piece, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*piece)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_header() -> impl Strategy<Value = Header> {
        (
            any::<([u8; 16], [u8; 32], u64, u8)>(),
            any::<([u8; 32], u64, [u8; 32], [u8; 16], [u8; 32])>(),
            1..u64::MAX,
            0..=bounds::MAX_BODY as u32,
        )
            .prop_map(
                |((namespace, author, epoch, lane), (backlink, time, certificate, key, body_hash), seq, body_len)| {
                    Header {
                        log: LogId {
                            namespace: NamespaceId(namespace),
                            author: NodeId(author),
                            epoch,
                            lane: Lane::ALL[usize::from(lane % 4)],
                        },
                        seq,
                        backlink: EntryId(backlink),
                        time: HybridTime(time),
                        certificate: CertificateId(certificate),
                        key: KeyId(key),
                        body_len,
                        body_hash,
                    }
                },
            )
    }

    fn signed_entry(key: &SigningKey, body: &[u8]) -> Entry {
        let log = LogId {
            namespace: NamespaceId([7; 16]),
            author: NodeId(key.verifying_key().to_bytes()),
            epoch: 3,
            lane: Lane::Work,
        };
        let header = Header {
            log,
            seq: 1,
            backlink: log.origin(),
            time: HybridTime::at(9),
            certificate: CertificateId([1; 32]),
            key: KeyId([0; 16]),
            body_len: body.len() as u32,
            body_hash: blake3::hash(body).into(),
        };
        Entry { header, signature: Some(sign(&header, key)), body: body.to_vec() }
    }

    proptest! {
        #[test]
        fn headers_round_trip(header in any_header()) {
            prop_assert_eq!(Header::from_bytes(&header.to_bytes()).unwrap(), header);
        }

        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Entry::from_bytes(&bytes);
        }

        #[test]
        fn one_flipped_bit_is_noticed(bit in 0usize..(HEADER_LEN + 1 + SIGNATURE_LEN + 5) * 8) {
            let key = SigningKey::from_bytes(&[4; 32]);
            let mut bytes = signed_entry(&key, b"hello").to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let accepted = Entry::from_bytes(&bytes).is_ok_and(|entry| {
                entry.check_body().is_ok() && entry.signature.is_some_and(|signature| verify(&entry.header, &signature).is_ok())
            });
            prop_assert!(!accepted);
        }
    }

    #[test]
    fn a_weak_author_key_is_refused() {
        let key = SigningKey::from_bytes(&[4; 32]);
        let mut entry = signed_entry(&key, b"");
        // The neutral element of the curve: any signature (R = that point, s = 0) passes a lax check.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        entry.header.log.author = NodeId(neutral);
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(verify(&entry.header, &signature), Err(EntryError::WrongSignature(NodeId(neutral))));
    }
}
