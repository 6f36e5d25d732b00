//! Several replicas in one process, joined by nothing but the messages that are passed between them.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use redb::backends::InMemoryBackend;

use super::*;
use crate::certificate::NodeRole;
use crate::enrol::{self, Founded, Place};
use crate::value::Value;

pub(super) const NOW: Millis = 1_763_900_000_000;
pub(super) const LANGFA: &str = "110115005001";
pub(super) const HAIZI: &str = "110115005002";

pub(super) struct Town {
    pub(super) founded: Founded,
    pub(super) rng: ChaCha8Rng,
}

impl Town {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let regions = [LANGFA.to_owned(), HAIZI.to_owned()];
        let founded = enrol::found(&regions, "2026", "2026-11", NOW, &mut rng);
        Self { founded, rng }
    }

    pub(super) fn node(&mut self, name: &str, role: NodeRole, regions: &[&str], carries: &[&str]) -> Replica {
        let texts = |codes: &[&str]| codes.iter().map(|code| (*code).to_owned()).collect();
        let place = Place { name: name.into(), role, regions: texts(regions), carries: texts(carries), acts_as: None };
        let invite = enrol::invite(&self.founded.authority, &place, &self.founded.secrets, NOW, &mut self.rng).unwrap();
        let joined = enrol::redeem(&invite, &mut self.rng).unwrap();
        let mut replica = Replica::open(
            Opening {
                store: Store::open_backend(InMemoryBackend::new()).unwrap(),
                identity: joined.identity,
                town: self.founded.authority.town,
                chain: joined.chain,
                rng: Box::new(ChaCha8Rng::from_rng(&mut self.rng)),
                expect_data: false,
                beacon_interval: 60_000,
            },
            NOW,
        )
        .unwrap();
        replica.keep_secrets(&invite.secrets);
        if role == NodeRole::Center {
            replica.record_statements(self.founded.statements.clone(), NOW).unwrap();
        }
        replica.commit(NOW).unwrap();
        replica
    }
}

pub(super) fn connect(a: &mut Replica, b: &mut Replica) {
    a.close_session(&b.node());
    b.close_session(&a.node());
    a.open_session(b.node()).unwrap();
    b.open_session(a.node()).unwrap();
}

/// Passes messages both ways until neither has anything to say; how many messages and bytes that took.
pub(super) fn settle(a: &mut Replica, b: &mut Replica) -> (usize, usize) {
    let (mut messages, mut bytes) = (0, 0);
    loop {
        let before = messages;
        for swap in [false, true] {
            let (from, to) = if swap { (&mut *b, &mut *a) } else { (&mut *a, &mut *b) };
            while let Some(message) = from.poll_transmit(to.node()).unwrap() {
                messages += 1;
                bytes += message.len();
                to.receive(from.node(), &message, NOW).unwrap();
            }
            to.commit(NOW).unwrap();
            while to.fold(NOW).unwrap() {
                to.commit(NOW).unwrap();
            }
            to.commit(NOW).unwrap();
        }
        if messages == before {
            return (messages, bytes);
        }
        assert!(messages < 100_000, "the session does not come to an end");
    }
}

pub(super) fn meet(a: &mut Replica, b: &mut Replica) -> (usize, usize) {
    connect(a, b);
    let moved = settle(a, b);
    assert!(a.progress(&b.node()).unwrap().equal, "{} does not see that it equals {}", a.own.name, b.own.name);
    assert!(b.progress(&a.node()).unwrap().equal, "{} does not see that it equals {}", b.own.name, a.own.name);
    moved
}

pub(super) fn edit(replica: &mut Replica, region: &str, key: &str, text: &str) -> DocumentId {
    let namespace = Namespace::registry(region);
    let document = replica.document_id(&namespace, DocumentKind::Household, key.as_bytes()).unwrap();
    let fields = BTreeMap::from([(1, Value::from(text))]);
    let edits = BTreeMap::from([(vec![], fields)]);
    replica.edit(&namespace, DocumentKind::Household, document, edits, Lane::Work, NOW).unwrap();
    replica.commit(NOW).unwrap();
    document
}

