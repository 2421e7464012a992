//! The step's list: which origins it may ask, how, and what is added to its requests. Made once from the grants
//! and the secrets they name; a redirect is held against it like a request.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use hyper::Method;
use hyper::header::{HeaderName, HeaderValue};
use millstream_engine::{HttpGrant, Origin, OutboundError};
use tokio::sync::Semaphore;

use crate::address::refusal;
use crate::headers;
use crate::secrets::Secrets;
use crate::target::{Target, denied};

/// Shortest secret that is looked for in answers: a shorter one is found everywhere.
const SECRET_BYTES_MIN: usize = 8;

/// What a step may ask. It holds secrets, so it has no `Debug`.
pub(crate) struct Allowed(BTreeMap<Origin, Arc<Rule>>);

/// What it may ask of one server.
pub(crate) struct Rule {
    /// The server in figures.
    pub(crate) host: Arc<str>,
    methods: BTreeSet<String>,
    paths: BTreeSet<String>,
    pub(crate) allow_private: bool,
    /// Headers that the host adds.
    pub(crate) injected: Vec<(HeaderName, HeaderValue)>,
    /// The secrets in them.
    secrets: Vec<String>,
    /// Taken while a request is on its way.
    pub(crate) slots: Arc<Semaphore>,
}

impl Allowed {
    /// The list for these grants; the error is for the person who wrote them and holds no secret's value.
    pub(crate) fn new(
        granted: &BTreeMap<Origin, HttpGrant>,
        secrets: &Secrets,
        slots: impl Fn(&Origin) -> Arc<Semaphore>,
    ) -> Result<Self, String> {
        let rule = |(origin, grant): (&Origin, &HttpGrant)| {
            reachable(origin, grant.allow_private)?;
            let rule = Rule {
                host: Arc::from(origin.to_string()),
                methods: grant.methods.clone(),
                paths: grant.paths.clone(),
                allow_private: grant.allow_private,
                injected: injected(origin, grant, secrets)?,
                secrets: held(grant, secrets),
                slots: slots(origin),
            };
            Ok((origin.clone(), Arc::new(rule)))
        };
        granted.iter().map(rule).collect::<Result<_, _>>().map(Self)
    }

    /// The rule of the server that a URL means, whether or not the request is within it.
    pub(crate) fn of(&self, origin: &Origin) -> Option<&Arc<Rule>> {
        self.0.get(origin)
    }

    /// The rule that allows a request.
    pub(crate) fn rule(&self, method: &Method, target: &Target) -> Result<&Arc<Rule>, OutboundError> {
        let origin = &target.origin;
        let Some(rule) = self.0.get(origin) else {
            return Err(denied(format!("{origin} is not granted")));
        };
        if !rule.methods.contains(method.as_str()) {
            return Err(denied(format!("{method} to {origin} is not granted")));
        }
        if !rule.paths.contains("/") {
            target.check_path()?;
            let path = target.url.path();
            if !rule.paths.iter().any(|granted| path.starts_with(granted.as_str())) {
                return Err(denied(format!("this path of {origin} is not granted")));
            }
        }
        Ok(rule)
    }

    /// True for headers that the host adds to requests to any of the servers.
    pub(crate) fn injects(&self, name: &HeaderName) -> bool {
        self.0.values().flat_map(|rule| &rule.injected).any(|(injected, _)| injected == name)
    }

    /// Values that no plugin may see, of all servers: one may tell what another was sent.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        self.0.values().flat_map(|rule| &rule.secrets).map(String::as_bytes)
    }
}

/// Refuses a grant for an address that it does not reach, as far as its text shows that.
fn reachable(origin: &Origin, allow_private: bool) -> Result<(), String> {
    let host = origin.host.trim_start_matches('[').trim_end_matches(']');
    // RFC 6761: such names are this machine.
    let is_local = host == "localhost" || host.ends_with(".localhost");
    let address = if is_local { Some(Ipv4Addr::LOCALHOST.into()) } else { host.parse::<IpAddr>().ok() };
    let Some(what) = address.and_then(|address| refusal(address, allow_private)) else { return Ok(()) };
    let is_remedied = address.is_some_and(|address| refusal(address, true).is_none());
    let remedy = match is_remedied {
        true => format!("to allow that, write allow_private = true under [grants.http.\"{origin}\"]"),
        false => "take it out".to_owned(),
    };
    Err(format!("the grant for {origin} allows no request, for the server is at {what}; {remedy}"))
}

/// The secrets of a grant that are worth looking for.
fn held(grant: &HttpGrant, secrets: &Secrets) -> Vec<String> {
    let values = grant.headers.values().filter_map(|header| secrets.get(&header.secret));
    values.filter(|secret| secret.len() >= SECRET_BYTES_MIN).map(str::to_owned).collect()
}

fn injected(
    origin: &Origin,
    grant: &HttpGrant,
    secrets: &Secrets,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let header = |(name, granted): (&String, &millstream_engine::SecretHeader)| {
        let at = format!("header `{name}` of the grant for {origin}");
        let parsed =
            HeaderName::try_from(name.as_str()).map_err(|_| format!("{at}: this is no header's name"))?;
        if headers::is_of_connection(&parsed) {
            return Err(format!("{at}: this header is about the connection, which is the host's"));
        }
        let secret = secrets
            .get(&granted.secret)
            .ok_or_else(|| format!("{at}: there is no secret `{}`", granted.secret))?;
        if secret.is_empty() {
            return Err(format!("{at}: secret `{}` is empty", granted.secret));
        }
        let mut value = HeaderValue::try_from(format!("{}{secret}", granted.prefix)).map_err(|_| {
            format!("{at}: secret `{}` holds what no header may, such as a line's end", granted.secret)
        })?;
        value.set_sensitive(true);
        Ok((parsed, value))
    };
    grant.headers.iter().map(header).collect()
}
