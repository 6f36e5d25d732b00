//! Sealing: who can read what is carried.
//!
//! Each family of namespaces (see [`crate::namespace`]) has one secret or, after a removal, several. From a
//! secret come, by BLAKE3 key derivation with distinct contexts: the key that seals entry bodies of one
//! namespace, the key that document ids are made with, and the key that wraps persons' keys. Whoever holds a
//! family's secret can therefore open every period of it; a carrier holds none.
//!
//! - Body: 24 random nonce bytes, then XChaCha20-Poly1305 under the namespace's body key; associated data is
//!   the header without body length and hash (DESIGN 12.17).
//! - Personal value: AES-128-GCM-SIV (RFC 8452) under that person's 16-byte key with a fixed nonce, so that a
//!   value costs only its 16-byte tag. The scheme is safe under nonce reuse: equal versions of one person's data
//!   look equal, nothing else shows. Associated data: document id and resident id.
//! - Person key: AES-256-GCM-SIV under the family's wrapping key, nonce from its place on the key shelf.
//! - Grant: family secrets for each recipient; X25519 with one ephemeral key, then XChaCha20-Poly1305 (see [`crate::grant`]).

use std::collections::BTreeMap;

use aes_gcm_siv::{Aes128GcmSiv, Aes256GcmSiv};
use chacha20::{R20, hchacha};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, XChaCha20Poly1305};
use rand_core::CryptoRng;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroize;

use crate::entry::{HEADER_BOUND_LEN, HEADER_LEN};
use crate::id::{DocumentId, KeyId, NamespaceId, ResidentId};
use crate::namespace::Namespace;

/// Length of the authentication tag of every cipher used here.
pub const TAG_LEN: usize = 16;
/// Length of the nonce before a sealed body.
pub const NONCE_LEN: usize = 24;
/// Length of a wrapped person key.
pub const WRAPPED_LEN: usize = 32;

/// What was sealed cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("sealed data cannot be opened: the key is another one, or the data was altered")]
pub struct SealError;

/// The secret of a family of namespaces.
#[derive(Clone, PartialEq, Eq)]
pub struct FamilySecret([u8; 32]);

impl Drop for FamilySecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for FamilySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FamilySecret(..)")
    }
}

impl FamilySecret {
    /// A new secret.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// A secret read from a grant or a key file.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for a grant or a key file.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key id that headers name: derived from secret and family, so a wrong key is noticed on unwrapping.
    pub fn key_id(&self, family: &str) -> KeyId {
        let hash = self.derive("townmesh 2026-11 key id", family);
        let mut id = [0; KeyId::LEN];
        id.copy_from_slice(&hash[..KeyId::LEN]);
        KeyId(id)
    }

    fn derive(&self, context: &str, name: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(&self.0);
        hasher.update(name.as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// The keys for one namespace of the family.
    pub fn namespace_keys(&self, namespace: &Namespace) -> NamespaceKeys {
        let name = namespace.to_string();
        let secret = BodySecret(self.derive("townmesh 2026-11 body key", &name));
        NamespaceKeys {
            key_id: self.key_id(&namespace.family()),
            body: XChaCha20Poly1305::new(&secret.0.into()),
            secret,
            wrap: Aes256GcmSiv::new(&self.derive("townmesh 2026-11 person key wrap", &name).into()),
            ids: self.derive("townmesh 2026-11 document id key", &name),
        }
    }
}

/// Seals the bodies of one namespace.
#[derive(Clone)]
struct BodySecret([u8; 32]);

impl Drop for BodySecret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// The key of one sealed body, which opens that body and no other.
///
/// XChaCha20 seals nothing under the namespace's key itself: from it and the first 16 bytes of the body's random nonce it
/// derives, by HChaCha20, the key that this body is sealed under (draft-irtf-cfrg-xchacha, 2.3). HChaCha20 is a
/// pseudorandom function, so this key tells nothing of the namespace's, nor of any other body's. It can be handed to
/// somebody who is to check one entry and must not read the family.
#[derive(Clone, PartialEq, Eq)]
pub struct BodyKey([u8; 32]);

impl Drop for BodyKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for BodyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BodyKey(..)")
    }
}

impl BodyKey {
    /// A key that was handed over.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, to hand them over.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Opens the body that this is the key of; `header` as for [`NamespaceKeys::open_body`].
    ///
    /// # Errors
    /// [`SealError`] for another body, another header or altered bytes.
    pub fn open(&self, body: &[u8], header: &[u8; HEADER_LEN]) -> Result<Vec<u8>, SealError> {
        let (extended, sealed) = body.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&extended[16..]);
        let payload = Payload { msg: sealed, aad: &header[..HEADER_BOUND_LEN] };
        ChaCha20Poly1305::new(&self.0.into()).decrypt(&nonce.into(), payload).map_err(|_| SealError)
    }
}

