//! Recording households and the people in them.
//!
//! A household's document is found by its natural key (region, address, number behind the door), so two offices that
//! enter it apart from each other write one document. People have random ids and are recognised by what is sealed.

mod current;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::current::{Current, Known, lacking, lacking_personal, owner_slot, shown_as, standing};
use super::entity::{ITSELF, news};
use super::matching::{self, Candidate, Given};
use super::people::{self, Place, Slot};
use super::read::{HouseholdRecord, PersonalState, ResidentRecord, Settlement};
use super::{CommandError, Outcome, duplicates, kind, labels};
use crate::change::RecordKey;
use crate::clock::Millis;
use crate::document::Content;
use crate::domain::household::{Household, Resident};
use crate::domain::input;
use crate::domain::person::PersonalData;
use crate::domain::record::{FieldTable, Scalar, apply};
use crate::entry::Lane;
use crate::id::{DocumentId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{Recorded, Replica};
use crate::store::StoreError;
use crate::value::{FieldId, Fields, Value};

/// Most people written by one edit, well within the bounds of a change; more are written by several.
const PEOPLE_PER_EDIT: usize = 128;

/// A household as somebody entered it, or as a row of a ledger tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct HouseholdInput {
    /// The household; what is not known is left as it is recorded.
    pub household: Household,
    /// People in it; those who are not listed are left as they are recorded.
    pub residents: Vec<Resident>,
}

/// What a household was recorded as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HouseholdIds {
    /// The document.
    pub document: DocumentId,
    /// The residents of the input, in its order; those of whom it says nothing are left out.
    pub residents: Vec<ResidentId>,
}

/// An edit of one record: sets what is known in `set`, clears the fields that are named in `clear`.
///
/// Unlike an import it also settles: a field in conflict takes the value given, even the one that is shown. Within
/// personal data an empty number or phone clears, and what is not given stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Edit<T> {
    /// New values.
    #[serde(default)]
    pub set: T,
    /// Names of fields, as in JSON.
    #[serde(default)]
    pub clear: BTreeSet<String>,
}

/// The id under which the owner of a household or dwelling is sealed: the first 8 bytes of BLAKE3 (derive-key context
/// `townmesh 2026-11 household owner`) over the document id, so that all offices seal and open it alike.
pub fn owner_id(document: DocumentId) -> ResidentId {
    let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 household owner");
    hasher.update(&document.0);
    let mut id = [0; ResidentId::LEN];
    hasher.finalize_xof().fill(&mut id);
    ResidentId(id)
}

/// Records a household: makes its document, or writes what it does not say yet. Recording the same twice stages
/// nothing the second time.
///
/// # Errors
/// [`CommandError::MissingKey`], [`CommandError::Input`], [`CommandError::KeysMissing`],
/// [`CommandError::PersonalTooLong`], [`CommandError::Record`].
pub fn record(
    replica: &mut Replica,
    input: &HouseholdInput,
    lane: Lane,
    now: Millis,
) -> Result<Outcome<HouseholdIds>, CommandError> {
    record_apart(replica, input, &BTreeSet::new(), lane, now)
}

/// Records a household of which an earlier part of the same ledger recorded the people in `taken`: nobody of this part
/// is one of them.
///
/// # Errors
/// As for [`record`].
pub fn record_apart(
    replica: &mut Replica,
    input: &HouseholdInput,
    taken: &BTreeSet<ResidentId>,
    lane: Lane,
    now: Millis,
) -> Result<Outcome<HouseholdIds>, CommandError> {
    let missing =
        CommandError::MissingKey {
            thing: "household", what: "region or address", chinese: "缺少所在村居或门牌号"
        };
    let (Some(region), Some(key)) = (input.household.region, input.household.natural_key()) else {
        return Err(missing);
    };
    input.household.check().map_err(|error| error.within("household"))?;
    for (place, resident) in input.residents.iter().enumerate() {
        resident.check(None).map_err(|error| error.within(&format!("residents[{place}]")))?;
    }
    let namespace = Namespace::registry(&region.to_string());
    let document = replica.document_id(&namespace, DocumentKind::Household, &key)?;
    let place = Place::new(replica, &namespace, document);
    let content = replica.content(place.id, document)?;
    let is_new = content.records.is_empty();
    let mut edits = BTreeMap::new();
    let current = if is_new { None } else { Some(Current::of(replica, place, &content)?) };
    let fields = household_fields(replica, place, &input.household, current.as_ref())?;
    edits.insert(ITSELF.to_vec(), fields);
    let residents = resident_edits(replica, place, &input.residents, current.as_ref(), taken, &mut edits)?;
    drop(content);
    let ids = HouseholdIds { document, residents };
    Ok(match stage(replica, place, edits, lane, now)? {
        None => Outcome::Unchanged(ids),
        Some(recorded) if is_new => Outcome::Created(ids, recorded),
        Some(recorded) => Outcome::Changed(ids, recorded),
    })
}

