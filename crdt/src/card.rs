//! Cards: small signed or sealed statements of which only the newest of each matters.
//!
//! Unlike entries, cards are replaced, never appended: beacons, grants, fork proofs, last positions. The set
//! of cards is brought up to date in every session, on every carrier; a digest over (kind, key, version) tells in one
//! exchange whether there is anything to do.
//!
//! | kind | card | key | version | bytes |
//! |---|---|---|---|---|
//! | 1 | beacon | node id | counter | CBOR `[signed, signature]`, see below |
//! | 2 | grant | BLAKE3 of the bytes | 0 | CBOR `[signed, signature]`, see [`crate::grant`] |
//! | 3 | fork proof | BLAKE3 of the log id | 2^64 - 1 - seq | see [`crate::fork`] |
//! | 4 | last position | node id | milliseconds | CBOR `[signed, signature]`, see below |
//! | 5 | refusal | node id | how many it refuses | CBOR `[signed, signature]`, see [`crate::refusal`] |
//!
//! `signed` is a byte string and `signature` Ed25519 by the node of the card, over the card's context and `signed`.
//!
//! - Beacon, context `townmesh/beacon/1`: CBOR `[node, epoch, counter, at, [[log, seq]...], [[namespace, digest]...]]`. A
//!   log is named by the first 8 bytes of BLAKE3(log id), a namespace by the first 8 bytes of its id; of the digest of the
//!   namespace come the first 8 bytes, too.
//! - Last position, context `townmesh/position/3`: CBOR `[node, at, key id, sealed]`. Everybody can check whose it is and
//!   how new; where the unit is stands in `sealed`: CBOR `[latitude, longitude]`, sealed like the body of an entry of
//!   `town` under the key with this id, whose header is 190 zeros with the node in the first 32 bytes and `at` in the
//!   next 8, big-endian.

use ed25519_dalek::{Signer, SigningKey};
use minicbor::{Decoder, Encoder};
use rand_core::CryptoRng;

use crate::clock::Millis;
use crate::entry::{HEADER_LEN, LogId};
use crate::id::{KeyId, NamespaceId, NodeId};
use crate::seal::{NamespaceKeys, SealError};
use crate::signature;
use crate::store::CardKey;
use crate::sync::message::Digest;

/// Largest card in bytes.
pub const MAX_CARD: usize = 32 * 1024;
/// Most cards kept: beacons, positions and grants of 1,700 nodes. A list of them fits a message.
pub const MAX_CARDS: usize = 10_240;
/// Most logs in one beacon; the most recently grown ones are named.
pub const MAX_HEADS: usize = 128;
/// Most namespaces in one beacon.
pub const MAX_SPACES: usize = 64;
/// Largest beacon in bytes: it travels on every link once a minute.
pub const MAX_BEACON: usize = 4096;

const BEACON_CONTEXT: &[u8] = b"townmesh/beacon/1";
const POSITION_CONTEXT: &[u8] = b"townmesh/position/3";

/// What a card is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum CardKind {
    /// What a node holds.
    Beacon = 1,
    /// Family secrets for those who may read the families.
    Grant = 2,
    /// Two entries of one author at one place.
    Fork = 3,
    /// Where a unit was last.
    Position = 4,
    /// Whose grants held nothing.
    Refusal = 5,
}

/// How many kinds there are, with that of all newer versions together.
pub(crate) const CARD_KINDS: usize = 6;

impl CardKind {
    /// The kind with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        [Self::Beacon, Self::Grant, Self::Fork, Self::Position, Self::Refusal]
            .into_iter()
            .find(|kind| *kind as u8 == code)
    }

    /// The key of a card of this kind.
    pub fn key(self, key: [u8; 32]) -> CardKey {
        CardKey { kind: self as u8, key }
    }
}

/// A card that does not hold what its kind says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("card of kind {kind} was refused: {reason}")]
pub struct CardError {
    kind: u8,
    reason: String,
}

impl CardError {
    pub(crate) fn new(kind: CardKind, reason: impl ToString) -> Self {
        Self { kind: kind as u8, reason: reason.to_string() }
    }
}

/// Names a log in a beacon: the first eight bytes of the BLAKE3 of its id.
pub fn short_log(log: &LogId) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&log.origin().0[..8]);
    short
}

/// Names a namespace in a beacon: the first eight bytes of its id.
pub fn short_space(namespace: &NamespaceId) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&namespace.0[..8]);
    short
}

/// The digest of a namespace as a beacon names it.
pub fn short_digest(digest: &Digest) -> [u8; 8] {
    let mut short = [0; 8];
    short.copy_from_slice(&digest[..8]);
    short
}

