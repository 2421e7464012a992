//! What workers want of the log, and what they and the observer conclude when it is over.

use std::collections::{BTreeMap, BTreeSet};

use millstream_log::{Outcome, Remedy, Step};
use millstream_model::entry::{Body, Control};
use rand::Rng;

use crate::truth::kept_since;
use crate::worker::{Doing, Plan, STEPS, STREAM, VERSIONS, Worker, swap};
use crate::world::{Failure, World};

impl World {
    /// What an idle worker wants next.
    pub fn decide(&mut self, w: usize) -> Option<Step> {
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
            let topics = BTreeMap::from([("t".to_owned(), self.source.id())]);
            let body = Control::SourceBound { source: worker.source_name(), topics };
            return Some(worker.append(Body::Control(body), now));
        }
        if let Some(body) = worker.insists.take() {
            worker.doing = Doing::Adopting(body.clone());
            return Some(worker.append(body, now));
        }
        if let Some(rewrite) = worker.rewrite.take_if(|rewrite| rewrite.due <= now) {
            worker.doing = Doing::Rewriting(rewrite.written);
            return Some(worker.append(rewrite.body, now));
        }
        let is_paused = worker.machine.state().paused().contains_key(STREAM);
        let insists = version || (is_paused && self.rng.random_bool(0.2));
        let choice = if insists { 99 } else { self.rng.random_range(0..100) };
        match choice {
            0..60 => {
                self.plan(w);
                None
            }
            60..70 => Some(self.refresh(w)),
            70..83 => {
                self.rewrite(w);
                None
            }
            83..85 => self.adopt(w),
            85..89 => {
                let keep = self.rng.random_range(0..3);
                let worker = &mut self.workers[w];
                worker.doing = Doing::Maintaining;
                Some(worker.machine.truncate(&session, keep, now as i64))
            }
            89..93 => Some(self.clean(w)),
            93..96 => {
                let worker = &mut self.workers[w];
                worker.doing = Doing::Maintaining;
                Some(worker.machine.sweep(&session, kept_since(now), now as i64))
            }
            _ => {
                let body = self.control(w);
                let worker = &mut self.workers[w];
                worker.doing = Doing::Control;
                Some(worker.append(body, now))
            }
        }
    }

    /// Other plugins, a pause or its end.
    fn control(&mut self, w: usize) -> Body {
        let Self { workers, rng, .. } = self;
        let (stream, state) = (STREAM.to_owned(), workers[w].machine.state());
        if state.paused().contains_key(STREAM) && rng.random_bool(0.7) {
            return Body::Control(Control::Resumed { stream });
        }
        if !state.plugins().is_empty() && rng.random_bool(0.2) {
            let step = rng.random_bool(0.5).then(|| STEPS[0].to_owned());
            return Body::Control(Control::Paused { stream, reason: "asked for".into(), step });
        }
        swap(rng.random_range(0..VERSIONS), state)
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

    /// Begins a merge or a replay, which is offered when it is ready.
    fn rewrite(&mut self, w: usize) {
        let Self { workers, source, truth, store, rng, now, .. } = self;
        let worker = &mut workers[w];
        if worker.rewrite.is_none() {
            let due = *now + rng.random_range(0..60);
            worker.rewrite = match rng.random_bool(0.5) {
                true => worker.merge(due, store, rng),
                false => worker.replay(due, source, truth, store, rng),
            };
        }
    }

    /// Somebody asks for the topic that has taken the name of the one that the log is bound to.
    fn adopt(&mut self, w: usize) -> Option<Step> {
        let topics = BTreeMap::from([("t".to_owned(), self.source.id())]);
        let worker = &mut self.workers[w];
        if worker.cluster != 0 || worker.machine.state().source()?.topics == topics {
            return None;
        }
        let (source, restart) = (worker.source_name(), BTreeSet::from(["t".to_owned()]));
        let body = Body::Control(Control::Adopted { source, topics, restart });
        worker.doing = Doing::Adopting(body.clone());
        Some(worker.append(body, self.now))
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
        self.workers[w].machine.clean(&session, close, kept_since(self.now), self.now as i64)
    }

    /// An operation is over: the observer looks at the view, the worker draws its conclusions.
    pub fn finish(&mut self, w: usize, outcome: Outcome) -> Result<(), Failure> {
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
            Doing::Adopting(_) => {
                worker.carried = None;
                worker.reload();
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
            Doing::Rewriting(written) => written.clone(),
            _ => Vec::new(),
        };
        if remedy == Remedy::Reopen {
            worker.session = None;
            if let Doing::Adopting(body) = &doing {
                worker.insists = Some(body.clone());
            }
            if let Doing::Appending(plan) = doing
                && !plan.written.is_empty()
                && self.rng.random_bool(0.5)
            {
                written.clear();
                worker.carried = Some(plan);
            }
        }
        written.iter().for_each(|path| drop(self.store.files.remove(path)));
        if remedy == Remedy::Configure {
            self.happened.count("wrong cluster");
            self.workers[w].cluster = 0;
        }
    }
}

fn name_of(doing: &Doing) -> &'static str {
    match doing {
        Doing::Nothing => "nothing",
        Doing::Refreshing { .. } => "refresh",
        Doing::Opening(_) => "open",
        Doing::Control => "control",
        Doing::Uploaded(_) | Doing::Appending(_) => "data",
        Doing::Rewriting(_) => "rewrite",
        Doing::Adopting(_) => "adopt",
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
