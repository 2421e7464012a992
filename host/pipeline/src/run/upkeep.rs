//! Keeps the log short beside the checkpoints of a run: a snapshot every so many entries, old entries and
//! replaced files deleted behind it. Any worker may do it; if two do, the log decides. It is never needed
//! for what is true, so a failure is a warning and a later attempt.

use std::time::{Duration, Instant};

use crate::checkpoint::{AppendError, CheckpointLog};
use crate::config::LogPolicy;

/// Longest time between two looks for replaced files that may go.
const SWEEP_INTERVAL: Duration = Duration::from_mins(5);
/// Shortest one, for files that are kept for a moment only.
const SWEEP_INTERVAL_MIN: Duration = Duration::from_secs(1);
/// How long nothing is tried after a failure.
const FAILURE_PAUSE: Duration = Duration::from_mins(1);

/// When the next upkeep is due.
pub(super) struct Upkeep {
    policy: LogPolicy,
    sweep_interval: Duration,
    next_sweep: Instant,
    paused_until: Instant,
}

impl Upkeep {
    pub(super) fn new(policy: LogPolicy) -> Self {
        let sweep_interval = policy.keep_replaced.clamp(SWEEP_INTERVAL_MIN, SWEEP_INTERVAL);
        let now = Instant::now();
        // The start of a run has cleaned.
        Self { policy, sweep_interval, next_sweep: now + sweep_interval, paused_until: now }
    }

    /// Does what is due; mostly nothing.
    pub(super) async fn turn(&mut self, log: &mut CheckpointLog) {
        let now = Instant::now();
        if now < self.paused_until {
            return;
        }
        let outcome = self.due(log, now).await;
        if let Err(error) = outcome {
            tracing::warn!(%error, "the checkpoint log was not tidied up; trying again later");
            log.abandon_upkeep();
            self.paused_until = Instant::now() + FAILURE_PAUSE;
        }
    }

    async fn due(&mut self, log: &mut CheckpointLog, now: Instant) -> Result<(), AppendError> {
        let state = log.state();
        if state.sequence() - state.boundary().min(state.sequence()) >= self.policy.snapshot_every
            && let Some(boundary) = log.truncate(self.policy.keep_entries).await?
        {
            tracing::info!(
                boundary,
                kept = self.policy.keep_entries,
                "snapshot of the checkpoint log published"
            );
        }
        if now >= self.next_sweep {
            self.next_sweep = now + self.sweep_interval;
            if log.has_replaced(self.policy.keep_replaced) {
                let swept = log.sweep_replaced(self.policy.keep_replaced).await?;
                tracing::info!(files = swept.deleted.len(), "deleted files that had been replaced");
            }
        }
        Ok(())
    }
}
