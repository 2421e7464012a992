//! A worker that starts while another one changes what runs.

use std::sync::Arc;
use std::sync::Once;

use millstream_engine::{Engine, EngineSettings};
use millstream_model::entry::{Body, ChangeCause, Control, PluginChange, PluginName};
use millstream_model::{Clock, SystemClock};
use millstream_pipeline::checkpoint::CheckpointLog;
use millstream_pipeline::config::Config;
use millstream_pipeline::lake::Lake;
use millstream_pipeline::start;

use super::live::{Live, Place, runtime, version};
use super::{digest, step};

/// A clock that lets another worker promote a version when it is first asked for the time, which a start does
/// between deciding what is to run and saying so.
struct Meanwhile {
    promote: Box<dyn Fn() + Send + Sync>,
    once: Once,
}

impl Clock for Meanwhile {
    fn now_us(&self) -> i64 {
        self.once.call_once(&self.promote);
        SystemClock.now_us()
    }
}

async fn promote(lake: &Lake, clock: Arc<dyn Clock>) {
    let mut log: CheckpointLog = start::open_log(lake, clock).await.unwrap();
    log.open_session("another").await.unwrap();
    let mut desired = log.state().plugins().to_vec();
    desired[0].plugin = digest('a');
    let change = PluginChange {
        cause: ChangeCause::Promoted,
        parent: log.state().plugins_changed(),
        topics: [("numbers".to_owned(), "numbers".to_owned())].into(),
        names: [(digest('a'), PluginName { name: "step".to_owned(), version: "1".to_owned() })].into(),
    };
    log.append(Body::Control(Control::Plugins { desired, change: Some(change) })).await.unwrap();
}

#[test]
fn a_promotion_during_a_start_stands() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_until_runs(digest('b'));
    run.stop();

    let lake = place.lake();
    let of_another = lake.clone();
    let promote = move || {
        let lake = of_another.clone();
        std::thread::spawn(move || runtime().block_on(promote(&lake, Arc::new(SystemClock)))).join().unwrap();
    };
    let clock = Arc::new(Meanwhile { promote: Box::new(promote), once: Once::new() });
    let engine = Engine::new(EngineSettings::default()).unwrap();
    let config = Config::read(&place.configuration(), []).unwrap();
    runtime().block_on(async {
        let bound = place.log().await.state().source().cloned().unwrap();
        let started =
            start::start(&config, &engine, &lake, &bound.source, &bound.topics, clock).await.unwrap();
        let running: Vec<_> = started.plans["numbers"].plugins().iter().map(|used| used.plugin).collect();
        assert_eq!(running, [digest('a')]);
        let versions = started.log.state().versions(&step().stream, &step().step);
        assert_eq!(versions.last().unwrap().plugin, digest('a'));
    });
    assert_eq!(place.causes(), ["started", "dropped_in", "promoted"]);
}
