//! Door tags (门牌二维码): the QR plate on a door, the token in it and the number beneath it.
//!
//! A tag tells nothing of people and nothing of the address: its id is random, and what it is for stands in the registry
//! of its region alone. The tags of one dwelling are the records of one document (kind `door tag`, found by the
//! dwelling's document), each under its id. So two offices that issue one apart have two that stand, what retires a tag
//! is found beside it whoever wrote it, and nobody who edits a dwelling touches its tags.
//!
//! # Token
//!
//! ```text
//! 1   version, 1
//! 4   town: the first bytes of BLAKE3 (derive-key context `townmesh 2026-11 door tag town`) over the root key
//! 5   region: its code as a number, big-endian
//! 16  id of the tag
//! 5   issuer: the first bytes of its node id
//! 64  Ed25519 by the issuer over "townmesh/door-tag/1" ‖ root key (32) ‖ the 31 bytes above
//! ```
//!
//! In a QR code it is these 95 bytes in Crockford's base 32: 152 characters of the alphanumeric mode, which a code of version 6
//! with error correction M holds (41 by 41 modules). There are no bits to spare, so a token has one form but for
//! the case of its letters.
//!
//! # Number
//!
//! What people type or say where a plate cannot be scanned: a [`SpokenNumber`] that follows from the id. Of the 100,000 tags of
//! a town two share one with a probability of 0.02 %; whoever looks it up is shown both.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codes::coded;
use super::number::{NumberError, SpokenNumber};
use super::record::{Scalar, record};
use super::region::RegionCode;
use crate::id::{DocumentId, NodeId, TagId};
use crate::signature;
use crate::value::Value;

/// Most tags of one dwelling, retired ones included.
pub const MAX_TAGS: usize = 256;
/// Doors of one dwelling, by number.
pub const ENTRANCES: std::ops::RangeInclusive<u64> = 1..=99;

const CONTEXT: &[u8] = b"townmesh/door-tag/1";
const VERSION: u8 = 1;
const TOWN: usize = 4;
const REGION: usize = 5;
/// Bytes of a node's id that a token names its issuer by.
pub(crate) const ISSUER: usize = 5;
/// Bytes before the signature.
const SIGNED: usize = 1 + TOWN + REGION + TagId::LEN + ISSUER;
const SIGNATURE: usize = 64;
/// Bytes of a token.
pub const TOKEN_BYTES: usize = SIGNED + SIGNATURE;
/// Characters of a token.
pub const TOKEN_CHARS: usize = TOKEN_BYTES / 5 * 8;
/// From this length on, a text is meant to be a token.
const MEANT: usize = 40;

/// The same digits and letters as those of spoken numbers.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

coded! {
    /// Why a tag does not count any more.
    pub enum TagRetirement: "reason to retire a door tag" {
        /// 丢失.
        Lost = 1, "lost", "丢失", "lost";
        /// 损坏.
        Damaged = 2, "damaged", "损坏", "damaged";
        /// 更换.
        Replaced = 3, "replaced", "更换", "replaced";
        /// 房屋拆除：the house is gone, and with it all of its tags.
        HouseGone = 4, "house_gone", "房屋已拆除", "the house is gone";
    }
}

record! {
    /// A door tag, under its id among those of a dwelling.
    pub struct DoorTag {
        /// The dwelling's document.
        1 DWELLING dwelling: Option<DocumentId>,
        /// Which of the dwelling's doors, from 1, the main one. Not written for the first.
        2 ENTRANCE entrance: Option<u16>,
        /// When it was issued, in milliseconds since 1970.
        3 ISSUED issued_at: Option<i64>,
        /// The node that issued it: whose signature the token bears.
        4 ISSUER issuer: Option<NodeId>,
        /// What the plate holds.
        5 TOKEN token: Option<DoorToken>,
        /// When it was retired, in milliseconds since 1970.
        6 RETIRED retired_at: Option<i64>,
        /// Why it was retired.
        7 WHY retired_why: Option<TagRetirement>,
        /// The tag that hangs in its place.
        8 REPLACED_BY replaced_by: Option<TagId>,
    }
}

impl DoorTag {
    /// Which door, from 1.
    pub fn entrance_or_first(&self) -> u16 {
        self.entrance.unwrap_or(1)
    }

