//! What events are known by: their id, the device that sent them, and the moment they describe. All are plain
//! numbers that write themselves as text on the stack, so that an event costs no allocation.

use serde::{Serialize, Serializer};

use super::random::Random;

/// A short ASCII text on the stack: an id, a device or a moment as it stands in a message.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    bytes: [u8; Text::BYTES_MAX],
    length: usize,
}

impl Text {
    const BYTES_MAX: usize = 36;

    fn new(parts: &[&[u8]]) -> Self {
        let mut text = Self { bytes: [0; Self::BYTES_MAX], length: 0 };
        for part in parts {
            text.bytes[text.length..text.length + part.len()].copy_from_slice(part);
            text.length += part.len();
        }
        text
    }

    /// The text as bytes, such as a message key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("only ASCII is put in")
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A random UUID (version 4, variant 1); as JSON its usual text in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "Text")]
pub struct EventId(u128);

impl EventId {
    /// The next id of this stream of random numbers.
    pub fn draw(random: &mut Random) -> Self {
        let bits = u128::from(random.bits()) << 64 | u128::from(random.bits());
        let version_and_variant = 0xf << 76 | 0b11 << 62;
        Self(bits & !version_and_variant | 4 << 76 | 0b10 << 62)
    }
}

const HEX: [u8; 16] = *b"0123456789abcdef";

impl From<EventId> for Text {
    fn from(id: EventId) -> Self {
        let mut text = [b'-'; 36];
        let mut at = 0;
        for (index, byte) in id.0.to_be_bytes().into_iter().enumerate() {
            at += usize::from(matches!(index, 4 | 6 | 8 | 10));
            text[at] = HEX[usize::from(byte >> 4)];
            text[at + 1] = HEX[usize::from(byte & 15)];
            at += 2;
        }
        Self::new(&[&text])
    }
}

/// The kinds of devices that send events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeviceKind {
    /// A vehicle's unit; sends the vehicle and the GPS stream.
    Vehicle,
    /// A camera over a carriageway.
    Camera,
    /// A weather station beside a route.
    Station,
    /// An emergency post beside a route; there is one each kilometre.
    Post,
}

impl DeviceKind {
    /// The name its ids begin with.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vehicle => "vehicle",
            Self::Camera => "camera",
            Self::Station => "station",
            Self::Post => "post",
        }
    }
}

/// A device; as JSON and as a message key its kind and number, such as `vehicle-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(into = "Text")]
pub struct DeviceId {
    /// Its kind.
    pub kind: DeviceKind,
    /// Its number among those of its kind, counted from 1.
    pub number: u32,
}

impl From<DeviceId> for Text {
    fn from(device: DeviceId) -> Self {
        let mut digits = [0; 10];
        let mut first = digits.len();
        let mut left = device.number;
        while left > 0 || first == digits.len() {
            first -= 1;
            digits[first] = b'0' + (left % 10) as u8;
            left /= 10;
        }
        Self::new(&[device.kind.name().as_bytes(), b"-", &digits[first..]])
    }
}

/// A moment, in microseconds since 1970-01-01T00:00:00Z; as JSON ISO 8601 in UTC with six decimals and `Z`, such
/// as `2026-01-01T08:00:00.123456Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "Text")]
pub struct EventTime(pub i64);

const SECOND_US: i64 = 1_000_000;
const DAY_US: i64 = 86_400 * SECOND_US;

impl EventTime {
    /// Year (0 to 9999), month and day, of the proleptic Gregorian calendar (Hinnant, "chrono-Compatible
    /// Low-Level Date Algorithms", `civil_from_days`).
    fn date(self) -> [i64; 3] {
        let days = self.0.div_euclid(DAY_US) + 719_468;
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + days.div_euclid(146_097) * 400 + i64::from(month <= 2);
        [year, month, day]
    }
}

impl From<EventTime> for Text {
    fn from(time: EventTime) -> Self {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let [year, month, day] = time.date();
        let of_day = time.0.rem_euclid(DAY_US);
        let seconds = of_day / SECOND_US;
        let parts = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, seconds / 3600),
            (14, 2, seconds / 60 % 60),
            (17, 2, seconds % 60),
            (20, 6, of_day % SECOND_US),
        ];
        for (start, width, value) in parts {
            let mut left = value;
            for digit in text[start..start + width].iter_mut().rev() {
                *digit = b'0' + (left % 10) as u8;
                left /= 10;
            }
        }
        Self::new(&[&text])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_jiff_writes_them() {
        let mut random = Random::new(3, "times");
        let drawn = (0..5000).map(|_| random.between(-6e16, 2.5e17) as i64);
        let edges = [0, -1, 951_782_400_000_000, 1_767_225_599_999_999, 4_107_542_400_000_000];
        for time_us in edges.into_iter().chain(drawn) {
            let jiff = jiff::Timestamp::from_microsecond(time_us).unwrap();
            let expect = jiff.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
            assert_eq!(Text::from(EventTime(time_us)).as_str(), expect);
        }
    }

    #[test]
    fn devices_have_names() {
        let check = |kind, number, expect: &str| {
            assert_eq!(Text::from(DeviceId { kind, number }).as_str(), expect);
        };
        check(DeviceKind::Vehicle, 1, "vehicle-1");
        check(DeviceKind::Camera, 70, "camera-70");
        check(DeviceKind::Station, u32::MAX, "station-4294967295");
        check(DeviceKind::Post, 0, "post-0");
    }

    #[test]
    fn ids_are_uuids_of_version_4() {
        let mut random = Random::new(3, "ids");
        for _ in 0..1000 {
            let text = Text::from(EventId::draw(&mut random));
            let text = text.as_str();
            let lengths: Vec<usize> = text.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{text}");
            assert!(text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19]), "{text}");
            assert!(text.bytes().all(|byte| byte == b'-' || HEX.contains(&byte)), "{text}");
        }
    }
}
