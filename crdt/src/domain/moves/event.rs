//! One event of a move: who did what, having seen which other events.

use std::collections::BTreeSet;

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};

use crate::domain::codes::coded;
use crate::domain::date::Day;
use crate::domain::immutable::{self, Immutable, ImmutableError, Limit};
use crate::domain::region::RegionCode;
use crate::id::{DocumentId, RecordId, ResidentId};

/// Most bytes of an encoded event: a hand-over to as many readers as can be, with the longest history.
pub const MAX_EVENT_BYTES: usize = 48 * 1024;
/// Most events that an event names as seen.
const MAX_SEEN: usize = 64;
/// Most bytes of a member's code.
const MAX_BY: usize = 200;
/// Most bytes of a reason.
const MAX_REASON: usize = 3_000;

/// Why an event cannot be written or read.
pub type MoveEventError = ImmutableError;

/// An immutable event of a move. Bytes as in [`immutable`]: version 1, then a map with the keys given in the source. Its
/// signature, author and time stand beside it, in the entry that carries it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MoveEvent {
    /// The move.
    #[n(0)]
    pub moved: DocumentId,
    /// The account of the person who acts.
    #[n(1)]
    pub by: String,
    /// The newest events that the author had seen ([`Move::heads`](super::Move::heads)); what these had seen is implied.
    #[n(2)]
    pub seen: BTreeSet<RecordId>,
    /// What is done.
    #[n(3)]
    pub step: MoveStep,
}

/// What is done about a move.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum MoveStep {
    /// Somebody leaves for another village.
    #[n(0)]
    Give(#[n(0)] Giving),
    /// They are taken in there.
    #[n(1)]
    Accept(#[n(0)] Acceptance),
    /// They are not.
    #[n(2)]
    Refuse {
        /// Which hand-over.
        #[n(0)]
        give: RecordId,
        /// Why; nothing that identifies a person.
        #[n(1)]
        reason: String,
    },
    /// They do not leave after all.
    #[n(3)]
    TakeBack {
        /// Which hand-over.
        #[n(0)]
        give: RecordId,
    },
    /// Of two events that met one stands, or both are open again.
    #[n(4)]
    Settle {
        /// The two.
        #[n(0)]
        between: [RecordId; 2],
        /// The one that stands; none takes a settlement back.
        #[n(1)]
        stands: Option<RecordId>,
    },
    /// A step of a newer version. It has no effect here, but whoever saw it is read all the same.
    #[n(65535)]
    Unknown,
}

/// What of an event every version writes.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Skeleton {
    #[n(0)]
    moved: DocumentId,
    #[n(1)]
    by: String,
    #[n(2)]
    seen: BTreeSet<RecordId>,
}

impl Immutable for Skeleton {
    const WHAT: &'static str = MoveEvent::WHAT;
    const MAX_BYTES: usize = MAX_EVENT_BYTES;

    fn limits(&self) -> Vec<Limit> {
        limits(&self.seen, &self.by).to_vec()
    }
}

fn limits(seen: &BTreeSet<RecordId>, by: &str) -> [Limit; 2] {
    [("seen events", seen.len(), MAX_SEEN), ("bytes in the member's code", by.len(), MAX_BY)]
}

/// A hand-over.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Giving {
    /// The village that is left.
    #[n(0)]
    pub from: RegionCode,
    /// The village that they go to.
    #[n(1)]
    pub to: RegionCode,
    /// The household that they leave.
    #[n(2)]
    pub household: DocumentId,
    /// Their id there.
    #[n(3)]
    pub resident: ResidentId,
    /// Their last day there.
    #[n(4)]
    pub day: Day,
    /// What is known of them: a [`MoveContent`](super::MoveContent) sealed to its readers
    /// ([`Confidential`](crate::domain::confidential::Confidential)), and that under a person's key of the town's shelf, whose
    /// destruction erases it everywhere.
    #[n(5)]
    pub content: ByteVec,
}

/// Where somebody was taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acceptance {
    /// Which hand-over.
    #[n(0)]
    pub give: RecordId,
    /// The household that they live in.
    #[n(1)]
    pub household: DocumentId,
    /// Their id there ([`resident_in`](super::resident_in)).
    #[n(2)]
    pub resident: ResidentId,
}

coded! {
    /// What is done about a move, without its particulars.
    pub enum MoveStepKey: "step of a move" {
        /// 迁出.
        Give = 1, "give", "迁出移交", "handed over";
        /// 迁入.
        Accept = 2, "accept", "接收迁入", "taken in";
        /// 退回.
        Refuse = 3, "refuse", "拒绝接收", "refused";
        /// 撤回.
        TakeBack = 4, "take_back", "撤回移交", "taken back";
        /// 裁定.
        Settle = 5, "settle", "裁定", "settled";
    }
}

impl MoveStep {
    /// Without its particulars.
    pub fn key(&self) -> MoveStepKey {
        match self {
            Self::Give(_) => MoveStepKey::Give,
            Self::Accept(_) => MoveStepKey::Accept,
            Self::Refuse { .. } => MoveStepKey::Refuse,
            Self::TakeBack { .. } => MoveStepKey::TakeBack,
            Self::Settle { .. } => MoveStepKey::Settle,
            Self::Unknown => MoveStepKey::Unknown(0),
        }
    }
}

impl MoveEvent {
    /// The bytes that are signed, hashed and stored.
    ///
    /// # Errors
    /// [`ImmutableError`] for what breaks a limit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, MoveEventError> {
        immutable::encode(self)
    }

    /// The event of these bytes; one whose step cannot be read, as that of a newer version, with [`MoveStep::Unknown`].
    ///
    /// # Errors
    /// [`ImmutableError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MoveEventError> {
        immutable::decode(bytes).or_else(|error| {
            let of_newer = |Skeleton { moved, by, seen }| Self { moved, by, seen, step: MoveStep::Unknown };
            immutable::decode(bytes).map(of_newer).map_err(|_| error)
        })
    }
}

impl Immutable for MoveEvent {
    const WHAT: &'static str = "event of a move";
    const MAX_BYTES: usize = MAX_EVENT_BYTES;

    fn limits(&self) -> Vec<Limit> {
        let reason = if let MoveStep::Refuse { reason, .. } = &self.step { reason.len() } else { 0 };
        limits(&self.seen, &self.by).into_iter().chain([("bytes in its reason", reason, MAX_REASON)]).collect()
    }
}
