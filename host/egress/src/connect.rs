//! From a target to a connection. The name is resolved once, here; every address is checked, and the connection
//! goes to one of exactly these, so a name that answers otherwise the next time changes nothing. TLS still
//! verifies the name.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use millstream_engine::{OutboundError, Scheme};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::allow::Rule;
use crate::headers::HEADERS_MAX;
use crate::target::{Target, denied};
use crate::{EgressError, address};

/// Addresses of one name that are tried.
const ADDRESSES_TRIED: usize = 4;
/// For one address to take a connection, and for TLS to be agreed on.
const CONNECT: Duration = Duration::from_secs(3);
/// Largest head of an answer, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// A connection that takes requests.
pub(crate) type Connection = SendRequest<Full<Bytes>>;

/// Finds the addresses of a name.
#[async_trait]
pub(crate) trait Resolve: Send + Sync {
    /// All of them.
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<IpAddr>>;
}

/// The system's own lookup.
#[derive(Debug)]
pub(crate) struct System;

#[async_trait]
impl Resolve for System {
    async fn resolve(&self, name: &str, port: u16) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, port)).await?.map(|address| address.ip()).collect())
    }
}

/// Makes connections.
pub(crate) struct Connector {
    resolver: Arc<dyn Resolve>,
    tls: TlsConnector,
}

/// The roots that this machine trusts.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (_, unusable) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        tracing::warn!(unusable, errors = ?found.errors, "this machine trusts no certificates: plugins cannot ask servers over https");
    }
    roots
}

/// TLS that trusts `roots`.
pub(crate) fn tls(roots: RootCertStore) -> Result<TlsConnector, EgressError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EgressError::Tls(error.to_string()))?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn failed(what: &str, target: &Target, error: impl std::fmt::Display) -> OutboundError {
    OutboundError::Failed(format!("{what} {}: {error}", target.origin))
}

impl Connector {
    pub(crate) fn new(resolver: Arc<dyn Resolve>, tls: TlsConnector) -> Self {
        Self { resolver, tls }
    }

    /// A connection to the target, at an address that the rule allows.
    pub(crate) async fn connect(&self, target: &Target, rule: &Rule) -> Result<Connection, OutboundError> {
        let addresses = self.addresses(target, rule).await?;
        let stream = open(target, &addresses).await?;
        match target.origin.scheme {
            Scheme::Http => handshake(target, stream).await,
            Scheme::Https => {
                let name = server_name(target)?;
                let agreed = timeout(CONNECT, self.tls.connect(name, stream)).await;
                let stream = agreed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
                handshake(target, stream.map_err(|error| failed("no TLS with", target, error))?).await
            }
        }
    }

    /// Every address of the target's host; one that is not allowed spoils all.
    async fn addresses(&self, target: &Target, rule: &Rule) -> Result<Vec<SocketAddr>, OutboundError> {
        let port = target.origin.port;
        let found = match target.url.host() {
            Some(Host::Ipv4(address)) => vec![IpAddr::V4(address)],
            Some(Host::Ipv6(address)) => vec![IpAddr::V6(address)],
            Some(Host::Domain(name)) => self
                .resolver
                .resolve(name, port)
                .await
                .map_err(|error| failed("no address for", target, error.kind()))?,
            None => Vec::new(),
        };
        if found.is_empty() {
            return Err(failed("no address for", target, "the name has none"));
        }
        for found in &found {
            if let Some(what) = address::refusal(*found, rule.allow_private) {
                tracing::debug!(host = target.origin.host, address = %found, what, "a request of a plugin was denied");
                return Err(denied(format!("{} is at {what}", target.origin)));
            }
        }
        Ok(found.into_iter().take(ADDRESSES_TRIED).map(|address| SocketAddr::new(address, port)).collect())
    }
}

async fn open(target: &Target, addresses: &[SocketAddr]) -> Result<TcpStream, OutboundError> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Requests are written in one piece; if this fails they are only slower.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(failed("no connection to", target, last.kind()))
}

/// The name that the certificate must be for: what the URL says, whatever it was resolved to.
fn server_name(target: &Target) -> Result<ServerName<'static>, OutboundError> {
    let name = target.origin.host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(name.to_owned()).map_err(|_| denied("no certificate can be for this host"))
}

async fn handshake<S>(target: &Target, stream: S) -> Result<Connection, OutboundError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failed("no connection to", target, error))?;
    // It ends with its sender, or when the server closes it; whoever waits for an answer hears of it.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender)
}
