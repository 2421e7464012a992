//! The checkpoint log over real object stores, and over one that lies about its answers.

mod faulty;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use faulty::{Fault, FaultyStore};
use millstream_model::entry::{Body, ConsumedRange, Control, Data, DataFile, Sequence};
use millstream_model::{Digest, OffsetRange, SystemClock, TopicPartition};
use millstream_pipeline::checkpoint::{AppendError, CheckpointLog, LogError, Rejection, RetryPolicy};
use millstream_pipeline::lake;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

const PATIENCE: RetryPolicy = RetryPolicy {
    attempts: 5,
    first_delay: Duration::from_micros(10),
    delay_max: Duration::from_micros(50),
    request_timeout: Duration::from_secs(20),
    time_max: Duration::from_secs(60),
};

fn prefix() -> Path {
    Path::from("_millstream/log")
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

async fn open(store: &Arc<dyn ObjectStore>) -> CheckpointLog {
    CheckpointLog::open_with(store.clone(), prefix(), Arc::new(SystemClock), PATIENCE).await.unwrap()
}

/// A log with an open session and a bound source.
async fn begin(store: &Arc<dyn ObjectStore>, worker: &str) -> CheckpointLog {
    let mut log = open(store).await;
    log.open_session(worker).await.unwrap();
    if log.state().source().is_none() {
        let bound = Control::SourceBound { source: "c".into(), topics: BTreeMap::new() };
        log.append(Body::Control(bound)).await.unwrap();
    }
    log
}

/// The next `count` offsets of the partition, without files.
fn next(log: &CheckpointLog, count: i64) -> Body {
    let start = log.state().position(&partition()).offset;
    let range = OffsetRange::new(start, start + count);
    let ranges = vec![ConsumedRange { partition: partition(), range, cursor: None, skipped: None }];
    Body::Data(Data { source: "c".into(), ranges, ..Data::default() })
}

fn offset(log: &CheckpointLog) -> i64 {
    log.state().position(&partition()).offset
}

fn in_memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

/// What a worker writes, a later one reads, whatever the store is.
async fn check_store(store: Arc<dyn ObjectStore>) {
    assert_eq!(lake::race(&store).await.unwrap(), 1);
    let mut log = begin(&store, "w").await;
    for expected in 3..10 {
        assert_eq!(log.append(next(&log, 5)).await.unwrap(), expected);
    }
    let mut other = open(&store).await;
    assert_eq!(other.state(), log.state());
    assert_eq!(offset(&other), 35);

    let entries = other.entries(Some(8)).await.unwrap();
    assert_eq!(entries.iter().map(|(entry, _)| entry.sequence).collect::<Vec<_>>(), [8, 9]);
    assert!(entries.iter().all(|(_, bytes)| *bytes > 100));

    assert_eq!(log.truncate(2).await.unwrap(), Some(9));
    let left = log.entries(None).await.unwrap().into_iter().map(|(entry, _)| entry.sequence);
    assert_eq!(left.collect::<Vec<_>>(), [7, 8, 9, 10]);
    log.append(next(&log, 5)).await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(other.state(), log.state());
    assert_eq!(open(&store).await.state(), log.state());
}

#[tokio::test]
async fn works_in_memory() {
    check_store(in_memory()).await;
}

#[tokio::test]
async fn works_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    check_store(Arc::new(LocalFileSystem::new_with_prefix(folder.path()).unwrap())).await;
}

/// Appends one entry through a store that does `faults` to it: it stands, and it stands once.
async fn check_faults(faults: &[Fault]) {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let mut log = begin(&store, "w").await;
    faulty.add_faults(faults.iter().copied());
    assert_eq!(log.append(next(&log, 5)).await.unwrap(), 3, "{faults:?}");
    assert_eq!(log.append(next(&log, 5)).await.unwrap(), 4, "{faults:?}");
    let reader = open(&store).await;
    assert_eq!(reader.state(), log.state(), "{faults:?}");
    assert_eq!((offset(&reader), reader.state().sequence()), (10, 4), "{faults:?}");
}

