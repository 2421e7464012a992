//! What goes wrong in a round: a pure function of seed, round and the shape of the suite. It says when each
//! fault strikes and whom; whether it is met by work half done is for the round to find out.

use std::fmt::{self, Display, Formatter};

use millstream_tests::Random;

/// Time in which faults strike, in milliseconds from the round's start.
pub const WINDOW_MS: u64 = 2000;
/// Longest time that a suspended worker sleeps, beyond the shortest.
const SLEEP_SPREAD_MS: u64 = 1500;

/// What the plan depends on beside seed and round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Workers.
    pub workers: usize,
    /// Rounds that one lake lives for.
    pub rounds_per_lake: u64,
    /// The group's session time-out, in milliseconds.
    pub session_timeout_ms: u64,
}

/// Where the lake of a round lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// In a bucket of an S3 server, behind the faulty proxy.
    S3,
    /// In a folder.
    Folder,
}

/// Something that happens to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`, and a start after `down_ms`.
    Kill {
        /// The worker.
        worker: usize,
        /// Time until it is started again.
        down_ms: u64,
    },
    /// SIGTERM, and a start `down_ms` after it ended.
    Terminate {
        /// The worker.
        worker: usize,
        /// Time until it is started again.
        down_ms: u64,
    },
    /// SIGSTOP for longer than the group waits, then SIGCONT.
    Suspend {
        /// The worker.
        worker: usize,
        /// Time until it goes on.
        lasts_ms: u64,
    },
    /// The broker is killed and started again.
    Broker,
    /// The S3 server is killed and started again.
    Server {
        /// Time until it is started again.
        down_ms: u64,
    },
    /// No file of a worker may grow beyond `bytes`.
    DiskFull {
        /// The worker.
        worker: usize,
        /// Largest size of a file.
        bytes: u64,
        /// Time until the disk has room again.
        lasts_ms: u64,
    },
    /// A worker's clock is set to this far from the true time.
    Clock {
        /// The worker.
        worker: usize,
        /// Distance from the true time.
        offset_ms: i64,
    },
}

/// Requests that a store fault is aimed at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Creates of a checkpoint entry.
    Entry,
    /// Creates of a data file.
    File,
    /// Everything else: reads, lists, probes, deletions.
    Other,
}

/// What becomes of a request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// 503 and not performed.
    Unavailable,
    /// 500 and not performed.
    Failed,
    /// The connection ends and it is not performed.
    Reset,
    /// Performed, and the connection ends without an answer.
    Lost,
    /// Performed, and answered by 500.
    FalseFailure,
    /// Performed, and answered by 409.
    FalseConflict,
    /// Performed, and answered after the client's patience.
    Slow,
}

/// A fault of the store: the requests `first..first + times` of their kind in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreFault {
    /// Which requests.
    pub target: Target,
    /// The first of them, from 0.
    pub first: u64,
    /// How many in a row.
    pub times: u64,
    /// What becomes of them.
    pub answer: Answer,
}

/// A round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its number, from 0.
    pub round: u64,
    /// Where its lake lies.
    pub store: Store,
    /// True if a lake begins with it.
    pub new_lake: bool,
    /// Faults of processes by their moment, in milliseconds from the start, rising.
    pub faults: Vec<(u64, Fault)>,
    /// Faults of the store.
    pub answers: Vec<StoreFault>,
}

/// What a round is mainly about, so that every kind has its turn.
#[derive(Clone, Copy)]
enum Theme {
    Kill,
    Terminate,
    Suspend,
    Broker,
    Server,
    DiskFull,
    Clock,
    Answers,
}

const ON_S3: [Theme; 7] = [
    Theme::Answers,
    Theme::Kill,
    Theme::Suspend,
    Theme::Server,
    Theme::Terminate,
    Theme::Clock,
    Theme::Broker,
];
const ON_A_FOLDER: [Theme; 6] =
    [Theme::Kill, Theme::DiskFull, Theme::Suspend, Theme::Clock, Theme::Terminate, Theme::Broker];
/// What may come on top.
const BESIDE: [Theme; 4] = [Theme::Kill, Theme::Kill, Theme::Terminate, Theme::Clock];

