//! Plans: the schedule of work and faults of one run, drawn from its seed before anything happens.
//!
//! Each step carries the dice that it will throw, so that taking others away changes nothing about it.

use serde::{Deserialize, Serialize};
use townmesh_crdt::clock::Millis;

use crate::dice::Dice;
use crate::disk::{Cut, DiskFault};

/// Milliseconds in a minute, an hour and a day.
pub const MINUTE: Millis = 60_000;
/// Milliseconds in an hour.
pub const HOUR: Millis = 60 * MINUTE;
/// Milliseconds in a day.
pub const DAY: Millis = 24 * HOUR;

/// Time before the first step, in which all nodes meet the center and learn of the town.
pub const DEPLOYMENT: Millis = 30 * MINUTE;

/// What a run is to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Everything follows from it.
    pub seed: u64,
    /// How many nodes the town has: centers, village offices, vehicles, carriers.
    pub nodes: usize,
    /// Hours of work and faults.
    pub hours: u32,
    /// Work in percent of the model town's.
    pub load: u32,
    /// Faults in percent of what the seed draws; 0 for a quiet town.
    pub faults: u32,
    /// Seconds between two beacons of a node.
    pub beacon_s: u64,
    /// Minutes within which everybody must have everything once the faults have stopped.
    pub bound_min: u64,
    /// Most events in one report of a device.
    #[serde(default = "few_events")]
    pub events: u32,
}

fn few_events() -> u32 {
    Options::default().events
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 1, nodes: 12, hours: 24, load: 100, faults: 100, beacon_s: 900, bound_min: 180, events: 12 }
    }
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, in milliseconds after the beginning.
    pub at: Millis,
    /// At which node.
    pub node: usize,
    /// What.
    pub what: What,
    /// Seed of the dice that it throws.
    pub dice: u64,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// People and devices at work.
    Work(Work),
    /// Something goes wrong.
    Fault(Fault),
}

/// What people and devices do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Work {
    /// A household is recorded, or recorded again with something new.
    Household,
    /// A resident or a household is edited.
    Edit,
    /// A household is inspected.
    Inspect,
    /// A step is taken about a hazard.
    Hazard,
    /// A problem is reported.
    Report,
    /// Somebody acts on a case.
    Act,
    /// A device says something.
    Device,
    /// A member of the staff is recorded.
    Member,
    /// A unit says where it is.
    Position,
    /// A photo is recorded.
    Photo,
    /// A center edits or imports rows of a table of the town.
    Table,
    /// An entry of a book: an enterprise, a shift, a campaign, a message.
    Book,
    /// A tenant is recorded whom the next office may be recording, too.
    Tenant,
    /// A conflict is settled.
    Settle,
    /// A settlement is taken back.
    Undo,
    /// A unit records where it was.
    Track,
    /// A second center joins the town.
    Center,
}

/// Weights of the kinds of work, by who does it: offices and centers, vehicles.
const WORK: [(Work, u32, u32); 10] = [
    (Work::Household, 16, 4),
    (Work::Edit, 14, 4),
    (Work::Inspect, 16, 24),
    (Work::Hazard, 8, 10),
    (Work::Report, 8, 8),
    (Work::Act, 30, 24),
    (Work::Device, 24, 16),
    (Work::Member, 1, 0),
    (Work::Position, 0, 4),
    (Work::Photo, 1, 1),
];

/// What came to the domain later: kind of work, how often it happens in a node-day. Drawn with dice of their own, so that the
/// other steps of a seed stay as they were.
const LATER_WORK: [(Work, u64); 6] =
    [(Work::Table, 14), (Work::Book, 30), (Work::Tenant, 10), (Work::Settle, 24), (Work::Undo, 6), (Work::Track, 8)];

