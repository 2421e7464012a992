//! `millstream plugin list`: the steps of a process, and what is to be noticed about them.

use millstream_http::admin::model::Step;

use crate::candidate::about;
use crate::client::AdminClient;
use crate::units::count;
use crate::{args, out};

/// Prints the steps.
pub async fn list(args: &args::AdminProcess) -> anyhow::Result<()> {
    let steps = AdminClient::new(args)?.steps().await?;
    if args.json {
        return steps.iter().try_for_each(|step| out::line(serde_json::to_string(step)?));
    }
    out::text(text(&steps))
}

fn text(steps: &[Step]) -> String {
    let titles = ["step", "version", "digest", "since", "rows", "rejected", "traps", "µs/row"];
    let mut rows = vec![titles.map(str::to_owned)];
    rows.extend(steps.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..titles.len()).map(width).collect();
    let notes = std::iter::once(Vec::new()).chain(steps.iter().map(notes));
    rows.iter().zip(notes).map(|(row, notes)| line(row, &widths) + &notes.concat()).collect()
}

fn cells(step: &Step) -> [String; 8] {
    let since = step.since.as_ref().map_or(String::new(), |since| format!("#{}", since.sequence));
    [
        format!("{}/{}", step.stream, step.step),
        format!("{} {}", step.plugin, step.version),
        step.digest.short(),
        since,
        count(step.rows),
        count(step.rejected.values().sum()),
        count(step.traps),
        step.micros_per_row.map_or(String::new(), |micros| format!("{micros:.2}")),
    ]
}

/// Names to the left, numbers to the right.
fn line(row: &[String; 8], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(index, (cell, width))| match index {
        0..3 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
}

/// What is not as it should be, or waits.
fn notes(step: &Step) -> Vec<String> {
    let circuit = step.circuit.iter().map(|reason| format!("  circuit open: {reason}\n"));
    let paused = step.paused.iter().map(|pause| format!("  stream paused: {}\n", pause.reason));
    let candidate = step.candidate.iter().map(|candidate| format!("  {}\n", about(candidate)));
    circuit.chain(paused).chain(candidate).collect()
}
