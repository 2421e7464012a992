//! What became of a stream's plugins, case by case: who may still name those before a change, which version the
//! log names for an offset, and which streams are paused.

use std::collections::BTreeMap;

use millstream_log::{
    Folded, LogState, Rejection, Remedy, Rules, VERSIONS_MAX, decode_snapshot, encode_entry, encode_snapshot,
};
use millstream_model::entry::*;
use millstream_model::{Digest, OffsetRange, TopicPartition};

struct Log {
    state: LogState,
    format: u32,
}

impl Log {
    /// A log with a session, a source and version 1 of `s/p`; stream `s` reads topic `t`, stream `z` topic `u`.
    fn begun() -> Self {
        let mut log = Self::of_format(FORMAT);
        log.accept(swap(&[plugin("s", 1), plugin("z", 1)]));
        log
    }

    fn of_format(format: u32) -> Self {
        let mut log = Self { state: LogState::default(), format };
        let session = SessionId("a".into());
        log.accept(control(Control::SessionOpened { session, worker: "w".into(), version: "0".into() }));
        log.accept(control(Control::SourceBound { source: "c".into(), topics: BTreeMap::new() }));
        log
    }

    /// Changes that name no parent are of what is desired.
    fn offer(&mut self, mut body: Body) -> Result<(), Rejection> {
        if let Body::Control(Control::Plugins { change: Some(change), .. }) = &mut body {
            change.parent = change.parent.or(self.state.plugins_changed());
        }
        let entry = Entry {
            format: self.format,
            sequence: self.state.sequence() + 1,
            previous: self.state.digest(),
            session: SessionId("a".into()),
            nonce: 1,
            written_at_us: 0,
            body,
        };
        match self.state.fold(&encode_entry(&entry), &Rules::all()).unwrap() {
            Folded::Accepted(_) => Ok(()),
            Folded::Ignored(_, rejection) => Err(rejection),
        }
    }

    #[track_caller]
    fn accept(&mut self, body: Body) {
        assert_eq!(self.offer(body), Ok(()));
    }

    #[track_caller]
    fn refuse(&mut self, body: Body, expected: &str) {
        let rejection = self.offer(body).unwrap_err();
        assert!(rejection.to_string().contains(expected), "{rejection}");
        assert_eq!(rejection.remedy(), Remedy::Reload, "{rejection}");
    }

    /// The version of `s/p` that the log names, by its number.
    fn version(&self, partition: i32, offset: i64) -> Option<u8> {
        let version = self.state.version_at("s", "p", partition, offset)?;
        (0..=u8::MAX).find(|number| version.plugin == Digest::of(&[*number]))
    }
}

fn control(control: Control) -> Body {
    Body::Control(control)
}

fn plugin(stream: &str, version: u8) -> PluginUse {
    step(stream, "p", version)
}

fn step(stream: &str, step: &str, version: u8) -> PluginUse {
    let plugin = Digest::of(&[version]);
    PluginUse { stream: stream.into(), step: step.into(), plugin, config: Digest::of(b"{}") }
}

fn change(cause: ChangeCause, names: &[(u8, &str)]) -> PluginChange {
    let topics = [("s", "t"), ("z", "u")].map(|(stream, topic)| (stream.to_owned(), topic.to_owned())).into();
    let name = |version: &str| PluginName { name: "p".into(), version: version.into() };
    let names = names.iter().map(|(plugin, version)| (Digest::of(&[*plugin]), name(version))).collect();
    PluginChange { cause, parent: None, topics, names }
}

fn swap(desired: &[PluginUse]) -> Body {
    let change = Some(change(ChangeCause::DroppedIn, &[]));
    control(Control::Plugins { desired: desired.to_vec(), change })
}

fn range(topic: &str, partition: i32, start: i64, end: i64) -> ConsumedRange {
    let partition = TopicPartition::new(topic, partition);
    ConsumedRange { partition, range: OffsetRange { start, end }, cursor: None, skipped: None }
}

fn rows(ranges: Vec<ConsumedRange>, plugins: &[PluginUse]) -> Body {
    Body::Data(Data { source: "c".into(), ranges, plugins: plugins.to_vec(), ..Data::default() })
}

/// Rows of partition `partition` of stream `s`.
fn of_s(partition: i32, start: i64, end: i64, version: u8) -> Body {
    rows(vec![range("t", partition, start, end)], &[plugin("s", version)])
}

const NOT_DESIRED: &str = "which the log does not desire here";

