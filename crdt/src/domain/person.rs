//! Personal data: what identifies a person, its compact form for sealing, its masks and its merge.
//!
//! # Encoding
//!
//! The clear bytes that are sealed under the person's key. The first byte holds, from its top bit: the version (3 bits,
//! 1), whether the name is UTF-16 (1 bit), the form of the phone (2 bits), the form of the identity number (2 bits).
//! A form is 0 for not known, 1 for packed, 2 for raw. Then follow the identity number (packed: 6 bytes, see
//! [`IdNumber::pack`]; raw: a length byte and UTF-8), the phone (packed: 5 bytes, see [`phone::pack`]; raw: a length byte
//! and UTF-8), and up to the end the name: UTF-16 big-endian where that is shorter than UTF-8 (every Chinese name),
//! else UTF-8. There is one encoding of each value: the decoder refuses any other.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::id_number::{self, IdNumber};
use super::{key, phone};

/// Longest name, identity number or phone, in bytes of UTF-8.
pub const MAX_TEXT_BYTES: usize = 200;

const VERSION: u8 = 1;
const VERSION_SHIFT: u32 = 5;
const NAME_IS_UTF16: u8 = 0b1_0000;
const PHONE_SHIFT: u32 = 2;
const FORM_MASK: u8 = 0b11;
const UNKNOWN: u8 = 0;
const PACKED: u8 = 1;
const RAW: u8 = 2;

/// What identifies a person. Kept as recorded, valid or not: a card that cannot be read is still worth noting down.
/// Its `Debug` form is masked, so that no log shows it; JSON is not, so mask before showing.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct PersonalData {
    /// Name; empty when not known.
    pub name: String,
    /// Identity number, or another document's number for those who have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_number: Option<String>,
    /// Phone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
}

/// Why personal data cannot be encoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {field} has {bytes} bytes of UTF-8, of which {MAX_TEXT_BYTES} are allowed; shorten it")]
pub struct PersonalDataTooLong {
    /// Which one.
    pub field: PersonalField,
    /// How long it is.
    pub bytes: usize,
}

/// Why opened bytes are no personal data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonalDataDecodeError {
    /// Written by a newer version.
    #[error("personal data of version {0}; this version reads {VERSION}: update townmesh")]
    Version(u8),
    /// Not what the encoder writes.
    #[error("personal data is damaged: its {0} is not as this version writes it")]
    Malformed(PersonalField),
}

/// One of the fields of [`PersonalData`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonalField {
    /// Name.
    Name,
    /// Identity number.
    IdNumber,
    /// Phone.
    Phone,
}

impl fmt::Display for PersonalField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::IdNumber => "identity number",
            Self::Phone => "phone",
        })
    }
}

impl PersonalData {
    /// The same data in the form in which it is kept: half-width, without stray spaces and hyphens; an empty identity
    /// number or phone is not known.
    pub fn normalised(&self) -> Self {
        let tidy = |text: &Option<String>, normalise: fn(&str) -> String| {
            text.as_deref().map(normalise).filter(|text| !text.is_empty())
        };
        Self {
            name: self.name.split_whitespace().collect::<Vec<_>>().join(" "),
            id_number: tidy(&self.id_number, id_number::normalise_id_number),
            phone: tidy(&self.phone, phone::normalise_phone),
        }
    }

