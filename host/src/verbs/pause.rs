//! `millstream pause` and `millstream resume`: whether a stream is read on with, on all workers.

use millstream_http::admin::model::Noted;
use serde_json::json;

use crate::client::AdminClient;
use crate::{args, out};

/// Pauses a stream.
pub async fn pause(args: args::Pause) -> anyhow::Result<()> {
    let noted = AdminClient::new(&args.admin)?.pause(&args.stream, args.reason).await?;
    say(&args.stream, "paused", &noted, args.admin.json)
}

/// Lets a stream go on.
pub async fn resume(args: args::Resume) -> anyhow::Result<()> {
    let noted = AdminClient::new(&args.admin)?.resume(&args.stream).await?;
    say(&args.stream, "resumed", &noted, args.admin.json)
}

fn say(stream: &str, what: &str, noted: &Noted, json: bool) -> anyhow::Result<()> {
    let sequence = noted.sequence;
    match json {
        true => out::line(json!({ "stream": stream, "state": what, "sequence": sequence })),
        false => out::line(format_args!("stream {stream} is {what} from entry {sequence} on")),
    }
}
