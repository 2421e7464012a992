//! The price of exactly-once: messages in memory → decode → plugin → Parquet on a local disk, once with the host's
//! own durable store and an entry of the checkpoint log, once with a plain file sink, which writes each file
//! beside its name, renames it and forgets about it. A round is what one core does in about a second, and ends
//! with a commit. Variants take turns; figures are medians of the rounds, of the whole process's CPU time and of
//! wall time, for the whole round and for what comes behind the last encoded row, where the variants differ.
//! Nothing overlaps here, where the host goes on with the next batches while files are on their way: so the wall
//! figures are upper bounds.

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
    let root = folder.join("plain");
    let mut variants: Vec<Variant<'_>> = vec![
        ("plain file sink", names("plain"), Box::new(|files| write_all(&root, files, false))),
        ("plain file sink that syncs", names("synced"), Box::new(|files| write_all(&root, files, true))),
        ("exactly once", lake.names.clone(), Box::new(|files| lake.commit(files))),
    ];
    let medians = measure(&mut variants, &plan, &batches)?;
    drop(variants);
    fs::remove_dir_all(&folder)?;
    print(&medians);
    Ok(())
}

/// Name, names of its files, and what brings a round's files where they belong.
type Variant<'a> = (&'static str, FileNames, Box<dyn FnMut(Vec<FinishedFile>) -> anyhow::Result<()> + 'a>);

/// Medians of a variant in milliseconds.
struct Median {
    name: &'static str,
    /// CPU time of a round, and of its last part.
    cpu: [f64; 2],
    /// Wall time of the same.
    wall: [f64; 2],
}

fn print(medians: &[Median]) {
    println!(
        "{} messages a round, then a commit; medians of {ROUNDS} rounds",
        BATCHES * messages::BATCH_ROWS
    );
    let plain = &medians[0];
    for Median { name, cpu: [cpu, commit_cpu], wall: [wall, commit_wall] } in medians {
        println!(
            "  {name:<28} CPU {cpu:>7.1} ms, {commit_cpu:>5.1} of it behind the last row ({:>+5.2} % of a plain round)   \
             wall {wall:>7.1} ms, {commit_wall:>6.1} of it ({:>+5.2} %)",
            100.0 * (commit_cpu - plain.cpu[1]) / plain.cpu[0],
            100.0 * (commit_wall - plain.wall[1]) / plain.wall[0],
        );
    }
}

fn measure(
    variants: &mut [Variant<'_>],
    plan: &Arc<StreamPlan>,
    batches: &[&MessageBatch],
) -> anyhow::Result<Vec<Median>> {
    let mut times = vec![[const { Vec::new() }; 4]; variants.len()];
    for round in 0..=ROUNDS {
        for ((_, names, commit), times) in variants.iter_mut().zip(&mut times) {
            let (start, at) = (process_cpu_ns(), Instant::now());
            let files = way::files(plan, batches, names)?;
            let (commit_start, commit_at) = (process_cpu_ns(), Instant::now());
            commit(files)?;
            let end = process_cpu_ns();
            // The first round warms up.
            if round > 0 {
                let wall = [at, commit_at].map(|at| at.elapsed().as_secs_f64() * 1e3);
                let cpu = [start, commit_start].map(|start| (end - start) as f64 / 1e6);
                for (times, time) in times.iter_mut().zip([cpu[0], cpu[1], wall[0], wall[1]]) {
                    times.push(time);
                }
            }
        }
    }
    let medians = variants.iter().zip(times).map(|((name, ..), times)| {
        let [cpu, commit_cpu, wall, commit_wall] = times.map(median);
        Median { name, cpu: [cpu, commit_cpu], wall: [wall, commit_wall] }
    });
    Ok(medians.collect())
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

    fn commit(&mut self, files: Vec<FinishedFile>) -> anyhow::Result<()> {
        let start = self.position;
        self.position += (BATCHES * messages::BATCH_ROWS) as i64;
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
