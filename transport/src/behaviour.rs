//! The libp2p swarm: transports, protocols and their limits.

use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, dcutr, identify, mdns, noise, quic, relay, tcp, yamux};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::config::{Config, Limits, RelayLimits, RelayRole};
use crate::gate::Gate;
use crate::{StartError, lan};

/// Bytes a peer may have on their way on one QUIC stream: a megabyte keeps 80 Mbit/s busy over 100 ms. Strangers can
/// make this node hold that much too, so it is far below libp2p's 10 MB.
const QUIC_STREAM_WINDOW: u32 = 1 << 20;
/// Likewise on all streams of a connection; a relay's connections carry many.
const QUIC_CONNECTION_WINDOW: u32 = 4 << 20;
/// Streams of one connection that may be negotiating their protocol.
const NEGOTIATING_STREAMS: usize = 32;
/// How often identify repeats itself. It serves hole punching only.
const IDENTIFY_INTERVAL: Duration = Duration::from_secs(600);

/// The peers that may use this node as a relay: those that hold a session with it.
pub(crate) type Admitted = Arc<RwLock<BTreeSet<PeerId>>>;

/// All protocols of a node.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    /// First, see [`Gate`].
    pub(crate) gate: Gate,
    pub(crate) mdns: Toggle<mdns::tokio::Behaviour>,
    pub(crate) relay_server: Toggle<relay::Behaviour>,
    pub(crate) relay_client: relay::client::Behaviour,
    dcutr: Toggle<dcutr::Behaviour>,
    identify: Toggle<identify::Behaviour>,
}

/// Builds the swarm; it neither listens nor dials yet.
pub(crate) fn swarm(
    keypair: &Keypair,
    config: &Config,
    limits: &Arc<Limits>,
    admitted: &Admitted,
) -> Result<Swarm<Behaviour>, StartError> {
    let local = keypair.public().to_peer_id();
    let mdns = match config.discover_on_lan {
        true => Some(lan::behaviour(local).map_err(StartError::Lan)?),
        false => None,
    };
    let streams = limits.streams_per_connection;
    let multiplexer = move || {
        let mut config = yamux::Config::default();
        config.set_max_num_streams(streams);
        config
    };
    let tcp_config = tcp::Config::new().nodelay(true);
    let swarm = SwarmBuilder::with_existing_identity(keypair.clone())
        .with_tokio()
        .with_tcp(tcp_config, noise::Config::new, multiplexer)
        .map_err(|error| StartError::Key(error.to_string()))?
        .with_quic_config(|config| quic_config(config, limits))
        .with_relay_client(noise::Config::new, multiplexer)
        .map_err(|error| StartError::Key(error.to_string()))?
        .with_behaviour(|keypair, relay_client| {
            let relaying = !matches!(config.relay, RelayRole::Off);
            Behaviour {
                gate: Gate::new(Arc::clone(limits)),
                mdns: mdns.into(),
                relay_server: relay_server(local, &config.relay, admitted).into(),
                relay_client,
                dcutr: relaying.then(|| dcutr::Behaviour::new(local)).into(),
                identify: relaying.then(|| identify(keypair)).into(),
            }
        })
        .unwrap_or_else(|never: Infallible| match never {});
    let swarm = swarm
        .with_swarm_config(|swarm| {
            swarm
                .with_idle_connection_timeout(limits.idle_timeout)
                .with_max_negotiating_inbound_streams(NEGOTIATING_STREAMS)
                // Each handler offers one protocol, so the first bytes need not wait for the peer's agreement: one
                // round trip less on every link.
                .with_substream_upgrade_protocol_override(Version::V1Lazy)
        })
        .with_connection_timeout(limits.handshake_timeout)
        .build();
    Ok(swarm)
}

fn quic_config(mut config: quic::Config, limits: &Limits) -> quic::Config {
    config.handshake_timeout = limits.handshake_timeout;
    // Sessions notice a dead connection long before; this clears away connections without one.
    let idle = limits.silence_timeout.saturating_mul(3);
    config.max_idle_timeout = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
    config.keep_alive_interval = limits.silence_timeout;
    config.max_concurrent_stream_limit = u32::try_from(limits.streams_per_connection).unwrap_or(u32::MAX);
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_CONNECTION_WINDOW;
    config
}

fn identify(keypair: &Keypair) -> identify::Behaviour {
    let config = identify::Config::new("/townmesh/1".into(), keypair.public())
        .with_interval(IDENTIFY_INTERVAL)
        .with_agent_version("townmesh".into())
        // Addresses of peers come from configuration and discovery alone.
        .with_cache_size(0);
    identify::Behaviour::new(config)
}

fn relay_server(local: PeerId, role: &RelayRole, admitted: &Admitted) -> Option<relay::Behaviour> {
    let RelayRole::Serve { limits, .. } = role else {
        return None;
    };
    let RelayLimits {
        reservations,
        reservation_duration,
        circuits,
        circuits_per_peer,
        circuit_duration,
        circuit_bytes,
    } = limits.clone();
    let only_admitted = || -> Vec<Box<dyn relay::RateLimiter>> {
        let admitted = Arc::clone(admitted);
        vec![Box::new(move |peer: PeerId, _: &Multiaddr, _| {
            admitted.read().unwrap_or_else(PoisonError::into_inner).contains(&peer)
        })]
    };
    let config = relay::Config {
        max_reservations: reservations,
        // One per connection, and a connection may be about to be replaced.
        max_reservations_per_peer: 4,
        reservation_duration,
        reservation_rate_limiters: only_admitted(),
        max_circuits: circuits,
        max_circuits_per_peer: circuits_per_peer,
        // The protocol counts seconds in 32 bits, and the library panics on more.
        max_circuit_duration: circuit_duration.min(Duration::from_secs(u64::from(u32::MAX))),
        max_circuit_bytes: circuit_bytes,
        circuit_src_rate_limiters: only_admitted(),
    };
    let mut relay = relay::Behaviour::new(local, config);
    relay.set_status(Some(relay::Status::Enable));
    Some(relay)
}
