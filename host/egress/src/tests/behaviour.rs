//! What the rules leave: requests that are granted arrive as they were meant, with credentials that the plugin
//! never sees.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

use millstream_engine::{HttpGrant, Network as _, OutboundError, Request, SecretHeader};

use super::server::{Away, Reply, Server, ok};
use super::{
    PATIENCE, TOKEN, World, allowance, ask, get, http, internal, set, text, with_header, with_token,
};
use crate::{REQUESTS_PER_HOST, Secrets};

fn world() -> World {
    let world = World::new();
    world.names.say("api.test", &[&["127.0.0.1"]]);
    world.names.say("other.test", &[&["127.0.0.1"]]);
    world
}

fn url(host: &str, server: &Server) -> String {
    format!("http://{host}:{}/x?y", server.port())
}

#[test]
fn a_request_arrives_as_it_was_made() {
    let (world, server) = (world(), Server::saying("there"));
    let grant = HttpGrant { methods: set(&["POST"]), ..internal() };
    let step = world.step(&[(&http("api.test", server.port()), grant)]);
    let request =
        Request { method: "POST".to_owned(), body: b"cars".to_vec(), ..get(url("api.test", &server)) };
    let answer = ask(&step, with_header(request, "Content-Type", "text/plain")).unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"there".as_slice()));
    let head = server.heads().remove(0);
    assert!(head.starts_with("POST /x?y HTTP/1.1\r\n"), "{head}");
    for part in
        [&format!("host: api.test:{}\r\n", server.port()), "content-type: text/plain\r\n", "\r\n\r\ncars"]
    {
        assert!(head.contains(part), "`{part}` is not in {head}");
    }
    assert!(!head.contains("authorization"), "{head}");
    let figures = step.figures();
    assert_eq!((figures.len(), figures[0].outcome, figures[0].requests), (1, "2xx", 1));
    assert_eq!(*figures[0].host, *format!("http://api.test:{}", server.port()));
}

#[test]
fn any_status_is_an_answer() {
    let (world, server) =
        (world(), Server::start(|_| Reply::Last("HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n".to_owned())));
    let step = world.step(&[(&http("api.test", server.port()), internal())]);
    assert_eq!(ask(&step, get(url("api.test", &server))).unwrap().status, 404);
    assert_eq!(step.figures()[0].outcome, "4xx");
}

#[test]
fn answers_are_in_the_order_of_the_requests_and_connections_are_used_again() {
    let world = world();
    let server = Server::start(|head| Reply::Answer(ok("", head.split(' ').nth(1).unwrap())));
    let step = world.step(&[(&http("api.test", server.port()), internal())]);
    let paths: Vec<_> = (0..200).map(|number| format!("/{number}")).collect();
    let requests = paths.iter().map(|path| get(format!("http://api.test:{}{path}", server.port())));
    let answers = step.send(requests.collect(), allowance(PATIENCE));
    let answers: Vec<_> = answers.into_iter().map(text).collect();
    assert_eq!(answers, paths);
    let connections = world.names.looked_up.lock().unwrap().len();
    assert!(connections < 100, "{connections} connections for 200 requests");
}

