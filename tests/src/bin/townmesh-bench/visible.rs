//! How soon a record that is durable is shown: from the acknowledgement until the views have it.

use std::time::{Duration, Instant};

use townmesh_node::views::{Reader, Views};

use crate::child::some_households;
use crate::local::{start_with, write};
use crate::report::{Goal, Report};
use crate::town::BenchTown;

/// Records, one after the other.
const RECORDS: usize = 300;
/// How often it is looked whether a record is shown.
const LOOK: Duration = Duration::from_millis(1);
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) async fn measure(town: &BenchTown, report: &mut Report) -> anyhow::Result<()> {
    let n = town.households;
    eprintln!("{n} households: visible");
    let path = town.source.join("bench-views.sqlite");
    let engine = start_with(&town.source, Some(Views::open(&path)?))?;
    let reader = Reader::open(&path)?;
    let households = engine.read(|replica| some_households(replica, RECORDS)).await??;
    wait(&engine, &reader, Duration::from_secs(600)).await?;
    let mut took = Vec::with_capacity(RECORDS);
    for (number, household) in households.iter().cycle().take(RECORDS).enumerate() {
        write(&engine, household.clone(), (number % 500) as u16 + 1).await?;
        let acknowledged = Instant::now();
        wait(&engine, &reader, PATIENCE).await?;
        took.push(acknowledged.elapsed().as_secs_f64() * 1_000.0);
        // Apart from each other, as people record.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    engine.stop().await;
    took.sort_by(f64::total_cmp);
    let rank =
        |percent: usize| took.get((took.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0.0);
    report.add("visible", n, "shown after it is durable, p50", rank(50), "ms", Goal::None, None);
    report.add("visible", n, "shown after it is durable, p99", rank(99), "ms", Goal::AtMost(200.0), None);
    Ok(())
}

/// Waits until the views show everything that is recorded.
async fn wait(engine: &townmesh_node::engine::Engine, reader: &Reader, patience: Duration) -> anyhow::Result<()> {
    let end = engine.read(|replica| replica.feed_end()).await?;
    let began = Instant::now();
    while reader.watermark()? < end {
        anyhow::ensure!(began.elapsed() < patience, "the views do not follow");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
