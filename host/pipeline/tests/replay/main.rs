//! Replays that meet others: a merge of the files they rewrite, another replay of the same messages, a run that
//! goes on. Each comes exactly between the making of the rows and the entry that names them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::AsArray as _;
use arrow::datatypes::Int64Type;
use millstream_engine::{Engine, EngineSettings};
use millstream_model::entry::{Body, DataFile, Replace};
use millstream_model::{OffsetRange, SystemClock};
use millstream_pipeline::admin::Admin;
use millstream_pipeline::config::Config;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::replay::{Progress, Replayed, Replayer, Request, Wanted};
use millstream_pipeline::run::{self, Until};
use millstream_pipeline::sink::{FileNames, read};
use millstream_pipeline::start;
use millstream_pipeline::telemetry::Telemetry;
use object_store::ObjectStoreExt as _;

const MESSAGES: i64 = 12;

/// A folder with a lake, messages, and the guest `misbehave` as a step that doubles every number.
struct City {
    folder: tempfile::TempDir,
}

impl City {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("messages/numbers")).unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        std::fs::copy(millstream_guests::wasm("misbehave"), folder.path().join("plugins/misbehave.wasm"))
            .unwrap();
        let configuration = "[lake]\nurl = \"LAKE\"\n[source.files]\ndir = \"messages\"\n\
            [streams.numbers]\ntopic = \"numbers\"\n[streams.numbers.schema]\n\
            n = { type = \"int64\", required = true }\n[[streams.numbers.steps]]\nplugin = \"misbehave\"\n\
            config = { mode = \"double\" }\n";
        let lake = folder.path().join("lake");
        let configuration = configuration.replace("LAKE", lake.to_str().unwrap());
        std::fs::write(folder.path().join("millstream.toml"), configuration).unwrap();
        let city = Self { folder };
        city.send(MESSAGES);
        city.catch_up();
        city
    }

    /// Adds messages 0, 1, … to the topic.
    fn send(&self, messages: i64) {
        use std::io::Write as _;
        let path = self.folder.path().join("messages/numbers/0.jsonl");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        for n in 0..messages {
            writeln!(file, "{{\"n\":{n}}}").unwrap();
        }
    }

    fn config(&self, worker: &str) -> Config {
        let worker = [("MILLSTREAM_WORKER__NAME".to_owned(), worker.to_owned())];
        Config::read(&self.folder.path().join("millstream.toml"), worker).unwrap()
    }

    fn catch_up(&self) {
        let config = self.config("run");
        let engine = engine();
        let clock = Arc::new(SystemClock);
        let telemetry = Arc::new(Telemetry::new("run", clock.clone()));
        let until = Until { caught_up: true, ..Until::default() };
        let (_admin, requests) = Admin::channel();
        let run = run::run(
            &config,
            None,
            &engine,
            clock,
            telemetry,
            requests,
            until,
            std::future::pending(),
            |_| {},
        );
        block_on(run).unwrap();
    }

    /// Replays all messages; `race` is called before the first entry is written. Gives what became of it and how
    /// often it was made.
    fn replay(&self, worker: &str, race: impl Fn(&Path) + Send + Sync + 'static) -> (Replayed, u32) {
        let made = Arc::new(AtomicU32::new(0));
        let (counter, folder) = (made.clone(), self.folder.path().to_owned());
        let watch = move |progress: Progress<'_>| {
            if progress == Progress::Made && counter.fetch_add(1, Ordering::Relaxed) == 0 {
                // A runtime of its own: this one is in the middle of the replay.
                std::thread::scope(|scope| scope.spawn(|| race(&folder)).join().unwrap());
            }
        };
        let request = Request {
            stream: "numbers".to_owned(),
            wanted: Wanted::Offsets(vec![(0, OffsetRange::new(0, MESSAGES))]),
            origin: None,
        };
        let (config, engine) = (self.config(worker), engine());
        let replayed = block_on(async {
            let replayer = Replayer::open(&config, &engine, Arc::new(SystemClock), request, Arc::new(watch));
            replayer.await.unwrap().run().await.unwrap()
        });
        (replayed.expect("there are messages"), made.load(Ordering::Relaxed))
    }

    /// Offsets and numbers of the curated table, in their order.
    fn curated(&self) -> Vec<(i64, i64)> {
        let lake = self.lake();
        let rows = block_on(async {
            let log = start::open_log(&lake, Arc::new(SystemClock)).await.unwrap();
            let files: Vec<_> = log.state().files()["curated.numbers"].values().cloned().collect();
            read::first_rows(&lake.store(), &files, usize::MAX).await.unwrap()
        });
        let column = |name: &str| -> Vec<i64> {
            let values = rows.iter().map(|rows| rows.column_by_name(name).unwrap());
            values.flat_map(|values| values.as_primitive::<Int64Type>().values().to_vec()).collect()
        };
        let mut rows: Vec<_> = column("_offset").into_iter().zip(column("n")).collect();
        rows.sort_unstable();
        rows
    }

    fn lake(&self) -> Lake {
        Lake::open_existing(self.folder.path().join("lake").to_str().unwrap()).unwrap()
    }
}

