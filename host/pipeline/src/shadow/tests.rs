//! Shadows of real guests beside a real stage: what the report says, and that the live version never notices.

use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use millstream_engine::{Engine, EngineSettings, Grants, InputSpec, Limits, Plugin, Step};
use millstream_model::{MessageBatch, MessageRef, SystemClock, TopicPartition};
use serde_json::json;

use super::*;
use crate::admin::{ShadowExtent, ShadowStatus, StepId};
use crate::config::Config;
use crate::decode::Decoder;
use crate::plan::StreamPlan;
use crate::stage::{Stage, Staged};
use crate::telemetry::{StreamFigures, Telemetry};

/// Batches that a shadow takes without anybody waiting for it.
const BATCHES: usize = 3;

/// Stream `s` of numbers with two steps, `first` and `second`, both the guest `misbehave`.
struct City {
    folder: tempfile::TempDir,
    config: Config,
    plugin: Plugin,
    plan: Arc<StreamPlan>,
    telemetry: Arc<Telemetry>,
    next: i64,
}

impl City {
    fn new(first: &str, second: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let configuration = format!(
            "[lake]\nurl = \"lake\"\n[source.files]\ndir = \"messages\"\n[streams.s]\ntopic = \"numbers\"\n\
             [streams.s.schema]\nn = {{ type = \"int64\", required = true }}\na = {{ type = \"float64\" }}\n\
             b = {{ type = \"float64\" }}\n{}{}",
            step("first", first),
            step("second", second)
        );
        let path = folder.path().join("millstream.toml");
        std::fs::write(&path, configuration).unwrap();
        std::fs::create_dir(folder.path().join("messages")).unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        std::fs::copy(millstream_guests::wasm("misbehave"), folder.path().join("plugins/misbehave.wasm"))
            .unwrap();
        let config = Config::read(&path, std::iter::empty()).unwrap();
        static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
            let engine = Engine::new(EngineSettings::default()).unwrap();
            engine.load(&millstream_guests::wasm("misbehave")).unwrap()
        });
        let plugin = PLUGIN.clone();
        let plan = StreamPlan::new(&config.streams[0], &[plugin.clone(), plugin.clone()]).unwrap();
        let plan = Arc::new(plan);
        let telemetry = Arc::new(Telemetry::new("w", Arc::new(SystemClock)));
        telemetry.begin([&plan]);
        Self { folder, config, plugin, plan, telemetry, next: 0 }
    }

    fn figures(&self) -> &Arc<StreamFigures> {
        self.telemetry.stream("s").unwrap()
    }

    /// A candidate for the second step.
    fn candidate(&self, mode: &str, limits: Limits) -> Step {
        self.configured(1, mode, limits)
    }

    /// The guest, configured for the rows that this step gets.
    fn configured(&self, step: usize, mode: &str, limits: Limits) -> Step {
        let input = InputSpec::new("s", self.plan.steps[step].step.input_schema());
        self.plugin.configure(&json!({ "mode": mode }), &input, limits, &Grants::default()).unwrap()
    }

    fn start(
        &self,
        candidate: Step,
        extent: ShadowExtent,
    ) -> Result<(Shadow, Receiver<ShadowStatus>), ShadowError> {
        let (sender, over) = channel();
        let shadow = start(ShadowStart {
            step: StepId::new("s", "second"),
            plan: self.plan.clone(),
            candidate,
            extent,
            source: self.config.source.clone(),
            telemetry: self.telemetry.clone(),
            done: Box::new(move |status| sender.send(status).unwrap()),
        })?;
        Ok((shadow, over))
    }

    /// Passes a batch of these numbers through the live steps.
    fn pass(&mut self, stage: &mut Stage, numbers: &[i64]) -> Staged {
        let mut batch = MessageBatch::new(TopicPartition::new("numbers", 0), self.next);
        for n in numbers {
            let value = message(*n);
            let (value, headers) = (Some(value.as_bytes()), &[][..]);
            batch
                .push(MessageRef { offset: self.next, timestamp_us: None, key: None, value, headers })
                .unwrap();
            self.next += 1;
        }
        let mut decoder = Decoder::new(self.plan.schema.clone()).unwrap();
        stage.run(decoder.decode(&batch).rows, &[]).unwrap()
    }

    /// What a shadow of `mode` beside the second step reports of [`BATCHES`] batches of `numbers`, after which
    /// the run ends.
    fn shadow(&mut self, candidate: Step, numbers: &[i64]) -> ShadowStatus {
        let (_shadow, over) = self.start(candidate, ShadowExtent::For(Duration::from_hours(1))).unwrap();
        let mut stage = Stage::new(self.plan.clone(), self.figures().clone());
        (0..BATCHES).for_each(|_| drop(self.pass(&mut stage, numbers)));
        self.figures().shadows.close();
        over.recv().unwrap()
    }

    /// Adds messages of these numbers to a partition.
    fn send(&self, partition: i32, numbers: std::ops::Range<i64>) {
        let topic = self.folder.path().join("messages/numbers");
        std::fs::create_dir_all(&topic).unwrap();
        append(&topic.join(format!("{partition}.jsonl")), numbers);
    }
}

