//! Apache Kafka for one test: started by the project's own script, gone when the test is.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A broker of its own on a free loopback port.
pub struct Kafka {
    folder: PathBuf,
    /// Address, as `127.0.0.1:12345`.
    pub brokers: String,
}

/// A record as it was consumed.
#[derive(Debug)]
pub struct Record {
    /// Headers by key.
    pub headers: BTreeMap<String, String>,
    /// The value.
    pub value: String,
}

impl Kafka {
    /// Starts a broker that keeps its data in `folder`; a later start there is the same cluster.
    pub fn start(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), brokers: start(folder) }
    }

    /// Ends the broker as a crash does.
    pub fn kill(&self) {
        self.call(&["kill", &self.folder.to_string_lossy()]);
    }

    /// Brings a broker that was killed back at its address.
    pub fn start_again(&self) {
        assert_eq!(start(&self.folder), self.brokers, "another program has taken the broker's port");
    }

    /// Creates a topic.
    pub fn topic(&self, name: &str, partitions: u32) {
        self.topic_with(name, partitions, &[]);
    }

    /// Creates a topic with settings of its own, as `max.message.bytes=60000`.
    pub fn topic_with(&self, name: &str, partitions: u32, settings: &[&str]) {
        let (folder, partitions) = (self.folder.to_string_lossy(), partitions.to_string());
        let mut args = vec!["topic", &folder, name, "--partitions", &partitions];
        args.extend(settings.iter().flat_map(|setting| ["--config", setting]));
        self.call(&args);
    }

    /// Produces one message a line of `text` with Kafka's own console producer, which is not our client.
    pub fn produce(&self, topic: &str, text: &str) {
        self.produce_with(topic, text, &[]);
    }

    /// As [`Kafka::produce`], each line a key, a tab and a value.
    pub fn produce_keyed(&self, topic: &str, text: &str) {
        self.produce_with(topic, text, &["--property", "parse.key=true"]);
    }

    fn produce_with(&self, topic: &str, text: &str, options: &[&str]) {
        let folder = self.folder.to_string_lossy();
        let mut producer = script(&[&["console-producer", &folder, topic], options].concat())
            .stdin(Stdio::piped())
            .spawn()
            .expect("scripts/kafka is a bash script");
        let mut input = producer.stdin.take().expect("stdin is piped");
        input.write_all(text.as_bytes()).expect("the producer reads its input");
        drop(input);
        assert!(producer.wait().expect("the producer is ours").success(), "the console producer failed");
    }

    /// The records of a topic from its beginning, as Kafka's own console consumer shows them, until no more come.
    pub fn consume(&self, topic: &str) -> Vec<Record> {
        const HEADER: &str = "~|~";
        const VALUE: &str = "~#~";
        let properties = [
            "print.headers=true".to_owned(),
            format!("headers.separator={HEADER}"),
            format!("key.separator={VALUE}"),
        ];
        let folder = self.folder.to_string_lossy();
        let mut args = vec!["console-consumer", &folder, topic, "--from-beginning", "--timeout-ms", "8000"];
        args.extend(properties.iter().flat_map(|property| ["--property", property]));
        let output = script(&args).output().expect("scripts/kafka is a bash script");
        let text = String::from_utf8(output.stdout).expect("the messages are text");
        let record = |line: &str| {
            let (headers, value) = line.split_once(VALUE)?;
            let headers = headers.split(HEADER).filter_map(|header| header.split_once(':'));
            let headers = headers.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
            Some(Record { headers, value: value.to_owned() })
        };
        text.lines().map(|line| record(line).unwrap_or_else(|| panic!("not a record: {line}"))).collect()
    }

    /// Takes part in a consumer group with Kafka's own console consumer until a record has come.
    pub fn consume_one_of_group(&self, topic: &str, group: &str) -> bool {
        let folder = self.folder.to_string_lossy();
        let args = [
            "console-consumer",
            &folder,
            topic,
            "--group",
            group,
            "--max-messages",
            "1",
            "--timeout-ms",
            "60000",
        ];
        let output = script(&args).output().expect("scripts/kafka is a bash script");
        output.stdout.iter().filter(|byte| **byte == b'\n').count() == 1
    }

    /// Deletes a topic.
    pub fn delete_topic(&self, name: &str) {
        self.call(&["delete-topic", &self.folder.to_string_lossy(), name]);
    }

    /// Gives a topic more partitions.
    pub fn grow_topic(&self, name: &str, partitions: u32) {
        self.call(&["grow-topic", &self.folder.to_string_lossy(), name, &partitions.to_string()]);
    }

    /// Deletes the records of a partition below `offset`, as retention does.
    pub fn delete_records(&self, topic: &str, partition: i32, offset: i64) {
        let folder = self.folder.to_string_lossy();
        self.call(&["delete-records", &folder, topic, &partition.to_string(), &offset.to_string()]);
    }

    fn call(&self, args: &[&str]) {
        let output = script(args).output().expect("scripts/kafka is a bash script");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        // If it cannot be stopped, its owner's end does it.
        let _ = script(&["stop", &self.folder.to_string_lossy()]).output();
    }
}

/// Starts the broker of `folder`; gives its address.
fn start(folder: &Path) -> String {
    let owner = std::process::id().to_string();
    let output = script(&["start", &folder.to_string_lossy(), "--owner", &owner]).output();
    let output = output.expect("scripts/kafka is a bash script");
    let stdout = String::from_utf8_lossy(&output.stdout);
    let brokers = stdout.trim().strip_prefix("KAFKA_BROKERS=");
    brokers.unwrap_or_else(|| panic!("no broker: {}", String::from_utf8_lossy(&output.stderr))).to_owned()
}

fn script(args: &[&str]) -> Command {
    let mut command = Command::new(crate::repository().join("scripts/kafka"));
    command.args(args);
    command
}
