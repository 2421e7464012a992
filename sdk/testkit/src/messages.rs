//! From what a case holds to the batch that a plugin is given: messages are decoded as a stream's are, under the columns
//! that are declared or, without these, proposed; rows get the system columns. A row's offset is its line less one.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{FieldRef, Schema};
use millstream_decode::Decoder;
use millstream_decode::discover::{self, TopicProfile, Vocabulary};
use millstream_model::schema::StreamSchema;
use millstream_model::{MessageBatch, MessageRef, TopicPartition, columns};
use millstream_settings::typed::{Ordered, SchemaKeys};
use millstream_settings::{Document, schema};
use serde::Deserialize;

use crate::case::{Case, Content};
use crate::error::CaseError;

/// Rows that are ready for a plugin.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Of the declared columns and the system's.
    pub(crate) rows: RecordBatch,
    /// Lines of messages that do not fit the schema, with the reasons.
    pub(crate) undecoded: Vec<(u64, String)>,
    /// Messages by their lines.
    pub(crate) texts: BTreeMap<u64, String>,
}

/// The line of a row by its offset.
pub(crate) fn line_of(offset: i64) -> u64 {
    offset.unsigned_abs() + 1
}

/// Makes the rows of a case.
pub(crate) fn prepare(case: &Case) -> Result<Prepared, CaseError> {
    match &case.content {
        Content::Messages(messages) => decoded(case, messages),
        Content::Rows(rows) => with_system_columns(case, rows),
    }
}

fn decoded(case: &Case, messages: &[(u64, Vec<u8>)]) -> Result<Prepared, CaseError> {
    let batch = batch(case, messages)?;
    let schema = match &case.schema {
        Some(schema) => Arc::clone(schema),
        None => proposed(&case.input, &batch)?,
    };
    let place = || format!("schema of case {}", case.name);
    let decoder = Decoder::new(schema).map_err(|source| CaseError::Schema { place: place(), source });
    let decoded = decoder?.decode(&batch);
    let failures = decoded.failures.into_iter();
    let undecoded = failures.map(|failure| (line_of(batch.get(failure.row).offset), failure.reason));
    let texts = messages.iter().map(|(line, text)| (*line, String::from_utf8_lossy(text).into_owned()));
    Ok(Prepared { rows: decoded.rows, undecoded: undecoded.collect(), texts: texts.collect() })
}

fn batch(case: &Case, messages: &[(u64, Vec<u8>)]) -> Result<MessageBatch, CaseError> {
    let mut batch = MessageBatch::new(TopicPartition::new(case.input.clone(), 0), 0);
    for (line, text) in messages {
        let offset = i64::try_from(*line).map_or(i64::MAX, |line| line - 1);
        let timestamp_us = case.received_us;
        let message = MessageRef { offset, timestamp_us, key: None, value: Some(text), headers: &[] };
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

fn with_system_columns(case: &Case, rows: &RecordBatch) -> Result<Prepared, CaseError> {
    let count = rows.num_rows();
    let offsets: Vec<i64> = (0..count).map(|row| row as i64).collect();
    let received = vec![case.received_us; count];
    let instants = |values: Vec<Option<i64>>| TimestampMicrosecondArray::from(values).with_timezone("UTC");
    let system: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![case.input.as_str(); count])),
        Arc::new(Int32Array::from(vec![0; count])),
        Arc::new(Int64Array::from(offsets)),
        Arc::new(instants(received)),
        Arc::new(instants(vec![None; count])),
        Arc::new(BinaryArray::from(vec![None; count])),
    ];
    let declared = rows.schema();
    let added = columns::of_batch().into_iter().map(FieldRef::from);
    let fields: Vec<_> = declared.fields().iter().cloned().chain(added).collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = rows.columns().iter().cloned().chain(system).collect();
    let rows = RecordBatch::try_new(schema, arrays).map_err(|error| CaseError::Rows(error.to_string()))?;
    Ok(Prepared { rows, undecoded: Vec::new(), texts: BTreeMap::new() })
}
