//! Cameras over carriageways: what drives through their view, and the picture they send of it.
//!
//! A view is 120 m of three lanes. Beside the city's own vehicles it holds the rest of the traffic: each lane is an
//! endless belt of places, occupied or not by a hash, that moves with the speed of the road. Its density
//! follows from the hour's demand and that speed (density = flow / speed), so queues are slow and dense.

use std::ops::RangeInclusive;
use std::sync::Arc;

use super::event::{Header, TrafficEvent};
use super::geodesy::{Position, rounded};
use super::picture::{CELLS, LANES, Light, Scene};
use super::random::{Random, mix};
use super::road::Roads;
use super::route::{Carriageway, Direction};
use super::weather::demand;
use super::world::{TICK_S, TICK_US};

/// Length of the road in view.
pub(super) const VIEW_M: f64 = 120.0;
/// One vehicle and its distance to the next, bumper to bumper.
const PLACE_M: f64 = 10.0;
/// How fast each lane is against the road's speed.
const LANE_FACTORS: [f64; LANES] = [0.9, 0.98, 1.04];
/// Vehicles per second and lane when the hour's demand is 1: 1260 an hour.
const FLOW_MAX: f64 = 0.35;
/// At most this share of the places is taken.
const OCCUPIED_MAX: f64 = 0.9;
/// An incident so near is seen by its flashing lights.
const FLASHING_WITHIN_M: f64 = 300.0;

/// One camera.
#[derive(Debug)]
pub struct Camera {
    seed: u64,
    /// The carriageway it watches.
    pub carriageway: Carriageway,
    /// The beginning of its view.
    pub along_m: f64,
    position: Position,
    /// How far each lane's belt had moved when the tick began, in metres.
    moved_m: [f64; LANES],
    speed_mps: f64,
    /// The share of places taken, scaled to 2^32.
    occupied: u64,
    scene: Scene,
}

/// What a camera sees, summed up.
#[derive(Debug, Default)]
struct View {
    count: u32,
    speeds_mps: f64,
    cells: u16,
}

impl View {
    fn add(&mut self, lane: usize, from_start_m: f64, speed_mps: f64) {
        self.count += 1;
        self.speeds_mps += speed_mps;
        let cell = (from_start_m / VIEW_M * CELLS as f64) as usize;
        self.cells |= 1 << (lane * CELLS + cell.min(CELLS - 1));
    }
}

impl Camera {
    /// Camera `index` of `count` spread over the routes' carriageways; sees nothing before its first tick.
    pub fn new(roads: &Roads, seed: u64, index: u32, count: u32) -> Self {
        let mut random = Random::new(seed ^ u64::from(index).rotate_left(32), "camera");
        let routes = roads.routes().len() as u32;
        let route = (index % routes) as usize;
        let direction =
            if (index / routes).is_multiple_of(2) { Direction::Outbound } else { Direction::Inbound };
        let carriageway = Carriageway { route, direction };
        let on_route = count.div_ceil(routes);
        let share = (f64::from(index / routes) + random.between(0.2, 0.8)) / f64::from(on_route);
        let along_m = share * (roads.routes()[route].length_m() - VIEW_M);
        Self {
            seed: random.bits(),
            carriageway,
            along_m,
            position: roads.route(carriageway).place(direction, along_m).position.rounded(),
            moved_m: [0.0; LANES],
            speed_mps: 0.0,
            occupied: 0,
            scene: Scene::default(),
        }
    }

    /// Moves the traffic on by one tick and looks at the road anew for the next one, which begins at `tick_us`.
    pub fn step(&mut self, roads: &Roads, tick_us: i64) {
        for (moved_m, factor) in self.moved_m.iter_mut().zip(LANE_FACTORS) {
            *moved_m += self.speed_mps * factor * TICK_S;
        }
        let middle_m = self.along_m + VIEW_M / 2.0;
        self.speed_mps = roads.speed_mps(self.carriageway, middle_m);
        let flow = FLOW_MAX * demand(self.position, tick_us);
        let occupied = (flow / self.speed_mps * PLACE_M).min(OCCUPIED_MAX);
        self.occupied = (occupied * 2f64.powi(32)) as u64;
        let section = roads.section(self.carriageway, middle_m);
        self.scene = Scene {
            cells: 0,
            light: Light::at(section.sun_height),
            sky: section.sky,
            flashing: roads.has_obstacle_within(self.carriageway, middle_m, FLASHING_WITHIN_M),
        };
    }

