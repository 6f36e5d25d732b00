//! Stores with damaged pages: an error that says so, never a panic.

use super::*;

/// Zeroes 512 bytes of every page in this many eighths of a file.
fn damage(bytes: &[u8], eighths: std::ops::Range<usize>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let part = bytes.len() * eighths.start / 8..bytes.len() * eighths.end / 8;
    bytes[part].chunks_mut(4096).for_each(|page| page.iter_mut().take(512).for_each(|byte| *byte = 0));
    bytes
}

#[test]
fn damaged_pages_are_an_error_of_every_command_that_opens_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).display().to_string();
    let (center, keys, invite) = (at("center"), at("keys"), at("village.invite"));
    run(&format!("townmesh town create --keys {keys} --data-dir {center}")).unwrap();
    let invitation = format!(
        "townmesh invite --name v --role village --region 110115005220 --authority {keys}/authority.key --out {invite} --data-dir {center}"
    );
    let verification = format!("townmesh verify --data-dir {center}");
    let store = crate::data_dir::DataDir::new(&center).store();
    let whole = std::fs::read(&store).unwrap();
    let mut found = std::collections::BTreeSet::new();
    for eighths in (0..8).flat_map(|from| (from + 1..=8).map(move |to| from..to)) {
        for line in [&verification, &invitation] {
            std::fs::write(&store, damage(&whole, eighths.clone())).unwrap();
            let _ = std::fs::remove_file(&invite);
            match run(line) {
                Ok(code) => assert!(code == ExitCode::SUCCESS || code == ExitCode::from(FAILED), "{eighths:?}: {line}"),
                Err(failure) => _ = found.insert((line, failure.message.code.into_owned())),
            }
        }
    }
    assert_eq!(found.iter().filter(|(_, code)| code == "store_damaged").count(), 2, "{found:?}");
}
