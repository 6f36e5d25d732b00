//! Real network namespaces: addresses that change, slow links, and links that fail in one direction.
//!
//! Nodes in a namespace answer on its loopback alone, so questions to them are asked by a copy of this test that runs
//! in the namespace.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use townmesh_node::data_dir::DataDir;
use townmesh_node::demo::founding::{Founded, found};
use townmesh_node::demo::plan::{CENTER, VEHICLE_1, VILLAGE_1};
use townmesh_node::demo::status::{NodeStatus, SETTLED, Snapshot, difference};
use townmesh_tests::process::{Api, Launch, NodeProcess, program};
use townmesh_tests::runner::{Need, run};
use townmesh_transport::address_of;

use crate::small_town::plan;

/// Whether namespaces can be made.
pub(crate) const NAMESPACES: Need =
    Need::Works(&["ip", "netns", "add", "townmesh-probe"], &["ip", "netns", "del", "townmesh-probe"]);
/// Whether the kernel can limit rates.
pub(crate) const TBF: Need = Need::Works(
    &["tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1gbit", "burst", "1mb", "latency", "1s"],
    &["tc", "qdisc", "del", "dev", "lo", "root"],
);

/// Tells a copy of this test what to ask: method, path, file of the API; the body comes on the standard input.
const QUESTION: &str = "TOWNMESH_TEST_QUESTION";
/// The center's own address, the same from every network.
const CENTER_IP: &str = "10.78.0.1";
const SOON: Duration = Duration::from_secs(30);
/// How long a vehicle may take to be syncing again.
const ROAMING: Duration = Duration::from_secs(5);

/// Asks the question of the environment, if there is one.
pub(crate) fn asked() -> Option<ExitCode> {
    let question = std::env::var(QUESTION).ok()?;
    Some(match ask_here(&question) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("{problem:#}");
            ExitCode::FAILURE
        }
    })
}

fn ask_here(question: &str) -> anyhow::Result<Value> {
    let [method, path, file] = question.splitn(3, ' ').collect::<Vec<_>>()[..] else { bail!("not a question") };
    let api = Api::of_file(Path::new(file))?;
    match method {
        "POST" => Ok(api.post(path, &serde_json::from_reader(std::io::stdin())?)?),
        "READY" => Ok(api.is_ready().into()),
        _ => Ok(api.fetch(path)?),
    }
}

pub(crate) fn an_address_changes() -> anyhow::Result<()> {
    let mut town = Town::new(VEHICLE_1)?;
    town.join(1)?;
    town.run()?;
    town.wait_equal(SOON)?;
    for (from, to) in [(1, 2), (2, 1)] {
        town.leave(from)?;
        town.join(to)?;
        let moved = Instant::now();
        town.note(VEHICLE_1, &format!("换网 {to}"))?;
        town.note(CENTER, &format!("中心 {to}"))?;
        let took = moved.elapsed() + town.wait_equal(SOON)?;
        println!("    syncing again {:.2} s after the address changed", took.as_secs_f64());
        ensure!(took <= ROAMING, "it took {took:?}");
    }
    Ok(())
}

pub(crate) fn a_slow_link() -> anyhow::Result<()> {
    let mut town = Town::new(VILLAGE_1)?;
    town.join(1)?;
    town.run()?;
    town.wait_equal(SOON)?;
    for (namespace, device) in [(town.center.clone(), "c1"), (town.other.clone(), "v1")] {
        let rate = ["rate", "64kbit", "burst", "1600", "latency", "400ms"];
        let command = ["ip", "netns", "exec", &namespace, "tc", "qdisc", "add", "dev", device, "root", "tbf"];
        shell(&[&command[..], &rate[..]].concat())?;
    }
    for round in 0..30 {
        town.note(VILLAGE_1, &format!("慢速 {round}"))?;
        town.note(CENTER, &format!("中心 {round}"))?;
    }
    let took = town.wait_equal(Duration::from_secs(60))?;
    println!("    equal {:.1} s after the last of 60 records over 64 kbit/s", took.as_secs_f64());
    Ok(())
}

