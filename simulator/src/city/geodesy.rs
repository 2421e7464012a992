//! Positions on the Earth, the distance and the bearing between them, and the names of bearings.
//!
//! The Earth is a sphere of the mean radius R1 of IUGG; against the WGS 84 ellipsoid distances are off by at most
//! 0.5 %. Formulas: Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984); Williams, "Aviation
//! Formulary", sections "Course between points" and "Intermediate points on a great circle".

use serde::{Serialize, Serializer, ser::SerializeTuple};

/// Mean radius of the Earth, in metres.
pub const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A point of the Earth's surface; as JSON `[latitude, longitude]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Position {
    /// Degrees north of the equator.
    pub latitude: f64,
    /// Degrees east of Greenwich.
    pub longitude: f64,
}

impl Position {
    /// From degrees.
    pub const fn new(latitude: f64, longitude: f64) -> Self {
        Self { latitude, longitude }
    }

    /// The great-circle distance, in metres (haversine, exact for short distances too).
    pub fn distance_m(self, other: Self) -> f64 {
        let half_latitude = (other.latitude - self.latitude).to_radians() / 2.0;
        let half_longitude = (other.longitude - self.longitude).to_radians() / 2.0;
        let parallels = self.latitude.to_radians().cos() * other.latitude.to_radians().cos();
        let haversine = half_latitude.sin().powi(2) + parallels * half_longitude.sin().powi(2);
        2.0 * EARTH_RADIUS_M * haversine.sqrt().min(1.0).asin()
    }

    /// The bearing in which the great circle to `other` starts, in degrees [0, 360) clockwise from north.
    pub fn bearing_to(self, other: Self) -> f64 {
        let (sine, cosine) = self.latitude.to_radians().sin_cos();
        let (other_sine, other_cosine) = other.latitude.to_radians().sin_cos();
        let longitude = (other.longitude - self.longitude).to_radians();
        let east = longitude.sin() * other_cosine;
        let north = cosine * other_sine - sine * other_cosine * longitude.cos();
        normalised(east.atan2(north).to_degrees())
    }

    /// The point at this fraction, in [0, 1], of the great circle to `other`; the two are not antipodes.
    pub fn toward(self, other: Self, fraction: f64) -> Self {
        let angle = self.distance_m(other) / EARTH_RADIUS_M;
        if angle == 0.0 {
            return self;
        }
        let here = ((1.0 - fraction) * angle).sin() / angle.sin();
        let there = (fraction * angle).sin() / angle.sin();
        let [x, y, z] = [0, 1, 2].map(|axis| here * self.vector()[axis] + there * other.vector()[axis]);
        Self::new(z.atan2(x.hypot(y)).to_degrees(), y.atan2(x).to_degrees())
    }

    /// The point so many metres north and east; right to a millionth of the distance within a kilometre, away from the poles.
    pub fn offset_m(self, north_m: f64, east_m: f64) -> Self {
        let latitude = self.latitude + (north_m / EARTH_RADIUS_M).to_degrees();
        let parallel_m = EARTH_RADIUS_M * self.latitude.to_radians().cos();
        Self::new(latitude, self.longitude + (east_m / parallel_m).to_degrees())
    }

    /// Rounded to 10^-7 degrees, which devices send: at most 8 mm off on each axis.
    pub fn rounded(self) -> Self {
        Self::new(rounded(self.latitude, 1e7), rounded(self.longitude, 1e7))
    }

    fn vector(self) -> [f64; 3] {
        let (sine, cosine) = self.latitude.to_radians().sin_cos();
        let (east, prime) = self.longitude.to_radians().sin_cos();
        [cosine * prime, cosine * east, sine]
    }
}

impl Serialize for Position {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pair = serializer.serialize_tuple(2)?;
        pair.serialize_element(&self.latitude)?;
        pair.serialize_element(&self.longitude)?;
        pair.end()
    }
}

/// Rounds to a multiple of 1 / `scale`, the way a device rounds before it sends.
pub fn rounded(value: f64, scale: f64) -> f64 {
    (value * scale).round() / scale
}

/// A bearing brought into [0, 360).
pub fn normalised(bearing: f64) -> f64 {
    let turned = bearing.rem_euclid(360.0);
    if turned >= 360.0 { 0.0 } else { turned }
}

/// One of the eight winds; as JSON its name, such as `North-West`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub enum Compass {
    North,
    #[serde(rename = "North-East")]
    NorthEast,
    East,
    #[serde(rename = "South-East")]
    SouthEast,
    South,
    #[serde(rename = "South-West")]
    SouthWest,
    West,
    #[serde(rename = "North-West")]
    NorthWest,
}

impl Compass {
    /// The wind within 22.5° of this bearing.
    pub fn of(bearing: f64) -> Self {
        use Compass::*;
        let winds = [North, NorthEast, East, SouthEast, South, SouthWest, West, NorthWest];
        winds[(normalised(bearing + 22.5) / 45.0) as usize % 8]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONDON: Position = Position::new(51.5074, -0.1278);
    const BIRMINGHAM: Position = Position::new(52.4862, -1.8904);

    #[test]
    fn the_journey_has_its_known_length_and_bearing() {
        assert!((LONDON.distance_m(BIRMINGHAM) / 1000.0 - 162.5).abs() < 0.1);
        assert!((LONDON.bearing_to(BIRMINGHAM) - 312.7).abs() < 0.1);
        assert_eq!(Compass::of(LONDON.bearing_to(BIRMINGHAM)), Compass::NorthWest);
    }

    #[test]
    fn a_degree_of_a_great_circle_is_111_195_metres() {
        let check = |from: Position, to: Position, bearing: f64| {
            assert!((from.distance_m(to) - EARTH_RADIUS_M.to_radians()).abs() < 0.01, "{from:?} {to:?}");
            assert!((from.bearing_to(to) - bearing).abs() < 1e-9, "{from:?} {to:?}");
        };
        check(Position::new(0.0, 0.0), Position::new(1.0, 0.0), 0.0);
        check(Position::new(0.0, 179.5), Position::new(0.0, -179.5), 90.0);
        check(Position::new(45.0, 7.0), Position::new(44.0, 7.0), 180.0);
        check(Position::new(0.0, 1.0), Position::new(0.0, 0.0), 270.0);
    }

    #[test]
    fn points_between_divide_the_distance() {
        let total = LONDON.distance_m(BIRMINGHAM);
        for step in 0..=10 {
            let fraction = f64::from(step) / 10.0;
            let point = LONDON.toward(BIRMINGHAM, fraction);
            assert!((LONDON.distance_m(point) - fraction * total).abs() < 1e-3, "{fraction}");
            assert!((point.distance_m(BIRMINGHAM) - (1.0 - fraction) * total).abs() < 1e-3, "{fraction}");
        }
        assert_eq!(LONDON.toward(LONDON, 0.5), LONDON);
    }

    #[test]
    fn offsets_are_metres() {
        let moved = LONDON.offset_m(30.0, -40.0);
        assert!((LONDON.distance_m(moved) - 50.0).abs() < 1e-3);
        assert!((LONDON.bearing_to(moved) - 306.87).abs() < 0.01);
    }

    #[test]
    fn winds_change_in_the_middle_between_them() {
        let check = |bearing: f64, expect: Compass| assert_eq!(Compass::of(bearing), expect, "{bearing}");
        check(0.0, Compass::North);
        check(22.4, Compass::North);
        check(22.6, Compass::NorthEast);
        check(180.0, Compass::South);
        check(292.6, Compass::NorthWest);
        check(337.6, Compass::North);
        check(-90.0, Compass::West);
        check(720.0, Compass::North);
    }
}
