//! What the node tells about itself.

use serde::Serialize;
use townmesh_crdt::card::Beacon;
use townmesh_crdt::certificate::Access;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::Replica;
use townmesh_transport::{Carrier, Route};

use super::peers::Peers;

/// A connected peer.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct PeerStatus {
    /// Node id.
    pub node: String,
    /// Name in its certificate.
    pub name: String,
    /// `quic`, `tcp`, and whether through a relay.
    pub path: String,
    /// Both hold the same of all that both may hold.
    pub equal: bool,
    /// Entries that the peer said it would send in this session.
    pub entries_expected: u64,
    /// New entries received in this session.
    pub entries_received: u64,
    /// Entries sent in this session.
    pub entries_sent: u64,
    /// Bytes that the peer said it would send, roughly.
    pub bytes_expected: u64,
    /// Bytes of entries received in this session.
    pub bytes_received: u64,
    /// Bytes of entries sent in this session.
    pub bytes_sent: u64,
}

/// A namespace that concerns this node.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct NamespaceStatus {
    /// Its name.
    pub name: String,
    /// `hold` or `carry`.
    pub access: &'static str,
    /// Whether this node can read it.
    pub readable: bool,
    /// Digest of what is held; equal on two nodes exactly if they hold the same.
    pub digest: String,
    /// Entries held.
    pub entries: u64,
    /// Bytes held.
    pub bytes: u64,
}

/// A node that was heard of, by its newest beacon.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct HeardStatus {
    /// Node id.
    pub node: String,
    /// Name in its certificate.
    pub name: String,
    /// When it said what it holds, in milliseconds of its clock.
    pub at: u64,
}

/// An invite that more than one node joined with: one of them may be a thief's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RedeemedTwice {
    /// Short id of the invite's certificate.
    pub invite: String,
    /// The name that it was made for.
    pub name: String,
    /// The nodes that joined with it.
    pub nodes: Vec<NamedNode>,
}

/// A node as people tell it from others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct NamedNode {
    /// Short id.
    pub node: String,
    /// Name in its certificate.
    pub name: String,
}

/// The node's state.
#[derive(Debug, Clone, Default, Serialize, utoipa::ToSchema)]
pub struct Status {
    /// Node id.
    pub node: String,
    /// Name in its certificate.
    pub name: String,
    /// Its role.
    pub role: String,
    /// The town's root public key.
    pub town: String,
    /// Version of the program.
    pub version: &'static str,
    /// Connected peers.
    pub peers: Vec<PeerStatus>,
    /// Enrolled nodes that were heard of.
    pub heard: Vec<HeardStatus>,
    /// Namespaces that concern this node.
    pub namespaces: Vec<NamespaceStatus>,
    /// Entries held.
    pub entries: u64,
    /// Entries held that the documents do not hold yet.
    pub unfolded: u64,
    /// Document changes that the views do not show yet.
    pub view_lag: u64,
    /// An earlier write failed: the node reads, but records nothing.
    pub failed: bool,
    /// Little room is left on the disk: imports and photos are refused.
    pub disk_low: bool,
    /// Invites that were redeemed more than once.
    pub double_redemptions: usize,
    /// Which invites these are, and by whom.
    pub redeemed_twice: Vec<RedeemedTwice>,
    /// Logs known to be forked.
    pub forked_logs: usize,
    /// Addresses the node is reachable under.
    pub addresses: Vec<String>,
    /// This node has founded the town, and nobody else has been heard of.
    #[serde(skip)]
    pub is_alone: bool,
}

impl Status {
    /// Nothing waits here, and every node in reach holds the same. A node that reaches nobody cannot know that, unless it
    /// is the town's only one.
    pub fn is_synced(&self) -> bool {
        let is_equal = match self.peers.as_slice() {
            [] => self.is_alone,
            peers => peers.iter().all(|peer| peer.equal),
        };
        is_equal && self.unfolded == 0 && self.view_lag == 0
    }

