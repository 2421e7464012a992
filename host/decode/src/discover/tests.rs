//! What is proposed for messages, recorded ones and odd ones; every proposal is read back as a
//! configuration, and its messages decoded under it.

use std::path::Path;
use std::sync::Arc;

use millstream_model::schema::StreamSchema;
use millstream_model::{MessageBatch, MessageRef, TopicPartition};
use millstream_settings::typed::{Ordered, SchemaKeys};
use millstream_settings::{ConfigError, Document};

use super::*;
use crate::Decoder;

const TOPICS: [&str; 5] = ["vehicle_data", "gps_data", "traffic_data", "weather_data", "emergency_data"];

fn batch(topic: &str, messages: &[&str]) -> MessageBatch {
    let mut batch = MessageBatch::new(TopicPartition::new(topic, 0), 0);
    for (offset, message) in messages.iter().enumerate() {
        let value = Some(message.as_bytes());
        let message =
            MessageRef { offset: offset as i64, timestamp_us: None, key: None, value, headers: &[] };
        batch.push(message).unwrap();
    }
    batch
}

fn profile(topic: &str, messages: &[&str]) -> TopicProfile {
    let mut profile = TopicProfile::new(topic);
    profile.observe(&batch(topic, messages));
    profile
}

/// The schema that the rendered proposal declares.
fn declared(proposal: &Proposal) -> Arc<StreamSchema> {
    let text = toml(proposal);
    let streams = streams(Path::new("millstream.toml"), text.clone());
    let (_, schema) = streams.unwrap_or_else(|error| panic!("{error}\n{text}")).remove(0);
    schema
}

/// The schemas that a configuration declares, by the names of their streams.
fn streams(path: &Path, text: String) -> Result<Vec<(String, Arc<StreamSchema>)>, ConfigError> {
    #[derive(serde::Deserialize)]
    struct Streams {
        streams: Ordered<SchemaKeys>,
    }
    let document = Document::parse(path, text, [])?;
    let streams = document.deserialize::<Streams>()?.streams.0.into_iter();
    let checked = streams.map(|(name, keys)| {
        let schema = millstream_settings::schema::schema(&document, &["streams", &name], &keys)?;
        Ok((name, Arc::new(schema)))
    });
    checked.collect()
}

/// Infers, and decodes all messages under what was inferred.
#[track_caller]
fn propose(messages: &[&str], vocabulary: &Vocabulary, zone: Option<&str>) -> Proposal {
    let proposal = infer(&profile("topic", messages), "stream", vocabulary, zone);
    let decoded = Decoder::new(declared(&proposal)).unwrap().decode(&batch("topic", messages));
    let malformed = decoded.failures.iter().filter(|failure| failure.problems.is_empty()).count();
    assert_eq!(decoded.failures.len(), malformed, "{:?}\n{}", decoded.failures, toml(&proposal));
    proposal
}

/// The lines of the schema, without their comments.
fn columns(proposal: &Proposal) -> Vec<String> {
    let text = toml(proposal);
    let schema = text.split_once(".schema]\n").unwrap().1;
    let lines = schema.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once("  #").unwrap().0.to_owned()).collect()
}

#[track_caller]
fn check(messages: &[&str], expect: &[&str]) {
    assert_eq!(columns(&propose(messages, &Vocabulary::default(), None)), expect, "{messages:?}");
}

