//! The loop of the suite: for each round, messages and faults at their moments, then everything mended, then a
//! wait until all is committed, then the count. A lake lives for many rounds, so that state piles up.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::agenda::{Act, Agenda};
use crate::cluster::Cluster;
use crate::fault::{self, Scene, Struck};
use crate::independent::{Independent, Missed};
use crate::lake::Lake;
use crate::plan::{Plan, Shape};
use crate::producer::Producer;
use crate::reader::Reader;
use crate::tally::Tally;
use crate::worker::Worker;

/// Messages for each partition in a burst.
const BURST: u64 = 30;
/// Longest time from a round's start until all of it is committed.
const PATIENCE: Duration = Duration::from_secs(180);
/// Time after which a fault is tried again that met nobody, in milliseconds.
const AGAIN_MS: u64 = 100;
/// Pause of the loop.
const PAUSE: Duration = Duration::from_millis(10);

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides the faults.
    pub seed: u64,
    /// Rounds.
    pub rounds: u64,
    /// Workers, lakes and time-outs.
    pub shape: Shape,
    /// Where logs and lake of a failed round are kept.
    pub keep: PathBuf,
}

/// Why a round failed.
enum Failure {
    /// Records are not there once.
    Records(Missed),
    /// Somebody saw or did something that must not be.
    Violation(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Violation(format!("{:#}", error.into()))
    }
}

/// Runs the suite until the last round or the first failure; tells `say` what it does.
pub fn run(options: &Options, say: &mut dyn FnMut(&str)) -> anyhow::Result<Tally> {
    let mut suite = Suite {
        cluster: Cluster::start()?,
        independent: Independent::start()?,
        shape: options.shape,
        tally: Tally { seed: options.seed, ..Tally::default() },
    };
    if !suite.cluster.server_may_crash() {
        say("the temporary folder takes no extended attributes, so the S3 server is not killed");
    }
    let mut round = 0;
    while round < options.rounds && suite.tally.is_good() {
        let end = options.rounds.min(round + options.shape.rounds_per_lake);
        let plans: Vec<_> = (round..end).map(|round| Plan::of(options.seed, round, options.shape)).collect();
        suite.lake(round / options.shape.rounds_per_lake, &plans, &options.keep, say)?;
        round = end;
    }
    Ok(suite.tally)
}

struct Suite {
    cluster: Cluster,
    independent: Independent,
    shape: Shape,
    tally: Tally,
}

/// One lake and those who work on it.
struct Life {
    lake: Lake,
    workers: Vec<Worker>,
    producer: Producer,
    reader: Reader,
    starting: Vec<JoinHandle<()>>,
}

impl Suite {
    /// The rounds of one lake.
    fn lake(
        &mut self,
        number: u64,
        plans: &[Plan],
        keep: &std::path::Path,
        say: &mut dyn FnMut(&str),
    ) -> anyhow::Result<()> {
        let lake = Lake::new(&self.cluster, number, plans[0].store, self.shape)?;
        let clock = |worker| self.cluster.path(&format!("clock-{number}-{worker}"));
        let workers = (0..self.shape.workers).map(|worker| Worker::new(worker, clock(worker)));
        let mut life = Life {
            workers: workers.collect::<Result<_, _>>()?,
            producer: Producer::new(&self.cluster.kafka.brokers, &lake.topic)?,
            reader: Reader::start(lake.store.clone())?,
            starting: Vec::new(),
            lake,
        };
        for plan in plans {
            say(&plan.to_string());
            let began = Instant::now();
            let result = self.round(plan, &mut life);
            self.tally.rounds += 1;
            if let Err(failure) = result {
                self.note(failure, plan);
                self.keep(&mut life, keep, say);
                break;
            }
            let (seconds, seen) = (began.elapsed().as_secs_f64(), life.reader.seen());
            let (sent, entry) = (life.producer.sent(), seen.sequence);
            say(&format!("round {}: {sent} records once, entry {entry}, {seconds:.1} s", plan.round));
        }
        self.end(&mut life, plans);
        self.tally.looks += life.reader.seen().looks;
        self.tally.records += life.producer.sent();
        Ok(())
    }

    fn round(&mut self, plan: &Plan, life: &mut Life) -> Result<(), Failure> {
        self.cluster.proxy.begin(plan.answers.clone());
        let result = self.strike_and_wait(plan, life);
        for start in life.starting.drain(..) {
            start.join().map_err(|_| Failure::Violation("a server did not start again".to_owned()))?;
        }
        for (kind, times) in self.cluster.proxy.begin(Vec::new()) {
            self.tally.count(kind, times);
        }
        let missed = match &result {
            Err(Failure::Violation(_)) => return result,
            _ => self.independent.count(&self.cluster, &life.lake, life.producer.sent())?,
        };
        if missed == Missed::default() { result } else { Err(Failure::Records(missed)) }
    }

