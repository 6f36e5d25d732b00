//! Reading the views: a connection of its own that can only read, so that no list waits for the writer.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::schema;

/// Why a query gives no rows.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The file is not there or cannot be opened.
    #[error("the view file {path} cannot be opened: {source}; it is made when the node starts")]
    Open {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// [`Page::after`](super::Page::after) is not what an earlier page named.
    #[error("the place to go on at is not one that this list named; start again from its first page")]
    Cursor,
    /// [`Page::after`](super::Page::after) is of a page that was sorted otherwise.
    #[error(
        "the place to go on at is one of the list by {given}, not of the list by {asked}; start again from its first page"
    )]
    CursorOfSort {
        /// By what that page was sorted.
        given: String,
        /// By what this one shall be.
        asked: String,
    },
    /// The file is damaged; [`Views::rebuild`](super::Views::rebuild) makes it anew.
    #[error("the view file is damaged ({0}); it has to be rebuilt from the log")]
    Damaged(rusqlite::Error),
    /// Anything else.
    #[error("the views cannot be read: {0}; try again")]
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for QueryError {
    fn from(error: rusqlite::Error) -> Self {
        if schema::is_damage(&error) { Self::Damaged(error) } else { Self::Failed(error) }
    }
}

/// A reading connection. `Send`, not `Sync`: each thread that reads has its own. Every query sees one state of the
/// views; the queries of a [`household`](Self::household) or [`case`](Self::case) see the same one.
#[derive(Debug)]
pub struct Reader {
    pub(super) connection: Connection,
    path: PathBuf,
    file: Option<FileId>,
}

/// Device and inode of a file.
type FileId = (u64, u64);

impl Reader {
    /// Opens the views that a [`Views`](super::Views) keeps at `path`.
    ///
    /// # Errors
    /// [`QueryError::Open`].
    pub fn open(path: &Path) -> Result<Self, QueryError> {
        let failed = |source| QueryError::Open { path: path.to_owned(), source };
        let connection = schema::open_read_only(path).map_err(failed)?;
        Ok(Self { connection, path: path.to_owned(), file: file_id(path) })
    }

    /// Whether the file is still the one that was opened. After a rebuild it is not, and this reader shows what was
    /// before: open another.
    pub fn is_current(&self) -> bool {
        file_id(&self.path) == self.file
    }

    /// Number of the next line of the feed that the views will take in.
    ///
    /// # Errors
    /// [`QueryError`].
    pub fn watermark(&self) -> Result<u64, QueryError> {
        Ok(schema::watermark(&self.connection)?)
    }

    /// Runs several queries on one state of the views.
    pub(super) fn at_once<T>(&self, queries: impl FnOnce() -> Result<T, QueryError>) -> Result<T, QueryError> {
        let transaction = self.connection.unchecked_transaction()?;
        let answer = queries()?;
        transaction.finish()?;
        Ok(answer)
    }
}

#[cfg(unix)]
fn file_id(path: &Path) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// Elsewhere an open file cannot be removed, so it is always the same one.
#[cfg(not(unix))]
fn file_id(_: &Path) -> Option<FileId> {
    None
}