#[tokio::test]
async fn an_entry_stands_once_whatever_the_store_answers() {
    use Fault::*;
    let faults = [LostReply, Refused, FalseConflict, Late, RepeatedInside];
    for first in faults {
        check_faults(&[first]).await;
        for second in faults {
            check_faults(&[first, second]).await;
        }
    }
}

#[tokio::test]
async fn reads_are_repeated() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    begin(&store, "w").await;
    faulty.failing_reads.store(PATIENCE.attempts as usize - 1, Ordering::SeqCst);
    assert_eq!(open(&store).await.state().sequence(), 2);
}

#[tokio::test]
async fn patience_ends_with_the_path_and_the_cause() {
    let store: Arc<dyn ObjectStore> = Arc::new(FaultyStore::new([Fault::Refused; 100]));
    let mut log = open(&store).await;
    let error = log.open_session("w").await.unwrap_err().to_string();
    assert!(error.contains("cannot create `_millstream/log/entries/00000000000000000001.json`"), "{error}");
    assert!(error.contains("in FaultyStore (tried 5 times)"), "{error}");
    assert!(error.contains("503 slow down"), "{error}");
}

/// The store went away with the entry landed. The same body again tells that it stands; another one
/// is refused, since it cannot know.
#[tokio::test]
async fn an_append_that_was_given_up_is_settled_by_the_next() {
    for same in [true, false] {
        let faulty = Arc::new(FaultyStore::new([]));
        let store: Arc<dyn ObjectStore> = faulty.clone();
        let mut log = begin(&store, "w").await;
        faulty.add_faults([Fault::LostReply]);
        faulty.failing_reads.store(PATIENCE.attempts as usize, Ordering::SeqCst);
        let body = next(&log, 5);
        let error = log.append(body.clone()).await.unwrap_err();
        assert!(matches!(error, AppendError::Log(LogError::Store { .. })), "{error}");
        if same {
            assert_eq!(log.append(body).await.unwrap(), 3);
        } else {
            let error = log.append(next(&log, 7)).await.unwrap_err();
            assert!(matches!(error, AppendError::Fenced), "{error}");
        }
        assert_eq!((offset(&log), offset(&open(&store).await)), (5, 5));
    }
}

/// An append whose future is dropped in the middle is not forgotten.
#[tokio::test]
async fn a_cancelled_append_is_settled_by_the_next_call() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let mut log = begin(&store, "w").await;
    faulty.add_faults([Fault::Hang]);
    let body = next(&log, 5);
    {
        let append = log.append(body.clone());
        futures::pin_mut!(append);
        assert!(futures::poll!(append.as_mut()).is_pending());
    }
    assert_eq!(offset(&log), 0);
    assert_eq!(log.append(body).await.unwrap(), 3);
    assert_eq!((offset(&log), offset(&open(&store).await)), (5, 5));
}

/// Two writers race for every slot: each offset is accepted from one of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_race() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let (a, b) = (begin(&store, "a").await, begin(&store, "b").await);
    let faults = [Fault::LostReply, Fault::None, Fault::Late, Fault::FalseConflict, Fault::None];
    faulty.add_faults(faults.into_iter().cycle().take(100));
    let write = |mut log: CheckpointLog| async move {
        let mut accepted = Vec::new();
        while offset(&log) < 150 {
            let body = next(&log, 3);
            match log.append(body).await {
                Ok(sequence) => accepted.push(sequence),
                Err(AppendError::Rejected(Rejection::NotContiguous { .. })) => {}
                Err(error) => panic!("{error}"),
            }
        }
        accepted
    };
    let (first, second) = tokio::join!(tokio::spawn(write(a)), tokio::spawn(write(b)));
    let mut accepted: Vec<Sequence> = [first.unwrap(), second.unwrap()].concat();
    accepted.sort_unstable();
    let reader = open(&store).await;
    let data: Vec<Sequence> = reader
        .entries(None)
        .await
        .unwrap()
        .into_iter()
        .filter(|(entry, _)| matches!(entry.body, Body::Data(_)))
        .map(|(entry, _)| entry.sequence)
        .collect();
    assert_eq!(accepted, data, "what writers were told is what the log holds");
    assert_eq!(offset(&reader), 150);
}

