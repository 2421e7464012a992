//! The five messages of a step, with the fields, spellings and fixed values of the recorded producer.

use serde::Serialize;

use super::drive::Step;

const DEVICE: &str = "vehicle-1";
/// Said of every movement, though the car drives north-west.
const DIRECTION: &str = "North-East";

/// What tells two messages of the same reading apart, and when it was.
#[derive(Clone, Copy)]
pub struct Stamp<'a> {
    /// The event's id.
    pub id: &'a str,
    /// Local time without a zone.
    pub timestamp: &'a str,
    /// New in every message, so that no incident is ever resolved.
    pub incident_id: &'a str,
}

type OfStep<'a> = fn(&Step, Stamp<'a>) -> Event<'a>;

/// What one message says; one kind per topic.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Event<'a> {
    Vehicle(Vehicle<'a>),
    Gps(Gps<'a>),
    Traffic(Traffic<'a>),
    Weather(Weather<'a>),
    Emergency(Emergency<'a>),
}

#[derive(Serialize)]
pub struct Vehicle<'a> {
    id: &'a str,
    device_id: &'a str,
    timestamp: &'a str,
    location: [f64; 2],
    speed: f64,
    direction: &'a str,
    make: &'a str,
    model: &'a str,
    year: u16,
    #[serde(rename = "fuelType")]
    fuel_type: &'a str,
}

#[derive(Serialize)]
pub struct Gps<'a> {
    id: &'a str,
    device_id: &'a str,
    timestamp: &'a str,
    speed: f64,
    direction: &'a str,
    #[serde(rename = "vehicleType")]
    vehicle_type: &'a str,
}

#[derive(Serialize)]
pub struct Traffic<'a> {
    id: &'a str,
    device_id: &'a str,
    camera_id: &'a str,
    timestamp: &'a str,
    snapshot: &'a str,
}

#[derive(Serialize)]
pub struct Weather<'a> {
    id: &'a str,
    device_id: &'a str,
    location: [f64; 2],
    timestamp: &'a str,
    temperature: f64,
    #[serde(rename = "weatherCondition")]
    weather_condition: &'a str,
    precipitation: f64,
    #[serde(rename = "windSpeed")]
    wind_speed: f64,
    humidity: u32,
    #[serde(rename = "AQI")]
    air_quality_index: f64,
}

#[derive(Serialize)]
pub struct Emergency<'a> {
    id: &'a str,
    device_id: &'a str,
    incident_id: &'a str,
    #[serde(rename = "type")]
    incident: &'a str,
    timestamp: &'a str,
    location: [f64; 2],
    status: &'a str,
    description: &'a str,
}

impl<'a> Event<'a> {
    /// The message that a step sends to each topic, in their order.
    pub const OF_TOPIC: [(&'static str, OfStep<'a>); 5] = [
        ("vehicle_data", Self::vehicle),
        ("gps_data", Self::gps),
        ("traffic_data", Self::traffic),
        ("weather_data", Self::weather),
        ("emergency_data", Self::emergency),
    ];

    fn vehicle(step: &Step, Stamp { id, timestamp, .. }: Stamp<'a>) -> Self {
        Self::Vehicle(Vehicle {
            id,
            device_id: DEVICE,
            timestamp,
            location: step.location,
            speed: step.speed,
            direction: DIRECTION,
            make: "BMW",
            model: "C500",
            year: 2024,
            fuel_type: "Hybrid",
        })
    }

    fn gps(step: &Step, Stamp { id, timestamp, .. }: Stamp<'a>) -> Self {
        Self::Gps(Gps {
            id,
            device_id: DEVICE,
            timestamp,
            speed: step.gps_speed,
            direction: DIRECTION,
            vehicle_type: "private",
        })
    }

    fn traffic(_: &Step, Stamp { id, timestamp, .. }: Stamp<'a>) -> Self {
        Self::Traffic(Traffic {
            id,
            device_id: DEVICE,
            camera_id: "Nikon 123",
            timestamp,
            snapshot: "Base64EncodedString",
        })
    }

    fn weather(step: &Step, Stamp { id, timestamp, .. }: Stamp<'a>) -> Self {
        Self::Weather(Weather {
            id,
            device_id: DEVICE,
            location: step.location,
            timestamp,
            temperature: step.temperature,
            weather_condition: step.condition,
            precipitation: step.precipitation,
            wind_speed: step.wind_speed,
            humidity: step.humidity,
            air_quality_index: step.air_quality,
        })
    }

    fn emergency(step: &Step, Stamp { id, timestamp, incident_id }: Stamp<'a>) -> Self {
        Self::Emergency(Emergency {
            id,
            device_id: DEVICE,
            incident_id,
            incident: step.incident,
            timestamp,
            location: step.location,
            status: step.status,
            description: "Description of Incident",
        })
    }
}
