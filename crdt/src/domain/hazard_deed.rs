//! What people did about a hazard: who, in which role, when, with which evidence.
//!
//! Each deed is a record of its own in the hazard's document, under a hash of what it says, and is never written again: two
//! who take a step apart from each other both did. The state of the hazard stands in its fields.

use std::collections::BTreeSet;

use super::hazard::HazardStep;
use super::input::{self, Fault, InputError};
use super::inspection::PhotoHash;
use super::record::record;
use super::role::Role;
use crate::change::RecordKey;
use crate::value::Fields;

/// Most photos of one deed.
pub const MAX_PHOTOS: usize = 16;
/// Bytes of a deed's key.
const KEY_LEN: usize = 16;

record! {
    /// What somebody did about a hazard.
    pub struct HazardDeed {
        /// What.
        1 STEP step: Option<HazardStep>,
        /// Who: a member's code.
        2 BY by: Option<String>,
        /// In which role.
        3 ROLE role: Option<Role>,
        /// When, in milliseconds since 1970.
        4 AT at_ms: Option<i64>,
        /// Remarks; nothing that identifies a person.
        5 NOTE note: Option<String>,
        /// Photos, by the hashes that they are found by.
        6 PHOTOS photos: BTreeSet<String>,
    }
}

impl HazardDeed {
    /// A deed without evidence.
    pub fn new(step: HazardStep, by: &str, at_ms: i64) -> Self {
        Self { step: Some(step), by: Some(by.to_owned()), at_ms: Some(at_ms), ..Self::default() }
    }

    /// The key of its record: the first bytes of BLAKE3 (derive-key context `townmesh 2026-11 hazard deed`) over its fields.
    pub fn key(&self) -> RecordKey {
        let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 hazard deed");
        // Writing into a vector does not fail.
        hasher.update(&minicbor::to_vec(self.fields()).unwrap_or_default());
        let mut key = vec![0; KEY_LEN];
        hasher.finalize_xof().fill(&mut key);
        key
    }

    /// The deed of a record; `None` where that is something else, or was altered.
    pub fn of_record(key: &[u8], fields: &Fields) -> Option<Self> {
        let deed = Self::read(fields);
        (deed.step.is_some() && deed.key() == key).then_some(deed)
    }

    /// Whether it put the hazard right, or was meant to.
    pub fn rectifies(&self) -> bool {
        matches!(self.step, Some(HazardStep::TakeUp | HazardStep::ReportDone))
    }

    /// In which role somebody does this who does not say.
    pub fn usual_role(step: HazardStep) -> Role {
        match step {
            HazardStep::TakeUp | HazardStep::ReportDone => Role::Handler,
            HazardStep::Pass | HazardStep::Fail | HazardStep::Reopen | HazardStep::Unknown(_) => Role::Inspector,
        }
    }

    /// Whether somebody does this in a role: those who handle put right, those who look recheck.
    pub fn may(step: HazardStep, role: Role) -> bool {
        let looks = matches!(role, Role::Inspector | Role::LaneChief | Role::DutyHead);
        match step {
            HazardStep::TakeUp | HazardStep::ReportDone => {
                matches!(role, Role::Handler | Role::BackOffice | Role::Liaison | Role::VillageClerk)
            }
            HazardStep::Pass | HazardStep::Fail => looks,
            HazardStep::Reopen => looks || matches!(role, Role::VillageClerk | Role::IntakeClerk),
            HazardStep::Unknown(_) => true,
        }
    }

    /// Checks what somebody entered; see [`input`].
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn check(&self) -> Result<(), InputError> {
        input::word("step", self.step, HazardStep::ALL)?;
        input::line("by", self.by.as_deref().unwrap_or_default())?;
        input::word("role", self.role, Role::ALL)?;
        input::time("at_ms", self.at_ms.unwrap_or_default())?;
        self.note.iter().try_for_each(|note| input::note("note", note))?;
        if self.photos.len() > MAX_PHOTOS {
            let range = 0..=MAX_PHOTOS as u64;
            return Err(InputError::new("photos", Fault::Number { got: self.photos.len() as u64, range }));
        }
        let form = Fault::Form {
            chinese: "照片的 64 位十六进制标识", english: "the 64 hexadecimal digits of a photo"
        };
        let is_named = |photo: &String| photo.parse::<PhotoHash>().is_ok();
        if self.photos.iter().all(is_named) { Ok(()) } else { Err(InputError::new("photos", form)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deed_stands_under_the_hash_of_what_it_says_alone() {
        let deed = HazardDeed { note: Some("已拆除".into()), ..HazardDeed::new(HazardStep::ReportDone, "csd-7", 5) };
        assert_eq!(HazardDeed::of_record(&deed.key(), &deed.fields()), Some(deed.clone()));
        let altered = HazardDeed { by: Some("csd-8".into()), ..deed.clone() };
        assert_eq!(HazardDeed::of_record(&deed.key(), &altered.fields()), None);
        assert_eq!(HazardDeed::of_record(b"", &deed.fields()), None);
        assert_eq!(HazardDeed::table().len(), HazardDeed::NUMBERS);
        assert!(deed.rectifies() && !HazardDeed::new(HazardStep::Pass, "a", 1).rectifies());
    }

    #[test]
    fn evidence_is_photos_by_their_hashes() {
        let with = |photos: &[String]| {
            HazardDeed { photos: photos.iter().cloned().collect(), ..HazardDeed::new(HazardStep::Pass, "xcy-2", 5) }
                .check()
        };
        assert_eq!(with(&["0".repeat(64)]), Ok(()));
        assert_eq!(with(&["photo.jpg".into()]).unwrap_err().field, "photos");
        let many: Vec<String> = (0..=MAX_PHOTOS).map(|number| format!("{number:064}")).collect();
        assert_eq!(with(&many).unwrap_err().field, "photos");
        assert_eq!(HazardDeed::new(HazardStep::Pass, "", 5).check().unwrap_err().field, "by");
    }
}
