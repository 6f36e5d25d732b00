//! One household: what the rooms are used for, who lives there, and what the village noted down.

use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::person::PersonalData;

use super::people::{Origin, mobile, name, person};
use super::tables::{REMARKS, STREETS, TRADES, WORKPLACES};
use super::{
    Dice, DwellingUse, GeneratedHousehold, Household, Place, Position, RegionKind, Relation, Resident, ResidentKind,
};

/// The day on which the ledger was written: 2025-06-01. Nobody moved in later.
const TODAY: Day = Day(20_240);
const YEAR: u32 = 365;

const USES: [DwellingUse; 6] = [
    DwellingUse::SelfOccupied,
    DwellingUse::Rental,
    DwellingUse::Shop,
    DwellingUse::Workshop,
    DwellingUse::Dormitory,
    DwellingUse::Vacant,
];

/// The `nth` household (from 1) of a village.
pub(super) fn household(dice: &mut Dice, place: &Place, nth: usize) -> GeneratedHousehold {
    let weights = match place.kind {
        RegionKind::Community => [60, 28, 5, 1, 1, 5],
        RegionKind::Park => [5, 15, 10, 35, 30, 5],
        RegionKind::Village
        | RegionKind::Town
        | RegionKind::District
        | RegionKind::Prefecture
        | RegionKind::Province
        | RegionKind::Unknown(_) => [25, 55, 6, 5, 4, 5],
    };
    let usage = USES.get(dice.weighted(&weights)).copied().unwrap_or(DwellingUse::Rental);
    let residents = residents(dice, usage);
    let owner = owner(dice, usage, &residents);
    let rooms = residents.len() as u32 / 2 + dice.between(1, 4);
    let scatter = |throw: u32| throw as i32 - 40_000;
    let (latitude, longitude) = place.centre_e7;
    let household = Household {
        region: Some(place.code),
        address: Some(address(dice, place.kind, nth)),
        usage: Some(usage),
        rooms: Some(rooms as u16),
        area_dm2: Some(rooms * dice.between(900, 2_600)),
        position: Position::from_e7(latitude + scatter(dice.below(80_000)), longitude + scatter(dice.below(80_000))),
        note: Some(note(dice, usage, rooms)),
        owner: Some(owner),
        ..Household::default()
    };
    GeneratedHousehold { household, residents }
}

/// A door: unique in its village, because the number is.
fn address(dice: &mut Dice, kind: RegionKind, nth: usize) -> String {
    if kind == RegionKind::Community {
        let (building, unit) = (nth / 60 + 1, nth % 60 / 12 + 1);
        return format!("{building}号楼{unit}单元{}{:02}室", nth % 12 / 2 + 1, nth % 2 + 1);
    }
    let street = dice.pick(&STREETS);
    let gate = if dice.chance(25) { "号院" } else { "号" };
    format!("{street}{nth}{gate}")
}

fn residents(dice: &mut Dice, usage: DwellingUse) -> Vec<Resident> {
    match usage {
        DwellingUse::SelfOccupied => family(dice, Origin::Local, ResidentKind::Registered),
        DwellingUse::Rental if dice.chance(45) => family(dice, Origin::Elsewhere, ResidentKind::Migrant),
        DwellingUse::Rental => sharers(dice, Relation::Tenant, (1, 6)),
        DwellingUse::Shop => sharers(dice, Relation::Employee, (1, 4)),
        DwellingUse::Workshop => sharers(dice, Relation::Employee, (2, 7)),
        DwellingUse::Dormitory => sharers(dice, Relation::Employee, (4, 10)),
        DwellingUse::Vacant | DwellingUse::Unknown(_) => Vec::new(),
    }
}

/// A head with wife or husband, children and parents.
fn family(dice: &mut Dice, origin: Origin, kind: ResidentKind) -> Vec<Resident> {
    let years_here = if origin == Origin::Local { 40 } else { 8 };
    let mut members = vec![(Relation::Head, (30, 62))];
    if dice.chance(85) {
        members.push((Relation::Spouse, (28, 60)));
    }
    for _ in 0..dice.weighted(&[30, 45, 25]) {
        members.push((Relation::Child, (0, 24)));
    }
    for _ in 0..dice.weighted(&[50, 25, 25]) {
        members.push((Relation::Parent, (62, 88)));
    }
    if dice.chance(12) {
        members.push((Relation::Relative, (18, 60)));
    }
    members.into_iter().map(|(relation, ages)| resident(dice, origin, (kind, relation), ages, years_here)).collect()
}

