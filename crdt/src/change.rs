//! Changes and bodies: what an entry says, before it is sealed.
//!
//! # Format
//!
//! A plain body is one codec byte and its payload: `0` as is, `1` zstd, `2` zstd with the dictionary whose
//! four-byte name follows. The payload is a CBOR array (RFC 8949) of items, each an array that begins with its
//! item code; a decoder skips items with codes it does not know, so a newer node may add some.
//!
//! | code | item | rest of the array |
//! |---|---|---|
//! | 0 | change | kind, document id, [dep hash (32 bytes)...], [assertion...] |
//! | 1 | record | kind, document id, bytes |
//! | 2 | epoch | epoch, seq and head of the log that this one continues |
//! | 3 | seen | digest of the `auth` namespace that the author held from here on |
//!
//! An assertion is `[record key, {field: value...}, [superseded assertion id (8 bytes)...]]`. Field 255 is the account of who wrote
//! it ([`WRITTEN_BY`]).
//!
//! A change is one Automerge change with everything left out that a receiver derives (see
//! [`crate::document`]): actor, seq, start_op, time, op ids, object ids and actions. What cannot be written
//! cannot be attacked: no byte of Automerge's own formats is ever accepted from a peer, so the crafted changes
//! that crash its decoders have no way in (DESIGN 12.12).

use std::collections::BTreeSet;

use minicbor::{Decode, Decoder, Encode, Encoder};

use crate::bounds;
use crate::id::{DocumentId, EntryId, RecordId};
use crate::value::{FieldId, Fields, Value, WRITTEN_BY};

/// SHA-256 hash of an Automerge change.
pub type ChangeHash = [u8; 32];

/// Names an assertion within its document: the first eight bytes of the change's actor.
pub type AssertionId = [u8; 8];

/// Key of a record within a document: empty for the document itself, a resident's id for a resident.
pub type RecordKey = Vec<u8>;

/// What this version understands: one more with each kind of item, value, document or record that is added. What a lower
/// one had to pass over is then looked at again, and shown.
pub const READS: u32 = 3;

/// Longest record key in bytes.
pub const MAX_RECORD_KEY: usize = 16;

/// One author's statement about some fields of one record, made once and never altered (DESIGN 12.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// Which record.
    pub record: RecordKey,
    /// What its fields are from now on.
    pub fields: Fields,
    /// The assertions whose values for these fields the author saw and replaced.
    pub supersedes: BTreeSet<AssertionId>,
}

/// One entry's assertions about one document.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// The heads that the author's copy of the document had.
    pub deps: Vec<ChangeHash>,
    /// At most one assertion for each record.
    pub assertions: Vec<Assertion>,
}

/// What an entry holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Mutable fields of a document.
    Change {
        /// Code of a [`crate::policy::DocumentKind`].
        kind: u8,
        /// Which document.
        document: DocumentId,
        /// What changed.
        change: Change,
    },
    /// An immutable record that belongs to a document: an inspection, a case event, a batch of device events.
    Record {
        /// Code of a [`crate::policy::DocumentKind`].
        kind: u8,
        /// Which document.
        document: DocumentId,
        /// The record; its id is their hash.
        bytes: Vec<u8>,
    },
    /// First item of the first entry of a log that continues another of the same author.
    Epoch {
        /// Epoch of the log that ended.
        epoch: u64,
        /// Seq of its last entry.
        seq: u64,
        /// Its last entry.
        head: EntryId,
    },
    /// What the author knew of certificates and policy from this entry on (DESIGN 12.5).
    Seen {
        /// Digest of the `auth` namespace.
        auth: [u8; 16],
    },
}

/// Why a body cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not the CBOR that the module describes.
    #[error("entry body is malformed: {0}")]
    Malformed(String),
    /// More of something than [`bounds`] allows.
    #[error("entry body exceeds the limit of {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// Compressed with something this version does not have.
    #[error("entry body is compressed with codec {0:02x} that this version does not know: upgrade this node")]
    UnknownCodec(u8),
    /// Decompression failed or would exceed the limit.
    #[error("entry body cannot be decompressed within {limit} bytes", limit = bounds::MAX_PLAIN_BODY)]
    Decompression,
}

