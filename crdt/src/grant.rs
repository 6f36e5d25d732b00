//! Grants: secrets of families of namespaces, sealed for those who may read them, signed by who hands them out.
//!
//! A removal makes the keys so far known to somebody who must not read on, so holders mint new ones (DESIGN 12.6). A
//! grant is a card (see [`crate::card`]): everybody keeps and carries it, its recipients alone can open it.
//!
//! # Format 5
//!
//! `[signed, signature]` with context `townmesh/grant/5`; `signed` is the CBOR array
//! `[granter, ephemeral, [excluded...], [[family, key id]...], [[recipient, [index...], sealed]...]]`:
//!
//! - `granter`: the node that signed it.
//! - `ephemeral`: X25519 public key that all shares are sealed with, see [`crate::seal::seal_to_each`].
//! - `excluded`: in ascending order, the first 8 bytes of the ids of those certificates whose holders the granter knew to
//!   be removed when it minted the keys. Empty in a grant that only passes keys on.
//! - `recipient`: an exchange key, whole: nobody proves to own the one in a certificate, so one can be made up that begins
//!   like another's; `index`: which of the keys are for it, ascending; `sealed`: their
//!   secrets, 32 bytes each, in that order.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use minicbor::Decoder;
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::bounds;
use crate::card::{self, CardError, CardKind, MAX_CARD};
use crate::id::{CertificateId, KeyId, NodeId};
use crate::seal::{self, FamilySecret};

pub(crate) const CONTEXT: &[u8] = b"townmesh/grant/5";
/// Most certificates that one grant names as excluded.
pub const MAX_EXCLUDED: usize = 1024;
/// Most keys in one grant.
pub const MAX_KEYS: usize = 160;
/// Most recipients of one grant.
const MAX_SHARES: usize = 1024;
/// A grant is closed when its shares have this many bytes: with keys and exclusions it stays below [`MAX_CARD`].
const SHARES_BYTES: usize = 8 * 1024;

/// Names a certificate in a grant.
pub type Short = [u8; 8];

/// The short name of a certificate.
pub fn short_certificate(id: &CertificateId) -> Short {
    let mut short = [0; 8];
    short.copy_from_slice(&id.0[..8]);
    short
}

/// A grant whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Who signed it.
    pub granter: NodeId,
    /// Certificates whose holders were not given the keys, in ascending order.
    pub excluded: Vec<Short>,
    /// The families, and the ids of their keys.
    pub keys: Vec<(String, KeyId)>,
    ephemeral: [u8; 32],
    shares: BTreeMap<[u8; 32], Share>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Share {
    keys: Vec<u16>,
    sealed: Vec<u8>,
}

/// Keys to hand out.
#[derive(Debug)]
pub struct Handout<'a> {
    /// Whom the keys were kept from, see [`Grant::excluded`].
    pub excluded: &'a BTreeSet<Short>,
    /// Families with their secrets.
    pub secrets: &'a [(String, FamilySecret)],
    /// Exchange keys, and which of the secrets each may have.
    pub recipients: &'a BTreeMap<[u8; 32], BTreeSet<usize>>,
}

impl Handout<'_> {
    /// Signs the cards that hand the keys out: several if they do not fit one.
    pub fn cards(&self, key: &SigningKey, rng: &mut dyn CryptoRng) -> Vec<Vec<u8>> {
        let mut cards = Vec::new();
        for first in (0..self.secrets.len()).step_by(MAX_KEYS) {
            let secrets = self.secrets.get(first..self.secrets.len().min(first + MAX_KEYS)).unwrap_or_default();
            let (mut shares, mut size) = (BTreeMap::new(), 0);
            for (recipient, indexes) in self.recipients {
                let here = indexes.range(first..first + secrets.len());
                let indexes: Vec<u16> = here.filter_map(|index| u16::try_from(index - first).ok()).collect();
                if indexes.is_empty() {
                    continue;
                }
                size += 72 + 36 * indexes.len();
                shares.insert(*recipient, indexes);
                if size >= SHARES_BYTES {
                    cards.extend(self.card(secrets, &std::mem::take(&mut shares), key, rng));
                    size = 0;
                }
            }
            cards.extend(self.card(secrets, &shares, key, rng));
        }
        debug_assert!(cards.iter().all(|card| card.len() <= MAX_CARD), "a grant fits a card");
        cards
    }

    /// `None` if there is nobody to seal to: a card for nobody would take the room of one for somebody.
    fn card(
        &self,
        secrets: &[(String, FamilySecret)],
        shares: &BTreeMap<[u8; 32], Vec<u16>>,
        key: &SigningKey,
        rng: &mut dyn CryptoRng,
    ) -> Option<Vec<u8>> {
        let plain = shares.iter().map(|(recipient, indexes)| {
            let secrets = indexes.iter().filter_map(|index| secrets.get(usize::from(*index)));
            (*recipient, secrets.flat_map(|(_, secret)| *secret.as_bytes()).collect())
        });
        let (ephemeral, sealed) = seal::seal_to_each(&plain.collect(), rng);
        let card = || {
            card::signed(CONTEXT, key, |e| {
                e.array(5)?.bytes(key.verifying_key().as_bytes())?.bytes(&ephemeral)?;
                let excluded = self.excluded.len().min(MAX_EXCLUDED);
                e.array(excluded as u64)?;
                for short in self.excluded.iter().take(excluded) {
                    e.bytes(short)?;
                }
                e.array(secrets.len() as u64)?;
                for (family, secret) in secrets {
                    e.array(2)?.str(family)?.bytes(&secret.key_id(family).0)?;
                }
                e.array(sealed.len() as u64)?;
                for (recipient, sealed) in &sealed {
                    let indexes = shares.get(recipient).map(Vec::as_slice).unwrap_or_default();
                    e.array(3)?.bytes(recipient)?.array(indexes.len() as u64)?;
                    for index in indexes {
                        e.u16(*index)?;
                    }
                    e.bytes(sealed)?;
                }
                Ok(())
            })
        };
        (!sealed.is_empty()).then(card)
    }
}

