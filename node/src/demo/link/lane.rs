//! One direction of a link as its tasks share it: the settings in force, the shaper, the counters.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::counters::DirectionTally;
use super::settings::{Direction, DirectionSettings, LinkSettings};
use super::shaper::{Fate, Passage, Shaper};

/// One direction of one link.
#[derive(Debug)]
pub(super) struct Lane {
    direction: Direction,
    settings: watch::Receiver<LinkSettings>,
    shaper: Mutex<Shaper>,
    pub(super) tally: DirectionTally,
}

impl Lane {
    pub(super) fn new(
        direction: Direction,
        settings: watch::Receiver<LinkSettings>,
        queue_time: Duration,
        seed: u64,
    ) -> Self {
        let shaper = Mutex::new(Shaper::new(Instant::now(), queue_time, seed));
        Self { direction, settings, shaper, tally: DirectionTally::default() }
    }

    fn settings(&self) -> DirectionSettings {
        *self.settings.borrow().of(self.direction)
    }

    fn shape<T>(&self, decide: impl FnOnce(&mut Shaper) -> T) -> T {
        // A shaper is whole between any two calls, so one that a panic left behind can be used on.
        decide(&mut self.shaper.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// When a datagram arrives; `None`, and counted, when it never does.
    pub(super) fn datagram(&self, bytes: usize) -> Option<Instant> {
        let settings = self.settings();
        let dropped = match self.shape(|shaper| shaper.datagram(Instant::now(), bytes, &settings)) {
            Fate::Arrives(when) => return Some(when),
            Fate::Cut => &self.tally.dropped_cut,
            Fate::Lost => &self.tally.dropped_loss,
            Fate::Overflow => &self.tally.dropped_queue,
        };
        dropped.add(1);
        None
    }

    /// When a piece of a stream leaves and arrives.
    pub(super) fn piece(&self, bytes: usize) -> Passage {
        let settings = self.settings();
        self.shape(|shaper| shaper.piece(Instant::now(), bytes, &settings))
    }

    /// Whether a datagram that arrives now still meets a cut; counts it.
    pub(super) fn swallows(&self) -> bool {
        let cut = self.settings().cut;
        if cut {
            self.tally.dropped_cut.add(1);
        }
        cut
    }

    /// The largest piece of a stream that goes at once: a twentieth of a second, so that a slow link stays even.
    pub(super) fn piece_limit(&self, most: usize) -> usize {
        let rate = self.settings().bytes_per_second.map_or(u64::MAX, |rate| rate.get() / 20);
        usize::try_from(rate).unwrap_or(usize::MAX).clamp(256.min(most), most)
    }

    /// Waits until the direction is not cut. For ever, when the link is gone: its tasks are aborted then.
    pub(super) async fn open(&self) {
        let direction = self.direction;
        let mut settings = self.settings.clone();
        if settings.wait_for(|settings| !settings.of(direction).cut).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The settings changed.
    pub(super) fn restart(&self) {
        self.shape(|shaper| shaper.restart(Instant::now()));
    }
}
