//! The five events as devices send them, in the spelling that most such systems use.
//!
//! Each is a plain value without allocations of its own; as JSON it is an object with its fields in the order in
//! which they stand here. Distances are metres, speeds km/h, bearings degrees clockwise from north.

use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::geodesy::{Compass, Position};
use super::identity::{DeviceId, EventId, EventTime};

/// The five streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Stream {
    Vehicle,
    Gps,
    Traffic,
    Weather,
    Emergency,
}

impl Stream {
    /// All of them, in the order of [`Stream::index`].
    pub const ALL: [Self; 5] = [Self::Vehicle, Self::Gps, Self::Traffic, Self::Weather, Self::Emergency];

    /// Its place in [`Stream::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Its short name, such as `vehicle`.
    pub const fn name(self) -> &'static str {
        ["vehicle", "gps", "traffic", "weather", "emergency"][self.index()]
    }

    /// The topic its messages go to, such as `vehicle_data`.
    pub const fn topic(self) -> &'static str {
        ["vehicle_data", "gps_data", "traffic_data", "weather_data", "emergency_data"][self.index()]
    }
}

/// What one message says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Event {
    Vehicle(VehicleEvent),
    Gps(GpsEvent),
    Traffic(TrafficEvent),
    Weather(WeatherEvent),
    Emergency(EmergencyEvent),
}

impl Event {
    /// The stream it belongs to.
    pub const fn stream(&self) -> Stream {
        match self {
            Self::Vehicle(_) => Stream::Vehicle,
            Self::Gps(_) => Stream::Gps,
            Self::Traffic(_) => Stream::Traffic,
            Self::Weather(_) => Stream::Weather,
            Self::Emergency(_) => Stream::Emergency,
        }
    }

    /// What every event begins with.
    pub const fn header(&self) -> &Header {
        match self {
            Self::Vehicle(event) => &event.header,
            Self::Gps(event) => &event.header,
            Self::Traffic(event) => &event.header,
            Self::Weather(event) => &event.header,
            Self::Emergency(event) => &event.header,
        }
    }

    /// Where it says that it happened.
    pub const fn location_mut(&mut self) -> &mut Position {
        match self {
            Self::Vehicle(event) => &mut event.location,
            Self::Gps(event) => &mut event.location,
            Self::Traffic(event) => &mut event.location,
            Self::Weather(event) => &mut event.location,
            Self::Emergency(event) => &mut event.location,
        }
    }
}

/// Which event it is, of which device, at which moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    /// Unique; a duplicate has the id of its original.
    pub id: EventId,
    /// Who sends it; the message key.
    pub device_id: DeviceId,
    /// The moment it describes, in the city's virtual time.
    pub timestamp: EventTime,
}

/// What a vehicle's own unit knows: the position is matched to the road, the speed counted at the wheels.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VehicleEvent {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub header: Header,
    /// On the road, to 10^-7 degrees.
    pub location: Position,
    /// The distance driven since the vehicle's last vehicle event, divided by the time, to 0.01 km/h; in its first event
    /// the speed of the moment.
    pub speed: f64,
    /// The wind nearest to `bearing`.
    pub direction: Compass,
    /// Where the vehicle heads, to 0.1°.
    pub bearing: f64,
    #[allow(missing_docs)]
    pub make: &'static str,
    #[allow(missing_docs)]
    pub model: &'static str,
    /// Year of manufacture.
    pub year: u16,
    /// Petrol, Diesel, Hybrid or Electric.
    pub fuel_type: &'static str,
}

/// What a vehicle's satellite receiver measures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GpsEvent {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub header: Header,
    /// The true position and a correlated error of a few metres; see `receiver`.
    pub location: Position,
    /// The speed of the moment, by Doppler shift, with an error of 0.4 km/h (one sigma).
    pub speed: f64,
    /// The wind nearest to `bearing`.
    pub direction: Compass,
    /// Course over ground; the last one held while the vehicle stands.
    pub bearing: f64,
    /// The radius, in metres, within which two positions of three lie, as the receiver estimates it.
    pub accuracy: f64,
    /// Satellites in use, 4 to 14.
    pub satellites: u8,
    /// private, taxi, delivery or bus.
    pub vehicle_type: &'static str,
}

/// What a camera over a carriageway sees.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficEvent {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub header: Header,
    /// The camera; as text the same as the device.
    pub camera_id: DeviceId,
    /// Where the camera stands.
    pub location: Position,
    /// Vehicles in view.
    pub vehicle_count: u32,
    /// Their mean speed, to 0.1 km/h; null when the road in view is empty.
    pub mean_speed: Option<f64>,
    /// A JPEG in Base64, shared by all events that show the same scene.
    #[serde(serialize_with = "as_text")]
    pub snapshot: Arc<str>,
}

fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// What a weather station measures.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WeatherEvent {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub header: Header,
    /// Where the station stands.
    pub location: Position,
    /// Degrees Celsius, to 0.01.
    pub temperature: f64,
    #[allow(missing_docs)]
    pub weather_condition: Condition,
    /// Millimetres an hour, as water, to 0.01.
    pub precipitation: f64,
    /// km/h, to 0.1.
    pub wind_speed: f64,
    /// Percent, 0 to 100.
    pub humidity: u16,
    /// By the scale of the US EPA, 0 to 500, to 0.1.
    pub air_quality_index: f64,
}

/// The word for the weather, which follows from the figures: see `weather`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub enum Condition {
    /// Clear or nearly so; also said at night.
    Sunny,
    /// More than half of the sky covered, dry.
    Cloudy,
    /// Precipitation above 0, warmer than 0.5 °C.
    Rainy,
    /// Precipitation above 0, at most 0.5 °C.
    Snowy,
}

/// One message about an incident; all of one incident have its `incidentId`, type and location.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EmergencyEvent {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub header: Header,
    #[allow(missing_docs)]
    pub incident_id: EventId,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: IncidentKind,
    /// Where, to 10^-7 degrees.
    pub location: Position,
    #[allow(missing_docs)]
    pub status: Status,
    #[allow(missing_docs)]
    pub severity: Severity,
    /// A sentence for people.
    pub description: Description,
}

/// What kind of incident it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[allow(missing_docs)]
pub enum IncidentKind {
    Accident,
    Fire,
    Medical,
    Police,
}

/// Whether an incident is still open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[allow(missing_docs)]
pub enum Status {
    Active,
    Resolved,
}

/// How bad an incident is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs)]
pub enum Severity {
    Minor,
    Serious,
    Critical,
}

/// Where an incident stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// The first message.
    Reported,
    /// Any number of updates.
    InProgress,
    /// The last message.
    Resolved,
}

/// What an incident's description is made of; as JSON a sentence such as
/// `Accident on M40 towards Birmingham: 3 units on scene, queue 1200 m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    #[allow(missing_docs)]
    pub kind: IncidentKind,
    #[allow(missing_docs)]
    pub phase: Phase,
    /// Name of the road.
    pub road: &'static str,
    /// The end of the route that the carriageway leads to.
    pub towards: &'static str,
    /// Crews that are there.
    pub units: u32,
    /// Length of the queue upstream, in metres.
    pub queue_m: u32,
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, phase, road, towards, units, queue_m } = self;
        write!(f, "{kind:?} on {road} towards {towards}: ")?;
        match phase {
            Phase::Reported => f.write_str("reported"),
            Phase::InProgress if *units == 1 => write!(f, "1 unit on scene, queue {queue_m} m"),
            Phase::InProgress => write!(f, "{units} units on scene, queue {queue_m} m"),
            Phase::Resolved => f.write_str("cleared"),
        }
    }
}

impl Serialize for Description {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
