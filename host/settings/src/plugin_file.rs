//! The file beside a plugin, `<plugin>.toml`: what the plugin may touch, what it may use, its parameters.
//! A file that is not there grants what [`Grants::default`] does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use millstream_engine::{Grants, HttpGrant, Limits, Origin, Scheme, SecretHeader};
use url::Url;

use crate::limits::laid_over;
use crate::{ConfigError, Document, typed};

/// Methods that may be granted.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers that carry a request rather than say something in it: the host's own.
const CARRIER_HEADERS: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether there is a secret of a name.
pub type IsSecret<'a> = &'a dyn Fn(&str) -> bool;

/// What stands beside a plugin.
#[derive(Clone, Debug)]
pub struct PluginFile {
    /// What it may touch.
    pub grants: Grants,
    /// What it may use: the file's over those given.
    pub limits: Limits,
    /// Its parameters.
    pub config: toml::Table,
}

/// Reads the file at `path`, whose limits are laid over `limits`. The secrets that it names must be known to
/// `is_secret`.
pub fn plugin_file(path: &Path, limits: &Limits, is_secret: IsSecret<'_>) -> Result<PluginFile, ConfigError> {
    let file = path.display().to_string();
    if !path.is_file() {
        let grants = Grants { file, ..Grants::default() };
        return Ok(PluginFile { grants, limits: limits.clone(), config: toml::Table::new() });
    }
    let document = Document::read(path, [])?;
    let typed: typed::PluginFile = document.deserialize()?;
    let grants = Grants { file, ..grants(&document, typed.grants, is_secret)? };
    let limits = laid_over(limits, &typed.limits, &document, &["limits"])?;
    Ok(PluginFile { grants, limits, config: typed.config })
}

/// Checks a section `[grants]` at the top of a file. The secrets that it names must be known to `is_secret`.
pub fn grants(
    document: &Document,
    typed: typed::Grants,
    is_secret: IsSecret<'_>,
) -> Result<Grants, ConfigError> {
    for (index, name) in typed.secrets.iter().flatten().enumerate() {
        known_secret(document, &["grants", "secrets", &index.to_string()], name, is_secret)?;
    }
    let mut grants = Grants {
        file: String::new(),
        strict: typed.strict,
        read: typed.read.map(BTreeSet::from_iter),
        write: typed.write.map(BTreeSet::from_iter),
        stores: BTreeSet::from_iter(typed.stores),
        tables: BTreeSet::from_iter(typed.tables),
        http: BTreeMap::new(),
        secrets: typed.secrets.map(BTreeSet::from_iter),
    };
    for (server, typed) in typed.http {
        let keys = ["grants", "http", server.as_str()];
        let origin = origin(&server).map_err(|message| document.error(&keys, message))?;
        let grant = http_grant(document, &server, &origin, typed)?;
        for (name, header) in &grant.headers {
            let keys = ["grants", "http", &server, "headers", name, "secret"];
            known_secret(document, &keys, &header.secret, is_secret)?;
            let listed = grants.secrets.as_ref().map(|list| list.contains(&header.secret));
            if !listed.unwrap_or(!grants.strict) {
                let message =
                    format!("secret `{0}` is not granted; add `{0}` to grants.secrets", header.secret);
                return Err(document.error(&keys, message));
            }
        }
        if grants.http.insert(origin.clone(), grant).is_some() {
            return Err(document.error(&keys, format!("a second grant for {origin}; write one")));
        }
    }
    Ok(grants)
}

fn known_secret(
    document: &Document,
    keys: &[&str],
    name: &str,
    is_secret: IsSecret<'_>,
) -> Result<(), ConfigError> {
    if is_secret(name) {
        return Ok(());
    }
    let message = format!(
        "no secret `{name}`: add {name} = {{ env = \"…\" }} or {name} = {{ file = \"…\" }} to [secrets] in the \
         configuration"
    );
    Err(document.error(keys, message))
}

