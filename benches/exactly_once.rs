//! The price of exactly-once: messages in memory → decode → plugin → Parquet on a local disk, once with the host's
//! own durable store and an entry of the checkpoint log, once with a plain file sink, which writes each file
//! beside its name and renames it and then forgets about it. A round is what one core does in about a second, and
//! ends with a commit. Variants take turns; figures are medians of the rounds, of the whole process's CPU time and
//! of wall time. Nothing overlaps here, where the host goes on with the next batches while files are on their
//! way: so the wall figure is an upper bound.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use millstream_benches::clock::process_cpu_ns;
use millstream_benches::{messages, way};
use millstream_model::entry::{Body, ConsumedRange, Control, Data, SessionId};
use millstream_model::{MessageBatch, OffsetRange, SystemClock, TopicPartition};
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::plan::StreamPlan;
use millstream_pipeline::sink::{FileNames, FinishedFile, upload};
use millstream_pipeline::start;
use serde_json::json;

/// Different batches held in memory, and batches in a round.
const POOL: usize = 8;
const BATCHES: usize = 96;
const ROUNDS: usize = 11;
const SOURCE: &str = "bench";

fn main() -> anyhow::Result<()> {
    let pool = messages::batches(POOL);
    let batches: Vec<&MessageBatch> = pool.iter().cycle().take(BATCHES).collect();
    let plan = way::plan(&[("cleanse-vehicle", json!({ "zone": "Europe/London" }))])?;
    // On the disk that the project lies on: a folder in memory would sync for nothing.
    let folder =
        std::env::current_exe()?.parent().context("a program lies in a folder")?.join("exactly-once");
    let _ = fs::remove_dir_all(&folder);
    let mut lake = Committed::open(&folder.join("lake"))?;
    let names = |session: &str| FileNames::new(SessionId(session.to_owned()));
    let (plain, synced) = (names("plain"), names("synced"));
    let root = folder.join("plain");
    let mut variants: Vec<Variant<'_>> = vec![
        ("plain file sink", Box::new(|| write_all(&root, way::files(&plan, &batches, &plain)?, false))),
        (
            "plain file sink that syncs",
            Box::new(|| write_all(&root, way::files(&plan, &batches, &synced)?, true)),
        ),
        ("exactly once", Box::new(|| lake.round(&plan, &batches))),
    ];
    let medians = measure(&mut variants)?;
    drop(variants);
    fs::remove_dir_all(&folder)?;
    let (_, cpu_plain, wall_plain) = medians[0];
    println!(
        "{} messages a round, then a commit; medians of {ROUNDS} rounds",
        BATCHES * messages::BATCH_ROWS
    );
    for (name, cpu, wall) in medians {
        println!(
            "  {name:<28} CPU {:>7.1} ms ({:>+5.1} %)   wall {:>7.1} ms ({:>+5.1} %)",
            cpu,
            100.0 * (cpu / cpu_plain - 1.0),
            wall,
            100.0 * (wall / wall_plain - 1.0),
        );
    }
    Ok(())
}

/// A name, and a round.
type Variant<'a> = (&'static str, Box<dyn FnMut() -> anyhow::Result<()> + 'a>);

/// Medians in milliseconds: CPU time and wall time.
fn measure(variants: &mut [Variant<'_>]) -> anyhow::Result<Vec<(&'static str, f64, f64)>> {
    let mut times = vec![(Vec::new(), Vec::new()); variants.len()];
    for round in 0..=ROUNDS {
        for ((_, run), (cpu, wall)) in variants.iter_mut().zip(&mut times) {
            let (start, at) = (process_cpu_ns(), Instant::now());
            run()?;
            // The first round warms up.
            if round > 0 {
                cpu.push((process_cpu_ns() - start) as f64 / 1e6);
                wall.push(at.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    let medians = variants.iter().zip(times);
    Ok(medians.map(|((name, _), (cpu, wall))| (*name, median(cpu), median(wall))).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A plain file sink: readers never see half a file, and that is all.
fn write_all(root: &Path, files: Vec<FinishedFile>, sync: bool) -> anyhow::Result<()> {
    for file in files {
        let path = root.join(&file.file.path);
        let folder = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(folder)?;
        let partial = path.with_extension("partial");
        fs::write(&partial, &file.content)?;
        if sync {
            File::open(&partial)?.sync_all()?;
        }
        fs::rename(&partial, &path)?;
        if sync {
            File::open(folder)?.sync_all()?;
        }
    }
    Ok(())
}

/// A lake as a worker holds it.
struct Committed {
    runtime: tokio::runtime::Runtime,
    lake: Lake,
    log: CheckpointLog,
    names: FileNames,
    position: i64,
}

impl Committed {
    fn open(folder: &Path) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let lake = Lake::open(&folder.to_string_lossy())?;
        let (log, session) = runtime.block_on(async {
            lake.probe().await?;
            let mut log = start::open_log(&lake, Arc::new(SystemClock)).await?;
            let session = log.open_session("bench").await?;
            let bound = Control::SourceBound { source: SOURCE.to_owned(), topics: Default::default() };
            log.append(Body::Control(bound)).await?;
            anyhow::Ok((log, session))
        })?;
        Ok(Self { runtime, lake, log, names: FileNames::new(session), position: 0 })
    }

    fn round(&mut self, plan: &Arc<StreamPlan>, batches: &[&MessageBatch]) -> anyhow::Result<()> {
        let files = way::files(plan, batches, &self.names)?;
        let start = self.position;
        self.position += batches.iter().map(|batch| batch.len() as i64).sum::<i64>();
        let range = ConsumedRange {
            partition: TopicPartition::new("vehicle_data", 0),
            range: OffsetRange { start, end: self.position },
            cursor: None,
            skipped: None,
        };
        let named = files.iter().map(|file| file.file.clone()).collect();
        let data = Data { source: SOURCE.to_owned(), ranges: vec![range], files: named, ..Data::default() };
        self.runtime.block_on(async {
            for file in &files {
                upload(&self.lake.store(), file).await?;
            }
            self.log.append(Body::Data(data)).await?;
            Ok(())
        })
    }
}
