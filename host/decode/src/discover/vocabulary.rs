//! Names that are known beside a topic: from configurations and from the other topics of the sample.
//! A field that nobody else has, and that is like one that others have, is probably that one.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::schema::{FieldPath, PathSegment, StreamSchema};

use super::profile::TopicProfile;
use super::shape::{Class, class_of, shape};

/// Known names.
#[derive(Default)]
pub struct Vocabulary {
    names: BTreeMap<String, Known>,
    /// Fields that a stream declares as aliases: the column's own, and the stream.
    aliases: BTreeMap<String, (String, String)>,
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
    /// Adds the names that a stream's schema reads. The first place of a column is its right name; its
    /// aliases, which may be misspellings, are known to mean that.
    pub fn add_schema(&mut self, stream: &str, schema: &StreamSchema) {
        for column in &schema.columns {
            let Some((own, aliases)) = column.paths.split_first() else { continue };
            let keys = keys(own);
            let class = if keys.len() < own.len() { Class::Pair } else { class_of(&column.ty) };
            for depth in 1..=keys.len() {
                let class = if depth < keys.len() { Class::Any } else { class };
                let known = self.names.entry(keys[..depth].join(".")).or_default();
                known.declared = Some(agreed(known.declared, class));
                known.streams.insert(stream.to_owned());
            }
            for alias in aliases {
                self.add_alias(stream, own, alias);
            }
        }
    }

    /// `locatoin[0]` of `location.lat` says that `locatoin` is `location`.
    fn add_alias(&mut self, stream: &str, own: &FieldPath, alias: &FieldPath) {
        let (mut right, alias_keys) = (keys(own), keys(alias));
        if alias_keys.len() < alias.len() && right.len() == own.len() {
            right.pop();
        }
        let (right, alias) = (right.join("."), alias_keys.join("."));
        if !right.is_empty() && right != alias {
            self.aliases.entry(alias).or_insert_with(|| (right, stream.to_owned()));
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

    /// The field that the one at `path` is by declaration, and the stream that declares it. What any stream
    /// has as a column's own is no alias.
    pub(super) fn alias(&self, path: &str) -> Option<(&str, &str)> {
        let is_own = self.names.get(path).is_some_and(|known| !known.streams.is_empty());
        let declared = self.aliases.get(path).filter(|_| !is_own);
        declared.map(|(right, stream)| (right.as_str(), stream.as_str()))
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

/// The keys of a path up to its first index.
fn keys(path: &FieldPath) -> Vec<&str> {
    let keys = path.iter().map_while(|segment| match segment {
        PathSegment::Key(key) => Some(key.as_str()),
        PathSegment::Index(_) => None,
    });
    keys.collect()
}
