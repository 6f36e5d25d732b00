//! Whom a ledger's rows are about, when it is imported again.

use std::collections::BTreeSet;

use proptest::option::of;
use proptest::prelude::*;

use super::households::{input, person};
use super::*;
use crate::command::Outcome;
use crate::command::household::{self, HouseholdIds, HouseholdInput};
use crate::domain::date::Day;
use crate::domain::household::{Resident, ResidentKind};
use crate::entry::Lane;
use crate::id::ResidentId;

const NUMBERS: [&str; 2] = ["110101199003074610", "11010519491231002X"];

fn resident(name: &str, number: &str, phone: &str) -> Resident {
    Resident { personal: Some(person(name, number, phone)), ..Resident::default() }
}

fn record_apart(replica: &mut Replica, rows: &[Resident], taken: &[ResidentId]) -> Outcome<HouseholdIds> {
    let input = input("1号", rows.to_vec());
    let taken: BTreeSet<ResidentId> = taken.iter().copied().collect();
    let outcome = household::record_apart(replica, &input, &taken, Lane::Bulk, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

fn record(replica: &mut Replica, rows: &[Resident]) -> Outcome<HouseholdIds> {
    let HouseholdInput { household, residents } = input("1号", rows.to_vec());
    let outcome = household::record(replica, &HouseholdInput { household, residents }, Lane::Bulk, NOW).unwrap();
    replica.commit(NOW).unwrap();
    outcome
}

/// The people of the household as they are recorded, and how many look like duplicates.
fn people(replica: &mut Replica, document: DocumentId) -> (Vec<(ResidentId, Resident)>, usize) {
    let found = household::read(replica, &registry(), document).unwrap().unwrap();
    (found.residents.into_iter().map(|one| (one.id, one.resident)).collect(), found.duplicates.len())
}

#[test]
fn two_people_of_one_name_stay_two_when_only_one_has_a_number() {
    let (with, without) = (resident("张三", NUMBERS[0], ""), resident("张三", "", ""));
    // Who is found first depends on random ids, so several towns are tried.
    for seed in 0..8 {
        for rows in [[with.clone(), without.clone()], [without.clone(), with.clone()]] {
            let mut town = Town::new(seed);
            let ids = record(&mut town.one, &rows).into_value();
            let before = people(&mut town.one, ids.document);
            let again = record(&mut town.one, &rows);
            assert_eq!((again.key(), again.value()), ("unchanged", &ids));
            assert_eq!(people(&mut town.one, ids.document), before);
            assert_eq!(before.1, 0, "nobody is there twice");
        }
    }
}

#[test]
fn a_number_decides_before_a_name_also_where_something_is_new() {
    let mut town = Town::new(1);
    let rows = [resident("张三", "", ""), resident("张三", NUMBERS[0], "")];
    let ids = record(&mut town.one, &rows).into_value();
    let renamed = [resident("张三", "", ""), resident("张三丰", NUMBERS[0], "13800000001")];
    let again = record(&mut town.one, &renamed);
    assert_eq!((again.key(), again.value()), ("changed", &ids));
}

#[test]
fn a_number_that_becomes_known_goes_to_the_one_of_that_name() {
    let mut town = Town::new(1);
    let ids = record(&mut town.one, &[resident("张三", "", "")]).into_value();
    let again = record(&mut town.one, &[resident("张三", NUMBERS[0], "")]);
    assert_eq!((again.key(), again.value()), ("changed", &ids));
}

#[test]
fn parts_of_a_household_that_stand_apart_are_recorded_alike_each_time() {
    let mut town = Town::new(1);
    let stay = |first, last| Resident {
        moved_in: Some(Day(first)),
        moved_out: Some(Day(last)),
        ..resident("张三", NUMBERS[0], "")
    };
    let parts = [[stay(10, 20)], [stay(15, 30)]];
    let mut import = || {
        let first = record_apart(&mut town.one, &parts[0], &[]);
        let second = record_apart(&mut town.one, &parts[1], &first.value().residents);
        [first, second]
    };
    let before = import().map(Outcome::into_value);
    let after = import();
    assert_eq!(after.each_ref().map(Outcome::key), ["unchanged"; 2]);
    assert_eq!(after.map(Outcome::into_value), before);
}

fn any_resident() -> impl Strategy<Value = Resident> {
    let personal = ("[甲乙]?", of(0..2_usize), of("1380000000[12]"));
    let kind = of((0..2_u8).prop_map(|kind| [ResidentKind::Registered, ResidentKind::Migrant][usize::from(kind)]));
    (personal, kind, of(9..11_i32), any::<bool>()).prop_map(|((name, number, phone), kind, moved_in, left)| Resident {
        kind,
        moved_in: moved_in.map(Day),
        moved_out: left.then_some(Day(20)),
        personal: Some(person(&name, number.map_or("", |number| NUMBERS[number]), &phone.unwrap_or_default())),
        ..Resident::default()
    })
}

fn says_something(rows: &[Resident]) -> usize {
    rows.iter()
        .filter(|one| !one.fields().is_empty() || one.personal.as_ref().is_some_and(|who| !who.is_empty()))
        .count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn importing_any_rows_twice_changes_nothing_the_second_time(
        known in proptest::collection::vec(any_resident(), 0..5),
        rows in proptest::collection::vec(any_resident(), 0..6),
        seed in any::<u64>(),
    ) {
        let mut town = Town::new(seed);
        record(&mut town.one, &known);
        let ids = record(&mut town.one, &rows).into_value();
        prop_assert_eq!(ids.residents.iter().collect::<BTreeSet<_>>().len(), says_something(&rows), "nobody is taken twice");
        let before = people(&mut town.one, ids.document);
        prop_assert_eq!(record(&mut town.one, &rows).key(), "unchanged");
        prop_assert_eq!(people(&mut town.one, ids.document), before);
    }

    #[test]
    fn a_new_household_in_parts_is_recorded_alike_each_time(
        parts in proptest::collection::vec(proptest::collection::vec(any_resident(), 0..4), 1..4),
        seed in any::<u64>(),
    ) {
        let mut town = Town::new(seed);
        let mut import = || {
            let mut taken = Vec::new();
            let outcomes: Vec<_> = parts.iter().map(|part| {
                let outcome = record_apart(&mut town.one, part, &taken);
                taken.extend(outcome.value().residents.clone());
                outcome
            }).collect();
            outcomes
        };
        // Of rows that say the same either may be either.
        let people = |outcomes: &[Outcome<HouseholdIds>]| -> BTreeSet<ResidentId> {
            outcomes.iter().flat_map(|outcome| outcome.value().residents.clone()).collect()
        };
        let before = people(&import());
        let after = import();
        prop_assert!(after.iter().all(|outcome| outcome.key() == "unchanged"));
        prop_assert_eq!(people(&after), before);
    }
}
