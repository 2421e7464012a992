//! Incidents: they open at random, get worse and better, block the road meanwhile, and are resolved. Every message of
//! an incident has its id, type and location; nothing is said of it after `Resolved`.
//!
//! Openings are a Poisson process. What an incident is like at a moment is a pure function of its age, so messages
//! and obstacles agree.

use super::event::Stream;
use super::event::{Description, EmergencyEvent, Header, IncidentKind, Phase, Severity, Status};
use super::geodesy::Position;
use super::identity::{DeviceId, DeviceKind, EventId, EventTime};
use super::random::Random;
use super::road::{Obstacle, Roads};
use super::route::{Carriageway, Direction};
use super::settings::{Cadence, CitySettings};

const LIFE_S: (f64, f64) = (8.0 * 60.0, 45.0 * 60.0);
/// A city begins with the incidents that its rate leads to; they are reported in its first seconds.
const FIRST_REPORTS_WITHIN_S: f64 = 20.0;
const NEVER: i64 = i64::MAX;

/// How much of each kind there is, and how much of the road it takes at its worst: the longest queue in metres and the
/// share of the speed left in it.
const KINDS: [(u32, Profile); 4] = [
    (5, Profile { kind: IncidentKind::Accident, queue_m: 3000.0, factor: 0.15, units: 6 }),
    (1, Profile { kind: IncidentKind::Fire, queue_m: 4000.0, factor: 0.1, units: 8 }),
    (3, Profile { kind: IncidentKind::Medical, queue_m: 800.0, factor: 0.4, units: 2 }),
    (2, Profile { kind: IncidentKind::Police, queue_m: 1200.0, factor: 0.3, units: 3 }),
];

#[derive(Debug, Clone, Copy)]
struct Profile {
    kind: IncidentKind,
    queue_m: f64,
    factor: f64,
    units: u32,
}

/// One open incident.
#[derive(Debug)]
struct Incident {
    id: EventId,
    post: DeviceId,
    profile: Profile,
    /// How bad this one is among its kind, 0 to 1.
    gravity: f64,
    carriageway: Carriageway,
    along_m: f64,
    location: Position,
    road: &'static str,
    towards: &'static str,
    opened_us: i64,
    resolved_us: i64,
}

/// All open incidents, and when the next message about any is due.
#[derive(Debug)]
pub struct Incidents {
    random: Random,
    ids: Random,
    mean_between_us: f64,
    cadence: Cadence,
    open: Vec<Incident>,
    due_us: i64,
    next_opening_us: i64,
    next_update_us: i64,
    /// Openings left of those that a city begins with.
    first_left: u32,
    update_turn: usize,
}

impl Incidents {
    /// None yet; the first opens within seconds of `start_us`, unless the rate is 0.
    pub fn new(settings: &CitySettings, seed: u64) -> Self {
        let rate = settings.incidents_per_hour;
        let mean_life_s = (LIFE_S.0 + LIFE_S.1) / 2.0;
        let mut incidents = Self {
            random: Random::new(seed, "incidents"),
            ids: Random::new(seed, "emergency ids"),
            mean_between_us: 3.6e9 / rate,
            cadence: settings.cadence[Stream::Emergency],
            open: Vec::new(),
            due_us: NEVER,
            next_opening_us: NEVER,
            next_update_us: NEVER,
            first_left: (rate * mean_life_s / 3600.0).ceil() as u32,
            update_turn: 0,
        };
        if rate > 0.0 {
            incidents.plan_opening(settings.start_us);
        }
        incidents.due_us = incidents.next_opening_us;
        incidents
    }

    /// When [`Incidents::next_message`] has something to say.
    pub fn due_us(&self) -> i64 {
        self.due_us
    }

    /// The message that is due next; makes it so.
    pub fn next_message(&mut self, roads: &Roads) -> EmergencyEvent {
        let (resolved, resolved_us) = self.next_resolution();
        let event = if self.next_opening_us <= self.next_update_us.min(resolved_us) {
            self.open(roads)
        } else if resolved_us <= self.next_update_us {
            self.resolve(resolved)
        } else {
            self.update()
        };
        self.due_us = self.next_opening_us.min(self.next_update_us).min(self.next_resolution().1);
        event
    }

    /// What blocks the roads at this moment.
    pub fn obstacles(&self, time_us: i64) -> impl Iterator<Item = Obstacle> {
        self.open.iter().map(move |incident| incident.obstacle(time_us))
    }

    /// The place in the list and the moment of the resolution that comes first.
    fn next_resolution(&self) -> (usize, i64) {
        let resolutions = self.open.iter().map(|incident| incident.resolved_us).enumerate();
        resolutions.min_by_key(|&(_, resolved_us)| resolved_us).unwrap_or((0, NEVER))
    }

    fn plan_opening(&mut self, now_us: i64) {
        let mean_us = match self.first_left {
            0 => self.mean_between_us,
            left => FIRST_REPORTS_WITHIN_S * 1e6 / f64::from(left + 1),
        };
        self.first_left = self.first_left.saturating_sub(1);
        self.next_opening_us = now_us.saturating_add(self.random.exponential(mean_us) as i64 + 1);
    }

    fn plan_update(&mut self, now_us: i64) {
        let open = self.open.len() as f64;
        let period_us = match self.cadence {
            Cadence::EverySeconds(seconds) => seconds * 1e6 / open,
            Cadence::PerSecond(rate) => 1e6 / rate,
        };
        self.next_update_us = match self.open.len() {
            0 => NEVER,
            _ => now_us + (period_us * self.random.between(0.5, 1.5)) as i64,
        };
    }

