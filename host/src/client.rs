//! Speaks to a running `millstream run` over HTTP, for the verbs that look at one.

mod admin;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use millstream_pipeline::config::Config;
use millstream_pipeline::telemetry::Status;

use crate::args::RunningProcess;
pub use admin::{AdminClient, Candidate};

/// How long the process may take to accept a connection, and to answer a short question.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// No process answers, or it is not known where one would.
#[derive(Debug)]
pub struct Unreachable(String);

impl std::fmt::Display for Unreachable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreachable {}

/// A connection to a process.
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    /// A client of the process that the command line or the configuration names.
    pub fn new(process: &RunningProcess) -> anyhow::Result<Self> {
        match &process.url {
            Some(url) => Self::at(url),
            None => Self::at(&configured(process)?),
        }
    }

    /// A client of the process at a URL or an address.
    pub fn at(url: &str) -> anyhow::Result<Self> {
        let url = url.trim_end_matches('/');
        let base = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        // A process nearby is never behind a proxy.
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_TIMEOUT).build();
        Ok(Self { base, http: http.context("cannot make an HTTP client")? })
    }

    /// The URL at which a process that listens at `address` is reached from its own machine.
    pub fn reachable(mut address: SocketAddr) -> String {
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// Where the process is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The process's state.
    pub async fn status(&self) -> anyhow::Result<Status> {
        let answer = self.get("status", &[], Some(ANSWER_TIMEOUT)).await?;
        let bytes = answer.bytes().await.with_context(|| self.silent())?;
        serde_json::from_slice(&bytes).with_context(|| {
            format!("{}/status is not the status of a millstream of this version", self.base)
        })
    }

    /// The answer to a request; one that is not good becomes an error with the process's own words.
    pub async fn get(
        &self,
        path: &str,
        query: &[(&str, String)],
        timeout: Option<Duration>,
    ) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.get(format!("{}/{path}", self.base)).query(query);
        if let Some(timeout) = timeout {
            request = request.timeout(timeout);
        }
        let answer = self.answered(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body: serde_json::Value =
            serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or_default();
        match body["error"].as_str() {
            Some(error) => bail!("{error}"),
            None => bail!("{}/{path} answers {status}; is it a millstream?", self.base),
        }
    }

    async fn answered(&self, request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
        let answer = request.send().await;
        answer.map_err(|error| Unreachable(format!("{}: {}", self.silent(), cause(&error))).into())
    }

    fn silent(&self) -> String {
        let address = self.base.split("://").last().unwrap_or_default();
        format!(
            "nothing answers at {}; is `millstream run` going, with [http] listen = \"{address}\" in its configuration \
             or --listen {address}? --url says where else to look",
            self.base
        )
    }
}

/// What is at the bottom of an error: `Connection refused` rather than `error sending request`.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

fn configured(process: &RunningProcess) -> anyhow::Result<String> {
    let file = process.config.config.display();
    match Config::http(&process.config.config, std::env::vars())? {
        Some(address) if address.port() == 0 => {
            bail!(
                "{file} has http.listen on port 0, so the run chose a port and logged it; say it with --url"
            )
        }
        Some(address) => Ok(Client::reachable(address)),
        None => bail!(
            "{file} has no http.listen, so its run cannot be looked at; add [http] listen = \"127.0.0.1:9464\" and \
             start it again, or say with --url where another one listens"
        ),
    }
}
