//! A configured plugin at work on what a case gives it, in one cut or another. Rows and moves of the watermark enter;
//! what became of each message and timer leaves, and the state that is left.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use arrow::datatypes::Int64Type;
use millstream_engine::{
    CircuitOpened, FireOutput, KeyValue, KeyedInstance, KeyedStep, MemoryState, Metrics, Output, Step,
    StepInstance, StepOutput, TaskState, Timer,
};
use millstream_model::columns;

use crate::cuts::Cut;
use crate::messages::{Prepared, Unit, line_of};
use crate::outcome::{Fate, Outcome, Row};
use crate::value::value;

/// What the state of one case may take, in bytes.
const STATE_BYTES_MAX: usize = 256 << 20;

/// A plugin that is configured for a case.
#[derive(Clone, Debug)]
pub(crate) enum Configured {
    /// Of a world without state.
    Stateless(Step),
    /// It keeps state.
    Keyed(KeyedStep),
}

/// An instance of it, which one run may leave to the next.
#[derive(Debug)]
pub(crate) enum Instance {
    Stateless(StepInstance),
    Keyed(KeyedInstance),
}

/// What came of a case.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ended {
    /// In the order of the input.
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) state: State,
    pub(crate) metrics: Metrics,
}

/// What a plugin remembers at the end of a case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// Keys and values of each store, by key.
    pub(crate) stores: BTreeMap<String, Vec<KeyValue>>,
    /// Timers that have not fired, by time, then key.
    pub(crate) timers: Vec<Timer>,
}

impl Configured {
    pub(crate) fn instance(&self) -> Instance {
        match self {
            Self::Stateless(step) => Instance::Stateless(step.instance()),
            Self::Keyed(step) => Instance::Keyed(step.instance()),
        }
    }

    /// Lets a plugin that could not go on be given batches again.
    pub(crate) fn close_circuit(&self) {
        match self {
            Self::Stateless(step) => step.close_circuit(),
            Self::Keyed(step) => step.close_circuit(),
        }
    }

    /// Outputs by the numbers that rows come with.
    fn outputs(&self) -> &[Output] {
        match self {
            Self::Stateless(step) => step.outputs(),
            Self::Keyed(step) => step.outputs(),
        }
    }

    fn plugin_name(&self) -> &str {
        match self {
            Self::Stateless(step) => step.plugin().name(),
            Self::Keyed(step) => step.plugin().name(),
        }
    }

    /// Runs `instance` over what a case gives, cut like this, with state that is empty at first.
    ///
    /// # Errors
    /// If the plugin keeps state and said that it cannot go on: then nothing is known of the rest.
    pub(crate) fn run(
        &self,
        instance: &mut Instance,
        prepared: &Prepared,
        cut: &Cut,
    ) -> Result<Ended, CircuitOpened> {
        let named = format!("plugin `{}`", self.plugin_name());
        let mut collected = Collected { outputs: self.outputs(), named, ended: Ended::default() };
        collected.undecoded(prepared);
        match (self, instance) {
            (Self::Stateless(step), Instance::Stateless(instance)) => {
                run_stateless(step, instance, prepared, cut, &mut collected);
            }
            (Self::Keyed(step), Instance::Keyed(instance)) => {
                collected.ended.state = run_keyed(step, instance, prepared, cut, &mut collected)?;
            }
            _ => unreachable!("an instance is of the plugin that it is run for"),
        }
        collected.ended.outcomes.sort_by(|a, b| (a.line, &a.timer).cmp(&(b.line, &b.timer)));
        Ok(collected.ended)
    }
}

fn run_stateless(
    step: &Step,
    instance: &mut StepInstance,
    prepared: &Prepared,
    cut: &Cut,
    collected: &mut Collected,
) {
    for (unit, is_fresh) in &cut.units {
        if *is_fresh {
            *instance = step.instance();
        }
        if let Unit::Rows { input, rows } = unit {
            let output = instance.process(&prepared.inputs[*input].1.slice(rows.start, rows.len()));
            collected.rows(output);
        }
    }
}

