//! The canonical words for fuel types and compass directions, and the spellings that mean them. Case,
//! blanks and punctuation do not count.

/// Longest spelling that is looked up, in letters and digits.
const KEY_BYTES_MAX: usize = 24;

/// The canonical fuel type: Petrol, Diesel, Electric, Hybrid, Plug-in Hybrid, LPG, CNG or Hydrogen.
pub fn fuel_type(text: &str) -> Option<&'static str> {
    let mut buffer = [0; KEY_BYTES_MAX];
    Some(match key(text, &mut buffer)? {
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
}

/// The canonical compass direction, one of sixteen: North, North-North-East, North-East, ...
pub fn direction(text: &str) -> Option<&'static str> {
    let mut buffer = [0; KEY_BYTES_MAX];
    let key = key(text, &mut buffer)?;
    Some(match key.strip_suffix(b"bound").unwrap_or(key) {
        b"n" | b"north" => "North",
        b"nne" | b"northnortheast" => "North-North-East",
        b"ne" | b"northeast" => "North-East",
        b"ene" | b"eastnortheast" => "East-North-East",
        b"e" | b"east" => "East",
        b"ese" | b"eastsoutheast" => "East-South-East",
        b"se" | b"southeast" => "South-East",
        b"sse" | b"southsoutheast" => "South-South-East",
        b"s" | b"south" => "South",
        b"ssw" | b"southsouthwest" => "South-South-West",
        b"sw" | b"southwest" => "South-West",
        b"wsw" | b"westsouthwest" => "West-South-West",
        b"w" | b"west" => "West",
        b"wnw" | b"westnorthwest" => "West-North-West",
        b"nw" | b"northwest" => "North-West",
        b"nnw" | b"northnorthwest" => "North-North-West",
        _ => return None,
    })
}

/// Letters and digits of `text`, lower case. None if they are too many, or not ASCII: no spelling
/// that is known has such.
fn key<'a>(text: &str, buffer: &'a mut [u8; KEY_BYTES_MAX]) -> Option<&'a [u8]> {
    let mut length = 0;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            *buffer.get_mut(length)? = byte.to_ascii_lowercase();
            length += 1;
        } else if !byte.is_ascii() {
            return None;
        }
    }
    Some(&buffer[..length])
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
    }

    #[test]
    fn directions() {
        let check = |text: &str, expect| assert_eq!(direction(text), expect, "{text}");
        check("North-East", Some("North-East"));
        check("north east", Some("North-East"));
        check("NE", Some("North-East"));
        check("southbound", Some("South"));
        check("n.n.w.", Some("North-North-West"));
        check("bound", None);
        check("312.7", None);
    }

    #[test]
    fn canonical_words_stand_for_themselves() {
        for word in ["Petrol", "Diesel", "Electric", "Hybrid", "Plug-in Hybrid", "LPG", "CNG", "Hydrogen"] {
            assert_eq!(fuel_type(word), Some(word));
        }
        for word in ["North", "East-South-East", "South-West", "North-North-West"] {
            assert_eq!(direction(word), Some(word));
        }
    }
}
