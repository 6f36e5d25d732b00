//! What a campaign came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::exam::Wrong;

/// An image that is not right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// Point and choice at each depth.
    pub path: String,
    /// How many power cuts there were.
    pub depth: usize,
    /// The operation of its journal before which the power went.
    pub operation: usize,
    /// What is wrong.
    pub wrong: Wrong,
    /// In words.
    pub what: String,
    /// Which unsynced writes were kept.
    pub kept: String,
}

/// Counts at one depth.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AtDepth {
    /// Points at which the power was cut.
    pub points: u64,
    /// Images made.
    pub made: u64,
    /// Images opened: those that were not seen before.
    pub opened: u64,
    /// What was wrong, and how often.
    pub wrong: BTreeMap<Wrong, u64>,
}

/// Counts of one or more seeds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// By depth, from one power cut on.
    pub depths: Vec<AtDepth>,
    /// Images that differ in a byte, within a seed.
    pub distinct: u64,
    /// Images from which a witness learned everything.
    pub replayed: u64,
    /// The first failures.
    pub failures: Vec<Failure>,
}

impl Tally {
    fn at(&mut self, depth: usize) -> &mut AtDepth {
        if self.depths.len() < depth {
            self.depths.resize_with(depth, AtDepth::default);
        }
        &mut self.depths[depth - 1]
    }

    pub(crate) fn point(&mut self, depth: usize) {
        self.at(depth).points += 1;
    }

    pub(crate) fn made(&mut self, depth: usize) {
        self.at(depth).made += 1;
    }

    pub(crate) fn open(&mut self, depth: usize) {
        self.at(depth).opened += 1;
    }

    pub(crate) fn count(&mut self, depth: usize, wrong: Wrong) {
        *self.at(depth).wrong.entry(wrong).or_default() += 1;
    }

    /// Images opened.
    pub fn opened(&self) -> u64 {
        self.depths.iter().map(|depth| depth.opened).sum()
    }

    /// How often something was wrong.
    pub fn wrong(&self) -> BTreeMap<Wrong, u64> {
        let mut all = BTreeMap::new();
        for (wrong, count) in self.depths.iter().flat_map(|depth| &depth.wrong) {
            *all.entry(*wrong).or_default() += count;
        }
        all
    }

    /// Takes another seed's counts in.
    pub(crate) fn add(&mut self, other: Self) {
        for (number, from) in other.depths.into_iter().enumerate() {
            let to = self.at(number + 1);
            to.points += from.points;
            to.made += from.made;
            to.opened += from.opened;
            from.wrong.into_iter().for_each(|(wrong, count)| *to.wrong.entry(wrong).or_default() += count);
        }
        self.distinct += other.distinct;
        self.replayed += other.replayed;
        self.failures.extend(other.failures);
    }
}

/// A campaign.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The first seed.
    pub seed: u64,
    /// How many seeds there were.
    pub seeds: u64,
    /// Operations in the recorded journals.
    pub operations: u64,
    /// Syncs among them.
    pub syncs: u64,
    /// Acknowledgements given.
    pub acknowledged: u64,
    /// Counts.
    pub tally: Tally,
    /// CPU seconds, where the system says.
    pub cpu_s: Option<f64>,
    /// Most memory that the process had, in MiB, where the system says.
    pub memory_mib: Option<u64>,
    /// What the disk did wrong on purpose.
    pub flaw: Option<String>,
}

impl Report {
    /// Whether nothing was wrong.
    pub fn is_sound(&self) -> bool {
        self.tally.wrong().is_empty()
    }

    /// Images opened for each CPU second.
    pub fn speed(&self) -> Option<f64> {
        self.cpu_s.filter(|cpu| *cpu > 0.0).map(|cpu| self.tally.opened() as f64 / cpu)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tally = &self.tally;
        let count = |of: &BTreeMap<Wrong, u64>, wrong| of.get(&wrong).copied().unwrap_or(0);
        let line = |f: &mut fmt::Formatter<'_>, of: &BTreeMap<Wrong, u64>| {
            let others: u64 = of.values().sum::<u64>()
                - [Wrong::Unopened, Wrong::Lost, Wrong::HalfApplied].map(|wrong| count(of, wrong)).iter().sum::<u64>();
            let (unopened, lost) = (count(of, Wrong::Unopened), count(of, Wrong::Lost));
            writeln!(
                f,
                "{unopened} unopened, {lost} lost, {} half-applied, {others} otherwise wrong",
                count(of, Wrong::HalfApplied)
            )
        };
        writeln!(
            f,
            "{} seeds from {}: {} disk operations, {} syncs, {} acknowledgements",
            self.seeds, self.seed, self.operations, self.syncs, self.acknowledged
        )?;
        for (number, depth) in tally.depths.iter().enumerate() {
            let (points, made, opened) = (depth.points, depth.made, depth.opened);
            write!(f, "  depth {}: {points} points, {made} images made, {opened} opened, ", number + 1)?;
            line(f, &depth.wrong)?;
        }
        write!(f, "  all: {} images opened, {} distinct, ", tally.opened(), tally.distinct)?;
        line(f, &tally.wrong())?;
        writeln!(
            f,
            "  {} replayed to a witness; {} CPU-s, {} images per CPU-s, {} MiB at most",
            tally.replayed,
            self.cpu_s.map_or("?".into(), |cpu| format!("{cpu:.1}")),
            self.speed().map_or("?".into(), |speed| format!("{speed:.0}")),
            self.memory_mib.map_or("?".into(), |memory| memory.to_string()),
        )?;
        let flaw = self.flaw.as_ref().map_or_else(String::new, |flaw| format!(" --flaw {flaw}"));
        for failure in &tally.failures {
            let Failure { seed, path, depth, operation, wrong, what, kept } = failure;
            writeln!(f, "  WRONG: seed {seed}, depth {depth}, before operation {operation}: {wrong}: {what}")?;
            writeln!(f, "    {kept}; repeat it with: townmesh-sim images --seed {seed} --path {path}{flaw}")?;
        }
        Ok(())
    }
}
