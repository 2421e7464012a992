//! The rules for one report, in their order. A report that breaks one is left half cleansed: it
//! does not go on.

use millstream_readings::measure::Range;
use millstream_readings::position::{self, Positions};
use millstream_readings::timestamp::{self, Timestamps};
use millstream_readings::vocabulary::Words;

use crate::contradiction::Contradictions;
use crate::vocabulary::condition;
use crate::weather::Weather;

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    /// Turns what stations report into instants.
    pub timestamps: Timestamps,
    /// Knows what is a position.
    pub positions: Positions,
    /// What is possible on Earth.
    pub possible: Possible,
    /// What does not go together.
    pub contradictions: Contradictions,
    /// Knows the spellings of words.
    pub words: Words,
}

/// What is possible on Earth; humidity is of 100 everywhere.
#[derive(Clone, Copy, Debug)]
pub struct Possible {
    /// °C.
    pub temperature: Range,
    /// mm.
    pub precipitation: Range,
    /// km/h.
    pub wind_speed: Range,
    /// Points of the index.
    pub air_quality_index: Range,
}

/// Why a report cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no time, or none that can be read.
    Time(timestamp::Fault),
    /// There is no position, or none on Earth.
    Position(position::Fault),
    /// It is nowhere so cold or warm.
    Temperature,
    /// So much does not fall.
    Precipitation,
    /// The wind does not blow so.
    WindSpeed,
    /// Not a percentage.
    Humidity,
    /// Not a point of the index.
    AirQualityIndex,
    /// Not in the vocabulary of conditions.
    UnknownCondition,
}

impl Fault {
    /// The reason of the dead letter: column and rule, never a value.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Time(fault) => fault.reason(),
            Self::Position(fault) => fault.reason(),
            Self::Temperature => "`temperature` is out of range",
            Self::Precipitation => "`precipitation` is out of range",
            Self::WindSpeed => "`windSpeed` is out of range",
            Self::Humidity => "`humidity` is out of range [0, 100]",
            Self::AirQualityIndex => "`airQualityIndex` is out of range",
            Self::UnknownCondition => "`weatherCondition` is not a known weather",
        }
    }
}

impl Rules {
    /// Cleanses one report in place.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn cleanse(&mut self, weather: &mut Weather<'_>) -> Result<(), Fault> {
        let time = self.timestamps.read(weather.reported_at, weather.received_at).map_err(Fault::Time)?;
        (weather.instant, weather.in_future) = (time.instant, time.in_future);
        let position = self.positions.require(weather.whereabouts());
        let position = position.map_err(Fault::Position)?;
        (weather.latitude, weather.longitude) = (Some(position.latitude), Some(position.longitude));
        self.possible.check(weather)?;
        if !self.words.normalise(&mut weather.condition, condition) {
            return Err(Fault::UnknownCondition);
        }
        weather.contradiction = self.contradictions.find(weather);
        Ok(())
    }
}

impl Possible {
    const HUMIDITY: Range = Range::new(0.0, 100.0);

