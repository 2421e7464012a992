//! Why a topic or a partition waits, in the order in which a person would look: the source, whose offsets the
//! lake holds, the group, the worker.

use millstream_model::TopicPartition;
use millstream_pipeline::source::{Ends, GroupView, TopicView};
use millstream_pipeline::telemetry::Status;

use super::Seen;

/// What is known of a partition.
pub(super) struct Facts<'a> {
    pub(super) at: &'a TopicPartition,
    /// Next position by the log.
    pub(super) position: Option<i64>,
    pub(super) ends: Ends,
    /// Worker that the group gave it to.
    pub(super) holder: Option<&'a str>,
}

/// Why all of a topic waits, if it does.
pub(super) fn of_topic(seen: &Seen<'_>, topic: &str, view: Option<&TopicView>) -> Option<String> {
    let source = match &seen.source {
        Ok(source) => source,
        Err(error) => return Some(format!("the source does not answer: {error}")),
    };
    let bound = seen.log.source();
    if let Some(bound) = bound.filter(|bound| bound.source != source.identity) {
        return Some(format!(
            "the lake holds offsets of another source, {}: see millstream adopt",
            bound.source
        ));
    }
    let Some(view) = view else { return Some("the topic does not exist".to_owned()) };
    let known = bound.and_then(|bound| bound.topics.get(topic));
    match (known, &view.id) {
        (Some(known), Some(id)) if known != id => Some(
            "the topic was deleted and created anew, and the lake holds offsets of the earlier one: see millstream adopt"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Why a partition of a topic that does not wait does, if it does.
pub(super) fn of_partition(seen: &Seen<'_>, facts: &Facts<'_>) -> Option<String> {
    if let (Some(position), Some(end)) = (facts.position, facts.ends.end)
        && position > end
    {
        return Some(format!("the lake is at offset {position}, and the partition ends at {end}"));
    }
    let group = seen.source.as_ref().ok().and_then(|source| source.group.as_ref());
    match (group, facts.holder) {
        (Some(group), None) => Some(of_group(group)),
        (_, Some(worker)) => of_worker(seen, facts.at, worker),
        // Of a source without groups each process reads what it finds.
        (None, None) => seen.statuses().find_map(|status| of_process(status, facts.at)),
    }
}

fn of_group(group: &GroupView) -> String {
    if group.members.is_empty() {
        return format!("no worker is in the group {}", group.name);
    }
    match group.state.as_str() {
        "Stable" | "Unknown" => "no worker has it".to_owned(),
        _ => format!("the group is rebalancing ({})", group.state),
    }
}

fn of_worker(seen: &Seen<'_>, at: &TopicPartition, worker: &str) -> Option<String> {
    let mut sessions = seen.log.sessions().values();
    if !sessions.any(|session| session.worker == worker && !session.is_closed()) {
        return Some(format!("{worker} has it and has not opened the lake yet"));
    }
    let status = seen.statuses().find(|status| status.worker == worker)?;
    of_process(status, at).or_else(|| {
        let reads = |read: &millstream_pipeline::telemetry::PartitionStatus| {
            read.partition == at.partition && *read.topic == *at.topic
        };
        let is_whole = status.source.assigned as usize == status.source.partitions.len();
        let reads = status.source.partitions.iter().any(reads) || !is_whole;
        (!reads).then(|| {
            format!("{worker}: {}", status.readiness.reasons.first().map_or("not opened yet", |why| why))
        })
    })
}

/// What a process itself says of a partition that it should read.
fn of_process(status: &Status, at: &TopicPartition) -> Option<String> {
    let is_this = |number: Option<i32>| number.is_none_or(|number| number == at.partition);
    let mut waiting = status.source.waiting.iter();
    let found = waiting.find(|waiting| *waiting.topic == *at.topic && is_this(waiting.partition))?;
    Some(format!("{}: {}", status.worker, found.reason))
}

impl Seen<'_> {
    fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.processes.iter().filter_map(|process| process.status.as_ref().ok())
    }
}

#[cfg(test)]
mod tests {
    use millstream_log::LogState;
    use millstream_pipeline::source::{MemberView, SourceView};

    use super::super::{Report, Seen};
    use super::*;

    /// A source with the topic `t` of one partition and a group in `state` with these members.
    fn source(state: &str, members: &[(&str, bool)]) -> SourceView {
        let at = TopicPartition::new("t", 0);
        let member = |(name, holds): &(&str, bool)| MemberView {
            instance: Some((*name).to_owned()),
            partitions: if *holds { vec![at.clone()] } else { Vec::new() },
            ..MemberView::default()
        };
        let group = GroupView {
            name: "g".to_owned(),
            protocol: "classic".to_owned(),
            state: state.to_owned(),
            members: members.iter().map(member).collect(),
        };
        let ends = Ends { low: Some(2), end: Some(5) };
        let topic = TopicView { id: None, partitions: [(0, ends)].into() };
        let identity = "kafka:c".to_owned();
        SourceView { identity, topics: [("t".to_owned(), topic)].into(), group: Some(group) }
    }

    #[track_caller]
    fn check(topic: &str, source: Result<SourceView, String>, expected: &str) {
        let (log, streams) = (LogState::default(), vec![("s".to_owned(), topic.to_owned())]);
        let report = Report::new(&Seen { lake: "lake", log: &log, streams, source, processes: Vec::new() });
        let of = &report.topics[0];
        let reasons = of.reason.iter().chain(of.partitions.iter().filter_map(|at| at.reason.as_ref()));
        assert_eq!(reasons.collect::<Vec<_>>(), [expected]);
        assert!(!report.all_run());
    }

    #[test]
    fn the_reason_is_the_first_that_a_person_would_look_for() {
        check("t", Err("refused".to_owned()), "the source does not answer: refused");
        check("u", Ok(source("Stable", &[])), "the topic does not exist");
        check("t", Ok(source("Empty", &[])), "no worker is in the group g");
        let rebalancing = source("PreparingRebalance", &[("a", false)]);
        check("t", Ok(rebalancing), "the group is rebalancing (PreparingRebalance)");
        check("t", Ok(source("Stable", &[("a", false)])), "no worker has it");
        check("t", Ok(source("Stable", &[("a", true)])), "a has it and has not opened the lake yet");
    }

    /// What retention takes before it is read is no lag: nobody can read it any more.
    #[test]
    fn what_is_deleted_is_expired_and_not_behind() {
        let (log, streams) = (LogState::default(), vec![("s".to_owned(), "t".to_owned())]);
        let source = Ok(source("Stable", &[("a", true)]));
        let report = Report::new(&Seen { lake: "lake", log: &log, streams, source, processes: Vec::new() });
        let partition = &report.topics[0].partitions[0];
        assert_eq!((report.lag, partition.lag, partition.expired), (Some(3), Some(3), 2));
    }
}