    fn open(&mut self, roads: &Roads) -> EmergencyEvent {
        let now_us = self.next_opening_us;
        let incident = self.draw_incident(roads, now_us);
        let event = incident.message(&mut self.ids, now_us, Phase::Reported);
        self.open.push(incident);
        if self.next_update_us == NEVER {
            self.plan_update(now_us);
        }
        self.plan_opening(now_us);
        event
    }

    fn resolve(&mut self, index: usize) -> EmergencyEvent {
        let incident = self.open.remove(index);
        if self.open.is_empty() {
            self.next_update_us = NEVER;
        }
        incident.message(&mut self.ids, incident.resolved_us, Phase::Resolved)
    }

    fn update(&mut self) -> EmergencyEvent {
        let now_us = self.next_update_us;
        self.update_turn = (self.update_turn + 1) % self.open.len();
        let event = self.open[self.update_turn].message(&mut self.ids, now_us, Phase::InProgress);
        self.plan_update(now_us);
        event
    }

    fn draw_incident(&mut self, roads: &Roads, opened_us: i64) -> Incident {
        let random = &mut self.random;
        let route_index = random.below(roads.routes().len() as u32) as usize;
        let direction = if random.chance(0.5) { Direction::Outbound } else { Direction::Inbound };
        let carriageway = Carriageway { route: route_index, direction };
        let route = &roads.routes()[route_index];
        let along_m = random.between(0.03, 0.97) * route.length_m();
        let kilometre = (route.outbound_m(direction, along_m) / 1000.0) as u32;
        Incident {
            id: EventId::draw(&mut self.ids),
            post: DeviceId { kind: DeviceKind::Post, number: 1000 * route_index as u32 + kilometre + 1 },
            profile: *random.weighted(&KINDS),
            gravity: random.unit(),
            carriageway,
            along_m,
            location: route.place(direction, along_m).position.rounded(),
            road: route.road(direction, along_m),
            towards: route.destination(direction),
            opened_us,
            resolved_us: opened_us + (random.between(LIFE_S.0, LIFE_S.1) * 1e6) as i64,
        }
    }
}

impl Incident {
    /// The share of its life that is over.
    fn age(&self, time_us: i64) -> f64 {
        let life_us = (self.resolved_us - self.opened_us) as f64;
        ((time_us - self.opened_us) as f64 / life_us).clamp(0.0, 1.0)
    }

    /// How much of its worst it has reached: rises over the first two fifths of its life, then falls to a fifth.
    fn extent(&self, time_us: i64) -> f64 {
        let age = self.age(time_us);
        let extent = if age < 0.4 { 0.2 + 2.0 * age } else { 1.0 - (age - 0.4) * 4.0 / 3.0 };
        extent * (0.4 + 0.6 * self.gravity)
    }

    fn severity(&self, time_us: i64) -> Severity {
        match self.extent(time_us) {
            extent if extent < 0.35 => Severity::Minor,
            extent if extent < 0.7 => Severity::Serious,
            _ => Severity::Critical,
        }
    }

    fn queue_m(&self, time_us: i64) -> f64 {
        self.profile.queue_m * self.extent(time_us)
    }

    fn obstacle(&self, time_us: i64) -> Obstacle {
        Obstacle {
            carriageway: self.carriageway,
            along_m: self.along_m,
            queue_m: self.queue_m(time_us),
            factor: self.profile.factor,
        }
    }

    /// Crews arrive over the first third of its life.
    fn units(&self, time_us: i64) -> u32 {
        let wanted = f64::from(self.profile.units) * (0.4 + 0.6 * self.gravity);
        (wanted * (self.age(time_us) * 3.0).min(1.0)).ceil() as u32
    }

    fn message(&self, ids: &mut Random, time_us: i64, phase: Phase) -> EmergencyEvent {
        let id = EventId::draw(ids);
        EmergencyEvent {
            header: Header { id, device_id: self.post, timestamp: EventTime(time_us) },
            incident_id: self.id,
            kind: self.profile.kind,
            location: self.location,
            status: if phase == Phase::Resolved { Status::Resolved } else { Status::Active },
            severity: self.severity(time_us),
            description: Description {
                kind: self.profile.kind,
                phase,
                road: self.road,
                towards: self.towards,
                units: self.units(time_us),
                queue_m: self.queue_m(time_us) as u32 / 50 * 50,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::city::route::{Route, RoutePreset};
    use crate::city::weather::WeatherField;

    #[test]
    fn openings_are_a_poisson_process() {
        let settings = CitySettings { incidents_per_hour: 60.0, ..CitySettings::default() };
        let routes = RoutePreset::ALL.map(Route::new).into();
        let roads = Roads::new(routes, &WeatherField::new(0), settings.start_us);
        let mut incidents = Incidents::new(&settings, 11);
        let (first_us, last_us) = (settings.start_us + 60_000_000, settings.start_us + 100 * 3_600_000_000);
        let mut openings = Vec::new();
        while incidents.due_us() < last_us {
            let event = incidents.next_message(&roads);
            if event.description.phase == Phase::Reported && event.header.timestamp.0 > first_us {
                openings.push(event.header.timestamp.0);
            }
        }
        let expect = 60.0 * 100.0 - 1.0;
        assert!((openings.len() as f64 - expect).abs() < 5.0 * expect.sqrt(), "{}", openings.len());
        let gaps: Vec<f64> = openings.windows(2).map(|pair| (pair[1] - pair[0]) as f64 * 1e-6).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!(
            (variance.sqrt() / mean - 1.0).abs() < 0.1,
            "waiting times are exponential: {mean} {variance}"
        );
    }

    #[test]
    fn no_rate_no_incident() {
        let settings = CitySettings { incidents_per_hour: 0.0, ..CitySettings::default() };
        assert_eq!(Incidents::new(&settings, 1).due_us(), NEVER);
    }
}
