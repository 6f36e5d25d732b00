//! Sealed people: opening what several offices recorded, merging it, sealing what is new.

use super::error::personal_chinese;
use super::read::{At, Conflict, ConflictValue, PersonalState, Said, Settlement};
use super::{CommandError, labels};
use crate::document::{Candidate, Content, Settled};
use crate::domain::person::{self, PersonalConflict, PersonalData, PersonalField, PersonalMerge};
use crate::id::{DocumentId, NamespaceId, ResidentId};
use crate::namespace::Namespace;
use crate::replica::{PersonalError, Replica};
use crate::store::StoreError;
use crate::value::{FieldId, Value};

/// The document that people are recorded in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) namespace: &'a Namespace,
    pub(super) id: NamespaceId,
    pub(super) document: DocumentId,
}

impl<'a> Place<'a> {
    pub(super) fn new(replica: &Replica, namespace: &'a Namespace, document: DocumentId) -> Self {
        Self { namespace, id: replica.namespace_id(namespace), document }
    }
}

/// Where in a document somebody's sealed data stands, and under which id it is sealed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) record: &'a [u8],
    pub(super) field: FieldId,
    pub(super) resident: ResidentId,
}

/// Somebody as far as they could be opened.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// The merge of what could be opened; `None` where nothing is recorded, or nothing can be opened.
    pub(super) data: Option<PersonalData>,
    pub(super) state: PersonalState,
    /// A sealed value that could be opened: its key is used again, so that one erasure erases everything.
    pub(super) sealed: Option<Vec<u8>>,
    conflicts: Vec<PersonalConflict>,
    accounts: Vec<Account>,
    at: At,
}

/// What one office said of somebody.
#[derive(Debug, Clone)]
struct Account {
    said: Said,
    data: PersonalData,
}

/// Opens and merges the current sealed values of a slot.
pub(super) fn open(
    replica: &mut Replica,
    place: Place<'_>,
    slot: Slot<'_>,
    content: &Content,
) -> Result<Person, StoreError> {
    let register = content.records.get(slot.record).and_then(|fields| fields.get(&slot.field));
    let candidates = register.map_or(&[][..], |register| &register.values);
    let at = At { record: slot.record.to_vec(), field: slot.field };
    let mut person =
        Person { data: None, state: PersonalState::Open, sealed: None, conflicts: vec![], accounts: vec![], at };
    for candidate in candidates {
        match open_value(replica, place, slot, &candidate.value)? {
            Ok(data) => {
                person.accounts.push(Account { said: labels::said(content, &person.at, candidate), data });
                person.sealed = person.sealed.or_else(|| candidate.value.as_bytes().map(<[u8]>::to_vec));
            }
            Err(state) => person.state = person.state.max(state),
        }
    }
    if person.state == PersonalState::Unreadable && !person.accounts.is_empty() {
        // One damaged copy must not hide the good one beside it.
        person.state = PersonalState::Open;
    }
    if person.state != PersonalState::Erased && !person.accounts.is_empty() {
        let merge = merge(replica, place, slot, content, candidates, &person.accounts)?;
        person.data = Some(merge.merged).filter(|data| !data.is_empty());
        person.conflicts = merge.conflicts;
    }
    Ok(person)
}

/// Merges what several offices said.
fn merge(
    replica: &mut Replica,
    place: Place<'_>,
    slot: Slot<'_>,
    content: &Content,
    candidates: &[Candidate],
    accounts: &[Account],
) -> Result<PersonalMerge, StoreError> {
    let ancestor = match common_ancestor(content, slot, candidates).cloned() {
        Some(value) if accounts.len() > 1 => open_value(replica, place, slot, &value)?.unwrap_or_default(),
        Some(_) | None => PersonalData::default(),
    };
    let opened: Vec<PersonalData> = accounts.iter().map(|account| account.data.clone()).collect();
    Ok(person::merge(&ancestor, &opened))
}

