//! What can be chosen about a city, and the checks that make a choice usable.

use std::ops::{Index, IndexMut};
use std::str::FromStr;

use super::event::Stream;
use super::route::RoutePreset;

/// Everything that, with the seed, decides what happens in a city.
#[derive(Debug, Clone, PartialEq)]
pub struct CitySettings {
    /// Where virtual time begins, in microseconds since 1970-01-01T00:00:00Z.
    pub start_us: i64,
    /// The routes driven; vehicles, cameras, stations and incidents are spread over them. None twice.
    pub routes: Vec<RoutePreset>,
    /// Vehicles that send the vehicle and the GPS stream.
    pub vehicles: u32,
    /// Cameras that send the traffic stream.
    pub cameras: u32,
    /// Stations that send the weather stream.
    pub stations: u32,
    /// Incidents opened per hour of virtual time, over all routes; each lasts 8 to 45 minutes.
    pub incidents_per_hour: f64,
    /// How often each stream's devices report.
    pub cadence: Cadences,
    /// What goes wrong between the devices and the topics.
    pub faults: FaultRates,
    /// The shortest and the longest delay of a late message, in seconds of virtual time.
    pub late_by_s: (f64, f64),
}

/// 1 January 2026, 08:00:00 UTC, both routes, 50 vehicles, 20 cameras, 12 stations, 24 incidents an hour.
impl Default for CitySettings {
    fn default() -> Self {
        Self {
            start_us: 1_767_254_400_000_000,
            routes: RoutePreset::ALL.to_vec(),
            vehicles: 50,
            cameras: 20,
            stations: 12,
            incidents_per_hour: 24.0,
            cadence: Cadences::default(),
            faults: FaultRates::default(),
            late_by_s: (60.0, 600.0),
        }
    }
}

/// How often a stream's devices report, in virtual time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cadence {
    /// Each device (or open incident) once in so many seconds.
    EverySeconds(f64),
    /// All devices of the stream together, so many readings a second. The emergency stream keeps this rate while any
    /// incident is open.
    PerSecond(f64),
}

/// The cadence of each stream.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cadences([Cadence; 5]);

impl Cadences {
    /// The same for all streams.
    pub const fn all(cadence: Cadence) -> Self {
        Self([cadence; 5])
    }
}

/// Vehicles and GPS every 5 s, cameras 10 s, stations 60 s, open incidents 30 s.
impl Default for Cadences {
    fn default() -> Self {
        Self([5.0, 5.0, 10.0, 60.0, 30.0].map(Cadence::EverySeconds))
    }
}

impl Index<Stream> for Cadences {
    type Output = Cadence;
    fn index(&self, stream: Stream) -> &Cadence {
        &self.0[stream.index()]
    }
}

impl IndexMut<Stream> for Cadences {
    fn index_mut(&mut self, stream: Stream) -> &mut Cadence {
        &mut self.0[stream.index()]
    }
}

/// What can go wrong with a message between a device and its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// Delivered minutes later.
    Late,
    /// Sent a second time with the same id, up to 30 seconds after the first.
    Duplicate,
    /// Overtaken by others: delivered 1 to 5 seconds later.
    OutOfOrder,
    /// Not JSON.
    Malformed,
    /// Fields by wrong names.
    Misspelt,
    /// A value that cannot be.
    OutOfRange,
    /// The device says nothing more for 1 to 10 minutes, beginning with this message.
    Silent,
}

impl FaultKind {
    /// All of them, in the order of [`FaultKind::index`].
    pub const ALL: [Self; 7] = [
        Self::Late,
        Self::Duplicate,
        Self::OutOfOrder,
        Self::Malformed,
        Self::Misspelt,
        Self::OutOfRange,
        Self::Silent,
    ];

