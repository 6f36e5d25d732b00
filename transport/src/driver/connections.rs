//! What the swarm reports: addresses, connections, discovery, relays.

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::mdns;
use libp2p::multiaddr::Protocol;
use libp2p::relay;
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId};
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::{BACKLOG, Driver, Link, SETTLING, entropy};
use crate::behaviour::BehaviourEvent;
use crate::dialer::Origin;
use crate::events::{Carrier, Event, Path, Route};
use crate::gate::GateEvent;
use crate::{identity, lan};

/// Changes of addresses this soon after the start are the listeners coming up.
const BOOT: Duration = Duration::from_secs(1);
/// Pause before a reservation that failed is asked for again.
const RESERVATION_PAUSE: Duration = Duration::from_millis(500);
/// What a handshake may take beyond its own time limit before the sweep closes its connection.
const SWEEP_GRACE: Duration = Duration::from_secs(2);

impl Driver {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the enum is non-exhaustive")]
    pub(super) fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connection(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { connection_id, cause, .. } => {
                debug!(%connection_id, ?cause, "connection closed");
                self.links.remove(&connection_id);
                self.dialer.ended(connection_id, Instant::now(), entropy());
            }
            SwarmEvent::IncomingConnectionError { error, send_back_addr, .. } => {
                debug!(%error, %send_back_addr, "incoming connection failed");
                self.shared.tally.incoming_failed.add(1);
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                debug!(%error, "dial failed");
                self.shared.tally.dials_failed.add(1);
                self.dialer.ended(connection_id, Instant::now(), entropy());
            }
            SwarmEvent::NewListenAddr { address, .. } => self.on_listening(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => self.on_listening_ended(address),
            SwarmEvent::ListenerClosed { listener_id, addresses, reason } => {
                addresses.into_iter().for_each(|address| self.on_listening_ended(address));
                self.on_listener_closed(listener_id, reason);
            }
            SwarmEvent::ListenerError { error, .. } => warn!(%error, "a listener reported an error and goes on"),
            _ => {}
        }
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gate(GateEvent::Stream { peer, connection, stream }) => {
                self.on_stream(peer, connection, *stream);
            }
            BehaviourEvent::Gate(GateEvent::NoStream { connection }) => {
                self.shared.tally.handshakes_failed.add(1);
                self.swarm.close_connection(connection);
            }
            BehaviourEvent::Mdns(event) => self.on_discovery(event),
            BehaviourEvent::RelayClient(relay::client::Event::ReservationReqAccepted { relay_peer_id, .. }) => {
                debug!(relay = %relay_peer_id, "reachable through a relay");
            }
            BehaviourEvent::RelayClient(
                relay::client::Event::OutboundCircuitEstablished { .. }
                | relay::client::Event::InboundCircuitEstablished { .. },
            ) => {}
            BehaviourEvent::RelayServer(event) => debug!(?event, "relaying"),
            BehaviourEvent::Dcutr(event) => debug!(?event, "hole punching"),
            BehaviourEvent::Identify(_) => {}
        }
    }

    fn on_connection(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        self.shared.tally.connections.add(1);
        let link = Link { path: path_of(endpoint), since: Instant::now(), chosen: false };
        debug!(%peer, %connection, path = ?link.path, "connection established");
        self.links.insert(connection, link);
        let key = identity::peer_key(&peer);
        let held = key.and_then(|key| self.peers.get(&key)).and_then(|peer| peer.held.as_ref());
        self.dialer.connected(connection, peer, held.map(|session| session.since));
    }

    fn on_listening(&mut self, address: Multiaddr) {
        info!(%address, "listening");
        if self.announce_listening && !is_circuit(&address) {
            self.swarm.add_external_address(address.clone());
        }
        self.note_change(&address);
        let mut addresses = self.shared.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.insert(address.clone());
        drop(addresses);
        self.tell(Event::Listening { address });
    }

    fn on_listening_ended(&mut self, address: Multiaddr) {
        let mut addresses = self.shared.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let known = addresses.remove(&address);
        drop(addresses);
        if !known {
            return;
        }
        info!(%address, "no longer listening");
        if self.announce_listening {
            self.swarm.remove_external_address(&address);
        }
        self.note_change(&address);
        self.tell(Event::ListeningEnded { address });
    }

    /// Notes a change of the machine's addresses, to act on it when the burst of changes is over.
    fn note_change(&mut self, address: &Multiaddr) {
        let now = Instant::now();
        if !is_circuit(address) && now.duration_since(self.booted) > BOOT {
            self.settled = Some(now + SETTLING);
        }
    }

    /// The machine has other addresses than before: connections may be dead without knowing, and peers that were out
    /// of reach may be near.
    pub(super) fn on_network_change(&mut self) {
        info!("the addresses of this machine have changed: probing sessions, redialling");
        self.settled = None;
        self.peers.values().for_each(super::Peer::probe);
        self.dialer.hurry(Instant::now());
    }

    fn on_discovery(&mut self, event: mdns::Event) {
        let now = Instant::now();
        match event {
            mdns::Event::Discovered(found) => {
                for (peer, address) in found {
                    if lan::is_local(&address) && identity::peer_key(&peer).is_some() {
                        let address = address.with_p2p(peer).unwrap_or_else(|address| address);
                        self.dialer.add(address, Origin::Discovered, now);
                    }
                }
            }
            mdns::Event::Expired(gone) => {
                for (peer, address) in gone {
                    let address = address.with_p2p(peer).unwrap_or_else(|address| address);
                    self.dialer.expire(&peer, &address);
                }
            }
        }
        let local = *self.swarm.local_peer_id();
        let flooded =
            self.swarm.behaviour().mdns.as_ref().is_some_and(|mdns| mdns.discovered_nodes().len() > lan::REMEMBERED);
        if flooded {
            warn!("the local network is flooded with announcements: forgetting them all");
            let addresses = self.shared.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            let fresh = lan::afresh(local, addresses.iter());
            drop(addresses);
            // Without a fresh one, discovery stops: memory comes first.
            let fresh = fresh.inspect_err(|error| warn!(%error, "discovery on the local network stops")).ok();
            self.swarm.behaviour_mut().mdns = fresh.into();
        }
    }

    /// Asks the relays with which there is a session for reservations that are missing.
    pub(super) fn reserve(&mut self) {
        self.reserve_at = None;
        for reservation in &mut self.reservations {
            let ready = identity::peer_key(&reservation.relay)
                .and_then(|key| self.peers.get(&key))
                .and_then(|peer| peer.held.as_ref())
                .is_some_and(|session| session.path.route == Route::Direct);
            if !ready || reservation.listener.is_some() {
                continue;
            }
            match self.swarm.listen_on(reservation.address.clone().with(Protocol::P2pCircuit)) {
                Ok(listener) => reservation.listener = Some(listener),
                Err(error) => warn!(%error, relay = %reservation.relay, "cannot listen through the relay"),
            }
        }
    }

    fn on_listener_closed(&mut self, listener: ListenerId, reason: Result<(), std::io::Error>) {
        match self.reservations.iter_mut().find(|reservation| reservation.listener == Some(listener)) {
            Some(reservation) => {
                debug!(relay = %reservation.relay, ?reason, "no longer reachable through the relay");
                reservation.listener = None;
                self.reserve_at = Some(Instant::now() + RESERVATION_PAUSE);
            }
            None => warn!(?reason, "a listener has closed"),
        }
    }

    /// Closes connections that should have become sessions by now.
    pub(super) fn sweep(&mut self) {
        let patience = self.limits.admission_timeout + SWEEP_GRACE;
        let overdue = |link: &&mut Link| !link.chosen && link.since.elapsed() > patience;
        for (connection, link) in self.links.iter_mut().map(|(id, link)| (*id, link)) {
            if overdue(&link) {
                debug!(%connection, "closing a connection without a session");
                link.chosen = true; // Once is enough; it goes when the swarm reports it closed.
                self.swarm.close_connection(connection);
            }
        }
    }

    /// Queues an event of the driver itself.
    pub(super) fn tell(&mut self, event: Event) {
        if self.backlog.len() >= BACKLOG {
            self.shared.tally.events_dropped.add(1);
            return;
        }
        self.backlog.push_back(event);
        self.flush_backlog();
    }

    pub(super) fn flush_backlog(&mut self) {
        while let Some(event) = self.backlog.pop_front() {
            if let Err(event) = self.sink.offer(event) {
                self.backlog.push_front(event);
                return;
            }
        }
    }
}

fn is_circuit(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

fn path_of(endpoint: &ConnectedPoint) -> Path {
    let (near, far) = match endpoint {
        ConnectedPoint::Dialer { address, .. } => (address, address),
        ConnectedPoint::Listener { local_addr, send_back_addr } => (local_addr, send_back_addr),
    };
    let quic = near.iter().chain(far.iter()).any(|part| part == Protocol::QuicV1);
    Path {
        route: if endpoint.is_relayed() { Route::Relayed } else { Route::Direct },
        carrier: if quic { Carrier::Quic } else { Carrier::Tcp },
    }
}
