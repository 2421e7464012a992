//! Names in a consumer group, and who its members are as seen from outside; topics that go, come and grow.

use std::time::Instant;

use millstream_model::{OffsetRange, TopicPartition};
use millstream_pipeline::source::{
    self, Departure, Ends, GroupProtocol, KafkaSettings, Membership, SourceEvent, SourceSettings, SourceView,
};

use crate::broker::Broker;
use crate::conformance::{Connected, PATIENCE};
use crate::kafka::{connect, kafka};

/// A worker of this name in a group whose sessions outlast every test: what frees a partition is never time.
fn worker(broker: &Broker, group: &KafkaSettings, name: &str) -> KafkaSettings {
    let mut settings =
        KafkaSettings { membership: Membership::Static, group: group.group.clone(), ..kafka(broker) };
    settings.worker = name.to_owned();
    settings.properties.insert("session.timeout.ms".to_owned(), "300000".to_owned());
    settings
}

fn partitions(topic: &str, numbers: impl IntoIterator<Item = i32>) -> Vec<TopicPartition> {
    numbers.into_iter().map(|number| TopicPartition::new(topic, number)).collect()
}

fn view(settings: &KafkaSettings, topic: &str) -> SourceView {
    source::look(&SourceSettings::Kafka(settings.clone()), &[topic.to_owned()]).unwrap()
}

/// Workers of the group with the numbers of their partitions, once it is stable and they are as expected.
fn wait_for_members(settings: &KafkaSettings, topic: &str, expected: &[(&str, &[i32])]) -> SourceView {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let view = view(settings, topic);
        let group = view.group.as_ref().unwrap();
        let mut found: Vec<(String, Vec<i32>)> = Vec::new();
        for member in &group.members {
            let numbers = member.partitions.iter().map(|at| at.partition).collect();
            found.push((member.worker().to_owned(), numbers));
        }
        found.sort();
        let expected = expected.iter().map(|(worker, numbers)| ((*worker).to_owned(), numbers.to_vec()));
        if found == expected.collect::<Vec<_>>() {
            return view;
        }
        assert!(Instant::now() < deadline, "{group:?}");
    }
}

/// Counts what a worker was told, up to now.
fn moves(connected: &mut Connected) -> usize {
    let mut moves = 0;
    while let Ok(event) = connected.events.try_recv() {
        match event {
            SourceEvent::Revoked { done, .. } => {
                done.done();
                moves += 1;
            }
            SourceEvent::Assigned(_) => moves += 1,
            SourceEvent::Missing(topics) => assert!(topics.is_empty(), "{topics:?}"),
            SourceEvent::Reachable(_) => {}
            SourceEvent::Failed(error) => panic!("{error}"),
        }
    }
    moves
}

#[test]
fn a_worker_that_comes_back_moves_nothing_and_one_that_leaves_gives_all_away() {
    let broker = Broker::shared();
    broker.create_topic("named", 4);
    let group = kafka(&broker);
    let mut first = connect(worker(&broker, &group, "a"), &["named"]);
    first.assigned(&partitions("named", 0..4));
    let mut second = connect(worker(&broker, &group, "b"), &["named"]);
    // The first must give up what it has before the second is given anything.
    let deadline = Instant::now() + PATIENCE;
    let mut halves = 0;
    while halves < 2 {
        assert!(Instant::now() < deadline);
        for connected in [&mut first, &mut second] {
            match connected.events.try_recv() {
                Ok(SourceEvent::Revoked { done, .. }) => done.done(),
                Ok(SourceEvent::Assigned(given)) => halves += usize::from(given.len() == 2),
                _ => {}
            }
        }
    }
    let both: &[(&str, &[i32])] = &[("a", &[0, 1]), ("b", &[2, 3])];
    wait_for_members(&group, "named", both);

    second.source.stop(Departure::Restart);
    drop(second);
    let mut second = connect(worker(&broker, &group, "b"), &["named"]);
    second.assigned(&partitions("named", 2..4));
    let view = wait_for_members(&group, "named", both);
    assert_eq!(moves(&mut first), 0, "the other worker hears nothing of a restart");
    let seen = view.group.unwrap();
    assert_eq!((seen.protocol.as_str(), seen.state.as_str()), ("classic", "Stable"));

    second.source.stop(Departure::ForGood);
    first.assigned(&partitions("named", 0..4));
    wait_for_members(&group, "named", &[("a", &[0, 1, 2, 3])]);
}

