//! Regions: the statistical division codes, and the region record.
//!
//! Codes follow GB/T 2260 and the statistics bureau's urban-rural table: 2 digits province, 4 prefecture, 6 district or
//! county (区县), 9 town or street (镇街), 12 village or community (村居). A longer spelling that ends in zeros
//! (110115005000 for the town 110115005) is the same code here, so that one region never gets two documents.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::codes::coded;
use super::input::{self, InputError};
use super::record::{Scalar, record};
use crate::domain::key;
use crate::value::Value;

/// A division code of 2, 4, 6, 9 or 12 digits of which the first is not 0. In JSON a text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionCode(u64);

/// A text or number that is no division code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "“{text}” is no region code; write the 12 digits of a village or community, or the 9 of a town, or the 6 of a district"
)]
pub struct RegionCodeError {
    text: String,
}

/// How many digits a level has, deepest first.
const LEVELS: [(usize, RegionLevel); 5] = [
    (12, RegionLevel::Village),
    (9, RegionLevel::Town),
    (6, RegionLevel::District),
    (4, RegionLevel::Prefecture),
    (2, RegionLevel::Province),
];

/// Depth of a code; a container comes before what it contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RegionLevel {
    /// 2 digits.
    Province,
    /// 4 digits.
    Prefecture,
    /// 6 digits: 区县.
    District,
    /// 9 digits: 镇街.
    Town,
    /// 12 digits: 村居.
    Village,
}

coded! {
    /// What a region is; the code says only how deep it lies.
    pub enum RegionKind: "kind of region" {
        /// 区县.
        District = 1, "district", "区县", "district";
        /// 镇街.
        Town = 2, "town", "镇街", "town or street";
        /// 村.
        Village = 3, "village", "村", "village";
        /// 社区.
        Community = 4, "community", "社区", "community";
        /// 园区.
        Park = 5, "park", "园区", "industrial park";
        /// 省.
        Province = 6, "province", "省", "province";
        /// 市.
        Prefecture = 7, "prefecture", "市", "prefecture";
    }
}

record! {
    /// A region (区域).
    pub struct Region {
        /// Its code; part of the natural key.
        1 CODE code: Option<RegionCode>,
        /// Its name, such as 狼垡一村村委会.
        2 NAME name: Option<String>,
        /// What it is.
        3 KIND kind: Option<RegionKind>,
        /// The region that it belongs to, where that is not the one in its code.
        4 PARENT parent: Option<RegionCode>,
        /// A point within it, for the map.
        5 POSITION position: Option<super::position::Position>,
        /// Its ground: what of it lies on no grid is nobody's to patrol.
        6 OUTLINE outline: Option<super::polygon::Polygon>,
    }
}

impl Region {
    /// The key of its document; `None` while the code is not known.
    pub fn natural_key(&self) -> Option<Vec<u8>> {
        self.code.map(RegionCode::natural_key)
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::word("kind", self.kind, RegionKind::ALL)?;
        input::outline("outline", self.outline.as_ref())?;
        input::texts(&self.fields(), Self::table)
    }
}

impl RegionCode {
    /// The code with these digits; `None` when their number or the first of them is wrong.
    pub fn from_number(number: u64) -> Option<Self> {
        let digits = number.checked_ilog10()? as usize + 1;
        if !LEVELS.iter().any(|(length, _)| *length == digits) {
            return None;
        }
        let mut code = Self(number);
        while let Some((unit, container)) = code.unit().zip(code.parent()) {
            if !code.0.is_multiple_of(unit) {
                break;
            }
            code = container;
        }
        Some(code)
    }

    /// The digits as a number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// How deep the region lies.
    pub fn level(self) -> RegionLevel {
        let digits = self.digits();
        LEVELS.iter().find(|(length, _)| *length == digits).map_or(RegionLevel::Province, |(_, level)| *level)
    }

    /// The region around it by the code; `None` for a province.
    pub fn parent(self) -> Option<Self> {
        self.unit().map(|unit| Self(self.0 / unit))
    }

    /// What one step up divides the number by.
    fn unit(self) -> Option<u64> {
        match self.level() {
            RegionLevel::Village | RegionLevel::Town => Some(1_000),
            RegionLevel::District | RegionLevel::Prefecture => Some(100),
            RegionLevel::Province => None,
        }
    }

    /// Whether this region is `other` or lies within it.
    pub fn is_within(self, other: Self) -> bool {
        std::iter::successors(Some(self), |region| region.parent()).any(|region| region == other)
    }

