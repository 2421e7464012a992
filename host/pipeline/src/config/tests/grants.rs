//! What stands beside plugins, secrets and pinned keys.

use super::super::*;

const PLAIN: &str = r#"
[lake]
url = "lake"
[source.files]
dir = "."
[streams.s]
topic = "s"
schema = { n = "int64" }
steps = [{ plugin = "guest" }]
"#;

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

/// Reads a configuration that begins with `sections`, with `beside` beside the plugin.
fn read(sections: &str, beside: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    write("plugins/guest.wasm", "");
    write("plugins/guest.toml", beside);
    write("token", "from a file\n");
    write("empty", "\n");
    write("two-lines", "one\ntwo\n");
    write("own.pub", &format!("untrusted comment: mine\n{KEY}\n"));
    write("millstream.toml", &format!("{sections}\n{PLAIN}"));
    let environment = [("TOKEN".to_owned(), "hunter2".to_owned())];
    Config::read(&folder.path().join("millstream.toml"), environment)
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

const SECRETS: &str = "[secrets]\nAPI_TOKEN = { env = \"TOKEN\" }\nOTHER = { file = \"token\" }";

fn grants(beside: &str) -> Result<millstream_engine::Grants, String> {
    read(SECRETS, beside).map(|mut config| config.streams[0].steps.swap_remove(0).grants)
}

#[test]
fn grants_stand_beside_the_plugin() {
    let none = grants("").unwrap();
    assert!(none.file.ends_with("plugins/guest.toml"), "{}", none.file);
    assert_eq!(none, millstream_engine::Grants { file: none.file.clone(), ..Default::default() });
    let whole = grants(
        "[grants]\nstrict = true\nread = [\"n\"]\nwrite = []\nstores = [\"seen\"]\ntables = [\"cars\"]\n\
         secrets = [\"API_TOKEN\"]\n[grants.http.\"api.example.com\"]\nmethods = [\"get\", \"POST\"]\n\
         paths = [\"/v1/\"]\nheaders = { Authorization = { secret = \"API_TOKEN\", prefix = \"Bearer \" } }\n\
         [grants.http.\"http://[::1]:8080\"]\nallow_private = true\n",
    )
    .unwrap();
    assert!(whole.strict && whole.stores.contains("seen") && whole.tables.contains("cars"));
    assert_eq!(whole.write.map(|list| list.len()), Some(0), "an empty list grants nothing");
    let servers: Vec<_> = whole.http.keys().map(ToString::to_string).collect();
    assert_eq!(servers, ["http://[::1]:8080", "https://api.example.com"]);
    let grant = whole.http.values().last().unwrap();
    assert_eq!(grant.methods.iter().collect::<Vec<_>>(), ["GET", "POST"]);
    assert_eq!(grant.headers["authorization"].prefix, "Bearer ");
}

#[test]
fn what_cannot_be_granted_is_said_with_its_place() {
    let check = |beside: &str, expected: &str| {
        let message = grants(beside).expect_err(beside);
        assert!(message.contains(expected), "\n{message}\ndoes not contain\n{expected}");
    };
    let server = |rest: &str| format!("[grants.http.\"api.example.com\"]\n{rest}\n");
    check("[grants]\nraed = []", "plugins/guest.toml:2:1: `grants.raed`: unknown field");
    check("[grants]\nread = \"n\"", "plugins/guest.toml:2:8: `grants.read`:");
    check(
        "[grants]\nsecrets = [\"ABSENT\"]",
        "plugins/guest.toml:2:12: `grants.secrets.0`: no secret `ABSENT`",
    );
    check(
        "[grants.http.\"*.example.com\"]",
        "plugins/guest.toml:1:14: `grants.http.\"*.example.com\"`: there are no",
    );
    check(&server("methods = [\"CONNECT\"]"), "plugins/guest.toml:2:1");
    check(&server("methods = [\"CONNECT\"]"), "no method `CONNECT`");
    check(&server("paths = []"), "an empty list grants nothing");
    for path in ["v1", "/v1/../admin", "/v1?x", "/%2e%2e/", "/a b"] {
        check(&server(&format!("paths = [\"{path}\"]")), &format!("`{path}` is not the beginning of a path"));
    }
    let header = |name: &str, value: &str| server(&format!("headers = {{ {name} = {value} }}"));
    check(&header("authorization", "{ secret = \"ABSENT\" }"), "plugins/guest.toml:2:");
    check(&header("authorization", "{ secret = \"ABSENT\" }"), "add ABSENT = { env = \"…\" }");
    check(&header("authorization", "\"hunter2\""), "`grants.http.\"api.example.com\".headers.authorization`");
    for name in ["Host", "Transfer-Encoding", "\"a b\"", "\"\""] {
        check(&header(name, "{ secret = \"OTHER\" }"), "not the name of a header");
    }
    check(
        &header("a", "{ secret = \"OTHER\", prefix = \"x\\r\\ny: \" }"),
        "ASCII without control characters",
    );
    check(
        "[grants.http.\"http://example.com\"]\nheaders = { a = { secret = \"OTHER\" } }",
        "would cross a network in the clear",
    );
    let bounded = format!("[grants]\nsecrets = [\"API_TOKEN\"]\n{}", header("a", "{ secret = \"OTHER\" }"));
    check(&bounded, "secret `OTHER` is not granted; add `OTHER` to grants.secrets");
    let strict = format!("[grants]\nstrict = true\n{}", header("a", "{ secret = \"OTHER\" }"));
    check(&strict, "add `OTHER` to grants.secrets");
    check(&format!("{}[grants.http.\"https://api.example.com:443\"]", server("")), "a second grant for");
}

#[test]
fn secrets_are_read_and_never_shown() {
    let config = read(SECRETS, "").unwrap();
    assert_eq!(config.secrets["API_TOKEN"].reveal(), "hunter2");
    assert_eq!(config.secrets["OTHER"].reveal(), "from a file");
    let shown = format!("{config:?} {}", config.secrets["API_TOKEN"]);
    assert!(!shown.contains("hunter2") && !shown.contains("from a file"), "{shown}");
    let check = |secret: &str, expected: &str| {
        let message = read(&format!("[secrets]\n{secret}"), "").expect_err(secret);
        assert!(message.contains(expected), "\n{message}\ndoes not contain\n{expected}");
        assert!(message.contains("millstream.toml:2:") && message.contains("`secrets."), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("4711"), "{message}");
    };
    check("A = \"hunter2\"", "a secret does not stand in the configuration");
    check("A = 4711", "a secret does not stand in the configuration");
    check("A = { value = \"hunter2\" }", "expected { env = \"VARIABLE\" } or { file = \"path\" }");
    check("A = { env = \"TOKEN\", file = \"token\" }", "expected { env = ");
    check("A = { env = \"ABSENT\" }", "the environment variable ABSENT is not set");
    check("A = { file = \"absent\" }", "cannot read absent");
    check("A = { file = \"empty\" }", "the secret is empty");
    check("A = { file = \"two-lines\" }", "a line break");
    check("\"a b\" = { env = \"TOKEN\" }", "letters, digits");
}

#[test]
fn keys_are_pinned_by_text_and_by_file() {
    let demand = |sections: &str, name: &str| read(sections, "").unwrap().signatures.demand(name);
    let key = format!("[plugins.keys]\nguest = \"{KEY}\"\n\"cleanse-*\" = {{ file = \"own.pub\" }}");
    assert!(demand(&key, "guest") && demand(&key, "cleanse-gps") && !demand(&key, "other"));
    assert!(demand(&format!("[plugins.keys]\na = [\"{KEY}\", {{ file = \"own.pub\" }}]"), "a"));
    assert!(!demand("", "guest") && demand("[plugins]\nrequire_signature = true", "guest"));
    let check = |line: &str, expected: &str| {
        let message = read(&format!("[plugins.keys]\n{line}"), "").expect_err(line);
        assert!(message.starts_with("millstream.toml:2:"), "{message}");
        assert!(message.contains(expected), "\n{message}\ndoes not contain\n{expected}");
    };
    check("a = \"RWQ\"", "not a minisign public key, which is 56 letters that begin with RW");
    check("a = { file = \"absent.pub\" }", "cannot read absent.pub");
    check("a = { file = \"token\" }", "token: not a minisign public key");
    check("a = []", "an empty list");
    check("a = 7", "expected a public key");
    check(&format!("\"*a\" = \"{KEY}\""), "expected a plugin's name");
}