/// A writer that slept while the log was truncated past it does not get its entry in.
/// Each lost race once counted as a failure of the store, until patience was at its end.
#[tokio::test]
async fn a_writer_far_behind_loses_more_races_than_it_has_patience_for_failures() {
    let store = in_memory();
    let (mut slow, mut fast) = (begin(&store, "slow").await, begin(&store, "fast").await);
    for number in 0..2 * PATIENCE.attempts {
        let config = Digest::of(&number.to_le_bytes());
        fast.append(Body::Control(Control::Configured { config })).await.unwrap();
    }
    slow.append(next(&slow, 5)).await.unwrap();
    fast.refresh().await.unwrap();
    assert_eq!(offset(&fast), 5);
}

#[tokio::test]
async fn a_writer_that_slept_through_a_truncation_is_fenced() {
    let store = in_memory();
    let mut sleeper = begin(&store, "a").await;
    let mut other = begin(&store, "b").await;
    for _ in 0..4 {
        other.append(next(&other, 5)).await.unwrap();
    }
    other.truncate(0).await.unwrap();
    let error = sleeper.append(next(&sleeper, 5)).await.unwrap_err();
    assert!(matches!(error, AppendError::Fenced), "{error}");
    assert_eq!(sleeper.state(), other.state());
    sleeper.append(next(&sleeper, 5)).await.unwrap();
    other.refresh().await.unwrap();
    assert_eq!(offset(&other), 25);
}

#[tokio::test]
async fn leftovers_of_earlier_runs_are_cleaned() {
    let store = in_memory();
    let mut first = begin(&store, "w").await;
    let session = first.session().unwrap().clone();
    let path = |number: u32| format!("raw/t/day=2026-01-01/{session}-{number}.parquet");
    for number in 0..3 {
        store.put(&Path::from(path(number)), PutPayload::from_static(b"rows")).await.unwrap();
    }
    store.put(&Path::from("raw/t/foreign.parquet"), PutPayload::from_static(b"x")).await.unwrap();
    let Body::Data(mut data) = next(&first, 5) else { unreachable!() };
    data.files.push(DataFile {
        table: "raw.t".into(),
        path: path(0),
        session: session.clone(),
        origin: Some(partition()),
        offsets: BTreeMap::new(),
        epoch: 0,
        partition_values: BTreeMap::new(),
        rows: 5,
        bytes: 4,
    });
    first.append(Body::Data(data)).await.unwrap();

    let mut second = begin(&store, "w").await;
    let cleaned = second.clean_closed_sessions(&[Path::from("raw")], Duration::ZERO).await.unwrap();
    assert_eq!(cleaned.closed, std::slice::from_ref(&session));
    assert_eq!(cleaned.deleted, [path(1), path(2)]);
    assert!(store.head(&Path::from(path(0))).await.is_ok(), "a live file stays");
    assert!(store.head(&Path::from(path(1))).await.is_err());
    assert!(store.head(&Path::from("raw/t/foreign.parquet")).await.is_ok(), "a foreign file stays");

    let error = first.append(next(&first, 5)).await.unwrap_err();
    assert!(matches!(error, AppendError::Rejected(Rejection::WriterNotOpen { .. })), "{error}");
}