/// Records one person in a household that exists; one who is recorded already gets what is new.
///
/// # Errors
/// [`CommandError::NotFound`], and as for [`record`].
pub fn add_resident(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    resident: &Resident,
    now: Millis,
) -> Result<Outcome<Option<ResidentId>>, CommandError> {
    resident.check(None)?;
    let (place, content) = existing(replica, namespace, document)?;
    let current = Current::of(replica, place, &content)?;
    let mut edits = BTreeMap::new();
    let input = std::slice::from_ref(resident);
    let ids = resident_edits(replica, place, input, Some(&current), &BTreeSet::new(), &mut edits)?;
    drop(content);
    let id = ids.first().copied();
    let is_new = id.is_some_and(|id| current.residents.iter().all(|known| known.id != id));
    Ok(match stage(replica, place, edits, Lane::Work, now)? {
        None => Outcome::Unchanged(id),
        Some(recorded) if is_new => Outcome::Created(id, recorded),
        Some(recorded) => Outcome::Changed(id, recorded),
    })
}

/// Edits a household: another use, more rooms, the owner's new phone.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::KeyFixed`], [`CommandError::UnknownField`], and as for [`record`].
pub fn edit_household(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    edit: &Edit<Household>,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    edit.set.check().map_err(|error| error.within("set"))?;
    let (place, content) = existing(replica, namespace, document)?;
    let mut fields = written(&content, ITSELF, edit.set.fields(), &edit.clear, Household::table)?;
    if Household::KEY.iter().any(|field| fields.contains_key(field)) {
        let known = content.fields(ITSELF);
        let mut after = known.clone();
        apply(&mut after, &fields);
        if Household::read(&after).natural_key() != Household::read(&known).natural_key() {
            return Err(CommandError::KeyFixed { thing: "household", chinese: "住户" });
        }
    }
    if let Some(owner) = &edit.set.owner {
        let slot = owner_slot(document);
        let person = people::open(replica, place, slot, &content)?;
        if let Some(sealed) = person.edit(replica, place, slot.resident, owner, true)? {
            fields.insert(Household::OWNER, sealed);
        }
    }
    drop(content);
    let staged = stage(replica, place, BTreeMap::from([(ITSELF.to_vec(), fields)]), Lane::Work, now)?;
    Ok(staged.map_or(Outcome::Unchanged(document), |recorded| Outcome::Changed(document, recorded)))
}

/// Edits a resident: a new phone, moved out, recorded by mistake.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::UnknownField`], and as for [`record`].
pub fn edit_resident(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    resident: ResidentId,
    edit: &Edit<Resident>,
    now: Millis,
) -> Result<Outcome<ResidentId>, CommandError> {
    let (place, content) = existing(replica, namespace, document)?;
    let record = resident.as_bytes();
    if !content.records.contains_key(record) {
        return Err(CommandError::NotFound { thing: "resident in household", chinese: "户内人员", document });
    }
    if let Some(kept) = alias_of(replica, place, &content, resident)? {
        return Err(CommandError::Alias { kept });
    }
    let known = content.fields(record);
    edit.set.check(Resident::read(&known).kind).map_err(|error| error.within("set"))?;
    let mut fields = written(&content, record, edit.set.fields(), &edit.clear, Resident::table)?;
    check_stay(&known, &fields)?;
    if let Some(personal) = &edit.set.personal {
        let person = people::open(replica, place, Slot { record, field: Resident::PERSONAL, resident }, &content)?;
        if let Some(sealed) = person.edit(replica, place, resident, personal, true)? {
            fields.insert(Resident::PERSONAL, sealed);
        }
    }
    drop(content);
    let staged = stage(replica, place, BTreeMap::from([(record.to_vec(), fields)]), Lane::Work, now)?;
    Ok(staged.map_or(Outcome::Unchanged(resident), |recorded| Outcome::Changed(resident, recorded)))
}

