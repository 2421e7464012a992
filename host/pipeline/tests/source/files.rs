//! What is particular to files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream_model::entry::Position;
use millstream_model::{MessageBatch, TopicPartition};
use millstream_pipeline::source::{self, FilesSettings, SourceEvent, SourceSettings};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::conformance::{self, AMPLE, Connected, WAIT, World, messages, read};
use crate::warnings;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.0.path().join("t").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, content: &[u8]) -> PathBuf {
        let path = self.path("0.jsonl");
        fs::write(&path, content).unwrap();
        path
    }
}

impl World for Folder {
    fn settings(&self) -> SourceSettings {
        settings(self.0.path())
    }

    fn create_topic(&self, topic: &str) {
        fs::create_dir_all(self.0.path().join(topic)).unwrap();
    }

    fn append(&self, partition: &TopicPartition, values: &[&str]) {
        let path = self.0.path().join(format!("{partition}.jsonl"));
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        values.iter().for_each(|value| writeln!(file, "{value}").unwrap());
    }
}

fn settings(dir: &Path) -> SourceSettings {
    let poll_interval = Duration::from_millis(5);
    SourceSettings::Files(FilesSettings { poll_interval, line_bytes_max: 1000, ..FilesSettings::new(dir) })
}

fn partition() -> TopicPartition {
    TopicPartition::new("t", 0)
}

fn append(path: &Path, content: &[u8]) {
    OpenOptions::new().append(true).open(path).unwrap().write_all(content).unwrap();
}

#[test]
fn conforms() {
    conformance::check(&Folder::new());
}

#[test]
fn lines_become_messages() {
    let check = |content: &[u8], expected: &[&str]| {
        let folder = Folder::new();
        folder.write(content);
        let connected = Connected::new(&folder.settings(), &["t"]);
        let mut reader = connected.open(&partition(), None).reader;
        let batch = read(&mut *reader, &partition(), expected.len());
        let values: Vec<_> = messages(&batch).into_iter().map(|(_, value)| value).collect();
        assert_eq!(values, expected);
        assert!(batch.iter().all(|message| message.timestamp_us.is_none() && message.key.is_none()));
    };
    check(b"", &[]);
    check(b"a\nb\n", &["a", "b"]);
    check(b"a\r\nb\r\r\n\r\n", &["a", "b\r", ""]);
    check(b"\n\na\n", &["", "", "a"]);
    check(b"a\nunfinished", &["a"]);
    check(b"a\nb\r", &["a"]);
}

#[test]
fn an_unfinished_line_is_waited_for() {
    let folder = Folder::new();
    let path = folder.write(b"a\n{\"half\":");
    let connected = Connected::new(&folder.settings(), &["t"]);
    let mut reader = connected.open(&partition(), None).reader;
    let first = read(&mut *reader, &partition(), 1);
    assert_eq!(first.cursor(), Some(2));
    append(&path, b"1}\n");
    let second = read(&mut *reader, &partition(), 1);
    assert_eq!(messages(&second), [(1, "{\"half\":1}".to_owned())]);
    assert_eq!(second.cursor(), Some(13));
}

#[test]
fn an_unfinished_line_is_told_once() {
    warnings::keep();
    let folder = Folder::new();
    let path = folder.write(b"a\n{\"half\":");
    let told = || warnings::with(&["WARN", path.to_str().unwrap(), "has no newline"]);
    let connected = Connected::new(&folder.settings(), &["t"]);
    let check = |wait: Duration, expected: usize| {
        let mut reader = connected.open(&partition(), None).reader;
        read(&mut *reader, &partition(), 1);
        let mut rest = MessageBatch::new(partition(), 1);
        reader.fill(&mut rest, AMPLE, wait).unwrap();
        reader.fill(&mut rest, AMPLE, WAIT).unwrap();
        assert!(rest.is_empty());
        drop(reader);
        assert_eq!(told().len(), expected);
        assert!(told()[0].contains("line=1 byte=2"), "{:?}", told());
    };
    check(Duration::ZERO, 1);
    check(Duration::from_millis(1500), 2);
    append(&path, b"1}\n");
    let mut reader = connected.open(&partition(), None).reader;
    read(&mut *reader, &partition(), 2);
    drop(reader);
    assert_eq!(told().len(), 2);
}

