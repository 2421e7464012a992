//! Requests to servers, made by the host. A plugin may ask only what `[grants.http]` in the file beside it
//! names, and never sees the credentials that the host adds. A call may be repeated, so a server may see a
//! request more than once. Natively, [`crate::testing::answer_http`] stands in for the servers.
//!
//! ```
//! # use millstream_sdk::http::{self, Request, Response};
//! # millstream_sdk::testing::answer_http(|request| Ok(Response { status: 200, headers: vec![], body: request.url.clone().into() }));
//! let requests = ["AB12", "CD34"].map(|plate| Request::get(format!("https://cars.example/{plate}")));
//! for answer in http::send_many(requests) {
//!     assert_eq!(answer?.status, 200);
//! }
//! # Ok::<(), http::Failure>(())
//! ```

use crate::Error;
pub use crate::bindings::millstream::plugin::http::{HttpError as Failure, Request, Response};

impl Request {
    /// A request of any method.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A `GET`.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A `POST` of `body`.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..Self::new("POST", url) }
    }

    /// The same with one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sends it and waits for the answer. For the rows of a batch [`send_many`] waits once.
    ///
    /// # Errors
    /// Why there is no answer; an answer of any status is one.
    pub fn send(self) -> Result<Response, Failure> {
        #[cfg(target_arch = "wasm32")]
        return crate::bindings::millstream::plugin::http::send(&self);
        #[cfg(not(target_arch = "wasm32"))]
        crate::testing::ask_http(&self)
    }
}

impl Response {
    /// The first header of this name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body, if the status is one of success; otherwise an error to return from a batch: to be tried again
    /// if the server says that it is busy or broken, and the rows' fault if not.
    ///
    /// # Errors
    /// [`Error::Retry`] or [`Error::BadBatch`], with the status.
    pub fn success(self) -> Result<Vec<u8>, Error> {
        match self.status {
            200..=299 => Ok(self.body),
            status @ (408 | 429 | 500..) => Err(Error::Retry(format!("the server answered {status}"))),
            status => Err(Error::BadBatch(format!("the server answered {status}"))),
        }
    }
}

/// Sends all and waits until each is answered or has failed; the answers are in the order of the requests.
pub fn send_many(requests: impl IntoIterator<Item = Request>) -> Vec<Result<Response, Failure>> {
    let requests: Vec<_> = requests.into_iter().collect();
    #[cfg(target_arch = "wasm32")]
    return crate::bindings::millstream::plugin::http::send_many(&requests);
    #[cfg(not(target_arch = "wasm32"))]
    requests.iter().map(crate::testing::ask_http).collect()
}

/// What to return from a batch that needed the answer: what a server may mend is tried again.
impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Timeout => Self::Retry("the server did not answer in time".to_owned()),
            Failure::Failed(reason) => Self::Retry(reason),
            Failure::Denied(reason) => Self::BadBatch(reason),
            Failure::TooLarge => Self::BadBatch("the answer is too large".to_owned()),
        }
    }
}
