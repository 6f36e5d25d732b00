//! Which rules an event is judged by: those that its author went by.

use super::table::TransitionTable;

/// The transition tables of a town over time. Each is named by the moment from which it rules, in milliseconds since 1970;
/// 0 names the one that the program ships.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rulebook {
    shipped: TransitionTable,
    /// In order.
    later: Vec<(u64, TransitionTable)>,
}

impl From<TransitionTable> for Rulebook {
    fn from(shipped: TransitionTable) -> Self {
        Self { shipped, later: vec![] }
    }
}

impl Rulebook {
    /// The shipped table, and those that rule after it.
    pub fn new(mut later: Vec<(u64, TransitionTable)>) -> Self {
        later.sort_by_key(|(begins, _)| *begins);
        Self { shipped: TransitionTable::default(), later }
    }

    /// The table of this name, or the one before it where it is not known here.
    pub fn at(&self, named: u64) -> &TransitionTable {
        self.later.iter().rfind(|(begins, _)| *begins <= named).map_or(&self.shipped, |(_, table)| table)
    }

    /// The name of the table that rules at a moment.
    pub fn ruling(&self, now: u64) -> u64 {
        self.later.iter().rfind(|(begins, _)| *begins <= now).map_or(0, |(begins, _)| *begins)
    }
}
