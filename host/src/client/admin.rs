//! Speaks to the admin API of a running process, with its token.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use millstream_http::admin::Problem;
use millstream_http::admin::model::{Changed, Chosen, Former, Noted, Reason, Shadow, Step, Steps};
use millstream_pipeline::config::{Config, ConfigError, Token};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Client;
use crate::args::AdminProcess;

/// How long the process may take over a change, with the compilation of a plugin; it gives up before this.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(150);

/// Environment variable of the token.
const TOKEN_VARIABLE: &str = "MILLSTREAM_ADMIN__TOKEN";

/// The admin API of a process.
pub struct AdminClient {
    client: Client,
    token: Token,
}

/// What a shadow looks at, as the API takes it.
pub enum Candidate {
    /// The bytes of a `.wasm` file.
    Bytes(Vec<u8>),
    /// Digits of a digest.
    Digest(String),
}

impl AdminClient {
    /// The admin API of the process that the command line or the configuration names.
    pub fn new(args: &AdminProcess) -> anyhow::Result<Self> {
        let token = token(args)?;
        Ok(Self { client: Client::new(&args.process)?, token })
    }

    /// All steps.
    pub async fn steps(&self) -> anyhow::Result<Vec<Step>> {
        let steps: Steps = self.ask(self.request(Method::GET, &["steps"])?).await?;
        Ok(steps.steps)
    }

    /// The step that `name` means: `stream/step`, or the name of one step alone.
    pub async fn step(&self, name: &str) -> anyhow::Result<Step> {
        choose(self.steps().await?, name)
    }

    /// Lets the candidate go on.
    pub async fn approve(&self, step: &Step, digest: String) -> anyhow::Result<()> {
        self.send(body(self.of_step(step, "approve")?, &Chosen { digest })?).await.map(drop)
    }

    /// Lets the step run the version.
    pub async fn promote(&self, step: &Step, digest: String) -> anyhow::Result<Changed> {
        self.ask(body(self.of_step(step, "promote")?, &Chosen { digest })?).await
    }

    /// Lets the step run the version before, or this one.
    pub async fn roll_back(&self, step: &Step, digest: Option<String>) -> anyhow::Result<Changed> {
        self.ask(body(self.of_step(step, "rollback")?, &Former { digest })?).await
    }

    /// Forgets the candidate.
    pub async fn dismiss(&self, step: &Step) -> anyhow::Result<()> {
        self.send(self.of_step(step, "dismiss")?).await.map(drop)
    }

    /// Begins a shadow; `extent` is the parameter that says how much it sees.
    pub async fn shadow(
        &self,
        step: &Step,
        candidate: Candidate,
        extent: (&str, String),
    ) -> anyhow::Result<Shadow> {
        let request = self.of_step(step, "shadows")?.query(&[extent]);
        self.ask(match candidate {
            Candidate::Bytes(bytes) => request.header(header::CONTENT_TYPE, "application/wasm").body(bytes),
            Candidate::Digest(digest) => body(request, &Chosen { digest })?,
        })
        .await
    }

    /// Where a shadow stands.
    pub async fn shadow_status(&self, id: u64) -> anyhow::Result<Shadow> {
        self.ask(self.request(Method::GET, &["shadows", &id.to_string()])?).await
    }

    /// Pauses a stream.
    pub async fn pause(&self, stream: &str, reason: Option<String>) -> anyhow::Result<Noted> {
        self.ask(body(self.request(Method::POST, &["streams", stream, "pause"])?, &Reason { reason })?).await
    }

    /// Lets a stream go on.
    pub async fn resume(&self, stream: &str) -> anyhow::Result<Noted> {
        self.ask(self.request(Method::POST, &["streams", stream, "resume"])?).await
    }

    fn of_step(&self, step: &Step, verb: &str) -> anyhow::Result<RequestBuilder> {
        self.request(Method::POST, &["streams", &step.stream, "steps", &step.step, verb])
    }

    fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<RequestBuilder> {
        let base = &self.client.base;
        let mut url = Url::parse(base).with_context(|| format!("`{base}` is not a URL"))?;
        let segments = url.path_segments_mut();
        let mut segments = segments.map_err(|()| anyhow!("`{base}` is not the URL of a process"))?;
        segments.pop_if_empty().extend(["api", "v1"]).extend(path);
        drop(segments);
        Ok(self.client.http.request(method, url).bearer_auth(self.token.expose()).timeout(CHANGE_TIMEOUT))
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let bytes = self.send(request).await?.bytes().await.with_context(|| self.client.silent())?;
        let base = &self.client.base;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{base} answers something else than a millstream of this version does"))
    }