impl Plan {
    /// The plan of `round`.
    pub fn of(seed: u64, round: u64, shape: Shape) -> Self {
        let mut random = Random::of(seed, round);
        let (lake, place) = (round / shape.rounds_per_lake, round % shape.rounds_per_lake);
        let store = if lake % 4 == 1 { Store::Folder } else { Store::S3 };
        let turn = (seed.wrapping_add(lake / 4 * shape.rounds_per_lake).wrapping_add(place)) as usize;
        let mut themes = match store {
            Store::S3 => vec![ON_S3[turn % ON_S3.len()]],
            Store::Folder => vec![ON_A_FOLDER[turn % ON_A_FOLDER.len()]],
        };
        // Each worker has at most one fault a round.
        for _ in 1..shape.workers {
            if random.once_in(2) {
                themes.push(random.one_of(&BESIDE));
            }
        }
        let mut workers = shuffled(shape.workers, &mut random).into_iter();
        let mut faults = Vec::new();
        for theme in &themes {
            let fault = fault(*theme, store, shape, &mut workers, &mut random);
            faults.extend(fault.map(|fault| (random.between(0, WINDOW_MS), fault)));
        }
        faults.sort_by_key(|(at, _)| *at);
        let answers = match store {
            Store::S3 => answers(matches!(themes[0], Theme::Answers), &mut random),
            Store::Folder => Vec::new(),
        };
        Self { round, store, new_lake: place == 0, faults, answers }
    }
}

fn shuffled(workers: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<_> = (0..workers).collect();
    for at in (1..workers).rev() {
        order.swap(at, random.between(0, at as u64) as usize);
    }
    order
}

fn fault(
    theme: Theme,
    store: Store,
    shape: Shape,
    workers: &mut impl Iterator<Item = usize>,
    random: &mut Random,
) -> Option<Fault> {
    Some(match theme {
        Theme::Answers => return None,
        Theme::Broker => Fault::Broker,
        Theme::Server => Fault::Server { down_ms: random.between(0, 2500) },
        Theme::Kill => Fault::Kill { worker: workers.next()?, down_ms: random.between(0, 800) },
        Theme::Terminate => Fault::Terminate { worker: workers.next()?, down_ms: random.between(0, 800) },
        Theme::Suspend => {
            let shortest = shape.session_timeout_ms + 500;
            let lasts_ms = random.between(shortest, shortest + SLEEP_SPREAD_MS);
            Fault::Suspend { worker: workers.next()?, lasts_ms }
        }
        Theme::DiskFull => {
            // Now and then for longer than the worker's patience.
            let lasts_ms = if random.once_in(4) { 15_000 } else { random.between(300, 2500) };
            Fault::DiskFull { worker: workers.next()?, bytes: random.between(0, 3000), lasts_ms }
        }
        Theme::Clock => {
            let worker = workers.next()?;
            let farthest = match store {
                // A store refuses signatures of another quarter of an hour.
                Store::S3 => 12 * 60 * 1000,
                Store::Folder => 3 * 24 * 3600 * 1000,
            };
            let offset_ms = random.between(0, 2 * farthest) as i64 - farthest as i64;
            Fault::Clock { worker, offset_ms }
        }
    })
}

fn answers(many: bool, random: &mut Random) -> Vec<StoreFault> {
    const BEFORE: [Answer; 3] = [Answer::Unavailable, Answer::Failed, Answer::Reset];
    const AFTER: [Answer; 3] = [Answer::Lost, Answer::FalseFailure, Answer::FalseConflict];
    let number = if many { random.between(6, 10) } else { random.between(0, 2) };
    let mut faults = Vec::new();
    for _ in 0..number {
        let target = random.one_of(&[Target::Entry, Target::Entry, Target::File, Target::Other]);
        let answer = match target {
            _ if many && random.once_in(8) => Answer::Slow,
            Target::Other => random.one_of(&BEFORE),
            _ if random.once_in(3) => random.one_of(&BEFORE),
            _ => random.one_of(&AFTER),
        };
        let times = if random.once_in(3) { random.between(2, 4) } else { 1 };
        let most = if target == Target::Entry { 12 } else { 60 };
        faults.push(StoreFault { target, first: random.between(0, most), times, answer });
    }
    faults
}

