//! Peers that do not keep to the protocol, written from its description rather than with this crate's code.

use bytes::Bytes;
use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{Stream, StreamProtocol, SwarmEvent};
use libp2p::{Multiaddr, SwarmBuilder, identity, noise, tcp, yamux};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use townmesh_transport::{CloseReason, Event, MAX_REFUSAL_TEXT, RelayLimits, RelayRole};

use crate::node::{Node, TCP, config, soon};

const PROTOCOL: StreamProtocol = StreamProtocol::new("/townmesh/session/1");

/// Opens a session stream as a bare libp2p node.
async fn open(address: &Multiaddr, seed: u8) -> Stream {
    let keypair = identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
    let mut swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| libp2p_stream::Behaviour::new())
        .unwrap()
        .build();
    let mut control = swarm.behaviour().new_control();
    let peer = address.to_string().rsplit('/').next().unwrap().parse().unwrap();
    swarm.add_peer_address(peer, address.clone());
    swarm.dial(address.clone()).unwrap();
    tokio::spawn(async move { while swarm.next().await.is_some() {} });
    tokio::time::sleep(Duration::from_millis(100)).await;
    soon("stream", control.open_stream(peer, PROTOCOL)).await.unwrap()
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as u32 + 1).to_be_bytes().to_vec();
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

fn hello(credentials: &[u8]) -> Vec<u8> {
    let mut body = vec![0; 16];
    body.extend_from_slice(&(1u32 << 20).to_be_bytes());
    body.extend_from_slice(credentials);
    frame(1, &body)
}

async fn read_frame(stream: &mut Stream) -> (u8, Vec<u8>) {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await.unwrap();
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut body).await.unwrap();
    (body[0], body[1..].to_vec())
}

/// Whether the stream is closed or reset from the other side.
async fn ends(stream: &mut Stream) {
    let mut rest = [0; 1024];
    soon("end of the stream", async { while let Ok(1..) = stream.read(&mut rest).await {} }).await;
}

/// Goes through a proper handshake; the node leads or follows as the keys say.
async fn admitted(stream: &mut Stream) {
    stream.write_all(&hello(b"x")).await.unwrap();
    stream.write_all(&frame(2, &[])).await.unwrap();
    assert_eq!(read_frame(stream).await.0, 1, "hello");
    assert_eq!(read_frame(stream).await.0, 2, "admit");
}

async fn in_session(node: &mut Node, seed: u8) -> Stream {
    let address = node.address_again();
    let mut stream = open(&address, seed).await;
    admitted(&mut stream).await;
    if node.key > townmesh_transport::public_key(&[seed; 32]) {
        stream.write_all(&frame(4, &[0, 0, 0, 9, 0, 0, 0, 1])).await.unwrap();
    } else {
        assert_eq!(read_frame(&mut stream).await.0, 4, "start");
    }
    node.opened().await;
    stream
}

#[tokio::test]
async fn the_described_protocol_is_the_one_spoken() {
    let mut node = Node::start(1, &[TCP], &[]);
    node.address().await;
    for seed in [2, 3, 4, 5] {
        let mut stream = in_session(&mut node, seed).await;
        stream.write_all(&frame(6, b"hello from outside")).await.unwrap();
        assert_eq!(node.message().await, "hello from outside");
        stream.write_all(&frame(7, &[1])).await.unwrap();
        assert_eq!(read_frame(&mut stream).await, (7, vec![0]), "a keep-alive that asks is answered");
        stream.write_all(&frame(8, &[])).await.unwrap();
        assert_eq!(node.closed().await, CloseReason::Goodbye);
    }
}

#[tokio::test]
async fn whatever_is_no_frame_of_the_session_ends_it() {
    let oversized = ((1u32 << 20) + 2).to_be_bytes().to_vec();
    let cases: [(&str, Vec<u8>); 6] = [
        ("an oversized frame", oversized),
        ("the largest length", vec![0xFF; 8]),
        ("an empty frame", vec![0; 4]),
        ("an unknown kind", frame(99, b"?")),
        ("a second hello", hello(b"x")),
        ("a malformed keep-alive", frame(7, b"ab")),
    ];
    let mut config = config(1, &[TCP], &[]);
    config.limits.cool_down = Duration::ZERO;
    let mut node = Node::with(config);
    node.address().await;
    for (case, bytes) in cases {
        let mut stream = in_session(&mut node, 2).await;
        stream.write_all(&bytes).await.unwrap();
        let reason = node.closed().await;
        assert!(matches!(reason, CloseReason::Protocol(_)), "{case}: {reason:?}");
        ends(&mut stream).await;
    }
}

