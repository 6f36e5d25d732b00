//! What a node says of what it holds when its clock or its disk is not what it was.

use super::super::tests::{connect, edit, meet, settle, texts};
use super::*;
use redb::ReadableDatabase as _;

const YEARS: Millis = 10 * 365 * 24 * 3600 * 1000;

fn beacon_at(replica: &Replica) -> Millis {
    let own = replica.node();
    replica.beacons().into_iter().find(|beacon| beacon.node == own).map_or(0, |beacon| beacon.at)
}

#[test]
fn beacons_go_on_when_a_clock_that_was_ahead_is_right_again() {
    let mut town = Town::new(330);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    center.commit(NOW + YEARS).unwrap();
    assert_eq!(beacon_at(&center), NOW + YEARS);
    // Recorded and committed by the right time.
    edit(&mut center, LANGFA, "1", "now");
    assert_eq!(beacon_at(&center), NOW);
    edit(&mut center, LANGFA, "2", "within a minute");
    center.commit(NOW + 59_000).unwrap();
    assert_eq!(beacon_at(&center), NOW, "one a minute is enough");
}

/// A disk that was put back holds less; it records nothing new, so nothing grows.
#[test]
fn a_node_that_was_put_back_withdraws_what_it_claimed_at_once() {
    let mut town = Town::new(331);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(center.replica(), &mut langfa);
    // All that the backup holds was told: only what it hears of itself tells it that something is missing.
    center.replica().commit(NOW + 61_000).unwrap();
    center.replica().commit(NOW + 61_000).unwrap();
    let backup = center.disk.copy();
    let document = edit(&mut langfa, LANGFA, "1", "after the backup");
    let log = LogId {
        namespace: langfa.namespace_id(&Namespace::registry(LANGFA)),
        author: langfa.node(),
        epoch: langfa.epoch,
        lane: Lane::Work,
    };
    meet(center.replica(), &mut langfa);
    center.replica().commit(NOW + 130_000).unwrap();
    meet(center.replica(), &mut langfa);
    assert!(langfa.receipts(&log, 1).contains(&center.node()), "of {document}");
    center.disk = backup;
    center.reopen(&mut town.rng, NOW + 200_000);
    let own = center.replica().epoch;
    let epoch_heard = |by: &Replica, of: NodeId| {
        by.beacons().into_iter().find(|beacon| beacon.node == of).map_or(0, |beacon| beacon.epoch)
    };
    let id = center.node();
    // The cards alone: the entry itself is still under way when the claim is withdrawn.
    connect(center.replica(), &mut langfa);
    for _ in 0..20 {
        if epoch_heard(&langfa, id) == own {
            break;
        }
        if let Some(message) = langfa.poll_transmit(id).unwrap() {
            _ = center.replica().receive(langfa.node(), &message, NOW + 200_000);
            center.replica().commit(NOW + 200_000).unwrap();
        }
        while let Some(message) = center.replica().poll_transmit(langfa.node()).unwrap() {
            langfa.receive(id, &message, NOW + 200_000).unwrap();
        }
        langfa.commit(NOW + 200_000).unwrap();
    }
    assert_eq!(epoch_heard(&langfa, id), own, "it says itself what it holds now");
    assert!(center.replica().logs().all(|state| state.log != log), "the point of the test: nothing grew yet");
}

/// What was claimed is in the store together with the claim: a restart costs nobody anything.
#[test]
fn a_restart_withdraws_nothing() {
    let mut town = Town::new(333);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(center.replica(), langfa.replica());
    (0..50).for_each(|house| _ = edit(langfa.replica(), LANGFA, &house.to_string(), "x"));
    meet(center.replica(), langfa.replica());
    for node in [&mut center, &mut langfa] {
        node.replica().commit(NOW + 61_000).unwrap();
    }
    meet(center.replica(), langfa.replica());
    for node in [&mut center, &mut langfa] {
        node.replica().settle(NOW + 62_000).unwrap();
        node.reopen(&mut town.rng, NOW + 200_000);
    }
    let (messages, bytes) = meet(center.replica(), langfa.replica());
    assert!(messages == 2 && bytes <= 2048, "the greetings say all: {messages} messages, {bytes} bytes");
    let own = langfa.node();
    let log = langfa.replica().logs().find(|state| state.log.author == own).unwrap().log;
    assert!(langfa.replica().receipts(&log, 1).contains(&center.node()));
}

