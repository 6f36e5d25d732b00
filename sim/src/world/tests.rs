//! What is watched while the town lives can be broken, too.

use townmesh_crdt::clock::{HybridTime, Millis};
use townmesh_crdt::entry::Header;
use townmesh_crdt::namespace::Namespace;

use super::ledger::{Claim, Removal, Said};
use super::*;
use crate::disk::{Disk, Image};
use crate::plan::Work;

/// A town of five without faults, after so many minutes.
fn town(minutes: Millis) -> World {
    let options = Options { seed: 3, nodes: 5, hours: 1, faults: 0, load: 300, beacon_s: 300, ..Options::default() };
    let mut world = World::found(&Plan::draw(options), false).unwrap();
    world.run_until(minutes * MINUTE);
    assert_eq!(world.violations, []);
    world
}

/// The last entry of some log of a node in a registry, and where it is.
fn some_header(world: &World, number: usize) -> (Header, Namespace) {
    let node = &world.nodes[number];
    let logs = node.heights();
    let (log, height) = logs
        .into_iter()
        .find(|(log, _)| {
            let kind = world.names.get(&log.namespace).map(|name| name.kind);
            log.author == node.id() && kind == Some(townmesh_crdt::namespace::NamespaceKind::Registry)
        })
        .unwrap();
    (node.header(&log, height).unwrap(), world.names[&log.namespace].clone())
}

fn rules(world: &World) -> Vec<&'static str> {
    world.violations.iter().map(|violation| violation.rule).collect()
}

#[test]
fn an_entry_from_the_future_or_under_a_removed_node_s_key_is_seen() {
    let mut world = town(80);
    let (header, namespace) = some_header(&world, 1);
    world.watch_record(1, &header, &namespace);
    assert_eq!(rules(&world), Vec::<&str>::new());
    let late = Header { time: HybridTime::at(world.clock(1) + 6 * MINUTE), ..header };
    world.watch_record(1, &late, &namespace);
    assert_eq!(rules(&world), ["nobody's clock is dragged ahead"]);
    world.violations.clear();
    let keys = [(namespace.family(), header.key)].into();
    world.ledger.removals.push(Removal {
        node: world.nodes[4].id(),
        news: BTreeMap::new(),
        keys,
        used: BTreeSet::new(),
        is_lost: false,
    });
    world.watch_record(1, &header, &namespace);
    assert_eq!(rules(&world), ["a removed node has no key of what is new"]);
    world.violations.clear();
    // Whoever has not heard of the removal goes on.
    world.ledger.removals[0].news = BTreeMap::from([(header.log, u64::MAX)]);
    world.watch_record(1, &header, &namespace);
    assert_eq!(rules(&world), Vec::<&str>::new());
}

#[test]
fn a_removed_node_that_comes_to_a_newer_key_is_seen() {
    let mut world = town(80);
    let (header, namespace) = some_header(&world, 1);
    let used = [(namespace.family(), header.key)].into();
    let (node, news, keys) = (world.nodes[4].id(), BTreeMap::new(), BTreeSet::new());
    world.ledger.removals.push(Removal { node, news, keys, used, is_lost: false });
    world.kill(4, 1);
    // Not those that came with its invite.
    world.nodes[4].secrets.clear();
    world.look_for_leaks();
    assert_eq!(rules(&world), ["a removed node has no key of what is new"], "what it had when it was off counts");
    world.violations.clear();
    world.ledger.removals[0].is_lost = true;
    world.look_for_leaks();
    assert_eq!(rules(&world), Vec::<&str>::new());
}

#[test]
fn what_a_backup_or_another_disk_holds_is_not_excused() {
    let mut world = town(80);
    let excused = |world: &World| world.ledger.acks.iter().filter(|ack| ack.excused.is_some()).count();
    world.switch_off(1, 3);
    let backup = world.nodes[1].disk.current();
    world.replace_disk(1, backup, "is replaced by its backup");
    assert_eq!(excused(&world), 0);
    // Nobody is up, and all hold something.
    (0..5).for_each(|number| _ = world.kill(number, 9));
    world.replace_disk(1, Image::default(), "vanishes");
    let others: Vec<_> = [0, 2, 3, 4].map(|number| super::turn::heights_on(&world.nodes[number].disk.current())).into();
    let is_elsewhere = |ack: &ledger::Ack| {
        others.iter().flatten().any(|heights| heights.get(&ack.log).is_some_and(|height| *height >= ack.seq))
    };
    assert!(world.ledger.acks.iter().any(is_elsewhere));
    assert!(world.ledger.acks.iter().all(|ack| ack.excused.is_none() || !is_elsewhere(ack)));
}

