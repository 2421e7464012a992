//! What the log accepts and what it refuses, case by case, with the words that a user reads.

use std::collections::BTreeMap;

use millstream_log::{Folded, LogState, Rejection, Remedy, Rules, encode_entry};
use millstream_model::entry::*;
use millstream_model::{Digest, OffsetRange, TopicPartition};

struct Log(LogState);

impl Log {
    /// A log with two sessions, a source, a plugin and offsets 0 to 10 of `t/0` in one file.
    fn begun() -> Self {
        let mut log = Self(LogState::default());
        log.accept("a", opened("a"));
        log.accept("b", opened("b"));
        log.accept("a", control(Control::SourceBound { source: "c1".into(), topics: topics("id-1") }));
        log.accept("a", control(Control::Plugins { desired: vec![plugin(1)], change: None }));
        log.accept("a", Body::Data(data(0, 10, &["a-1"])));
        log
    }

    fn offer(&mut self, session: &str, body: Body) -> Result<(), Rejection> {
        let entry = Entry {
            format: FORMAT,
            sequence: self.0.sequence() + 1,
            previous: self.0.digest(),
            session: SessionId(session.into()),
            nonce: 1,
            written_at_us: 0,
            body,
        };
        match self.0.fold(&encode_entry(&entry), &Rules::all()).unwrap() {
            Folded::Accepted(_) => Ok(()),
            Folded::Ignored(_, rejection) => Err(rejection),
        }
    }

    fn accept(&mut self, session: &str, body: Body) {
        assert_eq!(self.offer(session, body), Ok(()));
    }
}

/// The rejection of `body` by a log that has begun; it must leave everything but the head as it was.
fn check(body: Body, expected: &str, remedy: Remedy) {
    let mut log = Log::begun();
    let before = (log.0.files().clone(), log.0.positions().clone(), log.0.sessions().clone());
    let rejection = log.offer("a", body).unwrap_err();
    assert_eq!(rejection.to_string(), expected);
    assert_eq!(rejection.remedy(), remedy, "{expected}");
    assert_eq!(before, (log.0.files().clone(), log.0.positions().clone(), log.0.sessions().clone()));
}

fn control(control: Control) -> Body {
    Body::Control(control)
}

fn opened(session: &str) -> Body {
    control(Control::SessionOpened {
        session: SessionId(session.into()),
        worker: "worker".into(),
        version: "0".into(),
    })
}

fn topics(id: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("t".into(), id.into())])
}

