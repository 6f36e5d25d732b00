//! The processes that are measured.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Subcommand;
use serde::{Deserialize, Serialize};
use townmesh_crdt::command::household::{self, Edit};
use townmesh_crdt::domain::household::Household;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::{Namespace, NamespaceKind};
use townmesh_crdt::policy::DocumentKind;
use townmesh_crdt::replica::{OpenError, Replica};
use townmesh_node::data_dir::DataDir;
use townmesh_node::engine::{Engine, Parts, SessionEvent, TownAdmission, now};
use townmesh_node::keys::IdentityFile;
use townmesh_node::views::Views;
use townmesh_transport::{Config, Multiaddr, Transport};

use crate::measure::{Process, Usage};
use crate::town;

/// A session that takes longer is given up.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, Subcommand)]
pub(crate) enum Child {
    /// Listens, and prints where; ends with its standard input.
    Serve {
        #[arg(long)]
        dir: PathBuf,
    },
    /// Connects once, brings itself up to date, and prints what that took.
    Sync {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        peer: Multiaddr,
        /// Wait until everything is listed, too.
        #[arg(long)]
        listed: bool,
    },
    /// Edits households while not connected.
    Edit {
        #[arg(long)]
        dir: PathBuf,
        #[arg(long)]
        count: usize,
        #[arg(long)]
        rooms: u16,
    },
}

/// What a synchronisation took, seen from the node that connected.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Synced {
    /// From the first dial to the session, in seconds.
    pub(crate) connect: f64,
    /// From the session until all was durable here and equal on both sides.
    pub(crate) durable: f64,
    /// From the session until all was listed.
    pub(crate) listed: f64,
    /// Bytes of session messages, both ways, with their framing.
    pub(crate) bytes: u64,
    /// Messages, both ways.
    pub(crate) messages: u64,
    /// This process.
    pub(crate) usage: Usage,
    /// Size of the store file.
    pub(crate) store: u64,
}

impl Child {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Serve { dir } => serve(&dir).await,
            Self::Sync { dir, peer, listed } => synchronise(&dir, peer, listed).await,
            Self::Edit { dir, count, rooms } => edit(&dir, count, rooms),
        }
    }
}

/// An engine on a data directory, listening on loopback.
async fn start(dir: &Path, dial: Vec<Multiaddr>, with_views: bool) -> anyhow::Result<(Engine, Transport)> {
    let data = DataDir::new(dir);
    let identity = IdentityFile::read(&data.identity())?;
    let admission = Arc::new(TownAdmission::new(identity.town, &identity.chain));
    let mut config = Config::new(identity.identity.signing.to_bytes());
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse()?];
    config.dial = dial;
    let network = townmesh_transport::spawn(config, admission.clone())?;
    let transport = network.0.clone();
    let path = dir.to_owned();
    let opener = Box::new(move || {
        town::opening(&path).map_err(|error| OpenError::Codec(std::io::Error::other(error.to_string())))
    });
    let views = if with_views { Some(Views::open(&data.views())?) } else { None };
    let engine = Engine::start(Parts { opener, network: Some(network), admission, views, disk: None })?;
    Ok((engine, transport))
}

async fn serve(dir: &Path) -> anyhow::Result<()> {
    let (engine, transport) = start(dir, vec![], false).await?;
    while transport.local_addresses().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let address = transport.local_addresses().into_iter().next().context("no address")?;
    let address = townmesh_transport::address_of(address, &transport.key()).context("no peer id")?;
    println!("{}", serde_json::to_string(&address.to_string())?);
    tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink())).await??;
    engine.stop().await;
    Ok(())
}

async fn synchronise(dir: &Path, peer: Multiaddr, listed: bool) -> anyhow::Result<()> {
    let began = Instant::now();
    let (engine, transport) = start(dir, vec![peer], listed).await?;
    let mut events = engine.sessions();
    let mut opened = None;
    let opened = tokio::time::timeout(PATIENCE, async {
        loop {
            match events.recv().await? {
                SessionEvent::Opened(_) => opened = Some(Instant::now()),
                SessionEvent::Equal(_) => break,
                SessionEvent::Closed(_) => opened = None,
            }
        }
        opened.context("equal without a session")
    });
    let opened = opened.await.context("the nodes did not become equal")??;
    let durable = opened.elapsed();
    // Two answers in a row without anything left: between folding and feeding there is a moment with neither.
    let mut calm = 0;
    while listed && calm < 2 {
        let unfolded = engine.read(|replica| replica.unfolded() + u64::from(replica.has_staged())).await?;
        calm = if unfolded + engine.views().lag() == 0 { calm + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(2)).await;
        if engine.views().has_failed() || opened.elapsed() > PATIENCE {
            bail!("the views do not catch up");
        }
    }
    let shown = opened.elapsed();
    let (bytes, messages) = settled_counters(&transport).await;
    let synced = Synced {
        connect: opened.duration_since(began).as_secs_f64(),
        durable: durable.as_secs_f64(),
        listed: shown.as_secs_f64(),
        bytes,
        messages,
        usage: Process::own().usage()?,
        store: std::fs::metadata(DataDir::new(dir).store())?.len(),
    };
    println!("{}", serde_json::to_string(&synced)?);
    transport.shutdown().await;
    engine.stop().await;
    Ok(())
}

/// Bytes and messages of the session once nothing more comes: the last word of this side may be under way when the other
/// is seen to be equal.
async fn settled_counters(transport: &Transport) -> (u64, u64) {
    let mut last = (0, 0);
    loop {
        let peers = transport.counters().peers;
        let bytes = peers.values().map(|peer| peer.bytes_sent + peer.bytes_received).sum();
        let messages = peers.values().map(|peer| peer.messages_sent + peer.messages_received).sum();
        if last == (bytes, messages) {
            return last;
        }
        last = (bytes, messages);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Households of a replica: the first `count` of each region in turn.
pub(crate) fn some_households(replica: &Replica, count: usize) -> anyhow::Result<Vec<(Namespace, DocumentId)>> {
    let mut found = Vec::new();
    for (id, namespace, ..) in replica.namespaces() {
        if namespace.kind == NamespaceKind::Registry {
            let documents = replica.documents(id, None, count)?;
            let households = documents.into_iter().filter(|(_, kind)| *kind == DocumentKind::Household as u8);
            found.extend(households.map(|(document, _)| (namespace.clone(), document)));
        }
    }
    found.truncate(count);
    Ok(found)
}

fn edit(dir: &Path, count: usize, rooms: u16) -> anyhow::Result<()> {
    let mut replica = town::open(dir)?;
    // What is edited offline was folded when it arrived, or is now.
    while replica.fold(now())? {
        replica.commit(now())?;
    }
    replica.commit(now())?;
    let mut said = String::new();
    for (at, (namespace, document)) in some_households(&replica, count)?.into_iter().enumerate() {
        let set = Household { rooms: Some(rooms + at as u16 % 7), ..Household::default() };
        said.push_str(&format!("{document} rooms {:?}\n", set.rooms));
        household::edit_household(&mut replica, &namespace, document, &Edit { set, ..Edit::default() }, now())?;
        replica.commit(now())?;
    }
    let floor = zstd::bulk::compress(said.as_bytes(), 3)?.len();
    println!("{}", serde_json::to_string(&floor)?);
    Ok(())
}
