//! `millstream tap`: rows of a running stream as they pass, until `-n`, the end of the run or ctrl-c. Rows
//! go to standard output, what is to be said about them to standard error.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use futures::{Stream, StreamExt as _};
use serde_json::Value;

use crate::client::Client;
use crate::grid::Grid;
use crate::units::count;
use crate::{args, out};

/// Columns of the output where there is no terminal.
const PLAIN_COLUMNS: usize = 100;

/// What is most worth seeing of a dead letter.
const DEAD_LETTER_COLUMNS: &str = "step,reason,_partition,_offset,_value";

/// Shows rows as they pass.
pub async fn tap(args: args::Tap) -> anyhow::Result<()> {
    let client = Client::new(&args.process)?;
    let answer = client.get("tap", &query(&args), None).await?;
    let mut lines = Lines { chunks: Box::pin(answer.bytes_stream()), rest: Vec::new() };
    let mut grid: Option<Grid> = None;
    while let Some(batch) = lines.next().await? {
        let mut rows = Vec::new();
        for line in batch {
            let value: Value =
                serde_json::from_str(&line).context("the process sent something else than rows")?;
            if let Some(columns) = value["_columns"].as_array() {
                let names = columns.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                grid = (!args.json).then(|| Grid::new(names, args.columns.is_some(), width()));
                say(&format!("tapping {} at {}; ctrl-c ends", place(&args), client.base()));
            } else if let Some(skipped) = value["_skipped"].as_u64() {
                say(&format!("… {} rows skipped", count(skipped)));
            } else if args.json {
                out::line(line)?;
            } else {
                rows.push(value);
            }
        }
        if let Some(grid) = grid.as_mut().filter(|_| !rows.is_empty()) {
            out::text(grid.rows(&rows))?;
        }
    }
    Ok(())
}

fn query(args: &args::Tap) -> Vec<(&'static str, String)> {
    let mut query = vec![("stream", args.stream.clone())];
    let rejected = args.rejected.then(|| "true".to_owned());
    let limit = args.limit.map(|limit| limit.to_string());
    let usual = (args.rejected && !args.json).then(|| DEAD_LETTER_COLUMNS.to_owned());
    let columns = args.columns.clone().or(usual);
    let optional = [
        ("before", &args.before),
        ("after", &args.after),
        ("rejected", &rejected),
        ("where", &args.condition),
        ("limit", &limit),
        ("columns", &columns),
    ];
    query.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    query
}

fn place(args: &args::Tap) -> String {
    let stream = &args.stream;
    match (&args.before, &args.after, args.rejected) {
        (Some(step), ..) => format!("{stream} before {step}"),
        (_, Some(step), _) => format!("{stream} after {step}"),
        (.., true) => format!("what {stream} rejects"),
        _ => format!("{stream} behind its last step"),
    }
}

/// Says something that is no row. A standard error that is closed is no reason to stop.
fn say(text: &str) {
    let dim = std::io::stderr().is_terminal();
    let (begin, end) = if dim { ("\x1b[2m", "\x1b[0m") } else { ("", "") };
    let _ = writeln!(std::io::stderr(), "{begin}{text}{end}");
}

fn width() -> usize {
    let size = ratatui::crossterm::terminal::size().ok().filter(|_| std::io::stdout().is_terminal());
    size.map_or(PLAIN_COLUMNS, |(width, _)| usize::from(width))
}

/// Whole lines out of chunks that are cut anywhere.
struct Lines<S> {
    chunks: S,
    rest: Vec<u8>,
}

impl<S: Stream<Item = reqwest::Result<impl AsRef<[u8]>>> + Unpin> Lines<S> {
    /// The next lines that have come, one at least; none at the end.
    async fn next(&mut self) -> anyhow::Result<Option<Vec<String>>> {
        while let Some(chunk) = self.chunks.next().await {
            self.rest.extend_from_slice(chunk.context("the process has gone")?.as_ref());
            let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else { continue };
            let lines = String::from_utf8(self.rest.drain(..=end).collect());
            let lines = lines.context("the process sent something else than text")?;
            return Ok(Some(lines.lines().map(str::to_owned).collect()));
        }
        Ok(None)
    }
}
