//! A checker that cannot fail is a defect: disks that lie, stores that were tampered with and openings that repeat
//! themselves are shown to each.

use std::collections::BTreeSet;
use std::sync::Arc;

use redb::{Database, Key, ReadableTable, ReadableTableMetadata, TableDefinition, Value};
use townmesh_crdt::entry::{Lane, LogId};
use townmesh_crdt::id::{EntryId, NamespaceId, NodeId};

use super::exam::{Examined, Expected, Finding, compare, examine};
use super::explore::{opening_dice, read_path, words};
use super::holdings::Holdings;
use super::journal::{Ack, Mark};
use super::*;
use crate::dice::Dice;
use crate::disk::{Disk, Image};

fn options(images: usize, flaw: Option<Flaw>) -> Options {
    Options { seed: 1, seeds: 1, images, depth: 3, path: None, flaw }
}

/// What one seed recorded, and where the disk stood at the end of it.
struct Recorded {
    cast: Cast,
    inspector: Inspector,
    journal: Journal,
    image: Image,
}

fn recorded(seed: u64) -> Recorded {
    let cast = Cast::of(seed).unwrap();
    let mut inspector = Inspector::new(cast.names.clone(), &cast.recorded.secrets).unwrap();
    let journal = life::live(&cast, &mut inspector, seed).unwrap();
    let mut image = journal.base.clone();
    journal.ops.iter().for_each(|op| op.apply(&mut image));
    Recorded { cast, inspector, journal, image }
}

impl Recorded {
    /// Everything that was promised is expected.
    fn examine(&mut self, image: Image, dice: Dice) -> Vec<Finding> {
        let last = self.journal.marks.len() - 1;
        let expected = Expected {
            allowed: &self.journal.marks[last..],
            earlier: &self.journal.marks[..last],
            acks: &self.journal.acks,
            epochs: &self.journal.epochs,
        };
        let Examined { findings, .. } = examine(&self.cast, &mut self.inspector, image, dice, &expected, false);
        findings
    }

    fn kinds(&mut self, image: Image) -> BTreeSet<Wrong> {
        self.examine(image, Dice::new(7)).into_iter().map(|found| found.wrong).collect()
    }
}