/// What a node says it holds durably: the ground for *delivered* and for "complete to 14:20".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beacon {
    /// Who says so.
    pub node: NodeId,
    /// During which opening of its store; a new epoch withdraws what an older one claimed (DESIGN 12.10).
    pub epoch: u64,
    /// Grows with each beacon of the node; milliseconds of its clock, or one more than the last.
    pub counter: u64,
    /// When, by the node's clock.
    pub at: Millis,
    /// Logs held, by [`short_log`], and up to which seq.
    pub heads: Vec<([u8; 8], u64)>,
    /// Namespaces held, by [`short_space`], and their [`short_digest`]s.
    pub spaces: Vec<([u8; 8], [u8; 8])>,
}

impl Beacon {
    /// Signs the beacon; its card bytes.
    pub fn to_bytes(&self, key: &SigningKey) -> Vec<u8> {
        signed(BEACON_CONTEXT, key, |e| {
            e.array(6)?
                .bytes(&self.node.0)?
                .u64(self.epoch)?
                .u64(self.counter)?
                .u64(self.at)?
                .array(self.heads.len() as u64)?;
            for (log, seq) in &self.heads {
                e.array(2)?.bytes(log)?.u64(*seq)?;
            }
            e.array(self.spaces.len() as u64)?;
            for (space, digest) in &self.spaces {
                e.array(2)?.bytes(space)?.bytes(digest)?;
            }
            Ok(())
        })
    }

    /// Reads and verifies a beacon.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let error = |reason: &str| CardError::new(CardKind::Beacon, reason);
        let (content, signature) = unsigned(bytes).ok_or_else(|| error("malformed"))?;
        let beacon = Self::read(content).ok_or_else(|| error("malformed"))?;
        verify(BEACON_CONTEXT, &beacon.node, content, &signature).ok_or_else(|| error("wrong signature"))?;
        Ok(beacon)
    }

    /// Reads a beacon whose signature was checked before; `None` if it is malformed.
    pub(crate) fn of_checked(bytes: &[u8]) -> Option<Self> {
        Self::read(unsigned(bytes)?.0)
    }

    fn read(content: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(content);
        (d.array().ok()? == Some(6)).then_some(())?;
        let node = NodeId::from_slice(d.bytes().ok()?)?;
        let (epoch, counter, at) = (d.u64().ok()?, d.u64().ok()?, d.u64().ok()?);
        let length = d.array().ok()?.filter(|length| *length <= MAX_HEADS as u64)?;
        let mut heads = Vec::new();
        for _ in 0..length {
            (d.array().ok()? == Some(2)).then_some(())?;
            heads.push((d.bytes().ok()?.try_into().ok()?, d.u64().ok()?));
        }
        let length = d.array().ok()?.filter(|length| *length <= MAX_SPACES as u64)?;
        let mut spaces = Vec::new();
        for _ in 0..length {
            (d.array().ok()? == Some(2)).then_some(())?;
            spaces.push((d.bytes().ok()?.try_into().ok()?, d.bytes().ok()?.try_into().ok()?));
        }
        (d.position() == content.len()).then_some(Self { node, epoch, counter, at, heads, spaces })
    }
}

/// Where a unit was last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Which node.
    pub node: NodeId,
    /// When, by its clock.
    pub at: Millis,
    /// Latitude in 1e-7 degrees, WGS-84.
    pub latitude: i32,
    /// Longitude in 1e-7 degrees, WGS-84.
    pub longitude: i32,
}

/// A last position as it travels: whose and how new in the clear, where sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionCard {
    /// Which node.
    pub node: NodeId,
    /// When, by its clock.
    pub at: Millis,
    /// Names the secret of `town` that it is sealed under.
    pub key: KeyId,
    sealed: Vec<u8>,
}

impl Position {
    /// Seals where the unit is for the holders of the town's key.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal(&self, keys: &NamespaceKeys, rng: &mut dyn CryptoRng) -> Result<PositionCard, SealError> {
        let mut plain = Vec::new();
        let mut e = Encoder::new(&mut plain);
        let written = e.array(2).and_then(|e| e.i32(self.latitude)).and_then(|e| e.i32(self.longitude)).map(|_| ());
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        let sealed = keys.seal_body(&plain, &position_header(&self.node, self.at), rng)?;
        Ok(PositionCard { node: self.node, at: self.at, key: keys.key_id, sealed })
    }
}

impl PositionCard {
    /// Signs the card.
    pub fn to_bytes(&self, key: &SigningKey) -> Vec<u8> {
        signed(POSITION_CONTEXT, key, |e| {
            e.array(4)?.bytes(&self.node.0)?.u64(self.at)?.bytes(&self.key.0)?.bytes(&self.sealed)?.ok()
        })
    }