/// A worker can fence itself when it loses its connection, and that there is no other process shows only in the log.
#[test]
fn a_worker_that_is_fenced_loses_its_partitions_and_joins_again() {
    let broker = Broker::shared();
    broker.create_topic("twice", 2);
    let group = kafka(&broker);
    let mut first = connect(worker(&broker, &group, "a"), &["twice"]);
    first.assigned(&partitions("twice", 0..2));
    let mut second = connect(worker(&broker, &group, "a"), &["twice"]);
    second.assigned(&partitions("twice", 0..2));
    loop {
        match first.next_event() {
            Some(SourceEvent::Revoked { partitions: mut taken, lost, .. }) => {
                taken.sort();
                assert_eq!((taken, lost), (partitions("twice", 0..2), true));
                break;
            }
            Some(SourceEvent::Missing(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    second.source.stop(Departure::Restart);
    first.assigned(&partitions("twice", 0..2));
    wait_for_members(&group, "twice", &[("a", &[0, 1])]);
}

/// Why the newer protocol has no static members by default: a name is not given away while its session lasts.
#[test]
fn under_the_newer_protocol_the_older_process_of_a_name_keeps_it() {
    let broker = Broker::shared();
    broker.create_topic("twice-848", 2);
    let mut settings = KafkaSettings { protocol: GroupProtocol::Consumer, ..kafka(&broker) };
    settings.membership = Membership::Static;
    let mut first = connect(settings.clone(), &["twice-848"]);
    first.assigned(&partitions("twice-848", 0..2));
    let mut second = connect(settings.clone(), &["twice-848"]);
    let error = loop {
        match second.next_event() {
            Some(SourceEvent::Failed(error)) => break error.to_string(),
            Some(SourceEvent::Missing(_)) => {}
            other => panic!("{other:?}"),
        }
    };
    let expected = format!("the consumer group `{}` still has a member `worker-0`", settings.group);
    assert!(error.contains(&expected), "{error}");
}

#[test]
fn members_of_the_newer_protocol_are_seen_too() {
    let broker = Broker::shared();
    broker.create_topic("seen-848", 2);
    let mut settings = KafkaSettings { protocol: GroupProtocol::Consumer, ..kafka(&broker) };
    settings.worker = "b".to_owned();
    let mut connected = connect(settings.clone(), &["seen-848"]);
    connected.assigned(&partitions("seen-848", 0..2));
    let view = wait_for_members(&settings, "seen-848", &[("b", &[0, 1])]);
    assert_eq!(view.group.unwrap().protocol, "consumer");
}

#[test]
fn a_look_takes_no_part() {
    let broker = Broker::shared();
    broker.create_topic("looked-at", 2);
    broker.produce("looked-at", 1, ["a", "b", "c"]);
    broker.delete_before("looked-at", 1, 2);
    let settings = kafka(&broker);
    let topics = ["looked-at".to_owned(), "absent".to_owned()];
    let view = source::look(&SourceSettings::Kafka(settings.clone()), &topics).unwrap();
    let id = |topic: &str| (topic.to_owned(), view.topics[topic].id.clone().unwrap());
    let ids = [id("looked-at")].into();
    let names: Vec<_> = view.topics.keys().map(String::as_str).collect();
    assert_eq!(names, ["looked-at"]);
    let ends = |low, end| Ends { low: Some(low), end: Some(end) };
    assert_eq!(view.topics["looked-at"].partitions, [(0, ends(0, 0)), (1, ends(2, 3))].into());
    assert_eq!(view.group.unwrap().members, []);
    let connected = connect(settings, &["looked-at"]);
    assert_eq!(connected.source.identity(), view.identity);
    assert_eq!(connected.source.topic_ids().unwrap(), ids);
}

#[test]
fn a_topic_that_is_created_anew_has_another_id_and_one_that_grows_keeps_its_own() {
    let broker = Broker::shared();
    broker.create_topic("mutable", 1);
    let mut settings = kafka(&broker);
    settings.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let mut connected = connect(KafkaSettings { start: source::Start::Latest, ..settings }, &["mutable"]);
    connected.assigned(&partitions("mutable", 0..1));
    let before = connected.source.topic_ids().unwrap();
    broker.produce("mutable", 0, ["old"]);
    broker.grow_topic("mutable", 2);
    broker.produce("mutable", 1, ["new"]);
    connected.assigned(&partitions("mutable", 0..2));
    assert_eq!(connected.source.topic_ids().unwrap(), before);
    // What is in a partition that is younger than the run came after its start.
    let opened = connected.open(&TopicPartition::new("mutable", 1), None);
    let skipped = opened.skipped.expect("where it begins is to be noted");
    assert_eq!((skipped.range, opened.reader.position().offset), (OffsetRange::new(0, 0), 0));

    broker.delete_topic("mutable");
    loop {
        match connected.next_event() {
            Some(SourceEvent::Missing(topics)) if topics == ["mutable"] => break,
            Some(SourceEvent::Revoked { done, .. }) => done.done(),
            Some(_) => {}
            None => panic!("the source has stopped"),
        }
    }
    assert_eq!(connected.source.topic_ids().unwrap(), [].into());
    broker.create_topic("mutable", 1);
    connected.assigned(&partitions("mutable", 0..1));
    assert_ne!(connected.source.topic_ids().unwrap(), before);
}
