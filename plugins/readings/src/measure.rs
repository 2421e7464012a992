//! Measured quantities: what of them is possible, and the unit of speed.

use serde::Deserialize;

use crate::config::Problem;

/// The highest speed on a road that is believed, unless configured: 300 km/h.
pub fn default_speed_max_kmh() -> f64 {
    300.0
}

/// Unit of a speed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SpeedUnit {
    /// Kilometres an hour.
    #[default]
    #[serde(rename = "km/h")]
    KilometresPerHour,
    /// Statute miles an hour: 1.609344 km/h.
    #[serde(rename = "mph")]
    MilesPerHour,
    /// Metres a second: 3.6 km/h.
    #[serde(rename = "m/s")]
    MetresPerSecond,
}

impl SpeedUnit {
    fn in_kmh(self) -> f64 {
        match self {
            Self::KilometresPerHour => 1.0,
            Self::MilesPerHour => 1.609_344,
            Self::MetresPerSecond => 3.6,
        }
    }
}

/// Why a speed is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeedFault {
    /// There is none.
    Missing,
    /// NaN or infinite.
    NotFinite,
    /// Below zero.
    Negative,
    /// Above the configured maximum.
    TooHigh,
}

impl SpeedFault {
    /// The reason of the dead letter.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "`speed` is missing",
            Self::NotFinite => "`speed` is not a finite number",
            Self::Negative => "`speed` is negative",
            Self::TooHigh => "`speed` is above the maximum",
        }
    }
}

/// Reads speeds.
#[derive(Clone, Copy, Debug)]
pub struct Speeds {
    unit: SpeedUnit,
    max_kmh: f64,
}

impl Speeds {
    /// Speeds arrive in `unit`; above `max_kmh` they are impossible.
    ///
    /// # Errors
    /// If the maximum is no number above 0.
    pub fn new(unit: SpeedUnit, max_kmh: f64) -> Result<Self, Vec<Problem>> {
        Ok(Self { unit, max_kmh: above_zero("speed_max_kmh", max_kmh)? })
    }

    /// The speed in km/h, rounded no further than the arithmetic does.
    ///
    /// # Errors
    /// Why it is impossible.
    pub fn kmh(self, speed: Option<f64>) -> Result<f64, SpeedFault> {
        let speed = speed.ok_or(SpeedFault::Missing)?;
        let kmh = speed * self.unit.in_kmh();
        if !speed.is_finite() {
            Err(SpeedFault::NotFinite)
        } else if kmh < 0.0 {
            Err(SpeedFault::Negative)
        } else if kmh > self.max_kmh {
            Err(SpeedFault::TooHigh)
        } else {
            Ok(kmh)
        }
    }
}

/// A bound that must be above zero.
///
/// # Errors
/// If it is not, or no finite number.
pub fn above_zero(key: &'static str, value: f64) -> Result<f64, Vec<Problem>> {
    let sound = value.is_finite() && value > 0.0;
    if sound { Ok(value) } else { Err(vec![Problem::NotAboveZero { key, value }]) }
}

/// A bound that must not be negative.
///
/// # Errors
/// If it is, or is no finite number.
pub fn zero_or_above(key: &'static str, value: f64) -> Result<f64, Vec<Problem>> {
    let sound = value.is_finite() && value >= 0.0;
    if sound { Ok(value) } else { Err(vec![Problem::Negative { key, value }]) }
}

/// The range between two configured bounds, each with its key.
///
/// # Errors
/// If nothing is between them.
pub fn range(min: (&'static str, f64), max: (&'static str, f64)) -> Result<Range, Vec<Problem>> {
    let ((key, min), (max_key, max)) = (min, max);
    if min <= max { Ok(Range { min, max }) } else { Err(vec![Problem::Empty { key, min, max_key, max }]) }
}

/// What is possible of a quantity, both ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    min: f64,
    max: f64,
}

impl Range {
    /// Degrees of the compass.
    pub const BEARING: Self = Self::new(0.0, 360.0);
    /// What cannot be negative and has no known end; infinity is none.
    pub const NOT_NEGATIVE: Self = Self::new(0.0, f64::MAX);

    /// From `min` to `max`.
    pub const fn new(min: f64, max: f64) -> Self {
        Self { min, max }
    }

    /// False for a value outside and for NaN; nothing is measured where there is no value.
    pub fn admits(self, value: Option<f64>) -> bool {
        value.is_none_or(|value| (self.min..=self.max).contains(&value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds() {
        use SpeedUnit::{KilometresPerHour, MetresPerSecond, MilesPerHour};
        let check = |speed, unit, expect| {
            assert_eq!(Speeds::new(unit, 300.0).unwrap().kmh(Some(speed)), expect, "{speed} {unit:?}");
        };
        check(0.0, KilometresPerHour, Ok(0.0));
        check(300.0, KilometresPerHour, Ok(300.0));
        check(100.0, MilesPerHour, Ok(160.934_4));
        check(10.0, MetresPerSecond, Ok(36.0));
        check(187.0, MilesPerHour, Err(SpeedFault::TooHigh));
        check(-0.1, KilometresPerHour, Err(SpeedFault::Negative));
        check(f64::NAN, KilometresPerHour, Err(SpeedFault::NotFinite));
        check(f64::NEG_INFINITY, KilometresPerHour, Err(SpeedFault::NotFinite));
        assert_eq!(Speeds::new(MilesPerHour, 1.0).unwrap().kmh(None), Err(SpeedFault::Missing));
    }

    #[test]
    fn ranges() {
        let check =
            |range: Range, value, expect| assert_eq!(range.admits(value), expect, "{range:?} {value:?}");
        check(Range::BEARING, Some(0.0), true);
        check(Range::BEARING, Some(360.0), true);
        check(Range::BEARING, Some(360.1), false);
        check(Range::BEARING, Some(f64::NAN), false);
        check(Range::NOT_NEGATIVE, Some(-1.0), false);
        check(Range::NOT_NEGATIVE, Some(f64::INFINITY), false);
        check(Range::NOT_NEGATIVE, None, true);
    }

    #[test]
    fn bounds() {
        assert_eq!(range(("min", -1.0), ("max", 1.0)), Ok(Range::new(-1.0, 1.0)));
        assert!(range(("min", 1.0), ("max", -1.0)).is_err());
        assert_eq!(zero_or_above("bound", 0.0), Ok(0.0));
        assert!(zero_or_above("bound", -0.1).is_err());
    }

    #[test]
    fn maxima_are_above_zero() {
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Speeds::new(SpeedUnit::MilesPerHour, value).is_err(), "{value}");
        }
    }
}
