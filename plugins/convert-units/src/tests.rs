use millstream_sdk::testing::{Values, run};

use super::*;

#[test]
fn units() {
    let check = |value: f64, from: &str, expect: f64, to: &str| {
        let found = factors(0, from, to).ok().unwrap().convert(value);
        // Floats do not hold 1/3.6; a wrong factor is further away.
        assert!((found - expect).abs() < 1e-9, "{value} {from} = {expect} {to}, not {found}");
    };
    check(70.0, "mph", 112.65408, "km/h");
    check(36.0, "km/h", 10.0, "m/s");
    check(1.0, "kn", 1.852, "km/h");
    check(0.0, "°C", 273.15, "K");
    check(-40.0, "°F", -40.0, "°C");
    check(212.0, "°F", 100.0, "°C");
    check(14.5037737730, "psi", 1.0, "bar");
    check(5280.0, "ft", 1.0, "mi");
    check(10.0, "gal", 45.4609, "l");
    check(3.0, "kg", 3.0, "kg");
}

#[test]
fn columns_are_converted_in_place_or_into_new_ones() {
    let config = r#"{"columns": [
        {"column": "height", "from": "m", "to": "km"},
        {"column": "altitude", "from": "km", "to": "m", "into": "altitude_m"}
    ]}"#;
    let columns =
        [("height", Values::of([Some(500.0), None])), ("altitude", Values::of([None, Some(3_i64)]))];
    let outcome = run::<ConvertUnits, _>(config, &columns).unwrap();
    assert_eq!(outcome.written["height"], Values::of([Some(0.5), None]));
    assert_eq!(outcome.written["altitude_m"], Values::of([None, Some(3000.0)]));
    assert_eq!(outcome.written.len(), 2);
}

#[test]
fn what_cannot_be_converted_is_told() {
    let check = |conversion: &str, path: &str, message: &str| {
        let config = format!(r#"{{"columns": [{{"column": "v", {conversion}}}]}}"#);
        let problems = run::<ConvertUnits, _>(&config, &[("v", Values::of([1.0]))]).err().unwrap();
        assert_eq!(problems[0].path, path);
        assert!(problems[0].message.starts_with(message), "{}", problems[0].message);
    };
    check(r#""from": "mhp", "to": "km/h""#, "columns[0].from", "unknown unit `mhp`; known are km/h, m/s");
    check(r#""from": "mph", "to": "km""#, "columns[0].to", "`mph` is a speed, `km` is a length");
}
