//! When a reading was made: the instant that the device reports, and whether that is later than the
//! message itself by more than a device's clock may be wrong. Plugins have no clock of their own, and
//! so a row becomes the same whenever it is processed.

use jiff::tz::TimeZone;
use millstream_sdk::Timestamp;

use crate::clock::{self, Clock, ClockChange};
use crate::config::{Problem, noted};
use crate::measure::zero_or_above;

/// How far ahead of its message a reading may be, unless configured: 5 minutes.
pub fn default_future_max_seconds() -> f64 {
    300.0
}

/// Reads the timestamps of one stream.
#[derive(Clone, Debug)]
pub struct Timestamps {
    clock: Clock,
    future_max_us: i64,
}

/// A timestamp that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The instant.
    pub instant: Timestamp,
    /// Whether it is too far ahead of the message; none if the source gave the message no timestamp.
    pub in_future: Option<bool>,
}

/// Why there is no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was reported.
    Missing,
    /// What was reported names no instant.
    Clock(clock::Fault),
}

impl Fault {
    /// The reason of the dead letter.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "`timestamp` is missing",
            Self::Clock(fault) => fault.reason(),
        }
    }
}

impl Timestamps {
    /// Times without an offset are of `zone`, an IANA name; one more than `future_max_seconds` later
    /// than its message is in the future.
    ///
    /// # Errors
    /// If there is no such zone, or the bound is no number from 0 up.
    pub fn new(zone: &str, change: ClockChange, future_max_seconds: f64) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let zone = TimeZone::get(zone).map_err(|_| vec![Problem::Zone(zone.to_owned())]);
        let zone = noted(zone, &mut problems);
        let future_max = noted(zero_or_above("future_max_seconds", future_max_seconds), &mut problems);
        match (zone, future_max) {
            (Some(zone), Some(seconds)) => {
                Ok(Self { clock: Clock::new(zone, change), future_max_us: (seconds * 1e6) as i64 })
            }
            _ => Err(problems),
        }
    }

    /// Reads what a message says, which the source received at `received_at`.
    ///
    /// # Errors
    /// If it names no instant.
    pub fn read(&mut self, text: Option<&str>, received_at: Option<Timestamp>) -> Result<Reported, Fault> {
        let instant = self.clock.instant_us(text.ok_or(Fault::Missing)?).map_err(Fault::Clock)?;
        let too_late = |received: Timestamp| instant > received.0.saturating_add(self.future_max_us);
        Ok(Reported { instant: Timestamp(instant), in_future: received_at.map(too_late) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: Option<&str>, received_seconds: Option<i64>, expect: Result<Option<bool>, &str>) {
        let mut timestamps = Timestamps::new("Europe/London", ClockChange::Compatible, 300.0).unwrap();
        let received = received_seconds.map(|seconds| Timestamp(seconds * 1_000_000));
        let read = timestamps.read(text, received);
        assert_eq!(read.map(|read| read.in_future).map_err(Fault::reason), expect, "{text:?}");
    }

    #[test]
    fn future_is_what_is_ahead_of_the_message() {
        // 2026-01-01T08:00:00Z
        let eight = 1_767_254_400;
        check(Some("2026-01-01T08:00:00"), Some(eight), Ok(Some(false)));
        check(Some("2026-01-01T08:05:00"), Some(eight), Ok(Some(false)));
        check(Some("2026-01-01T08:05:00.000001"), Some(eight), Ok(Some(true)));
        check(Some("2020-01-01T08:00:00"), Some(eight), Ok(Some(false)));
        check(Some("2026-01-01T10:00:00+02:00"), Some(eight), Ok(Some(false)));
        check(Some("9999-01-01T00:00:00Z"), Some(i64::MAX / 1_000_000), Ok(Some(false)));
        check(Some("2026-01-01T08:00:00"), None, Ok(None));
    }

    #[test]
    fn no_instant_has_its_reason() {
        check(None, Some(0), Err("`timestamp` is missing"));
        check(Some("soon"), Some(0), Err("`timestamp` is not an ISO-8601 time"));
    }

    #[test]
    fn every_problem_is_named() {
        let problems = Timestamps::new("London", ClockChange::Compatible, -1.0).unwrap_err();
        let negative = Problem::Negative { key: "future_max_seconds", value: -1.0 };
        assert_eq!(problems, [Problem::Zone("London".to_owned()), negative]);
    }
}
