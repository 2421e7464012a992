//! The explanation of a message for people.

use std::fmt::Write as _;

use millstream_model::entry::{Body, Entry, Epoch};

use super::{Explained, Life, Row};
use crate::units::moment;

/// The explanation, a paragraph for each epoch.
pub(super) fn describe(explained: &Explained) -> String {
    let Explained { partition, offset, lives, .. } = explained;
    let mut text = format!("{partition} offset {offset}\n");
    for (epoch, life) in lives {
        describe_life(explained, *epoch, life, lives.len() > 1, &mut text);
    }
    text
}

fn describe_life(explained: &Explained, epoch: Epoch, life: &Life, is_one_of_many: bool, text: &mut String) {
    let mut line = |name: &str, value: &str| {
        let value = value.replace(|c: char| c.is_control(), "\u{fffd}");
        let _ = writeln!(text, "  {name:<10}{value}");
    };
    if is_one_of_many || epoch > 0 {
        line("epoch", &epoch.to_string());
    }
    match life.skipped() {
        Some(reason) => line("skipped", reason),
        None => line("fate", life.fate()),
    }
    match &life.accounted {
        Some(accounted) => {
            line("entry", &entry(explained, &accounted.entry));
            line("range", &accounted.range.to_string());
        }
        None => {
            let first = explained.first_kept.unwrap_or(1);
            line("entry", &format!("deleted by the log's retention: entries before {first} are gone"));
        }
    }
    for replay in &life.replays {
        line("replayed", &entry(explained, replay));
    }
    for used in life.plugins() {
        let config = used.config.short();
        let name = explained.names.get(used);
        let name = name.map_or(String::new(), |name| format!("{} {} ", name.name, name.version));
        let (stream, step, plugin) = (&used.stream, &used.step, used.plugin);
        line("plugin", &format!("{stream}/{step} {name}{plugin} (configuration {config})"));
    }
    if let (Some(counters), Some(made_by)) = (life.counters(), life.made_by()) {
        let what = if matches!(made_by.body, Body::Replay(_)) { "replay" } else { "entry" };
        let dropped: u64 = counters.dropped.values().sum();
        let dead: u64 = counters.dead.values().sum();
        let (all, out) = (counters.r#in, counters.out);
        line("counters", &format!("of the {what}: in {all} out {out} dropped {dropped} dead {dead}"));
    }
    for Row { table, file, number, ordinal, letter, named_by } in &life.rows {
        let ordinal = ordinal.map_or(String::new(), |ordinal| format!(", ordinal {ordinal}"));
        let named_by = named_by.map_or(String::new(), |entry| format!(", since entry {entry}"));
        line("row", &format!("{table}: {} row {number}{ordinal}{named_by}", file.path));
        if let Some((step, reason)) = letter {
            line("", &format!("{step}: {reason}"));
        }
    }
}

fn entry(explained: &Explained, entry: &Entry) -> String {
    let session = explained.sessions.get(&entry.session.0);
    let worker = session.map_or("an unknown worker", |session| session.worker.as_str());
    let version = session.map_or("", |session| session.version.as_str());
    let (sequence, at) = (entry.sequence, moment(entry.written_at_us));
    format!("{sequence}, {at}, by {worker} (session {}, millstream {version})", entry.session)
}
