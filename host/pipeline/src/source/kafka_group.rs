//! Membership in the consumer group. The member's client is given the assigned partitions, so that the
//! group protocol sees them, but they stay paused: another client fetches them. Its events come from
//! a thread of its own, which also waits for a revocation to be acknowledged. A member that the group has
//! fenced is followed by a new one of its name.

use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use millstream_model::TopicPartition;
use rdkafka::bindings::{rd_kafka_mem_free, rd_kafka_memberid};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientConfig, ClientContext};
use tokio::sync::mpsc;

use super::event::Awaited;
use super::kafka::client;
use super::kafka_log;
use super::kafka_outage::Outage;
use super::kafka_partitions::{Partitions, failed, lock};
use super::kafka_topics::Topics;
use super::{Acknowledgement, GroupProtocol, KafkaSettings, Membership, SourceError, SourceEvent};

/// How long one poll of the member's queue waits.
const POLL: Duration = Duration::from_millis(100);
/// The same for what has come already. Without any wait, a poll would stop at the first line of the client's log.
const DRAIN_POLL: Duration = Duration::from_millis(1);
/// Time between a member that was fenced and the next one: longer than a run needs to see in the log that another
/// process has its name, so that two processes do not take it from each other in turn.
const REJOIN_PAUSE: Duration = Duration::from_secs(15);
/// How old an assignment must be for the fencing behind it to be the first one again.
const LASTING: Duration = Duration::from_secs(60);
/// Fencings in a row that end the source.
const FENCED_MAX: u32 = 3;
/// How long a static member may take to give its name away.
const LEAVE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The client that is a member of the group.
pub(super) type Member = BaseConsumer<MemberContext>;

/// Where the member of now is found; the thread that serves it owns it.
pub(super) type MemberSlot = Arc<Mutex<Weak<Member>>>;

/// What a member's callbacks need. A clone is for the next member of the same name.
#[derive(Clone)]
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
    pub(super) moved: Arc<AtomicBool>,
    /// When partitions were last given; none if the name was lost since.
    pub(super) assigned: Arc<Mutex<Option<Instant>>>,
    /// The member was fenced: what its client says while it ends concerns nobody.
    pub(super) retired: Arc<AtomicBool>,
    /// Dropped with the last client, which has left the group by then.
    #[expect(dead_code, reason = "its drop is the message")]
    pub(super) has_left: Arc<Acknowledgement>,
}

/// What a thread needs to be in the group, by one member after the other.
pub(super) struct Group {
    config: ClientConfig,
    topics: Topics,
    context: MemberContext,
    slot: MemberSlot,
    /// Whether the run loop has been told that no broker answers.
    is_outage_told: bool,
}

impl Group {
    /// A group without a member of ours.
    pub(super) fn new(config: ClientConfig, topics: Topics, context: MemberContext) -> Self {
        Self { config, topics, context, slot: MemberSlot::default(), is_outage_told: false }
    }

    /// Where its member is found.
    pub(super) fn slot(&self) -> MemberSlot {
        self.slot.clone()
    }

    /// Joins with a new member.
    pub(super) fn join(&self) -> Result<Arc<Member>, SourceError> {
        let context = MemberContext { retired: Arc::default(), ..self.context.clone() };
        let member = Arc::new(client(&self.config, context)?);
        member.subscribe(&self.topics.names()).map_err(|error| failed("subscribe".to_owned(), &error))?;
        *lock(&self.slot) = Arc::downgrade(&member);
        Ok(member)
    }

    /// Serves `member`, and those that follow it, until the source stops or fails, then leaves the group. A
    /// connection that is lost may leave a join behind that fences the very member that sent it.
    pub(super) fn run(mut self, member: Arc<Member>) {
        let mut current = Some(member);
        let mut fenced = 0;
        while let Some(member) = &current {
            let Some(error) = self.serve(member) else { break };
            let assigned = lock(&self.context.assigned).take();
            fenced = if assigned.is_some_and(|at| at.elapsed() >= LASTING) { 1 } else { fenced + 1 };
            let may_join_again = match error {
                SourceError::Fenced { .. } => true,
                // A name that is not given to this process in the first place is another's.
                SourceError::NameTaken { .. } => assigned.is_some() || fenced > 1,
                _ => false,
            };
            if fenced >= FENCED_MAX || !may_join_again {
                self.context.send(SourceEvent::Failed(error));
                break;
            }
            tracing::warn!(
                pause_seconds = REJOIN_PAUSE.as_secs(),
                "the consumer group knows another member of this worker's name: another process, or this one before \
                 it lost its connection; what it held is given up, and it joins again after a pause"
            );
            member.context().retire();
            current = None;
            if !self.pause() {
                break;
            }
            match self.join() {
                Ok(member) => current = Some(member),
                Err(error) => {
                    self.context.send(SourceEvent::Failed(error));
                }
            }
        }
        self.context.stopped.store(true, Ordering::Release);
        self.context.partitions.revoke_all();
        if let Some(member) = current.filter(|_| !self.context.returns.load(Ordering::Acquire)) {
            self.context.give_name_away(&member);
        }
    }

