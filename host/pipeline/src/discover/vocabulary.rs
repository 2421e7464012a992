//! Names that are known beside a topic: from configurations and from the other topics of the sample.
//! A field that nobody else has, and that is like one that others have, is probably that one.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::schema::{PathSegment, StreamSchema};

use super::profile::TopicProfile;
use super::shape::{Class, class_of, shape};

/// Known names.
#[derive(Default)]
pub struct Vocabulary {
    names: BTreeMap<String, Known>,
    /// Texts of fields with few, by dotted path and topic.
    values: BTreeMap<String, BTreeMap<String, BTreeMap<String, u64>>>,
}

/// What is known of a name.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// Kind of its values by the streams that declare it, as far as they agree.
    pub declared: Option<Class>,
    /// Kind of its values in the topics that have it, as far as they agree.
    pub seen: Option<Class>,
    /// Sampled topics that have it.
    pub topics: BTreeSet<String>,
    /// Streams that declare it.
    pub streams: BTreeSet<String>,
}

impl Vocabulary {
    /// Adds the names that a stream's schema reads.
    pub fn add_schema(&mut self, stream: &str, schema: &StreamSchema) {
        for column in &schema.columns {
            for path in &column.paths {
                let keys: Vec<_> = path.iter().map_while(key).collect();
                let class = if keys.len() < path.len() { Class::Pair } else { class_of(&column.ty) };
                for depth in 1..=keys.len() {
                    let class = if depth < keys.len() { Class::Any } else { class };
                    let known = self.names.entry(keys[..depth].join(".")).or_default();
                    known.declared = Some(agreed(known.declared, class));
                    known.streams.insert(stream.to_owned());
                }
            }
        }
    }

    /// Adds the names and the small vocabularies of values that a topic has.
    pub fn add_topic(&mut self, profile: &TopicProfile) {
        for field in profile.fields() {
            let class = shape(field, profile).class();
            let known = self.names.entry(field.path().to_owned()).or_default();
            known.seen = Some(agreed(known.seen, class));
            known.topics.insert(profile.topic().to_owned());
            if let Some(values) = field.values() {
                let topics = self.values.entry(field.path().to_owned()).or_default();
                topics.insert(profile.topic().to_owned(), values.clone());
            }
        }
    }

    /// What is known of a dotted path.
    pub(super) fn get(&self, path: &str) -> Option<&Known> {
        self.names.get(path)
    }

    /// All known dotted paths.
    pub(super) fn names(&self) -> impl Iterator<Item = (&str, &Known)> {
        self.names.iter().map(|(path, known)| (path.as_str(), known))
    }

    /// Values of the field at `path` in topics other than `topic`.
    pub(super) fn values<'a>(
        &'a self,
        path: &str,
        topic: &'a str,
    ) -> impl Iterator<Item = &'a BTreeMap<String, u64>> {
        let topics = self.values.get(path).into_iter().flatten();
        topics.filter(move |(other, _)| *other != topic).map(|(_, values)| values)
    }
}

impl Known {
    /// Kind of its values: as declared, else as seen.
    pub fn class(&self) -> Class {
        self.declared.or(self.seen).unwrap_or(Class::Any)
    }
}

fn agreed(before: Option<Class>, class: Class) -> Class {
    if before.is_none_or(|before| before == class) { class } else { Class::Any }
}

fn key(segment: &PathSegment) -> Option<&str> {
    match segment {
        PathSegment::Key(key) => Some(key),
        PathSegment::Index(_) => None,
    }
}