fn on_a_copy(member: &Member) -> Member {
    let (identity, chain) = (member.identity.clone(), member.chain.clone());
    Member { disk: member.disk.copy(), identity, chain, replica: None, ..*member }
}

/// Of a village in which nothing happens it would else never be known that nothing is missing.
#[test]
fn where_nothing_happens_a_node_says_so_hourly() {
    const MINUTE: Millis = 60_000;
    let mut town = Town::new(336);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(center.replica(), &mut langfa);
    for node in [center.replica(), &mut langfa] {
        node.commit(NOW + 2 * MINUTE).unwrap();
    }
    meet(center.replica(), &mut langfa);
    let (id, said) = (langfa.node(), beacon_at(&langfa));
    assert_eq!(said, NOW + 2 * MINUTE, "what grew was told");
    langfa.commit(said + 59 * MINUTE).unwrap();
    assert_eq!(beacon_at(&langfa), said);
    assert_eq!(langfa.poll_timeout(), said + 60 * MINUTE);
    langfa.commit(said + 60 * MINUTE).unwrap();
    assert_eq!(beacon_at(&langfa), said + 60 * MINUTE);
    for (key, (version, bytes)) in langfa.cards.clone() {
        let _ = center.replica().ingest_card(key, version, bytes, said + 61 * MINUTE);
    }
    assert_eq!(complete_to(center.replica(), id, said + 90 * MINUTE), Some(said + 60 * MINUTE));
    // A clock that was years ahead and is right again does not silence it for years.
    langfa.commit(said + YEARS).unwrap();
    langfa.commit(said + 61 * MINUTE).unwrap();
    assert_eq!(beacon_at(&langfa), said + 61 * MINUTE);
    // Starting again is no news, but an hour that passed meanwhile is.
    let told = beacon_at(center.replica());
    center.reopen(&mut town.rng, told + 30 * MINUTE);
    center.replica().commit(told + 31 * MINUTE).unwrap();
    assert_eq!(beacon_at(center.replica()), told);
    center.reopen(&mut town.rng, told + 61 * MINUTE);
    center.replica().commit(told + 61 * MINUTE).unwrap();
    assert_eq!(beacon_at(center.replica()), told + 61 * MINUTE);
}

/// In a large town a beacon arrives every second; a flash disk would not last long if each were written for itself.
#[test]
fn beacons_of_others_are_passed_on_at_once_and_written_late() {
    let mut town = Town::new(334);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[HAIZI], &[]);
    meet(center.replica(), &mut langfa);
    meet(center.replica(), &mut haizi);
    edit(&mut langfa, LANGFA, "1", "x");
    meet(center.replica(), &mut langfa);
    center.replica().settle(NOW + 61_000).unwrap();
    langfa.commit(NOW + 61_000).unwrap();
    connect(center.replica(), &mut langfa);
    settle(center.replica(), &mut langfa);
    let told = beacon_at(&langfa);
    let heard = |by: &Replica| by.beacons().iter().any(|beacon| beacon.node == langfa.node() && beacon.at == told);
    assert!(heard(center.replica()) && !center.replica().has_staged(), "heard, and nothing waits for the disk");
    meet(center.replica(), &mut haizi);
    assert!(heard(&haizi), "passed on");
    let mut copy = on_a_copy(&center);
    copy.reopen(&mut town.rng, NOW + 62_000);
    assert!(!heard(copy.replica()), "not written yet: the point of the test");
    let due = center.replica().poll_timeout();
    assert!(due > NOW + 62_000 && due < NOW + 600_000, "it is written in some minutes even if nothing else is");
    center.replica().commit(due).unwrap();
    let mut copy = on_a_copy(&center);
    copy.reopen(&mut town.rng, due);
    assert!(heard(copy.replica()));
    assert!(center.replica().poll_timeout() > due, "nothing is left to write");
}

/// A byte of an entry rotted on the disk: in its format, its header, its signature, its body.
#[test]
fn a_rotten_entry_is_not_sent_and_the_rest_arrives() {
    for (seed, at) in (340..).zip([0, ENTRY_LANE - 1, ENTRY_LANE, ENTRY_LANE + 8, ENTRY_SIGNATURE, usize::MAX]) {
        a_rotten_byte(seed, at);
    }
}