/// The ciphers and keys of one namespace under one family secret.
#[derive(Clone)]
pub struct NamespaceKeys {
    /// Names the secret.
    pub key_id: KeyId,
    secret: BodySecret,
    body: XChaCha20Poly1305,
    wrap: Aes256GcmSiv,
    ids: [u8; 32],
}

impl std::fmt::Debug for NamespaceKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NamespaceKeys({})", self.key_id.short())
    }
}

impl NamespaceKeys {
    /// Seals an entry body. `header` is the header's bytes; only its first 154 bytes matter.
    pub fn seal_body(
        &self,
        plain: &[u8],
        header: &[u8; HEADER_LEN],
        rng: &mut dyn CryptoRng,
    ) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0; NONCE_LEN];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: plain, aad: &header[..HEADER_BOUND_LEN] };
        let sealed = self.body.encrypt(&nonce.into(), payload).map_err(|_| SealError)?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    /// Opens an entry body.
    ///
    /// # Errors
    /// [`SealError`] for another key, another header or altered bytes.
    pub fn open_body(&self, body: &[u8], header: &[u8; HEADER_LEN]) -> Result<Vec<u8>, SealError> {
        let (nonce, sealed) = body.split_first_chunk::<NONCE_LEN>().ok_or(SealError)?;
        let payload = Payload { msg: sealed, aad: &header[..HEADER_BOUND_LEN] };
        self.body.decrypt(&(*nonce).into(), payload).map_err(|_| SealError)
    }

    /// The key of one body alone; `None` for bytes that are too short to be one.
    pub fn key_of_body(&self, body: &[u8]) -> Option<BodyKey> {
        let (derived_from, _) = body.split_first_chunk::<16>()?;
        Some(BodyKey(hchacha::<R20>(&self.secret.0.into(), &(*derived_from).into()).into()))
    }

    /// The id of a document: a keyed hash, so that two offices that enter the same household make one document
    /// and a carrier cannot guess it. Only the founding secret of a family makes ids.
    pub fn document_id(&self, kind: u8, natural_key: &[u8]) -> DocumentId {
        let mut hasher = blake3::Hasher::new_keyed(&self.ids);
        hasher.update(&[kind]);
        hasher.update(natural_key);
        let mut id = [0; DocumentId::LEN];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..DocumentId::LEN]);
        DocumentId(id)
    }

    /// Wraps a person's key for its place on the key shelf.
    pub fn wrap_person_key(&self, key: &PersonKey, place: PersonKeyPlace) -> Result<[u8; WRAPPED_LEN], SealError> {
        let wrapped = self.wrap.encrypt(&place.nonce().into(), key.0.as_slice()).map_err(|_| SealError)?;
        wrapped.try_into().map_err(|_| SealError)
    }

    /// Unwraps a person's key.
    ///
    /// # Errors
    /// [`SealError`] if it was wrapped for another place, namespace or secret.
    pub fn unwrap_person_key(
        &self,
        wrapped: &[u8; WRAPPED_LEN],
        place: PersonKeyPlace,
    ) -> Result<PersonKey, SealError> {
        let key = self.wrap.decrypt(&place.nonce().into(), wrapped.as_slice()).map_err(|_| SealError)?;
        key.try_into().map(PersonKey).map_err(|_| SealError)
    }
}

/// A key shelf's id within its namespace: which author's opening of the store minted the keys on it.
pub type ShelfId = [u8; 8];

/// Where a person's key lies: the shelf and the index on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonKeyPlace {
    /// Which shelf.
    pub shelf: ShelfId,
    /// Which key on it, from 0.
    pub index: u32,
}

impl PersonKeyPlace {
    fn nonce(self) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.shelf);
        nonce[8..].copy_from_slice(&self.index.to_be_bytes());
        nonce
    }
}

/// The shelf that an author fills during one opening of its store.
pub fn shelf_id(namespace: NamespaceId, author: &[u8; 32], epoch: u64) -> ShelfId {
    let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 key shelf");
    hasher.update(&namespace.0);
    hasher.update(author);
    hasher.update(&epoch.to_be_bytes());
    let mut id = [0; 8];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    id
}

/// The key of one person's data. Destroying every copy erases the person.
#[derive(Clone, PartialEq, Eq)]
pub struct PersonKey([u8; 16]);

impl Drop for PersonKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl std::fmt::Debug for PersonKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKey(..)")
    }
}

