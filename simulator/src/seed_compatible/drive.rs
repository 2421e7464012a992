//! The drive from London to Birmingham as the recorded producer makes it up: a hundredth of the way a step,
//! with jitter, and every reading drawn anew.
//!
//! What is odd about it is meant: readings that contradict each other are why streams need cleansing.

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp, tz::Offset};

use super::python_random::PythonRandom;

const LONDON: [f64; 2] = [51.5074, -0.1278];
const BIRMINGHAM: [f64; 2] = [52.4862, -1.8904];
const JITTER_DEGREES: f64 = 0.0005;
const CONDITIONS: [&str; 4] = ["Sunny", "Cloudy", "Rain", "Snow"];
const INCIDENTS: [&str; 5] = ["Accident", "Fire", "Medical", "Police", "None"];
const STATUSES: [&str; 2] = ["Active", "Resolved"];

/// Where the car is and what is drawn for it next.
pub struct Drive {
    random: PythonRandom,
    time: DateTime,
    location: [f64; 2],
}

/// What one step of the drive sends, over all five topics.
#[derive(Debug, Clone)]
pub struct Step {
    /// Local time without a zone.
    pub time: DateTime,
    /// Latitude and longitude in degrees.
    pub location: [f64; 2],
    /// In km/h.
    pub speed: f64,
    /// In km/h; drawn apart from the vehicle's.
    pub gps_speed: f64,
    /// In °C.
    pub temperature: f64,
    /// Drawn apart from temperature and precipitation.
    pub condition: &'static str,
    /// In mm.
    pub precipitation: f64,
    /// In km/h.
    pub wind_speed: f64,
    /// In per cent.
    pub humidity: u32,
    /// As an index of 0 to 500.
    pub air_quality: f64,
    /// `None` among them, as text.
    pub incident: &'static str,
    /// Active or Resolved.
    pub status: &'static str,
}

impl Drive {
    /// In London at `start`, whose zone is left out.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        Self { random: PythonRandom::new(seed), time: Offset::UTC.to_datetime(start), location: LONDON }
    }

    /// Drives on. The order of the draws is that of the recorded producer.
    pub fn step(&mut self) -> Step {
        self.location = std::array::from_fn(|axis| {
            self.location[axis]
                + (BIRMINGHAM[axis] - LONDON[axis]) / 100.0
                + self.random.uniform(-JITTER_DEGREES, JITTER_DEGREES)
        });
        let seconds = self.random.randint(30, 60);
        self.time = self.time.saturating_add(SignedDuration::from_secs(seconds.into()));
        Step {
            time: self.time,
            location: self.location,
            speed: self.random.uniform(10.0, 40.0),
            gps_speed: self.random.uniform(0.0, 40.0),
            temperature: self.random.uniform(-5.0, 26.0),
            condition: self.random.choice(&CONDITIONS),
            precipitation: self.random.uniform(0.0, 25.0),
            wind_speed: self.random.uniform(0.0, 100.0),
            humidity: self.random.randint(0, 100),
            air_quality: self.random.uniform(0.0, 500.0),
            incident: self.random.choice(&INCIDENTS),
            status: self.random.choice(&STATUSES),
        }
    }
}

impl Step {
    /// Whether the car has reached Birmingham or gone past it.
    pub fn arrived(&self) -> bool {
        self.location[0] >= BIRMINGHAM[0] && self.location[1] <= BIRMINGHAM[1]
    }
}