impl Grant {
    /// Reads and verifies a grant.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let error = |reason: &str| CardError::new(CardKind::Grant, reason);
        let (content, signature) = card::unsigned(bytes).ok_or_else(|| error("malformed"))?;
        let grant = Self::read(content).ok_or_else(|| error("malformed"))?;
        card::verify(CONTEXT, &grant.granter, content, &signature).ok_or_else(|| error("wrong signature"))?;
        Ok(grant)
    }

    fn read(content: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(content);
        (d.array().ok()? == Some(5)).then_some(())?;
        let (granter, ephemeral) = (NodeId::from_slice(d.bytes().ok()?)?, d.bytes().ok()?.try_into().ok()?);
        let mut excluded: Vec<Short> = Vec::new();
        for _ in 0..length(&mut d, MAX_EXCLUDED)? {
            let next = d.bytes().ok()?.try_into().ok()?;
            excluded.last().is_none_or(|last| *last < next).then(|| excluded.push(next))?;
        }
        let mut keys = Vec::new();
        for _ in 0..length(&mut d, MAX_KEYS)? {
            (length(&mut d, 2)? == 2).then_some(())?;
            let family = d.str().ok().filter(|family| family.len() <= bounds::MAX_NAME)?;
            keys.push((family.to_owned(), KeyId(d.bytes().ok()?.try_into().ok()?)));
        }
        let mut shares = BTreeMap::new();
        for _ in 0..length(&mut d, MAX_SHARES)? {
            (length(&mut d, 3)? == 3).then_some(())?;
            let recipient: [u8; 32] = d.bytes().ok()?.try_into().ok()?;
            let mut indexes: Vec<u16> = Vec::new();
            for _ in 0..length(&mut d, keys.len())? {
                let next = d.u16().ok().filter(|index| usize::from(*index) < keys.len())?;
                indexes.last().is_none_or(|last| *last < next).then(|| indexes.push(next))?;
            }
            let share = Share { keys: indexes, sealed: d.bytes().ok()?.to_vec() };
            shares.insert(recipient, share).is_none().then_some(())?;
        }
        let is_whole = !keys.is_empty() && !shares.is_empty() && d.position() == content.len();
        is_whole.then_some(Self { granter, excluded, keys, ephemeral, shares })
    }

    /// The exchange keys of those who can open it.
    pub fn recipients(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.shares.keys()
    }

    /// Which keys are for the owner of an exchange key.
    pub fn keys_for(&self, recipient: &[u8; 32]) -> impl Iterator<Item = &(String, KeyId)> {
        let share = self.shares.get(recipient);
        share.into_iter().flat_map(|share| &share.keys).filter_map(|index| self.keys.get(usize::from(*index)))
    }

    /// The secrets for the owner of `secret`; `None` if its share cannot be opened, or holds other keys than it says.
    pub fn open(&self, secret: &StaticSecret) -> Option<Vec<(String, FamilySecret)>> {
        let own = PublicKey::from(secret).to_bytes();
        let Some(share) = self.shares.get(&own) else { return Some(vec![]) };
        let plain = seal::open_own(secret, &self.ephemeral, &share.sealed).ok()?;
        let (secrets, rest) = plain.as_chunks::<32>();
        (rest.is_empty() && secrets.len() == share.keys.len()).then_some(())?;
        let opened = self.keys_for(&own).zip(secrets).map(|((family, id), bytes)| {
            let secret = FamilySecret::from_bytes(*bytes);
            (secret.key_id(family) == *id).then(|| (family.clone(), secret))
        });
        opened.collect()
    }
}

