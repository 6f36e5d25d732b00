//! What people record, drawn by dice: few doors, few names, so that nodes apart from each other write about the same things.

use townmesh_crdt::command::book::{self, EntryInput};
use townmesh_crdt::command::case::{self, Actor, CaseRef, NewCase};
use townmesh_crdt::command::conflict::{self, Asked, Choice, InboxKind};
use townmesh_crdt::command::entity::Writing;
use townmesh_crdt::command::erasure::{self, Subject};
use townmesh_crdt::command::household::{self, Edit, HouseholdInput};
use townmesh_crdt::command::track::{self, Fix};
use townmesh_crdt::command::{CommandError, device, hazard, inspection, read, table, town};
use townmesh_crdt::domain::books::{BookKind, Enterprise, EnterpriseKind, Message, Shift};
use townmesh_crdt::domain::case::{Action, Assignment, LimitClock, Report, Severity, Source};
use townmesh_crdt::domain::checklist::Checklist;
use townmesh_crdt::domain::columns::{Lines, Time};
use townmesh_crdt::domain::device_event::{DeviceEvent, EventKey, EventValue};
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::hazard::HazardStep;
use townmesh_crdt::domain::hazard_deed::HazardDeed;
use townmesh_crdt::domain::household::{Household, Resident, ResidentKind};
use townmesh_crdt::domain::inspection::{Answer, Inspection};
use townmesh_crdt::domain::person::PersonalData;
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::RegionCode;
use townmesh_crdt::domain::role::Role;
use townmesh_crdt::domain::tables::{DeadlineUnit, LimitRow, PostRow, TableKind};
use townmesh_crdt::domain::town::Member;
use townmesh_crdt::enrol::{Authority, Founded};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::Replica;

use super::{Dice, NOW, REGION};

type Done = Result<(), CommandError>;

/// People at work; each deed is later than the one before.
pub(super) struct Deeds {
    authority: Authority,
    region: RegionCode,
    now: u64,
}

impl Deeds {
    pub(super) fn new(founded: &Founded) -> Self {
        Self { authority: founded.authority.clone(), region: REGION.parse().unwrap(), now: NOW }
    }

    /// One deed; what a rule refuses is none.
    pub(super) fn one(&mut self, replica: &mut Replica, dice: &mut Dice) {
        self.now += 1 + u64::from(dice.below(400_000));
        let done = match dice.below(15) {
            0..=2 => self.household(replica, dice),
            3 => self.edit(replica, dice),
            4 => self.inspect(replica, dice),
            5 => self.hazard(replica, dice),
            6 => self.report(replica, dice),
            7 | 8 => self.act(replica, dice),
            9 => self.device(replica, dice),
            10 => self.table(replica, dice),
            11 => self.book(replica, dice),
            12 => self.member(replica, dice),
            13 => self.track(replica, dice),
            _ if dice.below(6) == 0 => self.erase(replica, dice),
            _ => self.settle(replica, dice),
        };
        assert!(!matches!(done, Err(CommandError::Store(_))), "{done:?}");
    }

    fn registry() -> Namespace {
        Namespace::registry(REGION)
    }

    /// Some document of a kind.
    fn some(replica: &mut Replica, namespace: &Namespace, kind: DocumentKind, dice: &mut Dice) -> Option<DocumentId> {
        let id = replica.namespace_id(namespace);
        let of_kind = replica.documents(id, None, 10_000).unwrap();
        let of_kind: Vec<DocumentId> =
            of_kind.into_iter().filter(|(_, code)| *code == kind as u8).map(|(document, _)| document).collect();
        (!of_kind.is_empty()).then(|| of_kind[dice.below(of_kind.len() as u32) as usize])
    }

    fn person(dice: &mut Dice) -> PersonalData {
        let names = ["张建国", "李秀英", "王小明"];
        let number = dice.below(3);
        PersonalData {
            name: names[number as usize].into(),
            id_number: None,
            phone: Some(format!("1380000{number:04}")),
        }
    }

    fn household(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let household = Household {
            region: Some(self.region),
            address: Some(format!("幸福路{}号", 1 + dice.below(4))),
            usage: Some([DwellingUse::Rental, DwellingUse::Shop][dice.below(2) as usize]),
            rooms: Some(1 + dice.below(5) as u16),
            position: Position::from_degrees(39.7 + f64::from(dice.below(50)) * 1e-4, 116.3),
            owner: (dice.below(3) == 0).then(|| Self::person(dice)),
            ..Household::default()
        };
        let residents = (0..dice.below(3))
            .map(|_| Resident {
                personal: Some(Self::person(dice)),
                kind: Some(ResidentKind::Migrant),
                ..Resident::default()
            })
            .collect();
        household::record(replica, &HouseholdInput { household, residents }, Lane::Work, self.now).map(drop)
    }