/// Reads a server as a grant names it: `api.example.com` (which is https), `http://localhost:8080`.
fn origin(text: &str) -> Result<Origin, String> {
    let expected = |problem: &str| {
        format!(
            "{problem}; expected a host such as \"api.example.com\" or \"api.example.com:8443\" (over https), or a \
             scheme, host and port such as \"http://localhost:8080\""
        )
    };
    let absolute = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    if text.contains('*') {
        return Err(expected("there are no wildcards: name each host"));
    }
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(expected("a space or a backslash is no part of a server"));
    }
    let url = Url::parse(&absolute).map_err(|error| expected(&error.to_string()))?;
    let scheme = match url.scheme() {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => return Err(expected(&format!("scheme `{other}` is not spoken"))),
    };
    let whole = absolute.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?', '#', '@']));
    if whole {
        return Err(expected("a grant names a server; paths go to its `paths`"));
    }
    match url.host_str() {
        Some(host) if host.ends_with('.') => Err(expected("the host ends with a dot")),
        Some(host) => Ok(Origin { scheme, host: host.to_owned(), port: url.port().unwrap_or(scheme.port()) }),
        None => Err(expected("no host")),
    }
}

fn http_grant(
    document: &Document,
    server: &str,
    origin: &Origin,
    typed: typed::HttpGrant,
) -> Result<HttpGrant, ConfigError> {
    let error = |keys: &[&str], message: String| {
        Err(document.error(&[&["grants", "http", server], keys].concat(), message))
    };
    let defaults = HttpGrant::default();
    let methods: Option<BTreeSet<String>> =
        typed.methods.map(|methods| methods.iter().map(|method| method.to_ascii_uppercase()).collect());
    let methods = methods.unwrap_or(defaults.methods);
    if let Some(unknown) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return error(
            &["methods"],
            format!("no method `{unknown}`; expected some of {}", METHODS.join(", ")),
        );
    }
    let paths = typed.paths.map_or(defaults.paths, BTreeSet::from_iter);
    if methods.is_empty() || paths.is_empty() {
        let key = if methods.is_empty() { "methods" } else { "paths" };
        return error(&[key], "an empty list grants nothing; leave the key out or name some".to_owned());
    }
    if let Some(path) = paths.iter().find(|path| !is_path(path)) {
        let message = format!(
            "`{path}` is not the beginning of a path: it begins with `/` and has no `.` or `..` between slashes, no \
             query, and no spaces"
        );
        return error(&["paths"], message);
    }
    let mut headers = BTreeMap::new();
    for (name, typed::SecretHeader { secret, prefix }) in typed.headers {
        let keys = ["headers", &name];
        if !is_header(&name) {
            let message = "not the name of a header that a request may carry".to_owned();
            return error(&keys, message);
        }
        if prefix.chars().any(|c| !(' '..='~').contains(&c)) {
            return error(
                &["headers", &name, "prefix"],
                "expected ASCII without control characters".to_owned(),
            );
        }
        if origin.scheme == Scheme::Http && !typed.allow_private {
            let message = format!(
                "secret `{secret}` would cross a network in the clear; use https, or allow_private for a server of \
                 your own"
            );
            return error(&keys, message);
        }
        if headers.insert(name.to_ascii_lowercase(), SecretHeader { secret, prefix }).is_some() {
            return error(&keys, "a second header of this name".to_owned());
        }
    }
    Ok(HttpGrant { methods, paths, allow_private: typed.allow_private, headers })
}

fn is_path(path: &str) -> bool {
    let plain = path.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '\\' | '%'));
    path.starts_with('/') && plain && path.split('/').all(|segment| segment != "." && segment != "..")
}

fn is_header(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let lower = name.to_ascii_lowercase();
    !name.is_empty() && name.chars().all(token) && !CARRIER_HEADERS.contains(&lower.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers() {
        let check = |text: &str, expected: &str| {
            let found = origin(text).map_or_else(|message| message, |origin| origin.to_string());
            assert!(found.starts_with(expected), "{text}: `{expected}` does not begin: {found}");
        };
        check("api.example.com", "https://api.example.com");
        check("API.Example.com:8443", "https://api.example.com:8443");
        check("https://api.example.com:443", "https://api.example.com");
        check("http://localhost:8080", "http://localhost:8080");
        check("http://[::1]:8080", "http://[::1]:8080");
        check("bücher.example", "https://xn--bcher-kva.example");
        check("0x7f.1", "https://127.0.0.1");
        check("*.example.com", "there are no wildcards");
        check("ftp://example.com", "scheme `ftp` is not spoken");
        check("file:///etc/passwd", "scheme `file` is not spoken");
        check("api.example.com/v1", "a grant names a server");
        check("user@example.com", "a grant names a server");
        check("api.example.com.", "the host ends with a dot");
        check("exa mple.com", "a space or a backslash");
        check("example.com\\@other", "a space or a backslash");
        check("", "empty host");
        check("example.com:99999", "invalid port number");
    }
}
