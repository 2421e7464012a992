//! A reader that is not ours: DuckDB, in a Python process that lives as long as the suite, over the files that
//! `millstream tables files` lists.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::lake::Lake;

const SCRIPT: &str = include_str!("independent.py");
const TABLES: [&str; 3] = ["raw.vehicle", "curated.vehicle", "dead_letters"];

/// The Python process.
pub(crate) struct Independent {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// Records that are not in the tables once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    /// Ids that are not there.
    pub(crate) lost: u64,
    /// Rows too many.
    pub(crate) doubled: u64,
}

impl Independent {
    /// Starts it.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let mut command = Command::new(millstream_tests::python());
        command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("no Python")?;
        let requests = child.stdin.take().context("stdin is piped")?;
        let answers = BufReader::new(child.stdout.take().context("stdout is piped")?);
        Ok(Self { child, requests, answers })
    }

    /// Counts the ids `0..expected` in the lake's tables.
    pub(crate) fn count(&mut self, cluster: &Cluster, lake: &Lake, expected: u64) -> anyhow::Result<Missed> {
        let tables = TABLES.map(|table| (table.to_owned(), json!(lake.files(cluster, table))));
        let tables: serde_json::Map<_, _> = tables.into_iter().collect();
        writeln!(self.requests, "{}", json!({ "tables": tables, "expected": expected }))?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let answer: Value = serde_json::from_str(&answer).context("DuckDB gave no answer")?;
        let mut missed = Missed::default();
        for tables in ["raw", "processed"] {
            let number = |name: &str| answer[tables][name].as_u64().context("DuckDB gave no number");
            let (rows, ids) = (number("rows")?, number("ids")?);
            missed.lost = missed.lost.max(expected - ids);
            missed.doubled = missed.doubled.max(rows - ids);
        }
        Ok(missed)
    }
}

impl Drop for Independent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
