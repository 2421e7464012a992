//! Runs plugins: loads them, checks their plans, limits and calls them. Batches come in as Arrow and go
//! out as Arrow; what a plugin may see of them, and how long and how much it may work, is decided here.
//! The crate knows no Kafka, no object store and no async runtime.
//!
//! [`Engine`] loads a [`Plugin`]; configured for a stream it is a [`Step`]; each thread makes a
//! [`StepInstance`] of it and gives it batches. A plugin that keeps state becomes a [`KeyedStep`], whose
//! instances are given batches and moves of the watermark together with the [`TaskState`] of their task.

mod allowance;
mod anatomy;
mod apply;
mod bindings;
mod bisect;
mod cache;
mod calls;
mod circuit;
mod column;
mod engine;
mod fault;
mod functions;
mod grants;
mod instance;
mod keyed;
mod limits;
mod load;
mod lookup;
mod outbound;
mod output;
mod parameters;
mod plan;
mod plugin;
mod recovery;
mod refusal;
mod stacks;
mod state;
mod symbols;
mod trial;
mod types;

pub use anatomy::{Anatomy, Unreadable};
pub use cache::CacheError;
pub use circuit::CircuitOpened;
pub use engine::{Engine, EngineError, EngineSettings};
pub use grants::{Grants, HttpGrant, Origin, Scheme, SecretHeader};
pub use instance::StartError;
pub use keyed::{DeadTimer, FireOutput, FiredOrigin, FiredRows, KeyedInstance, KeyedStep, MigrateError};
pub use limits::Limits;
pub use load::{LoadError, size_of_file};
pub use lookup::{LookUpError, LookupTable, MemoryTable, TableError, Tables};
pub use outbound::{Allowance, HostFigures, Network, Outbound, OutboundError, Request, Response};
pub use output::{Cause, Metrics, RejectedRow, StepOutput};
pub use plan::{InputSpec, Missing, Output, Plan, PlanProblem};
pub use plugin::{About, ConfigProblem, ConfigureError, Plugin, Step};
pub use recovery::{StepInstance, Trouble};
pub use state::{Changes, KeyValue, MemoryState, Puts, StateError, StoreSpec, TaskState, Timer};
pub use trial::{Costs, Failed, Trial};
