//! What lies where in a node's data directory, and how its small files are written.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use townmesh_crdt::store::StoreError;

use crate::message::{Explain, Message};

/// The directory that holds one node: its keys, store, views and configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir(PathBuf);

/// A file or directory that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}", path = path.display())]
pub struct FileError {
    /// Which one.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub error: io::Error,
}

impl FileError {
    /// The error of an operation on a path.
    pub fn at(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |error| Self { path, error }
    }
}

impl Explain for FileError {
    fn explain(&self) -> Message {
        let path = self.path.display();
        let known = [
            (io::ErrorKind::NotFound, "file_not_found", "找不到文件", ("核对路径", "check the path")),
            (io::ErrorKind::PermissionDenied, "file_permission", "没有权限访问", ("核对权限", "check its permissions")),
            (
                io::ErrorKind::AlreadyExists,
                "file_exists",
                "不会覆盖已有的文件",
                ("换一个文件名，或先把它移走", "use another name, or move it away first"),
            ),
            (
                io::ErrorKind::StorageFull,
                "disk_full",
                "磁盘已满，没有保存",
                ("清理磁盘空间后重试", "free some disk space, then try again"),
            ),
        ];
        let found = known.into_iter().find(|(kind, ..)| *kind == self.error.kind());
        let (_, code, zh, (remedy_zh, remedy_en)) =
            found.unwrap_or((self.error.kind(), "file", "无法读写", ("核对路径和磁盘", "check path and disk")));
        Message::new(code, format!("{zh} {path}"), self.to_string()).remedy(remedy_zh, remedy_en)
    }
}

impl DataDir {
    /// The directory at a path; nothing is created.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Creates the directory where it is missing, for its owner alone.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn create(&self) -> Result<(), FileError> {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(FileError::at(&self.0))
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The node's keys and certificates.
    pub fn identity(&self) -> PathBuf {
        self.0.join("identity.key")
    }

    /// The entry logs and what is derived beside them.
    pub fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// The views; can be deleted at any time while the node is stopped.
    pub fn views(&self) -> PathBuf {
        self.0.join("views.sqlite")
    }

    /// The configuration that is read when no other is named.
    pub fn config(&self) -> PathBuf {
        self.0.join("townmesh.toml")
    }

    /// Where the running node answers, and its token.
    pub fn api(&self) -> PathBuf {
        self.0.join("api.json")
    }

    /// Marks the directory as in use until the file is closed, so that a second process stops before it does anything:
    /// on the network it would take the first one's place.
    ///
    /// # Errors
    /// [`StoreError::InUse`]; [`StoreError::Io`] where the file cannot be made.
    pub fn lock(&self) -> Result<File, StoreError> {
        let path = self.0.join("lock");
        let failed = |error: io::Error| StoreError::Io(format!("{}: {error}", path.display()));
        let file = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::InUse),
            Err(std::fs::TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Who was shown personal data, when and why.
    pub fn reveals(&self) -> PathBuf {
        self.0.join("reveals.jsonl")
    }

    /// Uploads that are being read.
    pub fn uploads(&self) -> PathBuf {
        self.0.join("uploads")
    }
}

/// Whether [`write_whole`] may replace a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// An existing file is an error.
    Keep,
    /// An existing file is replaced.
    Replace,
}

/// Writes a file for its owner alone (mode 0600), whole or not at all: to a neighbour first, synced, then renamed, and the
/// directory synced, so that a power cut leaves the old file or the new one.
///
/// # Errors
/// [`FileError`]; with [`Existing::Keep`] also when the file exists.
pub fn write_whole(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), FileError> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let mut neighbour = path.as_os_str().to_owned();
    neighbour.push(format!(".{}.tmp", std::process::id()));
    let neighbour = PathBuf::from(neighbour);
    let written = write_neighbour(&neighbour, bytes).and_then(|()| match existing {
        Existing::Replace => std::fs::rename(&neighbour, path),
        Existing::Keep => keep_and_rename(&neighbour, path),
    });
    if written.is_err() || existing == Existing::Keep {
        // Nothing depends on it: a neighbour left behind is overwritten by the next attempt.
        let _ = std::fs::remove_file(&neighbour);
    }
    written.and_then(|()| File::open(directory)?.sync_all()).map_err(FileError::at(path))
}

/// A link refuses to replace a file, in one step with the check; USB sticks know no links, so there the check comes before.
fn keep_and_rename(neighbour: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(neighbour, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists && !path.exists() => {
            std::fs::rename(neighbour, path)
        }
        linked => linked,
    }
}

fn write_neighbour(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a small file whole; a larger one is an error, so that a wrong path does not fill the memory.
///
/// # Errors
/// [`FileError`].
pub fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
    read.map_err(FileError::at(path))?;
    if bytes.len() as u64 > limit {
        let error = io::Error::new(io::ErrorKind::InvalidData, format!("more than {limit} bytes: not such a file"));
        return Err(FileError::at(path)(error));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_used_by_one_process_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let data = DataDir::new(directory.path());
        let held = data.lock().unwrap();
        assert!(matches!(data.lock(), Err(StoreError::InUse)));
        drop(held);
        assert!(data.lock().is_ok());
    }

    #[test]
    fn files_are_private_whole_and_replaced_only_on_request() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        write_whole(&path, b"one", Existing::Keep).unwrap();
        let again = write_whole(&path, b"two", Existing::Keep).unwrap_err();
        assert_eq!(again.explain().code, "file_exists");
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write_whole(&path, b"three", Existing::Replace).unwrap();
        assert_eq!(read_small(&path, 5).unwrap(), b"three");
        assert!(read_small(&path, 4).is_err(), "longer than allowed");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "no neighbour is left behind");
    }
}