    /// What may be shown without a reason: 王*, 1101**********1234, 138****5678.
    pub fn masked(&self) -> Self {
        Self {
            name: mask_name(&self.name),
            id_number: self.id_number.as_deref().map(mask_id_number),
            phone: self.phone.as_deref().map(mask_phone),
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The bytes to seal; see the module. At most 12 bytes beside the name where number and phone are ordinary.
    pub fn encode(&self) -> Result<Vec<u8>, PersonalDataTooLong> {
        let mut header = VERSION << VERSION_SHIFT;
        let mut body = Vec::with_capacity(32);
        if let Some(text) = &self.id_number {
            let packed = IdNumber::parse(text).ok().map(IdNumber::pack);
            header |=
                write_form(&mut body, packed.as_ref().map(|bytes| bytes.as_slice()), text, PersonalField::IdNumber)?;
        }
        if let Some(text) = &self.phone {
            let packed = phone::pack(text);
            let form =
                write_form(&mut body, packed.as_ref().map(|bytes| bytes.as_slice()), text, PersonalField::Phone)?;
            header |= form << PHONE_SHIFT;
        }
        check_length(&self.name, PersonalField::Name)?;
        if self.name.encode_utf16().count() * 2 < self.name.len() {
            header |= NAME_IS_UTF16;
            body.extend(self.name.encode_utf16().flat_map(u16::to_be_bytes));
        } else {
            body.extend(self.name.as_bytes());
        }
        body.insert(0, header);
        Ok(body)
    }

    /// The data of these bytes; exactly what [`Self::encode`] writes and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, PersonalDataDecodeError> {
        use PersonalDataDecodeError::Malformed;
        let (header, mut rest) = bytes.split_first().ok_or(Malformed(PersonalField::Name))?;
        let version = header >> VERSION_SHIFT;
        if version != VERSION {
            return Err(PersonalDataDecodeError::Version(version));
        }
        let unpack_id = |bytes| IdNumber::unpack(bytes).map(|number| number.to_string());
        let id_number =
            read_form(&mut rest, header & FORM_MASK, unpack_id).ok_or(Malformed(PersonalField::IdNumber))?;
        let phone = read_form(&mut rest, (header >> PHONE_SHIFT) & FORM_MASK, phone::unpack)
            .ok_or(Malformed(PersonalField::Phone))?;
        let name = if header & NAME_IS_UTF16 == 0 { String::from_utf8(rest.to_vec()).ok() } else { from_utf16(rest) };
        let data = Self { name: name.ok_or(Malformed(PersonalField::Name))?, id_number, phone };
        // Equal data must have equal bytes, or two offices would see a conflict where there is none.
        if data.encode().as_deref() != Ok(bytes) {
            return Err(Malformed(PersonalField::Name));
        }
        Ok(data)
    }

    pub(crate) fn field(&self, field: PersonalField) -> Option<&str> {
        match field {
            PersonalField::Name => Some(self.name.as_str()).filter(|name| !name.is_empty()),
            PersonalField::IdNumber => self.id_number.as_deref(),
            PersonalField::Phone => self.phone.as_deref(),
        }
    }
}

impl fmt::Debug for PersonalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let masked = self.masked();
        write!(f, "PersonalData({}, {:?}, {:?})", masked.name, masked.id_number, masked.phone)
    }
}

fn check_length(text: &str, field: PersonalField) -> Result<u8, PersonalDataTooLong> {
    let too_long = PersonalDataTooLong { field, bytes: text.len() };
    u8::try_from(text.len()).ok().filter(|_| text.len() <= MAX_TEXT_BYTES).ok_or(too_long)
}

/// Appends the packed bytes if there are some, else the raw text; returns the form.
fn write_form(
    body: &mut Vec<u8>,
    packed: Option<&[u8]>,
    text: &str,
    field: PersonalField,
) -> Result<u8, PersonalDataTooLong> {
    if let Some(packed) = packed {
        body.extend(packed);
        return Ok(PACKED);
    }
    body.push(check_length(text, field)?);
    body.extend(text.as_bytes());
    Ok(RAW)
}

/// Takes a text of this form off the front of `rest`; `None` when it is not there.
fn read_form<const N: usize>(
    rest: &mut &[u8],
    form: u8,
    unpack: impl Fn([u8; N]) -> Option<String>,
) -> Option<Option<String>> {
    match form {
        UNKNOWN => Some(None),
        PACKED => {
            let (packed, after) = rest.split_first_chunk()?;
            *rest = after;
            unpack(*packed).map(Some)
        }
        RAW => {
            let (length, after) = rest.split_first()?;
            let (text, after) = after.split_at_checked(usize::from(*length))?;
            *rest = after;
            std::str::from_utf8(text).ok().map(|text| Some(text.to_owned()))
        }
        _ => None,
    }
}

fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, []) = bytes.as_chunks::<2>() else { return None };
    char::decode_utf16(pairs.iter().map(|pair| u16::from_be_bytes(*pair))).collect::<Result<_, _>>().ok()
}

/// The first character and one `*`, whatever the length: 王*.
pub fn mask_name(name: &str) -> String {
    name.chars().next().map(|first| format!("{first}*")).unwrap_or_default()
}

/// First and last four characters of an identity number: 1101**********1234; less of a shorter number.
pub fn mask_id_number(number: &str) -> String {
    match number.chars().count() {
        15.. => mask_middle(number, 4, 4),
        8.. => mask_middle(number, 1, 2),
        _ => mask_middle(number, 0, 0),
    }
}

/// First three and last four digits of a phone: 138****5678; less of a shorter number.
pub fn mask_phone(number: &str) -> String {
    match number.chars().count() {
        11.. => mask_middle(number, 3, 4),
        7.. => mask_middle(number, 0, 2),
        _ => mask_middle(number, 0, 0),
    }
}

/// What stands where [`mask_numbers`] left a number out.
pub const HIDDEN_NUMBER: &str = "***";

