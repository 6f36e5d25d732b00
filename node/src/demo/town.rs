//! The running model town: six processes, the links between them, and what they say about themselves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use townmesh_crdt::id::NodeId;
use townmesh_transport::address_of;

use super::api::Api;
use super::founding::{self, Founded};
use super::plan::{NodePlan, Plan};
use super::process::{Launch, NodeProcess};
use super::relays::{Relays, free_port};
use super::status::{History, NodeStatus, SETTLED, Snapshot, difference};

/// How long a node may take to start.
const START: Duration = Duration::from_secs(20);
/// How often the nodes are asked for their states.
const LOOK: Duration = Duration::from_millis(150);

/// Set when somebody asks the demo to stop; every wait looks at it.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks to stop.
    pub fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn check(&self) -> anyhow::Result<()> {
        if self.is_asked() { bail!("stopped on request") } else { Ok(()) }
    }
}

/// A running node.
#[derive(Debug)]
pub struct Running {
    /// What it was planned as.
    pub plan: NodePlan,
    /// Its API.
    pub api: Api,
    process: NodeProcess,
}

/// The town.
#[derive(Debug)]
pub struct Town {
    /// What it was planned as.
    pub plan: Plan,
    /// Its links.
    pub relays: Relays,
    /// Ends every wait.
    pub stop: Stop,
    founded: Founded,
    ports: BTreeMap<&'static str, u16>,
    nodes: BTreeMap<&'static str, Running>,
}

impl Town {
    /// Founds a town in an empty folder and starts its nodes with `program`. The APIs listen from port `first_http` on,
    /// or wherever there is room for 0.
    ///
    /// # Errors
    /// When a command fails, or a node does not get ready: with the end of its log.
    pub fn start(program: &Path, folder: &Path, plan: Plan, first_http: u16, stop: Stop) -> anyhow::Result<Self> {
        let mut ports = BTreeMap::new();
        for node in &plan.nodes {
            ports.insert(node.name, free_port()?);
        }
        let relays = Relays::start(&plan.links, &ports)?;
        let founded = founding::found(program, folder, &plan)?;
        let mut nodes = BTreeMap::new();
        for (node, place) in plan.nodes.iter().zip(0..) {
            stop.check()?;
            let port = *ports.get(node.name).context("every node has a port")?;
            let launch = Launch {
                name: node.name.to_owned(),
                program: program.to_owned(),
                arguments: arguments(node, &plan, &founded, &relays, port)?,
                data_dir: founded.data_dir(node.name),
                log: folder.join(format!("{}.log", node.name)),
            };
            let http = if first_http == 0 { 0 } else { first_http.saturating_add(place) };
            let launch = launch.argument("--http", format!("127.0.0.1:{http}"));
            let mut process = NodeProcess::start(launch)?;
            let api = process.wait_ready(START)?;
            nodes.insert(node.name, Running { plan: node.clone(), api, process });
        }
        Ok(Self { plan, relays, stop, founded, ports, nodes })
    }

