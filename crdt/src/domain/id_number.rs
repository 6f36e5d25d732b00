//! Resident identity numbers (公民身份号码, GB 11643-1999).
//!
//! Six digits of region, eight of the birth date, three of sequence, one check character: the sum of the digits times
//! the weights 7 9 10 5 8 4 2 1 6 3 7 9 10 5 8 4 2, modulo 11, picks one of `10X98765432`.

use super::date::Day;
use super::key;

const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
const CHECK_CHARACTERS: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// Bytes of a packed number.
pub const PACKED_LEN: usize = 6;
/// 1800-01-01: the packed birth date counts from here, so that 17 bits reach to the year 2158.
const FIRST_BIRTH: Day = Day(-62_091);
const BIRTH_BITS: u32 = 17;
const SEQUENCE_BITS: u32 = 10;

/// Why a text is no identity number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdNumberError {
    /// Another number of characters; the old 15-digit numbers ceased to be valid in 2013.
    #[error("身份证号应为18位，这里是{length}位 / an identity number has 18 characters, here are {length}")]
    Length {
        /// Characters found.
        length: usize,
    },
    /// Something other than digits, or a last character other than a digit or X.
    #[error("身份证号第{place}位不是数字 / character {place} of the identity number is no digit (the last may be X)")]
    NotADigit {
        /// Where, counted from 1.
        place: usize,
    },
    /// The region part cannot begin with 0.
    #[error("身份证号前六位不是行政区划代码 / the identity number does not begin with a region code")]
    Region,
    /// The calendar has no such day, or it lies outside the years 1800 to 2158.
    #[error("身份证号中的出生日期不存在 / the birth date in the identity number does not exist")]
    BirthDate,
    /// The check character does not fit the digits.
    #[error(
        "身份证号校验位不符，请核对 / the check character of the identity number does not fit; compare it with the card"
    )]
    CheckCharacter,
}

/// An identity number that passed every check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdNumber {
    region: u32,
    birth: Day,
    sequence: u16,
}

/// The form in which identity numbers are kept: half-width, without spaces, letters upper-case.
pub fn normalise_id_number(text: &str) -> String {
    key::normalise(text).to_ascii_uppercase()
}

impl IdNumber {
    /// Checks a number in its [normalised form](normalise_id_number).
    pub fn parse(text: &str) -> Result<Self, IdNumberError> {
        let length = text.chars().count();
        if length != 18 {
            return Err(IdNumberError::Length { length });
        }
        let mut digits = [0_u32; 17];
        for (place, (slot, character)) in digits.iter_mut().zip(text.chars()).enumerate() {
            *slot = character.to_digit(10).ok_or(IdNumberError::NotADigit { place: place + 1 })?;
        }
        let last = text.chars().next_back().unwrap_or_default();
        if !last.is_ascii_digit() && last != 'X' {
            return Err(IdNumberError::NotADigit { place: 18 });
        }
        let number = |range: &[u32]| range.iter().fold(0, |number, digit| number * 10 + digit);
        let [r0, r1, r2, r3, r4, r5, y0, y1, y2, y3, m0, m1, d0, d1, s0, s1, s2] = digits;
        if r0 == 0 {
            return Err(IdNumberError::Region);
        }
        let year = number(&[y0, y1, y2, y3]).cast_signed();
        let birth = Day::from_calendar(year, number(&[m0, m1]), number(&[d0, d1]))
            .filter(|birth| packed_birth(*birth).is_some())
            .ok_or(IdNumberError::BirthDate)?;
        if last != check_character(&digits) {
            return Err(IdNumberError::CheckCharacter);
        }
        // Three digits fit into 16 bits.
        Ok(Self { region: number(&[r0, r1, r2, r3, r4, r5]), birth, sequence: number(&[s0, s1, s2]) as u16 })
    }

    /// Date of birth.
    pub fn birth(self) -> Day {
        self.birth
    }

    /// The six digits of the region that issued it.
    pub fn region(self) -> u32 {
        self.region
    }

    /// Six bytes: region (20 bits), days from 1800-01-01 to the birth (17), sequence (10), big-endian. The check
    /// character follows from the rest.
    pub fn pack(self) -> [u8; PACKED_LEN] {
        let birth = packed_birth(self.birth).unwrap_or_default();
        let region = u64::from(self.region) << (BIRTH_BITS + SEQUENCE_BITS);
        let packed = region | (u64::from(birth) << SEQUENCE_BITS) | u64::from(self.sequence);
        let [_, _, bytes @ ..] = packed.to_be_bytes();
        bytes
    }

