//! The truth: everything that moves, one tick of a second after the other, and the readings that devices take between.
//!
//! Four streams are scheduled by device, the fifth follows the incidents; whichever is due first speaks next.
//! Nothing here goes wrong: that is `faults`.

use super::camera::{Camera, Views};
use super::event::{Event, Header, Stream, WeatherEvent};
use super::geodesy::{Position, rounded};
use super::identity::{DeviceId, DeviceKind, EventId, EventTime};
use super::incident::Incidents;
use super::picture::Pictures;
use super::random::Random;
use super::road::Roads;
use super::route::{Direction, Route};
use super::schedule::Schedule;
use super::settings::CitySettings;
use super::vehicle::Vehicle;
use super::weather::{Weather, WeatherField};

/// The length of a tick.
pub(super) const TICK_US: i64 = 1_000_000;
/// The length of a tick, in seconds.
pub(super) const TICK_S: f64 = 1.0;
/// Weather and daylight on the roads are looked at once in so many ticks.
const WEATHER_TICKS: i64 = 120;
/// The streams with a schedule, in the order of `World::schedules`.
const SCHEDULED: [(Stream, DeviceKind); 4] = [
    (Stream::Vehicle, DeviceKind::Vehicle),
    (Stream::Gps, DeviceKind::Vehicle),
    (Stream::Traffic, DeviceKind::Camera),
    (Stream::Weather, DeviceKind::Station),
];
/// Stations stand beside the road, at most so far away.
const STATION_ASIDE_M: f64 = 400.0;

/// A weather station; its instruments measure once a tick.
#[derive(Debug)]
struct Station {
    location: Position,
    /// The tick in which it measured last, and what.
    measured: Option<(i64, Weather)>,
}

/// The city and its clock.
#[derive(Debug)]
pub(super) struct World {
    start_us: i64,
    tick_us: i64,
    field: WeatherField,
    roads: Roads,
    incidents: Incidents,
    vehicles: Vec<Vehicle>,
    cameras: Vec<Camera>,
    views: Views,
    /// For each camera the vehicles that may be in its view during this tick.
    near_camera: Vec<Vec<usize>>,
    stations: Vec<Station>,
    schedules: [Schedule; 4],
    /// One stream of ids for each schedule.
    ids: [Random; 4],
    pictures: Pictures,
}

impl World {
    /// A world at its first tick; the settings have been checked.
    pub(super) fn new(settings: &CitySettings, seed: u64) -> Self {
        let start_us = settings.start_us;
        let field = WeatherField::new(seed);
        let roads =
            Roads::new(settings.routes.iter().map(|&preset| Route::new(preset)).collect(), &field, start_us);
        let devices = [settings.vehicles, settings.vehicles, settings.cameras, settings.stations];
        let schedule = |index: usize| {
            let (stream, _) = SCHEDULED[index];
            let random = Random::new(seed ^ index as u64, "schedule");
            Schedule::new(settings.cadence[stream], devices[index], start_us, random)
        };
        let cameras = (0..settings.cameras).map(|n| Camera::new(&roads, seed, n, settings.cameras));
        let cameras: Vec<Camera> = cameras.collect();
        let mut world = Self {
            vehicles: (0..settings.vehicles).map(|n| Vehicle::new(&roads, seed, n, start_us)).collect(),
            near_camera: vec![Vec::new(); cameras.len()],
            views: Views::new(&cameras),
            cameras,
            stations: stations(&roads, seed, settings.stations),
            incidents: Incidents::new(settings, seed),
            schedules: [0, 1, 2, 3].map(schedule),
            ids: SCHEDULED.map(|(stream, _)| Random::new(seed, stream.topic())),
            pictures: Pictures::default(),
            tick_us: start_us - TICK_US,
            start_us,
            field,
            roads,
        };
        world.tick();
        world
    }

