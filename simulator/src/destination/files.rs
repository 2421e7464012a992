//! Files as a target: `<directory>/<topic>/<partition>.jsonl`, appended to in whole lines.
//!
//! Lines are buffered and leave in one write; if a write fails half way, the file is cut back to its last
//! whole line, so a reader never finds half a message followed by another.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::{Delivered, Offer, partitioner::partition_of};
use crate::feed::Message;

/// A file's buffer is written out when it is this large, or at the next flush.
const BUFFER_BYTES: usize = 64 << 10;

/// The open files of every topic.
pub struct FilesTarget {
    topics: Vec<TopicFiles>,
    partitions: Vec<u32>,
}

struct TopicFiles {
    files: Vec<PartitionFile>,
    keyless: u32,
    acknowledged: u64,
}

struct PartitionFile {
    path: PathBuf,
    file: File,
    bytes_written: u64,
    buffer: Vec<u8>,
    messages_buffered: u64,
}

impl FilesTarget {
    /// Opens the partitions a topic has; a topic with none gets `partitions` of them (one, if not given).
    pub fn open(directory: &Path, topics: &[String], partitions: Option<u32>) -> Result<Self> {
        let topics: Vec<TopicFiles> = topics
            .iter()
            .map(|topic| TopicFiles::open(&directory.join(topic), partitions))
            .collect::<Result<_>>()?;
        let partitions = topics.iter().map(|topic| topic.files.len() as u32).collect();
        Ok(Self { topics, partitions })
    }

    /// Buffers the message as a line of its partition; without a key, of each partition in turn.
    pub fn offer(&mut self, message: &Message) -> Result<Offer> {
        let topic = &mut self.topics[message.topic];
        let partitions = topic.files.len() as u32;
        let partition = match message.key() {
            Some(key) => partition_of(key, partitions),
            None => {
                topic.keyless = (topic.keyless + 1) % partitions;
                topic.keyless
            }
        };
        topic.acknowledged += topic.files[partition as usize].append(&message.payload)?;
        Ok(Offer::Taken)
    }

    /// Writes out every buffer.
    pub fn flush(&mut self) -> Result<()> {
        for topic in &mut self.topics {
            for file in &mut topic.files {
                topic.acknowledged += file.flush()?;
            }
        }
        Ok(())
    }

    /// Lines written, by topic. A write that fails ends the run, so none counts as failed.
    pub fn delivered(&self) -> Vec<Delivered> {
        self.topics.iter().map(|topic| Delivered { acknowledged: topic.acknowledged, failed: 0 }).collect()
    }

    /// The number of files by topic.
    pub fn partitions(&self) -> &[u32] {
        &self.partitions
    }
}

impl TopicFiles {
    fn open(directory: &Path, partitions: Option<u32>) -> Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let path = |partition: u32| directory.join(format!("{partition}.jsonl"));
        let existing = (0..).take_while(|&partition| path(partition).exists()).count() as u32;
        if let (1.., Some(asked)) = (existing, partitions)
            && asked != existing
        {
            bail!(
                "{} has {existing} partitions, not {asked}: leave --partitions out or choose another folder",
                directory.display()
            );
        }
        let count = if existing > 0 { existing } else { partitions.unwrap_or(1) };
        let files =
            (0..count).map(|partition| PartitionFile::open(path(partition))).collect::<Result<_>>()?;
        Ok(Self { files, keyless: 0, acknowledged: 0 })
    }
}

impl PartitionFile {
    fn open(path: PathBuf) -> Result<Self> {
        let context = || format!("cannot open {}", path.display());
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).open(&path).with_context(context)?;
        let bytes_written = file.seek(SeekFrom::End(0)).with_context(context)?;
        if bytes_written > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).with_context(context)?;
            ensure!(
                last == *b"\n",
                "{} ends in an unfinished line: finish or remove that line first",
                path.display()
            );
        }
        Ok(Self { path, file, bytes_written, buffer: Vec::with_capacity(BUFFER_BYTES), messages_buffered: 0 })
    }

    /// Returns how many messages reached the file.
    fn append(&mut self, line: &[u8]) -> Result<u64> {
        self.buffer.extend_from_slice(line);
        self.buffer.push(b'\n');
        self.messages_buffered += 1;
        if self.buffer.len() < BUFFER_BYTES { Ok(0) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<u64> {
        if let Err(error) = self.file.write_all(&self.buffer) {
            // The write may have stopped inside a line. If even this fails, the next start says so.
            let _ = self.file.set_len(self.bytes_written);
            return Err(error).with_context(|| format!("cannot write {}", self.path.display()));
        }
        self.bytes_written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(std::mem::take(&mut self.messages_buffered))
    }
}
