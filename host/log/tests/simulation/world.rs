//! The world: decides by a seeded generator who acts next and what goes wrong, performs requests on
//! the store, and calls the observer. Nothing in it depends on anything but the seed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use millstream_log::invariants::{self, Violation};
use millstream_log::{Action, Event, Halt, Outcome, Remedy, Rules, Step};
use millstream_model::Digest;
use millstream_model::entry::{Body, Control, Sequence};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::store::{Kind, LateCreate, Store};
use crate::truth::Truth;
use crate::worker::{Doing, Held, Plan, Source, Worker, swap};

const WORKERS: usize = 3;
const TICKS: u64 = 1800;

/// How a run failed.
#[derive(Debug)]
pub enum Failure {
    Violated(Violation),
    /// A worker stopped although nobody had tampered with the log.
    Halted(Halt),
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Violated(violation)
    }
}

/// What happened in a run: proof that it was worth something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened(pub BTreeMap<&'static str, u64>);

impl Happened {
    fn count(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }
}

pub struct World {
    rng: StdRng,
    rules: Rules,
    now: u64,
    store: Store,
    source: Source,
    truth: Truth,
    workers: Vec<Worker>,
    instances: u32,
    owners: BTreeMap<usize, BTreeSet<i32>>,
    /// Working stores that survive a kill, by worker name.
    disks: BTreeMap<usize, BTreeMap<i32, Held>>,
    /// All entry bytes ever offered, by digest.
    offered: BTreeMap<Digest, Bytes>,
    tamper_at: Option<u64>,
    tampered: bool,
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
            source: Source { ends: [0; 3], earliest: [0; 3] },
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
            self.happen()?;
            self.land_due()?;
            let awake: Vec<usize> = (0..self.workers.len())
                .filter(|w| self.workers[*w].paused_until <= self.now && !self.workers[*w].halted)
                .collect();
            if !awake.is_empty() {
                let chosen = awake[self.rng.random_range(0..awake.len())];
                self.step(chosen)?;
            }
        }
        if !self.tampered {
            self.truth.check_files(&self.store)?;
        }
        Ok(())
    }

    /// What the surroundings do.
    fn happen(&mut self) -> Result<(), Failure> {
        let p = self.rng.random_range(0..3);
        if self.rng.random_bool(0.3) {
            self.source.ends[p] += self.rng.random_range(1..4);
        }
        if self.rng.random_bool(0.004) {
            let lag = (self.source.ends[p] - self.source.earliest[p]) / 2;
            self.source.earliest[p] += lag;
            self.happened.count("retention");
        }
        if self.rng.random_bool(0.01) {
            self.rebalance();
        }
        if self.rng.random_bool(0.006) {
            self.replace_worker();
        }
        if self.tamper_at == Some(self.now) {
            self.restore_backup();
        }
        Ok(())
    }

    /// Owners overlap: a worker that lost a partition learns of it late.
    fn rebalance(&mut self) {
        for name in 0..WORKERS {
            let owned = (0..3).filter(|_| self.rng.random_bool(0.5)).collect();
            self.owners.insert(name, owned);
        }
        self.log("rebalance".into());
    }

    fn spawn(&mut self, name: usize) {
        self.instances += 1;
        let cluster = u8::from(self.instances > WORKERS as u32 && self.rng.random_bool(0.1));
        self.workers.push(Worker::new(name, self.instances, self.rules, cluster));
    }

    /// A worker is killed, or believed dead and only asleep; a new one of its name starts.
    fn replace_worker(&mut self) {
        let w = self.rng.random_range(0..self.workers.len());
        let name = self.workers[w].name;
        if self.workers.len() < WORKERS + 2 && self.rng.random_bool(0.5) {
            self.workers[w].paused_until = self.now + self.rng.random_range(50..600);
            self.log(format!("{} falls asleep", self.workers[w].label()));
            self.happened.count("zombie");
            self.spawn(name);
        } else {
            self.kill(w);
        }
    }

    /// The request on its way may arrive all the same.
    fn kill(&mut self, w: usize) {
        let worker = self.workers.swap_remove(w);
        self.log(format!("{} is killed", worker.label()));
        self.happened.count("kill");
        if let Some(Action::Create { sequence, bytes }) = worker.asked {
            if self.rng.random_bool(0.7) {
                self.delay(Kind::Entry, sequence, bytes);
            }
        }
        if !self.workers.iter().any(|other| other.name == worker.name && other.paused_until <= self.now) {
            self.spawn(worker.name);
        }
    }

    /// Someone restores an older state of the log's folder while some workers run on.
    fn restore_backup(&mut self) {
        let head = self.truth.state.sequence();
        let cut = head.saturating_sub(self.rng.random_range(2..12));
        self.store.entries.retain(|sequence, _| *sequence <= cut);
        self.store.snapshots.retain(|sequence, _| *sequence <= cut);
        self.tampered = true;
        self.log(format!("backup of entry {cut} is restored"));
        self.happened.count("backup");
        let w = self.rng.random_range(0..self.workers.len());
        self.kill(w);
    }

    fn delay(&mut self, kind: Kind, sequence: Sequence, bytes: Bytes) {
        let due = self.now + self.rng.random_range(1..120);
        self.store.late.push(LateCreate { due, kind, sequence, bytes });
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

    fn create(&mut self, kind: Kind, sequence: Sequence, bytes: &Bytes) -> Result<bool, Failure> {
        let created = self.store.create(kind, sequence, bytes);
        if created && kind == Kind::Entry && !self.tampered {
            if sequence <= self.truth.state.sequence() {
                self.happened.count("put at a truncated slot");
            }
            self.truth.landed(sequence, bytes, &self.store)?;
        }
        Ok(created)
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
                let before =
                    (self.workers[w].machine.state().sequence(), self.workers[w].machine.state().digest());
                let step = self.workers[w].machine.handle(event);
                if !matches!(action, Action::GetSnapshot(_)) {
                    self.check_chain(w, before)?;
                }
                self.follow(w, step)
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

    /// Performs a request, or only part of it (none). Creates may lie about what happened.
    fn perform(&mut self, action: &Action) -> Result<Option<Event>, Failure> {
        let found = |bytes: Option<&Bytes>| bytes.map_or(Event::NotFound, |b| Event::Found(b.clone()));
        Ok(Some(match action {
            Action::ReadBoundary => Event::Boundary(self.store.boundary()),
            Action::Get(sequence) => found(self.store.entries.get(sequence)),
            Action::GetSnapshot(sequence) => found(self.store.snapshots.get(sequence)),
            Action::Create { sequence, bytes } => self.perform_create(Kind::Entry, *sequence, bytes)?,
            Action::CreateSnapshot { sequence, bytes } => {
                self.perform_create(Kind::Snapshot, *sequence, bytes)?
            }
            Action::DeleteEntries { below } => return Ok(self.delete_some(*below)),
            Action::DeleteSnapshots { below } => {
                self.store.snapshots.retain(|sequence, _| sequence >= below);
                Event::Deleted
            }
            Action::ListFiles => Event::Files(self.store.files.keys().cloned().collect()),
            Action::DeleteFiles(paths) => {
                paths.iter().for_each(|path| drop(self.store.files.remove(path)));
                if !self.tampered {
                    self.truth.check_files(&self.store)?;
                }
                Event::Deleted
            }
        }))
    }

    fn perform_create(&mut self, kind: Kind, sequence: Sequence, bytes: &Bytes) -> Result<Event, Failure> {
        let fault = self.rng.random_range(0..100);
        if fault < 15 {
            self.delay(kind, sequence, bytes.clone());
            return Ok(Event::NotCreated);
        }
        if fault < 22 {
            self.happened.count("conflict with nothing there");
            return Ok(Event::NotCreated);
        }
        let created = self.create(kind, sequence, bytes)?;
        self.log(format!("create {kind:?} {sequence}: {created}, fault {fault}"));
        if created && fault < 34 {
            self.happened.count("lost reply");
            return Ok(Event::NotCreated);
        }
        Ok(if created { Event::Created } else { Event::NotCreated })
    }

    /// Deletes entries in any order and often only some of them at a time.
    fn delete_some(&mut self, below: Sequence) -> Option<Event> {
        let mut doomed: Vec<Sequence> = self.store.entries.range(..below).map(|(s, _)| *s).collect();
        doomed.shuffle(&mut self.rng);
        let some = self.rng.random_range(0..4) + 1;
        doomed.iter().take(some).for_each(|sequence| drop(self.store.entries.remove(sequence)));
        (doomed.len() <= some).then_some(Event::Deleted)
    }

    /// What an idle worker wants next.
    fn decide(&mut self, w: usize) -> Option<Step> {
        let now = self.now;
        let worker = &mut self.workers[w];
        let uploaded = match &mut worker.doing {
            Doing::Uploaded(plan) => Some(std::mem::take(plan)),
            _ => None,
        };
        if let Some(plan) = uploaded {
            return self.offer(w, plan);
        }
        if worker.session.is_none() {
            return Some(self.begin(w));
        }
        let session = worker.session.clone().expect("was just looked at");
        let version = worker.machine.state().plugins().is_empty();
        if worker.machine.state().source().is_none() {
            worker.doing = Doing::Control;
            let body = Control::SourceBound { source: worker.source_name(), topics: BTreeMap::new() };
            return Some(worker.append(Body::Control(body), now));
        }
        let choice = if version { 99 } else { self.rng.random_range(0..100) };
        match choice {
            0..60 => {
                self.plan(w);
                None
            }
            60..72 => Some(self.refresh(w)),
            72..86 => self.compact(w),
            86..91 => {
                let keep = self.rng.random_range(0..3);
                let worker = &mut self.workers[w];
                worker.doing = Doing::Maintaining;
                Some(worker.machine.truncate(&session, keep, now as i64))
            }
            91..97 => Some(self.clean(w)),
            _ => {
                let version = self.rng.random_range(0..4);
                let worker = &mut self.workers[w];
                worker.doing = Doing::Control;
                Some(worker.append(swap(version), now))
            }
        }
    }

    /// A worker without a session reads the log, then opens one.
    fn begin(&mut self, w: usize) -> Step {
        if !self.workers[w].has_read || self.rng.random_bool(0.3) {
            return self.refresh(w);
        }
        self.open(w)
    }

    fn open(&mut self, w: usize) -> Step {
        let now = self.now;
        let worker = &mut self.workers[w];
        let session = worker.new_session();
        let body = Body::Control(Control::SessionOpened {
            session: session.clone(),
            worker: worker.name.to_string(),
            version: "0".into(),
        });
        worker.doing = Doing::Opening(session.clone());
        worker.machine.append(&session, body, now as i64)
    }

    fn refresh(&mut self, w: usize) -> Step {
        let head = self.truth.state.sequence();
        self.workers[w].doing = Doing::Refreshing { head };
        self.workers[w].machine.refresh()
    }

    fn plan(&mut self, w: usize) {
        let Self { workers, owners, source, disks, store, rng, .. } = self;
        let worker = &mut workers[w];
        if let Some(carried) = worker.carried.take() {
            worker.doing = Doing::Uploaded(carried);
            return;
        }
        let disk = disks.entry(worker.name).or_default();
        if let Some(plan) = worker.plan(&owners[&worker.name], source, disk, store, rng) {
            worker.doing = Doing::Uploaded(plan);
        }
    }

    fn offer(&mut self, w: usize, mut plan: Plan) -> Option<Step> {
        let owned = &self.owners[&self.workers[w].name];
        let revoked = plan.data.ranges.iter().any(|r| !owned.contains(&r.partition.partition));
        if revoked && self.rng.random_bool(0.3) {
            Worker::revoke_by_mistake(&mut plan, owned);
        }
        let worker = &mut self.workers[w];
        let body = Body::Data(plan.data.clone());
        worker.doing = Doing::Appending(plan);
        Some(worker.append(body, self.now))
    }

    fn compact(&mut self, w: usize) -> Option<Step> {
        let Self { workers, store, rng, now, .. } = self;
        let worker = &mut workers[w];
        let (body, file) = worker.compact(store, rng)?;
        worker.doing = Doing::Compacting(file);
        Some(worker.append(body, *now))
    }

    /// Closes what earlier runs of the same name left, sometimes also a session of another worker
    /// that somebody believes dead.
    fn clean(&mut self, w: usize) -> Step {
        let worker = &self.workers[w];
        let session = worker.session.clone().expect("only workers with a session clean");
        let state = worker.machine.state();
        let mut close = state.earlier_sessions(&worker.name.to_string(), &session);
        let others: Vec<_> =
            state.sessions().keys().filter(|id| state.is_open(id) && **id != session).cloned().collect();
        if !others.is_empty() && self.rng.random_bool(0.3) {
            let other = others[self.rng.random_range(0..others.len())].clone();
            if !close.contains(&other) {
                close.push(other);
            }
        }
        self.workers[w].doing = Doing::Maintaining;
        self.workers[w].machine.clean(&session, close, self.now as i64)
    }

    /// An operation is over: the observer looks at the view, the worker draws its conclusions.
    fn finish(&mut self, w: usize, outcome: Outcome) -> Result<(), Failure> {
        let label = self.workers[w].label();
        let doing = std::mem::replace(&mut self.workers[w].doing, Doing::Nothing);
        self.log(format!("{label} {}: {}", name_of(&doing), brief(&outcome)));
        if !self.tampered {
            self.observe(w, &doing, &outcome)?;
        }
        match outcome {
            Outcome::Halted(halt) if self.tampered => {
                self.happened.count("halt");
                self.log(format!("{label} stops: {halt}"));
                self.workers[w].halted = true;
            }
            Outcome::Halted(halt) => return Err(Failure::Halted(halt)),
            Outcome::Fenced => {
                self.happened.count("fenced");
                self.workers[w].reload();
            }
            Outcome::Rejected(rejection) => self.rejected(w, doing, rejection.remedy()),
            Outcome::Accepted(_) => self.accepted(w, doing),
            Outcome::Truncated(Some(_)) => self.happened.count("truncation"),
            Outcome::Cleaned { deleted, .. } if !deleted.is_empty() => self.happened.count("cleaning"),
            Outcome::Current => self.workers[w].has_read = true,
            Outcome::Truncated(None) | Outcome::Cleaned { .. } => {}
        }
        Ok(())
    }

    fn observe(&self, w: usize, doing: &Doing, outcome: &Outcome) -> Result<(), Failure> {
        let worker = &self.workers[w];
        let (label, view) = (worker.label(), worker.machine.state());
        match (outcome, doing) {
            (Outcome::Current, Doing::Refreshing { head }) => {
                self.truth.check_current(&label, view, *head)?;
                self.truth.check_view(&label, view)?;
            }
            (Outcome::Accepted(sequence), doing) => {
                let session = match doing {
                    Doing::Opening(session) => Some(session),
                    _ => worker.session.as_ref(),
                };
                let session = session.expect("entries have a session");
                self.truth.check_accepted(session, *sequence)?;
                self.truth.check_view(&label, view)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn accepted(&mut self, w: usize, doing: Doing) {
        self.happened.count("accepted");
        let worker = &mut self.workers[w];
        match doing {
            Doing::Opening(session) => {
                worker.session = Some(session);
                worker.committed.clear();
                worker.reload();
            }
            Doing::Appending(plan) => {
                worker.cursors.extend(plan.cursors);
                worker.held.extend(plan.held.clone());
                worker.committed.extend(plan.data.files);
                if self.rng.random_bool(0.3) {
                    self.disks.entry(worker.name).or_default().extend(plan.held);
                }
            }
            _ => {}
        }
    }

    /// What was rejected never stands, so its files are deleted at once; unless a worker takes them
    /// along into a new session.
    fn rejected(&mut self, w: usize, doing: Doing, remedy: Remedy) {
        self.happened.count("rejected");
        let worker = &mut self.workers[w];
        worker.reload();
        let mut written = match &doing {
            Doing::Appending(plan) => plan.written.clone(),
            Doing::Compacting(file) => vec![file.path.clone()],
            _ => Vec::new(),
        };
        if remedy == Remedy::Reopen {
            worker.session = None;
            if let Doing::Appending(plan) = doing {
                if self.rng.random_bool(0.5) {
                    written.clear();
                    worker.carried = Some(plan);
                }
            }
        }
        written.iter().for_each(|path| drop(self.store.files.remove(path)));
        if remedy == Remedy::Configure {
            self.happened.count("wrong cluster");
            self.workers[w].cluster = 0;
        }
    }

    fn log(&mut self, line: String) {
        self.trace.push(format!("{:>5} {line}", self.now));
    }
}

fn name_of(doing: &Doing) -> &'static str {
    match doing {
        Doing::Nothing => "nothing",
        Doing::Refreshing { .. } => "refresh",
        Doing::Opening(_) => "open",
        Doing::Control => "control",
        Doing::Uploaded(_) | Doing::Appending(_) => "data",
        Doing::Compacting(_) => "compact",
        Doing::Maintaining => "maintain",
    }
}

fn brief(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rejected(rejection) => format!("rejected, {rejection}"),
        Outcome::Cleaned { closed, deleted } => format!("closed {closed:?}, deleted {}", deleted.len()),
        outcome => format!("{outcome:?}"),
    }
}