/// The conflicts about somebody that were settled, part by part.
pub(super) fn settlements(
    replica: &mut Replica,
    place: Place<'_>,
    slot: Slot<'_>,
    content: &Content,
    settled: &Settled,
) -> Result<Vec<Settlement>, StoreError> {
    let at = At { record: slot.record.to_vec(), field: slot.field };
    let Ok(choice) = open_value(replica, place, slot, &settled.choice.value)? else { return Ok(vec![]) };
    let mut accounts = Vec::new();
    for side in &settled.sides {
        let Ok(data) = open_value(replica, place, slot, &side.value)? else { return Ok(vec![]) };
        accounts.push(Account { said: labels::said(content, &at, side), data });
    }
    let merge = merge(replica, place, slot, content, &settled.sides, &accounts)?;
    let (time, assertion) = (settled.choice.time.millis(), settled.choice.assertion);
    let said = vec![labels::said_by(content, &at, assertion, time)];
    // All of a person is sealed in one piece: a phone that was added with the name would go with it.
    let is_open = |field| merge.conflicts.iter().any(|conflict| conflict.field == field);
    let is_said = |field| accounts.iter().any(|account| account.data.field(field) == choice.field(field));
    let all = [PersonalField::Name, PersonalField::IdNumber, PersonalField::Phone];
    let adds = |told: PersonalField| {
        all.into_iter().filter(|field| *field != told).any(|field| match is_open(field) {
            true => !is_said(field),
            false => choice.field(field) != merge.merged.field(field),
        })
    };
    let parts = merge.conflicts.iter().map(|conflict| Settlement {
        record: ResidentId::from_slice(slot.record),
        at: at.clone(),
        field: personal_key(conflict.field),
        chinese: personal_chinese(conflict.field).to_owned(),
        english: personal_english(conflict.field).to_owned(),
        personal: true,
        choice: said_value(choice.field(conflict.field), said.clone()),
        sides: conflict.sides(&accounts),
        stands: settled.stands,
        alone: settled.alone && !adds(conflict.field),
    });
    Ok(parts.collect())
}

fn open_value(
    replica: &mut Replica,
    place: Place<'_>,
    slot: Slot<'_>,
    value: &Value,
) -> Result<Result<PersonalData, PersonalState>, StoreError> {
    match value.as_bytes() {
        // Cleared: nothing is known of the person.
        None => Ok(Ok(PersonalData::default())),
        Some(sealed) => open_sealed(replica, place, slot.resident, sealed),
    }
}

/// Opens somebody's sealed data.
pub(super) fn open_sealed(
    replica: &mut Replica,
    place: Place<'_>,
    resident: ResidentId,
    sealed: &[u8],
) -> Result<Result<PersonalData, PersonalState>, StoreError> {
    Ok(match replica.open_personal(place.namespace, place.document, resident, sealed) {
        Ok(plain) => PersonalData::decode(&plain).map_err(|_| PersonalState::Unreadable),
        Err(PersonalError::Erased) => Err(PersonalState::Erased),
        Err(PersonalError::NoKey) => Err(PersonalState::KeyMissing),
        Err(PersonalError::Seal(_)) => Err(PersonalState::Unreadable),
        Err(PersonalError::Store(error)) => return Err(error),
    })
}

/// The value that all candidates started from. The ancestors that the first one shares with each other one lie on one
/// line; the earliest is shared by all, and is the one that two candidates of different ancestors meet in.
fn common_ancestor<'a>(content: &'a Content, slot: Slot<'_>, candidates: &[Candidate]) -> Option<&'a Value> {
    let (first, others) = candidates.split_first()?;
    // What an undone settlement put back starts from where it started first.
    let origin = |one: &Candidate| content.origin(slot.record, slot.field, one.assertion).0;
    let shared = |a: &Candidate, b: &Candidate| content.common_ancestor(slot.record, slot.field, origin(a), origin(b));
    let is_earliest = |one: &&Candidate| {
        let ancestor = shared(first, one);
        others.iter().all(|other| shared(first, other) == ancestor || shared(one, other) == ancestor)
    };
    others.iter().find(is_earliest).and_then(|one| shared(first, one))
}

/// Seals somebody's data anew, under their own key where they have one.
pub(super) fn seal(
    replica: &mut Replica,
    place: Place<'_>,
    resident: ResidentId,
    sealed: Option<&[u8]>,
    data: &PersonalData,
) -> Result<Value, CommandError> {
    let plain = data.encode()?;
    Ok(Value::Bytes(replica.seal_personal(place.namespace, place.document, resident, sealed, &plain)?))
}

