//! Reads one `<partition>.jsonl`: a line is a message, its number from 0 the offset, the byte where
//! it begins the cursor. The value is the line without its `\n` and one `\r` before that; an empty
//! line is a message with an empty value. Messages have no key and no timestamp. A last line
//! without `\n` is still being written and is waited for.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream_model::entry::Position;
use millstream_model::{MessageBatch, MessageRef, Offset};

use super::{FilesSettings, FillLimits, PartitionReader, SourceError};

/// Bytes that one read asks for.
const READ_BYTES: usize = 256 << 10;
/// Bytes before the end of the file that must still be the same when it has grown.
const TAIL_BYTES: u64 = 64;

/// How long the end of a file must rest before an unfinished line at it is worth a word.
const UNFINISHED_AFTER: Duration = Duration::from_secs(1);

/// A last line without `\n`, as it was seen at the end of the file.
struct Unfinished {
    /// Byte where the file ended.
    end: u64,
    /// Since when it ends there.
    since: Instant,
}

/// Reads one file.
pub(super) struct FileReader {
    path: PathBuf,
    file: File,
    poll_interval: Duration,
    line_bytes_max: usize,
    /// Set when the source stops.
    stopped: Arc<AtomicBool>,
    /// Number of the next line.
    next: Offset,
    /// Byte where the next line begins.
    cursor: u64,
    /// Bytes of the file; those before `taken` belong to lines that were handed out.
    buffer: Vec<u8>,
    taken: usize,
    /// Bytes before this index are known to hold no `\n` behind `taken`.
    scanned: usize,
    /// The last bytes of the file, if the end of it has been seen.
    tail: Option<Vec<u8>>,
    unfinished: Option<Unfinished>,
    /// Number of the last line that was said to be unfinished.
    warned: Option<Offset>,
}

impl FileReader {
    /// Opens `path` at `position`, or at its beginning.
    pub(super) fn open(
        path: PathBuf,
        position: Option<&Position>,
        settings: &FilesSettings,
        stopped: Arc<AtomicBool>,
    ) -> Result<Self, SourceError> {
        let file = File::open(&path).map_err(|error| SourceError::Read { path: path.clone(), error })?;
        let next = position.map_or(0, |position| position.offset);
        let cursor = match position.map(|position| position.cursor) {
            None => 0,
            Some(Some(cursor)) => check_cursor(&path, &file, cursor)?,
            Some(None) => find_line(&path, &file, next)?,
        };
        Ok(Self {
            path,
            file,
            poll_interval: settings.poll_interval,
            line_bytes_max: settings.line_bytes_max,
            stopped,
            next,
            cursor,
            buffer: Vec::new(),
            taken: 0,
            scanned: 0,
            tail: None,
            unfinished: None,
            warned: None,
        })
    }

    /// Moves complete lines from the buffer to the batch.
    fn take_lines(&mut self, batch: &mut MessageBatch, limits: FillLimits) -> Result<(), SourceError> {
        while !limits.reached(batch) {
            let Some(line_end) = self.find_line_end() else { break };
            let line = &self.buffer[self.taken..line_end];
            if line.len() > self.line_bytes_max {
                return Err(self.too_long());
            }
            let value = line.strip_suffix(b"\r").unwrap_or(line);
            batch
                .push(MessageRef {
                    offset: self.next,
                    timestamp_us: None,
                    key: None,
                    value: Some(value),
                    headers: &[],
                })
                .expect("the limit on bytes leaves room for one more line");
            self.cursor += (line_end + 1 - self.taken) as u64;
            self.next += 1;
            self.taken = line_end + 1;
            batch.set_cursor(self.cursor);
        }
        if self.buffer.len() - self.taken > self.line_bytes_max && self.find_line_end().is_none() {
            return Err(self.too_long());
        }
        Ok(())
    }

    /// Index of the `\n` that ends the next line, if it is in the buffer.
    fn find_line_end(&mut self) -> Option<usize> {
        let from = self.scanned.max(self.taken);
        let mut rest = &self.buffer[from..];
        let skipped = rest.skip_until(b'\n').expect("a slice can always be read");
        let found = skipped.checked_sub(1).map(|last| from + last).filter(|&at| self.buffer[at] == b'\n');
        self.scanned = found.unwrap_or(self.buffer.len());
        found
    }

    fn too_long(&self) -> SourceError {
        SourceError::LineTooLong { path: self.path.clone(), line: self.next, bytes_max: self.line_bytes_max }
    }

    /// Byte of the file that the buffer ends before.
    fn read_position(&self) -> u64 {
        self.cursor + (self.buffer.len() - self.taken) as u64
    }

    /// Reads on; false at the end of the file.
    fn read_more(&mut self) -> Result<bool, SourceError> {
        self.buffer.drain(..self.taken);
        self.scanned -= self.taken.min(self.scanned);
        self.taken = 0;
        let at = self.read_position();
        let kept = self.buffer.len();
        self.buffer.resize(kept + READ_BYTES, 0);
        let read = self.file.read_at(&mut self.buffer[kept..], at);
        self.buffer.truncate(kept + *read.as_ref().unwrap_or(&0));
        let read = read.map_err(|error| self.unreadable(error))?;
        let checked = if read == 0 { self.check_end(at) } else { self.check_growth(at) };
        if checked.is_err() {
            self.buffer.truncate(kept);
        }
        checked.map(|()| read > 0)
    }

