//! Networks that block, cut and come back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use townmesh_transport::{Carrier, CloseReason, Multiaddr, StartError, address_of, spawn};

use crate::node::{Judge, Node, QUIC, TCP, carries, config, key};

#[tokio::test]
async fn quic_is_preferred_where_both_work() {
    let mut a = Node::start(1, &[TCP, QUIC], &[]);
    let addresses = [a.address().await, a.address().await];
    let mut b = Node::start(2, &[], &addresses);
    assert_eq!(b.opened().await.path.carrier, Carrier::Quic);
}

#[tokio::test]
async fn tcp_takes_over_where_udp_is_blocked_or_closed() {
    // A socket that never answers is a network that drops UDP; a port that nobody has is one that rejects it.
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let closed = {
        let closing = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        closing.local_addr().unwrap()
    };
    for udp in [silent.local_addr().unwrap(), closed] {
        let mut a = Node::start(1, &[TCP], &[]);
        let tcp = a.address().await;
        let quic: Multiaddr = format!("/ip4/127.0.0.1/udp/{}/quic-v1", udp.port()).parse().unwrap();
        let began = Instant::now();
        let mut b = Node::start(2, &[], &[address_of(quic, &a.key).unwrap(), tcp]);
        assert_eq!(b.opened().await.path.carrier, Carrier::Tcp);
        assert!(began.elapsed() < Duration::from_secs(3), "no time-out has to pass first: {:?}", began.elapsed());
    }
}

/// A TCP link that can be cut without either end being told.
async fn link(to: SocketAddr) -> (SocketAddr, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = listener.local_addr().unwrap();
    let (cut, is_cut) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((here, _)) = listener.accept().await {
            if *is_cut.borrow() {
                continue;
            }
            let there = TcpStream::connect(to).await.unwrap();
            let (here_in, here_out) = here.into_split();
            let (there_in, there_out) = there.into_split();
            tokio::spawn(carry(here_in, there_out, is_cut.clone()));
            tokio::spawn(carry(there_in, here_out, is_cut.clone()));
        }
    });
    (near, cut)
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 16 << 10];
    is_cut.mark_unchanged();
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        // A connection of before the cut stays dead after it, as behind a gateway that forgot it.
        if *is_cut.borrow() || is_cut.has_changed().unwrap_or(true) {
            let _ = is_cut.wait_for(|_| false).await;
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[tokio::test]
async fn a_silent_cut_is_noticed_and_healed() {
    // Each side leads once: the leading side must believe a follower that comes back, and the other way round.
    for (listener, dialler) in [(1, 2), (2, 1)] {
        let mut a = Node::start(listener, &[TCP], &[]);
        let port = a.address().await.to_string().split('/').nth(4).unwrap().parse().unwrap();
        let (near, cut) = link(SocketAddr::from(([127, 0, 0, 1], port))).await;
        let address = format!("/ip4/127.0.0.1/tcp/{}", near.port()).parse().unwrap();
        let mut b = config(dialler, &[], &[address_of(address, &key(listener)).unwrap()]);
        b.limits.keep_alive_interval = Duration::from_millis(100);
        b.limits.silence_timeout = Duration::from_millis(2500);
        let mut b = Node::with(b);
        a.opened().await;
        b.opened().await;

        let began = Instant::now();
        cut.send_replace(true);
        assert_eq!(b.closed().await, CloseReason::Silent);
        cut.send_replace(false);
        b.opened().await;
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        let again = a.opened().await;
        carries(&again, &mut b, "syncing again").await;
    }
}

#[tokio::test]
async fn an_idle_session_stays() {
    let mut a = config(1, &[QUIC], &[]);
    a.limits.idle_timeout = Duration::from_millis(100);
    a.limits.keep_alive_interval = Duration::from_millis(200);
    a.limits.silence_timeout = Duration::from_millis(800);
    let limits = a.limits.clone();
    let mut a = Node::with(a);
    let mut b = config(2, &[], &[a.address().await]);
    b.limits = limits;
    let mut b = Node::with(b);
    let at_a = a.opened().await;
    b.opened().await;
    assert!(a.during(Duration::from_millis(2000)).await.is_empty());
    carries(&at_a, &mut b, "still here").await;
}

#[tokio::test]
async fn what_cannot_work_is_said_at_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    let refuse = |config| spawn(config, Arc::new(Judge::default())).err().unwrap();
    assert!(matches!(refuse(config(1, &[&address], &[])), StartError::Listen { .. }));
    assert!(matches!(refuse(config(1, &["/ip4/127.0.0.1/udp/4001"], &[])), StartError::Address { .. }));
    let mut contradiction = config(1, &[], &[]);
    contradiction.limits.send_queue_bytes = 1;
    let message = refuse(contradiction).to_string();
    assert!(message.contains("send_queue_bytes is 1, it must be at least message_bytes"), "{message}");
}
