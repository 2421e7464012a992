//! `millstream dead-letters`: counts the messages that could not be processed, and shows them. Only live
//! files are read, one at a time, so memory does not grow with the table.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow::temporal_conversions::timestamp_us_to_datetime;
use millstream_pipeline::dead_letter::{self, Letter, Letters};
use millstream_pipeline::sink::read;
use serde_json::{Value, json};

use crate::args::{DeadLetters, LakeOrConfig, LetterFilter};
use crate::out;
use crate::summary::count;

/// Groups that are told apart; letters with further reasons are counted as [`OTHER_REASONS`].
const GROUPS_MAX: usize = 10_000;
const OTHER_REASONS: &str = "other reasons";
/// Characters of a value that a list shows.
const EXAMPLE_CHARACTERS_MAX: usize = 80;

/// Runs one of the dead-letter verbs.
pub async fn dead_letters(verb: DeadLetters) -> anyhow::Result<()> {
    match verb {
        DeadLetters::List { filter, lake } => list(&filter, &lake).await,
        DeadLetters::Show { filter, limit, lake } => show(&filter, limit, &lake).await,
    }
}

async fn list(filter: &LetterFilter, args: &LakeOrConfig) -> anyhow::Result<()> {
    let mut groups: BTreeMap<(String, String, String), Group> = BTreeMap::new();
    each(filter, args, |letter| {
        let key = |reason: &str| (letter.stream.to_owned(), letter.step.to_owned(), reason.to_owned());
        let is_known = groups.len() < GROUPS_MAX || groups.contains_key(&key(letter.reason));
        let group = groups.entry(key(if is_known { letter.reason } else { OTHER_REASONS }));
        group.or_insert_with(|| Group::new(letter)).add(letter);
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by(|a, b| (&a.0.0, b.1.letters).cmp(&(&b.0.0, a.1.letters)));
    if groups.is_empty() && !args.json {
        return out::line(none(filter));
    }
    for ((stream, step, reason), group) in groups {
        if args.json {
            out::line(group.json(&stream, &step, &reason))?;
        } else {
            out::text(group.describe(&stream, &step, &reason))?;
        }
    }
    Ok(())
}

async fn show(filter: &LetterFilter, limit: usize, args: &LakeOrConfig) -> anyhow::Result<()> {
    let mut shown = 0;
    each(filter, args, |letter| {
        if shown == limit {
            return Ok(ControlFlow::Break(()));
        }
        if args.json {
            out::line(letter_json(letter))?;
        } else {
            out::text(format_args!("{}{}", if shown > 0 { "\n" } else { "" }, describe(letter)))?;
        }
        shown += 1;
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if shown == 0 && limit > 0 && !args.json { out::line(none(filter)) } else { Ok(()) }
}

/// Gives every letter that passes the filter to `take`, until it has enough.
async fn each(
    filter: &LetterFilter,
    args: &LakeOrConfig,
    mut take: impl FnMut(&Letter<'_>) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    let (lake, log) = super::open_log(args).await?;
    let store = lake.store();
    // A lake without a single dead letter has no such table.
    for file in log.state().files().get(dead_letter::TABLE).into_iter().flat_map(BTreeMap::values) {
        for rows in read::batches(&store, file).await? {
            let rows = rows?;
            for letter in Letters::new(&rows)?.iter().filter(|letter| passes(filter, letter)) {
                if take(&letter)?.is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

fn passes(filter: &LetterFilter, letter: &Letter<'_>) -> bool {
    filter.stream.as_ref().is_none_or(|stream| letter.stream == stream)
        && filter.step.as_ref().is_none_or(|step| letter.step == step)
        && filter.reason.as_ref().is_none_or(|reason| letter.reason.contains(reason))
        && filter.since.is_none_or(|since| letter.time_us().is_some_and(|time| time >= since))
}

fn none(filter: &LetterFilter) -> &'static str {
    let LetterFilter { stream, step, reason, since } = filter;
    let is_filtered = stream.is_some() || step.is_some() || reason.is_some() || since.is_some();
    if is_filtered { "no dead letters match" } else { "no dead letters" }
}

/// Letters of one stream, step and reason.
struct Group {
    letters: u64,
    first_us: Option<i64>,
    last_us: Option<i64>,
    topic: String,
    partition: i32,
    offset: i64,
    value: Option<String>,
}

impl Group {
    /// A group without letters, with `letter` as its example.
    fn new(letter: &Letter<'_>) -> Self {
        Self {
            letters: 0,
            first_us: None,
            last_us: None,
            topic: letter.topic.to_owned(),
            partition: letter.partition,
            offset: letter.offset,
            value: letter.value.map(start),
        }
    }

    fn add(&mut self, letter: &Letter<'_>) {
        self.letters += 1;
        let time = letter.time_us();
        self.first_us = self.first_us.into_iter().chain(time).min();
        self.last_us = self.last_us.max(time);
    }

    fn describe(&self, stream: &str, step: &str, reason: &str) -> String {
        let reason = printable(reason);
        let mut text = format!("{:>9}  {stream}  {step}  {reason}\n", count(self.letters));
        if let (Some(first), Some(last)) = (self.first_us, self.last_us) {
            text += &format!("           {} to {}\n", time(first), time(last));
        }
        let value = self.value.as_deref().unwrap_or("no value");
        text + &format!("           {}/{} offset {}: {value}\n", self.topic, self.partition, self.offset)
    }

    fn json(&self, stream: &str, step: &str, reason: &str) -> Value {
        json!({
            "stream": stream,
            "step": step,
            "reason": reason,
            "letters": self.letters,
            "first": self.first_us.map(time),
            "last": self.last_us.map(time),
            "example": {
                "topic": self.topic,
                "partition": self.partition,
                "offset": self.offset,
                "value_start": self.value,
            },
        })
    }
}

fn describe(letter: &Letter<'_>) -> String {
    let mut text = format!("{}/{} offset {}\n", letter.topic, letter.partition, letter.offset);
    let mut line = |name: &str, value: &str| text += &format!("  {name:<11}{value}\n");
    line("stream", letter.stream);
    line("step", letter.step);
    line("reason", &printable(letter.reason));
    line("cause", letter.cause);
    if let Some(plugin) = letter.plugin {
        line("plugin", plugin);
    }
    if let Some(timestamp) = letter.timestamp_us {
        line("timestamp", &time(timestamp));
    }
    if let Some(event_time) = letter.event_time_us {
        line("event time", &time(event_time));
    }
    line("key", &letter.key.map_or_else(|| "none".to_owned(), readable));
    for (key, value) in &letter.headers {
        let value = value.as_ref().map_or_else(|| "null".to_owned(), |value| readable(value));
        line("header", &format!("{} = {value}", printable(key)));
    }
    let value = letter.value.map_or_else(|| "none".to_owned(), pretty);
    line("value", &value.replace('\n', "\n             "));
    text
}

fn letter_json(letter: &Letter<'_>) -> Value {
    let headers = letter.headers.iter().map(|(key, value)| {
        let (value, encoding) = encoded(value.as_deref());
        json!({ "key": key, "value": value, "value_encoding": encoding })
    });
    let ((key, key_encoding), (value, value_encoding)) = (encoded(letter.key), encoded(letter.value));
    json!({
        "stream": letter.stream,
        "step": letter.step,
        "reason": letter.reason,
        "cause": letter.cause,
        "plugin": letter.plugin,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp": letter.timestamp_us.map(time),
        "event_time": letter.event_time_us.map(time),
        "key": key,
        "key_encoding": key_encoding,
        "value": value,
        "value_encoding": value_encoding,
        "headers": headers.collect::<Vec<_>>(),
    })
}

/// Bytes for scripts, and how they are written; both null if there are none.
fn encoded(bytes: Option<&[u8]>) -> (Option<String>, Option<&'static str>) {
    match bytes.map(|bytes| std::str::from_utf8(bytes).map_err(|_| bytes)) {
        None => (None, None),
        Some(Ok(text)) => (Some(text.to_owned()), Some("utf8")),
        Some(Err(bytes)) => (Some(hex::encode(bytes)), Some("hex")),
    }
}

/// Bytes for people: text, or hexadecimal digits.
fn readable(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => printable(text),
        Err(_) => format!("0x{}", hex::encode(bytes)),
    }
}

/// JSON laid out, anything else as [`readable`]. Only what comes out of the layout as it went in is laid
/// out: a second key of one name, or a number with many digits, would be lost.
fn pretty(bytes: &[u8]) -> String {
    let parsed =
        serde_json::from_slice::<Value>(bytes).ok().filter(|json| json.is_object() || json.is_array());
    let pretty = parsed.and_then(|json| {
        let blank = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        let text = std::str::from_utf8(bytes).ok()?;
        (blank(&json.to_string()) == blank(text)).then(|| serde_json::to_string_pretty(&json).ok()).flatten()
    });
    pretty.unwrap_or_else(|| readable(bytes))
}

/// The start of a value, on one line.
fn start(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(4 * EXAMPLE_CHARACTERS_MAX)];
    // Cut where a character ends, so that text is seen to be text.
    let shown = match std::str::from_utf8(shown) {
        Err(error) if shown.len() < bytes.len() && error.error_len().is_none() => {
            &shown[..error.valid_up_to()]
        }
        _ => shown,
    };
    let text = readable(shown);
    let start: String = text.chars().take(EXAMPLE_CHARACTERS_MAX).collect();
    let is_whole = start.len() == text.len() && shown.len() == bytes.len();
    if is_whole { start } else { start + "…" }
}

/// Text without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn time(us: i64) -> String {
    let time = timestamp_us_to_datetime(us).map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    time.unwrap_or_else(|| format!("{us} us"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(pretty(bytes), expect);
        check(b"{\"a\":[1,2]}", "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
        check(b"{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":2}");
        check(b"{\"a\":", "{\"a\":");
        check(b"7", "7");
        check(b"\xff\x00", "0xff00");
        check(b"\x1b[2J", "\u{fffd}[2J");
        check(b"", "");
    }

    #[test]
    fn an_example_is_the_start_of_its_value() {
        assert_eq!(start(b"short"), "short");
        assert_eq!(start("\u{e9}".repeat(500).as_bytes()), "\u{e9}".repeat(80) + "…");
        assert_eq!(start(b"a\nb"), "a\u{fffd}b");
        assert_eq!(start(&[0xff; 500]).chars().count(), 81);
    }
}
