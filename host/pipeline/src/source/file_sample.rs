//! A sample of a topic that is files, and any other span of it. Lines are counted by one pass over each
//! file, which says where the newest ones begin.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::entry::Position;
use millstream_model::{MessageBatch, Offset, OffsetRange, TopicPartition};

use super::file_reader::FileReader;
use super::file_scan::Scan;
use super::sample::{self, BATCH, Ends, SampleSize};
use super::{FilesSettings, FillLimits, PartitionReader as _, SourceError, SourceSettings, files};

/// Bytes that one read asks for.
const READ_BYTES: usize = 256 << 10;

/// See [`sample::sample`].
pub(super) fn sample(
    settings: &FilesSettings,
    topic: &str,
    limit: u64,
    visit: &mut dyn FnMut(&MessageBatch),
) -> Result<SampleSize, SourceError> {
    files::check(settings)?;
    let ends = ends(settings, topic)?;
    let size = sample::size(&ends);
    for (partition, span) in sample::spans(ends, limit) {
        read(settings, &partition, span, &mut |batch| {
            visit(batch);
            ControlFlow::Continue(())
        })?;
    }
    Ok(size)
}

/// Where the partitions of a topic that must exist end.
pub(super) fn ends(settings: &FilesSettings, topic: &str) -> Result<Ends, SourceError> {
    if !settings.dir.join(topic).is_dir() {
        return Err(sample::no_topic(SourceSettings::Files(settings.clone()), topic, topics(&settings.dir)));
    }
    let partitions = Scan::new(settings.dir.clone(), &[topic.to_owned()])
        .find_new()
        .map_err(|(path, error)| SourceError::Folder { path, error })?;
    let mut ends = Vec::new();
    for partition in partitions {
        let lines = count_lines(&files::path(settings, &partition))?;
        ends.push((partition, OffsetRange::new(0, lines)));
    }
    Ok(ends)
}

/// Reads one span, in batches, until `visit` has enough.
pub(super) fn read(
    settings: &FilesSettings,
    partition: &TopicPartition,
    span: OffsetRange,
    visit: &mut dyn FnMut(&MessageBatch) -> ControlFlow<()>,
) -> Result<(), SourceError> {
    let position = Position { offset: span.start, cursor: None };
    let path = files::path(settings, partition);
    let mut reader = FileReader::open(path, Some(&position), settings, Arc::default())?;
    let mut next = span.start;
    while next < span.end {
        let mut batch = MessageBatch::new(partition.clone(), next);
        let rows = BATCH.rows.min((span.end - next) as usize);
        reader.fill(&mut batch, FillLimits { rows, ..BATCH }, Duration::ZERO)?;
        next = batch.range().end;
        if batch.is_empty() || visit(&batch).is_break() {
            break;
        }
    }
    Ok(())
}

/// Lines of a file that end.
pub(super) fn count_lines(path: &Path) -> Result<Offset, SourceError> {
    let unreadable = |error| SourceError::Read { path: path.to_owned(), error };
    let mut reader = BufReader::with_capacity(READ_BYTES, File::open(path).map_err(unreadable)?);
    let mut lines = 0;
    loop {
        let read = reader.fill_buf().map_err(unreadable)?;
        if read.is_empty() {
            return Ok(lines);
        }
        lines += read.iter().filter(|byte| **byte == b'\n').count() as Offset;
        let bytes = read.len();
        reader.consume(bytes);
    }
}

fn topics(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
