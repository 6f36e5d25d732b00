//! The life of a node whose disk is recorded: openings and ends of its process, work, imports, photos, sessions,
//! erasures, and a mark after each commit.

use std::sync::Arc;

use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::command::erasure::{self, Subject};
use townmesh_crdt::command::{CommandError, household};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::id::EntryId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{Recorded, Replica};

use super::ImagesError;
use super::cast::{Cast, commit_all, open_store, settle};
use super::holdings::{Holdings, Inspector};
use super::journal::{Ack, Journal, Mark};
use crate::dice::Dice;
use crate::disk::{Disk, Image, Mount};
use crate::plan::Work;
use crate::world::BEGIN;
use crate::world::work::Task;

/// One thing that happens to the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    /// Pieces of work, committed together.
    Work(&'static [Work]),
    /// An import of so many households, committed together.
    Import(u32),
    /// A session with the center, which has recorded something meanwhile.
    Meet,
    /// A calm moment: derived rows are written.
    Calm,
    /// Views have read the feed.
    Trim,
    /// A person is erased.
    Erase,
    /// The process is told to end, and is started again.
    Restart,
    /// The process is killed, and is started again.
    Kill,
}

/// Every kind of deed once, in an order in which each finds something to act on.
const FIRST: [Deed; 20] = [
    Deed::Meet,
    Deed::Work(&[Work::Household]),
    Deed::Import(24),
    Deed::Work(&[Work::Edit, Work::Report, Work::Device]),
    Deed::Kill,
    Deed::Work(&[Work::Edit]),
    Deed::Calm,
    Deed::Trim,
    Deed::Work(&[Work::Act]),
    Deed::Work(&[Work::Photo]),
    Deed::Meet,
    Deed::Kill,
    Deed::Restart,
    Deed::Work(&[Work::Inspect, Work::Position, Work::Act, Work::Member]),
    Deed::Erase,
    Deed::Kill,
    Deed::Work(&[Work::Hazard]),
    Deed::Work(&[Work::Device, Work::Device, Work::Device]),
    Deed::Calm,
    Deed::Restart,
];

/// What happens after that, by the dice.
const LATER: [(Deed, u32); 14] = [
    (Deed::Work(&[Work::Household]), 12),
    (Deed::Work(&[Work::Edit]), 12),
    (Deed::Work(&[Work::Inspect, Work::Edit]), 8),
    (Deed::Work(&[Work::Report, Work::Act]), 8),
    (Deed::Work(&[Work::Act, Work::Act, Work::Device]), 8),
    (Deed::Work(&[Work::Photo]), 4),
    (Deed::Work(&[Work::Position]), 3),
    (Deed::Import(8), 3),
    (Deed::Meet, 8),
    (Deed::Calm, 8),
    (Deed::Trim, 3),
    (Deed::Erase, 3),
    (Deed::Restart, 8),
    (Deed::Kill, 8),
];

/// Deeds by the dice in one life.
const DEEDS_LATER: usize = 16;

/// A disk that is recorded, with the marks and acknowledgements of one node on it.
#[derive(Debug)]
pub(crate) struct Recorder {
    disk: Disk,
    pub(crate) joined: bool,
    marks: Vec<Mark>,
    pub(crate) acks: Vec<Ack>,
    pub(crate) epochs: Vec<u64>,
    base: Image,
}

impl Recorder {
    /// Begins with what stands on a disk.
    pub(crate) fn on(base: Image, holdings: Holdings, joined: bool) -> Self {
        let disk = Disk::of(base.clone());
        disk.record();
        let marks = vec![Mark { op: 0, holdings: Arc::new(holdings), joined }];
        Self { disk, joined, marks, acks: vec![], epochs: vec![], base }
    }

    /// What stood there from the beginning is known only now.
    pub(crate) fn begin_with(&mut self, holdings: Holdings) {
        self.marks = vec![Mark { op: 0, holdings: Arc::new(holdings), joined: self.joined }];
    }

    /// A backend for one opening.
    pub(crate) fn mount(&self) -> Mount {
        self.disk.mount()
    }

    /// How many operations there were.
    pub(crate) fn len(&self) -> usize {
        self.disk.recorded_len()
    }

    /// Something is durable that somebody reads from the store now.
    pub(crate) fn mark(&mut self, holdings: Holdings) {
        let op = self.len();
        let is_news = self.marks.last().is_none_or(|mark| mark.holdings.digest != holdings.digest);
        // Operations that change nothing, as those of a closing database, leave the mark where it is.
        if is_news || self.marks.last().is_some_and(|mark| mark.joined != self.joined) {
            self.marks.push(Mark { op, holdings: Arc::new(holdings), joined: self.joined });
        }
    }

