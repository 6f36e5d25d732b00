//! The ledgers of the model villages, generated from a fixed seed.

use std::collections::BTreeMap;

use anyhow::Context as _;
use townmesh_sim::generator::{GeneratedHousehold, HUANGCUN_REGIONS, generate, parse_regions, write_csv};

use super::plan::Plan;

/// The same town at every demo.
const SEED: u64 = 20_260_101;

/// What one village keeps.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    /// The file, as CSV.
    pub(super) csv: Vec<u8>,
    /// The doors in it, in order.
    pub(super) doors: Vec<String>,
}

/// The ledgers by village code, of so many households together.
pub(super) fn ledgers(plan: &Plan, households: usize) -> anyhow::Result<BTreeMap<String, Ledger>> {
    let mut regions = parse_regions(HUANGCUN_REGIONS).context("the built-in region table")?;
    let code = |region: &townmesh_crdt::domain::region::Region| region.code.map(|code| code.to_string());
    regions.retain(|region| plan.villages.iter().any(|village| code(region).as_deref() == Some(&village.code)));
    let mut by_village: BTreeMap<String, Vec<GeneratedHousehold>> = BTreeMap::new();
    for made in generate(SEED, &regions, households) {
        let region = made.household.region.context("a generated household has a region")?;
        by_village.entry(region.to_string()).or_default().push(made);
    }
    let ledger = |(code, households): (String, Vec<GeneratedHousehold>)| {
        let doors = households.iter().filter_map(|made| made.household.address.clone()).collect();
        let mut csv = Vec::new();
        write_csv(households, &mut csv)?;
        Ok((code, Ledger { csv, doors }))
    };
    by_village.into_iter().map(ledger).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_village_gets_a_ledger_and_together_they_have_all_households() {
        let plan = Plan::model_town().unwrap();
        let ledgers = ledgers(&plan, 300).unwrap();
        assert_eq!(ledgers.len(), 3);
        assert_eq!(ledgers.values().map(|ledger| ledger.doors.len()).sum::<usize>(), 300);
        assert!(ledgers.values().all(|ledger| !ledger.csv.is_empty()));
    }
}
