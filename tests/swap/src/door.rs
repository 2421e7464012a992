//! The HTTP side of a worker, by a client that is not ours: one request on one connection.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// The token of the admin API.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks for `path`; gives the code and the body of the answer.
pub(crate) fn get(address: &str, path: &str) -> io::Result<(u16, String)> {
    ask(address, "GET", path, "")
}

/// Posts JSON with the token.
pub(crate) fn post(address: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    ask(address, "POST", path, body)
}

fn ask(address: &str, method: &str, path: &str, body: &str) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer comes as it is and ends with the connection.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "half an answer");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
    Ok((code, body.to_owned()))
}
