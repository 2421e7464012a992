//! The routes: real roads as polylines with their speed limits, and places on them by distance driven.
//!
//! Way points are junctions and landmarks, right to some hundred metres; between them roads run along great circles.

use std::str::FromStr;

use super::geodesy::Position;

/// A route that vehicles can drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoutePreset {
    /// Charing Cross to Birmingham's centre by the A40, the M40 and the A34.
    LondonBirmingham,
    /// San Francisco's Civic Center to Dublin, California, by the Bay Bridge and Interstate 580.
    SanFranciscoDublin,
}

impl RoutePreset {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::LondonBirmingham, Self::SanFranciscoDublin];

    /// Its name, such as `london-birmingham`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LondonBirmingham => "london-birmingham",
            Self::SanFranciscoDublin => "san-francisco-dublin",
        }
    }

    const fn way_points(self) -> &'static [WayPoint] {
        match self {
            Self::LondonBirmingham => LONDON_BIRMINGHAM,
            Self::SanFranciscoDublin => SAN_FRANCISCO_DUBLIN,
        }
    }

    const fn ends(self) -> [&'static str; 2] {
        match self {
            Self::LondonBirmingham => ["London", "Birmingham"],
            Self::SanFranciscoDublin => ["San Francisco", "Dublin"],
        }
    }
}

impl FromStr for RoutePreset {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|preset| preset.name() == name).ok_or_else(|| {
            format!("unknown route `{name}`, expected one of {}", Self::ALL.map(Self::name).join(", "))
        })
    }
}

/// Latitude, longitude, and the road that begins here with its limit in km/h.
type WayPoint = (f64, f64, &'static str, f64);

/// Miles an hour, as signs say, in km/h.
const MPH_20: f64 = 32.19;
const MPH_25: f64 = 40.23;
const MPH_30: f64 = 48.28;
const MPH_40: f64 = 64.37;
const MPH_50: f64 = 80.47;
const MPH_65: f64 = 104.61;
const MPH_70: f64 = 112.65;

const LONDON_BIRMINGHAM: &[WayPoint] = &[
    (51.5074, -0.1278, "A4", MPH_20),  // Charing Cross
    (51.5130, -0.1589, "A40", MPH_30), // Marble Arch
    (51.5196, -0.1780, "A40", MPH_40), // Paddington, the Westway begins
    (51.5150, -0.2225, "A40", MPH_40), // White City
    (51.5302, -0.2925, "A40", MPH_50), // Hanger Lane
    (51.5441, -0.3708, "A40", MPH_70), // Northolt
    (51.5577, -0.4560, "A40", MPH_70), // Swakeleys
    (51.5690, -0.5000, "M40", MPH_70), // junction 1, Denham
    (51.5745, -0.5390, "M40", MPH_70), // junction 1A, M25
    (51.5946, -0.6290, "M40", MPH_70), // junction 2, Beaconsfield
    (51.6036, -0.6960, "M40", MPH_70), // junction 3, Loudwater
    (51.6137, -0.7650, "M40", MPH_70), // junction 4, High Wycombe
    (51.6607, -0.9040, "M40", MPH_70), // junction 5, Stokenchurch
    (51.6790, -0.9640, "M40", MPH_70), // junction 6, Lewknor
    (51.7190, -1.0560, "M40", MPH_70), // junction 7, Milton Common
    (51.7490, -1.1180, "M40", MPH_70), // junction 8A, Wheatley
    (51.8610, -1.2030, "M40", MPH_70), // junction 9, Wendlebury
    (51.9440, -1.2050, "M40", MPH_70), // junction 10, Ardley
    (52.0720, -1.3120, "M40", MPH_70), // junction 11, Banbury
    (52.1920, -1.4640, "M40", MPH_70), // junction 12, Gaydon
    (52.2480, -1.5690, "M40", MPH_70), // junction 14, Warwick
    (52.2650, -1.6190, "M40", MPH_70), // junction 15, Longbridge
    (52.3330, -1.7480, "M40", MPH_70), // junction 16, Hockley Heath
    (52.3530, -1.7920, "M42", MPH_70), // junction 3A
    (52.3770, -1.7890, "A34", MPH_40), // junction 4, Monkspath
    (52.4110, -1.8190, "A34", MPH_30), // Shirley
    (52.4340, -1.8380, "A34", MPH_30), // Hall Green
    (52.4560, -1.8650, "A34", MPH_30), // Sparkbrook
    (52.4862, -1.8904, "A34", MPH_30), // Birmingham
];

const SAN_FRANCISCO_DUBLIN: &[WayPoint] = &[
    (37.7793, -122.4193, "Van Ness Avenue", MPH_25), // Civic Center
    (37.7705, -122.4230, "US-101", MPH_50),          // Market Street
    (37.7695, -122.4060, "I-80", MPH_50),            // Central Freeway
    (37.7790, -122.3985, "I-80", MPH_50),            // Fifth Street
    (37.7862, -122.3892, "Bay Bridge", MPH_50),      // Rincon Hill
    (37.8085, -122.3665, "Bay Bridge", MPH_50),      // Yerba Buena Island, west portal
    (37.8150, -122.3560, "Bay Bridge", MPH_50),      // the eastern tower
    (37.8245, -122.3130, "I-80", MPH_50),            // toll plaza
    (37.8270, -122.2930, "I-580", MPH_65),           // MacArthur Maze
    (37.8265, -122.2680, "I-580", MPH_65),           // State Route 24
    (37.8105, -122.2470, "I-580", MPH_65),           // Grand Avenue
    (37.7990, -122.2210, "I-580", MPH_65),           // Park Boulevard
    (37.7925, -122.2010, "I-580", MPH_65),           // 35th Avenue
    (37.7790, -122.1710, "I-580", MPH_65),           // State Route 13
    (37.7510, -122.1430, "I-580", MPH_65),           // Golf Links Road
    (37.7250, -122.1230, "I-580", MPH_65),           // San Leandro
    (37.6900, -122.0990, "I-580", MPH_65),           // Interstate 238
    (37.6915, -122.0720, "I-580", MPH_65),           // Castro Valley
    (37.6990, -122.0130, "I-580", MPH_65),           // Eden Canyon
    (37.6950, -121.9700, "I-580", MPH_65),           // Dublin Canyon
    (37.6995, -121.9390, "San Ramon Road", MPH_40),  // the Dublin exit
    (37.7022, -121.9358, "Dublin Boulevard", MPH_30),
];

/// Which way a carriageway leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the route's first way point to its last.
    Outbound,
    /// Back.
    Inbound,
}

