//! Carries bounded messages between admitted nodes, over libp2p.
//!
//! [`spawn`] starts a [`Transport`]: it listens, dials, discovers and relays as its [`Config`] says, and reports
//! [`Event`]s. With each peer that this node admits and that admits this node there is one *session* at a time,
//! whichever way it was reached; a session carries messages in order, both ways.
//!
//! # Invariants
//!
//! * The transport knows nothing of what it carries: no documents, no logs, no certificates. Who may talk is decided
//!   by an [`Admission`]; credentials and messages are bytes.
//! * No application byte is sent to or taken from a peer before both sides have admitted each other; the peer's key
//!   has been proven by the secure connection before that. Refused peers are told why and kept away for a while.
//! * At most one session per peer. Sessions are numbered; their events never overlap. Of several connections, the
//!   node with the smaller key chooses (module `election`).
//! * Every queue, table, buffer and wait is bounded by [`Limits`]. What a peer may make this node hold is bounded per
//!   peer, and strangers have a bound of their own.
//! * Back-pressure goes all the way: an application that takes no events stops the reading, which fills the windows
//!   of the connection, which fills the sender's queue, which says [`TrySendError::Full`]. One slow peer costs its own
//!   queue and nothing else, and is closed when it accepts nothing for [`Limits::stall_timeout`].
//! * No input from the network makes this crate panic.
//! * Delivery is not promised: a session can end with messages queued. What must arrive is acknowledged by the
//!   application.
//!
//! # How a message travels
//!
//! [`PeerSender::try_send`] > `outbox` > `session` (writing) > `wire` and `codec` > libp2p stream > QUIC, or Noise and
//! Yamux over TCP, or a circuit through a relay > `wire` and `codec` > `session` (reading) > `events` >
//! [`Events::recv`].
//!
//! # How a session comes about
//!
//! `dialer` (or `lan`, or a listener) > `gate` (limits, one stream per connection) > `handshake` (credentials) >
//! `election` (one stream is chosen) > `session`. All decisions are taken in one loop, the `driver`.
//!
//! # Roaming
//!
//! When the machine's addresses change, sessions are probed and have [`Limits::probe_timeout`] to show a sign of life,
//! while addresses without a session are dialled at once. The change is seen through the listeners, so a node that is
//! to roam listens on a wildcard address; without one, a dead session is noticed within [`Limits::silence_timeout`].
//! With the defaults both are below five seconds, redialling included.

mod admission;
mod behaviour;
mod codec;
mod config;
mod counters;
mod dialer;
mod driver;
mod election;
mod events;
mod gate;
mod handshake;
mod identity;
mod lan;
mod outbox;
mod session;
mod transport;
mod wire;

#[cfg(feature = "fuzzing")]
pub use codec::fuzz_frames;

pub use admission::{Admission, MAX_REFUSAL_TEXT, Refusal};
pub use config::{Config, LimitError, Limits, RelayLimits, RelayRole};
pub use counters::{Counters, PeerCounters};
pub use events::{Carrier, CloseReason, Event, Events, Path, RefusedReason, Route, SessionId};
pub use identity::{PeerKey, public_key};
pub use libp2p::Multiaddr;
pub use outbox::{PeerSender, TrySendError};
pub use transport::{StartError, Transport, address_of, circuit_address, spawn};
