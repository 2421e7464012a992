//! Answers what a running process is asked for: pauses are written here, changes of steps are for the
//! reloading thread to load, check and propose.

use millstream_model::entry::{Body, Control, Sequence};
use tokio::sync::mpsc;

use super::coordinator::Coordinator;
use crate::admin::{AdminError, Reply, Request};
use crate::checkpoint::AppendError;
use crate::error::RunError;
use crate::reload::Order;

impl Coordinator<'_> {
    /// Does what is asked for, or says why not. Who asked may have gone away.
    pub(super) async fn on_request(&mut self, request: Request) -> Result<(), RunError> {
        match request {
            Request::Pause(stream, reason, reply) => {
                let answer = self.pause(stream, reason, None).await?;
                let _ = reply.send(answer);
            }
            Request::Resume(stream, reply) => {
                let answer = self.resume(stream).await?;
                let _ = reply.send(answer);
            }
            request => self.pass_on(request),
        }
        Ok(())
    }

    fn pass_on(&mut self, request: Request) {
        let Some(reloader) = &self.reloader else { return refuse(request) };
        if let Err(Order::Request(request)) = reloader.order(Order::Request(request)) {
            refuse(request);
        }
    }

    /// Pauses a stream on all workers.
    pub(super) async fn pause(
        &mut self,
        stream: String,
        reason: String,
        step: Option<String>,
    ) -> Result<Result<Sequence, AdminError>, RunError> {
        if let Some(unknown) = self.unknown(&stream) {
            return Ok(Err(unknown));
        }
        self.log.refresh().await?;
        if let Some(pause) = self.log.state().paused().get(&stream) {
            let text = format!("stream `{stream}` is paused already: {}", pause.reason);
            return Ok(Err(AdminError::Conflict(text)));
        }
        // A circuit's pause is about the version that runs here, and not about one that takes its place just now.
        if step.is_some() && !self.standing.is_in_line(&self.log) {
            let text = format!("a step of stream `{stream}` is being exchanged");
            return Ok(Err(AdminError::Conflict(text)));
        }
        self.change_pause(Control::Paused { stream, reason, step }).await
    }

    async fn resume(&mut self, stream: String) -> Result<Result<Sequence, AdminError>, RunError> {
        if let Some(unknown) = self.unknown(&stream) {
            return Ok(Err(unknown));
        }
        self.log.refresh().await?;
        if !self.log.state().paused().contains_key(&stream) {
            return Ok(Err(AdminError::Conflict(format!("stream `{stream}` is not paused"))));
        }
        self.change_pause(Control::Resumed { stream }).await
    }

    fn unknown(&self, stream: &str) -> Option<AdminError> {
        let known = self.config.streams.iter().any(|known| known.name == stream);
        (!known).then(|| AdminError::Unknown(format!("there is no stream `{stream}`")))
    }

    async fn change_pause(&mut self, control: Control) -> Result<Result<Sequence, AdminError>, RunError> {
        let appended = self.log.append(Body::Control(control)).await;
        self.note_log();
        match appended {
            Ok(sequence) => Ok(Ok(sequence)),
            Err(AppendError::Rejected(_)) if !self.is_open() => Err(self.ended()),
            Err(AppendError::Rejected(rejection)) => Ok(Err(AdminError::Conflict(rejection.to_string()))),
            Err(AppendError::Fenced) => Ok(Err(AdminError::Conflict(
                "the log has moved on meanwhile; look, and ask again".to_owned(),
            ))),
            Err(error) => Err(self.refused(error)),
        }
    }
}

/// The reloading thread has too much to do, or has ended with the run.
fn refuse(request: Request) {
    fn refuse<T>(reply: Reply<T>) {
        let _ = reply.send(Err(AdminError::NotRunning("busy or ending")));
    }
    match request {
        Request::Approve(_, _, reply) | Request::Dismiss(_, reply) => refuse(reply),
        Request::Promote(_, _, reply) | Request::RollBack(_, _, reply) => refuse(reply),
        Request::Pause(_, _, reply) | Request::Resume(_, reply) => refuse(reply),
        Request::Shadow(_, _, _, reply) => refuse(reply),
    }
}

/// The next request; waits for ever once nobody can ask any more.
pub(super) async fn next(requests: &mut mpsc::Receiver<Request>) -> Request {
    match requests.recv().await {
        Some(request) => request,
        None => std::future::pending().await,
    }
}