fn step(name: &str, mode: &str) -> String {
    format!(
        "[[streams.s.steps]]\nname = \"{name}\"\nplugin = \"misbehave\"\nconfig = {{ mode = \"{mode}\" }}\n\
         {}",
        if mode == "alerts" { "outputs = { alerts = \"curated.alerts\" }\n" } else { "" }
    )
}

fn message(n: i64) -> String {
    format!("{{\"n\":{n},\"a\":{n}.5,\"b\":1}}")
}

fn append(path: &Path, numbers: std::ops::Range<i64>) {
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    numbers.for_each(|n| writeln!(file, "{}", message(n)).unwrap());
}

fn kinds(report: &ShadowReport) -> Vec<(&str, u64)> {
    report.differences.iter().map(|(kind, rows)| (kind.as_str(), *rows)).collect()
}

/// A step `live` beside a candidate `mode`, on batches of `numbers`.
fn check(live: &str, mode: &str, numbers: &[i64], expect: &[(&str, u64)]) -> ShadowReport {
    let mut city = City::new("identity", live);
    let status = city.shadow(city.candidate(mode, Limits::default()), numbers);
    assert!(status.done, "{live} {mode}");
    assert_eq!(status.error.as_deref(), Some("the run is ending"), "{live} {mode}");
    let report = status.report;
    let expect: Vec<_> = expect.iter().map(|(kind, rows)| (*kind, rows * BATCHES as u64)).collect();
    assert_eq!(kinds(&report), expect, "{live} {mode}");
    assert_eq!((report.batches, report.batches_missed), (BATCHES as u64, 0), "{live} {mode}");
    report
}

#[test]
fn the_same_version_makes_no_difference() {
    let report = check("double", "double", &[1, 2, 3], &[]);
    assert_eq!((report.rows, report.rows_different, report.metrics), (9, 0, 2));
    assert_eq!((report.live.passed, report.candidate.passed), (9, 9));
    assert_eq!(report.live.bytes, report.candidate.bytes);
    assert!(report.candidate.busy_seconds > 0.0 && report.live.bytes > 0);
    check("alerts", "alerts", &[1, 2], &[]);
}

#[test]
fn differences_are_named_by_column_and_fate() {
    let report =
        check("keep-odd", "double", &[1, 2, 3, 4], &[("column n", 2), ("only the live version drops", 2)]);
    assert_eq!((report.rows_different, report.live.dropped, report.candidate.passed), (12, 6, 12));
    let example = &report.examples[0];
    assert_eq!(
        (example.message.as_str(), example.ordinal, example.kind.as_str()),
        ("numbers/0@0", 0, "column n")
    );
    assert_eq!(example.live, Some(json!({ "n": 1, "a": 1.5, "b": 1.0 })));
    assert_eq!(example.candidate, Some(json!({ "n": 2, "a": 1.5, "b": 1.0 })));
    let example = &report.examples[1];
    assert_eq!(example.live, Some(json!({ "dropped": 1 })));
    assert_eq!(example.candidate, Some(json!({ "passed": [{ "n": 4, "a": 2.5, "b": 1.0 }] })));
    let report = check("double", "explode", &[1, 2], &[("another number of rows", 1), ("column n", 2)]);
    assert_eq!(report.candidate.passed, 9);
    let report = check("add", "double", &[1], &[("column n", 1)]);
    assert_eq!(report.columns_removed, ["sum"]);
    let report = check("double", "add", &[1], &[("column n", 1)]);
    assert_eq!((report.columns_added, report.columns_removed), (vec!["sum".to_owned()], vec![]));
}

