//! A server of one test, on a free port of this machine: it remembers what it was sent, byte for byte, and
//! answers as it is told, properly or not.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use tokio::net::TcpSocket;

/// What the server does with a request.
pub(super) enum Reply {
    /// Sends this and waits for the next request.
    Answer(String),
    /// Sends this and closes.
    Last(String),
    /// Sends the first, then the second again and again.
    Endless(String, String),
    /// Sends this and nothing more.
    Silence(String),
}

pub(super) struct Server {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
}

/// A port of this machine where nobody listens, and that nobody else gets: it is bound as long as this is kept.
pub(super) struct Away(TcpSocket);

impl Away {
    pub(super) fn new() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self(socket)
    }

    pub(super) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

impl Server {
    pub(super) fn start(reply: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), reply).unwrap()
    }

    pub(super) fn at(
        address: SocketAddr,
        reply: impl Fn(&str) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let (heads, stopped) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (seen, is_stopped, reply) = (Arc::clone(&heads), Arc::clone(&stopped), Arc::new(reply));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if is_stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (seen, reply) = (Arc::clone(&seen), Arc::clone(&reply));
                // A client that goes away is none of its concern.
                thread::spawn(move || stream.and_then(|stream| serve(stream, &seen, &*reply)));
            }
        });
        Ok(Self { address, heads, stopped })
    }

    /// One that answers `body` to everything.
    pub(super) fn saying(body: &str) -> Self {
        let answer = ok("", body);
        Self::start(move |_| Reply::Answer(answer.clone()))
    }

    /// One that redirects everything.
    pub(super) fn redirecting(status: u16, location: impl Into<String>) -> Self {
        let location = location.into();
        Self::start(move |_| {
            Reply::Answer(format!("HTTP/1.1 {status} x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"))
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// First lines and headers of all requests, as they came.
    pub(super) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let local = |ip: IpAddr| if ip.is_unspecified() { "127.0.0.1".parse().unwrap() } else { ip };
        // Wakes the thread that accepts.
        drop(TcpStream::connect((local(self.address.ip()), self.address.port())));
    }
}

pub(super) fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

fn serve(
    stream: TcpStream,
    heads: &Mutex<Vec<String>>,
    reply: &(dyn Fn(&str) -> Reply + Send + Sync),
) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    while let Some(head) = read_request(&mut reader)? {
        heads.lock().unwrap().push(head.clone());
        match reply(&head) {
            Reply::Answer(answer) => writer.write_all(answer.as_bytes())?,
            Reply::Last(answer) => return writer.write_all(answer.as_bytes()),
            Reply::Endless(first, again) => {
                writer.write_all(first.as_bytes())?;
                loop {
                    writer.write_all(again.as_bytes())?;
                }
            }
            Reply::Silence(first) => {
                writer.write_all(first.as_bytes())?;
                // Until the client closes.
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
        }
    }
    Ok(())
}

/// A request's head with its body behind it; none at the end.
fn read_request(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body)?;
    head.push_str(&String::from_utf8_lossy(&body));
    Ok(Some(head))
}
