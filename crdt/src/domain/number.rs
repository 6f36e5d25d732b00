//! Spoken numbers: what people call a case, an order or a door tag by, on paper and over the radio.
//!
//! A number is 45 bits of a hash over the id of the case or tag, or over the event and place of the order, and a check
//! character: ten characters of Crockford's base 32, which has no I, L, O and U, in groups of three, three and four:
//! `7K3-9XQ-2PAD`. It follows from the id alone, so any node knows it at once, without contact, and it never
//! changes. Among the 500,000 cases of a year two share a number with a probability of 0.4 %: whoever looks one up is
//! shown both.
//!
//! The check character is that of the hybrid systems of ISO 7064, with 32 in the place of 36 (MOD 33,32). It finds every wrong
//! character and nearly every swap of neighbours.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::case::OrderRef;
use crate::id::{DocumentId, TagId};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Characters before the check character.
const PAYLOAD: usize = 9;
const BITS: u32 = 45;

/// The number of a case, an order or a door tag; see the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpokenNumber([u8; PAYLOAD + 1]);

/// A text that is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Too short, too long, or with characters that no number has.
    #[error("编号由 10 位数字和字母组成，如 7K3-9XQ-2PAD / a number has 10 digits and letters, such as 7K3-9XQ-2PAD")]
    Form,
    /// The check character says that something was misheard or mistyped.
    #[error("编号的校验位不符，请核对 / the check character does not fit: a character is wrong or two are swapped")]
    Check,
}

impl SpokenNumber {
    /// That of a case.
    pub fn of_case(document: DocumentId) -> Self {
        Self::of_hash(blake3::Hasher::new_derive_key("townmesh 2026-11 case number").update(&document.0))
    }

    /// That of an order.
    pub fn of_order(order: OrderRef) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 order number");
        Self::of_hash(hasher.update(&order.event.0).update(&[order.index]))
    }

    /// That of a door tag.
    pub fn of_tag(tag: TagId) -> Self {
        Self::of_hash(blake3::Hasher::new_derive_key("townmesh 2026-11 door tag number").update(&tag.0))
    }

    fn of_hash(hasher: &blake3::Hasher) -> Self {
        let mut bits = [0; 8];
        bits.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        Self::of_bits(u64::from_be_bytes(bits) >> (u64::BITS - BITS))
    }

    fn of_bits(bits: u64) -> Self {
        let mut digits = [0; PAYLOAD + 1];
        for (place, digit) in digits.iter_mut().take(PAYLOAD).enumerate() {
            *digit = (bits >> (5 * (PAYLOAD - 1 - place)) & 31) as u8;
        }
        // What brings the sum to 1.
        let check = (33 - carried(&digits[..PAYLOAD])) % 32;
        digits[PAYLOAD] = check as u8;
        Self(digits)
    }
}

/// What the digits before the check character leave, 1 to 32.
fn carried(digits: &[u8]) -> u32 {
    digits.iter().fold(32, |product, digit| {
        let sum = (product + u32::from(*digit)) % 32;
        2 * if sum == 0 { 32 } else { sum } % 33
    })
}

impl fmt::Display for SpokenNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, digit) in self.0.iter().enumerate() {
            let dash = if place == 3 || place == 6 { "-" } else { "" };
            let character = ALPHABET.get(usize::from(*digit)).copied().unwrap_or(b'0');
            write!(f, "{dash}{}", char::from(character))?;
        }
        Ok(())
    }
}

impl FromStr for SpokenNumber {
    type Err = NumberError;

    /// Takes small letters, any spaces and dashes, and the letters that look like digits.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let mut digits = [0; PAYLOAD + 1];
        let mut places = digits.iter_mut();
        for character in text.chars().filter(|character| !character.is_whitespace() && *character != '-') {
            let character = match character.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|known| char::from(*known) == character).ok_or(NumberError::Form)?;
            *places.next().ok_or(NumberError::Form)? = digit as u8;
        }
        if places.next().is_some() {
            return Err(NumberError::Form);
        }
        let [payload @ .., check] = &digits;
        let fits = (carried(payload) + u32::from(*check)) % 32 == 1;
        if fits { Ok(Self(digits)) } else { Err(NumberError::Check) }
    }
}

impl Serialize for SpokenNumber {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

crate::openapi::described!(SpokenNumber => crate::openapi::forms::text(
    "^[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{3}-[0-9A-HJKMNP-TV-Z]{4}$",
    "编号 / number of a case, an order or a door tag as people say it"
));

impl<'de> Deserialize<'de> for SpokenNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RecordId;
    use proptest::prelude::*;

    fn any_number() -> impl Strategy<Value = SpokenNumber> {
        (0..1_u64 << BITS).prop_map(SpokenNumber::of_bits)
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_people_write_it(number in any_number()) {
            let text = number.to_string();
            prop_assert_eq!(text.len(), 12);
            prop_assert_eq!(text.parse(), Ok(number));
            prop_assert_eq!(text.to_lowercase().replace('-', " ").replace('0', "o").replace('1', "l").parse(), Ok(number));
        }

        #[test]
        fn every_wrong_character_is_found(number in any_number(), place in 0..=PAYLOAD, other in 1..32_u8) {
            let mut wrong = number;
            wrong.0[place] = (wrong.0[place] + other) % 32;
            prop_assert_eq!(wrong.to_string().parse::<SpokenNumber>(), Err(NumberError::Check));
        }

        #[test]
        fn any_text_is_a_number_or_refused(text in ".{0,16}") {
            let _ = text.parse::<SpokenNumber>();
        }
    }

    #[test]
    fn nearly_every_swap_of_neighbours_is_found() {
        let (mut swapped, mut missed) = (0, 0);
        for bits in (0..1_u64 << BITS).step_by(30_011_033_333) {
            let number = SpokenNumber::of_bits(bits);
            for place in 0..PAYLOAD {
                let mut wrong = number;
                wrong.0.swap(place, place + 1);
                if wrong != number {
                    swapped += 1;
                    missed += u32::from(wrong.to_string().parse::<SpokenNumber>().is_ok());
                }
            }
        }
        assert!(swapped > 5_000 && missed * 100 < swapped, "{missed} of {swapped} swaps were missed");
    }

    #[test]
    fn cases_orders_and_tags_have_numbers_of_their_own() {
        let orders = (0..3).map(|index| SpokenNumber::of_order(OrderRef { event: RecordId([7; 16]), index }));
        let cases = (0..3).map(|byte| SpokenNumber::of_case(DocumentId([byte; 16])));
        let tags = (0..3).map(|byte| SpokenNumber::of_tag(TagId([byte; 16])));
        assert_eq!(orders.chain(cases).chain(tags).collect::<std::collections::BTreeSet<_>>().len(), 9);
        for wrong in ["", "7K3", "7K3-9XQ-2PADD", "7K3-9XQ-2PA*", "七K3-9XQ-2PA"] {
            assert_eq!(wrong.parse::<SpokenNumber>(), Err(NumberError::Form), "{wrong}");
        }
    }
}
