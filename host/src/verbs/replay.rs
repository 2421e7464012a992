//! `millstream replay`: says what processing messages again would change, and on demand does it. Dead letters
//! that are redriven pass through here, too.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_model::entry::{Replace, Replay};
use millstream_model::{OffsetRange, SystemClock};
use millstream_pipeline::config::Config;
use millstream_pipeline::replay::{
    Origin, PartitionSurvey, Progress, ReplayError, Replayed, Replayer, Request, Survey, TableSurvey, Wanted,
    Watch,
};
use serde_json::{Value, json};

use crate::units::{bytes, count};
use crate::{args, out};

/// Time between two words about how far it is.
const WORD_INTERVAL: Duration = Duration::from_secs(5);

/// Replays ranges of a stream.
pub async fn replay(args: args::Replay) -> anyhow::Result<()> {
    let config = super::with_lake(super::read_config(&args.lake.config)?, args.lake.lake.as_deref());
    let wanted = match args.offsets.is_empty() {
        true => Wanted::Times { from_us: args.from, to_us: args.to, partition: args.partition },
        false => Wanted::Offsets(args.offsets),
    };
    let origin = args.source.map(|source| match source {
        args::Origin::Kafka => Origin::Source,
        args::Origin::Raw => Origin::Raw,
    });
    let request = Request { stream: args.stream, wanted, origin };
    process_again(&config, request, args.yes, args.lake.json).await
}

/// Says what `request` would change; with `yes`, does it and says what it did.
pub async fn process_again(
    config: &Config,
    request: Request,
    yes: bool,
    as_json: bool,
) -> anyhow::Result<()> {
    let engine = super::engine(config)?;
    let replayer = Replayer::open(config, &engine, Arc::new(SystemClock), request, watch()).await;
    let mut replayer = replayer.map_err(plain)?;
    let survey = replayer.survey().await.map_err(plain)?;
    if !as_json {
        out::text(describe(&survey))?;
    }
    if !yes || survey.is_empty() {
        let hint = if survey.is_empty() { "nothing to do" } else { "nothing was changed; --yes does it" };
        return if as_json { out::line(to_json(&survey, None)) } else { out::line(hint) };
    }
    let replayed = replayer.run().await.map_err(plain)?;
    match (as_json, &replayed) {
        (true, replayed) => out::line(to_json(&survey, replayed.as_ref())),
        (false, Some(replayed)) => out::text(describe_done(replayed)),
        (false, None) => out::line("nothing to do any more: somebody else did it"),
    }
}

/// What a run could meet, too, keeps its exit code.
fn plain(error: ReplayError) -> anyhow::Error {
    match error {
        ReplayError::Run(error) => error.into(),
        error => error.into(),
    }
}

/// Says at once and then now and again how far it is.
fn watch() -> Watch {
    let said: Mutex<Option<Instant>> = Mutex::new(None);
    Arc::new(move |progress| {
        let Ok(mut said) = said.lock() else { return };
        match progress {
            Progress::Processed { messages, of } => {
                if said.is_none_or(|at| at.elapsed() > WORD_INTERVAL) {
                    *said = Some(Instant::now());
                    tracing::info!(messages, of, "processing again");
                }
            }
            Progress::Rewritten { table, files } => tracing::debug!(table, files, "files written again"),
            Progress::Made => tracing::debug!("the replay is made; next comes its entry"),
        }
    })
}

fn describe(survey: &Survey) -> String {
    let mut text = format!("stream {}", survey.stream);
    for used in &survey.plugins {
        let _ = write!(text, ", {} {}", used.step, used.plugin.short());
    }
    text.push_str(" (what the log desires)\n");
    for PartitionSurvey { partition, range, messages, from_lake } in &survey.partitions {
        let (messages, place) = (count(*messages), place(*range, *from_lake));
        let _ = writeln!(text, "  {partition} offsets {range}: {messages} messages, {place}");
    }
    for (reason, letters) in &survey.letters {
        let reason = reason.replace(|c: char| c.is_control(), "\u{fffd}");
        let _ = writeln!(text, "  {:>9}  {reason}", count(*letters));
    }
    if survey.outlived > 0 {
        let outlived = count(survey.outlived);
        let _ = writeln!(text, "  {outlived} letters are of an earlier life of the topic and are left alone");
    }
    if !survey.tables.is_empty() {
        let _ = writeln!(
            text,
            "{:<36}{:>8}{:>12}{:>16}{:>12}",
            "table", "files", "size", "rows replaced", "rows kept"
        );
    }
    for TableSurvey { table, rows_replaced, rows_kept, files } in &survey.tables {
        let size = bytes(files.iter().map(|file| file.bytes).sum());
        let (files, replaced, kept) = (files.len(), count(*rows_replaced), count(*rows_kept));
        let _ = writeln!(text, "{table:<36}{files:>8}{size:>12}{replaced:>16}{kept:>12}");
    }
    text
}

/// Where the messages of a range come from.
fn place(range: OffsetRange, from_lake: OffsetRange) -> String {
    match from_lake {
        lake if lake == range => "from the lake".to_owned(),
        lake if lake.is_empty() => "from the source".to_owned(),
        lake => format!("up to {} from the lake, then from the source", lake.end),
    }
}

fn describe_done(replayed: &Replayed) -> String {
    let Replayed { sequence, replay } = replayed;
    let mut text = format!("\nentry {sequence}: {}\n", super::log::fates(&replay.stream, &replay.counters));
    for Replace { table, removed, .. } in &replay.tables {
        let new = replay.counters.rows.get(table).copied().unwrap_or(0);
        let _ = writeln!(text, "  {table}: {} new rows, {} files replaced", count(new), removed.len());
    }
    text
}

fn to_json(survey: &Survey, replayed: Option<&Replayed>) -> Value {
    let partition = |survey: &PartitionSurvey| {
        json!({
            "topic": &*survey.partition.topic,
            "partition": survey.partition.partition,
            "range": survey.range,
            "messages": survey.messages,
            "from_lake": survey.from_lake,
        })
    };
    let table = |survey: &TableSurvey| {
        json!({
            "table": survey.table,
            "files": survey.files.len(),
            "bytes": survey.files.iter().map(|file| file.bytes).sum::<u64>(),
            "rows_replaced": survey.rows_replaced,
            "rows_kept": survey.rows_kept,
        })
    };
    let done = replayed.map(|Replayed { sequence, replay: Replay { counters, .. } }| {
        json!({ "entry": sequence, "counters": counters })
    });
    json!({
        "stream": survey.stream,
        "plugins": survey.plugins,
        "messages": survey.messages(),
        "partitions": survey.partitions.iter().map(partition).collect::<Vec<_>>(),
        "letters": survey.letters,
        "letters_of_earlier_epochs": survey.outlived,
        "tables": survey.tables.iter().map(table).collect::<Vec<_>>(),
        "done": done,
    })
}