/// What goes wrong. The number is the row of FAULTS.md.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// 1: the process is killed.
    Kill {
        /// Minutes until it starts again.
        minutes: u32,
    },
    /// 2 and 3: the power goes, maybe again during each of the next recoveries.
    PowerCut {
        /// What becomes of writes that were not synced.
        cut: Cut,
        /// Disk operations until then; 0 for at once.
        operations: u64,
        /// Minutes until it is back.
        minutes: u32,
        /// For each recovery that is cut, too: after how many operations, and how.
        again: Vec<(u64, Cut)>,
    },
    /// 4: the disk fails for a while.
    Disk {
        /// How.
        fault: DiskFault,
        /// Minutes until it is well again.
        minutes: u32,
    },
    /// 5: bits flip on the disk of a machine that is off.
    Rot {
        /// How many.
        bits: u32,
    },
    /// 6: the store vanishes.
    Vanish,
    /// 7: the disk is copied, to be restored or cloned later.
    Backup,
    /// 7: the copy takes the place of the disk.
    Restore,
    /// 7: the copy runs on a second machine beside the first.
    Clone,
    /// 8: the node's key signs two histories.
    Equivocate,
    /// 13: the node does not read.
    Deaf {
        /// For how many minutes.
        minutes: u32,
    },
    /// 16 and 17: the node is stolen; a center removes it, and it goes on recording, with its clock put back.
    Revoke,
    /// 18: two authorities remove each other on two sides.
    MutualRemoval,
    /// 19 and 20: the clock jumps.
    Jump {
        /// By how many milliseconds.
        by: i64,
    },
    /// 19: the clock begins anew in 1970.
    RtcReset,
    /// 19: the clock runs fast or slow.
    Drift {
        /// By how many millionths.
        ppm: i64,
    },
    /// 20: a device says something that lies years ahead.
    FutureEvent,
    /// 21: some nodes are cut off from the others.
    Partition {
        /// Which.
        nodes: Vec<usize>,
        /// For how many minutes.
        minutes: u32,
    },
    /// 22: nothing gets through from this node to its peers, but everything the other way.
    OneWay {
        /// For how many minutes.
        minutes: u32,
    },
    /// 22: the node's address changes: all its connections break and come again.
    Roam,
    /// 23: the node's peers dial it a second time while they are connected.
    Twice,
    /// 23: a message that was delivered before arrives again.
    Replay,
    /// 24: a carrier alters a message.
    Tamper,
    /// 24: entries are forged: by a node outside its region, by nobody's key, with another node's name.
    Forge {
        /// Which forgery.
        kind: Forgery,
    },
    /// 28: a vehicle joins with an invite of this node.
    Join {
        /// Somebody else joins with the same one.
        twice: bool,
    },
    /// 28: somebody joins with the invite of a node that was removed.
    Rejoin,
    /// 30: a resident is erased.
    Erase,
    /// 17: what a removed node wrote before anybody had seen it counts after all.
    Ratify,
    /// 25: a node of a newer version says what others do not know.
    Newer {
        /// What kind of thing.
        what: Newer,
    },
    /// 11: the node fills `auth`.
    Flood,
    /// 23: two offices edit one household in the same millisecond.
    AtOnce,
    /// 30: whom an entry of a book names is erased, or somebody who was recorded twice.
    EraseInBook,
    /// 24: a node signs what its certificate does not allow it.
    Overreach {
        /// What.
        what: Overreach,
    },
}

/// What some node may not record although it may write there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Overreach {
    /// A row of a table, by another node than a center.
    Table,
    /// A response plan that is opened by a vehicle.
    Response,
    /// What followed from a rating, by another node than a center.
    Consequence,
}

/// What only newer versions know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Newer {
    /// A message.
    Message,
    /// A card.
    Card,
    /// An item of an entry, beside one that everybody knows.
    Item,
}

/// Entries that nobody may accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Forgery {
    /// An enrolled node writes into a region that is not its own.
    Scope,
    /// A key that is not enrolled writes.
    Stranger,
    /// A node writes in the name of another one.
    Name,
}

/// A kind of fault that a run may switch on: its row of FAULTS.md, how often it happens in 100 node-days, and most
/// times in one run.
struct Kind {
    row: u32,
    name: &'static str,
    rate: u32,
    most: u32,
    draw: fn(&mut Dice, usize) -> Fault,
}

