use townmesh_crdt::command::read::{HouseholdRecord, PersonalState};
use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::ResidentKind;
use townmesh_crdt::domain::person::PersonalData;

use super::super::super::{Population, PopulationFilter, Share};
use super::super::resident;
use super::*;

/// The whole of 2026, by the town's clock.
const YEAR: PopulationFilter =
    PopulationFilter { from_ms: 1_767_196_800_000, until_ms: 1_798_732_800_000, region: None, kind: None };

/// Someone of a kind, with an identity number, and the days between which they live here.
type Someone = (ResidentKind, Option<&'static str>, Option<&'static str>, Option<&'static str>);

fn house(number: u32, usage: DwellingUse, limit: Option<u16>, people: &[Someone]) -> HouseholdRecord {
    let mut house = household(number, &format!("{number}号"), &[]);
    house.household.usage = Some(usage);
    house.household.tenant_limit = limit;
    for (place, (kind, number, moved_in, moved_out)) in (0..).zip(people) {
        let mut one = resident(place, "某");
        one.resident.kind = Some(*kind);
        one.resident.personal =
            Some(PersonalData { name: "某".into(), id_number: number.map(str::to_owned), phone: None });
        one.resident.moved_in = moved_in.map(|day| day.parse().unwrap());
        one.resident.moved_out = moved_out.map(|day| day.parse().unwrap());
        house.residents.push(one);
    }
    house
}

/// A rental with one too many, and a family.
fn scene() -> Scene {
    use ResidentKind::{Migrant, Overseas, Registered};
    let mut scene = Scene::new();
    let henan = Some("410100198808080049");
    let mut rental = house(
        20,
        DwellingUse::Rental,
        Some(4),
        &[
            (Migrant, henan, Some("2026-03-01"), None),
            (Migrant, henan, Some("2026-03-31"), None),
            (Migrant, Some("410100199102020057"), Some("2026-12-31"), None),
            // Born in 1950, and twenty years old only in part of the year before.
            (Migrant, Some("130100195001010014"), Some("2020-01-01"), None),
            (Overseas, None, None, None),
            // Left in the year; comes after it; was recorded by mistake; is a number that nobody has.
            (Migrant, henan, Some("2026-03-05"), Some("2026-06-30")),
            (Migrant, henan, Some("2027-01-01"), None),
            (Migrant, henan, None, None),
            (Migrant, Some("410100198808080048"), None, Some("2026-12-31")),
        ],
    );
    rental.residents[7].resident.void = Some(true);
    let mut family = house(
        21,
        DwellingUse::SelfOccupied,
        None,
        &[
            (Registered, Some("130100202006150027"), Some("2020-06-15"), None),
            (Registered, Some("130100200906300036"), None, None),
            (Registered, None, None, None),
            (Registered, None, None, None),
        ],
    );
    family.residents[2].state = PersonalState::Erased;
    family.residents[3].state = PersonalState::KeyMissing;
    scene.feed([
        Reading::Household(rental),
        Reading::Household(family),
        Reading::Household(house(22, DwellingUse::Rental, None, &[])),
    ]);
    scene
}

fn population(scene: &Scene, filter: &PopulationFilter) -> Population {
    scene.reader().population(filter).unwrap()
}

fn shares(shares: &[Share]) -> Vec<(&str, u64)> {
    shares.iter().map(|one| (one.group.as_str(), one.people)).collect()
}

#[test]
fn people_are_counted_as_of_the_last_day() {
    let told = population(&scene(), &YEAR);
    let all = &told.total;
    assert_eq!(told.day.to_string(), "2026-12-31");
    assert_eq!([all.people, all.registered, all.migrant, all.overseas, all.unknown_kind], [10, 4, 5, 1, 0]);
    assert_eq!([all.moved_in, all.moved_out], [4, 2]);
    assert_eq!([all.households, all.rentals, all.tenants, all.over_limit, all.without_limit], [3, 2, 6, 1, 1]);
    assert_eq!(serde_json::to_value(all.tenants_per_rental).unwrap(), 3.0);
    assert_eq!((told.regions.len(), told.regions[0].region.as_deref()), (1, Some(NORTH)));
    assert_eq!(shares(&told.uses), [("self_occupied", 4), ("rental", 6)]);
    let months: Vec<_> = told.months.iter().map(|one| (one.month.as_str(), one.moved_in, one.moved_out)).collect();
    assert_eq!(months, [("2026-03", 3, 0), ("2026-06", 0, 1), ("2026-12", 1, 1)]);
    assert_eq!(shares(&told.stays), [("unknown", 5), ("few", 5)]);
}

#[test]
fn origin_and_age_are_told_of_those_whose_number_can_be_read() {
    let told = population(&scene(), &YEAR);
    assert_eq!(shares(&told.origins), [("13", 3), ("41", 3)]);
    assert_eq!(told.origins[1].name.as_deref(), Some("河南"));
    // Two of 38 and one of 35; of 76, 6 and 17 too few to be told.
    assert_eq!(shares(&told.ages), [("35-59", 3), ("few", 3)]);
    assert_eq!((told.unknown_origin, told.sealed), (4, 2), "no number, a wrong one, two that cannot be read");
    let mut more = scene();
    let henan = (ResidentKind::Migrant, Some("410100198808080049"), None, None);
    let child = (ResidentKind::Migrant, Some("130100202006150027"), None, None);
    more.feed([Reading::Household(house(23, DwellingUse::Shop, None, &[henan, child]))]);
    let told = population(&more, &YEAR);
    assert_eq!(shares(&told.origins), [("13", 4), ("41", 4)]);
    assert_eq!(shares(&told.ages), [("35-59", 4), ("few", 4)], "one alone would be known from the others");
}

#[test]
fn one_kind_of_people_in_full_dwellings() {
    let migrants = population(&scene(), &PopulationFilter { kind: Some(ResidentKind::Migrant), ..YEAR });
    assert_eq!((migrants.total.people, migrants.total.registered, migrants.total.moved_out), (5, 0, 2));
    assert_eq!((migrants.total.tenants, migrants.total.over_limit), (6, 1), "whoever lives there");
    assert_eq!((migrants.unknown_origin, migrants.sealed), (1, 0));
    let elsewhere = population(&scene(), &PopulationFilter { region: SOUTH.parse().ok(), ..YEAR });
    assert_eq!((elsewhere.total.households, elsewhere.regions.len()), (0, 0));
    let day = |text: &str| i64::from(text.parse::<Day>().unwrap().0) * DAY_MS - 8 * 3_600_000;
    let before = PopulationFilter { from_ms: day("2026-06-01"), until_ms: day("2026-06-30"), ..YEAR };
    assert_eq!(population(&scene(), &before).total.moved_out, 0, "the last day is not in it");
}
