//! What is derived from entries is written behind them: a crash in between loses nothing and shows nothing twice.

use super::super::tests::{edit as edit_in, meet, texts};
use super::*;

/// A village that holds its keys, with everything written.
fn village(seed: u64) -> (Town, Member) {
    let mut town = Town::new(seed);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let mut member = Member::join(&mut town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(&mut center, member.replica());
    member.replica().commit(NOW).unwrap();
    (town, member)
}

/// Edits a household and commits once, so that only the entry is stored.
fn edit(replica: &mut Replica, house: &str, text: &str) -> DocumentId {
    edit_in(replica, LANGFA, house, text)
}

fn values(replica: &mut Replica, document: DocumentId) -> Vec<String> {
    texts(replica, LANGFA, document)
}

#[test]
fn what_a_crash_kept_from_being_written_behind_is_there_before_anybody_reads() {
    let (mut town, mut member) = village(301);
    let document = edit(member.replica(), "1", "first");
    edit(member.replica(), "1", "second");
    assert!(member.replica().has_unwritten(), "the point of the test");
    member.reopen(&mut town.rng, NOW);
    assert_eq!(values(member.replica(), document), ["second"]);
    // An edit on top supersedes what was read again: no conflict with oneself.
    edit(member.replica(), "1", "third");
    assert_eq!(values(member.replica(), document), ["third"]);
    member.reopen(&mut town.rng, NOW);
    assert_eq!(values(member.replica(), document), ["third"]);
}

#[test]
fn heights_that_a_crash_left_behind_are_found_in_the_entries() {
    let (mut town, mut member) = village(302);
    (0..20).for_each(|house| _ = edit(member.replica(), &house.to_string(), "x"));
    let states = |replica: &Replica| -> BTreeMap<LogId, (u64, crate::id::EntryId, u64)> {
        replica.logs().map(|state| (state.log, (state.height, state.head, state.bytes))).collect()
    };
    let before = states(member.replica());
    member.reopen(&mut town.rng, NOW);
    let after = states(member.replica());
    assert!(before.values().any(|(height, ..)| *height >= 20));
    assert!(before.iter().all(|(log, state)| after.get(log) == Some(state)));
}

#[test]
fn views_are_fed_only_what_no_crash_can_number_anew() {
    let (mut town, mut member) = village(303);
    let first = edit(member.replica(), "1", "x");
    member.replica().commit(NOW).unwrap();
    let watermark = member.replica().stored_feed_end();
    let second = edit(member.replica(), "2", "x");
    assert_eq!(member.replica().feed(watermark, 10).unwrap(), vec![]);
    member.reopen(&mut town.rng, NOW);
    member.replica().commit(NOW).unwrap();
    let fed: Vec<DocumentId> = member.replica().feed(0, 100).unwrap().iter().map(|item| item.document).collect();
    assert_eq!(fed.iter().filter(|document| **document == first).count(), 1);
    let later: Vec<DocumentId> =
        member.replica().feed(watermark, 100).unwrap().iter().map(|item| item.document).collect();
    assert_eq!(later.iter().filter(|document| **document == second).count(), 1);
}

#[test]
fn what_follows_from_a_lone_entry_costs_no_sync_of_the_disk() {
    let (mut town, mut member) = village(306);
    let first = edit(member.replica(), "1", "x");
    let syncs = member.disk.syncs.load(Ordering::Relaxed);
    let watermark = member.replica().durable_feed_end();
    member.replica().commit(NOW).unwrap();
    assert!(!member.replica().has_unwritten());
    assert_eq!(member.disk.syncs.load(Ordering::Relaxed), syncs);
    let fed = |replica: &Replica| -> Vec<DocumentId> {
        replica.feed(watermark, 10).unwrap().iter().map(|item| item.document).collect()
    };
    assert_eq!(fed(member.replica()), [first], "views see it at once");
    assert_eq!(member.replica().durable_feed_end(), watermark, "and do not note that they did");

    member.lose_power(&mut town.rng, NOW);
    member.replica().commit(NOW).unwrap();
    assert_eq!(values(member.replica(), first), ["x"]);
    assert_eq!(fed(member.replica()).iter().filter(|document| **document == first).count(), 1, "it comes again");

    let second = edit(member.replica(), "2", "y");
    assert_eq!(member.replica().durable_feed_end(), member.replica().stored_feed_end(), "it went with the next entry");
    let before = fed(member.replica());
    member.lose_power(&mut town.rng, NOW);
    assert_eq!(fed(member.replica())[..before.len()], before, "numbers that were noted stay");
    assert_eq!([first, second].map(|document| values(member.replica(), document)), [["x"], ["y"]]);
}

#[test]
fn rows_that_wait_for_the_next_entry_are_few() {
    let (_, mut member) = village(307);
    let document = edit(member.replica(), "1", "x");
    member.replica().commit(NOW).unwrap();
    let mut at_risk = Vec::new();
    for _ in 0..32 {
        (0..1000).for_each(|_| member.replica().feed_document(0, document, 1));
        member.replica().commit(NOW).unwrap();
        at_risk.push(member.replica().rows_at_risk);
    }
    let most = at_risk.iter().max().unwrap();
    assert!((200_000..256 * 1024).contains(most), "{at_risk:?}");
    assert!(at_risk.iter().filter(|bytes| **bytes == 0).count() >= 3, "{at_risk:?}");
}

#[test]
fn listing_knows_documents_that_are_not_written_yet() {
    let (_, mut member) = village(304);
    let id = member.replica().namespace_id(&Namespace::registry(LANGFA));
    let mut all: Vec<DocumentId> = (0..6).map(|house| edit(member.replica(), &house.to_string(), "x")).collect();
    member.replica().commit(NOW).unwrap();
    all.extend((6..12).map(|house| edit(member.replica(), &house.to_string(), "x")));
    all.sort();
    let mut listed = Vec::new();
    loop {
        let page = member.replica().documents(id, listed.last().copied(), 5).unwrap();
        listed.extend(page.iter().map(|(document, _)| *document));
        if page.is_empty() {
            break;
        }
    }
    assert_eq!(listed, all);
}

#[test]
fn how_far_an_own_statement_has_travelled_is_told_after_a_crash_too() {
    let mut town = Town::new(305);
    let mut center = Member::join(&mut town, "center", NodeRole::Center, &[], &[]);
    let mut langfa = town.node("langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(center.replica(), &mut langfa);
    center.replica().commit(NOW).unwrap();
    let auth = center.replica().namespace_id(&Namespace::auth());
    let stated = |center: &Replica| -> Vec<_> { center.documents(auth, None, 1000).unwrap() };
    let before = stated(center.replica());
    center.replica().period(&Namespace::cases(LANGFA, "2027"), NOW).unwrap();
    center.replica().commit(NOW).unwrap();
    assert!(center.replica().has_unwritten(), "the point of the test");
    center.reopen(&mut town.rng, NOW);
    let new = stated(center.replica()).into_iter().find(|document| !before.contains(document)).unwrap();
    let told = center.replica().delivery(&Namespace::auth(), new.0).unwrap();
    assert!(told.iter().any(|one| one.node == langfa.node() && !one.delivered));
    center.replica().commit(NOW).unwrap();
    let end = center.replica().feed_end();
    center.reopen(&mut town.rng, NOW);
    assert_eq!(center.replica().feed_end(), end, "made once");
}
