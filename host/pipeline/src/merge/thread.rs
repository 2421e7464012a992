//! The merging thread. It asks over a bounded channel for what there is to merge and for entries to be appended;
//! whoever has the log answers, when it suits. What the log does not take is thrown away. A thread that is told
//! to end does so within a batch of rows, and leaves at most a file that no entry names.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use millstream_model::entry::{DataFile, Replace};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};

use super::MergeSettings;
use super::choose::{Group, Groups};
use super::pace::Pace;
use super::rewrite::{MergeError, Rewriter, Rewritten};
use crate::sink::{FileNames, SinkSettings};
use crate::telemetry::MergeFigures;

/// Looks without anything to do that a failure is waited out for, doubled for each further one.
const FAILURES_WAITED_MAX: u32 = 6;

/// What the thread asks of who has the log.
#[derive(Debug)]
pub enum MergeRequest {
    /// What may be merged now.
    Look(oneshot::Sender<Groups>),
    /// To append this entry.
    Append(Replace, oneshot::Sender<Verdict>),
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stands.
    Accepted,
    /// It never will: a file is not live any more.
    Rejected,
    /// It is not known whether it stands.
    Unknown,
}

/// What a merging thread works with.
pub struct MergeContext {
    /// When and how to merge.
    pub settings: MergeSettings,
    /// True if the thread ends as soon as there is nothing more to merge.
    pub once: bool,
    /// The lake.
    pub store: Arc<dyn ObjectStore>,
    /// How files are written.
    pub sink: Arc<SinkSettings>,
    /// Names of a session that the log has opened.
    pub names: FileNames,
    /// What it counts in.
    pub figures: Arc<MergeFigures>,
}

/// A merging thread; ends when dropped.
#[derive(Debug)]
pub struct Merger {
    requests: mpsc::Receiver<MergeRequest>,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Merger {
    /// Starts the thread. I/O is done on `runtime`, which must have other threads than those that wait for it.
    pub fn start(context: MergeContext, runtime: Handle) -> io::Result<Self> {
        let (sender, requests) = mpsc::channel(1);
        let (stop, stopped) = watch::channel(false);
        let MergeContext { settings, once, store, sink, names, figures } = context;
        let pace = Pace::new(settings.cpu_share, runtime.clone(), stopped);
        let rewriter = Rewriter::new(store.clone(), sink, names, pace);
        let work = Work {
            settings,
            once,
            store,
            rewriter,
            figures,
            requests: sender,
            left_alone: BTreeSet::new(),
            failures: 0,
        };
        let thread = std::thread::Builder::new().name("merge".to_owned()).spawn(move || work.run())?;
        Ok(Self { requests, stop, thread: Some(thread) })
    }

    /// The next request; none once the thread has ended.
    pub async fn next(&mut self) -> Option<MergeRequest> {
        self.requests.recv().await
    }
}

impl Drop for Merger {
    /// Ends the thread and waits for it: no longer than a few rows or a request to the store take.
    fn drop(&mut self) {
        self.stop.send_replace(true);
        // A request that waits for an answer learns that there will be none.
        let (_, closed) = mpsc::channel(1);
        self.requests = closed;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by the thread itself; there is nothing to add here.
            let _ = thread.join();
        }
    }
}

struct Work {
    settings: MergeSettings,
    once: bool,
    store: Arc<dyn ObjectStore>,
    rewriter: Rewriter,
    figures: Arc<MergeFigures>,
    requests: mpsc::Sender<MergeRequest>,
    /// Files that cannot be read: merging goes on without them.
    left_alone: BTreeSet<String>,
    /// Looks in a row at which something failed.
    failures: u32,
}

/// What is to be done after an attempt to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Look for more in the same group.
    Again,
    /// Go on with the next group: this one has changed, or is done.
    Onward,
    /// Wait before anything else.
    Wait,
    /// End.
    End,
}

