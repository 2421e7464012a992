//! The proof of the plugin ABI: three stateful guests in the engine give what a row-at-a-time oracle gives, the
//! same rows, dead letters, state and timers, under random cuts, lost instances, failing state and traps. Two
//! broken hosts show that the proof would notice.

mod oracle;
mod sequence;

use millstream_abi_proof::{Chance, Moves, Protocol, Row, Step};
use oracle::{DedupeByStore, DedupeByTimers, Expected, Join, Sessions};
use sequence::Sequence;

const RIGHT: Protocol = Protocol { whole: true, moves_with_rows: true };
const SEEDS: u64 = 60;
/// Row by row, in one piece, and everything at once.
const CHANCES: [Chance; 4] = [
    Chance { cut: 1000, lost: 0, failure: 0 },
    Chance { cut: 0, lost: 0, failure: 0 },
    Chance { cut: 150, lost: 300, failure: 0 },
    Chance { cut: 100, lost: 100, failure: 400 },
];

struct Case {
    guest: &'static str,
    config: &'static str,
    inputs: u32,
    stores: &'static [&'static str],
    oracle: fn(&[Row], Moves) -> Expected,
}

const DEDUPE_BY_TIMERS: Case = Case {
    guest: "dedupe",
    config: "\"timers 17\"",
    inputs: 1,
    stores: &["winners"],
    oracle: |rows, moves| oracle::run(DedupeByTimers { ttl: 17, winners: vec![] }, rows, moves, 1),
};

const DEDUPE_BY_STORE: Case = Case {
    guest: "dedupe",
    config: "\"ttl 20\"",
    inputs: 1,
    stores: &["winners"],
    oracle: |rows, moves| {
        oracle::run(DedupeByStore { ttl: 20_000_000, winners: Default::default() }, rows, moves, 1)
    },
};

const SESSION_WINDOW: Case = Case {
    guest: "session-window",
    config: "9",
    inputs: 1,
    stores: &["open"],
    oracle: |rows, moves| oracle::run(Sessions { gap: 9, open: vec![], stuck: vec![] }, rows, moves, 1),
};

const INTERVAL_JOIN: Case = Case {
    guest: "interval-join",
    config: "8",
    inputs: 2,
    stores: &["a", "b"],
    oracle: |rows, moves| {
        oracle::run(Join { distance: 8, seen: vec![], watermark: i64::MIN }, rows, moves, 2)
    },
};

impl Case {
    fn step(&self) -> Step {
        Step::load(&millstream_guests::wasm(self.guest), self.config, self.inputs).unwrap()
    }

    /// What the guest came to, in the oracle's terms.
    fn actual(
        &self,
        step: &Step,
        sequence: &Sequence,
        seed: u64,
        chance: Chance,
        protocol: Protocol,
    ) -> Expected {
        let mut task = step.run(&sequence.rows, sequence.moves, seed, chance, protocol).unwrap();
        let stores = self.stores.iter().flat_map(|store| {
            task.state(store).unwrap().into_iter().map(move |(key, value)| ((*store, key), integers(&value)))
        });
        let state = stores.collect();
        Expected { state, timers: task.timers().unwrap(), outcome: std::mem::take(&mut task.outcome) }
    }

    fn sequence(&self, seed: u64) -> Sequence {
        let mut sequence = Sequence::random(seed, self.inputs);
        if self.config.contains("ttl") {
            // A store's time to live is in seconds: the same small world, a million times larger.
            sequence.rows.iter_mut().for_each(|row| row.event_time *= 1_000_000);
            sequence.moves.delay *= 1_000_000;
            sequence.moves.grid *= 1_000_000;
        }
        sequence
    }
}

fn integers(value: &[u8]) -> Vec<i64> {
    value.as_chunks::<8>().0.iter().map(|word| i64::from_le_bytes(*word)).collect()
}

/// The right host agrees with the oracle for every seed and chance.
fn check(case: &Case) {
    let step = case.step();
    for seed in 0..SEEDS {
        let sequence = case.sequence(seed);
        let expected = (case.oracle)(&sequence.rows, sequence.moves);
        for chance in CHANCES {
            let actual = case.actual(&step, &sequence, seed, chance, RIGHT);
            assert_eq!(actual, expected, "{} {}: seed {seed}, {chance:?}", case.guest, case.config);
        }
    }
}

