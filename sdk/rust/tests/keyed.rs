//! Plugins that keep state: their plans, what rows of one key see of each other, timers, and two inputs.

use millstream_sdk::keyed::{self, Keyed, KeyedJoin, Store, Stores, Timers};
use millstream_sdk::plan::{ConfigProblem, DataType, Field, Input};
use millstream_sdk::testing::{Emitted, Task, Values};
use millstream_sdk::{About, Error, Output, Outputs, Record, Row, Timestamp, Verdict};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "null" };

#[derive(Row)]
struct Reading<'a> {
    #[row(key)]
    site: &'a str,
    #[row(key, name = "sensor.id")]
    sensor: i64,
    #[row(name = "_event_time")]
    at: Timestamp,
    value: f64,
    #[row(new)]
    sum: f64,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Sum {
    rows: u32,
    value: f64,
    note: Option<String>,
}

#[derive(Record)]
struct Closed {
    site: String,
    sensor: i64,
    value: Option<f64>,
}

/// Sums values up; a sum is closed ten microseconds after its first row, and a value of zero deletes it.
struct Sums {
    sums: Store<Sum>,
    seen: Store<()>,
    closed: Output<Closed>,
}

impl Keyed for Sums {
    type Config = ();
    type Row = Reading<'static>;
    type Outcome = Verdict;
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        let seen = Store::new("seen", 1).expiring_after(1);
        Ok(Self { sums: Store::new("sums", 2), seen, closed: Output::named("closed") })
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none().and(&mut self.sums).and(&mut self.seen)
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.closed)
    }

    fn process(&mut self, reading: &mut Reading<'_>, timers: &mut Timers) -> Verdict {
        if timers.is_late(reading.at) {
            return Verdict::Reject("late".into());
        }
        self.seen.put(&());
        let before = self.sums.get();
        if reading.value == 0.0 {
            self.sums.delete();
            return Verdict::Drop;
        }
        let Sum { rows, value, note } = before.unwrap_or_else(|| {
            timers.set(Timestamp(reading.at.0 + 10));
            Sum { rows: 0, value: 0.0, note: None }
        });
        reading.sum = value + reading.value;
        self.sums.put(&Sum { rows: rows + 1, value: reading.sum, note });
        Verdict::Keep
    }

    fn on_timer(
        &mut self,
        (site, sensor): (&str, i64),
        _: Timestamp,
        timers: &mut Timers,
    ) -> Result<(), Error> {
        let value = self.sums.get().map(|sum| sum.value);
        self.closed.emit(Closed { site: site.to_owned(), sensor, value });
        self.sums.delete();
        if self.seen.get().is_none() {
            timers.set(Timestamp(99));
        }
        Ok(())
    }
}

