//! A vehicle: parks, leaves, drives its route to the end as road, weather and queues allow, rests, and drives back.
//!
//! It moves in the world's ticks of one second, within which its acceleration is constant; how often it reports does not
//! change where it is. Its odometer is what its reported speed is computed from.

use std::ops::RangeInclusive;

use super::event::{GpsEvent, Header, VehicleEvent};
use super::fleet::{self, Model};
use super::geodesy::{Compass, normalised, rounded};
use super::random::Random;
use super::receiver::Receiver;
use super::road::Roads;
use super::route::{Carriageway, Direction, Place};
use super::world::{TICK_S, TICK_US};

/// Nothing brakes harder, in m/s².
pub(super) const BRAKING_MAX: f64 = 3.0;
/// Drivers see a lower speed ahead and begin to brake so gently.
const BRAKING_PLANNED: f64 = 1.5;
/// How far ahead they look, in metres: what braking from the highest speed takes.
const SIGHT_M: [f64; 4] = [60.0, 160.0, 320.0, 520.0];
/// Slower than this, in m/s, nobody rolls toward the end of the route.
const CREEP_MPS: f64 = 1.0;
const REST_S: (f64, f64) = (5.0 * 60.0, 40.0 * 60.0);
/// The share of vehicles that are on the road when a city begins.
const UNDER_WAY: f64 = 0.8;
/// The others leave within so many seconds.
const FIRST_LEAVE_WITHIN_S: f64 = 15.0 * 60.0;

/// One vehicle of the fleet.
#[derive(Debug)]
pub struct Vehicle {
    random: Random,
    model: Model,
    year: u16,
    /// The share of the allowed speed that its driver takes.
    eagerness: f64,
    carriageway: Carriageway,
    parked_until_us: i64,
    tick_us: i64,
    motion: Motion,
    /// The odometer where this leg of the way began.
    before_leg_m: f64,
    last_report: Option<(i64, f64)>,
    receiver: Receiver,
}

/// Places, in metres along the carriageway, and speeds, in m/s, at the two ends of a tick.
#[derive(Debug, Clone, Copy, Default)]
struct Motion {
    start_m: f64,
    end_m: f64,
    start_mps: f64,
    end_mps: f64,
}

impl Motion {
    fn standing(along_m: f64) -> Self {
        Self { start_m: along_m, end_m: along_m, start_mps: 0.0, end_mps: 0.0 }
    }

    /// At a fraction of the tick, with constant acceleration.
    fn along_m(&self, fraction: f64) -> f64 {
        let sum_mps = self.start_mps + self.end_mps;
        if sum_mps == 0.0 {
            return self.start_m;
        }
        let share = (2.0 * self.start_mps + (self.end_mps - self.start_mps) * fraction) * fraction / sum_mps;
        self.start_m + share * (self.end_m - self.start_m)
    }
}

impl Vehicle {
    /// A vehicle of this seed and number, standing or under way at `start_us`.
    pub fn new(roads: &Roads, seed: u64, number: u32, start_us: i64) -> Self {
        let mut random = Random::new(seed ^ u64::from(number).rotate_left(32), "vehicle");
        let (model, year) = fleet::draw(&mut random);
        let route = number as usize % roads.routes().len();
        let direction = if random.chance(0.5) { Direction::Outbound } else { Direction::Inbound };
        let mut vehicle = Self {
            model,
            year,
            eagerness: random.between(0.86, 1.04),
            carriageway: Carriageway { route, direction },
            parked_until_us: start_us,
            tick_us: start_us - TICK_US,
            motion: Motion::default(),
            before_leg_m: 0.0,
            last_report: None,
            receiver: Receiver::new(Random::new(seed ^ u64::from(number).rotate_left(32), "receiver")),
            random,
        };
        vehicle.set_off(roads, start_us);
        vehicle
    }

    fn set_off(&mut self, roads: &Roads, start_us: i64) {
        if self.random.chance(UNDER_WAY) {
            let along_m = self.random.between(0.0, 0.98) * roads.route(self.carriageway).length_m();
            self.motion = Motion::standing(along_m);
            self.motion.end_mps = self.wanted_mps(roads, along_m);
        } else {
            let wait_s = self.random.between(0.0, FIRST_LEAVE_WITHIN_S);
            self.parked_until_us = start_us + (wait_s * 1e6) as i64;
        }
    }

