//! Fields that no column takes are counted by name.

use super::*;

/// What is counted as undeclared over `messages`, as `name count` pairs.
pub(super) fn check_drift(schema: &StreamSchema, messages: &[&str], expect: &[(&str, u64)]) {
    let mut decoder = decoder(schema.clone());
    decoder.decode(&batch(messages.iter().map(|message| Some(message.as_bytes()))));
    let counted = decoder.take_drift();
    let counted: Vec<_> = counted.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    assert_eq!(counted, expect, "{messages:?}");
    assert!(decoder.take_drift().is_empty(), "counting begins anew");
}

#[test]
fn counts_undeclared_fields_by_name() {
    let schema = schema(vec![
        column("id", ColumnType::Utf8, true, "id"),
        column("lat", ColumnType::Float64, false, "location.lat | location[0]"),
        column("rest", ColumnType::Json, false, "rest"),
        column("inner", ColumnType::Int64, false, "rest.inner"),
    ]);
    check_drift(&schema, &[r#"{"id":"a","location":{"lat":1},"rest":{"x":1}}"#, r#"{"location":null}"#], &[]);
    check_drift(
        &schema,
        &[r#"{"id":"a","mode":1}"#, r#"{"mode":{"deep":1}}"#, r#"{"id":1,"colour":"red"}"#],
        &[("colour", 1), ("mode", 2)],
    );
    check_drift(&schema, &[r#"{"location":{"lat":1,"alt":2}}"#], &[("location.alt", 1)]);
    check_drift(&schema, &[r#"{"location":[1,2,3]}"#, r#"{"location":[1]}"#], &[("location[]", 1)]);
    check_drift(&schema, &[r#"{"location":"51.5,-0.1"}"#], &[("location", 1)]);
    check_drift(&schema, &["{\"a\\n\":1}", "not json"], &[("a\\n", 1)]);
    let names: Vec<String> = (0..70).map(|number| format!(r#"{{"field{number:02}":1}}"#)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut expect: Vec<(String, u64)> = (0..64).map(|number| (format!("field{number:02}"), 1)).collect();
    expect.push(("other fields".to_owned(), 6));
    let expect: Vec<_> = expect.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    check_drift(&schema, &names, &expect);
}

#[test]
fn recorded_messages_that_are_declared_count_no_drift() {
    for (producer, expect) in [("canonical", 0), ("us-route", 0), ("misspelt", 100)] {
        let file = recorded(producer);
        let mut decoder = decoder(vehicles("model"));
        decoder.decode(&batch(lines(&file).into_iter().map(Some)));
        assert_eq!(decoder.take_drift().get("mode").copied().unwrap_or(0), expect, "{producer}");
        assert!(decoder.take_drift().is_empty(), "{producer}");
    }
}
