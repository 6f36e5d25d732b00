//! A household as it is recorded, opened: what a difference is taken to and what is shown.

use std::collections::BTreeSet;

use super::owner_id;
use crate::command::entity::ITSELF;
use crate::command::matching::Candidate;
use crate::command::people::{self, Person, Place, Slot};
use crate::command::read::PersonalState;
use crate::command::{CommandError, duplicates};
use crate::document::Content;
use crate::domain::household::{Household, Resident};
use crate::domain::moves::{self, Stay};
use crate::domain::person::PersonalData;
use crate::id::{DocumentId, ResidentId};
use crate::replica::{PersonalError, Replica};
use crate::store::StoreError;
use crate::value::{Fields, Value};

/// A household as it is recorded.
pub(super) struct Current {
    pub(super) fields: Fields,
    pub(super) household: Household,
    pub(super) owner: Person,
    pub(super) residents: Vec<Known>,
}

/// Somebody recorded in it.
pub(super) struct Known {
    pub(super) id: ResidentId,
    pub(super) fields: Fields,
    pub(super) resident: Resident,
    pub(super) person: Person,
    /// Whom they are shown as.
    pub(super) alias_of: Option<ResidentId>,
    /// Where they lived before, as far as that could be opened.
    pub(super) stays: Vec<Stay>,
}

/// Everybody who was not recorded by mistake.
pub(super) fn standing(residents: &[Known]) -> BTreeSet<ResidentId> {
    residents.iter().filter(|known| known.resident.void != Some(true)).map(|known| known.id).collect()
}

impl Known {
    /// Whether they are not shown by themselves.
    pub(super) fn is_void(&self) -> bool {
        self.resident.void == Some(true) || self.alias_of.is_some()
    }

    pub(super) fn candidate(&self) -> Candidate {
        let mut fields = self.fields.clone();
        fields.remove(&Resident::PERSONAL);
        Candidate {
            id: self.id,
            fields,
            personal: self.person.data.clone().unwrap_or_default(),
            is_void: self.is_void(),
        }
    }
}

impl Current {
    pub(super) fn of(replica: &mut Replica, place: Place<'_>, content: &Content) -> Result<Self, StoreError> {
        let fields = content.fields(ITSELF);
        let mut residents = Vec::new();
        for record in content.records.keys() {
            // Keys of other lengths are records of a newer version.
            let Some(id) = ResidentId::from_slice(record) else { continue };
            let fields = content.fields(record);
            let slot = Slot { record, field: Resident::PERSONAL, resident: id };
            let person = people::open(replica, place, slot, content)?;
            let stays = stays(replica, place, &fields, id)?;
            residents.push(Known { id, resident: Resident::read(&fields), fields, person, alias_of: None, stays });
        }
        let aliases = duplicates::aliases(content, &standing(&residents));
        residents.iter_mut().for_each(|known| known.alias_of = aliases.get(&known.id).copied());
        let owner = people::open(replica, place, owner_slot(place.document), content)?;
        Ok(Self { household: Household::read(&fields), fields, owner, residents })
    }
}

/// Where somebody lived before; nothing where that cannot be opened.
fn stays(
    replica: &mut Replica,
    place: Place<'_>,
    fields: &Fields,
    resident: ResidentId,
) -> Result<Vec<Stay>, StoreError> {
    let Some(sealed) = fields.get(&Resident::HISTORY).and_then(Value::as_bytes) else { return Ok(vec![]) };
    match replica.open_personal(place.namespace, place.document, resident, sealed) {
        Ok(plain) => Ok(moves::decode_stays(&plain).unwrap_or_default()),
        Err(PersonalError::Erased | PersonalError::NoKey | PersonalError::Seal(_)) => Ok(vec![]),
        Err(PersonalError::Store(error)) => Err(error),
    }
}

pub(super) fn owner_slot(document: DocumentId) -> Slot<'static> {
    Slot { record: ITSELF, field: Household::OWNER, resident: owner_id(document) }
}

/// Whom an alias is shown as: what is new of the one is said of the other.
pub(super) fn shown_as<'a>(known: &Known, current: Option<&'a Current>) -> Result<Option<&'a Known>, CommandError> {
    let Some((kept, current)) = known.alias_of.zip(current) else { return Ok(None) };
    let shown = current.residents.iter().find(|one| one.id == kept);
    match shown {
        Some(shown) if shown.person.state == PersonalState::KeyMissing => Err(CommandError::KeysMissing(1)),
        shown => Ok(shown),
    }
}

/// Of the fields of an alias those that whoever is shown does not have: what was corrected since stays.
pub(super) fn lacking(shown: &Known, mut fields: Fields) -> Fields {
    fields.retain(|number, _| !shown.fields.contains_key(number));
    fields
}

pub(super) fn lacking_personal(shown: &Known, given: PersonalData) -> PersonalData {
    let known = shown.person.data.clone().unwrap_or_default();
    PersonalData {
        name: if known.name.is_empty() { given.name } else { String::new() },
        id_number: given.id_number.filter(|_| known.id_number.is_none()),
        phone: given.phone.filter(|_| known.phone.is_none()),
    }
}