    /// A record is acknowledged with the id that its entry has in the newest mark.
    pub(crate) fn acknowledge(&mut self, recorded: &Recorded) -> Option<EntryId> {
        if self.epochs.last() != Some(&recorded.log.epoch) {
            self.epochs.push(recorded.log.epoch);
        }
        let op = self.len();
        let entry = self.marks.last()?.holdings.entry(&recorded.log, recorded.seq)?;
        self.acks.push(Ack { op, log: recorded.log, seq: recorded.seq, entry });
        Some(entry)
    }

    pub(crate) fn into_journal(self) -> Journal {
        let ops = self.disk.take_recorded();
        Journal { base: self.base, ops, marks: self.marks, acks: self.acks, epochs: self.epochs }
    }
}

/// The node while it lives.
struct Life<'a> {
    cast: &'a Cast,
    inspector: &'a mut Inspector,
    seed: u64,
    recorder: Recorder,
    replica: Option<(Replica, Mount)>,
    center: Replica,
    now: Millis,
    openings: u64,
    tasks: u64,
}

/// Lives a node's life, and gives the journal of its disk.
///
/// # Errors
/// [`ImagesError`] if something goes wrong while no fault is at work.
pub(crate) fn live(cast: &Cast, inspector: &mut Inspector, seed: u64) -> Result<Journal, ImagesError> {
    let empty = Holdings::of_nothing();
    let center = cast.center.in_memory(Dice::of(seed, "images center", 0))?;
    let recorder = Recorder::on(Image::default(), empty, false);
    let mut life = Life { cast, inspector, seed, recorder, replica: None, center, now: BEGIN, openings: 0, tasks: 0 };
    life.open()?;
    let mut dice = Dice::of(seed, "images deeds", 0);
    for deed in FIRST {
        life.perform(deed)?;
    }
    let weights = LATER.map(|(_, weight)| weight);
    for _ in 0..DEEDS_LATER {
        let deed = LATER.get(dice.weighted(&weights)).map_or(Deed::Calm, |(deed, _)| *deed);
        life.perform(deed)?;
    }
    life.end()?;
    Ok(life.recorder.into_journal())
}

