//! What a link can be told, and every bound it keeps.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use super::LinkError;

/// Longest delay of one direction.
pub const MAX_DELAY: Duration = Duration::from_secs(10);
/// Slowest rate, in bytes per second: a datagram of 1,500 bytes still passes within seconds.
pub const MIN_RATE: u64 = 500;
/// Loss is given in thousandths of the datagrams.
pub const MAX_LOSS: u16 = 1000;

/// One of the two directions of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From whoever dials the link's address to the target.
    Forward,
    /// From the target back.
    Backward,
}

impl Direction {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Forward, Self::Backward];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forward => "forward",
            Self::Backward => "backward",
        })
    }
}

/// How one direction behaves. The default is a perfect wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DirectionSettings {
    /// Nothing passes, and nobody is told. Datagrams are gone; the bytes of a TCP stream wait, as a sender would
    /// repeat them until the wire is whole again.
    pub cut: bool,
    /// How long everything takes, one way: half of the round trip time. At most [`MAX_DELAY`].
    pub delay: Duration,
    /// Datagrams lost, in thousandths. TCP repairs losses itself, so its streams do not suffer any.
    pub loss_per_mille: u16,
    /// Bytes per second; at least [`MIN_RATE`]. `None`: as fast as the machine.
    pub bytes_per_second: Option<NonZeroU64>,
}

/// How both directions behave.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LinkSettings {
    /// Towards the target.
    pub forward: DirectionSettings,
    /// From the target.
    pub backward: DirectionSettings,
}

impl LinkSettings {
    /// The same in both directions.
    pub fn both(direction: DirectionSettings) -> Self {
        Self { forward: direction, backward: direction }
    }

    /// Cut in both directions.
    pub fn cut() -> Self {
        Self::both(DirectionSettings { cut: true, ..DirectionSettings::default() })
    }

    /// Those of one direction.
    pub fn of(&self, direction: Direction) -> &DirectionSettings {
        match direction {
            Direction::Forward => &self.forward,
            Direction::Backward => &self.backward,
        }
    }

    /// Whether both directions are open: without that no connection comes about.
    pub fn is_whole(&self) -> bool {
        !self.forward.cut && !self.backward.cut
    }

    /// Checks every setting against its bound.
    ///
    /// # Errors
    /// The first setting that is out of bounds, and what would be accepted.
    pub fn check(&self) -> Result<(), LinkError> {
        for direction in Direction::BOTH {
            let settings = self.of(direction);
            if settings.delay > MAX_DELAY {
                let got = format!("{:?}", settings.delay);
                return Err(LinkError::Setting { direction, setting: "delay", got, must_be: "at most 10 s" });
            }
            if settings.loss_per_mille > MAX_LOSS {
                let got = settings.loss_per_mille.to_string();
                return Err(LinkError::Setting { direction, setting: "loss_per_mille", got, must_be: "at most 1000" });
            }
            if let Some(rate) = settings.bytes_per_second.filter(|rate| rate.get() < MIN_RATE) {
                let got = rate.to_string();
                return Err(LinkError::Setting {
                    direction,
                    setting: "bytes_per_second",
                    got,
                    must_be: "at least 500",
                });
            }
        }
        Ok(())
    }
}

/// Every bound of one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkBounds {
    /// UDP senders at a time; datagrams of further ones are dropped.
    pub flows: usize,
    /// A UDP sender that was silent this long is forgotten.
    pub flow_idle: Duration,
    /// TCP connections at a time; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Datagrams, or pieces of one TCP stream, on their way in one direction.
    pub in_flight: usize,
    /// Datagrams that would have to wait longer than this for their turn at the rate limit are dropped.
    pub queue_time: Duration,
}

impl Default for LinkBounds {
    fn default() -> Self {
        Self {
            flows: 64,
            flow_idle: Duration::from_secs(60),
            connections: 64,
            in_flight: 2048,
            queue_time: Duration::from_millis(400),
        }
    }
}
