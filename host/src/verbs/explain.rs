//! `millstream explain-row`: what became of one message. Its entry is searched for among those that are still
//! there, its rows in the live files, and what the log says of both is put side by side. Nothing is written.

mod search;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::bail;
use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use millstream_model::entry::{DataFile, Entry, Epoch, PluginName, PluginUse, Sequence};
use millstream_model::{Offset, TopicPartition, columns};
use millstream_pipeline::checkpoint::{CheckpointLog, LogState};
use millstream_pipeline::config::Config;
use millstream_pipeline::dead_letter;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::sink::read;
use serde_json::{Value, json};

use crate::args::ExplainRow;
use crate::{out, units};
use search::{Accounted, Search};

/// Rows of a file that are looked at at a time.
const BATCH_ROWS: usize = 8192;

/// Explains a message; an error (exit code 1) if there is none.
pub async fn explain(args: ExplainRow) -> anyhow::Result<()> {
    let topic = topic(&args)?;
    let (lake, log) = super::open_log(&args.lake).await?;
    let partition = TopicPartition::new(topic, args.partition);
    check(log.state(), &partition, args.offset)?;
    let explained = Explained::find(&lake, &log, partition, args.offset).await?;
    if let Some(gap) = explained.gap() {
        bail!(gap);
    }
    if args.lake.json { out::line(explained.to_json()) } else { out::text(text::describe(&explained)) }
}

/// The topic that is named, or that the configuration names for the stream.
fn topic(args: &ExplainRow) -> anyhow::Result<Arc<str>> {
    if let Some(topic) = &args.topic {
        return Ok(topic.as_str().into());
    }
    let name = args.stream.as_deref().unwrap_or_default();
    let config = Config::read_without_steps(&args.lake.config.config, std::env::vars())?;
    match config.streams.iter().find(|stream| stream.name == name) {
        Some(stream) => Ok(stream.topic.as_str().into()),
        None => {
            let known: Vec<_> = config.streams.iter().map(|stream| stream.name.as_str()).collect();
            bail!("no stream `{name}` in the configuration; it has: {}", known.join(", "))
        }
    }
}

/// An error unless the log knows the partition, or has known it in another epoch of the topic.
fn check(state: &LogState, partition: &TopicPartition, offset: Offset) -> anyhow::Result<()> {
    let topic = &*partition.topic;
    if state.epoch(topic) > 0 {
        return Ok(());
    }
    let positions = state.positions();
    if !positions.keys().any(|known| *known.topic == *topic) {
        let mut known: Vec<_> = positions.keys().map(|partition| &*partition.topic).collect();
        known.dedup();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        bail!("the log knows no topic `{topic}`; it has: {known}");
    }
    match positions.get(partition) {
        None => {
            let known = positions.keys().filter(|known| *known.topic == *topic);
            let known: Vec<_> = known.map(|known| known.partition.to_string()).collect();
            bail!(
                "nothing of {partition} is accepted; of {topic} the log has partitions {}",
                known.join(", ")
            )
        }
        Some(_) if offset < 0 => bail!("there is no offset {offset}: offsets begin at 0"),
        Some(_) => Ok(()),
    }
}

/// All that is known of a message, or of several that had the same offset in different epochs of the topic.
struct Explained {
    partition: TopicPartition,
    offset: Offset,
    lives: BTreeMap<Epoch, Life>,
    /// Where the log goes on.
    end: Offset,
    /// First entry that is still there.
    first_kept: Option<Sequence>,
    sessions: BTreeMap<String, Session>,
    /// What the plugins that took part call themselves, where the log says it.
    names: BTreeMap<PluginUse, PluginName>,
}

/// What is known of a session that had a hand in it.
struct Session {
    worker: String,
    version: String,
}

/// A message in one epoch of its topic.
#[derive(Default)]
struct Life {
    /// The entry that accounts for it, if that is still there.
    accounted: Option<Accounted>,
    /// Entries that replayed it, the last one first.
    replays: Vec<Entry>,
    rows: Vec<Row>,
}