pub(super) fn texts(replica: &mut Replica, region: &str, document: DocumentId) -> Vec<String> {
    let id = replica.namespace_id(&Namespace::registry(region));
    let content = replica.content(id, document).unwrap();
    let register = content.records.get(&vec![]).and_then(|fields| fields.get(&1));
    register
        .into_iter()
        .flat_map(|register| &register.values)
        .filter_map(|one| one.value.as_text().map(str::to_owned))
        .collect()
}

#[test]
fn a_new_village_learns_of_the_town_and_converges_with_the_center() {
    let mut town = Town::new(1);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    assert!(
        village.document_id(&Namespace::registry(LANGFA), DocumentKind::Household, b"1").is_err(),
        "it does not know its families yet"
    );
    meet(&mut center, &mut village);

    let document = edit(&mut village, LANGFA, "1", "rental");
    assert_eq!(edit(&mut center, LANGFA, "1", "shop"), document, "both make the same id offline");
    meet(&mut center, &mut village);
    let (mut at_center, mut at_village) = (texts(&mut center, LANGFA, document), texts(&mut village, LANGFA, document));
    assert_eq!(at_center, at_village);
    assert_eq!(at_center.len(), 2, "both concurrent values are kept: {at_center:?}");

    edit(&mut village, LANGFA, "1", "dormitory");
    meet(&mut center, &mut village);
    (at_center, at_village) = (texts(&mut center, LANGFA, document), texts(&mut village, LANGFA, document));
    assert_eq!((at_center, at_village), (vec!["dormitory".to_owned()], vec!["dormitory".to_owned()]));
}

#[test]
fn equal_nodes_are_done_in_one_exchange() {
    let mut town = Town::new(2);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut village);
    for number in 0..50 {
        edit(&mut village, LANGFA, &number.to_string(), "rental");
    }
    meet(&mut center, &mut village);
    let (messages, bytes) = meet(&mut center, &mut village);
    assert_eq!(messages, 2, "one hello each");
    assert!(bytes <= 4096, "{bytes} bytes");
}

#[test]
fn new_entries_are_pushed_to_connected_peers() {
    let mut town = Town::new(3);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut village);
    let document = edit(&mut village, LANGFA, "1", "rental");
    settle(&mut center, &mut village);
    assert_eq!(texts(&mut center, LANGFA, document), ["rental"]);
}

#[test]
fn a_vehicle_carries_between_villages_what_it_cannot_read() {
    let mut town = Town::new(4);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("langfa-branch", NodeRole::Village, &[LANGFA], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[HAIZI], &[LANGFA]);
    for node in [&mut langfa, &mut branch, &mut vehicle] {
        meet(&mut center, node);
    }
    let document = edit(&mut langfa, LANGFA, "1", "rental");
    meet(&mut vehicle, &mut langfa);
    meet(&mut vehicle, &mut branch);
    assert_eq!(texts(&mut branch, LANGFA, document), ["rental"]);
    assert_eq!(texts(&mut vehicle, LANGFA, document), Vec::<String>::new());
    assert!(vehicle.document_id(&Namespace::registry(LANGFA), DocumentKind::Household, b"1").is_err());
}

#[test]
fn personal_data_reaches_holders_only_and_keeps_its_key() {
    let mut town = Town::new(5);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut village);
    let namespace = Namespace::registry(LANGFA);
    let document = village.document_id(&namespace, DocumentKind::Household, b"1").unwrap();
    let resident = village.new_resident();
    let first = village.seal_personal(&namespace, document, resident, None, b"first").unwrap();
    let second = village.seal_personal(&namespace, document, resident, Some(&first), b"second").unwrap();
    assert_eq!(crate::seal::personal_place(&first), crate::seal::personal_place(&second));
    village.commit(NOW).unwrap();
    assert!(matches!(center.open_personal(&namespace, document, resident, &second), Err(PersonalError::NoKey)));
    meet(&mut center, &mut village);
    assert_eq!(center.open_personal(&namespace, document, resident, &second).unwrap(), b"second");
}