#[test]
fn types_are_what_was_seen() {
    check(&[r#"{"a":1}"#, r#"{"a":-7}"#], &[r#"a = { type = "int32", required = true }"#]);
    check(&[r#"{"a":1}"#, r#"{}"#], &[r#"a = "int32""#]);
    check(&[r#"{"a":1}"#, r#"{"a":null}"#], &[r#"a = "int32""#]);
    check(&[r#"{"a":3000000000}"#, r#"{}"#], &[r#"a = "int64""#]);
    check(&[r#"{"a":1}"#, r#"{"a":1.5}"#, "{}"], &[r#"a = "float64""#]);
    check(&[r#"{"a":99999999999999999999}"#, "{}"], &[r#"a = "float64""#]);
    check(&[r#"{"a":1}"#, r#"{"a":"2.5"}"#, "{}"], &[r#"a = "float64""#]);
    check(&[r#"{"a":"01234"}"#, "{}"], &[r#"a = "string""#]);
    check(&[r#"{"a":"2023"}"#, "{}"], &[r#"a = "string""#]);
    check(&[r#"{"a":true}"#, "{}"], &[r#"a = "boolean""#]);
    check(&[r#"{"a":true}"#, r#"{"a":"yes"}"#], &[r#"a = { type = "json", required = true }"#]);
    check(&[r#"{"a":1}"#, r#"{"a":"n/a"}"#, "{}"], &[r#"a = "json""#]);
    check(&[r#"{"a":null}"#], &[r#"a = "json""#]);
    check(&[r#"{"a":"2026-01-31"}"#, "{}"], &[r#"a = "date""#]);
    check(&[r#"{"a":"2026-01-31T08:00:00Z"}"#, "{}"], &[r#"a = "timestamp""#]);
    check(&[r#"{"a":"2026-01-31T08:00:00"}"#, "{}"], &[r#"a = "string""#]);
    check(&[r#"{"a":[1,2.5,null]}"#, r#"{"a":[]}"#, "{}"], &[r#"a = "list<float64>""#]);
    check(&[r#"{"a":["x"]}"#, "{}"], &[r#"a = "list<string>""#]);
    check(&[r#"{"a":["x",1]}"#, "{}"], &[r#"a = "json""#]);
    check(&[r#"{"a":[]}"#, r#"{"a":{}}"#], &[r#"a = { type = "json", required = true }"#]);
}

#[test]
fn objects_are_dotted_leaves() {
    check(
        &[r#"{"a":{"b":1,"c":{"d":"x"}}}"#, r#"{"a":{"b":2}}"#],
        &[r#""a.b" = { type = "int32", required = true }"#, r#""a.c.d" = "string""#],
    );
    check(&[r#"{"a":{"b":1}}"#, r#"{"a":null}"#], &[r#""a.b" = "int32""#]);
    check(&[r#"{"a":{"b":1}}"#, r#"{"a":"x"}"#], &[r#"a = { type = "json", required = true }"#]);
    check(
        &[r#"{"_id":1,"day":2,"a.b":3}"#],
        &[
            r#"field_id = { type = "int32", required = true, path = "_id" }"#,
            r#"field_day = { type = "int32", required = true, path = "day" }"#,
        ],
    );
}

#[test]
fn pairs_of_coordinates_are_two_columns() {
    check(
        &[r#"{"location":[51.5,-0.1]}"#, r#"{"location":[52,-1]}"#],
        &[
            r#""location.lat" = { type = "float64", required = true, aliases = ["location[0]"] }"#,
            r#""location.lon" = { type = "float64", required = true, aliases = ["location[1]"] }"#,
        ],
    );
    check(
        &[r#"{"location":[51.5,-0.1]}"#, r#"{"location":{"lat":52.5,"lon":-1}}"#],
        &[
            r#""location.lat" = { type = "float64", required = true, aliases = ["location[0]"] }"#,
            r#""location.lon" = { type = "float64", required = true, aliases = ["location[1]"] }"#,
        ],
    );
    check(
        &[r#"{"place":{"type":"Point","coordinates":[-0.1,51.5]}}"#, "{}"],
        &[
            r#""place.type" = "string""#,
            r#""place.coordinates.lon" = { type = "float64", aliases = ["place.coordinates[0]"] }"#,
            r#""place.coordinates.lat" = { type = "float64", aliases = ["place.coordinates[1]"] }"#,
        ],
    );
    check(
        &[r#"{"locatoin":[51.5,-0.1]}"#, "{}"],
        &[
            r#""location.lat" = { type = "float64", aliases = ["location[0]", "locatoin[0]"] }"#,
            r#""location.lon" = { type = "float64", aliases = ["location[1]", "locatoin[1]"] }"#,
        ],
    );
    check(&[r#"{"ratio":[51.5,-0.1]}"#, "{}"], &[r#"ratio = "list<float64>""#]);
    check(&[r#"{"location":[51.5,-0.1,30]}"#, "{}"], &[r#"location = "list<float64>""#]);
}

/// `usual` many times over, with one odd message in between.
fn with_one(usual: &'static str, odd: &'static str) -> Vec<&'static str> {
    let mut messages = vec![usual; 200];
    messages[70] = odd;
    messages
}

/// One row in thousands had swapped latitude and longitude of all.
#[test]
fn one_bad_pair_does_not_swap_the_others() {
    let columns = [
        r#""location.lat" = { type = "float64", required = true, aliases = ["location[0]"] }"#,
        r#""location.lon" = { type = "float64", required = true, aliases = ["location[1]"] }"#,
    ];
    check(&with_one(r#"{"location":[51.5,-0.1]}"#, r#"{"location":[123.0,-0.1]}"#), &columns);
    check(&with_one(r#"{"location":[37.8,-122.4]}"#, r#"{"location":[-122.4,37.8]}"#), &columns);
    let reversed =
        columns.map(|column| column.replace("lat", "LON").replace("lon", "lat").replace("LON", "lon"));
    let reversed = [&*reversed[0], &*reversed[1]];
    check(&with_one(r#"{"location":[-122.4,37.8]}"#, r#"{"location":[37.8,-122.4]}"#), &reversed);

    let guess = |message| {
        let proposal = propose(&[message], &Vocabulary::default(), None);
        toml(&proposal).contains("latitude first is a guess")
    };
    assert!(guess(r#"{"location":[51.5,-0.1]}"#));
    assert!(!guess(r#"{"location":[37.8,-122.4]}"#));
}

/// One value of another kind had made the whole column JSON.
#[test]
fn a_few_values_of_another_kind_do_not_decide_the_type() {
    check(&with_one(r#"{"a":1.5}"#, r#"{"a":"n/a"}"#), &[r#"a = { type = "float64", mismatch = "null" }"#]);
    check(&with_one(r#"{"a":"x"}"#, r#"{"a":7}"#), &[r#"a = { type = "string", mismatch = "null" }"#]);
    check(&with_one(r#"{"a":true}"#, r#"{"a":"x"}"#), &[r#"a = { type = "boolean", mismatch = "null" }"#]);
    check(
        &with_one(r#"{"a":[1]}"#, r#"{"a":[1,"x"]}"#),
        &[r#"a = { type = "list<float64>", mismatch = "null" }"#],
    );
    check(&with_one(r#"{"a":{"b":1}}"#, r#"{"a":"x"}"#), &[r#""a.b" = "int32""#]);
    check(&with_one(r#"{"a":1}"#, r#"{"a":{"b":1}}"#), &[r#"a = { type = "int32", mismatch = "null" }"#]);
    check(
        &with_one(r#"{"location":[51.5,-0.1]}"#, r#"{"location":["a","b"]}"#),
        &[
            r#""location.lat" = { type = "float64", mismatch = "null", aliases = ["location[0]"] }"#,
            r#""location.lon" = { type = "float64", mismatch = "null", aliases = ["location[1]"] }"#,
        ],
    );
    let proposal = propose(&with_one(r#"{"a":1.5}"#, r#"{"a":"n/a"}"#), &Vocabulary::default(), None);
    let text = toml(&proposal);
    for words in
        ["# `a` is a number in 99.50 % of its 200 values, and 1 are not, such as \"n/a\"", "type = \"json\""]
    {
        assert!(text.contains(words), "{text}");
    }
    let many: Vec<_> = (0..100).map(|n| if n % 30 == 0 { r#"{"a":"n/a"}"# } else { r#"{"a":1}"# }).collect();
    check(&many, &[r#"a = { type = "json", required = true }"#]);
}

/// A single message with thousands of keys had made as many columns.
#[test]
fn a_wide_message_does_not_make_the_columns() {
    let keys: String = (0..3000).map(|number| format!("\"f{number}\":1,")).collect();
    let wide = format!("{{{keys}\"speed\":1}}");
    for at in [0, 1, 70, 199] {
        let mut messages = vec![r#"{"speed":1,"heading":2}"#; 200];
        messages[at] = &wide;
        let proposal = propose(&messages, &Vocabulary::default(), None);
        let names: Vec<_> = proposal.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names.iter().filter(|name| !name.starts_with('f')).count(), 2, "{at}: {names:?}");
        assert!(names.len() == 2, "{at}: {names:?}");
    }
}

/// Aliases of a configuration had been taken for right names, misspellings among them.
#[test]
fn aliases_of_a_configuration_are_proposed_as_such() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/city/millstream.toml");
    let city = streams(&root, std::fs::read_to_string(&root).unwrap()).unwrap();
    let mut known = Vocabulary::default();
    city.iter().for_each(|(name, schema)| known.add_schema(name, schema));
    let message = r#"{"device_id":"a","mode":"b","locatoin":[51.5,-0.1],"fuleType":"x","colour":"y"}"#;
    let proposal = propose(&[message], &known, None);
    let named: Vec<_> =
        proposal.findings.iter().map(|f| (f.kind, f.field.as_str(), f.like.as_deref().unwrap())).collect();
    assert_eq!(
        named,
        [
            (FindingKind::OtherSpelling, "device_id", "deviceId"),
            (FindingKind::MisspeltField, "mode", "model"),
            (FindingKind::MisspeltField, "locatoin", "location"),
            (FindingKind::MisspeltField, "fuleType", "fuelType"),
        ]
    );
    let columns = columns(&propose(&[r#"{"lat":51.5,"lng":-0.1}"#], &known, None));
    assert_eq!(
        columns,
        [
            r#"lat = { type = "float64", required = true }"#,
            r#"lon = { type = "float64", required = true, aliases = ["lng"] }"#,
        ]
    );
}

#[test]
fn near_duplicates_are_aliases_where_no_message_has_both() {
    check(
        &[r#"{"deviceId":"a"}"#, r#"{"deviceId":"b"}"#, r#"{"device_id":"c"}"#],
        &[r#"deviceId = { type = "string", required = true, aliases = ["device_id"] }"#],
    );
    check(
        &[r#"{"airQualityIndex":1}"#, r#"{"airQualityIndex":1}"#, r#"{"AQI":1.5}"#],
        &[r#"airQualityIndex = { type = "float64", required = true, aliases = ["AQI"] }"#],
    );
    check(
        &[r#"{"model":"a"}"#, r#"{"model":"a"}"#, r#"{"mode":"b"}"#],
        &[r#"model = { type = "string", required = true, aliases = ["mode"] }"#],
    );
    check(
        &[r#"{"model":"a","mode":"b"}"#],
        &[
            r#"model = { type = "string", required = true }"#,
            r#"mode = { type = "string", required = true }"#,
        ],
    );
    check(&[r#"{"model":"a"}"#, r#"{"mode":1}"#], &[r#"model = "string""#, r#"mode = "int32""#]);
    check(&[r#"{"sensor1":1}"#, r#"{"sensor2":1}"#], &[r#"sensor1 = "int32""#, r#"sensor2 = "int32""#]);
    check(
        &[r#"{"place":{"city":"x"}}"#, r#"{"place":{"city":"x"}}"#, r#"{"palce":{"city":"x"}}"#],
        &[r#""place.city" = { type = "string", required = true, aliases = ["palce.city"] }"#],
    );
}

#[test]
fn event_time_is_proposed() {
    let check = |message: &str, zone: Option<&str>, expect: &str| {
        let proposal = propose(&[message], &Vocabulary::default(), zone);
        let line = toml(&proposal).lines().find(|line| line.contains("event_time")).map(str::to_owned);
        assert_eq!(line.as_deref().unwrap_or("none"), expect, "{message}");
    };
    let local = r#"{"a":"x","timestamp":"2026-01-01T08:00:00"}"#;
    check(
        local,
        None,
        "# event_time = { column = \"timestamp\", zone = \"Area/City\" }  # its texts state no zone: name theirs",
    );
    check(local, Some("Europe/London"), "event_time = \"timestamp\"");
    check(
        r#"{"made":"2026-01-01T08:00:00Z","event_time":"2026-01-01T08:00:00Z"}"#,
        None,
        "event_time = \"event_time\"",
    );
    check(
        r#"{"id":1767254438000,"ts":1767254438123}"#,
        None,
        "event_time = { column = \"ts\", epoch = \"ms\" }",
    );
    check(r#"{"id":1767254438000}"#, None, "none");
}

fn seeds(producer: &str, topic: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/seeds");
    std::fs::read_to_string(root.join(producer).join(format!("{topic}.jsonl"))).unwrap()
}

/// What is proposed for each topic of one producer, and the findings of all as text.
fn propose_seeds(producer: &str, mut vocabulary: Vocabulary) -> (Vec<Proposal>, String) {
    let profiles = TOPICS.map(|topic| {
        let text = seeds(producer, topic);
        profile(topic, &text.lines().collect::<Vec<_>>())
    });
    profiles.iter().for_each(|profile| vocabulary.add_topic(profile));
    let proposals: Vec<_> =
        profiles.iter().map(|profile| infer(profile, "stream", &vocabulary, Some("Europe/London"))).collect();
    let findings = proposals.iter().flat_map(|proposal| &proposal.findings);
    (proposals.clone(), findings.map(|finding| format!("{}\n", finding.message)).collect())
}

#[test]
fn recorded_messages_decode_under_what_is_proposed() {
    for producer in ["canonical", "misspelt", "us-route"] {
        for (proposal, topic) in propose_seeds(producer, Vocabulary::default()).0.iter().zip(TOPICS) {
            let text = seeds(producer, topic);
            let messages: Vec<_> = text.lines().collect();
            let mut decoder = Decoder::new(declared(proposal)).unwrap();
            assert_eq!(decoder.decode(&batch(topic, &messages)).failures, [], "{producer} {topic}");
            assert!(decoder.take_drift().is_empty(), "{producer} {topic}");
            assert!(proposal.columns.iter().all(|column| column.required), "{producer} {topic}");
        }
    }
}

#[test]
fn misspellings_of_a_producer_are_named() {
    let (_, alone) = propose_seeds("misspelt", Vocabulary::default());
    assert!(alone.contains("`locatoin` looks like a misspelling of `location`"), "{alone}");
    assert!(alone.contains("`year` is a number written as a string"), "{alone}");
    assert!(!alone.contains("`mode` looks like"), "nobody has `model`: {alone}");
    for producer in ["canonical", "us-route"] {
        let (_, clean) = propose_seeds(producer, Vocabulary::default());
        assert_eq!(clean, "", "{producer}");
    }

    let (others, _) = propose_seeds("us-route", Vocabulary::default());
    let mut known = Vocabulary::default();
    known.add_schema("vehicle", &declared(&others[0]));
    let (proposals, findings) = propose_seeds("misspelt", known);
    assert!(
        findings.contains("`mode` looks like a misspelling of `model`, which stream `vehicle` declares"),
        "{findings}"
    );
    let year = proposals[0].columns.iter().find(|column| column.name == "year").unwrap();
    assert_eq!(year.r#type, "int32", "declared as a number elsewhere");
}

/// `usual` so many times, then `rare` so many times, as values of one field; what `rare` is named as.
fn misspelt_value(usual: &str, times: usize, rare: &str, rare_times: usize) -> Option<String> {
    let message = |value: &str| format!("{{\"a\":\"{value}\"}}");
    let (usual, rare) = (message(usual), message(rare));
    let messages = [vec![usual.as_str(); times], vec![rare.as_str(); rare_times]].concat();
    let proposal = propose(&messages, &Vocabulary::default(), None);
    let named = proposal.findings.iter().find(|finding| finding.kind == FindingKind::MisspeltValue);
    named.map(|finding| finding.message.clone())
}

/// `North-East` had been named a misspelling of `North-West`, and `Rainy` one of `Rain`.
#[test]
fn only_rare_values_one_slip_from_a_frequent_one_are_misspelt() {
    let named = misspelt_value("Active", 100, "Actice", 2).unwrap();
    assert!(
        named.starts_with("value `Actice` of `a` looks like a misspelling of `Active` (2 and 100"),
        "{named}"
    );
    assert_eq!(misspelt_value("Active", 99, "Actice", 2), None);
    assert_eq!(misspelt_value("North-West", 500, "North-East", 1), None);
    assert_eq!(misspelt_value("Rain", 500, "Rainy", 1), None);
    assert_eq!(misspelt_value("Active", 6000, "Actice", 100), None, "so often it is meant");
}

/// Field names and values are the producer's; none may break the text they stand in.
#[test]
fn hostile_messages_make_a_configuration_all_the_same() {
    let wide: String = (0..1500).map(|number| format!("\"f{number}\":1,")).collect();
    let deep = format!("{}1{}", r#"{"a":"#.repeat(100), "}".repeat(100));
    propose(
        &[
            &format!("{{{wide}\"z\":1}}"),
            &deep,
            r##"{"quo\"te":1,"back\\slash":"\u0000\n]","":1,"a[0]":2,"new\nline":3,"#\u2028":"\u007f"}"##,
            r#"{"a":1,"a":"twice"}"#,
            "[1]",
            "not json",
            "",
        ],
        &Vocabulary::default(),
        None,
    );
}

#[test]
fn names_of_streams_are_fit_for_tables() {
    let names = stream_names(["vehicle_data", "vehicle-events", "city.weather", "data", "_data"]);
    assert_eq!(names, ["vehicle", "vehicle_2", "city_weather", "data", "_data"]);
}

fn drift(declared_by: &[&str], messages: &[&str]) -> StreamDrift {
    let proposal = infer(&profile("topic", declared_by), "stream", &Vocabulary::default(), None);
    let mut check = StreamCheck::new("stream", "topic", declared(&proposal)).unwrap();
    check.observe(&batch("topic", messages));
    check.report()
}

#[test]
fn messages_as_declared_are_no_drift() {
    let text = seeds("us-route", "vehicle_data");
    let messages: Vec<_> = text.lines().collect();
    let report = drift(&messages, &messages);
    assert!(!report.drift, "{report:?}");
    assert!(report.nulls.iter().all(|column| column.share == 0.0));
    let known = [r#"{"a":{"b":1},"location":[1,2]}"#, r#"{"a":null}"#];
    let like_known = r#"{"location":{"lat":1,"lon":2},"a":{"b":2}}"#;
    assert!(!drift(&known, &[like_known]).drift);
    let malformed = drift(&known, &[like_known, "nonsense"]);
    assert!(malformed.drift, "dead letters are drift");
    assert!(malformed.nulls.iter().all(|column| column.share == 0.0), "and no nulls: {malformed:?}");
}

#[test]
fn drift_is_told_field_by_field() {
    let (declared_by, messages) = (seeds("us-route", "vehicle_data"), seeds("misspelt", "vehicle_data"));
    let mut messages: Vec<_> = messages.lines().collect();
    messages.push(r#"{"id":null,"year":"soon","location":"home"}"#);
    let report = drift(&declared_by.lines().collect::<Vec<_>>(), &messages);
    assert!(report.drift);
    let new: Vec<_> =
        report.new_fields.iter().map(|new| (new.field.as_str(), new.r#type, new.messages)).collect();
    assert_eq!(new, [("location", "list<float64>", 101), ("mode", "string", 100)]);
    let mode = &report.new_fields[1];
    assert_eq!(mode.looks_like.as_deref(), Some("`mode` looks like a misspelling of `model`"));
    assert_eq!(mode.example, Some(Place { partition: 0, offset: 0 }));
    assert_eq!(report.never_seen, ["model"]);
    let problem = |column: &str| report.problems.iter().find(|found| found.column == column).unwrap();
    assert_eq!((problem("id").problem.as_str(), problem("id").missing), ("`id` is null", true));
    let year = problem("year");
    assert_eq!((year.problem.as_str(), year.expected), ("`year` is not an int32: found a string", "int32"));
    assert_eq!((year.messages, year.example.unwrap().offset, year.missing), (1, 100, false));
    assert_eq!((problem("model").messages, problem("model").missing), (101, true));
}
