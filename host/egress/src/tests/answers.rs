//! Answers that are too large, too slow or none, and those that would grow.

use std::time::Duration;

use millstream_engine::Allowance;

use super::server::{Reply, Server, ok};
use super::{PATIENCE, World, allowance, ask, get, http, internal};

#[test]
fn answers_that_are_too_much() {
    let world = World::new();
    world.names.say("api.test", &[&["127.0.0.1"]]);
    let check = |reply: fn() -> Reply, bytes: usize, time: Duration, expected: &str| {
        let server = Server::start(move |_| reply());
        let step = world.step(&[(&http("api.test", server.port()), internal())]);
        let request = get(format!("http://api.test:{}/", server.port()));
        let limits = Allowance { bytes, ..allowance(time) };
        let error = step.send(vec![request], limits).remove(0).unwrap_err();
        let label = step.figures()[0].outcome;
        assert_eq!(label, expected, "{error}");
    };
    // Larger than the call's room, than any answer, and without end in each part of it.
    check(|| Reply::Answer(ok("", &"x".repeat(2 << 20))), 1 << 20, PATIENCE, "too_large");
    check(|| Reply::Answer(ok("", &"x".repeat(9 << 20))), 64 << 20, PATIENCE, "too_large");
    check(
        || Reply::Endless("HTTP/1.1 200 OK\r\n\r\n".to_owned(), "x".repeat(1 << 16)),
        64 << 20,
        PATIENCE,
        "too_large",
    );
    check(
        || {
            Reply::Endless(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
                "4\r\nabcd\r\n".repeat(1000),
            )
        },
        64 << 20,
        PATIENCE,
        "too_large",
    );
    check(
        || Reply::Endless("HTTP/1.1 200 OK\r\nx: ".to_owned(), "x".repeat(1 << 12)),
        64 << 20,
        PATIENCE,
        "too_large",
    );
    check(
        || Reply::Last(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(200))),
        64 << 20,
        PATIENCE,
        "too_large",
    );
    // Slow ones end with the call's time, wherever they are slow.
    let short = Duration::from_millis(300);
    check(|| Reply::Silence(String::new()), 64 << 20, short, "timeout");
    check(|| Reply::Silence("HTTP/1.1 200 OK\r\nx: ".to_owned()), 64 << 20, short, "timeout");
    check(
        || Reply::Silence("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_owned()),
        64 << 20,
        short,
        "timeout",
    );
    check(
        || Reply::Endless(String::new(), "HTTP/1.1 100 Continue\r\n\r\n".to_owned()),
        64 << 20,
        short,
        "timeout",
    );
    // Those that break off or are no answers are failures.
    check(
        || Reply::Last("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc".to_owned()),
        64 << 20,
        PATIENCE,
        "failed",
    );
    check(|| Reply::Last("SSH-2.0-OpenSSH_9\r\n".to_owned()), 64 << 20, PATIENCE, "failed");
    check(|| Reply::Last(String::new()), 64 << 20, PATIENCE, "failed");
    check(
        || Reply::Last("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab".to_owned()),
        64 << 20,
        PATIENCE,
        "failed",
    );
}

#[test]
fn what_is_compressed_stays_so() {
    // A megabyte of zeros in a few bytes would be one; the plugin gets the few bytes.
    let server = Server::start(|_| Reply::Answer(ok("content-encoding: gzip\r\n", "\u{1f}small")));
    let world = World::new();
    world.names.say("api.test", &[&["127.0.0.1"]]);
    let step = world.step(&[(&http("api.test", server.port()), internal())]);
    let answer = ask(&step, get(format!("http://api.test:{}/", server.port()))).unwrap();
    assert_eq!(answer.body, "\u{1f}small".as_bytes());
    assert!(server.heads()[0].contains("accept-encoding: identity\r\n"));
}