fn plugin(version: u8) -> PluginUse {
    let digest = Digest::of(&[version]);
    PluginUse { stream: "s".into(), step: "p".into(), plugin: digest, config: digest }
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn file(name: &str) -> DataFile {
    DataFile {
        table: "raw".into(),
        path: format!("raw/{name}.parquet"),
        session: SessionId(name[..1].into()),
        origin: Some(partition()),
        offsets: BTreeMap::new(),
        epoch: 0,
        partition_values: BTreeMap::new(),
        rows: 10,
        bytes: 1,
    }
}

fn offsets(start: i64, end: i64) -> BTreeMap<TopicPartition, OffsetRange> {
    BTreeMap::from([(partition(), OffsetRange { start, end })])
}

fn range(start: i64, end: i64) -> ConsumedRange {
    ConsumedRange { partition: partition(), range: OffsetRange { start, end }, cursor: None, skipped: None }
}

fn data(start: i64, end: i64, files: &[&str]) -> Data {
    Data {
        source: "c1".into(),
        ranges: vec![range(start, end)],
        files: files.iter().map(|name| file(name)).collect(),
        watermarks: vec![Watermark { partition: partition(), micros: 100, idle: false }],
        plugins: vec![plugin(1)],
        ..Data::default()
    }
}

fn state(parent: Option<Digest>, task: i32) -> StateDelta {
    StateDelta {
        step: "s/p".into(),
        task,
        parent,
        digest: Digest::of(b"state"),
        path: "state/a-9".into(),
        session: SessionId("a".into()),
        snapshot: false,
    }
}

#[test]
fn data_continue_what_was_accepted() {
    let reload = |data, expected| check(Body::Data(data), expected, Remedy::Reload);
    reload(data(9, 12, &[]), "t/0 continues at offset 10, not at 9");
    reload(data(11, 12, &[]), "t/0 continues at offset 10, not at 11");
    let mut new = data(10, 12, &[]);
    new.ranges[0].partition = TopicPartition::new("t", 1);
    reload(new, "t/1 continues at offset 0, not at 10");
    let mut twice = data(10, 12, &[]);
    twice.ranges.push(range(11, 13));
    reload(twice, "t/0 continues at offset 12, not at 11");
    let back = Watermark { partition: partition(), micros: 99, idle: false };
    reload(
        Data { watermarks: vec![back], ..data(10, 12, &[]) },
        "the watermark of t/0 is 100 µs and cannot go back to 99 µs",
    );
    let orphan = Data { states: vec![state(Some(Digest::of(b"x")), 0)], ..data(10, 12, &[]) };
    let expected = format!("state of `s/p`, task 0, continues nothing, not {}", Digest::of(b"x").short());
    reload(orphan, &expected);
    let old = plugin(2);
    let expected = format!(
        "`s/p` ran plugin {0} with configuration {0}, which the log does not desire here",
        old.plugin.short()
    );
    reload(Data { plugins: vec![old], ..data(10, 12, &[]) }, &expected);
}

#[test]
fn skipped_ranges_are_part_of_the_line() {
    let mut log = Log::begun();
    let skipped = ConsumedRange { skipped: Some("deleted by retention".into()), ..range(10, 50) };
    log.accept("a", Body::Data(Data { ranges: vec![skipped, range(50, 60)], ..data(0, 1, &[]) }));
    assert_eq!(log.0.position(&partition()).offset, 60);
}

#[test]
fn data_are_well_formed() {
    let bug = |data, expected| check(Body::Data(data), expected, Remedy::Bug);
    bug(data(10, 10, &[]), "range [10, 10) of t/0 holds no position");
    let skipped = |start, end| {
        let reason = Some("start = latest".to_owned());
        let ranges = vec![ConsumedRange { skipped: reason, ..range(start, end) }];
        Body::Data(Data { source: "c1".into(), ranges, ..Data::default() })
    };
    let mut log = Log::begun();
    log.accept("a", skipped(10, 10));
    assert!(matches!(log.offer("b", skipped(0, 0)), Err(Rejection::NotContiguous { .. })));
    assert!(matches!(log.offer("b", skipped(10, 9)), Err(Rejection::RangeEmpty { .. })));
    bug(data(10, 9, &[]), "range [10, 9) of t/0 holds no position");
    bug(data(10, 12, &["a-1"]), "`raw/a-1.parquet` is a live file of `raw` already, or was one");
    bug(data(10, 12, &["a-2", "a-2"]), "`raw/a-2.parquet` is a live file of `raw` already, or was one");
    let misnamed = DataFile { session: SessionId("b".into()), ..file("a-2") };
    bug(
        Data { files: vec![misnamed], ..data(10, 12, &[]) },
        "the name of `raw/a-2.parquet` does not begin with `b-`",
    );
    let other = DataFile { origin: Some(TopicPartition::new("t", 1)), ..file("a-2") };
    bug(
        Data { files: vec![other], ..data(10, 12, &[]) },
        "`raw/a-2.parquet` holds rows of t/1, of which the entry processes nothing",
    );
    let merged = DataFile { origin: None, ..file("a-2") };
    bug(
        Data { files: vec![merged], ..data(10, 12, &[]) },
        "`raw/a-2.parquet` holds rows of no single partition, of which the entry processes nothing",
    );
    bug(
        Data { states: vec![state(None, 3)], ..data(10, 12, &[]) },
        "state of `s/p` is of task 3, which has neither a range nor a watermark in the entry",
    );
}

#[test]
fn sources_do_not_mix() {
    let configure = |body, expected| check(body, expected, Remedy::Configure);
    configure(
        Body::Data(Data { source: "c2".into(), ..data(10, 12, &[]) }),
        "the log holds offsets of source `c1`, not of `c2`: use another lake for another source",
    );
    configure(
        control(Control::SourceBound { source: "c2".into(), topics: topics("id-1") }),
        "the log holds offsets of source `c1`, not of `c2`: use another lake for another source",
    );
    configure(
        control(Control::SourceBound { source: "c1".into(), topics: topics("id-2") }),
        "topic `t` was created again: its id is `id-2`, the log holds offsets of `id-1`",
    );
    let mut log = Log::begun();
    let more = BTreeMap::from([("u".to_owned(), "id-7".to_owned())]);
    log.accept("a", control(Control::SourceBound { source: "c1".into(), topics: more }));
    assert_eq!(log.0.source().unwrap().topics.len(), 2);
}

#[test]
fn rewriting_keeps_the_rows() {
    let replace = |removed: &[&str], added: Vec<DataFile>| {
        let removed = removed.iter().map(|name| format!("raw/{name}.parquet")).collect();
        Body::Replace(Replace { table: "raw".into(), removed, added })
    };
    check(
        replace(&["a-7"], vec![file("a-2")]),
        "`raw/a-7.parquet` is not a live file of `raw`",
        Remedy::Reload,
    );
    check(
        replace(&["a-1", "a-1"], vec![file("a-2")]),
        "`raw/a-1.parquet` is not a live file of `raw`",
        Remedy::Reload,
    );
    check(
        replace(&["a-1"], vec![DataFile { rows: 9, ..file("a-2") }]),
        "rewriting `raw` would make 10 rows into 9",
        Remedy::Bug,
    );
    check(
        replace(&["a-1"], vec![DataFile { table: "curated".into(), ..file("a-2") }]),
        "`raw/a-2.parquet` belongs to `curated`, but the entry rewrites `raw`",
        Remedy::Bug,
    );
    let mut log = Log::begun();
    log.accept("b", replace(&["a-1"], vec![file("b-1")]));
    let stale = DataFile { offsets: offsets(0, 10), ..file("a-1") };
    let again = log.offer("a", Body::Data(Data { files: vec![stale], ..data(10, 12, &[]) })).unwrap_err();
    assert!(matches!(again, Rejection::FileOutsideRange { .. }), "{again}");

    let back = log.offer("b", replace(&["b-1"], vec![file("a-1")])).unwrap_err();
    assert!(matches!(back, Rejection::FileKnown { .. }), "a sweeper may be about to delete it: {back}");

    let path = "raw/a-1.parquet";
    assert!(!log.0.is_garbage(path, 0), "readers may have it open");
    assert!(log.0.is_garbage(path, 1), "replaced before");
    log.accept("b", control(Control::Cleaned { paths: vec![path.into()] }));
    assert!(log.0.replaced().is_empty());
}

#[test]
fn sessions_open_once_and_stay_closed() {
    let unknown = Body::Control(Control::SessionClosed { session: SessionId("z".into()) });
    check(unknown, "session z is not open, so it cannot be closed", Remedy::Reload);
    check(opened("b"), "session b must open itself; session a cannot", Remedy::Bug);
    check(opened("a"), "session a was opened before", Remedy::Reopen);

    let mut log = Log::begun();
    log.accept("b", control(Control::SessionClosed { session: SessionId("a".into()) }));
    let over = "session a is not open: another worker of its name took over, or it was never opened";
    assert_eq!(log.offer("a", Body::Data(data(10, 12, &[]))).unwrap_err().to_string(), over);
    assert_eq!(log.offer("a", opened("a")).unwrap_err().to_string(), "session a was opened before");
    let carried = log.offer("b", Body::Data(data(10, 12, &["a-2"]))).unwrap_err();
    assert_eq!(carried.to_string(), "`raw/a-2.parquet` belongs to session a, which is not open");

    assert!(!log.0.is_garbage("raw/a-1.parquet", 0), "live");
    assert!(log.0.is_garbage("raw/day=2026-01-01/a-2.parquet", 0), "closed and never accepted");
    assert!(!log.0.is_garbage("raw/b-2.parquet", 0), "may be accepted yet");
    assert!(!log.0.is_garbage("raw/foreign-2.parquet", 0), "none of ours");
}

#[test]
fn the_boundary_rises_up_to_the_head() {
    let retention = |boundary| control(Control::Retention { boundary });
    check(retention(9), "the retention boundary cannot be 9: the log ends at 5", Remedy::Bug);
    let mut log = Log::begun();
    log.accept("a", retention(3));
    let back = log.offer("a", retention(3)).unwrap_err();
    assert_eq!(back.to_string(), "the retention boundary is 3 and cannot become 3");
}

#[test]
fn one_step_has_one_plugin() {
    let twice = control(Control::Plugins { desired: vec![plugin(1), plugin(2)], change: None });
    check(twice, "`s/p` is named twice", Remedy::Bug);
}

#[test]
fn rows_are_of_the_messages_that_the_entry_processes() {
    let of = |offsets, epoch| DataFile { offsets, epoch, ..file("a-2") };
    let entry = |file| Body::Data(Data { files: vec![file], ..data(10, 12, &[]) });
    let other = "`raw/a-2.parquet` holds rows of other messages than those that the entry processes";
    check(entry(of(offsets(9, 12), 0)), other, Remedy::Bug);
    check(entry(of(offsets(10, 13), 0)), other, Remedy::Bug);
    let epoch = "`raw/a-2.parquet` holds rows of epoch 1 of `t`, which is in epoch 0";
    check(entry(of(offsets(10, 12), 1)), epoch, Remedy::Reload);
    Log::begun().accept("a", entry(of(offsets(10, 12), 0)));

    let second = ConsumedRange { partition: TopicPartition::new("t", 1), ..range(0, 5) };
    let foreign = [(second.partition.clone(), OffsetRange { start: 0, end: 5 })].into();
    let ranges = vec![range(10, 12), second];
    let mixed = Data { ranges, files: vec![of(foreign, 0)], ..data(10, 12, &[]) };
    check(Body::Data(mixed), other, Remedy::Bug);
    let skipped = ConsumedRange { skipped: Some("deleted by retention".into()), ..range(10, 12) };
    let passed_over =
        Data { ranges: vec![skipped, range(12, 14)], files: vec![of(offsets(10, 14), 0)], ..data(0, 1, &[]) };
    check(Body::Data(passed_over), other, Remedy::Bug);
}

fn replay(start: i64, end: i64, parent: Option<u64>) -> Replay {
    let ranges =
        vec![ReplayedRange { partition: partition(), range: OffsetRange { start, end }, epoch: 0, parent }];
    let table = Replace {
        table: "raw".into(),
        removed: vec!["raw/a-1.parquet".into()],
        added: vec![DataFile { rows: 3, ..file("a-2") }],
    };
    Replay {
        stream: "s".into(),
        selection: Selection::All,
        ranges,
        tables: vec![table],
        counters: Counters { r#in: 4, out: 4, ..Counters::default() },
        plugins: vec![plugin(1)],
    }
}

#[test]
fn replays_do_not_race() {
    let reload = |replay, expected| check(Body::Replay(replay), expected, Remedy::Reload);
    reload(replay(2, 6, Some(3)), "messages of t/0 were replayed by another one at the same time");
    let mut gone = replay(2, 6, None);
    gone.tables[0].removed = vec!["raw/a-7.parquet".into()];
    reload(gone, "`raw/a-7.parquet` is not a live file of `raw`");
    let bug = |replay, expected| check(Body::Replay(replay), expected, Remedy::Bug);
    bug(replay(2, 11, None), "[2, 11) of t/0 cannot be replayed: the log ends at 10 there");
    bug(replay(2, 2, None), "range [2, 2) of t/0 holds no position");
    let mut twice = replay(2, 6, None);
    twice.tables.push(Replace { removed: vec![], added: vec![], ..twice.tables[0].clone() });
    bug(twice, "the entry replaces files of `raw` twice");
    bug(Replay { ranges: vec![], ..replay(2, 6, None) }, "a replay of stream `s` names no messages");

    let mut log = Log::begun();
    log.accept("a", Body::Replay(replay(2, 6, None)));
    let sequence = log.0.sequence();
    assert_eq!(log.0.last_replay(&partition()), Some(sequence));
    assert_eq!(log.0.replay_totals()["s"].r#in, 4);
    assert_eq!(log.0.position(&partition()).offset, 10, "a replay moves no position");
    let again = log.offer("a", Body::Replay(replay(2, 6, None))).unwrap_err();
    assert!(matches!(again, Rejection::ReplayParent { .. }), "{again}");
}

fn adopted(source: &str, id: &str) -> Body {
    control(Control::Adopted { source: source.into(), topics: topics(id), restart: ["t".to_owned()].into() })
}

#[test]
fn a_topic_begins_again_where_that_is_asked() {
    let mut log = Log::begun();
    log.accept("a", adopted("c2", "id-2"));
    assert_eq!(log.0.epoch("t"), 1);
    assert_eq!(log.0.position(&partition()).offset, 0);
    assert_eq!(log.0.source().unwrap().topics, topics("id-2"));
    assert!(log.0.files()["raw"].contains_key("raw/a-1.parquet"), "rows of the epoch before stay");
    let old = DataFile { offsets: offsets(0, 5), ..file("a-2") };
    let of_old = Data { source: "c2".into(), files: vec![old], watermarks: vec![], ..data(0, 5, &[]) };
    let error = log.offer("a", Body::Data(of_old)).unwrap_err();
    assert!(matches!(error, Rejection::OtherEpoch { .. }), "{error}");
}

/// An entry of a worker that still read the deleted topic was accepted if it named no file, and so many messages
/// of the new one were passed over.
#[test]
fn workers_that_read_the_topic_as_it_was_begin_anew() {
    let mut log = Log::begun();
    log.accept("a", adopted("c1", "id-2"));
    let of_old = Data { watermarks: vec![], ..data(0, 5, &[]) };
    let error = log.offer("b", Body::Data(of_old)).unwrap_err();
    assert!(matches!(error, Rejection::WriterNotOpen { .. }), "{error}");
}

/// The second one of two who were asked to adopt a topic had it read twice.
#[test]
fn a_topic_is_adopted_once() {
    let known =
        "topic `t` cannot begin again: the log knows it already, or it is not known to be another one";
    check(adopted("c1", "id-1"), known, Remedy::Reload);
    let unnamed =
        Control::Adopted { source: "c1".into(), topics: [].into(), restart: ["t".to_owned()].into() };
    check(control(unnamed), known, Remedy::Reload);
    let mut log = Log::begun();
    log.accept("a", adopted("c1", "id-2"));
    let again = log.offer("a", adopted("c1", "id-2")).unwrap_err();
    assert_eq!(again.to_string(), known);
    log.accept("a", adopted("c1", "id-3"));
    let late = log.offer("a", adopted("c1", "id-2")).unwrap_err();
    assert_eq!(late.to_string(), known);
    log.accept("a", adopted("c2", "id-2"));
    log.accept("a", adopted("c1", "id-3"));
}

/// Once a topic had begun again, files of its earlier epoch could not be merged any more.
#[test]
fn files_of_an_earlier_epoch_are_merged_and_not_replayed() {
    let mut log = Log::begun();
    let known = DataFile { offsets: offsets(10, 12), ..file("a-2") };
    log.accept("a", Body::Data(Data { files: vec![known], ..data(10, 12, &[]) }));
    log.accept("a", adopted("c1", "id-2"));
    let removed = vec!["raw/a-2.parquet".to_owned()];
    let merged = DataFile { offsets: offsets(10, 12), ..file("a-3") };
    log.accept("a", Body::Replace(Replace { table: "raw".into(), removed, added: vec![merged] }));
    log.accept("a", Body::Data(Data { watermarks: vec![], ..data(0, 5, &[]) }));
    let mut old = replay(0, 5, None);
    old.ranges[0].epoch = 1;
    old.tables[0] = Replace { table: "raw".into(), removed: vec!["raw/a-3.parquet".into()], added: vec![] };
    let error = log.offer("a", Body::Replay(old)).unwrap_err();
    assert!(matches!(error, Rejection::OtherEpoch { .. }), "{error}");
}

/// What a merged file says of its messages is what a replay goes by.
#[test]
fn merged_files_say_of_all_messages_what_they_hold() {
    let lost =
        "the file in the place of `raw/a-2.parquet` does not say that it holds rows of the same messages";
    let cases = [
        (offsets(10, 20), 0, None),
        ([].into(), 0, None),
        (offsets(10, 19), 0, Some(lost)),
        (offsets(11, 20), 0, Some(lost)),
        ([(TopicPartition::new("t", 1), OffsetRange { start: 10, end: 20 })].into(), 0, Some(lost)),
        ([(TopicPartition::new("u", 0), OffsetRange { start: 10, end: 20 })].into(), 0, Some(lost)),
        (offsets(10, 20), 1, Some(lost)),
    ];
    for (offsets_merged, epoch, expected) in cases {
        let mut log = Log::begun();
        let known = DataFile { offsets: offsets(10, 20), ..file("a-2") };
        log.accept("a", Body::Data(Data { files: vec![known], ..data(10, 20, &[]) }));
        let merged = DataFile { offsets: offsets_merged.clone(), epoch, ..file("a-3") };
        let removed = vec!["raw/a-2.parquet".to_owned()];
        let replace = Replace { table: "raw".into(), removed, added: vec![merged] };
        let rejection = log.offer("a", Body::Replace(replace)).err().map(|rejection| rejection.to_string());
        assert_eq!(rejection.as_deref(), expected, "{offsets_merged:?}, epoch {epoch}");
    }
}

/// A log in which an unknown format was announced could be read by nobody any more.
#[test]
fn formats_rise_to_one_that_is_known() {
    let upgraded = |format| control(Control::Upgraded { format });
    check(upgraded(FORMAT), "the log's format is 3 and cannot become 3", Remedy::Reload);
    check(upgraded(FORMAT + 1), "the log's format is 3 and cannot become 4", Remedy::Reload);
}

/// The lowest one of the partitions that are awake; back it never goes.
#[test]
fn the_watermark_of_a_topic_waits_for_who_is_awake() {
    let mut log = Log::begun();
    let mut mark = |number, micros, idle, expected| {
        let watermark = Watermark { partition: TopicPartition::new("t", number), micros, idle };
        let data = Data { ranges: vec![], watermarks: vec![watermark], ..data(0, 1, &[]) };
        log.accept("a", Body::Data(data));
        assert_eq!(log.0.topic_watermark("t"), Some(expected), "partition {number} at {micros}");
    };
    mark(0, 200, false, 200);
    mark(1, 150, false, 200);
    mark(0, 300, false, 200);
    mark(1, 250, false, 250);
    mark(1, 250, true, 300);
    mark(1, 260, false, 300);
    mark(0, 310, true, 300);
    mark(1, 270, true, 310);
}
