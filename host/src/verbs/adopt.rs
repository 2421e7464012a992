//! `millstream adopt`: lets a lake go on with a topic that took the name of an earlier one, or with another
//! source. Offsets begin anew, in a new epoch; the rows that are there stay. Nothing is done without `--yes`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};
use millstream_log::LogState;
use millstream_model::entry::{Body, Control};
use millstream_pipeline::config::Config;
use millstream_pipeline::source::{self, SourceView};
use serde::Serialize;

use crate::{args, out};

/// Name of the worker under which the entry is written.
const WORKER: &str = "millstream adopt";

/// What is adopted.
#[derive(Debug, Serialize)]
struct Adoption {
    /// Identity of the source before and afterwards.
    from: Option<String>,
    source: String,
    /// Topics whose offsets begin anew.
    topics: BTreeMap<String, TopicAdoption>,
    /// True if it was written to the log.
    done: bool,
}

#[derive(Debug, Serialize)]
struct TopicAdoption {
    /// Id that the lake knew.
    from: Option<String>,
    /// Id of the topic that is there; none if it does not exist (yet), or has no id.
    id: Option<String>,
    /// Messages of the earlier topic that the lake has accounted for.
    accounted: i64,
    /// Messages in the topic that is there, if that is known.
    messages: Option<i64>,
}

/// Adopts, or shows what would be adopted.
pub async fn adopt(args: args::Adopt) -> anyhow::Result<()> {
    let config = Config::read_without_steps(&args.lake.config.config, std::env::vars())?;
    let config = super::with_lake(config, args.lake.lake.as_deref());
    let Some(mut log) = super::log_if_any(&config.lake_url).await? else {
        bail!("there is no checkpoint log in {}: nothing was ever committed there", config.lake_url);
    };
    let topics: Vec<_> = config.streams.iter().map(|stream| stream.topic.clone()).collect();
    if let Some(unknown) = args.topic.iter().find(|topic| !topics.contains(topic)) {
        bail!("no stream of {} has the topic `{unknown}`", args.lake.config.config.display());
    }
    let settings = config.source.clone();
    let view = tokio::task::spawn_blocking(move || source::look(&settings, &topics)).await??;
    let mut adoption = plan(&args, log.state(), &view)?;
    if args.yes && !adoption.is_empty() {
        log.open_session(WORKER).await?;
        log.append(Body::Control(adoption.control())).await.context("the entry was not written")?;
        log.close_session().await?;
        adoption.done = true;
    }
    if args.lake.json { out::line(serde_json::to_string(&adoption)?) } else { out::text(adoption.text()) }
}

/// What is to be adopted: topics that have another id than the lake knows, or all of another source.
fn plan(args: &args::Adopt, log: &LogState, view: &SourceView) -> anyhow::Result<Adoption> {
    let bound = log.source().context("the lake is not bound to a source yet: there is nothing to adopt")?;
    let is_other = bound.source != view.identity;
    if is_other && !args.source {
        bail!(
            "the lake holds the offsets of source {}, and this is source {}: all of it is adopted by --source, or not at all",
            bound.source,
            view.identity
        );
    }
    let known: BTreeSet<_> = log.positions().keys().map(|at| at.topic.to_string()).collect();
    let chosen: BTreeSet<String> = match args.source {
        true if is_other => {
            known.iter().chain(bound.topics.keys()).chain(view.topics.keys()).cloned().collect()
        }
        true => BTreeSet::new(),
        false => args.topic.iter().cloned().collect(),
    };
    let mut topics = BTreeMap::new();
    for name in chosen {
        let topic = view.topics.get(&name);
        let (from, id) = (bound.topics.get(&name).cloned(), topic.and_then(|topic| topic.id.clone()));
        if !is_other && topic.is_none() {
            bail!("the topic `{name}` does not exist; create it first");
        }
        if !is_other && from.is_some() && from == id {
            continue;
        }
        let positions = log.positions().iter().filter(|(at, _)| *at.topic == *name);
        let accounted = positions.map(|(_, position)| position.offset).sum();
        let messages = topic.and_then(|topic| {
            topic.partitions.values().map(|ends| Some(ends.end? - ends.low?)).sum::<Option<i64>>()
        });
        topics.insert(name, TopicAdoption { from, id, accounted, messages });
    }
    Ok(Adoption { from: Some(bound.source.clone()), source: view.identity.clone(), topics, done: false })
}

impl Adoption {
    fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.from.as_ref() == Some(&self.source)
    }

    fn control(&self) -> Control {
        let ids = self.topics.iter().filter_map(|(name, topic)| Some((name.clone(), topic.id.clone()?)));
        Control::Adopted {
            source: self.source.clone(),
            topics: ids.collect(),
            restart: self.topics.keys().cloned().collect(),
        }
    }

    fn text(&self) -> String {
        if self.is_empty() {
            return "nothing to adopt: the lake knows this source and these topics\n".to_owned();
        }
        let mut text = match &self.from {
            Some(from) if *from != self.source => format!("source {from} → {}\n", self.source),
            _ => format!("source {}\n", self.source),
        };
        for (name, topic) in &self.topics {
            let known = topic.from.as_deref().unwrap_or("no id known");
            let id = topic.id.as_deref().unwrap_or("no id");
            let messages = topic.messages.map_or("?".to_owned(), |messages| messages.to_string());
            text += &format!(
                "topic {name}: {known} → {id}; the lake keeps the rows of {} offsets and begins anew at the first of \
                 {messages} messages\n",
                topic.accounted
            );
        }
        text += match self.done {
            true => "adopted; workers that ended because of it can be started again\n",
            false => "nothing was changed; --yes does it\n",
        };
        text
    }
}
