//! The root key file and authority files.
//!
//! Content of a root key file: CBOR `[seed]`. Of an authority file: CBOR `[town, seed, statement]`, where `town` is the root's
//! public key and `statement` the authority's certificate, signed by the root.

use std::path::Path;

use ed25519_dalek::SigningKey;
use townmesh_crdt::certificate::{Certificate, CertificateKind, Statement, StatementError};
use townmesh_crdt::enrol::Authority;

use super::cbor::{encoded, fixed, parts};
use super::{Content, ContentError, FileKind, KeyError};
use crate::data_dir::Existing;

struct Root(SigningKey);

impl Content for Root {
    const KIND: FileKind = FileKind::Root;

    fn encode(&self) -> Vec<u8> {
        encoded(|e| e.array(1)?.bytes(&self.0.to_bytes())?.ok())
    }

    fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        parts(bytes, 1, |d| Ok(Self(SigningKey::from_bytes(&fixed(d, "the seed")?))))
    }
}

impl Content for Authority {
    const KIND: FileKind = FileKind::Authority;

    fn encode(&self) -> Vec<u8> {
        encoded(|e| {
            e.array(3)?.bytes(&self.town)?.bytes(&self.signing.to_bytes())?;
            e.bytes(&self.statement.to_bytes())?.ok()
        })
    }

    fn decode(bytes: &[u8]) -> Result<Self, ContentError> {
        parts(bytes, 3, |d| {
            let (town, seed) = (fixed(d, "the town's key")?, fixed(d, "the seed")?);
            let statement = Statement::from_bytes(d.bytes()?, &town)?;
            statement.verify(&town, None)?;
            let signing = SigningKey::from_bytes(&seed);
            let key = signing.verifying_key().to_bytes();
            let is_own = |own: &Certificate| own.kind == CertificateKind::Authority && own.key.0 == key;
            if !statement.claim.certificate().is_some_and(is_own) {
                return Err(StatementError::NotAllowed("the certificate is not that of this authority").into());
            }
            Ok(Self { town, signing, statement })
        })
    }
}

/// Writes the town's root key to a new file.
///
/// # Errors
/// [`KeyError::File`], also when the file exists.
pub fn write_root(root: &SigningKey, path: &Path) -> Result<(), KeyError> {
    super::write(&Root(root.clone()), path, Existing::Keep)
}

/// Reads a root key file.
///
/// # Errors
/// [`KeyError`].
pub fn read_root(path: &Path) -> Result<SigningKey, KeyError> {
    super::read::<Root>(path).map(|root| root.0)
}

/// Reads a root key from text that came with a request; `source` stands for the path in errors.
///
/// # Errors
/// [`KeyError`].
pub fn parse_root(text: &str, source: &str) -> Result<SigningKey, KeyError> {
    super::from_text::<Root>(text.as_bytes(), Path::new(source)).map(|root| root.0)
}

/// Writes an authority to a new file.
///
/// # Errors
/// [`KeyError::File`], also when the file exists.
pub fn write_authority(authority: &Authority, path: &Path) -> Result<(), KeyError> {
    super::write(authority, path, Existing::Keep)
}

/// Reads an authority file.
///
/// # Errors
/// [`KeyError`].
pub fn read_authority(path: &Path) -> Result<Authority, KeyError> {
    super::read(path)
}

/// Reads an authority from text that came with a request; `source` stands for the path in errors.
///
/// # Errors
/// [`KeyError`].
pub fn parse_authority(text: &str, source: &str) -> Result<Authority, KeyError> {
    super::from_text(text.as_bytes(), Path::new(source))
}
