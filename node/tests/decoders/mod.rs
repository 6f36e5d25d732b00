//! Decoders of the node program, of files that people bring: replayed over a kept corpus by `tests/corpus.rs`, fed by
//! libFuzzer in `fuzz/`.

use std::sync::LazyLock;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use townmesh_crdt::certificate::NodeRole;
use townmesh_crdt::domain::region::Region;
use townmesh_crdt::enrol::{self, Founded, Invite, Joined, Place};
use townmesh_crdt::id::NodeId;
use townmesh_node::engine::TownAdmission;
use townmesh_node::keys::{IdentityFile, InviteFile, parse_authority};
use townmesh_node::ledger::{Format, Reading, RegionTable};
use townmesh_transport::Admission as _;

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

/// What a peer shows of itself before anything else is said; whether it could be let in.
///
/// # Panics
/// As the reader does.
pub(crate) fn credentials(bytes: &[u8]) -> bool {
    let (town, peer) = shown();
    let admission = TownAdmission::new(*town, &[]);
    match admission.admit(peer.0, bytes) {
        Ok(()) => true,
        Err(refusal) => {
            assert!(format!("{refusal:?}").len() <= MAX_MESSAGE_BYTES, "a refusal says too much");
            false
        }
    }
}

/// The town and the node that the right credentials are for.
fn shown() -> (&'static [u8; 32], NodeId) {
    static SHOWN: LazyLock<(Founded, Invite, Joined)> = LazyLock::new(joined);
    (&SHOWN.0.authority.town, SHOWN.2.identity.node())
}

/// A town, an invite, and the village that joined with it, always the same.
///
/// # Panics
/// Never: everything about it is in order.
pub(crate) fn joined() -> (Founded, Invite, Joined) {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let regions = ["110115005001".to_owned()];
    let founded = enrol::found(&regions, "2026", "2026-11", 1, &mut rng);
    let place = Place {
        name: "langfa".into(),
        role: NodeRole::Village,
        regions: regions.to_vec(),
        carries: vec![],
        acts_as: None,
    };
    let invite = enrol::invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).expect("it is in order");
    let joined = enrol::redeem(&invite, &mut rng).expect("it is in order");
    (founded, invite, joined)
}

/// The text of a node's identity or of an authority; whether it was accepted as either.
///
/// # Panics
/// When a file is not read back, and as the readers do.
pub(crate) fn key_file(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let identity = IdentityFile::from_text(text, "identity");
    if let Ok(identity) = &identity {
        assert!(IdentityFile::from_text(&identity.to_text(), "identity").is_ok(), "an identity is read back");
    }
    let authority = parse_authority(text, "authority");
    for error in identity.as_ref().err().into_iter().chain(authority.as_ref().err()) {
        assert!(error.to_string().len() <= MAX_MESSAGE_BYTES, "an error says too much");
    }
    identity.is_ok() || authority.is_ok()
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