/// A row of the message.
struct Row {
    table: String,
    file: DataFile,
    /// Number of the row in its file, from 0.
    number: u64,
    ordinal: Option<i32>,
    /// Step and reason, if it is a dead letter.
    letter: Option<(String, String)>,
    /// Entry that named the file, if it was found.
    named_by: Option<Sequence>,
}

impl Explained {
    async fn find(
        lake: &Lake,
        log: &CheckpointLog,
        partition: TopicPartition,
        offset: Offset,
    ) -> anyhow::Result<Self> {
        let state = log.state();
        let mut lives: BTreeMap<Epoch, Life> = BTreeMap::new();
        lives.entry(state.epoch(&partition.topic)).or_default();
        for (table, files) in state.files() {
            for file in files.values().filter(|file| may_hold(file, &partition, offset)) {
                let rows = rows(lake, table, file, &partition, offset).await?;
                lives.entry(file.epoch).or_default().rows.extend(rows);
            }
        }
        let mut search = Search::new(log).await?;
        for (epoch, accounted) in search.accounted(&partition, offset).await? {
            lives.entry(epoch).or_default().accounted = Some(accounted);
        }
        let current = state.epoch(&partition.topic);
        for (epoch, life) in &mut lives {
            if *epoch == current {
                life.replays = search.replays(&partition, offset).await?;
            }
            for row in &mut life.rows {
                row.named_by = search.names(&row.file, life.accounted.as_ref(), &life.replays).await?;
            }
        }
        let sessions = state.sessions().iter().map(|(id, session)| {
            (id.0.clone(), Session { worker: session.worker.clone(), version: session.version.clone() })
        });
        let first_kept = search.first_kept();
        lives.retain(|_, life| !(life.rows.is_empty() && life.accounted.is_none()));
        let end = state.position(&partition).offset;
        let used = lives.values().flat_map(Life::plugins);
        let names = used.filter_map(|used| Some((used.clone(), name(state, used)?.clone())));
        let (sessions, names) = (sessions.collect(), names.collect());
        Ok(Self { partition, offset, lives, end, first_kept, sessions, names })
    }

    /// Why there is no message, if there is none.
    fn gap(&self) -> Option<String> {
        let Self { partition, offset, lives, end, first_kept, .. } = self;
        if lives.values().any(|life| !life.rows.is_empty() || life.skipped().is_some()) {
            return None;
        }
        if offset >= end {
            return Some(format!(
                "offset {offset} of {partition} is not accepted yet: the log goes on at offset {end}"
            ));
        }
        let Some(accounted) = lives.values().find_map(|life| life.accounted.as_ref()) else {
            let first = first_kept.unwrap_or(1);
            return Some(format!(
                "offset {offset} of {partition} has no row, and its entry is gone: those before {first} were \
                 deleted by the log's retention"
            ));
        };
        Some(format!(
            "there is no message at offset {offset} of {partition}: entry {} accounts for {}, and the topic had \
             nothing there (a transaction marker, an aborted or a compacted message)",
            accounted.entry.sequence, accounted.range
        ))
    }

    fn to_json(&self) -> Value {
        let lives = self.lives.iter().map(|(epoch, life)| self.life_json(*epoch, life));
        json!({
            "topic": &*self.partition.topic,
            "partition": self.partition.partition,
            "offset": self.offset,
            "lives": lives.collect::<Vec<_>>(),
        })
    }