/// The image with one table of its store changed.
fn tampered<K: Key + 'static, V: Value + 'static>(
    image: &Image,
    name: &str,
    change: impl FnOnce(&mut redb::Table<'_, K, V>),
) -> Image {
    let disk = Disk::of(image.clone());
    let database = Database::builder().create_with_backend(disk.mount()).unwrap();
    let mut transaction = database.begin_write().unwrap();
    transaction.set_quick_repair(true);
    change(&mut transaction.open_table(TableDefinition::<K, V>::new(name)).unwrap());
    transaction.commit().unwrap();
    drop(database);
    disk.current()
}

#[test]
fn a_short_campaign_finds_nothing_and_is_repeated_to_the_image() {
    let report = run(&options(400, None), |_| {}).unwrap();
    assert!(report.is_sound(), "{report}");
    assert_eq!(report.tally.depths.len(), 3);
    assert!(report.tally.depths.iter().all(|depth| depth.opened > 20), "{report}");
    assert_eq!(run(&options(400, None), |_| {}).unwrap().tally, report.tally);
}

#[test]
fn vehicles_that_carry_and_centers_are_recorded_too() {
    for seed in [3, 4] {
        let report = run(&Options { seed, depth: 1, ..options(100, None) }, |_| {}).unwrap();
        assert!(report.is_sound(), "{report}");
    }
}

#[test]
fn a_disk_that_lies_about_syncs_loses_what_was_acknowledged() {
    for flaw in [Flaw::LyingSync, Flaw::SomeSyncsLie] {
        let report = run(&Options { depth: 1, ..options(150, Some(flaw)) }, |_| {}).unwrap();
        assert!(report.tally.wrong().contains_key(&Wrong::Lost), "{report}");
        assert!(!report.is_sound());
    }
}

#[test]
fn a_disk_that_breaks_the_order_of_writes_or_loses_them_is_found_out() {
    for flaw in [Flaw::LeakyBarrier, Flaw::LostWrite, Flaw::MisdirectedWrite] {
        let report = run(&Options { depth: 1, ..options(150, Some(flaw)) }, |_| {}).unwrap();
        assert!(!report.is_sound(), "{flaw}: {report}");
    }
}

#[test]
fn a_failure_is_repeated_by_its_path() {
    let flawed = Options { depth: 2, ..options(400, Some(Flaw::LyingSync)) };
    let report = run(&flawed, |_| {}).unwrap();
    let failure = report.tally.failures.last().unwrap().clone();
    let again = run(&Options { path: Some(failure.path.clone()), ..flawed }, |_| {}).unwrap();
    assert!(again.tally.failures.contains(&failure), "{failure:?}: {again}");
    assert!(report.to_string().contains(&format!("--seed 1 --path {} --flaw lying-sync", failure.path)));
    for text in ["", "1", "1.x", "1.2/", "999.0"] {
        let wrong = run(&Options { path: Some(text.into()), ..options(1, None) }, |_| {});
        assert!(matches!(wrong, Err(ImagesError::Path(_))), "{text}");
    }
    let path = vec![(12, 3), (0, 7)];
    assert_eq!(read_path(&words(&path)).unwrap(), path);
}

fn holdings(entries: &[u8]) -> Holdings {
    let ids = entries.iter().map(|entry| EntryId([*entry; 32])).collect();
    Holdings { logs: [(log(), ids)].into(), digest: [entries.len() as u8; 32], ..Holdings::of_nothing() }
}

fn log() -> LogId {
    LogId { namespace: NamespaceId([1; 16]), author: NodeId([1; 32]), epoch: 1, lane: Lane::Work }
}

fn mark(entries: &[u8]) -> Mark {
    Mark { op: entries.len(), holdings: Arc::new(holdings(entries)), joined: true }
}

#[test]
fn what_is_lost_is_told_from_what_is_half_there() {
    let marks = [mark(&[]), mark(&[1]), mark(&[1, 2]), mark(&[1, 2, 3, 4])];
    let acks = [Ack { op: 2, log: log(), seq: 2, entry: EntryId([2; 32]) }];
    let expected = Expected { allowed: &marks[2..], earlier: &marks[..2], acks: &acks, epochs: &[] };
    let kinds = |held: &Holdings| compare(held, &expected).iter().map(|found| found.wrong).collect::<Vec<_>>();
    assert_eq!(kinds(&holdings(&[1, 2])), []);
    assert_eq!(kinds(&holdings(&[1, 2, 3, 4])), []);
    assert_eq!(kinds(&holdings(&[1, 2, 3])), [Wrong::HalfApplied]);
    assert_eq!(kinds(&holdings(&[1])), [Wrong::Lost, Wrong::Lost], "the state, and the acknowledgement");
    let swapped = Holdings { digest: [2; 32], ..holdings(&[1, 9]) };
    assert_eq!(kinds(&swapped), [Wrong::Lost], "another entry stands there");
    let broken = Holdings { broken: vec!["a chain".into()], ..holdings(&[1, 2]) };
    assert_eq!(kinds(&broken), [Wrong::Broken]);
}

#[test]
fn a_sound_image_is_found_sound() {
    let mut recorded = recorded(1);
    let image = recorded.image.clone();
    assert_eq!(recorded.examine(image.clone(), Dice::new(7)), []);
    assert_eq!(replay::replay(&recorded.cast, image, Dice::new(8)), None);
}

#[test]
fn an_opening_that_repeats_an_epoch_is_found() {
    let Recorded { cast, mut inspector, journal, image } = recorded(1);
    let marks = &journal.marks[journal.marks.len() - 1..];
    let mut epochs = journal.epochs.clone();
    let mut open = |epochs: &[u64]| {
        let expected = Expected { allowed: marks, earlier: &[], acks: &journal.acks, epochs };
        // The same dice at every opening, as after a restart of the generator.
        examine(&cast, &mut inspector, image.clone(), Dice::new(9), &expected, true)
    };
    let first = open(&epochs);
    assert_eq!(first.findings, []);
    epochs.extend(first.journal.unwrap().epochs);
    let again = open(&epochs).findings;
    assert!(again.iter().any(|found| found.wrong == Wrong::UsedEpoch), "{again:?}");
    assert_ne!(opening_dice(1, &vec![(0, 0)]).serial(), opening_dice(1, &vec![(0, 1)]).serial());
}

#[test]
fn a_store_that_does_not_open_is_found() {
    let mut recorded = recorded(1);
    let mut image = recorded.image.clone();
    crate::disk::DiskOp::Write { offset: 0, bytes: [0xff; 512].into() }.apply(&mut image);
    assert_eq!(recorded.kinds(image), [Wrong::Unopened].into());
    assert!(recorded.kinds(Image::default()).contains(&Wrong::Unopened), "it would pose as new");
}

/// Says for the first row that it is shown that it has to go.
fn first() -> impl FnMut() -> bool {
    let mut is_first = true;
    move || std::mem::take(&mut is_first)
}

impl Recorded {
    /// A tampered image is found out in these words.
    fn is_found(&mut self, image: Image, words: &str) {
        let findings = self.examine(image, Dice::new(7));
        assert!(findings.iter().any(|found| found.what.contains(words)), "{words}: {findings:?}");
    }
}

#[test]
fn entries_that_are_missing_or_altered_are_found() {
    type Entries<'a, 'b> = &'a mut redb::Table<'b, (u32, u64), &'static [u8]>;
    let mut recorded = recorded(1);
    let image = recorded.image.clone();
    let gap = tampered(&image, "entries", |table: Entries<'_, '_>| {
        let (mut is_first, mut seqs) = (first(), BTreeSet::new());
        table.retain(|(log, seq), _| !(seq == 1 && seqs.insert(log) && log > 0 && is_first())).unwrap();
    });
    recorded.is_found(gap, "does not follow");
    let altered = tampered(&image, "entries", |table: Entries<'_, '_>| {
        let mut bytes = table.get((0, 1)).unwrap().unwrap().value().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        table.insert((0, 1), bytes.as_slice()).unwrap();
    });
    recorded.is_found(altered, "has another body");
    let forged = tampered(&image, "entries", |table: Entries<'_, '_>| {
        let mut bytes = table.get((0, 1)).unwrap().unwrap().value().to_vec();
        bytes[townmesh_crdt::entry::HEADER_LEN + 5] ^= 1;
        table.insert((0, 1), bytes.as_slice()).unwrap();
    });
    recorded.is_found(forged, "is not its author's");
    let malformed = tampered(&image, "entries", |table: Entries<'_, '_>| {
        table.insert((0, 1), [1, 2, 3].as_slice()).unwrap();
    });
    assert!(recorded.kinds(malformed).contains(&Wrong::Unreadable));
}

#[test]
fn derived_rows_that_are_missing_or_say_more_are_found() {
    let mut recorded = recorded(1);
    let image = recorded.image.clone();
    let mut is_first = first();
    let fewer = tampered(&image, "items", |table: &mut redb::Table<'_, &[u8; 34], &[u8]>| {
        table.retain(|key, _| !(key[..4] != [0; 4] && is_first())).unwrap();
    });
    recorded.is_found(fewer.clone(), "rows that are not the");
    let differs = replay::replay(&recorded.cast, fewer, Dice::new(8));
    assert_eq!(differs.map(|found| found.wrong), Some(Wrong::Differs));
    let further = tampered(&image, "logs", |table: &mut redb::Table<'_, u32, &[u8]>| {
        let mut bytes = table.get(1).unwrap().unwrap().value().to_vec();
        // The folded seq: the last number but one.
        let at = bytes.len() - 9;
        bytes[at] ^= 0x40;
        table.insert(1, bytes.as_slice()).unwrap();
    });
    recorded.is_found(further, "the state of a log");
    let gap = tampered(&image, "feed", |table: &mut redb::Table<'_, u64, &[u8]>| {
        let middle = table.len().unwrap() / 2;
        let mut number = 0;
        table
            .retain(|_, _| {
                number += 1;
                number != middle
            })
            .unwrap();
    });
    recorded.is_found(gap, "lines of the feed");
}

#[test]
fn keys_and_chunks_that_are_missing_or_altered_are_found() {
    let mut recorded = recorded(1);
    let image = recorded.image.clone();
    let mut is_first = first();
    let fewer = tampered(&image, "person_keys", |table: &mut redb::Table<'_, &[u8; 16], &[u8; 32]>| {
        table.retain(|_, _| !is_first()).unwrap();
    });
    recorded.is_found(fewer, "a shelf holds");
    let altered = tampered(&image, "chunks", |table: &mut redb::Table<'_, &[u8; 36], &[u8]>| {
        let key = *table.first().unwrap().unwrap().0.value();
        table.insert(&key, [1, 2, 3].as_slice()).unwrap();
    });
    recorded.is_found(altered, "a chunk is not");
}
