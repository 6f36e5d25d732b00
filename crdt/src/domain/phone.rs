//! Phone numbers in the mainland numbering plan.
//!
//! A mobile number has 11 digits, 13 to 19 first. A landline is an area code (010, 02x, or 0 with three more digits)
//! and 7 or 8 digits, with an extension at most; within one area the area code may be missing. Ten digits that begin
//! with 400 or 800 are service lines.

use super::key;

/// Bytes of a packed number.
pub const PACKED_LEN: usize = 5;
/// Mobile numbers are packed as what they exceed this by.
const FIRST_MOBILE: u64 = 10_000_000_000;
/// Set in the packed form of a landline; mobile numbers take 34 bits.
const LANDLINE: u64 = 1 << 39;
const EIGHT_DIGITS: u64 = 1 << 27;
const AREA_SHIFT: u32 = 28;

/// A text that is no phone number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "电话号码不正确，应为11位手机号或区号-座机号 / no phone number; write 11 digits of a mobile number, or area code and landline such as 010-12345678"
)]
pub struct PhoneError;

/// What a number turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape<'a> {
    Mobile(&'a str),
    Landline { area: &'a str, subscriber: &'a str, extension: &'a str },
    Service(&'a str),
}

/// The form in which phones are kept: half-width, without spaces, a mobile number without the country code and
/// hyphens, a landline as `010-12345678`. What is no phone number stays as it is, apart from width and spaces.
pub fn normalise_phone(text: &str) -> String {
    let normal = key::normalise(text);
    let digits: String = national(&normal).chars().filter(|character| *character != '-').collect();
    let candidate = if looks_mobile(&digits) { digits.as_str() } else { national(&normal) };
    match shape(candidate) {
        Some(Shape::Mobile(number) | Shape::Service(number)) => number.to_owned(),
        Some(Shape::Landline { area: "", subscriber, extension: "" }) => subscriber.to_owned(),
        Some(Shape::Landline { area: "", subscriber, extension }) => format!("{subscriber}-{extension}"),
        Some(Shape::Landline { area, subscriber, extension: "" }) => format!("{area}-{subscriber}"),
        Some(Shape::Landline { area, subscriber, extension }) => format!("{area}-{subscriber}-{extension}"),
        None => normal,
    }
}

/// Checks a number in any usual spelling.
pub fn check_phone(text: &str) -> Result<(), PhoneError> {
    shape(&normalise_phone(text)).map(|_| ()).ok_or(PhoneError)
}

/// Five bytes for a mobile number or a landline without extension in their [normalised form](normalise_phone);
/// `None` for any other text.
pub fn pack(text: &str) -> Option<[u8; PACKED_LEN]> {
    let packed = match shape(text)? {
        Shape::Mobile(number) => number.parse::<u64>().ok()?.checked_sub(FIRST_MOBILE)?,
        Shape::Landline { area, subscriber, extension: "" } => {
            let area_number = if area.is_empty() { 0 } else { area.parse::<u64>().ok()? };
            let length = if subscriber.len() == 8 { EIGHT_DIGITS } else { 0 };
            LANDLINE | area_number << AREA_SHIFT | length | subscriber.parse::<u64>().ok()?
        }
        Shape::Landline { .. } | Shape::Service(_) => return None,
    };
    let [_, _, _, bytes @ ..] = packed.to_be_bytes();
    // One spelling only: a landline without its hyphen is kept as raw text.
    (unpack(bytes).as_deref() == Some(text)).then_some(bytes)
}

/// The number of these bytes; `None` when they are not what [`pack`] writes.
pub fn unpack(bytes: [u8; PACKED_LEN]) -> Option<String> {
    let packed = bytes.iter().fold(0_u64, |packed, byte| packed << 8 | u64::from(*byte));
    if packed & LANDLINE == 0 {
        let number = packed.checked_add(FIRST_MOBILE)?.to_string();
        return matches!(shape(&number), Some(Shape::Mobile(_))).then_some(number);
    }
    let area = (packed & !LANDLINE) >> AREA_SHIFT;
    let digits = packed & (EIGHT_DIGITS - 1);
    let subscriber = if packed & EIGHT_DIGITS == 0 { format!("{digits:07}") } else { format!("{digits:08}") };
    let length_fits = subscriber.len() == if packed & EIGHT_DIGITS == 0 { 7 } else { 8 };
    let number = if area == 0 { subscriber } else { format!("0{area}-{subscriber}") };
    (length_fits && matches!(shape(&number), Some(Shape::Landline { .. }))).then_some(number)
}

fn national(text: &str) -> &str {
    let without = ["+86", "0086", "86-"].iter().find_map(|prefix| text.strip_prefix(prefix));
    let bare = text.strip_prefix("86").filter(|rest| looks_mobile(rest));
    without.or(bare).unwrap_or(text).trim_start_matches('-')
}

fn shape(text: &str) -> Option<Shape<'_>> {
    if looks_mobile(text) {
        return Some(Shape::Mobile(text));
    }
    if text.len() == 10 && all_digits(text) && (text.starts_with("400") || text.starts_with("800")) {
        return Some(Shape::Service(text));
    }
    let (area, rest) = split_area(text)?;
    let (subscriber, extension) = rest.split_once(['-', '转']).unwrap_or((rest, ""));
    let has_extension = subscriber.len() != rest.len();
    let extension_fits = !has_extension || ((1..=5).contains(&extension.len()) && all_digits(extension));
    let subscriber_fits =
        matches!(subscriber.len(), 7 | 8) && all_digits(subscriber) && !subscriber.starts_with(['0', '1']);
    (subscriber_fits && extension_fits).then_some(Shape::Landline { area, subscriber, extension })
}

/// The area code with its 0 (empty where there is none) and what follows it.
fn split_area(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('0') {
        return Some(("", text));
    }
    let length = if text.starts_with("010") || text.starts_with("02") { 3 } else { 4 };
    let (area, rest) = text.split_at_checked(length)?;
    let valid = all_digits(area) && !area.starts_with("00") && (!area.starts_with("01") || area == "010");
    valid.then_some((area, rest.strip_prefix('-').unwrap_or(rest)))
}

fn looks_mobile(text: &str) -> bool {
    let mut digits = text.bytes();
    text.len() == 11
        && all_digits(text)
        && digits.next() == Some(b'1')
        && digits.next().is_some_and(|second| (b'3'..=b'9').contains(&second))
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(crate) const ANY_PHONE: &str =
        "1[3-9][0-9]{9}|010-[2-9][0-9]{7}|02[0-9]-[2-9][0-9]{7}|0[3-9][0-9]{2}-[2-9][0-9]{6,7}|[2-9][0-9]{6,7}";

    proptest! {
        #[test]
        fn every_ordinary_number_packs_into_five_bytes(number in ANY_PHONE) {
            prop_assert_eq!(check_phone(&number), Ok(()));
            prop_assert_eq!(normalise_phone(&number), number.clone());
            prop_assert_eq!(pack(&number).and_then(unpack), Some(number));
        }

        #[test]
        fn any_bytes_are_one_number_or_none(bytes: [u8; PACKED_LEN]) {
            if let Some(number) = unpack(bytes) {
                prop_assert_eq!(pack(&number), Some(bytes));
            }
        }

        #[test]
        fn normalising_twice_changes_nothing(text in "(\\+86|0086|86)?[-0-9转 ]{0,16}|.{0,6}") {
            let once = normalise_phone(&text);
            prop_assert_eq!(normalise_phone(&once), once);
        }
    }

    #[test]
    fn usual_spellings_are_accepted_and_normalised() {
        for (text, normal) in [
            ("13812345678", "13812345678"),
            ("138-1234-5678", "13812345678"),
            ("+86 138 1234 5678", "13812345678"),
            ("8613812345678", "13812345678"),
            ("１３８１２３４５６７８", "13812345678"),
            ("01069234567", "010-69234567"),
            ("0316－6923456", "0316-6923456"),
            ("+8601069234567", "010-69234567"),
            ("010-69234567转801", "010-69234567-801"),
            ("69234567", "69234567"),
            ("4008123123", "4008123123"),
        ] {
            assert_eq!(normalise_phone(text), normal, "{text}");
            assert_eq!(check_phone(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_called_is_refused() {
        for wrong in [
            "",
            "12812345678",
            "1381234567",
            "138123456789",
            "01169234567",
            "010-19234567",
            "00-69234567",
            "无",
            "110",
            "010-69234567-",
            "010-69234567-123456",
        ] {
            assert_eq!(check_phone(wrong), Err(PhoneError), "{wrong}");
        }
    }
}
