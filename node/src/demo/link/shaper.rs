//! When a piece of data comes out at the other end, and which datagrams never do: pure, with the time passed in.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::DirectionSettings;

/// What the shaper decides about one datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It arrives then.
    Arrives(Instant),
    /// The direction is cut.
    Cut,
    /// It is lost by chance.
    Lost,
    /// The queue before the rate limit is full.
    Overflow,
}

/// When a piece of a stream has left, and when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passage {
    /// The rate limit lets the next piece in from here.
    pub(super) left: Instant,
    /// It arrives then.
    pub(super) arrives: Instant,
}

/// One direction: a rate limit with a queue before it, then a wire of a given length.
#[derive(Debug)]
pub(super) struct Shaper {
    queue_time: Duration,
    /// When everything let in so far will have left the rate limit.
    free_at: Instant,
    /// When the last piece arrives: a shorter delay does not let later pieces overtake.
    last_arrival: Instant,
    chance: SplitMix,
}

impl Shaper {
    pub(super) fn new(now: Instant, queue_time: Duration, seed: u64) -> Self {
        Self { queue_time, free_at: now, last_arrival: now, chance: SplitMix(seed) }
    }

    /// A datagram of `bytes` bytes comes in.
    pub(super) fn datagram(&mut self, now: Instant, bytes: usize, settings: &DirectionSettings) -> Fate {
        if settings.cut {
            return Fate::Cut;
        }
        if self.chance.below(1000) < u64::from(settings.loss_per_mille) {
            return Fate::Lost;
        }
        if self.free_at.saturating_duration_since(now) > self.queue_time {
            return Fate::Overflow;
        }
        Fate::Arrives(self.piece(now, bytes, settings).arrives)
    }

    /// A piece of a stream comes in. It is never dropped: its sender waits until it has left.
    pub(super) fn piece(&mut self, now: Instant, bytes: usize, settings: &DirectionSettings) -> Passage {
        let left = self.free_at.max(now) + transmission_time(bytes, settings);
        self.free_at = left;
        let arrives = (left + settings.delay).max(self.last_arrival);
        self.last_arrival = arrives;
        Passage { left, arrives }
    }

    /// The settings changed: what queued up at the old rate holds nobody up any longer.
    pub(super) fn restart(&mut self, now: Instant) {
        self.free_at = now;
        self.last_arrival = now;
    }
}

fn transmission_time(bytes: usize, settings: &DirectionSettings) -> Duration {
    let Some(rate) = settings.bytes_per_second else { return Duration::ZERO };
    let nanoseconds = u128::from(bytes as u64) * 1_000_000_000 / u128::from(rate.get());
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// The generator SplitMix64 (Steele, Lea, Flood 2014): one seed always loses the same datagrams of a sequence.
#[derive(Debug)]
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;

    const QUEUE: Duration = Duration::from_millis(500);

    fn at_rate(bytes_per_second: u64) -> DirectionSettings {
        DirectionSettings { bytes_per_second: NonZeroU64::new(bytes_per_second), ..DirectionSettings::default() }
    }

    #[test]
    fn a_perfect_wire_delivers_at_once() {
        let now = Instant::now();
        let mut shaper = Shaper::new(now, QUEUE, 1);
        assert_eq!(shaper.datagram(now, 1500, &DirectionSettings::default()), Fate::Arrives(now));
    }

    #[test]
    fn the_rate_comes_before_the_delay_and_the_queue_has_an_end() {
        let now = Instant::now();
        let mut shaper = Shaper::new(now, QUEUE, 1);
        let settings = DirectionSettings { delay: Duration::from_millis(30), ..at_rate(10_000) };
        let arrivals: Vec<Fate> = (0..8).map(|_| shaper.datagram(now, 1000, &settings)).collect();
        let after = |ms| Fate::Arrives(now + Duration::from_millis(ms));
        assert_eq!(
            arrivals,
            [after(130), after(230), after(330), after(430), after(530), after(630), Fate::Overflow, Fate::Overflow]
        );
        let later = now + Duration::from_millis(200);
        assert_eq!(shaper.datagram(later, 1000, &settings), after(730));
    }

    #[test]
    fn a_shorter_delay_lets_nothing_overtake() {
        let now = Instant::now();
        let mut shaper = Shaper::new(now, QUEUE, 1);
        let slow = DirectionSettings { delay: Duration::from_millis(300), ..DirectionSettings::default() };
        assert_eq!(shaper.piece(now, 10, &slow).arrives, now + Duration::from_millis(300));
        assert_eq!(shaper.piece(now, 10, &DirectionSettings::default()).arrives, now + Duration::from_millis(300));
    }

    #[test]
    fn a_new_rate_does_not_wait_for_what_queued_at_the_old_one() {
        let now = Instant::now();
        let mut shaper = Shaper::new(now, QUEUE, 1);
        shaper.piece(now, 60_000, &at_rate(1000));
        shaper.restart(now);
        assert_eq!(shaper.piece(now, 10, &DirectionSettings::default()).left, now);
    }

    #[test]
    fn a_seed_always_loses_the_same_datagrams_and_about_as_many_as_asked() {
        let now = Instant::now();
        let settings = DirectionSettings { loss_per_mille: 200, ..DirectionSettings::default() };
        let fates = |seed| {
            let mut shaper = Shaper::new(now, QUEUE, seed);
            (0..5000).map(|_| shaper.datagram(now, 100, &settings)).collect::<Vec<_>>()
        };
        assert_eq!(fates(7), fates(7));
        assert_ne!(fates(7), fates(8));
        let lost = fates(7).iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((900..1100).contains(&lost), "{lost}");
    }
}