impl From<minicbor::decode::Error> for BodyError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The id of an immutable record.
pub fn record_id(bytes: &[u8]) -> RecordId {
    let mut id = [0; RecordId::LEN];
    id.copy_from_slice(&blake3::hash(bytes).as_bytes()[..RecordId::LEN]);
    RecordId(id)
}

/// Checked length of a definite-length array.
fn array(d: &mut Decoder<'_>, what: &'static str, limit: usize) -> Result<usize, BodyError> {
    let length = d.array()?.ok_or_else(|| BodyError::Malformed(format!("{what}: indefinite length")))?;
    bounded(length, what, limit)
}

fn bounded(length: u64, what: &'static str, limit: usize) -> Result<usize, BodyError> {
    usize::try_from(length).ok().filter(|length| *length <= limit).ok_or(BodyError::TooMany { what, limit })
}

fn fixed<const N: usize>(d: &mut Decoder<'_>, what: &'static str) -> Result<[u8; N], BodyError> {
    d.bytes()?.try_into().map_err(|_| BodyError::Malformed(format!("{what} is not {N} bytes long")))
}

impl Assertion {
    /// What it says of the record, without who wrote it.
    pub fn values(&self) -> impl Iterator<Item = (&FieldId, &Value)> {
        self.fields.iter().filter(|(field, _)| **field != WRITTEN_BY)
    }

    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(3)?.bytes(&self.record)?;
        self.encode_value(e)
    }

    /// Fields and superseded ids, the part that becomes an Automerge value.
    fn encode_value(
        &self,
        e: &mut Encoder<&mut Vec<u8>>,
    ) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.map(self.fields.len() as u64)?;
        for (field, value) in &self.fields {
            e.u8(*field)?;
            value.encode(e, &mut ())?;
        }
        e.array(self.supersedes.len() as u64)?;
        for id in &self.supersedes {
            e.bytes(id)?;
        }
        Ok(())
    }

    /// The bytes that stand for this assertion in the Automerge document.
    pub fn value_bytes(&self) -> Vec<u8> {
        encoded(|e| self.encode_value(e))
    }

    /// Reads [`Self::value_bytes`].
    ///
    /// # Errors
    /// As for [`decode_items`].
    pub fn from_value_bytes(record: RecordKey, bytes: &[u8]) -> Result<Self, BodyError> {
        let mut d = Decoder::new(bytes);
        let assertion = Self::decode_value(record, &mut d)?;
        if d.position() == bytes.len() { Ok(assertion) } else { Err(BodyError::Malformed("trailing bytes".into())) }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, BodyError> {
        let start = d.position();
        if array(d, "parts of an assertion", 3)? != 3 {
            return Err(BodyError::Malformed("an assertion has three parts".into()));
        }
        let record = d.bytes()?;
        bounded(record.len() as u64, "bytes of a record key", MAX_RECORD_KEY)?;
        let assertion = Self::decode_value(record.to_vec(), d)?;
        bounded((d.position() - start) as u64, "bytes of an assertion", bounds::MAX_ASSERTION)?;
        Ok(assertion)
    }

    fn decode_value(record: RecordKey, d: &mut Decoder<'_>) -> Result<Self, BodyError> {
        let length = d.map()?.ok_or_else(|| BodyError::Malformed("fields: indefinite length".into()))?;
        let mut fields = Fields::new();
        for _ in 0..bounded(length, "fields", bounds::MAX_FIELDS)? {
            if fields.insert(d.u8()?, Value::decode(d, &mut ())?).is_some() {
                return Err(BodyError::Malformed("a field stands twice".into()));
            }
        }
        let mut supersedes = BTreeSet::new();
        for _ in 0..array(d, "superseded assertions", bounds::MAX_SUPERSEDES)? {
            supersedes.insert(fixed(d, "a superseded assertion id")?);
        }
        Ok(Self { record, fields, supersedes })
    }
}

impl Change {
    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        e.array(self.deps.len() as u64)?;
        for dep in &self.deps {
            e.bytes(dep)?;
        }
        e.array(self.assertions.len() as u64)?;
        self.assertions.iter().try_for_each(|assertion| assertion.encode(e))
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Self, BodyError> {
        let mut change = Self::default();
        for _ in 0..array(d, "dependencies", bounds::MAX_DEPS)? {
            change.deps.push(fixed(d, "a dependency")?);
        }
        if !change.deps.is_sorted_by(|a, b| a < b) {
            return Err(BodyError::Malformed("dependencies are not sorted or stand twice".into()));
        }
        let mut records = BTreeSet::new();
        for _ in 0..array(d, "assertions", bounds::MAX_ASSERTIONS)? {
            let assertion = Assertion::decode(d)?;
            if !records.insert(assertion.record.clone()) {
                return Err(BodyError::Malformed("two assertions about one record in one change".into()));
            }
            change.assertions.push(assertion);
        }
        Ok(change)
    }
}

