//! Compares what two versions of a step made of the same batch, and sums up. Rows belong together by the offset
//! of their message and their number among its rows; whole columns are compared at a time, and nothing is looked
//! at row by row but what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use millstream_engine::{Cause, Output, RejectedRow, Step, StepOutput};
use millstream_model::Offset;

use super::align::Aligned;
use super::columns::Columns;
use super::example;
use super::found::{Found, Kind, Messages, Who};
use super::report::{ShadowReport, SideReport};
use super::values::differing;
use crate::stage::offsets;

/// Kinds of differences that are counted by themselves.
const KINDS_MAX: usize = 256;
/// What further kinds are counted under.
const OTHER_KINDS: &str = "other";

/// What rows a version makes.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Rows that it passes on.
    pub(super) rows: SchemaRef,
    /// Its other outputs.
    pub(super) outputs: Vec<Output>,
}

impl Shape {
    pub(super) fn of(step: &Step) -> Self {
        Self { rows: step.output_schema(), outputs: step.outputs().to_vec() }
    }
}

/// What a version made of a batch.
#[derive(Clone, Copy)]
pub(super) struct Made<'a> {
    pub(super) output: &'a StepOutput,
    pub(super) busy: Duration,
}

/// Compares batch after batch.
pub(super) struct Comparer {
    rows: Columns,
    outputs: Vec<ComparedOutput>,
    report: ShadowReport,
    /// Kinds of the report's examples.
    exemplified: Vec<Kind>,
}

/// An output that either version has.
pub(super) struct ComparedOutput {
    pub(super) name: Arc<str>,
    live: Place,
    candidate: Place,
    columns: Columns,
}

/// Where a version has an output.
struct Place {
    /// Its number, if the version has it.
    number: Option<usize>,
    /// What the version made if it made nothing.
    nothing: RecordBatch,
}

impl Comparer {
    pub(super) fn new(live: &Shape, candidate: &Shape) -> Self {
        let mut report = ShadowReport::default();
        let rows = Columns::new(None, &live.rows, &candidate.rows, &mut report);
        let names: BTreeSet<&str> =
            live.outputs.iter().chain(&candidate.outputs).map(|output| output.name.as_str()).collect();
        let outputs =
            names.into_iter().map(|name| ComparedOutput::new(name, live, candidate, &mut report)).collect();
        Self { rows, outputs, report, exemplified: Vec::new() }
    }

    /// What was seen so far.
    pub(super) fn report(&self) -> &ShadowReport {
        &self.report
    }

    /// As [`Comparer::report`], to add what is not found by comparing.
    pub(super) fn report_mut(&mut self) -> &mut ShadowReport {
        &mut self.report
    }

    /// Compares what the versions made of `input`.
    pub(super) fn compare(
        &mut self,
        input: &RecordBatch,
        live: Made<'_>,
        candidate: Made<'_>,
    ) -> Result<(), ArrowError> {
        self.report.batches += 1;
        self.report.rows += input.num_rows() as u64;
        count(&mut self.report.live, live);
        count(&mut self.report.candidate, candidate);
        let (live, candidate) = (live.output, candidate.output);
        let mut found = Found::new(Messages::new(offsets(input)));
        self.report.newly_failed += compare_rejected(&mut found, &live.rejected, &candidate.rejected);
        compare_dropped(&mut found, &live.dropped, &candidate.dropped);
        let column = |name: &Arc<str>| Kind::Column(name.clone());
        let uneven = compare_rows(&mut found, &self.rows, &live.passed, &candidate.passed, column)?;
        for number in uneven {
            // Where one version rejects or drops a message, that says it.
            if found
                .has_none(number, |kind| matches!(kind, Kind::Rejects(_) | Kind::Fails(..) | Kind::Drops(_)))
            {
                found.note(&Kind::Rows, number);
            }
        }
        for output in &self.outputs {
            let (live, candidate) = (output.of_live(live), output.of_candidate(candidate));
            let column = |name: &Arc<str>| Kind::OutputColumn(output.name.clone(), name.clone());
            for number in compare_rows(&mut found, &output.columns, live, candidate, column)? {
                found.note(&Kind::OutputRows(output.name.clone()), number);
            }
        }
        self.sum_up(&found);
        example::collect(self, &found, input, live, candidate)
    }

