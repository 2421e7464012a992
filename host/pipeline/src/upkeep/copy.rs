//! Copies objects from one lake to another: within the store where both lie in one bucket, else through
//! this process in parts, so that memory is bounded whatever the size.

use std::sync::Arc;

use futures::TryStreamExt as _;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, WriteMultipart};
use url::Url;

use super::error::UpkeepError;
use crate::lake::Lake;

/// Objects up to this size are held whole.
const WHOLE_BYTES_MAX: u64 = 8 << 20;
/// Parts of a larger one that are on their way at once.
const PARTS_AT_ONCE: usize = 2;

/// Two lakes, the second of which is written.
pub(super) struct Copier {
    pub(super) from: Lake,
    pub(super) to: Lake,
    bucket: Option<Bucket>,
}

/// The bucket that holds both lakes, with their folders in it.
struct Bucket {
    store: Arc<dyn ObjectStore>,
    from: Path,
    to: Path,
}

impl Copier {
    /// Refuses places of which one holds the other.
    pub(super) fn new(from: &Lake, to: &Lake) -> Result<Self, UpkeepError> {
        let (a, b) = (place(from), place(to));
        let is_within = |inner: &str, outer: &str| {
            inner == outer || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
        };
        if is_within(&a, &b) || is_within(&b, &a) {
            return Err(UpkeepError::SamePlace { from: from.url().to_owned(), to: to.url().to_owned() });
        }
        Ok(Self { from: from.clone(), to: to.clone(), bucket: bucket(from, to)? })
    }

    /// Copies the object at `path`, over what is there. It is whole or not there at all.
    pub(super) async fn copy(&self, path: &Path) -> object_store::Result<()> {
        match &self.bucket {
            Some(Bucket { store, from, to }) => store.copy(&below(from, path), &below(to, path)).await,
            None => self.stream(path).await,
        }
    }

    async fn stream(&self, path: &Path) -> object_store::Result<()> {
        let got = self.from.store().get(path).await?;
        if got.meta.size <= WHOLE_BYTES_MAX {
            let bytes = got.bytes().await?;
            return self.to.store().put(path, bytes.into()).await.map(drop);
        }
        let upload = self.to.store().put_multipart(path).await?;
        let mut upload = WriteMultipart::new(upload);
        let mut parts = got.into_stream();
        while let Some(part) = parts.try_next().await? {
            upload.wait_for_capacity(PARTS_AT_ONCE).await?;
            upload.write(&part);
        }
        upload.finish().await.map(drop)
    }
}

fn below(folder: &Path, path: &Path) -> Path {
    folder.parts().chain(path.parts()).collect()
}

/// The place of a lake, so that one that lies in another begins with it.
fn place(lake: &Lake) -> String {
    lake.display_path("").trim_end_matches('/').to_owned()
}

/// The bucket, if both lie in one. Two folders of one machine are none: a copy there that costs nothing
/// is a link, which is no backup.
fn bucket(from: &Lake, to: &Lake) -> Result<Option<Bucket>, UpkeepError> {
    let parsed = |lake: &Lake| Url::parse(lake.url()).ok().filter(|url| url.scheme() != "file");
    let (Some(a), Some(b)) = (parsed(from), parsed(to)) else { return Ok(None) };
    let root = |url: &Url| url[..url::Position::BeforePath].to_owned();
    let folder = |url: &Url| Path::from_url_path(url.path()).ok();
    match (folder(&a), folder(&b)) {
        (Some(from), Some(to)) if root(&a) == root(&b) => {
            Ok(Some(Bucket { store: Lake::open(&root(&a))?.store(), from, to }))
        }
        _ => Ok(None),
    }
}
