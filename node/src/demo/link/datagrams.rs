//! The UDP side of a link: one socket towards the dialling side, one towards the target for each sender.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::Shared;
use super::lane::Lane;

/// The largest payload of a datagram.
const MAX_DATAGRAM: usize = 65_535;

/// A datagram on its way.
struct Travelling {
    arrives: Instant,
    bytes: Vec<u8>,
    /// The socket that sends it on.
    through: Arc<UdpSocket>,
    /// Where to; `None` where the socket is connected.
    to: Option<SocketAddr>,
}

/// One sender on the dialling side.
struct Flow {
    upstream: Arc<UdpSocket>,
    last_heard: Instant,
}

/// Relays datagrams until aborted.
pub(super) async fn relay(socket: UdpSocket, target: SocketAddr, shared: Arc<Shared>) {
    let socket = Arc::new(socket);
    let mut tasks = JoinSet::new();
    let (forward, forward_queue) = mpsc::channel(shared.bounds.in_flight);
    let (backward, backward_queue) = mpsc::channel(shared.bounds.in_flight);
    tasks.spawn(deliver(forward_queue, Arc::clone(&shared), |shared| &shared.forward));
    tasks.spawn(deliver(backward_queue, Arc::clone(&shared), |shared| &shared.backward));
    let mut flows = Flows { socket: Arc::clone(&socket), target, shared, backward, known: BTreeMap::new(), tasks };
    let mut sweep = interval(flows.shared.bounds.flow_idle / 4 + std::time::Duration::from_millis(1));
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = vec![0; MAX_DATAGRAM];
    loop {
        tokio::select! {
            _ = sweep.tick() => flows.forget_idle(),
            received = socket.recv_from(&mut buffer) => {
                // An error of one datagram (say, the port it answers is closed) is no error of the link.
                let Ok((length, from)) = received else { continue };
                let Some(upstream) = flows.upstream(from).await else { continue };
                let bytes = buffer.get(..length).unwrap_or_default();
                send_later(&flows.shared.forward, &forward, bytes, upstream, None);
            }
        }
    }
}

/// Puts a datagram on its way, or drops and counts it.
fn send_later(
    lane: &Lane,
    queue: &mpsc::Sender<Travelling>,
    bytes: &[u8],
    through: Arc<UdpSocket>,
    to: Option<SocketAddr>,
) {
    let Some(arrives) = lane.datagram(bytes.len()) else { return };
    if queue.try_send(Travelling { arrives, bytes: bytes.to_vec(), through, to }).is_err() {
        lane.tally.dropped_queue.add(1);
    }
}

/// Takes datagrams off the wire when they arrive.
async fn deliver(mut queue: mpsc::Receiver<Travelling>, shared: Arc<Shared>, lane: fn(&Shared) -> &Lane) {
    let lane = lane(&shared);
    while let Some(datagram) = queue.recv().await {
        if datagram.arrives > Instant::now() {
            sleep_until(datagram.arrives).await;
        }
        if lane.swallows() {
            continue;
        }
        let sent = match datagram.to {
            Some(to) => datagram.through.send_to(&datagram.bytes, to).await,
            None => datagram.through.send(&datagram.bytes).await,
        };
        if sent.is_ok() {
            lane.tally.datagrams.add(1);
            lane.tally.datagram_bytes.add(datagram.bytes.len() as u64);
        }
    }
}

/// The senders that are known, bounded in number.
struct Flows {
    /// The socket on the dialling side, through which answers go.
    socket: Arc<UdpSocket>,
    target: SocketAddr,
    shared: Arc<Shared>,
    backward: mpsc::Sender<Travelling>,
    known: BTreeMap<SocketAddr, Flow>,
    tasks: JoinSet<()>,
}

impl Flows {
    /// The socket that stands for `from` towards the target; `None` when there is no room for another sender.
    async fn upstream(&mut self, from: SocketAddr) -> Option<Arc<UdpSocket>> {
        if let Some(flow) = self.known.get_mut(&from) {
            flow.last_heard = Instant::now();
            return Some(Arc::clone(&flow.upstream));
        }
        if self.known.len() >= self.shared.bounds.flows {
            self.forget_idle();
        }
        if self.known.len() >= self.shared.bounds.flows {
            self.shared.flows_refused.add(1);
            return None;
        }
        let upstream = Arc::new(connected(self.target).await.ok()?);
        self.known.insert(from, Flow { upstream: Arc::clone(&upstream), last_heard: Instant::now() });
        self.shared.flows.set(self.known.len() as u64);
        let answers = Answers {
            from: Arc::downgrade(&upstream),
            to: from,
            socket: Arc::clone(&self.socket),
            shared: Arc::clone(&self.shared),
            queue: self.backward.clone(),
        };
        self.tasks.spawn(answers.relay());
        Some(upstream)
    }

    fn forget_idle(&mut self) {
        let idle = self.shared.bounds.flow_idle;
        self.known.retain(|_, flow| flow.last_heard.elapsed() < idle);
        self.shared.flows.set(self.known.len() as u64);
        // The tasks of forgotten flows end by themselves; this frees what is left of them.
        while self.tasks.try_join_next().is_some() {}
    }
}

/// A socket of its own for one sender, connected to the target.
async fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let any = match target {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket)
}

/// What the target answers to one sender.
struct Answers {
    /// Weak, so that a forgotten flow's socket closes.
    from: std::sync::Weak<UdpSocket>,
    to: SocketAddr,
    socket: Arc<UdpSocket>,
    shared: Arc<Shared>,
    queue: mpsc::Sender<Travelling>,
}

impl Answers {
    async fn relay(self) {
        let mut buffer = vec![0; MAX_DATAGRAM];
        while let Some(upstream) = self.from.upgrade() {
            // Looks up from time to time whether the flow is still known.
            let received = tokio::time::timeout(self.shared.bounds.flow_idle / 2, upstream.recv(&mut buffer)).await;
            match received {
                Ok(Ok(length)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    send_later(&self.shared.backward, &self.queue, bytes, Arc::clone(&self.socket), Some(self.to));
                }
                // The target is not there (yet): its machine says so again for each datagram.
                Ok(Err(_)) => tokio::task::yield_now().await,
                Err(_) => {}
            }
        }
    }
}