impl Life<'_> {
    fn replica(&mut self) -> Result<&mut Replica, ImagesError> {
        let open = self.replica.as_mut().map(|(replica, _)| replica);
        open.ok_or_else(|| ImagesError::Life("the node is not running".into()))
    }

    /// The process ends: what waited for the next entry is durable then.
    fn end(&mut self) -> Result<(), ImagesError> {
        let Some((replica, _mount)) = self.replica.take() else { return Ok(()) };
        let holdings = self.inspector.read(replica.store()).map_err(ImagesError::life)?;
        drop(replica);
        self.recorder.mark(holdings);
        Ok(())
    }

    /// Reads what is durable now, if that is all there is to read.
    fn mark(&mut self) -> Result<(), ImagesError> {
        let Some((replica, _)) = self.replica.as_ref().filter(|(replica, _)| replica.is_durable()) else {
            return Ok(());
        };
        let holdings = self.inspector.read(replica.store()).map_err(ImagesError::life)?;
        if let Some(what) = holdings.broken.first() {
            return Err(ImagesError::Life(format!("without any fault: {what}")));
        }
        self.recorder.mark(holdings);
        Ok(())
    }

    fn open(&mut self) -> Result<(), ImagesError> {
        self.openings += 1;
        let dice = Dice::of(self.seed, "images opening", self.openings);
        let mount = self.recorder.mount();
        let store = open_store(mount.clone()).map_err(ImagesError::life)?;
        let holdings = self.inspector.read(&store).map_err(ImagesError::life)?;
        let expect_data = holdings.is_owned;
        self.recorder.mark(holdings);
        let replica = self.cast.recorded.open(store, dice, expect_data, self.now).map_err(ImagesError::life)?;
        self.replica = Some((replica, mount));
        self.mark()?;
        if !self.recorder.joined {
            let (cast, now) = (self.cast, self.now);
            cast.recorded.join(self.replica()?, now)?;
            self.commit(&[])?;
            self.recorder.joined = true;
            self.mark()?;
        }
        Ok(())
    }

    /// Makes what is staged durable and acknowledges it.
    fn commit(&mut self, staged: &[Recorded]) -> Result<(), ImagesError> {
        let now = self.now;
        self.replica()?.commit(now).map_err(ImagesError::life)?;
        self.mark()?;
        for recorded in staged {
            let known = self.recorder.acknowledge(recorded);
            known.ok_or_else(|| ImagesError::Life("what was committed cannot be read".into()))?;
        }
        Ok(())
    }

    fn perform(&mut self, deed: Deed) -> Result<(), ImagesError> {
        self.now += 47_000;
        match deed {
            Deed::Work(works) => {
                let staged: Vec<Recorded> =
                    works.iter().filter_map(|work| self.work(*work).transpose()).collect::<Result<_, _>>()?;
                self.commit(&staged)
            }
            Deed::Import(count) => {
                let imported = (0..count).filter_map(|_| self.household().transpose());
                let staged: Vec<Recorded> = imported.collect::<Result<_, _>>()?;
                self.commit(&staged)
            }
            Deed::Meet => self.meet(),
            Deed::Calm => {
                let now = self.now;
                while self.replica()?.fold(now).map_err(ImagesError::life)? {
                    self.commit(&[])?;
                }
                self.commit(&[])
            }
            Deed::Trim => {
                let replica = self.replica()?;
                replica.trim_feed(replica.stored_feed_end());
                self.commit(&[])
            }
            Deed::Erase => {
                self.erase()?;
                self.commit(&[])
            }
            Deed::Restart => {
                self.replica = None;
                self.open()
            }
            Deed::Kill => {
                if let Some((replica, mount)) = self.replica.take() {
                    mount.kill();
                    drop(replica);
                }
                self.open()
            }
        }
    }

    fn work(&mut self, work: Work) -> Result<Option<Recorded>, ImagesError> {
        if work == Work::Position {
            let now = self.now;
            // A village office has none to tell.
            let is_vehicle = self.cast.recorded.role == NodeRole::Patrol;
            let told = is_vehicle.then(|| self.replica()?.publish_position(1, 2, now).map_err(ImagesError::life));
            return told.transpose().map(|_| None);
        }
        self.task(|task| task.run(work))
    }

    fn household(&mut self) -> Result<Option<Recorded>, ImagesError> {
        self.task(|task| task.household(Lane::Bulk))
    }

    /// Does a piece of work at the recorded node.
    fn task(
        &mut self,
        with: impl FnOnce(&mut Task<'_>) -> Result<crate::world::work::Staged, CommandError>,
    ) -> Result<Option<Recorded>, ImagesError> {
        self.tasks += 1;
        let dice = Dice::of(self.seed, "images task", self.tasks);
        let (now, region) = (self.now, self.cast.region);
        with(&mut task(self.replica()?, dice, region, now)).map_or_else(refused, |staged| Ok(staged.map(|it| it.0)))
    }

    /// The center records something, and both bring each other up to date.
    fn meet(&mut self) -> Result<(), ImagesError> {
        let (now, region) = (self.now, self.cast.region);
        for work in [Work::Household, Work::Edit, Work::Report, Work::Photo] {
            self.tasks += 1;
            let dice = Dice::of(self.seed, "images task", self.tasks);
            task(&mut self.center, dice, region, now).run(work).map_or_else(refused::<()>, |_| Ok(None))?;
        }
        self.center.commit(now).map_err(ImagesError::life)?;
        let Some((replica, _)) = &mut self.replica else { return Ok(()) };
        let (inspector, recorder) = (&mut *self.inspector, &mut self.recorder);
        settle(replica, &mut self.center, now, |replica| {
            if replica.is_durable() {
                recorder.mark(inspector.read(replica.store()).map_err(ImagesError::life)?);
            }
            Ok(())
        })
    }

    /// Erases whoever lives in the first household that somebody lives in.
    fn erase(&mut self) -> Result<(), ImagesError> {
        let namespace = Namespace::registry(&self.cast.region.to_string());
        let (cast, now) = (self.cast, self.now);
        let replica = self.replica()?;
        let id = replica.namespace_id(&namespace);
        for (document, kind) in replica.documents(id, None, 64).map_err(ImagesError::life)? {
            if kind != DocumentKind::Household as u8 {
                continue;
            }
            let read = household::read(replica, &namespace, document).map_err(ImagesError::life)?;
            let resident = read.and_then(|read| read.residents.first().map(|one| one.id));
            let Some(resident) = resident else { continue };
            let (authority, subject) = (&cast.founded.authority, Subject::Resident(resident));
            // Somebody who was erased before is passed over.
            if erasure::erase(replica, authority, &namespace, document, subject, now).is_ok() {
                break;
            }
        }
        Ok(())
    }
}

/// A piece of work at a replica.
pub(crate) fn task(
    replica: &mut Replica,
    dice: Dice,
    region: townmesh_crdt::domain::region::RegionCode,
    now: Millis,
) -> Task<'_> {
    Task { replica, dice, now, region, canary: "canary".to_owned(), by: "m0-0".to_owned(), events: 12 }
}

/// A rule that refuses is an answer; a store that fails is not.
fn refused<T>(error: CommandError) -> Result<Option<T>, ImagesError> {
    if let CommandError::Store(error) = error { Err(ImagesError::life(error)) } else { Ok(None) }
}

/// Brings a replica to rest, for those that only want its end.
///
/// # Errors
/// What the replica says.
pub(crate) fn rest(replica: &mut Replica, now: Millis) -> Result<(), ImagesError> {
    commit_all(replica, now, &mut |_| Ok(()))
}
