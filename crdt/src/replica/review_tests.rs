//! A town under random faults, reproducible from its seed: sessions are cut at any message, nodes restart, and
//! everything recorded must be everywhere it belongs once the faults stop.

mod adversary;
mod beacons;
mod branches;
mod erasure;
mod hostile;
mod introduction;
mod invites;
mod limits;
mod newer;
mod ratifications;
mod regressions;
mod relaying;
mod requests;
mod restating;
mod revocations;
mod rotation;
mod write_behind;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

use super::tests::{HAIZI, LANGFA, NOW, Town};
use super::*;
use crate::certificate::NodeRole;
use crate::document::Content;
use crate::enrol::{self, Place};
use crate::id::ResidentId;
use crate::value::Value;

/// A disk that outlives the store on it, and can fail.
#[derive(Debug, Clone, Default)]
struct Disk {
    bytes: Arc<InMemoryBackendBox>,
    broken: Arc<AtomicBool>,
    syncs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct InMemoryBackendBox(InMemoryBackend);

impl Default for InMemoryBackendBox {
    fn default() -> Self {
        Self(InMemoryBackend::new())
    }
}

impl Disk {
    fn copy(&self) -> Self {
        let mut bytes = vec![0; self.len().unwrap() as usize];
        self.read(0, &mut bytes).unwrap();
        let copy = Self::default();
        copy.set_len(bytes.len() as u64).unwrap();
        copy.write(0, &bytes).unwrap();
        copy
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.bytes.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.bytes.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.bytes.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        if self.broken.load(Ordering::Relaxed) { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.bytes.0.write(offset, data)
    }
}

/// A node with what survives its restarts.
struct Member {
    name: &'static str,
    disk: Disk,
    identity: Identity,
    chain: Vec<Statement>,
    town: [u8; 32],
    replica: Option<Replica>,
}

impl Member {
    fn join(town: &mut Town, name: &'static str, role: NodeRole, regions: &[&str], carries: &[&str]) -> Self {
        let texts = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        let place = Place { name: name.into(), role, regions: texts(regions), carries: texts(carries), acts_as: None };
        let invite = enrol::invite(&town.founded.authority, &place, &town.founded.secrets, NOW, &mut town.rng).unwrap();
        let joined = enrol::redeem(&invite, &mut town.rng).unwrap();
        let (identity, chain) = (joined.identity, joined.chain);
        let mut member =
            Self { name, disk: Disk::default(), identity, chain, town: town.founded.authority.town, replica: None };
        member.reopen(&mut town.rng, NOW);
        let replica = member.replica();
        replica.keep_secrets(&invite.secrets);
        if role == NodeRole::Center {
            replica.record_statements(town.founded.statements.clone(), NOW).unwrap();
        }
        replica.commit(NOW).unwrap();
        member
    }

    fn reopen(&mut self, rng: &mut ChaCha8Rng, now: Millis) {
        let expect_data = self.replica.take().is_some();
        let opening = Opening {
            store: Store::open_backend(self.disk.clone()).unwrap(),
            identity: self.identity.clone(),
            town: self.town,
            chain: self.chain.clone(),
            rng: Box::new(ChaCha8Rng::from_rng(rng)),
            expect_data,
            beacon_interval: 60_000,
        };
        self.replica = Some(Replica::open(opening, now).unwrap());
    }

    /// The power goes, and comes back.
    fn lose_power(&mut self, rng: &mut ChaCha8Rng, now: Millis) {
        // What the replica does while it is dropped reaches the disk that nobody opens again.
        self.disk = self.disk.copy();
        self.reopen(rng, now);
    }

    fn replica(&mut self) -> &mut Replica {
        self.replica.as_mut().unwrap()
    }

