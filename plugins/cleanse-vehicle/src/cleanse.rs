//! The rules for one reading, in their order. A reading that breaks one is left half cleansed: it
//! does not go on.

use millstream_sdk::Timestamp;

use crate::clock::{self, Clock};
use crate::measure::{self, SpeedUnit};
use crate::vehicle::Vehicle;
use crate::vocabulary;

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    /// Turns what devices report into instants.
    pub clock: Clock,
    /// Unit of the speeds that devices report.
    pub speed_unit: SpeedUnit,
    /// Speeds above are impossible, in km/h.
    pub speed_max_kmh: f64,
    /// Whether 0, 0 is refused as a position.
    pub refuse_null_island: bool,
    /// Whether a word that is not in the vocabulary is refused.
    pub refuse_unknown_words: bool,
}

/// Why a reading cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no value in a column that the rules need.
    Missing(Column),
    /// The time cannot be read or names no single instant.
    Time(clock::Fault),
    /// The position is none on Earth, or none at all.
    Position(measure::PositionFault),
    /// No vehicle drives like that.
    Speed(measure::SpeedFault),
    /// Not in the vocabulary of fuel types.
    UnknownFuelType,
    /// Not in the vocabulary of directions.
    UnknownDirection,
}

/// A column that the rules need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// `timestamp`
    Timestamp,
    /// `location.lat`
    Latitude,
    /// `location.lon`
    Longitude,
    /// `speed`
    Speed,
}

impl Fault {
    /// The reason of the dead letter: column and rule, never a value.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing(Column::Timestamp) => "`timestamp` is missing",
            Self::Missing(Column::Latitude) => "`location.lat` is missing",
            Self::Missing(Column::Longitude) => "`location.lon` is missing",
            Self::Missing(Column::Speed) => "`speed` is missing",
            Self::Time(fault) => fault.reason(),
            Self::Position(fault) => fault.reason(),
            Self::Speed(fault) => fault.reason(),
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
        vehicle.instant = self.instant(vehicle)?;
        self.check_position(vehicle)?;
        vehicle.speed = Some(self.speed_kmh(vehicle)?);
        self.normalise_words(vehicle)?;
        vehicle.make = vehicle.make.map(str::trim);
        vehicle.model = vehicle.model.map(str::trim);
        Ok(())
    }

    fn instant(&mut self, vehicle: &Vehicle<'_>) -> Result<Timestamp, Fault> {
        let text = vehicle.reported_at.ok_or(Fault::Missing(Column::Timestamp))?;
        self.clock.instant_us(text).map(Timestamp).map_err(Fault::Time)
    }

    fn check_position(&self, vehicle: &Vehicle<'_>) -> Result<(), Fault> {
        let latitude = vehicle.latitude.ok_or(Fault::Missing(Column::Latitude))?;
        let longitude = vehicle.longitude.ok_or(Fault::Missing(Column::Longitude))?;
        measure::check_position(latitude, longitude, self.refuse_null_island).map_err(Fault::Position)
    }

    fn speed_kmh(&self, vehicle: &Vehicle<'_>) -> Result<f64, Fault> {
        let speed = vehicle.speed.ok_or(Fault::Missing(Column::Speed))?;
        measure::speed_kmh(speed, self.speed_unit, self.speed_max_kmh).map_err(Fault::Speed)
    }

    fn normalise_words(&self, vehicle: &mut Vehicle<'_>) -> Result<(), Fault> {
        let known = normalise(&mut vehicle.fuel_type, vocabulary::fuel_type);
        if !known && self.refuse_unknown_words {
            return Err(Fault::UnknownFuelType);
        }
        let known = normalise(&mut vehicle.direction, vocabulary::direction);
        if !known && self.refuse_unknown_words {
            return Err(Fault::UnknownDirection);
        }
        Ok(())
    }
}

/// Replaces a word by its canonical form, or an unknown one by itself without blanks around it.
/// Returns whether it was known; null is.
fn normalise(word: &mut Option<&str>, canonical: fn(&str) -> Option<&'static str>) -> bool {
    let Some(text) = *word else { return true };
    let found = canonical(text);
    *word = found.or(Some(text.trim()));
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn check(config: &str, change: impl FnOnce(&mut Vehicle<'static>), expect: Result<Vehicle<'_>, &str>) {
        let mut rules = serde_json::from_str::<Config>(config).unwrap().check().unwrap();
        let mut vehicle = sound();
        vehicle.instant = Timestamp::default();
        change(&mut vehicle);
        let outcome = rules.cleanse(&mut vehicle).map(|()| vehicle).map_err(Fault::reason);
        assert_eq!(outcome, expect);
    }

    fn sound() -> Vehicle<'static> {
        Vehicle {
            reported_at: Some("2026-01-01T08:00:38.123456"),
            instant: Timestamp(1_767_254_438_123_456),
            latitude: Some(51.5),
            longitude: Some(-0.14),
            speed: Some(36.0),
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
        let summer =
            |vehicle: &mut Vehicle<'static>| vehicle.reported_at = Some("2026-01-01T10:00:38.123456+02:00");
        check(
            PLAIN,
            summer,
            Ok(Vehicle { reported_at: Some("2026-01-01T10:00:38.123456+02:00"), ..sound() }),
        );
    }

    #[test]
    fn nulls_have_their_reason() {
        check(PLAIN, |vehicle| vehicle.reported_at = None, Err("`timestamp` is missing"));
        check(PLAIN, |vehicle| vehicle.latitude = None, Err("`location.lat` is missing"));
        check(PLAIN, |vehicle| vehicle.longitude = None, Err("`location.lon` is missing"));
        check(PLAIN, |vehicle| vehicle.speed = None, Err("`speed` is missing"));
        let wordless = Vehicle { direction: None, make: None, model: None, fuel_type: None, ..sound() };
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
    }
}
