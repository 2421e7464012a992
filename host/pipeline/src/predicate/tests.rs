//! What predicates match and what their errors say, case by case, on one small batch.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Float32Array, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};

use super::Predicate;

/// 2026-01-01T08:00:00Z
const EIGHT_US: i64 = 1_767_254_400_000_000;

/// Four rows; in the last one everything is null that can be.
fn rows() -> RecordBatch {
    let at = [Some(EIGHT_US), Some(EIGHT_US + 1_500_000), Some(EIGHT_US + 3_600_000_000), None];
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("type", Arc::new(StringArray::from(vec![Some("Fire"), Some("Medical"), Some("it's"), None]))),
        ("speed", Arc::new(Float64Array::from(vec![Some(-0.0), Some(10.5), Some(f64::NAN), None]))),
        ("share", Arc::new(Float32Array::from(vec![Some(0.5), Some(0.1), Some(2.0), None]))),
        ("year", Arc::new(Int32Array::from(vec![Some(2019), Some(2020), Some(-3), None]))),
        ("count", Arc::new(Int64Array::from(vec![Some(i64::MAX), Some(2020), Some(-3), None]))),
        ("active", Arc::new(BooleanArray::from(vec![Some(true), Some(false), Some(true), None]))),
        ("date", Arc::new(Date32Array::from(vec![Some(20_454), Some(20_455), Some(-1), None]))),
        ("timestamp", Arc::new(TimestampMicrosecondArray::from(at.to_vec()).with_timezone("UTC"))),
        ("local", Arc::new(TimestampMillisecondArray::from(at.map(|us| us.map(|us| us / 1000)).to_vec()))),
        ("location.lat", Arc::new(Float64Array::from(vec![Some(51.5), Some(52.0), Some(0.0), None]))),
        ("_key", Arc::new(BinaryArray::from(vec![Some(&b"k"[..]), None, None, None]))),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true)))
        .unwrap()
}

/// `expect`: the rows that match, from 0.
#[track_caller]
fn check(text: &str, expect: &[usize]) {
    let rows = rows();
    let predicate = Predicate::parse(text, &rows.schema()).unwrap_or_else(|error| panic!("{text}: {error}"));
    let matched = predicate.evaluate(&rows).unwrap();
    assert_eq!(matched.nulls(), None, "{text}");
    let matched: Vec<_> = matched.values().set_indices().collect();
    assert_eq!(matched, expect, "{text}");
    assert!(predicate.evaluate(&rows.slice(0, 0)).unwrap().is_empty(), "{text}");
}

#[track_caller]
fn refused(text: &str, expect: &str) {
    let error = Predicate::parse(text, &rows().schema()).expect_err(text).to_string();
    assert!(error.contains(expect), "{text}:\n{error}\ndoes not contain\n{expect}");
}

#[test]
fn compares_with_constants() {
    check("type = 'Fire'", &[0]);
    check("'Fire' = type", &[0]);
    check("type <> 'Fire'", &[1, 2]);
    check("type = 'it''s'", &[2]);
    check("type > 'Fire'", &[1, 2]);
    check("year >= 2019", &[0, 1]);
    check("2019 < year", &[1]);
    check("year = -3", &[2]);
    check("year > 2019.5", &[1]);
    check("year = 2.02e3", &[1]);
    check("year > 3000000000", &[]);
    check("count > 9223372036854775806", &[0]);
    check("count > -3.5", &[0, 1, 2]);
    check("speed = 0", &[0]);
    check("speed >= 10.5", &[1]);
    check("speed <> 10.5", &[0, 2]);
    check("share >= .5", &[0, 2]);
    check("active", &[0, 2]);
    check("not active", &[1]);
    check("active = false", &[1]);
    check("\"location.lat\" > 51", &[0, 1]);
    check("location.lat > 51", &[0, 1]);
    check("true", &[0, 1, 2, 3]);
    check("false", &[]);
}

#[test]
fn compares_times() {
    check("timestamp < '2026-01-01T08:00:01Z'", &[0]);
    check("timestamp = '2026-01-01 08:00:01.5'", &[1]);
    check("timestamp >= '2026-01-01T10:00:00+01:00'", &[2]);
    check("timestamp > timestamp '2026-01-01T08:00:00'", &[1, 2]);
    check("timestamp >= '2026-01-01'", &[0, 1, 2]);
    check("timestamp in ('2026-01-01T08:00:00Z')", &[0]);
    check("local between '2026-01-01T08:00:00' and '2026-01-01T08:30:00'", &[0, 1]);
    check("date = '2026-01-01'", &[0]);
    check("date < date '1970-01-01'", &[2]);
    check("date not in ('2026-01-01', '2026-01-02')", &[2]);
}

