//! The loop that owns the swarm: it dials, opens and ends sessions, and decides between streams.
//!
//! All state is here and nothing is shared but counters and two small sets. Handshakes and sessions are tasks; they
//! report by finishing, so that no queue can fill up between them and the driver. The driver never waits for a task
//! or for the application.

mod connections;
mod sessions;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, Swarm};
use libp2p::{Multiaddr, PeerId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tracing::{debug, warn};

use crate::admission::Admission;
use crate::behaviour::{Admitted, Behaviour};
use crate::counters::Tally;
use crate::dialer::{Dial, Dialer, Origin};
use crate::events::{CloseReason, Event, EventSink, Path};
use crate::handshake::{Candidate, Outcome};
use crate::session::{Control, Ended};
use crate::{Limits, PeerKey};

/// How often connections without a session are looked over.
const SWEEP: Duration = Duration::from_millis(500);
/// Events of the driver that may wait for the application; further refusals are counted only.
const BACKLOG: usize = 256;
/// How long sessions get to say goodbye at shutdown.
const GOODBYES: Duration = Duration::from_secs(1);
/// Changes of addresses within this time count as one: an interface brings several.
const SETTLING: Duration = Duration::from_millis(100);

/// What the handle asks for.
pub(crate) enum Command {
    Dial(Multiaddr),
    Disconnect(PeerKey),
    RecheckAdmission,
    Shutdown,
}

/// What the handle reads while the driver runs.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) tally: Arc<Tally>,
    pub(crate) addresses: Mutex<BTreeSet<Multiaddr>>,
}

/// How a task finished.
enum Done {
    Handshake { peer: PeerKey, connection: ConnectionId, outcome: Outcome },
    Declined { connection: ConnectionId },
    Session(Ended),
}

/// An established connection.
struct Link {
    path: Path,
    since: Instant,
    /// It carries the session, or will once the present one has ended.
    chosen: bool,
}

/// What there is with one peer.
#[derive(Default)]
struct Peer {
    held: Option<HeldSession>,
    /// Takes over when the held session has ended; with the leading peer's number if that is not this node.
    next: Option<(Candidate, Option<u64>)>,
}

struct HeldSession {
    number: u64,
    incarnation: u64,
    path: Path,
    since: Instant,
    control: watch::Sender<Control>,
    credentials: bytes::Bytes,
}

/// A relay through which this node wants to be reachable.
struct Reservation {
    relay: PeerId,
    address: Multiaddr,
    listener: Option<ListenerId>,
}

/// What the driver is made of.
pub(crate) struct Parts {
    pub(crate) swarm: Swarm<Behaviour>,
    pub(crate) key: PeerKey,
    pub(crate) dialer: Dialer,
    pub(crate) relays: Vec<(PeerId, Multiaddr)>,
    /// Whether listening addresses are those of a relay.
    pub(crate) announce_listening: bool,
    /// Whether local ports matter to hole punching.
    pub(crate) reuse_ports: bool,
    pub(crate) limits: Arc<Limits>,
    pub(crate) admission: Arc<dyn Admission>,
    pub(crate) admitted: Admitted,
    pub(crate) sink: EventSink,
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Receiver<Command>,
}

pub(crate) struct Driver {
    swarm: Swarm<Behaviour>,
    key: PeerKey,
    incarnation: u64,
    dialer: Dialer,
    reservations: Vec<Reservation>,
    /// When missing reservations are asked for.
    reserve_at: Option<Instant>,
    announce_listening: bool,
    reuse_ports: bool,
    limits: Arc<Limits>,
    admission: Arc<dyn Admission>,
    /// Counts the calls of `recheck_admission`.
    round: u64,
    admitted: Admitted,
    links: BTreeMap<ConnectionId, Link>,
    peers: BTreeMap<PeerKey, Peer>,
    tasks: JoinSet<Done>,
    last_session: u64,
    sink: EventSink,
    backlog: VecDeque<Event>,
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    booted: Instant,
    /// When the latest change of addresses has settled.
    settled: Option<Instant>,
}

