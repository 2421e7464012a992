//! One simulated process: keeps cursors, task state and pending files in memory as a real worker
//! does, makes the mistakes that real ones make, and talks to the log through the machine.

use std::collections::{BTreeMap, BTreeSet};

use millstream_log::invariants::Attempt;
use millstream_log::{LogState, Machine, Rules, Step};
use millstream_model::entry::{
    Body, ChangeCause, ConsumedRange, Control, Data, DataFile, Epoch, PluginChange, PluginUse, Sequence,
    SessionId, StateDelta, Watermark,
};
use millstream_model::{Digest, Offset, OffsetRange};
use rand::Rng;
use rand::rngs::StdRng;

use crate::rewrite::Rewrite;
use crate::source::{Source, Topic};
use crate::store::{Content, Store, StoredRow};
use crate::truth::{STEP, TABLE, counted, has_state, is_kept, partition};

/// The stream, and the steps that it may have.
pub const STREAM: &str = "t";
pub const STEPS: [&str; 2] = ["sum", "mark"];
/// Versions of its plugins.
pub const VERSIONS: u8 = 4;

/// State of a task as a worker holds it: the digest it believes accepted, and the sum.
pub type Held = (Option<Digest>, i64);

/// The operation that a worker is in.
#[derive(Clone, Debug)]
pub enum Doing {
    Nothing,
    Refreshing {
        head: Sequence,
    },
    Opening(SessionId),
    Control,
    /// Files are uploaded, the entry is not offered yet.
    Uploaded(Plan),
    Appending(Plan),
    Rewriting(Vec<String>),
    Adopting(Body),
    Maintaining,
}

/// A data entry and what it means for its worker.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub data: Data,
    attempt: Attempt,
    epoch: Epoch,
    pub cursors: BTreeMap<i32, Offset>,
    pub held: BTreeMap<i32, Held>,
    /// Files written for this plan; others in it were carried along by mistake.
    pub written: Vec<String>,
}

pub struct Worker {
    pub name: usize,
    pub instance: u32,
    pub machine: Machine,
    pub asked: Option<millstream_log::Action>,
    pub doing: Doing,
    pub session: Option<SessionId>,
    pub paused_until: u64,
    pub halted: bool,
    pub has_read: bool,
    pub cluster: u8,
    pub assigned: BTreeSet<i32>,
    pub cursors: BTreeMap<i32, Offset>,
    pub held: BTreeMap<i32, Held>,
    pub watermarks: BTreeMap<i32, i64>,
    pub committed: Vec<DataFile>,
    /// Plugins that it has loaded.
    loaded: Option<Vec<PluginUse>>,
    /// A plan whose files were taken along into a new session.
    pub carried: Option<Plan>,
    /// A merge or a replay that is being made beside everything else.
    pub rewrite: Option<Rewrite>,
    /// What somebody asked for and asks for again without looking.
    pub insists: Option<Body>,
    /// Topic that its readers were opened on, and the epoch it is in for them.
    reads: Option<(usize, Epoch)>,
    sessions: u32,
    files: u32,
}

impl Worker {
    pub fn new(name: usize, instance: u32, rules: Rules, cluster: u8) -> Self {
        Self {
            name,
            instance,
            machine: Machine::new(rules),
            asked: None,
            doing: Doing::Nothing,
            session: None,
            paused_until: 0,
            halted: false,
            has_read: false,
            cluster,
            assigned: BTreeSet::new(),
            cursors: BTreeMap::new(),
            held: BTreeMap::new(),
            watermarks: BTreeMap::new(),
            committed: Vec::new(),
            loaded: None,
            carried: None,
            rewrite: None,
            insists: None,
            reads: None,
            sessions: 0,
            files: 0,
        }
    }

    pub fn label(&self) -> String {
        format!("w{}.{}", self.name, self.instance)
    }

    pub fn new_session(&mut self) -> SessionId {
        self.sessions += 1;
        SessionId(format!("s{}x{}x{}", self.name, self.instance, self.sessions))
    }

    pub fn source_name(&self) -> String {
        format!("cluster-{}", self.cluster)
    }

    /// Forgets what it worked on and takes everything from the log at the next plan.
    pub fn reload(&mut self) {
        self.assigned.clear();
        self.cursors.clear();
        self.held.clear();
        self.watermarks.clear();
        self.reads = None;
        self.loaded = None;
    }

