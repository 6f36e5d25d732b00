//! Power cuts: SIGKILL while writes are on their way.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use townmesh_node::demo::plan::CENTER;
use townmesh_node::demo::{Acknowledgement, Acknowledgements};
use townmesh_tests::process::{Api, ApiError};

use crate::small_town::{expect_nothing_missing, start};

const KILLS: usize = 10;
/// A kill that found every write answered counts for nothing and is repeated.
const ATTEMPTS: usize = 40;
/// Writers at a time, so that kills meet group commits too.
const WRITERS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn ten_kills_lose_nothing_acknowledged() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut town = start(folder.path(), &[CENTER])?;
    let list = Acknowledgements::create(&folder.path().join("acknowledged.jsonl"))?;
    let region = town.plan.villages[0].code.clone();
    let (mut kills, mut slowest) = (0, Duration::ZERO);
    for attempt in 0..ATTEMPTS {
        if kills == KILLS {
            break;
        }
        let writers = Writers::new(town.node(CENTER)?.api.clone(), &region, &list, attempt);
        let outcome = std::thread::scope(|scope| -> anyhow::Result<()> {
            for writer in 0..WRITERS {
                let writers = &writers;
                scope.spawn(move || writers.write(writer));
            }
            let killed = writers.wait_for_a_write_in_flight(20 + 7 * attempt).and_then(|()| town.kill(CENTER));
            writers.stop.store(true, Ordering::SeqCst);
            killed
        });
        outcome.with_context(|| format!("attempt {attempt}"))?;
        writers.check()?;
        kills += usize::from(writers.interrupted.load(Ordering::SeqCst) > 0);
        slowest = slowest.max(town.restart(CENTER).with_context(|| format!("after kill {kills}"))?);
    }
    ensure!(kills == KILLS, "only {kills} kills of {ATTEMPTS} hit a write in flight");
    let acknowledged: usize = list.by_kind().values().sum();
    println!(
        "    {kills} kills, {acknowledged} writes acknowledged, ready again within {:.2} s",
        slowest.as_secs_f64()
    );
    town.wait_equal(Duration::from_secs(30))?;
    expect_nothing_missing(&town, folder.path())
}

/// Clients that post one household after the other until the node dies.
struct Writers<'a> {
    api: Api,
    region: &'a str,
    list: &'a Acknowledgements,
    attempt: usize,
    stop: AtomicBool,
    /// Requests that are sent and not answered.
    in_flight: AtomicUsize,
    acknowledged: AtomicU64,
    /// Requests that broke off.
    interrupted: AtomicUsize,
    problem: Mutex<Option<String>>,
}

impl<'a> Writers<'a> {
    fn new(api: Api, region: &'a str, list: &'a Acknowledgements, attempt: usize) -> Self {
        Self {
            api,
            region,
            list,
            attempt,
            stop: AtomicBool::new(false),
            in_flight: AtomicUsize::new(0),
            acknowledged: AtomicU64::new(0),
            interrupted: AtomicUsize::new(0),
            problem: Mutex::new(None),
        }
    }

    fn write(&self, writer: usize) {
        for door in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let note = format!("第{}次 {writer}-{door}", self.attempt);
            let household = json!({ "region": self.region, "address": note, "note": note });
            self.in_flight.fetch_add(1, Ordering::SeqCst);
            let answer: Result<Value, ApiError> =
                self.api.post("/v1/households", &json!({ "household": household, "residents": [] }));
            let written = match &answer {
                Ok(answer) => self.acknowledge(answer, &note),
                Err(ApiError::Refused { .. } | ApiError::NoAddress { .. }) => {
                    answer.map(drop).map_err(anyhow::Error::from)
                }
                Err(ApiError::NoAnswer { .. }) => {
                    self.interrupted.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            };
            self.in_flight.fetch_sub(1, Ordering::SeqCst);
            if let Err(problem) = written {
                *self.problem.lock().expect("no writer panics") = Some(format!("{problem:#}"));
                return;
            }
        }
    }

    fn acknowledge(&self, answer: &Value, note: &str) -> anyhow::Result<()> {
        let document = answer["value"]["document"].as_str().context("an answer names the document")?;
        self.list.write(Acknowledgement {
            node: CENTER.into(),
            kind: "household".into(),
            namespace: format!("registry/{}", self.region),
            document: Some(document.into()),
            field: Some("note".into()),
            value: Some(note.into()),
            ..Acknowledgement::default()
        })?;
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// Returns while at least one request is out, after so many were answered.
    fn wait_for_a_write_in_flight(&self, answered: usize) -> anyhow::Result<()> {
        let end = Instant::now() + PATIENCE;
        while self.acknowledged.load(Ordering::SeqCst) < answered as u64 || self.in_flight.load(Ordering::SeqCst) == 0 {
            ensure!(Instant::now() < end, "the writers got {} answers", self.acknowledged.load(Ordering::SeqCst));
            std::hint::spin_loop();
        }
        Ok(())
    }

    fn check(&self) -> anyhow::Result<()> {
        match self.problem.lock().expect("no writer panics").take() {
            Some(problem) => anyhow::bail!(problem),
            None => Ok(()),
        }
    }
}
