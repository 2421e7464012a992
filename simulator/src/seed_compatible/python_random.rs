//! The `random` module of CPython, as far as the recorded producer uses it: MT19937 and its own ways of
//! making floats, integers and choices of it, draw for draw.
//!
//! Sources: Matsumoto and Nishimura's mt19937ar.c (2002); CPython's `Modules/_randommodule.c` and `Lib/random.py`.

const STATE_WORDS: usize = 624;
const SHIFT: usize = 397;

/// `random.Random` after `seed(n)`.
pub struct PythonRandom {
    state: [u32; STATE_WORDS],
    next: usize,
}

impl PythonRandom {
    /// `random.seed(seed)`: the seed's 32-bit words, lowest first, are the key of `init_by_array`.
    pub fn new(seed: u64) -> Self {
        let words = [seed as u32, (seed >> 32) as u32];
        let length = if words[1] == 0 { 1 } else { 2 };
        Self { state: init_by_array(&words[..length]), next: STATE_WORDS }
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.random()
    }

    /// `randint(low, high)`; both ends are included, and `low` is not above `high`.
    pub fn randint(&mut self, low: u32, high: u32) -> u32 {
        low + self.below(high - low + 1)
    }

    /// `choice(options)`; there is at least one.
    pub fn choice<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len() as u32) as usize]
    }

    /// `random()`: 53 bits, at least 0 and below 1.
    fn random(&mut self) -> f64 {
        let high = f64::from(self.word() >> 5);
        let low = f64::from(self.word() >> 6);
        (high * 67_108_864.0 + low) / 9_007_199_254_740_992.0
    }

    /// `_randbelow_with_getrandbits(limit)`: draws as many bits as the limit has until they are below it.
    fn below(&mut self, limit: u32) -> u32 {
        loop {
            let bits = self.word() >> limit.leading_zeros();
            if bits < limit {
                return bits;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if self.next == STATE_WORDS {
            self.twist();
        }
        let mut word = self.state[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c_5680;
        word ^= word << 15 & 0xefc6_0000;
        word ^ word >> 18
    }

    fn twist(&mut self) {
        for place in 0..STATE_WORDS {
            let joined =
                self.state[place] & 0x8000_0000 | self.state[(place + 1) % STATE_WORDS] & 0x7fff_ffff;
            let twisted = joined >> 1 ^ if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[place] = self.state[(place + SHIFT) % STATE_WORDS] ^ twisted;
        }
        self.next = 0;
    }
}

fn init_genrand(seed: u32) -> [u32; STATE_WORDS] {
    let mut state = [seed; STATE_WORDS];
    for place in 1..STATE_WORDS {
        let last = state[place - 1];
        state[place] = 1_812_433_253u32.wrapping_mul(last ^ last >> 30).wrapping_add(place as u32);
    }
    state
}

fn init_by_array(key: &[u32]) -> [u32; STATE_WORDS] {
    let mut state = init_genrand(19_650_218);
    let mut place = 1;
    let mixed = |last: u32, factor: u32| (last ^ last >> 30).wrapping_mul(factor);
    for round in 0..STATE_WORDS.max(key.len()) {
        let word = round % key.len();
        state[place] = (state[place] ^ mixed(state[place - 1], 1_664_525))
            .wrapping_add(key[word])
            .wrapping_add(word as u32);
        place = step(&mut state, place);
    }
    for _ in 1..STATE_WORDS {
        state[place] = (state[place] ^ mixed(state[place - 1], 1_566_083_941)).wrapping_sub(place as u32);
        place = step(&mut state, place);
    }
    state[0] = 0x8000_0000;
    state
}

/// The place after `place`, past the end the second, whose predecessor is the last.
fn step(state: &mut [u32; STATE_WORDS], place: usize) -> usize {
    if place + 1 < STATE_WORDS {
        return place + 1;
    }
    state[0] = state[STATE_WORDS - 1];
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Printed by CPython 3.11: after `seed(n)` each time, five `getrandbits(32)`, the 1001st of them, three
    /// `random()`, one `uniform(-0.0005, 0.0005)` after those, then five `randint(30, 60)`, five `randint(0, 100)`
    /// and eight `choice("abcde")`.
    #[test]
    fn draws_are_those_of_cpython() {
        let check = |seed: u64,
                     words: [u32; 5],
                     word_1001: u32,
                     floats: [f64; 4],
                     integers: [u32; 10],
                     choices: &str| {
            let mut random = PythonRandom::new(seed);
            assert_eq!(words.map(|_| random.word()), words, "seed {seed}");
            (5..1000).for_each(|_| _ = random.word());
            assert_eq!(random.word(), word_1001, "seed {seed}");
            let mut random = PythonRandom::new(seed);
            assert_eq!([0; 3].map(|_| random.random()), floats[..3], "seed {seed}");
            assert_eq!(random.uniform(-0.0005, 0.0005), floats[3], "seed {seed}");
            assert_eq!([0; 5].map(|_| random.randint(30, 60)), integers[..5], "seed {seed}");
            assert_eq!([0; 5].map(|_| random.randint(0, 100)), integers[5..], "seed {seed}");
            let chosen: String = (0..8).map(|_| random.choice(&['a', 'b', 'c', 'd', 'e'])).collect();
            assert_eq!(chosen, choices, "seed {seed}");
        };
        check(
            0,
            [3626764237, 1654615998, 3255389356, 3823568514, 1806341205],
            126175447,
            [0.8444218515250481, 0.7579544029403025, 0.420571580830845, -0.00024108324970703663],
            [46, 45, 42, 59, 55, 38, 61, 45, 74, 27],
            "ebcbaece",
        );
        check(
            42,
            [2746317213, 478163327, 107420369, 3184935163, 1181241943],
            2672573305,
            [0.6394267984578837, 0.025010755222666936, 0.27502931836911926, -0.0002767892618511773],
            [53, 33, 51, 53, 58, 69, 11, 75, 54, 4],
            "aabbeeae",
        );
        check(
            (1 << 63) + 12345,
            [1308997459, 1668775168, 912389232, 665509477, 2851980000],
            1862032556,
            [0.30477471939133105, 0.21243216957860434, 0.6640283412362986, -0.0002602164523143177],
            [48, 30, 40, 52, 56, 83, 66, 49, 32, 11],
            "abebbbdc",
        );
    }
}
