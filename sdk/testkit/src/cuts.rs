//! Random cuts: the rows of a case once more, cut into batches of random sizes, most of which meet an instance that has
//! seen other rows before and some a fresh one. A plugin may be thrown away at any batch, so nothing may change.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::Range;

use millstream_engine::{Step, StepInstance};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::difference::differences;
use crate::expected::Expected;
use crate::messages::Prepared;
use crate::outcome::Outcome;
use crate::plugin::outcomes;
use crate::verdict::CutDifference;

/// Fresh instances of one cut, besides the first: some plugins take long to start.
const FRESH_MAX: usize = 2;

/// How often a case is cut, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// How often.
    pub times: u32,
    /// The same seed cuts alike.
    pub seed: u64,
}

impl Default for Cuts {
    /// 16 times, with another seed each time; one that can be typed.
    fn default() -> Self {
        Self { times: 16, seed: u64::from(RandomState::new().build_hasher().finish() as u32) }
    }
}

/// The batches of one cut: the rows of each, and whether it meets a fresh instance.
type Batches = Vec<(Range<usize>, bool)>;

/// The first cut whose outcomes differ from those of one batch.
pub(crate) fn first_difference(
    step: &Step,
    prepared: &Prepared,
    whole: &[Outcome],
    (cuts, case): (Cuts, &str),
) -> Option<CutDifference> {
    let Expected::Rows(expected) = Expected::exactly(whole) else { return None };
    let rows = prepared.rows.num_rows();
    let mut instance = step.instance();
    let times = if rows > 1 { cuts.times } else { 0 };
    (0..times).find_map(|number| {
        let batches = batches(&mut random(cuts.seed, case, number), rows);
        let found = process(step, &mut instance, prepared, &batches);
        let differences = differences(&expected, &found);
        (!differences.is_empty()).then(|| CutDifference {
            seed: cuts.seed,
            batches: batches.iter().map(|(rows, is_fresh)| (rows.len(), *is_fresh)).collect(),
            differences,
        })
    })
}

fn process(step: &Step, instance: &mut StepInstance, prepared: &Prepared, batches: &Batches) -> Vec<Outcome> {
    let outputs = batches.iter().map(|(rows, is_fresh)| {
        if *is_fresh {
            *instance = step.instance();
        }
        instance.process(&prepared.rows.slice(rows.start, rows.len()))
    });
    outcomes(step, prepared, &outputs.collect::<Vec<_>>())
}

/// Cases are cut independently of one another, so that one alone is cut as it was among all.
fn random(seed: u64, case: &str, number: u32) -> StdRng {
    // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): the same in every build.
    let bytes = case.bytes().chain(number.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    StdRng::seed_from_u64(seed ^ hash)
}

/// Sizes are of one order of magnitude within a cut, and of any among many cuts.
fn batches(random: &mut StdRng, rows: usize) -> Batches {
    let most = 1_usize << random.random_range(0..=rows.ilog2());
    let (mut batches, mut begin, mut fresh) = (Batches::new(), 0, 0);
    while begin < rows {
        let end = rows.min(begin + random.random_range(1..=most));
        let is_fresh = fresh < FRESH_MAX && random.random_bool(0.25);
        fresh += usize::from(is_fresh);
        batches.push((begin..end, is_fresh));
        begin = end;
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_covers_every_row_once_and_is_the_same_for_a_seed() {
        for number in 0..200 {
            let rows = 1 + number as usize % 40;
            let cut = batches(&mut random(7, "case", number), rows);
            assert_eq!(cut, batches(&mut random(7, "case", number), rows));
            let covered: Vec<_> = cut.iter().flat_map(|(rows, _)| rows.clone()).collect();
            assert_eq!(covered, (0..rows).collect::<Vec<_>>());
            assert!(cut.iter().all(|(rows, _)| !rows.is_empty()));
        }
        assert_ne!(batches(&mut random(7, "a", 0), 40), batches(&mut random(7, "b", 0), 40));
    }
}
