//! Runs scenarios one after the other, since each of them needs the whole machine, and says which could not run.
//!
//! A scenario that needs what this machine lacks is skipped, by name and with a reason, and is never counted as passed.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

/// What a scenario needs beyond the program under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The rights of root.
    Root,
    /// A command of the system, by name.
    Tool(&'static str),
    /// That a command succeeds, such as one that needs a kernel module. What it does, the second one undoes.
    Works(&'static [&'static str], &'static [&'static str]),
}

impl Need {
    /// What is missing, if something is.
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!is_root()).then(|| "root is needed".to_owned()),
            Self::Tool(name) => find(name).is_none().then(|| format!("{name} is not installed")),
            Self::Works(command, undo) => {
                let problem = run(command).err();
                // Undone whether or not it worked: nothing is left behind by half of it.
                let _ = run(undo);
                problem
            }
        }
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Where a command of the system lies.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Runs a command of the system.
///
/// # Errors
/// What it said, when it failed.
pub fn run(words: &[&str]) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(()) };
    let program = find(program).ok_or_else(|| format!("{program} is not installed"))?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", words.join(" ")))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// One scenario. Its name is a sentence about behaviour.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// The sentence.
    pub name: &'static str,
    /// What it needs.
    pub needs: &'static [Need],
    /// Plays it.
    pub play: fn() -> anyhow::Result<()>,
}

/// Runs the scenarios whose names contain one of the words on the command line, all without any.
pub fn run_all(scenarios: &[Scenario]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        scenarios.iter().for_each(|scenario| println!("{}: test", scenario.name));
        return ExitCode::SUCCESS;
    }
    let words: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for Scenario { name, needs, play } in scenarios.iter().filter(|scenario| is_wanted(scenario.name)) {
        if let Some(missing) = needs.iter().find_map(|need| need.missing()) {
            println!("SKIPPED {name}: {missing}");
            skipped += 1;
            continue;
        }
        let began = Instant::now();
        // One that panics fails, and the others go on.
        let result = std::panic::catch_unwind(play).unwrap_or_else(|_| Err(anyhow::anyhow!("it panicked, see above")));
        let seconds = began.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                println!("test {name} ... ok ({seconds:.1} s)");
                passed += 1;
            }
            Err(problem) => {
                println!("test {name} ... FAILED ({seconds:.1} s): {problem:#}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        assert_eq!(Need::Tool("sh").missing(), None);
        assert_eq!(Need::Tool("no-such-tool").missing().unwrap(), "no-such-tool is not installed");
        assert_eq!(Need::Works(&["true"], &["true"]).missing(), None);
        assert!(Need::Works(&["false"], &["true"]).missing().unwrap().starts_with("false"));
    }
}