/// Where the lane and the signature stand in the stored form.
const ENTRY_LANE: usize = 57;
const ENTRY_SIGNATURE: usize = crate::entry::HEADER_LEN + 1;

fn a_rotten_byte(seed: u64, at: usize) {
    let mut town = Town::new(seed);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut langfa = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, langfa.replica());
    edit(langfa.replica(), LANGFA, "1", "one");
    edit(langfa.replica(), LANGFA, "2", "two");
    // What is derived is written, too: the log's height stands in the store.
    langfa.replica().commit(NOW).unwrap();
    let log = langfa.replica().epoch;
    drop(langfa.replica.take());
    rot_last_entry(&langfa.disk, at);
    let (own, rng) = (langfa.node(), &mut town.rng);
    langfa.reopen(rng, NOW);
    let three = edit(langfa.replica(), LANGFA, "3", "three");
    connect(&mut center, langfa.replica());
    settle(&mut center, langfa.replica());
    assert_eq!(texts(&mut center, LANGFA, three), ["three"]);
    let namespace = center.namespace_id(&Namespace::registry(LANGFA));
    let held =
        center.logs().find(|state| (state.log.author, state.log.epoch, state.log.namespace) == (own, log, namespace));
    assert_eq!(held.map(|state| state.height), Some(1), "up to the rotten entry (byte {at})");
}

fn rot_last_entry(disk: &Disk, at: usize) {
    let database = redb::Database::builder().create_with_backend(disk.clone()).unwrap();
    let table: redb::TableDefinition<'_, (u32, u64), &[u8]> = redb::TableDefinition::new("entries");
    let (key, mut bytes) = {
        let read = database.begin_read().unwrap().open_table(table).unwrap();
        let all = redb::ReadableTable::iter(&read).unwrap().map(|row| row.unwrap());
        let last = all.filter(|(key, _)| key.value().1 == 2).last().unwrap();
        (last.0.value(), last.1.value().to_vec())
    };
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x80;
    let mut write = database.begin_write().unwrap();
    write.set_quick_repair(true);
    write.open_table(table).unwrap().insert(key, bytes.as_slice()).unwrap();
    write.commit().unwrap();
}

/// Rot at one place of one log, found while foreign entries are opened.
#[test]
fn a_rotten_entry_keeps_no_other_log_from_being_read() {
    let mut town = Town::new(339);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut others =
        [HAIZI, LANGFA, HAIZI, LANGFA].map(|region| town.node("village", NodeRole::Village, &[region], &[]));
    let mut member = Member::join(&mut town, "second", NodeRole::Center, &[], &[]);
    meet(&mut center, member.replica());
    let recorded: Vec<DocumentId> = [HAIZI, LANGFA, HAIZI, LANGFA]
        .iter()
        .zip(&mut others)
        .enumerate()
        .map(|(house, (region, node))| {
            meet(&mut center, node);
            edit(node, region, &format!("{house}-1"), "one");
            edit(node, region, &format!("{house}-2"), "two")
        })
        .collect();
    others.iter_mut().for_each(|node| _ = meet(&mut center, node));
    // It holds everything, and has opened nothing of it yet.
    connect(&mut center, member.replica());
    for _ in 0..50 {
        while let Some(message) = center.poll_transmit(member.node()).unwrap() {
            member.replica().receive(center.node(), &message, NOW).unwrap();
        }
        member.replica().commit(NOW).unwrap();
        while let Some(message) = member.replica().poll_transmit(center.node()).unwrap() {
            center.receive(member.identity.node(), &message, NOW).unwrap();
        }
        center.commit(NOW).unwrap();
    }
    drop(member.replica.take());
    rot_last_entry(&member.disk, ENTRY_LANE);
    member.replica = None;
    member.reopen(&mut town.rng, NOW);
    let replica = member.replica();
    for _ in 0..20 {
        replica.fold(NOW).unwrap();
        replica.commit(NOW).unwrap();
    }
    let read = [HAIZI, LANGFA, HAIZI, LANGFA]
        .iter()
        .zip(recorded)
        .filter(|(region, document)| texts(replica, region, *document).contains(&"two".to_owned()));
    assert_eq!(read.count(), 3, "all but the one behind the rotten entry");
    assert_eq!(replica.unfolded(), 1, "people are told that something is missing");
}