    pub(super) fn of(replica: &mut Replica, peers: &Peers, view_lag: u64, addresses: Vec<String>) -> Self {
        let own = replica.certificate().clone();
        let beacons: Vec<Beacon> = replica.beacons();
        let mut totals: std::collections::BTreeMap<_, (u64, u64)> = std::collections::BTreeMap::new();
        for state in replica.logs() {
            let (entries, bytes) = totals.entry(state.log.namespace).or_default();
            *entries += state.height;
            *bytes += state.bytes;
        }
        let namespaces = replica.namespaces().into_iter().map(|(id, namespace, access, readable)| {
            let (entries, bytes) = totals.get(&id).copied().unwrap_or_default();
            let access = match access {
                Access::Hold => "hold",
                Access::Carry => "carry",
            };
            let digest = replica.digest(id).iter().map(|byte| format!("{byte:02x}")).collect();
            NamespaceStatus { name: namespace.to_string(), access, readable, digest, entries, bytes }
        });
        Self {
            namespaces: namespaces.collect(),
            node: replica.node().to_string(),
            name: own.name,
            role: own.role.name().to_owned(),
            town: replica.trust().town().iter().map(|byte| format!("{byte:02x}")).collect(),
            version: env!("CARGO_PKG_VERSION"),
            peers: peers.iter().map(|(node, peer)| peer_status(replica, node, peer)).collect(),
            heard: beacons
                .iter()
                .map(|beacon| HeardStatus {
                    node: beacon.node.to_string(),
                    name: replica.name_of(&beacon.node),
                    at: beacon.at,
                })
                .collect(),
            entries: totals.values().map(|(entries, _)| entries).sum(),
            unfolded: replica.unfolded(),
            view_lag,
            failed: replica.has_failed(),
            disk_low: replica.spares_disk(),
            double_redemptions: replica.trust().double_redemptions().count(),
            redeemed_twice: redeemed_twice(replica),
            is_alone: is_alone(replica, &beacons),
            forked_logs: replica.logs().filter(|state| state.forked_at > 0).count(),
            addresses,
        }
    }
}

fn redeemed_twice(replica: &Replica) -> Vec<RedeemedTwice> {
    let trust = replica.trust();
    let all = trust.double_redemptions().map(|(invite, certificates)| {
        let nodes = certificates.iter().filter_map(|id| trust.certificate(id));
        let nodes = nodes.map(|own| NamedNode { node: own.key.short(), name: own.name.clone() }).collect();
        let name = trust.certificate(invite).map_or_else(String::new, |invite| invite.name.clone());
        RedeemedTwice { invite: invite.short(), name, nodes }
    });
    all.collect()
}

/// A node that has just joined knows no other either, but what the town was founded with it was told.
fn is_alone(replica: &Replica, beacons: &[Beacon]) -> bool {
    let own = replica.node();
    let founded =
        replica.trust().family(&Namespace::town()).is_some() && replica.was_introduced().is_ok_and(|told| !told);
    let knows_others =
        replica.trust().nodes().any(|(node, ..)| node != own) || beacons.iter().any(|beacon| beacon.node != own);
    founded && !knows_others
}

fn peer_status(replica: &Replica, node: &townmesh_crdt::id::NodeId, peer: &super::peers::Peer) -> PeerStatus {
    let progress = replica.progress(node).unwrap_or_default();
    let carrier = match peer.path.carrier {
        Carrier::Quic => "quic",
        Carrier::Tcp => "tcp",
    };
    let route = match peer.path.route {
        Route::Direct => "",
        Route::Relayed => " relayed",
    };
    PeerStatus {
        node: node.to_string(),
        name: replica.name_of(node),
        path: format!("{carrier}{route}"),
        equal: progress.equal,
        entries_expected: progress.entries_expected,
        entries_received: progress.entries_received,
        entries_sent: progress.entries_sent,
        bytes_expected: progress.bytes_expected,
        bytes_received: progress.bytes_received,
        bytes_sent: progress.bytes_sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synced_means_that_nothing_waits_and_everybody_in_reach_is_equal() {
        let status = |unfolded: u64, view_lag: u64, peers: &[bool], is_alone: bool| {
            let peers = peers.iter().map(|equal| PeerStatus { equal: *equal, ..PeerStatus::default() }).collect();
            Status { unfolded, view_lag, peers, is_alone, ..Status::default() }.is_synced()
        };
        assert!(status(0, 0, &[true, true], false));
        assert!(status(0, 0, &[], true), "alone in the town");
        assert!(!status(0, 0, &[], false), "cut off");
        assert!(!status(1, 0, &[true], false));
        assert!(!status(0, 1, &[true], false));
        assert!(!status(0, 0, &[true, false], false));
        assert!(!status(0, 1, &[], true));
    }
}
