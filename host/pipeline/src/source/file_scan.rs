//! Finds the files of a folder that are partitions, and those that only look as if they belonged.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use millstream_model::TopicPartition;

/// What has been found in a folder so far.
pub(super) struct Scan {
    dir: PathBuf,
    topics: Vec<String>,
    found: BTreeSet<TopicPartition>,
    /// Topics and files that were warned of.
    warned: BTreeSet<PathBuf>,
}

impl Scan {
    /// Nothing found yet.
    pub(super) fn new(dir: PathBuf, topics: &[String]) -> Self {
        Self { dir, topics: topics.to_vec(), found: BTreeSet::new(), warned: BTreeSet::new() }
    }

    /// The partitions that were not there the last time, in order. An error names its path.
    pub(super) fn find_new(&mut self) -> Result<Vec<TopicPartition>, (PathBuf, io::Error)> {
        let mut added = Vec::new();
        for topic in self.topics.clone() {
            let folder = self.dir.join(&topic);
            let names = match file_names(&folder) {
                Err(error) if error.kind() == ErrorKind::NotFound && self.dir.is_dir() => Vec::new(),
                names => names.map_err(|error| (folder.clone(), error))?,
            };
            let mut empty = true;
            for name in names {
                match partition_number(&name) {
                    Some(number) => {
                        added.push(TopicPartition::new(topic.as_str(), number));
                        empty = false;
                    }
                    None => self.warn_once(folder.join(name), "ignored: not named <partition number>.jsonl"),
                }
            }
            if empty {
                let first = folder.join("0.jsonl");
                self.warn_once(first, "the topic has no partition yet; waiting for its first file");
            }
        }
        added.retain(|partition| self.found.insert(partition.clone()));
        added.sort();
        Ok(added)
    }

    /// Topics without any partition, as of the last look.
    pub(super) fn missing(&self) -> Vec<String> {
        let has_none = |topic: &&String| !self.found.iter().any(|at| *at.topic == ***topic);
        self.topics.iter().filter(has_none).cloned().collect()
    }

    fn warn_once(&mut self, path: PathBuf, message: &'static str) {
        if self.warned.insert(path.clone()) {
            tracing::warn!(path = %path.display(), "{message}");
        }
    }
}

fn file_names(folder: &Path) -> io::Result<Vec<String>> {
    let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
    fs::read_dir(folder)?.map(name).collect()
}

/// The number of `<number>.jsonl`, written the one way that leads back to the same name.
fn partition_number(name: &str) -> Option<i32> {
    let digits = name.strip_suffix(".jsonl")?;
    let number: i32 = digits.parse().ok()?;
    (number >= 0 && number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::partition_number;

    #[test]
    fn only_plain_numbers_name_a_partition() {
        let check = |name, number| assert_eq!(partition_number(name), number, "{name}");
        check("0.jsonl", Some(0));
        check("12.jsonl", Some(12));
        check("007.jsonl", None);
        check("-1.jsonl", None);
        check("+1.jsonl", None);
        check("0.json", None);
        check(".jsonl", None);
        check("99999999999.jsonl", None);
    }
}
