//! The model town on one machine, and the day that shows what it is for.
//!
//! `townmesh demo` starts a center, three village offices and two patrol vehicles, each a real process with a store of its
//! own, joined by nothing but [`link`] relays that can be cut, delayed, made lossy and slow. With `--script outage` it plays
//! a day by itself and has a separate program judge what came of it.
//!
//! Reading order: `plan` (who there is), `town` (how it runs), `day` (what happens), `evidence` (what is judged).

// A reader of the standard output that went away must not end the town.
#![deny(clippy::print_stdout)]

mod acknowledged;
pub mod api;
mod console;
mod day;
pub mod evidence;
pub mod founding;
mod ledgers;
pub mod link;
pub mod plan;
pub mod process;
pub mod relays;
mod say;
pub mod status;
mod table;
pub mod town;
pub mod work;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};

pub use self::acknowledged::{Acknowledgement, Acknowledgements};
use self::day::Day;
use self::ledgers::ledgers;
use self::plan::Plan;
use self::say::say;
use self::town::{Stop, Town};

/// Fewest households: each node inspects doors of its own in each village.
const MIN_HOUSEHOLDS: usize = 600;
/// Most households; more belong into the bench.
const MAX_HOUSEHOLDS: usize = 200_000;

/// What the demo is told.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// 自动演示的剧本 / a day to play by itself
    #[arg(long, value_enum)]
    pub script: Option<Script>,
    /// 剧本结束后退出 / exit at the end of the script
    #[arg(long, requires = "script")]
    pub exit: bool,
    /// 户数 / households to generate and import
    #[arg(long, default_value_t = 10_000, value_parser = households)]
    pub households: usize,
    /// 存放目录（须为空），默认为临时目录 / an empty folder to work in, by default a temporary one
    #[arg(long, value_name = "DIR")]
    pub folder: Option<PathBuf>,
    /// 网页与接口的首个端口，0 为任意 / port of the first node's pages and API; 0: any
    #[arg(long, default_value_t = 8470)]
    pub first_port: u16,
    /// 故意破坏一处，结果必须不通过 / break one thing on purpose: the verdict must fail
    #[arg(long = "break", value_enum, requires = "script")]
    pub sabotage: Option<Sabotage>,
}

fn households(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (MIN_HOUSEHOLDS..=MAX_HOUSEHOLDS).contains(number));
    let range = format!("{MIN_HOUSEHOLDS} 到 {MAX_HOUSEHOLDS} / from {MIN_HOUSEHOLDS} to {MAX_HOUSEHOLDS}");
    number.ok_or(range)
}

/// Days to play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Script {
    /// The center's links go down, everybody goes on working, the links return.
    Outage,
}

/// What can be broken on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// A village's links stay cut.
    CutLink,
    /// A record that was acknowledged is dropped from the center's dump.
    LostRecord,
    /// A document of the center's dump says something else.
    ChangedDocument,
    /// A digest of the center's dump is another one.
    WrongDigest,
}

/// Runs the demo. Failed checks end with code 1.
///
/// # Errors
/// When the town cannot be started or the day cannot go on.
pub fn run(options: &Options) -> anyhow::Result<ExitCode> {
    // Before anything is started: a day takes minutes.
    let verdict = options.script.map(|_| evidence::verdict_program()).transpose()?;
    let folder = Folder::new(options.folder.as_deref())?;
    let stop = Stop::default();
    let _signals = listen_for_signals(stop.clone())?;
    let began = Instant::now();
    let first_port = if options.exit { 0 } else { options.first_port };
    let program = std::env::current_exe().context("where this program is")?;
    let town = Town::start(&program, folder.path(), Plan::model_town()?, first_port, stop)?;
    let ledgers = ledgers(&town.plan, options.households)?;
    let evidence = folder.path().join("evidence");
    std::fs::create_dir(&evidence)?;
    let list = Acknowledgements::create(&evidence.join("acknowledged.jsonl"))?;
    let day = Day { town: &town, ledgers: &ledgers, list: &list, began };
    day.tell("六个节点已启动", "six nodes are running");
    day.morning()?;
    let passed = match verdict {
        Some(verdict) => play(&day, &evidence, options.sabotage, &verdict)?,
        None => true,
    };
    if !options.exit {
        console::run(&town, folder.path())?;
    }
    folder.finish(passed);
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Plays the outage and has it judged.
fn play(day: &Day<'_>, evidence: &Path, sabotage: Option<Sabotage>, verdict: &Path) -> anyhow::Result<bool> {
    let (mut table, converged) = day.outage(sabotage)?;
    let documents = evidence::collect(day.town, evidence, &day.carried()?)?;
    for row in &mut table.0 {
        row.documents = documents.get(&row.node).copied().unwrap_or(0);
    }
    if let Some(sabotage) = sabotage {
        evidence::spoil(evidence, sabotage)?;
    }
    say!("\n{table}");
    for (kind, count) in day.list.by_kind() {
        say!("{count:>8} × {kind} 已确认 / acknowledged");
    }
    say!("");
    let passed = evidence::judge(evidence, verdict)? && converged;
    day.tell("演示结束", if passed { "the day went well" } else { "the day did NOT go well" });
    Ok(passed)
}

/// Ctrl-C and SIGTERM end the demo in order, so that no node is left behind.
fn listen_for_signals(stop: Stop) -> anyhow::Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    #[cfg(unix)]
    let mut terminate = {
        let _entered = runtime.enter();
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?
    };
    runtime.spawn(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
        stop.ask();
    });
    Ok(runtime)
}

/// Where everything of the demo lies: a given folder is kept, a temporary one only while something is wrong.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn new(given: Option<&Path>) -> anyhow::Result<Self> {
        let is_temporary = given.is_none();
        let path = given
            .map_or_else(|| std::env::temp_dir().join(format!("townmesh-demo-{}", std::process::id())), Path::to_owned);
        std::fs::create_dir_all(&path).with_context(|| format!("{} cannot be made", path.display()))?;
        let path = path.canonicalize()?;
        ensure!(path.read_dir()?.next().is_none(), "{} is not empty: name another --folder", path.display());
        Ok(Self { path, is_temporary })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn finish(&self, passed: bool) {
        if self.is_temporary && passed {
            // What cannot be removed from the temporary folder does no harm there.
            let _ = std::fs::remove_dir_all(&self.path);
        } else {
            say!("日志与证据保留在 / logs and evidence are kept in {}", self.path.display());
        }
    }
}