#[test]
fn what_is_acknowledged_before_it_is_saved_is_seen() {
    let mut world = town(80);
    world.work(1, Work::Household, Dice::new(5));
    assert!(!world.nodes[1].pending.is_empty());
    world.watch_saved(1);
    assert_eq!(rules(&world), ["what is acknowledged is durable"]);
}

#[test]
fn a_store_that_vanished_and_opens_as_new_is_seen() {
    let mut world = town(80);
    assert!(world.vanish(1));
    // As if its store did not miss anything.
    world.nodes[1].expect_data = false;
    world.boot(1);
    assert_eq!(rules(&world), Vec::<&str>::new());
    let mut world = town(80);
    assert!(world.vanish(1));
    let other = world.nodes[2].disk.current();
    world.nodes[1].disk.replace(other);
    world.boot(1);
    assert_eq!(rules(&world), ["a store opens after every fault"], "another node's store");
    let mut world = town(80);
    let own = world.nodes[1].disk.current();
    assert!(world.vanish(1));
    // Something lies there and opens without a word.
    world.nodes[1].disk.replace(own);
    world.boot(1);
    assert_eq!(rules(&world), ["a store that vanished is missed"]);
}

#[test]
fn who_goes_on_in_a_log_of_which_it_knows_that_it_forked_is_seen() {
    let mut world = town(80);
    let (header, namespace) = some_header(&world, 1);
    world.ledger.forks.insert(header.log, 1);
    world.watch_record(1, &header, &namespace);
    assert_eq!(rules(&world), Vec::<&str>::new(), "it has no proof");
    let now = world.clock(1);
    let replica = world.nodes[1].replica.as_mut().unwrap();
    let proof = townmesh_crdt::card::CardKind::Fork.key(header.log.origin().0);
    assert!(replica.add_card(proof, 1, vec![1]));
    replica.commit(now).unwrap();
    world.watch_record(1, &header, &namespace);
    assert_eq!(rules(&world), ["nobody goes on in a forked log"]);
}

#[test]
fn a_node_that_says_too_early_that_it_is_complete_is_seen() {
    let mut world = town(86);
    let ask = |world: &mut World| {
        (0..400).for_each(|_| {
            world.now += 1;
            world.watch_completeness();
        });
    };
    ask(&mut world);
    assert_eq!(rules(&world), Vec::<&str>::new());
    // Somebody had acknowledged one entry more than anybody has.
    let mut acks: Vec<_> = world.ledger.acks.clone();
    acks.iter_mut().for_each(|ack| (ack.seq, ack.at) = (1_000, 0));
    world.ledger.acks.extend(acks);
    ask(&mut world);
    assert!(rules(&world).contains(&"complete is never said too early"), "{:?}", world.violations);
}

#[test]
fn a_receipt_for_what_a_node_does_not_hold_is_seen() {
    let mut world = town(85);
    (0..60).for_each(|_| {
        world.now += 1;
        world.watch_receipts();
    });
    assert_eq!(rules(&world), Vec::<&str>::new());
    for number in 1..5 {
        let node = &mut world.nodes[number];
        node.drop_process();
        node.disk = Disk::of(Image::default());
        node.expect_data = false;
        node.open(3, number, 300_000, BEGIN + world.now).unwrap();
    }
    (0..200).for_each(|_| {
        world.now += 1;
        world.watch_receipts();
    });
    assert!(rules(&world).contains(&"delivered is never said too early"), "{:?}", world.violations);
}

#[test]
fn a_new_year_that_does_not_reach_all_is_seen() {
    let mut world = town(91);
    world.become_calm();
    world.run_until(140 * MINUTE);
    assert_eq!(world.unlike(), None);
    world.partitions.push((Millis::MAX, [1].into()));
    world.celebrate_new_year();
    assert_eq!(rules(&world), ["what is recorded while all are connected reaches all, and they are told so"]);
}

#[test]
fn what_is_stated_on_a_disk_that_is_lost_alone_is_excused() {
    let mut world = town(80);
    world.said(0, Said::Redeemed(townmesh_crdt::id::CertificateId([1; 32])));
    let places = world.ledger.stated[0].places.clone();
    assert!(!places.is_empty());
    world.ledger.lose(&places, &places);
    assert!(!world.ledger.stated[0].excused, "others hold it");
    world.ledger.lose(&places, &BTreeMap::new());
    assert!(world.ledger.stated[0].excused);
    world.ledger.stated[0].excused = false;
    world.ledger.cut_off(world.nodes[0].id(), &BTreeMap::new());
    assert!(world.ledger.stated[0].excused, "its author was removed before");
    assert!(world.nodes[0].pending.iter().all(|claim| !matches!(claim, Claim::Said(_))));
}
