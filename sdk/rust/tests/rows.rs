//! What a derived row becomes: the plan, the values that a transform sees and those it writes.

use std::borrow::Cow;

use millstream_sdk::plan::{ConfigProblem, DataType, Field, Input, InputPlan, TimeUnit, TimestampType};
use millstream_sdk::testing::{Processed, Values, process};
use millstream_sdk::{
    About, ByRow, Date, LocalTimestamp, Outcome, Plugin, Row, Timestamp, Transform, Verdict, configure,
};

#[derive(Row)]
#[row(rename_all = "camelCase")]
struct Every<'a> {
    #[row(write)]
    flag: bool,
    #[row(write)]
    int_32: i32,
    #[row(write)]
    int_64: Option<i64>,
    #[row(write)]
    float_32: f32,
    #[row(write, name = "location.lat")]
    float_64: Option<f64>,
    #[row(write)]
    text: &'a str,
    #[row(write)]
    cow: Option<Cow<'a, str>>,
    #[row(write)]
    string: String,
    #[row(write)]
    bytes: Option<&'a [u8]>,
    #[row(write)]
    list: &'a [f64],
    #[row(write)]
    date: Date,
    #[row(write)]
    local: LocalTimestamp,
    #[row(name = "timestamp")]
    sent_at: &'a str,
    #[row(name = "timestamp", new)]
    instant: Option<Timestamp>,
}

#[derive(serde::Deserialize)]
struct Limits {
    limits: Limit,
}

#[derive(serde::Deserialize)]
struct Limit {
    speed: f64,
}

const ABOUT: About = About { name: "t", version: "1", config_schema: None, example_config: "{}" };

/// A configuration of [`Between`].
const SOUND: &str = r#"{"limits": {"speed": 100}}"#;

/// Keeps every row as it is.
struct Copy;

impl Transform for Copy {
    type Config = ();
    type Row = Every<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;
    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self)
    }
    fn process(&mut self, row: &mut Every<'_>) {
        row.instant = row.sent_at.parse().ok().map(Timestamp);
    }
}

#[derive(Row)]
struct Speed {
    #[row(write)]
    speed: f64,
}

/// Drops what is too slow and rejects what is too fast.
struct Between(f64);

impl Transform for Between {
    type Config = Limits;
    type Row = Speed;
    type Outcome = Verdict;
    const ABOUT: About = ABOUT;
    fn configure(config: Limits) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self(config.limits.speed))
    }
    fn process(&mut self, row: &mut Speed) -> Verdict {
        match row.speed {
            speed if speed < 0.0 => Verdict::Reject("backwards".into()),
            speed if speed > self.0 => Verdict::Reject("too fast".into()),
            0.0 => Verdict::Drop,
            _ => Verdict::Keep,
        }
    }
}

/// Reads more where the stream has more.
#[derive(Row)]
struct Limited<'a> {
    #[row(optional, write)]
    limit: Option<f64>,
    speed: f64,
    #[row(optional, drop)]
    note: Option<&'a str>,
    #[row(drop)]
    checksum: i64,
    #[row(name = "_offset")]
    offset: i64,
    #[row(new)]
    said: String,
    #[row(new)]
    unit: Option<&'static str>,
}

struct Limiting;

impl Transform for Limiting {
    type Config = ();
    type Row = Limited<'static>;
    type Outcome = ();
    const ABOUT: About = ABOUT;
    fn configure(_: ()) -> Result<Self, Vec<ConfigProblem>> {
        Ok(Self)
    }
    fn process(&mut self, row: &mut Limited<'_>) {
        let Limited { limit, speed, note, checksum, offset, .. } = row;
        row.said = format!("{limit:?} {speed} {note:?} {checksum} {offset}");
        row.limit = Some(limit.unwrap_or(100.0));
        row.unit = Some("km/h");
    }
}

fn field(name: &str, ty: DataType, nullable: bool) -> Field {
    Field { name: name.to_owned(), ty, nullable }
}

