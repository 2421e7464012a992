//! From the times that devices report to instants. Times with an offset are instants already; the
//! others are wall-clock times of the configured zone.
//!
//! When clocks are put forward, an hour of wall-clock times does not exist; when they are put back, an
//! hour happens twice. With [`ClockChange::Compatible`] (as RFC 5545 and most libraries do it) a time
//! of the missing hour is taken as if the clocks had not been changed yet, and a time of the doubled
//! hour as its first passing. With [`ClockChange::Reject`] both are faults.
//!
//! Time takes `YYYY-MM-DDTHH:MM:SS` (or a blank for the T) with any fraction and offset by a fixed
//! layout and remembers the zone's offset of the hour last seen; other ISO-8601 forms go through jiff.
//! The host reads the same texts, and the same from them: `tests/times/texts` is checked there and here.

use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};
use serde::Deserialize;

const SECOND_US: i64 = 1_000_000;
const HOUR_US: i64 = 3600 * SECOND_US;
const DAY_US: i64 = 24 * HOUR_US;
/// The years 1 to 9999.
const RANGE_US: std::ops::RangeInclusive<i64> = -62_135_596_800_000_000..=253_402_300_799_999_999;

/// What happens to wall-clock times that name no instant, or two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockChange {
    /// The offset from before the change counts.
    #[default]
    Compatible,
    /// They are faults.
    Reject,
}

/// Why a time names no instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not ISO-8601, or no such day or time of day.
    NotATime,
    /// Not in the years 1 to 9999, as UTC.
    OutOfRange,
    /// In the hour that a change of the clocks leaves out or repeats.
    ClockChange,
}

impl Fault {
    /// The reason of the dead letter.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotATime => "`timestamp` is not an ISO-8601 time",
            Self::OutOfRange => "`timestamp` is out of range: not in the years 1 to 9999",
            Self::ClockChange => "`timestamp` falls into a change of the clocks",
        }
    }
}

/// Turns text into instants.
#[derive(Clone, Debug)]
pub struct Clock {
    zone: TimeZone,
    change: ClockChange,
    hour: Option<Hour>,
}

/// An hour on the wall that has one offset from its beginning to its end.
#[derive(Clone, Copy, Debug)]
struct Hour {
    number: i64,
    offset_us: i64,
}

/// A time as it is written: microseconds since 1970-01-01T00:00 on its own clock.
struct Written {
    wall_us: i64,
    offset_us: Option<i64>,
}

impl Clock {
    /// A clock of `zone`.
    pub fn new(zone: TimeZone, change: ClockChange) -> Self {
        Self { zone, change, hour: None }
    }

    /// The instant, in microseconds since the epoch. Digits below a microsecond are cut off.
    ///
    /// # Errors
    /// If the text names no instant.
    pub fn instant_us(&mut self, text: &str) -> Result<i64, Fault> {
        let written = fixed_layout(text.as_bytes()).or_else(|| other_layout(text)).ok_or(Fault::NotATime)?;
        let offset_us = match written.offset_us {
            Some(offset_us) => offset_us,
            None => self.zone_offset_us(written.wall_us)?,
        };
        let instant_us = written.wall_us - offset_us;
        if RANGE_US.contains(&instant_us) { Ok(instant_us) } else { Err(Fault::OutOfRange) }
    }

    fn zone_offset_us(&mut self, wall_us: i64) -> Result<i64, Fault> {
        let number = wall_us.div_euclid(HOUR_US);
        match self.hour {
            Some(hour) if hour.number == number => return Ok(hour.offset_us),
            _ => self.hour = self.steady_hour(number),
        }
        match (self.offset_at(wall_us), self.change) {
            (AmbiguousOffset::Unambiguous { offset }, _) => Ok(offset_us(offset)),
            (
                AmbiguousOffset::Gap { before, .. } | AmbiguousOffset::Fold { before, .. },
                ClockChange::Compatible,
            ) => Ok(offset_us(before)),
            (_, ClockChange::Reject) => Err(Fault::ClockChange),
        }
    }

