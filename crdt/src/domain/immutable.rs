//! Immutable values: written once, as a whole, and read strictly.
//!
//! Their bytes are a version byte and one CBOR item (RFC 8949) with integer keys. A reader refuses another version,
//! too many bytes, bytes after the item, and contents beyond the limits of the type; it skips keys that it does not
//! know, so that a newer minor version may add some. Hashes are taken over the bytes as received, never a re-encoding.

use minicbor::{Decode, Encode};

/// What is wrong with an immutable value or its bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImmutableError {
    /// There are no bytes.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// Written by a version that this one does not read.
    #[error("the {what} has version {version}; this program reads version 1: update townmesh")]
    Version {
        /// Kind of value.
        what: &'static str,
        /// The version found.
        version: u8,
    },
    /// A part exceeds its limit.
    #[error("the {what} has {found} {part}, {limit} are allowed; split it up or shorten it")]
    Limit {
        /// Kind of value.
        what: &'static str,
        /// What there is too much of.
        part: &'static str,
        /// How much.
        found: usize,
        /// How much may be.
        limit: usize,
    },
    /// Not the CBOR that this type is written as.
    #[error("the {what} is damaged: {reason}")]
    Malformed {
        /// Kind of value.
        what: &'static str,
        /// What the decoder stumbled over.
        reason: String,
    },
}

/// A part of a value, how much of it there is, and how much there may be.
pub(super) type Limit = (&'static str, usize, usize);

/// Version byte of every immutable value of this module.
const VERSION: u8 = 1;

/// A value that is written once.
pub(super) trait Immutable: Encode<()> + for<'b> Decode<'b, ()> {
    /// What it is called in messages.
    const WHAT: &'static str;
    /// Most bytes of its encoding.
    const MAX_BYTES: usize;

    /// Its parts with their limits.
    fn limits(&self) -> Vec<Limit>;
}

pub(super) fn encode<T: Immutable>(value: &T) -> Result<Vec<u8>, ImmutableError> {
    check(value)?;
    let mut bytes = vec![VERSION];
    minicbor::encode(value, &mut bytes)
        .map_err(|error| ImmutableError::Malformed { what: T::WHAT, reason: error.to_string() })?;
    check_limit::<T>(("bytes", bytes.len(), T::MAX_BYTES))?;
    Ok(bytes)
}

pub(super) fn decode<T: Immutable>(bytes: &[u8]) -> Result<T, ImmutableError> {
    let malformed = |reason: String| ImmutableError::Malformed { what: T::WHAT, reason };
    check_limit::<T>(("bytes", bytes.len(), T::MAX_BYTES))?;
    let (version, item) = bytes.split_first().ok_or(ImmutableError::Empty(T::WHAT))?;
    if *version != VERSION {
        return Err(ImmutableError::Version { what: T::WHAT, version: *version });
    }
    let mut decoder = minicbor::Decoder::new(item);
    let value: T = decoder.decode().map_err(|error| malformed(error.to_string()))?;
    if decoder.position() != item.len() {
        return Err(malformed("bytes follow after its end".to_owned()));
    }
    check(&value)?;
    Ok(value)
}

fn check<T: Immutable>(value: &T) -> Result<(), ImmutableError> {
    value.limits().into_iter().try_for_each(check_limit::<T>)
}

fn check_limit<T: Immutable>((part, found, limit): Limit) -> Result<(), ImmutableError> {
    if found <= limit { Ok(()) } else { Err(ImmutableError::Limit { what: T::WHAT, part, found, limit }) }
}
