//! Reproducible choices: the same seed throws the same dice on every machine and in every release.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// ChaCha8 behind a few choices. The mapping from random words to choices is written out here, because the one in a
/// library may change between its versions and with it the frozen town.
#[derive(Debug, Clone)]
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Dice of their own for one purpose: taking a purpose away leaves the throws of the others as they are, which is
    /// what lets a schedule be shrunk.
    pub(crate) fn of(seed: u64, purpose: &str, number: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("townmesh simulator dice");
        hasher.update(&seed.to_be_bytes());
        hasher.update(&number.to_be_bytes());
        hasher.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// The generator behind the dice, for what wants randomness of its own.
    pub(crate) fn into_rng(self) -> ChaCha8Rng {
        self.0
    }

    /// A number in `0..bound`, for times and lengths.
    pub(crate) fn long(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// One of these; `None` if there are none.
    pub(crate) fn one_of<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        choices.get(self.below(choices.len() as u32) as usize)
    }

    /// A number in `0..bound`; 0 if the bound is 0. Multiply and shift: the bias is below one in four billion.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True in `percent` of a hundred throws.
    pub(crate) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of the texts, each equally likely.
    pub(crate) fn pick(&mut self, texts: &[&'static str]) -> &'static str {
        let place = self.below(texts.len() as u32) as usize;
        texts.get(place).copied().unwrap_or_default()
    }

    /// The index of one of the weights, in proportion to them; the last one if all are 0.
    pub(crate) fn weighted(&mut self, weights: &[u32]) -> usize {
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
    pub(crate) fn serial(&mut self) -> u64 {
        self.0.next_u64()
    }
}
