//! Documents read back: what the views and screens are made of.

use serde::Serialize;

use super::entity::{self, Entity};
use super::{case, device, hazard, household, inspection, table};
use crate::clock::Millis;
use crate::domain::case::Case;
use crate::domain::date::Day;
use crate::domain::device::Device;
use crate::domain::device_event::DeviceEvent;
use crate::domain::hazard::Hazard;
use crate::domain::household::{Household, Resident};
use crate::domain::inspection::Inspection;
use crate::domain::region::{Region, RegionCode};
use crate::domain::tables::{EffectiveRow, TableKind};
use crate::domain::town::{Grid, Member, Team};
use crate::id::{DocumentId, NodeId, RecordId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;
use crate::store::{FeedItem, StoreError};

/// Why a document cannot be read at all. What is damaged within one document never leads here.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The feed names a namespace that this store does not have.
    #[error("the feed names a namespace with number {0} that this store does not know: rebuild the views")]
    UnknownNamespace(u32),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "readings are handed on a few at a time, cases as often as others")]
pub enum Reading {
    /// A household with the people in it.
    Household(HouseholdRecord),
    /// The inspections of one household.
    Inspections(InspectionsRecord),
    /// A hazard.
    Hazard(FieldsRecord<Hazard>),
    /// A case.
    Case(CaseRecord),
    /// A device.
    Device(FieldsRecord<Device>),
    /// What one device said on one day.
    DeviceDay(DeviceDayRecord),
    /// A region.
    Region(FieldsRecord<Region>),
    /// A grid.
    Grid(FieldsRecord<Grid>),
    /// A member.
    Member(FieldsRecord<Member>),
    /// A team.
    Team(FieldsRecord<Team>),
    /// A table of the town.
    Table(TableRecord),
    /// Nothing to show: the document says nothing (any more), or is of a kind that has no view.
    Nothing,
}

/// A household with the people in it. Personal data are in clear: call [`Self::masked`] before showing them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HouseholdRecord {
    /// The document.
    pub id: DocumentId,
    /// Village or community, as recorded.
    pub region: Option<RegionCode>,
    /// The household, with its owner where they could be opened.
    pub household: Household,
    /// Whether the owner's data could be opened.
    pub owner_state: PersonalState,
    /// The people, by id, those recorded by mistake included.
    pub residents: Vec<ResidentRecord>,
    /// Groups of residents who look like one person recorded by two offices, each by id.
    pub duplicates: Vec<Vec<ResidentId>>,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<Conflict>,
}

/// One person of a household.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResidentRecord {
    /// Their id.
    pub id: ResidentId,
    /// What is recorded, with personal data where they could be opened.
    pub resident: Resident,
    /// Whether they could be opened.
    pub state: PersonalState,
}

/// Whether somebody's sealed data could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PersonalState {
    /// Yes; also where nothing is recorded.
    Open,
    /// Not readable: damaged, or written by a newer version.
    Unreadable,
    /// The key is still on its way.
    KeyMissing,
    /// The person was erased.
    Erased,
}

/// A field for which people recorded different values without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The resident; `None` for the document itself.
    pub record: Option<ResidentId>,
    /// The field as in JSON.
    pub field: &'static str,
    /// Its name in Chinese.
    pub chinese: &'static str,
    /// Its name in English.
    pub english: &'static str,
    /// Whether the values are personal data and need a mask.
    pub personal: bool,
    /// The values; the first is the one that is shown meanwhile.
    pub values: Vec<ConflictValue>,
}

/// One of several concurrent values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConflictValue {
    /// As in JSON: a code's key, a number, a day; empty where it was cleared.
    pub value: String,
    /// For people, in Chinese.
    pub chinese: String,
    /// For people, in English.
    pub english: String,
    /// Since when by its author's clock; `None` for part of somebody's personal data.
    pub since: Option<Millis>,
}

/// The inspections of one household, in order of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectionsRecord {
    /// The document.
    pub id: DocumentId,
    /// The inspections.
    pub inspections: Vec<InspectionRecord>,
    /// Records that are no inspections this version can read.
    pub unreadable: u32,
}

/// One inspection with what its entry says about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InspectionRecord {
    /// Its id.
    pub id: RecordId,
    /// The node that signed it.
    pub author: NodeId,
    /// Signed after its author's certificate was revoked: shown, not counted.
    pub void: bool,
    /// What was found.
    pub inspection: Inspection,
}

