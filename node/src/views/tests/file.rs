use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::Instant;

use rusqlite::Connection;
use townmesh_crdt::command::read::Reading;

use super::super::{HouseholdFilter, Page, QueryError, Reader, Start, ViewError, Views};
use super::{Scene, household, id, line};

fn filled() -> Scene {
    let mut scene = Scene::new();
    scene.feed((0..200).map(|number| Reading::Household(household(number, &format!("{number}号"), &["甲乙丙"]))));
    scene
}

/// Closes the views with everything in the main file.
fn closed(scene: Scene) -> (tempfile::TempDir, std::path::PathBuf) {
    let path = scene.path();
    drop(scene.views);
    (scene.directory, path)
}

#[test]
fn views_go_on_where_they_stopped() {
    let (_directory, path) = closed(filled());
    let views = Views::open(&path).unwrap();
    assert_eq!((views.start(), views.watermark()), (&Start::Kept, 200));
    assert_eq!(views.find_damage().unwrap(), None);
}

#[test]
fn views_of_another_store_or_of_lines_that_the_feed_has_not_are_started_anew() {
    let mut scene = filled();
    // New ones belong to whom they are first made for, and read its feed from the start if that is still there.
    assert!(scene.views.belong_to(7, 0..=200).unwrap());
    assert_eq!(scene.views.watermark(), 0, "these were made for nobody");
    scene.feed([Reading::Household(household(1, "1号", &[]))]);
    let (_directory, path) = closed(scene);
    let mut views = Views::open(&path).unwrap();
    let at = views.watermark();
    assert!(at > 0 && views.belong_to(7, 0..=at).unwrap() && views.belong_to(7, at..=at).unwrap());
    assert_eq!((views.start(), views.watermark()), (&Start::Kept, at));
    let shown = |path: &std::path::Path| Reader::open(path).unwrap().household(id(1), true).unwrap().is_some();
    for (store, kept, from_start) in [(8, 0..=at, true), (7, at + 1..=at + 9, false), (7, 0..=at - 1, true)] {
        let (_directory, path) = {
            let mut scene = Scene::new();
            assert!(scene.views.belong_to(7, 0..=0).unwrap());
            scene.feed((0..at).map(|_| Reading::Household(household(1, "1号", &[]))));
            closed(scene)
        };
        let mut views = Views::open(&path).unwrap();
        assert!(shown(&path));
        assert_eq!(views.belong_to(store, kept.clone()).unwrap(), kept.contains(&0), "{store} {kept:?}");
        assert!(matches!(views.start(), Start::Rebuilt { .. }), "{store} {kept:?}");
        assert_eq!((views.watermark(), shown(&path), kept.contains(&0)), (0, false, from_start));
        drop(views);
        assert!(Views::open(&path).unwrap().belong_to(store, 0..=0).unwrap(), "it is of that store now");
    }
}

#[test]
fn a_deleted_file_is_made_again_from_the_start_of_the_feed() {
    let (_directory, path) = closed(filled());
    fs::remove_file(&path).unwrap();
    let mut views = Views::open(&path).unwrap();
    assert_eq!((views.start(), views.watermark()), (&Start::Created, 0));
    views.apply(&[line(1, Reading::Household(household(1, "1号", &[])))], 1).unwrap();
    assert!(Reader::open(&path).unwrap().household(id(1), true).unwrap().is_some());
}

#[test]
fn a_file_of_another_version_or_kind_is_started_anew() {
    type Spoil = fn(&std::path::Path);
    let spoilers: [(&str, Spoil); 4] = [
        ("another version", |path| Connection::open(path).unwrap().pragma_update(None, "user_version", 99).unwrap()),
        ("no SQLite", |path| fs::write(path, "姓名,地址\n".repeat(1_000)).unwrap()),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("a table is missing", |path| Connection::open(path).unwrap().execute_batch("DROP TABLE meta").unwrap()),
    ];
    for (what, spoil) in spoilers {
        let (_directory, path) = closed(filled());
        spoil(&path);
        let views = Views::open(&path).unwrap();
        assert!(matches!(views.start(), Start::Rebuilt { .. }), "{what}: {:?}", views.start());
        assert_eq!(views.watermark(), 0, "{what}");
    }
}