pub(crate) fn a_one_way_cut() -> anyhow::Result<()> {
    let mut town = Town::new(VILLAGE_1)?;
    town.join(1)?;
    town.run()?;
    town.wait_equal(SOON)?;
    let center = town.center.clone();
    let nft = |rule: &[&str]| shell(&[&["ip", "netns", "exec", &center, "nft"], rule].concat());
    nft(&["add", "table", "inet", "cut"])?;
    nft(&["add", "chain", "inet", "cut", "in", "{ type filter hook input priority 0 ; policy accept ; }"])?;
    nft(&["add", "rule", "inet", "cut", "in", "iifname", "c1", "drop"])?;
    town.note(VILLAGE_1, "单向中断")?;
    std::thread::sleep(Duration::from_secs(6));
    for node in [CENTER, VILLAGE_1] {
        let status = town.status(node)?;
        ensure!(
            status.peers.is_empty(),
            "{node} believes in a session over a link of one direction: {:?}",
            status.peers
        );
    }
    ensure!(difference(&town.snapshot()?).is_some(), "the record crossed a link that was cut in its direction");
    nft(&["delete", "table", "inet", "cut"])?;
    town.wait_equal(SOON).map(drop)
}

/// A center and another node in namespaces of their own, with two networks between them.
struct Town {
    center: String,
    other: String,
    name: &'static str,
    region: String,
    folder: tempfile::TempDir,
    founded: Founded,
    nodes: Vec<NodeProcess>,
}

impl Town {
    fn new(name: &'static str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let plan = plan(&[CENTER, name])?;
        let founded = found(&program()?, folder.path(), &plan)?;
        let id = std::process::id();
        let (center, other) = (format!("twc{id}"), format!("two{id}"));
        let region = plan.villages[0].code.clone();
        let town = Self { center, other, name, region, folder, founded, nodes: vec![] };
        town.lay_networks()?;
        Ok(town)
    }

    fn lay_networks(&self) -> anyhow::Result<()> {
        let (center, other) = (self.center.as_str(), self.other.as_str());
        for namespace in [center, other] {
            // One of a run that was killed may be left.
            let _ = shell(&["ip", "netns", "del", namespace]);
            shell(&["ip", "netns", "add", namespace])?;
            shell(&["ip", "-n", namespace, "link", "set", "lo", "up"])?;
        }
        shell(&["ip", "-n", center, "addr", "add", &format!("{CENTER_IP}/32"), "dev", "lo"])?;
        for network in [1, 2] {
            let (near, far) = (format!("c{network}"), format!("v{network}"));
            let ends = ["type", "veth", "peer", "name", &far, "netns", other];
            shell(&[&["ip", "-n", center, "link", "add", &near][..], &ends[..]].concat())?;
            shell(&["ip", "-n", center, "addr", "add", &format!("10.78.{network}.1/24"), "dev", &near])?;
            shell(&["ip", "-n", center, "link", "set", &near, "up"])?;
            shell(&["ip", "-n", other, "link", "set", &far, "up"])?;
        }
        Ok(())
    }

    fn join(&self, network: u8) -> anyhow::Result<()> {
        let (device, gateway) = (format!("v{network}"), format!("10.78.{network}.1"));
        shell(&["ip", "-n", &self.other, "addr", "add", &format!("10.78.{network}.2/24"), "dev", &device])?;
        shell(&["ip", "-n", &self.other, "route", "add", CENTER_IP, "via", &gateway])
    }

    fn leave(&self, network: u8) -> anyhow::Result<()> {
        let (address, device) = (format!("10.78.{network}.2/24"), format!("v{network}"));
        shell(&["ip", "-n", &self.other, "addr", "del", &address, "dev", &device])
    }

