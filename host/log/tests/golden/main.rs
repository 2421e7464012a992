//! Saved formats: files of every kind of entry and a snapshot must be read and written back byte by
//! byte for as long as the format lives, and whatever is written must be read back the same.
//!
//! `MILLSTREAM_GOLDEN=write` writes files that are missing; one that is there is never changed.

mod random;

use std::collections::BTreeMap;
use std::path::PathBuf;

use millstream_log::{
    FormatError, LogState, Rules, decode_entry, decode_snapshot, encode_entry, encode_snapshot,
};
use millstream_model::entry::*;
use millstream_model::{Digest, OffsetRange, TopicPartition};
use rand::SeedableRng;
use rand::rngs::StdRng;
use random::any_entry;

fn session() -> SessionId {
    SessionId("018f3c2a7b1c0d4e".into())
}

fn data() -> Data {
    let partition = TopicPartition::new("vehicle_data", 0);
    let plugin = PluginUse {
        stream: "vehicle".into(),
        step: "cleanse".into(),
        plugin: Digest::of(b"plugin"),
        config: Digest::of(b"config"),
    };
    let state = StateDelta {
        step: "vehicle/dedupe".into(),
        task: 0,
        parent: None,
        digest: Digest::of(b"state"),
        path: "_millstream/state/018f3c2a7b1c0d4e-1.state".into(),
        session: session(),
        snapshot: true,
    };
    let counters = Counters {
        r#in: 100,
        out: 90,
        dropped: BTreeMap::from([("cleanse".into(), 6)]),
        dead: BTreeMap::from([("missing `model`; found `mode`".into(), 4)]),
        rows: BTreeMap::from([("curated.vehicle".into(), 90), ("raw.vehicle".into(), 100)]),
        drift: BTreeMap::new(),
        late: 0,
        ahead: 0,
    };
    Data {
        source: "lkc-1".into(),
        ranges: vec![
            ConsumedRange {
                partition: partition.clone(),
                range: OffsetRange::new(0, 20),
                cursor: None,
                skipped: Some("deleted by the source's retention".into()),
            },
            ConsumedRange {
                partition: partition.clone(),
                range: OffsetRange::new(20, 120),
                cursor: Some(25_000),
                skipped: None,
            },
        ],
        files: vec![file("1", Some(partition.clone()))],
        states: vec![state],
        watermarks: vec![Watermark { partition, micros: 1_767_254_400_123_456, idle: false }],
        counters: BTreeMap::from([("vehicle".into(), counters)]),
        plugins: vec![plugin],
    }
}

fn file(number: &str, origin: Option<TopicPartition>) -> DataFile {
    DataFile {
        table: "curated.vehicle".into(),
        path: format!("curated/vehicle/day=2026-01-01/{}-{number}.parquet", session()),
        session: session(),
        origin,
        offsets: BTreeMap::new(),
        epoch: 0,
        partition_values: BTreeMap::from([("day".into(), Some("2026-01-01".into())), ("city".into(), None)]),
        rows: 90,
        bytes: 4321,
    }
}

/// One body of every kind that format 1 had, in an order in which a log accepts them.
fn bodies() -> Vec<(&'static str, Body)> {
    let control = Body::Control;
    let replace = Replace {
        table: "curated.vehicle".into(),
        removed: vec![file("1", None).path],
        added: vec![file("2", None)],
    };
    vec![
        (
            "session_opened",
            control(Control::SessionOpened {
                session: session(),
                worker: "worker-0".into(),
                version: "0.1.0".into(),
            }),
        ),
        (
            "source_bound",
            control(Control::SourceBound {
                source: "lkc-1".into(),
                topics: BTreeMap::from([("vehicle_data".into(), "AAAAAAAAAAAAAAAAAAAAAQ".into())]),
            }),
        ),
        ("plugins", control(Control::Plugins { desired: data().plugins, change: None })),
        ("configured", control(Control::Configured { config: Digest::of(b"millstream.toml") })),
        ("data", Body::Data(data())),
        ("replace", Body::Replace(replace)),
        ("retention", control(Control::Retention { boundary: 6 })),
        ("session_closed", control(Control::SessionClosed { session: session() })),
    ]
}

