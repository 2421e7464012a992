//! A server that speaks Azure Blob Storage, for one test.

use std::path::Path;

use crate::object_server::ObjectServer;

/// A server of its own on a free loopback port, with one container, `lake`, that anybody may read.
pub struct Azure {
    /// Address, as `http://127.0.0.1:12345`.
    pub endpoint: String,
    // Ends with the test.
    _server: ObjectServer,
}

impl Azure {
    /// Starts a server that keeps its objects in `folder`.
    pub fn start(folder: &Path) -> Self {
        let server = ObjectServer::start("azure", folder);
        Self { endpoint: server.endpoint.clone(), _server: server }
    }

    /// What a user sets in the environment to reach it.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("AZURE_STORAGE_USE_EMULATOR", "true"), ("AZURITE_BLOB_STORAGE_URL", &self.endpoint)]
    }

    /// Where anybody can fetch `file`, an `az://` URL.
    pub fn public_url(&self, file: &str) -> String {
        let path = file.strip_prefix("az://").expect("a file in Azure");
        format!("{}/devstoreaccount1/{path}", self.endpoint)
    }
}
