//! Reproducible choices: the same seed throws the same dice on every machine and in every release.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// ChaCha8 behind a few choices. The mapping from random words to choices is written out here, because the one in a
/// library may change between its versions and with it the frozen town.
#[derive(Debug, Clone)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number in `0..bound`; 0 if the bound is 0. Multiply and shift: the bias is below one in four billion.
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True in `percent` of a hundred throws.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of the texts, each equally likely.
    pub(super) fn pick(&mut self, texts: &[&'static str]) -> &'static str {
        let place = self.below(texts.len() as u32) as usize;
        texts.get(place).copied().unwrap_or_default()
    }

    /// The index of one of the weights, in proportion to them; the last one if all are 0.
    pub(super) fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut throw = self.below(weights.iter().sum());
        for (index, weight) in weights.iter().enumerate() {
            if throw < *weight {
                return index;
            }
            throw -= weight;
        }
        weights.len().saturating_sub(1)
    }

    /// 64 random bits, such as a serial number.
    pub(super) fn serial(&mut self) -> u64 {
        self.0.next_u64()
    }
}
