//! Whether a store rotted: every page is compared with its checksum, and the file stays as it is.
//!
//! The database compares checksums only where it recovers, and repairs in place what it finds, if need be by going back
//! to an earlier commit. So it is shown a view of the file in which all that it writes stays in memory: nothing
//! acknowledged is taken back without a word, and a damaged file can still be examined.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{BackendError, Database, StorageBackend};

use super::{BACKEND_CACHE_BYTES, Store, StoreError, creation, of_io};

/// Bytes that are kept in memory together once one of them was written.
const PAGE: u64 = 4096;

impl Store {
    /// Whether every page of the store in a file is as it was written; also where there is none yet.
    ///
    /// # Errors
    /// [`StoreError`]: it cannot be opened, or another process has it open.
    pub fn is_sound(path: &Path) -> Result<bool, StoreError> {
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => Self::is_sound_backend(FileBackend::new(file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(of_io(&error)),
        }
    }

    /// The same for a store on a backend, which is only read.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_sound_backend(backend: impl StorageBackend) -> Result<bool, StoreError> {
        let view = View::of(backend).map_err(|error| of_io(&error))?;
        creation::begin_backend_again(&view).map_err(|error| of_io(&error))?;
        let mut database = Database::builder().set_cache_size(BACKEND_CACHE_BYTES).create_with_backend(view)?;
        Ok(database.check_integrity()?)
    }
}

/// A backend as it is, with what was written since beside it.
#[derive(Debug)]
struct View<B> {
    backend: B,
    /// How long the backend is. What lies behind it was never there.
    whole: u64,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    len: u64,
    pages: BTreeMap<u64, Vec<u8>>,
}

impl<B: StorageBackend> View<B> {
    fn of(backend: B) -> io::Result<Self> {
        let whole = backend.len()?;
        let written = Mutex::new(Written { len: whole, pages: BTreeMap::new() });
        Ok(Self { backend, whole, written })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A page of the backend; zeros behind its end.
    fn page(&self, number: u64) -> io::Result<Vec<u8>> {
        let begin = number * PAGE;
        let mut page = vec![0; PAGE as usize];
        let there = self.whole.saturating_sub(begin).min(PAGE) as usize;
        if let Some(there) = page.get_mut(..there).filter(|there| !there.is_empty()) {
            self.backend.read(begin, there)?;
        }
        Ok(page)
    }
}

/// The parts of a range of bytes that lie in one page each: the page, where it begins there, and how long it is.
fn parts(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let end = offset + len as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let part = (at / PAGE, (at % PAGE) as usize, (PAGE - at % PAGE).min(end - at) as usize);
        at += part.2 as u64;
        (part.2 > 0).then_some(part)
    })
}

impl<B: StorageBackend> StorageBackend for View<B> {
    fn len(&self) -> io::Result<u64> {
        Ok(self.written().len)
    }

    fn read(&self, offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        let written = self.written();
        if offset + out.len() as u64 > written.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (number, begin, len) in parts(offset, out.len()) {
            let (part, rest) = out.split_at_mut(len);
            match written.pages.get(&number) {
                Some(page) => part.copy_from_slice(page.get(begin..begin + len).unwrap_or_default()),
                None => part.copy_from_slice(self.page(number)?.get(begin..begin + len).unwrap_or_default()),
            }
            out = rest;
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut written = self.written();
        // What is cut off and grown again is zeros.
        let (from, until) = (len.min(written.len), len.max(written.len));
        for (number, begin, len) in parts(from, (until - from) as usize) {
            if number * PAGE < self.whole {
                let mut page = written.pages.remove(&number).map_or_else(|| self.page(number), Ok)?;
                page.iter_mut().skip(begin).take(len).for_each(|byte| *byte = 0);
                written.pages.insert(number, page);
            } else {
                written.pages.remove(&number);
            }
        }
        written.len = len;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> io::Result<()> {
        let mut written = self.written();
        written.len = written.len.max(offset + data.len() as u64);
        for (number, begin, len) in parts(offset, data.len()) {
            let (part, rest) = data.split_at(len);
            let mut page = written.pages.remove(&number).map_or_else(|| self.page(number), Ok)?;
            page.iter_mut().skip(begin).zip(part).for_each(|(byte, new)| *byte = *new);
            written.pages.insert(number, page);
            data = rest;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.backend.close()
    }

    // Locks are those of the file: a store that another process has open is not looked at.
    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.backend.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.backend.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(path: &Path) -> Vec<u8> {
        let store = Store::open(path).unwrap();
        let mut transaction = store.database.begin_write().unwrap();
        transaction.set_quick_repair(true);
        {
            let mut meta = transaction.open_table(super::super::tables::META).unwrap();
            meta.insert("a word", [b'w'; 3_000].as_slice()).unwrap();
        }
        transaction.commit().unwrap();
        drop(store);
        std::fs::read(path).unwrap()
    }

    #[test]
    fn one_byte_that_rotted_is_found_and_the_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        assert!(Store::is_sound(&path).unwrap(), "there is none yet");
        let whole = store(&path);
        assert!(Store::is_sound(&path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), whole);
        let at = whole.windows(100).rposition(|bytes| bytes == [b'w'; 100]).unwrap();
        let mut rotten = whole.clone();
        rotten[at] ^= 1;
        std::fs::write(&path, &rotten).unwrap();
        assert!(Store::open(&path).is_ok(), "the database does not notice");
        std::fs::write(&path, &rotten).unwrap();
        assert!(!Store::is_sound(&path).unwrap_or(false));
        assert_eq!(std::fs::read(&path).unwrap(), rotten);
    }

    #[test]
    fn a_store_that_is_open_is_not_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        store(&path);
        let open = Store::open(&path).unwrap();
        assert!(Store::is_sound(&path).is_err());
        drop(open);
        assert!(Store::is_sound(&path).unwrap());
    }

    #[test]
    fn a_view_reads_what_was_written_to_it_and_leaves_the_rest() {
        let file = redb::backends::InMemoryBackend::new();
        file.set_len(10_000).unwrap();
        file.write(0, &[1; 10_000]).unwrap();
        let view = View::of(file).unwrap();
        view.write(4_090, &[2; 4_100]).unwrap();
        view.set_len(8_100).unwrap();
        view.set_len(20_000).unwrap();
        let mut bytes = vec![9; 20_000];
        view.read(0, &mut bytes).unwrap();
        let expected = [vec![1; 4_090], vec![2; 4_010], vec![0; 11_900]].concat();
        assert!(bytes == expected);
        assert!(view.read(19_999, &mut [0; 2]).is_err());
        view.write(19_999, &[3; 2]).unwrap();
        assert_eq!(view.len().unwrap(), 20_001);
        let mut whole = vec![0; 10_000];
        view.backend.read(0, &mut whole).unwrap();
        assert!(whole == vec![1; 10_000]);
    }
}
