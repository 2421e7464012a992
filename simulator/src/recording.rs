//! Recorded messages: one file `<topic>.jsonl` per topic, one message a line, held in memory.
//!
//! A line is kept byte for byte; only the places of its `id` and `timestamp` are noted, for `edit` and for
//! the message key. A line that is not JSON, or has no such field, is a message like any other.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// A recording is held in memory whole, so it has a limit.
const RECORDING_BYTES_MAX: u64 = 512 << 20;

/// The messages of several topics, to be sent step by step: the first of each topic, the second of each, …
#[derive(Debug)]
pub struct Recording {
    topics: Vec<RecordedTopic>,
    /// (topic, message) in the order of one pass.
    order: Vec<(usize, usize)>,
}

/// One file of a recording.
#[derive(Debug)]
pub struct RecordedTopic {
    /// The topic, from the file's name.
    pub name: String,
    /// In the order recorded; never empty.
    pub messages: Vec<RecordedMessage>,
}

/// One line, without its line feed.
#[derive(Debug)]
pub struct RecordedMessage {
    /// As recorded; need not be JSON, nor UTF-8.
    pub payload: Vec<u8>,
    /// Where in the payload the text of the event's `id` stands, between its quotes.
    pub id: Option<Range<usize>>,
    /// Likewise its `timestamp`.
    pub timestamp: Option<Range<usize>>,
}

#[derive(Deserialize)]
struct Id<'a> {
    #[serde(borrow)]
    id: &'a str,
}

#[derive(Deserialize)]
struct Timestamp<'a> {
    #[serde(borrow)]
    timestamp: &'a str,
}

impl Recording {
    /// Reads `<topic>.jsonl` of each topic in `directory`; of every topic found there, sorted, if none is named.
    pub fn read(directory: &Path, topics: &[String]) -> Result<Self> {
        let found = topics_in(directory)?;
        let names = if topics.is_empty() { &found } else { topics };
        ensure!(!names.is_empty(), "no recording in {}: expected files <topic>.jsonl", directory.display());
        let mut bytes_left = RECORDING_BYTES_MAX;
        let mut recorded = Vec::with_capacity(names.len());
        for name in names {
            if !found.contains(name) {
                bail!(
                    "no recording of topic `{name}` in {}; found: {}",
                    directory.display(),
                    found.join(", ")
                );
            }
            let topic = read_topic(directory, name, bytes_left)?;
            bytes_left -= topic.messages.iter().map(|message| message.payload.len() as u64).sum::<u64>();
            recorded.push(topic);
        }
        Ok(Self { order: step_by_step(&recorded), topics: recorded })
    }

    /// The topics, in the order their messages are sent within a step.
    pub fn topics(&self) -> &[RecordedTopic] {
        &self.topics
    }

    /// Messages in one pass over all topics; at least one.
    pub fn len(&self) -> u64 {
        self.order.len() as u64
    }

    /// The message to send as number `sequence`, counted from 0 through all passes, and its topic's index.
    pub fn message(&self, sequence: u64) -> (usize, &RecordedMessage) {
        let (topic, message) = self.order[(sequence % self.len()) as usize];
        (topic, &self.topics[topic].messages[message])
    }
}

impl RecordedMessage {
    /// Notes the places of the fields; a line feed inside the payload is the caller's mistake.
    pub fn new(payload: Vec<u8>) -> Self {
        let place = |text: &str| {
            let start = text.as_ptr() as usize - payload.as_ptr() as usize;
            start..start + text.len()
        };
        let id = serde_json::from_slice::<Id>(&payload).ok().map(|event| place(event.id));
        let timestamp =
            serde_json::from_slice::<Timestamp>(&payload).ok().map(|event| place(event.timestamp));
        Self { id, timestamp, payload }
    }
}

fn topics_in(directory: &Path) -> Result<Vec<String>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read folder {}", directory.display()))?;
    let mut topics = Vec::new();
    for entry in entries {
        let name = entry.with_context(|| format!("cannot read folder {}", directory.display()))?.file_name();
        topics.extend(name.to_str().and_then(|name| name.strip_suffix(".jsonl")).map(str::to_owned));
    }
    topics.sort();
    Ok(topics)
}

fn read_topic(directory: &Path, name: &str, bytes_max: u64) -> Result<RecordedTopic> {
    let path = directory.join(format!("{name}.jsonl"));
    let context = || format!("cannot read {}", path.display());
    let bytes = fs::metadata(&path).with_context(context)?.len();
    ensure!(
        bytes <= bytes_max,
        "{} makes the recording larger than {} MiB: replay fewer topics or shorter files",
        path.display(),
        RECORDING_BYTES_MAX >> 20
    );
    let text = fs::read(&path).with_context(context)?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    ensure!(!text.is_empty(), "{} holds no message", path.display());
    let messages =
        text.split(|&byte| byte == b'\n').map(|line| RecordedMessage::new(line.to_vec())).collect();
    Ok(RecordedTopic { name: name.to_owned(), messages })
}

fn step_by_step(topics: &[RecordedTopic]) -> Vec<(usize, usize)> {
    let steps = topics.iter().map(|topic| topic.messages.len()).max().unwrap_or(0);
    let at =
        |step| (0..topics.len()).filter(move |&t| step < topics[t].messages.len()).map(move |t| (t, step));
    (0..steps).flat_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(payload: &str, id: Option<&str>, timestamp: Option<&str>) {
        let message = RecordedMessage::new(payload.as_bytes().to_vec());
        assert_eq!(message.id.map(|place| &payload[place]), id, "id of {payload}");
        assert_eq!(message.timestamp.map(|place| &payload[place]), timestamp, "timestamp of {payload}");
    }

    #[test]
    fn fields_are_found_where_they_stand() {
        check(r#"{"id": "a1", "timestamp":"2026"}"#, Some("a1"), Some("2026"));
        check(r#"{"car": {"id": "inner"}, "id": "outer"}"#, Some("outer"), None);
        check(r#"{"note": "\"id\": \"x\"", "id": "é"}"#, Some("é"), None);
        check(r#"{"id": 7, "timestamp": "2026"}"#, None, Some("2026"));
        check(r#"{"id": "a", "id": "b"}"#, None, None);
        check(r#"{"id": "a""#, None, None);
        check("", None, None);
    }

    fn read(files: &[(&str, &str)], topics: &[&str]) -> Result<Recording> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        Recording::read(directory.path(), &topics.iter().map(|topic| topic.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn topics_take_turns_and_passes_repeat() {
        let recording =
            read(&[("b.jsonl", "b0\n"), ("a.jsonl", "a0\na1\n"), ("notes.txt", "x")], &[]).unwrap();
        let sent = (0..5)
            .map(|sequence| String::from_utf8_lossy(&recording.message(sequence).1.payload).into_owned());
        assert_eq!(sent.collect::<Vec<_>>(), ["a0", "b0", "a1", "a0", "b0"]);
    }

    #[test]
    fn a_missing_or_empty_recording_is_named() {
        let check = |files: &[(&str, &str)], topics: &[&str], expect: &str| {
            let message = read(files, topics).unwrap_err().to_string();
            assert!(message.contains(expect), "{message}");
        };
        check(&[], &[], "expected files <topic>.jsonl");
        check(&[("a.jsonl", "x\n"), ("b.jsonl", "x\n")], &["c"], "found: a, b");
        check(&[("a.jsonl", "")], &[], "a.jsonl holds no message");
        let missing = Recording::read(Path::new("/no/such/folder"), &[]).unwrap_err().to_string();
        assert!(missing.contains("/no/such/folder"), "{missing}");
    }
}
