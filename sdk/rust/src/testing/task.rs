//! A plugin that keeps state, in memory: batches and moves of the watermark enter one after the other; what became of
//! rows and what timers emitted comes out, and the state is there to look at.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::memory::{Memory, Written};
use super::{Emitted, INPUT, Processed, Values};
use crate::batch::{Bytes, WriteColumns};
use crate::keyed::{Configured, KeyedPlugin, RawTask, configure, decode, pack};
use crate::plan::{ConfigProblem, Field, Input, Output, Plan, is_host_column};
use crate::slices::Binaries;
use crate::value::Timestamp;

/// A plugin with the state of one task, which is empty at first.
pub struct Task<P, Kind> {
    configured: Configured<P>,
    state: State,
    kind: PhantomData<Kind>,
}

/// What timers made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fired {
    /// The rows emitted, by the name of the output; their parents are numbers of timers, in the order in which they
    /// fired.
    pub emitted: BTreeMap<String, Emitted>,
}

impl<P: KeyedPlugin<Kind>, Kind> Task<P, Kind> {
    /// Configures a plugin for inputs with such columns, as a host does. The columns' values do not matter.
    ///
    /// # Errors
    /// The problems that the plugin finds, in its configuration or in the columns.
    pub fn new<'a>(config: &str, inputs: &[&'a [(&'a str, Values)]]) -> Result<Self, Vec<ConfigProblem>> {
        let named = |(number, columns): (usize, &&[(&str, Values)])| Input {
            name: if number == 0 { INPUT.to_owned() } else { format!("{INPUT}{number}") },
            ..super::input(columns)
        };
        let inputs: Vec<Input> = inputs.iter().enumerate().map(named).collect();
        let configured = configure::<P, Kind>(config, &inputs)?;
        let state = State::new(configured.plan(), &inputs[0]);
        Ok(Self { configured, state, kind: PhantomData })
    }

    /// Takes over state, timers and watermark of another version of the plugin, as a swap does where the versions of its
    /// stores are equal.
    pub fn take_over<Q, Other>(&mut self, other: Task<Q, Other>) {
        let mut values = other.state.values.take();
        let own =
            |(store, own): (&String, &mut BTreeMap<_, _>)| *own = values.remove(store).unwrap_or_default();
        self.state.values.borrow_mut().iter_mut().for_each(own);
        self.state.watermark.set(other.state.watermark.get());
        self.state.timers.swap(&other.state.timers);
    }

    /// Processes a batch of the only input, or of the first.
    ///
    /// # Panics
    /// As [`process`](super::process).
    pub fn process(&mut self, columns: &[(&str, Values)]) -> Processed {
        self.process_of(0, columns)
    }

    /// Processes a batch of input number `input`, from 0.
    ///
    /// # Panics
    /// As [`process`](super::process), or if there is no such input.
    pub fn process_of(&mut self, input: usize, columns: &[(&str, Values)]) -> Processed {
        let Plan { inputs, outputs, .. } = self.configured.plan();
        let batch = Memory::new(columns, inputs[input].clone(), outputs.clone());
        self.configured.process(input, &batch, &self.state);
        batch.outcome()
    }

    /// Moves the watermark and fires the timers that are due, in one call. One that is not above the present one moves
    /// nothing.
    ///
    /// # Panics
    /// If the plugin returns an error, or emits rows that lack a column which may not be null.
    pub fn advance(&mut self, to: Timestamp) -> Fired {
        let (keys, micros) = self.state.advance(to.0);
        if !micros.is_empty() {
            self.configured
                .fire(keys, &micros, &self.state)
                .unwrap_or_else(|error| panic!("the plugin refused the timers: {error:?}"));
        }
        Fired { emitted: self.state.emitted.take() }
    }

    /// The value of a key in a store. A key is its text or its number in decimal; of several columns all but the last
    /// stand behind their lengths, as in `5:north/a`.
    ///
    /// # Panics
    /// If the value is no `V`.
    pub fn value<V: DeserializeOwned>(&self, store: &str, key: &str) -> Option<V> {
        let values = self.state.values.borrow();
        let (bytes, _) = values.get(store)?.get(key.as_bytes())?;
        Some(decode(bytes).unwrap_or_else(|error| panic!("a value of store `{store}`: {error}")))
    }

    /// The timers that are set, by time, then key.
    pub fn timers(&self) -> Vec<(Timestamp, String)> {
        let timers = self.state.timers.borrow();
        timers.iter().map(|(at, key)| (Timestamp(*at), String::from_utf8_lossy(key).into_owned())).collect()
    }
}

/// Bytes, and the watermark when they were put, once there was one.
type Value = (Vec<u8>, Option<i64>);

struct State {
    watermark: Cell<Option<i64>>,
    values: RefCell<BTreeMap<String, BTreeMap<Vec<u8>, Value>>>,
    ttl_micros: BTreeMap<String, i64>,
    timers: RefCell<BTreeSet<(i64, Vec<u8>)>>,
    outputs: Vec<Output>,
    /// For each output the columns that may not be null.
    required: Vec<Vec<String>>,
    emitted: RefCell<BTreeMap<String, Emitted>>,
}

impl State {
    fn new(plan: &Plan, input: &Input) -> Self {
        let ttl = plan.stores.iter().filter_map(|store| {
            let micros = i64::try_from(store.ttl_seconds?).ok()?.saturating_mul(1_000_000);
            Some((store.name.clone(), micros))
        });
        Self {
            watermark: Cell::new(None),
            values: plan
                .stores
                .iter()
                .map(|store| (store.name.clone(), BTreeMap::new()))
                .collect::<BTreeMap<_, _>>()
                .into(),
            ttl_micros: ttl.collect(),
            timers: RefCell::default(),
            outputs: plan.outputs.clone(),
            required: plan.outputs.iter().map(|output| required(output, plan, input)).collect(),
            emitted: RefCell::default(),
        }
    }

