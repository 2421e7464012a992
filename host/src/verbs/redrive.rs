//! `millstream dead-letters redrive`: has dead letters processed again, one stream after the other.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use millstream_pipeline::dead_letter::Letter;
use millstream_pipeline::replay::{LetterChoice, Request, Wanted};

use super::dead_letters::{each, none, passes};
use crate::args::{LakeOrConfig, LetterFilter};
use crate::out;

/// Says what processing letters again would change; with `yes`, does it.
pub async fn redrive(filter: LetterFilter, yes: bool, args: &LakeOrConfig) -> anyhow::Result<()> {
    let config = super::with_lake(super::read_config(&args.config)?, args.lake.as_deref());
    let mut letters: BTreeMap<String, u64> = BTreeMap::new();
    each(&filter, args, |letter| {
        *letters.entry(letter.stream.to_owned()).or_default() += 1;
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    if letters.is_empty() {
        return if args.json { Ok(()) } else { out::line(none(&filter)) };
    }
    let choice: LetterChoice = Arc::new(move |letter: &Letter<'_>| passes(&filter, letter));
    for (stream, letters) in letters {
        if config.streams.iter().all(|known| known.name != stream) {
            tracing::warn!(
                stream,
                letters,
                "the configuration has no such stream: its letters are left alone"
            );
            continue;
        }
        let request = Request { stream, wanted: Wanted::Letters(choice.clone()), origin: None };
        super::replay::process_again(&config, request, yes, args.json).await?;
    }
    Ok(())
}