    fn life_json(&self, epoch: Epoch, life: &Life) -> Value {
        let row = |row: &Row| {
            json!({
                "table": row.table,
                "file": row.file.path,
                "row": row.number,
                "ordinal": row.ordinal,
                "entry": row.named_by,
                "step": row.letter.as_ref().map(|(step, _)| step),
                "reason": row.letter.as_ref().map(|(_, reason)| reason),
            })
        };
        json!({
            "epoch": epoch,
            "fate": life.fate(),
            "skipped": life.skipped(),
            "entry": life.accounted.as_ref().map(|accounted| self.entry_json(&accounted.entry)),
            "range": life.accounted.as_ref().map(|accounted| accounted.range),
            "made_by": life.made_by().map(|entry| entry.sequence),
            "plugins": life.plugins().into_iter().map(|used| self.plugin_json(used)).collect::<Vec<_>>(),
            "counters": life.counters(),
            "replays": life.replays.iter().map(|entry| self.entry_json(entry)).collect::<Vec<_>>(),
            "rows": life.rows.iter().map(row).collect::<Vec<_>>(),
        })
    }

    fn plugin_json(&self, used: &PluginUse) -> Value {
        let name = self.names.get(used);
        json!({
            "stream": used.stream,
            "step": used.step,
            "plugin": used.plugin,
            "config": used.config,
            "name": name.map(|name| &name.name),
            "version": name.map(|name| &name.version),
        })
    }

    fn entry_json(&self, entry: &Entry) -> Value {
        let session = self.sessions.get(&entry.session.0);
        json!({
            "sequence": entry.sequence,
            "written_at": units::moment(entry.written_at_us),
            "session": entry.session,
            "worker": session.map(|session| &session.worker),
            "millstream": session.map(|session| &session.version),
        })
    }
}

/// What a plugin called itself when the log was last told, of the versions that the log keeps.
fn name<'a>(state: &'a LogState, used: &PluginUse) -> Option<&'a PluginName> {
    let mut versions = state.versions(&used.stream, &used.step).iter().rev();
    versions.find(|version| version.is(used))?.name.as_ref()
}

/// False if no row of `file` is of the message, as far as the log knows.
fn may_hold(file: &DataFile, partition: &TopicPartition, offset: Offset) -> bool {
    file.offsets.is_empty() || file.offsets.get(partition).is_some_and(|range| range.contains(offset))
}

/// The rows of a file that are of the message.
async fn rows(
    lake: &Lake,
    table: &str,
    file: &DataFile,
    partition: &TopicPartition,
    offset: Offset,
) -> anyhow::Result<Vec<Row>> {
    let mut names = vec![columns::TOPIC, columns::PARTITION, columns::OFFSET, columns::ORDINAL];
    if table == dead_letter::TABLE {
        names.extend(["step", "reason"]);
    }
    let mut found = Vec::new();
    let mut before = 0;
    for batch in read::columns(&lake.store(), file, &names, BATCH_ROWS).await? {
        let batch = batch?;
        for row in (0..batch.num_rows()).filter(|row| is_of(&batch, *row, partition, offset)) {
            let text =
                |name| batch.column_by_name(name)?.as_string_opt::<i32>().map(|texts| texts.value(row));
            let ordinal = batch.column_by_name(columns::ORDINAL);
            found.push(Row {
                table: table.to_owned(),
                file: file.clone(),
                number: before + row as u64,
                ordinal: ordinal
                    .and_then(|ordinals| Some(ordinals.as_primitive_opt::<Int32Type>()?.value(row))),
                letter: text("step").zip(text("reason")).map(|(step, reason)| (step.into(), reason.into())),
                named_by: None,
            });
        }
        before += batch.num_rows() as u64;
    }
    Ok(found)
}

fn is_of(batch: &RecordBatch, row: usize, partition: &TopicPartition, offset: Offset) -> bool {
    let column = |name| batch.column_by_name(name).filter(|column| column.is_valid(row));
    let topic = column(columns::TOPIC).and_then(|topics| Some(topics.as_string_opt::<i32>()?.value(row)));
    let number = column(columns::PARTITION)
        .and_then(|column| Some(column.as_primitive_opt::<Int32Type>()?.value(row)));
    let position =
        column(columns::OFFSET).and_then(|column| Some(column.as_primitive_opt::<Int64Type>()?.value(row)));
    (topic, number, position) == (Some(&*partition.topic), Some(partition.partition), Some(offset))
}
