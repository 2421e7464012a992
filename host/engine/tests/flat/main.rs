//! Failures by the thousand leave the host as it was. A process of its own, so that nothing else takes memory.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema};
use millstream_engine::{Cause, Engine, EngineSettings, Grants, InputSpec, Limits};
use millstream_model::columns;

/// One row that the guest traps on.
fn guilty() -> RecordBatch {
    let number = Field::new("n", DataType::Int64, false);
    let schema = Schema::new(std::iter::once(number).chain(columns::of_batch()).collect::<Vec<_>>());
    let time = TimestampMicrosecondArray::from(vec![0]).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![-1])),
        Arc::new(StringArray::from(vec!["s"])),
        Arc::new(Int32Array::from(vec![0])),
        Arc::new(Int64Array::from(vec![0])),
        Arc::new(time.clone()),
        Arc::new(time),
        Arc::new(BinaryArray::from(vec![b"key".as_slice()])),
    ];
    RecordBatch::try_new(Arc::new(schema), columns).unwrap()
}

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Each failure costs an instance; there are 512 at most at one time, so all were given back.
#[test]
fn memory_is_flat_over_many_failures() {
    let engine = Engine::new(EngineSettings::default()).unwrap();
    let plugin = engine.load(&millstream_guests::wasm("misbehave")).unwrap();
    let config = serde_json::json!({ "mode": "traps" });
    let input = InputSpec::new("s", guilty().schema());
    let mut instance =
        plugin.configure(&config, &input, Limits::default(), &Grants::default()).unwrap().instance();
    let mut fail = |times: usize| {
        for _ in 0..times {
            assert_eq!(instance.process(&guilty()).rejected[0].cause, Cause::Trap);
        }
    };
    fail(200);
    let before = resident();
    fail(2000);
    let grown = resident().saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more after 2000 failures");
}
