//! Everything the transport can be told, and every bound it keeps, in one place.

use libp2p::Multiaddr;
use std::fmt;
use std::time::Duration;
use thiserror::Error;

use crate::codec::HELLO_FIXED;

/// How a node takes part in the network.
#[derive(Clone)]
pub struct Config {
    /// The node's Ed25519 seed. Its public key is the node's name towards every peer.
    pub secret_key: [u8; 32],
    /// Addresses to listen on, such as `/ip4/0.0.0.0/udp/4001/quic-v1` and `/ip4/0.0.0.0/tcp/4001`. A wildcard
    /// address also watches the network interfaces, which is what makes roaming quick. May be empty.
    pub listen: Vec<Multiaddr>,
    /// Addresses to keep a session with, redialled for ever. Addresses that end in the same `/p2p/…` are alternatives
    /// for one peer: QUIC is tried first, TCP shortly after, circuits through relays last.
    pub dial: Vec<Multiaddr>,
    /// Whether to announce this node and to look for others on the local network (mDNS).
    pub discover_on_lan: bool,
    /// Whether to relay for others, or to be reachable through relays.
    pub relay: RelayRole,
    /// Every bound.
    pub limits: Limits,
}

impl Config {
    /// A node with the given key that listens nowhere, dials nobody and has the default limits.
    pub fn new(secret_key: [u8; 32]) -> Self {
        Self {
            secret_key,
            listen: Vec::new(),
            dial: Vec::new(),
            discover_on_lan: false,
            relay: RelayRole::Off,
            limits: Limits::default(),
        }
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("dial", &self.dial)
            .field("discover_on_lan", &self.discover_on_lan)
            .field("relay", &self.relay)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The part a node plays in relaying (libp2p circuit relay v2). Any node can dial a circuit address in every role.
#[derive(Debug, Clone, Default)]
pub enum RelayRole {
    /// Neither relays nor listens through relays.
    #[default]
    Off,
    /// Relays between peers that hold a session with this node, and only between them.
    Serve {
        /// Bounds of the relaying.
        limits: RelayLimits,
        /// The addresses under which clients reach this relay. Empty: the addresses it listens on.
        addresses: Vec<Multiaddr>,
    },
    /// Keeps a session and a reservation with each of these relays (addresses ending in `/p2p/…`), and upgrades
    /// relayed connections to direct ones where both networks allow it (DCUtR).
    Use(Vec<Multiaddr>),
}

/// Bounds of a relay. The protocol's own defaults, 128 KiB and 2 minutes per circuit, would end a first
/// synchronisation half-way.
#[derive(Debug, Clone)]
pub struct RelayLimits {
    /// Peers that may be reachable through this relay at a time.
    pub reservations: usize,
    /// How long a reservation lasts before its holder renews it.
    pub reservation_duration: Duration,
    /// Circuits at a time.
    pub circuits: usize,
    /// Circuits at a time from one peer.
    pub circuits_per_peer: usize,
    /// How long one circuit may last; the pair opens another one after it.
    pub circuit_duration: Duration,
    /// How many bytes one circuit may carry, in both directions together.
    pub circuit_bytes: u64,
}

impl Default for RelayLimits {
    fn default() -> Self {
        Self {
            reservations: 256,
            reservation_duration: Duration::from_secs(3600),
            circuits: 256,
            circuits_per_peer: 16,
            circuit_duration: Duration::from_secs(12 * 3600),
            circuit_bytes: 4 << 30,
        }
    }
}

/// Every bound of the transport. Memory is bounded by `connections` times the queue sizes.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Established connections in total.
    pub connections: usize,
    /// Established connections per peer: the session's, one that replaces it, and one broken but not yet noticed.
    pub connections_per_peer: usize,
    /// Incoming connections in their secure handshake.
    pub pending_incoming: usize,
    /// Outgoing connections in their secure handshake.
    pub pending_outgoing: usize,
    /// Incoming connections whose peer is not admitted (yet). Strangers cannot use up `connections`.
    pub unadmitted: usize,
    /// Largest application message, in bytes.
    pub message_bytes: usize,
    /// Largest credentials, in bytes.
    pub credentials_bytes: usize,
    /// Messages waiting to be sent to one peer.
    pub send_queue_messages: usize,
    /// Bytes of messages waiting to be sent to one peer; at least `message_bytes`.
    pub send_queue_bytes: usize,
    /// Bytes of messages received from one peer that the application has not taken yet; at least `message_bytes`.
    /// Every message counts as at least 1/64 of this, so the number of messages is bounded too.
    pub receive_queue_bytes: usize,
    /// Time for the secure handshake of one connection.
    pub handshake_timeout: Duration,
    /// Time for the exchange of credentials after it.
    pub admission_timeout: Duration,
    /// How long a refused peer is neither dialled nor accepted.
    pub cool_down: Duration,
    /// Refused peers remembered for their cool-down.
    pub cooling_peers: usize,
    /// How long a connection without a session may exist (libp2p's own default of 10 s does not apply to sessions).
    pub idle_timeout: Duration,
    /// A session sends a keep-alive after being silent this long.
    pub keep_alive_interval: Duration,
    /// A session that has heard nothing for this long is dead. At least twice `keep_alive_interval`.
    pub silence_timeout: Duration,
    /// After a change of the local addresses, a session that does not answer within this time is dead.
    pub probe_timeout: Duration,
    /// A session whose peer has accepted no byte for this long while there was something to send is closed.
    pub stall_timeout: Duration,
    /// The longest pause between two attempts to reach a configured address.
    pub redial_pause: Duration,
    /// Addresses configured or asked for by [`Transport::dial`](crate::Transport::dial).
    pub dial_targets: usize,
    /// Peers discovered on the local network that are kept, and addresses of each.
    pub discovered_peers: usize,
    /// Addresses kept of one discovered peer.
    pub discovered_addresses: usize,
    /// Streams per connection, circuits of a relay included.
    pub streams_per_connection: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 320,
            connections_per_peer: 4,
            pending_incoming: 128,
            pending_outgoing: 64,
            unadmitted: 64,
            message_bytes: 1 << 20,
            credentials_bytes: 16 << 10,
            send_queue_messages: 256,
            send_queue_bytes: 2 << 20,
            receive_queue_bytes: 2 << 20,
            handshake_timeout: Duration::from_secs(5),
            admission_timeout: Duration::from_secs(10),
            cool_down: Duration::from_secs(5),
            cooling_peers: 256,
            idle_timeout: Duration::from_secs(60),
            keep_alive_interval: Duration::from_millis(1500),
            silence_timeout: Duration::from_secs(4),
            probe_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(30),
            redial_pause: Duration::from_secs(3),
            dial_targets: 256,
            discovered_peers: 64,
            discovered_addresses: 4,
            streams_per_connection: 512,
        }
    }
}