impl PersonKey {
    /// A new key.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Seals a person's data: `place ‖ ciphertext ‖ tag`, the index as four big-endian bytes.
    pub fn seal(
        &self,
        plain: &[u8],
        place: PersonKeyPlace,
        document: DocumentId,
        resident: ResidentId,
    ) -> Result<Vec<u8>, SealError> {
        let aad = [document.0.as_slice(), &resident.0].concat();
        let sealed = Aes128GcmSiv::new(&self.0.into())
            .encrypt(&[0; 12].into(), Payload { msg: plain, aad: &aad })
            .map_err(|_| SealError)?;
        Ok([place.shelf.as_slice(), &place.index.to_be_bytes(), &sealed].concat())
    }

    /// Opens what [`Self::seal`] made.
    ///
    /// # Errors
    /// [`SealError`] for another key, document or resident, or altered bytes.
    pub fn open(&self, sealed: &[u8], document: DocumentId, resident: ResidentId) -> Result<Vec<u8>, SealError> {
        let sealed = sealed.get(12..).ok_or(SealError)?;
        let aad = [document.0.as_slice(), &resident.0].concat();
        Aes128GcmSiv::new(&self.0.into())
            .decrypt(&[0; 12].into(), Payload { msg: sealed, aad: &aad })
            .map_err(|_| SealError)
    }
}

/// Where the key of a sealed personal value lies.
pub fn personal_place(sealed: &[u8]) -> Option<PersonKeyPlace> {
    let (shelf, rest) = sealed.split_first_chunk::<8>()?;
    let (index, _) = rest.split_first_chunk::<4>()?;
    Some(PersonKeyPlace { shelf: *shelf, index: u32::from_be_bytes(*index) })
}

/// Seals to each recipient what is for it: `(ephemeral public key, {recipient: ciphertext ‖ tag})`. One ephemeral key
/// serves all, for each agreement with it gives another cipher key. Recipients with a low-order key get nothing.
pub fn seal_to_each(
    plain: &BTreeMap<[u8; 32], Vec<u8>>,
    rng: &mut dyn CryptoRng,
) -> ([u8; 32], BTreeMap<[u8; 32], Vec<u8>>) {
    let ephemeral = StaticSecret::random_from_rng(rng);
    let public = PublicKey::from(&ephemeral).to_bytes();
    let sealed = plain.iter().filter_map(|(recipient, plain)| {
        let cipher = agreed_cipher(&ephemeral, recipient, &public, recipient).ok()?;
        Some((*recipient, cipher.encrypt(&[0; NONCE_LEN].into(), plain.as_slice()).ok()?))
    });
    (public, sealed.collect())
}

/// Opens what [`seal_to_each`] made for the owner of `secret`.
///
/// # Errors
/// [`SealError`] for another recipient or altered bytes.
pub fn open_own(secret: &StaticSecret, ephemeral: &[u8; 32], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
    let cipher = agreed_cipher(secret, ephemeral, ephemeral, PublicKey::from(secret).as_bytes())?;
    // Each pair of ephemeral key and recipient gives another cipher key, so the nonce may be fixed.
    cipher.decrypt(&[0; NONCE_LEN].into(), sealed).map_err(|_| SealError)
}

/// Seals with a key that is used this once, the nonce being fixed for that reason.
///
/// # Errors
/// [`SealError`] of what is too long for the cipher.
pub fn seal_once(key: &[u8; 32], plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    cipher.encrypt(&[0; NONCE_LEN].into(), Payload { msg: plain, aad }).map_err(|_| SealError)
}

