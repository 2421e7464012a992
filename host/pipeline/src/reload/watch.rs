//! Says when to look at the folders: at once where the system tells of changes, every second where it does not
//! (network folders, a folder that was not there). A hint wakes, a look decides.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use super::folder::{Folder, QUIET};

/// Time between two looks that nobody hinted at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Files that have changed and are whole, by kind.
#[derive(Debug, Default)]
pub(super) struct Changed {
    /// Names of plugins whose file, or the signature beside it, is another one.
    pub(super) plugins: Vec<String>,
    /// True if the configuration or a file beside a plugin is another one.
    pub(super) configuration: bool,
}

/// The plugin folder and the configuration.
pub(super) struct Watch {
    plugins: Folder,
    configuration: Folder,
    watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches the folder of plugins and the file of the configuration; `hint` is called when something may have
    /// changed. All files count as new at first.
    pub(super) fn new(plugins: PathBuf, configuration: PathBuf, hint: impl Fn() + Send + 'static) -> Self {
        let is_beside =
            |name: &str| [".wasm", ".wasm.minisig", ".toml"].iter().any(|end| name.ends_with(end));
        let folder = configuration.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.map_or_else(|| PathBuf::from("."), PathBuf::from);
        let file = configuration.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let configuration = Folder::new(folder, move |name| name == file);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading is what looks themselves do.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                hint();
            }
        });
        let watcher = watcher
            .inspect_err(|error| tracing::debug!(%error, "the system does not tell of changes of files"))
            .ok();
        let mut this = Self { plugins: Folder::new(plugins, is_beside), configuration, watcher };
        this.ask_system();
        this
    }

    /// A folder that was put in the place of another needs to be asked for anew.
    fn ask_system(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        for folder in [&self.plugins, &self.configuration] {
            // Looks find what this misses.
            let _ = watcher.watch(folder.path(), RecursiveMode::NonRecursive);
        }
    }

    /// What has changed, and how long to wait for the next look at most.
    pub(super) fn look(&mut self) -> (Changed, Duration) {
        let now = Instant::now();
        let mut changed = Changed::default();
        for name in self.plugins.look(now) {
            match name.strip_suffix(".wasm").or_else(|| name.strip_suffix(".wasm.minisig")) {
                Some(plugin) => changed.plugins.push(plugin.to_owned()),
                None => changed.configuration = true,
            }
        }
        changed.plugins.sort();
        changed.plugins.dedup();
        changed.configuration |= !self.configuration.look(now).is_empty();
        self.ask_system();
        let unsettled = self.plugins.is_unsettled() || self.configuration.is_unsettled();
        (changed, if unsettled { QUIET / 2 } else { LOOK_INTERVAL })
    }
}
