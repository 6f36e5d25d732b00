//! What a hand-over tells of somebody, and where they lived before.

use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::domain::date::Day;
use crate::domain::household::{Relation, ResidentKind};
use crate::domain::immutable::{self, Immutable, ImmutableError, Limit};
use crate::domain::region::RegionCode;
use crate::id::{DocumentId, ResidentId};

/// Most stays of one person that are handed on; the earliest are left out.
pub const MAX_STAYS: usize = 32;
/// Most bytes of a sealed history or hand-over, before it is sealed.
const MAX_BYTES: usize = 16 * 1024;
/// Most bytes of encoded personal data.
const MAX_PERSON: usize = 1_024;
/// Most bytes of an address.
const MAX_ADDRESS: usize = 1_024;

/// Where somebody lived, as the village that was left recorded it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cbor(map)]
pub struct Stay {
    /// The village.
    #[n(0)]
    pub region: RegionCode,
    /// Door number there.
    #[n(1)]
    pub address: String,
    /// The household there.
    #[n(2)]
    pub household: DocumentId,
    /// Their id there: the former id.
    #[n(3)]
    pub resident: ResidentId,
    /// First day there.
    #[n(4)]
    pub moved_in: Option<Day>,
    /// Last day there.
    #[n(5)]
    pub moved_out: Option<Day>,
}

/// What the receiving village is told. Bytes as in [`immutable`]: version 1, then a map with the keys given in the source.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct MoveContent {
    /// Who it is: the encoding of [`PersonalData`](crate::domain::person::PersonalData).
    #[n(0)]
    pub person: ByteVec,
    /// On what ground they lived there.
    #[n(1)]
    pub kind: Option<ResidentKind>,
    /// What they were to the head of the household.
    #[n(2)]
    pub relation: Option<Relation>,
    /// Where they lived, the stay that ends last.
    #[n(3)]
    pub stays: Vec<Stay>,
}

impl MoveContent {
    /// The bytes to seal.
    ///
    /// # Errors
    /// [`ImmutableError`] for what breaks a limit.
    pub fn encode(&self) -> Result<Vec<u8>, ImmutableError> {
        immutable::encode(self)
    }

    /// The content of these bytes.
    ///
    /// # Errors
    /// [`ImmutableError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ImmutableError> {
        immutable::decode(bytes)
    }
}

impl Immutable for MoveContent {
    const WHAT: &'static str = "content of a hand-over";
    const MAX_BYTES: usize = MAX_BYTES;

    fn limits(&self) -> Vec<Limit> {
        let mut limits = limits_of(&self.stays);
        limits.push(("bytes of personal data", self.person.len(), MAX_PERSON));
        limits
    }
}

/// Where a resident lived before, as it is sealed beside who they are.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
struct History {
    #[n(0)]
    stays: Vec<Stay>,
}

impl Immutable for History {
    const WHAT: &'static str = "history of a resident";
    const MAX_BYTES: usize = MAX_BYTES;

    fn limits(&self) -> Vec<Limit> {
        limits_of(&self.stays)
    }
}

fn limits_of(stays: &[Stay]) -> Vec<Limit> {
    let longest = stays.iter().map(|stay| stay.address.len()).max().unwrap_or(0);
    vec![("stays", stays.len(), MAX_STAYS), ("bytes in an address", longest, MAX_ADDRESS)]
}

/// Where somebody lived before, as bytes to seal.
///
/// # Errors
/// [`ImmutableError`] for what breaks a limit.
pub fn encode_stays(stays: &[Stay]) -> Result<Vec<u8>, ImmutableError> {
    immutable::encode(&History { stays: stays.to_vec() })
}

/// Where somebody lived before.
///
/// # Errors
/// [`ImmutableError`].
pub fn decode_stays(bytes: &[u8]) -> Result<Vec<Stay>, ImmutableError> {
    immutable::decode::<History>(bytes).map(|history| history.stays)
}
