use millstream_sdk::testing::{Processed, Values, run};

use super::*;

fn flattened(strict: bool, texts: &[Option<&str>]) -> Processed {
    let config = format!(
        r#"{{"column": "payload", "strict": {strict}, "drop": true, "columns": [
            {{"name": "speed", "pointer": "/engine/speed", "type": "float64"}},
            {{"name": "gear", "pointer": "/engine/gears/0", "type": "int64"}},
            {{"name": "driver", "pointer": "/driver~1owner", "type": "string"}},
            {{"name": "on", "pointer": "/on", "type": "boolean"}},
            {{"name": "engine", "pointer": "/engine", "type": "json"}}
        ]}}"#
    );
    run::<FlattenJson, _>(&config, &[("payload", Values::of(texts.to_vec()))]).unwrap()
}

const TEXTS: [Option<&str>; 6] = [
    Some(r#"{"engine": {"speed": 31, "gears": [3, 4]}, "driver/owner": "Zoë", "on": true}"#),
    Some(r#"{"engine": {"speed": null}}"#),
    None,
    Some("{"),
    Some(r#"{"engine": {"speed": "fast", "gears": [3.5]}, "on": "yes", "driver/owner": 7}"#),
    Some("[]"),
];

#[test]
fn columns_are_what_pointers_find() {
    let outcome = flattened(false, &TEXTS);
    assert_eq!(outcome.kept, [0, 1, 2, 3, 4, 5]);
    let first = |value: Values, name: &str| assert_eq!(outcome.written[name], value, "{name}");
    first(Values::of([Some(31.0), None, None, None, None, None]), "speed");
    first(Values::of([Some(3_i64), None, None, None, None, None]), "gear");
    first(Values::of([Some("Zoë"), None, None, None, None, None]), "driver");
    first(Values::of([Some(true), None, None, None, None, None]), "on");
    let engines = [
        Some(r#"{"gears":[3,4],"speed":31}"#),
        Some(r#"{"speed":null}"#),
        None,
        None,
        Some(r#"{"gears":[3.5],"speed":"fast"}"#),
        None,
    ];
    first(Values::of(engines), "engine");
}

#[test]
fn strict_rows_are_what_they_should_be() {
    let outcome = flattened(true, &TEXTS);
    assert_eq!(outcome.kept, [0, 1, 2, 5], "what is not there is null");
    assert_eq!(outcome.rejected["the column is not JSON"], [3]);
    assert_eq!(outcome.rejected["`/engine/speed` is of another type"], [4]);
}
