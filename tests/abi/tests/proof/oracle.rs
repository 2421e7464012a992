//! The three operators once more, row at a time, without batches, calls, bytes or timers' machinery:
//! what a guest on the host must come to, whatever the cuts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use millstream_abi_proof::{DeadLetter, Emitted, Moves, Origin, Outcome, Row, Timer, Value, Watermark};

/// State values as the integers in them, by store and key.
pub type State = BTreeMap<(&'static str, Vec<u8>), Vec<i64>>;

/// What is left at the end, and all that left before.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct Expected {
    pub outcome: Outcome,
    pub state: State,
    pub timers: BTreeSet<Timer>,
}

/// An operator, one row at a time.
pub trait Operator {
    fn row(&mut self, row: &Row, watermark: Option<i64>, outcome: &mut Outcome) -> Result<(), &'static str>;
    fn moved(&mut self, watermark: i64, outcome: &mut Outcome);
    fn state(&self) -> State;
    fn timers(&self) -> BTreeSet<Timer>;
}

pub fn run(mut operator: impl Operator, rows: &[Row], moves: Moves, inputs: usize) -> Expected {
    let (mut positions, mut watermark) = (Watermark::new(moves, inputs), None);
    let mut outcome = Outcome::default();
    for row in rows {
        if let Err(reason) = operator.row(row, watermark, &mut outcome) {
            outcome.dead.push(DeadLetter { origin: origin(row), reason: reason.to_owned() });
        }
        if let Some(moved) = positions.after(row) {
            watermark = Some(moved);
            operator.moved(moved, &mut outcome);
        }
    }
    Expected { outcome, state: operator.state(), timers: operator.timers() }
}

fn origin(row: &Row) -> Origin {
    Origin::Row { input: row.input, offset: row.offset }
}

fn key(row: &Row) -> Vec<u8> {
    row.key.clone().unwrap_or_default().into_bytes()
}

fn late(row: &Row, watermark: Option<i64>) -> Result<(), &'static str> {
    if watermark.is_some_and(|watermark| row.event_time < watermark) { Err("late") } else { Ok(()) }
}

/// First row of each key within `ttl` of event time.
pub struct DedupeByTimers {
    pub ttl: i64,
    pub winners: Vec<(Vec<u8>, i64)>,
}

impl Operator for DedupeByTimers {
    fn row(&mut self, row: &Row, watermark: Option<i64>, outcome: &mut Outcome) -> Result<(), &'static str> {
        if row.amount == i64::MIN {
            return Err("trapped");
        }
        late(row, watermark)?;
        let near =
            |winner: &(Vec<u8>, i64)| winner.0 == key(row) && (winner.1 - row.event_time).abs() < self.ttl;
        if !self.winners.iter().any(near) {
            self.winners.push((key(row), row.event_time));
            outcome.kept.push((row.input, row.offset));
        }
        Ok(())
    }

    fn moved(&mut self, watermark: i64, _: &mut Outcome) {
        self.winners.retain(|(_, time)| time + self.ttl > watermark);
    }

    fn state(&self) -> State {
        let mut state = State::new();
        for (key, time) in &self.winners {
            state.entry(("winners", key.clone())).or_default().push(*time);
        }
        state
    }

    fn timers(&self) -> BTreeSet<Timer> {
        self.winners.iter().map(|(key, time)| (time + self.ttl, key.clone())).collect()
    }
}

/// First row of each key, until the watermark has moved by `ttl`.
pub struct DedupeByStore {
    pub ttl: i64,
    /// Winner's time and the watermark when it was put.
    pub winners: BTreeMap<Vec<u8>, (i64, Option<i64>)>,
}

impl Operator for DedupeByStore {
    fn row(&mut self, row: &Row, watermark: Option<i64>, outcome: &mut Outcome) -> Result<(), &'static str> {
        if row.amount == i64::MIN {
            return Err("trapped");
        }
        late(row, watermark)?;
        if let Entry::Vacant(free) = self.winners.entry(key(row)) {
            free.insert((row.event_time, watermark));
            outcome.kept.push((row.input, row.offset));
        }
        Ok(())
    }

    fn moved(&mut self, watermark: i64, _: &mut Outcome) {
        self.winners.retain(|_, (_, put_at)| *put_at.get_or_insert(watermark) + self.ttl > watermark);
    }

    fn state(&self) -> State {
        self.winners.iter().map(|(key, (time, _))| (("winners", key.clone()), vec![*time])).collect()
    }

    fn timers(&self) -> BTreeSet<Timer> {
        BTreeSet::new()
    }
}

/// Sessions per (region, key); those whose closing failed stay behind.
pub struct Sessions {
    pub gap: i64,
    pub open: Vec<Session>,
    pub stuck: Vec<Session>,
}

#[derive(Clone)]
pub struct Session {
    region: String,
    key: String,
    start: i64,
    last: i64,
    count: i64,
    sum: i64,
}

