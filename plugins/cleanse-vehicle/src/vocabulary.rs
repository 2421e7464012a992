//! The canonical words for fuel types, and the spellings that mean them.

use millstream_readings::vocabulary::look_up;

/// The canonical fuel type: Petrol, Diesel, Electric, Hybrid, Plug-in Hybrid, LPG, CNG or Hydrogen.
pub fn fuel_type(text: &str) -> Option<&'static str> {
    look_up(text, |key| {
        Some(match key {
            b"petrol" | b"gasoline" | b"gas" | b"benzine" | b"unleaded" => "Petrol",
            b"diesel" | b"derv" => "Diesel",
            b"electric" | b"ev" | b"bev" | b"battery" | b"batteryelectric" => "Electric",
            b"hybrid" | b"hev" | b"hybridelectric" | b"selfcharginghybrid" => "Hybrid",
            b"pluginhybrid" | b"phev" | b"pluginhybridelectric" => "Plug-in Hybrid",
            b"lpg" | b"autogas" => "LPG",
            b"cng" => "CNG",
            b"hydrogen" | b"fuelcell" | b"fcev" => "Hydrogen",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuel_types() {
        let check = |text: &str, expect| assert_eq!(fuel_type(text), expect, "{text}");
        check("Hybrid", Some("Hybrid"));
        check("  gasoline ", Some("Petrol"));
        check("EV", Some("Electric"));
        check("plug-in hybrid", Some("Plug-in Hybrid"));
        check("L.P.G.", Some("LPG"));
        check("", None);
        check("Dièsel", None);
        check("diesel, or so the seller says", None);
        for word in ["Petrol", "Diesel", "Electric", "Hybrid", "Plug-in Hybrid", "LPG", "CNG", "Hydrogen"] {
            check(word, Some(word));
        }
    }
}
