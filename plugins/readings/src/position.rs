//! Where a reading was made: degrees north and east from a pair of columns, from a pair of fields of
//! their own, or from a text as `51.5, -0.12` or `[51.5, -0.12]`, checked to be a place on Earth. Both
//! come from one of these: half of one and half of another would be a place where nobody was.

use crate::config::Treatment;

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees north, in [-90, 90].
    pub latitude: f64,
    /// Degrees east, in [-180, 180].
    pub longitude: f64,
}

/// What a reading says of its place, in the ways in which it can be said; best first.
#[derive(Clone, Copy, Debug, Default)]
pub struct Whereabouts<'a> {
    /// Degrees north and east that came as a list or an object: `location.lat`, `location.lon`.
    pub location: (Option<f64>, Option<f64>),
    /// Degrees north and east that came as fields of their own: `lat`, `lon`.
    pub fields: (Option<f64>, Option<f64>),
    /// `location.text`; also the JSON of what came in place of a location.
    pub text: Option<&'a str>,
}

/// Why there is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither numbers nor a text.
    Missing,
    /// A location that has a longitude and no latitude.
    MissingLatitude,
    /// A location that has a latitude and no longitude.
    MissingLongitude,
    /// A field for the longitude and none for the latitude.
    MissingLatitudeField,
    /// A field for the latitude and none for the longitude.
    MissingLongitudeField,
    /// A text that is not two numbers.
    NotAPosition,
    /// Not a number in [-90, 90].
    Latitude,
    /// Not a number in [-180, 180].
    Longitude,
    /// Exactly 0, 0: what receivers report without a fix.
    NullIsland,
}

impl Fault {
    /// The reason of the dead letter.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "`location` is missing",
            Self::MissingLatitude => "`location.lat` is missing",
            Self::MissingLongitude => "`location.lon` is missing",
            Self::MissingLatitudeField => "`lat` is missing",
            Self::MissingLongitudeField => "`lon` is missing",
            Self::NotAPosition => "`location` is not a latitude and a longitude",
            Self::Latitude => "`location.lat` is out of range [-90, 90]",
            Self::Longitude => "`location.lon` is out of range [-180, 180]",
            Self::NullIsland => "`location` is 0, 0: the device had no fix",
        }
    }
}

/// Reads positions.
#[derive(Clone, Copy, Debug)]
pub struct Positions {
    refuse_null_island: bool,
}

impl Positions {
    /// With what is to become of 0, 0.
    pub fn new(null_island: Treatment) -> Self {
        Self { refuse_null_island: null_island == Treatment::Reject }
    }

    /// The position that a reading has, if it has one: the first that is whole.
    ///
    /// # Errors
    /// If it has half a position and no whole one, or one that is none. NaN and infinities are out of range.
    pub fn read(self, whereabouts: Whereabouts<'_>) -> Result<Option<Position>, Fault> {
        let Some((latitude, longitude)) = whereabouts.pair()? else { return Ok(None) };
        if !(-90.0..=90.0).contains(&latitude) {
            Err(Fault::Latitude)
        } else if !(-180.0..=180.0).contains(&longitude) {
            Err(Fault::Longitude)
        } else if self.refuse_null_island && latitude == 0.0 && longitude == 0.0 {
            Err(Fault::NullIsland)
        } else {
            Ok(Some(Position { latitude, longitude }))
        }
    }

    /// As [`Positions::read`], of a reading that must have one.
    ///
    /// # Errors
    /// If it has none.
    pub fn require(self, whereabouts: Whereabouts<'_>) -> Result<Position, Fault> {
        self.read(whereabouts)?.ok_or(Fault::Missing)
    }
}

impl Whereabouts<'_> {
    fn pair(self) -> Result<Option<(f64, f64)>, Fault> {
        match (self.location, self.fields, self.text) {
            ((Some(latitude), Some(longitude)), _, _) | (_, (Some(latitude), Some(longitude)), _) => {
                Ok(Some((latitude, longitude)))
            }
            (_, _, Some(text)) => parse(text).map(Some).ok_or(Fault::NotAPosition),
            ((None, Some(_)), _, None) => Err(Fault::MissingLatitude),
            ((Some(_), None), _, None) => Err(Fault::MissingLongitude),
            (_, (None, Some(_)), None) => Err(Fault::MissingLatitudeField),
            (_, (Some(_), None), None) => Err(Fault::MissingLongitudeField),
            ((None, None), (None, None), None) => Ok(None),
        }
    }
}

