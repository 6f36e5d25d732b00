//! Runs the simulator and the tests with one seeded bug after the other, and writes down what finds which, and how fast.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::campaign::Campaign;
use super::{Bug, SWITCH};

/// Lines of a process that may wait to be looked at.
const LINES: usize = 256;

/// What one bug is hunted with.
#[derive(Debug, Clone)]
pub struct Hunters {
    /// The simulator with all bugs in it.
    pub simulator: PathBuf,
    /// The unit tests of the product's core with all bugs in them.
    pub tests: Option<PathBuf>,
    /// How large and long the towns are.
    pub town: Vec<String>,
    /// Seconds for the simulator, and as many for the tests.
    pub limit: Duration,
    /// Where shrunk plans are kept.
    pub keep: Option<PathBuf>,
    /// The tests run only where the simulator finds nothing.
    pub until_found: bool,
}

/// What came of one bug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The bug.
    pub bug: String,
    /// Hash of the sources it was hunted in.
    pub sources: String,
    /// What found it in the simulator, and after how many seconds; `None` if nothing did within the limit.
    pub simulator: Option<Found>,
    /// What found it in the tests.
    pub tests: Option<Found>,
}

/// What found a bug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The rule that was broken, or the test that failed.
    pub by: String,
    /// Seconds until then.
    pub after_s: f64,
}

/// What was found, after how many seconds, and in the town of which seed.
type Wrong = (Option<(String, f64)>, Option<u64>);

impl Hunters {
    /// Builds both in a copy of the sources.
    ///
    /// # Errors
    /// What went wrong, with what the compiler says.
    pub fn build(copy: &Path, campaign: &Campaign) -> io::Result<Self> {
        let build = copy.join("build");
        let simulator = built(copy, &build, &["build", "--release", "-p", "townmesh-sim", "--bins"], "townmesh-sim")?;
        let lib = ["test", "--no-run", "-p", "townmesh-crdt", "--lib"];
        let tests = campaign.with_tests.then(|| built(copy, &build, &lib, "townmesh_crdt")).transpose()?;
        let Campaign { town, limit, keep, until_found, .. } = campaign.clone();
        Ok(Self { simulator, tests, town, limit, keep, until_found })
    }

    /// Hunts one bug.
    ///
    /// # Errors
    /// If a process cannot be run.
    pub fn hunt(&self, bug: &Bug, sources: &str) -> io::Result<Verdict> {
        let simulator = self.simulate(Some(&bug.name))?;
        let is_enough = self.until_found && simulator.is_some();
        let tests = if is_enough { None } else { self.test(Some(&bug.name))? };
        Ok(Verdict { bug: bug.name.clone(), sources: sources.to_owned(), simulator, tests })
    }

    /// The same without any bug: what is found here is none of the list.
    ///
    /// # Errors
    /// If a process cannot be run.
    pub fn hunt_nothing(&self, limit: Duration) -> io::Result<Option<Found>> {
        let short = Self { limit, ..self.clone() };
        Ok(short.simulate(None)?.or(self.test(None)?))
    }

    fn simulate(&self, bug: Option<&str>) -> io::Result<Option<Found>> {
        let (mut from, mut spent) = (None, Duration::ZERO);
        loop {
            let (found, seed) = self.live_through(bug, from, self.limit.saturating_sub(spent))?;
            let Some((line, after_s)) = found else { return Ok(None) };
            spent += Duration::from_secs_f64(after_s);
            if let (Some(_), Some(seed)) = (bug, seed)
                && let Some(by) = self.without(seed)?
            {
                eprintln!("seed {seed} goes wrong without any bug, too: {by}");
                from = Some(seed.saturating_add(1));
                continue;
            }
            if let (Some(bug), Some(seed), Some(keep)) = (bug, seed, &self.keep) {
                self.shrink(bug, seed, &keep.join(format!("{bug}.json")))?;
            }
            let by = line.split_once(": ").map_or(line.as_str(), |(_, what)| what).chars().take(110).collect();
            return Ok(Some(Found { by, after_s: spent.as_secs_f64() }));
        }
    }

    /// Simulates towns until one goes wrong: what was found after how many seconds, and the town's seed.
    fn live_through(&self, bug: Option<&str>, from: Option<u64>, limit: Duration) -> io::Result<Wrong> {
        let mut command = Command::new(&self.simulator);
        command.args(["run", "--seeds", "1000000", "--shrink", "0"]).args(&self.town);
        if let Some(from) = from {
            command.args(["--seed", &from.to_string()]);
        }
        let mut seed = None;
        let wrong = |line: &str| {
            let told = line.strip_prefix("seed ").and_then(|rest| rest.split_once(':')?.0.parse().ok());
            seed = told.or(seed);
            line.trim().strip_prefix("WRONG at ").map(str::to_owned)
        };
        Ok((run(command, bug, limit, wrong)?, seed))
    }

