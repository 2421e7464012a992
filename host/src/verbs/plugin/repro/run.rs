//! The way of one record through decoding and steps, with all that can be seen of it.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use millstream_engine::{Costs, StepOutput};
use millstream_model::Digest;
use millstream_pipeline::decode::Decoder;
use millstream_pipeline::plan::PlannedStep;
use millstream_pipeline::shadow::shown;
use millstream_testkit::{LogLine, Row, captured};
use serde_json::Value;

use super::find::Record;
use super::plan::{Planned, Runs};

/// Rows of a batch that are shown.
const ROWS_SHOWN_MAX: usize = 20;

/// What happened.
#[derive(serde::Serialize)]
pub(super) struct Ran {
    /// The letter as the lake has it.
    letter: Value,
    /// Which version of the step that failed runs.
    pub(super) runs: Runs,
    /// What the plugin folder has for that step, if it is another version.
    pub(super) in_folder: Option<Digest>,
    /// The columns that the message became; none if it does not fit the schema.
    pub(super) decoded: Option<Row>,
    pub(super) steps: Vec<StepRan>,
    pub(super) outcome: Outcome,
}

/// What one step did.
#[derive(serde::Serialize)]
pub(super) struct StepRan {
    pub(super) step: String,
    pub(super) plugin: String,
    pub(super) version: String,
    pub(super) digest: Digest,
    pub(super) config: Value,
    /// Rows it got, with the columns of its plan.
    pub(super) saw: Vec<Row>,
    /// Rows it passed on, with the columns that it writes.
    pub(super) wrote: Vec<Row>,
    /// Rows it made for other tables.
    pub(super) emitted: BTreeMap<String, Vec<Row>>,
    pub(super) log: Vec<LogLine>,
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) host_calls: u64,
    pub(super) cpu_us: f64,
    pub(super) memory_bytes: usize,
    /// The calls that it failed in, innermost first.
    pub(super) stack: Vec<String>,
}

/// How it ended.
#[derive(serde::Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It passes the step that it failed in, or all of them.
    Passes { rows: usize },
    /// A step drops it, which is no failure.
    Dropped { step: String },
    /// It does not fit the schema.
    Undecodable { reason: String },
    /// A step rejects it.
    Rejected { step: String, reason: String },
    /// A step fails with it.
    Fails { step: String, cause: String, reason: String },
}

impl Outcome {
    /// True if it would become a dead letter again.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self, Self::Passes { .. } | Self::Dropped { .. })
    }
}

/// Takes the record through the plan.
pub(super) fn run(planned: &Planned, record: &Record) -> anyhow::Result<Ran> {
    let plan = &planned.plan;
    let decoded = Decoder::new(plan.schema.clone())?.decode(&record.message);
    let mut ran = Ran {
        letter: record.json.clone(),
        runs: planned.runs,
        in_folder: planned.in_folder,
        decoded: None,
        steps: Vec::new(),
        outcome: Outcome::Passes { rows: decoded.rows.num_rows() },
    };
    if let Some(failure) = decoded.failures.first() {
        ran.outcome = Outcome::Undecodable { reason: failure.reason.clone() };
        return Ok(ran);
    }
    let mut rows = decoded.rows;
    ran.decoded = all_columns(&rows).into_iter().next();
    for step in &plan.steps {
        let (did, passed, end) = pass(step, &rows);
        ran.steps.push(did);
        ran.outcome = end;
        rows = passed;
        if rows.num_rows() == 0 || ran.outcome.is_failure() {
            break;
        }
    }
    Ok(ran)
}

/// Gives a step its rows, in one call; and if that fails and there are several, each in a call of its own, so
/// that one is found that fails alone.
fn pass(step: &PlannedStep, rows: &RecordBatch) -> (StepRan, RecordBatch, Outcome) {
    let (did, passed, end) = call(step, rows);
    if matches!(end, Outcome::Fails { .. }) && rows.num_rows() > 1 {
        let alone = (0..rows.num_rows()).map(|row| call(step, &rows.slice(row, 1)));
        if let Some(guilty) = alone.into_iter().find(|(_, _, end)| matches!(end, Outcome::Fails { .. })) {
            return guilty;
        }
    }
    (did, passed, end)
}

fn call(step: &PlannedStep, rows: &RecordBatch) -> (StepRan, RecordBatch, Outcome) {
    let mut instance = step.step.apart().instance();
    let (trial, log) = captured(|| instance.trial(rows));
    let mut did = described(step, rows, trial.costs, log);
    match trial.outcome {
        Err(failed) => {
            did.stack = failed.stack;
            let (step, cause) = (step.name.to_string(), failed.cause.to_string());
            let nothing = RecordBatch::new_empty(rows.schema());
            (did, nothing, Outcome::Fails { step, cause, reason: failed.reason })
        }
        Ok(output) => {
            note(&mut did, step, &output);
            let end = end(step, &output);
            (did, output.passed, end)
        }
    }
}

fn end(step: &PlannedStep, output: &StepOutput) -> Outcome {
    let step = step.name.to_string();
    match (output.rejected.first(), output.passed.num_rows()) {
        (Some(row), _) => Outcome::Rejected { step, reason: row.reason.to_string() },
        (None, 0) => Outcome::Dropped { step },
        (None, rows) => Outcome::Passes { rows },
    }
}

fn described(step: &PlannedStep, rows: &RecordBatch, costs: Costs, log: Vec<LogLine>) -> StepRan {
    let plugin = step.step.plugin();
    let reads: Vec<_> = step.step.plan().reads.iter().map(|field| field.name().as_str()).collect();
    StepRan {
        step: step.name.to_string(),
        plugin: plugin.name().to_owned(),
        version: plugin.about().version.clone(),
        digest: plugin.digest(),
        config: step.settings.clone(),
        saw: columns(rows, &reads),
        wrote: Vec::new(),
        emitted: BTreeMap::new(),
        log,
        metrics: BTreeMap::new(),
        host_calls: costs.host_calls,
        cpu_us: costs.cpu.as_secs_f64() * 1e6,
        memory_bytes: costs.memory_bytes,
        stack: Vec::new(),
    }
}

fn note(did: &mut StepRan, step: &PlannedStep, output: &StepOutput) {
    let writes: Vec<_> = step.step.plan().writes.iter().map(|field| field.name().as_str()).collect();
    did.wrote = columns(&output.passed, &writes);
    for (number, rows) in &output.emitted {
        did.emitted.insert(step.step.outputs()[*number].name.clone(), all_columns(rows));
    }
    let counters = output.metrics.counters.iter().map(|(name, sum)| (name.to_string(), *sum as f64));
    let gauges = output.metrics.gauges.iter().map(|(name, value)| (name.to_string(), *value));
    did.metrics = counters.chain(gauges).collect();
}

fn all_columns(rows: &RecordBatch) -> Vec<Row> {
    let schema = rows.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    columns(rows, &names)
}

/// The first rows, with these columns.
fn columns(rows: &RecordBatch, names: &[&str]) -> Vec<Row> {
    let value =
        |name: &str, row| rows.column_by_name(name).map(|column| (name.to_owned(), shown(column, row)));
    (0..rows.num_rows().min(ROWS_SHOWN_MAX))
        .map(|row| Row(names.iter().filter_map(|name| value(name, row)).collect()))
        .collect()
}
