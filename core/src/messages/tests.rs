//! The messages of a topic without a channel, in memory and in a log.

use super::*;

fn gone(messages: &Messages, id: u64) -> bool {
    matches!(messages.get(id), Found::Unreadable)
}

fn message(at: u64, body: &[u8]) -> Record<'_> {
    Record { timestamp: Time::from_nanos(at), due: None, expires: None, key: None, header_block: &[], body }
}

fn filled(count: u64) -> Messages {
    let mut messages = Messages::new(None);
    for at in 1..=count {
        messages.append(&message(at, &[at as u8; 1000]));
    }
    messages
}

/// Moves a reader on by one message, with so many bytes.
fn step(messages: &mut Messages, cursor: &mut Cursor, size: u64) {
    let Position { id, bytes } = cursor.position();
    messages.advance(cursor, Position { id: id + 1, bytes: bytes + size });
}

#[test]
fn what_all_cursors_passed_is_freed() {
    let mut messages = Messages::new(None);
    let mut cursor = messages.cursor(Position { id: 1, bytes: 0 });
    for at in 1..=5000 {
        let id = messages.append(&message(at, &[1; 1000]));
        assert_eq!(messages.record(id, messages.chunk_of(id)).timestamp.as_nanos(), at);
    }
    assert!(messages.memory() > 5_000_000);
    while cursor.id() < messages.end().id {
        messages.catch_up(&mut cursor);
        let record = messages.record(cursor.id(), cursor.chunk());
        assert_eq!(record.timestamp.as_nanos(), cursor.id());
        step(&mut messages, &mut cursor, 1000);
    }
    assert!(messages.memory() <= CHUNK_BYTES + 4096, "{}", messages.memory());
}

#[test]
fn a_pinned_message_outlives_its_chunk_without_keeping_it() {
    let mut messages = Messages::new(None);
    let mut cursor = messages.cursor(Position { id: 1, bytes: 0 });
    let mut pinned = Vec::new();
    for at in 1..=5000 {
        let id = messages.append(&message(at, &[at as u8; 1000]));
        if id.is_multiple_of(1000) {
            pinned.push((id, messages.chunk_of(id)));
            messages.pin(id, messages.chunk_of(id));
        }
        messages.catch_up(&mut cursor);
        step(&mut messages, &mut cursor, 1000);
    }
    for at in 5001..=15_000 {
        messages.append(&message(at, &[0; 1000]));
        messages.catch_up(&mut cursor);
        step(&mut messages, &mut cursor, 1000);
    }
    assert!(messages.memory() < 20 * CHUNK_BYTES, "{}", messages.memory());
    for (id, chunk) in pinned {
        assert_eq!(messages.record(id, chunk).body, [id as u8; 1000]);
        messages.unpin(id, chunk);
        assert!(gone(&messages, id));
    }
}

#[test]
fn bytes_and_times_are_found() {
    let mut messages = filled(1000);
    let _cursor = messages.cursor(Position { id: 1, bytes: 0 });
    assert_eq!(messages.position_of(1).map(|position| position.bytes), Ok(0));
    assert_eq!(messages.position_of(501).map(|position| position.bytes), Ok(500_000));
    assert_eq!(messages.position_of(1001).map(|position| position.bytes), Ok(1_000_000));
    assert_eq!(messages.find_time(Time::from_nanos(0)), Ok(1));
    assert_eq!(messages.find_time(Time::from_nanos(700)), Ok(700));
    assert_eq!(messages.find_time(Time::from_nanos(1001)), Ok(1001));
    assert_eq!(messages.find_last_bytes(0), Ok(1001));
    assert_eq!(messages.find_last_bytes(999), Ok(1001));
    assert_eq!(messages.find_last_bytes(1000), Ok(1000));
    assert_eq!(messages.find_last_bytes(u64::MAX), Ok(1));
    let keyed = Record { key: Some("key"), ..message(2000, b"12345") };
    messages.append(&keyed);
    messages.append(&message(2001, b"123"));
    assert_eq!(messages.position_of(1002).map(|position| position.bytes), Ok(1_000_005));
    assert_eq!(messages.position_of(1003).map(|position| position.bytes), Ok(1_000_008));
}

