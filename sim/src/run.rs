//! Running a plan, and saying what it cost.

use std::fmt;

use townmesh_crdt::clock::Millis;

use crate::plan::{DAY, Options, Plan};
use crate::world::{Outcome, World, WorldError};

/// Fewest entries that a node takes into its logs in a day, its own and those of others, for the day to count.
pub const ENTRIES_A_DAY: u64 = 200;
/// Fewest faults of a node in a day for the day to count.
pub const FAULTS_A_DAY: u64 = 1;

/// What a run came to, with what it cost.
#[derive(Debug)]
pub struct Report {
    /// What was run.
    pub options: Options,
    /// Faults in the plan.
    pub planned_faults: usize,
    /// What came of it.
    pub outcome: Outcome,
    /// CPU seconds of this thread, where the system says.
    pub cpu_s: Option<f64>,
    /// Most memory that the process had, in MiB, where the system says.
    pub memory_mib: Option<u64>,
}

/// Draws the plan of these options and lives through it.
///
/// # Errors
/// [`WorldError`] if there is no town to simulate.
pub fn run(options: Options) -> Result<Report, WorldError> {
    run_plan(&Plan::draw(options), false)
}

/// Lives through a plan.
///
/// # Errors
/// [`WorldError`] if there is no town to simulate.
pub fn run_plan(plan: &Plan, with_story: bool) -> Result<Report, WorldError> {
    let before = cpu_seconds();
    let outcome = World::live(plan, with_story)?;
    let cpu_s = cpu_seconds().zip(before).map(|(after, before)| after - before);
    let (options, planned_faults) = (plan.options.clone(), plan.faults());
    Ok(Report { options, planned_faults, outcome, cpu_s, memory_mib: peak_memory() })
}

/// Lives through the towns of a district at one time; CPU seconds are shared out evenly.
///
/// # Errors
/// [`WorldError`] if there is no town to simulate.
pub fn run_together(plans: &[Plan]) -> Result<Vec<Report>, WorldError> {
    let before = cpu_seconds();
    let outcomes = World::live_together(plans)?;
    let spent = cpu_seconds().zip(before).map(|(after, before)| after - before);
    let (cpu_s, memory_mib) = (spent.map(|spent| spent / plans.len().max(1) as f64), peak_memory());
    let report = |(plan, outcome): (&Plan, Outcome)| Report {
        options: plan.options.clone(),
        planned_faults: plan.faults(),
        outcome,
        cpu_s,
        memory_mib,
    };
    Ok(plans.iter().zip(outcomes).map(report).collect())
}

/// CPU time of this thread as Linux counts it. Only printed: nothing in a run depends on it.
pub(crate) fn cpu_seconds() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(text.split_whitespace().next()?.parse::<u64>().ok()? as f64 / 1e9)
}

pub(crate) fn peak_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

impl Report {
    /// Whether nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.outcome.violations.is_empty()
    }

    /// Whether enough happened for its node-days to count in a campaign.
    pub fn counts(&self) -> bool {
        let days = self.node_days();
        self.outcome.appended as f64 >= ENTRIES_A_DAY as f64 * days
            && self.outcome.stats.faults as f64 >= FAULTS_A_DAY as f64 * days
    }

    /// Days that nodes lived, over all nodes.
    pub fn node_days(&self) -> f64 {
        self.options.nodes as f64 * self.outcome.lived as f64 / DAY as f64
    }

    /// Node-days for each CPU second.
    pub fn speed(&self) -> Option<f64> {
        self.cpu_s.filter(|cpu| *cpu > 0.0).map(|cpu| self.node_days() / cpu)
    }
}

fn minutes(millis: Millis) -> f64 {
    millis as f64 / 60_000.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, days) = (&self.outcome, self.node_days().max(f64::MIN_POSITIVE));
        let stats = &outcome.stats;
        let hash: String = outcome.trace.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        writeln!(
            f,
            "seed {}: {} nodes, {} hours, trace {hash}",
            self.options.seed, self.options.nodes, self.options.hours
        )?;
        writeln!(
            f,
            "  {days:.1} node-days, {} events, {} CPU-s, {} node-days per CPU-s, {} MiB at most",
            outcome.events,
            self.cpu_s.map_or("?".into(), |cpu| format!("{cpu:.1}")),
            self.speed().map_or("?".into(), |speed| format!("{speed:.1}")),
            self.memory_mib.map_or("?".into(), |memory| memory.to_string()),
        )?;
        writeln!(
            f,
            "  each node-day: {:.0} acknowledged records, {:.0} entries in logs, {:.1} sessions, {:.2} faults ({} of {} found nothing to act on)",
            stats.acknowledged as f64 / days,
            outcome.appended as f64 / days,
            stats.sessions as f64 / days,
            stats.faults as f64 / days,
            stats.idle_faults,
            self.planned_faults,
        )?;
        writeln!(
            f,
            "  {:.0} commits a node-day; {} power cuts, {} openings, {} disks replaced, {} alterations and forgeries refused, {} claims checked, {} commands refused",
            stats.commits as f64 / days,
            stats.power_cuts,
            stats.openings,
            stats.replaced_disks,
            stats.forgeries_refused,
            stats.claims_checked,
            stats.refused
        )?;
        writeln!(
            f,
            "  {} values in tables and books ({} by people who had not been shown all of them), {} conflicts settled, {} values put back",
            stats.values, stats.unsure, stats.settled, stats.undone
        )?;
        let ratio = stats.bytes as f64 / outcome.appended_bytes.max(1) as f64;
        writeln!(
            f,
            "  {} bytes in {} messages, {ratio:.2} for each byte of entries held; largest message {}",
            stats.bytes, stats.messages, stats.largest
        )?;
        match outcome.converged_after {
            Some(after) => writeln!(f, "  all alike {:.0} minutes after the faults stopped", minutes(after))?,
            None => writeln!(f, "  not all alike within {} minutes after the faults stopped", self.options.bound_min)?,
        }
        for violation in &outcome.violations {
            writeln!(f, "  WRONG at {:.1} min: {}: {}", minutes(violation.at), violation.rule, violation.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
