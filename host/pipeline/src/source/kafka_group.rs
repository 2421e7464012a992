//! Membership in the consumer group. The member's client is given the assigned partitions, so that the
//! group protocol sees them, but they stay paused: another client fetches them. Its events come from
//! a thread of its own, which also waits for a revocation to be acknowledged.

use std::ffi::{CStr, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use millstream_model::TopicPartition;
use rdkafka::ClientContext;
use rdkafka::bindings::{rd_kafka_mem_free, rd_kafka_memberid};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::mpsc;

use super::event::Awaited;
use super::kafka_log;
use super::kafka_outage::Outage;
use super::kafka_partitions::{Partitions, failed};
use super::kafka_topics::Topics;
use super::{Acknowledgement, GroupProtocol, KafkaSettings, Membership, SourceError, SourceEvent};

/// How long one poll of the member's queue waits.
const POLL: Duration = Duration::from_millis(100);
/// How long a static member may take to give its name away.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The client that is a member of the group.
pub(super) type Member = BaseConsumer<MemberContext>;

/// What the member's callbacks need.
pub(super) struct MemberContext {
    pub(super) events: mpsc::Sender<SourceEvent>,
    pub(super) partitions: Arc<Partitions>,
    pub(super) stopped: Arc<AtomicBool>,
    /// True if the member will be back after its end.
    pub(super) returns: Arc<AtomicBool>,
    pub(super) outage: Outage,
    pub(super) settings: KafkaSettings,
    /// How long a revocation waits for its acknowledgement.
    pub(super) revocation_wait: Duration,
    /// Partitions were given or taken since the topics were last looked for.
    pub(super) moved: AtomicBool,
    /// Dropped with the client, which has left the group by then.
    #[expect(dead_code, reason = "its drop is the message")]
    pub(super) has_left: Acknowledgement,
}

/// Serves the member until the source stops or fails, then leaves the group.
pub(super) fn run(member: Arc<Member>, mut topics: Topics) {
    let context = member.context().clone();
    while !context.stopped.load(Ordering::Acquire) {
        if context.moved.swap(false, Ordering::AcqRel) {
            topics.partitions_moved();
        }
        if let Some(missing) = topics.look(&context.partitions) {
            context.send(SourceEvent::Missing(missing));
            if topics.none_exists() {
                context.send(SourceEvent::Assigned(Vec::new()));
            }
        }
        match member.poll(POLL) {
            None | Some(Ok(_)) => {}
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                context.send(SourceEvent::Failed(context.ended_by(&member, &error)));
                break;
            }
            Some(Err(error)) if is_unknown_topic(&error) => topics.one_is_missing(),
            Some(Err(error)) if kafka_log::is_connection(&error) => tracing::debug!(%error, "kafka"),
            Some(Err(error)) => tracing::warn!(%error, "kafka"),
        }
        context.partitions.serve();
        context.outage.look(|| topics.broker_answers(&context.partitions));
    }
    context.stopped.store(true, Ordering::Release);
    context.partitions.revoke_all();
    if !context.returns.load(Ordering::Acquire) {
        context.give_name_away(&member);
    }
}

impl MemberContext {
    /// False if nobody listens any more.
    fn send(&self, event: SourceEvent) -> bool {
        !self.stopped.load(Ordering::Acquire) && self.events.blocking_send(event).is_ok()
    }

    /// What ended the membership.
    fn ended_by(&self, member: &Member, error: &KafkaError) -> SourceError {
        let (worker, group) = (self.settings.worker.clone(), self.settings.group.clone());
        match member.client().fatal_error() {
            Some((RDKafkaErrorCode::FencedInstanceId, _)) => SourceError::Fenced { worker, group },
            Some((RDKafkaErrorCode::UnreleasedInstanceId, _)) => SourceError::NameTaken { worker, group },
            Some((RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion, reason)) => {
                SourceError::Protocol { reason }
            }
            Some((_, reason)) => SourceError::Kafka { action: "take part in the group".to_owned(), reason },
            None => failed("take part in the group".to_owned(), error),
        }
    }

