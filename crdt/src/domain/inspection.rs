//! Inspections: what was found on one visit. Immutable, kept under the hash of its bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::checklist::Checklist;
use super::codes::coded;
use super::immutable::{self, Immutable, ImmutableError, Limit};
use super::input::{self, Fault, InputError};
use super::position::Position;
use crate::id::{DocumentId, hex};

/// Most bytes of an encoded inspection.
pub const MAX_BYTES: usize = 8 * 1024;
/// Most answers.
pub const MAX_ANSWERS: usize = super::checklist::MAX_ITEMS;
/// Most photos.
pub const MAX_PHOTOS: usize = 64;
/// Longest remark, in bytes of UTF-8.
pub const MAX_NOTE_BYTES: usize = 3_000;
/// Longest name of an inspector, in bytes of UTF-8.
pub const MAX_BY_BYTES: usize = 200;

coded! {
    /// What was found on one question.
    pub enum Answer: "answer" {
        /// As it should be.
        Ok = 1, "ok", "正常", "ok";
        /// A hazard.
        Hazard = 2, "hazard", "存在隐患", "hazard";
        /// The question does not arise here.
        NotApplicable = 3, "not_applicable", "不涉及", "not applicable";
    }
}

/// A photo: the BLAKE3 hash of its content, by which its blob is found ([`crate::command::photo`]). In text 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PhotoHash(pub [u8; 32]);

/// A text that is not the hash of a photo.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a photo is named by the 64 hexadecimal digits of its hash")]
pub struct PhotoHashError;

/// An inspection (入户检查). Bytes as in [`immutable`]: version 1, then a map with the keys given in the source.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
#[serde(deny_unknown_fields)]
pub struct Inspection {
    /// The document of what was visited: a household, dwelling, enterprise or grid.
    #[n(0)]
    pub household: DocumentId,
    /// Who inspected: a member's code, or a name where there is none.
    #[n(1)]
    pub by: String,
    /// When, in milliseconds since 1970.
    #[n(2)]
    pub time_ms: i64,
    /// Number of the checklist pack.
    #[n(3)]
    pub checklist: u16,
    /// The answer to each item of the pack that was looked at, by item code.
    #[n(4)]
    pub answers: BTreeMap<u16, Answer>,
    /// Remarks; nothing that identifies a person.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Photos, in order.
    #[n(6)]
    #[serde(default)]
    pub photos: Vec<PhotoHash>,
    /// Where the inspector stood.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

impl Inspection {
    /// Codes of the items on which a hazard was found.
    pub fn hazards(&self) -> impl Iterator<Item = u16> + '_ {
        self.answers.iter().filter(|(_, answer)| **answer == Answer::Hazard).map(|(code, _)| *code)
    }

    /// Checks what somebody entered; see [`input`]. `packs` are the town's checklists
    /// ([`Tables::checklists`](super::tables::Tables::checklists)).
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self, packs: &[Checklist]) -> Result<(), InputError> {
        input::line("by", &self.by)?;
        input::time("time_ms", self.time_ms)?;
        self.note.iter().try_for_each(|note| input::note("note", note))?;
        let Some(pack) = packs.iter().find(|pack| pack.id == self.checklist) else {
            return Err(InputError::new(
                "checklist",
                Fault::Checklist { known: listed(packs.iter().map(|pack| pack.id)) },
            ));
        };
        if self.answers.is_empty() {
            return Err(InputError::new("answers", Fault::NoAnswers));
        }
        for (item, answer) in &self.answers {
            input::word(&format!("answers.{item}"), Some(*answer), Answer::ALL)?;
        }
        match self.answers.keys().find(|item| pack.item(**item).is_none()) {
            Some(item) => {
                let known = listed(pack.items.iter().map(|item| item.code));
                Err(InputError::new(format!("answers.{item}"), Fault::Item { known }))
            }
            None => Ok(()),
        }
    }

    /// The bytes to store.
    pub fn encode(&self) -> Result<Vec<u8>, ImmutableError> {
        immutable::encode(self)
    }

    /// The inspection of these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ImmutableError> {
        immutable::decode(bytes)
    }
}

fn listed(numbers: impl Iterator<Item = u16>) -> String {
    numbers.map(|number| number.to_string()).collect::<Vec<_>>().join(", ")
}

impl Immutable for Inspection {
    const WHAT: &'static str = "inspection";
    const MAX_BYTES: usize = MAX_BYTES;

    fn limits(&self) -> Vec<Limit> {
        vec![
            ("answers", self.answers.len(), MAX_ANSWERS),
            ("photos", self.photos.len(), MAX_PHOTOS),
            ("bytes in its remarks", self.note.as_ref().map_or(0, String::len), MAX_NOTE_BYTES),
            ("bytes in the inspector's name", self.by.len(), MAX_BY_BYTES),
        ]
    }
}

