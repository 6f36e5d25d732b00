//! Hybrid logical time: physical milliseconds with a counter below them (Kulkarni et al., "Logical Physical
//! Clocks", 2014). Only a tie-breaker among what causality leaves open; no deadline and no transport decision
//! depends on it (DESIGN section 8).

use std::fmt;

/// Milliseconds since 1970-01-01 UTC by some clock, right or wrong.
pub type Millis = u64;

/// How far ahead of the local physical clock another node's time may pull ours: five minutes.
pub const MAX_AHEAD: Millis = 5 * 60 * 1000;

/// 48 bits of milliseconds above 16 bits of counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct HybridTime(pub u64);

impl HybridTime {
    /// The first hybrid time of a millisecond. Milliseconds beyond 48 bits (year 10889) are cut to that.
    pub fn at(millis: Millis) -> Self {
        Self(millis.min((1 << 48) - 1) << 16)
    }

    /// The physical part.
    pub fn millis(self) -> Millis {
        self.0 >> 16
    }

    /// Whether this lies further ahead of `now` than honest clocks differ; such entries are kept, carried and
    /// flagged, but move nobody's clock.
    pub fn is_future(self, now: Millis) -> bool {
        self.millis() > now.saturating_add(MAX_AHEAD)
    }
}

impl fmt::Debug for HybridTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.millis(), self.0 & 0xffff)
    }
}

/// One node's clock. Strictly increasing within one opening of the store.
#[derive(Debug, Clone, Default)]
pub struct HybridClock {
    last: HybridTime,
}

impl HybridClock {
    /// The time for a new local entry.
    pub fn tick(&mut self, now: Millis) -> HybridTime {
        self.last = HybridTime::at(now).max(HybridTime(self.last.0.saturating_add(1)));
        self.last
    }

    /// Takes note of another node's time, so that what is written after reading it is ordered after it.
    pub fn observe(&mut self, seen: HybridTime, now: Millis) {
        if !seen.is_future(now) {
            self.last = self.last.max(seen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_future_time_moves_nobody() {
        let mut clock = HybridClock::default();
        let before = clock.tick(1_000);
        clock.observe(HybridTime::at(1_000 + MAX_AHEAD + 1), 1_000);
        assert_eq!(clock.tick(1_000).0, before.0 + 1);
        clock.observe(HybridTime::at(1_000 + MAX_AHEAD), 1_000);
        assert!(clock.tick(1_000) > HybridTime::at(1_000 + MAX_AHEAD));
    }

    #[test]
    fn never_goes_back_when_the_physical_clock_does() {
        let mut clock = HybridClock::default();
        let first = clock.tick(5_000);
        assert!(clock.tick(0) > first);
    }
}