    fn edit(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let namespace = Self::registry();
        let Some(document) = Self::some(replica, &namespace, DocumentKind::Household, dice) else { return Ok(()) };
        let set = Household { rooms: Some(1 + dice.below(9) as u16), ..Household::default() };
        let edit = Edit { set, ..Edit::default() };
        household::edit_household(replica, &namespace, document, &edit, self.now).map(drop)
    }

    fn inspect(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let namespace = Self::registry();
        let Some(household) = Self::some(replica, &namespace, DocumentKind::Household, dice) else { return Ok(()) };
        let checklist = Checklist::household();
        let answer = |dice: &mut Dice| if dice.below(5) == 0 { Answer::Hazard } else { Answer::Ok };
        let answers = checklist.items.iter().map(|item| (item.code, answer(dice))).collect();
        let visit = Inspection {
            household,
            by: "inspector-1".into(),
            time_ms: self.now as i64,
            checklist: checklist.id,
            answers,
            note: Some("楼道堆物".into()),
            photos: vec![],
            position: None,
        };
        inspection::record(replica, &namespace, &visit, self.now).map(drop)
    }

    fn hazard(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let namespace = Self::registry();
        let Some(document) = Self::some(replica, &namespace, DocumentKind::Hazard, dice) else { return Ok(()) };
        let steps =
            [HazardStep::TakeUp, HazardStep::ReportDone, HazardStep::Pass, HazardStep::Fail, HazardStep::Reopen];
        let step = steps[dice.below(5) as usize];
        let deed = HazardDeed::new(step, "handler-1", self.now as i64);
        hazard::step(replica, &namespace, document, &deed, self.now).map(drop)
    }

    fn report(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let report = Report {
            source: Source::Patrol,
            category: Some("exposed_rubbish".into()),
            place: "村东口".into(),
            position: Position::from_degrees(39.7, 116.3 + f64::from(dice.below(50)) * 1e-4),
            description: "暴露垃圾".into(),
            region: None,
            device: None,
            reporter: None,
            photos: vec![],
            found_ms: None,
        };
        let natural_key = Some(format!("report-{}", dice.below(5)).into_bytes());
        let new = NewCase { region: self.region, natural_key, noticed: self.now, report, reporter: None };
        let actor = Actor { by: "inspector-1".into(), role: Role::Inspector, note: None };
        case::report(replica, &actor, new, self.now).map(drop)
    }

    fn act(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let known = replica.trust().namespaces().values();
        let Some(namespace) = known.filter(|known| known.kind == NamespaceKind::Cases).max().cloned() else {
            return Ok(());
        };
        let Some(document) = Self::some(replica, &namespace, DocumentKind::Case, dice) else { return Ok(()) };
        let (category, severity) = ("exposed_rubbish".to_owned(), Severity::General);
        let orders = vec![Assignment { team: format!("team-{}", dice.below(3)), task: "清理".into() }];
        let (role, action) = match dice.below(5) {
            0 => (Role::IntakeClerk, Action::Accept),
            1 => (Role::DutyHead, Action::File { category, severity, minutes: 480, clock: LimitClock::Working }),
            2 | 3 => (Role::Dispatcher, Action::Dispatch { orders, lead: 0 }),
            _ => (Role::LaneChief, Action::Comment { text: format!("看过 {}", dice.below(100)) }),
        };
        let actor = Actor { by: format!("member-{role}"), role, note: None };
        case::act(replica, &CaseRef { namespace, document }, &actor, action, self.now).map(drop)
    }

    fn device(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let device = format!("mqtt:{REGION}-{}", dice.below(2));
        let events = (0..1 + i64::from(dice.below(6))).map(|number| DeviceEvent {
            time_ms: self.now as i64 - number * 60_000,
            kind: "water_depth".into(),
            key: EventKey::Time,
            value: EventValue::Text(format!("{}", dice.below(40))),
            alarm: dice.below(8) == 0,
            device: device.clone(),
        });
        device::record_events(replica, self.region, events.collect(), self.now).map(drop)
    }

