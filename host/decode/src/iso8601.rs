//! Reads ISO-8601 / RFC 3339 dates and date-times: those of a fixed shape without a calendar library,
//! other date-times through jiff. Text enters; days, or microseconds with the stated offset, leave. Which
//! zone a text without an offset is in, others decide. The cleansing plugins read the same texts, and
//! the same from them: `tests/times/texts` is checked there and here.

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;

/// Microseconds of one day.
const DAY_US: i64 = 86_400_000_000;

/// First microsecond of the year 1.
pub(super) const FIRST_US: i64 = -62_135_596_800_000_000;

/// Last microsecond of the year 9999.
pub(super) const LAST_US: i64 = 253_402_300_799_999_999;

/// A date-time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTimeText {
    /// Microseconds from 1970-01-01T00:00 to the time written, without regard to its offset.
    pub local_us: i64,
    /// The offset written, microseconds ahead of UTC; `Z` is 0.
    pub offset_us: Option<i64>,
}

/// Reads `2026-01-31T08:00:00[.123456][Z|+01:00|+0100]`, and any other form of ISO 8601 that has a date
/// and a time of day; a blank may stand for the `T`, and `t` and `z` for `T` and `Z`. A fraction is cut to
/// microseconds. The leap second `:60` is read as `:59`, as jiff does. Whether the instant is in range is
/// not looked at.
pub fn parse(text: &str) -> Option<DateTimeText> {
    fixed_layout(text.as_bytes()).or_else(|| other_layout(text))
}

fn fixed_layout(text: &[u8]) -> Option<DateTimeText> {
    let (head, rest) = text.split_at_checked(19)?;
    let day = days(&head[..10])?;
    if !matches!(head[10], b'T' | b't' | b' ') || head[13] != b':' || head[16] != b':' {
        return None;
    }
    let (hour, minute, second) = (two(head, 11)?, two(head, 14)?, two(head, 17)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction_us, rest) = fraction(rest)?;
    let seconds = hour * 3600 + minute * 60 + second.min(59);
    let local_us = day * DAY_US + seconds * 1_000_000 + fraction_us;
    Some(DateTimeText { local_us, offset_us: offset(rest)? })
}

/// Any other form of ISO-8601 that has a date and a time of day. Not RFC 9557, whose zone in brackets
/// could contradict the offset.
#[cold]
fn other_layout(text: &str) -> Option<DateTimeText> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    let offset_us = pieces.to_numeric_offset().map(|offset| i64::from(offset.seconds()) * 1_000_000);
    if pieces.time_zone_annotation().is_some() || offset_us.is_some_and(|offset| offset.abs() >= DAY_US) {
        return None;
    }
    let since =
        pieces.date().to_datetime(pieces.time()?).duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(DateTimeText { local_us: i64::try_from(since.as_nanos().div_euclid(1000)).ok()?, offset_us })
}

/// Reads `2026-01-31` to days since 1970-01-01.
pub fn parse_date(text: &str) -> Option<i32> {
    let days = days(text.as_bytes())?;
    in_range(days * DAY_US).then(|| i32::try_from(days).ok())?
}

/// True if an instant is within the years 1 to 9999.
pub(super) fn in_range(instant_us: i64) -> bool {
    (FIRST_US..=LAST_US).contains(&instant_us)
}

fn days(text: &[u8]) -> Option<i64> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let year = two(text, 0)? * 100 + two(text, 2)?;
    let (month, day) = (two(text, 5)?, two(text, 8)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days_of_month = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if day == 0 || day > days_of_month {
        return None;
    }
    Some(days_from_civil(year, month, day))
}

/// Days from 1970-01-01, by Howard Hinnant's `days_from_civil` for years from 0 on.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The microseconds of a fraction, if there is one, and what follows it.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some((b'.' | b',', digits)) = text.split_first() else { return Some((0, text)) };
    let length = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 {
        return None;
    }
    let digit = |place| digits.get(place).filter(|_| place < length).map_or(0, |byte| i64::from(byte - b'0'));
    let micros = (0..6).fold(0, |micros, place| micros * 10 + digit(place));
    Some((micros, &digits[length..]))
}

