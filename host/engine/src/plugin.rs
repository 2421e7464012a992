//! Plugins and steps: a plugin is code; a step is a plugin with a configuration on a stream, whose plan
//! has been checked before the first row.

mod configure;
mod step;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use millstream_model::Digest;

pub use self::configure::{ConfigProblem, ConfigureError};
pub use self::step::Step;
use crate::bindings::{TransformPre, guest};
use crate::calls::Calls;
use crate::engine::Engine;
use crate::instance::Program;
use crate::limits::STACK_BYTES;
use crate::load::World;

/// What a plugin says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// JSON schema of its configuration, if it gives one.
    pub config_schema: Option<String>,
    /// An example of a configuration (JSON text).
    pub example_config: String,
}

/// A loaded plugin: compiled, of the right world, able to start. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    shared: Arc<PluginShared>,
}

struct PluginShared {
    engine: Engine,
    program: Program,
    digest: Digest,
    size: usize,
    about: About,
    imports_http: bool,
    /// The import or export that shows that it keeps state.
    state_evidence: Option<String>,
    migrates: bool,
    /// The same for steps with another stack than the default, by its size.
    other_stacks: Mutex<BTreeMap<usize, TransformPre<Calls>>>,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PluginShared { program, digest, .. } = &*self.shared;
        f.debug_struct("Plugin").field("name", &program.name).field("digest", digest).finish_non_exhaustive()
    }
}

impl Plugin {
    pub(crate) fn new(
        engine: Engine,
        program: Program,
        world: World,
        digest: Digest,
        size: usize,
        about: guest::About,
    ) -> Self {
        let guest::About { name: own_name, version, config_schema, example_config } = about;
        let about = About { name: own_name, version, config_schema, example_config };
        let World { imports_http, state_evidence, migrates, .. } = world;
        Self {
            shared: Arc::new(PluginShared {
                engine,
                program,
                digest,
                size,
                about,
                imports_http,
                state_evidence,
                migrates,
                other_stacks: Mutex::default(),
            }),
        }
    }

    /// The name it was loaded by: its file's.
    pub fn name(&self) -> &str {
        &self.shared.program.name
    }

    /// Digest of the bytes it was loaded from.
    pub fn digest(&self) -> Digest {
        self.shared.digest
    }

    /// Size of those bytes.
    pub fn size(&self) -> usize {
        self.shared.size
    }

    /// What it says about itself.
    pub fn about(&self) -> &About {
        &self.shared.about
    }

    /// True if it can send requests over HTTP, where its grants allow that.
    pub fn imports_http(&self) -> bool {
        self.shared.imports_http
    }

    /// True if it is of a world with state: it runs as a [`crate::KeyedStep`].
    pub fn keeps_state(&self) -> bool {
        self.shared.state_evidence.is_some()
    }

    /// True if it brings state of an older version of itself to its own.
    pub fn migrates(&self) -> bool {
        self.shared.migrates
    }

    /// The plugin for calls with a stack of `stack_bytes`.
    fn with_stack(&self, stack_bytes: usize) -> Result<Program, ConfigureError> {
        let PluginShared { engine, program, other_stacks, .. } = &*self.shared;
        if stack_bytes == STACK_BYTES {
            return Ok(program.clone());
        }
        let mut others = other_stacks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(transform) = others.get(&stack_bytes) {
            return Ok(Program { transform: transform.clone(), ..program.clone() });
        }
        let transform = engine.shared.stacks.with(stack_bytes, &program.transform).map_err(|error| {
            let (plugin, reason) = (self.name().to_owned(), format!("{error:#}"));
            ConfigureError::Stack { plugin, stack_bytes, reason }
        })?;
        others.insert(stack_bytes, transform.clone());
        Ok(Program { transform, ..program.clone() })
    }
}
