//! Who may connect: nodes with a certificate of this town that nobody revoked.

use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use townmesh_crdt::certificate::Statement;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::trust::Trust;
use townmesh_transport::{Admission, PeerKey, Refusal};

/// Code of a refusal: the presented certificate is not one of this town's.
const NOT_ENROLLED: u16 = 1;

/// Judges peers by the certificates that the replica held when it last changed.
#[derive(Debug)]
pub struct TownAdmission {
    credentials: Bytes,
    trust: RwLock<Trust>,
}

/// The chain as credentials: each statement after its length in two big-endian bytes.
pub fn encode_chain(chain: &[Statement]) -> Bytes {
    let statements = chain.iter().map(Statement::to_bytes);
    let framed = statements.flat_map(|bytes| [&(bytes.len() as u16).to_be_bytes()[..], &bytes].concat());
    framed.collect::<Vec<u8>>().into()
}

fn decode_chain(mut bytes: &[u8], town: &[u8; 32]) -> Option<Vec<Statement>> {
    let mut chain = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (statement, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        chain.push(Statement::from_bytes(statement, town).ok()?);
        bytes = rest;
    }
    bytes.is_empty().then_some(chain)
}

impl TownAdmission {
    /// Presents this chain; admits nobody before the first [`Self::renew`].
    pub fn new(town: [u8; 32], chain: &[Statement]) -> Self {
        Self { credentials: encode_chain(chain), trust: RwLock::new(Trust::new(town)) }
    }

    /// Takes over what the replica knows now.
    pub fn renew(&self, trust: &Trust) {
        *self.trust.write().unwrap_or_else(PoisonError::into_inner) = trust.clone();
    }
}

impl Admission for TownAdmission {
    fn credentials(&self) -> Bytes {
        self.credentials.clone()
    }

    fn admit(&self, peer: PeerKey, credentials: &[u8]) -> Result<(), Refusal> {
        let refusal = |zh: &str, en: &str| Refusal::new(NOT_ENROLLED, format!("{zh} / {en}"));
        let mut trust = self.trust.read().unwrap_or_else(PoisonError::into_inner).clone();
        let chain = decode_chain(credentials, trust.town()).ok_or_else(|| {
            refusal("证书不属于本镇，请索取邀请", "the certificate is not of this town: ask for an invite")
        })?;
        let own = chain.last().map(|statement| statement.id);
        for statement in chain {
            trust.add(statement).map_err(|error| Refusal::new(NOT_ENROLLED, error.to_string()))?;
        }
        match trust.current(&NodeId(peer)) {
            Some(_) => Ok(()),
            None if own.is_some_and(|own| trust.withdrawn_invite_of(&own).is_some()) => Err(refusal(
                "入网所用的邀请已被撤回，请索取新的邀请",
                "the invite that this node joined with was withdrawn: ask for a new one, then join again",
            )),
            None => Err(refusal(
                "节点未登记或已注销，请索取新的邀请",
                "the node is not enrolled or was removed: ask for a new invite",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng as _;
    use townmesh_crdt::certificate::{Claim, NodeRole};
    use townmesh_crdt::enrol::{self, Place};

    use super::*;

    #[test]
    fn who_redeems_a_withdrawn_invite_is_told_so() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let founded = enrol::found(&["110115005001".to_owned()], "2026", "2026-11", 1, &mut rng);
        let authority = &founded.authority;
        let regions = vec!["110115005001".to_owned()];
        let place = Place { name: "lost".into(), role: NodeRole::Village, regions, carries: vec![], acts_as: None };
        let invite = enrol::invite(authority, &place, &[], 1, &mut rng).unwrap();
        let joined = enrol::redeem(&invite, &mut rng).unwrap();
        let admission = TownAdmission::new(authority.town, &[]);
        let node = joined.identity.node().0;
        let mut trust = Trust::new(authority.town);
        trust.add(authority.statement.clone()).unwrap();
        admission.renew(&trust);
        assert!(admission.admit(node, &encode_chain(&joined.chain)).is_ok());

        let claim = Claim::Revocation { certificate: invite.chain.last().unwrap().id, cuts: vec![] };
        let by = Some(authority.statement.id);
        trust.add(Statement::sign(&authority.town, claim, by, [0; 8], &authority.signing)).unwrap();
        admission.renew(&trust);
        let refusal = admission.admit(node, &encode_chain(&joined.chain)).unwrap_err();
        assert!(format!("{refusal:?}").contains("the invite that this node joined with was withdrawn"), "{refusal:?}");
    }

    #[test]
    fn garbage_is_refused() {
        let admission = TownAdmission::new([1; 32], &[]);
        for credentials in [&[][..], &[0], &[0, 1], &[0, 1, 7], &[255; 64]] {
            assert!(admission.admit([2; 32], credentials).is_err(), "{credentials:?}");
        }
    }
}
