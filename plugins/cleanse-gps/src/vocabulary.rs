//! The canonical words for types of vehicles, and the spellings that mean them. They are written small,
//! as receivers do.

use millstream_readings::vocabulary::look_up;

/// The canonical vehicle type: private, taxi, delivery, bus, truck, motorcycle, bicycle or emergency.
pub fn vehicle_type(text: &str) -> Option<&'static str> {
    look_up(text, |key| {
        Some(match key {
            b"private" | b"car" | b"privatecar" | b"personal" | b"passenger" => "private",
            b"taxi" | b"cab" | b"minicab" | b"ridehail" => "taxi",
            b"delivery" | b"van" | b"deliveryvan" | b"courier" => "delivery",
            b"bus" | b"coach" | b"minibus" => "bus",
            b"truck" | b"lorry" | b"hgv" => "truck",
            b"motorcycle" | b"motorbike" | b"moped" => "motorcycle",
            b"bicycle" | b"bike" | b"cycle" => "bicycle",
            b"emergency" | b"ambulance" | b"fireengine" | b"policecar" => "emergency",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vehicle_types() {
        let check = |text: &str, expect| assert_eq!(vehicle_type(text), expect, "{text}");
        check("Private", Some("private"));
        check(" private car ", Some("private"));
        check("H.G.V.", Some("truck"));
        check("", None);
        check("spaceship", None);
        let words = ["private", "taxi", "delivery", "bus", "truck", "motorcycle", "bicycle", "emergency"];
        for word in words {
            check(word, Some(word));
        }
    }
}