#[test]
fn compares_columns() {
    check("year = count", &[1, 2]);
    check("year > speed", &[0, 1]);
    check("speed < \"location.lat\"", &[0, 1]);
    check("type = type", &[0, 1, 2]);
}

#[test]
fn lists_ranges_and_patterns() {
    check("type in ('Fire', 'Medical')", &[0, 1]);
    check("type not in ('Fire')", &[1, 2]);
    check("year in (2020, -3, 7.5)", &[1, 2]);
    check("year not in (7.5)", &[0, 1, 2]);
    check("speed in (0, 10.5)", &[0, 1]);
    check("active in (true)", &[0, 2]);
    check("year between 2019 and 2020", &[0, 1]);
    check("year not between 2019 and 2020", &[2]);
    check("type like 'F%'", &[0]);
    check("type like '_ire'", &[0]);
    check("type like 'fire'", &[]);
    check("type ilike 'fire'", &[0]);
    check("type not like '%e%'", &[2]);
}

#[test]
fn logic_has_three_values() {
    check("type is null", &[3]);
    check("_key is not null", &[0]);
    check("not (type = 'Fire')", &[1, 2]);
    check("type = 'Fire' or true", &[0, 1, 2, 3]);
    check("not (type = 'Fire' and false)", &[0, 1, 2, 3]);
    check("type = 'Fire' or type <> 'Fire'", &[0, 1, 2]);
    check("type is null or type = 'Fire' and year > 0", &[0, 3]);
    check("(type is null or type = 'Fire') and year > 0", &[0]);
    check("not not active", &[0, 2]);
}

#[test]
fn errors_say_where_and_what() {
    refused(
        "typ = 'Fire'",
        "at character 1: no column `typ`; did you mean `type`? the columns are type, speed",
    );
    refused("year > 1 and Type = 'x'", "at character 14: no column `Type`; did you mean `type`?");
    refused("colour = 'red'", "no column `colour`; the columns are");
    refused("year > 1\n  and typ = 'x'", "at line 2, character 7: no column `typ`");
    refused("lower(type) = 'fire'", "at character 1: no function `lower`");
    refused(
        "type = 7",
        "at character 8: column `type` (string) cannot be compared with the number 7; write it in single",
    );
    refused("year = '2020'", "column `year` (int32) cannot be compared with the text '2020'; write a number");
    refused("timestamp > 'noon'", "write a time such as '2026-01-31T08:00:00Z'");
    refused("local > '2026-01-01T08:00:00Z'", "write a time without an offset");
    refused("date = '2026-02-30'", "write a date such as");
    refused("_key = 'k'", "column `_key` (binary) cannot be compared with the text 'k'; only `is null`");
    refused("type = year", "column `type` (string) cannot be compared with column `year` (int32)");
    refused("count = 9223372036854775808", "beyond 64-bit integers");
    refused("speed = 1e999", "beyond 64-bit floats");
    refused("type = \"Fire\"", "at character 8: no column `Fire`");
    refused("type = null", "write `is null`");
    refused("type in ('a', null)", "write `is null`");
    refused("year", "column `year` (int32) is no condition");
    refused("'x'", "the text 'x' is no condition");
    refused("1 = 1", "this compares two constants");
    refused("year + 1 > 3", "at character 6: `+` is not supported; there are = <>");
    refused("year like '2%'", "`like` needs a column of text");
    refused("type like year", "expected a constant behind `like`");
    refused("year in (select 1)", "at character 17: expected `,` or `)`, found `1`");
    refused("type = ", "at character 8: expected an expression, found the end");
    refused("type = 'Fire", "at character 8: unterminated string literal");
    refused("type = 'Fire' 7", "at character 15: expected the end of the predicate, found `7`");
    refused("type = 'Fire'; drop table x", "at character 14: expected the end");
    refused("  ", "it is empty; write `true`");
}

#[test]
fn hostile_texts_are_refused_in_bounds() {
    refused(&"(".repeat(2_000), "too long");
    check(&format!("{}active{}", "not (".repeat(32), ")".repeat(32)), &[0, 2]);
    check(&format!("{}active{}", "(".repeat(32), ")".repeat(32)), &[0, 2]);
    refused(&format!("{}active{}", "(".repeat(33), ")".repeat(33)), "nested too deep");
    check(&format!("{}active", "not ".repeat(900)), &[0, 2]);
    refused(&"active or ".repeat(30_000), "too long");
    refused(&format!("active{}", " = active".repeat(499)), "expected the end of the predicate, found `=`");
    let list: Vec<_> = (0..5000).map(|year| year.to_string()).collect();
    check(&format!("year in ({})", list.join(", ")), &[0, 1]);
    check(&format!("active{}", " or active".repeat(490)), &[0, 2]);
}

