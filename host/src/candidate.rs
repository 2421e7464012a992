//! What is to be said of a version that a step does not run, or not yet.

use millstream_http::admin::model::{Candidate, State};

/// All of it in a line.
pub fn about(candidate: &Candidate) -> String {
    let digest = candidate.digest.map_or("unreadable".to_owned(), |digest| digest.short());
    let version = candidate.version.as_ref().map_or(String::new(), |version| format!("{version} "));
    let reason = candidate.reason.as_deref().unwrap_or("for no reason given");
    let state = match candidate.state {
        State::Checking => "is being checked".to_owned(),
        State::Refused => format!("is refused: {reason}"),
        State::AwaitsApproval => format!("waits for an approval: {}", candidate.widened.join(", ")),
        State::Shadowed => format!("is shadow {}", candidate.shadow.unwrap_or_default()),
        State::Held => format!("is held: {reason}"),
    };
    format!("candidate {version}({digest}) from {} {state}", candidate.from)
}