impl Fault {
    /// Its name in the last line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Terminate { .. } => "terminate",
            Self::Suspend { .. } => "suspend",
            Self::Broker => "broker",
            Self::Server { .. } => "server",
            Self::DiskFull { .. } => "disk-full",
            Self::Clock { .. } => "clock",
        }
    }
}

impl Answer {
    /// Its name in the last line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unavailable => "503",
            Self::Failed => "500",
            Self::Reset => "reset",
            Self::Lost => "lost-answer",
            Self::FalseFailure => "false-500",
            Self::FalseConflict => "false-409",
            Self::Slow => "slow",
        }
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let new = if self.new_lake { " (a new lake)" } else { "" };
        write!(f, "round {} on {:?}{new}:", self.round, self.store)?;
        for (at, fault) in &self.faults {
            write!(f, " +{at} ms {fault};")?;
        }
        for fault in &self.answers {
            write!(f, " {fault};")?;
        }
        Ok(())
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        match self {
            Self::Kill { worker, down_ms } | Self::Terminate { worker, down_ms } => {
                write!(f, " worker {worker}, down {down_ms} ms")
            }
            Self::Suspend { worker, lasts_ms } => write!(f, " worker {worker} for {lasts_ms} ms"),
            Self::Broker => Ok(()),
            Self::Server { down_ms } => write!(f, ", down {down_ms} ms"),
            Self::DiskFull { worker, bytes, lasts_ms } => {
                write!(f, " worker {worker} above {bytes} bytes for {lasts_ms} ms")
            }
            Self::Clock { worker, offset_ms } => write!(f, " worker {worker} at {offset_ms:+} ms"),
        }
    }
}

impl Display for StoreFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { target, first, times, answer } = self;
        write!(f, "{} {target:?} {first}", answer.name())?;
        if *times > 1 { write!(f, "..{}", first + times) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHAPE: Shape = Shape { workers: 3, rounds_per_lake: 10, session_timeout_ms: 3000 };

    fn plans(seed: u64) -> Vec<Plan> {
        (0..200).map(|round| Plan::of(seed, round, SHAPE)).collect()
    }

    #[test]
    fn a_seed_decides_everything() {
        assert_eq!(plans(7), plans(7));
        assert_ne!(plans(7), plans(8));
    }

    #[test]
    fn every_kind_has_its_turn_whatever_the_seed() {
        for seed in 0..20 {
            let plans = plans(seed);
            let faults: BTreeSet<_> =
                plans.iter().flat_map(|plan| &plan.faults).map(|(_, fault)| fault.name()).collect();
            assert_eq!(faults.len(), 7, "{faults:?}");
            let answers: BTreeSet<_> =
                plans.iter().flat_map(|plan| &plan.answers).map(|fault| fault.answer).collect();
            assert_eq!(answers.len(), 7, "{answers:?}");
        }
    }

    #[test]
    fn faults_are_where_they_can_be() {
        for plan in plans(1) {
            let mut workers = BTreeSet::new();
            for (at, fault) in &plan.faults {
                assert!(*at <= WINDOW_MS, "{plan}");
                let wanted = match fault {
                    Fault::Server { .. } => Some(Store::S3),
                    Fault::DiskFull { .. } => Some(Store::Folder),
                    _ => None,
                };
                assert!(wanted.is_none_or(|store| store == plan.store), "{plan}");
                match fault {
                    Fault::Kill { worker, .. }
                    | Fault::Terminate { worker, .. }
                    | Fault::Suspend { worker, .. }
                    | Fault::DiskFull { worker, .. }
                    | Fault::Clock { worker, .. } => assert!(workers.insert(worker), "{plan}"),
                    Fault::Broker | Fault::Server { .. } => {}
                }
            }
            assert!(plan.store == Store::S3 || plan.answers.is_empty(), "{plan}");
            assert_eq!(plan.new_lake, plan.round % 10 == 0);
        }
    }

    #[test]
    fn a_folder_has_its_turn() {
        let folders = plans(3).iter().filter(|plan| plan.store == Store::Folder).count();
        assert_eq!(folders, 50);
    }
}