/// A text for everybody: each row of seven digits and more is left out, as wide as they are written and also where single
/// spaces, hyphens or dots divide them.
pub fn mask_numbers(text: &str) -> String {
    let is_digit = |c: char| c.is_ascii_digit() || ('０'..='９').contains(&c);
    let divides = |c: char| matches!(c, ' ' | '-' | '.' | '·' | '－' | '—' | '\u{3000}');
    let characters: Vec<char> = text.chars().collect();
    let (mut masked, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(&character) = characters.get(at) {
        let (mut end, mut digits, mut next) = (at, 0, at);
        while let Some(&one) = characters.get(next) {
            if is_digit(one) || (digits == 17 && matches!(one, 'X' | 'x')) {
                (digits, end) = (digits + 1, next + 1);
            } else if next == at || !divides(one) || next > end {
                break;
            }
            next += 1;
        }
        match digits {
            0 => {
                masked.push(character);
                at += 1;
            }
            1..SHORTEST_PHONE => {
                masked.extend(characters.get(at..end).unwrap_or_default());
                at = end;
            }
            _ => {
                masked.push_str(HIDDEN_NUMBER);
                at = end;
            }
        }
    }
    masked
}

/// Digits of a landline without its area code.
const SHORTEST_PHONE: usize = 7;

fn mask_middle(text: &str, shown_before: usize, shown_after: usize) -> String {
    let length = text.chars().count();
    let masked = |(place, character)| {
        let shown = place < shown_before || place >= length.saturating_sub(shown_after);
        if shown { character } else { '*' }
    };
    text.chars().enumerate().map(masked).collect()
}

/// Values of one field that were written without knowledge of each other; `None` stands for cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonalConflict {
    /// Which field.
    pub field: PersonalField,
    /// The values, in order.
    pub values: Vec<Option<String>>,
}

/// What a merge came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalMerge {
    /// One value for each field; in a conflict the greatest, so that all replicas show the same.
    pub merged: PersonalData,
    /// The fields that a person has to settle.
    pub conflicts: Vec<PersonalConflict>,
}

/// Merges concurrent values field by field against what they all started from (empty, where there was nothing): a
/// field that one side changed takes that side's value; a field that several changed differently is a conflict.
/// The order and number of copies of `concurrent` do not matter.
pub fn merge(ancestor: &PersonalData, concurrent: &[PersonalData]) -> PersonalMerge {
    let mut conflicts = Vec::new();
    let mut settle = |field| {
        let before = ancestor.field(field);
        let changed: BTreeSet<Option<&str>> =
            concurrent.iter().map(|data| data.field(field)).filter(|value| *value != before).collect();
        if changed.len() > 1 {
            let values = changed.iter().map(|value| value.map(str::to_owned)).collect();
            conflicts.push(PersonalConflict { field, values });
        }
        changed.last().copied().unwrap_or(before).map(str::to_owned)
    };
    let merged = PersonalData {
        name: settle(PersonalField::Name).unwrap_or_default(),
        id_number: settle(PersonalField::IdNumber),
        phone: settle(PersonalField::Phone),
    };
    PersonalMerge { merged, conflicts }
}