    /// What it reports at a moment of the tick. `fleet` are the city's own vehicles near the view: metres along the
    /// carriageway and speed in m/s. The picture is made by `develop`.
    pub fn report(
        &self,
        header: Header,
        tick_us: i64,
        fleet: impl Iterator<Item = (f64, f64)>,
        develop: impl FnOnce(Scene) -> Arc<str>,
    ) -> TrafficEvent {
        let since_s = (header.timestamp.0 - tick_us) as f64 / TICK_US as f64 * TICK_S;
        let mut view = View::default();
        (0..LANES).for_each(|lane| self.look_at(lane, since_s, &mut view));
        for (along_m, speed_mps) in fleet {
            if (self.along_m..self.along_m + VIEW_M).contains(&along_m) {
                view.add(1, along_m - self.along_m, speed_mps);
            }
        }
        let mean_mps = view.speeds_mps / f64::from(view.count);
        TrafficEvent {
            header,
            camera_id: header.device_id,
            location: self.position,
            vehicle_count: view.count,
            mean_speed: (view.count > 0).then(|| rounded(mean_mps * 3.6, 10.0)),
            snapshot: develop(Scene { cells: view.cells, ..self.scene }),
        }
    }

    fn look_at(&self, lane: usize, since_s: f64, view: &mut View) {
        let speed_mps = self.speed_mps * LANE_FACTORS[lane];
        let moved_m = self.moved_m[lane] + speed_mps * since_s;
        let belt_start = (moved_m / PLACE_M).floor();
        let first_m = moved_m - belt_start * PLACE_M;
        let lane_seed = self.seed.wrapping_add(lane as u64);
        for place in 0..(VIEW_M / PLACE_M) as u64 {
            let number = place.wrapping_sub(belt_start as u64);
            if mix(lane_seed ^ number.rotate_left(20)) >> 32 < self.occupied {
                view.add(lane, first_m + place as f64 * PLACE_M, speed_mps);
            }
        }
    }
}

/// Which cameras see which metres of the roads.
#[derive(Debug)]
pub struct Views {
    /// For each carriageway, by its index: where views begin, in order, and the number of the camera.
    starts: Vec<Vec<(f64, usize)>>,
}

impl Views {
    /// Of these cameras, numbered in their order.
    pub fn new(cameras: &[Camera]) -> Self {
        let count = cameras.iter().map(|camera| camera.carriageway.index() + 1).max().unwrap_or(0);
        let mut starts = vec![Vec::new(); count];
        for (number, camera) in cameras.iter().enumerate() {
            starts[camera.carriageway.index()].push((camera.along_m, number));
        }
        starts.iter_mut().for_each(|starts| starts.sort_by(|a, b| a.0.total_cmp(&b.0)));
        Self { starts }
    }

