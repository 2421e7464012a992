//! Upkeep of the log by its holders: truncation that fails, formats, and a history that was abandoned.

use millstream_log::{Rules, encode_entry, encode_snapshot};
use millstream_model::entry::{Entry, SessionId};
use object_store::PutMode;

use super::*;

/// A store that lets nobody delete keeps a longer log and costs no entry: the next one was once refused
/// because the deletion had to be done first.
#[tokio::test]
async fn a_log_that_cannot_be_shortened_goes_on() {
    let faulty = Arc::new(FaultyStore::new([]));
    let store: Arc<dyn ObjectStore> = faulty.clone();
    let mut log = begin(&store, "w").await;
    faulty.keeps_all.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        log.append(next(&log, 5)).await.unwrap();
        let error = log.truncate(0).await.unwrap_err();
        assert!(matches!(error, AppendError::Log(LogError::Store { .. })), "{error}");
        log.abandon_upkeep();
    }
    assert_eq!(log.entries(None).await.unwrap().len(), 8);
    assert_eq!(open(&store).await.state(), log.state());
    faulty.keeps_all.store(false, Ordering::SeqCst);
    log.truncate(0).await.unwrap();
    assert_eq!(log.entries(None).await.unwrap().len(), 2);
}

/// Many entries are read ahead; the state is that of reading one after the other.
#[tokio::test]
async fn a_long_log_is_read_to_its_head() {
    let store = in_memory();
    let mut log = begin(&store, "w").await;
    for _ in 0..200 {
        log.append(next(&log, 1)).await.unwrap();
    }
    let mut reader = open(&store).await;
    assert_eq!(reader.state(), log.state());
    for _ in 0..40 {
        log.append(next(&log, 1)).await.unwrap();
    }
    reader.refresh().await.unwrap();
    assert_eq!(reader.state(), log.state());
}

/// Swept files are gone and forgotten, those that were replaced a moment ago are not.
#[tokio::test]
async fn replaced_files_are_swept_when_their_time_has_come() {
    let store = in_memory();
    let mut log = begin(&store, "w").await;
    let session = log.session().unwrap().clone();
    let file = |number: u32| DataFile {
        table: "raw.t".into(),
        path: format!("raw/t/{session}-{number}.parquet"),
        session: session.clone(),
        origin: Some(partition()),
        offsets: BTreeMap::new(),
        epoch: 0,
        partition_values: BTreeMap::new(),
        rows: 5,
        bytes: 4,
    };
    for number in 0..2 {
        store.put(&Path::from(file(number).path), PutPayload::from_static(b"rows")).await.unwrap();
    }
    let Body::Data(mut data) = next(&log, 5) else { unreachable!() };
    data.files.push(file(0));
    log.append(Body::Data(data)).await.unwrap();
    let merged = DataFile { origin: None, ..file(1) };
    let replace = millstream_model::entry::Replace {
        table: "raw.t".into(),
        removed: vec![file(0).path],
        added: vec![merged],
    };
    log.append(Body::Replace(replace)).await.unwrap();

    let hour = Duration::from_hours(1);
    assert!(!log.has_replaced(hour));
    assert_eq!(log.sweep_replaced(hour).await.unwrap().deleted, Vec::<String>::new());
    assert!(log.has_replaced(Duration::ZERO));
    assert_eq!(log.sweep_replaced(Duration::ZERO).await.unwrap().deleted, [file(0).path]);
    assert!(!log.has_replaced(Duration::ZERO));
    assert!(store.head(&Path::from(file(0).path)).await.is_err());
    assert!(store.head(&Path::from(file(1).path)).await.is_ok(), "a live file stays");
}

/// A log as the first version wrote it is raised with an entry in the new format; what is written before
/// that entry can still be read by the first version.
#[tokio::test]
async fn an_older_log_is_raised_when_somebody_asks() {
    let store = in_memory();
    let session = SessionId("0-0".into());
    let opened = Control::SessionOpened { session: session.clone(), worker: "w".into(), version: "0".into() };
    let first = Entry {
        format: 1,
        sequence: 1,
        previous: None,
        session,
        nonce: 1,
        written_at_us: 0,
        body: Body::Control(opened),
    };
    let path = prefix().join("entries").join("00000000000000000001.json");
    store.put(&path, encode_entry(&first).into()).await.unwrap();

    let mut log = open(&store).await;
    let error = log.open_session("w").await.unwrap_err().to_string();
    assert!(error.contains("of format 1") && error.contains("millstream log upgrade"), "{error}");
    assert_eq!(log.upgrade("upgrade").await.unwrap(), 3);
    log.close_session().await.unwrap();
    let formats = log.entries(None).await.unwrap().into_iter().map(|(entry, _)| entry.format);
    assert_eq!(formats.collect::<Vec<_>>(), [1, 1, 3, 3, 3]);
    let mut log = open(&store).await;
    log.open_session("w").await.unwrap();
}

/// A worker that still writes when a backup is restored in its place is fenced by the restored snapshot,
/// wherever it is, and finds its session ended; a new one goes on behind the backup.
#[tokio::test]
async fn a_restored_state_fences_who_still_writes() {
    let store = in_memory();
    let mut worker = begin(&store, "w").await;
    worker.append(next(&worker, 5)).await.unwrap();
    let backup = open(&store).await.state().clone();
    for _ in 0..3 {
        worker.append(next(&worker, 5)).await.unwrap();
    }
    let restored = backup.restore(worker.state().sequence(), worker.state().sessions());
    let path = prefix().join("snapshots").join(format!("{:020}.json", restored.sequence()));
    let bytes = encode_snapshot(&restored);
    store.put_opts(&path, bytes.into(), PutMode::Create.into()).await.unwrap();

    let error = worker.append(next(&worker, 5)).await.unwrap_err();
    assert!(matches!(error, AppendError::Fenced), "{error}");
    let session = worker.session().unwrap().clone();
    assert!(worker.state().ended_by_restore(&session));
    let error = worker.append(next(&worker, 5)).await.unwrap_err();
    assert!(matches!(error, AppendError::Rejected(Rejection::WriterNotOpen { .. })), "{error}");

    let mut next_worker = begin(&store, "w").await;
    assert_eq!(offset(&next_worker), 5);
    let accepted = next_worker.append(next(&next_worker, 5)).await.unwrap();
    assert_eq!(accepted, restored.sequence() + 2);
    let reader = open(&store).await;
    assert_eq!((offset(&reader), reader.state().digest()), (10, next_worker.state().digest()));
    let mut refolded = restored;
    for (entry, _) in reader.entries(Some(accepted - 1)).await.unwrap() {
        refolded.fold(&encode_entry(&entry), &Rules::all()).unwrap();
    }
    assert_eq!(&refolded, reader.state());
}