    /// Whether it was retired. Nothing takes that back: whoever used it meanwhile, elsewhere, is told.
    pub fn is_retired(&self) -> bool {
        self.retired_at.is_some() || self.retired_why.is_some()
    }
}

/// What the QR code of a tag holds; see the module. Whether its signature is right only [`Self::is_signed_by`] says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DoorToken {
    bytes: [u8; TOKEN_BYTES],
    region: RegionCode,
}

/// Bytes or a text that are no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not the characters of one.
    #[error("这不是门牌二维码的内容 / this is not what the QR code of a door tag holds")]
    Form,
    /// Cut off.
    #[error(
        "门牌二维码的内容不完整（{found}/{TOKEN_CHARS} 位），请重新扫描，或输入门牌下方的编号 / only {found} of the {TOKEN_CHARS} characters of a door tag: scan it again, or type the number beneath it"
    )]
    Truncated {
        /// Characters found.
        found: usize,
    },
    /// Written by a version that this one does not read.
    #[error(
        "门牌由更新的版本制作（{0}），请升级本节点 / the door tag was made by version {0}: update townmesh on this node"
    )]
    Version(u8),
}

impl DoorToken {
    /// The token of a tag in a region, signed by the node that issues it.
    pub fn sign(town: &[u8; 32], region: RegionCode, tag: TagId, key: &SigningKey) -> Self {
        let issuer = NodeId(key.verifying_key().to_bytes());
        let mut bytes = [0; TOKEN_BYTES];
        let number = region.number().to_be_bytes();
        let parts: [&[u8]; 5] =
            [&[VERSION], &town_mark(town), &number[size_of::<u64>() - REGION..], &tag.0, &issuer.0[..ISSUER]];
        let signed = parts.concat();
        let signature = key.sign(&message(town, &signed)).to_bytes();
        bytes.iter_mut().zip(signed.iter().chain(&signature)).for_each(|(byte, known)| *byte = *known);
        Self { bytes, region }
    }

    /// The token of these bytes.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TokenError> {
        if let Some(version) = bytes.first().filter(|version| **version != VERSION) {
            return Err(TokenError::Version(*version));
        }
        if bytes.len() < TOKEN_BYTES {
            return Err(TokenError::Truncated { found: (bytes.len() * 8).div_ceil(5) });
        }
        let bytes: [u8; TOKEN_BYTES] = bytes.try_into().map_err(|_| TokenError::Form)?;
        let number = bytes[1 + TOWN..1 + TOWN + REGION].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        // One region has one number.
        let region = RegionCode::from_number(number).filter(|region| region.number() == number);
        region.map(|region| Self { bytes, region }).ok_or(TokenError::Form)
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it was made for this town.
    pub fn is_of_town(&self, town: &[u8; 32]) -> bool {
        self.bytes[1..1 + TOWN] == town_mark(town)
    }

    /// The region in whose registry the tag stands.
    pub fn region(&self) -> RegionCode {
        self.region
    }

    /// Id of the tag.
    pub fn tag(&self) -> TagId {
        let mut id = [0; TagId::LEN];
        id.copy_from_slice(&self.bytes[1 + TOWN + REGION..SIGNED - ISSUER]);
        TagId(id)
    }

    /// How the id of the node that signed it begins.
    pub fn issuer(&self) -> [u8; ISSUER] {
        let mut issuer = [0; ISSUER];
        issuer.copy_from_slice(&self.bytes[SIGNED - ISSUER..SIGNED]);
        issuer
    }

    /// Whether this node of this town signed it.
    pub fn is_signed_by(&self, town: &[u8; 32], node: &NodeId) -> bool {
        let (signed, end) = self.bytes.split_at(SIGNED);
        let mut signature = [0; SIGNATURE];
        signature.copy_from_slice(end);
        node.0.starts_with(&self.issuer()) && signature::verify(&node.0, &message(town, signed), &signature).is_ok()
    }
}

fn town_mark(town: &[u8; 32]) -> [u8; TOWN] {
    let hash = blake3::derive_key("townmesh 2026-11 door tag town", town);
    let mut mark = [0; TOWN];
    mark.copy_from_slice(&hash[..TOWN]);
    mark
}

