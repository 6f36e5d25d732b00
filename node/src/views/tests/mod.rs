//! Views made of readings written by hand.

mod analysis;
mod assessment;
mod case_list;
mod changes;
mod desks;
mod devices_and_cases;
mod door_tags;
mod features;
mod file;
mod orders;
mod pages;
mod reference;
mod registry;
mod scores;
mod tables;

use std::path::PathBuf;

use townmesh_crdt::command::read::{HazardRecord, HouseholdRecord, PersonalState, Reading, ResidentRecord};
use townmesh_crdt::domain::checklist::Grade;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{Hazard, HazardState};
use townmesh_crdt::domain::household::{Household, Relation, Resident, ResidentKind};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::id::{DocumentId, ResidentId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::store::FeedItem;

use super::{HouseholdFilter, HouseholdRow, Page, Reader, Views};

const VILLAGE: &str = "110115005220";

/// Views in a directory of their own.
struct Scene {
    directory: tempfile::TempDir,
    views: Views,
    fed: u64,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let views = Views::open(&directory.path().join("views.sqlite")).unwrap();
        Self { directory, views, fed: 0 }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("views.sqlite")
    }

    fn feed(&mut self, readings: impl IntoIterator<Item = Reading>) {
        let rows: Vec<_> = readings.into_iter().map(|reading| self.line(reading)).collect();
        self.views.apply(&rows, self.fed).unwrap();
    }

    fn line(&mut self, reading: Reading) -> (FeedItem, Namespace, Reading) {
        self.fed += 1;
        line(self.fed, reading)
    }

    fn reader(&self) -> Reader {
        Reader::open(&self.path()).unwrap()
    }

    fn households(&self, filter: &HouseholdFilter) -> Vec<HouseholdRow> {
        self.reader().households(filter, &Page::default(), true).unwrap().rows
    }

    fn addresses_with(&self, text: &str) -> Vec<String> {
        let filter = HouseholdFilter { text: Some(text.into()), ..HouseholdFilter::default() };
        self.households(&filter).into_iter().map(|row| row.address).collect()
    }
}

fn line(number: u64, reading: Reading) -> (FeedItem, Namespace, Reading) {
    let document = match &reading {
        Reading::Household(record) => record.id,
        Reading::Inspections(record) => record.id,
        Reading::Hazard(record) => record.id,
        Reading::Case(record) => record.id,
        Reading::Device(record) => record.id,
        Reading::DeviceDay(record) => record.id,
        Reading::Region(record) => record.id,
        Reading::Grid(record) => record.id,
        Reading::Member(record) => record.id,
        Reading::Team(record) => record.id,
        Reading::Table(record) => record.id,
        Reading::LifeCycle(record) => record.id,
        Reading::Book(entry) => entry.id,
        Reading::Track(record) => record.id,
        Reading::Dwelling(record) => record.id,
        Reading::DoorTags(record) => record.id,
        Reading::Move(record) => record.id,
        Reading::SamePerson(record) => record.id,
        Reading::Nothing => DocumentId([0; 16]),
    };
    (FeedItem { number, namespace: 3, document, kind: 1 }, Namespace::registry(VILLAGE), reading)
}

fn id(number: u32) -> DocumentId {
    let mut id = [7; 16];
    id[..4].copy_from_slice(&number.wrapping_mul(0x9E37_79B9).to_be_bytes());
    id[4..8].copy_from_slice(&number.to_be_bytes());
    DocumentId(id)
}

fn person(name: &str) -> PersonalData {
    PersonalData { name: name.into(), id_number: Some("110101199003071234".into()), phone: Some("13812345678".into()) }
}

fn resident(number: u8, name: &str) -> ResidentRecord {
    let resident = Resident {
        kind: Some(ResidentKind::Migrant),
        relation: Some(if number == 0 { Relation::Head } else { Relation::Tenant }),
        personal: Some(person(name)),
        ..Resident::default()
    };
    ResidentRecord {
        id: ResidentId([number; 8]),
        resident,
        state: PersonalState::Open,
        alias_of: None,
        came_by: None,
        stays: vec![],
    }
}

fn household(number: u32, address: &str, names: &[&str]) -> HouseholdRecord {
    let region: Option<RegionCode> = VILLAGE.parse().ok();
    let household = Household {
        region,
        address: Some(address.into()),
        usage: Some(DwellingUse::Rental),
        rooms: Some(8),
        position: Position::from_degrees(39.8 + f64::from(number) * 1e-4, 116.3),
        ..Household::default()
    };
    HouseholdRecord {
        id: id(number),
        region,
        household,
        owner_state: PersonalState::Open,
        residents: (0_u8..).zip(names).map(|(number, name)| resident(number, name)).collect(),
        duplicates: Vec::new(),
        conflicts: Vec::new(),
        settled: Vec::new(),
    }
}

fn hazard(number: u32, household: u32, grade: Grade, state: HazardState) -> Reading {
    let record = Hazard {
        household: Some(id(household)),
        checklist: Some(1),
        item: Some(4),
        grade: Some(grade),
        state: Some(state),
        found_at: Some(1_000),
        ..Hazard::default()
    };
    Reading::Hazard(HazardRecord { id: id(number), record, steps: vec![], conflicts: vec![], settled: vec![] })
}
