//! The invite file: everything a machine needs to become a node, without reaching anybody.
//!
//! Content: CBOR `[town, [statement...], seed, [[family, secret]...], [peer address...], introduction]`: the chain from the
//! authority's certificate to the invite's own, the secrets of the families that the node may read, and which namespaces
//! there are ([`Introduction`]).

use std::path::Path;

use ed25519_dalek::SigningKey;
use townmesh_crdt::certificate::{Certificate, CertificateKind, Statement};
use townmesh_crdt::enrol::Invite;
use townmesh_crdt::seal::FamilySecret;
use townmesh_crdt::trust::Introduction;

use super::cbor::{encoded, fixed, list, parts};
use super::identity::{MAX_CHAIN, check_chain};
use super::{Content, ContentError, FileKind, KeyError};
use crate::data_dir::Existing;

/// Most addresses in an invite.
const MAX_PEERS: u64 = 64;
/// Most keys in an invite: those of every family that a town can have, several times over.
const MAX_SECRETS: u64 = 65_536;
/// Longest address in bytes.
const MAX_ADDRESS: u64 = 512;

/// An invite and where to find the town.
#[derive(Debug)]
pub struct InviteFile {
    /// The invite.
    pub invite: Invite,
    /// Addresses of nodes to connect to; may be empty.
    pub peers: Vec<String>,
}

impl InviteFile {
    /// What the new node is to be.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.invite.chain.last()?.claim.certificate()
    }

    /// Reads an invite file.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        super::read(path)
    }

    /// Reads an invite from text, such as the answer of the API.
    ///
    /// # Errors
    /// [`KeyError`]; `source` stands for the path in it.
    pub fn from_text(text: &str, source: &str) -> Result<Self, KeyError> {
        super::from_text(text.as_bytes(), Path::new(source))
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        super::to_text(self)
    }

    /// Writes a new file.
    ///
    /// # Errors
    /// [`KeyError::File`], also when the file exists.
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        super::write(self, path, Existing::Keep)
    }
}

impl Content for InviteFile {
    const KIND: FileKind = FileKind::Invite;

    fn encode(&self) -> Vec<u8> {
        let invite = &self.invite;
        encoded(|e| {
            e.array(6)?.bytes(&invite.town)?.array(invite.chain.len() as u64)?;
            for statement in &invite.chain {
                e.bytes(&statement.to_bytes())?;
            }
            e.bytes(&invite.signing.to_bytes())?.array(invite.secrets.len() as u64)?;
            for (family, secret) in &invite.secrets {
                e.array(2)?.str(family)?.bytes(secret.as_bytes())?;
            }
            e.array(self.peers.len() as u64)?;
            for peer in &self.peers {
                e.str(peer)?;
            }
            e.bytes(&invite.introduction.to_bytes())?;
            Ok(())
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        parts(bytes, 6, |d| {
            let town = fixed(d, "the town's key")?;
            let mut chain = Vec::new();
            for _ in 0..list(d, "certificates", MAX_CHAIN)? {
                chain.push(Statement::from_bytes(d.bytes()?, &town)?);
            }
            let signing = SigningKey::from_bytes(&fixed(d, "the seed")?);
            let mut secrets = Vec::new();
            for _ in 0..list(d, "keys", MAX_SECRETS)? {
                if d.array()? != Some(2) {
                    return Err(ContentError::Length("a key"));
                }
                secrets.push((d.str()?.to_owned(), FamilySecret::from_bytes(fixed(d, "a key")?)));
            }
            let mut peers = Vec::new();
            for _ in 0..list(d, "addresses", MAX_PEERS)? {
                let address = d.str()?;
                if address.len() as u64 > MAX_ADDRESS {
                    return Err(ContentError::TooMany { what: "bytes in an address", limit: MAX_ADDRESS });
                }
                peers.push(address.to_owned());
            }
            let introduction = Introduction::from_bytes(d.bytes()?)
                .ok_or(ContentError::Mismatch("what it tells of the town is malformed"))?;
            check_chain(&town, &chain)?;
            let file = Self { invite: Invite { town, chain, signing, secrets, introduction }, peers };
            let key = file.invite.signing.verifying_key().to_bytes();
            let own = file.certificate().filter(|own| own.kind == CertificateKind::Invite && own.key.0 == key);
            if own.is_none() {
                return Err(ContentError::Mismatch("the certificate is not that of this invite"));
            }
            Ok(file)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::town;
    use townmesh_crdt::enrol;

    #[test]
    fn an_invite_file_can_be_redeemed() {
        let (_, invite, mut rng) = town();
        let file = InviteFile { invite, peers: vec!["/ip4/10.0.0.1/tcp/4001".into()] };
        let read = InviteFile::from_text(&file.to_text(), "test").unwrap();
        assert_eq!(read.peers, file.peers);
        assert_eq!(read.invite.secrets, file.invite.secrets);
        assert_eq!(read.invite.secrets.len(), 4);
        enrol::redeem(&read.invite, &mut rng).unwrap();
    }

    #[test]
    fn contents_cut_anywhere_are_refused() {
        let (_, invite, _) = town();
        let bytes = InviteFile { invite, peers: vec![] }.encode();
        for length in (0..bytes.len()).step_by(7) {
            assert!(InviteFile::decode(&bytes[..length]).is_err(), "{length} bytes");
        }
        assert!(InviteFile::decode(&[bytes.as_slice(), &[0]].concat()).is_err(), "a byte too many");
    }

    #[test]
    fn more_addresses_than_allowed_are_refused() {
        let (_, invite, _) = town();
        let file = InviteFile { invite, peers: vec!["/ip4/10.0.0.1/tcp/4001".into(); 65] };
        assert!(matches!(InviteFile::decode(&file.encode()), Err(ContentError::TooMany { .. })));
    }
}