fn message(town: &[u8; 32], signed: &[u8]) -> Vec<u8> {
    [CONTEXT, town, signed].concat()
}

impl fmt::Display for DoorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::with_capacity(TOKEN_CHARS);
        for chunk in self.bytes.chunks_exact(5) {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                let digit = (bits >> (5 * place) & 31) as usize;
                text.push(ALPHABET.get(digit).copied().map_or('0', char::from));
            }
        }
        f.write_str(&text)
    }
}

impl FromStr for DoorToken {
    type Err = TokenError;

    /// Takes small letters, too. What is not of the alphabet (I, L, O, U among it) was not printed by us.
    fn from_str(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let mut digits = Vec::with_capacity(TOKEN_CHARS);
        for character in text.bytes() {
            let digit = ALPHABET.iter().position(|known| *known == character.to_ascii_uppercase());
            digits.push(digit.ok_or(TokenError::Form)? as u64);
            if digits.len() > TOKEN_CHARS {
                return Err(TokenError::Form);
            }
        }
        if digits.len() < MEANT {
            return Err(TokenError::Form);
        }
        let mut bytes = Vec::with_capacity(TOKEN_BYTES);
        for chunk in digits.chunks(8) {
            let bits = chunk.iter().fold(0_u64, |bits, digit| bits << 5 | digit) << (5 * (8 - chunk.len()));
            // What is cut off in the midst of a byte has no byte there.
            bytes.extend_from_slice(&bits.to_be_bytes()[3..3 + chunk.len() * 5 / 8]);
        }
        Self::from_bytes(&bytes).map_err(|error| match error {
            TokenError::Truncated { .. } => TokenError::Truncated { found: digits.len() },
            TokenError::Form | TokenError::Version(_) => error,
        })
    }
}

impl fmt::Debug for DoorToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DoorToken({:?})", self.tag())
    }
}

impl Scalar for DoorToken {
    fn to_value(&self) -> Value {
        Value::Bytes(self.bytes.to_vec())
    }
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_bytes(value.as_bytes()?).ok()
    }
}

impl Serialize for DoorToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DoorToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

crate::openapi::described!(DoorToken => crate::openapi::forms::text(
    "^[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{152}$",
    "门牌二维码的内容 / what the QR code of a door tag holds"
));

/// How somebody names a tag: by what they scanned, by what they typed, or by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TagName {
    /// Scanned.
    Token(DoorToken),
    /// Typed or told.
    Code(SpokenNumber),
    /// From a list.
    Id(TagId),
}

/// A text that names no tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagNameError {
    /// It was meant to be a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It was meant to be a number.
    #[error(transparent)]
    Code(#[from] NumberError),
}

impl TagNameError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(TokenError::Form) => "tag_form",
            Self::Token(TokenError::Truncated { .. }) => "tag_truncated",
            Self::Token(TokenError::Version(_)) => "tag_version",
            Self::Code(_) => "tag_code",
        }
    }
}

impl FromStr for TagName {
    type Err = TagNameError;

    /// What stands before the last `/` is passed over: a plate may hold the address of a page that ends in the token.
    fn from_str(text: &str) -> Result<Self, TagNameError> {
        let text = text.rsplit('/').next().unwrap_or(text).trim();
        if let Ok(id) = text.parse() {
            return Ok(Self::Id(id));
        }
        if text.len() < MEANT {
            return Ok(Self::Code(text.parse()?));
        }
        Ok(Self::Token(text.parse()?))
    }
}

// What stands before the last slash of a scanned address never comes to a path as it is.
crate::openapi::described!(TagName => crate::openapi::forms::named(
    "TagName",
    "^([0-9a-fA-F]{32}|[0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{152}|[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{4})$",
    "门牌：扫码内容、编号或标识 / a door tag: what was scanned, the number beneath it, or its id"
));

