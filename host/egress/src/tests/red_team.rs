//! Attempts to reach what is not granted, to smuggle, to exhaust and to see credentials. Each is refused with
//! its reason, no server that is off the list hears of any, and all are counted.

use std::sync::Arc;

use millstream_engine::{HttpGrant, Outbound, OutboundError, Request};

use super::server::{Reply, Server, ok};
use super::{TOKEN, World, ask, get, http, internal, set, with_header, with_token};

/// The step under attack, and what it must not reach.
struct Siege {
    world: World,
    granted: Server,
    forbidden: Server,
    attempts: usize,
    /// What was not denied as it should be.
    breaches: Vec<String>,
}

impl Siege {
    fn new() -> Self {
        let (granted, forbidden) = (Server::saying("granted"), Server::saying("forbidden"));
        let world = World::new();
        world.names.say("api.test", &[&["127.0.0.1"]]);
        world.names.say("off.test", &[&["127.0.0.1"]]);
        Self { world, granted, forbidden, attempts: 0, breaches: Vec::new() }
    }

    fn step(&self, grant: HttpGrant) -> Arc<dyn Outbound> {
        self.world.step(&[(&http("api.test", self.granted.port()), grant)])
    }

    /// The granted server's URL with this behind its port.
    fn url(&self, rest: &str) -> String {
        format!("http://api.test:{}{rest}", self.granted.port())
    }

    fn denied(&mut self, step: &Arc<dyn Outbound>, request: Request, expected: &str) {
        self.attempts += 1;
        let shown = format!("{} {:?} {:?}", request.method.escape_debug(), request.url, request.headers);
        match ask(step, request) {
            Err(OutboundError::Denied(reason)) if reason.contains(expected) && !reason.contains(TOKEN) => {}
            other => self.breaches.push(format!("{shown} should be denied, {expected:?}: {other:?}")),
        }
    }

    /// Ends the siege: nobody off the list was asked.
    fn end(self, attempts: usize) {
        assert!(self.breaches.is_empty(), "{}", self.breaches.join("\n"));
        assert_eq!(self.forbidden.heads(), [""; 0], "a server off the list was asked");
        assert_eq!(self.attempts, attempts, "attempts");
    }
}

