//! The canonical words for types and states of incidents, and the spellings that mean them.

use millstream_readings::vocabulary::look_up;

/// What a report says of which nothing happened.
pub const NONE: &str = "None";

/// The canonical type: Accident, Fire, Medical, Police, or [`NONE`].
pub fn incident_type(text: &str) -> Option<&'static str> {
    look_up(text, |key| {
        Some(match key {
            b"accident" | b"collision" | b"crash" | b"trafficaccident" => "Accident",
            b"fire" => "Fire",
            b"medical" | b"medicalemergency" | b"ambulance" => "Medical",
            b"police" => "Police",
            b"none" => NONE,
            _ => return None,
        })
    })
}

/// The canonical state: Active or Resolved.
pub fn status(text: &str) -> Option<&'static str> {
    look_up(text, |key| {
        Some(match key {
            b"active" | b"open" | b"ongoing" | b"inprogress" => "Active",
            b"resolved" | b"closed" | b"cleared" => "Resolved",
            _ => return None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let check = |text: &str, expect| assert_eq!(incident_type(text), expect, "{text}");
        check("traffic accident", Some("Accident"));
        check("FIRE", Some("Fire"));
        check(" none.", Some("None"));
        check("", None);
        check("Nonesuch", None);
        for word in ["Accident", "Fire", "Medical", "Police", NONE] {
            check(word, Some(word));
        }
    }

    #[test]
    fn states() {
        let check = |text: &str, expect| assert_eq!(status(text), expect, "{text}");
        check("active", Some("Active"));
        check("In progress", Some("Active"));
        check("CLOSED", Some("Resolved"));
        check("Actice", None);
    }
}