/// The offset that ends a text, if there is one: `Z`, `+01:00`, `+0100`.
fn offset(text: &[u8]) -> Option<Option<i64>> {
    let minutes_at = match text {
        [] => return Some(None),
        [b'Z' | b'z'] => return Some(Some(0)),
        [b'+' | b'-', _, _, b':', _, _] => 4,
        [b'+' | b'-', _, _, _, _] => 3,
        _ => return None,
    };
    let (hours, minutes) = (two(text, 1)?, two(text, minutes_at)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    let ahead = (hours * 60 + minutes) * 60_000_000;
    Some(Some(if text[0] == b'-' { -ahead } else { ahead }))
}

fn two(text: &[u8], at: usize) -> Option<i64> {
    let (tens, ones) = (text[at].wrapping_sub(b'0'), text[at + 1].wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| i64::from(tens * 10 + ones))
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::column::to_instant;
    use crate::zone::ZoneClock;

    fn check(text: &str, expect: Option<(i64, Option<i64>)>) {
        let read = parse(text).map(|read| (read.local_us, read.offset_us));
        assert_eq!(read, expect, "{text}");
    }

    #[test]
    fn reads_date_times() {
        const AT: i64 = 1_767_254_438_000_000;
        check("2026-01-01T08:00:38", Some((AT, None)));
        check("2026-01-01 08:00:38", Some((AT, None)));
        check("2026-01-01t08:00:38z", Some((AT, Some(0))));
        check("2026-01-01T08:00:38.123456", Some((AT + 123_456, None)));
        check("2026-01-01T08:00:38.123456789Z", Some((AT + 123_456, Some(0))));
        check("2026-01-01T08:00:38.5+01:00", Some((AT + 500_000, Some(3_600_000_000))));
        check("2026-01-01T08:00:38-0530", Some((AT, Some(-19_800_000_000))));
        check("2016-12-31T23:59:60Z", Some((1_483_228_799_000_000, Some(0))));
        check("0001-01-01T00:00:00", Some((FIRST_US, None)));
        check("9999-12-31T23:59:59.999999", Some((LAST_US, None)));
        check("2024-02-29T00:00:00", Some((1_709_164_800_000_000, None)));
    }

    #[test]
    fn refuses_what_is_no_date_time() {
        for text in [
            "",
            "2026",
            "2026-01-01",
            "2026-01-01T08:00:38.",
            "2026-01-01T24:00:00",
            "2026-01-01T08:60:00",
            "2026-01-01T08:00:61",
            "2026-02-29T00:00:00",
            "1900-02-29T00:00:00",
            "2026-13-01T00:00:00",
            "2026-00-01T00:00:00",
            "2026-01-00T00:00:00",
            "2026-01-01T08:00:38+1",
            "2026-01-01T08:00:38+24:00",
            "2026-01-01T08:00:38 Z",
            "2026-01-01T08:00:38Zx",
            "+2026-01-01T08:00:38",
            "2026-01-01T08:00:3é",
            "２026-01-01T08:00:38",
        ] {
            check(text, None);
        }
    }

    /// One table for the host and for the plugins, which once read other texts than the host.
    #[test]
    fn reads_what_the_plugins_read() {
        for line in include_str!("../../../tests/times/texts").lines().skip(1) {
            let (text, expect) = line.split_once('|').unwrap();
            let mut clock = ZoneClock::new(TimeZone::get("Europe/London").unwrap());
            let read = match parse(text) {
                None => "not a time".to_owned(),
                Some(read) => match to_instant(read, Some(&mut clock)) {
                    None => "out of range".to_owned(),
                    Some(instant) => instant.to_string(),
                },
            };
            assert_eq!(read, expect.trim(), "{text}");
        }
    }

    #[test]
    fn counts_days() {
        for (text, days) in
            [("1970-01-01", 0), ("2026-01-31", 20_484), ("1969-12-31", -1), ("0001-01-01", -719_162)]
        {
            assert_eq!(parse_date(text), Some(days), "{text}");
        }
        for text in ["0000-12-31", "2026-1-31", "2026-01-31T00:00:00", "2026-02-30", "31-01-2026", ""] {
            assert_eq!(parse_date(text), None, "{text}");
        }
    }
}
