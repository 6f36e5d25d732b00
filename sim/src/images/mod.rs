//! Crash images: what every power cut could leave of one node's disk is opened and looked at.
//!
//! A production replica lives a short, busy life on a simulated disk that journals what is written (rows 2, 3, 5 and 7 of
//! FAULTS.md). At every sync each write since the last one may have been dropped, kept or torn: each such image is
//! opened as production opens a store, compared with what the store held when something was last acknowledged, and
//! worked with. That opening is journalled and cut, too, and the openings of what is left.
//!
//! What is demanded of an image: it opens; it holds exactly what was durable at the last acknowledgement, or that with
//! the whole commit that was on its way, in every table; chains, signatures, bodies, documents, key shelves and chunks
//! fit together; the opening signs in a new epoch; something new can be recorded and read; and, in samples, a node that
//! learns everything from it comes to the same documents.

mod cast;
mod choice;
mod exam;
mod explore;
mod flaw;
mod holdings;
mod journal;
mod life;
mod replay;
mod report;
#[cfg(test)]
mod tests;

pub use exam::Wrong;
pub use flaw::Flaw;
pub use report::{AtDepth, Failure, Report, Tally};

use crate::disk::DiskOp;
use crate::run::{cpu_seconds, peak_memory};
use cast::Cast;
use explore::{Explorer, Path};
use holdings::Inspector;
use journal::Journal;

/// Why there are no images.
#[derive(Debug, thiserror::Error)]
pub enum ImagesError {
    /// The town could not be founded.
    #[error("the town could not be founded: {0}")]
    Founding(String),
    /// The recorded node failed while no fault was at work.
    #[error("the recorded node failed without any fault: {0}")]
    Life(String),
    /// A path that leads nowhere.
    #[error("there is no image at {0}: give the path that a failure printed, with its seed, such as 12.3/0.7")]
    Path(String),
}

impl ImagesError {
    fn life(error: impl std::fmt::Display) -> Self {
        Self::Life(error.to_string())
    }
}

/// What is to be opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The first seed.
    pub seed: u64,
    /// How many.
    pub seeds: u64,
    /// About so many images of each seed.
    pub images: usize,
    /// Power cuts one after another: 1 cuts only the life, 3 cuts the recovery of its recovery.
    pub depth: usize,
    /// Only the images on this path.
    pub path: Option<String>,
    /// What the disk does wrong on purpose.
    pub flaw: Option<Flaw>,
}

/// Opens the images of some seeds; `done` hears of each seed.
///
/// # Errors
/// [`ImagesError`] if there is nothing to cut.
pub fn run(options: &Options, mut done: impl FnMut(&Report)) -> Result<Report, ImagesError> {
    let steps = options.path.as_deref().map(explore::read_path).transpose()?;
    let mut all = Report {
        seed: options.seed,
        seeds: 0,
        operations: 0,
        syncs: 0,
        acknowledged: 0,
        tally: Tally::default(),
        cpu_s: None,
        memory_mib: None,
        flaw: options.flaw.map(|flaw| flaw.to_string()),
    };
    let before = cpu_seconds();
    for seed in options.seed..options.seed.saturating_add(options.seeds) {
        run_seed(options, seed, steps.as_ref(), &mut all)?;
        all.seeds += 1;
        all.cpu_s = cpu_seconds().zip(before).map(|(after, before)| after - before);
        all.memory_mib = peak_memory();
        done(&all);
    }
    Ok(all)
}

fn run_seed(options: &Options, seed: u64, steps: Option<&Path>, all: &mut Report) -> Result<(), ImagesError> {
    let cast = Cast::of(seed)?;
    let mut inspector = Inspector::new(cast.names.clone(), &cast.recorded.secrets).map_err(ImagesError::life)?;
    let mut journal: Journal = life::live(&cast, &mut inspector, seed)?;
    if let Some(flaw) = options.flaw {
        flaw.spoil(&mut journal);
    }
    all.operations += journal.ops.len() as u64;
    all.syncs += journal.ops.iter().filter(|op| matches!(op, DiskOp::Sync)).count() as u64;
    all.acknowledged += journal.acks.len() as u64;
    let epochs = journal.epochs.clone();
    let mut explorer = Explorer::new(&cast, &mut inspector, options, seed);
    match steps {
        Some(steps) => explorer.follow(&journal, &epochs, steps)?,
        None => explorer.explore(&journal, (0, &[], &epochs), &mut Path::new(), options.images),
    }
    all.tally.add(explorer.tally);
    Ok(())
}