#[test]
fn work_on_its_way_at_a_change_is_taken_once() {
    let mut log = Log::begun();
    log.accept(of_s(0, 0, 10, 1));
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    log.accept(of_s(0, 10, 20, 1));
    log.refuse(of_s(0, 20, 30, 1), NOT_DESIRED);
    log.accept(of_s(0, 20, 30, 2));
    log.refuse(of_s(0, 30, 40, 1), NOT_DESIRED);
    log.accept(of_s(1, 0, 5, 1));
    log.refuse(of_s(1, 5, 6, 1), NOT_DESIRED);
    log.refuse(of_s(2, 0, 5, 3), NOT_DESIRED);
    let found: Vec<_> = [0, 19, 20, 29, 30].map(|offset| log.version(0, offset)).into();
    assert_eq!(found, [Some(1), Some(1), Some(2), Some(2), None]);
}

/// What was never processed is no work.
#[test]
fn skipped_ranges_settle_nothing() {
    let mut log = Log::begun();
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    let skipped = ConsumedRange { skipped: Some("deleted by retention".into()), ..range("t", 0, 0, 7) };
    log.accept(rows(vec![skipped], &[]));
    log.accept(of_s(0, 7, 20, 1));
    assert_eq!([log.version(0, 6), log.version(0, 7)], [None, Some(1)]);
}

#[test]
fn the_version_before_the_one_before_is_refused() {
    let mut log = Log::begun();
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    log.accept(swap(&[plugin("s", 3), plugin("z", 1)]));
    log.refuse(of_s(0, 0, 10, 1), NOT_DESIRED);
    log.accept(of_s(0, 0, 10, 2));
}

/// Streams are handed over one by one: a change of one takes nothing from the others.
#[test]
fn a_change_of_another_stream_is_none() {
    let mut log = Log::begun();
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    log.accept(swap(&[plugin("s", 2), plugin("z", 2)]));
    let both = |s, z, at| {
        rows(vec![range("t", 0, at, at + 10), range("u", 0, at, at + 10)], &[plugin("s", s), plugin("z", z)])
    };
    log.accept(both(1, 1, 0));
    log.refuse(both(2, 1, 10), NOT_DESIRED);
    log.refuse(both(1, 2, 10), NOT_DESIRED);
    log.accept(both(2, 2, 10));
    log.accept(swap(&[plugin("s", 3), plugin("z", 2)]));
    log.accept(both(2, 2, 20));
}

#[test]
fn rows_of_a_stream_are_of_one_generation() {
    let two = |first, second| [step("s", "p", first), step("s", "q", second)];
    let entry = |plugins: &[PluginUse], at| rows(vec![range("t", 0, at, at + 10)], plugins);
    let mut log = Log::begun();
    log.accept(swap(&two(1, 1)));
    log.accept(entry(&[plugin("s", 1)], 0));
    log.refuse(entry(&[plugin("s", 1)], 10), "`s/q` took no part, though the log desires it here");
    log.accept(entry(&two(1, 1), 10));
    log.accept(swap(&two(2, 2)));
    log.refuse(entry(&two(1, 2), 20), NOT_DESIRED);
    let mixed = rows(
        vec![range("t", 0, 20, 30), range("t", 1, 0, 9)],
        &[step("s", "p", 1), step("s", "q", 1), step("s", "p", 2), step("s", "q", 2)],
    );
    log.refuse(mixed, NOT_DESIRED);
    log.accept(entry(&two(2, 2), 20));
    // Of two partitions the settled one decides.
    let both = rows(vec![range("t", 0, 30, 40), range("t", 1, 0, 9)], &two(1, 1));
    log.refuse(both, NOT_DESIRED);
    log.accept(rows(vec![range("t", 1, 0, 9)], &two(1, 1)));
}

/// A worker that had no step may commit what it has, as one that had another.
#[test]
fn steps_come_and_go() {
    let mut log = Log::of_format(FORMAT);
    let none = |at| rows(vec![range("t", 0, at, at + 10)], &[]);
    log.accept(none(0));
    log.accept(swap(&[plugin("s", 1)]));
    log.accept(none(10));
    log.refuse(none(20), "`s/p` took no part");
    log.accept(of_s(0, 20, 30, 1));
    log.accept(swap(&[]));
    log.accept(none(30));
    log.refuse(of_s(0, 40, 50, 1), NOT_DESIRED);
    log.accept(swap(&[plugin("s", 1)]));
    log.accept(of_s(0, 40, 50, 1));
    let found: Vec<_> = [15, 20, 29, 30, 39, 40].map(|offset| log.version(0, offset)).into();
    assert_eq!(found, [None, Some(1), Some(1), None, None, Some(1)]);
    assert_eq!(log.state.versions("s", "p").len(), 2, "it came twice");
}

