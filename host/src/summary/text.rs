//! The summary as text, at most 100 columns wide: a line for each stream, under it why messages were
//! dropped or died and what its steps cost, then the tables.

use std::fmt::{self, Display, Formatter};

use millstream_model::entry::Counters;
use millstream_pipeline::telemetry::{Quantiles, StepStatus};

use super::{Summary, drift};
use crate::units::{bytes, count, count_within, millis};

/// Widest line.
const WIDTH: usize = 100;
/// Reasons of dead letters that are named by stream.
const REASONS_SHOWN: usize = 5;

impl Display for Summary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lag = self.lag.map_or("unknown".to_owned(), count);
        writeln!(
            f,
            "\nran {:.1} s · {} messages · {} records/s · lag {lag} · checkpoint {}\n",
            self.elapsed.as_secs_f64(),
            count(self.messages()),
            count(self.rate(self.messages()) as u64),
            count(self.checkpoint),
        )?;
        let titles = ["in", "out", "dropped", "dead", "records/s", "p50", "p99", "lag"];
        line(f, "stream", titles.map(str::to_owned))?;
        for (stream, counters) in self.streams() {
            self.stream(f, stream, &counters)?;
        }
        for (topic, positions) in &self.work.skipped {
            detail(f, &count(*positions), &format!("skipped: offsets of {topic}, see millstream log show"))?;
        }
        self.write_tables(f)
    }
}

impl Summary {
    fn stream(&self, f: &mut Formatter<'_>, stream: &str, counters: &Counters) -> fmt::Result {
        let status = self.status_of(stream);
        let latency = |of: fn(&Quantiles) -> u64| {
            let latency = status.map(|status| status.latency).filter(|latency| latency.count > 0);
            latency.map_or("–".to_owned(), |latency| millis(of(&latency)))
        };
        let lag = status.and_then(|status| status.lag);
        let cells = [
            count(counters.r#in),
            count(counters.out),
            count(counters.dropped.values().sum()),
            count(counters.dead.values().sum()),
            count(self.rate(counters.r#in) as u64),
            latency(|of| of.p50_ms),
            latency(|of| of.p99_ms),
            lag.map_or("?".to_owned(), |lag| count_within(lag, 7)),
        ];
        line(f, stream, cells)?;
        let dropped =
            counters.dropped.iter().map(|(step, messages)| (*messages, format!("dropped by {step}")));
        dropped.into_iter().try_for_each(|(messages, why)| detail(f, &count(messages), &why))?;
        reasons(f, counters)?;
        if counters.late > 0 {
            detail(f, &count(counters.late), "late: event time before the watermark")?;
        }
        if counters.ahead > 0 {
            let text = "ahead: event time too far ahead of the timestamp to move the watermark";
            detail(f, &count(counters.ahead), text)?;
        }
        if !counters.drift.is_empty() {
            detail(f, "drift", &format!("fields that no column reads: {}", drift(counters)))?;
        }
        status.iter().flat_map(|status| &status.steps).try_for_each(|step| self::step(f, step))
    }

    fn write_tables(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tables = &self.work.tables;
        if tables.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:<36}{:>14}{:>9}{:>13}{:>12}", "table", "rows added", "files", "size", "bytes/row")?;
        for (table, size) in tables {
            let per_row = size.bytes as f64 / size.rows.max(1) as f64;
            let (rows, files, bytes) = (count(size.rows), count(size.files), bytes(size.bytes));
            writeln!(f, "{table:<36}{rows:>14}{files:>9}{bytes:>13}{per_row:>12.1}")?;
        }
        Ok(())
    }
}

/// The main reasons of dead letters.
fn reasons(f: &mut Formatter<'_>, counters: &Counters) -> fmt::Result {
    let mut reasons: Vec<_> = counters.dead.iter().collect();
    reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    for (reason, letters) in reasons.iter().take(REASONS_SHOWN) {
        detail(f, &count(**letters), &format!("dead: {reason}"))?;
    }
    let others = reasons.iter().skip(REASONS_SHOWN).map(|(_, letters)| **letters).sum::<u64>();
    if others > 0 {
        let kinds = reasons.len() - REASONS_SHOWN;
        detail(f, &count(others), &format!("dead, for {kinds} more reasons"))?;
    }
    Ok(())
}

fn step(f: &mut Formatter<'_>, step: &StepStatus) -> fmt::Result {
    let cost = step.micros_per_row().map_or("no rows".to_owned(), |micros| format!("{micros:.2} µs/row"));
    let open = step.circuit.as_ref().map_or(String::new(), |why| format!(", circuit open: {why}"));
    detail(f, "step", &format!("{}: {cost}, {} {}{open}", step.name, step.plugin, step.digest))
}

/// A line of the table of streams; no cell is cut, a wide one moves the others.
fn line(f: &mut Formatter<'_>, name: &str, cells: [String; 8]) -> fmt::Result {
    let mut line = format!("{name:<18}");
    for (cell, width) in cells.iter().zip([12, 12, 10, 10, 11, 9, 9, 9]) {
        line += &format!("{cell:>width$}");
    }
    writeln!(f, "{line}")
}

/// A line under a stream; cut at the width of the page.
fn detail(f: &mut Formatter<'_>, figure: &str, text: &str) -> fmt::Result {
    let line = format!("  {figure:>10}  {}", text.replace(|c: char| c.is_control(), " "));
    if line.chars().count() <= WIDTH {
        return writeln!(f, "{line}");
    }
    writeln!(f, "{}…", line.chars().take(WIDTH - 1).collect::<String>())
}