    /// Takes over a partition: from the log, unless a mistake is made.
    fn assign(&mut self, p: i32, disk: &BTreeMap<i32, Held>, store: &Store, rng: &mut StdRng) {
        let state = self.machine.state();
        let position = state.position(&partition(p)).offset;
        let hint = (position + rng.random_range(-4..5)).max(0);
        self.cursors.insert(p, if rng.random_bool(0.06) { hint } else { position });
        let held = match disk.get(&p) {
            Some(held) if rng.random_bool(0.25) => *held,
            _ => held_in(state, store, p),
        };
        self.held.insert(p, held);
        if rng.random_bool(0.85)
            && let Some(watermark) = state.watermarks().get(&partition(p))
        {
            self.watermarks.insert(p, *watermark);
        }
        self.assigned.insert(p);
    }

    /// Reads messages of its partitions, writes files and state, and makes the entry for them.
    pub fn plan(
        &mut self,
        owned: &BTreeSet<i32>,
        source: &mut Source,
        disk: &BTreeMap<i32, Held>,
        store: &mut Store,
        rng: &mut StdRng,
    ) -> Option<Plan> {
        self.assigned.retain(|p| owned.contains(p));
        if self.machine.state().paused().contains_key(STREAM) {
            return None;
        }
        let state = self.machine.state();
        let (number, epoch) = *self.reads.get_or_insert_with(|| (source.bound(state), state.epoch("t")));
        let attempt = source.read(Some(number));
        let topic = *source.topic(number);
        let mut plan = Plan { epoch, attempt, ..Plan::default() };
        for p in owned.iter().copied().filter(|_| rng.random_bool(0.7)).collect::<Vec<_>>() {
            if !self.assigned.contains(&p) {
                self.assign(p, disk, store, rng);
            }
            self.plan_partition(p, &topic, &mut plan, store, rng);
        }
        if plan.data.ranges.is_empty() && plan.data.watermarks.is_empty() {
            return None;
        }
        plan.data.counters.insert("t".into(), counted(attempt));
        plan.data.source = self.source_name();
        plan.data.plugins = self.load(rng);
        source.made_by.insert(attempt, plan.data.plugins.clone());
        self.carry_by_mistake(&mut plan, rng);
        Some(plan)
    }

    /// The plugins that make the rows. Those of the log are loaded sooner or later, and now and then a worker has
    /// others, whatever the log says.
    fn load(&mut self, rng: &mut StdRng) -> Vec<PluginUse> {
        let desired = self.machine.state().plugins();
        let loaded = self.loaded.get_or_insert_with(|| desired.to_vec());
        if loaded != desired && rng.random_bool(0.4) {
            *loaded = desired.to_vec();
        }
        if rng.random_bool(0.03) {
            return plugins(rng.random_range(0..VERSIONS));
        }
        loaded.clone()
    }

    fn plan_partition(
        &mut self,
        p: i32,
        topic: &Topic,
        plan: &mut Plan,
        store: &mut Store,
        rng: &mut StdRng,
    ) {
        let mut start = self.cursors[&p];
        let earliest = topic.earliest[p as usize];
        if start < earliest {
            plan.data.ranges.push(range(p, start, earliest, Some("deleted by retention")));
            plan.cursors.insert(p, earliest);
            start = earliest;
        }
        let end = (start + rng.random_range(1..4)).min(topic.ends[p as usize]);
        if end <= start {
            return self.mark_idle(p, plan, rng);
        }
        plan.data.ranges.push(range(p, start, end, None));
        plan.cursors.insert(p, end);
        self.write_rows(p, start..end, plan, store);
        if has_state(p) {
            self.write_state(p, start..end, plan, store, rng);
        }
        let seen = end * 10 + rng.random_range(-40..1);
        let micros = seen.max(self.watermarks.get(&p).copied().unwrap_or(i64::MIN));
        self.watermarks.insert(p, micros);
        plan.data.watermarks.push(Watermark { partition: partition(p), micros, idle: false });
    }

    /// A silent partition is not waited for.
    fn mark_idle(&self, p: i32, plan: &mut Plan, rng: &mut StdRng) {
        if let Some(micros) = self.watermarks.get(&p).filter(|_| rng.random_bool(0.3)) {
            plan.data.watermarks.push(Watermark { partition: partition(p), micros: *micros, idle: true });
        }
    }

