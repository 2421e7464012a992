//! What the sources of messages have in common: a feed fills one message at a time, which the sending loop
//! hands on and lends again. A feed knows neither the clock nor where its messages go.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

/// A source of messages: a recording, the recorded producer, or the city.
pub trait Feed {
    /// The topics' names; a message gives its topic as an index into them.
    fn topics(&self) -> Vec<String>;

    /// Makes `message` the next one to send, within a bounded time.
    fn next(&mut self, message: &mut Message) -> Result<Next>;

    /// What the summary should also say, once the last message was sent.
    fn remarks(&self) -> Remarks {
        Remarks::default()
    }
}

/// What came of asking for the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It is there.
    Message,
    /// It was not found yet; ask again.
    NotYet,
    /// There is none and will be none.
    Over,
}

/// What only the feed knows about a run.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize)]
pub struct Remarks {
    /// How long the run was in the feed's own time, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub virtual_seconds: Option<f64>,
    /// How often a device stopped sending for a while; no message tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub silences: Option<u64>,
    /// How many messages were never sent because of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub withheld: Option<u64>,
    /// How many messages should have been late, repeated or overtaken and were not, because too many others were
    /// held back already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgone: Option<u64>,
}

/// One message. Its buffers are kept from one message to the next, so that sending allocates nothing.
#[derive(Debug, Default)]
pub struct Message {
    /// Index of the topic.
    pub topic: usize,
    /// When to send it, counted from the start of the feed, if it is sent at the feed's own pace.
    pub due: Duration,
    /// The fault that was put in, by its name in the summary.
    pub fault: Option<&'static str>,
    /// The bytes to send, without line feed.
    pub payload: Vec<u8>,
    key: Vec<u8>,
    keyed: bool,
}

impl Message {
    /// Starts over with an empty payload for `topic`, due at once, without key and fault.
    pub fn begin(&mut self, topic: usize) {
        self.topic = topic;
        self.due = Duration::ZERO;
        self.fault = None;
        self.payload.clear();
        self.keyed = false;
    }

    /// Messages of one key go to one partition, in order.
    pub fn set_key(&mut self, key: &[u8]) {
        self.key.clear();
        self.key.extend_from_slice(key);
        self.keyed = true;
    }

    /// `None` for a message that may go to any partition.
    pub fn key(&self) -> Option<&[u8]> {
        self.keyed.then_some(&self.key[..])
    }
}
