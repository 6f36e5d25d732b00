//! W4: durable edits on one node, and how soon it is back after a kill.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use redb::{Database, TableDefinition};
use townmesh_crdt::command::household::{self, Edit};
use townmesh_crdt::domain::household::Household;
use townmesh_crdt::id::DocumentId;
use townmesh_crdt::namespace::Namespace;
use townmesh_crdt::replica::OpenError;
use townmesh_node::data_dir::DataDir;
use townmesh_node::engine::{Engine, Parts, TownAdmission};
use townmesh_node::keys::IdentityFile;
use townmesh_node::views::Views;

use crate::child::some_households;
use crate::report::{Goal, Report};
use crate::town::{self, BenchTown};

/// How long each rate is measured.
const PERIOD: Duration = Duration::from_secs(3);
const WRITERS: usize = 64;
/// How often one writer and the floor take turns.
const TURNS: u32 = 6;
/// Documents that are edited again and again: all of them stay in memory.
const CACHED: usize = 512;

fn start(dir: &Path) -> anyhow::Result<Engine> {
    start_with(dir, None)
}

/// A node of a data directory, with views where some are given.
pub(crate) fn start_with(dir: &Path, views: Option<Views>) -> anyhow::Result<Engine> {
    let identity = IdentityFile::read(&DataDir::new(dir).identity())?;
    let admission = Arc::new(TownAdmission::new(identity.town, &identity.chain));
    let path = dir.to_owned();
    let opener = Box::new(move || {
        town::opening(&path).map_err(|error| OpenError::Codec(std::io::Error::other(error.to_string())))
    });
    Ok(Engine::start(Parts { opener, network: None, admission, views, disk: None })?)
}

pub(crate) async fn measure(town: &BenchTown, report: &mut Report) -> anyhow::Result<()> {
    let n = town.households;
    eprintln!("{n} households: W4 local edits");
    let directory = town.source.parent().unwrap_or(&town.source);
    let began = Instant::now();
    let engine = start(&town.source)?;
    let first = engine.read(|replica| some_households(replica, 1)).await??;
    report.add("reopen", n, "until a read answers", began.elapsed().as_secs_f64(), "s", Goal::AtMost(2.0), None);
    anyhow::ensure!(!first.is_empty(), "nothing was imported");

    let cold = engine.read(move |replica| some_households(replica, n)).await??;
    let hot: Vec<_> = cold.iter().rev().take(CACHED).cloned().collect();
    let edited = write_each(&engine, &cold[..cold.len().saturating_sub(CACHED).max(1)]).await?;
    report.add("W4 local edits", n, "64 writers, documents not in memory", edited, "1/s", Goal::AtLeast(5_000.0), None);
    write_each(&engine, &hot).await?;
    let cached = write_again(&engine, &hot, WRITERS, PERIOD).await?;
    report.add("W4 local edits", n, "64 writers, documents in memory", cached, "1/s", Goal::AtLeast(15_000.0), None);
    // In turns: a disk of a shared machine is not equally fast from one second to the next.
    let (mut commits, mut single) = (0.0, 0.0);
    for _ in 0..TURNS {
        commits += commit_rate(&directory.join("commits.redb"), PERIOD / TURNS)? / f64::from(TURNS);
        single += write_again(&engine, &hot, 1, PERIOD / TURNS).await? / f64::from(TURNS);
    }
    report.add("W4 local edits", n, "redb commits, same settings", commits, "1/s", Goal::None, None);
    report.add("W4 local edits", n, "1 writer, documents in memory", single, "1/s", Goal::None, Some(commits));
    report.add("W4 local edits", n, "1 writer / redb commits", single / commits, "", Goal::AtLeast(0.6), Some(1.0));
    engine.stop().await;
    Ok(())
}

/// Durable redb commits a second of one small row, with the store's settings.
fn commit_rate(path: &Path, period: Duration) -> anyhow::Result<f64> {
    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");
    let database = Database::create(path)?;
    let row = [0x5a; 400];
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < period {
        let mut transaction = database.begin_write()?;
        transaction.set_quick_repair(true);
        transaction.open_table(TABLE)?.insert(count, row.as_slice())?;
        transaction.commit()?;
        count += 1;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    drop(database);
    std::fs::remove_file(path)?;
    Ok(rate)
}

/// Edits a household durably.
pub(crate) async fn write(engine: &Engine, household: (Namespace, DocumentId), rooms: u16) -> anyhow::Result<()> {
    let (namespace, document) = household;
    let set = Household { rooms: Some(rooms), ..Household::default() };
    let edit = Edit { set, ..Edit::default() };
    engine.record(move |replica, now| household::edit_household(replica, &namespace, document, &edit, now)).await?;
    Ok(())
}

/// Writers share the households among themselves and edit each once; edits a second.
async fn write_each(engine: &Engine, households: &[(Namespace, DocumentId)]) -> anyhow::Result<f64> {
    // Large enough to tell a rate, small enough to end.
    let households: Vec<_> = households.iter().take(20_000).cloned().collect();
    let began = Instant::now();
    let shares = households.chunks(households.len().div_ceil(WRITERS).max(1)).map(<[_]>::to_vec);
    let writers: Vec<_> = shares
        .map(|share| {
            let engine = engine.clone();
            tokio::spawn(async move {
                for household in share {
                    write(&engine, household, 41).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    for writer in writers {
        writer.await??;
    }
    Ok(households.len() as f64 / began.elapsed().as_secs_f64())
}

/// Writers edit the same households over and over for a while; edits a second.
async fn write_again(
    engine: &Engine,
    households: &[(Namespace, DocumentId)],
    writers: usize,
    period: Duration,
) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let (engine, households) = (engine.clone(), households.to_vec());
        tasks.push(tokio::spawn(async move {
            let mut count = 0u64;
            let mut next = writer * households.len() / writers;
            while began.elapsed() < period {
                write(&engine, households[next % households.len()].clone(), (count % 1000) as u16 + 50).await?;
                next += 1;
                count += 1;
            }
            anyhow::Ok(count)
        }));
    }
    let mut total = 0;
    for task in tasks {
        total += task.await??;
    }
    Ok(total as f64 / began.elapsed().as_secs_f64())
}