    /// Leaves the group with a name that is known there: librdkafka does so when a static member unsubscribes,
    /// but not when it ends. The broker of the newer protocol keeps the name until the session times out.
    fn give_name_away(&self, member: &Member) {
        let is_known = self.settings.membership == Membership::Static
            && self.settings.protocol == GroupProtocol::Classic
            && member.client().fatal_error().is_none();
        if !is_known {
            return;
        }
        member.unsubscribe();
        let deadline = Instant::now() + LEAVE_WAIT_MAX;
        while has_member_id(member) && Instant::now() < deadline {
            // What comes now is the revocation, or belongs to nobody any more.
            let _ = member.poll(POLL);
        }
    }

    /// Waits for a revocation to be acknowledged, but not once the source stops.
    fn is_acknowledged(&self, awaited: &Awaited, until: Instant) -> bool {
        while Instant::now() < until {
            if self.stopped.load(Ordering::Acquire) || awaited.wait(POLL) {
                return true;
            }
        }
        false
    }

    fn on_assign(&self, member: &Member, list: &mut TopicPartitionList) -> KafkaResult<()> {
        // An explicit offset, so that no committed one is asked for.
        list.set_all_offsets(rdkafka::Offset::End)?;
        match member.rebalance_protocol() {
            RebalanceProtocol::Cooperative => member.incremental_assign(list)?,
            _ => member.assign(list)?,
        }
        member.pause(list)?;
        let partitions = partitions_of(list);
        tracing::debug!(partitions = listed(&partitions), "partitions assigned");
        self.partitions.assign(&partitions);
        self.moved.store(true, Ordering::Release);
        self.send(SourceEvent::Assigned(partitions));
        Ok(())
    }

    fn on_revoke(&self, member: &Member, list: &TopicPartitionList) -> KafkaResult<()> {
        let partitions = partitions_of(list);
        let lost = member.assignment_lost();
        tracing::debug!(partitions = listed(&partitions), lost, "partitions revoked");
        let (done, awaited) = Acknowledgement::new();
        let until = Instant::now() + self.revocation_wait;
        let revoked = SourceEvent::Revoked { partitions: partitions.clone(), lost, until, done };
        if !partitions.is_empty() && self.send(revoked) && !self.is_acknowledged(&awaited, until) {
            let partitions = listed(&partitions);
            tracing::warn!(partitions, "not committed in time; the partitions are given away without");
        }
        self.moved.store(true, Ordering::Release);
        self.partitions.revoke(&partitions);
        match member.rebalance_protocol() {
            RebalanceProtocol::Cooperative => member.incremental_unassign(list),
            _ => member.unassign(),
        }
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        kafka_log::log(&self.outage, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        kafka_log::note_outage(&self.outage, &error);
        tracing::debug!("{reason}");
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, member: &Member, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let outcome = match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => self.on_assign(member, list),
            _ => self.on_revoke(member, list),
        };
        if let Err(error) = outcome {
            self.send(SourceEvent::Failed(failed("take part in a rebalance".to_owned(), &error)));
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "offsets were not committed; only tools that show lag miss them");
        }
    }
}

/// True while the group counts the member among its own.
fn has_member_id(member: &Member) -> bool {
    // SAFETY: the client is alive; the text it gives is ours, is read before it is given back, and ends with zero.
    unsafe {
        let client = member.client().native_ptr();
        let id = rd_kafka_memberid(client);
        if id.is_null() {
            return false;
        }
        let is_known = !CStr::from_ptr(id).is_empty();
        rd_kafka_mem_free(client, id.cast::<c_void>());
        is_known
    }
}

fn listed(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(TopicPartition::to_string).collect::<Vec<_>>().join(", ")
}

fn is_unknown_topic(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition)
}

fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    list.elements().iter().map(|element| TopicPartition::new(element.topic(), element.partition())).collect()
}
