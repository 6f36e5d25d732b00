//! What the transport tells the application, over one bounded queue.
//!
//! Messages of all sessions share the queue, but each session may only have a bounded number of bytes in it: when its
//! share is used up, its task stops reading from the connection, which pushes back to the sender, while other
//! sessions go on. The share is given back when the application takes the message.

use bytes::Bytes;
use libp2p::Multiaddr;
use std::fmt;
use std::sync::Arc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::admission::Refusal;
use crate::outbox::PeerSender;
use crate::{Limits, PeerKey};

/// Events that may wait beyond the messages: openings, closings, addresses.
const QUEUE: usize = 1024;
/// A message takes at least this fraction of its session's share.
const SMALLEST_SHARE: usize = 64;

/// Numbers the sessions of this process; never used twice while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u64);

/// How the bytes of a session travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Path {
    /// Directly or through a relay.
    pub route: Route,
    /// The carrier of the connection; for a relayed one, as far as known, that of the link to the relay.
    pub carrier: Carrier,
}

/// Whether a third node is in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// From node to node.
    Direct,
    /// Through a relay, which sees ciphertext only.
    Relayed,
}

/// What secures and multiplexes the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// QUIC over UDP.
    Quic,
    /// Noise and Yamux over TCP.
    Tcp,
}

/// What happened. For each session: one `Opened`, then messages and `Writable`, then one `Closed`, in this order;
/// the sessions of one peer never overlap.
#[derive(Debug)]
pub enum Event {
    /// The node is reachable under this address; a circuit address means that a relay gave a reservation.
    Listening {
        /// The address.
        address: Multiaddr,
    },
    /// The node is no longer reachable under this address. Sessions are being probed, lost ones redialled.
    ListeningEnded {
        /// The address.
        address: Multiaddr,
    },
    /// A peer and this node have admitted each other.
    Opened {
        /// The peer.
        peer: PeerKey,
        /// The session; later events name it.
        session: SessionId,
        /// How its bytes travel.
        path: Path,
        /// For sending to the peer within this session.
        sender: PeerSender,
    },
    /// A message arrived.
    Message {
        /// The peer it came from.
        peer: PeerKey,
        /// The session it came in.
        session: SessionId,
        /// The message, at most [`Limits::message_bytes`](crate::Limits::message_bytes) long.
        bytes: Bytes,
    },
    /// There is room again after a [`TrySendError::Full`](crate::TrySendError::Full).
    Writable {
        /// The peer.
        peer: PeerKey,
        /// The session.
        session: SessionId,
    },
    /// A session ended. The transport reconnects by itself where it has an address to dial.
    Closed {
        /// The peer.
        peer: PeerKey,
        /// The session.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// A peer was not admitted, or did not admit this node. No application byte was exchanged.
    Refused {
        /// The peer.
        peer: PeerKey,
        /// Who refused, and why.
        reason: RefusedReason,
    },
}

/// Who refused whom at a handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedReason {
    /// This node's [`Admission`](crate::Admission) refused the peer.
    ByUs(Refusal),
    /// The peer refused this node.
    ByPeer(Refusal),
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer ended it on purpose (it shuts down or was told to disconnect).
    Goodbye,
    /// The application called [`Transport::disconnect`](crate::Transport::disconnect).
    Disconnected,
    /// Another connection to the same peer took over; an `Opened` follows.
    Replaced,
    /// Nothing was heard from the peer for too long.
    Silent,
    /// The peer accepted nothing for too long.
    Stalled,
    /// The connection broke.
    Lost(String),
    /// The peer sent something that is no frame, or a frame out of turn.
    Protocol(String),
    /// The peer is no longer admitted.
    NotAdmitted(Refusal),
    /// The peer no longer admits this node.
    NoLongerAdmitted(Refusal),
    /// This transport is shutting down.
    Shutdown,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CloseReason::Goodbye => f.write_str("the peer said goodbye"),
            CloseReason::Disconnected => f.write_str("disconnected by this node"),
            CloseReason::Replaced => f.write_str("another connection took over"),
            CloseReason::Silent => f.write_str("nothing was heard for too long"),
            CloseReason::Stalled => f.write_str("the peer accepted nothing for too long"),
            CloseReason::Lost(cause) => write!(f, "the connection broke: {cause}"),
            CloseReason::Protocol(cause) => write!(f, "the peer broke the protocol: {cause}"),
            CloseReason::NotAdmitted(refusal) => write!(f, "the peer is no longer admitted: {refusal}"),
            CloseReason::NoLongerAdmitted(refusal) => write!(f, "the peer no longer admits this node: {refusal}"),
            CloseReason::Shutdown => f.write_str("this node is shutting down"),
        }
    }
}

