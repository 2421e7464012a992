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
        let direction = if index / routes % 2 == 0 { Direction::Outbound } else { Direction::Inbound };
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
