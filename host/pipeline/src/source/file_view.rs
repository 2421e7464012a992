//! A look at a folder: see [`super::view`]. Where a file ends is known only by reading it, so ends are
//! left open.

use std::collections::BTreeMap;

use super::file_scan::Scan;
use super::view::{Ends, SourceView, TopicView};
use super::{FilesSettings, SourceError, file_identity, files};

/// See [`super::view::look`].
pub(super) fn look(settings: &FilesSettings, names: &[String]) -> Result<SourceView, SourceError> {
    files::check(settings)?;
    let folder = |error| SourceError::Folder { path: settings.dir.clone(), error };
    let identity = format!("files:{}", file_identity::identity(&settings.dir).map_err(folder)?);
    let mut scan = Scan::new(settings.dir.clone(), names);
    let found = scan.find_new().map_err(|(path, error)| SourceError::Folder { path, error })?;
    let mut topics: BTreeMap<String, TopicView> = BTreeMap::new();
    for at in found {
        let topic = topics.entry(at.topic.to_string()).or_default();
        topic.partitions.insert(at.partition, Ends { low: Some(0), end: None });
    }
    Ok(SourceView { identity, topics, group: None })
}
