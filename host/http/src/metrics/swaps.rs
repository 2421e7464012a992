//! Metrics of changes of running streams.

use std::sync::PoisonError;

use millstream_pipeline::admin::{CandidateState, StepId};
use millstream_pipeline::telemetry::{HOLD_BOUNDS_US, Telemetry};

use super::families::{Families, Labels};

/// Swaps, how long they held tasks, and what was refused or waits.
pub fn swaps(to: &mut Families, telemetry: &Telemetry) {
    let figures = &telemetry.swaps;
    let name = (
        "millstream_swaps_total",
        "Changes of running streams, by what they came from; followed: another worker proposed them.",
    );
    for (cause, count) in figures.by_cause() {
        to.counter(name, &Labels::of(&[("cause", cause)]), count as f64);
    }
    let none = Labels::default();
    let name = ("millstream_swap_failures_total", "Swaps that the log did not take and that began again.");
    to.counter(name, &none, figures.failures() as f64);
    let holds = figures.holds();
    let bounds = HOLD_BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6);
    let buckets: Vec<_> = bounds.zip(holds.buckets).collect();
    let name =
        ("millstream_swap_hold_seconds", "Time that the exchange itself kept a thread from its tasks.");
    to.histogram(name, &none, &buckets, holds.count, holds.sum_seconds);
    let name = ("millstream_swap_hold_seconds_max", "The longest of these times.");
    to.gauge(name, &none, holds.max_seconds);
    let name = ("millstream_plugin_refusals_total", "New versions of plugins that were refused.");
    for (step, count) in figures.refusals() {
        to.counter(name, &of(&step), count as f64);
    }
    let name = ("millstream_configuration_refusals_total", "Changed configurations that were refused.");
    to.counter(name, &none, figures.configurations_refused() as f64);
    let name = ("millstream_plugin_candidates", "Versions of plugins that do not run, or not yet; always 1.");
    let candidates = telemetry.candidates.lock().unwrap_or_else(PoisonError::into_inner);
    for (step, candidate) in candidates.iter() {
        to.gauge(name, &of(step).with("state", state(&candidate.state)), 1.0);
    }
}

fn of(step: &StepId) -> Labels {
    Labels::of(&[("stream", &step.stream), ("step", &step.step)])
}

fn state(state: &CandidateState) -> &'static str {
    match state {
        CandidateState::Checking => "checking",
        CandidateState::Refused { .. } => "refused",
        CandidateState::AwaitsApproval { .. } => "awaits_approval",
        CandidateState::Shadowed { .. } => "shadowed",
        CandidateState::Held { .. } => "held",
    }
}
