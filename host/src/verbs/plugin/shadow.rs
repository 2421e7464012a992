//! `millstream plugin shadow`: hands a candidate to a process, shows on standard error how far its shadow is, and
//! prints what it found. The shadow goes on if this is ended; it is bounded by itself.

mod text;

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::bail;
use millstream_http::admin::model::{Shadow, Step};

use crate::client::{AdminClient, Candidate};
use crate::exit::Told;
use crate::units::count;
use crate::{args, out};

/// Time between two looks at the shadow.
const INTERVAL: Duration = Duration::from_millis(500);

/// Runs a shadow to its end.
pub async fn shadow(args: args::Shadow) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.step.admin)?;
    let step = client.step(&args.step.step).await?;
    let candidate = match (&args.file, args.digest) {
        (Some(file), _) => Candidate::Bytes(super::bytes(file)?),
        (None, digest) => Candidate::Digest(digest.unwrap_or_default()),
    };
    let extent = match (args.time, args.last) {
        (Some(time), _) => ("for", format!("{}ms", time.as_millis())),
        (None, last) => ("last", last.unwrap_or_default().to_string()),
    };
    let begun = client.shadow(&step, candidate, extent).await?;
    let shadow = watch(&client, begun).await?;
    if args.step.admin.json {
        out::line(serde_json::to_string(&shadow)?)?;
    } else {
        out::text(text::text(&shadow.report))?;
        out::line(next_step(&client.step(&args.step.step).await?, &shadow))?;
    }
    match &shadow.error {
        Some(error) => bail!("the shadow did not come to its end: {error}"),
        None if args.fail_on_difference && shadow.report.rows == 0 => bail!(
            "nothing was compared: no row came to the step meanwhile; give the shadow more time with --for, or rows \
             that are there with --last"
        ),
        None if args.fail_on_difference && shadow.report.rows_different > 0 => Err(Told::Different.into()),
        None => Ok(()),
    }
}

/// Looks until the shadow is over.
async fn watch(client: &AdminClient, mut shadow: Shadow) -> anyhow::Result<Shadow> {
    let terminal = std::io::stderr().is_terminal();
    let (begin, end) = if terminal { ("\r\x1b[2K", "") } else { ("", "\n") };
    while !shadow.done {
        let (rows, different) = (count(shadow.report.rows), count(shadow.report.rows_different));
        // A standard error that is closed is no reason to stop.
        let _ =
            write!(std::io::stderr(), "{begin}shadow {}: {rows} rows, {different} different{end}", shadow.id);
        tokio::time::sleep(INTERVAL).await;
        shadow = client.shadow_status(shadow.id).await?;
    }
    if terminal {
        let _ = write!(std::io::stderr(), "{begin}");
    }
    Ok(shadow)
}

/// How the step comes to run the candidate.
fn next_step(step: &Step, shadow: &Shadow) -> String {
    let known = step.candidate.iter().any(|candidate| candidate.digest == Some(shadow.digest))
        || step.history.iter().any(|version| version.digest == shadow.digest);
    let (stream, name, digest) = (&step.stream, &step.step, shadow.digest.short());
    match known {
        true => format!("to run it: millstream plugin promote --step {stream}/{name} --digest {digest}"),
        false => format!("to run it: put it into the plugin folder as {}.wasm", step.plugin),
    }
}
