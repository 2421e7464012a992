//! The report of a shadow as text: how much was compared, both versions side by side, kinds of differences, and
//! examples of which only what differs is shown.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use millstream_pipeline::shadow::{Difference, ShadowReport, SideReport};
use serde_json::{Map, Value};

use crate::units;

/// Width of the names beside the two versions' figures.
const NAME_WIDTH: usize = 20;
/// Width of a figure.
const FIGURE_WIDTH: usize = 14;
/// Characters of what a version made of a message that are shown.
const MADE_CHARACTERS_MAX: usize = 300;

/// The report for people.
pub fn text(report: &ShadowReport) -> String {
    let mut text = String::new();
    write(report, &mut text).expect("a string takes any text");
    text
}

fn write(report: &ShadowReport, text: &mut String) -> fmt::Result {
    let (rows, batches) = (units::count(report.rows), units::count(report.batches));
    writeln!(text, "{rows} rows in {batches} batches compared, {} different", different(report))?;
    if report.batches_missed > 0 {
        let missed = units::count(report.batches_missed);
        writeln!(text, "batches missed while the candidate was busy: {missed}")?;
    }
    sides(report, text)?;
    columns(report, text)?;
    if !report.differences.is_empty() {
        writeln!(text, "\ndifferences, in rows")?;
    }
    let mut differences: Vec<_> = report.differences.iter().collect();
    differences.sort_by_key(|(_, rows)| std::cmp::Reverse(**rows));
    for (kind, rows) in differences {
        writeln!(text, "{:>FIGURE_WIDTH$}  {}", units::count(*rows), printable(kind))?;
    }
    for example in &report.examples {
        self::example(example, text)?;
    }
    if report.log_lines > 0 {
        let shown = report.log_last.len();
        writeln!(
            text,
            "\nlines that the candidate logged: {}, of which the last {shown} are",
            units::count(report.log_lines)
        )?;
        report.log_last.iter().try_for_each(|line| writeln!(text, "  {}", printable(line)))?;
    }
    Ok(())
}

/// Different rows and their share: `12 (0.4 %)`.
fn different(report: &ShadowReport) -> String {
    let rows = units::count(report.rows_different);
    match report.rows {
        0 => rows,
        of => format!("{rows} ({:.2} %)", report.rows_different as f64 * 100.0 / of as f64),
    }
}

/// What either version did and cost.
fn sides(report: &ShadowReport, text: &mut String) -> fmt::Result {
    writeln!(text, "\n{:<NAME_WIDTH$}{:>FIGURE_WIDTH$}{:>FIGURE_WIDTH$}", "", "live", "candidate")?;
    let mut line = |name: &str, of: &dyn Fn(&SideReport) -> String| {
        let (live, candidate) = (of(&report.live), of(&report.candidate));
        writeln!(text, "{name:<NAME_WIDTH$}{live:>FIGURE_WIDTH$}{candidate:>FIGURE_WIDTH$}")
    };
    line("passed", &|side| units::count(side.passed))?;
    line("dropped", &|side| units::count(side.dropped))?;
    line("emitted", &|side| units::count(side.emitted))?;
    let causes: BTreeSet<_> = report.live.rejected.keys().chain(report.candidate.rejected.keys()).collect();
    for cause in causes {
        let rejected =
            |side: &SideReport| units::count(side.rejected.get(cause).copied().unwrap_or_default());
        line(&format!("rejected: {cause}"), &rejected)?;
    }
    let micros = |side: &SideReport| side.micros_per_row(report.rows);
    line("µs a row", &|side| micros(side).map_or("–".to_owned(), |micros| format!("{micros:.3}")))?;
    line("bytes made", &|side| units::bytes(side.bytes))
}

fn columns(report: &ShadowReport, text: &mut String) -> fmt::Result {
    let changes = [
        ("columns added", &report.columns_added),
        ("columns left out", &report.columns_removed),
        ("columns retyped", &report.columns_retyped),
    ];
    let changes = changes.iter().filter(|(_, columns)| !columns.is_empty());
    changes.into_iter().try_for_each(|(what, columns)| writeln!(text, "{what}: {}", columns.join(", ")))
}

