//! Streams that change while they run, asked as the admin API asks: what runs, what the log says of it and what
//! the rows show is the same, also after a restart.

mod live;
mod race;

use millstream_model::Digest;
use millstream_pipeline::admin::{
    AdminError, CandidateState, Request, ShadowCandidate, ShadowExtent, StepId,
};

use live::{Live, Place, version};

fn step() -> StepId {
    StepId::new("numbers", "step")
}

/// What a file with this guest's bytes and a section of this name is called.
fn digest(name: char) -> Digest {
    Digest::of(&version("misbehave", name))
}

#[test]
fn a_dropped_in_version_and_an_edited_configuration_take_over_at_an_offset() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_until_runs(digest('b'));
    run.feed(20);
    place.configure("mode = \"double\"", "mode = \"identity\"");
    run.wait_for_versions(3);
    run.feed(20);
    run.stop();
    assert_eq!(place.causes(), ["started", "dropped_in", "configured"]);
    place.check_rows();
}

#[test]
fn a_rollback_takes_the_configuration_along_and_survives_restarts() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    place.configure("mode = \"double\"", "mode = \"identity\"");
    run.wait_for_versions(2);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_until_runs(digest('b'));
    run.feed(20);
    let changed = run.ask(|reply| Request::RollBack(step(), None, reply)).unwrap();
    assert_eq!(changed.plugin, digest('a'));
    run.feed(20);
    // To the first version: the same plugin, and the configuration that it had.
    let changed = run.ask(|reply| Request::RollBack(step(), Some(digest('a')), reply));
    assert_eq!(changed.unwrap().plugin, digest('a'));
    run.stop();
    let run = Live::start(&place);
    run.feed(20);
    run.stop();
    let causes = place.causes();
    assert_eq!(causes[..4], ["started", "configured", "dropped_in", "rolled_back"]);
    place.check_rows();
    // A copy of what was replaced is no wish, a new version is.
    place.drop_in(&version("misbehave", 'b'));
    let run = Live::start(&place);
    run.feed(20);
    assert_eq!(place.causes(), causes);
    // With the file's configuration, which reads more columns than the one that was gone back to.
    place.drop_in(&version("misbehave", 'c'));
    run.wait_for_candidate(|state| matches!(state, CandidateState::AwaitsApproval { .. }));
    run.ask(|reply| Request::Approve(step(), digest('c'), reply)).unwrap();
    run.wait_until_runs(digest('c'));
    run.feed(20);
    run.stop();
    place.check_rows();
}

#[test]
fn a_version_that_is_held_runs_when_it_is_promoted() {
    let place = Place::new("on_drop_in = \"hold\"\n");
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_for_candidate(|state| matches!(state, CandidateState::Held { .. }));
    let unknown = run.ask(|reply| Request::Promote(step(), digest('x'), reply));
    assert!(matches!(unknown, Err(AdminError::Unknown(_))), "{unknown:?}");
    run.ask(|reply| Request::Dismiss(step(), reply)).unwrap();
    place.drop_in(&version("misbehave", 'c'));
    run.wait_for_candidate(|state| matches!(state, CandidateState::Held { .. }));
    assert_eq!(run.ask(|reply| Request::Promote(step(), digest('c'), reply)).unwrap().plugin, digest('c'));
    run.feed(20);
    let again = run.ask(|reply| Request::Promote(step(), digest('c'), reply));
    assert!(matches!(again, Err(AdminError::Conflict(_))), "{again:?}");
    assert_eq!(run.ask(|reply| Request::Promote(step(), digest('a'), reply)).unwrap().plugin, digest('a'));
    run.stop();
    assert_eq!(place.causes(), ["started", "promoted", "promoted"]);
    place.check_rows();
}

#[test]
fn a_plugin_that_the_configuration_renames_is_held_too() {
    let place = Place::new("on_drop_in = \"hold\"\n");
    let run = Live::start(&place);
    run.feed(20);
    place.write_other("other", &version("misbehave", 'b'));
    place.configure("plugin = \"step\"", "plugin = \"other\"");
    run.wait_for_candidate(|state| matches!(state, CandidateState::Held { .. }));
    // Its answer comes after all that the configuration leads to.
    let unknown = run.ask(|reply| Request::Promote(step(), digest('x'), reply));
    assert!(matches!(unknown, Err(AdminError::Unknown(_))), "{unknown:?}");
    run.feed(20);
    assert_eq!(run.running(), digest('a'));
    run.stop();
    assert_eq!(place.causes(), ["started"]);
    place.check_rows();
}

