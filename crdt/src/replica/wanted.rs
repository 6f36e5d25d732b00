//! Chunks that are wanted and have not come, in the order in which they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::blobs::{ChunkId, Turn};
use crate::id::NamespaceId;

/// What is wanted: every chunk once, in the earliest turn in which somebody wants it.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    turns: BTreeMap<ChunkId, Turn>,
    queue: BTreeSet<(Turn, ChunkId)>,
}

impl Wanted {
    /// Wants a chunk in this turn; one that is wanted in a later one is asked for earlier from now on, never the other way
    /// round.
    pub(super) fn insert(&mut self, chunk: ChunkId, turn: Turn) {
        if self.turn(&chunk).is_some_and(|known| known <= turn) {
            return;
        }
        self.remove(&chunk);
        self.turns.insert(chunk, turn);
        self.queue.insert((turn, chunk));
    }

    /// Whether it was wanted until now.
    pub(super) fn remove(&mut self, chunk: &ChunkId) -> bool {
        let Some(turn) = self.turns.remove(chunk) else { return false };
        self.queue.remove(&(turn, *chunk));
        true
    }

    /// In which turn a chunk is wanted; `None` for one that is not.
    pub(super) fn turn(&self, chunk: &ChunkId) -> Option<Turn> {
        self.turns.get(chunk).copied()
    }

    /// All that is wanted in a turn.
    pub(super) fn in_turn(&self, turn: Turn) -> impl Iterator<Item = &ChunkId> {
        let chunk = |byte| (NamespaceId([byte; 16]), [byte; 32]);
        self.queue.range((turn, chunk(0))..=(turn, chunk(0xff))).map(|(_, chunk)| chunk)
    }

    pub(super) fn len(&self) -> usize {
        self.turns.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_wanted_once_in_its_earliest_turn() {
        let chunk = |byte| (NamespaceId([byte; 16]), [byte; 32]);
        let mut wanted = Wanted::default();
        for (byte, turn) in
            [(0, Turn::Carried), (0xff, Turn::Later), (7, Turn::First), (0, Turn::Later), (7, Turn::Later)]
        {
            wanted.insert(chunk(byte), turn);
        }
        let in_turn = |wanted: &Wanted, turn| wanted.in_turn(turn).copied().collect::<Vec<_>>();
        assert_eq!(in_turn(&wanted, Turn::First), [chunk(7)]);
        assert_eq!(in_turn(&wanted, Turn::Later), [chunk(0), chunk(0xff)]);
        assert_eq!(in_turn(&wanted, Turn::Carried), []);
        assert_eq!(
            (wanted.len(), wanted.remove(&chunk(7)), wanted.remove(&chunk(7)), wanted.len()),
            (3, true, false, 2)
        );
    }
}
