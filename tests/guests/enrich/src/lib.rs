//! A step that asks a server about each row: column `answer` becomes what `url` says of `n`. Its configuration
//! decides how it asks, so that tests can have it ask well, one by one, or for what it may not have.

use std::collections::{BTreeMap, VecDeque};

use millstream_sdk::http::{self, Failure, Request, Response};
use millstream_sdk::plan::ConfigProblem;
use millstream_sdk::{About, Error, Row, Rows, Transform};
use serde::Deserialize;

/// What the step looks at.
#[derive(Row)]
pub struct Reading {
    n: i64,
    #[row(new)]
    answer: String,
}

/// How it asks.
#[derive(Deserialize)]
pub struct Config {
    /// Where; `{n}` in it becomes the row's number.
    url: String,
    /// How, `GET` if it is not there.
    method: Option<String>,
    /// Headers of each request.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// A request for each row, rather than all at once.
    #[serde(default)]
    one_by_one: bool,
    /// Failures become answers, rather than failures of the batch.
    #[serde(default)]
    tells_failures: bool,
    /// Asks while it is being configured, which is not allowed.
    #[serde(default)]
    asks_too_early: bool,
}

/// The step, with the answers to the rows in hand.
pub struct Enrich {
    config: Config,
    answers: VecDeque<String>,
}

impl Enrich {
    fn request(&self, n: i64) -> Request {
        let url = self.config.url.replace("{n}", &n.to_string());
        let request = Request::new(self.config.method.as_deref().unwrap_or("GET"), url);
        self.config.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    fn text(&self, answer: Result<Response, Failure>) -> Result<String, Error> {
        match answer {
            Err(failure) if self.config.tells_failures => Ok(format!("{failure:?}")),
            answer => {
                let response = answer?;
                let headers = format!("{:?}", response.headers);
                Ok(format!("{} {headers}", String::from_utf8_lossy(&response.success()?)))
            }
        }
    }
}

impl Transform for Enrich {
    type Config = Config;
    type Row = Reading;
    type Outcome = ();

    const ABOUT: About = About {
        name: "enrich",
        version: "1.0.0",
        config_schema: None,
        example_config: r#"{"url": "https://numbers.example/{n}"}"#,
    };

    fn configure(config: Config) -> Result<Self, Vec<ConfigProblem>> {
        let this = Self { config, answers: VecDeque::new() };
        if this.config.asks_too_early {
            let _ = this.request(0).send();
        }
        Ok(this)
    }

    fn prepare(&mut self, rows: Rows<'_, Reading>) -> Result<(), Error> {
        let requests = rows.map(|row| self.request(row.n));
        let answers = match self.config.one_by_one {
            true => requests.map(Request::send).collect(),
            false => http::send_many(requests),
        };
        self.answers = answers.into_iter().map(|answer| self.text(answer)).collect::<Result<_, _>>()?;
        Ok(())
    }

    fn process(&mut self, row: &mut Reading) {
        row.answer = self.answers.pop_front().unwrap_or_default();
    }
}

millstream_sdk::export!(Enrich);
