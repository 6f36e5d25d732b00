//! Commands on real replicas that meet.

mod books;
mod cases;
mod conflicts;
mod convergence;
mod coverage;
mod deliveries;
mod devices;
mod door_tags;
mod dwellings;
mod hazards;
mod households;
mod life_cycle;
mod matching;
mod moves;
mod photos;
mod roles;
mod tables;
mod town;
mod tracks;
mod values;

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use redb::backends::InMemoryBackend;

use super::read::{self, Reading};
use crate::certificate::NodeRole;
use crate::clock::Millis;
use crate::domain::region::RegionCode;
use crate::enrol::{self, Founded, Place};
use crate::id::DocumentId;
use crate::namespace::Namespace;
use crate::replica::{Opening, Replica};
use crate::store::Store;

/// 2025-11-23, in the first month that the test town's namespaces are open for.
const NOW: Millis = 1_763_900_000_000;
const LANGFA: &str = "110115005001";

/// A town with a center and two offices of one village, all of which have met.
struct Town {
    founded: Founded,
    center: Replica,
    one: Replica,
    two: Replica,
}

fn langfa() -> RegionCode {
    LANGFA.parse().unwrap()
}

fn registry() -> Namespace {
    Namespace::registry(LANGFA)
}

impl Town {
    fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let founded = enrol::found(&[LANGFA.to_owned()], "2025", "2025-11", NOW, &mut rng);
        let mut center = node(&founded, &mut rng, "center", NodeRole::Center);
        let mut one = node(&founded, &mut rng, "one", NodeRole::Village);
        let mut two = node(&founded, &mut rng, "two", NodeRole::Village);
        meet(&mut center, &mut one);
        meet(&mut center, &mut two);
        Self { founded, center, one, two }
    }

    /// The offices meet, then the center hears of it.
    fn meet(&mut self) {
        meet(&mut self.one, &mut self.two);
        meet(&mut self.center, &mut self.one);
    }

    /// What all three read, which must be the same.
    fn readings(&mut self) -> BTreeMap<DocumentId, Reading> {
        let [one, two, center] = [&mut self.one, &mut self.two, &mut self.center].map(readings);
        assert_eq!(one, two, "the offices differ");
        assert_eq!(one, center, "the center differs from the offices");
        one
    }
}

fn node(founded: &Founded, rng: &mut ChaCha8Rng, name: &str, role: NodeRole) -> Replica {
    let regions = if role == NodeRole::Center { vec![] } else { vec![LANGFA.to_owned()] };
    node_at(founded, rng, &Place { name: name.into(), role, regions, carries: vec![], acts_as: None })
}

fn node_at(founded: &Founded, rng: &mut ChaCha8Rng, place: &Place) -> Replica {
    let invite = enrol::invite(&founded.authority, place, &founded.secrets, NOW, rng).unwrap();
    let joined = enrol::redeem(&invite, rng).unwrap();
    let opening = Opening {
        store: Store::open_backend(InMemoryBackend::new()).unwrap(),
        identity: joined.identity,
        town: founded.authority.town,
        chain: joined.chain,
        rng: Box::new(ChaCha8Rng::from_rng(rng)),
        expect_data: false,
        beacon_interval: 60_000,
    };
    let mut replica = Replica::open(opening, NOW).unwrap();
    replica.keep_secrets(&invite.secrets);
    if place.role == NodeRole::Center {
        replica.record_statements(founded.statements.clone(), NOW).unwrap();
    }
    replica.commit(NOW).unwrap();
    replica
}

/// Two nodes meet and tell each other everything.
fn meet(a: &mut Replica, b: &mut Replica) {
    let (at_a, at_b) = (a.node(), b.node());
    for (from, to) in [(&mut *a, at_b), (&mut *b, at_a)] {
        from.commit(NOW).unwrap();
        from.close_session(&to);
        from.open_session(to).unwrap();
    }
    loop {
        let said = pass(a, b) + pass(b, a);
        if said == 0 {
            break;
        }
    }
    assert!(a.progress(&b.node()).unwrap().equal, "the meeting ended early");
}

/// Passes on what one has to say, and lets the other take it in; how many messages.
fn pass(from: &mut Replica, to: &mut Replica) -> usize {
    let mut messages = 0;
    while let Some(message) = from.poll_transmit(to.node()).unwrap() {
        messages += 1;
        to.receive(from.node(), &message, NOW).unwrap();
    }
    to.commit(NOW).unwrap();
    while to.fold(NOW).unwrap() {
        to.commit(NOW).unwrap();
    }
    to.commit(NOW).unwrap();
    messages
}

/// Every document with something to show.
fn readings(replica: &mut Replica) -> BTreeMap<DocumentId, Reading> {
    // Derived rows are written by a commit that has nothing else to do.
    replica.commit(NOW).unwrap();
    let feed = replica.feed(0, 100_000).unwrap();
    let documents: BTreeMap<_, _> = feed.into_iter().map(|item| ((item.namespace, item.document), item)).collect();
    let read = documents.into_values().map(|item| (item.document, read::document(replica, &item).unwrap()));
    read.filter(|(_, reading)| *reading != Reading::Nothing).collect()
}
