//! Tells when something was saved in a plugin's folder or among its cases. It looks some times a second: such a
//! folder is small, and a look finds what was saved on network folders and in containers, too.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use millstream_toolchain::{PluginFolder, Sources};

/// Time between two looks; what stays the same so long has been written to its end.
const GLANCE: Duration = Duration::from_millis(150);

/// A plugin's folder and cases.
pub struct Watch {
    folder: PluginFolder,
    cases: PathBuf,
    seen: Sources,
}

impl Watch {
    /// Watches from now on.
    pub fn new(folder: PluginFolder, cases: PathBuf) -> anyhow::Result<Self> {
        let mut watch = Self { folder, cases, seen: Sources::default() };
        watch.seen = watch.look()?;
        Ok(watch)
    }

    /// True if something was saved since [`Watch::changed`] returned, or since the watch began.
    pub fn has_changed(&self) -> bool {
        self.look().is_ok_and(|now| now != self.seen)
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
        let look = || self.folder.sources()?.and_below(&self.cases);
        look().with_context(|| format!("cannot look into {}", self.folder.path().display()))
    }
}
