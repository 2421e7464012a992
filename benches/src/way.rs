//! The way of a batch from memory to Parquet in memory, on the calling thread: the host's own decoder,
//! stage and writer, with the steps as plugins or as native Rust.

use std::sync::Arc;

use anyhow::Context as _;
use arrow::array::RecordBatch;
use millstream_engine::{Engine, EngineSettings, Limits, Plugin};
use millstream_model::entry::SessionId;
use millstream_model::{MessageBatch, TopicPartition};
use millstream_pipeline::config::{OnDropIn, StepConfig, StreamConfig};
use millstream_pipeline::decode::Decoder;
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::sink::{FileNames, FinishedFile, SinkSettings, TableSpec, TableWriter};
use millstream_pipeline::stage::{Stage, project};
use millstream_pipeline::telemetry::StreamFigures;

use crate::messages;

/// A stream whose steps are `steps` (names of guests), ready to run.
pub fn plan(steps: &[(&str, serde_json::Value)]) -> anyhow::Result<Arc<StreamPlan>> {
    let engine = Engine::new(EngineSettings::default())?;
    let mut plugins: Vec<Plugin> = Vec::new();
    let mut configs = Vec::new();
    for (index, (guest, config)) in steps.iter().enumerate() {
        plugins.push(engine.load(&millstream_guests::wasm(guest)).context("the guest does not load")?);
        configs.push(StepConfig {
            name: format!("{guest}-{index}"),
            plugin: (*guest).to_owned(),
            config: config.clone(),
            outputs: Default::default(),
            limits: Limits::default(),
            grants: Default::default(),
            on_drop_in: OnDropIn::default(),
            shadow: Default::default(),
            circuit: Default::default(),
            place: String::new(),
        });
    }
    let stream = StreamConfig {
        name: "vehicle".to_owned(),
        topic: "vehicle_data".to_owned(),
        schema: messages::schema(),
        watermark: None,
        steps: configs,
        routes: Vec::new(),
    };
    Ok(Arc::new(StreamPlan::new(&stream, &plugins)?))
}

/// A writer of the plan's curated table, with the host's settings.
///
/// # Panics
/// If the plan has no steps.
pub fn writer(plan: &StreamPlan) -> TableWriter {
    let table = curated(plan).expect("a stream with steps has a curated table");
    let names = FileNames::new(SessionId("bench".to_owned()));
    let origin = TopicPartition::new("vehicle_data", 0);
    TableWriter::new(table, Arc::new(SinkSettings::default()), origin, 0, names)
}

/// The plan's steps, ready on this thread.
pub fn stage(plan: &Arc<StreamPlan>) -> Stage {
    Stage::new(plan.clone(), Arc::new(StreamFigures::new(plan)))
}

/// Decodes, passes the plan's plugins, writes. Returns the files of the curated table, called by `names`.
pub fn files(
    plan: &Arc<StreamPlan>,
    batches: &[&MessageBatch],
    names: &FileNames,
) -> anyhow::Result<Vec<FinishedFile>> {
    let table = curated(plan).context("a stream with steps has a curated table")?;
    let origin = TopicPartition::new("vehicle_data", 0);
    let mut writer = TableWriter::new(table, Arc::new(SinkSettings::default()), origin, 0, names.clone());
    let (mut decoder, mut stage) = (Decoder::new(plan.schema.clone())?, stage(plan));
    let mut files = Vec::new();
    for batch in batches {
        if let Some((_, rows)) = stage.run(decoder.decode(batch).rows, &[])?.tables.pop() {
            files.extend(writer.write(&rows)?);
        }
    }
    files.extend(writer.finish()?);
    Ok(files)
}

/// Decodes, passes the plan's plugins, writes. Returns the bytes of Parquet.
pub fn with_plugins(plan: &Arc<StreamPlan>, batches: &[&MessageBatch]) -> anyhow::Result<usize> {
    let mut stage = stage(plan);
    run(plan, batches, |rows| Ok(stage.run(rows, &[])?.tables.pop().map(|(_, rows)| rows)))
}

/// Decodes, passes `transform`, writes. Returns the bytes of Parquet.
pub fn with_native(
    plan: &Arc<StreamPlan>,
    batches: &[&MessageBatch],
    mut transform: impl FnMut(RecordBatch) -> RecordBatch,
) -> anyhow::Result<usize> {
    let table = curated(plan).context("a stream with steps has a curated table")?;
    run(plan, batches, |rows| Ok(Some(project(&transform(rows), &table.schema))))
}

fn curated(plan: &StreamPlan) -> Option<Arc<TableSpec>> {
    plan.routing.as_ref()?.rest().cloned()
}

fn run(
    plan: &Arc<StreamPlan>,
    batches: &[&MessageBatch],
    mut stage: impl FnMut(RecordBatch) -> anyhow::Result<Option<RecordBatch>>,
) -> anyhow::Result<usize> {
    let mut decoder = Decoder::new(plan.schema.clone())?;
    let mut writer = writer(plan);
    let mut bytes = 0;
    for batch in batches {
        if let Some(rows) = stage(decoder.decode(batch).rows)? {
            bytes += writer.write(&rows)?.iter().map(|file| file.content.len()).sum::<usize>();
        }
    }
    Ok(bytes + writer.finish()?.iter().map(|file| file.content.len()).sum::<usize>())
}
