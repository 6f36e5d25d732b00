//! The dialler under a clock of its own.

use super::*;
use crate::identity;

const SECOND: Duration = Duration::from_secs(1);
const RANDOM: u64 = 0;

fn peer(seed: u8) -> PeerId {
    identity::keypair(&[seed; 32]).unwrap().public().to_peer_id()
}

fn quic(host: u8, seed: u8) -> Multiaddr {
    format!("/ip4/10.0.0.{host}/udp/4001/quic-v1/p2p/{}", peer(seed)).parse().unwrap()
}

fn tcp(host: u8, seed: u8) -> Multiaddr {
    format!("/ip4/10.0.0.{host}/tcp/4001/p2p/{}", peer(seed)).parse().unwrap()
}

fn circuit(relay: u8, seed: u8) -> Multiaddr {
    format!("{}/p2p-circuit/p2p/{}", quic(relay, relay), peer(seed)).parse().unwrap()
}

/// A dialler, its clock, and the connections it was given.
struct Scene {
    dialer: Dialer,
    now: Instant,
    connections: usize,
}

impl Scene {
    fn new(limits: Limits) -> Self {
        Self { dialer: Dialer::new(peer(100), &limits), now: Instant::now(), connections: 0 }
    }

    fn with(addresses: &[Multiaddr]) -> Self {
        let mut scene = Scene::new(Limits::default());
        for address in addresses {
            assert!(scene.dialer.add(address.clone(), Origin::Configured, scene.now));
        }
        scene
    }

    /// Starts what is due: the addresses, and the connection of each dial.
    fn dial(&mut self) -> Vec<(Vec<Multiaddr>, ConnectionId)> {
        let dials = self.dialer.due(self.now);
        dials
            .into_iter()
            .map(|dial| {
                self.connections += 1;
                let connection = ConnectionId::new_unchecked(self.connections);
                self.dialer.started(dial.target, connection);
                (dial.addresses, connection)
            })
            .collect()
    }

    fn addresses(&mut self) -> Vec<Multiaddr> {
        self.dial().into_iter().flat_map(|(addresses, _)| addresses).collect()
    }

    fn fail(&mut self, connection: ConnectionId) {
        self.dialer.ended(connection, self.now, RANDOM);
    }

    /// Lets time pass until something is due, and says how much it was.
    fn wait(&mut self) -> Duration {
        let due = self.dialer.next_due().expect("something is due some time");
        let waited = due.saturating_duration_since(self.now);
        self.now += waited;
        waited
    }
}

#[test]
fn the_pause_doubles_up_to_its_cap_with_jitter_on_top() {
    let cap = 3 * SECOND;
    let plain: Vec<u128> = (1..8).map(|failures| pause(failures, cap, 0).as_millis()).collect();
    assert_eq!(plain, [250, 500, 1000, 2000, 3000, 3000, 3000]);
    for random in [1, 500, 1023, u64::MAX] {
        let jittered = pause(u32::MAX, cap, random);
        assert!(jittered > cap && jittered <= cap.mul_f64(1.5), "{jittered:?}");
    }
}

#[test]
fn quic_goes_first_then_tcp_then_circuits() {
    let mut scene = Scene::with(&[circuit(9, 1), tcp(1, 1), quic(1, 1)]);
    assert_eq!(scene.addresses(), [quic(1, 1)]);
    assert_eq!(scene.addresses(), [], "quic has a head start");
    assert_eq!(scene.wait(), HEAD_START);
    assert_eq!(scene.addresses(), [tcp(1, 1)]);
    assert_eq!(scene.wait(), HEAD_START);
    assert_eq!(scene.addresses(), [circuit(9, 1)]);
    assert_eq!(scene.dialer.next_due(), None, "now the dials have to end");
}

#[test]
fn a_failed_wave_does_not_wait_out_its_head_start() {
    let mut scene = Scene::with(&[quic(1, 1), tcp(1, 1)]);
    let (_, first) = scene.dial().remove(0);
    scene.fail(first);
    assert_eq!(scene.addresses(), [tcp(1, 1)]);
}

#[test]
fn a_configured_address_is_redialled_for_ever() {
    let mut scene = Scene::with(&[tcp(1, 1)]);
    for round in 0..100 {
        let (_, connection) = scene.dial().remove(0);
        scene.fail(connection);
        let waited = scene.wait();
        assert!(waited <= Limits::default().redial_pause, "round {round}: {waited:?}");
    }
}

#[test]
fn a_session_stops_the_dialling_and_its_end_resumes_it() {
    let mut scene = Scene::with(&[quic(1, 1), tcp(1, 1)]);
    let (_, connection) = scene.dial().remove(0);
    scene.dialer.connected(connection, peer(1), None);
    assert_eq!(scene.dialer.next_due(), None, "no second wave during the handshake");
    scene.dialer.session_opened(peer(1), scene.now);

    scene.now += 20 * SECOND;
    assert_eq!(scene.addresses(), []);
    scene.dialer.session_closed(peer(1), scene.now, RANDOM);
    assert_eq!(scene.addresses(), [quic(1, 1)], "at once");
}

#[test]
fn sessions_that_end_at_once_do_not_make_a_busy_loop() {
    let mut scene = Scene::with(&[tcp(1, 1)]);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        assert_eq!(scene.addresses().len(), 1);
        scene.dialer.session_opened(peer(1), scene.now);
        scene.dialer.session_closed(peer(1), scene.now, RANDOM);
        pauses.push(scene.wait().as_millis());
    }
    assert_eq!(pauses, [250, 250, 500, 1000, 2000, 3000]);
}

