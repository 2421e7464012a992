//! Finds out at start whether a store keeps the one promise that the log is built on: of several
//! creates of one object, exactly one succeeds. (A released SeaweedFS let all of them win.)

use std::sync::Arc;

use futures::future::join_all;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::error::LogError;
use super::random;

const RACERS: usize = 8;
/// A client that retries inside may report no winner at all, so one such race proves nothing.
const RACES: u32 = 3;

/// Lets eight creates of one object race in the folder `prefix`: exactly one must win, the object must
/// hold the winner's bytes, and a ninth must fail. Leaves nothing behind.
pub async fn probe(store: &Arc<dyn ObjectStore>, prefix: &Path) -> Result<(), LogError> {
    let mut failure = None;
    for _ in 0..RACES {
        let path = prefix.clone().join("probe").join(format!("{:016x}", random::number()));
        let result = race(store, &path).await;
        // A leftover is harmless: its name is used once.
        let _ = store.delete(&path).await;
        match result {
            Ok(()) => return Ok(()),
            Err(error @ LogError::Unsuitable { winners: 2.., .. }) => return Err(error),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(()), Err)
}

async fn race(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<(), LogError> {
    let puts = (0..RACERS).map(|racer| create(store, path, racer));
    let results = join_all(puts).await;
    let mut winners: Vec<_> = (0..RACERS).filter(|racer| results[*racer].is_ok()).collect();
    if winners.is_empty() {
        let failed = results.into_iter().filter_map(Result::err);
        let mut real =
            failed.filter(|e| !matches!(e, Error::AlreadyExists { .. } | Error::Precondition { .. }));
        if let Some(source) = real.next() {
            return Err(store_error(store, "create", path, source));
        }
    }
    if create(store, path, RACERS).await.is_ok() {
        winners.push(RACERS);
    }
    let [winner] = winners[..] else {
        return Err(LogError::Unsuitable {
            store: store.to_string(),
            racers: RACERS + 1,
            winners: winners.len(),
        });
    };
    let read = async { store.get(path).await?.bytes().await };
    let bytes = read.await.map_err(|source| store_error(store, "read", path, source))?;
    match bytes == winner.to_string() {
        true => Ok(()),
        false => Err(LogError::Overwritten { store: store.to_string(), path: path.to_string() }),
    }
}

async fn create(store: &Arc<dyn ObjectStore>, path: &Path, racer: usize) -> Result<(), Error> {
    let payload = PutPayload::from(racer.to_string().into_bytes());
    store.put_opts(path, payload, PutMode::Create.into()).await.map(drop)
}

fn store_error(store: &Arc<dyn ObjectStore>, verb: &str, path: &Path, source: Error) -> LogError {
    LogError::Store { what: format!("{verb} `{path}`"), store: store.to_string(), attempts: 1, source }
}
