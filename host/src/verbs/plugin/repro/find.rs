//! Finds the dead letter of a message in the lake. An id names a message, and several steps may have one of it.

use std::ops::ControlFlow;
use std::str::FromStr;

use millstream_model::{Digest, Header, MessageBatch, MessageRef, Offset, TopicPartition};
use millstream_pipeline::dead_letter::Letter;
use serde_json::Value;

use crate::args::{LakeOrConfig, LetterFilter};
use crate::exit::Usage;
use crate::verbs::dead_letters;

/// A dead letter, with its message.
pub(super) struct Record {
    pub(super) stream: String,
    pub(super) step: String,
    pub(super) reason: String,
    /// The plugin that made it a dead letter.
    pub(super) plugin: Option<Digest>,
    pub(super) partition: i32,
    pub(super) offset: Offset,
    /// The letter for people, and for scripts.
    pub(super) text: String,
    pub(super) json: Value,
    /// The message as it came.
    pub(super) message: MessageBatch,
}

/// A message's name: TOPIC/PARTITION/OFFSET.
struct Id {
    topic: String,
    partition: i32,
    offset: i64,
}

impl FromStr for Id {
    type Err = Usage;

    fn from_str(text: &str) -> Result<Self, Usage> {
        let mut parts = text.rsplitn(3, '/');
        let (offset, partition, topic) = (parts.next(), parts.next(), parts.next());
        let number = |part: Option<&str>| part.and_then(|part| part.parse().ok());
        let partition = number(partition).and_then(|number: i64| i32::try_from(number).ok());
        match (topic.filter(|topic| !topic.is_empty()), partition, number(offset)) {
            (Some(topic), Some(partition), Some(offset)) => {
                Ok(Self { topic: topic.to_owned(), partition, offset })
            }
            _ => Err(Usage(format!(
                "`{text}` names no message; expected TOPIC/PARTITION/OFFSET, as `millstream dead-letters show` prints it"
            ))),
        }
    }
}

/// The dead letter of the message `id`, of the step `step` if several have one.
pub(super) async fn find(id: &str, step: Option<&str>, lake: &LakeOrConfig) -> anyhow::Result<Record> {
    let wanted: Id = id.parse()?;
    let (stream, name) = match step.map(|step| step.split_once('/').ok_or(step)) {
        Some(Ok((stream, step))) => (Some(stream.to_owned()), Some(step.to_owned())),
        Some(Err(step)) => (None, Some(step.to_owned())),
        None => (None, None),
    };
    let filter = LetterFilter { stream, step: name, reason: None, since: None };
    let mut found: Vec<Record> = Vec::new();
    dead_letters::each(&filter, lake, |letter| {
        let is_wanted = letter.offset == wanted.offset
            && letter.partition == wanted.partition
            && letter.topic == wanted.topic;
        // Where a message became several rows, each may have a letter; they have the same bytes.
        let is_known =
            || found.iter().any(|known| known.stream == letter.stream && known.step == letter.step);
        if is_wanted && !is_known() {
            found.push(record(letter)?);
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(none(id, step).into()),
        _ => Err(several(id, &found).into()),
    }
}

fn none(id: &str, step: Option<&str>) -> Usage {
    let of_step = step.map_or(String::new(), |step| format!(" of step {step}"));
    Usage(format!(
        "there is no dead letter {id}{of_step}; `millstream dead-letters show` prints those there are, and \
         `millstream explain-row` says what became of a message"
    ))
}

fn several(id: &str, found: &[Record]) -> Usage {
    let of = |record: &Record| format!("{}/{}: {}", record.stream, record.step, record.reason);
    let all: Vec<_> = found.iter().map(of).collect();
    Usage(format!("several steps have a dead letter {id}; say which by --step:\n  {}", all.join("\n  ")))
}

fn record(letter: &Letter<'_>) -> anyhow::Result<Record> {
    let partition = TopicPartition::new(letter.topic, letter.partition);
    let mut message = MessageBatch::new(partition, letter.offset);
    let headers = letter.headers.iter().cloned().map(|(key, value)| Header { key, value });
    message.push(MessageRef {
        offset: letter.offset,
        timestamp_us: letter.timestamp_us,
        key: letter.key,
        value: letter.value,
        headers: &headers.collect::<Vec<_>>(),
    })?;
    Ok(Record {
        stream: letter.stream.to_owned(),
        step: letter.step.to_owned(),
        reason: letter.reason.to_owned(),
        plugin: letter.plugin.and_then(|digest| digest.parse().ok()),
        partition: letter.partition,
        offset: letter.offset,
        text: dead_letters::describe(letter, usize::MAX),
        json: dead_letters::letter_json(letter),
        message,
    })
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn an_id_is_read_from_its_end() {
        let check = |text: &str, expect: Option<(&str, i32, i64)>| {
            let id: Option<Id> = text.parse().ok();
            assert_eq!(id.as_ref().map(|id| (id.topic.as_str(), id.partition, id.offset)), expect, "{text}");
        };
        check("vehicle_data/0/17", Some(("vehicle_data", 0, 17)));
        check("a/b/1/2", Some(("a/b", 1, 2)));
        ["", "t/0", "t/0/x", "/0/1", "t/99999999999/1", "t 0 1"].iter().for_each(|text| check(text, None));
    }
}
