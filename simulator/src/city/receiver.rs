//! A satellite receiver: from the true position and motion to what it measures.
//!
//! The error of each axis is a Gauss-Markov process: normally distributed with a sigma of 3 m at nine satellites
//! (more satellites, less error), and forgotten with a time constant of one minute, so that consecutive fixes err alike.

use super::geodesy::{Position, normalised};
use super::random::Random;
use super::route::Place;

/// Sigma of each axis at [`SATELLITES_TYPICAL`], in metres.
const SIGMA_M: f64 = 3.0;
const SATELLITES_TYPICAL: f64 = 9.0;
const FORGETTING_S: f64 = 60.0;
/// Doppler speed, sigma in m/s.
const SPEED_SIGMA_MPS: f64 = 0.11;
/// Sigma of the course over ground, in degrees at 10 m/s; falls with speed.
const BEARING_SIGMA: f64 = 1.0;
/// Slower than this, in m/s, a receiver keeps its last course.
const STANDING_MPS: f64 = 0.5;
/// The radius that holds 68 % of a two-dimensional normal distribution, in sigmas of one axis.
const RADIUS_68: f64 = 1.5096;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub struct Fix {
    #[allow(missing_docs)]
    pub position: Position,
    #[allow(missing_docs)]
    pub speed_mps: f64,
    /// Course over ground.
    pub bearing: f64,
    /// The radius, in metres, that holds 68 % of the errors.
    pub accuracy_m: f64,
    /// In use, 4 to 14.
    pub satellites: u8,
}

/// The errors that a receiver has at the moment.
#[derive(Debug)]
pub struct Receiver {
    random: Random,
    /// North, east, and the number of satellites; each with mean 0 and variance 1.
    errors: [f64; 3],
    last_us: Option<i64>,
    course: Option<f64>,
}

impl Receiver {
    /// A receiver that has just found its position.
    pub fn new(mut random: Random) -> Self {
        let errors = [(); 3].map(|()| random.normal());
        Self { random, errors, last_us: None, course: None }
    }

    /// Measures at a moment, which is not before the last one.
    pub fn measure(&mut self, truth: Place, speed_mps: f64, time_us: i64) -> Fix {
        self.drift(time_us);
        let satellites = (SATELLITES_TYPICAL + 2.0 * self.errors[2]).round().clamp(4.0, 14.0);
        let sigma_m = SIGMA_M * SATELLITES_TYPICAL / satellites;
        let speed_noise = SPEED_SIGMA_MPS * self.random.normal();
        let bearing_noise = BEARING_SIGMA * self.random.normal() * 10.0 / speed_mps.max(5.0);
        if self.course.is_none() || speed_mps > STANDING_MPS {
            self.course = Some(normalised(truth.bearing + bearing_noise));
        }
        Fix {
            position: truth.position.offset_m(sigma_m * self.errors[0], sigma_m * self.errors[1]),
            speed_mps: (speed_mps + speed_noise).max(0.0),
            bearing: self.course.unwrap_or(truth.bearing),
            accuracy_m: RADIUS_68 * sigma_m,
            satellites: satellites as u8,
        }
    }

    fn drift(&mut self, time_us: i64) {
        let Some(last_us) = self.last_us.replace(time_us) else { return };
        let kept = (-((time_us - last_us) as f64 * 1e-6) / FORGETTING_S).exp();
        let fresh = (1.0 - kept * kept).sqrt();
        for error in &mut self.errors {
            *error = *error * kept + fresh * self.random.normal();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_stated_sigma_and_are_alike_for_a_while() {
        const RECEIVERS: u64 = 4000;
        let truth = Place { position: Position::new(51.5, -0.1), bearing: 300.0 };
        let (mut squares, mut inside, mut near, mut speeds) = (0.0, 0.0, 0.0, 0.0);
        for seed in 0..RECEIVERS {
            let mut receiver = Receiver::new(Random::new(seed, "receiver"));
            receiver.measure(truth, 20.0, 0);
            let fix = receiver.measure(truth, 20.0, 300_000_000);
            let next = receiver.measure(truth, 20.0, 301_000_000);
            let error_m = fix.position.distance_m(truth.position);
            let sigma_m = fix.accuracy_m / RADIUS_68;
            squares += (error_m / sigma_m).powi(2);
            inside += f64::from(u8::from(error_m < fix.accuracy_m));
            near += fix.position.distance_m(next.position);
            speeds += (fix.speed_mps - 20.0).powi(2);
            assert!((4..=14).contains(&fix.satellites) && (2.9..10.3).contains(&fix.accuracy_m));
            assert!((fix.bearing - 300.0).abs() < 5.0);
        }
        let mean = |sum: f64| sum / RECEIVERS as f64;
        assert!((mean(squares) - 2.0).abs() < 5.0 * 2.0 / (RECEIVERS as f64).sqrt(), "{}", mean(squares));
        assert!((mean(inside) - 0.68).abs() < 0.04, "{}", mean(inside));
        assert!(mean(near) < 1.5, "a second later the error is nearly the same: {} m", mean(near));
        assert!((mean(speeds).sqrt() / SPEED_SIGMA_MPS - 1.0).abs() < 0.1);
    }

    #[test]
    fn a_standing_receiver_keeps_its_course() {
        let mut receiver = Receiver::new(Random::new(1, "receiver"));
        let place = |bearing| Place { position: Position::new(51.5, -0.1), bearing };
        let driving = receiver.measure(place(90.0), 10.0, 0).bearing;
        assert_eq!(receiver.measure(place(270.0), 0.0, 1_000_000).bearing, driving);
        assert!((receiver.measure(place(270.0), 10.0, 2_000_000).bearing - 270.0).abs() < 10.0);
    }
}
