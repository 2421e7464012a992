//! A door before a server: lets every byte through, or answers each request by itself with one status, as a
//! store does that is throttling or does not know the caller any more.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The status and the XML body of an answer.
pub type Refusal = (&'static str, &'static str);

/// A door on a free loopback port; open at first.
pub struct Door {
    /// Address, as `http://127.0.0.1:12345`.
    pub endpoint: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    refusal: Option<Refusal>,
    connections: Vec<TcpStream>,
}

impl Door {
    /// S3's answer to a caller that asks too often.
    pub const SLOW_DOWN: Refusal = (
        "503 Slow Down",
        "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>",
    );
    /// S3's answer to temporary credentials whose time is over; the status is AWS's own.
    pub const EXPIRED: Refusal = (
        "400 Bad Request",
        "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
    );

    /// A door before the server at `endpoint`.
    pub fn before(endpoint: &str) -> Self {
        let server = endpoint.trim_start_matches("http://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let refusal = lock(&shared).refusal;
                match refusal {
                    Some(refusal) => drop(thread::spawn(move || refuse(client, refusal))),
                    None => pass(client, &server, &shared),
                }
            }
        });
        Self { endpoint: format!("http://{address}"), state }
    }

    /// Answers everything with `refusal` from now on; what is on its way is cut off.
    pub fn close(&self, refusal: Refusal) {
        let mut state = lock(&self.state);
        state.refusal = Some(refusal);
        for connection in state.connections.drain(..) {
            // It may have ended by itself.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Lets everything through again.
    pub fn open(&self) {
        lock(&self.state).refusal = None;
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass(client: TcpStream, server: &str, state: &Mutex<State>) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let mut state = lock(state);
    if state.refusal.is_some() {
        // Closed since this connection was taken; whoever is behind it tries again.
        return;
    }
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (mut from, mut to) = (duplicate(from), duplicate(to));
        thread::spawn(move || {
            // Either side may end at any time, and then both do.
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
    }
    state.connections.extend([client, server]);
}

/// Reads one request to its end, so that the answer is not lost with the connection.
fn refuse(client: TcpStream, (status, body): Refusal) {
    let mut to = duplicate(&client);
    let mut from = BufReader::new(client);
    let mut length = 0;
    loop {
        let mut line = String::new();
        match from.read_line(&mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) if line == "\r\n" => break,
            Ok(_) => {}
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let read = std::io::copy(&mut from.by_ref().take(length), &mut std::io::sink());
    if read.is_ok() {
        let length = body.len();
        // Whoever asked may be gone.
        let _ = write!(
            to,
            "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
    }
}

fn duplicate(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("file descriptors are left")
}