impl fmt::Display for TagName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => token.fmt(f),
            Self::Code(code) => code.fmt(f),
            Self::Id(id) => id.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HOME: [u8; 32] = [9; 32];

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32])
    }

    fn node(byte: u8) -> NodeId {
        NodeId(key(byte).verifying_key().to_bytes())
    }

    fn token(id: [u8; 16]) -> DoorToken {
        DoorToken::sign(&HOME, "110115005001".parse().unwrap(), TagId(id), &key(1))
    }

    proptest! {
        #[test]
        fn a_token_says_what_was_signed_and_has_one_form(
            id in any::<[u8; 16]>(), region in prop::sample::select(vec!["11", "110115", "110115005", "110115005001", "999999999999"]),
        ) {
            let region: RegionCode = region.parse().unwrap();
            let token = DoorToken::sign(&HOME, region, TagId(id), &key(1));
            prop_assert_eq!((token.region(), token.tag()), (region, TagId(id)));
            prop_assert!(token.is_of_town(&HOME) && token.is_signed_by(&HOME, &node(1)));
            let text = token.to_string();
            prop_assert_eq!(text.len(), TOKEN_CHARS);
            prop_assert_eq!(text.parse(), Ok(token));
            prop_assert_eq!(text.to_lowercase().parse(), Ok(token));
            prop_assert_eq!(DoorToken::from_bytes(token.as_bytes()), Ok(token));
            prop_assert_eq!(DoorToken::from_value(&token.to_value()), Some(token));
            prop_assert_eq!(format!("https://example.org/d/{text}").parse(), Ok(TagName::Token(token)));
        }

        #[test]
        fn any_bytes_are_a_token_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..120), first in any::<bool>()) {
            let bytes = if first { [&[VERSION], bytes.as_slice()].concat() } else { bytes };
            if let Ok(token) = DoorToken::from_bytes(&bytes) {
                prop_assert_eq!(token.as_bytes(), bytes.as_slice());
                prop_assert!(!token.is_signed_by(&HOME, &node(1)));
            }
        }

        #[test]
        fn any_text_names_a_tag_or_is_refused(text in "[0-9A-Za-z/ -]{0,170}|.{0,60}") {
            if let Ok(name) = text.parse::<TagName>() {
                prop_assert_eq!(name.to_string().parse(), Ok(name));
            }
        }

        #[test]
        fn no_altered_bit_is_signed(bit in 0..TOKEN_BYTES * 8) {
            let mut bytes = token([7; 16]).bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(DoorToken::from_bytes(&bytes).is_ok_and(|altered| !altered.is_signed_by(&HOME, &node(1)))
                || DoorToken::from_bytes(&bytes).is_err());
        }

        #[test]
        fn what_is_cut_off_says_so(cut in MEANT..TOKEN_CHARS) {
            let text = token([7; 16]).to_string();
            let refused = text[..cut].parse::<TagName>().unwrap_err();
            prop_assert_eq!(refused, TagNameError::Token(TokenError::Truncated { found: cut }));
        }
    }

    #[test]
    fn another_town_another_node_and_another_version_are_told_apart() {
        let own = token([7; 16]);
        assert!(!own.is_of_town(&[8; 32]));
        assert!(!own.is_signed_by(&[8; 32], &node(1)) && !own.is_signed_by(&HOME, &node(2)));
        let mut newer = own.bytes;
        newer[0] = 2;
        assert_eq!(DoorToken::from_bytes(&newer), Err(TokenError::Version(2)));
        let mut elsewhere = own.bytes;
        elsewhere[5..10].fill(0);
        assert_eq!(DoorToken::from_bytes(&elsewhere), Err(TokenError::Form), "no region has the number 0");
        let code = SpokenNumber::of_tag(own.tag());
        assert_eq!(code.to_string().parse(), Ok(TagName::Code(code)));
        assert_eq!(own.tag().to_string().parse(), Ok(TagName::Id(own.tag())));
    }

    #[test]
    fn a_tag_round_trips() {
        let tag = DoorTag {
            dwelling: Some(DocumentId([3; 16])),
            entrance: Some(2),
            issued_at: Some(5),
            issuer: Some(node(1)),
            token: Some(token([7; 16])),
            retired_why: Some(TagRetirement::Lost),
            ..DoorTag::default()
        };
        assert_eq!(DoorTag::read(&tag.fields()), tag);
        assert_eq!(DoorTag::table().len(), DoorTag::NUMBERS);
        assert!(tag.is_retired() && !DoorTag::default().is_retired());
    }
}
