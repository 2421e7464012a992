//! TLS goes to the address that was checked and verifies the name that was asked for. The certificate is for
//! `api.test`, signed by an authority of these tests; both are valid until 2126.

use std::sync::Arc;

use millstream_engine::{Origin, OutboundError, Scheme};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{World, ask, get, internal, text};

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("tls/ca.pem")).unwrap()).unwrap();
    roots
}

fn acceptor() -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("tls/api.test.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/api.test.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(
        config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap(),
    ))
}

/// Serves on a thread of its own, as long as the test lasts.
fn serve() -> u16 {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (listener, acceptor) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), acceptor());
            sender.send(listener.local_addr().unwrap().port()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nsafe").await;
                let _ = stream.shutdown().await;
            }
        });
    });
    receiver.recv().unwrap()
}

#[test]
fn the_certificate_must_be_for_the_name() {
    let port = serve();
    let check = |roots: RootCertStore, host: &str, expected: Option<&str>| {
        let world = World::trusting(roots);
        world.names.say(host, &[&["127.0.0.1"]]);
        let origin = Origin { scheme: Scheme::Https, host: host.to_owned(), port };
        let step = world.step(&[(&origin, internal())]);
        let answer = ask(&step, get(format!("https://{host}:{port}/")));
        match expected {
            None => assert_eq!(text(answer), "safe"),
            Some(expected) => match answer {
                Err(OutboundError::Failed(reason)) => assert!(reason.contains(expected), "{reason}"),
                other => panic!("{host}: {other:?}"),
            },
        }
    };
    check(roots(), "api.test", None);
    check(roots(), "other.test", Some("not valid for name"));
    check(roots(), "127.0.0.1", Some("not valid for name"));
    check(RootCertStore::empty(), "api.test", Some("UnknownIssuer"));
}
