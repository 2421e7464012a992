//! From what a case holds to the batches that a plugin is given: messages are decoded as a stream's are, under the
//! columns that are declared or, without these, proposed; rows get the system columns. A row's offset is its line less
//! one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array as _, ArrayRef, AsArray as _, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{FieldRef, Int64Type, Schema};
use millstream_decode::Decoder;
use millstream_decode::discover::{self, TopicProfile, Vocabulary};
use millstream_engine::InputSpec;
use millstream_model::schema::{ColumnType, StreamSchema};
use millstream_model::{MessageBatch, MessageRef, TopicPartition, columns};
use millstream_settings::typed::{Ordered, SchemaKeys};
use millstream_settings::{Document, schema};
use serde::Deserialize;

use crate::case::{Case, Content, Input};
use crate::error::CaseError;
use crate::sequence::Entry;

/// Rows that are ready for a plugin.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Its inputs: names, and rows of the declared columns and the system's.
    pub(crate) inputs: Vec<(String, RecordBatch)>,
    /// What it is given, in order.
    pub(crate) units: Vec<Unit>,
    /// Lines of messages that do not fit the schema, with the reasons.
    pub(crate) undecoded: Vec<(u64, String)>,
    /// Messages by their lines.
    pub(crate) texts: BTreeMap<u64, String>,
}

/// What a plugin is given at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Rows of an input.
    Rows { input: usize, rows: Range<usize> },
    /// A move of the watermark.
    Move { line: u64, micros: i64 },
}

impl Prepared {
    /// Names and schemas of the inputs.
    pub(crate) fn specs(&self) -> Vec<InputSpec> {
        self.inputs.iter().map(|(name, rows)| InputSpec::new(name.clone(), rows.schema())).collect()
    }

    /// Number of messages.
    pub(crate) fn messages(&self) -> usize {
        let rows: usize = self.inputs.iter().map(|(_, rows)| rows.num_rows()).sum();
        rows + self.undecoded.len()
    }
}

/// The line of a row by its offset.
pub(crate) fn line_of(offset: i64) -> u64 {
    offset.unsigned_abs() + 1
}

/// Makes what a case gives to a plugin, which keeps state or does not.
pub(crate) fn prepare(case: &Case, keeps_state: bool) -> Result<Prepared, CaseError> {
    match &case.content {
        Content::Lines(lines) if keeps_state => in_sequence(case, lines),
        Content::Lines(lines) => one_after_another(case, lines),
        Content::Rows(rows) => {
            let rows = with_system_columns(case, rows)?;
            Ok(of_one_input(case.inputs()[0].name.clone(), rows, Vec::new(), BTreeMap::new()))
        }
    }
}

fn of_one_input(
    name: String,
    rows: RecordBatch,
    undecoded: Vec<(u64, String)>,
    texts: BTreeMap<u64, String>,
) -> Prepared {
    let units = vec![Unit::Rows { input: 0, rows: 0..rows.num_rows() }];
    Prepared { inputs: vec![(name, rows)], units, undecoded, texts }
}

/// For a plugin without state: one input, and no watermark.
fn one_after_another(case: &Case, lines: &[(u64, Entry)]) -> Result<Prepared, CaseError> {
    let [input] = case.inputs() else {
        let names: Vec<_> = case.inputs().iter().map(|input| input.name.as_str()).collect();
        return Err(CaseError::Rows(format!(
            "the case has inputs {}, and the plugin keeps no state, so it has one: delete the others",
            names.join(", ")
        )));
    };
    if let Some((line, _)) = lines.iter().find(|(_, entry)| matches!(entry, Entry::Move(_))) {
        let message = "a watermark moves only for a plugin that keeps state: delete this line";
        return Err(case.wrong_line(*line, message.to_owned()));
    }
    let messages = by_input(case, lines)?.remove(0);
    let (rows, undecoded) = decoded(case, input, &messages)?;
    Ok(of_one_input(input.name.clone(), rows, undecoded, texts(lines)))
}