    /// Moves the watermark, lets values expire and takes out the timers that are due.
    fn advance(&self, to: i64) -> (Bytes, Vec<i64>) {
        if self.watermark.get() >= Some(to) {
            return (pack([]), vec![]);
        }
        self.watermark.set(Some(to));
        for (store, ttl) in &self.ttl_micros {
            if let Some(values) = self.values.borrow_mut().get_mut(store) {
                values.retain(|_, (_, put)| to < put.get_or_insert(to).saturating_add(*ttl));
            }
        }
        let (due, rest): (BTreeSet<_>, BTreeSet<_>) =
            self.timers.take().into_iter().partition(|(at, _)| *at <= to);
        self.timers.replace(rest);
        let keys = pack(due.iter().map(|(_, key)| Some(&**key)));
        (keys, due.into_iter().map(|(at, _)| at).collect())
    }
}

/// Columns of an output that may not be null; those of the stream if it continues there.
fn required(output: &Output, plan: &Plan, input: &Input) -> Vec<String> {
    let own = &plan.inputs[0];
    let is_changed = |field: &&Field| {
        own.drops.contains(&field.name) || own.writes.iter().any(|write| write.name == field.name)
    };
    let stays = input.fields.iter().filter(|field| !is_host_column(&field.name) && !is_changed(field));
    let stream = stays.chain(&own.writes).filter(|_| output.name == input.name);
    let fields = output.fields.iter().chain(stream).filter(|field| !field.nullable);
    fields.map(|field| field.name.clone()).collect()
}

fn timers_of(keys: &Bytes, micros: &[i64]) -> Vec<(i64, Vec<u8>)> {
    let keys = Binaries::from(keys.clone());
    micros.iter().zip(keys.iter()).map(|(at, key)| (*at, key.unwrap_or_default().to_vec())).collect()
}

impl RawTask for State {
    fn watermark(&self) -> Option<i64> {
        self.watermark.get()
    }

    fn get_many(&self, store: &str, keys: &Bytes) -> Bytes {
        let values = self.values.borrow();
        let values = &values[store];
        let keys = Binaries::from(keys.clone());
        pack(keys.iter().map(|key| values.get(key?).map(|(bytes, _)| &**bytes)))
    }

    fn put_many(&self, store: &str, keys: &Bytes, puts: &Bytes) {
        let (keys, puts) = (Binaries::from(keys.clone()), Binaries::from(puts.clone()));
        let mut values = self.values.borrow_mut();
        let values = values.get_mut(store).expect("the plan declares the stores that are put to");
        for (key, put) in keys.iter().zip(puts.iter()) {
            let key = key.unwrap_or_default().to_vec();
            match put {
                Some(bytes) => drop(values.insert(key, (bytes.to_vec(), self.watermark.get()))),
                None => drop(values.remove(&key)),
            }
        }
    }

    fn set_timers(&self, keys: &Bytes, micros: &[i64]) {
        self.timers.borrow_mut().extend(timers_of(keys, micros));
    }

    fn cancel_timers(&self, keys: &Bytes, micros: &[i64]) {
        let cancelled = timers_of(keys, micros);
        self.timers.borrow_mut().retain(|timer| !cancelled.contains(timer));
    }

    fn emit_fired(&self, output: u32, fired: Vec<u32>, write: WriteColumns<'_>) {
        let Output { name, fields } = self.outputs[output as usize].clone();
        let written = Written::new(fired.len(), fields);
        write(&written);
        let parents = fired.into_iter().map(|timer| timer as usize).collect();
        let written = written.into_columns();
        if let Some(column) =
            self.required[output as usize].iter().find(|column| !written.contains_key(*column))
        {
            panic!(
                "a timer emitted rows of output `{name}` without column `{column}`, which is not nullable: no parent \
                 gives it to them"
            );
        }
        let emitted = Emitted { parents, written };
        let before = self.emitted.borrow_mut().insert(name, emitted);
        assert!(before.is_none(), "an output was emitted twice");
    }
}
