//! When the devices of one stream report: in turn, each at a random moment of its slot, so that readings come in
//! the order of time and no two runs of the clock look alike.

use super::random::Random;
use super::settings::Cadence;

/// The readings of one stream, one after the other.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    start_us: i64,
    slot_us: f64,
    devices: u32,
    slot: u64,
    due_us: i64,
}

impl Schedule {
    /// The schedule of so many devices; of none, it is never due.
    pub fn new(cadence: Cadence, devices: u32, start_us: i64, random: Random) -> Self {
        let slot_us = match cadence {
            Cadence::EverySeconds(seconds) => seconds * 1e6 / f64::from(devices),
            Cadence::PerSecond(rate) => 1e6 / rate,
        };
        let mut schedule = Self { random, start_us, slot_us, devices, slot: 0, due_us: i64::MAX };
        if devices > 0 {
            schedule.plan();
        }
        schedule
    }

    /// The moment of the next reading.
    pub fn due_us(&self) -> i64 {
        self.due_us
    }

    /// The device, counted from 0, that reports next; moves on to the one after it.
    pub fn take(&mut self) -> usize {
        let device = self.slot % u64::from(self.devices);
        self.slot += 1;
        self.plan();
        device as usize
    }

    fn plan(&mut self) {
        self.due_us = self.start_us + ((self.slot as f64 + self.random.unit()) * self.slot_us) as i64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cadence: Cadence, devices: u32, readings: u64, within_us: i64) {
        let mut schedule = Schedule::new(cadence, devices, 1000, Random::new(1, "schedule"));
        let mut last_us = 1000;
        for reading in 0..readings {
            assert!(schedule.due_us() >= last_us);
            last_us = schedule.due_us();
            assert_eq!(schedule.take() as u64, reading % u64::from(devices));
        }
        assert!(last_us < 1000 + within_us && schedule.due_us() >= 1000 + within_us, "{last_us}");
    }

    #[test]
    fn devices_report_in_turn_at_the_rate_asked_for() {
        check(Cadence::EverySeconds(5.0), 50, 100, 10_000_000);
        check(Cadence::PerSecond(5000.0), 7, 5000, 1_000_000);
        check(Cadence::PerSecond(0.5), 3, 6, 12_000_000);
    }

    #[test]
    fn no_device_no_reading() {
        let schedule = Schedule::new(Cadence::EverySeconds(5.0), 0, 0, Random::new(1, "schedule"));
        assert_eq!(schedule.due_us(), i64::MAX);
    }
}