    /// Moves on by one tick, which begins where the last one ended, at `tick_us`.
    pub fn step(&mut self, roads: &Roads, tick_us: i64) {
        self.tick_us = tick_us;
        let length_m = roads.route(self.carriageway).length_m();
        if self.motion.end_m >= length_m {
            self.turn_back(length_m);
        }
        if tick_us < self.parked_until_us {
            self.motion = Motion::standing(self.motion.end_m);
            return;
        }
        let Motion { end_m: start_m, end_mps: start_mps, .. } = self.motion;
        let left_m = length_m - start_m;
        let wanted_mps = self.safe_mps(roads, start_m).min(stopping_mps(start_mps, left_m)).max(CREEP_MPS);
        let slowest_mps = (start_mps - BRAKING_MAX * TICK_S).max(0.0);
        let end_mps = wanted_mps.clamp(slowest_mps, start_mps + self.model.acceleration * TICK_S);
        let driven_m = (start_mps + end_mps) / 2.0 * TICK_S;
        self.motion = Motion { start_m, end_m: start_m + driven_m, start_mps, end_mps };
        if driven_m >= left_m {
            self.motion = Motion { start_m, end_m: length_m, start_mps, end_mps: 0.0 };
            let rest_s = self.random.between(REST_S.0, REST_S.1);
            self.parked_until_us = tick_us + TICK_US + (rest_s * 1e6) as i64;
        }
    }

    fn turn_back(&mut self, length_m: f64) {
        self.before_leg_m += length_m;
        self.carriageway.direction = self.carriageway.direction.reversed();
        self.motion = Motion::standing(0.0);
    }

    /// What the driver wants to go at a place.
    fn wanted_mps(&self, roads: &Roads, along_m: f64) -> f64 {
        (roads.speed_mps(self.carriageway, along_m) * self.eagerness).min(self.model.speed_max_mps)
    }

    /// What the driver goes here, seeing what is ahead: the highest speed from which each wanted one can be reached.
    fn safe_mps(&self, roads: &Roads, along_m: f64) -> f64 {
        SIGHT_M.into_iter().fold(self.wanted_mps(roads, along_m), |speed_mps, ahead_m| {
            let there_mps = self.wanted_mps(roads, along_m + ahead_m);
            speed_mps.min((there_mps * there_mps + 2.0 * BRAKING_PLANNED * ahead_m).sqrt())
        })
    }

    fn fraction(&self, time_us: i64) -> f64 {
        ((time_us - self.tick_us) as f64 / TICK_US as f64).clamp(0.0, 1.0)
    }

    /// The carriageway it is on, and the metres of it that it drives during the tick.
    pub fn stretch(&self) -> (Carriageway, RangeInclusive<f64>) {
        (self.carriageway, self.motion.start_m..=self.motion.end_m)
    }

    /// Where it is at a moment of the tick, in metres along its carriageway.
    pub fn along_m(&self, time_us: i64) -> f64 {
        self.motion.along_m(self.fraction(time_us))
    }

    /// Its speed at a moment of the tick, in m/s.
    pub fn speed_mps(&self, time_us: i64) -> f64 {
        self.motion.start_mps + (self.motion.end_mps - self.motion.start_mps) * self.fraction(time_us)
    }

    fn place(&self, roads: &Roads, time_us: i64) -> Place {
        roads.route(self.carriageway).place(self.carriageway.direction, self.along_m(time_us))
    }

    /// What its own unit says at a moment of the tick.
    pub fn report(&mut self, roads: &Roads, header: Header) -> VehicleEvent {
        let time_us = header.timestamp.0;
        let odometer_m = self.before_leg_m + self.along_m(time_us);
        let speed_mps = match self.last_report.replace((time_us, odometer_m)) {
            Some((last_us, last_m)) if last_us < time_us => {
                (odometer_m - last_m) * 1e6 / (time_us - last_us) as f64
            }
            _ => self.speed_mps(time_us),
        };
        let Place { position, bearing } = self.place(roads, time_us);
        let bearing = normalised(rounded(bearing, 10.0));
        VehicleEvent {
            header,
            location: position.rounded(),
            speed: rounded(speed_mps * 3.6, 100.0),
            direction: Compass::of(bearing),
            bearing,
            make: self.model.make,
            model: self.model.model,
            year: self.year,
            fuel_type: self.model.fuel,
        }
    }

    /// What its satellite receiver says at a moment of the tick.
    pub fn fix(&mut self, roads: &Roads, header: Header) -> GpsEvent {
        let time_us = header.timestamp.0;
        let place = self.place(roads, time_us);
        let fix = self.receiver.measure(place, self.speed_mps(time_us), time_us);
        let bearing = normalised(rounded(fix.bearing, 10.0));
        GpsEvent {
            header,
            location: fix.position.rounded(),
            speed: rounded(fix.speed_mps * 3.6, 100.0),
            direction: Compass::of(bearing),
            bearing,
            accuracy: rounded(fix.accuracy_m, 10.0),
            satellites: fix.satellites,
            vehicle_type: self.model.vehicle_type,
        }
    }
}

