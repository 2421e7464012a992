//! What a plugin does beside its rows, in native tests: requests are answered by the test, log lines and
//! metrics are kept for it. Each thread, so each test, has its own.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::http::{Failure, Request, Response};

type Server = dyn FnMut(&Request) -> Result<Response, Failure>;

thread_local! {
    static SERVER: RefCell<Option<Box<Server>>> = const { RefCell::new(None) };
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static COUNTERS: RefCell<BTreeMap<String, u64>> = const { RefCell::new(BTreeMap::new()) };
    static GAUGES: RefCell<BTreeMap<String, f64>> = const { RefCell::new(BTreeMap::new()) };
}

/// Answers the requests of this thread's plugins from now on; before that, they all fail.
pub fn answer_http(server: impl FnMut(&Request) -> Result<Response, Failure> + 'static) {
    SERVER.set(Some(Box::new(server)));
}

pub(crate) fn ask_http(request: &Request) -> Result<Response, Failure> {
    SERVER.with_borrow_mut(|server| match server {
        Some(server) => server(request),
        None => Err(Failure::Failed("no server in this test: see `testing::answer_http`".to_owned())),
    })
}

/// The lines that this thread's plugins logged since it was last asked for, as `info: text`.
pub fn logged() -> Vec<String> {
    LOG.take()
}

/// The sum of a counter of this thread's plugins; 0 if it was never added to.
pub fn count(counter: &str) -> u64 {
    COUNTERS.with_borrow(|counters| counters.get(counter).copied().unwrap_or_default())
}

/// The last value of a gauge of this thread's plugins.
pub fn gauge(gauge: &str) -> Option<f64> {
    GAUGES.with_borrow(|gauges| gauges.get(gauge).copied())
}

pub(crate) fn note_log(line: String) {
    eprintln!("{line}");
    LOG.with_borrow_mut(|lines| lines.push(line));
}

pub(crate) fn note_count(counter: &str, n: u64) {
    COUNTERS.with_borrow_mut(|counters| *counters.entry(counter.to_owned()).or_default() += n);
}

pub(crate) fn note_gauge(gauge: &str, value: f64) {
    GAUGES.with_borrow_mut(|gauges| gauges.insert(gauge.to_owned(), value));
}