/// Randomness for jitter and incarnations; not for secrets.
pub(crate) fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> Self {
        let now = Instant::now();
        let reservation = |(relay, address)| Reservation { relay, address, listener: None };
        Self {
            swarm: parts.swarm,
            key: parts.key,
            incarnation: entropy(),
            dialer: parts.dialer,
            reservations: parts.relays.into_iter().map(reservation).collect(),
            reserve_at: None,
            announce_listening: parts.announce_listening,
            reuse_ports: parts.reuse_ports,
            limits: parts.limits,
            admission: parts.admission,
            round: 0,
            admitted: parts.admitted,
            links: BTreeMap::new(),
            peers: BTreeMap::new(),
            tasks: JoinSet::new(),
            last_session: 0,
            sink: parts.sink,
            backlog: VecDeque::new(),
            shared: parts.shared,
            commands: parts.commands,
            booted: now,
            settled: None,
        }
    }

    /// Runs until the handle or the events are dropped, or until told to shut down.
    pub(crate) async fn run(mut self) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.dial();
            self.flush_backlog();
            let dial_at = self.dialer.next_due();
            let (settled, reserve_at) = (self.settled, self.reserve_at);
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(done) = self.tasks.join_next() => match done {
                    Ok(done) => self.on_done(done),
                    // Only a panic of the application's `Admission` gets here; the sweep closes the connection.
                    Err(error) => warn!(%error, "a network task failed"),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown) | None => break,
                    Some(Command::Dial(address)) => {
                        self.dialer.add(address, Origin::Requested, Instant::now());
                    }
                    Some(Command::Disconnect(peer)) => self.disconnect(&peer),
                    Some(Command::RecheckAdmission) => self.recheck_admission(),
                },
                () = self.sink.room(), if !self.backlog.is_empty() => {}
                () = self.sink.abandoned() => break,
                _ = sweep.tick() => self.sweep(),
                () = until(dial_at) => {}
                () = until(reserve_at) => self.reserve(),
                () = until(settled) => self.on_network_change(),
            }
        }
        self.shut_down().await;
    }

    async fn shut_down(mut self) {
        self.peers.values_mut().for_each(|peer| {
            peer.next = None;
            peer.close(CloseReason::Shutdown);
        });
        let deadline = Instant::now() + GOODBYES;
        while self.peers.values().any(|peer| peer.held.is_some()) {
            tokio::select! {
                _ = self.swarm.select_next_some() => {}
                done = self.tasks.join_next() => match done {
                    Some(Ok(Done::Session(ended))) => {
                        self.peers.remove(&ended.peer);
                    }
                    Some(_) => {}
                    None => break,
                },
                () = sleep_until(deadline) => break,
            }
        }
    }

    /// Starts the dials that are due.
    fn dial(&mut self) {
        for Dial { target, peer, addresses } in self.dialer.due(Instant::now()) {
            let opts = self.dial_opts(peer, addresses);
            let Some(opts) = opts else { continue };
            let connection = opts.connection_id();
            self.dialer.started(target, connection);
            if let Err(error) = self.swarm.dial(opts) {
                debug!(%error, "cannot dial");
                self.shared.tally.dials_failed.add(1);
                self.dialer.ended(connection, Instant::now(), entropy());
            }
        }
    }

    fn dial_opts(&self, peer: Option<PeerId>, addresses: Vec<Multiaddr>) -> Option<DialOpts> {
        // A TCP connection from the listening port cannot be made anew while a dead one to the same address lingers.
        // QUIC has no such trouble, and hole punching needs the listening port.
        let is_tcp = |address: &Multiaddr| address.iter().any(|part| matches!(part, Protocol::Tcp(_)));
        let tcp = addresses.iter().all(is_tcp);
        let new_port = tcp && !self.reuse_ports;
        match peer {
            Some(peer) => {
                let opts = DialOpts::peer_id(peer).condition(PeerCondition::Always).addresses(addresses);
                Some(if new_port { opts.allocate_new_port().build() } else { opts.build() })
            }
            None => {
                let opts = DialOpts::unknown_peer_id().address(addresses.into_iter().next()?);
                Some(if new_port { opts.allocate_new_port().build() } else { opts.build() })
            }
        }
    }
}
