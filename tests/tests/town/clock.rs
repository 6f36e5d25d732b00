//! A box whose clock was reset: libp2p's TLS judges certificates by the wall clock, so QUIC fails there (DESIGN 12.22).

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use townmesh_node::demo::api::Api;
use townmesh_node::demo::founding::{Founded, found};
use townmesh_node::demo::plan::{CENTER, VILLAGE_1};
use townmesh_tests::process::{Launch, NodeProcess, program};
use townmesh_transport::address_of;

use crate::small_town::plan;

const SOON: Duration = Duration::from_secs(30);
/// The day after the epoch, running on from there: what a dead battery leaves.
const RESET: &str = "@1970-01-02 00:00:00";

pub(crate) fn a_box_in_1970_syncs_over_tcp() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let plan = plan(&[CENTER, VILLAGE_1])?;
    let founded = found(&program()?, folder.path(), &plan)?;
    let center = start(&founded, CENTER, &[], None)?;
    let status: Value = center.1.fetch("/v1/status")?;
    let addresses = status.get("addresses").and_then(Value::as_array).context("no addresses")?;
    let id = founded.id(CENTER).context("the center")?;
    let mut peers = Vec::new();
    for address in addresses.iter().filter_map(Value::as_str) {
        peers.push(address_of(address.parse()?, &id.0).context("an Ed25519 key")?.to_string());
    }
    ensure!(peers.iter().any(|peer| peer.contains("quic")), "QUIC is offered as well: {peers:?}");
    let village = start(&founded, VILLAGE_1, &peers, Some(RESET))?;
    let path = until("no session", || session_path(&village.1))?;
    ensure!(path == "tcp", "it is connected by {path}");
    let recorded = until("it learns nothing of its region", || note(&village.1, &plan.villages[0].code).ok())?;
    until("the record did not arrive", || center.1.fetch::<Value>(&format!("/v1/households/{recorded}")).ok())?;
    Ok(())
}

fn session_path(api: &Api) -> Option<String> {
    let status: Value = api.fetch("/v1/status").ok()?;
    Some(status.pointer("/peers/0/path")?.as_str()?.to_owned())
}

fn note(api: &Api, region: &str) -> anyhow::Result<String> {
    let household = serde_json::json!({ "household": { "region": region, "address": "钟表街1号" } });
    let answer: Value = api.post("/v1/households", &household)?;
    Ok(answer.pointer("/value/document").and_then(Value::as_str).context("no id")?.to_owned())
}

fn start(founded: &Founded, name: &str, peers: &[String], clock: Option<&str>) -> anyhow::Result<(NodeProcess, Api)> {
    let data_dir = founded.data_dir(name);
    let mut launch = Launch {
        name: name.to_owned(),
        program: program()?,
        arguments: vec!["run".into()],
        data_dir: data_dir.clone(),
        log: data_dir.join("log"),
    };
    if let Some(clock) = clock {
        let (library, program) = (library()?, launch.program.display().to_string());
        launch.program = "env".into();
        let set = [format!("LD_PRELOAD={}", library.display()), format!("FAKETIME={clock}"), program];
        launch.arguments.splice(..0, set);
    }
    launch = launch
        .argument("--data-dir", data_dir.display().to_string())
        .argument("--http", "127.0.0.1:0".into())
        .argument("--discover-on-lan", "false".into())
        .argument("--listen", "/ip4/127.0.0.1/udp/0/quic-v1".into())
        .argument("--listen", "/ip4/127.0.0.1/tcp/0".into());
    for peer in peers {
        launch = launch.argument("--peer", peer.clone());
    }
    let mut node = NodeProcess::start(launch)?;
    let api = node.wait_ready(SOON)?;
    Ok((node, api))
}

/// The library that the command `faketime` preloads. Preloaded here, so that the node is the process that is killed.
fn library() -> anyhow::Result<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib")?.filter_map(Result::ok).map(|folder| folder.path());
    let libraries = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.is_file()).context("faketime is installed without its library")
}

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        if let Some(found) = found() {
            return Ok(found);
        }
        ensure!(started.elapsed() < SOON, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
