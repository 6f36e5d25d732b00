//! One image is opened as production opens a store, and what it holds is compared with what was promised.

use std::any::Any;
use std::collections::BTreeSet;
use std::fmt;
use std::panic::AssertUnwindSafe;

use serde::Serialize;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::entry::Lane;
use townmesh_crdt::replica::{Recorded, Replica};
use townmesh_crdt::store::Store;

use super::cast::{Cast, open_store};
use super::holdings::{Holdings, Inspector};
use super::journal::{Ack, Journal, Mark};
use super::life::{Recorder, task};
use crate::dice::Dice;
use crate::disk::{Image, Mount};
use crate::plan::Work;
use crate::world::BEGIN;

/// Long after everything that was recorded.
const NOW: Millis = BEGIN + 24 * 3_600_000;

/// What may be wrong with an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It does not open.
    Unopened,
    /// Something acknowledged is not there.
    Lost,
    /// It holds part of a commit.
    HalfApplied,
    /// What it holds does not fit together.
    Broken,
    /// An opening signs in an epoch of an earlier one.
    UsedEpoch,
    /// What it holds cannot be read by commands.
    Unreadable,
    /// Nothing can be recorded in it.
    Unwritable,
    /// A node that gets everything from it does not come to the same documents.
    Differs,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unopened => "does not open",
            Self::Lost => "lost what was acknowledged",
            Self::HalfApplied => "holds part of a commit",
            Self::Broken => "does not fit together",
            Self::UsedEpoch => "signs in a used epoch",
            Self::Unreadable => "cannot be read",
            Self::Unwritable => "cannot be written",
            Self::Differs => "differs from a replay",
        })
    }
}

/// Something that is wrong with an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) wrong: Wrong,
    pub(crate) what: String,
}

fn finding(wrong: Wrong, what: impl fmt::Display) -> Finding {
    Finding { wrong, what: what.to_string() }
}

/// What is expected of an image.
#[derive(Debug, Clone)]
pub(crate) struct Expected<'a> {
    /// What it may hold: what was durable, or that with the commit on its way.
    pub(crate) allowed: &'a [Mark],
    /// What it held before that.
    pub(crate) earlier: &'a [Mark],
    /// What was acknowledged.
    pub(crate) acks: &'a [Ack],
    /// Epochs in which the node has signed.
    pub(crate) epochs: &'a [u64],
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) findings: Vec<Finding>,
    /// What the opening and the work after it did to the disk.
    pub(crate) journal: Option<Journal>,
}

/// The journal of an image's opening, as far as it came, and what was found wrong.
struct Exam<'a> {
    cast: &'a Cast,
    inspector: &'a mut Inspector,
    dice: Dice,
    expected: &'a Expected<'a>,
    /// The opening is to be cut, too: what is durable when must be known.
    is_marked: bool,
    findings: Vec<Finding>,
}

/// Opens an image and looks at it. The dice are those of its opening: another image, other dice. Only a journal that is
/// marked can be cut again: to look at the store after each commit takes as long as the commits.
pub(crate) fn examine(
    cast: &Cast,
    inspector: &mut Inspector,
    image: Image,
    dice: Dice,
    expected: &Expected<'_>,
    is_marked: bool,
) -> Examined {
    let mut exam = Exam { cast, inspector, dice, expected, is_marked, findings: vec![] };
    // The database panics on some damaged pages; the binary takes that for damage, too.
    let journal = std::panic::catch_unwind(AssertUnwindSafe(|| exam.run(image)));
    let journal = journal.unwrap_or_else(|panic| {
        exam.findings.push(finding(Wrong::Unopened, words_of(panic.as_ref())));
        None
    });
    Examined { findings: exam.findings, journal }
}

/// What a panic says.
pub(crate) fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// What is wrong with what a store holds right after it was opened.
pub(crate) fn compare(held: &Holdings, expected: &Expected<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is = |mark: &&Mark| mark.holdings.digest == held.digest;
    if !expected.allowed.iter().any(|mark| is(&mark)) {
        let before = expected.earlier.iter().rev().position(|mark| is(&mark));
        findings.push(match before {
            Some(commits) => finding(Wrong::Lost, format!("it is as it was {} commits before", commits + 1)),
            None => finding(Wrong::HalfApplied, difference(held, expected.allowed)),
        });
    }
    let missing = expected.acks.iter().find(|ack| held.entry(&ack.log, ack.seq) != Some(ack.entry));
    if let Some(ack) = missing {
        findings.push(finding(Wrong::Lost, format!("entry {} of a log of {}", ack.seq, ack.log.author.short())));
    }
    findings.extend(held.broken.iter().map(|what| finding(Wrong::Broken, what)));
    findings
}

