//! The state of the roads: how fast traffic can go at a place, given limit, weather and incidents.
//!
//! The world refreshes it as it moves; vehicles and cameras only ask. It knows neither of them.

use super::event::Condition;
use super::geodesy::Position;
use super::route::{Carriageway, Route};
use super::weather::{Weather, WeatherField, sun_height};

/// Length of road that has one weather.
const SECTION_M: f64 = 5000.0;
/// Upstream of a queue's end traffic brakes over so many metres.
pub(super) const APPROACH_M: f64 = 1500.0;
/// Downstream of an incident traffic is free again after so many metres.
const CLEARING_M: f64 = 100.0;

/// An incident in the way of one carriageway.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Obstacle {
    #[allow(missing_docs)]
    pub carriageway: Carriageway,
    /// Where it lies.
    pub along_m: f64,
    /// Length of the queue before it.
    pub queue_m: f64,
    /// The share of the free speed that is left in the queue, in (0, 1].
    pub factor: f64,
}

/// Routes with their present weather and obstacles.
#[derive(Debug)]
pub struct Roads {
    routes: Vec<Route>,
    /// For each route its sections, from its first way point on.
    sections: Vec<Vec<Section>>,
    /// For each carriageway, by its index.
    obstacles: Vec<Vec<Obstacle>>,
}

/// What weather and hour mean for a section.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    middle: Position,
    /// The share of the free speed at which drivers go here.
    factor: f64,
    /// What falls.
    pub sky: Sky,
    /// The sine of the sun's height.
    pub sun_height: f64,
}

/// What falls from the sky.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Sky {
    Dry,
    Rain,
    Snow,
}

impl Roads {
    /// Free roads at the given moment.
    pub fn new(routes: Vec<Route>, field: &WeatherField, time_us: i64) -> Self {
        let section = |middle| Section { middle, factor: 1.0, sky: Sky::Dry, sun_height: 1.0 };
        let sections = routes.iter().map(|route| {
            let count = (route.length_m() / SECTION_M).ceil() as u32;
            let middle_m = |index: u32| (f64::from(index) + 0.5) * SECTION_M;
            let place = |index| route.place(super::route::Direction::Outbound, middle_m(index)).position;
            (0..count).map(|index| section(place(index))).collect()
        });
        let mut roads =
            Self { sections: sections.collect(), obstacles: vec![Vec::new(); 2 * routes.len()], routes };
        roads.set_weather(field, time_us);
        roads
    }

    /// The city's routes.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// The route of a carriageway.
    pub fn route(&self, carriageway: Carriageway) -> &Route {
        &self.routes[carriageway.route]
    }

    /// Brings weather and daylight up to this moment.
    pub fn set_weather(&mut self, field: &WeatherField, time_us: i64) {
        for section in self.sections.iter_mut().flatten() {
            let weather = field.at(section.middle, time_us);
            section.factor = weather_factor(&weather);
            section.sun_height = sun_height(section.middle, time_us);
            section.sky = match weather.condition {
                Condition::Rainy => Sky::Rain,
                Condition::Snowy => Sky::Snow,
                Condition::Sunny | Condition::Cloudy => Sky::Dry,
            };
        }
    }

    /// Replaces what lies in the way.
    pub fn set_obstacles(&mut self, obstacles: impl Iterator<Item = Obstacle>) {
        self.obstacles.iter_mut().for_each(Vec::clear);
        for obstacle in obstacles {
            self.obstacles[obstacle.carriageway.index()].push(obstacle);
        }
    }

    /// The section at a place.
    pub fn section(&self, carriageway: Carriageway, along_m: f64) -> &Section {
        let from_start_m = self.route(carriageway).outbound_m(carriageway.direction, along_m);
        let sections = &self.sections[carriageway.route];
        &sections[((from_start_m / SECTION_M) as usize).min(sections.len() - 1)]
    }

    /// The speed, in m/s, at which a driver who keeps to every limit passes this place now.
    pub fn speed_mps(&self, carriageway: Carriageway, along_m: f64) -> f64 {
        let limit_mps = self.route(carriageway).limit_mps(carriageway.direction, along_m);
        limit_mps * self.section(carriageway, along_m).factor * self.obstacle_factor(carriageway, along_m)
    }

