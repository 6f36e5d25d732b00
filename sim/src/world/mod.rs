//! The world: one thread, one queue of events in order of time, and every production replica of a town.

mod cases;
mod desk;
mod faults;
mod later;
mod ledger;
mod links;
pub(crate) mod meter;
mod net;
mod node;
mod rest;
pub(crate) mod roster;
mod rows;
mod setup;
pub(crate) mod shown;
#[cfg(test)]
mod tests;
mod trace;
mod turn;
mod watch;
pub(crate) mod work;

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::clock::Millis;
use townmesh_crdt::enrol::{Authority, Founded};
use townmesh_crdt::id::{NamespaceId, NodeId};
use townmesh_crdt::namespace::Namespace;

pub(crate) use desk::STEPS;
pub use ledger::{Ack, Content, Erased, Said, Stated};
pub(crate) use ledger::{Ledger, MARK, OF_A_REMOVED_NODE};
pub(crate) use node::Node;
pub use rows::{Cell, How, Rows, Tracked, Written};

use crate::check::Violation;
use crate::dice::Dice;
use crate::plan::{DEPLOYMENT, HOUR, MINUTE, Options, Plan, Step, What, Work};
use net::{Conn, ConnId};
use roster::Roster;
use trace::Trace;

/// Within which time, beside a few beacons, what is recorded while all are connected has reached everybody.
const NEW_YEAR_BOUND: Millis = 2 * HOUR;

/// When the town begins: 2026-11-23 06:00 in China.
pub const BEGIN: Millis = 1_795_384_800_000;

/// Why there is no town to simulate.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// Fewer nodes than a town has parts.
    #[error("a town of {0} nodes is too small: give at least 4")]
    TooSmall(usize),
    /// The table of regions.
    #[error("the table of regions is wrong: {0}")]
    Regions(String),
    /// Enrolment or the first opening.
    #[error("the town could not be founded: {0}")]
    Founding(String),
}

/// Counts of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions that began.
    pub sessions: u64,
    /// Messages that arrived.
    pub messages: u64,
    /// Bytes that arrived.
    pub bytes: u64,
    /// The largest message.
    pub largest: usize,
    /// Records acknowledged.
    pub acknowledged: u64,
    /// Commands refused by a rule, which is an answer.
    pub refused: u64,
    /// Faults that took place.
    pub faults: u64,
    /// Faults that had nothing to act upon when their time came.
    pub idle_faults: u64,
    /// Times that a node was opened.
    pub openings: u64,
    /// Power cuts, those during recovery included.
    pub power_cuts: u64,
    /// Disks found damaged and replaced.
    pub replaced_disks: u64,
    /// Forged or altered messages that were refused.
    pub forgeries_refused: u64,
    /// Claims (equal, delivered) that were compared with what is.
    pub claims_checked: u64,
    /// Commits.
    pub commits: u64,
    /// Values that were written in cells of tables and books, or answered about residents.
    pub values: u64,
    /// Of those, written by somebody to whom what had arrived was not all shown: less is demanded of them.
    pub unsure: u64,
    /// Conflicts that were settled.
    pub settled: u64,
    /// Settlements that were taken back.
    pub undone: u64,
}

/// What is to happen.
#[derive(Debug)]
enum Event {
    /// A step of the plan.
    Step(usize),
    /// A message arrives at an end of a connection.
    Deliver { conn: ConnId, side: usize, bytes: Vec<u8> },
    /// An end learns that a connection is up.
    Opened { conn: ConnId, side: usize },
    /// An end learns that it is gone.
    Closed { conn: ConnId, side: usize },
    /// A node has something to commit, send or fold.
    Turn(usize),
    /// A node starts.
    Boot(usize),
    /// A disk is well again.
    DiskHealed(usize),
    /// A node reads again.
    Hears(usize),
    /// Links are looked at, and beacons.
    Round,
}

/// A town that is being lived through.
#[derive(Debug)]
pub struct World {
    options: Options,
    steps: Vec<Step>,
    roster: Roster,
    founded: Founded,
    /// Two further authorities, which remove each other where the plan says so.
    spares: Vec<Authority>,
    names: BTreeMap<NamespaceId, Namespace>,
    nodes: Vec<Node>,
    conns: BTreeMap<ConnId, Conn>,
    next_conn: ConnId,
    queue: BTreeMap<(Millis, u64), Event>,
    serial: u64,
    /// Milliseconds since the beginning.
    now: Millis,
    partitions: Vec<(Millis, BTreeSet<usize>)>,
    /// The faults have stopped.
    calm: bool,
    ledger: Ledger,
    stats: Stats,
    trace: Trace,
    violations: Vec<Violation>,
    equal_claims: u64,
    /// Counts bytes on each link, where somebody asks.
    meter: Option<meter::Meter>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Counts.
    pub stats: Stats,
    /// Hash over all events.
    pub trace: [u8; 32],
    /// How many events there were.
    pub events: u64,
    /// Milliseconds of the town that were lived through.
    pub lived: Millis,
    /// Milliseconds from the end of the faults until everybody had everything.
    pub converged_after: Option<Millis>,
    /// Entries in logs, over all nodes.
    pub appended: u64,
    /// Bytes of entries in logs, over all nodes.
    pub appended_bytes: u64,
    /// Bytes on all disks.
    pub disk_bytes: u64,
    /// Documents at the node that reads most.
    pub documents: usize,
    /// What happened, for people.
    pub story: Vec<String>,
}

