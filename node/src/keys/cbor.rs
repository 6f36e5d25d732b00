//! CBOR as key files hold it: definite lengths, nothing after the end.

use minicbor::{Decoder, Encoder};

use super::ContentError;

/// Writing CBOR to memory does not fail.
pub(super) type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

pub(super) fn encoded(write: impl FnOnce(&mut Encoder<&mut Vec<u8>>) -> Written) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = write(&mut Encoder::new(&mut bytes));
    debug_assert!(written.is_ok(), "writing to memory does not fail");
    bytes
}

pub(super) fn fixed<const N: usize>(d: &mut Decoder<'_>, what: &'static str) -> Result<[u8; N], ContentError> {
    d.bytes()?.try_into().map_err(|_| ContentError::Length(what))
}

/// The checked length of a list.
pub(super) fn list(d: &mut Decoder<'_>, what: &'static str, limit: u64) -> Result<u64, ContentError> {
    d.array()?.filter(|length| *length <= limit).ok_or(ContentError::TooMany { what, limit })
}

/// Reads an array of exactly so many parts to its end, and nothing after it.
pub(super) fn parts<T>(
    bytes: &[u8],
    count: u64,
    read: impl FnOnce(&mut Decoder<'_>) -> Result<T, ContentError>,
) -> Result<T, ContentError> {
    let mut d = Decoder::new(bytes);
    if d.array()? != Some(count) {
        return Err(ContentError::Length("the list of parts"));
    }
    let value = read(&mut d)?;
    if d.position() == bytes.len() { Ok(value) } else { Err(ContentError::Length("the content")) }
}