/// The ignition goes off within a minute of taking something in, and afterwards nothing happens.
#[test]
fn what_was_taken_in_just_before_a_restart_is_told_after_it() {
    let mut town = Town::new(334);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(center.replica(), &mut langfa);
    edit(&mut langfa, LANGFA, "1", "x");
    meet(center.replica(), &mut langfa);
    center.reopen(&mut town.rng, NOW + 30_000);
    center.replica().commit(NOW + 200_000).unwrap();
    let namespace = langfa.namespace_id(&Namespace::registry(LANGFA));
    let log = LogId { namespace, author: langfa.node(), epoch: langfa.epoch, lane: Lane::Work };
    assert!(!langfa.receipts(&log, 1).contains(&center.node()), "it was not told yet");
    meet(center.replica(), &mut langfa);
    assert!(langfa.receipts(&log, 1).contains(&center.node()));
}

/// Both copies of a disk run: each hears the other's beacons, and answers once.
#[test]
fn two_copies_of_a_disk_do_not_answer_each_other_for_ever() {
    let mut town = Town::new(335);
    let mut first = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(first.replica(), &mut langfa);
    let (identity, chain) = (first.identity.clone(), first.chain.clone());
    let mut second = Member { name: "copy", disk: first.disk.copy(), identity, chain, town: first.town, replica: None };
    second.reopen(&mut town.rng, NOW);
    let mut counters = BTreeSet::new();
    for round in 1..12 {
        let now = NOW + round * 100_000;
        for copy in [&mut first, &mut second] {
            meet(copy.replica(), &mut langfa);
            copy.replica().commit(now).unwrap();
            meet(copy.replica(), &mut langfa);
        }
        counters.extend(langfa.beacons().into_iter().filter(|one| one.node == first.node()).map(|one| one.counter));
    }
    assert!(counters.len() <= 4, "{} beacons", counters.len());
}

/// Up to when a node is complete here, by the name of that node.
fn complete_to(center: &mut Replica, of: NodeId, now: Millis) -> Option<Millis> {
    let all = center.completeness(&[Namespace::registry(LANGFA)], now);
    all.into_iter().find(|one| one.node == of).unwrap().until
}

#[test]
fn complete_is_never_later_than_what_has_come() {
    const MINUTE: Millis = 60_000;
    let mut town = Town::new(334);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    let mut haizi = town.node("haizi", NodeRole::Village, &[HAIZI], &[]);
    let (id, other) = (langfa.node(), haizi.node());
    meet(center.replica(), &mut langfa);
    meet(center.replica(), &mut haizi);
    assert_eq!(complete_to(center.replica(), id, NOW + MINUTE), Some(beacon_at(&langfa)));
    let writers = center.replica().completeness(&[Namespace::registry(LANGFA)], NOW);
    assert!(writers.iter().all(|one| one.node != other), "who writes nothing there says nothing of it");
    // Cut off, the village goes on and says so; its beacon reaches the center by others, what it recorded does not.
    edit(&mut langfa, LANGFA, "1", "before the cut");
    langfa.commit(NOW + 2 * MINUTE).unwrap();
    meet(center.replica(), &mut langfa);
    let since = beacon_at(&langfa);
    center.replica().close_session(&id);
    langfa.close_session(&center.node());
    assert_eq!(complete_to(center.replica(), id, NOW + 20 * MINUTE), Some(since));
    assert_eq!(complete_to(center.replica(), id, NOW), Some(NOW), "a clock that is ahead does not count");
    edit(&mut langfa, LANGFA, "2", "after the cut");
    langfa.commit(NOW + 10 * MINUTE).unwrap();
    meet(&mut langfa, &mut haizi);
    meet(&mut haizi, center.replica());
    let heard = center.replica().beacons().into_iter().find(|beacon| beacon.node == id).unwrap();
    assert!(heard.at > since, "the point of the test");
    assert_eq!(complete_to(center.replica(), id, NOW + 20 * MINUTE), Some(since));
    // A restart forgets earlier beacons: less may be known, never more.
    center.reopen(&mut town.rng, NOW + 20 * MINUTE);
    assert!(complete_to(center.replica(), id, NOW + 20 * MINUTE) <= Some(since));
    meet(center.replica(), &mut langfa);
    center.replica().close_session(&id);
    assert_eq!(complete_to(center.replica(), id, NOW + 20 * MINUTE), Some(beacon_at(&langfa)));
}
