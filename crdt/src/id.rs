//! Identifiers: who wrote, into which namespace, about which document.
//!
//! All identifiers are fixed-size byte strings. In text (JSON, logs, the command line) they are lower-case
//! hexadecimal; parsing is strict about length and alphabet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not the hexadecimal form of the identifier it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is written as {digits} hexadecimal digits; got {length} characters of which some may not be digits")]
pub struct IdError {
    kind: &'static str,
    digits: usize,
    length: usize,
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return None;
    }
    let nibble = |digit: u8| (digit as char).to_digit(16).map(|value| value as u8);
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

macro_rules! identifier {
    ($(#[$doc:meta])* $name:ident, $size:literal, $label:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $size]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $size;

            /// The identifier held by a slice of exactly [`Self::LEN`] bytes.
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }

            /// The bytes.
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// The first eight hexadecimal digits, for messages to people.
            pub fn short(&self) -> String {
                hex(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                unhex(text).map(Self).ok_or(IdError { kind: $label, digits: $size * 2, length: text.chars().count() })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        $crate::openapi::described!($name => $crate::openapi::forms::digits(stringify!($name), $size * 2, $label));

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Self::from_slice(d.bytes()?)
                    .ok_or_else(|| minicbor::decode::Error::message(concat!($label, " has another length")))
            }
        }
    };
}

identifier! {
    /// An author: the Ed25519 public key of the node that signs.
    NodeId, 32, "a node id"
}
identifier! {
    /// A namespace: the unit of interest, permission and retention. See [`crate::namespace`].
    NamespaceId, 16, "a namespace id"
}
identifier! {
    /// A document within a namespace: a keyed hash of its kind and natural key.
    DocumentId, 16, "a document id"
}
identifier! {
    /// An entry: the BLAKE3 hash of its header bytes.
    EntryId, 32, "an entry id"
}
identifier! {
    /// A certificate: the BLAKE3 hash of its signed bytes.
    CertificateId, 32, "a certificate id"
}
identifier! {
    /// A namespace key: derived from the key and the namespace, so that a wrong key is noticed on unwrapping.
    KeyId, 16, "a key id"
}
identifier! {
    /// An immutable record: the first half of the BLAKE3 hash of its bytes.
    RecordId, 16, "a record id"
}
identifier! {
    /// A door tag: random, so that nothing of its dwelling follows from it.
    TagId, 16, "a door tag id"
}
identifier! {
    /// A person inside a household document; random (DESIGN 12.15).
    ResidentId, 8, "a resident id"
}
identifier! {
    /// A conflict that people have to settle, or one settlement of it: the same on every node.
    ConflictId, 16, "a conflict id"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_is_strict() {
        let id = ResidentId([0, 1, 2, 3, 0xfd, 0xfe, 0xff, 0x80]);
        assert_eq!(id.to_string(), "00010203fdfeff80");
        assert_eq!("00010203fdfeff80".parse(), Ok(id));
        for wrong in ["", "00010203fdfeff8", "00010203fdfeff8g", "00010203fdfeff8000", "+0010203fdfeff80", "村居"] {
            assert!(wrong.parse::<ResidentId>().is_err(), "{wrong} must be refused");
        }
    }
}