    fn node(&self) -> NodeId {
        self.identity.node()
    }
}

fn remove(by: &mut Replica, town: &Town, name: &str) {
    let node = by.node_called(name).unwrap();
    by.revoke(&town.founded.authority, node, true, NOW).unwrap();
    by.commit(NOW).unwrap();
}

/// A node that has just redeemed an invite.
fn open_joined(town: &mut Town, joined: enrol::Joined, secrets: &[(String, FamilySecret)]) -> Replica {
    let opening = Opening {
        store: Store::open_backend(InMemoryBackend::new()).unwrap(),
        identity: joined.identity,
        town: town.founded.authority.town,
        chain: joined.chain,
        rng: Box::new(ChaCha8Rng::from_rng(&mut town.rng)),
        expect_data: false,
        beacon_interval: 60_000,
    };
    let mut replica = Replica::open(opening, NOW).unwrap();
    assert!(replica.keep_secrets(secrets));
    replica.commit(NOW).unwrap();
    replica
}

/// A connection: messages under way in each direction, and whether each side has opened its session yet.
#[derive(Default)]
struct Link {
    under_way: [VecDeque<Vec<u8>>; 2],
    opened: [bool; 2],
}

/// Something a node acknowledged.
struct Acknowledged {
    namespace: Namespace,
    document: DocumentId,
    bytes: Vec<u8>,
    personal: Option<ResidentId>,
}

struct World {
    rng: ChaCha8Rng,
    now: Millis,
    members: Vec<Member>,
    links: BTreeMap<(usize, usize), Link>,
    pending: Vec<Vec<Acknowledged>>,
    acknowledged: Vec<Acknowledged>,
    count: u32,
}

const CENTER: usize = 0;

impl World {
    fn new(seed: u64) -> Self {
        let mut town = Town::new(seed);
        let members = vec![
            Member::join(&mut town, "center", NodeRole::Center, &[], &[]),
            Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]),
            Member::join(&mut town, "haizi", NodeRole::Village, &[HAIZI], &[]),
            Member::join(&mut town, "vehicle", NodeRole::Patrol, &[HAIZI], &[LANGFA]),
            Member::join(&mut town, "carrier", NodeRole::Carrier, &[], &[LANGFA, HAIZI]),
        ];
        let pending = members.iter().map(|_| vec![]).collect();
        let rng = ChaCha8Rng::seed_from_u64(seed ^ 0x5eed);
        Self { rng, now: NOW, members, links: BTreeMap::new(), pending, acknowledged: vec![], count: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.rng.next_u32() as usize % bound
    }

    fn pair(&mut self) -> (usize, usize) {
        let (one, other) = (self.below(self.members.len()), self.below(self.members.len() - 1));
        let other = if other >= one { other + 1 } else { other };
        (one.min(other), one.max(other))
    }

    fn commit(&mut self, at: usize) {
        let now = self.now;
        self.members[at].replica().commit(now).unwrap();
        let done = std::mem::take(&mut self.pending[at]);
        self.acknowledged.extend(done);
    }

    fn cut(&mut self, pair: (usize, usize)) {
        if self.links.remove(&pair).is_some() {
            let nodes = [self.members[pair.0].node(), self.members[pair.1].node()];
            self.members[pair.0].replica().close_session(&nodes[1]);
            self.members[pair.1].replica().close_session(&nodes[0]);
        }
    }

    fn restart(&mut self, at: usize) {
        let pairs: Vec<_> = self.links.keys().copied().filter(|pair| pair.0 == at || pair.1 == at).collect();
        pairs.into_iter().for_each(|pair| self.cut(pair));
        // What was not committed was not acknowledged.
        self.pending[at].clear();
        let now = self.now;
        let mut rng = ChaCha8Rng::from_rng(&mut self.rng);
        self.members[at].reopen(&mut rng, now);
    }

    /// One side of a link opens its session, or sends one message.
    fn transmit(&mut self, pair: (usize, usize), side: usize) -> bool {
        let (from, to) = if side == 0 { (pair.0, pair.1) } else { (pair.1, pair.0) };
        let peer = self.members[to].node();
        let Some(link) = self.links.get_mut(&pair) else { return false };
        if !std::mem::replace(&mut link.opened[side], true) {
            self.members[from].replica().open_session(peer).unwrap();
        }
        match self.members[from].replica().poll_transmit(peer).unwrap() {
            Some(message) => {
                link.under_way[side].push_back(message);
                true
            }
            None => false,
        }
    }

    /// One message arrives. Honest nodes never refuse each other's messages.
    fn deliver(&mut self, pair: (usize, usize), side: usize) -> bool {
        let (from, to) = if side == 0 { (pair.0, pair.1) } else { (pair.1, pair.0) };
        let peer = self.members[from].node();
        let Some(link) = self.links.get_mut(&pair) else { return false };
        let Some(message) = link.under_way[side].pop_front() else { return false };
        if !std::mem::replace(&mut link.opened[1 - side], true) {
            self.members[to].replica().open_session(peer).unwrap();
        }
        let now = self.now;
        if let Err(error) = self.members[to].replica().receive(peer, &message, now) {
            panic!("{} refused {}'s message: {error}", self.members[to].name, self.members[from].name);
        }
        true
    }

