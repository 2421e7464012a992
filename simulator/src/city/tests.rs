//! Properties of whole cities, over seeds: what the events of one city say agrees with what they say elsewhere.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::event::{Condition, IncidentKind, Phase, Status, TrafficEvent, VehicleEvent};
use super::geodesy::{Compass, Position};
use super::*;

const MINUTE_US: i64 = 60_000_000;
/// Rounding of two positions to 10^-7 degrees, of a speed to 0.01 km/h over five seconds, and of the route's pieces.
const TOLERANCE_M: f64 = 0.05;

fn faultless() -> CitySettings {
    CitySettings { faults: FaultRates::NONE, ..CitySettings::default() }
}

fn run(settings: &CitySettings, seed: u64, minutes: i64) -> Vec<Scheduled> {
    let end_us = settings.start_us + minutes * MINUTE_US;
    City::new(settings.clone(), seed).unwrap().take_while(|message| message.send_us < end_us).collect()
}

fn vehicle_events(messages: &[Scheduled]) -> HashMap<DeviceId, Vec<&VehicleEvent>> {
    let mut by_device: HashMap<DeviceId, Vec<&VehicleEvent>> = HashMap::new();
    for message in messages {
        if let Event::Vehicle(event) = &message.event {
            by_device.entry(event.header.device_id).or_default().push(event);
        }
    }
    by_device
}

fn turn(from: f64, to: f64) -> f64 {
    let turn = (to - from).rem_euclid(360.0);
    turn.min(360.0 - turn)
}

#[test]
fn speeds_and_bearings_agree_with_the_way_driven() {
    let (mut straight, mut curved) = (0, 0);
    for seed in 0..10 {
        let messages = run(&faultless(), seed, 20);
        for events in vehicle_events(&messages).values() {
            for pair in events.windows(2) {
                let seconds = (pair[1].header.timestamp.0 - pair[0].header.timestamp.0) as f64 * 1e-6;
                let driven_m = pair[1].speed / 3.6 * seconds;
                let apart_m = pair[0].location.distance_m(pair[1].location);
                assert!(apart_m <= driven_m + TOLERANCE_M, "seed {seed}: {pair:?}");
                if turn(pair[0].bearing, pair[1].bearing) > 0.15 {
                    curved += 1;
                    continue;
                }
                straight += 1;
                assert!((apart_m - driven_m).abs() <= TOLERANCE_M, "seed {seed}: {apart_m} m, {pair:?}");
                let bearing = pair[0].location.bearing_to(pair[1].location);
                assert!(apart_m < 20.0 || turn(bearing, pair[0].bearing) < 0.3, "seed {seed}: {pair:?}");
                assert_eq!(pair[1].direction, Compass::of(pair[1].bearing), "{pair:?}");
            }
        }
    }
    assert!(straight > 100_000 && curved < straight / 10, "{straight} {curved}");
}

#[test]
fn speeds_change_no_faster_than_vehicles_can() {
    let mut settings = faultless();
    settings.cadence[Stream::Vehicle] = Cadence::EverySeconds(1.0);
    let mut moving = 0;
    for seed in 0..6 {
        let messages = run(&settings, seed, 15);
        for events in vehicle_events(&messages).values() {
            for three in events.windows(3).skip(1) {
                let seconds = (three[2].header.timestamp.0 - three[0].header.timestamp.0) as f64 * 0.5e-6;
                let change_mps = (three[2].speed - three[1].speed) / 3.6;
                assert!(change_mps.abs() <= 3.0 * seconds + 0.02, "seed {seed}: {three:?}");
                assert!(three[2].speed < 130.0);
                moving += u32::from(three[2].speed > 60.0);
            }
        }
    }
    assert!(moving > 50_000, "{moving}");
}

