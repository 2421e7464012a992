//! How `--start-time` is read: an ISO-8601 date and time, in UTC unless it says otherwise.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// With `Z` or an offset as it says, without either in UTC.
pub fn parse_start_time(text: &str) -> Result<Timestamp, String> {
    let naive = || text.parse::<DateTime>().ok().and_then(|time| Offset::UTC.to_timestamp(time).ok());
    text.parse::<Timestamp>()
        .ok()
        .or_else(naive)
        .ok_or_else(|| "expected a date and time such as 2026-01-01T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_heeded_and_none_means_utc() {
        let check = |text: &str, expect: &str| {
            assert_eq!(parse_start_time(text).unwrap().to_string(), expect, "{text}");
        };
        check("2026-01-01T08:00:00Z", "2026-01-01T08:00:00Z");
        check("2026-01-01T08:00:00.123456", "2026-01-01T08:00:00.123456Z");
        check("2026-01-01T08:00:00-08:00", "2026-01-01T16:00:00Z");
        check("2026-01-01", "2026-01-01T00:00:00Z");
        for wrong in ["", "now", "08:00", "2026-13-01T00:00:00Z"] {
            assert!(parse_start_time(wrong).is_err(), "{wrong}");
        }
    }
}
