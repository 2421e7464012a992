//! How long a vehicle has stood: every position says it, and a vehicle that stands for too long becomes a row of output
//! `overdue`, by a timer and thus also if it sends nothing any more. State is the instant since when it stands.
//! Positions count as they come: one that is out of order can put that instant back, but not divide what came before it.

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
    is_told: bool,
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

    fn tell(&mut self, vehicle: &str, standing: &Standing) {
        let (since, positions) = (Timestamp(standing.since_micros), i64::from(standing.positions));
        self.overdue.emit(Overdue { vehicle, since, positions });
    }

    /// The vehicle moves. The watermark may be far behind its rows: then a timer that was due by now has not fired.
    fn end(&mut self, standing: &Standing, position: &Position<'_>, timers: &mut Timers) {
        let due = self.due(standing.since_micros);
        if position.at >= due && !standing.is_told {
            self.tell(position.vehicle, standing);
        }
        timers.cancel(due);
        self.standing.delete();
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
        let Timestamp(at) = position.at;
        let before = self.standing.get();
        if position.speed_kmh > self.config.standing_kmh {
            if let Some(standing) = before.filter(|standing| standing.since_micros <= at) {
                self.end(&standing, position, timers);
            }
            return Verdict::Keep;
        }
        let mut standing = before.unwrap_or(Standing { since_micros: at, positions: 0, is_told: false });
        if standing.positions == 0 || at < standing.since_micros {
            timers.cancel(self.due(standing.since_micros));
            timers.set(self.due(at));
            standing.since_micros = at;
        }
        standing.positions += 1;
        position.standing_seconds = (at - standing.since_micros) / MICROS;
        self.standing.put(&standing);
        Verdict::Keep
    }

    fn on_timer(&mut self, vehicle: &str, at: Timestamp, _: &mut Timers) -> Result<(), Error> {
        if let Some(standing) = self.standing.get().filter(|standing| self.due(standing.since_micros) == at) {
            self.tell(vehicle, &standing);
            self.standing.put(&Standing { is_told: true, ..standing });
        }
        Ok(())
    }
}

millstream_sdk::export_keyed!(Dwell);