    /// Whether an incident lies within so many metres ahead or behind.
    pub fn has_obstacle_within(&self, carriageway: Carriageway, along_m: f64, distance_m: f64) -> bool {
        self.on(carriageway).iter().any(|obstacle| (obstacle.along_m - along_m).abs() < distance_m)
    }

    fn on(&self, carriageway: Carriageway) -> &[Obstacle] {
        &self.obstacles[carriageway.index()]
    }

    fn obstacle_factor(&self, carriageway: Carriageway, along_m: f64) -> f64 {
        self.on(carriageway).iter().map(|obstacle| obstacle.factor_at(along_m)).fold(1.0, f64::min)
    }
}

impl Obstacle {
    /// The obstacle's own factor in its queue, 1 far away, and a straight line between the two on the approach.
    fn factor_at(&self, along_m: f64) -> f64 {
        let before_m = self.along_m - along_m;
        if before_m < -CLEARING_M || before_m > self.queue_m + APPROACH_M {
            return 1.0;
        }
        let outside_queue = ((before_m - self.queue_m) / APPROACH_M).max(0.0);
        self.factor + (1.0 - self.factor) * outside_queue
    }
}

/// Rain takes up to a quarter of the speed, snow up to 45 % (orders of magnitude from the Highway Capacity Manual).
fn weather_factor(weather: &Weather) -> f64 {
    let slower =
        |share: f64, worst: f64| 1.0 - share * (0.3 + 0.7 * (weather.precipitation / worst).min(1.0));
    match weather.condition {
        Condition::Rainy => slower(0.25, 8.0),
        Condition::Snowy => slower(0.45, 4.0),
        Condition::Sunny | Condition::Cloudy => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::route::{Direction, RoutePreset};

    #[test]
    fn queues_slow_traffic_upstream_and_only_there() {
        let carriageway = Carriageway { route: 0, direction: Direction::Outbound };
        let field = WeatherField::new(0);
        let mut roads = Roads::new(vec![Route::new(RoutePreset::LondonBirmingham)], &field, 0);
        let free: Vec<f64> =
            (0..190).map(|km| roads.speed_mps(carriageway, f64::from(km) * 1000.0)).collect();
        let obstacle = Obstacle { carriageway, along_m: 80_000.0, queue_m: 2000.0, factor: 0.2 };
        roads.set_obstacles([obstacle].into_iter());
        let share = |along_m: f64| roads.speed_mps(carriageway, along_m) / free[(along_m / 1000.0) as usize];
        let check = |along_m: f64, expect: f64| {
            assert!((share(along_m) - expect).abs() < 1e-6, "{along_m}: {}", share(along_m));
        };
        check(76_000.0, 1.0);
        check(77_000.0, 0.2 + 0.8 * 2.0 / 3.0);
        check(78_000.0, 0.2);
        check(80_000.0, 0.2);
        check(81_000.0, 1.0);
        let opposite = Carriageway { direction: Direction::Inbound, ..carriageway };
        let there_m = roads.routes()[0].length_m() - 80_000.0;
        assert!(roads.has_obstacle_within(carriageway, 80_050.0, 100.0));
        assert!(!roads.has_obstacle_within(opposite, there_m, 100.0));
        assert!((roads.speed_mps(opposite, there_m) / free[80] - 1.0).abs() < 1e-9);
    }

    #[test]
    fn rain_and_snow_slow_traffic_by_how_much_falls() {
        let factor = |condition, precipitation| {
            weather_factor(&Weather {
                temperature: 0.0,
                condition,
                precipitation,
                wind_speed: 0.0,
                humidity: 90.0,
                air_quality_index: 20.0,
            })
        };
        assert_eq!(factor(Condition::Cloudy, 0.0), 1.0);
        assert!(factor(Condition::Rainy, 0.1) < 1.0);
        assert!(factor(Condition::Rainy, 8.0) < factor(Condition::Rainy, 1.0));
        assert!(factor(Condition::Snowy, 4.0) < factor(Condition::Rainy, 4.0));
    }
}
