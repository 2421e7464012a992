//! The shapes of the API: what it takes and gives, as JSON. Fields may come at any time; none changes its
//! meaning or goes away within `v1`.

use std::collections::BTreeMap;

use millstream_log::{Pause, StepVersion};
use millstream_model::entry::ChangeCause;
use millstream_model::{Digest, Offset};
use millstream_pipeline::admin::{self, CandidateState, ShadowStatus};
use millstream_pipeline::shadow::ShadowReport;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// A step of a stream, in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct StepPath {
    /// Name of the stream.
    #[param(min_length = 1, example = "vehicle")]
    pub stream: String,
    /// Name of the step.
    #[param(min_length = 1, example = "cleanse")]
    pub step: String,
}

/// A stream, in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct StreamPath {
    /// Name of the stream.
    #[param(min_length = 1, example = "vehicle")]
    pub stream: String,
}

/// A shadow, in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct ShadowPath {
    /// Number of the shadow.
    #[param(example = 1)]
    pub id: u64,
}

/// How much a shadow sees: one of the two.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// Live batches, for this long.
    #[param(pattern = "^[1-9][0-9]{0,6}(ms|s|m|h)$", example = "30s")]
    pub r#for: Option<String>,
    /// The last messages of the stream, at most this many, read again from its source.
    #[param(minimum = 1, example = 10_000)]
    pub last: Option<u64>,
}

/// A `.wasm` file.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct WasmFile(pub Vec<u8>);

/// Which version.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// Its digest, or the first digits of it, at least 8, if no other version of the step begins with them.
    #[schema(pattern = "^[0-9a-f]{8,64}$", example = "4f1c0d9a2b77")]
    pub digest: String,
}

/// Which version to go back to.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Former {
    /// Its digest, or the first digits of it; without it, the version before the present one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-f]{8,64}$", example = "4f1c0d9a2b77")]
    pub digest: Option<String>,
}

/// Why a stream is to be paused.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// In words, for whoever wonders later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000, example = "the broker is being moved")]
    pub reason: Option<String>,
}

/// A change that stands in the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// Digest of the plugin that the step runs from now on.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub digest: Digest,
    /// Entry of the log from which on it does.
    pub sequence: u64,
}

/// A pause, or its end, that stands in the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Noted {
    /// Entry of the log that says so.
    pub sequence: u64,
}

/// All steps.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Steps {
    /// By stream, in their order.
    pub steps: Vec<Step>,
}

/// A step: what it runs, what that did in this process, and what it ran before.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The stream.
    pub stream: String,
    /// The step.
    pub step: String,
    /// The plugin's file, without `.wasm`.
    pub plugin: String,
    /// What the plugin says is its version.
    pub version: String,
    /// Digest of the plugin's bytes.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub digest: Digest,
    /// What the log says of the version that runs; none before the log's first checkpoint was read.
    pub since: Option<Version>,
    /// Rows it took, in this process.
    pub rows: u64,
    /// Rows it passed on.
    pub passed: u64,
    /// Rows it dropped.
    pub dropped: u64,
    /// Rows it made for other tables.
    pub emitted: u64,
    /// Rows it rejected, by cause; only causes that occurred.
    pub rejected: BTreeMap<String, u64>,
    /// Rows whose processing ended in a trap.
    pub traps: u64,
    /// Microseconds of CPU a row; none before the first one.
    pub micros_per_row: Option<f64>,
    /// Why its circuit is open, if it is.
    pub circuit: Option<String>,
    /// Why its stream is paused, if it is.
    pub paused: Option<Paused>,
    /// A version that it does not run, or not yet.
    pub candidate: Option<Candidate>,
    /// Versions that the log says it ran, the latest first.
    pub history: Vec<Version>,
}

/// A version of a step, as the log has it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Version {
    /// Digest of the plugin's bytes.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub digest: Digest,
    /// What the plugin says is its name; unknown in entries of old formats.
    pub name: Option<String>,
    /// What the plugin says is its version; unknown in entries of old formats.
    pub version: Option<String>,
    /// Digest of the step's configuration.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub config: Digest,
    /// What the change came from: `started`, `dropped_in`, `configured`, `promoted`, `rolled_back` or
    /// `circuit_opened`; unknown in entries of old formats.
    #[schema(value_type = Option<String>, example = "dropped_in")]
    pub cause: Option<ChangeCause>,
    /// Entry of the log from which on it was desired.
    pub sequence: u64,
    /// When that was written, in microseconds since 1970.
    pub at_us: i64,
    /// For each partition the offset of the first message that it made rows of.
    #[schema(value_type = BTreeMap<String, i64>)]
    pub from: BTreeMap<i32, Offset>,
}