impl fmt::Display for PhotoHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl FromStr for PhotoHash {
    type Err = PhotoHashError;

    fn from_str(text: &str) -> Result<Self, PhotoHashError> {
        // A node id is 32 bytes in the same spelling.
        text.parse::<crate::id::NodeId>().map(|bytes| Self(bytes.0)).map_err(|_| PhotoHashError)
    }
}

impl Serialize for PhotoHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PhotoHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

crate::openapi::described!(PhotoHash => crate::openapi::forms::digits("PhotoHash", 64, "照片 / hash of a photo"));

impl<C> Encode<C> for PhotoHash {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for PhotoHash {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        bytes.try_into().map(Self).map_err(|_| minicbor::decode::Error::message("a photo's hash has 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::position::tests::any_position;
    use proptest::collection::{btree_map, vec};
    use proptest::option::of;
    use proptest::prelude::*;

    fn any_inspection() -> impl Strategy<Value = Inspection> {
        let answers = btree_map(any::<u16>(), any::<u16>().prop_map(Answer::from_code), 0..20);
        let photos = vec(any::<[u8; 32]>().prop_map(PhotoHash), 0..4);
        (any::<[u8; 16]>(), ".{0,10}", any::<i64>(), 0..5_u16, answers, of(".{0,30}"), photos, of(any_position()))
            .prop_map(|(household, by, time_ms, checklist, answers, note, photos, position)| Inspection {
                household: DocumentId(household),
                by,
                time_ms,
                checklist,
                answers,
                note,
                photos,
                position,
            })
    }

    fn plain() -> Inspection {
        let answers = (1..=12).map(|code| (code, if code == 4 { Answer::Hazard } else { Answer::Ok })).collect();
        Inspection {
            household: DocumentId([7; 16]),
            by: "xcy-017".into(),
            time_ms: 1_760_000_000_000,
            checklist: 1,
            answers,
            note: None,
            photos: Vec::new(),
            position: Position::from_degrees(39.8, 116.3),
        }
    }

    proptest! {
        #[test]
        fn round_trips_as_bytes_and_as_json(inspection in any_inspection()) {
            prop_assert_eq!(Inspection::decode(&inspection.encode().unwrap()), Ok(inspection.clone()));
            let json = serde_json::to_string(&inspection).unwrap();
            prop_assert_eq!(serde_json::from_str::<Inspection>(&json).unwrap(), inspection);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(bytes in vec(any::<u8>(), 0..80)) {
            let _ = Inspection::decode(&bytes);
        }

        #[test]
        fn a_damaged_inspection_is_never_a_panic(at in 1..80_usize, bit in 0..8_u8, cut in 0..80_usize) {
            let whole = plain().encode().unwrap();
            let mut damaged = whole.clone();
            if let Some(byte) = damaged.get_mut(at) { *byte ^= 1 << bit; }
            let _ = Inspection::decode(&damaged);
            // A damaged one that is cut as well may be another, shorter inspection; a whole one may not.
            let _ = Inspection::decode(&damaged[..cut.min(damaged.len())]);
            prop_assert!(Inspection::decode(&whole[..cut.min(whole.len() - 1)]).is_err());
        }
    }

    #[test]
    fn an_inspection_lists_its_hazards_and_stays_small() {
        assert_eq!(plain().hazards().collect::<Vec<_>>(), [4]);
        assert!(plain().encode().unwrap().len() <= 96, "{} bytes", plain().encode().unwrap().len());
    }

    #[test]
    fn limits_and_stray_bytes_are_refused_by_name() {
        let long = Inspection { note: Some("x".repeat(MAX_NOTE_BYTES + 1)), ..plain() };
        assert!(long.encode().unwrap_err().to_string().contains("remarks"));
        let mut bytes = plain().encode().unwrap();
        bytes.push(0);
        assert!(Inspection::decode(&bytes).unwrap_err().to_string().contains("after its end"));
        bytes[0] = 2;
        assert_eq!(Inspection::decode(&bytes), Err(ImmutableError::Version { what: "inspection", version: 2 }));
        assert!(matches!(
            Inspection::decode(&vec![1; MAX_BYTES + 1]),
            Err(ImmutableError::Limit { part: "bytes", .. })
        ));
        assert_eq!(Inspection::decode(&[]), Err(ImmutableError::Empty("inspection")));
    }

    #[test]
    fn keys_of_a_newer_minor_version_are_skipped() {
        let mut bytes = plain().encode().unwrap();
        assert_eq!(bytes[1], 0xA0 | 7, "a map of seven pairs: note is absent, photos are there even when empty");
        bytes[1] += 1;
        bytes.extend([0x18, 99, 0x01]);
        assert_eq!(Inspection::decode(&bytes), Ok(plain()));
    }
}
