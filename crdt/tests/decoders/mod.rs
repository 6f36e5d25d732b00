//! Every decoder of the core as a function of bytes: replayed over a kept corpus by `tests/corpus.rs`, fed by
//! libFuzzer in `fuzz/`.
//!
//! A decoder makes something of the bytes or refuses them with an error for people; a panic, an error without words, a
//! value larger than its bound or one that is not read back from its own bytes is a defect.

use std::fmt::Display;

mod document;
mod domain;
mod log;
mod replica;
mod text;

/// Longest error message in bytes: an error may quote its input, never repeat all of it.
const MAX_MESSAGE_BYTES: usize = 2_000;

/// A decoder under test.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    /// Name of the fuzz target and of the corpus directory.
    pub(crate) name: &'static str,
    /// Decodes; `None`: refused, else the size of what was made in bytes, as written.
    pub(crate) decode: fn(&[u8]) -> Option<usize>,
    /// The bound on that size.
    pub(crate) most: usize,
    /// How often the replay alters each input of the corpus.
    pub(crate) alterations: u32,
}

const MANY: u32 = 200;
/// For targets that work for milliseconds on one input.
const FEW: u32 = 12;

const fn target(name: &'static str, decode: fn(&[u8]) -> Option<usize>, most: usize) -> Target {
    Target { name, decode, most, alterations: MANY }
}

/// Every target, by name.
pub(crate) const TARGETS: [Target; 24] = [
    target("assertion", log::assertion, 2 * townmesh_crdt::bounds::MAX_ASSERTION),
    target("body", log::body, townmesh_crdt::bounds::MAX_PLAIN_BODY),
    target("card", log::card, townmesh_crdt::card::MAX_CARD),
    target("case_event", domain::case_event, townmesh_crdt::domain::case::MAX_EVENT_BYTES),
    Target {
        name: "case_history",
        decode: domain::case_history,
        most: townmesh_crdt::domain::case::MAX_EVENTS,
        alterations: FEW,
    },
    Target { name: "document", decode: document::document, most: usize::MAX, alterations: FEW },
    target("door_token", domain::door_token, townmesh_crdt::domain::door_tag::TOKEN_BYTES),
    target("entry", log::entry, townmesh_crdt::bounds::MAX_BODY + 512),
    target("event_batch", domain::event_batch, townmesh_crdt::domain::device_batch::MAX_BATCH_BYTES),
    target("fields", domain::fields, 1024 * 1024),
    target("fork_proof", log::fork_proof, 32 * 1024),
    target("inspection", domain::inspection, townmesh_crdt::domain::inspection::MAX_BYTES),
    target("item", log::item, townmesh_crdt::bounds::MAX_PLAIN_BODY),
    target("items", log::items, townmesh_crdt::bounds::MAX_PLAIN_BODY),
    target("manifest", log::manifest, townmesh_crdt::bounds::MAX_RECORD),
    target("message", log::message, townmesh_crdt::bounds::MAX_MESSAGE),
    target("personal_data", domain::personal_data, 3 * townmesh_crdt::domain::person::MAX_TEXT_BYTES + 16),
    Target { name: "replica", decode: replica::replica, most: usize::MAX, alterations: FEW },
    target("sealed_track", domain::sealed_track, townmesh_crdt::bounds::MAX_RECORD),
    target("statement", log::statement, townmesh_crdt::bounds::MAX_RECORD),
    target("text", text::text, 64 * 1024),
    target("town_tables", domain::town_tables, 64 * 1024),
    target("track", domain::track, townmesh_crdt::bounds::MAX_RECORD),
    target("value", log::value, 1024 * 1024),
];

/// Runs the target of this name; as [`Target::run`].
#[allow(dead_code, reason = "the fuzz targets come in here, the replay does not")]
pub(crate) fn run(name: &str, bytes: &[u8]) -> bool {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.unwrap_or_else(|| panic!("there is no target {name}")).run(bytes)
}

impl Target {
    /// Decodes; whether the bytes were accepted.
    ///
    /// # Panics
    /// When the decoder does, or makes more of the bytes than its bound.
    pub(crate) fn run(&self, bytes: &[u8]) -> bool {
        let made = (self.decode)(bytes);
        assert!(
            made.is_none_or(|size| size <= self.most),
            "{} made {made:?} bytes, more than {}",
            self.name,
            self.most
        );
        made.is_some()
    }
}

/// The value, after a look at the error that stands in its place.
fn accepted<T, E: Display>(decoded: Result<T, E>) -> Option<T> {
    decoded
        .inspect_err(|error| {
            let message = error.to_string();
            assert!(!message.is_empty(), "an error says nothing");
            assert!(message.len() <= MAX_MESSAGE_BYTES, "an error says too much: {} bytes", message.len());
        })
        .ok()
}

/// Takes pieces off the front of a script; what is missing at its end is empty or zero.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().map_or((0, self.0), |(byte, rest)| (*byte, rest));
        self.0 = rest;
        byte
    }

    fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.byte(), self.byte()]))
    }

    /// As many bytes as the number before them says.
    fn piece(&mut self) -> &'a [u8] {
        let length = self.number().min(self.0.len());
        let (piece, rest) = self.0.split_at(length);
        self.0 = rest;
        piece
    }
}
