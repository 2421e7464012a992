//! What files must have in common to be merged: columns, in their order and with their types, and what is said
//! of the table in their metadata. Forms come from the files' own footers, so a table's files can be merged
//! whatever the configuration says today.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use millstream_model::entry::DataFile;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use crate::sink::{SESSION_KEY, TABLE_KEY, read};

/// The form of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// Its columns, without metadata of the file.
    pub schema: SchemaRef,
    /// Metadata of the file, but for the table and the session, which each file says for itself.
    pub metadata: BTreeMap<String, String>,
    /// The column beside the offset that has statistics of its pages: the event time.
    pub event_time: String,
}

impl Form {
    /// The form of the file whose footer `builder` has read.
    pub fn of<R: ChunkReader + 'static>(builder: &ParquetRecordBatchReaderBuilder<R>) -> Self {
        let found = builder.schema();
        let of_file = |(key, _): &(&String, &String)| ![TABLE_KEY, SESSION_KEY].contains(&key.as_str());
        let metadata =
            found.metadata().iter().filter(of_file).map(|(key, value)| (key.clone(), value.clone()));
        Self {
            schema: Arc::new(Schema::new(found.fields().clone())),
            metadata: metadata.collect(),
            event_time: read::event_time(builder),
        }
    }
}

/// Forms that were seen, and the files that have them.
#[derive(Debug, Default)]
pub struct Forms {
    forms: Vec<Arc<Form>>,
    of_file: BTreeMap<String, usize>,
}

impl Forms {
    /// Takes note of the form of the file at `path`.
    pub fn note(&mut self, path: &str, form: Form) -> Arc<Form> {
        let known = self.forms.iter().position(|known| **known == form);
        let number = known.unwrap_or_else(|| {
            self.forms.push(Arc::new(form));
            self.forms.len() - 1
        });
        self.of_file.insert(path.to_owned(), number);
        self.forms[number].clone()
    }

    /// The file at `path` is of this form, which was seen before.
    pub fn known(&mut self, path: &str, form: &Arc<Form>) {
        let number = self.forms.iter().position(|known| Arc::ptr_eq(known, form));
        self.of_file.extend(number.map(|number| (path.to_owned(), number)));
    }

    /// Number of the file's form, if it was seen.
    pub fn of(&self, file: &DataFile) -> Option<usize> {
        self.of_file.get(&file.path).copied()
    }

    /// Forgets files for which this is not true.
    pub fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.of_file.retain(|path, _| is_there(path));
    }
}
