//! Checking signatures: strictly, in one place.
//!
//! Whether a key signed a message never changes, so a thread on which many nodes live, as in the simulator, may let what
//! was found right be [remembered](remember). A node on its own checks a signature about once and gains nothing.

use std::cell::RefCell;
use std::collections::BTreeSet;

use ed25519_dalek::{Signature, SignatureError, VerifyingKey};

/// Checks a signature strictly: RFC 8032, with keys of small order refused.
///
/// # Errors
/// [`SignatureError`] if it is no key, or the key did not sign this message.
pub(crate) fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
    unless_known(&[key, signature, message], || {
        VerifyingKey::from_bytes(key).and_then(|key| key.verify_strict(message, &Signature::from_bytes(signature)))
    })
}

/// Whether these bytes are a public key that is not of small order: one of those would sign anything.
pub(crate) fn is_sound_key(key: &[u8; 32]) -> bool {
    let check = || VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak()).ok_or_else(SignatureError::new);
    unless_known(&[key], || check().map(|_| ())).is_ok()
}

/// Checks, unless this thread remembers that the same was right.
fn unless_known(parts: &[&[u8]], check: impl FnOnce() -> Result<(), SignatureError>) -> Result<(), SignatureError> {
    if MEMORY.with_borrow(Option::is_none) {
        return check();
    }
    let name = name_of(parts);
    if MEMORY.with_borrow(|memory| memory.as_ref().is_some_and(|memory| memory.knows(&name))) {
        return Ok(());
    }
    check()?;
    MEMORY.with_borrow_mut(|memory| memory.iter_mut().for_each(|memory| memory.learn(name)));
    Ok(())
}

/// Lets this thread remember about so many checks whose outcome was good; 0 forgets all and remembers no more.
pub fn remember(checks: usize) {
    MEMORY.set((checks > 0).then(|| Memory { half: checks.div_ceil(2), ..Memory::default() }));
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// What was right lately: two sets, of which the older is dropped when the newer is full.
#[derive(Debug, Default)]
struct Memory {
    half: usize,
    newer: BTreeSet<[u8; 32]>,
    older: BTreeSet<[u8; 32]>,
}

impl Memory {
    fn knows(&self, name: &[u8; 32]) -> bool {
        self.newer.contains(name) || self.older.contains(name)
    }

    fn learn(&mut self, name: [u8; 32]) {
        if self.newer.len() >= self.half {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(name);
    }
}

/// The parts are of fixed length but for the last one.
fn name_of(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    parts.iter().for_each(|part| _ = hasher.update(part));
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer, SigningKey};

    #[test]
    fn what_is_remembered_is_this_key_this_message_and_this_signature() {
        let signing = SigningKey::from_bytes(&[7; 32]);
        let (key, other) = (signing.verifying_key().to_bytes(), SigningKey::from_bytes(&[8; 32]).verifying_key());
        let signature = signing.sign(b"one").to_bytes();
        let mut altered = signature;
        altered[40] ^= 1;
        for capacity in [0, 100] {
            remember(capacity);
            for _ in 0..3 {
                assert!(verify(&key, b"one", &signature).is_ok());
                assert!(verify(&key, b"two", &signature).is_err());
                assert!(verify(&key, b"one", &altered).is_err());
                assert!(verify(&other.to_bytes(), b"one", &signature).is_err());
            }
        }
        remember(0);
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_was_right_lately() {
        let mut memory = Memory { half: 10, ..Memory::default() };
        for number in 0..95_u8 {
            memory.learn([number; 32]);
            assert!(memory.newer.len() + memory.older.len() <= 20);
        }
        assert!((85..95).all(|number| memory.knows(&[number; 32])) && !memory.knows(&[70; 32]));
    }

    /// The neutral element signs everything for a key of small order where the check is not strict.
    #[test]
    fn keys_of_small_order_are_refused() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(verify(&neutral, b"anything", &signature).is_err() && !is_sound_key(&neutral));
    }
}
