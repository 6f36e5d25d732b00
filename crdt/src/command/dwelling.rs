//! Recording dwellings: the buildings behind the doors, with their owners sealed.
//!
//! A dwelling's document is found by region and door number; the households behind that door name the same two.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::entity::{ITSELF, news};
use super::household::{Edit, owner_id, written};
use super::people::{self, Person, Place, Slot};
use super::read::{Conflict, PersonalState, Settlement};
use super::{CommandError, Outcome, kind, labels};
use crate::clock::Millis;
use crate::document::Content;
use crate::domain::dwelling::Dwelling;
use crate::domain::person::PersonalData;
use crate::domain::record::apply;
use crate::entry::Lane;
use crate::id::DocumentId;
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::{Recorded, Replica};
use crate::store::StoreError;
use crate::value::{FieldId, Fields};

/// Fields of the natural key.
const KEY: &[FieldId] = &[Dwelling::REGION, Dwelling::ADDRESS];

/// A dwelling as it is recorded, its owner in clear.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DwellingRecord {
    /// The document.
    pub id: DocumentId,
    /// The dwelling, with its owner where they could be opened.
    pub dwelling: Dwelling,
    /// Whether the owner's data could be opened.
    pub owner_state: PersonalState,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<Conflict>,
    /// What was settled, the latest first.
    pub settled: Vec<Settlement>,
}

/// Records a dwelling: makes its document, or writes what it does not say yet. What the input leaves out stays.
/// Recording the same twice stages nothing the second time.
///
/// # Errors
/// [`CommandError::MissingKey`], [`CommandError::Input`], [`CommandError::PersonalTooLong`], [`CommandError::Record`].
pub fn record(
    replica: &mut Replica,
    input: &Dwelling,
    lane: Lane,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    let missing =
        CommandError::MissingKey {
            thing: "dwelling", what: "region or address", chinese: "缺少所在村居或门牌号"
        };
    let (Some(region), Some(key)) = (input.region, input.natural_key()) else { return Err(missing) };
    input.check()?;
    let namespace = Namespace::registry(&region.to_string());
    let document = replica.document_id(&namespace, DocumentKind::Dwelling, &key)?;
    let place = Place::new(replica, &namespace, document);
    let content = replica.content(place.id, document)?;
    let is_new = content.records.is_empty();
    let owner = people::open(replica, place, owner_slot(document), &content)?;
    let mut fields = input.fields();
    if !is_new {
        fields = news(&content.fields(ITSELF), fields);
        // The key is the same, or this would be another document: only its spelling can differ.
        KEY.iter().for_each(|number| _ = fields.remove(number));
    }
    // What is entered again must not bring back somebody who was erased.
    let given = input.owner.as_ref().map(PersonalData::normalised).filter(|given| !given.is_empty());
    if let Some(given) = given.filter(|_| owner.state != PersonalState::Erased) {
        seal_owner(replica, place, &owner, &given, false, &mut fields)?;
    }
    drop(content);
    Ok(match stage(replica, place, fields, lane, now)? {
        None => Outcome::Unchanged(document),
        Some(recorded) if is_new => Outcome::Created(document, recorded),
        Some(recorded) => Outcome::Changed(document, recorded),
    })
}

/// Edits a dwelling: another use, another owner. It settles what it sets, as [`Edit`] says.
///
/// # Errors
/// [`CommandError::NotFound`], [`CommandError::KeyFixed`], [`CommandError::UnknownField`], and as for [`record`].
pub fn edit(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    edit: &Edit<Dwelling>,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    edit.set.check().map_err(|error| error.within("set"))?;
    let (place, content) = existing(replica, namespace, document)?;
    let mut fields = written(&content, ITSELF, edit.set.fields(), &edit.clear, Dwelling::table)?;
    if KEY.iter().any(|field| fields.contains_key(field)) {
        let known = content.fields(ITSELF);
        let mut after = known.clone();
        apply(&mut after, &fields);
        if Dwelling::read(&after).natural_key() != Dwelling::read(&known).natural_key() {
            return Err(CommandError::KeyFixed { thing: "dwelling", chinese: "房屋" });
        }
    }
    if let Some(given) = &edit.set.owner {
        let owner = people::open(replica, place, owner_slot(document), &content)?;
        seal_owner(replica, place, &owner, given, true, &mut fields)?;
    }
    drop(content);
    let staged = stage(replica, place, fields, Lane::Work, now)?;
    Ok(staged.map_or(Outcome::Unchanged(document), |recorded| Outcome::Changed(document, recorded)))
}

/// Reads a dwelling; `None` if its document says nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<DwellingRecord>, StoreError> {
    let place = Place::new(replica, namespace, document);
    let content = replica.content(place.id, document)?;
    if content.records.is_empty() {
        return Ok(None);
    }
    let owner = people::open(replica, place, owner_slot(document), &content)?;
    let mut conflicts = labels::conflicts(&content, ITSELF, labels::DWELLING);
    conflicts.extend(owner.conflicts(None));
    let mut settled = settlements(replica, place, &content)?;
    let said = labels::said_in(&mut conflicts).chain(labels::said_in_settled(&mut settled));
    labels::sign(replica, place.id, document, said)?;
    let dwelling = Dwelling { owner: owner.data, ..Dwelling::read(&content.fields(ITSELF)) };
    Ok(Some(DwellingRecord { id: document, dwelling, owner_state: owner.state, conflicts, settled }))
}

/// What was settled in a dwelling, the latest first.
fn settlements(replica: &mut Replica, place: Place<'_>, content: &Content) -> Result<Vec<Settlement>, StoreError> {
    let mut found = Vec::new();
    for settled in content.settled(|_, _| false).into_iter().filter(|settled| settled.record == ITSELF) {
        if settled.field == Dwelling::OWNER {
            found.extend(people::settlements(replica, place, owner_slot(place.document), content, &settled)?);
        } else {
            found.extend(labels::settlement(content, &settled, labels::DWELLING));
        }
    }
    Ok(found)
}

fn existing<'a>(
    replica: &mut Replica,
    namespace: &'a Namespace,
    document: DocumentId,
) -> Result<(Place<'a>, Arc<Content>), CommandError> {
    let content = kind::require(replica, namespace, DocumentKind::Dwelling, document, ("dwelling", "房屋"))?;
    Ok((Place::new(replica, namespace, document), content))
}

fn owner_slot(document: DocumentId) -> Slot<'static> {
    Slot { record: ITSELF, field: Dwelling::OWNER, resident: owner_id(document) }
}

fn seal_owner(
    replica: &mut Replica,
    place: Place<'_>,
    owner: &Person,
    given: &PersonalData,
    settle: bool,
    fields: &mut Fields,
) -> Result<(), CommandError> {
    if let Some(sealed) = owner.edit(replica, place, owner_id(place.document), given, settle)? {
        fields.insert(Dwelling::OWNER, sealed);
    }
    Ok(())
}

fn stage(
    replica: &mut Replica,
    place: Place<'_>,
    fields: Fields,
    lane: Lane,
    now: Millis,
) -> Result<Option<Recorded>, CommandError> {
    if fields.is_empty() {
        return Ok(None);
    }
    let edits = BTreeMap::from([(ITSELF.to_vec(), fields)]);
    Ok(Some(replica.edit(place.namespace, DocumentKind::Dwelling, place.document, edits, lane, now)?))
}
