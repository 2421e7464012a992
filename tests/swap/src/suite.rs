//! The loop of the suite: one change after the other while messages flow, each waited for until the log desires
//! it; at last everything is committed, and the rows are judged.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use millstream_model::Digest;
use millstream_model::entry::Sequence;
use millstream_tests::{Command, Kafka};

use crate::holds::Holds;
use crate::ledger::{Ledger, STEP, STREAM};
use crate::plan::{Kill, Moment, Swap, WORKERS, Way, Writing};
use crate::producer::{PARTITIONS, Producer, Sent};
use crate::tally::Tally;
use crate::verdict::Verdict;
use crate::versions::Versions;
use crate::worker::{TOPIC, Worker};

/// Longest time that a change takes, kills and restarts included.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest time that the last messages take.
const PATIENCE_AT_END: Duration = Duration::from_secs(300);
/// Time after which a request is made again that came to nothing.
const AGAIN: Duration = Duration::from_secs(3);
/// Time between two looks.
const GLANCE: Duration = Duration::from_millis(10);
/// Changes between two lines about how it goes.
const LINE_EVERY: u64 = 50;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the changes.
    pub seed: u64,
    /// Changes.
    pub swaps: u64,
    /// Further changes, in each of which a worker is killed.
    pub kills: u64,
    /// Messages a second.
    pub rate: u64,
    /// Where logs and lake of a failed run are kept.
    pub keep: PathBuf,
}

/// Runs the suite; tells `say` how it goes.
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> anyhow::Result<Tally> {
    // Builds what is not up to date, before anything waits for it.
    Command::millstream(["--version"]).succeed();
    let folder = tempfile::tempdir().context("no temporary folder")?;
    let kafka = Kafka::start(&folder.path().join("kafka"));
    kafka.topic(TOPIC, PARTITIONS as u32);
    let mut suite = Suite::new(&kafka.brokers, folder.path())?;
    let result = suite.run(options, &kafka.brokers, say);
    match &result {
        Ok(tally) if tally.is_good() => {}
        _ => suite.keep(&options.keep, say),
    }
    result
}

struct Suite {
    lake: PathBuf,
    ledger: Ledger,
    versions: Versions,
    /// Versions that the log desired, in their order.
    history: Vec<Digest>,
    workers: Vec<Worker>,
}

impl Suite {
    fn new(brokers: &str, folder: &Path) -> anyhow::Result<Self> {
        let lake = folder.join("lake");
        std::fs::create_dir(&lake)?;
        let mut versions = Versions::new()?;
        let (first, bytes) = versions.make();
        let workers = (0..WORKERS).map(|number| Worker::new(number, brokers, &lake, &bytes));
        let (workers, ledger) = (workers.collect(), Ledger::open(&lake)?);
        Ok(Self { lake, ledger, versions, history: vec![first], workers })
    }

    fn run(&mut self, options: &Options, brokers: &str, say: &mut dyn FnMut(&str)) -> anyhow::Result<Tally> {
        let mut tally = Tally { seed: options.seed, ..Tally::default() };
        self.workers.iter_mut().for_each(Worker::start);
        let producer = Producer::start(brokers, TOPIC, options.rate)?;
        self.wait(PATIENCE, "nothing was committed", |suite| Ok(suite.ledger.committed()? > 0))?;
        let began = Instant::now();
        for number in 0..options.swaps + options.kills {
            let swap = Swap::of(options.seed, number, number >= options.swaps);
            std::thread::sleep(Duration::from_millis(swap.pause_ms));
            producer.check()?;
            self.swap(&swap).with_context(|| swap.to_string())?;
            *tally.swaps.entry(swap.way.name()).or_default() += 1;
            tally.kills += u64::from(swap.kill.is_some());
            if (number + 1) % LINE_EVERY == 0 {
                let seconds = began.elapsed().as_secs_f64();
                say(&format!("{} changes in {seconds:.0} s", number + 1));
            }
        }
        let Sent { messages, took } = producer.stop()?;
        tally.rate = (messages as f64 / took.as_secs_f64()) as u64;
        self.wait(PATIENCE_AT_END, "not everything is committed", |suite| {
            Ok(suite.ledger.committed()? == messages)
        })?;
        let holds: Vec<Holds> = self.workers.iter_mut().map(Worker::finish).collect::<anyhow::Result<_>>()?;
        holds.iter().for_each(|holds| tally.holds.add(holds));
        let files = self.workers[0].files_of(&format!("curated.{STREAM}"));
        tally.verdict = Verdict::of(&files, messages, &self.ledger.spans()?, &self.versions)?;
        Ok(tally)
    }

    /// Brings a change about, and waits until the log desires it and all workers are up.
    fn swap(&mut self, swap: &Swap) -> anyhow::Result<()> {
        let before = self.ledger.desired()?.context("the log desires nothing")?;
        let wish = self.wish(swap, before)?;
        let mut blow = swap.kill.map(|kill| Blow::of(kill, swap));
        if let Some(blow) = &blow {
            let victim = &mut self.workers[blow.victim];
            victim.note_holds();
            // What it said before does not count.
            victim.has_said("");
        }
        wish.make(&self.workers[swap.worker])?;
        let (start, mut asked) = (Instant::now(), Instant::now());
        loop {
            if let Some(blow) = &mut blow {
                blow.strike(&mut self.workers, start.elapsed())?;
            }
            for (number, worker) in self.workers.iter_mut().enumerate() {
                if !blow.as_ref().is_some_and(|blow| blow.is_down(number)) {
                    worker.process()?;
                }
            }
            let desired = self.ledger.desired()?.context("the log desires nothing")?;
            let is_done = desired.1 > before.1;
            if is_done && blow.as_mut().is_none_or(Blow::is_over) {
                wish.check(desired.0)?;
                self.history.push(desired.0);
                return Ok(());
            }
            if !is_done && asked.elapsed() >= AGAIN && wish.can_be_made_again() {
                wish.make(&self.workers[swap.worker])?;
                asked = Instant::now();
            }
            ensure!(start.elapsed() < PATIENCE, "the log does not desire {wish:?} after {PATIENCE:?}");
            std::thread::sleep(GLANCE);
        }
    }

