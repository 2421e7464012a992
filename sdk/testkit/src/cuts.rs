//! Random cuts: what a case gives once more, its rows cut into batches of random sizes and its timers into small calls,
//! most of which meet an instance that has seen other rows before and some a fresh one. A plugin may be thrown away at
//! any call, so nothing may change.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::difference::{Difference, differences, state_differences};
use crate::expected::Expected;
use crate::instance::{Configured, Ended};
use crate::logs::captured;
use crate::messages::{Prepared, Unit};
use crate::verdict::CutDifference;

/// Fresh instances of one cut, besides the first: some plugins take long to start.
const FRESH_MAX: usize = 2;
/// Most timers of a call in a cut that cuts them.
const TIMERS_MAX: usize = 4;
/// Time that the cuts of a case take if nobody says otherwise: a row that loops costs its deadlines in each.
const WITHIN: Duration = Duration::from_secs(20);

/// How often a case is cut, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// How often.
    pub times: u32,
    /// The same seed cuts alike.
    pub seed: u64,
    /// None begins when the case, whole and in cuts, has taken that long; none: as long as they take.
    pub within: Option<Duration>,
}

impl Default for Cuts {
    /// 16 times, with another seed each time, one that can be typed; fewer if they take more than 20 s.
    fn default() -> Self {
        let seed = u64::from(RandomState::new().build_hasher().finish() as u32);
        Self { times: 16, seed, within: Some(WITHIN) }
    }
}

/// One way to cut what a case gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Batches and moves, and whether each meets a fresh instance.
    pub(crate) units: Vec<(Unit, bool)>,
    /// Timers of a call; none: as many as the engine likes.
    pub(crate) timers_per_call: Option<usize>,
}

impl Cut {
    /// No cut at all.
    pub(crate) fn whole(prepared: &Prepared) -> Self {
        let units = prepared.units.iter().map(|unit| (unit.clone(), false));
        Self { units: units.collect(), timers_per_call: None }
    }

    /// Sizes are of one order of magnitude within a cut, and of any among many cuts.
    fn random(random: &mut StdRng, prepared: &Prepared) -> Self {
        let rows = prepared.units.iter().map(Unit::rows).max().unwrap_or_default().max(1);
        let most = 1_usize << random.random_range(0..=rows.ilog2());
        let has_moves = prepared.units.iter().any(|unit| matches!(unit, Unit::Move { .. }));
        let timers_per_call = has_moves.then(|| random.random_range(1..=TIMERS_MAX));
        let parts: Vec<Unit> = prepared.units.iter().flat_map(|unit| unit.cut(random, most)).collect();
        let mut fresh = 0;
        let units = parts.into_iter().map(|unit| {
            let is_fresh = fresh < FRESH_MAX && random.random_bool(0.25);
            fresh += usize::from(is_fresh);
            (unit, is_fresh)
        });
        Self { units: units.collect(), timers_per_call }
    }
}

impl Unit {
    fn rows(&self) -> usize {
        match self {
            Self::Rows { rows, .. } => rows.len(),
            Self::Move { .. } => 0,
        }
    }

    /// Batches of at most so many rows; a move stays as it is.
    fn cut(&self, random: &mut StdRng, most: usize) -> Vec<Self> {
        let Self::Rows { input, rows } = self else { return vec![self.clone()] };
        let (mut parts, mut begin) = (Vec::new(), rows.start);
        while begin < rows.end {
            let end = rows.end.min(begin + random.random_range(1..=most));
            parts.push(Self::Rows { input: *input, rows: begin..end });
            begin = end;
        }
        parts
    }
}

/// What came of the cuts of a case.
#[derive(Debug)]
pub(crate) struct Tried {
    /// The first cut that comes to something else than the whole.
    pub(crate) difference: Option<CutDifference>,
    /// Cuts that were not begun, since there was no time.
    pub(crate) left_out: u32,
}

/// Cuts a case until one comes to something else than `whole` did, which began at `began`.
pub(crate) fn try_cuts(
    configured: &Configured,
    prepared: &Prepared,
    (whole, began): (&Ended, Instant),
    (cuts, case): (Cuts, &str),
) -> Tried {
    let mut instance = configured.instance();
    let is_one_call = prepared.units.len() == 1 && prepared.units[0].rows() <= 1;
    let times = if is_one_call { 0 } else { cuts.times };
    for number in 0..times {
        if cuts.within.is_some_and(|within| began.elapsed() >= within) {
            return Tried { difference: None, left_out: times - number };
        }
        let cut = Cut::random(&mut random(cuts.seed, case, number), prepared);
        // One that the run before opened would reject all that this cut gives.
        configured.close_circuit();
        // What it logs is what it logged in the whole.
        let (found, _) = captured(|| configured.run(&mut instance, prepared, &cut));
        let differences = match found {
            Ok(found) => differ(whole, &found),
            Err(stopped) => vec![Difference::stopped(&stopped.reason)],
        };
        if !differences.is_empty() {
            let difference = CutDifference {
                seed: cuts.seed,
                batches: cut.units.iter().map(|(unit, is_fresh)| (unit.rows(), *is_fresh)).collect(),
                timers_per_call: cut.timers_per_call,
                differences,
            };
            return Tried { difference: Some(difference), left_out: 0 };
        }
    }
    Tried { difference: None, left_out: 0 }
}

fn differ(whole: &Ended, found: &Ended) -> Vec<Difference> {
    let Expected::Rows(expected) = Expected::exactly(&whole.outcomes) else { return Vec::new() };
    let mut differences = differences(&expected, &found.outcomes);
    differences.extend(state_differences(&whole.state, &found.state));
    differences
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn prepared(rows: usize) -> Prepared {
        let units = vec![
            Unit::Rows { input: 0, rows: 0..rows },
            Unit::Move { line: 50, micros: 7 },
            Unit::Rows { input: 1, rows: 0..3 },
        ];
        Prepared { inputs: Vec::new(), units, undecoded: Vec::new(), texts: BTreeMap::new() }
    }

    #[test]
    fn a_cut_covers_every_row_once_in_order_and_is_the_same_for_a_seed() {
        for number in 0..200 {
            let prepared = prepared(1 + number as usize % 40);
            let cut = Cut::random(&mut random(7, "case", number), &prepared);
            assert_eq!(cut, Cut::random(&mut random(7, "case", number), &prepared));
            let each_row = |units: &mut dyn Iterator<Item = &Unit>| {
                let rows = units.flat_map(|unit| match unit {
                    Unit::Rows { input, rows } => rows.clone().map(|row| (*input, Some(row))).collect(),
                    Unit::Move { .. } => vec![(0, None)],
                });
                rows.collect::<Vec<_>>()
            };
            let units = &mut cut.units.iter().map(|(unit, _)| unit);
            assert_eq!(each_row(units), each_row(&mut prepared.units.iter()));
            assert!(cut.units.iter().all(|(unit, _)| unit.rows() > 0 || matches!(unit, Unit::Move { .. })));
        }
        let cut = |case| Cut::random(&mut random(7, case, 0), &prepared(40));
        assert_ne!(cut("a"), cut("b"));
    }
}
