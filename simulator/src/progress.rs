//! What the user sees: one line a second on stderr, and at the end a summary on stdout, a line per topic
//! or one JSON object.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use serde::Serialize;

use crate::destination::Delivered;
use crate::feed::Remarks;

/// The live line; on a terminal it is written over, elsewhere each is a line of its own.
pub struct Progress {
    terminal: bool,
    shown: u64,
}

/// The end of a run.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// In the order of the feed.
    pub topics: Vec<TopicSummary>,
    /// What the feed knows about the run.
    #[serde(flatten)]
    pub remarks: Remarks,
    /// From the first message to the last acknowledgement.
    pub seconds: f64,
    /// Acknowledged messages per second, over all topics.
    pub messages_per_second: f64,
}

/// The end of a run, for one topic.
#[derive(Debug, Serialize)]
pub struct TopicSummary {
    /// The topic's name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
    /// Messages handed to the target.
    pub sent: u64,
    /// Messages the target has for certain.
    pub acknowledged: u64,
    /// Messages the target refused or lost.
    pub failed: u64,
    /// How many of those sent had a fault put in, by its name; empty for a feed that puts none in.
    pub faults: BTreeMap<&'static str, u64>,
}

impl Progress {
    /// Asks stderr whether it is a terminal.
    pub fn new() -> Self {
        Self { terminal: std::io::stderr().is_terminal(), shown: 0 }
    }

    /// Shows the counts; to be called about once a second, `since` being the time since the call before.
    pub fn show(&mut self, delivered: &[Delivered], since: Duration) {
        let acknowledged: u64 = delivered.iter().map(|topic| topic.acknowledged).sum();
        let failed: u64 = delivered.iter().map(|topic| topic.failed).sum();
        let rate = (acknowledged - self.shown) as f64 / since.as_secs_f64().max(1e-3);
        self.shown = acknowledged;
        let line = format!("sent {acknowledged} ({rate:.0}/s), errors {failed}");
        let _ = match self.terminal {
            true => write!(std::io::stderr(), "\r\x1b[2K{line}"),
            false => writeln!(std::io::stderr(), "{line}"),
        };
    }

    /// Leaves the live line, so that what follows starts on its own.
    pub fn end(&self) {
        if self.terminal {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Summary {
    /// On stdout.
    pub fn print(&self, json: bool) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            return writeln!(out);
        }
        let acknowledged: u64 = self.topics.iter().map(|topic| topic.acknowledged).sum();
        write!(out, "{acknowledged} messages in {:.1} s, {:.0}/s", self.seconds, self.messages_per_second)?;
        if let Some(seconds) = self.remarks.virtual_seconds {
            write!(out, ", {seconds:.0} s of the city's time")?;
        }
        if let (Some(silences), Some(withheld)) = (self.remarks.silences, self.remarks.withheld) {
            write!(out, ", {silences} silences kept {withheld} messages back")?;
        }
        if let Some(forgone @ 1..) = self.remarks.forgone {
            write!(out, ", {forgone} faults forgone because too many messages were held back")?;
        }
        writeln!(out)?;
        self.topics.iter().try_for_each(|topic| topic.print(&mut out, self.seconds))
    }
}

impl TopicSummary {
    fn print(&self, out: &mut impl Write, seconds: f64) -> std::io::Result<()> {
        let Self { topic, partitions, sent, acknowledged, failed, faults } = self;
        writeln!(
            out,
            "{topic}: {acknowledged} acknowledged of {sent} sent, {failed} failed, {partitions} partition(s), {seconds:.1} s"
        )?;
        if faults.is_empty() {
            return Ok(());
        }
        let counts: Vec<String> = faults.iter().map(|(fault, count)| format!("{fault} {count}")).collect();
        writeln!(out, "  faults: {}", counts.join(", "))
    }
}
