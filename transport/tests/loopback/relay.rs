//! Two nodes that listen on nothing meet through a third.

use std::sync::Arc;
use std::time::Duration;
use townmesh_transport::{Config, Event, Multiaddr, RelayLimits, RelayRole, Route, circuit_address};

use crate::node::{Judge, Node, QUIC, TCP, carries, config, key};

fn relay(seed: u8, listen: &str) -> Config {
    let relay = RelayRole::Serve { limits: RelayLimits::default(), addresses: Vec::new() };
    Config { relay, ..config(seed, &[listen], &[]) }
}

fn behind(seed: u8, relay: &Multiaddr, dial: &[Multiaddr]) -> Config {
    Config { relay: RelayRole::Use(vec![relay.clone()]), ..config(seed, &[], dial) }
}

#[tokio::test]
async fn two_nodes_talk_through_a_relay() {
    for listen in [QUIC, TCP] {
        let mut r = Node::with(relay(9, listen));
        let at_r = r.address().await;
        let mut a = Node::with(behind(1, &at_r, &[]));
        // b may dial before a has its reservation, and before it is admitted by the relay itself.
        let mut b = Node::with(behind(2, &at_r, &[circuit_address(at_r.clone(), &a.key).unwrap()]));

        let relayed = |event| match event {
            Event::Opened { peer, path, sender, session } if path.route == Route::Relayed => {
                Some(crate::node::Opened { peer, path, sender, session })
            }
            _ => None,
        };
        let from_a = a.first("session with b", relayed).await;
        let from_b = b.first("session with a", relayed).await;
        assert_eq!((from_a.peer, from_b.peer), (b.key, a.key));
        carries(&from_a, &mut b, "through the relay").await;
        carries(&from_b, &mut a, "and back").await;
        // More than the 128 KiB after which the protocol's default would cut the circuit.
        for _ in 0..4 {
            from_a.sender.try_send(vec![5; 256 << 10].into()).unwrap();
            assert_eq!(b.message().await.len(), 256 << 10);
        }
        let peers: Vec<_> = r.transport.counters().peers.into_iter().collect();
        assert!(peers.iter().all(|(_, counters)| counters.bytes_received < 2000), "the relay has no part in it");
    }
}

#[tokio::test]
async fn a_relay_serves_admitted_peers_only() {
    let judge = Arc::new(Judge::default());
    judge.refuse(key(2));
    let mut r = Node::judged_by(judge, relay(9, TCP));
    let at_r = r.address().await;
    let mut a = Node::with(behind(1, &at_r, &[]));
    a.first("reservation", |event| match event {
        Event::Listening { address } => Some(address),
        _ => None,
    })
    .await;

    let stranger = Node::with(behind(2, &at_r, &[circuit_address(at_r.clone(), &a.key).unwrap()]));
    let seen = a.during(Duration::from_millis(1500)).await;
    assert!(!seen.iter().any(|event| matches!(event, Event::Opened { .. })), "{seen:?}");
    assert!(stranger.transport.local_addresses().is_empty(), "no reservation either");
    assert!(stranger.transport.counters().refusals > 0);
}
