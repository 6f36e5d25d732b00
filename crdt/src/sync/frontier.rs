//! Frontiers: what a node holds of a namespace, in pages; and digests by bucket, which narrow down what has to be listed.
//!
//! # Digests
//!
//! The digest of a namespace is the first 16 bytes of BLAKE3 over, for each log of which entries are held, in order of log
//! id, `log id (57) ‖ seq (8) ‖ head (32)` as far as the log counts (up to a proven fork, and in `auth` up to its quota);
//! then for each key shelf in order of id `shelf (8) ‖ count (4) ‖ chain (32)`, without the chain if no certificate of the
//! shelf's author is in force; then, in `auth`, the keys (32) of those authors, in order, that exceeded their quota, whose
//! logs are left out. Integers are big-endian.
//!
//! A log belongs to the bucket that is numbered by the first byte of BLAKE3(log id), a key shelf to that of the first
//! byte of its id. The digest of a bucket is the first 8 bytes of BLAKE3 over the same for its logs and shelves, without
//! the authors at the end.
//!
//! # Formats
//!
//! After the code of the message:
//! - frontier: `namespace, buckets, [[author, epoch, lane, seq, head]...], [[shelf, count]...], more`. `buckets` is a
//!   byte string: empty for all of them, or 32 bytes in which bit `n % 8` of byte `n / 8` stands for bucket `n`. The page
//!   lists what the sender holds in these; `more` (a boolean) says that another page follows.
//! - bucket digests: `namespace, digests`: 256 digests of 8 bytes each in one byte string.

use minicbor::{Decoder, Encoder};

use super::message::{MessageError, Written};
use crate::bounds;
use crate::entry::{Lane, LogId};
use crate::id::{EntryId, NamespaceId, NodeId};
use crate::seal::ShelfId;

/// Number of buckets.
pub const BUCKETS: usize = 256;

/// Digest of one bucket.
pub type BucketDigest = [u8; 8];

/// How far one log is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogHeight {
    /// Whose.
    pub author: NodeId,
    /// From which opening of the author's store.
    pub epoch: u64,
    /// Which lane.
    pub lane: Lane,
    /// Up to which seq.
    pub seq: u64,
    /// The entry there.
    pub head: EntryId,
}

impl LogHeight {
    /// The log within a namespace.
    pub fn log(&self, namespace: NamespaceId) -> LogId {
        LogId { namespace, author: self.author, epoch: self.epoch, lane: self.lane }
    }
}

/// A set of buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Buckets([u8; BUCKETS / 8]);

impl Buckets {
    /// All of them.
    pub const ALL: Self = Self([0xff; BUCKETS / 8]);
    /// None.
    pub const NONE: Self = Self([0; BUCKETS / 8]);

    /// The bucket of a log.
    pub fn of_log(log: &LogId) -> u8 {
        log.origin().0[0]
    }

    /// The bucket of a key shelf.
    pub fn of_shelf(shelf: &ShelfId) -> u8 {
        shelf[0]
    }

    /// Whether a bucket is in the set.
    pub fn contains(&self, bucket: u8) -> bool {
        self.0[usize::from(bucket / 8)] & (1 << (bucket % 8)) != 0
    }

    /// Adds a bucket.
    pub fn insert(&mut self, bucket: u8) {
        self.0[usize::from(bucket / 8)] |= 1 << (bucket % 8);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte |= other);
    }

    /// Takes away what is not in another set.
    pub fn keep_only(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte &= other);
    }

    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        if *self == Self::ALL { e.bytes(&[])?.ok() } else { e.bytes(&self.0)?.ok() }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        let bytes = d.bytes()?;
        if bytes.is_empty() {
            return Ok(Self::ALL);
        }
        bytes.try_into().map(Self).map_err(|_| MessageError::Malformed("a set of buckets has the wrong length"))
    }
}

/// One page of what the sender holds of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontier {
    /// Which.
    pub namespace: NamespaceId,
    /// What is listed on this page and those that follow it.
    pub buckets: Buckets,
    /// Logs.
    pub logs: Vec<LogHeight>,
    /// Key shelves and how many keys of each are held.
    pub shelves: Vec<(ShelfId, u32)>,
    /// Another page follows.
    pub more: bool,
}

impl Frontier {
    pub(super) fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        e.bytes(&self.namespace.0)?;
        self.buckets.encode(e)?;
        e.array(self.logs.len() as u64)?;
        for log in &self.logs {
            e.array(5)?.bytes(&log.author.0)?.u64(log.epoch)?.u8(log.lane as u8)?.u64(log.seq)?.bytes(&log.head.0)?;
        }
        e.array(self.shelves.len() as u64)?;
        for (shelf, count) in &self.shelves {
            e.array(2)?.bytes(shelf)?.u32(*count)?;
        }
        e.bool(self.more)?.ok()
    }

    pub(super) fn decode(d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        let (namespace, buckets) = (NamespaceId(MessageError::fixed(d)?), Buckets::decode(d)?);
        let mut logs = Vec::new();
        for _ in 0..MessageError::bounded(d.array()?, bounds::MAX_FRONTIER, "logs in a frontier")? {
            MessageError::exactly(d.array()?, 5)?;
            let (author, epoch, lane) = (NodeId(MessageError::fixed(d)?), d.u64()?, d.u8()?);
            let lane = Lane::from_code(lane).ok_or(MessageError::Malformed("unknown lane"))?;
            logs.push(LogHeight { author, epoch, lane, seq: d.u64()?, head: EntryId(MessageError::fixed(d)?) });
        }
        let mut shelves = Vec::new();
        for _ in 0..MessageError::bounded(d.array()?, bounds::MAX_FRONTIER, "shelves in a frontier")? {
            MessageError::exactly(d.array()?, 2)?;
            shelves.push((MessageError::fixed(d)?, d.u32()?));
        }
        Ok(Self { namespace, buckets, logs, shelves, more: d.bool()? })
    }
}

pub(super) fn encode_digests(e: &mut Encoder<&mut Vec<u8>>, digests: &[BucketDigest]) -> Written {
    e.bytes(digests.as_flattened())?.ok()
}

pub(super) fn decode_digests(d: &mut Decoder<'_>) -> Result<Vec<BucketDigest>, MessageError> {
    match d.bytes()?.as_chunks() {
        (digests, []) if digests.len() == BUCKETS => Ok(digests.to_vec()),
        _ => Err(MessageError::Malformed("there is not one digest for each bucket")),
    }
}
