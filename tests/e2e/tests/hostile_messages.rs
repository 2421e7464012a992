//! Messages that no producer should send. Each becomes a row or a dead letter with a reason; none
//! stops the stream, and the good message behind them arrives.

use millstream_tests::{Workspace, duckdb, seeds};
use serde_json::json;

fn good() -> String {
    seeds("canonical", "vehicle_data").lines().next().unwrap().to_owned()
}

/// Messages without a line feed in them, as bytes.
fn hostile() -> Vec<Vec<u8>> {
    let good = good();
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1).into_bytes()
    };
    let mut messages = vec![
        b"".to_vec(),
        b"   ".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"{}".to_vec(),
        b"{".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"\xff\xfe\xfd".to_vec(),
        b"{\"id\": \"\xff\"}".to_vec(),
        b"{\"id\": \"\\ud800\"}".to_vec(),
        b"{} {}".to_vec(),
        b"NaN".to_vec(),
        vec![b'['; 100_000],
        b"{\"a\":".repeat(100_000),
        with("\"speed\": 17.346755614104286", "\"speed\": 1e999"),
        with("\"speed\": 17.346755614104286", "\"speed\": -1e999"),
        with("\"speed\": 17.346755614104286", "\"speed\": NaN"),
        with("\"speed\": 17.346755614104286", "\"speed\": 01"),
        with("\"speed\": 17.346755614104286", "\"speed\": {\"deep\": [[[[]]]]}"),
        with("\"year\": 2024", "\"year\": 99999999999999999999999999999999999999"),
        with("\"year\": 2024", "\"year\": 2147483648"),
        with("\"year\": 2024", "\"year\": 2024, \"year\": 2025"),
        with("\"BMW\"", &format!("\"{}\"", "x".repeat(4 << 20))),
        with("\"BMW\"", "\"\\u0000\""),
        with("\"BMW\"", "\"\\udead\""),
        with("\"id\"", "\"\\u0069d\""),
    ];
    messages.extend((0..good.len()).map(|end| good.as_bytes()[..end].to_vec()));
    messages
}

#[test]
fn each_becomes_a_row_or_a_dead_letter() {
    let workspace = Workspace::files();
    let mut content = Vec::new();
    let messages = hostile();
    for message in &messages {
        assert!(!message.contains(&b'\n'));
        content.extend_from_slice(message);
        content.push(b'\n');
    }
    content.extend_from_slice(good().as_bytes());
    content.push(b'\n');
    workspace.write("messages/vehicle_data/0.jsonl", content);
    let summary = workspace.catch_up();
    let total = messages.len() as u64 + 1;
    let vehicle = &summary["streams"]["vehicle"];
    assert_eq!(vehicle["in"], json!(total));

    let raw = duckdb(&workspace.files_of("raw.vehicle"), "select count(*), count(distinct _offset) from t");
    assert_eq!(raw, json!([[total, total]]));
    let curated =
        duckdb(&workspace.files_of("curated.vehicle"), "select count(*) from t")[0][0].as_u64().unwrap();
    let letters = workspace.files_of("dead_letters");
    let dead = duckdb(&letters, "select count(*) from t")[0][0].as_u64().unwrap();
    assert_eq!(curated + dead, total);
    let unexplained = duckdb(&letters, "select count(*) from t where reason is null or length(reason) < 5");
    assert_eq!(unexplained, json!([[0]]));
    let last = duckdb(&workspace.files_of("curated.vehicle"), "select max(_offset) from t");
    assert_eq!(last, json!([[total - 1]]));

    // The original bytes are kept to the letter.
    let kept = duckdb(&letters, "select _offset, hex(_value) from t order by _offset");
    for row in kept.as_array().unwrap() {
        let offset = row[0].as_u64().unwrap() as usize;
        let hex: String = messages[offset].iter().map(|byte| format!("{byte:02X}")).collect();
        assert!(row[1] == json!(hex), "the bytes of message {offset} were not kept");
    }
}
