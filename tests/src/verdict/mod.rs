//! Decides from exported files alone whether a town came through a day: an outside witness.
//!
//! It knows JSON and nothing of townmesh: no code is shared with what it judges, so a mistake there cannot hide
//! itself here. The input is a folder: `dumps/<node>.jsonl` as each node exported itself, `acknowledged.jsonl` with what
//! was acknowledged while the day went on, `plan.json` with what must be covered. The `townmesh-verdict` program
//! prints a table, writes `verdict.json` into the folder and ends with 0 (passed), 1 (failed) or 2 (nothing to decide
//! from).

mod checks;
mod input;
mod report;

pub use self::input::{Access, Acknowledgement, DocumentDump, Input, InputError, NamespaceDump, NodeDump, Plan};
pub use self::report::{Check, Verdict};

/// Runs every check.
pub fn judge(input: &Input) -> Verdict {
    let checks = checks::all(input);
    Verdict { passed: checks.iter().all(|check| check.passed), checks }
}

#[cfg(test)]
mod tests;
