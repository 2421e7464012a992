//! The rules for one reading, in their order. A reading that breaks one is left half cleansed: it
//! does not go on.

use millstream_readings::measure::Range;
use millstream_readings::position::{self, Positions};
use millstream_readings::timestamp::{self, Timestamps};

use crate::snapshot::Snapshots;
use crate::view::View;

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    /// Turns what cameras report into instants.
    pub timestamps: Timestamps,
    /// Knows what is a position.
    pub positions: Positions,
    /// Mean speeds that are possible, in km/h.
    pub mean_speed: Range,
    /// Knows what is a picture.
    pub snapshots: Snapshots,
}

/// Why a reading cannot be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is no time, or none that can be read.
    Time(timestamp::Fault),
    /// There is half a position, or none on Earth.
    Position(position::Fault),
    /// Fewer vehicles than none.
    VehicleCount,
    /// No traffic is like that.
    MeanSpeed,
}

impl Fault {
    /// The reason of the dead letter: column and rule, never a value.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Time(fault) => fault.reason(),
            Self::Position(fault) => fault.reason(),
            Self::VehicleCount => "`vehicleCount` is negative",
            Self::MeanSpeed => "`meanSpeed` is out of range",
        }
    }
}

impl Rules {
    /// Cleanses one reading in place.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn cleanse(&mut self, view: &mut View<'_>) -> Result<(), Fault> {
        let time = self.timestamps.read(view.reported_at, view.received_at).map_err(Fault::Time)?;
        (view.instant, view.in_future) = (time.instant, time.in_future);
        let position = self.positions.read(view.whereabouts());
        let position = position.map_err(Fault::Position)?;
        (view.latitude, view.longitude) = position.map(|at| (at.latitude, at.longitude)).unzip();
        if view.vehicle_count.is_some_and(|count| count < 0) {
            return Err(Fault::VehicleCount);
        }
        if !self.mean_speed.admits(view.mean_speed) {
            return Err(Fault::MeanSpeed);
        }
        view.snapshot_valid = view.snapshot.map(|snapshot| self.snapshots.is_jpeg(snapshot));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_sdk::Timestamp;

    use super::*;
    use crate::config::Config;

    fn check(change: impl FnOnce(&mut View<'static>), expect: Result<View<'_>, &str>) {
        let config: Config = serde_json::from_str(r#"{"zone": "Europe/London"}"#).unwrap();
        let mut rules = config.check().unwrap();
        let mut view = sound();
        (view.instant, view.in_future, view.snapshot_valid) = (Timestamp::default(), None, None);
        change(&mut view);
        assert_eq!(rules.cleanse(&mut view).map(|()| view).map_err(Fault::reason), expect);
    }

    fn sound() -> View<'static> {
        View {
            reported_at: Some("2026-01-01T08:00:38.123456"),
            instant: Timestamp(1_767_254_438_123_456),
            received_at: Some(Timestamp(1_767_254_438_123_456)),
            in_future: Some(false),
            latitude: Some(51.5),
            longitude: Some(-0.14),
            lat: None,
            lon: None,
            position: None,
            vehicle_count: Some(7),
            mean_speed: Some(43.5),
            // FF D8 FF E0 FF D9
            snapshot: Some("/9j/4P/Z"),
            snapshot_valid: Some(true),
        }
    }

    #[test]
    fn sound_readings_pass() {
        check(|_| {}, Ok(sound()));
        let empty_road = View { vehicle_count: Some(0), mean_speed: None, ..sound() };
        check(|view| *view = empty_road.clone(), Ok(empty_road.clone()));
    }

    #[test]
    fn what_is_no_picture_is_flagged() {
        let literal = View { snapshot: Some("Base64EncodedString"), snapshot_valid: Some(false), ..sound() };
        check(|view| view.snapshot = literal.snapshot, Ok(literal.clone()));
        check(|view| view.snapshot = None, Ok(View { snapshot: None, snapshot_valid: None, ..sound() }));
    }

    #[test]
    fn a_camera_need_not_say_where_it_is() {
        let nowhere = View { latitude: None, longitude: None, ..sound() };
        check(|view| *view = nowhere.clone(), Ok(nowhere.clone()));
        let text = Some("51.5,-0.14");
        let as_text = |view: &mut View<'static>| {
            (view.latitude, view.longitude, view.position) = (None, None, text);
        };
        check(as_text, Ok(View { position: text, ..sound() }));
    }

    #[test]
    fn what_cannot_be_has_its_reason() {
        check(|view| view.reported_at = Some("now"), Err("`timestamp` is not an ISO-8601 time"));
        check(|view| view.latitude = None, Err("`location.lat` is missing"));
        check(|view| view.longitude = Some(181.0), Err("`location.lon` is out of range [-180, 180]"));
        check(|view| view.vehicle_count = Some(-1), Err("`vehicleCount` is negative"));
        check(|view| view.mean_speed = Some(-1.0), Err("`meanSpeed` is out of range"));
        check(|view| view.mean_speed = Some(999.0), Err("`meanSpeed` is out of range"));
    }
}
