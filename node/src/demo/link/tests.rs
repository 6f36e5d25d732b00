use std::net::Ipv4Addr;
use std::num::NonZeroU64;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::*;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const SOON: Duration = Duration::from_secs(5);
const SILENCE: Duration = Duration::from_millis(300);

/// A link to a machine that sends everything back.
struct Bench {
    link: Link,
    udp: UdpSocket,
    _echo: JoinSet<()>,
}

impl Bench {
    async fn new(settings: LinkSettings, bounds: LinkBounds) -> Self {
        let (udp, tcp, address) = bind(LOOPBACK).await.unwrap();
        let mut echo = JoinSet::new();
        echo.spawn(async move {
            let mut buffer = [0; 2000];
            loop {
                let (length, from) = udp.recv_from(&mut buffer).await.unwrap();
                udp.send_to(&buffer[..length], from).await.unwrap();
            }
        });
        echo.spawn(async move {
            let mut streams = JoinSet::new();
            loop {
                let (stream, _) = tcp.accept().await.unwrap();
                streams.spawn(async move {
                    let (mut read, mut write) = stream.into_split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        let link = Link::start_with(LOOPBACK, address, settings, bounds, 1).await.unwrap();
        Self { udp: dialler(&link).await, link, _echo: echo }
    }

    async fn perfect() -> Self {
        Self::new(LinkSettings::default(), LinkBounds::default()).await
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.link.listen()).await.unwrap()
    }

    async fn echoes_udp(&self) -> bool {
        self.udp.send(b"ping").await.unwrap();
        let mut buffer = [0; 10];
        let answered = timeout(SILENCE, self.udp.recv(&mut buffer)).await.is_ok();
        if answered {
            assert_eq!(&buffer[..4], b"ping");
        }
        answered
    }
}

async fn dialler(link: &Link) -> UdpSocket {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    socket.connect(link.listen()).await.unwrap();
    socket
}

async fn echoes_tcp(stream: &mut TcpStream) -> bool {
    stream.write_all(b"ping").await.unwrap();
    let mut buffer = [0; 4];
    timeout(SILENCE, stream.read_exact(&mut buffer)).await.is_ok_and(|read| read.is_ok() && &buffer == b"ping")
}

fn both(settings: DirectionSettings) -> LinkSettings {
    LinkSettings::both(settings)
}

#[tokio::test]
async fn datagrams_and_streams_pass_in_both_directions_and_are_counted() {
    let bench = Bench::perfect().await;
    assert!(bench.echoes_udp().await);
    let mut stream = bench.tcp().await;
    assert!(echoes_tcp(&mut stream).await);
    let counters = bench.link.counters();
    for direction in [counters.forward, counters.backward] {
        assert_eq!((direction.datagrams, direction.datagram_bytes, direction.stream_bytes), (1, 4, 4));
        assert_eq!(direction.bytes(), 8);
    }
    assert_eq!((counters.flows, counters.connections), (1, 1));
}

#[tokio::test]
async fn the_end_of_a_stream_passes_too() {
    let bench = Bench::perfect().await;
    let mut stream = bench.tcp().await;
    stream.write_all(b"all").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"all");
}

#[tokio::test]
async fn a_cut_silences_what_is_established_and_what_is_new_and_a_restored_link_goes_on() {
    let bench = Bench::perfect().await;
    let mut established = bench.tcp().await;
    assert!(echoes_tcp(&mut established).await && bench.echoes_udp().await);

    bench.link.set_cut(true);
    assert!(!echoes_tcp(&mut established).await, "an established stream went on over a cut link");
    assert!(!bench.echoes_udp().await, "a datagram crossed a cut link");
    let mut new = bench.tcp().await;
    assert!(!echoes_tcp(&mut new).await, "a new stream crossed a cut link");
    assert!(bench.link.counters().forward.dropped_cut >= 1);

    bench.link.set_cut(false);
    assert!(bench.echoes_udp().await);
    let mut held = [0; 4];
    for stream in [&mut established, &mut new] {
        timeout(SOON, stream.read_exact(&mut held)).await.expect("what was held arrives").unwrap();
        assert_eq!(&held, b"ping");
        assert!(echoes_tcp(stream).await);
    }
}

#[tokio::test]
async fn one_direction_can_be_cut_alone() {
    let bench = Bench::perfect().await;
    let cut = DirectionSettings { cut: true, ..DirectionSettings::default() };
    bench.link.set(LinkSettings { backward: cut, ..LinkSettings::default() }).unwrap();
    assert!(!bench.echoes_udp().await);
    let counters = bench.link.counters();
    assert_eq!((counters.forward.datagrams, counters.backward.dropped_cut), (1, 1));
}

#[tokio::test]
async fn a_closed_end_is_not_announced_over_a_cut_link() {
    let bench = Bench::perfect().await;
    let mut stream = bench.tcp().await;
    assert!(echoes_tcp(&mut stream).await);
    bench.link.set_cut(true);
    stream.shutdown().await.unwrap();
    assert!(timeout(SILENCE, stream.read_u8()).await.is_err(), "the far end answered to a close it cannot have seen");
}

#[tokio::test]
async fn a_delay_is_added_to_both_directions() {
    let delayed = both(DirectionSettings { delay: Duration::from_millis(60), ..DirectionSettings::default() });
    let bench = Bench::new(delayed, LinkBounds::default()).await;
    let mut stream = bench.tcp().await;
    for transport in ["udp", "tcp"] {
        let began = Instant::now();
        assert!(if transport == "udp" { bench.echoes_udp().await } else { echoes_tcp(&mut stream).await });
        let took = began.elapsed();
        assert!((Duration::from_millis(115)..SILENCE).contains(&took), "{transport}: {took:?}");
    }
}

#[tokio::test]
async fn a_rate_limit_slows_a_stream_down_without_losing_a_byte() {
    let slow = DirectionSettings { bytes_per_second: NonZeroU64::new(40_000), ..DirectionSettings::default() };
    let bench = Bench::new(LinkSettings { forward: slow, ..LinkSettings::default() }, LinkBounds::default()).await;
    let mut stream = bench.tcp().await;
    let sent: Vec<u8> = (0..20_000_u32).map(|number| number as u8).collect();
    let began = Instant::now();
    stream.write_all(&sent).await.unwrap();
    let mut back = vec![0; sent.len()];
    timeout(SOON, stream.read_exact(&mut back)).await.expect("everything arrives").unwrap();
    let took = began.elapsed();
    assert_eq!(back, sent);
    assert!((Duration::from_millis(400)..Duration::from_secs(3)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn datagrams_beyond_the_rate_overflow_a_short_queue() {
    let slow = DirectionSettings { bytes_per_second: NonZeroU64::new(10_000), ..DirectionSettings::default() };
    let bench = Bench::new(LinkSettings { forward: slow, ..LinkSettings::default() }, LinkBounds::default()).await;
    for _ in 0..50 {
        bench.udp.send(&[7; 1000]).await.unwrap();
    }
    sleep(Duration::from_millis(900)).await;
    let forward = bench.link.counters().forward;
    assert!((3..=8).contains(&forward.datagrams), "{forward:?}");
    assert!(forward.dropped_queue >= 40, "{forward:?}");
}

#[tokio::test]
async fn what_is_in_flight_is_bounded() {
    let delayed = both(DirectionSettings { delay: Duration::from_secs(5), ..DirectionSettings::default() });
    let bench = Bench::new(delayed, LinkBounds { in_flight: 8, ..LinkBounds::default() }).await;
    for _ in 0..30 {
        bench.udp.send(b"ping").await.unwrap();
    }
    sleep(Duration::from_millis(100)).await;
    // One more may be in the hands of the task that delivers.
    let dropped = bench.link.counters().forward.dropped_queue;
    assert!((30 - 9..=30 - 8).contains(&dropped), "{dropped}");
}

#[tokio::test]
async fn losses_are_about_as_many_as_asked() {
    let lossy = DirectionSettings { loss_per_mille: 500, ..DirectionSettings::default() };
    let bench = Bench::new(LinkSettings { forward: lossy, ..LinkSettings::default() }, LinkBounds::default()).await;
    for _ in 0..400 {
        bench.udp.send(b"ping").await.unwrap();
        tokio::task::yield_now().await;
    }
    sleep(Duration::from_millis(200)).await;
    let forward = bench.link.counters().forward;
    assert!((130..270).contains(&forward.dropped_loss), "{forward:?}");
}

#[tokio::test]
async fn the_table_of_senders_is_bounded_and_forgets_idle_ones() {
    let bounds = LinkBounds { flows: 2, flow_idle: Duration::from_millis(200), ..LinkBounds::default() };
    let bench = Bench::new(LinkSettings::default(), bounds).await;
    assert!(bench.echoes_udp().await);
    let others = [dialler(&bench.link).await, dialler(&bench.link).await];
    for other in &others {
        other.send(b"ping").await.unwrap();
    }
    sleep(Duration::from_millis(50)).await;
    assert_eq!((bench.link.counters().flows, bench.link.counters().flows_refused), (2, 1));
    sleep(Duration::from_millis(500)).await;
    assert_eq!(bench.link.counters().flows, 0);
    assert!(bench.echoes_udp().await);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_room() {
    let bench = Bench::new(LinkSettings::default(), LinkBounds { connections: 1, ..LinkBounds::default() }).await;
    let mut first = bench.tcp().await;
    assert!(echoes_tcp(&mut first).await);
    let mut second = bench.tcp().await;
    assert!(!echoes_tcp(&mut second).await);
    drop(first);
    let mut held = [0; 4];
    timeout(SOON, second.read_exact(&mut held)).await.expect("room for the second").unwrap();
}

#[tokio::test]
async fn other_machines_and_impossible_settings_are_refused_with_a_reason() {
    let outside: SocketAddr = "0.0.0.0:0".parse().unwrap();
    for (listen, target) in [(outside, LOOPBACK), (LOOPBACK, "192.0.2.1:4001".parse().unwrap())] {
        let refused = Link::start(listen, target, LinkSettings::default()).await.unwrap_err();
        assert!(refused.to_string().contains("loopback"), "{refused}");
    }
    let link = Link::start(LOOPBACK, LOOPBACK, LinkSettings::default()).await.unwrap();
    for (wrong, named) in [
        (DirectionSettings { delay: Duration::from_secs(11), ..DirectionSettings::default() }, "delay"),
        (DirectionSettings { loss_per_mille: 1001, ..DirectionSettings::default() }, "loss_per_mille"),
        (
            DirectionSettings { bytes_per_second: NonZeroU64::new(10), ..DirectionSettings::default() },
            "bytes_per_second",
        ),
    ] {
        let refused = link.set(both(wrong)).unwrap_err().to_string();
        assert!(refused.starts_with(named), "{refused}");
    }
    assert_eq!(link.settings(), LinkSettings::default());
    let taken = Link::start(link.listen(), LOOPBACK, LinkSettings::default()).await.unwrap_err();
    assert!(matches!(taken, LinkError::Listen { .. }), "{taken}");
}