    /// Its place in [`FaultKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its name, such as `out_of_order`.
    pub const fn name(self) -> &'static str {
        ["late", "duplicate", "out_of_order", "malformed", "misspelt", "out_of_range", "silent"][self.index()]
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
            format!("unknown fault `{name}`, expected one of {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// The probability, per message, of each fault. A message has at most one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaultRates([f64; 7]);

impl FaultRates {
    /// Everything arrives once, in order and as it was measured.
    pub const NONE: Self = Self([0.0; 7]);
}

/// 1 % out of order, 0.5 % late, 0.5 % duplicate, 0.2 % each malformed, misspelt and out of range, and one message
/// in 5000 begins a silence.
impl Default for FaultRates {
    fn default() -> Self {
        Self([0.005, 0.005, 0.01, 0.002, 0.002, 0.002, 0.0002])
    }
}

impl Index<FaultKind> for FaultRates {
    type Output = f64;
    fn index(&self, kind: FaultKind) -> &f64 {
        &self.0[kind.index()]
    }
}

impl IndexMut<FaultKind> for FaultRates {
    fn index_mut(&mut self, kind: FaultKind) -> &mut f64 {
        &mut self.0[kind.index()]
    }
}

/// A setting that no city can be built with; change the setting that the message names.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[allow(missing_docs)]
pub enum SettingsError {
    #[error("no route is given, expected at least one of london-birmingham, san-francisco-dublin")]
    NoRoute,
    #[error("route {name} is given twice")]
    RouteTwice { name: &'static str },
    #[error("{name} is {value}, expected {expected}")]
    OutOfRange { name: String, value: f64, expected: &'static str },
    #[error("the rates of all faults add up to {sum}, expected at most 1")]
    FaultsAboveOne { sum: f64 },
    #[error(
        "late messages are {from} to {to} s late, expected two times from 0 to 86400 with the shorter one first"
    )]
    Lateness { from: f64, to: f64 },
}

/// Devices of one kind that a city can have.
const DEVICES_MAX: u32 = 1_000_000;
/// Keeps the incidents that are open at once below a few hundred.
const INCIDENTS_PER_HOUR_MAX: f64 = 500.0;
/// The years 1970 to 9000.
const START_US_MAX: i64 = 221_845_392_000_000_000;

impl CitySettings {
    /// Whether a city can be built with these settings.
    pub fn check(&self) -> Result<(), SettingsError> {
        self.check_routes()?;
        for (name, count) in
            [("vehicles", self.vehicles), ("cameras", self.cameras), ("stations", self.stations)]
        {
            check_range(name, f64::from(count), 0.0, f64::from(DEVICES_MAX), "at most 1000000")?;
        }
        let devices = self.vehicles + self.cameras + self.stations;
        check_range(
            "the number of vehicles, cameras and stations",
            f64::from(devices),
            1.0,
            f64::MAX,
            "at least 1",
        )?;
        check_range(
            "the start time",
            self.start_us as f64,
            0.0,
            START_US_MAX as f64,
            "a year from 1970 to 9000",
        )?;
        let incidents = self.incidents_per_hour;
        check_range("incidents per hour", incidents, 0.0, INCIDENTS_PER_HOUR_MAX, "0 to 500")?;
        Stream::ALL.into_iter().try_for_each(|stream| self.check_cadence(stream))?;
        self.check_faults()
    }

    fn check_routes(&self) -> Result<(), SettingsError> {
        if self.routes.is_empty() {
            return Err(SettingsError::NoRoute);
        }
        let twice = (1..self.routes.len()).find(|&at| self.routes[..at].contains(&self.routes[at]));
        twice.map_or(Ok(()), |at| Err(SettingsError::RouteTwice { name: self.routes[at].name() }))
    }

    fn check_cadence(&self, stream: Stream) -> Result<(), SettingsError> {
        match self.cadence[stream] {
            Cadence::EverySeconds(seconds) => {
                let name = format!("the {} interval", stream.name());
                check_range(&name, seconds, 0.001, 86_400.0, "0.001 to 86400 seconds")
            }
            Cadence::PerSecond(rate) => {
                let name = format!("the {} rate", stream.name());
                check_range(&name, rate, 0.001, 500_000.0, "0.001 to 500000 readings a second")
            }
        }
    }

    fn check_faults(&self) -> Result<(), SettingsError> {
        for kind in FaultKind::ALL {
            let name = format!("the rate of fault {}", kind.name());
            check_range(&name, self.faults[kind], 0.0, 1.0, "a probability from 0 to 1")?;
        }
        let sum: f64 = self.faults.0.iter().sum();
        if sum > 1.0 + 1e-6 {
            return Err(SettingsError::FaultsAboveOne { sum: (sum * 1e6).round() / 1e6 });
        }
        let (from, to) = self.late_by_s;
        if !(0.0 <= from && from <= to && to <= 86_400.0) {
            return Err(SettingsError::Lateness { from, to });
        }
        Ok(())
    }
}

/// Also refuses what is not a number.
fn check_range(
    name: &str,
    value: f64,
    low: f64,
    high: f64,
    expected: &'static str,
) -> Result<(), SettingsError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(SettingsError::OutOfRange { name: name.to_owned(), value, expected })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut CitySettings), expect: &str) {
        let mut settings = CitySettings::default();
        change(&mut settings);
        let message = settings.check().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains(expect) && message.is_empty() == expect.is_empty(), "{message} / {expect}");
    }

    #[test]
    fn unusable_settings_are_named() {
        check(|_| (), "");
        check(|s| s.routes.clear(), "no route is given");
        check(|s| s.routes.push(RoutePreset::LondonBirmingham), "london-birmingham is given twice");
        check(|s| s.vehicles = 2_000_000, "vehicles is 2000000, expected at most 1000000");
        check(|s| (s.vehicles, s.cameras, s.stations) = (0, 0, 0), "expected at least 1");
        check(|s| s.start_us = -1, "the start time is -1");
        check(|s| s.incidents_per_hour = f64::NAN, "incidents per hour is NaN");
        check(|s| s.cadence[Stream::Gps] = Cadence::EverySeconds(0.0), "the gps interval is 0");
        check(|s| s.cadence = Cadences::all(Cadence::PerSecond(1e9)), "the vehicle rate is 1000000000");
        check(|s| s.faults[FaultKind::Late] = -0.1, "the rate of fault late is -0.1");
        check(|s| s.faults = FaultRates([0.2; 7]), "add up to 1.4");
        check(|s| s.late_by_s = (9.0, 1.0), "9 to 1 s late");
    }

    #[test]
    fn faults_are_found_by_name() {
        for kind in FaultKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("slow".parse::<FaultKind>().unwrap_err().contains("out_of_order"));
    }
}