    /// The cameras that see any of these metres.
    pub fn onto(
        &self,
        carriageway: Carriageway,
        stretch: RangeInclusive<f64>,
    ) -> impl Iterator<Item = usize> {
        let starts = self.starts.get(carriageway.index()).map_or(&[][..], Vec::as_slice);
        let first = starts.partition_point(|&(start_m, _)| start_m + VIEW_M < *stretch.start());
        let seen = starts[first..].iter().take_while(move |&&(start_m, _)| start_m <= *stretch.end());
        seen.map(|&(_, number)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::identity::{DeviceId, DeviceKind, EventId, EventTime};
    use crate::city::road::Obstacle;
    use crate::city::route::{Route, RoutePreset};
    use crate::city::weather::WeatherField;

    const NOON_US: i64 = 1_767_268_800_000_000;

    fn roads() -> Roads {
        Roads::new(RoutePreset::ALL.map(Route::new).into(), &WeatherField::new(3), NOON_US)
    }

    fn report(camera: &Camera, tick_us: i64, after_us: i64, fleet: &[(f64, f64)]) -> (TrafficEvent, Scene) {
        let header = Header {
            id: EventId::draw(&mut Random::new(1, "ids")),
            device_id: DeviceId { kind: DeviceKind::Camera, number: 1 },
            timestamp: EventTime(tick_us + after_us),
        };
        let mut seen = Scene::default();
        let develop = |scene| {
            seen = scene;
            "".into()
        };
        let event = camera.report(header, tick_us, fleet.iter().copied(), develop);
        (event, seen)
    }

    #[test]
    fn vehicles_of_the_fleet_are_counted_while_they_are_in_view() {
        let roads = roads();
        let mut camera = Camera::new(&roads, 1, 0, 4);
        camera.step(&roads, NOON_US);
        let (without, _) = report(&camera, NOON_US, 0, &[]);
        let check = |offset_m: f64, more: u32| {
            let (event, scene) = report(&camera, NOON_US, 0, &[(camera.along_m + offset_m, 1.0)]);
            assert_eq!(event.vehicle_count, without.vehicle_count + more, "{offset_m}");
            assert!(more == 0 || scene.cells >> CELLS & 0b111 != 0);
            let slower = event.mean_speed.unwrap() < without.mean_speed.unwrap_or(f64::MAX);
            assert_eq!(slower, more == 1);
        };
        check(-1.0, 0);
        check(0.0, 1);
        check(VIEW_M - 1.0, 1);
        check(VIEW_M, 0);
    }

    #[test]
    fn queues_are_slow_and_dense() {
        let mut roads = roads();
        let mut camera = Camera::new(&roads, 1, 0, 4);
        let (carriageway, along_m) = (camera.carriageway, camera.along_m + 500.0);
        let mut mean = |roads: &Roads| {
            let (mut count, mut speed) = (0.0, 0.0);
            for second in 0..500 {
                let tick_us = NOON_US + second * TICK_US;
                camera.step(roads, tick_us);
                let (event, scene) = report(&camera, tick_us, 500_000, &[]);
                assert_eq!(event.vehicle_count == 0, event.mean_speed.is_none());
                assert!(scene.cells.count_ones() <= event.vehicle_count);
                count += f64::from(event.vehicle_count) / 500.0;
                speed += event.mean_speed.unwrap_or_default() / 500.0;
            }
            (count, speed)
        };
        let free = mean(&roads);
        roads.set_obstacles([Obstacle { carriageway, along_m, queue_m: 1000.0, factor: 0.2 }].into_iter());
        let queue = mean(&roads);
        assert!(queue.0 > 2.0 * free.0 && queue.1 < free.1 / 2.0, "{free:?} {queue:?}");
    }

    #[test]
    fn traffic_moves_through_the_view() {
        let roads = roads();
        let mut camera = Camera::new(&roads, 1, 0, 4);
        camera.step(&roads, NOON_US);
        let scenes: Vec<u16> =
            (0..50).map(|step| report(&camera, NOON_US, step * 20_000, &[]).1.cells).collect();
        assert!(scenes.windows(2).any(|pair| pair[0] != pair[1]), "something moves within a second");
        let before = report(&camera, NOON_US, TICK_US, &[]).1;
        camera.step(&roads, NOON_US + TICK_US);
        assert_eq!(before.cells, report(&camera, NOON_US + TICK_US, 0, &[]).1.cells, "ticks join");
    }

    #[test]
    fn views_find_the_cameras_along_a_stretch() {
        let roads = roads();
        let cameras: Vec<Camera> = (0..10).map(|index| Camera::new(&roads, 1, index, 10)).collect();
        let views = Views::new(&cameras);
        for (number, camera) in cameras.iter().enumerate() {
            let seen = |from_m: f64, to_m: f64| {
                let stretch = camera.along_m + from_m..=camera.along_m + to_m;
                views.onto(camera.carriageway, stretch).any(|found| found == number)
            };
            assert!(seen(-30.0, 0.0) && seen(50.0, 80.0) && seen(VIEW_M - 1.0, VIEW_M + 30.0));
            assert!(!seen(-30.0, -1.0) && !seen(VIEW_M + 1.0, VIEW_M + 30.0));
        }
        let nowhere = Carriageway { route: 9, direction: Direction::Inbound };
        assert_eq!(views.onto(nowhere, 0.0..=1e6).count(), 0);
    }
}
