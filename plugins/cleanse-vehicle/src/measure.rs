//! Positions and speeds: what is possible on a road of this planet, and the unit of speed.

use serde::Deserialize;

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

/// Why a position is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionFault {
    /// Not a number in [-90, 90].
    Latitude,
    /// Not a number in [-180, 180].
    Longitude,
    /// Exactly 0, 0: what receivers report without a fix.
    NullIsland,
}

impl PositionFault {
    /// The reason of the dead letter.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Latitude => "`location.lat` is out of range [-90, 90]",
            Self::Longitude => "`location.lon` is out of range [-180, 180]",
            Self::NullIsland => "`location` is 0, 0: the device had no fix",
        }
    }
}

/// Checks a position in degrees.
///
/// # Errors
/// What is wrong with it. NaN and infinities are out of range.
pub fn check_position(latitude: f64, longitude: f64, refuse_null_island: bool) -> Result<(), PositionFault> {
    if !(-90.0..=90.0).contains(&latitude) {
        Err(PositionFault::Latitude)
    } else if !(-180.0..=180.0).contains(&longitude) {
        Err(PositionFault::Longitude)
    } else if refuse_null_island && latitude == 0.0 && longitude == 0.0 {
        Err(PositionFault::NullIsland)
    } else {
        Ok(())
    }
}

/// Why a speed is impossible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeedFault {
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
            Self::NotFinite => "`speed` is not a finite number",
            Self::Negative => "`speed` is negative",
            Self::TooHigh => "`speed` is above the maximum",
        }
    }
}

/// A speed in km/h, rounded no further than the arithmetic does.
///
/// # Errors
/// Why it is impossible.
pub fn speed_kmh(speed: f64, unit: SpeedUnit, max_kmh: f64) -> Result<f64, SpeedFault> {
    let kmh = speed * unit.in_kmh();
    if !speed.is_finite() {
        Err(SpeedFault::NotFinite)
    } else if kmh < 0.0 {
        Err(SpeedFault::Negative)
    } else if kmh > max_kmh {
        Err(SpeedFault::TooHigh)
    } else {
        Ok(kmh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions() {
        let check = |latitude, longitude, expect| {
            assert_eq!(check_position(latitude, longitude, true), expect, "{latitude}, {longitude}");
        };
        check(90.0, -180.0, Ok(()));
        check(0.0, 0.1, Ok(()));
        check(90.000_001, 0.0, Err(PositionFault::Latitude));
        check(f64::NAN, 0.0, Err(PositionFault::Latitude));
        check(51.5, f64::INFINITY, Err(PositionFault::Longitude));
        check(51.5, -180.5, Err(PositionFault::Longitude));
        check(0.0, -0.0, Err(PositionFault::NullIsland));
        assert_eq!(check_position(0.0, 0.0, false), Ok(()));
    }

    #[test]
    fn speeds() {
        use SpeedUnit::{KilometresPerHour, MetresPerSecond, MilesPerHour};
        let check =
            |speed, unit, expect| assert_eq!(speed_kmh(speed, unit, 300.0), expect, "{speed} {unit:?}");
        check(0.0, KilometresPerHour, Ok(0.0));
        check(300.0, KilometresPerHour, Ok(300.0));
        check(100.0, MilesPerHour, Ok(160.934_4));
        check(10.0, MetresPerSecond, Ok(36.0));
        check(187.0, MilesPerHour, Err(SpeedFault::TooHigh));
        check(-0.1, KilometresPerHour, Err(SpeedFault::Negative));
        check(f64::NAN, KilometresPerHour, Err(SpeedFault::NotFinite));
        check(f64::NEG_INFINITY, KilometresPerHour, Err(SpeedFault::NotFinite));
    }
}
