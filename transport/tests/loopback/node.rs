//! A node for tests: a transport, its events, and an admission that can change its mind.

use bytes::Bytes;
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::timeout;
use townmesh_transport::{
    Admission, CloseReason, Config, Event, Events, Multiaddr, Path, PeerKey, PeerSender, Refusal, RefusedReason,
    SessionId, Transport, address_of, public_key, spawn,
};

pub(crate) const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub(crate) const TCP: &str = "/ip4/127.0.0.1/tcp/0";

/// Far beyond what anything on loopback takes, so that only a real failure runs into it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fails the test when something does not happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: did not happen within {PATIENCE:?}"))
}

/// Admits everybody except those on its list.
#[derive(Default)]
pub(crate) struct Judge {
    unwanted: Mutex<BTreeSet<PeerKey>>,
    judged: Mutex<Vec<Bytes>>,
}

impl Judge {
    pub(crate) fn refuse(&self, peer: PeerKey) {
        self.unwanted.lock().unwrap().insert(peer);
    }

    pub(crate) fn forgive(&self, peer: PeerKey) {
        self.unwanted.lock().unwrap().remove(&peer);
    }

    pub(crate) fn judged(&self) -> Vec<Bytes> {
        self.judged.lock().unwrap().clone()
    }
}

impl Admission for Judge {
    fn credentials(&self) -> Bytes {
        Bytes::from_static(b"certificate")
    }

    fn admit(&self, peer: PeerKey, credentials: &[u8]) -> Result<(), Refusal> {
        self.judged.lock().unwrap().push(Bytes::copy_from_slice(credentials));
        match self.unwanted.lock().unwrap().contains(&peer) {
            true => Err(Refusal::new(7, "证书已被撤销 certificate revoked")),
            false => Ok(()),
        }
    }
}

pub(crate) struct Node {
    pub(crate) transport: Transport,
    pub(crate) events: Events,
    pub(crate) judge: Arc<Judge>,
    pub(crate) key: PeerKey,
}

pub(crate) struct Opened {
    pub(crate) peer: PeerKey,
    pub(crate) session: SessionId,
    pub(crate) path: Path,
    pub(crate) sender: PeerSender,
}

pub(crate) fn key(seed: u8) -> PeerKey {
    public_key(&[seed; 32])
}

pub(crate) fn config(seed: u8, listen: &[&str], dial: &[Multiaddr]) -> Config {
    Config {
        listen: listen.iter().map(|address| address.parse().unwrap()).collect(),
        dial: dial.to_vec(),
        ..Config::new([seed; 32])
    }
}

impl Node {
    pub(crate) fn start(seed: u8, listen: &[&str], dial: &[Multiaddr]) -> Node {
        Node::with(config(seed, listen, dial))
    }

    pub(crate) fn with(config: Config) -> Node {
        Node::judged_by(Arc::new(Judge::default()), config)
    }

    pub(crate) fn judged_by(judge: Arc<Judge>, config: Config) -> Node {
        // RUST_LOG=townmesh_transport=debug shows what the nodes of a failing test did.
        let filter = tracing_subscriber::EnvFilter::from_default_env();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        let key = public_key(&config.secret_key);
        let (transport, events) = spawn(config, Arc::clone(&judge) as Arc<dyn Admission>).unwrap();
        Node { transport, events, judge, key }
    }

    /// The same, without waiting for the event.
    pub(crate) fn address_again(&self) -> Multiaddr {
        address_of(self.transport.local_addresses()[0].clone(), &self.key).unwrap()
    }

    /// The first event that `pick` takes; others are dropped.
    pub(crate) async fn first<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        soon(what, async {
            loop {
                if let Some(found) = pick(self.events.recv().await.expect("the transport has ended")) {
                    return found;
                }
            }
        })
        .await
    }

    /// An address to dial this node under.
    pub(crate) async fn address(&mut self) -> Multiaddr {
        let address = self
            .first("listening", |event| match event {
                Event::Listening { address } => Some(address),
                _ => None,
            })
            .await;
        address_of(address, &self.key).unwrap()
    }

    pub(crate) async fn opened(&mut self) -> Opened {
        self.first("session opened", |event| match event {
            Event::Opened { peer, session, path, sender } => Some(Opened { peer, session, path, sender }),
            _ => None,
        })
        .await
    }

    pub(crate) async fn message(&mut self) -> Bytes {
        self.first("message", |event| match event {
            Event::Message { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await
    }

    pub(crate) async fn closed(&mut self) -> CloseReason {
        self.first("session closed", |event| match event {
            Event::Closed { reason, .. } => Some(reason),
            _ => None,
        })
        .await
    }

    pub(crate) async fn refused(&mut self) -> RefusedReason {
        self.first("refused", |event| match event {
            Event::Refused { reason, .. } => Some(reason),
            Event::Opened { .. } => panic!("a session opened"),
            _ => None,
        })
        .await
    }

    /// Lets `time` pass and returns what happened meanwhile.
    pub(crate) async fn during(&mut self, time: Duration) -> Vec<Event> {
        let mut seen = Vec::new();
        let _ = timeout(time, async {
            while let Some(event) = self.events.recv().await {
                seen.push(event);
            }
        })
        .await;
        seen
    }
}

/// Starts a node where another one has just been. A QUIC socket outlives its transport while last packets go out.
pub(crate) async fn take_over(seed: u8, address: &Multiaddr) -> Node {
    let address = address.to_string();
    let listen = address.split("/p2p").next().unwrap();
    soon("the port is free", async {
        loop {
            let judge = Arc::new(Judge::default());
            if let Ok((transport, events)) =
                spawn(config(seed, &[listen], &[]), Arc::clone(&judge) as Arc<dyn Admission>)
            {
                return Node { transport, events, judge, key: key(seed) };
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}

/// Two connected nodes, the second of which dialled the first.
pub(crate) async fn pair(listen: &str) -> (Node, Opened, Node, Opened) {
    let mut a = Node::start(1, &[listen], &[]);
    let address = a.address().await;
    let mut b = Node::start(2, &[], &[address]);
    let (at_a, at_b) = (a.opened().await, b.opened().await);
    (a, at_a, b, at_b)
}

/// Sends a message over the session at one node and expects it at the other.
pub(crate) async fn carries(from: &Opened, to: &mut Node, text: &'static str) {
    from.sender.try_send(Bytes::from_static(text.as_bytes())).unwrap();
    assert_eq!(to.message().await, text.as_bytes());
}
