//! Nodes in network namespaces: roaming between networks, and discovery on a local one.
//!
//! The test starts itself as the nodes, one process in each namespace, and reads what they report on their standard
//! output. It needs root and `ip`; without them every scenario is reported as skipped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use bytes::Bytes;
use townmesh_transport::{Admission, Config, Event, Multiaddr, PeerKey, Refusal, address_of, public_key, spawn};

/// Tells a child process which node to be: `seed listen dial lan refused`, `-` for none.
const ROLE: &str = "TOWNMESH_TEST_NODE";
/// How long a vehicle may take to be syncing again.
const ROAMING: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(10);

const CENTER: u8 = 1;
const VEHICLE: u8 = 2;
const STRANGER: u8 = 3;
/// The center's own address, the same from every network.
const CENTER_IP: &str = "10.77.0.1";

type Outcome = Result<(), String>;
type Scenario = (&'static str, fn(&Town) -> Outcome);

fn main() -> ExitCode {
    if let Ok(role) = std::env::var(ROLE) {
        node(&role);
        return ExitCode::SUCCESS;
    }
    // Asked for its tests by name, as by `cargo test NAME`, it runs those; asked for a list, it has none.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
        filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str()))
    };
    let scenarios: [Scenario; 4] = [
        ("a_vehicle_on_quic_is_syncing_again_after_an_address_change", |town| roams(town, "udp/4001/quic-v1")),
        ("a_vehicle_on_tcp_is_syncing_again_after_an_address_change", |town| roams(town, "tcp/4001")),
        ("a_vehicle_whose_network_breaks_silently_is_syncing_again", breaks_silently),
        ("nodes_of_a_local_network_find_each_other_and_keep_strangers_out", discovers),
    ];
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for (name, scenario) in scenarios.into_iter().filter(|(name, _)| wanted(name)) {
        let town = match Town::build() {
            Ok(town) => town,
            Err(reason) => {
                println!("test {name} ... skipped ({reason})");
                skipped += 1;
                continue;
            }
        };
        match scenario(&town) {
            Ok(()) => {
                println!("test {name} ... ok");
                passed += 1;
            }
            Err(problem) => {
                println!("test {name} ... FAILED: {problem}");
                failed += 1;
            }
        }
    }
    println!("{passed} passed, {failed} failed, {skipped} skipped");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn roams(town: &Town, carrier: &str) -> Outcome {
    let mut center =
        town.node(&town.center, CENTER, "/ip4/0.0.0.0/udp/4001/quic-v1,/ip4/0.0.0.0/tcp/4001", "-", "-", "-");
    town.vehicle_joins(1)?;
    let dial = format!("/ip4/{CENTER_IP}/{carrier}");
    let mut vehicle =
        town.node(&town.vehicle, VEHICLE, "/ip4/0.0.0.0/udp/0/quic-v1,/ip4/0.0.0.0/tcp/0", &dial, "-", "-");
    vehicle.expect("message")?;
    center.expect("message")?;

    // Into another network: the old address is gone, the new one comes with a new route.
    for (from, to) in [(1, 2), (2, 1)] {
        std::thread::sleep(Duration::from_millis(1200));
        let began = Instant::now();
        town.vehicle_leaves(from)?;
        town.vehicle_joins(to)?;
        vehicle.expect("message")?;
        center.expect("message")?;
        within(began, ROAMING)?;
    }
    Ok(())
}

fn breaks_silently(town: &Town) -> Outcome {
    let mut center = town.node(&town.center, CENTER, "/ip4/0.0.0.0/udp/4001/quic-v1", "-", "-", "-");
    town.vehicle_joins(1)?;
    let dial = format!("/ip4/{CENTER_IP}/udp/4001/quic-v1");
    let mut vehicle = town.node(&town.vehicle, VEHICLE, "-", &dial, "-", "-");
    vehicle.expect("message")?;
    center.expect("message")?;
    // The road out of the network swallows everything for a while; no address changes.
    ip(&["-n", &town.center, "route", "add", "blackhole", "10.77.1.2/32"])?;
    vehicle.expect("closed nothing was heard for too long")?;
    let healed = Instant::now();
    ip(&["-n", &town.center, "route", "del", "blackhole", "10.77.1.2/32"])?;
    vehicle.expect("message")?;
    center.expect("message")?;
    within(healed, ROAMING)
}

fn discovers(town: &Town) -> Outcome {
    let listen = "/ip4/0.0.0.0/udp/4001/quic-v1,/ip4/0.0.0.0/tcp/4001";
    let refused = STRANGER.to_string();
    let mut center = town.node(&town.center, CENTER, listen, "-", "lan", &refused);
    let mut vehicle = town.node(&town.vehicle, VEHICLE, listen, "-", "lan", &refused);
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    town.vehicle_joins(1)?;
    vehicle.expect("message")?;
    center.expect("message")?;
    within(began, ROAMING)?;
    let mut stranger = town.node(&town.vehicle, STRANGER, "/ip4/0.0.0.0/tcp/4002", "-", "lan", "-");
    stranger.expect("refused")?;
    stranger.expect_no("opened", Duration::from_secs(1))
}

fn within(began: Instant, limit: Duration) -> Outcome {
    let took = began.elapsed();
    println!("    took {:.2} s of {} s", took.as_secs_f64(), limit.as_secs());
    if took <= limit { Ok(()) } else { Err(format!("took {took:?}")) }
}

