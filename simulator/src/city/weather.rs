//! The weather: a smooth field over space and time, a pure function of seed, place and moment.
//!
//! Everything follows from four layers of value noise (cloud, air mass, wind, pollution), the height of the sun and
//! the season: it rains where clouds are thick, snows where that is cold, and stays humid where it rains. Neighbours in
//! space and time differ little, because the noise has a coarsest wavelength of 60 km and 3 hours.

use super::event::Condition;
use super::geodesy::{EARTH_RADIUS_M, Position};
use super::random::mix;

/// Size of the noise's coarse cells; the fine ones are half as large.
const CELL_M: f64 = 60_000.0;
const CELL_S: f64 = 3.0 * 3600.0;
/// Clouds thicker than this give precipitation.
const RAIN_FROM_CLOUD: f64 = 0.62;
/// At the thickest clouds, in millimetres an hour.
const PRECIPITATION_MAX: f64 = 14.0;
/// At most so warm is it when precipitation falls as snow, in °C.
const SNOW_UP_TO: f64 = 0.5;

/// The weather of one place and moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weather {
    /// °C.
    pub temperature: f64,
    #[allow(missing_docs)]
    pub condition: Condition,
    /// Millimetres an hour; 0 or at least 0.05.
    pub precipitation: f64,
    /// km/h.
    pub wind_speed: f64,
    /// Percent.
    pub humidity: f64,
    /// US EPA scale.
    pub air_quality_index: f64,
}

/// All weather that a seed stands for.
#[derive(Debug, Clone, Copy)]
pub struct WeatherField {
    seed: u64,
}

#[derive(Clone, Copy)]
enum Layer {
    Cloud = 1,
    AirMass,
    Wind,
    Pollution,
}

impl WeatherField {
    /// The field of this seed.
    pub fn new(seed: u64) -> Self {
        Self { seed: mix(seed ^ mix(0x77ea_7e21)) }
    }

    /// The weather at a place and moment.
    pub fn at(&self, place: Position, time_us: i64) -> Weather {
        let noise = |layer| self.noise(layer, place, time_us);
        let cloud = noise(Layer::Cloud);
        let precipitation = precipitation(cloud);
        let temperature = temperature(place, time_us, cloud, noise(Layer::AirMass));
        let wind_speed = 4.0 + 55.0 * noise(Layer::Wind).powi(2) + 10.0 * cloud;
        let condition = match () {
            () if precipitation > 0.0 && temperature <= SNOW_UP_TO => Condition::Snowy,
            () if precipitation > 0.0 => Condition::Rainy,
            () if cloud > 0.5 => Condition::Cloudy,
            () => Condition::Sunny,
        };
        let humidity = 38.0 + 55.0 * cloud - 0.6 * (temperature - 8.0) + 2.0 * precipitation;
        let traffic = 18.0 * demand(place, time_us);
        let cleaned = 0.5 * wind_speed + 3.0 * precipitation;
        Weather {
            temperature,
            condition,
            precipitation,
            wind_speed,
            humidity: humidity.clamp(if precipitation > 0.0 { 80.0 } else { 20.0 }, 100.0),
            air_quality_index: (20.0 + 110.0 * noise(Layer::Pollution).powi(2) + traffic - cleaned).max(5.0),
        }
    }

    /// Two octaves of value noise, in [0, 1], stretched so that both ends occur.
    fn noise(&self, layer: Layer, place: Position, time_us: i64) -> f64 {
        let north_m = EARTH_RADIUS_M * place.latitude.to_radians();
        let east_m = EARTH_RADIUS_M * place.longitude.to_radians() * place.latitude.to_radians().cos();
        let at = [north_m / CELL_M, east_m / CELL_M, time_us as f64 * 1e-6 / CELL_S];
        let seed = self.seed ^ mix(layer as u64);
        let sum = value_noise(seed, at) * 0.7 + value_noise(mix(seed), at.map(|axis| 2.0 * axis)) * 0.3;
        (0.5 + (sum - 0.5) * 1.4).clamp(0.0, 1.0)
    }
}

