//! A node: a production replica on a simulated disk with a clock that may be wrong.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use rand_core::Rng;
use townmesh_crdt::card::CardKind;
use townmesh_crdt::certificate::Statement;
use townmesh_crdt::clock::Millis;
use townmesh_crdt::enrol::{Identity, Invite, Joined};
use townmesh_crdt::entry::{Header, LogId};
use townmesh_crdt::id::NodeId;
use townmesh_crdt::replica::{OpenError, Opening, Replica};
use townmesh_crdt::seal::FamilySecret;
use townmesh_crdt::store::{Store, StoreError};

use super::ledger::Claim;
use super::net::ConnId;
use super::roster::Spec;
use crate::dice::Dice;
use crate::disk::{Cut, Disk, DiskFault, Image, Mount};

/// Some two hundred years after 1970.
const FAR_FUTURE: Millis = 6_000_000_000_000;

/// A clock: physical time with an offset and a drift.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Clock {
    /// Milliseconds ahead of the world.
    pub(crate) offset: i64,
    /// Millionths by which it runs fast.
    pub(crate) drift: i64,
    /// Since when.
    pub(crate) since: Millis,
}

impl Clock {
    /// What it shows at a moment of the world.
    pub(crate) fn at(&self, now: Millis) -> Millis {
        let gained = (now.saturating_sub(self.since) as i64).saturating_mul(self.drift) / 1_000_000;
        now.saturating_add_signed(self.offset.saturating_add(gained))
    }

    /// Sets it forward or back. Clocks of machines stay between 1970 and the far future, and go on from there.
    pub(crate) fn jump(&mut self, now: Millis, by: i64) {
        self.set(now, self.at(now).saturating_add_signed(by).min(FAR_FUTURE));
    }

    /// Lets it show a time.
    pub(crate) fn set(&mut self, now: Millis, shown: Millis) {
        *self = Self { offset: shown as i64 - now as i64, drift: self.drift, since: now };
    }
}

/// What a power cut that is about to come does.
#[derive(Debug, Clone)]
pub(crate) struct PendingCut {
    pub(crate) cut: Cut,
    pub(crate) minutes: u32,
}

/// Why a node's disk is not what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    None,
    /// Bits flipped: it is checked at the next start.
    Rotten,
    /// It is empty.
    Vanished,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) spec: Spec,
    pub(crate) identity: Identity,
    pub(crate) chain: Vec<Statement>,
    pub(crate) town: [u8; 32],
    pub(crate) secrets: Vec<(String, FamilySecret)>,
    /// Those that it had when it last ran.
    had: Vec<(String, FamilySecret)>,
    /// What it joined with; whoever has the file can try it again.
    pub(crate) invite: Arc<Invite>,
    pub(crate) disk: Disk,
    pub(crate) mount: Option<Mount>,
    pub(crate) replica: Option<Replica>,
    pub(crate) clock: Clock,
    /// The latest time that its clock has shown since the store was opened.
    pub(crate) latest: Millis,
    /// The epoch of this opening, as its dice foretell it.
    pub(crate) epoch: u64,
    pub(crate) openings: u64,
    pub(crate) work_at: Option<Millis>,
    /// When what follows from entries is to be written.
    pub(crate) write_at: Option<Millis>,
    /// Its disk is busy with a commit until then.
    pub(crate) busy_until: Millis,
    pub(crate) peers: BTreeMap<NodeId, ConnId>,
    /// Claims that wait for the commit that makes them durable.
    pub(crate) pending: Vec<Claim>,
    pub(crate) cut: Option<PendingCut>,
    /// Cuts of the recoveries to come.
    pub(crate) again: Vec<(u64, Cut)>,
    pub(crate) damage: Damage,
    pub(crate) disk_fault: Option<DiskFault>,
    pub(crate) deaf_until: Millis,
    pub(crate) mute_until: Millis,
    pub(crate) backup: Option<Image>,
    /// When its disk last lost what was durable, if ever.
    pub(crate) lost_at: Option<Millis>,
    /// It has been removed by an authority; what of its logs counts.
    pub(crate) removed: Option<BTreeMap<LogId, u64>>,
    /// The node of which it is a clone.
    pub(crate) clone_of: Option<usize>,
    /// It has recorded before.
    pub(crate) expect_data: bool,
}

