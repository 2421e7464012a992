//! The report as text: the workers, the topics, and what waits.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::{Report, Topic, Worker};
use crate::units::{count, uptime};

/// Partitions that wait and are named.
const WAITING_SHOWN: usize = 40;

/// A report with the time at which it is read.
pub struct Text<'a> {
    /// The report.
    pub report: &'a Report,
    /// Microseconds since the epoch.
    pub now_us: i64,
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let source = report.source.as_deref().unwrap_or("no answer");
        write!(f, "lake {} · entry {} · source {source}", report.lake, count(report.checkpoint))?;
        if let Some(group) = &report.group {
            let protocol = if group.protocol.is_empty() { "new" } else { &group.protocol };
            write!(f, " · group {} ({protocol}, {})", group.name, group.state)?;
        }
        let titles = ["partitions", "lag", "version", "opened", "last entry"].map(str::to_owned);
        writeln!(f, "\n\n{}", row("worker", &titles, "at"))?;
        report.workers.iter().try_for_each(|worker| self.worker(f, worker))?;
        let titles = ["partitions", "lag", "expired"].map(str::to_owned);
        writeln!(f, "\n{}", row("topic", &titles, "stream"))?;
        report.topics.iter().try_for_each(|topic| writeln!(f, "{}", topic_line(topic)))?;
        self.waiting(f)
    }
}

impl Text<'_> {
    fn worker(&self, f: &mut Formatter<'_>, worker: &Worker) -> fmt::Result {
        let ago = |at_us: Option<i64>| {
            let ago = at_us.map(|at| Duration::from_micros(u64::try_from(self.now_us - at).unwrap_or(0)));
            ago.map_or("–".to_owned(), |ago| format!("{} ago", uptime(ago)))
        };
        let cells = [
            count(worker.partitions as u64),
            lag(worker.lag),
            worker.version.clone().unwrap_or_else(|| "–".to_owned()),
            ago(worker.opened_at_us),
            ago(worker.last_entry_at_us),
        ];
        let places = [&worker.host, &worker.url].into_iter().flatten().cloned().collect::<Vec<_>>();
        writeln!(f, "{}", row(&worker.name, &cells, &places.join(" ")))?;
        worker.reasons.iter().try_for_each(|reason| writeln!(f, "  {reason}"))
    }

    fn waiting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let topics = &self.report.topics;
        let whole = topics.iter().filter_map(|topic| Some((topic.topic.clone(), topic.reason.as_deref()?)));
        let partitions = topics.iter().flat_map(|topic| {
            let name = |number| format!("{}/{number}", topic.topic);
            topic.partitions.iter().filter_map(move |at| Some((name(at.partition), at.reason.as_deref()?)))
        });
        let waiting: Vec<_> = whole.chain(partitions).collect();
        if waiting.is_empty() {
            return writeln!(f, "\nevery partition has its worker");
        }
        writeln!(f, "\nwaiting")?;
        for (what, reason) in waiting.iter().take(WAITING_SHOWN) {
            writeln!(f, "{what:<22}  {reason}")?;
        }
        match waiting.len().saturating_sub(WAITING_SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more; --json has them all"),
        }
    }
}

fn topic_line(topic: &Topic) -> String {
    let expired = topic.partitions.iter().map(|partition| partition.expired).sum();
    let cells = [count(topic.partitions.len() as u64), lag(topic.lag), count(expired)];
    row(&topic.topic, &cells, &topic.stream)
}

fn lag(lag: Option<u64>) -> String {
    lag.map_or("?".to_owned(), count)
}

fn row(name: &str, cells: &[String], last: &str) -> String {
    let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
    format!("{name:<22}{cells}  {last}").trim_end().to_owned()
}