/// Noise that has a random value at each point of the integer lattice and passes smoothly between them.
fn value_noise(seed: u64, at: [f64; 3]) -> f64 {
    let cell = at.map(f64::floor);
    let weight = [0, 1, 2].map(|axis| {
        let fraction: f64 = at[axis] - cell[axis];
        fraction * fraction * (3.0 - 2.0 * fraction)
    });
    let lattice = |axis: usize, side: usize| (cell[axis] as i64 + side as i64) as u64;
    let rows = [0, 1].map(|x| mix(seed ^ lattice(0, x)));
    let columns = [0, 1, 2, 3].map(|corner| mix(rows[corner & 1] ^ lattice(1, corner >> 1)));
    let mut values = [0.0; 8];
    for (corner, value) in values.iter_mut().enumerate() {
        let column = columns[corner & 3];
        *value = (mix(column ^ lattice(2, corner >> 2)) >> 11) as f64 / (1u64 << 53) as f64;
    }
    for (axis, count) in [(0, 4), (1, 2), (2, 1)] {
        for pair in 0..count {
            values[pair] = values[2 * pair] + weight[axis] * (values[2 * pair + 1] - values[2 * pair]);
        }
    }
    values[0]
}

/// 0, or at least 0.05: less than that no station measures.
fn precipitation(cloud: f64) -> f64 {
    let excess = (cloud - RAIN_FROM_CLOUD) / (1.0 - RAIN_FROM_CLOUD);
    let rate = if excess > 0.0 { PRECIPITATION_MAX * excess.powf(1.5) } else { 0.0 };
    if rate < 0.05 { 0.0 } else { rate }
}

/// A yearly and a daily wave, both wider inland and north, damped under clouds, and up to 5 °C of air mass.
fn temperature(place: Position, time_us: i64, cloud: f64, air_mass: f64) -> f64 {
    let mean = 24.0 - 0.27 * (place.latitude.abs() - 15.0);
    let summer = -(std::f64::consts::TAU * (year_fraction(time_us) - 0.055)).cos() * place.latitude.signum();
    let afternoon = (std::f64::consts::TAU * (solar_hour(place, time_us) - 15.0) / 24.0).cos();
    mean - 4.0 + 7.5 * summer + 4.0 * afternoon * (1.0 - 0.6 * cloud) + 10.0 * (air_mass - 0.5) - 2.0 * cloud
}

/// Mean solar time, in hours [0, 24).
fn solar_hour(place: Position, time_us: i64) -> f64 {
    (time_us as f64 / 3.6e9 + place.longitude / 15.0).rem_euclid(24.0)
}

/// The share of the year that is over, 0 at the beginning of January 1970 and again each 365.2425 days.
fn year_fraction(time_us: i64) -> f64 {
    (time_us as f64 / (365.242_5 * 86_400e6)).rem_euclid(1.0)
}

/// The sine of the sun's height above the horizon (Cooper's declination, 1969, without the equation of time: right to 2°).
pub fn sun_height(place: Position, time_us: i64) -> f64 {
    let season = std::f64::consts::TAU * (year_fraction(time_us) * 365.0 + 285.0) / 365.0;
    let (declination_sine, declination_cosine) = (23.45_f64.to_radians() * season.sin()).sin_cos();
    let (sine, cosine) = place.latitude.to_radians().sin_cos();
    let hour_angle = (15.0 * (solar_hour(place, time_us) - 12.0)).to_radians();
    sine * declination_sine + cosine * declination_cosine * hour_angle.cos()
}