#[test]
fn a_refused_file_does_not_keep_a_worker_from_starting_again() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(b"no plugin");
    run.wait_for_candidate(|state| matches!(state, CandidateState::Refused { .. }));
    run.feed(20);
    run.stop();
    let run = Live::start(&place);
    run.feed(20);
    assert_eq!(run.running(), digest('a'));
    place.drop_in(&version("misbehave", 'b'));
    run.wait_until_runs(digest('b'));
    run.stop();
    assert_eq!(place.causes(), ["started", "dropped_in"]);
    place.check_rows();
}

#[test]
fn a_version_whose_shadow_is_good_takes_over() {
    let lines =
        "on_drop_in = \"shadow_then_swap\"\nshadow = { for = \"3s\", rows_min = 1, slower_max = 1e6 }\n";
    let place = Place::new(lines);
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_for_candidate(|state| matches!(state, CandidateState::Shadowed { .. }));
    // Whenever it looks, there are rows.
    run.feed_until_runs(digest('b'));
    run.feed(20);
    run.stop();
    assert_eq!(place.causes(), ["started", "dropped_in"]);
    place.check_rows();
}

#[test]
fn a_newer_version_takes_the_place_of_the_one_that_is_tried() {
    let place = Place::new("on_drop_in = \"shadow_then_swap\"\nshadow = { for = \"1h\" }\n");
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_for_candidate(|state| matches!(state, CandidateState::Shadowed { shadow: 1 }));
    place.drop_in(&version("misbehave", 'c'));
    run.wait_for_candidate(|state| matches!(state, CandidateState::Shadowed { shadow: 2 }));
    run.wait_for_shadow(1, |status| status.done);
    assert_eq!(run.shadow(1).error.as_deref(), Some("it was stopped before its end"));
    run.feed(20);
    run.stop();
    assert_eq!(place.causes(), ["started"]);
    place.check_rows();
}

#[test]
fn a_version_whose_shadow_is_not_good_is_held() {
    let lines = "on_drop_in = \"shadow_then_swap\"\nshadow = { for = \"100ms\", rows_min = 1000 }\n";
    let place = Place::new(lines);
    let run = Live::start(&place);
    run.feed(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_for_candidate(|state| match state {
        CandidateState::Held { reason } => reason.contains("at least 1000 must be"),
        _ => false,
    });
    run.feed(20);
    assert_eq!(run.running(), digest('a'));
    let promoted = run.ask(|reply| Request::Promote(step(), digest('b'), reply));
    assert_eq!(promoted.unwrap().plugin, digest('b'));
    run.stop();
    assert_eq!(place.causes(), ["started", "promoted"]);
    place.check_rows();
}

#[test]
fn an_upload_is_a_candidate_once_it_ran_as_a_shadow() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    let shadow = |candidate, extent| run.ask(|reply| Request::Shadow(step(), candidate, extent, reply));
    let refused = shadow(ShadowCandidate::Bytes(b"no plugin".to_vec()), ShadowExtent::Last(5));
    assert!(matches!(refused, Err(AdminError::Refused(_))), "{refused:?}");
    let unknown = shadow(ShadowCandidate::Digest(digest('b')), ShadowExtent::Last(5));
    assert!(matches!(unknown, Err(AdminError::Unknown(_))), "{unknown:?}");
    let upload = ShadowCandidate::Bytes(version("misbehave", 'b'));
    let begun = shadow(upload, ShadowExtent::Last(15)).unwrap();
    run.wait_for_candidate(|state| matches!(state, CandidateState::Held { .. }));
    let status = run.shadow(begun.id);
    assert!(status.done && status.error.is_none(), "{status:?}");
    assert_eq!((status.report.rows, status.report.rows_different), (15, 0));
    assert_eq!(run.running(), digest('a'));
    let promoted = run.ask(|reply| Request::Promote(step(), digest('b'), reply));
    assert_eq!(promoted.unwrap().plugin, digest('b'));
    run.feed(20);
    // Against the version before, which only the log knows.
    let former = ShadowCandidate::Digest(digest('a'));
    assert_eq!(shadow(former, ShadowExtent::Last(5)).unwrap().plugin, digest('a'));
    run.stop();
    assert_eq!(place.causes(), ["started", "promoted"]);
    place.check_rows();
}

