use std::collections::BTreeSet;

use townmesh_crdt::domain::id_number::IdNumber;
use townmesh_crdt::domain::phone::check_phone;

use super::*;

const SEED: u64 = 20_250_601;

fn town(households: usize) -> Town {
    generate(SEED, &parse_regions(HUANGCUN_REGIONS).unwrap(), households)
}

fn ledger(households: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_csv(town(households), &mut bytes).unwrap();
    bytes
}

/// FNV-1a: enough to notice a change.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

#[test]
fn the_town_of_a_seed_is_frozen() {
    let ledger = ledger(1_000);
    assert_eq!(
        format!("{:016x}", fingerprint(&ledger)),
        "b10c5986279f6284",
        "a change here changes every demo and benchmark"
    );
}

#[test]
fn ten_thousand_households_carry_as_much_information_as_a_real_ledger() {
    let ledger = ledger(10_000);
    let packed = zstd::encode_all(ledger.as_slice(), 3).unwrap().len();
    assert!((2_500_000..=2_800_000).contains(&packed), "{} bytes pack to {packed}", ledger.len());
}

#[test]
fn households_average_three_and_a_half_residents_and_fill_every_village() {
    let (mut residents, mut rentals, mut in_villages) = (0, 0, 0);
    let mut regions = BTreeSet::new();
    let count = town(10_000)
        .inspect(|made| {
            residents += made.residents.len();
            regions.insert(made.household.region);
            if made.household.region.map(RegionCode::kind) == Some(RegionKind::Village) {
                in_villages += 1;
                rentals += usize::from(made.household.usage == Some(DwellingUse::Rental));
            }
        })
        .count();
    assert_eq!((count, regions.len()), (10_000, 47));
    assert!((34_000..=36_000).contains(&residents), "{residents}");
    assert!((50..=60).contains(&(rentals * 100 / in_villages)), "{rentals} of {in_villages}");
}

#[test]
fn no_two_households_share_a_door_and_every_number_passes_its_check() {
    let mut doors = BTreeSet::new();
    let mut people = BTreeSet::new();
    for made in town(10_000) {
        assert!(doors.insert(made.household.natural_key().unwrap()), "{:?}", made.household.address);
        check_phone(made.household.owner.unwrap().phone.as_deref().unwrap()).unwrap();
        for resident in made.residents {
            let personal = resident.personal.unwrap();
            let number = personal.id_number.unwrap();
            if resident.kind != Some(ResidentKind::Overseas) {
                let birth = IdNumber::parse(&number).unwrap().birth();
                assert!(birth <= resident.moved_in.unwrap());
            }
            assert!(resident.moved_out.is_none_or(|last| Some(last) >= resident.moved_in));
            assert!(people.insert(number), "two people share an identity number");
        }
    }
}

#[test]
fn another_seed_gives_another_town_and_a_longer_one_does_not_depend_on_how_far_it_is_read() {
    let regions = parse_regions(HUANGCUN_REGIONS).unwrap();
    assert_ne!(generate(1, &regions, 5).next(), generate(2, &regions, 5).next());
    assert_eq!(town(100).take(10).collect::<Vec<_>>(), town(100).collect::<Vec<_>>()[..10]);
    assert_eq!(generate(1, &[], 5).count(), 0);
    assert_eq!(town(0).count(), 0);
}

#[test]
fn no_cell_needs_quotes() {
    let text = String::from_utf8(ledger(500)).unwrap();
    assert!(text.lines().all(|line| line.split(',').count() == HEADERS.len() && !line.contains('"')));
}
