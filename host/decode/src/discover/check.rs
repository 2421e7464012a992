//! How the messages of a topic have drifted from its stream's declared schema. Batches enter and are
//! decoded as a run would; a report leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::Array as _;
use millstream_model::MessageBatch;
use millstream_model::schema::{ColumnSpec, FieldPath, PathSegment, StreamSchema};
use serde::Serialize;

use super::aliases::path_likeness;
use super::field::FieldProfile;
use super::finding::alias_message;
use super::profile::{Place, Seen, TopicProfile, is_below};
use super::shape::{Shape, shape, type_name};
use crate::{Decoder, Problem, SchemaError};

/// Compares a sample of a topic with a schema.
pub struct StreamCheck {
    stream: String,
    schema: Arc<StreamSchema>,
    decoder: Decoder,
    profile: TopicProfile,
    problems: BTreeMap<(usize, String), (Problem, Seen)>,
    nulls: Vec<u64>,
    messages: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct StreamDrift {
    /// The stream.
    pub stream: String,
    /// Its topic.
    pub topic: String,
    /// Messages looked at.
    pub messages: u64,
    /// True if the messages are not as declared: new fields, fields never seen, column problems, or
    /// malformed messages.
    pub drift: bool,
    /// Fields that no column declares.
    pub new_fields: Vec<NewField>,
    /// Columns of which no message had the field.
    pub never_seen: Vec<String>,
    /// Values that do not fit their column.
    pub problems: Vec<ColumnProblem>,
    /// Share of nulls of each column.
    pub nulls: Vec<ColumnNulls>,
    /// Messages that are no JSON object, by reason.
    pub malformed: BTreeMap<String, u64>,
}

/// A field that no column declares.
#[derive(Clone, Debug, Serialize)]
pub struct NewField {
    /// Dotted path.
    pub field: String,
    /// Type that a column for it could have.
    pub r#type: &'static str,
    /// Messages that have it.
    pub messages: u64,
    /// As a share of all, from 0 to 1.
    pub share: f64,
    /// The first of them.
    pub example: Option<Place>,
    /// A declared field it may be meant as, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub looks_like: Option<String>,
}

/// What is wrong with a column in some messages.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnProblem {
    /// The column.
    pub column: String,
    /// Declared type.
    pub expected: &'static str,
    /// What is wrong, in words.
    pub problem: String,
    /// True if a required value is missing or null, false if a value is of another type.
    pub missing: bool,
    /// Messages.
    pub messages: u64,
    /// As a share of all, from 0 to 1.
    pub share: f64,
    /// The first of them.
    pub example: Option<Place>,
}

/// Share of nulls of a column.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnNulls {
    /// The column.
    pub column: String,
    /// Messages without a value for it, as a share of those that are JSON objects, from 0 to 1.
    pub share: f64,
}

impl StreamCheck {
    /// Nothing looked at yet.
    ///
    /// # Errors
    /// If the schema does not hold together.
    pub fn new(stream: &str, topic: &str, schema: Arc<StreamSchema>) -> Result<Self, SchemaError> {
        Ok(Self {
            stream: stream.to_owned(),
            decoder: Decoder::new(schema.clone())?,
            profile: TopicProfile::new(topic),
            problems: BTreeMap::new(),
            nulls: vec![0; schema.columns.len()],
            messages: 0,
            schema,
        })
    }

    /// Takes in a batch of messages.
    pub fn observe(&mut self, batch: &MessageBatch) {
        self.profile.observe(batch);
        let decoded = self.decoder.decode(batch);
        self.messages += batch.len() as u64;
        for (nulls, column) in self.nulls.iter_mut().zip(decoded.raw.columns()) {
            *nulls += column.null_count() as u64;
        }
        for failure in &decoded.failures {
            let offset = batch.get(failure.row).offset;
            let place = Place { partition: batch.partition().partition, offset };
            for (number, problem) in &failure.problems {
                let text = problem.describe(&self.schema.columns[*number].name);
                self.problems.entry((*number, text)).or_insert((*problem, Seen::default())).1.add(place);
            }
        }
    }

