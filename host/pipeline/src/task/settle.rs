//! Takes a batch that is through the steps to the open files, and counts what became of it: from here on it
//! has an effect.

use std::sync::Arc;

use arrow::array::{Array as _, AsArray as _, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use millstream_model::{MessageBatch, columns};

use super::prepare::Prepared;
use super::{Purpose, Task, TaskError, TaskStart};
use crate::dead_letter::{DeadLetter, Failure};
use crate::fate::Fates;
use crate::sink::{FinishedFile, TableSpec, TableWriter};
use crate::stage::{Rejected, Staged};
use crate::tap::Place;
use crate::uploads::Uploads;
use crate::watermark;

impl Task {
    /// Writes what the batch became and counts it; `staged` is what the steps made of it, if the stream has some.
    pub(super) fn settle(
        &mut self,
        batch: &MessageBatch,
        prepared: Prepared,
        staged: Option<&Staged>,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let plan = self.start.plan.clone();
        self.start.figures.add_batch(batch.len(), batch.bytes(), prepared.failures.len());
        let mut fates = Fates::new(batch.len(), plan.fans_out());
        self.bury_failures(batch, &prepared, &mut fates, uploads)?;
        if matches!(self.start.purpose, Purpose::Run(_)) {
            self.write(&plan.raw, &prepared.raw, uploads)?;
        }
        match staged {
            Some(staged) => self.settle_rows(batch, &prepared.raw, staged, &mut fates, uploads)?,
            None => fates.rest_is_out(),
        }
        self.write_dead_letters(uploads)?;
        fates.add_to(&mut self.counters, &plan);
        self.counters.add(&prepared.counters);
        self.event_time = prepared.event_time;
        Ok(())
    }

    /// Messages that did not decode become dead letters, and nothing else, and so do late ones where that is
    /// asked for.
    fn bury_failures(
        &mut self,
        batch: &MessageBatch,
        prepared: &Prepared,
        fates: &mut Fates,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let Prepared { raw, failures, late, buries_late, .. } = prepared;
        for failure in failures {
            self.bury(batch, raw, failure.row, Failure::Decode, &failure.reason, uploads)?;
            fates.dead(failure.row, &failure.reason);
        }
        for late in late.iter().filter(|_| *buries_late) {
            if failures.binary_search_by_key(&late.row, |failure| failure.row).is_err() {
                let reason = watermark::reason(late);
                self.bury(batch, raw, late.row, Failure::Late, reason, uploads)?;
                fates.dead(late.row, reason);
            }
        }
        Ok(())
    }

    /// Writes what the steps made of the batch, buries what they rejected, and notes the fates.
    fn settle_rows(
        &mut self,
        batch: &MessageBatch,
        raw: &RecordBatch,
        staged: &Staged,
        fates: &mut Fates,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let row_of = |offset| batch.row_of(offset).expect("a step's rows keep the offsets of its input");
        for Rejected { step, plugin, row } in &staged.rejected {
            let failure = Failure::Step { step, plugin: *plugin, cause: row.cause };
            self.bury(batch, raw, row_of(row.offset), failure, &row.reason, uploads)?;
            fates.dead(row_of(row.offset), &row.reason);
        }
        for (offset, step) in &staged.dropped {
            fates.dropped(row_of(*offset), *step);
        }
        // A row is out once, however many tables it goes to.
        fates.out(crate::stage::offsets(&staged.passed), batch);
        for (table, rows) in &staged.tables {
            self.write(table, rows, uploads)?;
        }
        Ok(())
    }

    fn bury(
        &mut self,
        batch: &MessageBatch,
        raw: &RecordBatch,
        row: usize,
        failure: Failure<'_>,
        reason: &str,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let times = raw.column_by_name(columns::EVENT_TIME).expect("a raw batch has its event time");
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let full = self.dead_letters.push(&DeadLetter {
            stream: &self.start.plan.name,
            failure,
            reason,
            event_time_us: times.is_valid(row).then(|| times.value(row)),
            partition: &self.start.partition,
            message: batch.get(row),
        });
        if full { self.write_dead_letters(uploads) } else { Ok(()) }
    }

    fn write_dead_letters(&mut self, uploads: &Uploads) -> Result<(), TaskError> {
        let Some(letters) = self.dead_letters.take_rows()? else { return Ok(()) };
        self.start.figures.taps.offer(Place::DeadLetters, &letters);
        let table = self.start.plan.dead_letters.clone();
        self.write(&table, &letters, uploads)
    }

    fn write(
        &mut self,
        table: &Arc<TableSpec>,
        rows: &RecordBatch,
        uploads: &Uploads,
    ) -> Result<(), TaskError> {
        let name = &table.name;
        *self.counters.rows.entry(name.clone()).or_default() += rows.num_rows() as u64;
        let writer = match self.writers.get_mut(name) {
            Some(writer) => writer,
            None => {
                let TaskStart { sink, partition, epoch, names, .. } = &self.start;
                let (table, sink) = (table.clone(), sink.clone());
                let writer = TableWriter::new(table, sink, partition.clone(), *epoch, names.clone());
                self.writers.entry(name.clone()).or_insert(writer)
            }
        };
        let rolled: Vec<FinishedFile> = writer.write(rows)?;
        self.files.extend(rolled.into_iter().map(|file| uploads.begin(file)));
        Ok(())
    }
}
