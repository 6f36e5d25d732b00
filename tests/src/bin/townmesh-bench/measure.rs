//! What a process used, from `/proc` (proc(5)).

use serde::{Deserialize, Serialize};

/// Clock ticks a second in `/proc/<pid>/stat`: fixed to 100 on Linux for user space.
const TICKS: f64 = 100.0;

/// A process by its id.
pub(crate) struct Process(u32);

/// What it used since it started.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// Seconds of processor time, user and system.
    pub(crate) cpu: f64,
    /// Largest resident memory in bytes.
    pub(crate) peak: u64,
}

impl Process {
    pub(crate) fn own() -> Self {
        Self(std::process::id())
    }

    pub(crate) fn of(child: &std::process::Child) -> Self {
        Self(child.id())
    }

    pub(crate) fn usage(&self) -> std::io::Result<Usage> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0))?;
        // The second field is the name in parentheses and may hold spaces; utime and stime are fields 14 and 15.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let ticks: f64 =
            after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let peak =
            status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
        Ok(Usage { cpu: ticks / TICKS, peak: peak.unwrap_or(0) * 1024 })
    }
}