/// `interval interval …` once took the whole stack, and with it the process.
#[test]
fn no_text_makes_the_parser_deep_or_slow() {
    let starts = [
        "interval",
        "not",
        "- ",
        "+",
        "~",
        "!",
        "@",
        "case",
        "case when",
        "cast(",
        "array[",
        "array<",
        "[",
        "{",
        "exists(",
        "prior",
        "(",
        "not (",
        "f(",
        "a.",
        "a = not",
        "a between",
        "a in (",
        "a in ((a",
        "values (",
        "(select",
        "with",
        "struct<",
        "position(",
        "x ->",
        "::int",
        "/*",
        "date",
        "timestamp",
        "any(",
        "a.(",
        "is",
        "like",
        "year in (-",
        "year = -",
        "'",
        "\"",
    ];
    let parse_all = move || {
        for start in starts {
            for text in
                [start.repeat(1000), format!("{start} ").repeat(1000), format!("year = {start} ").repeat(300)]
            {
                for end in ["", "1", "active", ")"] {
                    let error = Predicate::parse(&format!("{text}{end}"), &rows().schema());
                    assert!(error.is_err() || start == "not", "{start}");
                }
            }
        }
    };
    std::thread::Builder::new().stack_size(512 << 10).spawn(parse_all).unwrap().join().unwrap();
}

/// A pattern that could not be made ready was found when the first rows came, and ended the run.
#[test]
fn patterns_are_checked_before_rows_come() {
    refused(
        &format!("type like '%{}%x'", "_".repeat(20_000)),
        "the pattern of `like` is too long: 20003 bytes",
    );
    check(&format!("type ilike '%{}é%x'", "_".repeat(990)), &[]);
}

#[test]
fn integers_are_compared_exactly() {
    const ODD: i64 = 9_007_199_254_740_993;
    let numbers: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(ODD - 1), Some(ODD), Some(i64::MAX), Some(-3), None]));
    let even = ODD as f64;
    let floats = vec![Some(even), Some(even), Some(i64::MAX as f64), Some(-3.5), Some(1.0)];
    let floats: ArrayRef = Arc::new(Float64Array::from(floats));
    let rows = RecordBatch::try_from_iter_with_nullable([("n", numbers, true), ("f", floats, true)]).unwrap();
    let check = |text: &str, expect: &[usize]| {
        let matched = Predicate::parse(text, &rows.schema()).unwrap().evaluate(&rows).unwrap();
        assert_eq!(matched.values().set_indices().collect::<Vec<_>>(), expect, "{text}");
    };
    check("n = 9007199254740993.0", &[1]);
    check("n = 9007199254740993", &[1]);
    check("n = 900719925474099.3e1", &[1]);
    check("n = 90071992547409930e-1", &[1]);
    check("n < 9007199254740992.5", &[0, 3]);
    check("n >= 9007199254740992.5", &[1, 2]);
    check("n = -3.00000000000000000001", &[]);
    check("n <> -3.00000000000000000001", &[0, 1, 2, 3]);
    check("n > -3.00000000000000000001", &[0, 1, 2, 3]);
    check("n <= -2.99999999999999999999", &[3]);
    check("n in (9007199254740993.0, -3.5)", &[1]);
    check("n > 1e-400", &[0, 1, 2]);
    check("n > -0.0e99999999999999999999", &[0, 1, 2]);
    check("n = f", &[0]);
    check("n > f", &[1, 3]);
    check("f > n", &[2]);
    check("f <> n", &[1, 2, 3]);
    let beyond = Predicate::parse("n < 9223372036854775808.0", &rows.schema()).unwrap_err().to_string();
    assert!(beyond.contains("beyond 64-bit integers"), "{beyond}");
}

#[test]
fn names_the_columns_that_it_reads() {
    let predicate =
        Predicate::parse("year > speed or not (type like 'F%' or year in (1))", &rows().schema()).unwrap();
    assert_eq!(predicate.columns().collect::<Vec<_>>(), ["speed", "type", "year"]);
    let fewer = rows().project(&[0, 1, 3]).unwrap();
    assert_eq!(predicate.evaluate(&fewer).unwrap(), predicate.evaluate(&rows()).unwrap());
    let error = predicate.evaluate(&rows().project(&[0]).unwrap()).unwrap_err();
    assert!(error.to_string().contains("no column"), "{error}");
}
