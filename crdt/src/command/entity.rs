//! Documents made of the fields of one record: regions, grids, members, teams, devices, hazards.

use std::collections::BTreeMap;

use super::labels::{self, Label};
use super::read::{FieldsRecord, Settlement};
use super::{CommandError, Outcome};
use crate::clock::Millis;
use crate::document::Content;
use crate::domain::device::Device;
use crate::domain::hazard::Hazard;
use crate::domain::input::InputError;
use crate::domain::record;
use crate::domain::region::Region;
use crate::domain::same_person::SamePerson;
use crate::domain::town::{Grid, Member, Team};
use crate::entry::Lane;
use crate::id::{DocumentId, NamespaceId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;
use crate::store::StoreError;
use crate::value::{FieldId, Fields};

/// Key of the record that stands for the document itself.
pub(super) const ITSELF: &[u8] = b"";

/// What an input means by a field that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// Nothing: what is recorded stays. For imports and adapters, which know some of the fields.
    Known,
    /// That it is to be cleared. For forms that show and return every field.
    Whole,
}

/// A record that is a document of its own.
pub trait Entity: Sized + sealed::Entity {}

/// What the implementations consist of; nobody else adds one, since a document kind belongs to one type.
mod sealed {
    use super::{DocumentKind, FieldId, Fields, InputError, Label};

    pub trait Entity {
        const KIND: DocumentKind;
        /// Fields of the natural key: never rewritten, or another spelling of the same key would look like an edit.
        const KEY: &'static [FieldId];
        #[expect(private_interfaces, reason = "the trait is sealed")]
        const LABELS: &'static [Label];
        const MISSING: (&'static str, &'static str, &'static str);

        fn key(&self) -> Option<Vec<u8>>;
        fn check(&self) -> Result<(), InputError>;
        fn to_fields(&self) -> Fields;
        fn from_fields(fields: &Fields) -> Self;
    }
}

macro_rules! entities {
    ($($type:ident, $key:expr, $labels:ident, $missing:expr;)+) => {$(
        impl Entity for $type {}
        impl sealed::Entity for $type {
            const KIND: DocumentKind = DocumentKind::$type;
            const KEY: &'static [FieldId] = $key;
            #[expect(private_interfaces, reason = "the trait is sealed")]
            const LABELS: &'static [Label] = labels::$labels;
            const MISSING: (&'static str, &'static str, &'static str) = $missing;

            fn key(&self) -> Option<Vec<u8>> {
                self.natural_key()
            }
            fn check(&self) -> Result<(), InputError> {
                <$type>::check(self)
            }
            fn to_fields(&self) -> Fields {
                self.fields()
            }
            fn from_fields(fields: &Fields) -> Self {
                Self::read(fields)
            }
        }
    )+};
}

entities! {
    Region, &[Self::CODE], REGION, ("region", "the code", "缺少区划代码");
    Grid, &[Self::REGION, Self::CODE], GRID, ("grid", "region or code", "缺少所在村居或网格编号");
    Member, &[Self::CODE], MEMBER, ("member", "the code", "缺少人员编号");
    Team, &[Self::CODE], TEAM, ("team", "the code", "缺少队伍编号");
    Device, &[Self::CODE], DEVICE, ("device", "the code", "缺少设备编号");
    Hazard, &[Self::HOUSEHOLD, Self::CHECKLIST, Self::ITEM, Self::OCCURRENCE], HAZARD,
        ("hazard", "household, checklist or item", "缺少所属户、检查表或检查项");
    SamePerson, &[Self::FIRST, Self::SECOND], SAME_PERSON, ("pair", "one of the two", "缺少其中一人");
}

/// Records an entity: makes its document, or writes what differs from it.
///
/// # Errors
/// [`CommandError::MissingKey`], [`CommandError::Input`], [`CommandError::Record`].
pub fn record<T: Entity>(
    replica: &mut Replica,
    namespace: &Namespace,
    entity: &T,
    writing: Writing,
    lane: Lane,
    now: Millis,
) -> Result<Outcome<DocumentId>, CommandError> {
    let key = require_key(entity)?;
    entity.check()?;
    let document = replica.document_id(namespace, T::KIND, &key)?;
    let content = replica.content(replica.namespace_id(namespace), document)?;
    if content.records.is_empty() {
        let recorded = edit::<T>(replica, namespace, document, entity.to_fields(), lane, now)?;
        return Ok(Outcome::Created(document, recorded));
    }
    let fields = entity.to_fields();
    let known = content.fields(ITSELF);
    let mut changed = match writing {
        Writing::Known => news(&known, fields),
        // Through the type, so that fields of a newer version stay as they are.
        Writing::Whole => record::difference(&T::from_fields(&known).to_fields(), &fields),
    };
    drop(content);
    changed.retain(|number, _| !T::KEY.contains(number));
    if changed.is_empty() {
        return Ok(Outcome::Unchanged(document));
    }
    let recorded = edit::<T>(replica, namespace, document, changed, lane, now)?;
    Ok(Outcome::Changed(document, recorded))
}

/// The natural key of an entity.
pub(super) fn require_key<T: Entity>(entity: &T) -> Result<Vec<u8>, CommandError> {
    let (thing, what, chinese) = T::MISSING;
    entity.key().ok_or(CommandError::MissingKey { thing, what, chinese })
}

/// Checks an entity as [`record`](fn@record) does.
pub(super) fn check<T: Entity>(entity: &T) -> Result<(), InputError> {
    entity.check()
}

/// What of `fields` is not known.
pub(super) fn news(known: &Fields, mut fields: Fields) -> Fields {
    fields.retain(|number, value| known.get(number) != Some(value));
    fields
}

/// Stages an edit of an entity.
pub(super) fn edit<T: Entity>(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
    fields: Fields,
    lane: Lane,
    now: Millis,
) -> Result<crate::replica::Recorded, CommandError> {
    let edits = BTreeMap::from([(ITSELF.to_vec(), fields)]);
    Ok(replica.edit(namespace, T::KIND, document, edits, lane, now)?)
}

/// Reads an entity; `None` if the document says nothing.
///
/// # Errors
/// [`StoreError`].
pub fn read<T: Entity>(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<FieldsRecord<T>>, StoreError> {
    let namespace = replica.namespace_id(namespace);
    let content = replica.content(namespace, document)?;
    of_content(replica, namespace, document, &content)
}

pub(super) fn of_content<T: Entity>(
    replica: &Replica,
    namespace: NamespaceId,
    document: DocumentId,
    content: &Content,
) -> Result<Option<FieldsRecord<T>>, StoreError> {
    if !content.records.contains_key(ITSELF) {
        return Ok(None);
    }
    let mut conflicts = labels::conflicts(content, ITSELF, T::LABELS);
    let settled = content.settled(|_, _| false).into_iter().filter(|settled| settled.record == ITSELF);
    let mut settled: Vec<Settlement> =
        settled.filter_map(|settled| labels::settlement(content, &settled, T::LABELS)).collect();
    let said = labels::said_in(&mut conflicts).chain(labels::said_in_settled(&mut settled));
    labels::sign(replica, namespace, document, said)?;
    Ok(Some(FieldsRecord { id: document, record: T::from_fields(&content.fields(ITSELF)), conflicts, settled }))
}
