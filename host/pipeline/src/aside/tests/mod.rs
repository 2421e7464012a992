//! A CPU thread with real guests that get into trouble, and others beside them.

mod rig;

use millstream_model::entry::Counters;

use crate::tap::Place;
use crate::worker::Event;
use rig::{Rig, mode, plan};

/// The circuit that opened.
fn opened(rig: &mut Rig) -> (String, String) {
    match rig.events.blocking_recv().unwrap() {
        Event::CircuitOpened { stream, step, reason, .. } => (format!("{stream}/{step}"), reason.to_string()),
        other => panic!("{other:?}"),
    }
}

fn dead(counters: &Counters) -> u64 {
    counters.dead.values().sum()
}

#[test]
fn a_task_waits_for_its_batch_and_all_others_go_on() {
    let mut rig = Rig::new(&[plan("bad", &mode("loops")), plan("good", &mode("double"))]);
    rig.feed("bad", 0, &[1, -1, 2]);
    rig.until_aside("bad");
    // Its bisection takes more than a second: a lone row may run ten times its deadline.
    rig.feed("bad", 1, &[3]);
    rig.feed("good", 0, &[4]);
    rig.feed("bad", 0, &[5]);
    assert_eq!(rig.until_end("good", 0, 1).rows, [(0, 8)]);
    assert_eq!(rig.until_end("bad", 1, 1).rows, [(0, 6)], "another partition of the same stream");
    assert_eq!(rig.done[&("bad".to_owned(), 0)].end, 0, "a barrier reports up to the batch's beginning");
    let done = rig.until_end("bad", 0, 4);
    assert_eq!(done.rows, [(0, 2), (2, 4), (3, 10)], "in the order of the offsets");
    assert_eq!((done.counters.r#in, done.counters.out, dead(&done.counters)), (4, 3, 1));
}

#[test]
fn a_swap_begins_a_batch_that_is_aside_again() {
    let (before, after) = (plan("s", &mode("loops")), plan("s", &mode("double")));
    let mut rig = Rig::new(std::slice::from_ref(&before));
    let mut tap = rig.figures("s").taps.open(Place::Behind(1)).unwrap();
    rig.feed("s", 1, &[7]);
    rig.until_end("s", 1, 1);
    rig.feed("s", 0, &[1, -1, 2]);
    rig.until_aside("s");
    let replaced = rig.swap(&after);
    assert_eq!(replaced.len(), 1);
    assert_eq!(replaced[0].plan().steps[0].config, before.steps[0].config);
    assert_eq!(rig.done[&("s".to_owned(), 0)].end, 0);
    let done = rig.until_end("s", 0, 3);
    assert_eq!(done.rows, [(0, 2), (1, -2), (2, 4)]);
    assert_eq!((dead(&done.counters), &done.versions), (0, &vec![after.steps[0].config.short()]));
    let figures = rig.figures("s");
    let rows = |steps: Vec<_>| -> Vec<u64> {
        steps.iter().map(|step: &std::sync::Arc<crate::telemetry::StepFigures>| step.rows()).collect()
    };
    assert_eq!((rows(figures.steps()), rows(figures.former_steps())), (vec![3], vec![1]));
    assert_eq!(figures.messages(), 4, "a batch that is begun again is counted once");
    let seen = [tap.blocking_next(), tap.blocking_next()].map(|rows| rows.unwrap().num_rows());
    assert_eq!(seen, [1, 3], "onlookers see it once");
}

#[test]
fn an_open_circuit_holds_the_stream_until_the_step_is_replaced() {
    let mut rig = Rig::new(&[plan("s", &mode("fatal")), plan("good", &mode("double"))]);
    rig.feed("s", 0, &[1]);
    rig.until_end("s", 0, 1);
    rig.feed("s", 0, &[2, -1]);
    let expected = ("s/guest".to_owned(), "no licence".to_owned());
    assert_eq!(opened(&mut rig), expected);
    rig.feed("s", 1, &[3]);
    rig.feed("good", 0, &[4]);
    rig.until_end("good", 0, 1);
    assert_eq!(rig.done[&("s".to_owned(), 0)].end, 1);
    assert_eq!(rig.done[&("s".to_owned(), 1)].end, 0, "the other partitions of the stream wait, too");
    assert!(rig.events.try_recv().is_err(), "told once");
    // Resumed, it is tried anew.
    rig.pause(&["s"]);
    rig.pause(&[]);
    assert_eq!(opened(&mut rig), expected);
    rig.swap(&plan("s", &mode("double")));
    assert_eq!(rig.until_end("s", 1, 1).rows, [(0, 6)]);
    let done = rig.until_end("s", 0, 3);
    assert_eq!((done.rows.as_slice(), dead(&done.counters)), ([(0, 2), (1, 4), (2, -2)].as_slice(), 0));
}

#[test]
fn where_it_is_asked_for_rows_become_dead_letters_while_a_circuit_is_open() {
    let step = format!("{}\non_circuit = \"dead_letters\"", mode("fatal"));
    let mut rig = Rig::new(&[plan("s", &step)]);
    rig.feed("s", 0, &[1, -1]);
    rig.feed("s", 0, &[2]);
    let done = rig.until_end("s", 0, 3);
    assert_eq!((done.rows.as_slice(), dead(&done.counters)), ([].as_slice(), 3));
    assert!(rig.events.try_recv().is_err());
}

#[test]
fn too_many_failing_rows_open_the_circuit_and_are_not_written() {
    let step = format!("{}\nerror_budget = {{ share = 0.2, rows_min = 10 }}", mode("traps"));
    let mut rig = Rig::new(&[plan("s", &step)]);
    rig.feed("s", 0, &[1, 2, 3, 4, 5, 6, 7, 8, -1, 9]);
    assert_eq!(dead(&rig.until_end("s", 0, 10).counters), 1);
    rig.feed("s", 0, &[1, -1, -1, -1]);
    let (step, reason) = opened(&mut rig);
    let expected = "4 of 14 rows failed within 60 s, and error_budget.share is 0.2";
    assert_eq!((step.as_str(), reason.as_str()), ("s/guest", expected));
    rig.barrier();
    assert_eq!(rig.done[&("s".to_owned(), 0)].end, 10);
}

#[test]
fn a_paused_stream_is_not_read() {
    let mut rig = Rig::new(&[plan("s", &mode("double")), plan("good", &mode("double"))]);
    rig.pause(&["s"]);
    rig.feed("s", 0, &[1]);
    rig.feed("good", 0, &[2]);
    rig.until_end("good", 0, 1);
    assert_eq!(rig.done[&("s".to_owned(), 0)].end, 0);
    rig.pause(&[]);
    assert_eq!(rig.until_end("s", 0, 1).rows, [(0, 2)]);
}

/// One guilty row in every batch, and more threads that want the processor than there are processors.
#[test]
fn no_good_row_is_blamed_on_an_overloaded_machine() {
    let mut rig = Rig::new(&[plan("s", &mode("traps")), plan("good", &mode("double"))]);
    let is_over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for batch in 0..20 {
            rig.feed("s", batch % 2, &[1, 2, 3, -1, 4]);
            rig.feed("good", batch % 2, &[1, 2, 3, 4]);
        }
        for partition in [0, 1] {
            let done = rig.until_end("s", partition, 50);
            assert_eq!((done.counters.out, dead(&done.counters)), (40, 10));
            assert!(done.rows.is_sorted(), "{:?}", done.rows);
            let done = rig.until_end("good", partition, 40);
            assert_eq!((done.counters.out, dead(&done.counters)), (40, 0));
        }
        is_over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