/// As whom a resident is shown, where that is somebody else.
fn alias_of(
    replica: &mut Replica,
    place: Place<'_>,
    content: &Content,
    resident: ResidentId,
) -> Result<Option<ResidentId>, StoreError> {
    if duplicates::one_person(content, resident).len() == 1 {
        return Ok(None);
    }
    let found = read(replica, place.namespace, place.document)?;
    let residents = found.map(|found| found.residents).unwrap_or_default();
    Ok(residents.into_iter().find(|one| one.id == resident).and_then(|one| one.alias_of))
}

/// Reads a household; `None` if its document says nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<HouseholdRecord>, StoreError> {
    let place = Place::new(replica, namespace, document);
    let content = replica.content(place.id, document)?;
    if content.records.is_empty() {
        return Ok(None);
    }
    let current = Current::of(replica, place, &content)?;
    let mut conflicts = labels::conflicts(&content, ITSELF, labels::HOUSEHOLD);
    conflicts.extend(current.owner.conflicts(None));
    let mut recognised: BTreeMap<Vec<u8>, Vec<ResidentId>> = BTreeMap::new();
    for known in &current.residents {
        // What is said of an alias is shown nowhere: there is nothing to settle until they come apart.
        if known.alias_of.is_none() {
            conflicts.extend(labels::conflicts(&content, known.id.as_bytes(), labels::RESIDENT));
            conflicts.extend(known.person.conflicts(Some(known.id)));
        }
        let counted = known.person.data.as_ref().filter(|_| !known.is_void());
        if let Some(key) = counted.and_then(people::recognisable) {
            recognised.entry(key).or_default().push(known.id);
        }
    }
    let mut duplicates = duplicates::suspected(&content, &recognised, &standing(&current.residents));
    let mut settled = settlements(replica, place, &content)?;
    let of_pairs = duplicates.iter_mut().flat_map(|one| {
        let answers = one.answers.iter_mut().flat_map(|answer| &mut answer.said);
        one.recorded.iter_mut().flatten().chain(answers)
    });
    let said = of_pairs.chain(labels::said_in(&mut conflicts)).chain(labels::said_in_settled(&mut settled));
    labels::sign(replica, place.id, document, said)?;
    let mut household = current.household;
    household.owner = current.owner.data;
    let residents = current.residents.into_iter().map(|known| {
        let void = if known.alias_of.is_some() { Some(true) } else { known.resident.void };
        let resident = Resident { personal: known.person.data, void, ..known.resident };
        let came_by = known.fields.get(&Resident::CAME_BY).and_then(DocumentId::from_value);
        let (state, alias_of) = (known.person.state, known.alias_of);
        ResidentRecord { id: known.id, state, alias_of, resident, came_by, stays: known.stays }
    });
    Ok(Some(HouseholdRecord {
        id: document,
        region: household.region,
        owner_state: current.owner.state,
        household,
        residents: residents.collect(),
        duplicates,
        conflicts,
        settled,
    }))
}

/// A resident with everybody who is one person with them by any answer.
pub(super) fn same_person(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    resident: ResidentId,
) -> Result<BTreeSet<ResidentId>, StoreError> {
    let place = Place::new(replica, namespace, document);
    Ok(duplicates::one_person(&*replica.content(place.id, document)?, resident))
}

