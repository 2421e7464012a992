//! A record that was run again, for people: what it was, what each step saw and did, and how it ends now.

use std::fmt::Write as _;

use millstream_pipeline::dead_letter::WATERMARK;
use millstream_testkit::Row;

use super::find::Record;
use super::plan::Runs;
use super::run::{Outcome, Ran, StepRan};
use crate::units::{bytes, count};

/// All of it.
pub(super) fn text(record: &Record, ran: &Ran) -> String {
    let mut text = format!("dead letter {}", record.text);
    if let Some(decoded) = &ran.decoded {
        text += "\ndecoded, by the schema of today\n";
        text += &columns(decoded);
    }
    for step in &ran.steps {
        text += &of_step(record, ran.runs, step);
    }
    text += &format!("\n{}\n", outcome(record, &ran.outcome));
    if let Some(other) = ran.in_folder.filter(|_| ran.runs == Runs::Then) {
        text += &format!(
            "the plugin folder has another version of it ({}): --current runs that one\n",
            other.short()
        );
    }
    text
}

fn of_step(record: &Record, runs: Runs, ran: &StepRan) -> String {
    let mut text = format!("\nstep {}: {} {} ({})\n", ran.step, ran.plugin, ran.version, ran.digest.short());
    if let Some(then) = record.plugin.filter(|_| ran.step == record.step) {
        line(&mut text, "version", version(runs, then == ran.digest));
    }
    line(&mut text, "config", &ran.config.to_string());
    rows(&mut text, "saw", &ran.saw);
    for logged in &ran.log {
        line(&mut text, "log", &format!("{} {}", logged.level, logged.message));
    }
    for (name, value) in &ran.metrics {
        line(&mut text, "metric", &format!("{name} = {value}"));
    }
    rows(&mut text, "passed on", &ran.wrote);
    for (output, emitted) in &ran.emitted {
        rows(&mut text, &format!("to {output}"), emitted);
    }
    let (calls, memory) = (count(ran.host_calls), bytes(ran.memory_bytes as u64));
    line(
        &mut text,
        "cost",
        &format!("{:.0} µs of CPU, {calls} calls to the host, {memory} of memory", ran.cpu_us),
    );
    for (number, call) in ran.stack.iter().enumerate() {
        line(&mut text, if number == 0 { "failed in" } else { "called by" }, call);
    }
    text
}

fn version(runs: Runs, is_the_same: bool) -> &'static str {
    match (is_the_same, runs) {
        (true, _) => "the version that made the dead letter",
        (false, Runs::Current) => "another version than made the dead letter: the one in the plugin folder",
        (false, _) => "another version than made the dead letter",
    }
}

fn rows(text: &mut String, name: &str, rows: &[Row]) {
    for row in rows {
        let columns = row.0.iter().map(|(column, value)| format!("{column} = {value}"));
        let columns: Vec<_> = columns.collect();
        let nothing = "no columns".to_owned();
        line(text, name, &if columns.is_empty() { nothing } else { columns.join("\n") });
    }
}

/// A line, or several under each other.
fn line(text: &mut String, name: &str, value: &str) {
    let value = value.replace('\n', "\n             ");
    writeln!(text, "  {name:<10} {value}").expect("a string takes any text");
}

fn columns(row: &Row) -> String {
    let width = row.0.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    row.0.iter().map(|(name, value)| format!("  {name:<width$}  {value}\n")).collect()
}

fn outcome(record: &Record, outcome: &Outcome) -> String {
    let again = "`millstream dead-letters redrive` processes it again";
    match outcome {
        Outcome::Passes { .. } if record.step == WATERMARK => {
            format!("now: it passes; it was late, not wrong: {again}, and nothing is late then")
        }
        Outcome::Passes { rows: 1 } => format!("now: it passes; {again}"),
        Outcome::Passes { rows } => format!("now: it passes, as {rows} rows; {again}"),
        Outcome::Dropped { step } => format!("now: step {step} drops it, which is no failure"),
        Outcome::Undecodable { reason } => format!(
            "now: it does not fit the schema of stream {}: {reason}\ncorrect the producer, or the schema: \
             `millstream schema check` compares it with what the topic holds",
            record.stream
        ),
        Outcome::Rejected { step, reason } => format!("now: step {step} rejects it: {reason}"),
        Outcome::Fails { step, cause, reason } => format!(
            "now: step {step} fails with it ({cause}): {reason}\nchange the plugin, build it, and try that: \
             --wasm FILE runs it instead"
        ),
    }
}
