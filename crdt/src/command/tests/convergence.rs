//! Whatever two offices do apart from each other, they read the same once they have met.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::command::conflict::{self, Asked, Choice};
use crate::command::entity::Writing;
use crate::command::household::{self, Edit, HouseholdInput};
use crate::command::{case, device, hazard, inspection, town};
use crate::domain::case::Action;
use crate::domain::dwelling::DwellingUse;
use crate::domain::hazard::HazardStep;
use crate::domain::hazard_deed::HazardDeed;
use crate::domain::household::{Household, Resident};
use crate::domain::person::PersonalData;
use crate::domain::role::Role;
use crate::domain::town::Team;
use crate::entry::Lane;
use crate::policy::DocumentKind;

/// Something that one office does; the numbers choose among few, so that offices often touch the same thing.
#[derive(Debug, Clone)]
enum Deed {
    Household { door: u8, usage: u16, person: u8, phone: u8 },
    EditOwner { door: u8, name: u8, phone: u8 },
    Inspect { minute: u8, item: u16 },
    Step { item: u16, step: u16, by: u8 },
    Case { key: u8, action: u8 },
    Device { minute: u8, alarm: bool },
    Team { code: u8, name: u8 },
    Settle { which: u8, choice: u8 },
    Undo { which: u8 },
    Meet,
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let small = 0..3_u8;
    prop_oneof![
        (small.clone(), 1..4_u16, small.clone(), small.clone())
            .prop_map(|(door, usage, person, phone)| Deed::Household { door, usage, person, phone }),
        (small.clone(), small.clone(), small.clone()).prop_map(|(door, name, phone)| Deed::EditOwner {
            door,
            name,
            phone
        }),
        (small.clone(), 1..3_u16).prop_map(|(minute, item)| Deed::Inspect { minute, item }),
        (1..3_u16, 1..6_u16, small.clone()).prop_map(|(item, step, by)| Deed::Step { item, step, by }),
        (0..2_u8, 0..4_u8).prop_map(|(key, action)| Deed::Case { key, action }),
        (small.clone(), any::<bool>()).prop_map(|(minute, alarm)| Deed::Device { minute, alarm }),
        (small.clone(), small.clone()).prop_map(|(code, name)| Deed::Team { code, name }),
        (small.clone(), 0..5_u8).prop_map(|(which, choice)| Deed::Settle { which, choice }),
        small.prop_map(|which| Deed::Undo { which }),
        Just(Deed::Meet),
    ]
}

fn someone(name: u8, phone: u8) -> PersonalData {
    PersonalData { name: format!("某{name}"), id_number: None, phone: Some(format!("1380000000{phone}")) }
}

fn input(door: u8) -> HouseholdInput {
    let household = Household { region: Some(langfa()), address: Some(format!("{door}号")), ..Household::default() };
    HouseholdInput { household, residents: vec![] }
}