/// A version that a step does not run, or not yet.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    /// Digest of the plugin's bytes; none if they could not be read.
    #[schema(value_type = Option<String>, pattern = "^[0-9a-f]{64}$")]
    pub digest: Option<Digest>,
    /// What it says is its version, if it could be asked.
    pub version: Option<String>,
    /// Where it comes from.
    pub from: String,
    /// What is done with it.
    pub state: State,
    /// Why it is refused or held.
    pub reason: Option<String>,
    /// What it asks for beyond what the running version had.
    pub widened: Vec<String>,
    /// The shadow that it runs in.
    pub shadow: Option<u64>,
    /// When it was found, in microseconds since 1970.
    pub at_us: i64,
}

/// What is done with a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is compiled and checked.
    Checking,
    /// It is not taken.
    Refused,
    /// It asks for more than the running version had.
    AwaitsApproval,
    /// It runs beside the live version.
    Shadowed,
    /// It is good, and waits until it is promoted.
    Held,
}

/// All streams.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Streams {
    /// By name.
    pub streams: Vec<Stream>,
}

/// A stream.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Stream {
    /// Its name.
    pub stream: String,
    /// Its topic.
    pub topic: String,
    /// Its steps, in their order.
    pub steps: Vec<String>,
    /// Messages read by this process, committed or not.
    pub messages: u64,
    /// Messages between what this process has read and the ends of its partitions; none if not all are known.
    pub lag: Option<u64>,
    /// Why it is paused, if it is.
    pub paused: Option<Paused>,
}

/// A pause.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Paused {
    /// Why.
    pub reason: String,
    /// The step whose circuit opened, if that is why.
    pub step: Option<String>,
    /// Entry of the log that paused it.
    pub sequence: u64,
    /// When that was written, in microseconds since 1970.
    pub at_us: i64,
}

/// All shadows that are known.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Shadows {
    /// Those that run, and the last ones that did.
    pub shadows: Vec<Shadow>,
}

/// A candidate beside the live version of a step.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Shadow {
    /// Its number.
    pub id: u64,
    /// The stream.
    pub stream: String,
    /// The step.
    pub step: String,
    /// Digest of the candidate.
    #[schema(value_type = String, pattern = "^[0-9a-f]{64}$")]
    pub digest: Digest,
    /// Whether it is over.
    pub done: bool,
    /// Why it could not be finished, if so.
    pub error: Option<String>,
    /// What it has seen so far, or in all.
    pub report: ShadowReport,
}

impl From<&StepVersion> for Version {
    fn from(version: &StepVersion) -> Self {
        let name = version.name.as_ref();
        Self {
            digest: version.plugin,
            name: name.map(|name| name.name.clone()),
            version: name.map(|name| name.version.clone()),
            config: version.config,
            cause: version.cause,
            sequence: version.sequence,
            at_us: version.at_us,
            from: version.from.clone(),
        }
    }
}

impl From<&admin::Candidate> for Candidate {
    fn from(candidate: &admin::Candidate) -> Self {
        let (state, reason, widened, shadow) = match candidate.state.clone() {
            CandidateState::Checking => (State::Checking, None, Vec::new(), None),
            CandidateState::Refused { reason } => (State::Refused, Some(reason), Vec::new(), None),
            CandidateState::AwaitsApproval { widened } => (State::AwaitsApproval, None, widened, None),
            CandidateState::Shadowed { shadow } => (State::Shadowed, None, Vec::new(), Some(shadow)),
            CandidateState::Held { reason } => (State::Held, Some(reason), Vec::new(), None),
        };
        Self {
            digest: candidate.plugin,
            version: candidate.version.clone(),
            from: candidate.from.clone(),
            state,
            reason,
            widened,
            shadow,
            at_us: candidate.at_us,
        }
    }
}

impl From<&Pause> for Paused {
    fn from(pause: &Pause) -> Self {
        let Pause { reason, step, sequence, at_us } = pause.clone();
        Self { reason, step, sequence, at_us }
    }
}

impl From<admin::Changed> for Changed {
    fn from(changed: admin::Changed) -> Self {
        Self { digest: changed.plugin, sequence: changed.sequence }
    }
}

impl From<ShadowStatus> for Shadow {
    fn from(status: ShadowStatus) -> Self {
        let ShadowStatus { id, step, plugin, done, error, report } = status;
        Self { id, stream: step.stream, step: step.step, digest: plugin, done, error, report }
    }
}