/// How much traffic the hour of the day brings, from 0.25 at night to 1 in the rush hours.
pub fn demand(place: Position, time_us: i64) -> f64 {
    let hour = solar_hour(place, time_us);
    let rush = |peak: f64| (-((hour - peak) / 1.8).powi(2)).exp();
    let day = 0.5 - 0.5 * (std::f64::consts::TAU * (hour - 1.5) / 24.0).cos();
    (0.25 + 0.35 * day + 0.45 * (rush(8.0) + rush(17.5))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::random::Random;

    const HOUR_US: f64 = 3.6e9;
    const YEAR_2026_US: f64 = 1.767_225_6e15;

    fn anywhere(random: &mut Random) -> (Position, i64) {
        let place = Position::new(random.between(37.0, 53.0), random.between(-122.5, 0.0));
        (place, (YEAR_2026_US + random.between(0.0, 8766.0 * HOUR_US)) as i64)
    }

    #[test]
    fn weather_agrees_with_itself() {
        let mut seen = std::collections::HashMap::new();
        for seed in 0..40 {
            let field = WeatherField::new(seed);
            let mut random = Random::new(seed, "places");
            for _ in 0..500 {
                let (place, time_us) = anywhere(&mut random);
                let weather = field.at(place, time_us);
                *seen.entry(weather.condition).or_insert(0) += 1;
                let wet = weather.precipitation > 0.0;
                assert_eq!(
                    wet,
                    matches!(weather.condition, Condition::Rainy | Condition::Snowy),
                    "{weather:?}"
                );
                assert!(
                    weather.condition != Condition::Snowy || weather.temperature <= SNOW_UP_TO,
                    "{weather:?}"
                );
                assert!(
                    weather.condition != Condition::Rainy || weather.temperature > SNOW_UP_TO,
                    "{weather:?}"
                );
                assert!(!wet || weather.humidity >= 80.0, "{weather:?}");
                assert!((-25.0..45.0).contains(&weather.temperature), "{weather:?}");
                assert!((0.0..=100.0).contains(&weather.humidity), "{weather:?}");
                assert!((0.0..=100.0).contains(&weather.wind_speed), "{weather:?}");
                assert!((0.0..=500.0).contains(&weather.air_quality_index), "{weather:?}");
                assert!((0.0..=25.0).contains(&weather.precipitation), "{weather:?}");
            }
        }
        for condition in [Condition::Sunny, Condition::Cloudy, Condition::Rainy, Condition::Snowy] {
            assert!(seen.get(&condition).is_some_and(|&count| count > 20), "{seen:?}");
        }
    }

    #[test]
    fn neighbours_have_similar_weather() {
        for seed in 0..40 {
            let field = WeatherField::new(seed);
            let mut random = Random::new(seed, "neighbours");
            for _ in 0..250 {
                let (place, time_us) = anywhere(&mut random);
                let moved = place.offset_m(random.between(-700.0, 700.0), random.between(-700.0, 700.0));
                let later_us = time_us + random.between(0.0, 120e6) as i64;
                let (here, there) = (field.at(place, time_us), field.at(moved, later_us));
                let close = |a: f64, b: f64, limit: f64| (a - b).abs() < limit;
                assert!(close(here.temperature, there.temperature, 1.0), "{here:?} {there:?}");
                assert!(close(here.precipitation, there.precipitation, 2.5), "{here:?} {there:?}");
                assert!(close(here.wind_speed, there.wind_speed, 5.0), "{here:?} {there:?}");
                assert!(close(here.air_quality_index, there.air_quality_index, 12.0), "{here:?} {there:?}");
            }
        }
    }

    #[test]
    fn afternoons_are_warmer_and_nights_are_dark() {
        let london = Position::new(51.5, -0.1);
        let field = WeatherField::new(5);
        let mean = |hour: f64| {
            let days = (0..365).map(|day| YEAR_2026_US + (24.0 * f64::from(day) + hour) * HOUR_US);
            days.map(|time_us| field.at(london, time_us as i64).temperature).sum::<f64>() / 365.0
        };
        assert!(mean(15.0) > mean(4.0) + 3.0);
        let noon_us = YEAR_2026_US + 12.0 * HOUR_US;
        let sun = |hour: f64, day: f64| sun_height(london, (noon_us + (day * 24.0 + hour) * HOUR_US) as i64);
        let degrees = |sine: f64| sine.asin().to_degrees();
        assert!((degrees(sun(0.0, 171.0)) - 61.9).abs() < 2.0, "{}", degrees(sun(0.0, 171.0)));
        assert!((degrees(sun(0.0, 354.0)) - 15.1).abs() < 2.0, "{}", degrees(sun(0.0, 354.0)));
        assert!(sun(12.0, 0.0) < -0.5);
    }

    #[test]
    fn other_seeds_other_weather() {
        let place = Position::new(51.5, -0.1);
        assert_ne!(WeatherField::new(1).at(place, 0), WeatherField::new(2).at(place, 0));
        assert_eq!(WeatherField::new(1).at(place, 0), WeatherField::new(1).at(place, 0));
    }
}
