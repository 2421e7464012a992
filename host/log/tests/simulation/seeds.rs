//! Runs of many seeds on all cores, and what they come to. A seed gives the same run wherever it runs.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use millstream_log::Rules;

use crate::world::{Failure, World};

/// What counts as a fault; the rest of what happened is ordinary work.
const FAULTS: [&str; 10] = [
    "kill",
    "zombie",
    "late create",
    "lost reply",
    "conflict with nothing there",
    "put at a truncated slot",
    "retention",
    "wrong cluster",
    "backup",
    "topic created again",
];
/// Lines of a trace that are shown when its seed fails.
const TAIL: usize = 80;

/// Sums over seeds in which nothing was found.
#[derive(Debug, Default)]
pub struct Total {
    pub seeds: u64,
    /// Entries accepted.
    pub entries: u64,
    pub happened: BTreeMap<&'static str, u64>,
}

/// Rows are compared with what the accepted entries make after each entry, so one that is lost or doubled fails
/// its seed, and there are none in a total.
impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, entries, happened } = self;
        let faults: u64 = FAULTS.iter().filter_map(|fault| happened.get(fault)).sum();
        write!(
            f,
            "simulation: {seeds} seeds, {entries} entries, {faults} faults injected, 0 records lost, 0 records doubled"
        )
    }
}

impl Total {
    fn add(&mut self, world: World) {
        self.seeds += 1;
        self.entries += world.truth.accepted.len() as u64;
        for (what, count) in world.happened.0 {
            *self.happened.entry(what).or_default() += count;
        }
    }
}

/// Runs one seed.
pub fn run(seed: u64, rules: Rules) -> (World, Result<(), Failure>) {
    let mut world = World::new(seed, rules);
    let result = world.run();
    (world, result)
}

/// Runs the seeds with all rules. A failure is told with its seed and the end of the trace.
pub fn run_all(seeds: Range<u64>) -> Result<Total, String> {
    let next = AtomicU64::new(seeds.start);
    let outcome = Mutex::new(Ok(Total::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let (world, result) = run(seed, Rules::all());
            let mut outcome = outcome.lock().expect("no thread panics with the lock");
            match (result, &mut *outcome) {
                (Ok(()), Ok(total)) => total.add(world),
                (Err(failure), Ok(_)) => {
                    *outcome = Err(told(seed, &failure, &world));
                    next.store(seeds.end, Ordering::Relaxed);
                }
                (_, Err(_)) => return,
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    outcome.into_inner().expect("no thread panics with the lock")
}

fn told(seed: u64, failure: &Failure, world: &World) -> String {
    let tail = world.trace.len().saturating_sub(TAIL);
    let trace = world.trace[tail..].join("\n");
    format!("{trace}\nseed {seed} failed: {failure}\nSEED={seed} SEEDS=1 make sim runs it again")
}
