//! What was written in cells: rows of tables, entries of books, answers about residents. Books of the simulator's own: who
//! wrote what, and what of it they had heard before, told by the heights of their logs and never by a document.

use std::collections::{BTreeMap, BTreeSet};

use townmesh_crdt::entry::LogId;
use townmesh_crdt::id::{ConflictId, DocumentId, NamespaceId, NodeId};
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::policy::DocumentKind;

/// Before the number of a value that stands in a cell.
pub(crate) const CELL: &str = "cell-";

/// A field of one record of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// Where.
    pub namespace: NamespaceId,
    /// Of which document.
    pub document: DocumentId,
    /// Of which record: a row, two residents; empty for an entry of a book.
    pub record: Vec<u8>,
    /// Which column.
    pub column: String,
}

/// How a value came into a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Somebody wrote it.
    Wrote,
    /// It settled this conflict.
    Settled(ConflictId),
    /// A settlement was taken back.
    Undid,
}

/// A value that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub cell: Cell,
    /// What; empty where the cell was cleared.
    pub value: String,
    /// How.
    pub how: How,
    /// What of the same cell its author had heard: it took the place of all of it.
    pub knew: BTreeSet<usize>,
    /// What the author was shown was what these books foretold: nothing that had arrived waited for something else.
    pub sure: bool,
    /// Its log, and its place there.
    pub log: LogId,
    /// Its place there.
    pub seq: u64,
    /// The acknowledgement, where there was one: its place in the ledger.
    pub ack: Option<usize>,
    /// By which node, in which opening of its store.
    pub by: (usize, u64),
}

/// Where a unit was, as it recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    /// Where that lies.
    pub namespace: NamespaceId,
    /// In which document.
    pub document: DocumentId,
    /// The unit.
    pub unit: NodeId,
    /// Moments, in seconds since 1970.
    pub seconds: BTreeSet<i64>,
    /// The centers that it knew.
    pub centers: BTreeSet<NodeId>,
    /// The acknowledgement: its place in the ledger.
    pub ack: usize,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub struct Rows {
    /// What was written, in order.
    pub all: Vec<Written>,
    of: BTreeMap<Cell, Vec<usize>>,
    /// Documents with such cells.
    pub documents: BTreeMap<DocumentId, (Namespace, DocumentKind)>,
    /// Where units were.
    pub tracks: Vec<Tracked>,
    /// Whose track is which document.
    pub units: BTreeMap<DocumentId, NodeId>,
    /// Values that somebody signed who may not.
    pub overreached: BTreeSet<String>,
    /// The logs of such values.
    pub overreaching: BTreeSet<LogId>,
}

impl Rows {
    /// Adds a value; its place.
    pub(crate) fn add(&mut self, written: Written) -> usize {
        let number = self.all.len();
        self.of.entry(written.cell.clone()).or_default().push(number);
        self.all.push(written);
        number
    }

    /// The cells, each with what was written there.
    pub fn cells(&self) -> impl Iterator<Item = (&Cell, Vec<(usize, &Written)>)> {
        self.of.iter().map(|(cell, numbers)| (cell, self.numbered(numbers)))
    }

    fn numbered(&self, numbers: &[usize]) -> Vec<(usize, &Written)> {
        numbers.iter().filter_map(|number| Some((*number, self.all.get(*number)?))).collect()
    }

    /// What of a cell somebody has heard who knows of these values.
    pub(crate) fn heard(&self, cell: &Cell, knows: impl Fn(&Written) -> bool) -> BTreeSet<usize> {
        let all = self.numbered(self.of.get(cell).map_or(&[], Vec::as_slice));
        all.into_iter().filter(|(_, written)| knows(written)).map(|(number, _)| number).collect()
    }

    /// What stands in a cell for somebody who has heard of these values; a cell that nobody wrote is empty.
    pub(crate) fn standing(&self, heard: &BTreeSet<usize>) -> BTreeSet<&str> {
        let replaced: BTreeSet<usize> =
            heard.iter().filter_map(|number| self.all.get(*number)).flat_map(|one| &one.knew).copied().collect();
        let standing = heard.difference(&replaced).filter_map(|number| self.all.get(*number));
        let values: BTreeSet<&str> = standing.map(|one| one.value.as_str()).collect();
        if values.is_empty() { BTreeSet::from([""]) } else { values }
    }

    /// Notes a document in which conflicts can come up.
    pub(crate) fn note(&mut self, document: DocumentId, namespace: &Namespace, kind: DocumentKind) {
        self.documents.entry(document).or_insert_with(|| (namespace.clone(), kind));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use townmesh_crdt::entry::Lane;

    fn written(value: &str, knew: &[usize], seq: u64) -> Written {
        let namespace = NamespaceId([1; 16]);
        Written {
            cell: Cell { namespace, document: DocumentId([1; 16]), record: vec![], column: "note".into() },
            value: value.into(),
            how: How::Wrote,
            knew: knew.iter().copied().collect(),
            sure: true,
            log: LogId { namespace, author: NodeId([1; 32]), epoch: 1, lane: Lane::Work },
            seq,
            ack: None,
            by: (0, 1),
        }
    }

    #[test]
    fn what_stands_is_what_nobody_replaced_who_is_heard() {
        let mut rows = Rows::default();
        for (seq, (value, knew)) in (1..).zip([("a", &[][..]), ("b", &[0]), ("c", &[0]), ("d", &[0, 1, 2])]) {
            rows.add(written(value, knew, seq));
        }
        let cell = rows.all[0].cell.clone();
        let standing = |seqs: &[u64]| -> Vec<String> {
            let heard = rows.heard(&cell, |one| seqs.contains(&one.seq));
            rows.standing(&heard).into_iter().map(str::to_owned).collect()
        };
        assert_eq!(standing(&[]), [""]);
        assert_eq!(standing(&[1]), ["a"]);
        assert_eq!(standing(&[1, 2, 3]), ["b", "c"]);
        assert_eq!(standing(&[1, 2, 3, 4]), ["d"]);
        assert_eq!(standing(&[1, 3]), ["c"]);
    }
}