#[test]
fn spellings_of_urls() {
    let mut siege = Siege::new();
    let step = siege.step(internal());
    let (port, off) = (siege.granted.port(), siege.forbidden.port());
    let outside = format!("http://off.test:{off}/");
    let attempts: Vec<(String, &str)> = [
        // Another server in the clothes of the granted one.
        (outside.as_str(), "http://off.test:"),
        ("http://api.test@off.test:OFF/", "no user"),
        ("http://api.test:PORT@off.test:OFF/", "no user"),
        ("http://off.test:OFF\\@api.test:PORT/", "may not have \\"),
        ("http://api.test:PORT\\.off.test:OFF/", "may not have \\"),
        ("http://off.test:OFF#@api.test:PORT/", "is not granted"),
        ("http://off.test:OFF?@api.test:PORT/", "is not granted"),
        ("http://api.test.off.test:OFF/", "is not granted"),
        ("http://api.test%2eoff.test:OFF/", "zone or escape"),
        ("http://%61pi.test:PORT/", "zone or escape"),
        ("http://api.test.:PORT/", "may not end with a dot"),
        ("http://api.test:PORT:OFF/", "invalid port number"),
        ("http://api.test:OFF/", "is not granted"),
        ("http://api.test:0/", "is not granted"),
        ("http://api.test:65536/", "invalid port number"),
        ("http://api.test/", "http://api.test is not granted"),
        ("http://user:secret@api.test:PORT/", "no user"),
        // Other schemes.
        ("https://api.test:PORT/", "https://api.test:"),
        ("file:///etc/passwd", "must begin with https"),
        ("ftp://api.test:PORT/", "must begin with https"),
        ("gopher://api.test:PORT/", "must begin with https"),
        ("data:text/plain,x", "must begin with https"),
        ("//api.test:PORT/", "must begin with https"),
        ("http:api.test:PORT/", "must begin with https"),
        ("http:/api.test:PORT/", "must begin with https"),
        ("jar:http://api.test:PORT/", "must begin with https"),
        ("/etc/passwd", "must begin with https"),
        ("", "must begin with https"),
        // A host that is none.
        ("http:///api.test:PORT/", "must have a host"),
        ("http://:PORT/", "cannot be read"),
        ("http://", "must have a host"),
        // Addresses in disguise.
        ("http://2130706433:PORT/", "written plainly, as 127.0.0.1"),
        ("http://0x7f000001:PORT/", "written plainly, as 127.0.0.1"),
        ("http://0x7f.0.0.1:PORT/", "written plainly, as 127.0.0.1"),
        ("http://0177.0.0.1:PORT/", "written plainly, as 127.0.0.1"),
        ("http://017700000001:PORT/", "written plainly, as 127.0.0.1"),
        ("http://127.1:PORT/", "written plainly, as 127.0.0.1"),
        ("http://127.0.1:PORT/", "written plainly, as 127.0.0.1"),
        ("http://127.0.0.1.:PORT/", "written plainly, as 127.0.0.1"),
        ("http://0:PORT/", "written plainly, as 0.0.0.0"),
        ("http://127.0.0.1:PORT/", "http://127.0.0.1:"),
        ("http://①②⑦.⓪.⓪.①:PORT/", "written plainly, as 127.0.0.1"),
        ("http://127。0。0。1:PORT/", "written plainly, as 127.0.0.1"),
        ("http://256.0.0.1:PORT/", "invalid IPv4 address"),
        ("http://[::1]:PORT/", "http://[::1]:"),
        ("http://[0:0:0:0:0:0:0:1]:PORT/", "written plainly, as [::1]"),
        ("http://[::ffff:127.0.0.1]:PORT/", "written plainly, as [::ffff:7f00:1]"),
        ("http://[::ffff:7f00:1]:PORT/", "is not granted"),
        ("http://[fe80::1%25lo]:PORT/", "zone or escape"),
        ("http://[fe80::1%lo]:PORT/", "zone or escape"),
        ("http://[::1:PORT/", "invalid IPv6 address"),
        ("http://::1:PORT/", "cannot be read"),
        // Names that look alike.
        ("http://аpi.test:PORT/", "xn--"),
        ("http://api\u{200b}.test:OFF/", "is not granted"),
        ("http://api.test\u{ff0f}.off.test:OFF/", "cannot be read"),
        ("http://ＡＰＩ.test:OFF/", "is not granted"),
        // Lines and blanks.
        ("http://api.test:PORT/\r\nhost: off.test\r\n\r\n", "may not have \\r"),
        ("http://api.test:PORT/\nx: y", "may not have \\n"),
        ("http://api.test:PORT/a b", "may not have  "),
        ("http://api.test:PORT/\tx", "may not have \\t"),
        ("http://api.test:PORT/\u{0}", "may not have \\0"),
        ("ht\ntp://off.test:OFF/", "may not have \\n"),
        (" http://api.test:PORT/", "may not have  "),
        ("http://api.test:PORT/\u{2028}", "may not have"),
        ("http://api.test:PORT/\u{85}", "may not have"),
    ]
    .into_iter()
    .map(|(url, expected)| {
        (url.replace("PORT", &port.to_string()).replace("OFF", &off.to_string()), expected)
    })
    .collect();
    let count = attempts.len() + 1;
    for (url, expected) in attempts {
        siege.denied(&step, get(url), expected);
    }
    siege.denied(&step, get(siege.url(&format!("/{}", "x".repeat(9000)))), "at most 8192 bytes");
    // Plain spellings of the same server are one.
    for url in [
        siege.url("/"),
        siege.url("/").replace("api.test", "API.Test"),
        siege.url("/").replace("http", "HTTP"),
    ] {
        ask(&step, get(url)).unwrap();
    }
    assert_eq!(siege.granted.heads().len(), 3, "no attempt reached the granted server either");
    siege.end(count);
}

#[test]
fn methods_and_paths() {
    let mut siege = Siege::new();
    let grant = HttpGrant { methods: set(&["GET", "POST"]), paths: set(&["/v1/"]), ..internal() };
    let step = siege.step(grant);
    let method = |method: &str| Request { method: method.to_owned(), ..get(siege.url("/v1/x")) };
    for (request, expected) in [
        (method("DELETE"), "DELETE to http://api.test"),
        (method("get"), "get to http://api.test"),
        (method("CONNECT"), "not for plugins"),
        (method("TRACE"), "not for plugins"),
        (method("GET / HTTP/1.1\r\nhost: off.test\r\n\r\nGET"), "is no method"),
        (method(""), "is no method"),
    ] {
        siege.denied(&step, request, expected);
    }
    let paths = [
        ("/", "this path"),
        ("/v1", "this path"),
        ("/v2/", "this path"),
        ("/V1/", "this path"),
        ("/v1/../admin", "this path"),
        ("/v1/%2e%2e/admin", "this path"),
        ("/v1/.%2e/admin", "this path"),
        ("/v1/..%2fadmin", "escaped slash"),
        ("/v1/..%5cadmin", "escaped slash"),
        ("/v1/%252e%252e/admin", "escaped slash"),
        ("/v1/..;/admin", "segments of dots"),
        ("/v1//admin", "empty segment"),
        ("/v1/x%00", "escaped slash"),
        ("?/v1/", "this path"),
        ("#/v1/", "this path"),
    ];
    for (path, expected) in paths {
        siege.denied(&step, get(siege.url(path)), expected);
    }
    assert!(siege.granted.heads().is_empty(), "none of it was sent");
    ask(&step, get(siege.url("/v1/cars?from=../x#y"))).unwrap();
    assert!(siege.granted.heads()[0].starts_with("GET /v1/cars?from=../x HTTP/1.1\r\n"));
    siege.end(21);
}