#[test]
fn a_server_gets_no_more_requests_at_once_than_the_bound() {
    let world = world();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (present, peak) = (now.clone(), most.clone());
    // Each waits until as many as may be are there.
    let all = Arc::new(Barrier::new(REQUESTS_PER_HOST));
    let server = Server::start(move |_| {
        peak.fetch_max(present.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        all.wait();
        present.fetch_sub(1, Ordering::SeqCst);
        Reply::Answer(ok("", ""))
    });
    let origin = http("api.test", server.port());
    // Two steps share the bound.
    let steps = [(); 2].map(|()| world.step(&[(&origin, internal())]));
    std::thread::scope(|scope| {
        for step in &steps {
            scope.spawn(|| {
                let requests = vec![get(url("api.test", &server)); REQUESTS_PER_HOST * 2];
                let answers = step.send(requests, allowance(PATIENCE));
                assert!(answers.iter().all(Result::is_ok));
            });
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), REQUESTS_PER_HOST);
}

#[test]
fn credentials_reach_their_server_and_nobody_else() {
    let world = world();
    let other = Server::saying("other");
    let to_other = format!("http://other.test:{}/", other.port());
    let server = Server::redirecting(302, to_other);
    let (api, off) = (http("api.test", server.port()), http("other.test", other.port()));
    let step = world.step(&[(&api, with_token(internal())), (&off, internal())]);
    assert_eq!(text(ask(&step, get(url("api.test", &server)))), "other");
    assert!(
        server.heads()[0].contains(&format!("authorization: Bearer {TOKEN}\r\n")),
        "{:?}",
        server.heads()
    );
    assert!(!other.heads()[0].contains(TOKEN), "{:?}", other.heads());
    // And the other way round: credentials for the server that one is redirected to.
    let step = world.step(&[(&api, internal()), (&off, with_token(internal()))]);
    ask(&step, get(url("api.test", &server))).unwrap();
    assert!(!server.heads()[1].contains(TOKEN), "{:?}", server.heads());
    assert!(other.heads()[1].contains(TOKEN), "{:?}", other.heads());
}

#[test]
fn a_plugin_does_not_see_credentials_in_what_comes_back() {
    let world = world();
    let check = |reply: String| {
        let server = Server::start(move |_| Reply::Last(reply.clone()));
        let step = world.step(&[(&http("api.test", server.port()), with_token(internal()))]);
        let answer = ask(&step, get(url("api.test", &server)));
        assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
        answer
    };
    let headers = format!(
        "authorization: Bearer {TOKEN}\r\nx-echo: token={TOKEN}\r\nset-cookie: a=b\r\nwww-authenticate: Basic\r\n\
         proxy-authenticate: Basic\r\nAuthentication-Info: x\r\nalt-svc: h3\r\nconnection: close\r\nETag: \"1\"\r\n"
    );
    let seen: BTreeMap<_, _> = check(ok(&headers, "fine")).unwrap().headers.into_iter().collect();
    let expected = [("content-length", "4"), ("etag", "\"1\"")];
    assert_eq!(seen, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let withheld = check(ok("", &format!("{{\"headers\": \"{TOKEN}\"}}"))).unwrap_err();
    assert!(withheld.to_string().contains("holds a credential of the host's"), "{withheld}");
    // Nor in what is said of an answer that cannot be read, or of a redirect.
    check(format!("HTTP/1.1 200 {TOKEN}\r\nx{TOKEN}\u{0}: y\r\n\r\n")).unwrap_err();
    check(format!("HTTP/1.1 302 x\r\nlocation: http://{TOKEN}.test/\r\ncontent-length: 0\r\n\r\n"))
        .unwrap_err();
}

#[test]
fn secrets_are_checked_when_a_step_is_made() {
    let check = |value: Option<&str>, header: &str, expected: &str| {
        let secrets =
            value.map(|value| ("TOKEN".to_owned(), value.to_owned())).into_iter().collect::<Secrets>();
        assert!(!format!("{secrets:?}").contains("barley"), "{secrets:?}");
        let mut world = World::new();
        world.egress.secrets = secrets;
        let token = SecretHeader { secret: "TOKEN".to_owned(), prefix: String::new() };
        let grant =
            HttpGrant { headers: BTreeMap::from([(header.to_owned(), token)]), ..HttpGrant::default() };
        let granted = BTreeMap::from([(http("api.test", 80), grant)]);
        let Err(reason) = world.egress.outbound(&granted) else { panic!("{header} was taken") };
        assert!(reason.contains(expected), "`{expected}` is not in: {reason}");
        assert!(!reason.contains("barley"), "{reason}");
    };
    check(None, "x-key", "header `x-key` of the grant for http://api.test: there is no secret `TOKEN`");
    check(Some(""), "x-key", "secret `TOKEN` is empty");
    check(Some("wheat\r\nbarley"), "x-key", "holds what no header may");
    check(Some("barley"), "x key", "no header's name");
    check(Some("barley"), "host", "about the connection");
}

/// Each request was denied, and nothing had said so before.
#[test]
fn a_grant_that_allows_no_request_is_refused_when_a_step_is_made() {
    let check = |host: &str, allow_private: bool, expected: Option<&str>| {
        let grant = HttpGrant { allow_private, ..HttpGrant::default() };
        let made = World::new().egress.outbound(&BTreeMap::from([(http(host, 8080), grant)]));
        match (made.map(drop), expected) {
            (Ok(()), None) => {}
            (Err(reason), Some(expected)) => assert_eq!(reason, expected),
            (made, expected) => panic!("{host}: {made:?} instead of {expected:?}"),
        }
    };
    let remedy = "to allow that, write allow_private = true under [grants.http.\"HOST\"]";
    let at = |host: &str, what: &str| {
        let (origin, remedy) =
            (format!("http://{host}:8080"), remedy.replace("HOST", &format!("http://{host}:8080")));
        format!("the grant for {origin} allows no request, for the server is at {what}; {remedy}")
    };
    for host in ["127.0.0.1", "[::1]", "localhost", "api.localhost"] {
        check(host, false, Some(&at(host, "a loopback address")));
        check(host, true, None);
    }
    check("192.168.0.7", false, Some(&at("192.168.0.7", "a private address")));
    let never = "the grant for http://169.254.169.254:8080 allows no request, for the server is at the metadata \
                 service of a cloud; take it out";
    check("169.254.169.254", false, Some(never));
    check("169.254.169.254", true, Some(never));
    check("93.184.216.34", false, None);
    check("api.test", false, None);
}

#[test]
fn a_plugin_cannot_set_what_is_injected() {
    let (world, server) = (world(), Server::saying(""));
    let token = SecretHeader { secret: "TOKEN".to_owned(), prefix: String::new() };
    let grant = HttpGrant { headers: BTreeMap::from([("x-api-key".to_owned(), token)]), ..internal() };
    let step = world.step(&[(&http("api.test", server.port()), grant)]);
    let error = ask(&step, with_header(get(url("api.test", &server)), "X-API-Key", "mine")).unwrap_err();
    assert_eq!(error, OutboundError::Denied("header `x-api-key` is the host's to set".to_owned()));
    assert!(server.heads().is_empty());
}

#[test]
fn a_post_becomes_a_get_only_where_the_standard_says_so() {
    let world = world();
    let check = |status: u16, expected: &str| {
        let other = Server::saying("");
        let server = Server::redirecting(status, format!("http://other.test:{}/", other.port()));
        let grant = HttpGrant { methods: set(&["GET", "POST"]), ..internal() };
        let (api, next) = (http("api.test", server.port()), http("other.test", other.port()));
        let step = world.step(&[(&api, grant.clone()), (&next, grant)]);
        let post =
            Request { method: "POST".to_owned(), body: b"cars".to_vec(), ..get(url("api.test", &server)) };
        ask(&step, post).unwrap();
        let head = other.heads().remove(0);
        assert!(head.starts_with(expected), "{status}: {head}");
        assert_eq!(head.ends_with("cars"), expected == "POST", "{status}: {head}");
    };
    for (status, method) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        check(status, method);
    }
}

#[test]
fn a_server_that_is_away_or_a_name_that_is_not_there_fails() {
    let world = world();
    let away = Away::new();
    let gone = away.port();
    let step = world.step(&[(&http("api.test", gone), internal()), (&http("no.test", 80), internal())]);
    let fails = |url: String, expected: &str| match ask(&step, get(url)) {
        Err(OutboundError::Failed(reason)) => assert!(reason.contains(expected), "{reason}"),
        other => panic!("{other:?}"),
    };
    fails("http://no.test/".to_owned(), "no address for http://no.test: entity not found");
    fails(format!("http://api.test:{gone}/"), "connection refused");
}

#[test]
fn a_connection_that_was_closed_meanwhile_is_replaced() {
    let (world, server) = (world(), Server::start(|_| Reply::Last(ok("", "again"))));
    let step = world.step(&[(&http("api.test", server.port()), internal())]);
    for _ in 0..5 {
        assert_eq!(text(ask(&step, get(url("api.test", &server)))), "again");
    }
}