/// People who share rooms for work.
fn sharers(dice: &mut Dice, relation: Relation, (low, high): (u32, u32)) -> Vec<Resident> {
    let count = dice.between(low, high);
    let one = |_| {
        let abroad = dice.chance(1);
        let (origin, kind) =
            if abroad { (Origin::Abroad, ResidentKind::Overseas) } else { (Origin::Elsewhere, ResidentKind::Migrant) };
        resident(dice, origin, (kind, relation), (18, 58), 5)
    };
    (0..count).map(one).collect()
}

fn resident(
    dice: &mut Dice,
    origin: Origin,
    (kind, relation): (ResidentKind, Relation),
    ages: (u32, u32),
    years_here: u32,
) -> Resident {
    let (personal, birth) = person(dice, origin, ages, TODAY);
    let arrived = Day(TODAY.0 - dice.between(1, years_here * YEAR) as i32).max(birth);
    let stay = TODAY.0 - arrived.0;
    let leaves = kind != ResidentKind::Registered && dice.chance(7);
    let moved_out = leaves.then(|| Day(arrived.0 + dice.below(stay as u32 + 1) as i32));
    Resident {
        kind: Some(kind),
        relation: Some(relation),
        moved_in: Some(arrived),
        moved_out,
        personal: Some(personal),
        ..Resident::default()
    }
}

/// Whom to call: who lives there, or the landlord.
fn owner(dice: &mut Dice, usage: DwellingUse, residents: &[Resident]) -> PersonalData {
    let own_home = usage == DwellingUse::SelfOccupied;
    let head = residents.first().filter(|_| own_home).and_then(|head| head.personal.clone());
    let phone = head.as_ref().and_then(|head| head.phone.clone()).unwrap_or_else(|| mobile(dice));
    let name = head.map_or_else(|| name(dice), |head| head.name);
    PersonalData { name, id_number: None, phone: Some(phone) }
}

/// What the clerk wrote beside the household; nothing that identifies a person.
fn note(dice: &mut Dice, usage: DwellingUse, rooms: u32) -> String {
    let mut parts = vec![format!("电表{:010}", dice.below(u32::MAX)), format!("水表{:08}", dice.below(100_000_000))];
    if dice.chance(70) {
        parts.push(format!("燃气卡{:010}", dice.below(u32::MAX)));
    }
    match usage {
        DwellingUse::Rental => {
            let start = Day(TODAY.0 - dice.between(1, 2 * YEAR) as i32);
            parts.push(format!("租期{start}起{}个月", dice.between(1, 36)));
            parts.push(format!("月租{}元", dice.between(30, 450) * 10));
            parts.push(format!("备案号{:016}", dice.serial() % 10_000_000_000_000_000));
        }
        DwellingUse::Shop | DwellingUse::Workshop | DwellingUse::Dormitory => {
            parts.push(format!("{}，执照尾号{:08}", dice.pick(&TRADES), dice.below(100_000_000)));
        }
        DwellingUse::SelfOccupied | DwellingUse::Vacant | DwellingUse::Unknown(_) => {
            parts.push(format!("宅基地证{:08}", dice.below(100_000_000)));
        }
    }
    if dice.chance(60) {
        parts.push(format!("多在{}{}", dice.pick(&WORKPLACES), dice.pick(&TRADES)));
    }
    for _ in 0..dice.between(1, 3) {
        parts.push(dice.pick(&REMARKS).to_owned());
    }
    for room in 1..=rooms {
        parts.push(format!("{room}室门锁{:012X}烟感{:08}", dice.serial() >> 16, dice.below(100_000_000)));
    }
    for _ in 0..dice.between(1, 3) {
        parts.push(format!("灭火器{:09}", dice.below(1_000_000_000)));
    }
    let checked = Day(TODAY.0 - dice.below(200) as i32);
    parts.push(format!("{checked}核对"));
    parts.join("，")
}
