//! What the fuzz targets run: every decoder of townmesh, as functions of bytes.
//!
//! `make fuzz` runs each target for a while. One of them, beginning with the inputs that the tests replay:
//!
//! ```text
//! mkdir -p fuzz/corpus/message
//! RUSTC_BOOTSTRAP=1 cargo fuzz run message fuzz/corpus/message crdt/tests/corpus/message -- -rss_limit_mb=512
//! ```
//!
//! An input that the fuzzer found goes to `crdt/tests/corpus/<target>/found-<what-it-is>`; from then on `cargo test`
//! replays it.

use townmesh_transport::fuzz_frames;

#[path = "../../crdt/tests/decoders/mod.rs"]
mod decoders;
#[cfg(feature = "node")]
mod node;

#[cfg(feature = "node")]
pub use node::{invite, ledger};

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