fn readings(rows: &[(&str, i64, i64, f64)]) -> [(&'static str, Values); 4] {
    [
        ("site", Values::of(rows.iter().map(|row| row.0))),
        ("sensor.id", Values::of(rows.iter().map(|row| row.1))),
        ("_event_time", Values::of(rows.iter().map(|row| Timestamp(row.2)))),
        ("value", Values::of(rows.iter().map(|row| row.3))),
    ]
}

const ROWS: [(&str, i64, i64, f64); 6] = [
    ("n", 1, 5, 0.1),
    ("n", 12, 6, 7.0),
    ("n", 1, 7, 0.2),
    ("n1", 2, 8, 4.0),
    ("n1", 2, 9, 0.0),
    ("n", 1, 9, 0.3),
];

fn stream() -> Input {
    let field = |name: &str, ty| Field { name: name.to_owned(), ty, nullable: false };
    let fields = [("site", DataType::Utf8), ("value", DataType::Float64), ("sensor.id", DataType::Int64)];
    Input { name: "s".to_owned(), fields: fields.map(|(name, ty)| field(name, ty)).to_vec() }
}

fn task() -> Task<Sums, keyed::OfOne> {
    Task::new("null", &[&readings(&[])]).unwrap()
}

#[test]
fn a_plan_has_keys_and_stores() {
    let field = |name: &str, ty| Field { name: name.to_owned(), ty, nullable: false };
    let fields = ["site", "value"].map(|name| field(name, DataType::Utf8)).to_vec();
    let input = Input { name: "s".to_owned(), fields };
    let problems = keyed::configure::<Sums, _>("null", std::slice::from_ref(&input)).err().unwrap();
    assert_eq!(problems[0].path, "inputs.s.sensor.id");
    let whole = [input.fields, vec![field("sensor.id", DataType::Int64)]].concat();
    let input = Input { fields: whole, ..input };
    let configured = keyed::configure::<Sums, _>("null", std::slice::from_ref(&input)).ok().unwrap();
    let plan = configured.plan();
    assert_eq!(plan.inputs[0].key.as_deref().unwrap(), ["site", "sensor.id"]);
    let stores = plan.stores.iter().map(|store| (&*store.name, store.version, store.ttl_seconds));
    assert_eq!(stores.collect::<Vec<_>>(), [("sums", 2, None), ("seen", 1, Some(1))]);
    assert!(!plan.inputs[0].row_preserving);
    let problems = keyed::configure::<Sums, _>("null", &[input.clone(), input]).err().unwrap();
    assert_eq!(problems, [ConfigProblem::new("inputs", "this plugin takes 1 input(s), not 2")]);
}

/// Whole, row by row, and in all cuts in two: the same.
#[test]
fn rows_see_what_rows_before_them_put_however_they_are_cut() {
    for cut in 0..=ROWS.len() {
        let mut task = task();
        let first = task.process(&readings(&ROWS[..cut]));
        let second = task.process(&readings(&ROWS[cut..]));
        let kept = first.kept.into_iter().chain(second.kept.into_iter().map(|row| row + cut));
        assert_eq!(kept.collect::<Vec<_>>(), [0, 1, 2, 3, 5], "{cut}");
        let sum = |key: &str| task.value::<Sum>("sums", key);
        assert_eq!(sum("1:n/1"), Some(Sum { rows: 3, value: 0.1 + 0.2 + 0.3, note: None }), "{cut}");
        assert_eq!((sum("2:n1/2"), sum("1:n/12").map(|sum| sum.rows)), (None, Some(1)), "{cut}");
        let timer = |at, key: &str| (Timestamp(at), key.to_owned());
        assert_eq!(task.timers(), [timer(15, "1:n/1"), timer(16, "1:n/12"), timer(18, "2:n1/2")], "{cut}");
    }
}

#[test]
fn timers_fire_with_their_keys() {
    let mut task = task();
    task.process(&readings(&ROWS));
    assert!(task.advance(Timestamp(14)).emitted.is_empty());
    let fired = task.advance(Timestamp(18));
    let written = [
        ("site", Values::of(["n", "n", "n1"])),
        ("sensor", Values::of([1_i64, 12, 2])),
        ("value", Values::of([Some(0.1 + 0.2 + 0.3), Some(7.0), None])),
    ];
    let written = written.map(|(name, values)| (name.to_owned(), values)).into();
    assert_eq!(fired.emitted["closed"], Emitted { parents: vec![0, 1, 2], written });
    assert_eq!((task.value::<Sum>("sums", "1:n/1"), task.timers()), (None, vec![]));
    let outcome = task.process(&readings(&[("n", 1, 17, 1.0), ("n", 1, 18, 1.0)]));
    assert_eq!((outcome.rejected["late"].clone(), outcome.kept), (vec![0], vec![1]));
}

#[test]
fn values_expire_by_event_time() {
    let mut task = task();
    task.process(&readings(&ROWS[..1]));
    task.advance(Timestamp(1));
    task.advance(Timestamp(1_000_000));
    assert!(
        task.value::<()>("seen", "1:n/1").is_some(),
        "a value without watermark counts from the first one"
    );
    task.process(&readings(&[("n", 1, 1_000_000, 1.0)]));
    task.advance(Timestamp(2_000_000));
    assert!(task.value::<()>("seen", "1:n/1").is_none());
    assert_eq!(task.timers(), [(Timestamp(99), "1:n/1".to_owned())], "it was gone when the timer fired");
}

/// Reads what [`Sums`] put under the same name and version, as a plugin does whose type has changed.
struct Changed<V>(Store<V>);

impl<V: Serialize + DeserializeOwned> Keyed for Changed<V> {
    type Config = ();
    type Row = Reading<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(Store::new("sums", 2)))
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none().and(&mut self.0)
    }

    fn process(&mut self, _: &mut Reading<'_>, _: &mut Timers) {
        self.0.get();
    }
}

fn read_sums_as<V: Serialize + DeserializeOwned>() {
    let mut before = task();
    before.process(&readings(&ROWS));
    let mut after = Task::<Changed<V>, _>::new("null", &[&readings(&[])]).unwrap();
    after.take_over(before);
    after.process(&readings(&ROWS));
}

#[test]
#[should_panic(expected = "a value of store `sums` is not as version 2 reads it")]
fn a_value_of_another_type_is_named() {
    read_sums_as::<Vec<String>>();
}

/// [`Sum`] before it got its note.
#[derive(Serialize, Deserialize)]
struct Noteless {
    rows: u32,
    value: f64,
}

#[test]
#[should_panic(
    expected = "a value of store `sums` is not as version 2 reads it: it has 1 byte(s) more than that"
)]
fn a_value_without_its_last_field_is_another_type() {
    read_sums_as::<Noteless>();
}

