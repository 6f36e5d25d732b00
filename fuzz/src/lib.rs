//! What the fuzz targets run: every decoder of townmesh, as functions of bytes.
//!
//! `make fuzz` runs each target for a while. One of them:
//!
//! ```text
//! make fuzz FUZZ_TARGETS=message FUZZ_SECONDS=600
//! ```
//!
//! It begins with the inputs that the tests replay, `{crdt,transport,node}/tests/corpus/<target>`. An input that the
//! fuzzer found goes there as `found-<what-it-is>`; from then on `cargo test` replays it.

use townmesh_transport::fuzz_frames;

// What only the replay needs is not used here.
#[allow(dead_code)]
#[path = "../../crdt/tests/decoders/mod.rs"]
mod decoders;
#[cfg(feature = "node")]
#[path = "../../node/tests/decoders/mod.rs"]
mod node;

/// What a peer shows of itself first; see `node/tests/decoders`.
///
/// # Panics
/// As the reader does.
#[cfg(feature = "node")]
pub fn credentials(bytes: &[u8]) {
    node::credentials(bytes);
}

/// The text of an identity or authority file; see `node/tests/decoders`.
///
/// # Panics
/// As the reader does.
#[cfg(feature = "node")]
pub fn key_file(bytes: &[u8]) {
    node::key_file(bytes);
}

/// The text of an invite file; see `node/tests/decoders`.
///
/// # Panics
/// As the reader does.
#[cfg(feature = "node")]
pub fn invite(bytes: &[u8]) {
    node::invite(bytes);
}

/// A ledger in each format; see `node/tests/decoders`.
///
/// # Panics
/// As the reader does.
#[cfg(feature = "node")]
pub fn ledger(bytes: &[u8]) {
    node::ledger(bytes);
}

/// Runs a target of the core; see `crdt/tests/decoders`.
///
/// # Panics
/// As the decoder does, and when there is no target of this name.
pub fn core(name: &str, bytes: &[u8]) {
    decoders::run(name, bytes);
}

/// The frames of a session; the first byte says in chunks of how many bytes they arrive.
///
/// # Panics
/// When a frame is not encoded as it was received.
pub fn frames(bytes: &[u8]) {
    let Some((chunk, stream)) = bytes.split_first() else { return };
    for limit in [64, 512 * 1024] {
        let frames = fuzz_frames(stream, usize::from(*chunk), limit);
        assert!(5 * frames <= stream.len(), "a frame takes at least five bytes");
    }
}
