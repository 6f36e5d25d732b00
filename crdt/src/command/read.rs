//! Documents read back: what the views and screens are made of.

use serde::Serialize;

use super::book::{self, BookEntry};
use super::door_tag::{self, DoorTagsRecord};
use super::dwelling::{self, DwellingRecord};
use super::entity::{self, Entity};
use super::life_cycle::{self, EditionNote};
use super::moves::{self, MoveRecord};
use super::track::{self, TrackRecord};
use super::{case, device, hazard, household, inspection, kind, table};
use crate::change::{AssertionId, RecordKey};
use crate::clock::Millis;
use crate::domain::books::BookKind;
use crate::domain::case::{Case, OpenStep};
use crate::domain::date::Day;
use crate::domain::device::Device;
use crate::domain::device_event::DeviceEvent;
use crate::domain::hazard::Hazard;
use crate::domain::hazard_deed::HazardDeed;
use crate::domain::household::{Household, Resident};
use crate::domain::inspection::Inspection;
use crate::domain::moves::Stay;
use crate::domain::person::mask_numbers;
use crate::domain::region::{Region, RegionCode};
use crate::domain::same_person::SamePerson;
use crate::domain::tables::{EffectiveRow, TableKind};
use crate::domain::town::{Grid, Member, Team};
use crate::id::{DocumentId, NodeId, RecordId, ResidentId};
use crate::namespace::Namespace;
use crate::policy::DocumentKind;
use crate::replica::Replica;
use crate::store::{FeedItem, StoreError};
use crate::value::FieldId;

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
    Hazard(HazardRecord),
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
    /// The rules of cases.
    LifeCycle(LifeCycleRecord),
    /// An entry of a book.
    Book(BookEntry),
    /// Where a unit was on a day.
    Track(TrackRecord),
    /// A dwelling.
    Dwelling(DwellingRecord),
    /// The door tags of one dwelling.
    DoorTags(DoorTagsRecord),
    /// Somebody who leaves one village for another.
    Move(MoveRecord),
    /// What was answered about two residents of two households.
    SamePerson(FieldsRecord<SamePerson>),
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
    /// Residents who look like one person recorded by two offices, two at a time.
    pub duplicates: Vec<Duplicate>,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<Conflict>,
    /// What was settled, the latest first.
    pub settled: Vec<Settlement>,
}

/// One person of a household.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResidentRecord {
    /// Their id.
    pub id: ResidentId,
    /// What is recorded, with personal data where they could be opened. An alias reads as void.
    pub resident: Resident,
    /// Whether they could be opened.
    pub state: PersonalState,
    /// Whom they are one person with, and are shown as.
    pub alias_of: Option<ResidentId>,
    /// The move by which they came from another village.
    pub came_by: Option<DocumentId>,
    /// Where they lived before they came by it.
    pub stays: Vec<Stay>,
}

/// Two residents who look like one person, or of whom several answered differently whether they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Both, the smaller id first.
    pub residents: [ResidentId; 2],
    /// Who recorded each of them.
    pub recorded: [Vec<Said>; 2],
    /// Answers that contradict each other; none where nobody has answered.
    pub answers: Vec<ConflictValue>,
}

/// Whether somebody's sealed data could be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// Where it stands.
    #[serde(skip)]
    pub at: At,
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

/// Where in a document a field stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    /// Key of its record.
    pub record: RecordKey,
    /// Its number.
    pub field: FieldId,
}

/// Who said something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Which statement of the document.
    #[serde(skip)]
    pub assertion: AssertionId,
    /// The node that signed it, where that is known.
    pub node: Option<NodeId>,
    /// The account of the person, where they said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When, by its author's clock.
    pub at: Millis,
}

/// A conflict that somebody settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settlement {
    /// The resident, where it was about one.
    pub record: Option<ResidentId>,
    /// Where the field stands.
    #[serde(skip)]
    pub at: At,
    /// The field as in JSON; `duplicate` for residents who looked like one person.
    pub field: &'static str,
    /// Its name in Chinese.
    pub chinese: String,
    /// Its name in English.
    pub english: String,
    /// Whether the values are personal data and need a mask.
    pub personal: bool,
    /// What was chosen, and by whom.
    pub choice: ConflictValue,
    /// What had stood before.
    pub sides: Vec<ConflictValue>,
    /// Whether it still stands.
    pub stands: bool,
    /// Whether nothing else was recorded with it, which undoing it would lose.
    pub alone: bool,
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
    /// Who says so.
    pub said: Vec<Said>,
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
    /// What can be done with it now, by the rules in force.
    pub steps: Vec<OpenStep>,
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

