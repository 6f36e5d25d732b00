//! Refusals: a node says whose grants held no key for it where they said they did.
//!
//! Everybody takes a node for served that some grant names as recipient. Without a word from the recipient one hostile
//! reader could keep a newcomer from its keys by shares that hold nothing. What is refused counts as not given.
//!
//! # Format 1
//!
//! A card (see [`crate::card`]), `[signed, signature]` with context `townmesh/refusal/1`; `signed` is the CBOR array
//! `[node, [refused node...]]`, the refused ones ascending. Its version is their number: a node refuses ever more.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use minicbor::Decoder;

use crate::card::{self, CardError, CardKind};
use crate::id::NodeId;

const CONTEXT: &[u8] = b"townmesh/refusal/1";
/// Most nodes that one refuses; beyond that others may be served by whoever it is.
pub const MAX_REFUSED: usize = 256;

/// Whose grants a node refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Who says so.
    pub node: NodeId,
    /// Whose shares for it held no such keys.
    pub refused: BTreeSet<NodeId>,
}

impl Refusal {
    /// Signs the refusal; its card bytes. `key` is the node's.
    pub fn to_bytes(&self, key: &SigningKey) -> Vec<u8> {
        card::signed(CONTEXT, key, |e| {
            e.array(2)?.bytes(&self.node.0)?.array(self.refused.len() as u64)?;
            for node in &self.refused {
                e.bytes(&node.0)?;
            }
            Ok(())
        })
    }

    /// Reads and verifies a refusal.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let error = |reason: &str| CardError::new(CardKind::Refusal, reason);
        let (content, signature) = card::unsigned(bytes).ok_or_else(|| error("malformed"))?;
        let refusal = Self::read(content).ok_or_else(|| error("malformed"))?;
        card::verify(CONTEXT, &refusal.node, content, &signature).ok_or_else(|| error("wrong signature"))?;
        Ok(refusal)
    }

    fn read(content: &[u8]) -> Option<Self> {
        let mut d = Decoder::new(content);
        (d.array().ok()? == Some(2)).then_some(())?;
        let node = NodeId::from_slice(d.bytes().ok()?)?;
        let count = usize::try_from(d.array().ok()??).ok().filter(|count| (1..=MAX_REFUSED).contains(count))?;
        let mut refused = BTreeSet::new();
        for _ in 0..count {
            let next = NodeId::from_slice(d.bytes().ok()?)?;
            refused.last().is_none_or(|last| *last < next).then(|| refused.insert(next))?;
        }
        (d.position() == content.len()).then_some(Self { node, refused })
    }

    /// The version of its card.
    pub fn version(&self) -> u64 {
        self.refused.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refusal(nodes: impl IntoIterator<Item = u8>) -> (Refusal, SigningKey) {
        let key = SigningKey::from_bytes(&[1; 32]);
        let node = NodeId(key.verifying_key().to_bytes());
        (Refusal { node, refused: nodes.into_iter().map(|byte| NodeId([byte; 32])).collect() }, key)
    }

    proptest! {
        #[test]
        fn refusals_round_trip(nodes in proptest::collection::btree_set(any::<u8>(), 1..40)) {
            let (refusal, key) = refusal(nodes);
            prop_assert_eq!(Refusal::from_bytes(&refusal.to_bytes(&key)), Ok(refusal));
        }

        #[test]
        fn any_bytes_are_a_refusal_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Refusal::from_bytes(&bytes);
            let _ = Refusal::read(&bytes);
        }
    }

    #[test]
    fn altered_ones_those_of_others_and_those_that_say_nothing_are_refused() {
        let (right, key) = refusal([2, 9]);
        let bytes = right.to_bytes(&key);
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert!(Refusal::from_bytes(&altered).is_err(), "byte {at}");
        }
        assert!(Refusal::from_bytes(&right.to_bytes(&SigningKey::from_bytes(&[2; 32]))).is_err());
        let (nothing, key) = refusal([]);
        assert!(Refusal::from_bytes(&nothing.to_bytes(&key)).is_err());
        let too_many = (0..=MAX_REFUSED as u64).map(|number| NodeId(*blake3::hash(&number.to_be_bytes()).as_bytes()));
        let too_many = Refusal { refused: too_many.collect(), ..right };
        assert!(Refusal::from_bytes(&too_many.to_bytes(&key)).is_err());
    }
}
