//! Those who must not get in.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use townmesh_node::demo::Acknowledgements;
use townmesh_node::demo::founding::found;
use townmesh_node::demo::plan::CENTER;
use townmesh_node::demo::process::{Launch, NodeProcess};
use townmesh_node::demo::status::NodeStatus;
use townmesh_node::demo::work::desk;
use townmesh_tests::process::{program, run_to_end, said};
use townmesh_transport::address_of;

use crate::small_town::{plan, start};

const START: Duration = Duration::from_secs(20);

pub(crate) fn a_second_process_is_told_so() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let town = start(folder.path(), &[CENTER])?;
    let data_dir = town.data_dir(CENTER).display().to_string();
    let second = run_to_end(
        &["run", "--data-dir", &data_dir, "--http", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0"],
        START,
    )?;
    let words = said(&second);
    ensure!(second.status.code() == Some(1), "the second process ended with {}:\n{words}", second.status);
    ensure!(words.contains("正被另一个 townmesh 进程使用"), "it does not say what is wrong:\n{words}");
    ensure!(words.contains("stop that process first"), "it does not say what to do:\n{words}");
    ensure!(!words.contains("panicked"), "{words}");
    // The first one was not disturbed.
    town.status(CENTER).context("the first process")?;
    Ok(())
}

pub(crate) fn a_node_of_another_town_gets_nothing() -> anyhow::Result<()> {
    let (folder, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let town = start(folder.path(), &[CENTER])?;
    let list = Acknowledgements::create(&folder.path().join("acknowledged.jsonl"))?;
    desk(&town, &list, CENTER)?.note(&town.plan.villages[0].code, "东街1号", "机密")?;
    // The state is published a few times a second.
    std::thread::sleep(Duration::from_secs(1));
    let before = town.status(CENTER)?;

    let program = program()?;
    let founded = found(&program, elsewhere.path(), &plan(&[CENTER])?)?;
    let launch = Launch {
        name: "stranger".into(),
        program,
        arguments: vec!["run".into()],
        data_dir: founded.data_dir(CENTER),
        log: elsewhere.path().join("stranger.log"),
    };
    let mut launch = launch
        .argument("--data-dir", founded.data_dir(CENTER).display().to_string())
        .argument("--http", "127.0.0.1:0".into())
        .argument("--discover-on-lan", "false".into())
        .argument("--listen", "/ip4/127.0.0.1/tcp/0".into());
    for address in town.addresses(CENTER)? {
        let address = address_of(address.parse()?, &town.id(CENTER)?.0).context("an Ed25519 key")?;
        launch = launch.argument("--peer", address.to_string());
    }
    let mut stranger = NodeProcess::start(launch)?;
    let api = stranger.wait_ready(START)?;
    std::thread::sleep(Duration::from_secs(4));

    let status: NodeStatus = api.fetch("/v1/status")?;
    ensure!(status.peers.is_empty(), "the stranger has a session: {:?}", status.peers);
    let own = town.status(CENTER)?;
    ensure!(own.peers.is_empty(), "the center has a session with a stranger: {:?}", own.peers);
    ensure!(
        own.entries == before.entries,
        "the center had {} entries and has {} after a stranger called",
        before.entries,
        own.entries
    );
    for namespace in &before.namespaces {
        let taken = status
            .namespace(&namespace.name)
            .is_some_and(|theirs| theirs.digest == namespace.digest && theirs.entries > 0);
        ensure!(!taken, "the stranger has {}", namespace.name);
    }
    Ok(())
}
