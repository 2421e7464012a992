//! Tells when something was saved in a plugin's folder, among its cases, or elsewhere where its build reads. It looks
//! some times a second: such folders are small, and a look finds what was saved on network folders and in containers,
//! too.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use millstream_toolchain::{PluginFolder, Sources};

/// Time between two looks; what stays the same so long has been written to its end.
const GLANCE: Duration = Duration::from_millis(100);

/// What is watched besides cases.
pub enum Watched {
    /// What a plugin is built of.
    Sources(PluginFolder),
    /// These files, there or not.
    Files(Vec<PathBuf>),
}

/// A plugin, its cases, and what it takes from elsewhere.
pub struct Watch {
    watched: Watched,
    cases: PathBuf,
    /// Files elsewhere that the last build read.
    elsewhere: Vec<PathBuf>,
    seen: Sources,
}

impl Watch {
    /// Watches from now on.
    pub fn new(watched: Watched, cases: PathBuf) -> anyhow::Result<Self> {
        let mut watch = Self { watched, cases, elsewhere: Vec::new(), seen: Sources::default() };
        watch.elsewhere = watch.read_elsewhere();
        watch.seen = watch.look()?;
        Ok(watch)
    }

    /// True if something was saved since [`Watch::changed`] returned, or since the watch began.
    pub fn has_changed(&self) -> bool {
        self.look().is_ok_and(|now| now != self.seen)
    }

    /// Watches what a build just read elsewhere, too: from now on what was not watched before.
    pub fn learn(&mut self) {
        self.elsewhere = self.read_elsewhere();
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

    fn read_elsewhere(&self) -> Vec<PathBuf> {
        match &self.watched {
            Watched::Sources(folder) => folder.read_elsewhere(),
            Watched::Files(_) => Vec::new(),
        }
    }

    fn look(&self) -> anyhow::Result<Sources> {
        let look = || match &self.watched {
            Watched::Sources(folder) => {
                let own = folder.sources()?.and_cases(&self.cases);
                folder.dependencies().iter().try_fold(own?, |seen, folder| seen.and_below(folder))
            }
            Watched::Files(files) => Sources::default().and(files).and_cases(&self.cases),
        };
        let seen = look().with_context(|| format!("cannot look into {}", self.place().display()))?;
        Ok(seen.and(&self.elsewhere))
    }

    fn place(&self) -> PathBuf {
        match &self.watched {
            Watched::Sources(folder) => folder.path().to_owned(),
            Watched::Files(_) => self.cases.clone(),
        }
    }
}
