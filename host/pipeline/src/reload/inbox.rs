//! Makes wishes of what has changed in the folders.

use std::collections::BTreeMap;

use millstream_model::entry::ChangeCause;

use super::configuration::{need_restart, taken};
use super::target::Version;
use super::thread::{Work, step_of};
use super::watch::Changed;
use super::wish::{Origin, Wanted, Wish};
use crate::admin::{CandidateState, StepId};
use crate::config::Config;

impl Work {
    pub(super) fn wish_of(&mut self, changed: Changed) -> Wish {
        let mut wish = Wish::new(ChangeCause::DroppedIn);
        wish.config = if changed.configuration { self.read_configuration() } else { None };
        let config = wish.config.as_ref().unwrap_or(&self.config);
        let mut steps: BTreeMap<String, Vec<StepId>> = BTreeMap::new();
        for stream in &config.streams {
            for step in &stream.steps {
                let id = StepId::new(stream.name.as_str(), step.name.as_str());
                steps.entry(step.plugin.clone()).or_default().push(id);
            }
        }
        // What did not fit the configuration as it was may fit it as it is.
        let is_meant = |name: &String| wish.config.is_some() || changed.plugins.contains(name);
        let named: Vec<_> = steps.into_iter().filter(|(name, _)| is_meant(name)).collect();
        for (name, steps) in named {
            self.drop_in(&mut wish, &name, steps);
        }
        wish
    }

    fn drop_in(&mut self, wish: &mut Wish, name: &str, steps: Vec<StepId>) {
        let file = self.config.plugin_file(name);
        if !file.is_file() {
            return;
        }
        let from = file.display().to_string();
        let loaded = self.library.in_folder(name, &file).and_then(|(plugin, bytes)| {
            // It must be in the lake before anybody can be told to run it.
            let stored = self.line.wait(self.library.store(bytes));
            stored.unwrap_or(Ok(())).map(|()| plugin)
        });
        let plugin = match loaded {
            Ok(plugin) => plugin,
            Err(error) => {
                let state = || CandidateState::Refused { reason: error.to_string() };
                return steps.iter().for_each(|step| self.candidates.note(step, None, &from, state()));
            }
        };
        let digest = plugin.digest();
        // Only the change itself is a wish: a file that is touched later is the old one that lies about.
        let replaced = self.seen.insert(name.to_owned(), digest).filter(|before| *before != digest);
        for step in steps {
            let config = wish.config.as_ref().unwrap_or(&self.config);
            let Some(settings) = step_of(config, &step).map(|step| step.config.clone()) else { continue };
            let version = Version { plugin: plugin.clone(), config: settings };
            let origin = Origin::Folder { replaced, approved: false, shadowed: false };
            wish.steps.insert(step, Wanted { version, from: from.clone(), origin });
        }
    }

    fn read_configuration(&mut self) -> Option<Config> {
        let source = self.source.as_ref()?;
        let (text, read) = match std::fs::read_to_string(&source.file) {
            Ok(text) => (text, (source.read)()),
            Err(error) => {
                tracing::error!(%error, "the configuration cannot be read; the running one stays");
                return None;
            }
        };
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                tracing::error!(%error, "the changed configuration is refused; the running one stays");
                self.telemetry.swaps.configuration_refused();
                return None;
            }
        };
        let keys = need_restart(&self.text, &text);
        if !keys.is_empty() {
            let keys = keys.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(keys, "these changes of the configuration need a restart");
        }
        self.text = text;
        let config = taken(&self.config, read);
        let is_same = config.streams.iter().zip(&self.config.streams).all(|(new, old)| new.is_same(old));
        (!is_same).then_some(config)
    }
}
