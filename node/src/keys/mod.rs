//! Keys on disk: identity, root key, authority and invite files.
//!
//! Each is a text that says in Chinese and English what it is and that it is secret, with its content in base64 and a
//! checksum, so that it survives e-mail, chat and USB sticks, and damage is noticed before anything is done with it.
//! The files are written whole, for their owner alone.

mod armour;
mod authority;
mod cbor;
mod identity;
mod invite;

use std::path::{Path, PathBuf};

use townmesh_crdt::certificate::StatementError;

pub use armour::{ArmourError, FileKind};
pub use authority::{parse_authority, parse_root, read_authority, read_root, write_authority, write_root};
pub use identity::IdentityFile;
pub use invite::InviteFile;

use crate::data_dir::{Existing, FileError, read_small, write_whole};
use crate::message::{Explain, Message};

/// Largest key file in bytes: an invite to a center of 1,000 regions holds some 3,000 family secrets.
const MAX_FILE: u64 = 4 << 20;

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is no such file, or damaged.
    #[error("{path}: {reason}", path = path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: ArmourError,
    },
    /// Its content is not what its kind says.
    #[error("{path}: the content is malformed: {reason}", path = path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Which part.
        reason: ContentError,
    },
}

/// Why the content of a key file is not accepted although it is undamaged.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// Not the CBOR that the kind has.
    #[error(transparent)]
    Cbor(#[from] minicbor::decode::Error),
    /// A key or id of another length.
    #[error("{0} has the wrong length")]
    Length(&'static str),
    /// More than allowed.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: u64,
    },
    /// A certificate that does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// A part that does not belong to the others.
    #[error("{0}")]
    Mismatch(&'static str),
}

impl Explain for KeyError {
    fn explain(&self) -> Message {
        let en = self.to_string();
        match self {
            Self::File(error) => error.explain(),
            Self::Damaged { path, reason: ArmourError::OtherKind { wanted, .. } } => {
                Message::new("key_file_kind", format!("{} 不是{}", path.display(), wanted.chinese()), en)
                    .remedy("换成正确的文件", "name the right file")
            }
            Self::Damaged { path, reason: ArmourError::Newer(_) } => {
                Message::new("key_file_newer", format!("{} 由更新的版本写成", path.display()), en)
                    .remedy("升级本机的 townmesh", "upgrade townmesh here")
            }
            Self::Damaged { path, .. } | Self::Content { path, .. } => {
                Message::new("key_file_damaged", format!("{} 已损坏或不完整", path.display()), en)
                    .remedy("重新复制该文件，或请发出者再发一份", "copy the file again, or ask for another one")
            }
        }
    }
}

/// What a kind of key file holds.
trait Content: Sized {
    const KIND: FileKind;

    fn encode(&self) -> Vec<u8>;

    fn decode(bytes: &[u8]) -> Result<Self, ContentError>;
}

fn to_text<C: Content>(content: &C) -> String {
    let bytes = zeroize::Zeroizing::new(content.encode());
    armour::wrap(C::KIND, &bytes)
}

/// Reads a key file's text; `path` is for the error.
fn from_text<C: Content>(text: &[u8], path: &Path) -> Result<C, KeyError> {
    let damaged = |reason| KeyError::Damaged { path: path.to_path_buf(), reason };
    let bytes = zeroize::Zeroizing::new(armour::unwrap(C::KIND, text).map_err(damaged)?);
    C::decode(&bytes).map_err(|reason| KeyError::Content { path: path.to_path_buf(), reason })
}

fn write<C: Content>(content: &C, path: &Path, existing: Existing) -> Result<(), KeyError> {
    Ok(write_whole(path, to_text(content).as_bytes(), existing)?)
}

fn read<C: Content>(path: &Path) -> Result<C, KeyError> {
    from_text(&read_small(path, MAX_FILE)?, path)
}

/// The authority is that of another town.
pub fn other_town() -> Message {
    Message::new("other_town", "授权机构密钥属于另一个镇", "the authority belongs to another town")
        .remedy("使用本镇的授权机构文件", "use the authority file of this town")
}

/// A new source of secrets, seeded by the operating system.
///
/// # Errors
/// When the operating system has no randomness, which only a broken one lacks.
pub fn os_rng() -> Result<rand_chacha::ChaCha20Rng, Message> {
    use rand_chacha::rand_core::SeedableRng as _;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Message::new("no_randomness", "操作系统无法提供随机数", format!("no randomness: {error}")))?;
    Ok(rand_chacha::ChaCha20Rng::from_seed(seed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    use townmesh_crdt::certificate::NodeRole;
    use townmesh_crdt::enrol::{self, Founded, Invite, Place};

    pub(super) fn town() -> (Founded, Invite, ChaCha20Rng) {
        let mut rng = ChaCha20Rng::seed_from_u64(7);
        let regions = vec!["110115005001".to_owned(), "110115005002".to_owned()];
        let founded = enrol::found(&regions, "2026", "2026-11", 1, &mut rng);
        let place = Place {
            name: "langfa-1".into(),
            role: NodeRole::Village,
            regions: vec![regions[0].clone()],
            carries: vec![],
            acts_as: None,
        };
        let invite = enrol::invite(&founded.authority, &place, &founded.secrets, 1, &mut rng).unwrap();
        (founded, invite, rng)
    }

    #[test]
    fn root_and_authority_files_are_read_back() {
        let (founded, ..) = town();
        let directory = tempfile::tempdir().unwrap();
        let (root, authority) = (directory.path().join("root.key"), directory.path().join("authority.key"));
        write_root(&founded.root, &root).unwrap();
        write_authority(&founded.authority, &authority).unwrap();
        assert_eq!(read_root(&root).unwrap().to_bytes(), founded.root.to_bytes());
        let read = read_authority(&authority).unwrap();
        assert_eq!((read.town, read.statement.id), (founded.authority.town, founded.authority.statement.id));
        assert!(write_root(&founded.root, &root).is_err(), "an existing key is never overwritten");
    }

    #[test]
    fn errors_name_the_file_and_what_to_do() {
        let (founded, ..) = town();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("root.key");
        assert_eq!(read_root(&path).unwrap_err().explain().code, "file_not_found");
        write_root(&founded.root, &path).unwrap();
        assert_eq!(read_authority(&path).unwrap_err().explain().code, "key_file_kind");
        std::fs::write(&path, "hello").unwrap();
        let message = read_root(&path).unwrap_err().explain();
        assert_eq!(message.code, "key_file_damaged");
        assert!(message.zh.contains("root.key") && message.remedy.is_some(), "{message}");
    }

    #[test]
    fn an_authority_signed_by_another_root_is_refused() {
        let (founded, ..) = town();
        let mut rng = ChaCha20Rng::seed_from_u64(8);
        let other = enrol::found(&[], "2026", "2026-11", 1, &mut rng);
        let forged = enrol::Authority { statement: other.authority.statement, ..founded.authority };
        let text = to_text(&forged);
        assert!(matches!(
            from_text::<enrol::Authority>(text.as_bytes(), Path::new("x")),
            Err(KeyError::Content { .. })
        ));
    }
}
