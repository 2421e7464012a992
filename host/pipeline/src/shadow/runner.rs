//! The thread of a shadow: takes batches with what the live version made of them, lets the candidate do the
//! same, compares, and says how it stands. It ends with its extent, with the run, when it is told to, or when the
//! candidate cannot go on; whatever the candidate does ends here.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use millstream_engine::{Step, StepInstance};

use super::ShadowError;
use super::capture::Capture;
use super::compare::{Comparer, Made, Shape};
use super::feed::{Onlooker, Seat, Sight, Version};
use super::recent::Recent;
use super::report::ShadowReport;
use crate::admin::{ShadowExtent, ShadowId, ShadowStatus, StepId};
use crate::plan::StreamPlan;
use crate::source::SourceSettings;
use crate::telemetry::Telemetry;

/// Shadows that are over and still told of.
pub const SHADOWS_KEPT: usize = 16;
/// How often a shadow says how it stands.
const PUBLISH_INTERVAL: Duration = Duration::from_millis(200);
/// Longest time that live batches are compared.
const LIVE_MAX: Duration = Duration::from_hours(24);
/// Names of a candidate's metrics that are told apart.
const METRICS_MAX: usize = 256;

/// What a shadow begins with.
pub struct ShadowStart {
    /// The step that the candidate is for.
    pub step: StepId,
    /// The stream as it runs.
    pub plan: Arc<StreamPlan>,
    /// The candidate, configured for the rows that the step gets. Its own circuit stays closed.
    pub candidate: Step,
    /// How much it sees.
    pub extent: ShadowExtent,
    /// Where the stream's messages can be read again.
    pub source: SourceSettings,
    /// Where live batches and the status are.
    pub telemetry: Arc<Telemetry>,
    /// Called once, on the shadow's thread, when it is over.
    pub done: Box<dyn FnOnce(ShadowStatus) + Send>,
}

impl std::fmt::Debug for ShadowStart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, candidate, extent, .. } = self;
        let mut text = f.debug_struct("ShadowStart");
        text.field("step", step).field("candidate", candidate).field("extent", extent).finish_non_exhaustive()
    }
}

/// A shadow that was begun. Dropping it stops it.
#[derive(Debug)]
pub struct Shadow {
    id: ShadowId,
    telemetry: Arc<Telemetry>,
    stop: Arc<AtomicBool>,
    seat: Option<Seat>,
}

/// Begins a shadow.
///
/// # Errors
/// If the step is not there, the candidate does not fit, too many shadows run, or the run is ending.
pub fn start(start: ShadowStart) -> Result<Shadow, ShadowError> {
    let ShadowStart { step, plan, candidate, extent, source, telemetry, done } = start;
    let index = plan.steps.iter().position(|planned| *planned.name == *step.step);
    let index = index.ok_or_else(|| ShadowError::NoStep(step.clone()))?;
    let live = &plan.steps[index];
    if candidate.input_schema().fields() != live.step.input_schema().fields() {
        return Err(ShadowError::OtherInput);
    }
    let bench = Bench::new(&live.step, &candidate);
    let stop = Arc::new(AtomicBool::new(false));
    let (sights, seat) = match extent {
        ShadowExtent::For(time) => {
            let figures = telemetry.stream(&step.stream);
            let figures = figures.ok_or_else(|| ShadowError::NoStream(step.stream.clone()))?;
            let (seat, onlooker) = figures.shadows.open(live.name.clone())?;
            (Sights::Live(onlooker, Version::of(live), time.min(LIVE_MAX)), Some(seat))
        }
        ShadowExtent::Last(messages) => {
            (Sights::Recent(Box::new(Recent::new(&plan, index, source, messages))), None)
        }
    };
    let board = Board::new(telemetry.clone(), step, &candidate, done);
    let id = board.status.id;
    let work = Work { bench, board, stop: stop.clone(), seat: seat.clone() };
    let shadow = Shadow { id, telemetry, stop, seat };
    std::thread::Builder::new().name("shadow".to_owned()).spawn(move || work.run(sights))?;
    Ok(shadow)
}

impl Shadow {
    /// Its number.
    pub fn id(&self) -> ShadowId {
        self.id
    }

    /// How it stands; none if it has been over for so long that it is forgotten.
    pub fn status(&self) -> Option<ShadowStatus> {
        lock(&self.telemetry).get(&self.id).cloned()
    }

    /// Ends it, after the batch that the candidate has in hand. Does not wait for that.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(seat) = &self.seat {
            seat.leave();
        }
    }
}

impl Drop for Shadow {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What a shadow sees.
enum Sights {
    /// Batches as they pass, of this version, for so long.
    Live(Onlooker, Version, Duration),
    /// Messages that are read again.
    Recent(Box<Recent>),
}

struct Work {
    bench: Bench,
    board: Board,
    stop: Arc<AtomicBool>,
    seat: Option<Seat>,
}

impl Work {
    fn run(mut self, sights: Sights) {
        let result = self.bench.warm().and_then(|()| match sights {
            Sights::Live(onlooker, version, time) => self.watch(&onlooker, version, time),
            Sights::Recent(recent) => {
                let Self { bench, board, stop, .. } = &mut self;
                recent.run(|input, live| {
                    if stop.load(Ordering::Relaxed) {
                        return Err(ShadowError::Stopped);
                    }
                    bench.try_out(input, live)?;
                    board.publish(bench.comparer.report());
                    Ok(())
                })
            }
        });
        if let Some(seat) = &self.seat {
            seat.leave();
        }
        self.board.finish(self.bench.comparer.report(), result.err());
    }