    /// At the end: the file must still be there, the same, and as long as what was read.
    fn check_end(&mut self, end: u64) -> Result<(), SourceError> {
        let open = self.file.metadata().map_err(|error| self.unreadable(error))?;
        if open.len() < end {
            return Err(SourceError::Shrank { path: self.path.clone(), bytes: open.len(), cursor: end });
        }
        let same = match fs::metadata(&self.path) {
            Ok(named) => (named.dev(), named.ino()) == (open.dev(), open.ino()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(self.unreadable(error)),
        };
        if !same {
            return Err(self.rewritten("was removed or replaced"));
        }
        if self.tail.is_none() {
            self.tail = Some(self.read_tail(end)?);
        }
        Ok(())
    }

    /// Behind what was once the end: the bytes before it must be those that were there.
    fn check_growth(&mut self, end: u64) -> Result<(), SourceError> {
        let Some(tail) = self.tail.take() else { return Ok(()) };
        if self.read_tail(end)? == tail {
            return Ok(());
        }
        self.tail = Some(tail);
        Err(self.rewritten("was rewritten before the position already consumed"))
    }

    /// Notes at the end of the file whether a line waits for the rest of it, and says so after a while.
    fn note_unfinished(&mut self) {
        let end = self.read_position();
        match &self.unfinished {
            Some(seen) if seen.end == end => {
                if seen.since.elapsed() >= UNFINISHED_AFTER {
                    self.warn_unfinished();
                }
            }
            _ => {
                self.unfinished = (end > self.cursor).then(|| Unfinished { end, since: Instant::now() });
            }
        }
    }

    fn warn_unfinished(&mut self) {
        if self.warned.replace(self.next) != Some(self.next) {
            tracing::warn!(
                file = %self.path.display(),
                line = self.next,
                byte = self.cursor,
                "the last line (counted from 0, as offsets are) has no newline; it is read once it ends with one"
            );
        }
    }

    fn read_tail(&self, end: u64) -> Result<Vec<u8>, SourceError> {
        let length = end.min(TAIL_BYTES);
        let mut tail = vec![0; length as usize];
        self.file.read_exact_at(&mut tail, end - length).map_err(|error| self.unreadable(error))?;
        Ok(tail)
    }

    fn unreadable(&self, error: io::Error) -> SourceError {
        SourceError::Read { path: self.path.clone(), error }
    }

    fn rewritten(&self, change: &'static str) -> SourceError {
        SourceError::Rewritten { path: self.path.clone(), change }
    }
}

impl Drop for FileReader {
    /// A run may end before an unfinished line has rested long enough.
    fn drop(&mut self) {
        if self.unfinished.as_ref().is_some_and(|seen| seen.end > self.cursor) {
            self.warn_unfinished();
        }
    }
}

impl PartitionReader for FileReader {
    fn fill(
        &mut self,
        batch: &mut MessageBatch,
        limits: FillLimits,
        wait: Duration,
    ) -> Result<(), SourceError> {
        let deadline = Instant::now() + wait;
        let before = batch.len();
        batch.set_cursor(self.cursor);
        loop {
            if self.stopped.load(Ordering::Acquire) {
                return Err(SourceError::Stopped);
            }
            if let Err(error) = self.take_lines(batch, limits) {
                // What was taken now goes first: the error comes again at the next call.
                return if batch.len() > before { Ok(()) } else { Err(error) };
            }
            if limits.reached(batch) {
                return Ok(());
            }
            if self.read_more()? {
                continue;
            }
            self.note_unfinished();
            let left = deadline.saturating_duration_since(Instant::now());
            if !batch.is_empty() || left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(self.poll_interval));
        }
    }

    fn position(&self) -> Position {
        Position { offset: self.next, cursor: Some(self.cursor) }
    }

    /// Known only when the end has been reached: lines that were not read are not counted.
    fn end_offset(&self) -> Option<Offset> {
        self.tail.as_ref().map(|_| self.next)
    }
}

/// A cursor must be the beginning of a line of the file.
fn check_cursor(path: &Path, file: &File, cursor: u64) -> Result<u64, SourceError> {
    let unreadable = |error| SourceError::Read { path: path.to_owned(), error };
    let bytes = file.metadata().map_err(unreadable)?.len();
    if bytes < cursor {
        return Err(SourceError::Shrank { path: path.to_owned(), bytes, cursor });
    }
    let mut before = *b"\n";
    if cursor > 0 {
        file.read_exact_at(&mut before, cursor - 1).map_err(unreadable)?;
    }
    if before != *b"\n" {
        let change = "was rewritten: no line begins at the position already consumed";
        return Err(SourceError::Rewritten { path: path.to_owned(), change });
    }
    Ok(cursor)
}

/// Byte where line number `line` begins, by counting.
fn find_line(path: &Path, file: &File, line: Offset) -> Result<u64, SourceError> {
    let unreadable = |error| SourceError::Read { path: path.to_owned(), error };
    let mut reader = BufReader::with_capacity(READ_BYTES, file);
    let mut cursor = 0;
    for _ in 0..line {
        match reader.skip_until(b'\n').map_err(unreadable)? {
            0 => {
                let change = "has fewer lines than were already consumed";
                return Err(SourceError::Rewritten { path: path.to_owned(), change });
            }
            bytes => cursor += bytes as u64,
        }
    }
    check_cursor(path, file, cursor)
}
