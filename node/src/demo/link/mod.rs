//! A link between two nodes as a small relay: a wire that can be cut, delayed, made lossy and slow while it is in use.
//!
//! A [`Link`] listens on a loopback address and passes UDP datagrams (QUIC) and TCP streams on to another one, on the
//! same port number for both. Each direction has its own [`DirectionSettings`], its own counters and its own random
//! losses, drawn from a seed. Links know nothing of what they carry.

mod counters;
mod datagrams;
mod lane;
mod settings;
mod shaper;
mod streams;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::counters::Count;
pub use self::counters::{DirectionCounters, LinkCounters};
use self::lane::Lane;
pub use self::settings::{Direction, DirectionSettings, LinkBounds, LinkSettings, MAX_DELAY, MAX_LOSS, MIN_RATE};

/// Attempts to find a port that is free for both UDP and TCP, where any port will do.
const PORT_ATTEMPTS: usize = 16;

/// Why a link cannot be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// An address that other machines could reach: a link has no protection of its own.
    #[error("a link is for this machine alone, {0} is not a loopback address; use 127.0.0.1 or ::1")]
    NotLoopback(SocketAddr),
    /// The listening address cannot be used.
    #[error("the link cannot listen on {address}: {source}; choose another port, or stop what uses this one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A setting that is out of bounds.
    #[error("{setting} of the {direction} direction is {got}, it must be {must_be}")]
    Setting {
        /// Of which direction.
        direction: Direction,
        /// Which field of [`DirectionSettings`].
        setting: &'static str,
        /// What it was set to.
        got: String,
        /// What would be accepted.
        must_be: &'static str,
    },
}

/// What the tasks of one link share.
#[derive(Debug)]
struct Shared {
    forward: Lane,
    backward: Lane,
    bounds: LinkBounds,
    /// One permit for each TCP connection that may still come.
    room: Arc<Semaphore>,
    flows: Count,
    flows_refused: Count,
}

/// A running link. Dropping it closes everything it has open.
#[derive(Debug)]
pub struct Link {
    listen: SocketAddr,
    target: SocketAddr,
    settings: watch::Sender<LinkSettings>,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

impl Link {
    /// Starts a link from `listen` (port 0: any) to `target` with the default bounds. Runs on the current tokio
    /// runtime.
    ///
    /// # Errors
    /// When an address is not a loopback one, when `listen` is in use, or when a setting is out of bounds.
    pub async fn start(listen: SocketAddr, target: SocketAddr, settings: LinkSettings) -> Result<Self, LinkError> {
        Self::start_with(listen, target, settings, LinkBounds::default(), 1).await
    }

    /// Starts a link with other bounds, and another seed for its losses.
    ///
    /// # Errors
    /// Those of [`Self::start`].
    pub async fn start_with(
        listen: SocketAddr,
        target: SocketAddr,
        settings: LinkSettings,
        bounds: LinkBounds,
        seed: u64,
    ) -> Result<Self, LinkError> {
        if let Some(outside) = [listen, target].into_iter().find(|address| !address.ip().is_loopback()) {
            return Err(LinkError::NotLoopback(outside));
        }
        settings.check()?;
        let (udp, tcp, listen) = bind(listen).await?;
        let (settings, in_force) = watch::channel(settings);
        let lane = |direction, seed| Lane::new(direction, in_force.clone(), bounds.queue_time, seed);
        let shared = Arc::new(Shared {
            forward: lane(Direction::Forward, seed),
            backward: lane(Direction::Backward, !seed),
            bounds,
            room: Arc::new(Semaphore::new(bounds.connections)),
            flows: Count::default(),
            flows_refused: Count::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(datagrams::relay(udp, target, Arc::clone(&shared)));
        tasks.spawn(streams::relay(tcp, target, Arc::clone(&shared)));
        Ok(Self { listen, target, settings, shared, _tasks: tasks })
    }

    /// The address to dial, with the port that was chosen.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where it leads.
    pub fn target(&self) -> SocketAddr {
        self.target
    }

    /// The settings in force.
    pub fn settings(&self) -> LinkSettings {
        *self.settings.borrow()
    }

    /// Changes the settings, also for what is established. What is already past the rate limit still arrives, unless
    /// its direction is cut by then.
    ///
    /// # Errors
    /// When a setting is out of bounds; the old ones stay in force then.
    pub fn set(&self, settings: LinkSettings) -> Result<(), LinkError> {
        settings.check()?;
        self.settings.send_replace(settings);
        self.shared.forward.restart();
        self.shared.backward.restart();
        Ok(())
    }

    /// Cuts or restores both directions, and leaves the other settings alone.
    pub fn set_cut(&self, cut: bool) {
        self.settings.send_modify(|settings| {
            settings.forward.cut = cut;
            settings.backward.cut = cut;
        });
        self.shared.forward.restart();
        self.shared.backward.restart();
    }

    /// What it carried until now.
    pub fn counters(&self) -> LinkCounters {
        let shared = &self.shared;
        LinkCounters {
            forward: shared.forward.tally.read(),
            backward: shared.backward.tally.read(),
            flows: shared.flows.read(),
            flows_refused: shared.flows_refused.read(),
            connections: shared.bounds.connections.saturating_sub(shared.room.available_permits()) as u64,
        }
    }
}

/// The same port for UDP and TCP.
async fn bind(listen: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), LinkError> {
    let fail = |source| LinkError::Listen { address: listen, source };
    let mut last = None;
    for _ in 0..if listen.port() == 0 { PORT_ATTEMPTS } else { 1 } {
        let tcp = TcpListener::bind(listen).await.map_err(fail)?;
        let address = tcp.local_addr().map_err(fail)?;
        match UdpSocket::bind(address).await {
            Ok(udp) => return Ok((udp, tcp, address)),
            Err(taken) => last = Some(taken),
        }
    }
    Err(fail(last.unwrap_or_else(|| io::ErrorKind::AddrInUse.into())))
}

#[cfg(test)]
mod tests;
