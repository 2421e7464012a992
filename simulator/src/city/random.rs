//! Seeded randomness whose values stay the same between versions of this program and of its libraries.
//!
//! The generator is xoshiro256++, which is specified bit by bit; the distributions are written here, because
//! those of `rand` may change. Each part of the city draws from a stream of its own, so that one part can be
//! switched off without changing what happens to the others.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{RngCore, SeedableRng};

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Random {
    generator: Xoshiro256PlusPlus,
    /// The second value of the last pair of normal deviates.
    spare_normal: Option<f64>,
}

impl Random {
    /// The stream that a city with this seed uses for one purpose; other purposes, independent streams.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let state = purpose.bytes().fold(mix(seed), |state, byte| mix(state ^ u64::from(byte)));
        Self { generator: Xoshiro256PlusPlus::seed_from_u64(state), spare_normal: None }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.generator.next_u64()
    }

    /// Uniform in [0, 1), with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform in 0..count, which is above 0; the bias is below count / 2^32.
    pub fn below(&mut self, count: u32) -> u32 {
        (((self.bits() >> 32) * u64::from(count)) >> 32) as u32
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// The waiting time of a Poisson process with this mean, in the mean's unit.
    pub fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// A standard normal deviate (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * self.unit()).sin_cos();
        self.spare_normal = Some(radius * sine);
        radius * cosine
    }

    /// An element drawn with the weight that stands with it; weights are above 0 and the slice is not empty.
    pub fn weighted<'a, T>(&mut self, choices: &'a [(u32, T)]) -> &'a T {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, choice) in choices {
            if left < *weight {
                return choice;
            }
            left -= weight;
        }
        &choices[choices.len() - 1].1
    }
}

/// The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection whose every output bit depends
/// on every input bit.
pub fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values a saved seed has always given; a change here changes every recorded run.
    #[test]
    fn a_seed_keeps_its_values() {
        let mut random = Random::new(42, "vehicles");
        let values = [random.bits(), random.bits(), random.bits()];
        assert_eq!(values, KNOWN, "{values:?}");
        assert_ne!(Random::new(42, "weather").bits(), KNOWN[0]);
        assert_ne!(Random::new(43, "vehicles").bits(), KNOWN[0]);
    }

    const KNOWN: [u64; 3] =
        [8_114_844_163_448_439_019, 14_296_479_435_043_333_258, 6_406_661_902_714_971_723];

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Random::new(1, "moments");
        const DRAWS: usize = 200_000;
        let mut check = |name: &str, draw: fn(&mut Random) -> f64, mean: f64, variance: f64| {
            let values: Vec<f64> = (0..DRAWS).map(|_| draw(&mut random)).collect();
            let found = values.iter().sum::<f64>() / DRAWS as f64;
            let spread = values.iter().map(|value| (value - found).powi(2)).sum::<f64>() / DRAWS as f64;
            assert!((found - mean).abs() < 5.0 * (variance / DRAWS as f64).sqrt(), "{name}: mean {found}");
            assert!((spread / variance - 1.0).abs() < 0.05, "{name}: variance {spread}");
        };
        check("unit", Random::unit, 0.5, 1.0 / 12.0);
        check("between", |random| random.between(-2.0, 4.0), 1.0, 3.0);
        check("below", |random| f64::from(random.below(10)), 4.5, 8.25);
        check("exponential", |random| random.exponential(3.0), 3.0, 9.0);
        check("normal", Random::normal, 0.0, 1.0);
        check("weighted", |random| *random.weighted(&[(3, 0.0), (1, 1.0)]), 0.25, 0.1875);
    }
}
