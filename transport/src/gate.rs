//! Which connections may exist, and the one session stream each of them may carry.
//!
//! This is an own [`NetworkBehaviour`] instead of the ready-made `libp2p-stream`, because that crate (0.5.0-alpha)
//! does not say which connection an incoming stream belongs to, opens outgoing ones on a connection picked at random,
//! silently drops incoming streams while its channel is full, and keeps one channel for every connection ever made.
//! The limits are here too, instead of `libp2p-connection-limits`: that crate keeps an entry for every peer that ever
//! connected, and cannot tell admitted peers from strangers.

use futures::future::{Ready, ready};
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::ConnectionEstablished;
use libp2p::swarm::handler::{ConnectionEvent, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionClosed, ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, DialFailure,
    FromSwarm, ListenFailure, NetworkBehaviour, Stream, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;
use thiserror::Error;

use crate::{Limits, identity};

/// The name of the session stream's protocol; its number changes with the frames.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/townmesh/session/1");

/// Why a connection was not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Denied {
    #[error("too many connections ({0})")]
    Total(usize),
    #[error("too many connections with this peer ({0})")]
    PerPeer(usize),
    #[error("too many connections in their handshake ({0})")]
    Pending(usize),
    #[error("too many connections with peers not yet admitted ({0})")]
    Unadmitted(usize),
    #[error("this peer was refused a moment ago")]
    Cooling,
    #[error("the peer's key is not Ed25519")]
    ForeignKey,
}

/// What the gate reports.
#[derive(Debug)]
pub(crate) enum GateEvent {
    /// The session stream of a connection is open.
    Stream { peer: PeerId, connection: ConnectionId, stream: Box<Stream> },
    /// The peer does not speak the protocol, or the connection broke.
    NoStream { connection: ConnectionId },
}

/// The behaviour. It must come first in the composed behaviour, so that a denied connection is unknown to the others.
pub(crate) struct Gate {
    limits: Arc<Limits>,
    pending_incoming: BTreeSet<ConnectionId>,
    pending_outgoing: BTreeSet<ConnectionId>,
    established: BTreeMap<ConnectionId, Established>,
    cooling: BTreeMap<PeerId, Instant>,
    events: VecDeque<GateEvent>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Established {
    peer: PeerId,
    incoming: bool,
    admitted: bool,
}

impl Gate {
    pub(crate) fn new(limits: Arc<Limits>) -> Self {
        Self {
            limits,
            pending_incoming: BTreeSet::new(),
            pending_outgoing: BTreeSet::new(),
            established: BTreeMap::new(),
            cooling: BTreeMap::new(),
            events: VecDeque::new(),
            waker: None,
        }
    }

    /// Notes that the peer of this connection is admitted.
    pub(crate) fn admit(&mut self, connection: ConnectionId) {
        if let Some(established) = self.established.get_mut(&connection) {
            established.admitted = true;
        }
    }

    /// Keeps a refused peer away for a while.
    pub(crate) fn cool_down(&mut self, peer: PeerId) {
        let now = Instant::now();
        self.cooling.retain(|_, until| *until > now);
        if self.cooling.len() >= self.limits.cooling_peers {
            // Forget the one that would be forgotten next anyway.
            let first = self.cooling.iter().min_by_key(|(_, until)| **until).map(|(peer, _)| *peer);
            first.map(|peer| self.cooling.remove(&peer));
        }
        self.cooling.insert(peer, now + self.limits.cool_down);
    }

    /// Lets all refused peers try again.
    pub(crate) fn forgive(&mut self) {
        self.cooling.clear();
    }

    /// Whether a peer was refused a moment ago.
    fn is_cooling(&self, peer: &PeerId) -> bool {
        self.cooling.get(peer).is_some_and(|until| *until > Instant::now())
    }