    fn watch(&mut self, onlooker: &Onlooker, version: Version, time: Duration) -> Result<(), ShadowError> {
        let end = Instant::now() + time;
        let result = loop {
            match onlooker.next(end) {
                Sight::Nothing => break Ok(()),
                Sight::Over if self.stop.load(Ordering::Relaxed) => break Err(ShadowError::Stopped),
                Sight::Over => break Err(ShadowError::Ending),
                Sight::Batch(seen) => {
                    if seen.version != version || !self.bench.takes(&seen.input, &seen.output.passed) {
                        break Err(ShadowError::Changed);
                    }
                    if let Err(error) =
                        self.bench.try_out(&seen.input, Made { output: &seen.output, busy: seen.busy })
                    {
                        break Err(error);
                    }
                }
            }
            self.bench.comparer.report_mut().batches_missed = onlooker.missed();
            self.board.publish(self.bench.comparer.report());
        };
        self.bench.comparer.report_mut().batches_missed = onlooker.missed();
        result
    }
}

/// The candidate, and what it is compared with.
struct Bench {
    candidate: StepInstance,
    comparer: Comparer,
    live: Shape,
    capture: Capture,
    metrics: BTreeSet<Arc<str>>,
}

impl Bench {
    fn new(live: &Step, candidate: &Step) -> Self {
        let (live, candidate) = (Shape::of(live), candidate.apart());
        Self {
            comparer: Comparer::new(&live, &Shape::of(&candidate)),
            candidate: candidate.instance(),
            live,
            capture: Capture::new(),
            metrics: BTreeSet::new(),
        }
    }

    fn warm(&mut self) -> Result<(), ShadowError> {
        self.capture.around(|| self.candidate.warm()).map_err(ShadowError::Candidate)
    }

    /// Whether the candidate can take these rows, and be compared with what the live version made of them.
    fn takes(&self, input: &RecordBatch, passed: &RecordBatch) -> bool {
        input.schema_ref().fields() == self.candidate.step().input_schema().fields()
            && passed.schema_ref().fields() == self.live.rows.fields()
    }

    fn try_out(&mut self, input: &RecordBatch, live: Made<'_>) -> Result<(), ShadowError> {
        let began = Instant::now();
        let output = self.capture.around(|| self.candidate.process(input));
        let made = Made { output: &output, busy: began.elapsed() };
        self.comparer.compare(input, live, made)?;
        for name in output.metrics.counters.keys().chain(output.metrics.gauges.keys()) {
            if self.metrics.len() < METRICS_MAX {
                self.metrics.insert(name.clone());
            }
        }
        let report = self.comparer.report_mut();
        report.metrics = self.metrics.len() as u64;
        (report.log_lines, report.log_last) = self.capture.lines();
        match self.candidate.step().circuit() {
            Some(reason) => Err(ShadowError::Circuit(reason.to_string())),
            None => Ok(()),
        }
    }
}

/// Where a shadow says how it stands.
struct Board {
    telemetry: Arc<Telemetry>,
    status: ShadowStatus,
    published: Instant,
    done: Option<Box<dyn FnOnce(ShadowStatus) + Send>>,
}

impl Board {
    fn new(
        telemetry: Arc<Telemetry>,
        step: StepId,
        candidate: &Step,
        done: Box<dyn FnOnce(ShadowStatus) + Send>,
    ) -> Self {
        let mut shadows = lock(&telemetry);
        let status = ShadowStatus {
            id: shadows.keys().next_back().map_or(1, |last| last + 1),
            step,
            plugin: candidate.plugin().digest(),
            done: false,
            error: None,
            report: ShadowReport::default(),
        };
        shadows.insert(status.id, status.clone());
        drop(shadows);
        Self { telemetry, status, published: Instant::now(), done: Some(done) }
    }

    fn publish(&mut self, report: &ShadowReport) {
        if self.published.elapsed() >= PUBLISH_INTERVAL {
            self.published = Instant::now();
            self.status.report = report.clone();
            lock(&self.telemetry).insert(self.status.id, self.status.clone());
        }
    }

    fn finish(&mut self, report: &ShadowReport, error: Option<ShadowError>) {
        self.status.report = report.clone();
        self.end(error.map(|error| error.to_string()));
    }

    fn end(&mut self, error: Option<String>) {
        let Some(done) = self.done.take() else { return };
        self.status.done = true;
        self.status.error = error;
        let mut shadows = lock(&self.telemetry);
        shadows.insert(self.status.id, self.status.clone());
        let over: Vec<_> = shadows.values().filter(|status| status.done).map(|status| status.id).collect();
        for id in over.iter().take(over.len().saturating_sub(SHADOWS_KEPT)) {
            shadows.remove(id);
        }
        drop(shadows);
        done(self.status.clone());
    }
}

impl Drop for Board {
    /// Who waits for the end learns of it in any case.
    fn drop(&mut self) {
        self.end(Some(
            "the shadow's thread ended by a bug; the process's standard error says more".to_owned(),
        ));
    }
}

fn lock(
    telemetry: &Telemetry,
) -> std::sync::MutexGuard<'_, std::collections::BTreeMap<ShadowId, ShadowStatus>> {
    telemetry.shadows.lock().unwrap_or_else(PoisonError::into_inner)
}
