//! `millstream plugin …`: one file for each verb. All ask the admin API of a running process.

mod change;
mod list;
mod shadow;
mod show;

use millstream_http::admin::model::{Candidate, State};

use crate::args;

/// Does what the verb says.
pub async fn plugin(verb: args::Plugin) -> anyhow::Result<()> {
    match verb {
        args::Plugin::List(args) => list::list(&args).await,
        args::Plugin::Show(args) => show::show(&args).await,
        args::Plugin::Shadow(args) => shadow::shadow(args).await,
        args::Plugin::Approve(args) => change::approve(args).await,
        args::Plugin::Promote(args) => change::promote(args).await,
        args::Plugin::Rollback(args) => change::roll_back(args).await,
        args::Plugin::Dismiss(args) => change::dismiss(&args).await,
    }
}

/// What is to be said of a candidate, in a line.
fn about(candidate: &Candidate) -> String {
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
