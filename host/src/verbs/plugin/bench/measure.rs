//! Gives batches to a step again and again and notes what each call cost. What counts is CPU time: on a machine
//! that others use, too, a call takes longer on the wall than it costs.

use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use millstream_engine::{Costs, Step, StepInstance};
use serde::Serialize;

/// Rounds that are not counted: memory grows and caches fill.
const WARM_ROUNDS: usize = 3;
/// Rounds at least and at most, and the time after which there are enough between these.
const ROUNDS_MIN: usize = 20;
const ROUNDS_MAX: usize = 2000;
const TIME_ENOUGH: Duration = Duration::from_secs(3);
/// Instances that are made to see how long that takes.
const INSTANCES: usize = 9;

/// The middle of some figures, and what lies between a tenth and nine tenths of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) tenth: f64,
    pub(super) ninetieth: f64,
    pub(super) max: f64,
}

/// What a step costs.
pub(super) struct Measured {
    pub(super) rows_per_batch: usize,
    pub(super) rounds: usize,
    pub(super) ns_per_row: Spread,
    pub(super) batch_ms: Spread,
    pub(super) bytes_in_per_row: f64,
    pub(super) bytes_out_per_row: f64,
    pub(super) host_calls_per_batch: u64,
    pub(super) memory_bytes: usize,
    pub(super) instantiate_ms: Spread,
}

impl Spread {
    /// Of some figures, at least one.
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let last = figures.len() - 1;
        let at = |share: f64| figures[(last as f64 * share).round() as usize];
        Self { median: at(0.5), tenth: at(0.1), ninetieth: at(0.9), max: figures[last] }
    }
}

/// Measures `step` on these batches, which are all of one size. The error is why a call failed.
pub(super) fn measure(step: &Step, batches: &[RecordBatch]) -> Result<Measured, String> {
    let instantiate_ms = instantiate(step)?;
    let mut instance = step.instance();
    for _ in 0..WARM_ROUNDS {
        round(&mut instance, batches)?;
    }
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let (mut per_row, mut per_batch, mut last) = (Vec::new(), Vec::new(), Vec::new());
    let began = Instant::now();
    while per_row.len() < ROUNDS_MIN || (began.elapsed() < TIME_ENOUGH && per_row.len() < ROUNDS_MAX) {
        last = round(&mut instance, batches)?;
        let cpu: Duration = last.iter().map(|costs| costs.cpu).sum();
        per_row.push(cpu.as_secs_f64() * 1e9 / rows as f64);
        per_batch.extend(last.iter().map(|costs| costs.cpu.as_secs_f64() * 1e3));
    }
    let out: usize = last.iter().map(|costs| costs.output_bytes).sum();
    let calls: u64 = last.iter().map(|costs| costs.host_calls).sum();
    Ok(Measured {
        rows_per_batch: rows / batches.len(),
        rounds: per_row.len(),
        ns_per_row: Spread::of(per_row),
        batch_ms: Spread::of(per_batch),
        bytes_in_per_row: bytes_read(step, batches) as f64 / rows as f64,
        bytes_out_per_row: out as f64 / rows as f64,
        host_calls_per_batch: calls / batches.len() as u64,
        memory_bytes: instance.memory_bytes(),
        instantiate_ms,
    })
}

fn instantiate(step: &Step) -> Result<Spread, String> {
    let mut times = Vec::new();
    for _ in 0..INSTANCES {
        let began = Instant::now();
        step.instance().warm()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Spread::of(times))
}

fn round(instance: &mut StepInstance, batches: &[RecordBatch]) -> Result<Vec<Costs>, String> {
    let call = |batch: &RecordBatch| {
        let trial = instance.trial(batch);
        let failed = |reason: &str| {
            format!(
                "{reason}; a batch that fails is none to measure: leave out the rows that the plugin fails with"
            )
        };
        trial.outcome.map(|_| trial.costs).map_err(|error| failed(&error.reason))
    };
    batches.iter().map(call).collect()
}

/// Bytes of the columns that the plugin declared to read.
fn bytes_read(step: &Step, batches: &[RecordBatch]) -> usize {
    let columns = |batch: &RecordBatch| -> usize {
        let read = step.plan().reads.iter().filter_map(|field| batch.column_by_name(field.name()));
        read.map(|column| column.to_data().get_slice_memory_size().unwrap_or_default()).sum()
    };
    batches.iter().map(columns).sum()
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn a_spread_has_its_middle_and_its_ends() {
        let check = |figures: &[f64], (median, tenth, ninetieth): (f64, f64, f64)| {
            let max = figures.iter().copied().fold(f64::MIN, f64::max);
            assert_eq!(Spread::of(figures.to_vec()), Spread { median, tenth, ninetieth, max });
        };
        check(&[7.0], (7.0, 7.0, 7.0));
        let rising: Vec<f64> = (0..=100).map(f64::from).rev().collect();
        check(&rising, (50.0, 10.0, 90.0));
    }
}