#[tokio::test]
async fn damage_stops_the_reader_and_names_the_entry() {
    let check = async |bytes: &'static str, expected: &str| {
        let store = in_memory();
        begin(&store, "w").await;
        let path = prefix().join("entries").join("00000000000000000003.json");
        store.put(&path, PutPayload::from_static(bytes.as_bytes())).await.unwrap();
        let opened = CheckpointLog::open_with(store, prefix(), Arc::new(SystemClock), PATIENCE).await;
        let error = opened.unwrap_err().to_string();
        assert!(error.contains("entry 3 of the checkpoint log cannot be used: "), "{error}");
        assert!(error.contains(expected), "{error}");
    };
    check(r#"{"format":4}"#, "written by a newer millstream, format 4; this one reads up to 3").await;
    check("garbage", "not a checkpoint record of format 3").await;
    let other = r#"{"format":1,"sequence":3,"previous":null,"session":"s","nonce":1,"written_at_us":0,"body":{"control":{"retention":{"boundary":1}}}}"#;
    check(other, "it continues another history of the log than the entry before it").await;
}

/// The store begins to overwrite while two workers are at it: both stop before they write an entry, and when
/// the store is sound again, everything that was accepted is there and the work goes on.
#[tokio::test]
async fn a_store_that_begins_to_overwrite_gets_no_further_entry() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let (mut ahead, mut behind) = (begin(&store, "a").await, begin(&store, "b").await);
    let stale = next(&behind, 3);
    ahead.append(next(&ahead, 5)).await.unwrap();
    let before = ahead.state().clone();
    faulty.overwrites.store(true, Ordering::SeqCst);
    let continued = next(&ahead, 5);
    for (log, body) in [(&mut ahead, continued), (&mut behind, stale)] {
        let error = log.append(body).await.unwrap_err().to_string();
        for words in
            ["`_millstream/log/exclusive` although it was there", "overwrite each other", "stop all workers"]
        {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(open(&store).await.state(), &before);
    }
    faulty.overwrites.store(false, Ordering::SeqCst);
    ahead.append(next(&ahead, 5)).await.unwrap();
    assert_eq!(offset(&open(&store).await), 10);
}

/// Somebody tidied up: that the object can be created once proves nothing.
#[tokio::test]
async fn the_object_that_proves_the_store_sound_may_be_deleted() {
    let store = in_memory();
    let mut log = begin(&store, "w").await;
    store.delete(&Path::from("_millstream/log/exclusive")).await.unwrap();
    log.append(next(&log, 5)).await.unwrap();
    assert_eq!(offset(&open(&store).await), 5);
}

/// A store that overwrites a single entry, and nothing else that could be noticed: the entry behind it does
/// not fit, so whoever reads on stops there.
#[tokio::test]
async fn an_entry_that_was_overwritten_stops_every_reader() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let (mut first, mut second) = (begin(&store, "a").await, begin(&store, "b").await);
    first.refresh().await.unwrap();
    first.append(next(&first, 5)).await.unwrap();
    faulty.add_faults([Fault::Overwrite]);
    second.append(next(&second, 3)).await.unwrap();
    first.append(next(&first, 5)).await.unwrap();
    let read = CheckpointLog::open_with(store, prefix(), Arc::new(SystemClock), PATIENCE).await;
    let reader = read.unwrap_err().to_string();
    let writer = second.append(next(&second, 3)).await.unwrap_err().to_string();
    for error in [reader, writer] {
        assert!(
            error.contains("it continues another history of the log than the entry before it"),
            "{error}"
        );
    }
}

/// Revoked in the middle: nothing is asked twice, and with new credentials the same body stands once.
#[tokio::test]
async fn credentials_that_are_revoked_end_an_append_at_once() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let mut log = begin(&store, "w").await;
    let body = next(&log, 5);
    faulty.revoked.store(true, Ordering::SeqCst);
    let error = log.append(body.clone()).await.unwrap_err();
    assert!(matches!(error, AppendError::Log(LogError::Store { attempts: 1, .. })), "{error}");
    faulty.revoked.store(false, Ordering::SeqCst);
    log.append(body).await.unwrap();
    assert_eq!(offset(&open(&store).await), 5);
}

#[tokio::test]
async fn a_store_without_conditional_puts_lets_every_racer_win() {
    let store: Arc<dyn ObjectStore> = Arc::new(FaultyStore::overwriting());
    assert!(lake::race(&store).await.unwrap() > 1);
}
