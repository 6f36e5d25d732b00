//! What a replica tells its driver.

use crate::entry::LogId;
use crate::id::NodeId;

/// What the driver is to do or may tell people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Drop the connection.
    Close {
        /// To whom.
        peer: NodeId,
        /// Why, for the log.
        reason: String,
    },
    /// This node and a peer hold the same of all that both may hold.
    Equal {
        /// Which peer.
        peer: NodeId,
    },
    /// Certificates changed: connections are to be checked again.
    TrustChanged,
    /// An author wrote two histories.
    Forked {
        /// The log.
        log: LogId,
        /// The first seq that has no effect any more, unless a branch was ratified.
        seq: u64,
    },
    /// An authority ratified another branch of a forked log than the one that was held here. What was held is kept and
    /// has no effect: see [`Replica::set_aside`](super::Replica::set_aside) for what people may want to record again.
    SetAside {
        /// The log.
        log: LogId,
        /// The first seq that is another one now.
        seq: u64,
        /// How many entries were held from there on.
        entries: u64,
    },
    /// A node handed this one a key that cannot be opened: what others write under it cannot be read here.
    BadGrant {
        /// Who made it.
        granter: NodeId,
    },
    /// No more grants fit, so this node goes on writing under a key that a removed node may have.
    LeakyKey {
        /// The family of namespaces.
        family: String,
    },
    /// An entry was kept but cannot be read; people should know.
    Unreadable {
        /// The log.
        log: LogId,
        /// Its place.
        seq: u64,
        /// What is wrong.
        reason: String,
    },
}
