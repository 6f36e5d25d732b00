//! The node of a data directory while it is stopped: its keys, and its replica opened by this process.

use std::path::Path;

use townmesh_crdt::replica::{OpenError, Opening, Replica};
use townmesh_crdt::store::{Store, StoreError};

use super::Failure;
use crate::config::Config;
use crate::damage::contained;
use crate::data_dir::{DataDir, Existing, read_small};
use crate::engine::now;
use crate::keys::{IdentityFile, os_rng, read_authority};
use crate::message::Message;

/// The identity of the data directory.
///
/// # Errors
/// When there is none yet: how to get one.
pub(super) fn identity(directory: &DataDir) -> Result<IdentityFile, Failure> {
    let path = directory.identity();
    if !path.exists() {
        let zh = format!("{} 还不是一个节点", directory.path().display());
        let en = format!("{} is not a node yet", directory.path().display());
        let remedy = "townmesh town create … / townmesh join <邀请文件>";
        return Err(Message::new("no_identity", zh, en)
            .remedy(&format!("先运行 {remedy}"), &format!("first run {remedy}"))
            .into());
    }
    Ok(IdentityFile::read(&path)?)
}

/// The text of an authority's file, for the running node. Read here first: a wrong file is an error of this command.
///
/// # Errors
/// When it is not such a file.
pub(super) fn authority_text(path: &Path) -> Result<String, Failure> {
    read_authority(path)?;
    Ok(String::from_utf8_lossy(&read_small(path, 1 << 20)?).into_owned())
}

/// Refuses a data directory that is a node already.
///
/// # Errors
/// When it is one.
pub(super) fn refuse_existing(directory: &DataDir) -> Result<(), Failure> {
    if let Ok(file) = identity(directory) {
        refuse_unfinished(directory, &file)?;
    }
    match [directory.identity(), directory.store()].into_iter().find(|path| path.exists()) {
        Some(path) => {
            let zh = format!("{} 已存在：这个数据目录已是一个节点", path.display());
            let en = format!("{} exists: this data directory is a node already", path.display());
            Err(Message::new("already_a_node", zh, en).remedy("换一个 --data-dir", "name another --data-dir").into())
        }
        None => Ok(()),
    }
}

/// Refuses a node whose founding or joining broke off: it would run without the keys of its town.
///
/// # Errors
/// When it did.
pub(super) fn refuse_unfinished(directory: &DataDir, file: &IdentityFile) -> Result<(), Failure> {
    if file.expect_data {
        return Ok(());
    }
    let path = directory.path().display();
    let zh = format!("{path} 的建镇或加入没有完成");
    let en = format!("founding or joining never finished in {path}");
    let remedy_zh = format!("用同一邀请文件再次运行 townmesh join；若是建镇，删除 {path} 和密钥目录后重新建立");
    let remedy_en = format!(
        "run townmesh join again with the same invite; if a town was being founded, delete {path} and the folder of its keys, then found it again"
    );
    Err(Message::new("unfinished", zh, en).remedy(&remedy_zh, &remedy_en).into())
}

/// How the replica of an identity is opened. Every page of the store is read and compared with its checksum first: the
/// database does not do it when it reads, and what rotted would be shown and passed on.
///
/// # Errors
/// [`OpenError::Store`], among others for a page that rotted; [`OpenError::Codec`] where the operating system has no randomness.
pub(super) fn opening(config: &Config, file: &IdentityFile, expect_data: bool) -> Result<Opening, OpenError> {
    let rng = os_rng().map_err(|message| OpenError::Codec(std::io::Error::other(message)))?;
    let path = config.data_dir.store();
    if !Store::is_sound(&path)? {
        return Err(StoreError::Damaged("a page differs from its checksum".to_owned()).into());
    }
    Ok(Opening {
        store: Store::open(&path)?,
        identity: file.identity.clone(),
        town: file.town,
        chain: file.chain.clone(),
        rng: Box::new(rng),
        expect_data,
        beacon_interval: u64::try_from(config.beacon_interval.as_millis()).unwrap_or(u64::MAX),
    })
}

/// Opens the replica of a node that is not running, for one job. Damage that is met on the way is an error of it.
///
/// # Errors
/// Those of the job; [`OpenError`], among others when the node is running.
pub(super) fn with_replica<T>(
    config: &Config,
    file: &IdentityFile,
    job: impl FnOnce(&mut Replica) -> Result<T, Failure>,
) -> Result<T, Failure> {
    contained(|| {
        let opening = opening(config, file, file.expect_data)?;
        job(&mut Replica::open(opening, now())?)
    })
}

/// Notes that the store holds data now, so that an empty one is noticed as a loss.
///
/// # Errors
/// When the identity file cannot be written.
pub(super) fn note_data(directory: &DataDir, file: &mut IdentityFile) -> Result<(), Failure> {
    if !file.expect_data {
        file.expect_data = true;
        file.write(&directory.identity(), Existing::Replace)?;
    }
    Ok(())
}
