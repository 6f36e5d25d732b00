//! The bounded queue between the application and one peer.

use bytes::Bytes;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tokio::sync::Notify;

use crate::config::Limits;

/// Why a message was not taken for sending. The message is not queued in any of these cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TrySendError {
    /// The queue to this peer is full; an [`Event::Writable`](crate::Event::Writable) follows when there is room.
    #[error("the queue to this peer is full, wait for it to be writable")]
    Full,
    /// The session has ended; an [`Event::Closed`](crate::Event::Closed) says why.
    #[error("the session with this peer has ended")]
    Closed,
    /// The message exceeds what the peer accepts and never will be sent; split it.
    #[error("a message of {length} bytes exceeds the peer's limit of {limit}")]
    TooLarge {
        /// Length of the message in bytes.
        length: usize,
        /// The smaller of both nodes' message limits, in bytes.
        limit: usize,
    },
}

/// Sends messages to one peer within one session. Cheap to clone; never blocks.
///
/// Taken messages are sent in order. Those still queued when the session ends are lost: what must arrive is for the
/// application to acknowledge.
#[derive(Clone)]
pub struct PeerSender(Arc<Outbox>);

impl PeerSender {
    pub(crate) fn new(outbox: Arc<Outbox>) -> Self {
        Self(outbox)
    }

    /// Queues one message.
    ///
    /// # Errors
    /// [`TrySendError`]; the queue is bounded both in messages and in bytes.
    pub fn try_send(&self, message: Bytes) -> Result<(), TrySendError> {
        self.0.push(message)
    }

    /// The largest message this session carries, in bytes.
    pub fn message_limit(&self) -> usize {
        self.0.message_limit
    }

    /// Whether the session has ended.
    pub fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}

impl fmt::Debug for PeerSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.lock();
        f.debug_struct("PeerSender")
            .field("messages", &state.messages)
            .field("bytes", &state.bytes)
            .field("closed", &state.closed)
            .finish()
    }
}

/// The queue itself. Messages count until they are handed to the connection, not just until they are picked up.
pub(crate) struct Outbox {
    state: Mutex<State>,
    message_limit: usize,
    max_messages: usize,
    max_bytes: usize,
    /// Wakes the writer: there is a message, or an answer is owed.
    pub(crate) wake: Notify,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Bytes>,
    messages: usize,
    bytes: usize,
    /// The length of a message that did not fit: its sender waits for room.
    refused: Option<usize>,
    answer_owed: bool,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(limits: &Limits, message_limit: usize) -> Self {
        Self {
            state: Mutex::default(),
            message_limit,
            max_messages: limits.send_queue_messages,
            max_bytes: limits.send_queue_bytes,
            wake: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, message: Bytes) -> Result<(), TrySendError> {
        let length = message.len();
        if length > self.message_limit {
            return Err(TrySendError::TooLarge { length, limit: self.message_limit });
        }
        let mut state = self.lock();
        if state.closed {
            return Err(TrySendError::Closed);
        }
        if state.messages >= self.max_messages || state.bytes + length > self.max_bytes {
            state.refused = Some(state.refused.unwrap_or(0).max(length));
            return Err(TrySendError::Full);
        }
        state.messages += 1;
        state.bytes += length;
        state.queue.push_back(message);
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// Picks up the next messages, at least one if there is any and then up to `budget` bytes together.
    pub(crate) fn pick(&self, budget: usize) -> Vec<Bytes> {
        let mut state = self.lock();
        let mut picked = Vec::new();
        let mut bytes = 0;
        while let Some(message) = state.queue.front() {
            if !picked.is_empty() && bytes + message.len() > budget {
                break;
            }
            bytes += message.len();
            picked.extend(state.queue.pop_front());
        }
        picked
    }

    /// Frees the room of messages that are on their way. True: a sender was turned away and should try again.
    pub(crate) fn sent(&self, messages: usize, bytes: usize) -> bool {
        let mut state = self.lock();
        state.messages -= messages.min(state.messages);
        state.bytes -= bytes.min(state.bytes);
        // Half empty, so that a full queue does not wake its sender for every single message.
        let roomy = state.messages * 2 <= self.max_messages && state.bytes * 2 <= self.max_bytes;
        match state.refused {
            Some(length) if roomy && state.bytes + length <= self.max_bytes => {
                state.refused = None;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Notes that the peer asked for a sign of life.
    pub(crate) fn owe_answer(&self) {
        self.lock().answer_owed = true;
        self.wake.notify_one();
    }

    /// Whether an answer is owed; the caller pays it.
    pub(crate) fn take_answer(&self) -> bool {
        std::mem::take(&mut self.lock().answer_owed)
    }

    /// Refuses further messages and drops the waiting ones; returns how many.
    pub(crate) fn close(&self) -> usize {
        let mut state = self.lock();
        state.closed = true;
        state.queue = VecDeque::new();
        std::mem::take(&mut state.messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        let limits = Limits { send_queue_messages: messages, send_queue_bytes: bytes, ..Limits::default() };
        Outbox::new(&limits, 100)
    }

    fn message(length: usize) -> Bytes {
        Bytes::from(vec![0; length])
    }

    #[test]
    fn the_queue_is_bounded_in_messages_and_in_bytes() {
        let few = outbox(2, 1000);
        assert_eq!(few.push(message(1)), Ok(()));
        assert_eq!(few.push(message(1)), Ok(()));
        assert_eq!(few.push(message(1)), Err(TrySendError::Full));

        let small = outbox(100, 150);
        assert_eq!(small.push(message(100)), Ok(()));
        assert_eq!(small.push(message(51)), Err(TrySendError::Full));
        assert_eq!(small.push(message(50)), Ok(()));
        assert_eq!(small.push(message(101)), Err(TrySendError::TooLarge { length: 101, limit: 100 }));
    }

    #[test]
    fn picked_messages_count_until_they_are_sent() {
        let outbox = outbox(2, 1000);
        outbox.push(message(10)).unwrap();
        outbox.push(message(10)).unwrap();
        assert_eq!(outbox.pick(1000).len(), 2);
        assert_eq!(outbox.push(message(1)), Err(TrySendError::Full));
        assert!(outbox.sent(2, 20), "the refused sender is told once");
        assert!(!outbox.sent(0, 0), "and only once");
        assert_eq!(outbox.push(message(1)), Ok(()));
    }

    #[test]
    fn a_sender_is_woken_only_when_its_message_fits() {
        let outbox = outbox(100, 200);
        outbox.push(message(60)).unwrap();
        outbox.push(message(100)).unwrap();
        assert_eq!(outbox.push(message(100)), Err(TrySendError::Full));
        assert!(!outbox.sent(1, 10), "150 bytes wait");
        assert!(outbox.sent(1, 100));
    }

    #[test]
    fn a_pick_takes_at_least_one_message() {
        let outbox = outbox(100, 200);
        outbox.push(message(90)).unwrap();
        outbox.push(message(5)).unwrap();
        assert_eq!(outbox.pick(10).len(), 1);
        assert_eq!(outbox.pick(10).len(), 1);
        assert!(outbox.pick(10).is_empty());
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let outbox = outbox(100, 200);
        outbox.push(message(1)).unwrap();
        assert_eq!(outbox.close(), 1);
        assert_eq!(outbox.push(message(1)), Err(TrySendError::Closed));
        assert!(outbox.pick(10).is_empty());
    }
}