#[test]
fn strangers_get_nothing() {
    let mut town = Town::new(6);
    let mut other_town = Town::new(7);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut stranger = other_town.node("stranger", NodeRole::Center, &[], &[]);
    connect(&mut center, &mut stranger);
    let hello = stranger.poll_transmit(center.node()).unwrap().unwrap();
    assert!(matches!(center.receive(stranger.node(), &hello, NOW), Err(HandleError::Unenrolled(_))));

    // Somebody who replays an enrolled node's hello without its key is the transport's to refuse; here the key differs.
    let village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut honest = town.node("honest", NodeRole::Village, &[LANGFA], &[]);
    honest.open_session(center.node()).unwrap();
    let hello = honest.poll_transmit(center.node()).unwrap().unwrap();
    let thief = NodeId([9; 32]);
    center.open_session(thief).unwrap();
    assert!(matches!(center.receive(thief, &hello, NOW), Err(HandleError::Unenrolled(_))));
    drop(village);
}

#[test]
fn entries_outside_their_authors_scope_are_refused() {
    let mut town = Town::new(8);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut langfa);
    let document = edit(&mut langfa, LANGFA, "1", "rental");
    assert!(matches!(
        langfa.edit(&Namespace::registry(HAIZI), DocumentKind::Household, document, BTreeMap::new(), Lane::Work, NOW),
        Err(RecordError::Denied(_))
    ));
    // A forger that skips its own check: the entry is well signed, but for another village.
    let mut run = None;
    langfa.own.scopes = policy::default_scopes(NodeRole::Village, &[HAIZI.into()], &[]);
    for (family, secret) in &town.founded.secrets {
        langfa.keyring.add(family, secret.clone());
    }
    edit(&mut langfa, HAIZI, "1", "forged");
    let log = LogId {
        namespace: langfa.namespace_id(&Namespace::registry(HAIZI)),
        author: langfa.node(),
        epoch: langfa.epoch,
        lane: Lane::Work,
    };
    langfa
        .entries(&log, 1, |entry| {
            run = crate::sync::Run::new(vec![entry]);
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
    assert!(matches!(center.ingest(run.unwrap()), Err(IngestError::Denied { .. })));
}

#[test]
fn altered_entries_are_refused_and_leave_nothing_behind() {
    let mut town = Town::new(9);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut village);
    let document = edit(&mut village, LANGFA, "1", "rental");
    let log = LogId {
        namespace: village.namespace_id(&Namespace::registry(LANGFA)),
        author: village.node(),
        epoch: village.epoch,
        lane: Lane::Work,
    };
    let mut entry = None;
    village
        .entries(&log, 1, |found| {
            entry = Some(found);
            std::ops::ControlFlow::Break(())
        })
        .unwrap();
    let message = crate::sync::Message::Run(crate::sync::Run::new(vec![entry.unwrap()]).unwrap()).to_bytes();
    for at in 0..message.len() {
        let mut altered = message.clone();
        altered[at] ^= 0x10;
        let _ = center.receive(village.node(), &altered, NOW);
        center.commit(NOW).unwrap();
        assert_eq!(center.logs().filter(|state| state.log == log && state.height > 0).count(), 0, "byte {at}");
    }
    settle(&mut center, &mut village);
    meet(&mut center, &mut village);
    assert_eq!(texts(&mut center, LANGFA, document), ["rental"]);
}

#[test]
fn a_forked_log_counts_up_to_the_fork_on_every_node() {
    let mut town = Town::new(10);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut branch = town.node("branch", NodeRole::Village, &[LANGFA], &[]);
    for node in [&mut langfa, &mut branch] {
        meet(&mut center, node);
    }
    let before = edit(&mut langfa, LANGFA, "0", "before");
    for node in [&mut center, &mut branch] {
        meet(&mut langfa, node);
    }
    // The author shows one history to the center and another to the branch office.
    let snapshot: Vec<(LogId, (u32, LogState))> = langfa.logs.iter().map(|(log, known)| (*log, *known)).collect();
    let one = edit(&mut langfa, LANGFA, "1", "one");
    meet(&mut center, &mut langfa);
    langfa.logs = snapshot.into_iter().collect();
    langfa.digests.clear();
    let two = edit(&mut langfa, LANGFA, "2", "two");
    connect(&mut branch, &mut langfa);
    settle(&mut branch, &mut langfa);
    assert_eq!(
        (texts(&mut center, LANGFA, one), texts(&mut branch, LANGFA, two)),
        (vec!["one".to_owned()], vec!["two".to_owned()])
    );

    connect(&mut center, &mut branch);
    settle(&mut center, &mut branch);
    meet(&mut center, &mut branch);
    for node in [&mut center, &mut branch] {
        assert_eq!(texts(node, LANGFA, before), ["before"], "{}", node.own.name);
        assert_eq!(texts(node, LANGFA, one), Vec::<String>::new(), "{}", node.own.name);
        assert_eq!(texts(node, LANGFA, two), Vec::<String>::new(), "{}", node.own.name);
        assert!(std::iter::from_fn(|| node.poll_output()).any(|output| matches!(output, Output::Forked { .. })));
    }
}

