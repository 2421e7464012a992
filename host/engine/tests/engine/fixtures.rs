//! Components that were built against released versions of the package must load in every later host, and do
//! what they did. How each was made stands beside them, in tests/golden/plugins.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Float64Type, Schema, TimestampMicrosecondType};
use millstream_engine::{
    Engine, EngineSettings, Grants, InputSpec, Limits, MemoryState, Plugin, Tables, TaskState,
};

use crate::schema;

/// The plugin in a fixture; interpreters take long to compile, so what was compiled stays for the next run.
fn fixture(version: &str, name: &str) -> Plugin {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/plugins").join(version);
    let compressed = std::fs::read(folder.join(format!("{name}.wasm.zst"))).unwrap();
    let bytes = zstd::decode_all(compressed.as_slice()).unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fixtures-compiled");
    let settings = EngineSettings { cache_dir: Some(cache), ..EngineSettings::default() };
    Engine::new(settings).unwrap().load_bytes(name, &bytes).unwrap()
}

fn texts(values: [&str; 3]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

/// Three vehicles: in summer, too fast, in winter.
fn vehicles() -> RecordBatch {
    let text = |name| Field::new(name, DataType::Utf8, true);
    let float = |name| Field::new(name, DataType::Float64, true);
    let fields = vec![
        text("timestamp"),
        float("location.lat"),
        float("location.lon"),
        float("speed"),
        text("direction"),
        text("make"),
        text("model"),
        text("fuelType"),
    ];
    let times = TimestampMicrosecondArray::from(vec![1_800_000_000_000_000; 3]).with_timezone("UTC");
    let columns: Vec<ArrayRef> = vec![
        texts(["2026-07-01T08:00:38", "2026-07-01T08:00:39", "2026-01-01T08:00:38Z"]),
        Arc::new(Float64Array::from(vec![51.5; 3])),
        Arc::new(Float64Array::from(vec![-0.14; 3])),
        Arc::new(Float64Array::from(vec![36.5, 1000.0, 0.0])),
        texts(["north east", "north", "SW"]),
        texts([" BMW ", "MINI", "Citroën"]),
        texts(["C500", "Cooper", "ë-C4"]),
        texts(["HYBRID", "petrol", "steam"]),
        Arc::new(StringArray::from(vec!["vehicle"; 3])),
        Arc::new(Int32Array::from(vec![0; 3])),
        Arc::new(Int64Array::from(vec![7, 8, 9])),
        Arc::new(times.clone()),
        Arc::new(times),
        Arc::new(BinaryArray::from(vec![b"key".as_slice(); 3])),
    ];
    RecordBatch::try_new(schema(fields), columns).unwrap()
}

/// A fixture of `cleanse-vehicle` gives the rows that all languages give.
fn check(version: &str, name: &str) {
    let batch = vehicles();
    let input = InputSpec::new("vehicle", batch.schema());
    let config = serde_json::json!({ "zone": "Europe/London" });
    let step =
        fixture(version, name).configure(&config, &input, Limits::default(), &Grants::default()).unwrap();
    let output = step.instance().process(&batch);
    let rejected: Vec<_> = output.rejected.iter().map(|row| (row.offset, row.reason.to_string())).collect();
    assert_eq!(rejected, [(8, "`speed` is above the maximum".to_owned())], "{name}");
    let column = |name| output.passed.column_by_name(name).unwrap();
    let instants = column("timestamp").as_primitive::<TimestampMicrosecondType>().values();
    assert_eq!(instants.to_vec(), [1_782_889_238_000_000, 1_767_254_438_000_000], "{name}");
    assert_eq!(column("speed").as_primitive::<Float64Type>().values().to_vec(), [36.5, 0.0], "{name}");
    let texts = |name| column(name).as_string::<i32>().iter().flatten().collect::<Vec<_>>();
    assert_eq!(texts("direction"), ["North-East", "South-West"], "{name}");
    assert_eq!(texts("make"), ["BMW", "Citroën"], "{name}");
    assert_eq!(texts("fuelType"), ["Hybrid", "steam"], "{name}");
    assert_eq!(column("timestamp_in_future").null_count(), 0, "{name}");
}

#[test]
fn a_rust_module_of_0_1_0_still_works() {
    check("0.1.0", "rust-module");
}

#[test]
fn a_rust_component_of_0_1_0_still_works() {
    check("0.1.0", "rust-component");
}

#[test]
fn a_c_module_of_0_1_0_still_works() {
    check("0.1.0", "c");
}

/// It doubles column `speed`: a whole `cleanse-vehicle` in Python is larger than a repository should carry.
#[test]
fn a_python_component_of_0_1_0_still_works() {
    let speeds = Float64Array::from(vec![1.5, 0.0, -2.0]);
    let stream = schema(vec![Field::new("speed", DataType::Float64, false)]);
    let mut columns = vehicles().columns()[8..].to_vec();
    columns.insert(0, Arc::new(speeds));
    let batch = RecordBatch::try_new(Arc::clone(&stream), columns).unwrap();
    let input = InputSpec::new("vehicle", stream);
    let config = serde_json::json!({});
    let step =
        fixture("0.1.0", "python").configure(&config, &input, Limits::default(), &Grants::default()).unwrap();
    let output = step.instance().process(&batch);
    let speeds = output.passed.column_by_name("speed").unwrap().as_primitive::<Float64Type>();
    assert_eq!(speeds.values().to_vec(), [3.0, 0.0, -4.0]);
}

#[test]
fn a_javascript_component_of_0_1_0_still_works() {
    check("0.1.0", "javascript");
}

#[test]
fn a_keyed_module_of_0_1_0_still_works() {
    let plugin = fixture("0.1.0", "rust-keyed-module");
    assert!(plugin.keeps_state() && plugin.migrates());
    let fields = vec![Field::new("key", DataType::Utf8, false), Field::new("amount", DataType::Int64, false)];
    let nullable = schema(fields);
    let fields = nullable.fields().iter().map(|field| match field.name().as_str() {
        "_event_time" => field.as_ref().clone().with_nullable(false),
        _ => field.as_ref().clone(),
    });
    let stream = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut columns = vehicles().columns()[8..].to_vec();
    columns.splice(0..0, [texts(["a", "b", "a"]), Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef]);
    let batch = RecordBatch::try_new(Arc::clone(&stream), columns).unwrap();
    let grants = Grants { stores: ["winners".to_owned()].into(), ..Grants::default() };
    let config = serde_json::json!("timers 60000000");
    let inputs = [InputSpec::new("s", stream)];
    let step = plugin.configure_keyed(&config, &inputs, Limits::default(), &grants, &Tables::new()).unwrap();
    let state: Arc<dyn TaskState> = Arc::new(MemoryState::new(step.stores(), 1 << 20));
    let mut instance = step.instance();
    let output = instance.process(&state, 0, &batch).unwrap();
    assert_eq!((output.passed.num_rows(), output.dropped), (2, vec![9]));
    assert_eq!(state.entries("winners").unwrap().len(), 2);
    instance.advance(&state, i64::MAX).unwrap();
    assert_eq!(state.entries("winners").unwrap().len(), 0, "the timers have expired them");
}