/// The bytes by which an import recognises a person it has seen: the identity number where there is one, else name
/// and phone. Personal data itself, so only ever kept in memory or behind a keyed hash.
pub fn matching_key(data: &PersonalData) -> Vec<u8> {
    match &data.id_number {
        Some(number) => key::natural_key(&[number]),
        None => key::natural_key(&[&data.name, data.phone.as_deref().unwrap_or_default()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id_number::tests::any_id_number, phone::tests::ANY_PHONE};
    use proptest::option::of;
    use proptest::prelude::*;

    fn person(name: &str, id_number: &str, phone: &str) -> PersonalData {
        let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        PersonalData { name: name.into(), id_number: known(id_number), phone: known(phone) }
    }

    fn any_person() -> impl Strategy<Value = PersonalData> {
        let id_number = prop_oneof![any_id_number().prop_map(|number| number.to_string()), ".{0,20}"];
        let phone = prop_oneof![ANY_PHONE, ".{0,20}"];
        (".{0,12}", of(id_number), of(phone)).prop_map(|(name, id_number, phone)| PersonalData {
            name,
            id_number,
            phone,
        })
    }

    /// Few values for each field, so that equal ones meet.
    fn any_version() -> impl Strategy<Value = PersonalData> {
        ("[甲乙]?", "[12]?", "[34]?").prop_map(|(name, id_number, phone)| person(&name, &id_number, &phone))
    }

    proptest! {
        #[test]
        fn round_trips(person in any_person()) {
            prop_assert_eq!(PersonalData::decode(&person.encode().unwrap()), Ok(person));
        }

        #[test]
        fn any_bytes_are_refused_or_the_one_encoding(tail in proptest::collection::vec(any::<u8>(), 0..40), first in 0x20..0x40_u8) {
            let bytes = [vec![first], tail].concat();
            if let Ok(person) = PersonalData::decode(&bytes) {
                prop_assert_eq!(person.encode().unwrap(), bytes);
            }
        }

        #[test]
        fn an_ordinary_person_takes_twelve_bytes_beside_the_name(name in "[一-龥]{2,4}", number in any_id_number(), phone in ANY_PHONE) {
            let bytes = person(&name, &number.to_string(), &phone).encode().unwrap();
            prop_assert_eq!(bytes.len(), 12 + 2 * name.chars().count());
        }

        #[test]
        fn merging_does_not_depend_on_order_or_copies(ancestor in any_version(), mut versions in proptest::collection::vec(any_version(), 1..4)) {
            let once = merge(&ancestor, &versions);
            versions.reverse();
            versions.extend_from_within(..1);
            prop_assert_eq!(merge(&ancestor, &versions), once);
        }
    }

    #[test]
    fn changes_of_different_fields_are_both_kept() {
        let before = person("甲", "11010519491231002X", "13812345678");
        let moved = person("甲", "11010519491231002X", "13900000000");
        let renamed = person("乙", "11010519491231002X", "13812345678");
        let both = merge(&before, &[moved.clone(), renamed.clone()]);
        assert_eq!(both.merged, person("乙", "11010519491231002X", "13900000000"));
        assert_eq!(both.conflicts, []);
        assert_eq!(merge(&before, &[]).merged, before);
    }

    #[test]
    fn two_changes_of_one_field_are_a_conflict_and_clearing_is_a_change() {
        let before = person("甲", "", "13812345678");
        let outcome = merge(&before, &[person("甲", "", ""), person("甲", "", "13900000000")]);
        assert_eq!(outcome.merged.phone.as_deref(), Some("13900000000"));
        let values = vec![None, Some("13900000000".to_owned())];
        assert_eq!(outcome.conflicts, [PersonalConflict { field: PersonalField::Phone, values }]);
        assert_eq!(merge(&before, &[person("甲", "", "")]).merged, person("甲", "", ""));
    }

    #[test]
    fn masks_show_what_the_law_allows() {
        let masked = person("王小", "110105194912311234", "13812345678").masked();
        assert_eq!(masked, person("王*", "1101**********1234", "138****5678"));
        assert_eq!(mask_phone("010-69234567"), "010*****4567");
        assert_eq!((mask_phone("69234567"), mask_phone("110")), ("******67".to_owned(), "***".to_owned()));
        assert_eq!((mask_id_number("E12345678"), mask_id_number("1234")), ("E******78".to_owned(), "****".to_owned()));
        assert_eq!(mask_name(""), "");
        let noted = "找王先生13812345678，证11010519491231123X，3号楼2-1-301，电话 69234567";
        assert_eq!(mask_numbers(noted), "找王先生***，证***，3号楼2-1-301，电话 ***");
        for number in ["138-1234-5678", "138 1234 5678", "１３８１２３４５６７８", "010-69234567", "6923.4567"]
        {
            assert_eq!(mask_numbers(number), "***", "{number}");
        }
        assert_eq!(mask_numbers("12 - 34 - 56 - 78"), "12 - 34 - 56 - 78", "that is no number");
        assert_eq!(mask_numbers("-123456-"), "-123456-");
    }

    #[test]
    fn what_is_too_long_or_newer_is_refused_by_name() {
        let error = person(&"长".repeat(67), "", "").encode().unwrap_err();
        assert_eq!(error, PersonalDataTooLong { field: PersonalField::Name, bytes: 201 });
        assert_eq!(PersonalData::decode(&[0x40]), Err(PersonalDataDecodeError::Version(2)));
        assert_eq!(PersonalData::decode(&[0x21, 1]), Err(PersonalDataDecodeError::Malformed(PersonalField::IdNumber)));
        assert!(PersonalData::decode(&[]).is_err());
    }

    #[test]
    fn a_second_encoding_of_the_same_data_is_refused() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<u8>>();
        let raw = |header: u8, text: &str| [vec![header, text.len() as u8], text.as_bytes().to_vec()].concat();
        let second = [
            [vec![0x30], utf16("Li")].concat(),
            [vec![0x20], "王小".as_bytes().to_vec()].concat(),
            vec![0x30],
            raw(0x22, "11010519491231002X"),
            raw(0x28, "13812345678"),
        ];
        for bytes in second {
            assert!(PersonalData::decode(&bytes).is_err(), "{bytes:02x?} must be refused");
        }
        assert!(PersonalData::decode(&raw(0x28, "1381234567")).is_ok(), "raw is for what cannot be packed");
    }

    #[test]
    fn typed_spellings_become_the_form_that_is_kept() {
        let typed = person("  王　小 ", "１１010519491231002x", "+86 138-1234-5678").normalised();
        assert_eq!(typed, person("王 小", "11010519491231002X", "13812345678"));
        assert_eq!(person("甲", " ", "　").normalised(), person("甲", "", ""));
    }
}