#[test]
fn rejections_and_failures_are_told_apart() {
    let reject = check(
        "alerts",
        "reject",
        &[1, -2, -3],
        &[("only the candidate rejects", 2), ("output alerts: another number of rows", 2)],
    );
    assert_eq!(reject.candidate.rejected, [("plugin".to_owned(), 6)].into());
    assert_eq!((reject.live.rejected_rows(), reject.newly_failed), (0, 0));
    let traps = check("double", "traps", &[1, -2, 3], &[("only the candidate fails: trap", 1)]);
    assert_eq!((traps.newly_failed, traps.live.rejected_rows()), (3, 0));
    let rejected = &traps.examples[0].candidate.as_ref().unwrap()["rejected"][0];
    assert_eq!(rejected["cause"], "trap");
    let both = check("reject", "long-reason", &[1, -2], &[("another reason to reject", 1)]);
    assert_eq!(both.newly_failed, 0);
    check("traps", "double", &[1, -2], &[("only the live version fails: trap", 1)]);
}

#[test]
fn what_a_candidate_logs_stays_in_the_report() {
    let report = check("identity", "chatty", &[1], &[]);
    assert!(report.log_lines > 0 && report.log_last.len() <= LOG_LINES_MAX);
    assert!(report.log_last[0].starts_with("WARN chatter "), "{}", report.log_last[0]);
}

/// The circuit of the candidate itself stays closed, so that it can still be promoted by somebody who knows why.
#[test]
fn a_candidate_that_cannot_go_on_ends_its_shadow() {
    let mut city = City::new("identity", "double");
    let candidate = city.candidate("fatal", Limits::default());
    let status = city.shadow(candidate.clone(), &[1, -2]);
    assert_eq!(status.error.as_deref(), Some("the candidate's circuit opened: no licence"));
    assert_eq!((status.report.batches, status.report.candidate.rejected["circuit_open"]), (1, 2));
    assert!(candidate.circuit().is_none() && city.plan.steps[1].step.circuit().is_none());
}

#[test]
fn the_live_version_makes_the_same_beside_any_candidate() {
    let mut city = City::new("identity", "double");
    let limits = Limits { deadline: Duration::from_millis(20), ..Limits::default() };
    let (_shadow, over) =
        city.start(city.candidate("loops", limits), ShadowExtent::For(Duration::from_hours(1))).unwrap();
    let mut stage = Stage::new(city.plan.clone(), city.figures().clone());
    for _ in 0..BATCHES {
        let staged = city.pass(&mut stage, &[1, -2]);
        assert_eq!((staged.passed.num_rows(), staged.rejected.len()), (2, 0));
    }
    city.figures().shadows.close();
    let report = over.recv().unwrap().report;
    assert_eq!(kinds(&report), [("only the candidate fails: deadline", BATCHES as u64)]);
}

#[test]
fn a_shadow_ends_with_its_time_and_at_a_word() {
    let city = City::new("identity", "double");
    let begin = |extent| city.start(city.candidate("double", Limits::default()), extent).unwrap();
    let (shadow, over) = begin(ShadowExtent::For(Duration::from_millis(1)));
    assert_eq!(over.recv().unwrap().error, None);
    assert!(shadow.status().unwrap().done);
    let hour = ShadowExtent::For(Duration::from_hours(1));
    let (shadow, over) = begin(hour);
    shadow.stop();
    assert_eq!(over.recv().unwrap().error.as_deref(), Some("it was stopped before its end"));
    let mut open: Vec<_> = (0..SHADOWS_MAX).map(|_| begin(hour)).collect();
    let one_more = city.start(city.candidate("double", Limits::default()), hour);
    assert!(matches!(one_more, Err(ShadowError::TooMany)));
    let (shadow, over) = open.pop().unwrap();
    drop(shadow);
    over.recv().unwrap();
    open.push(begin(hour));
    city.figures().shadows.close();
    for (_, over) in open {
        assert_eq!(over.recv().unwrap().error.as_deref(), Some("the run is ending"));
    }
    let late = city.start(city.candidate("double", Limits::default()), hour);
    assert!(matches!(late, Err(ShadowError::Ending)));
}

