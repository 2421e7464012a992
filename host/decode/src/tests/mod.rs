//! What becomes of messages: recorded ones, odd ones and hostile ones.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int32Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use millstream_model::schema::{
    ColumnSpec, ColumnType, EventTime, FieldPath, Mismatch, PathSegment, StreamSchema, UnknownFields,
};
use millstream_model::{Header, MessageBatch, MessageRef, TopicPartition, columns};

use super::{Decoded, Decoder, SchemaError};

mod drift;
mod mismatch;

fn path(text: &str) -> FieldPath {
    let segments = text.split('.').flat_map(|part| {
        let (key, index) = part.split_once('[').unwrap_or((part, ""));
        let index = index.strip_suffix(']').map(|index| PathSegment::Index(index.parse().unwrap()));
        std::iter::once(PathSegment::Key(key.to_owned())).chain(index)
    });
    segments.collect()
}

fn column(name: &str, ty: ColumnType, required: bool, paths: &str) -> ColumnSpec {
    let paths = paths.split(" | ").map(path).collect();
    ColumnSpec { name: name.to_owned(), ty, required, mismatch: Mismatch::Error, paths }
}

/// A column that is null where the value is of another type.
fn choosy(name: &str, ty: ColumnType, paths: &str) -> ColumnSpec {
    ColumnSpec { mismatch: Mismatch::Null, ..column(name, ty, false, paths) }
}

fn schema(columns: Vec<ColumnSpec>) -> StreamSchema {
    StreamSchema { columns, unknown: UnknownFields::Ignore, event_time: None, flags_late: false }
}

fn decoder(schema: StreamSchema) -> Decoder {
    Decoder::new(Arc::new(schema)).unwrap()
}

fn batch<'a>(values: impl IntoIterator<Item = Option<&'a [u8]>>) -> MessageBatch {
    let mut batch = MessageBatch::new(TopicPartition::new("topic", 3), 0);
    for (offset, value) in values.into_iter().enumerate() {
        let offset = offset as i64;
        batch.push(MessageRef { offset, timestamp_us: None, key: None, value, headers: &[] }).unwrap();
    }
    batch
}

fn decode(schema: StreamSchema, values: &[&[u8]]) -> Decoded {
    decoder(schema).decode(&batch(values.iter().map(|value| Some(*value))))
}

/// The rows' declared columns as text, or the reason.
fn outcome(schema: &StreamSchema, message: &[u8]) -> Result<String, String> {
    let decoded = decode(schema.clone(), &[message]);
    assert_eq!(decoded.raw.num_rows(), 1);
    assert_eq!(decoded.rows.num_rows() + decoded.failures.len(), 1);
    match decoded.failures.first() {
        Some(failure) => Err(failure.reason.clone()),
        None => Ok(shown(&decoded.rows, schema.fields().len())),
    }
}

fn shown(rows: &RecordBatch, count: usize) -> String {
    let cell = |column: &Arc<dyn Array>| match column.is_null(0) {
        true => "null".to_owned(),
        false => text_at(column, 0),
    };
    rows.columns()[..count].iter().map(cell).collect::<Vec<_>>().join(" ")
}

fn check(schema: &StreamSchema, message: &str, expect: Result<&str, &str>) {
    let outcome = outcome(schema, message.as_bytes());
    assert_eq!(outcome.as_ref().map(String::as_str).map_err(String::as_str), expect, "{message}");
}

/// A cell as text; instants without their zone, which arrow cannot show.
fn text_at(column: &Arc<dyn Array>, row: usize) -> String {
    match column.as_primitive_opt::<TimestampMicrosecondType>() {
        Some(instants) => {
            array_value_to_string(&instants.clone().with_timezone_opt(None::<&str>), row).unwrap()
        }
        None => array_value_to_string(column, row).unwrap(),
    }
}

fn vehicles(model: &str) -> StreamSchema {
    let mut columns = vec![
        column("id", ColumnType::Utf8, true, "id"),
        column("device", ColumnType::Utf8, true, "deviceId | device_id"),
        column("timestamp", ColumnType::Utf8, true, "timestamp"),
        column("location.lat", ColumnType::Float64, true, "location[0]"),
        column("location.lon", ColumnType::Float64, true, "location[1]"),
        column("speed", ColumnType::Float64, true, "speed"),
        column("direction", ColumnType::Utf8, true, "direction"),
        column("make", ColumnType::Utf8, true, "make"),
    ];
    columns.push(column("model", ColumnType::Utf8, true, model));
    columns.push(column("year", ColumnType::Int32, true, "year"));
    columns.push(column("fuelType", ColumnType::Utf8, true, "fuelType"));
    let event_time =
        EventTime { column: "timestamp".into(), zone: Some("Europe/London".into()), epoch: None };
    StreamSchema { event_time: Some(event_time), ..schema(columns) }
}