    fn record(&mut self, at: usize) {
        let now = self.now;
        let choices: Vec<Namespace> = {
            let known = self.members[at].replica().namespaces();
            let usable = known.into_iter().filter(|(_, namespace, access, readable)| {
                *readable && *access == Access::Hold && namespace.kind != NamespaceKind::Auth
            });
            usable.map(|(_, namespace, ..)| namespace).collect()
        };
        if choices.is_empty() {
            return;
        }
        let namespace = choices[self.below(choices.len())].clone();
        self.count += 1;
        let (count, key, kind, lane) = (self.count, self.below(4) as u8, self.below(3), self.below(4));
        let lane = Lane::ALL[lane];
        let replica = self.members[at].replica.as_mut().unwrap();
        let mut put = |replica: &mut Replica, namespace: Namespace, kind: DocumentKind, bytes: Vec<u8>, personal| {
            let document = replica.document_id(&namespace, kind, &[key]).unwrap();
            replica.put(&namespace, kind, document, bytes.clone(), lane, now).unwrap();
            self.pending[at].push(Acknowledged { namespace, document, bytes, personal });
        };
        match namespace.kind {
            NamespaceKind::Town => edit_staged(replica, &namespace, DocumentKind::Team, key, count, lane, now),
            NamespaceKind::Registry if kind == 0 => {
                let document = replica.document_id(&namespace, DocumentKind::Inspection, &[key]).unwrap();
                let resident = replica.new_resident();
                let sealed = replica.seal_personal(&namespace, document, resident, None, &count.to_be_bytes()).unwrap();
                put(replica, namespace, DocumentKind::Inspection, sealed, Some(resident));
            }
            NamespaceKind::Registry if kind == 1 => {
                put(replica, namespace, DocumentKind::Inspection, count.to_be_bytes().to_vec(), None)
            }
            NamespaceKind::Registry => edit_staged(replica, &namespace, DocumentKind::Household, key, count, lane, now),
            NamespaceKind::Cases => put(replica, namespace, DocumentKind::Case, count.to_be_bytes().to_vec(), None),
            NamespaceKind::Events => {
                let wanted = Namespace { period: ["2026-12", "2027-01", "2027-02"][kind].to_owned(), ..namespace };
                let open = replica.period(&wanted, now).unwrap();
                put(replica, open, DocumentKind::DeviceDay, count.to_be_bytes().to_vec(), None);
            }
            NamespaceKind::Auth | NamespaceKind::Tracks => {}
        }
    }

    fn step(&mut self) {
        self.now += 700;
        let at = self.below(self.members.len());
        match self.below(100) {
            0..2 => self.restart(at),
            2..6 => {
                let pair = self.pair();
                self.cut(pair);
            }
            6..14 => {
                let pair = self.pair();
                self.links.entry(pair).or_default();
            }
            14..24 => self.record(at),
            24..28 => self.commit(at),
            28..32 => {
                let now = self.now;
                self.members[at].replica().fold(now).unwrap();
            }
            _ => {
                let pair = self.pair();
                let (side, many) = (self.below(2), 1 + self.below(3));
                for _ in 0..many {
                    self.deliver(pair, 1 - side);
                }
                let (one, other) = (pair.0, pair.1);
                let from = if side == 0 { one } else { other };
                if self.links.contains_key(&pair) && self.below(3) > 0 {
                    self.commit(from);
                }
                for _ in 0..many {
                    self.transmit(pair, side);
                }
            }
        }
    }

    /// Everything under way arrives and everything to say is said; no node records anything.
    fn drain(&mut self) {
        for round in 0.. {
            assert!(round < 5_000, "the sessions do not come to an end");
            let mut moved = false;
            let pairs: Vec<_> = self.links.keys().copied().collect();
            for at in 0..self.members.len() {
                self.commit(at);
                let now = self.now;
                while self.members[at].replica().fold(now).unwrap() {
                    self.commit(at);
                }
                self.commit(at);
            }
            for pair in pairs {
                for side in [0, 1] {
                    while self.transmit(pair, side) {
                        moved = true;
                    }
                    while self.deliver(pair, side) {
                        moved = true;
                    }
                    let to = if side == 0 { pair.1 } else { pair.0 };
                    self.commit(to);
                }
            }
            if !moved && self.members.iter_mut().all(|member| member.replica().news_due() == Millis::MAX) {
                return;
            }
            // What waits for its moment is told.
            self.now += if moved { 0 } else { 1_000 };
        }
    }

    fn name(&self, pair: (usize, usize)) -> String {
        format!("{} and {}", self.members[pair.0].name, self.members[pair.1].name)
    }