/// The bodies as a log, with the state behind them.
fn log() -> (Vec<(&'static str, Entry)>, LogState) {
    fold(FORMAT_OLDEST, bodies())
}

fn fold(format: u32, bodies: Vec<(&'static str, Body)>) -> (Vec<(&'static str, Entry)>, LogState) {
    let mut state = LogState::default();
    let entries = fold_on(&mut state, format, bodies);
    (entries, state)
}

fn fold_on(
    state: &mut LogState,
    format: u32,
    bodies: Vec<(&'static str, Body)>,
) -> Vec<(&'static str, Entry)> {
    let mut entries = Vec::new();
    for (name, body) in bodies {
        let entry = Entry {
            format,
            sequence: state.sequence() + 1,
            previous: state.digest(),
            session: session(),
            nonce: state.sequence() + 1,
            written_at_us: 1_767_254_400_000_000,
            body,
        };
        let folded = state.fold(&encode_entry(&entry), &Rules::all()).unwrap();
        assert_eq!(folded, millstream_log::Folded::Accepted(entry.clone()));
        entries.push((name, entry));
    }
    entries
}

fn golden(name: &str, bytes: &[u8]) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/golden/log/{name}.json"));
    if !path.exists() && std::env::var("MILLSTREAM_GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn entries_of_format_1_are_read_and_written_back() {
    for (name, entry) in log().0 {
        let saved = golden(&format!("format-1-{name}"), &encode_entry(&entry));
        let read = decode_entry(&saved).unwrap();
        assert_eq!(read, entry, "{name}");
        assert_eq!(encode_entry(&read), saved, "{name}");
    }
}

#[test]
fn a_snapshot_of_format_1_is_read() {
    let read = decode_snapshot(&golden("format-1-snapshot", b"")).unwrap();
    let (_, state) = log();
    assert_eq!(read.sequence(), state.sequence());
    assert_eq!(read.format(), 1);
    assert_eq!((read.positions(), read.files()), (state.positions(), state.files()));
    assert_eq!(decode_snapshot(&encode_snapshot(&read)), Ok(read));
}

/// What format 2 added, in an order in which a log accepts it.
fn later_bodies() -> Vec<(&'static str, Body)> {
    let partition = TopicPartition::new("vehicle_data", 0);
    let placed = |number, rows| DataFile {
        rows,
        offsets: BTreeMap::from([(partition.clone(), OffsetRange::new(20, 120))]),
        ..file(number, Some(partition.clone()))
    };
    let mut bodies = bodies();
    bodies.truncate(4);
    let mut data = data();
    data.files = vec![placed("1", 90)];
    data.watermarks[0].idle = true;
    let replace = |from: &str, to| Replace {
        table: "curated.vehicle".into(),
        removed: vec![file(from, None).path],
        added: vec![to],
    };
    let replay = Replay {
        stream: "vehicle".into(),
        selection: Selection::DeadLetters,
        ranges: vec![ReplayedRange {
            partition: partition.clone(),
            range: OffsetRange::new(30, 50),
            epoch: 0,
            parent: None,
        }],
        tables: vec![replace("2", placed("3", 94))],
        counters: Counters { r#in: 4, out: 4, ..Counters::default() },
        plugins: data.plugins.clone(),
    };
    let adopted = Control::Adopted {
        source: "lkc-2".into(),
        topics: BTreeMap::from([("vehicle_data".into(), "AAAAAAAAAAAAAAAAAAAAAg".into())]),
        restart: ["vehicle_data".to_owned()].into(),
    };
    let again = Data {
        source: "lkc-2".into(),
        ranges: vec![ConsumedRange {
            partition: partition.clone(),
            range: OffsetRange::new(0, 120),
            cursor: None,
            skipped: None,
        }],
        files: vec![DataFile { epoch: 1, ..placed("4", 100) }],
        ..Data::default()
    };
    bodies.extend([
        ("data", Body::Data(data)),
        ("replace", Body::Replace(replace("1", placed("2", 90)))),
        ("replay", Body::Replay(replay)),
        ("cleaned", Body::Control(Control::Cleaned { paths: vec![file("1", None).path] })),
        ("adopted", Body::Control(adopted)),
        ("data_of_an_epoch", Body::Data(again)),
    ]);
    bodies
}

#[test]
fn entries_and_snapshots_of_format_2_are_read_and_written_back() {
    let (entries, state) = fold(2, later_bodies());
    for (name, entry) in entries.into_iter().skip(4) {
        let saved = golden(&format!("format-2-{name}"), &encode_entry(&entry));
        let read = decode_entry(&saved).unwrap();
        assert_eq!(read, entry, "{name}");
        assert_eq!(encode_entry(&read), saved, "{name}");
    }
    let restored = state.clone().restore(20, &BTreeMap::new());
    for (name, state) in [("snapshot", state), ("snapshot_restored", restored)] {
        let read = decode_snapshot(&golden(&format!("format-2-{name}"), b"")).unwrap();
        assert_eq!(read, state, "{name}");
        assert_eq!(decode_snapshot(&encode_snapshot(&read)), Ok(read), "{name}");
    }
}

/// What format 3 added, behind a log of format 2 that is raised: a version before, a change of it, rows of the
/// version before and of the one after, a step that is taken out, and pauses.
fn latest_bodies() -> Vec<(&'static str, Body)> {
    let partition = |number| TopicPartition::new("vehicle_data", number);
    let before = data().plugins;
    let after = vec![PluginUse { plugin: Digest::of(b"plugin 2"), ..before[0].clone() }];
    let plugins = |desired: &[PluginUse], cause, parent| {
        let name = PluginName { name: "cleanse".into(), version: "0.2.0".into() };
        let topics = BTreeMap::from([("vehicle".into(), "vehicle_data".into())]);
        let names = desired.iter().map(|used| (used.plugin, name.clone())).collect();
        let change = Some(PluginChange { cause, parent, topics, names });
        Body::Control(Control::Plugins { desired: desired.to_vec(), change })
    };
    let rows = |number, start, end, plugins: &[PluginUse]| {
        let range = OffsetRange::new(start, end);
        let consumed = ConsumedRange { partition: partition(number), range, cursor: None, skipped: None };
        let plugins = plugins.to_vec();
        Body::Data(Data { source: "lkc-1".into(), ranges: vec![consumed], plugins, ..Data::default() })
    };
    let paused = |step: Option<&str>| {
        let (stream, reason) = ("vehicle".to_owned(), "7 of 10 rows failed".to_owned());
        Body::Control(Control::Paused { stream, reason, step: step.map(str::to_owned) })
    };
    vec![
        ("upgraded", Body::Control(Control::Upgraded { format: 3 })),
        ("plugins", plugins(&after, ChangeCause::DroppedIn, None)),
        ("data_before", rows(0, 120, 130, &before)),
        ("data_after", rows(0, 130, 140, &after)),
        ("paused_for_step", paused(Some("cleanse"))),
        ("plugins_back", plugins(&before, ChangeCause::CircuitOpened, Some(7))),
        ("data_again", rows(1, 0, 10, &before)),
        ("paused", paused(None)),
        ("resumed", Body::Control(Control::Resumed { stream: "vehicle".into() })),
        ("plugins_none", plugins(&[], ChangeCause::Configured, Some(11))),
        ("data_without", rows(1, 10, 20, &[])),
        ("paused_again", paused(None)),
    ]
}

#[test]
fn entries_and_a_snapshot_of_format_3_are_read_and_written_back() {
    let mut older = later_bodies();
    older.truncate(5);
    let (_, mut state) = fold(2, older);
    let entries = fold_on(&mut state, 3, latest_bodies());
    for (name, entry) in entries {
        let saved = golden(&format!("format-3-{name}"), &encode_entry(&entry));
        let read = decode_entry(&saved).unwrap();
        assert_eq!(read, entry, "{name}");
        assert_eq!(encode_entry(&read), saved, "{name}");
    }
    let saved = golden("format-3-snapshot", &encode_snapshot(&state));
    let read = decode_snapshot(&saved).unwrap();
    assert_eq!(read, state);
    assert_eq!(encode_snapshot(&read), saved);
}

/// Counts of late messages are left out where there are none.
#[test]
fn entries_with_late_messages_are_read_and_written_back() {
    let (mut entries, _) = fold(2, later_bodies());
    let (_, mut entry) = entries.swap_remove(4);
    let Body::Data(data) = &mut entry.body else { panic!("the fifth entry is of data") };
    let counters = data.counters.get_mut("vehicle").unwrap();
    (counters.late, counters.ahead) = (7, 1);
    let saved = golden("format-2-data_with_late", &encode_entry(&entry));
    assert_eq!(decode_entry(&saved).unwrap(), entry);
    assert_eq!(encode_entry(&entry), saved);
}

/// Counts of undeclared fields came later; entries without them are those above.
#[test]
fn entries_with_drift_are_read_and_written_back_and_summed() {
    let drift = BTreeMap::from([("mode".to_owned(), 4), ("location[]".to_owned(), 1)]);
    let (mut entries, _) = log();
    let (_, mut entry) = entries.swap_remove(4);
    let Body::Data(data) = &mut entry.body else { panic!("the fifth entry is of data") };
    data.counters.get_mut("vehicle").unwrap().drift = drift.clone();
    let bytes = encode_entry(&entry);
    let saved = golden("format-1-data_with_drift", &bytes);
    assert_eq!(decode_entry(&saved).unwrap(), entry);
    assert_eq!(bytes, saved);

    let mut state = LogState::default();
    for (_, before) in &entries[..4] {
        state.fold(&encode_entry(before), &Rules::all()).unwrap();
    }
    state.fold(&bytes, &Rules::all()).unwrap();
    assert_eq!(state.totals()["vehicle"].drift, drift);
    let read = decode_snapshot(&encode_snapshot(&state)).unwrap();
    assert_eq!(read, state);
}

#[test]
fn what_cannot_be_read_says_why() {
    let check = |text: &str, expected: &str| {
        let error = decode_entry(text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
    };
    check(r#"{"format":4,"novel":[]}"#, "written by a newer millstream, format 4; this one reads up to 3");
    check(r#"{"format":0}"#, "there is no format 0");
    check(r#"{"format":1}"#, "missing field `sequence`");
    check(r#"{"sequence":1}"#, "missing field `format`");
    check("", "EOF");
    check("null", "invalid type: null");
    let (entries, state) = log();
    let bytes = String::from_utf8(encode_entry(&entries[4].1).to_vec()).unwrap();
    check(&bytes.replacen("\"nonce\"", "\"color\":1,\"nonce\"", 1), "unknown field `color`");
    check(&bytes[..bytes.len() / 2], "EOF");
    let snapshot = String::from_utf8(encode_snapshot(&state).to_vec()).unwrap();
    let newer = snapshot.replacen("\"format\":3", "\"format\":7", 1);
    assert_eq!(decode_snapshot(newer.as_bytes()), Err(FormatError::Newer { found: 7 }));
    // A position that somebody moved is JSON of the right shape: it once was believed.
    let moved = snapshot.replacen("\"offset\":120", "\"offset\":121", 1);
    assert_ne!(moved, snapshot);
    assert_eq!(decode_snapshot(moved.as_bytes()), Err(FormatError::Altered));
    assert_eq!(decode_snapshot(snapshot.trim_end().as_bytes()), Err(FormatError::Altered));
}

#[test]
fn any_entry_comes_back_as_it_was() {
    for seed in 0..500 {
        let entry = any_entry(&mut StdRng::seed_from_u64(seed));
        let bytes = encode_entry(&entry);
        assert_eq!(decode_entry(&bytes).as_ref(), Ok(&entry), "seed {seed}");
        assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), 1, "seed {seed}: one line");
    }
}