impl Outcome {
    /// A node, or the simulator itself, panicked: nothing else is known of the run.
    fn of_panic(words: String) -> Self {
        Self {
            violations: vec![Violation { rule: "nothing panics", what: words, at: 0 }],
            stats: Stats::default(),
            trace: [0; 32],
            events: 0,
            lived: 0,
            converged_after: None,
            appended: 0,
            appended_bytes: 0,
            disk_bytes: 0,
            documents: 0,
            story: vec![],
        }
    }
}

impl World {
    /// Lives through a plan: work and faults first, then calm, in which everybody must come to hold everything.
    ///
    /// # Errors
    /// [`WorldError`] if there is no town; what goes wrong in it stands in the outcome.
    pub fn live(plan: &Plan, with_story: bool) -> Result<Outcome, WorldError> {
        let lived = std::panic::catch_unwind(|| Self::live_through(plan, with_story));
        lived.unwrap_or_else(|panic| Ok(Outcome::of_panic(node::words_of(panic.as_ref()))))
    }

    /// Lives through several plans at one time, hour by hour: the towns of a district, which share a machine and nothing
    /// else. How each turns out does not depend on the others.
    ///
    /// # Errors
    /// [`WorldError`] if there is no town.
    pub fn live_together(plans: &[Plan]) -> Result<Vec<Outcome>, WorldError> {
        let mut worlds = plans.iter().map(|plan| Self::found(plan, false)).collect::<Result<Vec<_>, _>>()?;
        let end = worlds.iter().map(Self::faults_end).max().unwrap_or(0);
        for hour in 1..=end.div_ceil(HOUR) {
            for world in &mut worlds {
                world.run_until(world.faults_end().min(hour * HOUR));
            }
        }
        // None is dropped before the last has come to rest, so that what they need together is seen.
        Ok(worlds.iter_mut().map(Self::settle).collect())
    }

    fn live_through(plan: &Plan, with_story: bool) -> Result<Outcome, WorldError> {
        let mut world = Self::found(plan, with_story)?;
        world.run_until(world.faults_end());
        Ok(world.settle())
    }

    fn faults_end(&self) -> Millis {
        DEPLOYMENT + Millis::from(self.options.hours) * HOUR
    }

    /// The faults stop, and everybody must come to hold everything.
    fn settle(&mut self) -> Outcome {
        self.trace.tell(self.now, || "the faults stop".into());
        self.become_calm();
        let calm_since = self.now;
        let bound = calm_since + self.options.bound_min * MINUTE;
        let mut converged = None;
        while self.now < bound && self.violations.is_empty() {
            self.run_until((self.now + 5 * MINUTE).min(bound));
            if self.unlike().is_none() {
                converged = Some(self.now - calm_since);
                break;
            }
        }
        if converged.is_some() && self.violations.is_empty() {
            self.celebrate_new_year();
        }
        if self.violations.is_empty() {
            self.look_for_leaks();
        }
        let view = crate::check::view::TownView::of(self);
        let documents = view.nodes.iter().map(|node| node.documents.len()).max().unwrap_or(0);
        let mut found = std::mem::take(&mut self.violations);
        if found.is_empty() {
            found = crate::check::all(&view, converged.is_some());
        }
        Outcome { documents, ..self.outcome(found, converged) }
    }

    /// Once all are alike, the year ends and everybody records something while all links stay up: it reaches everybody
    /// without a new session, and beacons say so.
    fn celebrate_new_year(&mut self) {
        // A beacon names what moved last and digests of the rest in turn: it takes some of them until all is said.
        let end = self.now + NEW_YEAR_BOUND + 12 * self.options.beacon_s * 1000;
        self.trace.tell(self.now, || "the year ends".into());
        self.begin_new_year();
        while self.now < end && self.violations.is_empty() {
            self.run_until((self.now + 2 * MINUTE).min(end));
            if self.unlike().is_none() && self.untold().is_none() {
                return;
            }
        }
        if self.violations.is_empty() {
            let what = self.unlike().or_else(|| self.untold()).unwrap_or_default();
            self.violate("what is recorded while all are connected reaches all, and they are told so", what);
        }
    }