/// One message: of a row the columns that differ, else all that became of the message.
fn example(example: &Difference, text: &mut String) -> fmt::Result {
    let Difference { message, ordinal, kind, live, candidate } = example;
    let number = if *ordinal > 0 { format!(", row {ordinal}") } else { String::new() };
    writeln!(text, "\n{message}{number}: {}", printable(kind))?;
    match (live, candidate) {
        (Some(Value::Object(live)), Some(Value::Object(candidate))) if kind.contains("column ") => {
            changed(live, candidate, text)
        }
        _ => {
            writeln!(text, "  live       {}", made(live.as_ref()))?;
            writeln!(text, "  candidate  {}", made(candidate.as_ref()))
        }
    }
}

fn changed(live: &Map<String, Value>, candidate: &Map<String, Value>, text: &mut String) -> fmt::Result {
    let names: BTreeSet<_> = live.keys().chain(candidate.keys()).collect();
    for name in names {
        // As text, since 0.0 and -0.0 are different here.
        let (before, now) = (made(live.get(name)), made(candidate.get(name)));
        if before != now {
            writeln!(text, "  {name}: {before} → {now}")?;
        }
    }
    Ok(())
}

fn made(value: Option<&Value>) -> String {
    let Some(value) = value else { return "nothing".to_owned() };
    let text = printable(&value.to_string());
    match text.char_indices().nth(MADE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What a plugin or a message says must not steer a terminal.
fn printable(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn side(passed: u64, busy_seconds: f64) -> SideReport {
        SideReport { passed, busy_seconds, bytes: passed * 40, ..SideReport::default() }
    }

    #[test]
    fn a_report_reads_as_two_versions_side_by_side() {
        let mut candidate = side(1190, 0.0048);
        candidate.rejected.insert("trap".to_owned(), 10);
        let report = ShadowReport {
            batches: 3,
            batches_missed: 1,
            rows: 1200,
            rows_different: 12,
            differences: [("column speed".to_owned(), 2), ("only the candidate fails: trap".to_owned(), 10)]
                .into(),
            examples: vec![
                Difference {
                    message: "vehicles/0@17".to_owned(),
                    ordinal: 1,
                    kind: "column speed".to_owned(),
                    live: Some(json!({ "id": "a", "speed": 12.5 })),
                    candidate: Some(json!({ "id": "a", "speed": null })),
                },
                Difference {
                    message: "vehicles/0@18".to_owned(),
                    ordinal: 0,
                    kind: "only the candidate fails: trap".to_owned(),
                    live: Some(json!({ "passed": [{ "id": "b" }] })),
                    candidate: None,
                },
            ],
            columns_added: vec!["heading".to_owned()],
            newly_failed: 10,
            log_lines: 1,
            log_last: vec!["WARN \u{1b}[31mred".to_owned()],
            live: side(1200, 0.0012),
            candidate,
            ..ShadowReport::default()
        };
        let expect = "\
1 200 rows in 3 batches compared, 12 (1.00 %) different
batches missed while the candidate was busy: 1

                              live     candidate
passed                       1 200         1 190
dropped                          0             0
emitted                          0             0
rejected: trap                   0            10
µs a row                     1.000         4.000
bytes made                 48.0 KB       47.6 KB
columns added: heading

differences, in rows
            10  only the candidate fails: trap
             2  column speed

vehicles/0@17, row 1: column speed
  speed: 12.5 → null

vehicles/0@18: only the candidate fails: trap
  live       {\"passed\":[{\"id\":\"b\"}]}
  candidate  nothing

lines that the candidate logged: 1, of which the last 1 are
  WARN  [31mred
";
        assert_eq!(text(&report), expect);
    }

    #[test]
    fn nothing_different_is_a_short_report() {
        let report = ShadowReport::default();
        let text = text(&report);
        assert!(text.starts_with("0 rows in 0 batches compared, 0 different\n"), "{text}");
        let last: Vec<_> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["bytes", "made", "0", "B", "0", "B"], "{text}");
    }
}