#[test]
fn a_period_is_opened_by_the_first_who_needs_it() {
    let mut town = Town::new(11);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut village);
    let december = Namespace::events(LANGFA, "2026-12");
    assert_eq!(village.period(&december, NOW).unwrap(), december);
    let far = Namespace::events(LANGFA, "2031-01");
    assert_eq!(village.period(&far, NOW).unwrap(), december, "a wrong clock opens nothing far ahead");
    let document = village.document_id(&december, DocumentKind::DeviceDay, b"1").unwrap();
    village.put(&december, DocumentKind::DeviceDay, document, vec![1], Lane::Telemetry, NOW).unwrap();
    village.commit(NOW).unwrap();
    meet(&mut center, &mut village);
    let id = center.namespace_id(&december);
    assert_eq!(center.records(id, document).unwrap().len(), 1);
}

#[test]
fn receipts_come_from_beacons_only() {
    let mut town = Town::new(12);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut village = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, &mut village);
    edit(&mut village, LANGFA, "1", "rental");
    meet(&mut center, &mut village);
    let log = LogId {
        namespace: village.namespace_id(&Namespace::registry(LANGFA)),
        author: village.node(),
        epoch: village.epoch,
        lane: Lane::Work,
    };
    assert!(!village.receipts(&log, 1).contains(&center.node()));
    center.commit(NOW + 61_000).unwrap();
    settle(&mut center, &mut village);
    assert!(village.receipts(&log, 1).contains(&center.node()));
    assert!(!village.receipts(&log, 2).contains(&center.node()));
}

#[test]
fn positions_are_read_by_whoever_holds_the_town_key() {
    let mut town = Town::new(13);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut vehicle = town.node("vehicle", NodeRole::Patrol, &[HAIZI], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    meet(&mut center, &mut vehicle);
    meet(&mut center, &mut carrier);
    vehicle.publish_position(397_300_000, 1_163_300_000, NOW).unwrap();
    vehicle.commit(NOW).unwrap();
    meet(&mut vehicle, &mut carrier);
    meet(&mut carrier, &mut center);
    assert_eq!(center.positions().len(), 1);
    assert_eq!(carrier.positions().len(), 0);
}

#[test]
fn photos_follow_the_entries_through_a_carrier_that_cannot_see_them() {
    let mut town = Town::new(14);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut carrier = town.node("carrier", NodeRole::Carrier, &[], &[LANGFA]);
    meet(&mut center, &mut langfa);
    meet(&mut center, &mut carrier);
    let namespace = Namespace::registry(LANGFA);
    let photo: Vec<u8> = (0..600_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let blob = langfa.put_blob(&namespace, &photo, "image/jpeg", None, NOW).unwrap().document;
    langfa.commit(NOW).unwrap();
    meet(&mut langfa, &mut carrier);
    assert!(carrier.blob(&namespace, blob).unwrap().is_none(), "the carrier cannot read the manifest");
    meet(&mut carrier, &mut center);
    // The center learned of the blob from the carrier's entries and asked for its chunks in the same session.
    let crate::replica::Blob { manifest, content } = center.blob(&namespace, blob).unwrap().unwrap();
    assert_eq!((manifest.length, manifest.media_type.as_str()), (600_000, "image/jpeg"));
    assert_eq!(content, Some(photo));
    assert_eq!(center.wanted_chunks() + carrier.wanted_chunks(), 0);
}
