//! What a sample of a topic holds, field by field. Messages enter as the source gave them and are parsed
//! as the decoder parses them; a profile leaves: which fields there are, how often, and of what kinds.
//! What that means for a schema, others decide.

use std::collections::{BTreeMap, HashMap};

use millstream_model::{MessageBatch, Offset};
use simd_json::Node;

use super::field::FieldProfile;
use crate::{Parser, members};

/// Fields of one topic that are told apart; more are only counted.
const FIELDS_MAX: usize = 1000;
/// Deepest object whose members are fields of their own; deeper ones are values.
const LEVELS_MAX: usize = 8;
/// Longest key that can name a field.
const KEY_BYTES_MAX: usize = 128;

/// Where a message stands in its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Place {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: Offset,
}

/// How often something was seen, and where first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Messages.
    pub count: u64,
    /// The first of them.
    pub first: Option<Place>,
}

impl Seen {
    /// Counts one more.
    pub fn add(&mut self, place: Place) {
        self.count += 1;
        self.first.get_or_insert(place);
    }
}

/// What a sample of one topic holds.
pub struct TopicProfile {
    topic: String,
    messages: u64,
    malformed: BTreeMap<String, Seen>,
    fields: Fields,
    parser: Parser,
}

/// The fields of a topic, by number in the order in which they were first seen.
#[derive(Default)]
struct Fields {
    all: Vec<FieldProfile>,
    by_path: HashMap<String, usize>,
    unaddressable: Seen,
    beyond: Seen,
    /// The last message that room was made for.
    made_room_for: Option<u64>,
}

impl TopicProfile {
    /// Nothing seen yet.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            messages: 0,
            malformed: BTreeMap::new(),
            fields: Fields::default(),
            parser: Parser::new(),
        }
    }

    /// Takes in a batch of messages.
    pub fn observe(&mut self, batch: &MessageBatch) {
        for message in batch.iter() {
            let place = Place { partition: batch.partition().partition, offset: message.offset };
            self.observe_message(message.value, place);
        }
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Messages that are JSON objects.
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// Messages that are not, by reason.
    pub fn malformed(&self) -> &BTreeMap<String, Seen> {
        &self.malformed
    }

    /// The fields in the order in which they were first seen; an object comes before its members.
    pub fn fields(&self) -> &[FieldProfile] {
        &self.fields.all
    }

    /// The field at a dotted path.
    pub fn field(&self, path: &str) -> Option<&FieldProfile> {
        self.fields.by_path.get(path).map(|number| &self.fields.all[*number])
    }

    /// Fields directly or indirectly below the object at `path`.
    pub fn below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a FieldProfile> {
        self.fields.all.iter().filter(move |field| is_below(field.path(), path))
    }

    /// Fields whose key no path can name: empty, too long, or with a dot or bracket in it.
    pub fn unaddressable(&self) -> Seen {
        self.fields.unaddressable
    }

    /// Fields beyond those that are told apart.
    pub fn beyond(&self) -> Seen {
        self.fields.beyond
    }

    fn observe_message(&mut self, value: Option<&[u8]>, place: Place) {
        let Self { messages, fields, parser, .. } = self;
        let parsed = match value {
            Some(message) => {
                parser.parse(message, |tape| fields.observe(tape, &mut String::new(), 0, (*messages, place)))
            }
            None => Err("no value (tombstone)".to_owned()),
        };
        match parsed {
            Ok(()) => self.messages += 1,
            Err(reason) => self.malformed.entry(reason).or_default().add(place),
        }
    }
}

impl Fields {
    /// Takes in the members of an object at `path`, of a message by its number and place.
    fn observe(&mut self, object: &[Node<'_>], path: &mut String, level: usize, message: (u64, Place)) {
        for (key, value) in members(object) {
            if !is_addressable(key) {
                self.unaddressable.add(message.1);
                continue;
            }
            let parent = path.len();
            if parent > 0 {
                path.push('.');
            }
            path.push_str(key);
            if let Some(number) = self.number(path, message) {
                self.all[number].observe(value, message.0, message.1);
                if level + 1 < LEVELS_MAX && matches!(value[0], Node::Object { .. }) {
                    self.observe(value, path, level + 1, message);
                }
            } else {
                self.beyond.add(message.1);
            }
            path.truncate(parent);
        }
    }

    fn number(&mut self, path: &str, message: (u64, Place)) -> Option<usize> {
        if let Some(number) = self.by_path.get(path) {
            return Some(*number);
        }
        if self.all.len() >= FIELDS_MAX {
            self.make_room(message);
        }
        let number = self.all.len();
        if number >= FIELDS_MAX {
            return None;
        }
        self.all.push(FieldProfile::new(path));
        self.by_path.insert(path.to_owned(), number);
        Some(number)
    }

    /// Forgets what only one earlier message had, so that a wide one does not shut out the fields of all that
    /// follow. Once a message at most: looking costs time.
    fn make_room(&mut self, (message, place): (u64, Place)) {
        if self.made_room_for.replace(message) == Some(message) {
            return;
        }
        let is_of_this = |field: &FieldProfile| field.first().or(field.nulls.first) == Some(place);
        let before = self.all.len();
        self.all.retain(|field| field.count() + field.nulls.count > 1 || is_of_this(field));
        self.beyond.count += (before - self.all.len()) as u64;
        let numbers = self.all.iter().enumerate();
        self.by_path = numbers.map(|(number, field)| (field.path().to_owned(), number)).collect();
    }
}

/// True if `path` is that of a member of the object at `object`, or of one further down.
pub(super) fn is_below(path: &str, object: &str) -> bool {
    path.strip_prefix(object).is_some_and(|rest| rest.starts_with('.'))
}

fn is_addressable(key: &str) -> bool {
    let plain = |letter: char| !matches!(letter, '.' | '[' | ']') && !letter.is_control();
    (1..=KEY_BYTES_MAX).contains(&key.len()) && key.chars().all(plain)
}
