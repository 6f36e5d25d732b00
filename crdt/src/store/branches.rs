//! Branches of forked logs other than the one held: those that were held before an authority ratified another one, and
//! those that are on their way because an authority ratified them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use redb::{ReadableDatabase, ReadableTable, TableError};

use super::{Store, StoreError, tables};
use crate::entry::Entry;
use crate::id::EntryId;

/// First byte of a row: an entry that is on its way ...
const ARRIVING: u8 = 0;
/// ... or that was held.
const HELD: u8 = 1;

type BranchTable = redb::ReadOnlyTable<&'static [u8; 44], &'static [u8]>;

/// Another branch of a log takes the place of what is held of it.
#[derive(Debug)]
pub(crate) struct BranchSwap {
    /// Local number of the log.
    pub(crate) log: u32,
    /// Entries from this seq on are moved out of the log.
    pub(crate) from: u64,
    /// The entries that take their place, in order; they stand in the table of branches.
    pub(crate) chain: Vec<EntryId>,
}

/// What a batch writes about branches.
#[derive(Debug, Default)]
pub(crate) struct BranchWrites {
    /// Logs of which everything that is on its way is dropped first.
    pub(crate) dropped: BTreeSet<u32>,
    /// Local number of the log, seq, id and stored form of entries on their way.
    pub(crate) arriving: Vec<(u32, u64, EntryId, Vec<u8>)>,
    pub(crate) swaps: Vec<BranchSwap>,
}

fn branch_key(log: u32, seq: u64, id: &EntryId) -> [u8; 44] {
    let mut key = [0; 44];
    key[..4].copy_from_slice(&log.to_be_bytes());
    key[4..12].copy_from_slice(&seq.to_be_bytes());
    key[12..].copy_from_slice(&id.0);
    key
}

/// First and last key of a log from a seq on.
fn branch_range(log: u32, from: u64) -> ([u8; 44], [u8; 44]) {
    (branch_key(log, from, &EntryId([0; 32])), branch_key(log, u64::MAX, &EntryId([0xff; 32])))
}

fn damaged() -> StoreError {
    StoreError::Damaged("an entry of a branch is malformed".into())
}

fn read_row(value: &[u8]) -> Result<(Entry, bool), StoreError> {
    let ([flag], bytes) = value.split_first_chunk().ok_or_else(damaged)?;
    Ok((Entry::from_bytes(bytes).map_err(|_| damaged())?, *flag == HELD))
}

pub(super) fn write(transaction: &redb::WriteTransaction, writes: &BranchWrites) -> Result<(), StoreError> {
    if writes.dropped.is_empty() && writes.arriving.is_empty() && writes.swaps.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(tables::BRANCHES)?;
    for log in &writes.dropped {
        let (first, last) = branch_range(*log, 0);
        table.retain_in::<&[u8; 44], _>(&first..=&last, |_, value| value.first() == Some(&HELD))?;
    }
    for (log, seq, id, bytes) in &writes.arriving {
        let key = branch_key(*log, *seq, id);
        // One that was held stays known as such.
        if table.get(&key)?.is_none() {
            table.insert(&key, [&[ARRIVING][..], bytes].concat().as_slice())?;
        }
    }
    for swap in &writes.swaps {
        write_swap(transaction, &mut table, swap)?;
    }
    Ok(())
}

/// Entry by entry, so that a long branch takes no memory.
fn write_swap(
    transaction: &redb::WriteTransaction,
    table: &mut redb::Table<'_, &'static [u8; 44], &'static [u8]>,
    swap: &BranchSwap,
) -> Result<(), StoreError> {
    let mut entries = transaction.open_table(tables::ENTRIES)?;
    let mut seq = swap.from;
    while let Some(bytes) = entries.remove((swap.log, seq))?.map(|bytes| bytes.value().to_vec()) {
        let id = Entry::from_bytes(&bytes).map_err(|_| damaged())?.id();
        table.insert(&branch_key(swap.log, seq, &id), [&[HELD][..], &bytes].concat().as_slice())?;
        seq = seq.saturating_add(1);
    }
    for (seq, id) in (swap.from..).zip(&swap.chain) {
        let row = table.remove(&branch_key(swap.log, seq, id))?.map(|row| row.value().to_vec());
        let row = row.ok_or_else(damaged)?;
        let (_, bytes) = row.split_first().ok_or_else(damaged)?;
        entries.insert((swap.log, seq), bytes)?;
    }
    Ok(())
}

impl Store {
    /// An entry of a branch that is not held.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn branch_entry(&self, log: u32, seq: u64, id: &EntryId) -> Result<Option<Entry>, StoreError> {
        let Some(table) = self.branch_table()? else { return Ok(None) };
        let row = table.get(&branch_key(log, seq, id))?;
        row.map(|row| read_row(row.value()).map(|(entry, _)| entry)).transpose()
    }

    /// Shows the entries of a log that are not on the branch held, by seq, with whether each was held once, until `visit`
    /// breaks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn branch_entries(
        &self,
        log: u32,
        from: u64,
        mut visit: impl FnMut(Entry, bool) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let Some(table) = self.branch_table()? else { return Ok(()) };
        let (first, last) = branch_range(log, from);
        for row in table.range::<&[u8; 44]>(&first..=&last)? {
            let (_, value) = row?;
            let (entry, was_held) = read_row(value.value())?;
            if visit(entry, was_held).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn branch_table(&self) -> Result<Option<BranchTable>, StoreError> {
        match self.database.begin_read()?.open_table(tables::BRANCHES) {
            Ok(table) => Ok(Some(table)),
            // Made by a version that did not keep branches.
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
