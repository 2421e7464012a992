//! Values of a store brought from one version to the next by the plugin that has the next. Nothing is changed
//! here: whoever swaps plugins replaces the values if all of them came through.

use super::KeyedInstance;
use crate::column::{items, pack};

/// Values that one call migrates at most.
const VALUES_PER_CALL: usize = 8192;

/// Values of a store could not be migrated: the swap is refused and nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MigrateError {
    /// The plugin cannot do it, or failed at it.
    #[error("plugin `{plugin}` {reason}, migrating store `{store}` from version {from_version}")]
    Failed {
        /// Name of the plugin.
        plugin: String,
        /// The store.
        store: String,
        /// Version of the values.
        from_version: u32,
        /// What it did.
        reason: String,
    },
    /// The plugin refuses.
    #[error("plugin `{plugin}` refuses to migrate store `{store}` from version {from_version}: {reason}")]
    Refused {
        /// Name of the plugin.
        plugin: String,
        /// The store.
        store: String,
        /// Version of the values.
        from_version: u32,
        /// Its reason.
        reason: String,
    },
}

impl KeyedInstance {
    /// What values of `store`, with their keys, become: none where they are deleted.
    ///
    /// # Errors
    /// If the plugin does not export `migration`, fails or refuses.
    pub fn migrate(
        &mut self,
        store: &str,
        from_version: u32,
        entries: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Vec<Option<Vec<u8>>>, MigrateError> {
        let mut migrated = Vec::with_capacity(entries.len());
        for part in entries.chunks(VALUES_PER_CALL) {
            migrated.extend(self.migrate_part(store, from_version, part)?);
        }
        Ok(migrated)
    }

    fn migrate_part(
        &mut self,
        store: &str,
        from_version: u32,
        part: &[(Vec<u8>, Vec<u8>)],
    ) -> Result<Vec<Option<Vec<u8>>>, MigrateError> {
        let plugin = || self.step.plugin().name().to_owned();
        let failed =
            |reason| MigrateError::Failed { plugin: plugin(), store: store.to_owned(), from_version, reason };
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.step.step.start(self.step.step.start_allowance()).map_err(failed)?,
        };
        let (keys, values): (Vec<_>, Vec<_>) =
            part.iter().map(|(key, value)| (Some(key), Some(value))).unzip();
        let (shared, allowance) = (&self.step.step.engine().shared, self.step.step.start_allowance());
        let answer = running
            .migrate(shared, (store, from_version), (pack(&keys), pack(&values)), allowance)
            .map_err(failed)?;
        let refused = |reason| MigrateError::Refused {
            plugin: plugin(),
            store: store.to_owned(),
            from_version,
            reason,
        };
        let values = answer.map_err(refused)?;
        let values = items(&values).map_err(|how| failed(format!("gave values with {how}")))?;
        if values.len() != part.len() {
            return Err(failed(format!("gave {} values for {} keys", values.len(), part.len())));
        }
        let values = values.into_iter().map(|value| value.map(<[u8]>::to_vec)).collect();
        self.running = Some(running);
        Ok(values)
    }
}