impl Direction {
    /// The other one.
    pub const fn reversed(self) -> Self {
        match self {
            Self::Outbound => Self::Inbound,
            Self::Inbound => Self::Outbound,
        }
    }
}

/// One carriageway of one route; places on it are metres from where it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Carriageway {
    /// Index of the route among the city's.
    pub route: usize,
    #[allow(missing_docs)]
    pub direction: Direction,
}

impl Carriageway {
    /// Its place among all carriageways of the city.
    pub const fn index(self) -> usize {
        self.route * 2 + self.direction as usize
    }
}

/// A place on a carriageway, as a driver finds it.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    #[allow(missing_docs)]
    pub position: Position,
    /// Where the carriageway leads here, in degrees.
    pub bearing: f64,
}

/// A route with the lengths of its pieces.
#[derive(Debug)]
pub struct Route {
    preset: RoutePreset,
    pieces: Vec<Piece>,
    stretches: Vec<Stretch>,
    length_m: f64,
}

/// Short enough that interpolating latitude and longitude is right to a few millimetres.
const PIECE_M_MAX: f64 = 500.0;

#[derive(Debug)]
struct Piece {
    start_m: f64,
    length_m: f64,
    start: Position,
    end: Position,
    bearing: f64,
}

/// What lies between two way points.
#[derive(Debug)]
struct Stretch {
    start_m: f64,
    road: &'static str,
    limit_mps: f64,
}

impl Route {
    /// Measures the preset.
    pub fn new(preset: RoutePreset) -> Self {
        let mut route = Self { preset, pieces: Vec::new(), stretches: Vec::new(), length_m: 0.0 };
        for pair in preset.way_points().windows(2) {
            let (latitude, longitude, road, limit_kmh) = pair[0];
            let end = Position::new(pair[1].0, pair[1].1);
            route.stretches.push(Stretch { start_m: route.length_m, road, limit_mps: limit_kmh / 3.6 });
            route.push_pieces(Position::new(latitude, longitude), end);
        }
        route
    }

    fn push_pieces(&mut self, from: Position, to: Position) {
        let count = (from.distance_m(to) / PIECE_M_MAX).ceil();
        let mut start = from;
        for step in 1..=count as u32 {
            let end = from.toward(to, f64::from(step) / count);
            let length_m = start.distance_m(end);
            let bearing = start.bearing_to(end);
            self.pieces.push(Piece { start_m: self.length_m, length_m, start, end, bearing });
            self.length_m += length_m;
            start = end;
        }
    }