    fn sum_up(&mut self, found: &Found) {
        let differences = &mut self.report.differences;
        for (kind, rows) in found.rows_by_kind() {
            let name = kind.to_string();
            let is_known = differences.contains_key(&name) || differences.len() < KINDS_MAX;
            *differences.entry(if is_known { name } else { OTHER_KINDS.to_owned() }).or_default() += rows;
        }
        self.report.rows_different += found.rows();
    }

    /// The columns that both versions' rows have.
    pub(super) fn columns(&self) -> &Columns {
        &self.rows
    }

    /// The outputs that either version has.
    pub(super) fn outputs(&self) -> &[ComparedOutput] {
        &self.outputs
    }

    /// The examples so far, and of which kind each is.
    pub(super) fn examples(&mut self) -> (&mut Vec<super::Difference>, &mut Vec<Kind>) {
        (&mut self.report.examples, &mut self.exemplified)
    }
}

impl ComparedOutput {
    fn new(name: &str, live: &Shape, candidate: &Shape, report: &mut ShadowReport) -> Self {
        let number = |shape: &Shape| shape.outputs.iter().position(|output| output.name == name);
        let (in_live, in_candidate) = (number(live), number(candidate));
        let schema = |shape: &Shape, number: Option<usize>| Some(shape.outputs[number?].schema.clone());
        let (left, right) = (schema(live, in_live), schema(candidate, in_candidate));
        // Of an output that only one has, all rows are different; its columns say nothing more.
        let columns = match (&left, &right) {
            (Some(left), Some(right)) => Columns::new(Some(name), left, right, report),
            _ => Columns::default(),
        };
        let any = left.clone().or_else(|| right.clone()).expect("one of them has it");
        let place = |number, schema: Option<SchemaRef>| Place {
            number,
            nothing: RecordBatch::new_empty(schema.unwrap_or_else(|| any.clone())),
        };
        let (live, candidate) = (place(in_live, left), place(in_candidate, right));
        Self { name: name.into(), live, candidate, columns }
    }

    /// The rows that the live version made for it.
    pub(super) fn of_live<'a>(&'a self, output: &'a StepOutput) -> &'a RecordBatch {
        self.live.rows(output)
    }

    /// The rows that the candidate made for it.
    pub(super) fn of_candidate<'a>(&'a self, output: &'a StepOutput) -> &'a RecordBatch {
        self.candidate.rows(output)
    }

    /// The columns that both versions' rows for it have.
    pub(super) fn columns(&self) -> &Columns {
        &self.columns
    }
}

impl Place {
    fn rows<'a>(&'a self, output: &'a StepOutput) -> &'a RecordBatch {
        let emitted = output.emitted.iter().find(|(number, _)| Some(*number) == self.number);
        emitted.map_or(&self.nothing, |(_, rows)| rows)
    }
}

fn count(side: &mut SideReport, made: Made<'_>) {
    let Made { output, busy } = made;
    let emitted = || output.emitted.iter().map(|(_, rows)| rows);
    side.passed += output.passed.num_rows() as u64;
    side.dropped += output.dropped.len() as u64;
    side.emitted += emitted().map(|rows| rows.num_rows() as u64).sum::<u64>();
    side.busy_seconds += busy.as_secs_f64();
    side.bytes += emitted().chain([&output.passed]).map(bytes).sum::<u64>();
    for row in &output.rejected {
        *side.rejected.entry(row.cause.to_string()).or_default() += 1;
    }
}

fn bytes(rows: &RecordBatch) -> u64 {
    let bytes =
        |column: &arrow::array::ArrayRef| column.to_data().get_slice_memory_size().unwrap_or_default();
    rows.columns().iter().map(|column| bytes(column) as u64).sum()
}

