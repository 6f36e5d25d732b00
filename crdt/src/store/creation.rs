//! What a power cut leaves of a database that was just being created.
//!
//! The database makes its file longer, writes its first page without the magic number and syncs before it writes that,
//! and takes a file without the number for one of another kind: it would never open again, although nothing was ever
//! in it. Such a file has nothing but zeros behind its first page, which no store has in which anything was written.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::path::Path;

use redb::StorageBackend;

/// A file that was just created is shorter.
const LONGEST: u64 = 4 * 1024 * 1024;
/// Where the magic number stands, and the page that holds it.
const MAGIC: usize = 9;
const PAGE: usize = 4096;

fn is_unfinished(bytes: &[u8]) -> bool {
    let (first, rest) = bytes.split_at(PAGE.min(bytes.len()));
    !bytes.is_empty() && first.iter().take(MAGIC).chain(rest).all(|byte| *byte == 0)
}

/// Empties a file whose creation was cut short, so that it is created anew. One that is in use is left alone.
pub(super) fn begin_again(path: &Path) -> io::Result<()> {
    let file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if file.try_lock().is_ok() && file.metadata()?.len() <= LONGEST && is_unfinished(&read_all(&file)?) {
        file.set_len(0)?;
    }
    Ok(())
}

fn read_all(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same for a backend.
pub(super) fn begin_backend_again(backend: &impl StorageBackend) -> io::Result<()> {
    let len = backend.len()?;
    if len == 0 || len > LONGEST {
        return Ok(());
    }
    let mut magic = [0; MAGIC];
    backend.read(0, magic.get_mut(..MAGIC.min(len as usize)).unwrap_or_default())?;
    if magic != [0; MAGIC] {
        return Ok(());
    }
    let mut bytes = vec![0; len as usize];
    backend.read(0, &mut bytes)?;
    if is_unfinished(&bytes) { backend.set_len(0) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use redb::backends::InMemoryBackend;

    use super::super::{Batch, Durability, Store, StoreError};
    use super::*;

    /// As the database leaves it before the magic number: a length, and perhaps the rest of the first page.
    fn unfinished() -> [Vec<u8>; 2] {
        let zeros = vec![0; 20 * PAGE];
        let mut page = zeros.clone();
        page[MAGIC..320].fill(7);
        [zeros, page]
    }

    #[test]
    fn a_store_whose_creation_was_cut_short_is_created_anew() {
        let directory = tempfile::tempdir().unwrap();
        for (number, bytes) in unfinished().into_iter().enumerate() {
            let path = directory.path().join(number.to_string());
            std::fs::write(&path, &bytes).unwrap();
            assert!(Store::open(&path).unwrap().logs().unwrap().is_empty());
            let backend = InMemoryBackend::new();
            backend.set_len(bytes.len() as u64).unwrap();
            backend.write(0, &bytes).unwrap();
            assert!(Store::open_backend(backend).unwrap().logs().unwrap().is_empty());
        }
    }

    #[test]
    fn a_store_that_lost_its_first_page_is_damaged_and_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let store = Store::open(&path).unwrap();
        store.commit(&Batch { meta: vec![("node", vec![1])], ..Batch::default() }, None, Durability::AtOnce).unwrap();
        drop(store);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[..PAGE].fill(0);
        std::fs::write(&path, &bytes).unwrap();
        assert!(matches!(Store::open(&path), Err(StoreError::Damaged(_))));
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
    }
}
