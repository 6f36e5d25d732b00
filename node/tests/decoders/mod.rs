//! Decoders of the node program, of files that people bring: replayed over a kept corpus by `tests/corpus.rs`, fed by
//! libFuzzer in `fuzz/`.

use std::sync::LazyLock;

use townmesh_crdt::domain::region::Region;
use townmesh_node::keys::InviteFile;
use townmesh_node::ledger::{Format, Reading, RegionTable};

/// Longest error message in bytes: an error may quote a file, never repeat it.
const MAX_MESSAGE_BYTES: usize = 8_000;

static REGIONS: LazyLock<RegionTable> = LazyLock::new(|| {
    let region =
        Region { code: "110115005001".parse().ok(), name: Some("狼垡一村村委会".into()), ..Region::default() };
    RegionTable::new([&region])
});

/// A ledger in each format, and as what its first bytes say; whether any row was taken.
///
/// # Panics
/// When rows are neither taken nor rejected, and as the reader does.
pub(crate) fn ledger(bytes: &[u8]) -> bool {
    let mut is_taken = false;
    for format in [None, Some(Format::Csv), Some(Format::JsonLines)] {
        let mut reading = Reading::new(&REGIONS);
        reading.format = format;
        reading.limits.unpacked_bytes = 8 << 20;
        reading.limits.rows = 2_000;
        match reading.bytes(bytes) {
            Ok(ledger) => {
                is_taken |= !ledger.households.is_empty();
                assert_eq!(ledger.rejected.len() as u64, ledger.summary.rejected, "every rejected row is handed over");
                for problem in ledger.rejected.iter().flat_map(|row| &row.problems) {
                    let told = serde_json::to_string(problem).expect("a problem is written as JSON");
                    assert!(told.len() <= MAX_MESSAGE_BYTES, "a problem says too much");
                }
            }
            Err(error) => assert!(error.to_string().len() <= MAX_MESSAGE_BYTES, "an error says too much"),
        }
    }
    is_taken
}

/// The text of an invite file; whether it was accepted.
///
/// # Panics
/// When an invite is not read back, and as the reader does.
pub(crate) fn invite(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match InviteFile::from_text(text, "invite") {
        Ok(invite) => {
            assert!(InviteFile::from_text(&invite.to_text(), "invite").is_ok(), "an invite is read back");
            true
        }
        Err(error) => {
            assert!(error.to_string().len() <= MAX_MESSAGE_BYTES, "an error says too much");
            false
        }
    }
}