#[test]
fn retained_messages_stay_until_they_are_let_go() {
    let mut messages = Messages::new(None);
    messages.set_keep(1);
    let mut cursor = messages.cursor(Position { id: 1, bytes: 0 });
    for at in 1..=2000 {
        messages.append(&message(at, &[0; 1000]));
        messages.catch_up(&mut cursor);
        step(&mut messages, &mut cursor, 1000);
    }
    assert!(!gone(&messages, 1));
    messages.set_keep(1001);
    assert!(gone(&messages, 1) && !gone(&messages, 1001));
    messages.set_keep(u64::MAX);
    assert!(gone(&messages, 1001));
    assert!(messages.memory() <= CHUNK_BYTES + 4096, "{}", messages.memory());
}

#[test]
fn what_is_read_back_and_what_came_meanwhile_leave_no_hole() {
    let mut messages = Messages::new(Some(1));
    let _cursor = messages.cursor(Position { id: 1, bytes: 0 });
    for at in 1..=4 {
        messages.append(&message(at, &[at as u8; 10]));
    }
    messages.set_durable(3);
    messages.want(0);
    let wanted = messages.take_wanted();
    assert_eq!((wanted[0].from, wanted[0].to), (1, 3));
    messages.set_durable(5);
    while messages.evict(0) != Some(true) {}
    let read = crate::log::Loaded::decode(0, 0, &[], 1, 3);
    messages.load(0, read.clone());
    assert!(messages.wants(), "what came after the read was asked for is asked for as well");
    messages.append(&message(5, &[5; 10]));
    messages.load(0, read);
    assert!(matches!(messages.get(5), Found::Record(record) if record.body == [5; 10]));
    assert!(matches!(messages.get(4), Found::NotCached(0)));
}

#[test]
fn what_was_written_again_before_a_crash_is_looked_for_where_it_is_now() {
    use crate::log::image::{ChunkImage, TopicImage};
    let position = |id| Position { id, bytes: 0 };
    // Nothing in a log says that a chunk is free of messages: it is when all that are needed were written again.
    let chunk = |number, segment, id| ChunkImage { number, segment, first: position(id), ..ChunkImage::default() };
    let image = TopicImage {
        next: position(30),
        chunks: [chunk(0, 1, 1), chunk(1, 2, 10), chunk(2, 3, 20)].into(),
        rewritten: [(5, 2), (6, 2), (12, 2)].into_iter().collect(),
        ..TopicImage::default()
    };
    let mut messages = Messages::recovered(&image, 4);
    let _cursor = messages.cursor(position(30));
    // Of the second chunk, only one was written again before the crash.
    let pinned = [5, 6, 6, 12, 13].map(|id| (id, messages.chunk_of(id)));
    for (id, chunk) in pinned {
        messages.pin(id, chunk);
    }
    messages.set_keep(30);
    messages.sweep();
    assert_eq!(messages.first_segment(), 2, "the first segment may be gone by now");
    for (id, now) in [(5, 2), (6, 2), (13, 1)] {
        assert!(matches!(messages.get(id), Found::NotCached(chunk) if chunk == now), "{id}: {:?}", messages.get(id));
    }
    assert!(matches!(messages.get(12), Found::NotCached(1 | 2)));
    for (id, chunk) in pinned {
        assert!(messages.has(id));
        messages.unpin(id, chunk);
    }
    assert_eq!((messages.first_id(), gone(&messages, 5)), (30, true));
}

#[test]
fn what_is_written_again_stays_in_memory_until_it_is_durable() {
    use crate::log::Loaded;
    let mut messages = Messages::new(Some(1));
    let mut cursor = messages.cursor(Position { id: 1, bytes: 0 });
    messages.append(&message(1, b"slow"));
    messages.append(&message(2, b"quick"));
    messages.pin(1, 0);
    messages.start_segment(2);
    messages.append(&message(3, b"next"));
    messages.advance(&mut cursor, Position { id: 4, bytes: 13 });
    messages.set_durable(4);
    messages.rewrite_chunk(0, |_, _| 500);
    assert_eq!(messages.first_segment(), 2);
    // The messages of this chunk are durable, and what was written again is not.
    assert_eq!(messages.evict(1), Some(false));
    assert!(matches!(messages.get(1), Found::Record(record) if record.body == b"slow"));
    messages.set_log_durable(500);
    assert_eq!(messages.evict(1), Some(true));
    assert!(matches!(messages.get(1), Found::NotCached(1)));
    let mut record = Vec::new();
    message(1, b"slow").write(&mut record);
    let read = |rewritten| Loaded { from: 3, rewritten, ..Loaded::default() };
    messages.want(1);
    messages.load(1, read([(1, record.into())].into()));
    assert!(matches!(messages.get(1), Found::Record(record) if record.body == b"slow"));
    messages.want(1);
    assert_eq!(messages.evict(1), Some(false), "what a read brings has to fit to what is here");
    messages.load_failed(1);
    messages.chunk(1).used.set(false);
    assert_eq!(messages.evict(1), Some(true));
    messages.unpin(1, 0);
}

