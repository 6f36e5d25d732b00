//! How soon the real program answers again after SIGKILL with writes on their way, on a store of full size.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use townmesh_node::data_dir::DataDir;
use townmesh_tests::process::{Api, Launch, NodeProcess, program_beside};

use crate::report::{Goal, Report};
use crate::town::BenchTown;

/// Writers at the moment of the kill.
const WRITERS: usize = 4;
/// Answers that they have got by then.
const WRITTEN: usize = 200;
/// How long the program may take to build its views the first time.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often the starting program is asked.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) fn measure(town: &BenchTown, report: &mut Report) -> anyhow::Result<()> {
    eprintln!("{} households: reopening after kill -9", town.households);
    let launch = launch(&town.source)?;
    let mut node = NodeProcess::start(launch.clone())?;
    let api = node.wait_ready(PATIENCE)?;
    let some: Value = api.fetch("/v1/households?limit=1")?;
    let region = some["rows"][0]["region"].as_str().context("nothing is listed")?;
    let interrupted = kill_while_writing(&mut node, &api, region)?;
    ensure!(interrupted > 0, "the kill met no write");
    let began = Instant::now();
    let mut node = NodeProcess::start(launch)?;
    let households: Value = first_answer(&mut node, &town.source, began)?;
    let took = began.elapsed().as_secs_f64();
    ensure!(households["rows"].as_array().is_some_and(|rows| !rows.is_empty()), "nothing is listed: {households}");
    report.add("reopen", town.households, "after kill -9, until the API lists", took, "s", Goal::AtMost(2.0), None);
    Ok(node.kill()?)
}

fn launch(data_dir: &Path) -> anyhow::Result<Launch> {
    let log = data_dir.with_extension("log");
    let launch = Launch {
        name: "source".into(),
        program: program_beside("townmesh")?,
        arguments: vec!["run".into()],
        data_dir: data_dir.to_owned(),
        log,
    };
    let launch = launch.argument("--data-dir", data_dir.display().to_string());
    let launch = launch.argument("--discover-on-lan", "false".into());
    let launch = launch.argument("--listen", "/ip4/127.0.0.1/udp/0/quic-v1".into());
    Ok(launch.argument("--http", "127.0.0.1:0".into()))
}

/// Kills the program while at least one of its writers waits for an answer; how many requests broke off.
fn kill_while_writing(node: &mut NodeProcess, api: &Api, region: &str) -> anyhow::Result<usize> {
    let (answered, waiting, interrupted) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (answered, waiting, interrupted, stop) = (&answered, &waiting, &interrupted, &stop);
            scope.spawn(move || {
                for door in 0.. {
                    let household = json!({ "region": region, "address": format!("{writer}-{door}") });
                    waiting.fetch_add(1, Ordering::SeqCst);
                    let answer = api.post::<Value>("/v1/households", &json!({ "household": household }));
                    if let Err(error) = &answer {
                        if !stop.load(Ordering::SeqCst) {
                            eprintln!("{error}");
                        }
                        interrupted.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                    waiting.fetch_sub(1, Ordering::SeqCst);
                    answered.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let end = Instant::now() + PATIENCE;
        while answered.load(Ordering::SeqCst) < WRITTEN || waiting.load(Ordering::SeqCst) == 0 {
            if Instant::now() > end || interrupted.load(Ordering::SeqCst) > 0 {
                break;
            }
            std::hint::spin_loop();
        }
        stop.store(true, Ordering::SeqCst);
        node.kill()
    })?;
    ensure!(answered.load(Ordering::SeqCst) >= WRITTEN, "the writers got too few answers");
    Ok(interrupted.load(Ordering::SeqCst))
}

fn first_answer(node: &mut NodeProcess, data_dir: &Path, began: Instant) -> anyhow::Result<Value> {
    loop {
        if let Ok(answer) =
            Api::of_file(&DataDir::new(data_dir).api()).and_then(|api| api.fetch("/v1/households?limit=1"))
        {
            return Ok(answer);
        }
        ensure!(node.ended()?.is_none(), "the program ended: {}", node.log());
        ensure!(began.elapsed() < PATIENCE, "the program does not answer");
        std::thread::sleep(LOOK);
    }
}
