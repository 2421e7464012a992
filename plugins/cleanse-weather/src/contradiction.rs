//! Weather that cannot be: figures that are possible each and do not go with the condition. Nobody knows
//! which of them is wrong, so such a row is not refused.

use crate::vocabulary::{RAINY, SNOWY, STORMY, SUNNY};
use crate::weather::Weather;

/// The bounds between odd and contradictory.
#[derive(Clone, Copy, Debug)]
pub struct Contradictions {
    /// Precipitation above, in mm, does not fall from a clear sky.
    pub sunshine_precipitation_max_mm: f64,
    /// Snow does not fall in air warmer than this, in °C.
    pub snow_temperature_max_c: f64,
}

impl Contradictions {
    /// The first contradiction in `weather`, whose condition is a canonical word. What is null contradicts
    /// nothing.
    pub fn find(self, weather: &Weather<'_>) -> Option<&'static str> {
        let precipitation = weather.precipitation;
        let warm = weather.temperature.is_some_and(|celsius| celsius > self.snow_temperature_max_c);
        let wet = precipitation.is_some_and(|mm| mm > self.sunshine_precipitation_max_mm);
        let dry = precipitation == Some(0.0);
        match weather.condition? {
            SUNNY if wet => Some("precipitation in sunshine"),
            SNOWY if warm => Some("snow in warm air"),
            RAINY | STORMY if dry => Some("rain without precipitation"),
            SNOWY if dry => Some("snow without precipitation"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(condition: &str, temperature: Option<f64>, precipitation: Option<f64>, expect: Option<&str>) {
        let bounds = Contradictions { sunshine_precipitation_max_mm: 0.1, snow_temperature_max_c: 5.0 };
        let weather =
            Weather { condition: Some(condition), temperature, precipitation, ..Weather::default() };
        assert_eq!(bounds.find(&weather), expect, "{condition} {temperature:?} {precipitation:?}");
    }

    #[test]
    fn what_does_not_go_together() {
        check("Sunny", Some(20.0), Some(0.0), None);
        check("Sunny", Some(20.0), Some(0.1), None);
        check("Sunny", Some(20.0), Some(0.2), Some("precipitation in sunshine"));
        check("Cloudy", Some(20.0), Some(25.0), None);
        check("Rainy", Some(-4.0), Some(0.1), None);
        check("Rainy", Some(4.0), Some(0.0), Some("rain without precipitation"));
        check("Stormy", Some(4.0), Some(-0.0), Some("rain without precipitation"));
        check("Snowy", Some(5.0), Some(0.1), None);
        check("Snowy", Some(5.1), Some(0.0), Some("snow in warm air"));
        check("Snowy", Some(-5.0), Some(0.0), Some("snow without precipitation"));
        check("Ash", Some(50.0), Some(0.0), None);
    }

    #[test]
    fn null_contradicts_nothing() {
        for condition in ["Sunny", "Rainy", "Snowy"] {
            check(condition, None, None, None);
        }
    }
}
