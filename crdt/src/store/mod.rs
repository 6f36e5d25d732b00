//! The store: entry logs in redb, and what is derived from them.
//!
//! Every change to the store is one [`Batch`], made durable by one two-phase commit with quick repair: after a
//! power cut the store opens at the last commit without a scan. Readers see committed batches only. What follows from
//! entries ([`Derived`]) is written behind them, for many commits at a time; the states of logs are completed from the
//! entries when the store is opened ([`Store::logs`]), documents by folding again.

mod batch;
mod branches;
mod creation;
mod read;
mod requests;
mod shelves;
mod soundness;
mod tables;

use std::path::Path;

use redb::{Database, ReadableDatabase, ReadableTable, StorageBackend};

pub(crate) use batch::WRITE_BEHIND;
pub use batch::{Batch, CardKey, Derived, Durability, ItemKey, LogState};
pub(crate) use branches::BranchSwap;
pub(crate) use read::WANTED_PREVIEW;
pub use read::{FeedItem, StoredItem, WantedChunk};

use crate::id::NamespaceId;

/// Bytes of pages that redb keeps in memory: village PCs have 2 GB in all.
const CACHE_BYTES: usize = 24 * 1024 * 1024;
/// The same for a backend, which lies in memory itself: a simulated town has hundreds of them.
const BACKEND_CACHE_BYTES: usize = 1024 * 1024;

/// What can go wrong with the store. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "the store is in use by another townmesh process: stop that one first, or give this one another data directory"
    )]
    InUse,
    /// It is not a store, or was damaged beyond what the database repairs by itself.
    #[error(
        "the store is damaged ({0}): move the file aside and start again; this node fetches everything back from its peers"
    )]
    Damaged(String),
    /// No space left.
    #[error("the disk is full: nothing of this batch was saved; free some space, then try again ({0})")]
    Full(String),
    /// Reading or writing failed.
    #[error("the disk failed: nothing of this batch was saved; check the disk and restart ({0})")]
    Io(String),
    /// Written by a newer version.
    #[error("the store has format {found}, this version knows {known}: upgrade this node", known = tables::FORMAT)]
    Newer {
        /// The format found.
        found: u32,
    },
}

#[expect(clippy::wildcard_enum_match_arm, reason = "kinds of the standard library that need no word of their own")]
fn of_io(error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => StoreError::Full(error.to_string()),
        std::io::ErrorKind::InvalidData => StoreError::Damaged(error.to_string()),
        _ => StoreError::Io(error.to_string()),
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "errors of redb that need no word of their own")]
fn of_redb(error: redb::Error) -> StoreError {
    match error {
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse,
        redb::Error::Io(error) => of_io(&error),
        redb::Error::Corrupted(what) => StoreError::Damaged(what),
        other => match other.to_string() {
            text if text.contains("magic") || text.contains("orrupt") => StoreError::Damaged(text),
            text => StoreError::Io(text),
        },
    }
}

macro_rules! from_redb {
    ($($error:ident),*) => { $(impl From<redb::$error> for StoreError {
        fn from(error: redb::$error) -> Self { of_redb(error.into()) }
    })* };
}
from_redb!(DatabaseError, TransactionError, TableError, StorageError, CommitError, SetDurabilityError, CompactionError);

/// An open store.
pub struct Store {
    database: Database,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

impl Store {
    /// Opens or creates the store in a file, and makes the file's name durable.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        creation::begin_again(path).map_err(|error| of_io(&error))?;
        let database = Database::builder().set_cache_size(CACHE_BYTES).create(path)?;
        if let Some(parent) = path.parent() {
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            // Without this a power cut can leave a directory that does not know the file.
            std::fs::File::open(parent).and_then(|directory| directory.sync_all()).map_err(|error| of_io(&error))?;
        }
        Self::prepare(database)
    }

    /// Opens or creates the store on a backend: memory, or a simulated disk.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_backend(backend: impl StorageBackend) -> Result<Self, StoreError> {
        creation::begin_backend_again(&backend).map_err(|error| of_io(&error))?;
        Self::prepare(Database::builder().set_cache_size(BACKEND_CACHE_BYTES).create_with_backend(backend)?)
    }

    fn prepare(database: Database) -> Result<Self, StoreError> {
        let store = Self { database };
        let mut transaction = store.database.begin_write()?;
        transaction.set_quick_repair(true);
        {
            let mut meta = transaction.open_table(tables::META)?;
            let found = meta.get("format")?.map(|format| format.value().to_vec());
            match found.map(|format| format.try_into().map(u32::from_be_bytes)) {
                Some(Ok(tables::FORMAT)) => return store.check_tables(),
                Some(Ok(found)) => return Err(StoreError::Newer { found }),
                Some(Err(_)) => return Err(StoreError::Damaged("the format number is malformed".into())),
                None => meta.insert("format", tables::FORMAT.to_be_bytes().as_slice())?,
            };
            transaction.open_table(tables::NAMESPACES)?;
            transaction.open_table(tables::LOGS)?;
            transaction.open_table(tables::ENTRIES)?;
            transaction.open_table(tables::BRANCHES)?;
            transaction.open_table(tables::ITEMS)?;
            transaction.open_table(tables::PASSED_OVER)?;
            transaction.open_table(tables::FEED)?;
            transaction.open_table(tables::PERSON_KEYS)?;
            transaction.open_table(tables::DESTROYED_KEYS)?;
            transaction.open_table(tables::SHELVES)?;
            transaction.open_table(tables::SHELF_SEALS)?;
            transaction.open_table(tables::CARDS)?;
            transaction.open_table(tables::CHUNKS)?;
        }
        transaction.commit()?;
        Ok(store)
    }

    /// Opening a table checks its types and root.
    fn check_tables(self) -> Result<Self, StoreError> {
        let transaction = self.database.begin_read()?;
        transaction.open_table(tables::LOGS)?;
        transaction.open_table(tables::ENTRIES)?;
        drop(transaction);
        Ok(self)
    }

    /// Gives unused pages back to the file system.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn compact(&mut self) -> Result<bool, StoreError> {
        Ok(self.database.compact()?)
    }

    /// Looks a fact up.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::META)?;
        Ok(table.get(name)?.map(|value| value.value().to_vec()))
    }

    /// The local numbers of namespaces.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn namespaces(&self) -> Result<Vec<(NamespaceId, u32)>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::NAMESPACES)?;
        let rows = table.iter()?.map(|row| row.map(|(id, number)| (NamespaceId(*id.value()), number.value())));
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