impl Person {
    /// The sealed value that adds to what is recorded; `None` when nothing is new. `settle` also writes what is shown
    /// already, where that is one side of a conflict.
    pub(super) fn edit(
        &self,
        replica: &mut Replica,
        place: Place<'_>,
        resident: ResidentId,
        input: &PersonalData,
        settle: bool,
    ) -> Result<Option<Value>, CommandError> {
        let known = self.data.clone().unwrap_or_default();
        let edited = overlay(&known, input);
        let settles = settle && !self.conflicts.is_empty();
        if edited == known && !settles {
            return Ok(None);
        }
        if self.state == PersonalState::KeyMissing {
            return Err(PersonalError::NoKey.into());
        }
        // An erased or damaged value has no key that could be used again.
        seal(replica, place, resident, self.sealed.as_deref().filter(|_| self.state == PersonalState::Open), &edited)
            .map(Some)
    }

    /// What people recorded differently.
    pub(super) fn conflicts(&self, record: Option<ResidentId>) -> impl Iterator<Item = Conflict> + '_ {
        self.conflicts.iter().map(move |conflict| Conflict {
            record,
            at: self.at.clone(),
            field: personal_key(conflict.field),
            chinese: personal_chinese(conflict.field),
            english: personal_english(conflict.field),
            personal: true,
            values: conflict.sides(&self.accounts),
        })
    }
}

impl PersonalConflict {
    /// The values with those who said so; the greatest is the one that is shown.
    fn sides(&self, accounts: &[Account]) -> Vec<ConflictValue> {
        let side = |value: &Option<String>| {
            let says_so = |account: &&Account| account.data.field(self.field) == value.as_deref();
            let said = accounts.iter().filter(says_so).map(|account| account.said.clone());
            said_value(value.as_deref(), said.collect())
        };
        self.values.iter().rev().map(side).collect()
    }
}

fn said_value(value: Option<&str>, said: Vec<Said>) -> ConflictValue {
    let known = value.unwrap_or_default();
    ConflictValue {
        value: known.to_owned(),
        chinese: value.unwrap_or("（已清除）").to_owned(),
        english: value.unwrap_or("(cleared)").to_owned(),
        since: None,
        said,
    }
}

fn personal_key(field: PersonalField) -> &'static str {
    match field {
        PersonalField::Name => "name",
        PersonalField::IdNumber => "id_number",
        PersonalField::Phone => "phone",
    }
}

fn personal_english(field: PersonalField) -> &'static str {
    match field {
        PersonalField::Name => "name",
        PersonalField::IdNumber => "identity number",
        PersonalField::Phone => "phone",
    }
}

/// What is recorded with an input laid over it: an empty name and a number or phone that is `None` say nothing; a
/// number or phone that is empty clears.
pub(super) fn overlay(known: &PersonalData, input: &PersonalData) -> PersonalData {
    let normal = input.normalised();
    let pick = |given: &Option<String>, normal: Option<String>, known: &Option<String>| {
        if given.is_some() { normal } else { known.clone() }
    };
    PersonalData {
        id_number: pick(&input.id_number, normal.id_number, &known.id_number),
        phone: pick(&input.phone, normal.phone, &known.phone),
        name: if normal.name.is_empty() { known.name.clone() } else { normal.name },
    }
}

/// Whether two accounts are of one person: by identity number where both have one, else by name and phone.
pub(super) fn is_same(a: &PersonalData, b: &PersonalData) -> bool {
    match (&a.id_number, &b.id_number) {
        (Some(a), Some(b)) => a == b,
        (Some(_) | None, Some(_) | None) => a.name == b.name && a.phone == b.phone,
    }
}

/// By what two offices recognise one person without asking anybody; `None` for a bare name.
pub(super) fn recognisable(data: &PersonalData) -> Option<Vec<u8>> {
    let known = data.id_number.is_some() || (data.phone.is_some() && !data.name.is_empty());
    known.then(|| person::matching_key(data))
}
