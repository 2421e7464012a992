//! A store that counts what it is asked and what it answers, and changes nothing. A list is one request,
//! however many pages it has, and is answered with its first object; deletions are counted by object, and
//! not timed, since one request may delete many.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

use super::answer::Operation;
use super::figures::StoreFigures;

/// A store whose requests are counted, see the [module](self).
#[derive(Debug)]
pub struct Watched {
    inner: Arc<dyn ObjectStore>,
    figures: Arc<StoreFigures>,
}

impl Watched {
    /// Counts the requests to `inner` in `figures`.
    pub fn new(inner: Arc<dyn ObjectStore>, figures: Arc<StoreFigures>) -> Self {
        Self { inner, figures }
    }

    async fn ask<T>(
        &self,
        operation: Operation,
        path: &Path,
        request: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        counted(&self.figures, operation, path, request).await
    }

    /// Counts the first object of a list, or its end, as the answer, and an error behind it as another one.
    fn count_list(
        &self,
        path: &Path,
        list: BoxStream<'static, Result<ObjectMeta>>,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        let (figures, path) = (self.figures.clone(), path.clone());
        let counted = async move {
            // Streams of lists may panic when they are asked again after their end.
            let mut list = list.fuse();
            let first = counted(&figures, Operation::List, &path, list.next().map(Option::transpose)).await;
            let rest = list.inspect_err(move |error| {
                figures.answered(Operation::List, path.as_ref(), Some(error));
            });
            futures::stream::iter(first.transpose()).chain(rest)
        };
        counted.flatten_stream().boxed()
    }
}

async fn counted<T>(
    figures: &StoreFigures,
    operation: Operation,
    path: &Path,
    request: impl Future<Output = Result<T>>,
) -> Result<T> {
    let counted = figures.begin(operation, path.as_ref());
    let result = request.await;
    counted.end(path.as_ref(), result.as_ref().err());
    result
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

#[async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, location: &Path, payload: PutPayload, opts: PutOptions) -> Result<PutResult> {
        self.ask(Operation::Put, location, self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.inner.put_multipart_opts(location, opts);
        let inner = self.ask(Operation::Put, location, begun).await?;
        Ok(Box::new(WatchedUpload { inner, figures: self.figures.clone(), location: location.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let mut result = self.ask(Operation::Get, location, self.inner.get_opts(location, options)).await?;
        if let GetResultPayload::Stream(bytes) = result.payload {
            let (figures, location) = (self.figures.clone(), location.clone());
            let bytes = bytes.inspect_err(move |error| {
                figures.answered(Operation::Get, location.as_ref(), Some(error));
            });
            result.payload = GetResultPayload::Stream(bytes.boxed());
        }
        Ok(result)
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.ask(Operation::Get, location, self.inner.get_ranges(location, ranges)).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let figures = self.figures.clone();
        let deleted = self.inner.delete_stream(locations).inspect(move |result| {
            let path = result.as_ref().map_or("", |path| path.as_ref());
            figures.answered(Operation::Delete, path, result.as_ref().err());
        });
        deleted.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count_list(prefix.unwrap_or(&Path::default()), self.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.count_list(prefix.unwrap_or(&Path::default()), self.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let listed = self.inner.list_with_delimiter(prefix);
        self.ask(Operation::List, prefix.unwrap_or(&Path::default()), listed).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.ask(Operation::Copy, to, self.inner.copy_opts(from, to, options)).await
    }
}

/// An object written in parts, each of which is a request.
#[derive(Debug)]
struct WatchedUpload {
    inner: Box<dyn MultipartUpload>,
    figures: Arc<StoreFigures>,
    location: Path,
}

#[async_trait]
impl MultipartUpload for WatchedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (part, figures, location) =
            (self.inner.put_part(data), self.figures.clone(), self.location.clone());
        async move { counted(&figures, Operation::Put, &location, part).await }.boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        counted(&self.figures, Operation::Put, &self.location, self.inner.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        counted(&self.figures, Operation::Delete, &self.location, self.inner.abort()).await
    }
}