/// `LAT, LON`, in square brackets or not.
fn parse(text: &str) -> Option<(f64, f64)> {
    let text = text.trim();
    let pair = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => text,
    };
    let (latitude, longitude) = pair.split_once(',')?;
    Some((latitude.trim().parse().ok()?, longitude.trim().parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(whereabouts: Whereabouts<'_>, expect: Result<Option<(f64, f64)>, Fault>) {
        let expect = expect.map(|pair| pair.map(|(latitude, longitude)| Position { latitude, longitude }));
        let read = Positions::new(Treatment::Reject).read(whereabouts);
        assert_eq!(read, expect, "{whereabouts:?}");
    }

    fn pair(latitude: f64, longitude: f64) -> Whereabouts<'static> {
        Whereabouts { location: (Some(latitude), Some(longitude)), ..Whereabouts::default() }
    }

    #[test]
    fn pairs() {
        let check = |latitude, longitude, expect: Result<(), Fault>| {
            let expect = expect.map(|()| Some((latitude, longitude)));
            check(pair(latitude, longitude), expect);
            let location = (None, None);
            check(Whereabouts { location, fields: (Some(latitude), Some(longitude)), text: None }, expect);
        };
        check(90.0, -180.0, Ok(()));
        check(0.0, 0.1, Ok(()));
        check(90.000_001, 0.0, Err(Fault::Latitude));
        check(f64::NAN, 0.0, Err(Fault::Latitude));
        check(51.5, f64::INFINITY, Err(Fault::Longitude));
        check(51.5, -180.5, Err(Fault::Longitude));
        check(0.0, -0.0, Err(Fault::NullIsland));
        let kept = Positions::new(Treatment::Keep).read(pair(0.0, 0.0));
        assert_eq!(kept, Ok(Some(Position { latitude: 0.0, longitude: 0.0 })));
    }

    /// Half a location and half of the fields were once taken for a position.
    #[test]
    fn a_position_comes_from_one_source() {
        let (none, whole, other) = ((None, None), (Some(1.0), Some(2.0)), (Some(3.0), Some(4.0)));
        let (north, east) = ((Some(5.0), None), (None, Some(6.0)));
        let check = |location, fields, text, expect| check(Whereabouts { location, fields, text }, expect);
        check(whole, other, Some("5, 6"), Ok(Some((1.0, 2.0))));
        for half in [none, north, east] {
            check(half, other, Some("5, 6"), Ok(Some((3.0, 4.0))));
            check(half, none, Some("5, 6"), Ok(Some((5.0, 6.0))));
            check(half, half, Some("here"), Err(Fault::NotAPosition));
        }
        check(north, east, None, Err(Fault::MissingLongitude));
        check(east, north, None, Err(Fault::MissingLatitude));
        check(none, north, None, Err(Fault::MissingLongitudeField));
        check(none, east, None, Err(Fault::MissingLatitudeField));
        check(none, none, None, Ok(None));
        let nothing = Positions::new(Treatment::Keep).require(Whereabouts::default());
        assert_eq!(nothing, Err(Fault::Missing));
    }

    #[test]
    fn texts() {
        let check = |text, expect| check(Whereabouts { text: Some(text), ..Whereabouts::default() }, expect);
        for text in ["51.5,-0.12", " 51.5 , -0.12 ", "[51.5, -0.12]", "[ 51.5,-0.12 ]", "5.15e1,-.12"] {
            check(text, Ok(Some((51.5, -0.12))));
        }
        for text in [
            "",
            "London",
            "51.5",
            "true",
            "[]",
            "{\"type\":\"Point\"}",
            "51.5 -0.12",
            "51.5,-0.12,30",
            "[51.5,-0.12",
            "(51.5,-0.12)",
            "51,5,-0,12",
        ] {
            check(text, Err(Fault::NotAPosition));
        }
        check("123.4,0", Err(Fault::Latitude));
        check("nan,0", Err(Fault::Latitude));
        check("0,inf", Err(Fault::Longitude));
        check("0,0", Err(Fault::NullIsland));
    }
}
