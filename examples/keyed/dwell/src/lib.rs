//! How long a vehicle has stood: every position says it, and a vehicle that stands for too long becomes a row of output
//! `overdue`, by a timer and thus also if it sends nothing any more. State is the instant since when it stands.

use millstream_sdk::keyed::{Keyed, Store, Stores, Timers};
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Error, Output, Outputs, Record, Row, Timestamp, Verdict};
use serde::{Deserialize, Serialize};

const MICROS: i64 = 1_000_000;

/// A position of a vehicle.
#[derive(Row)]
pub struct Position<'a> {
    #[row(key)]
    vehicle: &'a str,
    #[row(name = "_event_time")]
    at: Timestamp,
    speed_kmh: f64,
    /// How long it has stood.
    #[row(new)]
    standing_seconds: i64,
}

/// When it stands for too long, and below which speed it stands.
#[derive(Deserialize)]
pub struct Config {
    overdue_seconds: i64,
    standing_kmh: f64,
}

/// What is known of a vehicle that stands.
#[derive(Serialize, Deserialize)]
pub struct Standing {
    since_micros: i64,
    positions: u32,
}

/// A row of output `overdue`.
#[derive(Record)]
pub struct Overdue<'a> {
    vehicle: &'a str,
    since: Timestamp,
    positions: i64,
}

/// The step.
pub struct Dwell {
    config: Config,
    standing: Store<Standing>,
    overdue: Output<Overdue<'static>>,
}

impl Dwell {
    fn due(&self, since_micros: i64) -> Timestamp {
        Timestamp(since_micros.saturating_add(self.config.overdue_seconds.saturating_mul(MICROS)))
    }
}

impl Keyed for Dwell {
    type Config = Config;
    type Row = Position<'static>;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: None,
        example_config: r#"{"overdue_seconds": 600, "standing_kmh": 1}"#,
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        if config.overdue_seconds <= 0 {
            return Err(vec![ConfigProblem::new("overdue_seconds", "a time is above zero")]);
        }
        Ok(Self { config, standing: Store::new("standing", 1), overdue: Output::named("overdue") })
    }

    fn stores(&mut self) -> Stores<'_> {
        Stores::none().and(&mut self.standing)
    }

    fn outputs(&mut self) -> Outputs<'_> {
        Outputs::none().and(&mut self.overdue)
    }

    fn process(&mut self, position: &mut Position<'_>, timers: &mut Timers) -> Verdict {
        if timers.is_late(position.at) {
            return Verdict::Reject("late".into());
        }
        let before = self.standing.get();
        if position.speed_kmh > self.config.standing_kmh {
            if let Some(standing) = before {
                timers.cancel(self.due(standing.since_micros));
                self.standing.delete();
            }
            return Verdict::Keep;
        }
        let Timestamp(at) = position.at;
        let Standing { since_micros, positions } = before.unwrap_or_else(|| {
            timers.set(self.due(at));
            Standing { since_micros: at, positions: 0 }
        });
        position.standing_seconds = (at - since_micros) / MICROS;
        self.standing.put(&Standing { since_micros, positions: positions + 1 });
        Verdict::Keep
    }

    fn on_timer(&mut self, vehicle: &str, at: Timestamp, _: &mut Timers) -> Result<(), Error> {
        if let Some(standing) = self.standing.get().filter(|standing| self.due(standing.since_micros) == at) {
            let (since, positions) = (Timestamp(standing.since_micros), i64::from(standing.positions));
            self.overdue.emit(Overdue { vehicle, since, positions });
        }
        Ok(())
    }
}

millstream_sdk::export_keyed!(Dwell);
