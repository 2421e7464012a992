//! Which columns two versions of the same rows share, and how the others differ.

use std::sync::Arc;

use arrow::datatypes::Schema;
use millstream_model::schema::type_name;

use super::report::ShadowReport;

/// Columns that both have, of one type.
#[derive(Debug, Default)]
pub(super) struct Columns {
    shared: Vec<Shared>,
}

/// A column that both have.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: Arc<str>,
    /// Where the live version has it.
    pub(super) live: usize,
    /// Where the candidate has it.
    pub(super) candidate: usize,
}

impl Columns {
    /// Finds what both have; the rest goes to the report. `output` is none for the stream's own rows.
    pub(super) fn new(
        output: Option<&str>,
        live: &Schema,
        candidate: &Schema,
        report: &mut ShadowReport,
    ) -> Self {
        let written = |name: &str| match output {
            Some(output) => format!("{name} of {output}"),
            None => name.to_owned(),
        };
        let mut shared = Vec::new();
        for (place, field) in live.fields().iter().enumerate() {
            let name = field.name();
            match candidate.column_with_name(name) {
                None => report.columns_removed.push(written(name)),
                Some((other, now)) if now.data_type() == field.data_type() => {
                    shared.push(Shared { name: name.as_str().into(), live: place, candidate: other });
                }
                Some((_, now)) => {
                    let (before, now) = (type_name(field.data_type()), type_name(now.data_type()));
                    report.columns_retyped.push(format!("{}: {before} → {now}", written(name)));
                }
            }
        }
        let is_new = |name: &&String| live.column_with_name(name).is_none();
        let added = candidate.fields().iter().map(|field| field.name()).filter(is_new);
        report.columns_added.extend(added.map(|name| written(name)));
        Self { shared }
    }

    /// The columns.
    pub(super) fn shared(&self) -> &[Shared] {
        &self.shared
    }
}
