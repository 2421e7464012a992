//! A real S3 server for one test.

use std::path::Path;

use crate::object_server::ObjectServer;

/// A server of its own on a free loopback port, with one bucket, `lake`.
pub struct S3 {
    server: ObjectServer,
    /// Address, as `http://127.0.0.1:12345`.
    pub endpoint: String,
}

impl S3 {
    /// Access key and secret key that the server accepts.
    pub const KEYS: (&str, &str) = ("millstream", "millstream-secret");

    /// Starts a server that keeps its objects in `folder`.
    pub fn start(folder: &Path) -> Self {
        let server = ObjectServer::start("s3", folder);
        Self { endpoint: server.endpoint.clone(), server }
    }

    /// What a user sets in the environment to reach it.
    pub fn environment(&self) -> [(&'static str, &str); 5] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ALLOW_HTTP", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", Self::KEYS.0),
            ("AWS_SECRET_ACCESS_KEY", Self::KEYS.1),
        ]
    }

    /// Lets the server hang: it accepts and answers nothing, until [`S3::resume`].
    pub fn suspend(&self) {
        self.server.signal("STOP");
    }

    /// Lets the server go on.
    pub fn resume(&self) {
        self.server.signal("CONT");
    }

    /// Ends the server as a crash does; [`S3::start`] on its folder brings it back at the same address.
    pub fn kill(&self) {
        self.server.run("kill", &[]);
    }

    /// Lets another pair of keys read and write.
    pub fn admit(&self, access_key: &str, secret_key: &str) {
        self.server.run("admit", &[access_key, secret_key]);
    }

    /// Refuses these keys from now on.
    pub fn revoke(&self, access_key: &str) {
        self.server.run("revoke", &[access_key]);
    }

    /// Brings a server that was killed back at its address.
    pub fn start_again(&self) {
        self.server.start_again();
    }
}