/// The receiving end of the event queue. Not taking events slows all peers down and loses nothing.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Queued>,
}

impl Events {
    /// The next event, or `None` after the transport has shut down. Cancel-safe.
    pub async fn recv(&mut self) -> Option<Event> {
        self.queue.recv().await.map(|queued| queued.event)
    }

    /// The next event if one is waiting.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.queue.try_recv().ok().map(|queued| queued.event)
    }
}

/// An event and the share of its session that it occupies until the application takes it.
#[derive(Debug)]
struct Queued {
    event: Event,
    _share: Option<OwnedSemaphorePermit>,
}

/// The application dropped its [`Events`].
#[derive(Debug)]
pub(crate) struct Deaf;

/// The sending end of the event queue.
#[derive(Debug, Clone)]
pub(crate) struct EventSink {
    queue: mpsc::Sender<Queued>,
}

impl EventSink {
    pub(crate) fn new() -> (EventSink, Events) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (EventSink { queue: sender }, Events { queue: receiver })
    }

    /// Queues an event, waiting for room.
    pub(crate) async fn send(&self, event: Event) -> Result<(), Deaf> {
        self.queue.send(Queued { event, _share: None }).await.map_err(|_| Deaf)
    }

    /// Queues an event if there is room at once, and hands it back if there is not.
    pub(crate) fn offer(&self, event: Event) -> Result<(), Event> {
        self.queue.try_send(Queued { event, _share: None }).map_err(|error| match error {
            TrySendError::Full(queued) | TrySendError::Closed(queued) => queued.event,
        })
    }

    /// Waits until there is room for an event (or nobody listens any more).
    pub(crate) async fn room(&self) {
        drop(self.queue.reserve().await);
    }

    /// Completes when nobody listens any more.
    pub(crate) async fn abandoned(&self) {
        self.queue.closed().await;
    }

    /// The share of one session.
    pub(crate) fn inbox(&self, limits: &Limits, peer: PeerKey, session: SessionId) -> Inbox {
        let size = limits.receive_queue_bytes;
        Inbox { sink: self.clone(), share: Arc::new(Semaphore::new(size)), size, peer, session }
    }
}

/// Where one session puts what it receives.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) sink: EventSink,
    share: Arc<Semaphore>,
    size: usize,
    pub(crate) peer: PeerKey,
    pub(crate) session: SessionId,
}

impl Inbox {
    /// Queues a received message once the session's share has room for it.
    pub(crate) async fn deliver(&self, bytes: Bytes) -> Result<(), Deaf> {
        let cost = bytes.len().clamp(self.size / SMALLEST_SHARE, self.size);
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let share = Arc::clone(&self.share).acquire_many_owned(cost).await.map_err(|_| Deaf)?;
        let event = Event::Message { peer: self.peer, session: self.session, bytes };
        self.sink.queue.send(Queued { event, _share: Some(share) }).await.map_err(|_| Deaf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn limits() -> Limits {
        Limits { message_bytes: 1024, receive_queue_bytes: 4096, ..Limits::default() }
    }

    #[tokio::test]
    async fn a_flooding_session_stops_at_its_share_and_another_goes_on() {
        let (sink, mut events) = EventSink::new();
        let flood = sink.inbox(&limits(), [1; 32], SessionId(1));
        let quiet = sink.inbox(&limits(), [2; 32], SessionId(2));
        let mut delivered = 0;
        while timeout(Duration::from_millis(20), flood.deliver(Bytes::from(vec![0; 1024]))).await.is_ok() {
            delivered += 1;
        }
        assert_eq!(delivered, 4);
        quiet.deliver(Bytes::new()).await.unwrap();

        assert!(matches!(events.recv().await, Some(Event::Message { session: SessionId(1), .. })));
        timeout(Duration::from_secs(1), flood.deliver(Bytes::from(vec![0; 1024]))).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn empty_messages_are_bounded_too() {
        let (sink, _events) = EventSink::new();
        let inbox = sink.inbox(&limits(), [1; 32], SessionId(1));
        let mut delivered = 0;
        while timeout(Duration::from_millis(20), inbox.deliver(Bytes::new())).await.is_ok() {
            delivered += 1;
        }
        assert_eq!(delivered, 64);
    }
}