#[tokio::test]
async fn nothing_is_taken_from_a_peer_before_it_is_admitted() {
    let huge = (2u32 << 10 << 10).to_be_bytes().to_vec();
    let cases: [(&str, Vec<u8>); 6] = [
        ("data at once", frame(6, b"data")),
        ("admit before hello", frame(2, &[])),
        ("credentials over the limit", hello(&vec![1; (16 << 10) + 1])),
        ("a frame of message size", huge),
        ("data right after the hello", [hello(b"x"), frame(6, b"data")].concat()),
        ("a refusal with an endless text", [hello(b"x"), frame(3, &vec![b'a'; MAX_REFUSAL_TEXT + 3])].concat()),
    ];
    let mut node = Node::start(1, &[TCP], &[]);
    let address = node.address().await;
    for (case, bytes) in cases {
        let mut stream = open(&address, 2).await;
        stream.write_all(&bytes).await.unwrap();
        ends(&mut stream).await;
        assert!(node.events.try_recv().is_none(), "{case}");
    }
    assert_eq!(node.transport.counters().handshakes_failed, 6);
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_closed_in_time() {
    let mut config = config(1, &[TCP], &[]);
    config.limits.admission_timeout = Duration::from_millis(300);
    let mut node = Node::with(config);
    let address = node.address().await;
    let mut silent = open(&address, 2).await;
    silent.flush().await.unwrap();
    ends(&mut silent).await;
    assert_eq!(node.transport.counters().handshakes_failed, 1);
    assert!(node.events.try_recv().is_none());
}

#[tokio::test]
async fn garbage_on_the_port_leaves_nothing_behind() {
    let mut config = config(1, &[TCP], &[]);
    config.limits.handshake_timeout = Duration::from_millis(500);
    let mut node = Node::with(config);
    let address = node.address().await;
    let port: u16 = address.to_string().split('/').nth(4).unwrap().parse().unwrap();
    let mut held = Vec::new();
    for n in 0..20u8 {
        let mut garbage = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        let bytes: Vec<u8> = (0..2000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8 ^ n).collect();
        garbage.write_all(if n % 2 == 0 { &bytes } else { &[] }).await.unwrap();
        held.push(garbage);
    }
    soon("all are gone", async {
        while node.transport.counters().incoming_failed < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(node.transport.counters().connections, 0);
    assert!(node.events.try_recv().is_none());

    let mut peer = Node::start(2, &[], &[address]);
    let opened = peer.opened().await;
    opened.sender.try_send(Bytes::from_static(b"fine")).unwrap();
    node.first("message", |event| matches!(event, Event::Message { .. }).then_some(())).await;
}

#[derive(libp2p::swarm::NetworkBehaviour)]
struct Freeloader {
    relay: libp2p::relay::client::Behaviour,
}

#[tokio::test]
async fn a_relay_gives_no_reservation_to_a_peer_without_a_session() {
    let mut relay = config(1, &[TCP], &[]);
    relay.relay = RelayRole::Serve { limits: RelayLimits::default(), addresses: Vec::new() };
    let mut relay = Node::with(relay);
    let address = relay.address().await;
    let mut swarm = SwarmBuilder::with_existing_identity(identity::Keypair::ed25519_from_bytes([2; 32]).unwrap())
        .with_tokio()
        .with_tcp(tcp::Config::new(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_, relay| Freeloader { relay })
        .unwrap()
        .build();
    swarm.listen_on(address.with(Protocol::P2pCircuit)).unwrap();
    let verdict = soon("an answer to the reservation", async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::ListenerClosed { reason, .. } => return reason,
                SwarmEvent::NewListenAddr { address, .. } => panic!("reserved {address}"),
                _ => {}
            }
        }
    })
    .await;
    assert!(format!("{verdict:?}").contains("ResourceLimitExceeded"), "{verdict:?}");
}