    fn wish(&mut self, swap: &Swap, before: (Digest, Sequence)) -> anyhow::Result<Wish> {
        let others = self.history.iter().rev().filter(|version| **version != before.0);
        let others: Vec<_> = others.copied().collect();
        Ok(match swap.way {
            Way::Promote { back } if !others.is_empty() => Wish::Promote(others[(back - 1) % others.len()]),
            Way::RollBack if self.ledger.look()?.versions(STREAM, STEP).len() > 1 => Wish::RollBack(before.0),
            Way::DropIn(writing) => self.drop_in(writing),
            _ => self.drop_in(Writing::Renamed),
        })
    }

    fn drop_in(&mut self, writing: Writing) -> Wish {
        let (version, bytes) = self.versions.make();
        Wish::DropIn { version, bytes, writing }
    }

    fn wait(
        &mut self,
        patience: Duration,
        otherwise: &str,
        is_so: impl Fn(&mut Self) -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let start = Instant::now();
        while !is_so(self)? {
            for worker in &mut self.workers {
                worker.process()?;
            }
            ensure!(start.elapsed() < patience, "{otherwise} after {patience:?}");
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Keeps what may tell how the run failed.
    fn keep(&mut self, keep: &Path, say: &mut dyn FnMut(&str)) {
        let kept = std::fs::create_dir_all(keep).and_then(|()| {
            for worker in &mut self.workers {
                let (name, said) = worker.testimony();
                std::fs::write(keep.join(format!("{name}.log")), said)?;
            }
            std::process::Command::new("cp").arg("-r").arg(&self.lake).arg(keep.join("lake")).status()
        });
        match kept {
            Ok(_) => say(&format!("what the workers said, and the lake, are in {}", keep.display())),
            Err(error) => say(&format!("cannot keep logs in {}: {error}", keep.display())),
        }
    }
}

/// A change, as it is asked for.
enum Wish {
    DropIn {
        version: Digest,
        bytes: Vec<u8>,
        writing: Writing,
    },
    Promote(Digest),
    /// Away from this version.
    RollBack(Digest),
}

impl std::fmt::Debug for Wish {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DropIn { version, writing, .. } => write!(f, "{version}, dropped in ({writing:?})"),
            Self::Promote(version) => write!(f, "{version}, promoted"),
            Self::RollBack(version) => write!(f, "the version before {version}"),
        }
    }
}

impl Wish {
    fn make(&self, worker: &Worker) -> anyhow::Result<()> {
        match self {
            Self::DropIn { bytes, writing, .. } => worker.drop_in(bytes, *writing),
            Self::Promote(version) => {
                worker.ask("promote", &format!("{{\"digest\":\"{version}\"}}")).map(drop)
            }
            Self::RollBack(_) => worker.ask("rollback", "{}").map(drop),
        }
    }

    /// A file stays where it is.
    fn can_be_made_again(&self) -> bool {
        !matches!(self, Self::DropIn { .. })
    }

    /// The log desires what was wished.
    fn check(&self, desired: Digest) -> anyhow::Result<()> {
        let is_it = match self {
            Self::DropIn { version, .. } | Self::Promote(version) => desired == *version,
            Self::RollBack(before) => desired != *before,
        };
        ensure!(is_it, "the log desires {desired}, not {self:?}");
        Ok(())
    }
}

/// A kill on its way.
struct Blow {
    kill: Kill,
    victim: usize,
    /// When the victim is started again, once it is down.
    up_at: Option<Instant>,
    is_over: bool,
}

impl Blow {
    fn of(kill: Kill, swap: &Swap) -> Self {
        Self { kill, victim: swap.victim().unwrap_or(swap.worker), up_at: None, is_over: false }
    }

    /// Kills at the moment, and starts the worker again when it is time to.
    fn strike(&mut self, workers: &mut [Worker], elapsed: Duration) -> anyhow::Result<()> {
        let victim = &mut workers[self.victim];
        if self.is_over {
            return Ok(());
        }
        match self.up_at {
            None => {
                let is_due = match (self.kill.moment, self.kill.moment.text()) {
                    (Moment::After(ms), _) => elapsed >= Duration::from_millis(ms),
                    (_, text) => text.is_some_and(|text| victim.has_said(text)),
                };
                if is_due {
                    victim.kill()?;
                    self.up_at = Some(Instant::now() + Duration::from_millis(self.kill.down_ms));
                }
            }
            Some(at) if Instant::now() >= at => {
                victim.start();
                self.is_over = true;
            }
            Some(_) => {}
        }
        Ok(())
    }

    fn is_down(&self, worker: usize) -> bool {
        worker == self.victim && self.up_at.is_some() && !self.is_over
    }

    /// True once the victim is up again. One that the change passed by before it said what was waited for is
    /// killed behind it.
    fn is_over(&mut self) -> bool {
        if self.up_at.is_none() {
            self.kill.moment = Moment::After(0);
        }
        self.is_over
    }
}
