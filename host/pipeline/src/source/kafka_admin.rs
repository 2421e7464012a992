//! What brokers know and rdkafka does not ask for: the ids of topics and the members of a group, by
//! librdkafka's own admin requests. Nothing but plain values leaves this file; whoever calls it knows no
//! pointer. Each request waits for its answer, so none is made on an async thread.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::slice;
use std::time::Duration;

use millstream_model::TopicPartition;
use rdkafka::bindings as native;
use rdkafka::client::Client;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{ClientContext, error::IsError as _};

use super::view::{GroupView, MemberView};

/// Longest time-out that librdkafka takes.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);
/// How much longer than the request's own time-out an answer is waited for.
const MARGIN_MS: c_int = 1000;

/// A topic that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    /// Given anew at each creation; none if the broker is too old to have ids.
    pub(super) id: Option<String>,
    /// Number of its partitions.
    pub(super) partitions: i32,
}

/// Describes those of the topics that exist. An error is what the client or a broker said.
pub(super) fn topics<C: ClientContext>(
    client: &Client<C>,
    names: &[String],
    timeout: Duration,
) -> Result<BTreeMap<String, Topic>, String> {
    let names = c_strings(names)?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    let answer = Answer::to(client, operation, timeout, |client, options, queue| {
        // SAFETY: names and pointers outlive the calls, which copy them; the others are alive as `Answer::to` says.
        unsafe {
            let collection =
                native::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            native::rd_kafka_DescribeTopics(client, collection, options, queue);
            native::rd_kafka_TopicCollection_destroy(collection);
        }
    })?;
    let mut topics = BTreeMap::new();
    // SAFETY: the answer is one to this request, and what is read of it lives as long as it does.
    unsafe {
        let result = native::rd_kafka_event_DescribeTopics_result(answer.event);
        let mut count = 0;
        let found = native::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        for &topic in elements(found, count) {
            match problem(native::rd_kafka_TopicDescription_error(topic)) {
                None => {}
                Some((RDKafkaErrorCode::UnknownTopicOrPartition, _)) => continue,
                Some((_, text)) => return Err(text),
            }
            let mut partitions = 0;
            native::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
            let id = topic_id(native::rd_kafka_TopicDescription_topic_id(topic));
            let partitions = i32::try_from(partitions).unwrap_or(i32::MAX);
            topics.insert(text(native::rd_kafka_TopicDescription_name(topic)), Topic { id, partitions });
        }
    }
    Ok(topics)
}

/// Describes a consumer group, of either protocol. One that nobody ever joined has no members.
pub(super) fn group<C: ClientContext>(
    client: &Client<C>,
    name: &str,
    timeout: Duration,
) -> Result<GroupView, String> {
    let names = c_strings(&[name.to_owned()])?;
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let operation = native::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    let answer = Answer::to(client, operation, timeout, |client, options, queue| {
        // SAFETY: as in `topics`.
        unsafe {
            let (groups, count) = (pointers.as_mut_ptr(), pointers.len());
            native::rd_kafka_DescribeConsumerGroups(client, groups, count, options, queue);
        }
    })?;
    let mut view = GroupView { name: name.to_owned(), ..GroupView::default() };
    // SAFETY: as in `topics`.
    unsafe {
        let result = native::rd_kafka_event_DescribeConsumerGroups_result(answer.event);
        let mut count = 0;
        let found = native::rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        for &group in elements(found, count) {
            match problem(native::rd_kafka_ConsumerGroupDescription_error(group)) {
                None => {}
                Some((RDKafkaErrorCode::GroupIdNotFound, _)) => continue,
                Some((_, text)) => return Err(text),
            }
            let state = native::rd_kafka_ConsumerGroupDescription_state(group);
            view.state = text(native::rd_kafka_consumer_group_state_name(state));
            let kind = native::rd_kafka_ConsumerGroupDescription_type(group);
            view.protocol = text(native::rd_kafka_consumer_group_type_name(kind)).to_lowercase();
            for index in 0..native::rd_kafka_ConsumerGroupDescription_member_count(group) {
                view.members.push(member(native::rd_kafka_ConsumerGroupDescription_member(group, index)));
            }
        }
    }
    Ok(view)
}

/// The answer to a request, given back when dropped.
struct Answer {
    event: *mut native::rd_kafka_event_t,
}

