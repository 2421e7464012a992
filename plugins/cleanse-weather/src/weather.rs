//! The projection: the columns of the weather stream that the rules look at.

use millstream_readings::position::Whereabouts;
use millstream_sdk::{Row, Timestamp};

/// One report of the weather.
#[derive(Clone, Debug, Default, PartialEq, Row)]
#[row(rename_all = "camelCase")]
pub struct Weather<'a> {
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
    #[row(name = "location.lat", write)]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[row(name = "location.lon", write)]
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
    /// °C.
    pub temperature: Option<f64>,
    /// Rainy, Sunny and the like.
    #[row(name = "weatherCondition", write)]
    pub condition: Option<&'a str>,
    /// mm, as water.
    pub precipitation: Option<f64>,
    /// km/h.
    pub wind_speed: Option<f64>,
    /// Percent, relative.
    pub humidity: Option<f64>,
    /// 0 is clean.
    pub air_quality_index: Option<f64>,
    /// What of the above does not go together.
    #[row(new)]
    pub contradiction: Option<&'a str>,
}

impl<'a> Weather<'a> {
    /// What it says of its place.
    pub fn whereabouts(&self) -> Whereabouts<'a> {
        Whereabouts {
            location: (self.latitude, self.longitude),
            fields: (self.lat, self.lon),
            text: self.position,
        }
    }
}