/// For a plugin that keeps state: rows and moves as they stand.
fn in_sequence(case: &Case, lines: &[(u64, Entry)]) -> Result<Prepared, CaseError> {
    let (mut inputs, mut undecoded, mut places) = (Vec::new(), Vec::new(), BTreeMap::new());
    for (number, messages) in by_input(case, lines)?.iter().enumerate() {
        let input = &case.inputs()[number];
        let (rows, failed) = decoded(case, input, messages)?;
        let offsets = rows.column_by_name(columns::OFFSET).map(|column| column.as_primitive::<Int64Type>());
        let offsets = offsets.map_or(&[][..], |offsets| offsets.values());
        places.extend(offsets.iter().enumerate().map(|(row, offset)| (line_of(*offset), (number, row))));
        inputs.push((input.name.clone(), with_sure_event_time(input, rows)?));
        undecoded.extend(failed);
    }
    let units = units(case, lines, &places)?;
    Ok(Prepared { inputs, units, undecoded, texts: texts(lines) })
}

/// Rows of one input that follow each other go together; moves stand between.
fn units(
    case: &Case,
    lines: &[(u64, Entry)],
    places: &BTreeMap<u64, (usize, usize)>,
) -> Result<Vec<Unit>, CaseError> {
    let (mut units, mut watermark): (Vec<Unit>, Option<i64>) = (Vec::new(), None);
    for (line, entry) in lines {
        match (entry, places.get(line)) {
            (Entry::Move(micros), _) if watermark >= Some(*micros) => {
                let message = "the watermark moves to where it is, or back: it only rises";
                return Err(case.wrong_line(*line, message.to_owned()));
            }
            (Entry::Move(micros), _) => {
                watermark = Some(*micros);
                units.push(Unit::Move { line: *line, micros: *micros });
            }
            // A message that was not decoded.
            (Entry::Message { .. }, None) => {}
            (Entry::Message { .. }, Some((input, row))) => match units.last_mut() {
                Some(Unit::Rows { input: last, rows }) if last == input => rows.end = row + 1,
                _ => units.push(Unit::Rows { input: *input, rows: *row..row + 1 }),
            },
        }
    }
    Ok(units)
}

/// A message with the line that it stands on.
#[derive(Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) line: u64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) text: &'a [u8],
}

/// The messages of each input.
fn by_input<'a>(case: &'a Case, lines: &'a [(u64, Entry)]) -> Result<Vec<Vec<Message<'a>>>, CaseError> {
    let inputs = case.inputs();
    let mut messages = vec![Vec::new(); inputs.len()];
    for (line, entry) in lines {
        let Entry::Message { input, key, text } = entry else { continue };
        let number = match input {
            Some(name) => inputs.iter().position(|input| input.name == *name),
            None => (inputs.len() == 1).then_some(0),
        };
        let number = number.ok_or_else(|| case.wrong_line(*line, no_input(input.as_deref(), inputs)))?;
        messages[number].push(Message { line: *line, key: key.as_deref().or(case.key.as_deref()), text });
    }
    Ok(messages)
}

fn no_input(name: Option<&str>, inputs: &[Input]) -> String {
    let names = inputs.iter().map(|input| format!("`{}`", input.name)).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => {
            format!("there is no input `{name}`, but {names}: declare it in config.toml as [inputs.{name}]")
        }
        None => format!("which input is this message of, {names}? begin the line with {{\"_input\": \"…\", "),
    }
}

fn texts(lines: &[(u64, Entry)]) -> BTreeMap<u64, String> {
    let texts = lines.iter().filter_map(|(line, entry)| match entry {
        Entry::Message { text, .. } => Some((*line, String::from_utf8_lossy(text).into_owned())),
        Entry::Move(_) => None,
    });
    texts.collect()
}

