//! W1, W2, W3 and W5: what moves between processes.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::child::Synced;
use crate::floor;
use crate::measure::{Process, Usage};
use crate::report::{Goal, Report};
use crate::town::BenchTown;

/// Edits on each side of the outage in W2.
const EDITS: usize = 100;

/// A node that listens until it is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(dir: &Path) -> anyhow::Result<Self> {
        let mut child = own(&["serve", "--dir"], dir).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = serde_json::from_str(&line).with_context(|| format!("the node said {line:?}"))?;
        Ok(Self { child, address })
    }

    /// Ends the process in good order and waits for it.
    fn stop(mut self) -> anyhow::Result<Usage> {
        let usage = Process::of(&self.child).usage()?;
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(usage)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // Already waited for in the good case.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn own(arguments: &[&str], dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "townmesh-bench".into()));
    command.args(arguments).arg(dir);
    command
}

fn output<T: serde::de::DeserializeOwned>(command: &mut Command) -> anyhow::Result<T> {
    let output = command.stderr(Stdio::inherit()).output()?;
    anyhow::ensure!(output.status.success(), "{command:?} failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn synchronise(dir: &Path, with: &str, listed: bool) -> anyhow::Result<Synced> {
    let mut command = own(&["sync", "--dir"], dir);
    command.args(["--peer", with]);
    if listed {
        command.arg("--listed");
    }
    output(&mut command)
}

/// Connects `target` to `source` once; what it took on both sides.
fn meet(source: &Path, target: &Path, listed: bool) -> anyhow::Result<(Synced, Usage)> {
    let served = Served::start(source)?;
    let before = Process::of(&served.child).usage()?;
    let synced = synchronise(target, &served.address, listed)?;
    let after = served.stop()?;
    Ok((synced, Usage { cpu: after.cpu - before.cpu, peak: after.peak }))
}

pub(crate) fn measure(town: &BenchTown, report: &mut Report) -> anyhow::Result<()> {
    let n = town.households;
    let is_target_size = n == 10_000;
    let goal = |limit: f64| if is_target_size { Goal::AtMost(limit) } else { Goal::None };
    let dir = town.source.parent().context("no directory")?;

    eprintln!("{n} households: W1 initial synchronisation");
    let (w1, source) = meet(&town.source, &town.target, true)?;
    let wire_floor = town.compressed as f64;
    report.add("W1 initial", n, "bytes on the wire", w1.bytes as f64, "B", goal(7e6), Some(wire_floor));
    report.add("W1 initial", n, "until durable", w1.durable, "s", goal(1.5), Some(floor::tcp(town.compressed, dir)?));
    let quic = tokio::runtime::Runtime::new()?.block_on(floor::quic(w1.bytes as usize))?;
    report.add("W1 initial", n, "same bytes over raw QUIC", quic, "s", Goal::None, None);
    report.add("W1 initial", n, "until listed", w1.listed, "s", goal(4.0), None);
    report.add("W1 initial", n, "CPU, receiver", w1.usage.cpu, "s", Goal::None, None);
    report.add("W1 initial", n, "CPU, sender", source.cpu, "s", Goal::None, None);
    let memory = if n >= 100_000 { Goal::AtMost(300e6) } else { goal(150e6) };
    report.add("W1 initial", n, "peak memory, receiver", w1.usage.peak as f64, "B", memory, None);
    report.add("W1 initial", n, "peak memory, sender", source.peak as f64, "B", memory, None);
    report.add("W1 initial", n, "store, receiver", w1.store as f64, "B", Goal::None, None);

    eprintln!("{n} households: W2 catching up");
    let count = EDITS.to_string();
    let mut edits = 0;
    for (dir, rooms) in [(&town.source, "10"), (&town.target, "30")] {
        let floor: usize =
            output(own(&["edit", "--count", &count, "--rooms", rooms, "--dir"], dir).stdin(Stdio::null()))?;
        edits += floor;
    }
    let (w2, _) = meet(&town.source, &town.target, false)?;
    report.add("W2 catch-up", n, "bytes on the wire", w2.bytes as f64, "B", Goal::AtMost(120e3), Some(edits as f64));
    report.add(
        "W2 catch-up",
        n,
        "until durable and equal",
        w2.durable,
        "s",
        Goal::AtMost(0.3),
        Some(floor::tcp(edits, dir)?),
    );
    report.add("W2 catch-up", n, "messages", w2.messages as f64, "", Goal::None, None);

    eprintln!("{n} households: W3 nothing to do");
    // What each took in last is told by its next beacon; after that there is nothing to do.
    meet(&town.source, &town.target, false)?;
    let (w3, _) = meet(&town.source, &town.target, false)?;
    report.add("W3 nothing to do", n, "bytes on the wire", w3.bytes as f64, "B", Goal::AtMost(2048.0), None);
    report.add("W3 nothing to do", n, "until equal", w3.durable, "s", Goal::None, None);
    report.add("W3 nothing to do", n, "connecting", w3.connect, "s", Goal::None, None);

    eprintln!("{n} households: W5 through a carrier");
    let (first, _) = meet(&town.source, &town.carrier, false)?;
    let (second, _) = meet(&town.carrier, &town.far, false)?;
    report.add(
        "W5 carrier hop",
        n,
        "bytes, both legs",
        (first.bytes + second.bytes) as f64,
        "B",
        Goal::None,
        Some(2.0 * wire_floor),
    );
    report.add("W5 carrier hop", n, "until durable, first leg", first.durable, "s", Goal::None, None);
    report.add("W5 carrier hop", n, "until durable, second leg", second.durable, "s", Goal::None, None);
    report.add("W5 carrier hop", n, "peak memory, carrier", first.usage.peak as f64, "B", Goal::None, None);
    Ok(())
}
