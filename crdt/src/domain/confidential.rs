//! Records for a few readers, whoever carries them.
//!
//! The CBOR array `[1, ephemeral, [[recipient, sealed key]...], sealed]`. `sealed` is the content under a key of its own
//! (XChaCha20-Poly1305, the document's id beside it, so that it is that document's and no other's), the key is sealed to the
//! exchange key of each recipient as in a grant.

use minicbor::{Decoder, Encoder};

/// Most recipients of one record.
pub const MAX_RECIPIENTS: usize = 64;
const VERSION: u8 = 1;

/// Bytes that are no such record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a confidential record is damaged, or of a newer version")]
pub struct ConfidentialError;

/// What few may read; see the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confidential {
    /// X25519 public key that the shares are sealed with.
    pub ephemeral: [u8; 32],
    /// Exchange keys of those who may read it, and the key sealed to each.
    pub shares: Vec<([u8; 32], Vec<u8>)>,
    /// The content.
    pub sealed: Vec<u8>,
}

impl Confidential {
    /// As bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut e = Encoder::new(&mut bytes);
        // Writing into a vector does not fail.
        let _ = (|| -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
            e.array(4)?.u8(VERSION)?.bytes(&self.ephemeral)?.array(self.shares.len() as u64)?;
            for (recipient, sealed) in &self.shares {
                e.array(2)?.bytes(recipient)?.bytes(sealed)?;
            }
            e.bytes(&self.sealed)?;
            Ok(())
        })();
        bytes
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`ConfidentialError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ConfidentialError> {
        let mut d = Decoder::new(bytes);
        let read = |d: &mut Decoder<'_>| -> Option<Self> {
            (d.array().ok()? == Some(4) && d.u8().ok()? == VERSION).then_some(())?;
            let ephemeral = d.bytes().ok()?.try_into().ok()?;
            let count = usize::try_from(d.array().ok()??).ok().filter(|count| (1..=MAX_RECIPIENTS).contains(count))?;
            let mut shares = Vec::with_capacity(count);
            for _ in 0..count {
                (d.array().ok()? == Some(2)).then_some(())?;
                shares.push((d.bytes().ok()?.try_into().ok()?, d.bytes().ok()?.to_vec()));
            }
            let sealed = d.bytes().ok()?.to_vec();
            (d.position() == bytes.len()).then_some(Self { ephemeral, shares, sealed })
        };
        read(&mut d).ok_or(ConfidentialError)
    }
}
