//! Messages, back-pressure, and one session per pair.

use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::sleep;
use townmesh_transport::{Carrier, CloseReason, Event, Limits, Path, Route, SessionId, TrySendError, address_of};

use crate::node::{Node, QUIC, TCP, carries, config, key, pair, soon, take_over};

async fn both_directions(listen: &str, carrier: Carrier) {
    let (mut a, at_a, mut b, at_b) = pair(listen).await;
    assert_eq!((at_a.peer, at_b.peer), (b.key, a.key));
    let path = Path { route: Route::Direct, carrier };
    assert_eq!((at_a.path, at_b.path), (path, path));
    carries(&at_a, &mut b, "to b").await;
    carries(&at_b, &mut a, "to a").await;

    let large = Bytes::from((0..1u32 << 20).map(|n| n.to_le_bytes()[1]).collect::<Vec<u8>>());
    for _ in 0..2 {
        at_a.sender.try_send(large.clone()).unwrap();
        assert_eq!(b.message().await, large);
    }
    let counters = a.transport.counters().peers[&b.key];
    assert_eq!((counters.messages_sent, counters.messages_received), (3, 1));
    assert!((2 << 20..(2 << 20) + 500).contains(&counters.bytes_sent), "{counters:?}");
}

#[tokio::test]
async fn messages_travel_both_ways_over_quic() {
    both_directions(QUIC, Carrier::Quic).await;
}

#[tokio::test]
async fn messages_travel_both_ways_over_tcp() {
    both_directions(TCP, Carrier::Tcp).await;
}

