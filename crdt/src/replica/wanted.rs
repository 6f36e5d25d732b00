//! Chunks that are wanted and have not come, in the order in which they are asked for.

use std::collections::BTreeSet;

use super::blobs::{ChunkId, Turn};

/// What is wanted: every chunk once, those of previews before all others.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    first: BTreeSet<ChunkId>,
    later: BTreeSet<ChunkId>,
}

impl Wanted {
    /// Wants a chunk in this turn; one that was wanted later comes first from now on, never the other way round.
    pub(super) fn insert(&mut self, chunk: ChunkId, turn: Turn) {
        match turn {
            Turn::First => {
                self.later.remove(&chunk);
                self.first.insert(chunk);
            }
            Turn::Later if self.first.contains(&chunk) => {}
            Turn::Later => _ = self.later.insert(chunk),
        }
    }

    /// Whether it was wanted until now.
    pub(super) fn remove(&mut self, chunk: &ChunkId) -> bool {
        self.first.remove(chunk) || self.later.remove(chunk)
    }

    /// In which turn a chunk is wanted; `None` for one that is not.
    pub(super) fn turn(&self, chunk: &ChunkId) -> Option<Turn> {
        let is_later = || self.later.contains(chunk).then_some(Turn::Later);
        self.first.contains(chunk).then_some(Turn::First).or_else(is_later)
    }

    /// All that is wanted in a turn.
    pub(super) fn in_turn(&self, turn: Turn) -> impl Iterator<Item = &ChunkId> {
        match turn {
            Turn::First => self.first.iter(),
            Turn::Later => self.later.iter(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.first.len() + self.later.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_empty() && self.later.is_empty()
    }
}
