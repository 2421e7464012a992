//! `tests/bench/startup`: how long it takes to open the checkpoint log of a lake to its head, by the number of its
//! entries, with and without snapshots. `startup DIR ENTRIES URL…` writes logs of so many entries below DIR and
//! opens them at each URL, which must show DIR; figures are medians of several openings in one process.
//!
//! Entries are those of one worker: a range and a file of two tables each; every 500 of them the files of a
//! table are merged into one, and what was merged is deleted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use millstream_log::{Folded, LogState, Rules, encode_entry, encode_snapshot};
use millstream_model::entry::{
    Body, ConsumedRange, Control, Counters, Data, DataFile, Entry, FORMAT, Replace, SessionId,
};
use millstream_model::{OffsetRange, SystemClock, TopicPartition};
use millstream_pipeline::config::LogPolicy;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::start::open_log;

const TABLES: [&str; 2] = ["raw.vehicle", "curated.vehicle"];
/// Entries between two merges.
const MERGE_EVERY: u64 = 500;
/// Openings of a log; of long ones fewer.
const OPENINGS: usize = 5;
/// Time after which no more openings of a log are begun.
const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let [folder, entries, urls @ ..] = args.as_slice() else {
        anyhow::bail!("usage: startup DIR ENTRIES URL…");
    };
    let entries: u64 = entries.parse().context("ENTRIES is a number")?;
    let policy = LogPolicy::default();
    let (plain, short) = (format!("log-{entries}"), format!("log-{entries}-with-snapshots"));
    write(&Path::new(folder).join(&plain), entries, None)?;
    write(&Path::new(folder).join(&short), entries, Some(policy))?;
    let runtime = tokio::runtime::Runtime::new()?;
    for url in urls {
        for name in [&plain, &short] {
            let opened = runtime.block_on(open(&format!("{url}/{name}"), entries))?;
            println!("{url}/{name}: {opened:?}");
        }
    }
    Ok(())
}

/// The median time of opening.
async fn open(url: &str, entries: u64) -> anyhow::Result<Duration> {
    let lake = Lake::open_existing(url)?;
    let mut times = Vec::new();
    let begun = Instant::now();
    while times.len() < OPENINGS && (times.is_empty() || begun.elapsed() < PATIENCE) {
        let start = Instant::now();
        let log = open_log(&lake, Arc::new(SystemClock)).await?;
        times.push(start.elapsed());
        ensure!(log.state().sequence() == entries, "the log was read to {}", log.state().sequence());
    }
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Writes a log; with a policy, one as a run leaves it half way between two snapshots.
fn write(folder: &Path, entries: u64, policy: Option<LogPolicy>) -> anyhow::Result<()> {
    let snapshot = policy.map(|policy| entries - policy.snapshot_every / 2);
    let first =
        policy.map_or(1, |policy| snapshot.unwrap_or(entries).saturating_sub(policy.keep_entries).max(1));
    for kind in ["entries", "snapshots"] {
        std::fs::create_dir_all(folder.join("_millstream/log").join(kind))?;
    }
    let object =
        |kind: &str, sequence: u64| folder.join(format!("_millstream/log/{kind}/{sequence:020}.json"));
    let mut writer = Writer::default();
    for sequence in 1..=entries {
        let bytes = writer.next()?;
        if sequence >= first {
            std::fs::write(object("entries", sequence), bytes)?;
        }
        if snapshot == Some(sequence) {
            std::fs::write(object("snapshots", sequence), encode_snapshot(&writer.state))?;
        }
    }
    Ok(())
}

/// A worker that writes entries, one after the other.
#[derive(Default)]
struct Writer {
    state: LogState,
}

impl Writer {
    fn next(&mut self) -> anyhow::Result<Vec<u8>> {
        let sequence = self.state.sequence() + 1;
        let entry = Entry {
            format: FORMAT,
            sequence,
            previous: self.state.digest(),
            session: session(),
            nonce: sequence,
            written_at_us: i64::try_from(sequence)?,
            body: self.body(sequence),
        };
        let bytes = encode_entry(&entry);
        match self.state.fold(&bytes, &Rules::all())? {
            Folded::Accepted(_) => Ok(bytes.to_vec()),
            Folded::Ignored(_, rejection) => Err(rejection.into()),
        }
    }

    fn body(&self, sequence: u64) -> Body {
        match (sequence, sequence % MERGE_EVERY) {
            (1, _) => Body::Control(Control::SessionOpened {
                session: session(),
                worker: "worker-0".into(),
                version: "0.1.0".into(),
            }),
            (2, _) => Body::Control(Control::SourceBound { source: "kafka".into(), topics: BTreeMap::new() }),
            (_, 0) => self.merge(TABLES[0], sequence),
            (_, 1) => self.merge(TABLES[1], sequence),
            (_, 2) => {
                Body::Control(Control::Cleaned { paths: self.state.replaced().keys().cloned().collect() })
            }
            _ => self.data(sequence),
        }
    }

    fn data(&self, sequence: u64) -> Body {
        let partition = TopicPartition::new("vehicle_data", 0);
        let start = self.state.position(&partition).offset;
        let range = OffsetRange::new(start, start + 50_000);
        let files = TABLES.iter().map(|table| DataFile {
            origin: Some(partition.clone()),
            offsets: BTreeMap::from([(partition.clone(), range)]),
            ..file(table, sequence)
        });
        let counters = Counters { r#in: 50_000, out: 50_000, ..Counters::default() };
        Body::Data(Data {
            source: "kafka".into(),
            files: files.collect(),
            ranges: vec![ConsumedRange { partition: partition.clone(), range, cursor: None, skipped: None }],
            counters: BTreeMap::from([("vehicle".into(), counters)]),
            ..Data::default()
        })
    }

    fn merge(&self, table: &str, sequence: u64) -> Body {
        let small = self.state.files().get(table).into_iter().flat_map(BTreeMap::values);
        let small: Vec<_> = small.filter(|file| file.origin.is_some()).collect();
        let rows = small.iter().map(|file| file.rows).sum();
        let removed = small.into_iter().map(|file| file.path.clone()).collect();
        Body::Replace(Replace {
            table: table.into(),
            removed,
            added: vec![DataFile { rows, ..file(table, sequence) }],
        })
    }
}

fn session() -> SessionId {
    SessionId("1a1ff403388d705a21068b0ce5e".into())
}

fn file(table: &str, sequence: u64) -> DataFile {
    DataFile {
        table: table.into(),
        path: format!("{}/day=2026-01-01/{}-{sequence:06}.parquet", table.replace('.', "/"), session()),
        session: session(),
        origin: None,
        offsets: BTreeMap::new(),
        epoch: 0,
        partition_values: BTreeMap::from([("day".into(), Some("2026-01-01".into()))]),
        rows: 50_000,
        bytes: 2_000_000,
    }
}
