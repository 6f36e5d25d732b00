//! What people and devices do at a node, by the commands of production.

use std::collections::BTreeMap;

use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::case::{self, Actor, CaseRef, NewCase};
use townmesh_crdt::command::household::{self, Edit, HouseholdInput};
use townmesh_crdt::command::{CommandError, Outcome, device, hazard, inspection, town};
use townmesh_crdt::domain::case::{Report, Source};
use townmesh_crdt::domain::checklist::Checklist;
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::{HazardState, HazardStep};
use townmesh_crdt::domain::hazard_deed::HazardDeed;
use townmesh_crdt::domain::household::{Household, Resident, ResidentKind};
use townmesh_crdt::domain::inspection::{Answer, Inspection};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::town::Member;
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::{DocumentId, RecordId};
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Recorded, Replica};

use super::ledger::{Ack, Claim, Content, mark};
use super::{World, cases};
use crate::dice::Dice;
use crate::plan::Work;

/// Households of one region that people go to: few enough that they meet at the same doors.
const DOORS: u32 = 40;
/// Documents looked at to find one of a kind.
const LOOKED_AT: usize = 24;

/// One piece of work at one node.
pub(crate) struct Task<'a> {
    pub(crate) replica: &'a mut Replica,
    pub(crate) dice: Dice,
    pub(crate) now: Millis,
    pub(crate) region: RegionCode,
    pub(crate) canary: String,
    /// The member who does it.
    pub(crate) by: String,
    /// Most events in one report of a device.
    pub(crate) events: u32,
}

/// What was staged: where, what it belongs to, and the immutable record, where it is one.
pub(crate) type Staged = Option<(Recorded, Namespace, Content)>;

fn staged<T>(outcome: &Outcome<T>, namespace: Namespace, record: Option<RecordId>) -> Staged {
    let recorded = *outcome.recorded()?;
    Some((recorded, namespace, Content { document: recorded.document, record, mark: None }))
}

/// What was staged sets a field to what holds this mark.
fn marked(mut staged: Staged, number: u64) -> Staged {
    staged.iter_mut().for_each(|(.., content)| content.mark = Some(number));
    staged
}

impl World {
    /// Does a piece of work at a node, and keeps what it staged for the commit that follows.
    pub(super) fn work(&mut self, number: usize, work: Work, mut dice: Dice) {
        let local = self.clock(number);
        let (seed, all, events) = (self.options.seed, self.roster.regions.len(), self.options.events);
        let Some(node) = self.nodes.get_mut(number) else { return };
        let Some(replica) = node.replica.as_mut().filter(|replica| !replica.has_failed()) else { return };
        let region = match node.spec.regions.as_slice() {
            [] if node.spec.role == townmesh_crdt::certificate::NodeRole::Center => {
                self.roster.regions.get(dice.below(all as u32) as usize).cloned()
            }
            regions => dice.one_of(regions).cloned(),
        };
        if work == Work::Position {
            let (x, y) = node.spec.position(self.now);
            let told = replica.publish_position(397_000_000 + x as i32 * 90, 1_163_000_000 + y as i32 * 117, local);
            self.stats.refused += u64::from(told.is_err());
            return self.wake(number, 3);
        }
        // Carriers read and write nothing.
        let Some((region, code)) = region.and_then(|text| Some((text.parse::<RegionCode>().ok()?, text))) else {
            return;
        };
        let by = format!("m{number}-{}", dice.below(4));
        let canary = Self::canary(seed, &code);
        let mut task = Task { replica, dice, now: local, region, canary, by, events };
        match task.run(work) {
            Ok(Some((recorded, namespace, content))) => {
                let ack = Ack {
                    node: number,
                    at: 0,
                    namespace,
                    log: recorded.log,
                    seq: recorded.seq,
                    entry: None,
                    content,
                    excused: None,
                };
                node.pending.push(Claim::Record(ack));
                self.wake(number, 5);
            }
            Ok(None) => self.wake(number, 5),
            Err(error) => self.command_failed(number, work, &error),
        }
    }

    /// A rule that refuses is an answer; a store that fails is one only where the disk is failing.
    pub(super) fn command_failed(&mut self, number: usize, work: Work, error: &CommandError) {
        self.stats.refused += 1;
        let excused = self.nodes.get(number).is_some_and(|node| node.disk_fault.is_some() || node.disk.is_off());
        if matches!(error, CommandError::Store(_)) && !excused {
            let what = format!("{work:?} at {}: {error}", self.name(number));
            self.violate("a sound disk is read", what);
        }
        self.wake(number, 5);
    }
}

