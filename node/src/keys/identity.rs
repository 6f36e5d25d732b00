//! The identity file: what makes a data directory this node.
//!
//! Content: CBOR `[town, seed, exchange secret, [statement...], name, recorded before]`: the chain from the
//! authority's certificate to the node's own; `recorded before` says that the store existed, so that an empty one is
//! noticed.

use std::path::Path;

use ed25519_dalek::SigningKey;
use townmesh_crdt::certificate::{Certificate, CertificateKind, Statement};
use townmesh_crdt::enrol::{Identity, Joined};
use townmesh_crdt::trust::Trust;
use x25519_dalek::StaticSecret;

use super::cbor::{encoded, fixed, list, parts};
use super::{Content, ContentError, FileKind, KeyError};
use crate::data_dir::Existing;

/// Certificates in a chain: authority, invite, node, and one to spare.
pub(super) const MAX_CHAIN: u64 = 4;

/// A node's keys and certificates.
#[derive(Debug, Clone)]
pub struct IdentityFile {
    /// The town's root public key.
    pub town: [u8; 32],
    /// Signing key, exchange secret and certificate id.
    pub identity: Identity,
    /// The node's certificate with those it stands on, the authority's first.
    pub chain: Vec<Statement>,
    /// The node's name.
    pub name: String,
    /// The store has held data: an empty one means that it was lost.
    pub expect_data: bool,
}

impl IdentityFile {
    /// The identity of a node that has just joined.
    pub fn of_joined(town: [u8; 32], joined: Joined) -> Self {
        let name = certificate(&joined.chain).map_or_else(String::new, |certificate| certificate.name.clone());
        Self { town, identity: joined.identity, chain: joined.chain, name, expect_data: false }
    }

    /// The node's own certificate.
    pub fn certificate(&self) -> Option<&Certificate> {
        certificate(&self.chain)
    }

    /// Reads an identity file and checks that chain and keys belong together.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        super::read(path)
    }

    /// Reads the text of an identity file; `source` names it in errors.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_text(text: &str, source: &str) -> Result<Self, KeyError> {
        super::from_text(text.as_bytes(), Path::new(source))
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        super::to_text(self)
    }

    /// Writes the file; [`Existing::Keep`] for a new node, [`Existing::Replace`] for a change to this one.
    ///
    /// # Errors
    /// [`KeyError::File`].
    pub fn write(&self, path: &Path, existing: Existing) -> Result<(), KeyError> {
        super::write(self, path, existing)
    }
}

fn certificate(chain: &[Statement]) -> Option<&Certificate> {
    chain.last()?.claim.certificate()
}

impl Content for IdentityFile {
    const KIND: FileKind = FileKind::Identity;

    fn encode(&self) -> Vec<u8> {
        encoded(|e| {
            e.array(6)?.bytes(&self.town)?.bytes(&self.identity.signing.to_bytes())?;
            e.bytes(&self.identity.exchange.to_bytes())?.array(self.chain.len() as u64)?;
            for statement in &self.chain {
                e.bytes(&statement.to_bytes())?;
            }
            e.str(&self.name)?.bool(self.expect_data)?.ok()
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        parts(bytes, 6, |d| {
            let town = fixed(d, "the town's key")?;
            let signing = SigningKey::from_bytes(&fixed(d, "the seed")?);
            let exchange = StaticSecret::from(fixed::<32>(d, "the exchange secret")?);
            let mut chain = Vec::new();
            for _ in 0..list(d, "certificates", MAX_CHAIN)? {
                chain.push(Statement::from_bytes(d.bytes()?, &town)?);
            }
            let (name, expect_data) = (d.str()?.to_owned(), d.bool()?);
            check_chain(&town, &chain)?;
            let own = chain.last().ok_or(ContentError::Mismatch("it holds no certificate"))?;
            let belongs = certificate(&chain).is_some_and(|certificate| {
                certificate.kind == CertificateKind::Node
                    && certificate.key.0 == signing.verifying_key().to_bytes()
                    && certificate.exchange == x25519_dalek::PublicKey::from(&exchange).to_bytes()
            });
            if !belongs {
                return Err(ContentError::Mismatch("the certificate is not that of this node's keys"));
            }
            let identity = Identity { signing, exchange, certificate: own.id };
            Ok(Self { town, identity, chain, name, expect_data })
        })
    }
}

/// Every certificate of a chain must be signed by the one before it, the first by the root.
pub(super) fn check_chain(town: &[u8; 32], chain: &[Statement]) -> Result<(), ContentError> {
    let mut trust = Trust::new(*town);
    for statement in chain {
        if !trust.add(statement.clone())? {
            return Err(ContentError::Mismatch("the certificates do not follow from the root"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::town;
    use townmesh_crdt::enrol;

    #[test]
    fn an_identity_round_trips_and_keeps_its_flag() {
        let (founded, invite, mut rng) = town();
        let joined = enrol::redeem(&invite, &mut rng).unwrap();
        let mut file = IdentityFile::of_joined(founded.authority.town, joined);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("identity.key");
        file.write(&path, Existing::Keep).unwrap();
        file.expect_data = true;
        assert!(file.write(&path, Existing::Keep).is_err(), "an identity is never overwritten by accident");
        file.write(&path, Existing::Replace).unwrap();
        let read = IdentityFile::read(&path).unwrap();
        assert_eq!((read.name.as_str(), read.expect_data), ("langfa-1", true));
        assert_eq!(read.identity.node(), file.identity.node());
        assert_eq!(read.identity.exchange.to_bytes(), file.identity.exchange.to_bytes());
        assert_eq!(read.chain, file.chain);
    }

    #[test]
    fn keys_of_another_node_are_refused() {
        let (founded, invite, mut rng) = town();
        let one = enrol::redeem(&invite, &mut rng).unwrap();
        let other = enrol::redeem(&invite, &mut rng).unwrap();
        let mut file = IdentityFile::of_joined(founded.authority.town, one);
        file.identity.signing = other.identity.signing;
        assert!(matches!(IdentityFile::decode(&file.encode()), Err(ContentError::Mismatch(_))));
        file.chain.remove(0);
        assert!(IdentityFile::decode(&file.encode()).is_err(), "a chain without its authority");
    }
}
