//! `millstream plugin …`: one file for each verb. All ask the admin API of a running process.

mod change;
mod list;
mod shadow;
mod show;

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
