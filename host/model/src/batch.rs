//! Messages of one partition as the source gave them, before they are decoded. All bytes of a
//! batch lie in one buffer, so that a message costs a copy and no allocation.

use crate::position::{Offset, OffsetRange, TopicPartition};

/// One header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Header name; one name may stand several times.
    pub key: String,
    /// Header value; Kafka allows null.
    pub value: Option<Vec<u8>>,
}

/// One message, borrowed from its batch.
#[derive(Clone, Copy, Debug)]
pub struct MessageRef<'a> {
    /// Offset in the partition.
    pub offset: Offset,
    /// The source's timestamp: microseconds since the epoch.
    pub timestamp_us: Option<i64>,
    /// Message key.
    pub key: Option<&'a [u8]>,
    /// Message value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Headers in their order.
    pub headers: &'a [Header],
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

#[derive(Clone, Debug)]
struct Record {
    offset: Offset,
    timestamp_us: Option<i64>,
    key: Option<Span>,
    value: Option<Span>,
    headers: Box<[Header]>,
}

/// Consecutive messages of one partition, with the range of positions they cover. Offsets rise
/// strictly; the range may be wider than the messages in it.
#[derive(Clone, Debug)]
pub struct MessageBatch {
    partition: TopicPartition,
    range: OffsetRange,
    /// Byte position behind the last message, for sources that need it to resume (files).
    cursor: Option<u64>,
    data: Vec<u8>,
    records: Vec<Record>,
}

impl MessageBatch {
    /// An empty batch whose range begins and ends at `start`.
    pub fn new(partition: TopicPartition, start: Offset) -> Self {
        Self {
            partition,
            range: OffsetRange::new(start, start),
            cursor: None,
            data: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Adds one message and moves the end of the range behind it. Fails, changing nothing, if
    /// the batch's buffer would outgrow 4 GiB.
    ///
    /// # Panics
    /// If the message's offset is below the end of the range: a source never goes back.
    pub fn push(&mut self, message: MessageRef<'_>) -> Result<(), BatchFull> {
        assert!(message.offset >= self.range.end, "offset {} was read twice", message.offset);
        let added = message.key.map_or(0, <[u8]>::len) + message.value.map_or(0, <[u8]>::len);
        if u32::try_from(self.data.len() + added).is_err() {
            return Err(BatchFull);
        }
        let key = message.key.map(|bytes| self.copy(bytes));
        let value = message.value.map(|bytes| self.copy(bytes));
        let Self { records, range, .. } = self;
        records.push(Record {
            offset: message.offset,
            timestamp_us: message.timestamp_us,
            key,
            value,
            headers: message.headers.into(),
        });
        range.end = message.offset + 1;
        Ok(())
    }

    /// Moves the end of the range to `end`, past positions that hold no message.
    pub fn advance_to(&mut self, end: Offset) {
        self.range.end = self.range.end.max(end);
    }

    /// Notes the byte position behind the last message.
    pub fn set_cursor(&mut self, cursor: u64) {
        self.cursor = Some(cursor);
    }

    /// Byte position behind the last message, if the source has one.
    pub fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    /// The partition all messages are from.
    pub fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    /// The positions that this batch covers.
    pub fn range(&self) -> OffsetRange {
        self.range
    }

    /// Number of messages.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True if there is no message (the range may cover positions all the same).
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.data.len()
    }

    /// Message number `row`, from 0.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn get(&self, row: usize) -> MessageRef<'_> {
        self.view(&self.records[row])
    }

    /// The row that holds `offset`.
    pub fn row_of(&self, offset: Offset) -> Option<usize> {
        self.records.binary_search_by_key(&offset, |record| record.offset).ok()
    }

    /// All messages in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = MessageRef<'_>> {
        self.records.iter().map(|record| self.view(record))
    }

    fn view<'a>(&'a self, record: &'a Record) -> MessageRef<'a> {
        let bytes = |span: Span| &self.data[span.start as usize..span.end as usize];
        MessageRef {
            offset: record.offset,
            timestamp_us: record.timestamp_us,
            key: record.key.map(bytes),
            value: record.value.map(bytes),
            headers: &record.headers,
        }
    }

    fn copy(&mut self, bytes: &[u8]) -> Span {
        let start = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        Span { start, end: self.data.len() as u32 }
    }
}

/// The batch's buffer is full: hand it on and begin another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message batch holds at most 4 GiB")]
pub struct BatchFull;

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: Offset, value: Option<&[u8]>) -> MessageRef<'_> {
        MessageRef { offset, timestamp_us: None, key: Some(b"k"), value, headers: &[] }
    }

    #[test]
    fn keeps_messages_and_range() {
        let mut batch = MessageBatch::new(TopicPartition::new("t", 0), 5);
        batch.push(message(7, Some(b"seven"))).unwrap();
        batch.push(message(8, None)).unwrap();
        batch.advance_to(10);
        assert_eq!(batch.range(), OffsetRange::new(5, 10));
        assert_eq!(batch.get(0).value, Some(b"seven".as_slice()));
        assert_eq!(batch.get(1).value, None);
        assert_eq!((batch.row_of(8), batch.row_of(9)), (Some(1), None));
    }

    #[test]
    #[should_panic(expected = "read twice")]
    fn refuses_an_offset_again() {
        let mut batch = MessageBatch::new(TopicPartition::new("t", 0), 0);
        batch.push(message(0, None)).unwrap();
        batch.push(message(0, None)).unwrap();
    }
}
