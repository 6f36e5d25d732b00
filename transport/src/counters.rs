//! What has been carried and refused so far.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::PeerKey;

/// Peers whose counters are kept; beyond it those without a session are forgotten.
const REMEMBERED_PEERS: usize = 1024;

/// A snapshot of the counters since the transport started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections established, in both directions.
    pub connections: u64,
    /// Incoming connections that failed or were denied by a limit before they were established.
    pub incoming_failed: u64,
    /// Dials that failed.
    pub dials_failed: u64,
    /// Sessions opened.
    pub sessions: u64,
    /// Handshakes that ended in a refusal, by this node or by the peer.
    pub refusals: u64,
    /// Handshakes that ended in an error or a timeout.
    pub handshakes_failed: u64,
    /// Messages that were queued and not sent when their session ended.
    pub messages_dropped: u64,
    /// Events of refusals that were dropped since the application did not take its events.
    pub events_dropped: u64,
    /// Per peer that had a session.
    pub peers: BTreeMap<PeerKey, PeerCounters>,
}

/// What sessions with one peer have carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PeerCounters {
    /// Bytes written to session streams, framing and keep-alives included, the connection's own overhead not.
    pub bytes_sent: u64,
    /// Bytes read from session streams, likewise.
    pub bytes_received: u64,
    /// Messages handed to the connection.
    pub messages_sent: u64,
    /// Messages received.
    pub messages_received: u64,
}

/// The live counters, shared by all tasks.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: Count,
    pub(crate) incoming_failed: Count,
    pub(crate) dials_failed: Count,
    pub(crate) sessions: Count,
    pub(crate) refusals: Count,
    pub(crate) handshakes_failed: Count,
    pub(crate) messages_dropped: Count,
    pub(crate) events_dropped: Count,
    peers: Mutex<BTreeMap<PeerKey, Arc<PeerTally>>>,
}

/// One peer's live counters.
#[derive(Debug, Default)]
pub(crate) struct PeerTally {
    pub(crate) bytes_sent: Count,
    pub(crate) bytes_received: Count,
    pub(crate) messages_sent: Count,
    pub(crate) messages_received: Count,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// The counters of one peer, made on first use.
    pub(crate) fn peer(&self, peer: PeerKey) -> Arc<PeerTally> {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= REMEMBERED_PEERS && !peers.contains_key(&peer) {
            // Only sessions hold a second reference.
            peers.retain(|_, tally| Arc::strong_count(tally) > 1);
        }
        Arc::clone(peers.entry(peer).or_default())
    }

    pub(crate) fn snapshot(&self) -> Counters {
        let peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        Counters {
            connections: self.connections.value(),
            incoming_failed: self.incoming_failed.value(),
            dials_failed: self.dials_failed.value(),
            sessions: self.sessions.value(),
            refusals: self.refusals.value(),
            handshakes_failed: self.handshakes_failed.value(),
            messages_dropped: self.messages_dropped.value(),
            events_dropped: self.events_dropped.value(),
            peers: peers.iter().map(|(peer, tally)| (*peer, tally.snapshot())).collect(),
        }
    }
}

impl PeerTally {
    fn snapshot(&self) -> PeerCounters {
        PeerCounters {
            bytes_sent: self.bytes_sent.value(),
            bytes_received: self.bytes_received.value(),
            messages_sent: self.messages_sent.value(),
            messages_received: self.messages_received.value(),
        }
    }
}
