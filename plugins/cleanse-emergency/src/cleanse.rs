//! The rules for one report, in their order. A report that breaks one is left half cleansed: it
//! does not go on.

use millstream_readings::position::{self, Positions};
use millstream_readings::timestamp::{self, Timestamps};
use millstream_readings::vocabulary::Words;

use crate::report::Report;
use crate::vocabulary::{NONE, incident_type, status};

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    /// Turns what devices report into instants.
    pub timestamps: Timestamps,
    /// Knows what is a position.
    pub positions: Positions,
    /// Knows the spellings of words.
    pub words: Words,
}

/// What a report that can be true says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is an incident.
    Incident,
    /// There is none.
    Nothing,
}

/// Why a report cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not say of what.
    MissingType,
    /// There is no time, or none that can be read.
    Time(timestamp::Fault),
    /// There is no position, or none on Earth.
    Position(position::Fault),
    /// Not in the vocabulary of types.
    UnknownType,
    /// Not in the vocabulary of states.
    UnknownStatus,
}

impl Fault {
    /// The reason of the dead letter: column and rule, never a value.
    pub fn reason(self) -> &'static str {
        match self {
            Self::MissingType => "`type` is missing",
            Self::Time(fault) => fault.reason(),
            Self::Position(fault) => fault.reason(),
            Self::UnknownType => "`type` is not a known type of incident",
            Self::UnknownStatus => "`status` is not a known status",
        }
    }
}

impl Rules {
    /// Cleanses one report in place.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn cleanse(&mut self, report: &mut Report<'_>) -> Result<Finding, Fault> {
        let known_type = self.words.normalise(&mut report.incident_type, incident_type);
        match report.incident_type {
            None => return Err(Fault::MissingType),
            Some(NONE) => return Ok(Finding::Nothing),
            Some(_) => {}
        }
        let time = self.timestamps.read(report.reported_at, report.received_at).map_err(Fault::Time)?;
        (report.instant, report.in_future) = (time.instant, time.in_future);
        let position = self.positions.require(report.whereabouts());
        let position = position.map_err(Fault::Position)?;
        (report.latitude, report.longitude) = (Some(position.latitude), Some(position.longitude));
        if !known_type {
            return Err(Fault::UnknownType);
        }
        if !self.words.normalise(&mut report.status, status) {
            return Err(Fault::UnknownStatus);
        }
        Ok(Finding::Incident)
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::Timestamp;

    use super::*;
    use crate::config::Config;

    fn cleanse(
        config: &str,
        change: impl FnOnce(&mut Report<'static>),
    ) -> Result<(Finding, Report<'static>), Fault> {
        let mut rules = serde_json::from_str::<Config>(config).unwrap().check().unwrap();
        let mut report = sound();
        (report.instant, report.in_future) = (Timestamp::default(), None);
        change(&mut report);
        rules.cleanse(&mut report).map(|finding| (finding, report))
    }

    fn check(config: &str, change: impl FnOnce(&mut Report<'static>), expect: Result<Report<'_>, &str>) {
        let outcome = cleanse(config, change).map_err(Fault::reason);
        assert_eq!(outcome, expect.map(|report| (Finding::Incident, report)));
    }

    fn check_nothing(change: impl FnOnce(&mut Report<'static>)) {
        let finding = cleanse(STRICT, change).map(|(finding, _)| finding);
        assert_eq!(finding, Ok(Finding::Nothing));
    }

    fn sound() -> Report<'static> {
        Report {
            reported_at: Some("2026-01-01T08:00:38.123456"),
            instant: Timestamp(1_767_254_438_123_456),
            received_at: Some(Timestamp(1_767_254_438_123_456)),
            in_future: Some(false),
            latitude: Some(51.5),
            longitude: Some(-0.14),
            lat: None,
            lon: None,
            position: None,
            incident_type: Some("Fire"),
            status: Some("Active"),
        }
    }

    const PLAIN: &str = r#"{"zone": "Europe/London"}"#;
    const STRICT: &str = r#"{"zone": "Europe/London", "unknown_words": "reject"}"#;
    const SPELT: &str = r#"{"zone": "Europe/London", "unknown_words": "reject", "spellings": {"Actice": "Active", "Nil": "None"}}"#;

    #[test]
    fn sound_reports_pass() {
        check(STRICT, |_| {}, Ok(sound()));
        check(STRICT, |report| report.status = None, Ok(Report { status: None, ..sound() }));
    }

    #[test]
    fn reports_of_nothing_are_dropped_whatever_else_is_wrong() {
        for none in ["None", "none", " NONE "] {
            check_nothing(|report| report.incident_type = Some(none));
        }
        let wrong = |report: &mut Report<'static>| {
            *report = Report { incident_type: Some("None"), status: Some("Actice"), ..Report::default() };
        };
        check_nothing(wrong);
        let nil = cleanse(SPELT, |report| report.incident_type = Some("nil"));
        assert_eq!(nil.map(|(finding, _)| finding), Ok(Finding::Nothing));
    }

    #[test]
    fn words_are_normalised_and_not_guessed() {
        let untidy = |report: &mut Report<'static>| {
            (report.incident_type, report.status) = (Some("fire "), Some("ongoing"));
        };
        check(STRICT, untidy, Ok(sound()));
        let actice = |report: &mut Report<'static>| report.status = Some("Actice");
        check(PLAIN, actice, Ok(Report { status: Some("Actice"), ..sound() }));
        check(STRICT, actice, Err("`status` is not a known status"));
        check(SPELT, actice, Ok(sound()));
        let flood = |report: &mut Report<'static>| report.incident_type = Some("Flood");
        check(PLAIN, flood, Ok(Report { incident_type: Some("Flood"), ..sound() }));
        check(STRICT, flood, Err("`type` is not a known type of incident"));
    }

    #[test]
    fn what_cannot_be_has_its_reason() {
        check(PLAIN, |report| report.incident_type = None, Err("`type` is missing"));
        check(PLAIN, |report| report.reported_at = None, Err("`timestamp` is missing"));
        check(PLAIN, |report| report.longitude = None, Err("`location.lon` is missing"));
        let nowhere = |report: &mut Report<'static>| (report.latitude, report.longitude) = (None, None);
        check(PLAIN, nowhere, Err("`location` is missing"));
    }
}