/// How an opening of a node went wrong.
#[derive(Debug)]
pub(crate) enum Unopened {
    /// The power went.
    Off,
    /// The store says so.
    Store(OpenError),
    /// It panicked.
    Panic(String),
    /// The disk was found damaged.
    Damaged,
}

impl Node {
    pub(crate) fn id(&self) -> NodeId {
        self.identity.node()
    }

    /// A node that joined with an invite, and has not started yet.
    pub(crate) fn new(spec: Spec, joined: Joined, invite: Arc<Invite>) -> Self {
        Self {
            spec,
            identity: joined.identity,
            chain: joined.chain,
            town: invite.town,
            secrets: invite.secrets.clone(),
            had: vec![],
            invite,
            disk: Disk::default(),
            mount: None,
            replica: None,
            clock: Clock::default(),
            latest: 0,
            epoch: 0,
            openings: 0,
            work_at: None,
            busy_until: 0,
            write_at: None,
            peers: BTreeMap::new(),
            pending: vec![],
            cut: None,
            again: vec![],
            damage: Damage::None,
            disk_fault: None,
            deaf_until: 0,
            mute_until: 0,
            backup: None,
            lost_at: None,
            removed: None,
            clone_of: None,
            expect_data: false,
        }
    }

    /// A second machine on a copy of a disk, with the same keys.
    pub(crate) fn twin(&self, number: usize, image: Image, now: Millis) -> Self {
        let mut spec = self.spec.clone();
        spec.name.push_str("-clone");
        let joined = Joined { identity: self.identity.clone(), chain: self.chain.clone() };
        Self {
            disk: Disk::of(image),
            clock: self.clock,
            lost_at: Some(now),
            clone_of: Some(number),
            expect_data: true,
            ..Self::new(spec, joined, Arc::clone(&self.invite))
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.replica.is_some()
    }

    /// Opens the store and the replica, as the binary does at its start.
    pub(crate) fn open(&mut self, seed: u64, number: usize, beacon: Millis, now: Millis) -> Result<(), Unopened> {
        self.openings += 1;
        let purpose = (number as u64) << 32 | self.openings;
        let rng = Dice::of(seed, "replica", purpose).into_rng();
        self.epoch = rng.clone().next_u64();
        self.latest = self.clock.at(now);
        let mount = self.disk.mount();
        let (town, identity, chain) = (self.town, self.identity.clone(), self.chain.clone());
        let (expect_data, local) = (self.expect_data, self.clock.at(now));
        let backend = mount.clone();
        // The database panics on some damaged pages; the binary takes that for damage, too.
        let opened = std::panic::catch_unwind(AssertUnwindSafe(move || {
            if !Store::is_sound_backend(backend.clone())? {
                return Err(OpenError::Store(StoreError::Damaged("a page differs from its checksum".into())));
            }
            let store = Store::open_backend(backend)?;
            let rng = Box::new(rng);
            let beacon_interval = beacon;
            let opening = Opening { store, identity, town, chain, rng, expect_data, beacon_interval };
            Replica::open(opening, local)
        }));
        let failed = match opened {
            Ok(Ok(replica)) => {
                self.mount = Some(mount);
                self.replica = Some(replica);
                self.expect_data = true;
                self.damage = Damage::None;
                return Ok(());
            }
            Ok(Err(error)) => Unopened::Store(error),
            Err(panic) => Unopened::Panic(words_of(panic.as_ref())),
        };
        mount.kill();
        Err(match failed {
            _ if self.disk.is_off() => Unopened::Off,
            Unopened::Store(OpenError::Store(_)) | Unopened::Panic(_) if self.damage == Damage::Rotten => {
                Unopened::Damaged
            }
            other @ (Unopened::Off | Unopened::Store(_) | Unopened::Panic(_) | Unopened::Damaged) => other,
        })
    }

    /// Takes the secrets in that came with its invite.
    pub(crate) fn take_secrets(&mut self) {
        if let Some(replica) = &mut self.replica {
            replica.keep_secrets(&self.secrets);
            let told = &self.invite.introduction;
            if !told.is_empty() && replica.was_introduced().is_ok_and(|was| !was) {
                // What is not of this town was refused when the invite was made.
                _ = replica.keep_introduction(told);
            }
        }
    }

    /// The process ends without a word: nothing that closing would write reaches the disk.
    pub(crate) fn drop_process(&mut self) {
        if let Some(mount) = self.mount.take() {
            mount.kill();
        }
        self.had = self.known_secrets();
        let replica = self.replica.take();
        // Closing a database whose disk is gone must not end the simulation.
        let _ = std::panic::catch_unwind(AssertUnwindSafe(move || drop(replica)));
        self.forget_session_state();
    }

    /// The process ends as one that was told to.
    pub(crate) fn stop_process(&mut self, now: Millis) {
        self.had = self.known_secrets();
        if let Some(replica) = &mut self.replica {
            // What could not be written it is told again.
            _ = replica.settle(self.clock.at(now));
        }
        drop(self.replica.take());
        self.mount = None;
        self.forget_session_state();
    }

    /// Another disk, whole and with power.
    pub(crate) fn put_disk(&mut self, image: Image) {
        self.disk.replace(image);
        self.cut = None;
    }

    /// The secrets of families that it has, or had when it last ran.
    pub(crate) fn known_secrets(&self) -> Vec<(String, FamilySecret)> {
        let known = self.replica.as_ref().map_or_else(|| self.had.clone(), Replica::secrets);
        known.into_iter().chain(self.secrets.iter().cloned()).collect()
    }

    fn forget_session_state(&mut self) {
        self.pending.clear();
        self.peers.clear();
        self.work_at = None;
        self.write_at = None;
    }

    /// Heights of the logs that it holds.
    pub(crate) fn heights(&self) -> BTreeMap<LogId, u64> {
        let logs = self.replica.iter().flat_map(Replica::logs);
        logs.filter(|state| state.height > 0).map(|state| (state.log, state.height)).collect()
    }

    /// Its clock is about to be set, or was: what it showed counts.
    pub(crate) fn note_clock(&mut self, now: Millis) {
        self.latest = self.clock.at(now).max(self.latest);
    }

    /// The header of an entry that it holds.
    pub(crate) fn header(&self, log: &LogId, seq: u64) -> Option<Header> {
        let mut found = None;
        let replica = self.replica.as_ref()?;
        let visited = replica.entries(log, seq, |entry| {
            if entry.header.seq == seq {
                found = Some(entry.header);
            }
            std::ops::ControlFlow::Break(())
        });
        visited.ok().and(found)
    }

    /// Logs of which it holds a proof that they forked.
    pub(crate) fn has_proof(&self, log: &LogId) -> bool {
        let key = CardKind::Fork.key(log.origin().0);
        let cards = self.replica.as_ref().and_then(|replica| replica.store().cards().ok());
        cards.is_some_and(|cards| cards.iter().any(|(held, ..)| *held == key))
    }
}

pub(super) fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_drift_jump_and_begin_anew() {
        let mut clock = Clock::default();
        assert_eq!(clock.at(1_000_000), 1_000_000);
        clock.drift = 1_000;
        assert_eq!(clock.at(1_000_000), 1_001_000);
        clock.jump(1_000_000, -500);
        assert_eq!(clock.at(1_000_000), 1_000_500);
        clock.jump(1_000_000, -2_000_000);
        assert_eq!((clock.at(1_000_000), clock.at(2_000_000)), (0, 1_001_000), "it does not stand still in 1970");
        clock.set(1_000_000, 0);
        assert_eq!((clock.at(1_000_000), clock.at(2_000_000)), (0, 1_001_000));
    }
}