#[test]
fn a_kept_message_that_is_not_there_any_more_is_gone() {
    let mut messages = Messages::new(Some(1));
    let mut cursor = messages.cursor(Position { id: 1, bytes: 0 });
    messages.append(&message(1, &[1; 10]));
    messages.pin(1, 0);
    step(&mut messages, &mut cursor, 10);
    messages.start_segment(2);
    messages.append(&message(2, &[2; 10]));
    messages.set_durable(3);
    messages.catch_up(&mut cursor);
    messages.rewrite_chunk(0, |_, _| 0);
    let tail = messages.chunk_of(2);
    while messages.evict(tail) != Some(true) {}
    assert!(matches!(messages.get(1), Found::NotCached(chunk) if chunk == tail));
    messages.load(tail, crate::log::Loaded::decode(0, 0, &[], 2, 3));
    assert!(gone(&messages, 1));
}

/// Asserts that what was counted as it changed is what there is.
fn assert_counted(messages: &Messages) {
    let chunks: usize = messages.chunks.iter().map(Chunk::memory).sum();
    let detached: usize = messages.detached.values().map(Detached::memory).sum();
    assert_eq!(messages.memory(), chunks + detached);
}

#[test]
fn the_memory_that_is_counted_is_what_there_is() {
    let start = Position { id: 1, bytes: 0 };
    // Without a log: detached, and let go of one by one.
    let mut messages = Messages::new(None);
    let mut cursor = messages.cursor(start);
    for at in 1..=15_000 {
        let id = messages.append(&message(at, &[1; 1000]));
        if id.is_multiple_of(1000) && id <= 5000 {
            messages.pin(id, messages.chunk_of(id));
        }
        messages.catch_up(&mut cursor);
        step(&mut messages, &mut cursor, 1000);
    }
    assert!(messages.detached.len() > 2);
    for id in [1000, 2000, 3000, 4000, 5000] {
        assert_counted(&messages);
        messages.unpin(id, messages.chunk_of(id));
    }
    assert_eq!((messages.detached.len(), messages.detached_memory), (0, 0));
    // With one: moved, evicted, read back, moved again, and let go of.
    let mut messages = Messages::new(Some(1));
    let mut cursor = messages.cursor(start);
    for id in 1..=100 {
        messages.append(&message(id, &[2; 50]));
    }
    (1..=10).for_each(|id| messages.pin(10 * id, 0));
    for (segment, from) in [(2, 0), (3, 1)] {
        messages.start_segment(segment);
        messages.append(&message(200, b"next"));
        let end = messages.end();
        messages.advance(&mut cursor, end);
        messages.set_durable(end.id);
        assert_counted(&messages);
        messages.rewrite_chunk(from, |_, _| 500);
        assert_counted(&messages);
    }
    messages.set_log_durable(500);
    messages.chunk(2).used.set(false);
    assert_eq!((messages.detached.len(), messages.evict(2)), (10, Some(true)));
    assert_counted(&messages);
    let mut record = Vec::new();
    message(10, &[2; 50]).write(&mut record);
    messages.want(2);
    let rewritten = [(10, record.into())].into();
    messages.load(2, crate::log::Loaded { from: 102, offsets: [0].into(), rewritten, ..Default::default() });
    assert_counted(&messages);
    assert!(matches!(messages.get(10), Found::Record(_)) && gone(&messages, 20));
    (1..=10).for_each(|id| messages.unpin(10 * id, 0));
    assert_counted(&messages);
    assert_eq!((messages.detached.len(), messages.detached_memory), (0, 0));
}