    /// What was found.
    pub fn report(&self) -> StreamDrift {
        let new_fields: Vec<_> = self.new_fields().map(|field| self.new_field(field)).collect();
        let unseen = self.schema.columns.iter().filter(|column| !self.is_seen(column));
        let never_seen: Vec<_> =
            unseen.filter(|_| self.messages > 0).map(|column| column.name.clone()).collect();
        let problems: Vec<_> = self.problems.iter().map(|entry| self.problem(entry)).collect();
        let malformed: BTreeMap<_, _> =
            self.profile.malformed().iter().map(|(reason, seen)| (reason.clone(), seen.count)).collect();
        // A malformed message is a row of nulls.
        let rows_of_nulls: u64 = malformed.values().sum();
        let nulls = self.schema.columns.iter().zip(&self.nulls).map(|(column, nulls)| ColumnNulls {
            column: column.name.clone(),
            share: nulls.saturating_sub(rows_of_nulls) as f64 / self.profile.messages().max(1) as f64,
        });
        StreamDrift {
            stream: self.stream.clone(),
            topic: self.profile.topic().to_owned(),
            messages: self.messages,
            drift: !(new_fields.is_empty()
                && never_seen.is_empty()
                && problems.is_empty()
                && malformed.is_empty()),
            nulls: nulls.collect(),
            malformed,
            new_fields,
            never_seen,
            problems,
        }
    }

    /// The outermost fields that no column reads.
    fn new_fields(&self) -> impl Iterator<Item = &FieldProfile> {
        let new: Vec<_> = self.profile.fields().iter().filter(|field| !self.is_read(field)).collect();
        let all = new.clone();
        new.into_iter().filter(move |field| !all.iter().any(|other| is_below(field.path(), other.path())))
    }

    /// True if columns read the field, or everything it ever held has members or elements that they read.
    fn is_read(&self, field: &FieldProfile) -> bool {
        let path = field.path();
        let (mut into_objects, mut into_arrays) = (false, false);
        for declared in self.schema.columns.iter().flat_map(|column| &column.paths) {
            let keys = keys(declared);
            let is_whole = declared.iter().all(|segment| matches!(segment, PathSegment::Key(_)));
            if is_whole && (keys == path || is_below(path, &keys)) {
                return true;
            }
            into_objects |= is_below(&keys, path);
            into_arrays |= !is_whole && keys == path;
        }
        let plain =
            field.booleans.count + field.integers.count + field.fractions.count + field.texts.all.count;
        (into_objects || into_arrays)
            && plain == 0
            && (into_arrays || field.arrays.all.count == 0)
            && (into_objects || field.objects.count == 0)
    }

    fn new_field(&self, field: &FieldProfile) -> NewField {
        let messages = field.messages().len() + field.nulls.count;
        NewField {
            field: field.path().to_owned(),
            r#type: match shape(field, &self.profile) {
                Shape::Column(ty) => type_name(&ty),
                Shape::LocalTime | Shape::NumberText(_) => "string",
                Shape::Pair(_) => "list<float64>",
                Shape::Object | Shape::Unknown => "json",
            },
            messages,
            share: self.share(messages),
            example: field.first().or(field.nulls.first),
            looks_like: self.looks_like(field),
        }
    }

    /// The declared field that `field` may be meant as: one that hardly any message has beside it.
    fn looks_like(&self, field: &FieldProfile) -> Option<String> {
        // Aliases may be misspellings themselves.
        let mut names: Vec<_> =
            self.schema.columns.iter().filter_map(|column| column.paths.first()).map(keys).collect();
        let parents: Vec<_> =
            names.iter().filter_map(|name| Some(name.rsplit_once('.')?.0.to_owned())).collect();
        names.extend(parents);
        let alike = names.iter().filter_map(|name| Some((path_likeness(field.path(), name)?, name)));
        let apart = alike.filter(|(_, name)| {
            let other = self.profile.field(name);
            other.is_none_or(|other| {
                other.messages().shared_with(field.messages()) * 50 <= field.messages().len()
            })
        });
        let (likeness, name) = apart.min_by_key(|(likeness, _)| *likeness)?;
        Some(alias_message(field.path(), name, Some(likeness)))
    }

    fn is_seen(&self, column: &ColumnSpec) -> bool {
        column.paths.iter().any(|path| self.profile.field(&keys(path)).is_some())
    }

    fn problem(
        &self,
        ((number, text), (problem, seen)): (&(usize, String), &(Problem, Seen)),
    ) -> ColumnProblem {
        let column = &self.schema.columns[*number];
        ColumnProblem {
            column: column.name.clone(),
            expected: type_name(&column.ty),
            problem: text.clone(),
            missing: matches!(problem, Problem::Missing | Problem::Null),
            messages: seen.count,
            share: self.share(seen.count),
            example: seen.first,
        }
    }

    fn share(&self, messages: u64) -> f64 {
        messages as f64 / self.messages.max(1) as f64
    }
}

/// The keys of a path up to its first index, with dots between.
fn keys(path: &FieldPath) -> String {
    let keys = path.iter().map_while(|segment| match segment {
        PathSegment::Key(key) => Some(key.as_str()),
        PathSegment::Index(_) => None,
    });
    keys.collect::<Vec<_>>().join(".")
}
