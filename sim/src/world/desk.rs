//! What people do with tables, books, conflicts and tracks, by the commands of production.

use std::collections::BTreeSet;

use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::book::{self, EntryInput};
use townmesh_crdt::command::conflict::{self, Asked, Choice, InboxKind, OpenConflict};
use townmesh_crdt::command::household::{self, HouseholdInput};
use townmesh_crdt::command::read::{self, ReadError, Reading};
use townmesh_crdt::command::track::{self, Fix};
use townmesh_crdt::command::{CommandError, table};
use townmesh_crdt::domain::books::{
    BookKind, Campaign, CampaignTier, CommandLevel, Consequence, ConsequenceKind, Enterprise, EnterpriseKind, Finding,
    Message, Must, Problem, ProblemState, Response, Shift, Vehicle, VehicleKind,
};
use townmesh_crdt::domain::columns::{RETIRED_FIELD, Time};
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::{Household, Resident, ResidentKind};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::same_person::{Answer, Two};
use townmesh_crdt::domain::tables::{CampaignItemRow, CampaignTemplate, PlanStepRow, PostRow, TableKind};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Recorded;
use townmesh_crdt::value::{Fields, Value};

use super::BEGIN;
use super::ledger::Content;
use super::rows::{CELL, How};
use super::shown::{self, ANSWER, BOOKS, Shown, TABLES};
use super::work::{Staged, Task};
use crate::plan::{HOUR, Work};

/// Rows that one person enters by hand at most: more are an import, in the lane of bulk.
const BY_HAND: usize = 16;
/// Documents looked at to find a conflict.
const LOOKED_AT: usize = 12;
/// Before the phone numbers of tenants, who may be recorded twice.
pub(crate) const TENANT: &str = "1390000";
/// How a unit moves from point to point in each of its tracks, in units of a track: what its bytes are known by.
pub(crate) const STEPS: [i32; 15] = [37, -51, 23, 60, -44, 19, -7, 55, -33, 12, -58, 41, 29, -16, 48];

/// A document with what it is and where it lies.
pub(crate) type Known = (DocumentId, Namespace, DocumentKind);

/// Somebody at a node.
pub(crate) struct Desk<'a> {
    pub(crate) task: Task<'a>,
    /// What it is about, the same for whoever does it at the same time elsewhere.
    pub(crate) subject: u64,
    /// Which part of which day it is, by the world's clock: about that people write.
    pub(crate) part: u64,
    /// The region in whose name the town's posts stand.
    pub(crate) town: RegionCode,
    /// Documents in which conflicts can come up.
    pub(crate) known: Vec<Known>,
    /// Where the unit is, in 1e-7 degrees.
    pub(crate) place: (i32, i32),
}

/// What came of it.
pub(crate) enum Done {
    /// What leaves no cell that is looked after.
    Staged(Staged),
    /// Values in cells.
    Stroke(Stroke),
    /// A part of a unit's track.
    Track(Tracking),
}

/// A part of a unit's track that was recorded.
pub(crate) struct Tracking {
    pub(crate) recorded: Recorded,
    pub(crate) namespace: Namespace,
    /// Those of the unit's days that grew: about midnight two.
    pub(crate) documents: Vec<DocumentId>,
    /// Its moments, in seconds, where they stand in one document and none was known.
    pub(crate) seconds: Option<BTreeSet<i64>>,
}

/// Values in cells of one document.
pub(crate) struct Stroke {
    pub(crate) namespace: Namespace,
    pub(crate) kind: DocumentKind,
    pub(crate) document: DocumentId,
    pub(crate) lane: Lane,
    /// In how many entries.
    pub(crate) entries: u64,
    pub(crate) writes: Vec<Write>,
    /// What was shown before.
    pub(crate) shown: Shown,
}

/// One value.
pub(crate) struct Write {
    pub(crate) record: Vec<u8>,
    pub(crate) column: String,
    pub(crate) value: String,
    pub(crate) how: How,
    /// In which of the entries.
    pub(crate) entry: u64,
}