/// A host without one of its rules is noticed.
fn check_noticed(case: &Case, broken: Protocol) {
    let step = case.step();
    let noticed = (0..SEEDS).any(|seed| {
        let sequence = case.sequence(seed);
        let expected = (case.oracle)(&sequence.rows, sequence.moves);
        CHANCES.iter().any(|chance| case.actual(&step, &sequence, seed, *chance, broken) != expected)
    });
    assert!(noticed, "{} {}: {broken:?} passes", case.guest, case.config);
}

/// So that agreement cannot come from nothing happening.
fn check_covers(case: &Case, what: &str, happened: fn(&Expected) -> bool) {
    let covered = (0..SEEDS).any(|seed| {
        let sequence = case.sequence(seed);
        happened(&(case.oracle)(&sequence.rows, sequence.moves))
    });
    assert!(covered, "{} {}: no sequence has {what}", case.guest, case.config);
}

#[test]
fn first_row_of_each_key_wins_until_a_timer_expires_it() {
    check(&DEDUPE_BY_TIMERS);
    check_covers(&DEDUPE_BY_TIMERS, "trapped rows", |e| e.outcome.dead.iter().any(|d| d.reason == "trapped"));
}

#[test]
fn first_row_of_each_key_wins_until_the_store_expires_it() {
    check(&DEDUPE_BY_STORE);
}

#[test]
fn sessions_close_once_when_the_watermark_passes_their_end() {
    check(&SESSION_WINDOW);
    check_covers(&SESSION_WINDOW, "sessions", |e| e.outcome.emitted.len() > 3);
    check_covers(&SESSION_WINDOW, "late rows", |e| e.outcome.dead.iter().any(|d| d.reason == "late"));
    check_covers(&SESSION_WINDOW, "guilty timers", |e| {
        e.outcome.dead.iter().any(|d| d.reason == "unlucky sum")
    });
}

#[test]
fn each_pair_of_rows_within_the_distance_leaves_once() {
    check(&INTERVAL_JOIN);
    check_covers(&INTERVAL_JOIN, "pairs", |e| e.outcome.emitted.len() > 3);
}

#[test]
fn half_a_commit_would_be_noticed() {
    for case in [DEDUPE_BY_TIMERS, DEDUPE_BY_STORE, SESSION_WINDOW, INTERVAL_JOIN] {
        check_noticed(&case, Protocol { whole: false, ..RIGHT });
    }
}

#[test]
fn a_watermark_that_follows_the_cuts_would_be_noticed() {
    for case in [DEDUPE_BY_TIMERS, DEDUPE_BY_STORE, SESSION_WINDOW, INTERVAL_JOIN] {
        check_noticed(&case, Protocol { moves_with_rows: false, ..RIGHT });
    }
}

#[test]
fn old_values_become_new_ones_whatever_the_batches() {
    let entries = [("a", "17"), ("b", "-"), ("", "-3")].map(|(k, v)| (k.into(), v.into()));
    let expected: Vec<Option<Vec<u8>>> =
        vec![Some(17i64.to_le_bytes().into()), None, Some((-3i64).to_le_bytes().into())];
    let mut instance = DEDUPE_BY_TIMERS.step().keyed().instance();
    for batch in 1..=3 {
        let parts = entries.chunks(batch).map(|part| instance.migrate("winners", 1, part).unwrap());
        assert_eq!(parts.collect::<Vec<_>>().concat(), expected);
    }
}

#[test]
fn values_that_cannot_be_migrated_refuse_the_swap() {
    let check = |case: &Case, from_version, expected: &str| {
        let entries = [(b"a".to_vec(), b"seventeen".to_vec())];
        let refused = case.step().keyed().instance().migrate("winners", from_version, &entries);
        assert_eq!(refused.unwrap_err().to_string(), expected);
    };
    let refuses = "plugin `dedupe` refuses to migrate store `winners` from version";
    check(&DEDUPE_BY_TIMERS, 1, &format!("{refuses} 1: bad winner `seventeen`"));
    check(&DEDUPE_BY_TIMERS, 0, &format!("{refuses} 0: cannot read version 0 of store `winners`"));
    let cannot = "plugin `session_window` cannot migrate: it does not export `migrate` of \
                  `millstream:plugin/migration@0.1.0`, migrating store `winners` from version 1";
    check(&SESSION_WINDOW, 1, cannot);
}
