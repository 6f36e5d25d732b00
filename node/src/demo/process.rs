//! Nodes as processes of their own: started, waited for, killed, and never left behind.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::api::Api;
use crate::config::PREFIX;
use crate::data_dir::DataDir;

/// How often a starting node is asked whether it is ready.
const LOOK: Duration = Duration::from_millis(25);
/// How much of the end of a log is repeated in an error.
const LOG_TAIL: usize = 2_000;

/// Why a node does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// Which program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ended by itself.
    #[error("{name} ended with {status}; the end of its log:\n{log}")]
    Ended {
        /// Which node.
        name: String,
        /// How.
        status: ExitStatus,
        /// What it said last.
        log: String,
    },
    /// It does not get ready.
    #[error("{name} is not ready after {waited:?}; the end of its log:\n{log}")]
    NotReady {
        /// Which node.
        name: String,
        /// How long it was given.
        waited: Duration,
        /// What it said last.
        log: String,
    },
    /// The system refuses something about it.
    #[error("{name}: {source}")]
    System {
        /// Which node.
        name: String,
        /// What the system says.
        source: io::Error,
    },
}

/// A program to run as a node.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Name for messages.
    pub name: String,
    /// The `townmesh` program, or one that starts it (such as `ip netns exec …`).
    pub program: PathBuf,
    /// Arguments, from the subcommand on.
    pub arguments: Vec<String>,
    /// The node's data directory.
    pub data_dir: PathBuf,
    /// Where its output goes; kept over restarts.
    pub log: PathBuf,
}

impl Launch {
    /// The same with one more flag and its value.
    #[must_use]
    pub fn argument(mut self, name: &str, value: String) -> Self {
        self.arguments.extend([name.to_owned(), value]);
        self
    }
}

/// A running node. Killed when dropped.
#[derive(Debug)]
pub struct NodeProcess {
    launch: Launch,
    child: Child,
}

/// A command without the configuration of the surrounding environment.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with(PREFIX)) {
        command.env_remove(key);
    }
    command.stdin(Stdio::null());
    command
}

impl NodeProcess {
    /// Starts it; [`Self::wait_ready`] says when it can be used.
    ///
    /// # Errors
    /// [`ProcessError::Start`], [`ProcessError::System`].
    pub fn start(launch: Launch) -> Result<Self, ProcessError> {
        let system = |source| ProcessError::System { name: launch.name.clone(), source };
        // What a killed predecessor left there points to nobody.
        match std::fs::remove_file(DataDir::new(&launch.data_dir).api()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(system(error)),
            Ok(()) | Err(_) => {}
        }
        let log = File::options().create(true).append(true).open(&launch.log).map_err(system)?;
        let errors = log.try_clone().map_err(system)?;
        let child = command(&launch.program)
            .args(&launch.arguments)
            .stdout(log)
            .stderr(errors)
            .spawn()
            .map_err(|source| ProcessError::Start { program: launch.program.clone(), source })?;
        Ok(Self { launch, child })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it was started.
    pub fn launch(&self) -> &Launch {
        &self.launch
    }

    /// Waits until it answers that it is ready.
    ///
    /// # Errors
    /// [`ProcessError::Ended`], [`ProcessError::NotReady`].
    pub fn wait_ready(&mut self, limit: Duration) -> Result<Api, ProcessError> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Err(ProcessError::Ended { name: self.launch.name.clone(), status, log: self.log_tail() });
            }
            if let Ok(api) = Api::of_file(&DataDir::new(&self.launch.data_dir).api())
                && api.is_ready()
            {
                return Ok(api);
            }
            if began.elapsed() > limit {
                let name = self.launch.name.clone();
                return Err(ProcessError::NotReady { name, waited: limit, log: self.log_tail() });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// [`ProcessError::System`].
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, ProcessError> {
        self.child.try_wait().map_err(|source| ProcessError::System { name: self.launch.name.clone(), source })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`ProcessError::NotReady`] if it has not ended in time, [`ProcessError::System`].
    pub fn wait_end(&mut self, limit: Duration) -> Result<ExitStatus, ProcessError> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if began.elapsed() > limit {
                let name = self.launch.name.clone();
                return Err(ProcessError::NotReady { name, waited: limit, log: self.log_tail() });
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Kills it without a warning (SIGKILL), as a power cut would, and waits for its end.
    ///
    /// # Errors
    /// [`ProcessError::System`].
    pub fn kill(&mut self) -> Result<(), ProcessError> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map(drop).map_err(|source| ProcessError::System { name: self.launch.name.clone(), source })
    }

    /// Everything it printed, over all its starts.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.launch.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let skip = log.chars().count().saturating_sub(LOG_TAIL);
        log.chars().skip(skip).collect()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // Either may fail only because it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
