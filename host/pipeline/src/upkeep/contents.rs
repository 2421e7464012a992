//! What a backup and a restore have in common: everything that a state of the log names is brought to
//! another lake, before the log there says so. What is there with its size is not copied again, since
//! files are written once and never changed.

use futures::{StreamExt as _, TryStreamExt as _, stream};
use millstream_log::LogState;
use object_store::path::Path;

use super::Done;
use super::copy::Copier;
use super::error::UpkeepError;
use super::inventory::{self, Sizes};

/// Objects that are copied at once.
pub(super) const COPIES_AT_ONCE: usize = 6;

/// What was brought to the other lake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Files that were copied.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub present: u64,
}

/// Why contents were not copied.
pub(super) enum CopyError {
    /// A file was cleaned away meanwhile: begin again at a newer state.
    Gone(String),
    /// Anything else.
    Failed(UpkeepError),
}

impl From<UpkeepError> for CopyError {
    fn from(error: UpkeepError) -> Self {
        Self::Failed(error)
    }
}

/// Brings plugins, configurations of steps, the live files of `state` and `progress` (of projections) to the other lake.
pub(super) async fn bring(
    copier: &Copier,
    state: &LogState,
    progress: Sizes,
    observe: &mut dyn FnMut(Done),
) -> Result<Copied, CopyError> {
    let mut wanted = live_files(copier, state).await?;
    wanted.extend(inventory::plugins(&copier.from).await?);
    wanted.extend(inventory::configs(&copier.from).await?);
    wanted.extend(progress);
    let mut present = inventory::table_files(&copier.to).await?;
    present.extend(inventory::plugins(&copier.to).await?);
    present.extend(inventory::configs(&copier.to).await?);
    present.extend(inventory::projections(&copier.to).await?);
    let (present, missing): (Vec<_>, Vec<_>) =
        wanted.into_iter().partition(|(path, bytes)| present.get(path) == Some(bytes));
    let mut copied = Copied { present: present.len() as u64, ..Copied::default() };
    let of = missing.len() as u64;
    let copies = stream::iter(missing).map(|(path, bytes)| async move {
        match copier.copy(&Path::from(path.as_str())).await {
            Ok(()) => Ok(bytes),
            Err(object_store::Error::NotFound { .. }) => Err(CopyError::Gone(path)),
            Err(source) => Err(failed(copier, format!("copy `{path}`"), source).into()),
        }
    });
    let mut copies = std::pin::pin!(copies.buffer_unordered(COPIES_AT_ONCE));
    while let Some(bytes) = copies.try_next().await? {
        copied.files += 1;
        copied.bytes += bytes;
        observe(Done { what: "files copied", done: copied.files, of });
    }
    Ok(copied)
}

/// The live files with the sizes that the log says, which are those of the files.
async fn live_files(copier: &Copier, state: &LogState) -> Result<Sizes, CopyError> {
    let there = inventory::table_files(&copier.from).await?;
    let mut wanted = Sizes::new();
    for file in state.files().values().flat_map(|files| files.values()) {
        match there.get(&file.path) {
            None => return Err(CopyError::Gone(file.path.clone())),
            Some(bytes) if *bytes != file.bytes => {
                let what = format!("has {bytes} bytes instead of {}", file.bytes);
                let (path, lake) = (file.path.clone(), copier.from.url().to_owned());
                return Err(UpkeepError::Damaged { path, lake, what }.into());
            }
            Some(bytes) => wanted.insert(file.path.clone(), *bytes),
        };
    }
    Ok(wanted)
}

/// A request to the lake that is written.
pub(super) fn failed(copier: &Copier, what: String, source: object_store::Error) -> UpkeepError {
    UpkeepError::Store { what, lake: copier.to.url().to_owned(), source }
}
