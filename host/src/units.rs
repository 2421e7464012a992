//! Numbers and moments as people read them: thousands apart, durations and sizes with units that fit.

use std::time::Duration;

use arrow::temporal_conversions::timestamp_us_to_datetime;

/// A number with thousands apart: `1 234 567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(' ');
        }
        grouped.push(digit);
    }
    grouped
}

/// As [`count`], or with three digits and a letter if that is longer than `width`: `12.3M`.
pub fn count_within(number: u64, width: usize) -> String {
    let exact = count(number);
    if exact.len() <= width {
        exact
    } else {
        scaled(number as f64, &[(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")])
    }
}

/// A size: `812 B`, `4.1 KB`, `38.2 MB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        _ => scaled(bytes as f64, &[(1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " KB")]),
    }
}

/// A duration in milliseconds: `850 ms`, `5.1 s`, `12 min`, `3.0 h`, `41 d`.
pub fn millis(millis: u64) -> String {
    let of = millis as f64;
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..100_000 => format!("{:.1} s", of / 1e3),
        100_000..6_000_000 => format!("{:.0} min", of / 60e3),
        6_000_000..172_800_000 => format!("{:.1} h", of / 3600e3),
        _ => format!("{:.0} d", of / 86400e3),
    }
}

/// A moment, from microseconds since the epoch: `2026-01-31T08:00:00.000000Z`.
pub fn moment(us: i64) -> String {
    let time = timestamp_us_to_datetime(us).map(|time| time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    time.unwrap_or_else(|| format!("{us} us"))
}

/// How long something has run: `42s`, `12m 33s`, `3h 02m`, `5d 04h`.
pub fn uptime(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {:02}s", seconds % 60),
        (0, ..) => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

fn scaled(number: f64, units: &[(f64, &str)]) -> String {
    let smallest = units.last().expect("there are units");
    let (one, unit) = units.iter().find(|(one, _)| number >= *one).unwrap_or(smallest);
    let scaled = number / one;
    let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.digits$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1 000", "1 234 567"]);
        assert_eq!([1_234_567, 12_345_678_901].map(|number| count_within(number, 9)), ["1 234 567", "12.3G"]);
        assert_eq!([812, 4100, 38_200_000].map(bytes), ["812 B", "4.10 KB", "38.2 MB"]);
        assert_eq!([850, 5100, 720_000, 10_800_000].map(millis), ["850 ms", "5.1 s", "12 min", "3.0 h"]);
        let seconds = [42, 753, 10_920, 446_400];
        assert_eq!(
            seconds.map(|seconds| uptime(Duration::from_secs(seconds))),
            ["42s", "12m 33s", "3h 02m", "5d 04h"]
        );
    }
}