/// The rules of cases as they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LifeCycleRecord {
    /// The document.
    pub id: DocumentId,
    /// The editions that none replaces, the newest first; more than one where they were published apart.
    pub newest: Vec<EditionNote>,
    /// Editions by which somebody joined several that had been published apart, the latest first, each with those.
    pub joined: Vec<(EditionNote, Vec<EditionNote>)>,
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
    /// What was settled, the latest first.
    pub settled: Vec<Settlement>,
}

/// A cell for which people recorded different values without knowing of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableConflict {
    /// Where it stands.
    #[serde(skip)]
    pub at: At,
    /// The column, as in JSON.
    pub column: &'static str,
    /// Table, row and column in Chinese.
    pub chinese: String,
    /// Table, row and column in English.
    pub english: String,
    /// The values; the first one rules meanwhile.
    pub values: Vec<ConflictValue>,
}

/// A hazard with what was done about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HazardRecord {
    /// The document.
    pub id: DocumentId,
    /// What it says.
    pub record: Hazard,
    /// What people did about it, in order.
    pub steps: Vec<HazardDeed>,
    /// What people recorded differently without knowing of each other.
    pub conflicts: Vec<Conflict>,
    /// What was settled, the latest first.
    pub settled: Vec<Settlement>,
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
    /// What was settled, the latest first.
    pub settled: Vec<Settlement>,
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
    let reading = of_kind(replica, &namespace, kind, item.document)?;
    if kind::is_shown_by(&reading, replica, &namespace) {
        return Ok(reading);
    }
    let found = kind::of(replica, &namespace, kind, item.document)?;
    if found == kind { Ok(reading) } else { of_kind(replica, &namespace, found, item.document) }
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
        DocumentKind::Track => track::read(replica, namespace, document)?.map(Reading::Track),
        DocumentKind::Device => fields(replica, namespace, document)?.map(Reading::Device),
        DocumentKind::Region => fields(replica, namespace, document)?.map(Reading::Region),
        DocumentKind::Grid => fields(replica, namespace, document)?.map(Reading::Grid),
        DocumentKind::Member => fields(replica, namespace, document)?.map(Reading::Member),
        DocumentKind::Team => fields(replica, namespace, document)?.map(Reading::Team),
        DocumentKind::Table => table::read(replica, document)?.map(Reading::Table),
        DocumentKind::LifeCycle => Some(Reading::LifeCycle(life_cycle::record(replica, document)?)),
        DocumentKind::Enterprise
        | DocumentKind::Vehicle
        | DocumentKind::Finding
        | DocumentKind::Shift
        | DocumentKind::Consequence
        | DocumentKind::Campaign
        | DocumentKind::Problem
        | DocumentKind::Response
        | DocumentKind::Message => match BookKind::of_document(kind) {
            Some(kind) => book::read(replica, namespace, kind, document)?.map(Reading::Book),
            None => None,
        },
        DocumentKind::Move => moves::read(replica, document)?.map(Reading::Move),
        DocumentKind::SamePerson => fields(replica, namespace, document)?.map(Reading::SamePerson),
        DocumentKind::Dwelling => dwelling::read(replica, namespace, document)?.map(Reading::Dwelling),
        DocumentKind::DoorTag => door_tag::read(replica, namespace, document)?.map(Reading::DoorTags),
        DocumentKind::Blob | DocumentKind::Statement | DocumentKind::Period => None,
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
    /// The same with every name, number and phone masked, for screens that give no reason to see them; those that somebody
    /// wrote into the remarks, too.
    pub fn masked(mut self) -> Self {
        self.household.note = self.household.note.as_deref().map(mask_numbers);
        self.household.owner = self.household.owner.map(|owner| owner.masked());
        for one in &mut self.residents {
            one.resident.personal = one.resident.personal.take().map(|person| person.masked());
        }
        let conflicts = self.conflicts.iter_mut().filter(|conflict| conflict.personal);
        conflicts.flat_map(|conflict| &mut conflict.values).for_each(ConflictValue::mask);
        for settled in self.settled.iter_mut().filter(|settled| settled.personal) {
            settled.choice.mask();
            settled.sides.iter_mut().for_each(ConflictValue::mask);
        }
        self
    }
}

impl ConflictValue {
    fn mask(&mut self) {
        let masked = match self.value.chars().next() {
            Some(first) => format!("{first}*"),
            None => String::new(),
        };
        (self.value, self.chinese, self.english) = (masked.clone(), masked.clone(), masked);
    }
}
