//! How much room is left where the data lies.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Below this many free bytes new bulk is refused, so that people's work still finds room: a month of it in a village.
const FLOOR: u64 = 256 << 20;
/// Free bytes from which on bulk is taken again: not at the floor itself, or it would come and go.
const ENOUGH: u64 = FLOOR / 4 * 5;
/// How often it is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// Watches one file system.
#[derive(Debug)]
pub(super) struct DiskWatch {
    folder: Option<PathBuf>,
    looked_at: Option<Instant>,
    is_low: bool,
}

impl DiskWatch {
    /// Watches the file system of a folder; none: there is always room.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, looked_at: None, is_low: false }
    }

    /// Whether little room is left, as of a few seconds ago.
    pub(super) fn is_low(&mut self) -> bool {
        if self.looked_at.is_none_or(|looked| looked.elapsed() >= EVERY) {
            self.looked_at = Some(Instant::now());
            let free = self.folder.as_deref().and_then(free_bytes);
            let is_low = free.is_some_and(|free| is_low(self.is_low, free));
            if is_low && !self.is_low {
                tracing::warn!(free, "the disk is almost full: imports and photos are refused until there is room");
            }
            self.is_low = is_low;
        }
        self.is_low
    }
}

fn is_low(was_low: bool, free: u64) -> bool {
    free < if was_low { ENOUGH } else { FLOOR }
}

#[cfg(unix)]
fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let room = rustix::fs::statvfs(folder).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_: &std::path::Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bulk_is_taken_again_only_with_some_room_above_the_floor() {
        assert!(!is_low(false, FLOOR) && is_low(false, FLOOR - 1));
        assert!(is_low(true, FLOOR) && !is_low(true, ENOUGH));
        assert!(free_bytes(std::path::Path::new(".")).is_some_and(|free| free > 0));
        assert!(!DiskWatch::new(None).is_low());
    }
}
