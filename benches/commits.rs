//! `tests/bench/commits`: how many entries a second the checkpoint log takes, and how long an append takes
//! until it is accepted, in each lake named behind `--`; by one writer, and by three that race for every
//! slot. An entry is what a worker with four partitions of two tables commits: four ranges, eight files. The
//! files are named and not written: this is the log alone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use millstream_model::entry::{Body, ConsumedRange, Control, Counters, Data, DataFile};
use millstream_model::{OffsetRange, SystemClock, TopicPartition};
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::start::open_log;
use millstream_pipeline::store::Operation;

/// How long each number of writers is measured.
const MEASURED: Duration = Duration::from_secs(10);
const PARTITIONS: i32 = 4;
const TABLES: [&str; 2] = ["raw.vehicle", "curated.vehicle"];
/// Messages of a range.
const MESSAGES: i64 = 1000;

/// One worker and its partitions.
struct Writer {
    lake: Lake,
    log: CheckpointLog,
    number: usize,
    files: u64,
}

fn main() -> anyhow::Result<()> {
    let lakes: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    println!("lake | writers | commits/s | p50 ms | p99 ms | longest ms | requests per commit");
    for url in &lakes {
        for writers in [1, 3] {
            // A log of its own each time: the state grows with the files it names.
            let url = format!("{}/{writers}-writers", url.trim_end_matches('/'));
            runtime.block_on(measure(&url, writers)).with_context(|| url.clone())?;
        }
    }
    Ok(())
}

async fn measure(url: &str, writers: usize) -> anyhow::Result<()> {
    let mut ready = Vec::new();
    for number in 0..writers {
        ready.push(Writer::new(url, number).await?);
    }
    let before = ready.iter().map(Writer::requests).sum::<u64>();
    let began = Instant::now();
    let tasks: Vec<_> =
        ready.into_iter().map(|writer| tokio::spawn(writer.write(began + MEASURED))).collect();
    let (mut latencies, mut requests) = (latencies()?, 0);
    for task in tasks {
        let (of_writer, asked) = task.await??;
        latencies.add(of_writer)?;
        requests += asked;
    }
    let commits = latencies.len();
    let millis = |micros: u64| micros as f64 / 1000.0;
    println!(
        "{url} | {writers} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1}",
        commits as f64 / began.elapsed().as_secs_f64(),
        millis(latencies.value_at_quantile(0.5)),
        millis(latencies.value_at_quantile(0.99)),
        millis(latencies.max()),
        (requests - before) as f64 / commits as f64,
    );
    Ok(())
}

/// Microseconds, to three digits.
fn latencies() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new(3)?)
}

impl Writer {
    async fn new(url: &str, number: usize) -> anyhow::Result<Self> {
        let lake = Lake::open(url)?;
        lake.probe().await?;
        let mut log = open_log(&lake, Arc::new(SystemClock)).await?;
        log.open_session(&format!("worker-{number}")).await?;
        if log.state().source().is_none() {
            let bound = Control::SourceBound { source: "bench".into(), topics: BTreeMap::new() };
            log.append(Body::Control(bound)).await?;
        }
        Ok(Self { lake, log, number, files: 0 })
    }

    /// Commits until `end`; gives how long each took, in microseconds, and the requests of this worker.
    async fn write(mut self, end: Instant) -> anyhow::Result<(Histogram<u64>, u64)> {
        let mut latencies = latencies()?;
        while Instant::now() < end {
            let data = self.next();
            let began = Instant::now();
            self.log.append(Body::Data(data)).await?;
            latencies.record(u64::try_from(began.elapsed().as_micros())?)?;
        }
        let requests = self.requests();
        Ok((latencies, requests))
    }

    /// All requests that this worker's lake was asked.
    fn requests(&self) -> u64 {
        Operation::ALL
            .iter()
            .map(|operation| self.lake.figures().with_durations(*operation, |all| all.count()))
            .sum()
    }

    fn next(&mut self) -> Data {
        let mut data = Data { source: "bench".into(), ..Data::default() };
        for partition in 0..PARTITIONS {
            let partition = TopicPartition::new("vehicle", partition + PARTITIONS * self.number as i32);
            let start = self.log.state().position(&partition).offset;
            let range = OffsetRange::new(start, start + MESSAGES);
            for table in TABLES {
                data.files.push(self.file(table, &partition, range));
            }
            data.ranges.push(ConsumedRange { partition, range, cursor: None, skipped: None });
        }
        let read = MESSAGES as u64 * PARTITIONS as u64;
        data.counters.insert("vehicle".into(), Counters { r#in: read, out: read, ..Counters::default() });
        data
    }

    fn file(&mut self, table: &str, origin: &TopicPartition, range: OffsetRange) -> DataFile {
        self.files += 1;
        let session = self.log.session().expect("it was opened").clone();
        let day = Some("2026-11-21".to_owned());
        DataFile {
            table: table.into(),
            path: format!("{}/day=2026-11-21/{session}-{}.parquet", table.replace('.', "/"), self.files),
            session,
            origin: Some(origin.clone()),
            offsets: [(origin.clone(), range)].into(),
            epoch: 0,
            partition_values: [("day".to_owned(), day)].into(),
            rows: MESSAGES as u64,
            bytes: 40_000,
        }
    }
}