    fn write_rows(&mut self, p: i32, offsets: std::ops::Range<Offset>, plan: &mut Plan, store: &mut Store) {
        let (epoch, attempt) = (plan.epoch, plan.attempt);
        let rows = offsets.filter(|offset| is_kept(*offset, attempt));
        let rows: Vec<_> = rows.map(|offset| StoredRow { partition: p, epoch, offset, attempt }).collect();
        if rows.is_empty() {
            return;
        }
        let mut file = self.write_file(epoch, rows, store);
        file.origin = Some(partition(p));
        plan.written.push(file.path.clone());
        plan.data.files.push(file);
    }

    fn write_state(
        &mut self,
        p: i32,
        offsets: std::ops::Range<Offset>,
        plan: &mut Plan,
        store: &mut Store,
        rng: &mut StdRng,
    ) {
        let (parent, sum) = self.held[&p];
        let sum = sum + offsets.sum::<i64>();
        let path = self.new_path("state");
        let digest = Digest::of(format!("{parent:?} {path} {sum}").as_bytes());
        store.files.insert(path.clone(), Content::Sum(sum));
        plan.written.push(path.clone());
        plan.held.insert(p, (Some(digest), sum));
        let session = self.session.clone().expect("only workers with a session plan");
        let (step, snapshot) = (STEP.to_owned(), rng.random_bool(0.3));
        plan.data.states.push(StateDelta { step, task: p, parent, digest, path, session, snapshot });
    }

    /// A list of pending files that was not cleared behind the last entry.
    fn carry_by_mistake(&self, plan: &mut Plan, rng: &mut StdRng) {
        let Some(file) = plan.data.files.first().filter(|_| rng.random_bool(0.15)) else { return };
        let again = self.committed.iter().find(|committed| committed.origin == file.origin);
        plan.data.files.extend(again.cloned());
    }

    /// Between upload and entry the partition was revoked: its range goes, its files are forgotten.
    pub fn revoke_by_mistake(plan: &mut Plan, owned: &BTreeSet<i32>) {
        plan.data.ranges.retain(|consumed| owned.contains(&consumed.partition.partition));
        plan.data.watermarks.retain(|watermark| owned.contains(&watermark.partition.partition));
        plan.cursors.retain(|p, _| owned.contains(p));
        plan.held.retain(|p, _| owned.contains(p));
    }

    pub fn append(&mut self, body: Body, now: u64) -> Step {
        let session = self.session.clone().expect("only workers with a session append");
        self.machine.append(&session, body, now as i64)
    }

    fn new_path(&mut self, folder: &str) -> String {
        self.files += 1;
        let session = self.session.as_ref().expect("only workers with a session write files");
        format!("{folder}/{session}-{}", self.files)
    }

    pub fn new_file(&mut self, rows: usize) -> DataFile {
        DataFile {
            table: TABLE.into(),
            path: self.new_path("t"),
            session: self.session.clone().expect("only workers with a session write files"),
            origin: None,
            offsets: BTreeMap::new(),
            epoch: 0,
            partition_values: BTreeMap::new(),
            rows: rows as u64,
            bytes: 0,
        }
    }
}

/// The last version has a step more.
pub fn plugins(version: u8) -> Vec<PluginUse> {
    let plugin = Digest::of(&[version]);
    let used =
        |step: &&str| PluginUse { stream: STREAM.into(), step: (*step).into(), plugin, config: plugin };
    let steps = if version == VERSIONS - 1 { &STEPS[..] } else { &STEPS[..1] };
    steps.iter().map(used).collect()
}

/// A change of what `known` desires.
pub fn swap(version: u8, known: &LogState) -> Body {
    let topics = BTreeMap::from([(STREAM.to_owned(), "t".to_owned())]);
    let change = PluginChange {
        cause: ChangeCause::DroppedIn,
        parent: known.plugins_changed(),
        topics,
        names: BTreeMap::new(),
    };
    Body::Control(Control::Plugins { desired: plugins(version), change: Some(change) })
}

/// The task's state as the log says, loaded from the store.
fn held_in(state: &LogState, store: &Store, p: i32) -> Held {
    let sum = state.state_files(STEP, p).last().map_or(0, |delta| match store.files.get(&delta.path) {
        Some(Content::Sum(sum)) => *sum,
        // An old view: the log will refuse what is made of it.
        _ => 0,
    });
    (state.state_head(STEP, p), sum)
}

fn range(p: i32, start: Offset, end: Offset, skipped: Option<&str>) -> ConsumedRange {
    let range = OffsetRange::new(start, end);
    ConsumedRange { partition: partition(p), range, cursor: None, skipped: skipped.map(str::to_owned) }
}