    fn outcome(&mut self, violations: Vec<Violation>, converged_after: Option<Millis>) -> Outcome {
        let logs = || self.nodes.iter().flat_map(|node| node.replica.iter().flat_map(|replica| replica.logs()));
        let (appended, appended_bytes) =
            logs().fold((0, 0), |(entries, bytes), state| (entries + state.height, bytes + state.bytes));
        Outcome {
            violations,
            stats: self.stats,
            trace: self.trace.hash(),
            events: self.trace.events(),
            lived: self.now,
            converged_after,
            appended,
            appended_bytes,
            disk_bytes: self.nodes.iter().map(|node| node.disk.current().len()).sum(),
            documents: 0,
            story: self.trace.take_story(),
        }
    }

    /// Puts an event into the queue.
    fn at(&mut self, when: Millis, event: Event) {
        self.serial += 1;
        self.queue.insert((when.max(self.now), self.serial), event);
    }

    /// Lives until a moment, or until something is wrong.
    fn run_until(&mut self, end: Millis) {
        while self.violations.is_empty()
            && let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= end
        {
            let ((when, _), event) = entry.remove_entry();
            self.now = when;
            self.happen(event);
        }
        self.now = self.now.max(end);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Step(number) => self.step(number),
            Event::Deliver { conn, side, bytes } => self.arrive(conn, side, bytes),
            Event::Opened { conn, side } => self.opened(conn, side),
            Event::Closed { conn, side } => self.closed(conn, side),
            Event::Turn(node) => self.turn(node),
            Event::Boot(node) => self.boot(node),
            Event::DiskHealed(node) => self.heal_disk(node),
            Event::Hears(node) => self.read_unread(node),
            Event::Round => self.round(),
        }
    }

    fn step(&mut self, number: usize) {
        let Some(step) = self.steps.get(number).cloned() else { return };
        let mut dice = Dice::new(step.dice);
        match step.what {
            What::Work(Work::Center) => self.second_center(step.node, &mut dice),
            What::Work(work @ (Work::Table | Work::Book | Work::Tenant | Work::Settle | Work::Undo | Work::Track)) => {
                self.later_work(step.node, work, dice)
            }
            What::Work(work) => {
                // People at a cloned machine do not know that it is one.
                let clone = self.nodes.iter().position(|node| node.clone_of == Some(step.node));
                let number = clone.filter(|_| dice.chance(50)).unwrap_or(step.node);
                // Whoever joined later works, too.
                let newcomers = self.nodes.len().saturating_sub(self.options.nodes);
                let newcomer = (newcomers > 0 && dice.chance(20))
                    .then(|| self.options.nodes + dice.below(newcomers as u32) as usize);
                let number = newcomer.unwrap_or(number);
                self.work(number, work, dice);
            }
            What::Fault(fault) => {
                let before = self.stats.idle_faults;
                self.fault(step.node, fault, dice);
                self.stats.faults += u64::from(self.stats.idle_faults == before);
            }
        }
    }

    /// What a node's clock shows.
    fn clock(&self, node: usize) -> Millis {
        self.nodes.get(node).map_or(0, |node| node.clock.at(BEGIN + self.now))
    }

    fn name(&self, node: usize) -> String {
        self.nodes.get(node).map_or_else(|| "nobody".into(), |node| node.spec.name.clone())
    }

    fn violate(&mut self, rule: &'static str, what: String) {
        let now = self.now;
        self.trace.tell(now, || format!("WRONG: {rule}: {what}"));
        self.violations.push(Violation { rule, what, at: now });
    }

    /// Beacons that all nodes were due to send until now.
    pub(crate) fn beacons_due(&self) -> u64 {
        self.nodes.len() as u64 * (self.now / 1000 / self.options.beacon_s.max(1) + 1)
    }

    /// Whether a node still belongs to the town.
    pub(crate) fn is_member(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| node.removed.is_none())
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn nodes_mut(&mut self) -> &mut [Node] {
        &mut self.nodes
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(crate) fn names(&self) -> &BTreeMap<NamespaceId, Namespace> {
        &self.names
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats
    }

    pub(crate) fn seed(&self) -> u64 {
        self.options.seed
    }

    /// The words that only holders of a region may have on their disks in the clear.
    pub(crate) fn canary(seed: u64, region: &str) -> String {
        let hash = blake3::hash(format!("canary {seed} {region}").as_bytes());
        format!("canary-{}", &hash.to_hex()[..16])
    }

    pub(crate) fn regions(&self) -> &[String] {
        &self.roster.regions
    }

    /// The nodes with this id: one, or it and its clone.
    fn with_id(&self, id: NodeId) -> impl Iterator<Item = usize> {
        self.nodes.iter().enumerate().filter(move |(_, node)| node.id() == id).map(|(number, _)| number)
    }
}
