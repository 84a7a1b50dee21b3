//! A host's part of the log, in memory and at once: what is appended is durable, what is read is there.

use std::collections::BTreeMap;

use shelfmq_core::Engine;
use shelfmq_core::config::LogOptions;
use shelfmq_core::log::{Loaded, LogCommand, LogId, Read, SegmentHeader};
use shelfmq_core::time::Time;

/// The segments of all logs of an engine.
#[derive(Debug, Default)]
pub struct InstantLog {
    segments: BTreeMap<(LogId, u32), Vec<u8>>,
}

impl InstantLog {
    /// Segments of a few messages. All messages stay in memory: an answer of what is there need not wait for what is
    /// read, so that the answers would depend on what is there.
    pub fn small() -> LogOptions {
        LogOptions { segment_bytes: 2048, cache_bytes: 1 << 20 }
    }

    /// Writes all that waits to be written.
    ///
    /// # Panics
    /// Where an append does not begin where the last one ended.
    pub fn write(&mut self, engine: &mut Engine, now: Time) {
        while let Some(work) = engine.poll_log() {
            match work {
                LogCommand::Append(append) => {
                    let segment = self.segments.entry((append.log, append.number)).or_default();
                    assert_eq!(segment.len() as u64, append.offset, "appends follow each other");
                    segment.extend_from_slice(&append.bytes);
                    engine.handle_appended(now, append.log, append.upto);
                }
                LogCommand::Truncate(forget) => {
                    self.segments.retain(|(log, number), _| *log != forget.log || *number >= forget.segment);
                }
                LogCommand::Delete(delete) => {
                    self.segments.retain(|(log, _), _| *log != delete.log);
                    engine.handle_appended(now, delete.log, u64::MAX);
                }
            }
        }
    }

    /// What an engine wants to read.
    ///
    /// # Panics
    /// Where a segment has no header.
    pub fn read(&self, read: &Read) -> Option<Loaded> {
        let bytes = self.segments.get(&(read.log, read.segment))?;
        let header = SegmentHeader::read(bytes).expect("a segment begins with its header");
        let offset = shelfmq_core::log::frame::SEGMENT_HEADER_BYTES;
        Some(Loaded::decode(header.salt, offset as u64, &bytes[offset..], read.from, read.to))
    }

    /// How many segments there are.
    pub fn segments(&self) -> usize {
        self.segments.len()
    }
}
