//! Requests that were carried out, so that none is carried out twice whose answer was lost.

use std::collections::BTreeMap;

use redb::{ReadableDatabase, TableError};

use super::{Store, StoreError, tables};
use crate::clock::Millis;

/// What a batch writes about requests.
#[derive(Debug, Default)]
pub(crate) struct RequestWrites {
    /// By the request: when it was carried out, and what is noted of it.
    pub(crate) noted: BTreeMap<[u8; 32], (Millis, Vec<u8>)>,
    /// Those that were carried out before are forgotten.
    pub(crate) forgotten: Option<Millis>,
}

pub(super) fn write(transaction: &redb::WriteTransaction, writes: &RequestWrites) -> Result<(), StoreError> {
    if writes.noted.is_empty() && writes.forgotten.is_none() {
        return Ok(());
    }
    let mut table = transaction.open_table(tables::REQUESTS)?;
    if let Some(before) = writes.forgotten {
        table.retain(|_, row| time_of(row).is_some_and(|(time, _)| time >= before))?;
    }
    for (request, (time, noted)) in &writes.noted {
        table.insert(request, [&time.to_be_bytes()[..], noted].concat().as_slice())?;
    }
    Ok(())
}

fn time_of(row: &[u8]) -> Option<(Millis, &[u8])> {
    let (time, noted) = row.split_first_chunk()?;
    Some((u64::from_be_bytes(*time), noted))
}

impl Store {
    /// When a request was carried out, and what is noted of it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn request(&self, request: &[u8; 32]) -> Result<Option<(Millis, Vec<u8>)>, StoreError> {
        let table = match self.database.begin_read()?.open_table(tables::REQUESTS) {
            Ok(table) => table,
            Err(TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(row) = table.get(request)? else { return Ok(None) };
        let (time, noted) = time_of(row.value()).ok_or_else(|| StoreError::Damaged("a request is malformed".into()))?;
        Ok(Some((time, noted.to_vec())))
    }
}
