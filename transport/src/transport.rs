//! Starting a transport, and the handle to it.

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId, TransportError};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::admission::Admission;
use crate::behaviour;
use crate::config::{Config, LimitError, RelayRole};
use crate::counters::Counters;
use crate::dialer::{Dialer, Origin, peer_of};
use crate::driver::{Command, Driver, Parts, Shared};
use crate::events::{EventSink, Events};
use crate::{PeerKey, identity};

/// Commands that may wait for the driver.
const COMMANDS: usize = 64;

/// Why a transport did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The secret key cannot be used.
    #[error("the node key cannot be used: {0}")]
    Key(String),
    /// A limit contradicts another one.
    #[error("the transport's limits contradict each other: {0}")]
    Limits(#[from] LimitError),
    /// An address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; is another program using the port, or the address not this machine's?"
    )]
    Listen {
        /// The address from [`Config::listen`].
        address: Multiaddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// An address is of no supported kind.
    #[error("{address} is no usable address: {problem}")]
    Address {
        /// The address from the configuration.
        address: Multiaddr,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Discovery on the local network cannot start.
    #[error("discovery on the local network cannot start: {0}; turn it off or allow multicast sockets")]
    Lan(#[source] io::Error),
}

/// The handle to a running transport. Cheap to clone; the transport ends when all handles, or the [`Events`], are
/// dropped.
#[derive(Debug, Clone)]
pub struct Transport {
    key: PeerKey,
    peer: PeerId,
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    running: watch::Receiver<bool>,
}

/// Starts a transport. Must be called within a Tokio runtime.
///
/// # Errors
/// [`StartError`], before anything has been sent.
pub fn spawn(config: Config, admission: Arc<dyn Admission>) -> Result<(Transport, Events), StartError> {
    config.limits.check()?;
    let limits = Arc::new(config.limits.clone());
    let keypair = identity::keypair(&config.secret_key).ok_or_else(|| StartError::Key("no Ed25519 seed".into()))?;
    let admitted = Arc::new(RwLock::new(BTreeSet::new()));
    let mut swarm = behaviour::swarm(&keypair, &config, &limits, &admitted)?;
    let peer = *swarm.local_peer_id();
    for address in &config.listen {
        swarm.listen_on(address.clone()).map_err(|error| cannot_listen(address, error))?;
    }
    let relays = relays(&config.relay)?;
    let public = match &config.relay {
        RelayRole::Serve { addresses, .. } => addresses.as_slice(),
        RelayRole::Off | RelayRole::Use(_) => &[],
    };
    public.iter().for_each(|address| swarm.add_external_address(without_peer(address)));

    let mut dialer = Dialer::new(peer, &limits);
    for address in config.dial.iter().chain(relays.iter().map(|(_, address)| address)) {
        if !dialer.add(address.clone(), Origin::Configured, Instant::now()) && peer_of(address) != Some(peer) {
            return Err(StartError::Address {
                address: address.clone(),
                problem: "more addresses than limit dial_targets",
            });
        }
    }
    let (sink, events) = EventSink::new();
    let (command_sender, commands) = mpsc::channel(COMMANDS);
    let (alive, running) = watch::channel(true);
    let shared = Arc::new(Shared::default());
    let key = identity::public_key(&config.secret_key);
    let driver = Driver::new(Parts {
        swarm,
        key,
        dialer,
        relays,
        announce_listening: matches!(&config.relay, RelayRole::Serve { addresses, .. } if addresses.is_empty()),
        reuse_ports: !matches!(config.relay, RelayRole::Off),
        limits,
        admission,
        admitted,
        sink,
        shared: Arc::clone(&shared),
        commands,
    });
    tokio::spawn(async move {
        driver.run().await;
        drop(alive);
    });
    Ok((Transport { key, peer, commands: command_sender, shared, running }, events))
}

fn cannot_listen(address: &Multiaddr, error: TransportError<io::Error>) -> StartError {
    let address = address.clone();
    match error {
        TransportError::MultiaddrNotSupported(_) => StartError::Address {
            address,
            problem: "listening works on /ip4|ip6/…/udp/…/quic-v1 and /ip4|ip6/…/tcp/…",
        },
        TransportError::Other(source) => StartError::Listen { address, source },
    }
}

fn relays(role: &RelayRole) -> Result<Vec<(PeerId, Multiaddr)>, StartError> {
    let RelayRole::Use(relays) = role else {
        return Ok(Vec::new());
    };
    let named = |address: &Multiaddr| match peer_of(address) {
        Some(peer) => Ok((peer, address.clone())),
        None => {
            Err(StartError::Address { address: address.clone(), problem: "a relay's address must end in /p2p/…" })
        }
    };
    relays.iter().map(named).collect()
}

fn without_peer(address: &Multiaddr) -> Multiaddr {
    address.iter().take_while(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// The address with `/p2p/…` for `peer` at its end, for dialling exactly that peer. `None`: no Ed25519 key, or the
/// address names another peer.
pub fn address_of(address: Multiaddr, peer: &PeerKey) -> Option<Multiaddr> {
    address.with_p2p(identity::peer_id(peer)?).ok()
}

/// The address of `peer` through the relay at `relay` (an address ending in `/p2p/…`).
pub fn circuit_address(relay: Multiaddr, peer: &PeerKey) -> Option<Multiaddr> {
    peer_of(&relay)?;
    Some(relay.with(Protocol::P2pCircuit).with(Protocol::P2p(identity::peer_id(peer)?)))
}

impl Transport {
    /// This node's own key.
    pub fn key(&self) -> PeerKey {
        self.key
    }

    /// This node's own key in the form of libp2p's peer ids, as in `/p2p/…`.
    pub fn peer_id(&self) -> String {
        self.peer.to_string()
    }

    /// Tries to reach an address a few times, until it has led to a session once. For addresses to be kept, see
    /// [`Config::dial`]. Does nothing when the table of targets is full.
    pub async fn dial(&self, address: Multiaddr) {
        self.command(Command::Dial(address)).await;
    }

    /// Ends the session with a peer, if there is one, and stays away from it for [`Limits::cool_down`](crate::Limits).
    pub async fn disconnect(&self, peer: PeerKey) {
        self.command(Command::Disconnect(peer)).await;
    }

    /// Judges the peers of all sessions again, with the credentials they presented, and lets refused peers try again
    /// at once. To be called whenever the answers of [`Admission::admit`] may have changed.
    pub async fn recheck_admission(&self) {
        self.command(Command::RecheckAdmission).await;
    }

    /// The addresses the node is reachable under at present, circuits through relays included.
    pub fn local_addresses(&self) -> Vec<Multiaddr> {
        self.shared.addresses.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What has been carried and refused so far.
    pub fn counters(&self) -> Counters {
        self.shared.tally.snapshot()
    }

    /// Says goodbye to all peers and ends the transport. Messages still queued are lost. A QUIC socket may stay bound
    /// for some milliseconds longer, until its last packets are out.
    pub async fn shutdown(&self) {
        self.command(Command::Shutdown).await;
        let mut running = self.running.clone();
        while running.changed().await.is_ok() {}
    }

    async fn command(&self, command: Command) {
        // An error means that the driver has ended, and with it everything a command could change.
        let _ = self.commands.send(command).await;
    }
}
