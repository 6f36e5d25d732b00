//! Hunting all bugs of the lists, and the table of what found them.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::hunt::{Found, Hunters, Verdict, Verdicts};
use super::instrument;
use super::{Bug, List};

/// What is hunted, where, and for how long.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The workspace.
    pub workspace: PathBuf,
    /// Lists of bugs.
    pub lists: PathBuf,
    /// Where the copy of the sources, its build and the verdicts go.
    pub out: PathBuf,
    /// Only these bugs; all if it is empty.
    pub only: Vec<String>,
    /// For each bug and hunter.
    pub limit: Duration,
    /// Bugs hunted at a time.
    pub jobs: usize,
    /// Whether the unit tests hunt, too.
    pub with_tests: bool,
    /// Whether they hunt only what the simulator does not find.
    pub until_found: bool,
    /// Where shrunk plans are kept.
    pub keep: Option<PathBuf>,
    /// Arguments that say how large and long the simulated towns are.
    pub town: Vec<String>,
}

/// What came of a campaign.
#[derive(Debug)]
pub struct Outcome {
    lists: Vec<List>,
    verdicts: Vec<Verdict>,
    with_tests: bool,
}

/// Runs a campaign, telling of each bug as it is found or not; goes on where an earlier one over the same sources ended.
///
/// # Errors
/// If a list does not fit the sources, they do not build, something is found without any bug, or a process cannot run.
pub fn run(campaign: &Campaign) -> Result<Outcome, Box<dyn Error>> {
    let mut lists = List::read_all(&campaign.lists)?;
    let all: Vec<&Bug> = lists.iter().flat_map(|list| &list.bugs).collect();
    if let Some(name) = campaign.only.iter().find(|name| !all.iter().any(|bug| bug.name == **name)) {
        return Err(format!("no bug is called `{name}`; the lists are in {}", campaign.lists.display()).into());
    }
    let copy = campaign.out.join("sources");
    let sources: String =
        instrument::copy(&campaign.workspace, &all, &copy)?.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // The build is told from inside of it.
    let copy = std::path::absolute(&copy)?;
    let hunters = Hunters::build(&copy, campaign)?;
    let wanted = |bug: &Bug| campaign.only.is_empty() || campaign.only.contains(&bug.name);
    let verdicts = Verdicts::open(&campaign.out.join("verdicts.jsonl"), &sources)?;
    let due: Vec<Bug> =
        all.into_iter().filter(|bug| wanted(bug) && verdicts.get(&bug.name).is_none()).cloned().collect();
    if !due.is_empty() {
        println!("first without any bug, for a tenth of the time: what is found then is none of the list");
        if let Some(found) = hunters.hunt_nothing(campaign.limit / 10)? {
            return Err(format!("found without any seeded bug: {}", found.by).into());
        }
    }
    let verdicts = hunt_due(&hunters, due, &sources, verdicts, campaign.jobs)?;
    lists.iter_mut().for_each(|list| list.bugs.retain(wanted));
    let of = |bug: &Bug| verdicts.get(&bug.name).cloned();
    let verdicts = lists.iter().flat_map(|list| &list.bugs).filter_map(of).collect();
    Ok(Outcome { lists, verdicts, with_tests: campaign.with_tests })
}

fn hunt_due(
    hunters: &Hunters,
    mut due: Vec<Bug>,
    sources: &str,
    verdicts: Verdicts,
    jobs: usize,
) -> Result<Verdicts, Box<dyn Error>> {
    due.reverse();
    let (due, verdicts) = (Mutex::new(due), Mutex::new(verdicts));
    let work = || -> std::io::Result<()> {
        loop {
            let next = due.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(bug) = next else { return Ok(()) };
            let verdict = hunters.hunt(&bug, sources)?;
            println!("{}", line(&bug, &verdict));
            verdicts.lock().unwrap_or_else(PoisonError::into_inner).add(verdict)?;
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().unwrap_or_else(|_| Err(std::io::Error::other("a hunter panicked"))))
    })?;
    Ok(verdicts.into_inner().unwrap_or_else(PoisonError::into_inner))
}

fn line(bug: &Bug, verdict: &Verdict) -> String {
    let said = |found: &Option<Found>| match found {
        Some(found) => format!("{:>6.1} s  {}", found.after_s, found.by),
        None => "       -".to_owned(),
    };
    format!("{:58} simulator {}\n{:58} tests     {}", bug.name, said(&verdict.simulator), "", said(&verdict.tests))
}

impl Outcome {
    /// Whether each bug was found by something.
    pub fn is_all_found(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.simulator.is_some() || verdict.tests.is_some())
    }

    /// The figures of each list, and the bugs that nothing found.
    pub fn table(&self) -> String {
        let mut out = String::new();
        let found = |list: &List, by: &dyn Fn(&Verdict) -> bool| {
            let of_list = self.verdicts.iter().filter(|verdict| list.bugs.iter().any(|bug| bug.name == verdict.bug));
            of_list.filter(|verdict| by(verdict)).count()
        };
        for list in &self.lists {
            let simulator = found(list, &|verdict| verdict.simulator.is_some());
            let either = found(list, &|verdict| verdict.simulator.is_some() || verdict.tests.is_some());
            let _ = write!(out, "{}: {} bugs, {simulator} found by the simulator", list.name, list.bugs.len());
            let _ = writeln!(
                out,
                "{}",
                if self.with_tests { format!(", {either} by it or the tests") } else { String::new() }
            );
        }
        for bug in self.lists.iter().flat_map(|list| &list.bugs) {
            let verdict = self.verdicts.iter().find(|verdict| verdict.bug == bug.name);
            if verdict.is_none_or(|verdict| verdict.simulator.is_none() && verdict.tests.is_none()) {
                let _ = writeln!(out, "not found: {} ({}: {})", bug.name, bug.file.display(), bug.why);
            }
        }
        let mut seconds: Vec<f64> = self.verdicts.iter().filter_map(|v| Some(v.simulator.as_ref()?.after_s)).collect();
        seconds.sort_by(f64::total_cmp);
        if let (Some(median), Some(last)) = (seconds.get(seconds.len() / 2), seconds.last()) {
            let _ = writeln!(out, "the simulator needed {median:.1} s (median), {last:.1} s at most");
        }
        out
    }
}

/// Where the lists are in a workspace.
pub fn lists_in(workspace: &Path) -> PathBuf {
    workspace.join("sim").join("bugs")
}