    /// A good answer; another one becomes an error with the process's own words.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let answer = self.client.answered(request).await?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let base = &self.client.base;
        if status == StatusCode::UNAUTHORIZED {
            bail!(
                "{base} has another token; give it with --token-file, {TOKEN_VARIABLE} or [admin] in the configuration"
            );
        }
        match serde_json::from_slice::<Problem>(&answer.bytes().await.unwrap_or_default()) {
            Ok(problem) => bail!("{}", problem.detail),
            Err(_) => bail!("{base} answers {status}; is it a millstream?"),
        }
    }
}

fn body(request: RequestBuilder, body: &impl Serialize) -> anyhow::Result<RequestBuilder> {
    Ok(request.header(header::CONTENT_TYPE, "application/json").body(serde_json::to_vec(body)?))
}

/// The token that the command line, the environment or the configuration names, in this order.
fn token(args: &AdminProcess) -> anyhow::Result<Token> {
    let invalid = |place: String, key: &str, message: String| ConfigError::Invalid {
        place,
        key: key.to_owned(),
        message,
    };
    let file = &args.process.config.config;
    if let Some(file) = &args.token_file {
        let token = Token::read(file);
        return token.map_err(|message| invalid("--token-file".to_owned(), "", message).into());
    }
    match (configured(file), std::env::var(TOKEN_VARIABLE)) {
        (Ok(Some(token)), _) => Ok(token),
        // A process elsewhere needs no configuration here.
        (Err(ConfigError::Unreadable { .. }), Ok(text)) => Token::new(&text)
            .map_err(|message| invalid(format!("environment variable {TOKEN_VARIABLE}"), "", message).into()),
        (Err(error), _) if args.process.url.is_none() || !matches!(error, ConfigError::Unreadable { .. }) => {
            Err(error.into())
        }
        _ => {
            let message = format!(
                "no token, so nothing can be asked of the admin API; give it with --token-file, {TOKEN_VARIABLE} or \
                 [admin] token_file, and the run, too"
            );
            Err(invalid(file.display().to_string(), "admin", message).into())
        }
    }
}

fn configured(file: &Path) -> Result<Option<Token>, ConfigError> {
    Config::admin_token(file, std::env::vars())
}

fn choose(steps: Vec<Step>, name: &str) -> anyhow::Result<Step> {
    let is_meant = |step: &Step| match name.split_once('/') {
        Some((stream, of_stream)) => step.stream == stream && step.step == of_stream,
        None => step.step == name,
    };
    let all = steps.iter().map(words).collect::<Vec<_>>().join(", ");
    let mut meant: Vec<_> = steps.into_iter().filter(is_meant).collect();
    match meant.len() {
        1 => Ok(meant.remove(0)),
        0 if all.is_empty() => bail!("no step `{name}`; the process has none"),
        0 => bail!("no step `{name}`; there are: {all}"),
        _ => bail!(
            "several streams have a step `{name}`; say which: {}",
            meant.iter().map(words).collect::<Vec<_>>().join(", ")
        ),
    }
}

fn words(step: &Step) -> String {
    format!("{}/{}", step.stream, step.step)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_step_is_named_alone_where_that_is_enough() {
        let step = |stream: &str, step: &str| {
            let step = json!({
                "stream": stream, "step": step, "plugin": "p", "version": "1", "digest": "00".repeat(32), "rows": 0,
                "passed": 0, "dropped": 0, "emitted": 0, "rejected": {}, "traps": 0, "history": [],
            });
            serde_json::from_value::<Step>(step).unwrap()
        };
        let check = |name: &str, expected: Result<&str, &str>| {
            let steps = vec![step("vehicle", "cleanse"), step("gps", "cleanse"), step("gps", "enrich")];
            match (choose(steps, name), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(words(&found), expected),
                (Err(error), Err(expected)) => assert_eq!(error.to_string(), expected),
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        };
        check("enrich", Ok("gps/enrich"));
        check("vehicle/cleanse", Ok("vehicle/cleanse"));
        check(
            "cleanse",
            Err("several streams have a step `cleanse`; say which: vehicle/cleanse, gps/cleanse"),
        );
        check("gps/x", Err("no step `gps/x`; there are: vehicle/cleanse, gps/cleanse, gps/enrich"));
    }
}
