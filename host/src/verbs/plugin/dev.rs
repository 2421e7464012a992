//! `millstream plugin dev`: on every save builds a plugin, runs its cases, and hands what passed to a running
//! process, by the plugin folder or as a shadow. What fails is said, and changes nothing.

mod taken;

use std::fmt::Display;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use millstream_toolchain::{BuildError, Built, DropInError, PluginFolder, drop_in};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::watch::{Watch, Watched};
use super::{build, shadow, test};
use crate::client::AdminClient;
use crate::exit::{self, Told};
use crate::{args, out};

/// How often cases are run again with their rows cut at random.
const CUTS: u32 = 4;

/// Watches until it is interrupted.
pub async fn dev(args: args::Dev) -> anyhow::Result<()> {
    let context = "cannot listen for signals";
    let mut interrupt = signal(SignalKind::interrupt()).context(context)?;
    let mut terminate = signal(SignalKind::terminate()).context(context)?;
    let mut session = Session::new(args)?;
    tokio::select! {
        ended = session.rounds() => ended,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// A plugin under development.
struct Session {
    args: args::Dev,
    folder: PluginFolder,
    cases: PathBuf,
    watch: Watch,
    process: Option<AdminClient>,
}

impl Session {
    fn new(args: args::Dev) -> anyhow::Result<Self> {
        let folder = PluginFolder::open(&args.folder).map_err(BuildError::from)?;
        if let Some(into) = args.into.as_ref().filter(|into| !into.is_dir()) {
            return Err(DropInError::NoFolder { into: into.clone() }.into());
        }
        let cases = args.cases.clone().unwrap_or_else(|| folder.cases());
        let watch = Watch::new(Watched::Sources(folder.clone()), cases.clone())?;
        let mut session = Self { args, folder, cases, watch, process: None };
        if session.args.into.is_some() {
            match AdminClient::new(&session.args.admin) {
                Ok(client) => session.process = Some(client),
                Err(error) => session.say("note", format!("nobody is asked who runs it: {error}"))?,
            }
        }
        Ok(session)
    }

    async fn rounds(&mut self) -> anyhow::Result<()> {
        loop {
            self.round().await?;
            self.watch.learn();
            self.say("wait", format!("for a change in {}; ctrl-c ends", self.folder.path().display()))?;
            self.watch.changed().await;
        }
    }

    /// One save's way. A step that fails has said so and ends it; an error is that of a standard output that is
    /// closed.
    async fn round(&self) -> anyhow::Result<()> {
        let built = build::on_a_thread(self.folder.clone()).await;
        let Some(built) = self.step("build", built, build::said)? else { return Ok(()) };
        if !self.passes(&built).await? {
            return Ok(());
        }
        if let Some(into) = &self.args.into {
            let dropped = drop_in(&self.folder, &built, into).map_err(anyhow::Error::from);
            if self.step("drop in", dropped, |dropped| dropped.file.display().to_string())?.is_some() {
                self.wait_until_taken(&built).await?;
            }
        }
        if let Some(time) = self.args.shadow {
            let shadowed = shadow::shadow(self.shadow(&built, time)).await;
            self.step("shadow", shadowed, |()| "at its end".to_owned())?;
        }
        Ok(())
    }

    async fn passes(&self, built: &Built) -> anyhow::Result<bool> {
        if !self.cases.is_dir() {
            self.say("test", format!("nothing tested: there is no folder {}", self.cases.display()))?;
            return Ok(true);
        }
        let start = Instant::now();
        let tested = test::test(self.tests(built)).await;
        let seconds = start.elapsed().as_secs_f64();
        let said = |(): &()| format!("every case passes ({seconds:.1} s)");
        Ok(self.step("test", tested, said)?.is_some())
    }

    async fn wait_until_taken(&self, built: &Built) -> anyhow::Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        let start = Instant::now();
        let said = taken::wait(process, self.folder.name(), &built.digest, || self.watch.has_changed()).await;
        self.say("run", format!("{said} ({:.1} s)", start.elapsed().as_secs_f64()))
    }

    /// Says how a step ended; its value, if it did well.
    fn step<T>(
        &self,
        step: &str,
        done: anyhow::Result<T>,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<Option<T>> {
        let error = match done {
            Ok(value) => return self.say(step, text(&value)).map(|()| Some(value)),
            Err(error) => error,
        };
        let rest = match (&self.args.into, self.args.shadow) {
            (Some(_), _) => "; nothing was dropped in",
            (None, Some(_)) => "; nothing was shadowed",
            (None, None) => "",
        };
        let reason = if error.is::<Told>() { "see above".to_owned() } else { exit::text(&error) };
        self.say(step, format!("failed: {reason}{rest}")).map(|()| None)
    }

    fn say(&self, step: &str, text: impl Display) -> anyhow::Result<()> {
        match self.args.admin.json {
            true => out::line(json!({ "step": step, "text": text.to_string() })),
            false => out::line(format_args!("{step:<8}{text}")),
        }
    }

    fn tests(&self, built: &Built) -> args::Test {
        let config = self.args.admin.process.config.clone();
        args::Test {
            plugin: args::PluginUnderTest {
                folder: self.folder.path().to_owned(),
                wasm: Some(built.file.clone()),
                cases: Some(self.cases.clone()),
            },
            filter: None,
            bless: false,
            watch: false,
            cuts: Some(CUTS),
            seed: None,
            from_dead_letters: false,
            letters: args::LettersToCases { step: None, per_reason: NonZeroUsize::MIN, lake: None, config },
            json: self.args.admin.json,
        }
    }

    fn shadow(&self, built: &Built, time: std::time::Duration) -> args::Shadow {
        args::Shadow {
            file: Some(built.file.clone()),
            digest: None,
            time: Some(time),
            last: None,
            fail_on_difference: false,
            step: args::OneStep {
                step: self.args.step.clone().unwrap_or_default(),
                admin: self.args.admin.clone(),
            },
        }
    }
}