#[test]
#[should_panic(expected = "a value of store `sums`: it has 9 byte(s) more than that")]
fn a_value_is_looked_at_as_what_it_is() {
    let mut task = task();
    task.process(&readings(&ROWS));
    task.value::<u32>("sums", "1:n/1");
}

#[derive(Record)]
struct Rang {
    ring: i64,
}

/// A timer for each row, which emits to an output.
struct Alarm(Output<Rang>);

impl Keyed for Alarm {
    type Config = bool;
    type Row = Reading<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;

    fn configure(to_stream: bool) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(if to_stream { Output::stream() } else { Output::named("rang").inheriting(["site"]) }))
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none()
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.0)
    }

    fn process(&mut self, reading: &mut Reading<'_>, timers: &mut Timers) {
        timers.set(reading.at);
        self.0.emit(Rang { ring: 0 });
    }

    fn on_timer(&mut self, _: (&str, i64), _: Timestamp, _: &mut Timers) -> Result<(), Error> {
        self.0.emit(Rang { ring: 1 });
        Ok(())
    }
}

/// The stream's column is required, the output's is not: rows of timers have no parent to take it from.
#[test]
fn what_timers_emit_lacks_inherited_columns() {
    let input = stream();
    let plan = keyed::configure::<Alarm, _>("false", &[input]).ok().unwrap().plan().clone();
    let field = |name: &str, ty, nullable| Field { name: name.to_owned(), ty, nullable };
    let expect = [field("site", DataType::Utf8, true), field("ring", DataType::Int64, false)];
    assert_eq!(plan.outputs[0].fields, expect);
    let mut task = Task::<Alarm, _>::new("false", &[&readings(&[])]).unwrap();
    assert_eq!(task.process(&readings(&ROWS[..1])).emitted["rang"].written["ring"], Values::of([0_i64]));
    assert_eq!(task.advance(Timestamp(5)).emitted["rang"].written["ring"], Values::of([1_i64]));
}

#[test]
#[should_panic(expected = "rows of output `test` without column `site`, which is not nullable")]
fn a_timer_gives_the_stream_every_column_that_it_must_have() {
    let mut task = Task::<Alarm, _>::new("true", &[&readings(&[])]).unwrap();
    task.process(&readings(&ROWS[..1]));
    task.advance(Timestamp(5));
}

#[derive(Row)]
struct Entry {
    #[row(key)]
    plate: String,
    entered: i64,
}

#[derive(Row)]
struct Exit<'a> {
    #[row(key, name = "number")]
    plate: &'a str,
    left: i64,
}

#[derive(Record)]
struct Stay {
    micros: i64,
}

/// How long somebody stayed, with the row that came second.
struct Stays {
    entered: Store<i64>,
    left: Store<i64>,
    stays: Output<Stay>,
}

impl KeyedJoin for Stays {
    type Config = ();
    type Left = Entry;
    type Right = Exit<'static>;
    type Outcome = Verdict;
    const ABOUT: About = ABOUT;

    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        let [entered, left] = ["entered", "left"].map(|name| Store::new(name, 1));
        Ok(Self { entered, left, stays: Output::named("stays") })
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none().and(&mut self.entered).and(&mut self.left)
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.stays)
    }

    fn left(&mut self, row: &mut Entry, _: &mut Timers) -> Verdict {
        self.entered.put(&row.entered);
        if let Some(left) = self.left.get() {
            self.stays.emit(Stay { micros: left - row.entered });
        }
        Verdict::Drop
    }

    fn right(&mut self, row: &mut Exit<'_>, _: &mut Timers) -> Verdict {
        self.left.put(&row.left);
        if let Some(entered) = self.entered.get() {
            self.stays.emit(Stay { micros: row.left - entered });
        }
        Verdict::Drop
    }
}

#[test]
fn rows_of_two_inputs_meet() {
    let entries = [("plate", Values::of(["a", "b"])), ("entered", Values::of([10_i64, 20]))];
    let exits = [("number", Values::of(["b", "c", "a"])), ("left", Values::of([25_i64, 26, 27]))];
    let mut task = Task::<Stays, _>::new("null", &[&entries, &exits]).unwrap();
    assert!(task.process_of(0, &entries).emitted.is_empty());
    let stays = task.process_of(1, &exits).emitted.remove("stays").unwrap();
    assert_eq!(stays.parents, [0, 2]);
    assert_eq!(stays.written["micros"], Values::of([5_i64, 17]));
    let late = [("plate", Values::of(["c"])), ("entered", Values::of([20_i64]))];
    assert_eq!(task.process_of(0, &late).emitted["stays"].written["micros"], Values::of([6_i64]));
}