/// A case, folded from its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseRecord {
    /// The document.
    pub id: DocumentId,
    /// The case with its timeline.
    pub case: Case,
    /// Records that are no events this version can read.
    pub unreadable: u32,
}

/// What one device said on one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeviceDayRecord {
    /// The document.
    pub id: DocumentId,
    /// Code of the device.
    pub device: String,
    /// The day, by local time.
    pub day: Day,
    /// Its events, each once, in order.
    pub events: Vec<DeviceEvent>,
    /// Records that are no batches this version can read.
    pub unreadable: u32,
}

/// A table of the town as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableRecord {
    /// The document.
    pub id: DocumentId,
    /// Which table.
    pub kind: TableKind,
    /// Its rows, shipped ones too, in the order of their keys.
    pub rows: Vec<EffectiveRow>,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<TableConflict>,
}

/// A cell for which people recorded different values without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableConflict {
    /// The column, as in JSON.
    pub column: &'static str,
    /// Table, row and column in Chinese.
    pub chinese: String,
    /// Table, row and column in English.
    pub english: String,
    /// The values; the first one rules meanwhile.
    pub values: Vec<ConflictValue>,
}

/// A document made of fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldsRecord<T> {
    /// The document.
    pub id: DocumentId,
    /// What it says.
    pub record: T,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<Conflict>,
}

/// Reads the document that an item of the feed is about, as it is now.
///
/// # Errors
/// [`ReadError`]; never for what stands in the document.
pub fn document(replica: &mut Replica, item: &FeedItem) -> Result<Reading, ReadError> {
    let id = replica.namespace_numbered(item.namespace).ok_or(ReadError::UnknownNamespace(item.namespace))?;
    let (Some(kind), Some(namespace)) =
        (DocumentKind::from_code(item.kind), replica.trust().namespaces().get(&id).cloned())
    else {
        // Of a newer version, or of a period that nobody has opened in what this node has seen so far.
        return Ok(Reading::Nothing);
    };
    of_kind(replica, &namespace, kind, item.document)
}

/// Reads a document of a known kind.
///
/// # Errors
/// [`ReadError`].
pub fn of_kind(
    replica: &mut Replica,
    namespace: &Namespace,
    kind: DocumentKind,
    document: DocumentId,
) -> Result<Reading, ReadError> {
    let reading = match kind {
        DocumentKind::Household => household::read(replica, namespace, document)?.map(Reading::Household),
        DocumentKind::Inspection => inspection::read(replica, namespace, document)?.map(Reading::Inspections),
        DocumentKind::Hazard => hazard::read(replica, namespace, document)?.map(Reading::Hazard),
        DocumentKind::Case => case::read(replica, namespace, document)?.map(Reading::Case),
        DocumentKind::DeviceDay => device::read_day(replica, namespace, document)?.map(Reading::DeviceDay),
        DocumentKind::Device => fields(replica, namespace, document)?.map(Reading::Device),
        DocumentKind::Region => fields(replica, namespace, document)?.map(Reading::Region),
        DocumentKind::Grid => fields(replica, namespace, document)?.map(Reading::Grid),
        DocumentKind::Member => fields(replica, namespace, document)?.map(Reading::Member),
        DocumentKind::Team => fields(replica, namespace, document)?.map(Reading::Team),
        DocumentKind::Table => table::read(replica, document)?.map(Reading::Table),
        DocumentKind::Dwelling | DocumentKind::Blob | DocumentKind::Statement | DocumentKind::Period => None,
    };
    Ok(reading.unwrap_or(Reading::Nothing))
}

fn fields<T: Entity>(
    replica: &mut Replica,
    namespace: &Namespace,
    document: DocumentId,
) -> Result<Option<FieldsRecord<T>>, StoreError> {
    entity::read(replica, namespace, document)
}

impl HouseholdRecord {
    /// The same with every name, number and phone masked, for screens that give no reason to see them.
    pub fn masked(mut self) -> Self {
        self.household.owner = self.household.owner.map(|owner| owner.masked());
        for one in &mut self.residents {
            one.resident.personal = one.resident.personal.take().map(|person| person.masked());
        }
        for value in
            self.conflicts.iter_mut().filter(|conflict| conflict.personal).flat_map(|conflict| &mut conflict.values)
        {
            let masked = match value.value.chars().next() {
                Some(first) => format!("{first}*"),
                None => String::new(),
            };
            *value =
                ConflictValue { value: masked.clone(), chinese: masked.clone(), english: masked, since: value.since };
        }
        self
    }
}
