//! The projection: the columns of the GPS stream that the rules look at.

use millstream_readings::position::Whereabouts;
use millstream_sdk::{Row, Timestamp};

/// One reading of a satellite receiver.
#[derive(Clone, Debug, Default, PartialEq, Row)]
#[row(rename_all = "camelCase")]
pub struct Fix<'a> {
    /// ISO-8601, with or without an offset. A stream that declares a timestamp has it cast to text.
    #[row(name = "timestamp")]
    pub reported_at: Option<&'a str>,
    /// The instant that `reported_at` names.
    #[row(name = "timestamp", new)]
    pub instant: Timestamp,
    /// When the source received the message.
    #[row(name = "_timestamp")]
    pub received_at: Option<Timestamp>,
    /// Whether `instant` is too far ahead of `received_at`.
    #[row(name = "timestamp_in_future", new)]
    pub in_future: Option<bool>,
    /// Degrees north.
    #[row(name = "location.lat", optional, write)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[row(name = "location.lon", optional, write)]
    pub longitude: Option<f64>,
    /// Degrees north, in a field of its own.
    #[row(name = "lat", optional, drop)]
    pub lat: Option<f64>,
    /// Degrees east, in a field of its own.
    #[row(name = "lon", optional, drop)]
    pub lon: Option<f64>,
    /// Both as one text, or the JSON of what is there in place of them.
    #[row(name = "location.text", optional, drop)]
    pub position: Option<&'a str>,
    /// Read in the configured unit, written in km/h.
    #[row(write)]
    pub speed: Option<f64>,
    /// Degrees from north.
    #[row(optional)]
    pub bearing: Option<f64>,
    /// Radius of the error that the receiver believes in, in metres.
    #[row(optional)]
    pub accuracy: Option<f64>,
    /// Satellites in use.
    #[row(optional)]
    pub satellites: Option<i64>,
    /// Compass direction.
    #[row(write)]
    pub direction: Option<&'a str>,
    /// What the receiver drives in.
    #[row(write)]
    pub vehicle_type: Option<&'a str>,
}

impl<'a> Fix<'a> {
    /// What it says of its place.
    pub fn whereabouts(&self) -> Whereabouts<'a> {
        Whereabouts {
            location: (self.latitude, self.longitude),
            fields: (self.lat, self.lon),
            text: self.position,
        }
    }
}