/// What was settled in a household, the latest first.
fn settlements(replica: &mut Replica, place: Place<'_>, content: &Content) -> Result<Vec<Settlement>, StoreError> {
    let mut found = Vec::new();
    for settled in content.settled(duplicates::is_answer) {
        let resident = ResidentId::from_slice(&settled.record);
        let slot = match resident {
            None if settled.record == ITSELF => owner_slot(place.document),
            None => {
                found.extend(duplicates::settlement(content, &settled));
                continue;
            }
            Some(resident) => Slot { record: &settled.record, field: Resident::PERSONAL, resident },
        };
        if settled.field == slot.field {
            found.extend(people::settlements(replica, place, slot, content, &settled)?);
        } else {
            let labels = if resident.is_some() { labels::RESIDENT } else { labels::HOUSEHOLD };
            found.extend(labels::settlement(content, &settled, labels));
        }
    }
    Ok(found)
}

fn existing<'a>(
    replica: &mut Replica,
    namespace: &'a Namespace,
    document: DocumentId,
) -> Result<(Place<'a>, Arc<Content>), CommandError> {
    let content = kind::require(replica, namespace, DocumentKind::Household, document, ("household", "住户"))?;
    Ok((Place::new(replica, namespace, document), content))
}

/// What of the household's own record is new.
fn household_fields(
    replica: &mut Replica,
    place: Place<'_>,
    input: &Household,
    current: Option<&Current>,
) -> Result<Fields, CommandError> {
    let mut fields = input.fields();
    if input.number_or_first() == 1 {
        fields.remove(&Household::NUMBER);
    }
    let owner = input.owner.as_ref().map(PersonalData::normalised).filter(|owner| !owner.is_empty());
    let resident = owner_id(place.document);
    let Some(current) = current else {
        if let Some(owner) = owner {
            fields.insert(Household::OWNER, people::seal(replica, place, resident, None, &owner)?);
        }
        return Ok(fields);
    };
    let mut fields = news(&current.fields, fields);
    if current.household.natural_key().is_some() {
        // The key is the same, or this would be another document: only its spelling can differ.
        Household::KEY.iter().for_each(|number| _ = fields.remove(number));
    }
    // An old ledger must not bring back somebody who was erased.
    if let Some(owner) = owner.filter(|_| current.owner.state != PersonalState::Erased)
        && let Some(sealed) = current.owner.edit(replica, place, resident, &owner, false)?
    {
        fields.insert(Household::OWNER, sealed);
    }
    Ok(fields)
}

/// Adds what is new about these people to `edits`; their ids. Nobody in `taken` is among them.
fn resident_edits(
    replica: &mut Replica,
    place: Place<'_>,
    input: &[Resident],
    current: Option<&Current>,
    taken: &BTreeSet<ResidentId>,
    edits: &mut BTreeMap<RecordKey, Fields>,
) -> Result<Vec<ResidentId>, CommandError> {
    let given: Vec<Given> = input.iter().filter_map(given).collect();
    let known = current.map_or(&[][..], |current| &current.residents);
    let known: Vec<&Known> = known.iter().filter(|known| !taken.contains(&known.id)).collect();
    let (open, hidden): (Vec<&Known>, Vec<&Known>) =
        known.into_iter().partition(|known| known.person.state == PersonalState::Open);
    let hidden = hidden.iter().filter(|known| known.person.state == PersonalState::KeyMissing).count();
    let candidates: Vec<Candidate> = open.iter().map(|known| known.candidate()).collect();
    let mut ids = Vec::with_capacity(given.len());
    for (Given { mut fields, personal }, matched) in assigned(given, &candidates) {
        if let Some(known) = matched.and_then(|place| open.get(place)) {
            ids.push(known.id);
            let (shown, mut fields, personal) = match shown_as(known, current)? {
                None => (*known, news(&known.fields, fields), personal),
                Some(shown) => (shown, lacking(shown, news(&known.fields, fields)), lacking_personal(shown, personal)),
            };
            check_stay(&shown.fields, &fields)?;
            if let Some(sealed) = shown.person.edit(replica, place, shown.id, &personal, false)? {
                fields.insert(Resident::PERSONAL, sealed);
            }
            let edit = edits.entry(shown.id.as_bytes().to_vec()).or_default();
            fields.into_iter().for_each(|(number, value)| _ = edit.entry(number).or_insert(value));
            continue;
        }
        if hidden > 0 {
            return Err(CommandError::KeysMissing(hidden));
        }
        let id = replica.new_resident();
        if !personal.is_empty() {
            fields.insert(Resident::PERSONAL, people::seal(replica, place, id, None, &personal)?);
        }
        edits.insert(id.as_bytes().to_vec(), fields);
        ids.push(id);
    }
    Ok(ids)
}

