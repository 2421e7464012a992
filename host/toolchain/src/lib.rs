//! Makes plugins of their sources: writes new ones from a template, finds the compilers of each language and
//! builds components. What enters is a folder, what leaves a `.wasm` file that imports nothing but
//! `millstream:plugin`. It knows nothing of running plugins.

mod build;
mod cache;
mod check;
mod drop_in;
mod embedded;
mod error;
mod folder;
mod language;
mod new;
mod process;
mod record;
mod sources;

pub use build::{Built, build};
pub use cache::cache_folder;
pub use check::ImportProblem;
pub use drop_in::{DropInError, DroppedIn, drop_in};
pub use error::BuildError;
pub use folder::{FolderError, PluginFolder};
pub use language::Language;
pub use new::{NewError, NewPlugin, Written, new};
pub use sources::Sources;
