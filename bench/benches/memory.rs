//! Counts the bytes that the core asks its allocator for: of a message that is queued, of a poll that waits, and
//! what is left once every message is finished.
#![expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use shelfmq_bench::broker::Broker;
use shelfmq_bench::table::{Limit, row};
use shelfmq_bench::{BATCH, BODY, frames};

/// The system's allocator, and how many bytes are taken from it.
struct Counting;

static TAKEN: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[expect(unsafe_code, reason = "an allocator cannot be written without, and this one only passes calls on")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        TAKEN.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        TAKEN.fetch_add(size, Ordering::Relaxed);
        TAKEN.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

const MESSAGES: usize = 10_000_000;
const WAITERS: usize = 100_000;
const CHANNEL: &str = "topic=t&channel=c";

fn main() {
    queued();
    waiting();
}

fn queued() {
    let mut broker = Broker::default();
    broker.ask("/topic/create", "topic=t", b"");
    broker.ask("/channel/create", CHANNEL, b"");
    let before = taken();
    broker.fill("topic=t", MESSAGES);
    let overhead = (taken() - before) / count(MESSAGES) - count(BODY.len());
    row("memory: overhead of a queued message (10,000,000 of 100 B)", overhead, "B", Limit::AtMost(48.0));

    let query = format!("{CHANNEL}&max={BATCH}&wait=0&format=frames");
    let mut receipts = Vec::new();
    for _ in 0..MESSAGES / BATCH {
        let answer = broker.ask("/sub", &query, &receipts);
        frames::receipts(answer.body.as_bytes(), &mut receipts);
    }
    broker.ask("/fin", CHANNEL, &receipts);
    drop(receipts);
    let left = (taken() - before) / 1024.0;
    // Of the size of a batch, not of the backlog.
    row("memory: left once all 10,000,000 are finished", left, "KiB", Limit::AtMost(4096.0));
}

fn waiting() {
    let mut broker = Broker::default();
    broker.ask("/topic/create", "topic=t", b"");
    broker.ask("/channel/create", CHANNEL, b"");
    let before = taken();
    for _ in 0..WAITERS {
        broker.wait("/sub", "topic=t&channel=c&wait=1h");
    }
    let each = (taken() - before) / count(WAITERS);
    row("memory: a waiting poll in the core (100,000 of them)", each, "B", Limit::AtMost(256.0));
}

fn taken() -> f64 {
    count(TAKEN.load(Ordering::Relaxed))
}

fn count(value: usize) -> f64 {
    value as f64
}
