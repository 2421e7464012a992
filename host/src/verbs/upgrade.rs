//! `millstream log upgrade`: raises the log to the format that this version writes.

use millstream_model::entry::FORMAT;
use serde_json::json;

use crate::args::Upgrade;
use crate::out;

/// Name under which the log is told.
const WORKER: &str = "millstream log upgrade";

/// Says what would be done, or does it.
pub async fn upgrade(args: &Upgrade) -> anyhow::Result<()> {
    let (lake, mut log) = super::open_log(&args.lake).await?;
    let from = log.state().format();
    let said = |done: bool, text: String| match args.lake.json {
        true => out::line(json!({ "from": from, "to": FORMAT, "done": done })),
        false => out::line(text),
    };
    if from >= FORMAT {
        return said(false, format!("{} is of format {from} already: nothing to do", lake.url()));
    }
    if !args.yes {
        return said(
            false,
            format!(
                "{} is of format {from}; --yes raises it to format {FORMAT} with an entry and a snapshot. What is there \
                 stays as it is and can be read. Workers of an older version stop at that entry and lose nothing, but \
                 cannot go on: have this version ready for them, and a backup if you may want to go back",
                lake.url()
            ),
        );
    }
    let raised = log.upgrade(WORKER).await?;
    log.close_session().await?;
    said(true, format!("{} is of format {FORMAT} from entry {raised} on", lake.url()))
}