fn engine() -> Engine {
    Engine::new(EngineSettings::default()).unwrap()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn doubled(messages: i64) -> Vec<(i64, i64)> {
    (0..messages).map(|offset| (offset, 2 * (offset % MESSAGES))).collect()
}

/// Exchanges each curated file for a copy, as a merge does.
fn merge(folder: &Path) {
    exchange(folder, true);
}

/// Exchanges each curated file for a copy that says which messages it holds, or does not: in files of format 1
/// the log does not.
fn exchange(folder: &Path, says_offsets: bool) {
    let lake = Lake::open_existing(folder.join("lake").to_str().unwrap()).unwrap();
    block_on(async {
        let mut log = start::open_log(&lake, Arc::new(SystemClock)).await.unwrap();
        let session = log.open_session("merger").await.unwrap();
        let names = FileNames::new(session.clone());
        let files: Vec<DataFile> = log.state().files()["curated.numbers"].values().cloned().collect();
        let mut added = Vec::new();
        for file in &files {
            let path = format!("curated/numbers/{}", names.next_name());
            lake.store().copy(&file.path.as_str().into(), &path.as_str().into()).await.unwrap();
            let offsets = if says_offsets { file.offsets.clone() } else { [].into() };
            added.push(DataFile { path, session: session.clone(), origin: None, offsets, ..file.clone() });
        }
        let removed = files.into_iter().map(|file| file.path).collect();
        let replace = Replace { table: "curated.numbers".to_owned(), removed, added };
        log.append(Body::Replace(replace)).await.unwrap();
    });
}

#[test]
fn a_merge_that_was_faster_is_replayed_over() {
    let city = City::new();
    let (replayed, made) = city.replay("a", merge);
    assert_eq!(made, 2, "the first attempt had files that were gone");
    assert_eq!(replayed.replay.counters.r#in, MESSAGES as u64);
    assert_eq!(city.curated(), doubled(MESSAGES));
}

#[test]
fn a_file_that_does_not_say_what_it_holds_is_looked_into() {
    let city = City::new();
    city.send(MESSAGES);
    city.catch_up();
    exchange(city.folder.path(), false);
    let (replayed, _) = city.replay("a", |_| {});
    let added = replayed.replay.tables.iter().flat_map(|table| &table.added);
    let kept: u64 = added.map(|file| file.rows).sum();
    assert_eq!(kept, MESSAGES as u64, "the file of other messages is left alone");
    assert_eq!(city.curated(), doubled(2 * MESSAGES));
}

#[test]
fn of_two_replays_of_the_same_messages_the_slower_is_done_again() {
    let city = Arc::new(City::new());
    let other = city.clone();
    let (replayed, made) = city.replay("a", move |_| {
        let (_, made) = other.replay("b", |_| {});
        assert_eq!(made, 1);
    });
    assert_eq!(made, 2);
    assert_ne!(replayed.replay.ranges[0].parent, None, "it knows of the other one");
    assert_eq!(city.curated(), doubled(MESSAGES));
}

#[test]
fn a_run_that_reads_on_does_not_disturb_a_replay() {
    let city = Arc::new(City::new());
    let other = city.clone();
    let (_, made) = city.replay("a", move |_| {
        other.send(MESSAGES);
        other.catch_up();
    });
    assert_eq!(made, 1);
    assert_eq!(city.curated(), doubled(2 * MESSAGES));
}

/// What an attempt that lost wrote, and what a killed one left, is not in the tables' folders for long.
#[test]
fn files_of_no_use_are_deleted() {
    let city = City::new();
    city.replay("a", merge);
    let lake = city.lake();
    let named = block_on(async {
        let log = start::open_log(&lake, Arc::new(SystemClock)).await.unwrap();
        let state = log.state();
        let live = state.files().values().flat_map(|files| files.keys().cloned());
        let named: std::collections::BTreeSet<_> = live.chain(state.replaced().keys().cloned()).collect();
        assert!(
            state.sessions().values().filter(|session| session.worker == "a-replay").all(|s| s.is_closed())
        );
        named
    });
    let folder = city.folder.path().join("lake");
    let mut found = std::collections::BTreeSet::new();
    for table in ["curated/numbers", "raw/numbers"] {
        let mut folders = vec![folder.join(table)];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(&folder).unwrap().display().to_string());
                }
            }
        }
    }
    assert_eq!(found, named);
}