#[test]
fn headers_that_are_the_hosts() {
    let mut siege = Siege::new();
    let step = siege.step(with_token(internal()));
    let names = [
        "Host",
        "host",
        "Authorization",
        "AUTHORIZATION",
        "Cookie",
        "Connection",
        "Keep-Alive",
        "Transfer-Encoding",
        "Content-Length",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "Proxy-Connection",
        "proxy-anything",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Original-URL",
        "X-HTTP-Method-Override",
    ];
    for name in names {
        siege.denied(&step, with_header(get(siege.url("/")), name, "x"), "is the host's to set");
    }
    for (name, value, expected) in [
        ("x-a", "1\r\nhost: off.test", "a line's end"),
        ("x-a", "1\nx-b: 2", "a line's end"),
        ("x-a", "1\r\n\r\nGET /admin HTTP/1.1", "a line's end"),
        ("x-a", "\u{0}", "a line's end"),
        ("x-a: 1\r\nhost", "off.test", "no name of a header"),
        ("Transfer-Encoding ", "chunked", "no name of a header"),
        ("transfer-encoding\t", "chunked", "no name of a header"),
        (" host", "off.test", "no name of a header"),
        ("host:", "off.test", "no name of a header"),
        ("", "x", "no name of a header"),
        ("ho\u{17f}t", "off.test", "no name of a header"),
    ] {
        siege.denied(&step, with_header(get(siege.url("/")), name, value), expected);
    }
    let many = (0..200).map(|number| (format!("x-{number}"), String::new())).collect();
    siege.denied(&step, Request { headers: many, ..get(siege.url("/")) }, "at most 100 headers");
    assert!(siege.granted.heads().is_empty(), "none of it was sent");
    siege.end(33);
}

