//! The one table at the end of a day.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::status::Snapshot;

/// What is known of one node at the end.
#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) node: String,
    pub(super) entries: u64,
    pub(super) documents: usize,
    /// Entries that it lacked when the links returned.
    pub(super) pending_then: u64,
    /// What still waits on it.
    pub(super) pending_now: u64,
    pub(super) converged: Duration,
    /// Bytes that it put on its links from then on.
    pub(super) sent: u64,
    /// Bytes of entries that were new to it from then on.
    pub(super) new: u64,
}

/// The rows of all nodes.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(pub(super) Vec<Row>);

/// Entries and bytes that each node gained between two snapshots.
pub(super) fn gained(before: &Snapshot, after: &Snapshot) -> BTreeMap<&'static str, (u64, u64)> {
    let gain = |(node, status): (&&'static str, &super::status::NodeStatus)| {
        let earlier = before.get(node);
        let entries = status.entries.saturating_sub(earlier.map_or(0, |status| status.entries));
        let bytes = status.bytes().saturating_sub(earlier.map_or(0, super::status::NodeStatus::bytes));
        (*node, (entries, bytes))
    };
    after.iter().map(gain).collect()
}

const HEADER: [&str; 8] =
    ["node", "entries", "documents", "pending then", "pending now", "converged s", "sent KiB", "new KiB"];

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [node, cells @ ..] = HEADER;
        write!(f, "{node:<12}")?;
        cells.iter().try_for_each(|cell| write!(f, "{cell:>13}"))?;
        writeln!(f)?;
        for row in &self.0 {
            write!(f, "{:<12}{:>13}{:>13}", row.node, row.entries, row.documents)?;
            write!(f, "{:>13}{:>13}", row.pending_then, row.pending_now)?;
            writeln!(f, "{:>13.1}{:>13.1}{:>13.1}", row.converged.as_secs_f64(), kib(row.sent), kib(row.new))?;
        }
        let (sent, new) = self.0.iter().fold((0, 0), |(sent, new), row| (sent + row.sent, new + row.new));
        writeln!(
            f,
            "断网恢复后：发送 {:.1} KiB，其中新信息 {:.1} KiB / after the links returned: {:.1} KiB sent for {:.1} KiB of new information",
            kib(sent),
            kib(new),
            kib(sent),
            kib(new)
        )
    }
}

fn kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::status::{NamespaceStatus, NodeStatus};

    #[test]
    fn the_table_sums_up_what_was_sent_for_what_was_new() {
        let row = Row { node: "center".into(), entries: 7, sent: 2048, new: 1024, ..Row::default() };
        let shown = Table(vec![row.clone(), row]).to_string();
        assert!(shown.lines().nth(1).unwrap().starts_with("center"), "{shown}");
        assert!(shown.contains("4.0 KiB sent for 2.0 KiB"), "{shown}");
    }

    #[test]
    fn a_gain_is_the_difference_of_two_snapshots() {
        let status = |entries, bytes| NodeStatus {
            entries,
            namespaces: vec![NamespaceStatus { bytes, ..NamespaceStatus::default() }],
            ..NodeStatus::default()
        };
        let (before, after) = (Snapshot::from([("a", status(3, 100))]), Snapshot::from([("a", status(5, 160))]));
        assert_eq!(gained(&before, &after), BTreeMap::from([("a", (2, 60))]));
    }
}