impl Work {
    fn run(mut self) {
        loop {
            if !self.once || self.failures > 0 {
                let times = 1 << self.failures.min(FAILURES_WAITED_MAX);
                self.rewriter.pace.wait(self.settings.interval * times);
            }
            let Some(groups) = self.ask(MergeRequest::Look) else { return };
            let merges = self.figures.merges();
            if !self.merge_all(groups) {
                return;
            }
            let idle = self.figures.merges() == merges && self.failures == 0;
            if self.once && (idle || self.failures > FAILURES_WAITED_MAX) {
                return;
            }
        }
    }

    /// Merges what these groups hold; false if the thread is to end.
    fn merge_all(&mut self, mut groups: Groups) -> bool {
        let known: BTreeSet<_> =
            groups.iter().flat_map(|group| &group.files).map(|file| file.path.clone()).collect();
        self.rewriter.forms.retain(|path| known.contains(path));
        self.left_alone.retain(|path| known.contains(path));
        for group in &mut groups {
            group.files.retain(|file| !self.left_alone.contains(&file.path));
            loop {
                match self.merge_once(group) {
                    Next::Again => {}
                    Next::Onward => break,
                    Next::Wait => return true,
                    Next::End => return false,
                }
            }
        }
        self.failures = 0;
        true
    }

    fn merge_once(&mut self, group: &mut Group) -> Next {
        let forms = &self.rewriter.forms;
        let Some(files) = group.next_merge(&self.settings, |file| forms.of(file)) else {
            return Next::Onward;
        };
        tracing::debug!(table = group.table, day = group.day, files = files.len(), "merging files");
        let rewritten = self.rewriter.rewrite(&files);
        self.figures.add_busy(self.rewriter.pace.take_worked());
        match rewritten {
            Ok(Rewritten::Merged { replace, file, bytes_read }) => {
                self.append(group, replace, *file, bytes_read)
            }
            // Their forms are known now.
            Ok(Rewritten::Apart) => Next::Again,
            Ok(Rewritten::Over) => Next::End,
            Err(error) => self.failed(group, &error),
        }
    }

    fn append(&mut self, group: &mut Group, replace: Replace, file: DataFile, bytes_read: u64) -> Next {
        let removed = replace.removed.clone();
        match self.ask(|reply| MergeRequest::Append(replace, reply)) {
            Some(Verdict::Accepted) => {
                let Group { table, day, .. } = &*group;
                tracing::info!(
                    table,
                    day,
                    files = removed.len(),
                    rows = file.rows,
                    bytes = file.bytes,
                    path = file.path,
                    "files merged"
                );
                self.figures.merged(removed.len() as u64, bytes_read, file.bytes);
                group.merged(&removed, file, &self.settings);
                Next::Again
            }
            Some(Verdict::Rejected) => {
                tracing::info!(table = group.table, "another worker was faster at merging; thrown away");
                self.figures.rejected();
                self.throw_away(&file);
                Next::Onward
            }
            // The cleaner will know.
            Some(Verdict::Unknown) => Next::Onward,
            None => Next::End,
        }
    }

    /// No entry will ever name the file.
    fn throw_away(&mut self, file: &DataFile) {
        let path = Path::from(file.path.as_str());
        if let Some(Err(error)) = self.rewriter.pace.until_over(self.store.delete(&path)) {
            tracing::debug!(path = file.path, %error, "a merged file that nobody names is left to the cleaner");
        }
    }

    fn failed(&mut self, group: &mut Group, error: &MergeError) -> Next {
        self.figures.failed();
        match error.culprit() {
            Some(path) => {
                tracing::warn!(table = group.table, %error, "a file is left out of merging");
                group.files.retain(|file| file.path != path);
                self.left_alone.insert(path.to_owned());
                Next::Again
            }
            None => {
                self.failures += 1;
                tracing::warn!(table = group.table, %error, "files cannot be merged now; trying again later");
                Next::Wait
            }
        }
    }

    /// Asks and waits for the answer; none if the thread must end.
    fn ask<T>(&mut self, request: impl FnOnce(oneshot::Sender<T>) -> MergeRequest) -> Option<T> {
        if self.rewriter.pace.is_over() {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        self.requests.blocking_send(request(reply)).ok()?;
        answer.blocking_recv().ok()
    }
}