#[test]
fn names_that_resolve_to_what_is_not_public() {
    let mut siege = Siege::new();
    let step = siege.step(HttpGrant::default());
    let addresses = [
        ("127.0.0.1", "loopback"),
        ("127.8.8.8", "loopback"),
        ("10.0.0.1", "private"),
        ("172.20.0.1", "private"),
        ("192.168.0.1", "private"),
        ("169.254.169.254", "metadata"),
        ("169.254.7.7", "link-local"),
        ("100.64.0.1", "shared"),
        ("0.0.0.0", "unspecified"),
        ("255.255.255.255", "broadcast"),
        ("224.0.0.251", "multicast"),
        ("198.18.0.1", "benchmarking"),
        ("240.0.0.1", "reserved"),
        ("::1", "loopback"),
        ("::", "unspecified"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:169.254.169.254", "metadata"),
        ("::127.0.0.1", "IPv4-compatible"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::1", "loopback"),
        ("2001:0:1::1", "Teredo"),
        ("fd00::1", "unique local"),
        ("fd00:ec2::254", "metadata"),
        ("fe80::1", "link-local"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
    ];
    for (address, expected) in addresses {
        siege.world.names.say("api.test", &[&[address]]);
        siege.denied(&step, get(siege.url("/")), expected);
        // One that is public beside it does not help, wherever it stands.
        siege.world.names.say("api.test", &[&["93.184.216.34", address]]);
        siege.denied(&step, get(siege.url("/")), expected);
    }
    // A grant for private addresses is none for metadata services.
    let step = siege.step(internal());
    for address in
        ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "0.0.0.0"]
    {
        siege.world.names.say("api.test", &[&[address]]);
        siege.denied(&step, get(siege.url("/")), "api.test");
    }
    assert!(siege.granted.heads().is_empty(), "nobody was asked");
    siege.end(57);
}

#[test]
fn a_name_that_changes_is_looked_up_once_for_each_connection() {
    let first = Server::saying("first");
    // The same port at another address of this machine.
    let second = Server::at(format!("127.0.0.2:{}", first.port()).parse().unwrap(), |_| {
        Reply::Answer(ok("", "second"))
    });
    let second = second.unwrap();
    let world = World::new();
    world.names.say("api.test", &[&["127.0.0.1"], &["127.0.0.2"], &["169.254.169.254"]]);
    let step = world.step(&[(&http("api.test", first.port()), internal())]);
    let url = format!("http://api.test:{}/", first.port());
    assert_eq!(super::text(ask(&step, get(&url))), "first");
    assert_eq!(world.names.looked_up.lock().unwrap().len(), 1, "what was checked is what was connected to");
    assert_eq!(super::text(ask(&step, get(&url))), "first", "the connection stays where it was");
    assert_eq!(world.names.looked_up.lock().unwrap().len(), 1);
    assert!(second.heads().is_empty());
    // Without a connection that waits, the name is looked up and checked anew, each time.
    let again = || world.step(&[(&http("api.test", first.port()), internal())]);
    assert_eq!(super::text(ask(&again(), get(&url))), "second");
    let denied = ask(&again(), get(&url)).unwrap_err();
    assert!(matches!(&denied, OutboundError::Denied(reason) if reason.contains("metadata")), "{denied}");
}

#[test]
fn redirects_off_the_list() {
    let mut siege = Siege::new();
    let (port, off) = (siege.granted.port(), siege.forbidden.port());
    let locations = [
        ("http://off.test:OFF/", "http://off.test:"),
        ("//off.test:OFF/", "http://off.test:"),
        ("http://127.0.0.1:OFF/", "http://127.0.0.1:"),
        ("http://2130706433:OFF/", "http://127.0.0.1:"),
        ("http://[::1]:OFF/", "http://[::1]:"),
        ("http://169.254.169.254/latest/meta-data/", "http://169.254.169.254 is not granted"),
        ("http://api.test@off.test:OFF/", "no user"),
        ("https://api.test:PORT/", "https://api.test:"),
        ("http://api.test:OFF/", "http://api.test:"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://api.test/", "must begin with https"),
        ("javascript:alert(1)", "must begin with https"),
        ("\\\\off.test:OFF\\", "may not have \\"),
        ("http:\\\\off.test:OFF/", "may not have \\"),
        ("http://off.test:OFF\\@api.test:PORT/", "may not have \\"),
        ("/admin", "this path"),
        ("/v1/../admin", "this path"),
        ("/v1/%2e%2e%2fadmin", "escaped slash"),
        ("http://api.test:PORT/v1/ x", "may not have"),
        ("/v1/\u{e9}", "it is no text"),
    ];
    for (location, expected) in locations {
        let location = location.replace("PORT", &port.to_string()).replace("OFF", &off.to_string());
        let server = Server::redirecting(302, location);
        siege.world.names.say("start.test", &[&["127.0.0.1"]]);
        let start = http("start.test", server.port());
        let on = http("api.test", port);
        let granted = HttpGrant { paths: set(&["/v1/"]), ..internal() };
        let step =
            siege.world.step(&[(&start, HttpGrant { paths: set(&["/v1/"]), ..internal() }), (&on, granted)]);
        let url = format!("http://start.test:{}/v1/", server.port());
        siege.denied(&step, get(&url), expected);
        assert_eq!(server.heads().len(), 1);
    }
    assert!(siege.granted.heads().is_empty(), "no redirect was followed");
    siege.end(20);
}

#[test]
fn redirects_to_a_name_that_has_become_private() {
    let mut siege = Siege::new();
    let server = Server::redirecting(307, format!("http://api.test:{}/", siege.granted.port()));
    siege.world.names.say("start.test", &[&["127.0.0.1"]]);
    let on = http("api.test", siege.granted.port());
    let start = http("start.test", server.port());
    let step = siege.world.step(&[(&start, internal()), (&on, HttpGrant::default())]);
    siege.denied(&step, get(format!("http://start.test:{}/", server.port())), "at a loopback address");
    // A method that is granted at the first server only.
    let both = HttpGrant { methods: set(&["GET", "POST"]), ..internal() };
    let step = siege.world.step(&[(&start, both), (&on, internal())]);
    let post = Request { method: "POST".to_owned(), ..get(format!("http://start.test:{}/", server.port())) };
    siege.denied(&step, post, "POST to http://api.test");
    assert!(siege.granted.heads().is_empty());
    siege.end(2);
}

#[test]
fn redirects_without_end() {
    let mut siege = Siege::new();
    let round = Server::redirecting(302, "/again");
    let step = siege.world.step(&[(&http("api.test", round.port()), internal())]);
    siege.denied(&step, get(format!("http://api.test:{}/", round.port())), "redirected more than 5 times");
    assert_eq!(round.heads().len(), 6);
    siege.end(1);
}