/// Notes the messages with other values; gives those of which the versions made different numbers of rows.
fn compare_rows(
    found: &mut Found,
    columns: &Columns,
    live: &RecordBatch,
    candidate: &RecordBatch,
    kind: impl Fn(&Arc<str>) -> Kind,
) -> Result<Vec<usize>, ArrowError> {
    let live_offsets = offsets(live);
    let aligned = Aligned::new(live_offsets, offsets(candidate));
    for column in columns.shared() {
        let (left, right) = aligned.columns(live.column(column.live), candidate.column(column.candidate))?;
        let Some(different) = differing(&left, &right)? else { continue };
        let kind = kind(&column.name);
        for pair in different.set_indices() {
            let number = found.messages.number(live_offsets[aligned.live_row(pair)]);
            found.note(&kind, number);
        }
    }
    Ok(aligned.alone.iter().map(|offset| found.messages.number(*offset)).collect())
}

/// Notes the messages that are rejected by one version alone, or for another reason; gives the rows at which
/// only the candidate fails.
fn compare_rejected(found: &mut Found, live: &[RejectedRow], candidate: &[RejectedRow]) -> u64 {
    if live == candidate {
        return 0;
    }
    let by_message = |rows: &[RejectedRow]| {
        let mut by_message: BTreeMap<usize, Vec<RejectedRow>> = BTreeMap::new();
        for row in rows {
            by_message.entry(found.messages.number(row.offset)).or_default().push(row.clone());
        }
        by_message
    };
    let (live, candidate) = (by_message(live), by_message(candidate));
    let mut newly_failed = 0;
    for number in live.keys().chain(candidate.keys()).copied().collect::<BTreeSet<_>>() {
        let (live, candidate) = (rows_of(&live, number), rows_of(&candidate, number));
        if live == candidate {
            continue;
        }
        let kinds = kinds_of_rejection(live, candidate);
        let failed =
            |rows: &[RejectedRow]| rows.iter().filter(|row| row.cause != Cause::Plugin).count() as u64;
        newly_failed += failed(candidate).saturating_sub(failed(live));
        kinds.iter().for_each(|kind| found.note(kind, number));
    }
    newly_failed
}

fn rows_of(by_message: &BTreeMap<usize, Vec<RejectedRow>>, number: usize) -> &[RejectedRow] {
    by_message.get(&number).map_or(&[], Vec::as_slice)
}

/// In what the rejections of one message differ, which they do.
fn kinds_of_rejection(live: &[RejectedRow], candidate: &[RejectedRow]) -> Vec<Kind> {
    let count = |rows: &[RejectedRow], cause| rows.iter().filter(|row| row.cause == cause).count();
    let mut kinds = Vec::new();
    for cause in Cause::ALL {
        let who = match count(live, cause).cmp(&count(candidate, cause)) {
            std::cmp::Ordering::Equal => continue,
            std::cmp::Ordering::Less => Who::Candidate,
            std::cmp::Ordering::Greater => Who::Live,
        };
        kinds.push(if cause == Cause::Plugin { Kind::Rejects(who) } else { Kind::Fails(who, cause) });
    }
    if kinds.is_empty() { vec![Kind::Reason] } else { kinds }
}

fn compare_dropped(found: &mut Found, live: &[Offset], candidate: &[Offset]) {
    if live == candidate {
        return;
    }
    let mut more: BTreeMap<usize, i64> = BTreeMap::new();
    live.iter().for_each(|offset| *more.entry(found.messages.number(*offset)).or_default() -= 1);
    candidate.iter().for_each(|offset| *more.entry(found.messages.number(*offset)).or_default() += 1);
    for (number, more) in more.into_iter().filter(|(_, more)| *more != 0) {
        let who = if more > 0 { Who::Candidate } else { Who::Live };
        found.note(&Kind::Drops(who), number);
    }
}