/// A bound that contradicts another one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("limit {limit} is {value}, it must be {must_be}")]
pub struct LimitError {
    /// The field of [`Limits`].
    pub limit: &'static str,
    /// What it was set to.
    pub value: String,
    /// What would be accepted.
    pub must_be: &'static str,
}

impl Limits {
    /// Largest body of a frame before both sides have admitted each other.
    pub(crate) fn hello_bytes(&self) -> usize {
        HELLO_FIXED + self.credentials_bytes
    }

    /// Checks the bounds against each other.
    ///
    /// # Errors
    /// The first limit that no working transport could have.
    pub fn check(&self) -> Result<(), LimitError> {
        let size = |limit, value: usize, ok: bool, must_be| match ok {
            true => Ok(()),
            false => Err(LimitError { limit, value: value.to_string(), must_be }),
        };
        let time = |limit, value: Duration, ok: bool, must_be| match ok {
            true => Ok(()),
            false => Err(LimitError { limit, value: format!("{value:?}"), must_be }),
        };
        let message = self.message_bytes;
        size("connections", self.connections, self.connections >= 1, "at least 1")?;
        size("connections_per_peer", self.connections_per_peer, self.connections_per_peer >= 2, "at least 2")?;
        size("message_bytes", message, (1024..=64 << 20).contains(&message), "between 1 KiB and 64 MiB")?;
        size("credentials_bytes", self.credentials_bytes, self.credentials_bytes <= 1 << 20, "at most 1 MiB")?;
        size("send_queue_messages", self.send_queue_messages, self.send_queue_messages >= 1, "at least 1")?;
        size("send_queue_bytes", self.send_queue_bytes, self.send_queue_bytes >= message, "at least message_bytes")?;
        let receive = self.receive_queue_bytes;
        size("receive_queue_bytes", receive, receive >= message, "at least message_bytes")?;
        size("receive_queue_bytes", receive, receive <= 256 << 20, "at most 256 MiB")?;
        size(
            "streams_per_connection",
            self.streams_per_connection,
            (8..=8192).contains(&self.streams_per_connection),
            "between 8 and 8192",
        )?;
        let keep_alive = self.keep_alive_interval;
        time("keep_alive_interval", keep_alive, keep_alive >= Duration::from_millis(20), "at least 20 ms")?;
        let silence = self.silence_timeout;
        time("silence_timeout", silence, silence >= keep_alive * 2, "at least twice keep_alive_interval")?;
        time("redial_pause", self.redial_pause, self.redial_pause >= Duration::from_millis(100), "at least 100 ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_agree_with_each_other() {
        assert_eq!(Limits::default().check(), Ok(()));
    }

    #[test]
    fn contradictions_are_named() {
        let small_queue = Limits { send_queue_bytes: 10, ..Limits::default() };
        assert_eq!(small_queue.check().unwrap_err().limit, "send_queue_bytes");
        let deaf = Limits { silence_timeout: Duration::from_secs(1), ..Limits::default() };
        assert_eq!(deaf.check().unwrap_err().limit, "silence_timeout");
    }

    #[test]
    fn the_secret_key_is_not_in_the_debug_output() {
        let shown = format!("{:?}", Config::new([0xAB; 32]));
        assert!(!shown.contains("171"), "{shown}");
    }
}