/// Rows of an input's messages, and lines and reasons of those that do not fit its columns.
fn decoded(
    case: &Case,
    input: &Input,
    messages: &[Message<'_>],
) -> Result<(RecordBatch, Vec<(u64, String)>), CaseError> {
    let place = || format!("schema of case {}", case.name);
    decode(&input.name, input.schema.as_ref(), case.received_us, messages, &place)
}

/// Decodes JSON texts under `schema`, or under the columns that are proposed for them.
pub(crate) fn decode(
    name: &str,
    schema: Option<&Arc<StreamSchema>>,
    received_us: Option<i64>,
    messages: &[Message<'_>],
    place: &dyn Fn() -> String,
) -> Result<(RecordBatch, Vec<(u64, String)>), CaseError> {
    let batch = batch(name, received_us, messages)?;
    let schema = match schema {
        Some(schema) => Arc::clone(schema),
        None => proposed(name, &batch)?,
    };
    let decoder = Decoder::new(schema).map_err(|source| CaseError::Schema { place: place(), source });
    let decoded = decoder?.decode(&batch);
    let failures = decoded.failures.into_iter();
    let undecoded = failures.map(|failure| (line_of(batch.get(failure.row).offset), failure.reason));
    Ok((decoded.rows, undecoded.collect()))
}

fn batch(name: &str, timestamp_us: Option<i64>, messages: &[Message<'_>]) -> Result<MessageBatch, CaseError> {
    let mut batch = MessageBatch::new(TopicPartition::new(name.to_owned(), 0), 0);
    for Message { line, key, text } in messages {
        let offset = i64::try_from(*line).map_or(i64::MAX, |line| line - 1);
        let message = MessageRef { offset, timestamp_us, key: *key, value: Some(text), headers: &[] };
        batch.push(message).map_err(|full| CaseError::Rows(full.to_string()))?;
    }
    Ok(batch)
}

/// The columns that `millstream schema infer` proposes for the messages.
fn proposed(input: &str, batch: &MessageBatch) -> Result<Arc<StreamSchema>, CaseError> {
    #[derive(Deserialize)]
    struct Proposed {
        streams: Ordered<SchemaKeys>,
    }
    let mut profile = TopicProfile::new(input);
    profile.observe(batch);
    let proposal = discover::infer(&profile, "proposed", &Vocabulary::default(), None);
    let document =
        Document::parse(Path::new("the columns that are proposed"), discover::toml(&proposal), [])?;
    let streams = document.deserialize::<Proposed>()?.streams.0;
    let (name, keys) =
        streams.first().ok_or_else(|| CaseError::Rows("no columns are proposed".to_owned()))?;
    Ok(Arc::new(schema::schema(&document, &["streams", name], keys)?))
}

/// The rows with an event time that is never null, where the declared columns make sure of that: a required timestamp.
fn with_sure_event_time(input: &Input, rows: RecordBatch) -> Result<RecordBatch, CaseError> {
    let is_sure = input.schema.as_ref().is_some_and(|schema| {
        let own = |column: &str| schema.columns.iter().find(|spec| spec.name == column);
        let column = schema.event_time.as_ref().and_then(|time| own(&time.column));
        column.is_some_and(|column| column.required && matches!(column.ty, ColumnType::Timestamp { .. }))
    });
    let nulls = rows.column_by_name(columns::EVENT_TIME).map_or(0, |times| times.null_count());
    if !is_sure || nulls > 0 {
        return Ok(rows);
    }
    let schema = rows.schema();
    let fields = schema.fields().iter().map(|field| match field.name().as_str() {
        columns::EVENT_TIME => Arc::new(field.as_ref().clone().with_nullable(false)),
        _ => Arc::clone(field),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<FieldRef>>()));
    RecordBatch::try_new(schema, rows.columns().to_vec()).map_err(|error| CaseError::Rows(error.to_string()))
}

fn with_system_columns(case: &Case, rows: &RecordBatch) -> Result<RecordBatch, CaseError> {
    let count = rows.num_rows();
    let offsets: Vec<i64> = (0..count).map(|row| row as i64).collect();
    let received = vec![case.received_us; count];
    let instants = |values: Vec<Option<i64>>| TimestampMicrosecondArray::from(values).with_timezone("UTC");
    let system: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![case.inputs()[0].name.as_str(); count])),
        Arc::new(Int32Array::from(vec![0; count])),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(instants(received)),
        Arc::new(instants(vec![None; count])),
        Arc::new(BinaryArray::from(vec![case.key.as_deref(); count])),
    ];
    let declared = rows.schema();
    let added = columns::of_batch().into_iter().map(FieldRef::from);
    let fields: Vec<_> = declared.fields().iter().cloned().chain(added).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = rows.columns().iter().cloned().chain(system).collect();
    RecordBatch::try_new(schema, arrays).map_err(|error| CaseError::Rows(error.to_string()))
}
