//! Tells when something was saved in a plugin's folder, among its cases, or elsewhere where its build reads. It looks
//! some times a second: such folders are small, and a look finds what was saved on network folders and in containers,
//! too.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use millstream_toolchain::{PluginFolder, Sources};

/// Time between two looks; what stays the same so long has been written to its end.
const GLANCE: Duration = Duration::from_millis(150);

/// A plugin's folder, its cases, and what it takes from elsewhere.
pub struct Watch {
    folder: PluginFolder,
    cases: PathBuf,
    /// Files elsewhere that the last build read.
    elsewhere: Vec<PathBuf>,
    seen: Sources,
}

impl Watch {
    /// Watches from now on.
    pub fn new(folder: PluginFolder, cases: PathBuf) -> anyhow::Result<Self> {
        let elsewhere = folder.read_elsewhere();
        let mut watch = Self { folder, cases, elsewhere, seen: Sources::default() };
        watch.seen = watch.look()?;
        Ok(watch)
    }

    /// True if something was saved since [`Watch::changed`] returned, or since the watch began.
    pub fn has_changed(&self) -> bool {
        self.look().is_ok_and(|now| now != self.seen)
    }

    /// Watches what a build just read elsewhere, too: from now on what was not watched before.
    pub fn learn(&mut self) {
        self.elsewhere = self.folder.read_elsewhere();
        self.seen = std::mem::take(&mut self.seen).and(&self.elsewhere);
    }

    /// Waits until something is saved, and the saving has ended. While it cannot look, it has not.
    pub async fn changed(&mut self) {
        let mut last = self.look().ok();
        loop {
            tokio::time::sleep(GLANCE).await;
            match self.look().ok() {
                Some(now) if last.as_ref() == Some(&now) && now != self.seen => {
                    self.seen = now;
                    return;
                }
                now => last = now,
            }
        }
    }

    fn look(&self) -> anyhow::Result<Sources> {
        let look = || {
            let dependencies = self.folder.dependencies();
            let own = self.folder.sources()?.and_below(&self.cases);
            dependencies.iter().try_fold(own?, |seen, folder| seen.and_below(folder))
        };
        let look = || look().map(|seen| seen.and(&self.elsewhere));
        look().with_context(|| format!("cannot look into {}", self.folder.path().display()))
    }
}