#[test]
fn a_change_of_the_network_makes_every_pause_end() {
    let mut scene = Scene::with(&[quic(1, 1), tcp(2, 2)]);
    scene.dialer.session_opened(peer(2), scene.now);
    for _ in 0..6 {
        for (_, connection) in scene.dial() {
            scene.fail(connection);
        }
        scene.wait();
    }
    let (_, hanging) = scene.dial().remove(0);
    scene.dialer.hurry(scene.now);
    assert_eq!(scene.addresses(), [quic(1, 1)], "although a dial hangs, and not for peers with a session");
    scene.fail(hanging);
    assert_eq!(scene.addresses(), [], "the end of the old dial is of no concern");
}

#[test]
fn a_refused_peer_is_held_until_released() {
    let mut scene = Scene::with(&[quic(1, 1), tcp(1, 1)]);
    let (_, connection) = scene.dial().remove(0);
    scene.dialer.connected(connection, peer(1), None);
    scene.dialer.hold(peer(1), scene.now + 5 * SECOND);
    scene.fail(connection);
    scene.dialer.hurry(scene.now);
    assert_eq!(scene.addresses(), []);
    assert_eq!(scene.wait(), 5 * SECOND);
    scene.dialer.hold(peer(1), scene.now + 5 * SECOND);
    scene.dialer.release(scene.now);
    assert_eq!(scene.addresses(), [quic(1, 1)]);
}

#[test]
fn an_address_without_a_peer_follows_whoever_answers() {
    let bare: Multiaddr = "/ip4/10.0.0.1/tcp/4001".parse().unwrap();
    let mut scene = Scene::with(std::slice::from_ref(&bare));
    let (_, connection) = scene.dial().remove(0);
    scene.dialer.connected(connection, peer(1), None);
    scene.dialer.session_opened(peer(1), scene.now);
    scene.now += 20 * SECOND;
    assert_eq!(scene.addresses(), []);
    scene.dialer.session_closed(peer(2), scene.now, RANDOM);
    assert_eq!(scene.addresses(), [], "somebody else's session");
    scene.dialer.session_closed(peer(1), scene.now, RANDOM);
    assert_eq!(scene.addresses(), [bare]);
}

#[test]
fn a_session_with_a_relay_makes_circuits_through_it_due() {
    let mut scene = Scene::with(&[circuit(9, 1), circuit(8, 2)]);
    for _ in 0..5 {
        for (_, connection) in scene.dial() {
            scene.fail(connection);
        }
        scene.wait();
    }
    for (_, connection) in scene.dial() {
        scene.fail(connection);
    }
    scene.dialer.session_opened(peer(9), scene.now);
    assert_eq!(scene.wait(), RELAY_SETTLING);
    assert_eq!(scene.addresses(), [circuit(9, 1)]);
}

#[test]
fn announcements_fill_their_own_bounded_table() {
    let limits = Limits { discovered_peers: 2, discovered_addresses: 2, dial_targets: 1, ..Limits::default() };
    let mut scene = Scene::new(limits);
    let now = scene.now;
    assert!(scene.dialer.add(quic(1, 1), Origin::Discovered, now));
    assert!(scene.dialer.add(quic(2, 2), Origin::Discovered, now));
    assert!(!scene.dialer.add(quic(3, 3), Origin::Discovered, now), "the table is full");
    assert!(scene.dialer.add(tcp(1, 1), Origin::Discovered, now));
    assert!(!scene.dialer.add(tcp(9, 1), Origin::Discovered, now), "two addresses per peer");
    assert!(scene.dialer.add(quic(4, 4), Origin::Configured, now), "which is not the table of the configured");
    assert!(!scene.dialer.add(quic(5, 5), Origin::Requested, now));
    assert!(!scene.dialer.add(quic(1, 100), Origin::Discovered, now), "this is the node itself");
}

#[test]
fn announced_peers_are_kept_only_once_admitted() {
    let mut scene = Scene::new(Limits::default());
    scene.dialer.add(tcp(1, 1), Origin::Discovered, scene.now);
    scene.dialer.add(tcp(2, 2), Origin::Discovered, scene.now);
    scene.dialer.session_opened(peer(2), scene.now);
    scene.now += 20 * SECOND;
    scene.dialer.session_closed(peer(2), scene.now, RANDOM);
    for _ in 0..20 {
        for (_, connection) in scene.dial() {
            scene.fail(connection);
        }
        scene.wait();
    }
    assert_eq!(scene.addresses(), [tcp(2, 2)], "the other one was given up");
    scene.dialer.expire(&peer(2), &tcp(2, 2));
    assert_eq!(scene.dialer.next_due(), None, "no longer announced");
}

#[test]
fn a_request_ends_with_success_or_after_some_failures() {
    let mut scene = Scene::new(Limits::default());
    scene.dialer.add(tcp(1, 1), Origin::Requested, scene.now);
    scene.dialer.session_opened(peer(1), scene.now);
    assert!(scene.dialer.targets.is_empty());

    scene.dialer.add(tcp(2, 2), Origin::Requested, scene.now);
    for _ in 0..PATIENCE {
        scene.wait();
        let (_, connection) = scene.dial().remove(0);
        scene.fail(connection);
    }
    assert!(scene.dialer.targets.is_empty());
}
