//! Waits until a running process says what it made of a plugin that was dropped in.

use std::time::{Duration, Instant};

use millstream_http::admin::model::{State, Step};

use crate::candidate::about;
use crate::client::AdminClient;

/// Time between two questions.
const INTERVAL: Duration = Duration::from_millis(200);
/// How long a process may take to compile a plugin and come to the end of a batch.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of the version `digest` of `plugin`, in a line; given up where `is_stale` says so.
pub async fn wait(process: &AdminClient, plugin: &str, digest: &str, is_stale: impl Fn() -> bool) -> String {
    let end = Instant::now() + PATIENCE;
    loop {
        let steps = match process.steps().await {
            Ok(steps) => steps,
            Err(error) => return format!("the process cannot be asked: {error}"),
        };
        let steps: Vec<_> = steps.into_iter().filter(|step| step.plugin == plugin).collect();
        if let Some(said) = settled(&steps, plugin, digest) {
            return said;
        }
        if is_stale() {
            return "not waited for: there was another change".to_owned();
        }
        if Instant::now() > end {
            return format!("not taken within {} s: see the log of the process", PATIENCE.as_secs());
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What is to be said once each step runs the version or has decided against it.
fn settled(steps: &[Step], plugin: &str, digest: &str) -> Option<String> {
    if steps.is_empty() {
        return Some(format!("no step of the process has the plugin `{plugin}`"));
    }
    let said = steps.iter().map(|step| of_step(step, digest)).collect::<Option<Vec<_>>>()?;
    Some(said.join("; "))
}

fn of_step(step: &Step, digest: &str) -> Option<String> {
    let name = format!("{}/{}", step.stream, step.step);
    if step.digest.to_string() == digest {
        let since =
            step.since.as_ref().map_or(String::new(), |since| format!(" since entry {}", since.sequence));
        return Some(format!("{name} runs {}{since}", step.digest.short()));
    }
    let candidate = step.candidate.as_ref()?;
    // An unreadable one has no digest.
    let is_meant = candidate.digest.is_none_or(|found| found.to_string() == digest);
    let next = match candidate.state {
        State::Checking => return None,
        State::Held => format!("; to run it: millstream plugin promote --step {name}"),
        State::AwaitsApproval => format!("; to let it: millstream plugin approve --step {name}"),
        State::Refused | State::Shadowed => String::new(),
    };
    is_meant.then(|| format!("{name} does not run it: {}{next}", about(candidate)))
}