    /// The number of these bytes; `None` when they are not what [`Self::pack`] writes.
    pub fn unpack(bytes: [u8; PACKED_LEN]) -> Option<Self> {
        let packed = bytes.iter().fold(0_u64, |packed, byte| packed << 8 | u64::from(*byte));
        let region = u32::try_from(packed >> (BIRTH_BITS + SEQUENCE_BITS)).ok()?;
        let birth = i32::try_from((packed >> SEQUENCE_BITS) & ((1 << BIRTH_BITS) - 1)).ok()?;
        let sequence = u16::try_from(packed & ((1 << SEQUENCE_BITS) - 1)).ok()?;
        let valid = (100_000..=999_999).contains(&region) && sequence <= 999;
        valid.then_some(Self { region, birth: Day(FIRST_BIRTH.0 + birth), sequence })
    }
}

impl std::fmt::Display for IdNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (year, month, day) = self.birth.calendar();
        let body = format!("{:06}{year:04}{month:02}{day:02}{:03}", self.region, self.sequence);
        let mut digits = [0; 17];
        for (slot, character) in digits.iter_mut().zip(body.chars()) {
            *slot = character.to_digit(10).unwrap_or_default();
        }
        write!(f, "{body}{}", check_character(&digits))
    }
}

fn packed_birth(birth: Day) -> Option<u32> {
    u32::try_from(birth.0.checked_sub(FIRST_BIRTH.0)?).ok().filter(|days| *days < 1 << BIRTH_BITS)
}

fn check_character(digits: &[u32; 17]) -> char {
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    CHECK_CHARACTERS.get(sum as usize % CHECK_CHARACTERS.len()).copied().unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) fn any_id_number() -> impl Strategy<Value = IdNumber> {
        (100_000..=999_999_u32, 0..1 << BIRTH_BITS, 0..=999_u16).prop_map(|(region, birth, sequence)| IdNumber {
            region,
            birth: Day(FIRST_BIRTH.0 + birth),
            sequence,
        })
    }

    proptest! {
        #[test]
        fn text_and_packed_form_round_trip(number in any_id_number()) {
            prop_assert_eq!(IdNumber::parse(&number.to_string()), Ok(number));
            prop_assert_eq!(IdNumber::unpack(number.pack()), Some(number));
        }

        #[test]
        fn any_bytes_are_one_number_or_none(bytes: [u8; PACKED_LEN]) {
            if let Some(number) = IdNumber::unpack(bytes) {
                prop_assert_eq!(number.pack(), bytes);
            }
        }

        #[test]
        fn one_wrong_digit_is_always_noticed(number in any_id_number(), place in 0..17_usize, add in 1..10_u32) {
            let mut text: Vec<char> = number.to_string().chars().collect();
            text[place] = char::from_digit((text[place].to_digit(10).unwrap() + add) % 10, 10).unwrap();
            prop_assert!(IdNumber::parse(&text.iter().collect::<String>()).is_err());
        }

        #[test]
        fn any_text_is_checked_without_panic(text in "[0-9Xx年]{0,20}") {
            let _ = IdNumber::parse(&text);
        }
    }

    #[test]
    fn the_epoch_of_birth_dates_is_1800() {
        assert_eq!(FIRST_BIRTH.to_string(), "1800-01-01");
    }

    #[test]
    fn each_check_has_its_own_answer() {
        // The two samples of GB 11643-1999, and the sample with the check character X.
        for valid in ["11010519491231002X", "440524188001010014", "34052419800101001X"] {
            assert!(IdNumber::parse(valid).is_ok(), "{valid}");
        }
        let cases = [
            ("", IdNumberError::Length { length: 0 }),
            ("110105491231002", IdNumberError::Length { length: 15 }),
            ("1101051949123100２X", IdNumberError::NotADigit { place: 17 }),
            ("11010519491231002x", IdNumberError::NotADigit { place: 18 }),
            ("01010519491231002X", IdNumberError::Region),
            ("110105194902300029", IdNumberError::BirthDate),
            ("110105179912310025", IdNumberError::BirthDate),
            ("110105194912310021", IdNumberError::CheckCharacter),
        ];
        for (text, error) in cases {
            assert_eq!(IdNumber::parse(text), Err(error), "{text}");
        }
        assert!(IdNumber::parse(&normalise_id_number(" １１010519491231002x")).is_ok());
    }
}
