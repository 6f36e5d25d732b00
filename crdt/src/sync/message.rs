//! The messages of a session.
//!
//! Each is a CBOR array that begins with its code. A receiver ignores codes it does not know, so that a newer
//! node can say more.
//!
//! | code | message | rest |
//! |---|---|---|
//! | 0 | hello | town, [statement...], auth digest, shared digest, cards digest |
//! | 1 | digests | [[namespace, digest]...] |
//! | 2 | frontier | see [`super::frontier`] |
//! | 3 | run | see [`super::run`] |
//! | 4 | person keys | see [`super::keys`] |
//! | 5 | card list | [[kind, key, version]...] |
//! | 6 | card | kind, key, version, bytes |
//! | 7 | card request | [[kind, key]...] |
//! | 8 | totals | entries, bytes still to come from the sender |
//! | 9 | summary | shared digest, auth digest |
//! | 10 | chunk request | namespace, [hash...] |
//! | 11 | chunk | namespace, bytes |
//! | 12 | log request | log id, from seq: the sender doubts that its copy of the log agrees |
//! | 13 | chunk offer | namespace, [hash...] that the sender holds |
//! | 14 | bucket digests | see [`super::frontier`] |
//! | 15 | chunk lack | namespace, [hash...] that the sender was asked for and does not hold |
//! | 16 | news | see [`super::news`] |
//! | 17 | elsewhere | author of whom the sender hears sooner from others |

use minicbor::{Decoder, Encoder};

use super::frontier::{self, BucketDigest, Frontier};
use super::keys::{self, KeyRun};
use super::news::News;
use super::run::Run;
use crate::bounds;
use crate::card::{MAX_CARD, MAX_CARDS};
use crate::entry::{LOG_ID_LEN, LogId};
use crate::id::{NamespaceId, NodeId};
use crate::store::CardKey;
use crate::trust::MAX_CHAIN;

/// Digest of the state of a namespace or of several.
pub type Digest = [u8; 16];

/// The digest of what went into a hasher: its first half.
pub(crate) fn digest_of(hasher: &blake3::Hasher) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    digest
}

/// Most chunks asked for in one message.
const MAX_CHUNK_REQUEST: usize = 64;

/// What one side says to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Who I am and whether we differ.
    Hello {
        /// The town's root public key.
        town: [u8; 32],
        /// Statements from the authority's certificate to the sender's.
        chain: Vec<Vec<u8>>,
        /// Digest of `auth`.
        auth: Digest,
        /// Digest of all namespaces that both may hold, as far as the sender knows.
        shared: Digest,
        /// Digest of the cards.
        cards: Digest,
    },
    /// Digests of namespaces that both may hold.
    Digests(Vec<(NamespaceId, Digest)>),
    /// What the sender holds of a namespace, a page of it.
    Frontier(Frontier),
    /// Entries.
    Run(Run),
    /// Wrapped keys of persons.
    PersonKeys(KeyRun),
    /// Which cards the sender holds.
    CardList(Vec<(CardKey, u64)>),
    /// A card.
    Card {
        /// Which.
        key: CardKey,
        /// How new.
        version: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// Cards that the sender lacks.
    CardRequest(Vec<CardKey>),
    /// How much the sender is about to send, for honest progress bars.
    Totals {
        /// Entries.
        entries: u64,
        /// Bytes, roughly.
        bytes: u64,
    },
    /// The sender has nothing left to send; these are its digests.
    Summary {
        /// All namespaces that both may hold.
        shared: Digest,
        /// `auth`.
        auth: Digest,
    },
    /// Blob chunks that the sender lacks.
    ChunkRequest {
        /// Which namespace's retention they are under.
        namespace: NamespaceId,
        /// Hashes of the sealed chunks.
        hashes: Vec<[u8; 32]>,
    },
    /// A sealed blob chunk; its hash says which.
    Chunk {
        /// Which namespace's retention it is under.
        namespace: NamespaceId,
        /// The sealed chunk.
        bytes: Vec<u8>,
    },
    /// The sender's copy of a log does not continue with what it got; it needs the log from here to see why.
    LogRequest {
        /// Which log.
        log: LogId,
        /// From which seq.
        from: u64,
    },
    /// Blob chunks that the sender holds and the receiver may want.
    ChunkOffer {
        /// Which namespace's retention they are under.
        namespace: NamespaceId,
        /// Hashes of the sealed chunks.
        hashes: Vec<[u8; 32]>,
    },
    /// What the sender holds of a namespace with too many logs to list them at once.
    BucketDigests {
        /// Which.
        namespace: NamespaceId,
        /// One for each bucket.
        digests: Vec<BucketDigest>,
    },
    /// Blob chunks that the sender was asked for and does not hold, so that nobody waits for them.
    ChunkLack {
        /// Which namespace's retention they are under.
        namespace: NamespaceId,
        /// Hashes of the sealed chunks.
        hashes: Vec<[u8; 32]>,
    },
    /// What the sender passes on if it is asked.
    News(News),
    /// The sender hears sooner from others of what an author publishes: it need not be sent that, but for what is urgent.
    Elsewhere {
        /// Whose entries and cards.
        author: NodeId,
    },
}