    /// What a seed finds without any bug: that is a mistake of the product or of a checker.
    fn without(&self, seed: u64) -> io::Result<Option<String>> {
        let mut command = Command::new(&self.simulator);
        command.args(["run", "--shrink", "0", "--seed", &seed.to_string()]).args(&self.town);
        let wrong = |line: &str| line.trim().strip_prefix("WRONG at ").map(str::to_owned);
        Ok(run(command, None, self.limit, wrong)?.map(|(line, _)| line))
    }

    /// The shortest plan that finds a bug, as far as the time suffices.
    fn shrink(&self, bug: &str, seed: u64, file: &Path) -> io::Result<()> {
        let mut command = Command::new(&self.simulator);
        command.args(["run", "--shrink", "300", "--seed", &seed.to_string(), "--keep"]).arg(file).args(&self.town);
        run(command, Some(bug), self.limit, |line| line.starts_with("kept in ").then(String::new)).map(|_| ())
    }

    fn test(&self, bug: Option<&str>) -> io::Result<Option<Found>> {
        let Some(tests) = &self.tests else { return Ok(None) };
        let failed = |line: &str| Some(line.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.to_owned());
        let found = run(Command::new(tests), bug, self.limit, failed)?;
        Ok(found.map(|(by, after_s)| Found { by, after_s }))
    }
}

/// Where cargo put what it built.
fn built(copy: &Path, target: &Path, arguments: &[&str], name: &str) -> io::Result<PathBuf> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(arguments)
        // Switches look odd to a compiler; what it says of errors still comes.
        .args(["--config", "build.rustflags=[\"-Awarnings\"]"])
        .args(["--message-format", "json-render-diagnostics", "--target-dir"])
        .arg(target)
        .current_dir(copy)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(
            "the sources with the bugs in them do not build; mend the list as the compiler says",
        ));
    }
    let lines = output.stdout.split(|byte| *byte == b'\n');
    let messages = lines.filter_map(|line| serde_json::from_slice::<serde_json::Value>(line).ok());
    let artifacts = messages.filter(|message| message.pointer("/target/name").is_some_and(|known| known == name));
    let executable = artifacts.filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from)).next_back();
    executable.ok_or_else(|| io::Error::other(format!("cargo does not say where it put {name}")))
}

/// Runs a process until it prints a line that is looked for, ends, or its time is over. A process that dies without
/// such a line was found out, too.
#[expect(clippy::disallowed_methods, reason = "how long real processes take; no simulation depends on it")]
fn run(
    mut command: Command,
    bug: Option<&str>,
    limit: Duration,
    mut sought: impl FnMut(&str) -> Option<String>,
) -> io::Result<Option<(String, f64)>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    match bug {
        Some(name) => command.env(SWITCH, name),
        None => command.env_remove(SWITCH),
    };
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let lines = lines_of(&mut child)?;
    let mut found = None;
    let mut is_over = false;
    while found.is_none() {
        match lines.recv_timeout(limit.saturating_sub(begin.elapsed())) {
            Ok(line) => found = sought(&line),
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                is_over = true;
                break;
            }
        }
    }
    let after_s = begin.elapsed().as_secs_f64();
    if found.is_none() && !is_over {
        let status = child.wait()?;
        found = (!status.success()).then(|| format!("it ends with {status}"));
    } else {
        // It may have ended by itself.
        let _ = child.kill();
        child.wait()?;
    }
    Ok(found.map(|by| (by, after_s)))
}

#[expect(clippy::disallowed_methods, reason = "it waits for another process beside the clock")]
fn lines_of(child: &mut Child) -> io::Result<mpsc::Receiver<String>> {
    let output = child.stdout.take().ok_or_else(|| io::Error::other("the process has no output"))?;
    let (sender, lines) = mpsc::sync_channel(LINES);
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(lines)
}

/// What is known of bugs in some sources, so that a hunt that was stopped goes on where it was.
#[derive(Debug)]
pub struct Verdicts {
    file: PathBuf,
    known: BTreeMap<String, Verdict>,
}

