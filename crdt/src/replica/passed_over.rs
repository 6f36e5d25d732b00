//! Entries that this version could not understand whole are noted, and a newer one looks at them again.
//!
//! Towns are upgraded node by node: for weeks a node may hold, and pass on, what only newer ones can read. Without the
//! note its upgrade would not show any of that, because a log is folded once. The store's `reads` says for which version
//! ([`READS`]) that was done last; it is raised only once the last noted entry was looked at, so a crash repeats some of
//! the work and loses none.

use super::{Output, Replica};
use crate::change::READS;
use crate::store::StoreError;

impl Replica {
    /// Notes an entry that is to be looked at again.
    pub(super) fn pass_over(&mut self, log: u32, seq: u64) {
        self.derived.passed_over.insert((log, seq), true);
        self.derived.weight += 16;
    }

    /// If an older version wrote this store: what it passed over is to be folded, and everything to be shown again, for
    /// the records whose contents it did not understand.
    pub(super) fn recall_passed_over(&mut self) -> Result<(), StoreError> {
        let reads = self.store.meta("reads")?;
        if reads.as_deref() == Some(&READS.to_be_bytes()) {
            return Ok(());
        }
        self.recalled = self.store.passed_over()?;
        self.refeed()?;
        if self.recalled.is_empty() {
            self.note_reads();
        }
        Ok(())
    }

    fn note_reads(&mut self) {
        self.batch.meta.push(("reads", READS.to_be_bytes().to_vec()));
        self.batch.weight += 16;
        self.derived.at_once = true;
    }

    /// Folds what was recalled as far as the budget of bytes allows; what is left of it.
    pub(super) fn fold_passed_over(&mut self, mut budget: usize) -> Result<usize, StoreError> {
        let before = self.recalled.len();
        while budget > 0
            && let Some((number, seq)) = self.recalled.pop_first()
        {
            match self.fold_recalled(number, seq) {
                Ok(size) => budget = budget.saturating_sub(size),
                Err(error) => {
                    self.recalled.insert((number, seq));
                    return Err(error);
                }
            }
        }
        if before > 0 && self.recalled.is_empty() {
            self.note_reads();
        }
        Ok(budget)
    }

    /// Folds one entry again; how many bytes were looked at.
    fn fold_recalled(&mut self, number: u32, seq: u64) -> Result<usize, StoreError> {
        let Some(log) = self.log_numbered(number) else { return Ok(0) };
        let until = self.logs.get(&log).map_or(0, |(_, state)| self.effective(state).0.min(state.folded));
        let namespace = self.trust.namespaces().get(&log.namespace).cloned();
        // What does not count, or is folded later anyway, keeps its note.
        let Some(namespace) = namespace.filter(|_| seq <= until) else { return Ok(0) };
        match self.store.entry(number, seq) {
            Ok(Some(entry)) => {
                if self.fold_entry(&namespace, number, &entry) {
                    self.derived.passed_over.insert((number, seq), false);
                    self.derived.weight += 16;
                }
                Ok(entry.body.len() + 64)
            }
            Ok(None) => Ok(0),
            Err(StoreError::Damaged(reason)) => {
                self.emit(Output::Unreadable { log, seq, reason });
                Ok(64)
            }
            Err(error) => Err(error),
        }
    }
}
