//! Door tags: ids, and tokens that this node signs.

use super::Replica;
use crate::domain::door_tag::DoorToken;
use crate::domain::region::RegionCode;
use crate::id::TagId;

impl Replica {
    /// A new tag of a region: a random id, and the token that this node signs for it.
    pub fn new_door_tag(&mut self, region: RegionCode) -> (TagId, DoorToken) {
        let mut id = [0; TagId::LEN];
        self.rng.fill_bytes(&mut id);
        (TagId(id), self.sign_door_tag(region, TagId(id)))
    }

    /// What this node signs for a tag.
    pub fn sign_door_tag(&self, region: RegionCode, tag: TagId) -> DoorToken {
        DoorToken::sign(self.trust.town(), region, tag, &self.identity.signing)
    }
}
