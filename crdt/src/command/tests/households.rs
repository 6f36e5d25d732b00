//! Households and residents.

use super::*;
use crate::command::household::{self, Edit, HouseholdInput};
use crate::command::read::HouseholdRecord;
use crate::command::{CommandError, Outcome};
use crate::domain::date::Day;
use crate::domain::dwelling::DwellingUse;
use crate::domain::household::{Household, Resident, ResidentKind};
use crate::domain::person::PersonalData;
use crate::entry::Lane;
use crate::id::ResidentId;

pub(super) fn person(name: &str, id_number: &str, phone: &str) -> PersonalData {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    PersonalData { name: name.into(), id_number: known(id_number), phone: known(phone) }
}

fn resident(name: &str, id_number: &str, phone: &str) -> Resident {
    Resident {
        personal: Some(person(name, id_number, phone)),
        kind: Some(ResidentKind::Migrant),
        ..Resident::default()
    }
}

pub(super) fn input(address: &str, residents: Vec<Resident>) -> HouseholdInput {
    let household = Household {
        region: Some(langfa()),
        address: Some(address.into()),
        number: Some(1),
        usage: Some(DwellingUse::Rental),
        rooms: Some(4),
        owner: Some(person("户主", "", "010-69234567")),
        ..Household::default()
    };
    HouseholdInput { household, residents }
}

fn ledger() -> Vec<HouseholdInput> {
    let tenants = vec![resident("甲", "110101199003074610", "13800000001"), resident("乙", "", "13800000002")];
    let nameless = vec![
        Resident { kind: Some(ResidentKind::Migrant), ..Resident::default() },
        Resident { kind: Some(ResidentKind::Overseas), ..Resident::default() },
        resident("丙", "", ""),
        resident("丙", "", ""),
        Resident::default(),
    ];
    vec![input("1号", tenants), input("2号", nameless), input("3号", vec![])]
}

