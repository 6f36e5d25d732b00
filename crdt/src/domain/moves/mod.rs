//! Moves (迁出、迁入): a resident who leaves one village for another is handed over.
//!
//! The giving village writes that somebody leaves, to where, and what is known of them, sealed to the village that
//! receives, to itself and to the centers. The receiving village takes them in or refuses; until then the giving one may
//! take the hand-over back. All of this are immutable events of one document in the namespace of the town, which every
//! member carries: both halves work while the villages are cut off from each other, and neither ever reads the registry of
//! the other. In clear stand ids, which are random, the two regions and the day; nothing that names anybody.
//!
//! A stay somewhere ends once, so the document belongs to the stay: household and resident that are left. Whoever comes
//! back later is a new resident with a new id, and leaves by another document.
//!
//! The state is a fold of the events that knows no clock: what counts is whether an author had seen another event. Whoever
//! had seen an answer gives no second one. Of answers given apart from each other an acceptance stands beside a refusal or a
//! taking back, for somebody was recorded where they live; all of them are conflicts until a center settles them. What is
//! set aside then is not undone: the resident of an acceptance that does not stand is an alias of the one who does.
//!
//! Reading order: `event` (what is written), `content` (what is sealed), `fold`, `state` (what comes of it).

mod content;
mod event;
mod fold;
mod state;
#[cfg(test)]
mod tests;

pub use content::{MAX_STAYS, MoveContent, Stay, decode_stays, encode_stays};
pub use event::{Acceptance, Giving, MAX_EVENT_BYTES, MoveEvent, MoveEventError, MoveStep, MoveStepKey};
pub use fold::{MAX_EVENTS, MoveInput, Right, fold, heads};
pub use state::{Accepted, Given, Move, MoveConflict, MoveConflictKind, MoveEffect, MoveEntry, MoveState, MoveVoid};

use crate::id::{DocumentId, ResidentId};

/// The key of the document of a stay that ends.
pub fn natural_key(household: DocumentId, resident: ResidentId) -> Vec<u8> {
    [household.as_bytes(), resident.as_bytes()].concat()
}

/// The id under which somebody is recorded in the household that takes them in: the first 8 bytes of BLAKE3 (derive-key
/// context `townmesh 2026-11 moved resident`) over the move's document and the household's. Two offices that take the same
/// person into the same household apart from each other record one resident.
pub fn resident_in(moved: DocumentId, household: DocumentId) -> ResidentId {
    let mut hasher = blake3::Hasher::new_derive_key("townmesh 2026-11 moved resident");
    hasher.update(&moved.0).update(&household.0);
    let mut id = [0; ResidentId::LEN];
    hasher.finalize_xof().fill(&mut id);
    ResidentId(id)
}