    fn check(self, weather: &Weather<'_>) -> Result<(), Fault> {
        let rules = [
            (self.temperature, weather.temperature, Fault::Temperature),
            (self.precipitation, weather.precipitation, Fault::Precipitation),
            (self.wind_speed, weather.wind_speed, Fault::WindSpeed),
            (Self::HUMIDITY, weather.humidity, Fault::Humidity),
            (self.air_quality_index, weather.air_quality_index, Fault::AirQualityIndex),
        ];
        let broken = rules.into_iter().find(|(possible, value, _)| !possible.admits(*value));
        broken.map_or(Ok(()), |(_, _, fault)| Err(fault))
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::Timestamp;

    use super::*;
    use crate::config::Config;

    fn check(config: &str, change: impl FnOnce(&mut Weather<'static>), expect: Result<Weather<'_>, &str>) {
        let mut rules = serde_json::from_str::<Config>(config).unwrap().check().unwrap();
        let mut weather = sound();
        (weather.instant, weather.in_future) = (Timestamp::default(), None);
        change(&mut weather);
        assert_eq!(rules.cleanse(&mut weather).map(|()| weather).map_err(Fault::reason), expect);
    }

    fn sound() -> Weather<'static> {
        Weather {
            reported_at: Some("2026-01-01T08:00:38.123456"),
            instant: Timestamp(1_767_254_438_123_456),
            received_at: Some(Timestamp(1_767_254_438_123_456)),
            in_future: Some(false),
            latitude: Some(51.5),
            longitude: Some(-0.14),
            lat: None,
            lon: None,
            position: None,
            temperature: Some(4.0),
            condition: Some("Rainy"),
            precipitation: Some(2.5),
            wind_speed: Some(30.0),
            humidity: Some(100.0),
            air_quality_index: Some(42.5),
            contradiction: None,
        }
    }

    const PLAIN: &str = r#"{"zone": "Europe/London"}"#;
    const STRICT: &str = r#"{"zone": "Europe/London", "unknown_words": "reject"}"#;

    #[test]
    fn sound_reports_pass() {
        check(STRICT, |_| {}, Ok(sound()));
        let bare = Weather {
            temperature: None,
            condition: None,
            precipitation: None,
            wind_speed: None,
            humidity: None,
            air_quality_index: None,
            ..sound()
        };
        check(STRICT, |weather| *weather = bare.clone(), Ok(bare.clone()));
    }

    #[test]
    fn words_and_positions_are_normalised() {
        check(STRICT, |weather| weather.condition = Some(" RAIN"), Ok(sound()));
        let text = Some("51.5, -0.14");
        let as_text = |weather: &mut Weather<'static>| {
            (weather.latitude, weather.longitude, weather.position) = (None, None, text);
        };
        check(PLAIN, as_text, Ok(Weather { position: text, ..sound() }));
    }

    /// The condition is read in its canonical word, whatever it was.
    #[test]
    fn contradictions_are_flagged_and_kept() {
        let flagged = |condition, contradiction| Weather {
            condition: Some(condition),
            contradiction: Some(contradiction),
            ..sound()
        };
        let sunshine = flagged("Sunny", "precipitation in sunshine");
        check(STRICT, |weather| weather.condition = Some("clear"), Ok(sunshine));
        let warm = Weather { temperature: Some(5.5), ..flagged("Snowy", "snow in warm air") };
        let warm_snow = |weather: &mut Weather<'static>| {
            (weather.condition, weather.temperature) = (Some("Snow"), Some(5.5));
        };
        check(STRICT, warm_snow, Ok(warm.clone()));
        let mild = r#"{"zone": "Europe/London", "snow_temperature_max_c": 6}"#;
        check(mild, warm_snow, Ok(Weather { contradiction: None, ..warm }));
    }

    #[test]
    fn what_cannot_be_has_its_reason() {
        check(PLAIN, |weather| weather.reported_at = None, Err("`timestamp` is missing"));
        let nowhere = |weather: &mut Weather<'static>| (weather.latitude, weather.longitude) = (None, None);
        check(PLAIN, nowhere, Err("`location` is missing"));
        check(PLAIN, |weather| weather.temperature = Some(99.0), Err("`temperature` is out of range"));
        check(PLAIN, |weather| weather.temperature = Some(f64::NAN), Err("`temperature` is out of range"));
        check(PLAIN, |weather| weather.precipitation = Some(-1.0), Err("`precipitation` is out of range"));
        check(PLAIN, |weather| weather.wind_speed = Some(900.0), Err("`windSpeed` is out of range"));
        check(PLAIN, |weather| weather.humidity = Some(101.0), Err("`humidity` is out of range [0, 100]"));
        check(
            PLAIN,
            |weather| weather.air_quality_index = Some(501.0),
            Err("`airQualityIndex` is out of range"),
        );
        check(
            STRICT,
            |weather| weather.condition = Some("Suny"),
            Err("`weatherCondition` is not a known weather"),
        );
        let spelt = r#"{"zone": "Europe/London", "unknown_words": "reject", "spellings": {"Riany": "Rain"}}"#;
        check(spelt, |weather| weather.condition = Some("riany"), Ok(sound()));
    }
}
