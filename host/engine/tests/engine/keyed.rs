//! State, timers and lookup tables, where no operator of the proof in tests/abi shows what the contract says.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int32Type};
use millstream_engine::{
    Grants, InputSpec, KeyedInstance, KeyedStep, Limits, LookupTable, MemoryState, MemoryTable, StepOutput,
    Tables, TaskState, Timer,
};

use crate::{engine, schema, system_columns};

fn keyed_input() -> InputSpec {
    let fields = vec![Field::new("key", DataType::Utf8, false), Field::new("n", DataType::Int64, false)];
    InputSpec::new("s", schema(fields))
}

fn cars() -> Tables {
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("plate", Arc::new(StringArray::from(vec!["a", "b"])) as ArrayRef, false),
        ("owner", Arc::new(StringArray::from(vec![Some("Ann \"A\""), None])) as ArrayRef, true),
        ("wheels", Arc::new(Int32Array::from(vec![4, 3])) as ArrayRef, true),
    ]);
    let table: Arc<dyn LookupTable> = Arc::new(MemoryTable::new("plate", rows.unwrap()).unwrap());
    [("cars".to_owned(), table)].into()
}

fn configure(mode: &str, tables: &Tables) -> Result<KeyedStep, String> {
    let grants = Grants {
        stores: ["seen".to_owned()].into(),
        tables: ["cars".to_owned()].into(),
        ..Grants::default()
    };
    let plugin = engine().load(&millstream_guests::wasm("recall")).unwrap();
    let config = serde_json::json!(mode);
    plugin
        .configure_keyed(&config, &[keyed_input()], Limits::default(), &grants, tables)
        .map_err(|error| error.to_string())
}

struct Task {
    instance: KeyedInstance,
    state: Arc<dyn TaskState>,
}

impl Task {
    fn of(mode: &str) -> Self {
        let step = configure(mode, &cars()).unwrap();
        let state = MemoryState::new(step.stores(), 1 << 20);
        Self { instance: step.instance(), state: Arc::new(state) }
    }

    fn process(&mut self, rows: &[(&str, i64)]) -> StepOutput {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0))),
            Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.1))),
        ];
        columns.extend(system_columns(rows.len()));
        let batch = RecordBatch::try_new(keyed_input().schema, columns).unwrap();
        self.instance.process(&self.state, 0, &batch).unwrap()
    }

    /// Moves the watermark; the keys and ordinals of the rows that timers emitted, and the keys of dead timers.
    fn advance(&mut self, watermark: i64) -> (Vec<(String, u32)>, Vec<String>) {
        let output = self.instance.advance(&self.state, watermark).unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let mut fired = vec![];
        for rows in &output.emitted {
            let keys = rows.rows.column_by_name("key").unwrap().as_string::<i32>();
            for (row, origin) in rows.origins.iter().enumerate() {
                assert_eq!(keys.value(row).as_bytes(), origin.timer.key);
                fired.push((keys.value(row).to_owned(), origin.ordinal));
            }
        }
        (fired, output.dead.iter().map(|dead| text(&dead.timer.key)).collect())
    }
}

fn twice(keys: &[&str]) -> Vec<(String, u32)> {
    keys.iter().flat_map(|key| [((*key).to_owned(), 0), ((*key).to_owned(), 1)]).collect()
}

#[test]
fn a_get_sees_the_puts_of_its_own_call() {
    let mut task = Task::of("own-puts");
    assert_eq!(task.process(&[("k", 0)]).rejected, []);
    assert_eq!(
        task.state.entries("seen").unwrap(),
        [(b"x".to_vec(), vec![]), (b"y".to_vec(), b"2".to_vec())]
    );
}

#[test]
fn parts_of_a_bisected_batch_see_each_other_and_the_guilty_row_leaves_nothing() {
    let mut task = Task::of("counts");
    let output = task.process(&[("a", 1), ("b", 1), ("a", 2), ("a", -1), ("a", 3), ("b", 2)]);
    let rejected: Vec<_> = output.rejected.iter().map(|row| row.offset).collect();
    assert_eq!((rejected, output.passed.num_rows()), (vec![103], 5));
    assert_eq!(task.process(&[("a", 4), ("b", 3)]).rejected, []);
}