    /// Kills a node without a warning.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn kill(&mut self, name: &str) -> anyhow::Result<()> {
        let running = self.nodes.get_mut(name).with_context(|| format!("there is no node {name}"))?;
        Ok(running.process.kill()?)
    }

    /// Starts a node that was killed, as it was started before; returns how long it took until it was ready.
    ///
    /// # Errors
    /// When it does not get ready: with the end of its log.
    pub fn restart(&mut self, name: &str) -> anyhow::Result<Duration> {
        let running = self.nodes.get_mut(name).with_context(|| format!("there is no node {name}"))?;
        let began = Instant::now();
        running.process = NodeProcess::start(running.process.launch().clone())?;
        running.api = running.process.wait_ready(START)?;
        Ok(began.elapsed())
    }

    /// A node by its name.
    ///
    /// # Errors
    /// When there is none.
    pub fn node(&self, name: &str) -> anyhow::Result<&Running> {
        self.nodes.get(name).with_context(|| format!("there is no node {name}"))
    }

    /// Where a node keeps everything.
    pub fn data_dir(&self, name: &str) -> PathBuf {
        self.founded.data_dir(name)
    }

    /// A node's id.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn id(&self, name: &str) -> anyhow::Result<NodeId> {
        self.founded.id(name).with_context(|| format!("there is no node {name}"))
    }

    /// Where a node listens itself, past all links.
    ///
    /// # Errors
    /// When there is no such node.
    pub fn addresses(&self, name: &str) -> anyhow::Result<[String; 2]> {
        Ok(addresses(*self.ports.get(name).with_context(|| format!("there is no node {name}"))?))
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Running> {
        self.plan.nodes.iter().filter_map(|plan| self.nodes.get(plan.name))
    }

    /// What a node says about itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self, name: &str) -> anyhow::Result<NodeStatus> {
        Ok(self.node(name)?.api.fetch("/v1/status")?)
    }

    /// What all nodes say about themselves.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn snapshot(&self) -> anyhow::Result<Snapshot> {
        self.nodes.keys().map(|name| Ok((*name, self.status(name)?))).collect()
    }

    /// Waits until a condition over all nodes holds (it says what is missing) and goes on to hold, at most for `limit`.
    /// Returns what was seen until then, with the time since the beginning, and what is still missing.
    ///
    /// # Errors
    /// When a node does not answer, or on a request to stop.
    pub fn watch(
        &self,
        limit: Duration,
        missing: impl Fn(&Snapshot) -> Option<String>,
    ) -> anyhow::Result<(History, Option<String>)> {
        let began = Instant::now();
        let mut history = History::new();
        let mut held_from = None;
        loop {
            self.stop.check()?;
            let snapshot = self.snapshot()?;
            let missing = missing(&snapshot);
            let elapsed = began.elapsed();
            history.push((elapsed, snapshot));
            match missing {
                None => {
                    let (since, place) = *held_from.get_or_insert((elapsed, history.len()));
                    if elapsed - since >= SETTLED {
                        history.truncate(place);
                        return Ok((history, None));
                    }
                }
                Some(missing) if elapsed > limit => return Ok((history, Some(missing))),
                Some(_) => held_from = None,
            }
            std::thread::sleep(LOOK);
        }
    }

    /// As [`Self::watch`], where what is missing in the end is an error. Returns how long it took.
    ///
    /// # Errors
    /// With what is missing, when the limit has passed.
    pub fn wait(&self, limit: Duration, missing: impl Fn(&Snapshot) -> Option<String>) -> anyhow::Result<Duration> {
        let (history, missing) = self.watch(limit, missing)?;
        match missing {
            None => Ok(history.last().map_or(Duration::ZERO, |(time, _)| *time)),
            Some(missing) => bail!("after {} s {missing}", limit.as_secs()),
        }
    }

    /// Waits until all nodes hold the same.
    ///
    /// # Errors
    /// With the first difference, when the limit has passed.
    pub fn wait_equal(&self, limit: Duration) -> anyhow::Result<Duration> {
        self.wait(limit, difference)
    }

    /// Sleeps, but not past a request to stop.
    ///
    /// # Errors
    /// On a request to stop.
    pub fn pause(&self, time: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.stop.check()?;
            std::thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        }
        self.stop.check()
    }

    /// The process ids, for people who want to try `kill -9`.
    pub fn process_id(&self, name: &str) -> Option<u32> {
        self.nodes.get(name).map(|running| running.process.id())
    }
}

/// Where a node of the demo keeps everything.
pub fn data_dir(folder: &Path, node: &str) -> PathBuf {
    folder.join(node)
}

/// How a node is started: it knows no address but those of its links.
fn arguments(
    node: &NodePlan,
    plan: &Plan,
    founded: &Founded,
    relays: &Relays,
    port: u16,
) -> anyhow::Result<Vec<String>> {
    let mut arguments = vec!["run".to_owned()];
    let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
    flag("--data-dir", founded.data_dir(node.name).display().to_string());
    flag("--discover-on-lan", "false".to_owned());
    // Receipts come soon, so that a short day shows them.
    flag("--beacon-interval-seconds", "5".to_owned());
    for address in addresses(port) {
        flag("--listen", address);
    }
    for link in plan.links.iter().filter(|link| link.from == node.name) {
        let (port, id) = relays.port(*link).zip(founded.id(link.to)).context("every link leads to a node")?;
        for address in addresses(port) {
            let address = address_of(address.parse()?, &id.0).context("every node has an Ed25519 key")?;
            flag("--peer", address.to_string());
        }
    }
    Ok(arguments)
}

/// A port of this machine as addresses: QUIC first, TCP where that fails.
fn addresses(port: u16) -> [String; 2] {
    [format!("/ip4/127.0.0.1/udp/{port}/quic-v1"), format!("/ip4/127.0.0.1/tcp/{port}")]
}
