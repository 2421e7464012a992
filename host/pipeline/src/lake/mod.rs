//! The lake: a folder or a bucket that tables, entries and plugins lie in. A URL goes in, an
//! [`ObjectStore`] rooted at it comes out, proved to be writable and to create a name only once.
//! What lies in the lake is for others to know.

mod durable;
mod error;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use futures::future::join_all;
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};
use url::Url;

pub use self::durable::DurableLocal;
pub use self::error::{LakeError, Variables};
use crate::store::{RetryPolicy, StoreFigures, Watched, fetch};

/// Schemes of remote stores.
const SCHEMES: [&str; 8] = ["s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss"];

static AWS: Variables = Variables {
    all: "AWS_*",
    credentials: "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN, if they are temporary)",
};
static GOOGLE: Variables =
    Variables { all: "GOOGLE_*", credentials: "GOOGLE_SERVICE_ACCOUNT or GOOGLE_APPLICATION_CREDENTIALS" };
static AZURE: Variables = Variables {
    all: "AZURE_*",
    credentials: "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_TOKEN or AZURE_CLIENT_SECRET",
};

/// Creates that race in [`Lake::probe`].
const RACERS: usize = 4;

/// Races without a winner that [`Lake::probe`] allows.
const UNDECIDED_MAX: usize = 3;

/// An opened lake. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Lake {
    url: String,
    /// Folder of a lake that lies on this machine.
    folder: Option<PathBuf>,
    variables: Option<&'static Variables>,
    store: Arc<dyn ObjectStore>,
    figures: Arc<StoreFigures>,
}

impl Lake {
    /// Opens the lake at `url`: a folder, `file://`, `s3://bucket/prefix`, `gs://` or `az://`. A
    /// folder is made if it is missing. Credentials and endpoints come from the cloud's usual
    /// environment variables (`AWS_ENDPOINT_URL`, `AWS_ALLOW_HTTP`, …). Nothing is asked of a remote
    /// store yet: [`Lake::probe`] does.
    pub fn open(url: &str) -> Result<Self, LakeError> {
        let invalid = |reason: &str| LakeError::Url { url: url.to_owned(), reason: reason.to_owned() };
        if url.is_empty() {
            return Err(invalid("it is empty"));
        }
        if !url.contains("://") {
            return Self::open_folder(url, FilePath::new(url));
        }
        let parsed = Url::parse(url).map_err(|error| invalid(&error.to_string()))?;
        if parsed.scheme() == "file" {
            let folder = parsed.to_file_path().map_err(|()| invalid("it has no absolute path"))?;
            return Self::open_folder(url, &folder);
        }
        let (store, variables) = remote(url, &parsed)?;
        let root = Path::from_url_path(parsed.path()).map_err(|error| invalid(&error.to_string()))?;
        let store = Arc::new(PrefixStore::new(store, root));
        Ok(Self::new(url.trim_end_matches('/'), None, Some(variables), store))
    }

    fn new(
        url: &str,
        folder: Option<PathBuf>,
        variables: Option<&'static Variables>,
        store: Arc<dyn ObjectStore>,
    ) -> Self {
        let figures = Arc::<StoreFigures>::default();
        let store = Arc::new(Watched::new(store, figures.clone()));
        Self { url: url.to_owned(), folder, variables, store, figures }
    }

    /// Checks that `url` is one that [`Lake::open`] understands, without touching anything.
    pub fn check(url: &str) -> Result<(), LakeError> {
        let invalid = |reason: String| LakeError::Url { url: url.to_owned(), reason };
        let Some((scheme, _)) = url.split_once("://") else { return Ok(()) };
        Url::parse(url).map_err(|error| invalid(error.to_string()))?;
        if scheme == "file" || SCHEMES.contains(&scheme) {
            return Ok(());
        }
        Err(invalid(format!("the scheme `{scheme}` is not known")))
    }

    /// As [`Lake::open`], for looking only: a folder that does not exist is an error, and is not made.
    pub fn open_existing(url: &str) -> Result<Self, LakeError> {
        let folder = url.strip_prefix("file://").unwrap_or(url);
        if !folder.contains("://") && !FilePath::new(folder).is_dir() {
            return Err(LakeError::Missing { path: folder.to_owned() });
        }
        Self::open(url)
    }