/// Entries that were passed over then stay so: nobody may read another history out of an old log.
#[test]
fn older_formats_fold_as_they_did() {
    for format in FORMAT_OLDEST..3 {
        let mut log = Log::of_format(format);
        log.accept(swap(&[plugin("s", 1)]));
        log.accept(swap(&[plugin("s", 2)]));
        log.refuse(of_s(0, 0, 10, 1), NOT_DESIRED);
        log.accept(rows(vec![range("t", 0, 0, 10)], &[]));
        assert!(log.state.versions("s", "p").is_empty());

        log.format = FORMAT;
        log.accept(control(Control::Upgraded { format: FORMAT }));
        log.refuse(of_s(0, 10, 20, 1), NOT_DESIRED);
        log.accept(of_s(0, 10, 20, 2));
        let [version] = log.state.versions("s", "p") else { panic!("what is desired is a version") };
        assert_eq!((version.sequence, &version.name), (log.state.sequence() - 2, &None));
        log.accept(swap(&[plugin("s", 3)]));
        log.accept(of_s(0, 20, 30, 2));
        log.accept(of_s(0, 30, 40, 3));
        let found: Vec<_> = [0, 10, 20, 30].map(|offset| log.version(0, offset)).into();
        assert_eq!(found, [None, None, Some(2), Some(3)], "format {format}");
    }
}

/// An entry that does not say which topic a stream reads cannot tell which partitions it settles.
#[test]
fn without_a_topic_there_is_no_handover() {
    let mut log = Log::of_format(FORMAT);
    let plain = |version| control(Control::Plugins { desired: vec![plugin("s", version)], change: None });
    log.accept(plain(1));
    log.accept(plain(2));
    log.refuse(of_s(0, 0, 10, 1), NOT_DESIRED);
    let mut unnamed = change(ChangeCause::DroppedIn, &[]);
    unnamed.topics.remove("s");
    let desired = vec![plugin("s", 3)];
    let rejection = log.offer(control(Control::Plugins { desired, change: Some(unnamed) })).unwrap_err();
    assert_eq!(rejection.to_string(), "the entry desires plugins for stream `s` and does not name its topic");
    assert_eq!(rejection.remedy(), Remedy::Bug);
}

/// The second one of two workers that changed different steps at once undid the change of the first.
#[test]
fn of_two_changes_that_race_the_second_begins_again() {
    let mut log = Log::begun();
    let parent = log.state.plugins_changed();
    let change = |desired: &[PluginUse]| {
        let change = PluginChange { parent, ..change(ChangeCause::DroppedIn, &[]) };
        control(Control::Plugins { desired: desired.to_vec(), change: Some(change) })
    };
    log.accept(change(&[plugin("s", 2), plugin("z", 1)]));
    let race = "plugins were changed by another one at the same time: last in entry 4, and the entry changes \
                those of entry 3";
    log.refuse(change(&[plugin("s", 1), plugin("z", 2)]), race);
    assert_eq!(log.state.plugins(), [plugin("s", 2), plugin("z", 1)]);
}

/// Messages are made again by what is desired now.
#[test]
fn replays_are_of_the_version_desired_now() {
    let mut log = Log::begun();
    log.accept(of_s(0, 0, 10, 1));
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    let replay = |version| {
        let of = TopicPartition::new("t", 0);
        let range = OffsetRange { start: 0, end: 10 };
        Body::Replay(Replay {
            stream: "s".into(),
            selection: Selection::All,
            ranges: vec![ReplayedRange { partition: of, range, epoch: 0, parent: None }],
            tables: Vec::new(),
            counters: Counters::default(),
            plugins: vec![plugin("s", version)],
        })
    };
    log.refuse(replay(1), NOT_DESIRED);
    log.accept(replay(2));
    log.accept(of_s(0, 10, 20, 1));
}

#[test]
fn a_topic_that_begins_again_has_its_versions_anew() {
    let mut log = Log::begun();
    log.accept(of_s(0, 0, 10, 1));
    let adopted = Control::Adopted {
        source: "c2".into(),
        topics: BTreeMap::from([("t".into(), "id".into())]),
        restart: ["t".to_owned()].into(),
    };
    log.accept(control(adopted));
    assert_eq!(log.version(0, 5), None);
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    let ranges = vec![range("t", 0, 0, 10)];
    let plugins = vec![plugin("s", 2)];
    log.accept(Body::Data(Data { source: "c2".into(), ranges, plugins, ..Data::default() }));
    assert_eq!(log.version(0, 5), Some(2));
}