/// The speed at the end of a tick from which a vehicle that begins it at `start_mps` can still stop within `left_m`:
/// the solution v of (start + v) / 2 · tick + v² / (2 · braking) = left.
fn stopping_mps(start_mps: f64, left_m: f64) -> f64 {
    let half_mps = BRAKING_PLANNED * TICK_S / 2.0;
    let square = half_mps * half_mps + BRAKING_PLANNED * (2.0 * left_m - start_mps * TICK_S);
    square.max(0.0).sqrt() - half_mps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::road::Obstacle;
    use crate::city::route::{Route, RoutePreset};
    use crate::city::weather::WeatherField;

    fn roads() -> Roads {
        Roads::new(RoutePreset::ALL.map(Route::new).into(), &WeatherField::new(3), 0)
    }

    /// Drives for so many seconds and hands each tick's motion to `look`.
    fn drive(roads: &Roads, vehicle: &mut Vehicle, seconds: i64, mut look: impl FnMut(&Vehicle)) {
        for second in 0..seconds {
            vehicle.step(roads, second * TICK_US);
            look(vehicle);
        }
    }

    #[test]
    fn vehicles_keep_to_their_bounds_and_come_back() {
        let roads = roads();
        for number in 0..24 {
            let mut vehicle = Vehicle::new(&roads, 9, number, 0);
            let (mut odometer_m, mut speed_mps) = (vehicle.motion.end_m, vehicle.motion.end_mps);
            let (mut directions, mut over_limit) = (vec![vehicle.carriageway.direction], 0);
            const SECONDS: i64 = 7 * 3600;
            drive(&roads, &mut vehicle, SECONDS, |vehicle| {
                let motion = vehicle.motion;
                let total_m = vehicle.before_leg_m + motion.end_m;
                assert!((vehicle.before_leg_m + motion.start_m - odometer_m).abs() < 1e-6, "no jumps");
                assert!(total_m >= odometer_m - 1e-6 && motion.start_mps == speed_mps, "{motion:?}");
                let change = motion.end_mps - motion.start_mps;
                assert!(
                    (-BRAKING_MAX - 1e-9..=vehicle.model.acceleration + 1e-9).contains(&change),
                    "{motion:?}"
                );
                assert!(motion.end_mps <= vehicle.model.speed_max_mps);
                let limit_mps = roads.speed_mps(vehicle.carriageway, motion.end_m);
                over_limit += i64::from(motion.end_mps > limit_mps * 1.05);
                (odometer_m, speed_mps) = (total_m, motion.end_mps);
                if directions.last() != Some(&vehicle.carriageway.direction) {
                    directions.push(vehicle.carriageway.direction);
                }
            });
            assert!(directions.len() >= 3, "vehicle {number} turned {} times", directions.len() - 1);
            assert!(over_limit * 100 < SECONDS, "too fast for {over_limit} s: only where a limit falls");
        }
    }

    #[test]
    fn the_odometer_is_what_the_speedometer_adds_up_to() {
        let motion = Motion { start_m: 100.0, end_m: 115.0, start_mps: 10.0, end_mps: 20.0 };
        assert_eq!([0.0, 0.5, 1.0].map(|fraction| motion.along_m(fraction)), [100.0, 106.25, 115.0]);
        assert_eq!(Motion::standing(7.0).along_m(0.5), 7.0);
    }

    #[test]
    fn a_vehicle_crawls_through_a_queue_and_speeds_up_behind_it() {
        let mut roads = roads();
        let mut vehicle = Vehicle::new(&roads, 1, 0, 0);
        vehicle.parked_until_us = 0;
        vehicle.motion = Motion { end_m: 60_000.0, end_mps: 25.0, ..Motion::default() };
        let (carriageway, along_m) = (vehicle.carriageway, 66_000.0);
        roads.set_obstacles([Obstacle { carriageway, along_m, queue_m: 1000.0, factor: 0.15 }].into_iter());
        let (mut queue_mps, mut after_mps): (f64, f64) = (0.0, 0.0);
        drive(&roads, &mut vehicle, 900, |vehicle| match vehicle.motion.end_m {
            along_m if (65_100.0..65_900.0).contains(&along_m) => {
                queue_mps = queue_mps.max(vehicle.motion.end_mps)
            }
            along_m if (67_000.0..68_000.0).contains(&along_m) => {
                after_mps = after_mps.max(vehicle.motion.end_mps)
            }
            _ => (),
        });
        assert!(queue_mps > 0.0 && queue_mps < 6.0 && after_mps > 15.0, "{queue_mps} {after_mps}");
    }
}
