//! Versions n and n-1 in one town: what an older node could not read is there once it is upgraded.

use super::super::tests::{edit, meet, texts};
use super::*;
use crate::change::READS;
use crate::store::{Derived, Durability};

/// A village that holds a household of the center's, and the place of that entry: number of the log, seq.
fn village_with(town: &mut Town, center: &mut Replica) -> (Member, DocumentId, (u32, u64)) {
    let mut village = Member::join(town, "langfa", NodeRole::Village, &[LANGFA], &[]);
    meet(center, village.replica());
    let document = edit(center, LANGFA, "1", "by a newer node");
    meet(center, village.replica());
    let namespace = village.replica().namespace_id(&Namespace::registry(LANGFA));
    let logs = &village.replica().logs;
    let (number, state) =
        logs.iter().find(|(log, _)| log.namespace == namespace && log.author == center.node()).unwrap().1;
    let place = (*number, state.height);
    (village, document, place)
}

/// Leaves the store as a version would that could not read this entry.
fn read_by_an_older_version(village: &mut Member, place: (u32, u64)) {
    village.replica().commit(NOW).unwrap();
    village.replica = None;
    let store = Store::open_backend(village.disk.clone()).unwrap();
    let derived = Derived { forget: vec![place], passed_over: [(place, true)].into(), weight: 1, ..Derived::default() };
    let meta = vec![("reads", (READS - 1).to_be_bytes().to_vec())];
    store.commit(&Batch { meta, weight: 1, ..Batch::default() }, Some(&derived), Durability::AtOnce).unwrap();
}

fn fold_all(replica: &mut Replica) {
    while replica.fold(NOW).unwrap() {
        replica.commit(NOW).unwrap();
    }
    replica.commit(NOW).unwrap();
    replica.commit(NOW).unwrap();
}

#[test]
fn what_an_older_version_passed_over_is_read_after_an_upgrade() {
    let mut town = Town::new(160);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let (mut village, document, place) = village_with(&mut town, &mut center);
    read_by_an_older_version(&mut village, place);
    // A crash before anything was folded again: nothing of the note is lost.
    for _ in 0..2 {
        village.reopen(&mut town.rng, NOW);
        assert_eq!(texts(village.replica(), LANGFA, document), Vec::<String>::new());
        assert_eq!(village.replica().unfolded(), 1, "people are told that this node is still opening entries");
    }
    let shown = village.replica().stored_feed_end();
    fold_all(village.replica());
    assert_eq!(texts(village.replica(), LANGFA, document), ["by a newer node"]);
    let feed = village.replica().feed(shown, 100).unwrap();
    assert!(feed.iter().any(|line| line.document == document), "the views hear of it");
    assert!(village.replica().store().passed_over().unwrap().is_empty());
    assert_eq!(village.replica().unfolded(), 0);
    let end = village.replica().stored_feed_end();
    village.reopen(&mut town.rng, NOW);
    assert_eq!(village.replica().stored_feed_end(), end, "once");
}

#[test]
fn an_upgrade_shows_every_document_again() {
    let mut town = Town::new(161);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let (mut village, document, _) = village_with(&mut town, &mut center);
    // Contents of records are read when they are shown: an older version noted nothing.
    village.replica().batch.meta.push(("reads", 0_u32.to_be_bytes().to_vec()));
    village.replica().batch.weight += 1;
    village.replica().commit(NOW).unwrap();
    let shown = village.replica().stored_feed_end();
    village.reopen(&mut town.rng, NOW);
    fold_all(village.replica());
    let feed = village.replica().feed(shown, 100).unwrap();
    assert!(feed.iter().any(|line| line.document == document));
}

#[test]
fn what_this_version_cannot_read_is_noted_passed_on_and_in_nobodys_way() {
    let mut town = Town::new(162);
    let mut center = town.node("center", NodeRole::Center, &[], &[]);
    let (mut village, document, (number, height)) = village_with(&mut town, &mut center);
    edit_staged(&mut center, &Namespace::registry(LANGFA), DocumentKind::Household, 2, 7, Lane::Work, NOW);
    let open = center.open_entries.values_mut().next().unwrap();
    open.items.push(Item::Record { kind: 200, document: DocumentId([9; 16]), bytes: b"newer".to_vec() });
    center.commit(NOW).unwrap();
    meet(&mut center, village.replica());
    assert_eq!(village.replica().store().passed_over().unwrap(), [(number, height + 1)].into());
    assert_eq!(texts(village.replica(), LANGFA, document), ["by a newer node"]);
    edit(&mut center, LANGFA, "1", "goes on");
    meet(&mut center, village.replica());
    assert_eq!(texts(village.replica(), LANGFA, document), ["goes on"]);
    assert_eq!(village.replica().store().passed_over().unwrap().len(), 1, "only what was not understood is noted");
    // Looked at by a version that does not know it either: it stays for the next.
    read_by_an_older_version(&mut village, (number, height + 1));
    village.reopen(&mut town.rng, NOW);
    fold_all(village.replica());
    assert_eq!(village.replica().store().passed_over().unwrap().len(), 1);
    assert_eq!(village.replica().unfolded(), 0);
    // Others get it whole.
    let mut second = Member::join(&mut town, "patrol", NodeRole::Patrol, &[LANGFA], &[]);
    meet(village.replica(), second.replica());
    assert_eq!(second.replica().store().passed_over().unwrap().len(), 1);
}
