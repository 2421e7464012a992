//! Columns that take only what is of their type, and fields that several columns read.

use super::drift::check_drift;
use super::*;

/// A location as a list, an object, or a text: the columns of each take what is theirs.
#[test]
fn a_mismatch_may_be_null() {
    let mut places = schema(vec![
        column("lat", ColumnType::Float64, false, "location.lat | location[0] | lat"),
        column("lon", ColumnType::Float64, false, "location.lon | location[1] | lon"),
        choosy("text", ColumnType::Utf8, "location"),
    ]);
    let known = [
        (r#"{"location":[51.5,-0.1]}"#, "51.5 -0.1 null"),
        (r#"{"location":{"lat":51.5,"lon":-0.1}}"#, "51.5 -0.1 null"),
        (r#"{"location":"51.5,-0.1"}"#, "null null 51.5,-0.1"),
        (r#"{"lat":51.5,"lon":-0.1}"#, "51.5 -0.1 null"),
        (r#"{"lat":1,"location":"51.5,-0.1"}"#, "1.0 null 51.5,-0.1"),
        (r#"{"location":true}"#, "null null null"),
        (r#"{"location":null}"#, "null null null"),
        (r#"{"location":[1,2],"location":"a"}"#, "null null a"),
        (r#"{"location":"a","location":[1,2]}"#, "1.0 2.0 null"),
    ];
    for unknown in [UnknownFields::Ignore, UnknownFields::Reject] {
        places.unknown = unknown;
        for (message, expect) in known {
            check(&places, message, Ok(expect));
        }
    }
    check(&places, r#"{"location":{"lat":"north"}}"#, Err("`lat` is not a float64: found a string"));
    check(&places, r#"{"location":[1,2,3]}"#, Err("undeclared field `location[2]`"));
    check(&places, r#"{"location":{"lat":1,"alt":3}}"#, Err("undeclared field `location.alt`"));
    places.unknown = UnknownFields::Keep;
    check(&places, r#"{"location":"a"}"#, Ok("null null a null"));
    check(&places, r#"{"location":{"alt":3}}"#, Ok(r#"null null null {"location":{"alt":3}}"#));
}

/// What no other column reads anything of is kept as it is, and so its reader can say what is wrong with it.
#[test]
fn a_mismatch_may_be_kept_as_json() {
    let text =
        ColumnSpec { mismatch: Mismatch::Json, ..choosy("text", ColumnType::Utf8, "location | locatoin") };
    let places = schema(vec![
        text,
        column("lat", ColumnType::Float64, false, "location.lat | location[0] | locatoin[0]"),
        column("lon", ColumnType::Float64, false, "location.lon | location[1] | locatoin[1]"),
    ]);
    for (message, expect) in [
        (r#"{"location":[51.5,-0.1,35]}"#, "null 51.5 -0.1"),
        (r#"{"location":[51.5]}"#, "null 51.5 null"),
        (r#"{"location":{"lat":null}}"#, "null null null"),
        (r#"{"location":null,"locatoin":[1,2]}"#, "null 1.0 2.0"),
        (r#"{"location":"51.5,-0.1"}"#, "51.5,-0.1 null null"),
        (r#"{"location":51.5}"#, "51.5 null null"),
        (r#"{"location":true}"#, "true null null"),
        (r#"{"location":[]}"#, "[] null null"),
        (
            r#"{"location":{"type":"Point","coordinates":[1]}}"#,
            r#"{"type":"Point","coordinates":[1]} null null"#,
        ),
        (r#"{"location":null}"#, "null null null"),
    ] {
        check(&places, message, Ok(expect));
    }
    check_drift(&places, &[r#"{"location":51.5}"#, r#"{"location":[51.5,-0.1]}"#], &[]);
    let number = ColumnSpec { mismatch: Mismatch::Json, ..choosy("n", ColumnType::Int32, "n") };
    let refused = Decoder::new(Arc::new(schema(vec![number]))).err();
    assert_eq!(refused, Some(SchemaError::JsonMismatch { column: "n".into() }));
}

/// They were null without a trace.
#[test]
fn values_that_no_column_takes_are_counted() {
    let mut columns = vec![
        column("lat", ColumnType::Float64, false, "location.lat | location[0]"),
        choosy("text", ColumnType::Utf8, "location"),
        choosy("number", ColumnType::Int32, "v"),
        choosy("word", ColumnType::Utf8, "w | v"),
        choosy("inner", ColumnType::Int32, "rest.inner"),
    ];
    let messages = [
        r#"{"location":[51.5],"v":7,"w":null}"#,
        r#"{"location":{"lat":null},"v":"x"}"#,
        r#"{"location":true,"v":7.5}"#,
        r#"{"location":[],"v":null,"w":1}"#,
        r#"{"rest":{"inner":"x"}}"#,
    ];
    let most = [("location: another type", 2), ("v: another type", 1), ("w: another type", 1)];
    check_drift(
        &schema(columns.clone()),
        &messages,
        &[most[0], ("rest.inner: another type", 1), most[1], most[2]],
    );
    columns.push(column("rest", ColumnType::Json, false, "rest"));
    check_drift(&schema(columns), &messages, &most);
}

#[test]
fn columns_share_a_field_by_type() {
    let shared = schema(vec![
        choosy("number", ColumnType::Int32, "v"),
        column("kept", ColumnType::Json, false, "v"),
        choosy("list", ColumnType::Utf8List, "v"),
        choosy("text", ColumnType::Utf8, "w | v"),
    ]);
    for (value, expect) in [
        ("7", Ok("7 7 null null")),
        (r#""7""#, Ok(r#"7 "7" null 7"#)),
        (r#""x""#, Ok(r#"null "x" null x"#)),
        ("7.5", Ok("null 7.5 null null")),
        (r#"["x",1]"#, Ok(r#"null ["x",1] null null"#)),
        ("null", Ok("null null null null")),
        // Of the right type, and more than it holds: that is no mismatch.
        ("2147483648", Err("`number` is out of range for int32")),
    ] {
        check(&shared, &format!("{{\"v\":{value}}}"), expect);
    }
    check(&shared, r#"{"w":1,"v":"x"}"#, Ok(r#"null "x" null null"#));
}

#[test]
fn only_one_column_of_a_field_may_insist_on_it() {
    let refused = |columns: Vec<ColumnSpec>| Decoder::new(Arc::new(schema(columns))).err();
    let strict = |name: &str| column(name, ColumnType::Utf8, false, "v");
    let lax = |name: &str| choosy(name, ColumnType::Int32, "v");
    let clash = |first: &str, second: &str| {
        Some(SchemaError::SharedPath { path: "v".into(), first: first.into(), second: second.into() })
    };
    assert_eq!(refused(vec![strict("a"), lax("b"), lax("c")]), None);
    assert_eq!(refused(vec![lax("a"), strict("b")]), None);
    assert_eq!(refused(vec![strict("a"), strict("b")]), clash("a", "b"));
    assert_eq!(refused(vec![strict("a"), lax("b"), strict("c")]), clash("a", "c"));
    assert_eq!(refused(vec![choosy("a", ColumnType::Int32, "v | v")]), clash("a", "a"));
    let required = ColumnSpec { required: true, ..lax("a") };
    assert_eq!(refused(vec![required]), Some(SchemaError::RequiredMismatch { column: "a".into() }));
}