#[test]
fn only_the_last_shadows_are_told_of() {
    let city = City::new("identity", "double");
    for _ in 0..SHADOWS_KEPT + 2 {
        let extent = ShadowExtent::For(Duration::ZERO);
        let (_shadow, over) = city.start(city.candidate("double", Limits::default()), extent).unwrap();
        over.recv().unwrap();
    }
    let ids: Vec<_> = city.telemetry.shadows.lock().unwrap().keys().copied().collect();
    assert_eq!(ids, (3..=SHADOWS_KEPT as u64 + 2).collect::<Vec<_>>());
}

/// Rows of another version were once taken for those of the one that the shadow began with.
#[test]
fn a_swap_of_the_step_ends_its_shadow() {
    let mut city = City::new("identity", "double");
    let hour = ShadowExtent::For(Duration::from_hours(1));
    let (_shadow, over) = city.start(city.candidate("double", Limits::default()), hour).unwrap();
    let other = City::new("identity", "keep-odd");
    let mut stage = Stage::new(other.plan.clone(), city.figures().clone());
    city.pass(&mut stage, &[1]);
    let expect = ShadowError::Changed.to_string();
    assert_eq!(over.recv().unwrap().error, Some(expect));
}

#[test]
fn batches_that_find_the_queue_full_are_counted() {
    let mut city = City::new("identity", "double");
    let figures = city.figures().clone();
    let (seat, onlooker) = figures.shadows.open("second".into()).unwrap();
    let mut stage = Stage::new(city.plan.clone(), figures);
    (0..7).for_each(|_| drop(city.pass(&mut stage, &[1, 2])));
    assert_eq!(onlooker.missed(), 3);
    let end = std::time::Instant::now() + Duration::from_hours(1);
    assert!(matches!(onlooker.next(end), feed::Sight::Batch(seen) if seen.input.num_rows() == 2));
    city.pass(&mut stage, &[1]);
    assert_eq!(onlooker.missed(), 3, "there was room again");
    seat.leave();
    city.pass(&mut stage, &[1]);
    assert_eq!(
        std::iter::from_fn(|| matches!(onlooker.next(end), feed::Sight::Batch(_)).then_some(())).count(),
        4
    );
}

/// The last messages are read again from the source and pass the steps before, of which `first` rejects some.
#[test]
fn the_last_messages_are_taken_once_more() {
    let city = City::new("reject", "keep-odd");
    city.send(0, 0..50);
    city.send(1, -3..5);
    let candidate = || city.candidate("double", Limits::default());
    let (_shadow, over) = city.start(candidate(), ShadowExtent::Last(20)).unwrap();
    let status = over.recv().unwrap();
    assert_eq!(status.error, None);
    // 38 to 49 of one partition, and 1 to 4 of the other: three are rejected before, 0 is dropped.
    assert_eq!(status.report.rows, 12 + 4);
    assert_eq!(kinds(&status.report), [("column n", 8), ("only the live version drops", 8)]);
    std::fs::remove_dir_all(city.folder.path().join("messages/numbers")).unwrap();
    let (_shadow, over) = city.start(candidate(), ShadowExtent::Last(20)).unwrap();
    let error = over.recv().unwrap().error.unwrap();
    assert!(error.contains("no topic") && error.contains("numbers"), "{error}");
}

#[test]
fn a_candidate_for_other_rows_is_refused() {
    let city = City::new("add", "double");
    let candidate = city.configured(0, "double", Limits::default());
    let refused = city.start(candidate, ShadowExtent::Last(1));
    assert!(matches!(refused, Err(ShadowError::OtherInput)));
}