    /// Reads a card and checks its signature.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let error = |reason: &str| CardError::new(CardKind::Position, reason);
        let (content, signature) = unsigned(bytes).ok_or_else(|| error("malformed"))?;
        let card = (|| {
            let mut d = Decoder::new(content);
            (d.array().ok()? == Some(4)).then_some(())?;
            let (node, at) = (NodeId::from_slice(d.bytes().ok()?)?, d.u64().ok()?);
            let (key, sealed) = (KeyId(d.bytes().ok()?.try_into().ok()?), d.bytes().ok()?.to_vec());
            (d.position() == content.len()).then_some(Self { node, at, key, sealed })
        })();
        let card = card.ok_or_else(|| error("malformed"))?;
        verify(POSITION_CONTEXT, &card.node, content, &signature).ok_or_else(|| error("wrong signature"))?;
        Ok(card)
    }

    /// Opens it with the town's keys under the secret that it names.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn open(&self, keys: &NamespaceKeys) -> Result<Position, CardError> {
        let plain = keys
            .open_body(&self.sealed, &position_header(&self.node, self.at))
            .map_err(|error| CardError::new(CardKind::Position, error))?;
        let mut d = Decoder::new(&plain);
        let place = (|| {
            (d.array().ok()? == Some(2)).then_some(())?;
            Some((d.i32().ok()?, d.i32().ok()?))
        })();
        let (latitude, longitude) = place.ok_or_else(|| CardError::new(CardKind::Position, "malformed"))?;
        Ok(Position { node: self.node, at: self.at, latitude, longitude })
    }
}

fn position_header(node: &NodeId, at: Millis) -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    header[..32].copy_from_slice(&node.0);
    header[32..40].copy_from_slice(&at.to_be_bytes());
    header
}

pub(crate) type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Content and signature as a card holds them.
pub(crate) fn signed(
    context: &[u8],
    key: &SigningKey,
    write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written,
) -> Vec<u8> {
    let mut content = Vec::new();
    let written = write(&mut Encoder::new(&mut content));
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    let signature = key.sign(&[context, &content].concat()).to_bytes();
    let mut bytes = Vec::with_capacity(content.len() + 72);
    let mut e = Encoder::new(&mut bytes);
    let written = e.array(2).and_then(|e| e.bytes(&content)).and_then(|e| e.bytes(&signature)).map(|_| ());
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    bytes
}

/// What [`signed`] made, unchecked.
pub(crate) fn unsigned(bytes: &[u8]) -> Option<(&[u8], [u8; 64])> {
    if bytes.len() > MAX_CARD {
        return None;
    }
    let mut d = Decoder::new(bytes);
    (d.array().ok()? == Some(2)).then_some(())?;
    let (content, signature) = (d.bytes().ok()?, d.bytes().ok()?.try_into().ok()?);
    (d.position() == bytes.len()).then_some((content, signature))
}

/// Whether the node signed the content.
pub(crate) fn verify(context: &[u8], node: &NodeId, content: &[u8], signature: &[u8; 64]) -> Option<()> {
    signature::verify(&node.0, &[context, content].concat(), signature).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::FamilySecret;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn beacons_and_positions_are_read_back_and_cannot_be_altered() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let node = NodeId(key.verifying_key().to_bytes());
        let beacon =
            Beacon { node, epoch: 1, counter: 2, at: 3, heads: vec![([4; 8], 5)], spaces: vec![([6; 8], [7; 8])] };
        let bytes = beacon.to_bytes(&key);
        assert_eq!(Beacon::from_bytes(&bytes), Ok(beacon));
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let keys = FamilySecret::random(&mut rng).namespace_keys(&crate::namespace::Namespace::town());
        let position = Position { node, at: 1, latitude: -5, longitude: 6 };
        let sealed = position.seal(&keys, &mut rng).unwrap().to_bytes(&key);
        let card = PositionCard::from_bytes(&sealed).unwrap();
        assert_eq!(card.open(&keys), Ok(position));
        assert!(PositionCard { at: 2, ..card }.open(&keys).is_err(), "what is sealed is bound to its time");
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(PositionCard::from_bytes(&altered).is_err(), "byte {at}");
        }
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Beacon::from_bytes(&altered).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_full_beacon_is_small() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let node = NodeId(key.verifying_key().to_bytes());
        let heads = vec![([4; 8], u64::MAX); MAX_HEADS];
        let spaces = vec![([4; 8], [5; 8]); MAX_SPACES];
        let beacon = Beacon { node, epoch: u64::MAX, counter: u64::MAX, at: u64::MAX, heads, spaces };
        let bytes = beacon.to_bytes(&key);
        assert!(bytes.len() <= MAX_BEACON, "{} bytes", bytes.len());
        assert_eq!(Beacon::from_bytes(&bytes), Ok(beacon));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_card_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Beacon::from_bytes(&bytes);
            let _ = PositionCard::from_bytes(&bytes);
        }
    }
}
