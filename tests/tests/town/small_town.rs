//! Towns for the scenarios: parts of the model town.

use std::path::Path;

use anyhow::ensure;
use townmesh_node::demo::evidence;
use townmesh_node::demo::plan::{CENTER, Plan, VEHICLE_1, VILLAGE_1, VILLAGE_2};
use townmesh_node::demo::town::{Stop, Town};
use townmesh_tests::process::program;
use townmesh_tests::verdict::{Check, Input, judge};

/// The model town with some of its nodes alone, and the links among them.
pub(crate) fn plan(nodes: &[&str]) -> anyhow::Result<Plan> {
    let mut plan = Plan::model_town()?;
    plan.nodes.retain(|node| nodes.contains(&node.name));
    plan.links.retain(|link| nodes.contains(&link.from) && nodes.contains(&link.to));
    Ok(plan)
}

/// Starts the model town with some of its nodes alone.
pub(crate) fn start(folder: &Path, nodes: &[&str]) -> anyhow::Result<Town> {
    Town::start(&program()?, folder, plan(nodes)?, 0, Stop::default())
}

/// The center, two villages that share no link, and the vehicle that drives between them.
pub(crate) const FOUR: [&str; 4] = [CENTER, VILLAGE_1, VILLAGE_2, VEHICLE_1];

/// As [`expect_verdict`] for a town of one node, which has nobody to be compared with.
pub(crate) fn expect_nothing_missing(town: &Town, folder: &Path) -> anyhow::Result<()> {
    evidence::collect(town, folder, &[])?;
    let verdict = judge(&Input::of_folder(folder)?);
    let compares_nodes = |check: &Check| check.name.starts_with("equal");
    let others: Vec<&Check> = verdict.checks.iter().filter(|check| !compares_nodes(check)).collect();
    ensure!(others.len() >= 3 && others.iter().all(|check| check.passed), "{verdict}");
    Ok(())
}

/// Exports all nodes and has the witness judge; `folder` holds the list of acknowledgements.
pub(crate) fn expect_verdict(town: &Town, folder: &Path, carried: &[String]) -> anyhow::Result<()> {
    evidence::collect(town, folder, carried)?;
    let verdict = judge(&Input::of_folder(folder)?);
    ensure!(verdict.passed, "{verdict}");
    Ok(())
}
