//! How long cars take between two cameras: sightings at the first and at the second are two inputs, and each pair of one
//! plate and one road becomes a row of output `trips`, with the sighting that came last, whichever that is.

use millstream_sdk::keyed::{KeyedJoin, Store, Stores, Timers};
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Output, Outputs, Record, Row, Timestamp, Verdict};
use serde::Deserialize;

/// A sighting, of either camera.
#[derive(Row)]
pub struct Sighting<'a> {
    #[row(key)]
    road: i32,
    #[row(key)]
    plate: &'a str,
    #[row(name = "_event_time")]
    at: Timestamp,
}

/// How far the cameras are apart, and for how long a car is waited for.
#[derive(Deserialize)]
pub struct Config {
    metres: f64,
    patience_seconds: u64,
}

/// A row of output `trips`.
#[derive(Record)]
pub struct Trip {
    seconds: f64,
    kmh: f64,
}

/// The step, with instants of sightings in microseconds.
pub struct TravelTime {
    metres: f64,
    entered: Store<i64>,
    left: Store<i64>,
    trips: Output<Trip>,
}

impl TravelTime {
    fn emit(&mut self, entered: i64, left: i64) {
        let seconds = (left - entered) as f64 / 1e6;
        if seconds > 0.0 {
            self.trips.emit(Trip { seconds, kmh: self.metres * 3.6 / seconds });
            self.entered.delete();
            self.left.delete();
        }
    }
}

impl KeyedJoin for TravelTime {
    type Config = Config;
    type Left = Sighting<'static>;
    type Right = Sighting<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: None,
        example_config: r#"{"metres": 1000, "patience_seconds": 3600}"#,
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        let store = |name| Store::new(name, 1).expiring_after(config.patience_seconds);
        let trips = Output::named("trips").inheriting(["road", "plate"]);
        Ok(Self { metres: config.metres, entered: store("entered"), left: store("left"), trips })
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none().and(&mut self.entered).and(&mut self.left)
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.trips)
    }

    fn left(&mut self, sighting: &mut Sighting<'_>, _: &mut Timers) -> Verdict {
        self.entered.put(&sighting.at.0);
        if let Some(left) = self.left.get() {
            self.emit(sighting.at.0, left);
        }
        Verdict::Keep
    }

    fn right(&mut self, sighting: &mut Sighting<'_>, _: &mut Timers) -> Verdict {
        self.left.put(&sighting.at.0);
        if let Some(entered) = self.entered.get() {
            self.emit(entered, sighting.at.0);
        }
        Verdict::Keep
    }
}

millstream_sdk::export_keyed!(TravelTime);