    /// Does what is planned, and waits until everything that was sent is committed.
    fn strike_and_wait(&mut self, plan: &Plan, life: &mut Life) -> Result<(), Failure> {
        let mut agenda = Agenda::of(plan);
        let mut faults = BTreeSet::new();
        let start = Instant::now();
        loop {
            let now_ms = start.elapsed().as_millis() as u64;
            while let Some(act) = agenda.due(now_ms) {
                self.act(act, now_ms, &mut agenda, &mut faults, life)?;
            }
            for worker in &mut life.workers {
                let gave_up = worker.supervise(&life.lake, &self.cluster.clock, &faults);
                self.tally.gave_up += u64::from(gave_up.map_err(Failure::Violation)?);
            }
            if life.is_committed()? && agenda.is_empty() && life.workers.iter().all(Worker::is_up) {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                let (sent, seen) = (life.producer.sent(), life.reader.seen());
                return Err(Failure::Violation(format!(
                    "after {PATIENCE:?} {} of {sent} records are committed; {}",
                    seen.messages,
                    seen.trouble.unwrap_or_default()
                )));
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn act(
        &mut self,
        act: Act,
        now_ms: u64,
        agenda: &mut Agenda,
        faults: &mut BTreeSet<&'static str>,
        life: &mut Life,
    ) -> Result<(), Failure> {
        let fault = match act {
            Act::Send => return Ok(life.producer.send(BURST)?),
            Act::Heal(heal) => {
                fault::heal(heal, &mut life.scene(&self.cluster));
                return Ok(());
            }
            Act::Strike(fault) => fault,
        };
        let struck = fault::strike(fault, &mut life.scene(&self.cluster));
        match struck {
            Struck::Never => return Ok(()),
            Struck::NotYet => {
                agenda.add(now_ms + AGAIN_MS, act);
                return Ok(());
            }
            Struck::Once => {}
            Struck::Until(lasts, heal) => agenda.add(now_ms + lasts.as_millis() as u64, Act::Heal(heal)),
        }
        faults.insert(fault.name());
        self.tally.count(fault.name(), 1);
        Ok(())
    }

    /// Ends the workers of a lake in order.
    fn end(&mut self, life: &mut Life, plans: &[Plan]) {
        life.workers.iter_mut().for_each(Worker::terminate);
        for worker in &mut life.workers {
            if let (Err(why), Some(plan)) = (worker.finish(), plans.last()) {
                self.note(Failure::Violation(format!("at the end of the lake, {why}")), plan);
            }
        }
    }

    fn note(&mut self, failure: Failure, plan: &Plan) {
        let what = match failure {
            Failure::Records(Missed { lost, doubled }) => {
                self.tally.lost += lost;
                self.tally.doubled += doubled;
                format!("{lost} records lost, {doubled} doubled")
            }
            Failure::Violation(what) => what,
        };
        self.tally.violation.get_or_insert(format!("{plan}\n{what}"));
    }

    /// Keeps what may tell how a round failed.
    fn keep(&self, life: &mut Life, keep: &std::path::Path, say: &mut dyn FnMut(&str)) {
        let kept = std::fs::create_dir_all(keep).and_then(|()| {
            for worker in &mut life.workers {
                let (name, said) = worker.testimony();
                std::fs::write(keep.join(format!("{name}.log")), said)?;
            }
            let mut copy = std::process::Command::new("cp");
            copy.arg("-r").arg(life.lake.folder(&self.cluster)).arg(keep.join("lake")).status()
        });
        match kept {
            Ok(_) => say(&format!("what the workers said, and the lake, are in {}", keep.display())),
            Err(error) => say(&format!("cannot keep logs in {}: {error}", keep.display())),
        }
    }
}

impl Life {
    /// True once the tables have everything that was sent.
    fn is_committed(&self) -> Result<bool, Failure> {
        let seen = self.reader.seen();
        if let Some(violation) = seen.violation {
            return Err(Failure::Violation(format!("a reader saw: {violation}")));
        }
        Ok(seen.messages == self.producer.sent() && self.producer.is_done()?)
    }

    fn scene<'a>(&'a mut self, cluster: &'a Cluster) -> Scene<'a> {
        Scene { cluster, workers: &mut self.workers, starting: &mut self.starting }
    }
}
