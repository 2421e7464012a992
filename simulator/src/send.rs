//! The sending loop: feed → target at a pace, until the feed, the time or the user's patience is over; then
//! the summary. It knows the messages' topics and faults, and nothing of what is in them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::arguments::SendingArguments;
use crate::destination::{Offer, Target};
use crate::feed::{Feed, Message, Next};
use crate::pacing::{Pace, Pacer};
use crate::progress::{Progress, Summary, TopicSummary};
use crate::stop::StopSignals;

/// After so many messages in a row, signals and progress get their turn.
const BURST_MESSAGES_MAX: usize = 10_000;
/// How long to wait when the target's buffer is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// Timers are no finer than this; at high rates the messages due by then go together.
const TICK: Duration = Duration::from_millis(2);
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// Sends until done and prints the summary; an error if any message was not acknowledged.
pub async fn run(
    feed: impl Feed,
    arguments: &SendingArguments,
    pace: Pace,
    mut stop: StopSignals,
) -> Result<()> {
    let topics = feed.topics();
    let mut sending = Sending {
        target: arguments.target(&topics).await?,
        sent_by_topic: vec![Sent::default(); topics.len()],
        feed,
        message: Message::default(),
        waiting: false,
        sent: 0,
    };
    let start = Instant::now();
    let end = arguments.duration.map(|duration| start + duration);
    let sent = sending.send(Pacer::new(start, pace), end, &mut stop).await;
    let finished = sending.target.finish();
    let summary = sending.summary(topics, start.elapsed());
    summary.print(arguments.json).context("cannot print the summary")?;
    sent.and(finished)?;
    let lost: u64 = summary.topics.iter().map(|topic| topic.sent - topic.acknowledged).sum();
    if lost > 0 {
        let reason = sending.target.last_error().unwrap_or_else(|| "no reason given".to_owned());
        bail!("{lost} messages were not acknowledged: {reason}");
    }
    Ok(())
}

struct Sending<F> {
    feed: F,
    target: Target,
    message: Message,
    /// Whether `message` has been taken from the feed and not yet by the target.
    waiting: bool,
    sent: u64,
    sent_by_topic: Vec<Sent>,
}

#[derive(Default, Clone)]
struct Sent {
    messages: u64,
    faults: BTreeMap<&'static str, u64>,
}

/// Why a burst came to its end.
enum Pause {
    /// It was long enough; there may be more.
    Turn,
    /// The next message is due then.
    Until(Instant),
    /// The target takes no more for now.
    Full,
    /// The feed is over.
    Over,
}

impl<F: Feed> Sending<F> {
    async fn send(&mut self, mut pacer: Pacer, end: Option<Instant>, stop: &mut StopSignals) -> Result<()> {
        let mut progress = Progress::new();
        let mut shown = Instant::now();
        loop {
            let now = Instant::now();
            if end.is_some_and(|end| now >= end) {
                break;
            }
            let pause = self.burst(&mut pacer, now)?;
            self.target.flush()?;
            let next = match pause {
                Pause::Over => break,
                Pause::Turn => None,
                Pause::Until(due) => Some(due.max(now + TICK)),
                Pause::Full => Some(now + FULL_PAUSE),
            };
            let next = next.map(|next| end.map_or(next, |end| next.min(end)).min(shown + SHOW_EVERY));
            tokio::select! {
                biased;
                () = stop.received() => break,
                () = wait(next) => {}
            }
            if shown.elapsed() >= SHOW_EVERY {
                progress.show(&self.target.delivered(), shown.elapsed());
                shown = Instant::now();
            }
        }
        progress.end();
        Ok(())
    }

    /// Sends what is due at `now`, up to a limit.
    fn burst(&mut self, pacer: &mut Pacer, now: Instant) -> Result<Pause> {
        for _ in 0..BURST_MESSAGES_MAX {
            if !self.waiting {
                match self.feed.next(&mut self.message)? {
                    Next::Message => self.waiting = true,
                    Next::NotYet => return Ok(Pause::Turn),
                    Next::Over => return Ok(Pause::Over),
                }
            }
            let due = pacer.due_at(self.sent, self.message.due);
            if due > now {
                return Ok(Pause::Until(due));
            }
            if self.target.offer(&self.message)? == Offer::Full {
                return Ok(Pause::Full);
            }
            pacer.forgive(due, now);
            self.count();
        }
        Ok(Pause::Turn)
    }

    fn count(&mut self) {
        self.waiting = false;
        self.sent += 1;
        let topic = &mut self.sent_by_topic[self.message.topic];
        topic.messages += 1;
        if let Some(fault) = self.message.fault {
            *topic.faults.entry(fault).or_default() += 1;
        }
    }

    fn summary(&mut self, topics: Vec<String>, elapsed: Duration) -> Summary {
        let delivered = self.target.delivered();
        let summaries = topics.into_iter().enumerate().map(|(index, topic)| {
            let sent = std::mem::take(&mut self.sent_by_topic[index]);
            TopicSummary {
                topic,
                partitions: self.target.partitions()[index],
                sent: sent.messages,
                acknowledged: delivered[index].acknowledged,
                failed: delivered[index].failed,
                faults: sent.faults,
            }
        });
        let acknowledged: u64 = delivered.iter().map(|topic| topic.acknowledged).sum();
        let seconds = elapsed.as_secs_f64();
        Summary {
            topics: summaries.collect(),
            remarks: self.feed.remarks(),
            seconds,
            messages_per_second: acknowledged as f64 / seconds.max(1e-6),
        }
    }
}

/// Without an instant it only lets signals be noticed.
async fn wait(until: Option<Instant>) {
    match until {
        Some(instant) => sleep_until(instant).await,
        None => yield_now().await,
    }
}
