//! The world: decides by a seeded generator who acts next and what goes wrong, performs requests on
//! the store, and calls the observer. Nothing in it depends on anything but the seed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream_log::invariants::{self, Violation};
use millstream_log::{Action, Event, Halt, Rules, Step};
use millstream_model::Digest;
use millstream_model::entry::Sequence;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::reader::Reading;
use crate::source::Source;
use crate::store::Store;
use crate::truth::Truth;
use crate::worker::{Held, Worker};

pub const WORKERS: usize = 3;
pub const TICKS: u64 = 1800;

/// How a run failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Violated(#[from] Violation),
    #[error("a worker stopped although nobody had tampered with the log: {0}")]
    Halted(Halt),
}

/// What happened in a run: proof that it was worth something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened(pub BTreeMap<&'static str, u64>);

impl Happened {
    pub fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

pub struct World {
    pub rng: StdRng,
    pub rules: Rules,
    pub now: u64,
    pub store: Store,
    pub source: Source,
    pub reading: Option<Reading>,
    pub truth: Truth,
    pub workers: Vec<Worker>,
    pub instances: u32,
    pub owners: BTreeMap<usize, BTreeSet<i32>>,
    /// Working stores that survive a kill, by worker name.
    pub disks: BTreeMap<usize, BTreeMap<i32, Held>>,
    /// All entry bytes ever offered, by digest.
    pub offered: BTreeMap<Digest, Bytes>,
    pub tamper_at: Option<u64>,
    pub tampered: bool,
    pub trace: Vec<String>,
    pub happened: Happened,
}

impl World {
    pub fn new(seed: u64, rules: Rules) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let tamper_at = rng.random_bool(0.15).then(|| rng.random_range(TICKS / 3..TICKS * 2 / 3));
        let mut world = Self {
            rng,
            rules,
            now: 0,
            store: Store::default(),
            source: Source::new(),
            reading: None,
            truth: Truth::new(rules),
            workers: Vec::new(),
            instances: 0,
            owners: BTreeMap::new(),
            disks: BTreeMap::new(),
            offered: BTreeMap::new(),
            tamper_at,
            tampered: false,
            trace: Vec::new(),
            happened: Happened::default(),
        };
        (0..WORKERS).for_each(|name| world.spawn(name));
        world.rebalance();
        world
    }

    /// Runs to the end, or to the first failure.
    pub fn run(&mut self) -> Result<(), Failure> {
        while self.now < TICKS {
            self.now += 1;
            self.happen();
            self.land_due()?;
            self.read_on()?;
            let awake: Vec<usize> = (0..self.workers.len())
                .filter(|w| self.workers[*w].paused_until <= self.now && !self.workers[*w].halted)
                .collect();
            if !awake.is_empty() {
                let chosen = awake[self.rng.random_range(0..awake.len())];
                self.step(chosen)?;
            }
        }
        if !self.tampered {
            self.truth.check_files(&self.store, self.now)?;
            self.truth.check_all_versions()?;
        }
        Ok(())
    }

    fn land_due(&mut self) -> Result<(), Failure> {
        for late in self.store.take_due(self.now) {
            if self.create(late.kind, late.sequence, &late.bytes)? {
                self.log(format!("a late create lands at {}", late.sequence));
                self.happened.count("late create");
            }
        }
        Ok(())
    }

    /// One step of one worker: the request it is waiting for, or the next thing it wants.
    fn step(&mut self, w: usize) -> Result<(), Failure> {
        let Some(action) = self.workers[w].asked.take() else {
            let step = self.decide(w);
            return step.map_or(Ok(()), |step| self.follow(w, step));
        };
        match self.perform(&action)? {
            None => {
                self.workers[w].asked = Some(action);
                Ok(())
            }
            Some(event) => {
                let unanswered = event == Event::NotCreated;
                let before =
                    (self.workers[w].machine.state().sequence(), self.workers[w].machine.state().digest());
                let step = self.workers[w].machine.handle(event);
                if !matches!(action, Action::GetSnapshot(_)) {
                    self.check_chain(w, before)?;
                }
                self.follow(w, step)?;
                if unanswered && self.rng.random_bool(0.03) {
                    self.partition_network(w);
                }
                Ok(())
            }
        }
    }

    fn follow(&mut self, w: usize, step: Step) -> Result<(), Failure> {
        match step {
            Step::Do(action) => {
                if let Action::Create { bytes, .. } = &action {
                    self.offered.insert(Digest::of(bytes), bytes.clone());
                }
                self.workers[w].asked = Some(action);
                Ok(())
            }
            Step::Done(outcome) => self.finish(w, outcome),
        }
    }

    /// What a worker folded must continue what it had folded before.
    fn check_chain(&self, w: usize, before: (Sequence, Option<Digest>)) -> Result<(), Failure> {
        let state = self.workers[w].machine.state();
        let (Some(last), Some(next)) = (before.1, state.digest()) else { return Ok(()) };
        if state.sequence() != before.0 + 1 {
            return Ok(());
        }
        match (self.offered.get(&last), self.offered.get(&next)) {
            (Some(last), Some(next)) => Ok(invariants::chain_is_unbroken(&[last, next])?),
            _ => Ok(()),
        }
    }

    pub fn log(&mut self, line: String) {
        self.trace.push(format!("{:>5} {line}", self.now));
    }
}