/// A vehicle's GPS fixes lie about its true place as their accuracy says: 68 % within it. The truth between two of its
/// vehicle events is interpolated, so only straight and steady ways count.
#[test]
fn gps_errors_are_what_their_accuracy_says() {
    let (mut inside, mut fixes) = (0.0, 0.0);
    for seed in 0..30 {
        let mut settings = faultless();
        settings.cadence[Stream::Vehicle] = Cadence::EverySeconds(1.0);
        settings.cadence[Stream::Gps] = Cadence::EverySeconds(120.0);
        let messages = run(&settings, seed, 10);
        let truth = vehicle_events(&messages);
        for message in &messages {
            let Event::Gps(fix) = &message.event else { continue };
            let events = &truth[&fix.header.device_id];
            let after = events.partition_point(|event| event.header.timestamp <= fix.header.timestamp);
            let (Some(before), Some(after)) = (events.get(after.wrapping_sub(1)), events.get(after)) else {
                continue;
            };
            let share = (fix.header.timestamp.0 - before.header.timestamp.0) as f64
                / (after.header.timestamp.0 - before.header.timestamp.0) as f64;
            let error_m = fix.location.distance_m(before.location.toward(after.location, share));
            assert!(error_m < 6.0 * fix.accuracy, "seed {seed}: {error_m} m, {fix:?}");
            inside += f64::from(u8::from(error_m < fix.accuracy));
            fixes += 1.0;
            if after.speed > 20.0 && turn(before.bearing, after.bearing) < 0.2 {
                assert!((fix.speed - after.speed).abs() < 12.0, "seed {seed}: {fix:?} {after:?}");
                assert!(turn(fix.bearing, after.bearing) < 10.0, "seed {seed}: {fix:?} {after:?}");
            }
        }
    }
    let sigma = (0.68 * 0.32_f64 / fixes).sqrt();
    assert!(fixes > 5000.0 && (inside / fixes - 0.68_f64).abs() < 6.0 * sigma, "{inside} of {fixes}");
}

#[test]
fn an_incident_opens_once_stays_itself_and_is_resolved_once() {
    let mut resolved = 0;
    for seed in 0..20 {
        let mut lives: HashMap<EventId, (IncidentKind, Position, DeviceId, Status)> = HashMap::new();
        for message in run(&faultless(), seed, 180) {
            let Event::Emergency(event) = message.event else { continue };
            let first = !lives.contains_key(&event.incident_id);
            assert_eq!(event.description.phase == Phase::Reported, first, "seed {seed}: {event:?}");
            assert_eq!(event.description.phase == Phase::Resolved, event.status == Status::Resolved);
            let now = (event.kind, event.location, event.header.device_id, Status::Active);
            let before = lives.entry(event.incident_id).or_insert(now);
            assert_eq!(*before, now, "seed {seed}: {event:?}");
            before.3 = event.status;
            resolved += u32::from(event.status == Status::Resolved);
        }
        assert!((40..130).contains(&lives.len()), "seed {seed}: {} incidents", lives.len());
    }
    assert!(resolved > 800, "{resolved}");
}

/// The same cameras at the same moments, with and without incidents: where the two differ, an incident is open ahead.
#[test]
fn traffic_is_slower_where_incidents_are_and_nowhere_else() {
    let mut slower = 0;
    for seed in 0..4 {
        let busy = CitySettings { vehicles: 0, cameras: 80, incidents_per_hour: 60.0, ..faultless() };
        let quiet = CitySettings { incidents_per_hour: 0.0, ..busy.clone() };
        let seen = |settings| {
            run(settings, seed, 40).into_iter().filter_map(|message| match message.event {
                Event::Traffic(event) => Some(event),
                _ => None,
            })
        };
        let open = open_times(&run(&busy, seed, 40));
        for (with, without) in seen(&busy).zip(seen(&quiet)) {
            assert_eq!(with.header, without.header);
            let (Some(speed), Some(free)) = (with.mean_speed, without.mean_speed) else { continue };
            if speed < free * 0.8 {
                slower += 1;
                assert!(near_any(&open, &with), "seed {seed}: {free} km/h became {speed} without a reason");
            }
            assert!(speed < free * 1.2, "seed {seed}: {free} km/h became {speed}");
        }
    }
    assert!(slower > 300, "{slower}");
}

/// Where incidents are, and from when to when.
fn open_times(messages: &[Scheduled]) -> Vec<(Position, i64, i64)> {
    let mut open: HashMap<EventId, (Position, i64, i64)> = HashMap::new();
    for message in messages {
        let Event::Emergency(event) = &message.event else { continue };
        let time_us = event.header.timestamp.0;
        let entry = open.entry(event.incident_id).or_insert((event.location, time_us, i64::MAX));
        if event.status == Status::Resolved {
            entry.2 = time_us + 1_000_000;
        }
    }
    open.into_values().collect()
}

fn near_any(open: &[(Position, i64, i64)], camera: &TrafficEvent) -> bool {
    open.iter().any(|&(position, from_us, to_us)| {
        (from_us..=to_us).contains(&camera.header.timestamp.0)
            && position.distance_m(camera.location) < 6000.0
    })
}

#[test]
fn stations_say_what_the_sky_does() {
    for seed in 0..20 {
        let mut settings = faultless();
        settings.start_us += (seed as i64) * 17 * 86_400_000_000;
        for message in run(&settings, seed, 30) {
            let Event::Weather(event) = message.event else { continue };
            let wet = matches!(event.weather_condition, Condition::Rainy | Condition::Snowy);
            assert_eq!(wet, event.precipitation > 0.0, "seed {seed}: {event:?}");
            assert!(event.weather_condition != Condition::Snowy || event.temperature <= 0.5, "{event:?}");
            assert!(event.humidity <= 100 && (!wet || event.humidity >= 80), "seed {seed}: {event:?}");
        }
    }
}