    /// The hour, if its first and last moment have one and the same offset.
    fn steady_hour(&self, number: i64) -> Option<Hour> {
        let (first, last) = (number * HOUR_US, number * HOUR_US + HOUR_US - 1);
        match (self.offset_at(first), self.offset_at(last)) {
            (AmbiguousOffset::Unambiguous { offset }, AmbiguousOffset::Unambiguous { offset: other })
                if offset == other =>
            {
                Some(Hour { number, offset_us: offset_us(offset) })
            }
            _ => None,
        }
    }

    /// The ends of jiff's calendar stand for what is beyond them.
    fn offset_at(&self, wall_us: i64) -> AmbiguousOffset {
        let end = if wall_us < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
        let as_utc = jiff::Timestamp::from_microsecond(wall_us).unwrap_or(end);
        self.zone.to_ambiguous_timestamp(Offset::UTC.to_datetime(as_utc)).offset()
    }
}

fn offset_us(offset: Offset) -> i64 {
    i64::from(offset.seconds()) * SECOND_US
}

/// `YYYY-MM-DDTHH:MM:SS[.f…][Z|±HH:MM|±HHMM]`; none if it is anything else.
fn fixed_layout(text: &[u8]) -> Option<Written> {
    let (head, rest) = text.split_first_chunk::<19>()?;
    let marks = [head[4], head[7], head[13], head[16]] == *b"--::" && matches!(head[10], b'T' | b't' | b' ');
    let year = number(&head[..4])?;
    let (month, day) = (number(&head[5..7])?, number(&head[8..10])?);
    let (hour, minute, second) = (number(&head[11..13])?, number(&head[14..16])?, number(&head[17..])?);
    let sound = (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !(marks && sound) {
        return None;
    }
    let (fraction_us, rest) = fraction_us(rest)?;
    // A leap second is read as the one before, as jiff does.
    let seconds = (hour * 60 + minute) * 60 + second.min(59);
    let wall_us = days_since_epoch(year, month, day) * DAY_US + seconds * SECOND_US + fraction_us;
    Some(Written { wall_us, offset_us: fixed_offset_us(rest)? })
}

fn number(digits: &[u8]) -> Option<i64> {
    let mut value = 0;
    for digit in digits {
        value = value * 10 + i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Some(value)
}

/// Takes a fraction of a second off the front.
fn fraction_us(text: &[u8]) -> Option<(i64, &[u8])> {
    let Some(b'.' | b',') = text.first() else { return Some((0, text)) };
    let digits = text[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text[1..].split_at(digits);
    if digits == 0 {
        return None;
    }
    let value = number(&fraction[..digits.min(6)])?;
    Some((value * 10_i64.pow(6 - digits.min(6) as u32), rest))
}

/// No offset, `Z`, `±HH:MM`, or `±HHMM`.
fn fixed_offset_us(text: &[u8]) -> Option<Option<i64>> {
    match text {
        [] => Some(None),
        b"Z" | b"z" => Some(Some(0)),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            let (hours, minutes) = (number(&[*h1, *h2])?, number(&[*m1, *m2])?);
            let size = (hours < 24 && minutes < 60).then_some((hours * 60 + minutes) * 60 * SECOND_US)?;
            Some(Some(if *sign == b'-' { -size } else { size }))
        }
        _ => None,
    }
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 of the proleptic Gregorian calendar (H. Hinnant, "chrono-compatible low-level
/// date algorithms": years begin in March, so that the leap day comes last).
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Any other form of ISO-8601 that has a date and a time of day. Not RFC 9557, whose zone in brackets
/// could contradict the offset.
fn other_layout(text: &str) -> Option<Written> {
    let pieces = Pieces::parse(text.trim()).ok()?;
    let offset_us = pieces.to_numeric_offset().map(offset_us);
    if pieces.time_zone_annotation().is_some() || offset_us.is_some_and(|offset| offset.abs() >= DAY_US) {
        return None;
    }
    let wall = pieces.date().to_datetime(pieces.time()?);
    let since = wall.duration_since(DateTime::constant(1970, 1, 1, 0, 0, 0, 0));
    Some(Written { wall_us: i64::try_from(since.as_nanos().div_euclid(1000)).ok()?, offset_us })
}

#[cfg(test)]
mod tests;