    fn check_links(&mut self, when: &str) {
        let pairs: Vec<_> = self.links.keys().copied().collect();
        for pair in pairs {
            let nodes = [self.members[pair.0].node(), self.members[pair.1].node()];
            let shared = [
                self.members[pair.0].replica().interest(&nodes[1]),
                self.members[pair.1].replica().interest(&nodes[0]),
            ];
            assert_eq!(shared[0], shared[1], "{when}: {} agree on what they share", self.name(pair));
            let auth = self.members[pair.0].replica().namespace_id(&Namespace::auth());
            for namespace in shared[0].iter().copied().chain([auth]) {
                let digests = [pair.0, pair.1].map(|at| self.members[at].replica().digest(namespace));
                let known = self.members[pair.0].replica().trust().namespaces()[&namespace].clone();
                assert_eq!(digests[0], digests[1], "{when}: {} hold the same of {known}", self.name(pair));
            }
            let equal = [
                self.members[pair.0].replica().progress(&nodes[1]).unwrap().equal,
                self.members[pair.1].replica().progress(&nodes[0]).unwrap().equal,
            ];
            assert_eq!(equal, [true, true], "{when}: {} know that they are equal", self.name(pair));
        }
    }

    fn contents(&mut self, at: usize) -> BTreeMap<(NamespaceId, DocumentId), (Arc<Content>, Vec<StoredRecord>)> {
        let replica = self.members[at].replica();
        let mut contents = BTreeMap::new();
        for (id, ..) in replica
            .namespaces()
            .into_iter()
            .filter(|(_, namespace, _, readable)| *readable && namespace.kind != NamespaceKind::Auth)
        {
            for (document, _) in replica.documents(id, None, 10_000).unwrap() {
                contents.insert(
                    (id, document),
                    (replica.content(id, document).unwrap(), replica.records(id, document).unwrap()),
                );
            }
        }
        contents
    }

    fn check_contents(&mut self) {
        let all: Vec<_> = (0..self.members.len()).map(|at| self.contents(at)).collect();
        for (at, contents) in all.iter().enumerate().skip(1) {
            for (key, content) in contents {
                assert_eq!(Some(content), all[CENTER].get(key), "{} sees what the center sees", self.members[at].name);
            }
            let readable: Vec<NamespaceId> =
                self.members[at].replica().namespaces().into_iter().filter(|one| one.3).map(|one| one.0).collect();
            let missing =
                all[CENTER].keys().filter(|key| readable.contains(&key.0) && !contents.contains_key(key)).count();
            assert_eq!(missing, 0, "{} misses documents", self.members[at].name);
        }
        for one in std::mem::take(&mut self.acknowledged) {
            let center = self.members[CENTER].replica();
            let id = center.namespace_id(&one.namespace);
            let held = center.records(id, one.document).unwrap();
            assert!(
                held.iter().any(|record| record.bytes == one.bytes),
                "an acknowledged record of {} is lost",
                one.namespace
            );
            if let Some(resident) = one.personal {
                center.open_personal(&one.namespace, one.document, resident, &one.bytes).unwrap();
            }
        }
    }
}

fn edit_staged(
    replica: &mut Replica,
    namespace: &Namespace,
    kind: DocumentKind,
    key: u8,
    count: u32,
    lane: Lane,
    now: Millis,
) {
    let document = replica.document_id(namespace, kind, &[key]).unwrap();
    let fields = BTreeMap::from([(1 + key % 3, Value::from(i64::from(count)))]);
    replica.edit(namespace, kind, document, BTreeMap::from([(vec![], fields)]), lane, now).unwrap();
}

fn live_through(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..700 {
        world.step();
    }
    // The connections that stand when the faults stop must be enough for those they join.
    world.drain();
    world.check_links("without connecting again");
    for one in 0..world.members.len() {
        for other in one + 1..world.members.len() {
            world.links.entry((one, other)).or_default();
        }
    }
    world.drain();
    world.check_links("after the town is whole again");
    world.check_contents();
    for at in 0..world.members.len() {
        world.restart(at);
    }
    world.links.clear();
    for other in 1..world.members.len() {
        world.links.entry((CENTER, other)).or_default();
    }
    world.drain();
    world.check_links("after everybody restarted");
    world.check_contents();
}

fn live_through_each(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let outcome = std::panic::catch_unwind(|| live_through(seed));
        assert!(outcome.is_ok(), "seed {seed}");
    }
}

#[test]
fn any_order_of_faults_ends_in_the_same_town() {
    live_through_each((0..40).chain(1000..1120));
}

/// `make seeds`, or with `SEEDS=1000` as many as that, from the first that `make test` does not try.
#[test]
#[ignore = "a campaign of minutes: `make seeds`"]
fn many_orders_of_faults_end_in_the_same_town() {
    let count = std::env::var("SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(1000);
    live_through_each(1120..1120 + count);
}