#[test]
fn faults_come_at_their_rates_and_are_what_they_are_called() {
    let cadence = Cadences::all(Cadence::PerSecond(20.0));
    let mut settings = CitySettings { cadence, ..CitySettings::default() };
    for (kind, rate) in FaultKind::ALL.into_iter().zip([0.02, 0.03, 0.04, 0.01, 0.015, 0.025, 0.001]) {
        settings.faults[kind] = rate;
    }
    for seed in 0..10 {
        let mut city = City::new(settings.clone(), seed).unwrap();
        let mut messages: Vec<Scheduled> = city.by_ref().take(100_000).collect();
        messages.extend(std::iter::from_fn(|| city.release()));
        assert!(messages.is_sorted_by_key(|message| message.send_us));
        check_rates(&messages, city.fault_counts(), &settings.faults, seed);
        let mut ids = HashSet::new();
        for message in &messages {
            check_fault(message, !ids.insert(message.event.header().id), settings.late_by_s);
        }
    }
}

fn check_rates(messages: &[Scheduled], counts: &FaultCounts, rates: &FaultRates, seed: u64) {
    let counted = |kind| Stream::ALL.into_iter().map(|stream| counts.of(stream, kind)).sum::<u64>() as f64;
    let readings = messages.len() as f64 - counted(FaultKind::Duplicate) + counted(FaultKind::Silent);
    for kind in FaultKind::ALL {
        let seen =
            messages.iter().filter(|message| message.fault.map(Fault::kind) == Some(kind)).count() as f64;
        assert!(kind == FaultKind::Silent || seen == counted(kind), "seed {seed}: {kind:?}");
        let expect = readings * rates[kind];
        let z = (counted(kind) - expect) / (expect * (1.0 - rates[kind])).sqrt();
        assert!(z.abs() < 5.0, "seed {seed}: {} of {kind:?}, expected {expect}", counted(kind));
    }
}

fn check_fault(message: &Scheduled, seen_before: bool, late_by_s: (f64, f64)) {
    let delay_s = (message.send_us - message.event.header().timestamp.0) as f64 * 1e-6;
    let delays_s = match message.fault {
        Some(Fault::Late) => late_by_s,
        Some(Fault::OutOfOrder) => (1.0, 5.0),
        Some(Fault::Duplicate) => (0.0, 30.0),
        _ => (0.0, 0.0),
    };
    assert!((delays_s.0 - 1e-5..=delays_s.1).contains(&delay_s), "{delay_s} s: {message:?}");
    assert_eq!(seen_before, message.fault == Some(Fault::Duplicate), "{message:?}");
    assert_eq!(is_possible(&message.event), message.fault != Some(Fault::OutOfRange), "{message:?}");
}

fn is_possible(event: &Event) -> bool {
    let mut event = event.clone();
    let Position { latitude, longitude } = *event.location_mut();
    let speed = match &event {
        Event::Vehicle(event) => event.speed,
        Event::Gps(event) => event.speed,
        Event::Traffic(event) => event.mean_speed.unwrap_or_default(),
        Event::Weather(event) if event.humidity > 100 || event.temperature > 60.0 => return false,
        Event::Weather(_) | Event::Emergency(_) => 0.0,
    };
    latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && speed < 200.0
}

#[test]
fn silent_devices_say_nothing_for_a_while() {
    let mut settings = faultless();
    settings.faults[FaultKind::Silent] = 0.001;
    let mut city = City::new(settings, 4).unwrap();
    let mut last_us = HashMap::new();
    let mut gaps = 0;
    for message in city.by_ref().take(200_000) {
        let Event::Vehicle(event) = &message.event else { continue };
        let gap_us = message.send_us
            - last_us.insert(event.header.device_id, message.send_us).unwrap_or(message.send_us);
        gaps += u64::from(gap_us > 55 * 1_000_000);
        assert!(!(12_000_000..=55_000_000).contains(&gap_us), "{gap_us}");
    }
    let [vehicle, gps] =
        [Stream::Vehicle, Stream::Gps].map(|stream| city.fault_counts().of(stream, FaultKind::Silent));
    assert!(gaps > 50 && gaps <= vehicle + gps, "{gaps} gaps, {vehicle} and {gps} silences");
    assert!(city.fault_counts().withheld(Stream::Vehicle) > gaps * 10);
}

