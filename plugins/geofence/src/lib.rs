//! Names the zone that a position lies in: column `zone` is the first of the configured polygons around
//! `location.lat`, `location.lon`. Rows outside of all may be dropped or rejected.
//!
//! Polygons are taken as flat in latitude and longitude, which is right for zones of a city. Neither holes
//! nor the 180th meridian are known.

use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Row, Transform, Verdict};
use serde::Deserialize;

/// The configuration.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    zones: Vec<Zone>,
    #[serde(default)]
    outside: Outside,
}

/// A polygon with a name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    name: String,
    /// Corners as latitude and longitude; the last is joined to the first.
    polygon: Vec<[f64; 2]>,
}

/// What happens to rows in no zone, and to those without a position.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outside {
    /// They stay, with a null `zone`.
    #[default]
    Keep,
    Drop,
    Reject,
}

/// The columns.
#[derive(Row)]
pub struct Position {
    #[row(name = "location.lat")]
    latitude: Option<f64>,
    #[row(name = "location.lon")]
    longitude: Option<f64>,
    #[row(new)]
    zone: Option<String>,
}

/// The plugin.
pub struct Geofence(Config);

impl Transform for Geofence {
    type Config = Config;
    type Row = Position;
    type Outcome = Verdict;

    const ABOUT: About = About {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        config_schema: Some(include_str!("../config.schema.json")),
        example_config: include_str!("../config.example.json"),
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        let problem = |(number, zone): (usize, &Zone)| {
            let message = format!("a polygon has three corners or more, not {}", zone.polygon.len());
            (zone.polygon.len() < 3).then(|| ConfigProblem::new(format!("zones[{number}].polygon"), message))
        };
        let problems: Vec<_> = config.zones.iter().enumerate().filter_map(problem).collect();
        if problems.is_empty() { Ok(Self(config)) } else { Err(problems) }
    }

    fn process(&mut self, position: &mut Position) -> Verdict {
        let at = position.latitude.zip(position.longitude);
        let zone = at.and_then(|at| self.0.zones.iter().find(|zone| contains(&zone.polygon, at)));
        position.zone = zone.map(|zone| zone.name.clone());
        match self.0.outside {
            Outside::Drop if zone.is_none() => Verdict::Drop,
            Outside::Reject if zone.is_none() => Verdict::Reject("`location` is in none of the zones".into()),
            _ => Verdict::Keep,
        }
    }
}

millstream_sdk::export!(Geofence);

/// Counts the edges that a line from the point to the north crosses: the point is inside if they are odd
/// (W. R. Franklin's PNPOLY). Of two polygons that share an edge, one has the points on it.
fn contains(polygon: &[[f64; 2]], (latitude, longitude): (f64, f64)) -> bool {
    let edges = polygon.iter().zip(polygon.iter().cycle().skip(1));
    let crossed = edges.filter(|([from_lat, from_lon], [to_lat, to_lon])| {
        let is_beside = (*from_lon > longitude) == (*to_lon > longitude);
        let share = (longitude - from_lon) / (to_lon - from_lon);
        !is_beside && latitude < from_lat + share * (to_lat - from_lat)
    });
    crossed.count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use millstream_sdk::testing::{Values, run};

    use super::*;

    const CONFIG: &str = r#"{"outside": "drop", "zones": [
        {"name": "square", "polygon": [[0, 0], [0, 10], [10, 10], [10, 0]]},
        {"name": "arrow", "polygon": [[0, 10], [5, 15], [0, 20], [20, 15]]}
    ]}"#;

    fn check(latitude: f64, longitude: f64, expect: Option<&str>) {
        let position = [("location.lat", Values::of([latitude])), ("location.lon", Values::of([longitude]))];
        let outcome = run::<Geofence, _>(CONFIG, &position).unwrap();
        assert_eq!(outcome.written["zone"], Values::of([expect]), "{latitude}, {longitude}");
        assert_eq!(outcome.kept.len(), usize::from(expect.is_some()));
    }

    #[test]
    fn zones() {
        check(5.0, 5.0, Some("square"));
        check(9.99, 0.01, Some("square"));
        check(10.01, 5.0, None);
        check(5.0, -0.01, None);
        check(6.0, 15.0, Some("arrow"));
        check(4.0, 15.0, None);
        check(f64::NAN, 5.0, None);
    }

    #[test]
    fn a_shared_edge_is_of_one_zone() {
        let west = [[0.0, 0.0], [10.0, 0.0], [10.0, 5.0], [0.0, 5.0]];
        let east = [[0.0, 5.0], [10.0, 5.0], [10.0, 10.0], [0.0, 10.0]];
        let both = [&west, &east].map(|polygon| contains(polygon, (5.0, 5.0)));
        assert_eq!(both.iter().filter(|inside| **inside).count(), 1);
    }

    #[test]
    fn a_line_is_no_polygon() {
        let config = r#"{"zones": [{"name": "m1", "polygon": [[51, 0], [52, 1]]}]}"#;
        let problems = run::<Geofence, _>(config, &[]).unwrap_err();
        assert_eq!(problems[0].path, "zones[0].polygon");
    }
}