fn plan_of<P: Plugin<ByRow>>(config: &str, fields: &[Field]) -> InputPlan {
    let input = Input { name: "vehicle".to_owned(), fields: fields.to_vec() };
    let configured = configure::<P, _>(config, &[input]).unwrap_or_else(|problems| panic!("{problems:?}"));
    configured.plan().inputs[0].clone()
}

#[test]
fn a_struct_is_its_plan() {
    let timestamp = |utc| DataType::Timestamp(TimestampType { unit: TimeUnit::Micro, utc });
    let both = [
        field("flag", DataType::Boolean, false),
        field("int32", DataType::Int32, false),
        field("int64", DataType::Int64, true),
        field("float32", DataType::Float32, false),
        field("location.lat", DataType::Float64, true),
        field("text", DataType::Utf8, false),
        field("cow", DataType::Utf8, true),
        field("string", DataType::Utf8, false),
        field("bytes", DataType::Binary, true),
        field("list", DataType::Float64List, false),
        field("date", DataType::Date, false),
        field("local", timestamp(false), false),
    ];
    let sent_at = [field("timestamp", DataType::Utf8, false)];
    let plan = plan_of::<Copy>("null", &[&both[..], &sent_at].concat());
    assert_eq!(plan.reads[..12], both);
    assert_eq!(plan.reads[12..], sent_at);
    assert_eq!(plan.writes[..12], both);
    assert_eq!(plan.writes[12..], [field("timestamp", timestamp(true), true)]);
    assert!(plan.row_preserving);
    let between = plan_of::<Between>(SOUND, &[field("speed", DataType::Float64, false)]);
    assert!(!between.row_preserving);
    const { assert!(<() as Outcome>::PRESERVES_ROWS) };
}

/// Eleven rows: bitmaps end within their second byte.
#[test]
fn every_type_comes_back_as_it_went() {
    let rows = 0..11_i64;
    let odd = |row: &i64| row % 2 == 1;
    let texts: Vec<_> = rows.clone().map(|row| "ä".repeat(row as usize)).collect();
    let lists: Vec<_> = rows.clone().map(|row| vec![row as f64; row as usize]).collect();
    let columns = [
        ("flag", Values::of(rows.clone().map(|row| odd(&row)))),
        ("int32", Values::of(rows.clone().map(|row| row as i32))),
        ("int64", Values::of(rows.clone().map(|row| odd(&row).then_some(row)))),
        ("float32", Values::of(rows.clone().map(|row| row as f32))),
        ("location.lat", Values::of(rows.clone().map(|row| odd(&row).then_some(row as f64)))),
        ("text", Values::of(texts.iter().map(String::as_str))),
        ("cow", Values::of(rows.clone().zip(&texts).map(|(row, text)| odd(&row).then_some(text.as_str())))),
        ("string", Values::of(texts.clone())),
        ("bytes", Values::of(texts.iter().map(|text| Some(text.as_bytes())))),
        ("list", Values::of(lists.iter().map(Vec::as_slice))),
        ("date", Values::of(rows.clone().map(|row| Date(row as i32)))),
        ("local", Values::of(rows.clone().map(LocalTimestamp))),
    ];
    let sent_at = ("timestamp", Values::of(rows.clone().map(|row| if odd(&row) { "5" } else { "-" })));
    let outcome = process(&mut Copy, &[&columns[..], &[sent_at]].concat());
    assert_eq!(outcome.kept, (0..11).collect::<Vec<_>>());
    for (name, values) in columns {
        assert_eq!(outcome.written[name], values, "{name}");
    }
    let instants = Values::of(rows.map(|row| odd(&row).then_some(Timestamp(5))));
    assert_eq!(outcome.written["timestamp"], instants);
}

