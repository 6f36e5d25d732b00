//! The demo: a day that goes well, and days on which one thing is broken on purpose.

use std::time::{Duration, Instant};

use anyhow::ensure;
use townmesh_tests::process::{run_to_end, said, verdict_program};

/// A whole day on two cores.
const DAY: Duration = Duration::from_secs(180);

fn play(households: &str, sabotage: &[&str]) -> anyhow::Result<(Option<i32>, String)> {
    verdict_program()?;
    let began = Instant::now();
    let folder = tempfile::tempdir()?;
    let path = folder.path().display().to_string();
    let day = ["demo", "--script", "outage", "--exit", "--households", households, "--folder", &path];
    let output = run_to_end(&[&day, sabotage].concat(), DAY)?;
    println!("    the day took {:.1} s", began.elapsed().as_secs_f64());
    Ok((output.status.code(), said(&output)))
}

pub(crate) fn goes_well() -> anyhow::Result<()> {
    let (code, words) = play("10000", &[])?;
    ensure!(code == Some(0), "it ended with {code:?}:\n{words}");
    ensure!(words.contains("verdict: passed"), "there is no verdict:\n{words}");
    Ok(())
}

pub(crate) fn notices_a_lost_record() -> anyhow::Result<()> {
    let (code, words) = play("1000", &["--break", "lost-record"])?;
    ensure!(code == Some(1), "it ended with {code:?}:\n{words}");
    ensure!(
        words.contains("nothing acknowledged is missing") && words.contains("the record is missing on center"),
        "{words}"
    );
    Ok(())
}

pub(crate) fn notices_a_cut_link() -> anyhow::Result<()> {
    let (code, words) = play("1000", &["--break", "cut-link"])?;
    ensure!(code == Some(1), "it ended with {code:?}:\n{words}");
    ensure!(words.contains("did not converge") && words.contains("equal digests"), "{words}");
    Ok(())
}
