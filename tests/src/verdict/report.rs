//! What was decided, for people and for programs.

use std::fmt;

use serde::Serialize;

/// Problems of one check that are spelled out; the others are counted.
const SHOWN: usize = 20;

/// One check and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// Whether nothing was wrong.
    pub passed: bool,
    /// How many things were compared.
    pub compared: usize,
    /// How many of them were wrong.
    pub wrong: usize,
    /// The first of them in words.
    pub problems: Vec<String>,
}

impl Check {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, passed: false, compared: 0, wrong: 0, problems: Vec::new() }
    }

    /// One comparison.
    pub(super) fn expect(&mut self, right: bool, problem: impl FnOnce() -> String) {
        self.compared += 1;
        if !right {
            self.problem(problem());
        }
    }

    pub(super) fn problem(&mut self, problem: String) {
        self.wrong += 1;
        if self.problems.len() < SHOWN {
            self.problems.push(problem);
        }
    }

    /// A check that compared nothing has shown nothing: it fails for the `reason`.
    pub(super) fn finish(mut self, reason: &str) -> Self {
        if self.compared == 0 {
            self.problem(reason.to_owned());
        }
        self.finish_even_if_empty()
    }

    pub(super) fn finish_even_if_empty(mut self) -> Self {
        self.passed = self.wrong == 0;
        self
    }
}

/// All checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Whether every check passed.
    pub passed: bool,
    /// The checks.
    pub checks: Vec<Check>,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<34} {:>9} {:>7}  result", "check", "compared", "wrong")?;
        for Check { name, passed, compared, wrong, .. } in &self.checks {
            writeln!(f, "{name:<34} {compared:>9} {wrong:>7}  {}", if *passed { "ok" } else { "FAILED" })?;
        }
        for check in self.checks.iter().filter(|check| !check.passed) {
            for problem in &check.problems {
                writeln!(f, "  {}: {problem}", check.name)?;
            }
            if check.wrong > check.problems.len() {
                writeln!(f, "  {}: and {} more", check.name, check.wrong - check.problems.len())?;
            }
        }
        writeln!(f, "{}", if self.passed { "结论：通过 / verdict: passed" } else { "结论：不通过 / verdict: FAILED" })
    }
}