    /// Limits change how cases are timed; a village is refused.
    fn table(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let amount = Some(1 + dice.below(9));
        let limit = LimitRow {
            category: Some("exposed_rubbish".into()),
            severity: Some(Severity::General),
            amount,
            unit: Some(DeadlineUnit::WorkingDays),
            ..LimitRow::default()
        };
        let post = PostRow {
            region: Some(self.region),
            post: Some(format!("岗位{}", dice.below(3))),
            required: amount,
            standard: Some("夜班巡查".into()),
            ..PostRow::default()
        };
        match dice.below(2) {
            0 => table::record(replica, TableKind::Limit, &[limit.fields()], self.now).map(drop),
            _ => table::record(replica, TableKind::Post, &[post.fields()], self.now).map(drop),
        }
    }

    fn book(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let (number, time) = (dice.below(3), Time(NOW as i64));
        let (book, fields) = match dice.below(3) {
            0 => {
                let (kind, name) = (Some(EnterpriseKind::Storefront), Some(format!("五金店{number}")));
                let staff = Some(dice.below(9));
                let shop = Enterprise { region: Some(self.region), name, kind, staff, ..Enterprise::default() };
                (BookKind::Enterprise, shop.fields())
            }
            1 => {
                let (member, end) = (Some(format!("m{number}")), Some(Time(time.0 + 8 * 3_600_000)));
                let note = Some(Lines(format!("夜班巡查 {}", dice.below(9))));
                (BookKind::Shift, Shift { member, start: Some(time), end, note, ..Shift::default() }.fields())
            }
            _ => {
                let (code, to) = (Some(format!("c{number}")), Some("team-1".to_owned()));
                let (text, by) = (Some(Lines(format!("到位 {}", dice.below(9)))), Some("m0".to_owned()));
                (BookKind::Message, Message { code, to, text, sent: Some(time), by, ..Message::default() }.fields())
            }
        };
        let person = (book.names_person() && dice.below(2) == 0).then(|| Self::person(dice));
        book::record(replica, book, &[EntryInput { fields, person }], self.now).map(drop)
    }

    fn member(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let member = Member {
            code: Some(format!("m{}", dice.below(4))),
            name: Some(format!("甲{}", dice.below(9))),
            ..Member::default()
        };
        town::record(replica, &member, Writing::Known, self.now).map(drop)
    }

    fn track(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let begin = self.now as i64 - i64::from(dice.below(600_000));
        let fix = |number: i64| {
            let position = Position::from_degrees(39.7 + number as f64 * 1e-4, 116.3).unwrap();
            Fix { time: Time(begin + number * 10_000), position }
        };
        let fixes: Vec<Fix> = (0..10).map(fix).collect();
        track::record(replica, self.region, &fixes, self.now).map(drop)
    }

    fn settle(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let kinds = [
            (Self::registry(), DocumentKind::Household),
            (Self::registry(), DocumentKind::Enterprise),
            (Namespace::town(), DocumentKind::Shift),
            (Namespace::town(), DocumentKind::Message),
            (Namespace::town(), DocumentKind::Table),
            (Namespace::town(), DocumentKind::Member),
        ];
        for _ in 0..12 {
            let (namespace, kind) = &kinds[dice.below(kinds.len() as u32) as usize];
            let Some(document) = Self::some(replica, namespace, *kind, dice) else { continue };
            let reading = read::of_kind(replica, namespace, *kind, document).unwrap();
            let Some(open) = conflict::open(&reading).into_iter().next() else { continue };
            let number = 1 + dice.below(2) as usize;
            let choice =
                if open.kind == InboxKind::DuplicateResident { Choice::Merge(number) } else { Choice::Keep(number) };
            let asked = Asked { id: open.id, revision: open.revision, actor: None };
            return conflict::settle(replica, (namespace, *kind, document), &asked, &choice, self.now).map(drop);
        }
        Ok(())
    }

    fn erase(&self, replica: &mut Replica, dice: &mut Dice) -> Done {
        let namespace = Self::registry();
        let Some(document) = Self::some(replica, &namespace, DocumentKind::Household, dice) else { return Ok(()) };
        let resident =
            household::read(replica, &namespace, document)?.and_then(|read| Some(read.residents.first()?.id));
        if let Some(resident) = resident {
            let subject = Subject::Resident(resident);
            // Whoever was erased before is left.
            _ = erasure::erase(replica, &self.authority, &namespace, document, subject, self.now);
        }
        Ok(())
    }
}
