//! The verb `replay`: recording → edits → target, paced, until the passes, the time or the user's patience
//! are over.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::destination::{Offer, Target};
use crate::edit::Edits;
use crate::pacing::Pacer;
use crate::progress::{Progress, Summary, TopicSummary};
use crate::recording::Recording;

/// After so many messages in a row, signals and progress get their turn.
const BURST_MESSAGES_MAX: u64 = 10_000;
/// How long to wait when the target's buffer is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// Timers are no finer than this; at high rates the messages due by then go together.
const TICK: Duration = Duration::from_millis(2);

/// Without --loops and --for it goes on until it is interrupted.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("target").required(true).args(["brokers", "out"]))]
pub struct Arguments {
    /// Folder of the recording: one file <topic>.jsonl per topic
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Replay only this topic; may be repeated [default: every topic of the recording]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// Kafka cluster to send to
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Folder to write to, as <topic>/<partition>.jsonl
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Messages per second, over all topics
    #[arg(long, value_name = "N", value_parser = parse_rate)]
    rate: f64,
    /// End after so many passes over the recording
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "duration")]
    loops: Option<u64>,
    /// End after this time, such as 30s, 500ms or 2m
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Partitions of topics that do not exist yet [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    partitions: Option<u32>,
    /// Give every message a new id [default: true, unless --loops 1]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fresh_ids: Option<bool>,
    /// New ids follow from this number alone; another number, other ids
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// `now`: each message's timestamp becomes the moment it is sent, in UTC
    #[arg(long, value_name = "TO")]
    shift_time: Option<ShiftTime>,
    /// Print the summary as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum ShiftTime {
    Now,
}

impl Arguments {
    fn edits(&self) -> Edits {
        let fresh = self.fresh_ids.unwrap_or(self.loops != Some(1));
        Edits { fresh_ids: fresh.then_some(self.seed), present_time: self.shift_time == Some(ShiftTime::Now) }
    }

    async fn target(&self, topics: &[String]) -> Result<Target> {
        match (&self.brokers, &self.out) {
            (Some(brokers), _) => Target::kafka(brokers, topics, self.partitions).await,
            (None, Some(directory)) => Target::files(directory, topics, self.partitions),
            (None, None) => bail!("neither --brokers nor --out is given"),
        }
    }
}

/// Sends until done and prints the summary; an error if any message was not acknowledged.
pub async fn run(arguments: Arguments) -> Result<()> {
    let mut stop = StopSignals::listen()?;
    let recording = Recording::read(&arguments.from, &arguments.topics)?;
    let topics: Vec<String> = recording.topics().iter().map(|topic| topic.name.clone()).collect();
    let mut replay = Replay {
        target: arguments.target(&topics).await?,
        sent_by_topic: vec![0; topics.len()],
        sent: 0,
        messages_max: arguments.loops.map_or(u64::MAX, |loops| loops.saturating_mul(recording.len())),
        edits: arguments.edits(),
        recording,
    };
    let start = Instant::now();
    let sent = replay.send(arguments.rate, arguments.duration, &mut stop).await;
    let finished = replay.target.finish();
    let summary = replay.summary(start.elapsed());
    summary.print(arguments.json).context("cannot print the summary")?;
    sent.and(finished)?;
    let failed: u64 = summary.topics.iter().map(|topic| topic.sent - topic.acknowledged).sum();
    if failed > 0 {
        let reason = replay.target.last_error().unwrap_or_else(|| "no reason given".to_owned());
        bail!("{failed} messages were not acknowledged: {reason}");
    }
    Ok(())
}

struct Replay {
    recording: Recording,
    edits: Edits,
    target: Target,
    sent: u64,
    sent_by_topic: Vec<u64>,
    messages_max: u64,
}

impl Replay {
    async fn send(&mut self, rate: f64, duration: Option<Duration>, stop: &mut StopSignals) -> Result<()> {
        let start = Instant::now();
        let end = duration.map(|duration| start + duration);
        let mut pacer = Pacer::new(start, rate);
        let mut progress = Progress::new();
        let mut shown = start;
        while self.sent < self.messages_max && end.is_none_or(|end| Instant::now() < end) {
            let now = Instant::now();
            let taken = self.send_until(pacer.due(now, self.sent))?;
            let next = match taken {
                Offer::Taken => pacer.due_at(self.sent).max(now + TICK),
                Offer::Full => now + FULL_PAUSE,
            };
            let next = end.map_or(next, |end| next.min(end)).min(shown + Duration::from_secs(1));
            tokio::select! {
                biased;
                () = stop.received() => break,
                () = sleep_until(next) => {}
            }
            if shown.elapsed() >= Duration::from_secs(1) {
                progress.show(&self.target.delivered(), shown.elapsed());
                shown = Instant::now();
            }
        }
        progress.end();
        Ok(())
    }

    /// Sends what is due, up to a limit; `Full` if the target takes no more for now.
    fn send_until(&mut self, due: u64) -> Result<Offer> {
        let due = due.min(self.messages_max).min(self.sent + BURST_MESSAGES_MAX);
        let now = Timestamp::now();
        while self.sent < due {
            let (topic, recorded) = self.recording.message(self.sent);
            let message = self.edits.apply(recorded, self.sent, now);
            if self.target.offer(topic, &message)? == Offer::Full {
                return Ok(Offer::Full);
            }
            self.sent += 1;
            self.sent_by_topic[topic] += 1;
        }
        self.target.flush()?;
        Ok(Offer::Taken)
    }

    fn summary(&self, elapsed: Duration) -> Summary {
        let delivered = self.target.delivered();
        let topics = self.recording.topics().iter().enumerate().map(|(index, topic)| TopicSummary {
            topic: topic.name.clone(),
            partitions: self.target.partitions()[index],
            sent: self.sent_by_topic[index],
            acknowledged: delivered[index].acknowledged,
            failed: delivered[index].failed,
        });
        let acknowledged: u64 = delivered.iter().map(|topic| topic.acknowledged).sum();
        let seconds = elapsed.as_secs_f64();
        Summary {
            topics: topics.collect(),
            seconds,
            messages_per_second: acknowledged as f64 / seconds.max(1e-6),
        }
    }
}

/// SIGINT and SIGTERM, caught from the start so that neither ends the program without its summary.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn listen() -> Result<Self> {
        let catch = |kind| signal(kind).context("cannot catch signals");
        Ok(Self { interrupt: catch(SignalKind::interrupt())?, terminate: catch(SignalKind::terminate())? })
    }

    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text).parse::<f64>();
    match number {
        Ok(rate) if (1e-3..=1e7).contains(&rate) => Ok(rate),
        _ => Err("expected messages per second between 0.001 and 10000000".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("expected a number with ms, s, m or h, such as 30s".to_owned()),
    };
    match number.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 1e9 => Ok(Duration::from_secs_f64(number * seconds)),
        _ => Err("expected a number above 0 with ms, s, m or h, such as 30s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_read_or_refused() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(parse_duration(text).ok().map(|time| time.as_millis() as u64), expect, "{text}");
        };
        check("30s", Some(30_000));
        check("1.5m", Some(90_000));
        check("500ms", Some(500));
        for wrong in ["", "s", "30", "-1s", "0s", "1.2.3s", "1d", "30 s"] {
            check(wrong, None);
        }
        assert_eq!(parse_rate("250/s"), Ok(250.0));
        assert!(["0", "-1", "NaN", "inf", "many"].iter().all(|text| parse_rate(text).is_err()));
    }
}