    fn open_folder(url: &str, folder: &FilePath) -> Result<Self, LakeError> {
        let path = || folder.display().to_string();
        let store = DurableLocal::open(folder).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                LakeError::NotAFolder { path: path() }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                LakeError::PermissionDenied { lake: url.to_owned(), reason: source.to_string() }
            }
            _ => LakeError::Folder { path: path(), source },
        })?;
        let folder = Some(store.root().to_owned());
        Ok(Self::new(url, folder, None, Arc::new(store)))
    }

    /// The store, rooted at the lake. It asks once for what it is asked for, and counts that: who wants more
    /// has a [`RetryPolicy`].
    pub fn store(&self) -> Arc<dyn ObjectStore> {
        self.store.clone()
    }

    /// What the store answered so far.
    pub fn figures(&self) -> Arc<StoreFigures> {
        self.figures.clone()
    }

    /// The lake as the user named it, without a slash at the end of a URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `path`, below the lake's root, as a user can open it: a file's absolute path or a URL.
    pub fn display_path(&self, path: &str) -> String {
        match &self.folder {
            Some(folder) => folder.join(path).display().to_string(),
            None => format!("{}/{path}", self.url),
        }
    }

    /// Proves that the lake can be written, and that of several writers that create one name exactly
    /// one is told it did. Leaves nothing behind.
    pub async fn probe(&self) -> Result<(), LakeError> {
        let mut attempts = RetryPolicy::brief().begin();
        let mut undecided = 0;
        loop {
            match race(&self.store).await {
                Ok(1) => return Ok(()),
                // A store may refuse all who come at the same time, and then they try again.
                Ok(0) if undecided < UNDECIDED_MAX => undecided += 1,
                Ok(winners) => return Err(LakeError::NotExclusive { lake: self.url.clone(), winners }),
                Err(error) if attempts.go_on("probe the lake", &error).await => {}
                Err(error) => return Err(self.explain(&error)),
            }
        }
    }

    /// Finds out whether the lake can be read at all, with one request: listing a bucket that is not
    /// there, or with wrong keys, looks like a failure that may pass.
    pub async fn look(&self) -> Result<(), LakeError> {
        if self.folder.is_some() {
            return Ok(());
        }
        match fetch(&self.store, &nowhere(), RetryPolicy::brief()).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::NotFound { source, .. }) if !names_no_bucket(&source.to_string()) => {
                Ok(())
            }
            Err(source) => Err(self.explain(&source)),
        }
    }

    /// What an error of the lake's store means to who runs it, with the remedy.
    pub fn explain(&self, error: &object_store::Error) -> LakeError {
        LakeError::of_store(&self.url, self.variables, error)
    }
}

/// A path that nobody has used.
fn nowhere() -> Path {
    Path::from(format!("_probe/{:016x}", RandomState::new().hash_one(RACERS)))
}

/// True if the object was not found because its bucket (S3, Google) or container (Azure) was not.
fn names_no_bucket(answer: &str) -> bool {
    answer.contains("NoSuchBucket") || answer.contains("ContainerNotFound")
}

/// Lets several writers create one name in `store`, and says how many of them were told they did: one,
/// if a checkpoint log can be kept there. Deletes what it wrote.
pub async fn race(store: &Arc<dyn ObjectStore>) -> object_store::Result<usize> {
    let path = nowhere();
    let racers = (0..RACERS).map(|racer| {
        let content = format!("racer {racer}").into_bytes();
        store.put_opts(&path, content.into(), PutMode::Create.into())
    });
    let mut winners = 0;
    let mut failure = None;
    for outcome in join_all(racers).await {
        match outcome {
            Ok(_) => winners += 1,
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {}
            Err(source) => failure = Some(source),
        }
    }
    if let Err(error) = store.delete(&path).await
        && winners > 0
    {
        tracing::warn!(%path, %error, "what the lake was probed with cannot be deleted");
    }
    failure.map_or(Ok(winners), Err)
}

/// The store that holds the bucket of `parsed`, and the environment variables that set it up. Clients repeat
/// nothing by themselves: whoever asks has a policy, and every request is counted.
fn remote(url: &str, parsed: &Url) -> Result<(Arc<dyn ObjectStore>, &'static Variables), LakeError> {
    let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
    let (store, variables): (object_store::Result<Arc<dyn ObjectStore>>, _) = match parsed.scheme() {
        "s3" | "s3a" => {
            let builder = AmazonS3Builder::from_env().with_url(url).with_retry(once);
            let built = builder.with_conditional_put(S3ConditionalPut::ETagMatch).build();
            (built.map(|store| Arc::new(store) as _), &AWS)
        }
        "gs" => {
            let built = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(once).build();
            (built.map(|store| Arc::new(store) as _), &GOOGLE)
        }
        "az" | "azure" | "adl" | "abfs" | "abfss" => {
            let built = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(once).build();
            (built.map(|store| Arc::new(store) as _), &AZURE)
        }
        scheme => {
            let reason = format!("the scheme `{scheme}` is not known");
            return Err(LakeError::Url { url: url.to_owned(), reason });
        }
    };
    let store = store.map_err(|error| LakeError::Settings {
        lake: url.to_owned(),
        reason: error.to_string(),
        variables,
    })?;
    Ok((store, variables))
}
