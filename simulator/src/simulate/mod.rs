//! What the command does by default: the city, or with `--seed-compatible` the recorded producer. The command
//! line is read here and becomes a feed; `city_feed` is where events become messages.

mod city_feed;
mod fault_rate;

use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use millstream_simulator::city::{Cadence, Cadences, CitySettings, FaultKind, FaultRates, RoutePreset};

use self::city_feed::{CityFeed, End};
use self::fault_rate::FaultRate;
use crate::arguments::{SendingArguments, parse_duration};
use crate::pacing::Pace;
use crate::seed_compatible::SeedCompatible;
use crate::send;
use crate::start_time::parse_start_time;
use crate::stop::StopSignals;

/// What is simulated. One seed, one start time and the same flags give the same bytes.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Everything follows from this number: another number, another city
    #[arg(long, allow_negative_numbers = true, value_name = "N", default_value_t = 42)]
    seed: u64,
    /// The city's time when it starts; ISO 8601, in UTC unless it names an offset [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_start_time)]
    start_time: Option<Timestamp>,
    /// Vehicles, which send vehicle_data and gps_data
    #[arg(long, allow_negative_numbers = true, value_name = "N", default_value_t = 50, value_parser = devices())]
    vehicles: u32,
    /// Cameras, which send traffic_data
    #[arg(long, allow_negative_numbers = true, value_name = "N", default_value_t = 20, value_parser = devices())]
    cameras: u32,
    /// Weather stations, which send weather_data
    #[arg(long, allow_negative_numbers = true, value_name = "N", default_value_t = 12, value_parser = devices())]
    stations: u32,
    /// Incidents that open in an hour of the city's time; they send emergency_data
    #[arg(long, allow_negative_numbers = true, value_name = "PER-HOUR", default_value_t = 24.0, value_parser = parse_incidents)]
    incidents: f64,
    /// london-birmingham or san-francisco-dublin; may be repeated [default: both]
    #[arg(long = "route", value_name = "ROUTE")]
    routes: Vec<RoutePreset>,
    /// Seconds of the city's time between two messages of one device
    /// [default: vehicles 5, cameras 10, stations 60, incidents 30]
    #[arg(long, allow_negative_numbers = true, value_name = "SECONDS", value_parser = parse_interval, conflicts_with = "stream_rate")]
    interval: Option<f64>,
    /// Messages of all devices of a stream together, per second of the city's time
    #[arg(long, allow_negative_numbers = true, value_name = "N", value_parser = parse_stream_rate)]
    stream_rate: Option<f64>,
    /// Whether messages go wrong on their way
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = FaultPreset::Default)]
    faults: FaultPreset,
    /// How often a message goes wrong in one way, changing what --faults says; KIND is late, duplicate,
    /// out_of_order, malformed, misspelt, out_of_range or silent; may be repeated
    #[arg(long = "fault", value_name = "KIND=RATE", value_delimiter = ',')]
    fault_rates: Vec<FaultRate>,
    /// End after exactly so many messages in each topic
    #[arg(long, allow_negative_numbers = true, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// End after so much of the city's time, such as 1h
    #[arg(long = "virtual", value_name = "TIME", value_parser = parse_duration)]
    virtual_time: Option<Duration>,
    /// Send instead what the recorded producer sends, value for value; with seed 42, 100 messages a topic
    #[arg(long, conflicts_with_all = [
        "vehicles", "cameras", "stations", "incidents", "routes", "interval", "stream_rate", "faults", "fault_rates",
        "virtual_time",
    ])]
    seed_compatible: bool,
    #[command(flatten)]
    sending: SendingArguments,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum FaultPreset {
    /// Every message arrives once, in order and as it was measured
    Off,
    /// One message in 100 out of order, in 200 late or twice, in 500 malformed, misspelt or out of range
    Default,
}

/// Sends until done; an error if any message was not acknowledged.
pub async fn run(arguments: Arguments, stop: StopSignals) -> Result<()> {
    let start = arguments.start_time.unwrap_or_else(Timestamp::now);
    let (seed, events, sending) = (arguments.seed, arguments.events, &arguments.sending);
    if arguments.seed_compatible {
        let feed = SeedCompatible::new(seed, start, events);
        return send::run(feed, sending, sending.pace().unwrap_or(Pace::Free), stop).await;
    }
    let end = End { events, after: arguments.virtual_time };
    let feed = CityFeed::new(arguments.settings(start), seed, end).context("no city can be built so")?;
    send::run(feed, sending, sending.pace().unwrap_or(Pace::Feed), stop).await
}

impl Arguments {
    fn settings(&self, start: Timestamp) -> CitySettings {
        let defaults = CitySettings::default();
        let every = self.interval.map(Cadence::EverySeconds);
        let cadence = every.or(self.stream_rate.map(Cadence::PerSecond)).map(Cadences::all);
        CitySettings {
            start_us: start.as_microsecond(),
            routes: if self.routes.is_empty() { defaults.routes } else { self.routes.clone() },
            vehicles: self.vehicles,
            cameras: self.cameras,
            stations: self.stations,
            incidents_per_hour: self.incidents,
            cadence: cadence.unwrap_or(defaults.cadence),
            faults: self.fault_rates(),
            ..defaults
        }
    }

    fn fault_rates(&self) -> FaultRates {
        let mut rates = match self.faults {
            FaultPreset::Off => FaultRates::NONE,
            FaultPreset::Default => FaultRates::default(),
        };
        // Silence is drawn for each message and meant to last minutes: a device that sends hundreds a second would
        // fall silent every few seconds.
        if self.stream_rate.is_some() {
            rates[FaultKind::Silent] = 0.0;
        }
        self.fault_rates.iter().for_each(|fault| rates[fault.kind] = fault.rate);
        rates
    }
}

fn devices() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(..=1_000_000)
}

fn parse_incidents(text: &str) -> Result<f64, String> {
    parse_between(text, 0.0, 500.0).ok_or_else(|| "expected incidents per hour from 0 to 500".to_owned())
}

fn parse_interval(text: &str) -> Result<f64, String> {
    parse_between(text, 0.001, 86_400.0).ok_or_else(|| "expected seconds from 0.001 to 86400".to_owned())
}

fn parse_stream_rate(text: &str) -> Result<f64, String> {
    parse_between(text, 0.001, 500_000.0)
        .ok_or_else(|| "expected messages per second from 0.001 to 500000".to_owned())
}

fn parse_between(text: &str, low: f64, high: f64) -> Option<f64> {
    text.parse().ok().filter(|number| (low..=high).contains(number))
}