    /// Serves the member until the source stops, or something ends the membership.
    fn serve(&mut self, member: &Member) -> Option<SourceError> {
        while !self.context.stopped.load(Ordering::Acquire) {
            if self.context.moved.swap(false, Ordering::AcqRel) {
                self.topics.partitions_moved();
            }
            if let Some(missing) = self.topics.look(&self.context.partitions) {
                self.context.send(SourceEvent::Missing(missing));
                if self.topics.none_exists() {
                    self.context.send(SourceEvent::Assigned(Vec::new()));
                }
            }
            if let Some(error) = self.poll(member) {
                return Some(error);
            }
            self.look_at_brokers();
        }
        None
    }

    /// Lets the member's client report all that it has to report: an old line that no broker is left must not be
    /// taken for a new one.
    fn poll(&mut self, member: &Member) -> Option<SourceError> {
        let mut wait = POLL;
        while let Some(outcome) = member.poll(wait) {
            wait = DRAIN_POLL;
            match outcome {
                Ok(_) => {}
                Err(error @ KafkaError::MessageConsumptionFatal(_)) => {
                    return Some(self.context.ended_by(member, &error));
                }
                Err(error) if is_unknown_topic(&error) => self.topics.one_is_missing(),
                Err(error) if kafka_log::is_connection(&error) => tracing::debug!(%error, "kafka"),
                Err(error) => tracing::warn!(%error, "kafka"),
            }
        }
        None
    }

    /// Tells the run loop when no broker answers any more, and when that is over.
    fn look_at_brokers(&mut self) {
        self.context.partitions.serve();
        let is_down = self.context.outage.look(|| self.topics.broker_answers(&self.context.partitions));
        if is_down != self.is_outage_told {
            self.is_outage_told = is_down;
            self.context.send(SourceEvent::Reachable(!is_down));
        }
    }

    /// Waits before the next member joins; false if the source stops.
    fn pause(&mut self) -> bool {
        let end = Instant::now() + REJOIN_PAUSE;
        while Instant::now() < end && !self.context.stopped.load(Ordering::Acquire) {
            std::thread::sleep(POLL);
            self.look_at_brokers();
        }
        !self.context.stopped.load(Ordering::Acquire)
    }
}

impl MemberContext {
    /// False if nobody listens any more.
    fn send(&self, event: SourceEvent) -> bool {
        let is_over = self.stopped.load(Ordering::Acquire) || self.retired.load(Ordering::Acquire);
        !is_over && self.events.blocking_send(event).is_ok()
    }

    /// Gives up what the member holds, without a commit: others may have it.
    fn retire(&self) {
        self.lose(self.partitions.assigned(), true);
        self.retired.store(true, Ordering::Release);
    }

    /// Tells that partitions are taken, waits for them to be committed unless they are lost already, and closes them.
    fn lose(&self, partitions: Vec<TopicPartition>, lost: bool) {
        let (done, awaited) = Acknowledgement::new();
        let until = Instant::now() + self.revocation_wait;
        let revoked = SourceEvent::Revoked { partitions: partitions.clone(), lost, until, done };
        if !partitions.is_empty() && self.send(revoked) && !self.is_acknowledged(&awaited, until) {
            let partitions = listed(&partitions);
            tracing::warn!(partitions, "not committed in time; the partitions are given away without");
        }
        self.moved.store(true, Ordering::Release);
        self.partitions.revoke(&partitions);
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
        *lock(&self.assigned) = Some(Instant::now());
        self.moved.store(true, Ordering::Release);
        self.send(SourceEvent::Assigned(partitions));
        Ok(())
    }

    fn on_revoke(&self, member: &Member, list: &TopicPartitionList) -> KafkaResult<()> {
        let partitions = partitions_of(list);
        let lost = member.assignment_lost() || member.client().fatal_error().is_some();
        tracing::debug!(partitions = listed(&partitions), lost, "partitions revoked");
        // A new member may hold them by now.
        if !self.retired.load(Ordering::Acquire) {
            self.lose(partitions, lost);
        }
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
