//! The rules for one reading, in their order. A reading that breaks one is left half cleansed: it
//! does not go on.

use millstream_readings::measure::{Range, SpeedFault, Speeds};
use millstream_readings::position::{self, Positions};
use millstream_readings::timestamp::{self, Timestamps};
use millstream_readings::vocabulary::{Words, direction};

use crate::fix::Fix;
use crate::vocabulary::vehicle_type;

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    /// Turns what devices report into instants.
    pub timestamps: Timestamps,
    /// Knows what is a position.
    pub positions: Positions,
    /// Knows what is a speed, and its unit.
    pub speeds: Speeds,
    /// Knows the spellings of words.
    pub words: Words,
}

/// Why a reading cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no time, or none that can be read.
    Time(timestamp::Fault),
    /// There is half a position, or none on Earth.
    Position(position::Fault),
    /// No vehicle drives like that.
    Speed(SpeedFault),
    /// Not degrees of the compass.
    Bearing,
    /// Not a radius.
    Accuracy,
    /// Fewer than none.
    Satellites,
    /// Not in the vocabulary of vehicle types.
    UnknownVehicleType,
    /// Not in the vocabulary of directions.
    UnknownDirection,
}

impl Fault {
    /// The reason of the dead letter: column and rule, never a value.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Time(fault) => fault.reason(),
            Self::Position(fault) => fault.reason(),
            Self::Speed(fault) => fault.reason(),
            Self::Bearing => "`bearing` is out of range [0, 360]",
            Self::Accuracy => "`accuracy` is not a radius in metres",
            Self::Satellites => "`satellites` is negative",
            Self::UnknownVehicleType => "`vehicleType` is not a known vehicle type",
            Self::UnknownDirection => "`direction` is not a compass direction",
        }
    }
}

impl Rules {
    /// Cleanses one reading in place.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn cleanse(&mut self, fix: &mut Fix<'_>) -> Result<(), Fault> {
        let time = self.timestamps.read(fix.reported_at, fix.received_at).map_err(Fault::Time)?;
        (fix.instant, fix.in_future) = (time.instant, time.in_future);
        let position = self.positions.read(fix.whereabouts());
        let position = position.map_err(Fault::Position)?;
        (fix.latitude, fix.longitude) = position.map(|at| (at.latitude, at.longitude)).unzip();
        fix.speed = Some(self.speeds.kmh(fix.speed).map_err(Fault::Speed)?);
        check_receiver(fix)?;
        if !self.words.normalise(&mut fix.vehicle_type, vehicle_type) {
            return Err(Fault::UnknownVehicleType);
        }
        if !self.words.normalise(&mut fix.direction, direction) {
            return Err(Fault::UnknownDirection);
        }
        Ok(())
    }
}

fn check_receiver(fix: &Fix<'_>) -> Result<(), Fault> {
    if !Range::BEARING.admits(fix.bearing) {
        Err(Fault::Bearing)
    } else if !Range::NOT_NEGATIVE.admits(fix.accuracy) {
        Err(Fault::Accuracy)
    } else if fix.satellites.is_some_and(|satellites| satellites < 0) {
        Err(Fault::Satellites)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::Timestamp;

    use super::*;
    use crate::config::Config;

    fn check(config: &str, change: impl FnOnce(&mut Fix<'static>), expect: Result<Fix<'_>, &str>) {
        let mut rules = serde_json::from_str::<Config>(config).unwrap().check().unwrap();
        let mut fix = sound();
        (fix.instant, fix.in_future) = (Timestamp::default(), None);
        change(&mut fix);
        assert_eq!(rules.cleanse(&mut fix).map(|()| fix).map_err(Fault::reason), expect);
    }

    fn sound() -> Fix<'static> {
        Fix {
            reported_at: Some("2026-01-01T08:00:38.123456"),
            instant: Timestamp(1_767_254_438_123_456),
            received_at: Some(Timestamp(1_767_254_438_123_456)),
            in_future: Some(false),
            latitude: Some(51.5),
            longitude: Some(-0.14),
            lat: None,
            lon: None,
            position: None,
            speed: Some(36.0),
            bearing: Some(312.7),
            accuracy: Some(4.5),
            satellites: Some(9),
            direction: Some("North-West"),
            vehicle_type: Some("private"),
        }
    }

    const PLAIN: &str = r#"{"zone": "Europe/London"}"#;
    const STRICT: &str = r#"{"zone": "Europe/London", "unknown_words": "reject"}"#;

    #[test]
    fn sound_readings_pass() {
        check(PLAIN, |_| {}, Ok(sound()));
        check(STRICT, |_| {}, Ok(sound()));
    }

    /// As recorded: without any position.
    #[test]
    fn a_receiver_need_not_say_where_it_is() {
        let bare = Fix {
            latitude: None,
            longitude: None,
            bearing: None,
            accuracy: None,
            satellites: None,
            direction: None,
            vehicle_type: None,
            ..sound()
        };
        check(STRICT, |fix| *fix = bare.clone(), Ok(bare.clone()));
    }

    #[test]
    fn positions_and_words_are_normalised() {
        let untidy = |fix: &mut Fix<'static>| {
            (fix.latitude, fix.longitude, fix.position) = (None, None, Some("51.5,-0.14"));
            (fix.direction, fix.vehicle_type) = (Some("nw"), Some("Private car"));
        };
        check(STRICT, untidy, Ok(Fix { position: Some("51.5,-0.14"), ..sound() }));
    }

    #[test]
    fn what_cannot_be_has_its_reason() {
        check(PLAIN, |fix| fix.reported_at = None, Err("`timestamp` is missing"));
        check(PLAIN, |fix| fix.longitude = None, Err("`location.lon` is missing"));
        check(PLAIN, |fix| fix.latitude = Some(123.0), Err("`location.lat` is out of range [-90, 90]"));
        check(PLAIN, |fix| fix.speed = None, Err("`speed` is missing"));
        check(PLAIN, |fix| fix.speed = Some(999.0), Err("`speed` is above the maximum"));
        check(PLAIN, |fix| fix.bearing = Some(361.0), Err("`bearing` is out of range [0, 360]"));
        check(PLAIN, |fix| fix.accuracy = Some(-1.0), Err("`accuracy` is not a radius in metres"));
        check(PLAIN, |fix| fix.satellites = Some(-1), Err("`satellites` is negative"));
        let spaceship = |fix: &mut Fix<'static>| fix.vehicle_type = Some("spaceship");
        check(STRICT, spaceship, Err("`vehicleType` is not a known vehicle type"));
        check(STRICT, |fix| fix.direction = Some("up"), Err("`direction` is not a compass direction"));
    }
}
