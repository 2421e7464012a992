//! Local times of one zone become instants. The offset in force is kept with the span of local time
//! it holds for, so that the time zone database is asked about twice a year of event time and not
//! for each message.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

const SECOND_US: i64 = 1_000_000;

/// The last local time that has an instant in jiff's calendar, whatever the zone: 9999-12-29T22:00. The two
/// days that are left of the year 9999 have its offset.
const LAST_LOCAL_US: i64 = 253_402_120_800_000_000;

/// A zone with the offset that held for the last time it was asked.
#[derive(Clone, Debug)]
pub(super) struct ZoneClock {
    zone: TimeZone,
    /// Local times `[from, to)` that are surely `offset_us` ahead of UTC.
    from: i64,
    to: i64,
    offset_us: i64,
}

impl ZoneClock {
    /// A clock of `zone`.
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, from: 0, to: 0, offset_us: 0 }
    }

    /// The instant, in microseconds since the epoch, at which clocks of the zone show `local_us`
    /// (microseconds since 1970-01-01T00:00 on those clocks). Of a local time that occurs twice the
    /// first is meant; one that is skipped is read with the offset before the gap. None if before
    /// the calendar's range.
    pub fn instant(&mut self, local_us: i64) -> Option<i64> {
        if (self.from..self.to).contains(&local_us) {
            return Some(local_us - self.offset_us);
        }
        self.look_up(local_us)
    }

    #[cold]
    fn look_up(&mut self, local_us: i64) -> Option<i64> {
        let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        let known_us = local_us.min(LAST_LOCAL_US);
        let local = epoch.checked_add(known_us.microseconds()).ok()?;
        let instant = self.zone.to_ambiguous_timestamp(local).compatible().ok()?;
        let offset_us = self.offset_us_at(instant);
        let before = Timestamp::from_nanosecond(instant.as_nanosecond() + 1).unwrap_or(instant);
        self.from = match self.zone.preceding(before).next() {
            Some(transition) => {
                let start = transition.timestamp();
                let earlier = Timestamp::from_nanosecond(start.as_nanosecond() - 1).unwrap_or(start);
                // Where clocks were put back, local times below this one occur twice.
                start.as_microsecond() + self.offset_us_at(earlier).max(offset_us)
            }
            None => i64::MIN,
        };
        self.to = match self.zone.following(instant).next() {
            Some(transition) => transition.timestamp().as_microsecond() + offset_us,
            None => i64::MAX,
        };
        self.offset_us = offset_us;
        Some(instant.as_microsecond() + (local_us - known_us))
    }

    fn offset_us_at(&self, instant: Timestamp) -> i64 {
        i64::from(self.zone.to_offset(instant).seconds()) * SECOND_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iso8601;

    fn check(zone: &str, local_and_utc: &[(&str, &str)]) {
        let mut clock = ZoneClock::new(TimeZone::get(zone).unwrap());
        for (local, utc) in local_and_utc {
            let [local_us, utc_us] = [local, utc].map(|text| iso8601::parse(text).unwrap().local_us);
            assert_eq!(clock.instant(local_us), Some(utc_us), "{local} in {zone}");
        }
    }

    #[test]
    fn reads_local_times_across_changes_of_the_clock() {
        let london = [
            ("2026-01-01T08:00:00", "2026-01-01T08:00:00"),
            ("2026-07-01T08:00:00", "2026-07-01T07:00:00"),
            // Skipped: read with the offset before.
            ("2026-03-29T01:30:00", "2026-03-29T01:30:00"),
            ("2026-03-29T02:00:00", "2026-03-29T01:00:00"),
            ("2026-03-29T00:59:59", "2026-03-29T00:59:59"),
            // Twice: the first is meant, whatever was asked before.
            ("2026-10-25T01:30:00", "2026-10-25T00:30:00"),
            ("2026-10-25T02:00:00", "2026-10-25T02:00:00"),
            ("2026-10-25T01:30:00", "2026-10-25T00:30:00"),
        ];
        check("Europe/London", &london);
        check("Asia/Kolkata", &[("2026-01-01T05:30:00", "2026-01-01T00:00:00")]);
        let ends = ["0001-01-01T00:00:00", "9999-12-31T23:59:59"].map(|text| (text, text));
        check("UTC", &ends);
        check("Europe/London", &ends[1..]);
    }

    #[test]
    fn agrees_with_the_database_everywhere() {
        for zone in ["Europe/London", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"] {
            let zone = TimeZone::get(zone).unwrap();
            let mut clock = ZoneClock::new(zone.clone());
            for step in 0..40_000_i64 {
                let local_us = step * 7 * 3_600_000_000 + step;
                let local = DateTime::constant(1970, 1, 1, 0, 0, 0, 0) + local_us.microseconds();
                let expect = zone.to_ambiguous_timestamp(local).compatible().unwrap();
                assert_eq!(clock.instant(local_us), Some(expect.as_microsecond()), "{local}");
            }
        }
    }
}
