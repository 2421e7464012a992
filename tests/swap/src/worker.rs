//! A worker with a plugin folder of its own: its process, what is asked of it, and what it measured.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use millstream_tests::{Output, Running, Workspace};

use crate::door;
use crate::holds::Holds;
use crate::ledger::{STEP, STREAM};
use crate::plan::Writing;
use crate::producer::PARTITIONS;

/// The topic.
pub(crate) const TOPIC: &str = "numbers";
/// File of the plugin, in its folder.
const FILE: &str = "plugins/mark.wasm";
/// Time between the halves of a file.
const HALFWAY: Duration = Duration::from_millis(60);
/// What is logged: the steps of a swap are.
const LOG: &str = "info,millstream_pipeline::run::swap=debug,millstream_pipeline::reload=debug";

/// One worker.
pub(crate) struct Worker {
    name: String,
    workspace: Workspace,
    running: Option<Running>,
    address: String,
    /// Of the runs that ended.
    holds: Holds,
    /// What they said.
    said: String,
}

impl Worker {
    /// A worker on the lake in the folder `lake`, with a first version in its plugin folder. Not started yet.
    pub(crate) fn new(number: usize, brokers: &str, lake: &Path, version: &[u8]) -> Self {
        let workspace = Workspace::kafka(brokers);
        workspace.write("millstream.toml", configuration(brokers, lake));
        workspace.write(FILE, version);
        Self {
            name: format!("swap-{number}"),
            workspace,
            running: None,
            address: String::new(),
            holds: Holds::default(),
            said: String::new(),
        }
    }

    /// Starts it.
    pub(crate) fn start(&mut self) {
        let run = self.workspace.millstream(&["run", "--listen", "127.0.0.1:0"]);
        let run = run.env("MILLSTREAM_WORKER__NAME", &self.name).env("MILLSTREAM_LOG", LOG);
        let running = run.env("MILLSTREAM_ADMIN__TOKEN", door::TOKEN).start();
        let line = running.wait_for_line(|line| line.contains("serving http://"));
        let (_, address) = line.split_once("serving http://").expect("the line was chosen for it");
        self.address = address.trim().to_owned();
        self.running = Some(running);
    }

    /// Its process; an error if it ended by itself.
    pub(crate) fn process(&mut self) -> anyhow::Result<&mut Running> {
        let name = &self.name;
        let running = self.running.as_mut().with_context(|| format!("{name} does not run"))?;
        if running.has_ended() {
            let output = self.running.take().context("it was there")?.finish();
            anyhow::bail!("{name} ended with {:?}: {}", output.code, last_error(&output));
        }
        self.running.as_mut().context("it was there")
    }

    /// True if it has said `text` since somebody listened last.
    pub(crate) fn has_said(&self, text: &str) -> bool {
        self.running.as_ref().is_some_and(|running| running.has_said(|line| line.contains(text)))
    }

    /// Puts a file of a new version into its plugin folder.
    pub(crate) fn drop_in(&self, version: &[u8], writing: Writing) -> anyhow::Result<()> {
        match writing {
            Writing::Renamed => {
                self.workspace.write("plugins/mark.wasm.part", version);
                std::fs::rename(self.workspace.path("plugins/mark.wasm.part"), self.workspace.path(FILE))?;
            }
            Writing::Over => self.workspace.write(FILE, version),
            Writing::Halves => {
                let (first, rest) = version.split_at(version.len() / 2);
                let mut file =
                    OpenOptions::new().write(true).truncate(true).open(self.workspace.path(FILE))?;
                file.write_all(first)?;
                std::thread::sleep(HALFWAY);
                file.write_all(rest)?;
            }
        }
        Ok(())
    }

    /// Asks the step's `verb` of its admin API; false if it cannot say so now.
    pub(crate) fn ask(&self, verb: &str, body: &str) -> anyhow::Result<bool> {
        let path = format!("/api/v1/streams/{STREAM}/steps/{STEP}/{verb}");
        match door::post(&self.address, &path, body) {
            Ok((200, _)) => Ok(true),
            // Starting, or another change was faster.
            Ok((409 | 503 | 504, _)) => Ok(false),
            Ok((code, answer)) => anyhow::bail!("{path} of {}: {code} {answer}", self.name),
            // Killed, or not there yet.
            Err(_) => Ok(false),
        }
    }

    /// `kill -9`, after a look at what it has measured.
    pub(crate) fn kill(&mut self) -> anyhow::Result<()> {
        self.process()?.signal("KILL");
        let output = self.running.take().context("it was there")?.finish();
        self.said.push_str(&output.stderr);
        ensure!(!output.stderr.contains("panicked"), "{} panicked", self.name);
        Ok(())
    }

    /// Keeps what its run has measured so far, which a kill would take along.
    pub(crate) fn note_holds(&mut self) {
        if let Some(holds) = self.measured() {
            self.holds.add(&holds);
        }
    }

    fn measured(&self) -> Option<Holds> {
        let (code, metrics) = door::get(&self.address, "/metrics").ok()?;
        (code == 200).then(|| Holds::of(&metrics))
    }

    /// Ends it in order; gives what all its runs measured.
    pub(crate) fn finish(&mut self) -> anyhow::Result<Holds> {
        self.note_holds();
        self.process()?.signal("TERM");
        let output = self.running.take().context("it was there")?.finish();
        self.said.push_str(&output.stderr);
        ensure!(
            output.code == Some(0),
            "{} ended with {:?}: {}",
            self.name,
            output.code,
            last_error(&output)
        );
        Ok(self.holds.clone())
    }

    /// Paths of the live files of a table.
    pub(crate) fn files_of(&self, table: &str) -> Vec<String> {
        self.workspace.files_of(table)
    }

    /// Name, and all that it said, for whoever looks for a bug. Its run ends by that.
    pub(crate) fn testimony(&mut self) -> (String, String) {
        if let Some(mut running) = self.running.take() {
            if !running.has_ended() {
                running.signal("KILL");
            }
            self.said.push_str(&running.finish().stderr);
        }
        (self.name.clone(), std::mem::take(&mut self.said))
    }
}

fn last_error(output: &Output) -> &str {
    output.stderr.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or("it says no reason")
}

/// One thread for each worker: the machine is small, and the broker is on it, too.
fn configuration(brokers: &str, lake: &Path) -> String {
    let lake = lake.display();
    format!(
        "[lake]\nurl = \"{lake}\"\n\n\
         [source.kafka]\nbrokers = \"{brokers}\"\ngroup = \"{TOPIC}\"\n\
         properties = {{ \"session.timeout.ms\" = 3000, \"heartbeat.interval.ms\" = 300 }}\n\n\
         [checkpoint]\ninterval = \"500ms\"\n\n[log]\nkeep_entries = 1000000\n\n\
         [plugins]\ncache_dir = \"compiled\"\n\n[worker]\nthreads = {}\n\n\
         [streams.{STREAM}]\ntopic = \"{TOPIC}\"\n\n\
         [streams.{STREAM}.schema]\nid = {{ type = \"int64\", required = true }}\n\n\
         [[streams.{STREAM}.steps]]\nname = \"{STEP}\"\nplugin = \"mark\"\n",
        PARTITIONS / 8
    )
}