/// Opens what [`seal_once`] made.
///
/// # Errors
/// [`SealError`] for another key, another `aad`, or altered bytes.
pub fn open_once(key: &[u8; 32], sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, SealError> {
    let cipher = XChaCha20Poly1305::new(&(*key).into());
    cipher.decrypt(&[0; NONCE_LEN].into(), Payload { msg: sealed, aad }).map_err(|_| SealError)
}

fn agreed_cipher(
    own: &StaticSecret,
    other: &[u8; 32],
    ephemeral: &[u8; 32],
    recipient: &[u8; 32],
) -> Result<XChaCha20Poly1305, SealError> {
    let shared = own.diffie_hellman(&PublicKey::from(*other));
    if !shared.was_contributory() {
        return Err(SealError);
    }
    let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 grant");
    hasher.update(shared.as_bytes());
    hasher.update(ephemeral);
    hasher.update(recipient);
    Ok(XChaCha20Poly1305::new(&(*hasher.finalize().as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn bodies_open_only_with_their_key_and_header() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let namespace = Namespace::registry("110115005001");
        let secret = FamilySecret::random(&mut rng);
        let header = [5; HEADER_LEN];
        let body = secret.namespace_keys(&namespace).seal_body(b"plain", &header, &mut rng).unwrap();
        assert_eq!(secret.namespace_keys(&namespace).open_body(&body, &header), Ok(b"plain".to_vec()));

        let mut other_header = header;
        other_header[60] ^= 1;
        assert_eq!(secret.namespace_keys(&namespace).open_body(&body, &other_header), Err(SealError));
        let elsewhere = Namespace::registry("110115005002");
        assert_eq!(secret.namespace_keys(&elsewhere).open_body(&body, &header), Err(SealError));
        assert_eq!(FamilySecret::random(&mut rng).namespace_keys(&namespace).open_body(&body, &header), Err(SealError));
        for length in 0..body.len() {
            assert_eq!(secret.namespace_keys(&namespace).open_body(&body[..length], &header), Err(SealError));
        }
    }

    #[test]
    fn the_key_of_one_body_opens_that_body_and_no_other() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let keys = FamilySecret::random(&mut rng).namespace_keys(&Namespace::cases("110115005001", "2026"));
        let header = [5; HEADER_LEN];
        let [one, other] = [b"one".as_slice(), b"other"].map(|plain| keys.seal_body(plain, &header, &mut rng).unwrap());
        let key = keys.key_of_body(&one).unwrap();
        assert_eq!(key.open(&one, &header), Ok(b"one".to_vec()));
        assert_eq!(key.open(&other, &header), Err(SealError));
        assert_eq!(keys.key_of_body(&other).unwrap().open(&one, &header), Err(SealError));
        assert_ne!(key.as_bytes(), &keys.secret.0, "it is not the namespace's key");
        let mut other_header = header;
        other_header[10] ^= 1;
        assert_eq!(key.open(&one, &other_header), Err(SealError));
        // What the key was derived from is not looked at again: the hash in the header covers it.
        for place in 16..one.len() {
            let mut altered = one.clone();
            altered[place] ^= 1;
            assert_eq!(key.open(&altered, &header), Err(SealError), "byte {place}");
        }
        assert_eq!(keys.key_of_body(&one[..15]), None);
        assert_eq!(key.open(&one[..20], &header), Err(SealError));
    }

    #[test]
    fn personal_values_are_bound_to_their_person_and_place() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let keys = FamilySecret::random(&mut rng).namespace_keys(&Namespace::registry("110115005001"));
        let place = PersonKeyPlace { shelf: [3; 8], index: 70_000 };
        let key = PersonKey::random(&mut rng);
        let (document, resident) = (DocumentId([1; 16]), ResidentId([2; 8]));
        let sealed = key.seal(b"personal", place, document, resident).unwrap();
        assert_eq!(sealed.len(), 12 + 8 + TAG_LEN);
        assert_eq!(personal_place(&sealed), Some(place));
        assert_eq!(key.open(&sealed, document, resident), Ok(b"personal".to_vec()));
        assert_eq!(key.open(&sealed, document, ResidentId([9; 8])), Err(SealError));

        let wrapped = keys.wrap_person_key(&key, place).unwrap();
        assert_eq!(keys.unwrap_person_key(&wrapped, place), Ok(key));
        assert_eq!(keys.unwrap_person_key(&wrapped, PersonKeyPlace { index: 1, ..place }), Err(SealError));
        assert_eq!(personal_place(&sealed[..11]), None);
    }

    #[test]
    fn what_is_sealed_opens_only_for_its_recipient() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let [own, other] = [(); 2].map(|()| StaticSecret::random_from_rng(&mut rng));
        let [own_key, other_key] = [&own, &other].map(|secret| PublicKey::from(secret).to_bytes());
        let plain = BTreeMap::from([(own_key, b"mine".to_vec()), (other_key, b"other".to_vec()), ([0; 32], vec![1])]);
        let (ephemeral, sealed) = seal_to_each(&plain, &mut rng);
        assert_eq!(sealed.len(), 2, "nothing is sealed to a weak key");
        assert_eq!(open_own(&own, &ephemeral, &sealed[&own_key]), Ok(b"mine".to_vec()));
        assert_eq!(open_own(&other, &ephemeral, &sealed[&other_key]), Ok(b"other".to_vec()));
        assert_eq!(open_own(&other, &ephemeral, &sealed[&own_key]), Err(SealError));
        assert_eq!(open_own(&own, &[7; 32], &sealed[&own_key]), Err(SealError));
    }
}
