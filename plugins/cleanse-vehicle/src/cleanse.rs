//! The rules for one reading, in their order. A reading that breaks one is left half cleansed: it
//! does not go on.

use millstream_readings::measure::{Range, SpeedFault, Speeds};
use millstream_readings::position::{self, Positions};
use millstream_readings::timestamp::{self, Timestamps};
use millstream_readings::vocabulary::{Words, direction};

use crate::vehicle::Vehicle;
use crate::vocabulary::fuel_type;

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
    /// There is no position, or none on Earth.
    Position(position::Fault),
    /// No vehicle drives like that.
    Speed(SpeedFault),
    /// Not degrees of the compass.
    Bearing,
    /// Not in the vocabulary of fuel types.
    UnknownFuelType,
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
            Self::UnknownFuelType => "`fuelType` is not a known fuel type",
            Self::UnknownDirection => "`direction` is not a compass direction",
        }
    }
}

impl Rules {
    /// Cleanses one reading in place.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn cleanse(&mut self, vehicle: &mut Vehicle<'_>) -> Result<(), Fault> {
        let time = self.timestamps.read(vehicle.reported_at, vehicle.received_at).map_err(Fault::Time)?;
        (vehicle.instant, vehicle.in_future) = (time.instant, time.in_future);
        let position = self.positions.require(vehicle.whereabouts());
        let position = position.map_err(Fault::Position)?;
        (vehicle.latitude, vehicle.longitude) = (Some(position.latitude), Some(position.longitude));
        vehicle.speed = Some(self.speeds.kmh(vehicle.speed).map_err(Fault::Speed)?);
        if !Range::BEARING.admits(vehicle.bearing) {
            return Err(Fault::Bearing);
        }
        if !self.words.normalise(&mut vehicle.fuel_type, fuel_type) {
            return Err(Fault::UnknownFuelType);
        }
        if !self.words.normalise(&mut vehicle.direction, direction) {
            return Err(Fault::UnknownDirection);
        }
        vehicle.make = vehicle.make.map(str::trim);
        vehicle.model = vehicle.model.map(str::trim);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::Timestamp;

    use super::*;
    use crate::config::Config;

    fn check(config: &str, change: impl FnOnce(&mut Vehicle<'static>), expect: Result<Vehicle<'_>, &str>) {
        let mut rules = serde_json::from_str::<Config>(config).unwrap().check().unwrap();
        let mut vehicle = sound();
        (vehicle.instant, vehicle.in_future) = (Timestamp::default(), None);
        change(&mut vehicle);
        let outcome = rules.cleanse(&mut vehicle).map(|()| vehicle).map_err(Fault::reason);
        assert_eq!(outcome, expect);
    }

    fn sound() -> Vehicle<'static> {
        Vehicle {
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
            direction: Some("North-East"),
            make: Some("BMW"),
            model: Some("C500"),
            fuel_type: Some("Hybrid"),
        }
    }

    const PLAIN: &str = r#"{"zone": "Europe/London"}"#;
    const STRICT: &str = r#"{"zone": "Europe/London", "unknown_words": "reject"}"#;

    #[test]
    fn sound_readings_pass() {
        check(PLAIN, |_| {}, Ok(sound()));
        check(STRICT, |_| {}, Ok(sound()));
    }

    #[test]
    fn words_units_and_blanks_are_normalised() {
        let untidy = |vehicle: &mut Vehicle<'static>| {
            vehicle.direction = Some(" north east");
            vehicle.make = Some(" BMW ");
            vehicle.model = Some("C500\t");
            vehicle.fuel_type = Some("HYBRID");
        };
        check(PLAIN, untidy, Ok(sound()));
        let in_metres = r#"{"zone": "Europe/London", "speed_unit": "m/s"}"#;
        check(in_metres, |vehicle| vehicle.speed = Some(10.0), Ok(sound()));
        let summer = "2026-01-01T10:00:38.123456+02:00";
        check(
            PLAIN,
            |vehicle| vehicle.reported_at = Some(summer),
            Ok(Vehicle { reported_at: Some(summer), ..sound() }),
        );
    }

    #[test]
    fn positions_come_as_numbers_or_as_a_text() {
        let text = Some("[51.5, -0.14]");
        let as_text = |vehicle: &mut Vehicle<'static>| {
            (vehicle.latitude, vehicle.longitude, vehicle.position) = (None, None, text);
        };
        check(PLAIN, as_text, Ok(Vehicle { position: text, ..sound() }));
    }

    #[test]
    fn the_future_is_flagged() {
        let hour = Timestamp(3_600_000_000);
        let early = Some(Timestamp(1_767_254_438_123_456 - hour.0));
        let flagged = Vehicle { received_at: early, in_future: Some(true), ..sound() };
        check(PLAIN, |vehicle| vehicle.received_at = early, Ok(flagged.clone()));
        let patient = r#"{"zone": "Europe/London", "future_max_seconds": 3600}"#;
        check(
            patient,
            |vehicle| vehicle.received_at = early,
            Ok(Vehicle { in_future: Some(false), ..flagged.clone() }),
        );
        let unknown = Vehicle { received_at: None, in_future: None, ..sound() };
        check(PLAIN, |vehicle| vehicle.received_at = None, Ok(unknown));
    }

    #[test]
    fn what_cannot_be_has_its_reason() {
        check(PLAIN, |vehicle| vehicle.reported_at = None, Err("`timestamp` is missing"));
        check(PLAIN, |vehicle| vehicle.latitude = None, Err("`location.lat` is missing"));
        check(PLAIN, |vehicle| vehicle.longitude = None, Err("`location.lon` is missing"));
        check(PLAIN, |vehicle| vehicle.speed = None, Err("`speed` is missing"));
        check(PLAIN, |vehicle| vehicle.bearing = Some(-1.0), Err("`bearing` is out of range [0, 360]"));
        let nowhere = |vehicle: &mut Vehicle<'static>| (vehicle.latitude, vehicle.longitude) = (None, None);
        check(PLAIN, nowhere, Err("`location` is missing"));
    }

    #[test]
    fn nulls_that_may_be_stay() {
        let wordless =
            Vehicle { bearing: None, direction: None, make: None, model: None, fuel_type: None, ..sound() };
        check(STRICT, |vehicle| *vehicle = wordless.clone(), Ok(wordless.clone()));
    }

    #[test]
    fn unknown_words_are_kept_or_refused() {
        let steam = |vehicle: &mut Vehicle<'static>| vehicle.fuel_type = Some(" Steam ");
        check(PLAIN, steam, Ok(Vehicle { fuel_type: Some("Steam"), ..sound() }));
        check(STRICT, steam, Err("`fuelType` is not a known fuel type"));
        let up = |vehicle: &mut Vehicle<'static>| vehicle.direction = Some("Up");
        check(PLAIN, up, Ok(Vehicle { direction: Some("Up"), ..sound() }));
        check(STRICT, up, Err("`direction` is not a compass direction"));
        let spelt =
            r#"{"zone": "Europe/London", "unknown_words": "reject", "spellings": {"Hybird": "Hybrid"}}"#;
        check(spelt, |vehicle| vehicle.fuel_type = Some("hybird"), Ok(sound()));
    }
}