#[test]
fn an_upload_that_asks_for_more_is_approved_before_it_is_promoted() {
    let place = Place::new("");
    place.write_plugin(&version("adjust", 'a'));
    place.configure("config = { mode = \"double\" }", "config = {}");
    let run = Live::start(&place);
    run.feed(20);
    let upload = ShadowCandidate::Bytes(version("misbehave", 'b'));
    run.ask(|reply| Request::Shadow(step(), upload, ShadowExtent::Last(5), reply)).unwrap();
    let early = run.ask(|reply| Request::Promote(step(), digest('b'), reply));
    assert!(matches!(early, Err(AdminError::Conflict(_))), "{early:?}");
    run.ask(|reply| Request::Approve(step(), digest('b'), reply)).unwrap();
    run.wait_for_candidate(|state| matches!(state, CandidateState::Held { .. }));
    run.ask(|reply| Request::Promote(step(), digest('b'), reply)).unwrap();
    run.stop();
    assert_eq!(place.causes(), ["started", "promoted"]);
}

#[test]
fn a_version_that_asks_for_more_waits_for_an_approval() {
    let place = Place::new("");
    place.write_plugin(&version("adjust", 'a'));
    place.configure("config = { mode = \"double\" }", "config = {}");
    let run = Live::start(&place);
    run.feed(20);
    // `adjust` reads and writes other columns.
    place.drop_in(&version("misbehave", 'b'));
    run.wait_for_candidate(|state| match state {
        CandidateState::AwaitsApproval { widened } => {
            widened.iter().any(|what| what.contains("reads column `n`"))
        }
        _ => false,
    });
    let early = run.ask(|reply| Request::Promote(step(), digest('b'), reply));
    assert!(matches!(early, Err(AdminError::Conflict(_))), "{early:?}");
    run.ask(|reply| Request::Approve(step(), digest('b'), reply)).unwrap();
    run.wait_until_runs(digest('b'));
    run.stop();
}

#[test]
fn a_paused_stream_is_not_read_until_it_is_resumed() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    run.ask(|reply| Request::Pause("numbers".to_owned(), "a look at it".to_owned(), reply)).unwrap();
    let again = run.ask(|reply| Request::Pause("numbers".to_owned(), "again".to_owned(), reply));
    assert!(matches!(again, Err(AdminError::Conflict(_))), "{again:?}");
    run.stop();
    // Also after a restart.
    let run = Live::start(&place);
    place.send(20);
    place.drop_in(&version("misbehave", 'b'));
    run.wait_until_runs(digest('b'));
    assert_eq!(run.committed(), 20, "a paused stream was read");
    run.ask(|reply| Request::Resume("numbers".to_owned(), reply)).unwrap();
    run.wait_until_committed(40);
    run.stop();
    place.check_rows();
}

/// A worker with fewer streams let the log desire no more than those, and the others waited everywhere.
#[test]
fn a_worker_leaves_alone_what_the_log_desires_of_streams_that_it_does_not_have() {
    let place = Place::new("");
    let other = place.add_stream("others");
    let run = Live::start(&place);
    run.feed(20);
    run.stop();
    place.configure(&other, "");
    place.configure("mode = \"double\"", "mode = \"identity\"");
    let run = Live::start(&place);
    run.feed(20);
    run.stop();
    assert_eq!(place.desired(), ["numbers/step", "others/step"]);
    assert_eq!(place.causes(), ["started", "started"]);
    // But for a stream whose topic another one has now.
    place.configure("topic = \"numbers\"", "topic = \"others\"");
    place.configure("mode = \"identity\"", "mode = \"double\"");
    Live::start(&place).stop();
    assert_eq!(place.desired(), ["numbers/step"]);
}

#[test]
fn an_open_circuit_leads_back_to_the_last_good_version() {
    let place = Place::new("");
    let run = Live::start(&place);
    run.feed(20);
    place.configure("mode = \"double\"", "mode = \"fatal\"");
    run.wait_for_versions(2);
    // Fatal at the first negative number.
    place.send_number(-1);
    run.wait_for_versions(3);
    run.feed(20);
    run.stop();
    assert_eq!(place.causes(), ["started", "configured", "circuit_opened"]);
    place.check_rows();
}