/// A row of FAULTS.md that is not simulated yet, and what it waits for.
pub const SLOTS: [(u32, &str, &str); 9] = [
    (4, "a failed fsync after which the system forgets what it had not written", "checks of the disk past the cache"),
    (5, "rot while the node runs, zeroed and cut off pages", "fetching a range again from peers"),
    (8, "an honest edit on top of an entry past a fork", "counted branches, DESIGN 12.2"),
    (9, "malformed input on every decoder", "fuzzed by `make fuzz`"),
    (10, "changes that panic Automerge", "crafted changes are tested in crdt"),
    (14, "forged discovery announcements", "belongs to the transport"),
    (15, "stolen box, off", "encryption of what holders store"),
    (29, "lost root key", "m-of-n recovery"),
    (31, "a node that returns after a namespace was dropped", "retention; the return after an erasure is simulated"),
];

const KINDS: [Kind; 32] = [
    Kind { row: 1, name: "kill", rate: 60, most: 10_000, draw: |dice, _| Fault::Kill { minutes: dice.below(30) } },
    Kind { row: 2, name: "power cut", rate: 60, most: 10_000, draw: |dice, _| power_cut(dice, 0) },
    Kind { row: 3, name: "power cut in recovery", rate: 30, most: 10_000, draw: |dice, _| power_cut(dice, 3) },
    Kind { row: 4, name: "disk fault", rate: 30, most: 10_000, draw: |dice, _| disk_fault(dice) },
    Kind { row: 5, name: "bit rot", rate: 12, most: 50, draw: |dice, _| Fault::Rot { bits: 1 + dice.below(40) } },
    Kind { row: 6, name: "store vanished", rate: 20, most: 50, draw: |_, _| Fault::Vanish },
    Kind { row: 7, name: "backup", rate: 50, most: 200, draw: |_, _| Fault::Backup },
    Kind { row: 7, name: "restore", rate: 25, most: 50, draw: |_, _| Fault::Restore },
    Kind { row: 7, name: "clone", rate: 20, most: 3, draw: |_, _| Fault::Clone },
    Kind { row: 8, name: "equivocation", rate: 40, most: 4, draw: |_, _| Fault::Equivocate },
    Kind {
        row: 13,
        name: "deaf peer",
        rate: 30,
        most: 10_000,
        draw: |dice, _| Fault::Deaf { minutes: dice.below(90) },
    },
    Kind { row: 16, name: "revocation", rate: 30, most: 2, draw: |_, _| Fault::Revoke },
    Kind { row: 18, name: "mutual removal", rate: 25, most: 1, draw: |_, _| Fault::MutualRemoval },
    Kind { row: 19, name: "clock", rate: 40, most: 10_000, draw: |dice, _| clock(dice) },
    Kind { row: 20, name: "future event", rate: 20, most: 10_000, draw: |_, _| Fault::FutureEvent },
    Kind { row: 21, name: "partition", rate: 30, most: 1_000, draw: partition },
    Kind {
        row: 22,
        name: "one-way link",
        rate: 30,
        most: 10_000,
        draw: |dice, _| Fault::OneWay { minutes: dice.below(60) },
    },
    Kind { row: 22, name: "roaming", rate: 60, most: 10_000, draw: |_, _| Fault::Roam },
    Kind { row: 23, name: "double connection", rate: 60, most: 10_000, draw: |_, _| Fault::Twice },
    Kind { row: 23, name: "replay", rate: 60, most: 10_000, draw: |_, _| Fault::Replay },
    Kind { row: 24, name: "tampering", rate: 40, most: 10_000, draw: |_, _| Fault::Tamper },
    Kind { row: 24, name: "forgery", rate: 30, most: 10_000, draw: |dice, _| forge(dice) },
    Kind { row: 28, name: "newcomer", rate: 30, most: 3, draw: |_, _| Fault::Join { twice: false } },
    Kind { row: 28, name: "invite used twice", rate: 20, most: 2, draw: |_, _| Fault::Join { twice: true } },
    Kind { row: 28, name: "withdrawn invite", rate: 30, most: 2, draw: |_, _| Fault::Rejoin },
    Kind { row: 30, name: "erasure", rate: 60, most: 200, draw: |_, _| Fault::Erase },
    Kind { row: 17, name: "ratification", rate: 20, most: 2, draw: |_, _| Fault::Ratify },
    Kind { row: 25, name: "newer version", rate: 100, most: 10_000, draw: |dice, _| newer(dice) },
    Kind { row: 11, name: "flooder", rate: 8, most: 1, draw: |_, _| Fault::Flood },
    Kind { row: 23, name: "edits at once", rate: 60, most: 10_000, draw: |_, _| Fault::AtOnce },
    Kind { row: 30, name: "erasure in a book", rate: 60, most: 200, draw: |_, _| Fault::EraseInBook },
    Kind { row: 24, name: "overreach", rate: 60, most: 10_000, draw: |dice, _| overreach(dice) },
];

