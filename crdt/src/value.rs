//! The values that fields of a document hold.
//!
//! A record (the household itself, or one resident in it) is a set of fields with small integer names. Each kind
//! of document lists its field numbers beside its type; a number is never reused for another meaning.

use std::collections::BTreeMap;

use minicbor::data::Type;
use minicbor::{Decode, Decoder, Encode, Encoder};

/// Number of a field within its kind of record.
pub type FieldId = u8;

/// Beside the fields of a record: the account of whoever wrote them, a text. It belongs to the assertion and is no value of the
/// record: nothing replaces it, and nobody is asked about it. Records number their own fields from below.
pub const WRITTEN_BY: FieldId = FieldId::MAX;

/// The fields of a record, or those that an edit writes.
pub type Fields = BTreeMap<FieldId, Value>;

/// One field's value. On the wire a CBOR item (RFC 8949) of the obvious type.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Known to be empty; how a field is cleared.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number; also dates (days since 1970-01-01), times (milliseconds since 1970) and codes.
    Int(i64),
    /// Text, UTF-8.
    Text(String),
    /// Bytes, such as a sealed value.
    Bytes(Vec<u8>),
}

impl Value {
    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// The number, if this is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(truth) = self { Some(*truth) } else { None }
    }

    /// The bytes, if these are some.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl<C> Encode<C> for Value {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        match self {
            Self::Null => e.null()?.ok(),
            Self::Bool(truth) => e.bool(*truth)?.ok(),
            Self::Int(number) => e.i64(*number)?.ok(),
            Self::Text(text) => e.str(text)?.ok(),
            Self::Bytes(bytes) => e.bytes(bytes)?.ok(),
        }
    }
}

impl<'b, C> Decode<'b, C> for Value {
    #[expect(clippy::wildcard_enum_match_arm, reason = "every other type is a number or refused as one")]
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.datatype()? {
            Type::Null => d.null().map(|()| Self::Null),
            Type::Bool => d.bool().map(Self::Bool),
            Type::String => d.str().map(Self::from),
            Type::Bytes => d.bytes().map(|bytes| Self::Bytes(bytes.to_vec())),
            _ => d.i64().map(Self::Int),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            ".{0,20}".prop_map(Value::Text),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn round_trips(value in any_value()) {
            let bytes = minicbor::to_vec(&value).unwrap();
            prop_assert_eq!(minicbor::decode::<Value>(&bytes).unwrap(), value);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = minicbor::decode::<Value>(&bytes);
        }
    }
}