/// Why a message is not acceptable. The session ends; nothing of the message has effect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Not the format of the module.
    #[error("the peer sent a malformed message ({0}): check that it runs a compatible version")]
    Malformed(&'static str),
    /// Not CBOR.
    #[error("the peer sent a malformed message ({0}): check that it runs a compatible version")]
    Encoding(String),
    /// More of something than allowed.
    #[error("the peer sent more than {limit} {what}: check that it runs a compatible version")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
}

impl From<minicbor::decode::Error> for MessageError {
    fn from(error: minicbor::decode::Error) -> Self {
        Self::Encoding(error.to_string())
    }
}

impl MessageError {
    pub(super) fn fixed<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], Self> {
        d.bytes()?.try_into().map_err(|_| Self::Malformed("an id has the wrong length"))
    }

    pub(super) fn exactly(length: Option<u64>, expected: u64) -> Result<(), Self> {
        if length == Some(expected) { Ok(()) } else { Err(Self::Malformed("an array has the wrong length")) }
    }

    pub(super) fn bounded(length: Option<u64>, limit: usize, what: &'static str) -> Result<usize, Self> {
        let length = length.and_then(|length| usize::try_from(length).ok());
        length.filter(|length| *length <= limit).ok_or(Self::TooMany { what, limit })
    }
}

pub(super) type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn encode_chunks(e: &mut Encoder<&mut Vec<u8>>, code: u8, namespace: NamespaceId, hashes: &[[u8; 32]]) -> Written {
    e.array(3)?.u8(code)?.bytes(&namespace.0)?.array(hashes.len() as u64)?;
    hashes.iter().try_for_each(|hash| e.bytes(hash).map(|_| ()))
}

pub(super) fn encode_card_key(e: &mut Encoder<&mut Vec<u8>>, key: &CardKey) -> Written {
    e.u8(key.kind)?.bytes(&key.key)?.ok()
}

pub(super) fn decode_card_key(d: &mut Decoder<'_>) -> Result<CardKey, MessageError> {
    Ok(CardKey { kind: d.u8()?, key: MessageError::fixed(d)? })
}