impl Verdicts {
    /// Reads what is known; a line that was cut off counts as not written.
    ///
    /// # Errors
    /// If the file is there and cannot be read.
    pub fn open(file: &Path, sources: &str) -> io::Result<Self> {
        let mut known = BTreeMap::new();
        match File::open(file) {
            Ok(opened) => {
                let lines = BufReader::new(opened).lines().map_while(Result::ok);
                let verdicts = lines.filter_map(|line| serde_json::from_str::<Verdict>(&line).ok());
                known.extend(verdicts.filter(|v| v.sources == sources).map(|v| (v.bug.clone(), v)));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        Ok(Self { file: file.to_path_buf(), known })
    }

    /// What is known of a bug.
    pub fn get(&self, bug: &str) -> Option<&Verdict> {
        self.known.get(bug)
    }

    /// Adds one, durably enough to outlive a hunt that is stopped.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn add(&mut self, verdict: Verdict) -> io::Result<()> {
        if let Some(parent) = self.file.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.file)?;
        writeln!(file, "{}", serde_json::to_string(&verdict).map_err(io::Error::other)?)?;
        self.known.insert(verdict.bug.clone(), verdict);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn sought(line: &str) -> Option<String> {
        line.strip_prefix("WRONG ").map(str::to_owned)
    }

    fn found(script: &str, bug: Option<&str>, limit_ms: u64) -> Option<String> {
        let found = run(shell(script), bug, Duration::from_millis(limit_ms), sought).unwrap();
        found.map(|(by, _)| by)
    }

    #[test]
    fn a_line_an_end_and_silence_are_told_apart() {
        assert_eq!(found("echo fine; echo WRONG here; sleep 60", None, 30_000).as_deref(), Some("here"));
        assert_eq!(found("echo fine", None, 30_000), None);
        assert!(found("echo fine; exit 101", None, 30_000).unwrap().contains("101"));
        assert_eq!(found("exec sleep 60", None, 100), None);
    }

    #[test]
    fn a_process_knows_its_bug_and_none_without() {
        let script = format!("echo WRONG ${{{SWITCH}-none}}");
        assert_eq!(found(&script, Some("a-b"), 30_000).as_deref(), Some("a-b"));
        assert_eq!(found(&script, None, 30_000).as_deref(), Some("none"));
    }

    #[test]
    fn a_seed_that_goes_wrong_without_the_bug_is_passed_over() {
        use std::os::unix::fs::PermissionsExt;
        let simulator = std::env::temp_dir().join(format!("townmesh-fake-simulator-{}", std::process::id()));
        let script = format!(
            "#!/bin/sh\nseed=1\nwhile [ $# -gt 0 ]; do [ \"$1\" = --seed ] && seed=$2; shift; done\n\
             echo \"seed $seed: a town\"\n\
             [ $seed = 1 ] && echo \"  WRONG at 0.0 min: always: so\"\n\
             [ $seed = 2 ] && [ -n \"${SWITCH}\" ] && echo \"  WRONG at 0.0 min: with the bug: so\"\n\
             exit 0\n"
        );
        fs::write(&simulator, script).unwrap();
        fs::set_permissions(&simulator, fs::Permissions::from_mode(0o700)).unwrap();
        let limit = Duration::from_secs(60);
        let hunters =
            Hunters { simulator: simulator.clone(), tests: None, town: vec![], limit, keep: None, until_found: true };
        let bug = hunters.simulate(Some("a-bug")).unwrap().map(|found| found.by);
        let nothing = hunters.simulate(None).unwrap().map(|found| found.by);
        fs::remove_file(&simulator).unwrap();
        assert_eq!((bug.as_deref(), nothing.as_deref()), (Some("with the bug: so"), Some("always: so")));
    }

    #[test]
    fn verdicts_outlive_a_hunt_and_belong_to_their_sources() {
        let file = std::env::temp_dir().join(format!("townmesh-verdicts-{}.jsonl", std::process::id()));
        let _ = fs::remove_file(&file);
        let verdict = |bug: &str| Verdict {
            bug: bug.into(),
            sources: "s1".into(),
            simulator: Some(Found { by: "rule".into(), after_s: 1.5 }),
            tests: None,
        };
        let mut verdicts = Verdicts::open(&file, "s1").unwrap();
        verdicts.add(verdict("a")).unwrap();
        verdicts.add(verdict("b")).unwrap();
        let whole = fs::read(&file).unwrap();
        fs::write(&file, &whole[..whole.len() - 5]).unwrap();
        let again = Verdicts::open(&file, "s1").unwrap();
        assert_eq!((again.get("a"), again.get("b")), (Some(&verdict("a")), None));
        assert_eq!(Verdicts::open(&file, "s2").unwrap().get("a"), None);
        fs::remove_file(&file).unwrap();
    }
}
