//! What nodes say about themselves, as far as the demo compares it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// `/v1/status` of a node.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NodeStatus {
    /// Node id.
    pub node: String,
    /// Namespaces that concern it.
    pub namespaces: Vec<NamespaceStatus>,
    /// Sessions with other nodes.
    pub peers: Vec<PeerStatus>,
    /// Entries held.
    pub entries: u64,
    /// Entries that the documents do not hold yet.
    pub unfolded: u64,
    /// Changes that the views do not show yet.
    pub view_lag: u64,
}

/// One namespace of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NamespaceStatus {
    /// Its name.
    pub name: String,
    /// `hold` or `carry`.
    pub access: String,
    /// Whether the node can read it.
    pub readable: bool,
    /// What is held, as one value.
    pub digest: String,
    /// Entries held.
    pub entries: u64,
    /// Bytes held.
    pub bytes: u64,
}

/// One session.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct PeerStatus {
    /// The other node's name.
    pub name: String,
    /// `quic` or `tcp`.
    pub path: String,
}

impl NodeStatus {
    /// One namespace by its name.
    pub fn namespace(&self, name: &str) -> Option<&NamespaceStatus> {
        self.namespaces.iter().find(|namespace| namespace.name == name)
    }

    /// Bytes held in all namespaces.
    pub fn bytes(&self) -> u64 {
        self.namespaces.iter().map(|namespace| namespace.bytes).sum()
    }

    /// What waits on this node itself: entries outside documents, changes outside views.
    pub fn waiting(&self) -> u64 {
        self.unfolded + self.view_lag
    }
}

/// The states of all nodes at one moment.
pub type Snapshot = BTreeMap<&'static str, NodeStatus>;

/// What was seen at which time since the beginning of a wait.
pub type History = Vec<(Duration, Snapshot)>;

/// Nodes publish their states a few times a second: what all say for this long was not only said before the last change.
pub const SETTLED: Duration = Duration::from_millis(700);

/// The first way in which nodes differ; `None` when they are done.
pub fn difference(snapshot: &Snapshot) -> Option<String> {
    let mut digests: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for (node, status) in snapshot {
        if status.waiting() > 0 {
            return Some(format!("{node} has {} changes to take in", status.waiting()));
        }
        for namespace in &status.namespaces {
            let (first, digest) = *digests.entry(&namespace.name).or_insert((node, &namespace.digest));
            if digest != namespace.digest {
                return Some(format!("{first} and {node} differ in {}", namespace.name));
            }
        }
    }
    None
}

/// When each node last came to hold what it holds in the end, from a history of snapshots.
pub fn times_to_converge(history: &[(Duration, Snapshot)]) -> BTreeMap<&'static str, Duration> {
    let Some((_, last)) = history.last() else { return BTreeMap::new() };
    let time = |node: &str| {
        let digests = |snapshot: &Snapshot| -> Option<Vec<(String, String)>> {
            let status = snapshot.get(node)?;
            let mut digests: Vec<_> =
                status.namespaces.iter().map(|one| (one.name.clone(), one.digest.clone())).collect();
            digests.sort();
            (status.waiting() == 0).then_some(digests)
        };
        let end = digests(last);
        let same = history.iter().rev().take_while(|(_, snapshot)| digests(snapshot) == end);
        same.last().map_or(Duration::ZERO, |(time, _)| *time)
    };
    last.keys().map(|node| (*node, time(node))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(digests: [&str; 2]) -> Snapshot {
        let status = |digest: &str| NodeStatus {
            namespaces: vec![NamespaceStatus { name: "town".into(), digest: digest.into(), ..Default::default() }],
            ..NodeStatus::default()
        };
        ["a", "b"].into_iter().zip(digests.map(status)).collect()
    }

    #[test]
    fn a_differing_digest_or_a_change_not_taken_in_is_a_difference() {
        assert_eq!(difference(&snapshot(["1", "1"])), None);
        assert_eq!(difference(&snapshot(["1", "2"])).unwrap(), "a and b differ in town");
        let mut lagging = snapshot(["1", "1"]);
        lagging.get_mut("b").unwrap().view_lag = 3;
        assert_eq!(difference(&lagging).unwrap(), "b has 3 changes to take in");
    }

    #[test]
    fn a_node_has_converged_when_it_last_changed() {
        let seconds = Duration::from_secs;
        let history = [
            (seconds(0), snapshot(["2", "1"])),
            (seconds(1), snapshot(["2", "1"])),
            (seconds(2), snapshot(["2", "2"])),
        ];
        let times = times_to_converge(&history);
        assert_eq!(times, BTreeMap::from([("a", seconds(0)), ("b", seconds(2))]));
    }
}
