//! The checkpoint log over real object stores and over one that lies about its answers.

use std::sync::Arc;

use millstream_model::{Clock, SystemClock};
use millstream_pipeline::checkpoint::CheckpointLog;
use object_store::memory::InMemory;
use object_store::path::Path;

#[tokio::test]
async fn opens() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let log = CheckpointLog::open(Arc::new(InMemory::new()), Path::from("_millstream/log"), clock).await;
    assert_eq!(log.unwrap().state().sequence(), 0);
}
