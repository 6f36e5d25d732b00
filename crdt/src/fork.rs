//! Forks: two entries of one author at one place of one log.
//!
//! A proof is, for each of the two branches, the headers from the forked seq up to the next signature. From the
//! forked seq on neither branch has effect, on every node that has the proof.
//!
//! Card bytes: for each branch one count byte (1 to 64), the headers of 190 bytes each, the signature of the last.

use crate::bounds;
use crate::card::{CardError, CardKind};
use crate::entry::{self, HEADER_LEN, Header, LogId, Reader, SIGNATURE_LEN};
use crate::id::EntryId;
use crate::store::CardKey;

/// Headers from a forked seq to the next signature, with that signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// In order of seq.
    pub headers: Vec<Header>,
    /// The author's signature of the last header.
    pub signature: [u8; SIGNATURE_LEN],
}

/// Proof that an author signed two histories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForkProof {
    branches: [Branch; 2],
}

impl Branch {
    fn is_signed_chain(&self) -> bool {
        let linked = self.headers.windows(2).all(|pair| match pair {
            [before, after] => {
                after.log == before.log && before.seq.checked_add(1) == Some(after.seq) && after.backlink == before.id()
            }
            _ => false,
        });
        linked && self.headers.last().is_some_and(|last| entry::verify(last, &self.signature).is_ok())
    }
}

impl ForkProof {
    /// Checks that the branches prove a fork.
    ///
    /// # Errors
    /// [`CardError`] if they do not.
    pub fn new(mut branches: [Branch; 2]) -> Result<Self, CardError> {
        let error = |reason: &str| CardError::new(CardKind::Fork, reason);
        let [Some(one), Some(two)] = branches.each_ref().map(|branch| branch.headers.first().copied()) else {
            return Err(error("a branch is empty"));
        };
        if one.log != two.log || one.seq != two.seq || one.backlink != two.backlink || one.id() == two.id() {
            return Err(error("the branches are not two histories from one place"));
        }
        if branches.iter().any(|branch| branch.headers.len() > bounds::RUN_ENTRIES || !branch.is_signed_chain()) {
            return Err(error("a branch is not a signed chain"));
        }
        branches.sort_by_key(|branch| branch.headers.first().map(Header::id));
        Ok(Self { branches })
    }

    fn first(&self) -> Option<&Header> {
        self.branches[0].headers.first()
    }

    /// The forked log, the first seq that has no effect, and the entry before it.
    pub fn place(&self) -> Option<(LogId, u64, EntryId)> {
        self.first().map(|first| (first.log, first.seq, first.backlink))
    }

    /// The card's key and version; an earlier fork of the same log replaces a later one.
    pub fn card_key(&self) -> Option<(CardKey, u64)> {
        self.first().map(|first| (CardKind::Fork.key(first.log.origin().0), u64::MAX - first.seq))
    }

    /// The card's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for branch in &self.branches {
            bytes.push(branch.headers.len() as u8);
            branch.headers.iter().for_each(|header| bytes.extend_from_slice(&header.to_bytes()));
            bytes.extend_from_slice(&branch.signature);
        }
        bytes
    }

    /// Reads and checks a proof.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CardError> {
        let malformed = || CardError::new(CardKind::Fork, "malformed");
        let mut reader = Reader(bytes);
        let mut branch = || {
            let [count] = reader.take::<1>()?;
            let headers = (0..count).map(|_| Header::from_bytes(&reader.take::<HEADER_LEN>()?).ok());
            Some(Branch { headers: headers.collect::<Option<_>>()?, signature: reader.take()? })
        };
        let branches = [branch().ok_or_else(malformed)?, branch().ok_or_else(malformed)?];
        if reader.0.is_empty() { Self::new(branches) } else { Err(malformed()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HybridTime;
    use crate::entry::Lane;
    use crate::id::{CertificateId, KeyId, NamespaceId, NodeId};
    use ed25519_dalek::SigningKey;

    fn branch(time: u64, signer: &SigningKey) -> Branch {
        let log = LogId {
            namespace: NamespaceId([1; 16]),
            author: NodeId(SigningKey::from_bytes(&[1; 32]).verifying_key().to_bytes()),
            epoch: 1,
            lane: Lane::Work,
        };
        let first = Header {
            log,
            seq: 3,
            backlink: EntryId([3; 32]),
            time: HybridTime(time),
            certificate: CertificateId([0; 32]),
            key: KeyId([0; 16]),
            body_len: 0,
            body_hash: [0; 32],
        };
        let second = Header { seq: 4, backlink: first.id(), ..first };
        Branch { headers: vec![first, second], signature: entry::sign(&second, signer) }
    }

    #[test]
    fn a_proof_is_the_same_whichever_branch_was_seen_first() {
        let key = SigningKey::from_bytes(&[1; 32]);
        let (one, two) = (branch(1, &key), branch(2, &key));
        let proof = ForkProof::new([one.clone(), two.clone()]).unwrap();
        assert_eq!(ForkProof::new([two, one.clone()]).unwrap().to_bytes(), proof.to_bytes());
        assert_eq!(ForkProof::from_bytes(&proof.to_bytes()), Ok(proof.clone()));
        assert_eq!(proof.place().map(|(_, seq, _)| seq), Some(3));
        for at in 0..proof.to_bytes().len() {
            let mut altered = proof.to_bytes();
            altered[at] ^= 1;
            assert!(ForkProof::from_bytes(&altered).is_err(), "byte {at}");
        }
    }

    #[test]
    fn nobody_can_accuse_an_honest_author() {
        let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let one = branch(1, &key);
        assert!(ForkProof::new([one.clone(), one.clone()]).is_err());
        assert!(ForkProof::new([one, branch(2, &other)]).is_err());
    }
}
