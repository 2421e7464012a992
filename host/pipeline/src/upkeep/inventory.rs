//! What lies in a lake, whether an entry names it or not: paths below the root with their sizes.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use object_store::path::Path;

use super::error::UpkeepError;
use crate::lake::Lake;
use crate::library::{CONFIG_FOLDER, PLUGIN_FOLDER};

/// Sizes by path below the lake's root.
pub(super) type Sizes = BTreeMap<String, u64>;

/// Folders at the root that hold no tables.
const NOT_TABLES: [&str; 2] = ["_millstream", "_probe"];

/// Folder of the progress of projections.
pub(super) const PROJECTIONS: &str = "_millstream/projections";

/// The folders at the lake's root in which tables may lie.
pub(super) async fn table_folders(lake: &Lake) -> Result<Vec<Path>, UpkeepError> {
    let listed = lake.store().list_with_delimiter(None).await;
    let folders = listed.map_err(|source| failed(lake, "/", source))?.common_prefixes.into_iter();
    Ok(folders.filter(|folder| !NOT_TABLES.contains(&folder.as_ref())).collect())
}

/// Every file that is part of a table or once was to be.
pub(super) async fn table_files(lake: &Lake) -> Result<Sizes, UpkeepError> {
    let mut sizes = Sizes::new();
    for folder in table_folders(lake).await? {
        sizes.extend(files(lake, folder).await?);
    }
    Ok(sizes)
}

/// The plugins that are kept in the lake.
pub(super) async fn plugins(lake: &Lake) -> Result<Sizes, UpkeepError> {
    files(lake, Path::from(PLUGIN_FOLDER)).await
}

/// The configurations of steps that are kept in the lake.
pub(super) async fn configs(lake: &Lake) -> Result<Sizes, UpkeepError> {
    files(lake, Path::from(CONFIG_FOLDER)).await
}

/// How far projections came.
pub(super) async fn projections(lake: &Lake) -> Result<Sizes, UpkeepError> {
    files(lake, Path::from(PROJECTIONS)).await
}

async fn files(lake: &Lake, folder: Path) -> Result<Sizes, UpkeepError> {
    let listed = lake.store().list(Some(&folder)).map_ok(|meta| (meta.location.to_string(), meta.size));
    listed.try_collect().await.map_err(|source| failed(lake, folder.as_ref(), source))
}

fn failed(lake: &Lake, folder: &str, source: object_store::Error) -> UpkeepError {
    UpkeepError::Store { what: format!("list `{folder}`"), lake: lake.url().to_owned(), source }
}
