//! The prompt of a running model town: look at it, and cut its links by hand.

use std::io::BufRead as _;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::plan::LinkPlan;
use super::say::say;
use super::status::difference;
use super::town::Town;

const HELP: &str = "  status                        各节点状态 / the nodes and whether they are equal
  links                         各链路 / the links
  cut <node> [<node>]           断开 / cut the links of a node, or between two
  restore <node> [<node>]       恢复 / restore them
  delay <ms> <node> [<node>]    往返时延 / round trip time
  loss <per mille> <node> …     丢包 / loss of datagrams
  rate <bytes/s or 0> <node> …  限速 / rate limit in each direction
  quit                          结束 / end";

/// Says what to open and what to try, then obeys until the end of the input, `quit`, or a signal.
pub(super) fn run(town: &Town, folder: &Path) -> anyhow::Result<()> {
    say!("\n可以打开 / open:");
    for running in town.nodes() {
        let process = town.process_id(running.plan.name).unwrap_or(0);
        say!("  {:<10} {}  {} (pid {process})", running.plan.name, running.api.base(), running.plan.chinese);
    }
    say!("密钥与日志 / tokens and logs: {}", folder.display());
    say!("可以尝试 / try: cut center, status, restore center, status\n{HELP}");
    let lines = lines();
    while !town.stop.is_asked() {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => match obey(town, &line) {
                Ok(true) => {}
                Ok(false) => break,
                Err(problem) => say!("{problem:#}"),
            },
            Err(RecvTimeoutError::Timeout) => {}
            // Without an input there is nobody to ask: the town runs until a signal comes.
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
    Ok(())
}

/// The lines of the standard input. The thread that waits for them ends with the program.
fn lines() -> Receiver<String> {
    let (sender, lines) = sync_channel(16);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Does what a line says; `false` to end.
fn obey(town: &Town, line: &str) -> anyhow::Result<bool> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => {}
        ["quit" | "exit"] => return Ok(false),
        ["status"] => status(town)?,
        ["links"] => links(town),
        ["cut", ends @ ..] => town.relays.set_cut(true, chosen(town, ends)?),
        ["restore", ends @ ..] => town.relays.set_cut(false, chosen(town, ends)?),
        ["delay", number, ends @ ..] => {
            let one_way = Duration::from_millis(number.parse::<u64>().context("milliseconds")?) / 2;
            change(town, ends, |settings| settings.delay = one_way)?;
        }
        ["loss", number, ends @ ..] => {
            let loss = number.parse().context("thousandths")?;
            change(town, ends, |settings| settings.loss_per_mille = loss)?;
        }
        ["rate", number, ends @ ..] => {
            let rate = NonZeroU64::new(number.parse().context("bytes per second, 0 for no limit")?);
            change(town, ends, |settings| settings.bytes_per_second = rate)?;
        }
        _ => say!("{HELP}"),
    }
    Ok(true)
}

fn change(town: &Town, ends: &[&str], change: impl Fn(&mut super::link::DirectionSettings)) -> anyhow::Result<()> {
    let changed = town.relays.change(
        |settings| {
            change(&mut settings.forward);
            change(&mut settings.backward);
        },
        chosen(town, ends)?,
    )?;
    say!("{changed} links");
    Ok(())
}

/// The links of one node, or between two.
fn chosen<'a>(town: &Town, ends: &'a [&'a str]) -> anyhow::Result<impl Fn(LinkPlan) -> bool + use<'a>> {
    if ends.is_empty() || ends.len() > 2 {
        bail!("name one node, or two");
    }
    for end in ends {
        town.node(end)?;
    }
    Ok(move |link: LinkPlan| ends.iter().all(|end| link.touches(end)))
}

fn status(town: &Town) -> anyhow::Result<()> {
    let snapshot = town.snapshot()?;
    for (node, status) in &snapshot {
        let peers: Vec<&str> = status.peers.iter().map(|peer| peer.name.as_str()).collect();
        say!("  {node:<10} {:>8} entries, connected: {}", status.entries, peers.join(" "));
    }
    match difference(&snapshot) {
        None => say!("全部一致 / all equal"),
        Some(difference) => say!("不一致 / not equal: {difference}"),
    }
    Ok(())
}

fn links(town: &Town) {
    for (LinkPlan { from, to }, settings) in town.relays.settings() {
        let (forward, state) = (settings.forward, if settings.is_whole() { "whole" } else { "cut" });
        let rate = forward.bytes_per_second.map_or("no limit".to_owned(), |rate| format!("{rate} B/s"));
        let delay = (forward.delay + settings.backward.delay).as_millis();
        say!("  {from:<10} – {to:<10} {state}, {delay} ms, loss {}‰, {rate}", forward.loss_per_mille);
    }
}
