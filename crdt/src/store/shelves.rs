//! Key shelves in the store: how far each is held, and the seals of their authors.

use std::collections::BTreeMap;

use redb::ReadableDatabase;

use super::batch::person_key;
use super::{Store, StoreError, tables};
use crate::entry::Reader;
use crate::id::CertificateId;
use crate::seal::{PersonKeyPlace, ShelfId};
use crate::shelf::{BLOCK, Shelf, ShelfSeal};

/// What a batch writes about shelves; the rows themselves are the batch's person keys.
#[derive(Debug, Default)]
pub(crate) struct ShelfWrites {
    /// By local number of the namespace and shelf.
    pub(crate) held: BTreeMap<(u32, ShelfId), Shelf>,
    /// By local number of the namespace, shelf and block: the count and its seal.
    pub(crate) seals: BTreeMap<(u32, ShelfId, u32), (u32, ShelfSeal)>,
}

fn shelf_key(namespace: u32, shelf: ShelfId) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&namespace.to_be_bytes());
    key[4..].copy_from_slice(&shelf);
    key
}

fn seal_key(namespace: u32, shelf: ShelfId, block: u32) -> [u8; 16] {
    person_key(namespace, PersonKeyPlace { shelf, index: block })
}

pub(super) fn write(transaction: &redb::WriteTransaction, writes: &ShelfWrites) -> Result<(), StoreError> {
    if !writes.held.is_empty() {
        let mut table = transaction.open_table(tables::SHELVES)?;
        for ((namespace, shelf), held) in &writes.held {
            table.insert(&shelf_key(*namespace, *shelf), &held.to_bytes())?;
        }
    }
    if !writes.seals.is_empty() {
        let mut table = transaction.open_table(tables::SHELF_SEALS)?;
        for ((namespace, shelf, block), (count, seal)) in &writes.seals {
            let mut row = [0; 100];
            row[..4].copy_from_slice(&count.to_be_bytes());
            row[4..36].copy_from_slice(&seal.certificate.0);
            row[36..].copy_from_slice(&seal.signature);
            table.insert(&seal_key(*namespace, *shelf, *block), &row)?;
        }
    }
    Ok(())
}

impl Store {
    /// How far each shelf of a namespace is held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shelves(&self, namespace: u32) -> Result<Vec<(ShelfId, Shelf)>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::SHELVES)?;
        let (first, last) = (shelf_key(namespace, [0; 8]), shelf_key(namespace, [0xff; 8]));
        let mut shelves = Vec::new();
        for row in table.range::<&[u8; 12]>(&first..=&last)? {
            let (key, value) = row?;
            let read = Reader(&key.value()[4..]).take().zip(Shelf::from_bytes(value.value()));
            shelves.push(read.ok_or_else(|| StoreError::Damaged("a shelf is malformed".to_owned()))?);
        }
        Ok(shelves)
    }

    /// The newest seal in the block of a shelf that the row after `start` rows lies in, and the count it is for.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn shelf_seal(
        &self,
        namespace: u32,
        shelf: ShelfId,
        start: u32,
    ) -> Result<Option<(u32, ShelfSeal)>, StoreError> {
        let table = self.database.begin_read()?.open_table(tables::SHELF_SEALS)?;
        let Some(row) = table.get(&seal_key(namespace, shelf, start / BLOCK))? else { return Ok(None) };
        let mut reader = Reader(row.value());
        let read = (|| {
            let count = u32::from_be_bytes(reader.take()?);
            Some((count, ShelfSeal { certificate: CertificateId(reader.take()?), signature: reader.take()? }))
        })();
        read.map(Some).ok_or_else(|| StoreError::Damaged("a shelf's seal is malformed".to_owned()))
    }
}