fn power_cut(dice: &mut Dice, depth: u32) -> Fault {
    let cut = |dice: &mut Dice| Cut::ALL[dice.below(Cut::ALL.len() as u32) as usize];
    let operations = if dice.chance(50) { 0 } else { 1 + u64::from(dice.below(60)) };
    let times = if depth == 0 { 0 } else { 1 + dice.below(depth) };
    let again = (0..times).map(|_| (1 + u64::from(dice.below(40)), cut(dice))).collect();
    Fault::PowerCut { cut: cut(dice), operations, minutes: dice.below(60), again }
}

fn disk_fault(dice: &mut Dice) -> Fault {
    let fault = [DiskFault::Full, DiskFault::Write, DiskFault::Sync][dice.below(3) as usize];
    Fault::Disk { fault, minutes: 1 + dice.below(40) }
}

fn clock(dice: &mut Dice) -> Fault {
    let sign = if dice.chance(50) { 1 } else { -1 };
    match dice.below(4) {
        0 => Fault::RtcReset,
        1 => Fault::Drift { ppm: sign * i64::from(dice.below(200_000)) },
        2 => Fault::Jump { by: sign * i64::from(dice.below(3_600_000)) },
        _ => Fault::Jump { by: sign * dice.long(10 * 365 * DAY).cast_signed() },
    }
}

fn partition(dice: &mut Dice, nodes: usize) -> Fault {
    let many = 1 + dice.below((nodes as u32 / 2).max(1));
    let mut cut_off: Vec<usize> = (0..many).map(|_| dice.below(nodes as u32) as usize).collect();
    cut_off.sort_unstable();
    cut_off.dedup();
    Fault::Partition { nodes: cut_off, minutes: 10 + dice.below(600) }
}

fn forge(dice: &mut Dice) -> Fault {
    Fault::Forge { kind: [Forgery::Scope, Forgery::Stranger, Forgery::Name][dice.below(3) as usize] }
}

fn newer(dice: &mut Dice) -> Fault {
    Fault::Newer { what: [Newer::Message, Newer::Card, Newer::Item][dice.below(3) as usize] }
}

fn overreach(dice: &mut Dice) -> Fault {
    Fault::Overreach { what: [Overreach::Table, Overreach::Response, Overreach::Consequence][dice.below(3) as usize] }
}

/// The schedule of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What the run is to be.
    pub options: Options,
    /// What happens, in order of time.
    pub steps: Vec<Step>,
}

impl Plan {
    /// Draws a schedule.
    pub fn draw(options: Options) -> Self {
        let length = Millis::from(options.hours) * HOUR;
        let mut steps = Vec::new();
        for node in 0..options.nodes {
            let is_vehicle = crate::world::roster::is_vehicle(options.nodes, node);
            work_of(&options, node, is_vehicle, length, &mut steps);
        }
        later_work_of(&options, length, &mut steps);
        faults_of(&options, length, &mut steps);
        steps.sort_by_key(|step| (step.at, step.node, step.dice));
        Self { options, steps }
    }

    /// How many of the steps are faults.
    pub fn faults(&self) -> usize {
        self.steps.iter().filter(|step| matches!(step.what, What::Fault(_))).count()
    }
}

/// Steps of work in a day of the model town, of an office or center and of a vehicle.
const STEPS_A_DAY: (u64, u64) = (160, 60);

