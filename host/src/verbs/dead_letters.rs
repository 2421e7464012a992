//! `millstream dead-letters`: counts the messages that could not be processed, shows them, and has them processed
//! again. Only live files are read, one at a time, so memory does not grow with the table.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use millstream_pipeline::dead_letter::{self, Letter, Letters};
use millstream_pipeline::sink::read;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::args::{DeadLetters, LakeOrConfig, LetterFilter};
use crate::out;
use crate::units::{count, moment};

/// Groups that are told apart; letters with further reasons are counted as [`OTHER_REASONS`].
const GROUPS_MAX: usize = 10_000;
const OTHER_REASONS: &str = "other reasons";
/// Characters of a value that a list shows.
const EXAMPLE_CHARACTERS_MAX: usize = 80;
/// Bytes of a value, key or header that are shown unless all are asked for.
const SHOWN_BYTES_MAX: usize = 4096;
/// Levels of JSON that are laid out.
const LEVELS_MAX: usize = 32;

/// Runs one of the dead-letter verbs.
pub async fn dead_letters(verb: DeadLetters) -> anyhow::Result<()> {
    match verb {
        DeadLetters::List { filter, lake } => list(&filter, &lake).await,
        DeadLetters::Show { filter, limit, full, lake } => {
            let bytes_max = if full { usize::MAX } else { SHOWN_BYTES_MAX };
            show(&filter, (limit, bytes_max), &lake).await
        }
        DeadLetters::Redrive { filter, yes, lake } => super::redrive::redrive(filter, yes, &lake).await,
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

/// Shows at most `limit` letters, and at most `bytes_max` bytes of each thing that came with a message.
async fn show(
    filter: &LetterFilter,
    (limit, bytes_max): (usize, usize),
    args: &LakeOrConfig,
) -> anyhow::Result<()> {
    let mut shown = 0;
    each(filter, args, |letter| {
        if shown == limit {
            return Ok(ControlFlow::Break(()));
        }
        if args.json {
            out::line(letter_json(letter))?;
        } else {
            out::text(format_args!("{}{}", if shown > 0 { "\n" } else { "" }, describe(letter, bytes_max)))?;
        }
        shown += 1;
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if shown == 0 && limit > 0 && !args.json { out::line(none(filter)) } else { Ok(()) }
}

/// Gives every letter that passes the filter to `take`, until it has enough.
pub(super) async fn each(
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

pub(super) fn passes(filter: &LetterFilter, letter: &Letter<'_>) -> bool {
    filter.stream.as_ref().is_none_or(|stream| letter.stream == stream)
        && filter.step.as_ref().is_none_or(|step| letter.step == step)
        && filter.reason.as_ref().is_none_or(|reason| letter.reason.contains(reason))
        && filter.since.is_none_or(|since| letter.time_us().is_some_and(|time| time >= since))
}

pub(super) fn none(filter: &LetterFilter) -> &'static str {
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
            text += &format!("           {} to {}\n", moment(first), moment(last));
        }
        let value = self.value.as_deref().unwrap_or("no value");
        text + &format!("           {}: {value}\n", id(&self.topic, self.partition, self.offset))
    }

    fn json(&self, stream: &str, step: &str, reason: &str) -> Value {
        json!({
            "stream": stream,
            "step": step,
            "reason": reason,
            "letters": self.letters,
            "first": self.first_us.map(moment),
            "last": self.last_us.map(moment),
            "example": {
                "id": id(&self.topic, self.partition, self.offset),
                "topic": self.topic,
                "partition": self.partition,
                "offset": self.offset,
                "value_start": self.value,
            },
        })
    }
}

/// Names a message, and so its dead letter: TOPIC/PARTITION/OFFSET.
pub(super) fn id(topic: &str, partition: i32, offset: i64) -> String {
    format!("{topic}/{partition}/{offset}")
}

/// A letter for people, with at most `bytes_max` bytes of each thing that came with the message.
pub(super) fn describe(letter: &Letter<'_>, bytes_max: usize) -> String {
    let cut_readable = |bytes: &[u8]| cut(bytes, bytes_max).unwrap_or_else(|| readable(bytes));
    let mut text = format!("{}\n", id(letter.topic, letter.partition, letter.offset));
    let mut line = |name: &str, value: &str| text += &format!("  {name:<11}{value}\n");
    line("stream", letter.stream);
    line("step", letter.step);
    line("reason", &printable(letter.reason));
    line("cause", letter.cause);
    if let Some(plugin) = letter.plugin {
        line("plugin", plugin);
    }
    if let Some(timestamp) = letter.timestamp_us {
        line("timestamp", &moment(timestamp));
    }
    if let Some(event_time) = letter.event_time_us {
        line("event time", &moment(event_time));
    }
    line("key", &letter.key.map_or_else(|| "none".to_owned(), cut_readable));
    for (key, value) in &letter.headers {
        let value = value.as_ref().map_or_else(|| "null".to_owned(), |value| cut_readable(value));
        line("header", &format!("{} = {value}", cut_readable(key.as_bytes())));
    }
    let whole = |bytes: &[u8]| cut(bytes, bytes_max).unwrap_or_else(|| pretty(bytes));
    let value = letter.value.map_or_else(|| "none".to_owned(), whole);
    line("value", &value.replace('\n', "\n             "));
    text
}

/// A letter for scripts.
pub(super) fn letter_json(letter: &Letter<'_>) -> Value {
    let headers = letter.headers.iter().map(|(key, value)| {
        let (value, encoding) = encoded(value.as_deref());
        json!({ "key": key, "value": value, "value_encoding": encoding })
    });
    let ((key, key_encoding), (value, value_encoding)) = (encoded(letter.key), encoded(letter.value));
    json!({
        "id": id(letter.topic, letter.partition, letter.offset),
        "stream": letter.stream,
        "step": letter.step,
        "reason": letter.reason,
        "cause": letter.cause,
        "plugin": letter.plugin,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp": letter.timestamp_us.map(moment),
        "event_time": letter.event_time_us.map(moment),
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

/// The start of what is longer than `bytes_max`, with its size; none if it is not.
fn cut(bytes: &[u8], bytes_max: usize) -> Option<String> {
    (bytes.len() > bytes_max).then(|| {
        let (start, size) = (readable(start_of(bytes, bytes_max)), count(bytes.len() as u64));
        format!("{start}… {size} bytes in all, --full shows them")
    })
}

/// At most the first `bytes_max` bytes, and of text only whole characters, so that it is seen to be text.
fn start_of(bytes: &[u8], bytes_max: usize) -> &[u8] {
    let start = &bytes[..bytes.len().min(bytes_max)];
    match std::str::from_utf8(start) {
        Err(error) if start.len() < bytes.len() && error.error_len().is_none() => {
            &start[..error.valid_up_to()]
        }
        _ => start,
    }
}

/// JSON laid out, if it is not too deep for that; anything else as [`readable`].
fn pretty(bytes: &[u8]) -> String {
    let is_json = serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
    let text = std::str::from_utf8(bytes).ok().filter(|_| is_json);
    text.and_then(laid_out).unwrap_or_else(|| readable(bytes))
}

/// Valid JSON on lines of its own, every token as it came: keys in their order, numbers with all digits.
/// None if it is nested so deeply that it would be mostly margin.
fn laid_out(json: &str) -> Option<String> {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0, false, false);
    let mut letters = json.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_string {
            in_string = letter != '"' || is_escaped;
            is_escaped = letter == '\\' && !is_escaped;
            text.push(if letter.is_control() { '\u{fffd}' } else { letter });
            continue;
        }
        match letter {
            letter if letter.is_whitespace() => {}
            '{' | '[' => {
                text.push(letter);
                while letters.next_if(|next| next.is_whitespace()).is_some() {}
                if let Some(end) = letters.next_if(|next| matches!(next, '}' | ']')) {
                    text.push(end);
                } else if depth == LEVELS_MAX {
                    return None;
                } else {
                    depth += 1;
                    new_line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth -= 1;
                new_line(&mut text, depth);
                text.push(letter);
            }
            ',' => {
                text.push(',');
                new_line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            letter => {
                in_string = letter == '"';
                text.push(letter);
            }
        }
    }
    Some(text)
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

/// The start of a value, on one line.
fn start(bytes: &[u8]) -> String {
    let shown = start_of(bytes, 4 * EXAMPLE_CHARACTERS_MAX);
    let text = readable(shown);
    let start: String = text.chars().take(EXAMPLE_CHARACTERS_MAX).collect();
    let is_whole = start.len() == text.len() && shown.len() == bytes.len();
    if is_whole { start } else { start + "…" }
}

/// Text without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_as_what_they_are() {
        let check = |bytes: &[u8], expect: &str| assert_eq!(pretty(bytes), expect);
        check(b"{\"a\":[1,2]}", "{\n  \"a\": [\n    1,\n    2\n  ]\n}");
        check(b"{\"a\":1,\"a\":2}", "{\n  \"a\": 1,\n  \"a\": 2\n}");
        check(b"{\"z\": {}, \"a\":[ ],\"b\":1.50}", "{\n  \"z\": {},\n  \"a\": [],\n  \"b\": 1.50\n}");
        check(br#"["\\",",\":{"]"#, "[\n  \"\\\\\",\n  \",\\\":{\"\n]");
        check(b"{\"a\":", "{\"a\":");
        let deep = "[".repeat(40) + &"]".repeat(40);
        check(deep.as_bytes(), &deep);
        check(b"7", "7");
        check(b"\xff\x00", "0xff00");
        check(b"\x1b[2J", "\u{fffd}[2J");
        check(b"", "");
    }

    #[test]
    fn what_is_long_is_cut_and_says_how_long_it_is() {
        assert_eq!(cut(b"1234", 4), None);
        let expect = "123… 5 bytes in all, --full shows them";
        assert_eq!(cut("123\u{e9}".as_bytes(), 4).as_deref(), Some(expect));
    }

    #[test]
    fn an_example_is_the_start_of_its_value() {
        assert_eq!(start(b"short"), "short");
        assert_eq!(start("\u{e9}".repeat(500).as_bytes()), "\u{e9}".repeat(80) + "…");
        assert_eq!(start(b"a\nb"), "a\u{fffd}b");
        assert_eq!(start(&[0xff; 500]).chars().count(), 81);
    }
}
