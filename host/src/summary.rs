//! The summary at the end of `millstream run`: what this run committed, by stream and table, how fast, and
//! what it cost. It is collected from progress; `summary/text.rs` makes it readable.

mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::entry::Counters;
use millstream_pipeline::run::Progress;
use millstream_pipeline::telemetry::{Status, StreamStatus, TableSize};
use serde_json::json;

pub use crate::units::count;

/// Undeclared fields that the text names by stream.
const FIELDS_SHOWN: usize = 8;

/// What a run committed.
#[derive(Default)]
pub struct Summary {
    before: Option<Before>,
    now: BTreeMap<String, Counters>,
    status: Option<Status>,
    elapsed: Duration,
    lag: Option<u64>,
    checkpoint: u64,
}

/// What was there when the run began.
struct Before {
    totals: BTreeMap<String, Counters>,
    tables: BTreeMap<String, TableSize>,
}

impl Summary {
    /// Takes in where the run is; the first call says what was there before.
    pub fn observe(&mut self, progress: &Progress<'_>) {
        self.elapsed = progress.elapsed;
        if self.before.is_some() && !progress.last {
            return;
        }
        let status = progress.telemetry.status();
        self.now = progress.log.totals().clone();
        self.before.get_or_insert_with(|| Before { totals: self.now.clone(), tables: status.tables.clone() });
        self.status = Some(status);
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
            "tables": self.tables(),
        })
    }

    /// All counters, those that are zero too, so that a script can add them up; and what the run saw.
    fn stream_json(&self, stream: &str, counters: &Counters) -> serde_json::Value {
        let Counters { r#in, out, dropped, dead, rows, drift } = counters;
        let mut json = json!({
            "in": r#in, "out": out, "dropped": dropped, "dead": dead, "rows": rows, "drift": drift,
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

    /// Counters of this run alone.
    fn streams(&self) -> BTreeMap<&str, Counters> {
        let nothing = Counters::default();
        let before = self.before.as_ref();
        let before = |stream: &str| before.and_then(|b| b.totals.get(stream)).unwrap_or(&nothing);
        self.now.iter().map(|(stream, now)| (stream.as_str(), difference(now, before(stream)))).collect()
    }

    /// What this run added to each table.
    fn tables(&self) -> BTreeMap<&str, TableSize> {
        let before = |table: &str| self.before.as_ref().and_then(|b| b.tables.get(table)).copied();
        let tables = self.status.iter().flat_map(|status| &status.tables);
        let added = tables.map(|(table, now)| {
            let before = before(table).unwrap_or_default();
            let added = TableSize {
                files: now.files.saturating_sub(before.files),
                rows: now.rows.saturating_sub(before.rows),
                bytes: now.bytes.saturating_sub(before.bytes),
            };
            (table.as_str(), added)
        });
        added.filter(|(_, size)| size.files > 0).collect()
    }
}

fn difference(now: &Counters, before: &Counters) -> Counters {
    let each = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
        let new = |(key, count): (&String, &u64)| (key.clone(), count - before.get(key).unwrap_or(&0));
        now.iter().map(new).filter(|(_, count)| *count > 0).collect()
    };
    Counters {
        r#in: now.r#in - before.r#in,
        out: now.out - before.out,
        dropped: each(&now.dropped, &before.dropped),
        dead: each(&now.dead, &before.dead),
        rows: each(&now.rows, &before.rows),
        drift: each(&now.drift, &before.drift),
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
