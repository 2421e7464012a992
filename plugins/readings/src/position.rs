//! Where a reading was made: degrees north and east from a pair of columns, or from a text as
//! `51.5, -0.12` or `[51.5, -0.12]`, checked to be a place on Earth.

use crate::config::Treatment;

/// A place on Earth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees north, in [-90, 90].
    pub latitude: f64,
    /// Degrees east, in [-180, 180].
    pub longitude: f64,
}

/// Why there is no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Neither numbers nor a text.
    Missing,
    /// A longitude without a latitude.
    MissingLatitude,
    /// A latitude without a longitude.
    MissingLongitude,
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

    /// The position that a reading has, if it has one. The numbers count before the text.
    ///
    /// # Errors
    /// If it has half a position, or one that is none. NaN and infinities are out of range.
    pub fn read(
        self,
        latitude: Option<f64>,
        longitude: Option<f64>,
        text: Option<&str>,
    ) -> Result<Option<Position>, Fault> {
        let (latitude, longitude) = match (latitude, longitude, text) {
            (Some(latitude), Some(longitude), _) => (latitude, longitude),
            (None, Some(_), _) => return Err(Fault::MissingLatitude),
            (Some(_), None, _) => return Err(Fault::MissingLongitude),
            (None, None, Some(text)) => parse(text).ok_or(Fault::NotAPosition)?,
            (None, None, None) => return Ok(None),
        };
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
    pub fn require(
        self,
        latitude: Option<f64>,
        longitude: Option<f64>,
        text: Option<&str>,
    ) -> Result<Position, Fault> {
        self.read(latitude, longitude, text)?.ok_or(Fault::Missing)
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

    fn check(
        latitude: Option<f64>,
        longitude: Option<f64>,
        text: Option<&str>,
        expect: Result<Option<(f64, f64)>, Fault>,
    ) {
        let expect = expect.map(|pair| pair.map(|(latitude, longitude)| Position { latitude, longitude }));
        let read = Positions::new(Treatment::Reject).read(latitude, longitude, text);
        assert_eq!(read, expect, "{latitude:?} {longitude:?} {text:?}");
    }

    #[test]
    fn pairs() {
        let check = |latitude, longitude, expect: Result<(), Fault>| {
            let expect = expect.map(|()| Some((latitude, longitude)));
            check(Some(latitude), Some(longitude), Some("1, 2"), expect);
        };
        check(90.0, -180.0, Ok(()));
        check(0.0, 0.1, Ok(()));
        check(90.000_001, 0.0, Err(Fault::Latitude));
        check(f64::NAN, 0.0, Err(Fault::Latitude));
        check(51.5, f64::INFINITY, Err(Fault::Longitude));
        check(51.5, -180.5, Err(Fault::Longitude));
        check(0.0, -0.0, Err(Fault::NullIsland));
        let kept = Positions::new(Treatment::Keep).read(Some(0.0), Some(0.0), None);
        assert_eq!(kept, Ok(Some(Position { latitude: 0.0, longitude: 0.0 })));
    }

    #[test]
    fn halves_are_no_position() {
        check(None, Some(1.0), Some("1, 2"), Err(Fault::MissingLatitude));
        check(Some(1.0), None, None, Err(Fault::MissingLongitude));
        check(None, None, None, Ok(None));
        assert_eq!(Positions::new(Treatment::Keep).require(None, None, None), Err(Fault::Missing));
    }

    #[test]
    fn texts() {
        let check = |text, expect| check(None, None, Some(text), expect);
        for text in ["51.5,-0.12", " 51.5 , -0.12 ", "[51.5, -0.12]", "[ 51.5,-0.12 ]", "5.15e1,-.12"] {
            check(text, Ok(Some((51.5, -0.12))));
        }
        for text in
            ["", "London", "51.5", "51.5 -0.12", "51.5,-0.12,30", "[51.5,-0.12", "(51.5,-0.12)", "51,5,-0,12"]
        {
            check(text, Err(Fault::NotAPosition));
        }
        check("123.4,0", Err(Fault::Latitude));
        check("nan,0", Err(Fault::Latitude));
        check("0,inf", Err(Fault::Longitude));
        check("0,0", Err(Fault::NullIsland));
    }
}
