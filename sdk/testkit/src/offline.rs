//! A network without servers: plugins that may send requests can be tested for what they do when nobody answers.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_engine::{
    Allowance, Engine, EngineSettings, HostFigures, HttpGrant, Network, Origin, Outbound, OutboundError,
    Request, Response,
};

use crate::error::CaseError;

/// An engine for tests, which keeps what it compiles in the folder `compiled`. Requests of plugins get no answer.
///
/// # Errors
/// If the machine cannot run one, or the folder is not private.
pub fn engine(compiled: Option<PathBuf>) -> Result<Engine, CaseError> {
    let network: Option<Arc<dyn Network>> = Some(Arc::new(Offline));
    Ok(Engine::new(EngineSettings { cache_dir: compiled, network, ..EngineSettings::default() })?)
}

#[derive(Debug)]
struct Offline;

impl Network for Offline {
    fn outbound(&self, _: &BTreeMap<Origin, HttpGrant>) -> Result<Arc<dyn Outbound>, String> {
        Ok(Arc::new(Self))
    }
}

impl Outbound for Offline {
    fn send(&self, requests: Vec<Request>, _: Allowance) -> Vec<Result<Response, OutboundError>> {
        let unanswered = |_| Err(OutboundError::Failed("plugins are offline here, as in a test".to_owned()));
        requests.into_iter().map(unanswered).collect()
    }

    fn figures(&self) -> Vec<HostFigures> {
        Vec::new()
    }
}