impl Sessions {
    fn bytes(session: &Session) -> Vec<u8> {
        let length = (session.region.len() as u32).to_be_bytes();
        [&length, session.region.as_bytes(), session.key.as_bytes()].concat()
    }
}

impl Operator for Sessions {
    fn row(&mut self, row: &Row, watermark: Option<i64>, _: &mut Outcome) -> Result<(), &'static str> {
        let (Some(region), Some(key)) = (row.region.clone(), row.key.clone()) else { return Err("no key") };
        late(row, watermark)?;
        let time = row.event_time;
        let mut joined = Session { region, key, start: time, last: time, count: 1, sum: row.amount };
        let near = |other: &Session, joined: &Session| {
            (&other.region, &other.key) == (&joined.region, &joined.key)
                && other.start - joined.last < self.gap
                && joined.start - other.last < self.gap
        };
        while let Some(index) = self.open.iter().position(|other| near(other, &joined)) {
            let other = self.open.remove(index);
            joined.start = joined.start.min(other.start);
            joined.last = joined.last.max(other.last);
            joined.count += other.count;
            joined.sum = joined.sum.wrapping_add(other.sum);
        }
        self.open.push(joined);
        Ok(())
    }

    fn moved(&mut self, watermark: i64, outcome: &mut Outcome) {
        let gap = self.gap;
        let (mut closed, open): (Vec<Session>, Vec<Session>) =
            self.open.drain(..).partition(|session| session.last + gap <= watermark);
        self.open = open;
        let order = |session: &Session| (session.last + gap, Sessions::bytes(session));
        closed.sort_by_key(order);
        for session in closed {
            let origin = Origin::Timer { watermark, timer: order(&session) };
            if session.sum == 13 {
                outcome.dead.push(DeadLetter { origin, reason: "unlucky sum".to_owned() });
                self.stuck.push(session);
                continue;
            }
            let integers = [session.start, session.last + gap, session.count, session.sum];
            let columns = [session.region, session.key].map(Value::Text).into_iter();
            let columns = columns.chain(integers.map(Value::Integer)).collect();
            outcome.emitted.push(Emitted { output: 0, origin, ordinal: 0, columns });
        }
    }

    fn state(&self) -> State {
        let mut all: Vec<&Session> = self.open.iter().chain(&self.stuck).collect();
        all.sort_by_key(|session| session.start);
        let mut state = State::new();
        for session in all {
            let values = state.entry(("open", Self::bytes(session))).or_default();
            values.extend([session.start, session.last + self.gap, session.count, session.sum]);
        }
        state
    }

    fn timers(&self) -> BTreeSet<Timer> {
        self.open.iter().map(|session| (session.last + self.gap, Self::bytes(session))).collect()
    }
}

/// All pairs of a and b within `distance`; remembers every row for ever, and finds pairs by looking at all.
pub struct Join {
    pub distance: i64,
    pub seen: Vec<Row>,
    pub watermark: i64,
}

impl Join {
    /// Rows that may still be needed, with the key and expiry of their bucket.
    fn live(&self) -> impl Iterator<Item = (&Row, Vec<u8>, i64)> {
        let live = self.seen.iter().map(|row| {
            let bucket = row.event_time.div_euclid(self.distance);
            (row, [&bucket.to_be_bytes()[..], &key(row)].concat(), (bucket + 2) * self.distance)
        });
        live.filter(|(.., expiry)| *expiry > self.watermark)
    }
}

impl Operator for Join {
    fn row(&mut self, row: &Row, watermark: Option<i64>, outcome: &mut Outcome) -> Result<(), &'static str> {
        if row.amount == i64::MIN {
            return Err("poisoned row");
        }
        late(row, watermark)?;
        let pairs = |other: &&Row| {
            other.input != row.input
                && other.key == row.key
                && (other.event_time - row.event_time).abs() <= self.distance
        };
        let mut partners: Vec<&Row> = self.seen.iter().filter(pairs).collect();
        partners.sort_by_key(|other| other.event_time.div_euclid(self.distance));
        for (ordinal, other) in partners.into_iter().enumerate() {
            let (a, b) = if row.input == 0 { (row, other) } else { (other, row) };
            let columns = vec![
                Value::Text(row.key.clone().unwrap_or_default()),
                Value::Integer(a.amount),
                Value::Integer(b.amount),
            ];
            let ordinal = ordinal as u32;
            outcome.emitted.push(Emitted { output: 0, origin: origin(row), ordinal, columns });
        }
        self.seen.push(row.clone());
        Ok(())
    }

    fn moved(&mut self, watermark: i64, _: &mut Outcome) {
        self.watermark = watermark;
    }

    fn state(&self) -> State {
        let mut state = State::new();
        for (row, key, _) in self.live() {
            let store = ["a", "b"][row.input as usize];
            state.entry((store, key)).or_default().extend([row.event_time, row.amount]);
        }
        state
    }

    fn timers(&self) -> BTreeSet<Timer> {
        self.live().map(|(_, key, expiry)| (expiry, key)).collect()
    }
}