#[test]
fn damage_met_while_writing_starts_the_file_anew() {
    let (_directory, path) = closed(filled());
    let length = fs::metadata(&path).unwrap().len();
    let roots: i64 = {
        let connection = Connection::open(&path).unwrap();
        connection.query_row("SELECT max(rootpage) FROM sqlite_schema", [], |row| row.get(0)).unwrap()
    };
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    // Everything but the pages that opening looks at: the schema and the roots of its tables come first in the file.
    let intact = roots.cast_unsigned() * 4_096;
    assert!(length > intact + 4_096);
    file.seek(SeekFrom::Start(intact)).unwrap();
    file.write_all(&vec![0xA5; (length - intact) as usize]).unwrap();
    drop(file);
    let mut views = Views::open(&path).unwrap();
    assert_eq!(views.start(), &Start::Kept);
    assert!(views.find_damage().unwrap().is_some());
    let reader = Reader::open(&path).unwrap();
    let listed = reader.households(&HouseholdFilter::default(), &Page { limit: Some(500), after: None }, true);
    assert!(matches!(listed, Err(QueryError::Damaged(_))), "{listed:?}");
    let rows: Vec<_> =
        (0..200).map(|number| line(number, Reading::Household(household(number as u32, "1号", &["甲"])))).collect();
    assert!(matches!(views.apply(&rows, 201), Err(ViewError::Rebuilt { .. })));
    assert_eq!(views.watermark(), 0);
    assert!(matches!(views.start(), Start::Rebuilt { .. }));
    assert!(!reader.is_current(), "readers learn that the file is another one");
    views.apply(&rows, 201).unwrap();
    assert_eq!(Reader::open(&path).unwrap().counts(None).unwrap()[0].households, 200);
}

#[test]
fn a_reader_sees_what_was_committed_and_writes_nothing() {
    let mut scene = filled();
    let reader = scene.reader();
    scene.feed([Reading::Household(household(500, "新号", &[]))]);
    assert!(reader.household(id(500), true).unwrap().is_some());
    assert!(reader.connection.execute("DELETE FROM household", []).is_err());
    assert!(reader.is_current());
    assert!(matches!(Reader::open(&scene.directory.path().join("none")), Err(QueryError::Open { .. })));
}

#[cfg(unix)]
#[test]
fn only_the_own_account_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = filled();
    for suffix in ["", "-wal"] {
        let path = format!("{}{suffix}", scene.path().display());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{path}");
    }
}

/// Run with `--release -- --ignored --nocapture`.
#[test]
#[ignore = "prints how fast the views take in an import; nothing to fail"]
fn throughput() {
    const HOUSEHOLDS: u32 = 60_000;
    const NAMES: [&str; 8] = ["甲乙丙", "丁戊", "己庚辛", "壬癸子", "丑寅", "卯辰巳", "午未申", "酉戌亥"];
    let mut scene = Scene::new();
    let rows: Vec<_> = (0..HOUSEHOLDS)
        .map(|number| {
            let people = 3 + number as usize % 2;
            let names: Vec<&str> = (0..people).map(|one| NAMES[(number as usize + one) % NAMES.len()]).collect();
            let address = format!("狼垡一村幸福路{}巷{}号院{}室", number / 500, number % 500, number % 7);
            scene.line(Reading::Household(household(number, &address, &names)))
        })
        .collect();
    for round in ["new", "again"] {
        let start = Instant::now();
        for batch in rows.chunks(1_000) {
            scene.views.apply(batch, batch[batch.len() - 1].0.number).unwrap();
        }
        let seconds = start.elapsed().as_secs_f64();
        println!("{round}: {:.0} households a second", f64::from(HOUSEHOLDS) / seconds);
    }
    let size = fs::metadata(scene.path()).unwrap().len();
    println!("{} bytes a household", size / u64::from(HOUSEHOLDS));
    for text in ["幸福路9巷77号", "甲乙丙", "乙丙", "巷"] {
        let start = Instant::now();
        let found = scene.addresses_with(text).len();
        println!("{text}: {found} rows in {:?}", start.elapsed());
    }
    let start = Instant::now();
    scene.reader().counts(None).unwrap();
    println!("counts in {:?}", start.elapsed());
}