impl Answer {
    /// Sends a request and waits for its answer. `send` is given the client, the request's options and the queue
    /// for the answer, which are alive during its call.
    fn to<C: ClientContext>(
        client: &Client<C>,
        operation: native::rd_kafka_admin_op_t,
        timeout: Duration,
        send: impl FnOnce(
            *mut native::rd_kafka_t,
            *const native::rd_kafka_AdminOptions_t,
            *mut native::rd_kafka_queue_t,
        ),
    ) -> Result<Self, String> {
        let client = client.native_ptr();
        let millis = timeout.clamp(Duration::from_millis(1), TIMEOUT_MAX).as_millis() as c_int;
        let mut reason: [c_char; 256] = [0; 256];
        // SAFETY: the client outlives this call. Queue and options are made and given back here; librdkafka
        // keeps its own hold on the queue while an answer is on its way.
        let event = unsafe {
            let queue = native::rd_kafka_queue_new(client);
            let options = native::rd_kafka_AdminOptions_new(client, operation);
            native::rd_kafka_AdminOptions_set_request_timeout(
                options,
                millis,
                reason.as_mut_ptr(),
                reason.len(),
            );
            send(client, options, queue);
            let event = native::rd_kafka_queue_poll(queue, millis + MARGIN_MS);
            native::rd_kafka_AdminOptions_destroy(options);
            native::rd_kafka_queue_destroy(queue);
            event
        };
        if event.is_null() {
            return Err("no broker answers".to_owned());
        }
        let answer = Self { event };
        // SAFETY: the event is not null, and ours.
        unsafe {
            match native::rd_kafka_event_error(event).is_error() {
                true => Err(text(native::rd_kafka_event_error_string(event))),
                false => Ok(answer),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: the event is ours, and nothing that was read of it is kept.
        unsafe { native::rd_kafka_event_destroy(self.event) }
    }
}

/// # Safety
/// `member` must be alive.
unsafe fn member(member: *const native::rd_kafka_MemberDescription_t) -> MemberView {
    // SAFETY: what belongs to the member lives as long; a list holds as many elements as it says.
    unsafe {
        let instance = native::rd_kafka_MemberDescription_group_instance_id(member);
        let assignment = native::rd_kafka_MemberDescription_assignment(member);
        let list = native::rd_kafka_MemberAssignment_partitions(assignment);
        let listed = match list.is_null() || (*list).elems.is_null() {
            true => &[],
            false => slice::from_raw_parts((*list).elems, usize::try_from((*list).cnt).unwrap_or(0)),
        };
        let mut partitions: Vec<_> =
            listed.iter().map(|at| TopicPartition::new(text(at.topic), at.partition)).collect();
        partitions.sort();
        MemberView {
            instance: Some(text(instance)).filter(|instance| !instance.is_empty()),
            client: text(native::rd_kafka_MemberDescription_client_id(member)),
            host: text(native::rd_kafka_MemberDescription_host(member)),
            partitions,
        }
    }
}

/// # Safety
/// `id` must be null or alive.
unsafe fn topic_id(id: *const native::rd_kafka_Uuid_t) -> Option<String> {
    if id.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    unsafe {
        let high = native::rd_kafka_Uuid_most_significant_bits(id);
        let low = native::rd_kafka_Uuid_least_significant_bits(id);
        (high != 0 || low != 0).then(|| text(native::rd_kafka_Uuid_base64str(id)))
    }
}

/// # Safety
/// `error` must be null or alive.
unsafe fn problem(error: *const native::rd_kafka_error_t) -> Option<(RDKafkaErrorCode, String)> {
    // SAFETY: the caller says so; both calls take null for no error.
    unsafe {
        let code = native::rd_kafka_error_code(error);
        code.is_error().then(|| (code.into(), text(native::rd_kafka_error_string(error))))
    }
}

/// # Safety
/// `first` must be null or the first of `count` elements, which live as long as the result is used.
unsafe fn elements<'a, T>(first: *mut *const T, count: usize) -> &'a [*const T] {
    match first.is_null() {
        true => &[],
        // SAFETY: the caller says so.
        false => unsafe { slice::from_raw_parts(first, count) },
    }
}

/// # Safety
/// `text` must be null or a text that ends with a zero.
unsafe fn text(text: *const c_char) -> String {
    match text.is_null() {
        true => String::new(),
        // SAFETY: the caller says so.
        false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
    }
}

fn c_strings(names: &[String]) -> Result<Vec<CString>, String> {
    let c_string = |name: &String| CString::new(name.as_str()).map_err(|_| format!("`{name}` holds a zero"));
    names.iter().map(c_string).collect()
}
