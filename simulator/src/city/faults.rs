//! From what devices measure to what they really send: some messages late, twice, overtaken, spoilt or not at all.
//!
//! Readings enter in the order of their time; messages leave in the order in which they are sent. Which fault
//! befalls which message is drawn here and noted on the message; spoiling its bytes is the encoder's work.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use super::Scheduled;
use super::event::{Event, Stream};
use super::identity::DeviceId;
use super::random::Random;
use super::settings::{CitySettings, FaultKind, FaultRates};

/// What befell a message that is sent nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It is delivered minutes after its event time.
    Late,
    /// It is the second copy.
    Duplicate,
    /// Messages that describe later moments were sent before it.
    OutOfOrder,
    /// The encoder cuts it off or breaks it otherwise; which way is up to `variant`, a random number.
    Malformed {
        #[allow(missing_docs)]
        variant: u32,
    },
    /// The encoder writes fields by wrong names; which ones is up to `variant`, a random number.
    Misspelt {
        #[allow(missing_docs)]
        variant: u32,
    },
    /// A value of the event has been replaced by an impossible one.
    OutOfRange,
}

impl Fault {
    /// Its kind, by which faults are counted.
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::Late => FaultKind::Late,
            Self::Duplicate => FaultKind::Duplicate,
            Self::OutOfOrder => FaultKind::OutOfOrder,
            Self::Malformed { .. } => FaultKind::Malformed,
            Self::Misspelt { .. } => FaultKind::Misspelt,
            Self::OutOfRange => FaultKind::OutOfRange,
        }
    }
}

/// How many messages have left with which fault; the truth against which a receiver can be checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultCounts {
    sent: [[u64; 7]; 5],
    withheld: [u64; 5],
    forgone: [u64; 5],
}

impl FaultCounts {
    /// Messages of this stream sent with this fault; of kind `Silent`, the silences that began.
    pub fn of(&self, stream: Stream, kind: FaultKind) -> u64 {
        self.sent[stream.index()][kind.index()]
    }

    /// Readings of this stream that were never sent because their device was silent.
    pub fn withheld(&self, stream: Stream) -> u64 {
        self.withheld[stream.index()]
    }

    /// Messages of this stream that should have been late, repeated or overtaken and were sent as if nothing had
    /// happened, because so many others were held back already.
    pub fn forgone(&self, stream: Stream) -> u64 {
        self.forgone[stream.index()]
    }
}

/// Messages held back at once; beyond that a message that should be late, repeated or overtaken is sent as if
/// nothing had happened, and counted. At most about 50 MB.
const HELD_MAX: usize = 200_000;
const DUPLICATE_AFTER_S: (f64, f64) = (0.0, 30.0);
const OUT_OF_ORDER_BY_S: (f64, f64) = (1.0, 5.0);
const SILENT_FOR_S: (f64, f64) = (60.0, 600.0);
/// A silence also ends after so many messages, as many as a vehicle sends in ten minutes at its usual pace: else a
/// device that sends many a second would hardly ever be heard.
const WITHHELD_MAX: u32 = 240;
/// Silences that are over are forgotten when so many stand on the list, so it stays below twice the devices.
const SILENCES_BEFORE_SWEEP: usize = 1024;

/// A device that sends nothing for a while.
#[derive(Debug)]
struct Silence {
    until_us: i64,
    /// Messages after which it is over even so.
    left: u32,
}

/// Draws the faults and keeps what is sent later.
#[derive(Debug)]
pub(super) struct Faults {
    rates: FaultRates,
    late_by_s: (f64, f64),
    random: Random,
    held: BinaryHeap<Held>,
    held_count: u64,
    silences: HashMap<DeviceId, Silence>,
    sweep_at: usize,
    counts: FaultCounts,
}

impl Faults {
    pub(super) fn new(settings: &CitySettings, seed: u64) -> Self {
        Self {
            rates: settings.faults,
            late_by_s: settings.late_by_s,
            random: Random::new(seed, "faults"),
            held: BinaryHeap::new(),
            held_count: 0,
            silences: HashMap::new(),
            sweep_at: SILENCES_BEFORE_SWEEP,
            counts: FaultCounts::default(),
        }
    }

    pub(super) fn counts(&self) -> &FaultCounts {
        &self.counts
    }

    /// The next held message that is due by this moment.
    pub(super) fn release(&mut self, now_us: i64) -> Option<Scheduled> {
        if self.held.peek()?.message.send_us > now_us {
            return None;
        }
        self.held.pop().map(|held| self.sent(held.message))
    }