#[test]
fn timers_fire_by_time_then_key_whatever_the_cuts() {
    for per_call in [1, 2, 8192] {
        let mut task = Task::of("timers");
        task.instance.limit_timers(per_call);
        task.process(&[("b", 5), ("c", 2), ("a", 5), ("b", 5), ("d", 9)]);
        assert_eq!(task.advance(5), (twice(&["c", "a", "b"]), vec![]), "{per_call}");
        assert_eq!(task.advance(4), (vec![], vec![]), "the watermark never falls");
        assert_eq!(task.state.timers().unwrap(), [Timer { micros: 9, key: b"d".to_vec() }]);
    }
}

#[test]
fn a_timer_at_or_below_the_watermark_waits_for_the_next_move() {
    let mut task = Task::of("again");
    task.advance(7);
    task.process(&[("a", 3)]);
    assert_eq!(task.advance(8), (twice(&["a"]), vec![]));
    assert_eq!(task.advance(9), (twice(&["a"]), vec![]), "set again while it was being fired");
}

#[test]
fn a_timer_that_is_being_fired_cannot_be_cancelled() {
    for per_call in [1, 8192] {
        let mut task = Task::of("cancel");
        task.instance.limit_timers(per_call);
        task.process(&[("a", 1), ("b", 2), ("c", 8)]);
        assert_eq!(task.advance(2), (twice(&["a", "b"]), vec![]));
        assert_eq!(task.advance(9), (vec![], vec![]), "the one of a later move is gone");
    }
}

#[test]
fn a_guilty_timer_costs_itself() {
    let mut task = Task::of("timers");
    task.process(&[("a", 1), ("trap", 2), ("b", 3)]);
    assert_eq!(task.advance(5), (twice(&["a", "b"]), vec!["trap".to_owned()]));
    assert_eq!(task.state.timers().unwrap(), []);
}

#[test]
fn rows_are_looked_up_as_json_and_joined_by_column() {
    let rows = [("b", 0), ("x", 0), ("a", 0)];
    let output = Task::of("get").process(&rows);
    let found = output.passed.column_by_name("found").unwrap().as_string::<i32>();
    let expected = [Some(r#"{"owner":null,"wheels":3}"#), None, Some(r#"{"owner":"Ann \"A\"","wheels":4}"#)];
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    let output = Task::of("join").process(&rows);
    assert_eq!(output.rejected.iter().map(|row| row.offset).collect::<Vec<_>>(), [101]);
    let column = |name| output.passed.column_by_name(name).unwrap();
    assert_eq!(column("wheels").as_primitive::<Int32Type>().values().to_vec(), [3, 4]);
    assert!(column("owner").is_null(0) && column("owner").as_string::<i32>().value(1) == "Ann \"A\"");
}

#[test]
fn says_why_a_plan_with_state_does_not_fit() {
    let check = |mode: &str, tables: &Tables, expected: &str| {
        let message = configure(mode, tables).unwrap_err();
        assert!(message.contains(expected), "{mode}: `{expected}` is not in: {message}");
    };
    check("no-key", &cars(), "keeps state in store `seen`, but names no key for input 0");
    check("get", &Tables::new(), "uses lookup table `cars`, which is not there");
    let plates =
        RecordBatch::try_from_iter([("owner", Arc::new(StringArray::from(vec!["Ann"])) as ArrayRef)]);
    let table: Arc<dyn LookupTable> = Arc::new(MemoryTable::new("owner", plates.unwrap()).unwrap());
    let table = [("cars".to_owned(), table)].into();
    check("get", &table, "looks up column `wheels` of table `cars`, which has `owner`");
}

#[test]
fn a_stream_refuses_a_plugin_with_state() {
    let plugin = engine().load(&millstream_guests::wasm("recall")).unwrap();
    let refused = plugin.configure(
        &serde_json::json!("own-puts"),
        &keyed_input(),
        Limits::default(),
        &Grants::default(),
    );
    let message = refused.unwrap_err().to_string();
    let expected = "plugin `recall` is of world keyed-transform, which keeps state (it imports \
                    `millstream:plugin/";
    assert!(message.starts_with(expected), "{message}");
    assert!(message.ends_with("runs worlds transform and transform-with-http only"), "{message}");
}
