//! Answers what a running process is asked for.

use tokio::sync::mpsc;

use super::coordinator::Coordinator;
use crate::admin::{AdminError, Reply, Request};
use crate::error::RunError;

impl Coordinator<'_> {
    /// Does what is asked for, or says why not.
    pub(super) async fn on_request(&mut self, request: Request) -> Result<(), RunError> {
        match request {
            Request::Approve(_, _, reply) | Request::Dismiss(_, reply) => refuse(reply),
            Request::Promote(_, _, reply) | Request::RollBack(_, _, reply) => refuse(reply),
            Request::Pause(_, _, reply) | Request::Resume(_, reply) => refuse(reply),
            Request::Shadow(_, _, _, reply) => refuse(reply),
        }
        Ok(())
    }
}

fn refuse<T>(reply: Reply<T>) {
    // Who asked may have gone away.
    let _ = reply.send(Err(AdminError::NotRunning("starting")));
}

/// The next request; waits for ever once nobody can ask any more.
pub(super) async fn next(requests: &mut mpsc::Receiver<Request>) -> Request {
    match requests.recv().await {
        Some(request) => request,
        None => std::future::pending().await,
    }
}
