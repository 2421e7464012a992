//! Seeded sequences of rows: duplicates, out of order, late, poisoned, without key.

use millstream_abi_proof::{Moves, Row};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Event times are microseconds, but small: the smaller the world, the more often things collide.
pub const SPAN: i64 = 40;

/// The rows of one run and the moves of its watermark.
pub struct Sequence {
    pub rows: Vec<Row>,
    pub moves: Moves,
}

impl Sequence {
    pub fn random(seed: u64, inputs: u32) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let moves = Moves {
            delay: random.random_range(0..30),
            grid: random.random_range(1..25),
            rows_between: random.random_range(1..6),
        };
        let (mut input, mut now, mut offsets) = (0, 0, vec![0; inputs as usize]);
        let rows = (0..random.random_range(1..200)).map(|_| {
            if random.random_ratio(1, 4) {
                input = random.random_range(0..inputs);
            }
            now += random.random_range(0..6) * random.random_range(0..3);
            offsets[input as usize] += random.random_range(1..3);
            row(&mut random, input, offsets[input as usize], now)
        });
        Self { rows: rows.collect(), moves }
    }
}

fn row(random: &mut StdRng, input: u32, offset: u64, now: i64) -> Row {
    let text = |choice: usize| ["", "a", "ab", "b"][choice].to_owned();
    Row {
        input,
        offset,
        event_time: now - random.random_range(0..SPAN),
        region: (!random.random_ratio(1, 20)).then(|| text(random.random_range(0..4))),
        key: Some(text(random.random_range(0..4))),
        amount: if random.random_ratio(1, 25) { i64::MIN } else { random.random_range(0..9) },
    }
}