fn run_keyed(
    step: &KeyedStep,
    instance: &mut KeyedInstance,
    prepared: &Prepared,
    cut: &Cut,
    collected: &mut Collected,
) -> Result<State, CircuitOpened> {
    let state: Arc<dyn TaskState> = Arc::new(MemoryState::new(step.stores(), STATE_BYTES_MAX));
    step.close_circuit();
    if let Some(timers) = cut.timers_per_call {
        instance.limit_timers(timers);
    }
    for (unit, is_fresh) in &cut.units {
        if *is_fresh {
            instance.discard();
        }
        match unit {
            Unit::Rows { input, rows } => {
                let rows = prepared.inputs[*input].1.slice(rows.start, rows.len());
                collected.rows(instance.process(&state, *input, &rows)?);
            }
            Unit::Move { line, micros } => collected.fired(*line, instance.advance(&state, *micros)?),
        }
    }
    let stores = step.stores().iter().map(|store| {
        let entries = state.entries(&store.name).expect("the state was made for these stores, in memory");
        (store.name.clone(), entries)
    });
    Ok(State { stores: stores.collect(), timers: state.timers().expect("state in memory can be read") })
}

/// What has become of messages and timers so far.
struct Collected<'a> {
    outputs: &'a [Output],
    /// The plugin as the engine calls it.
    named: String,
    ended: Ended,
}

impl Collected<'_> {
    fn add(&mut self, line: u64, timer: Option<&Timer>, fate: Fate) {
        self.ended.outcomes.push(Outcome { line, timer: timer.cloned(), fate });
    }

    fn undecoded(&mut self, prepared: &Prepared) {
        for (line, reason) in &prepared.undecoded {
            self.add(*line, None, Fate::Undecoded(reason.clone()));
        }
    }

    fn rows(&mut self, output: StepOutput) {
        for (line, row) in with_lines(&output.passed) {
            self.add(line, None, Fate::Passed(row));
        }
        for (number, emitted) in &output.emitted {
            for (line, row) in with_lines(emitted) {
                self.add(line, None, self.emitted(*number, row));
            }
        }
        for rejected in &output.rejected {
            self.add(line_of(rejected.offset), None, self.rejected(&rejected.reason));
        }
        self.ended.metrics.merge(output.metrics);
    }

    fn fired(&mut self, line: u64, output: FireOutput) {
        for fired in &output.emitted {
            for (origin, row) in fired.origins.iter().zip(rows(&fired.rows)) {
                self.add(line, Some(&origin.timer), self.emitted(fired.output, row));
            }
        }
        for dead in &output.dead {
            self.add(line, Some(&dead.timer), self.rejected(&dead.reason));
        }
        self.ended.metrics.merge(output.metrics);
    }

    fn emitted(&self, output: usize, row: Row) -> Fate {
        Fate::Emitted { output: self.outputs[output].name.clone(), row }
    }

    /// Without the name of the plugin's file: cases are shared by plugins of several names.
    fn rejected(&self, reason: &str) -> Fate {
        Fate::Rejected(reason.replace(&self.named, "the plugin"))
    }
}

/// The rows of a batch, each with the line of its message.
fn with_lines(batch: &RecordBatch) -> impl Iterator<Item = (u64, Row)> + '_ {
    let offsets = batch.column_by_name(columns::OFFSET).expect("every batch of a step has this column");
    let offsets = offsets.as_primitive::<Int64Type>();
    rows(batch).enumerate().map(|(row, values)| (line_of(offsets.value(row)), values))
}

/// The rows of a batch without system columns.
fn rows(batch: &RecordBatch) -> impl Iterator<Item = Row> + '_ {
    let schema = batch.schema();
    let declared =
        schema.fields().iter().zip(batch.columns()).filter(|(field, _)| !columns::is_system(field.name()));
    let declared: Vec<_> = declared.map(|(field, column)| (field.name().clone(), column)).collect();
    (0..batch.num_rows()).map(move |row| {
        Row(declared.iter().map(|(name, column)| (name.clone(), value(column, row))).collect())
    })
}
