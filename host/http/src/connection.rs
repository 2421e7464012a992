//! Connections: accepted while there is room, each served until it ends. A client that is slow to ask, or
//! that takes nothing of its answer, is ended, so that no client can keep others out; one that waits for an
//! answer that is quiet may wait for ever. It does not know what is served.

mod stall;

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use stall::StallLimit;

/// What clients may take of the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time; others wait to be accepted.
    pub connections: usize,
    /// For the head of a request, from the time that the server waits for one.
    pub head: Duration,
    /// Without taking anything that is there to be taken.
    pub stall: Duration,
}

/// How long to wait when the system has no room for another connection.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// Serves `routes` until `stopped`, and then ends when the requests on their way are answered. Dropping it
/// ends all connections.
pub async fn serve(listener: TcpListener, routes: Router, limits: Limits, stopped: impl Future<Output = ()>) {
    let (stop, _) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut stopped = pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            stream = accept(&listener), if connections.len() < limits.connections => {
                connections.spawn(answer(stream, routes.clone(), limits, stop.subscribe()));
            }
        }
    }
    drop(listener);
    stop.send_replace(());
    while connections.join_next().await.is_some() {}
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, routes: Router, limits: Limits, mut stop: watch::Receiver<()>) {
    let stream = TokioIo::new(StallLimit::new(stream, limits.stall));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(stream, TowerToHyperService::new(routes));
    let mut connection = pin!(connection);
    // What goes wrong with a connection ends that one.
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = stop.changed() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpStream};

    use axum::body::{Body, Bytes};
    use axum::routing::get;
    use futures::stream;
    use tokio::sync::oneshot;

    use super::*;

    const PATIENT: Duration = Duration::from_secs(60);

    /// Serves `route` at `/` until the first of what is given back is dropped; then the second one ends.
    async fn start(
        route: axum::routing::MethodRouter,
        limits: Limits,
    ) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { drop(stopped.await) };
        let serving = tokio::spawn(serve(listener, Router::new().route("/", route), limits, stopped));
        (address, stop, serving)
    }

    fn send(address: SocketAddr, text: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENT)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    }

    /// Connections that never asked for anything once stayed for ever, until there were no more file
    /// descriptors.
    #[tokio::test(flavor = "multi_thread")]
    async fn who_does_not_ask_makes_room_for_who_does() {
        let limits = Limits { connections: 2, head: Duration::from_millis(50), stall: PATIENT };
        let (address, _stop, _serving) = start(get(|| async { "here" }), limits).await;
        let client = tokio::task::spawn_blocking(move || {
            let _half_asked = ["", "GET / HT", "GET / HTTP/1.1\r\n"].map(|text| send(address, text));
            let mut stream = send(address, "GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        let answer = client.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    }

    /// A client that read nothing once held what its answer is made of for ever.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_answer_that_nobody_takes_ends() {
        let chunk = |()| async { Some((Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 64 << 10])), ())) };
        let endless = get(move || async move { Body::from_stream(stream::unfold((), chunk)) });
        let limits = Limits { connections: 1, head: PATIENT, stall: Duration::from_millis(50) };
        let (address, stop, serving) = start(endless, limits).await;
        let begun = tokio::task::spawn_blocking(move || {
            let mut idle = send(address, "GET / HTTP/1.1\r\nhost: here\r\n\r\n");
            idle.read_exact(&mut [0]).unwrap();
            idle
        });
        let _idle = begun.await.unwrap();
        drop(stop);
        tokio::time::timeout(PATIENT, serving).await.expect("the answer ends").unwrap();
    }
}