#[test]
fn versions_are_named_and_bounded() {
    let mut log = Log::begun();
    let named = change(ChangeCause::Promoted, &[(2, "0.2.0")]);
    let swap_named =
        |desired: Vec<PluginUse>, change| control(Control::Plugins { desired, change: Some(change) });
    log.accept(swap_named(vec![plugin("s", 2)], named));
    let last = |log: &Log| log.state.versions("s", "p").last().unwrap().clone();
    assert_eq!(last(&log).name.unwrap().version, "0.2.0");
    assert_eq!(last(&log).cause, Some(ChangeCause::Promoted));
    let later = change(ChangeCause::Started, &[(2, "0.2.1")]);
    log.accept(swap_named(vec![plugin("s", 2)], later));
    assert_eq!(log.state.versions("s", "p").len(), 2, "nothing changed for the step");
    assert_eq!(last(&log).name.unwrap().version, "0.2.0");

    let mut at = 0;
    for version in 3..60 {
        log.accept(swap(&[plugin("s", version)]));
        log.accept(of_s(0, at, at + 10, version));
        at += 10;
    }
    assert_eq!(log.state.versions("s", "p").len(), VERSIONS_MAX);
    assert_eq!(log.version(0, at - 1), Some(59));
    assert_eq!(log.version(0, at - 10 * VERSIONS_MAX as i64), Some(60 - VERSIONS_MAX as u8));
    assert_eq!(log.version(0, at - 10 * VERSIONS_MAX as i64 - 1), None, "forgotten, and not guessed");
}

fn paused(step: Option<&str>, reason: &str) -> Body {
    control(Control::Paused { stream: "s".into(), reason: reason.into(), step: step.map(str::to_owned) })
}

fn resumed() -> Body {
    control(Control::Resumed { stream: "s".into() })
}

#[test]
fn a_stream_is_paused_until_it_is_resumed() {
    let mut log = Log::begun();
    log.refuse(resumed(), "stream `s` is not paused, so it cannot be resumed");
    log.accept(paused(Some("p"), "7 of 10 rows failed"));
    log.refuse(paused(Some("p"), "8 of 10"), "stream `s` is paused already: 7 of 10 rows failed");
    log.accept(paused(None, "asked for"));
    log.refuse(paused(None, "again"), "stream `s` is paused already: asked for");
    log.refuse(paused(Some("p"), "8 of 10"), "stream `s` is paused already: asked for");
    log.accept(swap(&[plugin("s", 2), plugin("z", 1)]));
    assert_eq!(log.state.paused()["s"].reason, "asked for", "a change of a step is no answer to it");
    log.accept(of_s(0, 0, 10, 1));
    let session = SessionId("a".into());
    log.accept(control(Control::SessionClosed { session }));
    assert!(log.state.paused().contains_key("s"), "whoever starts finds it paused");
    let mut log = Log::begun();
    log.accept(paused(None, "asked for"));
    log.accept(resumed());
    assert!(log.state.paused().is_empty());
}

#[test]
fn a_change_of_the_step_resumes_what_its_circuit_paused() {
    let check = |desired: &[PluginUse], is_paused| {
        let mut log = Log::begun();
        log.accept(paused(Some("p"), "7 of 10 rows failed"));
        log.accept(swap(desired));
        assert_eq!(log.state.paused().contains_key("s"), is_paused, "{desired:?}");
    };
    check(&[plugin("s", 1), plugin("z", 2)], true);
    check(&[plugin("s", 1), step("s", "q", 1), plugin("z", 1)], true);
    check(&[plugin("s", 2), plugin("z", 1)], false);
    check(&[PluginUse { config: Digest::of(b"other"), ..plugin("s", 1) }], false);
    check(&[plugin("z", 1)], false);
}

/// It was forgotten with the pause, and such a version counted as a good one to go back to.
#[test]
fn a_version_that_a_stream_was_paused_for_stays_known_as_broken() {
    let check = |then: &[Body], expected: &[bool]| {
        let mut log = Log::begun();
        log.accept(paused(Some("p"), "7 of 10 rows failed"));
        then.iter().for_each(|body| log.accept(body.clone()));
        let broke: Vec<_> = log.state.versions("s", "p").iter().map(|version| version.broke).collect();
        assert_eq!(broke, expected, "{then:?}");
        let read = decode_snapshot(&encode_snapshot(&log.state)).unwrap();
        assert_eq!(read, log.state, "a snapshot knows it too");
    };
    let (next, asked) = (swap(&[plugin("s", 2), plugin("z", 1)]), paused(None, "asked for"));
    check(&[], &[false]);
    check(std::slice::from_ref(&next), &[true, false]);
    check(&[resumed()], &[true]);
    check(&[resumed(), next.clone()], &[true, false]);
    check(&[asked, resumed(), next.clone()], &[true, false]);
    check(&[next, swap(&[plugin("s", 1), plugin("z", 1)])], &[true, false, false]);
    // Of another step.
    check(&[swap(&[plugin("s", 1), plugin("z", 2)])], &[false]);
}
