//! `millstream plugin dev`: on every save builds a plugin, runs its cases, and hands what passed to a running
//! process, by the plugin folder or as a shadow. What fails is said, and changes nothing.

mod taken;
mod watch;

use std::fmt::Display;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use millstream_toolchain::{BuildError, Built, PluginFolder, drop_in};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use self::watch::Watch;
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

/// Why a round ended before its end; it has been said.
struct Stopped;

impl Session {
    fn new(args: args::Dev) -> anyhow::Result<Self> {
        let folder = PluginFolder::open(&args.folder).map_err(BuildError::from)?;
        let cases = args.cases.clone().unwrap_or_else(|| folder.cases());
        let watch = Watch::new(folder.clone(), cases.clone())?;
        let mut session = Self { args, folder, cases, watch, process: None };
        if session.args.into.is_some() {
            match AdminClient::new(&session.args.admin) {
                Ok(client) => session.process = Some(client),
                Err(error) => session.say("note", None, format!("nobody is asked who runs it: {error}"))?,
            }
        }
        Ok(session)
    }

    async fn rounds(&mut self) -> anyhow::Result<()> {
        loop {
            // A round that stopped has said why; the next save may mend it.
            let _: Result<(), Stopped> = self.round().await?;
            self.say("wait", None, format!("for a change in {}; ctrl-c ends", self.folder.path().display()))?;
            self.watch.changed().await?;
        }
    }

    /// One save's way. The outer error is that of a standard output that is closed.
    async fn round(&self) -> anyhow::Result<Result<(), Stopped>> {
        let built = match self.step("build", build::on_a_thread(self.folder.clone()).await, build::said)? {
            Ok(built) => built,
            Err(stopped) => return Ok(Err(stopped)),
        };
        if let Err(stopped) = self.test(&built).await? {
            return Ok(Err(stopped));
        }
        if let Some(into) = &self.args.into {
            let dropped = drop_in(&self.folder, &built, into).map_err(anyhow::Error::from);
            let said = self.step("drop in", dropped, |dropped| dropped.file.display().to_string())?;
            if said.is_ok() {
                self.wait_until_taken(&built).await?;
            }
        }
        if let Some(time) = self.args.shadow {
            let shadowed = shadow::shadow(self.shadow(&built, time)).await;
            return Ok(self.step("shadow", shadowed, |()| "at its end".to_owned())?.map(drop));
        }
        Ok(Ok(()))
    }

    async fn test(&self, built: &Built) -> anyhow::Result<Result<(), Stopped>> {
        if !self.cases.is_dir() {
            self.say("test", None, format!("nothing tested: there is no folder {}", self.cases.display()))?;
            return Ok(Ok(()));
        }
        let start = Instant::now();
        let tested = test::test(self.tests(built)).await;
        let seconds = Some(start.elapsed().as_secs_f64());
        match tested {
            Ok(()) => self.say("test", seconds, "every case passes").map(Ok),
            Err(error) => self.fail("test", &error).map(Err),
        }
    }

    async fn wait_until_taken(&self, built: &Built) -> anyhow::Result<()> {
        let Some(process) = &self.process else { return Ok(()) };
        let start = Instant::now();
        let said = taken::wait(process, self.folder.name(), &built.digest, || self.watch.has_changed()).await;
        self.say("run", Some(start.elapsed().as_secs_f64()), said)
    }

    /// Says how a step ended; its value, if it did well.
    fn step<T>(
        &self,
        step: &str,
        done: anyhow::Result<T>,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<Result<T, Stopped>> {
        match done {
            Ok(value) => self.say(step, None, text(&value)).map(|()| Ok(value)),
            Err(error) => self.fail(step, &error).map(Err),
        }
    }

    fn fail(&self, step: &str, error: &anyhow::Error) -> anyhow::Result<Stopped> {
        let rest = match (&self.args.into, self.args.shadow) {
            (Some(_), _) => "; nothing was dropped in",
            (None, Some(_)) => "; nothing was shadowed",
            (None, None) => "",
        };
        let reason = if error.is::<Told>() { "see above".to_owned() } else { exit::text(error) };
        self.say(step, None, format!("failed: {reason}{rest}")).map(|()| Stopped)
    }

    fn say(&self, step: &str, seconds: Option<f64>, text: impl Display) -> anyhow::Result<()> {
        if self.args.admin.json {
            return out::line(json!({ "did": step, "seconds": seconds, "text": text.to_string() }));
        }
        let seconds = seconds.map_or(String::new(), |seconds| format!(" ({seconds:.1} s)"));
        out::line(format_args!("{step:<8}{text}{seconds}"))
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
            cuts: CUTS,
            seed: None,
            from_dead_letters: false,
            letters: args::LettersToCases { step: None, per_reason: 0, lake: None, config },
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
