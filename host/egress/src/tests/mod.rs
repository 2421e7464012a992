//! Real servers on this machine, names that the tests resolve, and requests that try to go past the rules.

mod addresses;
mod answers;
mod behaviour;
mod red_team;
mod server;
mod tls;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use millstream_engine::{
    Allowance, HttpGrant, Network as _, Origin, Outbound, OutboundError, Request, Response, Scheme,
    SecretHeader,
};
use rustls::RootCertStore;

use crate::connect::{Connector, Resolve};
use crate::{Egress, Running, Secrets, connect};

/// Long enough for every answer that comes.
const PATIENCE: Duration = Duration::from_secs(30);
const TOKEN: &str = "wheat-and-barley";

/// Names as a test wants them: each look-up takes the next answer, the last one stays.
#[derive(Default)]
struct Names {
    answers: Mutex<BTreeMap<String, VecDeque<Vec<IpAddr>>>>,
    looked_up: Mutex<Vec<String>>,
}

impl Names {
    fn say(&self, name: &str, answers: &[&[&str]]) {
        let addresses = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        self.answers.lock().unwrap().insert(name.to_owned(), answers.iter().map(addresses).collect());
    }
}

#[async_trait]
impl Resolve for Names {
    async fn resolve(&self, name: &str, _: u16) -> io::Result<Vec<IpAddr>> {
        self.looked_up.lock().unwrap().push(name.to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answers = answers.get_mut(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }.unwrap_or_default())
    }
}

/// An egress whose names are the test's.
struct World {
    names: Arc<Names>,
    egress: Egress,
}

impl World {
    fn new() -> Self {
        Self::trusting(RootCertStore::empty())
    }

    fn trusting(roots: RootCertStore) -> Self {
        let names = Arc::new(Names::default());
        let connector = Connector::new(names.clone(), connect::tls(roots).unwrap());
        let egress = Egress::new(Secrets::from_iter([("TOKEN".to_owned(), TOKEN.to_owned())]));
        let running = Running::with(connector).unwrap();
        assert!(egress.running.set(Ok(running)).is_ok());
        Self { names, egress }
    }

    fn step(&self, granted: &[(&Origin, HttpGrant)]) -> Arc<dyn Outbound> {
        let granted = granted.iter().map(|(origin, grant)| ((*origin).clone(), grant.clone())).collect();
        self.egress.outbound(&granted).unwrap()
    }
}

fn http(host: &str, port: u16) -> Origin {
    Origin { scheme: Scheme::Http, host: host.to_owned(), port }
}

/// A grant for a server of this machine.
fn internal() -> HttpGrant {
    HttpGrant { allow_private: true, ..HttpGrant::default() }
}

fn with_token(grant: HttpGrant) -> HttpGrant {
    let header = SecretHeader { secret: "TOKEN".to_owned(), prefix: "Bearer ".to_owned() };
    HttpGrant { headers: BTreeMap::from([("authorization".to_owned(), header)]), ..grant }
}

fn set(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(ToString::to_string).collect()
}

fn get(url: impl Into<String>) -> Request {
    Request { method: "GET".to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new() }
}

fn with_header(request: Request, name: &str, value: &str) -> Request {
    Request { headers: vec![(name.to_owned(), value.to_owned())], ..request }
}

fn allowance(time: Duration) -> Allowance {
    Allowance { until: Instant::now() + time, bytes: 64 << 20 }
}

fn ask(step: &Arc<dyn Outbound>, request: Request) -> Result<Response, OutboundError> {
    step.send(vec![request], allowance(PATIENCE)).remove(0)
}

fn text(answer: Result<Response, OutboundError>) -> String {
    String::from_utf8(answer.unwrap().body).unwrap()
}