    /// What becomes of a reading now; `None` if it is sent later or never.
    pub(super) fn pass(&mut self, mut event: Event) -> Option<Scheduled> {
        let now_us = event.header().timestamp.0;
        if self.is_silent(&event, now_us) {
            return None;
        }
        let fault = match self.draw() {
            None => None,
            Some(FaultKind::Silent) => return self.fall_silent(&event, now_us),
            Some(FaultKind::Late) => return self.delay(event, Fault::Late, self.late_by_s),
            Some(FaultKind::OutOfOrder) => return self.delay(event, Fault::OutOfOrder, OUT_OF_ORDER_BY_S),
            Some(FaultKind::Duplicate) => {
                self.delay(event.clone(), Fault::Duplicate, DUPLICATE_AFTER_S);
                None
            }
            Some(FaultKind::Malformed) => Some(Fault::Malformed { variant: self.variant() }),
            Some(FaultKind::Misspelt) => Some(Fault::Misspelt { variant: self.variant() }),
            Some(FaultKind::OutOfRange) => {
                put_out_of_range(&mut event, self.variant());
                Some(Fault::OutOfRange)
            }
        };
        Some(self.sent(Scheduled { send_us: now_us, event, fault }))
    }

    fn variant(&mut self) -> u32 {
        (self.random.bits() >> 32) as u32
    }

    fn draw(&mut self) -> Option<FaultKind> {
        let mut left = self.random.unit();
        FaultKind::ALL.into_iter().find(|&kind| {
            left -= self.rates[kind];
            left < 0.0
        })
    }

    fn sent(&mut self, message: Scheduled) -> Scheduled {
        if let Some(fault) = message.fault {
            self.counts.sent[message.event.stream().index()][fault.kind().index()] += 1;
        }
        message
    }

    /// Holds a message; a full queue gives it back, to be sent without fault, unless it is only a copy.
    fn delay(&mut self, event: Event, fault: Fault, by_s: (f64, f64)) -> Option<Scheduled> {
        let now_us = event.header().timestamp.0;
        let delay_us = (self.random.between(by_s.0, by_s.1) * 1e6) as i64;
        if self.held.len() >= HELD_MAX {
            self.counts.forgone[event.stream().index()] += 1;
            return (fault != Fault::Duplicate).then_some(Scheduled { send_us: now_us, event, fault: None });
        }
        self.held_count += 1;
        let message = Scheduled { send_us: now_us + delay_us, event, fault: Some(fault) };
        self.held.push(Held { message, number: self.held_count });
        None
    }

    fn is_silent(&mut self, event: &Event, now_us: i64) -> bool {
        if self.silences.is_empty() {
            return false;
        }
        let Some(silence) = self.silences.get_mut(&event.header().device_id) else { return false };
        let silent = now_us < silence.until_us && silence.left > 0;
        if silent {
            silence.left -= 1;
            self.counts.withheld[event.stream().index()] += 1;
        }
        silent
    }

    fn fall_silent(&mut self, event: &Event, now_us: i64) -> Option<Scheduled> {
        if self.silences.len() >= self.sweep_at {
            self.silences.retain(|_, silence| now_us < silence.until_us);
            self.sweep_at = SILENCES_BEFORE_SWEEP.max(2 * self.silences.len());
        }
        let until_us = now_us + (self.random.between(SILENT_FOR_S.0, SILENT_FOR_S.1) * 1e6) as i64;
        self.silences.insert(event.header().device_id, Silence { until_us, left: WITHHELD_MAX - 1 });
        let stream = event.stream().index();
        self.counts.sent[stream][FaultKind::Silent.index()] += 1;
        self.counts.withheld[stream] += 1;
        None
    }
}

/// One value of each event that no device could have measured; the latitude is one of the choices everywhere.
fn put_out_of_range(event: &mut Event, variant: u32) {
    if variant.is_multiple_of(3) {
        event.location_mut().latitude = 123.0;
        return;
    }
    match event {
        Event::Vehicle(event) => event.speed = 999.0,
        Event::Gps(event) => event.speed = 999.0,
        Event::Traffic(event) => event.mean_speed = Some(999.0),
        Event::Weather(event) if variant % 3 == 1 => event.humidity = 400,
        Event::Weather(event) => event.temperature = 150.0,
        Event::Emergency(event) => event.location.longitude = -456.0,
    }
}

/// A message in the queue of those sent later: the one that is due first is the greatest.
#[derive(Debug)]
struct Held {
    message: Scheduled,
    number: u64,
}

impl Held {
    fn order(&self) -> (i64, u64) {
        (self.message.send_us, self.number)
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        other.order().cmp(&self.order())
    }
}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Held {}
