//! A simulated city: vehicles that drive real routes through weather, traffic and incidents, and the devices that
//! report it as five streams of events.
//!
//! [`City`] is an iterator of messages in the order in which they are sent, in virtual time; settings and seed
//! decide every one of them. It is pure: no I/O, no wall clock, no encoding.
//! The order of the rooms: `settings` → `route`, `weather`, `road`, `incident`, `vehicle`, `receiver`, `camera`
//! (the truth) → `world` (readings) → `faults` (messages).

mod camera;
pub mod event;
mod faults;
mod fleet;
pub mod geodesy;
mod identity;
mod incident;
mod picture;
pub mod random;
mod receiver;
mod road;
mod route;
mod schedule;
mod settings;
mod vehicle;
mod weather;
mod world;

#[cfg(test)]
mod tests;

pub use event::{Event, Stream};
pub use faults::{Fault, FaultCounts};
pub use identity::{DeviceId, DeviceKind, EventId, EventTime, Text};
pub use route::RoutePreset;
pub use settings::{Cadence, Cadences, CitySettings, FaultKind, FaultRates, SettingsError};

use faults::Faults;
use world::World;

/// A message, and when it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduled {
    /// When it is sent, in virtual time, in microseconds since 1970-01-01T00:00:00Z. Never falls from one message
    /// to the next.
    pub send_us: i64,
    /// What it says.
    pub event: Event,
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

/// An endless sequence of messages; see [`City::release`] for how to end it.
#[derive(Debug)]
pub struct City {
    world: World,
    faults: Faults,
    upcoming: Option<Event>,
}

impl City {
    /// A city at the beginning of its virtual time.
    pub fn new(settings: CitySettings, seed: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { faults: Faults::new(&settings, seed), world: World::new(&settings, seed), upcoming: None })
    }

    /// The faults of all messages given out so far.
    pub fn fault_counts(&self) -> &FaultCounts {
        self.faults.counts()
    }

    /// The next of the messages that were measured and are still on their way, in order; for those who stop taking new ones.
    pub fn release(&mut self) -> Option<Scheduled> {
        self.faults.release(i64::MAX)
    }
}

impl Iterator for City {
    type Item = Scheduled;

    /// Never `None`.
    fn next(&mut self) -> Option<Scheduled> {
        loop {
            let event = self.upcoming.take().unwrap_or_else(|| self.world.next_reading());
            if let Some(held) = self.faults.release(event.header().timestamp.0) {
                self.upcoming = Some(event);
                return Some(held);
            }
            if let Some(message) = self.faults.pass(event) {
                return Some(message);
            }
        }
    }
}
