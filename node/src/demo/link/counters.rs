//! What passed over a link, and what did not.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

/// What one direction carried since the link was made. Payload only: without the headers of UDP, TCP and IP.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DirectionCounters {
    /// Datagrams delivered.
    pub datagrams: u64,
    /// Bytes delivered in datagrams.
    pub datagram_bytes: u64,
    /// Bytes delivered in TCP streams.
    pub stream_bytes: u64,
    /// Datagrams that met a cut.
    pub dropped_cut: u64,
    /// Datagrams lost by chance.
    pub dropped_loss: u64,
    /// Datagrams for which a queue had no room.
    pub dropped_queue: u64,
}

impl DirectionCounters {
    /// All bytes delivered.
    pub fn bytes(&self) -> u64 {
        self.datagram_bytes + self.stream_bytes
    }
}

/// What a link carried, and what it holds at present.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct LinkCounters {
    /// Towards the target.
    pub forward: DirectionCounters,
    /// From the target.
    pub backward: DirectionCounters,
    /// UDP senders known at present.
    pub flows: u64,
    /// UDP senders turned away because the table was full.
    pub flows_refused: u64,
    /// TCP connections at present.
    pub connections: u64,
}

/// The counters behind [`DirectionCounters`], shared by the tasks of a link.
#[derive(Debug, Default)]
pub(super) struct DirectionTally {
    pub(super) datagrams: Count,
    pub(super) datagram_bytes: Count,
    pub(super) stream_bytes: Count,
    pub(super) dropped_cut: Count,
    pub(super) dropped_loss: Count,
    pub(super) dropped_queue: Count,
}

impl DirectionTally {
    pub(super) fn read(&self) -> DirectionCounters {
        DirectionCounters {
            datagrams: self.datagrams.read(),
            datagram_bytes: self.datagram_bytes.read(),
            stream_bytes: self.stream_bytes.read(),
            dropped_cut: self.dropped_cut.read(),
            dropped_loss: self.dropped_loss.read(),
            dropped_queue: self.dropped_queue.read(),
        }
    }
}

/// A number that tasks count up (and down) and others read.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