#[tokio::test]
async fn many_messages_arrive_in_order() {
    let (_a, at_a, mut b, _at_b) = pair(QUIC).await;
    let send = async {
        for n in 0..5000u32 {
            while at_a.sender.try_send(Bytes::copy_from_slice(&n.to_le_bytes())) == Err(TrySendError::Full) {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    let receive = async {
        for n in 0..5000u32 {
            assert_eq!(b.message().await.as_ref(), n.to_le_bytes());
        }
    };
    tokio::join!(send, receive);
}

#[tokio::test]
async fn a_message_over_the_limit_of_either_side_is_not_taken() {
    let mut a = Node::start(1, &[QUIC], &[]);
    let address = a.address().await;
    let mut modest = config(2, &[], &[address]);
    modest.limits.message_bytes = 2048;
    let mut b = Node::with(modest);
    let (at_a, at_b) = (a.opened().await, b.opened().await);
    let too_large = Err(TrySendError::TooLarge { length: 2049, limit: 2048 });
    assert_eq!(at_a.sender.try_send(vec![0; 2049].into()), too_large);
    assert_eq!(at_b.sender.try_send(vec![0; 2049].into()), too_large);
    at_a.sender.try_send(vec![9; 2048].into()).unwrap();
    assert_eq!(b.message().await.len(), 2048);
}

/// Queues messages until the queue stays full, and returns how many were taken.
async fn fill(sender: &townmesh_transport::PeerSender, message: &Bytes) -> usize {
    let (mut taken, mut full) = (0, 0);
    while full < 20 {
        match sender.try_send(message.clone()) {
            Ok(()) => (taken, full) = (taken + 1, 0),
            Err(TrySendError::Full) => {
                full += 1;
                sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    taken
}

#[tokio::test]
async fn a_peer_that_takes_nothing_costs_its_own_queue_and_nothing_else() {
    let (mut a, at_a, mut b, _at_b) = pair(QUIC).await;
    let address = a.address_again();
    let mut c = Node::start(3, &[], &[address]);
    let (to_c, _at_c) = (a.opened().await, c.opened().await);

    let message = Bytes::from(vec![1; 64 << 10]);
    let taken = fill(&at_a.sender, &message).await;
    // The queues of both ends are 2 MiB each and the connection's window is 1 MiB; the rest are socket buffers.
    assert!((48..160).contains(&taken), "{taken} messages of 64 KiB");
    carries(&to_c, &mut c, "others go on").await;

    // Once the peer takes messages again, all of them arrive and the sender is told that there is room.
    for _ in 0..taken {
        assert_eq!(b.message().await, message);
    }
    a.first("writable", |event| {
        matches!(event, Event::Writable { session, .. } if session == at_a.session).then_some(())
    })
    .await;
    at_a.sender.try_send(Bytes::from_static(b"room")).unwrap();
    assert_eq!(b.message().await, "room");
}

#[tokio::test]
async fn a_peer_that_takes_nothing_for_too_long_is_closed() {
    let mut a = config(1, &[TCP], &[]);
    a.limits.stall_timeout = Duration::from_millis(300);
    let mut a = Node::with(a);
    let address = a.address().await;
    let mut b = Node::start(2, &[], &[address]);
    let (at_a, _at_b) = (a.opened().await, b.opened().await);
    let message = Bytes::from(vec![1; 1 << 20]);
    let flood = async {
        while at_a.sender.try_send(message.clone()) != Err(TrySendError::Closed) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    soon("closed for stalling", flood).await;
    assert_eq!(a.closed().await, CloseReason::Stalled);
    assert!(a.transport.counters().messages_dropped > 0);
}

#[tokio::test]
async fn a_simultaneous_open_leaves_one_session() {
    let (mut a, mut b) = (Node::start(1, &[QUIC], &[]), Node::start(2, &[QUIC], &[]));
    let (to_a, to_b) = (a.address().await, b.address().await);
    tokio::join!(a.transport.dial(to_b), b.transport.dial(to_a));
    let (a_saw, b_saw) = tokio::join!(a.during(Duration::from_millis(800)), b.during(Duration::from_millis(800)));

    let mut senders = Vec::new();
    for saw in [a_saw, b_saw] {
        let mut open = BTreeMap::new();
        let mut last: Option<SessionId> = None;
        for event in saw {
            match event {
                Event::Opened { session, sender, .. } => {
                    assert!(open.is_empty(), "sessions of one peer never overlap");
                    assert!(Some(session) > last, "sessions are numbered upwards");
                    last = Some(session);
                    open.insert(session, sender);
                }
                Event::Closed { session, .. } => assert!(open.remove(&session).is_some()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(open.len(), 1, "one session is left");
        senders.extend(open.into_values());
    }
    senders[0].try_send(Bytes::from_static(b"from a")).unwrap();
    senders[1].try_send(Bytes::from_static(b"from b")).unwrap();
    assert_eq!((b.message().await, a.message().await), (Bytes::from("from a"), Bytes::from("from b")));
}

#[tokio::test]
async fn a_restarted_peer_is_reached_again() {
    for listen in [QUIC, TCP] {
        let (a, _, mut b, _) = pair(listen).await;
        let address = a.address_again();
        a.transport.shutdown().await;
        assert_eq!(b.closed().await, CloseReason::Goodbye);

        let mut a = take_over(1, &address).await;
        let (at_a, _) = (a.opened().await, b.opened().await);
        carries(&at_a, &mut b, "back").await;
    }
}

#[tokio::test]
async fn a_peer_that_vanished_without_a_goodbye_is_replaced_when_it_returns() {
    for (listener, dialler) in [(1, 2), (2, 1)] {
        let mut a = Node::start(listener, &[TCP], &[]);
        let address = a.address().await;
        let first = Node::start(dialler, &[], std::slice::from_ref(&address));
        let before = a.opened().await;
        // A process that is killed says nothing: here its twin arrives while the old session still stands.
        let mut twin = Node::start(dialler, &[], &[address]);
        assert_eq!(a.closed().await, CloseReason::Replaced, "as seen by the side with key {listener}");
        let after = a.opened().await;
        assert_eq!(before.peer, after.peer);
        carries(&after, &mut twin, "to the new process").await;
        first.transport.shutdown().await;
    }
}

#[tokio::test]
async fn disconnecting_says_goodbye() {
    let (mut a, _, mut b, at_b) = pair(QUIC).await;
    a.transport.disconnect(b.key).await;
    assert_eq!(a.closed().await, CloseReason::Disconnected);
    assert_eq!(b.closed().await, CloseReason::Goodbye);
    assert_eq!(at_b.sender.try_send(Bytes::new()), Err(TrySendError::Closed));
}

#[tokio::test]
async fn shutting_down_ends_the_events_and_frees_the_port() {
    let (mut a, _, b, _) = pair(TCP).await;
    let address = a.address_again();
    soon("shutdown", a.transport.shutdown()).await;
    a.first("closed", |event| matches!(event, Event::Closed { reason: CloseReason::Shutdown, .. }).then_some(())).await;
    assert!(a.events.recv().await.is_none());
    take_over(9, &address).await.address().await;
    drop(b);
}

#[tokio::test]
async fn a_configured_address_without_a_peer_is_kept_too() {
    let mut a = Node::start(1, &[TCP], &[]);
    let named = a.address().await;
    let bare = named.to_string().split("/p2p").next().unwrap().parse().unwrap();
    let mut b = Node::start(2, &[], &[bare]);
    assert_eq!(b.opened().await.peer, key(1));
    // Not by `disconnect`, which would keep the peers apart for a while.
    a.opened().await;
    drop(a);
    b.closed().await;
    take_over(1, &named).await.opened().await;
    assert!(address_of(named, &key(3)).is_none(), "an address names one peer");
}

#[test]
fn defaults_hold_a_message_in_every_queue() {
    let limits = Limits::default();
    assert!(limits.message_bytes <= limits.send_queue_bytes.min(limits.receive_queue_bytes));
}
