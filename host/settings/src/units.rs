//! Sizes and durations as people write them: `64MiB`, `10s`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// A number of bytes: `512`, `64KiB`, `64MiB`, `1GiB`, or with `kB`, `MB`, `GB` in powers of 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteSize(pub usize);

/// A duration with its unit: `500ms`, `10s`, `5m`, `1h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

const UNITS: [(&str, usize); 8] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

impl std::str::FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (number, unit) = UNITS
            .iter()
            .find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim_end(), *unit)))
            .unwrap_or((text, 1));
        let bytes = number.parse::<usize>().ok().and_then(|n| n.checked_mul(unit));
        bytes.map(Self).ok_or_else(|| format!("`{text}` is not a size; write it as `64MiB`"))
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let duration = text.parse::<jiff::SignedDuration>().ok();
        let duration = duration.and_then(|duration| Duration::try_from(duration).ok());
        duration
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a duration; write it as `500ms`, `10s` or `5m`"))
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let check = |text: &str, expect: Option<usize>| {
            assert_eq!(text.parse::<ByteSize>().ok(), expect.map(ByteSize), "{text}");
        };
        check("512", Some(512));
        check("64MiB", Some(64 << 20));
        check("2 kB", Some(2000));
        check("99999999999GiB", None);
        check("-1", None);
        check("MiB", None);
    }

    #[test]
    fn durations() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(text.parse::<Span>().ok(), expect.map(Duration::from_millis).map(Span), "{text}");
        };
        check("500ms", Some(500));
        check("1m 30s", Some(90_000));
        check("-1s", None);
        check("10", None);
    }
}
