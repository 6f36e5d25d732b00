//! The peers of the moment: where to send what the replica wants sent.

use std::collections::BTreeMap;

use bytes::Bytes;
use townmesh_crdt::id::NodeId;
use townmesh_crdt::replica::Replica;
use townmesh_crdt::store::StoreError;
use townmesh_transport::{Path, PeerSender, SessionId, TrySendError};

/// Messages sent to one peer in one turn, so that no peer keeps the others waiting.
const MESSAGES_A_TURN: usize = 32;

pub(super) struct Peer {
    pub(super) session: SessionId,
    pub(super) path: Path,
    sender: PeerSender,
    /// A message that did not fit; goes first when there is room again.
    waiting: Option<Bytes>,
    has_room: bool,
}

#[derive(Default)]
pub(super) struct Peers(BTreeMap<NodeId, Peer>);

impl Peers {
    pub(super) fn opened(&mut self, node: NodeId, session: SessionId, path: Path, sender: PeerSender) {
        self.0.insert(node, Peer { session, path, sender, waiting: None, has_room: true });
    }

    /// True if this was the node's session.
    pub(super) fn closed(&mut self, node: NodeId, session: SessionId) -> bool {
        let is_current = self.is_current(node, session);
        if is_current {
            self.0.remove(&node);
        }
        is_current
    }

    pub(super) fn is_current(&self, node: NodeId, session: SessionId) -> bool {
        self.0.get(&node).is_some_and(|peer| peer.session == session)
    }

    pub(super) fn has_room(&mut self, node: NodeId, session: SessionId) {
        if let Some(peer) = self.0.get_mut(&node).filter(|peer| peer.session == session) {
            peer.has_room = true;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &Peer)> {
        self.0.iter()
    }

    pub(super) fn take_all(&mut self) -> Vec<NodeId> {
        std::mem::take(&mut self.0).into_keys().collect()
    }

    /// Sends to every peer with room; true if there is more to send at once. After an error with one peer the others
    /// are served all the same.
    pub(super) fn transmit(&mut self, replica: &mut Replica) -> Result<bool, StoreError> {
        let (mut more, mut failed) = (false, None);
        for (node, peer) in &mut self.0 {
            let mut sent = 0;
            while peer.has_room {
                let message = match peer.waiting.take() {
                    Some(message) => message,
                    None => match replica.poll_transmit(*node) {
                        Ok(Some(message)) => message.into(),
                        Ok(None) => break,
                        Err(error) => {
                            failed = Some(error);
                            break;
                        }
                    },
                };
                match peer.sender.try_send(message.clone()) {
                    Ok(()) => sent += 1,
                    Err(TrySendError::Full) => {
                        peer.waiting = Some(message);
                        peer.has_room = false;
                    }
                    // The session is over or the message impossible; a close event follows, or the next session asks again.
                    Err(TrySendError::Closed | TrySendError::TooLarge { .. }) => peer.has_room = false,
                }
                if sent == MESSAGES_A_TURN {
                    more = true;
                    break;
                }
            }
        }
        failed.map_or(Ok(more), Err)
    }
}
