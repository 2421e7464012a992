//! The feed behind `--seed-compatible`: what the recorded producer sends, value for value, so that anyone who
//! knows its streams finds them again. Ids follow from the seed, times from the start; the rest is
//! `drive`, whose draws are those of Python's `random`.

mod drive;
mod event;
mod python_random;

use anyhow::Result;
use jiff::Timestamp;

use self::drive::{Drive, Step};
use self::event::{Event, Stamp};
use crate::encode::json;
use crate::feed::{Feed, Message, Next};
use crate::ids::FreshId;

/// The recorded producer.
pub struct SeedCompatible {
    drive: Drive,
    seed: u64,
    events: Option<u64>,
    steps: u64,
    /// Messages made so far, over all topics.
    sequence: u64,
    step: Option<Step>,
}

impl SeedCompatible {
    /// Sends `events` a topic, wherever the car is by then; without a number it ends in Birmingham.
    pub fn new(seed: u64, start: Timestamp, events: Option<u64>) -> Self {
        Self { drive: Drive::new(seed, start), seed, events, steps: 0, sequence: 0, step: None }
    }

    /// Drives on; `None` at the end. On arrival the step that arrived is not sent.
    fn drive_on(&mut self) -> Option<Step> {
        if self.events == Some(self.steps) {
            return None;
        }
        self.steps += 1;
        let step = self.drive.step();
        (self.events.is_some() || !step.arrived()).then_some(step)
    }
}

impl Feed for SeedCompatible {
    fn topics(&self) -> Vec<String> {
        Event::OF_TOPIC.map(|(topic, _)| topic.to_owned()).to_vec()
    }

    /// The key is the event's id, as the recorded producer has it.
    fn next(&mut self, message: &mut Message) -> Result<Next> {
        let topic = (self.sequence % Event::OF_TOPIC.len() as u64) as usize;
        if topic == 0 {
            self.step = self.drive_on();
        }
        let Some(step) = &self.step else { return Ok(Next::Over) };
        let id = FreshId::new(self.seed, 2 * self.sequence);
        let incident_id = FreshId::new(self.seed, 2 * self.sequence + 1);
        let timestamp = step.time.strftime("%Y-%m-%dT%H:%M:%S%.6f").to_string();
        let stamp = Stamp { id: id.as_str(), timestamp: &timestamp, incident_id: incident_id.as_str() };
        message.begin(topic);
        message.set_key(id.as_str().as_bytes());
        let (_, event) = Event::OF_TOPIC[topic];
        json::write(&event(step, stamp), &mut message.payload)?;
        self.sequence += 1;
        Ok(Next::Message)
    }
}