    fn check(&self, peer: &PeerId, incoming: bool) -> Result<(), Denied> {
        if identity::peer_key(peer).is_none() {
            return Err(Denied::ForeignKey);
        }
        if self.is_cooling(peer) {
            return Err(Denied::Cooling);
        }
        let limits = &self.limits;
        if self.established.len() >= limits.connections {
            return Err(Denied::Total(limits.connections));
        }
        let same = self.established.values().filter(|other| other.peer == *peer).count();
        if same >= limits.connections_per_peer {
            return Err(Denied::PerPeer(limits.connections_per_peer));
        }
        let strangers = self.established.values().filter(|other| other.incoming && !other.admitted).count();
        if incoming && strangers >= limits.unadmitted {
            return Err(Denied::Unadmitted(limits.unadmitted));
        }
        Ok(())
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = StreamHandler;
    type ToSwarm = GateEvent;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        if self.pending_incoming.len() >= self.limits.pending_incoming {
            return Err(ConnectionDenied::new(Denied::Pending(self.limits.pending_incoming)));
        }
        self.pending_incoming.insert(connection);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, true).map_err(ConnectionDenied::new)?;
        Ok(StreamHandler::new(Endpoint::Listener))
    }

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.pending_outgoing.len() >= self.limits.pending_outgoing {
            return Err(ConnectionDenied::new(Denied::Pending(self.limits.pending_outgoing)));
        }
        self.pending_outgoing.insert(connection);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        role: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.check(&peer, false).map_err(ConnectionDenied::new)?;
        // After a hole punch both ends have dialled, and one of them plays the listener.
        Ok(StreamHandler::new(role))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "libp2p's events are many and not ours to enumerate")]
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.pending_incoming.remove(&connection_id);
                self.pending_outgoing.remove(&connection_id);
                let incoming = matches!(endpoint, ConnectedPoint::Listener { .. });
                self.established.insert(connection_id, Established { peer: peer_id, incoming, admitted: false });
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.established.remove(&connection_id);
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.pending_outgoing.remove(&connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.pending_incoming.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.events.push_back(match event {
            StreamEvent::Open(stream) => GateEvent::Stream { peer, connection, stream: Box::new(stream) },
            StreamEvent::Failed => GateEvent::NoStream { connection },
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.events.pop_front() {
            return Poll::Ready(ToSwarm::GenerateEvent(event));
        }
        self.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

/// What a connection's handler reports.
#[derive(Debug)]
pub(crate) enum StreamEvent {
    Open(Stream),
    Failed,
}

/// Opens or accepts exactly one session stream on a connection: the dialling end opens it.
pub(crate) struct StreamHandler {
    state: State,
}

enum State {
    /// This end opens the stream and has not asked for it yet.
    ToOpen,
    /// Waiting for the stream.
    Waiting,
    /// The stream came, or failed, and the driver is to be told.
    Report(StreamEvent),
    /// This connection has had its stream. Further ones are dropped: they would be work without an admission.
    Done,
}

impl StreamHandler {
    fn new(role: Endpoint) -> Self {
        let state = match role {
            Endpoint::Dialer => State::ToOpen,
            Endpoint::Listener => State::Waiting,
        };
        Self { state }
    }
}

impl ConnectionHandler for StreamHandler {
    type FromBehaviour = Infallible;
    type ToBehaviour = StreamEvent;
    type InboundProtocol = SessionUpgrade;
    type OutboundProtocol = SessionUpgrade;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        SubstreamProtocol::new(SessionUpgrade, ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, (), Self::ToBehaviour>> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::ToOpen => {
                self.state = State::Waiting;
                let protocol = SubstreamProtocol::new(SessionUpgrade, ());
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol })
            }
            State::Report(event) => Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(event)),
            State::Waiting => {
                self.state = State::Waiting;
                Poll::Pending
            }
            State::Done => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {}
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is non-exhaustive")]
    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Self::InboundProtocol, Self::OutboundProtocol>) {
        let report = match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol, .. }) => {
                StreamEvent::Open(protocol)
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol, .. }) => {
                StreamEvent::Open(protocol)
            }
            ConnectionEvent::DialUpgradeError(_) => StreamEvent::Failed,
            _ => return,
        };
        // The swarm polls the handler right after every event, so no waker is needed.
        if matches!(self.state, State::Waiting) {
            self.state = State::Report(report);
        }
    }
}

/// Hands over the bare stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionUpgrade;

impl UpgradeInfo for SessionUpgrade {
    type Info = StreamProtocol;
    type InfoIter = std::iter::Once<StreamProtocol>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once(PROTOCOL)
    }
}

impl InboundUpgrade<Stream> for SessionUpgrade {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, _: Self::Info) -> Self::Future {
        ready(Ok(stream))
    }
}

impl OutboundUpgrade<Stream> for SessionUpgrade {
    type Output = Stream;
    type Error = Infallible;
    type Future = Ready<Result<Stream, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, _: Self::Info) -> Self::Future {
        ready(Ok(stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::identity::Keypair;

    fn peer() -> PeerId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    fn gate(limits: Limits) -> Gate {
        Gate::new(Arc::new(limits))
    }

    fn connect(gate: &mut Gate, id: usize, peer: PeerId, incoming: bool) {
        let id = ConnectionId::new_unchecked(id);
        gate.established.insert(id, Established { peer, incoming, admitted: false });
    }

    #[test]
    fn strangers_cannot_use_up_the_connections() {
        let mut gate = gate(Limits { unadmitted: 2, ..Limits::default() });
        connect(&mut gate, 1, peer(), true);
        connect(&mut gate, 2, peer(), true);
        assert_eq!(gate.check(&peer(), true), Err(Denied::Unadmitted(2)));
        assert_eq!(gate.check(&peer(), false), Ok(()), "what this node dials is its own choice");
        gate.admit(ConnectionId::new_unchecked(1));
        assert_eq!(gate.check(&peer(), true), Ok(()));
    }

    #[test]
    fn connections_are_bounded_in_total_and_per_peer() {
        let mut gate = gate(Limits { connections: 3, connections_per_peer: 2, ..Limits::default() });
        let twice = peer();
        connect(&mut gate, 1, twice, false);
        connect(&mut gate, 2, twice, false);
        assert_eq!(gate.check(&twice, false), Err(Denied::PerPeer(2)));
        connect(&mut gate, 3, peer(), false);
        assert_eq!(gate.check(&peer(), false), Err(Denied::Total(3)));
    }

    #[test]
    fn refused_peers_cool_down_in_a_bounded_table() {
        let mut gate = gate(Limits { cooling_peers: 2, ..Limits::default() });
        let peers = [peer(), peer(), peer()];
        peers.iter().for_each(|peer| gate.cool_down(*peer));
        assert_eq!(gate.cooling.len(), 2);
        assert_eq!(gate.check(&peers[2], true), Err(Denied::Cooling));
        gate.forgive();
        assert_eq!(gate.check(&peers[2], true), Ok(()));
    }

    #[test]
    fn keys_that_are_not_ed25519_are_denied() {
        assert_eq!(gate(Limits::default()).check(&PeerId::random(), true), Err(Denied::ForeignKey));
    }
}