/// Does it; what the rules refuse is part of the game.
fn perform(replica: &mut Replica, deed: &Deed) {
    match *deed {
        Deed::Household { door, usage, person, phone } => {
            let mut row = input(door);
            row.household.usage = Some(DwellingUse::from_code(usage));
            row.residents.push(Resident { personal: Some(someone(person, phone)), ..Resident::default() });
            household::record(replica, &row, Lane::Bulk, NOW).unwrap();
            assert_eq!(household::record(replica, &row, Lane::Bulk, NOW).unwrap().key(), "unchanged", "twice is once");
        }
        Deed::EditOwner { door, name, phone } => {
            let document = household::record(replica, &input(door), Lane::Bulk, NOW).unwrap().into_value().document;
            let set = Household { owner: Some(someone(name, phone)), ..Household::default() };
            household::edit_household(replica, &registry(), document, &Edit { set, ..Edit::default() }, NOW).unwrap();
        }
        Deed::Inspect { minute, item } => {
            let (visit, _) = hazards::visit(replica, minute.into(), &[item]);
            inspection::record(replica, &registry(), &visit, NOW).unwrap();
        }
        Deed::Step { item, step, by } => {
            let (visit, _) = hazards::visit(replica, 0, &[item]);
            let found = inspection::record(replica, &registry(), &visit, NOW).unwrap().into_value().hazards;
            for document in found {
                let by = format!("xcy-{by}");
                let deed = HazardDeed::new(HazardStep::from_code(step), &by, 9);
                let _ = hazard::step(replica, &registry(), document, &deed, NOW);
            }
        }
        Deed::Case { key, action } => {
            let reported =
                case::report(replica, &cases::actor(Role::Inspector, "xcy-1"), cases::rubbish(Some(&[key])), NOW);
            let (role, action) = match action {
                0 => (Role::IntakeClerk, Action::Accept),
                1 => (Role::IntakeClerk, Action::Refuse { reason: "无".into() }),
                2 => (Role::Inspector, Action::Comment { text: "看过".into() }),
                _ => (Role::Commander, Action::Supervise { demand: "快".into(), due_ms: None }),
            };
            let _ = case::act(replica, reported.unwrap().value(), &cases::actor(role, "a"), action, NOW);
        }
        Deed::Device { minute, alarm } => {
            device::record_events(replica, langfa(), vec![devices::event(minute.into(), alarm)], NOW).unwrap();
        }
        Deed::Team { code, name } => {
            let team = Team { code: Some(code.to_string()), name: Some(name.to_string()), ..Team::default() };
            town::record(replica, &team, Writing::Whole, NOW).unwrap();
        }
        Deed::Settle { which, choice } => settle(replica, usize::from(which), choice),
        Deed::Undo { which } => undo(replica, usize::from(which)),
        Deed::Meet => {}
    }
    replica.commit(NOW).unwrap();
}

fn at(document: DocumentId, reading: &Reading) -> Option<(Namespace, DocumentKind, DocumentId)> {
    if let Reading::Team(_) = reading {
        return Some((Namespace::town(), DocumentKind::Team, document));
    }
    let is_hazard = matches!(reading, Reading::Hazard(_));
    let kind = if is_hazard { DocumentKind::Hazard } else { DocumentKind::Household };
    (is_hazard || matches!(reading, Reading::Household(_))).then_some((registry(), kind, document))
}

/// Settles one of the conflicts that this office sees.
fn settle(replica: &mut Replica, which: usize, choice: u8) {
    let all = readings(replica);
    let mut open = all.iter().flat_map(|(document, reading)| {
        conflict::open(reading).into_iter().filter_map(|open| Some((at(*document, reading)?, open)))
    });
    let Some(((namespace, kind, document), open)) = open.nth(which) else { return };
    let asked = Asked { id: open.id, revision: open.revision.clone(), actor: None };
    let choice = match choice {
        0 | 1 => Choice::Keep(1 + usize::from(choice)),
        2 | 3 => Choice::Merge(usize::from(choice) - 1),
        _ => Choice::Distinct,
    };
    let settled = conflict::settle(replica, (&namespace, kind, document), &asked, &choice, NOW);
    if settled.is_ok() {
        let left = conflict::open(&read::of_kind(replica, &namespace, kind, document).unwrap());
        assert!(left.iter().all(|one| one.id != open.id), "{choice:?} settles {open:?}");
    }
}

fn undo(replica: &mut Replica, which: usize) {
    let all = readings(replica);
    let done = all.iter().flat_map(|(document, reading)| {
        conflict::settled(reading).into_iter().filter_map(|done| Some((at(*document, reading)?, done)))
    });
    let mut done = done.filter(|(_, done)| done.undoable);
    let Some(((namespace, kind, document), done)) = done.nth(which) else {
        return;
    };
    conflict::undo(replica, (&namespace, kind, document), done.id, None, NOW).unwrap();
    let after = read::of_kind(replica, &namespace, kind, document).unwrap();
    let gone = |one: &conflict::Done| one.id != done.id || !one.stands;
    assert!(conflict::settled(&after).iter().all(gone), "{done:?} is undone");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn offices_that_have_met_read_the_same(deeds in vec((any::<bool>(), any_deed()), 1..24), seed: u64) {
        let mut town = Town::new(seed);
        for (first, deed) in &deeds {
            if matches!(deed, Deed::Meet) {
                meet(&mut town.one, &mut town.two);
            } else {
                perform(if *first { &mut town.one } else { &mut town.two }, deed);
            }
        }
        town.meet();
        town.readings();
    }
}
