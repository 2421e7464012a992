//! What became of the records, by a reader that is not ours: DuckDB, over the live files as `millstream tables
//! files` lists them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::ledger::Span;
use crate::producer::PARTITIONS;
use crate::versions::Versions;

const SCRIPT: &str = include_str!("verdict.py");

/// What became of the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Records that were sent.
    pub records: u64,
    /// Ids that are not there.
    pub lost: u64,
    /// Rows too many.
    pub doubled: u64,
    /// Rows that were made by another version than the log names for their offset.
    pub wrong: u64,
}

impl Verdict {
    /// The verdict about the rows in `files`, where the ids `0..records` should be.
    pub(crate) fn of(
        files: &[String],
        records: u64,
        spans: &[Span],
        versions: &Versions,
    ) -> anyhow::Result<Self> {
        let spans: Vec<_> = spans
            .iter()
            .map(|span| {
                let mark = versions.mark(span.version).with_context(|| format!("nobody made {span:?}"))?;
                Ok(json!([span.partition, span.start, span.end, mark]))
            })
            .collect::<anyhow::Result<_>>()?;
        let answer =
            ask(&json!({ "files": files, "expected": records, "partitions": PARTITIONS, "spans": spans }))?;
        let number = |name: &str| answer[name].as_u64().context("DuckDB gave no number");
        let (rows, ids, wrong) = (number("rows")?, number("ids")?, number("wrong")?);
        Ok(Self { records, lost: records - ids, doubled: rows - ids, wrong })
    }

    /// True if every record is there once, of the version that the log names.
    pub fn is_good(&self) -> bool {
        (self.lost, self.doubled, self.wrong) == (0, 0, 0)
    }
}

fn ask(request: &Value) -> anyhow::Result<Value> {
    let mut command = Command::new(millstream_tests::python());
    command.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().context("no Python")?;
    child.stdin.take().context("stdin is piped")?.write_all(request.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.success(), "DuckDB failed, see above");
    serde_json::from_slice(&output.stdout).context("DuckDB gave no answer")
}