impl Item {
    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
        match self {
            Self::Change { kind, document, change } => {
                e.array(5)?.u8(0)?.u8(*kind)?.bytes(&document.0)?;
                change.encode(e)
            }
            Self::Record { kind, document, bytes } => {
                e.array(4)?.u8(1)?.u8(*kind)?.bytes(&document.0)?.bytes(bytes)?.ok()
            }
            Self::Epoch { epoch, seq, head } => e.array(4)?.u8(2)?.u64(*epoch)?.u64(*seq)?.bytes(&head.0)?.ok(),
            Self::Seen { auth } => e.array(2)?.u8(3)?.bytes(auth)?.ok(),
        }
    }

    /// The item as stored beside a document.
    pub fn to_bytes(&self) -> Vec<u8> {
        encoded(|e| self.encode(e))
    }

    /// Reads [`Self::to_bytes`]; `None` for an item of a newer version.
    ///
    /// # Errors
    /// As for [`decode_items`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, BodyError> {
        Self::decode(&mut Decoder::new(bytes))
    }

    /// Code of the kind of document that it is about.
    pub fn kind(&self) -> Option<u8> {
        match self {
            Self::Change { kind, .. } | Self::Record { kind, .. } => Some(*kind),
            Self::Epoch { .. } | Self::Seen { .. } => None,
        }
    }

    /// Roughly how many bytes this takes in a body.
    pub fn weight(&self) -> usize {
        match self {
            Self::Change { change, .. } => {
                let assertions: usize = change
                    .assertions
                    .iter()
                    .map(|assertion| {
                        8 + assertion.fields.values().map(weight).sum::<usize>() + 9 * assertion.supersedes.len()
                    })
                    .sum();
                24 + 34 * change.deps.len() + assertions
            }
            Self::Record { bytes, .. } => 24 + bytes.len(),
            Self::Epoch { .. } => 54,
            Self::Seen { .. } => 19,
        }
    }

    fn decode(d: &mut Decoder<'_>) -> Result<Option<Self>, BodyError> {
        let start = d.position();
        let parts = array(d, "parts of an item", 16)?;
        let item = match (d.u8()?, parts) {
            (0, 5) => Self::Change {
                kind: d.u8()?,
                document: DocumentId(fixed(d, "a document id")?),
                change: Change::decode(d)?,
            },
            (1, 4) => {
                let (kind, document, bytes) = (d.u8()?, DocumentId(fixed(d, "a document id")?), d.bytes()?);
                bounded(bytes.len() as u64, "bytes of a record", bounds::MAX_RECORD)?;
                Self::Record { kind, document, bytes: bytes.to_vec() }
            }
            (2, 4) => Self::Epoch { epoch: d.u64()?, seq: d.u64()?, head: EntryId(fixed(d, "a head")?) },
            (3, 2) => Self::Seen { auth: fixed(d, "a digest")? },
            (0..=3, _) => return Err(BodyError::Malformed("an item has the wrong number of parts".into())),
            (_, _) => {
                d.set_position(start);
                d.skip()?;
                return Ok(None);
            }
        };
        Ok(Some(item))
    }
}

fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 2,
        Value::Int(_) => 6,
        Value::Text(text) => 3 + text.len(),
        Value::Bytes(bytes) => 3 + bytes.len(),
    }
}

/// Writing to a `Vec` cannot fail.
fn encoded(
    write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Result<(), minicbor::encode::Error<std::convert::Infallible>>,
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes);
    let written = write(&mut encoder);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    bytes
}

/// Encodes the items of a body, uncompressed.
pub fn encode_items(items: &[Item]) -> Vec<u8> {
    encoded(|e| {
        e.array(items.len() as u64)?;
        items.iter().try_for_each(|item| item.encode(e))
    })
}

/// The items of a body that this version knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Items {
    /// Each with its place in the body as its index.
    pub known: Vec<(u16, Item)>,
    /// How many are of a newer version, and left out.
    pub newer: usize,
}

