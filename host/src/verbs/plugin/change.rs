//! `millstream plugin approve`, `promote`, `rollback`, `dismiss`: which version a step shall run. Each says what
//! stands in the log then.

use anyhow::bail;
use millstream_http::admin::model::{Changed, Step};
use serde_json::json;

use crate::client::AdminClient;
use crate::{args, out};

/// Lets a candidate go on.
pub async fn approve(args: args::Choose) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.step.admin)?;
    let step = client.step(&args.step.step).await?;
    let digest = chosen(&step, args.digest)?;
    client.approve(&step, digest.clone()).await?;
    match args.step.admin.json {
        true => out::line(json!({ "stream": step.stream, "step": step.step, "approved": digest })),
        false => out::line(format_args!("{}/{}: {digest} is approved", step.stream, step.step)),
    }
}

/// Lets a step run a version.
pub async fn promote(args: args::Choose) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.step.admin)?;
    let step = client.step(&args.step.step).await?;
    let digest = chosen(&step, args.digest)?;
    let changed = client.promote(&step, digest).await?;
    say(&step, &changed, args.step.admin.json)
}

/// Lets a step run a former version.
pub async fn roll_back(args: args::Rollback) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.step.admin)?;
    let step = client.step(&args.step.step).await?;
    let changed = client.roll_back(&step, args.to).await?;
    say(&step, &changed, args.step.admin.json)
}

/// Forgets a candidate.
pub async fn dismiss(args: &args::OneStep) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.admin)?;
    let step = client.step(&args.step).await?;
    client.dismiss(&step).await?;
    match args.admin.json {
        true => out::line(json!({ "stream": step.stream, "step": step.step, "dismissed": true })),
        false => out::line(format_args!("{}/{} has no candidate any more", step.stream, step.step)),
    }
}

/// The version that the command line names, or the candidate.
fn chosen(step: &Step, digest: Option<String>) -> anyhow::Result<String> {
    let candidate = step.candidate.as_ref().and_then(|candidate| candidate.digest);
    match (digest, candidate) {
        (Some(digest), _) => Ok(digest),
        (None, Some(candidate)) => Ok(candidate.to_string()),
        (None, None) => {
            let (stream, step) = (&step.stream, &step.step);
            bail!(
                "{stream}/{step} has no candidate; say with --digest which version is meant (`plugin show` lists them)"
            )
        }
    }
}

fn say(step: &Step, changed: &Changed, json: bool) -> anyhow::Result<()> {
    let (stream, name) = (&step.stream, &step.step);
    let Changed { digest, sequence } = changed;
    if json {
        return out::line(json!({ "stream": stream, "step": name, "digest": digest, "sequence": sequence }));
    }
    let before = step.digest.short();
    out::line(format_args!(
        "{stream}/{name} runs {} from entry {sequence} on, before it {before}",
        digest.short()
    ))
}
