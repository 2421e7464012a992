//! The verb `replay`: a feed of recorded messages, pass after pass, each made new by `edit`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{ArgGroup, Args, ValueEnum};
use jiff::Timestamp;

use crate::arguments::SendingArguments;
use crate::edit::Edits;
use crate::feed::{Feed, Message, Next};
use crate::pacing::Pace;
use crate::recording::Recording;
use crate::send;
use crate::stop::StopSignals;

/// Without --loops and --for it goes on until it is interrupted.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("pace").required(true).args(["rate", "as_fast_as_possible"]))]
pub struct Arguments {
    /// Folder of the recording: one file <topic>.jsonl per topic
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Replay only this topic; may be repeated [default: every topic of the recording]
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// End after so many passes over the recording
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "duration")]
    loops: Option<u64>,
    /// Give every message a new id [default: true, unless --loops 1]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    fresh_ids: Option<bool>,
    /// New ids follow from this number alone; another number, other ids
    #[arg(long, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// `now`: each message's timestamp becomes the moment it is sent, in UTC
    #[arg(long, value_name = "TO")]
    shift_time: Option<ShiftTime>,
    #[command(flatten)]
    sending: SendingArguments,
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
}

/// Sends until done; an error if any message was not acknowledged.
pub async fn run(arguments: Arguments, stop: StopSignals) -> Result<()> {
    let recording = Recording::read(&arguments.from, &arguments.topics)?;
    let messages_max = arguments.loops.map_or(u64::MAX, |loops| loops.saturating_mul(recording.len()));
    let replay = Replay { edits: arguments.edits(), recording, messages_max, sequence: 0 };
    let pace = arguments.sending.pace().unwrap_or(Pace::Free);
    send::run(replay, &arguments.sending, pace, stop).await
}

struct Replay {
    recording: Recording,
    edits: Edits,
    messages_max: u64,
    sequence: u64,
}

impl Feed for Replay {
    fn topics(&self) -> Vec<String> {
        self.recording.topics().iter().map(|topic| topic.name.clone()).collect()
    }

    fn next(&mut self, message: &mut Message) -> Result<Next> {
        if self.sequence == self.messages_max {
            return Ok(Next::Over);
        }
        let (topic, recorded) = self.recording.message(self.sequence);
        message.begin(topic);
        self.edits.apply(recorded, self.sequence, Timestamp::now(), message);
        self.sequence += 1;
        Ok(Next::Message)
    }
}