/// Work of one node for so many milliseconds.
pub(crate) fn work_of(options: &Options, node: usize, is_vehicle: bool, length: Millis, steps: &mut Vec<Step>) {
    let mut dice = Dice::of(options.seed, "work", node as u64);
    let weights: Vec<u32> =
        WORK.iter().map(|(_, office, vehicle)| if is_vehicle { *vehicle } else { *office }).collect();
    let a_day = if is_vehicle { STEPS_A_DAY.1 } else { STEPS_A_DAY.0 };
    let wanted = a_day * u64::from(options.load) * u64::from(options.hours) / (24 * 100);
    let mut made = 0;
    while made < wanted {
        // People record what belongs together at one time.
        let (at, burst) = (dice.long(length), 1 + u64::from(dice.below(4)));
        // Nights are quiet.
        if (at / HOUR) % 24 >= 16 && dice.chance(85) {
            continue;
        }
        for number in 0..burst.min(wanted - made) {
            let Some((work, ..)) = WORK.get(dice.weighted(&weights)) else { continue };
            let at = DEPLOYMENT + at + number * (20 + dice.long(2_000));
            steps.push(Step { at, node, what: What::Work(*work), dice: dice.serial() });
        }
        made += burst;
    }
}

/// Swarm style, as faults are: some towns settle much, others import all day. Most have a second center, so that there are
/// two that edit one table.
fn later_work_of(options: &Options, length: Millis, steps: &mut Vec<Step>) {
    let node_hours = options.nodes as u64 * u64::from(options.hours);
    for (number, (work, a_day)) in (0..).zip(LATER_WORK) {
        let mut dice = Dice::of(options.seed, "later work", number);
        if dice.chance(20) {
            continue;
        }
        let strength = [50, 100, 250][dice.below(3) as usize];
        let count = node_hours * a_day * strength * u64::from(options.load) / (24 * 10_000);
        for _ in 0..count {
            let node = dice.below(options.nodes as u32) as usize;
            let (at, serial) = (DEPLOYMENT + dice.long(length), dice.serial());
            steps.push(Step { at, node, what: What::Work(work), dice: serial });
        }
    }
    let mut dice = Dice::of(options.seed, "second center", 0);
    if options.load > 0 && dice.chance(70) {
        let (at, serial) = (DEPLOYMENT + dice.long(length / 6), dice.serial());
        steps.push(Step { at, node: 0, what: What::Work(Work::Center), dice: serial });
    }
}

/// Swarm style: each run has its own kinds of faults at its own rates, so that some runs are full of what others never see.
fn faults_of(options: &Options, length: Millis, steps: &mut Vec<Step>) {
    for (number, kind) in (0..).zip(&KINDS) {
        let mut dice = Dice::of(options.seed, "fault", number);
        if options.faults == 0 || dice.chance(45) {
            continue;
        }
        let strength = [50, 100, 250][dice.below(3) as usize];
        let node_hours = options.nodes as u64 * u64::from(options.hours);
        let hundredths = node_hours * u64::from(kind.rate) * strength * u64::from(options.faults) / (24 * 10_000);
        let count = (hundredths / 100 + u64::from(dice.chance((hundredths % 100) as u32))).min(u64::from(kind.most));
        for _ in 0..count {
            let node = dice.below(options.nodes as u32) as usize;
            let (at, serial) = (DEPLOYMENT + dice.long(length), dice.serial());
            let fault = (kind.draw)(&mut dice, options.nodes);
            steps.push(Step { at, node, what: What::Fault(fault), dice: serial });
        }
    }
}

/// The rows of FAULTS.md that a plan can express: number and name.
pub fn rows() -> Vec<(u32, &'static str)> {
    KINDS.iter().map(|kind| (kind.row, kind.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_one_plan_and_seeds_draw_different_faults() {
        let draw = |seed| Plan::draw(Options { seed, ..Options::default() });
        assert_eq!(draw(1), draw(1));
        let kinds = |plan: &Plan| -> std::collections::BTreeSet<String> {
            let faults = plan.steps.iter().filter_map(|step| match &step.what {
                What::Fault(fault) => {
                    format!("{fault:?}").split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned)
                }
                What::Work(_) => None,
            });
            faults.collect()
        };
        let (one, two) = (draw(1), draw(2));
        assert_ne!(kinds(&one), kinds(&two));
        assert!(one.faults() >= one.options.nodes, "{} faults", one.faults());
    }

    #[test]
    fn a_plan_is_kept_as_json() {
        let plan = Plan::draw(Options { seed: 3, hours: 4, ..Options::default() });
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }

    #[test]
    fn a_quiet_town_has_no_faults() {
        assert_eq!(Plan::draw(Options { faults: 0, ..Options::default() }).faults(), 0);
    }
}