impl Task<'_> {
    /// Does it.
    pub(crate) fn run(&mut self, work: Work) -> Result<Staged, CommandError> {
        match work {
            Work::Household => self.household(Lane::Work),
            Work::Edit => self.edit(),
            Work::Inspect => self.inspect(),
            Work::Hazard => self.hazard(),
            Work::Report => self.report(),
            Work::Act => cases::act(self),
            Work::Device => self.device(0),
            Work::Member => self.member(),
            Work::Photo => self.photo(),
            // At a desk of their own.
            Work::Position
            | Work::Table
            | Work::Book
            | Work::Tenant
            | Work::Settle
            | Work::Undo
            | Work::Track
            | Work::Center => Ok(None),
        }
    }

    pub(super) fn registry(&self) -> Namespace {
        Namespace::registry(&self.region.to_string())
    }

    /// Some document of a kind in a namespace; `None` if there is none among the first looked at.
    pub(super) fn some(
        &mut self,
        namespace: &Namespace,
        kind: DocumentKind,
    ) -> Result<Option<DocumentId>, CommandError> {
        let id = self.replica.namespace_id(namespace);
        let mut start = [0; 16];
        start[..8].copy_from_slice(&self.dice.serial().to_be_bytes());
        let of_kind = |found: Vec<(DocumentId, u8)>| found.into_iter().find(|(_, code)| *code == kind as u8);
        let after = of_kind(self.replica.documents(id, Some(DocumentId(start)), LOOKED_AT)?);
        let found = match after {
            Some(found) => Some(found),
            None => of_kind(self.replica.documents(id, None, LOOKED_AT)?),
        };
        Ok(found.map(|(document, _)| document))
    }

    fn person(&mut self) -> PersonalData {
        let number = self.dice.below(100_000);
        PersonalData {
            name: format!("{} {number}", self.canary),
            id_number: None,
            phone: Some(format!("138{number:08}")),
        }
    }

    /// A household is recorded, or recorded again; by an import where the lane is that of bulk.
    pub(crate) fn household(&mut self, lane: Lane) -> Result<Staged, CommandError> {
        let number = self.dice.serial();
        let uses = [DwellingUse::SelfOccupied, DwellingUse::Rental, DwellingUse::Shop, DwellingUse::Dormitory];
        let household = Household {
            region: Some(self.region),
            address: Some(format!("{}号", 1 + self.dice.below(DOORS))),
            number: Some(1),
            usage: uses.get(self.dice.below(4) as usize).copied(),
            rooms: Some(1 + self.dice.below(8) as u16),
            note: Some(format!("{} {}", self.canary, mark(number))),
            owner: self.dice.chance(30).then(|| self.person()),
            ..Household::default()
        };
        let tenants = self.dice.below(3);
        let residents = (0..tenants)
            .map(|_| Resident {
                personal: Some(self.person()),
                kind: Some(ResidentKind::Migrant),
                ..Resident::default()
            })
            .collect();
        let outcome = household::record(self.replica, &HouseholdInput { household, residents }, lane, self.now)?;
        // Recorded once more it adds to what is known, and need not change the note.
        Ok(staged(&outcome, self.registry(), None))
    }

    fn edit(&mut self) -> Result<Staged, CommandError> {
        let namespace = self.registry();
        let Some(document) = self.some(&namespace, DocumentKind::Household)? else { return self.household(Lane::Work) };
        let residents = household::read(self.replica, &namespace, document)?.map(|read| read.residents);
        let resident = residents.and_then(|all| self.dice.one_of(&all).map(|one| one.id));
        if let Some(resident) = resident.filter(|_| self.dice.chance(60)) {
            let set = Resident { personal: Some(self.person()), ..Resident::default() };
            let edit = Edit { set, ..Edit::default() };
            let outcome = household::edit_resident(self.replica, &namespace, document, resident, &edit, self.now)?;
            return Ok(staged(&outcome, namespace, None));
        }
        let rooms = 1 + self.dice.below(9) as u16;
        self.set_rooms(namespace, document, rooms)
    }

    fn set_rooms(&mut self, namespace: Namespace, document: DocumentId, rooms: u16) -> Result<Staged, CommandError> {
        let number = self.dice.serial();
        let note = Some(format!("{} {}", self.canary, mark(number)));
        let set = Household { rooms: Some(rooms), note, ..Household::default() };
        let edit = Edit { set, ..Edit::default() };
        let outcome = household::edit_household(self.replica, &namespace, document, &edit, self.now)?;
        Ok(marked(staged(&outcome, namespace, None), number))
    }

    /// Says how many rooms some household has; nothing if there is none.
    pub(super) fn edit_rooms(&mut self, rooms: u16) -> Result<Staged, CommandError> {
        let namespace = self.registry();
        match self.some(&namespace, DocumentKind::Household)? {
            Some(document) => self.set_rooms(namespace, document, rooms),
            None => Ok(None),
        }
    }

    fn inspect(&mut self) -> Result<Staged, CommandError> {
        let namespace = self.registry();
        let Some(household) = self.some(&namespace, DocumentKind::Household)? else {
            return self.household(Lane::Work);
        };
        let checklist = Checklist::household();
        let answers: BTreeMap<u16, Answer> = checklist
            .items
            .iter()
            .map(|item| (item.code, if self.dice.chance(4) { Answer::Hazard } else { Answer::Ok }))
            .collect();
        let visit = Inspection {
            household,
            by: self.by.clone(),
            time_ms: self.now as i64,
            checklist: checklist.id,
            answers,
            note: Some(format!("{} {}", self.canary, self.dice.serial())),
            photos: vec![],
            position: None,
        };
        let outcome = inspection::record(self.replica, &namespace, &visit, self.now)?;
        let (document, record) = (outcome.value().document, outcome.value().inspection);
        let content = Content { document, record: Some(record), mark: None };
        Ok(outcome.recorded().map(|recorded| (*recorded, namespace, content)))
    }

    fn hazard(&mut self) -> Result<Staged, CommandError> {
        let namespace = self.registry();
        let Some(document) = self.some(&namespace, DocumentKind::Hazard)? else { return self.inspect() };
        let state = hazard::read(self.replica, &namespace, document)?.and_then(|read| read.record.state);
        let step = match state {
            None | Some(HazardState::Open) => HazardStep::TakeUp,
            Some(HazardState::Rectifying) => HazardStep::ReportDone,
            Some(HazardState::Recheck) if self.dice.chance(70) => HazardStep::Pass,
            Some(HazardState::Recheck) => HazardStep::Fail,
            Some(HazardState::Closed | HazardState::Unknown(_)) => HazardStep::Reopen,
        };
        // Whoever finds does not put right.
        let by = match step {
            HazardStep::TakeUp | HazardStep::ReportDone => format!("{}-handler", self.by),
            HazardStep::Pass | HazardStep::Fail | HazardStep::Reopen | HazardStep::Unknown(_) => self.by.clone(),
        };
        let deed = HazardDeed::new(step, &by, self.now as i64);
        let outcome = hazard::step(self.replica, &namespace, document, &deed, self.now)?;
        Ok(staged(&outcome, namespace, None))
    }

    fn report(&mut self) -> Result<Staged, CommandError> {
        let report = Report {
            source: Source::Patrol,
            category: Some("exposed_rubbish".into()),
            place: "村东口".into(),
            position: None,
            description: format!("{} {}", self.canary, self.dice.serial()),
            region: None,
            device: None,
            reporter: None,
            photos: vec![],
            found_ms: None,
        };
        let natural_key = self.dice.chance(20).then(|| format!("alarm-{}", self.dice.below(50)).into_bytes());
        let new = NewCase { region: self.region, natural_key, noticed: self.now, report, reporter: None };
        let actor = Actor { by: self.by.clone(), role: Role::Inspector, note: None };
        let outcome = case::report(self.replica, &actor, new, self.now)?;
        let CaseRef { namespace, .. } = outcome.value().clone();
        Ok(staged(&outcome, namespace, None))
    }

    /// A few readings of one device; `ahead` milliseconds in the future.
    pub(super) fn device(&mut self, ahead: i64) -> Result<Staged, CommandError> {
        let device = format!("mqtt:{}-{}", self.region, self.dice.below(6));
        let count = 1 + i64::from(self.dice.below(self.events.max(1)));
        let events = (0..count).map(|number| DeviceEvent {
            // A clock that was reset says 1970; nothing is recorded from before that.
            time_ms: (self.now as i64 + ahead - number * 60_000).max(number),
            kind: "water_depth".into(),
            key: EventKey::Time,
            value: EventValue::Text(format!("{} {}", self.canary, self.dice.below(100))),
            alarm: self.dice.chance(3),
            device: device.clone(),
        });
        let outcome = device::record_events(self.replica, self.region, events.collect(), self.now)?;
        let Some(recorded) = outcome.recorded().copied() else { return Ok(None) };
        let namespace = self.replica.trust().namespaces().get(&recorded.log.namespace).cloned();
        let content = Content { document: recorded.document, record: None, mark: None };
        Ok(namespace.map(|namespace| (recorded, namespace, content)))
    }

    fn member(&mut self) -> Result<Staged, CommandError> {
        let member = Member {
            code: Some(format!("p{}", self.dice.below(60))),
            name: Some(format!("甲{}", self.dice.below(100))),
            ..Member::default()
        };
        let writing = townmesh_crdt::command::entity::Writing::Known;
        let outcome = town::record(self.replica, &member, writing, self.now)?;
        Ok(staged(&outcome, Namespace::town(), None))
    }

    fn photo(&mut self) -> Result<Staged, CommandError> {
        let namespace = self.registry();
        let length = 500 + self.dice.below(20_000);
        let bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| self.dice.serial().to_be_bytes()).collect();
        let recorded = self.replica.put_blob(&namespace, &bytes, "image/jpeg", None, self.now)?;
        Ok(Some((recorded, namespace, Content { document: recorded.document, record: None, mark: None })))
    }

    /// The cases of the region that are open in this node's newest year.
    pub(super) fn cases(&self) -> Option<Namespace> {
        let region = self.region.to_string();
        let known = self.replica.trust().namespaces().values();
        known.filter(|known| known.kind == NamespaceKind::Cases && known.region == region).max().cloned()
    }
}
