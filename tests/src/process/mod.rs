//! The program under test, and nodes run with it.
//!
//! Starting, waiting, killing and asking are the demo's: [`NodeProcess`] and [`Api`]. What is added here is where the
//! program lies, and how to run one of its commands to its end.

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

pub use townmesh_node::demo::api::{Api, ApiError};
pub use townmesh_node::demo::process::{Launch, NodeProcess, ProcessError, command};

/// Names the program under test.
const VARIABLE: &str = "TOWNMESH_BIN";

/// The `townmesh` program: `TOWNMESH_BIN`, or the one in the target directory of the running test.
///
/// # Errors
/// When there is none, with how to build it.
pub fn program() -> anyhow::Result<PathBuf> {
    sibling("townmesh", std::env::var_os(VARIABLE).map(PathBuf::from))
}

/// The `townmesh-verdict` program beside it.
///
/// # Errors
/// When there is none, with how to build it.
pub fn verdict_program() -> anyhow::Result<PathBuf> {
    sibling("townmesh-verdict", None)
}

/// A program in the folder of the running one.
///
/// # Errors
/// When it is not there, with how to build it.
pub fn program_beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().context("a program lies in a folder")?;
    sibling(name, Some(folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))))
}

fn sibling(name: &str, named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let path = match named {
        Some(path) => path,
        None => {
            // target/<profile>/deps/<test>: the programs lie two levels up.
            let test = std::env::current_exe()?;
            let profile =
                test.parent().and_then(|deps| deps.parent()).context("the test lies in a target directory")?;
            profile.join(file)
        }
    };
    ensure!(
        path.is_file(),
        "{} is missing: build it with `cargo build --bins`, or name it in {VARIABLE}",
        path.display()
    );
    Ok(path.canonicalize()?)
}

/// Runs the program with arguments to its end; one that does not end is killed.
///
/// # Errors
/// When it cannot be started, or does not end in time.
pub fn run_to_end(arguments: &[&str], limit: Duration) -> anyhow::Result<Output> {
    let mut child = command(&program()?).args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let end = Instant::now() + limit;
    while child.try_wait()?.is_none() {
        if Instant::now() > end {
            child.kill()?;
            let output = child.wait_with_output()?;
            bail!("townmesh {} has not ended after {limit:?}:\n{}", arguments.join(" "), said(&output));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(child.wait_with_output()?)
}

/// Everything that a program said.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
