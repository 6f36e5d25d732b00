//! Invented people: names nobody bears, numbers that pass every check.

use std::collections::BTreeSet;

use townmesh_crdt::domain::date::Day;
use townmesh_crdt::domain::id_number::IdNumber;
use townmesh_crdt::domain::person::PersonalData;

use super::tables::{GIVEN_FIRST, GIVEN_SECOND, LOCAL, MOBILE_PREFIXES, ORIGINS, SURNAMES};
use crate::dice::Dice;

/// How old, and where from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Born and registered here.
    Local,
    /// From one of the districts that send tenants.
    Elsewhere,
    /// From abroad; carries a passport.
    Abroad,
}

/// A person of `low..=high` years on `today`, and the day of birth.
pub(super) fn person(dice: &mut Dice, origin: Origin, (low, high): (u32, u32), today: Day) -> (PersonalData, Day) {
    let age_in_days = dice.between(low * 365, high * 365 + 364);
    let birth = Day(today.0 - age_in_days as i32);
    let id_number = match origin {
        Origin::Local => id_number(LOCAL, birth, dice.between(1, 999)),
        Origin::Elsewhere => id_number(dice.pick(&ORIGINS), birth, dice.between(1, 999)),
        Origin::Abroad => passport(dice),
    };
    // Children and some of the old have no phone of their own.
    let has_phone = age_in_days > 14 * 365 && (age_in_days < 75 * 365 || dice.chance(40));
    let phone = has_phone.then(|| mobile(dice));
    (PersonalData { name: name(dice), id_number: Some(id_number), phone }, birth)
}

/// A surname and a plainly invented given name.
pub(super) fn name(dice: &mut Dice) -> String {
    // Squaring makes the first surnames the common ones.
    let place = dice.below(1000).pow(2) / 1_000;
    let surname = SURNAMES.get(place as usize * SURNAMES.len() / 1000).copied().unwrap_or_default();
    format!("{surname}{}{}", dice.pick(&GIVEN_FIRST), dice.pick(&GIVEN_SECOND))
}

/// A mobile number.
pub(super) fn mobile(dice: &mut Dice) -> String {
    format!("{}{:08}", dice.pick(&MOBILE_PREFIXES), dice.below(100_000_000))
}

/// Gives a person another sequence number while somebody has the same identity number already.
pub(super) fn make_unique(dice: &mut Dice, person: &mut PersonalData, issued: &mut BTreeSet<String>) {
    // A town fills a small part of the numbers that exist: the bound is for towns that could not exist.
    for _ in 0..1_000 {
        let Some(number) = &person.id_number else { return };
        if issued.insert(number.clone()) {
            return;
        }
        let sequence = dice.between(1, 999);
        person.id_number = Some(match IdNumber::parse(number) {
            Ok(valid) => id_number(&format!("{:06}", valid.region()), valid.birth(), sequence),
            Err(_) => passport(dice),
        });
    }
}

fn passport(dice: &mut Dice) -> String {
    format!("EX{:07}", dice.below(10_000_000))
}

/// The number of a district, a birth date and a sequence, with the check character that fits.
fn id_number(district: &str, birth: Day, sequence: u32) -> String {
    let (year, month, day) = birth.calendar();
    let body = format!("{district}{year:04}{month:02}{day:02}{sequence:03}");
    "0123456789X"
        .chars()
        .map(|check| format!("{body}{check}"))
        .find(|number| IdNumber::parse(number).is_ok())
        .unwrap_or(body)
}