#[test]
fn a_file_may_only_grow() {
    let check = |change: &dyn Fn(&Path), expected: &str, expected_on_open: Option<&str>| {
        let folder = Folder::new();
        let path = folder.write(b"first\nsecond\n");
        let connected = Connected::new(&folder.settings(), &["t"]);
        let mut reader = connected.open(&partition(), None).reader;
        let position = Position { offset: 2, cursor: read(&mut *reader, &partition(), 2).cursor() };
        change(&path);
        let mut next = MessageBatch::new(partition(), 2);
        let mut fill = || reader.fill(&mut next, AMPLE, WAIT).unwrap_err().to_string();
        let error = fill();
        assert!(error.contains("t/0.jsonl") && error.contains(expected), "{error}");
        assert_eq!(error, fill());
        assert!(next.is_empty());
        let opened = connected.source.open(&partition(), Some(&position));
        match (opened, expected_on_open) {
            (Err(error), Some(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (opened, expected) => assert_eq!(opened.is_err(), expected.is_some()),
        }
    };
    let only = "below the position 13 already consumed; a topic's file may only grow";
    check(&|path| fs::write(path, b"first\n").unwrap(), "shrank to 6 bytes", Some(only));
    let longer = |path: &Path| fs::write(path, b"first\nsecond, another\n").unwrap();
    check(&longer, "rewritten", Some("no line begins at the position"));
    check(&|path| fs::remove_file(path).unwrap(), "removed or replaced", Some("No such file"));
    let replace = |path: &Path| {
        fs::write(path.with_extension("new"), b"first\nsecond\nthird").unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    };
    check(&replace, "removed or replaced", None);
}

#[test]
fn a_line_that_is_too_long_stops_its_partition_only() {
    let check = |tail: &str| {
        let folder = Folder::new();
        folder.write(format!("ok\n{}{tail}", "x".repeat(1001)).as_bytes());
        let connected = Connected::new(&folder.settings(), &["t"]);
        let mut reader = connected.open(&partition(), None).reader;
        let mut batch = MessageBatch::new(partition(), 0);
        reader.fill(&mut batch, AMPLE, WAIT).expect("the messages before the long line come first");
        assert_eq!((messages(&batch), batch.cursor()), (vec![(0, "ok".to_owned())], Some(3)));
        for _ in 0..2 {
            let error = reader.fill(&mut batch, AMPLE, WAIT).unwrap_err().to_string();
            let expected = "0.jsonl: line 1 (offset 1, counted from 0) is longer than 1000 bytes";
            assert!(error.contains(expected), "{error}");
            assert_eq!(batch.len(), 1);
        }
    };
    check("\nafter\n");
    check("");
}

#[test]
fn a_position_behind_the_last_line_is_an_error() {
    let folder = Folder::new();
    folder.write(b"a\n");
    let connected = Connected::new(&folder.settings(), &["t"]);
    let position = Position { offset: i64::MAX, cursor: None };
    let error = connected.source.open(&partition(), Some(&position)).err().unwrap().to_string();
    assert!(error.contains("fewer lines than were already consumed"), "{error}");
}

#[test]
fn files_and_topics_that_come_later_are_assigned() {
    let folder = Folder::new();
    fs::write(folder.path("0.jsonl"), b"").unwrap();
    fs::write(folder.path("notes.txt"), b"").unwrap();
    fs::write(folder.path("007.jsonl"), b"").unwrap();
    let mut connected = Connected::new(&folder.settings(), &["t", "late"]);
    connected.assigned(&[partition()]);
    fs::write(folder.path("3.jsonl"), b"").unwrap();
    connected.assigned(&[TopicPartition::new("t", 3)]);
    folder.create_topic("late");
    folder.append(&TopicPartition::new("late", 0), &["x"]);
    connected.assigned(&[TopicPartition::new("late", 0)]);
}

#[test]
fn a_topic_without_files_is_named_once() {
    warnings::keep();
    let folder = Folder::new();
    folder.create_topic("empty");
    let mut connected = Connected::new(&folder.settings(), &["empty", "absent", "t"]);
    let all = ["empty", "absent", "t"];
    assert!(matches!(connected.next_event(), Some(SourceEvent::Missing(topics)) if topics == all));
    assert!(matches!(connected.next_event(), Some(SourceEvent::Assigned(none)) if none.is_empty()));
    folder.write(b"");
    connected.assigned(&[partition()]);
    for topic in ["empty", "absent"] {
        let path = folder.0.path().join(topic).join("0.jsonl");
        assert_eq!(warnings::with(&["WARN", path.to_str().unwrap()]).len(), 1, "{topic}");
    }
}

#[test]
fn a_new_folder_at_the_same_path_is_another_source() {
    let root = TempDir::new().unwrap();
    let dir = root.path().join("in");
    let identity = || {
        fs::create_dir_all(&dir).unwrap();
        Connected::new(&settings(&dir), &["t"]).source.identity().to_owned()
    };
    let first = identity();
    assert!(first.starts_with("files:"), "{first}");
    assert_eq!(first, identity());
    fs::remove_dir_all(&dir).unwrap();
    assert_ne!(first, identity());
}

#[test]
fn a_folder_that_cannot_be_read_is_named() {
    let check = |dir: &Path, expected: &str| {
        let (sender, _events) = mpsc::channel(1);
        let error = source::connect(&settings(dir), &[], sender).err().unwrap().to_string();
        assert!(error.starts_with("source.files.dir: ") && error.contains(expected), "{error}");
    };
    let root = TempDir::new().unwrap();
    check(&root.path().join("absent"), "No such file");
    fs::write(root.path().join("file"), b"").unwrap();
    check(&root.path().join("file"), "Not a directory");
    fs::write(root.path().join(".millstream-source-id"), b"nonsense").unwrap();
    check(root.path(), "does not hold 32 hexadecimal digits");
}

#[test]
fn a_folder_that_cannot_be_written_has_an_identity() {
    let folder = Folder::new();
    folder.write(b"a\n");
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let identity = || Connected::new(&folder.settings(), &["t"]).source.identity().to_owned();
    let (first, second) = (identity(), identity());
    fs::set_permissions(folder.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(first, second);
}
