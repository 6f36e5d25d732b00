//! How soon a record that is durable is shown: from the acknowledgement until a list has the new value.

use std::time::{Duration, Instant};

use townmesh_crdt::id::DocumentId;
use townmesh_node::engine::Engine;
use townmesh_node::views::{Reader, Views};

use crate::child::some_households;
use crate::local::{start_with, write};
use crate::report::{Goal, Report};
use crate::town::BenchTown;

/// Records, one after the other.
const RECORDS: usize = 300;
/// How often it is looked whether a record is shown.
const LOOK: Duration = Duration::from_millis(1);
/// Longer than one record takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longer than the whole town takes.
const PATIENCE_FOR_ALL: Duration = Duration::from_secs(600);

pub(crate) async fn measure(town: &BenchTown, report: &mut Report) -> anyhow::Result<()> {
    let n = town.households;
    eprintln!("{n} households: visible");
    let path = town.source.join("bench-views.sqlite");
    let engine = start_with(&town.source, Some(Views::open(&path)?))?;
    let reader = Reader::open(&path)?;
    let households = engine.read(|replica| some_households(replica, RECORDS)).await??;
    anyhow::ensure!(!households.is_empty(), "the town has no households");
    follow(&engine).await?;
    let mut took = Vec::with_capacity(RECORDS);
    for (number, household) in households.iter().cycle().take(RECORDS).enumerate() {
        // What no household had before.
        let rooms = number as u16 + 2_000;
        let document = household.1;
        write(&engine, household.clone(), rooms).await?;
        let acknowledged = Instant::now();
        show(&reader, document, rooms).await?;
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

/// Waits until the views show what the town had.
async fn follow(engine: &Engine) -> anyhow::Result<()> {
    let began = Instant::now();
    while engine.views().lag() > 0 {
        anyhow::ensure!(began.elapsed() < PATIENCE_FOR_ALL, "the views do not follow");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Waits until a household is shown with these rooms.
async fn show(reader: &Reader, household: DocumentId, rooms: u16) -> anyhow::Result<()> {
    let began = Instant::now();
    while reader.household(household, false)?.and_then(|detail| detail.household.rooms) != Some(rooms) {
        anyhow::ensure!(began.elapsed() < PATIENCE, "a record is not shown");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
