use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutMode};

use super::*;

fn generic(text: &str) -> Error {
    Error::Generic { store: "S3", source: text.to_owned().into() }
}

fn status(code: &str, body: &str) -> Error {
    generic(&format!(
        "Error performing PUT http://h/b in 1ms - Server returned non-2xx status code: {code}: {body}"
    ))
}

#[test]
fn answers_are_told_apart_and_said_in_short() {
    let check = |error: Error, expect: Answer, again: bool, short: &str| {
        assert_eq!(Answer::of(&error), expect, "{error}");
        assert_eq!(RetryPolicy::default().begin().failed(&error).is_some(), again, "{error}");
        assert!(in_short(&error).contains(short), "{}", in_short(&error));
    };
    let slow_down = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";
    let slow_down = status("503 Service Unavailable", slow_down);
    check(slow_down, Answer::Throttled, true, "SlowDown: Please reduce your request rate");
    check(status("503 Service Unavailable", "busy"), Answer::Unavailable, true, "busy");
    check(status("503 Server Busy", "<Code>ServerBusy</Code>"), Answer::Throttled, true, "ServerBusy");
    check(status("429 Too Many Requests", ""), Answer::Throttled, true, "429");
    check(status("500 Internal Server Error", ""), Answer::Unavailable, true, "500");
    check(
        status("400 Bad Request", "<Code>RequestTimeout</Code>"),
        Answer::Unavailable,
        true,
        "RequestTimeout",
    );
    check(status("400 Bad Request", ""), Answer::Failed, false, "400");
    check(generic("HTTP error: error sending request"), Answer::Unavailable, true, "error sending request");
    check(generic("No space left on device"), Answer::Failed, true, "No space left");
    // S3's own status for it is 400.
    let expired = "<Code>ExpiredToken</Code><Message>It has expired.\nRequestId:5</Message>";
    check(status("400 Bad Request", expired), Answer::Denied, false, "ExpiredToken: It has expired");
    let denied = Error::PermissionDenied { path: "p".into(), source: "403".into() };
    check(denied, Answer::Denied, false, "403");
    let exists = Error::AlreadyExists { path: "p".into(), source: "412".into() };
    check(exists, Answer::Exists, true, "412");
}

#[test]
fn patience_is_bounded_in_number_and_in_time() {
    let policy = RetryPolicy { attempts: 4, ..RetryPolicy::default() };
    let count = |policy: RetryPolicy, error: Error| {
        let mut attempts = policy.begin();
        let mut waits = Vec::new();
        while let Some(wait) = attempts.failed(&error) {
            waits.push(wait);
        }
        assert_eq!(attempts.failures() as usize, waits.len() + 1);
        waits
    };
    let waits = count(policy, status("500", ""));
    assert_eq!(waits.len(), 3);
    for (wait, longest) in waits.iter().zip([100, 200, 400]) {
        let longest = Duration::from_millis(longest);
        assert!(*wait >= longest / 2 && *wait <= longest, "{wait:?} of {longest:?}");
    }
    let short = RetryPolicy { time_max: Duration::ZERO, ..policy };
    assert_eq!(count(short, status("500", "")), []);
    let denied = || Error::PermissionDenied { path: "p".into(), source: "403".into() };
    assert_eq!(count(policy, denied()), []);
    let longest: Duration = count(RetryPolicy::default(), status("503", "")).iter().sum();
    assert!(longest <= Duration::from_secs(56), "{longest:?}");
}

#[tokio::test]
async fn every_request_is_counted_by_what_came_of_it() {
    let figures = Arc::new(StoreFigures::default());
    let store = Watched::new(Arc::new(InMemory::new()), figures.clone());
    let path = Path::from("a/b");
    for _ in 0..2 {
        let _ = store.put_opts(&path, "content".into(), PutMode::Create.into()).await;
    }
    store.get(&path).await.unwrap().bytes().await.unwrap();
    store.get(&Path::from("nowhere")).await.unwrap_err();
    assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap().len(), 1);
    assert_eq!(store.list(Some(&Path::from("nowhere"))).try_collect::<Vec<_>>().await.unwrap().len(), 0);
    store.delete(&path).await.unwrap();
    let status = figures.status();
    let requests = serde_json::to_value(&status.requests).unwrap();
    let expected = serde_json::json!({
        "put": { "ok": 1, "exists": 1 },
        "get": { "ok": 1, "not_found": 1 },
        "list": { "ok": 2 },
        "delete": { "ok": 1 },
    });
    assert_eq!(requests, expected);
    assert_eq!((status.retries, status.throttled, status.silent_seconds), (0, 0, None));
    assert_eq!(figures.with_durations(Operation::Get, |durations| durations.count()), 2);
}

#[test]
fn a_store_is_silent_until_it_does_something() {
    let figures = StoreFigures::default();
    let ask = |error: Option<&Error>| figures.begin(Operation::Put, "p").end("p", error);
    assert_eq!(figures.silent_for(), None);
    ask(Some(&status("503", "<Code>SlowDown</Code>")));
    assert!(figures.silent_for().is_some(), "a refusal is no service");
    assert_eq!(figures.trouble(), None, "it has not been long");
    let trouble = figures.trouble_after(Duration::ZERO).unwrap();
    assert!(trouble.starts_with("the lake's store has done nothing for 0 s ("), "{trouble}");
    assert!(trouble.contains("503"), "{trouble}");
    ask(Some(&status("500", "")));
    assert_eq!((figures.status().throttled, figures.retries()), (1, 1));
    ask(None);
    assert_eq!((figures.silent_for(), figures.retries()), (None, 2));
    ask(Some(&Error::PermissionDenied { path: "p".into(), source: "403".into() }));
    assert_eq!(figures.silent_for(), None, "it has answered, and is not asked again");
    // Given up by who asked: nobody waits for it.
    drop(figures.begin(Operation::Get, "q"));
    assert_eq!(figures.silent_for(), None);
    let pending = figures.begin(Operation::Get, "q");
    assert!(figures.silent_for().is_some(), "a request without an answer is silence, too");
    drop(pending);
}
