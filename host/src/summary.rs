//! The summary at the end of `millstream run`: what this run committed, by stream and table, how fast, and
//! what it cost. It is collected from progress; `summary/text.rs` makes it readable.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::entry::Counters;
use millstream_pipeline::run::Progress;
use millstream_pipeline::telemetry::{Status, StreamStatus, Work};
use serde_json::json;

use crate::units::count;

/// Undeclared fields that the text names by stream.
const FIELDS_SHOWN: usize = 8;

/// What a run committed, other workers' part left out.
#[derive(Default)]
pub struct Summary {
    work: Work,
    status: Option<Status>,
    elapsed: Duration,
    lag: Option<u64>,
    checkpoint: u64,
}

impl Summary {
    /// Takes in where the run is; what it is at the last call counts.
    pub fn observe(&mut self, progress: &Progress<'_>) {
        if !progress.last {
            return;
        }
        self.elapsed = progress.elapsed;
        self.work = progress.telemetry.work();
        self.status = Some(progress.telemetry.status());
        self.lag = progress.lag;
        self.checkpoint = progress.log.sequence();
    }

    /// The summary for scripts.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "records_per_second": self.rate(self.messages()),
            "lag": self.lag,
            "checkpoint": self.checkpoint,
            "checkpoints": self.status.as_ref().map(|status| status.checkpoints),
            "streams": self.streams().into_iter().map(|(stream, c)| (stream, self.stream_json(stream, &c)))
                .collect::<BTreeMap<_, _>>(),
            "tables": self.work.tables,
            "skipped": self.work.skipped,
        })
    }

    /// All counters, those that are zero too, so that a script can add them up; and what the run saw.
    fn stream_json(&self, stream: &str, counters: &Counters) -> serde_json::Value {
        let Counters { r#in, out, dropped, dead, rows, drift, late, ahead } = counters;
        let mut json = json!({
            "in": r#in, "out": out, "dropped": dropped, "dead": dead, "rows": rows, "drift": drift,
            "late": late, "ahead": ahead,
            "records_per_second": self.rate(counters.r#in),
        });
        if let Some(status) = self.status_of(stream) {
            json["lag"] = json!(status.lag);
            json["latency"] = json!(status.latency);
            json["steps"] = json!(status.steps);
        }
        json
    }

    fn status_of(&self, stream: &str) -> Option<&StreamStatus> {
        self.status.as_ref()?.streams.iter().find(|status| status.name == stream)
    }

    /// Messages read, committed or not.
    fn messages(&self) -> u64 {
        self.status.iter().flat_map(|status| &status.streams).map(|stream| stream.messages).sum()
    }

    fn rate(&self, messages: u64) -> f64 {
        messages as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// What became of the messages of each stream, of those without any too.
    fn streams(&self) -> BTreeMap<&str, Counters> {
        let streams = self.status.iter().flat_map(|status| &status.streams);
        let counted = |stream: &str| self.work.counters.get(stream).cloned().unwrap_or_default();
        streams.map(|stream| (stream.name.as_str(), counted(&stream.name))).collect()
    }
}

/// The undeclared fields of a stream's messages with their counts, on one line.
pub fn drift(counters: &Counters) -> String {
    let fields = counters.drift.iter().take(FIELDS_SHOWN);
    let mut text: Vec<_> = fields.map(|(field, times)| format!("`{field}` {}", count(*times))).collect();
    if counters.drift.len() > FIELDS_SHOWN {
        text.push(format!("and {} more fields", counters.drift.len() - FIELDS_SHOWN));
    }
    text.join(", ")
}