fn record(replica: &mut Replica, input: &HouseholdInput) -> Outcome<household::HouseholdIds> {
    let outcome = household::record(replica, input, Lane::Bulk, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

fn read(replica: &mut Replica, document: DocumentId) -> HouseholdRecord {
    household::read(replica, &registry(), document).unwrap().unwrap()
}

fn set_person(personal: PersonalData) -> Edit<Resident> {
    Edit { set: Resident { personal: Some(personal), ..Resident::default() }, ..Edit::default() }
}

fn edit(replica: &mut Replica, document: DocumentId, id: ResidentId, edit: &Edit<Resident>) -> Outcome<ResidentId> {
    let outcome = household::edit_resident(replica, &registry(), document, id, edit, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

/// A household with one resident, known to all.
fn shared(town: &mut Town) -> (DocumentId, ResidentId) {
    let ids = record(&mut town.one, &input("1号", vec![resident("甲", "", "13800000001")])).into_value();
    town.meet();
    (ids.document, ids.residents[0])
}

#[test]
fn importing_a_ledger_twice_changes_nothing() {
    let mut town = Town::new(1);
    for row in ledger() {
        assert_eq!(record(&mut town.one, &row).key(), "created");
    }
    let before = readings(&mut town.one);
    for row in ledger() {
        assert_eq!(household::record(&mut town.one, &row, Lane::Bulk, NOW).unwrap().key(), "unchanged");
    }
    assert!(!town.one.has_staged(), "nothing is staged the second time");
    assert_eq!(readings(&mut town.one), before);
    let Reading::Household(second) = before
        .values()
        .find(|reading| matches!(reading, Reading::Household(one) if one.household.address.as_deref() == Some("2号")))
        .unwrap()
    else {
        unreachable!()
    };
    assert_eq!(second.residents.len(), 4, "a row that says nothing of anybody is left out");
}

#[test]
fn a_ledger_in_another_spelling_with_fewer_columns_changes_nothing() {
    let mut town = Town::new(2);
    let document = record(&mut town.one, &ledger()[0]).into_value().document;
    let row = HouseholdInput {
        household: Household { region: Some(langfa()), address: Some("１ 号".into()), ..Household::default() },
        residents: vec![resident(" 乙 ", "", "138-0000-0002"), resident("甲", "11010119900307461０", "")],
    };
    assert_eq!(record(&mut town.one, &row).key(), "unchanged");
    assert_eq!(read(&mut town.one, document).household.rooms, Some(4));
}

#[test]
fn only_what_changed_is_written() {
    let mut town = Town::new(3);
    let first = record(&mut town.one, &ledger()[0]).into_value();
    let mut row = ledger()[0].clone();
    row.household.rooms = Some(5);
    row.residents[0].personal = Some(person("甲", "110101199003074610", "13900000009"));
    row.residents.push(resident("丁", "", "13800000004"));
    let Outcome::Changed(ids, _) = record(&mut town.one, &row) else { panic!("it changed") };
    assert_eq!(ids.residents[..2], first.residents[..]);
    let id = town.one.namespace_id(&registry());
    let content = town.one.content(id, first.document).unwrap();
    let rewritten = content.records.values().filter(|fields| {
        fields.values().any(|register| register.values[0].time.0 != content.records[&vec![]][&1].values[0].time.0)
    });
    assert_eq!(rewritten.count(), 3, "the household, the first resident and the new one");
    let now = read(&mut town.one, first.document);
    assert_eq!((now.household.rooms, now.residents.len()), (Some(5), 3));
}

#[test]
fn two_offices_that_enter_one_household_apart_have_one_household() {
    let mut town = Town::new(4);
    let tenant = || vec![resident("甲", "110101199003074610", "13800000001")];
    let one = record(&mut town.one, &input("幸福路1号", tenant())).into_value();
    let mut at_two = input("幸福路 １号", tenant());
    at_two.household.usage = Some(DwellingUse::Shop);
    at_two.household.owner = Some(person("户主", "110101199003074610", ""));
    let two = record(&mut town.two, &at_two).into_value();
    assert_eq!(one.document, two.document);
    town.meet();
    assert_eq!(town.readings().len(), 1);
    let met = read(&mut town.center, one.document);
    assert_eq!(
        met.household.owner,
        Some(person("户主", "110101199003074610", "010-69234567")),
        "one knew the phone, one the number"
    );
    let conflicts: Vec<&str> = met.conflicts.iter().map(|conflict| conflict.field).collect();
    assert_eq!(conflicts, ["address", "usage"]);
    assert_eq!(
        met.conflicts[1].values.iter().map(|value| value.chinese.as_str()).collect::<std::collections::BTreeSet<_>>(),
        ["出租", "商铺"].into()
    );
    let both: Vec<ResidentId> = met.residents.iter().map(|one| one.id).collect();
    assert_eq!(
        met.duplicates.iter().map(|one| one.residents.to_vec()).collect::<Vec<_>>(),
        [both],
        "one person, twice"
    );
    assert_eq!(
        record(&mut town.one, &input("幸福路1号", tenant())).key(),
        if met.household.usage == Some(DwellingUse::Shop) { "changed" } else { "unchanged" }
    );
}

#[test]
fn concurrent_edits_of_phone_and_name_merge() {
    let mut town = Town::new(5);
    let (document, id) = shared(&mut town);
    edit(&mut town.one, document, id, &set_person(person("", "", "13900000009")));
    edit(&mut town.two, document, id, &set_person(person("甲乙", "", "")));
    town.meet();
    town.readings();
    let met = read(&mut town.two, document);
    assert_eq!(met.residents[0].resident.personal, Some(person("甲乙", "", "13900000009")));
    assert_eq!(met.conflicts, []);
}

#[test]
fn concurrent_different_phones_are_a_conflict_until_somebody_settles_it() {
    let mut town = Town::new(6);
    let (document, id) = shared(&mut town);
    edit(&mut town.one, document, id, &set_person(person("", "", "13900000008")));
    edit(&mut town.two, document, id, &set_person(person("", "", "13900000009")));
    town.meet();
    town.readings();
    let met = read(&mut town.center, document);
    let [conflict] = &met.conflicts[..] else { panic!("one conflict: {:?}", met.conflicts) };
    assert_eq!((conflict.record, conflict.field, conflict.personal), (Some(id), "phone", true));
    let values: Vec<&str> = conflict.values.iter().map(|value| value.value.as_str()).collect();
    assert_eq!(values, ["13900000009", "13900000008"]);
    let shown = met.residents[0].resident.personal.clone().unwrap();
    assert_eq!(shown.phone.as_deref(), Some("13900000009"));
    assert_eq!(met.masked().conflicts[0].values[0].value, "1*");

    assert_eq!(
        edit(&mut town.one, document, id, &set_person(person("", "", "13900000009"))).key(),
        "changed",
        "the one shown is confirmed"
    );
    town.meet();
    town.readings();
    assert_eq!(read(&mut town.two, document).conflicts, []);
    assert_eq!(edit(&mut town.one, document, id, &set_person(person("", "", "13900000009"))).key(), "unchanged");
}

#[test]
fn three_concurrent_accounts_merge_against_what_all_of_them_saw() {
    let mut town = Town::new(7);
    let (document, id) = shared(&mut town);
    // The second office does not hear of the first's number before it writes the name.
    edit(&mut town.one, document, id, &set_person(person("", "110101199003074610", "")));
    meet(&mut town.one, &mut town.center);
    edit(&mut town.one, document, id, &set_person(person("", "", "13900000009")));
    edit(&mut town.center, document, id, &set_person(person("", "", "13900000009")));
    edit(&mut town.two, document, id, &set_person(person("甲乙", "", "")));
    town.meet();
    meet(&mut town.one, &mut town.two);
    town.readings();
    let met = read(&mut town.two, document);
    assert_eq!(met.conflicts, []);
    assert_eq!(met.residents[0].resident.personal, Some(person("甲乙", "110101199003074610", "13900000009")));
}

#[test]
fn somebody_moves_out_and_a_field_is_cleared() {
    let mut town = Town::new(8);
    let (document, id) = shared(&mut town);
    let last = Edit { set: Resident { moved_out: Some(Day(20_000)), ..Resident::default() }, ..Edit::default() };
    assert_eq!(edit(&mut town.one, document, id, &last).key(), "changed");
    assert_eq!(read(&mut town.one, document).residents[0].resident.moved_out, Some(Day(20_000)));
    let back = Edit { clear: ["moved_out".to_owned()].into(), ..Edit::default() };
    assert_eq!(edit(&mut town.one, document, id, &back).key(), "changed");
    assert_eq!(read(&mut town.one, document).residents[0].resident.moved_out, None);
    assert_eq!(edit(&mut town.one, document, id, &back).key(), "unchanged");
    let unknown = Edit { clear: ["moved".to_owned()].into(), ..Edit::<Resident>::default() };
    let refused = household::edit_resident(&mut town.one, &registry(), document, id, &unknown, NOW);
    assert!(refused.unwrap_err().to_string().contains("moved_out"));
}

#[test]
fn an_edit_of_the_address_into_another_one_is_refused() {
    let mut town = Town::new(9);
    let (document, _) = shared(&mut town);
    let moved = |address: &str| Edit {
        set: Household { address: Some(address.into()), ..Household::default() },
        ..Edit::default()
    };
    let refused = household::edit_household(&mut town.one, &registry(), document, &moved("2号"), NOW);
    assert_eq!(refused.unwrap_err().code(), "key_fixed");
    assert_eq!(
        household::edit_household(&mut town.one, &registry(), document, &moved("1 号"), NOW).unwrap().key(),
        "changed"
    );
    let owner = Edit {
        set: Household { owner: Some(person("", "", "13900000009")), ..Household::default() },
        ..Edit::default()
    };
    household::edit_household(&mut town.one, &registry(), document, &owner, NOW).unwrap();
    assert_eq!(read(&mut town.one, document).household.owner, Some(person("户主", "", "13900000009")));
}

#[test]
fn what_is_missing_or_elsewhere_is_refused_in_words() {
    let mut town = Town::new(10);
    let nowhere = HouseholdInput::default();
    let error = household::record(&mut town.one, &nowhere, Lane::Work, NOW).unwrap_err();
    assert_eq!((error.code(), error.chinese().as_str()), ("missing_key", "缺少所在村居或门牌号"));
    let mut other = input("1号", vec![]);
    other.household.region = "110115005002".parse().ok();
    assert!(matches!(household::record(&mut town.one, &other, Lane::Work, NOW), Err(CommandError::Record(_))));
    let nothing = household::edit_household(&mut town.one, &registry(), DocumentId([1; 16]), &Edit::default(), NOW);
    assert_eq!(nothing.unwrap_err().code(), "not_found");
}

#[test]
fn a_dormitory_of_hundreds_is_written_by_several_edits() {
    let mut town = Town::new(11);
    let tenants: Vec<Resident> = (0..300).map(|number| resident("甲", "", &format!("138{number:08}"))).collect();
    let row = input("宿舍", tenants);
    let document = record(&mut town.one, &row).into_value().document;
    assert_eq!(record(&mut town.one, &row).key(), "unchanged");
    assert_eq!(read(&mut town.one, document).residents.len(), 300);
}

#[test]
fn people_whose_keys_are_on_their_way_are_not_entered_twice() {
    let mut town = Town::new(12);
    let row = input("1号", vec![resident("甲", "", "13800000001")]);
    let document = record(&mut town.one, &row).into_value().document;
    // The entry arrives before the shelf of keys does: here, by hand.
    let id = town.one.namespace_id(&registry());
    let content = town.one.content(id, document).unwrap();
    let edits = content.records.keys().map(|record| (record.clone(), content.fields(record))).collect();
    town.two.edit(&registry(), crate::policy::DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
    let error = household::record(&mut town.two, &row, Lane::Work, NOW).unwrap_err();
    assert_eq!(error.code(), "person_key_missing");
    assert_eq!(read(&mut town.two, document).residents[0].state, crate::command::read::PersonalState::KeyMissing);
    town.meet();
    assert_eq!(record(&mut town.two, &row).key(), "unchanged");
}
