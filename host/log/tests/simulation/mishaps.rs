//! What the surroundings of the workers do: messages arrive and expire, partitions move, processes die
//! or fall asleep, a backup is restored.

use bytes::Bytes;
use millstream_log::Action;
use millstream_model::entry::Sequence;
use rand::Rng;

use crate::store::{Kind, LateCreate};
use crate::worker::Worker;
use crate::world::{WORKERS, World};

impl World {
    /// What the surroundings do.
    pub fn happen(&mut self) {
        let p = self.rng.random_range(0..3);
        let topic = self.source.newest();
        if self.rng.random_bool(0.3) {
            topic.ends[p] += self.rng.random_range(1..4);
        }
        if self.rng.random_bool(0.004) {
            topic.earliest[p] += (topic.ends[p] - topic.earliest[p]) / 2;
            self.happened.count("retention");
        }
        if self.rng.random_bool(0.0015) {
            self.source.recreate();
            self.log("the topic is created again".into());
            self.happened.count("topic created again");
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
    }

    /// Owners overlap: a worker that lost a partition learns of it late.
    pub fn rebalance(&mut self) {
        for name in 0..WORKERS {
            let owned = (0..3).filter(|_| self.rng.random_bool(0.5)).collect();
            self.owners.insert(name, owned);
        }
        self.log("rebalance".into());
    }

    pub fn spawn(&mut self, name: usize) {
        self.instances += 1;
        let cluster = u8::from(self.instances > WORKERS as u32 && self.rng.random_bool(0.1));
        self.workers.push(Worker::new(name, self.instances, self.rules, cluster));
    }

    /// A worker is killed, or believed dead and only asleep; a new one of its name starts.
    fn replace_worker(&mut self) {
        let w = self.rng.random_range(0..self.workers.len());
        if self.workers.len() >= WORKERS + 3 || self.rng.random_bool(0.5) {
            return self.kill(w);
        }
        let until = self.now + self.rng.random_range(50..600);
        self.sleep(w, until);
    }

    /// The network cuts off a worker whose request got no answer, and the others beside it; they come
    /// back one after another.
    pub fn partition_network(&mut self, w: usize) {
        let until = self.now + self.rng.random_range(80..500);
        self.sleep(w, until);
        for other in 0..self.workers.len() {
            if self.workers.len() < WORKERS + 3 && self.rng.random_bool(0.5) {
                let earlier = self.rng.random_range(0..60);
                self.sleep(other, until - earlier);
            }
        }
    }

    fn sleep(&mut self, w: usize, until: u64) {
        let worker = &mut self.workers[w];
        if worker.paused_until > self.now {
            return;
        }
        worker.paused_until = until;
        let (name, label) = (worker.name, worker.label());
        self.log(format!("{label} falls asleep"));
        self.happened.count("zombie");
        self.spawn(name);
    }

    /// The request on its way may arrive all the same.
    pub fn kill(&mut self, w: usize) {
        let worker = self.workers.swap_remove(w);
        self.log(format!("{} is killed", worker.label()));
        self.happened.count("kill");
        if let Some(Action::Create { sequence, bytes }) = worker.asked
            && self.rng.random_bool(0.7)
        {
            self.delay(Kind::Entry, sequence, bytes);
        }
        if !self.workers.iter().any(|other| other.name == worker.name && other.paused_until <= self.now) {
            self.spawn(worker.name);
        }
    }

    /// Someone restores an older state of the log's folder while some workers run on.
    pub fn restore_backup(&mut self) {
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

    pub fn delay(&mut self, kind: Kind, sequence: Sequence, bytes: Bytes) {
        let due = self.now + self.rng.random_range(1..120);
        self.store.late.push(LateCreate { due, kind, sequence, bytes });
    }
}
