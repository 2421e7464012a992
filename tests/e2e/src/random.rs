//! Numbers decided by a seed and a round, the same on every machine.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore as _, SeedableRng as _};

/// A sequence of numbers.
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    /// The sequence of `round` under `seed`.
    pub fn of(seed: u64, round: u64) -> Self {
        // Weyl's increment keeps the rounds of neighbouring seeds apart.
        Self(Xoshiro256PlusPlus::seed_from_u64(seed ^ (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number from `low` up to and including `high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.0.next_u64() % (high - low + 1)
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.between(1, times) == 1
    }

    /// One of `choices`, which are not none.
    pub fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.between(0, choices.len() as u64 - 1) as usize]
    }
}
