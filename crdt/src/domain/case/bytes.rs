//! Byte strings in JSON: lower-case hexadecimal.

use serde::{Deserialize, Deserializer, Serializer};

use crate::id::hex;

pub(super) fn serialize<B: AsRef<[u8]>, S: Serializer>(bytes: &B, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex(bytes.as_ref()))
}

pub(super) fn deserialize<'de, B: TryFrom<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<B, D::Error> {
    let text = String::deserialize(deserializer)?;
    unhex(&text)
        .and_then(|bytes| B::try_from(bytes).ok())
        .ok_or_else(|| serde::de::Error::custom("bytes are written as an even number of hexadecimal digits"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// The same for bytes that may be absent.
pub(super) mod optional {
    use super::{Deserialize, Deserializer, Serializer, unhex};
    use crate::id::hex;

    pub(crate) fn serialize<S: Serializer>(
        bytes: &Option<minicbor::bytes::ByteVec>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match bytes {
            Some(bytes) => serializer.serialize_some(&hex(bytes)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<minicbor::bytes::ByteVec>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let bytes = unhex(&text).ok_or_else(|| serde::de::Error::custom("bytes are written in hexadecimal digits"))?;
        Ok(Some(bytes.into()))
    }
}
