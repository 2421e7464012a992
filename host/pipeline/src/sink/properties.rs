//! Chooses how each column is encoded, from its type and from a sample of the rows that open a file:
//! a dictionary where values repeat, delta encoding for integers and times, split byte streams for
//! floats.

use std::collections::HashSet;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use millstream_model::columns;
use millstream_model::entry::SessionId;
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, Encoding, Type, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::{ColumnDescriptor, ColumnPath};

use super::{SinkError, SinkSettings, TableSpec};

/// Rows looked at, spread over the batch.
const SAMPLE_ROWS: usize = 1024;

/// A smaller batch says nothing about how often values repeat.
const SAMPLE_ROWS_MIN: usize = 32;

/// Values repeat if at most one in this many sampled ones is new.
const REPEATS: usize = 10;

/// Key of the metadata that names the table.
pub const TABLE_KEY: &str = "millstream.table";
/// Key of the metadata that names the session that wrote the file.
pub const SESSION_KEY: &str = "millstream.session";

/// Properties of a file whose first rows are `rows`.
pub fn for_file(
    spec: &TableSpec,
    settings: &SinkSettings,
    session: &SessionId,
    rows: &RecordBatch,
) -> Result<WriterProperties, SinkError> {
    let mut builder = for_any_column(spec, settings, session)?;
    let parquet = ArrowSchemaConverter::new().convert(&spec.schema);
    let parquet = parquet.map_err(|source| SinkError::Parquet { table: spec.name.clone(), source })?;
    for (leaf, descriptor) in parquet.columns().iter().enumerate() {
        let column = rows.column(parquet.get_column_root_idx(leaf));
        let repetition =
            Repetition::of(column).map_err(|source| SinkError::Arrow { table: spec.name.clone(), source })?;
        builder = for_column(builder, descriptor, column.data_type(), repetition);
    }
    for column in [spec.event_time.as_str(), columns::OFFSET] {
        let path = ColumnPath::new(vec![column.to_owned()]);
        builder = builder.set_column_statistics_enabled(path, EnabledStatistics::Page);
    }
    Ok(builder.build())
}

fn for_any_column(
    spec: &TableSpec,
    settings: &SinkSettings,
    session: &SessionId,
) -> Result<WriterPropertiesBuilder, SinkError> {
    let level = ZstdLevel::try_new(settings.zstd_level)
        .map_err(|source| SinkError::Parquet { table: spec.name.clone(), source })?;
    Ok(WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_created_by(concat!("millstream ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_row_count(Some(settings.row_group_rows.max(1)))
        .set_max_row_group_bytes(Some(settings.row_group_bytes.max(1)))
        .set_key_value_metadata(Some(vec![
            KeyValue::new(TABLE_KEY.to_owned(), spec.name.clone()),
            KeyValue::new(SESSION_KEY.to_owned(), session.0.clone()),
        ])))
}

fn for_column(
    builder: WriterPropertiesBuilder,
    descriptor: &ColumnDescriptor,
    ty: &DataType,
    repetition: Repetition,
) -> WriterPropertiesBuilder {
    let (encoding, dictionary) = match descriptor.physical_type() {
        // Constant integers cost nothing as deltas either, and no hashing.
        Type::INT32 | Type::INT64 => (
            Encoding::DELTA_BINARY_PACKED,
            repetition == Repetition::Few && !matches!(ty, DataType::Timestamp(..)),
        ),
        Type::FLOAT | Type::DOUBLE => {
            (Encoding::BYTE_STREAM_SPLIT, matches!(repetition, Repetition::Constant | Repetition::Few))
        }
        Type::BYTE_ARRAY => (Encoding::DELTA_LENGTH_BYTE_ARRAY, repetition != Repetition::Many),
        Type::BOOLEAN | Type::INT96 | Type::FIXED_LEN_BYTE_ARRAY => return builder,
    };
    let path = descriptor.path();
    builder
        .set_column_encoding(path.clone(), encoding)
        .set_column_dictionary_enabled(path.clone(), dictionary)
}

/// How often the values of a column repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repetition {
    /// There is one value.
    Constant,
    /// There are few values.
    Few,
    /// Nearly every value is new.
    Many,
    /// A nested column, or too few rows to tell.
    Unknown,
}

impl Repetition {
    fn of(column: &ArrayRef) -> Result<Self, ArrowError> {
        if column.len() < SAMPLE_ROWS_MIN || column.data_type().is_nested() {
            return Ok(Self::Unknown);
        }
        let step = column.len().div_ceil(SAMPLE_ROWS);
        let rows = UInt32Array::from_iter_values((0u32..).step_by(step).take(column.len().div_ceil(step)));
        let sample = take(column, &rows, None)?;
        let converter = RowConverter::new(vec![SortField::new(column.data_type().clone())])?;
        let values = converter.convert_columns(&[sample])?;
        let distinct = values.iter().collect::<HashSet<_>>().len();
        Ok(match distinct {
            0 | 1 => Self::Constant,
            distinct if distinct * REPEATS <= rows.len() => Self::Few,
            _ => Self::Many,
        })
    }
}
