//! How a URL may be spelled. Programs disagree about odd spellings, so what is checked here and what a server
//! takes it for could differ; whatever is not plain is refused, with the reason.

use millstream_engine::{Origin, OutboundError, Scheme};
use url::{Host, Url};

/// Longest URL, in bytes.
const URL_BYTES: usize = 8192;

/// A URL that is spelled plainly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) origin: Origin,
}

pub(crate) fn denied(reason: impl Into<String>) -> OutboundError {
    OutboundError::Denied(reason.into())
}

impl Target {
    /// Reads a whole URL.
    pub(crate) fn parse(text: &str) -> Result<Self, OutboundError> {
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(denied("a url must begin with https:// or http://")),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() {
            return Err(denied("a url must have a host behind its slashes"));
        }
        if authority.contains(['@', '%']) {
            return Err(denied("a url may have no user, password, zone or escape before its path"));
        }
        let mut url = Url::parse(text).map_err(|error| denied(format!("the url cannot be read: {error}")))?;
        url.set_fragment(None);
        let host = host(&url, authority)?;
        let port = url.port().unwrap_or(scheme.port());
        Ok(Self { origin: Origin { scheme, host, port }, url })
    }

    /// Reads what a server redirects to, relative to this.
    pub(crate) fn redirected(&self, location: &str) -> Result<Self, OutboundError> {
        check_characters(location)?;
        let url = self.url.join(location).map_err(|error| denied(format!("it cannot be read: {error}")))?;
        Self::parse(url.as_str())
    }

    /// Path and query, as they stand in a request.
    pub(crate) fn path_and_query(&self) -> String {
        match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        }
    }

    /// Host and port, as they stand in header `host`.
    pub(crate) fn authority(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.origin.host),
            None => self.origin.host.clone(),
        }
    }

    /// Checks that no server can take the path for another one than it looks like.
    pub(crate) fn check_path(&self) -> Result<(), OutboundError> {
        let path = self.url.path().to_ascii_lowercase();
        if ["%2f", "%5c", "%25", "%2e", "%00", "//"].iter().any(|odd| path.contains(odd)) {
            let odd = "an escaped slash, dot or percent sign, or an empty segment";
            return Err(denied(format!("where paths are granted, a path may not have {odd}")));
        }
        let of_dots = |segment: &str| matches!(segment.split(';').next(), Some("." | ".."));
        if path.split('/').any(of_dots) {
            return Err(denied("where paths are granted, a path may not have segments of dots"));
        }
        Ok(())
    }
}

/// Parsers of URLs pass over some characters and read others as slashes.
fn check_characters(text: &str) -> Result<(), OutboundError> {
    if text.len() > URL_BYTES {
        return Err(denied(format!("a url has at most {URL_BYTES} bytes")));
    }
    let odd = |character: char| character.is_control() || character.is_whitespace() || character == '\\';
    match text.chars().find(|character| odd(*character)) {
        Some(odd) => Err(denied(format!("a url may not have {}", odd.escape_debug()))),
        None => Ok(()),
    }
}

/// The host, if it is written as one writes it.
fn host(url: &Url, authority: &str) -> Result<String, OutboundError> {
    let host = url.host_str().unwrap_or_default();
    // An address in brackets has colons of its own.
    let written = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    };
    match url.host() {
        None => Err(denied("a url must have a host")),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) if !written.eq_ignore_ascii_case(host) => {
            Err(denied(format!("an address must be written plainly, as {host}")))
        }
        Some(Host::Domain(name)) if name.ends_with('.') => {
            Err(denied("the name of a host may not end with a dot"))
        }
        Some(_) => Ok(host.to_owned()),
    }
}