/// Decodes the items of an uncompressed body and counts those of a newer version.
///
/// # Errors
/// [`BodyError`] for anything but the format of the module, within [`bounds`].
pub fn read_items(bytes: &[u8]) -> Result<Items, BodyError> {
    let mut d = Decoder::new(bytes);
    let mut items = Items::default();
    for index in 0..array(&mut d, "items", bounds::MAX_ITEMS)? {
        match Item::decode(&mut d)? {
            Some(item) => items.known.push((index as u16, item)),
            None => items.newer += 1,
        }
    }
    if d.position() == bytes.len() { Ok(items) } else { Err(BodyError::Malformed("trailing bytes".into())) }
}

/// [`read_items`], those of this version alone.
///
/// # Errors
/// As for [`read_items`].
pub fn decode_items(bytes: &[u8]) -> Result<Vec<(u16, Item)>, BodyError> {
    read_items(bytes).map(|items| items.known)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::collection::{btree_map, btree_set, vec};
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![Just(Value::Null), any::<i64>().prop_map(Value::Int), ".{0,8}".prop_map(Value::Text)]
    }

    fn any_assertion() -> impl Strategy<Value = Assertion> {
        (vec(any::<u8>(), 0..=8), btree_map(any::<u8>(), any_value(), 0..5), btree_set(any::<[u8; 8]>(), 0..3))
            .prop_map(|(record, fields, supersedes)| Assertion { record, fields, supersedes })
    }

    fn any_change() -> impl Strategy<Value = Change> {
        (btree_set(any::<[u8; 32]>(), 0..3), vec(any_assertion(), 0..4)).prop_map(|(deps, mut assertions)| {
            assertions.sort_by(|a, b| a.record.cmp(&b.record));
            assertions.dedup_by(|a, b| a.record == b.record);
            Change { deps: deps.into_iter().collect(), assertions }
        })
    }

    pub(crate) fn any_item() -> impl Strategy<Value = Item> {
        prop_oneof![
            (any::<u8>(), any::<[u8; 16]>(), any_change()).prop_map(|(kind, document, change)| Item::Change {
                kind,
                document: DocumentId(document),
                change
            }),
            (any::<u8>(), any::<[u8; 16]>(), vec(any::<u8>(), 0..50))
                .prop_map(|(kind, document, bytes)| Item::Record { kind, document: DocumentId(document), bytes }),
            any::<(u64, u64, [u8; 32])>().prop_map(|(epoch, seq, head)| Item::Epoch {
                epoch,
                seq,
                head: EntryId(head)
            }),
            any::<[u8; 16]>().prop_map(|auth| Item::Seen { auth }),
        ]
    }

    proptest! {
        #[test]
        fn items_round_trip(items in vec(any_item(), 0..6)) {
            let decoded = decode_items(&encode_items(&items)).unwrap();
            prop_assert_eq!(decoded.into_iter().map(|(_, item)| item).collect::<Vec<_>>(), items);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..200)) {
            let _ = decode_items(&bytes);
        }

        #[test]
        fn damaged_bodies_are_decoded_or_refused(items in vec(any_item(), 1..4), at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = encode_items(&items);
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            let _ = decode_items(&bytes);
            let _ = decode_items(&bytes[..at]);
        }
    }

    #[test]
    fn items_of_a_newer_version_are_left_out_and_do_not_shift_the_others() {
        let mut bytes = Vec::new();
        let mut e = Encoder::new(&mut bytes);
        e.array(2).unwrap().array(3).unwrap().u8(99).unwrap().str("new").unwrap().map(0).unwrap();
        let seen = Item::Seen { auth: [1; 16] };
        bytes.extend_from_slice(&seen.to_bytes());
        assert_eq!(read_items(&bytes), Ok(Items { known: vec![(1, seen)], newer: 1 }));
    }

    #[test]
    fn lengths_beyond_the_bounds_are_refused_before_anything_is_allocated() {
        // Array headers that announce 2^32 - 1 items, and a change with as many dependencies.
        for bytes in [
            &[0x9a, 0xff, 0xff, 0xff, 0xff][..],
            &[0x81, 0x85, 0, 1, 0x50, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x9a, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert!(matches!(decode_items(bytes), Err(BodyError::TooMany { .. })), "{bytes:?}");
        }
    }
}