/// At a thousand messages a second a silence of minutes would be most of what a device sends.
#[test]
fn devices_that_send_much_are_mostly_heard() {
    let mut settings = faultless();
    settings.faults[FaultKind::Silent] = 0.0002;
    settings.cadence = Cadences::all(Cadence::PerSecond(10_000.0));
    let mut city = City::new(settings, 4).unwrap();
    let sent = 500_000;
    assert_eq!(city.by_ref().take(sent).count(), sent);
    let withheld: u64 = Stream::ALL.map(|stream| city.fault_counts().withheld(stream)).iter().sum();
    assert!(withheld > 1000 && withheld < sent as u64 / 10, "{withheld} withheld of {sent}");
}

/// What is not held back for want of room was once sent without fault and without a word.
#[test]
fn faults_that_are_forgone_are_counted() {
    let mut settings = faultless();
    settings.faults[FaultKind::Late] = 1.0;
    settings.late_by_s = (60.0, 60.0);
    settings.cadence = Cadences::all(Cadence::PerSecond(10_000.0));
    let mut city = City::new(settings, 4).unwrap();
    let faultless = city.by_ref().take(1000).filter(|message| message.fault.is_none()).count();
    let forgone: u64 = Stream::ALL.map(|stream| city.fault_counts().forgone(stream)).iter().sum();
    assert_eq!((faultless, forgone), (1000, 1000));
}

#[test]
fn a_seed_decides_everything() {
    let bytes = |settings: &CitySettings, seed: u64| -> Vec<String> {
        let messages = City::new(settings.clone(), seed).unwrap().take(20_000);
        messages
            .map(|message| {
                let event = serde_json::to_string(&message.event).unwrap();
                format!("{} {:?} {event}", message.send_us, message.fault)
            })
            .collect()
    };
    let settings = CitySettings::default();
    let first = bytes(&settings, 42);
    assert_eq!(first, bytes(&settings, 42));
    let other: HashSet<String> = bytes(&settings, 43).into_iter().collect();
    assert!(first.iter().all(|message| !other.contains(message)));
    let later = CitySettings { start_us: settings.start_us + MINUTE_US, ..settings };
    assert_ne!(first, bytes(&later, 42));
}

#[test]
fn streams_keep_the_rates_asked_for() {
    for rate in [3.0, 500.0, 5000.0] {
        let settings = CitySettings { cadence: Cadences::all(Cadence::PerSecond(rate)), ..faultless() };
        let seconds = (10_000.0 / rate).max(120.0);
        let begin_us = settings.start_us + 60_000_000;
        let end_us = begin_us + (seconds * 1e6) as i64;
        let mut counts = [0_u32; 5];
        for message in City::new(settings, 7).unwrap().take_while(|message| message.send_us < end_us) {
            counts[message.event.stream().index()] += u32::from(message.send_us >= begin_us);
        }
        for stream in Stream::ALL {
            let found = f64::from(counts[stream.index()]);
            assert!(
                (found / (rate * seconds) - 1.0).abs() < 0.05,
                "{stream:?} at {rate}/s: {found} in {seconds} s"
            );
        }
    }
}

/// The names in the order in which they are written; the curated schema of the common configuration rests on them.
#[test]
fn events_have_the_fields_of_their_streams() {
    let expect = [
        "id deviceId timestamp location speed direction bearing make model year fuelType",
        "id deviceId timestamp location speed direction bearing accuracy satellites vehicleType",
        "id deviceId timestamp cameraId location vehicleCount meanSpeed snapshot",
        "id deviceId timestamp location temperature weatherCondition precipitation windSpeed humidity airQualityIndex",
        "id deviceId timestamp incidentId type location status severity description",
    ];
    let messages = run(&faultless(), 1, 2);
    for stream in Stream::ALL {
        let message = messages.iter().find(|message| message.event.stream() == stream).unwrap();
        let text = serde_json::to_string(&message.event).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_by_key(|name| text.find(&format!("\"{name}\":")));
        assert_eq!(names.join(" "), expect[stream.index()], "{text}");
        assert_eq!(value["location"].as_array().map(Vec::len), Some(2), "{text}");
        assert!(value["timestamp"].as_str().unwrap().starts_with("2026-01-01T08:0"), "{text}");
        assert!(message.send_us == message.event.header().timestamp.0 && message.fault.is_none());
    }
}

#[test]
fn a_city_of_nothing_is_refused() {
    let settings = CitySettings { vehicles: 0, cameras: 0, stations: 0, ..CitySettings::default() };
    assert!(City::new(settings, 1).unwrap_err().to_string().contains("at least 1"));
}