#[test]
fn a_stream_may_lack_optional_columns() {
    let stream =
        |names: &[&str]| names.iter().map(|name| field(name, DataType::Utf8, false)).collect::<Vec<_>>();
    let check = |fields: &[&str], reads: &[&str], drops: &[&str]| {
        let input = plan_of::<Limiting>("null", &stream(fields));
        let read: Vec<_> = input.reads.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(read, reads, "{fields:?}");
        assert_eq!(input.drops, drops, "{fields:?}");
        let written: Vec<_> = input.writes.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(written, ["limit", "said", "unit"], "what is written does not depend on the stream");
    };
    check(&["speed", "checksum"], &["speed", "checksum", "_offset"], &["checksum"]);
    check(
        &["note", "speed", "checksum", "limit"],
        &["limit", "speed", "note", "checksum", "_offset"],
        &["note", "checksum"],
    );
}

#[test]
fn columns_that_the_stream_lacks_are_none() {
    let check = |more: &[(&str, Values)], said: &str, limit: f64| {
        let needed = [
            ("speed", Values::of([3.0])),
            ("checksum", Values::of([7_i64])),
            ("_offset", Values::of([9_i64])),
        ];
        let written = process(&mut Limiting, &[&needed[..], more].concat()).written;
        assert_eq!(written["said"], Values::of([said]));
        assert_eq!(written["limit"], Values::of([Some(limit)]));
        assert_eq!(written["unit"], Values::of([Some("km/h")]));
    };
    check(&[], "None 3 None 7 9", 100.0);
    check(&[("note", Values::of([Some("n")]))], "None 3 Some(\"n\") 7 9", 100.0);
    check(&[("limit", Values::of([Some(50.0)]))], "Some(50.0) 3 None 7 9", 50.0);
    let both = [("note", Values::of([None::<&str>])), ("limit", Values::of([Some(50.0)]))];
    check(&both, "Some(50.0) 3 None 7 9", 50.0);
}

fn check(speeds: &[f64], kept: &[usize], rejected: &[(&str, &[usize])]) {
    let speeds = Values::of(speeds.iter().copied());
    let outcome = process(&mut Between(100.0), &[("speed", speeds.clone())]);
    let rejected = rejected.iter().map(|(reason, rows)| (reason.to_string(), rows.to_vec())).collect();
    let written = [("speed".to_owned(), speeds)].into();
    assert_eq!(outcome, Processed { kept: kept.to_vec(), rejected, written, ..Processed::default() });
}

#[test]
fn verdicts_are_grouped_by_reason() {
    check(&[], &[], &[]);
    check(&[1.0, 2.0], &[0, 1], &[]);
    check(&[1.0, 0.0, 2.0], &[0, 2], &[]);
    check(&[-1.0, 1.0, 101.0, 0.0, -2.0], &[1], &[("backwards", &[0, 4]), ("too fast", &[2])]);
}

fn check_problems(config: &str, fields: &[Field], expect: &[(&str, &str)]) {
    let input = Input { name: "vehicle".to_owned(), fields: fields.to_vec() };
    let problems = configure::<Between, _>(config, &[input]).err().unwrap_or_default();
    let problems: Vec<_> = problems.iter().map(|problem| (&*problem.path, &*problem.message)).collect();
    assert_eq!(problems, expect);
}

#[test]
fn problems_name_keys_and_columns() {
    let speed = [field("speed", DataType::Float64, false)];
    check_problems(SOUND, &speed, &[]);
    check_problems(r#"{"limits": {"speed": 100, "sped": 1}}"#, &speed, &[("limits.sped", "unknown key")]);
    check_problems(
        r#"{"limits": {"speed": "fast"}}"#,
        &speed,
        &[("limits.speed", "invalid type: string \"fast\", expected f64 at line 1 column 27")],
    );
    check_problems(
        SOUND,
        &[field("sped", DataType::Float64, true)],
        &[("inputs.vehicle.speed", "the input has no column `speed`; it has `sped`")],
    );
    check_problems(
        SOUND,
        &[field("speed", DataType::Float64, true)],
        &[(
            "inputs.vehicle.speed",
            "column `speed` may be null, but this plugin needs a value: declare it as required",
        )],
    );
}
