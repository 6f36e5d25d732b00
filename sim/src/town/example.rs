//! Town files to begin with.

use std::fmt::Write as _;

use townmesh_crdt::domain::region::RegionLevel;

use crate::dice::Dice;
use crate::generator::{HUANGCUN_REGIONS, parse_regions};

/// A small town with one center, 8 villages and 3 vehicles, with explanations.
pub const SMALL: &str = include_str!("../../data/small-town.toml");

/// Vehicles of the model town.
const VEHICLES: usize = 109;
/// Side of its map in metres.
const SIDE: u32 = 9_000;

/// The model town: 2 centers, the 47 regions of Huangcun and 109 vehicles, with routes drawn from a seed.
pub fn model(seed: u64) -> String {
    let table = parse_regions(HUANGCUN_REGIONS).unwrap_or_default();
    let codes: Vec<(String, String)> = table
        .iter()
        .filter_map(|region| Some((region.code.filter(|code| code.level() == RegionLevel::Village)?, region)))
        .map(|(code, region)| (code.to_string(), region.name.clone().unwrap_or_default()))
        .collect();
    let mut dice = Dice::of(seed, "model town", 0);
    let mut text = format!(
        "# 模型镇，由种子 {seed} 生成 / the model town, drawn from seed {seed}\n\n[town]\nname = \"黄村\"\nvehicles_meet = false\n\n"
    );
    for (code, name) in &codes {
        let _ = writeln!(text, "[[region]]\ncode = \"{code}\"\nname = \"{name}\"\n");
    }
    for center in 0..2 {
        let wire = if center == 1 { "wire = [\"center-1\"]\n" } else { "" };
        let place = 4_500 + center * 900;
        let number = center + 1;
        let _ = writeln!(
            text,
            "[[node]]\nname = \"center-{number}\"\nrole = \"center\"\nposition = [{place}, {place}]\n{wire}"
        );
    }
    for (number, (code, _)) in codes.iter().enumerate() {
        let (x, y) = (dice.below(SIDE), dice.below(SIDE));
        let center = number % 2 + 1;
        let _ = writeln!(
            text,
            "[[node]]\nname = \"village-{}\"\nrole = \"village\"\nregion = \"{code}\"\nposition = [{x}, {y}]\nwire = [\"center-{center}\"]\n",
            number + 1
        );
    }
    (0..VEHICLES).for_each(|number| vehicle(&mut text, &mut dice, number, &codes));
    text
}

fn vehicle(text: &mut String, dice: &mut Dice, number: usize, codes: &[(String, String)]) {
    let all = codes.len() as u32;
    let home = dice.below(all) as usize;
    let is_carrier = number.is_multiple_of(10);
    let code = codes.get(home).map_or("", |(code, _)| code.as_str());
    let (role, name) = if is_carrier { ("carrier", "carrier") } else { ("patrol", "patrol") };
    let _ = writeln!(text, "[[vehicle]]\nname = \"{name}-{}\"\nrole = \"{role}\"", number + 1);
    let mut stops = vec![home];
    while stops.len() < 4 {
        let next = dice.below(all) as usize;
        if !stops.contains(&next) {
            stops.push(next);
        }
    }
    if !is_carrier {
        let carried = stops.iter().skip(1).filter_map(|stop| codes.get(*stop));
        let carries: Vec<String> = carried.map(|(code, _)| format!("\"{code}\"")).collect();
        let _ = writeln!(text, "region = \"{code}\"\ncarries = [{}]", carries.join(", "));
    }
    let hour = dice.below(12) + 7;
    let _ = writeln!(text, "depot = \"center-{}\"", number % 2 + 1);
    let _ = writeln!(text, "mobile = [\"{hour:02}:00-{hour:02}:15\"]\n");
    for base in [7, 13] {
        let depart = format!("{:02}:{:02}", base + dice.below(3), dice.below(12) * 5);
        let places = stops.iter().map(|stop| format!("{{ node = \"village-{}\", dwell_min = 12 }}", stop + 1));
        let places: Vec<String> = places.collect();
        let _ = writeln!(text, "[[vehicle.route]]\ndepart = \"{depart}\"\nstops = [{}]\n", places.join(", "));
    }
}