    /// Metres from end to end.
    pub const fn length_m(&self) -> f64 {
        self.length_m
    }

    /// The town that a direction leads to.
    pub const fn destination(&self, direction: Direction) -> &'static str {
        match direction {
            Direction::Outbound => self.preset.ends()[1],
            Direction::Inbound => self.preset.ends()[0],
        }
    }

    /// The place so many metres along this direction; places beyond the ends are the ends.
    pub fn place(&self, direction: Direction, along_m: f64) -> Place {
        let from_start_m = self.outbound_m(direction, along_m);
        let index = self.pieces.partition_point(|piece| piece.start_m <= from_start_m);
        let piece = &self.pieces[index.max(1) - 1];
        let fraction = ((from_start_m - piece.start_m) / piece.length_m).clamp(0.0, 1.0);
        let between = |start: f64, end: f64| start + fraction * (end - start);
        let position = Position::new(
            between(piece.start.latitude, piece.end.latitude),
            between(piece.start.longitude, piece.end.longitude),
        );
        let bearing = match direction {
            Direction::Outbound => piece.bearing,
            Direction::Inbound => (piece.bearing + 180.0) % 360.0,
        };
        Place { position, bearing }
    }

    /// The speed limit there, in m/s.
    pub fn limit_mps(&self, direction: Direction, along_m: f64) -> f64 {
        self.stretch(direction, along_m).limit_mps
    }

    /// The road's name there.
    pub fn road(&self, direction: Direction, along_m: f64) -> &'static str {
        self.stretch(direction, along_m).road
    }

    /// Metres from the first way point of the route, outbound.
    pub fn outbound_m(&self, direction: Direction, along_m: f64) -> f64 {
        match direction {
            Direction::Outbound => along_m,
            Direction::Inbound => self.length_m - along_m,
        }
    }

    fn stretch(&self, direction: Direction, along_m: f64) -> &Stretch {
        let from_start_m = self.outbound_m(direction, along_m);
        let index = self.stretches.partition_point(|stretch| stretch.start_m <= from_start_m);
        &self.stretches[index.max(1) - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By road the journeys are 190 and 58 km; straight lines between way points cut off bends.
    #[test]
    fn routes_have_about_their_real_lengths() {
        let check = |preset, low_km: f64, high_km: f64| {
            let km = Route::new(preset).length_m() / 1000.0;
            assert!((low_km..high_km).contains(&km), "{preset:?}: {km} km");
        };
        check(RoutePreset::LondonBirmingham, 170.0, 190.0);
        check(RoutePreset::SanFranciscoDublin, 50.0, 60.0);
    }

    #[test]
    fn metres_along_a_route_are_metres_on_the_earth() {
        for preset in RoutePreset::ALL {
            let route = Route::new(preset);
            let direction = Direction::Inbound;
            for step in 0..2000 {
                let along_m = route.length_m() * f64::from(step) / 2000.0;
                let [here, there] = [along_m, along_m + 10.0].map(|along_m| route.place(direction, along_m));
                let driven_m = here.position.distance_m(there.position);
                let straight = (here.bearing - there.bearing).abs() < 1e-9;
                assert!(
                    driven_m < 10.0 + 1e-3 && (!straight || driven_m > 10.0 - 1e-3),
                    "{along_m}: {driven_m}"
                );
                let bearing = here.position.bearing_to(there.position);
                assert!(!straight || (bearing - here.bearing).abs() < 0.05, "{along_m}: {bearing}");
            }
        }
    }

    #[test]
    fn both_directions_meet_at_the_same_places() {
        let route = Route::new(RoutePreset::SanFranciscoDublin);
        for km in 0..50 {
            let along_m = f64::from(km) * 1000.0;
            let out = route.place(Direction::Outbound, along_m);
            let back = route.place(Direction::Inbound, route.length_m() - along_m);
            assert!(out.position.distance_m(back.position) < 1e-3);
            assert!(((out.bearing - back.bearing).abs() - 180.0).abs() < 1e-9);
        }
        assert_eq!(route.road(Direction::Outbound, 7000.0), "Bay Bridge");
        assert_eq!(route.road(Direction::Inbound, 20.0), "San Ramon Road");
        assert_eq!(route.destination(Direction::Inbound), "San Francisco");
        assert_eq!(route.place(Direction::Outbound, -5.0).position, route.pieces[0].start);
    }

    #[test]
    fn routes_are_found_by_name() {
        assert_eq!("london-birmingham".parse(), Ok(RoutePreset::LondonBirmingham));
        assert!("paris".parse::<RoutePreset>().unwrap_err().contains("san-francisco-dublin"));
    }
}