impl Message {
    /// The message's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.encode(&mut Encoder::new(&mut bytes));
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        bytes
    }

    fn encode(&self, e: &mut Encoder<&mut Vec<u8>>) -> Written {
        match self {
            Self::Hello { town, chain, auth, shared, cards } => {
                e.array(6)?.u8(0)?.bytes(town)?.array(chain.len() as u64)?;
                chain.iter().try_for_each(|statement| e.bytes(statement).map(|_| ()))?;
                e.bytes(auth)?.bytes(shared)?.bytes(cards)?.ok()
            }
            Self::Digests(digests) => {
                e.array(2)?.u8(1)?.array(digests.len() as u64)?;
                digests.iter().try_for_each(|(namespace, digest)| e.array(2)?.bytes(&namespace.0)?.bytes(digest)?.ok())
            }
            Self::Frontier(frontier) => {
                e.array(6)?.u8(2)?;
                frontier.encode(e)
            }
            Self::Run(run) => {
                e.array(2)?.u8(3)?;
                run.encode(e)
            }
            Self::PersonKeys(run) => {
                e.array(keys::PARTS)?.u8(4)?;
                run.encode(e)
            }
            Self::CardList(cards) => {
                e.array(2)?.u8(5)?.array(cards.len() as u64)?;
                cards.iter().try_for_each(|(key, version)| {
                    e.array(3)?;
                    encode_card_key(e, key)?;
                    e.u64(*version)?.ok()
                })
            }
            Self::Card { key, version, bytes } => {
                e.array(5)?.u8(6)?;
                encode_card_key(e, key)?;
                e.u64(*version)?.bytes(bytes)?.ok()
            }
            Self::CardRequest(keys) => {
                e.array(2)?.u8(7)?.array(keys.len() as u64)?;
                keys.iter().try_for_each(|key| {
                    e.array(2)?;
                    encode_card_key(e, key)
                })
            }
            Self::Totals { entries, bytes } => e.array(3)?.u8(8)?.u64(*entries)?.u64(*bytes)?.ok(),
            Self::Summary { shared, auth } => e.array(3)?.u8(9)?.bytes(shared)?.bytes(auth)?.ok(),
            Self::ChunkRequest { namespace, hashes } => encode_chunks(e, 10, *namespace, hashes),
            Self::Chunk { namespace, bytes } => e.array(3)?.u8(11)?.bytes(&namespace.0)?.bytes(bytes)?.ok(),
            Self::ChunkOffer { namespace, hashes } => encode_chunks(e, 13, *namespace, hashes),
            Self::ChunkLack { namespace, hashes } => encode_chunks(e, 15, *namespace, hashes),
            Self::BucketDigests { namespace, digests } => {
                e.array(3)?.u8(14)?.bytes(&namespace.0)?;
                frontier::encode_digests(e, digests)
            }
            Self::LogRequest { log, from } => e.array(3)?.u8(12)?.bytes(&log.to_bytes())?.u64(*from)?.ok(),
            Self::News(news) => {
                e.array(3)?.u8(16)?;
                news.encode(e)
            }
            Self::Elsewhere { author } => e.array(2)?.u8(17)?.bytes(&author.0)?.ok(),
        }
    }

    /// Reads a message; `None` for one of a newer version.
    ///
    /// # Errors
    /// [`MessageError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<Self>, MessageError> {
        if bytes.len() > bounds::MAX_MESSAGE {
            return Err(MessageError::TooMany { what: "bytes in a message", limit: bounds::MAX_MESSAGE });
        }
        let mut d = Decoder::new(bytes);
        let parts = MessageError::bounded(d.array()?, 16, "parts of a message")?;
        let code = d.u8()?;
        let expected = match code {
            0 | 2 => 6,
            4 => keys::PARTS,
            6 => 5,
            8..=16 => 3,
            1 | 3 | 5 | 7 | 17 => 2,
            _ => return Ok(None),
        };
        MessageError::exactly(Some(parts as u64), expected)?;
        let message = if code <= 4 { Self::decode_entries(code, &mut d)? } else { Self::decode_other(code, &mut d)? };
        if d.position() == bytes.len() { Ok(Some(message)) } else { Err(MessageError::Malformed("trailing bytes")) }
    }

    /// Codes 0 to 4.
    fn decode_entries(code: u8, d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        match code {
            0 => {
                let town = MessageError::fixed(d)?;
                let mut chain = Vec::new();
                for _ in 0..MessageError::bounded(d.array()?, MAX_CHAIN, "certificates in a chain")? {
                    chain.push(d.bytes()?.to_vec());
                }
                let (auth, shared, cards) = (MessageError::fixed(d)?, MessageError::fixed(d)?, MessageError::fixed(d)?);
                Ok(Self::Hello { town, chain, auth, shared, cards })
            }
            1 => {
                let mut digests = Vec::new();
                for _ in 0..MessageError::bounded(d.array()?, bounds::MAX_NAMESPACES, "namespaces")? {
                    MessageError::exactly(d.array()?, 2)?;
                    digests.push((NamespaceId(MessageError::fixed(d)?), MessageError::fixed(d)?));
                }
                Ok(Self::Digests(digests))
            }
            2 => Frontier::decode(d).map(Self::Frontier),
            3 => Run::decode(d).map(Self::Run),
            _ => KeyRun::decode(d).map(Self::PersonKeys),
        }
    }

    /// Codes 5 to 17.
    fn decode_other(code: u8, d: &mut Decoder<'_>) -> Result<Self, MessageError> {
        match code {
            5 => {
                let mut cards = Vec::new();
                for _ in 0..MessageError::bounded(d.array()?, MAX_CARDS, "cards")? {
                    MessageError::exactly(d.array()?, 3)?;
                    cards.push((decode_card_key(d)?, d.u64()?));
                }
                Ok(Self::CardList(cards))
            }
            6 => {
                let (key, version, bytes) = (decode_card_key(d)?, d.u64()?, d.bytes()?);
                MessageError::bounded(Some(bytes.len() as u64), MAX_CARD, "bytes in a card")?;
                Ok(Self::Card { key, version, bytes: bytes.to_vec() })
            }
            7 => {
                let mut keys = Vec::new();
                for _ in 0..MessageError::bounded(d.array()?, MAX_CARDS, "cards")? {
                    MessageError::exactly(d.array()?, 2)?;
                    keys.push(decode_card_key(d)?);
                }
                Ok(Self::CardRequest(keys))
            }
            8 => Ok(Self::Totals { entries: d.u64()?, bytes: d.u64()? }),
            9 => Ok(Self::Summary { shared: MessageError::fixed(d)?, auth: MessageError::fixed(d)? }),
            10 | 13 | 15 => {
                let namespace = NamespaceId(MessageError::fixed(d)?);
                let mut hashes = Vec::new();
                for _ in 0..MessageError::bounded(d.array()?, MAX_CHUNK_REQUEST, "chunks")? {
                    hashes.push(MessageError::fixed(d)?);
                }
                Ok(match code {
                    10 => Self::ChunkRequest { namespace, hashes },
                    13 => Self::ChunkOffer { namespace, hashes },
                    _ => Self::ChunkLack { namespace, hashes },
                })
            }
            14 => {
                let namespace = NamespaceId(MessageError::fixed(d)?);
                Ok(Self::BucketDigests { namespace, digests: frontier::decode_digests(d)? })
            }
            11 => {
                let (namespace, bytes) = (NamespaceId(MessageError::fixed(d)?), d.bytes()?);
                MessageError::bounded(Some(bytes.len() as u64), bounds::BLOB_CHUNK + 64, "bytes in a chunk")?;
                Ok(Self::Chunk { namespace, bytes: bytes.to_vec() })
            }
            16 => News::decode(d).map(Self::News),
            17 => Ok(Self::Elsewhere { author: NodeId(MessageError::fixed(d)?) }),
            _ => {
                let log = LogId::from_bytes(&MessageError::fixed::<LOG_ID_LEN>(d)?)
                    .ok_or(MessageError::Malformed("unknown lane"))?;
                Ok(Self::LogRequest { log, from: d.u64()? })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HybridTime;
    use crate::entry::{Entry, Lane, tests::any_header};
    use crate::id::{CertificateId, EntryId};
    use crate::seal::ShelfId;
    use crate::shelf::{BLOCK, Row, ShelfSeal};
    use crate::sync::frontier::{Buckets, LogHeight};
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn any_run() -> impl Strategy<Value = Message> {
        (any_header(), vec((any::<u64>(), vec(any::<u8>(), 0..40), any::<bool>()), 1..6), any::<[u8; 32]>()).prop_map(
            |(mut header, bodies, half)| {
                header.seq = header.seq.min(u64::MAX / 2);
                let last = bodies.len() - 1;
                let mut entries = Vec::new();
                for (at, (time, body, renew)) in bodies.into_iter().enumerate() {
                    header.time = HybridTime(time);
                    header.body_len = body.len() as u32;
                    header.body_hash = blake3::hash(&body).into();
                    if renew {
                        header.certificate = crate::id::CertificateId([at as u8; 32]);
                    }
                    let signature = (at == last).then(|| [half, half].concat().try_into().unwrap());
                    let entry = Entry { header, signature, body };
                    header.seq += 1;
                    header.backlink = entry.id();
                    entries.push(entry);
                }
                Message::Run(Run::new(entries).unwrap())
            },
        )
    }

    fn any_card_key() -> impl Strategy<Value = CardKey> {
        any::<(u8, [u8; 32])>().prop_map(|(kind, key)| CardKey { kind, key })
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let namespace = || any::<[u8; 16]>().prop_map(NamespaceId);
        let height =
            any::<([u8; 32], u64, u8, u64, [u8; 32])>().prop_map(|(author, epoch, lane, seq, head)| LogHeight {
                author: NodeId(author),
                epoch,
                lane: Lane::ALL[usize::from(lane % 4)],
                seq,
                head: EntryId(head),
            });
        prop_oneof![
            (any::<([u8; 32], Digest, Digest, Digest)>(), vec(vec(any::<u8>(), 0..30), 0..4))
                .prop_map(|((town, auth, shared, cards), chain)| Message::Hello { town, chain, auth, shared, cards }),
            vec((namespace(), any::<Digest>()), 0..5).prop_map(Message::Digests),
            (namespace(), vec(height, 0..4), vec(any::<(ShelfId, u32)>(), 0..3), vec(any::<u8>(), 0..4), any::<bool>())
                .prop_map(|(namespace, logs, shelves, listed, more)| {
                    let mut buckets = Buckets::NONE;
                    listed.into_iter().for_each(|bucket| buckets.insert(bucket));
                    let buckets = if more { Buckets::ALL } else { buckets };
                    Message::Frontier(Frontier { namespace, buckets, logs, shelves, more })
                }),
            (namespace(), any::<[u8; 8]>())
                .prop_map(|(namespace, one)| Message::BucketDigests { namespace, digests: vec![one; 256] }),
            any_run(),
            (namespace(), any::<([u8; 32], u64, [u8; 32])>(), 0..BLOCK - 4, vec(any::<(bool, [u8; 32])>(), 1..4))
                .prop_map(|(namespace, (author, epoch, certificate), start, keys)| {
                    let seal = ShelfSeal { certificate: CertificateId(certificate), signature: [7; 64] };
                    let row = |(is_key, bytes)| if is_key { Row::Key(bytes) } else { Row::Destroyed(bytes) };
                    let keys = keys.into_iter().map(row).collect();
                    Message::PersonKeys(KeyRun { namespace, author: NodeId(author), epoch, start, keys, seal })
                }),
            vec((any_card_key(), any::<u64>()), 0..4).prop_map(Message::CardList),
            (any_card_key(), any::<u64>(), vec(any::<u8>(), 0..40)).prop_map(|(key, version, bytes)| Message::Card {
                key,
                version,
                bytes
            }),
            vec(any_card_key(), 0..4).prop_map(Message::CardRequest),
            any::<(u64, u64)>().prop_map(|(entries, bytes)| Message::Totals { entries, bytes }),
            any::<(Digest, Digest)>().prop_map(|(shared, auth)| Message::Summary { shared, auth }),
            (namespace(), vec(any::<[u8; 32]>(), 0..3))
                .prop_map(|(namespace, hashes)| Message::ChunkRequest { namespace, hashes }),
            (namespace(), vec(any::<u8>(), 0..40)).prop_map(|(namespace, bytes)| Message::Chunk { namespace, bytes }),
            (namespace(), vec(any::<[u8; 32]>(), 0..3))
                .prop_map(|(namespace, hashes)| Message::ChunkOffer { namespace, hashes }),
            (namespace(), vec(any::<[u8; 32]>(), 0..3))
                .prop_map(|(namespace, hashes)| Message::ChunkLack { namespace, hashes }),
            (any_header(), any::<u64>()).prop_map(|(header, from)| Message::LogRequest { log: header.log, from }),
            (vec((any_header(), any::<(u64, [u8; 32])>()), 0..4), vec((any_card_key(), any::<u64>()), 0..4)).prop_map(
                |(logs, cards)| {
                    let logs = logs.into_iter().map(|(header, (seq, head))| (header.log, seq, EntryId(head))).collect();
                    Message::News(News { logs, cards })
                }
            ),
            any::<[u8; 32]>().prop_map(|author| Message::Elsewhere { author: NodeId(author) }),
        ]
    }

    proptest! {
        #[test]
        fn messages_round_trip(message in any_message()) {
            prop_assert_eq!(Message::from_bytes(&message.to_bytes()).unwrap(), Some(message));
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
            let _ = Message::from_bytes(&bytes);
        }

        #[test]
        fn damaged_messages_are_read_or_refused(message in any_message(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let mut bytes = message.to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= with;
            let _ = Message::from_bytes(&bytes);
            let _ = Message::from_bytes(&bytes[..at]);
        }
    }

    #[test]
    fn messages_of_a_newer_version_are_ignored() {
        assert_eq!(Message::from_bytes(&[0x82, 0x18, 99, 0x00]), Ok(None));
    }
}