/// A center and a vehicle, and two networks between them.
struct Town {
    center: String,
    vehicle: String,
}

impl Town {
    /// Makes the namespaces, or says why it cannot.
    fn build() -> Result<Town, String> {
        let id = std::process::id();
        let town = Town { center: format!("tmc{id}"), vehicle: format!("tmv{id}") };
        for namespace in [&town.center, &town.vehicle] {
            ip(&["netns", "add", namespace])?;
            ip(&["-n", namespace, "link", "set", "lo", "up"])?;
        }
        ip(&["-n", &town.center, "addr", "add", &format!("{CENTER_IP}/32"), "dev", "lo"])?;
        for network in ["1", "2"] {
            let (near, far) = (format!("c{network}"), format!("v{network}"));
            ip(&[
                "-n",
                &town.center,
                "link",
                "add",
                &near,
                "type",
                "veth",
                "peer",
                "name",
                &far,
                "netns",
                &town.vehicle,
            ])?;
            ip(&["-n", &town.center, "addr", "add", &format!("10.77.{network}.1/24"), "dev", &near])?;
            ip(&["-n", &town.center, "link", "set", &near, "up"])?;
            ip(&["-n", &town.vehicle, "link", "set", &far, "up"])?;
        }
        Ok(town)
    }

    fn vehicle_joins(&self, network: u8) -> Outcome {
        let (device, gateway) = (format!("v{network}"), format!("10.77.{network}.1"));
        ip(&["-n", &self.vehicle, "addr", "add", &format!("10.77.{network}.2/24"), "dev", &device])?;
        ip(&["-n", &self.vehicle, "route", "add", CENTER_IP, "via", &gateway])
    }

    fn vehicle_leaves(&self, network: u8) -> Outcome {
        ip(&["-n", &self.vehicle, "addr", "del", &format!("10.77.{network}.2/24"), "dev", &format!("v{network}")])
    }

    fn node(&self, namespace: &str, seed: u8, listen: &str, dial: &str, lan: &str, refused: &str) -> Process {
        let mut child = Command::new("ip")
            .args(["netns", "exec", namespace])
            .arg(std::env::current_exe().expect("the path of the test"))
            .env(ROLE, format!("{seed} {listen} {dial} {lan} {refused}"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child process");
        let output = BufReader::new(child.stdout.take().expect("piped output"));
        let (sender, lines) = sync_channel(1000);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, lines }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        for namespace in [&self.center, &self.vehicle] {
            let _ = ip(&["netns", "del", namespace]);
        }
    }
}

fn ip(arguments: &[&str]) -> Outcome {
    let output = Command::new("ip").args(arguments).output().map_err(|error| format!("no ip command: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
    }
}

/// A node in another process.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn expect(&mut self, what: &str) -> Outcome {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.starts_with(what) {
                return Ok(());
            }
            seen.push(line);
        }
        Err(format!("no {what:?} within {PATIENCE:?}, but {seen:?}"))
    }

    fn expect_no(&mut self, what: &str, time: Duration) -> Outcome {
        let deadline = Instant::now() + time;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.starts_with(what) {
                return Err(format!("unexpected: {line}"));
            }
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Refuses one key.
struct AllBut(Option<PeerKey>);

impl Admission for AllBut {
    fn credentials(&self) -> Bytes {
        Bytes::new()
    }

    fn admit(&self, peer: PeerKey, _: &[u8]) -> Result<(), Refusal> {
        if self.0 == Some(peer) { Err(Refusal::new(1, "stranger")) } else { Ok(()) }
    }
}

/// Is a node: greets every peer, and prints what happens.
fn node(role: &str) {
    let mut words = role.split(' ');
    let mut word = || words.next().filter(|word| *word != "-");
    let seed: u8 = word().and_then(|seed| seed.parse().ok()).expect("a seed");
    let addresses = |list: Option<&str>| -> Vec<Multiaddr> {
        list.into_iter().flat_map(|list| list.split(',')).map(|address| address.parse().expect("an address")).collect()
    };
    let listen = addresses(word());
    let center = public_key(&[CENTER; 32]);
    let dial = addresses(word()).into_iter().filter_map(|address| address_of(address, &center)).collect();
    let discover_on_lan = word().is_some();
    let refused = word().and_then(|seed| seed.parse().ok()).map(|seed: u8| public_key(&[seed; 32]));
    let config = Config { listen, dial, discover_on_lan, ..Config::new([seed; 32]) };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async move {
        let (_transport, mut events) = spawn(config, Arc::new(AllBut(refused))).expect("a transport");
        while let Some(event) = events.recv().await {
            match event {
                Event::Opened { peer, path, sender, .. } => {
                    println!("opened {} {path:?}", peer[0]);
                    sender.try_send(Bytes::from_static(b"hello")).expect("room");
                }
                Event::Message { peer, .. } => println!("message {}", peer[0]),
                Event::Closed { reason, .. } => println!("closed {reason}"),
                Event::Refused { reason, .. } => println!("refused {reason:?}"),
                Event::Listening { address } => println!("listening {address}"),
                Event::ListeningEnded { address } => println!("not listening {address}"),
                Event::Writable { .. } => {}
            }
        }
    });
}