fn recorded(producer: &str) -> Vec<u8> {
    let file = format!("{}/../../tests/seeds/{producer}/vehicle_data.jsonl", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(file).unwrap()
}

fn lines(file: &[u8]) -> Vec<&[u8]> {
    file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect()
}

#[test]
fn decodes_the_recorded_vehicles() {
    for producer in ["canonical", "us-route"] {
        let file = recorded(producer);
        let decoded = decode(vehicles("model"), &lines(&file));
        assert_eq!(decoded.failures, [], "{producer}");
        assert_eq!(decoded.rows.num_rows(), lines(&file).len());
        assert_eq!(decoded.rows[columns::EVENT_TIME].null_count(), 0);
    }
    let file = recorded("canonical");
    let first = decode(vehicles("model"), &lines(&file)).rows.slice(0, 1);
    assert_eq!(first["location.lat"].as_primitive::<Float64Type>().value(0), 51.517_327_426_798_45);
    assert_eq!(text_at(&first[columns::EVENT_TIME], 0), "2026-01-01T08:00:38.123456");
}

#[test]
fn names_the_misspelt_field() {
    let file = recorded("misspelt");
    let decoded = decode(vehicles("model"), &lines(&file));
    assert_eq!((decoded.rows.num_rows(), decoded.failures.len()), (0, lines(&file).len()));
    assert!(decoded.failures.iter().all(|failure| failure.reason == "missing `model`; found `mode`"));
    let bytes = decoded.raw[columns::BYTES].as_binary::<i32>();
    assert_eq!(bytes.value(0), lines(&file)[0]);
    assert_eq!(decoded.raw["make"].as_string::<i32>().value(0), "Audi");

    let mended = decode(vehicles("model | mode"), &lines(&file));
    assert_eq!(mended.failures, []);
    assert!(mended.rows["year"].as_primitive::<Int32Type>().iter().all(|year| year == Some(2023)));
}

#[test]
fn converts_without_loss_or_says_why_not() {
    let timestamp = |zone: Option<&str>, epoch| ColumnType::Timestamp { zone: zone.map(Into::into), epoch };
    let local = || timestamp(Some("Europe/London"), Some(TimeUnit::Millisecond));
    let strict = || timestamp(None, None);
    let ns = || timestamp(None, Some(TimeUnit::Nanosecond));
    use ColumnType::*;
    for (ty, value, expect) in [
        (Boolean, "true", Ok("true")),
        (Boolean, "1", Err("`a` is not a boolean: found a number")),
        (Int32, "\"2023\"", Ok("2023")),
        (Int32, "\" 2023\"", Err("`a` is not an int32: found a string")),
        (Int32, "3.0", Ok("3")),
        (Int32, "3.5", Err("`a` is not an int32: found a fraction")),
        (Int32, "2147483648", Err("`a` is out of range for int32")),
        (Int32, "-2147483648", Ok("-2147483648")),
        (Int32, "-0", Ok("0")),
        (Int32, "{}", Err("`a` is not an int32: found an object")),
        (Int64, "9223372036854775807", Ok("9223372036854775807")),
        (Int64, "9223372036854775808", Err("`a` is out of range for int64")),
        (Int64, "123456789012345678901234567890", Err("`a` is out of range for int64")),
        (Float64, "123456789012345678901234567890", Ok("1.2345678901234568e29")),
        (Float64, "9007199254740993", Ok("9007199254740992.0")),
        (Float64, "\"1e999\"", Err("`a` is out of range for float64")),
        (Float64, "1e999", Err("malformed JSON: number out of range")),
        (Float32, "1e39", Err("`a` is out of range for float32")),
        (Utf8, "1", Err("`a` is not a string: found a number")),
        (Utf8, r#""\u0000\ud83d\ude00""#, Ok("\0😀")),
        (Date, "\"2026-01-31\"", Ok("2026-01-31")),
        (Date, "\"31.1.2026\"", Err("`a` is not a date: found another text than YYYY-MM-DD")),
        (local(), "\"2026-07-01T08:00:00\"", Ok("2026-07-01T07:00:00")),
        (local(), "\"2026-07-01 08:00:00.5-05:00\"", Ok("2026-07-01T13:00:00.500")),
        (local(), "1767254438123", Ok("2026-01-01T08:00:38.123")),
        (ns(), "-1", Ok("1969-12-31T23:59:59.999999")),
        (ns(), "1e300", Err("`a` is out of range for timestamp")),
        (
            strict(),
            "\"2026-07-01T08:00:00\"",
            Err("`a` is not a timestamp: found a date-time without zone, and no zone is declared"),
        ),
        (strict(), "1", Err("`a` is not a timestamp: found a number, and no epoch unit is declared")),
        (strict(), "\"x\"", Err("`a` is not a timestamp: found a text that is not an ISO-8601 date-time")),
        (Float64List, "[1,null,\"2.5\"]", Ok("[1.0, , 2.5]")),
        (Float64List, "[1,true]", Err("`a` is not a list of float64: found a boolean in it")),
        (Utf8List, "[\"x\",null]", Ok("[x, ]")),
        (Utf8List, "\"x\"", Err("`a` is not a list of strings: found a string")),
        (Json, r#"{ "x" : [1, 2.50, "\n", null] }"#, Ok(r#"{"x":[1,2.5,"\n",null]}"#)),
        (Utf8, "null", Ok("null")),
    ] {
        let schema = schema(vec![column("a", ty, false, "a")]);
        check(&schema, &format!("{{\"a\":{value}}}"), expect);
    }
}

#[test]
fn finds_fields() {
    let aliases = schema(vec![column("a", ColumnType::Int32, true, "x | y")]);
    check(&aliases, r#"{"y":2,"x":1}"#, Ok("1"));
    check(&aliases, r#"{"x":null,"y":2}"#, Ok("2"));
    check(&aliases, r#"{"x":1,"x":3}"#, Ok("3"));
    check(&aliases, r#"{"x":1,"x":null}"#, Err("`a` is null"));
    check(&aliases, r#"{"\u0078":1}"#, Ok("1"));
    check(&aliases, r#"{"":1}"#, Err("missing `a`"));
    let nested = schema(vec![
        column("lat", ColumnType::Int32, false, "location.lat"),
        column("lon", ColumnType::Int32, false, "location.lon"),
    ]);
    check(&nested, r#"{"location":{"lat":1},"location":{"lon":2}}"#, Ok("null 2"));
    check(&nested, r#"{"location.lat":1,"location":null}"#, Ok("null null"));
    let required = schema(vec![column("lat", ColumnType::Int32, true, "location.lat")]);
    check(&required, r#"{"locatoin":{"lat":1}}"#, Err("missing `lat`; found `locatoin`"));
    check(&required, r#"{"location":{"Lat":1}}"#, Err("missing `lat`; found `location.Lat`"));
    let many =
        schema("abcdef".chars().map(|c| column(&c.to_string(), ColumnType::Int32, true, "q")).collect());
    let mut many = many;
    for (number, column) in many.columns.iter_mut().enumerate() {
        column.paths = vec![path(&format!("path{number}xyz"))];
    }
    check(&many, "{}", Err("missing `a`; missing `b`; missing `c`; missing `d`; and 2 more"));
}

#[test]
fn treats_undeclared_fields_as_told() {
    let mut schema = schema(vec![
        column("lat", ColumnType::Int32, false, "location.lat"),
        column("first", ColumnType::Int32, false, "list[0]"),
    ]);
    let message = r#"{"z":{"b":1},"location":{"lat":1,"alt":3},"list":[1,2],"a":"x"}"#;
    check(&schema, message, Ok("1 1"));
    schema.unknown = UnknownFields::Keep;
    check(&schema, message, Ok(r#"1 1 {"z":{"b":1},"location":{"alt":3},"list":[null,2],"a":"x"}"#));
    check(&schema, r#"{"location":{"lat":1}}"#, Ok("1 null null"));
    schema.unknown = UnknownFields::Reject;
    check(
        &schema,
        message,
        Err(
            "undeclared field `z`; undeclared field `location.alt`; undeclared field `list[1]`; undeclared field `a`",
        ),
    );
}

#[test]
fn survives_hostile_messages() {
    let deep = |open: &str, close: &str, levels| {
        format!("{{\"a\":{}1{}}}", open.repeat(levels), close.repeat(levels))
    };
    for ty in [ColumnType::Json, ColumnType::Utf8] {
        let schema = schema(vec![column(if ty == ColumnType::Json { "a" } else { "b" }, ty, false, "a")]);
        let too_deep = Err("nested deeper than 128 levels".to_owned());
        for levels in [128, 100_000] {
            assert_eq!(outcome(&schema, deep("[", "]", levels).as_bytes()), too_deep);
            assert_eq!(outcome(&schema, deep("{\"k\":", "}", levels).as_bytes()), too_deep);
        }
        assert_ne!(outcome(&schema, deep("[", "]", 127).as_bytes()), too_deep);
    }
    let schema = schema(vec![column("a", ColumnType::Utf8, false, "a")]);
    for (message, reason) in [
        (&b""[..], "empty message"),
        (b" \n", "blank message"),
        (b"\xEF\xBB\xBF{}", "malformed JSON: begins with a byte order mark"),
        (b"{\"a\":\"\xFF\"}", "not UTF-8"),
        (b"[]", "not a JSON object: found an array"),
        (b"{\"a\":\"x", "malformed JSON: unterminated string"),
        (b"{\"a\":", "malformed JSON: unexpected end"),
        (b"{} {}", "malformed JSON: trailing characters"),
        (b"{\"a\":NaN}", "malformed JSON: expected value"),
        (b"{\"a\":01}", "malformed JSON: invalid number"),
        (b"{\"a\":\"\x01\"}", "malformed JSON: control character in a string"),
    ] {
        assert_eq!(outcome(&schema, message), Err(reason.to_owned()), "{}", message.escape_ascii());
    }
    check(&schema, r#"{"a":"\ud83d\ude00\\ud800"}"#, Ok("😀\\ud800"));
    for message in [
        r#"{"a":"\ud800"}"#,
        r#"{"b":"\udc00\ud800"}"#,
        r#"{"a":"\ud800\ud800\udc00"}"#,
        r#"{"a":+1}"#,
        r#"{"a":-Infinity}"#,
        r#"{"a":1,}"#,
        r#"{a:1}"#,
    ] {
        assert!(
            outcome(&schema, message.as_bytes()).unwrap_err().starts_with("malformed JSON: "),
            "{message}"
        );
    }
    let good = &lines(&recorded("canonical"))[0].to_vec();
    for end in 0..good.len() {
        assert!(outcome(&vehicles("model"), &good[..end]).is_err(), "cut at byte {end}");
    }
}

#[test]
fn gives_back_memory_after_an_outsized_message() {
    let mut decoder = decoder(schema(vec![column("a", ColumnType::Utf8, false, "a")]));
    let keys: Vec<String> = (0..1_000_000).map(|number| format!("\"k{number}\":0")).collect();
    let wide = format!("{{{}}}", keys.join(","));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(10_000_000));
    let decoded = decoder.decode(&batch([Some(wide.as_bytes()), Some(long.as_bytes()), None]));
    assert_eq!(decoded.rows.num_rows(), 2);
    assert_eq!(decoded.failures[0].reason, "no value (tombstone)");
    assert!(decoder.parser.kept_bytes() < 1 << 20);
}

#[test]
fn carries_what_the_source_said() {
    let header = [Header { key: "h".into(), value: None }];
    let mut batch = MessageBatch::new(TopicPartition::new("topic", 3), 7);
    let first = MessageRef {
        offset: 7,
        timestamp_us: Some(5),
        key: Some(b"k"),
        value: Some(b"{}"),
        headers: &header,
    };
    batch.push(first).unwrap();
    batch.push(MessageRef { offset: 9, timestamp_us: None, key: None, headers: &[], ..first }).unwrap();
    let decoded = decoder(schema(Vec::new())).decode(&batch);
    let row = |number| {
        let cells = decoded.raw.columns().iter().map(|column| text_at(column, number));
        cells.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(0), "topic 3 7 1970-01-01T00:00:00.000005  6b [{key: h, value: }]  ");
    assert_eq!(row(1), "topic 3 9      ");
}

/// Accepts and rejects what serde_json does, on mutated messages. Differences that are meant: nesting
/// (127 levels there, 128 here), which the seeds do not reach, and `1e-99999999999` (0 there).
#[test]
fn agrees_with_serde_json_on_mutations() {
    use rand::{Rng, SeedableRng, rngs::StdRng};
    const SEEDS: [&str; 3] = [
        r#"{"id":"a\u00e9\ud83d\ude00","n":[1,-2.5e-3,true,null,{"k":"v"}],"x":1234567890.1234567890123}"#,
        r#"{"a":12345678901234567890123,"b":"\\\"\/\b","c":{"d":[[],{}]},"e":-0.0}"#,
        r#" { "s" : "12345678901234567890x" , "t" : 1.2345678901234567e-05 , "u" : false } "#,
    ];
    const ALPHABET: &[u8] = b"{}[]:,\"\\u0123456789dDeE+-. \n\ttrfalsn\x00\x1f\x7f\xc3\xa9\xff";
    let seed = 42;
    let mut random = StdRng::seed_from_u64(seed);
    let mut decoder = decoder(schema(Vec::new()));
    for round in 0..100_000 {
        let mut message = SEEDS[round % SEEDS.len()].as_bytes().to_vec();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..message.len().max(1));
            let byte = ALPHABET[random.random_range(0..ALPHABET.len())];
            match random.random_range(0..4) {
                _ if message.is_empty() => message.push(byte),
                0 => message[at] = byte,
                1 => message.insert(at, byte),
                2 => drop(message.remove(at)),
                _ => message.truncate(at.max(1)),
            }
        }
        let expect = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&message);
        let failures = decoder.decode(&batch([Some(message.as_slice())])).failures;
        let shown = message.escape_ascii();
        assert_eq!(failures.is_empty(), expect.is_ok(), "seed {seed}: {shown} {failures:?} {expect:?}");
    }
}