/// In words, how far what is held is from what may be.
fn difference(held: &Holdings, allowed: &[Mark]) -> String {
    let count = |holdings: &Holdings| holdings.logs.values().map(Vec::len).sum::<usize>();
    let may: Vec<String> = allowed.iter().map(|mark| count(&mark.holdings).to_string()).collect();
    let same_logs = allowed.iter().any(|mark| mark.holdings.logs == held.logs);
    let rest = if same_logs { ", the same entries but other rows" } else { "" };
    format!("{} entries where {} may be{rest}", count(held), may.join(" or "))
}

impl Exam<'_> {
    fn found(&mut self, wrong: Wrong, what: impl fmt::Display) {
        self.findings.push(finding(wrong, what));
    }

    fn run(&mut self, image: Image) -> Option<Journal> {
        // The recorder needs to know what stands there, which only opening tells: it begins with a guess.
        let oldest = self.expected.allowed.first()?.clone();
        let mut recorder = Recorder::on(image, Holdings::of_nothing(), oldest.joined);
        let mount = recorder.mount();
        let store = match open_store(mount.clone()) {
            Ok(store) => store,
            Err(error) => {
                self.found(Wrong::Unopened, error);
                return None;
            }
        };
        let held = self.read(&store)?;
        self.findings.extend(compare(&held, self.expected));
        recorder.begin_with(held.clone());
        let (dice, expect_data) = (self.dice.clone(), oldest.holdings.is_owned);
        let mut replica = match self.cast.recorded.open(store, dice, expect_data, NOW) {
            Ok(replica) => replica,
            Err(error) => {
                self.found(Wrong::Unopened, error);
                return None;
            }
        };
        self.mark(&replica, &mut recorder)?;
        if !recorder.joined {
            // Joining was cut short, so whoever joined the node does it again.
            self.cast.recorded.join(&mut replica, NOW).ok()?;
            self.commit(&mut replica)?;
            recorder.joined = true;
            self.mark(&replica, &mut recorder)?;
        }
        let staged = self.record(&mut replica, &mut recorder)?;
        let after = self.calm(&mut replica, &mut recorder, &held)?;
        if staged.iter().any(|recorded| after.entry(&recorded.log, recorded.seq).is_none()) {
            self.found(Wrong::Lost, "what was committed just now cannot be read");
        }
        if replica.is_durable() {
            recorder.mark(after);
            self.end(replica, &mount);
        } else if self.end(replica, &mount) {
            recorder.mark(after);
        }
        Some(recorder.into_journal())
    }

    fn read(&mut self, store: &Store) -> Option<Holdings> {
        match self.inspector.read(store) {
            Ok(holdings) => Some(holdings),
            Err(error) => {
                self.found(Wrong::Unreadable, error);
                None
            }
        }
    }

    fn mark(&mut self, replica: &Replica, recorder: &mut Recorder) -> Option<()> {
        if !self.is_marked || !replica.is_durable() {
            return Some(());
        }
        let held = self.read(replica.store())?;
        recorder.mark(held);
        Some(())
    }

    fn commit(&mut self, replica: &mut Replica) -> Option<()> {
        match replica.commit(NOW) {
            Ok(()) => Some(()),
            Err(error) => {
                self.found(Wrong::Unwritable, error);
                None
            }
        }
    }

    /// Records something new, and something that is read before it is written.
    fn record(&mut self, replica: &mut Replica, recorder: &mut Recorder) -> Option<Vec<Recorded>> {
        let mut staged: Vec<Recorded> = Vec::new();
        let works = [Work::Report, Work::Edit, Work::Inspect, Work::Device, Work::Photo];
        let drawn = *self.dice.one_of(&works)?;
        let is_ready = !self.expected.acks.is_empty();
        for work in [drawn, Work::Household] {
            let dice = Dice::new(self.dice.serial());
            let mut task = task(replica, dice, self.cast.region, NOW);
            let done = if work == Work::Household { task.household(Lane::Work) } else { task.run(work) };
            match done {
                Ok(done) => staged.extend(done.map(|(recorded, ..)| recorded)),
                // Before it met anybody it knows of no place to record in.
                Err(error) if is_ready => self.found(Wrong::Unwritable, error),
                Err(_) => {}
            }
        }
        if staged.is_empty() && is_ready {
            self.found(Wrong::Unwritable, "nothing was recorded");
        }
        self.commit(replica)?;
        self.mark(replica, recorder)?;
        let used: BTreeSet<u64> = self.expected.epochs.iter().copied().collect();
        for recorded in &staged {
            recorder.acknowledge(recorded);
            if used.contains(&recorded.log.epoch) {
                self.found(Wrong::UsedEpoch, format!("{:016x}, seq {}", recorded.log.epoch, recorded.seq));
            }
        }
        Some(staged)
    }

    /// Lets everything be folded and written, and looks whether the documents are whole.
    fn calm(&mut self, replica: &mut Replica, recorder: &mut Recorder, before: &Holdings) -> Option<Holdings> {
        loop {
            let more = match replica.fold(NOW) {
                Ok(more) => more,
                Err(error) => {
                    self.found(Wrong::Unreadable, error);
                    return None;
                }
            };
            self.commit(replica)?;
            if !more && !replica.has_unwritten() && !replica.has_staged() {
                break;
            }
            self.mark(replica, recorder)?;
        }
        let held = self.read(replica.store())?;
        self.settled(before, &held, recorder);
        Some(held)
    }

    /// Once it is calm, everything is folded and everything that was there is there.
    fn settled(&mut self, before: &Holdings, held: &Holdings, recorder: &Recorder) {
        self.findings.extend(held.broken.iter().map(|what| finding(Wrong::Broken, what)));
        if held.unfolded > 0 && recorder.joined && !self.expected.acks.is_empty() {
            self.found(Wrong::Broken, format!("{} entries are not in the documents", held.unfolded));
        }
        let keeps = |(log, ids): (_, &Vec<_>)| held.logs.get(log).is_some_and(|now: &Vec<_>| now.starts_with(ids));
        if !before.logs.iter().all(keeps) {
            self.found(Wrong::Lost, "opening it dropped entries");
        }
    }

    /// The process ends, or is killed. True if it ended: then all that could be read is durable.
    fn end(&mut self, replica: Replica, mount: &Mount) -> bool {
        let is_killed = self.dice.chance(50);
        if is_killed {
            mount.kill();
        }
        drop(replica);
        !is_killed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::DiskFault;
    use crate::images::life;

    /// The disk fails under an image that was sound when it was opened.
    fn after_fault(fault: DiskFault, act: impl FnOnce(&mut Exam<'_>, &mut Replica, &mut Recorder)) -> Vec<Finding> {
        let cast = Cast::of(1).unwrap();
        let mut inspector = Inspector::new(cast.names.clone(), &cast.recorded.secrets).unwrap();
        let journal = life::live(&cast, &mut inspector, 1).unwrap();
        let mut image = journal.base.clone();
        journal.ops.iter().for_each(|op| op.apply(&mut image));
        let expected = Expected { allowed: &[], earlier: &[], acks: &journal.acks, epochs: &[] };
        let disk = crate::disk::Disk::of(image.clone());
        let mut recorder = Recorder::on(image, Holdings::of_nothing(), true);
        let store = open_store(disk.mount()).unwrap();
        let mut replica = cast.recorded.open(store, Dice::new(1), true, NOW).unwrap();
        disk.set_fault(Some(fault));
        let (inspector, dice) = (&mut inspector, Dice::new(2));
        let mut exam = Exam { cast: &cast, inspector, dice, expected: &expected, is_marked: true, findings: vec![] };
        act(&mut exam, &mut replica, &mut recorder);
        exam.findings
    }

    #[test]
    fn a_store_in_which_nothing_can_be_recorded_is_found() {
        for fault in [DiskFault::Sync, DiskFault::Write, DiskFault::Full] {
            let findings = after_fault(fault, |exam, replica, recorder| _ = exam.record(replica, recorder));
            assert!(findings.iter().any(|found| found.wrong == Wrong::Unwritable), "{fault:?}: {findings:?}");
        }
    }

    #[test]
    fn entries_that_an_opening_drops_or_leaves_unfolded_are_found() {
        let findings = after_fault(DiskFault::Full, |exam, replica, recorder| {
            let mut before = exam.read(replica.store()).unwrap();
            before.logs.values_mut().for_each(|ids| ids.push(townmesh_crdt::id::EntryId([1; 32])));
            exam.settled(&before, &before.clone(), recorder);
            let after = Holdings { unfolded: 3, logs: std::collections::BTreeMap::new(), ..before.clone() };
            exam.settled(&before, &after, recorder);
        });
        let words: Vec<&str> = findings.iter().map(|found| found.what.as_str()).collect();
        assert_eq!(words, ["3 entries are not in the documents", "opening it dropped entries"]);
    }
}
