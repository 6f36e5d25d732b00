//! The model town: households and residents that look like a real ledger and stand for nobody.
//!
//! The same seed, regions and number of households give the same town on every machine; a frozen hash in the tests
//! notices any change. Names are plainly invented (甲东, 庚九), identity numbers pass the check of GB 11643.

mod csv;

mod dwellings;
mod people;
mod regions;
mod tables;

use std::collections::BTreeSet;

use townmesh_crdt::domain::dwelling::DwellingUse;
use townmesh_crdt::domain::household::{Household, Relation, Resident, ResidentKind};
use townmesh_crdt::domain::position::Position;
use townmesh_crdt::domain::region::{Region, RegionCode, RegionKind, RegionLevel};

pub use self::csv::{HEADERS, write_csv};
pub use self::regions::{HUANGCUN_REGIONS, RegionTableError, parse_regions};
use crate::dice::Dice;

/// A household and who lives in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeneratedHousehold {
    /// The household; its natural key is unique within one town.
    pub household: Household,
    /// Its residents, the head or main tenant first; empty where the rooms are vacant.
    pub residents: Vec<Resident>,
}

/// Centre of the town, in units of 1e-7 degrees: latitude, longitude.
const CENTRE_E7: (i32, i32) = (397_350_000, 1_163_310_000);

/// A village or community that gets households.
#[derive(Debug, Clone)]
struct Place {
    code: RegionCode,
    kind: RegionKind,
    centre_e7: (i32, i32),
    households: usize,
}

/// Generates `households` households, village by village in the order of `regions`; towns and districts among them
/// get none. Without any village there is nothing to generate.
pub fn generate(seed: u64, regions: &[Region], households: usize) -> Town {
    let mut dice = Dice::new(seed);
    let mut places: Vec<Place> = regions.iter().filter_map(|region| place(&mut dice, region)).collect();
    let weights: Vec<usize> = places.iter().map(|place| weight(&mut dice, place.kind)).collect();
    let total: usize = weights.iter().sum::<usize>().max(1);
    let mut before = 0;
    for (place, weight) in places.iter_mut().zip(weights) {
        // Shares of the running total, so that they add up exactly.
        let start = households * before / total;
        before += weight;
        place.households = households * before / total - start;
    }
    Town { dice, places, current: 0, made: 0, issued: BTreeSet::new() }
}

fn place(dice: &mut Dice, region: &Region) -> Option<Place> {
    let code = region.code.filter(|code| code.level() == RegionLevel::Village)?;
    let offset = |throw: u32| throw as i32 - 400_000;
    let centre_e7 = (CENTRE_E7.0 + offset(dice.below(800_000)), CENTRE_E7.1 + offset(dice.below(800_000)));
    Some(Place { code, kind: region.kind.unwrap_or(code.kind()), centre_e7, households: 0 })
}

fn weight(dice: &mut Dice, kind: RegionKind) -> usize {
    let (low, high) = match kind {
        RegionKind::Village => (100, 300),
        RegionKind::Community => (150, 350),
        RegionKind::Park => (20, 60),
        RegionKind::Town | RegionKind::District | RegionKind::Prefecture | RegionKind::Province => (0, 0),
        RegionKind::Unknown(_) => (50, 100),
    };
    dice.between(low, high) as usize
}

/// The households of one town, made one by one.
#[derive(Debug, Clone)]
pub struct Town {
    dice: Dice,
    places: Vec<Place>,
    /// Index of the place that is being filled, and how many households it has.
    current: usize,
    made: usize,
    /// Identity numbers in use.
    issued: BTreeSet<String>,
}

impl Iterator for Town {
    type Item = GeneratedHousehold;

    fn next(&mut self) -> Option<GeneratedHousehold> {
        while self.made >= self.places.get(self.current)?.households {
            self.current += 1;
            self.made = 0;
        }
        self.made += 1;
        let place = self.places.get(self.current)?;
        let mut made = dwellings::household(&mut self.dice, place, self.made);
        for person in made.residents.iter_mut().filter_map(|resident| resident.personal.as_mut()) {
            people::make_unique(&mut self.dice, person, &mut self.issued);
        }
        Some(made)
    }
}

#[cfg(test)]
mod tests;