/// Stages the fields of one record of a household.
pub(super) fn write_record(
    replica: &mut Replica,
    place: Place<'_>,
    record: RecordKey,
    fields: Fields,
    now: Millis,
) -> Result<Recorded, CommandError> {
    let edits = BTreeMap::from([(record, fields)]);
    Ok(replica.edit(place.namespace, DocumentKind::Household, place.document, edits, Lane::Work, now)?)
}

/// Checks the days of a stay as they will be, where an edit writes one of them.
pub(super) fn check_stay(known: &Fields, edit: &Fields) -> Result<(), CommandError> {
    if [Resident::MOVED_IN, Resident::MOVED_OUT].iter().any(|day| edit.contains_key(day)) {
        let mut after = known.clone();
        apply(&mut after, edit);
        let Resident { moved_in, moved_out, .. } = Resident::read(&after);
        input::stay(moved_in, moved_out)?;
    }
    Ok(())
}

/// Somebody of an input; `None` of whom it says nothing.
fn given(resident: &Resident) -> Option<Given> {
    let personal = resident.personal.as_ref().map(PersonalData::normalised).unwrap_or_default();
    let fields = resident.fields();
    (!fields.is_empty() || !personal.is_empty()).then_some(Given { fields, personal })
}

/// People of an input with whom they are among the candidates.
fn assigned(given: Vec<Given>, known: &[Candidate]) -> impl Iterator<Item = (Given, Option<usize>)> {
    let places = matching::assign(&given, known);
    given.into_iter().zip(places)
}

/// The fields that an edit writes: new values, values that settle a conflict, and `Null` for what it clears.
pub(super) fn written(
    content: &Content,
    record: &[u8],
    set: Fields,
    clear: &BTreeSet<String>,
    table: fn() -> FieldTable,
) -> Result<Fields, CommandError> {
    let registers = content.records.get(record);
    let says = |number: FieldId, value: &Value| {
        let register = registers.and_then(|registers| registers.get(&number));
        match register {
            None => *value == Value::Null,
            Some(register) => register.winner() == Some(value) && !register.is_conflict(),
        }
    };
    let mut fields = set;
    let table = if clear.is_empty() { FieldTable::new() } else { table() };
    for name in clear {
        let number = table.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
        let known = || table.values().copied().collect::<Vec<_>>().join(", ");
        let number = number
            .ok_or_else(|| CommandError::UnknownField { name: name.chars().take(40).collect(), known: known() })?;
        fields.insert(number, Value::Null);
    }
    fields.retain(|number, value| !says(*number, value));
    Ok(fields)
}

/// Stages what there is to write; `None` when there is nothing.
fn stage(
    replica: &mut Replica,
    place: Place<'_>,
    mut edits: BTreeMap<RecordKey, Fields>,
    lane: Lane,
    now: Millis,
) -> Result<Option<Recorded>, CommandError> {
    edits.retain(|_, fields| !fields.is_empty());
    let mut recorded = None;
    while !edits.is_empty() {
        let rest = match edits.keys().nth(PEOPLE_PER_EDIT).cloned() {
            Some(first) => edits.split_off(&first),
            None => BTreeMap::new(),
        };
        recorded = Some(replica.edit(place.namespace, DocumentKind::Household, place.document, edits, lane, now)?);
        edits = rest;
    }
    Ok(recorded)
}
