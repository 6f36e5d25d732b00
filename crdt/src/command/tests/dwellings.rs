//! Dwellings.

use super::*;
use crate::command::conflict::{self, Asked, Choice};
use crate::command::household::{self, Edit};
use crate::command::read::PersonalState;
use crate::command::{CommandError, Outcome, dwelling, kind};
use crate::domain::dwelling::{Dwelling, DwellingUse};
use crate::domain::household::Household;
use crate::domain::person::PersonalData;
use crate::entry::Lane;
use crate::policy::DocumentKind;

fn owner(name: &str, phone: Option<&str>) -> PersonalData {
    PersonalData { name: name.into(), phone: phone.map(str::to_owned), id_number: None }
}

fn yard(address: &str) -> Dwelling {
    Dwelling {
        region: Some(langfa()),
        address: Some(address.into()),
        usage: Some(DwellingUse::SelfOccupied),
        rooms: Some(4),
        owner: Some(owner("户主甲", None)),
        ..Dwelling::default()
    }
}

fn read(replica: &mut Replica, document: DocumentId) -> dwelling::DwellingRecord {
    dwelling::read(replica, &registry(), document).unwrap().unwrap()
}

#[test]
fn two_offices_that_enter_one_door_apart_have_one_dwelling_and_see_their_differences() {
    let mut town = Town::new(60);
    let at_one = dwelling::record(&mut town.one, &yard("12号"), Lane::Work, NOW).unwrap();
    let mut other = yard("１２号");
    other.usage = Some(DwellingUse::Rental);
    other.owner = Some(owner("户主甲", Some("13800000001")));
    let at_two = dwelling::record(&mut town.two, &other, Lane::Work, NOW).unwrap();
    assert_eq!(at_one.value(), at_two.value(), "another spelling of one plate");
    town.meet();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        let found = read(replica, *at_one.value());
        assert_eq!(found.owner_state, PersonalState::Open);
        assert_eq!(found.dwelling.owner, Some(owner("户主甲", Some("13800000001"))), "merged field by field");
        let fields: Vec<&str> = found.conflicts.iter().map(|conflict| conflict.field).collect();
        assert!(fields.contains(&"usage"), "{fields:?}");
    }
    let settle = Edit { set: Dwelling { usage: Some(DwellingUse::Rental), ..Dwelling::default() }, ..Edit::default() };
    dwelling::edit(&mut town.one, &registry(), *at_one.value(), &settle, NOW).unwrap();
    let settled = read(&mut town.one, *at_one.value());
    assert_eq!(settled.dwelling.usage, Some(DwellingUse::Rental));
    assert!(settled.conflicts.iter().all(|conflict| conflict.field != "usage"));
}

#[test]
fn entering_it_again_writes_only_what_is_new() {
    let mut town = Town::new(61);
    let document = dwelling::record(&mut town.one, &yard("3号"), Lane::Work, NOW).unwrap().into_value();
    let again = dwelling::record(&mut town.one, &yard("3号"), Lane::Work, NOW).unwrap();
    assert_eq!(again, Outcome::Unchanged(document));
    let more = Dwelling { storeys: Some(2), owner: None, rooms: None, ..yard("3号") };
    let changed = dwelling::record(&mut town.one, &more, Lane::Work, NOW).unwrap();
    assert!(matches!(changed, Outcome::Changed(..)));
    let found = read(&mut town.one, document).dwelling;
    assert_eq!((found.rooms, found.storeys), (Some(4), Some(2)), "what was not given stays");
    assert_eq!(found.owner, Some(owner("户主甲", None)));
}

#[test]
fn what_cannot_be_found_or_would_be_another_dwelling_is_refused() {
    let mut town = Town::new(62);
    let nameless = Dwelling { address: Some("  ".into()), ..yard("") };
    let refused = dwelling::record(&mut town.one, &nameless, Lane::Work, NOW);
    assert!(matches!(refused, Err(CommandError::MissingKey { thing: "dwelling", .. })));
    let nothing = DocumentId([7; DocumentId::LEN]);
    let refused = dwelling::edit(&mut town.one, &registry(), nothing, &Edit::default(), NOW);
    assert!(matches!(refused, Err(CommandError::NotFound { .. })));
    let document = dwelling::record(&mut town.one, &yard("5号"), Lane::Work, NOW).unwrap().into_value();
    let moved = Edit { set: Dwelling { address: Some("6号".into()), ..Dwelling::default() }, ..Edit::default() };
    let refused = dwelling::edit(&mut town.one, &registry(), document, &moved, NOW);
    assert!(matches!(refused, Err(CommandError::KeyFixed { .. })));
    let cleared = Edit { set: Dwelling::default(), clear: ["rooms".to_owned()].into() };
    dwelling::edit(&mut town.one, &registry(), document, &cleared, NOW).unwrap();
    assert_eq!(read(&mut town.one, document).dwelling.rooms, None);
}

#[test]
fn what_two_offices_say_of_a_dwelling_is_settled_in_the_inbox_and_taken_back() {
    let mut town = Town::new(63);
    let document = dwelling::record(&mut town.one, &yard("12号"), Lane::Work, NOW).unwrap().into_value();
    let rental = Dwelling { usage: Some(DwellingUse::Rental), ..yard("12号") };
    dwelling::record(&mut town.two, &rental, Lane::Work, NOW).unwrap();
    town.meet();
    let at = (&registry(), DocumentKind::Dwelling, document);
    let reading =
        |replica: &mut Replica| read::of_kind(replica, &registry(), DocumentKind::Dwelling, document).unwrap();
    let open = conflict::open(&reading(&mut town.one));
    let conflict = open.iter().find(|one| one.subject == "usage").unwrap();
    let side = conflict.sides.iter().find(|side| side.value == "rental").unwrap().side;
    let asked = Asked { id: conflict.id, revision: conflict.revision.clone(), actor: None };
    let settled = conflict::settle(&mut town.one, at, &asked, &Choice::Keep(side), NOW).unwrap().into_value();
    town.one.commit(NOW).unwrap();
    let usage = |replica: &mut Replica| dwelling::read(replica, &registry(), document).unwrap().unwrap().dwelling.usage;
    assert_eq!(usage(&mut town.one), Some(DwellingUse::Rental));
    assert!(conflict::open(&reading(&mut town.one)).iter().all(|one| one.subject != "usage"));
    conflict::undo(&mut town.one, at, settled.done.unwrap().id, None, NOW).unwrap();
    assert!(conflict::open(&reading(&mut town.one)).iter().any(|one| one.id == asked.id));
}

#[test]
fn an_edit_that_says_another_kind_changes_what_a_document_is_on_no_node() {
    let mut town = Town::new(64);
    let document = dwelling::record(&mut town.one, &yard("12号"), Lane::Work, NOW).unwrap().into_value();
    let edit = Edit { set: Household { rooms: Some(9), ..Household::default() }, ..Edit::default() };
    let refused = household::edit_household(&mut town.one, &registry(), document, &edit, NOW);
    assert!(matches!(refused, Err(CommandError::NotFound { thing: "household", .. })));
    // What an older node may have staged all the same.
    let edits = BTreeMap::from([(Vec::new(), edit.set.fields())]);
    town.two.edit(&registry(), DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
    town.meet();
    for replica in [&mut town.one, &mut town.two, &mut town.center] {
        let kind = kind::of(replica, &registry(), DocumentKind::Household, document).unwrap();
        assert_eq!(kind, DocumentKind::Dwelling);
    }
    let readings = town.readings();
    assert!(matches!(readings.get(&document), Some(Reading::Dwelling(_))), "{readings:?}");
}