fn length(d: &mut Decoder<'_>, limit: usize) -> Option<usize> {
    let length = usize::try_from(d.array().ok()??).ok()?;
    (length <= limit).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    fn secrets(count: usize, rng: &mut ChaCha8Rng) -> Vec<(String, FamilySecret)> {
        (0..count).map(|number| (format!("registry/110115{number:06}"), FamilySecret::random(rng))).collect()
    }

    fn exchange(seed: u8) -> ([u8; 32], StaticSecret) {
        let secret = StaticSecret::from([seed; 32]);
        (PublicKey::from(&secret).to_bytes(), secret)
    }

    #[test]
    fn each_recipient_opens_what_is_for_it_and_nothing_else() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let key = SigningKey::from_bytes(&[1; 32]);
        let secrets = secrets(3, &mut rng);
        let [(one, one_secret), (two, two_secret), (_, stranger)] = [1, 2, 3].map(exchange);
        let recipients = BTreeMap::from([(one, BTreeSet::from([0, 2])), (two, BTreeSet::from([1]))]);
        let excluded = BTreeSet::from([[7; 8], [3; 8]]);
        let cards = Handout { excluded: &excluded, secrets: &secrets, recipients: &recipients }.cards(&key, &mut rng);
        let [bytes] = cards.as_slice() else { panic!("{} cards", cards.len()) };
        let grant = Grant::from_bytes(bytes).unwrap();
        assert_eq!(grant.granter, NodeId(key.verifying_key().to_bytes()));
        assert_eq!(grant.excluded, [[3; 8], [7; 8]]);
        assert_eq!(grant.open(&one_secret), Some(vec![secrets[0].clone(), secrets[2].clone()]));
        assert_eq!(grant.open(&two_secret), Some(vec![secrets[1].clone()]));
        assert_eq!(grant.open(&stranger), Some(vec![]));
        assert_eq!(
            grant.keys_for(&two).map(|(family, _)| family.as_str()).collect::<Vec<_>>(),
            [secrets[1].0.as_str()]
        );
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Grant::from_bytes(&altered).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_share_that_holds_other_keys_than_it_says_is_not_opened() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let key = SigningKey::from_bytes(&[1; 32]);
        let (own, own_secret) = exchange(1);
        let secrets = secrets(2, &mut rng);
        let recipients = BTreeMap::from([(own, BTreeSet::from([0]))]);
        let cards = Handout { excluded: &BTreeSet::new(), secrets: &secrets, recipients: &recipients };
        let mut grant = Grant::from_bytes(&cards.cards(&key, &mut rng)[0]).unwrap();
        grant.shares.values_mut().for_each(|share| share.keys = vec![1]);
        assert_eq!(grant.open(&own_secret), None);
        grant.shares.values_mut().for_each(|share| share.keys = vec![0, 1]);
        assert_eq!(grant.open(&own_secret), None);
        grant.shares.values_mut().for_each(|share| share.sealed.truncate(9));
        assert_eq!(grant.open(&own_secret), None);
    }

    #[test]
    fn there_is_no_card_for_nobody() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let key = SigningKey::from_bytes(&[1; 32]);
        let secrets = secrets(2, &mut rng);
        let weak = BTreeMap::from([([0; 32], BTreeSet::from([0, 1]))]);
        let unserved = BTreeMap::from([(exchange(1).0, BTreeSet::new())]);
        for recipients in [weak, unserved, BTreeMap::new()] {
            let handout = Handout { excluded: &BTreeSet::new(), secrets: &secrets, recipients: &recipients };
            assert!(handout.cards(&key, &mut rng).is_empty());
        }
    }

    #[test]
    fn many_keys_for_many_recipients_fit_cards() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let key = SigningKey::from_bytes(&[1; 32]);
        let secrets = secrets(400, &mut rng);
        let everybody: Vec<([u8; 32], StaticSecret)> = (1..=60).map(exchange).collect();
        let all: BTreeSet<usize> = (0..secrets.len()).collect();
        let recipients = everybody.iter().map(|(own, _)| (*own, all.clone())).collect();
        let excluded: BTreeSet<Short> = (0..2000_u64).map(u64::to_be_bytes).collect();
        let cards = Handout { excluded: &excluded, secrets: &secrets, recipients: &recipients }.cards(&key, &mut rng);
        let grants: Vec<Grant> = cards.iter().map(|bytes| Grant::from_bytes(bytes).unwrap()).collect();
        for (_, secret) in everybody {
            let opened: Vec<_> = grants.iter().flat_map(|grant| grant.open(&secret).unwrap()).collect();
            assert_eq!(opened, secrets);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_grant_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Grant::from_bytes(&bytes);
            let _ = Grant::read(&bytes);
        }
    }
}
