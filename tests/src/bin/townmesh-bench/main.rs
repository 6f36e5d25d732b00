//! `townmesh-bench`: the figures of the README, each beside the physical floor of the same run.
//!
//! Two processes over loopback, stores on disk, everything durable. The parent prepares data directories, starts
//! itself as the two nodes, and reads their JSON lines; so every figure is that of a process of its own. Prints a
//! table and writes the same as JSON.

mod analysis;
mod child;
mod floor;
mod lists;
mod local;
mod measure;
mod reopen;
mod report;
mod town;
mod transfer;
mod visible;
mod year;

use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;

/// As in the binary `townmesh`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures synchronisation and recording.
#[derive(Debug, Parser)]
#[command(name = "townmesh-bench", version)]
struct Flags {
    /// Numbers of households to measure with.
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000")]
    households: Vec<usize>,
    /// Number of cases over which lists and assessments are measured, in one file with 100,000 households and the device
    /// events; a center's year has 500,000. None by default.
    #[arg(long, default_value_t = 0)]
    cases: usize,
    /// Number of device events over which hot spots are measured, in the same file; a center has 30,000,000. None by
    /// default.
    #[arg(long, default_value_t = 0)]
    events: usize,
    /// Only W4, for profiling.
    #[arg(long)]
    local_only: bool,
    /// Where stores are put while measuring; on the disk that is to be measured.
    #[arg(long, default_value = "target/bench")]
    dir: PathBuf,
    /// Where the figures are written as JSON.
    #[arg(long, default_value = "target/bench.json")]
    json: PathBuf,
    #[command(subcommand)]
    child: Option<child::Child>,
}

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(child) = flags.child {
        return runtime.block_on(child.run());
    }
    let mut report = report::Report::default();
    for households in &flags.households {
        let dir = flags.dir.join(households.to_string());
        if dir.exists() {
            std::fs::remove_dir_all(&dir).with_context(|| format!("removing {}", dir.display()))?;
        }
        eprintln!("{households} households: preparing");
        let town = town::BenchTown::found(&dir, *households)?;
        if !flags.local_only {
            transfer::measure(&town, &mut report)?;
        }
        runtime.block_on(local::measure(&town, &mut report))?;
        runtime.block_on(visible::measure(&town, &mut report))?;
        reopen::measure(&town, &mut report)?;
        std::fs::remove_dir_all(&dir)?;
    }
    if flags.cases > 0 || flags.events > 0 {
        year::measure(&flags.dir.join("year"), flags.cases, flags.events, &mut report)?;
    }
    println!("{report}");
    std::fs::write(&flags.json, serde_json::to_vec_pretty(&report)?)?;
    println!("written to {}", flags.json.display());
    Ok(())
}
