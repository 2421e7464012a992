//! The city as a feed: its events in the order in which they are sent, encoded, keyed by device, until so many
//! of each stream or so much of the city's time have passed.

use std::time::Duration;

use anyhow::Result;
use millstream_simulator::city::{City, CitySettings, FaultKind, Scheduled, SettingsError, Stream, Text};

use crate::encode::encode;
use crate::feed::{Feed, Message, Next, Remarks};

/// After so many messages of streams that have had theirs, the caller gets its turn.
const UNWANTED_MAX: usize = 10_000;

/// What ends a run; the first of them does, and without any it goes on.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// So many messages in each topic; none in one whose stream has no devices.
    pub events: Option<u64>,
    /// So much of the city's time. What would be sent later is not sent, be it late or not.
    pub after: Option<Duration>,
}

/// A city and how much of it is still wanted.
pub struct CityFeed {
    city: City,
    start_us: i64,
    end_us: i64,
    now_us: i64,
    left: [u64; Stream::ALL.len()],
}

impl CityFeed {
    /// At the beginning of the city's time.
    pub fn new(settings: CitySettings, seed: u64, end: End) -> Result<Self, SettingsError> {
        let start_us = settings.start_us;
        let after_us =
            end.after.map_or(i64::MAX, |after| i64::try_from(after.as_micros()).unwrap_or(i64::MAX));
        let left = Stream::ALL.map(|stream| match has_devices(&settings, stream) {
            true => end.events.unwrap_or(u64::MAX),
            false => 0,
        });
        let end_us = start_us.saturating_add(after_us);
        Ok(Self { city: City::new(settings, seed)?, start_us, end_us, now_us: start_us, left })
    }

    fn write(&mut self, scheduled: &Scheduled, message: &mut Message) -> Result<()> {
        let topic = scheduled.event.stream().index();
        self.left[topic] -= 1;
        self.now_us = scheduled.send_us;
        message.begin(topic);
        message.due = Duration::from_micros((self.now_us - self.start_us).max(0) as u64);
        message.fault = scheduled.fault.map(|fault| fault.kind().name());
        message.set_key(Text::from(scheduled.event.header().device_id).as_bytes());
        encode(&scheduled.event, scheduled.fault, &mut message.payload)
    }
}

impl Feed for CityFeed {
    fn topics(&self) -> Vec<String> {
        Stream::ALL.map(|stream| stream.topic().to_owned()).to_vec()
    }

    fn next(&mut self, message: &mut Message) -> Result<Next> {
        if self.left == [0; Stream::ALL.len()] {
            return Ok(Next::Over);
        }
        for _ in 0..UNWANTED_MAX {
            let Some(scheduled) = self.city.next().filter(|next| next.send_us < self.end_us) else {
                return Ok(Next::Over);
            };
            if self.left[scheduled.event.stream().index()] > 0 {
                self.write(&scheduled, message)?;
                return Ok(Next::Message);
            }
        }
        Ok(Next::NotYet)
    }

    fn remarks(&self) -> Remarks {
        let counts = self.city.fault_counts();
        Remarks {
            virtual_seconds: Some((self.now_us - self.start_us) as f64 / 1e6),
            silences: Some(Stream::ALL.map(|stream| counts.of(stream, FaultKind::Silent)).iter().sum()),
            withheld: Some(Stream::ALL.map(|stream| counts.withheld(stream)).iter().sum()),
            forgone: Some(Stream::ALL.map(|stream| counts.forgone(stream)).iter().sum()),
        }
    }
}

fn has_devices(settings: &CitySettings, stream: Stream) -> bool {
    match stream {
        Stream::Vehicle | Stream::Gps => settings.vehicles > 0,
        Stream::Traffic => settings.cameras > 0,
        Stream::Weather => settings.stations > 0,
        Stream::Emergency => settings.incidents_per_hour > 0.0,
    }
}