impl Desk<'_> {
    /// Does it.
    pub(crate) fn run(&mut self, work: Work) -> Result<Done, CommandError> {
        match work {
            Work::Table => self.table(),
            Work::Book => self.book(),
            Work::Tenant => self.tenant().map(Done::Staged),
            Work::Settle => self.settle(),
            Work::Undo => self.undo(),
            Work::Track => self.track(),
            Work::Household
            | Work::Edit
            | Work::Inspect
            | Work::Hazard
            | Work::Report
            | Work::Act
            | Work::Device
            | Work::Member
            | Work::Position
            | Work::Photo
            | Work::Center => self.task.run(work).map(Done::Staged),
        }
    }

    fn read(&mut self, (document, namespace, kind): &Known) -> Result<Reading, CommandError> {
        read::of_kind(self.task.replica, namespace, *kind, *document).map_err(|error| match error {
            ReadError::Store(error) => error.into(),
            ReadError::UnknownNamespace(_) => CommandError::ConflictSettled,
        })
    }

    /// A value that nobody else writes.
    fn value(&mut self, namespace: &Namespace) -> String {
        let number = self.task.dice.serial();
        let own = if namespace.region.is_empty() { String::new() } else { format!("{} ", self.task.canary) };
        format!("{own}{CELL}{number:016x}")
    }

    /// What somebody gives of a row's texts, and what that writes: what they give, and what is in conflict as it is shown.
    fn texts(
        &mut self,
        namespace: &Namespace,
        record: &[u8],
        names: &[&'static str],
        shown: &Shown,
    ) -> (Vec<(&'static str, Value)>, Vec<Write>) {
        let (mut given, mut writes) = (Vec::new(), Vec::new());
        for (place, name) in names.iter().enumerate() {
            let key = (record.to_vec(), (*name).to_owned());
            let known = shown.get(&key);
            let gives = known.is_none() || self.task.dice.chance(60) || (place + 1 == names.len() && given.is_empty());
            let stands = known.and_then(|values| values.first()).cloned().unwrap_or_default();
            let is_conflict = known.is_some_and(|values| values.len() > 1);
            let value = if gives { self.value(namespace) } else { stands };
            if gives {
                given.push((*name, Value::Text(value.clone())));
            }
            if gives || is_conflict {
                let (record, column) = key;
                writes.push(Write { record, column, value, how: How::Wrote, entry: 0 });
            }
        }
        (given, writes)
    }

    fn table(&mut self) -> Result<Done, CommandError> {
        let Some((kind, names)) = TABLES.get((self.subject % TABLES.len() as u64) as usize) else {
            return Ok(Done::Staged(None));
        };
        let namespace = Namespace::town();
        let document = self.task.replica.document_id(&namespace, DocumentKind::Table, &kind.natural_key())?;
        let shown = shown::cells(&self.read(&(document, namespace.clone(), DocumentKind::Table))?);
        let imports = self.task.dice.chance(12);
        let count =
            if imports { BY_HAND + 1 + self.task.dice.below(8) as usize } else { 1 + self.subject as usize % 2 };
        let (mut rows, mut writes) = (Vec::new(), Vec::new());
        for place in 0..count {
            // By hand the few rows that matter now.
            let number = if imports { 100 + place as u64 } else { (self.subject / 3 + self.part + place as u64) % 5 };
            let mut row = self.row(*kind, number);
            let Some(record) = kind.row_key(&row) else { continue };
            let (given, written) = self.texts(&namespace, &record, names, &shown);
            for (name, value) in given {
                row.extend(shown::column(kind.columns(), name).map(|column| (column.number, value)));
            }
            if self.task.dice.chance(4) {
                row.insert(RETIRED_FIELD, Value::Bool(self.task.dice.chance(50)));
            }
            rows.push(row);
            writes.extend(written);
        }
        let imported = table::record(self.task.replica, *kind, &rows, self.task.now)?;
        if imported.created + imported.changed == 0 {
            return Ok(Done::Staged(None));
        }
        let lane = if rows.len() > BY_HAND { Lane::Bulk } else { Lane::Work };
        Ok(Done::Stroke(Stroke { namespace, kind: DocumentKind::Table, document, lane, entries: 1, writes, shown }))
    }

    /// What names a row, and what it must say beside its texts.
    fn row(&self, kind: TableKind, number: u64) -> Fields {
        if kind == TableKind::Post {
            let post = Some(format!("岗位{number}"));
            return PostRow { region: Some(self.town), post, required: Some(5), ..PostRow::default() }.fields();
        }
        if kind == TableKind::PlanStep {
            let (step, by) = (Some(1 + number as u16), Some(Role::Dispatcher));
            let row = PlanStepRow { plan: Some("汛情".into()), step, by, ..PlanStepRow::default() };
            return PlanStepRow { role: Some(Role::Handler), ..row }.fields();
        }
        let (template, code) = (Some(CampaignTemplate::FiveMusts), Some(format!("own-{number}")));
        CampaignItemRow { template, code, ..CampaignItemRow::default() }.fields()
    }

    fn book(&mut self) -> Result<Done, CommandError> {
        let Some((book, names)) = BOOKS.get((self.subject % BOOKS.len() as u64) as usize) else {
            return Ok(Done::Staged(None));
        };
        let (Some(kind), number) = (book.document_kind(), self.subject / 9 % 2) else { return Ok(Done::Staged(None)) };
        let mut fields = self.entry(*book, number);
        let namespace = if book.is_of_region() { self.task.registry() } else { Namespace::town() };
        let Some(key) = book.natural_key(&fields) else { return Ok(Done::Staged(None)) };
        let document = self.task.replica.document_id(&namespace, kind, &key)?;
        let shown = shown::cells(&self.read(&(document, namespace.clone(), kind))?);
        let (given, writes) = self.texts(&namespace, &[], names, &shown);
        for (name, value) in given {
            fields.extend(shown::column(book.columns(), name).map(|column| (column.number, value)));
        }
        let person = (book.names_person() && self.task.dice.chance(40)).then(|| PersonalData {
            name: self.task.canary.clone(),
            id_number: None,
            phone: Some(format!("137{:08}", self.task.dice.below(100_000_000))),
        });
        let imported = book::record(self.task.replica, *book, &[EntryInput { fields, person }], self.task.now)?;
        if imported.created + imported.changed == 0 {
            return Ok(Done::Staged(None));
        }
        Ok(Done::Stroke(Stroke { namespace, kind, document, lane: kind.lane(), entries: 1, writes, shown }))
    }

    /// What names an entry of a book, and what it must say beside its texts.
    fn entry(&self, book: BookKind, number: u64) -> Fields {
        let code = Some(format!("{}-{number}", self.part));
        let begin = Time((BEGIN + self.part * 3 * HOUR) as i64);
        let (day, region, clerk) = (Some(begin.day()), Some(self.task.region), Some("m0-0".to_owned()));
        let begin = Some(begin);
        match book {
            BookKind::Enterprise => {
                let name = code.map(|code| format!("店{code}"));
                Enterprise { region, name, kind: Some(EnterpriseKind::Storefront), ..Enterprise::default() }.fields()
            }
            BookKind::Vehicle => {
                let plate = Some(format!("京A{:04}{number}", self.part % 10_000));
                Vehicle { region, plate, kind: Some(VehicleKind::Car), ..Vehicle::default() }.fields()
            }
            BookKind::Shift => {
                let end = begin.map(|begin| Time(begin.0 + 8 * HOUR as i64));
                Shift { member: code, start: begin, end, ..Shift::default() }.fields()
            }
            BookKind::Consequence => {
                let kind = Some(ConsequenceKind::Praise);
                let row = Consequence { subject: code, from: day, kind, to: day, ..Consequence::default() };
                Consequence { decided_by: clerk, ..row }.fields()
            }
            BookKind::Campaign => {
                let tier = Some(CampaignTier::Joint);
                Campaign { code, tier, from: day, to: day, region, ..Campaign::default() }.fields()
            }
            BookKind::Finding => {
                let must = Some(Must::RectifyHazard);
                let row = Finding { region, campaign: code, place: Some("1号".into()), must, ..Finding::default() };
                Finding { found: begin, found_by: clerk, ..row }.fields()
            }
            BookKind::Problem => {
                let (category, state) = (Some("exposed_rubbish".to_owned()), Some(ProblemState::Open));
                Problem { code, category, region, since: day, state, ..Problem::default() }.fields()
            }
            BookKind::Response => {
                let (plan, level) = (Some("汛情".to_owned()), Some(CommandLevel::Daily));
                Response { code, plan, level, opened: begin, commander: clerk, ..Response::default() }.fields()
            }
            BookKind::Message => {
                Message { code, to: Some("team-1".into()), sent: begin, by: clerk, ..Message::default() }.fields()
            }
            BookKind::Unknown(_) => Fields::new(),
        }
    }

    /// A tenant, whom another office may be recording at the same moment.
    fn tenant(&mut self) -> Result<Staged, CommandError> {
        let (door, who) = (self.subject % 3, self.part % 20 * 5 + self.subject / 3 % 3);
        let household = Household {
            region: Some(self.task.region),
            address: Some(format!("合租{door}号")),
            number: Some(1),
            usage: Some(DwellingUse::Rental),
            ..Household::default()
        };
        let person = PersonalData {
            name: format!("{} 租{who}", self.task.canary),
            id_number: None,
            phone: Some(format!("{TENANT}{who:04}")),
        };
        let resident = Resident { personal: Some(person), kind: Some(ResidentKind::Migrant), ..Resident::default() };
        let input = HouseholdInput { household, residents: vec![resident] };
        let outcome = household::record(self.task.replica, &input, Lane::Work, self.task.now)?;
        let (namespace, document) = (self.task.registry(), outcome.value().document);
        Ok(outcome.recorded().map(|recorded| (*recorded, namespace, Content { document, record: None, mark: None })))
    }

    /// Some of the documents that are known to have been written, each once.
    fn some_known(&mut self) -> Vec<Known> {
        let mut left = self.known.clone();
        let mut some = Vec::new();
        while some.len() < LOOKED_AT && !left.is_empty() {
            some.push(left.swap_remove(self.task.dice.below(left.len() as u32) as usize));
        }
        some
    }

    /// Somebody goes through the inbox and settles what they find.
    fn settle(&mut self) -> Result<Done, CommandError> {
        for known in self.some_known() {
            let reading = self.read(&known)?;
            let open = answerable(&reading);
            if let Some((conflict, record)) = self.task.dice.one_of(&open).cloned() {
                return self.answer(known, &reading, &conflict, record);
            }
        }
        Ok(Done::Staged(None))
    }

    fn answer(
        &mut self,
        (document, namespace, kind): Known,
        reading: &Reading,
        conflict: &OpenConflict,
        record: Vec<u8>,
    ) -> Result<Done, CommandError> {
        let dice = &mut self.task.dice;
        let sides = if conflict.kind == InboxKind::DuplicateResident { 2 } else { conflict.sides.len() };
        let number = 1 + dice.below(sides as u32) as usize;
        let side = conflict.sides.get(number - 1);
        let kept = side.map(|side| side.value.clone()).unwrap_or_default();
        let is_text = is_text(reading, &conflict.subject);
        let (choice, value) = if conflict.kind == InboxKind::DuplicateResident {
            if dice.chance(30) {
                (Choice::Distinct, Answer::Distinct.to_string())
            } else {
                let two = Two::of_key(&record);
                let answer = two.and_then(|two| two.keeping(side?.resident?));
                (Choice::Merge(number), answer.map(|answer| answer.to_string()).unwrap_or_default())
            }
        } else if is_text && kind == DocumentKind::Table && dice.chance(25) {
            let value = self.value(&namespace);
            (Choice::Cell(Value::Text(value.clone())), value)
        } else {
            (Choice::Keep(number), kept)
        };
        let asked = Asked { id: conflict.id, revision: conflict.revision.clone(), actor: None };
        let at = (&namespace, kind, document);
        let outcome = conflict::settle(self.task.replica, at, &asked, &choice, self.task.now)?;
        let Some(recorded) = outcome.recorded().copied() else { return Ok(Done::Staged(None)) };
        if !is_text || conflict.personal && conflict.kind != InboxKind::DuplicateResident {
            return Ok(Done::Staged(Some((recorded, namespace, Content { document, record: None, mark: None }))));
        }
        let how = How::Settled(conflict.id);
        let writes = vec![Write { record, column: conflict.subject.clone(), value, how, entry: 0 }];
        let (lane, shown) = (recorded.log.lane, shown::cells(reading));
        Ok(Done::Stroke(Stroke { namespace, kind, document, lane, entries: 1, writes, shown }))
    }

    /// Somebody takes a settlement back.
    fn undo(&mut self) -> Result<Done, CommandError> {
        for (document, namespace, kind) in self.some_known() {
            let reading = self.read(&(document, namespace.clone(), kind))?;
            let records = settled_records(&reading);
            let done: Vec<_> = conflict::settled(&reading).into_iter().zip(records).collect();
            let undoable = |done: &conflict::Done| done.undoable && is_text(&reading, &done.subject);
            let done: Vec<_> = done.into_iter().filter(|(done, _)| undoable(done)).collect();
            let Some((done, record)) = self.task.dice.one_of(&done).cloned() else { continue };
            let outcome =
                conflict::undo(self.task.replica, (&namespace, kind, document), done.id, None, self.task.now)?;
            let Some(recorded) = outcome.recorded() else { return Ok(Done::Staged(None)) };
            // The one that was shown is put back last.
            let mut values: Vec<String> = Vec::new();
            for side in done.sides.iter().rev() {
                if !values.contains(&side.value) {
                    values.push(side.value.clone());
                }
            }
            if values.is_empty() {
                values.push(String::new());
            }
            let write = |(entry, value)| {
                let (record, column) = (record.clone(), done.subject.clone());
                Write { record, column, value, how: How::Undid, entry }
            };
            let entries = values.len() as u64;
            let writes = (0..).zip(values).map(write).collect();
            let (lane, shown) = (recorded.log.lane, shown::cells(&reading));
            return Ok(Done::Stroke(Stroke { namespace, kind, document, lane, entries, writes, shown }));
        }
        Ok(Done::Staged(None))
    }

    /// Where a unit was in the last minutes.
    fn track(&mut self) -> Result<Done, CommandError> {
        let (mut latitude, longitude) = self.place;
        let begin = (self.task.now as i64 - STEPS.len() as i64 * 10_000).max(0);
        let mut fixes = Vec::new();
        for (number, step) in (0..).zip([0].into_iter().chain(STEPS)) {
            latitude += step * 100;
            let (time, position) = (Time(begin + number * 10_000), Position::from_e7(latitude, longitude));
            fixes.extend(position.map(|position| Fix { time, position }));
        }
        let outcome = track::record(self.task.replica, self.task.region, &fixes, self.task.now)?;
        let Some(recorded) = outcome.recorded().copied() else { return Ok(Done::Staged(None)) };
        let namespace = self.task.replica.trust().namespaces().get(&recorded.log.namespace).cloned();
        let Some(namespace) = namespace else { return Ok(Done::Staged(None)) };
        let documents = outcome.value().documents.clone();
        // Of points that are known already nobody says which were new.
        let is_whole = documents.len() == 1 && outcome.value().repeated == 0;
        let seconds = is_whole.then(|| fixes.iter().map(|fix| fix.time.0.div_euclid(1_000)).collect());
        Ok(Done::Track(Tracking { recorded, namespace, documents, seconds }))
    }
}

/// What people settle here, with the record that it is about. Notes of households are left: who looks after those looks for
/// the last one.
fn answerable(reading: &Reading) -> Vec<(OpenConflict, Vec<u8>)> {
    let open = conflict::open(reading);
    match reading {
        Reading::Table(record) => {
            open.into_iter().zip(record.conflicts.iter().map(|conflict| conflict.at.record.clone())).collect()
        }
        Reading::Book(_) => open.into_iter().map(|conflict| (conflict, vec![])).collect(),
        Reading::Household(_) => {
            let pair = |conflict: &OpenConflict| {
                let mut residents = conflict.sides.iter().filter_map(|side| side.resident);
                Two::of(residents.next()?, residents.next()?).map(Two::key)
            };
            let is_left = |subject: &str| ["note", "owner"].contains(&subject);
            let open = open.into_iter().filter(|conflict| !is_left(&conflict.subject));
            open.map(|conflict| {
                let record = pair(&conflict).unwrap_or_default();
                (conflict, record)
            })
            .collect()
        }
        Reading::Inspections(_)
        | Reading::Hazard(_)
        | Reading::Case(_)
        | Reading::Device(_)
        | Reading::DeviceDay(_)
        | Reading::Region(_)
        | Reading::Grid(_)
        | Reading::Member(_)
        | Reading::Team(_)
        | Reading::Track(_)
        | Reading::LifeCycle(_)
        | Reading::Dwelling(_)
        | Reading::DoorTags(_)
        | Reading::Move(_)
        | Reading::SamePerson(_)
        | Reading::Nothing => vec![],
    }
}

/// The records that settlements are about, in the order in which they are told.
fn settled_records(reading: &Reading) -> Vec<Vec<u8>> {
    let settled = match reading {
        Reading::Table(record) => &record.settled,
        Reading::Book(entry) => &entry.settled,
        Reading::Household(record) => &record.settled,
        Reading::Inspections(_)
        | Reading::Hazard(_)
        | Reading::Case(_)
        | Reading::Device(_)
        | Reading::DeviceDay(_)
        | Reading::Region(_)
        | Reading::Grid(_)
        | Reading::Member(_)
        | Reading::Team(_)
        | Reading::Track(_)
        | Reading::LifeCycle(_)
        | Reading::Dwelling(_)
        | Reading::DoorTags(_)
        | Reading::Move(_)
        | Reading::SamePerson(_)
        | Reading::Nothing => return vec![],
    };
    settled.iter().map(|settled| settled.at.record.clone()).collect()
}

/// Whether a subject of a conflict is a cell that is looked after.
fn is_text(reading: &Reading, subject: &str) -> bool {
    match reading {
        Reading::Table(record) => shown::of_table(record.kind).contains(&subject),
        Reading::Book(entry) => shown::of_book(entry.book).contains(&subject),
        Reading::Household(_) => subject == ANSWER,
        Reading::Inspections(_)
        | Reading::Hazard(_)
        | Reading::Case(_)
        | Reading::Device(_)
        | Reading::DeviceDay(_)
        | Reading::Region(_)
        | Reading::Grid(_)
        | Reading::Member(_)
        | Reading::Team(_)
        | Reading::Track(_)
        | Reading::LifeCycle(_)
        | Reading::Dwelling(_)
        | Reading::DoorTags(_)
        | Reading::Move(_)
        | Reading::SamePerson(_)
        | Reading::Nothing => false,
    }
}

/// A unit's place, from where it is on the map.
pub(crate) fn place((x, y): (i64, i64)) -> (i32, i32) {
    (397_000_000 + x as i32 * 90, 1_163_000_000 + y as i32 * 117)
}

/// The moment that a part of a day begins with.
pub(crate) fn part_of(now: Millis) -> u64 {
    now / (3 * HOUR)
}
