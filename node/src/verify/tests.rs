//! Each test damages a store behind the replica's back and expects the damage to be named.

use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use redb::{Database, ReadableTable as _, TableDefinition};
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::command::household::{self, HouseholdInput};
use townmesh_crdt::domain::household::Household;
use townmesh_crdt::enrol::{self, Founded, Place};
use townmesh_crdt::entry::Lane;
use townmesh_crdt::replica::Opening;
use townmesh_crdt::store::Store;

use super::*;

const ENTRIES: TableDefinition<'_, (u32, u64), &[u8]> = TableDefinition::new("entries");
const ITEMS: TableDefinition<'_, &[u8; 34], &[u8]> = TableDefinition::new("items");
const REGION: &str = "110115005001";
const NOW: u64 = 1_780_000_000_000;

fn found() -> Founded {
    enrol::found(&[REGION.to_owned()], "2026", "2026-11", NOW, &mut ChaCha20Rng::seed_from_u64(1))
}

/// The center of the town, always with the same keys.
fn open(path: &Path) -> Replica {
    let founded = found();
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let place =
        Place { name: "center".into(), role: NodeRole::Center, regions: vec![], carries: vec![], acts_as: None };
    let invite = enrol::invite(&founded.authority, &place, &founded.secrets, NOW, &mut rng).unwrap();
    let joined = enrol::redeem(&invite, &mut rng).unwrap();
    let opening = Opening {
        store: Store::open(path).unwrap(),
        identity: joined.identity,
        town: founded.authority.town,
        chain: joined.chain,
        rng: Box::new(ChaCha20Rng::seed_from_u64(path.metadata().map_or(0, |file| file.len()))),
        expect_data: false,
        beacon_interval: 60_000,
    };
    let mut replica = Replica::open(opening, NOW).unwrap();
    replica.keep_secrets(&invite.secrets);
    replica.commit(NOW).unwrap();
    replica
}

/// Fills a store, damages it before anything was written behind the entries, and reports what a check finds.
fn report_after(damage: impl FnOnce(&Database)) -> Report {
    report_of(|_| {}, damage)
}

/// The same with everything written.
fn report_after_writing(damage: impl FnOnce(&Database)) -> Report {
    report_of(|replica| replica.commit(NOW).unwrap(), damage)
}

fn report_of(before: impl FnOnce(&mut Replica), damage: impl FnOnce(&Database)) -> Report {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.redb");
    let mut replica = open(&path);
    replica.record_statements(found().statements, NOW).unwrap();
    for door in 0..300 {
        let household =
            Household { region: REGION.parse().ok(), address: Some(format!("{door}号")), ..Household::default() };
        household::record(&mut replica, &HouseholdInput { household, residents: vec![] }, Lane::Work, NOW).unwrap();
        replica.commit(NOW).unwrap();
    }
    before(&mut replica);
    drop(replica);
    damage(&Database::open(&path).unwrap());
    let mut replica = open(&path);
    let mut verification = Verification::new(&replica).unwrap();
    while verification.step(&mut replica).unwrap() {}
    verification.report().clone()
}

/// Changes the stored bytes of the longest log's entry with this seq; `None` removes it.
fn change_entry(database: &Database, seq: u64, change: impl FnOnce(&[u8]) -> Option<Vec<u8>>) {
    let transaction = database.begin_write().unwrap();
    {
        let mut entries = transaction.open_table(ENTRIES).unwrap();
        let log = entries.iter().unwrap().map(|row| row.unwrap().0.value()).max_by_key(|(_, seq)| *seq).unwrap().0;
        let bytes = entries.get((log, seq)).unwrap().unwrap().value().to_vec();
        match change(&bytes) {
            Some(bytes) => _ = entries.insert((log, seq), bytes.as_slice()).unwrap(),
            None => _ = entries.remove((log, seq)).unwrap(),
        }
    }
    transaction.commit().unwrap();
}

fn flipped(at: usize) -> impl FnOnce(&[u8]) -> Option<Vec<u8>> {
    move |bytes| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        Some(bytes)
    }
}

#[test]
fn a_sound_store_has_no_problems_and_everything_in_it_was_looked_at() {
    let report = report_after(|_| {});
    assert_eq!(report.problems, []);
    assert!(report.entries >= 300 && report.entries == report.entries_total, "{report:?}");
    assert_eq!(report.signatures, report.entries, "this node signed them all");
    assert!(report.items >= 300 && report.documents >= 300, "{report:?}");
}

#[test]
fn one_flipped_bit_anywhere_in_an_entry_is_found() {
    // Backlink, time, certificate, body hash, signature, body.
    for at in [70, 100, 110, 160, 200, 300] {
        let report = report_after(|database| change_entry(database, 250, flipped(at)));
        assert!(report.problem_count > 0, "byte {at}");
        let problem = &report.problems[0];
        assert!(
            problem.namespace.starts_with("registry/") && (250..=251).contains(&problem.seq),
            "byte {at}: {problem:?}"
        );
        assert!(
            report_after_writing(|database| change_entry(database, 250, flipped(at))).problem_count > 0,
            "byte {at}"
        );
    }
}

#[test]
fn a_missing_or_malformed_entry_is_found() {
    let missing = report_after(|database| change_entry(database, 250, |_| None));
    assert!(missing.problem_count > 0);
    let malformed = report_after(|database| change_entry(database, 250, |_| Some(vec![1, 2, 3])));
    assert_eq!(malformed.problems[0].seq, 250, "{:?}", malformed.problems);
}

#[test]
fn a_document_that_lost_something_is_found() {
    let report = report_after_writing(|database| {
        let transaction = database.begin_write().unwrap();
        {
            let mut items = transaction.open_table(ITEMS).unwrap();
            let last = items.last().unwrap().map(|(key, _)| *key.value()).unwrap();
            items.remove(&last).unwrap();
        }
        transaction.commit().unwrap();
    });
    assert_eq!(report.problem_count, 1, "{:?}", report.problems);
    assert!(report.problems[0].problem.contains("lacks"), "{:?}", report.problems);
}
