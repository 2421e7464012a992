//! Passages of gates, enriched from two lookup tables: what table `gates` knows of a gate is joined by the host, what
//! table `cars` knows of a car decides what it pays. Keeps no state.

use millstream_sdk::lookup::{Join, Lookups, Table};
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Error, Record, Row, Rows, Transform, Verdict};
use serde::Deserialize;

/// A passage.
#[derive(Row)]
pub struct Passage<'a> {
    plate: Option<&'a str>,
    #[row(new)]
    pays: f64,
}

/// What is joined from table `gates`.
#[derive(Record)]
pub struct Gate {
    road: Option<String>,
    lanes: Option<i32>,
}

/// What is looked at of table `cars`.
#[derive(Deserialize)]
pub struct Car {
    axles: u32,
    exempt: Option<bool>,
}

/// What an axle pays.
#[derive(Deserialize)]
pub struct Config {
    per_axle: f64,
}

/// The step, with the cars of the rows to come.
pub struct GatePassages {
    per_axle: f64,
    gates: Join<Gate>,
    cars: Table<Car>,
    coming: std::vec::IntoIter<Option<Car>>,
}

impl Transform for GatePassages {
    type Config = Config;
    type Row = Passage<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: None,
        example_config: r#"{"per_axle": 1.5}"#,
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        let (gates, cars) = (Join::new("gates", "gate"), Table::new("cars"));
        Ok(Self { per_axle: config.per_axle, gates, cars, coming: Vec::new().into_iter() })
    }

    fn lookups(&mut self) -> Lookups<'_> {
        Lookups::none().and(&mut self.gates).and(&mut self.cars)
    }

    fn prepare(&mut self, passages: Rows<'_, Passage<'static>>) -> Result<(), Error> {
        self.coming = self.cars.get_many(passages.map(|passage| passage.plate)).into_iter();
        Ok(())
    }

    fn process(&mut self, passage: &mut Passage<'_>) -> Verdict {
        let car = self.coming.next().flatten();
        if !self.gates.is_found() {
            return Verdict::Reject("`gate` is not in table `gates`".into());
        }
        let Some(car) = car else {
            return Verdict::Reject("`plate` is not in table `cars`".into());
        };
        passage.pays = if car.exempt == Some(true) { 0.0 } else { self.per_axle * f64::from(car.axles) };
        Verdict::Keep
    }
}

millstream_sdk::export!(GatePassages);
