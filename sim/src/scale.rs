//! How cost grows with nodes, documents and towns.
//!
//! Each row of the table is a process of its own, because a process never gives back the most memory that it had.

use std::fmt;
use std::io;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::run::Report;

/// What one row costs: a town, or several that share a machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Towns.
    pub towns: usize,
    /// Nodes of each.
    pub nodes: usize,
    /// Work in percent of the model town's.
    pub load: u32,
    /// Days that nodes lived, over all nodes.
    pub node_days: f64,
    /// CPU seconds, checks included.
    pub cpu_s: f64,
    /// Most memory, in MiB.
    pub memory_mib: u64,
    /// Documents at the node that reads most.
    pub documents: usize,
    /// Entries in logs, over all nodes.
    pub entries: u64,
    /// Bytes that were sent.
    pub bytes: u64,
    /// What went wrong.
    pub wrong: Vec<String>,
}

impl Cost {
    /// Of towns that were simulated at one time.
    pub fn of(reports: &[Report]) -> Self {
        let first = reports.first().map(|report| &report.options);
        let violations = reports.iter().flat_map(|report| &report.outcome.violations);
        Self {
            towns: reports.len(),
            nodes: first.map_or(0, |options| options.nodes),
            load: first.map_or(0, |options| options.load),
            node_days: reports.iter().map(Report::node_days).sum(),
            cpu_s: reports.iter().filter_map(|report| report.cpu_s).sum(),
            memory_mib: reports.iter().filter_map(|report| report.memory_mib).max().unwrap_or(0),
            documents: reports.iter().map(|report| report.outcome.documents).max().unwrap_or(0),
            entries: reports.iter().map(|report| report.outcome.appended).sum(),
            bytes: reports.iter().map(|report| report.outcome.stats.bytes).sum(),
            wrong: violations.map(|violation| format!("{}: {}", violation.rule, violation.what)).collect(),
        }
    }
}

/// What is measured.
#[derive(Debug, Clone)]
pub struct Series {
    /// Sizes of a town, in nodes.
    pub nodes: Vec<usize>,
    /// Loads of a town of the first size, in percent: more work makes more documents.
    pub loads: Vec<u32>,
    /// Numbers of towns of the first size.
    pub towns: Vec<usize>,
    /// Further arguments of `run`.
    pub town: Vec<String>,
}

impl Series {
    /// Measures all rows.
    ///
    /// # Errors
    /// If a process cannot be run, or does not say what it cost.
    pub fn measure(&self, mut told: impl FnMut(&Cost)) -> io::Result<Vec<Cost>> {
        let base = self.nodes.first().copied().unwrap_or(12);
        let by_nodes = self.nodes.iter().map(|nodes| (1, *nodes, 100));
        let by_load = self.loads.iter().map(|load| (1, base, *load));
        let by_towns = self.towns.iter().map(|towns| (*towns, base, 100));
        let mut rows = Vec::new();
        for (towns, nodes, load) in by_nodes.chain(by_load).chain(by_towns) {
            let cost = self.row(towns, nodes, load)?;
            told(&cost);
            rows.push(cost);
        }
        Ok(rows)
    }

    fn row(&self, towns: usize, nodes: usize, load: u32) -> io::Result<Cost> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["run", "--cost", "--towns", &towns.to_string(), "--nodes", &nodes.to_string()]);
        command.args(["--load", &load.to_string()]).args(&self.town);
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        serde_json::from_slice(&output.stdout).map_err(|error| {
            let row = format!("{towns} towns of {nodes} nodes at a load of {load} %");
            io::Error::other(format!("{row}: the process ended with {} and tells no cost: {error}", output.status))
        })
    }
}

/// The head of the table that [`Cost`] makes a row of.
pub const HEAD: &str = "towns  nodes  load %  documents  node-days   CPU-s  CPU-s/node-day     MiB  MiB/node  entries/node-day  KB sent/node-day";

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = self.node_days.max(f64::MIN_POSITIVE);
        let nodes = (self.towns * self.nodes).max(1) as f64;
        write!(
            f,
            "{:5}  {:5}  {:6}  {:9}  {:9.1}  {:6.1}  {:14.2}  {:6}  {:8.1}  {:16.0}  {:16.0}",
            self.towns,
            self.nodes,
            self.load,
            self.documents,
            self.node_days,
            self.cpu_s,
            self.cpu_s / days,
            self.memory_mib,
            self.memory_mib as f64 / nodes,
            self.entries as f64 / days,
            self.bytes as f64 / days / 1_000.0,
        )?;
        self.wrong.iter().try_for_each(|what| write!(f, "\n  WRONG: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Options, Plan};
    use crate::run::{run_plan, run_together};

    #[test]
    fn towns_that_share_a_machine_turn_out_as_alone() {
        let plan = |seed| Plan::draw(Options { seed, nodes: 4, hours: 2, bound_min: 60, ..Options::default() });
        let plans = [plan(1), plan(2), plan(3)];
        let together = run_together(&plans).unwrap();
        for (plan, report) in plans.iter().zip(&together) {
            assert_eq!(
                run_plan(plan, false).unwrap().outcome.trace,
                report.outcome.trace,
                "seed {}",
                plan.options.seed
            );
        }
        let cost = Cost::of(&together);
        assert_eq!((cost.towns, cost.nodes), (3, 4));
        assert!(cost.documents > 0 && cost.entries > 0 && cost.bytes > 0 && cost.wrong.is_empty(), "{cost:?}");
        let text = cost.to_string();
        assert_eq!(text.len(), HEAD.len(), "{HEAD}\n{text}");
    }
}