    /// The next reading, in the order of time.
    pub(super) fn next_reading(&mut self) -> Event {
        let dues = [0, 1, 2, 3].map(|index: usize| self.schedules[index].due_us());
        let (next, due_us) =
            (0..4).map(|index| (index, dues[index])).min_by_key(|pair| pair.1).unwrap_or((0, i64::MAX));
        let incident_us = self.incidents.due_us();
        while due_us.min(incident_us) >= self.tick_us + TICK_US {
            self.tick();
        }
        if incident_us < due_us {
            return Event::Emergency(self.incidents.next_message(&self.roads));
        }
        self.reading(next, due_us)
    }

    fn reading(&mut self, schedule: usize, due_us: i64) -> Event {
        let (stream, kind) = SCHEDULED[schedule];
        let device = self.schedules[schedule].take();
        let header = Header {
            id: EventId::draw(&mut self.ids[schedule]),
            device_id: DeviceId { kind, number: device as u32 + 1 },
            timestamp: EventTime(due_us),
        };
        match stream {
            Stream::Vehicle => Event::Vehicle(self.vehicles[device].report(&self.roads, header)),
            Stream::Gps => Event::Gps(self.vehicles[device].fix(&self.roads, header)),
            Stream::Traffic => self.look(device, header),
            Stream::Weather => Event::Weather(self.measure(device, header)),
            Stream::Emergency => unreachable!("incidents have no schedule"),
        }
    }

    fn look(&mut self, camera: usize, header: Header) -> Event {
        let at = header.timestamp.0;
        let near = self.near_camera[camera].iter().map(|&vehicle| &self.vehicles[vehicle]);
        let near = near.map(|vehicle| (vehicle.along_m(at), vehicle.speed_mps(at)));
        let develop = |scene| self.pictures.develop(scene);
        Event::Traffic(self.cameras[camera].report(header, self.tick_us, near, develop))
    }

    fn measure(&mut self, station: usize, header: Header) -> WeatherEvent {
        let Station { location, measured } = &mut self.stations[station];
        let location = *location;
        let weather = match measured {
            Some((tick_us, weather)) if *tick_us == self.tick_us => *weather,
            _ => self.field.at(location, self.tick_us),
        };
        *measured = Some((self.tick_us, weather));
        WeatherEvent {
            header,
            location,
            temperature: rounded(weather.temperature, 100.0),
            weather_condition: weather.condition,
            precipitation: rounded(weather.precipitation, 100.0),
            wind_speed: rounded(weather.wind_speed, 10.0),
            humidity: weather.humidity.round() as u16,
            air_quality_index: rounded(weather.air_quality_index, 10.0),
        }
    }

    /// Everything moves on by one tick.
    fn tick(&mut self) {
        self.tick_us += TICK_US;
        if (self.tick_us - self.start_us) / TICK_US % WEATHER_TICKS == 0 {
            self.roads.set_weather(&self.field, self.tick_us);
        }
        self.roads.set_obstacles(self.incidents.obstacles(self.tick_us));
        for camera in &mut self.cameras {
            camera.step(&self.roads, self.tick_us);
        }
        self.near_camera.iter_mut().for_each(Vec::clear);
        for (number, vehicle) in self.vehicles.iter_mut().enumerate() {
            vehicle.step(&self.roads, self.tick_us);
            let (carriageway, stretch) = vehicle.stretch();
            for camera in self.views.onto(carriageway, stretch) {
                self.near_camera[camera].push(number);
            }
        }
    }
}

/// Stations beside the routes, evenly spread along each.
fn stations(roads: &Roads, seed: u64, count: u32) -> Vec<Station> {
    let mut random = Random::new(seed, "stations");
    let routes = roads.routes().len() as u32;
    let on_route = f64::from(count.div_ceil(routes));
    let station = |index: u32| {
        let route = &roads.routes()[(index % routes) as usize];
        let along_m = (f64::from(index / routes) + 0.5) / on_route * route.length_m();
        let aside = [(); 2].map(|()| random.between(-STATION_ASIDE_M, STATION_ASIDE_M) / 1.5);
        let place = route.place(Direction::Outbound, along_m);
        Station { location: place.position.offset_m(aside[0], aside[1]).rounded(), measured: None }
    };
    (0..count).map(station).collect()
}
