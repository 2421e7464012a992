//! `millstream plugin bench`: what a plugin costs, in the engine that streams run it in, with its settings. Rows
//! come from the plugin's cases or from a topic; nothing that it makes of them is kept.

mod measure;
mod rows;
mod text;

use std::time::Duration;

use arrow::array::RecordBatch;
use millstream_engine::{Anatomy, Step};
use millstream_model::Digest;
use millstream_pipeline::aside::HOLD;
use serde::Serialize;

use super::build;
use super::workbench::{self, Loaded};
use crate::exit::Usage;
use crate::{args, out};
use measure::{Measured, Spread};

/// What was measured, and of what.
#[derive(Serialize)]
struct Report {
    plugin: String,
    version: String,
    digest: Digest,
    language: Option<&'static str>,
    size_bytes: usize,
    /// Where the rows came from.
    rows_from: String,
    /// Distinct rows, and rows of a batch.
    rows_distinct: usize,
    rows_per_batch: usize,
    rounds: usize,
    /// CPU time of the thread, the host's part of a call included.
    ns_per_row: Spread,
    us_per_row: f64,
    rows_per_second: f64,
    batch_ms: Spread,
    /// Longest that a step may hold its thread.
    hold_ms: f64,
    /// Bytes of the columns that it reads.
    bytes_in_per_row: f64,
    /// Bytes that it made: columns, rows for outputs, reasons.
    bytes_out_per_row: f64,
    host_calls_per_batch: u64,
    /// Most linear memory of its instance, and how much it may have.
    memory_bytes: usize,
    memory_limit_bytes: usize,
    /// Compiling it, and reading it from the cache.
    compile_ms: f64,
    cached_load_ms: f64,
    /// Making an instance and configuring it.
    instantiate_ms: Spread,
    cpus: usize,
    /// Processes that wanted a CPU in the last minute, on average.
    load_average: Option<f64>,
    /// False for a build of millstream with debug assertions, whose part of a call takes longer.
    is_release: bool,
}

/// Measures, and prints what was found.
pub async fn bench(args: args::Bench) -> anyhow::Result<()> {
    if args.rows == 0 {
        return Err(Usage("--rows must be 1 at least".to_owned()).into());
    }
    let file = build::built(&args.plugin).await?;
    let cache = tempfile::tempdir()?;
    let config = match args.stream.is_some() || args.network {
        true => Some(crate::verbs::read_config(&args.config)?),
        false => workbench::config_if_any(&args.config)?,
    };
    // The engine makes the folder, which must be private.
    let network = config.as_ref().filter(|_| args.network);
    let engine = workbench::engine_for_trials(network, Some(cache.path().join("compiled")))?;
    let compiled = workbench::load(&engine, &file)?;
    let cached = workbench::load(&engine, &file)?;
    let rows = rows::find(&args, config.as_ref(), &engine, (&cached.plugin, &file))?;
    let place = &rows.place;
    let step = cached.plugin.configure(&place.config, &place.input, place.limits.clone(), &place.grants)?;
    let distinct = rows.batches.iter().map(RecordBatch::num_rows).sum();
    let batches = rows::full_batches(&rows.batches, args.rows)?;
    let measured = measure::measure(&step, &batches).map_err(anyhow::Error::msg)?;
    let from = From { place: &place.what, rows: distinct, memory_limit_bytes: place.limits.memory_bytes };
    let report = report((&compiled, &cached), &step, from, measured)?;
    match args.json {
        true => out::line(serde_json::to_string(&report)?),
        false => out::text(text::text(&report)),
    }
}

/// What was measured on.
struct From<'a> {
    place: &'a str,
    rows: usize,
    memory_limit_bytes: usize,
}

fn report(
    (compiled, cached): (&Loaded, &Loaded),
    step: &Step,
    from: From<'_>,
    measured: Measured,
) -> anyhow::Result<Report> {
    let From { place, rows: rows_distinct, memory_limit_bytes } = from;
    let plugin = step.plugin();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    Ok(Report {
        plugin: plugin.about().name.clone(),
        version: plugin.about().version.clone(),
        digest: plugin.digest(),
        language: Anatomy::of(&compiled.bytes)?.language,
        size_bytes: plugin.size(),
        rows_from: place.to_owned(),
        rows_distinct,
        rows_per_batch: measured.rows_per_batch,
        rounds: measured.rounds,
        us_per_row: measured.ns_per_row.median / 1e3,
        rows_per_second: 1e9 / measured.ns_per_row.median,
        ns_per_row: measured.ns_per_row,
        batch_ms: measured.batch_ms,
        hold_ms: millis(HOLD),
        bytes_in_per_row: measured.bytes_in_per_row,
        bytes_out_per_row: measured.bytes_out_per_row,
        host_calls_per_batch: measured.host_calls_per_batch,
        memory_bytes: measured.memory_bytes,
        memory_limit_bytes,
        compile_ms: millis(compiled.time),
        cached_load_ms: millis(cached.time),
        instantiate_ms: measured.instantiate_ms,
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        load_average: load_average(),
        is_release: !cfg!(debug_assertions),
    })
}

/// Processes that wanted a CPU in the last minute, where the system says it.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}
