//! Disks and processes that do what they must not, to see that it is found.

use std::fmt;
use std::str::FromStr;

use super::journal::Journal;
use crate::disk::DiskOp;

/// What a recorded disk does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// Syncs are acknowledged and not done.
    LyingSync,
    /// One sync in three is.
    SomeSyncsLie,
    /// What is written after a sync may reach the disk before it.
    LeakyBarrier,
    /// One synced write in forty never reached the disk.
    LostWrite,
    /// One write in forty goes to the page beside it.
    MisdirectedWrite,
}

impl Flaw {
    /// Every flaw with its name.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::LyingSync, "lying-sync"),
        (Self::SomeSyncsLie, "some-syncs-lie"),
        (Self::LeakyBarrier, "leaky-barrier"),
        (Self::LostWrite, "lost-write"),
        (Self::MisdirectedWrite, "misdirected-write"),
    ];

    /// What a journal would have been on such a disk. Operations keep their places, so that marks and acknowledgements
    /// keep theirs.
    pub(crate) fn spoil(self, journal: &mut Journal) {
        let nothing = DiskOp::Write { offset: 0, bytes: [].into() };
        let (mut syncs, mut writes, mut at) = (0, 0, 0);
        while at < journal.ops.len() {
            if let Some(DiskOp::Sync) = journal.ops.get(at) {
                syncs += 1;
                let is_followed = matches!(journal.ops.get(at + 1), Some(DiskOp::Write { .. }));
                if self == Self::LeakyBarrier && is_followed {
                    journal.ops.swap(at, at + 1);
                    at += 1;
                }
            }
            let Some(op) = journal.ops.get_mut(at) else { break };
            match op {
                DiskOp::Sync if self == Self::LyingSync || (self == Self::SomeSyncsLie && syncs % 3 == 1) => {
                    *op = nothing.clone();
                }
                DiskOp::Write { offset, .. } => {
                    writes += 1;
                    match self {
                        Self::LostWrite if writes % 40 == 39 => *op = nothing.clone(),
                        Self::MisdirectedWrite if writes % 40 == 39 => *offset += 4096,
                        Self::LyingSync
                        | Self::SomeSyncsLie
                        | Self::LeakyBarrier
                        | Self::LostWrite
                        | Self::MisdirectedWrite => {}
                    }
                }
                DiskOp::Sync | DiskOp::SetLen(_) => {}
            }
            at += 1;
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(flaw, _)| flaw == self).map(|(_, name)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

impl FromStr for Flaw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name)| *name == text).map(|(flaw, _)| *flaw);
        let names: Vec<&str> = Self::ALL.iter().map(|(_, name)| *name).collect();
        found.ok_or_else(|| format!("no such flaw: give one of {}", names.join(", ")))
    }
}
