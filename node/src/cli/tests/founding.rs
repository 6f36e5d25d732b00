//! Foundings that break off: nothing of them stays, and what does stay is not run.

use super::*;
use crate::data_dir::{DataDir, Existing};

fn is_empty(path: &std::path::Path) -> bool {
    std::fs::read_dir(path).map_or(true, |mut entries| entries.next().is_none())
}

#[test]
fn a_founding_that_cannot_write_its_data_leaves_no_keys() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(at("file"), "a file").unwrap();
    assert!(run(&format!("townmesh town create --data-dir {}/x --out {}", at("file"), at("keys"))).is_err());
    assert!(is_empty(&directory.path().join("keys")), "keys of no town");
    assert!(run(&format!("townmesh town create --data-dir {} --out {}/x", at("center"), at("file"))).is_err());
    assert!(is_empty(&directory.path().join("center")), "a node without its keys");
    run(&format!("townmesh town create --data-dir {} --out {}", at("center"), at("keys"))).unwrap();
    let again = run(&format!("townmesh town create --data-dir {} --out {}", at("other"), at("keys")));
    assert_eq!(code_of(again), "file_exists", "the keys of another town stay");
    assert!(directory.path().join("keys/root.key").exists());
}

#[cfg(unix)]
#[test]
fn a_founding_whose_store_fails_can_be_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let create = format!("townmesh town create --data-dir {} --out {}", at("center"), at("keys"));
    std::fs::create_dir(at("center")).unwrap();
    std::os::unix::fs::symlink("/nonexistent/store", directory.path().join("center/store.redb")).unwrap();
    assert!(run(&create).is_err());
    assert!(!directory.path().join("center/identity.key").exists() && is_empty(&directory.path().join("keys")));
    run(&create).unwrap();
}

#[test]
fn a_node_whose_founding_never_finished_is_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let center = at("center");
    let create = format!("townmesh town create --data-dir {center} --out {}", at("keys"));
    run(&create).unwrap();
    let data = DataDir::new(&center);
    let mut file = crate::keys::IdentityFile::read(&data.identity()).unwrap();
    file.expect_data = false;
    file.write(&data.identity(), Existing::Replace).unwrap();
    // Where a node that did start would end.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let node = format!("townmesh run --data-dir {center} --http {}", taken.local_addr().unwrap());
    let failure = run(&node).unwrap_err();
    assert_eq!(failure.message.code, "unfinished", "{}", failure.message);
    assert!(failure.message.remedy.is_some());
    assert_eq!(code_of(run(&create)), "unfinished", "what to do is said here too");
}