    /// The kind that the code suggests: the last three digits of a 12-digit code tell communities (001-199) from
    /// villages (200-399) and the rest (parks and the like).
    pub fn kind(self) -> RegionKind {
        match self.level() {
            RegionLevel::Province => RegionKind::Province,
            RegionLevel::Prefecture => RegionKind::Prefecture,
            RegionLevel::District => RegionKind::District,
            RegionLevel::Town => RegionKind::Town,
            RegionLevel::Village => match self.0 % 1_000 {
                ..200 => RegionKind::Community,
                200..400 => RegionKind::Village,
                400.. => RegionKind::Park,
            },
        }
    }

    /// The key of the region's document.
    pub fn natural_key(self) -> Vec<u8> {
        key::natural_key(&[&self.to_string()])
    }

    fn digits(self) -> usize {
        self.0.checked_ilog10().map_or(1, |log| log as usize + 1)
    }
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionCode({})", self.0)
    }
}

impl FromStr for RegionCode {
    type Err = RegionCodeError;

    /// Reads the digits, half- or full-width, with nothing but white space around them.
    fn from_str(text: &str) -> Result<Self, RegionCodeError> {
        let digits = key::normalise(text);
        let number = if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None };
        number
            .filter(|_| !digits.starts_with('0'))
            .and_then(Self::from_number)
            .ok_or_else(|| RegionCodeError { text: text.chars().take(40).collect() })
    }
}

impl Serialize for RegionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RegionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

crate::openapi::described!(RegionCode => crate::openapi::forms::named(
    "RegionCode",
    "^[1-9][0-9]([0-9]{2}([0-9]{2}([0-9]{3}([0-9]{3})?)?)?)?$",
    "区划代码 / division code of 2, 4, 6, 9 or 12 digits"
));

impl<C> minicbor::Encode<C> for RegionCode {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(self.0)?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for RegionCode {
    /// Strict: a town in its 12-digit spelling is refused, since its bytes would differ from the shorter form's.
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let number = d.u64()?;
        Self::from_number(number)
            .filter(|code| code.0 == number)
            .ok_or_else(|| minicbor::decode::Error::message("no region code"))
    }
}

impl Scalar for RegionCode {
    fn to_value(&self) -> Value {
        // At most 12 digits: always within i64.
        Value::Int(self.0.cast_signed())
    }
    fn from_value(value: &Value) -> Option<Self> {
        Self::from_number(value.as_int()?.try_into().ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> RegionCode {
        text.parse().unwrap()
    }

    #[test]
    fn a_code_knows_its_parents_and_kind() {
        let village = code("110115005220");
        assert_eq!((village.level(), village.kind()), (RegionLevel::Village, RegionKind::Village));
        assert_eq!(village.parent(), Some(code("110115005")));
        assert!(village.is_within(code("110115")) && village.is_within(village));
        assert!(!village.is_within(code("110116")) && !code("110115").is_within(village));
        assert_eq!(code("110115005001").kind(), RegionKind::Community);
        assert_eq!(code("110115005401").kind(), RegionKind::Park);
        assert_eq!(code("1101").parent().and_then(RegionCode::parent), None);
    }

    #[test]
    fn both_spellings_of_a_town_are_one_code() {
        assert_eq!(code("110115005000"), code("110115005"));
        assert_eq!(code("110100"), code("1101"));
        assert_eq!(code("１１０１１５００００００"), code("110115"));
        assert!(minicbor::decode::<RegionCode>(&minicbor::to_vec(110_115_005_000_u64).unwrap()).is_err());
    }

    #[test]
    fn wrong_codes_are_refused_and_the_message_says_what_to_write() {
        for wrong in [
            "",
            "0",
            "1",
            "11011500522",
            "1101150052200",
            "010115005220",
            "11011500522a",
            "狼垡",
            "+10115",
            "99999999999999999999999",
        ] {
            assert!(wrong.parse::<RegionCode>().is_err(), "{wrong} must be refused");
        }
        assert!(RegionCode::from_number(0).is_none());
        assert!("1".parse::<RegionCode>().unwrap_err().to_string().contains("12 digits"));
    }

    #[test]
    fn a_region_round_trips_through_its_fields_and_json() {
        let region = Region {
            code: Some(code("110115005220")),
            name: Some("狼垡一村村委会".into()),
            kind: Some(RegionKind::Village),
            ..Region::default()
        };
        assert_eq!(Region::read(&region.fields()), region);
        let json = serde_json::to_string(&region).unwrap();
        assert!(json.contains("\"110115005220\"") && json.contains("\"village\""));
        assert_eq!(serde_json::from_str::<Region>(&json).unwrap(), region);
        assert_eq!(Region::table().len(), Region::NUMBERS);
    }
}
