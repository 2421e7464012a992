//! The canonical words for weather conditions, and the spellings that mean them.

use millstream_readings::vocabulary::look_up;

/// Clear sky.
pub const SUNNY: &str = "Sunny";
/// Rain of any strength.
pub const RAINY: &str = "Rainy";
/// Snow of any strength.
pub const SNOWY: &str = "Snowy";
/// Thunderstorms.
pub const STORMY: &str = "Stormy";

/// The canonical condition: Sunny, Cloudy, Rainy, Snowy, Stormy, Foggy or Windy.
pub fn condition(text: &str) -> Option<&'static str> {
    look_up(text, |key| {
        Some(match key {
            b"sunny" | b"sun" | b"sunshine" | b"clear" | b"clearsky" | b"fair" => SUNNY,
            b"cloudy" | b"cloud" | b"clouds" | b"overcast" | b"partlycloudy" | b"mostlycloudy" => "Cloudy",
            b"rainy" | b"rain" | b"raining" | b"drizzle" | b"shower" | b"showers" => RAINY,
            b"snowy" | b"snow" | b"snowing" | b"snowfall" | b"blizzard" => SNOWY,
            b"stormy" | b"storm" | b"thunderstorm" | b"thunderstorms" | b"thunder" => STORMY,
            b"foggy" | b"fog" | b"mist" | b"misty" | b"haze" => "Foggy",
            b"windy" | b"wind" | b"breezy" => "Windy",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let check = |text: &str, expect| assert_eq!(condition(text), expect, "{text}");
        check("Rain", Some("Rainy"));
        check("SNOW", Some("Snowy"));
        check(" partly-cloudy ", Some("Cloudy"));
        check("Suny", None);
        check("", None);
        for word in [SUNNY, "Cloudy", RAINY, SNOWY, STORMY, "Foggy", "Windy"] {
            check(word, Some(word));
        }
    }
}
