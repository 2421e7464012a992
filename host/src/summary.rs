//! The summary at the end of `millstream run`: what this run committed, by stream.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_model::entry::Counters;
use millstream_pipeline::run::Progress;
use serde_json::json;

/// Reasons of dead letters that the text names by stream.
const REASONS_SHOWN: usize = 5;

/// Undeclared fields that the text names by stream.
const FIELDS_SHOWN: usize = 8;

/// What a run committed.
#[derive(Default)]
pub struct Summary {
    before: Option<BTreeMap<String, Counters>>,
    now: BTreeMap<String, Counters>,
    elapsed: Duration,
    messages: u64,
    lag: Option<u64>,
    checkpoint: u64,
}

impl Summary {
    /// Takes in where the run is; the first call says what was there before.
    pub fn observe(&mut self, progress: &Progress<'_>) {
        self.now = progress.log.totals().clone();
        self.before.get_or_insert_with(|| self.now.clone());
        self.elapsed = progress.elapsed;
        self.messages = progress.telemetry.messages.load(Ordering::Relaxed);
        self.lag = progress.lag;
        self.checkpoint = progress.log.sequence();
    }

    /// The summary for scripts.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "seconds": self.elapsed.as_secs_f64(),
            "records_per_second": self.rate(),
            "lag": self.lag,
            "checkpoint": self.checkpoint,
            "streams": self.streams().into_iter().map(|(stream, c)| (stream, counters(&c))).collect::<BTreeMap<_, _>>(),
        })
    }

    fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// Counters of this run alone.
    fn streams(&self) -> BTreeMap<&str, Counters> {
        let nothing = Counters::default();
        let before = |stream: &str| self.before.as_ref().and_then(|b| b.get(stream)).unwrap_or(&nothing);
        self.now.iter().map(|(stream, now)| (stream.as_str(), difference(now, before(stream)))).collect()
    }
}

/// All counters, those that are zero too, so that a script can add them up.
fn counters(counters: &Counters) -> serde_json::Value {
    let Counters { r#in, out, dropped, dead, rows, drift } = counters;
    json!({ "in": r#in, "out": out, "dropped": dropped, "dead": dead, "rows": rows, "drift": drift })
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

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        let lag = self.lag.map_or("unknown".to_owned(), count);
        writeln!(
            f,
            "ran {seconds:.1} s, {} records/s, lag {lag}, checkpoint {}",
            count(self.rate() as u64),
            self.checkpoint
        )?;
        for (stream, counters) in self.streams() {
            let dropped = counters.dropped.values().sum::<u64>();
            let dead = counters.dead.values().sum::<u64>();
            writeln!(
                f,
                "stream {stream}: in {} = out {} + dropped {} + dead {}",
                count(counters.r#in),
                count(counters.out),
                count(dropped),
                count(dead)
            )?;
            let mut reasons: Vec<_> = counters.dead.iter().collect();
            reasons.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            for (reason, letters) in reasons.iter().take(REASONS_SHOWN) {
                writeln!(f, "    dead {:>9}  {reason}", count(**letters))?;
            }
            if reasons.len() > REASONS_SHOWN {
                writeln!(f, "    dead …          and {} more reasons", reasons.len() - REASONS_SHOWN)?;
            }
            for (step, rows) in &counters.dropped {
                writeln!(f, "    dropped {:>6}  by step {step}", count(*rows))?;
            }
            for (table, rows) in &counters.rows {
                writeln!(f, "    rows {:>9}  {table}", count(*rows))?;
            }
            if !counters.drift.is_empty() {
                writeln!(f, "    drift: {}", drift(&counters))?;
            }
        }
        Ok(())
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

/// A number with thousands apart: `1 234 567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1 000", "1 234 567"]);
    }
}