    fn run(&mut self) -> anyhow::Result<()> {
        let id = self.founded.id(CENTER).context("the center")?;
        for name in [CENTER, self.name] {
            let arguments = ["netns", "exec", self.namespace(name)].map(str::to_owned).to_vec();
            let mut launch = Launch {
                name: name.to_owned(),
                program: "ip".into(),
                arguments,
                data_dir: self.founded.data_dir(name),
                log: self.folder.path().join(format!("{name}.log")),
            };
            launch.arguments.extend([program()?.display().to_string(), "run".to_owned()]);
            launch = launch
                .argument("--data-dir", self.founded.data_dir(name).display().to_string())
                .argument("--http", "127.0.0.1:8470".into())
                .argument("--discover-on-lan", "false".into())
                .argument("--listen", "/ip4/0.0.0.0/udp/4001/quic-v1".into())
                .argument("--listen", "/ip4/0.0.0.0/tcp/4001".into());
            if name != CENTER {
                for carrier in ["udp/4001/quic-v1", "tcp/4001"] {
                    let address = address_of(format!("/ip4/{CENTER_IP}/{carrier}").parse()?, &id.0);
                    launch = launch.argument("--peer", address.context("an Ed25519 key")?.to_string());
                }
            }
            self.nodes.push(NodeProcess::start(launch)?);
        }
        let end = Instant::now() + SOON;
        for name in [CENTER, self.name] {
            while !matches!(self.ask(name, "READY", "/readyz", &Value::Null), Ok(Value::Bool(true))) {
                ensure!(Instant::now() < end, "{name} is not ready:\n{}", self.logs());
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        Ok(())
    }

    fn logs(&self) -> String {
        self.nodes.iter().map(NodeProcess::log).collect()
    }

    fn namespace(&self, name: &str) -> &str {
        if name == CENTER { &self.center } else { &self.other }
    }

    /// Asks a node from within its namespace.
    fn ask(&self, name: &str, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let file: PathBuf = DataDir::new(self.founded.data_dir(name)).api();
        let mut child = Command::new("ip")
            .args(["netns", "exec", self.namespace(name)])
            .arg(std::env::current_exe()?)
            .env(QUESTION, format!("{method} {path} {}", file.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        serde_json::to_writer(child.stdin.take().context("piped input")?, body)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{method} {path} at {name}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn status(&self, name: &str) -> anyhow::Result<NodeStatus> {
        Ok(serde_json::from_value(self.ask(name, "GET", "/v1/status", &Value::Null)?)?)
    }

    fn snapshot(&self) -> anyhow::Result<Snapshot> {
        Ok(Snapshot::from([(CENTER, self.status(CENTER)?), (self.name, self.status(self.name)?)]))
    }

    /// Records a household with a door of its own.
    fn note(&self, name: &str, note: &str) -> anyhow::Result<()> {
        let household = json!({ "region": self.region, "address": note, "note": note });
        self.ask(name, "POST", "/v1/households", &json!({ "household": household, "residents": [] })).map(drop)
    }

    /// Waits until both hold the same and go on to; returns how long that took.
    fn wait_equal(&self, limit: Duration) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let mut held_from = None;
        loop {
            let difference = difference(&self.snapshot()?);
            let elapsed = began.elapsed();
            match difference {
                None => {
                    let since = *held_from.get_or_insert(elapsed);
                    if elapsed - since >= SETTLED {
                        return Ok(since);
                    }
                }
                Some(difference) => {
                    ensure!(elapsed < limit, "after {limit:?} {difference}\n{}", self.logs());
                    held_from = None;
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.nodes.clear();
        for namespace in [&self.center, &self.other] {
            let _ = shell(&["ip", "netns", "del", namespace]);
        }
    }
}

fn shell(words: &[&str]) -> anyhow::Result<()> {
    run(words).map_err(anyhow::Error::msg)
}
